//! `mailbell alerts list/show/retry/drop`: the outbox and the dead alerts, for people who decide about them.

use super::records::Source;
use super::table::{self, local, people, plain, rfc3339};
use super::{FAILED, fail, load, status};
use crate::config::Config;
use crate::control::words::{alert_word, kind_word};
use crate::control::{AlertList, AskError, Request};
use crate::model::{AlertId, AlertKind, Lang};
use crate::state::{AlertState, AlertView, Named};
use crate::wecom::advice_on;
use clap::{Subcommand, ValueEnum};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// A cell is cut beyond this.
const WIDEST: usize = 40;
/// Alerts that are named where something was done to all.
const NAMED: usize = 20;

/// What was typed after `alerts`.
#[derive(Debug, Subcommand)]
pub(super) enum AlertsCommand {
    /// What is not settled yet, dead alerts with why (列出未完成的提醒)
    List {
        /// Only alerts in this state (只看此状态)
        #[arg(long)]
        state: Option<StateArg>,
        /// At most so many, the newest (最多几条)
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Everything about one alert (查看一条提醒)
    Show {
        /// Its number
        id: u64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Sends dead alerts again, those that wait at once (重新发送)
    Retry(Which),
    /// Gives alerts up; the ledger remembers them for 30 days (放弃发送)
    Drop(Which),
}

/// Which alerts.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// Their numbers (编号)
    #[arg(value_name = "ID")]
    ids: Vec<u64>,
    /// All dead ones (所有发送失败的)
    #[arg(long)]
    all: bool,
}

/// `--state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum StateArg {
    Ready,
    Again,
    Sending,
    Dead,
    Sent,
    Dropped,
}

impl From<StateArg> for AlertState {
    fn from(typed: StateArg) -> Self {
        match typed {
            StateArg::Ready => Self::Ready,
            StateArg::Again => Self::Again,
            StateArg::Sending => Self::Sending,
            StateArg::Dead => Self::Dead,
            StateArg::Sent => Self::Sent,
            StateArg::Dropped => Self::Dropped,
        }
    }
}

/// Does what was typed.
pub(super) async fn alerts(file: &Path, lang: Lang, command: AlertsCommand) -> ExitCode {
    let config = match load(file, lang) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let source = match Source::find(&config, lang).await {
        Ok(source) => source,
        Err(code) => return code,
    };
    let desk = Desk { source, zone: config.alerts.time_zone.clone(), lang };
    let done = match command {
        AlertsCommand::List { state, limit, json } => desk.list(state.map(AlertState::from), limit, json).await,
        AlertsCommand::Show { id, json } => desk.show(AlertId(id), json).await,
        AlertsCommand::Retry(which) => desk.decide(which, Decision::Retry).await,
        AlertsCommand::Drop(which) => desk.decide(which, Decision::Drop).await,
    };
    done.unwrap_or_else(|error| not_answered(&error, &config, lang))
}

fn not_answered(error: &AskError, config: &Config, lang: Lang) -> ExitCode {
    status::refused(error, config, None, lang)
}

/// What a person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Retry,
    Drop,
}

/// Where is asked, and how answers are written.
struct Desk {
    source: Source,
    zone: TimeZone,
    lang: Lang,
}

