//! NOTIFY (RFC 5465): one connection is told of new letters in many folders.
//!
//! Only MessageNew and MessageExpunge are asked for: MailboxName would bring LIST lines with OLDNAME, which the parser
//! does not take (imap-servers H.1). The open folder is named by SELECTED-DELAYED; without it, its own news would stop
//! (RFC 5465 section 3.1), and plain SELECTED may renumber letters in the middle of a FETCH.
//!
//! Dovecot takes names in UTF-8 here. To one in modified UTF-7 it says OK, and never tells of that folder; and a second
//! NOTIFY SET on one connection makes it look at the disk now and then in place of being told by it (tried with 2.3.19
//! and 2.4.1, 2026-11: 0.5 s became up to `mailbox_idle_check_interval`, 30 s by default). So names go in UTF-8 first, and
//! as RFC 5465 has them only where the looks that come with the answer show that none was understood; and who wants
//! other folders asks on a new connection.

use super::error::ImapError;
use super::folder_name;
use super::list::status_line;
use super::names::{Looks, Names, newer};
use super::wire::{Wire, argument};
use crate::model::{Look, RawName};

/// Dovecot takes no more explicit names (imap-servers B.4).
const MOST_FOLDERS: usize = 100;
/// Servers must take lines of so many bytes (RFC 2683 3.2.1.5).
pub(super) const MAX_COMMAND_BYTES: usize = 8000;
/// What is asked of each folder; MessageNew may not stand without MessageExpunge (RFC 5465 section 5.2).
const EVENTS: &str = "(MessageNew MessageExpunge)";

/// What NOTIFY told of other folders.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The folders that it was asked for, while it is on.
    names: Option<Names>,
    /// What is known of them: Dovecot repeats itself about all when one has changed.
    known: Vec<Look>,
    /// Which of them changed, in the order of the last word about it.
    changed: Vec<usize>,
    ended: bool,
    /// The end is news that nobody was told yet.
    just_ended: bool,
}

impl Told {
    /// It is on for `folders`, of which `found` is known.
    fn begin(&mut self, folders: &[RawName], found: &[(RawName, Look)]) {
        let known = |folder| found.iter().find(|(name, _)| name == folder).map(|(_, look)| *look);
        self.known = folders.iter().map(|folder| known(folder).unwrap_or_default()).collect();
        self.names = Some(Names::new(folders));
    }

    /// Takes in a line kept aside that was no answer to a command.
    pub(super) fn line(&mut self, line: &[u8]) {
        let Some(names) = &self.names else { return };
        let Some((name, look)) = status_line(line) else { return };
        let look = Look { mailbox_id: None, ..look };
        let Some(at) = names.find(&name) else { return };
        let Some(known) = self.known.get_mut(at) else { return };
        let merged = newer(known, &look);
        if merged != *known {
            *known = merged;
            self.changed.retain(|place| *place != at);
            self.changed.push(at);
        }
    }

    /// The server has ended it.
    pub(super) fn end(&mut self) {
        if self.names.is_some() {
            self.ended = true;
            self.just_ended = true;
        }
    }

    /// Whether the server has ended it.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether there is something to tell; the end counts once.
    pub(super) fn is_news(&mut self) -> bool {
        std::mem::take(&mut self.just_ended) || !self.changed.is_empty()
    }

    /// What was told since the last call.
    pub(super) fn take(&mut self) -> Vec<(RawName, Look)> {
        let changed = std::mem::take(&mut self.changed);
        let named = |at| Some((self.names.as_ref()?.get(at)?.clone(), *self.known.get(at)?));
        changed.into_iter().filter_map(named).collect()
    }

    /// Whether a name is that of one of its folders, other than `than`.
    pub(super) fn is_of_another(&self, name: &RawName, than: &RawName) -> bool {
        let place = |name| self.names.as_ref().and_then(|names| names.find(name));
        place(name).is_some_and(|at| place(than) != Some(at))
    }
}

