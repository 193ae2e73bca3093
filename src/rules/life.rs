//! When an account or a folder counts as blind, and when a worker hangs. Pure.

use std::time::Duration;

/// The deadlines that a config sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// `imap.blind_after`
    pub blind_after: Duration,
    /// `imap.poll_interval`: between two looks at a folder that nobody tells us of.
    pub poll_interval: Duration,
    /// `imap.idle_renew`: between two answers of a server that has nothing to tell.
    pub idle_renew: Duration,
    /// `imap.command_timeout`
    pub command_timeout: Duration,
}

/// What a worker does between two steps beside waiting for one answer and one renewal.
const LEEWAY: Duration = Duration::from_secs(60);

impl Deadlines {
    /// Whether an account without proof of life for so long is blind.
    pub fn is_blind(&self, silent_for: Duration) -> bool {
        silent_for > self.blind_after
    }

    /// Whether a folder that was not looked at for so long is blind: it is looked at once in each sweep, so one sweep may
    /// fail without a word.
    pub fn is_folder_blind(&self, stale_for: Duration) -> bool {
        stale_for > self.blind_after.max(self.poll_interval * 2 + LEEWAY)
    }

    /// Whether a worker that went no step and had no answer for so long hangs: each of its waits ends before.
    pub fn hangs(&self, still_for: Duration) -> bool {
        still_for > self.idle_renew + self.command_timeout * 2 + LEEWAY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn deadlines_are_kept_to_the_second() {
        let deadlines = Deadlines {
            blind_after: SECOND * 900,
            poll_interval: SECOND * 300,
            idle_renew: SECOND * 240,
            command_timeout: SECOND * 60,
        };
        assert!(!deadlines.is_blind(SECOND * 900) && deadlines.is_blind(SECOND * 901));
        assert!(!deadlines.is_folder_blind(SECOND * 900) && deadlines.is_folder_blind(SECOND * 901));
        let slow = Deadlines { poll_interval: SECOND * 3600, ..deadlines };
        assert!(!slow.is_folder_blind(SECOND * 7200) && slow.is_folder_blind(SECOND * 7300));
        assert!(!deadlines.hangs(SECOND * 420) && deadlines.hangs(SECOND * 421));
    }
}
