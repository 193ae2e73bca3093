//! The steps of the state over a key-value backend, one at a time: opening, marks, budgets, clocks, the channel.

use super::index::Index;
use super::kv::{Batch, Kv, all};
use super::record::{STORE_VERSION, from_bytes, mark_from_bytes, mark_to_bytes, to_bytes};
use super::{Limits, StateError, keys, migrate};
use crate::clock::Anchor;
use crate::model::{AccountId, AlertId, Mark, Now, Owner, RawName, Timestamp};
use crate::rules::budget::{self, Allowance, Permit, Spent};
use crate::rules::governor;
use crate::rules::line::Line;
use std::collections::{HashMap, HashSet};
use std::time::Instant;

/// Numbers are reserved in blocks, so that none is given twice.
const NUMBERS: u64 = 1000;

/// See the module's text.
pub(super) struct Engine {
    pub(super) kv: Box<dyn Kv>,
    /// Whether something was applied that is not durable yet.
    unsynced: bool,
    pub(super) index: Index,
    pub(super) limits: Limits,
    next_number: u64,
    reserved: u64,
    latest: Timestamp,
    /// When the limits were given.
    governed: Option<(Now, Instant)>,
    /// When the service last lived, before this process.
    pub(super) last_beat: Option<Timestamp>,
    /// Where pruning goes on, by prefix.
    pub(super) pruned: HashMap<&'static [u8], Vec<u8>>,
    /// The alerts of the last round of claiming, in case its sync fails.
    pub(super) last_claimed: Vec<AlertId>,
}

/// What an engine knows that is not stored.
#[derive(Clone, Copy, Default)]
pub(super) struct Memory {
    limits: Limits,
    governed: Option<(Now, Instant)>,
    last_beat: Option<Timestamp>,
}

impl Engine {
    /// Opens the state over a backend: checks the format, brings an older one forward and builds the index of what is
    /// due. Claims of a dead process are void.
    pub(super) fn open(mut kv: Box<dyn Kv>) -> Result<Self, StateError> {
        match kv.get(keys::VERSION)?.as_deref() {
            None => {
                let mut batch = Batch::default();
                batch.put(keys::VERSION.to_vec(), vec![STORE_VERSION]);
                kv.apply(batch)?;
                kv.sync()?;
            }
            Some([STORE_VERSION]) => {}
            Some([found]) if *found > STORE_VERSION => {
                return Err(StateError::Newer { found: *found, known: STORE_VERSION });
            }
            Some([found]) if *found > 0 => migrate::forward(&mut *kv, *found)?,
            Some(other) => return Err(StateError::Record(format!("format {other:?}"))),
        }
        let reserved = match kv.get(keys::NUMBER)? {
            Some(bytes) => from_bytes(&bytes)?,
            None => 1,
        };
        let last_beat = kv.get(keys::BEAT)?.and_then(|bytes| from_bytes(&bytes).ok());
        let mut aside = Batch::default();
        let index = Index::load(&*kv, &mut aside)?;
        if !aside.0.is_empty() {
            kv.apply(aside)?;
        }
        let mut engine = Self {
            unsynced: false,
            kv,
            index,
            limits: Limits::default(),
            next_number: reserved,
            reserved,
            latest: Timestamp(0),
            governed: None,
            last_beat,
            pruned: HashMap::new(),
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
        let mut latest = self.index.latest_sent();
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

    /// All numbers given so far are smaller.
    pub(super) fn next_number(&self) -> u64 {
        self.next_number
    }

    /// What the process knows and the backend does not.
    pub(super) fn memory(&self) -> Memory {
        Memory { limits: self.limits, governed: self.governed, last_beat: self.last_beat }
    }

    /// Goes on for an engine of the same process, whose claims these were.
    pub(super) fn take_over(&mut self, memory: &Memory, claimed: &HashSet<AlertId>) {
        self.index.take_over(claimed);
        self.last_beat = memory.last_beat;
        if let Some((then, at)) = memory.governed {
            let now = Now { steady: then.steady.plus(at.elapsed()), wall: then.wall.plus(at.elapsed()) };
            self.govern(memory.limits, now);
        }
    }

    pub(super) fn govern(&mut self, limits: Limits, now: Now) {
        self.limits = limits;
        self.governed = Some((now, Instant::now()));
        // Times of a clock that was set back since would count as now for as long as they lie ahead.
        for gate in self.index.gates.values_mut() {
            governor::set_back(&mut gate.sent, now.steady);
        }
        self.index.plan_digests(limits.digest_every, now);
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

    pub(super) fn touch(&mut self, account: &AccountId, folder: &RawName, mark: Mark) -> Result<(), StateError> {
        let key = keys::mark(account, folder);
        // The account was unbound meanwhile: bound again, it begins anew.
        if self.kv.get(&key)?.is_none() {
            return Ok(());
        }
        let mut batch = Batch::default();
        batch.put(key, mark_to_bytes(&mark)?);
        self.apply(batch)
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

    pub(super) fn anchor(&self) -> Result<(Option<Anchor>, Timestamp), StateError> {
        let anchor = self.kv.get(keys::ANCHOR)?.map(|bytes| from_bytes(&bytes)).transpose()?;
        Ok((anchor, self.latest))
    }

    pub(super) fn set_anchor(&mut self, anchor: &Anchor) -> Result<(), StateError> {
        let mut batch = Batch::default();
        batch.put(keys::ANCHOR.to_vec(), to_bytes(anchor)?);
        self.apply(batch)
    }

    /// One that cannot be read is as good as none: the channel is tried.
    pub(super) fn line(&self) -> Result<Line, StateError> {
        Ok(self.kv.get(keys::LINE)?.and_then(|bytes| from_bytes(&bytes).ok()).unwrap_or_default())
    }

    pub(super) fn set_line(&mut self, line: &Line) -> Result<(), StateError> {
        let mut batch = Batch::default();
        batch.put(keys::LINE.to_vec(), to_bytes(line)?);
        self.apply(batch)
    }

    pub(super) fn beat(&mut self, wall: Timestamp) -> Result<(), StateError> {
        let mut batch = Batch::default();
        batch.put(keys::BEAT.to_vec(), to_bytes(&wall)?);
        self.apply(batch)
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
