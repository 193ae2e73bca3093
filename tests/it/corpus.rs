//! The corpus of hard mail headers in `fixtures/mail/`: that it is well formed, and that each mail is read as it says.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use mailbell::model::{AccountId, Invitation, Letter, Locale, Start, Timestamp};
use mailbell::parse::{Source, clean, letter, parts_of};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const LEAST: usize = 150;
const LEAST_CHINESE: usize = 60;
const LOCALES: &[&str] = &["zh-CN", "zh-TW", "ja", "ko", "en"];
/// The marks in the order in which a letter lists them.
const MARKS: &[&str] = &["calendar", "encrypted", "signed", "bulk", "auto", "bounce"];
const MOST_CHARS: usize = 500;

/// One mail with what its file says of it.
struct Case {
    /// `THEME/NAME`.
    name: String,
    bytes: Vec<u8>,
    expected: Value,
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/mail")
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn themes() -> Vec<PathBuf> {
    sorted(&top()).into_iter().filter(|path| path.is_dir()).collect()
}

fn cases() -> Vec<Case> {
    let mut found = Vec::new();
    for theme in themes() {
        for path in sorted(&theme).into_iter().filter(|path| path.extension().is_some_and(|e| e == "eml")) {
            let name = path.strip_prefix(top()).unwrap().with_extension("").to_str().unwrap().replace('\\', "/");
            let expected = fs::read_to_string(path.with_extension("json"));
            let expected = expected.unwrap_or_else(|error| panic!("{name}.json: {error}"));
            let expected = serde_json::from_str(&expected).unwrap_or_else(|error| panic!("{name}.json: {error}"));
            found.push(Case { name, bytes: fs::read(&path).unwrap(), expected });
        }
    }
    found
}

/// Says so if an object has not exactly these keys.
fn keys(of: &Value, expected: &[&str]) -> Result<(), String> {
    let object = of.as_object().ok_or(format!("{of} is no object"))?;
    let found: BTreeSet<&str> = object.keys().map(String::as_str).collect();
    let expected: BTreeSet<&str> = expected.iter().copied().collect();
    if found == expected { Ok(()) } else { Err(format!("has the keys {found:?}, not {expected:?}")) }
}

/// A text as a letter holds it, or null.
fn tidy(text: &Value) -> Result<(), String> {
    match text {
        Value::Null => Ok(()),
        Value::String(text) if text.is_empty() => Err("an empty text is to be null".to_owned()),
        Value::String(text) if clean(text) != *text => Err(format!("{text:?} is not clean: {:?}", clean(text))),
        Value::String(text) if text.chars().count() > MOST_CHARS => Err(format!("{text:?} is too long")),
        Value::String(_) => Ok(()),
        other => Err(format!("{other} is no text")),
    }
}

/// Whether a file beside a mail says all that it has to, and nothing else.
fn well_formed(expected: &Value) -> Result<(), String> {
    keys(expected, &["about", "locale", "chinese", "letter"])?;
    let letter = &expected["letter"];
    let all = ["from_name", "from_address", "subject", "attachments", "marks", "invitation"];
    let invitation = &letter["invitation"];
    keys(letter, if invitation.is_null() { &all[..5] } else { &all })?;
    if !invitation.is_null() {
        keys(invitation, &["method", "start", "place"])?;
        tidy(&invitation["start"])?;
        tidy(&invitation["place"])?;
    }
    if expected["about"].as_str().is_none_or(|about| about.len() < 10 || about.contains('\n')) {
        return Err("`about` is to be one line".to_owned());
    }
    if expected["locale"].as_str().is_none_or(|locale| !LOCALES.contains(&locale)) {
        return Err(format!("`locale` is to be one of {LOCALES:?}"));
    }
    if !expected["chinese"].is_boolean() {
        return Err("`chinese` is to be true or false".to_owned());
    }
    for field in ["from_name", "from_address", "subject"] {
        tidy(&letter[field])?;
    }
    for attachment in letter["attachments"].as_array().ok_or("`attachments` is to be a list")? {
        keys(attachment, &["name", "size"])?;
        tidy(&attachment["name"])?;
        attachment["size"].as_u64().ok_or("`size` is to be a number of octets")?;
    }
    let marks = letter["marks"].as_array().ok_or("`marks` is to be a list")?;
    let places: Option<Vec<_>> = marks.iter().map(|mark| MARKS.iter().position(|m| mark == m)).collect();
    match places {
        Some(places) if places.is_sorted_by(|a, b| a < b) => Ok(()),
        _ => Err(format!("`marks` are to be some of {MARKS:?} in this order")),
    }
}

#[test]
fn every_mail_has_what_is_expected_of_it_beside_it() {
    let cases = cases();
    let mut wrong = Vec::new();
    let mut names = BTreeMap::new();
    for case in &cases {
        if let Err(fault) = well_formed(&case.expected) {
            wrong.push(format!("{}: {fault}", case.name));
        }
        let stem = case.name.rsplit('/').next().unwrap_or_default();
        if let Some(other) = names.insert(stem, &case.name) {
            wrong.push(format!("{}: {other} has the same name", case.name));
        }
    }
    for path in themes().iter().flat_map(|theme| sorted(theme)) {
        let partner = match path.extension().and_then(|e| e.to_str()) {
            Some("eml") => path.with_extension("json"),
            Some("json") => path.with_extension("eml"),
            _ => PathBuf::new(),
        };
        if !partner.is_file() {
            wrong.push(format!("{}: no mail with its expectation beside it", path.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_corpus_is_large_and_mostly_chinese() {
    let cases = cases();
    let chinese = cases.iter().filter(|case| case.expected["chinese"] == true).count();
    assert!(cases.len() >= LEAST, "{} mails", cases.len());
    assert!(chinese >= LEAST_CHINESE, "{chinese} Chinese mails");
}

/// The header block as IMAP's BODY[HEADER] gives it: up to the first blank line, which blank lines before the first
/// field are not.
fn header_block(mail: &[u8]) -> &[u8] {
    let begin = mail.iter().position(|b| !b" \t\r\n".contains(b)).unwrap_or(mail.len());
    let ends: &[&[u8]] = if mail.contains(&b'\n') { &[b"\r\n\r\n", b"\n\n", b"\n\r\n"] } else { &[b"\r\r"] };
    let end = (begin..mail.len()).find_map(|at| {
        let end = ends.iter().find(|end| mail[at..].starts_with(end))?;
        Some(at + end.len())
    });
    &mail[..end.unwrap_or(mail.len())]
}

/// With line feeds alone; carriage returns elsewhere stay.
fn with_lf(block: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(block.len());
    for (at, byte) in block.iter().enumerate() {
        if *byte != b'\r' || block.get(at + 1) != Some(&b'\n') {
            out.push(*byte);
        }
    }
    out
}

fn with_crlf(block: &[u8]) -> Vec<u8> {
    with_lf(block).iter().flat_map(|b| if *b == b'\n' { b"\r\n".to_vec() } else { vec![*b] }).collect()
}

fn read(case: &Case, mail: &[u8]) -> Letter {
    let locale = match case.expected["locale"].as_str() {
        Some("zh-TW") => Locale::Traditional,
        Some("ja") => Locale::Japanese,
        Some("ko") => Locale::Korean,
        Some("en") => Locale::Other,
        _ => Locale::Mainland,
    };
    letter(&Source {
        account: &AccountId::new("reader@corp.example"),
        uid_validity: 1,
        uid: 1,
        time: Timestamp(1_704_161_730_000),
        size: 0,
        seen: false,
        locale,
        trusted: &[],
        names: true,
        parts: &parts_of(mail),
        header: Some(header_block(mail)),
    })
}

/// A text for a table: shortened, with everything odd escaped.
fn shown(text: Option<&str>) -> String {
    let Some(text) = text else { return "none".to_owned() };
    let short: String = text.chars().take(60).collect();
    if short == text { format!("{text:?}") } else { format!("{short:?}... ({} characters)", text.chars().count()) }
}

/// An invitation as it stands beside a mail.
fn invitation(found: &Invitation) -> Value {
    let start = found.start.map(|start| match start {
        Start::At(time) => jiff::Timestamp::from_millisecond(time.0).unwrap().to_string(),
        Start::Day(date) => date.to_string(),
        Start::Local(time) => time.to_string(),
    });
    json!({ "method": found.method, "start": start, "place": found.place })
}

/// What was read otherwise than it stands beside the mail, one line for each difference. With other line ends, parts that
/// are not encoded have other sizes.
fn differences(case: &Case, ends: &str, mail: &[u8]) -> Vec<String> {
    let letter = read(case, mail);
    let found = [
        ("from_name", letter.from.name.as_deref()),
        ("from_address", letter.from.address.as_deref()),
        ("subject", letter.subject.as_deref()),
    ];
    let mut wrong = Vec::new();
    for (field, found) in found {
        let expected = case.expected["letter"][field].as_str();
        if found != expected {
            let (found, expected) = (shown(found), shown(expected));
            wrong.push(format!("{:<44} {ends:<4} {field:<12} {found}, expected {expected}", case.name));
        }
    }
    let expected = &case.expected["letter"]["invitation"];
    let found = letter.invitation.as_ref().map_or(Value::Null, invitation);
    if !expected.is_null() && found != *expected {
        wrong.push(format!("{:<44} {ends:<4} invitation   {found}, expected {expected}", case.name));
    }
    let strip = |list: &Value| match mail == case.bytes {
        true => list.clone(),
        false => list.as_array().unwrap().iter().map(|file| file["name"].clone()).collect(),
    };
    let found = serde_json::to_value(&letter).unwrap();
    let lists = [("attachments", &found["attachments"]), ("marks", &found["kinds"])];
    for (field, found) in lists {
        let expected = &case.expected["letter"][field];
        let same = if field == "marks" { found == expected } else { strip(found) == strip(expected) };
        if !same {
            wrong.push(format!("{:<44} {ends:<4} {field:<12} {found}, expected {expected}", case.name));
        }
    }
    wrong
}

#[test]
fn every_mail_is_read_as_expected() {
    let mut wrong = Vec::new();
    let mut by_theme: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for case in cases() {
        let mut lines = differences(&case, "own", &case.bytes);
        if case.bytes.contains(&b'\n') {
            lines.extend(differences(&case, "CRLF", &with_crlf(&case.bytes)));
            lines.extend(differences(&case, "LF", &with_lf(&case.bytes)));
        }
        let theme = case.name.split('/').next().unwrap_or_default().to_owned();
        let (right, all) = by_theme.entry(theme).or_default();
        *right += usize::from(lines.is_empty());
        *all += 1;
        wrong.extend(lines);
    }
    let sums = by_theme.iter().map(|(theme, (right, all))| format!("{theme:<20} {right:>4} of {all:>4} right"));
    let sums = sums.collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "\n{}\n\n{sums}\n", wrong.join("\n"));
}
