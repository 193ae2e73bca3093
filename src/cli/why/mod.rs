//! `mailbell why ACCOUNT`: what became of an account's letters, from the ledger; and of those that the ledger does not
//! know, from a look at the account itself.

mod json;
mod late;
mod look;
mod stranger;
mod words;

use super::everyone;
use super::folders::{find, mail_source};
use super::records::Source;
use super::status;
use super::table::{local, plain};
use super::{FAILED, fail, load};
use crate::advice::for_imap;
use crate::clock::{Clock, SystemClock};
use crate::config::{Account, Config, parse_duration, show_duration};
use crate::control::{AccountStatus, AskError, FolderMark, Request, Status};
use crate::model::{Lang, LetterId, Timestamp};
use crate::state::{Story, Why};
use look::{Found, Looked};
use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use stranger::{Cause, Watching};
use words::Voice;

/// Letters of the ledger among which those found in the account are looked for.
const KNOWN: usize = 20_000;

/// What was typed after `why`.
#[derive(Debug, clap::Args)]
pub(super) struct WhyArgs {
    /// The account, by its address (邮箱地址)
    account: String,
    /// Only letters whose sender's name or address holds this (发件人)
    #[arg(long, value_name = "TEXT")]
    from: Option<String>,
    /// Only letters whose subject holds this (主题)
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// Only letters of so long ago at most, for example 30m, 2h, 7d (多久以内)
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = since)]
    since: Duration,
    /// Look into the account itself, too (without this only if nothing fits) (同时查看邮箱)
    #[arg(long)]
    look: bool,
    /// At most so many letters, the newest (最多几封)
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
}

fn since(typed: &str) -> Result<Duration, String> {
    let wrong = || "write a duration like 30m, 2h or 7d (时长，例如 30m、2h、7d)".to_owned();
    parse_duration(typed).filter(|d| !d.is_zero()).ok_or_else(wrong)
}

/// What was found out.
struct Report {
    stories: Vec<Story>,
    /// There are more that fit.
    more: bool,
    looked: Option<Looked>,
    /// Letters of the account that the ledger does not know, and why.
    strangers: Vec<(Found, Cause)>,
    marks: Vec<FolderMark>,
    status: Option<AccountStatus>,
    running: bool,
}

/// Asks, looks where that is needed, and prints.
pub(super) async fn why(file: &Path, lang: Lang, args: WhyArgs) -> ExitCode {
    let config = match load(file, lang) {
        Ok(config) => everyone::with_registry(config, true).await,
        Err(code) => return code,
    };
    let account = match find(&config, &args.account, lang) {
        Ok(account) => account,
        Err(code) => return code,
    };
    let now = SystemClock::new(None, Timestamp(0)).wall();
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let why = Why {
        account: Some(account.id.clone()),
        since: Some(now.minus(args.since)),
        from: args.from.clone(),
        subject: args.subject.clone(),
        most: limit,
    };
    let source = match Source::find(&config, lang).await {
        Ok(source) => source,
        Err(code) => return code,
    };
    let mut report = match ask(&source, &why).await {
        Ok(report) => report,
        Err(error) => return status::refused(&error, &config, Some(&args.account), lang),
    };
    let narrowed = args.from.is_some() || args.subject.is_some();
    let mut code = ExitCode::SUCCESS;
    if args.look || (narrowed && report.stories.is_empty()) {
        match look::look(&mail_source(&config), account, &why, lang).await {
            Ok(looked) => {
                if let Err(error) = explain(&mut report, &source, &why, account, looked, now).await {
                    return status::refused(&error, &config, Some(&args.account), lang);
                }
            }
            Err(error) => {
                let advice = for_imap(&error, account, lang);
                let said = lang.pick("无法查看邮箱", "the account itself cannot be looked at");
                code = fail(FAILED, &format!("{said}: {}: {}\n→ {advice}", account.id, plain(&error.to_string())));
            }
        }
    }
    if args.json {
        let value = json::report(&report, account, &why);
        println!("{}", serde_json::to_string_pretty(&value).unwrap_or_default());
    } else {
        text(&report, &config, account, &args, &why, lang).iter().for_each(|line| println!("{line}"));
    }
    code
}

/// What the ledger knows.
async fn ask(source: &Source, why: &Why) -> Result<Report, AskError> {
    let letters = Why { most: why.most.saturating_add(1), ..why.clone() };
    let mut stories: Vec<Story> = source.ask(Request::Why { letters }).await?;
    let more = stories.len() > why.most;
    stories.truncate(why.most);
    Ok(Report {
        stories,
        more,
        looked: None,
        strangers: Vec::new(),
        marks: Vec::new(),
        status: None,
        running: source.is_running(),
    })
}

