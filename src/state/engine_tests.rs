//! What the engine does with faults of its backend and with time; the promises are tested from outside.

use super::*;
use crate::model::{Fate, Item, Letter, LetterId, Now, RawName, Recipient, Sender, Sighting, Urgency};
use crate::state::kv::Pairs;
use crate::state::memory::{Disk, MemoryKv};
use crate::state::record::LetterRecord;
use crate::state::{Committed, Content, Draft, Scan, Shape};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
        ..Letter::default()
    };
    let account = AccountId::new("zhangsan@corp.example");
    let item = Item {
        account: account.clone(),
        folder: "INBOX".into(),
        letter,
        told_at: Timestamp(0),
        away: None,
        card: None,
    };
    let to = Mark { uid_validity: 1, next: 2, bound_at: Timestamp(0), looked_at: Timestamp(0), mailbox_id: None };
    let fate = Fate::Announce(vec![Recipient::User("zhangsan".into())]);
    let letters = vec![Sighting { item, uid: 1, subscription: 1, urgency: Urgency::Normal, fate, apart: Vec::new() }];
    let folder = RawName::new(&[number]);
    let scan = Scan {
        account,
        folder,
        from: None,
        to,
        letters,
        deferred: Duration::ZERO,
        met: crate::state::Met::default(),
        catching_up: false,
    };
    engine.commit_scan(scan, Now::default())
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
    let (key, _) = engine.kv.scan(keys::LETTERS, None, 1).unwrap().remove(0);
    batch.put(key, vec![1, 255, 255]);
    batch.put(keys::alert(AlertId(900)), vec![1, 7]);
    engine.apply(batch).unwrap();
    engine.sync().unwrap();
    let mut engine = Engine::open(Box::new(MemoryKv::open(&disk))).unwrap();
    let claims = engine.claim(at(1000), 16, &together).unwrap();
    assert_eq!((claims.len(), claims[0].letters), (1, 1), "the other letter goes out");
    assert_eq!(engine.kv.scan(keys::ASIDE, None, 10).unwrap().len(), 2, "and the damaged ones are kept");
    assert_eq!(engine.next_due(at(1000)), None);
}

fn at(ms: i64) -> Now {
    Now { steady: Timestamp(ms), wall: Timestamp(ms) }
}

fn together(to: &[Recipient], content: Content<'_>, _: Shape) -> Vec<Draft> {
    let Content::Letters(items) = content else { return Vec::new() };
    let items = (0..items.len()).collect();
    vec![Draft { to: to.to_vec(), kind: crate::model::AlertKind::Letter, body: b"body".to_vec(), items }]
}

#[test]
fn letters_are_forgotten_after_thirty_days_but_not_while_they_are_needed() {
    let mut engine = Engine::open(Box::new(MemoryKv::open(&Disk::default()))).unwrap();
    let count = |engine: &Engine, prefix: &[u8]| engine.kv.scan(prefix, None, 100).unwrap().len();
    let days = |n: i64| at(n * 86_400_000);
    arrive(&mut engine, 1).unwrap();
    for day in [29, 31] {
        while engine.prune(days(day).steady).unwrap() {}
        assert_eq!(count(&engine, keys::LETTERS), 1, "it waits");
    }
    let claims = engine.claim(days(31), 16, &together).unwrap();
    while engine.prune(days(32).steady).unwrap() {}
    assert_eq!(count(&engine, keys::LETTERS), 1, "it is on its way");
    engine.settle(claims[0].id, crate::rules::retry::Next::Done.into(), days(32)).unwrap();
    while engine.prune(days(33).steady).unwrap() {}
    assert_eq!(count(&engine, keys::SETTLED), 1);
    for prefix in [keys::LETTERS, keys::BY_ACCOUNT, keys::LINKS, keys::REMEMBERED, keys::GATES, keys::BODIES] {
        assert_eq!(count(&engine, prefix), 0, "{}", String::from_utf8_lossy(prefix));
    }
    while engine.prune(days(63).steady).unwrap() {}
    assert_eq!(count(&engine, keys::SETTLED), 0);
}

#[test]
fn a_letter_is_stored_once_however_many_are_told() {
    let mut engine = Engine::open(Box::new(MemoryKv::open(&Disk::default()))).unwrap();
    arrive(&mut engine, 1).unwrap();
    let (_, value) = engine.kv.scan(keys::LETTERS, None, 2).unwrap().remove(0);
    let record: LetterRecord = from_bytes(&value).unwrap();
    assert_eq!(record.known, []);
    assert_eq!(record.sighting.recipients().len(), 1);
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
    while engine.prune(now).unwrap() {}
    assert_eq!(engine.kv.scan(keys::BODIES, None, 50_000).unwrap().len(), 12_000);
}
