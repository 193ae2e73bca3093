//! What systemd is told (sd_notify(3)): that the service works, reads its config anew, stops, how it is, and that it lives.
//!
//! Where nobody asked to be told (`NOTIFY_SOCKET` is not set) nothing is said. Nothing here waits for long: a manager that
//! does not take its messages holds up nothing.

use crate::health::Health;
use crate::state::State;
use crate::supervise::Supervisor;
use sd_notify::NotifyState;
use std::collections::BTreeMap;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram as Unconnected};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixDatagram;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How long the manager may take to take a message; then it is lost.
const TAKE_LIMIT: Duration = Duration::from_secs(1);
/// How often it is told how the service is.
const STATUS_EVERY: Duration = Duration::from_secs(30);
/// How long the store may take to be counted for that.
const COUNT_LIMIT: Duration = Duration::from_secs(5);

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub struct Manager {
    socket: Option<UnixDatagram>,
    /// It ends the service when it has heard no proof of life for so long.
    watchdog: Option<Duration>,
}

/// Somebody asks whether the main loop goes round; to be answered by it.
pub type Knock = oneshot::Sender<()>;

impl Manager {
    /// The manager that the environment names (`NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`).
    pub fn from_env() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| match connected(name.as_bytes()) {
            Ok(socket) => Some(socket),
            Err(reason) => {
                warn!(%reason, "NOTIFY_SOCKET cannot be used, so systemd is not told when the service works");
                None
            }
        });
        Self { watchdog: sd_notify::watchdog_enabled().filter(|_| socket.is_some()), socket }
    }

    /// The service works: its store is open, and whoever asks it is answered. Also after each [`Manager::reloading`].
    pub async fn ready(&self) {
        self.tell(&[NotifyState::Ready]).await;
    }

    /// The config is read anew. Must be followed by [`Manager::ready`].
    pub async fn reloading(&self) {
        // With the time, for units of Type=notify-reload; others do not look at it.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]).await,
            Err(_) => self.tell(&[NotifyState::Reloading]).await,
        }
    }

    /// The service ends.
    pub async fn stopping(&self) {
        self.tell(&[NotifyState::Stopping]).await;
    }

    async fn tell(&self, words: &[NotifyState<'_>]) {
        let Some(socket) = &self.socket else { return };
        let text: String = words.iter().map(|word| format!("{word}\n")).collect();
        // Who is not there any more, or does not listen, misses it.
        let _ = timeout(TAKE_LIMIT, socket.send(text.as_bytes())).await;
    }
}

/// A path, or `@` and an abstract name.
fn connected(name: &[u8]) -> std::io::Result<UnixDatagram> {
    let address = match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
    };
    let socket = Unconnected::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    UnixDatagram::from_std(socket)
}

/// What the service is judged by.
#[derive(Clone)]
pub(crate) struct Signs {
    /// Answers if its thread does.
    pub(crate) state: Arc<dyn State>,
    /// What the accounts do.
    pub(crate) health: Arc<Health>,
}

/// Tells the manager how the service is, and that it lives for as long as it does: the main loop answers `knocks`, and the
/// store a question. A store that is closed and says so lives: that heals by itself, and nothing is better after a restart.
pub(crate) fn spawn(
    supervisor: &Supervisor,
    manager: &Arc<Manager>,
    signs: &Signs,
    stop: &CancellationToken,
) -> mpsc::Receiver<Knock> {
    let (knock, knocks) = mpsc::channel(1);
    if manager.socket.is_none() {
        return knocks;
    }
    let (told, of, stopped) = (manager.clone(), signs.clone(), stop.clone());
    supervisor.run("status", stop.clone(), move || {
        let (manager, signs, stop) = (told.clone(), of.clone(), stopped.clone());
        async move {
            let _ = stop.run_until_cancelled(tell_status(&manager, &signs)).await;
        }
    });
    if let Some(limit) = manager.watchdog {
        let (manager, signs, stopped) = (manager.clone(), signs.clone(), stop.clone());
        supervisor.run("watchdog", stop.clone(), move || {
            let (manager, signs, stop, knock) = (manager.clone(), signs.clone(), stopped.clone(), knock.clone());
            async move {
                let beat = || manager.tell(&[NotifyState::Watchdog]);
                let _ = stop.run_until_cancelled(prove_life(limit, || lives(&signs, &knock), beat)).await;
            }
        });
    }
    knocks
}

