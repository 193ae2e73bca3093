//! Lines that async-imap's parser fails at, panics at or dies of, and other odd ones, at every place of a whole session:
//! each costs itself, at worst the session.
//!
//! The rows are those of imap-servers H.1 and of crates 2, "Failures found", that can come from a server. Where the
//! other rows of build line 5 are tried:
//!
//! - SELECT refused until ID: `watch/quirks.rs`; ID answered BAD, its bytes: `login.rs`
//! - no UIDNEXT, `STATUS ()`: `look.rs`; UIDNEXT 0 or going down, UIDVALIDITY changed, 0 or equal in two folders, sparse
//!   UIDs, letters that are announced before they are there: `watch/quirks.rs`, `watch/arrive.rs`
//! - unsolicited FETCH, EXPUNGE, VANISHED: here, `fetch.rs`, `idle.rs`; EXISTS before `+`, NO to IDLE: `idle.rs`
//! - Chinese texts, UTF-8 and GBK: here, `words.rs`, `login.rs`; folder names: `look.rs`, `notify.rs`, `many.rs`
//! - 10,000 folders: `look.rs`, `many.rs`; huge literals and endless lines: here, `fetch.rs`, `watch/quirks.rs`

use super::whole::{Kind, Twist, live};
use crate::support::secs;
use mailbell::imap::ImapError;

/// Lines that cost nothing but themselves.
fn harmless() -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = [
        // imap-servers H.1
        "* NAMESPACE",
        "* ESEARCH (TAG \"a\") UID ALL 1:3",
        "* XLIST (\\Inbox) \"/\" INBOX",
        "* XODD whatever (1 2",
        "* LIST",
        "* LIST (\\Marked \"/\" x",
        "* LSUB () \"/\" x",
        "* ID ()",
        "* 1 FETCH (UID 2 BINARY[1] {1}\r\nx)",
        "* 1 FETCH ()",
        "* 1 FETCH (UID 2 ENVELOPE (NIL \"a\" NIL NIL NIL NIL NIL NIL NIL))",
        "* 1 FETCH (UID 2 ENVELOPE (NIL \"a\" ((NIL NIL \"x\" \"sina.com\\\")) NIL NIL NIL NIL NIL NIL NIL))",
        "* 1 FETCH (UID 2 RFC822.SIZE -1)",
        "* 1 FETCH (UID 2 RFC822.SIZE 9.3736e+06)",
        "* 1 FETCH (UID 2 PREVIEW \"好\" EMAILID (M1) THREADID NIL)",
        "* 1 FETCH (UID 2 MODSEQ (5) FLAGS ())",
        "* STATUS other (SIZE 5 DELETED 1 MAILBOXID (F9))",
        "* STATUS \"INBOX\" ()",
        "[COPYUID 1 2 3]",
        "",
        // crates 2
        "* 1 FETCH (UID 2 INTERNALDATE NIL)",
        "* 1 FETCH (UID 2 INTERNALDATE \"4-Jan-2015 16:53:35 +0800\")",
        "* -1 EXISTS",
        "* NO disk 90% full",
        "* BAD",
        "* OK [ALERT]邮箱空间不足",
        "* NO [TRYCREATE]好",
        "* OK [UIDNEXT 好] x",
        "* OK [X-ODD",
        "* SEARCH 1 2 (MODSEQ 9) x",
        "* OK",
        "* VANISHED (EARLIER) 1:3",
        "* VANISHED 2",
        "* 2 FETCH (FLAGS (\\Seen))",
        "* 2 FETCH (UID 2 FLAGS (\\Seen))",
        "* 0 RECENT",
        "* FLAGS (\\Seen 好)",
        "* ENABLED CONDSTORE",
        "* QUOTA \"\" (STORAGE 10 512)",
        "M0 OK old",
        "M0 NO old",
        "M999999 BAD not yet",
        "* 1 FETCH (UID 2 BODYSTRUCTURE (\"text\" \"plain\" (\"name\" \"a\\b\") NIL NIL \"7bit\" NIL 1))",
        "* 1 FETCH (UID 2 BODYSTRUCTURE ((\"text\" \"plain\" () NIL NIL \"7bit\" 1 1) \"mixed\"))",
        "* 1 FETCH (UID 2 BODY[HEADER] \"a\" BODY[TEXT] ~{1}\r\nx)",
    ]
    .iter()
    .map(|line| format!("{line}\r\n").into_bytes())
    .collect();
    lines.push(b"* 1 RECENT\n".to_vec());
    let gbk = |text: &str| encoding_rs::GBK.encode(text).0.into_owned();
    lines.push([b"* NO ", &gbk("空间不足")[..], b"\r\n"].concat());
    lines.push([b"* OK [ALERT]", &gbk("登录失败")[..], b"\r\n"].concat());
    lines.push(
        [b"* 1 FETCH (UID 2 BODYSTRUCTURE (\"text\" \"plain\" (\"name\" \"", &gbk("附件")[..], b"\")))\r\n"].concat(),
    );
    lines.push([b"* ", &[0xff, 0xfe, 0, 1, 2][..], b"\r\n"].concat());
    for deep in [60, 400, 100_000] {
        let nested = format!("* 1 FETCH (UID 2 BODYSTRUCTURE {}{})\r\n", "(".repeat(deep), ")".repeat(deep));
        lines.push(nested.into_bytes());
    }
    lines
}

