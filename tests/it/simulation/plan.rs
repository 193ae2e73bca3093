//! What happens in a run, drawn from its seed before it begins: who has which accounts, what mail comes, what goes wrong.

use super::dice::Dice;
use super::office::{Harm, Refusal};
use super::time::{HOUR, MINUTE, SECOND};
use super::wecom::Climate;
use super::witness::Trap;
use mailbell::imap::Offer;
use std::fmt::Write;

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// So many letters come, all at once.
    Mail {
        post: usize,
        folder: usize,
        count: usize,
        kind: Kind,
    },
    /// A letter is moved to another folder, or deleted.
    Move {
        post: usize,
        from: usize,
        to: Option<usize>,
        place: usize,
    },
    /// A letter is read elsewhere.
    Read {
        post: usize,
        folder: usize,
        place: usize,
    },
    Renumber {
        post: usize,
        folder: usize,
    },
    Lie {
        post: usize,
        folder: usize,
        tells_next: bool,
        too_high: u32,
        refused: bool,
    },
    Server {
        post: usize,
        refusal: Option<Refusal>,
        silent: bool,
        deaf: bool,
        drops: u32,
    },
    Cut {
        post: usize,
    },
    WeCom(Climate),
    Limited(i64),
    Closed(i64),
    TokenGone,
    /// A recipient is or is not in the app's visible range.
    Visible {
        who: usize,
        visible: bool,
    },
    Wall(i64),
    Full(u32),
    Trap(Trap),
    /// The process dies; it is started again after so long.
    Crash {
        down: i64,
        reboot: bool,
    },
    /// It is stopped as by SIGTERM.
    Stop {
        down: i64,
    },
    /// No more faults.
    Calm,
}

/// What kind of letter comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Fresh,
    /// All of them look the same, though they are different letters.
    Alike,
    /// With a long subject.
    Long,
    /// Received days ago: imported or restored.
    Old,
    /// Read already.
    Seen,
    /// Also comes to another folder, or another account.
    Twin {
        post: usize,
        folder: usize,
    },
    /// Counted by UIDNEXT, to be seen so many milliseconds later.
    Hidden(i64),
    Harmful(Harm),
}

