//! `/metrics` of a running service: the names of the design, well formed, from the first scrape on; and they move.

use super::world::World;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Name, type and the label's values that stand there from the first scrape on (design: "HTTP").
const FAMILIES: [(&str, &str, &str, &[&str]); 16] = [
    (
        "accounts",
        "gauge",
        "state",
        &["blind", "connecting", "disabled", "login_refused", "polling", "waiting", "watching"],
    ),
    ("alert_latency_seconds", "histogram", "", &[]),
    ("alerts_total", "counter", "outcome", &["again", "dead", "sent"]),
    ("blind_accounts", "gauge", "", &[]),
    ("imap_connections", "gauge", "", &[]),
    ("last_proof_of_life_seconds", "gauge", "", &[]),
    ("letters_total", "counter", "", &[]),
    ("logins_total", "counter", "result", &["failed", "later", "ok", "refused"]),
    ("outbox_alerts", "gauge", "state", &["dead", "open", "waiting"]),
    ("store_open", "gauge", "", &[]),
    ("sync_deferred_total", "counter", "", &[]),
    ("syncs_total", "counter", "trigger", &["person", "poll", "push", "sweep"]),
    ("wecom_persons_forecast", "gauge", "", &[]),
    ("wecom_persons_quota", "gauge", "", &[]),
    ("wecom_persons_today", "gauge", "", &[]),
    ("wecom_requests_total", "counter", "errcode", &["0", "none"]),
];

/// One scrape, its form checked line by line.
struct Scrape {
    text: String,
    /// By name and labels as written.
    samples: BTreeMap<String, f64>,
    types: BTreeMap<String, String>,
}

impl Scrape {
    async fn of(world: &World) -> Self {
        let (kind, text) = world.web_text("/metrics").await;
        assert_eq!(kind.as_deref(), Some("text/plain; version=0.0.4; charset=utf-8"));
        Self::read(text)
    }

    /// The text format 0.0.4: HELP and TYPE once before the samples of a family, which stand together; names, labels and
    /// values as they must be; no sample twice; the last line ends.
    fn read(text: String) -> Self {
        assert!(text.ends_with('\n'), "{text}");
        let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
        let (mut helped, mut family) = (BTreeSet::new(), String::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(!help.is_empty() && helped.insert(name.to_owned()), "{line}");
                family = name.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(name == family && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
                let plain = |c: char| c.is_ascii_lowercase() || c == '_';
                assert!(name.chars().all(plain), "{line}");
                let base = match types[&family].as_str() {
                    "histogram" => ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)),
                    _ => Some(name),
                };
                assert_eq!(base, Some(family.as_str()), "{line}");
                let labels = labels.strip_suffix('}').unwrap();
                for label in labels.split(',').filter(|label| !label.is_empty()) {
                    let (key, value) = label.split_once('=').unwrap();
                    assert!(key.chars().all(plain) && value.starts_with('"') && value.ends_with('"'), "{line}");
                }
                let value: f64 = value.parse().unwrap();
                assert!(value >= 0.0 && samples.insert(series.to_owned(), value).is_none(), "{line}");
            }
        }
        Self { text, samples, types }
    }

    fn value(&self, series: &str) -> f64 {
        *self.samples.get(&format!("mailbell_{series}")).unwrap_or_else(|| panic!("{series}:\n{}", self.text))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_name_is_there_from_the_first_scrape_on() {
    let mut world = World::one().await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, text.replace("[wecom]\n", "[wecom]\naccount_cap = 5\n")).unwrap();
    world.control(json!({"down": true})).await;
    world.start();
    world.bound().await;
    world.until("WeCom was asked", async || world.log().contains("no WeCom token yet")).await;
    let scrape = Scrape::of(&world).await;
    let wanted = FAMILIES.map(|(name, kind, _, _)| (format!("mailbell_{name}"), kind.to_owned()));
    assert_eq!(scrape.types, BTreeMap::from(wanted));
    for (name, kind, label, values) in FAMILIES {
        match kind {
            "histogram" => {}
            _ if label.is_empty() => drop(scrape.value(name)),
            _ => {
                let start = format!("mailbell_{name}{{{label}=\"");
                let series = scrape.samples.keys().filter_map(|series| series.strip_prefix(&start));
                let found: Vec<_> = series.map(|rest| rest.strip_suffix("\"}").unwrap()).collect();
                assert_eq!(found, values, "{name}");
            }
        }
    }
    let classes: Vec<_> = scrape.text.lines().filter(|l| l.starts_with("mailbell_alert_latency_seconds_b")).collect();
    assert!(classes[0].contains("le=\"0.001\"") && classes[classes.len() - 2].contains("le=\"600\""), "{classes:?}");
    assert!(classes[classes.len() - 1].contains("le=\"+Inf\""), "{classes:?}");
    assert!(scrape.value("wecom_requests_total{errcode=\"none\"}") > 0.0, "WeCom is down");
    assert_eq!((scrape.value("store_open"), scrape.value("wecom_persons_quota")), (1.0, 1000.0));
    assert!(!scrape.text.contains("corp.example") && !scrape.text.contains("zhangsan"), "{}", scrape.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_move_when_mail_is_announced() {
    let mut world = World::one().await;
    world.run().await;
    let before = Scrape::of(&world).await;
    assert_eq!(before.value("accounts{state=\"watching\"}"), 1.0);
    assert_eq!(before.value("alerts_total{outcome=\"sent\"}"), 0.0);
    let answered = before.value("wecom_requests_total{errcode=\"0\"}");
    assert!(answered >= 1.0, "the token");
    assert_eq!(before.value("logins_total{result=\"ok\"}"), 1.0);
    assert_eq!(before.value("imap_connections"), 1.0);
    assert_eq!(before.value("letters_total"), 0.0);
    let pushed = before.value("syncs_total{trigger=\"push\"}");
    world.mail("zhangsan", "一封", "one").await;
    world.sees("zhangsan", &["一封"]).await;
    world
        .until("it is settled", async || Scrape::of(&world).await.value("alerts_total{outcome=\"sent\"}") == 1.0)
        .await;
    let after = Scrape::of(&world).await;
    assert_eq!(after.value("wecom_requests_total{errcode=\"0\"}"), answered + 1.0);
    assert_eq!(after.value("letters_total"), 1.0);
    assert!(after.value("syncs_total{trigger=\"push\"}") > pushed, "{}", after.text);
    assert_eq!(after.value("alert_latency_seconds_count"), 1.0);
    assert_eq!((before.value("wecom_persons_today"), after.value("wecom_persons_today")), (0.0, 1.0));
    assert!(!after.text.contains("wecom_persons_quota"), "no cap is known");
    let latency = after.value("alert_latency_seconds_sum");
    assert!(latency > 0.0 && latency < 60.0, "{latency}");
    assert_eq!(after.value("alert_latency_seconds_bucket{le=\"+Inf\"}"), 1.0);
    world.control(json!({"fail_next": {"call": "send", "errcode": 81013, "times": 1}})).await;
    world.mail("zhangsan", "又一封", "two").await;
    world.until("a dead alert", async || Scrape::of(&world).await.value("outbox_alerts{state=\"dead\"}") == 1.0).await;
    let dead = Scrape::of(&world).await;
    assert_eq!(dead.value("alerts_total{outcome=\"dead\"}"), 1.0);
    assert_eq!(dead.value("wecom_requests_total{errcode=\"81013\"}"), 1.0);
}
