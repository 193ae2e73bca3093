//! What is advised, for each trouble.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
use super::*;
use std::path::Path;

/// The advice for an account with these lines, in both languages.
fn advice(lines: &str, error: &ImapError) -> [String; 2] {
    let text = format!(
        "[wecom]\ncorp_id = \"x\"\nagent_id = 1\nsecret = \"x\"\n[provider.corp]\nhost = \"imap.corp.example\"\n\
         master_user = \"m\"\nmaster_password = \"x\"\n[[account]]\nuser = \"z\"\nemail = \"z@corp.example\"\n{lines}"
    );
    let config = config::load_text(Path::new("mailbell.toml"), &text, &|_| None).unwrap();
    [Lang::En, Lang::ZhCn].map(|lang| for_imap(error, &config.accounts[0], lang))
}

fn login(trouble: LoginTrouble, text: &str) -> ImapError {
    ImapError::Login { trouble, text: text.to_owned() }
}

#[test]
fn a_refused_master_user_is_told_of_the_master_user() {
    let error = login(LoginTrouble::WrongPassword, "[AUTHENTICATIONFAILED] Authentication failed.");
    for said in advice("provider = \"corp\"\n", &error) {
        assert!(said.contains("master_user") && said.contains("master_password"), "{said}");
        assert!(!said.contains("授权码"), "{said}");
    }
}

#[test]
fn a_refused_password_of_an_unknown_server_is_told_of_the_login_name() {
    let error = login(LoginTrouble::WrongPassword, "[AUTHENTICATIONFAILED] Authentication failed.");
    for said in advice("host = \"imap.corp.example\"\npassword = \"x\"\n", &error) {
        assert!(said.contains("login = ") && said.contains("\n4. "), "{said}");
    }
}

#[test]
fn a_login_that_is_not_offered_is_told_by_tls() {
    let error = login(LoginTrouble::Disabled, "LOGINDISABLED");
    for said in advice("host = \"localhost\"\ntls = \"none\"\npassword = \"x\"\n", &error) {
        assert!(said.contains("tls = \"implicit\"") && said.contains("tls = \"starttls\""), "{said}");
    }
    for said in advice("host = \"imap.corp.example\"\npassword = \"x\"\n", &error) {
        assert!(said.contains("auth") && !said.contains("starttls"), "{said}");
    }
}

#[test]
fn a_token_url_that_gives_no_tokens_is_named() {
    let error = login(LoginTrouble::SourceRefused, "[oauth.corp] HTTP 404, …; is token_url right?");
    for said in advice("host = \"imap.corp.example\"\npassword = \"x\"\n", &error) {
        assert!(said.contains("token_url") && !said.contains("client_secret"), "{said}");
    }
}

#[test]
fn a_version_of_tls_that_the_config_forbids_is_named() {
    let trouble = TlsTrouble::NoCommonVersion("ProtocolVersion".to_owned());
    let error = ImapError::Tls { host: "imap.corp.example".to_owned(), trouble };
    let lines = "host = \"imap.corp.example\"\npassword = \"x\"\n";
    for said in advice(&format!("{lines}min_tls = \"1.3\"\n"), &error) {
        assert!(said.contains("1. ") && said.contains("min_tls = \"1.2\""), "{said}");
    }
    for said in advice(lines, &error) {
        assert!(!said.contains("min_tls = \"1.2\""), "{said}");
    }
}
