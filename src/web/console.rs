//! The administrator's console: what all its pages are made from, and what of the config it follows.

use super::door::Certificate;
use super::pending::Pending;
use super::sign_in::SignIn;
use super::uploads::Uploads;
use crate::clock::Clock;
use crate::config::{self, Account, Config, WebTls};
use crate::control::Service;
use crate::model::{AccountId, By, Deed, Done, Lang, Network, Role, Secret, Who};
use crate::office::{Office, OfficeError};
use crate::rules::sign_in::Tries;
use crate::state::{Ledger, Sessions, State};
use crate::tls::Acceptor;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use subtle::ConstantTimeEq;
use tracing::{error, info, warn};
use url::Url;

/// What the console is made from.
#[derive(Clone)]
pub struct Parts {
    /// The accounts as they are watched.
    pub service: Arc<Service>,
    /// The outbox.
    pub state: Arc<dyn State>,
    /// What became of letters and alerts.
    pub ledger: Arc<dyn Ledger>,
    /// Who signed in.
    pub sessions: Arc<dyn Sessions>,
    /// The registry, and the audit with it.
    pub office: Arc<Office>,
    /// WeCom's sign-in.
    pub sign_in: Arc<dyn SignIn>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The administrator's console.
pub struct Console {
    pub(super) parts: Parts,
    settings: RwLock<Arc<Settings>>,
    certificate: Certificate,
    pub(super) tries: Mutex<Tries>,
    pub(super) pending: Mutex<Pending>,
    pub(super) uploads: Mutex<Uploads>,
}

/// What the config says of the console, as it is now.
#[derive(Debug)]
pub(super) struct Settings {
    console: config::Console,
    /// Digest of the bootstrap token.
    token: Option<[u8; 32]>,
    pub(super) public_url: Option<Url>,
    /// Whether browsers come through TLS, here or at a proxy.
    pub(super) is_secure: bool,
    trusted: Arc<[Network]>,
    /// The language of those who ask for none.
    pub(super) lang: Lang,
    pub(super) zone: TimeZone,
    /// Whether subjects and senders may be shown (`log.personal`).
    pub(super) personal: bool,
    /// The accounts of the file.
    pub(super) file: Vec<Arc<Account>>,
    /// What `provider` may say.
    pub(super) providers: Vec<String>,
}

impl Settings {
    fn of(config: &Config) -> Self {
        let web = config.web.as_ref();
        let console = web.map(|web| web.console.clone()).unwrap_or_default();
        let https = |url: &Url| url.scheme() == "https";
        Self {
            token: console.token.as_ref().map(digest),
            public_url: web.and_then(|web| web.public_url.clone()),
            is_secure: web.is_some_and(|web| web.tls.is_some() || web.public_url.as_ref().is_some_and(https)),
            trusted: web.map_or_else(|| Arc::from([]), |web| web.trusted_proxies.clone()),
            lang: config.alerts.lang,
            zone: config.alerts.time_zone.clone(),
            personal: config.log.personal,
            file: config.accounts.clone(),
            providers: config.desk.providers(),
            console,
        }
    }

    /// Whether there is a console.
    pub(super) fn is_open(&self) -> bool {
        self.console.is_open()
    }

    /// Whether the bootstrap token opens it.
    pub(super) fn takes_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether members of WeCom may sign in.
    pub(super) fn takes_members(&self) -> bool {
        !self.console.roles.is_empty() && self.public_url.is_some()
    }

    /// Whether this is the bootstrap token; takes the same time whatever it is.
    pub(super) fn is_token(&self, typed: &Secret) -> bool {
        self.token.is_some_and(|token| digest(typed).ct_eq(&token).into())
    }

    /// What a session that the bootstrap token opens hangs on.
    pub(super) fn proof(&self) -> Vec<u8> {
        // Of the digest, so that the store tells nothing that opens anything.
        self.token.map(|token| Sha256::digest([b"session".as_slice(), &token].concat()).to_vec()).unwrap_or_default()
    }

    /// What a member may do, by userid in lower case.
    pub(super) fn role(&self, user: &str) -> Option<Role> {
        self.console.roles.get(user).copied()
    }

    /// An account of the file.
    pub(super) fn of_file(&self, id: &AccountId) -> Option<Arc<Account>> {
        self.file.iter().find(|account| account.id == *id).cloned()
    }

    /// The role of who signed in, if it still is what it was then.
    pub(super) fn still(&self, who: &Who, proof: &[u8]) -> Option<Role> {
        match who {
            Who::Member(user, role) => self.role(user).filter(|now| now == role),
            Who::Token => (self.token.is_some() && self.proof() == proof).then_some(Role::Administrator),
            Who::Service | Who::Operator(_) | Who::Stranger => None,
        }
    }

