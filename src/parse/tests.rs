//! Headers as they come, and as nobody should send them.

use super::*;
use proptest::prelude::*;

fn parse(header: &[u8]) -> Letter {
    letter(&Source {
        account: &AccountId::new("a@b.example"),
        uid_validity: 1,
        uid: 2,
        time: Timestamp(1_700_000_000_000),
        size: 3,
        seen: false,
        header: Some(header),
    })
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

#[test]
fn senders_of_all_kinds() {
    check(b"From: Zhang, San <zs@x.cn>\n", Some("San"), Some("zs@x.cn"), None);
    check(b"From: <>\nSender: s@x.cn\n", None, Some("s@x.cn"), None);
    check(b"Return-Path: <r@x.cn>\nSubject: s\n", None, Some("r@x.cn"), Some("s"));
    check(b"From: one@x.cn\nFrom: two@x.cn\nSubject: 1\nSubject: 2\n", None, Some("one@x.cn"), Some("1"));
    check(b"Subject: a\x00b\x1b[31m\n", None, None, Some("a b [31m"));
}

#[test]
fn the_attachment_hint_is_the_content_type() {
    assert!(parse(b"Content-Type: Multipart/MIXED; boundary=x\n").attachment);
    assert!(!parse(b"Content-Type: multipart/alternative; boundary=x\n").attachment);
}

#[test]
fn nothing_readable_is_said_so() {
    for header in [&b""[..], b"\r\n", b"no colon at all"] {
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
        letter(&Source { account: &account, uid_validity: 1, uid, time, size: 0, seen: false, header: Some(nameless) })
            .id
    };
    assert_ne!(at(1), at(2));
    assert_eq!(at(1), at(1));
}

proptest! {
    #[test]
    fn any_bytes_make_a_clean_letter(header in proptest::collection::vec(any::<u8>(), 0..600)) {
        let letter = parse(&header);
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
}
