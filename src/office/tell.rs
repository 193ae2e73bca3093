//! Telling the office of accounts: one typed by a person, or ten thousand of a sheet.

use super::{Office, OfficeError, Words, kept};
use crate::config::Desk;
use crate::model::{AccountId, By, Deed, Entry, Registered, Secret, Standing, What};
use crate::state::Kept;
use crate::vault::KeyId;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What is told of one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its keys.
    pub entry: Entry,
    /// Its password; `None`: the one that is stored, if there is one.
    #[serde(default, with = "exposed", skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// Whether it is to be disabled; `None`: as it is, and enabled where it is new.
    pub disabled: Option<bool>,
}

/// How rows are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct How {
    /// Only says what would be done.
    pub dry_run: bool,
    /// Does what is right where something is wrong; else nothing is done then.
    pub partial: bool,
    /// Accounts that are there already are wrong.
    pub only_new: bool,
    /// Accounts that are not there (any more) are wrong.
    #[serde(default)]
    pub only_there: bool,
}

/// What becomes of one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The account.
    pub account: AccountId,
    /// What is, or would be, done.
    pub turned: Turned,
}

/// What is, or would be, done with an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turned {
    /// It is new.
    Added,
    /// These of its keys changed.
    Changed(Vec<String>),
    /// Nothing changed.
    Unchanged,
    /// It is wrong.
    Wrong(Words),
}

/// Secrets on their way through the control socket, and nowhere else.
pub(crate) mod exposed {
    use crate::model::Secret;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(secret: &Option<Secret>, to: S) -> Result<S::Ok, S::Error> {
        match secret {
            Some(secret) => to.serialize_some(secret.expose()),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map(Secret::new))
    }
}

/// An account as it will be, before its password is sealed.
struct Planned {
    registered: Registered,
    /// What is stored of its password now.
    sealed: Option<Vec<u8>>,
    /// The key of the password that it had.
    former: Option<KeyId>,
    password: Option<Secret>,
    turned: Turned,
}

impl Office {
    /// Takes what is told of accounts. What becomes of each is answered in order; where something is wrong, nothing is
    /// done unless `how.partial`.
    ///
    /// # Errors
    /// Nothing was done.
    pub async fn tell(&self, rows: Vec<Row>, how: How, by: &By) -> Result<Vec<Outcome>, OfficeError> {
        let (office, by) = (self.clone(), by.clone());
        super::whole(async move { office.told(rows, how, &by).await }).await
    }

    async fn told(&self, rows: Vec<Row>, how: How, by: &By) -> Result<Vec<Outcome>, OfficeError> {
        let _work = self.work().await;
        let mut plans = Vec::with_capacity(rows.len());
        let mut seen = HashMap::new();
        for (at, row) in rows.into_iter().enumerate() {
            let account = row.entry.account();
            let planned = match seen.insert(account.clone(), at) {
                Some(first) => Err(Words::new(
                    format!("与第 {} 条重复", first + 1),
                    format!("the same account as number {}", first + 1),
                )),
                None => self.plan(row, how).await?,
            };
            plans.push((account, planned));
        }
        let outcomes: Vec<_> = plans.iter().map(|(account, planned)| outcome(account, planned)).collect();
        let wrong = plans.iter().any(|(_, planned)| planned.is_err());
        if how.dry_run || (wrong && !how.partial) {
            return Ok(outcomes);
        }
        let good = plans.into_iter().filter_map(|(_, planned)| planned.ok());
        self.carry_out(good.filter(|planned| planned.turned != Turned::Unchanged).collect(), by).await?;
        Ok(outcomes)
    }

    /// What a row comes to.
    async fn plan(&self, row: Row, how: How) -> Result<Result<Planned, Words>, OfficeError> {
        let (account, now) = (row.entry.account(), self.clock.wall());
        let there = self.registry.account(&account).await?;
        if how.only_new && there.is_some() {
            return Ok(Err(Words::new("已经登记过", "is in the registry already")));
        }
        if how.only_there && there.is_none() {
            return Ok(Err(Words::new("已不在登记表中", "is not in the registry any more")));
        }
        let (desk, vault) = {
            let rules = self.read();
            (rules.desk.clone(), rules.vault.clone())
        };
        if row.password.is_some() && vault.is_none() {
            return Ok(Err(Words::no_vault()));
        }
        let sealed = there.as_ref().and_then(|kept| kept.sealed.clone());
        let has_password = row.password.is_some() || sealed.is_some();
        let stand_in = has_password.then(kept::stand_in);
        if let Err(problems) = desk.account(&row.entry, stand_in) {
            return Ok(Err(Words::of(&problems)));
        }
        if let (None, Some(kept)) = (&row.password, &there)
            && sealed.is_some()
            && moves(&desk, &kept.registered.entry, &row.entry)
        {
            return Ok(Err(Words::new(
                "服务器变了：请同时重新填写密码（已保存的密码不会发给另一台服务器）",
                "the server changes: give the password again (a stored one is not sent to another server)",
            )));
        }
        let same_password = match (&row.password, &there, &vault) {
            (Some(password), Some(kept), Some(vault)) => kept::sealed(kept)
                .and_then(|sealed| vault.open_password(&account, &sealed).ok())
                .is_some_and(|stored| stored == *password),
            (None, ..) => true,
            _ => false,
        };
        let former = there.as_ref().and_then(kept::sealed).and_then(|sealed| sealed.key());
        let (registered, turned) = merged(row.entry, row.disabled, there, (has_password, same_password), now);
        let password = row.password.filter(|_| !same_password);
        Ok(Ok(Planned { registered, sealed, former: former.filter(|_| password.is_some()), password, turned }))
    }

