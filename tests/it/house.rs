//! The rules of the house, held by reading the sources: which room may know what, and how files look. What a rule is
//! for stands in `ARCHITECTURE.md`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod checker;
mod map;
mod source;

use source::Source;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// The rooms of `src/` from the ground up, and what each may use of the others. A room uses only rooms above it in
/// this list, so there is no circle. A new arrow is a decision: it needs its place here and a look at `ARCHITECTURE.md`.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("sandbox", &[]),
    ("tls", &[]),
    ("unwind", &[]),
    ("metrics", &[]),
    ("clock", &["model"]),
    ("sheet", &["model"]),
    ("rules", &["model"]),
    ("config", &["model", "rules"]),
    ("people", &["model", "rules", "config"]),
    ("health", &["model"]),
    ("parse", &["model", "unwind"]),
    ("telemetry", &["config", "unwind"]),
    ("audit", &["model"]),
    ("vault", &["model"]),
    ("imap", &["model", "tls", "unwind", "config"]),
    ("advice", &["model", "config", "imap"]),
    ("oauth", &["model", "tls", "clock", "rules", "config", "imap"]),
    ("wecom", &["model", "metrics", "tls", "clock", "rules", "config"]),
    ("state", &["model", "clock", "rules", "unwind"]),
    ("watch", &["model", "metrics", "clock", "rules", "config", "people", "health", "parse", "imap", "state"]),
    ("deliver", &["model", "metrics", "clock", "rules", "config", "health", "parse", "wecom", "state"]),
    ("supervise", &["model", "clock", "rules", "config", "people", "health", "imap", "state", "watch"]),
    (
        "office",
        &[
            "model",
            "clock",
            "rules",
            "config",
            "audit",
            "vault",
            "imap",
            "advice",
            "wecom",
            "state",
            "watch",
            "supervise",
        ],
    ),
    ("systemd", &["health", "state", "supervise"]),
    ("upkeep", &["model", "clock", "config", "people", "state", "supervise", "office"]),
    ("control", &["model", "clock", "rules", "config", "people", "health", "state", "office"]),
    (
        "web",
        &[
            "model", "metrics", "sheet", "tls", "clock", "rules", "config", "health", "audit", "wecom", "state",
            "office", "control",
        ],
    ),
    (
        "app",
        &[
            "model",
            "clock",
            "config",
            "people",
            "health",
            "audit",
            "imap",
            "oauth",
            "wecom",
            "state",
            "watch",
            "deliver",
            "supervise",
            "upkeep",
            "office",
            "systemd",
            "control",
            "web",
        ],
    ),
    ("demo", &["model", "sandbox", "config", "telemetry", "app"]),
    (
        "cli",
        &[
            "model",
            "sandbox",
            "clock",
            "rules",
            "config",
            "people",
            "health",
            "parse",
            "telemetry",
            "audit",
            "vault",
            "imap",
            "advice",
            "oauth",
            "wecom",
            "state",
            "watch",
            "deliver",
            "sheet",
            "office",
            "systemd",
            "control",
            "app",
            "demo",
        ],
    ),
    ("lib", &[]),
    ("main", &[]),
];

