//! The backend of tests: a map that can crash and then has lost what was not synced.

use super::StateError;
use super::kv::{Batch, Kv, Pairs};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What survives a crash; shared by the stores that are opened on it one after another.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>, Arc<Mutex<Fails>>);

/// What a full disk refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fails {
    /// Nothing: it is not full.
    #[default]
    Nothing,
    /// Each write.
    Writes,
    /// Each sync: what was written is there, until a crash.
    Syncs,
}

impl Disk {
    /// From now on it fails so.
    pub fn fail(&self, fails: Fails) {
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = fails;
    }

    fn refuses(&self, what: Fails) -> Result<(), StateError> {
        match *self.1.lock().unwrap_or_else(PoisonError::into_inner) == what {
            true => Err(StateError::Write("no space left".to_owned())),
            false => Ok(()),
        }
    }
}

/// A store's view of a [`Disk`]. Dropping it without a sync is a crash.
#[derive(Debug)]
pub struct MemoryKv {
    disk: Disk,
    now: BTreeMap<Vec<u8>, Vec<u8>>,
    unsynced: Vec<Batch>,
}

impl MemoryKv {
    /// Opens a disk.
    pub fn open(disk: &Disk) -> Self {
        let now = disk.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { disk: disk.clone(), now, unsynced: Vec::new() }
    }
}

fn apply_to(map: &mut BTreeMap<Vec<u8>, Vec<u8>>, batch: &Batch) {
    for (key, value) in &batch.0 {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}

impl Kv for MemoryKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.now.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, most: usize) -> Result<Pairs, StateError> {
        let from = after.map_or_else(|| prefix.to_vec(), |key| [key, &[0]].concat());
        let pairs = self.now.range(from..).take_while(|(key, _)| key.starts_with(prefix)).take(most);
        Ok(pairs.map(|(k, v)| (k.clone(), v.clone())).collect())
    }

    fn apply(&mut self, batch: Batch) -> Result<(), StateError> {
        self.disk.refuses(Fails::Writes)?;
        apply_to(&mut self.now, &batch);
        self.unsynced.push(batch);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StateError> {
        self.disk.refuses(Fails::Syncs)?;
        let mut disk = self.disk.0.lock().unwrap_or_else(PoisonError::into_inner);
        for batch in self.unsynced.drain(..) {
            apply_to(&mut disk, &batch);
        }
        Ok(())
    }
}
