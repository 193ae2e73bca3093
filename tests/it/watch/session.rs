//! Worker and session together, over the wire: a whole life of an account, word by word.

use crate::support::desk::Watch;
use crate::support::mailbox::header;
use crate::support::secs;
use crate::support::server::{Peer, PipeDial};
use mailbell::imap::ImapSource;
use std::sync::Arc;
use tokio::time::{Instant, timeout, timeout_at};

/// All that an account's watch may ever say: none of it changes anything in the mailbox.
const HARMLESS: [&str; 11] = [
    "CAPABILITY",
    "LOGIN ",
    "ID (",
    "LIST ",
    "EXAMINE ",
    "STATUS ",
    "UID FETCH ",
    "UID SEARCH ",
    "NOOP",
    "IDLE",
    "LOGOUT",
];

/// Fails if the client said anything that changes a mailbox: another command, or a FETCH that sets \Seen.
fn assert_untouched(conversation: &str) {
    let mut commands = 0;
    for line in conversation.lines().filter_map(|line| line.strip_prefix("C: ")) {
        if line == "DONE" || line == "(closed)" {
            continue;
        }
        commands += 1;
        let command = line.split_once(' ').map_or(line, |(_, command)| command);
        assert!(HARMLESS.iter().any(|word| command.starts_with(word)), "{line}");
        let fetched = command.replace("BODY.PEEK[", "").replace("RFC822.SIZE", "");
        assert!(!fetched.contains("BODY[") && !fetched.contains("RFC822") && !fetched.contains("BINARY["), "{line}");
    }
    assert!(commands > 0);
}

/// A letter as the small server keeps it.
struct Kept {
    uid: u32,
    id: &'static str,
    /// Its line as a list item cannot be read (`INTERNALDATE NIL`).
    odd: bool,
    /// A list of header fields of it comes back empty.
    shy: bool,
}

/// A server of one folder and an empty second one.
#[derive(Default)]
struct Small {
    uid_validity: u32,
    letters: Vec<Kept>,
    /// Refuses header FETCHes of several letters.
    strict: bool,
}

impl Small {
    fn arrive(&mut self, id: &'static str) -> &mut Kept {
        let uid = self.letters.last().map_or(1, |l| l.uid + 1);
        self.letters.push(Kept { uid, id, odd: false, shy: false });
        self.letters.last_mut().unwrap()
    }

    /// The answer to a command, with `{tag}` for its tag.
    fn answer(&self, command: &str) -> String {
        let (exists, next) = (self.letters.len(), self.letters.last().map_or(1, |l| l.uid + 1));
        let validity = self.uid_validity;
        if command.starts_with("EXAMINE \"INBOX\"") {
            let codes = format!("* OK [UIDVALIDITY {validity}] x\r\n* OK [UIDNEXT {next}] x\r\n");
            return format!("* {exists} EXISTS\r\n{codes}{{tag}} OK [READ-ONLY] done\r\n");
        }
        if command.starts_with("EXAMINE ") {
            return "* 0 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 1] x\r\n{tag} OK done\r\n".to_owned();
        }
        if command.starts_with("STATUS ") {
            return "* STATUS \"a\" (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 1)\r\n{tag} OK done\r\n".to_owned();
        }
        if command.starts_with("LIST ") {
            return "* LIST () \"/\" INBOX\r\n* LIST () \"/\" a\r\n{tag} OK done\r\n".to_owned();
        }
        if command.starts_with("UID SEARCH ") {
            let uids: Vec<_> = self.letters.iter().map(|l| l.uid.to_string()).collect();
            return format!("* SEARCH {}\r\n{{tag}} OK done\r\n", uids.join(" "));
        }
        match command.strip_prefix("UID FETCH ") {
            Some(rest) => self.fetch(rest),
            None => "{tag} OK done\r\n".to_owned(),
        }
    }

    fn fetch(&self, rest: &str) -> String {
        let (set, items) = rest.split_once(' ').unwrap();
        let asked = |uid: u32| {
            set.split(',').any(|part| {
                let (from, to) = part.split_once(':').unwrap_or((part, part));
                (from.parse().unwrap()..=to.parse().unwrap_or(u32::MAX)).contains(&uid)
            })
        };
        let found: Vec<_> = self.letters.iter().filter(|l| asked(l.uid)).collect();
        if self.strict && items.contains("HEADER") && found.len() > 1 {
            return "{tag} NO [SERVERBUG] cannot\r\n".to_owned();
        }
        let mut text = String::new();
        for letter in found {
            let mut said = format!("UID {}", letter.uid);
            if items.contains("INTERNALDATE") {
                let date = match letter {
                    Kept { odd: true, .. } => "NIL",
                    Kept { id: "old", .. } => "\" 1-Feb-2026 10:40:00 +0800\"",
                    _ => "\" 2-Feb-2026 10:40:00 +0800\"",
                };
                said.push_str(&format!(" FLAGS () INTERNALDATE {date} RFC822.SIZE 99"));
            }
            if items.contains("HEADER") {
                let shy = letter.shy && items.contains("HEADER.FIELDS");
                let header = if shy { "\r\n".to_owned() } else { header(letter.id) };
                said.push_str(&format!(" BODY[HEADER] {{{}}}\r\n{header}", header.len()));
            }
            text.push_str(&format!("* {0} FETCH ({said})\r\n", letter.uid));
        }
        text + "{tag} OK done\r\n"
    }

