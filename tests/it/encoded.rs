//! Encoded headers read back to their own text: what Python's email package wrote (fixtures/encoded), and what the
//! encoder here writes by chance.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod alphabet;
mod encoder;
mod properties;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mailbell::model::{AccountId, Letter, Timestamp};
use mailbell::parse::{Source, clean, letter};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

/// The Python that wrote the stored cases; others may fold messages otherwise.
const WRITTEN_BY: &str = "by Python 3.11.";

#[derive(Deserialize)]
struct Case {
    field: String,
    charset: String,
    way: String,
    text: Option<String>,
    name: Option<String>,
    address: Option<String>,
}

/// The letter of a header block.
fn read(header: &[u8]) -> Letter {
    letter(&Source {
        account: &AccountId::new("zhangsan@own.example"),
        uid_validity: 1,
        uid: 2,
        time: Timestamp(1_700_000_000_000),
        size: 3,
        seen: false,
        locale: mailbell::model::Locale::default(),
        trusted: &[],
        names: true,
        parts: &[],
        header: Some(header),
    })
}

/// What is left of a text, if anything.
fn cleaned(text: Option<&str>) -> Option<String> {
    text.map(clean).filter(|text| !text.is_empty())
}

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/it/fixtures/encoded", name].iter().collect()
}

fn stored() -> String {
    std::fs::read_to_string(fixture("cases.jsonl")).unwrap()
}

/// What was read otherwise than it was written: wanted and got.
fn difference(case: &Case, header: &[u8]) -> Option<(String, String)> {
    let letter = read(header);
    let (wanted, got) = if case.text.is_some() {
        ((cleaned(case.text.as_deref()), None), (letter.subject, None))
    } else {
        ((cleaned(case.name.as_deref()), case.address.clone()), (letter.from.name, letter.from.address))
    };
    let shown = |(text, address): &(Option<String>, Option<String>)| {
        let text = text.as_deref().unwrap_or("(nothing)");
        address.as_ref().map_or(text.to_owned(), |address| format!("{text} <{address}>"))
    };
    (wanted != got).then(|| (shown(&wanted), shown(&got)))
}

#[test]
fn what_python_encodes_reads_back() {
    let stored = stored();
    let (mut table, mut wrong, mut all) = (String::new(), BTreeMap::new(), BTreeMap::new());
    for (at, line) in stored.lines().enumerate() {
        let case: Case = serde_json::from_str(line).unwrap();
        let header = STANDARD.decode(&case.field).unwrap();
        *all.entry(case.charset.clone()).or_insert(0) += 1;
        *all.entry(format!("way: {}", case.way)).or_insert(0) += 1;
        let Some((wanted, got)) = difference(&case, &header) else { continue };
        *wrong.entry(case.charset.clone()).or_insert(0) += 1;
        *wrong.entry(format!("way: {}", case.way)).or_insert(0) += 1;
        let raw = String::from_utf8_lossy(&header).replace('\r', "\\r").replace('\n', "\\n");
        let (line, charset, way) = (at + 1, &case.charset, &case.way);
        writeln!(table, "{line} | {charset} | {way} | {raw}\n    wanted | {wanted}\n    got    | {got}").unwrap();
    }
    for (kind, count) in &wrong {
        writeln!(table, "{kind}: {count} of {} wrong", all[kind]).unwrap();
    }
    assert!(stored.lines().count() > 1_000, "the cases are not all there");
    assert!(wrong.is_empty(), "line | charset | way | field\n{table}");
}

/// Case by case, so that it shows which one; messages only where the same Python writes them.
#[test]
fn the_stored_cases_are_what_the_script_writes() {
    let Ok(run) = Command::new("python3").arg(fixture("generate.py")).env("PYTHONIOENCODING", "utf-8").output() else {
        println!("left out: there is no python3");
        return;
    };
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.success(), "{said}");
    let (written, stored) = (String::from_utf8(run.stdout).unwrap(), stored());
    let is_compared = |line: &&str| said.contains(WRITTEN_BY) || !line.contains("\"way\":\"message");
    let written: Vec<_> = written.lines().filter(is_compared).collect();
    let stored: Vec<_> = stored.lines().filter(is_compared).collect();
    for (written, stored) in written.iter().zip(&stored) {
        assert_eq!(written, stored, "write cases.jsonl anew: {said}");
    }
    assert_eq!(written.len(), stored.len(), "write cases.jsonl anew: {said}");
}
