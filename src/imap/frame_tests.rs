//! The adapter against lines that real and hostile servers send (sources: imap-servers A.3 and H, crates 2).

use super::*;
use std::future::poll_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn through(bytes: &[u8]) -> (String, Framed<()>) {
    let mut framed = Framed::new(());
    framed.feed(bytes);
    (framed.out.iter().map(|response| String::from_utf8_lossy(response)).collect(), framed)
}

#[test]
fn what_cannot_be_parsed_costs_that_line_only() {
    let cases: &[&[u8]] = &[
        b"* ESEARCH (TAG \"a\") UID ALL 1:3\r\n",
        b"* XLIST (\\Inbox) \"/\" INBOX\r\n",
        b"* ID ()\r\n",
        b"* 4 FETCH (UID 9 INTERNALDATE NIL)\r\n",
        b"* 1 FETCH ()\r\n",
        b"* -1 EXISTS\r\n",
        b"\r\n",
        b"* SEARCH 1 2 (MODSEQ 9)\r\n",
    ];
    for case in cases {
        let (out, framed) = through(&[case, &b"* 3 EXISTS\r\n"[..]].concat());
        assert_eq!(out, "* 3 EXISTS\r\n", "{}", String::from_utf8_lossy(case));
        assert_eq!(framed.dropped(), u32::from(case.len() > 2));
    }
}

#[test]
fn deep_nesting_is_dropped_before_the_parser_sees_it() {
    let mut line = b"* 1 FETCH (BODYSTRUCTURE ".to_vec();
    line.extend(std::iter::repeat_n(b'(', 100_000));
    line.extend_from_slice(b"\r\n* 3 EXISTS\r\n");
    let (out, framed) = through(&line);
    assert_eq!((out.as_str(), framed.dropped()), ("* 3 EXISTS\r\n", 1));
}

#[test]
fn status_lines_always_arrive() {
    let gbk = encoding_rs::GBK.encode("登录失败").0.into_owned();
    let cases: &[(&[u8], &str)] = &[
        (b"M1 OK [READ-ONLY] done\r\n", "M1 OK [READ-ONLY] done\r\n"),
        (b"M1 OK\n", "M1 OK\r\n"),
        (&[&b"M2 NO "[..], &gbk, b"\r\n"].concat(), "M2 NO 登录失败\r\n"),
        ("* OK [ALERT]空间不足\r\n".as_bytes(), "* OK (ALERT)空间不足\r\n"),
        ("M3 NO [ALERT] 空间不足\r\n".as_bytes(), "M3 NO [ALERT] 空间不足\r\n"),
        (b"* BYE\r\n", "* BYE\r\n"),
        (b"+\r\n", "+ \r\n"),
        (b"+ idling\r\n", "+ idling\r\n"),
    ];
    for (line, expected) in cases {
        let (out, _) = through(line);
        let out = if out == "+\r\n" { "+ \r\n".to_owned() } else { out };
        assert_eq!(&out, expected);
    }
}

#[test]
fn a_capability_line_without_imap4rev1_is_understood() {
    let (out, _) = through(b"* CAPABILITY  IMAP4rev2  IDLE\r\n");
    assert_eq!(out, "* CAPABILITY IMAP4rev1 IMAP4rev2 IDLE\r\n");
}

/// The parser gives it out as a list of capabilities.
#[test]
fn enabled_is_no_list_of_capabilities() {
    let (out, framed) = through(b"* ENABLED CONDSTORE\r\n* enabled\r\n");
    assert_eq!((out.as_str(), framed.dropped()), ("* OK kept\r\n* OK kept\r\n", 0));
}

#[test]
fn folder_lines_are_kept_as_bytes() {
    let list = b"* LIST (\\HasNoChildren) \".\" \"a\\\"b \xd6\xd0\"\r\n";
    let (out, mut framed) =
        through(&[&list[..], b"* status \"x\" (SIZE 3 UIDNEXT 4)\r\n* NAMESPACE NIL NIL NIL\r\n"].concat());
    assert_eq!(out, "* OK kept\r\n* OK kept\r\n* OK kept\r\n");
    let kept = framed.take_kept();
    assert_eq!(kept[0], list);
    assert_eq!(kept.len(), 3);
    assert!(framed.take_kept().is_empty());
}

#[test]
fn a_huge_literal_is_an_error_and_no_memory() {
    let (_, framed) = through(b"* 1 FETCH (BODY[] {536870911}\r\n");
    assert!(framed.failed.is_some_and(|text| text.contains("536870911")));
}

#[tokio::test]
async fn a_command_is_one_write_and_reads_go_through_byte_by_byte() {
    let (near, mut far) = tokio::io::duplex(1024);
    let mut framed = Framed::new(near);
    for piece in ["M1", " ", "NOOP", "\r\n"] {
        framed.write_all(piece.as_bytes()).await.unwrap();
    }
    framed.flush().await.unwrap();
    let mut got = [0; 64];
    let n = far.read(&mut got).await.unwrap();
    assert_eq!(&got[..n], b"M1 NOOP\r\n");
    for byte in b"* 1 EXISTS\r\n" {
        far.write_all(&[*byte]).await.unwrap();
    }
    assert!(poll_fn(|cx| framed.poll_whole(cx)).await.unwrap());
    let n = framed.whole().read(&mut got).await.unwrap();
    assert_eq!(&got[..n], b"* 1 EXISTS\r\n");
    drop(far);
    assert!(!poll_fn(|cx| framed.poll_whole(cx)).await.unwrap());
}
