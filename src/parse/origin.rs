//! What a header tells of where a mail comes from, beside its sender: who vouches for it, where answers go, when it says
//! that it was written, and whether a person wrote it.

use super::Fields;
use super::address;
use super::guess::Hint;
use crate::model::{Fingerprint, Kind, Letter, Priority, Sender, Timestamp, Verdict};
use mail_parser::DateTime;
use std::collections::BTreeSet;

/// What a Date field says is worth a word when it is further than this from the time of receipt.
const DAY_MS: u64 = 86_400_000;

/// The Date field, if it is more than a day away from `received`.
pub(super) fn dated(fields: &Fields<'_>, received: Timestamp) -> Option<Timestamp> {
    let date = date(fields.first("date")?)?;
    (date.0.abs_diff(received.0) > DAY_MS).then_some(date)
}

/// A Date field, with zones as Chinese systems mean them: CST is theirs, not Central Standard Time (imap-servers E.2).
pub(super) fn date(raw: &[u8]) -> Option<Timestamp> {
    let text = String::from_utf8_lossy(raw);
    let text = text.split('(').next().unwrap_or_default().trim();
    let (time, zone) = match text.rsplit_once(' ') {
        Some((time, zone)) => (time, zone.to_ascii_uppercase().replace(':', "")),
        None => return None,
    };
    let zone = match zone.as_str() {
        "CST" => "+0800".to_owned(),
        zone => match zone.strip_prefix("GMT").or_else(|| zone.strip_prefix("UTC")) {
            Some(offset) if offset.len() == 5 => offset.to_owned(),
            _ => zone.to_owned(),
        },
    };
    let parsed = DateTime::parse_rfc822(&format!("{time} {zone}")).filter(|date| (1980..2100).contains(&date.year))?;
    parsed.is_valid().then(|| Timestamp(parsed.to_timestamp().saturating_mul(1000)))
}

/// The address that answers go to, if it is not the sender's.
pub(super) fn reply_to(fields: &Fields<'_>, from: &Sender, hint: Hint<'_>) -> Option<String> {
    let answers = address::first(fields.first("reply-to")?, hint).address?;
    let same = from.address.as_ref().is_some_and(|from| from.eq_ignore_ascii_case(&answers));
    (!same).then_some(answers)
}

/// What a server whose word is trusted says of the sender (RFC 8601). Only the topmost of its fields counts: the server
/// puts its own above all that came with the mail.
pub(super) fn verdict(fields: &Fields<'_>, from: &Sender, trusted: &[String]) -> Option<Verdict> {
    let results = fields.all("authentication-results").map(|raw| String::from_utf8_lossy(raw).to_lowercase());
    let results = results.map(|text| without_comments(&text)).find(|text| {
        let server = text.split(';').next().unwrap_or_default();
        let server = server.split_whitespace().next().unwrap_or_default();
        trusted.iter().any(|trusted| trusted.eq_ignore_ascii_case(server))
    })?;
    let domain = from.address.as_deref()?.rsplit_once('@')?.1.to_lowercase();
    let own = |other: &str| {
        let other = other.rsplit('@').next().unwrap_or_default().trim_matches('"');
        domain == other || domain.strip_suffix(other).is_some_and(|rest| rest.ends_with('.')) && other.contains('.')
    };
    let mut vouched = false;
    for result in results.split(';').skip(1) {
        let mut words = result.split_whitespace().filter_map(|word| word.split_once('='));
        let Some((method, outcome)) = words.next() else { continue };
        let property = |name: &str| words.clone().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
        match (method, outcome) {
            ("dmarc", "pass") => return Some(Verdict::Pass),
            ("dmarc", "fail") => return Some(Verdict::Fail),
            ("dkim", "pass") => {
                vouched |= property("header.d").or_else(|| property("header.i")).is_some_and(|d| own(&d))
            }
            ("spf", "pass") => vouched |= property("smtp.mailfrom").is_some_and(|d| own(&d)),
            _ => {}
        }
    }
    vouched.then_some(Verdict::Pass)
}

fn without_comments(text: &str) -> String {
    let mut depth = 0_u32;
    let outside = |c: char| match c {
        '(' => {
            depth += 1;
            None
        }
        ')' => {
            depth = depth.saturating_sub(1);
            None
        }
        _ => (depth == 0).then_some(c),
    };
    text.chars().filter_map(outside).collect()
}

/// The first word of a field, in lower case, without comments before and behind it.
fn word(fields: &Fields<'_>, name: &str) -> String {
    let text = String::from_utf8_lossy(fields.first(name).unwrap_or_default()).to_lowercase();
    let word = if text.starts_with('(') { without_comments(&text) } else { text };
    word.split([';', '(']).next().unwrap_or_default().trim().to_owned()
}

/// Whether it says that it is an invitation: Outlook's are one of several forms of the text, deep inside.
pub(super) fn is_calendar(fields: &Fields<'_>) -> bool {
    word(fields, "content-class") == "urn:content-classes:calendarmessage"
}

