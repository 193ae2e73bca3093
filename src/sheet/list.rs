//! Several values in one cell, and back.
//!
//! They are separated by `;`, `、`, `|` (full-width ones too) or line ends. `\` before a separator, a blank or another `\`
//! makes it part of the value; before anything else it is itself, as in `\Sent`.

use super::cell::is_blank;

/// The values of a cell, without the blanks around each; empty ones are left out.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut value = String::new();
    // How much of the value is no blank at its end.
    let mut kept = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.peek().is_some_and(|next| is_special(*next)) {
            value.extend(chars.next());
            kept = value.len();
        } else if is_separator(c) {
            value.truncate(kept);
            found.push(std::mem::take(&mut value));
            kept = 0;
        } else if !is_blank(c) {
            value.push(c);
            kept = value.len();
        } else if !value.is_empty() {
            value.push(c);
        }
    }
    value.truncate(kept);
    found.push(value);
    found.retain(|value| !value.is_empty());
    found
}

/// One cell for all values; [`split`] gives them back.
pub(super) fn join(values: &[String]) -> String {
    let written: Vec<String> = values.iter().map(|value| escaped(value)).collect();
    written.join(";")
}

fn escaped(value: &str) -> String {
    let (begin, end) = (value.len() - value.trim_start_matches(is_blank).len(), value.trim_end_matches(is_blank).len());
    let mut written = String::with_capacity(value.len() + 4);
    let mut chars = value.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let ambiguous = || next.is_none_or(is_special);
        let outside = is_blank(c) && (at < begin || at >= end);
        if is_separator(c) || outside || (c == '\\' && ambiguous()) {
            written.push('\\');
        }
        written.push(c);
    }
    written
}

/// Whether a `\` before it is no part of the value.
fn is_special(c: char) -> bool {
    c == '\\' || is_separator(c) || is_blank(c)
}

fn is_separator(c: char) -> bool {
    matches!(c, ';' | '；' | '、' | '|' | '｜' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_separated_as_people_do() {
        assert_eq!(
            split("INBOX;项目/*、!项目/归档 | a b\n\\Sent；"),
            ["INBOX", "项目/*", "!项目/归档", "a b", "\\Sent"]
        );
        assert!(split(" ; ").is_empty());
        assert_eq!(split("a\\;b;c\\\\;\\ d\\ "), ["a;b", "c\\", " d "]);
        assert_eq!(split("\\"), ["\\"]);
    }

    #[test]
    fn usual_values_are_written_as_they_are() {
        let values = ["INBOX", "项目/*", "\\Sent", "a\\b"].map(str::to_owned);
        assert_eq!(join(&values), "INBOX;项目/*;\\Sent;a\\b");
    }

    proptest! {
        #[test]
        fn what_is_joined_is_split_again(values in prop::collection::vec("[a;\\\\、| \t\n\u{feff}张]{1,6}", 0..4)) {
            prop_assert_eq!(split(&join(&values)), values);
        }
    }
}
