//! How people want to be told: when they are rung, and what they have muted. Shared by who asks and who changes it; the
//! decisions are `rules/`'s.

use crate::config::{Config, Person, Subscription};
use crate::model::{AccountId, Apart, Fingerprint, Letter, Mute, MuteId, Muted, Recipient, Timestamp, Urgency};
use crate::rules::filter::{AddressPatterns, Condition, Filter, Test, TextPatterns, View};
use crate::rules::hours::{Digests, Hours, Quiet};
use crate::rules::pattern;
use crate::rules::workdays::Workdays;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

/// What the config says.
#[derive(Debug, Default)]
struct Manners {
    quiet_hours: Hours,
    work_hours: Hours,
    digest_at: Vec<String>,
    zone: Option<TimeZone>,
    days: Arc<Workdays>,
    users: BTreeMap<Recipient, Person>,
    /// Whether any hours are about workdays.
    asks_calendar: bool,
}

/// A mute, ready to be asked.
#[derive(Debug)]
struct Ready {
    mute: Mute,
    /// Which letters, where it is about senders or lists.
    filter: Filter,
}

/// See the module's text. The default rings everybody at once.
#[derive(Debug, Default)]
pub struct People {
    manners: RwLock<Arc<Manners>>,
    /// By whose they are.
    mutes: RwLock<Arc<HashMap<Recipient, Vec<Ready>>>>,
}

/// A letter that is about to be told.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Where it was found.
    pub account: &'a AccountId,
    /// The folder's name for people.
    pub folder: &'a str,
    /// The letter.
    pub letter: &'a Letter,
    /// The subscription that takes it.
    pub subscription: &'a Subscription,
}

impl People {
    /// Of a config; nothing is muted yet.
    pub fn new(config: &Config) -> Self {
        Self { manners: RwLock::new(Arc::new(manners(config))), mutes: RwLock::default() }
    }

    /// What a config says takes the place of what one before it said.
    pub fn update(&self, config: &Config) {
        *self.manners.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(manners(config));
    }

    /// A year that the working calendar does not know, though somebody's hours ask it: this year, or next year in December.
    /// Its days are taken as the week has them.
    pub fn missing_year(&self, now: Timestamp) -> Option<i16> {
        let manners = self.manners.read().unwrap_or_else(PoisonError::into_inner).clone();
        let zone = manners.zone.clone().unwrap_or(TimeZone::UTC);
        let day = jiff::Timestamp::from_millisecond(now.0).ok()?.to_zoned(zone).date();
        let next = (day.month() == 12).then(|| day.year() + 1);
        manners
            .asks_calendar
            .then(|| std::iter::once(day.year()).chain(next).find(|year| !manners.days.knows(*year)))?
    }

    /// These are muted, and nothing else.
    pub fn set_mutes(&self, mutes: Vec<(MuteId, Mute)>) {
        let mut ready: HashMap<Recipient, Vec<Ready>> = HashMap::new();
        for (_, mute) in mutes {
            let filter = filter(&mute.what);
            ready.entry(mute.user.clone()).or_default().push(Ready { mute, filter });
        }
        *self.mutes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ready);
    }

    /// Which of these recipients are told of a letter otherwise than its subscription's urgency says, at `now` (wall
    /// clock): not at all where they muted it; later in quiet hours and vacations (not what is urgent), and where digests
    /// have their times of day.
    pub fn apart(&self, recipients: &[Recipient], about: &About<'_>, now: Timestamp) -> Vec<(Recipient, Apart)> {
        let manners = self.manners.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mutes = self.mutes.read().unwrap_or_else(PoisonError::into_inner).clone();
        let one = |recipient: &Recipient| {
            let own = mutes.get(recipient).map(Vec::as_slice).unwrap_or_default();
            let apart = muted(own, about, now).or_else(|| later(&manners, own, recipient, about, now))?;
            Some((recipient.clone(), apart))
        };
        recipients.iter().filter_map(one).collect()
    }
}

