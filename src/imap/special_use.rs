//! What a mailbox is for: the special-use attributes of LIST (RFC 6154) and, where a server has none, well-known names.

use super::folder_name;
use super::list::Listed;

/// The attributes of RFC 6154 and RFC 8457, and those of XLIST that mean the same (Gmail and QQ before 2013; NetEase
/// gives both, imap-servers A.2), in lower case.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("\\all", "\\all"),
    ("\\allmail", "\\all"),
    ("\\archive", "\\archive"),
    ("\\drafts", "\\drafts"),
    ("\\flagged", "\\flagged"),
    ("\\starred", "\\flagged"),
    ("\\important", "\\important"),
    ("\\inbox", "\\inbox"),
    ("\\junk", "\\junk"),
    ("\\spam", "\\junk"),
    ("\\sent", "\\sent"),
    ("\\trash", "\\trash"),
];

/// Names on servers without these attributes (QQ and Exmail, imap-servers A.3; the Chinese ones are NetEase's and
/// Coremail's), in lower case.
const NAMES: &[(&str, &str)] = &[
    ("junk", "\\junk"),
    ("spam", "\\junk"),
    ("垃圾邮件", "\\junk"),
    ("垃圾箱", "\\junk"),
    ("sent", "\\sent"),
    ("sent messages", "\\sent"),
    ("已发送", "\\sent"),
    ("drafts", "\\drafts"),
    ("草稿箱", "\\drafts"),
    ("草稿夹", "\\drafts"),
    ("trash", "\\trash"),
    ("deleted messages", "\\trash"),
    ("已删除", "\\trash"),
    ("archive", "\\archive"),
    ("归档", "\\archive"),
];

/// The special uses among attributes in lower case, and `\inbox` for the INBOX.
pub(super) fn of(attributes: &str, name: &[u8]) -> Vec<String> {
    let mut uses = Vec::new();
    let own = name.eq_ignore_ascii_case(b"INBOX").then_some("\\inbox");
    let words = attributes.split_ascii_whitespace();
    let told =
        words.filter_map(|word| ATTRIBUTES.iter().find(|(attribute, _)| *attribute == word).map(|(_, use_)| *use_));
    for use_ in own.into_iter().chain(told) {
        if !uses.iter().any(|known| known == use_) {
            uses.push(use_.to_owned());
        }
    }
    uses
}

/// Whether the server tells special uses at all.
pub(super) fn are_told(listed: &[Listed]) -> bool {
    listed.iter().flat_map(|mailbox| &mailbox.uses).any(|use_| use_ != "\\inbox")
}

/// Guesses by names, where the server tells no special use of any mailbox.
pub(super) fn guess(listed: &mut [Listed]) {
    if are_told(listed) {
        return;
    }
    for mailbox in listed {
        let name = folder_name::decode(&mailbox.raw.0);
        let leaf = mailbox.separator.and_then(|separator| name.rsplit(char::from(separator)).next()).unwrap_or(&name);
        let leaf = leaf.trim().to_lowercase();
        if let Some((_, use_)) = NAMES.iter().find(|(known, _)| *known == leaf) {
            mailbox.uses.push((*use_).to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::list_line;
    use super::*;

    fn uses(lines: &[&str]) -> Vec<String> {
        let mut listed: Vec<_> =
            lines.iter().map(|line| list_line(format!("* LIST {line}\r\n").as_bytes()).unwrap()).collect();
        guess(&mut listed);
        listed.iter().map(|mailbox| mailbox.uses.join(" ")).collect()
    }

    #[test]
    fn told_uses_are_taken_and_names_not_asked() {
        let lines = [
            "(\\HasNoChildren) \"/\" inbox",
            "(\\Junk \\Marked) \"/\" x",
            "() \"/\" Spam",
            "(\\AllMail \\All) \"/\" All",
        ];
        assert_eq!(uses(&lines), ["\\inbox", "\\junk", "", "\\all"]);
        // XLIST's attributes, also where the INBOX has another name.
        assert_eq!(
            uses(&["(\\Inbox) \"/\" &ZTZO9nux-", "(\\Spam) \"/\" y", "(\\Starred) \"/\" z"]),
            ["\\inbox", "\\junk", "\\flagged"]
        );
    }

    #[test]
    fn names_are_asked_where_nothing_is_told() {
        // QQ, imap-servers A.3
        let qq = [
            "() \"/\" INBOX",
            "() \"/\" \"Sent Messages\"",
            "() \"/\" Drafts",
            "() \"/\" \"Deleted Messages\"",
            "() \"/\" Junk",
            "(\\NoSelect) \"/\" &UXZO1mWHTvZZOQ-",
            "() \"/\" &UXZO1mWHTvZZOQ-/Spamalot",
        ];
        assert_eq!(uses(&qq), ["\\inbox", "\\sent", "\\drafts", "\\trash", "\\junk", "", ""]);
        let chinese =
            ["() \".\" INBOX.&V4NXPpCuTvY-", "() \".\" INBOX.&XfJT0ZAB-", "() NIL SPAM", "() \"/\" &g0l6P3ux-"];
        assert_eq!(uses(&chinese), ["\\junk", "\\sent", "\\junk", "\\drafts"]);
    }
}
