//! One letter in each form, in both languages, usual and urgent; and which form is taken when.

use super::tests::{TODAY, item, link, style};
use super::*;
use crate::model::{Attachment, Invitation, Kind, Method, Start, Verdict};
use crate::wecom::Notice;

fn urgent() -> Shape {
    Shape { urgent: true, ..Shape::default() }
}

fn usual() -> Shape {
    Shape::default()
}

fn one(item: &Item, style: &Style, shape: Shape) -> Message {
    let mut rendered = render(std::slice::from_ref(item), style, &link, shape);
    assert_eq!((rendered.len(), rendered[0].items.as_slice()), (1, [0].as_slice()));
    rendered.remove(0).message
}

fn notice(item: &Item, style: &Style, shape: Shape) -> Notice {
    match one(item, style, shape) {
        Message::Template(notice) => *notice,
        other => panic!("{other:?}"),
    }
}

fn markdown(item: &Item, lang: Lang, shape: Shape) -> String {
    match one(item, &style(lang, Card::Markdown), shape) {
        Message::Markdown { content } => content,
        other => panic!("{other:?}"),
    }
}

fn text(item: &Item, style: &Style, shape: Shape) -> String {
    match one(item, style, shape) {
        Message::Text { content } => content,
        other => panic!("{other:?}"),
    }
}

/// With all that may be known of a letter.
fn full() -> Item {
    let mut full = item(0, "季度会议", "王五", "项目/甲");
    full.letter.from.address = Some("wang@partner.example".to_owned());
    full.letter.verdict = Some(Verdict::Fail);
    full.letter.reply_to = Some("x_y@other.example".to_owned());
    full.letter.kinds = vec![Kind::Calendar, Kind::Signed];
    let start = Start::At(Timestamp(TODAY + 3 * 86_400_000));
    full.letter.invitation =
        Some(Invitation { method: Method::Request, start: Some(start), place: Some("三楼*会议室*".to_owned()) });
    full.letter.attachments =
        ["议程.pdf", "预算.xlsx"].map(|name| Attachment { name: Some(name.to_owned()), size: 2048 }).to_vec();
    full
}

