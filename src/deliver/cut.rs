//! Cutting text to a length in bytes, which is how WeCom states its limits, and never inside what a person sees as one
//! character (a grapheme cluster, UAX #29): a letter with its accents, an emoji with its skin tone, a flag.

use unicode_segmentation::UnicodeSegmentation;

const ELLIPSIS: &str = "…";

/// `text`, or as much of its beginning as fits into `most` bytes together with an ellipsis. Where not even that fits,
/// nothing is left.
pub fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let Some(room) = most.checked_sub(ELLIPSIS.len()) else { return String::new() };
    let ends = text.grapheme_indices(true).map(|(at, grapheme)| at + grapheme.len());
    let end = ends.take_while(|end| *end <= room).last().unwrap_or(0);
    format!("{}{ELLIPSIS}", text.get(..end).unwrap_or_default().trim_end())
}

/// `text`, or as much of its end as fits into `most` bytes together with an ellipsis. Where not even that fits, nothing is
/// left.
pub fn cut_front(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let Some(room) = most.checked_sub(ELLIPSIS.len()) else { return String::new() };
    let starts = text.grapheme_indices(true).map(|(at, _)| at);
    let start = starts.rev().take_while(|at| text.len() - at <= room).last().unwrap_or(text.len());
    format!("{ELLIPSIS}{}", text.get(start..).unwrap_or_default())
}

/// As [`cut`], to a length in characters (Unicode scalar values), which is how WeCom states the lengths of template cards.
pub fn cut_characters(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let Some(room) = most.checked_sub(1) else { return String::new() };
    let end = taken(text.graphemes(true), room);
    format!("{}{ELLIPSIS}", text.get(..end).unwrap_or_default().trim_end())
}

/// As [`cut_front`], to a length in characters.
pub fn cut_front_characters(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let Some(room) = most.checked_sub(1) else { return String::new() };
    let start = text.len().saturating_sub(taken(text.graphemes(true).rev(), room));
    format!("{ELLIPSIS}{}", text.get(start..).unwrap_or_default())
}

