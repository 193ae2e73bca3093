//! Letters to messages: one card, a digest, a catch-up.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::messages::{items, link, style};
use criterion::{Criterion, criterion_group, criterion_main};
use mailbell::deliver::render::render;
use mailbell::state::Shape;
use std::hint::black_box;

fn messages(c: &mut Criterion) {
    let style = style();
    let mut group = c.benchmark_group("render");
    for (name, count) in [("a card for one letter", 1), ("a digest of 60", 60), ("a catch-up of 200", 200)] {
        let items = items(count);
        group.bench_function(name, |b| b.iter(|| render(black_box(&items), &style, &link, Shape::default())));
    }
    group.finish();
}

criterion_group!(benches, messages);
criterion_main!(benches);
