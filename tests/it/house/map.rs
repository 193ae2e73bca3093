//! What is said to exist and what exists: the map in `ARCHITECTURE.md`, and the `mod` lines that lead to every file.

use super::source::Source;
use super::{sources, top};
use std::collections::BTreeSet;
use std::fs;

/// The entries of `src/`, folders with `/`.
fn entries() -> BTreeSet<String> {
    let entries = fs::read_dir(top().join("src")).unwrap().map(Result::unwrap);
    let shown = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() { format!("{name}/") } else { name }
    };
    entries.map(shown).collect()
}

/// The first cells of the table under `## Map`.
pub(super) fn on_the_map(text: &str) -> BTreeSet<String> {
    let map = text.split_once("\n## Map\n").map_or("", |(_, rest)| rest);
    let map = map.split_once("\n## ").map_or(map, |(map, _)| map);
    let rows = map.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once('`')).map(|(name, _)| name.to_owned()).collect()
}

/// Words in backticks that are paths. A name without a folder may be one in any folder.
pub(super) fn paths(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let is_path = |word: &&str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '.');
        let ends = ["/", ".rs", ".toml", ".md"].iter().any(|end| word.ends_with(end));
        word.chars().all(plain) && ends && (word.contains('/') || word.ends_with(".md"))
    };
    quoted.filter(is_path).collect()
}

/// The files that `mod` lines lead to, from `root` on, which is the first file of a crate.
pub(super) fn reached(root: &str, all: &[Source]) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let Some(source) = all.iter().find(|s| s.path == path) else { continue };
        let (folder, file) = path.rsplit_once('/').unwrap_or_default();
        let below = match file {
            "mod.rs" => folder.to_owned(),
            _ if path == root => folder.to_owned(),
            other => format!("{folder}/{}", other.trim_end_matches(".rs")),
        };
        let mut named = None;
        for line in source.text.lines().map(str::trim) {
            let words: Vec<_> = line.split_whitespace().filter(|w| !w.starts_with("pub")).collect();
            if let Some(path) = line.strip_prefix("#[path = \"") {
                named = path.split_once('"').map(|(name, _)| format!("{folder}/{name}"));
            } else if let ["mod", name] = words.as_slice()
                && let Some(name) = name.strip_suffix(';')
            {
                let usual = [format!("{below}/{name}.rs"), format!("{below}/{name}/mod.rs")];
                open.extend(named.take().into_iter().chain(usual));
            }
        }
        reached.insert(path);
    }
    reached
}

#[test]
fn the_map_names_exactly_what_exists() {
    let text = fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap();
    assert_eq!(on_the_map(&text), entries());
    let wrong: Vec<_> = ["ARCHITECTURE.md", "CONTRIBUTING.md"]
        .iter()
        .map(|file| fs::read_to_string(top().join(file)).unwrap())
        .flat_map(|text| {
            let missing = |path: &&str| ["", "src"].iter().all(|base| !top().join(base).join(path).exists());
            paths(&text).into_iter().filter(missing).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert!(wrong.is_empty(), "named, but not there: {wrong:?}");
}

#[test]
fn every_file_is_declared() {
    let all = sources();
    let mut known: BTreeSet<String> = BTreeSet::new();
    for root in ["src/lib.rs", "src/main.rs", "tests/it/main.rs"] {
        known.extend(reached(root, all));
    }
    let cargo = fs::read_to_string(top().join("Cargo.toml")).unwrap();
    for name in all.iter().filter_map(|source| source.path.strip_prefix("benches/")?.strip_suffix(".rs")) {
        if cargo.contains(&format!("[[bench]]\nname = \"{name}\"\nharness = false\n")) {
            known.extend(reached(&format!("benches/{name}.rs"), all));
        }
    }
    for source in all {
        let declared = known.contains(&source.path);
        assert!(declared, "{}: no `mod` line (or [[bench]]) leads here, so it is never built", source.path);
    }
}
