//! The dashboard and the alert rules in `config/`: every expression asks for metrics, labels and values that a running
//! service has, in a way that fits their type; every rule says what to do in both languages.

use super::world::World;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use yaml_rust2::{Yaml, YamlLoader};

/// What Prometheus adds to all that it scrapes.
const ADDED: [&str; 2] = ["job", "instance"];
/// Words of PromQL that stand where a metric could.
const WORDS: [&str; 9] = ["and", "or", "unless", "by", "without", "on", "ignoring", "bool", "offset"];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// What one metric can be asked for.
#[derive(Clone, Debug, Default)]
struct Metric {
    kind: String,
    /// Labels and the values that were seen.
    labels: BTreeMap<String, BTreeSet<String>>,
}

/// Metrics by name, those of a histogram by the names of its parts.
type Metrics = BTreeMap<String, Metric>;

async fn of_a_service() -> Metrics {
    let mut world = World::one().await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, text.replace("[wecom]\n", "[wecom]\naccount_cap = 5\n")).unwrap();
    world.run().await;
    read(&world.web_text("/metrics").await.1)
}

fn read(text: &str) -> Metrics {
    let (mut metrics, mut kind) = (Metrics::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            kind = rest.split_once(' ').unwrap().1.to_owned();
        } else if !line.starts_with('#') {
            let series = line.rsplit_once(' ').unwrap().0;
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let metric = metrics.entry(name.to_owned()).or_default();
            metric.kind.clone_from(&kind);
            for label in labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()) {
                let (key, value) = label.split_once('=').unwrap();
                metric.labels.entry(key.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
            }
        }
    }
    metrics
}

/// Words, texts and signs of an expression.
fn tokens(expression: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), expression.trim_start());
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | '$');
        let length = match first {
            '"' => rest[1..].find('"').expect("a text ends") + 2,
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            '=' | '!' | '<' | '>' if rest[1..].starts_with(['=', '~']) => 2,
            _ => first.len_utf8(),
        };
        found.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    found
}

/// What is wrong with an expression; nothing, if it can be answered.
fn wrong(expression: &str, metrics: &Metrics, used: &mut BTreeSet<String>) -> Vec<String> {
    let tokens = tokens(expression);
    let (mut wrong, mut at) = (Vec::new(), 0);
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    let labels: BTreeSet<_> = metrics.values().flat_map(|m| m.labels.keys().map(String::as_str)).chain(ADDED).collect();
    let is_call = |next: &str| matches!(next, "(" | "by" | "without");
    for (opening, closing) in [("(", ")"), ("{", "}"), ("[", "]")] {
        let count = |sign: &str| tokens.iter().filter(|token| *token == sign).count();
        if count(opening) != count(closing) {
            wrong.push(format!("{opening}{closing} do not match"));
        }
    }
    while at < tokens.len() {
        let word = token(at);
        if matches!(word, "by" | "on" | "without" | "ignoring") {
            while !matches!(token(at), ")" | "") {
                at += 1;
                if token(at).starts_with(char::is_alphabetic) && !labels.contains(token(at)) {
                    wrong.push(format!("no metric has the label {}", token(at)));
                }
            }
        } else if word.starts_with(char::is_alphabetic) && !is_call(token(at + 1)) && !WORDS.contains(&word) {
            let (ranged, end) = range_after(&tokens, at + 1);
            if let Some(metric) = metrics.get(word) {
                used.insert(word.to_owned());
                let grows = metric.kind != "gauge";
                let rated = at >= 2 && matches!(token(at - 2), "rate" | "increase") && token(at - 1) == "(";
                if grows != rated || grows != ranged {
                    wrong.push(format!(
                        "{word} is a {}: rate and increase are for what grows, and nothing else",
                        metric.kind
                    ));
                }
                wrong.extend(wrong_labels(word, &tokens[at + 1..end], metric));
            } else if word != "up" {
                wrong.push(format!("no metric {word}"));
            }
            at = end - 1;
        }
        at += 1;
    }
    wrong
}

/// Whether a selector has a range, and where it ends.
fn range_after(tokens: &[String], mut at: usize) -> (bool, usize) {
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    for (opening, closing) in [("{", "}"), ("[", "]")] {
        if token(at) == opening {
            while !matches!(token(at), "" | "}" | "]") || token(at) != closing && !token(at).is_empty() {
                at += 1;
            }
            at += 1;
            if opening == "[" {
                return (true, at);
            }
        }
    }
    (false, at)
}

/// Labels and values between `{` and `}` that the metric has not.
fn wrong_labels(name: &str, selector: &[String], metric: &Metric) -> Vec<String> {
    let mut wrong = Vec::new();
    for matcher in selector.windows(3).filter(|window| ["=", "!=", "=~", "!~"].contains(&&*window[1])) {
        let (label, value) = (&matcher[0], matcher[2].trim_matches('"'));
        let Some(seen) = metric.labels.get(label) else {
            if !ADDED.contains(&label.as_str()) {
                wrong.push(format!("{name} has no label {label}"));
            }
            continue;
        };
        let values = if matcher[1].ends_with('~') { value.split('|').collect() } else { vec![value] };
        for value in values {
            // Which codes there are, WeCom decides.
            let is_code = label == "errcode" && value.parse::<i32>().is_ok();
            if !is_code && !seen.contains(value) {
                wrong.push(format!("{name}: {label} is never {value:?}, but {seen:?}"));
            }
        }
    }
    wrong
}