impl Desk {
    async fn list(&self, state: Option<AlertState>, limit: u32, json: bool) -> Result<ExitCode, AskError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let most = limit.saturating_add(1);
        let mut list: AlertList = self.source.ask(Request::Alerts { state, most }).await?;
        let more = list.alerts.len() > limit;
        list.alerts.truncate(limit);
        if json {
            let alerts: Vec<_> = list.alerts.iter().map(as_json).collect();
            print_json(&json!({ "alerts": alerts, "more": more, "outbox": list.outbox }));
            return Ok(ExitCode::SUCCESS);
        }
        for line in list_text(&list, more, &self.zone, self.lang) {
            println!("{line}");
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn show(&self, id: AlertId, json: bool) -> Result<ExitCode, AskError> {
        let Some(view) = self.source.ask::<Option<AlertView>>(Request::Alert { id }).await? else {
            return Ok(fail(FAILED, &missing(id, self.lang)));
        };
        if json {
            print_json(&as_json(&view));
        } else {
            show_text(&view, &self.zone, self.lang).iter().for_each(|line| println!("{line}"));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Does what was decided, and says of each what became of it.
    async fn decide(&self, which: Which, decision: Decision) -> Result<ExitCode, AskError> {
        let ids = (!which.all).then(|| which.ids.iter().map(|id| AlertId(*id)).collect::<Vec<_>>());
        let request = match decision {
            Decision::Retry => Request::Retry { ids: ids.clone() },
            Decision::Drop => Request::Drop { ids: ids.clone() },
        };
        let done: Vec<AlertId> = self.source.ask(request).await?;
        for id in done.iter().take(NAMED) {
            // One that was sent meanwhile is there all the same: settled alerts are kept.
            let view: Option<AlertView> = self.source.ask(Request::Alert { id: *id }).await?;
            println!("{}", done_text(*id, view.as_ref(), decision, self.lang));
        }
        println!("{}", sum_text(done.len(), decision, self.source.is_running(), self.lang));
        let mut code = ExitCode::SUCCESS;
        for id in ids.unwrap_or_default().into_iter().filter(|id| !done.contains(id)) {
            let view: Option<AlertView> = self.source.ask(Request::Alert { id }).await?;
            code = fail(FAILED, &undone_text(id, view.as_ref(), &self.zone, self.lang));
        }
        Ok(code)
    }
}

fn print_json(value: &Value) {
    println!("{}", serde_json::to_string_pretty(value).unwrap_or_default());
}

/// An alert for programs.
fn as_json(view: &AlertView) -> Value {
    let named = |letter: &Named| {
        json!({
            "account": letter.account, "folder": letter.folder, "from": letter.from, "subject": letter.subject,
            "time": rfc3339(letter.time),
        })
    };
    json!({
        "id": view.id.0,
        "state": view.state,
        "kind": kind_word(view.kind, Lang::En).replace('-', "_"),
        "urgency": view.urgency.word(),
        "recipients": view.recipients.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "letters": view.letters,
        "named": view.named.iter().map(named).collect::<Vec<_>>(),
        "made_at": rfc3339(view.made_at),
        "first_try": view.first_try.map(rfc3339),
        "tries": view.tries,
        "ended_at": view.ended_at.map(rfc3339),
        "answer": view.answer,
        "advice": advice_on(&view.answer, Lang::En),
        "maybe_twice": view.maybe_twice,
        "plain": view.plain,
        "body": view.body,
    })
}

/// Who a letter is from and what it is about.
fn letter_words(letter: &Named, lang: Lang) -> String {
    let from = letter.from.name.as_deref().or(letter.from.address.as_deref());
    let from = from.unwrap_or(lang.pick("（无发件人）", "(no sender)"));
    let subject = letter.subject.as_deref().unwrap_or(lang.pick("（无主题）", "(no subject)"));
    plain(&format!("{from}{}{subject}", lang.pick("：", ": ")))
}

/// What an alert is about, in one line.
fn about(view: &AlertView, lang: Lang) -> String {
    match (view.kind, view.named.first()) {
        (AlertKind::Report, _) => lang.pick("邮箱状况报告", "a report on accounts").to_owned(),
        (_, Some(first)) if view.letters > 1 => match lang {
            Lang::ZhCn => format!("{} 等 {} 封", letter_words(first, lang), view.letters),
            Lang::En => format!("{} and {} more", letter_words(first, lang), view.letters - 1),
        },
        (_, Some(first)) => letter_words(first, lang),
        (_, None) => lang.pick("（邮件的记录已过期）", "(its letters are not kept any more)").to_owned(),
    }
}

fn list_text(list: &AlertList, more: bool, zone: &TimeZone, lang: Lang) -> Vec<String> {
    let head: [&str; 7] = match lang {
        Lang::ZhCn => ["编号", "状态", "接收人", "形式", "创建时间", "尝试", "内容"],
        Lang::En => ["id", "state", "to", "form", "made at", "tries", "about"],
    };
    let row = |view: &AlertView| {
        vec![
            view.id.to_string(),
            alert_word(view.state, lang).to_owned(),
            people(&view.recipients, lang),
            kind_word(view.kind, lang).to_owned(),
            local(view.made_at, zone),
            view.tries.to_string(),
            about(view, lang),
        ]
    };
    let rows: Vec<_> = list.alerts.iter().map(row).collect();
    let mut lines = if rows.is_empty() { Vec::new() } else { table::lines(&head, &rows, WIDEST) };
    if more {
        lines.push(
            lang.pick("……还有更多：用 --limit 或 --state", "... and more: ask with --limit or --state").to_owned(),
        );
    }
    lines.extend(reasons(&list.alerts, lang));
    let (waiting, open, dead) = (list.outbox.waiting, list.outbox.open, list.outbox.dead);
    lines.push(match lang {
        Lang::ZhCn => format!("待发邮件 {waiting}（尚未组成提醒），待发提醒 {open}，发送失败的提醒 {dead}"),
        Lang::En => format!("letters waiting to become alerts {waiting}, alerts open {open}, dead {dead}"),
    });
    lines
}

/// Why alerts are dead or were not taken yet, each reason once, and what to do.
fn reasons(alerts: &[AlertView], lang: Lang) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&AlertView>)> = Vec::new();
    for view in alerts.iter().filter(|view| matches!(view.state, AlertState::Dead | AlertState::Again)) {
        match reasons.iter_mut().find(|(answer, _)| *answer == view.answer) {
            Some((_, same)) => same.push(view),
            None if view.answer.is_empty() => {}
            None => reasons.push((&view.answer, vec![view])),
        }
    }
    let mut lines = Vec::new();
    for (answer, same) in reasons {
        let mut ids: Vec<_> = same.iter().take(NAMED).map(|view| view.id.to_string()).collect();
        if same.len() > NAMED {
            ids.push("…".to_owned());
        }
        lines.push(format!("{}{}{}", ids.join(lang.pick("、", ", ")), lang.pick("：", ": "), plain(answer)));
        lines.extend(advice_on(answer, lang).map(|advice| format!("  → {advice}")));
    }
    if alerts.iter().any(|view| view.state == AlertState::Dead) {
        lines.push(
            lang.pick(
                "解决后重新发送：mailbell alerts retry 编号… 或 --all；不再需要：mailbell alerts drop 编号… 或 --all",
                "once it is mended: mailbell alerts retry ID... or --all; not wanted any more: mailbell alerts drop ID... or --all",
            )
            .to_owned(),
        );
    }
    lines
}

fn show_text(view: &AlertView, zone: &TimeZone, lang: Lang) -> Vec<String> {
    let joined = |names: Vec<String>| names.join(lang.pick("、", ", "));
    let mut lines = Vec::new();
    let mut add = |zh: &str, en: &str, what: String| {
        lines.push(format!("{}{}{}", lang.pick(zh, en), lang.pick("：", ": "), plain(&what)));
    };
    add("编号", "id", view.id.to_string());
    add("状态", "state", alert_word(view.state, lang).to_owned());
    add("接收人", "to", joined(view.recipients.iter().map(ToString::to_string).collect()));
    add("形式", "form", kind_word(view.kind, lang).to_owned());
    add("紧急程度", "urgency", view.urgency.word().to_owned());
    add("创建时间", "made at", local(view.made_at, zone));
    if let Some(first) = view.first_try {
        add("首次尝试", "first try", local(first, zone));
    }
    add("尝试次数", "tries", view.tries.to_string());
    if let Some(ended) = view.ended_at {
        add("完成时间", "ended at", local(ended, zone));
    }
    if !view.answer.is_empty() {
        add("企业微信的答复", "WeCom's answer", view.answer.clone());
    }
    if view.state == AlertState::Dead || view.state == AlertState::Again {
        lines.extend(advice_on(&view.answer, lang).map(|advice| format!("  → {advice}")));
    }
    if view.maybe_twice {
        lines.push(maybe_twice(lang).to_owned());
    }
    if view.plain {
        let said = lang.pick("企业微信不接受原来的形式，已改为简短文本", "made plain, because WeCom refused its form");
        lines.push(said.to_owned());
    }
    if view.letters > 0 {
        lines.push(format!("{}{}", lang.pick("邮件数：", "letters: "), view.letters));
    }
    for letter in &view.named {
        let place = format!("{}/{}", letter.account, letter.folder);
        lines.push(format!("  {}  {}  {}", local(letter.time, zone), plain(&place), letter_words(letter, lang)));
    }
    let unnamed = view.letters.saturating_sub(view.named.len());
    if unnamed > 0 && !view.named.is_empty() {
        lines.push(format!("  {}", lang.pick("……还有 {} 封", "... and {} more").replace("{}", &unnamed.to_string())));
    }
    if let Some(body) = &view.body {
        lines.push(format!("{}{}", lang.pick("请求正文：", "request body: "), plain(body)));
    }
    lines
}

/// That WeCom may have shown an alert twice, and why.
pub(super) fn maybe_twice(lang: Lang) -> &'static str {
    lang.pick(
        "可能显示了两次：一次尝试的答复丢失，重试时已过企业微信 4 小时的重复检查",
        "maybe shown twice: the answer to one try was lost, and the next one came after the 4 hours of WeCom's duplicate check",
    )
}

