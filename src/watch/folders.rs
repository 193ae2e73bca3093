//! Which of a server's mailboxes an account watches, and what they are called for people. Pure.

use crate::imap::{Listed, decode_folder_name};
use crate::model::{Folder, RawName};
use crate::rules::pattern;

/// Whether the patterns name the INBOX alone: then no LIST is needed.
pub(super) fn is_inbox_only(patterns: &[String]) -> bool {
    patterns.iter().all(|p| p.eq_ignore_ascii_case("INBOX"))
}

/// The INBOX without asking the server: every server has it (RFC 3501 5.1).
pub(super) fn inbox() -> Folder {
    Folder { raw: RawName::new(b"INBOX"), shown: "INBOX".into() }
}

/// The mailboxes that the patterns take, the INBOX first, then in the server's order.
pub fn choose(patterns: &[String], listed: &[Listed]) -> Vec<Folder> {
    let prefixed = has_inbox_prefix(listed);
    let mut chosen: Vec<Folder> = Vec::new();
    for mailbox in listed.iter().filter(|m| m.can_open) {
        let (full, short) = names(mailbox, prefixed);
        let folder = Folder { raw: mailbox.raw.clone(), shown: short.as_str().into() };
        if pattern::takes(patterns, &[&short, &full]) && !chosen.iter().any(|f| f.raw == folder.raw) {
            chosen.push(folder);
        }
    }
    chosen.sort_by_key(|folder| !folder.is_inbox());
    chosen
}

/// The patterns that no mailbox matches.
pub fn missing<'a>(patterns: &'a [String], listed: &[Listed]) -> Vec<&'a str> {
    let prefixed = has_inbox_prefix(listed);
    let exists = |pattern: &String| {
        listed.iter().filter(|m| m.can_open).any(|mailbox| {
            let (full, short) = names(mailbox, prefixed);
            pattern::takes(std::slice::from_ref(pattern), &[&short, &full])
        })
    };
    patterns.iter().filter(|p| !p.starts_with('!') && !exists(p)).map(String::as_str).collect()
}

/// The decoded name with `/` between levels: whole, and without the personal namespace's prefix.
fn names(mailbox: &Listed, prefixed: bool) -> (String, String) {
    let decoded = decode_folder_name(&mailbox.raw.0);
    let full = match mailbox.separator {
        Some(b'/') | None => decoded,
        Some(separator) => decoded.replace(char::from(separator), "/"),
    };
    if let Some(prefix) = mailbox.prefix {
        let own = decode_folder_name(mailbox.raw.0.get(prefix..).unwrap_or_default());
        let own = match mailbox.separator {
            Some(b'/') | None => own,
            Some(separator) => own.replace(char::from(separator), "/"),
        };
        let short = if own.eq_ignore_ascii_case("INBOX") { "INBOX".to_owned() } else { own };
        return (full, short);
    }
    let short = match full.split_at_checked(6) {
        Some((start, rest)) if prefixed && start.eq_ignore_ascii_case("INBOX/") && !rest.is_empty() => rest.to_owned(),
        _ if full.eq_ignore_ascii_case("INBOX") => "INBOX".to_owned(),
        _ => full.clone(),
    };
    (full, short)
}

/// Whether everything but the INBOX lies below it: so Courier and Cyrus without alternative namespace write their
/// personal namespace. For servers that do not tell it.
fn has_inbox_prefix(listed: &[Listed]) -> bool {
    let below = |m: &Listed| {
        m.separator.is_some_and(|separator| {
            m.raw.0.split_at_checked(6).is_some_and(|(start, _)| {
                start
                    .split_last()
                    .is_some_and(|(last, inbox)| *last == separator && inbox.eq_ignore_ascii_case(b"INBOX"))
            })
        })
    };
    listed.iter().all(|m| below(m) || m.raw.0.eq_ignore_ascii_case(b"INBOX"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(separator: u8, names: &[&str]) -> Vec<Listed> {
        let one = |name: &&str| Listed {
            raw: RawName::new(name.as_bytes()),
            separator: Some(separator),
            can_open: true,
            prefix: None,
        };
        names.iter().map(one).collect()
    }

    fn chosen(patterns: &[&str], listed: &[Listed]) -> Vec<String> {
        let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
        choose(&patterns, listed).iter().map(|f| f.shown.to_string()).collect()
    }

    #[test]
    fn patterns_meet_decoded_names() {
        let dovecot = listed(b'/', &["&mHl27g-/&dTI-", "&mHl27g-", "Junk", "INBOX", "&mHl27g-/&X1JoYw-"]);
        assert_eq!(chosen(&["INBOX", "项目/*", "!项目/归档"], &dovecot), ["INBOX", "项目/甲"]);
        assert_eq!(chosen(&["*"], &dovecot).len(), 5);
    }

    #[test]
    fn a_namespace_prefix_need_not_be_written() {
        let courier = listed(b'.', &["INBOX", "INBOX.&mHl27g-", "INBOX.&mHl27g-.&dTI-"]);
        assert_eq!(chosen(&["inbox", "项目/甲"], &courier), ["INBOX", "项目/甲"]);
        assert_eq!(chosen(&["INBOX/项目"], &courier), ["项目"]);
        let mixed = listed(b'/', &["INBOX", "INBOX/a", "b"]);
        assert_eq!(chosen(&["INBOX/a"], &mixed), ["INBOX/a"]);
        assert!(chosen(&["a"], &mixed).is_empty());
    }

    /// A colleague's shared mailbox beside one's own (Cyrus without alternative namespace, tried with 3.6.1).
    #[test]
    fn others_mailboxes_do_not_hide_ones_own() {
        let mut all = listed(b'.', &["INBOX", "INBOX.&mHl27g-", "INBOX.&mHl27g-.&dTI-", "user.lisi"]);
        for mailbox in &mut all {
            mailbox.prefix = Some(if mailbox.raw.0.starts_with(b"INBOX.") { 6 } else { 0 });
        }
        assert_eq!(chosen(&["项目/*"], &all), ["项目/甲"]);
        assert_eq!(chosen(&["INBOX/项目", "user/lisi"], &all), ["项目", "user/lisi"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let listed = listed(b'/', &["INBOX", "a"]);
        let patterns: Vec<String> = ["INBOX", "a", "x*", "项目", "!y"].map(str::to_owned).to_vec();
        assert_eq!(missing(&patterns, &listed), ["x*", "项目"]);
    }
}
