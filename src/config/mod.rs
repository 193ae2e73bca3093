//! The configuration in two steps: as typed (a TOML document with places) and as used (checked values). Only the
//! second leaves this folder.

mod account;
mod answers;
mod conditions;
mod credential;
mod desk;
mod duration;
mod folders;
mod key_file;
mod keys;
mod known;
mod net;
mod oauth;
mod organisation;
mod people;
mod provider;
mod reader;
mod reading;
mod secret;
mod sections;
mod server;
mod syntax;
mod times;
mod used;
mod web;
mod words;

pub use answers::{Answer, Meaning, known_answers};
pub use desk::Desk;
pub use duration::{parse as parse_duration, show as show_duration};
pub use keys::{KnownKey, known_keys};
pub use known::{Known, Note, Part, Region, built_in_providers, nearest_host};
pub use organisation::{Audit, Directory, Leavers, SyslogTo, Vault};
pub use used::{
    Account, Admin, Alerts, Auth, Config, Credential, Imap, Limits, Log, LogFormat, MinTls, Mode, Oauth, OauthFlow,
    Person, Problem, Problems, Provider, Proxy, Server, State, Subscription, Times, Tls, Wecom,
};
pub use web::{Console, Web, WebTls};

use keys::{Form, Section};
use reader::Reader;
use reading::{Reading, Said, key_part, say};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

/// Reads the config file, with the secrets and the environment that it names.
///
/// # Errors
///
/// Every mistake of the file at once, in its order, each with the line, the key and what to write instead. What is
/// allowed but unwise stands in [`Config::warnings`].
pub fn load(file: &Path) -> Result<Config, Problems> {
    let alone = |line, said: Said| Problems {
        file: file.to_owned(),
        list: vec![Problem { line, key: String::new(), en: said.en, zh: said.zh }],
    };
    let mut bytes = Zeroizing::new(Vec::new());
    let opened = File::open(file).and_then(|mut opened| opened.read_to_end(&mut bytes).map(|_| opened));
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(alone(0, no_file()));
        }
        Err(error) => {
            let (en, zh) = secret::io_words(&error);
            return Err(alone(0, say(format!("cannot read this file: {en}"), format!("无法读取此文件：{zh}"))));
        }
    };
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            let said = say(
                "this line is not UTF-8; save the file as UTF-8 (without GBK characters)",
                "这一行不是 UTF-8；请把文件另存为 UTF-8 编码（不要用 GBK）",
            );
            return Err(alone(line, said));
        }
    };
    let readable = secret::others_may_read(&opened);
    read(file, text, &|name| std::env::var(name).ok(), readable)
}

/// Reads a config from its text as [`load`] does; `file` says where relative paths begin, and `env` answers for the
/// environment.
///
/// # Errors
///
/// As [`load`].
pub fn load_text(file: &Path, text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Problems> {
    read(file, text, env, false)
}

fn no_file() -> Said {
    say(
        "this file does not exist; copy config/example.toml to it and fill in your values, or name another with --config FILE",
        "没有此文件；请把 config/example.toml 复制到这里并填好各项，或用 --config 文件 指定另一个",
    )
}

fn read(
    file: &Path,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    others_may_read: bool,
) -> Result<Config, Problems> {
    let mut reading = Reading::new(file, text, env);
    let root = syntax::parse(&mut reading, text);
    let config = whole(&reading, root.get_ref(), file);
    if let (true, Some(at)) = (others_may_read, reading.literal_secret.get()) {
        reading.warn(Some(at), String::new(), secret::readable_by_others(file));
    }
    let (mistakes, warnings) = reading.finish();
    match config {
        Some(config) if mistakes.is_empty() => Ok(Config { warnings, ..config }),
        _ => Err(Problems { file: file.to_owned(), list: at_least_one(mistakes) }),
    }
}

/// A config that is refused without a word would be a mistake of this program.
fn at_least_one(mut mistakes: Vec<Problem>) -> Vec<Problem> {
    if mistakes.is_empty() {
        mistakes.push(Problem {
            line: 0,
            key: String::new(),
            en: "cannot be used, and mailbell cannot say why; please report this".to_owned(),
            zh: "无法使用，且 mailbell 说不出原因；请报告此问题".to_owned(),
        });
    }
    mistakes
}

/// The sections of a file, sorted by kind.
struct Sections<'a> {
    once: HashMap<&'static str, Reader<'a>>,
    /// By the name of the section, and their own names.
    named: HashMap<&'static str, Vec<(&'a str, Reader<'a>)>>,
    accounts: Vec<Reader<'a>>,
}

impl<'a> Sections<'a> {
    fn named(&mut self, section: &Section) -> Vec<(&'a str, Reader<'a>)> {
        self.named.remove(section.name).unwrap_or_default()
    }
}

