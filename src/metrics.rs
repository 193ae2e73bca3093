//! What is counted for Prometheus (design: "HTTP", metrics): counters of this process, and gauges made at each scrape.
//!
//! Nothing here names a person: no label holds an address, a userid or a folder, and none can take values without end.

use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

/// The media type of what [`scrape`] answers: Prometheus' text format 0.0.4.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// In front of every name.
const PREFIX: &str = "mailbell";
/// Upper ends of the classes of latency, in seconds: from 1 ms to 10 minutes.
const LATENCIES: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 150.0, 300.0, 600.0];
/// So many errcodes have a line of their own; a relay that makes them up is counted under `other`.
const MOST_ERRCODES: usize = 100;

/// How a try to log in ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginResult {
    /// Logged in.
    Ok,
    /// The server refused name and password, or would take them only unprotected.
    Refused,
    /// The server puts it off: too many connections, or out of order for now.
    Later,
    /// No answer to the login came: no connection, no TLS, a time-out.
    Failed,
}

impl LoginResult {
    const ALL: [Self; 4] = [Self::Ok, Self::Refused, Self::Later, Self::Failed];

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Later => "later",
            Self::Failed => "failed",
        }
    }
}

/// What began a sync (design: "Words", sync).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The server told (IDLE, NOTIFY).
    Push,
    /// The timer, without a server that tells.
    Poll,
    /// The timer under a server that tells.
    Sweep,
    /// A person: "look now".
    Person,
}

impl Trigger {
    const ALL: [Self; 4] = [Self::Push, Self::Poll, Self::Sweep, Self::Person];

    fn word(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Poll => "poll",
            Self::Sweep => "sweep",
            Self::Person => "person",
        }
    }
}

/// What came of one try to send an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertOutcome {
    /// WeCom took it.
    Sent,
    /// It is to be sent again.
    Again,
    /// WeCom refuses it for good.
    Dead,
}

impl AlertOutcome {
    const ALL: [Self; 3] = [Self::Sent, Self::Again, Self::Dead];

    fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Again => "again",
            Self::Dead => "dead",
        }
    }
}

/// A try to log in has ended.
pub fn login(result: LoginResult) {
    with(|m| m.logins.with_label_values(&[result.word()]).inc());
}

/// So many letters were new to a recipient and are stored.
pub fn letters(n: usize) {
    with(|m| m.letters.inc_by(u64::try_from(n).unwrap_or(u64::MAX)));
}

/// A sync has its permit and begins.
pub fn sync(trigger: Trigger) {
    with(|m| m.syncs.with_label_values(&[trigger.word()]).inc());
}

/// A sync that was due has to wait for the budget; once for each wait.
pub fn deferred() {
    with(|m| m.deferred.inc());
}

/// A try to send an alert has ended.
pub fn alert(outcome: AlertOutcome) {
    with(|m| m.alerts.with_label_values(&[outcome.word()]).inc());
}

/// An alert was taken, so long after the server had told us of its earliest letter.
pub fn latency(latency: Duration) {
    with(|m| m.latency.observe(latency.as_secs_f64()));
}

/// A request to WeCom was answered with this errcode; `None`: no answer that could be read.
pub fn wecom_request(errcode: Option<i64>) {
    with(|m| m.wecom_request(errcode));
}

/// What is so at the moment of a scrape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Accounts by the word of their state; every state is named, also with none.
    pub accounts: Vec<(&'static str, usize)>,
    /// IMAP connections that are open.
    pub connections: usize,
    /// The outbox by state, every state named; `None` while it cannot be read.
    pub outbox: Option<Vec<(&'static str, usize)>>,
    /// Persons told in WeCom; `None` while the store cannot be read.
    pub persons: Option<Persons>,
    /// How long the account that has been silent longest has been so; zero without accounts.
    pub silent_for: Duration,
    /// Accounts without proof of life for longer than `imap.blind_after`.
    pub blind: usize,
}

/// How much of WeCom's quota of a day is used, in persons told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Persons {
    /// Today, by WeCom's day (UTC+8).
    pub today: u64,
    /// By midnight, if it goes on as on the days before.
    pub forecast: u64,
    /// At most; `None`: no cap is known.
    pub quota: Option<u64>,
}

