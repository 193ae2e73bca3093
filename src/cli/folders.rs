//! `mailbell folders ACCOUNT`: the folders as the server has them, and which subscription takes each.

use super::everyone;
use super::status::unknown_account;
use super::table::{self, plain};
use super::{FAILED, fail, load};
use crate::advice::for_imap;
use crate::clock::SystemClock;
use crate::config::{Account, Config};
use crate::control::nearest;
use crate::imap::{ImapError, ImapSource, Listed, MailSession, MailSource, TcpDial};
use crate::model::{AccountId, Lang, Look, RawName, Timestamp};
use crate::oauth::Tokens;
use crate::watch::folders::{self, Chosen};
use serde::Serialize;
use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// A folder's name is cut beyond this.
const WIDEST: usize = 60;
/// So many subscriptions of a folder are named.
const MOST_NAMED: usize = 5;
/// How often progress is shown on a terminal.
const PROGRESS_EVERY: usize = 50;

/// The answer.
#[derive(Debug, Serialize)]
struct Report {
    account: String,
    folders: Vec<Line>,
    /// Patterns that take no folder.
    missing: Vec<String>,
}

/// One folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Line {
    /// Its name for people, with `/` between levels.
    folder: String,
    /// Letters in it; null where it cannot be opened.
    messages: Option<u32>,
    /// Its special uses (RFC 6154), for example `\junk`.
    special_use: Vec<String>,
    /// False for names that only hold other folders (`\Noselect`).
    can_open: bool,
    /// What takes it; null where nothing does.
    subscription: Option<Taker>,
    /// Whether it deserves a connection of its own where the server has no NOTIFY; null where nothing takes it.
    realtime: Option<bool>,
    /// Why the server does not let it be looked at.
    refused: Option<String>,
}

/// What takes a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Taker {
    /// The account's `folders`.
    Short,
    /// An `[[account.subscription]]`, counted from 1 in the order of the file; the first of those that do.
    Number(usize, Vec<usize>),
}

impl Serialize for Taker {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Short => serializer.serialize_str("folders"),
            Self::Number(number, _) => number.serialize(serializer),
        }
    }
}

impl Taker {
    fn shown(&self, lang: Lang) -> String {
        match self {
            Self::Short => "folders".to_owned(),
            Self::Number(_, all) => {
                let most = all.iter().take(MOST_NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let more = if all.len() > MOST_NAMED { ", …" } else { "" };
                format!("{} {most}{more}", lang.pick("订阅", "subscription"))
            }
        }
    }
}

/// Connects, lists and prints.
pub(super) async fn folders(file: &Path, lang: Lang, typed: &str, json: bool) -> ExitCode {
    let config = match load(file, lang) {
        Ok(config) => everyone::with_registry(config, true).await,
        Err(code) => return code,
    };
    let account = match find(&config, typed, lang) {
        Ok(account) => account,
        Err(code) => return code,
    };
    match report(account, &mail_source(&config), lang).await {
        Ok(report) if json => println!("{}", serde_json::to_string_pretty(&report).unwrap_or_default()),
        Ok(report) => {
            for line in text(&report, lang) {
                println!("{line}");
            }
        }
        Err(error) => {
            let advice = for_imap(&error, account, lang);
            return fail(FAILED, &format!("{}: {}\n→ {advice}", account.id, plain(&error.to_string())));
        }
    }
    ExitCode::SUCCESS
}

/// Sessions of a command's own, beside those of a running service.
pub(super) fn mail_source(config: &Config) -> ImapSource {
    let clock = Arc::new(SystemClock::new(None, Timestamp(0)));
    ImapSource::new(Arc::new(TcpDial::default()), config.imap).with_bearer(Arc::new(Tokens::new(clock)))
}

/// The account of this address; or says that there is none, and which one may have been meant.
pub(super) fn find<'a>(config: &'a Config, typed: &str, lang: Lang) -> Result<&'a Account, ExitCode> {
    let wanted = AccountId::new(typed);
    let known = config.accounts.iter().map(|a| &*a.id.0);
    let found = config.accounts.iter().find(|a| a.id == wanted);
    found.map(|a| &**a).ok_or_else(|| unknown_account(typed, &nearest(typed, known), lang))
}

async fn report(account: &Account, source: &dyn MailSource, lang: Lang) -> Result<Report, ImapError> {
    let mut session = source.connect(account).await?;
    let listed = session.folders().await?;
    let looks = looks(&mut *session, &listed, lang).await?;
    session.logout().await;
    let chosen = folders::choose(&account.subscriptions, &listed);
    let missing = folders::missing(&account.subscriptions, &listed).into_iter().map(str::to_owned).collect();
    Ok(Report { account: account.id.to_string(), folders: lines(account, &listed, &chosen, &looks), missing })
}

/// What was learnt of a folder: its look, or the server's refusal.
type Looks = HashMap<RawName, Result<Look, String>>;