fn whole<'a>(cx: &'a Reading<'a>, root: &'a DeTable<'a>, file: &Path) -> Option<Config> {
    let nothing = DeTable::new();
    let mut found = sections_of(cx, root);
    let absent = |section: &'static Section| {
        let path = section.name.to_owned();
        Reader::new(cx, section, &nothing, path, 0)
    };
    let (providers, oauths) = (found.named(&keys::PROVIDER), found.named(&keys::OAUTH));
    cx.lists.replace(people::lists(&found.named(&keys::RECIPIENTS)));
    let mut once = |section: &'static Section| found.once.remove(section.name).unwrap_or_else(|| absent(section));
    let wecom = found_wecom(&mut once, root);
    let alerts = sections::alerts(&once(&keys::ALERTS));
    let admin = sections::admin(&once(&keys::ADMIN));
    let state = sections::state(&once(&keys::STATE));
    let audit = organisation::audit(&once(&keys::AUDIT), state.as_ref());
    let directory = organisation::directory(&once(&keys::DIRECTORY));
    let limits = sections::limits(&once(&keys::LIMITS));
    let imap = sections::imap(&once(&keys::IMAP), limits);
    let log = sections::log(&once(&keys::LOG));
    let web = found.once.remove(keys::WEB.name).map(|r| web::web(&r));
    let providers = provider::Providers::read(&providers);
    let oauths = oauth::Oauths::read(&oauths);
    let vault = found.once.remove(keys::VAULT.name).and_then(|r| organisation::vault(&r, state.as_ref()));
    let users = times::people(&found.named(&keys::USER));
    let accounts = account::accounts(&found.accounts, &providers, &oauths, alerts.as_ref());
    let lists = cx.lists.borrow().clone();
    let desk = Desk::new(file.to_owned(), providers, oauths, lists, alerts.clone()?);
    Some(Config {
        file: file.to_owned(),
        wecom: wecom?,
        alerts: alerts?,
        admin: admin?,
        state: state?,
        vault,
        audit: audit?,
        directory,
        limits,
        imap,
        web: web.flatten(),
        log,
        users,
        accounts,
        desk: Arc::new(desk),
        warnings: Vec::new(),
    })
}

/// Finds the sections; tells what is unknown, not available yet, missing or not written as a section.
fn sections_of<'a>(cx: &'a Reading<'a>, root: &'a DeTable<'a>) -> Sections<'a> {
    let mut found = Sections { once: HashMap::new(), named: HashMap::new(), accounts: Vec::new() };
    for entry in reader::entries(root) {
        let key = key_part(entry.name);
        match keys::named(entry.name).filter(|section| !section.name.contains('.')) {
            None => {
                let said = words::unknown_section(entry.name, entry.value);
                cx.if_whole(entry.span.start, key, said);
            }
            Some(section) => sort(cx, section, &entry, &mut found),
        }
    }
    if !root.contains_key("wecom") {
        cx.of_file(
            "wecom",
            say(
                "the section [wecom] is missing; write it with corp_id, agent_id and secret",
                "缺少 [wecom] 一节；请写上它以及 corp_id、agent_id、secret",
            ),
        );
    }
    if found.accounts.is_empty() && !cx.is_broken() {
        cx.warn(
            None,
            "account".to_owned(),
            say(
                "no [[account]]: only registered accounts (mailbell account add) are watched",
                "没有 [[account]]：只监视登记的账号（mailbell account add）",
            ),
        );
    }
    found
}

/// `[wecom]`, if it is a section at all; that it is not was told already.
fn found_wecom<'a>(once: &mut dyn FnMut(&'static Section) -> Reader<'a>, root: &DeTable<'_>) -> Option<Wecom> {
    let is_section = root.get("wecom").is_some_and(|value| value.get_ref().is_table());
    if is_section { sections::wecom(&once(&keys::WECOM)) } else { None }
}

/// Puts one top-level entry where it belongs, or tells how it is to be written.
fn sort<'a>(cx: &'a Reading<'a>, section: &'static Section, entry: &reader::Entry<'a>, found: &mut Sections<'a>) {
    let wrong = |at: usize, key: String| cx.if_whole(at, key, words::wrong_section(section));
    let at = entry.span.start;
    match (section.form, entry.value) {
        (Form::One, DeValue::Table(table)) => {
            let reader = Reader::new(cx, section, table, section.name.to_owned(), at);
            found.once.insert(section.name, reader);
        }
        (Form::Named, DeValue::Table(table)) => {
            for named in reader::entries(table) {
                let path = format!("{}.{}", section.name, key_part(named.name));
                match named.value {
                    DeValue::Table(table) => {
                        let reader = Reader::new(cx, section, table, path, named.span.start);
                        found.named.entry(section.name).or_default().push((named.name, reader));
                    }
                    _ => wrong(named.span.start, path),
                }
            }
        }
        (Form::List, DeValue::Array(list)) => {
            for (index, item) in list.iter().enumerate() {
                let path = format!("{}[{}]", section.name, index + 1);
                match item.get_ref() {
                    DeValue::Table(table) => {
                        let reader = Reader::new(cx, section, table, path, item.span().start);
                        found.accounts.push(reader);
                    }
                    _ => wrong(item.span().start, path),
                }
            }
        }
        _ => wrong(at, section.name.to_owned()),
    }
}
