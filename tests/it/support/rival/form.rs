//! The body of `message/send`, read strictly (wecom-api 1 and 3): what it asks for, or why it is refused.

use serde_json::{Map, Value};
use std::time::Duration;

/// Bytes of `text` and `markdown`.
const TEXT_BYTES: usize = 2048;
/// Both readings of the units at once: bytes (wecom-api 3.4).
const TITLE_BYTES: usize = 128;
/// As [`TITLE_BYTES`].
const DESCRIPTION_BYTES: usize = 512;
const URL_BYTES: usize = 2048;
const BUTTON_CHARS: usize = 4;
const MOST_USERS: usize = 1000;
const MOST_PARTIES: usize = 100;
const MOST_TAGS: usize = 100;
const USERID_BYTES: usize = 64;
/// Of `duplicate_check_interval`, in seconds: where it is left out, and the most.
const CHECKED: (u64, u64) = (1800, 14_400);

/// A code of wecom-api 6 and what was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: i64,
    pub text: String,
}

/// What a body asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// As they were written; `@all` stands in `everyone`.
    pub users: Vec<String>,
    pub everyone: bool,
    pub parties: Vec<String>,
    pub tags: Vec<String>,
    pub kind: String,
    /// All that a member reads, part by part, cut where WeCom cuts.
    pub shown: Vec<String>,
    /// The interval of the duplicate check, where it is on.
    pub check: Option<Duration>,
    /// What was taken and should not have been sent.
    pub sloppy: Vec<String>,
}

fn refuse<T>(code: i64, text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { code, text: text.into() })
}

/// Reads a body for the app of this id.
///
/// # Errors
/// The code that the API answers.
pub fn read(body: &[u8], agent_id: i64) -> Result<Form, Refusal> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return refuse(40058, "invalid Request Parameter, Warning: wrong json format.");
    };
    if has_escapes(body) {
        return refuse(40033, "invalid request, may contain some unicode characters as \\uxxxx");
    }
    let mut form = Form::default();
    match fields.get("agentid").map(Value::as_i64) {
        None => return refuse(41011, "missing agentid"),
        Some(None) => return refuse(40056, "invalid agentid"),
        Some(Some(id)) if id != agent_id => return refuse(301_002, "not allow to access the agent"),
        Some(Some(_)) => {}
    }
    read_recipients(&fields, &mut form)?;
    form.check = read_check(&fields)?;
    form.kind = text_of(&fields, "msgtype")?.unwrap_or_default();
    let Some(Value::Object(content)) = fields.get(&form.kind) else {
        return refuse(40008, format!("invalid message type {:?}, or nothing of that type", form.kind));
    };
    match form.kind.as_str() {
        "text" | "markdown" => read_text(content, &mut form)?,
        "textcard" => read_card(content, &mut form)?,
        "template_card" => read_notice(content, &mut form)?,
        other => return refuse(40008, format!("invalid message type {other:?}")),
    }
    let known = ["touser", "toparty", "totag", "msgtype", "agentid", "enable_id_trans", "enable_duplicate_check"];
    for name in fields.keys() {
        let is_known = known.contains(&name.as_str())
            || name == "duplicate_check_interval"
            || *name == form.kind
            || (name == "safe" && form.kind == "text");
        if !is_known {
            form.sloppy.push(format!("a field that {} does not have: {name}", form.kind));
        }
    }
    if form.shown.iter().any(|part| part.chars().any(|c| c.is_control() && c != '\n')) {
        form.sloppy.push("a control character".to_owned());
    }
    Ok(form)
}

/// Whether a JSON text writes any character as `\uXXXX`. A backslash that is itself escaped hides the `u` behind it.
fn has_escapes(body: &[u8]) -> bool {
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'\\' && bytes.next() == Some(&b'u') {
            return true;
        }
    }
    false
}

fn text_of(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    match fields.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => refuse(40058, format!("{name} is a text, not {other}")),
    }
}

fn read_recipients(fields: &Map<String, Value>, form: &mut Form) -> Result<(), Refusal> {
    let list = |name: &str, most: usize, too_many: i64, bad: i64, fits: fn(&str) -> bool| {
        let text = text_of(fields, name)?.unwrap_or_default();
        let names: Vec<String> = text.split('|').filter(|_| !text.is_empty()).map(str::to_owned).collect();
        if names.len() > most {
            return refuse(too_many, format!("{} names in {name}, at most {most}", names.len()));
        }
        match names.iter().find(|one| !fits(one) && *one != "@all") {
            Some(one) => refuse(bad, format!("{one:?} in {name}")),
            None => Ok(names),
        }
    };
    let is_number = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
    form.users = list("touser", MOST_USERS, 40032, 40003, is_userid)?;
    form.parties = list("toparty", MOST_PARTIES, 82002, 40066, is_number)?;
    form.tags = list("totag", MOST_TAGS, 82003, 40068, is_number)?;
    form.everyone = form.users == ["@all"];
    if form.everyone {
        (form.users, form.parties, form.tags) = (Vec::new(), Vec::new(), Vec::new());
    } else if form.users.iter().any(|user| user == "@all") {
        return refuse(40003, "@all among others");
    }
    let nobody = form.users.is_empty() && form.parties.is_empty() && form.tags.is_empty();
    if nobody && !form.everyone { refuse(82001, "All touser & toparty & totag invalid, none given") } else { Ok(()) }
}

/// 1 to 64 bytes: digits, letters, `_ - @ .`; the first a digit or letter (wecom-api 1).
fn is_userid(id: &str) -> bool {
    let bytes = id.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.len() <= USERID_BYTES
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"_-@.".contains(b))
}

