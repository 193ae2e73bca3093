//! What becomes of an alert after a try.

use super::backoff::Backoff;
use crate::model::{Recipient, Timestamp};
use std::time::Duration;

/// What a try came to, told by what it asks of us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Taken.
    Sent,
    /// Taken, but not for these, each with the reason: the others got it.
    Partly(Vec<(Recipient, String)>),
    /// Taken or not: the answer was lost or told nothing. The same body is sent again.
    Unknown(String),
    /// WeCom is busy (-1 and its like): the same body again.
    Busy(String),
    /// Refused with a code that nobody here knows: tried again some times.
    Strange(String),
    /// A limit of WeCom (45009): all sends of the app rest.
    Quota(String),
    /// The app itself is not allowed or not known: all sends stop until somebody mends it.
    Channel(String),
    /// One of the recipients cannot be told; of several it is not said which.
    Recipient(String),
    /// This message is not taken as it is.
    Payload(String),
}

impl Outcome {
    /// The words that came with it.
    pub fn reason(&self) -> &str {
        match self {
            Self::Sent => "",
            Self::Partly(refused) => refused.first().map_or("", |(_, reason)| reason),
            Self::Unknown(text)
            | Self::Busy(text)
            | Self::Strange(text)
            | Self::Quota(text)
            | Self::Channel(text)
            | Self::Recipient(text)
            | Self::Payload(text) => text,
        }
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Settled.
    Done,
    /// Settled, but for these, each with the reason: for them it is dead.
    Partly(Vec<(Recipient, String)>),
    /// This alert again at this time (steady clock), the same bytes.
    Again(Timestamp),
    /// In two halves of its recipients, each for itself: one of them is refused, and the rest is not to suffer for it.
    /// Where there is only one, in two halves of its letters.
    Halve,
    /// The same in two halves of its letters, each for all of its recipients: the message is refused, whoever gets it.
    Fewer,
    /// Once more as a short `text` without anything special.
    Plain,
    /// Kept as a dead alert, with the reason.
    Dead(String),
}

/// What a decision about an alert needs to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Tries, this one included.
    pub tries: u32,
    /// How many of them before met a code that nobody here knows.
    pub strange: u32,
    /// Recipients.
    pub recipients: usize,
    /// Letters it is about.
    pub letters: usize,
    /// Whether it is plain already.
    pub plain: bool,
}

/// Lost answers, 5xx and -1 back off to 30 s at most (design: "Promises", 9): the channel rests so long and the alert
/// waits so long behind it, so each takes half.
pub const BUSY: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(15) };
/// Codes that are not in the table, and how often such an alert is tried before it is kept as dead.
pub const STRANGE: Backoff = Backoff { first: Duration::from_secs(2), most: Duration::from_secs(300) };
/// See [`STRANGE`].
pub const STRANGE_TRIES: u32 = 8;
/// After 45009 all sends rest 60 s, then longer (wecom-api 4: a block lasts as long as its window).
pub const QUOTA: Backoff = Backoff { first: Duration::from_secs(120), most: Duration::from_secs(3600) };
/// A channel that somebody must mend is tried again slowly: a changed trusted-IP list acts after a minute, and wrong
/// secrets in a row ban the address for an hour (wecom-api 2).
pub const CHANNEL: Backoff = Backoff { first: Duration::from_secs(120), most: Duration::from_secs(1200) };

/// What to do with an alert after a try of it came to `outcome`. `jitter` in 0.0..=1.0.
pub fn next(outcome: &Outcome, tried: Tried, now: Timestamp, jitter: f64) -> Next {
    match outcome {
        Outcome::Sent => Next::Done,
        Outcome::Partly(refused) => Next::Partly(refused.clone()),
        Outcome::Unknown(_) | Outcome::Busy(_) => Next::Again(now.plus(BUSY.delay(tried.tries, jitter))),
        Outcome::Strange(reason) if tried.strange + 1 >= STRANGE_TRIES => Next::Dead(reason.clone()),
        Outcome::Strange(_) => Next::Again(now.plus(STRANGE.delay(tried.strange + 1, jitter))),
        // When the channel goes on is the channel's affair; the alert is due at once then.
        Outcome::Quota(_) | Outcome::Channel(_) => Next::Again(now),
        Outcome::Recipient(_) if tried.recipients > 1 => Next::Halve,
        Outcome::Recipient(reason) => Next::Dead(reason.clone()),
        Outcome::Payload(_) if tried.letters > 1 => Next::Fewer,
        Outcome::Payload(_) if !tried.plain => Next::Plain,
        Outcome::Payload(reason) => Next::Dead(reason.clone()),
    }
}

