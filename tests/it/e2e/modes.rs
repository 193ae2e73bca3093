//! How an account is watched on a real Dovecot: NOTIFY, IDLE with connections of their own, polling; and how soon
//! letters are announced then.

use super::world::{Setup, World, address};
use crate::support::proxy::Proxy;
use mailbell::demo::dovecot::{Options as DovecotOptions, find};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// What Dovecot 2.3 offers, without IDLE and NOTIFY: there nothing can be left out but by naming all the rest.
const THE_REST: &str = "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE SORT THREAD=REFERENCES MULTIAPPEND UNSELECT CHILDREN \
     NAMESPACE UIDPLUS LIST-EXTENDED CONDSTORE QRESYNC ESEARCH SEARCHRES WITHIN LIST-STATUS MOVE SPECIAL-USE LITERAL+";

/// A Dovecot that lacks NOTIFY, and IDLE too if so.
fn lacking(idle: bool) -> DovecotOptions {
    let extra = match (find().unwrap().1.is_from_2_4(), idle) {
        (true, true) => "imap_capability {\n  NOTIFY = no\n}".to_owned(),
        (true, false) => "imap_capability {\n  NOTIFY = no\n  IDLE = no\n}".to_owned(),
        (false, true) => format!("imap_capability = {THE_REST} IDLE"),
        (false, false) => format!("imap_capability = {THE_REST}"),
    };
    DovecotOptions { extra, ..DovecotOptions::default() }
}

/// A world of one account behind a proxy, with these folders beside the INBOX.
async fn world(dovecot: DovecotOptions, folders: &[&str], account: &str, connections: u32) -> (World, Proxy) {
    let proxy = Proxy::new();
    let limits = format!("logins_per_second_per_host = 1000\nconnections_per_account = {connections}");
    let imap = "poll_interval = \"72s\"".to_owned();
    let (users, through, account) = (vec!["zhangsan"], Some(proxy.port()), account.to_owned());
    let setup = Setup { users, dovecot, imap, account, through, limits: Some(limits), ..Setup::default() };
    let mut world = World::new(setup).await;
    proxy.lead_to(world.dovecot.imaps_port());
    for folder in folders {
        world.dovecot.doveadm(&["mailbox", "create", "-u", &address("zhangsan"), folder]).unwrap();
    }
    world.run().await;
    (world, proxy)
}

fn save(world: &World, folder: &str, subject: &str) {
    let id: String = subject.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mail = format!("From: a@b.example\r\nSubject: {subject}\r\nMessage-ID: <{id}@x>\r\n\r\nx\r\n");
    world.dovecot.doveadm_with(&["save", "-u", &address("zhangsan"), "-m", folder], mail.as_bytes()).unwrap();
}

/// Saves a letter in each folder, one after the other, and checks that each is announced within two seconds.
async fn each_within_two_seconds(world: &World, folders: &[&str], round: u32) {
    for (n, folder) in folders.iter().enumerate() {
        // The next sync of this user begins no sooner than `settle` after the last.
        tokio::time::sleep(SECOND).await;
        let subject = format!("letter-{round}-{n}.");
        let began = Instant::now();
        save(world, folder, &subject);
        world.sees("zhangsan", &[&subject]).await;
        assert!(began.elapsed() < SECOND * 2, "{folder}: {:?}", began.elapsed());
    }
}

/// The folders that the server tells of at once, as `status` has them.
fn pushed(world: &World) -> Vec<String> {
    let status = world.status("zhangsan");
    let told = status["folders"].as_array().unwrap().iter().filter(|folder| folder["pushed"] == true);
    told.map(|folder| folder["folder"].as_str().unwrap().to_owned()).collect()
}

/// Waits longer than is usual here.
async fn seen_after_long(world: &World, word: &str) {
    let began = Instant::now();
    while !world.chat_text("zhangsan").await.contains(word) {
        assert!(began.elapsed() < 90 * SECOND, "{word} is not seen: {}", world.status("zhangsan"));
        tokio::time::sleep(SECOND / 10).await;
    }
}

const FIVE: [&str; 5] = ["INBOX", "项目/甲", "项目/乙", "R&D", "客户 & 伙伴"];

