//! What `check` looks at in WeCom: the app and its settings, and whether those who are to be told can be. Each finding
//! says where in the WeCom console it is put right.

use super::finding::{Finding, Step};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::model::{Lang, Recipient, Timestamp};
use crate::rules::retry::Outcome;
use crate::wecom::{Agent, Cause, Client, Directory, Named, Presence, advice_for, cause_of, domain_of, egress_in};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::net::IpAddr;
use std::sync::Arc;

/// So many members are asked for, at ten a second.
const MEMBERS_ASKED: usize = 200;
/// So many are named in one line.
const NAMED: usize = 20;
/// With more members than this, somebody who waits is told why.
const LONG_WAIT: usize = 20;

/// The place of those who may sign in to the console.
const SIGNS_IN: &str = "[web]";

/// Where the console is, in words that both languages need.
const CONSOLE: &str = "https://work.weixin.qq.com/wework_admin";

/// Looks at everything.
pub(super) async fn check(config: &Config, lang: Lang) -> Vec<Finding> {
    let clock = Arc::new(SystemClock::new(None, Timestamp(0)));
    let client = match Client::new(&config.wecom, clock) {
        Ok(client) => client,
        Err(error) => return vec![Finding::failed("wecom", error, "")],
    };
    if let Err(outcome) = client.ready().await {
        return vec![refused("wecom token", &outcome, config, lang)];
    }
    let mut findings = vec![Finding::ok("wecom token", lang.pick("已获取", "held"))];
    let contacts = client.contacts(&config.wecom);
    match contacts.app().await {
        Ok(app) => {
            findings.extend(of_app(&app, lang));
            findings.extend(trusted_domain(&app, config, lang));
        }
        Err(outcome) => {
            let hopeless = matches!(outcome, Outcome::Channel(_));
            findings.push(refused("wecom agent", &outcome, config, lang));
            if hopeless {
                return findings;
            }
        }
    }
    findings.extend(account_cap(config, lang));
    let (all, finding) = all_members(&contacts, lang).await;
    findings.extend(finding);
    findings.extend(members(&contacts, config, all.as_ref(), lang).await);
    findings.extend(groups(&contacts, config, lang).await);
    findings
}

/// A call that WeCom refused, or did not answer.
fn refused(subject: &str, outcome: &Outcome, config: &Config, lang: Lang) -> Finding {
    let words = outcome.reason();
    let advice = advice_for(outcome, lang).unwrap_or_default();
    let finding = Finding::failed(subject, words, advice);
    match cause_of(outcome) {
        Cause::TrustedIp => untrusted(finding, egress_in(words), config, lang),
        Cause::Credentials => finding.first(
            Step::Credentials,
            lang.pick(
                "核对 wecom.corp_id（管理后台“我的企业”页底部）、wecom.agent_id 和 wecom.secret（“应用管理”> 自建应用的页面），并确认该应用已启用",
                "compare wecom.corp_id (console: 我的企业, at the bottom), wecom.agent_id and wecom.secret (应用管理 > the app's page), and see that the app is enabled",
            ),
        ),
        Cause::Stopped => finding.first(Step::EnableApp, enable(lang)),
        Cause::KindOfSecret | Cause::Other => finding,
        Cause::NoAnswer => finding.first(
            Step::Network,
            lang.pick(
                "让本机连得上企业微信：检查 wecom.api_base、wecom.proxy、DNS 和防火墙",
                "let this machine reach WeCom: check wecom.api_base, wecom.proxy, DNS and the firewall",
            ),
        ),
    }
}

