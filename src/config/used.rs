//! The configuration as used: every value checked, every default filled in, every path made whole.

use super::desk::Desk;
use super::organisation::{Audit, Directory, Vault};
use super::web::Web;
use crate::model::{AccountId, BusyMinutes, Card, KeptSecret, Lang, Locale, Owner, Recipient, Secret, Urgency};
use crate::rules::filter::Filter;
use crate::rules::hours::Hours;
use crate::rules::workdays::Workdays;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Everything that mailbell was told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it came from.
    pub file: PathBuf,
    /// `[wecom]`
    pub wecom: Wecom,
    /// `[alerts]`
    pub alerts: Alerts,
    /// `[admin]`
    pub admin: Admin,
    /// `[state]`
    pub state: State,
    /// `[vault]`; absent = no password is stored.
    pub vault: Option<Vault>,
    /// `[audit]`
    pub audit: Audit,
    /// `[directory]`
    pub directory: Directory,
    /// `[limits]`
    pub limits: Limits,
    /// `[imap]`
    pub imap: Imap,
    /// `[web]`; absent = no web surface.
    pub web: Option<Web>,
    /// `[log]`
    pub log: Log,
    /// `[user.NAME]`
    pub users: BTreeMap<Recipient, Person>,
    /// `[[account]]`
    pub accounts: Vec<Arc<Account>>,
    /// Reads the accounts of the registry.
    pub desk: Arc<Desk>,
    /// What is allowed but unwise, for example a password file that others can read.
    pub warnings: Vec<Problem>,
}

/// The WeCom app (自建应用).
#[derive(Clone, Debug)]
pub struct Wecom {
    /// 企业ID.
    pub corp_id: String,
    /// AgentId of the app.
    pub agent_id: i64,
    /// Secret of the app.
    pub secret: Secret,
    /// Secret of contacts sync (通讯录同步), which alone lists all members; differs from the app's.
    pub contacts_secret: Option<Secret>,
    /// Where the API answers, without a slash at the end.
    pub api_base: Url,
    /// Where a browser signs in with WeCom, without a slash at the end.
    pub login_base: Url,
    /// Where a browser inside WeCom is sent to be told who it is, without a slash at the end.
    pub oauth_base: Url,
    /// A forward proxy with a fixed address (企业可信IP).
    pub proxy: Option<Proxy>,
    /// 账号上限数: 200 times as many persons a day are the quota (wecom-api 4); `None`: no daily cap is kept.
    pub account_cap: Option<u32>,
    /// The form of an alert for one letter.
    pub card: Card,
    /// Where a card leads if the provider has no webmail.
    pub link: Option<Url>,
}

/// A forward proxy; its address may hold a password.
#[derive(Clone)]
pub struct Proxy(pub Url);

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({}:{:?})", self.0.host_str().unwrap_or_default(), self.0.port())
    }
}

/// How alerts speak.
#[derive(Clone, Debug)]
pub struct Alerts {
    /// The language of alerts.
    pub lang: Lang,
    /// The time zone of the times in them.
    pub time_zone: jiff::tz::TimeZone,
    /// So often letters of urgency digest are announced, 10 minutes to a day.
    pub digest_every: Duration,
    /// Whose mail is one's own, in lower case: any other sender is told as an external one. Empty: nobody is.
    pub own_domains: Arc<[String]>,
    /// The servers whose Authentication-Results are believed, in lower case.
    pub trusted_authserv: Arc<[String]>,
    /// When nobody is rung, but for what is urgent.
    pub quiet_hours: Hours,
    /// When people are rung; none: always.
    pub work_hours: Hours,
    /// When letters of urgency digest are told, by times of day ("09:00"); none: by `digest_every`.
    pub digest_at: Vec<String>,
    /// Which days are worked.
    pub workdays: Arc<Workdays>,
    /// A sender is told as a stranger once senders are remembered for so long.
    pub first_time_after: Duration,
}

/// Who is told of what only an administrator can mend.
#[derive(Clone, Debug, Default)]
pub struct Admin {
    /// Nobody: log and metrics only.
    pub recipients: Vec<Recipient>,
}

/// Where the store is.
#[derive(Clone, Debug)]
pub struct State {
    /// The directory.
    pub path: PathBuf,
    /// So often the service writes an export of the store, 10 minutes to 7 days; `None`: never.
    pub export_every: Option<Duration>,
    /// So many exports are kept, at least 1.
    pub exports_kept: usize,
}

