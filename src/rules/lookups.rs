//! How many mail addresses WeCom may be asked for that nobody has: wrong look-ups above 20 % of the corp's account cap
//! block the call for a day (p95895), for every program of the corp. Pure: the time is an argument.

use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Wrong look-ups count for so long.
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// Wrong look-ups that may be had in any 24 hours: 5 % of the account cap. `told` says another number; it never goes
/// above 10 % of a cap that is known. Without a cap and without being told: none.
pub fn most_wrong(cap: Option<u32>, told: Option<u32>) -> u32 {
    match (cap, told) {
        (Some(cap), None) => cap / 20,
        (Some(cap), Some(told)) => told.min(cap / 10),
        (None, told) => told.unwrap_or(0),
    }
}

/// The look-ups of the last day that were wrong, or that nobody knows yet to have been right (steady clock).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookups {
    wrong: VecDeque<Timestamp>,
}

impl Lookups {
    /// Whether one more may be asked; if so it counts as wrong until [`Lookups::was_right`] is told of it.
    pub fn admit(&mut self, most: u32, now: Timestamp) -> bool {
        self.forget(now);
        let room = u32::try_from(self.wrong.len()).is_ok_and(|counted| counted < most);
        if room {
            self.wrong.push_back(now);
        }
        room
    }

    /// The one that was admitted at this time found somebody, or was not asked after all.
    pub fn was_right(&mut self, admitted: Timestamp) {
        if let Some(at) = self.wrong.iter().position(|at| *at == admitted) {
            self.wrong.remove(at);
        }
    }

    /// How many more may be asked now.
    pub fn left(&mut self, most: u32, now: Timestamp) -> u32 {
        self.forget(now);
        most.saturating_sub(u32::try_from(self.wrong.len()).unwrap_or(u32::MAX))
    }

    fn forget(&mut self, now: Timestamp) {
        self.wrong.retain(|at| now.since(*at) < DAY);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_twentieth_of_the_cap_unless_told_and_nothing_without_one() {
        for (cap, told, most) in [
            (Some(500), None, 25),
            (Some(19), None, 0),
            (Some(20), None, 1),
            (Some(500), Some(3), 3),
            (Some(500), Some(400), 50),
            (None, None, 0),
            (None, Some(40), 40),
        ] {
            assert_eq!(most_wrong(cap, told), most, "{cap:?} {told:?}");
        }
    }

    #[test]
    fn right_ones_are_free_and_wrong_ones_count_for_a_day() {
        let mut lookups = Lookups::default();
        let at = |hours: u64| Timestamp(1_760_000_000_000).plus(Duration::from_secs(hours * 3600));
        for _ in 0..10 {
            assert!(lookups.admit(2, at(0)));
            lookups.was_right(at(0));
        }
        assert!(lookups.admit(2, at(0)) && lookups.admit(2, at(1)) && !lookups.admit(2, at(2)));
        assert_eq!((lookups.left(2, at(23)), lookups.left(2, at(24)), lookups.left(2, at(25))), (0, 1, 2));
        assert!(!Lookups::default().admit(0, at(0)));
    }

    proptest! {
        #[test]
        fn no_24_hours_hold_more_than_the_most(
            steps in prop::collection::vec((0_u64..40_000, any::<bool>()), 1..300),
            cap in 1_u32..2000,
        ) {
            let most = most_wrong(Some(cap), None);
            let (mut lookups, mut now, mut wrong) = (Lookups::default(), Timestamp(0), Vec::new());
            for (seconds, right) in steps {
                now = now.plus(Duration::from_secs(seconds));
                if lookups.admit(most, now) {
                    if right { lookups.was_right(now) } else { wrong.push(now) }
                }
                let day = wrong.iter().filter(|at| now.since(**at) < DAY).count();
                prop_assert!(day <= usize::try_from(most).unwrap() && u32::try_from(day).unwrap() * 5 <= cap);
            }
        }
    }
}
