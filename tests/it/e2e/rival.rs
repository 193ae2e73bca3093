//! The binary between a real Dovecot and a WeCom that is strict and fails in every way it can: nothing lost, nothing
//! twice, no rule broken.

use super::world::{Setup, World};
use crate::support::rival::Rival;
use crate::support::rival::corp::Corp;
use crate::support::rival::faults::{Fault, Plan, brief};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);
const AGENT_ID: i64 = 1_000_042;
/// The mailbox that is nobody's own, and whom it tells.
const OFFICE: &str = "office";
/// A member whom the app may not see.
const GONE: &str = "gone";

/// A world whose WeCom is the rival, and what its members must be told.
struct Show {
    world: World,
    rival: Rival,
    users: Vec<&'static str>,
    dice: StdRng,
    /// When each letter was taken by Dovecot, by its subject, and for whom it is.
    letters: BTreeMap<String, (Duration, Vec<&'static str>)>,
}

impl Show {
    /// Users of their own, the office (which tells two of them, and one who is gone), and the one who is gone.
    async fn open(count: usize, seed: u64) -> Self {
        println!("seed {seed}");
        let users: Vec<&'static str> = (1..=count).map(|n| &*format!("u{n:02}").leak()).collect();
        let members: Vec<String> = users.iter().chain(&[GONE]).map(|user| (*user).to_owned()).collect();
        let mut corp = Corp::new("ww5eedc0ffee", "an app's secret", AGENT_ID, &members);
        corp.hidden.insert(GONE.to_owned());
        let rival = Rival::open(corp).await;
        let all: Vec<&'static str> = users.iter().copied().chain([OFFICE, GONE]).collect();
        let world = World::new(Setup { users: all, ..Setup::default() }).await;
        let text = std::fs::read_to_string(&world.file).unwrap();
        let (_, rest) = text.split_once("link = ").unwrap();
        let recipients = format!("shared = true\nrecipients = [\"{}\", \"{GONE}\", \"{}\"]", users[0], users[1]);
        let rest = rest.replace(&format!("user = \"{OFFICE}\""), &recipients);
        let wecom = format!(
            "[wecom]\ncorp_id = \"ww5eedc0ffee\"\nsecret = \"an app's secret\"\nagent_id = {AGENT_ID}\n\
             api_base = \"http://{}\"\nlink = ",
            rival.addr
        );
        std::fs::write(&world.file, wecom + &rest).unwrap();
        Self { world, rival, users, dice: StdRng::seed_from_u64(seed), letters: BTreeMap::new() }
    }

    /// A letter to this account arrives.
    async fn mail(&mut self, account: &'static str) {
        let subject = format!("第{:04}封。", self.letters.len() + 1);
        self.world.mail(account, &subject, &format!("rival-{}", self.letters.len() + 1)).await;
        let whom = match account {
            OFFICE => vec![self.users[0], self.users[1]],
            GONE => vec![],
            user => vec![user],
        };
        self.letters.insert(subject, (self.rival.now(), whom));
    }

    /// This many letters to each of the users and few to the others, in any order, in about this time.
    async fn mails(&mut self, each: usize, few: usize, time: Duration) {
        let mut all: Vec<&'static str> = self.users.iter().flat_map(|user| vec![*user; each]).collect();
        all.extend([OFFICE, GONE].iter().flat_map(|account| vec![*account; few]));
        all.shuffle(&mut self.dice);
        let pause = 2 * time / u32::try_from(all.len()).unwrap();
        for account in all {
            self.mail(account).await;
            sleep(self.dice.random_range(Duration::ZERO..pause)).await;
        }
    }

    /// What is missing, or told too often, or told to others.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let office = self.rival.office();
        for (subject, (_, whom)) in &self.letters {
            for member in self.users.iter().chain(&[GONE]) {
                let (told, due) = (office.book.told(member, subject), usize::from(whom.contains(member)));
                if told != due {
                    wrong.push(format!("{member} is told {told} times of {subject}"));
                }
            }
        }
        wrong
    }