/// Everything as text for Prometheus ([`MEDIA_TYPE`]).
pub fn scrape(gauges: &Gauges) -> String {
    let mut text = String::new();
    with(|m| m.registry_text(&mut text));
    if let Ok(registry) = gauge_registry(gauges) {
        encode(&registry, &mut text);
    }
    text
}

/// The counters of one process.
struct Counters {
    registry: Registry,
    logins: IntCounterVec,
    letters: IntCounter,
    syncs: IntCounterVec,
    deferred: IntCounter,
    alerts: IntCounterVec,
    latency: Histogram,
    requests: IntCounterVec,
    errcodes: Mutex<BTreeSet<i64>>,
}

/// A name or a label that Prometheus forbids would be a mistake in this file, found by its tests; counting then stops,
/// the service does not.
static COUNTERS: LazyLock<Option<Counters>> = LazyLock::new(|| Counters::new().ok());

fn with(count: impl FnOnce(&Counters)) {
    if let Some(counters) = &*COUNTERS {
        count(counters);
    }
}

impl Counters {
    /// All counters, each with every label that is known beforehand, at zero.
    fn new() -> prometheus::Result<Self> {
        let registry = Registry::new_custom(Some(PREFIX.to_owned()), None)?;
        let latency = HistogramOpts::new(
            "alert_latency_seconds",
            "From the moment the mail server told of a letter to WeCom accepting its alert",
        );
        let counters = Self {
            logins: counter_vec("logins_total", "Tries to log in to mail servers, by result", "result")?,
            letters: IntCounter::new("letters_total", "Letters stored as new, counted for each recipient")?,
            syncs: counter_vec("syncs_total", "Syncs begun, by what began them", "trigger")?,
            deferred: IntCounter::new("sync_deferred_total", "Syncs that had to wait for their owner's budget")?,
            alerts: counter_vec("alerts_total", "Tries to send an alert, by outcome", "outcome")?,
            latency: Histogram::with_opts(latency.buckets(LATENCIES.to_vec()))?,
            requests: counter_vec("wecom_requests_total", "Requests to WeCom, by errcode of the answer", "errcode")?,
            errcodes: Mutex::default(),
            registry,
        };
        let vectors = [&counters.logins, &counters.syncs, &counters.alerts, &counters.requests];
        for vector in vectors {
            counters.registry.register(Box::new(vector.clone()))?;
        }
        for counter in [&counters.letters, &counters.deferred] {
            counters.registry.register(Box::new(counter.clone()))?;
        }
        counters.registry.register(Box::new(counters.latency.clone()))?;
        begin_at_zero(&counters.logins, &LoginResult::ALL.map(LoginResult::word));
        begin_at_zero(&counters.syncs, &Trigger::ALL.map(Trigger::word));
        begin_at_zero(&counters.alerts, &AlertOutcome::ALL.map(AlertOutcome::word));
        begin_at_zero(&counters.requests, &["0", "none"]);
        Ok(counters)
    }

    fn wecom_request(&self, errcode: Option<i64>) {
        let Some(errcode) = errcode else {
            self.requests.with_label_values(&["none"]).inc();
            return;
        };
        let mut known = self.errcodes.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&errcode) || known.len() < MOST_ERRCODES {
            known.insert(errcode);
            self.requests.with_label_values(&[errcode.to_string().as_str()]).inc();
        } else {
            self.requests.with_label_values(&["other"]).inc();
        }
    }

    fn registry_text(&self, text: &mut String) {
        encode(&self.registry, text);
    }
}

fn counter_vec(name: &str, help: &str, label: &str) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), &[label])
}

