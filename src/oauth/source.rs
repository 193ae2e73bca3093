//! A token source: who has which token, when it is asked again, and what it refused.

use super::http::Http;
use super::request::{Failure, Fresh, fetch};
use crate::clock::Clock;
use crate::config::{Oauth, OauthFlow};
use crate::imap::{AccessToken, TokenTrouble};
use crate::model::{Secret, Timestamp};
use crate::rules::backoff::Backoff;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as Turn, Semaphore};
use tracing::warn;

/// A token is renewed between once and twice this before it ends; a short one in the second quarter of its life from
/// its end.
const EARLY: Duration = Duration::from_secs(300);
/// What a token lives when the answer does not say: Google's and Microsoft's live about an hour.
const USUAL_LIFE: Duration = Duration::from_secs(3600);
/// A token that was fetched so lately is not at fault when a mail server refuses it: the mailbox is.
const YOUNG: Duration = Duration::from_secs(300);
/// Between two tries to renew a token that still lives.
const NO_HURRY: Duration = Duration::from_secs(30);
/// Before a source is asked again that was out of order, and one that refused.
const DOWN: Backoff = Backoff { first: Duration::from_secs(5), most: Duration::from_secs(300) };
const REFUSED: Backoff = Backoff { first: Duration::from_secs(60), most: Duration::from_secs(3600) };
/// Requests to one source at the same time; more than one only where each account has a token of its own.
const AT_ONCE: usize = 4;

struct Held {
    token: Secret,
    fetched_at: Timestamp,
    renew_at: Timestamp,
    ends_at: Timestamp,
    /// Whether the source told when it ends.
    told: bool,
    generation: u64,
}

/// A request that gave no token: the next one is made only after a while, whoever wants a token.
#[derive(Clone)]
struct Refusal {
    trouble: TokenTrouble,
    until: Timestamp,
    /// How many in a row.
    count: u32,
}

/// A token, or why there is none.
#[derive(Default)]
struct Known {
    held: Option<Held>,
    refusal: Option<Refusal>,
}

/// See the module's text.
pub(super) struct Source {
    oauth: Arc<Oauth>,
    clock: Arc<dyn Clock>,
    /// By the account it speaks for, "" where one token is for all. The inner lock is held over the request, so there is
    /// one at a time.
    known: Mutex<HashMap<String, Arc<Turn<Known>>>>,
    /// What every account would be told.
    refusal: Mutex<Option<Refusal>>,
    at_once: Semaphore,
    /// The refresh token in use.
    refresh_token: Mutex<Secret>,
    generation: AtomicU64,
}

impl Source {
    pub(super) fn new(oauth: Arc<Oauth>, clock: Arc<dyn Clock>) -> Self {
        let refresh_token = match &oauth.flow {
            OauthFlow::RefreshToken { refresh_token, .. } => refresh_token.clone(),
            _ => Secret::new(""),
        };
        Self {
            oauth,
            clock,
            known: Mutex::default(),
            refusal: Mutex::default(),
            at_once: Semaphore::new(AT_ONCE),
            refresh_token: Mutex::new(refresh_token),
            generation: AtomicU64::new(0),
        }
    }

    /// Whether it is made of exactly this section.
    pub(super) fn is_of(&self, oauth: &Arc<Oauth>) -> bool {
        Arc::ptr_eq(&self.oauth, oauth) || *self.oauth == **oauth
    }