/// Names that only some places may say in code, and why.
const NAMES: &[(&str, &[&str], &str)] = &[
    ("async_imap", &["src/imap/"], "IMAP is known in one folder"),
    ("imap_proto", &["src/imap/"], "IMAP is known in one folder"),
    ("rustls", &["src/imap/", "src/tls.rs"], "TLS is set up in one place; `wecom` and `oauth` get it whole"),
    ("tokio_rustls", &["src/imap/", "src/tls.rs"], "as rustls"),
    ("rustls_native_certs", &["src/tls.rs"], "roots are gathered in one place"),
    ("webpki_roots", &["src/tls.rs"], "roots are gathered in one place"),
    ("rcgen", &["src/demo/ca.rs"], "the demo alone makes certificates"),
    ("dangerous", &["src/tls.rs"], "nobody else comes near verification"),
    ("reqwest", &["src/wecom/", "src/oauth/"], "HTTP out goes to WeCom and to token sources"),
    ("axum", &["src/web/", "src/sandbox/", "src/demo/"], "HTTP in is the surface's, the sandbox's and the demo's"),
    ("sled", &["src/state/sled_kv.rs"], "one file knows the backend of one node"),
    ("postcard", &["src/state/record.rs"], "one file knows how records are written"),
    ("mail_parser", &["src/parse/"], "headers are read in one folder"),
    ("chardetng", &["src/parse/"], "charsets are guessed in one folder"),
    (
        "toml",
        &["src/config/", "src/sandbox/options.rs", "src/rules/workdays.rs"],
        "files are read into checked values first; the working calendar is one",
    ),
    ("prometheus", &["src/metrics.rs"], "one file knows how is counted"),
    ("clap", &["src/cli/"], "the command line is read in one folder"),
    ("clap_mangen", &["src/cli/"], "as clap"),
    // Backends: everybody else knows the traits.
    (
        "TcpDial",
        &["src/imap/", "src/app/", "src/cli/check.rs", "src/cli/folders.rs"],
        "backends are named where things are wired",
    ),
    (
        "ImapSource",
        &["src/imap/", "src/app/", "src/cli/check.rs", "src/cli/folders.rs"],
        "backends are named where things are wired",
    ),
    ("Store", &["src/state/", "src/app/", "src/cli/check.rs"], "backends are named where things are wired"),
    ("SystemClock", &["src/clock.rs", "src/app/", "src/cli/"], "backends are named where things are wired"),
    // Time: `now` is an argument.
    ("Timestamp::now", &["src/clock.rs"], "the system's time is read in one file"),
    ("Zoned::now", &["src/demo/page.rs"], "the demo dates its own mails"),
    ("SystemTime", &["src/sandbox/mod.rs", "src/demo/dovecot.rs"], "the sandbox shares nothing; a file's age is set"),
    (
        "Instant",
        &["src/imap/", "src/watch/", "src/sandbox/mod.rs", "src/demo/", "src/state/"],
        "time-outs by tokio's clock, which tests can stop; sandbox and demo are worlds of their own; the store's \
         threads watch over a disk, which has a clock of its own",
    ),
    // Chance: a run can be replayed from one seed.
    (
        "rand",
        &["src/clock.rs", "src/demo/", "src/sandbox/", "src/vault/", "src/web/sign_in.rs"],
        "chance comes from the clock that was handed down; keys and tokens are not chance",
    ),
    ("chacha20poly1305", &["src/vault/"], "one folder encrypts"),
    // Tasks: who is not told to stop cannot be waited for.
    ("tokio::spawn", &["src/supervise.rs"], "tasks begin in supervise.rs"),
    ("task::spawn", &[], "tasks begin in supervise.rs"),
    ("tracker.spawn", &["src/supervise.rs"], "tasks begin in supervise.rs"),
    (
        ".spawn(",
        &["src/supervise.rs", "src/state/", "src/demo/"],
        "the tasks; the store's threads; the demo's child processes",
    ),
    (
        "spawn_blocking",
        &["src/app/", "src/cli/check.rs", "src/demo/", "src/state/export.rs", "src/office/", "src/web/audit.rs"],
        "opening the store blocks, and so do Dovecot, writing an export and reading the audit",
    ),
    ("unbounded_channel", &[], "a queue without an end hides that nobody empties it"),
    ("thread::sleep", &["src/demo/dovecot_process.rs", "src/state/sled_kv.rs"], "a destructor cannot wait otherwise"),
    // The process.
    (
        "env::var",
        &["src/config/mod.rs", "src/cli/mod.rs", "src/cli/operator.rs", "src/telemetry.rs", "src/systemd.rs"],
        "the environment is read where config, language, log, who types and the service manager are",
    ),
    ("println!", &["src/cli/", "src/demo/run.rs"], "stdout belongs to the commands"),
    ("eprintln!", &["src/cli/"], "stderr belongs to the log and the commands"),
    ("process::exit", &[], "the end of main is the only way out"),
    // Faults are values.
    (".unwrap()", &[], "errors are told, not thrown"),
    (".expect(", &["src/demo/lmtp.rs"], "errors are told, not thrown; there it is a method of its own"),
    ("panic!", &[], "errors are told, not thrown"),
    ("unreachable!", &[], "errors are told, not thrown"),
    ("todo!", &[], "what is not built yet is refused with a sentence"),
    ("unimplemented!", &[], "what is not built yet is refused with a sentence"),
    ("dbg!", &[], "left over"),
];