/// Beats every half of `limit` while `lives` comes to an end within a quarter of it; so two beats of a service that lives
/// lie three quarters of it apart at most.
async fn prove_life<L: Future<Output = ()>, B: Future<Output = ()>>(
    limit: Duration,
    mut lives: impl FnMut() -> L,
    beat: impl Fn() -> B,
) {
    loop {
        tokio::time::sleep(limit / 2).await;
        while timeout(limit / 4, lives()).await.is_err() {}
        beat().await;
    }
}

/// Comes to an end if the main loop goes round and the store answers.
async fn lives(signs: &Signs, knock: &mpsc::Sender<Knock>) {
    let (answer, answered) = oneshot::channel();
    let heard = knock.send(answer).await.is_ok() && answered.await.is_ok();
    if !heard {
        // The main loop is gone: there is nothing that could live.
        std::future::pending::<()>().await;
    }
    // Whatever it says: its thread lives.
    let _ = signs.state.outbox().await;
}

async fn tell_status(manager: &Manager, signs: &Signs) {
    loop {
        manager.tell(&[NotifyState::Status(&status(signs).await)]).await;
        tokio::time::sleep(STATUS_EVERY).await;
    }
}

/// One line for `systemctl status`; it names nobody.
async fn status(signs: &Signs) -> String {
    let states = signs.health.read(|accounts| {
        let mut states: BTreeMap<_, usize> = BTreeMap::new();
        for account in accounts.values() {
            *states.entry(account.state_told()).or_default() += 1;
        }
        states
    });
    let accounts: Vec<_> = states.iter().map(|(state, count)| format!("{count} {}", state.word())).collect();
    let accounts = if accounts.is_empty() { "none".to_owned() } else { accounts.join(", ") };
    let outbox = match timeout(COUNT_LIMIT, signs.state.outbox()).await {
        Ok(Ok(outbox)) => format!("{} waiting, {} open, {} dead", outbox.waiting, outbox.open, outbox.dead),
        Ok(Err(_)) => "the store is closed, see the log".to_owned(),
        Err(_) => "the store does not answer".to_owned(),
    };
    format!("accounts: {accounts}; outbox: {outbox}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tokio::time::Instant;

    const LIMIT: Duration = Duration::from_secs(40);

    /// When, in seconds, life was proven to a manager, if each question takes so long.
    async fn beats(takes: &[u64]) -> Vec<u64> {
        let (begun, beats) = (Instant::now(), Mutex::new(Vec::new()));
        let mut takes = takes.iter();
        let lives = || {
            let seconds = takes.next().copied();
            async move {
                match seconds {
                    Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                    None => std::future::pending().await,
                }
            }
        };
        let beat = || {
            beats.lock().unwrap().push(begun.elapsed().as_secs());
            std::future::ready(())
        };
        let _ = timeout(Duration::from_secs(1000), prove_life(LIMIT, lives, beat)).await;
        beats.into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn life_is_proven_at_half_the_limit_while_there_is_an_answer() {
        assert_eq!(beats(&[0, 0, 9]).await, [20, 40, 69]);
        assert_eq!(beats(&[]).await, Vec::<u64>::new(), "none, no proof");
        // Too late is none; what answers again lives again.
        assert_eq!(beats(&[0, 11, 11, 1, 0]).await, [20, 61, 81]);
    }

    #[tokio::test]
    async fn names_of_sockets_are_paths_or_abstract() {
        let name = format!("mailbell-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let heard = Unconnected::bind_addr(&address).unwrap();
        let manager = Manager { socket: Some(connected(format!("@{name}").as_bytes()).unwrap()), watchdog: None };
        manager.ready().await;
        let mut bytes = [0; 99];
        let length = heard.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"READY=1\n");
        assert!(connected(b"/nowhere/notify").is_err());
    }

    /// Its queue is full, and nobody empties it.
    #[tokio::test]
    async fn a_manager_that_takes_nothing_holds_up_nobody_for_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let _deaf = Unconnected::bind(&path).unwrap();
        let socket = connected(path.as_os_str().as_bytes()).unwrap();
        while socket.try_send(b"x").is_ok() {}
        let manager = Manager { socket: Some(socket), watchdog: None };
        timeout(TAKE_LIMIT * 5, manager.ready()).await.expect("it is given up");
    }
}
