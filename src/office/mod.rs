//! The registry's office: every change of accounts that are not in the config file goes through here, whoever asks for it.
//! It is checked by the same rules as the file, noted in the audit before it is done, stored, and told to whoever watches.
//!
//! Promises:
//! - **O1** Nothing is changed that the audit could not note first.
//! - **O2** What was refused changes nothing.
//! - **O3** A change is durable when it is answered, and the running service goes by it without a restart.
//! - **O4** Once an account's removal is answered, its password cannot be opened any more, from whatever copy of the store.

mod deeds;
mod kept;
mod reconcile;
mod tell;
mod words;

pub use deeds::Tested;
pub use reconcile::Reconciled;
pub(crate) use tell::exposed;
pub use tell::{How, Outcome, Row, Turned};
pub use words::{OfficeError, Words};

use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::{self, Account, Config, Desk};
use crate::imap::MailSource;
use crate::model::{AccountId, By, Deed, Lang, Owner, Recipient, Registered, Standing};
use crate::state::{Kept, Page, Registry, State, Wanted};
use crate::supervise::finish;
use crate::vault::{KeyId, MasterKey, Vault};
use crate::watch::Hosts;
use crate::wecom::Directory;
use kept::InVault;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, mpsc};
use tracing::{info, warn};

/// Errands that may wait, and places among them that only changes of accounts take.
const ERRANDS: usize = 64;
const KEPT_PLACES: usize = 8;

/// What the office asks of the running service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// The accounts have changed: [`Office::watched`].
    Accounts,
    /// Look into this account now.
    Look(AccountId),
}

/// See the module's text. A clone is the same office.
#[derive(Clone)]
pub struct Office {
    registry: Arc<dyn Registry>,
    audit: Arc<Audit>,
    clock: Arc<dyn Clock>,
    /// One change at a time.
    work: Arc<Mutex<()>>,
    rules: Arc<RwLock<Rules>>,
    errands: mpsc::Sender<Errand>,
    worlds: Worlds,
}

/// What the office looks at outside.
#[derive(Clone)]
pub struct Worlds {
    /// The mail servers.
    pub mail: Mail,
    /// WeCom's members.
    pub directory: Arc<dyn Directory>,
    /// The outbox, for what administrators are told.
    pub state: Arc<dyn State>,
}

/// How logins are tried.
#[derive(Clone)]
pub struct Mail {
    /// Opens sessions.
    pub source: Arc<dyn MailSource>,
    /// The pace of logins.
    pub hosts: Arc<Hosts>,
}

/// What is known without the store.
struct Rules {
    desk: Arc<Desk>,
    vault: Option<Arc<Vault>>,
    /// The accounts of the file, and whose they are (`None`: shared): they win over those of the registry.
    of_file: HashMap<AccountId, Option<Arc<str>>>,
    /// `[directory]`
    directory: config::Directory,
    /// `audit.keep`
    keep: Duration,
    /// `[admin] recipients`, and their language.
    admins: Vec<Recipient>,
    lang: Lang,
    /// Whose leaving the administrators were told of, where it is only reported.
    told_reported: BTreeSet<AccountId>,
    /// The accounts of the registry, as they are to be watched.
    accounts: BTreeMap<AccountId, Desked>,
}

/// An account of the registry under the config as it is now.
#[derive(Clone)]
struct Desked {
    standing: Standing,
    /// `None`: it makes no sense under the config, for this reason.
    account: Result<Arc<Account>, Words>,
}

/// An account of the registry, with what the config makes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// As it is stored.
    #[serde(flatten)]
    pub account: Registered,
    /// Whether the file has one of the same address, which counts in its place.
    pub shadowed: bool,
    /// Why it cannot be watched under the config.
    pub trouble: Option<Words>,
}

/// Accounts that fit, and whether there are more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// In the order of their addresses.
    pub accounts: Vec<Listed>,
    /// The last one, if there are more behind it.
    pub next: Option<AccountId>,
}

