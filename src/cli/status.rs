//! `mailbell status`: what the running service says of its accounts.

use super::table::{self, plain, span};
use super::{FAILED, WRONG_USAGE, fail, load};
use crate::config::Config;
use crate::control::words::{TROUBLES, rank, state_word};
use crate::control::{self, AccountStatus, AskError, Refusal, Request, Status, WecomStatus};
use crate::health::Reason;
use crate::model::Lang;
use crate::wecom::advice_on;
use clap::ValueEnum;
use std::path::Path;
use std::process::ExitCode;

/// Rows that are printed unless something narrower was asked for.
const ROWS: usize = 200;
/// An address is cut beyond this.
const WIDEST: usize = 60;

/// `--state`.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum StateArg {
    Connecting,
    Watching,
    Polling,
    Waiting,
    Blind,
    LoginRefused,
    Disabled,
}

/// What was typed after `status`.
#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    /// Only this account, by its address, with its folders (邮箱地址)
    account: Option<String>,
    /// Only accounts in this state (只看此状态)
    #[arg(long)]
    state: Option<StateArg>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Asks and prints.
pub(super) async fn status(file: &Path, lang: Lang, args: StatusArgs) -> ExitCode {
    let config = match load(file, lang) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let state = args.state.and_then(|s| s.to_possible_value()).map(|value| value.get_name().to_owned());
    let request = Request::Status { account: args.account.clone(), state: state.clone() };
    let status: Status = match control::ask(&config.state.path, &request).await {
        Ok(status) => status,
        Err(error) => return refused(&error, &config, args.account.as_deref(), lang),
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&status).unwrap_or_default());
        return ExitCode::SUCCESS;
    }
    for line in text(&status, args.account.is_some(), state.is_some(), lang) {
        println!("{line}");
    }
    ExitCode::SUCCESS
}

/// Says in one line why the service gave no answer, and what to do.
pub(super) fn refused(error: &AskError, config: &Config, account: Option<&str>, lang: Lang) -> ExitCode {
    let socket = config.state.path.join(control::SOCKET).display().to_string();
    let said = match error {
        AskError::Absent => lang.pick(
            "没有运行中的服务（{} 不存在，或正在启动）：先执行 mailbell run，或用 --config 指定服务所用的配置文件",
            "no service is running here ({} does not exist, or it is just starting): start mailbell run, or name the service's config with --config",
        ),
        AskError::Dead => lang.pick(
            "服务已不在运行（{} 无人应答）：重新启动 mailbell run，原因见其日志",
            "the service is not running any more (nobody answers at {}): start mailbell run again; its log says why it ended",
        ),
        AskError::NotAllowed => lang.pick(
            "无权访问 {}：请用运行服务的那个用户执行，例如 sudo -u mailbell mailbell status",
            "{} is not for this user: run the command as the user that runs the service, for example sudo -u mailbell mailbell status",
        ),
        AskError::Silent => lang.pick(
            "服务没有及时应答（{}）：稍后再试，若仍如此请看其日志",
            "the service did not answer in time ({}): try again, then look at its log",
        ),
        AskError::Refused(Refusal::UnknownAccount { nearest }) => {
            return unknown_account(account.unwrap_or_default(), nearest, lang);
        }
        AskError::Refused(Refusal::UnknownRequest { version }) => {
            let said = lang.pick(
                "运行中的服务（版本 {}）不认识此命令：请在升级后重启服务",
                "the running service (version {}) does not know this command: restart it after an upgrade",
            );
            return fail(FAILED, &said.replace("{}", version));
        }
        AskError::Refused(Refusal::Failed(why)) | AskError::Other(why) => {
            let said = lang.pick("服务无法应答：{}", "the service cannot answer: {}");
            return fail(FAILED, &said.replace("{}", &plain(why)));
        }
    };
    fail(FAILED, &said.replace("{}", &socket))
}

/// Says that there is no such account, and which resemble it.
pub(super) fn unknown_account(typed: &str, nearest: &[String], lang: Lang) -> ExitCode {
    let typed = plain(typed);
    let said = match lang {
        Lang::ZhCn if nearest.is_empty() => format!("没有邮箱 {typed}；请写配置中的地址"),
        Lang::ZhCn => format!("没有邮箱 {typed}；是否想写 {}？", nearest.join("、")),
        Lang::En if nearest.is_empty() => format!("no account {typed}; write an address of the config"),
        Lang::En => format!("no account {typed}; did you mean {}?", nearest.join(", ")),
    };
    fail(WRONG_USAGE, &said)
}

