//! What is done with accounts that are there: disabled, enabled, unbound, tested.

use super::{How, Office, OfficeError, Row, Turned, Words, kept};
use crate::advice::for_imap;
use crate::config::Account;
use crate::imap::{ImapError, MailSource};
use crate::model::{AccountId, By, Deed, Lang, Registered, Secret, Standing, What};
use crate::state::Kept;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// For one login that is tried, whatever the config allows.
const TEST_LIMIT: Duration = Duration::from_secs(60);

/// What came of trying a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// How many folders were seen.
    pub folders: usize,
    /// What the mail server said, or what went wrong before it could; `None`: the login is good.
    pub error: Option<String>,
    /// What to do then, in lines.
    pub advice: Words,
}

impl Office {
    /// Gives an account another password; the one before cannot be opened any more, from whatever copy.
    ///
    /// # Errors
    /// Nothing was done.
    pub async fn set_password(&self, account: &AccountId, password: Secret, by: &By) -> Result<(), OfficeError> {
        let kept = self.kept(account).await?;
        let row = Row { entry: kept.registered.entry, password: Some(password), disabled: None };
        let told = self.tell(vec![row], How { only_there: true, ..How::default() }, by).await?;
        match told.into_iter().next().map(|outcome| outcome.turned) {
            Some(Turned::Wrong(words)) => Err(OfficeError::Wrong(words)),
            _ => Ok(()),
        }
    }

    /// Disables accounts, with a reason, or (`None`) enables them. Answers for how many that changed something.
    ///
    /// # Errors
    /// Nothing was done.
    pub async fn disable(&self, accounts: &[AccountId], why: Option<String>, by: &By) -> Result<usize, OfficeError> {
        let (office, accounts, by) = (self.clone(), accounts.to_vec(), by.clone());
        super::whole(async move { office.disable_now(&accounts, why, &by).await }).await
    }

    async fn disable_now(&self, accounts: &[AccountId], why: Option<String>, by: &By) -> Result<usize, OfficeError> {
        let since = self.clock.wall();
        self.stand(accounts, by, |standing| match (&why, standing) {
            (Some(_), Standing::Disabled { .. }) | (None, Standing::Enabled | Standing::Leaving { .. }) => None,
            (Some(why), _) => {
                let deed = Deed::done(What::AccountDisable, "").with("why", why.clone());
                Some((Standing::Disabled { since, why: why.clone() }, deed))
            }
            (None, _) => Some((Standing::Enabled, Deed::done(What::AccountEnable, ""))),
        })
        .await
    }

    /// Marks accounts as those of leavers, or as not any more. Answers for how many that changed something.
    ///
    /// # Errors
    /// Nothing was done.
    pub async fn leave(&self, accounts: &[AccountId], leaving: bool, by: &By) -> Result<usize, OfficeError> {
        let since = self.clock.wall();
        self.stand(accounts, by, |standing| match (leaving, standing) {
            (true, Standing::Enabled) => Some((Standing::Leaving { since }, Deed::done(What::Leaver, ""))),
            (false, Standing::Leaving { .. }) => Some((Standing::Enabled, Deed::done(What::Return, ""))),
            _ => None,
        })
        .await
    }

    async fn stand(
        &self,
        accounts: &[AccountId],
        by: &By,
        change: impl Fn(&Standing) -> Option<(Standing, Deed)>,
    ) -> Result<usize, OfficeError> {
        let _work = self.work().await;
        let (mut all, mut deeds) = (Vec::new(), Vec::new());
        for account in accounts {
            // Whoever was removed meanwhile does not hold up the others.
            let mut kept = match self.kept(account).await {
                Err(OfficeError::Unknown(_)) if accounts.len() > 1 => continue,
                kept => kept?,
            };
            let Some((standing, deed)) = change(&kept.registered.standing) else { continue };
            kept.registered.standing = standing;
            kept.registered.changed = self.clock.wall();
            deeds.push(Deed { whom: account.to_string(), ..deed }.with("user", kept.registered.entry.user.clone()));
            all.push(kept);
        }
        self.note(by, &deeds).await?;
        let stored = self.registry.register(all.clone()).await;
        self.settled(stored, &deeds, by).await?;
        self.desk_again(&all, &[]).await;
        Ok(all.len())
    }

