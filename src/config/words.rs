//! What the reader says in more than one place: types, unknown keys, how a section is written.

use super::keys::{self, Form, Section};
use super::reading::{Said, say};
use toml::de::DeValue;

/// `a, b or c`
pub(super) fn either(words: &[String], comma: &str, or: &str) -> String {
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{}{or}{last}", rest.join(comma)),
        None => String::new(),
    }
}

/// What is wrong with a path as such.
pub(super) fn bad_path(text: &str) -> Option<Said> {
    (text == "~" || text.starts_with("~/")).then(|| {
        say(
            "~ is not understood here; write the whole path, or one relative to the config file",
            "此处不识别 ~；请写完整路径，或相对于配置文件的路径",
        )
    })
}

/// Says that control characters have no place in a value.
pub(super) fn control_characters() -> Said {
    say(
        "holds a control character; write it on one line without \\n, \\t and the like",
        "含有控制字符；请写在一行内，不要含 \\n、\\t 等",
    )
}

/// What a value is, in words.
pub(super) fn type_name(value: &DeValue<'_>) -> (&'static str, &'static str) {
    match value {
        DeValue::String(_) => ("a text", "文字"),
        DeValue::Integer(_) => ("a whole number", "整数"),
        DeValue::Float(_) => ("a number with a point", "小数"),
        DeValue::Boolean(_) => ("true or false", " true/false"),
        DeValue::Datetime(_) => ("a date", "日期"),
        DeValue::Array(_) => ("a list", "列表"),
        DeValue::Table(_) => ("a table", "表"),
    }
}

/// What to say of a key that its section does not know.
pub(super) fn unknown_key(section: &'static Section, name: &str) -> Said {
    let names = section.keys.iter().map(|key| key.name);
    if let Some(near) = nearest(name, names.clone()) {
        return say(format!("unknown key; did you mean \"{near}\"?"), format!("没有这一项；是否想写 \"{near}\"？"));
    }
    if let Some(said) = elsewhere(name) {
        return said;
    }
    let available = section.keys.iter();
    let known: Vec<_> = available.map(|key| key.name).collect();
    say(
        format!("unknown key; {} knows: {}", section.header(), known.join(", ")),
        format!("没有这一项；{} 中可用：{}", section.header(), known.join("、")),
    )
}

/// What to say of a section, or a key outside of any section, that is not known.
pub(super) fn unknown_section(name: &str, value: &DeValue<'_>) -> Said {
    let is_section = matches!(value, DeValue::Table(_) | DeValue::Array(_));
    if !is_section && let Some(said) = elsewhere(name) {
        return said;
    }
    let sections = keys::ALL.into_iter().filter(|section| !section.name.contains('.'));
    if let Some(near) = nearest(name, sections.clone().map(|section| section.name)) {
        let header = keys::named(near).map(Section::header).unwrap_or_default();
        return say(format!("unknown section; did you mean {header}?"), format!("没有这一节；是否想写 {header}？"));
    }
    let known: Vec<_> = sections.map(Section::header).collect();
    say(
        format!("unknown; the sections are: {}", known.join(", ")),
        format!("没有这一项；可用的节：{}", known.join("、")),
    )
}

/// The section where this key belongs.
fn elsewhere(name: &str) -> Option<Said> {
    let home = keys::ALL.into_iter().find(|section| section.key(name).is_some())?;
    let header = home.header();
    Some(say(
        format!("unknown here; it belongs in {header}, below that line"),
        format!("不应写在这里；它属于 {header}，请移到那一行之后"),
    ))
}

/// The known word that a misspelt one most resembles, if any does.
pub(super) fn nearest<'n>(word: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    if word.len() > 60 {
        return None;
    }
    let word = word.to_lowercase().replace('-', "_");
    known
        .map(|name| (strsim::jaro_winkler(&word, &name.to_lowercase().replace('-', "_")), name))
        .filter(|(score, _)| *score >= 0.88)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// Says how a section is to be written.
pub(super) fn wrong_section(section: &Section) -> Said {
    let header = section.header();
    match section.form {
        Form::List => say(
            format!("write {header} with two brackets on each side, once for each"),
            format!("请写 {header}，左右各两个方括号，每个写一次"),
        ),
        Form::Named => say(
            format!("must be a section with a name; write {header} and its keys below"),
            format!("应为带名称的一节；请写 {header}，其下写各项"),
        ),
        Form::One => say(
            format!("must be a section; write {header} once and its keys below"),
            format!("应为一节；请写一次 {header}，其下写各项"),
        ),
    }
}
