//! Looks at folders that are not open: STATUS for one, LIST-STATUS (RFC 5819) for many in one round trip.

use super::error::ImapError;
use super::list::status_line;
use super::names::Looks;
use super::notify::MAX_COMMAND_BYTES;
use super::wire::{Wire, argument};
use crate::model::{Look, RawName};

/// Room for the tag and the command's name.
const HEAD_BYTES: usize = 32;

/// What is asked of each folder. Not MAILBOXID (RFC 8474): of a folder that is not open Cyrus tells any bytes, others
/// each time (3.6.1 and 3.10.2, seen on 2026-11-22), so only EXAMINE is believed.
const ITEMS: &str = "(MESSAGES UIDNEXT UIDVALIDITY)";

/// STATUS of one folder.
pub(super) async fn status(wire: &mut Wire, folder: &RawName) -> Result<Look, ImapError> {
    let mut parts = Vec::new();
    argument(&mut parts, &folder.0);
    if let Some(last) = parts.last_mut() {
        last.extend_from_slice(format!(" {ITEMS}").as_bytes());
    }
    let lines = wire.run_listing("STATUS", &parts).await?;
    let mut looks = Looks::new(std::slice::from_ref(folder));
    let mut others = Vec::new();
    for line in &lines {
        let Some((name, look)) = status_line(line) else { continue };
        if !looks.add(&name, look) {
            others.push((line, name, look));
        }
    }
    let found = looks.into_found().first().map(|(_, look)| *look);
    // Where the name comes back in a form that is not known here, the only answer is the answer.
    let look = match (found, others.as_slice()) {
        (Some(look), _) => look,
        (None, [(_, name, look)]) if !wire.told.is_of_another(name, folder) => return Ok(*look),
        _ => Look::default(),
    };
    for (line, ..) in others {
        wire.told.line(line);
    }
    Ok(look)
}

/// LIST-STATUS of several folders, in as many commands as their length asks for.
///
/// Left out, so that the caller asks with STATUS: a name that holds a wildcard of LIST or needs a literal (some servers
/// take none in a list of patterns), and what the server does not tell of though it says OK (RFC 5819 section 2).
pub(super) async fn list_status(wire: &mut Wire, folders: &[RawName]) -> Result<Vec<(RawName, Look)>, ImapError> {
    let mut looks = Looks::new(folders);
    let tail = format!(" RETURN (STATUS {ITEMS})");
    for patterns in batches(folders, MAX_COMMAND_BYTES - HEAD_BYTES - tail.len()) {
        let command = format!("\"\" ({patterns}){tail}");
        let lines = wire.run_listing("LIST", &[command.into_bytes()]).await?;
        for line in &lines {
            let Some((name, look)) = status_line(line) else { continue };
            if !looks.add(&name, look) {
                wire.told.line(line);
            }
        }
    }
    Ok(looks.into_found())
}

/// Lists of quoted names, each of at most so many bytes.
fn batches(folders: &[RawName], most: usize) -> Vec<String> {
    let mut batches: Vec<String> = Vec::new();
    for folder in folders {
        let Some(pattern) = pattern(&folder.0).filter(|pattern| pattern.len() <= most) else { continue };
        match batches.last_mut() {
            Some(last) if last.len() + 1 + pattern.len() <= most => {
                last.push(' ');
                last.push_str(&pattern);
            }
            _ => batches.push(pattern),
        }
    }
    batches
}

/// A name as a pattern that matches it alone. An empty one would ask for the separator (RFC 3501 6.3.8).
fn pattern(name: &[u8]) -> Option<String> {
    if name.is_empty() || name.iter().any(|b| matches!(b, b'%' | b'*')) {
        return None;
    }
    let mut parts = Vec::new();
    argument(&mut parts, name);
    match parts.as_mut_slice() {
        [only] => String::from_utf8(std::mem::take(only)).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_stay_short_and_hold_all() {
        let folders: Vec<_> = (0..10_000).map(|n| RawName::new(format!("dir/{n}").as_bytes())).collect();
        let all = batches(&folders, 7900);
        assert!(all.iter().all(|batch| batch.len() <= 7900), "{:?}", all.iter().map(String::len).max());
        assert!(all.len() < 20);
        assert_eq!(all.iter().map(|batch| batch.split(' ').count()).sum::<usize>(), 10_000);
    }

    #[test]
    fn names_that_are_no_patterns_are_left_out() {
        for name in [&b""[..], b"100%", b"*", b"\xd6\xd0", b"a\r\nM9 DELETE x", "项目".as_bytes(), b"\0"] {
            assert_eq!(pattern(name), None, "{}", String::from_utf8_lossy(name));
        }
        assert_eq!(pattern(b"a \"b\\").unwrap(), r#""a \"b\\""#);
        assert!(batches(&[RawName::new(&[b'x'; 9000])], 7900).is_empty());
    }
}