/// The lines for people: what needs somebody first.
fn text(status: &Status, one: bool, narrowed: bool, lang: Lang) -> Vec<String> {
    let mut accounts: Vec<_> = status.accounts.iter().collect();
    accounts.sort_by_key(|account| rank(&account.state));
    let limit = if one || narrowed { usize::MAX } else { ROWS };
    let shown: Vec<_> = accounts.iter().copied().take(limit).collect();
    let head: [&str; 9] = match lang {
        Lang::ZhCn => ["邮箱", "状态", "方式", "最近应答", "最近同步", "剩余同步", "连接", "下次重试", "原因"],
        Lang::En => {
            ["account", "state", "mode", "proof of life", "last sync", "budget left", "connections", "next try", "why"]
        }
    };
    let rows: Vec<_> = shown.iter().map(|account| row(account, lang)).collect();
    let mut lines = if rows.is_empty() { Vec::new() } else { table::lines(&head, &rows, WIDEST) };
    if accounts.len() > shown.len() {
        let rest = (accounts.len() - shown.len()).to_string();
        let said = lang.pick(
            "……还有 {} 个邮箱：用 --state 状态 或邮箱地址查看，或用 --json",
            "... and {} more: ask with --state STATE, an address, or --json",
        );
        lines.push(said.replace("{}", &rest));
    }
    if one {
        lines.extend(shown.iter().flat_map(|account| details(account, lang)));
    }
    lines.extend(summary(status, lang));
    lines
}

fn is_trouble(account: &AccountStatus) -> bool {
    rank(&account.state) < TROUBLES
}

/// Why a mode was chosen, for people.
fn why_word(why: &str, lang: Lang) -> String {
    Reason::of(why).text(lang).to_owned()
}

fn row(account: &AccountStatus, lang: Lang) -> Vec<String> {
    let reason = if is_trouble(account) {
        account.last_error.clone()
    } else {
        account.why.as_deref().map(|why| why_word(why, lang))
    };
    vec![
        account.account.clone(),
        state_word(&account.state, lang).to_owned(),
        account.mode.clone().unwrap_or_else(|| "-".to_owned()),
        span(account.proof_of_life_seconds),
        span(account.last_sync_seconds),
        account.budget_left.to_string(),
        account.connections.to_string(),
        span(account.next_try_seconds),
        reason.unwrap_or_default(),
    ]
}

/// What the row of one account leaves out.
fn details(account: &AccountStatus, lang: Lang) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut add = |zh: &str, en: &str, what: Option<String>| {
        if let Some(what) = what {
            lines.push(format!("{}{}", lang.pick(zh, en), plain(&what)));
        }
    };
    add("接收人：", "recipients: ", Some(account.recipients.join(lang.pick("、", ", "))));
    let blind = account.blind_seconds.map(|seconds| span(Some(seconds)));
    add("无应答已有：", "blind for: ", blind);
    add("方式的原因：", "why this mode: ", account.why.as_deref().map(|why| why_word(why, lang)));
    let since = match account.last_error_seconds {
        Some(seconds) => {
            let said = lang.pick("（{} 前）", " ({} ago)");
            said.replace("{}", &span(Some(seconds)))
        }
        None => String::new(),
    };
    add("最近的错误：", "last error: ", account.last_error.as_ref().map(|error| format!("{error}{since}")));
    add("服务器的通知：", "the server says: ", account.server_alert.clone());
    lines.push(String::new());
    if account.folders.is_empty() {
        return lines;
    }
    let head: [&str; 4] = match lang {
        Lang::ZhCn => ["文件夹", "最近确认", "即时推送", "无法打开的原因"],
        Lang::En => ["folder", "fresh", "pushed", "refused"],
    };
    let folder = |f: &control::FolderStatus| {
        let pushed = if f.pushed { lang.pick("是", "yes") } else { lang.pick("否", "no") };
        vec![f.folder.clone(), span(f.fresh_seconds), pushed.to_owned(), f.refused.clone().unwrap_or_default()]
    };
    let rows: Vec<_> = account.folders.iter().map(folder).collect();
    lines.extend(table::lines(&head, &rows, WIDEST));
    lines.push(String::new());
    lines
}

