//! Who may try to sign in now, and how long a session lasts.
//!
//! After a few wrong tries an address waits, each time longer; and when very many fail from everywhere, all wait for a
//! moment. What is right does not help in a pause, or the pause would tell it.

use crate::model::{Network, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

/// A session that nobody used for so long is over.
pub const IDLE: Duration = Duration::from_secs(30 * 60);
/// A session lasts no longer, however much it is used.
pub const WHOLE: Duration = Duration::from_secs(12 * 3600);

/// Wrong tries without a pause.
const FREE: u32 = 3;
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(900);
/// An address that failed so long ago begins anew.
const FORGOTTEN: Duration = Duration::from_secs(3600);
/// Addresses that are remembered.
const MOST: usize = 10_000;
/// So many wrong tries from everywhere are taken in [`MINUTE`].
const ALL: usize = 100;
const MINUTE: Duration = Duration::from_secs(60);
/// IPv6 hosts have a whole /64 to come from (RFC 4291 2.5.1).
const HOST_BITS: u8 = 64;

/// Whether a session that began and was last used then is over. Times of the steady clock.
pub fn is_over(began: Timestamp, used: Timestamp, now: Timestamp) -> bool {
    now.since(used) > IDLE || now.since(began) > WHOLE
}

/// Wrong tries to sign in; times of the steady clock.
#[derive(Debug, Default)]
pub struct Tries {
    wrong: HashMap<IpAddr, Wrong>,
    all: VecDeque<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Wrong {
    count: u32,
    last: Timestamp,
}

impl Tries {
    /// How long somebody at this address must still wait; `None`: may try.
    pub fn wait(&mut self, from: IpAddr, now: Timestamp) -> Option<Duration> {
        while self.all.front().is_some_and(|at| now.since(*at) > MINUTE) {
            self.all.pop_front();
        }
        let of_all = if self.all.len() >= ALL { self.all.front().map(|at| at.plus(MINUTE).since(now)) } else { None };
        let own = self.wrong.get(&host(from)).map(|wrong| wrong.last.plus(pause(wrong.count)).since(now));
        of_all.max(own).filter(|wait| !wait.is_zero())
    }

    /// A try was wrong.
    pub fn failed(&mut self, from: IpAddr, now: Timestamp) {
        self.all.push_back(now);
        if self.all.len() > ALL {
            self.all.pop_front();
        }
        let host = host(from);
        if self.wrong.len() >= MOST && !self.wrong.contains_key(&host) {
            self.wrong.retain(|_, wrong| now.since(wrong.last) <= FORGOTTEN);
            if self.wrong.len() >= MOST
                && let Some(oldest) = self.wrong.iter().min_by_key(|(_, wrong)| wrong.last).map(|(host, _)| *host)
            {
                self.wrong.remove(&oldest);
            }
        }
        let wrong = self.wrong.entry(host).or_insert(Wrong { count: 0, last: now });
        if now.since(wrong.last) > FORGOTTEN {
            wrong.count = 0;
        }
        *wrong = Wrong { count: wrong.count.saturating_add(1), last: now };
    }

    /// A try that was counted as wrong when it began, at `began`, was right: the address begins anew.
    pub fn was_right(&mut self, from: IpAddr, began: Timestamp) {
        if let Some(at) = self.all.iter().rposition(|at| *at == began) {
            self.all.remove(at);
        }
        self.succeeded(from);
    }

    /// A try was right: the address begins anew.
    pub fn succeeded(&mut self, from: IpAddr) {
        self.wrong.remove(&host(from));
    }
}

/// The pause after so many wrong tries in a row: 1 s, 2 s, 4 s and so on.
fn pause(count: u32) -> Duration {
    match count.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(more) => Duration::from_secs(1_u64.checked_shl(more).unwrap_or(u64::MAX)).min(LONGEST),
    }
}

/// Whom an address stands for.
fn host(address: IpAddr) -> IpAddr {
    Network::around(address.to_canonical(), HOST_BITS).first()
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp(1_760_000_000_000);

    fn at(ms: u64) -> Timestamp {
        T0.plus(Duration::from_millis(ms))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn pauses_grow_and_end() {
        let (mut tries, from) = (Tries::default(), address("192.0.2.1"));
        let mut now = T0;
        let mut pauses = Vec::new();
        for _ in 0..20 {
            pauses.push(tries.wait(from, now).map_or(0, |wait| wait.as_secs()));
            now = now.plus(tries.wait(from, now).unwrap_or_default());
            assert_eq!(tries.wait(from, now), None, "a pause is over when it said");
            tries.failed(from, now);
        }
        assert_eq!(pauses[..8], [0, 0, 0, 1, 2, 4, 8, 16]);
        assert_eq!(pauses[19], 900);
        assert_eq!(tries.wait(address("192.0.2.2"), now), None, "others need not wait");
        tries.succeeded(from);
        assert_eq!(tries.wait(from, now), None);
    }

    #[test]
    fn an_hour_without_a_try_forgets() {
        let (mut tries, from) = (Tries::default(), address("192.0.2.1"));
        for _ in 0..10 {
            tries.failed(from, T0);
        }
        let later = T0.plus(FORGOTTEN + Duration::from_secs(1));
        tries.failed(from, later);
        assert_eq!(tries.wait(from, later), None);
    }

    #[test]
    fn an_ipv6_network_is_one_host_and_a_mapped_address_is_itself() {
        let mut tries = Tries::default();
        for last in 1..=6 {
            tries.failed(address(&format!("2001:db8::{last}")), T0);
            tries.failed(address("::ffff:192.0.2.1"), T0);
        }
        assert!(tries.wait(address("2001:db8::ff"), T0).is_some());
        assert!(tries.wait(address("192.0.2.1"), T0).is_some());
        assert_eq!(tries.wait(address("2001:db8:0:1::1"), T0), None);
        assert_eq!(tries.wait(address("192.0.2.2"), T0), None);
    }

    #[test]
    fn very_many_wrong_tries_hold_up_all_for_a_minute_at_most() {
        let mut tries = Tries::default();
        for n in 0..200_u32 {
            tries.failed(IpAddr::V4(n.into()), at(u64::from(n)));
        }
        let wait = tries.wait(address("198.51.100.7"), at(200)).unwrap();
        assert!(wait <= MINUTE && wait >= Duration::from_secs(59), "{wait:?}");
        assert_eq!(tries.wait(address("198.51.100.7"), at(60_200)), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut tries = Tries::default();
        for n in 0..30_000_u32 {
            tries.failed(IpAddr::V4(n.into()), at(u64::from(n)));
        }
        assert!(tries.wrong.len() <= MOST && tries.all.len() <= ALL);
        assert!(tries.wrong.contains_key(&IpAddr::V4(29_999.into())), "the newest are kept");
    }

    #[test]
    fn sessions_end_when_unused_and_after_half_a_day() {
        let minutes = |n: u64| T0.plus(Duration::from_secs(n * 60));
        assert!(!is_over(T0, T0, minutes(30)));
        assert!(is_over(T0, T0, minutes(31)));
        assert!(!is_over(T0, minutes(719), minutes(720)));
        assert!(is_over(T0, minutes(720), minutes(721)));
    }

    #[test]
    fn a_try_that_was_counted_at_its_beginning_and_was_right_leaves_nothing() {
        let mut tries = Tries::default();
        for n in 0..300 {
            let from = address(&format!("192.0.2.{}", n % 200));
            assert_eq!(tries.wait(from, at(n)), None);
            tries.failed(from, at(n));
            tries.was_right(from, at(n));
        }
    }
}
