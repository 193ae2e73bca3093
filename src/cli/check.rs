//! `mailbell check`: tries everything that `run` would need, without sending or changing anything.

use super::finding::{Finding, Level, print};
use super::{FAILED, check_wecom, everyone, load};
use crate::advice::{for_imap, notes};
use crate::app::StartError;
use crate::clock::SystemClock;
use crate::config::{Account, Config, Imap, Mode, Subscription};
use crate::imap::{ImapError, ImapSource, Listed, MailSource, Offer, TcpDial};
use crate::model::{Lang, RawName, Timestamp};
use crate::oauth::Tokens;
use crate::people::People;
use crate::rules::pattern;
use crate::state::{Store, could_be_opened};
use crate::watch::folders::{self, Chosen};
use futures_util::stream::{self, StreamExt};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Accounts tried at one time: a check must not look like an attack to the mail server.
const AT_ONCE: usize = 4;
/// So many folders are named where one is missing; a mailbox may have ten thousand.
const FOLDERS_NAMED: usize = 30;

/// Runs all checks and prints the table.
pub(super) async fn check(file: &Path, lang: Lang, json: bool) -> ExitCode {
    let config = match load(file, lang) {
        Ok(config) => everyone::with_registry(config, false).await,
        Err(code) => return code,
    };
    let mut findings = vec![check_config(&config, lang)];
    findings.extend(check_calendar(&config, lang));
    findings.extend(
        config.warnings.iter().map(|warning| Finding::warning("config", warning.line_for(&config.file, lang), "")),
    );
    findings.push(check_store(&config, lang));
    findings.extend(check_web(&config, lang));
    findings.extend(check_wecom::check(&config, lang).await);
    let tokens = Tokens::new(Arc::new(SystemClock::new(None, Timestamp(0))));
    let source = ImapSource::new(Arc::new(TcpDial::default()), config.imap).with_bearer(Arc::new(tokens));
    let accounts = stream::iter(&config.accounts).map(|account| check_account(account, &source, config.imap, lang));
    let per_account: Vec<Vec<Finding>> = accounts.buffered(AT_ONCE).collect().await;
    findings.extend(per_account.into_iter().flatten());
    findings.extend(check_notes(&config, lang));
    print(&findings, json, lang);
    if findings.iter().any(|f| f.level == Level::Failed) { ExitCode::from(FAILED) } else { ExitCode::SUCCESS }
}

fn check_config(config: &Config, lang: Lang) -> Finding {
    let text = match lang {
        Lang::ZhCn => format!("{}，{} 个邮箱", config.file.display(), config.accounts.len()),
        Lang::En => format!("{}, {} account(s)", config.file.display(), config.accounts.len()),
    };
    Finding::ok("config", text)
}

/// Whether the working calendar knows the year, where somebody's hours ask it.
fn check_calendar(config: &Config, lang: Lang) -> Option<Finding> {
    let year = People::new(config).missing_year(crate::app::wall())?;
    let (text, advice) = match lang {
        Lang::ZhCn => (
            format!("没有 {year} 年的节假日与调休，按周一至周五为工作日"),
            "把该年写进一个文件（格式同 config/workdays-cn.toml），用 [alerts] workdays_file 指定".to_owned(),
        ),
        Lang::En => (
            format!("no holidays and make-up workdays of {year} are known: Monday to Friday count as workdays"),
            "write the year into a file as config/workdays-cn.toml has it, and name it in [alerts] workdays_file"
                .to_owned(),
        ),
    };
    Some(Finding::warning("calendar", text, advice))
}

