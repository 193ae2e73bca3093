//! Alerts as people read them: cards, digests, catch-ups, plain ones; in both languages, and with hostile text.

use super::*;
use crate::model::{AccountId, Letter, LetterId, Sender};

/// 2026-11-22 14:03:20 in Shanghai, a Sunday.
pub(super) const TODAY: i64 = 1_795_327_400_000;
const MINUTE: i64 = 60_000;

pub(super) fn shape(number: u32) -> Shape {
    Shape { number, ..Shape::default() }
}

pub(super) fn plain(number: u32) -> Shape {
    Shape { number, plain: true, ..Shape::default() }
}

pub(in crate::deliver) fn style(lang: Lang, card: Card) -> Style {
    let time_zone = TimeZone::get("Asia/Shanghai").unwrap();
    let own_domains = Vec::new().into();
    Style { lang, time_zone, card, text_only: false, own_domains, first_time_after: Duration::from_secs(7 * 86_400) }
}

fn zh() -> Style {
    style(Lang::ZhCn, Card::Textcard)
}

fn en() -> Style {
    style(Lang::En, Card::Textcard)
}

/// A letter that came so many minutes ago.
pub(super) fn item(minutes: i64, subject: &str, name: &str, folder: &str) -> Item {
    Item {
        account: AccountId::new("zhangsan@corp.example"),
        folder: folder.into(),
        letter: Letter {
            id: LetterId([0; 16]),
            from: Sender { name: Some(name.into()), address: Some("lisi@corp.example".into()) },
            subject: Some(subject.into()),
            time: Timestamp(TODAY - MINUTE * minutes),
            size: 12_345,
            attachment: true,
            seen: false,
            readable: true,
            ..Letter::default()
        },
        told_at: Timestamp(0),
        away: None,
        card: None,
    }
}

/// The same, come in an outage that began and ended so many minutes ago.
fn away(item: Item, from: i64, to: i64) -> Item {
    Item { away: Some((Timestamp(TODAY - MINUTE * from), Timestamp(TODAY - MINUTE * to))), ..item }
}

pub(super) fn link(_: &Item) -> Option<String> {
    Some("https://mail.corp.example".into())
}

fn none(_: &Item) -> Option<String> {
    None
}

fn content(message: &Message) -> &str {
    match message {
        Message::Text { content } => content,
        Message::Markdown { content } => content,
        other => panic!("{other:?} is a card"),
    }
}

/// The only message.
fn text(items: &[Item], style: &Style, shape: Shape) -> String {
    let rendered = render(items, style, &none, shape);
    assert_eq!(rendered.len(), 1);
    content(&rendered[0].message).to_owned()
}

#[test]
fn one_letter_is_a_card_with_sender_subject_and_time() {
    let rendered = render(&[item(0, "会议通知", "李四", "INBOX")], &zh(), &link, shape(0));
    let Message::Textcard { title, description, url, button } = &rendered[0].message else { panic!("no card") };
    assert_eq!((title.as_str(), url.as_str(), button.as_str()), ("会议通知", "https://mail.corp.example", "打开邮箱"));
    for part in ["2026-11-22 14:03:20", "李四 (lisi@corp.example)", "收件箱 · zhangsan@corp.example", "12 KB"] {
        assert!(description.contains(part), "{description}");
    }
    assert!(!description.contains("离线"), "{description}");
}

fn description(item: Item, style: &Style) -> String {
    let rendered = render(&[item], style, &link, shape(0));
    let Message::Textcard { description, .. } = &rendered[0].message else { panic!("no card") };
    description.clone()
}

