//! Lists of mailboxes (RFC 5322 3.4 with its obsolete forms) taken apart as octets, before anything is decoded: what an
//! encoded word or a character of two octets holds can neither begin nor end an address. Broken lists are read, too.

use memchr::memmem;
use std::ops::Range;

/// One entry of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mailbox {
    /// Its name in pieces that are decoded one by one; quotes and their escapes are gone.
    pub(super) name: Vec<Vec<u8>>,
    /// Its comments, without their parentheses; those that hold others are left out.
    pub(super) comments: Vec<Vec<u8>>,
    /// Its address: an addr-spec without comments and without blanks outside quotes.
    pub(super) address: Option<Vec<u8>>,
    /// It has several addresses, so none: nobody can say whose it is.
    pub(super) is_doubtful: bool,
}

/// The entries of a list, those of groups among them. `view` is `raw` with the same length, where octets that are to
/// have no meaning are replaced by letters. What follows so many that have an address is not read.
pub(super) fn mailboxes(raw: &[u8], view: &[u8], most: usize) -> Vec<Mailbox> {
    let mut reader = Reader { raw, view, ..Reader::default() };
    while let Some(octet) = reader.here() {
        reader.step(octet);
        if reader.addresses >= most {
            return reader.found;
        }
    }
    reader.end();
    reader.found
}

#[derive(Debug, Default)]
struct Reader<'a> {
    raw: &'a [u8],
    view: &'a [u8],
    at: usize,
    /// Where the entry began that is being read, and where its present run of unquoted text did.
    entry: usize,
    text: usize,
    open: Mailbox,
    /// What stands in its angle brackets.
    angle: Option<Range<usize>>,
    in_group: bool,
    closing: Closing,
    found: Vec<Mailbox>,
    /// How many of them have an address.
    addresses: usize,
}

impl Reader<'_> {
    fn here(&self) -> Option<u8> {
        self.view.get(self.at).copied()
    }

    fn step(&mut self, octet: u8) {
        let end = self.closing.end(self.view, self.at);
        match (octet, end) {
            (b'"', Some(end)) => {
                self.text_ends();
                if self.angle.is_none() {
                    self.open.name.push(unescaped(self.raw, self.view, self.at + 1..end - 1));
                }
                self.go(end);
            }
            (b'"', None) => {
                self.text_ends();
                self.go(self.at + 1);
            }
            (b'(', Some(end)) => {
                self.text_ends();
                let inside = self.view.get(self.at + 1..end - 1).unwrap_or_default();
                if !inside.contains(&b'(') {
                    self.open.comments.push(unescaped(self.raw, self.view, self.at + 1..end - 1));
                }
                if self.angle.is_none() {
                    self.open.name.push(b" ".to_vec());
                }
                self.go(end);
            }
            (b'<', _) => self.angle(),
            (b'>', _) => {
                self.text_ends();
                self.go(self.at + 1);
            }
            (b',', _) => self.end(),
            (b';', _) => {
                self.end();
                if std::mem::take(&mut self.in_group) {
                    // Who is in a group and has no address is nobody.
                    self.found.retain(|mailbox| mailbox.address.is_some());
                }
            }
            // A group's name is nobody's.
            (b':', _) if self.angle.is_none() => {
                (self.in_group, self.open, self.entry) = (true, Mailbox::default(), self.at + 1);
                self.go(self.at + 1);
            }
            _ => self.at += 1,
        }
    }

    fn go(&mut self, to: usize) {
        (self.at, self.text) = (to, to);
    }

    /// What was read of unquoted text belongs to the name, unless the address stands before it.
    fn text_ends(&mut self) {
        let text = self.raw.get(self.text..self.at).unwrap_or_default();
        if self.angle.is_none() && !text.is_empty() {
            self.open.name.push(text.to_vec());
        }
    }

    /// The angle brackets of an entry hold its address; where there are several with different ones, it has none.
    fn angle(&mut self) {
        self.text_ends();
        let end = self.closing.angle_end(self.view, self.at + 1);
        let inside = self.at + 1..end;
        match self.angle.clone() {
            None => self.angle = Some(inside),
            Some(first) => {
                let spec = |range| addr_spec(self.raw, self.view, range).map(|(address, _)| address);
                self.open.is_doubtful |= spec(inside).is_some_and(|second| spec(first) != Some(second));
            }
        }
        self.go(end);
    }

    fn end(&mut self) {
        self.text_ends();
        let mut mailbox = std::mem::take(&mut self.open);
        if mailbox.is_doubtful {
            self.angle = None;
            let whole = self.raw.get(self.entry..self.at).unwrap_or_default();
            (mailbox.comments, mailbox.name) =
                (Vec::new(), vec![whole.iter().copied().filter(|b| *b != b'"').collect()]);
        } else if let Some(angle) = self.angle.take() {
            mailbox.address = addr_spec(self.raw, self.view, angle.clone()).map(|(address, _)| address);
            let is_blank = |name: &Vec<u8>| name.trim_ascii().is_empty();
            if mailbox.address.is_none() && mailbox.name.iter().all(is_blank) {
                mailbox.name = vec![self.raw.get(angle).unwrap_or_default().to_vec()];
            }
        } else if let Some((address, begin)) = addr_spec(self.raw, self.view, self.entry..self.at) {
            mailbox.address = Some(address);
            let before = self.raw.get(self.entry..begin).unwrap_or_default();
            let before = before.split(|b| *b == b'(').next().unwrap_or_default();
            mailbox.name = vec![before.iter().copied().filter(|b| *b != b'"').collect()];
        }
        self.addresses += usize::from(mailbox.address.is_some());
        self.found.push(mailbox);
        self.entry = self.at + 1;
        self.go(self.at + 1);
    }
}

