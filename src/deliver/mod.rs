//! The delivery loop: wait until due, claim, send, settle. It knows the faces of `wecom` and `state`, nothing behind
//! them. Mail and WeCom meet only through the outbox.

pub mod cut;
pub mod render;
mod report;
mod report_text;

pub use report::Reporter;

use crate::clock::Clock;
use crate::config::{Account, Config};
use crate::health::{Channel, Health};
use crate::metrics::{self, AlertOutcome};
use crate::model::{AccountId, Item, Recipient, Timestamp};
use crate::rules::retry::{self, Outcome};
use crate::state::{Claim, Compose, Draft, State, StateError};
use crate::wecom::{Push, advice_for};
use futures_util::stream::{FuturesUnordered, StreamExt};
use render::{Style, render};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

/// Messages on their way at one time: WeCom limits concurrent calls, without a published number (wecom-api 4).
const CONCURRENT: usize = 16;
/// Messages on their way at one time while the channel fails: more than one, so that one that never gets an answer does
/// not stand in the way of the others.
const PROBES: usize = 4;
/// The outbox is looked at so often even if nothing said that it changed.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// After a failure of the store.
const STATE_PAUSE: Duration = Duration::from_secs(1);
/// How long messages on their way may take when the service stops.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// What the loop works with.
#[derive(Clone)]
pub struct Delivery {
    /// The outbox.
    pub state: Arc<dyn State>,
    /// WeCom.
    pub push: Arc<dyn Push>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where its state is shown.
    pub health: Arc<Health>,
    /// How messages are made.
    pub compose: Arc<Compose>,
    /// The language of advice in the log.
    pub lang: crate::model::Lang,
}

/// The channel to WeCom as a whole.
#[derive(Default)]
struct Line {
    rests_until: Option<Timestamp>,
    /// Whether it rests for a limit or a refusal: what was on its way before does not end that.
    firm: bool,
    /// Failures in a row, each kind for itself.
    lost: u32,
    quota: u32,
    refused: u32,
    stopped: bool,
}

/// The accounts that there are now: where their cards lead, and who is told of their troubles.
#[derive(Debug, Default)]
pub struct Accounts(RwLock<HashMap<AccountId, Arc<Account>>>);

impl Accounts {
    /// Takes the place of those before.
    pub fn update(&self, accounts: &[Arc<Account>]) {
        let fresh = accounts.iter().map(|account| (account.id.clone(), account.clone())).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    fn get(&self, account: &AccountId) -> Option<Arc<Account>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(account).cloned()
    }

    fn link(&self, account: &AccountId) -> Option<String> {
        self.get(account)?.provider.server.webmail.as_ref().map(ToString::to_string)
    }
}

/// How messages are made under a config.
pub fn composer(config: &Config, push: Arc<dyn Push>, accounts: Arc<Accounts>) -> Arc<Compose> {
    let style = Style { lang: config.alerts.lang, time_zone: config.alerts.time_zone.clone(), card: config.wecom.card };
    let general = config.wecom.link.as_ref().map(ToString::to_string);
    Arc::new(move |to: &Recipient, items: &[Item], number: u32| {
        let link = |item: &Item| accounts.link(&item.account).or_else(|| general.clone());
        let rendered = render(items, &style, &link, number);
        let draft = |r: render::Rendered| Draft { kind: r.kind, body: push.encode(to, &r.message), items: r.items };
        rendered.into_iter().map(draft).collect()
    })
}

