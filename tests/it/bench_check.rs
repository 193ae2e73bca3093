//! What `make bench-check` makes of counts: made-up ones, compared as the real ones are.

#[path = "../../benches/count/compare.rs"]
mod compare;

use compare::{Counts, Verdict, compare};
use std::fs;
use std::path::Path;

/// Three cases: one with the tolerance of all, one with a narrow one of its own, one with a wide one.
const STORED: &str = r#"
tolerance_percent = 3.0
[taken_with]
rustc = "1.95.0"
target = "x86_64-unknown-linux-gnu"
[case]
commit = { instructions = 1000000 }
parse = { instructions = 20000, tolerance_percent = 0.5 }
render = { instructions = 500, tolerance_percent = 20.0 }
"#;

/// Counts of now, taken with what the stored ones were.
fn now(cases: &[(&str, u64)]) -> Counts {
    now_with("1.95.0", cases)
}

fn now_with(rustc: &str, cases: &[(&str, u64)]) -> Counts {
    let with = [("rustc", rustc), ("target", "x86_64-unknown-linux-gnu")];
    let cases = cases.iter().map(|(name, count)| ((*name).to_owned(), *count));
    Counts::taken(with.map(|(what, with)| (what.to_owned(), with.to_owned())).into(), cases.collect())
}

/// The table's line of a case, the rest of the text, and what comes of it.
fn judged(now: &Counts, case: &str) -> (String, String, Verdict) {
    let (text, verdict) = compare(&Counts::read(STORED).unwrap(), now);
    let (table, rest) = text.split_once("\n\n").unwrap();
    let line = table.lines().find(|line| line.starts_with(case)).unwrap();
    (line.split_whitespace().collect::<Vec<_>>().join(" "), rest.to_owned(), verdict)
}

#[test]
fn what_is_within_the_tolerance_passes_and_says_nothing() {
    let (line, rest, verdict) = judged(&now(&[("commit", 1_030_000), ("parse", 20_100), ("render", 401)]), "commit");
    assert_eq!(line, "commit 1,000,000 1,030,000 +3.0 %");
    assert_eq!((rest.as_str(), verdict), ("", Verdict::Holds));
}

#[test]
fn what_costs_more_than_the_tolerance_fails_and_says_what_to_do() {
    let (line, rest, verdict) = judged(&now(&[("commit", 1_030_001), ("parse", 20_000), ("render", 500)]), "commit");
    assert_eq!(line, "commit 1,000,000 1,030,001 +3.0 % MORE, 3 % is allowed");
    assert!(rest.starts_with("1 of 3 cost more") && rest.contains("`make bench-store`"), "{rest}");
    assert_eq!(verdict, Verdict::Fails);
    // the case's own tolerance, narrower and wider
    let (line, _, verdict) = judged(&now(&[("commit", 1_000_000), ("parse", 20_101), ("render", 600)]), "parse");
    assert_eq!((line.as_str(), verdict), ("parse 20,000 20,101 +0.5 % MORE, 0.5 % is allowed", Verdict::Fails));
    let (line, _, verdict) = judged(&now(&[("commit", 1_000_000), ("parse", 20_000), ("render", 600)]), "render");
    assert_eq!((line.as_str(), verdict), ("render 500 600 +20.0 %", Verdict::Holds));
}

#[test]
fn what_costs_less_passes_and_is_to_be_stored() {
    let (line, rest, verdict) = judged(&now(&[("commit", 960_000), ("parse", 20_000), ("render", 500)]), "commit");
    assert_eq!(line, "commit 1,000,000 960,000 -4.0 % less");
    assert!(rest.starts_with("1 cost less") && rest.contains("`make bench-store`"), "{rest}");
    assert_eq!(verdict, Verdict::Holds);
    // one that became dearer is not made good by it
    let (_, rest, verdict) = judged(&now(&[("commit", 960_000), ("parse", 30_000), ("render", 500)]), "parse");
    assert!(rest.contains("1 of 3 cost more") && rest.contains("1 cost less"), "{rest}");
    assert_eq!(verdict, Verdict::Fails);
}

#[test]
fn a_case_that_stands_on_one_side_alone_fails() {
    let (line, rest, verdict) = judged(&now(&[("commit", 1_000_000), ("render", 500)]), "parse");
    assert_eq!(line, "parse 20,000 - - NOT COUNTED");
    assert!(rest.starts_with("1 can be compared with nothing"), "{rest}");
    assert_eq!(verdict, Verdict::Fails);
    let more = now(&[("commit", 1_000_000), ("parse", 20_000), ("render", 500), ("route", 7)]);
    let (line, _, verdict) = judged(&more, "route");
    assert_eq!((line.as_str(), verdict), ("route - 7 - NOT STORED", Verdict::Fails));
    let nothing = Counts::read("[taken_with]\n[case]\n").unwrap();
    assert_eq!(compare(&nothing, &nothing).1, Verdict::Fails);
}

#[test]
fn another_compiler_is_compared_and_told_and_fails_nothing() {
    let dearer = now_with("1.96.0", &[("commit", 2_000_000), ("parse", 20_000), ("render", 500)]);
    let (line, rest, verdict) = judged(&dearer, "commit");
    assert_eq!(line, "commit 1,000,000 2,000,000 +100.0 % MORE, 3 % is allowed");
    assert!(rest.contains("rustc: stored with 1.95.0, now 1.96.0"), "{rest}");
    assert_eq!(verdict, Verdict::Holds);
    // a missing case has nothing to do with the compiler
    assert_eq!(judged(&now_with("1.96.0", &[("commit", 1_000_000), ("parse", 20_000)]), "render").2, Verdict::Fails);
}

#[test]
fn storing_keeps_the_tolerances() {
    let stored = Counts::read(STORED).unwrap();
    let anew = now(&[("commit", 900_000), ("parse", 30_000), ("route", 7)]).with_tolerances_of(&stored);
    let read = Counts::read(&anew.text()).unwrap();
    assert_eq!(read, anew);
    assert_eq!((read.case["parse"].instructions, read.case["parse"].tolerance_percent), (30_000, Some(0.5)));
    assert_eq!((read.case["route"].tolerance_percent, read.tolerance_percent), (None, 3.0));
    assert!(!read.case.contains_key("render"));
}

#[test]
fn a_file_that_nothing_can_be_compared_with_is_refused() {
    for (old, new, said) in [
        ("instructions = 20000", "instructions = 0", "above 0"),
        ("tolerance_percent = 0.5", "tolerance_percent = -0.5", "tolerance"),
        ("tolerance_percent = 3.0", "tolerance_percent = nan", "tolerance"),
        ("tolerance_percent = 0.5", "tolerance = 0.5", "tolerance"),
        ("[case]", "[cases]", "cases"),
    ] {
        let text = STORED.replacen(old, new, 1);
        assert_ne!(text, STORED);
        let told = Counts::read(&text).unwrap_err();
        assert!(told.contains(said), "{new}: {told}");
    }
}

#[test]
fn the_stored_counts_are_as_they_were_written() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/counts.toml")).unwrap();
    let stored = Counts::read(&text).unwrap();
    assert_eq!(stored.text(), text, "only tolerances are edited by hand");
    assert_eq!(compare(&stored, &stored).1, Verdict::Holds);
    for of in ["header to letter", "a letter through", "render", "commit"] {
        assert!(stored.case.keys().any(|name| name.starts_with(of)), "{of}");
    }
}
