//! Writes mails: headers in encoded words (RFC 2047) where they need it, a text body, attachments. Whatever the words
//! given hold, they stay inside their header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Zoned;

/// A mail with a text body.
#[derive(Clone, Copy, Debug)]
pub struct Mail<'a> {
    /// The display name of the sender, any text; may be empty.
    pub from_name: &'a str,
    /// The address of the sender.
    pub from: &'a str,
    /// The address of the recipient.
    pub to: &'a str,
    /// Any text.
    pub subject: &'a str,
    /// Any text, in lines.
    pub body: &'a str,
    /// The left part of the Message-ID; must differ from mail to mail.
    pub id: &'a str,
    /// The Date header.
    pub date: &'a Zoned,
}

impl Mail<'_> {
    /// The mail as bytes, with CRLF line ends. The body is UTF-8 in base64.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut mail = self.headers();
        mail.push_str("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n");
        mail.push_str(&lines_of_base64(crlf(self.body).as_bytes()));
        mail.into_bytes()
    }

    /// The headers that every mail has, without the empty line at their end.
    pub(super) fn headers(&self) -> String {
        let name = phrase(self.from_name);
        let from = address(self.from);
        let sender = if name.is_empty() { format!("<{from}>") } else { format!("{name} <{from}>") };
        self.headers_with(&sender, &text(self.subject))
    }

    /// The same, with From and Subject as they are given: for samples in other charsets.
    pub(super) fn headers_with(&self, from: &str, subject: &str) -> String {
        format!(
            "From: {from}\r\nTo: <{}>\r\nSubject: {subject}\r\nDate: {}\r\nMessage-ID: <{}@demo.mailbell.example>\r\n\
             MIME-Version: 1.0\r\n",
            address(self.to),
            date(self.date),
            address(self.id),
        )
    }
}

/// A Date header's value (RFC 5322), such as `Tue, 2 Jan 2024 10:00:00 +0800`.
fn date(date: &Zoned) -> String {
    // fails only for years before 1 or after 9999
    jiff::fmt::rfc2822::to_string(date).unwrap_or_default()
}

/// Takes out of an address (or the left part of one) what would end it.
fn address(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !c.is_whitespace() && !"<>()[],;:\\\"".contains(*c)).collect()
}

/// A Subject: as it is when it is plain ASCII and short, else in encoded words.
fn text(text: &str) -> String {
    let text = one_line(text);
    let plain = text.bytes().all(|b| matches!(b, 0x20..=0x7e)) && text.len() <= 60 && !text.contains("=?");
    if plain { text } else { encoded_words(&text) }
}

/// A display name: atoms as they are, else in encoded words (which also spares quotes and their escapes).
fn phrase(name: &str) -> String {
    let name = one_line(name);
    let atom = |b: u8| b.is_ascii_alphanumeric() || b == b' ' || b"!#$%&'*+-/^_`{|}~".contains(&b);
    if name.bytes().all(atom) && name.len() <= 60 { name } else { encoded_words(&name) }
}

/// Line ends and other control characters become blanks; no blanks at the ends.
fn one_line(text: &str) -> String {
    let blanked: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    blanked.trim().to_owned()
}

/// UTF-8 text as encoded words, one per line of at most 76 characters, none cut inside a character (RFC 2047 section 2
/// and 5).
fn encoded_words(text: &str) -> String {
    // "Subject: ", "=?UTF-8?B?" and "?=" leave 55 of the 76 characters of a line: 52 of base64 for 39 bytes
    words(text, 39).iter().map(|piece| word("UTF-8", piece.as_bytes())).collect::<Vec<_>>().join("\r\n ")
}

/// One encoded word of these bytes.
pub(super) fn word(charset: &str, bytes: &[u8]) -> String {
    format!("=?{charset}?B?{}?=", STANDARD.encode(bytes))
}

/// The text in pieces of at most so many bytes of UTF-8.
pub(super) fn words(text: &str, most: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(rest.floor_char_boundary(most.max(4)));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}

