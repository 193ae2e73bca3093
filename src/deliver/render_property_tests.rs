//! What holds of the alerts for any letters at all: each letter in exactly one, within WeCom's limits, nothing of a
//! sender's is markup, the newest first, no two alike.

use super::marks::{ours_alone, sound_notice};
use super::tests::{TODAY, link, style};
use super::*;
use crate::model::{AccountId, Attachment, Invitation, Kind, Letter, LetterId, Method, Sender, Start, Verdict};
use proptest::prelude::*;
use std::collections::HashSet;

/// What senders write: anything, and what is most apt to break something.
fn hostile() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(vec![
        "会议",
        "通知：",
        "Re: ",
        "👍🏽",
        "👨‍👩‍👧",
        "🇨🇳",
        "e\u{301}",
        "\u{301}",
        "<a href=\"http://evil\">",
        "</a>",
        "</div>",
        "<br>",
        "<div class=\"highlight\">",
        "&lt;",
        "&#60;",
        "&amp;",
        "&",
        "\n",
        "\u{7}",
        "\u{2028}",
        "\u{85}",
        "$userName=x$",
        " ",
        "(2/3)",
        " #2",
        "\"",
        "\\",
        "జ్ఞా",
        "שלום",
        "@corp.example",
        "**",
        "*",
        "_",
        "`",
        "~~",
        "[x](http://evil)",
        "![x](",
        "](",
        "]",
        "# ",
        "> ",
        "- ",
        "1. ",
        "|",
        "\\*",
        "<font color=\"warning\">",
        "</font>",
        "<@all>",
        "https://evil.example/",
        "WWW.evil.example",
        "【紧急】",
        "👍🏽\u{200d}",
    ]);
    prop_oneof![
        proptest::collection::vec(piece, 0..80).prop_map(|pieces| pieces.concat()),
        "\\PC{0,400}",
        any::<String>(),
        "[a-z]{0,12}",
    ]
}

fn a_letter() -> impl Strategy<Value = Letter> {
    let minute = 60_000;
    let text = || proptest::option::weighted(0.9, hostile());
    (text(), text(), text(), -3000_i64..0, any::<u32>(), any::<bool>(), any::<bool>()).prop_map(
        move |(subject, name, address, ago, size, attachment, readable)| Letter {
            id: LetterId([0; 16]),
            from: Sender { name, address },
            subject,
            time: Timestamp(TODAY + minute * ago),
            size: u64::from(size >> (size % 32)),
            attachment,
            seen: false,
            readable,
            ..Letter::default()
        },
    )
}

/// The same with all that a server and its header may say beside.
fn a_full_letter() -> impl Strategy<Value = Letter> {
    let file = (proptest::option::weighted(0.9, hostile()), any::<u32>());
    let file = file.prop_map(|(name, size)| Attachment { name, size: size.into() });
    let all = [Kind::Calendar, Kind::Encrypted, Kind::Signed, Kind::Bulk, Kind::Auto, Kind::Bounce];
    let kinds = proptest::sample::subsequence(all.to_vec(), 0..=6);
    let verdict = proptest::option::of(proptest::sample::select(vec![Verdict::Pass, Verdict::Fail]));
    let files = proptest::collection::vec(file, 0..6);
    let more = (files, kinds, proptest::option::of(hostile()), any::<i64>(), verdict, an_invitation(), a_stranger());
    (a_letter(), proptest::option::weighted(0.5, more)).prop_map(|(letter, more)| match more {
        None => letter,
        Some((attachments, kinds, reply_to, dated, verdict, invitation, (unmet_days, borrowed_name))) => Letter {
            attachments,
            kinds,
            reply_to,
            dated: Some(Timestamp(dated)),
            verdict,
            invitation,
            unmet_days,
            borrowed_name,
            ..letter
        },
    })
}

fn a_stranger() -> impl Strategy<Value = (Option<u8>, bool)> {
    (proptest::option::of(any::<u8>()), any::<bool>())
}

fn an_invitation() -> impl Strategy<Value = Option<Invitation>> {
    let methods = vec![Method::Request, Method::Cancel, Method::Reply, Method::Counter, Method::Other];
    let day = jiff::civil::date(2026, 2, 28);
    let local = jiff::civil::DateTime::MAX;
    let start = prop_oneof![
        any::<i64>().prop_map(|at| Start::At(Timestamp(at))),
        Just(Start::Day(day)),
        Just(Start::Local(local)),
    ];
    let whole = (proptest::sample::select(methods), proptest::option::of(start), proptest::option::of(hostile()));
    proptest::option::of(whole.prop_map(|(method, start, place)| Invitation { method, start, place }))
}