fn read_check(fields: &Map<String, Value>) -> Result<Option<Duration>, Refusal> {
    let number = |name: &str, most: u64, usual: u64| match fields.get(name) {
        None => Ok(usual),
        Some(value) => match value.as_u64() {
            Some(number) if number <= most => Ok(number),
            _ => refuse(40058, format!("{name} is a number up to {most}, not {value}")),
        },
    };
    number("safe", 1, 0)?;
    number("enable_id_trans", 1, 0)?;
    let is_on = number("enable_duplicate_check", 1, 0)? == 1;
    let seconds = number("duplicate_check_interval", CHECKED.1, CHECKED.0)?;
    Ok(is_on.then(|| Duration::from_secs(seconds)))
}

fn read_text(content: &Map<String, Value>, form: &mut Form) -> Result<(), Refusal> {
    let text = text_of(content, "content")?.unwrap_or_default();
    if text.trim().is_empty() {
        return refuse(44004, "empty content");
    }
    if text.len() > TEXT_BYTES {
        return refuse(45002, format!("content size out of limit: {} bytes", text.len()));
    }
    form.shown = vec![text];
    extra(content, &["content"], form);
    Ok(())
}

fn read_card(content: &Map<String, Value>, form: &mut Form) -> Result<(), Refusal> {
    let title = text_of(content, "title")?.unwrap_or_default();
    let description = text_of(content, "description")?.unwrap_or_default();
    let url = text_of(content, "url")?.unwrap_or_default();
    let button = text_of(content, "btntxt")?;
    if title.trim().is_empty() {
        return refuse(41016, "missing title");
    }
    if description.trim().is_empty() {
        return refuse(41033, "missing description");
    }
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        return refuse(45034, format!("url without a scheme: {url:?}"));
    }
    if url.len() > URL_BYTES {
        return refuse(40039, format!("url of {} bytes", url.len()));
    }
    let parts = [("title", title, TITLE_BYTES), ("description", description, DESCRIPTION_BYTES)];
    for (name, text, most) in parts {
        if text.len() > most {
            form.sloppy.push(format!("{name} of {} bytes, which is cut at {most}", text.len()));
        }
        form.shown.push(text.chars().take(most).collect());
    }
    if button.is_some_and(|text| text.chars().count() > BUTTON_CHARS) {
        form.sloppy.push("btntxt of more than 4 characters".to_owned());
    }
    extra(content, &["title", "description", "url", "btntxt"], form);
    Ok(())
}

/// A text_notice (wecom-api 3.6, 3.7): what is only suggested there is a rule here.
fn read_notice(card: &Map<String, Value>, form: &mut Form) -> Result<(), Refusal> {
    if text_of(card, "card_type")?.as_deref() != Some("text_notice") {
        return refuse(40058, "a card_type that is not sent here");
    }
    let part = |name: &str| match card.get(name) {
        None => Ok(Map::new()),
        Some(Value::Object(part)) => Ok(part.clone()),
        Some(other) => refuse(40058, format!("{name} is an object, not {other}")),
    };
    let mut texts = Vec::new();
    for (name, fields) in [
        ("source", [("desc", 20)].as_slice()),
        ("main_title", &[("title", 36), ("desc", 44)]),
        ("emphasis_content", &[("title", 14), ("desc", 22)]),
    ] {
        for (field, most) in fields {
            texts.push((format!("{name}.{field}"), text_of(&part(name)?, field)?.unwrap_or_default(), *most));
        }
        let known: Vec<_> = fields.iter().map(|(field, _)| *field).chain(["desc_color"]).collect();
        extra(&part(name)?, &known, form);
    }
    texts.push(("sub_title_text".to_owned(), text_of(card, "sub_title_text")?.unwrap_or_default(), 160));
    if texts.iter().all(|(name, text, _)| !["main_title.title", "sub_title_text"].contains(&&**name) || text.is_empty())
    {
        return refuse(40058, "neither a title nor a sub_title_text");
    }
    let rows = card.get("horizontal_content_list").and_then(Value::as_array).cloned().unwrap_or_default();
    if rows.len() > 6 {
        return refuse(42035, "more than 6 rows");
    }
    for row in rows {
        let Value::Object(row) = row else { return refuse(40058, "a row is an object") };
        let (name, value) =
            (text_of(&row, "keyname")?.unwrap_or_default(), text_of(&row, "value")?.unwrap_or_default());
        if name.is_empty() {
            return refuse(42027, "a row without a keyname");
        }
        texts.extend([("a keyname".to_owned(), name, 5), ("a value".to_owned(), value, 30)]);
        extra(&row, &["keyname", "value"], form);
    }
    let action = part("card_action")?;
    let url = text_of(&action, "url")?.unwrap_or_default();
    if action.get("type") != Some(&Value::from(1)) || !(url.starts_with("http://") || url.starts_with("https://")) {
        return refuse(42045, format!("card_action opens nothing: {url:?}"));
    }
    if url.len() > URL_BYTES {
        return refuse(40039, format!("url of {} bytes", url.len()));
    }
    for (name, text, most) in texts {
        if text.chars().count() > most {
            form.sloppy.push(format!("{name} of {} characters, {most} are suggested", text.chars().count()));
        }
        form.shown.push(text);
    }
    form.shown.retain(|text| !text.is_empty());
    let known = ["card_type", "source", "main_title", "emphasis_content", "sub_title_text"];
    extra(card, &[known.as_slice(), &["horizontal_content_list", "card_action"]].concat(), form);
    Ok(())
}

fn extra(content: &Map<String, Value>, known: &[&str], form: &mut Form) {
    for name in content.keys().filter(|name| !known.contains(&name.as_str())) {
        form.sloppy.push(format!("a field that {} does not have: {name}", form.kind));
    }
}
