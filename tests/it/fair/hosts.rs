//! The order of logins at the start, and hosts that are down.

use super::{LOGINS, Town, at_host};
use crate::support::mailbox::Mailbox;
use crate::support::secs;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mailbell::config::Account;
use mailbell::imap::{ImapError, LoginTrouble, MailSession, MailSource};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What a host does with who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It works.
    Up,
    /// Connection refused, at once.
    Refuses,
    /// No packet comes back, or no greeting: the time-out of connecting.
    Swallows,
    /// It greets, and LOGIN is never answered.
    HangsInLogin,
    /// The name cannot be resolved, after a while.
    NoName,
}

/// Hosts with a mailbox per account.
#[derive(Default)]
pub struct Hosting {
    ways: Mutex<HashMap<String, Way>>,
    mailboxes: Mutex<HashMap<String, Mailbox>>,
    /// Who connected where, and when.
    pub connects: Mutex<Vec<(Instant, String, String)>>,
    /// How many connections to each host are on their way now, and were at most.
    hanging: Mutex<HashMap<String, (usize, usize)>>,
}

struct Hanging<'a>(&'a Hosting, &'a str);

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.hanging.lock().unwrap().get_mut(self.1).unwrap().0 -= 1;
    }
}

impl Hosting {
    pub fn set(&self, host: &str, way: Way) {
        self.ways.lock().unwrap().insert(host.to_owned(), way);
    }

    /// The mailbox of an account.
    pub fn mailbox(&self, account: &Account) -> Mailbox {
        let mut all = self.mailboxes.lock().unwrap();
        let fresh = || {
            let mailbox = Mailbox::new(&["INBOX"]);
            mailbox.office().most_sessions = Some(1);
            mailbox
        };
        all.entry(account.id.0.to_string()).or_insert_with(fresh).clone()
    }

    /// The moments of all connections to a host since the last call, in order.
    pub fn take(&self, host: &str) -> Vec<Instant> {
        let mut all = self.connects.lock().unwrap();
        let (taken, rest): (Vec<_>, Vec<_>) = all.drain(..).partition(|(_, to, _)| to == host);
        *all = rest;
        taken.into_iter().map(|(at, ..)| at).collect()
    }

    fn most_hanging(&self, host: &str) -> usize {
        std::mem::take(&mut self.hanging.lock().unwrap().get_mut(host).unwrap().1)
    }
}

impl MailSource for Hosting {
    fn connect<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Result<Box<dyn MailSession>, ImapError>> {
        async move {
            let host = account.provider.server.host.as_str();
            let way = self.ways.lock().unwrap().get(host).copied().unwrap_or(Way::Up);
            self.connects.lock().unwrap().push((Instant::now(), host.to_owned(), account.id.0.to_string()));
            let _hanging = {
                let mut hanging = self.hanging.lock().unwrap();
                let (now, most) = hanging.entry(host.to_owned()).or_default();
                *now += 1;
                *most = (*now).max(*most);
                Hanging(self, host)
            };
            let limit = secs(20);
            let address = format!("{host}:993");
            match way {
                Way::Up => self.mailbox(account).connect(account).await,
                Way::Refuses => Err(ImapError::Connect { address, reason: "refused".to_owned() }),
                Way::Swallows => {
                    sleep(limit).await;
                    Err(ImapError::Timeout { step: "connecting", limit })
                }
                Way::HangsInLogin => {
                    sleep(secs(60)).await;
                    Err(ImapError::Timeout { step: "LOGIN", limit: secs(60) })
                }
                Way::NoName => {
                    sleep(secs(10)).await;
                    Err(ImapError::Resolve { host: host.to_owned(), reason: "no such name".to_owned() })
                }
            }
        }
        .boxed()
    }
}

/// The most that fell into any time of this length.
pub fn most_within(times: &[Instant], length: Duration) -> usize {
    let within = |end: &Instant| times.iter().filter(|t| *t <= end && end.duration_since(**t) < length).count();
    times.iter().map(within).max().unwrap_or(0)
}

/// Ten thousand accounts, sorted by host: each host's first login is at once, and each goes on at its own pace.
#[tokio::test(start_paused = true)]
async fn all_hosts_begin_at_once() {
    let hosts: Vec<_> = (0..10).map(|n| format!("host{n}.example")).collect();
    let accounts = hosts.iter().flat_map(|host| (0..1000).map(move |n| at_host(host, n))).collect();
    let (town, hosting) = (Town::of(accounts), Arc::new(Hosting::default()));
    let began = Instant::now();
    town.during(hosting.clone(), async {
        sleep(Duration::from_millis(1999)).await;
    })
    .await;
    for host in &hosts {
        let logins: Vec<_> =
            hosting.take(host).iter().map(|at| at.duration_since(began).as_millis() / 10 * 10).collect();
        assert_eq!(logins, [0, 200, 400, 600, 800, 1000, 1200, 1400, 1600, 1800], "{host}");
    }
}

