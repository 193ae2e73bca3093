//! The first step: text to a TOML document with places, and what to say where the text is no TOML.

use super::keys;
use super::reading::{Reading, Said, say};
use toml::Spanned;
use toml::de::{DeTable, Error};

/// So many broken lines are told; more would not help anyone.
const MOST: usize = 50;

/// Parses the text. Every broken line becomes one mistake; what could be read is handed out all the same.
/// The text itself is never repeated: it may hold a secret.
pub(super) fn parse<'t>(reading: &mut Reading<'_>, text: &'t str) -> Spanned<DeTable<'t>> {
    let (table, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    let mut last = None;
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let line = reading.line(span.start);
        if last == Some(line) {
            continue;
        }
        last = Some(line);
        reading.break_at(span.clone());
        let rest = text.get(span.start..).unwrap_or_default();
        reading.mistake(span.start, key_on(text, span.start), told(&error, rest));
        if reading.broken_lines() >= MOST {
            break;
        }
    }
    table
}

/// How a message of the parser begins, and what is said in its place. The longest beginning counts.
const WORDS: [(&str, &str, &str); 15] = [
    (
        "invalid boolean",
        "write true or false, in small letters and without quotes",
        "请写小写的 true 或 false，不加引号",
    ),
    (
        "string values must be quoted",
        "a text must stand in double quotes: \"...\"",
        "文字要用英文双引号括起来：\"...\"",
    ),
    ("unclosed table", "the section's header is not closed; write [NAME]", "节的标题没有写完；请写 [NAME]"),
    ("unclosed array table", "the section's header is not closed; write [[NAME]]", "节的标题没有写完；请写 [[NAME]]"),
    ("unclosed array", "the list is not closed; write ] at its end", "列表没有写完；请在末尾加 ]"),
    ("unclosed inline table", "the braces are not closed; write } at the end", "花括号没有写完；请在末尾加 }"),
    ("missing comma", "a comma is missing, or the ] or } before it", "缺少逗号，或前面缺少 ] 或 }"),
    ("duplicate key", "stands here a second time; keep one of the two", "重复；只能保留一处"),
    (
        "missing escaped value",
        "in \"...\" a backslash is written twice, as in \"CORP\\\\zhangsan\"; or use '...'",
        "在 \"...\" 中反斜杠要写两个，如 \"CORP\\\\zhangsan\"；或改用 '...'",
    ),
    ("invalid basic string", "the text is not closed; write \" at its end", "文字没有写完；请在末尾加 \""),
    ("invalid literal string", "the text is not closed; write ' at its end", "文字没有写完；请在末尾加 '"),
    ("invalid unquoted key", "a key is made of letters a-z, digits, - and _", "键名只能由英文字母、数字、- 和 _ 组成"),
    ("key with no value", "a key needs a value: key = value", "键名后面要有值：key = value"),
    ("missing value", "the value is missing: key = value", "缺少值：key = value"),
    (
        "unexpected key or value",
        "there is more on this line than one key = value; a \" inside a text is written \\\"",
        "这一行不止一个 key = value；文字中的 \" 要写成 \\\"",
    ),
];

/// What is wrong, in words of this program.
fn told(error: &Error, rest: &str) -> Said {
    let message = error.message();
    if rest.starts_with(['“', '”', '‘', '’', '＂']) {
        return say(
            "Chinese quotation marks do not work here; write the text in \"...\"",
            "不能用中文引号；请改用英文双引号 \"...\"",
        );
    }
    if rest.trim_start_matches([' ', '\t']).starts_with(['\n', '\r', '#']) && message.starts_with("string values") {
        return say("the value is missing: key = value", "缺少值：key = value");
    }
    let known = WORDS.iter().filter(|(start, ..)| message.starts_with(start)).max_by_key(|(start, ..)| start.len());
    match known {
        Some((_, en, zh)) => say(*en, *zh),
        None => say(
            format!("this is no TOML ({message}); write key = value, texts in \"...\""),
            format!("不符合 TOML 写法（{message}）；请写 key = value，文字用 \"...\" 括起来"),
        ),
    }
}

/// The dotted key of the line that holds this byte, if it is a known one of its section.
fn key_on(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    if let Some(inner) = line.trim_start().strip_prefix('[') {
        let name = inner.trim_start_matches('[').split([']', '.']).next().unwrap_or_default().trim();
        return keys::named(name).map(|known| known.name.to_owned()).unwrap_or_default();
    }
    let name = line.split('=').next().unwrap_or_default().trim();
    let mut path = None;
    let mut accounts = 0;
    for header in before.get(..start).unwrap_or_default().lines().map(str::trim_start) {
        if header.starts_with("[[account]]") {
            accounts += 1;
            path = Some(("account", format!("account[{accounts}]")));
        } else if let Some(inner) = header.strip_prefix('[') {
            let section = inner.split(']').next().unwrap_or_default();
            let root = section.split('.').next().unwrap_or_default();
            path = keys::named(root).map(|known| (known.name, section.to_owned()));
        }
    }
    match path {
        Some((section, path)) if keys::named(section).is_some_and(|s| s.key(name).is_some()) => {
            format!("{path}.{name}")
        }
        _ => String::new(),
    }
}