/// Limits that mailbell keeps.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// S: syncs per user in any 60 minutes, 1 to 50.
    pub syncs_per_hour: u32,
    /// F: how many of them need not be paced, 0 to S - 1 (S = 1: 0).
    pub free_syncs: u32,
    /// Logins per second to one host, at least 1.
    pub logins_per_second_per_host: u32,
    /// IMAP connections of one account at the same time, at least 1.
    pub connections_per_account: u32,
    /// What is not sent in the minutes :00 and :30.
    pub busy_minutes: BusyMinutes,
}

/// How IMAP is spoken.
#[derive(Clone, Copy, Debug)]
pub struct Imap {
    /// For name resolution, TCP, TLS and the greeting together.
    pub connect_timeout: Duration,
    /// For any one command.
    pub command_timeout: Duration,
    /// How long one IDLE lasts.
    pub idle_renew: Duration,
    /// Polling, and the sweep of all folders under IDLE.
    pub poll_interval: Duration,
    /// At least so long between two syncs of a user.
    pub settle: Duration,
    /// Announce mail that was already read elsewhere.
    pub alert_seen: bool,
    /// An account or folder without proof of life for so long is reported; more than `idle_renew`.
    pub blind_after: Duration,
}

/// The log.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// Its form.
    pub format: LogFormat,
    /// Whether subjects and addresses may stand in it.
    pub personal: bool,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Where and how an account's server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// The lowest version of TLS that is accepted.
    pub min_tls: MinTls,
    /// A PEM file of authorities, in addition to the public roots.
    pub ca_file: Option<PathBuf>,
    /// The webmail, for the cards' links.
    pub webmail: Option<Url>,
}

/// What `provider` named: a built-in provider or a `[provider.NAME]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its name in the config; `None` where the account names its server itself.
    pub name: Option<String>,
    /// Its server.
    pub server: Server,
    /// So often its servers want to be asked something, where `idle_renew` is too rarely for them.
    pub renew: Option<Duration>,
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// From the first byte (port 993).
    Implicit,
    /// After STARTTLS (RFC 3501 6.2.1).
    Starttls,
    /// Not at all; loopback only.
    None,
}

/// The lowest version of TLS that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinTls {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

/// How an account is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// NOTIFY where the server has it, else IDLE, else polling.
    Auto,
    /// NOTIFY (RFC 5465).
    Notify,
    /// IDLE.
    Idle,
    /// Polling.
    Poll,
}

/// How the login is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// LOGIN (RFC 3501 6.2.3).
    Login,
    /// AUTHENTICATE PLAIN (RFC 4616), with an authorisation identity where there is a master user.
    Plain,
    /// AUTHENTICATE XOAUTH2 (Google, Microsoft).
    Xoauth2,
    /// AUTHENTICATE OAUTHBEARER (RFC 7628).
    Oauthbearer,
}

/// What proves who logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The account's own password.
    Password(Secret),
    /// The same, in the vault: opened for each login.
    Kept(KeptSecret),
    /// The password of a master user who logs in for the account.
    Master {
        /// The master user's name.
        user: String,
        /// The master user's password.
        password: Secret,
    },
    /// Access tokens of an `[oauth.NAME]` section.
    Oauth(Arc<Oauth>),
}

/// `[oauth.NAME]`: where access tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oauth {
    /// NAME.
    pub name: String,
    /// Where tokens are asked for; https, or http on the machine itself.
    pub token_url: Url,
    /// What the token is for; left out where it is not set.
    pub scope: Option<String>,
    /// How they are asked for.
    pub flow: OauthFlow,
}

/// How access tokens are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OauthFlow {
    /// RFC 6749 4.4: one token for all accounts of the section (Exchange Online app-only).
    ClientCredentials {
        /// The app's id.
        client_id: String,
        /// The app's secret.
        client_secret: Secret,
    },
    /// RFC 7523 2.1, RS256, `sub` = the account's address: a token for each account (Google delegation).
    ServiceAccount {
        /// `iss`: the service account's address (`client_email` of the key file, or `client_id`).
        issuer: String,
        /// `kid`, where the key file tells one.
        key_id: Option<String>,
        /// The private key in PEM form.
        private_key: Secret,
    },
    /// RFC 6749 6: one token for all accounts of the section.
    RefreshToken {
        /// The app's id.
        client_id: String,
        /// The app's secret, where it has one.
        client_secret: Option<Secret>,
        /// The refresh token as it was configured; the server may give a newer one.
        refresh_token: Secret,
    },
}

