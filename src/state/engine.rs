//! The steps of the state over a key-value backend, one at a time: opening, marks, budgets, commits.

use super::index::Index;
use super::kv::{Batch, Kv, all};
use super::record::{STORE_VERSION, from_bytes, mark_from_bytes, mark_to_bytes, to_bytes};
use super::{Committed, Scan, StateError, keys};
use crate::clock::Anchor;
use crate::model::{AccountId, AlertId, LetterId, Mark, Owner, RawName, Timestamp};
use crate::rules::budget::{self, Allowance, Permit, Spent};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// How long letters are remembered, so that they are announced once.
const REMEMBER: Duration = Duration::from_secs(30 * 86_400);
/// WeCom's duplicate check forgets after four hours (p90236); a margin on top.
const BODY_MEMORY: Duration = Duration::from_secs(4 * 3600 + 600);
/// How many records of a kind are looked at in one pruning.
const PRUNED_AT_ONCE: usize = 10_000;
/// Numbers are reserved in blocks, so that none is given twice.
const NUMBERS: u64 = 1000;

/// See the module's text.
pub(super) struct Engine {
    pub(super) kv: Box<dyn Kv>,
    /// Whether something was applied that is not durable yet.
    unsynced: bool,
    pub(super) index: Index,
    next_number: u64,
    reserved: u64,
    latest: Timestamp,
    /// Where pruning goes on: letters, bodies.
    letters_pruned: Option<Vec<u8>>,
    bodies_pruned: Option<Vec<u8>>,
    bound_pruned: Option<Vec<u8>>,
    /// The alerts of the last round of claiming, in case its sync fails.
    pub(super) last_claimed: Vec<AlertId>,
}

impl Engine {
    /// Opens the state over a backend: checks the format and builds the index of what is due. Claims of a dead process
    /// are void.
    pub(super) fn open(mut kv: Box<dyn Kv>) -> Result<Self, StateError> {
        match kv.get(keys::VERSION)?.as_deref() {
            None => {
                let mut batch = Batch::default();
                batch.put(keys::VERSION.to_vec(), vec![STORE_VERSION]);
                kv.apply(batch)?;
                kv.sync()?;
            }
            Some([STORE_VERSION]) => {}
            Some([found, ..]) if *found > STORE_VERSION => {
                return Err(StateError::Newer { found: *found, known: STORE_VERSION });
            }
            Some(other) => return Err(StateError::Record(format!("format {other:?}"))),
        }
        let reserved = match kv.get(keys::NUMBER)? {
            Some(bytes) => from_bytes(&bytes)?,
            None => 1,
        };
        let mut aside = Batch::default();
        let index = Index::load(&*kv, &mut aside)?;
        kv.apply(aside)?;
        let mut engine = Self {
            unsynced: false,
            kv,
            index,
            next_number: reserved,
            reserved,
            latest: Timestamp(0),
            letters_pruned: None,
            bodies_pruned: None,
            bound_pruned: None,
            last_claimed: Vec::new(),
        };
        engine.latest = engine.latest_used()?;
        Ok(engine)
    }

    /// Applies a batch, if there is something in it.
    pub(super) fn apply(&mut self, batch: Batch) -> Result<(), StateError> {
        if batch.0.is_empty() {
            return Ok(());
        }
        self.unsynced = true;
        self.kv.apply(batch)
    }

