//! `mailbell backtest ACCOUNT --config NEW.toml`: the letters of the last days, as the ledger has them, under the rules of a
//! new config: what would have been announced, to whom, and what differs from what was.

use super::everyone;
use super::folders::find;
use super::records::Source;
use super::table::{self, local, plain, rfc3339};
use super::{fail, load, status};
use crate::app;
use crate::config::{Account, Config};
use crate::control::Request;
use crate::model::{Apart, Fate, Lang, LetterId, Recipient, Silence, Timestamp, Urgency};
use crate::rules::pattern;
use crate::state::{Story, WasTold, Why};
use crate::watch::route;
use clap::Args;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// More letters of one account are not looked at.
const MOST: usize = 200_000;
/// Letters that differ and are listed; with --json all are.
const LISTED: usize = 20;
/// A cell is cut beyond this.
const WIDEST: usize = 40;

/// What was typed after `backtest`.
#[derive(Debug, Args)]
pub(super) struct BacktestArgs {
    /// The account, by its address (邮箱地址)
    account: String,
    /// How many days back, 1 to 30 (天数)
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=30))]
    days: u32,
    /// As JSON, each letter that differs (输出 JSON)
    #[arg(long)]
    json: bool,
}

/// Who is told of a letter, and how loud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Told {
    /// The subscription, from 1; 0: none takes it.
    subscription: usize,
    urgency: &'static str,
    recipients: Vec<String>,
}

/// A letter of which something else is told.
#[derive(Debug, Serialize)]
struct Differs {
    time: String,
    folder: String,
    from: Option<String>,
    subject: Option<String>,
    before: Told,
    after: Told,
    #[serde(skip)]
    at: Timestamp,
}

/// Letters per loudness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Count {
    urgent: usize,
    normal: usize,
    digest: usize,
}

/// What one recipient gets.
#[derive(Debug, Serialize)]
struct Line {
    recipient: String,
    before: Count,
    after: Count,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Report {
    account: String,
    days: u32,
    letters: usize,
    /// Letters that are announced to nobody under either: old ones, those already read.
    neither: usize,
    recipients: Vec<Line>,
    differ: Vec<Differs>,
}

/// Asks, replays, prints.
pub(super) async fn backtest(file: &Path, lang: Lang, args: BacktestArgs) -> ExitCode {
    let config = match load(file, lang) {
        Ok(config) => everyone::with_registry(config, true).await,
        Err(code) => return code,
    };
    let account = match find(&config, &args.account, lang) {
        Ok(account) => account.clone(),
        Err(code) => return code,
    };
    let stories = match stories(&config, &account, args.days, lang).await {
        Ok(stories) => stories,
        Err(code) => return code,
    };
    let report = replay(&account, &stories, args.days);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report).unwrap_or_default());
    } else {
        text(&report, &config, lang).iter().for_each(|line| println!("{line}"));
    }
    ExitCode::SUCCESS
}

async fn stories(config: &Config, account: &Account, days: u32, lang: Lang) -> Result<Vec<Story>, ExitCode> {
    let since = app::wall().minus(Duration::from_secs(u64::from(days) * 86_400));
    let letters = Why { account: Some(account.id.clone()), since: Some(since), from: None, subject: None, most: MOST };
    let source = Source::find(config, lang).await?;
    let asked: Result<Vec<Story>, _> = source.ask(Request::Why { letters }).await;
    let mut stories = asked.map_err(|error| status::refused(&error, config, Some(&account.id.0), lang))?;
    if stories.is_empty() {
        let said = lang.pick(
            "{} 在这段时间没有记录：检查 [state] path 是否与服务所用的相同",
            "there is no record of {} in these days: see that [state] path is the one of the service",
        );
        return Err(fail(super::FAILED, &said.replace("{}", &account.id.0)));
    }
    // In the order of their coming.
    stories.sort_by_key(|story| story.no);
    Ok(stories)
}

fn replay(account: &Account, stories: &[Story], days: u32) -> Report {
    let (mut counts, mut differ, mut neither) = (BTreeMap::<String, (Count, Count)>::new(), Vec::new(), 0);
    let mut told: HashSet<(Recipient, LetterId)> = HashSet::new();
    for story in stories {
        let item = &story.sighting.item;
        let (before, after) = (was(story), would_be(account, story, &mut told));
        if before.recipients.is_empty() && after.recipients.is_empty() {
            neither += 1;
        }
        for recipient in &before.recipients {
            counts.entry(recipient.clone()).or_default().0.add(before.urgency);
        }
        for recipient in &after.recipients {
            counts.entry(recipient.clone()).or_default().1.add(after.urgency);
        }
        let same = |told: &Told| (told.urgency, told.recipients.clone());
        let silent = before.recipients.is_empty() && after.recipients.is_empty();
        if !silent && same(&before) != same(&after) {
            let from = &item.letter.from;
            differ.push(Differs {
                time: rfc3339(item.letter.time),
                at: item.letter.time,
                folder: item.folder.to_string(),
                from: from.name.clone().or_else(|| from.address.clone()),
                subject: item.letter.subject.clone(),
                before,
                after,
            });
        }
    }
    let line = |(recipient, (before, after))| Line { recipient, before, after };
    Report {
        account: account.id.to_string(),
        days,
        letters: stories.len(),
        neither,
        recipients: counts.into_iter().map(line).collect(),
        differ,
    }
}

