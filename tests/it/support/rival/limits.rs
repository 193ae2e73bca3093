//! The limits that WeCom counts (wecom-api 3.8 and 4): messages per member, persons per day, equal contents.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

/// Messages of an app to a member in any such time.
pub const MINUTE: (Duration, usize) = (Duration::from_secs(60), 30);
/// As [`MINUTE`].
pub const HOUR: (Duration, usize) = (Duration::from_secs(3600), 1000);
/// Persons per day and account of the cap.
const PER_ACCOUNT: u64 = 200;

/// See the module's text.
#[derive(Debug, Default)]
pub struct Limits {
    per_member: BTreeMap<String, VecDeque<Duration>>,
    today: (u64, u64),
    /// When each content was taken for the first time.
    contents: HashMap<Vec<u8>, Duration>,
}

impl Limits {
    /// Counts a message to a member; the limit that it exceeds, if one. What exceeds does not count.
    pub fn count(&mut self, member: &str, now: Duration) -> Option<&'static str> {
        let times = self.per_member.entry(member.to_owned()).or_default();
        while times.front().is_some_and(|at| now - *at >= HOUR.0) {
            times.pop_front();
        }
        if times.iter().filter(|at| now - **at < MINUTE.0).count() >= MINUTE.1 {
            return Some("more than 30 messages a minute to one member");
        }
        if times.len() >= HOUR.1 {
            return Some("more than 1,000 messages an hour to one member");
        }
        times.push_back(now);
        None
    }

    /// Counts so many persons into the day's quota; whether there is room.
    pub fn spend(&mut self, cap: Option<u64>, day: u64, persons: usize) -> bool {
        if self.today.0 != day {
            self.today = (day, 0);
        }
        let then = self.today.1 + persons as u64;
        let fits = cap.is_none_or(|cap| then <= cap * PER_ACCOUNT);
        if fits {
            self.today.1 = then;
        }
        fits
    }

    /// Whether these very bytes were taken less than `interval` ago; else they are remembered.
    pub fn is_repeated(&mut self, body: &[u8], interval: Option<Duration>, now: Duration) -> bool {
        let repeated = match (self.contents.get(body), interval) {
            (Some(first), Some(interval)) => now - *first < interval,
            _ => false,
        };
        if !repeated {
            self.contents.insert(body.to_owned(), now);
        }
        repeated
    }

    /// A content that was not taken after all.
    pub fn forget(&mut self, body: &[u8]) {
        self.contents.remove(body);
    }
}
