//! What people do not want to be told of.

use super::engine::Engine;
use super::kv::{Batch, all};
use super::record::{from_bytes, to_bytes};
use super::{StateError, keys};
use crate::model::{Mute, MuteId, Recipient, Timestamp};

impl Engine {
    /// The mutes that are not over.
    pub(super) fn mutes(&self, wall: Timestamp) -> Result<Vec<(MuteId, Mute)>, StateError> {
        let mut found = Vec::new();
        all(&*self.kv, keys::MUTES, |pairs| {
            for (key, value) in pairs {
                let id = keys::number_of(&key).map(MuteId);
                // One that cannot be read mutes nothing.
                let mute = from_bytes::<Mute>(&value).ok().filter(|mute| mute.until > wall);
                found.extend(id.zip(mute));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// One more; one of the same user about the same gives way to it, and those that are over are forgotten.
    pub(super) fn mute(&mut self, mute: &Mute) -> Result<MuteId, StateError> {
        let mut batch = Batch::default();
        all(&*self.kv, keys::MUTES, |pairs| {
            for (key, value) in pairs {
                let stays =
                    |other: Mute| other.until > mute.since && (&other.user, &other.what) != (&mute.user, &mute.what);
                if !from_bytes::<Mute>(&value).is_ok_and(stays) {
                    batch.delete(key);
                }
            }
            Ok(())
        })?;
        let id = MuteId(self.number()?);
        batch.put(keys::mute(id), to_bytes(mute)?);
        self.apply(batch)?;
        Ok(id)
    }

    /// Ends these, or (with `None`) all of a user. Answers which.
    pub(super) fn unmute(
        &mut self,
        user: &Recipient,
        ids: Option<&[MuteId]>,
        wall: Timestamp,
    ) -> Result<Vec<MuteId>, StateError> {
        let mut batch = Batch::default();
        let wanted = |id: &MuteId| ids.is_none_or(|ids| ids.contains(id));
        let ended: Vec<_> = self
            .mutes(wall)?
            .into_iter()
            .filter(|(id, mute)| mute.user == *user && wanted(id))
            .map(|(id, _)| id)
            .collect();
        for id in &ended {
            batch.delete(keys::mute(*id));
        }
        self.apply(batch)?;
        Ok(ended)
    }
}