fn an_item() -> impl Strategy<Value = Item> {
    let account = prop_oneof![Just("zhangsan@corp.example".to_owned()), "[a-c]{1,2}@corp.example", hostile()];
    let folder = prop_oneof![Just("INBOX".to_owned()), "项目/[甲乙丙]", hostile()];
    let away = proptest::option::weighted(0.5, (-5000_i64..0, 0_i64..3000));
    let card = proptest::option::weighted(0.3, a_card());
    (a_full_letter(), account, folder, away, card).prop_map(|(letter, account, folder, away, card)| Item {
        account: AccountId::new(&account),
        folder: folder.as_str().into(),
        letter,
        told_at: Timestamp(0),
        card,
        away: away.map(|(from, long)| (Timestamp(TODAY + 60_000 * from), Timestamp(TODAY + 60_000 * (from + long)))),
    })
}

fn a_card() -> impl Strategy<Value = Card> {
    proptest::sample::select(Card::ALL.to_vec())
}

fn a_style() -> impl Strategy<Value = Style> {
    (any::<bool>(), a_card(), any::<bool>(), any::<bool>()).prop_map(|(zh, card, text_only, own)| Style {
        text_only: text_only && card == Card::Text,
        own_domains: if own { vec!["corp.example".to_owned()].into() } else { Vec::new().into() },
        first_time_after: Duration::from_secs(7 * 86_400),
        ..style(if zh { Lang::ZhCn } else { Lang::En }, card)
    })
}

fn a_shape() -> impl Strategy<Value = Shape> {
    (0_u32..200, proptest::bool::weighted(0.3), any::<bool>()).prop_map(|(number, plain, urgent)| Shape {
        number,
        plain,
        urgent,
    })
}

/// A few, some, and so many that it is a catch-up.
fn items() -> impl Strategy<Value = Vec<Item>> {
    prop_oneof![
        proptest::collection::vec(an_item(), 0..4),
        proptest::collection::vec(an_item(), 4..61),
        proptest::collection::vec(an_item(), 61..90),
    ]
}

fn without_our_markup(text: &str) -> String {
    let mut text = text.to_owned();
    for ours in [
        "<a href=\"https://mail.corp.example\">打开邮箱</a>",
        "<a href=\"https://mail.corp.example\">Open mailbox</a>",
        "<div class=\"gray\">",
        "<div class=\"normal\">",
        "</div>",
    ] {
        text = text.replace(ours, "");
    }
    text
}

/// Within the limits, without control characters, and nobody else's markup in it.
fn sound(message: &Message, limit: usize) -> Result<(), TestCaseError> {
    let texts = match message {
        Message::Text { content } => {
            prop_assert!(content.len() <= limit, "{} bytes", content.len());
            vec![content.as_str()]
        }
        Message::Textcard { title, description, url, button } => {
            prop_assert!(title.len() <= 128 && description.len() <= 512 && url.len() <= 2048);
            prop_assert!(button.chars().count() <= 4);
            prop_assert!(description.ends_with("</div>") && !title.contains('\n'));
            prop_assert_eq!(description.matches("<div").count(), description.matches("</div>").count());
            vec![title.as_str(), description]
        }
        Message::Markdown { content } => {
            prop_assert!(content.len() <= limit, "{} bytes", content.len());
            prop_assert!(!content.contains(|c: char| c.is_control() && c != '\n'), "{content:?}");
            return ours_alone(content);
        }
        Message::Template(notice) => sound_notice(notice)?,
    };
    for text in texts {
        prop_assert!(!text.trim().is_empty());
        prop_assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        let theirs = without_our_markup(text);
        prop_assert!(!theirs.contains(['<', '>']), "{text:?}");
        for entity in ["&lt", "&gt", "&#", "&amp", "&quot"] {
            prop_assert!(!theirs.contains(entity), "{text:?}");
        }
    }
    Ok(())
}

