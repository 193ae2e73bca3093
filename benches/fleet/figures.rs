//! What a run of the fleet found, as rows of a table and as JSON.

use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// One measured thing: what, and its value in words; the number behind it goes into the JSON.
#[derive(Default)]
pub struct Figures {
    rows: Vec<(String, String)>,
    numbers: Map<String, Value>,
}

impl Figures {
    /// Notes one.
    pub fn add(&mut self, what: &str, words: String, number: Value) {
        println!("| {what} | {words} |");
        self.rows.push((what.to_owned(), words));
        self.numbers.insert(what.to_owned(), number);
    }

    /// All of them, for the JSON.
    pub fn json(self) -> Value {
        Value::Object(self.numbers)
    }

    /// Notes what became of letters: how many came, were lost, were told twice, and how long the others took.
    pub fn letters(&mut self, what: &str, told: &HashMap<String, u64>, posts: &[(String, u64)]) {
        let mut seen: HashMap<&str, u32> = HashMap::new();
        let mut times = Vec::new();
        for (name, at) in posts {
            *seen.entry(name).or_default() += 1;
            if let Some(told_at) = told.get(name) {
                times.push(at.saturating_sub(*told_at));
            }
        }
        times.sort_unstable();
        let twice = seen.values().filter(|n| **n > 1).count();
        let lost = told.keys().filter(|name| !seen.contains_key(name.as_str())).count();
        let at = |part: f64| percentile(&times, part);
        self.add(
            what,
            format!(
                "{} letters; p50 {:.1}, p90 {:.1}, p99 {:.1}, p99.9 {:.1}, most {:.1} ms; {lost} lost, {twice} twice",
                times.len(),
                at(0.5),
                at(0.9),
                at(0.99),
                at(0.999),
                at(1.0)
            ),
            json!({
                "letters": times.len(), "lost": lost, "twice": twice, "p50_ms": at(0.5), "p90_ms": at(0.9),
                "p99_ms": at(0.99), "p99.9_ms": at(0.999), "most_ms": at(1.0)
            }),
        );
    }
}

/// In milliseconds, of ascending nanoseconds.
fn percentile(sorted: &[u64], part: f64) -> f64 {
    let at = ((sorted.len() as f64 * part).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(at).map_or(f64::NAN, |ns| *ns as f64 / 1e6)
}

/// The most of ascending moments (nanoseconds) in any second.
pub fn most_in_a_second(sorted: &[u64]) -> usize {
    let mut from = 0;
    let mut most = 0;
    for (at, time) in sorted.iter().enumerate() {
        while time - sorted[from] >= 1_000_000_000 {
            from += 1;
        }
        most = most.max(at - from + 1);
    }
    most
}
