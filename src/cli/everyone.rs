//! All accounts, for the commands that look at them: those of the file, and those of the registry where it can be asked.

use super::operator;
use super::records::Source;
use crate::config::Config;
use crate::control::{Ask, AskError, Request};
use crate::model::{AccountId, Standing};
use crate::office::{self, Words};
use crate::state::{Page, Wanted};
use crate::vault::{MasterKey, Vault, VaultError};
use std::collections::HashSet;
use std::sync::Arc;

/// Accounts that are asked for at one time.
const SLICE: usize = 1000;

/// The config with the accounts of the registry among its own, as the service has them: the file's win, those that are
/// disabled or make no sense are left out. Where nobody can be asked, it is the config alone. `open`: the store itself may
/// be opened where no service has it.
pub(super) async fn with_registry(mut config: Config, open: bool) -> Config {
    let Some(source) = Source::quietly(&config, open).await else { return config };
    let vault = reader(&config).ok().flatten();
    let mut there: HashSet<AccountId> = config.accounts.iter().map(|account| account.id.clone()).collect();
    let mut after = None;
    loop {
        let wanted = Wanted { after, most: SLICE, ..Wanted::default() };
        let ask = Ask::Sealed { wanted };
        let asked: Result<Result<Page, Words>, AskError> =
            source.ask(Request::Office { by: operator::by(), ask }).await;
        let Ok(Ok(page)) = asked else { return config };
        for kept in page.accounts {
            let disabled = matches!(kept.registered.standing, Standing::Disabled { .. });
            let account = office::account_of(&config.desk, vault.as_ref(), &kept);
            if let (false, Ok(account)) = (disabled, account)
                && there.insert(account.id.clone())
            {
                config.accounts.push(account);
            }
        }
        after = page.next;
        if after.is_none() {
            return config;
        }
    }
}

/// The vault, to open passwords only.
fn reader(config: &Config) -> Result<Option<Arc<Vault>>, VaultError> {
    let Some(vault) = &config.vault else { return Ok(None) };
    let master = MasterKey::parse(&vault.master_key)?;
    let old = vault.old_master_key.as_ref().map(MasterKey::parse).transpose()?;
    Vault::reader(&vault.keyring, master, old).map(|vault| Some(Arc::new(vault)))
}
