//! Letters through the rules of an account: how long a thousand subscriptions take to decide.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::rules::{account, letter};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mailbell::watch::route;
use std::hint::black_box;

fn bench(c: &mut Criterion) {
    let letter = letter();
    let mut group = c.benchmark_group("filter");
    group.throughput(Throughput::Elements(1));
    for count in [1, 10, 100, 1000] {
        let account = account(count);
        let places: Vec<usize> = (0..count).collect();
        group.bench_function(format!("letter_through_{count}_rules"), |b| {
            b.iter(|| black_box(route(&account, &places, black_box(&letter))).map(|route| route.place));
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