#[test]
fn a_card_tells_what_is_known_of_the_sender() {
    use crate::model::{Attachment, Kind, Verdict};
    let own = Style { own_domains: vec!["corp.example".to_owned()].into(), ..zh() };
    let plain = description(item(0, "会议", "李四", "INBOX"), &own);
    assert!(!plain.contains("外部") && !plain.contains("验证"), "{plain}");
    let mut stranger = item(0, "会议", "Corp.Example 财务部", "INBOX");
    stranger.letter.from.address = Some("li@evil.example".to_owned());
    stranger.letter.verdict = Some(Verdict::Fail);
    stranger.letter.reply_to = Some("x<b>@other.example".to_owned());
    stranger.letter.dated = Some(Timestamp(TODAY - 3 * 1440 * MINUTE));
    stranger.letter.kinds = vec![Kind::Calendar, Kind::Bulk];
    stranger.letter.attachments =
        vec![Attachment { name: Some("合同.pdf".to_owned()), size: 2048 }, Attachment { name: None, size: 0 }];
    let told = description(stranger.clone(), &own);
    let lines = [
        "<div class=\"normal\">li@evil.example</div>",
        "⚠ 发件人身份验证未通过 · 外部发件人 · 回复将发往 x＜b＞@other.example · 邮件自称写于 2026 11月19日 14:03",
        "12 KB · 会议邀请 · 群发邮件 · 附件：合同.pdf (2 KB)、未命名",
    ];
    for line in lines {
        assert!(told.contains(line), "{line} is missing in {told}");
    }
    let english = text(&[stranger], &Style { own_domains: own.own_domains, ..style(Lang::En, Card::Text) }, shape(0));
    assert!(english.contains("external sender · replies go to "), "{english}");
}

#[test]
fn a_domain_of_mixed_scripts_shows_what_it_is() {
    let shown = |address: &str| {
        let mut from = item(0, "会议", "李四", "INBOX");
        from.letter.from.address = Some(address.to_owned());
        description(from, &zh())
    };
    // The first letter of the second one is Cyrillic.
    assert!(shown("li@apple.example").contains("li@apple.example"));
    assert!(shown("li@\u{430}pple.example").contains("li@xn--"), "{}", shown("li@\u{430}pple.example"));
    for honest in ["li@例子.example", "li@例子abc.example", "li@пример.example", "li@カナ漢字.example"] {
        assert!(shown(honest).contains(honest), "{honest}");
    }
}

#[test]
fn a_digest_marks_a_sender_that_failed_authentication() {
    let mut forged = item(1, "付款", "老板", "INBOX");
    forged.letter.verdict = Some(crate::model::Verdict::Fail);
    let read = text(&[item(0, "会议", "李四", "INBOX"), forged], &zh(), shape(0));
    assert!(
        read.contains(" ⚠ 老板 (lisi@corp.example)：付款") && read.contains(" 李四 (lisi@corp.example)：会议"),
        "{read}"
    );
}

#[test]
fn a_subject_cannot_adorn_what_stands_before_it() {
    let read = text(&[item(0, "\u{338}a", "李四", "INBOX"), item(1, "b", "李四", "INBOX")], &zh(), shape(0));
    assert!(read.contains("：\u{25cc}\u{338}a"), "{read}");
}

/// A digest shows the address beside a name, but for a colleague's; of a long one the end.
#[test]
fn a_digest_shows_who_strangers_are() {
    let own = Style { own_domains: vec!["corp.example".to_owned()].into(), ..zh() };
    let mut other = item(1, "b", "王五", "INBOX");
    other.letter.from.address = Some(format!("{}@partner.example", "a".repeat(80)));
    let read = text(&[item(0, "a", "李四", "INBOX"), other.clone()], &own, shape(0));
    assert!(read.contains(" 李四：a") && read.contains("a@partner.example)：b"), "{read}");
    other.letter.borrowed_name = true;
    let read = text(&[item(0, "a", "李四", "INBOX"), other], &own, shape(0));
    assert!(!read.contains("王五") && read.contains("a@partner.example：b"), "{read}");
}

