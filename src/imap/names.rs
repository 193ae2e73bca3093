//! Folders found again by the names that a server gives them in its answers.

use super::folder_name;
use crate::model::{Look, RawName};
use std::collections::HashMap;

/// A list of folders, to be found by name. Dovecot writes a name as UTF-8 in NOTIFY's STATUS lines that it gives in
/// modified UTF-7 in LIST (crates 2), and servers write INBOX in any case (RFC 3501 5.1).
#[derive(Debug, Default)]
pub(super) struct Names {
    folders: Vec<RawName>,
    raw: HashMap<RawName, usize>,
    /// By decoded name; `None` where two folders decode to one.
    shown: HashMap<String, Option<usize>>,
}

impl Names {
    pub(super) fn new(folders: &[RawName]) -> Self {
        let mut names = Self { folders: folders.to_vec(), ..Self::default() };
        for (at, folder) in folders.iter().enumerate() {
            names.raw.insert(folded(folder), at);
            names.shown.entry(folder_name::decode(&folder.0)).and_modify(|place| *place = None).or_insert(Some(at));
        }
        names
    }

    /// Which folder is meant: the same bytes, else the text as it stands, else the decoded text.
    pub(super) fn find(&self, name: &RawName) -> Option<usize> {
        if let Some(at) = self.raw.get(&folded(name)) {
            return Some(*at);
        }
        let literal = std::str::from_utf8(&name.0).ok().and_then(|text| self.shown.get(text).copied());
        literal.or_else(|| self.shown.get(&folder_name::decode(&name.0)).copied()).flatten()
    }

    /// The folder at a place, as it was given.
    pub(super) fn get(&self, at: usize) -> Option<&RawName> {
        self.folders.get(at)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.folders.len()
    }
}

/// INBOX in one case, all others as they are.
fn folded(name: &RawName) -> RawName {
    if name.0.eq_ignore_ascii_case(b"INBOX") { RawName::new(b"INBOX") } else { name.clone() }
}

/// Looks of some folders, gathered from STATUS lines: what a later line says counts, what it leaves out stays.
#[derive(Debug)]
pub(super) struct Looks {
    pub(super) names: Names,
    found: Vec<Option<Look>>,
}

impl Looks {
    pub(super) fn new(folders: &[RawName]) -> Self {
        let names = Names::new(folders);
        let found = vec![None; names.len()];
        Self { names, found }
    }

    /// Takes in one line; whether it was about one of the folders.
    pub(super) fn add(&mut self, name: &RawName, look: Look) -> bool {
        let Some(place) = self.names.find(name).and_then(|at| self.found.get_mut(at)) else { return false };
        *place = Some(place.map_or(look, |known| newer(&known, &look)));
        true
    }

    /// What was found, in the order of the folders.
    pub(super) fn into_found(self) -> Vec<(RawName, Look)> {
        self.names.folders.into_iter().zip(self.found).filter_map(|(name, look)| Some((name, look?))).collect()
    }
}

/// Two looks at one folder as one.
pub(super) fn newer(known: &Look, later: &Look) -> Look {
    Look {
        uid_validity: later.uid_validity.or(known.uid_validity),
        uid_next: later.uid_next.or(known.uid_next),
        exists: later.exists.or(known.exists),
        mailbox_id: later.mailbox_id.or(known.mailbox_id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> Names {
        Names::new(&all.iter().map(|name| RawName::new(name.as_bytes())).collect::<Vec<_>>())
    }

    fn found(names: &Names, text: &str) -> Option<usize> {
        names.find(&RawName::new(text.as_bytes()))
    }

    #[test]
    fn by_bytes_then_by_text() {
        let list = names(&["INBOX", "&mHl27g-", "a&-b", "a&--b", "Junk"]);
        let cases = [
            ("inbox", Some(0)),
            ("&mHl27g-", Some(1)),
            ("项目", Some(1)),
            ("a&-b", Some(2)),
            ("a&b", Some(2)),
            ("junk", None),
            ("项", None),
        ];
        for (name, place) in cases {
            assert_eq!(found(&list, name), place, "{name}");
        }
        // The UTF-8 name `a&-b` belongs to `a&--b`; where no folder has these bytes it is understood.
        assert_eq!(found(&names(&["x", "a&--b"]), "a&-b"), Some(1));
        let gbk = Names::new(&[RawName::new(&encoding_rs::GBK.encode("项目").0)]);
        assert_eq!(found(&gbk, "项目"), Some(0));
    }

    #[test]
    fn a_text_of_two_folders_is_nobodys() {
        let list = names(&["a&b", "a&-b"]);
        assert_eq!((found(&list, "a&b"), found(&list, "a&-b")), (Some(0), Some(1)));
        let twice = names(&["&mHl27g-", "&mHk-&du4-"]);
        assert_eq!(found(&twice, "项目"), None);
    }

    #[test]
    fn later_lines_count_and_leave_what_they_do_not_say() {
        let mut looks = Looks::new(&[RawName::new(b"a"), RawName::new(b"b")]);
        let first = Look { uid_validity: Some(1), uid_next: Some(5), exists: Some(4), mailbox_id: None };
        assert!(looks.add(&RawName::new(b"b"), first));
        assert!(looks.add(&RawName::new(b"b"), Look { uid_next: Some(6), exists: Some(5), ..Look::default() }));
        assert!(!looks.add(&RawName::new(b"c"), first));
        let merged = Look { uid_next: Some(6), exists: Some(5), ..first };
        assert_eq!(looks.into_found(), [(RawName::new(b"b"), merged)]);
    }
}
