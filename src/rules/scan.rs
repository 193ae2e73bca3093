//! What to read of a folder: the mark and what the server said of the folder -> a plan.

use crate::model::{Look, Mark, Timestamp, Uid};
use std::cmp::Ordering;
use std::time::Duration;

/// Mail is old when it was received so long before the folder's last good look (design: "Promises", 3).
pub const OLD_AFTER: Duration = Duration::from_secs(3600);

/// See [`believed`].
const A_DAY: Duration = Duration::from_secs(86_400);
/// See [`seen_up_to`].
const LOOKED_AT_AGAIN: Uid = 100;

/// What to do about a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// First sight: what is there is not news. The next UID is 1 where the server gives none.
    Bind(Uid),
    /// Nothing new.
    Nothing,
    /// Letters from the first UID to the second.
    Range(Uid, Uid),
    /// The server gives no UIDNEXT: all letters received since the last good look, known ones recognised by their
    /// sameness. UIDs are no ground to stand on there: Courier hands out provisional ones under EXAMINE and gives them
    /// to other letters later, and its UIDVALIDITY is the time of day until some client has used SELECT (tried with
    /// 5.0.13, 2026-11).
    Window,
    /// The UIDs begin anew (UIDVALIDITY changed, or UIDNEXT went down): look by date, known letters are
    /// recognised by their sameness (imap-servers C.3).
    Rebase(Uid),
}

/// Decides what to do. UIDs ascend within one UIDVALIDITY (RFC 3501 2.3.1.1); servers that break it are named in
/// imap-servers C.1.
pub fn plan(mark: Option<&Mark>, seen: &Look) -> Plan {
    let Some(mark) = mark else { return Plan::Bind(seen.uid_next.unwrap_or(1)) };
    if is_another(mark, seen) {
        return Plan::Rebase(seen.uid_next.unwrap_or(1));
    }
    let Some(next) = seen.uid_next else {
        return if seen.exists == Some(0) { Plan::Nothing } else { Plan::Window };
    };
    let renumbered = match seen.uid_validity {
        Some(now) => mark.uid_validity != 0 && mark.uid_validity != now,
        None => false,
    };
    if renumbered {
        return Plan::Rebase(next);
    }
    match next.cmp(&mark.next) {
        Ordering::Less => Plan::Rebase(next),
        Ordering::Equal => Plan::Nothing,
        Ordering::Greater => Plan::Range(mark.next, next - 1),
    }
}

/// Whether the folder was deleted and made anew under its name: its MAILBOXID is another (RFC 8474).
pub fn is_another(mark: &Mark, seen: &Look) -> bool {
    mark.mailbox_id.zip(seen.mailbox_id).is_some_and(|(then, now)| then != now)
}

/// Whether two looks say the same. Without UIDNEXT only the count does.
pub fn same(one: &Look, other: &Look) -> bool {
    match (one.uid_next, other.uid_next) {
        (None, None) => one.exists == other.exists,
        _ => one == other,
    }
}

/// The mark as it is to be believed at `now`, if the clock was set. When a last good look was that lies in the time to
/// come, nobody knows: within the last day, or what came meanwhile would be old. None was before the binding, or what was
/// there then would be news.
pub fn believed(mark: Mark, now: Timestamp) -> Mark {
    let looked_at = if mark.looked_at > now { now.minus(A_DAY) } else { mark.looked_at };
    Mark { looked_at: looked_at.max(mark.bound_at).min(now), ..mark }
}

/// The mark in the epoch that a look shows: in another one than its own, nothing is known of any UID.
pub fn in_epoch(mark: Mark, seen: &Look) -> Mark {
    match seen.uid_validity {
        Some(now) if now != mark.uid_validity && mark.uid_validity != 0 => Mark { uid_validity: now, next: 1, ..mark },
        Some(now) => Mark { uid_validity: now, ..mark },
        None => mark,
    }
}

/// How far letters were seen when the UIDs began anew: behind the highest that was found. UIDNEXT (`next`) may count
/// some that are not to be seen yet; where none was found, a few of the last are looked at again.
pub fn seen_up_to(highest: Option<Uid>, next: Uid) -> Uid {
    highest.map_or_else(|| next.saturating_sub(LOOKED_AT_AGAIN).max(1), |highest| highest.saturating_add(1))
}

