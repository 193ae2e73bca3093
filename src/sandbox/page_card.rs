//! Template cards as HTML: text_notice and news_notice.

use serde_json::Value;

use super::markup::{escape, link};

/// The card; every text in it is escaped.
pub(super) fn template_card(card: &Value) -> String {
    let mut html = String::from("<div class=\"card template\">");
    source(card, &mut html);
    if card.pointer("/card_image/url").is_some() {
        html.push_str("<div class=\"picture\">图片 picture</div>");
    }
    element(card, "/main_title/title", "h3", "", &mut html);
    element(card, "/main_title/desc", "p", "gray", &mut html);
    image_text(card, &mut html);
    element(card, "/emphasis_content/title", "p", "emphasis", &mut html);
    element(card, "/emphasis_content/desc", "p", "gray centre", &mut html);
    quote(card, &mut html);
    element(card, "/sub_title_text", "p", "sub", &mut html);
    for row in list(card, "vertical_content_list") {
        element(row, "/title", "p", "vertical", &mut html);
        element(row, "/desc", "p", "gray", &mut html);
    }
    rows(card, &mut html);
    for jump in list(card, "jump_list") {
        html.push_str(&link(text(jump, "/url"), &escape(text(jump, "/title")), "jump"));
    }
    html.push_str(&link(text(card, "/card_action/url"), "", "whole"));
    html.push_str("</div>");
    html
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(card: &'a Value, key: &str) -> &'a [Value] {
    card.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// An element around a text, nothing where there is none.
fn element(card: &Value, path: &str, tag: &str, class: &str, html: &mut String) {
    let text = text(card, path);
    if !text.is_empty() {
        html.push_str(&format!("<{tag} class=\"{class}\">{}</{tag}>", escape(text)));
    }
}

fn source(card: &Value, html: &mut String) {
    let colour = match card.pointer("/source/desc_color").and_then(Value::as_i64) {
        Some(1) => "black",
        Some(2) => "red",
        Some(3) => "green",
        _ => "gray",
    };
    element(card, "/source/desc", "p", &format!("source {colour}"), html);
}

fn image_text(card: &Value, html: &mut String) {
    if card.get("image_text_area").is_some() {
        html.push_str("<div class=\"quote\">");
        element(card, "/image_text_area/title", "p", "", html);
        element(card, "/image_text_area/desc", "p", "gray", html);
        html.push_str("</div>");
    }
}

fn quote(card: &Value, html: &mut String) {
    if card.get("quote_area").is_some() {
        html.push_str("<div class=\"quote\">");
        element(card, "/quote_area/title", "p", "", html);
        element(card, "/quote_area/quote_text", "p", "gray", html);
        html.push_str("</div>");
    }
}

fn rows(card: &Value, html: &mut String) {
    let rows = list(card, "horizontal_content_list");
    if rows.is_empty() {
        return;
    }
    html.push_str("<dl>");
    for row in rows {
        let value = escape(text(row, "/value"));
        let value = match row.get("type").and_then(Value::as_i64) {
            Some(1) => link(text(row, "/url"), &value, "link"),
            _ => value,
        };
        html.push_str(&format!("<dt>{}</dt><dd>{value}</dd>", escape(text(row, "/keyname"))));
    }
    html.push_str("</dl>");
}
