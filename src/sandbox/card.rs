//! The content of template cards: text_notice and news_notice (wecom-api.md sections 3.6 and 3.7).

use serde_json::Value;

use super::answer::Refusal;
use super::check::{Fields, Remarks};
use super::content;

const TASK_ID_BYTES: usize = 128;
const ROWS: usize = 6;
const JUMPS: usize = 3;
const VERTICAL_ROWS: usize = 4;

/// Checks a card. Cards that need a callback URL are refused with 43012: the sandbox's app has none.
pub(super) fn template_card(card: Fields<'_>, value: &Value, remarks: &mut Remarks) -> Result<Value, Refusal> {
    let kind = card.text("card_type")?;
    match kind {
        "text_notice" | "news_notice" => {}
        "button_interaction" | "vote_interaction" | "multiple_interaction" => {
            return Err(Refusal::new(43012));
        }
        _ => {
            return Err(Refusal::illegal("template_card.card_type is none of the five"));
        }
    }
    if card.value("action_menu").is_some() {
        return Err(Refusal::new(43012));
    }
    card.known(
        &[
            "card_type",
            "task_id",
            "source",
            "main_title",
            "quote_area",
            "horizontal_content_list",
            "jump_list",
            "card_action",
            if kind == "text_notice" { "emphasis_content" } else { "card_image" },
            if kind == "text_notice" { "sub_title_text" } else { "image_text_area" },
            if kind == "text_notice" { "" } else { "vertical_content_list" },
        ],
        remarks,
    );
    task_id(card.text("task_id")?)?;
    source(card, remarks)?;
    let title = short_texts(card, "main_title", &[("title", 36), ("desc", 44)], remarks)?;
    if kind == "text_notice" {
        text_notice(card, title.is_empty(), remarks)?;
    } else {
        news_notice(card, title.is_empty(), remarks)?;
    }
    quote_area(card)?;
    rows(card, remarks)?;
    jumps(card, remarks)?;
    card_action(card)?;
    Ok(value.clone())
}

/// At most 128 bytes of digits, letters, `_ - @` (42014).
fn task_id(id: &str) -> Result<(), Refusal> {
    let fits =
        id.len() <= TASK_ID_BYTES && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '@'));
    if fits { Ok(()) } else { Err(Refusal::new(42014)) }
}

fn source(card: Fields<'_>, remarks: &mut Remarks) -> Result<(), Refusal> {
    short_texts(card, "source", &[("desc", 20)], remarks)?;
    if let Some(value) = card.value("source") {
        let source = Fields::new("template_card.source", value)?;
        source.known(&["icon_url", "desc", "desc_color"], remarks);
        source.text("icon_url")?;
        if source.int("desc_color")?.is_some_and(|color| !(0..=3).contains(&color)) {
            remarks.violation("template_card.source.desc_color is not 0 to 3");
        }
    }
    Ok(())
}

fn text_notice(card: Fields<'_>, no_title: bool, remarks: &mut Remarks) -> Result<(), Refusal> {
    let sub_title = card.text("sub_title_text")?;
    if no_title && sub_title.is_empty() {
        return Err(Refusal::illegal("main_title.title and sub_title_text are both empty"));
    }
    suggested("template_card.sub_title_text", sub_title, 160, remarks);
    short_texts(card, "emphasis_content", &[("title", 14), ("desc", 22)], remarks)?;
    Ok(())
}

fn news_notice(card: Fields<'_>, no_title: bool, remarks: &mut Remarks) -> Result<(), Refusal> {
    if no_title {
        return Err(Refusal::illegal("main_title.title is empty"));
    }
    let image = part(card, "card_image")?;
    let area = part(card, "image_text_area")?;
    if image.is_none() && area.is_none() {
        return Err(Refusal::illegal("neither card_image nor image_text_area"));
    }
    if let Some(value) = image {
        let image = Fields::new("template_card.card_image", value)?;
        required(image, "url")?;
        let ratio = image.value("aspect_ratio").map(|value| value.as_f64().unwrap_or_default());
        if ratio.is_some_and(|ratio| !(1.3..=2.25).contains(&ratio)) {
            return Err(Refusal::illegal("card_image.aspect_ratio must be a number from 1.3 to 2.25"));
        }
    }
    if let Some(value) = area {
        let area = Fields::new("template_card.image_text_area", value)?;
        required(area, "image_url")?;
        target(area, &[0, 1, 2])?;
    }
    let list = card.list("vertical_content_list")?;
    if list.len() > VERTICAL_ROWS {
        return Err(Refusal::illegal("vertical_content_list has more than 4 entries"));
    }
    for value in list {
        let row = Fields::new("template_card.vertical_content_list[]", value)?;
        suggested(&row.name("title"), required(row, "title")?, 38, remarks);
        suggested(&row.name("desc"), row.text("desc")?, 160, remarks);
    }
    Ok(())
}

