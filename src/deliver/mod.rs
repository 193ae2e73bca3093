//! The delivery loop: wait until due, claim, send, settle. It knows the faces of `wecom` and `state`, nothing behind
//! them. Mail and WeCom meet only through the outbox.

mod channel;
pub mod cut;
mod looks;
pub mod render;
mod report;
mod report_text;

pub use looks::{Look, Looks};
pub use report::Reporter;

use crate::clock::Clock;
use crate::config::{Account, Config};
use crate::health::{Channel, Health};
use crate::metrics::{self, AlertOutcome};
use crate::model::{AccountId, AlertId, Item, Now, Recipient, Timestamp};
use crate::rules::line::{Change, Line};
use crate::rules::retry::{self, Next, Outcome, Tried};
use crate::state::{Claim, Compose, Content, Draft, Settled, Shape, State, StateError};
use crate::wecom::{Push, Sent, advice_for, advice_on};
use futures_util::future::{BoxFuture, FutureExt, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use render::{Rendered, Style, render};
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
    /// The language of advice in the log, and of what administrators are told.
    pub lang: crate::model::Lang,
    /// The zone of the times they are told.
    pub time_zone: jiff::tz::TimeZone,
    /// Who is told when the channel was stopped.
    pub admins: Vec<Recipient>,
}

/// The accounts that there are now: where their cards lead, and who is told of their troubles.
#[derive(Debug, Default)]
pub struct Accounts(RwLock<HashMap<AccountId, Arc<Account>>>);

impl Accounts {
    /// These, at the beginning.
    pub fn of(accounts: &[Arc<Account>]) -> Self {
        let all = Self::default();
        all.update(accounts);
        all
    }

    /// Takes the place of those before.
    pub fn update(&self, accounts: &[Arc<Account>]) {
        let fresh = accounts.iter().map(|account| (account.id.clone(), account.clone())).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    fn get(&self, account: &AccountId) -> Option<Arc<Account>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(account).cloned()
    }

    fn all(&self) -> Vec<Arc<Account>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn link(&self, account: &AccountId) -> Option<String> {
        self.get(account)?.provider.server.webmail.as_ref().map(ToString::to_string)
    }
}

/// How messages are made under a config: recipients to whom alerts look otherwise get messages of their own.
pub fn composer(config: &Config, push: Arc<dyn Push>, accounts: Arc<Accounts>, looks: Arc<Looks>) -> Arc<Compose> {
    let general = config.wecom.link.as_ref().map(ToString::to_string);
    Arc::new(move |to: &[Recipient], content: Content<'_>, shape: Shape| {
        let link = |item: &Item| accounts.link(&item.account).or_else(|| general.clone());
        let draft = |to: &[Recipient], r: Rendered| {
            let body = push.encode(to, &r.message);
            Draft { to: to.to_vec(), kind: r.kind, body, items: r.items }
        };
        let items = match content {
            Content::Letters(items) => items,
            Content::Text(text) => return vec![draft(to, render::report(text, shape))],
        };
        let groups = looks.groups(to, |style| render::look(items, style, &link, shape));
        let alerts = |(style, to): (Style, Vec<Recipient>)| {
            let rendered = render(items, &style, &link, shape);
            rendered.into_iter().map(|r| draft(&to, r)).collect::<Vec<_>>()
        };
        groups.into_iter().flat_map(alerts).collect()
    })
}

/// What is on its way.
type Sending<'a> = FuturesUnordered<BoxFuture<'a, (Claim, Sent)>>;

