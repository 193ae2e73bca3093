//! Sessions of the administrator's console: kept over restarts, never exported. Only a digest of a session's token is
//! stored, so nobody who reads the store can go on with one.

use super::engine::Engine;
use super::kv::{Batch, all};
use super::record::{from_bytes, to_bytes};
use super::store::Store;
use super::{StateError, keys};
use crate::model::{Timestamp, Who};
use crate::rules::sign_in;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Sessions of one person at one time; who begins one more ends the oldest.
const MOST: usize = 20;
/// That a session is used is noted this often.
const NOTED: Duration = Duration::from_secs(60);

/// What a session is stored under: the SHA-256 of its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// The key of the session with this token.
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// Who signed in. Times of the steady clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Who, in which role.
    pub who: Who,
    /// What it hangs on beside the role: a digest of the bootstrap token that opened it; empty for a member.
    pub proof: Vec<u8>,
    /// When it began.
    pub began: Timestamp,
    /// When it was last used, to the minute.
    pub used: Timestamp,
    /// From which address it began.
    pub from: String,
}

impl Session {
    fn is_over(&self, now: Timestamp) -> bool {
        sign_in::is_over(self.began, self.used, now)
    }
}

/// The sessions of the administrator's console.
pub trait Sessions: Send + Sync {
    /// Begins one, durably.
    fn begin_session(&self, key: SessionKey, session: Session) -> BoxFuture<'_, Result<(), StateError>>;
    /// The session, unless it is over ([`sign_in::is_over`]); it is used now.
    fn session(&self, key: SessionKey, now: Timestamp) -> BoxFuture<'_, Result<Option<Session>, StateError>>;
    /// Ends one, durably.
    fn end_session(&self, key: SessionKey) -> BoxFuture<'_, Result<(), StateError>>;
}

impl Sessions for Store {
    fn begin_session(&self, key: SessionKey, session: Session) -> BoxFuture<'_, Result<(), StateError>> {
        Box::pin(self.step(true, move |engine| engine.begin_session(key, &session)))
    }

    fn session(&self, key: SessionKey, now: Timestamp) -> BoxFuture<'_, Result<Option<Session>, StateError>> {
        Box::pin(self.step(false, move |engine| engine.session(key, now)))
    }

    fn end_session(&self, key: SessionKey) -> BoxFuture<'_, Result<(), StateError>> {
        Box::pin(self.step(true, move |engine| {
            let mut batch = Batch::default();
            batch.delete(keys::session(&key.0));
            engine.apply(batch)
        }))
    }
}

impl Engine {
    /// One more; those that are over are forgotten.
    fn begin_session(&mut self, key: SessionKey, session: &Session) -> Result<(), StateError> {
        let (mut batch, mut others) = (Batch::default(), Vec::new());
        all(&*self.kv, keys::SESSIONS, |pairs| {
            for (key, value) in pairs {
                match from_bytes::<Session>(&value) {
                    Ok(other) if other.is_over(session.began) => batch.delete(key),
                    Ok(other) if other.who == session.who => others.push((other.used, key)),
                    Ok(_) => {}
                    Err(_) => batch.delete(key),
                }
            }
            Ok(())
        })?;
        others.sort();
        for (_, key) in others.iter().take((others.len() + 1).saturating_sub(MOST)) {
            batch.delete(key.clone());
        }
        batch.put(keys::session(&key.0), to_bytes(session)?);
        self.apply(batch)
    }

    fn session(&mut self, key: SessionKey, now: Timestamp) -> Result<Option<Session>, StateError> {
        let key = keys::session(&key.0);
        let found = self.kv.get(&key)?.and_then(|bytes| from_bytes::<Session>(&bytes).ok());
        let Some(mut session) = found.filter(|session| !session.is_over(now)) else { return Ok(None) };
        if now.since(session.used) >= NOTED {
            session.used = now;
            let mut batch = Batch::default();
            batch.put(key, to_bytes(&session)?);
            self.apply(batch)?;
        }
        Ok(Some(session))
    }
}
