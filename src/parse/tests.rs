//! Headers as they come, and as nobody should send them.

use super::*;
use crate::model::Sender;
use proptest::prelude::*;

/// A mail with this header.
fn source<'a>(account: &'a AccountId, header: &'a [u8]) -> Source<'a> {
    Source {
        account,
        uid_validity: 1,
        uid: 2,
        time: Timestamp(1_700_000_000_000),
        size: 3,
        seen: false,
        locale: Locale::default(),
        trusted: &[],
        names: true,
        parts: &[],
        header: Some(header),
    }
}

fn parse(header: &[u8]) -> Letter {
    letter(&source(&AccountId::new("a@b.example"), header))
}

fn check(header: &[u8], name: Option<&str>, address: Option<&str>, subject: Option<&str>) {
    let letter = parse(header);
    let got = (letter.from.name.as_deref(), letter.from.address.as_deref(), letter.subject.as_deref());
    assert_eq!(got, (name, address, subject), "{}", String::from_utf8_lossy(header));
}

#[test]
fn chinese_headers() {
    let gbk = encoding_rs::GBK.encode("会议通知").0.into_owned();
    check(
        "From: =?UTF-8?B?5byg5LiJ?= <zs@corp.example>\r\nSubject: =?gb2312?B?u+HS6c2o1qo=?=\r\n\r\n".as_bytes(),
        Some("张三"),
        Some("zs@corp.example"),
        Some("会议通知"),
    );
    check(&[b"Subject: ", &gbk[..], b"\r\nFrom: a@b.c"].concat(), None, Some("a@b.c"), Some("会议通知"));
    check("Subject: 项目\r\n 会议\r\n\r\n".as_bytes(), None, None, Some("项目 会议"));
    check(b"From: \"=?gbk?B?1cXI/Q==?=\" <zs@corp.example>\r\n", Some("张三"), Some("zs@corp.example"), None);
}

/// One field, in the form that says most.
fn subject(raw: &[u8], locale: Locale) -> String {
    let account = AccountId::new("a@b.example");
    let header = [b"Subject: ", raw].concat();
    letter(&Source { locale, ..source(&account, &header) }).subject.unwrap_or_default()
}

#[test]
fn encoded_words_as_they_are_really_written() {
    let cases: &[(&str, &str)] = &[
        ("=?utf-8?B?5byg5Li?= =?UTF-8?B?J5Lya6K6u?=", "张三会议"),
        ("=?utf-8?Q?=E5=BC=A0=E4=B8?=\r\n =?utf-8?q?=89=E4=BC=9A?=", "张三会"),
        ("=?utf-8?B?5byg5LiJ?==?utf-8?B?5Lya6K6u?=", "张三会议"),
        ("Re:=?utf-8?B?5byg5LiJ?=ok", "Re:张三ok"),
        ("=?utf-8?B?5byg5LiJ?= and =?utf-8?B?5Lya6K6u?=", "张三 and 会议"),
        ("=?utf-8?B?5byg5LiJ5Q?=", "张三\u{fffd}"),
        ("=?utf-8?B?5byg5LiJ", "张三"),
        ("=?utf-8?Q?=E5=BC=A0=E4=B8=89", "张三"),
        ("=?utf-8?Q?what?=3F_=41?=", "what?? A"),
        ("=?utf-8?Q?a=ZZb_c?=", "a=ZZb c"),
        ("=?UTF-8?B?5byg\r\n 5LiJ?=", "张三"),
        ("=?\"gb2312\"?B?1cXI/Q==?=", "张三"),
        ("=?GB 18030?B?1cXI/Q==?=", "张三"),
        ("=?gb2312*zh-cn?B?1cXI/Q==?=", "张三"),
        ("=?unknown-8bit?B?1cXI/Q==?=", "张三"),
        ("=??B?1cXI/Q==?=", "张三"),
        ("=?us-ascii?B?1cXI/Q==?=", "张三"),
        ("=?iso-8859-1?B?1cXI/Q==?=", "张三"),
        ("=?iso-8859-1?Q?=C9mile_Zo=EB?=", "Émile Zoë"),
        ("=?utf-8?B?1cXI/bvh0uk=?=", "张三会议"),
        ("=?gbk?B?5byg5LiJ?=", "张三"),
        ("=?hz-gb-2312?Q?~{;aRi~}?=", "会议"),
        ("=?iso-2022-cn?B?GyQpQQ47YVJpDw==?=", "会议"),
        ("=?iso-2022-jp?B?GyRCMnE1RBsoQg==?= =?iso-2022-jp?B?GyRCMnE1RBsoQg==?=", "会議会議"),
        ("=?iso-2022-jp?B?GyRCMnE1?= =?iso-2022-jp?B?RBsoQg==?=", "会議"),
        ("=?utf-7?Q?+TxqLrg-?=", "会议"),
        ("a =? b ?= c =?x?y?z?=", "a =? b ?= c =?x?y?z?="),
    ];
    for (raw, expected) in cases {
        assert_eq!(subject(raw.as_bytes(), Locale::default()), *expected, "{raw}");
    }
}

