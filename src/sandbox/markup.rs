//! Message text as safe HTML. What a sender wrote is untrusted: only the markup that WeCom documents is
//! honoured, everything else is shown as the characters it is.

/// How deep bold and coloured text may nest.
const MAX_DEPTH: usize = 4;

/// The text with nothing left that HTML would take as markup, in elements and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() && c != '\n' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// A link that a click may follow: http and https alone, so no `javascript:`.
pub(super) fn safe_url(url: &str) -> Option<String> {
    let parsed = url::Url::parse(url).ok()?;
    matches!(parsed.scheme(), "http" | "https").then(|| escape(parsed.as_str()))
}

/// An HTML link, or the bare text where the url may not be followed.
pub(super) fn link(url: &str, safe_text: &str, class: &str) -> String {
    match safe_url(url) {
        Some(url) => {
            format!("<a class=\"{class}\" href=\"{url}\" target=\"_blank\" rel=\"noopener noreferrer\">{safe_text}</a>")
        }
        None => format!("<span class=\"{class}\">{safe_text}</span>"),
    }
}

/// `text.content`: line feeds (kept by the style sheet) and `<a href="...">` (p90236).
pub(super) fn text(content: &str) -> String {
    let mut html = String::new();
    let mut rest = content;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        html.push_str(&escape(before));
        match anchor(tag) {
            Some((url, label, after)) => {
                html.push_str(&link(url, &escape(label), "link"));
                rest = after;
            }
            None => {
                html.push_str("&lt;");
                rest = tag.get(1..).unwrap_or_default();
            }
        }
    }
    html.push_str(&escape(rest));
    html
}

/// `<a href="URL">LABEL</a>` at the start: url, label, what follows. A url that may not be followed is no anchor.
fn anchor(tag: &str) -> Option<(&str, &str, &str)> {
    let rest = strip(tag, "<a")?;
    let attribute = strip(rest.trim_start(), "href").filter(|_| rest.starts_with(char::is_whitespace))?;
    let value = attribute.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (url, rest) = value.get(1..)?.split_once(quote)?;
    let rest = rest.trim_start().strip_prefix('>')?;
    let end = rest.to_ascii_lowercase().find("</a>")?;
    safe_url(url)?;
    Some((url, rest.get(..end)?, rest.get(end + 4..)?))
}

/// The rest after an ASCII prefix in any case.
fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| text.get(prefix.len()..))?
}

/// `textcard.description`: `<br>` and `<div class="gray|normal|highlight">` (p90236).
pub(super) fn description(description: &str) -> String {
    let tags = [
        ("<br>", "<br>"),
        ("<br/>", "<br>"),
        ("<div class=\"gray\">", "<div class=\"gray\">"),
        ("<div class=\"normal\">", "<div class=\"normal\">"),
        ("<div class=\"highlight\">", "<div class=\"highlight\">"),
    ];
    let mut html = String::new();
    let mut open = 0_usize;
    let mut rest = description;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        html.push_str(&escape(before));
        let known = tags.iter().find_map(|(wrote, means)| Some((*means, strip(tag, wrote)?)));
        if let Some((means, after)) = known {
            open += usize::from(means.starts_with("<div"));
            html.push_str(means);
            rest = after;
        } else if let Some(after) = strip(tag, "</div>").filter(|_| open > 0) {
            open -= 1;
            html.push_str("</div>");
            rest = after;
        } else {
            html.push_str("&lt;");
            rest = tag.get(1..).unwrap_or_default();
        }
    }
    html.push_str(&escape(rest));
    html.push_str(&"</div>".repeat(open));
    html
}

/// `markdown.content`: headings, quotes, bold, links, inline code, three colours (p90236).
pub(super) fn markdown(content: &str) -> String {
    let mut html = String::new();
    for line in content.lines() {
        let level = line.chars().take_while(|c| *c == '#').count();
        let heading = line.get(level..).and_then(|rest| rest.strip_prefix(' '));
        match heading.filter(|_| (1..=6).contains(&level)) {
            Some(heading) => {
                html.push_str(&format!("<div class=\"h{level}\">{}</div>", inline(heading, 0)));
            }
            None => match line.strip_prefix('>') {
                Some(quote) => html.push_str(&format!("<blockquote>{}</blockquote>", inline(quote.trim_start(), 0))),
                None if line.trim().is_empty() => html.push_str("<div class=\"gap\"></div>"),
                None => html.push_str(&format!("<div>{}</div>", inline(line, 0))),
            },
        }
    }
    html
}

/// A line of `markdown.content` without its bold and its colours, for where there is neither.
pub(super) fn bare(line: &str) -> String {
    let mut bare = line.replace("**", "").replace("</font>", "");
    for colour in ["info", "comment", "warning"] {
        bare = bare.replace(&format!("<font color=\"{colour}\">"), "");
    }
    bare
}

fn inline(text: &str, depth: usize) -> String {
    let mut html = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['*', '`', '[', '<']) {
        let (before, mark) = rest.split_at(at);
        html.push_str(&escape(before));
        match marked(mark, depth) {
            Some((marked, after)) => {
                html.push_str(&marked);
                rest = after;
            }
            None => {
                html.push_str(&escape(mark.get(..1).unwrap_or_default()));
                rest = mark.get(1..).unwrap_or_default();
            }
        }
    }
    html.push_str(&escape(rest));
    html
}

/// One marked piece at the start as HTML, and what follows it.
fn marked(text: &str, depth: usize) -> Option<(String, &str)> {
    if depth >= MAX_DEPTH {
        return None;
    }
    if let Some((bold, after)) = text.strip_prefix("**").and_then(|rest| rest.split_once("**")) {
        return (!bold.is_empty()).then(|| (format!("<strong>{}</strong>", inline(bold, depth + 1)), after));
    }
    if let Some((code, after)) = text.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
        return (!code.is_empty()).then(|| (format!("<code>{}</code>", escape(code)), after));
    }
    if let Some((label, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once("](")) {
        let (url, after) = rest.split_once(')').filter(|_| !label.contains(']'))?;
        safe_url(url)?;
        return Some((link(url, &escape(label), "link"), after));
    }
    for colour in ["info", "comment", "warning"] {
        if let Some(rest) = strip(text, &format!("<font color=\"{colour}\">")) {
            let end = rest.to_ascii_lowercase().find("</font>")?;
            let inner = inline(rest.get(..end)?, depth + 1);
            let after = rest.get(end + "</font>".len()..)?;
            return Some((format!("<span class=\"{colour}\">{inner}</span>"), after));
        }
    }
    None
}
