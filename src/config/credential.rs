//! How an account logs in, and what proves it: its own password, tokens of an `[oauth.NAME]` section, or the master
//! user of its provider.

use super::oauth::Oauths;
use super::provider::{Found, Providers};
use super::reader::Reader;
use super::reading::{Said, say};
use super::secret;
use super::used::{Auth, Credential};

/// Reads `password` and `oauth` beside what the account's provider says. What the account has of its own wins over the
/// provider's master user. `None` if something is wrong, which is told.
///
/// Where `auth` is not said: tokens go by XOAUTH2, a master user by PLAIN (its authorisation identity is what Dovecot
/// knows without a separator and Cyrus knows at all, imap-servers F.6), a password by LOGIN.
pub(super) fn read(
    r: &Reader<'_>,
    found: Option<&Found>,
    providers: &Providers,
    oauths: &Oauths,
) -> Option<(Auth, Credential)> {
    let password = secret::read(r, "password");
    let oauth = oauths.of_account(r);
    match (r.has("password"), r.has("oauth")) {
        (true, true) => {
            let said = say("stands beside a password; keep only one of the two", "与 password 不能并用；只保留其一");
            r.wrong("oauth", said);
            None
        }
        (false, false) => by_provider(r, found, providers),
        (true, false) => {
            let found = found?;
            if takes_tokens(found.auth) {
                r.wrong("password", no_password(found, r.has("auth")));
                return None;
            }
            Some((found.auth.unwrap_or(Auth::Login), Credential::Password(password?)))
        }
        (false, true) => {
            let auth = found?.auth.unwrap_or(Auth::Xoauth2);
            if !takes_tokens(Some(auth)) {
                let said = say(
                    "tokens are not said by \"login\" or \"plain\"; write auth = \"xoauth2\" or \"oauthbearer\" in this account",
                    "令牌不能用 \"login\" 或 \"plain\" 登录；请在此账号中写 auth = \"xoauth2\" 或 \"oauthbearer\"",
                );
                r.wrong(if r.has("auth") { "auth" } else { "oauth" }, said);
                return None;
            }
            Some((auth, Credential::Oauth(oauth?)))
        }
    }
}

fn takes_tokens(auth: Option<Auth>) -> bool {
    matches!(auth, Some(Auth::Xoauth2 | Auth::Oauthbearer))
}

/// An account without a credential of its own: the provider's master user, or a mistake.
fn by_provider(r: &Reader<'_>, found: Option<&Found>, providers: &Providers) -> Option<(Auth, Credential)> {
    let Some(found) = found else {
        // Which provider was meant is not known; perhaps one that needs no password.
        if !providers.any_master {
            r.missing("password", Some(alternatives()));
        }
        return None;
    };
    if takes_tokens(found.auth) {
        let hint = match exchange_online(found) {
            true => say(
                "; Exchange Online takes OAuth only: write a section [oauth.NAME] too",
                "；Exchange Online 只接受 OAuth：还要写一节 [oauth.NAME]",
            ),
            false => say("; and a section [oauth.NAME], or another auth", "；并写一节 [oauth.NAME]，或改写 auth"),
        };
        r.missing("oauth", Some(hint));
        return None;
    }
    match &found.master {
        Some(master) => Some((found.auth.unwrap_or(Auth::Plain), master.clone())),
        None => {
            r.missing("password", Some(alternatives()));
            None
        }
    }
}

fn alternatives() -> Said {
    say(
        "; or oauth = \"NAME\" with a section [oauth.NAME]; or master_user and master_password in [provider.NAME]",
        "；或写 oauth = \"NAME\" 和一节 [oauth.NAME]；或在 [provider.NAME] 中写 master_user 和 master_password",
    )
}

fn exchange_online(found: &Found) -> bool {
    found.provider.known().is_some_and(|known| known.name() == "exchange-online")
}

fn no_password(found: &Found, own_auth: bool) -> Said {
    if exchange_online(found) && !own_auth {
        return say(
            "Exchange Online takes no password, only OAuth; write oauth = \"NAME\" in its place, and a section [oauth.NAME]",
            "Exchange Online 不接受密码，只接受 OAuth；请改写 oauth = \"NAME\"，并写一节 [oauth.NAME]",
        );
    }
    say(
        "auth takes tokens here, not a password; write oauth = \"NAME\" in its place, and a section [oauth.NAME]; or auth = \"login\"",
        "这里的 auth 用令牌登录，不用密码；请改写 oauth = \"NAME\"，并写一节 [oauth.NAME]；或写 auth = \"login\"",
    )
}
