//! The busy minutes :00 and :30 of the hour, in which most corps push and WeCom delivers slowly: its page asks to stay
//! clear of them (wecom-api 4, p90236). They are the same in UTC and in UTC+8.

pub use crate::model::BusyMinutes;
use crate::model::{Timestamp, Urgency};

const MINUTE_MS: i64 = 60_000;

/// When what is of this class may go, if `wall` lies in a busy minute and the class is held back in it: the moment at
/// which the minute is over. Urgent ones are never held back, and silent ones are never sent.
pub fn held(mode: BusyMinutes, class: Urgency, wall: Timestamp) -> Option<Timestamp> {
    let keeps_clear = match (mode, class) {
        (BusyMinutes::Off, _) | (_, Urgency::Urgent | Urgency::Silent) => false,
        (BusyMinutes::All, _) => true,
        (BusyMinutes::Digests, _) => class == Urgency::Digest,
    };
    let minute = wall.0.div_euclid(MINUTE_MS);
    let is_busy = minute.rem_euclid(30) == 0;
    (keeps_clear && is_busy).then(|| Timestamp(minute.saturating_add(1).saturating_mul(MINUTE_MS)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    /// 2026-02-02T10:30:00+08:00.
    const HALF_PAST: Timestamp = Timestamp(1_769_999_400_000);

    #[test]
    fn each_mode_holds_its_classes() {
        use BusyMinutes::{All, Digests, Off};
        use Urgency::{Digest, Normal, Silent, Urgent};
        let over = Some(HALF_PAST.plus(Duration::from_secs(60)));
        for (mode, class, expected) in [
            (Digests, Urgent, None),
            (Digests, Normal, None),
            (Digests, Digest, over),
            (Digests, Silent, None),
            (All, Urgent, None),
            (All, Normal, over),
            (All, Digest, over),
            (All, Silent, None),
            (Off, Normal, None),
            (Off, Digest, None),
        ] {
            assert_eq!(held(mode, class, HALF_PAST), expected, "{mode:?} {class:?}");
        }
    }

    #[test]
    fn a_busy_minute_is_a_whole_minute_and_no_more() {
        let at = |ms: i64| held(BusyMinutes::All, Urgency::Digest, Timestamp(HALF_PAST.0 + ms));
        let over = Some(Timestamp(HALF_PAST.0 + 60_000));
        assert_eq!((at(-1), at(0), at(59_999), at(60_000)), (None, over, over, None));
        let on_the_hour = HALF_PAST.0 + 30 * 60_000;
        assert_eq!(at(30 * 60_000), Some(Timestamp(on_the_hour + 60_000)));
        assert_eq!(held(BusyMinutes::All, Urgency::Digest, Timestamp(-1)), None, "23:59:59.999 of 1969");
    }

    proptest! {
        #[test]
        fn two_minutes_of_sixty_and_never_longer_than_one(ms in any::<i32>()) {
            let begin = i64::from(ms) * 1000 + 7;
            let busy = (0..60).filter(|n| {
                let wall = Timestamp(begin + n * 60_000);
                held(BusyMinutes::All, Urgency::Normal, wall).is_some_and(|over| {
                    assert!(over > wall && over.since(wall) <= Duration::from_secs(60));
                    assert_eq!(held(BusyMinutes::All, Urgency::Normal, over), None);
                    true
                })
            });
            prop_assert_eq!(busy.count(), 2);
        }
    }
}