#[test]
fn bytes_without_a_label_are_read_by_what_they_are_and_where() {
    let encoded = |encoding: &'static encoding_rs::Encoding, text: &str| encoding.encode(text).0.into_owned();
    for (encoding, text, locale) in [
        (encoding_rs::GBK, "会议", Locale::Mainland),
        (encoding_rs::GBK, "关于付款的通知", Locale::Other),
        (encoding_rs::GB18030, "朱镕基讲话", Locale::Mainland),
        (encoding_rs::BIG5, "會議通知", Locale::Traditional),
        (encoding_rs::EUC_KR, "회의", Locale::Korean),
        (encoding_rs::SHIFT_JIS, "会議のお知らせ", Locale::Japanese),
        (encoding_rs::ISO_2022_JP, "会議のお知らせ", Locale::Mainland),
        (encoding_rs::WINDOWS_1252, "Grüße von Zoë", Locale::Other),
        (encoding_rs::UTF_8, "Привет", Locale::Mainland),
    ] {
        assert_eq!(subject(&encoded(encoding, text), locale), text, "{} {locale:?}", encoding.name());
    }
    let named = [&b"=?big5?B?t3zEsw==?= "[..], &encoded(encoding_rs::BIG5, "通知")[..]].concat();
    assert_eq!(subject(&named, Locale::Mainland), "會議 通知");
}

#[test]
fn senders_of_all_kinds() {
    check(b"From: Zhang, San <zs@x.cn>\n", Some("Zhang, San"), Some("zs@x.cn"), None);
    check(b"From: <>\nSender: s@x.cn\n", None, Some("s@x.cn"), None);
    check(b"Return-Path: <r@x.cn>\nSubject: s\n", None, Some("r@x.cn"), Some("s"));
    check(b"From: one@x.cn\nFrom: two@x.cn\nSubject: 1\nSubject: 2\n", None, Some("one@x.cn"), Some("1"));
    check(
        "From: =?utf-8?B?5bygLOS4iSA8YUB4LmNuPg==?= <b@x.cn>\n".as_bytes(),
        Some("张,三 <a@x.cn>"),
        Some("b@x.cn"),
        None,
    );
    check("From: 张三(研发)=?utf-8?B?5byg?= <b@x.cn>\n".as_bytes(), Some("张三 张 (研发)"), Some("b@x.cn"), None);
    check(b"From: zs@x.cn (San)\n", Some("San"), Some("zs@x.cn"), None);
    check(b"From: group: a@x.cn, b@x.cn;\n", None, Some("a@x.cn"), None);
    check(b"From: \"ceo@corp.cn\" <evil@x.cn>\n", Some("ceo@corp.cn"), Some("evil@x.cn"), None);
    check(b"From: ceo@corp.cn <evil@x.cn>\n", Some("ceo@corp.cn"), Some("evil@x.cn"), None);
    check(b"Subject: a\x00b\x1b[31m\n", None, None, Some("a b [31m"));
}

#[test]
fn who_sends_is_read_by_octets_as_servers_do() {
    let address = |raw: &[u8]| parse(&[b"From: ", raw].concat()).from.address;
    // The backslash is the second octet of a GBK character, and escapes the quote all the same.
    let hidden = address(b"\"\xd5\xc5\xd5\\\" <boss@corp.example>\" <evil@x.cn>");
    assert_eq!(hidden.as_deref(), Some("evil@x.cn"));
    assert_eq!(address(b"\"\xd5\xc5\xd5\\\" <zs@x.cn>").as_deref(), Some("zs@x.cn"));
    let unseen = address("<zs\u{200b}1@corp\u{2800}.example>".as_bytes());
    assert_eq!(unseen.as_deref(), Some("zs1@corp\u{fffd}.example"), "not the host that it looks like");
    assert_eq!(address(b"<\"a \\\" b\"@x.cn>").as_deref(), Some("\"a \\\" b\"@x.cn"));
    let long = format!("<boss@corp.example{}>", ".x".repeat(300));
    assert_eq!(address(long.as_bytes()), None, "its end says whose it is");
}

#[test]
fn the_attachment_hint_is_the_content_type() {
    assert!(parse(b"Content-Type: Multipart/MIXED; boundary=x\n").attachment);
    assert!(!parse(b"Content-Type: multipart/alternative; boundary=x\n").attachment);
}