/// Whether a letter is news: received (INTERNALDATE) no earlier than an hour before the last good look. A server that
/// gives no INTERNALDATE is believed.
pub fn is_news(mark: &Mark, received: Option<Timestamp>) -> bool {
    received.is_none_or(|time| time >= mark.looked_at.minus(OLD_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mark(uid_validity: u32, next: u32) -> Mark {
        Mark { uid_validity, next, bound_at: Timestamp(0), looked_at: Timestamp(10_000_000), mailbox_id: None }
    }

    fn seen(uid_validity: Option<u32>, uid_next: Option<u32>, exists: u32) -> Look {
        Look { uid_validity, uid_next, exists: Some(exists), mailbox_id: None }
    }

    #[test]
    fn every_branch() {
        let at = mark(7, 10);
        let cases = [
            (None, seen(Some(7), Some(4), 3), Plan::Bind(4)),
            (None, seen(Some(7), None, 3), Plan::Bind(1)),
            (Some(&at), seen(Some(7), Some(10), 3), Plan::Nothing),
            (Some(&at), seen(Some(7), Some(12), 3), Plan::Range(10, 11)),
            (Some(&at), seen(None, Some(12), 3), Plan::Range(10, 11)),
            (Some(&at), seen(Some(7), None, 3), Plan::Window),
            (Some(&at), seen(Some(7), None, 0), Plan::Nothing),
            (Some(&at), seen(Some(8), Some(12), 3), Plan::Rebase(12)),
            (Some(&at), seen(Some(8), None, 3), Plan::Window),
            (Some(&at), seen(Some(7), Some(9), 3), Plan::Rebase(9)),
        ];
        for (mark, seen, expected) in cases {
            assert_eq!(plan(mark, &seen), expected, "{seen:?}");
        }
        assert_eq!(plan(Some(&mark(0, 10)), &seen(Some(5), Some(10), 1)), Plan::Nothing);
    }

    #[test]
    fn an_hour_before_the_last_look_is_old() {
        let mark = mark(7, 10);
        assert!(is_news(&mark, Some(Timestamp(10_000_000 - 3_600_000))));
        assert!(!is_news(&mark, Some(Timestamp(10_000_000 - 3_600_001))));
        assert!(is_news(&mark, None));
    }

    #[test]
    fn a_clock_that_was_set_makes_nothing_old_and_nothing_new() {
        // It was ahead at the last look, and is right again: what comes now is news.
        let (ahead, now) = (Mark { looked_at: Timestamp(90_000_000), ..mark(7, 10) }, Timestamp(10_000_000));
        assert!(!is_news(&ahead, Some(now)) && is_news(&believed(ahead, now), Some(now)));
        let (later, came) = (Timestamp(40_000_000), Some(Timestamp(12_000_000)));
        assert!(is_news(&believed(ahead, later), came), "hours later, with nobody there meanwhile");
        // It was set back after the binding: what was there then is none.
        let back = Mark { bound_at: Timestamp(10_000_000), looked_at: Timestamp(8_000_000), ..mark(7, 10) };
        let there = Some(Timestamp(6_000_000));
        assert!(is_news(&back, there) && !is_news(&believed(back, Timestamp(11_000_000)), there));
    }

    /// A server that tells UIDNEXT again after it numbered a folder anew without it.
    #[test]
    fn a_mark_of_another_epoch_knows_no_uid() {
        let at = mark(7, 52);
        assert_eq!(in_epoch(at, &seen(Some(8), None, 3)), Mark { uid_validity: 8, next: 1, ..at });
        assert_eq!(in_epoch(at, &seen(Some(7), None, 3)), at);
        assert_eq!(in_epoch(at, &seen(None, None, 3)), at);
        assert_eq!(in_epoch(mark(0, 52), &seen(Some(8), None, 3)), mark(8, 52));
    }

    #[test]
    fn what_is_not_to_be_seen_yet_is_looked_for_again() {
        assert_eq!(seen_up_to(Some(6), 9), 7);
        assert_eq!((seen_up_to(None, 9), seen_up_to(None, 900)), (1, 800));
    }

    proptest! {
        /// A folder that only grows is read without a gap, wherever the looks fall.
        #[test]
        fn looks_leave_no_gap(steps in proptest::collection::vec(0_u32..5, 1..30)) {
            let (mut at, mut next, mut read) = (mark(7, 1), 1_u32, Vec::new());
            for step in steps {
                next += step;
                if let Plan::Range(from, to) = plan(Some(&at), &seen(Some(7), Some(next), next)) {
                    read.extend(from..=to);
                    at.next = to + 1;
                }
            }
            prop_assert_eq!(read, (1..next).collect::<Vec<_>>());
        }
    }
}
