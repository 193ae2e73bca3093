//! How an account logs in: what is said, what is decided where nothing is said, and what wins.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use super::{SMALLEST, good};
use mailbell::config::{Auth, Credential, OauthFlow};
use mailbell::model::Secret;
use std::time::Duration;

const HEAD: &str = "[wecom]\ncorp_id = \"ww0123456789abcdef\"\nagent_id = 1000002\nsecret = \"x\"\n";
const OAUTH: &str = "[oauth.corp]\nflow = \"refresh_token\"\ntoken_url = \"http://127.0.0.1:8080/token\"\n\
                     client_id = \"0a1b\"\nrefresh_token = \"hunter2\"\n";
const ACCOUNT: &str = "[[account]]\nuser = \"zhangsan\"\nemail = \"zhangsan@corp.example\"\n";

/// How the only account of a file logs in, and by what.
fn login(sections: &str, lines: &str) -> (Auth, Credential) {
    let config = good(&format!("{HEAD}{sections}{ACCOUNT}{lines}"));
    (config.accounts[0].auth, config.accounts[0].credential.clone())
}

fn password() -> Credential {
    Credential::Password(Secret::new("hunter2"))
}

fn is_oauth(credential: &Credential) -> bool {
    matches!(credential, Credential::Oauth(source) if matches!(source.flow, OauthFlow::RefreshToken { .. }))
}

#[test]
fn a_password_goes_by_login_unless_auth_says_otherwise() {
    let own = "host = \"imap.corp.example\"\npassword = \"hunter2\"\n";
    assert_eq!(login("", own), (Auth::Login, password()));
    assert_eq!(login("", &format!("{own}auth = \"plain\"\n")), (Auth::Plain, password()));
    let corp = "[provider.corp]\nhost = \"imap.corp.example\"\nauth = \"plain\"\n";
    let named = "provider = \"corp\"\npassword = \"hunter2\"\n";
    assert_eq!(login(corp, named), (Auth::Plain, password()));
    // The account's own word wins, also beside a provider.
    assert_eq!(login(corp, &format!("{named}auth = \"login\"\n")), (Auth::Login, password()));
    assert_eq!(
        login("", "provider = \"exmail\"\nauth = \"plain\"\npassword = \"hunter2\"\n"),
        (Auth::Plain, password())
    );
}

#[test]
fn tokens_go_by_xoauth2_unless_auth_says_otherwise() {
    for (lines, auth) in [
        ("provider = \"exchange-online\"\n", Auth::Xoauth2),
        ("provider = \"gmail\"\n", Auth::Xoauth2),
        ("provider = \"gmail\"\nauth = \"oauthbearer\"\n", Auth::Oauthbearer),
        ("host = \"imap.corp.example\"\n", Auth::Xoauth2),
    ] {
        let (found, credential) = login(OAUTH, &format!("{lines}oauth = \"corp\"\n"));
        assert_eq!(found, auth, "{lines}");
        assert!(is_oauth(&credential));
    }
    let bearer = format!("{OAUTH}[provider.corp]\nhost = \"imap.corp.example\"\nauth = \"oauthbearer\"\n");
    assert_eq!(login(&bearer, "provider = \"corp\"\noauth = \"corp\"\n").0, Auth::Oauthbearer);
}

#[test]
fn a_master_user_logs_in_for_accounts_without_a_password() {
    let corp = |more: &str| {
        format!(
            "{OAUTH}[provider.corp]\nhost = \"imap.corp.example\"\nmaster_user = \"mailbell\"\n\
             master_password = {{ file = \"master.password\" }}\n{more}"
        )
    };
    let master = Credential::Master { user: "mailbell".to_owned(), password: Secret::new("hunter2") };
    let named = "provider = \"corp\"\n";
    assert_eq!(login(&corp(""), named), (Auth::Plain, master.clone()));
    assert_eq!(login(&corp("auth = \"login\"\n"), named), (Auth::Login, master.clone()));
    assert_eq!(login(&corp(""), &format!("{named}auth = \"login\"\n")), (Auth::Login, master));
    // What the account has of its own wins.
    assert_eq!(login(&corp(""), &format!("{named}password = \"hunter2\"\n")), (Auth::Login, password()));
    let (auth, credential) = login(&corp(""), &format!("{named}oauth = \"corp\"\n"));
    assert!(auth == Auth::Xoauth2 && is_oauth(&credential));
    // Also at a built-in provider, whose sites have hosts of their own.
    let dovecot = corp("").replace("provider.corp", "provider.dovecot").replace("host = \"imap.corp.example\"\n", "");
    let (auth, credential) = login(&dovecot, "provider = \"dovecot\"\nhost = \"imap.corp.example\"\n");
    assert!(auth == Auth::Plain && matches!(credential, Credential::Master { .. }));
}

#[test]
fn exchange_online_is_known_by_its_domains() {
    let text = format!("{HEAD}{OAUTH}[[account]]\nuser = \"lisi\"\nemail = \"lisi@outlook.com\"\noauth = \"corp\"\n");
    let config = good(&text);
    assert_eq!(config.accounts[0].provider.server.host, "outlook.office365.com");
    assert_eq!(config.accounts[0].auth, Auth::Xoauth2);
}

#[test]
fn servers_that_want_to_be_asked_often_are_known() {
    let renew = |lines: &str| {
        let config = good(&SMALLEST.replace("provider = \"exmail\"", lines));
        config.accounts[0].provider.renew
    };
    let often = Some(Duration::from_secs(55));
    for lines in [
        "provider = \"netease\"",
        "provider = \"netease-qiye\"",
        "provider = \"coremail\"\nhost = \"mail.corp.example\"",
        "host = \"imap.126.com\"",
    ] {
        assert_eq!(renew(lines), often, "{lines}");
    }
    assert_eq!(renew("provider = \"exmail\""), None);
    assert_eq!(renew("host = \"imap.corp.example\""), None);
    let section = |name: &str, host: &str| {
        let text = SMALLEST.replace("exmail", name) + &format!("[provider.{name}]\nhost = \"{host}\"\n");
        good(&text).accounts[0].provider.renew
    };
    assert_eq!(section("netease-qiye", "imaphz.qiye.163.com"), often);
    assert_eq!(section("corp", "imap.163.com"), often);
    assert_eq!(section("corp", "imap.corp.example"), None);
}
