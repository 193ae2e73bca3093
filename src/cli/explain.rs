//! `mailbell explain ACCOUNT FILE.eml`: a mail as it would be read, what takes it, and the alert as it would be sent.

use super::everyone;
use super::folders::find;
use super::table::plain;
use super::{FAILED, fail, load, passed};
use crate::app;
use crate::clock::SystemClock;
use crate::config::{Account, Config};
use crate::deliver::{Accounts, Looks, composer};
use crate::model::{Attachment, Card, Item, Kind, Lang, Letter, Method, Recipient, Start, Timestamp, Urgency, Verdict};
use crate::parse::{self, Source};
use crate::rules::pattern;
use crate::state::{Content, Shape};
use crate::watch::{Route, route};
use crate::wecom::Client;
use clap::Args;
use serde::Serialize;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// No mail is as large as this, and a whole one is held in memory.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// What was typed after `explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The account, by its address (邮箱地址)
    account: String,
    /// The mail; - for the standard input
    file: PathBuf,
    /// The folder that it would come to (文件夹)
    #[arg(long, default_value = "INBOX")]
    folder: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Report {
    letter: LetterRead,
    /// Null where none takes the letter from the folder.
    subscription: Option<Taker>,
    /// The subscriptions before it, and what does not fit.
    passed: Vec<serde_json::Value>,
    #[serde(skip)]
    passed_line: Option<String>,
    /// The body of `message/send`; null where nobody is told.
    alert: Option<serde_json::Value>,
}

/// The letter.
#[derive(Debug, Serialize)]
struct LetterRead {
    from_name: Option<String>,
    from_address: Option<String>,
    reply_to: Option<String>,
    subject: Option<String>,
    /// When the server received it, as its header tells (RFC 3339); else its Date.
    time: Option<String>,
    /// The Date field, where it is more than a day away from that.
    dated: Option<String>,
    size: u64,
    attachments: Vec<Attachment>,
    kinds: Vec<Kind>,
    invitation: Option<InvitationRead>,
    verdict: Option<Verdict>,
    readable: bool,
}

/// The invitation that it brings.
#[derive(Debug, Serialize)]
struct InvitationRead {
    method: Method,
    /// A moment (RFC 3339), a day, or a time without a zone (RFC 9557).
    start: Option<String>,
    place: Option<String>,
}

/// The subscription that takes the folder.
#[derive(Debug, Serialize)]
struct Taker {
    /// Its place in the file, from 1.
    number: usize,
    /// The pattern that decided.
    pattern: Option<String>,
    urgency: &'static str,
    recipients: Vec<String>,
}

/// Reads, decides, composes, prints.
pub(super) async fn explain(file: &Path, lang: Lang, args: &ExplainArgs) -> ExitCode {
    let config = match load(file, lang) {
        Ok(config) => everyone::with_registry(config, true).await,
        Err(code) => return code,
    };
    let account = match find(&config, &args.account, lang) {
        Ok(account) => account,
        Err(code) => return code,
    };
    let mail = match read(&args.file) {
        Ok(mail) => mail,
        Err(error) => {
            let said = lang.pick("无法读取这封邮件", "this mail cannot be read");
            return fail(FAILED, &format!("{}: {said}: {error}", args.file.display()));
        }
    };
    let received = parse::received_at(parse::header_of(&mail));
    let letter = letter(account, &mail, received);
    let report = match report(&config, account, &args.folder, letter, received, lang) {
        Ok(report) => report,
        Err(error) => return fail(FAILED, &error),
    };
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&report).unwrap_or_default()),
        false => {
            for line in text(&report, lang) {
                println!("{line}");
            }
        }
    }
    ExitCode::SUCCESS
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut mail = Vec::new();
    match file.as_os_str() == "-" {
        true => std::io::stdin().take(MOST_BYTES).read_to_end(&mut mail)?,
        false => std::fs::File::open(file)?.take(MOST_BYTES).read_to_end(&mut mail)?,
    };
    Ok(mail)
}

