//! Access tokens: who gets one, which still count, and who is banned (wecom-api.md section 2).

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use rand::Rng;
use rand::distr::Alphanumeric;

use super::answer::Refusal;
use super::options::Options;

/// Wrong secrets are counted over this time.
const WRONG_SECRET_WINDOW_MS: u64 = 3_600_000;
/// Expired tokens remembered, to tell 42001 from 40014.
const EXPIRED_KEPT: usize = 64;

/// A token and how many seconds it has left.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) access_token: String,
    pub(super) expires_in: u64,
}

struct Token {
    value: String,
    expires_ms: u64,
}

/// Whose token it is: what it may do differs (wecom-api.md section 9.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// The app.
    App,
    /// Contacts sync (通讯录同步).
    Contacts,
}

/// One token of one holder, and what is known of earlier ones.
#[derive(Default)]
struct Issued {
    current: Option<Token>,
    expired: VecDeque<String>,
}

/// The tokens of the app and of contacts sync.
#[derive(Default)]
pub(super) struct Tokens {
    app: Issued,
    contacts: Issued,
    wrong: HashMap<IpAddr, VecDeque<u64>>,
    banned_until: HashMap<IpAddr, u64>,
}

impl Tokens {
    /// `gettoken`. Inside the lifetime the same token comes back with what is left of it.
    ///
    /// Order: 41004 and 41002 for what is missing, 45009 for a banned address, 40013, 40001.
    pub(super) fn grant(
        &mut self,
        options: &Options,
        contacts_secret: &str,
        (corp_id, secret): (&str, &str),
        ip: IpAddr,
        now: u64,
    ) -> Result<Granted, Refusal> {
        if secret.is_empty() {
            return Err(Refusal::new(41004));
        }
        if corp_id.is_empty() {
            return Err(Refusal::new(41002));
        }
        if self.banned_until.get(&ip).is_some_and(|until| now < *until) {
            return Err(Refusal::because(45009, "too many wrong secrets, this ip is banned for a while"));
        }
        if corp_id != options.corp_id {
            return Err(Refusal::new(40013));
        }
        if secret == options.secret {
            return Ok(self.app.granted(options, now));
        }
        if secret == contacts_secret && !contacts_secret.is_empty() {
            return Ok(self.contacts.granted(options, now));
        }
        self.count_wrong(options, ip, now);
        Err(Refusal::new(40001))
    }

    fn count_wrong(&mut self, options: &Options, ip: IpAddr, now: u64) {
        let wrong = self.wrong.entry(ip).or_default();
        while wrong.front().is_some_and(|at| at + WRONG_SECRET_WINDOW_MS <= now) {
            wrong.pop_front();
        }
        wrong.push_back(now);
        if wrong.len() >= options.max_wrong_secrets {
            wrong.clear();
            self.banned_until.insert(ip, now.saturating_add(millis(options.ban)));
        }
    }

    /// Whose token it is, if it counts: 41001 when there is none, 42001 when it is too old, 40014 otherwise.
    pub(super) fn check(&self, token: Option<&str>, now: u64) -> Result<Holder, Refusal> {
        let token = token.filter(|token| !token.is_empty()).ok_or_else(|| Refusal::new(41001))?;
        for (issued, holder) in [(&self.app, Holder::App), (&self.contacts, Holder::Contacts)] {
            match &issued.current {
                Some(current) if current.value == token && now < current.expires_ms => return Ok(holder),
                Some(current) if current.value == token => return Err(Refusal::new(42001)),
                _ if issued.expired.iter().any(|expired| expired == token) => return Err(Refusal::new(42001)),
                _ => {}
            }
        }
        Err(Refusal::new(40014))
    }

    /// The platform takes the tokens back before their time (p91039); from now on they are 40014.
    pub(super) fn invalidate(&mut self) {
        (self.app.current, self.contacts.current) = (None, None);
    }

    /// Forgets wrong secrets and bans.
    pub(super) fn lift_bans(&mut self) {
        self.wrong.clear();
        self.banned_until.clear();
    }
}

impl Issued {
    fn granted(&mut self, options: &Options, now: u64) -> Granted {
        if let Some(token) = self.current.take_if(|token| token.expires_ms <= now) {
            self.expired.push_back(token.value);
            if self.expired.len() > EXPIRED_KEPT {
                self.expired.pop_front();
            }
        }
        let token = self.current.get_or_insert_with(|| Token {
            value: rand::rng().sample_iter(Alphanumeric).take(214).map(char::from).collect(),
            expires_ms: now.saturating_add(millis(options.token_lifetime)),
        });
        Granted { access_token: token.value.clone(), expires_in: ((token.expires_ms - now) / 1000).max(1) }
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
