//! The session against a real Dovecot: NOTIFY, LIST-STATUS and IDLE together, special uses.

use crate::support::imap;
use mailbell::config::{Account, Credential, MinTls, Server, Tls};
use mailbell::demo::compose::Mail;
use mailbell::demo::dovecot::{Dovecot, Options};
use mailbell::imap::{ImapSource, MailSession, MailSource, TcpDial, Wake, decode_folder_name, encode_folder_name};
use mailbell::model::{Look, RawName, Secret};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

const USER: &str = "zhangsan@corp.example";
/// Longer than any of these waits takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    dovecot: Dovecot,
    account: Account,
    _dir: tempfile::TempDir,
}

impl World {
    async fn with(folders: &[&str], extra: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { extra: extra.to_owned(), ..Options::of([(USER, "x")]) };
        let dovecot = Dovecot::start(dir.path(), &options).await.unwrap();
        if !folders.is_empty() {
            dovecot.doveadm(&[&["mailbox", "create", "-u", USER], folders].concat()).unwrap();
        }
        let mut account = crate::support::account();
        account.login = USER.to_owned();
        account.credential = Credential::Password(Secret::new("x"));
        account.provider.server = Server {
            host: "localhost".to_owned(),
            port: dovecot.imaps_port(),
            tls: Tls::Implicit,
            min_tls: MinTls::V12,
            ca_file: Some(dovecot.ca_file().to_owned()),
            webmail: None,
        };
        Self { dovecot, account, _dir: dir }
    }

    async fn log_in(&self) -> Box<dyn MailSession> {
        let source = ImapSource::new(Arc::new(TcpDial::default()), imap());
        source.connect(&self.account).await.unwrap()
    }

    fn save(&self, folder: &str) {
        let date = jiff::Zoned::now();
        let (from, body) = ("boss@partner.example", "你好\n");
        let mail = Mail { from_name: "老板", from, to: USER, subject: "测试", body, id: folder, date: &date };
        self.dovecot.doveadm_with(&["save", "-u", USER, "-m", folder], &mail.to_bytes()).unwrap();
    }
}

fn raw(name: &str) -> RawName {
    RawName::new(encode_folder_name(name).as_bytes())
}

fn counts(look: &Look) -> (Option<u32>, Option<u32>) {
    (look.uid_next, look.exists)
}

/// Waits in IDLE for news, as often as Dovecot's keep-alives and other words end it.
async fn pushed(session: &mut dyn MailSession) {
    let (until, asked) = (Instant::now() + PATIENCE, Notify::new());
    let woken = session.idle(until, &asked).await;
    assert!(matches!(woken, Ok(Wake::Pushed | Wake::Told)), "{woken:?}");
}

#[tokio::test]
async fn notify_and_idle_on_one_connection_for_five_folders() {
    let names = ["项目/甲", "项目/乙", "R&D", "客户 \"大\"", "INBOX"];
    let world = World::with(&names[..4], "").await;
    let mut session = world.log_in().await;
    let offer = session.offer();
    assert!(offer.idle && offer.notify && offer.list_status, "{offer:?}");
    let folders: Vec<_> = names.iter().map(|name| raw(name)).collect();
    session.examine(&folders[4]).await.unwrap();
    world.save(names[0]);
    let baseline = session.notify(&folders).await.unwrap();
    assert_eq!(baseline.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), folders[..4]);
    assert_eq!(
        baseline.iter().map(|(_, look)| counts(look)).collect::<Vec<_>>()[..2],
        [(Some(2), Some(1)), (Some(1), Some(0))]
    );
    assert!(baseline.iter().all(|(_, look)| look.uid_validity.is_some()));
    for (at, name) in names[..4].iter().enumerate() {
        let before = baseline[at].1.uid_next.unwrap();
        world.save(name);
        pushed(&mut *session).await;
        let told = session.take_told();
        assert_eq!(told.len(), 1, "{name}: {told:?}");
        assert_eq!((&told[0].0, told[0].1.uid_next), (&folders[at], Some(before + 1)), "{name}");
    }
    // The open folder's news come as before, and tell nothing of others.
    world.save("INBOX");
    pushed(&mut *session).await;
    assert!(session.take_told().is_empty());
    assert_eq!(session.examine(&folders[4]).await.unwrap().uid_next, Some(2));
    // Between two IDLEs, with another folder open. Of the one that was open before, Dovecot does not tell then (tried with
    // 2.3.19): opening it does.
    session.examine(&folders[0]).await.unwrap();
    world.save("INBOX");
    world.save("项目/乙");
    pushed(&mut *session).await;
    let told: Vec<_> = session.take_told().iter().map(|(name, _)| decode_folder_name(&name.0)).collect();
    assert!(told.contains(&"项目/乙".to_owned()), "{told:?}");
    assert_eq!(session.examine(&folders[4]).await.unwrap().uid_next, Some(3));
    assert!(!session.notify_ended());
}

