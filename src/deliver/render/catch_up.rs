//! Very many letters: exactly one message, with counts per account and folder and the newest letters by name (design:
//! "Promises", 4).

use super::head::{Head, Places, aside, counted};
use super::words::{clock, span, subject, who, zoned};
use super::{Rendered, Style, TEXT_BYTES};
use crate::deliver::cut::cut;
use crate::model::{AlertKind, Item, Lang};
use crate::wecom::Message;
use std::collections::HashMap;

/// How many letters are named.
const NAMED: usize = 20;
/// What the counts may take: so many lines, so many bytes.
const COUNTED: usize = 8;
const COUNTS_BYTES: usize = 400;
/// A sender in a line: two fifths of its share, but not less or more than this.
const LEAST_WHO_BYTES: usize = 24;
const MOST_WHO_BYTES: usize = 40;

/// `order`: the indexes of the items, newest first.
pub(super) fn catch_up(items: &[Item], order: &[usize], style: &Style, head: &Head) -> Rendered {
    let lang = style.lang;
    let mut content = head.first(1, 1);
    if let (Some(newest), Some(oldest)) = (order.first(), order.last())
        && let (Some(newest), Some(oldest)) = (items.get(*newest), items.get(*oldest))
    {
        let (from, to) = (zoned(oldest.letter.time, style), zoned(newest.letter.time, style));
        content += &format!("\n{}", span(&from, &to, None, lang));
    }
    if let Some(place) = &head.place {
        content += &format!("\n{place}");
    }
    if head.places != Places::Nothing {
        content += &counts(items, head.places, lang);
    }
    content += &match lang {
        Lang::ZhCn => format!("\n\n最新 {NAMED} 封："),
        Lang::En => format!("\n\nThe newest {NAMED}:"),
    };
    let mut end = lang.pick("\n\n其余邮件请到邮箱中查看。", "\n\nThe others are in the mailbox.").to_owned();
    if !head.link.is_empty() {
        end += &format!("\n{}", head.link);
    }
    let room = TEXT_BYTES.saturating_sub(content.len() + end.len());
    let named: Vec<_> = order.iter().take(NAMED).filter_map(|index| items.get(*index)).collect();
    for line in lines(&named, style, head.places, room) {
        content += &line;
    }
    content += &end;
    Rendered { kind: AlertKind::CatchUp, message: Message::Text { content }, items: order.to_vec() }
}

/// Letters per place, the most first, each on a line of its own.
fn counts(items: &[Item], places: Places, lang: Lang) -> String {
    let mut counts: HashMap<(&str, &str), (usize, &Item)> = HashMap::new();
    for item in items {
        counts.entry((&item.account.0, &item.folder)).or_insert((0, item)).0 += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().map(|(place, (count, item))| (count, place, item)).collect();
    counts.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut text = String::from("\n");
    let (mut folders, mut letters) = (counts.len(), items.len());
    for (at, (count, _, item)) in counts.iter().enumerate() {
        let line = format!("\n{}{}{count}", counted(item, places, lang), lang.pick("：", ": "));
        if at == COUNTED || text.len() + line.len() > COUNTS_BYTES {
            break;
        }
        text += &line;
        folders -= 1;
        letters -= count;
    }
    if folders > 0 {
        text += &match lang {
            Lang::ZhCn => format!("\n另有 {folders} 个文件夹：{letters}"),
            Lang::En => format!("\nand {folders} more {}: {letters}", if folders == 1 { "folder" } else { "folders" }),
        };
    }
    text
}

/// A line for each letter, each beginning with a line feed; shortened so that all fit into `room` bytes.
fn lines(named: &[&Item], style: &Style, places: Places, room: usize) -> Vec<String> {
    let lang = style.lang;
    let times: Vec<_> = named.iter().map(|item| zoned(item.letter.time, style)).collect();
    let one_day = times.iter().all(|time| Some(time.date()) == times.first().map(jiff::Zoned::date));
    let share = room / named.len().max(1);
    let most_who = (share * 2 / 5).clamp(LEAST_WHO_BYTES, MOST_WHO_BYTES);
    let line = |(item, time): (&&Item, &jiff::Zoned)| {
        let day = if one_day { String::new() } else { time.strftime("%m-%d ").to_string() };
        let who = who(&item.letter, style, most_who);
        let subject = subject(&item.letter, lang);
        format!("{day}{} {who}{}{subject}", clock(time), lang.pick("：", ": "))
    };
    let full: Vec<(String, String)> =
        named.iter().zip(&times).map(|pair| (line(pair), aside(pair.0, places, lang))).collect();
    let most = fair(full.iter().map(|(line, aside)| line.len() + aside.len() + 1).collect(), room).saturating_sub(1);
    let short = |(line, aside): (String, String)| {
        // A long place goes before the subject does.
        let aside = if aside.len() * 3 <= most || line.len() + aside.len() <= most { aside } else { String::new() };
        format!("\n{}{aside}", cut(&line, most.saturating_sub(aside.len())))
    };
    full.into_iter().map(short).collect()
}

/// The longest that a line may be so that all together, cut to that, have at most `room` bytes.
fn fair(mut lengths: Vec<usize>, room: usize) -> usize {
    lengths.sort_unstable();
    let (mut left, mut lines) = (room, lengths.len());
    for length in lengths {
        let share = left / lines.max(1);
        if length > share {
            return share;
        }
        left -= length;
        lines -= 1;
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use super::fair;

    #[test]
    fn what_short_lines_leave_goes_to_the_long_ones() {
        assert_eq!(fair(vec![10, 10, 10], 30), usize::MAX);
        assert_eq!(fair(vec![50, 10, 50], 100), 45);
        assert_eq!(fair(vec![50, 50], 7), 3);
        assert_eq!(fair(vec![], 7), usize::MAX);
    }
}