/// The lines that name letters: behind a time, maybe a day, and a sender.
fn named(content: &str, lang: Lang) -> Vec<&str> {
    let colon = lang.pick("：", ": ");
    let is_time = |line: &str| {
        let time = line.get(5..6) == Some(" ") && line.get(2..3) == Some(":");
        let dated = line.get(2..3) == Some("-") && line.get(8..9) == Some(":") && line.get(5..6) == Some(" ");
        (time || dated) && line.starts_with(|c: char| c.is_ascii_digit())
    };
    // Where the sender takes all the room, the subject is cut to nothing, and the blank before it goes too.
    let bare = format!("{}…", colon.trim_end());
    content.lines().filter(|line| is_time(line) && (line.contains(colon) || line.contains(&bare))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn one_letter_is_sound_in_any_form(item in an_item(), style in a_style(), shape in a_shape(), linked in any::<bool>()) {
        let link = |item: &Item| if linked { link(item) } else { None };
        let rendered = render(std::slice::from_ref(&item), &style, &link, shape);
        prop_assert_eq!(rendered.len(), 1);
        sound(&rendered[0].message, if shape.plain { 512 } else { 2048 })?;
        let next = Shape { number: shape.number + 1, ..shape };
        let again = render(std::slice::from_ref(&item), &style, &link, next);
        prop_assert_ne!(&rendered[0].message, &again[0].message);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_letter_is_in_exactly_one_alert(items in items(), style in a_style(), shape in a_shape()) {
        let rendered = render(&items, &style, &link, shape);
        let told: Vec<_> = rendered.iter().flat_map(|r| r.items.clone()).collect();
        let mut sorted = told.clone();
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..items.len()).collect::<Vec<_>>());
        // The newest first, over all messages.
        prop_assert!(told.is_sorted_by_key(|at| std::cmp::Reverse(items[*at].letter.time)));
        for r in &rendered {
            sound(&r.message, if shape.plain { 512 } else { 2048 })?;
            prop_assert!(!r.items.is_empty());
            // Text is all that some people see, and what was refused is sent as text.
            let must = style.text_only || shape.plain || items.len() > 1;
            prop_assert!(!must || matches!(r.message, Message::Text { .. }), "{:?}", r.message);
        }
        let catch_up = items.len() > 60 && !shape.plain;
        prop_assert!(!catch_up || (rendered.len() == 1 && rendered[0].kind == AlertKind::CatchUp));
    }

    #[test]
    fn what_is_named_is_what_was_written(items in items(), style in a_style(), urgent in any::<bool>()) {
        for r in render(&items, &style, &|_| None, Shape { urgent, ..Shape::default() }) {
            let Message::Text { content } = &r.message else { continue };
            if r.kind == AlertKind::Letter {
                continue;
            }
            let most = if r.kind == AlertKind::CatchUp { 20 } else { usize::MAX };
            let lines = named(content, style.lang);
            prop_assert_eq!(lines.len(), r.items.len().min(most), "{}", content);
            for (line, at) in lines.iter().zip(&r.items) {
                let item = &items[*at];
                let subject = words::subject(&item.letter, style.lang);
                // Time, as much of the sender as fits, as much of the subject as fits, maybe the place.
                let after_time = &line[line.find(':').unwrap() + 4..];
                let mosts = if r.kind == AlertKind::CatchUp { 24..=40 } else { 64..=64 };
                let rest = mosts.clone().rev().find_map(|most| {
                    let who = words::who(&item.letter, &style, most);
                    let colon = style.lang.pick("：", ": ");
                    let rest = after_time.strip_prefix(&who).filter(|rest| rest.starts_with([colon.chars().next().unwrap(), '…']));
                    rest.filter(|_| who.len() <= most)
                });
                prop_assert!(rest.is_some(), "{} is not by {}", line, words::who(&item.letter, &style, *mosts.end()));
                let shown = rest.unwrap().strip_prefix(style.lang.pick("：", ": ")).unwrap_or("…");
                let whole = shown.starts_with(&subject);
                let begun = (0..=shown.len()).filter(|end| shown.is_char_boundary(*end)).any(|end| {
                    shown[end..].starts_with('…') && subject.starts_with(&shown[..end])
                });
                prop_assert!(whole || begun, "{:?} is not {:?}", shown, subject);
            }
        }
    }

    #[test]
    fn numbers_make_alerts_differ(items in items(), style in a_style(), shape in a_shape(), report_text in hostile()) {
        let mut seen = HashSet::new();
        for number in [0, 1, 2, 99, u32::MAX] {
            let shape = Shape { number, ..shape };
            for r in render(&items, &style, &link, shape) {
                sound(&r.message, 2048)?;
                prop_assert!(seen.insert(format!("{:?}", r.message)), "{:?}", r.message);
            }
            let told = report(&report_text, shape).message;
            if shape.plain {
                sound(&told, 512)?;
            }
            prop_assert!(seen.insert(format!("{told:?}")), "{told:?}");
        }
    }
}
