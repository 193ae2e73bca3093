//! Response codes that async-imap's parser does not know, or whose text it cannot take, read from the bytes of a
//! status line: ALERT, NOTIFICATIONOVERFLOW, MAILBOXID.

use super::frame_scan::status_word;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::VecDeque;

/// So many texts for the administrator are kept; the oldest give way.
const MOST_ALERTS: usize = 10;
/// So many characters of one.
const ALERT_CHARS: usize = 300;

/// What a status line says beyond what the parser reads of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// A text that a person must see (RFC 3501 7.1), also Gmail's `[WEBALERT address] text`.
    Alert(String),
    /// The server has ended NOTIFY (RFC 5465 section 5.8).
    NotifyOver,
    /// The open folder's MAILBOXID, digested (RFC 8474 section 4.2).
    MailboxId(u64),
}

/// Reads a whole line; `None` for all without one of these codes.
pub(super) fn read(line: &[u8]) -> Option<Code> {
    let untagged = match line.first()? {
        b'+' => return None,
        first => *first == b'*',
    };
    let rest = line.get(status_word(line)?..)?.trim_ascii_start().strip_prefix(b"[")?;
    let end = rest.iter().position(|b| *b == b']')?;
    let (inside, text) = (rest.get(..end)?, rest.get(end + 1..)?);
    let (word, argument) = match inside.iter().position(|b| *b == b' ') {
        Some(blank) => (inside.get(..blank)?, inside.get(blank..)?.trim_ascii()),
        None => (inside, &[][..]),
    };
    match word.to_ascii_uppercase().as_slice() {
        b"ALERT" => alert(text, b""),
        b"WEBALERT" => alert(text, argument),
        b"NOTIFICATIONOVERFLOW" if untagged => Some(Code::NotifyOver),
        b"MAILBOXID" if untagged => {
            let id = argument.strip_prefix(b"(")?.strip_suffix(b")")?.trim_ascii();
            (!id.is_empty()).then(|| Code::MailboxId(digest(id)))
        }
        _ => None,
    }
}

fn alert(text: &[u8], address: &[u8]) -> Option<Code> {
    let text = format!("{} {}", text_of(text), text_of(address));
    let words: Vec<_> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let clean: String = words.join(" ").chars().filter(|c| !turns_text(*c)).take(ALERT_CHARS).collect();
    (!clean.is_empty()).then_some(Code::Alert(clean))
}

/// Characters that turn the direction of what stands behind them (Unicode UAX 9).
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A server's words: UTF-8 or, failing that, GB18030 (imap-servers T.7).
pub(super) fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => encoding_rs::GB18030.decode_without_bom_handling(bytes).0,
    }
}

/// A MAILBOXID as a number: the first eight bytes of its SHA-256.
pub(super) fn digest(id: &[u8]) -> u64 {
    Sha256::digest(id).iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Texts that the server wants a person to see; each once, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Alerts(VecDeque<String>);

impl Alerts {
    pub(super) fn push(&mut self, text: String) {
        if self.0.contains(&text) {
            return;
        }
        if self.0.len() >= MOST_ALERTS {
            self.0.pop_front();
        }
        self.0.push_back(text);
    }

    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn alert_of(line: &[u8]) -> Option<String> {
        match read(line)? {
            Code::Alert(text) => Some(text),
            _ => None,
        }
    }

    #[test]
    fn alerts_in_every_line_and_encoding() {
        let gbk = encoding_rs::GBK.encode("* NO [ALERT]空间不足\r\n").0.into_owned();
        let cases: &[(&[u8], &str)] = &[
            (b"* OK [ALERT] System shutdown in 10 minutes\r\n", "System shutdown in 10 minutes"),
            (
                b"M1 NO [alert] Too many simultaneous connections. (Failure)\n",
                "Too many simultaneous connections. (Failure)",
            ),
            (b"* BYE [ALERT] a\tb\x07\x1b[31mc\r\n", "a b [31mc"),
            ("* BAD [ALERT]空间不足\r\n".as_bytes(), "空间不足"),
            (&gbk, "空间不足"),
            ("* OK [ALERT] \u{202e}x\r\n".as_bytes(), "x"),
            // Gmail
            (
                b"* NO [WEBALERT https://accounts.example/x?y] Web login required.\r\n",
                "Web login required. https://accounts.example/x?y",
            ),
        ];
        for (line, text) in cases {
            assert_eq!(alert_of(line).as_deref(), Some(*text), "{}", String::from_utf8_lossy(line));
        }
        let none: &[&[u8]] = &[
            b"* OK [ALERT]\r\n",
            b"* OK ALERT x\r\n",
            b"+ OK [ALERT] x\r\n",
            b"* 1 FETCH [ALERT] x\r\n",
            b"* OK [ALERT x\r\n",
            b"",
        ];
        for line in none {
            assert_eq!(read(line), None, "{}", String::from_utf8_lossy(line));
        }
        let long = format!("* OK [ALERT] {}\r\n", "长".repeat(1000));
        assert_eq!(alert_of(long.as_bytes()).unwrap().chars().count(), 300);
    }

    #[test]
    fn the_newest_alerts_are_kept_each_once() {
        let mut alerts = Alerts::default();
        for n in 0..30 {
            alerts.push(n.to_string());
            alerts.push("29".to_owned());
        }
        let kept = alerts.take();
        assert_eq!((kept.len(), kept.iter().filter(|text| *text == "29").count()), (10, 1));
        assert_eq!(kept.iter().filter(|text| *text == "28").count(), 1);
        assert!(alerts.take().is_empty());
    }

    #[test]
    fn ids_and_overflows() {
        // SHA-256 of "F1" begins with these bytes.
        let expected = u64::from_be_bytes(Sha256::digest(b"F1")[..8].try_into().unwrap());
        assert_eq!(read(b"* OK [MAILBOXID (F1)] Ok\r\n"), Some(Code::MailboxId(expected)));
        assert_eq!(read(b"* OK [mailboxid ( F1 )]\r\n"), Some(Code::MailboxId(expected)));
        assert_ne!(digest(b"f1"), expected, "ids differ by case (RFC 8474 section 4)");
        for line in
            [&b"M1 OK [MAILBOXID (F1)] created\r\n"[..], b"* OK [MAILBOXID ()] x\r\n", b"* OK [MAILBOXID F1] x\r\n"]
        {
            assert_eq!(read(line), None);
        }
        assert_eq!(read(b"* OK [NOTIFICATIONOVERFLOW] too much\r\n"), Some(Code::NotifyOver));
        assert_eq!(read(b"M4 NO [NOTIFICATIONOVERFLOW] too much\r\n"), None, "an answer, not an end");
    }

    proptest! {
        #[test]
        fn no_line_panics(tail in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = read(&[b"* OK [", &tail[..]].concat());
            let _ = read(&[b"* OK [ALERT]", &tail[..]].concat());
            let _ = read(&tail);
        }
    }
}