/// The bytes of as many of the graphemes as have no more than `room` characters together.
fn taken<'a>(graphemes: impl Iterator<Item = &'a str>, room: usize) -> usize {
    let sums = graphemes.scan((0, 0), |(bytes, characters), grapheme| {
        *bytes += grapheme.len();
        *characters += grapheme.chars().count();
        Some((*bytes, *characters))
    });
    sums.take_while(|(_, characters)| *characters <= room).last().map_or(0, |(bytes, _)| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn of_an_address_the_end_stays() {
        assert_eq!(cut_front("zhangsan@corp.example", 21), "zhangsan@corp.example");
        assert_eq!(cut_front("zhangsan@corp.example", 16), "…@corp.example");
        assert_eq!(cut_front("张三@公司.example", 16), "…司.example");
        assert_eq!(cut_front("abcdef", 3), "…");
        assert_eq!(cut_front("abcdef", 2), "");
    }

    #[test]
    fn lengths_may_be_told_in_characters() {
        assert_eq!((cut_characters("会议通知", 4), cut_characters("会议通知", 3)), ("会议通知".into(), "会议…".into()));
        assert_eq!((cut_characters("会 议通知", 3), cut_characters("会议", 0)), ("会…".into(), String::new()));
        assert_eq!(cut_characters("ab👨‍👩‍👧cd", 7), "ab…", "five characters, one sign");
        assert_eq!(cut_characters("ab👨‍👩‍👧cd", 8), "ab👨‍👩‍👧…");
        assert_eq!(cut_front_characters("zhangsan@corp.example", 14), "…@corp.example");
        assert_eq!(cut_front_characters("cd👨‍👩‍👧ab", 7), "…ab");
        assert_eq!((cut_front_characters("abc", 3), cut_front_characters("abc", 0)), ("abc".into(), String::new()));
    }

    #[test]
    fn chinese_is_cut_between_characters() {
        let text = "会".repeat(50);
        assert_eq!(cut(&text, 100), format!("{}…", "会".repeat(32)));
        assert_eq!(cut("会议", 6), "会议");
        assert_eq!(cut("会议", 5), "…");
        assert_eq!(cut("会议", 2), "");
        assert_eq!(cut("会议 纪要", 12), "会议…", "no blank before the ellipsis");
    }

    #[test]
    fn what_a_person_sees_as_one_stays_one() {
        for whole in ["👍🏽", "👨‍👩‍👧", "🇨🇳", "e\u{301}\u{323}", "각", "❤️", "क्षि", "9️⃣"]
        {
            let text = format!("a{whole}{}", "z".repeat(9));
            for most in 0..text.len() {
                let short = cut(&text, most);
                let kept = short.trim_end_matches('…');
                let fits = most >= 1 + whole.len() + ELLIPSIS.len();
                assert!(kept.len() <= 1 || kept.starts_with(&format!("a{whole}")), "{whole} at {most}: {short}");
                assert_eq!(kept.len() > 1, fits, "{whole} at {most}: {short}");
            }
        }
    }

    /// Pieces that go together badly: wide, joined, doubled, turned around.
    fn text() -> impl Strategy<Value = String> {
        let piece = proptest::sample::select(vec![
            "a",
            " ",
            "会",
            "议",
            "：",
            "é",
            "e\u{301}",
            "\u{301}",
            "\u{323}",
            "👍",
            "👍🏽",
            "\u{1f3fd}",
            "👨‍👩‍👧",
            "\u{200d}",
            "🇨🇳",
            "🇨",
            "❤️",
            "\u{fe0f}",
            "각",
            "ᄀ",
            "क्षि",
            "שלום",
            "\r\n",
            "…",
        ]);
        prop_oneof![
            proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat()),
            any::<String>(),
            "\\PC{0,80}",
        ]
    }

    proptest! {
        #[test]
        fn fits_and_only_the_end_is_cut(text in text(), most in 0_usize..200) {
            let short = cut(&text, most);
            prop_assert!(short.len() <= most);
            if text.len() <= most {
                prop_assert_eq!(short, text);
            } else if let Some(kept) = short.strip_suffix('…') {
                prop_assert!(text.starts_with(kept));
                // What is cut away begins where a grapheme begins, blanks aside.
                let cut_away = text.len() - text[kept.len()..].trim_start().len();
                let mut borders = text.grapheme_indices(true).map(|(at, _)| at).chain([text.len()]);
                prop_assert!(borders.any(|at| (kept.len()..=cut_away).contains(&at)), "{:?} of {:?}", short, text);
            } else {
                prop_assert!(short.is_empty() && most < 3, "{:?} of {:?}", short, text);
            }
        }

        #[test]
        fn characters_fit_from_either_end(text in text(), most in 0_usize..60) {
            for short in [cut_characters(&text, most), cut_front_characters(&text, most)] {
                prop_assert!(short.chars().count() <= most);
                let whole = text.chars().count() <= most;
                prop_assert!(whole == (short == text) || text.contains('…'), "{:?} of {:?}", short, text);
                let kept = short.trim_end_matches('…').trim_start_matches('…');
                prop_assert!(text.contains(kept));
            }
        }

        #[test]
        fn nothing_is_cut_that_would_fit(text in text(), most in 3_usize..200) {
            let short = cut(&text, most);
            if let Some(kept) = short.strip_suffix('…').filter(|_| text.len() > most) {
                let rest = &text[kept.len()..];
                let blanks = rest.len() - rest.trim_start().len();
                let next = rest.graphemes(true).find(|g| !g.trim().is_empty()).map_or(0, str::len);
                prop_assert!(kept.len() + blanks + next + 3 > most, "{:?} of {:?}", short, text);
            }
        }
    }
}