fn done_text(id: AlertId, view: Option<&AlertView>, decision: Decision, lang: Lang) -> String {
    let what = view.map_or_else(String::new, |view| {
        let to = people(&view.recipients, lang);
        match lang {
            Lang::ZhCn => format!("（接收人 {to}；{}）", about(view, lang)),
            Lang::En => format!(" (to {to}; {})", about(view, lang)),
        }
    });
    match (decision, lang) {
        (Decision::Retry, Lang::ZhCn) => format!("提醒 {id} 重新发送{what}"),
        (Decision::Retry, Lang::En) => format!("alert {id} is sent again{what}"),
        (Decision::Drop, Lang::ZhCn) => format!("提醒 {id} 已放弃{what}"),
        (Decision::Drop, Lang::En) => format!("alert {id} was dropped{what}"),
    }
}

fn sum_text(count: usize, decision: Decision, running: bool, lang: Lang) -> String {
    match (count, decision, lang) {
        (0, Decision::Retry, Lang::ZhCn) => "没有要重新发送的提醒".to_owned(),
        (0, Decision::Retry, Lang::En) => "nothing to send again".to_owned(),
        (0, Decision::Drop, Lang::ZhCn) => "没有要放弃的提醒".to_owned(),
        (0, Decision::Drop, Lang::En) => "nothing to drop".to_owned(),
        (_, Decision::Retry, Lang::ZhCn) if running => format!("共 {count} 条，立即发送"),
        (_, Decision::Retry, Lang::En) if running => format!("{count} alert(s): they go out at once"),
        (_, Decision::Retry, Lang::ZhCn) => format!("共 {count} 条，mailbell run 启动后立即发送"),
        (_, Decision::Retry, Lang::En) => format!("{count} alert(s): they go out as soon as mailbell run starts"),
        (_, Decision::Drop, Lang::ZhCn) => {
            format!("共放弃 {count} 条；记录保留 30 天，可用 mailbell alerts show 和 mailbell why 查看")
        }
        (_, Decision::Drop, Lang::En) => {
            format!(
                "{count} alert(s) dropped; the ledger remembers them for 30 days: mailbell alerts show, mailbell why"
            )
        }
    }
}

