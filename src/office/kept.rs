//! Passwords between the vault and the store.

use crate::model::{AccountId, KeptSecret, Opens, Secret};
use crate::state::Kept;
use crate::vault::{Sealed, Vault};
use std::sync::Arc;

/// A password in the vault, opened for each login.
pub(super) struct InVault {
    vault: Arc<Vault>,
    account: AccountId,
    sealed: Sealed,
}

impl InVault {
    /// The password of a stored account, if it has one and there is a vault.
    pub(super) fn of(vault: Option<&Arc<Vault>>, kept: &Kept) -> Option<KeptSecret> {
        let (vault, sealed) = (vault?.clone(), sealed(kept)?);
        let account = kept.registered.entry.account();
        let mark: Arc<str> = sealed.mark().into();
        Some(KeptSecret::new(mark, Arc::new(Self { vault, account, sealed })))
    }
}

impl Opens for InVault {
    fn open(&self) -> Result<Secret, String> {
        self.vault.open_password(&self.account, &self.sealed).map_err(|error| error.to_string())
    }
}

/// The sealed password of a stored account.
pub(super) fn sealed(kept: &Kept) -> Option<Sealed> {
    serde_json::from_slice(kept.sealed.as_deref()?).ok()
}

/// As it is stored.
pub(super) fn bytes(sealed: &Sealed) -> Vec<u8> {
    serde_json::to_vec(sealed).unwrap_or_default()
}

/// Stands for a password while it is only asked whether all else makes sense.
pub(super) fn stand_in() -> KeptSecret {
    struct Nothing;
    impl Opens for Nothing {
        fn open(&self) -> Result<Secret, String> {
            Err("there is no password here".to_owned())
        }
    }
    KeptSecret::new("", Arc::new(Nothing))
}
