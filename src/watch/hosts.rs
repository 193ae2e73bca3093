//! What accounts of one host share: the pace of logins, and the one probe while the host is down
//! (design: "Promises", 9).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until};

/// An unreachable host is probed by one connection so often.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(10);

/// A slow server has so many seconds' worth of logins on its way at one time, and no more.
const IN_FLIGHT_SECONDS: u32 = 4;

/// The right to one login that is on its way; given back when it is dropped.
pub type LoginTurn = Option<OwnedSemaphorePermit>;

/// The hosts in use.
#[derive(Debug)]
pub struct Hosts {
    between: Duration,
    in_flight: usize,
    hosts: Mutex<HashMap<(String, u16), Arc<Host>>>,
}

#[derive(Debug)]
struct Host {
    up: Notify,
    turn: Mutex<Turn>,
    /// Logins on their way at one time.
    in_flight: Arc<Semaphore>,
}

#[derive(Debug)]
struct Turn {
    next_login: Instant,
    /// While the host is down: when it is probed next.
    next_probe: Option<Instant>,
}

impl Hosts {
    /// At most `logins_per_second` to each host.
    pub fn new(logins_per_second: u32) -> Self {
        Self {
            between: Duration::from_secs(1) / logins_per_second.max(1),
            in_flight: usize::try_from(logins_per_second.saturating_mul(IN_FLIGHT_SECONDS)).unwrap_or(1).max(1),
            hosts: Mutex::new(HashMap::new()),
        }
    }

    fn host(&self, host: &str, port: u16) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            let turn = Mutex::new(Turn { next_login: Instant::now(), next_probe: None });
            let in_flight = Arc::new(Semaphore::new(self.in_flight));
            Arc::new(Host { up: Notify::new(), turn, in_flight })
        };
        hosts.entry((host.to_owned(), port)).or_insert_with(fresh).clone()
    }

    /// Waits for this account's turn to connect to a host; `down` is called when that host cannot be reached just now.
    /// The answer is to be kept until the login is done.
    pub async fn turn(&self, host: &str, port: u16, down: impl Fn()) -> LoginTurn {
        let host = self.host(host, port);
        loop {
            let up = host.up.notified();
            let wait_for_probe = {
                let mut turn = host.turn.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                match turn.next_probe {
                    Some(probe) if probe > now => Some(probe),
                    Some(_) => {
                        turn.next_probe = Some(now + PROBE_EVERY);
                        return None;
                    }
                    None => None,
                }
            };
            match wait_for_probe {
                Some(probe) => {
                    down();
                    tokio::select! {
                        biased;
                        () = up => {}
                        () = sleep_until(probe) => {}
                    }
                }
                None => {
                    let in_flight = host.in_flight.clone().acquire_owned().await.ok();
                    let login = {
                        let mut turn = host.turn.lock().unwrap_or_else(PoisonError::into_inner);
                        let login = turn.next_login.max(Instant::now());
                        turn.next_login = login + self.between;
                        login
                    };
                    sleep_until(login).await;
                    if host.turn.lock().unwrap_or_else(PoisonError::into_inner).next_probe.is_none() {
                        return in_flight;
                    }
                }
            }
        }
    }

    /// A connection came to be, or could not be made at all.
    pub fn report(&self, host: &str, port: u16, reached: bool) {
        let host = self.host(host, port);
        let mut turn = host.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if !reached {
            turn.next_probe.get_or_insert(Instant::now() + PROBE_EVERY);
        } else if turn.next_probe.take().is_some() {
            turn.next_login = turn.next_login.max(Instant::now() + self.between);
            host.up.notify_waiters();
        }
    }
}

/// Sleeps, at most `most`, unless `cut` ends it.
pub async fn pause(most: Duration, cut: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = sleep(most) => {}
        () = cut => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn after(hosts: &Hosts, began: Instant) -> u64 {
        hosts.turn("h", 1, || {}).await;
        began.elapsed().as_millis() as u64
    }

    #[tokio::test(start_paused = true)]
    async fn logins_are_spread() {
        let (hosts, began) = (Hosts::new(5), Instant::now());
        let mut times = Vec::new();
        for _ in 0..4 {
            times.push(after(&hosts, began).await);
        }
        assert_eq!(times, [0, 200, 400, 600]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_is_down_is_probed_by_one() {
        let (hosts, began) = (Hosts::new(1000), Instant::now());
        hosts.turn("h", 1, || {}).await;
        hosts.report("h", 1, false);
        let (a, b, c) = tokio::join!(after(&hosts, began), after(&hosts, began), async {
            sleep(Duration::from_secs(25)).await;
            hosts.report("h", 1, true);
            25_000
        });
        assert_eq!((a.min(b), a.max(b), c), (10_000, 20_000, 25_000));
        hosts.report("h", 1, false);
        hosts.report("h", 1, true);
        assert!(after(&hosts, began).await < 25_100, "up again at once");
    }
}