/// tokio's clock can be stopped by tests, the system's cannot; here only the first may be used.
const TOKIO_TIME: &[&str] = &["src/imap/", "src/watch/", "src/deliver/"];

/// Words that stand for work put off.
const PUT_OFF: &[&str] = &["TODO", "FIXME", "HACK"];

/// Files named for no word of the domain.
const NAMELESS: &[&str] = &["util", "utils", "misc", "helper", "helpers", "common"];

const MOST_LINES: usize = 499;
const MOST_FUNCTION_LINES: usize = 69;

/// Longer functions, by file and name. This list may only shrink.
const LONG_FUNCTIONS: &[(&str, &str)] = &[];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every `.rs` file of the project, read once.
fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let mut found = Vec::new();
        for folder in ["src", "tests", "benches"] {
            gather(&top().join(folder), &mut found);
        }
        assert!(found.len() > 100, "the sources are not where they were");
        found
    })
}

fn gather(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            gather(&entry, found);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            let path = entry.strip_prefix(top()).unwrap().to_str().unwrap().replace('\\', "/");
            found.push(Source::new(&path, &fs::read_to_string(&entry).unwrap()));
        }
    }
}

fn all_of(check: impl Fn(&Source) -> Vec<String>) {
    let wrong: Vec<String> = sources().iter().flat_map(check).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Names in places where they may not stand.
fn names(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, places, reason) in NAMES {
        if !places.iter().any(|place| source.path.starts_with(place)) {
            let lines = source.lines_with(name);
            wrong.extend(lines.iter().map(|line| format!("{}:{line}: `{name}`: {reason}", source.path)));
        }
    }
    wrong
}

