//! `mailbell mute`, `mutes` and `unmute`: what somebody does not want to be told of for a while.

use super::everyone;
use super::records::Source;
use super::table::{self, local, plain, rfc3339};
use super::{FAILED, WRONG_USAGE, fail, load, status};
use crate::app;
use crate::config::{Config, parse_duration};
use crate::control::{AskError, Request};
use crate::model::{AccountId, Fingerprint, Lang, Mute, MuteId, Muted, Recipient, Timestamp};
use crate::rules::filter::{AddressPatterns, TextPatterns};
use clap::Args;
use jiff::civil;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// A cell is cut beyond this.
const WIDEST: usize = 48;

/// What was typed after `mute`.
#[derive(Debug, Args)]
pub(super) struct MuteArgs {
    /// Whose alerts: a userid, party:NUMBER or tag:NUMBER (成员、部门或标签)
    user: String,
    #[command(flatten)]
    what: WhatArgs,
    /// The account of --folder; all of them without (邮箱地址)
    #[arg(long, value_name = "ACCOUNT", requires = "folder")]
    account: Option<String>,
    /// For so long: 30m, 2h, 3d (多久)
    #[arg(long = "for", value_name = "DURATION", required_unless_present = "until")]
    long: Option<String>,
    /// Until this day or moment, 2026-12-31 or 2026-12-31T08:30 (到何时)
    #[arg(long, conflicts_with = "long")]
    until: Option<String>,
}

/// What is muted; all that is not urgent where nothing is said.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct WhatArgs {
    /// Letters of this sender: an address, @domain, or a name (发件人)
    #[arg(long)]
    sender: Option<String>,
    /// Letters of the thread of this Message-ID (会话)
    #[arg(long, value_name = "MESSAGE-ID")]
    thread: Option<String>,
    /// Letters of this mailing list, by a part of its List-Id (邮件列表)
    #[arg(long)]
    list: Option<String>,
    /// Letters of this folder, wildcards allowed (文件夹)
    #[arg(long)]
    folder: Option<String>,
    /// All but urgent ones; they come together at the end (休假)
    #[arg(long)]
    all: bool,
}

/// What was typed after `unmute`.
#[derive(Debug, Args)]
pub(super) struct UnmuteArgs {
    /// Whose alerts (成员、部门或标签)
    user: String,
    /// The numbers that `mutes` shows (编号)
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<u64>,
    /// All of them (全部)
    #[arg(long, conflicts_with = "ids")]
    all: bool,
}

/// `mailbell mute`
pub(super) async fn mute(file: &Path, lang: Lang, args: MuteArgs) -> ExitCode {
    let config = match load(file, lang) {
        Ok(config) => everyone::with_registry(config, true).await,
        Err(code) => return code,
    };
    let now = app::wall();
    let mute = match read(&config, &args, now, lang) {
        Ok(mute) => mute,
        Err(said) => return fail(WRONG_USAGE, &said),
    };
    let is_told = config.accounts.iter().any(|account| account.tells(&mute.user));
    let (user, what, until) = (mute.user.to_string(), shown(&mute.what, lang), mute.until);
    let asked = ask::<MuteId>(&config, lang, Request::Mute { mute }).await;
    asked.map_or_else(
        |code| code,
        |id| {
            let until = local(until, &config.alerts.time_zone);
            match lang {
                Lang::ZhCn => println!("已为 {user} 静音：{what}，到 {until}（编号 {id}）"),
                Lang::En => println!("muted for {user}: {what}, until {until} (number {id})"),
            }
            if !is_told {
                eprintln!("{}", untold(&user, lang));
            }
            ExitCode::SUCCESS
        },
    )
}

/// `mailbell mutes`
pub(super) async fn mutes(file: &Path, lang: Lang, as_json: bool) -> ExitCode {
    let config = match load(file, lang) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let list = match ask::<Vec<(MuteId, Mute)>>(&config, lang, Request::Mutes).await {
        Ok(list) => list,
        Err(code) => return code,
    };
    if as_json {
        let one = |(id, mute): &(MuteId, Mute)| {
            json!({
                "id": id.0, "user": mute.user.to_string(), "what": word(&mute.what), "value": value(&mute.what),
                "since": rfc3339(mute.since), "until": rfc3339(mute.until),
            })
        };
        let list: Vec<_> = list.iter().map(one).collect();
        println!("{}", serde_json::to_string_pretty(&json!({ "mutes": list })).unwrap_or_default());
        return ExitCode::SUCCESS;
    }
    if list.is_empty() {
        println!("{}", lang.pick("没有静音", "nothing is muted"));
        return ExitCode::SUCCESS;
    }
    let zone = &config.alerts.time_zone;
    let row = |(id, mute): &(MuteId, Mute)| {
        vec![id.to_string(), mute.user.to_string(), shown(&mute.what, lang), local(mute.until, zone)]
    };
    let head = match lang {
        Lang::ZhCn => ["编号", "接收人", "静音", "到"],
        Lang::En => ["number", "user", "muted", "until"],
    };
    let rows: Vec<_> = list.iter().map(row).collect();
    table::lines(&head, &rows, WIDEST).iter().for_each(|line| println!("{line}"));
    ExitCode::SUCCESS
}

