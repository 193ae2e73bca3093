//! LIST and STATUS lines, read from their bytes: names come back exactly as they were sent, in whatever encoding,
//! and items that nobody here asked for do no harm.

use super::special_use;
use crate::model::{Look, RawName};

/// One mailbox of a LIST answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name on the wire.
    pub raw: RawName,
    /// The hierarchy separator; `None` for NIL.
    pub separator: Option<u8>,
    /// False for \Noselect and \NonExistent.
    pub can_open: bool,
    /// Its special use (RFC 6154) in lower case (`\\junk`), `\\inbox` for the INBOX.
    pub uses: Vec<String>,
    /// How many bytes of the name are the personal namespace's prefix (Courier's `INBOX.`); `None` where the server does
    /// not tell its namespaces.
    pub prefix: Option<usize>,
}

/// Reads `* NAMESPACE ((prefix separator) ...) ...` (RFC 2342): the prefix of the first personal namespace.
pub(super) fn personal_prefix(line: &[u8]) -> Option<Vec<u8>> {
    let rest = line.strip_prefix_ignore_case(b"* NAMESPACE ")?.trim_ascii_start();
    Reader { rest: rest.strip_prefix(b"((")? }.string()?
}

/// How much of `name` is the prefix `personal`; INBOX stands there in any case.
pub(super) fn prefix_of(name: &[u8], personal: &[u8]) -> usize {
    match name.split_at_checked(personal.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(personal) && !rest.is_empty() => personal.len(),
        _ => 0,
    }
}

/// Reads `* LIST (attributes) separator name ...`; `None` for anything else.
pub(super) fn list_line(line: &[u8]) -> Option<Listed> {
    let mut reader = Reader { rest: line.strip_prefix_ignore_case(b"* LIST ")? };
    let attributes = reader.parenthesised()?;
    let separator = reader.string()?;
    let name = reader.name()?;
    let attributes = String::from_utf8_lossy(attributes).to_ascii_lowercase();
    let closed = attributes.split_ascii_whitespace().any(|a| a == "\\noselect" || a == "\\nonexistent");
    let name = name?;
    Some(Listed {
        raw: RawName::new(&name),
        separator: separator.and_then(|s| s.first().copied()),
        can_open: !closed,
        uses: special_use::of(&attributes, &name),
        prefix: None,
    })
}

/// Reads `* STATUS name (items)`: the name and what it says.
pub(super) fn status_line(line: &[u8]) -> Option<(RawName, Look)> {
    let mut reader = Reader { rest: line.strip_prefix_ignore_case(b"* STATUS ")? };
    let name = reader.string()??;
    let mut items = Reader { rest: reader.list()? };
    let mut look = Look::default();
    while let Some(item) = items.word() {
        let item = item.to_ascii_uppercase();
        if items.list().is_some() {
            continue;
        }
        let Some(value) = items.word() else { break };
        let value: Option<u32> = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        match item.as_slice() {
            b"UIDNEXT" => look.uid_next = value.filter(|n| *n > 0),
            b"UIDVALIDITY" => look.uid_validity = value.filter(|n| *n > 0),
            b"MESSAGES" => look.exists = value,
            _ => {}
        }
    }
    Some((RawName::new(&name), look))
}

trait StripIgnoreCase {
    fn strip_prefix_ignore_case(&self, prefix: &[u8]) -> Option<&[u8]>;
}