fn missing(id: AlertId, lang: Lang) -> String {
    match lang {
        Lang::ZhCn => format!("没有提醒 {id}（已完成的保留 30 天）；用 mailbell alerts list 查看编号"),
        Lang::En => {
            format!("no alert {id} (settled ones are kept for 30 days); mailbell alerts list shows the numbers")
        }
    }
}

/// Why nothing was done.
fn undone_text(id: AlertId, view: Option<&AlertView>, zone: &TimeZone, lang: Lang) -> String {
    let Some(view) = view else { return missing(id, lang) };
    let at = local(view.ended_at.unwrap_or(view.made_at), zone);
    match (view.state, lang) {
        (AlertState::Sent, Lang::ZhCn) => format!("提醒 {id} 已于 {at} 发送"),
        (AlertState::Sent, Lang::En) => format!("alert {id} was sent at {at}"),
        (AlertState::Dropped, Lang::ZhCn) => format!("提醒 {id} 已于 {at} 放弃"),
        (AlertState::Dropped, Lang::En) => format!("alert {id} was dropped at {at}"),
        (_, Lang::ZhCn) => format!("提醒 {id} 正在发送，稍后再试"),
        (_, Lang::En) => format!("alert {id} is just being sent; try again in a moment"),
    }
}

#[cfg(test)]
#[path = "alerts_tests.rs"]
mod tests;
