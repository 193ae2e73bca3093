//! `[[account]]`: one IMAP login, whose it is, and what of it is watched.

use super::oauth::Oauths;
use super::people::recipients;
use super::provider::Providers;
use super::reader::Reader;
use super::reading::{quoted, say};
use super::used::{Account, Alerts, Mode};
use super::{credential, folders};
use crate::model::{AccountId, Locale, Owner, Recipient};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// Reads all accounts; those that are wrong are left out, and told.
pub(super) fn accounts(
    sections: &[Reader<'_>],
    providers: &Providers,
    oauths: &Oauths,
    alerts: Option<&Alerts>,
) -> Vec<Arc<Account>> {
    let mut lines = HashMap::new();
    let read = sections.iter().filter_map(|r| one(r, providers, oauths, &mut lines));
    // Without these it will not be used.
    let whole = |account| match alerts {
        None => account,
        Some(alerts) => with_alerts(account, alerts),
    };
    read.map(|account| Arc::new(whole(account))).collect()
}

/// The account, with what `[alerts]` says for all of them.
pub(super) fn with_alerts(account: Account, alerts: &Alerts) -> Account {
    Account {
        locale: Locale::of(alerts.lang, alerts.time_zone.iana_name()),
        trusted_authserv: alerts.trusted_authserv.clone(),
        own_domains: alerts.own_domains.clone(),
        ..account
    }
}

/// Reads one account; what is wrong is told.
pub(super) fn one(
    r: &Reader<'_>,
    providers: &Providers,
    oauths: &Oauths,
    lines: &mut HashMap<AccountId, usize>,
) -> Option<Account> {
    let email = email(r);
    let id = email.map(AccountId::new);
    if let Some(id) = &id {
        only_once(r, id, lines);
    }
    let to = owner(r, id.as_ref());
    let found = providers.of_account(r, email);
    let login = if r.has("login") { r.text("login") } else { email };
    let proof = credential::read(r, found.as_ref(), providers, oauths);
    let subscriptions = folders::subscriptions(r);
    let modes = [
        ("auto", Some(Mode::Auto)),
        ("notify", Some(Mode::Notify)),
        ("idle", Some(Mode::Idle)),
        ("poll", Some(Mode::Poll)),
    ];
    let mode = r.choice("mode", &modes).unwrap_or(Mode::Auto);
    let (owner, recipients) = to?;
    let (auth, credential) = proof?;
    Some(Account {
        id: id?,
        login: login?.to_owned(),
        auth,
        credential,
        owner,
        recipients,
        subscriptions: subscriptions?,
        mode,
        provider: found?.provider,
        locale: Locale::default(),
        trusted_authserv: Vec::new().into(),
        own_domains: Vec::new().into(),
    })
}

fn email<'a>(r: &Reader<'a>) -> Option<&'a str> {
    if !r.has("email") {
        r.missing("email", None);
    }
    let text = r.text("email")?;
    let parts = text.split_once('@');
    let whole = parts.is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty() && !domain.contains('@'));
    if whole && !text.contains(|c: char| c.is_whitespace() || c == '<' || c == '>' || c == ',') {
        return Some(text);
    }
    let (example, shown) = (r.example("email"), quoted(text));
    r.wrong(
        "email",
        say(
            format!("{shown} is no mail address; write for example: {example}"),
            format!("{shown} 不是邮箱地址；请写，例如：{example}"),
        ),
    );
    None
}

fn only_once(r: &Reader<'_>, id: &AccountId, lines: &mut HashMap<AccountId, usize>) {
    let line = r.cx.line(r.place("email"));
    match lines.entry(id.clone()) {
        Entry::Vacant(free) => {
            free.insert(line);
        }
        Entry::Occupied(first) => {
            let (first, shown) = (first.get(), quoted(&id.0));
            r.wrong(
                "email",
                say(
                    format!("the account {shown} stands in line {first} already, and again in line {line}; remove one of the two"),
                    format!("账号 {shown} 已在第 {first} 行出现，第 {line} 行又出现一次；请删去其一"),
                ),
            );
        }
    }
}

/// Whose the account is, and who is told.
fn owner(r: &Reader<'_>, id: Option<&AccountId>) -> Option<(Owner, Vec<Recipient>)> {
    let shared = if r.has("shared") { r.flag("shared") } else { Some(false) };
    let user = user(r);
    let recipients = recipients(r);
    match shared? {
        true => {
            if r.has("user") {
                r.wrong(
                    "user",
                    say(
                        "a shared account is nobody's own; remove user, or shared = true",
                        "公共邮箱不属于某个人；请删去 user，或删去 shared = true",
                    ),
                );
            }
            if !r.has("recipients") {
                r.missing("recipients", Some(say("; a shared account needs them", "；公共邮箱需要接收人")));
            }
            Some((Owner::Shared(id?.clone()), recipients?))
        }
        false => {
            if r.has("recipients") {
                r.wrong(
                    "recipients",
                    say(
                        "only a shared account has recipients; write shared = true and no user, or put this key into [[account.subscription]]",
                        "只有公共邮箱才有 recipients；请写 shared = true 并去掉 user，或把此项写进 [[account.subscription]]",
                    ),
                );
            } else if !r.has("user") {
                r.missing(
                    "user",
                    Some(say("; or shared = true and recipients", "；公共邮箱则写 shared = true 和 recipients")),
                );
            }
            let user = user?;
            Some((Owner::User(user.clone()), vec![Recipient::User(user)]))
        }
    }
}

fn user(r: &Reader<'_>) -> Option<Arc<str>> {
    let text = r.text("user")?;
    if let Ok(Recipient::User(user)) = Recipient::parse(text) {
        return Some(user);
    }
    let (example, shown) = (r.example("user"), quoted(text));
    r.wrong(
        "user",
        say(
            format!("{shown} is no userid (1 to 64 of a-z 0-9 _ - @ . with a letter or digit first); write for example: {example}"),
            format!("{shown} 不是成员账号 userid（1 到 64 个字母、数字或 _ - @ .，以字母或数字开头）；请写，例如：{example}"),
        ),
    );
    None
}