/// Whether the store can be opened; a directory that is not there yet is not made.
fn check_store(config: &Config, lang: Lang) -> Finding {
    let path = config.state.path.clone();
    let shown = path.display().to_string();
    if !path.exists() {
        let parent = path.ancestors().skip(1).find(|p| p.exists()).map(Path::to_path_buf);
        let writable = parent.as_deref().is_some_and(|p| {
            rustix::fs::access(if p.as_os_str().is_empty() { Path::new(".") } else { p }, rustix::fs::Access::WRITE_OK)
                .is_ok()
        });
        return if writable || parent.is_none() {
            Finding::ok(
                "store",
                format!("{shown} {}", lang.pick("将在首次运行时创建", "will be made at the first run")),
            )
        } else {
            Finding::failed(
                "store",
                format!("{shown} {}", lang.pick("无法创建", "cannot be made")),
                lang.pick(
                    "换一个可写的 [state] path，或修改上级目录的权限",
                    "choose a [state] path that can be written, or change the rights of the directory above",
                ),
            )
        };
    }
    match Store::in_use(&path) {
        Ok(true) => Finding::ok(
            "store",
            format!("{shown} {}", lang.pick("正由运行中的 mailbell 使用", "is in use by a running mailbell")),
        ),
        // Rights alone do not tell: root has them all, and the disk may be read-only. This file has no name.
        Ok(false) if tempfile::tempfile_in(&path).is_err() => Finding::failed(
            "store",
            format!("{shown} {}", lang.pick("不可写", "cannot be written")),
            lang.pick("修改该目录的属主或权限", "change the owner or the rights of the directory"),
        ),
        Ok(false) => match could_be_opened(&path) {
            Ok(_) => Finding::ok("store", shown),
            Err(error) => Finding::failed("store", error.text(lang), ""),
        },
        Err(error) => Finding::failed(
            "store",
            error.text(lang),
            lang.pick("用运行服务的那个用户执行 check", "run check as the user that runs the service"),
        ),
    }
}

/// Whether [web] could listen; beside a running service it does.
fn check_web(config: &Config, lang: Lang) -> Option<Finding> {
    let address = config.web.as_ref()?.listen;
    if Store::in_use(&config.state.path).unwrap_or(false) {
        return None;
    }
    let reason = std::net::TcpListener::bind(address).err()?.to_string();
    Some(Finding::failed("web", StartError::Listen { address, reason }.text(lang), ""))
}

/// How the account would be watched, and why so: the choice of `watch` before experience tells it better.
fn watched(account: &Account, offer: Offer, chosen: &[Chosen], imap: Imap, lang: Lang) -> Finding {
    let subject = account.id.to_string();
    let poll = imap.poll_interval.as_secs().to_string();
    let notify = lang.pick("NOTIFY：一个连接看全部文件夹", "NOTIFY: one connection for all folders").to_owned();
    let polling = lang.pick("轮询，每 {} 秒", "polling, every {} s").replace("{}", &poll);
    let idle = match chosen {
        [_] => "IDLE".to_owned(),
        _ => lang.pick("IDLE，其余文件夹每 {} 秒查看一次", "IDLE; the other folders every {} s").replace("{}", &poll),
    };
    let said = |mode: &str| format!("mode = \"{mode}\"");
    let lacks = |what: &str| lang.pick("服务器没有 {}", "the server has no {}").replace("{}", what);
    let has_notify = offer.notify && offer.idle;
    let (how, why) = match account.mode {
        Mode::Poll => (polling, said("poll")),
        Mode::Idle if offer.idle => (idle, said("idle")),
        Mode::Idle => (polling, lacks("IDLE")),
        Mode::Notify if has_notify => (notify, said("notify")),
        Mode::Auto if has_notify && chosen.len() > 1 => {
            (notify, lang.pick("服务器有 NOTIFY", "the server has NOTIFY").to_owned())
        }
        Mode::Auto if has_notify => {
            (idle, lang.pick("只有一个文件夹，IDLE 就够了", "one folder, for which IDLE is enough").to_owned())
        }
        Mode::Auto | Mode::Notify if offer.idle => (idle, lacks("NOTIFY")),
        Mode::Auto | Mode::Notify => (polling, lacks("IDLE")),
    };
    let text = match lang {
        Lang::ZhCn => format!("监视方式：{how}（{why}）"),
        Lang::En => format!("watched by {how} ({why})"),
    };
    let wanted = match account.mode {
        Mode::Notify if !has_notify => "notify",
        Mode::Idle if !offer.idle => "idle",
        _ => return Finding::ok(&subject, text),
    };
    let advice = lang.pick("可删去 mode = \"{}\"", "mode = \"{}\" can be removed").replace("{}", wanted);
    Finding::warning(&subject, text, advice)
}

