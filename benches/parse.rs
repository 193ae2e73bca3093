//! Header bytes to letter: what every new mail costs before it can be stored.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::headers::{HEADER_BYTES, headers, source};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mailbell::model::AccountId;
use mailbell::parse::letter;
use std::hint::black_box;

fn parse(c: &mut Criterion) {
    let account = AccountId::new("zhangsan@corp.example");
    let mut group = c.benchmark_group("header of 4 KiB to letter");
    group.throughput(Throughput::Bytes(HEADER_BYTES as u64));
    for (name, header) in &headers() {
        let source = source(&account, header);
        let read = letter(&source);
        assert!(header.len() == HEADER_BYTES && read.attachment && read.subject.is_some_and(|s| s.len() > 9));
        group.bench_function(*name, |b| b.iter(|| letter(black_box(&source))));
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