/// Which folders of an account, to whom, how loud.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    /// Folder patterns as typed (`项目/*`, `!项目/归档`, `\Junk`).
    pub folders: Vec<String>,
    /// Which of their letters.
    pub filter: Filter,
    /// Who is told of their letters; `None`: the account's recipients. Never empty.
    pub recipients: Option<Vec<Recipient>>,
    /// How loud their letters ring.
    pub urgency: Urgency,
    /// Whether they deserve a connection of their own where the server has no NOTIFY; `None`: the INBOX does.
    pub realtime: Option<bool>,
    /// The form of their cards; `None`: the recipient's.
    pub card: Option<Card>,
    /// When they ring nobody, and when they ring; `None`: as the recipient has it.
    pub times: Times,
}

/// When somebody is rung, as far as it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// `quiet_hours`
    pub quiet_hours: Option<Hours>,
    /// `work_hours`
    pub work_hours: Option<Hours>,
    /// `digest_at`
    pub digest_at: Option<Vec<String>>,
}

/// How one recipient is told (`[user.NAME]`), as far as it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The language of their alerts.
    pub lang: Option<Lang>,
    /// The zone of their times.
    pub time_zone: Option<jiff::tz::TimeZone>,
    /// The form of their cards.
    pub card: Option<Card>,
    /// When they are rung.
    pub times: Times,
}

impl Subscription {
    /// The short form: to the account's recipients, of urgency normal.
    pub fn to<S: AsRef<str>>(folders: &[S]) -> Self {
        let folders = folders.iter().map(|name| name.as_ref().to_owned()).collect();
        Self {
            folders,
            filter: Filter::default(),
            recipients: None,
            urgency: Urgency::Normal,
            realtime: None,
            card: None,
            times: Times::default(),
        }
    }
}

/// One IMAP login.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// The address, in lower case.
    pub id: AccountId,
    /// The login name: `login`, else `email` as typed.
    pub login: String,
    /// How the login is said.
    pub auth: Auth,
    /// What proves who logs in.
    pub credential: Credential,
    /// Whose budget it draws on.
    pub owner: Owner,
    /// Who is told, where the subscription does not say otherwise: the user, or a shared account's recipients. Never
    /// empty.
    pub recipients: Vec<Recipient>,
    /// Which folders, first match decides; never empty. The short form `folders = [...]` is one of these.
    pub subscriptions: Vec<Subscription>,
    /// How it is watched.
    pub mode: Mode,
    /// The server.
    pub provider: Provider,
    /// What 8-bit text without a charset is taken for: by `alerts.lang` and `alerts.time_zone`.
    pub locale: Locale,
    /// The servers whose Authentication-Results are believed (`alerts.trusted_authserv`).
    pub trusted_authserv: Arc<[String]>,
    /// Whose mail is one's own (`alerts.own_domains`).
    pub own_domains: Arc<[String]>,
}

impl Account {
    /// Whether its rules ask for the names of those whom letters are written to.
    pub fn asks_names(&self) -> bool {
        self.subscriptions.iter().any(|subscription| subscription.filter.asks_names())
    }

    /// Whether letters of this account may be told to this recipient.
    pub fn tells(&self, recipient: &Recipient) -> bool {
        let of_some = |s: &Subscription| s.recipients.as_ref().is_some_and(|list| list.contains(recipient));
        self.recipients.contains(recipient) || self.subscriptions.iter().any(of_some)
    }

    /// Whether connections to this account are made as to the other one, and belong to the same: only rules differ.
    pub fn connects_as(&self, other: &Self) -> bool {
        self.id == other.id
            && self.login == other.login
            && (self.auth, self.mode) == (other.auth, other.mode)
            && self.credential == other.credential
            && self.owner == other.owner
            && self.provider == other.provider
    }
}

/// One mistake (or one warning) in the config, told so that a person can mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// The key, dotted (`limits.syncs_per_hour`, `account[2].password`); empty where none is meant.
    pub key: String,
    /// What is wrong and what to write instead, in English.
    pub en: String,
    /// The same in Chinese.
    pub zh: String,
}

/// All mistakes of one config file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// The file.
    pub file: PathBuf,
    /// At least one, in the order of the file.
    pub list: Vec<Problem>,
}

impl Problem {
    /// One line: `FILE:LINE: KEY: what is wrong`.
    pub fn line_for(&self, file: &std::path::Path, lang: Lang) -> String {
        let mut place = file.display().to_string();
        if self.line > 0 {
            place = format!("{place}:{}", self.line);
        }
        if !self.key.is_empty() {
            place = format!("{place}: {}", self.key);
        }
        format!("{place}: {}", lang.pick(&self.zh, &self.en))
    }
}

impl Problems {
    /// All of them, one per line.
    pub fn text(&self, lang: Lang) -> String {
        let lines: Vec<_> = self.list.iter().map(|p| p.line_for(&self.file, lang)).collect();
        lines.join("\n")
    }
}