fn letter(account: &Account, mail: &[u8], received: Option<Timestamp>) -> Letter {
    parse::letter(&Source {
        account: &account.id,
        uid_validity: 0,
        uid: 0,
        // One that does not say when it came would come now.
        time: received.unwrap_or_else(app::wall),
        size: u64::try_from(mail.len()).unwrap_or(u64::MAX),
        seen: false,
        locale: account.locale,
        trusted: &account.trusted_authserv,
        names: account.asks_names(),
        parts: &parse::parts_of(mail),
        header: Some(parse::header_of(mail)),
    })
}

fn report(
    config: &Config,
    account: &Account,
    folder: &str,
    letter: Letter,
    received: Option<Timestamp>,
    lang: Lang,
) -> Result<Report, String> {
    let takes = |patterns: &[String]| pattern::takes(patterns, &[folder], &[]);
    let taking = account.subscriptions.iter().enumerate().filter(|(_, s)| takes(&s.folders));
    let places: Vec<_> = taking.map(|(place, _)| place).collect();
    let before = passed::before(&account.subscriptions, folder, &letter);
    let taker = route(account, &places, &letter).map(|Route { place, recipients, urgency }| {
        let patterns = account.subscriptions.get(place).map(|s| s.folders.as_slice()).unwrap_or_default();
        let pattern = patterns.iter().find(|pattern| takes(std::slice::from_ref(*pattern)));
        (place, pattern.cloned(), urgency, recipients.to_vec())
    });
    let alert = match &taker {
        Some((place, _, urgency, recipients)) if *urgency != Urgency::Silent => {
            let card = account.subscriptions.get(*place).and_then(|subscription| subscription.card);
            Some(alert(config, account, folder, &letter, (recipients, *urgency, card))?)
        }
        _ => None,
    };
    let zoned = |time: Timestamp| {
        let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or_default();
        time.to_zoned(config.alerts.time_zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    };
    Ok(Report {
        letter: LetterRead {
            from_name: letter.from.name,
            from_address: letter.from.address,
            reply_to: letter.reply_to,
            subject: letter.subject,
            time: received.map(zoned),
            dated: letter.dated.filter(|_| received.is_some()).map(zoned),
            size: letter.size,
            attachments: letter.attachments,
            kinds: letter.kinds,
            invitation: letter.invitation.map(|invitation| InvitationRead {
                method: invitation.method,
                start: invitation.start.map(|start| match start {
                    Start::At(time) => zoned(time),
                    Start::Day(date) => date.to_string(),
                    Start::Local(time) => time.to_string(),
                }),
                place: invitation.place,
            }),
            verdict: letter.verdict,
            readable: letter.readable,
        },
        subscription: taker.map(|(place, pattern, urgency, recipients)| Taker {
            number: place + 1,
            pattern,
            urgency: urgency.word(),
            recipients: recipients.iter().map(ToString::to_string).collect(),
        }),
        passed: passed::json(&before),
        passed_line: passed::line(&before, lang),
        alert,
    })
}

/// The body as it would be sent.
fn alert(
    config: &Config,
    account: &Account,
    folder: &str,
    letter: &Letter,
    (to, urgency, card): (&[Recipient], Urgency, Option<Card>),
) -> Result<serde_json::Value, String> {
    let clock = Arc::new(SystemClock::new(None, Timestamp(0)));
    let client = Arc::new(Client::new(&config.wecom, clock)?);
    let accounts = Arc::new(Accounts::default());
    accounts.update(&config.accounts);
    let item = Item {
        account: account.id.clone(),
        folder: folder.into(),
        letter: letter.clone(),
        told_at: Timestamp(0),
        away: None,
        card,
    };
    let shape = Shape { urgent: urgency == Urgency::Urgent, ..Shape::default() };
    let looks = Arc::new(Looks::of_config(config));
    let drafts = composer(config, client, accounts, looks)(to, Content::Letters(&[item]), shape);
    let body = drafts.first().map(|draft| draft.body.as_slice()).unwrap_or_default();
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn text(report: &Report, lang: Lang) -> Vec<String> {
    let letter = &report.letter;
    let none = lang.pick("（无）", "(none)");
    let shown = |text: &Option<String>| plain(text.as_deref().unwrap_or(none));
    let mut lines = vec![
        format!("{}{}", lang.pick("发件人：", "From:          "), shown(&letter.from_name)),
        format!("{}{}", lang.pick("地址：", "Address:       "), shown(&letter.from_address)),
        format!("{}{}", lang.pick("主题：", "Subject:       "), shown(&letter.subject)),
        format!("{}{}", lang.pick("时间：", "Time:          "), shown(&letter.time)),
    ];
    let mut also =
        |label: &str, text: Option<String>| lines.extend(text.map(|text| format!("{label}{}", plain(&text))));
    also(lang.pick("邮件自称写于：", "Says written:  "), letter.dated.clone());
    also(lang.pick("回复地址：", "Replies go to: "), letter.reply_to.clone());
    for file in &letter.attachments {
        let name = file.name.as_deref().unwrap_or(none);
        also(lang.pick("附件：", "Attachment:    "), Some(format!("{name} ({} B)", file.size)));
    }
    let kinds: Vec<_> = letter.kinds.iter().filter_map(|kind| serde_json::to_value(kind).ok()).collect();
    let kinds: Vec<_> = kinds.iter().filter_map(serde_json::Value::as_str).collect();
    also(lang.pick("类型：", "Kinds:         "), (!kinds.is_empty()).then(|| kinds.join(", ")));
    also(
        lang.pick("会议：", "Invitation:    "),
        letter.invitation.as_ref().map(|invitation| {
            let method = serde_json::to_value(invitation.method).ok();
            let method = method.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
            let said = [Some(method), invitation.start.clone(), invitation.place.clone()];
            said.into_iter().flatten().collect::<Vec<_>>().join(" · ")
        }),
    );
    also(
        lang.pick("身份验证：", "Sender check:  "),
        letter.verdict.map(|verdict| match verdict {
            Verdict::Pass => lang.pick("通过", "passed").to_owned(),
            Verdict::Fail => lang.pick("未通过", "failed").to_owned(),
        }),
    );
    if !letter.readable {
        lines.push(lang.pick("邮件头无法读取", "The header cannot be read").to_owned());
    }
    lines.push(String::new());
    let failed =
        |passed: &serde_json::Value| passed.get("failed").and_then(serde_json::Value::as_str) != Some("folders");
    let some_fit = report.passed.iter().any(failed);
    lines.push(match &report.subscription {
        None if some_fit => lang
            .pick("没有订阅的条件与它相符：不提醒任何人", "It meets no subscription's conditions: nobody is told")
            .to_owned(),
        None => lang
            .pick("没有订阅选中这个文件夹：不提醒任何人", "No subscription takes this folder: nobody is told")
            .to_owned(),
        Some(taker) => {
            let (number, pattern, to) =
                (taker.number, taker.pattern.as_deref().unwrap_or(""), taker.recipients.join(", "));
            let urgency = taker.urgency;
            match lang {
                Lang::ZhCn => format!("订阅 {number}（\"{}\"）：{urgency}，发给 {to}", plain(pattern)),
                Lang::En => format!("Subscription {number} (\"{}\"): {urgency}, to {to}", plain(pattern)),
            }
        }
    });
    lines.extend(report.passed_line.clone());
    if let Some(alert) = &report.alert {
        lines.push(String::new());
        lines.extend(serde_json::to_string_pretty(alert).unwrap_or_default().lines().map(str::to_owned));
    }
    lines
}