/// Runs until `stop`; then what is on its way is waited for, a few seconds.
pub async fn run(delivery: Delivery, stop: CancellationToken) {
    let mut line = channel_as_left(&delivery).await;
    let mut sending: Sending<'_> = FuturesUnordered::new();
    let mut ended = Vec::new();
    loop {
        // All at one time, they share what the disk costs; and before anything is claimed: one that the disk did not take
        // is written down again, and must not end another claim than its own.
        join_all(settle(&delivery, &mut line, std::mem::take(&mut ended)).await).await;
        // Registered before looking, so that no change falls between.
        let changed = delivery.state.changed();
        let most = if stop.is_cancelled() { 0 } else { room(&delivery, &line, sending.len()) };
        for claim in claim(&delivery, most).await {
            sending.push(Box::pin(send(&delivery, claim)));
        }
        if stop.is_cancelled() {
            break;
        }
        let pause = wait(&delivery, &line, sending.len()).await;
        tokio::select! {
            biased;
            Some(first) = sending.next(), if !sending.is_empty() => {
                ended.push(first);
                while let Some(Some(more)) = sending.next().now_or_never() {
                    ended.push(more);
                }
            }
            () = stop.cancelled() => {}
            () = changed => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    let finish = async {
        while let Some(one) = sending.next().await {
            join_all(settle(&delivery, &mut line, vec![one]).await).await;
        }
    };
    if tokio::time::timeout(STOP_GRACE, finish).await.is_err() {
        info!("messages were still on their way at the stop; they are repeated, unchanged, at the next start");
    }
}

/// A rest that WeCom asked for (45009) goes on over a restart; one because of a refusal does not: the secret, or whatever
/// it was, may have been put right for just this restart.
async fn channel_as_left(delivery: &Delivery) -> Line {
    let mut line = match delivery.state.begin_sending(delivery.clock.now()).await {
        Ok(line) => line,
        Err(reason) => {
            error!(%reason, "how the channel to WeCom was left cannot be read");
            Line::default()
        }
    };
    if line.quota == 0 {
        line.rests_until = None;
    }
    if line.rests(delivery.clock.steady()) {
        delivery.health.channel(Channel::Resting(line.reason.clone().unwrap_or_default()));
    }
    line
}

/// How many more messages may be on their way.
fn room(delivery: &Delivery, line: &Line, on_their_way: usize) -> usize {
    if line.rests(delivery.clock.steady()) {
        return 0;
    }
    let most = if line.fails() { PROBES } else { CONCURRENT };
    most.saturating_sub(on_their_way)
}

async fn claim(delivery: &Delivery, most: usize) -> Vec<Claim> {
    if most == 0 {
        return Vec::new();
    }
    match delivery.state.claim(delivery.clock.now(), most, delivery.compose.clone()).await {
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
    let now = delivery.clock.now();
    if let Some(until) = line.rests_until.filter(|t| *t > now.steady) {
        return until.since(now.steady);
    }
    if room(delivery, line, on_their_way) == 0 {
        return LOOK_EVERY;
    }
    match delivery.state.next_due(now).await {
        Ok(Some(due)) => due.since(now.steady).min(LOOK_EVERY),
        Ok(None) => LOOK_EVERY,
        Err(_) => STATE_PAUSE,
    }
}

async fn send(delivery: &Delivery, claim: Claim) -> (Claim, Sent) {
    let sent = delivery.push.send(&claim.recipients, &claim.body).await;
    (claim, sent)
}

/// Learns from what has ended; what is answered writes it down, one future for each.
async fn settle<'a>(
    delivery: &'a Delivery,
    line: &mut Line,
    ended: Vec<(Claim, Sent)>,
) -> Vec<impl Future<Output = ()> + use<'a>> {
    let mut settled = Vec::new();
    for (claim, Sent { outcome, answer }) in ended {
        let now = delivery.clock.now();
        let jitter = delivery.clock.jitter();
        learn(delivery, line, &outcome, now, jitter).await;
        let tried = Tried {
            tries: claim.tries,
            strange: claim.strange,
            recipients: claim.recipients.len(),
            letters: claim.letters,
            plain: claim.plain,
        };
        let next = retry::next(&outcome, tried, now.steady, jitter);
        tell(delivery, &claim, &outcome, &next, now.steady);
        let strange = matches!(outcome, Outcome::Strange(_));
        let what = Settled { next, answer, unsure: outcome.is_unsure(), strange };
        settled.push(write_down(delivery, claim.id, what, now));
    }
    settled
}

async fn write_down(delivery: &Delivery, id: AlertId, settled: Settled, now: Now) {
    while let Err(reason) = delivery.state.settle(id, settled.clone(), now).await {
        error!(%reason, "the outbox cannot be written; trying again");
        tokio::time::sleep(STATE_PAUSE).await;
        if matches!(reason, StateError::Closed | StateError::Record(_)) {
            return;
        }
    }
}

/// What came of a try, for metrics and the log.
fn tell(delivery: &Delivery, claim: &Claim, outcome: &Outcome, next: &Next, now: Timestamp) {
    let (alert, tries) = (claim.id, claim.tries);
    reached(delivery, claim, outcome, next, now);
    let dead = |reason: &str| {
        metrics::alert(AlertOutcome::Dead);
        let advice = advice_for(outcome, delivery.lang).unwrap_or_default();
        warn!(%alert, reason, advice, "WeCom refuses this alert; it is kept as dead: see `mailbell alerts list`");
    };
    match next {
        Next::Done | Next::Partly(_) => {
            let refused = if let Next::Partly(refused) = next { refused.as_slice() } else { &[] };
            for (_, reason) in refused {
                metrics::alert(AlertOutcome::Dead);
                let advice = advice_on(reason, delivery.lang).unwrap_or_default();
                warn!(part_of = %alert, reason, advice, "WeCom does not reach one of an alert's recipients; theirs is kept as dead: see `mailbell alerts list`");
            }
            if refused.len() < claim.recipients.len() {
                let latency = now.since(claim.told_at);
                metrics::alert(AlertOutcome::Sent);
                metrics::latency(latency);
                delivery.health.token_held();
                debug!(%alert, tries, recipients = claim.recipients.len(), latency_ms = latency.as_millis(), "sent");
            }
        }
        Next::Dead(reason) => dead(reason),
        Next::Again(_) | Next::Halve | Next::Fewer | Next::Plain => {
            metrics::alert(AlertOutcome::Again);
            debug!(%alert, tries, ?outcome, "to be sent again");
        }
    }
}

/// Notes whom WeCom reaches, and whom it refuses to.
fn reached(delivery: &Delivery, claim: &Claim, outcome: &Outcome, next: &Next, now: Timestamp) {
    let refused: HashMap<&Recipient, &str> = match (outcome, next) {
        (_, Next::Partly(refused)) => refused.iter().map(|(who, reason)| (who, reason.as_str())).collect(),
        (Outcome::Recipient(reason), Next::Dead(_)) => {
            claim.recipients.iter().map(|who| (who, reason.as_str())).collect()
        }
        (_, Next::Done) => HashMap::new(),
        _ => return,
    };
    for recipient in &claim.recipients {
        delivery.health.reached(recipient, refused.get(recipient).copied(), now);
    }
}

/// Takes note of what one message tells of the whole channel; tells of its first failure and of its recovery.
async fn learn(delivery: &Delivery, line: &mut Line, outcome: &Outcome, now: Now, jitter: f64) {
    let before = line.clone();
    let change = line.learn(outcome, now.steady, now.wall, jitter);
    if line.rests(now.steady) {
        delivery.health.channel(Channel::Resting(outcome.reason().to_owned()));
    }
    match change {
        Change::None => {}
        Change::Stopped => {
            let rest_s = line.rests_until.map_or(0, |until| until.since(now.steady).as_secs());
            let advice = advice_for(outcome, delivery.lang).unwrap_or_default();
            warn!(reason = outcome.reason(), advice, rest_s, "WeCom does not take messages; they are kept");
        }
        Change::Again(stopped) => {
            info!("WeCom takes messages again");
            delivery.health.channel(Channel::Open);
            channel::tell_admins(delivery, &stopped, now).await;
        }
    }
    if !line.fails() && !before.fails() {
        delivery.health.channel(Channel::Open);
    }
    // A lost answer need not outlive the process: the next one tells the same.
    if (line.firm || before.firm)
        && *line != before
        && let Err(reason) = delivery.state.set_line(line.clone()).await
    {
        warn!(%reason, "how long the channel to WeCom rests cannot be stored");
    }
}