    /// Unbinds accounts: they are not watched any more, their passwords are destroyed (O4), and bound again they begin
    /// anew. Answers which there were.
    ///
    /// # Errors
    /// The audit or the store: nothing was done. The vault: the accounts are gone, their keys are destroyed at the next
    /// start.
    pub async fn remove(&self, accounts: &[AccountId], why: &str, by: &By) -> Result<Vec<AccountId>, OfficeError> {
        let (office, accounts, why, by) = (self.clone(), accounts.to_vec(), why.to_owned(), by.clone());
        super::whole(async move { office.remove_those(&accounts, |_| true, &why, &by).await }).await
    }

    /// Unbinds those of these accounts that still are as `still` says, looked at under the lock.
    pub(super) async fn remove_those(
        &self,
        accounts: &[AccountId],
        still: impl Fn(&Registered) -> bool + Send,
        why: &str,
        by: &By,
    ) -> Result<Vec<AccountId>, OfficeError> {
        let _work = self.work().await;
        let (mut gone, mut deeds, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for account in accounts {
            let Some(kept) = self.registry.account(account).await?.filter(|kept| still(&kept.registered)) else {
                continue;
            };
            let key = kept::sealed(&kept).and_then(|sealed| sealed.key());
            let mut deed = Deed::done(What::AccountRemove, account.to_string())
                .with("user", kept.registered.entry.user.clone())
                .with("credential", if key.is_some() { "destroyed" } else { "none" });
            if !why.is_empty() {
                deed = deed.with("why", why);
            }
            deeds.push(deed);
            keys.extend(key);
            gone.push(account.clone());
        }
        // Without the keyring nothing can be destroyed, and the audit must not say that it was.
        let vault = self.read().vault.clone();
        if vault.is_none() && !keys.is_empty() {
            return Err(OfficeError::NoVault);
        }
        self.note(by, &deeds).await?;
        let forgotten = self.registry.deregister(gone.clone()).await;
        self.settled(forgotten, &deeds, by).await?;
        self.desk_again(&[], &gone).await;
        if let Some(vault) = vault.filter(|_| !keys.is_empty()) {
            let destroyed = super::off_the_loop(move || vault.destroy(&keys)).await?;
            self.settled(destroyed, &deeds, by).await?;
        }
        Ok(gone)
    }

    /// Tries the login of an account, in its host's turn.
    ///
    /// # Errors
    /// The account is not there, or makes no sense under the config.
    pub async fn test(&self, account: &AccountId, by: &By) -> Result<Tested, OfficeError> {
        let tried = self.to_test(account)?;
        let server = &tried.provider.server;
        let turn = self.worlds.mail.hosts.turn(&server.host, server.port, || {}).await;
        let tested = tokio::time::timeout(TEST_LIMIT, look(&*self.worlds.mail.source, &tried)).await;
        drop(turn);
        let limit = ImapError::Timeout { step: "the login", limit: TEST_LIMIT };
        let tested = tested.unwrap_or(Err(limit));
        let deed = match &tested {
            Ok(_) => Deed::done(What::AccountTest, account.to_string()),
            Err(error) => Deed::refused(What::AccountTest, account.to_string(), error.to_string()),
        };
        self.note(by, &[deed]).await?;
        Ok(match tested {
            Ok(folders) => Tested { folders, error: None, advice: Words::default() },
            Err(error) => {
                let advice = Words::new(for_imap(&error, &tried, Lang::ZhCn), for_imap(&error, &tried, Lang::En));
                Tested { folders: 0, error: Some(error.to_string()), advice }
            }
        })
    }

    /// The account as its login is to be tried.
    fn to_test(&self, account: &AccountId) -> Result<Arc<Account>, OfficeError> {
        let desked = self.read().accounts.get(account).map(|desked| desked.account.clone());
        desked.ok_or_else(|| OfficeError::Unknown(account.clone()))?.map_err(OfficeError::Wrong)
    }

    async fn kept(&self, account: &AccountId) -> Result<Kept, OfficeError> {
        match self.registry.account(account).await? {
            Some(kept) => Ok(kept),
            None if self.read().of_file.contains_key(account) => Err(OfficeError::OfFile(account.clone())),
            None => Err(OfficeError::Unknown(account.clone())),
        }
    }
}

async fn look(source: &dyn MailSource, account: &Account) -> Result<usize, ImapError> {
    let mut session = source.connect(account).await?;
    let folders = session.folders().await?.len();
    session.logout().await;
    Ok(folders)
}