/// Hosts that are down in every way, beside one that works: it is not slower for them, few connections hang on them, and
/// when they work again their accounts come back within the pace of logins.
#[tokio::test(start_paused = true)]
async fn a_host_that_is_down_takes_nothing_from_the_others() {
    let ways = [Way::Refuses, Way::Swallows, Way::HangsInLogin, Way::NoName];
    let names: Vec<_> = ways.iter().map(|way| format!("{way:?}.example").to_lowercase()).collect();
    let of_host = |host: &str| (0..200).map(|n| at_host(host, n)).collect::<Vec<_>>();
    let mut accounts: Vec<_> = names.iter().flat_map(|name| of_host(name)).collect();
    accounts.extend(of_host("up.example"));
    let (town, hosting) = (Town::of(accounts), Arc::new(Hosting::default()));
    for (name, way) in names.iter().zip(ways) {
        hosting.set(name, way);
    }
    let began = Instant::now();
    town.during(hosting.clone(), async {
        // 200 logins at 5 a second.
        sleep(secs(41)).await;
        assert_eq!(town.watched("up.example"), 200);
        let logins = hosting.take("up.example");
        assert_eq!((logins.len(), logins[0]), (200, began));
        for (name, way) in names.iter().zip(ways) {
            // Until the first of them is known to fail, some are on their way, never more than four seconds' worth.
            assert!(hosting.most_hanging(name) <= 20, "{name}");
            let tried = hosting.take(name).len();
            assert!(tried <= if way == Way::NoName { 60 } else { 30 }, "{name}: {tried} connections");
        }
        sleep(secs(600)).await;
        for (name, way) in names.iter().zip(ways) {
            let tried = hosting.take(name).len();
            match way {
                // One probe every ten seconds; where each takes longer, the next one begins meanwhile.
                Way::HangsInLogin => assert!(tried <= 220, "{name}: {tried}"),
                _ => assert!((58..=62).contains(&tried) && hosting.most_hanging(name) <= 20, "{name}: {tried}"),
            }
        }
        assert_eq!(hosting.take("up.example").len(), 0);
        let back = Instant::now();
        names.iter().for_each(|name| hosting.set(name, Way::Up));
        // A probe, 200 logins, and a second or two.
        sleep(secs(10 + 20 + 40 + 2)).await;
        for (name, way) in names.iter().zip(ways) {
            let logins: Vec<_> = hosting.take(name).into_iter().filter(|at| *at > back + secs(30)).collect();
            assert!(most_within(&logins, secs(1)) <= usize::try_from(LOGINS).unwrap() + 1, "{name}");
            if way != Way::HangsInLogin {
                assert_eq!(town.watched(name), 200, "{name}");
            }
        }
        // Each account waits for a time of its own after a login that was not answered.
        sleep(secs(300)).await;
        assert_eq!(town.watched("hangsinlogin.example"), 200);
        assert_eq!(town.watched("up.example"), 200);
    })
    .await;
}

/// While connections hang on a host, the stop does not wait for them.
#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_no_host() {
    let accounts = (0..100).map(|n| at_host("down.example", n)).collect();
    let (town, hosting) = (Town::of(accounts), Arc::new(Hosting::default()));
    hosting.set("down.example", Way::Swallows);
    let took = town.during(hosting, sleep(secs(3))).await;
    assert_eq!(took, Duration::ZERO);
}

/// A refusal is the account's own: the others of its host log in.
#[tokio::test(start_paused = true)]
async fn refused_logins_take_only_their_own_turns() {
    let accounts = (0..200).map(|n| at_host("up.example", n)).collect();
    let (town, hosting) = (Town::of(accounts), Arc::new(Hosting::default()));
    for account in town.accounts.iter().take(100) {
        let refused = ImapError::Login { trouble: LoginTrouble::WrongPassword, text: "no".to_owned() };
        hosting.mailbox(account).office().refuses = Some(refused);
    }
    town.during(hosting.clone(), async {
        sleep(secs(41)).await;
        assert_eq!((town.watched("up.example"), hosting.take("up.example").len()), (100, 200));
    })
    .await;
}