/// A strange address: which one to enter, and where.
fn untrusted(finding: Finding, address: Option<IpAddr>, config: &Config, lang: Lang) -> Finding {
    let shown = address
        .map_or_else(|| lang.pick("本机的出口 IP", "this machine's public address").to_owned(), |ip| ip.to_string());
    let whose = match (&config.wecom.proxy, lang) {
        (Some(_), Lang::ZhCn) => "（即 wecom.proxy 的出口地址）",
        (Some(_), Lang::En) => " (the way out of wecom.proxy)",
        (None, _) => "",
    };
    let advice = match lang {
        Lang::ZhCn => format!(
            "1. 打开管理后台 {CONSOLE} >“应用管理”> 自建应用\n\
             2. 若“企业可信IP”还不能编辑：先设置“网页授权及JS-SDK”的可信域名，或“接收消息”的回调 URL\n\
             3. “开发者接口”>“企业可信IP”>“配置”，填入 {shown}{whose}；多个地址用 ; 隔开\n\
             4. 约 1 分钟后生效，再执行 mailbell check。出口 IP 会变时，请让 wecom.proxy 指向固定 IP 的代理"
        ),
        Lang::En => format!(
            "1. Open the WeCom console {CONSOLE} > 应用管理 > the app\n\
             2. If 企业可信IP cannot be edited yet: first set a trusted domain (网页授权及JS-SDK) or a callback URL (接收消息)\n\
             3. 开发者接口 > 企业可信IP > 配置: enter {shown}{whose}; several addresses are separated with ;\n\
             4. It acts after about a minute; run mailbell check again. Where the address changes, let wecom.proxy be a proxy with a fixed one"
        ),
    };
    let first = match lang {
        Lang::ZhCn => format!("把 {shown} 加入企业可信IP：“应用管理”> 自建应用 >“企业可信IP”>“配置”"),
        Lang::En => format!("enter {shown} as a trusted address: 应用管理 > the app > 企业可信IP > 配置"),
    };
    Finding { advice, ..finding }.first(Step::TrustedIp, first)
}

fn enable(lang: Lang) -> &'static str {
    lang.pick(
        "启用该应用：“应用管理”> 自建应用 > 页面上方的启用开关",
        "enable the app: 应用管理 > the app > the switch at the top of its page",
    )
}

/// What the app's own settings say.
fn of_app(app: &Agent, lang: Lang) -> Vec<Finding> {
    let subject = "wecom agent";
    let mut findings = vec![if app.closed {
        let text = format!("{} {}", app.name, lang.pick("已停用", "is disabled"));
        Finding::failed(subject, text, enable(lang)).first(Step::EnableApp, enable(lang))
    } else {
        Finding::ok(subject, app.name.clone())
    }];
    if !app.home_url.is_empty() {
        let (text, advice) = match lang {
            Lang::ZhCn => (
                "应用设置了主页".to_owned(),
                "若同时勾选了“在微工作台中始终进入主页”，微信里的成员只能收到 20 字节的文本：“应用管理”> 自建应用 >“应用主页”，取消该选项（全员都用企业微信客户端则不必）",
            ),
            Lang::En => (
                "the app has a home page".to_owned(),
                "if 在微工作台中始终进入主页 is ticked as well, members who read in WeChat get texts cut to 20 bytes: 应用管理 > the app > 应用主页, untick it (of no matter where everybody uses the WeCom client)",
            ),
        };
        findings.push(Finding::warning(subject, text, advice).first(Step::HomePage, advice));
    }
    findings
}

/// Whether members can sign in to the console, where some may: WeCom sends a browser back to its trusted domain alone. That
/// of the browsers' page (授权回调域) is set apart, and is not told.
fn trusted_domain(app: &Agent, config: &Config, lang: Lang) -> Option<Finding> {
    let web = config.web.as_ref().filter(|web| !web.console.roles.is_empty())?;
    let domain = domain_of(web.public_url.as_ref()?);
    let subject = "wecom sign-in";
    if app.redirect_domain.eq_ignore_ascii_case(&domain) {
        return Some(Finding::ok(subject, domain));
    }
    let has = match app.redirect_domain.as_str() {
        "" => lang.pick("没有可信域名", "has no trusted domain").to_owned(),
        other => format!("{}{other}", lang.pick("的可信域名是 ", "has the trusted domain ")),
    };
    let (text, advice) = match lang {
        Lang::ZhCn => (
            format!("应用{has}，而控制台在 {domain}（[web] public_url）"),
            format!(
                "用企业微信登录控制台：“应用管理”> 自建应用 >“企业微信授权登录”> 设置授权回调域，以及“网页授权及JS-SDK”> 可信域名，都填 {domain}（含端口，须完全一致）"
            ),
        ),
        Lang::En => (
            format!("the app {has}, but the console is at {domain} ([web] public_url)"),
            format!(
                "for signing in to the console with WeCom: 应用管理 > the app > 企业微信授权登录 > 设置授权回调域, and 网页授权及JS-SDK > 可信域名: enter {domain} in both (port included, letter by letter)"
            ),
        ),
    };
    Some(Finding::warning(subject, text, advice.clone()).first(Step::TrustedDomain, advice))
}

