//! A company for the crash test: members with a mailbox each, mailboxes for several of them, one who has left; the letters
//! they were sent, and what they must see.

use super::super::world::{Setup, World, address, said};
use mailbell::demo::compose::Mail;
use rand::{Rng, rngs::StdRng};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Members with a mailbox each; the first one is the one whom storms are for.
const USERS: [&str; 24] = [
    "u01", "u02", "u03", "u04", "u05", "u06", "u07", "u08", "u09", "u10", "u11", "u12", "u13", "u14", "u15", "u16",
    "u17", "u18", "u19", "u20", "u21", "u22", "u23", "u24",
];
/// Shared mailboxes and who is told of them. Each try counts for each of them, and WeCom takes 30 a minute.
const SHARED: [(&str, &[&str]); 3] = [
    ("sales", &["u02", "u03", "u04", LEAVER]),
    ("desk", &["u05", "u06", "u07", "u08"]),
    ("post", &["u09", "u10", "u11", "u12"]),
];
/// Whom WeCom does not know any more.
const LEAVER: &str = "leaver";
const FOLDER: &str = "项目";

/// See the module's text.
pub struct Office {
    pub world: World,
    letters: Vec<Sent>,
    storm: u32,
    opened_at: Instant,
    /// Syncs that the processes before this one counted.
    syncs: u64,
}

/// A letter and who is to see it.
struct Sent {
    subject: String,
    readers: BTreeSet<&'static str>,
}

impl Office {
    /// Everybody is bound.
    pub async fn open(limits: &str, storm: u32) -> Self {
        let shared = SHARED.map(|(name, _)| name);
        let users = USERS.into_iter().chain(shared).chain([LEAVER]).collect();
        // One folder needs no sync at a start, two do.
        let account = format!("folders = [\"INBOX\", \"{FOLDER}\"]");
        let mut world = World::new(Setup { users, account, limits: Some(limits.to_owned()), ..Setup::default() }).await;
        for user in &world.users {
            world.dovecot.doveadm(&["mailbox", "create", "-u", &address(user), FOLDER]).unwrap();
        }
        let mut text = std::fs::read_to_string(&world.file).unwrap();
        for (name, recipients) in SHARED {
            let recipients = format!("shared = true\nrecipients = {recipients:?}\n");
            text = text.replace(&format!("user = \"{name}\"\n"), &recipients);
        }
        std::fs::write(&world.file, text).unwrap();
        world.control(json!({"remove_member": LEAVER})).await;
        world.run().await;
        Self { world, letters: Vec::new(), storm, opened_at: Instant::now(), syncs: 0 }
    }

    /// Somebody is sent a letter, now and then in a way that makes it come twice.
    pub async fn post(&mut self, dice: &mut StdRng) {
        let number = self.letters.len();
        let subject = format!("第{number:04}封信。");
        let user = match dice.random_range(0..100) < self.storm {
            true => USERS[0],
            false => USERS[dice.random_range(0..USERS.len())],
        };
        let mut readers = BTreeSet::new();
        match dice.random_range(0..100) {
            0..20 => {
                let (mailbox, recipients) = SHARED[dice.random_range(0..SHARED.len())];
                self.deliver(mailbox, &subject).await;
                readers.extend(recipients);
                // And to one of them on his own.
                if dice.random_bool(0.3) {
                    self.deliver(recipients[0], &subject).await;
                }
            }
            20..32 => {
                self.deliver(user, &subject).await;
                self.save(user, &subject);
                readers.insert(user);
            }
            _ => {
                self.deliver(user, &subject).await;
                readers.insert(user);
            }
        }
        self.letters.push(Sent { subject, readers });
    }

    /// The same letter is the same bytes, wherever it goes.
    fn letter(&self, subject: &str) -> Vec<u8> {
        let date: jiff::Zoned = "2026-01-05T10:00:00+08:00[+08:00]".parse().unwrap();
        let (from, to) = ("lisi@partner.example", "list@corp.example");
        let id = format!("letter{}", self.letters.len());
        Mail { from_name: "李四", from, to, subject, body: "正文", id: &id, date: &date }.to_bytes()
    }

    async fn deliver(&self, mailbox: &str, subject: &str) {
        self.world.deliver(mailbox, &self.letter(subject)).await;
    }

    fn save(&self, mailbox: &str, subject: &str) {
        let args = ["save", "-u", &address(mailbox), "-m", FOLDER];
        self.world.dovecot.doveadm_with(&args, &self.letter(subject)).unwrap();
    }

    /// Messages that have reached WeCom.
    pub async fn sends(&self) -> u64 {
        self.world.counts().await["send"].as_u64().unwrap()
    }

    /// kill -9, right after it was asked how many syncs there were.
    pub async fn kill(&mut self) {
        self.syncs += self.counted_syncs().await;
        self.world.kill();
    }

