//! A store of the first format, as it was written then, and what it is now.

use super::*;
use crate::state::engine::Engine;
use crate::state::kv::Pairs;
use crate::state::memory::{Disk, MemoryKv};
use crate::state::{Content, Draft, Shape};

fn user() -> Recipient {
    Recipient::User("zhangsan".into())
}

fn item(number: u8) -> FirstItem {
    let letter = FirstLetter {
        id: LetterId([number; 16]),
        from: Sender::default(),
        subject: Some(format!("letter {number}")),
        time: Timestamp(5),
        size: 1,
        attachment: false,
        seen: false,
        readable: true,
    };
    FirstItem { account: AccountId::new("a@b.example"), folder: "INBOX".into(), letter, told_at: Timestamp(7) }
}

/// Two letters that wait, an alert that was tried, one that is dead, a gate, and what is remembered of all of them.
fn first(disk: &Disk) {
    let mut batch = Batch::default();
    let key = |prefix: &[u8], number: u64| [prefix, b"user:zhangsan\0", &number.to_be_bytes()].concat();
    batch.put(keys::VERSION.to_vec(), vec![1]);
    batch.put(keys::NUMBER.to_vec(), to_bytes(&100_u64).unwrap());
    for number in [1, 2] {
        batch.put(key(FIRST_WAITING, number), to_bytes(&item(u8::try_from(number).unwrap())).unwrap());
    }
    for (id, dead) in [(3_u64, None), (4, Some("81013 gone".to_owned()))] {
        let number = u8::try_from(id).unwrap();
        let alert = FirstAlert {
            recipient: user(),
            kind: AlertKind::Letter,
            items: vec![item(number)],
            body: format!("body {id}").into_bytes(),
            tries: 2,
            made_at: Timestamp(8),
            next_at: Timestamp(9),
            dead,
        };
        batch.put([FIRST_ALERTS, &id.to_be_bytes()].concat(), to_bytes(&alert).unwrap());
    }
    for number in 1..=5 {
        batch.put(keys::remembered(&user(), LetterId([number; 16])), to_bytes(&Timestamp(7)).unwrap());
    }
    batch.put([FIRST_GATES, b"user:zhangsan\0"].concat(), to_bytes(&vec![Timestamp(8); 29]).unwrap());
    let mut kv = MemoryKv::open(disk);
    kv.apply(batch).unwrap();
    kv.sync().unwrap();
}

fn compose(to: &[Recipient], content: Content<'_>, _: Shape) -> Vec<Draft> {
    let Content::Letters(items) = content else { return Vec::new() };
    let subjects: Vec<_> = items.iter().filter_map(|item| item.letter.subject.clone()).collect();
    vec![Draft {
        to: to.to_vec(),
        kind: AlertKind::Digest,
        body: subjects.join("+").into_bytes(),
        items: (0..items.len()).collect(),
    }]
}

fn at(ms: i64) -> Now {
    Now { steady: Timestamp(ms), wall: Timestamp(ms) }
}

fn check(engine: &mut Engine) {
    assert_eq!((engine.index.outbox().waiting, engine.index.outbox().open, engine.index.outbox().dead), (2, 1, 1));
    assert!(engine.claim(at(100), 9, &compose).unwrap().is_empty(), "the gate is full, as it was");
    let mut bodies: Vec<_> = engine
        .claim(at(100_000), 9, &compose)
        .unwrap()
        .into_iter()
        .map(|claim| (String::from_utf8(claim.body).unwrap(), claim.tries))
        .collect();
    bodies.sort();
    assert_eq!(bodies, [("body 3".to_owned(), 3), ("letter 1+letter 2".to_owned(), 1)]);
    let known: Remembered =
        from_bytes(&engine.kv.get(&keys::remembered(&user(), LetterId([5; 16]))).unwrap().unwrap()).unwrap();
    assert_eq!(known.at, Timestamp(7));
    for prefix in [FIRST_WAITING, FIRST_ALERTS, FIRST_GATES, keys::ASIDE] {
        assert!(engine.kv.scan(prefix, None, 9).unwrap().is_empty());
    }
    assert_eq!(engine.kv.get(keys::VERSION).unwrap(), Some(vec![STORE_VERSION]));
}

#[test]
fn a_store_of_the_first_format_loses_nothing() {
    let disk = Disk::default();
    first(&disk);
    check(&mut Engine::open(Box::new(MemoryKv::open(&disk))).unwrap());
}

/// Fails after some batches, as a process that dies.
struct Dying(MemoryKv, usize);

impl Kv for Dying {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.0.get(key)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, most: usize) -> Result<Pairs, StateError> {
        self.0.scan(prefix, after, most)
    }

    fn apply(&mut self, batch: Batch) -> Result<(), StateError> {
        if self.1 == 0 {
            return Err(StateError::Closed);
        }
        self.1 -= 1;
        self.0.apply(batch)?;
        self.0.sync()
    }

    fn sync(&mut self) -> Result<(), StateError> {
        self.0.sync()
    }
}

#[test]
fn a_migration_that_dies_is_gone_on_with() {
    for steps in 0..8 {
        let disk = Disk::default();
        first(&disk);
        let died = Engine::open(Box::new(Dying(MemoryKv::open(&disk), steps)));
        assert_eq!(died.is_err(), steps < 5, "{steps}");
        drop(died);
        check(&mut Engine::open(Box::new(MemoryKv::open(&disk))).unwrap());
    }
}
