//! What the benchmarks share: headers, rules, letters, folders that grow, messages of a card's size, and what the machine
//! tells of this process.
#![allow(dead_code)] // each benchmark uses a part

pub mod headers;
pub mod messages;
pub mod rules;

use mailbell::model::{
    AccountId, AlertKind, Fate, Item, Letter, LetterId, Mark, Now, Owner, RawName, Recipient, Sender, Sighting,
    Timestamp, Urgency,
};
use mailbell::rules::acquaintance::of_address;
use mailbell::state::{Content, Draft, Met, Scan, Shape};
use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

/// Some moment; the steps are about its order only.
pub const NOW: Timestamp = Timestamp(1_795_223_287_000);
/// The same by both clocks.
pub const BOTH: Now = Now { steady: NOW, wall: NOW };

/// A folder that grows: each scan goes on where the last one ended.
pub struct Growing {
    account: AccountId,
    next: Cell<u32>,
}

impl Growing {
    /// The INBOX of an account.
    pub fn of(account: &str) -> Self {
        Self { account: AccountId::new(account), next: Cell::new(1) }
    }

    fn mark(&self) -> Mark {
        Mark { uid_validity: 7, next: self.next.get(), bound_at: NOW, looked_at: NOW, mailbox_id: None }
    }

    /// The first look: the folder is bound.
    pub fn bind(&self) -> Scan {
        Scan { from: None, ..self.scan(0) }
    }

    /// `count` new letters, each for a member of its own, so that no limit holds.
    pub fn scan(&self, count: u32) -> Scan {
        self.scan_for(count, |uid| vec![user(&format!("{}/{uid}", self.account))])
    }

    /// `count` new letters for the recipients that `to` names by UID.
    pub fn scan_for(&self, count: u32, to: impl Fn(u32) -> Vec<Recipient>) -> Scan {
        let from = Some(self.mark());
        let first = self.next.replace(self.next.get() + count);
        let met = Met {
            owner: Some(Owner::Shared(self.account.clone())),
            // Two letters of each sender.
            senders: (first..first + count).map(|uid| of_address(&format!("{}@corp.example", uid / 2))).collect(),
            colleagues: Vec::new(),
        };
        let letters = (first..first + count).map(|uid| Sighting {
            item: self.item(uid),
            uid,
            subscription: 1,
            urgency: Urgency::Normal,
            apart: Vec::new(),
            fate: Fate::Announce(to(uid)),
        });
        Scan {
            account: self.account.clone(),
            folder: RawName::new(b"INBOX"),
            from,
            to: self.mark(),
            letters: letters.collect(),
            met,
            deferred: Duration::ZERO,
            catching_up: false,
        }
    }

    fn item(&self, uid: u32) -> Item {
        let mut id = [0; 16];
        for (place, byte) in id.iter_mut().zip(uid.to_be_bytes().into_iter().chain(self.account.0.bytes())) {
            *place = byte;
        }
        let letter = Letter {
            id: LetterId(id),
            from: Sender { name: Some("张三".to_owned()), address: Some("zs@partner.example".to_owned()) },
            subject: Some(format!("关于第{uid}号合同付款安排的通知（请各部门于本周五前确认）")),
            time: NOW,
            size: 20_480,
            attachment: true,
            seen: false,
            readable: true,
            ..Letter::default()
        };
        Item { account: self.account.clone(), folder: "INBOX".into(), letter, told_at: NOW, away: None, card: None }
    }
}

/// A member.
pub fn user(name: &str) -> Recipient {
    Recipient::User(name.into())
}

/// One message of a card's size for whatever there is.
pub fn compose(to: &[Recipient], content: Content<'_>, Shape { number, .. }: Shape) -> Vec<Draft> {
    let Content::Letters(items) = content else { return Vec::new() };
    let body = format!("{to:?} {number} {}", "邮".repeat(250)).into_bytes();
    vec![Draft { to: to.to_vec(), kind: AlertKind::Letter, body, items: (0..items.len()).collect() }]
}

/// A line of `/proc/self/status`, in KiB.
pub fn memory_kib(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find(|text| text.starts_with(line)).and_then(|text| text.split_whitespace().nth(1));
    found.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// What the files of a directory hold, in bytes, and what they take on the disk.
pub fn size_of(directory: &Path) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    let mut sum = (0, 0);
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(about) = entry.metadata() else { continue };
        let (bytes, taken) = if about.is_dir() { size_of(&entry.path()) } else { (about.len(), about.blocks() * 512) };
        sum = (sum.0 + bytes, sum.1 + taken);
    }
    sum
}