/// An account of the run.
#[derive(Clone, Debug)]
pub struct AccountPlan {
    pub email: String,
    pub user: Option<usize>,
    pub recipients: Vec<usize>,
    /// Name, recipients where they differ, urgency.
    pub folders: Vec<(String, Vec<usize>, &'static str)>,
    pub offer: Offer,
}

/// See the module's text.
pub struct Plan {
    pub scene: &'static str,
    pub people: Vec<String>,
    pub accounts: Vec<AccountPlan>,
    pub cap: Option<u32>,
    pub config: String,
    pub events: Vec<(i64, Event)>,
    /// Letters that are there before anybody looks.
    pub before: usize,
    /// How long after the faults all must be done.
    pub settle: i64,
    /// How long a crash by a trap lasts.
    pub downs: Vec<i64>,
}

const FOLDERS: [&str; 4] = ["INBOX", "Work", "Lists", "Spam"];
const STEPS: [&str; 11] =
    ["commit", "claim", "settle", "admit", "carry", "taken", "answered", "set_line", "remember", "imap", "report"];

impl Plan {
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 3);
        let scene = match dice.below(1000) {
            0..700 => "usual",
            700..850 => "several",
            850..890 => "storm",
            890..900 => "flood",
            900..990 => "long",
            990..999 => "crowd",
            _ => "thousands",
        };
        let (accounts, people, lasts) = match scene {
            "usual" => (1 + dice.below(4), 1 + dice.below(4), dice.between(10, 45) * MINUTE),
            "several" => (5 + dice.below(4), 2 + dice.below(6), dice.between(10, 30) * MINUTE),
            "storm" => (1 + dice.below(2), 1, dice.between(70, 90) * MINUTE),
            "flood" => (25 + dice.below(20), 3, dice.between(5, 12) * MINUTE),
            "long" => (1 + dice.below(2), 1 + dice.below(2), dice.between(5, 9) * HOUR),
            "crowd" => (60 + dice.below(200), 40, dice.between(4, 10) * MINUTE),
            _ => (1000 + dice.below(200), 300, dice.between(3, 6) * MINUTE),
        };
        let mut people: Vec<_> = (0..people).map(|n| format!("user{n}")).collect();
        people.extend(["party:12".to_owned(), "tag:3".to_owned()]);
        let accounts: Vec<_> = (0..accounts).map(|n| account(&mut dice, n, &people, scene)).collect();
        let cap = match scene {
            "flood" if dice.often(300) => Some(1),
            _ if dice.often(500) => Some(500),
            _ => None,
        };
        let config = config(&mut dice, scene, &people, &accounts, cap);
        let before = dice.below(6);
        let mut plan = Self {
            scene,
            people,
            accounts,
            cap,
            config,
            events: Vec::new(),
            before,
            settle: 4 * HOUR,
            downs: (0..64).map(|_| down(&mut dice, scene)).collect(),
        };
        plan.mail(&mut dice, lasts);
        plan.faults(&mut dice, lasts);
        plan.one_far_step();
        plan.events.push((lasts, Event::Calm));
        plan.events.sort_by_key(|(at, _)| *at);
        if cap == Some(1) {
            plan.settle += 26 * HOUR;
        }
        plan
    }

    fn mail(&mut self, dice: &mut Dice, lasts: i64) {
        let accounts = self.accounts.len();
        let count = match self.scene {
            "usual" => dice.between(4, 40),
            "several" => dice.between(10, 60),
            "storm" => lasts / (dice.between(12, 60) * SECOND),
            "flood" => lasts / dice.between(700, 3000),
            "long" => dice.between(10, 60),
            "crowd" => dice.between(100, 300),
            _ => dice.between(300, 600),
        };
        for _ in 0..count {
            let at = dice.between(0, lasts);
            let (post, folder) = self.place(dice);
            let kind = match dice.below(100) {
                0..60 => Kind::Fresh,
                60..68 => Kind::Long,
                68..73 => Kind::Old,
                73..78 => Kind::Seen,
                78..90 => {
                    let (post, folder) = self.place(dice);
                    Kind::Twin { post, folder }
                }
                90..94 => Kind::Hidden(dice.between(1, 290) * SECOND),
                94..96 => Kind::Harmful(Harm::UnlessPlain),
                96..97 => Kind::Harmful(Harm::Always),
                97..99 => Kind::Alike,
                _ => Kind::Fresh,
            };
            let count = match dice.below(100) {
                _ if kind == Kind::Alike => 2 + dice.below(2),
                0..85 => 1,
                85..97 => 2 + dice.below(8),
                97..99 if self.scene != "flood" => 30 + dice.below(60),
                _ => 3,
            };
            self.events.push((at, Event::Mail { post, folder, count, kind }));
            if dice.often(80) {
                let to = dice.often(700).then(|| dice.below(self.accounts[post].folders.len()));
                let at = at + dice.between(0, 4 * MINUTE);
                self.events.push((at, Event::Move { post, from: folder, to, place: dice.below(1000) }));
            }
            if dice.often(50) {
                let at = at + dice.between(0, 4 * MINUTE);
                self.events.push((at, Event::Read { post, folder, place: dice.below(1000) }));
            }
        }
        let _ = accounts;
    }

    fn place(&self, dice: &mut Dice) -> (usize, usize) {
        let post = dice.below(self.accounts.len());
        (post, dice.below(self.accounts[post].folders.len()))
    }

    fn faults(&mut self, dice: &mut Dice, lasts: i64) {
        // Some runs are free of some kinds of faults, so that what they hide comes to light.
        let kinds: Vec<bool> = (0..6).map(|_| dice.often(600)).collect();
        let count = if self.scene == "long" { dice.between(6, 25) } else { dice.between(2, 18) };
        for _ in 0..count {
            let at = dice.between(SECOND, lasts);
            match dice.below(6) {
                0 if kinds[0] => self.server_fault(dice, at),
                1 if kinds[1] => self.folder_fault(dice, at),
                2 if kinds[2] => self.wecom_fault(dice, at),
                3 if kinds[3] => self.crash(dice, at),
                4 if kinds[4] => {
                    let step = dice.pick(&STEPS);
                    let trap = Trap { step, after: dice.often(500), left: 1 + u32::try_from(dice.below(12)).unwrap() };
                    let after = trap.after || matches!(step, "taken" | "answered");
                    let after = after && !matches!(step, "carry" | "imap");
                    self.events.push((at, Event::Trap(Trap { after, ..trap })));
                }
                5 if kinds[5] => self.machine_fault(dice, at),
                _ => {}
            }
        }
    }

    /// A clock that is ahead by hours makes it impossible to know when the last look was, once it has caught up with that:
    /// there is one such step at most in a run, and nobody is away for long.
    fn one_far_step(&mut self) {
        let is_far = |event: &(i64, Event)| matches!(event.1, Event::Wall(error) if error >= HOUR);
        let Some(far) = self.events.iter().position(is_far) else { return };
        let pair = [self.events[far].clone(), self.events[far + 1].clone()];
        self.events.retain(|(_, event)| !matches!(event, Event::Wall(_)));
        self.events.extend(pair);
        let short = |down: &mut i64| *down = (*down).min(20 * MINUTE);
        self.downs.iter_mut().for_each(short);
        for (_, event) in &mut self.events {
            if let Event::Crash { down, .. } | Event::Stop { down } = event {
                short(down);
            }
        }
    }

    fn server_fault(&mut self, dice: &mut Dice, at: i64) {
        let post = dice.below(self.accounts.len());
        let well = Event::Server { post, refusal: None, silent: false, deaf: false, drops: 0 };
        let (fault, lasts) = match dice.below(6) {
            0 => (Event::Cut { post }, 0),
            1 => {
                let refusal = dice.pick(&[Refusal::Unreachable, Refusal::Temporary, Refusal::Unreachable]);
                (Event::Server { post, refusal: Some(refusal), silent: false, deaf: false, drops: 0 }, 8)
            }
            2 => (Event::Server { post, refusal: None, silent: true, deaf: false, drops: 0 }, 5),
            3 => (Event::Server { post, refusal: None, silent: false, deaf: true, drops: 0 }, 30),
            4 => (Event::Server { post, refusal: None, silent: false, deaf: false, drops: 120 }, 15),
            _ => {
                (Event::Server { post, refusal: Some(Refusal::WrongPassword), silent: false, deaf: false, drops: 0 }, 1)
            }
        };
        self.events.push((at, fault));
        if lasts > 0 {
            self.events.push((at + dice.between(1, lasts * 60) * SECOND, well));
        }
    }

    fn folder_fault(&mut self, dice: &mut Dice, at: i64) {
        let (post, folder) = self.place(dice);
        let well = Event::Lie { post, folder, tells_next: true, too_high: 0, refused: false };
        let fault = match dice.below(5) {
            0 | 1 => Event::Renumber { post, folder },
            2 => Event::Lie { post, folder, tells_next: false, too_high: 0, refused: false },
            3 => Event::Lie {
                post,
                folder,
                tells_next: true,
                too_high: 1 + u32::try_from(dice.below(5)).unwrap(),
                refused: false,
            },
            _ => Event::Lie { post, folder, tells_next: true, too_high: 0, refused: true },
        };
        let passes = matches!(fault, Event::Lie { .. });
        self.events.push((at, fault));
        if passes {
            self.events.push((at + dice.between(10, 1100) * SECOND, well));
        }
    }

    fn wecom_fault(&mut self, dice: &mut Dice, at: i64) {
        let mut often = || u32::try_from(dice.below(350)).unwrap();
        let (fault, lasts) = match often() % 9 {
            0 | 1 => (Event::WeCom(Climate { lost_after: often(), lost_before: often(), ..Climate::default() }), 20),
            2 => (Event::WeCom(Climate { busy: often(), garbage: often(), slow: often(), ..Climate::default() }), 20),
            3 => (Event::WeCom(Climate { strange: often(), lost_after: often(), ..Climate::default() }), 10),
            4 => (Event::WeCom(Climate { lost_before: 1000, ..Climate::default() }), 30),
            5 => (Event::Limited(i64::from(often()) * SECOND), 0),
            6 => (Event::Closed(i64::from(often()) * 3 * SECOND), 0),
            7 => (Event::TokenGone, 0),
            _ => {
                let who = dice.below(self.people.len());
                self.events.push((at, Event::Visible { who, visible: false }));
                self.events.push((at + dice.between(1, 40) * MINUTE, Event::Visible { who, visible: true }));
                return;
            }
        };
        self.events.push((at, fault));
        if lasts > 0 {
            self.events.push((at + dice.between(5, lasts * 60) * SECOND, Event::WeCom(Climate::default())));
        }
    }

    fn crash(&mut self, dice: &mut Dice, at: i64) {
        let down = down(dice, self.scene);
        let event = match dice.below(4) {
            0 => Event::Stop { down },
            n => Event::Crash { down, reboot: n == 1 },
        };
        self.events.push((at, event));
    }

    fn machine_fault(&mut self, dice: &mut Dice, at: i64) {
        // Whose day WeCom's is, only the wall clock tells.
        if dice.often(600) && self.cap != Some(1) {
            let far = dice.often(300);
            let error = if far { dice.between(2 * 60, 9 * 60) } else { dice.between(-25, 30) };
            let lasts = if far { dice.between(30, 600) } else { dice.between(60, 3600) };
            self.events.push((at, Event::Wall(error * MINUTE)));
            self.events.push((at + lasts * SECOND, Event::Wall(0)));
        } else {
            self.events.push((at, Event::Full(300)));
            self.events.push((at + dice.between(1, 300) * SECOND, Event::Full(0)));
        }
    }
}

