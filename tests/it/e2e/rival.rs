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
/// Mailboxes that are nobody's own; each tells the first two users and the member who is gone.
const OFFICES: [&str; 6] = ["office1", "office2", "office3", "office4", "office5", "office6"];
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

/// How often a member is told of a letter, and how often he should be.
#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    member: &'static str,
    subject: String,
    told: usize,
    due: usize,
}

impl Wrong {
    fn too_often(&self) -> bool {
        self.told > self.due
    }
}

impl Show {
    /// So many users, the offices, and the one who is gone.
    async fn open(count: usize) -> Self {
        let seed: u64 = rand::random();
        println!("seed {seed}");
        let users: Vec<&'static str> = (1..=count).map(|n| &*format!("u{n:02}").leak()).collect();
        let members: Vec<String> = users.iter().chain(&[GONE]).map(|user| (*user).to_owned()).collect();
        let mut corp = Corp::new("ww5eedc0ffee", "an app's secret", AGENT_ID, &members);
        corp.hidden.insert(GONE.to_owned());
        let rival = Rival::open(corp).await;
        let all: Vec<&'static str> = users.iter().copied().chain(OFFICES).chain([GONE]).collect();
        let world = World::new(Setup { users: all, ..Setup::default() }).await;
        let text = std::fs::read_to_string(&world.file).unwrap();
        let (_, rest) = text.split_once("link = ").unwrap();
        let shared = format!("shared = true\nrecipients = [\"{}\", \"{GONE}\", \"{}\"]", users[0], users[1]);
        let rest =
            OFFICES.iter().fold(rest.to_owned(), |rest, office| rest.replace(&format!("user = \"{office}\""), &shared));
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
            GONE => vec![],
            office if OFFICES.contains(&office) => vec![self.users[0], self.users[1]],
            user => vec![user],
        };
        self.letters.insert(subject, (self.rival.now(), whom));
    }

    /// This many letters to each of the users and few to the others, in any order, in about this time.
    async fn mails(&mut self, each: usize, few: usize, time: Duration) {
        let mut all: Vec<&'static str> = self.users.iter().flat_map(|user| vec![*user; each]).collect();
        all.extend([OFFICES[0], GONE].iter().flat_map(|account| vec![*account; few]));
        all.shuffle(&mut self.dice);
        let pause = 2 * time / u32::try_from(all.len()).unwrap();
        for account in all {
            self.mail(account).await;
            sleep(self.dice.random_range(Duration::ZERO..pause)).await;
        }
    }

    /// What is missing, or told too often, or told to others.
    fn wrong(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let office = self.rival.office();
        for (subject, (_, whom)) in &self.letters {
            for member in self.users.iter().copied().chain([GONE]) {
                let (told, due) = (office.book.told(member, subject), usize::from(whom.contains(&member)));
                if told != due {
                    wrong.push(Wrong { member, subject: subject.clone(), told, due });
                }
            }
        }
        wrong
    }

    /// The longest that a letter waited until it was shown to all whom it concerns.
    fn latest(&self) -> Duration {
        let office = self.rival.office();
        let mut latest = Duration::ZERO;
        for (subject, (arrived, whom)) in &self.letters {
            for member in whom {
                let shown = office.book.chat(member).iter().find(|shown| shown.text.contains(subject)).unwrap();
                latest = latest.max(shown.at.saturating_sub(*arrived));
            }
        }
        latest
    }

    /// How many there are in this state of the outbox.
    async fn outbox(&self, state: &str) -> u64 {
        let (_, text) = self.world.web_text("/metrics").await;
        let name = format!("mailbell_outbox_alerts{{state=\"{state}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
    }

    /// Waits until all is told and settled, and judges.
    async fn judged(&self, patience: Duration) {
        // Tried and not settled. What waits besides is for the one who is gone.
        let unsettled = async || self.outbox("open").await;
        let begun = self.rival.now();
        loop {
            let wrong = self.wrong();
            if wrong.is_empty() && unsettled().await == 0 {
                break;
            }
            let too_often = wrong.iter().any(|one| one.too_often());
            if too_often || self.rival.now() > begun + patience {
                let (unsettled, log) = (unsettled().await, self.world.log());
                panic!("{log}\n{:#?}\n{unsettled} unsettled\n{wrong:#?}", self.summary());
            }
            sleep(SECOND / 10).await;
        }
        println!("{:?} after the last letter all was told: {:#?}", self.rival.now() - begun, self.summary());
        // Nobody is told again of what was settled.
        assert_eq!(self.wrong(), []);
        let office = self.rival.office();
        assert_eq!(office.book.broken, [], "{}", self.world.log());
        assert_eq!(office.book.dropped, []);
    }

    fn summary(&self) -> impl std::fmt::Debug + use<> {
        let book = &self.rival.office().book;
        let duplicates = book.accepted.iter().filter(|message| message.duplicate).count();
        let several = book.accepted.iter().filter(|message| message.members.len() > 1).count();
        let shown: usize = book.chats.values().map(Vec::len).sum();
        let broken = book.broken.clone();
        (
            ("faults", book.faults.clone()),
            ("codes", book.codes.clone()),
            ("accepted", book.accepted.len(), "duplicates", duplicates, "to several", several, "shown", shown),
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
    let mut show = Show::open(20).await;
    show.world.run().await;
    let mut kinds: Vec<Fault> = brief().into_iter().map(|(fault, _)| fault).collect();
    // Once: a token that is refused right after it was fetched is told to the administrator, with a rest of a minute.
    kinds.push(Fault::Withdrawn);
    show.script(kinds.clone());
    show.rival.follow(Some(Plan::new(show.dice.random(), 30, brief())));
    show.mails(10, 3, 15 * SECOND).await;
    show.judged(120 * SECOND).await;
    assert!(show.outbox("dead").await > 0, "what was for the one who is gone is kept");
    for fault in kinds {
        assert!(show.rival.office().book.faults.contains_key(fault.name()), "{fault:?} did not come");
    }
}

/// 2,020 letters, every kind of fault, and a kill. Took ten and a half minutes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn two_thousand_letters_for_fifty_users_meet_every_fault() {
    let mut show = Show::open(50).await;
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
    assert!(show.outbox("dead").await > 0, "what was for the one who is gone is kept");
    for (fault, _) in kinds.iter().chain(&[(Fault::Quota, 1), (Fault::Untrusted(SECOND), 1)]) {
        assert!(show.rival.office().book.faults.contains_key(fault.name()), "{fault:?} did not come");
    }
}

/// More letters than the member's messages and the owner's syncs allow one by one. Takes three minutes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn forty_letters_in_a_minute_keep_all_limits_and_are_told_in_time() {
    let mut show = Show::open(2).await;
    show.world.run().await;
    let member = show.users[0];
    let begun = show.rival.now();
    for n in 0..40 {
        sleep((begun + 1500 * n * SECOND / 1000).saturating_sub(show.rival.now())).await;
        show.mail(member).await;
    }
    show.judged(180 * SECOND).await;
    let minute = show.rival.office().book.most_in(member, 60 * SECOND);
    let (syncs, latest) = (50 - show.world.status(member)["budget_left"].as_u64().unwrap(), show.latest());
    println!("at most {minute} messages a minute, {syncs} syncs, the latest told after {latest:?}");
    assert!(minute <= 30 && syncs <= 50 && latest < 150 * SECOND);
    assert_eq!(show.letters.len(), 40);
}

/// Letters to many mailboxes that tell the same two members, faster than one message for each would be allowed: none
/// is dropped. Takes 70 s.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn sixty_letters_of_six_mailboxes_are_never_more_than_thirty_messages_a_minute() {
    let mut show = Show::open(2).await;
    show.world.run().await;
    for _ in 0..10 {
        for office in OFFICES {
            show.mail(office).await;
            sleep(SECOND / 5).await;
        }
    }
    show.judged(90 * SECOND).await;
    let most = |member: &str| show.rival.office().book.most_in(member, 60 * SECOND);
    let (first, second, latest) = (most(show.users[0]), most(show.users[1]), show.latest());
    println!("at most {first} and {second} messages a minute, the latest told after {latest:?}");
    assert!((20..=30).contains(&first) && (20..=30).contains(&second), "{first}, {second}");
    assert!(latest < 70 * SECOND, "{latest:?}");
}