/// Sets NOTIFY for `folders`, of which `open` is the open one; what the server says of the others now.
///
/// # Errors
/// `No` or `Bad` where it is not taken, then it is off; `No` without a word to the server where there are more folders
/// than servers take, or longer names.
pub(super) async fn notify(
    wire: &mut Wire,
    folders: &[RawName],
    open: Option<&RawName>,
) -> Result<Vec<(RawName, Look)>, ImapError> {
    wire.told = Told::default();
    let odd: Vec<_> = folders.iter().filter(|f| Some(*f) != open && spelling(f, true) != spelling(f, false)).collect();
    let knows_some = |found: &[(RawName, Look)]| odd.iter().any(|folder| has(found, folder));
    let mut found = match set(wire, folders, true).await {
        // One that is known by this spelling shows that it is right for all.
        Ok(found) if odd.is_empty() || knows_some(&found) => found,
        Err(error) if odd.is_empty() || !error.is_answer() => return Err(error),
        first => match (first, set(wire, folders, false).await) {
            (_, Err(error)) if !error.is_answer() => return Err(error),
            (_, Ok(found)) if knows_some(&found) => found,
            // Neither tells of them: the first was as good.
            (Ok(_), _) => set(wire, folders, true).await?,
            (Err(_), second) => second?,
        },
    };
    wire.told.begin(folders, &found);
    found.retain(|(name, _)| Some(name) != open);
    Ok(found)
}

fn has(found: &[(RawName, Look)], folder: &RawName) -> bool {
    found.iter().any(|(name, _)| name == folder)
}

/// One NOTIFY SET.
async fn set(wire: &mut Wire, folders: &[RawName], utf8: bool) -> Result<Vec<(RawName, Look)>, ImapError> {
    let lines = wire.run_listing("NOTIFY", &command(folders, utf8)?).await?;
    let mut looks = Looks::new(folders);
    for (name, look) in lines.iter().filter_map(|line| status_line(line)) {
        looks.add(&name, Look { mailbox_id: None, ..look });
    }
    Ok(looks.into_found())
}

/// A name as an argument: as it is, or its text in UTF-8 where that can stand in quotes. In parts as
/// [`argument`] makes them.
fn spelling(folder: &RawName, utf8: bool) -> Vec<Vec<u8>> {
    let text = folder_name::decode(&folder.0);
    if utf8 && text.as_bytes() != &*folder.0 && !text.chars().any(char::is_control) {
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        return vec![format!("\"{quoted}\"").into_bytes()];
    }
    let mut parts = Vec::new();
    argument(&mut parts, &folder.0);
    parts
}

