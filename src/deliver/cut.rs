//! Cutting text to a length in bytes, which is how WeCom states its limits, and never inside a character.

/// `text`, or as much of its beginning as fits into `most` bytes together with an ellipsis.
pub fn cut(text: &str, most: usize) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() <= most {
        return text.to_owned();
    }
    let room = most.saturating_sub(ELLIPSIS.len());
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room).last().unwrap_or(0);
    let kept = text.get(..end).unwrap_or_default().trim_end();
    if most < ELLIPSIS.len() { kept.to_owned() } else { format!("{kept}{ELLIPSIS}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn chinese_is_cut_between_characters() {
        let text = "会".repeat(50);
        assert_eq!(cut(&text, 100), format!("{}…", "会".repeat(32)));
        assert_eq!(cut("会议", 6), "会议");
        assert_eq!(cut("会议", 5), "…");
        assert_eq!(cut("会议", 2), "");
    }

    proptest! {
        #[test]
        fn fits_and_only_the_end_is_cut(text in "[a-z 会议👍🏽é]{0,80}", most in 0_usize..200) {
            let short = cut(&text, most);
            prop_assert!(short.len() <= most);
            let kept = short.strip_suffix('…').unwrap_or(&short);
            prop_assert!(text.starts_with(kept));
            if text.len() <= most { prop_assert_eq!(short, text); }
        }
    }
}