/// Looks at all that can be opened: in one round trip where the server has LIST-STATUS, by STATUS for what is left.
/// Nothing is open in this session, so STATUS may be asked of every folder (RFC 3501 6.3.10).
async fn looks(session: &mut dyn MailSession, listed: &[Listed], lang: Lang) -> Result<Looks, ImapError> {
    let names: Vec<RawName> = listed.iter().filter(|m| m.can_open).map(|m| m.raw.clone()).collect();
    let mut looks = Looks::new();
    if session.offer().list_status {
        match session.list_status(&names).await {
            Ok(told) => looks.extend(told.into_iter().map(|(name, look)| (name, Ok(look)))),
            Err(error) if error.is_answer() => {}
            Err(error) => return Err(error),
        }
    }
    let left: Vec<_> = names.iter().filter(|name| !looks.contains_key(*name)).cloned().collect();
    for (at, name) in left.iter().enumerate() {
        if at % PROGRESS_EVERY == 0 && at > 0 {
            progress(&format!("{} {at}/{}", lang.pick("正在查看文件夹", "looking at folders"), left.len()));
        }
        let look = match session.status(name).await {
            Ok(look) => Ok(look),
            Err(ImapError::No { text, .. } | ImapError::Bad { text, .. }) => Err(text),
            Err(error) => return Err(error),
        };
        looks.insert(name.clone(), look);
    }
    if left.len() > PROGRESS_EVERY {
        progress("");
    }
    Ok(looks)
}

/// Ten thousand folders take a while; on a terminal that is shown, on one line that is cleared first.
pub(super) fn progress(said: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K{said}");
    }
}

fn lines(account: &Account, listed: &[Listed], chosen: &[Chosen], looks: &Looks) -> Vec<Line> {
    // One subscription without settings of its own is what `folders` writes.
    let short = matches!(account.subscriptions.as_slice(), [only] if only.realtime.is_none() && only.filter.is_empty());
    let taken: HashMap<&RawName, &Chosen> = chosen.iter().map(|c| (&c.folder.raw, c)).collect();
    let line = |(mailbox, shown): (&Listed, String)| {
        let taker = taken.get(&mailbox.raw);
        let look = looks.get(&mailbox.raw);
        Line {
            folder: shown,
            messages: look.and_then(|l| l.as_ref().ok()).and_then(|l| l.exists),
            special_use: mailbox.uses.iter().filter(|used| *used != "\\inbox").cloned().collect(),
            can_open: mailbox.can_open,
            subscription: taker.map(|c| taken_by(c, short)),
            realtime: taker.map(|c| c.realtime),
            refused: look.and_then(|l| l.as_ref().err()).cloned(),
        }
    };
    let mut lines: Vec<_> = listed.iter().zip(folders::shown(listed)).map(line).collect();
    lines.sort_by(|a, b| (a.folder != "INBOX", &a.folder).cmp(&(b.folder != "INBOX", &b.folder)));
    lines
}

fn taken_by(chosen: &Chosen, short: bool) -> Taker {
    let all: Vec<_> = chosen.subscriptions.iter().map(|at| at + 1).collect();
    if short { Taker::Short } else { Taker::Number(all.first().copied().unwrap_or_default(), all) }
}

fn text(report: &Report, lang: Lang) -> Vec<String> {
    let head: [&str; 6] = match lang {
        Lang::ZhCn => ["文件夹", "邮件", "监视", "实时", "用途", "说明"],
        Lang::En => ["folder", "messages", "taken by", "realtime", "use", "note"],
    };
    let rows: Vec<_> = report.folders.iter().map(|line| row(line, lang)).collect();
    let mut lines = table::lines(&head, &rows, WIDEST);
    for pattern in &report.missing {
        let said = lang.pick("没有文件夹匹配 \"{}\"", "no folder matches \"{}\"");
        lines.push(said.replace("{}", &plain(pattern)));
    }
    let taken = report.folders.iter().filter(|line| line.subscription.is_some()).count();
    lines.push(match lang {
        Lang::ZhCn => format!("{}：共 {} 个文件夹，监视 {taken} 个", report.account, report.folders.len()),
        Lang::En => format!("{}: {} folder(s), {taken} watched", report.account, report.folders.len()),
    });
    lines
}

fn row(line: &Line, lang: Lang) -> Vec<String> {
    let realtime = match line.realtime {
        Some(true) => lang.pick("是", "yes"),
        Some(false) => lang.pick("否", "no"),
        None => "-",
    };
    let note = match (&line.refused, line.can_open) {
        (Some(refused), _) => format!("{}{refused}", lang.pick("服务器拒绝：", "the server refuses: ")),
        (None, false) => lang.pick("不能打开，只含下级", "cannot be opened, only holds others").to_owned(),
        (None, true) => String::new(),
    };
    vec![
        line.folder.clone(),
        line.messages.map_or_else(|| "-".to_owned(), |count| count.to_string()),
        line.subscription.as_ref().map_or_else(|| "-".to_owned(), |taker| taker.shown(lang)),
        realtime.to_owned(),
        line.special_use.join(" "),
        note,
    ]
}
