//! What one member may get: 30 messages in any 60 s, 1000 in any hour; the surplus is dropped (p90236, p90454). And
//! what the app may send in a day: 200 persons for each account of the cap (p90454).

use std::collections::{HashMap, VecDeque};

use super::answer::Refusal;
use super::options::Options;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// The natural day (自然日) is China's, UTC+8.
const ZONE_MS: u64 = 8 * HOUR_MS;
/// Persons a day for each account of the cap.
const PERSONS_PER_ACCOUNT: u64 = 200;

/// When each member saw messages, over the last hour. Only shown messages count.
#[derive(Default)]
pub(super) struct Limits {
    shown: HashMap<String, VecDeque<u64>>,
    /// A day's number, and the persons of its calls.
    today: (u64, u64),
}

impl Limits {
    /// Counts one message for a member, or says which limit drops it.
    pub(super) fn admit(&mut self, options: &Options, member: &str, now: u64) -> Result<(), &'static str> {
        let shown = self.shown.entry(member.to_owned()).or_default();
        while shown.front().is_some_and(|at| at + HOUR_MS <= now) {
            shown.pop_front();
        }
        if shown.len() >= options.member_per_hour {
            return Err("hour");
        }
        let minute = shown.iter().rev().take_while(|at| **at + MINUTE_MS > now).count();
        if minute >= options.member_per_minute {
            return Err("minute");
        }
        shown.push_back(now);
        Ok(())
    }

    /// Counts the persons of one call, or refuses all of it with 45009 until the day is over. Documented is only that a
    /// call to 1000 people counts 1000; by the stricter reading those count too whom a limit of their own or the
    /// duplicate check keeps the message from.
    pub(super) fn admit_call(&mut self, options: &Options, persons: usize, now: u64) -> Result<(), Refusal> {
        let day = (now + ZONE_MS) / DAY_MS;
        if self.today.0 != day {
            self.today = (day, 0);
        }
        let persons = u64::try_from(persons).unwrap_or(u64::MAX);
        let quota = options.account_cap.map_or(u64::MAX, |cap| cap.saturating_mul(PERSONS_PER_ACCOUNT));
        if self.today.1.saturating_add(persons) > quota {
            return Err(Refusal::because(45009, "api freq out of limit: persons of the day"));
        }
        self.today.1 = self.today.1.saturating_add(persons);
        Ok(())
    }
}
