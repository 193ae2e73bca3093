//! UID FETCH: what is asked, what is believed, and what a broken answer costs.

use super::session;
use crate::support::secs;
use crate::support::server::Peer;
use mailbell::imap::{Detail, ImapError, RawLetter, UidSet};
use mailbell::model::Timestamp;
use tokio::time::{Instant, timeout};

const BRIEF: &str = "(UID FLAGS INTERNALDATE RFC822.SIZE)";
const HEADER: &str = "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (DATE FROM SENDER REPLY-TO TO CC \
                      SUBJECT MESSAGE-ID IN-REPLY-TO REFERENCES LIST-ID CONTENT-TYPE AUTO-SUBMITTED RETURN-PATH \
                      PRECEDENCE IMPORTANCE X-PRIORITY PRIORITY AUTHENTICATION-RESULTS CONTENT-CLASS)])";

type Fetched = Result<Vec<RawLetter>, ImapError>;

/// Fetches from a server that does this after the command has come.
async fn fetch(set: UidSet, detail: Detail, server: impl AsyncFnOnce(&mut Peer)) -> Fetched {
    let (mut session, mut peer) = session().await;
    let part = async {
        peer.expect_start("UID FETCH ").await;
        server(&mut peer).await;
    };
    tokio::join!(session.fetch(&set, detail), part).0
}

/// The same where the server says these lines, then OK.
async fn lines(set: UidSet, detail: Detail, untagged: &[u8]) -> Vec<RawLetter> {
    let server = async |peer: &mut Peer| {
        peer.send_bytes(untagged).await;
        peer.send("{tag} OK done\r\n").await;
    };
    fetch(set, detail, server).await.unwrap()
}

fn uids(letters: &[RawLetter]) -> Vec<u32> {
    letters.iter().filter_map(|l| l.uid).collect()
}