fn manners(config: &Config) -> Manners {
    let alerts = &config.alerts;
    let of_people = config.users.values().map(|person| &person.times);
    let of_accounts = config.accounts.iter().flat_map(|account| &account.subscriptions).map(|s| &s.times);
    let asks = |hours: &Option<Hours>| hours.as_ref().is_some_and(Hours::use_workdays);
    let some_ask = of_people.chain(of_accounts).any(|times| asks(&times.quiet_hours) || asks(&times.work_hours));
    Manners {
        asks_calendar: some_ask || alerts.quiet_hours.use_workdays() || alerts.work_hours.use_workdays(),
        quiet_hours: alerts.quiet_hours.clone(),
        work_hours: alerts.work_hours.clone(),
        digest_at: alerts.digest_at.clone(),
        zone: Some(alerts.time_zone.clone()),
        days: alerts.workdays.clone(),
        users: config.users.clone(),
    }
}

/// The letters that a mute of senders or lists means. What is no pattern means none.
fn filter(what: &Muted) -> Filter {
    let test = match what {
        Muted::Sender(text) => {
            let mut patterns = AddressPatterns::default();
            patterns.add(text).ok().map(|()| Test::From(patterns))
        }
        Muted::List(text) => {
            let mut patterns = TextPatterns::default();
            patterns.add(text).ok().map(|()| Test::ListId(patterns))
        }
        _ => None,
    };
    let none = || Test::Not(Box::default());
    Filter::new(vec![Condition { key: "mute", test: test.unwrap_or_else(none) }])
}

fn muted(own: &[Ready], about: &About<'_>, now: Timestamp) -> Option<Apart> {
    let there = own.iter().filter(|ready| ready.mute.until > now);
    let means = |ready: &&Ready| match &ready.mute.what {
        Muted::All => false,
        Muted::Sender(_) | Muted::List(_) => ready.filter.takes(&View::of(about.letter)),
        Muted::Thread(_, id) => is_of_thread(about.letter, *id),
        Muted::Folder(name, account) => {
            let here = account.as_ref().is_none_or(|account| account == about.account);
            here && pattern::takes(std::slice::from_ref(name), &[about.folder], &[])
        }
    };
    there.filter(means).map(|ready| ready.mute.until).max().map(Apart::Muted)
}

fn is_of_thread(letter: &Letter, id: Fingerprint) -> bool {
    letter.thread.contains(&id)
}

fn later(manners: &Manners, own: &[Ready], recipient: &Recipient, about: &About<'_>, now: Timestamp) -> Option<Apart> {
    let subscription = about.subscription;
    if subscription.urgency == Urgency::Urgent {
        return None;
    }
    let person = manners.users.get(recipient);
    let said = person.map(|person| &person.times);
    let (asked, zone) = (&subscription.times, person.and_then(|person| person.time_zone.as_ref()));
    let zone = zone.or(manners.zone.as_ref()).cloned().unwrap_or(TimeZone::UTC);
    let of = |sub: &Option<Hours>, own: Option<&Option<Hours>>, general: &Hours| {
        sub.clone().or_else(|| own.cloned().flatten()).unwrap_or_else(|| general.clone())
    };
    let quiet = Quiet {
        quiet_hours: of(&asked.quiet_hours, said.map(|times| &times.quiet_hours), &manners.quiet_hours),
        work_hours: Some(of(&asked.work_hours, said.map(|times| &times.work_hours), &manners.work_hours)),
        zone: zone.clone(),
        days: manners.days.clone(),
    };
    let vacations = own.iter().filter(|ready| ready.mute.what == Muted::All).map(|ready| ready.mute.until);
    let vacation = vacations.filter(|until| *until > now).max();
    // Whoever comes back in quiet hours is not rung in them.
    let from = vacation.unwrap_or(now);
    let loud = quiet.until(from).or(vacation);
    let at = asked.digest_at.as_ref().or_else(|| said.and_then(|times| times.digest_at.as_ref()));
    let at = at.unwrap_or(&manners.digest_at);
    let digest = (subscription.urgency == Urgency::Digest && loud.is_none())
        .then(|| Digests::at(at, zone.clone()).ok())
        .flatten()
        .map(|digests| digests.next(now));
    loud.or(digest).map(Apart::Later)
}