fn range(lang: Lang) -> &'static str {
    lang.pick(
        "加入应用的可见范围：“应用管理”> 自建应用 >“可见范围”> 编辑，选择成员、部门或标签",
        "put them into the app's visible range: 应用管理 > the app > 可见范围 > edit, choose members, departments or tags",
    )
}

/// Without the cap the quota of the day is not known.
fn account_cap(config: &Config, lang: Lang) -> Option<Finding> {
    if config.wecom.account_cap.is_some() {
        return None;
    }
    let text = lang.pick(
        "没有填写 wecom.account_cap：不知道每天能发多少，超出后企业微信会拒收到当天结束",
        "wecom.account_cap is not set: how much may be sent in a day is not known, and above it WeCom takes nothing until the day is over",
    );
    let advice = lang.pick(
        "填写企业的账号上限数：管理后台“我的企业”> 企业信息，写入 [wecom] account_cap",
        "write the corp's account cap (账号上限数; console: 我的企业 > 企业信息) into [wecom] account_cap",
    );
    Some(Finding::warning("wecom quota", text, advice).first(Step::AccountCap, advice))
}

/// All userids of the corp, with the secret of contacts sync; and how that went.
async fn all_members(contacts: &dyn Directory, lang: Lang) -> (Option<BTreeSet<Arc<str>>>, Option<Finding>) {
    let subject = "wecom contacts";
    match contacts.members().await {
        Ok(None) => (None, None),
        Ok(Some(all)) => {
            let text = match lang {
                Lang::ZhCn => format!("通讯录同步可用，企业共 {} 名成员", all.len()),
                Lang::En => format!("contacts sync works: the corp has {} member(s)", all.len()),
            };
            (Some(all), Some(Finding::ok(subject, text)))
        }
        Err(outcome) => {
            let advice = match cause_of(&outcome) {
                Cause::Credentials | Cause::KindOfSecret => lang.pick(
                    "wecom.contacts_secret 要填“管理工具”>“通讯录同步”页面上的 Secret（不是应用的 Secret），且通讯录同步须已开启；不需要则删去此项",
                    "wecom.contacts_secret is the Secret on the page 管理工具 > 通讯录同步 (not an app's), and contacts sync must be switched on; leave the key out if it is not wanted",
                ),
                Cause::TrustedIp => lang.pick(
                    "通讯录同步有自己的企业可信IP：“管理工具”>“通讯录同步”>“企业可信IP”，填入上面 from ip 后的地址",
                    "contacts sync has trusted addresses of its own: 管理工具 > 通讯录同步 > 企业可信IP, enter the address after \"from ip\" above",
                ),
                _ => return (None, Some(Finding { subject: subject.to_owned(), ..not_looked_up(&outcome, lang) })),
            };
            (None, Some(Finding::failed(subject, outcome.reason(), advice).first(Step::ContactsSecret, advice)))
        }
    }
}

/// The members who are to be told, each with the place that names them first: accounts, then `[admin]`, then
/// `[user.NAME]`; then those who may sign in to the console.
fn wanted(config: &Config) -> Vec<(&str, String)> {
    let of_accounts = config.accounts.iter().flat_map(|account| {
        let more = account.subscriptions.iter().flat_map(|subscription| subscription.recipients.iter().flatten());
        account.recipients.iter().chain(more).map(|recipient| (recipient, account.id.to_string()))
    });
    let of_admin = config.admin.recipients.iter().map(|recipient| (recipient, "[admin]".to_owned()));
    let of_users = config.users.keys().map(|recipient| (recipient, format!("[user.{recipient}]")));
    let mut seen = BTreeSet::new();
    let mut wanted = Vec::new();
    for (recipient, place) in of_accounts.chain(of_admin).chain(of_users) {
        if let Recipient::User(userid) = recipient
            && seen.insert(userid)
        {
            wanted.push((&**userid, place));
        }
    }
    let roles = config.web.iter().flat_map(|web| web.console.roles.keys());
    wanted.extend(roles.filter(|userid| !seen.contains(userid)).map(|userid| (&**userid, SIGNS_IN.to_owned())));
    wanted
}

