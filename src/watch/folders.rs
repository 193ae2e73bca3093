//! Which of a server's mailboxes an account watches, and what they are called for people. Pure.

use crate::config::Subscription;
use crate::imap::{Listed, decode_folder_name};
use crate::model::{Folder, RawName};
use crate::rules::pattern;
use std::collections::HashSet;
use std::sync::Arc;

/// A folder of an account, and the subscription that takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The folder.
    pub folder: Folder,
    /// Which subscriptions take it, counted from 0: one at least, ascending. The first that takes a letter decides.
    pub subscriptions: Arc<[usize]>,
    /// Whether it deserves a connection of its own where the server has no NOTIFY.
    pub realtime: bool,
}

impl Chosen {
    fn new(folder: Folder, taking: &[(usize, &Subscription)]) -> Self {
        let asked = || taking.iter().filter_map(|(_, subscription)| subscription.realtime);
        let realtime = asked().any(|realtime| realtime) || asked().next().is_none() && folder.is_inbox();
        Self { folder, subscriptions: taking.iter().map(|(at, _)| *at).collect(), realtime }
    }
}

/// The INBOX, where the subscriptions name it alone: then no LIST is needed.
pub(super) fn inbox_only(subscriptions: &[Subscription]) -> Option<Chosen> {
    let alone = |s: &Subscription| s.folders.iter().all(|p| p.eq_ignore_ascii_case("INBOX"));
    let all: Vec<_> = subscriptions.iter().enumerate().collect();
    subscriptions.iter().all(alone).then(|| Chosen::new(inbox(), &all))
}

/// The INBOX without asking the server: every server has it (RFC 3501 5.1).
pub(super) fn inbox() -> Folder {
    Folder { raw: RawName::new(b"INBOX"), shown: "INBOX".into() }
}

/// The mailboxes that the subscriptions take, the INBOX first, then in the server's order.
pub fn choose(subscriptions: &[Subscription], listed: &[Listed]) -> Vec<Chosen> {
    let prefixed = has_inbox_prefix(listed);
    let mut chosen: Vec<Chosen> = Vec::new();
    let mut known: HashSet<&RawName> = HashSet::new();
    for mailbox in listed.iter().filter(|m| m.can_open) {
        let (full, short) = names(mailbox, prefixed);
        let takes = |s: &Subscription| pattern::takes(&s.folders, &[&short, &full], &mailbox.uses);
        let taking: Vec<_> = subscriptions.iter().enumerate().filter(|(_, s)| takes(s)).collect();
        if !taking.is_empty() && known.insert(&mailbox.raw) {
            let folder = Folder { raw: mailbox.raw.clone(), shown: short.as_str().into() };
            chosen.push(Chosen::new(folder, &taking));
        }
    }
    chosen.sort_by_key(|chosen| !chosen.folder.is_inbox());
    chosen
}

/// The names of all mailboxes for people, as subscriptions may write them; also of those that cannot be opened.
pub fn shown(listed: &[Listed]) -> Vec<String> {
    let prefixed = has_inbox_prefix(listed);
    listed.iter().map(|mailbox| names(mailbox, prefixed).1).collect()
}

/// The patterns that no mailbox matches.
pub fn missing<'a>(subscriptions: &'a [Subscription], listed: &[Listed]) -> Vec<&'a str> {
    let prefixed = has_inbox_prefix(listed);
    let exists = |pattern: &String| {
        listed.iter().filter(|m| m.can_open).any(|mailbox| {
            let (full, short) = names(mailbox, prefixed);
            pattern::takes(std::slice::from_ref(pattern), &[&short, &full], &mailbox.uses)
        })
    };
    let patterns = subscriptions.iter().flat_map(|s| &s.folders);
    patterns.filter(|p| !p.starts_with('!') && !exists(p)).map(String::as_str).collect()
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
            uses: if name.eq_ignore_ascii_case("INBOX") { vec!["\\inbox".to_owned()] } else { Vec::new() },
            prefix: None,
        };
        names.iter().map(one).collect()
    }

    fn chosen(patterns: &[&str], listed: &[Listed]) -> Vec<String> {
        choose(&[Subscription::to(patterns)], listed).iter().map(|f| f.folder.shown.to_string()).collect()
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
        let subscriptions = [Subscription::to(&["INBOX", "a", "x*", "项目", "!y"])];
        assert_eq!(missing(&subscriptions, &listed), ["x*", "项目"]);
    }
}
