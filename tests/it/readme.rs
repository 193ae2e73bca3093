//! The READMEs say what works: their configurations load, their commands exist, both say the same.

use mailbell::config::{self, Config};
use mailbell::model::Lang;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];

/// Stands before a block that begins with an account.
const WECOM: &str = "[wecom]\ncorp_id = \"ww0123456789abcdef\"\nagent_id = 1000002\nsecret = \"x\"\n";
/// What a row of the table of providers leaves to the reader.
const OWN: [&str; 3] = ["user = \"lisi\"", "email = \"lisi@corp.example\"", "password = { file = \"lisi.password\" }"];

/// A key file of Google's, as far as it is looked at.
const SERVICE_ACCOUNT: &str = r#"{"type": "service_account", "client_email": "x@corp.example",
"private_key": "-----BEGIN PRIVATE KEY-----\n", "token_uri": "https://oauth2.googleapis.com/token"}"#;

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let behind = text.split(&opening).skip(1);
    behind.map(|rest| rest.split("\n```").next().unwrap().to_owned() + "\n").collect()
}

/// Loads a config beside the files that it names.
fn load(text: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let named = text.split("file = \"").skip(1).map(|rest| rest.split('"').next().unwrap());
    for name in named {
        let path = folder.path().join(name);
        let content = match name.rsplit_once('.') {
            Some((_, "pem")) => "-----BEGIN CERTIFICATE-----\n",
            Some((_, "json")) => SERVICE_ACCOUNT,
            _ => "hunter2\n",
        };
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let env = |_: &str| Some("hunter2".to_owned());
    let config = config::load_text(&folder.path().join("mailbell.toml"), text, &env);
    let config = config.unwrap_or_else(|problems| panic!("{}\n{text}", problems.text(Lang::En)));
    assert_eq!(config.warnings, [], "{text}");
    config
}

/// The configurations of a README: its blocks, and an account for each row of its table of providers.
fn configs(text: &str) -> Vec<Config> {
    let blocks = blocks(text, "toml");
    let whole = blocks.iter().filter(|b| b.contains("[wecom]") || b.contains("[[account]]"));
    let whole = whole.map(|b| if b.contains("[wecom]") { b.clone() } else { format!("{WECOM}{b}") });
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(1));
    let rows = rows.filter(|cell| cell.contains(" = "));
    let of_row = rows.map(|cell| {
        let said: Vec<_> = cell.split('`').skip(1).step_by(2).collect();
        let key = |line: &str| line.split(' ').next().unwrap().to_owned();
        let own = OWN.iter().filter(|line| !said.iter().any(|s| key(s) == key(line)));
        let lines: Vec<_> = said.iter().chain(own).copied().collect();
        format!("{WECOM}[[account]]\n{}\n", lines.join("\n"))
    });
    whole.chain(of_row).map(|text| load(&text)).collect()
}

/// What a configuration comes to, as far as the two languages must agree.
fn shown(config: &Config) -> String {
    let account = |a: &Arc<config::Account>| {
        let login = (&a.login, a.auth, &a.credential);
        format!("{} {login:?} {:?} {:?} {:?}", a.id, a.recipients, a.subscriptions, a.provider.server.host)
    };
    let accounts: Vec<_> = config.accounts.iter().map(account).collect();
    format!("{} {:?} {:?} {}", config.wecom.corp_id, config.limits, config.imap, accounts.join(", "))
}

#[test]
fn the_configurations_load_and_are_the_same_in_both() {
    let [english, chinese] = READMES.map(|file| configs(&read(file)).iter().map(shown).collect::<Vec<_>>());
    assert!(english.len() >= 13, "{english:#?}");
    assert_eq!(english, chinese);
}

#[test]
fn every_provider_has_its_lines() {
    let built_in: toml::Table = toml::from_str(&read("config/providers.toml")).unwrap();
    for file in READMES {
        let configs = configs(&read(file));
        let shown: BTreeSet<&str> =
            configs.iter().flat_map(|c| &c.accounts).filter_map(|a| a.provider.name.as_deref()).collect();
        for name in built_in.keys() {
            assert!(shown.contains(name.as_str()), "{file}: {name}");
        }
    }
}

#[test]
fn the_commands_exist_and_are_the_same_in_both() {
    let makefile = read("Makefile");
    let commands = READMES.map(|file| {
        let text = blocks(&read(file), "sh").concat();
        let lines = text.lines().map(|line| line.split(" #").next().unwrap().trim().to_owned());
        lines.collect::<Vec<_>>()
    });
    assert_eq!(commands[0], commands[1]);
    for line in &commands[0] {
        let words: Vec<_> = line.split_whitespace().collect();
        if let ["make", target] = words.as_slice() {
            assert!(makefile.contains(&format!("\n{target}: ")), "{line}");
        }
        if let Some(at) = words.windows(2).position(|w| w == ["mailbell", "--config"]) {
            let helped = Command::new(env!("CARGO_BIN_EXE_mailbell")).args(&words[at + 1..]).arg("--help").output();
            assert!(helped.unwrap().status.success(), "{line}");
        }
    }
    for file in READMES {
        let text = read(file);
        for quoted in text.split('`').filter(|q| q.starts_with("mailbell ") && !q.contains('\n')) {
            let words = quoted.split(' ').skip(1).filter(|w| w.is_ascii() && *w != "--config" && *w != "FILE");
            let command = words.into_iter().find(|w| w.chars().all(|c| c.is_ascii_lowercase() || c == '-')).unwrap();
            let helped = Command::new(env!("CARGO_BIN_EXE_mailbell")).args([command, "--help"]).output();
            assert!(helped.unwrap().status.success(), "{file}: {quoted}");
        }
    }
}

#[test]
fn the_links_lead_somewhere() {
    for file in READMES.iter().chain(&["CONTRIBUTING.md", "CHANGELOG.md", "benches/README.md"]) {
        let text = read(file);
        for target in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let is_page = target.starts_with("https://") || target == "docs/demo.png";
            assert!(is_page || Path::new(env!("CARGO_MANIFEST_DIR")).join(target).exists(), "{file}: {target}");
        }
    }
}