    /// Notes, seals, stores, and destroys the keys of passwords that are replaced.
    async fn carry_out(&self, plans: Vec<Planned>, by: &By) -> Result<(), OfficeError> {
        if plans.is_empty() {
            return Ok(());
        }
        let deeds: Vec<_> = plans.iter().map(deed).collect();
        self.note(by, &deeds).await?;
        let vault = self.read().vault.clone();
        let to_seal: Vec<_> =
            plans.iter().filter_map(|p| Some((p.registered.entry.account(), p.password.clone()?))).collect();
        let mut sealed = match vault.clone().filter(|_| !to_seal.is_empty()) {
            Some(vault) => {
                let sealed = super::off_the_loop(move || vault.seal(&to_seal)).await?;
                self.settled(sealed, &deeds, by).await?
            }
            None => Vec::new(),
        }
        .into_iter();
        let former: Vec<_> = plans.iter().filter_map(|planned| planned.former).collect();
        let mut all = Vec::with_capacity(plans.len());
        for planned in plans {
            let fresh = if planned.password.is_some() {
                sealed.next().map(|sealed| kept::bytes(&sealed))
            } else {
                planned.sealed
            };
            all.push(Kept { registered: planned.registered, sealed: fresh });
        }
        let stored = self.registry.register(all.clone()).await;
        self.settled(stored, &deeds, by).await?;
        self.desk_again(&all, &[]).await;
        if let Some(vault) = vault.filter(|_| !former.is_empty()) {
            super::off_the_loop(move || vault.destroy(&former)).await??;
        }
        Ok(())
    }
}

/// Whether the account would be at another server than the one that its password was given for.
fn moves(desk: &Desk, before: &Entry, now: &Entry) -> bool {
    let server = |entry: &Entry| {
        let account = desk.account(entry, Some(kept::stand_in())).ok()?;
        let server = &account.provider.server;
        Some((server.host.clone(), server.port, server.tls))
    };
    match (server(before), server(now)) {
        (Some(before), Some(now)) => before != now,
        _ => {
            (&before.provider, &before.host, before.port, &before.tls) != (&now.provider, &now.host, now.port, &now.tls)
        }
    }
}

fn outcome(account: &AccountId, planned: &Result<Planned, Words>) -> Outcome {
    let turned = match planned {
        Ok(planned) => planned.turned.clone(),
        Err(words) => Turned::Wrong(words.clone()),
    };
    Outcome { account: account.clone(), turned }
}

fn deed(planned: &Planned) -> Deed {
    let whom = planned.registered.entry.email.clone();
    match &planned.turned {
        Turned::Changed(keys) if *keys == ["password"] => Deed::done(What::AccountPassword, whom),
        Turned::Changed(keys) => Deed::done(What::AccountChange, whom).with("changed", keys.join(" ")),
        _ => Deed::done(What::AccountAdd, whom),
    }
    .with("user", planned.registered.entry.user.clone())
}

/// The account as it will be, and what that is.
fn merged(
    entry: Entry,
    disabled: Option<bool>,
    there: Option<Kept>,
    (has_password, same_password): (bool, bool),
    now: crate::model::Timestamp,
) -> (Registered, Turned) {
    let another_user = there.as_ref().is_some_and(|kept| !kept.registered.entry.user.eq_ignore_ascii_case(&entry.user));
    let standing = |before: Option<&Standing>| match (disabled, before) {
        (Some(true), Some(before @ Standing::Disabled { .. })) => before.clone(),
        (Some(true), _) => Standing::Disabled { since: now, why: String::new() },
        (Some(false), Some(Standing::Disabled { .. })) | (_, None) => Standing::Enabled,
        // Another user has not left.
        (_, Some(Standing::Leaving { .. })) if another_user => Standing::Enabled,
        (_, Some(before)) => before.clone(),
    };
    let Some(before) = there.map(|kept| kept.registered) else {
        let standing = standing(None);
        return (Registered { entry, has_password, standing, added: now, changed: now }, Turned::Added);
    };
    let standing = standing(Some(&before.standing));
    let mut changed = differing(&before.entry, &entry);
    if !same_password {
        changed.push("password".to_owned());
    }
    if standing.word() != before.standing.word() {
        changed.push("state".to_owned());
    }
    let turned = if changed.is_empty() { Turned::Unchanged } else { Turned::Changed(changed) };
    (Registered { entry, has_password, standing, added: before.added, changed: now }, turned)
}

/// The keys in which two entries differ.
fn differing(before: &Entry, now: &Entry) -> Vec<String> {
    let pairs = [
        ("email", before.email == now.email),
        ("user", before.user == now.user),
        ("recipients", before.recipients == now.recipients),
        ("provider", before.provider == now.provider),
        ("host", before.host == now.host),
        ("port", before.port == now.port),
        ("tls", before.tls == now.tls),
        ("login", before.login == now.login),
        ("oauth", before.oauth == now.oauth),
        ("folders", before.folders == now.folders),
        ("mode", before.mode == now.mode),
        ("note", before.note == now.note),
    ];
    pairs.into_iter().filter(|(_, same)| !same).map(|(key, _)| key.to_owned()).collect()
}