/// All accounts, the outbox, the channel and the service in a few lines.
fn summary(status: &Status, lang: Lang) -> Vec<String> {
    let all: usize = status.states.values().sum();
    let mut states: Vec<_> = status.states.iter().filter(|(_, count)| **count > 0).collect();
    states.sort_by_key(|(state, _)| rank(state));
    let states: Vec<_> = states.iter().map(|(state, count)| format!("{} {count}", state_word(state, lang))).collect();
    let outbox = &status.outbox;
    let channel = match (status.channel.state.as_str(), status.channel.token_held) {
        ("resting", _) => {
            let reason = plain(status.channel.reason.as_deref().unwrap_or_default());
            format!("{}{reason}", lang.pick("暂停发送：", "resting: "))
        }
        ("open", _) => lang.pick("正常", "open").to_owned(),
        (_, true) => lang.pick("尚未发送过", "nothing sent yet").to_owned(),
        _ => lang.pick("尚无 access_token", "no token yet").to_owned(),
    };
    let (version, uptime) = (&status.version, span(Some(status.uptime_seconds)));
    let (waiting, open, dead) = (outbox.waiting, outbox.open, outbox.dead);
    let mut lines = match lang {
        Lang::ZhCn => vec![
            format!("共 {all} 个邮箱{}{}", if states.is_empty() { "" } else { "：" }, states.join("，")),
            format!("待发邮件 {waiting}，待发提醒 {open}，发送失败的提醒 {dead}；企业微信：{channel}"),
        ],
        Lang::En => vec![
            format!("{all} account(s){}{}", if states.is_empty() { "" } else { ": " }, states.join(", ")),
            format!("letters waiting {waiting}, alerts open {open}, dead {dead}; WeCom: {channel}"),
        ],
    };
    if let ("resting", Some(reason)) = (status.channel.state.as_str(), &status.channel.reason) {
        lines.extend(advice_on(reason, lang).map(|advice| format!("  → {advice}")));
    }
    if dead > 0 {
        let said = lang.pick(
            "发送失败的原因和处理办法：mailbell alerts list",
            "why alerts are dead, and what to do: mailbell alerts list",
        );
        lines.push(said.to_owned());
    }
    if status.accounts.iter().any(is_trouble) {
        let said =
            lang.pick("邮箱的问题和处理办法：mailbell check", "what to do about accounts in trouble: mailbell check");
        lines.push(said.to_owned());
    }
    lines.push(limits(&status.wecom, lang));
    lines.push(match lang {
        Lang::ZhCn => format!("mailbell {version}，已运行 {uptime}"),
        Lang::En => format!("mailbell {version}, up {uptime}"),
    });
    lines
}

