//! One run: the world, and one process of mailbell after another, until all is told and quiet.

use super::dice::Dice;
use super::face::{Eyes, Given};
use super::judge;
use super::office::{Cabinet, Harm, Office, Post};
use super::plan::{Event, Kind, Plan};
use super::service::Service;
use super::time::{HOUR, MINUTE, SECOND, Time};
use super::wecom::WeCom;
use super::witness::Witness;
use mailbell::config::{Config, load_text};
use mailbell::model::{Recipient, Urgency};
use mailbell::state::{Disk, Ledger, MemoryKv, State, Store};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once};
use tokio::sync::watch;

/// What a run came to.
pub struct Outcome {
    pub scene: &'static str,
    pub broken: Vec<String>,
    pub log: String,
    pub counts: Counts,
}

/// How much happened, so that nobody mistakes an empty run for a good one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub processes: u64,
    pub letters: usize,
    pub told: usize,
    pub twice: usize,
    pub requests: u64,
    pub most_permits: usize,
    pub minutes: i64,
}

/// Everything that outlives a process.
pub struct World {
    pub plan: Plan,
    pub config: Config,
    pub time: Arc<Time>,
    pub witness: Arc<Witness>,
    pub office: Arc<Office>,
    pub wecom: Arc<WeCom>,
    pub eyes: Arc<Eyes>,
    pub disk: Disk,
    pub people: Vec<Recipient>,
    dice: Dice,
    next: usize,
    /// After the faults.
    calm_since: Option<i64>,
    retried: bool,
    processes: u64,
}

/// How a process ended.
enum End {
    Died { down: i64, reboot: bool },
    Done,
}

impl World {
    fn new(seed: u64, loud: bool) -> Self {
        let plan = Plan::of(seed);
        let config = load_text(Path::new("/run/mailbell.toml"), &plan.config, &|_| None);
        let config = config.unwrap_or_else(|problems| panic!("{}", problems.text(mailbell::model::Lang::En)));
        let time = Arc::new(Time::new(seed));
        let witness = Arc::new(Witness::new(time.clone(), loud));
        let office = Arc::new(Office::new(witness.clone(), Dice::new(seed, 4)));
        let wecom = Arc::new(WeCom::new(witness.clone(), office.clone(), plan.cap, Dice::new(seed, 5)));
        let disk = Disk::default();
        let eyes = Arc::new(Eyes {
            disk: disk.clone(),
            witness: witness.clone(),
            office: office.clone(),
            wecom: wecom.clone(),
            given: Mutex::new(Given::default()),
            full: AtomicU32::new(0),
        });
        let people = plan.people.iter().map(|name| Recipient::parse(name).unwrap()).collect();
        let world = Self {
            plan,
            config,
            time,
            witness,
            office,
            wecom,
            eyes,
            disk,
            people,
            dice: Dice::new(seed, 6),
            next: 0,
            calm_since: None,
            retried: false,
            processes: 0,
        };
        world.furnish();
        world
    }

    /// The accounts and what lies in them before anybody looks.
    fn furnish(&self) {
        for account in &self.plan.accounts {
            let known = self.config.accounts.iter().find(|known| *known.id.0 == *account.email).unwrap();
            let everybody = |list: &[usize]| list.iter().map(|who| self.people[*who].clone()).collect::<Vec<_>>();
            let cabinet = |(name, other, urgency): &(String, Vec<usize>, &str)| {
                let audience = if other.is_empty() { known.recipients.clone() } else { everybody(other) };
                let cabinet = Cabinet {
                    validity: 7,
                    next: 1,
                    mails: Vec::new(),
                    arrivals: 0,
                    tells_next: true,
                    too_high: 0,
                    refused: false,
                    audience,
                    urgency: Urgency::parse(urgency).unwrap(),
                    opened_at: 0,
                    bound: None,
                };
                (name.clone(), cabinet)
            };
            let post = Post {
                owner: known.owner.clone(),
                folders: account.folders.iter().map(cabinet).collect::<BTreeMap<_, _>>(),
                offer: account.offer,
                refusal: None,
                silent: false,
                deaf: false,
                drops: 0,
                generation: 0,
                changed: Arc::new(watch::channel(()).0),
                read_under: 0,
            };
            let mut inner = self.office.open();
            let at = inner.posts.len();
            inner.names.insert(known.id.clone(), at);
            inner.posts.push(post);
            drop(inner);
            for (name, ..) in &account.folders {
                for n in 0..self.plan.before {
                    let letter = self.office.write(Harm::None, false, None);
                    self.office.arrive(at, name, letter, i64::try_from(n).unwrap() * 20 * MINUTE, false, 0);
                }
            }
        }
    }

    /// All processes, one after the other.
    fn run(&mut self) {
        loop {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let end = runtime.block_on(self.process());
            drop(runtime);
            match end {
                End::Done => return,
                End::Died { down, reboot } => self.lie_down(down, reboot),
            }
        }
    }