/// What was told, to those who did not know the letter already and had not muted it.
fn was(story: &Story) -> Told {
    let sighting = &story.sighting;
    let new = |recipient: &&Recipient| {
        let what = story.tellings.iter().find(|telling| telling.recipient == **recipient).map(|telling| &telling.what);
        !matches!(what, Some(WasTold::Known { .. } | WasTold::Muted { .. }))
    };
    let loud = sighting.urgency != Urgency::Silent;
    let mut recipients: Vec<_> =
        sighting.recipients().iter().filter(|_| loud).filter(new).map(ToString::to_string).collect();
    recipients.sort();
    Told { subscription: usize::from(sighting.subscription), urgency: sighting.urgency.word(), recipients }
}

/// What the rules say of it; those who muted it had it muted, and nobody is told of one letter twice.
fn would_be(account: &Account, story: &Story, told: &mut HashSet<(Recipient, LetterId)>) -> Told {
    let sighting = &story.sighting;
    let item = &sighting.item;
    let nobody =
        |subscription, urgency: Urgency| Told { subscription, urgency: urgency.word(), recipients: Vec::new() };
    let takes = |patterns: &[String]| pattern::takes(patterns, &[&item.folder], &[]);
    let taking = account.subscriptions.iter().enumerate().filter(|(_, s)| takes(&s.folders));
    let places: Vec<_> = taking.map(|(place, _)| place).collect();
    let Some(route) = route(account, &places, &item.letter) else { return nobody(0, Urgency::Normal) };
    // These are no question of rules.
    let is_no_news = matches!(sighting.fate, Fate::Silent(Silence::Old | Silence::Seen | Silence::Bound));
    if is_no_news || route.urgency == Urgency::Silent {
        return nobody(route.place + 1, route.urgency);
    }
    let hears = |recipient: &&Recipient| {
        !matches!(sighting.apart(recipient), Some(Apart::Muted(_)))
            && told.insert(((*recipient).clone(), item.letter.id))
    };
    let mut recipients: Vec<_> = route.recipients.iter().filter(hears).map(ToString::to_string).collect();
    recipients.sort();
    Told { subscription: route.place + 1, urgency: route.urgency.word(), recipients }
}

impl Count {
    fn add(&mut self, urgency: &str) {
        match Urgency::parse(urgency) {
            Some(Urgency::Urgent) => self.urgent += 1,
            Some(Urgency::Digest) => self.digest += 1,
            _ => self.normal += 1,
        }
    }

    fn all(self) -> usize {
        self.urgent + self.normal + self.digest
    }

    fn shown(self) -> String {
        format!("{} ({}/{}/{})", self.all(), self.urgent, self.normal, self.digest)
    }
}

fn text(report: &Report, config: &Config, lang: Lang) -> Vec<String> {
    let head: [&str; 4] = match lang {
        Lang::ZhCn => ["接收人", "实际", "按新规则", "差别"],
        Lang::En => ["recipient", "was", "would be", "difference"],
    };
    let difference = |line: &Line| {
        let (before, after) = (line.before.all(), line.after.all());
        if after >= before { format!("+{}", after - before) } else { format!("-{}", before - after) }
    };
    let row = |line: &Line| vec![line.recipient.clone(), line.before.shown(), line.after.shown(), difference(line)];
    let rows: Vec<_> = report.recipients.iter().map(row).collect();
    let mut lines = vec![match lang {
        Lang::ZhCn => {
            format!("{}：{} 天内 {} 封，括号内为 紧急/普通/汇总", report.account, report.days, report.letters)
        }
        Lang::En => {
            format!(
                "{}: {} letters in {} days; in brackets urgent/normal/digest",
                report.account, report.letters, report.days
            )
        }
    }];
    lines.extend(table::lines(&head, &rows, WIDEST));
    lines.push(match (report.differ.len(), lang) {
        (0, Lang::ZhCn) => "没有一封会不同".to_owned(),
        (0, Lang::En) => "nothing would differ".to_owned(),
        (count, Lang::ZhCn) => format!("不同的有 {count} 封："),
        (count, Lang::En) => format!("{count} would differ:"),
    });
    let newest = report.differ.iter().rev().take(LISTED);
    let rows: Vec<_> = newest.map(|letter| letter_row(letter, config, lang)).collect();
    if !rows.is_empty() {
        let head: [&str; 5] = match lang {
            Lang::ZhCn => ["时间", "文件夹", "主题", "实际", "按新规则"],
            Lang::En => ["time", "folder", "subject", "was", "would be"],
        };
        lines.extend(table::lines(&head, &rows, WIDEST));
    }
    if report.differ.len() > LISTED {
        lines.push(lang.pick("……其余见 --json", "... the others with --json").to_owned());
    }
    lines.push(lang.pick(
        "只含当时监视的文件夹中的邮件；安静时间和特殊用途（如 \\Junk）不计入",
        "only letters of folders that were watched; quiet hours and special uses (such as \\Junk) are not looked at",
    ).to_owned());
    lines
}

fn letter_row(letter: &Differs, config: &Config, lang: Lang) -> Vec<String> {
    let told = |told: &Told| match (told.recipients.as_slice(), told.subscription) {
        ([], 0) => lang.pick("无人（无订阅）", "nobody (no subscription)").to_owned(),
        ([], place) => format!("{} ({place})", lang.pick("无人", "nobody")),
        (some, place) => format!("{} {} ({place})", told.urgency, some.join(", ")),
    };
    vec![
        local(letter.at, &config.alerts.time_zone),
        plain(&letter.folder),
        plain(letter.subject.as_deref().unwrap_or_default()),
        told(&letter.before),
        told(&letter.after),
    ]
}
