//! What held a letter up on its way from the server to WeCom, read from the times of its story. Pure.

use crate::model::{AlertKind, Apart, Fate, Timestamp, Urgency};
use crate::state::{AlertState, Story, Telling, WasTold};
use std::time::Duration;

/// A step that took less is not worth a word.
const NOTICEABLE: Duration = Duration::from_secs(5);
/// INTERNALDATE has whole seconds of another machine's clock; and what was moved into a folder keeps it.
const NOT_TOLD: Duration = Duration::from_secs(60);

/// One reason why a letter was announced later than at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// The account was not watched, from and to.
    Away(Timestamp, Timestamp),
    /// The server told of it only then.
    Unpushed(Timestamp),
    /// The sync waited so long for the budget.
    Budget(Duration),
    /// It was gathered so long for the time of digests.
    DigestTime(Duration),
    /// It was held so long: quiet hours, a vacation, or a digest's time of day.
    Quiet(Duration),
    /// It was stored and not tried for so long: WeCom's limits per member, the day's quota, a rest of all sends, or (true) to
    /// be put together with others.
    Held(Duration, bool),
    /// WeCom took it only after so many tries, in so long.
    Tries(u32, Duration),
    /// WeCom took so long for its answer to the only try.
    Slow(Duration),
}

impl Late {
    /// The word for programs.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Away(..) => "away",
            Self::Unpushed(_) => "not_pushed",
            Self::Budget(_) => "budget",
            Self::DigestTime(_) => "digest_time",
            Self::Quiet(_) => "quiet",
            Self::Held(..) => "held",
            Self::Tries(..) => "tries",
            Self::Slow(_) => "slow",
        }
    }
}

/// What held a letter up before it was stored, for whomever; of one that is not announced nobody asks.
pub(super) fn of_letter(story: &Story) -> Vec<Late> {
    let item = &story.sighting.item;
    let mut late = Vec::new();
    if matches!(story.sighting.fate, Fate::Silent(_)) {
        return late;
    }
    let told_at = story.seen_at.minus(Duration::from_millis(story.took_ms));
    match item.away {
        Some((from, to)) => late.push(Late::Away(from, to)),
        None if told_at.since(item.letter.time) >= NOT_TOLD => late.push(Late::Unpushed(told_at)),
        None => {}
    }
    let deferred = Duration::from_millis(story.deferred_ms);
    if deferred >= Duration::from_secs(1) {
        late.push(Late::Budget(deferred));
    }
    late
}

/// What held it up from then on, for one recipient; nothing held up what was never told: that WeCom refused it, and when a
/// person decided, is said anyway.
pub(super) fn of_telling(story: &Story, telling: &Telling) -> Vec<Late> {
    let WasTold::Alert { state, kind, made_at, first_try, ended_at, tries, .. } = &telling.what else {
        return Vec::new();
    };
    let mut late = Vec::new();
    if matches!(state, AlertState::Dead | AlertState::Dropped) {
        return late;
    }
    let later = matches!(story.sighting.apart(&telling.recipient), Some(Apart::Later(_)));
    let gathered = later || story.sighting.urgency == Urgency::Digest;
    let waited = if gathered { made_at.since(story.seen_at) } else { Duration::ZERO };
    if waited >= NOTICEABLE {
        late.push(if later { Late::Quiet(waited) } else { Late::DigestTime(waited) });
    }
    let ready_at = if gathered { *made_at } else { story.seen_at };
    let Some(first_try) = first_try else { return late };
    let held = first_try.since(ready_at);
    if held >= NOTICEABLE {
        late.push(Late::Held(held, *kind != AlertKind::Letter));
    }
    if let Some(ended_at) = ended_at {
        let took = ended_at.since(*first_try);
        match tries {
            0 | 1 if took >= NOTICEABLE => late.push(Late::Slow(took)),
            0 | 1 => {}
            _ => late.push(Late::Tries(*tries, took)),
        }
    }
    late
}