/// Sorts what is in the account into what the ledger knows, however long, and what it does not.
async fn explain(
    report: &mut Report,
    source: &Source,
    why: &Why,
    account: &Account,
    mut looked: Looked,
    now: Timestamp,
) -> Result<(), AskError> {
    report.marks = source.ask(Request::Marks { account: account.id.clone() }).await?;
    if report.running {
        let request = Request::Status { account: Some(account.id.to_string()), state: None };
        // A service that does not know the account yet is a finding, not a failure.
        let status: Result<Status, AskError> = source.ask(request).await;
        report.status = status.ok().and_then(|status| status.accounts.into_iter().next());
    }
    let all = Why { since: None, most: KNOWN, ..why.clone() };
    let stories: Vec<Story> = source.ask(Request::Why { letters: all }).await?;
    let known: HashSet<LetterId> = stories.iter().map(id_of).collect();
    let shown: HashSet<LetterId> = report.stories.iter().map(id_of).collect();
    let found: HashSet<LetterId> = looked.found.iter().map(|found| found.letter.id).collect();
    // Those that came into the account within the time asked for, though the ledger has them from earlier.
    let room = why.most.saturating_sub(report.stories.len());
    let earlier = stories.into_iter().filter(|story| found.contains(&id_of(story)) && !shown.contains(&id_of(story)));
    report.stories.extend(earlier.take(room));
    let strangers = std::mem::take(&mut looked.found).into_iter().filter(|found| !known.contains(&found.letter.id));
    report.strangers = strangers
        .take(why.most)
        .map(|found| {
            let cause = Cause::of(&found, &account.subscriptions, &looked.listed, &report.marks, now);
            (found, cause)
        })
        .collect();
    report.looked = Some(looked);
    Ok(())
}

fn id_of(story: &Story) -> LetterId {
    story.sighting.item.letter.id
}

/// The lines for people.
fn text(report: &Report, config: &Config, account: &Account, args: &WhyArgs, why: &Why, lang: Lang) -> Vec<String> {
    let zone = &config.alerts.time_zone;
    let voice = Voice {
        lang,
        zone,
        account: &account.id.0,
        subscriptions: &account.subscriptions,
        syncs_per_hour: config.limits.syncs_per_hour,
    };
    let watching =
        Watching { running: report.running, status: report.status.as_ref(), every: config.imap.poll_interval };
    let mut lines: Vec<String> = report.stories.iter().flat_map(|story| voice.story(story)).collect();
    if report.more {
        lines.push(
            lang.pick(
                "……还有更早的：用 --limit，或用 --from、--subject 缩小范围",
                "... and more: ask with --limit, or narrower with --from or --subject",
            )
            .to_owned(),
        );
    }
    lines.extend(report.strangers.iter().flat_map(|(found, cause)| voice.stranger(found, cause, &watching)));
    if report.stories.is_empty() && report.strangers.is_empty() {
        let since = local(why.since.unwrap_or_default(), zone);
        lines.push(match lang {
            Lang::ZhCn => {
                format!("{}：{since} 以来没有符合的邮件记录（--since {}）", account.id, show_duration(args.since))
            }
            Lang::En => {
                format!(
                    "{}: the ledger has no letter that fits since {since} (--since {})",
                    account.id,
                    show_duration(args.since)
                )
            }
        });
    }
    match &report.looked {
        Some(looked) => lines.extend(looked_text(looked, report, lang)),
        None if report.stories.is_empty() && args.from.is_none() && args.subject.is_none() => {
            let said = lang.pick(
                "用 --from、--subject 或 --look 则同时查看邮箱本身",
                "with --from, --subject or --look the account itself is looked at, too",
            );
            lines.push(said.to_owned());
        }
        None => {}
    }
    lines
}

/// What was looked at in the account.
fn looked_text(looked: &Looked, report: &Report, lang: Lang) -> Vec<String> {
    let mut lines = Vec::new();
    let nothing = report.strangers.is_empty();
    lines.push(match lang {
        Lang::ZhCn => {
            let found = if nothing { "没有其他符合的邮件" } else { "见上" };
            format!("已查看邮箱中的 {} 个文件夹（每个最新 200 封）：{found}", looked.folders)
        }
        Lang::En => {
            let found = if nothing { "nothing else that fits" } else { "see above" };
            format!("looked into {} folder(s) of the account (the newest 200 letters of each): {found}", looked.folders)
        }
    });
    if looked.left_out > 0 {
        let said = lang.pick("没有查看其余 {} 个文件夹", "{} more folder(s) were not looked into");
        lines.push(said.replace("{}", &looked.left_out.to_string()));
    }
    for (folder, words) in &looked.refused {
        let said = lang.pick("服务器拒绝打开：", "the server refuses to open ");
        lines.push(format!("{said}\"{}\": {}", plain(folder), plain(words)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_in_the_config() {
        assert_eq!(since("90m"), Ok(Duration::from_secs(5400)));
        for wrong in ["", "0s", "2", "two hours", "-1h"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
