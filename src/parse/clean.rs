//! Text without anything that hides, turns around or breaks what a person sees.

use unicode_normalization::UnicodeNormalization;

/// Without C0 and C1 controls, direction marks, zero-width and tag characters and line separators (imap-servers E.4);
/// white space folded to single blanks, in NFC.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = false;
    for c in text.nfc() {
        if c.is_whitespace() || matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}') {
            blank = true;
        } else if !is_hidden(c) {
            if blank && !out.is_empty() {
                out.push(' ');
            }
            blank = false;
            out.push(c);
        }
    }
    out
}

fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
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
    }

    proptest! {
        #[test]
        fn clean_text_stays_as_it_is(text in any::<String>()) {
            let once = clean(&text);
            prop_assert!(!once.chars().any(char::is_control));
            prop_assert_eq!(clean(&once), once);
        }
    }
}
