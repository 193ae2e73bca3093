//! Counts of instructions beside the stored ones: how they are written, which differences are told, and which fail.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What is allowed where the file does not say it, in percent.
const TOLERANCE_PERCENT: f64 = 3.0;

/// Counts, and what they were taken with: `benches/counts.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// How far a case may be from its count, in percent.
    #[serde(default = "tolerance_percent")]
    pub tolerance_percent: f64,
    /// What changes the counts without a change of mailbell: compiler, target, C library, valgrind, processor.
    pub taken_with: BTreeMap<String, String>,
    /// The cases by name.
    pub case: BTreeMap<String, Count>,
}

/// One case.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// Per piece of work.
    pub instructions: u64,
    /// Instead of that of all, in percent.
    pub tolerance_percent: Option<f64>,
}

fn tolerance_percent() -> f64 {
    TOLERANCE_PERCENT
}

/// What becomes of the make target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Holds,
    /// It fails.
    Fails,
}

/// How one case stands to its stored count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Within,
    Cheaper,
    Dearer,
    NotStored,
    NotCounted,
}

impl Counts {
    /// Counts that were just taken.
    pub fn taken(taken_with: BTreeMap<String, String>, counted: BTreeMap<String, u64>) -> Self {
        let count = |instructions| Count { instructions, tolerance_percent: None };
        let case = counted.into_iter().map(|(name, instructions)| (name, count(instructions))).collect();
        Self { tolerance_percent: TOLERANCE_PERCENT, taken_with, case }
    }

    /// Reads what [`Self::text`] wrote.
    ///
    /// # Errors
    /// It is no TOML, not of this form, or holds a count or a tolerance that nothing can be compared with; in words.
    pub fn read(text: &str) -> Result<Self, String> {
        let counts: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        for (name, count) in &counts.case {
            let tolerance = count.tolerance_percent.unwrap_or(counts.tolerance_percent);
            if count.instructions == 0 || !(tolerance >= 0.0 && tolerance.is_finite()) {
                return Err(format!("{name:?}: the count must be above 0, the tolerance a number of percent"));
            }
        }
        Ok(counts)
    }

    /// The file that keeps them.
    pub fn text(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let mut text = format!(
            "# Instructions per piece of work. `make bench-check` compares with them, `make bench-store` writes them.\n\
             # Tolerances are kept; they are what may be edited here.\n\
             tolerance_percent = {:?}\n\n[taken_with]\n",
            self.tolerance_percent
        );
        for (what, with) in &self.taken_with {
            let _ = writeln!(text, "{what} = {}", quoted(with));
        }
        text += "\n[case]\n";
        for (name, count) in &self.case {
            let own = count.tolerance_percent.map(|own| format!(", tolerance_percent = {own:?}")).unwrap_or_default();
            let _ = writeln!(text, "{} = {{ instructions = {}{own} }}", quoted(name), count.instructions);
        }
        text
    }

    /// The same counts with the tolerances of `stored`.
    #[must_use]
    pub fn with_tolerances_of(mut self, stored: &Self) -> Self {
        self.tolerance_percent = stored.tolerance_percent;
        for (name, count) in &mut self.case {
            count.tolerance_percent = stored.case.get(name).and_then(|count| count.tolerance_percent);
        }
        self
    }
}

fn change_percent(stored: Count, now: Count) -> f64 {
    // whole numbers as long as can be, so that exactly the tolerance is within it
    (now.instructions as f64 - stored.instructions as f64) * 100.0 / stored.instructions as f64
}

/// Compares what was counted now with what is stored, by the tolerances that are stored. The text is for people: a table
/// of all cases, and what to do.
///
/// It fails where a case costs more than its tolerance allows, or stands on one side alone. Counts that were taken with
/// something else (another compiler, say) are compared, too, but a difference is only told then.
pub fn compare(stored: &Counts, now: &Counts) -> (String, Verdict) {
    let names: BTreeSet<&String> = stored.case.keys().chain(now.case.keys()).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    let mut text =
        format!("{:width$}  {:>11}  {:>11}  {:>8}\n", "instructions per piece of work", "stored", "now", "change");
    let mut changes = Vec::new();
    for name in names {
        let (old, new) = (stored.case.get(name), now.case.get(name));
        let shown = |count: Option<&Count>| count.map_or("-".to_owned(), |count| grouped(count.instructions));
        let (percent, change, remark) = judged(stored, old.copied(), new.copied());
        let line = format!("{name:width$}  {:>11}  {:>11}  {percent:>8}  {remark}", shown(old), shown(new));
        let _ = writeln!(text, "{}", line.trim_end());
        changes.push(change);
    }
    let others = others(stored, now);
    let count = |which| changes.iter().filter(|change| **change == which).count();
    let (dearer, cheaper) = (count(Change::Dearer), count(Change::Cheaper));
    let one_sided = count(Change::NotStored) + count(Change::NotCounted);
    text.push('\n');
    if !others.is_empty() {
        let _ = writeln!(
            text,
            "The stored counts were taken with something else, so differences are told, but fail nothing:\n  {}\n\
             To know what a change costs here: `make bench-store` before it, `make bench-check` after it.",
            others.join("\n  ")
        );
    }
    if dearer > 0 {
        let _ = writeln!(
            text,
            "{dearer} of {} cost more than the tolerance allows. benches/README.md says how to find where. If it is worth \
             its price: `make bench-store`, and say in the commit why.",
            changes.len()
        );
    }
    if one_sided > 0 {
        let _ = writeln!(text, "{one_sided} can be compared with nothing: `make bench-store` stores what there is.");
    }
    if cheaper > 0 {
        let _ = writeln!(text, "{cheaper} cost less than the tolerance: `make bench-store`, so that it stays so.");
    }
    if changes.is_empty() {
        text += "There is nothing to compare.\n";
    }
    let fails = one_sided > 0 || changes.is_empty() || (dearer > 0 && others.is_empty());
    (text, if fails { Verdict::Fails } else { Verdict::Holds })
}

/// The change in percent, what it is, and how it is told.
fn judged(stored: &Counts, old: Option<Count>, new: Option<Count>) -> (String, Change, String) {
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (None, _) => return ("-".to_owned(), Change::NotStored, "NOT STORED".to_owned()),
        (_, None) => return ("-".to_owned(), Change::NotCounted, "NOT COUNTED".to_owned()),
    };
    let tolerance = old.tolerance_percent.unwrap_or(stored.tolerance_percent);
    let percent = change_percent(old, new);
    let (change, remark) = if percent > tolerance {
        (Change::Dearer, format!("MORE, {tolerance} % is allowed"))
    } else if percent < -tolerance {
        (Change::Cheaper, "less".to_owned())
    } else {
        (Change::Within, String::new())
    };
    (format!("{percent:+.1} %"), change, remark)
}

/// What the two were taken with, where it differs.
fn others(stored: &Counts, now: &Counts) -> Vec<String> {
    let keys: BTreeSet<&String> = stored.taken_with.keys().chain(now.taken_with.keys()).collect();
    let of =
        |counts: &Counts, key: &String| counts.taken_with.get(key).cloned().unwrap_or_else(|| "unknown".to_owned());
    let differs = keys.into_iter().filter(|key| of(stored, key) != of(now, key));
    differs.map(|key| format!("{key}: stored with {}, now {}", of(stored, key), of(now, key))).collect()
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