impl Office {
    /// Opens the registry, and its vault where the config has one. Changes are told to `errands`.
    ///
    /// # Errors
    /// The store or the vault.
    pub async fn open(
        config: &Config,
        registry: Arc<dyn Registry>,
        audit: Arc<Audit>,
        clock: Arc<dyn Clock>,
        worlds: Worlds,
    ) -> Result<(Self, mpsc::Receiver<Errand>), OfficeError> {
        let (errands, to_do) = mpsc::channel(ERRANDS);
        let rules = Rules {
            desk: config.desk.clone(),
            vault: None,
            of_file: of_file(config),
            directory: config.directory,
            keep: config.audit.keep,
            admins: config.admin.recipients.clone(),
            lang: config.alerts.lang,
            told_reported: BTreeSet::new(),
            accounts: BTreeMap::new(),
        };
        let office =
            Self { registry, audit, clock, work: Arc::default(), rules: Arc::new(RwLock::new(rules)), errands, worlds };
        let vault = office.vault(config).await?;
        office.write(|rules| rules.vault = vault);
        office.destroy_orphans().await?;
        office.desk_all().await?;
        Ok((office, to_do))
    }

    /// Goes by a config that was read anew. Where its vault cannot be opened, the one before stays.
    ///
    /// # Errors
    /// The store or the vault; all the rest is applied all the same.
    pub async fn follow(&self, config: &Config) -> Result<(), OfficeError> {
        let _work = self.work().await;
        let vault = self.vault(config).await;
        self.write(|rules| {
            rules.desk = config.desk.clone();
            rules.of_file = of_file(config);
            rules.directory = config.directory;
            rules.keep = config.audit.keep;
            rules.admins = config.admin.recipients.clone();
            if let Ok(vault) = &vault {
                rules.vault = vault.clone();
            }
        });
        self.audit.copy_to(copies(config));
        self.desk_all().await?;
        vault.map(drop)
    }

    /// The vault that a config asks for: the one that is open, with the config's keys, or another one.
    async fn vault(&self, config: &Config) -> Result<Option<Arc<Vault>>, OfficeError> {
        let Some(wanted) = config.vault.clone() else { return Ok(None) };
        let open = self.read().vault.clone();
        let opened = off_the_loop(move || {
            let master = MasterKey::parse(&wanted.master_key)?;
            let old = wanted.old_master_key.as_ref().map(MasterKey::parse).transpose()?;
            match open.filter(|vault| vault.file() == wanted.keyring) {
                Some(vault) => vault.follow(master, old.as_ref()).map(|rotated| (vault, rotated)),
                None => Vault::open(&wanted.keyring, master, old.as_ref()).map(|(vault, done)| (Arc::new(vault), done)),
            }
        });
        let (vault, rotated) = opened.await??;
        if rotated {
            let deed = Deed::done(crate::model::What::VaultRotate, vault.master_id());
            self.note(&By::service(), &[deed]).await?;
            info!(master = vault.master_id(), "the data keys are wrapped by the new master key; old_master_key can go");
        }
        Ok(Some(vault))
    }

    /// Keys of passwords that no account has: left where the process died between keyring and store.
    async fn destroy_orphans(&self) -> Result<(), OfficeError> {
        let Some(vault) = self.read().vault.clone() else { return Ok(()) };
        let all = self.registry.accounts(Wanted::default()).await?;
        // A store that was begun anew, is the wrong one or cannot be read must not cost the keys of the right one.
        let unread = |kept: &Kept| kept.sealed.is_some() && kept::sealed(kept).is_none();
        if all.accounts.is_empty() || all.unread > 0 || all.accounts.iter().any(unread) {
            return Ok(());
        }
        let needed: HashSet<KeyId> = all.accounts.iter().filter_map(|kept| kept::sealed(kept)?.key()).collect();
        let gone = off_the_loop(move || vault.keep_only(&needed)).await??;
        if gone > 0 {
            info!(keys = gone, "data keys that no account needs were destroyed");
        }
        Ok(())
    }

    /// Reads all accounts of the registry under the config as it is now.
    async fn desk_all(&self) -> Result<(), OfficeError> {
        let all = self.registry.accounts(Wanted::default()).await?.accounts;
        let (desk, vault) = {
            let rules = self.read();
            (rules.desk.clone(), rules.vault.clone())
        };
        let accounts = off_the_loop(move || {
            all.iter().map(|kept| (kept.registered.entry.account(), desked(&desk, vault.as_ref(), kept))).collect()
        });
        let accounts: BTreeMap<AccountId, Desked> = accounts.await?;
        let wrong = accounts.values().filter(|desked| desked.account.is_err()).count();
        if wrong > 0 {
            warn!(
                accounts = wrong,
                "accounts of the registry cannot be watched under this config; `mailbell account list --standing wrong` names them"
            );
        }
        self.write(|rules| rules.accounts = accounts);
        Ok(())
    }