    /// Nobody runs; the world goes on.
    fn lie_down(&mut self, down: i64, reboot: bool) {
        self.witness.note(|| {
            format!("nobody runs for {} s{}", down / SECOND, if reboot { "; the machine starts anew" } else { "" })
        });
        let until = self.time.now() + down;
        while let Some((at, event)) = self.plan.events.get(self.next).cloned().filter(|(at, _)| *at <= until) {
            self.time.pass((at - self.time.now()).max(0));
            self.next += 1;
            self.apply(&event);
        }
        self.time.pass((until - self.time.now()).max(0));
        if reboot {
            let store = Store::in_place(MemoryKv::open(&self.disk)).unwrap();
            let latest = futures_util::FutureExt::now_or_never(store.anchor()).unwrap().unwrap().1;
            self.time.reboot(latest);
        }
    }

    async fn process(&mut self) -> End {
        self.time.begin();
        self.processes += 1;
        self.wecom.open().process = self.processes;
        self.witness.note(|| "a process begins".to_owned());
        let now = self.time.now();
        self.calm_since = self.calm_since.map(|_| now);
        let store = Store::in_place(MemoryKv::open(&self.disk)).unwrap();
        let (eyes, time, witness) = (self.eyes.clone(), self.time.clone(), self.witness.clone());
        let config = self.config.clone();
        let started = tokio::select! {
            biased;
            () = witness.death() => None,
            service = Service::start(&config, store, &eyes, &time) => Some(service),
        };
        let end = match started {
            None => None,
            Some(mut service) => {
                let face = service.face.clone();
                let end = tokio::select! {
                    biased;
                    () = witness.death() => None,
                    end = self.drive(&face.store) => Some(end),
                    () = service.watch_life() => None,
                };
                if let Some(Next::Stop(down)) = end {
                    tokio::select! {
                        biased;
                        () = witness.death() => None,
                        () = service.stop() => Some(Next::Died(down, false)),
                    }
                } else {
                    end
                }
            }
        };
        if witness.take_death() {
            // One that was rung and not heard is not for the next process.
            let _ = futures_util::FutureExt::now_or_never(witness.death());
        }
        let end = match end {
            Some(Next::Done) => End::Done,
            Some(Next::Died(down, reboot)) => End::Died { down, reboot },
            Some(Next::Stop(down)) => End::Died { down, reboot: false },
            None => {
                let down = self.plan.downs[usize::try_from(self.processes).unwrap() % self.plan.downs.len()];
                End::Died { down, reboot: self.dice.often(200) }
            }
        };
        self.time.end();
        end
    }

    /// Lets happen what is to happen, then waits until all is told.
    async fn drive(&mut self, store: &Arc<Store>) -> Next {
        while let Some((at, event)) = self.plan.events.get(self.next).cloned() {
            self.time.until(at).await;
            self.next += 1;
            match event {
                Event::Crash { down, reboot } => return Next::Died(down, reboot),
                Event::Stop { down } => return Next::Stop(down),
                other => self.apply(&other),
            }
            if self.witness.is_broken() {
                return Next::Done;
            }
        }
        let calm_since = self.calm_since.unwrap();
        let mut quiet = false;
        loop {
            let left = judge::left(self, store).await;
            if let Some(left) = left {
                quiet = false;
                if self.time.now() - calm_since > self.plan.settle {
                    self.witness.broken(format!("not done {} min after the faults: {left}", self.plan.settle / MINUTE));
                    return Next::Done;
                }
            } else if !self.retried {
                self.retried = true;
                store.retry(None, mailbell::clock::Clock::now(&*self.time)).await.unwrap();
                continue;
            } else if quiet {
                break;
            } else {
                // A sweep more, for what might come twice.
                quiet = true;
                self.time.until(self.time.now() + 11 * MINUTE).await;
                continue;
            }
            if self.witness.is_broken() {
                return Next::Done;
            }
            tokio::time::sleep(std::time::Duration::from_secs(240)).await;
        }
        judge::at_the_end(self, store).await;
        Next::Done
    }

