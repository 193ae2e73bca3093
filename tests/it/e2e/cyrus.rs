//! mailbell on a real Cyrus: no NOTIFY before 3.10, names with dots below `INBOX.`, MAILBOXID.

use super::world::{Setup, World, address};
use crate::support::cyrus::{Cyrus, Talk};
use crate::support::proxy::Proxy;
use std::time::{Duration, Instant};

/// A Cyrus with a user, and a world that watches there; the proxy's port is between them if given.
async fn world(account: &str, imap: &str, through: Option<u16>) -> Option<(Cyrus, World, Talk)> {
    let cyrus = Cyrus::start().await?;
    // The first login makes the mailbox.
    let talk = cyrus.talk(&address("zhangsan")).await;
    let server = Some(cyrus.provider(through.unwrap_or(cyrus.imaps_port())));
    let (account, imap) = (account.to_owned(), imap.to_owned());
    let world = World::new(Setup { users: vec!["zhangsan"], account, imap, server, ..Setup::default() }).await;
    Some((cyrus, world, talk))
}

fn mail(subject: &str) -> Vec<u8> {
    let id = subject.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("From: lisi@partner.example\r\nSubject: {subject}\r\nMessage-ID: <{id}@x>\r\n\r\nx\r\n").into_bytes()
}

async fn deliver(cyrus: &Cyrus, subject: &str) {
    cyrus.deliver(&address("zhangsan"), &mail(subject)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_announced_at_once() {
    let Some((cyrus, mut world, _talk)) = world("", "", None).await else { return };
    world.run().await;
    let began = Instant::now();
    deliver(&cyrus, "first-push").await;
    world.sees("zhangsan", &["first-push"]).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

/// The proxy delays what both sides say, so that the time between DONE and the next IDLE is long; letters arrive just
/// then.
#[tokio::test(flavor = "multi_thread")]
async fn letters_during_a_renewal_are_announced_once() {
    let proxy = Proxy::new();
    let Some((cyrus, mut world, _talk)) = world("", "idle_renew = \"10s\"", Some(proxy.port())).await else { return };
    proxy.lead_to(cyrus.imaps_port());
    world.run().await;
    proxy.set_latency(Duration::from_millis(200), Duration::from_millis(200));
    let said = || proxy.came()[0].from_client;
    let before = said();
    world.until("the renewal", async || said() > before).await;
    let subjects: Vec<_> = (0..15).map(|n| format!("renewal-{n:02}.")).collect();
    for subject in &subjects {
        deliver(&cyrus, subject).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let words: Vec<_> = subjects.iter().map(String::as_str).collect();
    world.sees("zhangsan", &words).await;
    assert_eq!(proxy.came().len(), 1, "one connection all the time");
}

/// 项目/归档 and 垃圾邮件 in modified UTF-7 (RFC 3501 section 5.1.3), as Cyrus names them.
const ARCHIVE: &str = "INBOX.&mHl27g-.&X1JoYw-";
const PROJECT: &str = "INBOX.&mHl27g-";
const RENAMED: &str = "INBOX.&mHl27k6M-";
const JUNK: &str = "INBOX.&V4NXPpCuTvY-";

#[tokio::test(flavor = "multi_thread")]
async fn folders_below_the_prefix_are_found_by_their_names_and_uses() {
    let account = r#"folders = ["INBOX", "项目/*", "\\Junk"]"#;
    let Some((cyrus, mut world, mut talk)) = world(account, "", None).await else { return };
    for folder in [PROJECT, ARCHIVE, "INBOX.other"] {
        talk.ask(&format!("CREATE \"{folder}\"")).await;
    }
    talk.ask(&format!("CREATE \"{JUNK}\" (USE (\\Junk))")).await;
    world.run().await;
    for (folder, subject) in [(ARCHIVE, "in-archive"), (JUNK, "in-junk"), ("INBOX.other", "in-other")] {
        talk.append(folder, &mail(subject)).await;
    }
    // A sync that a push starts looks at all folders.
    deliver(&cyrus, "in-inbox").await;
    world.sees("zhangsan", &["in-inbox", "in-archive", "in-junk"]).await;
    let text = world.chat_text("zhangsan").await;
    assert!(text.contains("项目/归档") && text.contains("垃圾邮件") && !text.contains("in-other"), "{text}");
}

async fn kill_imapd(cyrus: &Cyrus) {
    for id in cyrus.processes("imapd") {
        let killed = std::process::Command::new("kill").args(["-s", "KILL", &id.to_string()]).status();
        assert!(killed.unwrap().success());
    }
}

/// The folder keeps its MAILBOXID (RFC 8474) and takes its mark along. Between the letters the service begins anew, with
/// a look at all folders from outside, in which Cyrus tells any bytes as the MAILBOXID (3.6.1, 3.10.2).
#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_folder_misses_and_repeats_nothing() {
    let account = r#"folders = ["项目", "项目二", "INBOX"]"#;
    let Some((cyrus, mut world, mut talk)) = world(account, "", None).await else { return };
    talk.ask(&format!("CREATE \"{PROJECT}\"")).await;
    world.run().await;
    talk.append(PROJECT, &mail("before-it")).await;
    deliver(&cyrus, "inbox-one").await;
    world.sees("zhangsan", &["before-it", "inbox-one"]).await;
    world.stop().await;
    world.run().await;
    talk.append(PROJECT, &mail("under-the-old-name")).await;
    talk.ask(&format!("RENAME \"{PROJECT}\" \"{RENAMED}\"")).await;
    talk.append(RENAMED, &mail("under-the-new-name")).await;
    // Folders are listed anew in a new session, long before the sweep; a push brings the sync of all of them.
    kill_imapd(&cyrus).await;
    deliver(&cyrus, "inbox-two").await;
    let all = ["before-it", "inbox-one", "under-the-old-name", "under-the-new-name", "inbox-two"];
    world.sees("zhangsan", &all).await;
    deliver(&cyrus, "inbox-three").await;
    world.sees("zhangsan", &["inbox-three"]).await;
    world.sees("zhangsan", &all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_imapd_costs_nothing() {
    let Some((cyrus, mut world, _talk)) = world("", "", None).await else { return };
    world.run().await;
    for round in 1..=2 {
        deliver(&cyrus, &format!("before-{round}.")).await;
        kill_imapd(&cyrus).await;
        deliver(&cyrus, &format!("after-{round}.")).await;
        world.sees("zhangsan", &[&format!("before-{round}."), &format!("after-{round}.")]).await;
    }
    world.sees("zhangsan", &["before-1.", "after-1.", "before-2.", "after-2."]).await;
}