    /// Makes everything durable, if something is not.
    pub(super) fn sync(&mut self) -> Result<(), StateError> {
        if self.unsynced {
            self.kv.sync()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// The latest steady time that a budget or a gate was used at.
    fn latest_used(&self) -> Result<Timestamp, StateError> {
        let mut latest = self.index.latest_gate();
        all(&*self.kv, keys::BUDGETS, |pairs| {
            for (_, value) in pairs {
                // One that cannot be read concerns its owner, not the opening.
                let spent: Spent = from_bytes(&value).unwrap_or_default();
                latest = latest.max(spent.last.unwrap_or_default());
            }
            Ok(())
        })?;
        Ok(latest)
    }

    /// A number never given before. A block of them is reserved before its first one is given, on its own: whatever
    /// becomes of the batch the number is for, it is not given again.
    pub(super) fn number(&mut self) -> Result<u64, StateError> {
        if self.next_number >= self.reserved {
            let reserved = self.next_number + NUMBERS;
            let mut batch = Batch::default();
            batch.put(keys::NUMBER.to_vec(), to_bytes(&reserved)?);
            self.apply(batch)?;
            self.reserved = reserved;
        }
        let number = self.next_number;
        self.next_number += 1;
        Ok(number)
    }

    pub(super) fn marks(&self, account: &AccountId) -> Result<HashMap<RawName, Mark>, StateError> {
        let prefix = keys::marks(account);
        let mut found = HashMap::new();
        all(&*self.kv, &prefix, |pairs| {
            for (key, value) in pairs {
                let name = key.get(prefix.len()..).unwrap_or_default();
                found.insert(RawName::new(name), mark_from_bytes(&value)?);
            }
            Ok(())
        })?;
        Ok(found)
    }

    pub(super) fn spent(&self, owner: &Owner) -> Result<Spent, StateError> {
        match self.kv.get(&keys::budget(owner))? {
            Some(bytes) => from_bytes(&bytes),
            None => Ok(Spent::default()),
        }
    }

    pub(super) fn admit_sync(
        &mut self,
        owner: &Owner,
        allowance: &Allowance,
        now: Timestamp,
    ) -> Result<Permit, StateError> {
        let permit = budget::ask(&self.spent(owner)?, allowance, now);
        if let Permit::Go(after) = &permit {
            let mut batch = Batch::default();
            batch.put(keys::budget(owner), to_bytes(after)?);
            self.apply(batch)?;
        }
        Ok(permit)
    }

    pub(super) fn commit_scan(&mut self, scan: &Scan, now: Timestamp) -> Result<Committed, StateError> {
        let key = keys::mark(&scan.account, &scan.folder);
        let stored = self.kv.get(&key)?.map(|bytes| mark_from_bytes(&bytes)).transpose()?;
        // The time of the last look moves without a commit (`touch`), the rest does not.
        let place = |mark: &Mark| (mark.uid_validity, mark.next, mark.bound_at);
        if stored.as_ref().map(place) != scan.from.as_ref().map(place) {
            return Ok(Committed::Stale);
        }
        let mut batch = Batch::default();
        let mut fresh = HashSet::new();
        let mut count = 0;
        for (recipient, item) in &scan.letters {
            let bound = keys::bound(&scan.account, &scan.folder, item.letter.id);
            let remembered = keys::remembered(recipient, item.letter.id);
            if self.kv.get(&bound)?.is_some()
                || self.kv.get(&remembered)?.is_some()
                || !fresh.insert(remembered.clone())
            {
                continue;
            }
            batch.put(remembered, to_bytes(&now)?);
            let number = self.number()?;
            batch.put(keys::waiting(recipient, number), to_bytes(item)?);
            count += 1;
        }
        batch.put(key, mark_to_bytes(&scan.to)?);
        self.apply(batch)?;
        for (recipient, item) in &scan.letters {
            if fresh.remove(&keys::remembered(recipient, item.letter.id)) {
                self.index.add_waiting(recipient, 1);
            }
        }
        Ok(Committed::Stored(count))
    }

    pub(super) fn remember(
        &mut self,
        account: &AccountId,
        folder: &RawName,
        letters: &[LetterId],
        now: Timestamp,
    ) -> Result<(), StateError> {
        let mut batch = Batch::default();
        for letter in letters {
            batch.put(keys::bound(account, folder, *letter), to_bytes(&now)?);
        }
        self.apply(batch)
    }

    pub(super) fn touch(&mut self, account: &AccountId, folder: &RawName, mark: Mark) -> Result<(), StateError> {
        let mut batch = Batch::default();
        batch.put(keys::mark(account, folder), mark_to_bytes(&mark)?);
        self.apply(batch)
    }

    pub(super) fn anchor(&self) -> Result<(Option<Anchor>, Timestamp), StateError> {
        let anchor = self.kv.get(keys::ANCHOR)?.map(|bytes| from_bytes(&bytes)).transpose()?;
        Ok((anchor, self.latest))
    }

    pub(super) fn set_anchor(&mut self, anchor: &Anchor) -> Result<(), StateError> {
        let mut batch = Batch::default();
        batch.put(keys::ANCHOR.to_vec(), to_bytes(anchor)?);
        self.apply(batch)
    }

    /// Forgets one slice of what is older than it need be.
    pub(super) fn prune(&mut self, now: Timestamp) -> Result<(), StateError> {
        let mut batch = Batch::default();
        self.letters_pruned =
            self.forget(&mut batch, keys::REMEMBERED, self.letters_pruned.as_deref(), now, REMEMBER)?;
        self.bound_pruned = self.forget(&mut batch, keys::BOUND, self.bound_pruned.as_deref(), now, REMEMBER)?;
        self.bodies_pruned = self.forget(&mut batch, keys::BODIES, self.bodies_pruned.as_deref(), now, BODY_MEMORY)?;
        self.apply(batch)
    }

    /// Puts the deletion of what is older than `keep` into `batch`, in one slice after a key; answers where to go on.
    fn forget(
        &self,
        batch: &mut Batch,
        prefix: &[u8],
        after: Option<&[u8]>,
        now: Timestamp,
        keep: Duration,
    ) -> Result<Option<Vec<u8>>, StateError> {
        let pairs = self.kv.scan(prefix, after, PRUNED_AT_ONCE)?;
        let next = if pairs.len() < PRUNED_AT_ONCE { None } else { pairs.last().map(|(key, _)| key.clone()) };
        for (key, value) in pairs {
            // One that cannot be read is of no use either.
            if from_bytes(&value).map_or(true, |at| now.since(at) > keep) {
                batch.delete(key);
            }
        }
        Ok(next)
    }

    /// Whether a body was sent within WeCom's duplicate window.
    pub(super) fn body_was_used(&self, key: &[u8], now: Timestamp) -> Result<bool, StateError> {
        Ok(match self.kv.get(key)? {
            Some(bytes) => now.since(from_bytes(&bytes)?) <= BODY_MEMORY,
            None => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Item, Letter, Recipient, Sender};
    use crate::state::kv::Pairs;
    use crate::state::memory::{Disk, MemoryKv};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A disk that is full now and then.
    struct Full {
        kv: MemoryKv,
        full: Arc<AtomicBool>,
    }

    impl Kv for Full {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
            self.kv.get(key)
        }

        fn scan(&self, prefix: &[u8], after: Option<&[u8]>, most: usize) -> Result<Pairs, StateError> {
            self.kv.scan(prefix, after, most)
        }

        fn apply(&mut self, batch: Batch) -> Result<(), StateError> {
            if self.full.load(Ordering::SeqCst) {
                return Err(StateError::Write("no space left on device".to_owned()));
            }
            self.kv.apply(batch)
        }

        fn sync(&mut self) -> Result<(), StateError> {
            self.kv.sync()
        }
    }

    fn arrive(engine: &mut Engine, number: u8) -> Result<Committed, StateError> {
        let letter = Letter {
            id: LetterId([number; 16]),
            from: Sender::default(),
            subject: None,
            time: Timestamp(0),
            size: 0,
            attachment: false,
            seen: false,
            readable: true,
        };
        let account = AccountId::new("zhangsan@corp.example");
        let item = Item { account: account.clone(), folder: "INBOX".into(), letter, told_at: Timestamp(0) };
        let to = Mark { uid_validity: 1, next: 2, bound_at: Timestamp(0), looked_at: Timestamp(0), mailbox_id: None };
        let letters = vec![(Recipient::User("zhangsan".into()), item)];
        let scan = Scan { account, folder: RawName::new(&[number]), from: None, to, letters };
        engine.commit_scan(&scan, Timestamp(0))
    }

    #[test]
    fn a_full_disk_gives_no_number_twice() {
        let (disk, full) = (Disk::default(), Arc::new(AtomicBool::new(false)));
        let open = || Engine::open(Box::new(Full { kv: MemoryKv::open(&disk), full: full.clone() })).unwrap();
        let mut engine = open();
        full.store(true, Ordering::SeqCst);
        arrive(&mut engine, 1).unwrap_err();
        full.store(false, Ordering::SeqCst);
        for number in 1..=3 {
            assert_eq!(arrive(&mut engine, number), Ok(Committed::Stored(1)));
        }
        engine.kv.sync().unwrap();
        drop(engine);
        let mut engine = open();
        for number in 4..=9 {
            assert_eq!(arrive(&mut engine, number), Ok(Committed::Stored(1)));
        }
        assert_eq!(engine.kv.scan(keys::WAITING, None, 100).unwrap().len(), 9, "none took another's place");
    }

    #[test]
    fn what_was_there_at_binding_is_known_in_that_folder_only() {
        let mut engine = Engine::open(Box::new(MemoryKv::open(&Disk::default()))).unwrap();
        let account = AccountId::new("zhangsan@corp.example");
        for (folder, number) in [(&[1][..], 1), (&[9], 2)] {
            engine.remember(&account, &RawName::new(folder), &[LetterId([number; 16])], Timestamp(0)).unwrap();
        }
        assert_eq!(arrive(&mut engine, 1), Ok(Committed::Stored(0)), "in its own folder");
        assert_eq!(arrive(&mut engine, 2), Ok(Committed::Stored(1)), "news in a folder that was bound before");
    }

    #[test]
    fn a_record_that_cannot_be_read_stops_nothing() {
        let disk = Disk::default();
        let mut engine = Engine::open(Box::new(MemoryKv::open(&disk))).unwrap();
        arrive(&mut engine, 1).unwrap();
        arrive(&mut engine, 2).unwrap();
        let mut batch = Batch::default();
        let (key, _) = engine.kv.scan(keys::WAITING, None, 1).unwrap().remove(0);
        batch.put(key, vec![1, 255, 255]);
        batch.put(keys::alert(AlertId(900)), vec![1, 7]);
        engine.apply(batch).unwrap();
        engine.sync().unwrap();
        let mut engine = Engine::open(Box::new(MemoryKv::open(&disk))).unwrap();
        let compose = |_: &Recipient, items: &[Item], _: u32| {
            let all = (0..items.len()).collect();
            vec![crate::state::Draft { kind: crate::model::AlertKind::Letter, body: b"body".to_vec(), items: all }]
        };
        let claims = engine.claim(Timestamp(1000), 16, &compose).unwrap();
        assert_eq!(claims.len(), 1, "the other letter goes out");
        assert_eq!(engine.kv.scan(keys::ASIDE, None, 10).unwrap().len(), 2, "and the damaged ones are kept");
        assert_eq!(engine.index.next_due(Timestamp(1000)), None);
    }

    #[test]
    fn old_bodies_are_forgotten_also_behind_many_young_ones() {
        let mut engine = Engine::open(Box::new(MemoryKv::open(&Disk::default()))).unwrap();
        let now = Timestamp(1_760_000_000_000);
        let mut batch = Batch::default();
        for number in 0..25_000_u32 {
            let key = [keys::BODIES, &number.to_be_bytes()].concat();
            let made = if number < 12_000 { now } else { Timestamp(0) };
            batch.put(key, to_bytes(&made).unwrap());
        }
        engine.kv.apply(batch).unwrap();
        for _ in 0..4 {
            engine.prune(now).unwrap();
        }
        assert_eq!(engine.kv.scan(keys::BODIES, None, 50_000).unwrap().len(), 12_000);
    }
}