/// What the store remembers of senders: strangers are told once it can know that, a colleague's name is not shown.
#[test]
fn strangers_and_borrowed_names_are_told() {
    let shown = |unmet_days, borrowed_name, style: &Style| {
        let mut letter = item(0, "会议", "李四", "INBOX");
        (letter.letter.unmet_days, letter.letter.borrowed_name) = (unmet_days, borrowed_name);
        description(letter, style)
    };
    assert!(shown(Some(30), false, &zh()).contains("30 天来首次来信"));
    assert!(!shown(Some(6), false, &zh()).contains("首次"), "the memory is too young to say so");
    assert!(!shown(None, false, &zh()).contains("首次"));
    let at_once = Style { first_time_after: Duration::ZERO, ..zh() };
    assert!(shown(Some(0), false, &at_once).contains("首次来信"));
    let borrowed = shown(None, true, &zh());
    assert!(borrowed.contains("⚠ 与同事同名") && !borrowed.contains("李四"), "{borrowed}");
}

#[test]
fn an_invitation_says_what_when_and_where() {
    use crate::model::{Invitation, Kind, Method, Start};
    let shown = |method, start, place: &str, style: &Style| {
        let mut letter = item(0, "会议", "李四", "INBOX");
        letter.letter.kinds = vec![Kind::Calendar, Kind::Signed];
        let place = Some(place.to_owned()).filter(|place| !place.is_empty());
        letter.letter.invitation = Some(Invitation { method, start, place });
        description(letter, style)
    };
    let at = Start::At(Timestamp(TODAY + 3 * 86_400_000));
    let read = shown(Method::Request, Some(at), "三楼<b>会议室", &zh());
    assert!(read.contains("会议邀请 · 11月25日 周三 14:03 · 三楼＜b＞会议室") && read.contains("带数字签名"), "{read}");
    assert_eq!(read.matches("会议邀请").count(), 1, "{read}");
    let day = Start::Day(jiff::civil::date(2027, 1, 4));
    assert!(shown(Method::Cancel, Some(day), "", &zh()).contains("会议取消 · 2027 1月4日 周一<"));
    let local = Start::Local(jiff::civil::datetime(2026, 12, 1, 9, 5, 0, 0));
    assert!(
        shown(Method::Counter, Some(local), "", &en())
            .contains("another time is proposed · Tue 1 Dec 09:05 (zone unknown)<")
    );
    assert!(shown(Method::Reply, None, "", &en()).contains("answer to an invitation<"));
}

#[test]
fn many_attachments_are_counted() {
    use crate::model::Attachment;
    let mut with = item(0, "会议", "李四", "INBOX");
    with.letter.attachments =
        (0..12).map(|n| Attachment { name: Some(format!("第{n}份合同及其附件.pdf")), size: 1 }).collect();
    let told = description(with, &zh());
    assert!(told.contains("附件：第0份合同及其附件.pdf (1 B)、") && told.contains(" 等 12 个附件"), "{told}");
}

#[test]
fn a_card_says_why_its_letter_comes_late() {
    let late = away(item(9, "会议通知", "李四", "INBOX"), 33, 3);
    for (style, words) in
        [(zh(), "邮铃离线期间（13:30 至 14:00）收到"), (en(), "Came while mailbell was away, 13:30 to 14:00")]
    {
        let rendered = render(std::slice::from_ref(&late), &style, &link, shape(0));
        let Message::Textcard { description, .. } = &rendered[0].message else { panic!("no card") };
        assert!(description.contains(words), "{description}");
    }
}

#[test]
fn without_a_link_it_is_a_text() {
    let read = text(&[item(0, "会议", "李四", "INBOX")], &zh(), shape(1));
    let lines =
        "会议 #2\n李四 (lisi@corp.example)\n2026-11-22 14:03:20\n收件箱 · zhangsan@corp.example\n12 KB · 可能有附件";
    assert_eq!(read, lines);
    let mut bare = item(0, "x", "李四", "INBOX");
    (bare.letter.size, bare.letter.attachment, bare.letter.subject) = (0, false, None);
    let lines = "(no subject)\n李四 (lisi@corp.example)\n2026-11-22 14:03:20\nInbox · zhangsan@corp.example";
    assert_eq!(text(&[bare], &en(), shape(0)), lines);
}