#[test]
fn attachments_are_counted_beyond_those_that_are_kept() {
    let file = Part { mime: "image/png".to_owned(), disposition: Some("attachment".to_owned()), ..Part::default() };
    let text = Part { mime: "text/plain".to_owned(), ..Part::default() };
    let parts = [vec![text], vec![file; 27]].concat();
    let account = AccountId::new("a@b.example");
    let letter = letter(&Source { parts: &parts, ..source(&account, b"Subject: s\n") });
    assert_eq!((letter.attachments.len(), letter.attachment_count), (Letter::ATTACHMENTS, 27));
}

#[test]
fn nothing_readable_is_said_so() {
    for header in [&b""[..], b"\r\n", b"no colon at all", b"x: y\r\n:\x00\xff: z\r\n"] {
        assert!(!parse(header).readable);
    }
}

#[test]
fn sameness_is_by_the_four_fields_and_else_by_place() {
    let a = parse(b"Message-ID: <1@x>\r\nFrom: a@x\r\nDate: d\r\nSubject: s\r\n\t t\r\nX: 1\r\n").id;
    let folded_anew = parse(b"X: 2\nSubject: s t\nDate: d\nFrom: a@x\nMessage-ID:\n <1@x>\n").id;
    assert_eq!(a, folded_anew);
    assert_ne!(a, parse(b"Message-ID: <1@x>\r\nFrom: a@x\r\nDate: d\r\nSubject: other\r\n").id);
    let nameless = b"From: a@x\r\nSubject: s\r\n";
    let at = |uid| {
        let account = AccountId::new("a@b.example");
        let time = Timestamp(1);
        letter(&Source {
            account: &account,
            uid_validity: 1,
            uid,
            time,
            size: 0,
            seen: false,
            locale: Locale::default(),
            trusted: &[],
            names: true,
            parts: &[],
            header: Some(nameless),
        })
        .id
    };
    assert_ne!(at(1), at(2));
    assert_eq!(at(1), at(1));
}

proptest! {
    #[test]
    fn any_bytes_make_a_clean_letter(header in proptest::collection::vec(any::<u8>(), 0..600)) {
        let letter = parse(&header);
        let people = letter.to.iter().chain(&letter.cc).chain([&letter.from]);
        for address in people.filter_map(|sender| sender.address.as_deref()) {
            prop_assert!(address::is_one(address), "{address}");
        }
        for text in [letter.subject, letter.from.name, letter.from.address].into_iter().flatten() {
            prop_assert!(!text.is_empty() && !text.chars().any(char::is_control));
        }
    }

    #[test]
    fn mail_flavoured_bytes_make_a_clean_letter(
        words in proptest::collection::vec("(From: |Subject: |=\\?|\\?=|\\?B\\?|\\?Q\\?|gb2312|utf-8|\"|<|>|@|,|;|:|\\(|\\)|=\\?iso-2022-jp\\?B\\?|\r\n|\n | |[a-z]{1,3}|5byg)", 0..60)
    ) {
        let letter = parse(words.concat().as_bytes());
        prop_assert!(letter.subject.is_none_or(|s| !s.chars().any(char::is_control)));
    }

    #[test]
    fn address_flavoured_bytes_make_one_address_or_none(
        words in proptest::collection::vec("(\"|\\\\|<|>|@|,|;|:|\\(|\\)|\\[|\\]|\\.|=\\?utf-8\\?Q\\?|\\?=|\u{e9}|\u{4e00}|\0|\t|\r\n | |[a-z]{1,3})", 0..40),
        at in 0_usize..200,
        octet in any::<u8>(),
    ) {
        let mut header = [b"From: ", words.concat().as_bytes(), b"\r\n"].concat();
        if let Some(place) = header.get_mut(6 + at) {
            *place = octet;
        }
        if let Some(address) = parse(&header).from.address {
            prop_assert!(address::is_one(&address), "{address}");
        }
    }
}

/// Of those whom a mail is written to, addresses are found fast, and names where somebody asks.
#[test]
fn whom_it_is_written_to() {
    let header = b"From: a@x.example\r\nTo: \"Li, Si\" <LiSi@corp.example>, wangwu@corp.example (W),\r\n =?utf-8?B?5byg5LiJ?= <zs@corp.example>;\r\nCc: team: ann@corp.example;\r\nBcc: no@corp.example\r\n\r\n";
    let account = AccountId::new("me@corp.example");
    let read = |names| letter(&Source { names, ..source(&account, header) });
    for names in [false, true] {
        let letter = read(names);
        let addresses = |list: &[Sender]| list.iter().filter_map(|s| s.address.clone()).collect::<Vec<_>>();
        assert_eq!(addresses(&letter.to), ["LiSi@corp.example", "wangwu@corp.example", "zs@corp.example"], "{names}");
        assert_eq!(addresses(&letter.cc), ["ann@corp.example"]);
        assert_eq!(letter.to.iter().any(|s| s.name.as_deref() == Some("张三")), names);
    }
}