fn begin_at_zero(vector: &IntCounterVec, words: &[&str]) {
    for word in words {
        vector.with_label_values(&[*word]).inc_by(0);
    }
}

fn gauge_registry(gauges: &Gauges) -> prometheus::Result<Registry> {
    let registry = Registry::new_custom(Some(PREFIX.to_owned()), None)?;
    let add = |gauge: Box<dyn Collector>| registry.register(gauge);
    let by_state = |name: &str, help: &str, counts: &[(&'static str, usize)]| {
        let gauge = IntGaugeVec::new(Opts::new(name, help), &["state"])?;
        for (state, count) in counts {
            gauge.with_label_values(&[*state]).set(whole(*count));
        }
        add(Box::new(gauge))
    };
    let one = |name: &str, help: &str, count: usize| {
        let gauge = IntGauge::new(name, help)?;
        gauge.set(whole(count));
        add(Box::new(gauge))
    };
    by_state("accounts", "Accounts by state", &gauges.accounts)?;
    one("imap_connections", "IMAP connections that are open", gauges.connections)?;
    if let Some(outbox) = &gauges.outbox {
        let help = "The outbox: letters waiting to become alerts, alerts not settled, dead alerts";
        by_state("outbox_alerts", help, outbox)?;
    }
    one("store_open", "1 while the store is open and answers, else 0", usize::from(gauges.persons.is_some()))?;
    if let Some(Persons { today, forecast, quota }) = gauges.persons {
        let persons = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        one("wecom_persons_today", "Persons told in WeCom today (UTC+8)", persons(today))?;
        one("wecom_persons_forecast", "Persons told by midnight, if it goes on so", persons(forecast))?;
        if let Some(quota) = quota {
            one("wecom_persons_quota", "Persons that may be told a day: 200 times wecom.account_cap", persons(quota))?;
        }
    }
    one("blind_accounts", "Accounts without proof of life for longer than imap.blind_after", gauges.blind)?;
    let silent = prometheus::Gauge::new(
        "last_proof_of_life_seconds",
        "How long ago the server of the account that has been silent longest last answered",
    )?;
    silent.set(gauges.silent_for.as_secs_f64());
    add(Box::new(silent))?;
    Ok(registry)
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn encode(registry: &Registry, text: &mut String) {
    let mut bytes = Vec::new();
    if TextEncoder::new().encode(&registry.gather(), &mut bytes).is_ok() {
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(counters: &Counters, start: &str) -> Vec<String> {
        let mut text = String::new();
        counters.registry_text(&mut text);
        text.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
    }

    #[test]
    fn made_up_errcodes_have_an_end() {
        let counters = Counters::new().unwrap();
        for errcode in 0..1000 {
            counters.wecom_request(Some(errcode));
        }
        counters.wecom_request(Some(7));
        counters.wecom_request(None);
        let requests = lines(&counters, "mailbell_wecom_requests_total{");
        assert_eq!(requests.len(), MOST_ERRCODES + 2);
        for line in ["{errcode=\"7\"} 2", "{errcode=\"other\"} 900", "{errcode=\"none\"} 1"] {
            assert!(requests.contains(&format!("mailbell_wecom_requests_total{line}")), "{line}: {requests:?}");
        }
    }

    #[test]
    fn latency_has_a_class_for_a_millisecond_and_for_ten_minutes() {
        let counters = Counters::new().unwrap();
        counters.latency.observe(0.0005);
        counters.latency.observe(599.0);
        let classes = lines(&counters, "mailbell_alert_latency_seconds_bucket");
        assert_eq!(classes.len(), LATENCIES.len() + 1);
        assert_eq!(classes[0], "mailbell_alert_latency_seconds_bucket{le=\"0.001\"} 1");
        assert!(classes.contains(&"mailbell_alert_latency_seconds_bucket{le=\"600\"} 2".to_owned()), "{classes:?}");
    }
}
