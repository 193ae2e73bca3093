//! The channel to WeCom as a whole: when it rests, and for how long. Pure; stored, so that a rest that WeCom asks for
//! outlives the process.

use super::retry::{self, Outcome};
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};

/// See the module's text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Nothing is sent before (steady clock).
    pub rests_until: Option<Timestamp>,
    /// Whether it rests for a limit or a refusal: what was on its way before does not end that.
    pub firm: bool,
    /// Failures in a row, each kind for itself: lost answers, limits, refusals.
    pub lost: u32,
    /// See [`Line::lost`].
    pub quota: u32,
    /// See [`Line::lost`].
    pub refused: u32,
    /// Since when it is stopped (wall clock).
    pub stopped_at: Option<Timestamp>,
    /// Why it stopped firmly.
    pub reason: Option<String>,
}

/// What a message told of the whole channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing new.
    None,
    /// It has stopped.
    Stopped,
    /// It goes on, after it was stopped as told.
    Again(Line),
}

impl Line {
    /// Whether nothing is to be sent.
    pub fn rests(&self, now: Timestamp) -> bool {
        self.rests_until.is_some_and(|until| until > now)
    }

    /// Whether the last message failed for a reason that is the channel's.
    pub fn fails(&self) -> bool {
        self.lost + self.quota + self.refused > 0
    }

    /// Takes note of what one message tells of the whole channel. `jitter` in 0.0..=1.0.
    pub fn learn(&mut self, outcome: &Outcome, now: Timestamp, wall: Timestamp, jitter: f64) -> Change {
        let (rests, firm) = (self.rests(now), self.firm);
        let failures = match outcome {
            Outcome::Unknown(_) | Outcome::Busy(_) => &mut self.lost,
            Outcome::Quota(_) => &mut self.quota,
            _ => &mut self.refused,
        };
        let Some(rest) = retry::rest(outcome, *failures + 1, jitter) else {
            // What was sent before the rest began does not end it.
            if (rests && firm) || *self == Self::default() {
                return Change::None;
            }
            return Change::Again(std::mem::take(self));
        };
        let now_firm = !matches!(outcome, Outcome::Unknown(_) | Outcome::Busy(_));
        // Several messages that fail together are one failure, but a limit outlasts a lost answer.
        if !rests || (now_firm && !firm) {
            *failures += 1;
            self.firm = now_firm;
            self.rests_until = self.rests_until.max(Some(now.plus(rest)));
        } else if now_firm {
            // What was on its way when the rest began may be answered late: the shortest rest counts from the last answer.
            let least = retry::rest(outcome, 1, 0.0).unwrap_or_default();
            self.rests_until = self.rests_until.max(Some(now.plus(least)));
        }
        if now_firm {
            self.reason = Some(outcome.reason().to_owned());
        }
        match self.stopped_at {
            Some(_) => Change::None,
            None => {
                self.stopped_at = Some(wall);
                Change::Stopped
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_rest_counts_from_the_last_answer_and_not_from_the_first() {
        let mut line = Line::default();
        let limit = Outcome::Quota("45009".to_owned());
        let at = |s: u64| Timestamp(0).plus(Duration::from_secs(s));
        assert_eq!(line.learn(&limit, at(0), at(0), 0.0), Change::Stopped);
        assert_eq!(line.rests_until, Some(at(60)));
        // One that was on its way when the first answer came.
        assert_eq!(line.learn(&limit, at(15), at(15), 0.0), Change::None);
        assert_eq!((line.rests_until, line.quota), (Some(at(75)), 1));
        assert_eq!(line.learn(&Outcome::Sent, at(16), at(16), 0.0), Change::None, "nor does that end it");
        assert!(line.rests(at(74)) && !line.rests(at(75)));
    }
}