/// The system's `Instant` where tokio's is to be used.
fn instants(source: &Source) -> Vec<String> {
    if !TOKIO_TIME.iter().any(|place| source.path.starts_with(place)) {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    for line in source.lines_with("std::time::") {
        let rest = source.code.iter().skip_while(|t| t.line < line).take_while(|t| t.text != ";" && t.line == line);
        if rest.into_iter().any(|t| t.text == "Instant") {
            wrong.push(format!("{}:{line}: tokio's Instant is to be used here", source.path));
        }
    }
    wrong
}

/// The rooms that a file uses.
fn used(source: &Source) -> BTreeSet<(String, usize)> {
    let mut found = BTreeSet::new();
    let code = &source.code;
    for (at, token) in code.iter().enumerate() {
        if token.text != "crate" || code.get(at + 1).is_none_or(|t| t.text != "::") {
            continue;
        }
        match code.get(at + 2) {
            Some(t) if t.text == "{" => {
                let mut depth = 0;
                let mut begins = true;
                for t in &code[at + 2..] {
                    match t.text.as_str() {
                        "{" => depth += 1,
                        "}" => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                    if begins && depth == 1 && t.text.starts_with(char::is_alphabetic) {
                        found.insert((t.text.clone(), t.line));
                    }
                    begins = depth == 1 && matches!(t.text.as_str(), "{" | ",");
                }
            }
            Some(t) => drop(found.insert((t.text.clone(), t.line))),
            None => {}
        }
    }
    found
}

/// Arrows between rooms that are not in the table.
fn arrows(source: &Source) -> Vec<String> {
    if !source.path.starts_with("src/") {
        return Vec::new();
    }
    let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == source.room()) else {
        return vec![format!("{}: the room is not in the table of tests/it/house.rs", source.path)];
    };
    let strange = used(source).into_iter().filter(|(room, _)| *room != source.room() && !allowed.contains(&&**room));
    let mut wrong: Vec<_> =
        strange.map(|(room, line)| format!("{}:{line}: {} may not use {room}", source.path, source.room())).collect();
    for line in source.lines_with("super::super") {
        wrong.push(format!("{}:{line}: write `crate::` for another room", source.path));
    }
    wrong
}

/// How a file looks.
fn form(source: &Source) -> Vec<String> {
    let (path, text) = (&source.path, &source.text);
    let mut wrong = Vec::new();
    if !text.starts_with("//! ") {
        wrong.push(format!("{path}: begins with `//!` and what it is"));
    }
    let lines = text.lines().count();
    if lines > MOST_LINES {
        wrong.push(format!("{path}: {lines} lines, at most {MOST_LINES}: which of its words can stand alone?"));
    }
    let name = Path::new(path).file_stem().and_then(|n| n.to_str()).unwrap_or_default();
    if NAMELESS.contains(&name) {
        wrong.push(format!("{path}: which word of the domain does it serve?"));
    }
    if path != "tests/it/house.rs" {
        for (at, line) in text.lines().enumerate() {
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            if words.into_iter().any(|word| PUT_OFF.contains(&word)) {
                wrong.push(format!("{path}:{}: do it, or write what is missing as an issue", at + 1));
            }
        }
    }
    wrong
}

/// Functions that are too long. rustfmt puts the closing brace under the beginning.
fn functions(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut wrong = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let closes = |end: &&str| indent(end) == indent(line) && end.trim_start().starts_with('}');
        let Some(end) = lines[at..].iter().position(|l| closes(l) || (l.ends_with(';') && indent(l) == indent(line)))
        else {
            continue;
        };
        if end + 1 > MOST_FUNCTION_LINES && !LONG_FUNCTIONS.contains(&(&source.path, name)) {
            wrong.push(format!(
                "{}:{}: {name} has {} lines, at most {MOST_FUNCTION_LINES}",
                source.path,
                at + 1,
                end + 1
            ));
        }
    }
    wrong
}

fn function_name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let is_before =
        |word: &&str| matches!(*word, "pub" | "const" | "async" | "unsafe" | "extern") || word.starts_with("pub(");
    let first = words.by_ref().find(|word| !is_before(word))?;
    let name = if first == "fn" { words.next()? } else { return None };
    Some(name.split(['(', '<']).next().unwrap_or(name))
}

#[test]
fn names_stand_where_they_may() {
    all_of(names);
    all_of(instants);
}

#[test]
fn rooms_use_only_rooms_below_them() {
    let order: Vec<_> = ROOMS.iter().map(|(room, _)| *room).collect();
    for (at, (room, uses)) in ROOMS.iter().enumerate() {
        for used in *uses {
            assert!(order[..at].contains(used), "{room} uses {used}, which must stand before it in the table");
        }
    }
    all_of(arrows);
}

#[test]
fn the_table_of_rooms_has_no_arrow_too_many() {
    for (room, uses) in ROOMS {
        let of_room = sources().iter().filter(|s| s.path.starts_with("src/") && s.room() == *room);
        let used: BTreeSet<_> = of_room.flat_map(used).map(|(room, _)| room).collect();
        for allowed in *uses {
            assert!(used.contains(*allowed), "{room} does not use {allowed} any more: take it out of the table");
        }
    }
}

#[test]
fn files_and_functions_are_in_form() {
    all_of(form);
    all_of(functions);
    for (path, name) in LONG_FUNCTIONS {
        let exists =
            sources().iter().any(|s| s.path == *path && s.text.lines().any(|l| function_name(l) == Some(name)));
        assert!(exists, "{path}: {name} is not there any more: take it out of the list");
    }
}
