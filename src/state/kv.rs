//! The small face of a backend: ordered keys, whole batches, and a point from which everything before is durable.

use super::StateError;
use std::sync::Arc;

/// Changes that happen together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch(pub(super) Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl Batch {
    pub(super) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.0.push((key, Some(value)));
    }

    pub(super) fn delete(&mut self, key: Vec<u8>) {
        self.0.push((key, None));
    }
}

/// Keys and their values.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Wakes a call of the backend that waits for what has failed already; returns at once.
pub type Nudge = Arc<dyn Fn() + Send + Sync>;

/// A backend.
pub trait Kv: Send {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;
    /// At most `most` pairs whose keys begin with `prefix` and are greater than `after`, ascending.
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, most: usize) -> Result<Pairs, StateError>;
    /// Applies a batch whole. It is visible at once, durable after [`Kv::sync`].
    fn apply(&mut self, batch: Batch) -> Result<(), StateError>;
    /// Makes all that was applied survive the process and the power.
    fn sync(&mut self) -> Result<(), StateError>;
    /// For backends whose calls may sleep on after a failure.
    fn nudge(&self) -> Option<Nudge> {
        None
    }
}

/// How many pairs are read from the backend at one time.
pub(super) const SLICE: usize = 1000;

/// All pairs of a prefix, a slice at a time.
pub(super) fn all(
    kv: &dyn Kv,
    prefix: &[u8],
    mut each: impl FnMut(Pairs) -> Result<(), StateError>,
) -> Result<(), StateError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let pairs = kv.scan(prefix, after.as_deref(), SLICE)?;
        after = pairs.last().map(|(key, _)| key.clone());
        let last = pairs.len() < SLICE;
        each(pairs)?;
        if last {
            return Ok(());
        }
    }
}
