//! What spreadsheets, input methods and copied pages do to the text of a cell, and how much of it can be undone.

/// Characters with which a cell begins that a spreadsheet would run as a formula.
/// Source: OWASP, "CSV Injection"; the full-width ones are formulas to East Asian spreadsheets.
const RUN: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Whether the text is one that a spreadsheet would run, behind any number of `'`.
fn would_run(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(RUN)
}

/// The text as it is written into a sheet: with `'` before what would be run.
pub(super) fn guarded(text: String) -> String {
    if would_run(&text) { format!("'{text}") } else { text }
}

/// Undoes [`guarded`].
pub(super) fn unguarded(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if would_run(rest) => rest,
        _ => text,
    }
}

/// Whether nobody sees it: zero-width characters, marks of direction, byte order marks, soft hyphens.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// Whether it is a blank, or looks like one (no-break, full-width), or like nothing.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

/// Without the blanks around it.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// The half-width form of full-width ASCII; anything else as it is.
pub(super) fn half_width(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => u32::from(c).checked_sub(0xfee0).and_then(char::from_u32).unwrap_or(c),
        _ => c,
    }
}

/// A text of the kind that has neither blanks around it, nor invisible characters, nor full-width ASCII: as it was meant.
pub(super) fn repaired(text: &str) -> String {
    let text: String = text.chars().filter(|c| !is_invisible(*c)).map(half_width).collect();
    let text = text.trim();
    // With ="0012" programs keep spreadsheets from making a number of it.
    let text = text.strip_prefix("=\"").and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim();
    // Excel's own sign for "this is text" comes along when cells are copied.
    text.strip_prefix('\'').unwrap_or(text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn formulas_are_guarded_and_others_left_alone() {
        for text in ["=1+1", "+86", "-1", "@all", "\t=1", "\r", "＝1", "'=1", "''-"] {
            assert_eq!(guarded(text.into()), format!("'{text}"));
            assert_eq!(unguarded(&format!("'{text}")), text);
        }
        for text in ["", "a=1", "'", "'a'", "''", "1"] {
            assert_eq!(guarded(text.into()), text);
            assert_eq!(unguarded(text), text);
        }
    }

    #[test]
    fn what_input_methods_leave_behind_is_undone() {
        assert_eq!(repaired("\u{feff}\u{a0} ｚｈａｎｇ＠ｃｏｒｐ．ｃｎ\u{3000}\u{200b}"), "zhang@corp.cn");
        assert_eq!(repaired("'13800138000"), "13800138000");
        assert_eq!(repaired("=\"0012\""), "0012");
        assert_eq!(repaired("=\""), "=\"");
        assert_eq!(repaired("张 三"), "张 三");
    }

    proptest! {
        #[test]
        fn a_guard_comes_off_exactly(text in "'{0,3}[=+@a'\t -]{0,4}") {
            let written = guarded(text.clone());
            prop_assert!(!written.starts_with(RUN));
            prop_assert_eq!(unguarded(&written), text);
        }
    }
}