/// How long nobody runs.
fn down(dice: &mut Dice, scene: &str) -> i64 {
    match (dice.below(10), scene) {
        (0..6, _) => dice.between(1, 20) * SECOND,
        (6..8, _) => dice.between(20, 600) * SECOND,
        (_, "long") => dice.between(3 * 60, 6 * 60) * MINUTE,
        (8, _) => dice.between(10, 50) * MINUTE,
        _ => dice.between(50, 300) * MINUTE,
    }
}

fn account(dice: &mut Dice, n: usize, people: &[String], scene: &str) -> AccountPlan {
    let users = people.len() - 2;
    let shared = scene == "flood" || dice.often(300);
    let mut several = |least: usize| {
        let mut all: Vec<_> = (0..people.len()).collect();
        let count = least + dice.below(3.min(people.len()));
        let mut found = Vec::new();
        for _ in 0..count.min(people.len()) {
            found.push(all.remove(dice.below(all.len())));
        }
        found
    };
    // In a flood everybody's mail goes to the first one.
    let recipients = match (scene, shared) {
        ("flood", _) => vec![0],
        (_, true) => several(1),
        _ => Vec::new(),
    };
    let mut folders = Vec::new();
    for name in FOLDERS.iter().take(if scene == "storm" { 1 } else { 1 + several(0).len().min(3) }) {
        let other = several(0);
        folders.push(((*name).to_owned(), other));
    }
    let user = (!shared).then(|| dice.below(users));
    let plain = matches!(scene, "storm" | "flood" | "thousands" | "crowd");
    let folders = folders
        .into_iter()
        .map(|(name, other)| {
            let other = if plain || dice.often(600) { Vec::new() } else { other };
            let urgency =
                if plain { "normal" } else { dice.pick(&["normal", "normal", "normal", "urgent", "digest", "silent"]) };
            (name, other, urgency)
        })
        .collect();
    let offer = Offer { idle: dice.often(850), notify: dice.often(400), list_status: dice.often(500) };
    AccountPlan { email: format!("box{n}@corp.example"), user, recipients, folders, offer }
}