    /// Syncs of this process, 0 if it cannot say so yet.
    async fn counted_syncs(&self) -> u64 {
        let asked = tokio::time::timeout(Duration::from_millis(300), self.world.try_web_text("/metrics")).await;
        let Ok(Some(text)) = asked else { return 0 };
        let counts = text.lines().filter(|line| line.starts_with("mailbell_syncs_total{"));
        counts.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap() as u64).sum()
    }

    fn letters_for(&self, member: &str) -> Vec<&str> {
        let mine = self.letters.iter().filter(|letter| letter.readers.contains(member));
        mine.map(|letter| letter.subject.as_str()).collect()
    }

    fn members(&self) -> impl Iterator<Item = &'static str> {
        USERS.into_iter().chain([LEAVER])
    }

    /// Waits until each member has been told of all their letters and nothing is on its way.
    pub async fn all_is_told(&self, patience: Duration) {
        let begun = Instant::now();
        loop {
            let mut missing = BTreeMap::new();
            for member in USERS {
                let text = self.world.chat_text(member).await;
                let mut unseen = self.letters_for(member);
                unseen.retain(|subject| !text.contains(subject));
                missing.insert(member, unseen);
            }
            missing.retain(|_, unseen| !unseen.is_empty());
            if missing.is_empty() && self.open_alerts() == Some(0) {
                return;
            }
            let log = || self.world.log();
            assert!(begun.elapsed() < patience, "{missing:?} in vain; {:?} alerts open\n{}", self.open_alerts(), log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// `None` while the service cannot be asked yet.
    fn open_alerts(&self) -> Option<u64> {
        let out = self.world.command(&["status", "--json"]).output().unwrap();
        let status: Value = serde_json::from_slice(&out.stdout).ok()?;
        status["outbox"]["open"].as_u64()
    }

    /// Each letter in the chats of its readers once, and in no other.
    pub async fn nothing_is_seen_twice(&self) {
        for member in self.members() {
            let text = self.world.chat_text(member).await;
            for letter in &self.letters {
                let expected = usize::from(letter.readers.contains(member) && member != LEAVER);
                let seen = text.matches(&letter.subject).count();
                assert_eq!(seen, expected, "{} at {member}:\n{text}\n{}", letter.subject, self.world.log());
            }
        }
    }

    /// WeCom's, and the budget of syncs.
    pub async fn limits_are_kept(&self) {
        let counts = self.world.counts().await;
        assert_eq!((&counts["dropped"], &counts["violations"]), (&json!(0), &json!(0)), "{counts}");
        let mut shared = 0;
        for member in self.members() {
            let chat = self.world.chat(member).await;
            let times: Vec<_> = chat.iter().map(|message| message["time_ms"].as_u64().unwrap()).collect();
            let in_minute = |at: &u64| times.iter().filter(|t| (*at..at + 60_000).contains(*t)).count();
            let most = times.iter().map(in_minute).max().unwrap_or(0);
            assert!(most <= 30, "{most} messages for {member} within a minute");
            shared += chat.iter().filter(|message| message["touser"].as_str().unwrap().contains('|')).count();
        }
        assert!(shared > 0, "equal alerts for several members go out as one message");
        // As far as can be seen: what is left of the hour, in which all of this took place.
        assert!(self.opened_at.elapsed() < Duration::from_secs(3600));
        let status = self.world.all_status();
        let accounts = status["accounts"].as_array().unwrap();
        let spent: u64 = accounts.iter().map(|account| 50 - account["budget_left"].as_u64().unwrap()).sum();
        let counted = self.syncs + self.counted_syncs().await;
        println!("{} letters, {counted} syncs counted, {spent} permits spent", self.letters.len());
        assert!(counted > 0 && counted <= spent, "{counted} syncs, {spent} permits");
    }

    /// What WeCom refused is kept as dead, and is that of nobody else; sent again when WeCom knows the member, it is seen
    /// once as well.
    pub async fn refused_alerts_are_kept(&self, patience: Duration) {
        let (code, text) = said(&self.world, &["alerts", "list", "--json", "--limit", "1000"]);
        assert_eq!(code, 0, "{text}");
        let list: Value = serde_json::from_str(&text).unwrap();
        let alerts = list["alerts"].as_array().unwrap();
        for alert in alerts {
            assert_eq!((&alert["state"], &alert["recipients"]), (&json!("dead"), &json!([LEAVER])), "{text}");
        }
        // A plan may have no letter for them; where it has one, it is here.
        let sent = self.letters_for(LEAVER).len();
        assert_eq!(alerts.is_empty(), sent == 0, "{sent} letters, {text}");
        self.world.control(json!({"add_member": {"userid": LEAVER, "name": LEAVER}})).await;
        let (code, text) = said(&self.world, &["alerts", "retry", "--all"]);
        assert_eq!(code, 0, "{text}");
        let begun = Instant::now();
        let all = self.letters_for(LEAVER);
        loop {
            let text = self.world.chat_text(LEAVER).await;
            let times: Vec<_> = all.iter().map(|subject| text.matches(subject).count()).collect();
            assert!(times.iter().all(|n| *n <= 1), "{times:?}\n{text}");
            if times.iter().all(|n| *n == 1) {
                return;
            }
            assert!(begun.elapsed() < patience, "{times:?}\n{text}\n{}", self.world.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