/// How much of WeCom's limits is used.
fn limits(wecom: &WecomStatus, lang: Lang) -> String {
    let (today, forecast) = (wecom.today, wecom.forecast);
    let mut said = match (wecom.quota, lang) {
        (Some(quota), Lang::ZhCn) => format!("今日已发 {today} 人次，预计全天 {forecast}，额度 {quota}"),
        (Some(quota), Lang::En) => format!("persons told today {today}, by midnight about {forecast}, of {quota}"),
        (None, Lang::ZhCn) => format!("今日已发 {today} 人次，预计全天 {forecast}（未设 wecom.account_cap，额度未知）"),
        (None, Lang::En) => {
            format!(
                "persons told today {today}, by midnight about {forecast} (without wecom.account_cap the quota is not known)"
            )
        }
    };
    if wecom.quota.is_some_and(|quota| forecast > quota) {
        said +=
            lang.pick("：将超出额度，超出的等到次日零点", ": more than the quota, so some will wait until midnight");
    }
    if wecom.held_recipients > 0 {
        let text = lang.pick("；因成员限额等待的接收人 {}", "; recipients held by the limits per member {}");
        said += &text.replace("{}", &wecom.held_recipients.to_string());
    }
    if wecom.parked_recipients > 0 {
        let text = lang.pick("；企业微信无法送达的接收人 {}", "; recipients whom WeCom does not reach {}");
        said += &text.replace("{}", &wecom.parked_recipients.to_string());
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{ChannelStatus, FolderStatus, OutboxStatus};

    fn account(address: &str, state: &str) -> AccountStatus {
        AccountStatus {
            account: address.to_owned(),
            user: Some("zhangsan".to_owned()),
            recipients: vec!["zhangsan".to_owned()],
            state: state.to_owned(),
            mode: None,
            why: Some("IDLE".to_owned()),
            proof_of_life_seconds: None,
            blind_seconds: None,
            last_sync_seconds: Some(61),
            budget_left: 49,
            connections: 0,
            last_error: Some("login: refused: \x1b[2J用户名或密码错误".to_owned()),
            last_error_seconds: Some(3),
            next_try_seconds: Some(600),
            server_alert: None,
            folders: vec![FolderStatus {
                folder: "项目/甲".to_owned(),
                fresh_seconds: Some(5),
                pushed: true,
                refused: None,
            }],
        }
    }

    fn status(accounts: Vec<AccountStatus>) -> Status {
        let mut states = std::collections::BTreeMap::new();
        for account in &accounts {
            *states.entry(account.state.clone()).or_default() += 1;
        }
        Status {
            accounts,
            states,
            outbox: OutboxStatus { waiting: 1, open: 2, dead: 3 },
            channel: ChannelStatus { state: "resting".to_owned(), reason: Some("45009".to_owned()), token_held: true },
            wecom: WecomStatus { today: 12, forecast: 40, quota: Some(100_000), ..WecomStatus::default() },
            version: "1.2.3".to_owned(),
            uptime_seconds: 3_700,
        }
    }

    #[test]
    fn what_needs_a_person_comes_first() {
        let all = ["watching", "polling", "blind", "login_refused", "waiting", "connecting", "disabled"];
        let accounts = all.iter().map(|state| account(&format!("{state}@corp.example"), state)).collect();
        let lines = text(&status(accounts), false, false, Lang::En);
        let order: Vec<_> = lines[1..8].iter().map(|line| line.split('@').next().unwrap()).collect();
        assert_eq!(order, ["login_refused", "blind", "waiting", "connecting", "polling", "watching", "disabled"]);
        assert!(lines[1].contains("用户名或密码错误") && !lines[1].contains('\x1b'), "{}", lines[1]);
        assert!(lines[6].ends_with("IDLE"), "{}", lines[6]);
        assert_eq!(
            lines[8],
            "7 account(s): login_refused 1, blind 1, waiting 1, connecting 1, polling 1, watching 1, disabled 1"
        );
        assert_eq!(lines[9], "letters waiting 1, alerts open 2, dead 3; WeCom: resting: 45009");
        assert!(lines[10].ends_with("mailbell alerts list"), "{}", lines[10]);
        assert!(lines[11].ends_with("mailbell check"), "{}", lines[11]);
        assert_eq!(lines[12], "persons told today 12, by midnight about 40, of 100000");
    }

    #[test]
    fn the_limits_of_wecom_are_told_in_one_line() {
        let free = WecomStatus { today: 3, forecast: 5, ..WecomStatus::default() };
        assert!(limits(&free, Lang::En).contains("without wecom.account_cap"));
        let tight = WecomStatus { quota: Some(4), held_recipients: 2, parked_recipients: 1, ..free };
        let said = limits(&tight, Lang::ZhCn);
        assert_eq!(
            said,
            "今日已发 3 人次，预计全天 5，额度 4：将超出额度，超出的等到次日零点；因成员限额等待的接收人 2；企业微信无法送达的接收人 1"
        );
        assert!(limits(&tight, Lang::En).contains("some will wait until midnight"));
        let mut calm = status(Vec::new());
        calm.outbox.dead = 0;
        let said = text(&calm, false, false, Lang::En).join("\n");
        assert!(!said.contains("alerts list") && !said.contains("mailbell check"), "{said}");
    }

    #[test]
    fn ten_thousand_accounts_do_not_flood_the_terminal() {
        let mut accounts: Vec<_> = (0..10_000).map(|n| account(&format!("{n}@corp.example"), "watching")).collect();
        accounts.push(account("zz@corp.example", "blind"));
        let all = text(&status(accounts.clone()), false, false, Lang::ZhCn);
        assert_eq!(all.len(), 1 + ROWS + 1 + 6);
        assert!(all[1].starts_with("zz@corp.example") && all[1].contains("无应答"), "{}", all[1]);
        assert!(all[1 + ROWS].contains("还有 9801 个邮箱"), "{}", all[1 + ROWS]);
        assert!(all[2 + ROWS].contains("共 10001 个邮箱：无应答 1，监视中 10000"), "{}", all[2 + ROWS]);
        assert_eq!(text(&status(accounts), false, true, Lang::ZhCn).len(), 1 + 10_001 + 6);
    }

    #[test]
    fn why_a_mode_was_chosen_is_told_in_chinese_too() {
        for reason in Reason::ALL {
            let (english, chinese) = (reason.text(Lang::En), reason.text(Lang::ZhCn));
            let mut told = account("a@corp.example", "watching");
            told.why = Some(english.to_owned());
            assert!(row(&told, Lang::En).ends_with(&[english.to_owned()]));
            let lines = text(&status(vec![told]), true, false, Lang::ZhCn);
            let said = lines.iter().filter(|line| line.contains(chinese)).count();
            assert!(said == 2 && !lines.join("\n").contains(english), "{lines:#?}");
        }
        assert_eq!(why_word("mode = \"poll\"", Lang::ZhCn), "mode = \"poll\"");
    }

    #[test]
    fn one_account_is_told_with_its_folders() {
        let lines = text(&status(vec![account("a@corp.example", "login_refused")]), true, false, Lang::ZhCn);
        let text = lines.join("\n");
        for word in ["登录被拒", "最近的错误：login: refused", "（3s 前）", "接收人：zhangsan", "项目/甲", "是"]
        {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}