/// The alert rules: name, expression, all annotations.
fn rules() -> Vec<Yaml> {
    let text = std::fs::read_to_string(file("config/alerts.prometheus.yml")).unwrap();
    let documents = YamlLoader::load_from_str(&text).unwrap();
    let groups = documents[0]["groups"].as_vec().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_vec().unwrap().clone()).collect()
}

fn expressions_of(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| expressions_of(field, found));
        }
        Value::Array(values) => values.iter().for_each(|value| expressions_of(value, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_dashboard_ask_for_what_there_is() {
    let metrics = of_a_service().await;
    let mut used = BTreeSet::new();
    for rule in rules() {
        let expression = rule["expr"].as_str().unwrap();
        assert_eq!(wrong(expression, &metrics, &mut used), Vec::<String>::new(), "{expression}");
    }
    let dashboard: Value = serde_json::from_slice(&std::fs::read(file("config/grafana.json")).unwrap()).unwrap();
    let mut expressions = Vec::new();
    expressions_of(&dashboard, &mut expressions);
    let mut shown = BTreeSet::new();
    for expression in &expressions {
        assert_eq!(wrong(expression, &metrics, &mut shown), Vec::<String>::new(), "{expression}");
    }
    let parts = ["mailbell_alert_latency_seconds_sum", "mailbell_alert_latency_seconds_count"];
    let all: BTreeSet<_> = metrics.keys().filter(|name| !parts.contains(&name.as_str())).cloned().collect();
    assert_eq!(shown, all, "the dashboard shows every metric");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    for query in variables.iter().filter_map(|variable| variable["query"].as_str()).filter(|q| *q != "prometheus") {
        let name = query.strip_prefix("label_values(").unwrap().split(['{', ',']).next().unwrap();
        assert!(metrics.contains_key(name), "{query}");
    }
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "an id for each panel");
}

#[test]
fn rules_say_what_to_do_in_both_languages() {
    let mut names = BTreeSet::new();
    for rule in rules() {
        let name = rule["alert"].as_str().unwrap();
        assert!(name.starts_with("Mailbell") && names.insert(name.to_owned()), "{name}");
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning", "info"].contains(&severity), "{name}");
        for key in ["summary", "action"] {
            let english = rule["annotations"][key].as_str().unwrap();
            let chinese = rule["annotations"][format!("{key}_zh").as_str()].as_str().unwrap();
            let han = |text: &str| text.chars().filter(|c| ('\u{4e00}'..='\u{9fff}').contains(c)).count();
            assert!(han(english) < 12 && han(chinese) >= 8, "{name}: {key}");
            assert_eq!(english.contains("$value"), chinese.contains("$value"), "{name}: {key}");
        }
    }
    assert!(names.len() >= 10, "{names:?}");
}

#[test]
fn what_is_not_there_is_found() {
    let metrics = read(
        "# TYPE mailbell_accounts gauge\nmailbell_accounts{state=\"blind\"} 0\n# TYPE mailbell_letters_total counter\n\
         mailbell_letters_total 0\n# TYPE mailbell_wecom_requests_total counter\n\
         mailbell_wecom_requests_total{errcode=\"none\"} 0\n",
    );
    let count = |expression: &str| wrong(expression, &metrics, &mut BTreeSet::new()).len();
    let right = [
        "sum by (job, state) (mailbell_accounts{state=~\"blind\", job=\"$job\"}) > 0",
        "increase(mailbell_letters_total[1d]) > 0 and on (job) up == 0",
        "rate(mailbell_wecom_requests_total{errcode=\"60020\"}[5m]) * 60",
    ];
    for expression in right {
        assert_eq!(count(expression), 0, "{expression}: {:?}", wrong(expression, &metrics, &mut BTreeSet::new()));
    }
    let bad = [
        "mailbell_acounts > 0",
        "mailbell_accounts{stat=\"blind\"} > 0",
        "mailbell_accounts{state=\"blnd\"} > 0",
        "mailbell_accounts{state=~\"blind|gone\"}",
        "sum by (user) (mailbell_accounts)",
        "rate(mailbell_accounts[5m])",
        "mailbell_letters_total > 5",
        "rate(mailbell_letters_total) > 0",
        "increase(mailbell_wecom_requests_total{errcode=\"some\"}[5m])",
        "sum(mailbell_accounts{state=\"blind\"}",
    ];
    for expression in bad {
        assert!(count(expression) > 0, "{expression}");
    }
}

/// Prometheus' own judgement, and whether rules ring when they should.
#[test]
fn prometheus_takes_the_rules_and_they_ring() {
    let promtool = |args: &[&str], on: &str| Command::new("promtool").args(args).arg(file(on)).output();
    let Ok(checked) = promtool(&["check", "rules"], "config/alerts.prometheus.yml") else {
        eprintln!("NOT RUN: Prometheus' own judgement of the alert rules. promtool is missing (package prometheus)");
        return;
    };
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let rung = promtool(&["test", "rules"], "tests/it/fixtures/alerts.test.yml").unwrap();
    assert!(
        rung.status.success(),
        "{}{}",
        String::from_utf8_lossy(&rung.stdout),
        String::from_utf8_lossy(&rung.stderr)
    );
}