/// `mailbell unmute`
pub(super) async fn unmute(file: &Path, lang: Lang, args: UnmuteArgs) -> ExitCode {
    let config = match load(file, lang) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let user = match Recipient::parse(&args.user) {
        Ok(user) => user,
        Err(error) => return fail(WRONG_USAGE, &error.text(lang)),
    };
    let ids = (!args.all).then(|| args.ids.into_iter().map(MuteId).collect());
    let shown = user.to_string();
    match ask::<Vec<MuteId>>(&config, lang, Request::Unmute { user, ids }).await {
        Ok(ended) if ended.is_empty() => {
            let said =
                lang.pick("{} 没有这样的静音；用 mailbell mutes 查看", "{} has no such mute; see mailbell mutes");
            fail(FAILED, &said.replace("{}", &shown))
        }
        Ok(ended) => {
            let numbers = ended.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            println!("{}{numbers}", lang.pick("已取消：", "ended: "));
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

/// Said of a mute that changes nothing: a slip of the hand, or a member who is told with a department.
fn untold(user: &str, lang: Lang) -> String {
    let said = lang.pick(
        "注意：配置中没有哪个邮箱直接提醒 {}，这条静音不起作用；检查写法，部门或标签的成员不能单独静音",
        "note: no account of the config tells {} by this name, so the mute changes nothing; check how it is written. Members of a department or tag cannot mute alone",
    );
    said.replace("{}", user)
}

async fn ask<T: serde::de::DeserializeOwned>(config: &Config, lang: Lang, request: Request) -> Result<T, ExitCode> {
    let source = Source::find(config, lang).await?;
    let asked: Result<T, AskError> = source.ask(request).await;
    asked.map_err(|error| status::refused(&error, config, None, lang))
}

fn read(config: &Config, args: &MuteArgs, now: Timestamp, lang: Lang) -> Result<Mute, String> {
    let user = Recipient::parse(&args.user).map_err(|error| error.text(lang))?;
    let what = what(args, lang)?;
    let until = match (&args.long, &args.until) {
        (Some(long), _) => parse_duration(long).map(|long| now.plus(long)),
        (None, Some(until)) => moment(until, config),
        (None, None) => None,
    };
    let until = until.filter(|until| *until > now).ok_or_else(|| {
        lang.pick(
            "时长或时间有误：请写 --for 2h，或将来的 --until 2026-12-31T08:30",
            "the time is not understood, or over: write --for 2h, or --until 2026-12-31T08:30 in the future",
        )
        .to_owned()
    })?;
    Ok(Mute { user, what, until, since: now })
}

fn what(args: &MuteArgs, lang: Lang) -> Result<Muted, String> {
    let WhatArgs { sender, thread, list, folder, .. } = &args.what;
    Ok(match (sender, thread, list, folder) {
        (Some(sender), ..) => {
            AddressPatterns::default().add(sender).map_err(|error| error.text(lang))?;
            Muted::Sender(sender.clone())
        }
        (_, Some(id), ..) => Muted::Thread(id.clone(), Fingerprint::of_message_id(id.as_bytes())),
        (_, _, Some(list), _) => {
            TextPatterns::default().add(list).map_err(|error| error.text(lang))?;
            Muted::List(list.clone())
        }
        (.., Some(folder)) => Muted::Folder(folder.clone(), args.account.as_deref().map(AccountId::new)),
        (None, None, None, None) => Muted::All,
    })
}

/// A day (its beginning) or a moment, in the zone of the config.
fn moment(text: &str, config: &Config) -> Option<Timestamp> {
    let at = text.parse::<civil::DateTime>().ok()?;
    let at = at.to_zoned(config.alerts.time_zone.clone()).ok()?;
    Some(Timestamp(at.timestamp().as_millisecond()))
}

fn word(what: &Muted) -> &'static str {
    match what {
        Muted::All => "all",
        Muted::Sender(_) => "sender",
        Muted::Thread(..) => "thread",
        Muted::List(_) => "list",
        Muted::Folder(..) => "folder",
    }
}

fn value(what: &Muted) -> Option<&str> {
    match what {
        Muted::All => None,
        Muted::Sender(text) | Muted::Thread(text, _) | Muted::List(text) | Muted::Folder(text, _) => Some(text),
    }
}

fn shown(what: &Muted, lang: Lang) -> String {
    let name = match what {
        Muted::All => return lang.pick("全部（紧急除外）", "all but urgent ones").to_owned(),
        Muted::Sender(_) => lang.pick("发件人", "sender"),
        Muted::Thread(..) => lang.pick("会话", "thread"),
        Muted::List(_) => lang.pick("邮件列表", "list"),
        Muted::Folder(_, None) => lang.pick("文件夹", "folder"),
        Muted::Folder(_, Some(account)) => {
            return format!("{} {} · {account}", lang.pick("文件夹", "folder"), plain(value(what).unwrap_or_default()));
        }
    };
    format!("{name} {}", plain(value(what).unwrap_or_default()))
}
