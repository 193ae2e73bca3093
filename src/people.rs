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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;

    const ALERTS: &str = "[alerts]\nquiet_hours = [\"22:00-08:00\", \"restday\"]\n\
        [user.lisi]\ntime_zone = \"Europe/Berlin\"\nquiet_hours = [\"22:00-06:00\"]\n[user.wangwu]\nquiet_hours = []\n";

    fn config(alerts: &str, subscription: &str) -> Config {
        let text = format!(
            "[wecom]\ncorp_id = \"ww0123456789abcdef\"\nagent_id = 1\nsecret = \"s\"\n{alerts}[[account]]\nuser = \"zhangsan\"\n\
             email = \"zhangsan@corp.example\"\nprovider = \"exmail\"\npassword = \"p\"\n[[account.subscription]]\n\
             folders = [\"*\"]\n{subscription}"
        );
        load_text(std::path::Path::new("/nowhere/x.toml"), &text, &|_| None).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    /// How a letter that comes at a moment is told to one recipient.
    fn apart(config: &Config, mutes: Vec<Mute>, who: &str, letter: &Letter, when: &str) -> Option<Apart> {
        let people = People::new(config);
        people.set_mutes(mutes.into_iter().map(|mute| (MuteId(1), mute)).collect());
        let account = &config.accounts[0];
        let subscription = &account.subscriptions[0];
        let about = About { account: &account.id, folder: "项目/甲", letter, subscription };
        let told = people.apart(&[Recipient::parse(who).unwrap()], &about, at(when));
        told.first().map(|(_, apart)| *apart)
    }

    #[test]
    fn hours_are_the_subscriptions_else_the_users_else_those_of_all() {
        let letter = Letter::default();
        let told = |subscription: &str, who: &str, when: &str| {
            apart(&config(ALERTS, subscription), Vec::new(), who, &letter, when)
        };
        let later = |when: &str| Some(Apart::Later(at(when)));
        // Thursday, 23:00 in Shanghai: quiet for all, 16:00 in Berlin.
        let night = "2026-11-26T15:00:00Z";
        assert_eq!(told("", "zhangsan", night), later("2026-11-27T00:00:00Z"));
        assert_eq!(told("", "lisi", night), None);
        assert_eq!(told("", "lisi", "2026-11-26T21:30:00Z"), later("2026-11-27T05:00:00Z"));
        assert_eq!(told("", "wangwu", night), None);
        assert_eq!(told("quiet_hours = []", "zhangsan", night), None);
        assert_eq!(told("work_hours = [\"mon-fri 09:00-18:00\"]", "wangwu", night), later("2026-11-27T01:00:00Z"));
        assert_eq!(told("urgency = \"urgent\"", "zhangsan", night), None, "what is urgent rings");
        // Saturday is free, and so is Sunday; a make-up Saturday is not.
        assert_eq!(told("", "zhangsan", "2026-11-28T04:00:00Z"), later("2026-11-30T00:00:00Z"));
        assert_eq!(told("", "zhangsan", "2026-10-10T04:00:00Z"), None);
    }

    #[test]
    fn digests_have_their_times_and_wait_for_the_end_of_quiet() {
        let told = |when| {
            let subscription = "urgency = \"digest\"\ndigest_at = [\"09:00\", \"14:00\"]";
            apart(&config(ALERTS, subscription), Vec::new(), "zhangsan", &Letter::default(), when)
        };
        assert_eq!(told("2026-11-26T02:00:00Z"), Some(Apart::Later(at("2026-11-26T06:00:00Z"))));
        assert_eq!(told("2026-11-26T15:00:00Z"), Some(Apart::Later(at("2026-11-27T00:00:00Z"))));
    }

    #[test]
    fn mutes_are_about_what_they_name_and_vacations_about_all() {
        let letter = Letter {
            list_id: Some("dev.lists.example".to_owned()),
            from: crate::model::Sender { name: None, address: Some("a@spam.example".to_owned()) },
            thread: vec![Fingerprint::of_message_id(b"<own@x>"), Fingerprint::of_message_id(b"root@x")],
            ..Letter::default()
        };
        let until = at("2026-11-28T04:00:00Z");
        let told = |what: Muted, urgency: &str| {
            let mute = Mute { user: Recipient::parse("wangwu").unwrap(), what, until, since: Timestamp(0) };
            apart(&config(ALERTS, urgency), vec![mute], "wangwu", &letter, "2026-11-26T04:00:00Z")
        };
        let muted = Some(Apart::Muted(until));
        assert_eq!(told(Muted::Sender("@spam.example".to_owned()), ""), muted);
        assert_eq!(told(Muted::Sender("@ham.example".to_owned()), ""), None);
        assert_eq!(told(Muted::Thread("x".to_owned(), Fingerprint::of_message_id(b"<root@x>")), ""), muted);
        assert_eq!(told(Muted::List("dev".to_owned()), "urgency = \"urgent\""), muted, "also what is urgent");
        assert_eq!(told(Muted::Folder("项目/*".to_owned(), None), ""), muted);
        assert_eq!(told(Muted::Folder("*".to_owned(), Some(AccountId::new("other@corp.example"))), ""), None);
        assert_eq!(told(Muted::All, ""), Some(Apart::Later(until)));
        assert_eq!(told(Muted::All, "urgency = \"urgent\""), None, "a vacation does not hold what is urgent");
        // Who comes back in the night is not rung in it.
        let mute = Mute { user: Recipient::parse("zhangsan").unwrap(), what: Muted::All, until, since: Timestamp(0) };
        let back = apart(&config(ALERTS, ""), vec![mute], "zhangsan", &letter, "2026-11-26T04:00:00Z");
        assert_eq!(back, Some(Apart::Later(at("2026-11-30T00:00:00Z"))));
    }

    #[test]
    fn a_year_that_is_missing_is_told_where_somebody_asks_the_calendar() {
        let missing = |alerts: &str, when: &str| People::new(&config(alerts, "")).missing_year(at(when));
        assert_eq!(missing(ALERTS, "2026-11-26T15:00:00Z"), None);
        assert_eq!(missing(ALERTS, "2040-12-02T15:00:00Z"), Some(2040));
        assert_eq!(missing("[alerts]\nquiet_hours = [\"22:00-08:00\"]\n", "2040-12-02T15:00:00Z"), None);
    }
}