#[test]
fn a_digest_names_letters_under_their_days_newest_first() {
    let items = [
        item(20 * 60, "昨晚的", "王五", "INBOX"),
        item(2, "会议通知", "李四", "项目/甲"),
        item(1, "Re: 会议通知", "赵六", "INBOX"),
    ];
    let expected = "3 封新邮件\nzhangsan@corp.example\n\n11月22日 周日\n14:02 赵六 (lisi@corp.example)：Re: 会议通知\n\
                    14:01 李四 (lisi@corp.example)：会议通知 [项目/甲]\n\n11月21日 周六\n18:03 王五 (lisi@corp.example)：昨晚的";
    assert_eq!(text(&items, &zh(), shape(0)), expected);
    assert_eq!(render(&items, &zh(), &none, shape(0))[0].items, [2, 1, 0]);
    let expected = "3 new letters #8\nzhangsan@corp.example\n\nSun 22 Nov\n14:02 赵六 (lisi@corp.example): Re: 会议通知\n\
                    14:01 李四 (lisi@corp.example): 会议通知 [项目/甲]\n\nSat 21 Nov\n18:03 王五 (lisi@corp.example): 昨晚的";
    assert_eq!(text(&items, &en(), shape(7)), expected);
}

#[test]
fn a_digest_says_what_is_the_same_for_all_once() {
    let one = [item(1, "a", "李四", "项目/甲"), item(2, "b", "李四", "项目/甲")];
    let expected = "2 封新邮件\n项目/甲 · zhangsan@corp.example\n\n11月22日 周日\n14:02 李四 (lisi@corp.example)：a\n14:01 李四 (lisi@corp.example)：b\n\n<a href=\"https://mail.corp.example\">打开邮箱</a>";
    assert_eq!(content(&render(&one, &zh(), &link, shape(0))[0].message), expected);
    let mut other = item(2, "b", "李四", "项目/甲");
    other.account = AccountId::new("support@corp.example");
    let read = text(&[item(1, "a", "李四", "INBOX"), other], &zh(), shape(0));
    let expected = "2 封新邮件\n\n11月22日 周日\n14:02 李四 (lisi@corp.example)：a [zhangsan]\n\
                    14:01 李四 (lisi@corp.example)：b [项目/甲 · support]";
    assert_eq!(read, expected);
    let mut same_name = item(2, "b", "李四", "INBOX");
    same_name.account = AccountId::new("zhangsan@other.example");
    let read = text(&[item(1, "a", "李四", "INBOX"), same_name], &zh(), shape(0));
    assert!(read.contains("a [zhangsan@corp.example]\n") && read.ends_with("b [zhangsan@other.example]"), "{read}");
}

#[test]
fn letters_of_different_mailboxes_share_no_link() {
    let mut other = item(2, "b", "李四", "INBOX");
    other.account = AccountId::new("support@corp.example");
    let links = |item: &Item| Some(format!("https://mail.corp.example/{}", item.account.0));
    let rendered = render(&[item(1, "a", "李四", "INBOX"), other], &zh(), &links, shape(0));
    assert!(!content(&rendered[0].message).contains("<a"));
}

#[test]
fn a_digest_of_an_outage_says_so_first() {
    let at = |n: i64| away(item(n, "主题", "李四", "INBOX"), 33, 3);
    let items: Vec<_> = (5..19).map(at).collect();
    assert!(text(&items, &zh(), shape(0)).starts_with("邮铃离线期间（13:30 至 14:00）：14 封新邮件\n收件箱"));
    assert!(text(&items, &en(), shape(0)).starts_with("while mailbell was away, 13:30 to 14:00: 14 letters\nInbox"));
    let two = [away(item(5, "a", "b", "INBOX"), 33, 3), away(item(900, "a", "b", "INBOX"), 990, 840)];
    assert!(text(&two, &zh(), shape(0)).starts_with("邮铃离线期间（11月21日 21:33 至 11月22日 14:00）：2 封新邮件\n"));
    let old = [away(item(1300, "a", "b", "INBOX"), 1310, 1290), away(item(1301, "a", "b", "INBOX"), 1310, 1290)];
    assert!(text(&old, &en(), shape(1)).starts_with("while mailbell was away, 16:13 to 16:33: 2 letters #2\n"));
    assert!(text(&old, &en(), shape(1)).contains("\nSat 21 Nov\n"), "the day is told all the same");
}