    /// Reads these accounts anew, and tells the service.
    async fn desk_again(&self, changed: &[Kept], gone: &[AccountId]) {
        self.write(|rules| {
            for id in gone {
                rules.accounts.remove(id);
            }
            for kept in changed {
                let fresh = desked(&rules.desk, rules.vault.as_ref(), kept);
                rules.accounts.insert(kept.registered.entry.account(), fresh);
            }
        });
        // Where nobody takes errands there is no service; where all places are taken, some of those say the same.
        let _ = self.errands.try_send(Errand::Accounts);
    }

    /// The accounts of the registry that are to be watched: the file's are not among them.
    pub fn watched(&self) -> Vec<Arc<Account>> {
        self.of_standing(|standing| !matches!(standing, Standing::Disabled { .. }))
    }

    /// The accounts that an administrator has disabled.
    pub fn disabled(&self) -> Vec<Arc<Account>> {
        self.of_standing(|standing| matches!(standing, Standing::Disabled { .. }))
    }

    fn of_standing(&self, fits: impl Fn(&Standing) -> bool) -> Vec<Arc<Account>> {
        let rules = self.read();
        let here =
            rules.accounts.iter().filter(|(id, desked)| fits(&desked.standing) && !rules.of_file.contains_key(*id));
        here.filter_map(|(_, desked)| desked.account.as_ref().ok().cloned()).collect()
    }

    /// Accounts that fit, in the order of their addresses. The standing `wrong` asks for those that cannot be watched
    /// under the config.
    ///
    /// # Errors
    /// The store.
    pub async fn list(&self, mut wanted: Wanted) -> Result<Listing, OfficeError> {
        let wrong_only = wanted.standing == "wrong";
        let most = wanted.most;
        if wrong_only {
            (wanted.standing, wanted.most) = (String::new(), 0);
        }
        let page = self.registry.accounts(wanted).await?;
        let mut listing = Listing { next: page.next, accounts: Vec::with_capacity(page.accounts.len()) };
        for kept in page.accounts {
            let listed = self.listed(kept.registered);
            if wrong_only && listed.trouble.is_none() {
                continue;
            }
            if wrong_only && most > 0 && listing.accounts.len() == most {
                listing.next = listing.accounts.last().map(|last| last.account.entry.account());
                break;
            }
            listing.accounts.push(listed);
        }
        Ok(listing)
    }

    /// The same as they are stored: their passwords are sealed.
    ///
    /// # Errors
    /// The store.
    pub async fn sealed(&self, wanted: Wanted) -> Result<Page, OfficeError> {
        Ok(self.registry.accounts(wanted).await?)
    }

    /// One account of the registry.
    ///
    /// # Errors
    /// The store.
    pub async fn show(&self, account: &AccountId) -> Result<Option<Listed>, OfficeError> {
        Ok(self.registry.account(account).await?.map(|kept| self.listed(kept.registered)))
    }

    fn listed(&self, account: Registered) -> Listed {
        let (id, rules) = (account.entry.account(), self.read());
        let trouble = rules.accounts.get(&id).and_then(|desked| desked.account.as_ref().err().cloned());
        Listed { shadowed: rules.of_file.contains_key(&id), trouble, account }
    }

    /// Has an account looked into now, if it is watched.
    ///
    /// # Errors
    /// Nobody watches it, or the audit.
    pub async fn look_now(&self, account: &AccountId, by: &By) -> Result<(), OfficeError> {
        self.note(by, &[Deed::done(crate::model::What::AccountSync, account.to_string())]).await?;
        // The last places are for what must not get lost.
        if self.errands.capacity() <= KEPT_PLACES {
            return Err(OfficeError::NotRunning);
        }
        self.errands.try_send(Errand::Look(account.clone())).map_err(|_| OfficeError::NotRunning)
    }

    /// Notes in the audit (O1).
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn note(&self, by: &By, deeds: &[Deed]) -> Result<(), OfficeError> {
        let (audit, by, deeds, at) = (self.audit.clone(), by.clone(), deeds.to_vec(), self.clock.wall());
        off_the_loop(move || audit.note(&by, &deeds, at)).await?.map_err(|error| OfficeError::Audit(error.to_string()))
    }

