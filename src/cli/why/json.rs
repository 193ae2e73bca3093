//! `mailbell why --json`: times in RFC 3339, spans in seconds, null for what is missing.

use super::Report;
use super::late::{self, Late};
use super::look::Found;
use super::stranger::Cause;
use crate::cli::table::rfc3339;
use crate::config::Account;
use crate::model::{AlertKind, Fate, Letter, Silence};
use crate::state::{AlertState, Story, Telling, WasTold, Why};
use serde_json::{Value, json};

/// The whole answer.
pub(super) fn report(report: &Report, account: &Account, why: &Why) -> Value {
    let looked = report.looked.as_ref().map(|looked| {
        let refused: Vec<_> =
            looked.refused.iter().map(|(folder, words)| json!({ "folder": folder, "answer": words })).collect();
        json!({ "folders": looked.folders, "left_out": looked.left_out, "refused": refused })
    });
    json!({
        "account": account.id.to_string(),
        "since": why.since.map(rfc3339),
        "letters": report.stories.iter().map(story).collect::<Vec<_>>(),
        "more": report.more,
        "looked": looked,
        "unknown": report.strangers.iter().map(|(found, cause)| stranger(found, cause)).collect::<Vec<_>>(),
    })
}

fn letter(letter: &Letter) -> Value {
    json!({
        "time": rfc3339(letter.time), "from_name": letter.from.name, "from_address": letter.from.address,
        "subject": letter.subject, "size": letter.size,
    })
}

fn story(story: &Story) -> Value {
    let sighting = &story.sighting;
    let silence = match sighting.fate {
        Fate::Silent(Silence::Old) => Some("old"),
        Fate::Silent(Silence::Seen) => Some("seen"),
        Fate::Silent(Silence::Bound) => Some("bound"),
        Fate::Silent(Silence::Unmatched) => Some("unmatched"),
        Fate::Silent(Silence::Asked) => Some("silent"),
        Fate::Announce(_) => None,
    };
    json!({
        "no": story.no.0,
        "letter": letter(&sighting.item.letter),
        "folder": &*sighting.item.folder,
        "subscription": sighting.subscription,
        "urgency": sighting.urgency.word(),
        "found_at": rfc3339(story.seen_at),
        "silence": silence,
        "late": late::of_letter(story).into_iter().map(one_late).collect::<Vec<_>>(),
        "recipients": story.tellings.iter().map(|t| telling(story, t)).collect::<Vec<_>>(),
    })
}

fn one_late(late: Late) -> Value {
    let why = late.word();
    match late {
        Late::Away(from, to) => json!({ "why": why, "from": rfc3339(from), "to": rfc3339(to) }),
        Late::Unpushed(at) => json!({ "why": why, "at": rfc3339(at) }),
        Late::Budget(d) | Late::DigestTime(d) | Late::Quiet(d) | Late::Held(d, _) | Late::Slow(d) => {
            json!({ "why": why, "seconds": d.as_secs() })
        }
        Late::Tries(tries, d) => json!({ "why": why, "tries": tries, "seconds": d.as_secs() }),
    }
}

fn telling(story: &Story, telling: &Telling) -> Value {
    let recipient = telling.recipient.to_string();
    let late: Vec<_> = late::of_telling(story, telling).into_iter().map(one_late).collect();
    match &telling.what {
        WasTold::Waits { until, parked } => json!({
            "recipient": recipient, "outcome": "waiting", "until": until.map(rfc3339), "parked": parked,
        }),
        WasTold::Known { letter, account, folder, seen_at } => json!({
            "recipient": recipient, "outcome": "known", "letter": letter.map(|no| no.0),
            "account": account.as_ref().map(ToString::to_string), "folder": folder, "seen_at": seen_at.map(rfc3339),
        }),
        WasTold::Held { until } => json!({ "recipient": recipient, "outcome": "held", "until": rfc3339(*until) }),
        WasTold::Muted { until } => json!({ "recipient": recipient, "outcome": "muted", "until": rfc3339(*until) }),
        WasTold::Unknown => json!({ "recipient": recipient, "outcome": "unknown" }),
        WasTold::Alert { id, state, kind, letters, made_at, first_try, ended_at, tries, answer, maybe_twice } => {
            json!({
                "recipient": recipient,
                "outcome": outcome(*state, *kind),
                "alert": id.0,
                "state": state,
                "letters": letters,
                "made_at": rfc3339(*made_at),
                "first_try": first_try.map(rfc3339),
                "ended_at": ended_at.map(rfc3339),
                "tries": tries,
                "answer": answer,
                "maybe_twice": maybe_twice,
                "late": late,
            })
        }
    }
}

/// What an alert means for one letter.
fn outcome(state: AlertState, kind: AlertKind) -> &'static str {
    match (state, kind) {
        (AlertState::Sent, AlertKind::Digest) => "digest",
        (AlertState::Sent, AlertKind::CatchUp) => "catch_up",
        (AlertState::Sent, AlertKind::Letter | AlertKind::Report) => "alone",
        (AlertState::Dead, _) => "dead",
        (AlertState::Dropped, _) => "dropped",
        (AlertState::Ready | AlertState::Sending | AlertState::Again, _) => "waiting",
    }
}

fn stranger(found: &Found, cause: &Cause) -> Value {
    let (left_out_by, at) = match cause {
        Cause::NotSubscribed(pattern) => (pattern.clone(), None),
        Cause::BeforeBinding(at) | Cause::NotLookedAt(at) => (None, Some(rfc3339(*at))),
        Cause::NotBound | Cause::Forgotten | Cause::PassedBy => (None, None),
    };
    json!({
        "letter": letter(&found.letter), "folder": found.shown, "subscription": found.subscription.map(|at| at + 1),
        "cause": cause.word(), "left_out_by": left_out_by, "at": at,
    })
}