#[tokio::test(flavor = "multi_thread")]
async fn notify_tells_of_five_folders_over_one_connection() {
    let account = r#"folders = ["INBOX", "项目/*", "R&D", "客户 & 伙伴"]"#;
    let (world, proxy) = world(DovecotOptions::default(), &FIVE[1..], account, 2).await;
    let status = world.status("zhangsan");
    assert_eq!(
        (&status["mode"], &status["state"], &status["connections"]),
        (&"notify".into(), &"watching".into(), &1.into())
    );
    assert!(status["folders"].as_array().unwrap().iter().all(|folder| folder["pushed"] == true), "{status}");
    each_within_two_seconds(&world, &FIVE, 1).await;
    each_within_two_seconds(&world, &FIVE[1..3], 2).await;
    assert_eq!((proxy.came().len(), proxy.open()), (1, 1), "one connection all the time");
    // Several folders at once.
    for folder in FIVE {
        save(&world, folder, &format!("burst-{}.", FIVE.iter().position(|f| *f == folder).unwrap()));
    }
    world.sees("zhangsan", &["burst-0.", "burst-1.", "burst-2.", "burst-3.", "burst-4."]).await;
}

const SUBSCRIPTIONS: &str = r#"
[[account.subscription]]
folders = ["INBOX", "项目/甲", "项目/乙"]
realtime = true
[[account.subscription]]
folders = ["归档"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn without_notify_real_time_folders_have_connections_of_their_own() {
    let (world, proxy) = world(lacking(true), &["项目/甲", "项目/乙", "归档"], SUBSCRIPTIONS, 3).await;
    world.until("three folders are told of", async || pushed(&world).len() == 3).await;
    let status = world.status("zhangsan");
    assert_eq!((&status["mode"], &status["state"]), (&"idle".into(), &"watching".into()), "{status}");
    assert!(status["connections"] == 3 && !pushed(&world).contains(&"归档".to_owned()), "{status}");
    each_within_two_seconds(&world, &["INBOX", "项目/甲", "项目/乙", "项目/甲"], 1).await;
    assert_eq!((proxy.came().len(), proxy.open()), (3, 3));
    // A connection of its own that is lost costs the account nothing.
    proxy.close_all();
    world.until("they come back", async || proxy.open() == 3).await;
    world.until("all are told of", async || pushed(&world).len() == 3).await;
    each_within_two_seconds(&world, &["项目/乙", "INBOX"], 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_connections_are_not_three() {
    let (world, proxy) = world(lacking(true), &["项目/甲", "项目/乙", "归档"], SUBSCRIPTIONS, 2).await;
    world.until("two folders are told of", async || pushed(&world).len() == 2).await;
    let told: Vec<_> = pushed(&world);
    each_within_two_seconds(&world, &[&told[0], &told[1]], 1).await;
    assert!(told.contains(&"INBOX".to_owned()), "{told:?}");
    assert_eq!(world.status("zhangsan")["connections"], 2);
    assert_eq!((proxy.came().len(), proxy.open()), (2, 2));
}

/// Folders without a connection under IDLE, and everything without push: the sweep and the poll, whose shortest time is
/// that of the budget.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_tells_of_is_found_in_time() {
    let swept = async {
        let (world, proxy) = world(lacking(true), &["项目/甲", "项目/乙", "归档"], SUBSCRIPTIONS, 1).await;
        assert_eq!(world.status("zhangsan")["mode"], "idle");
        let began = Instant::now();
        for folder in ["项目/甲", "归档"] {
            save(&world, folder, &format!("swept-{folder}."));
        }
        seen_after_long(&world, "swept-归档.").await;
        world.sees("zhangsan", &["swept-项目/甲.", "swept-归档."]).await;
        assert!(began.elapsed() < 76 * SECOND, "{:?}", began.elapsed());
        assert_eq!(proxy.came().len(), 1);
    };
    let polled = async {
        let (world, proxy) = world(lacking(false), &["项目/甲"], r#"folders = ["INBOX", "项目/*"]"#, 2).await;
        let status = world.status("zhangsan");
        assert_eq!((&status["mode"], &status["state"]), (&"poll".into(), &"polling".into()), "{status}");
        let began = Instant::now();
        save(&world, "INBOX", "polled-one.");
        save(&world, "项目/甲", "polled-two.");
        seen_after_long(&world, "polled-").await;
        world.sees("zhangsan", &["polled-one.", "polled-two."]).await;
        assert!(began.elapsed() < 76 * SECOND, "{:?}", began.elapsed());
        assert_eq!((proxy.came().len(), proxy.open()), (1, 1));
    };
    tokio::join!(swept, polled);
}
