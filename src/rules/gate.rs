//! The per-member gate: WeCom drops what one member gets beyond 30 messages a minute, without an error
//! (wecom-api 4, p90236), so we never send more.

use crate::model::Timestamp;
use std::time::Duration;

/// Messages per recipient in [`WINDOW`]: WeCom's 30 less one, for a retry whose first try WeCom has counted.
pub const MESSAGES: usize = 29;
/// WeCom's minute and a margin: its minute begins when the message arrives there, ours when it leaves here.
pub const WINDOW: Duration = Duration::from_secs(63);

/// How many messages may go now, and if none, when the next one may. `sent` are the times of earlier tries, ascending.
pub fn room(sent: &[Timestamp], now: Timestamp) -> Result<usize, Timestamp> {
    let recent: Vec<_> = sent.iter().map(|t| (*t).min(now)).filter(|t| now.since(*t) < WINDOW).collect();
    match MESSAGES.checked_sub(recent.len()) {
        Some(room) if room > 0 => Ok(room),
        _ => {
            let leaving = recent.get(recent.len() - MESSAGES).copied().unwrap_or(now);
            Err(leaving.plus(WINDOW))
        }
    }
}

/// The times that still count.
pub fn prune(sent: &mut Vec<Timestamp>, now: Timestamp) {
    sent.retain(|t| now.since((*t).min(now)) < WINDOW);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_more_than_thirty_in_any_minute(gaps in proptest::collection::vec(0_i64..5000, 1..300), late in 0_i64..2000) {
            let (mut sent, mut now) = (Vec::new(), 0);
            for gap in gaps {
                now += gap;
                while let Err(at) = room(&sent, Timestamp(now)) {
                    prop_assert!(at.0 > now);
                    now = at.0;
                }
                sent.push(Timestamp(now));
            }
            // Each arrives at WeCom up to two seconds later, alternately late and at once.
            let arrived: Vec<i64> = sent.iter().enumerate().map(|(i, t)| t.0 + if i % 2 == 0 { late } else { 0 }).collect();
            for end in &arrived {
                let count = arrived.iter().filter(|t| **t <= *end && end - **t < 60_000).count();
                prop_assert!(count <= 30);
            }
        }
    }
}
