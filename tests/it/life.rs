//! Proof of life, judged from outside the worker: who is blind, who hangs, and whom people are told of. The real
//! supervisor, workers and reporter, on paused time, with mailboxes in memory.

use crate::support::clock::PausedClock;
use crate::support::mailbox::{Cabinet, Mailbox};
use crate::support::recorder::Recorder;
use crate::support::{account, imap, secs};
use mailbell::clock::Clock;
use mailbell::config::{Account, Config, Subscription};
use mailbell::deliver::{Accounts, Reporter};
use mailbell::health::{AccountHealth, AccountState, Health};
use mailbell::imap::{ImapError, LoginTrouble};
use mailbell::model::{AccountId, AlertKind, Lang, Recipient};
use mailbell::rules::budget::Allowance;
use mailbell::rules::retry::Next;
use mailbell::state::{Content, Draft, Shape, State};
use mailbell::supervise::{Shared, Supervisor};
use mailbell::watch::Hosts;
use std::sync::Arc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

struct House {
    accounts: Vec<Arc<Account>>,
    clock: Arc<PausedClock>,
    state: Arc<Recorder>,
    health: Arc<Health>,
    admins: Vec<Recipient>,
}

impl House {
    fn of(accounts: Vec<Account>) -> Self {
        Self {
            accounts: accounts.into_iter().map(Arc::new).collect(),
            clock: Arc::new(PausedClock::new()),
            state: Arc::new(Recorder::new()),
            health: Arc::default(),
            admins: vec![Recipient::User("admin".into())],
        }
    }

    /// One run of the service while `story` goes on.
    async fn during<T>(&self, mailbox: &Mailbox, story: impl Future<Output = T>) -> T {
        let stop = CancellationToken::new();
        let shared = Shared {
            people: Arc::default(),
            imap: imap(),
            personal: true,
            allowance: Allowance { syncs: 50, free: 25, settle: secs(1) },
            source: Arc::new(mailbox.clone()),
            state: self.state.clone(),
            clock: self.clock.clone(),
            health: self.health.clone(),
            hosts: Arc::new(Hosts::new(1000)),
            connections: 1,
            last_beat: None,
        };
        let mut supervisor = Supervisor::new(shared, stop.clone());
        supervisor.apply(&self.accounts);
        let accounts = Arc::new(Accounts::default());
        accounts.update(&self.accounts);
        let reporter = Reporter {
            state: self.state.clone(),
            clock: self.clock.clone(),
            health: self.health.clone(),
            accounts,
            admins: self.admins.clone(),
            lang: Lang::En,
            time_zone: jiff::tz::TimeZone::UTC,
            deadlines: Shared::deadlines(&imap()),
        };
        let mut reporting = Box::pin(reporter.run(stop.clone()));
        let told = {
            let tick = async {
                loop {
                    sleep(secs(2)).await;
                    supervisor.check_life();
                }
            };
            tokio::select! {
                () = tick => unreachable!(),
                () = &mut reporting => unreachable!(),
                told = story => told,
            }
        };
        assert!(supervisor.stop(secs(5)).await);
        reporting.await;
        told
    }

    fn now_of(&self, at: usize) -> AccountHealth {
        self.health.accounts().remove(&self.accounts[at].id).unwrap()
    }

    /// What was put into the outbox since the last call, and for whom.
    async fn told(&self) -> Vec<(String, String)> {
        let mut told = Vec::new();
        let now = Clock::now(&*self.clock);
        let compose = |to: &[Recipient], content: Content<'_>, shape: Shape| {
            let Content::Text(text) = content else { return Vec::new() };
            let body = text.to_owned() + &" ".repeat(usize::try_from(shape.number).unwrap());
            vec![Draft { to: to.to_vec(), kind: AlertKind::Report, body: body.into_bytes(), items: Vec::new() }]
        };
        for claim in self.state.claim(now, 1000, Arc::new(compose)).await.unwrap() {
            for recipient in &claim.recipients {
                told.push((
                    recipient.to_string(),
                    String::from_utf8(claim.body.clone()).unwrap().trim_end().to_owned(),
                ));
            }
            self.state.settle(claim.id, Next::Done.into(), now).await.unwrap();
        }
        told.sort();
        told
    }
}

