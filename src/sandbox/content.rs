//! The content of text, textcard and markdown messages (wecom-api.md sections 3.3 to 3.5).

use serde_json::Value;

use super::answer::Refusal;
use super::card;
use super::check::{Envelope, Fields, Remarks};

/// The limit of text and markdown, in bytes.
const CONTENT_BYTES: usize = 2048;
/// The limit of a url, in bytes.
pub(super) const URL_BYTES: usize = 2048;
const TITLE: usize = 128;
const DESCRIPTION: usize = 512;
const BUTTON_CHARS: usize = 4;

/// Checks the object that the msgtype names. What comes back is the object as a phone shows it.
pub(super) fn content(envelope: &Envelope<'_>, strict: bool, remarks: &mut Remarks) -> Result<Value, Refusal> {
    let msgtype = envelope.msgtype;
    let empty = Value::Object(serde_json::Map::new());
    let value = match msgtype {
        "text" | "textcard" | "markdown" | "template_card" => envelope.fields.value(msgtype).unwrap_or(&empty),
        "image" | "voice" | "video" | "file" | "news" | "mpnews" | "miniprogram_notice" => {
            return Err(Refusal::because(
                40008,
                format!("invalid message type: the sandbox has no {msgtype} messages"),
            ));
        }
        _ => return Err(Refusal::new(40008)),
    };
    let fields = Fields::new(msgtype, value)?;
    control_characters(msgtype, value, remarks);
    match msgtype {
        "textcard" => textcard(fields, value, remarks),
        "template_card" => card::template_card(fields, value, remarks),
        _ => plain(fields, value, strict, remarks),
    }
}

/// Text and markdown: 44004 empty, 45002 too long (or truncated where that is chosen).
fn plain(fields: Fields<'_>, value: &Value, strict: bool, remarks: &mut Remarks) -> Result<Value, Refusal> {
    fields.known(&["content"], remarks);
    let content = fields.text("content")?;
    if content.is_empty() {
        return Err(Refusal::new(44004));
    }
    let mut shown = value.clone();
    if content.len() > CONTENT_BYTES {
        if strict {
            return Err(Refusal::new(45002));
        }
        remarks.violation(format!("{} has {} bytes, 2048 are shown", fields.name("content"), content.len()));
        let end = content.floor_char_boundary(CONTENT_BYTES);
        replace(&mut shown, "content", content.get(..end).unwrap_or_default());
    }
    Ok(shown)
}

/// 41016, 41033, 45034, 40039; long titles, descriptions and buttons are truncated and remarked.
fn textcard(fields: Fields<'_>, value: &Value, remarks: &mut Remarks) -> Result<Value, Refusal> {
    fields.known(&["title", "description", "url", "btntxt"], remarks);
    let title = fields.text("title")?;
    let description = fields.text("description")?;
    let button = fields.text("btntxt")?;
    if title.is_empty() {
        return Err(Refusal::new(41016));
    }
    if description.is_empty() {
        return Err(Refusal::new(41033));
    }
    url(fields.text("url")?)?;
    let mut shown = value.clone();
    for (key, text, limit) in [("title", title, TITLE), ("description", description, DESCRIPTION)] {
        if text.len() > limit {
            remarks.violation(format!("{} has {} bytes, more than {limit}", fields.name(key), text.len()));
            replace(&mut shown, key, first(text, limit));
        }
    }
    if button.chars().count() > BUTTON_CHARS {
        remarks.violation(format!("textcard.btntxt {button:?} has more than 4 characters"));
        replace(&mut shown, "btntxt", first(button, BUTTON_CHARS));
    }
    Ok(shown)
}

/// A url for people to open: 45034 without http:// or https://, 40039 too long, 40094 no url.
pub(super) fn url(text: &str) -> Result<(), Refusal> {
    let scheme = |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if !scheme("http://") && !scheme("https://") {
        return Err(Refusal::new(45034));
    }
    if text.len() > URL_BYTES {
        return Err(Refusal::new(40039));
    }
    url::Url::parse(text).map(|_| ()).map_err(|_| Refusal::new(40094))
}

/// The first `count` characters.
fn first(text: &str, count: usize) -> &str {
    let end = text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or_default()
}

fn replace(value: &mut Value, key: &str, text: &str) {
    if let Some(map) = value.as_object_mut() {
        map.insert(key.to_owned(), Value::String(text.to_owned()));
    }
}

/// Remarks on characters below U+0020 other than the line feed, in any string inside.
fn control_characters(path: &str, value: &Value, remarks: &mut Remarks) {
    match value {
        Value::String(text) => {
            if let Some(found) = text.chars().find(|c| *c < ' ' && *c != '\n') {
                remarks.violation(format!("{path} holds the control character U+{:04X}", u32::from(found)));
            }
        }
        Value::Array(list) => list.iter().for_each(|value| control_characters(path, value, remarks)),
        Value::Object(map) => {
            for (key, value) in map {
                control_characters(&format!("{path}.{key}"), value, remarks);
            }
        }
        _ => {}
    }
}
