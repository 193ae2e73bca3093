//! Whether the checker sees what it is there for.

use super::map::{on_the_map, paths, reached};
use super::source::{Source, tokens};
use super::{arrows, form, functions, instants, names};

fn found(check: fn(&Source) -> Vec<String>, path: &str, text: &str) -> usize {
    check(&Source::new(path, text)).len()
}

#[test]
fn names_are_seen_in_code_only() {
    let wrong = [
        ("src/watch/mod.rs", "use async_imap::Client;"),
        ("src/state/engine.rs", "fn f() { let db = sled::open(); }"),
        ("src/wecom/http.rs", "use tokio_rustls::rustls;"),
        ("src/rules/budget.rs", "fn f() { jiff :: Timestamp\n::now(); }"),
        ("src/watch/mod.rs", "fn f() { tokio::spawn(async {}); }"),
        ("src/imap/wire.rs", "fn f() { x.unwrap() }"),
        ("src/imap/wire.rs", "fn f() { panic!(\"no\") }"),
        ("src/deliver/mod.rs", "use crate::state::Store;"),
        ("src/parse/mod.rs", "const C: char = '\"'; fn f() { dbg!(1); }"),
        ("src/parse/mod.rs", "fn f<'a>(x: &'a str) { todo!() }"),
    ];
    for (path, text) in wrong {
        assert!(found(names, path, text) > 0, "{path}: {text}");
    }
    let right = [
        ("src/imap/wire.rs", "use async_imap::Client;"),
        ("src/watch/mod.rs", "//! Without async_imap.\n/* /* sled */ sled */\nconst S: &str = \"sled \\\" sled\";"),
        ("src/watch/mod.rs", "const R: &str = r#\"sled \"# ; const C: char = '\\''; // sled"),
        ("src/watch/mod.rs", "#[cfg(test)]\nmod tests {\n fn f() { x.unwrap(); }\n}\n"),
        ("src/watch/mod.rs", "#[cfg(test)] use sled::{Db, Tree};\nfn g() { x.unwrap_or(1); }"),
        ("src/parse/tests.rs", "fn f() { x.unwrap() }"),
        ("tests/it/config.rs", "fn f() { x.unwrap() }"),
    ];
    for (path, text) in right {
        assert_eq!(found(names, path, text), 0, "{path}: {text}");
    }
    let after = "#[cfg(test)]\nmod tests { fn f() { x.unwrap(); } }\nfn g() { y.unwrap(); }";
    assert_eq!(found(names, "src/watch/mod.rs", after), 1, "what follows the tests counts");
}

#[test]
fn the_systems_instant_is_told_from_tokios() {
    assert_eq!(found(instants, "src/watch/mod.rs", "use std::time::{Duration, Instant};"), 1);
    assert_eq!(found(instants, "src/imap/idle.rs", "fn f() { std::time::Instant::now(); }"), 1);
    assert_eq!(found(instants, "src/imap/idle.rs", "use std::time::Duration;\nuse tokio::time::Instant;"), 0);
}

#[test]
fn arrows_are_seen_in_every_spelling() {
    let wrong = [
        ("src/state/mod.rs", "use crate::wecom::Push;"),
        ("src/rules/scan.rs", "fn f() -> crate::state::Scan {}"),
        ("src/sandbox/mod.rs", "use crate::{\n    model::Lang,\n};"),
        ("src/model/id.rs", "use super::super::rules;"),
        ("src/utils/mod.rs", "//! A room that nobody knows."),
    ];
    for (path, text) in wrong {
        assert_eq!(found(arrows, path, text), 1, "{path}: {text}");
    }
    let right = [
        ("src/state/mod.rs", "use crate::{model::{Lang, Mark}, rules};\nuse crate::state::Scan;"),
        ("src/sandbox/mod.rs", "/// See crate::wecom.\nuse super::card;"),
        ("tests/it/config.rs", "use crate::anything;"),
    ];
    for (path, text) in right {
        assert_eq!(found(arrows, path, text), 0, "{path}: {text}");
    }
}

#[test]
fn forms_are_seen() {
    assert_eq!(found(form, "src/a.rs", "use b;"), 1);
    assert_eq!(found(form, "src/utils.rs", "//! A.\n"), 1);
    assert_eq!(found(form, "src/a.rs", &format!("//! A.\n{}", "\n".repeat(499))), 1);
    assert_eq!(found(form, "src/a.rs", &format!("//! A.\n// {}: later\n", ["TO", "DO"].concat())), 1);
    assert_eq!(found(form, "src/a.rs", "//! A todo list, with its METHOD.\n"), 0);
    let long = |lines| {
        format!("impl A {{\n    pub(super) async fn f<T>(\n    ) {{\n{}    }}\n}}\n", "        x;\n".repeat(lines))
    };
    assert_eq!(found(functions, "src/a.rs", &long(67)), 1);
    assert_eq!(found(functions, "src/a.rs", &long(66)), 0);
    assert_eq!(found(functions, "src/a.rs", &format!("trait A {{\n    fn f();\n{}}}\n", "    // x\n".repeat(99))), 0);
}

#[test]
fn the_map_is_read() {
    let text = "# A\n\n## Map\n\n| `imap/` | x `y` |\n| `app.rs` | z |\n\n## Rest\n\n| `no/` |\n";
    assert_eq!(on_the_map(text).into_iter().collect::<Vec<_>>(), ["app.rs", "imap/"]);
    assert_eq!(paths("`imap/frame.rs`, `Kv`, `make test` and `state/`"), ["imap/frame.rs", "state/"]);
}

#[test]
fn files_without_a_mod_line_are_seen() {
    let all = [
        Source::new("src/lib.rs", "pub mod a;\n"),
        Source::new("src/a/mod.rs", "mod b;\n#[cfg(test)]\n#[path = \"tests.rs\"]\nmod tests;\nmod inline {\n}\n"),
        Source::new("src/a/b.rs", "// mod c;\n"),
        Source::new("src/a/c.rs", ""),
        Source::new("src/a/tests.rs", ""),
    ];
    let expected = ["src/a/b.rs", "src/a/mod.rs", "src/a/tests.rs", "src/lib.rs"];
    assert_eq!(reached("src/lib.rs", &all).into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn lines_are_counted_over_texts_and_comments() {
    let text = "/* a\n b */ x\n\"c\n d\" y // e\nr##\"f\n\"# g\"## z 'h' 'i";
    let found: Vec<_> = tokens(text).into_iter().map(|t| (t.text, t.line)).collect();
    let expected = [("x", 2), ("\"", 3), ("y", 4), ("\"", 5), ("z", 6), ("\"", 6), ("'", 6), ("i", 6)];
    assert_eq!(found, expected.map(|(text, line)| (text.to_owned(), line)));
}