/// Whether each of the members can be told.
async fn members(
    contacts: &dyn Directory,
    config: &Config,
    all: Option<&BTreeSet<Arc<str>>>,
    lang: Lang,
) -> Vec<Finding> {
    let wanted = wanted(config);
    let mut found: BTreeMap<Presence, Vec<String>> = BTreeMap::new();
    let mut findings = Vec::new();
    wait_is_told(wanted.len(), lang);
    let mut asked = 0;
    let mut beyond = 0;
    for (userid, place) in &wanted {
        let in_corp = all.map(|all| all.contains(*userid));
        let presence = if in_corp == Some(false) {
            Presence::Left
        } else if asked == MEMBERS_ASKED {
            beyond += 1;
            continue;
        } else {
            asked += 1;
            match contacts.member(userid).await {
                // Some answers of WeCom do not tell the two apart; the list does.
                Ok(found) if found.presence == Presence::Unknown && in_corp == Some(true) => Presence::NotVisible,
                Ok(found) => found.presence,
                Err(outcome) => {
                    findings.push(not_looked_up(&outcome, lang));
                    break;
                }
            }
        };
        // Signing in works outside the visible range too (p91023).
        let presence = if presence == Presence::NotVisible && place == SIGNS_IN { Presence::Active } else { presence };
        found.entry(presence).or_default().push(format!("{userid} ({place})"));
    }
    findings.extend(found.into_iter().map(|(presence, named)| present(presence, &named, lang)));
    if beyond > 0 {
        let text = match lang {
            Lang::ZhCn => format!("共 {} 名成员，只核对了前 {MEMBERS_ASKED} 名", wanted.len()),
            Lang::En => format!("only the first {MEMBERS_ASKED} of {} members were looked up", wanted.len()),
        };
        findings.push(Finding::ok("wecom members", text));
    }
    findings
}