fn of_user(user: &str) -> Account {
    Account {
        id: AccountId::new(&format!("{user}@corp.example")),
        owner: mailbell::model::Owner::User(user.into()),
        recipients: vec![Recipient::User(user.into())],
        ..account()
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_makes_blind_once_and_an_answer_seen_again_once() {
    let house = House::of(vec![account()]);
    let mailbox = Mailbox::new(&["INBOX"]);
    house
        .during(&mailbox, async {
            sleep(secs(30)).await;
            mailbox.office().silent = true;
            sleep(secs(600)).await;
            assert_ne!(house.now_of(0).state, AccountState::Blind);
            assert_eq!(house.told().await, []);
            sleep(secs(310)).await;
            assert_eq!(house.now_of(0).state, AccountState::Blind);
            sleep(secs(3600)).await;
            let told = house.told().await;
            assert_eq!(told.iter().map(|(to, _)| to.as_str()).collect::<Vec<_>>(), ["admin", "zhangsan"], "{told:?}");
            assert!(told[0].1.contains("zhangsan@corp.example blind"), "{told:?}");
            assert!(told[1].1.contains("no sign of life since 2026-02-02 "), "{told:?}");
            mailbox.office().silent = false;
            sleep(secs(400)).await;
            assert_eq!(house.now_of(0).state, AccountState::Watching);
            let told = house.told().await;
            assert_eq!(told.len(), 2, "{told:?}");
            assert!(told[0].1.contains("1 well again") && told[1].1.contains("watched again"), "{told:?}");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_does_not_tell_again_what_was_told() {
    let house = House::of(vec![account()]);
    let mailbox = Mailbox::new(&["INBOX"]);
    let refused = ImapError::Login { trouble: LoginTrouble::WrongPassword, text: "[AUTHENTICATIONFAILED] no".into() };
    mailbox.office().refuses = Some(refused);
    house.during(&mailbox, sleep(secs(300))).await;
    let told = house.told().await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].1.contains("refuses the login of zhangsan@corp.example"), "{told:?}");
    assert!(told[1].1.contains("[AUTHENTICATIONFAILED] no"), "{told:?}");
    // Another process over the same store.
    let house = House { health: Arc::default(), ..house };
    house.during(&mailbox, sleep(secs(2 * 3600))).await;
    assert_eq!(house.told().await, [], "neither again, nor as blind");
    assert_eq!(house.now_of(0).state, AccountState::LoginRefused);
    mailbox.office().refuses = None;
    let house = House { health: Arc::default(), ..house };
    house.during(&mailbox, sleep(secs(60))).await;
    assert_eq!(house.told().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn administrators_are_told_of_many_at_once() {
    let house = House::of((0..50).map(|n| of_user(&format!("user{n}"))).collect());
    let mailbox = Mailbox::new(&["INBOX"]);
    house
        .during(&mailbox, async {
            sleep(secs(30)).await;
            mailbox.office().silent = true;
            sleep(secs(1300)).await;
            let told = house.told().await;
            let admin: Vec<_> = told.iter().filter(|(to, _)| to == "admin").collect();
            assert!(admin.len() <= 3 && told.len() == 50 + admin.len(), "{} {}", admin.len(), told.len());
            assert!(admin.iter().all(|(_, text)| text.len() <= 2048));
            let named: usize = admin.iter().map(|(_, text)| text.matches("in trouble").count()).sum();
            assert_eq!(named, admin.len());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_cannot_be_read_is_reported_and_the_account_is_not() {
    let mut two = account();
    two.subscriptions = vec![Subscription::to(&["INBOX", "合同"])];
    let house = House::of(vec![two]);
    let mailbox = Mailbox::new(&["INBOX", "合同"]);
    house
        .during(&mailbox, async {
            sleep(secs(30)).await;
            mailbox.change("合同", |cabinet| cabinet.refused = true);
            sleep(secs(2000)).await;
            let told = house.told().await;
            assert_eq!(told.len(), 2, "{told:?}");
            assert!(told[1].1.contains("The folder \"合同\" of zhangsan@corp.example"), "{told:?}");
            assert_eq!(house.now_of(0).state, AccountState::Watching);
            mailbox.change("合同", |cabinet| cabinet.refused = false);
            sleep(secs(2000)).await;
            assert_eq!(house.told().await.len(), 2);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_put_off_for_ever_is_blind_too() {
    let house = House::of(vec![account()]);
    let mailbox = Mailbox::new(&["INBOX"]);
    let later = ImapError::Login { trouble: LoginTrouble::Temporary, text: "[UNAVAILABLE] later".into() };
    mailbox.office().refuses = Some(later);
    house
        .during(&mailbox, async {
            sleep(secs(1000)).await;
            assert_eq!(house.now_of(0).state, AccountState::Blind);
            assert_eq!(house.told().await.len(), 2);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_hangs_begins_anew() {
    let house = House::of(vec![account()]);
    let mailbox = Mailbox::new(&["INBOX"]);
    house
        .during(&mailbox, async {
            sleep(secs(30)).await;
            // A fault of our own: a wait that no time-out ends.
            mailbox.office().hangs = true;
            sleep(secs(300)).await;
            mailbox.office().hangs = false;
            assert_eq!(mailbox.office().connects.len(), 1);
            sleep(secs(420)).await;
            assert_eq!(mailbox.office().connects.len(), 2);
            mailbox.arrive("INBOX", "after", house.clock.now());
            sleep(secs(10)).await;
            let stored = house.state.stored.lock().unwrap().len();
            assert_eq!((stored, house.now_of(0).state), (1, AccountState::Watching));
        })
        .await;
}

/// A new session has not looked at all folders yet: that is no reason to call them blind.
#[tokio::test(start_paused = true)]
async fn a_reconnect_makes_no_folder_blind() {
    let mut two = account();
    two.subscriptions = vec![Subscription::to(&["*"])];
    let house = House::of(vec![two]);
    let mailbox = Mailbox::new(&["INBOX", "合同"]);
    house
        .during(&mailbox, async {
            sleep(secs(3600)).await;
            // Something has just been heard, so the sweep goes on as it was.
            mailbox.change("INBOX", Cabinet::touch);
            mailbox.ring();
            sleep(secs(5)).await;
            mailbox.cut();
            sleep(secs(600)).await;
            assert_eq!(mailbox.office().connects.len(), 2);
            let told = house.told().await;
            assert!(!told.iter().any(|(_, text)| text.contains("合同")), "{told:?}");
            // One that comes and is refused at once has its time, too.
            let mut fresh = Cabinet::default();
            fresh.refused = true;
            mailbox.office().folders.insert("新".to_owned(), fresh);
            sleep(secs(600)).await;
            let told = house.told().await;
            assert!(!told.iter().any(|(_, text)| text.contains("新")), "{told:?}");
            sleep(secs(900)).await;
            assert_eq!(house.told().await.len(), 2, "then it is told");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_goes_away_after_a_refused_login_makes_blind() {
    let house = House::of(vec![account()]);
    let mailbox = Mailbox::new(&["INBOX"]);
    let refused = ImapError::Login { trouble: LoginTrouble::Refused, text: "NO going down".into() };
    house
        .during(&mailbox, async {
            sleep(secs(30)).await;
            mailbox.office().refuses = Some(refused);
            mailbox.cut();
            sleep(secs(30)).await;
            assert_eq!(house.now_of(0).refusals, 1);
            mailbox.office().silent = true;
            sleep(secs(1200)).await;
            assert_eq!(house.now_of(0).state, AccountState::Blind);
            assert_eq!(house.told().await.len(), 2);
        })
        .await;
}

/// Of one trouble people are told once: what becomes of the host of a login that was refused is no more news.
#[tokio::test(start_paused = true)]
async fn a_refused_login_that_was_told_is_not_told_as_blind() {
    let house = House::of(vec![account()]);
    let mailbox = Mailbox::new(&["INBOX"]);
    let refused = ImapError::Login { trouble: LoginTrouble::WrongPassword, text: "[AUTHENTICATIONFAILED] no".into() };
    mailbox.office().refuses = Some(refused);
    house
        .during(&mailbox, async {
            sleep(secs(300)).await;
            assert_eq!(house.told().await.len(), 2);
            mailbox.office().silent = true;
            sleep(secs(7200)).await;
            assert_eq!(house.told().await, []);
            (mailbox.office().silent, mailbox.office().refuses) = (false, None);
            sleep(secs(600)).await;
            assert_eq!(house.told().await.len(), 2, "over, once");
        })
        .await;
}

/// It waits for its turn to log in, maybe for long: that is no hanging.
#[tokio::test(start_paused = true)]
async fn a_worker_that_begins_anew_is_not_judged_before_its_session() {
    let house = House::of(vec![account()]);
    let mailbox = Mailbox::new(&["INBOX"]);
    house
        .during(&mailbox, async {
            sleep(secs(30)).await;
            mailbox.office().hangs = true;
            sleep(secs(300)).await;
            mailbox.office().silent = true;
            while mailbox.office().connects.len() < 2 {
                sleep(secs(1)).await;
            }
            assert_eq!(house.now_of(0).stirred_at, None);
        })
        .await;
}

/// What was deleted after people were told of it is no trouble any more, and a new one under its name is told anew.
#[tokio::test(start_paused = true)]
async fn a_folder_that_is_gone_is_no_trouble_any_more() {
    let mut all = account();
    all.subscriptions = vec![Subscription::to(&["*"])];
    let house = House::of(vec![all]);
    let mailbox = Mailbox::new(&["INBOX", "a"]);
    house
        .during(&mailbox, async {
            sleep(secs(30)).await;
            mailbox.change("a", |cabinet| cabinet.refused = true);
            sleep(secs(2000)).await;
            assert_eq!(house.told().await.len(), 2);
            let gone = mailbox.office().folders.remove("a").unwrap();
            sleep(secs(2000)).await;
            assert_eq!(house.state.troubles().await.unwrap().len(), 0);
            assert_eq!(house.told().await, [], "nobody said that it is watched again");
            mailbox.office().folders.insert("a".to_owned(), gone);
            sleep(secs(2000)).await;
            assert_eq!(house.told().await.len(), 2);
        })
        .await;
}

/// The service ends while what is over is still gathered for the administrators.
#[tokio::test(start_paused = true)]
async fn administrators_are_told_that_it_is_over_before_the_end() {
    let house = House::of(vec![account()]);
    let mailbox = Mailbox::new(&["INBOX"]);
    mailbox.office().silent = true;
    house.during(&mailbox, sleep(secs(1200))).await;
    assert_eq!(house.told().await.len(), 2);
    mailbox.office().silent = false;
    let house = House { health: Arc::default(), ..house };
    house.during(&mailbox, sleep(secs(10))).await;
    let told = house.told().await;
    assert_eq!(told.len(), 2, "{told:?}");
}

/// Only so that the example stays one: a config's admins reach the reporter.
#[test]
fn the_reporter_takes_its_administrators_from_the_config() {
    let text =
        "[wecom]\ncorp_id = \"ww0123456789abcdef\"\nagent_id = 1\nsecret = \"s\"\n[admin]\nrecipients = [\"wangwu\"]\n";
    let config: Config = mailbell::config::load_text(std::path::Path::new("x.toml"), text, &|_| None).unwrap();
    let state = Arc::new(Recorder::new());
    let clock = Arc::new(PausedClock::new());
    let reporter =
        Reporter::new(&config, Shared::deadlines(&config.imap), state, clock, Arc::default(), Arc::default());
    assert_eq!(reporter.admins, [Recipient::User("wangwu".into())]);
}
