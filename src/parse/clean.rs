//! Text without anything that hides, turns around or breaks what a person sees.

use unicode_normalization::UnicodeNormalization;

/// Without C0 and C1 controls, direction marks, zero-width and tag characters, line separators (imap-servers E.4) and
/// fillers that nobody sees; white space folded to single blanks, in NFC.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = false;
    for c in seen(text).nfc() {
        if c.is_whitespace() || matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}') {
            blank = true;
        } else {
            if blank && !out.is_empty() {
                out.push(' ');
            }
            blank = false;
            out.push(c);
        }
    }
    out
}

/// The characters that can be seen, or that are part of a word: Hangul has fillers for letters that a syllable lacks.
fn seen(text: &str) -> impl Iterator<Item = char> {
    let (mut chars, mut before) = (text.chars(), None);
    std::iter::from_fn(move || {
        loop {
            let c = chars.next()?;
            let is_spare =
                || !before.is_some_and(is_hangul) && !chars.clone().take(2).any(|c| is_hangul(c) && !is_filler(c));
            if is_hidden(c) || is_filler(c) && is_spare() {
                continue;
            }
            before = Some(c);
            return Some(c);
        }
    })
}

fn is_filler(c: char) -> bool {
    matches!(c, '\u{115f}' | '\u{1160}')
}

fn is_hangul(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}' | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}')
}

fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hidden_characters_go_and_words_stay() {
        assert_eq!(clean(" a\r\n\tb\u{0}c\u{2028}d "), "a b c d");
        assert_eq!(clean("\u{202e}gpj.exe\u{200b}"), "gpj.exe");
        assert_eq!(clean("项目\u{3000}会议"), "项目 会议");
        assert_eq!(clean("e\u{301}"), "é");
        assert_eq!(clean("e\u{34f}\u{301}\u{2800}\u{3164}\u{ffa0}!"), "é!");
        assert_eq!(clean("a\u{115f}\u{1160}b\u{1160}"), "ab");
        assert_eq!(clean("\u{1100}\u{1160}\u{11a8} \u{115f}\u{1161}"), "\u{1100}\u{1160}\u{11a8} \u{115f}\u{1161}");
    }

    proptest! {
        #[test]
        fn clean_text_stays_as_it_is(text in any::<String>()) {
            let once = clean(&text);
            prop_assert!(!once.chars().any(char::is_control));
            prop_assert_eq!(clean(&once), once);
        }

        #[test]
        fn clean_hangul_stays_as_it_is(text in "[\u{1100}\u{115f}\u{1160}\u{1161}\u{11a8}\u{ac00}e\u{301}\u{34f}\u{3164} ]{0,12}") {
            let once = clean(&text);
            prop_assert_eq!(clean(&once), once);
        }
    }
}
