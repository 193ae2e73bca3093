//! Reads accounts that stand in the registry by the same rules as those of the file: providers, token sources, lists and
//! limits are the file's.

use super::account;
use super::keys;
use super::oauth::Oauths;
use super::provider::Providers;
use super::reader::{self, Reader};
use super::reading::{Lists, Reading, quoted};
use super::syntax;
use super::used::{Account, Alerts, Credential, Problem};
use crate::model::{Entry, KeptSecret};
use std::collections::HashMap;
use std::path::PathBuf;
use toml::Value;
use toml::de::DeValue;

/// See the module's text.
pub struct Desk {
    file: PathBuf,
    providers: Providers,
    oauths: Oauths,
    lists: Lists,
    alerts: Alerts,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Desk({})", self.file.display())
    }
}

impl Desk {
    pub(super) fn new(file: PathBuf, providers: Providers, oauths: Oauths, lists: Lists, alerts: Alerts) -> Self {
        Self { file, providers, oauths, lists, alerts }
    }

    /// The account that an entry of the registry comes to. `password`: what the vault holds for it.
    ///
    /// # Errors
    /// All that is wrong with it, each with its key; the line is 0.
    pub fn account(&self, entry: &Entry, password: Option<KeptSecret>) -> Result<Account, Vec<Problem>> {
        let text = section(entry, password.is_some());
        let nothing = |_: &str| None;
        let mut reading = Reading::new(&self.file, &text, &nothing);
        let root = syntax::parse(&mut reading, &text);
        reading.lists.replace(self.lists.clone());
        let mut read = None;
        for found in reader::entries(root.get_ref()) {
            if let DeValue::Table(table) = found.value {
                let r = Reader::new(&reading, &keys::ACCOUNT, table, "account".to_owned(), found.span.start);
                read = account::one(&r, &self.providers, &self.oauths, &mut HashMap::new());
            }
        }
        let (mut mistakes, _) = reading.finish();
        let read = read.filter(|_| mistakes.is_empty());
        let Some(read) = read else {
            for problem in &mut mistakes {
                problem.line = 0;
                problem.key = problem.key.trim_start_matches("account.").to_owned();
            }
            return Err(super::at_least_one(mistakes));
        };
        if !entry.host.is_empty() && !matches!(read.credential, Credential::Password(_)) {
            return Err(vec![everybodys(&entry.host)]);
        }
        let mut account = account::with_alerts(read, &self.alerts);
        if let (Credential::Password(_), Some(kept)) = (&account.credential, password) {
            account.credential = Credential::Kept(kept);
        }
        Ok(account)
    }

    /// The names that `provider` may say.
    pub fn providers(&self) -> Vec<String> {
        self.providers.list()
    }
}

/// What opens many accounts goes to servers that the config names, and nowhere else.
fn everybodys(host: &str) -> Problem {
    let shown = quoted(host);
    Problem {
        line: 0,
        key: "host".to_owned(),
        en: format!(
            "tokens and master passwords are not sent to a host that an entry names ({shown}); name the server in a section [provider.NAME] of the config"
        ),
        zh: format!("令牌和主用户密码不会发往登记项里写的主机（{shown}）；请在配置中用 [provider.名称] 写明服务器"),
    }
}

/// The entry as a section of a file, with something in the place of its password.
fn section(entry: &Entry, password: bool) -> String {
    let mut lines = vec!["[account]".to_owned()];
    let mut say = |key: &str, value: Value| lines.push(format!("{key} = {value}"));
    let texts = [
        ("email", &entry.email),
        ("user", &entry.user),
        ("provider", &entry.provider),
        ("host", &entry.host),
        ("tls", &entry.tls),
        ("login", &entry.login),
        ("oauth", &entry.oauth),
        ("mode", &entry.mode),
    ];
    for (key, text) in texts {
        if !text.is_empty() {
            say(key, Value::String(text.clone()));
        }
    }
    if let Some(port) = entry.port {
        say("port", Value::Integer(port.into()));
    }
    if !entry.recipients.is_empty() {
        say("shared", Value::Boolean(true));
    }
    for (key, list) in [("recipients", &entry.recipients), ("folders", &entry.folders)] {
        if !list.is_empty() {
            say(key, Value::Array(list.iter().cloned().map(Value::String).collect()));
        }
    }
    if password {
        say("password", Value::String("-".to_owned()));
    }
    lines.join("\n")
}