/// Where a quoted string that begins here ends, behind its last quote.
fn quoted_end(view: &[u8], begin: usize) -> Option<usize> {
    let mut at = begin + 1;
    loop {
        match view.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Where a comment that begins here ends, with those in it.
fn comment_end(view: &[u8], begin: usize) -> Option<usize> {
    let (mut at, mut depth) = (begin + 1, 1_usize);
    while depth > 0 {
        match view.get(at)? {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'\\' => at += 1,
            _ => {}
        }
        at += 1;
    }
    Some(at)
}

/// Where things end. A quote or a parenthesis that nothing closes is text, and so is each behind it.
#[derive(Debug, Default)]
struct Closing {
    no_quote: bool,
    no_comment: bool,
}

impl Closing {
    /// Where the quoted string or the comment that begins here ends.
    fn end(&mut self, view: &[u8], at: usize) -> Option<usize> {
        let (end, never) = match view.get(at)? {
            b'"' if !self.no_quote => (quoted_end(view, at), &mut self.no_quote),
            b'(' if !self.no_comment => (comment_end(view, at), &mut self.no_comment),
            _ => return None,
        };
        *never = end.is_none();
        end
    }

    /// Where angle brackets end: at the first `>` outside quotes and comments, or with the text.
    fn angle_end(&mut self, view: &[u8], mut at: usize) -> usize {
        while let Some(octet) = view.get(at).filter(|octet| **octet != b'>') {
            at = match octet {
                b'"' | b'(' => self.end(view, at).unwrap_or(at + 1),
                _ => at + 1,
            };
        }
        at
    }
}

/// Octets without the backslashes that escape others.
fn unescaped(raw: &[u8], view: &[u8], range: Range<usize>) -> Vec<u8> {
    let mut out = Vec::with_capacity(range.len());
    let mut escaped = false;
    for (octet, seen) in raw.get(range.clone()).into_iter().flatten().zip(view.get(range).into_iter().flatten()) {
        escaped = *seen == b'\\' && !escaped;
        if !escaped {
            out.push(*octet);
        }
    }
    out
}

/// The first addr-spec (RFC 5322 3.4.1) in a range, and where it begins. One that anything but blanks, comments and the
/// signs between addresses is glued to is none: nobody could tell which host is meant.
fn addr_spec(raw: &[u8], view: &[u8], range: Range<usize>) -> Option<(Vec<u8>, usize)> {
    let (mut at, end) = (without_route(view, &range), range.end);
    let view = view.get(..end)?;
    let (mut run, mut closing) = (Run::default(), Closing::default());
    while let Some(octet) = view.get(at) {
        let next = match octet {
            b'(' | b'"' => closing.end(view, at),
            _ => Some(at + 1),
        };
        match (octet, next) {
            (b' ' | b'\t' | b'\r' | b'\n' | b'(', Some(_)) => run.gap = true,
            (b'<' | b'>' | b',' | b';' | b')', _) | (_, None) => {
                if run.is_address() {
                    return Some((run.text, run.begin));
                }
                run = Run::default();
            }
            (b':', _) if run.at.is_none() => run = Run::default(),
            (_, Some(next)) => {
                if run.gap && !run.goes_on(*octet) {
                    if run.is_address() {
                        return Some((run.text, run.begin));
                    }
                    run = Run::default();
                }
                run.add(at, *octet, raw.get(at..next).unwrap_or_default());
            }
        }
        at = next.unwrap_or(at + 1);
    }
    run.is_address().then_some((run.text, run.begin))
}

/// An old form names the hosts on the way before an address: `@one,@two:user@host` (RFC 5322 4.4).
fn without_route(view: &[u8], range: &Range<usize>) -> usize {
    let inside = view.get(range.clone()).unwrap_or_default();
    let colon = || inside.iter().position(|b| *b == b':').map(|at| range.start + at + 1);
    inside.trim_ascii_start().starts_with(b"@").then(colon).flatten().unwrap_or(range.start)
}

/// What stands together and may be an address.
#[derive(Debug, Default)]
struct Run {
    text: Vec<u8>,
    begin: usize,
    /// Where its first `@` is, and whether it has more.
    at: Option<usize>,
    more: bool,
    /// A blank or a comment follows it.
    gap: bool,
}

impl Run {
    /// Blanks and comments may stand around dots and around the `@` (RFC 5322 4.4).
    fn goes_on(&self, octet: u8) -> bool {
        matches!(octet, b'@' | b'.') || matches!(self.text.last(), Some(b'@' | b'.'))
    }

    fn add(&mut self, begin: usize, octet: u8, text: &[u8]) {
        if self.text.is_empty() {
            self.begin = begin;
        }
        if octet == b'@' {
            self.more |= self.at.is_some();
            self.at = self.at.or(Some(self.text.len()));
        }
        self.gap = false;
        self.text.extend(text);
    }

    fn is_address(&self) -> bool {
        let Some((local, domain)) = self.at.map(|at| self.text.split_at(at)) else { return false };
        let domain = domain.get(1..).unwrap_or_default();
        let has = |text: &[u8], what: &[u8]| memmem::find(text, what).is_some();
        // The `@` of an encoded word parts nothing.
        let in_word = local.starts_with(b"=?") && !has(local, b"?=");
        !self.more && !local.is_empty() && !in_word && is_host(domain)
    }
}

/// Whether an address may end so: a name of atoms (RFC 5322 3.2.3), or an address in brackets.
fn is_host(domain: &[u8]) -> bool {
    match domain {
        [b'[', inside @ .., b']'] => !inside.iter().any(|b| matches!(b, b'[' | b']' | b'"' | b'\\')),
        [] => false,
        name => !name.iter().any(|b| matches!(b, b'[' | b']' | b'"' | b'\\' | b':')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<String> {
        let raw = text.as_bytes();
        let found = mailboxes(raw, raw, usize::MAX).into_iter().find_map(|mailbox| mailbox.address);
        found.map(|address| String::from_utf8_lossy(&address).into_owned())
    }

    #[test]
    fn an_address_is_one_or_none() {
        for (text, expected) in [
            ("CEO <\"boss@corp.example>\"@attack.example>", "\"boss@corp.example>\"@attack.example"),
            ("<zs @ corp . example>", "zs@corp.example"),
            ("<zs(x)@(y)corp.example(z)>", "zs@corp.example"),
            ("<evil(@corp.example)@attack.example>", "evil@attack.example"),
            ("<a@b.example c@d.example>", "a@b.example"),
            ("<a b@c.example>", "b@c.example"),
            ("<mailto:zs@corp.example>", "zs@corp.example"),
            ("<@one.example,@two.example:zs@corp.example>", "zs@corp.example"),
            ("<zs@[10.0.0.1]>", "zs@[10.0.0.1]"),
            ("<zs@[IPv6:::1]>", "zs@[IPv6:::1]"),
            ("<\"open@corp.example>", "open@corp.example"),
            ("a..b.@docomo.example", "a..b.@docomo.example"),
            ("Zhang San zs@corp.example", "zs@corp.example"),
            ("group: <>, a@x.example;", "a@x.example"),
            ("张三 <张三@例子.example", "张三@例子.example"),
            ("(a (b) <c@d.example>", "c@d.example"),
        ] {
            assert_eq!(address(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "<>",
            "<zs>",
            "<@>",
            "<a@>",
            "<@b.example>",
            "<a@b@c.example>",
            "<a@corp.example\".b.example\">",
            "<a@corp.example\\.b.example>",
            "<a@corp.example:b@c.example>",
            "<a@corp.example[.b.example]>",
            "=?utf-8?Q?a@b.example?=",
            "\"a@b.example\"",
            "(a@b.example)",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn many_that_nothing_closes_take_no_time() {
        for sign in ["(", "\"", "<", "((\"<", "\\\"", "<(>,", "<\">", "<(\"("] {
            let text = sign.repeat(50_000);
            assert_eq!(address(&text), None);
        }
    }
}