fn subjects(letters: &[RawLetter]) -> Vec<String> {
    let text = |l: &RawLetter| String::from_utf8_lossy(l.header.as_deref().unwrap_or(b"-")).trim().to_owned();
    letters.iter().map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn the_commands_to_the_byte() {
    let (mut session, mut peer) = session().await;
    let cases = [
        (UidSet::Range(4, 9), Detail::Brief, format!("UID FETCH 4:9 {BRIEF}")),
        (UidSet::From(4), Detail::Brief, format!("UID FETCH 4:* {BRIEF}")),
        (UidSet::These(vec![4, 5, 6, 9]), Detail::Header, format!("UID FETCH 4:6,9 {HEADER}")),
        (UidSet::These(vec![4]), Detail::WholeHeader, "UID FETCH 4 (UID BODY.PEEK[HEADER])".to_owned()),
        (UidSet::These(vec![4, 6]), Detail::Structure, "UID FETCH 4,6 (UID BODYSTRUCTURE)".to_owned()),
    ];
    for (set, detail, line) in cases {
        assert_eq!(tokio::join!(session.fetch(&set, detail), peer.answer(&line, "")).0.unwrap(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_letter() {
    let line = b"* 3 FETCH (UID 4 FLAGS (\\Seen $Junk) INTERNALDATE \" 4-Jan-2015 16:53:35 +0800\" RFC822.SIZE 2048 \
                 BODY[HEADER.FIELDS (DATE FROM)] {16}\r\nSubject: a\r\n)(\r\n MODSEQ (9))\r\n";
    let expected = RawLetter {
        uid: Some(4),
        seen: Some(true),
        internal_date: Some(Timestamp(1_420_361_615_000)),
        size: Some(2048),
        header: Some(b"Subject: a\r\n)(\r\n".to_vec()),
        parts: Vec::new(),
    };
    assert_eq!(lines(UidSet::These(vec![4]), Detail::Header, line).await, [expected]);
}

/// As Dovecot says it; one that makes no sense costs only itself, and one that is nested without end neither the stack.
#[tokio::test(start_paused = true)]
async fn parts_as_servers_describe_them() {
    let deep = format!("* 5 FETCH (UID 6 BODYSTRUCTURE {}{})\r\n", "(".repeat(5000), ")".repeat(5000));
    let line = "* 3 FETCH (UID 4 BODYSTRUCTURE ((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 5 1 NIL NIL NIL NIL)\
                (\"IMAGE\" \"PNG\" (\"name\" \"a.png\") \"<id@x>\" NIL \"base64\" 780 NIL (\"inline\" (\"FileName*\" \"utf-8''a.png\")) \
                NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL NIL NIL))\r\n* 4 FETCH (UID 5 BODYSTRUCTURE (\"text\"))\r\n";
    let found = lines(UidSet::These(vec![4, 5, 6]), Detail::Structure, format!("{line}{deep}").as_bytes()).await;
    let described: Vec<_> = found.iter().filter(|letter| !letter.parts.is_empty()).cloned().collect();
    assert_eq!(uids(&described), [4]);
    let [text, image] = found[0].parts.as_slice() else { panic!("{:?}", found[0].parts) };
    assert_eq!(
        (text.mime.as_str(), text.octets, text.within.as_slice()),
        ("text/plain", 5, &["multipart/mixed".to_owned()][..])
    );
    assert_eq!(
        (image.mime.as_str(), image.encoding.as_str(), image.octets, image.has_id),
        ("image/png", "base64", 780, true)
    );
    assert_eq!(image.parameters, [("name".to_owned(), b"a.png".to_vec())]);
    assert_eq!(image.disposition.as_deref(), Some("inline"));
    assert_eq!(image.disposition_parameters, [("filename*".to_owned(), b"utf-8''a.png".to_vec())]);
}

#[tokio::test(start_paused = true)]
async fn answers_about_others_are_left_out() {
    let other = b"* 9 FETCH (UID 3 FLAGS ())\r\n* 2 FETCH (FLAGS (\\Seen))\r\n* 3 FETCH (UID 12 FLAGS ())\r\n\
                  * 4 FETCH (UID 5 FLAGS ())\r\n* 1 FETCH (UID 0)\r\n";
    assert_eq!(uids(&lines(UidSet::Range(4, 9), Detail::Brief, other).await), [5]);
    assert_eq!(uids(&lines(UidSet::From(5), Detail::Brief, other).await), [5, 12]);
    // `n:*` answers the last letter even where n is above it (RFC 3501 6.4.8).
    assert!(lines(UidSet::From(20), Detail::Brief, other).await.is_empty());
    assert_eq!(uids(&lines(UidSet::These(vec![3, 12]), Detail::Brief, other).await), [3, 12]);
}

#[tokio::test(start_paused = true)]
async fn one_letter_in_several_lines_is_one() {
    let untagged = b"* 1 FETCH (UID 4 FLAGS ())\r\n* 2 FETCH (UID 5 RFC822.SIZE 7)\r\n\
        * 1 FETCH (BODY[HEADER.FIELDS (DATE)] {3}\r\na:b UID 4)\r\n* 1 FETCH (UID 4 RFC822.SIZE 9 FLAGS (\\Seen))\r\n";
    let letters = lines(UidSet::Range(4, 5), Detail::Header, untagged).await;
    assert_eq!(uids(&letters), [4, 5]);
    assert_eq!((letters[0].size, letters[0].seen, letters[1].size), (Some(9), Some(true), Some(7)));
    assert_eq!(subjects(&letters), ["a:b", "-"]);
}

#[tokio::test(start_paused = true)]
async fn news_in_every_place_do_no_harm() {
    let news = b"* 4 EXISTS\r\n* 1 RECENT\r\n* 2 EXPUNGE\r\n* VANISHED (EARLIER) 1:3\r\n* VANISHED 2\r\n* 1 FETCH (FLAGS ())\r\n\
                 * OK [ALERT] x\r\n* NO y\r\n* BAD z\r\n* STATUS b (UIDNEXT 3)\r\n* LIST () \"/\" c\r\n* ODD\r\nM0 OK old\r\n\r\n";
    let untagged = [news, &b"* 3 FETCH (UID 4 BODY[HEADER.FIELDS (DATE)] {3}\r\na:b)\r\n"[..], news].concat();
    assert_eq!(subjects(&lines(UidSet::From(4), Detail::Header, &untagged).await), ["a:b"]);
}

#[tokio::test(start_paused = true)]
async fn headers_in_every_form() {
    let untagged = b"* 1 FETCH (UID 4 BODY[HEADER.FIELDS (DATE)] NIL)\r\n\
        * 2 FETCH (UID 5 BODY[HEADER.FIELDS (DATE)] \"Subject: \\\"q\\\"\")\r\n\
        * 3 FETCH (UID 6 BODY[HEADER.FIELDS (\"DATE\" \"FROM\")] {0}\r\n)\r\n\
        * 4 FETCH (UID 7 BODY[HEADER] {3}\r\na:b)\r\n\
        * 5 FETCH (UID 8 RFC822.HEADER {3}\r\nc:d)\r\n";
    let letters = lines(UidSet::From(4), Detail::Header, untagged).await;
    assert_eq!(letters.iter().map(|l| l.header.is_some()).collect::<Vec<_>>(), [false, true, true, true, true]);
    assert!(subjects(&letters)[1].contains('q'));
    assert_eq!(subjects(&letters)[2..], ["", "a:b", "c:d"]);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_cannot_be_read_costs_that_letter() {
    let untagged = b"* 1 FETCH (UID 4 BODY[HEADER] {3}\r\na:b)\r\n\
        * 2 FETCH (UID 5 INTERNALDATE NIL BODY[HEADER] {3}\r\na:b)\r\n\
        * 3 FETCH (UID 6 BODY[HEADER] {3}\r\nc:d)\r\n";
    assert_eq!(uids(&lines(UidSet::From(4), Detail::Header, untagged).await), [4, 6]);
}

/// In a list of what is there a letter must not be missing, or the mark runs over it.
#[tokio::test(start_paused = true)]
async fn a_list_is_whole_even_where_lines_cannot_be_read() {
    let (mut session, mut peer) = session().await;
    let part = async {
        let odd = "* 1 FETCH (UID 4 FLAGS () RFC822.SIZE 7)\r\n* 2 FETCH (UID 5 INTERNALDATE NIL FLAGS (\\Seen))\r\n\
                   * 3 FETCH (UID 6 RFC822.SIZE 9.3736e+06 FLAGS ())\r\n* 4 FETCH (UID 7 RFC822.SIZE -1)\r\n";
        peer.answer(&format!("UID FETCH 4:9 {BRIEF}"), odd).await;
        let flags = "* 1 FETCH (UID 4 FLAGS ())\r\n* 2 FETCH (UID 5 FLAGS (\\Seen))\r\n* 3 FETCH (UID 6 FLAGS ())\r\n\
                     * 4 FETCH (UID 7 FLAGS (()))\r\n";
        peer.answer("UID FETCH 4:9 (UID FLAGS)", flags).await;
        let plain = "* 1 FETCH (UID 4)\r\n* 2 FETCH (UID 5)\r\n* 3 FETCH (UID 6)\r\n* 4 FETCH (UID 7)\r\n";
        peer.answer("UID FETCH 4:9 (UID)", plain).await;
    };
    let letters = tokio::join!(session.fetch(&UidSet::Range(4, 9), Detail::Brief), part).0.unwrap();
    assert_eq!(uids(&letters), [4, 5, 6, 7]);
    assert_eq!((letters[0].size, letters[1].seen, letters[3].seen), (Some(7), Some(true), None));
}

#[tokio::test(start_paused = true)]
async fn refused_is_never_nothing() {
    let some = "* 1 FETCH (UID 4 FLAGS ())\r\n";
    for (answer, no) in [("NO [SERVERBUG] x", true), ("NO", true), ("BAD UID parameters!", false), ("BAD", false)] {
        // A refused list is asked for less, and then the refusal stands.
        let server = async |peer: &mut Peer| {
            let refusal = format!("{some}{{tag}} {answer}\r\n");
            peer.send(&refusal).await;
            for _ in 0..2 {
                peer.expect_start("UID FETCH 4:*").await;
                peer.send(&refusal).await;
            }
        };
        let error = fetch(UidSet::From(4), Detail::Brief, server).await.unwrap_err();
        match error {
            ImapError::No { command: "UID FETCH", .. } => assert!(no, "{answer}"),
            ImapError::Bad { command: "UID FETCH", .. } => assert!(!no, "{answer}"),
            other => panic!("{answer}: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_in_the_middle_is_never_ok() {
    let pieces = ["", "* 1 FE", "* 1 FETCH (UID 4 FLAGS ())\r\n", "* 1 FETCH (UID 4 BODY[HEADER] {9}\r\na:b"];
    for piece in pieces {
        let (mut session, mut peer) = session().await;
        let part = async move {
            peer.expect_start("UID FETCH ").await;
            peer.send(piece).await;
        };
        let fetched = tokio::join!(session.fetch(&UidSet::From(4), Detail::Header), part).0;
        assert!(matches!(fetched, Err(ImapError::Lost(_))), "{piece}: {fetched:?}");
        let (mut session, mut peer) = super::session().await;
        let part = async move {
            peer.expect_start("UID FETCH ").await;
            peer.send(&format!("* BYE AccessTokenExpired\r\n{piece}")).await;
        };
        let fetched = tokio::join!(session.fetch(&UidSet::From(4), Detail::Header), part).0;
        assert_eq!(fetched, Err(ImapError::Bye("AccessTokenExpired".to_owned())), "{piece}");
        // What comes after an end is an end too.
        assert!(session.noop().await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn bye_and_a_completion_are_told_apart_in_order() {
    let (mut session, mut peer) = session().await;
    let part = async move {
        peer.expect_start("UID FETCH ").await;
        peer.send("* 1 FETCH (UID 4 FLAGS ())\r\n* BYE later\r\n{tag} OK done\r\n").await;
    };
    let fetched = tokio::join!(session.fetch(&UidSet::From(4), Detail::Brief), part).0;
    assert_eq!(uids(&fetched.unwrap()), [4]);
    assert_eq!(session.noop().await, Err(ImapError::Bye("later".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn limits_of_memory() {
    let announced = ["2147483648", "4294967295", "536870911", "18446744073709551616", "1048577"];
    for size in announced {
        let server = async |peer: &mut Peer| peer.send(&format!("* 1 FETCH (UID 4 BODY[HEADER] {{{size}}}\r\n")).await;
        let error = fetch(UidSet::From(4), Detail::Header, server).await.unwrap_err();
        assert!(matches!(error, ImapError::Protocol(_)), "{size}: {error:?}");
    }
    let endless = async |peer: &mut Peer| {
        let piece = [b'x'; 65_536];
        peer.send("* 1 FETCH (UID 4 X-").await;
        for _ in 0..17 {
            peer.send_bytes(&piece).await;
        }
    };
    let error = fetch(UidSet::From(4), Detail::Header, endless).await.unwrap_err();
    assert!(matches!(error, ImapError::Protocol(_)), "{error:?}");
    let deep = format!("* 1 FETCH (UID 4 BODYSTRUCTURE {})\r\n", "(".repeat(100_000));
    assert!(lines(UidSet::From(4), Detail::Header, deep.as_bytes()).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_byte_at_a_time() {
    let (mut session, mut peer) = session().await;
    peer.trickle();
    let gbk = encoding_rs::GBK.encode("主题: 会议").0.into_owned();
    let part = async {
        peer.expect_start("UID FETCH ").await;
        let line = format!("* 1 FETCH (UID 4 BODY[HEADER] {{{}}}\r\n", gbk.len());
        peer.send_bytes(&[line.as_bytes(), &gbk, b" FLAGS (\\Seen))\r\n* 5 EXISTS\r\n"].concat()).await;
        peer.send("{tag} OK done\r\n").await;
    };
    let letters = tokio::join!(session.fetch(&UidSet::From(4), Detail::Header), part).0.unwrap();
    assert_eq!((letters[0].header.as_deref(), letters[0].seen), (Some(&gbk[..]), Some(true)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_may_be_slow_as_long_as_it_goes_on() {
    let slow = async |peer: &mut Peer| {
        for uid in 4..9 {
            tokio::time::sleep(secs(50)).await;
            peer.send(&format!("* 1 FETCH (UID {uid} FLAGS ())\r\n")).await;
        }
        peer.send("{tag} OK\r\n").await;
    };
    assert_eq!(fetch(UidSet::From(4), Detail::Brief, slow).await.unwrap().len(), 5);
    let began = Instant::now();
    let dripping = async |peer: &mut Peer| {
        let drips = async {
            for byte in b"* 1 FETCH (UID 4 FLAGS ())\r\n".iter().cycle() {
                if *byte != b'\n' {
                    peer.send_bytes(&[*byte]).await;
                }
                tokio::time::sleep(secs(5)).await;
            }
        };
        let _ = timeout(secs(100), drips).await;
    };
    let error = fetch(UidSet::From(4), Detail::Brief, dripping).await.unwrap_err();
    assert!(matches!(error, ImapError::Timeout { step: "UID FETCH", .. }), "{error:?}");
    assert_eq!(began.elapsed(), secs(100), "the script's own end; the command ended before");
}

#[tokio::test(start_paused = true)]
async fn a_folder_of_ten_thousand_letters() {
    let all: String = (1..=10_000).map(|n| format!("* {n} FETCH (UID {} FLAGS ())\r\n", n * 3)).collect();
    let letters = lines(UidSet::From(1), Detail::Brief, all.as_bytes()).await;
    assert_eq!((letters.len(), letters[9_999].uid), (10_000, Some(30_000)));
}