    /// How many alerts are on their way or wait.
    async fn unsettled(&self) -> u64 {
        let (_, text) = self.world.web_text("/metrics").await;
        let of = |state: &str| {
            let name = format!("mailbell_outbox_alerts{{state=\"{state}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |value| value.parse().unwrap())
        };
        of("open") + of("waiting")
    }

    /// Waits until all is told and settled, and judges.
    async fn judged(&self, patience: Duration) {
        let begun = self.rival.now();
        loop {
            let wrong = self.wrong();
            if wrong.is_empty() && self.unsettled().await == 0 {
                break;
            }
            if self.rival.now() > begun + patience {
                let unsettled = self.unsettled().await;
                panic!("{wrong:#?}\n{unsettled} unsettled\n{:#?}\n{}", self.summary(), self.world.log());
            }
            sleep(SECOND / 10).await;
        }
        println!("{:?} after the last letter all was told: {:#?}", self.rival.now() - begun, self.summary());
        // Nobody is told again of what was settled.
        assert_eq!(self.wrong(), Vec::<String>::new());
        let office = self.rival.office();
        assert_eq!(office.book.broken, [], "{}", self.world.log());
        assert_eq!(office.book.dropped, []);
    }

    fn summary(&self) -> impl std::fmt::Debug + use<> {
        let book = &self.rival.office().book;
        let duplicates = book.accepted.iter().filter(|message| message.duplicate).count();
        let shown: usize = book.chats.values().map(Vec::len).sum();
        let broken = book.broken.clone();
        (
            ("faults", book.faults.clone()),
            ("codes", book.codes.clone()),
            ("accepted", book.accepted.len(), "of them duplicates", duplicates, "shown", shown),
            ("broken", broken),
        )
    }

    /// The faults of `kinds`, each once, a few good calls between them.
    fn script(&mut self, mut kinds: Vec<Fault>) {
        kinds.shuffle(&mut self.dice);
        for fault in kinds {
            let good = self.dice.random_range(1..5);
            self.rival.faults().next(std::iter::once(Some(fault)).chain(std::iter::repeat_n(None, good)));
        }
    }
}

/// Each kind of fault but 45009 and 60020, which rest for longer than this test may take.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_letters_for_twenty_users_meet_every_brief_fault() {
    let mut show = Show::open(20, rand::random()).await;
    show.world.run().await;
    let mut kinds: Vec<Fault> = brief().into_iter().map(|(fault, _)| fault).collect();
    kinds.extend([Fault::Withdrawn, Fault::Withdrawn]);
    show.script(kinds.clone());
    show.rival.follow(Some(Plan::new(show.dice.random(), 30, brief())));
    show.mails(10, 3, 15 * SECOND).await;
    show.judged(120 * SECOND).await;
    for fault in kinds {
        assert!(show.rival.office().book.faults.contains_key(fault.name()), "{fault:?} did not come");
    }
}

/// 2,020 letters, every kind of fault, and a kill. Took 10 to 14 minutes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn two_thousand_letters_for_fifty_users_meet_every_fault() {
    let mut show = Show::open(50, rand::random()).await;
    show.world.run().await;
    let mut kinds = brief();
    kinds.push((Fault::Withdrawn, 2));
    show.rival.follow(Some(Plan::new(show.dice.random(), 100, kinds.clone())));
    for part in 0..5 {
        match part {
            1 | 4 => show.rival.next(&[Fault::Quota]),
            2 => show.rival.next(&[Fault::Untrusted(70 * SECOND)]),
            3 => {
                show.rival.office().expect_start();
                show.world.kill();
                show.world.start();
            }
            _ => {}
        }
        show.mails(8, 2, 96 * SECOND).await;
    }
    show.judged(600 * SECOND).await;
    for (fault, _) in kinds.iter().chain(&[(Fault::Quota, 1), (Fault::Untrusted(SECOND), 1)]) {
        assert!(show.rival.office().book.faults.contains_key(fault.name()), "{fault:?} did not come");
    }
}

/// More letters than the member's messages and the owner's syncs allow one by one. Takes three minutes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn forty_letters_in_a_minute_keep_all_limits_and_are_told_in_time() {
    let mut show = Show::open(2, rand::random()).await;
    show.world.run().await;
    let member = show.users[0];
    let begun = show.rival.now();
    for n in 0..40 {
        sleep((begun + 1500 * n * SECOND / 1000).saturating_sub(show.rival.now())).await;
        show.mail(member).await;
    }
    show.judged(180 * SECOND).await;
    let office = show.rival.office();
    let (minute, syncs) =
        (office.book.most_in(member, 60 * SECOND), 50 - show.world.status(member)["budget_left"].as_u64().unwrap());
    let late = |(subject, (arrived, _)): (&String, &(Duration, Vec<&str>))| {
        let shown = office.book.chat(member).iter().find(|shown| shown.text.contains(subject)).unwrap();
        shown.at.saturating_sub(*arrived)
    };
    let latest = show.letters.iter().map(late).max().unwrap();
    println!("at most {minute} messages a minute, {syncs} syncs, the latest told after {latest:?}");
    assert!(minute <= 30 && syncs <= 50 && latest < 150 * SECOND);
    assert_eq!(show.letters.len(), 40);
}
