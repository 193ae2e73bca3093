//! The whole service against a world in memory, with faults by seed: crashes, lost writes, lying mail servers, a WeCom
//! that loses answers, clocks that are set. Watch, deliver, rules, parse and the WeCom client are the real ones. The
//! promises of the design are checked all the time.
//!
//! `MAILBELL_SEED=n cargo test simulation` runs one seed again and prints what happened; `MAILBELL_SEEDS=n` runs so many,
//! from `MAILBELL_FIRST_SEED` on. That it can fail is shown by `tests/plant/run`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod dice;
mod face;
mod judge;
mod office;
mod plan;
mod run;
mod service;
mod session;
mod time;
mod wecom;
mod witness;

use run::{Counts, run};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// After so many seeds that failed no more are run.
const ENOUGH: usize = 3;
/// Seeds of every test run.
const SEEDS: u64 = 2000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// What several runs came to, by scene.
#[derive(Debug, Default)]
struct Sum {
    runs: u64,
    all: Counts,
    spent: f64,
}

impl Sum {
    fn add(&mut self, counts: &Counts, spent: f64) {
        self.runs += 1;
        self.spent += spent;
        let all = &mut self.all;
        all.processes += counts.processes;
        all.letters += counts.letters;
        all.told += counts.told;
        all.twice += counts.twice;
        all.requests += counts.requests;
        all.minutes += counts.minutes;
        all.most_permits = all.most_permits.max(counts.most_permits);
    }
}

/// A seed, and what it broke.
type Failed = (u64, Vec<String>);

/// Runs seeds on all cores; those that broke a promise, and what all came to.
fn many(first: u64, count: u64) -> (Vec<Failed>, BTreeMap<&'static str, Sum>) {
    let (next, failed, sums) = (AtomicU64::new(first), Mutex::new(Vec::new()), Mutex::new(BTreeMap::<_, Sum>::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || failed.lock().unwrap().len() >= ENOUGH {
                        return;
                    }
                    let began = Instant::now();
                    let outcome = std::panic::catch_unwind(|| run(seed, false));
                    let spent = began.elapsed().as_secs_f64();
                    match outcome {
                        Ok(outcome) => {
                            sums.lock().unwrap().entry(outcome.scene).or_default().add(&outcome.counts, spent);
                            if !outcome.broken.is_empty() {
                                failed.lock().unwrap().push((seed, outcome.broken));
                            }
                        }
                        Err(_) => failed.lock().unwrap().push((seed, vec!["a panic".to_owned()])),
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort();
    (failed, sums.into_inner().unwrap())
}

#[test]
fn promises_hold_whatever_fails() {
    if let Some(seed) = number("MAILBELL_SEED") {
        let outcome = run(seed, true);
        println!("{}", outcome.log);
        println!("seed {seed}, {}: {:?}", outcome.scene, outcome.counts);
        assert!(outcome.broken.is_empty(), "seed {seed}:\n{}", outcome.broken.join("\n"));
        return;
    }
    hold(0, SEEDS);
}

#[test]
#[ignore = "minutes to hours: MAILBELL_SEEDS says how many seeds"]
fn promises_hold_over_very_many_seeds() {
    hold(1_000_000, 20_000);
}

/// Runs so many seeds from the first on, unless the environment says which, and fails with those that broke a promise.
fn hold(first: u64, count: u64) {
    let (first, count) = (number("MAILBELL_FIRST_SEED").unwrap_or(first), number("MAILBELL_SEEDS").unwrap_or(count));
    let began = Instant::now();
    let (failed, sums) = many(first, count);
    println!("seeds {first} to {}, {:.1} s", first + count - 1, began.elapsed().as_secs_f64());
    for (scene, sum) in &sums {
        println!("{scene:>10}: {} runs, {:.1} s, {:?}", sum.runs, sum.spent, sum.all);
    }
    let text: Vec<_> = failed.iter().map(|(seed, broken)| format!("seed {seed}:\n  {}", broken.join("\n  "))).collect();
    assert!(failed.is_empty(), "replay with MAILBELL_SEED=n:\n{}", text.join("\n"));
}

#[test]
fn a_seed_runs_the_same_each_time() {
    for seed in [1, 2, 3, 17] {
        let (one, other) = (run(seed, true), run(seed, true));
        assert!(one.log.lines().count() > 50, "{}", one.log);
        let differ = one.log.lines().zip(other.log.lines()).find(|(a, b)| a != b);
        assert_eq!(differ, None, "seed {seed}");
        assert_eq!(one.counts, other.counts);
    }
}