fn config(dice: &mut Dice, scene: &str, people: &[String], accounts: &[AccountPlan], cap: Option<u32>) -> String {
    let mut text = "[wecom]\ncorp_id = \"ww0123456789abcdef\"\nagent_id = 1000002\nsecret = \"secret\"\n".to_owned();
    if let Some(cap) = cap {
        writeln!(text, "account_cap = {cap}").unwrap();
    }
    if dice.often(700) {
        text += "link = \"https://mail.corp.example\"\n";
    }
    let lang = dice.pick(&["zh-CN", "en"]);
    let every = dice.pick(&["10m", "30m", "1h"]);
    writeln!(text, "[alerts]\nlang = \"{lang}\"\ndigest_every = \"{every}\"").unwrap();
    if dice.often(300) {
        writeln!(text, "[admin]\nrecipients = [\"{}\"]", people[0]).unwrap();
    }
    let busy = dice.pick(&["digests", "all", "off"]);
    let per_second = if accounts.len() > 20 { 50 } else { 5 };
    writeln!(text, "[limits]\nbusy_minutes = \"{busy}\"\nlogins_per_second_per_host = {per_second}").unwrap();
    let poll = if scene == "storm" { "5m" } else { dice.pick(&["72s", "5m", "5m", "10m"]) };
    writeln!(text, "[imap]\npoll_interval = \"{poll}\"").unwrap();
    let names = |list: &[usize]| list.iter().map(|who| format!("{:?}", people[*who])).collect::<Vec<_>>().join(", ");
    for (n, account) in accounts.iter().enumerate() {
        let owner = match account.user {
            Some(user) => format!("user = \"{}\"", people[user]),
            None => format!("shared = true\nrecipients = [{}]", names(&account.recipients)),
        };
        let (email, host) = (&account.email, n % 5);
        writeln!(
            text,
            "[[account]]\n{owner}\nemail = \"{email}\"\nhost = \"imap{host}.corp.example\"\nport = 993\npassword = \"x\""
        )
        .unwrap();
        for (name, other, urgency) in &account.folders {
            writeln!(text, "[[account.subscription]]\nfolders = [\"{name}\"]\nurgency = \"{urgency}\"").unwrap();
            if !other.is_empty() {
                writeln!(text, "recipients = [{}]", names(other)).unwrap();
            }
        }
    }
    text
}