/// What is worth knowing of the providers in use, once for each.
fn check_notes(config: &Config, lang: Lang) -> Vec<Finding> {
    let mut told = BTreeMap::new();
    for account in &config.accounts {
        if let Some(known) = account.provider.known() {
            told.entry(known.name())
                .or_insert_with(|| notes(account, |note| !note.is_of_login(), lang).collect::<Vec<_>>());
        }
    }
    told.into_iter().flat_map(|(name, notes)| notes.into_iter().map(move |note| Finding::ok(name, note))).collect()
}

async fn check_account(account: &Account, source: &ImapSource, imap: Imap, lang: Lang) -> Vec<Finding> {
    let subject = account.id.to_string();
    let failed = |error: &ImapError| Finding::failed(&subject, error.to_string(), for_imap(error, account, lang));
    let mut session = match source.connect(account).await {
        Ok(session) => session,
        Err(error) => return vec![failed(&error)],
    };
    let server = &account.provider.server;
    let text = format!("{}:{} {}", server.host, server.port, lang.pick("登录成功", "logged in"));
    let mut findings = vec![Finding::ok(&subject, text)];
    let listed = match session.folders().await {
        Ok(listed) => listed,
        Err(error) => {
            findings.push(failed(&error));
            return findings;
        }
    };
    for name in folders::missing(&account.subscriptions, &listed) {
        let advice = existing(&listed, &subject, lang);
        findings.push(if pattern::is_wild(name) {
            let text = format!("{}\"{name}\"", lang.pick("没有文件夹匹配：", "no folder matches: "));
            Finding::warning(&subject, text, advice)
        } else {
            let text = format!("{}\"{name}\"", lang.pick("文件夹不存在：", "no such folder: "));
            Finding::failed(&subject, text, advice)
        });
    }
    let chosen = folders::choose(&account.subscriptions, &listed);
    if !chosen.is_empty() {
        findings.push(watched(account, session.offer(), &chosen, imap, lang));
    }
    let mut refused: BTreeMap<String, ImapError> = BTreeMap::new();
    for folder in &chosen {
        if let Err(error) = examine(&mut *session, &folder.folder.raw).await {
            refused.insert(folder.folder.shown.to_string(), error);
        }
    }
    for (name, error) in &refused {
        findings.push(Finding::failed(&subject, format!("{name}: {error}"), for_imap(error, account, lang)));
    }
    let names: Vec<_> =
        chosen.iter().map(|f| f.folder.shown.to_string()).filter(|n| !refused.contains_key(n)).collect();
    if !names.is_empty() {
        let text = format!("{}{}", lang.pick("文件夹：", "folders: "), names.join(", "));
        findings.push(Finding::ok(&subject, text));
    }
    session.logout().await;
    findings
}

/// The folders that exist, so that a misspelt name can be put right; of very many only the first.
fn existing(listed: &[Listed], account: &str, lang: Lang) -> String {
    let all = folders::choose(&[Subscription::to(&["*"])], listed);
    let named: Vec<_> = all.iter().take(FOLDERS_NAMED).map(|f| f.folder.shown.to_string()).collect();
    let said = format!("{}{}", lang.pick("已有的文件夹：", "folders that exist: "), named.join(", "));
    if all.len() == named.len() {
        return said;
    }
    let more = lang.pick(
        "{said} ……共 {all} 个，全部列出：mailbell folders {account}",
        "{said} ... {all} in all; to see them: mailbell folders {account}",
    );
    more.replace("{all}", &all.len().to_string()).replace("{account}", account).replace("{said}", &said)
}