/// On a terminal, why nothing is to be seen for a while.
fn wait_is_told(members: usize, lang: Lang) {
    let asked = members.min(MEMBERS_ASKED);
    if asked > LONG_WAIT && std::io::stderr().is_terminal() {
        let seconds = asked / 10;
        let text = match lang {
            Lang::ZhCn => format!("正在核对 {asked} 名成员，约需 {seconds} 秒"),
            Lang::En => format!("looking up {asked} members, which takes about {seconds} s"),
        };
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// A look-up that failed for a reason of its own: alerts may arrive all the same.
fn not_looked_up(outcome: &Outcome, lang: Lang) -> Finding {
    let advice = lang.pick(
        "不影响发送。若 wecom.api_base 是反向代理，请放行 user/*、department/*、tag/*；否则稍后再试",
        "alerts can be sent all the same. If wecom.api_base is a relay, let it pass user/*, department/* and tag/*; else try again later",
    );
    let text = format!("{}{}", lang.pick("无法核对：", "cannot be looked up: "), outcome.reason());
    Finding::warning("wecom members", text, advice)
}

/// What is said of all whom the same is found of.
fn present(presence: Presence, named: &[String], lang: Lang) -> Finding {
    let (subject, count) = ("wecom members", named.len());
    let mut list = named.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if count > NAMED {
        list += &lang.pick(" …… 共 {} 名", " ... {} in all").replace("{}", &count.to_string());
    }
    let gone = lang.pick(
        "核对 userid（管理后台“通讯录”> 成员详情 > 账号，不是姓名或手机号）；已离职的，把其账号从配置或登记册中删去（mailbell account remove）",
        "compare the userid (console: 通讯录 > the member > 账号; neither a name nor a mobile number); of who has left, remove the account from the config or the registry (mailbell account remove)",
    );
    match presence {
        Presence::Active => {
            let text = lang.pick("{} 名成员无误", "{} in order").replace("{}", &count.to_string());
            Finding::ok(subject, text)
        }
        Presence::NotVisible => {
            let text = format!("{}{list}", lang.pick("不在应用的可见范围内：", "outside the app's visible range: "));
            Finding::failed(subject, text, range(lang)).first(Step::VisibleRange, range(lang))
        }
        Presence::Unknown => {
            let text = lang.pick("企业微信中没有，或不在可见范围内：", "unknown to WeCom, or not visible to the app: ");
            let advice = format!("{gone}\n{}", range(lang));
            Finding::failed(subject, format!("{text}{list}"), advice).first(Step::Members, gone)
        }
        Presence::Left => {
            let text = format!("{}{list}", lang.pick("已不在企业中：", "not in the corp (any more): "));
            Finding::failed(subject, text, gone).first(Step::Members, gone)
        }
        Presence::Disabled => {
            let text = format!("{}{list}", lang.pick("已被禁用，收不到提醒：", "disabled, so not to be told: "));
            let advice = lang.pick(
                "“通讯录”> 该成员 > 启用；已离职的，把其账号从配置或登记册中删去（mailbell account remove）",
                "通讯录 > the member > enable; of who has left, remove the account from the config or the registry (mailbell account remove)",
            );
            Finding::failed(subject, text, advice).first(Step::Members, advice)
        }
        Presence::NotActivated => {
            let text = format!("{}{list}", lang.pick("尚未激活企业微信：", "never signed in to WeCom: "));
            let advice = lang.pick(
                "请他们登录一次企业微信；在此之前不一定看得到提醒",
                "have them sign in to WeCom once; before that they may not see alerts",
            );
            Finding::warning(subject, text, advice)
        }
    }
}

/// Whether the departments and tags that are to be told exist for the app.
async fn groups(contacts: &dyn Directory, config: &Config, lang: Lang) -> Vec<Finding> {
    let of_accounts = config.accounts.iter().flat_map(|account| {
        let more = account.subscriptions.iter().flat_map(|subscription| subscription.recipients.iter().flatten());
        account.recipients.iter().chain(more)
    });
    let all: BTreeSet<&Recipient> = of_accounts.chain(&config.admin.recipients).chain(config.users.keys()).collect();
    let (mut parties, mut tags) = (Vec::new(), Vec::new());
    for recipient in all {
        match recipient {
            Recipient::Party(id) => parties.push((recipient, *id)),
            Recipient::Tag(id) => tags.push((recipient, *id)),
            Recipient::User(_) => {}
        }
    }
    let mut findings = Vec::new();
    if !parties.is_empty() {
        findings.extend(known(&parties, contacts.departments().await, "wecom departments", lang));
    }
    if !tags.is_empty() {
        findings.extend(known(&tags, contacts.tags().await, "wecom tags", lang));
    }
    findings
}

fn known(wanted: &[(&Recipient, u64)], listed: Result<Vec<Named>, Outcome>, subject: &str, lang: Lang) -> Vec<Finding> {
    let listed = match listed {
        Ok(listed) => listed,
        Err(outcome) => return vec![Finding { subject: subject.to_owned(), ..not_looked_up(&outcome, lang) }],
    };
    let find = |id: u64| listed.iter().find(|one| one.id == id);
    let (there, missing): (Vec<_>, Vec<_>) = wanted.iter().partition(|(_, id)| find(*id).is_some());
    let mut findings = Vec::new();
    if !there.is_empty() {
        let said = |(recipient, id): &(&Recipient, u64)| match find(*id) {
            Some(one) if !one.name.is_empty() => format!("{recipient} {}", one.name),
            _ => recipient.to_string(),
        };
        findings.push(Finding::ok(subject, there.into_iter().map(said).collect::<Vec<_>>().join(", ")));
    }
    if !missing.is_empty() {
        let list = missing.iter().map(|(recipient, _)| recipient.to_string()).collect::<Vec<_>>().join(", ");
        let text = lang.pick("不存在，或不在应用的可见范围内：", "unknown, or outside the app's visible range: ");
        let advice = match lang {
            Lang::ZhCn => format!("部门编号见“通讯录”> 部门 >“…”，标签编号见“通讯录”>“标签”\n{}", range(lang)),
            Lang::En => format!(
                "the number of a department: 通讯录 > the department > ...; of a tag: 通讯录 > 标签\n{}",
                range(lang)
            ),
        };
        findings.push(Finding::failed(subject, format!("{text}{list}"), advice).first(Step::VisibleRange, range(lang)));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::finding::Level;

    #[test]
    fn an_app_that_is_stopped_fails() {
        let app = Agent { name: "邮铃".to_owned(), closed: true, ..Agent::default() };
        for (lang, text) in [(Lang::En, "邮铃 is disabled"), (Lang::ZhCn, "邮铃 已停用")] {
            let findings = of_app(&app, lang);
            let first = findings.first().map(|finding| (finding.level, finding.text.as_str(), finding.first.clone()));
            let step = Some((Step::EnableApp, enable(lang).to_owned()));
            assert_eq!(first, Some((Level::Failed, text, step)));
        }
    }
}