fn rows(notice: &Notice) -> Vec<(&str, &str)> {
    notice.rows.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn a_template_card_has_a_row_for_each_fact() {
    let read = notice(&item(0, "会议通知", "李四", "INBOX"), &style(Lang::ZhCn, Card::TemplateCard), usual());
    assert_eq!((read.source.as_str(), read.red, &read.emphasis), ("邮铃", false, &None));
    assert_eq!((read.title.as_str(), read.desc.as_str()), ("会议通知", "李四 (lisi@corp.example)"));
    assert_eq!((read.sub_title.as_str(), read.url.as_str()), ("", "https://mail.corp.example"));
    let told = [
        ("时间", "2026-11-22 14:03:20"),
        ("邮箱", "zhangsan@corp.example"),
        ("文件夹", "收件箱"),
        ("附件", "可能有附件"),
        ("大小", "12 KB"),
    ];
    assert_eq!(rows(&read), told);

    let read = notice(&full(), &style(Lang::En, Card::TemplateCard), usual());
    assert_eq!((read.source.as_str(), read.desc.as_str()), ("mailbell", "王五 (wang@partner.example)"));
    let said = "invitation · Wed 25 Nov 14:03 · 三楼*会议室* · ⚠ sender failed authentication · \
                replies go to x_y@other.example · signed";
    assert_eq!(read.sub_title, said);
    let told = [
        ("Time", "2026-11-22 14:03:20"),
        ("To", "zhangsan@corp.example"),
        ("In", "项目/甲"),
        ("Files", "议程.pdf +1"),
        ("Size", "12 KB"),
    ];
    assert_eq!(rows(&read), told);
    let zh = notice(&full(), &style(Lang::ZhCn, Card::TemplateCard), usual());
    assert!(rows(&zh).contains(&("附件", "议程.pdf 等 2 个")), "{zh:?}");
}

#[test]
fn an_urgent_card_is_red_and_large() {
    for card in [Card::TemplateCard, Card::Textcard] {
        let read = notice(&item(0, "机房断电", "李四", "INBOX"), &style(Lang::ZhCn, card), urgent());
        assert_eq!((read.source.as_str(), read.red), ("紧急邮件", true));
        assert_eq!(read.emphasis, Some(("紧急".to_owned(), String::new())));
        let read = notice(&full(), &style(Lang::En, card), urgent());
        assert_eq!((read.source.as_str(), read.red), ("Urgent mail", true));
        assert_eq!(read.emphasis, Some(("25 Nov 14:03".to_owned(), "invitation".to_owned())));
    }
    let mut other_year = full();
    let start = Some(Start::Local(jiff::civil::datetime(2027, 11, 14, 9, 5, 0, 0)));
    other_year.letter.invitation = Some(Invitation { method: Method::Counter, start, place: None });
    let read = notice(&other_year, &style(Lang::En, Card::Textcard), urgent());
    assert_eq!(read.emphasis, Some(("2027-11-14".to_owned(), "another time is propo…".to_owned())));
}

#[test]
fn what_is_too_long_for_a_card_is_cut_and_the_address_keeps_its_end() {
    let mut long = item(0, &"很长的主题".repeat(20), &"很长的名字".repeat(6), &"项目/".repeat(20));
    long.letter.from.address = Some(format!("{}@partner.example", "a".repeat(60)));
    long.account = crate::model::AccountId::new(&format!("{}@corp.example", "b".repeat(40)));
    long.letter.attachments = vec![Attachment { name: Some("合同".repeat(30)), size: 1 }; 12];
    let read = notice(&long, &style(Lang::ZhCn, Card::TemplateCard), Shape { number: 1, ..usual() });
    assert_eq!(read.title, format!("{}很长… #2", "很长的主题".repeat(6)));
    assert_eq!(read.desc.chars().count(), 44);
    assert!(
        read.desc.starts_with("很长的名字很长的名字") && read.desc.ends_with("a@partner.example)"),
        "{}",
        read.desc
    );
    assert_eq!(rows(&read)[0], ("发件人", format!("…{}@partner.example", "a".repeat(13)).as_str()));
    assert!(read.rows.len() == 6 && read.rows.iter().all(|(_, value)| value.chars().count() <= 30), "{read:?}");
    assert!(rows(&read)[4].1.ends_with("… 等 12 个"), "{read:?}");
}

#[test]
fn markdown_has_our_words_in_colour_and_theirs_in_none() {
    let read = markdown(&item(0, "会议通知", "李四", "INBOX"), Lang::ZhCn, usual());
    let expected = "**会议通知**\n\
        ><font color=\"comment\">发件人：</font>李四 (lisi@corp.example)\n\
        ><font color=\"comment\">时间：</font>2026-11-22 14:03:20\n\
        ><font color=\"comment\">文件夹：</font>收件箱 · zhangsan@corp.example\n\
        ><font color=\"comment\">12 KB</font> · 可能有附件\n\n\
        [打开邮箱](https://mail.corp.example)";
    assert_eq!(read, expected);
    let read = markdown(&full(), Lang::En, Shape { number: 1, ..urgent() });
    let expected = "<font color=\"warning\">Urgent mail</font>\n**季度会议 #2**\n\
        ><font color=\"comment\">From: </font>王五 (wang@partner.example)\n\
        ><font color=\"comment\">At: </font>2026-11-22 14:03:20\n\
        ><font color=\"comment\">In: </font>项目/甲 · zhangsan@corp.example\n\
        >invitation · Wed 25 Nov 14:03 · 三楼＊会议室＊\n\
        ><font color=\"warning\">⚠ sender failed authentication</font> · replies go to x＿y@other.example\n\
        ><font color=\"comment\">12 KB</font> · <font color=\"comment\">signed</font> · Attached: 议程.pdf (2 KB), 预算.xlsx (2 KB)\n\n\
        [Open mailbox](https://mail.corp.example)";
    assert_eq!(read, expected);
    let mut well = item(0, "a", "b", "INBOX");
    well.letter.verdict = Some(Verdict::Pass);
    assert!(markdown(&well, Lang::ZhCn, usual()).contains("><font color=\"info\">发件人已验证</font>\n"));
}

#[test]
fn markdown_of_a_sender_means_nothing() {
    let shown = |subject: &str| {
        let read = markdown(&item(0, subject, "b", "INBOX"), Lang::ZhCn, usual());
        read.lines().next().unwrap().trim_matches('*').to_owned()
    };
    let cases = [
        ("**粗** _斜_ `码` ~~删~~", "＊＊粗＊＊ ＿斜＿ ｀码｀ ～～删～～"),
        ("[点这里](http://evil.example)", "［点这里］(http：//evil.example)"),
        ("![图](x)", "！［图］(x)"),
        ("# 标题 > 引用 | 表 \\* \\", "＃ 标题 ＞ 引用 ｜ 表 ＼＊ ＼"),
        ("<font color=\"warning\">红</font> <@all>", "＜font color=\"warning\"＞红＜/font＞ ＜@all＞"),
        ("HTTPS://evil.example WWW.evil.example", "HTTPS：//evil.example ｗWW.evil.example"),
        ("1. 一 - 二 + 三 AT&T a@b.example 12:30", "1. 一 - 二 + 三 AT&T a@b.example 12:30"),
        ("  两边有空  ", "两边有空"),
    ];
    for (theirs, expected) in cases {
        assert_eq!(shown(theirs), expected);
    }
    let links = |_: &Item| Some("https://mail.corp.example/a(b)?c=[d]".to_owned());
    let rendered = render(&[item(0, "a", "b", "INBOX")], &style(Lang::En, Card::Markdown), &links, usual());
    let Message::Markdown { content } = &rendered[0].message else { panic!("{rendered:?}") };
    assert!(content.ends_with("\n[Open mailbox](https://mail.corp.example/a%28b%29?c=[d])"), "{content}");
}

#[test]
fn long_markdown_keeps_what_matters_most() {
    let mut long = full();
    let hostile = "*".repeat(600);
    long.letter.subject = Some(hostile.clone());
    long.letter.from = crate::model::Sender { name: Some(hostile.clone()), address: Some(hostile.clone()) };
    long.folder = hostile.as_str().into();
    long.letter.attachments = vec![Attachment { name: Some(hostile), size: 1 }; 20];
    let read = markdown(&long, Lang::ZhCn, urgent());
    assert!(read.len() <= 2048 && read.ends_with("[打开邮箱](https://mail.corp.example)"), "{read}");
    for words in ["紧急邮件", "…**\n", "发件人：", "2026-11-22 14:03:20", "文件夹：", "会议邀请"] {
        assert!(read.contains(words), "{words} is missing in {read}");
    }
}

#[test]
fn an_urgent_text_says_so_in_a_line_of_its_own() {
    let text_of = |item: &Item, lang| text(item, &style(lang, Card::Text), urgent());
    let letter = item(0, "【紧急】付款", "李四", "INBOX");
    assert!(
        text_of(&letter, Lang::ZhCn).starts_with("【紧急】\n【紧急】付款\n李四"),
        "{}",
        text_of(&letter, Lang::ZhCn)
    );
    assert!(text_of(&letter, Lang::En).starts_with("[Urgent]\n【紧急】付款\n李四"), "{}", text_of(&letter, Lang::En));
    let read = text(&letter, &style(Lang::ZhCn, Card::Text), usual());
    assert!(read.starts_with("【紧急】付款\n李四"), "{read}");
}

#[test]
fn urgent_digests_and_catch_ups_say_so_first() {
    for (count, zh, en) in
        [(2, "【紧急】2 封新邮件\n", "[Urgent] 2 new letters\n"), (61, "【紧急】61 封", "[Urgent] 61 new")]
    {
        let mut items: Vec<_> = (0..count).map(|n| item(n, "a", "b", "INBOX")).collect();
        for (lang, head) in [(Lang::ZhCn, zh), (Lang::En, en)] {
            for card in Card::ALL {
                let rendered = render(&items, &style(lang, card), &link, urgent());
                let Message::Text { content } = &rendered[0].message else { panic!("{rendered:?}") };
                assert!(content.starts_with(head), "{content}");
            }
        }
        for item in &mut items {
            item.away = Some((Timestamp(TODAY - 1_980_000), Timestamp(TODAY)));
        }
        let rendered = render(&items, &style(Lang::En, Card::Text), &link, urgent());
        let Message::Text { content } = &rendered[0].message else { panic!("{rendered:?}") };
        assert!(content.starts_with("[Urgent] while mailbell was away, "), "{content}");
    }
}

#[test]
fn plain_is_plain_whatever_else_is_asked_for() {
    let mut letter = item(0, "会议", "李四", "INBOX");
    for card in Card::ALL {
        letter.card = Some(card);
        let zh = text(&letter, &style(Lang::ZhCn, card), Shape { plain: true, ..urgent() });
        assert!(zh.starts_with("紧急新邮件：会议\n"), "{zh}");
        let en = text(&letter, &style(Lang::En, card), Shape { plain: true, number: 1, urgent: true });
        assert!(en.starts_with("Urgent new mail #2: 会议\n"), "{en}");
    }
}

/// Without a link there is no card; who wants nothing but text gets nothing else; a subscription's form goes before a
/// recipient's.
#[test]
fn the_form_is_as_asked_for() {
    use Card::{Markdown, TemplateCard, Text, Textcard};
    let kind = |message: &Message| match message {
        Message::Text { .. } => Text,
        Message::Textcard { .. } => Textcard,
        Message::Markdown { .. } => Markdown,
        Message::Template(_) => TemplateCard,
    };
    let cases = [
        // The recipient's, the subscription's, usual, urgent.
        (Textcard, None, Textcard, TemplateCard),
        (TemplateCard, None, TemplateCard, TemplateCard),
        (Markdown, None, Markdown, Markdown),
        (Text, None, Text, Text),
        (Text, Some(Markdown), Markdown, Markdown),
        (Textcard, Some(Text), Text, Text),
        (Markdown, Some(Textcard), Textcard, TemplateCard),
        (Markdown, Some(TemplateCard), TemplateCard, TemplateCard),
    ];
    for (wanted, of_subscription, as_usual, as_urgent) in cases {
        let letter = Item { card: of_subscription, ..item(0, "a", "b", "INBOX") };
        let style = style(Lang::ZhCn, wanted);
        for (shape, expected) in [(usual(), as_usual), (urgent(), as_urgent)] {
            let case = format!("{wanted:?} {of_subscription:?} {shape:?}");
            assert_eq!(kind(&one(&letter, &style, shape)), expected, "{case}");
            assert_eq!(look(std::slice::from_ref(&letter), &style, &link, shape).2, Some(expected), "{case}");
            let unlinked = render(std::slice::from_ref(&letter), &style, &|_| None, shape);
            let expected = if expected == Markdown { Markdown } else { Text };
            assert_eq!(kind(&unlinked[0].message), expected, "{case}");
            let far = |_: &Item| Some(format!("https://mail.corp.example/{}", "x".repeat(2048)));
            let unlinked = render(std::slice::from_ref(&letter), &style, &far, shape);
            assert_eq!(kind(&unlinked[0].message), expected, "{case}");
            let alone = Style { card: Text, text_only: true, ..style.clone() };
            assert_eq!(kind(&one(&letter, &alone, shape)), Text, "{case}");
        }
    }
}

/// Digests look the same whatever card one wants, so their recipients stay together.
#[test]
fn a_look_is_what_makes_a_difference() {
    let (zh, en) = (style(Lang::ZhCn, Card::Textcard), style(Lang::En, Card::Textcard));
    let text_only = Style { card: Card::Text, text_only: true, ..zh.clone() };
    let two = [item(0, "a", "b", "INBOX"), item(1, "a", "b", "INBOX")];
    let look = |items: &[Item], style: &Style, shape| look(items, style, &link, shape);
    assert!(look(&two, &zh, usual()) == look(&two, &text_only, usual()));
    assert!(look(&two[..1], &zh, usual()) != look(&two[..1], &text_only, usual()));
    let plain = Shape { plain: true, ..usual() };
    assert!(look(&two[..1], &zh, plain) == look(&two[..1], &text_only, plain));
    assert!(look(&two, &zh, usual()) != look(&two, &en, usual()));
    let elsewhere = Style { time_zone: TimeZone::get("Europe/Berlin").unwrap(), ..zh.clone() };
    assert!(look(&two, &zh, usual()) != look(&two, &elsewhere, usual()));
}