impl StripIgnoreCase for [u8] {
    fn strip_prefix_ignore_case(&self, prefix: &[u8]) -> Option<&[u8]> {
        let (start, rest) = self.split_at_checked(prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then_some(rest)
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn skip_blanks(&mut self) {
        while let [b' ', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn parenthesised(&mut self) -> Option<&'a [u8]> {
        self.skip_blanks();
        let rest = self.rest.strip_prefix(b"(")?;
        let end = rest.iter().position(|b| *b == b')')?;
        let (inside, after) = rest.split_at(end);
        self.rest = after.get(1..)?;
        Some(inside)
    }

    /// The inside of a list in parentheses, which may hold others; `None`, and nothing read, where none begins here.
    fn list(&mut self) -> Option<&'a [u8]> {
        self.skip_blanks();
        let rest = self.rest.strip_prefix(b"(")?;
        let mut level = 1_usize;
        let end = rest.iter().position(|byte| {
            match byte {
                b'(' => level += 1,
                b')' => level -= 1,
                _ => {}
            }
            level == 0
        })?;
        self.rest = rest.get(end + 1..)?;
        rest.get(..end)
    }

    /// A word up to a blank or a parenthesis.
    fn word(&mut self) -> Option<&'a [u8]> {
        self.skip_blanks();
        let end = self.rest.iter().position(|b| matches!(b, b' ' | b'(' | b')')).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// The name of a mailbox: as [`Reader::string`], but some servers do not quote one that holds blanks
    /// (imap-servers H.1). Then it goes up to the line's end, or to extended data (RFC 5258).
    fn name(&mut self) -> Option<Option<Vec<u8>>> {
        self.skip_blanks();
        if let [b'"' | b'{', ..] = self.rest {
            return self.string();
        }
        let line = self.rest.trim_ascii_end();
        let end = line.windows(2).position(|pair| pair == b" (").unwrap_or(line.len());
        let name = line.get(..end)?.trim_ascii_end();
        self.rest = self.rest.get(end..)?;
        match name {
            [] => None,
            name if name.eq_ignore_ascii_case(b"NIL") => Some(None),
            name => Some(Some(name.to_vec())),
        }
    }

    /// A quoted string, a literal or an atom; `Some(None)` for NIL. An atom ends at a blank or at the line's end.
    fn string(&mut self) -> Option<Option<Vec<u8>>> {
        self.skip_blanks();
        match self.rest {
            [b'"', rest @ ..] => {
                let mut out = Vec::new();
                let mut bytes = rest.iter().enumerate();
                while let Some((at, byte)) = bytes.next() {
                    match byte {
                        b'"' => {
                            self.rest = rest.get(at + 1..)?;
                            return Some(Some(out));
                        }
                        b'\\' => out.push(*bytes.next()?.1),
                        _ => out.push(*byte),
                    }
                }
                None
            }
            [b'{', rest @ ..] => {
                let end = rest.iter().position(|b| *b == b'}')?;
                let size: usize = std::str::from_utf8(rest.get(..end)?).ok()?.trim_end_matches('+').parse().ok()?;
                let after = rest.get(end + 1..)?.strip_prefix(b"\r\n")?;
                let (text, rest) = after.split_at_checked(size)?;
                self.rest = rest;
                Some(Some(text.to_vec()))
            }
            rest => {
                let end = rest.iter().position(|b| matches!(b, b' ' | b'\r' | b'\n')).unwrap_or(rest.len());
                let (atom, rest) = rest.split_at(end);
                self.rest = rest;
                match atom {
                    [] => None,
                    atom if atom.eq_ignore_ascii_case(b"NIL") => Some(None),
                    atom => Some(Some(atom.to_vec())),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_survive_unchanged() {
        type Case = (&'static [u8], &'static [u8], Option<u8>, bool);
        let cases: &[Case] = &[
            (b"* LIST (\\HasNoChildren) \"/\" INBOX\r\n", b"INBOX", Some(b'/'), true),
            (b"* LIST () \".\" \"INBOX.&mHl27g-\"\r\n", b"INBOX.&mHl27g-", Some(b'.'), true),
            (b"* list (\\Noselect \\Marked) NIL \"a \\\"b\\\\c\"\r\n", b"a \"b\\c", None, false),
            (b"* LIST () \"/\" {4}\r\na\" b\r\n", b"a\" b", Some(b'/'), true),
            (b"* LIST (\\NonExistent) \"/\" \xd6\xd0\r\n", b"\xd6\xd0", Some(b'/'), false),
            (b"* LIST () \"/\" x (\"OLDNAME\" (\"y\"))\r\n", b"x", Some(b'/'), true),
        ];
        for (line, name, separator, can_open) in cases {
            let listed = list_line(line).unwrap();
            assert_eq!((&*listed.raw.0, listed.separator, listed.can_open), (*name, *separator, *can_open));
        }
        assert_eq!(list_line(b"* LIST () \"/\" NIL\r\n"), None);
    }

    #[test]
    fn the_personal_namespace_is_the_first_one() {
        let courier = b"* NAMESPACE ((\"INBOX.\" \".\")) NIL ((\"#shared.\" \".\"))\r\n";
        assert_eq!(personal_prefix(courier).unwrap(), b"INBOX.");
        assert_eq!(personal_prefix(b"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n").unwrap(), b"");
        assert_eq!(personal_prefix(b"* NAMESPACE NIL NIL NIL\r\n"), None);
        assert_eq!(
            (prefix_of(b"Inbox.a", b"INBOX."), prefix_of(b"user.lisi", b"INBOX."), prefix_of(b"INBOX", b"INBOX.")),
            (6, 0, 0)
        );
    }

    #[test]
    fn status_takes_what_it_knows() {
        let (name, look) = status_line(b"* STATUS \"a b\" (MESSAGES 3 SIZE 99 UIDNEXT 7 UIDVALIDITY 0)\r\n").unwrap();
        assert_eq!(&*name.0, b"a b");
        assert_eq!(look, Look { uid_validity: None, uid_next: Some(7), exists: Some(3), mailbox_id: None });
        // NetEase, imap-servers A.3 [CM-SEL]
        assert_eq!(status_line(b"* STATUS \"INBOX\" ()\r\n").unwrap().1, Look::default());
        let id = |line: &[u8]| status_line(line).unwrap().1;
        // Cyrus 3.6.1 of a folder that was not open: not asked for, not believed.
        let odd = id(b"* STATUS INBOX.b2 (MAILBOXID (~\xcd\x12R,\x1c\xf7U) UIDNEXT 1 MESSAGES 3)\r\n");
        assert_eq!(odd, Look { uid_next: Some(1), exists: Some(3), ..Look::default() });
        assert_eq!(id(b"* STATUS a (MAILBOXID () MESSAGES 3)\r\n").exists, Some(3));
        assert_eq!(id(b"* STATUS a (MAILBOXID NIL MESSAGES 3)\r\n").exists, Some(3));
        assert_eq!(status_line(b"* STATUS a (MAILBOXID (F1 MESSAGES 3\r\n"), None);
    }

    proptest! {
        #[test]
        fn no_line_panics(tail in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = list_line(&[b"* LIST ", &tail[..]].concat());
            let _ = status_line(&[b"* STATUS ", &tail[..]].concat());
        }
    }
}