    /// Removes files of the audit that are older than `keep`.
    ///
    /// # Errors
    /// The audit cannot be written, or a file not removed.
    pub async fn rotate_audit(&self, keep: Duration) -> Result<(), OfficeError> {
        let (audit, at) = (self.audit.clone(), self.clock.wall());
        let rotated = off_the_loop(move || audit.rotate(keep, at)).await?;
        rotated.map_err(|error| OfficeError::Audit(error.to_string()))
    }

    /// How long the audit is kept, and `[directory]`, as the config has them now.
    pub fn policy(&self) -> (Duration, config::Directory) {
        let rules = self.read();
        (rules.keep, rules.directory)
    }

    /// Whether the registry has any account.
    pub fn has_accounts(&self) -> bool {
        !self.read().accounts.is_empty()
    }

    /// What came of deeds that were noted before they were done: a failure is noted behind them.
    async fn settled<T, E: Into<OfficeError>>(
        &self,
        done: Result<T, E>,
        deeds: &[Deed],
        by: &By,
    ) -> Result<T, OfficeError> {
        let error = match done {
            Ok(done) => return Ok(done),
            Err(error) => error.into(),
        };
        let failed = |deed: &Deed| Deed::refused(deed.what, deed.whom.clone(), format!("it failed: {error}"));
        self.note(by, &deeds.iter().map(failed).collect::<Vec<_>>()).await?;
        Err(error)
    }

    /// The audit.
    pub fn audit(&self) -> &Arc<Audit> {
        &self.audit
    }

    async fn work(&self) -> MutexGuard<'_, ()> {
        self.work.lock().await
    }

    fn read(&self) -> RwLockReadGuard<'_, Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.rules.write().unwrap_or_else(PoisonError::into_inner));
    }
}

fn of_file(config: &Config) -> HashMap<AccountId, Option<Arc<str>>> {
    let whose = |owner: &Owner| match owner {
        Owner::User(user) => Some(user.clone()),
        Owner::Shared(_) => None,
    };
    config.accounts.iter().map(|account| (account.id.clone(), whose(&account.owner))).collect()
}

/// The audit's second places, as a config names them.
pub fn copies(config: &Config) -> crate::audit::Copies {
    use crate::audit::Syslog;
    use crate::config::SyslogTo;
    let syslog = config.audit.syslog.clone().map(|to| match to {
        SyslogTo::Local(path) => Syslog::Local(path),
        SyslogTo::Udp(to) => Syslog::Udp(to),
        SyslogTo::Tcp(to) => Syslog::Tcp(to),
    });
    crate::audit::Copies { file: config.audit.copy_to.clone(), syslog }
}

/// What the config makes of a stored account.
fn desked(desk: &Desk, vault: Option<&Arc<Vault>>, kept: &Kept) -> Desked {
    let entry = &kept.registered.entry;
    let account = match (InVault::of(vault, kept), kept.registered.has_password) {
        (None, true) => Err(Words::no_vault()),
        (password, _) => desk.account(entry, password).map(Arc::new).map_err(|problems| Words::of(&problems)),
    };
    Desked { standing: kept.registered.standing.clone(), account }
}

/// An account of the registry as a command uses it that asks a service for it: with its password, if this vault opens it.
///
/// # Errors
/// It makes no sense under the config.
pub fn account_of(desk: &Desk, vault: Option<&Arc<Vault>>, kept: &Kept) -> Result<Arc<Account>, Words> {
    let password = InVault::of(vault, kept).or_else(|| kept.registered.has_password.then(kept::stand_in));
    desk.account(&kept.registered.entry, password).map(Arc::new).map_err(|problems| Words::of(&problems))
}

/// Carries a change through, also where who asked for it goes away: what is noted is done, and what is done is whole.
async fn whole<T: Send + 'static>(
    change: impl Future<Output = Result<T, OfficeError>> + Send + 'static,
) -> Result<T, OfficeError> {
    finish(change).await.map_err(OfficeError::Failed)?
}

/// Runs what waits for a disk or computes for long beside the loop.
async fn off_the_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, OfficeError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| OfficeError::Failed(error.to_string()))
}
