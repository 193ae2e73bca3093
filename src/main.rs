//! The binary: nothing to do yet.

fn main() {}
