//! Which folders of an account are watched, for whom and how loud: `folders`, or `[[account.subscription]]` sections.

use super::people::recipients;
use super::reader::Reader;
use super::reading::{Said, quoted, say};
use super::used::Subscription;
use super::words::nearest;
use super::{conditions, keys, times};
use crate::model::Urgency;
use crate::rules::pattern;

/// The special uses that a pattern can name: RFC 6154 section 2, RFC 8457, and the INBOX.
const USES: [&str; 9] =
    ["\\Inbox", "\\Junk", "\\Sent", "\\Drafts", "\\Trash", "\\Archive", "\\Flagged", "\\All", "\\Important"];

/// More subscriptions of one account are not compared with each other.
const MOST_COMPARED: usize = 1000;

/// Reads the short or the long form; `None` if something is wrong, which is told.
pub(super) fn subscriptions(r: &Reader<'_>) -> Option<Vec<Subscription>> {
    if r.has("folders") && r.has("subscription") {
        r.wrong(
            "folders",
            say(
                "stands beside [[account.subscription]]; keep only one of the two",
                "与 [[account.subscription]] 不能并用；只保留其一",
            ),
        );
    }
    let short = r.has("folders").then(|| folders(r));
    if !r.has("subscription") {
        return match short {
            Some(folders) => Some(vec![Subscription::to(&folders?)]),
            None => Some(vec![Subscription::to(&["INBOX"])]),
        };
    }
    // All are read before one that is wrong ends it: every mistake is told.
    let sections = r.sections("subscription", &keys::SUBSCRIPTION)?;
    let list: Vec<_> = sections.iter().map(subscription).collect();
    let list: Vec<_> = if short.is_some() { None } else { list.into_iter().collect() }?;
    warn_of_idle_ones(&sections, &list);
    Some(list)
}

/// Tells of subscriptions that take no letter: because their conditions contradict each other, or because one before them
/// takes all that they would.
fn warn_of_idle_ones(sections: &[Reader<'_>], list: &[Subscription]) {
    for (at, (section, own)) in sections.iter().zip(list).enumerate().take(MOST_COMPARED) {
        if own.filter.is_impossible() {
            section.warn(
                "folders",
                say(
                    "this subscription never takes a letter: its conditions contradict each other",
                    "这个订阅不会选中任何邮件：它的条件互相矛盾",
                ),
            );
            continue;
        }
        let before = list.iter().take(at);
        let covers =
            |other: &&Subscription| pattern::covers(&other.folders, &own.folders) && other.filter.covers(&own.filter);
        if let Some(place) = before.clone().position(|other| covers(&other)) {
            let number = place + 1;
            section.warn(
                "folders",
                say(
                    format!("this subscription never takes a letter: number {number} before it takes them all; put it first, or remove it"),
                    format!("这个订阅不会选中任何邮件：它之前的第 {number} 个订阅已全部选中；请把它移到前面，或删去"),
                ),
            );
        }
    }
}

fn subscription(r: &Reader<'_>) -> Option<Subscription> {
    if !r.has("folders") {
        r.missing("folders", None);
    }
    let folders = folders(r);
    let filter = conditions::filter(r);
    let recipients = recipients(r);
    let urgency = r.choice("urgency", &Urgency::ALL.map(|urgency| (urgency.word(), Some(urgency))));
    let realtime = r.flag("realtime");
    let card = r.choice("card", &times::CARDS);
    let times = times::times(r);
    // A value that is there and cannot be used was told.
    let doubtful = |key: &str, is_none: bool| r.has(key) && is_none;
    if doubtful("recipients", recipients.is_none())
        || doubtful("urgency", urgency.is_none())
        || doubtful("realtime", realtime.is_none())
        || doubtful("card", card.is_none())
    {
        return None;
    }
    Some(Subscription {
        folders: folders?,
        filter: filter?,
        recipients,
        urgency: urgency.unwrap_or_default(),
        realtime,
        card,
        times: times?,
    })
}

fn folders(r: &Reader<'_>) -> Option<Vec<String>> {
    let texts = r.texts("folders")?;
    let mut fits = true;
    for (at, text) in &texts {
        if let Some(said) = unfit(text) {
            r.wrong_item("folders", *at, said);
            fits = false;
        }
    }
    if fits && texts.iter().all(|(_, text)| text.starts_with('!')) {
        r.wrong(
            "folders",
            say(
                "only leaves folders out and takes none; add one without \"!\", for example \"*\"",
                "只排除了文件夹，没有选中任何一个；请加一个不带 \"!\" 的，例如 \"*\"",
            ),
        );
        return None;
    }
    fits.then(|| texts.into_iter().map(|(_, text)| text.to_owned()).collect())
}

/// What is wrong with one pattern.
fn unfit(text: &str) -> Option<Said> {
    let pattern = text.strip_prefix('!').unwrap_or(text);
    if pattern.is_empty() {
        return Some(say("\"!\" must be followed by a folder: \"!项目/归档\"", "\"!\" 后面要写文件夹：\"!项目/归档\""));
    }
    if !pattern.starts_with('\\') || USES.iter().any(|used| used.eq_ignore_ascii_case(pattern)) {
        return None;
    }
    let shown = quoted(pattern);
    Some(match nearest(pattern, USES.into_iter()) {
        Some(near) => say(
            format!("there is no special use {shown}; did you mean '{near}'?"),
            format!("没有特殊用途 {shown}；是否想写 '{near}'？"),
        ),
        None => say(
            format!("there is no special use {shown}; write one of: {}; or the folder's name", USES.join(", ")),
            format!("没有特殊用途 {shown}；请写以下之一：{}；或写文件夹的名称", USES.join("、")),
        ),
    })
}
