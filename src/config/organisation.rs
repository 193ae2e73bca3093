//! `[vault]`, `[audit]` and `[directory]`: what an organisation sets for the accounts of its registry.

use super::reader::Reader;
use super::reading::{Said, quoted, say};
use super::secret;
use super::used::State;
use crate::model::Secret;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;
use toml::de::DeValue;

/// Where the keys to stored passwords are.
#[derive(Clone, Debug)]
pub struct Vault {
    /// Wraps the data keys.
    pub master_key: Secret,
    /// The one before it, while keys are changed.
    pub old_master_key: Option<Secret>,
    /// The file with the wrapped data keys.
    pub keyring: PathBuf,
}

/// What is written of who did what.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The directory.
    pub path: PathBuf,
    /// So long, 180 days at least.
    pub keep: Duration,
    /// A file that gets each line too.
    pub copy_to: Option<PathBuf>,
    /// A server that gets each line too.
    pub syslog: Option<SyslogTo>,
}

/// How a syslog server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogTo {
    /// A datagram socket of the system.
    Local(PathBuf),
    /// UDP (RFC 5426).
    Udp(SocketAddr),
    /// TCP (RFC 6587).
    Tcp(SocketAddr),
}

/// How the registry follows WeCom's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directory {
    /// What becomes of accounts whose user is gone.
    pub leavers: Leavers,
    /// For so long they are watched on.
    pub grace: Duration,
    /// How often members are compared.
    pub every: Duration,
    /// More at one time are a mistake, and only reported.
    pub most_leavers: usize,
}

/// What becomes of accounts whose user is gone from WeCom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leavers {
    /// They are unbound after the grace time.
    Unbind,
    /// Administrators are told.
    Report,
    /// Nobody looks.
    Off,
}

const DAY: Duration = Duration::from_secs(86_400);

/// `[vault]`: without a master key no password is stored.
pub(super) fn vault(r: &Reader<'_>, state: Option<&State>) -> Option<Vault> {
    for key in ["master_key", "old_master_key"] {
        // What stands in this file stands in its copies and backups.
        if matches!(r.value(key), Some(DeValue::String(_))) {
            r.wrong(key, not_in_here(key));
        }
    }
    if !r.has("master_key") {
        let hint = say("; make one with: mailbell vault new-key FILE", "；用 mailbell vault new-key 文件 生成");
        r.missing("master_key", Some(hint));
    }
    let keyring = if r.has("keyring") { r.path("keyring")? } else { beside(state?, "keyring") };
    Some(Vault {
        master_key: secret::read(r, "master_key")?,
        old_master_key: secret::read(r, "old_master_key"),
        keyring,
    })
}

fn not_in_here(key: &str) -> Said {
    say(
        format!(
            "a master key must not stand in the config; write {key} = {{ file = \"PATH\" }}, {{ env = \"NAME\" }} or {{ credential = \"NAME\" }}"
        ),
        format!(
            "主密钥不能写在配置文件里；请写 {key} = {{ file = \"PATH\" }}、{{ env = \"NAME\" }} 或 {{ credential = \"NAME\" }}"
        ),
    )
}

fn beside(state: &State, name: &str) -> PathBuf {
    state.path.with_file_name(name)
}

/// `[audit]`: kept for 365 days if nothing is said, for 180 at least.
pub(super) fn audit(r: &Reader<'_>, state: Option<&State>) -> Option<Audit> {
    let path = if r.has("path") { r.path("path")? } else { beside(state?, "audit") };
    let keep = r.span("keep", DAY * 180..=DAY * 3650).unwrap_or(DAY * 365);
    let copy_to = if r.has("copy_to") { Some(r.path("copy_to")?) } else { None };
    let syslog = if r.has("syslog") { Some(syslog(r)?) } else { None };
    Some(Audit { path, keep, copy_to, syslog })
}

fn syslog(r: &Reader<'_>) -> Option<SyslogTo> {
    let text = r.text("syslog")?;
    let found = match text.split_once("://") {
        None if text.starts_with('/') => Some(SyslogTo::Local(PathBuf::from(text))),
        Some(("udp", address)) => resolve(address).map(SyslogTo::Udp),
        Some(("tcp", address)) => resolve(address).map(SyslogTo::Tcp),
        _ => None,
    };
    if found.is_none() {
        let shown = quoted(text);
        r.wrong(
            "syslog",
            say(
                format!("{shown} is no syslog server that can be found; write \"/dev/log\", \"udp://HOST:514\" or \"tcp://HOST:514\""),
                format!("{shown} 不是可用的 syslog 服务器；请写 \"/dev/log\"、\"udp://主机:514\" 或 \"tcp://主机:514\""),
            ),
        );
    }
    found
}

fn resolve(address: &str) -> Option<SocketAddr> {
    address.to_socket_addrs().ok()?.next()
}

/// `[directory]`: what becomes of accounts whose user is gone from WeCom.
pub(super) fn directory(r: &Reader<'_>) -> Directory {
    let leavers = [("unbind", Some(Leavers::Unbind)), ("report", Some(Leavers::Report)), ("off", Some(Leavers::Off))];
    let most = r.number_in("most_leavers", 1..=1_000_000).and_then(|n| usize::try_from(n).ok());
    Directory {
        leavers: r.choice("leavers", &leavers).unwrap_or(Leavers::Report),
        grace: r.span("grace", Duration::ZERO..=DAY * 90).unwrap_or(DAY),
        every: r.span("every", Duration::from_secs(600)..=DAY * 7).unwrap_or(DAY),
        most_leavers: most.unwrap_or(20),
    }
}