/// The command, in parts where a name needs a literal.
fn command(folders: &[RawName], utf8: bool) -> Result<Vec<Vec<u8>>, ImapError> {
    let refused = |text: String| ImapError::No { command: "NOTIFY", text };
    if folders.is_empty() || folders.len() > MOST_FOLDERS {
        let count = folders.len();
        return Err(refused(format!("not asked: {count} folders, and servers take 1 to {MOST_FOLDERS}")));
    }
    let mut parts = vec![format!("SET STATUS (selected-delayed {EVENTS}) (mailboxes (").into_bytes()];
    for (at, folder) in folders.iter().enumerate() {
        let mut pieces = spelling(folder, utf8).into_iter();
        if let (Some(last), Some(piece)) = (parts.last_mut(), pieces.next()) {
            if at > 0 {
                last.push(b' ');
            }
            last.extend_from_slice(&piece);
        }
        parts.extend(pieces);
    }
    if let Some(last) = parts.last_mut() {
        last.extend_from_slice(format!(") {EVENTS})").as_bytes());
    }
    let bytes: usize = parts.iter().map(Vec::len).sum();
    if bytes > MAX_COMMAND_BYTES {
        return Err(refused(format!("not asked: the command would have {bytes} bytes")));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(names: &[&[u8]]) -> Vec<RawName> {
        names.iter().map(|name| RawName::new(name)).collect()
    }

    #[test]
    fn the_command_to_the_byte() {
        let parts = command(&folders(&[b"INBOX", b"a \"b\""]), false).unwrap();
        let line = "SET STATUS (selected-delayed (MessageNew MessageExpunge)) \
                    (mailboxes (\"INBOX\" \"a \\\"b\\\"\") (MessageNew MessageExpunge))";
        assert_eq!(parts, [line.as_bytes()]);
        let parts = command(&folders(&[b"\xd6\xd0", b"b"]), false).unwrap();
        let begin = "SET STATUS (selected-delayed (MessageNew MessageExpunge)) (mailboxes ({2}";
        assert_eq!(parts[0], begin.as_bytes());
        assert_eq!(parts[1], b"\xd6\xd0 \"b\") (MessageNew MessageExpunge))");
    }

    #[test]
    fn spellings() {
        let utf8 = |name: &[u8]| String::from_utf8(spelling(&RawName::new(name), true).concat()).unwrap();
        assert_eq!(utf8(b"&mHl27g-/a \"b\" \\"), r#""项目/a \"b\" \\""#);
        assert_eq!(utf8(b"R&-D"), "\"R&D\"");
        assert_eq!(utf8(b"a&AA0ACg-b"), "\"a&AA0ACg-b\"", "line breaks stay encoded");
        assert_eq!(utf8(b"&!!-"), "\"&!!-\"");
        assert_eq!(utf8(&encoding_rs::GBK.encode("项目").0), "\"项目\"");
    }

    #[test]
    fn too_many_or_too_long_is_not_asked() {
        let all: Vec<_> = (0..=MOST_FOLDERS).map(|n| RawName::new(n.to_string().as_bytes())).collect();
        assert!(matches!(command(&all, false), Err(ImapError::No { command: "NOTIFY", .. })));
        assert!(command(&all[1..], false).is_ok());
        assert!(command(&[], false).is_err());
        assert!(command(&[RawName::new(&[b'x'; 9000])], false).is_err());
    }

    #[test]
    fn what_is_told_is_gathered_by_folder() {
        let mut told = Told::default();
        let asked = folders(&[b"a", b"&mHl27g-"]);
        let look = |validity, next, exists| Look { uid_validity: validity, uid_next: next, exists, mailbox_id: None };
        told.begin(&asked, &[(asked[0].clone(), look(Some(5), Some(8), Some(3)))]);
        told.line(b"* STATUS a (MESSAGES 3 UIDNEXT 8 UNSEEN 1)\r\n");
        assert!(!told.is_news(), "what is known is no news");
        for line in [
            "* STATUS 项目 (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 7)\r\n",
            "* STATUS a (MESSAGES 4 UIDNEXT 9)\r\n",
            "* STATUS 项目 (MESSAGES 2 UIDNEXT 3)\r\n",
            "* STATUS other (MESSAGES 2 UIDNEXT 3)\r\n",
            "* STATUS\r\n",
        ] {
            told.line(line.as_bytes());
        }
        assert!(told.is_news());
        let expected = [
            (RawName::new(b"a"), look(Some(5), Some(9), Some(4))),
            (RawName::new(b"&mHl27g-"), look(Some(7), Some(3), Some(2))),
        ];
        assert_eq!(told.take(), expected);
        assert!(!told.is_news());
        told.end();
        assert!(told.is_news() && !told.is_news() && told.has_ended());
    }

    #[test]
    fn nothing_is_gathered_where_nothing_was_asked() {
        let mut told = Told::default();
        told.line(b"* STATUS a (MESSAGES 4 UIDNEXT 9)\r\n");
        told.end();
        assert!(!told.is_news() && !told.has_ended() && told.take().is_empty());
    }
}
