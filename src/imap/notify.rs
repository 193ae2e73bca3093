//! NOTIFY (RFC 5465): one connection is told of new letters in many folders.
//!
//! Only MessageNew and MessageExpunge are asked for: MailboxName would bring LIST lines with OLDNAME, which the parser
//! does not take (imap-servers H.1). The open folder is named by SELECTED-DELAYED; without it, its own news would stop
//! (RFC 5465 section 3.1), and plain SELECTED may renumber letters in the middle of a FETCH.

use super::error::ImapError;
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
    /// At most one of each folder, in the order of the last line.
    pending: Vec<(usize, Look)>,
    ended: bool,
    /// The end is news that nobody was told yet.
    just_ended: bool,
}

impl Told {
    /// Takes in a line kept aside that was no answer to a command.
    pub(super) fn line(&mut self, line: &[u8]) {
        let Some(names) = &self.names else { return };
        let Some((name, look)) = status_line(line) else { return };
        let look = Look { mailbox_id: None, ..look };
        let Some(at) = names.find(&name) else { return };
        let known = self.pending.iter().position(|(place, _)| *place == at).map(|place| self.pending.remove(place).1);
        self.pending.push((at, known.map_or(look, |known| newer(&known, &look))));
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
        std::mem::take(&mut self.just_ended) || !self.pending.is_empty()
    }

    /// What was told since the last call.
    pub(super) fn take(&mut self) -> Vec<(RawName, Look)> {
        let pending = std::mem::take(&mut self.pending);
        let named = |(at, look)| Some((self.names.as_ref()?.get(at)?.clone(), look));
        pending.into_iter().filter_map(named).collect()
    }

    /// Whether a name is that of one of its folders, other than `than`.
    pub(super) fn is_of_another(&self, name: &RawName, than: &RawName) -> bool {
        let place = |name| self.names.as_ref().and_then(|names| names.find(name));
        place(name).is_some_and(|at| place(than) != Some(at))
    }
}

/// Sets NOTIFY for `folders`; what the server says of them now.
///
/// # Errors
/// `No` or `Bad` where it is not taken, then it is off; `No` without a word to the server where there are more folders
/// than servers take, or longer names.
pub(super) async fn notify(wire: &mut Wire, folders: &[RawName]) -> Result<Vec<(RawName, Look)>, ImapError> {
    wire.told = Told::default();
    let parts = command(folders)?;
    let lines = wire.run_listing("NOTIFY", &parts).await?;
    let mut looks = Looks::new(folders);
    for (name, look) in lines.iter().filter_map(|line| status_line(line)) {
        looks.add(&name, Look { mailbox_id: None, ..look });
    }
    wire.told.names = Some(Names::new(folders));
    Ok(looks.into_found())
}

/// The command, in parts where a name needs a literal.
fn command(folders: &[RawName]) -> Result<Vec<Vec<u8>>, ImapError> {
    let refused = |text: String| ImapError::No { command: "NOTIFY", text };
    if folders.is_empty() || folders.len() > MOST_FOLDERS {
        let count = folders.len();
        return Err(refused(format!("not asked: {count} folders, and servers take 1 to {MOST_FOLDERS}")));
    }
    let mut parts = vec![format!("SET STATUS (selected-delayed {EVENTS}) (mailboxes (").into_bytes()];
    for (at, folder) in folders.iter().enumerate() {
        let mut name = Vec::new();
        argument(&mut name, &folder.0);
        let mut pieces = name.into_iter();
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
        let parts = command(&folders(&[b"INBOX", b"a \"b\""])).unwrap();
        let line = "SET STATUS (selected-delayed (MessageNew MessageExpunge)) \
                    (mailboxes (\"INBOX\" \"a \\\"b\\\"\") (MessageNew MessageExpunge))";
        assert_eq!(parts, [line.as_bytes()]);
        let parts = command(&folders(&[b"\xd6\xd0", b"b"])).unwrap();
        let begin = "SET STATUS (selected-delayed (MessageNew MessageExpunge)) (mailboxes ({2}";
        assert_eq!(parts[0], begin.as_bytes());
        assert_eq!(parts[1], b"\xd6\xd0 \"b\") (MessageNew MessageExpunge))");
    }

    #[test]
    fn too_many_or_too_long_is_not_asked() {
        let all: Vec<_> = (0..=MOST_FOLDERS).map(|n| RawName::new(n.to_string().as_bytes())).collect();
        assert!(matches!(command(&all), Err(ImapError::No { command: "NOTIFY", .. })));
        assert!(command(&all[1..]).is_ok());
        assert!(command(&[]).is_err());
        assert!(command(&[RawName::new(&[b'x'; 9000])]).is_err());
    }

    #[test]
    fn what_is_told_is_gathered_by_folder() {
        let mut told = Told { names: Some(Names::new(&folders(&[b"a", b"&mHl27g-"]))), ..Told::default() };
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
        let look = |validity, next, exists| Look { uid_validity: validity, uid_next: next, exists, mailbox_id: None };
        let expected = [
            (RawName::new(b"a"), look(None, Some(9), Some(4))),
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