    /// Answers for so long.
    async fn serve(&self, peer: &mut Peer, length: std::time::Duration) {
        let until = Instant::now() + length;
        while let Ok(command) = timeout_at(until, peer.command()).await {
            match command.as_deref() {
                None => return,
                Some("IDLE") => peer.send("+ idling\r\n").await,
                Some("DONE") => peer.send("{tag} OK Idle completed\r\n").await,
                Some(command) => peer.send(&self.answer(command)).await,
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_life_leaves_the_mailbox_untouched() {
    let watch = Watch::of(&["INBOX", "a*"]);
    let dial = PipeDial::default();
    let source = ImapSource::new(Arc::new(dial.clone()), watch.imap);
    let mut small = Small { uid_validity: 7, ..Small::default() };
    small.arrive("old");
    let story = async {
        let mut peer = dial.accept().await;
        peer.log_in("IDLE ID").await;
        small.serve(&mut peer, secs(20)).await;
        assert!(watch.subjects().await.is_empty());
        // A push of several letters, odd in every way.
        small.arrive("plain");
        small.arrive("odd").odd = true;
        small.arrive("shy").shy = true;
        small.strict = true;
        peer.send("* 4 EXISTS\r\n").await;
        small.serve(&mut peer, secs(20)).await;
        assert_eq!(watch.subjects().await, ["plain", "odd", "shy"]);
        // Renewals, NOOPs and sweeps, then an end.
        small.serve(&mut peer, secs(600)).await;
        assert!(peer.conversation().contains("NOOP") && peer.conversation().contains("STATUS"));
        peer.send("* BYE shutting down\r\n").await;
        assert_untouched(&peer.conversation());
        drop(peer);
        // Numbered anew: SEARCH, and what is known already is no news.
        small.uid_validity = 8;
        small.arrive("after");
        let mut peer = dial.accept().await;
        peer.log_in("").await;
        small.serve(&mut peer, secs(20)).await;
        assert_eq!(watch.subjects().await, ["after"]);
        assert!(peer.conversation().contains("UID SEARCH"), "{}", peer.conversation());
        small.serve(&mut peer, secs(400)).await;
        assert_untouched(&peer.conversation());
    };
    watch.during(source, timeout(secs(7200), story)).await.unwrap();
}

#[test]
fn touching_words_are_noticed() {
    for line in ["M1 SELECT INBOX", "M1 UID STORE 1 +FLAGS (\\Seen)", "M1 APPEND x", "M1 UID FETCH 1 (BODY[HEADER])"] {
        let noticed = std::panic::catch_unwind(|| assert_untouched(&format!("C: M0 NOOP\nC: {line}")));
        assert!(noticed.is_err(), "{line}");
    }
    assert_untouched("C: M1 UID FETCH 1 (UID RFC822.SIZE BODY.PEEK[HEADER])\nC: DONE\nC: (closed)");
}

/// EXISTS that comes while something else is asked is found without waiting for the next sweep.
#[tokio::test(start_paused = true)]
async fn a_letter_that_comes_in_the_middle_of_a_sync_is_not_left_lying() {
    let watch = Watch::new();
    let dial = PipeDial::default();
    let source = ImapSource::new(Arc::new(dial.clone()), watch.imap);
    let mut small = Small { uid_validity: 7, ..Small::default() };
    let story = async {
        let mut peer = dial.accept().await;
        peer.log_in("IDLE").await;
        small.serve(&mut peer, secs(20)).await;
        small.arrive("one");
        peer.send("* 1 EXISTS\r\n").await;
        peer.expect_raw(b"DONE").await;
        peer.send("{tag} OK\r\n").await;
        let examine = peer.command().await.unwrap();
        peer.send(&small.answer(&examine)).await;
        let fetch = peer.command().await.unwrap();
        assert!(fetch.starts_with("UID FETCH 1:1"), "{fetch}");
        peer.send("* 2 EXISTS\r\n").await;
        peer.send(&small.answer(&fetch)).await;
        small.arrive("two");
        small.serve(&mut peer, secs(20)).await;
        assert_eq!(watch.subjects().await, ["one", "two"]);
    };
    watch.during(source, timeout(secs(7200), story)).await.unwrap();
}