impl Outcome {
    /// Whether WeCom may have taken the message all the same.
    pub fn is_unsure(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Busy(_) | Self::Strange(_))
    }
}

/// How long an alert whose sender died rests before it is sent again: stored with each try, so that a message that
/// kills its sender does not do so for ever without a pause.
pub fn after_death(tries: u32) -> Duration {
    BUSY.delay(tries, 0.0)
}

/// A recipient whom WeCom does not reach is tried again after a minute, then more and more rarely, hourly at last: what
/// comes meanwhile waits, and is told as one.
pub const PARKED: Backoff = Backoff { first: Duration::from_secs(60), most: Duration::from_secs(3600) };

/// How long the whole channel rests after `outcome`, the `failures`-th of its kind in a row; `None`: it goes on.
pub fn rest(outcome: &Outcome, failures: u32, jitter: f64) -> Option<Duration> {
    match outcome {
        Outcome::Unknown(_) | Outcome::Busy(_) => Some(BUSY.delay(failures, jitter)),
        Outcome::Quota(_) => Some(QUOTA.delay(failures, jitter)),
        Outcome::Channel(_) => Some(CHANNEL.delay(failures, jitter)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONCE: Tried = Tried { tries: 1, strange: 0, recipients: 1, letters: 1, plain: false };

    #[test]
    fn each_outcome_has_its_next_step() {
        let now = Timestamp(1_000_000);
        let again = |ms: i64| Next::Again(Timestamp(1_000_000 + ms));
        assert_eq!(next(&Outcome::Sent, ONCE, now, 1.0), Next::Done);
        assert_eq!(next(&Outcome::Busy("x".into()), ONCE, now, 1.0), again(1000));
        assert_eq!(next(&Outcome::Unknown("x".into()), Tried { tries: 9, ..ONCE }, now, 1.0), again(15_000));
        assert_eq!(next(&Outcome::Quota("x".into()), ONCE, now, 1.0), again(0));
        assert_eq!(next(&Outcome::Strange("x".into()), Tried { strange: 6, ..ONCE }, now, 1.0), again(128_000));
        let often = Tried { tries: 900, strange: 7, ..ONCE };
        assert_eq!(next(&Outcome::Strange("x".into()), often, now, 1.0), Next::Dead("x".into()));
        let busy_before = Tried { tries: 900, ..ONCE };
        assert_eq!(next(&Outcome::Strange("x".into()), busy_before, now, 1.0), again(2000), "other tries do not count");
        assert_eq!(rest(&Outcome::Quota("x".into()), 1, 0.0), Some(Duration::from_secs(60)));
        assert_eq!(rest(&Outcome::Busy("x".into()), 9, 1.0), Some(Duration::from_secs(15)));
        assert_eq!(rest(&Outcome::Recipient("x".into()), 1, 0.0), None);
        assert_eq!(rest(&Outcome::Channel("x".into()), 1, 0.0), Some(Duration::from_secs(60)));
    }

    #[test]
    fn what_is_refused_is_narrowed_down_before_it_is_dead() {
        let now = Timestamp(0);
        let (gone, bad) = (Outcome::Recipient("gone".into()), Outcome::Payload("bad".into()));
        assert_eq!(next(&gone, Tried { recipients: 2, ..ONCE }, now, 0.0), Next::Halve);
        assert_eq!(next(&gone, ONCE, now, 0.0), Next::Dead("gone".into()));
        assert_eq!(next(&bad, Tried { letters: 2, ..ONCE }, now, 0.0), Next::Fewer);
        assert_eq!(next(&bad, Tried { letters: 2, recipients: 9, ..ONCE }, now, 0.0), Next::Fewer);
        assert_eq!(next(&bad, Tried { recipients: 2, ..ONCE }, now, 0.0), Next::Plain);
        assert_eq!(next(&bad, Tried { plain: true, ..ONCE }, now, 0.0), Next::Dead("bad".into()));
    }
}