async fn examine(session: &mut dyn crate::imap::MailSession, folder: &RawName) -> Result<(), ImapError> {
    session.examine(folder).await.map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
    use super::*;

    fn listed<S: AsRef<str>>(names: &[S]) -> Vec<Listed> {
        let one = |name: &S| Listed {
            raw: RawName::new(name.as_ref().as_bytes()),
            separator: Some(b'/'),
            can_open: true,
            uses: Vec::new(),
            prefix: None,
        };
        names.iter().map(one).collect()
    }

    #[test]
    fn ten_thousand_folders_are_not_all_named() {
        let few = existing(&listed(&["INBOX", "a"]), "z@corp.example", Lang::En);
        assert_eq!(few, "folders that exist: INBOX, a");
        let names: Vec<_> = (0..10_000).map(|n| format!("f{n}")).collect();
        let many = existing(&listed(&names), "z@corp.example", Lang::En);
        assert!(many.starts_with("folders that exist: f0, f1,") && !many.contains("f30"), "{many}");
        assert!(many.ends_with("10000 in all; to see them: mailbell folders z@corp.example"), "{many}");
    }

    fn told(mode: &str, offer: Offer, names: &[&str], lang: Lang) -> String {
        let text = format!(
            "[wecom]\ncorp_id = \"x\"\nagent_id = 1\nsecret = \"x\"\n[[account]]\nuser = \"z\"\nemail = \"z@corp.example\"\n\
             host = \"imap.corp.example\"\npassword = \"x\"\nfolders = [\"*\"]\nmode = \"{mode}\"\n"
        );
        let config = crate::config::load_text(Path::new("mailbell.toml"), &text, &|_| None).unwrap();
        let listed = listed(names);
        let chosen = folders::choose(&config.accounts[0].subscriptions, &listed);
        let finding = watched(&config.accounts[0], offer, &chosen, config.imap, lang);
        format!("{:?} {}", finding.level, finding.text)
    }

    #[test]
    fn the_way_and_the_reason_are_told_for_every_offer() {
        let offer = |notify, idle| Offer { notify, idle, ..Offer::default() };
        let (one, two) = (["INBOX"].as_slice(), ["INBOX", "a"].as_slice());
        for (mode, offer, names, wanted) in [
            (
                "auto",
                offer(true, true),
                two,
                "Ok watched by NOTIFY: one connection for all folders (the server has NOTIFY)",
            ),
            ("auto", offer(true, true), one, "Ok watched by IDLE (one folder, for which IDLE is enough)"),
            (
                "auto",
                offer(false, true),
                two,
                "Ok watched by IDLE; the other folders every 300 s (the server has no NOTIFY)",
            ),
            ("auto", offer(false, false), one, "Ok watched by polling, every 300 s (the server has no IDLE)"),
            (
                "notify",
                offer(true, true),
                one,
                "Ok watched by NOTIFY: one connection for all folders (mode = \"notify\")",
            ),
            ("notify", offer(false, true), one, "Warning watched by IDLE (the server has no NOTIFY)"),
            ("notify", offer(false, false), one, "Warning watched by polling, every 300 s (the server has no IDLE)"),
            ("idle", offer(true, true), one, "Ok watched by IDLE (mode = \"idle\")"),
            ("idle", offer(false, false), two, "Warning watched by polling, every 300 s (the server has no IDLE)"),
            ("poll", offer(true, true), one, "Ok watched by polling, every 300 s (mode = \"poll\")"),
        ] {
            assert_eq!(told(mode, offer, names, Lang::En), wanted);
            assert!(told(mode, offer, names, Lang::ZhCn).contains("监视方式："));
        }
    }
}
