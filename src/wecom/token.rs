//! The access token of a secret (p91039): one, fetched one at a time, renewed early, dropped when refused.

use super::code::{Class, class_of};
use super::http::Http;
use crate::clock::Clock;
use crate::config::Wecom;
use crate::model::{Secret, Timestamp};
use crate::rules::retry::{BUSY, CHANNEL, Outcome, QUOTA};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Renewed so long before it ends (design: "Promises", 9).
const EARLY: Duration = Duration::from_secs(300);
/// Between two tries to renew a token that still lives.
const NO_HURRY: Duration = Duration::from_secs(30);
/// What a token lives when the answer does not say (p91039: normally 7,200 s).
const USUAL_LIFE: Duration = Duration::from_secs(7200);

#[derive(Clone)]
struct Held {
    token: Secret,
    renew_at: Timestamp,
    ends_at: Timestamp,
    /// Counts fetches, so that a refusal of an old token does not drop a new one.
    generation: u64,
}

/// A fetch that WeCom refused: asked again only after a while, whoever wants a token.
struct Refusal {
    outcome: Outcome,
    until: Timestamp,
    /// How many in a row.
    count: u32,
}

/// What is known: a token, or why there is none.
#[derive(Default)]
struct Known {
    held: Option<Held>,
    refusal: Option<Refusal>,
}

/// The token and whoever is just fetching it: the lock is held over the fetch, so there is one at a time.
pub(super) struct Tokens {
    http: Http,
    corp_id: String,
    secret: Secret,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
    generation: std::sync::atomic::AtomicU64,
}

impl Tokens {
    /// Those of one secret of the corp.
    pub(super) fn new(http: Http, wecom: &Wecom, secret: &Secret, clock: Arc<dyn Clock>) -> Self {
        Self {
            http,
            corp_id: wecom.corp_id.clone(),
            secret: secret.clone(),
            clock,
            known: Mutex::new(Known::default()),
            generation: std::sync::atomic::AtomicU64::new(0),
        }
    }

    /// A token and its generation. Fetches one if there is none or it is near its end; while the old one still lives,
    /// a failed renewal costs nothing.
    ///
    /// # Errors
    /// What the failed fetch asks of us.
    pub(super) async fn get(&self) -> Result<(Secret, u64), Outcome> {
        let mut known = self.known.lock().await;
        let now = self.clock.steady();
        if let Some(h) = known.held.as_ref().filter(|h| now < h.renew_at) {
            return Ok((h.token.clone(), h.generation));
        }
        if let Some(refusal) = known.refusal.as_ref().filter(|r| now < r.until) {
            return still_alive(&known.held, now).ok_or_else(|| refusal.outcome.clone());
        }
        match self.fetch(now).await {
            Ok(fresh) => {
                let answer = (fresh.token.clone(), fresh.generation);
                *known = Known { held: Some(fresh), refusal: None };
                Ok(answer)
            }
            Err(outcome) => {
                let count = known.refusal.as_ref().map_or(0, |r| r.count) + 1;
                let alive = still_alive(&known.held, now);
                let least = if alive.is_some() { NO_HURRY } else { Duration::ZERO };
                let until = now.plus(again_after(&outcome, count).max(least));
                known.refusal = Some(Refusal { outcome: outcome.clone(), until, count });
                alive.ok_or(outcome)
            }
        }
    }

    /// Drops the token of this generation: WeCom refused it.
    pub(super) async fn drop_refused(&self, generation: u64) {
        let mut known = self.known.lock().await;
        if known.held.as_ref().is_some_and(|h| h.generation == generation) {
            known.held = None;
        }
    }

    async fn fetch(&self, now: Timestamp) -> Result<Held, Outcome> {
        let query = [("corpid", self.corp_id.as_str()), ("corpsecret", self.secret.expose())];
        let answer = match self.http.get("gettoken", &query, "access_token").await {
            Ok(answer) => answer,
            Err(error) => return Err(Outcome::Unknown(format!("gettoken: {error}"))),
        };
        let Some(errcode) = answer.errcode else {
            return Err(Outcome::Unknown(format!("gettoken: HTTP {}, no errcode", answer.status)));
        };
        let told = || format!("gettoken: {errcode} {}", answer.errmsg());
        match class_of(errcode) {
            Class::Ok => {}
            Class::Retry => return Err(Outcome::Busy(told())),
            Class::Quota => return Err(Outcome::Quota(told())),
            // Here every other code is about the corp, the secret, the app or this address.
            _ => return Err(Outcome::Channel(told())),
        }
        let Some(token) = answer.body.get("access_token").and_then(|t| t.as_str()).filter(|t| !t.is_empty()) else {
            return Err(Outcome::Unknown("gettoken: no access_token in the answer".to_owned()));
        };
        let life = answer.body.get("expires_in").and_then(serde_json::Value::as_u64);
        let life = life.map_or(USUAL_LIFE, Duration::from_secs).max(Duration::from_secs(2));
        // The same token may come back with what is left of its life: half of that is early enough then.
        let renew_in = if life > EARLY * 2 { life - EARLY } else { life / 2 };
        let generation = self.generation.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        Ok(Held { token: Secret::new(token), renew_at: now.plus(renew_in), ends_at: now.plus(life), generation })
    }
}

/// The old token, while it lives: a renewal that failed costs nothing yet.
fn still_alive(held: &Option<Held>, now: Timestamp) -> Option<(Secret, u64)> {
    held.as_ref().filter(|h| now < h.ends_at).map(|h| (h.token.clone(), h.generation))
}

/// When to ask again after the `count`-th refusal in a row. Wrong secrets are asked about four times in the first hour
/// and hourly then, for too many of them ban the address (wecom-api 2); a trusted-IP list acts after a minute.
fn again_after(outcome: &Outcome, count: u32) -> Duration {
    match outcome {
        Outcome::Channel(text) if !text.starts_with("gettoken: 60020") => {
            Duration::from_secs(120).saturating_mul(4_u32.saturating_pow(count - 1)).min(Duration::from_secs(3600))
        }
        Outcome::Channel(_) => CHANNEL.delay(count, 1.0),
        Outcome::Quota(_) => QUOTA.delay(count, 1.0),
        _ => BUSY.delay(count, 0.0),
    }
}