#[tokio::test]
async fn list_status_tells_of_many_folders_in_one_round_trip() {
    let names: Vec<String> = (0..300).map(|n| format!("很长的项目名称之下的很多文件夹/第 {n} 号")).collect();
    let mut all: Vec<&str> = names.iter().map(String::as_str).collect();
    all.extend(["a \"b\" \\c", "100%", "R&D"]);
    let world = World::with(&all, "").await;
    let mut session = world.log_in().await;
    world.save(&names[7]);
    world.save("R&D");
    let mut folders: Vec<_> = all.iter().map(|name| raw(name)).collect();
    folders.push(RawName::new(b"not-there"));
    let looks = session.list_status(&folders).await.unwrap();
    let found: Vec<_> = looks.iter().map(|(name, _)| decode_folder_name(&name.0)).collect();
    let expected: Vec<_> = all.iter().filter(|name| **name != "100%").map(|name| (*name).to_owned()).collect();
    assert_eq!(found, expected);
    let with_mail: Vec<_> = looks.iter().filter(|(_, look)| counts(look) == (Some(2), Some(1))).collect();
    assert_eq!(with_mail.len(), 2);
    assert_eq!(counts(&session.status(&raw("100%")).await.unwrap()), (Some(1), Some(0)));
    assert!(looks.iter().all(|(_, look)| look.uid_validity.is_some()));
    // NOTIFY beside it: the answers to one's own question are not told again.
    session.examine(&raw("INBOX")).await.unwrap();
    session.notify(&folders[..90]).await.unwrap();
    assert_eq!(session.list_status(&folders[..90]).await.unwrap().len(), 90);
    assert!(session.take_told().is_empty());
    world.save(&names[3]);
    pushed(&mut *session).await;
    assert_eq!(session.take_told().iter().map(|(name, _)| name).collect::<Vec<_>>(), [&folders[3]]);
}

#[tokio::test]
async fn special_uses_come_with_the_list() {
    let extra = "namespace inbox {\n mailbox 垃圾 {\n special_use = \\Junk\n auto = create\n }\n}\n";
    let world = World::with(&["Sent"], extra).await;
    let mut session = world.log_in().await;
    let listed = session.folders().await.unwrap();
    let uses = |name: &str| listed.iter().find(|l| l.raw == raw(name)).unwrap().uses.clone();
    assert_eq!((uses("垃圾"), uses("INBOX")), (vec!["\\junk".to_owned()], vec!["\\inbox".to_owned()]));
    assert!(uses("Sent").is_empty(), "names are not asked where uses are told");
    let world = World::with(&["Sent", "归档"], "").await;
    let mut session = world.log_in().await;
    let listed = session.folders().await.unwrap();
    let mut uses: Vec<_> = listed.iter().flat_map(|l| l.uses.clone()).collect();
    uses.sort();
    assert_eq!(uses, ["\\archive", "\\inbox", "\\sent"]);
}