    /// From where a request comes: who connected, or, where that is a trusted proxy, the last one before it that is not.
    pub(super) fn origin(&self, peer: IpAddr, forwarded: &[&str]) -> IpAddr {
        let is_proxy = |address: IpAddr| self.trusted.iter().any(|network| network.holds(address));
        let mut from = peer.to_canonical();
        let hops = forwarded.iter().flat_map(|line| line.split(',')).map(str::trim).collect::<Vec<_>>();
        for hop in hops.iter().rev() {
            if !is_proxy(from) {
                break;
            }
            // Some proxies write the port behind it.
            let with_port = || hop.parse::<SocketAddr>().map(|address| address.ip());
            let Ok(address) = hop.parse::<IpAddr>().or_else(|_| with_port()) else { break };
            from = address.to_canonical();
        }
        from
    }
}

fn digest(secret: &Secret) -> [u8; 32] {
    Sha256::digest(secret.expose().as_bytes()).into()
}

impl Console {
    /// A console, open or not, as the config says.
    ///
    /// # Errors
    /// In English: its certificate cannot be used.
    pub fn new(config: &Config, parts: Parts) -> Result<Self, String> {
        let certificate = Certificate::default();
        certificate.set(acceptor(config)?);
        let settings = RwLock::new(Arc::new(Settings::of(config)));
        Ok(Self {
            parts,
            settings,
            certificate,
            tries: Mutex::default(),
            pending: Mutex::default(),
            uploads: Mutex::default(),
        })
    }

    /// Follows a config that was read anew: who may sign in, and the certificate. One that cannot be used changes nothing,
    /// which is told in the log.
    pub fn follow(&self, config: &Config) {
        match acceptor(config) {
            Ok(Some(acceptor)) if self.certificate.is_set() => self.certificate.set(Some(acceptor)),
            Ok(None) if !self.certificate.is_set() => {}
            Ok(_) => warn!("[web] cert and key are switched on or off by a restart only"),
            Err(reason) => warn!(reason, "[web] cert and key cannot be used; the certificate of before stays"),
        }
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Settings::of(config));
    }

    pub(super) fn certificate(&self) -> Certificate {
        self.certificate.clone()
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes in the audit what somebody did, and says so in the log.
    ///
    /// # Errors
    /// It cannot be noted, so it should not be done.
    pub(super) async fn note(&self, by: &By, deed: Deed) -> Result<(), OfficeError> {
        let (what, from) = (deed.what.word(), &by.from);
        match &deed.result {
            Done::Ok => info!(what, from, "console"),
            Done::Refused(why) => warn!(what, from, why, "console"),
        }
        self.parts.office.note(by, &[deed]).await
    }

    /// The same of what is refused, or done, in any case.
    pub(super) async fn note_refusal(&self, by: &By, deed: Deed) {
        if let Err(reason) = self.note(by, deed).await {
            error!(%reason, "something is not in the audit");
        }
    }
}

fn acceptor(config: &Config) -> Result<Option<Acceptor>, String> {
    let Some(WebTls { cert, key }) = config.web.as_ref().and_then(|web| web.tls.as_ref()) else { return Ok(None) };
    let read = |path: &std::path::Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let key = zeroize::Zeroizing::new(read(key)?);
    Acceptor::from_pem(&read(cert)?, &key).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn settings(trusted: &[&str]) -> Settings {
        Settings {
            console: config::Console::default(),
            token: None,
            public_url: None,
            is_secure: false,
            trusted: trusted.iter().map(|text| Network::parse(text).unwrap()).collect(),
            lang: Lang::En,
            zone: TimeZone::UTC,
            personal: false,
            file: Vec::new(),
            providers: Vec::new(),
        }
    }

    fn origin(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        settings(trusted).origin(peer.parse().unwrap(), forwarded).to_string()
    }

    #[test]
    fn only_trusted_proxies_say_who_is_behind_them() {
        assert_eq!(origin(&[], "192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(origin(&["192.0.2.1"], "192.0.2.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(origin(&["192.0.2.1"], "::ffff:192.0.2.1", &["198.51.100.7"]), "198.51.100.7");
        // What the other side wrote before the proxy is not believed.
        assert_eq!(origin(&["192.0.2.1"], "192.0.2.1", &["10.9.9.9, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(origin(&["10.0.0.0/8"], "10.0.0.1", &["198.51.100.7, 10.0.0.2"]), "198.51.100.7");
        assert_eq!(origin(&["10.0.0.0/8"], "10.0.0.1", &["198.51.100.7", "10.0.0.2"]), "198.51.100.7");
        assert_eq!(origin(&["10.0.0.0/8"], "10.0.0.1", &["unknown"]), "10.0.0.1");
        assert_eq!(origin(&["10.0.0.0/8"], "10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(origin(&["10.0.0.0/8"], "10.0.0.1", &["198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(origin(&["10.0.0.0/8"], "10.0.0.1", &["[2001:db8::7]:4711"]), "2001:db8::7");
    }

    #[test]
    fn a_role_that_was_taken_away_or_changed_ends_the_session() {
        let mut settings = settings(&[]);
        let who = Who::Member("wangwu".to_owned(), Role::Administrator);
        let with = |role: Role| Arc::new(BTreeMap::from([(Arc::from("wangwu"), role)]));
        assert_eq!(settings.still(&who, &[]), None);
        settings.console.roles = with(Role::Administrator);
        assert_eq!(settings.still(&who, &[]), Some(Role::Administrator));
        settings.console.roles = with(Role::Reader);
        assert_eq!(settings.still(&who, &[]), None);
        assert_eq!(settings.still(&Who::Token, &[]), None, "no token, no session of it");
        settings.token = Some([1; 32]);
        let proof = settings.proof();
        assert_eq!(settings.still(&Who::Token, &proof), Some(Role::Administrator));
        settings.token = Some([2; 32]);
        assert_eq!(settings.still(&Who::Token, &proof), None, "another token");
    }
}