/// Steps whose answer may be told unreadable for a line that was dropped: UID SEARCH, where the odd line may have been
/// the answer itself (ESEARCH unasked), or hold what look like results.
const MAY_DOUBT: &str = "search";

#[tokio::test(start_paused = true)]
async fn an_odd_line_at_any_place_costs_itself() {
    let whole = live(Twist::default()).await;
    for odd in harmless() {
        let shown: String = String::from_utf8_lossy(&odd).chars().take(80).collect();
        // The greeting is a place of its own: nothing may come before it.
        for at in 1..whole.lines {
            let told = live(Twist { at, kind: Kind::Say(odd.clone()) }).await;
            assert_eq!(told.end, None, "{shown:?} before line {at}");
            assert_eq!(told.steps.len(), whole.steps.len());
            for (step, golden) in told.steps.iter().zip(&whole.steps) {
                assert!(step == golden || step.0 == MAY_DOUBT, "{shown:?} before line {at}: {step:?}");
            }
            assert!(told.took < secs(3), "{shown:?} before line {at}");
        }
        let first = live(Twist { at: 0, kind: Kind::Say(odd) }).await;
        assert!(first.end.is_none() || matches!(first.end, Some(ImapError::Protocol(_))), "{shown:?}: {first:?}");
    }
}

/// These mean something, so results may differ; but no step fails.
#[tokio::test(start_paused = true)]
async fn lines_out_of_place_fail_nothing() {
    let lines = [
        "* 1 EXPUNGE\r\n",
        "* 3 EXPUNGE\r\n* 3 EXPUNGE\r\n",
        "* 0 EXISTS\r\n",
        "* 4294967295 EXISTS\r\n",
        "* LIST () \"/\" x (\"OLDNAME\" (\"y\"))\r\n",
        "* LIST () \"/\" x y (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n",
        "* STATUS a (MESSAGES 9 SIZE 3 UIDNEXT 0 UIDVALIDITY 0)\r\n",
        "* OK [UIDNEXT 0] x\r\n* OK [UIDVALIDITY 0] x\r\n",
        "* OK [NOTIFICATIONOVERFLOW] x\r\n",
        "* 1 FETCH (UID 4 FLAGS (\\Seen))\r\n",
        "* SEARCH\r\n",
        "* SEARCH 1 2 3\r\n",
        "* CAPABILITY  IMAP4rev2  IDLE\r\n",
    ];
    let whole = live(Twist::default()).await;
    for odd in lines {
        for at in 1..whole.lines {
            let told = live(Twist { at, kind: Kind::Say(odd.as_bytes().to_vec()) }).await;
            assert_eq!(told.end, None, "{odd:?} before line {at}");
            let failed: Vec<_> = told.steps.iter().filter(|(_, told)| !told.starts_with("Ok(")).collect();
            assert!(failed.is_empty(), "{odd:?} before line {at}: {failed:?}");
        }
    }
}

/// What would take memory ends the session at once, with a reason.
#[tokio::test(start_paused = true)]
async fn what_is_too_large_ends_the_session_at_any_place() {
    let whole = live(Twist::default()).await;
    let large = [
        (b"* 1 FETCH (UID 2 BODY[] {2147483648}\r\n".to_vec(), "2147483648"),
        (b"* STATUS {4294967295}\r\n".to_vec(), "4294967295"),
        (b"* LIST () \"/\" {500000000}\r\n".to_vec(), "500000000"),
        ([b"* 1 FETCH (UID 2 X", &[b'x'; 1_100_000][..]].concat(), "line"),
        ([b"* OK ", &[b'x'; 1_100_000][..]].concat(), "line"),
    ];
    for (odd, word) in large {
        for at in 1..whole.lines - 2 {
            let told = live(Twist { at, kind: Kind::Say(odd.clone()) }).await;
            let reason = told.end.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(matches!(told.end, Some(ImapError::Protocol(_))) && reason.contains(word), "line {at}: {reason}");
            assert_eq!(told.steps, whole.steps[..told.steps.len()], "line {at}");
        }
    }
}