    fn apply(&mut self, event: &Event) {
        self.witness.note(|| format!("event {event:?}"));
        let name = |world: &Self, post: usize, folder: usize| world.plan.accounts[post].folders[folder].0.clone();
        match event.clone() {
            Event::Mail { post, folder, count, kind } => {
                let mut first = None;
                for _ in 0..count {
                    let letter = self.mail(post, folder, kind, first.filter(|_| kind == Kind::Alike));
                    first.get_or_insert(letter);
                }
            }
            Event::Move { post, from, to, place } => {
                if let (Some(stay), Some(to)) = (self.office.leave(post, &name(self, post, from), place), to) {
                    let age = self.time.now() - stay.date;
                    self.office.arrive(post, &name(self, post, to), stay.letter, age, stay.seen_at.is_some(), 0);
                }
            }
            Event::Read { post, folder, place } => self.office.read(post, &name(self, post, folder), place),
            Event::Renumber { post, folder } => self.office.renumber(post, &name(self, post, folder)),
            Event::Lie { post, folder, tells_next, too_high, refused } => {
                let name = name(self, post, folder);
                self.office.change(post, false, |post| {
                    let cabinet = post.folders.get_mut(&name).unwrap();
                    cabinet.tells_next = tells_next;
                    // Who is told too high a number at the first look can know nothing of what comes below it.
                    cabinet.too_high = if cabinet.bound.is_some() { too_high } else { 0 };
                    cabinet.refused = refused;
                });
            }
            Event::Server { post, refusal, silent, deaf, drops } => {
                self.office.change(post, refusal.is_some(), |post| {
                    (post.refusal, post.silent, post.deaf, post.drops) = (refusal, silent, deaf, drops);
                })
            }
            Event::Cut { post } => self.office.change(post, true, |_| {}),
            Event::WeCom(climate) => self.wecom.open().climate = climate,
            Event::Limited(lasts) => self.wecom.open().limited_until = self.time.now() + lasts,
            Event::Closed(lasts) => self.wecom.open().closed_until = self.time.now() + lasts,
            Event::TokenGone => self.wecom.withdraw_token(),
            Event::Visible { who, visible } => self.visible(who, visible),
            Event::Wall(error) => self.set_wall_error(error),
            Event::Full(full) => self.eyes.full.store(full, Ordering::Relaxed),
            Event::Trap(trap) => self.witness.set(Some(trap)),
            // Who does not run cannot die.
            Event::Crash { .. } | Event::Stop { .. } => {}
            Event::Calm => self.calm(),
        }
    }

    fn set_wall_error(&self, error: i64) {
        let now = self.time.now();
        let mut inner = self.office.open();
        if let Some(last) = inner.wrong.last_mut().filter(|(_, to)| *to == i64::MAX) {
            last.1 = now;
        }
        if error >= HOUR {
            inner.wrong.push((now, i64::MAX));
        }
        drop(inner);
        self.time.set_wall_error(error);
    }

    fn visible(&self, who: usize, visible: bool) {
        let who = &self.people[who];
        let mut wecom = self.wecom.open();
        if visible {
            wecom.invisible.remove(who);
        } else {
            wecom.invisible.insert(who.clone());
            wecom.refused_ever.insert(who.clone());
        }
    }

    fn mail(&self, post: usize, folder: usize, kind: Kind, like: Option<usize>) -> usize {
        let folder = &self.plan.accounts[post].folders[folder].0;
        let harm = if let Kind::Harmful(harm) = kind { harm } else { Harm::None };
        let letter = self.office.write(harm, kind == Kind::Long, like);
        let (age, seen, hidden) = match kind {
            Kind::Old => (60 * HOUR, false, 0),
            Kind::Seen => (0, true, 0),
            Kind::Hidden(hidden) => (0, false, hidden),
            _ => (0, false, 0),
        };
        self.office.arrive(post, folder, letter, age, seen, hidden);
        if let Kind::Twin { post, folder } = kind {
            let folder = &self.plan.accounts[post].folders[folder].0;
            self.office.arrive(post, folder, letter, 0, false, 0);
        }
        letter
    }

    /// All faults end.
    fn calm(&mut self) {
        self.calm_since = Some(self.time.now());
        self.witness.set(None);
        for post in 0..self.plan.accounts.len() {
            self.office.change(post, false, |post| {
                (post.refusal, post.silent, post.deaf, post.drops) = (None, false, false, 0);
                for cabinet in post.folders.values_mut() {
                    (cabinet.tells_next, cabinet.too_high, cabinet.refused) = (true, 0, false);
                }
            });
        }
        let mut wecom = self.wecom.open();
        wecom.climate = Default::default();
        (wecom.limited_until, wecom.closed_until) = (0, 0);
        wecom.invisible.clear();
        drop(wecom);
        self.set_wall_error(0);
        self.eyes.full.store(0, Ordering::Relaxed);
    }
}

/// How a process is to end.
enum Next {
    Died(i64, bool),
    Stop(i64),
    Done,
}

thread_local! {
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// From now on panics are counted: a task that panics begins anew, and nobody would know.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            before(info);
        }));
    });
}

/// Runs one seed.
pub fn run(seed: u64, loud: bool) -> Outcome {
    count_panics();
    let before = PANICS.get();
    let mut world = World::new(seed, loud);
    world.run();
    if PANICS.get() > before {
        world.witness.broken("a panic in a task");
    }
    let counts = judge::counts(&world, world.processes);
    let (broken, log) = world.witness.take();
    Outcome { scene: world.plan.scene, broken, log, counts }
}