#[test]
fn some_letters_of_an_outage_are_counted() {
    let items = [item(1, "a", "b", "INBOX"), away(item(20, "c", "d", "INBOX"), 33, 3)];
    let head = "2 封新邮件\n其中 1 封来自邮铃离线期间（13:30 至 14:00）\n收件箱";
    assert!(text(&items, &zh(), shape(0)).starts_with(head));
    let head = "2 new letters\n1 of them came while mailbell was away, 13:30 to 14:00\nInbox";
    assert!(text(&items, &en(), shape(0)).starts_with(head));
}

#[test]
fn a_long_digest_takes_several_messages() {
    let items: Vec<_> =
        (0..60).map(|n| item(n, &format!("主题{n:02}，{}", "很长".repeat(40)), "李四", "项目/甲")).collect();
    let rendered = render(&items, &zh(), &link, shape(0));
    let of = rendered.len();
    assert!(of > 1);
    for (at, r) in rendered.iter().enumerate() {
        let read = content(&r.message);
        assert!(read.starts_with(&format!("60 封新邮件（{}/{of}）\n项目/甲 · zhangsan@", at + 1)), "{read}");
        assert!(read.contains("\n11月22日 周日\n"), "each says which day it is: {read}");
        assert!(r.kind == AlertKind::Digest && read.len() <= 2048 && (at + 1 == of || read.len() > 1800));
        for n in &r.items {
            assert!(read.contains(&format!("主题{n:02}，")), "{read}");
        }
    }
    let named: Vec<_> = rendered.iter().flat_map(|r| r.items.clone()).collect();
    assert_eq!(named, (0..60).collect::<Vec<_>>());
}

#[test]
fn very_many_letters_are_counted_and_the_newest_named() {
    let place = |n: i64| if n % 3 == 0 { "项目/甲" } else { "INBOX" };
    let items: Vec<_> = (0..150).map(|n| item(n, &format!("主题{n:03}"), "李四", place(n))).collect();
    let read = text(&items, &zh(), shape(0));
    let head = "150 封新邮件\n11月22日 11:34 至 14:03\nzhangsan@corp.example\n\n收件箱：100\n项目/甲：50\n\n最新 20 封：\n\
                14:03 李四 (lisi@corp.example)：主题000 [项目/甲]\n14:02 李四 (lisi@corp.example)：主题001\n";
    assert!(read.starts_with(head), "{read}");
    assert!(read.contains("主题019") && !read.contains("主题020"));
    assert!(read.ends_with("\n\n其余邮件请到邮箱中查看。"));
    assert_eq!(render(&items, &zh(), &none, shape(0))[0].items.len(), 150);

    let items: Vec<_> = items.into_iter().map(|item| away(item, 1000, 3)).collect();
    let read = text(&items, &en(), shape(2));
    let head = "while mailbell was away, 21 Nov 21:23 to 22 Nov 14:00: 150 letters #3\n22 Nov 11:34 to 14:03\n";
    assert!(read.starts_with(head), "{read}");
    assert!(
        read.contains("\n\nInbox: 100\n项目/甲: 50\n\nThe newest 20:\n14:03 李四 (lisi@corp.example): 主题000"),
        "{read}"
    );
}

