//! The accounts of the registry, as they are stored.

use super::engine::Engine;
use super::kv::{Batch, SLICE, all};
use super::record::{from_bytes, to_bytes};
use super::{Registry, StateError, Store, keys};
use crate::model::{AccountId, Registered};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// One account with what the vault made of its password; the store does not know what that is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The account.
    pub registered: Registered,
    /// Its sealed password.
    pub sealed: Option<Vec<u8>>,
}

/// Which accounts are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// This text is in the address, the userid, the recipients, the provider, the host or the note, in any case.
    pub text: String,
    /// Only of this standing, by its word; empty: of any.
    pub standing: String,
    /// Only of this user; empty: of anybody.
    pub user: String,
    /// Only of this provider; empty: of any.
    pub provider: String,
    /// Behind this one.
    pub after: Option<AccountId>,
    /// At most so many; 0: all.
    pub most: usize,
}

/// Accounts that fit, and whether there are more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// In the order of their addresses.
    pub accounts: Vec<Kept>,
    /// The last one, if there are more behind it.
    pub next: Option<AccountId>,
    /// So many records on the way could not be read.
    pub unread: usize,
}

impl Wanted {
    fn fits(&self, account: &Registered) -> bool {
        let entry = &account.entry;
        let is = |wanted: &str, there: &str| wanted.is_empty() || wanted.eq_ignore_ascii_case(there);
        let text = self.text.trim().to_lowercase();
        let has = |there: &str| there.to_lowercase().contains(&text);
        is(&self.standing, account.standing.word())
            && is(&self.user, &entry.user)
            && is(&self.provider, &entry.provider)
            && (text.is_empty()
                || [&entry.email, &entry.user, &entry.provider, &entry.host, &entry.note].into_iter().any(|t| has(t))
                || entry.recipients.iter().any(|t| has(t)))
    }
}

impl Engine {
    pub(super) fn registry(&self, wanted: &Wanted) -> Result<Page, StateError> {
        let mut page = Page::default();
        let mut after = wanted.after.as_ref().map(keys::registered);
        loop {
            let pairs = self.kv.scan(keys::REGISTRY, after.as_deref(), SLICE)?;
            let last = pairs.len() < SLICE;
            after = pairs.last().map(|(key, _)| key.clone());
            for (_, value) in pairs {
                // One that cannot be read is no account; it does not hold up the others.
                let Ok(kept) = from_bytes::<Kept>(&value) else {
                    page.unread += 1;
                    continue;
                };
                if !wanted.fits(&kept.registered) {
                    continue;
                }
                if wanted.most > 0 && page.accounts.len() == wanted.most {
                    page.next = page.accounts.last().map(|kept| kept.registered.entry.account());
                    return Ok(page);
                }
                page.accounts.push(kept);
            }
            if last {
                return Ok(page);
            }
        }
    }

    pub(super) fn registered(&self, account: &AccountId) -> Result<Option<Kept>, StateError> {
        self.kv.get(&keys::registered(account))?.map(|bytes| from_bytes(&bytes)).transpose()
    }

    pub(super) fn register(&mut self, accounts: &[Kept]) -> Result<(), StateError> {
        let mut batch = Batch::default();
        for kept in accounts {
            batch.put(keys::registered(&kept.registered.entry.account()), to_bytes(kept)?);
        }
        self.apply(batch)
    }

    pub(super) fn deregister(&mut self, accounts: &[AccountId]) -> Result<(), StateError> {
        let mut batch = Batch::default();
        for account in accounts {
            batch.delete(keys::registered(account));
            for prefix in [keys::marks(account), keys::bound_of(account)] {
                all(&*self.kv, &prefix, |pairs| {
                    pairs.into_iter().for_each(|(key, _)| batch.delete(key));
                    Ok(())
                })?;
            }
        }
        self.apply(batch)
    }
}

impl Registry for Store {
    fn accounts(&self, wanted: Wanted) -> BoxFuture<'_, Result<Page, StateError>> {
        Box::pin(self.step(false, move |engine| engine.registry(&wanted)))
    }

    fn account(&self, account: &AccountId) -> BoxFuture<'_, Result<Option<Kept>, StateError>> {
        let account = account.clone();
        Box::pin(self.step(false, move |engine| engine.registered(&account)))
    }

    fn register(&self, accounts: Vec<Kept>) -> BoxFuture<'_, Result<(), StateError>> {
        Box::pin(self.step(true, move |engine| engine.register(&accounts)))
    }

    fn deregister(&self, accounts: Vec<AccountId>) -> BoxFuture<'_, Result<(), StateError>> {
        Box::pin(self.step(true, move |engine| engine.deregister(&accounts)))
    }
}
