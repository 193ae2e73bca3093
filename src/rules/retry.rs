//! What becomes of an alert after a try.

use super::backoff::Backoff;
use crate::model::Timestamp;
use std::time::Duration;

/// What a try came to, told by what it asks of us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Taken.
    Sent,
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
    /// This recipient cannot be told.
    Recipient(String),
    /// This message is not taken as it is.
    Payload(String),
}

impl Outcome {
    /// The words that came with it.
    pub fn reason(&self) -> &str {
        match self {
            Self::Sent => "",
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
    /// This alert again at this time (steady clock).
    Again(Timestamp),
    /// Kept as a dead alert, with the reason.
    Dead(String),
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

/// What to do with an alert after its `tries`-th try came to `outcome`. `jitter` in 0.0..=1.0.
pub fn next(outcome: &Outcome, tries: u32, now: Timestamp, jitter: f64) -> Next {
    match outcome {
        Outcome::Sent => Next::Done,
        Outcome::Unknown(_) | Outcome::Busy(_) => Next::Again(now.plus(BUSY.delay(tries, jitter))),
        Outcome::Strange(reason) if tries >= STRANGE_TRIES => Next::Dead(reason.clone()),
        Outcome::Strange(_) => Next::Again(now.plus(STRANGE.delay(tries, jitter))),
        // When the channel goes on is the channel's affair; the alert is due at once then.
        Outcome::Quota(_) | Outcome::Channel(_) => Next::Again(now),
        Outcome::Recipient(reason) | Outcome::Payload(reason) => Next::Dead(reason.clone()),
    }
}

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

    #[test]
    fn each_outcome_has_its_next_step() {
        let now = Timestamp(1_000_000);
        let again = |ms: i64| Next::Again(Timestamp(1_000_000 + ms));
        assert_eq!(next(&Outcome::Sent, 1, now, 1.0), Next::Done);
        assert_eq!(next(&Outcome::Busy("x".into()), 1, now, 1.0), again(1000));
        assert_eq!(next(&Outcome::Unknown("x".into()), 9, now, 1.0), again(15_000));
        assert_eq!(next(&Outcome::Quota("x".into()), 3, now, 1.0), again(0));
        assert_eq!(next(&Outcome::Recipient("gone".into()), 1, now, 1.0), Next::Dead("gone".into()));
        assert_eq!(next(&Outcome::Strange("x".into()), 7, now, 1.0), again(128_000));
        assert_eq!(next(&Outcome::Strange("x".into()), 8, now, 1.0), Next::Dead("x".into()));
        assert_eq!(rest(&Outcome::Quota("x".into()), 1, 0.0), Some(Duration::from_secs(60)));
        assert_eq!(rest(&Outcome::Busy("x".into()), 9, 1.0), Some(Duration::from_secs(15)));
        assert_eq!(rest(&Outcome::Recipient("x".into()), 1, 0.0), None);
        assert_eq!(rest(&Outcome::Channel("x".into()), 1, 0.0), Some(Duration::from_secs(60)));
    }
}
