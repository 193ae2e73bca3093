//! `[oauth.NAME]`: each flow with its keys, the key file's forms, and what is warned about.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use super::{SECRET, SERVICE_ACCOUNT, env, folder, good, write_private};
use mailbell::config::{self, Config, Credential, Oauth, OauthFlow};
use mailbell::model::{Lang, Secret};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

/// A file with this section and one account that uses it.
fn text(lines: &str) -> String {
    format!(
        "[wecom]\ncorp_id = \"ww0123456789abcdef\"\nagent_id = 1000002\nsecret = {{ env = \"MAILBELL_WECOM_SECRET\" }}\n\
         [oauth.corp]\n{lines}\n[[account]]\nuser = \"zhangsan\"\nemail = \"zhangsan@corp.example\"\n\
         provider = \"gmail\"\noauth = \"corp\"\n"
    )
}

fn source(config: &Config) -> Arc<Oauth> {
    match &config.accounts[0].credential {
        Credential::Oauth(source) => source.clone(),
        other => panic!("{other:?}"),
    }
}

const TOKEN_URL: &str = "token_url = \"https://login.corp.example/token?tenant=1\"\n";

#[test]
fn client_credentials() {
    let lines = format!(
        "flow = \"client_credentials\"\n{TOKEN_URL}client_id = \"0a1b\"\nclient_secret = \"hunter2\"\nscope = \"mail read\""
    );
    let config = good(&text(&lines));
    let source = source(&config);
    assert_eq!((source.name.as_str(), source.scope.as_deref()), ("corp", Some("mail read")));
    assert_eq!(source.token_url.as_str(), "https://login.corp.example/token?tenant=1");
    let flow = OauthFlow::ClientCredentials { client_id: "0a1b".to_owned(), client_secret: Secret::new(SECRET) };
    assert_eq!(source.flow, flow);
    assert_eq!(config.warnings, []);
    assert!(!format!("{source:?}").contains(SECRET));
}

#[test]
fn refresh_tokens_with_and_without_a_secret() {
    let lines = format!("flow = \"refresh_token\"\n{TOKEN_URL}client_id = \"0a1b\"\nrefresh_token = \"hunter2\"");
    let flow = |client_secret| OauthFlow::RefreshToken {
        client_id: "0a1b".to_owned(),
        client_secret,
        refresh_token: Secret::new(SECRET),
    };
    let alone = source(&good(&text(&lines)));
    assert_eq!((&alone.flow, &alone.scope), (&flow(None), &None));
    let with = source(&good(&text(&format!("{lines}\nclient_secret = {{ file = \"client.secret\" }}"))));
    assert_eq!(with.flow, flow(Some(Secret::new(SECRET))));
}

const SERVICE: &str = "flow = \"service_account\"\nkey_file = \"service-account.json\"\nscope = \"mail\"";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";

#[test]
fn a_service_accounts_key_file_tells_the_rest() {
    let found = source(&good(&text(SERVICE)));
    assert_eq!(found.token_url.as_str(), "https://oauth2.googleapis.com/token");
    let flow = |issuer: &str| OauthFlow::ServiceAccount {
        issuer: issuer.to_owned(),
        key_id: Some("0a1b2c".to_owned()),
        private_key: Secret::new(KEY),
    };
    assert_eq!(found.flow, flow("mailbell@corp.iam.example"));
    // What is written in the config wins.
    let other = source(&good(&text(&format!("{SERVICE}\n{TOKEN_URL}client_id = \"other@corp.example\""))));
    assert_eq!(other.token_url.host_str(), Some("login.corp.example"));
    assert_eq!(other.flow, flow("other@corp.example"));
}

#[test]
fn a_bare_private_key_does_as_well() {
    let folder = folder();
    for head in ["PRIVATE KEY", "RSA PRIVATE KEY"] {
        write_private(&folder.path().join("service-account.json"), &KEY.replace("PRIVATE KEY", head));
        let text = text(&format!("{SERVICE}\n{TOKEN_URL}client_id = \"mailbell\""));
        let config = config::load_text(&folder.path().join("mailbell.toml"), &text, &env).unwrap();
        match &source(&config).flow {
            OauthFlow::ServiceAccount { issuer, key_id, private_key } => {
                assert_eq!((issuer.as_str(), key_id), ("mailbell", &None));
                assert_eq!(private_key.expose(), KEY.replace("PRIVATE KEY", head));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_key_file_that_others_may_read_is_warned_about() {
    let folder = folder();
    let key = folder.path().join("service-account.json");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o604)).unwrap();
    let config = config::load_text(&folder.path().join("mailbell.toml"), &text(SERVICE), &env).unwrap();
    let told: Vec<_> = config.warnings.iter().map(|w| (w.line, w.key.as_str(), w.en.as_str())).collect();
    let words = format!("others may read the file {0}; run: chmod 600 {0}", key.display());
    assert_eq!(told, [(7, "oauth.corp.key_file", words.as_str())]);
}

/// A broken key file is told by its place alone: its text may be the key.
#[test]
fn no_text_of_a_key_file_is_told() {
    let folder = folder();
    let key = folder.path().join("service-account.json");
    let wrong_type = SERVICE_ACCOUNT.replace("\"0a1b2c\"", "[\"hunter2\"]");
    for broken in [&SERVICE_ACCOUNT[..200], &wrong_type, "hunter2", "\"hunter2\"", "{\"private_key\": \"hunter2\"}"] {
        write_private(&key, broken);
        let problems = config::load_text(&folder.path().join("mailbell.toml"), &text(SERVICE), &env).unwrap_err();
        let all = format!("{problems:?} {}", problems.text(Lang::En));
        assert!(all.contains("service-account.json") && !all.contains(SECRET), "{all}");
    }
}

#[test]
fn a_scope_that_a_provider_wants_is_warned_about() {
    let warnings = |lines: &str| {
        let config = good(&text(lines));
        config.warnings.iter().map(|w| (w.key.clone(), w.en.clone(), w.zh.clone())).collect::<Vec<_>>()
    };
    let microsoft = "flow = \"client_credentials\"\ntoken_url = \"https://login.microsoftonline.com/t/oauth2/v2.0/token\"\n\
                     client_id = \"0a1b\"\nclient_secret = \"hunter2\"";
    let google = "flow = \"service_account\"\nkey_file = \"service-account.json\"";
    for (lines, scope) in [(microsoft, "https://outlook.office365.com/.default"), (google, "https://mail.google.com/")]
    {
        let told = warnings(lines);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].0, "oauth.corp.scope");
        assert!(told[0].1.contains(scope) && told[0].2.contains(scope), "{told:?}");
        assert_eq!(warnings(&format!("{lines}\nscope = \"{scope}\"")), []);
    }
}

#[test]
fn a_section_that_nobody_uses_is_read_all_the_same() {
    let unused = super::SMALLEST.to_owned() + "[oauth.corp]\nflow = \"refresh_token\"\n";
    assert_eq!(super::sentences(&unused).len(), 3);
}