    fn of(&self, address: &str) -> Arc<Turn<Known>> {
        let subject = match &self.oauth.flow {
            OauthFlow::ServiceAccount { .. } => address,
            OauthFlow::ClientCredentials { .. } | OauthFlow::RefreshToken { .. } => "",
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(subject.to_owned()).or_default().clone()
    }

    /// A token for an account; while the old one lives, a renewal that fails costs nothing. If `refused` is the token of
    /// now: a fresh one, or `None` if that one was fresh.
    pub(super) async fn token(
        &self,
        http: &Http,
        address: &str,
        refused: Option<&AccessToken>,
    ) -> Result<Option<AccessToken>, TokenTrouble> {
        let turn = self.of(address);
        let mut known = turn.lock().await;
        let now = self.clock.steady();
        let refused = refused.is_some_and(|r| known.held.as_ref().is_some_and(|h| h.generation == r.generation));
        if let Some(held) = &known.held {
            if !refused && now < held.renew_at {
                return Ok(Some(held.answer(now)));
            }
            if refused && now < held.fetched_at.plus(YOUNG) {
                return Ok(None);
            }
        }
        // A token that was refused stays for the others until there is another: it may be that one mailbox's fault.
        let alive = known.held.as_ref().filter(|held| !refused && now < held.ends_at).map(|held| held.answer(now));
        if let Some(refusal) = known.refusal.clone().filter(|r| now < r.until).or_else(|| self.resting(now)) {
            return alive.map(Some).ok_or(refusal.trouble);
        }
        let Ok(_permit) = self.at_once.acquire().await else {
            return Err(TokenTrouble::Down("closing".to_owned()));
        };
        // Others may have learnt of an outage meanwhile.
        if let Some(refusal) = self.resting(self.clock.steady()) {
            return alive.map(Some).ok_or(refusal.trouble);
        }
        let refresh_token = self.refresh_token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let outcome = fetch(http, &self.oauth, address, &refresh_token, self.clock.wall()).await;
        let now = self.clock.steady();
        match outcome {
            Ok(fresh) => {
                let held = self.hold(fresh, now);
                let answer = held.answer(now);
                *known = Known { held: Some(held), refusal: None };
                *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Ok(Some(answer))
            }
            Err(failure) => {
                let trouble = failure.trouble.clone();
                self.remember(&mut known, failure, now, alive.is_some());
                alive.map(Some).ok_or(trouble)
            }
        }
    }

    /// What the whole source refused lately.
    fn resting(&self, now: Timestamp) -> Option<Refusal> {
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        refusal.clone().filter(|refusal| now < refusal.until)
    }

    fn remember(&self, known: &mut Known, failure: Failure, now: Timestamp, alive: bool) {
        let mut of_source = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        let place = if failure.of_source { &mut *of_source } else { &mut known.refusal };
        let count = place.as_ref().map_or(0, |refusal| refusal.count).saturating_add(1);
        let backoff = match failure.trouble {
            TokenTrouble::Refused(_) => REFUSED,
            TokenTrouble::Down(_) => DOWN,
        };
        let least = if alive { NO_HURRY } else { Duration::ZERO };
        let delay = backoff.delay(count, self.clock.jitter()).max(failure.retry_after.unwrap_or_default()).max(least);
        *place = Some(Refusal { trouble: failure.trouble, until: now.plus(delay), count });
    }

    fn hold(&self, fresh: Fresh, now: Timestamp) -> Held {
        if let Some(newer) = fresh.refresh_token {
            let mut refresh_token = self.refresh_token.lock().unwrap_or_else(PoisonError::into_inner);
            if *refresh_token != newer && matches!(self.oauth.flow, OauthFlow::RefreshToken { .. }) {
                warn!(
                    source = self.oauth.name,
                    "the token source gave a new refresh token; it is kept in memory, after a restart the configured one is used"
                );
                *refresh_token = newer;
            }
        }
        let life = fresh.life.unwrap_or(USUAL_LIFE).max(Duration::from_secs(2));
        let early = if life > EARLY * 4 { EARLY } else { life / 4 };
        let renew_in = life.saturating_sub(early.mul_f64(1.0 + self.clock.jitter()));
        Held {
            token: fresh.token,
            fetched_at: now,
            renew_at: now.plus(renew_in),
            ends_at: now.plus(life),
            told: fresh.life.is_some(),
            generation: self.generation.fetch_add(1, Ordering::Relaxed) + 1,
        }
    }
}

impl Held {
    fn answer(&self, now: Timestamp) -> AccessToken {
        AccessToken {
            token: self.token.clone(),
            lives_for: self.told.then(|| self.ends_at.since(now)),
            generation: self.generation,
        }
    }
}