/// Runs until `stop`; then what is on its way is waited for, a few seconds.
pub async fn run(delivery: Delivery, stop: CancellationToken) {
    let mut line = Line::default();
    let mut sending = FuturesUnordered::new();
    loop {
        // Registered before looking, so that no change falls between.
        let changed = delivery.state.changed();
        if !stop.is_cancelled() && sending.len() < CONCURRENT && !line.rests(delivery.clock.steady()) {
            let most = if line.fails() { PROBES.saturating_sub(sending.len()) } else { CONCURRENT - sending.len() };
            for claim in claim(&delivery, most).await {
                sending.push(send(&delivery, claim));
            }
        }
        if stop.is_cancelled() {
            break;
        }
        let pause = wait(&delivery, &line, sending.len()).await;
        tokio::select! {
            biased;
            Some((claim, outcome)) = sending.next(), if !sending.is_empty() => {
                settle(&delivery, &mut line, claim, outcome).await;
            }
            () = stop.cancelled() => {}
            () = changed => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    let finish = async {
        while let Some((claim, outcome)) = sending.next().await {
            settle(&delivery, &mut line, claim, outcome).await;
        }
    };
    if tokio::time::timeout(STOP_GRACE, finish).await.is_err() {
        info!("messages were still on their way at the stop; they are repeated, unchanged, at the next start");
    }
}

async fn claim(delivery: &Delivery, most: usize) -> Vec<Claim> {
    if most == 0 {
        return Vec::new();
    }
    let now = delivery.clock.steady();
    match delivery.state.claim(now, most, delivery.compose.clone()).await {
        Ok(claims) => claims,
        Err(reason) => {
            error!(%reason, "the outbox cannot be read or written; trying again");
            tokio::time::sleep(STATE_PAUSE).await;
            Vec::new()
        }
    }
}

/// How long there is nothing to do, unless something changes.
async fn wait(delivery: &Delivery, line: &Line, on_their_way: usize) -> Duration {
    let now = delivery.clock.steady();
    if let Some(until) = line.rests_until.filter(|t| *t > now) {
        return until.since(now);
    }
    if on_their_way >= if line.fails() { PROBES } else { CONCURRENT } {
        return LOOK_EVERY;
    }
    match delivery.state.next_due(now).await {
        Ok(Some(due)) => due.since(now).min(LOOK_EVERY),
        Ok(None) => LOOK_EVERY,
        Err(_) => STATE_PAUSE,
    }
}

async fn send(delivery: &Delivery, claim: Claim) -> (Claim, Outcome) {
    let outcome = delivery.push.send(&claim.recipient, &claim.body).await;
    (claim, outcome)
}

async fn settle(delivery: &Delivery, line: &mut Line, claim: Claim, outcome: Outcome) {
    let now = delivery.clock.steady();
    let jitter = rand::random::<f64>();
    line.learn(delivery, &outcome, now, jitter);
    let next = retry::next(&outcome, claim.tries, now, jitter);
    match &next {
        retry::Next::Done => {
            let latency = now.since(claim.told_at);
            metrics::alert(AlertOutcome::Sent);
            metrics::latency(latency);
            delivery.health.token_held();
            debug!(alert = %claim.id, tries = claim.tries, latency_ms = latency.as_millis(), "sent");
        }
        retry::Next::Dead(reason) => {
            metrics::alert(AlertOutcome::Dead);
            let advice = advice_for(&outcome, delivery.lang).unwrap_or_default();
            warn!(alert = %claim.id, %reason, advice, "WeCom refuses this alert; it is kept as dead");
        }
        retry::Next::Again(_) => {
            metrics::alert(AlertOutcome::Again);
            debug!(alert = %claim.id, tries = claim.tries, ?outcome, "to be sent again");
        }
    }
    while let Err(reason) = delivery.state.settle(claim.id, next.clone(), now).await {
        error!(%reason, "the outbox cannot be written; trying again");
        tokio::time::sleep(STATE_PAUSE).await;
        if matches!(reason, StateError::Closed | StateError::Record(_)) {
            return;
        }
    }
}

impl Line {
    fn rests(&self, now: Timestamp) -> bool {
        self.rests_until.is_some_and(|until| until > now)
    }

    fn fails(&self) -> bool {
        self.lost + self.quota + self.refused > 0
    }

    /// Takes note of what one message tells of the whole channel; tells of its first failure and of its recovery.
    fn learn(&mut self, delivery: &Delivery, outcome: &Outcome, now: Timestamp, jitter: f64) {
        let (rests, firm) = (self.rests(now), self.firm);
        let failures = match outcome {
            Outcome::Unknown(_) | Outcome::Busy(_) => &mut self.lost,
            Outcome::Quota(_) => &mut self.quota,
            _ => &mut self.refused,
        };
        match retry::rest(outcome, *failures + 1, jitter) {
            Some(rest) => {
                let now_firm = !matches!(outcome, Outcome::Unknown(_) | Outcome::Busy(_));
                // Several messages that fail together are one failure, but a limit outlasts a lost answer.
                if !rests || (now_firm && !firm) {
                    *failures += 1;
                    self.firm = now_firm;
                    self.rests_until = self.rests_until.max(Some(now.plus(rest)));
                }
                let reason = outcome.reason();
                let advice = advice_for(outcome, delivery.lang).unwrap_or_default();
                if !self.stopped {
                    warn!(reason, advice, rest_s = rest.as_secs(), "WeCom does not take messages; they are kept");
                }
                self.stopped = true;
                delivery.health.channel(Channel::Resting(reason.to_owned()));
            }
            // Sent before the rest began.
            None if rests && firm => {}
            None => {
                if self.stopped {
                    info!("WeCom takes messages again");
                }
                *self = Self::default();
                delivery.health.channel(Channel::Open);
            }
        }
    }
}
