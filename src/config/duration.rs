//! Durations as they are written in the config: "90s", "5m", "1h30m", "500ms".

use std::time::Duration;

/// Units from the largest to the smallest, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration: whole numbers with a unit (d, h, m, s, ms), larger units first, each at most once.
/// `None` for anything else, also for more than a u64 of milliseconds.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut left = UNITS.as_slice();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = split(rest, |b| b.is_ascii_digit());
        let (unit, after) = split(after, |b| b.is_ascii_alphabetic());
        let place = left.iter().position(|(name, _)| *name == unit)?;
        let millis = left.get(place)?.1;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(millis)?)?;
        left = left.get(place + 1..)?;
        rest = after;
    }
    (!text.is_empty()).then_some(Duration::from_millis(total))
}

/// Writes a duration (whole milliseconds of it) so that [`parse`] reads it back.
pub fn show(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (name, size) in UNITS {
        if millis >= size {
            text.push_str(&format!("{}{name}", millis / size));
            millis %= size;
        }
    }
    text
}

fn split(text: &str, fits: fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|b| !fits(b)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        let read = |text| parse(text).map(|d| d.as_millis());
        assert_eq!(read("90s"), Some(90_000));
        assert_eq!(read("5m"), Some(300_000));
        assert_eq!(read("2h"), Some(7_200_000));
        assert_eq!(read("500ms"), Some(500));
        assert_eq!(read("1h30m"), Some(5_400_000));
        assert_eq!(read("1d1ms"), Some(86_400_001));
        assert_eq!(read("0s"), Some(0));
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "5",
            "s",
            "-5s",
            "+5s",
            "1.5h",
            "5 m",
            "5M",
            "30m1h",
            "1s1s",
            "5min",
            "５m",
            "99999999999999999999s",
            "400000000000d",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn shown_durations_read_back(millis in any::<u64>()) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&show(duration)), Some(duration));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,12}|[0-9]{0,22}(ms|[dhms]){0,2}[0-9a-z]{0,4}") {
            if let Some(duration) = parse(&text) {
                prop_assert_eq!(parse(&show(duration)), Some(duration));
            }
        }

        #[test]
        fn parts_add_up(hours in 0u64..1000, minutes in 0u64..1000, seconds in 0u64..1000) {
            let read = parse(&format!("{hours}h{minutes}m{seconds}s"));
            prop_assert_eq!(read, Some(Duration::from_secs(hours * 3600 + minutes * 60 + seconds)));
        }
    }
}