fn quote_area(card: Fields<'_>) -> Result<(), Refusal> {
    let Some(value) = card.value("quote_area") else {
        return Ok(());
    };
    let quote = Fields::new("template_card.quote_area", value)?;
    quote.text("title")?;
    quote.text("quote_text")?;
    target(quote, &[0, 1, 2])
}

/// At most 6 rows (42035), each with a name (42027) and what its type needs (42028, 42029, 42050).
fn rows(card: Fields<'_>, remarks: &mut Remarks) -> Result<(), Refusal> {
    let list = card.list("horizontal_content_list")?;
    if list.len() > ROWS {
        return Err(Refusal::new(42035));
    }
    for value in list {
        let row = Fields::new("template_card.horizontal_content_list[]", value)?;
        row.known(&["type", "keyname", "value", "url", "media_id", "userid"], remarks);
        let name = row.text("keyname")?;
        if name.is_empty() {
            return Err(Refusal::new(42027));
        }
        suggested(&row.name("keyname"), name, 5, remarks);
        suggested(&row.name("value"), row.text("value")?, 30, remarks);
        let (needed, errcode) = match row.int("type")?.unwrap_or(0) {
            0 => continue,
            1 => ("url", 42028),
            2 => ("media_id", 42029),
            3 => ("userid", 42050),
            _ => {
                return Err(Refusal::illegal("horizontal_content_list.type must be 0 to 3"));
            }
        };
        let text = row.text(needed)?;
        if text.is_empty() {
            return Err(Refusal::new(errcode));
        }
        if needed == "url" {
            content::url(text)?;
        }
    }
    Ok(())
}

/// At most 3 links (42042), each with a title and a target.
fn jumps(card: Fields<'_>, remarks: &mut Remarks) -> Result<(), Refusal> {
    let list = card.list("jump_list")?;
    if list.len() > JUMPS {
        return Err(Refusal::new(42042));
    }
    for value in list {
        let jump = Fields::new("template_card.jump_list[]", value)?;
        jump.known(&["type", "title", "url", "appid", "pagepath"], remarks);
        suggested(&jump.name("title"), required(jump, "title")?, 18, remarks);
        target(jump, &[0, 1, 2])?;
    }
    Ok(())
}

/// Required for both cards, type 1 or 2 (42045 when missing).
fn card_action(card: Fields<'_>) -> Result<(), Refusal> {
    let value = card.value("card_action").ok_or_else(|| Refusal::new(42045))?;
    let action = Fields::new("template_card.card_action", value)?;
    let needed = match action.int("type")? {
        Some(1) => "url",
        Some(2) => "appid",
        _ => return Err(Refusal::illegal("card_action.type must be 1 or 2")),
    };
    if action.text(needed)?.is_empty() {
        return Err(Refusal::new(42045));
    }
    target(action, &[1, 2])
}

/// `type` 1 needs a url, 2 an appid.
fn target(fields: Fields<'_>, types: &[i64]) -> Result<(), Refusal> {
    fields.text("pagepath")?;
    match fields.int("type")?.unwrap_or(0) {
        kind if !types.contains(&kind) => Err(Refusal::illegal(format!("{} is unknown", fields.name("type")))),
        1 => content::url(required(fields, "url")?),
        2 => required(fields, "appid").map(|_| ()),
        _ => Ok(()),
    }
}

fn part<'a>(card: Fields<'a>, key: &str) -> Result<Option<&'a Value>, Refusal> {
    match card.value(key) {
        Some(value) if !value.is_object() => Err(Refusal::illegal(format!("{} must be an object", card.name(key)))),
        value => Ok(value),
    }
}

/// A string that must be there (40058).
fn required<'a>(fields: Fields<'a>, key: &str) -> Result<&'a str, Refusal> {
    let text = fields.text(key)?;
    if text.is_empty() {
        return Err(Refusal::illegal(format!("{} is empty", fields.name(key))));
    }
    Ok(text)
}

/// An object of texts with suggested lengths; the first text comes back.
fn short_texts<'a>(
    card: Fields<'a>,
    key: &str,
    limits: &[(&str, usize)],
    remarks: &mut Remarks,
) -> Result<&'a str, Refusal> {
    let Some(value) = part(card, key)? else {
        return Ok("");
    };
    let mut first = None;
    for (field, limit) in limits {
        let path = card.name(key);
        let text = match value.get(field) {
            None => "",
            Some(Value::String(text)) => text,
            Some(_) => return Err(Refusal::illegal(format!("{path}.{field} must be a string"))),
        };
        suggested(&format!("{path}.{field}"), text, *limit, remarks);
        first.get_or_insert(text);
    }
    Ok(first.unwrap_or_default())
}

fn suggested(name: &str, text: &str, limit: usize, remarks: &mut Remarks) {
    let count = text.chars().count();
    if count > limit {
        remarks.advice(format!("{name} has {count} characters, {limit} are suggested"));
    }
}
