//! Instructions instead of time: what a header to a letter, rules, messages and commits cost, counted by valgrind, the
//! same on a busy machine as on an idle one. `check` compares with `benches/counts.toml`, `store` writes it; without a
//! word nothing is counted. `make bench-check` and `make bench-store` call it.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;
#[path = "count/compare.rs"]
mod compare;
#[path = "count/valgrind.rs"]
mod valgrind;

use common::headers::{headers, source};
use common::messages::{items, link, style};
use common::{BOTH, Growing};
use compare::{Counts, Verdict, compare};
use futures_util::FutureExt;
use mailbell::deliver::render::render;
use mailbell::model::AccountId;
use mailbell::parse;
use mailbell::state::{Committed, Disk, MemoryKv, Scan, Shape, State, Store};
use mailbell::watch::route;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;

/// One piece of work.
#[derive(Clone, Copy)]
enum Work {
    /// The header of this name becomes a letter.
    Header(&'static str),
    /// A letter goes through so many rules; the last one takes it.
    Rules(usize),
    /// So many letters become messages.
    Messages(u8),
    /// A scan of so many letters is committed, over the backend in memory. On sled no two counts are near each other.
    Commit(u32),
}

/// What is counted. Names are those in `benches/counts.toml`.
const CASES: [(&str, Work); 12] = [
    ("header to letter: encoded words, UTF-8", Work::Header("encoded words, UTF-8")),
    ("header to letter: encoded words, GB2312", Work::Header("encoded words, GB2312")),
    ("header to letter: unlabelled GBK", Work::Header("unlabelled GBK")),
    ("header to letter: a whole header", Work::Header("a whole header")),
    ("header to letter: plain ASCII", Work::Header("plain ASCII")),
    ("a letter through 1 rule", Work::Rules(1)),
    ("a letter through 100 rules", Work::Rules(100)),
    ("a letter through 1000 rules", Work::Rules(1000)),
    ("render a card", Work::Messages(1)),
    ("render a digest of 60", Work::Messages(60)),
    ("commit a scan of 1", Work::Commit(1)),
    ("commit a scan of 100", Work::Commit(100)),
];

/// Each case is done so often in a process, and [`MANY`] times in another: the difference is free of what the start
/// costs, and of what is made ready once.
const FEW: usize = 8;
const MANY: usize = FEW + 64;

fn main() -> ExitCode {
    // cargo adds words with a dash
    let words: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => {
            println!("Nothing was counted. `make bench-check` counts, `make bench-store` stores.");
            ExitCode::SUCCESS
        }
        ["check"] => told(check()),
        ["store"] => told(store()),
        ["do", name, rounds] => match (CASES.iter().find(|(case, _)| case == name), rounds.parse()) {
            (Some((_, work)), Ok(rounds)) => {
                work.repeat(rounds);
                ExitCode::SUCCESS
            }
            _ => told(Err(format!("no case is called {name}, or {rounds} is no number"))),
        },
        other => told(Err(format!("{other:?}: say `check` or `store`"))),
    }
}

fn told(outcome: Result<Verdict, String>) -> ExitCode {
    match outcome {
        Ok(Verdict::Holds) => ExitCode::SUCCESS,
        Ok(Verdict::Fails) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn stored() -> Result<Counts, String> {
    let path = file();
    let text =
        std::fs::read_to_string(path).map_err(|e| format!("{}: {e}. `make bench-store` writes it", path.display()));
    Counts::read(&text?).map_err(|e| format!("{}: {e}", path.display()))
}

fn file() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/counts.toml"))
}

fn check() -> Result<Verdict, String> {
    let stored = stored()?;
    let (text, verdict) = compare(&stored, &count()?);
    print!("{text}");
    Ok(verdict)
}

/// Tolerances are kept. A file that cannot be read is not written over.
fn store() -> Result<Verdict, String> {
    let stored = if file().exists() { Some(stored()?) } else { None };
    let mut now = count()?;
    if let Some(stored) = &stored {
        print!("{}", compare(stored, &now).0);
        now = now.with_tolerances_of(stored);
    }
    std::fs::write(file(), now.text()).map_err(|e| format!("{}: {e}", file().display()))?;
    println!("Stored in {}.", file().display());
    Ok(Verdict::Holds)
}

fn count() -> Result<Counts, String> {
    let counted = CASES.iter().map(|(name, _)| {
        let of = |rounds: usize| valgrind::instructions(&["do", name, &rounds.to_string()], name);
        // The process with many rounds comes last: its profile stays.
        let (few, many) = (of(FEW)?, of(MANY)?);
        Ok(((*name).to_owned(), many.saturating_sub(few) / (MANY - FEW) as u64))
    });
    Ok(Counts::taken(valgrind::taken_with()?, counted.collect::<Result<_, String>>()?))
}

impl Work {
    /// Makes ready, and does it so often.
    fn repeat(self, rounds: usize) {
        match self {
            Self::Header(wanted) => {
                let account = AccountId::new("zhangsan@corp.example");
                let (_, header) = headers().into_iter().find(|(name, _)| *name == wanted).unwrap();
                let source = source(&account, &header);
                assert!(parse::letter(&source).subject.is_some_and(|subject| subject.len() > 9));
                (0..rounds).for_each(|_| drop(black_box(parse::letter(black_box(&source)))));
            }
            Self::Rules(count) => {
                let (account, letter) = (common::rules::account(count), common::rules::letter());
                let places: Vec<_> = (0..count).collect();
                for _ in 0..rounds {
                    let taken = black_box(route(&account, &places, black_box(&letter)));
                    assert_eq!(taken.map(|route| route.place), Some(count - 1));
                }
            }
            Self::Messages(count) => {
                let (style, items) = (style(), items(count));
                for _ in 0..rounds {
                    assert!(!black_box(render(black_box(&items), &style, &link, Shape::default())).is_empty());
                }
            }
            Self::Commit(letters) => {
                let store = Store::in_place(MemoryKv::open(&Disk::default())).unwrap();
                commits(letters, rounds, |scan| store.commit_scan(scan, BOTH).now_or_never().unwrap().unwrap());
            }
        }
    }
}

/// Commits so many scans of one folder. All that any process needs are made ready, and what is left is not dropped, so
/// that neither is part of the difference.
fn commits(letters: u32, rounds: usize, commit: impl Fn(Scan) -> Committed) {
    let folder = Growing::of("zhangsan@corp.example");
    commit(folder.bind());
    let mut scans: Vec<_> = (0..MANY).map(|_| folder.scan(letters)).collect();
    let left = scans.split_off(rounds);
    for scan in scans {
        assert_eq!(commit(scan), Committed::Stored(letters as usize));
    }
    std::mem::forget(left);
}