/// Base64 in lines of 76 characters, each with its CRLF.
pub(super) fn lines_of_base64(bytes: &[u8]) -> String {
    bytes.chunks(57).map(|line| STANDARD.encode(line) + "\r\n").collect()
}

/// Text with CRLF line ends, as the text types of MIME want it (RFC 2046 section 4.1.1).
pub(super) fn crlf(text: &str) -> String {
    let mut whole: String = text.lines().map(|line| line.replace('\r', "") + "\r\n").collect();
    if whole.is_empty() {
        whole.push_str("\r\n");
    }
    whole
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
    use super::*;
    use mail_parser::MessageParser;
    use proptest::prelude::*;

    fn date() -> Zoned {
        "2026-11-21T09:08:07+08:00[Asia/Shanghai]".parse().unwrap()
    }

    fn mail<'a>(from_name: &'a str, subject: &'a str, body: &'a str, date: &'a Zoned) -> Mail<'a> {
        Mail { from_name, from: "boss@partner.example", to: "zhangsan@corp.example", subject, body, id: "a1", date }
    }

    #[test]
    fn a_chinese_mail_reads_as_it_was_written() {
        let date = date();
        let subject = "关于下周三项目评审会议的时间与地点安排，请各位同事提前准备材料并准时参加（含附件清单）🔔";
        let bytes = mail("王 小明", subject, "你好！\n第二行\n", &date).to_bytes();
        let raw = String::from_utf8(bytes.clone()).unwrap();
        assert!(raw.is_ascii());
        assert!(raw.split("\r\n").all(|line| line.len() <= 78 && !line.contains(['\r', '\n'])), "{raw}");
        assert!(raw.contains("\r\nDate: Sat, 21 Nov 2026 09:08:07 +0800\r\n"), "{raw}");
        assert!(raw.contains("\r\nMessage-ID: <a1@demo.mailbell.example>\r\n"), "{raw}");
        let parsed = MessageParser::new().parse(&bytes).unwrap();
        assert_eq!(parsed.subject(), Some(subject));
        let from = parsed.from().unwrap().first().unwrap();
        assert_eq!((from.name(), from.address()), (Some("王 小明"), Some("boss@partner.example")));
        assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n"), "你好！\n第二行\n");
    }

    #[test]
    fn plain_words_stay_plain() {
        let date = date();
        let raw = String::from_utf8(mail("Ann Lee", "Hello, you (2)", "", &date).to_bytes()).unwrap();
        assert!(raw.starts_with("From: Ann Lee <boss@partner.example>\r\n"), "{raw}");
        assert!(raw.contains("\r\nSubject: Hello, you (2)\r\n"), "{raw}");
        let raw = String::from_utf8(mail("", "", "", &date).to_bytes()).unwrap();
        assert!(raw.starts_with("From: <boss@partner.example>\r\n"), "{raw}");
    }

    proptest! {
        #[test]
        fn nothing_leaves_its_header(name in "\\PC{0,40}|[\\r\\n:<>\", =?a-z]{0,40}", subject in any::<String>(), to in any::<String>()) {
            let date = date();
            let mut mail = mail(&name, &subject, "x", &date);
            mail.to = &to;
            let raw = String::from_utf8(mail.to_bytes()).unwrap();
            let (head, body) = raw.split_once("\r\n\r\n").unwrap();
            prop_assert_eq!(body, "eA0K\r\n");
            let names: Vec<&str> = head
                .split("\r\n")
                .filter(|line| !line.starts_with(' '))
                .map(|line| line.split(':').next().unwrap())
                .collect();
            prop_assert_eq!(names, ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
                "Content-Transfer-Encoding"]);
            prop_assert!(!head.replace("\r\n", "").contains(['\r', '\n']));
        }

        #[test]
        fn words_keep_the_text(text in any::<String>(), most in 4_usize..80) {
            let pieces = words(&text, most);
            prop_assert_eq!(pieces.concat(), text.clone());
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= most));
        }
    }
}