#[test]
fn a_catch_up_of_many_folders_and_long_subjects_is_one_message() {
    let long = "关于第四季度合同付款安排的通知（请各部门于本周五前确认）".repeat(5);
    let folder = |n: i64| format!("部门/很长的项目名称/第{}组", n % 40);
    let mut items: Vec<_> = (0..300).map(|n| item(n * 7, &format!("{n:03}{long}"), &long, &folder(n))).collect();
    for (n, item) in items.iter_mut().enumerate().filter(|(n, _)| n % 2 == 0) {
        item.account = AccountId::new(&format!("a.mailbox.with.a.long.name.{}@subsidiary.corp.example", n % 40));
    }
    for (style, more) in [(zh(), "个文件夹："), (en(), "more folders: ")] {
        let rendered = render(&items, &style, &link, shape(100));
        assert_eq!((rendered.len(), rendered[0].kind, rendered[0].items.len()), (1, AlertKind::CatchUp, 300));
        let read = content(&rendered[0].message);
        assert!(read.len() <= 2048 && read.len() > 1900, "{}", read.len());
        assert!(read.contains(more) && read.contains("打开邮箱") | read.contains("Open mailbox"), "{read}");
        for n in 0..20 {
            assert!(read.contains(&format!("{n:03}关于第四")), "{n}: {read}");
        }
    }
}

#[test]
fn a_plain_alert_is_short_and_harmless() {
    let read = text(&[item(0, "会议通知 $userName=zs$ ♥️👍🏽 <a href='x'>జ్ఞా</a>", "李四", "INBOX")], &zh(), plain(0));
    let lines = "新邮件：会议通知 userName zs a href x /a\n李四 lisi@corp.example\n2026-11-22 14:03:20\n\
                 收件箱 · zhangsan@corp.example\n（企业微信不接受原来的样式，这是简版）";
    assert_eq!(read, lines);
    let read = text(&[item(0, "👍🏽", "\u{200d}", "INBOX")], &en(), plain(1));
    assert!(read.starts_with("New mail #2: (the subject cannot be shown)\nlisi@corp.example\n2026"), "{read}");
}

#[test]
fn plain_alerts_for_several_letters_are_one_for_each() {
    let items = [item(2, "一样", "李四", "INBOX"), item(2, "一样", "李四", "INBOX"), item(1, "新", "李四", "INBOX")];
    let rendered = render(&items, &zh(), &link, plain(0));
    let named: Vec<_> = rendered.iter().map(|r| r.items.clone()).collect();
    assert_eq!(named, [[2], [1], [0]]);
    assert_ne!(rendered[1].message, rendered[2].message);
}

#[test]
fn a_report_keeps_its_number_whatever_is_cut() {
    let long = "邮箱无法登录\n".repeat(500);
    for (shape, limit) in [(shape(3), 2048), (plain(3), 512)] {
        let read = report(&long, shape).message;
        assert!(content(&read).ends_with("… #4") && content(&read).len() <= limit, "{read:?}");
    }
    assert_eq!(content(&report("a\n<b>\u{7}c\n\n👍", plain(0)).message), "a\nb c");
    assert_eq!(content(&report("👍", plain(1)).message), "mailbell 邮铃 #2");
}

#[test]
fn a_subject_is_never_markup() {
    let hostile = "<a href=\"http://evil\">x</a></div><div class=\"highlight\">&lt;br&gt;&#60;a AT&T";
    let single = render(&[item(0, hostile, hostile, hostile)], &zh(), &link, shape(0));
    let Message::Textcard { title, description, .. } = &single[0].message else { panic!("no card") };
    assert!(!title.contains('<') && !description.contains("highlight\">"), "{description}");
    assert!(title.contains("＆lt;br＆gt;＆#60;a AT&T"), "{title}");
    let digest = text(&[item(0, hostile, "a", "b"), item(1, "c", hostile, hostile)], &zh(), shape(0));
    assert!(!digest.contains('<') && !digest.contains("&lt"), "{digest}");
}

#[test]
fn a_name_that_looks_like_an_address_hides_none() {
    let items = [item(0, "a", "boss@corp.example", "INBOX"), item(1, "b", "李四", "INBOX")];
    let read = text(&items, &zh(), shape(0));
    assert!(read.contains("lisi@corp.example：a") && !read.contains("boss"), "{read}");
}
