//! What the delivery tests share: a WeCom that plays a script and writes down what it was sent, a clock that follows
//! tokio's paused time, and an outbox on a disk that outlives the service.

use futures_util::future::BoxFuture;
use mailbell::clock::Clock;
use mailbell::deliver::{self, Delivery};
use mailbell::health::Health;
use mailbell::model::{
    AccountId, AlertKind, Fate, Item, Lang, Letter, LetterId, Mark, RawName, Recipient, Sender, Sighting, Timestamp,
    Urgency,
};
use mailbell::rules::retry::Outcome;
use mailbell::state::{Committed, Compose, Content, Disk, Draft, MemoryKv, Met, Outbox, Scan, Shape, State, Store};
use mailbell::wecom::{self, Message, Push};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Tokio's time, which a test's start makes the first of some day.
#[derive(Clone, Copy)]
pub struct TestClock(Instant);

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        Timestamp(1_760_000_000_000).plus(self.0.elapsed())
    }

    fn steady(&self) -> Timestamp {
        self.wall()
    }
}

/// One message as it came in.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Since the test's start.
    pub at: Duration,
    pub to: String,
    pub body: String,
}

/// An answer and how long it takes.
pub type Answer = (Duration, Outcome);
type Script = Box<dyn FnMut(&Sent) -> Answer + Send>;

/// A WeCom that plays a script.
pub struct Recorder {
    begun: Instant,
    script: Mutex<Script>,
    sent: Mutex<Vec<Sent>>,
}

impl Recorder {
    fn note(&self, to: &[Recipient], body: &[u8]) -> Answer {
        let body = String::from_utf8(body.to_vec()).unwrap();
        let to: Vec<_> = to.iter().map(ToString::to_string).collect();
        let sent = Sent { at: self.begun.elapsed(), to: to.join("|"), body };
        self.sent.lock().unwrap().push(sent.clone());
        (self.script.lock().unwrap())(&sent)
    }
}

impl Push for Recorder {
    fn encode(&self, _to: &[Recipient], _message: &Message) -> Vec<u8> {
        unreachable!("the tests compose by themselves")
    }

    fn send<'a>(&'a self, to: &'a [Recipient], body: &'a [u8]) -> BoxFuture<'a, wecom::Sent> {
        Box::pin(async move {
            let (delay, outcome) = self.note(to, body);
            tokio::time::sleep(delay).await;
            outcome.into()
        })
    }
}

/// The service, its outbox and its WeCom.
pub struct Bench {
    begun: Instant,
    disk: Disk,
    state: Arc<Store>,
    pub health: Arc<Health>,
    recorder: Arc<Recorder>,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
    letters: u64,
}

/// At once.
pub fn now(outcome: Outcome) -> Answer {
    (Duration::from_millis(10), outcome)
}

