//! No mailbox is ever changed: the scripted server fails every test in which a command could do so.

use crate::support::account;
use crate::support::server::{PipeDial, is_harmless};
use mailbell::imap::Dial;
use tokio::io::AsyncWriteExt;

#[test]
fn commands_that_change_something_are_known() {
    let touching = [
        "SELECT \"INBOX\"",
        "STORE 1 +FLAGS (\\Seen)",
        "UID STORE 1 +FLAGS (\\Seen)",
        "UID FETCH 1 (UID BODY[HEADER])",
        "UID FETCH 1 (UID BODY.PEEK[HEADER] BODY[TEXT])",
        "UID FETCH 1 RFC822",
        "UID FETCH 1 RFC822.TEXT",
        "UID FETCH 1 BINARY[1]",
        "FETCH 1 BODY[]",
        "APPEND x",
        "EXPUNGE",
        "CLOSE",
        "UID MOVE 1 x",
        "SUBSCRIBE x",
        "CREATE x",
        "NOTIFY NONE",
    ];
    for command in touching {
        assert!(!is_harmless(command), "{command}");
    }
    let harmless = "UID FETCH 1:2 (UID FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (DATE)])";
    assert!(is_harmless(harmless) && is_harmless("EXAMINE \"SELECT\"") && is_harmless("LIST \"\" \"BODY[\""));
}

#[tokio::test]
async fn the_scripted_server_fails_upon_them() {
    for (command, harmless) in [("SELECT INBOX", false), ("UID STORE 1 +FLAGS (\\Seen)", false), ("NOOP", true)] {
        let dial = PipeDial::default();
        let mut stream = dial.dial(&account().provider.server).await.unwrap();
        stream.write_all(format!("M1 {command}\r\n").as_bytes()).await.unwrap();
        let heard = tokio::spawn(async move { dial.accept().await.command().await }).await;
        assert_eq!(heard.is_ok(), harmless, "{command}");
    }
}