/// The list's name: what stands in the angle brackets (RFC 2919 3), else all of it.
pub(super) fn list_id(fields: &Fields<'_>) -> Option<String> {
    let raw = String::from_utf8_lossy(fields.first("list-id")?).to_lowercase();
    let inside = raw.rsplit_once('<').map(|(_, rest)| rest.split('>').next().unwrap_or_default());
    let id = super::short(inside.unwrap_or(&raw));
    (!id.is_empty()).then_some(id)
}

/// How important the sender finds it: the first of these fields that says so.
pub(super) fn priority(fields: &Fields<'_>) -> Priority {
    for name in ["importance", "x-priority", "priority", "x-msmail-priority"] {
        let word = word(fields, name);
        match word.split_whitespace().next().unwrap_or_default() {
            "high" | "1" | "2" | "urgent" => return Priority::High,
            "low" | "4" | "5" | "non-urgent" => return Priority::Low,
            "normal" | "3" => return Priority::Normal,
            _ => {}
        }
    }
    Priority::Normal
}

/// The thread (see [`Letter::thread`]).
pub(super) fn thread(fields: &Fields<'_>) -> Vec<Fingerprint> {
    let ids = |name: &str| {
        let raw = fields.first(name).unwrap_or_default();
        raw.split(|b| matches!(b, b'<' | b'>') || b.is_ascii_whitespace()).filter(|id| id.contains(&b'@'))
    };
    let own = ids("message-id").next();
    let mut before: Vec<&[u8]> = ids("references").collect();
    before.extend(ids("in-reply-to").take(1).filter(|id| !before.contains(id)).collect::<Vec<_>>());
    let room = Letter::THREAD - 1;
    if before.len() > room {
        // The first of all, and the nearest.
        before.drain(1..=before.len() - room);
    }
    own.into_iter().chain(before).map(Fingerprint::of_message_id).collect()
}

/// The kinds that the header's own fields tell.
pub(super) fn kinds(fields: &Fields<'_>, from: &Sender) -> BTreeSet<Kind> {
    let mut found = BTreeSet::new();
    let word = |name: &str| word(fields, name);
    if fields.first("list-id").is_some() || matches!(word("precedence").as_str(), "bulk" | "list" | "junk") {
        found.insert(Kind::Bulk);
    }
    if !matches!(word("auto-submitted").as_str(), "" | "no") {
        found.insert(Kind::Auto);
    }
    if is_calendar(fields) {
        found.insert(Kind::Calendar);
    }
    let sender = from.address.as_deref().and_then(|a| a.split_once('@')).map(|(local, _)| local.to_lowercase());
    let nobody = fields.first("return-path").is_some_and(|raw| raw.trim_ascii() == b"<>");
    if nobody && sender.is_some_and(|local| matches!(local.as_str(), "mailer-daemon" | "postmaster")) {
        found.insert(Kind::Bounce);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_meant_as_chinese_systems_write_them() {
        let at = |text: &str| date(text.as_bytes()).map(|t| t.0 / 1000);
        let expected = Some(1_704_160_800);
        for text in [
            "Tue, 2 Jan 2024 10:00:00 +0800 (CST)",
            "Tue, 2 Jan 2024 10:00:00 CST",
            "Tue, 2 Jan 2024 10:00:00 GMT+08:00",
            "2 Jan 24 10:00:00 UTC+0800",
            "Tue, 2 Jan 2024 02:00:00 GMT",
        ] {
            assert_eq!(at(text), expected, "{text}");
        }
        for text in ["", "x", "2024-01-02 10:00:00", "Tue, 2 Jan 99999 10:00:00 +0800"] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    #[test]
    fn only_the_word_of_a_trusted_server_counts() {
        let says = |header: &str| {
            let fields = Fields::split(header.as_bytes());
            let from = Sender { name: None, address: Some("boss@mail.corp.example".to_owned()) };
            verdict(&fields, &from, &["mx.corp.example".to_owned()])
        };
        let field = |text: &str| format!("Authentication-Results: {text}\r\n");
        assert_eq!(says(&field("mx.corp.example; dmarc=pass header.from=corp.example")), Some(Verdict::Pass));
        assert_eq!(
            says(&field("MX.corp.example 1; spf=pass (ok) smtp.mailfrom=x@other.example; dmarc=fail")),
            Some(Verdict::Fail)
        );
        assert_eq!(says(&field("evil.example; dmarc=pass")), None);
        assert_eq!(says(&field("mx.corp.example; dkim=pass header.d=corp.example")), Some(Verdict::Pass));
        assert_eq!(says(&field("mx.corp.example; dkim=pass header.d=evil.example")), None);
        assert_eq!(
            says(&field("mx.corp.example; dkim=pass header.d=example")),
            None,
            "a suffix is no domain of theirs"
        );
        assert_eq!(
            says(&(field("mx.corp.example; dmarc=fail") + &field("mx.corp.example; dmarc=pass"))),
            Some(Verdict::Fail)
        );
        assert_eq!(says(&field("mx.corp.example; none (dmarc=pass)")), None);
    }
}