pub fn sent() -> Answer {
    now(Outcome::Sent)
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Bench {
    /// Starts the service.
    pub fn start(script: impl FnMut(&Sent) -> Answer + Send + 'static) -> Self {
        let begun = Instant::now();
        let disk = Disk::default();
        let recorder = Recorder { begun, script: Mutex::new(Box::new(script)), sent: Mutex::default() };
        let mut bench = Self {
            begun,
            state: Arc::new(Store::in_place(MemoryKv::open(&disk)).unwrap()),
            disk,
            health: Arc::default(),
            recorder: Arc::new(recorder),
            stop: CancellationToken::new(),
            running: None,
            letters: 0,
        };
        bench.run();
        bench
    }

    fn run(&mut self) {
        let delivery = Delivery {
            state: self.state.clone(),
            push: self.recorder.clone(),
            clock: Arc::new(TestClock(self.begun)),
            health: self.health.clone(),
            compose: compose(),
            lang: Lang::En,
            time_zone: jiff::tz::TimeZone::UTC,
            admins: vec![Recipient::User("admin".into())],
        };
        self.stop = CancellationToken::new();
        self.running = Some(tokio::spawn(deliver::run(delivery, self.stop.clone())));
    }

    /// A letter comes in and is committed.
    pub async fn letter(&mut self, to: &str, subject: &str) {
        self.letter_for(&[to], subject).await;
    }

    /// The same for several recipients.
    pub async fn letter_for(&mut self, to: &[&str], subject: &str) {
        self.letters += 1;
        let clock = TestClock(self.begun);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.letters.to_be_bytes());
        let letter = Letter {
            id: LetterId(id),
            from: Sender::default(),
            subject: Some(subject.to_owned()),
            time: clock.wall(),
            size: 1,
            attachment: false,
            seen: false,
            readable: true,
            ..Letter::default()
        };
        let account = AccountId::new("zhangsan@corp.example");
        let item = Item {
            account: account.clone(),
            folder: "INBOX".into(),
            letter,
            told_at: clock.steady(),
            away: None,
            card: None,
        };
        let scan = Scan {
            account,
            folder: RawName::new(&self.letters.to_be_bytes()),
            from: None,
            to: Mark { uid_validity: 1, next: 2, bound_at: clock.wall(), looked_at: clock.wall(), mailbox_id: None },
            letters: vec![Sighting {
                item,
                uid: 1,
                subscription: 1,
                urgency: Urgency::Normal,
                apart: Vec::new(),
                fate: Fate::Announce(to.iter().map(|name| Recipient::parse(name).unwrap()).collect()),
            }],
            met: Met::default(),
            deferred: Duration::ZERO,
            catching_up: false,
        };
        assert_eq!(self.state.commit_scan(scan, Clock::now(&clock)).await.unwrap(), Committed::Stored(to.len()));
    }

    /// Lets so much time pass.
    pub async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// The service dies where it stands and is started again on what was durable.
    pub async fn crash(&mut self) {
        let running = self.running.take().unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        self.state = Arc::new(Store::in_place(MemoryKv::open(&self.disk)).unwrap());
        self.run();
    }

    /// The delivery loop dies of a panic and is begun anew; the store goes on.
    pub async fn begin_anew(&mut self) {
        let running = self.running.take().unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        self.run();
    }

    /// Stops it; how long that took.
    pub async fn stop(&mut self) -> Duration {
        let asked = Instant::now();
        self.stop.cancel();
        self.running.take().unwrap().await.unwrap();
        asked.elapsed()
    }

    /// Starts it again after a stop, with another WeCom.
    pub fn restart(&mut self, script: impl FnMut(&Sent) -> Answer + Send + 'static) {
        assert!(self.running.is_none());
        *self.recorder.script.lock().unwrap() = Box::new(script);
        self.state = Arc::new(Store::in_place(MemoryKv::open(&self.disk)).unwrap());
        self.run();
    }

    pub async fn outbox(&self) -> Outbox {
        self.state.outbox().await.unwrap()
    }

    /// All messages so far.
    pub fn sent(&self) -> Vec<Sent> {
        self.recorder.sent.lock().unwrap().clone()
    }

    /// The bodies, each with the times of its tries.
    pub fn tries(&self) -> BTreeMap<String, Vec<Duration>> {
        let mut tries: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
        for sent in self.sent() {
            tries.entry(sent.body).or_default().push(sent.at);
        }
        tries
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }
}

/// All that waits for one recipient in one message.
fn compose() -> Arc<Compose> {
    Arc::new(|asked: &[Recipient], content, Shape { number, plain, .. }| {
        let items = match content {
            Content::Letters(items) => items,
            Content::Text(text) => {
                let body = format!("{text}{}", " ".repeat(number as usize)).into_bytes();
                return vec![Draft { to: asked.to_vec(), kind: AlertKind::Report, body, items: Vec::new() }];
            }
        };
        let to: Vec<_> = asked.iter().map(ToString::to_string).collect();
        let to = to.join("|");
        let subjects: Vec<_> = items.iter().map(|item| item.letter.subject.clone().unwrap_or_default()).collect();
        let count = if number == 0 { String::new() } else { format!(" #{number}") };
        let plain = if plain { " plain" } else { "" };
        let body = format!("{to}: {}{count}{plain}", subjects.join(" + ")).into_bytes();
        vec![Draft { to: asked.to_vec(), kind: AlertKind::Digest, body, items: (0..items.len()).collect() }]
    })
}
