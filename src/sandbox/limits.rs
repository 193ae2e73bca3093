//! What one member may get: 30 messages in any 60 s, 1000 in any hour; the surplus is dropped (p90236, p90454).

use std::collections::{HashMap, VecDeque};

use super::options::Options;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;

/// When each member saw messages, over the last hour. Only shown messages count.
#[derive(Default)]
pub(super) struct Limits {
    shown: HashMap<String, VecDeque<u64>>,
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
}
