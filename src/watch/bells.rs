//! Connections of their own for folders that are to be told of at once, where the server has no NOTIFY: each holds one
//! folder open in IDLE and rings the worker, which alone syncs.

use super::{RECONNECT, Watcher, hosts, is_unreachable};
use crate::imap::{ImapError, LoginTrouble, MailSession, Wake};
use crate::metrics::{self, LoginResult};
use crate::model::{Folder, Look, RawName};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

/// After the server had no room for another connection, or does not take the login.
const NO_ROOM: Duration = Duration::from_secs(1800);
/// A connection that lived so long resets the delays.
const SURVIVED: Duration = Duration::from_secs(60);

/// Which folders have rung, and which are to.
#[derive(Debug, Default)]
pub(super) struct Bells {
    rung: Mutex<HashSet<RawName>>,
    heard: Mutex<HashSet<RawName>>,
    wanted: Mutex<Vec<Folder>>,
    /// Others are wanted than before.
    changed: Notify,
}

impl Bells {
    /// From now on these folders have connections of their own.
    pub(super) fn want(&self, folders: Vec<Folder>) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if *wanted != folders {
            *wanted = folders;
            self.changed.notify_one();
        }
    }

    /// The folders that rang since the last call.
    pub(super) fn take(&self) -> HashSet<RawName> {
        std::mem::take(&mut *self.rung.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a connection stands open for a folder.
    pub(super) fn hears(&self, folder: &RawName) -> bool {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).contains(folder)
    }

    fn ring(&self, watcher: &Watcher, folder: &RawName) {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.clone());
        watcher.seat.wake.notify_one();
    }

    fn wanted(&self) -> Vec<Folder> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Holds the wanted connections, for ever.
    pub(super) async fn hold(&self, watcher: &Watcher) -> Infallible {
        // Most accounts never want one.
        while self.wanted().is_empty() {
            self.changed.notified().await;
        }
        Box::pin(self.hold_some(watcher)).await
    }

    async fn hold_some(&self, watcher: &Watcher) -> Infallible {
        let mut running: HashMap<RawName, CancellationToken> = HashMap::new();
        let mut bells = FuturesUnordered::new();
        loop {
            let now = self.wanted();
            running.retain(|name, stop| {
                let stays = now.iter().any(|folder| folder.raw == *name);
                if !stays {
                    stop.cancel();
                }
                stays
            });
            for folder in now {
                let stop = CancellationToken::new();
                if !running.contains_key(&folder.raw) {
                    running.insert(folder.raw.clone(), stop.clone());
                    bells.push(Box::pin(async move {
                        tokio::select! {
                            biased;
                            never = self.bell(watcher, &folder) => match never {},
                            () = stop.cancelled() => self.unhear(&folder.raw),
                        }
                    }));
                }
            }
            loop {
                tokio::select! {
                    biased;
                    () = self.changed.notified() => break,
                    Some(()) = bells.next() => {}
                }
            }
        }
    }

    fn unhear(&self, folder: &RawName) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).remove(folder);
    }

    /// One folder's connections, one after the other.
    async fn bell(&self, watcher: &Watcher, folder: &Folder) -> Infallible {
        let mut failures = 0;
        let mut known = None;
        loop {
            let began = Instant::now();
            let Err(error) = self.listen(watcher, folder, &mut known).await;
            self.unhear(&folder.raw);
            let delay = match &error {
                ImapError::Login { trouble: LoginTrouble::Temporary, .. } => RECONNECT.most,
                ImapError::Login { .. } => NO_ROOM,
                error if error.is_answer() => NO_ROOM,
                _ => {
                    failures = if began.elapsed() >= SURVIVED { 1 } else { failures + 1 };
                    RECONNECT.delay(failures, watcher.clock.jitter())
                }
            };
            let said = watcher.plain(&error.to_string(), &folder.shown);
            match delay >= NO_ROOM {
                true => {
                    info!(account = %watcher.log_name(), said, "no connection of its own for a folder; the sweep finds its letters")
                }
                false => debug!(account = %watcher.log_name(), said, "a folder's own connection ended"),
            }
            hosts::pause(delay, std::future::pending()).await;
        }
    }

    /// One connection, to its end. `known` is what the one before found in the folder.
    async fn listen(
        &self,
        watcher: &Watcher,
        folder: &Folder,
        known: &mut Option<Look>,
    ) -> Result<Infallible, ImapError> {
        let mut session = watcher.connect(|| {}).await?;
        let _open = watcher.count_connection();
        let look = session.examine(&folder.raw).await?;
        if !session.offer().idle {
            let text = "the server has no IDLE".to_owned();
            return Err(ImapError::Bad { command: "IDLE", text });
        }
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.raw.clone());
        // What came while nobody listened; without UIDNEXT nobody knows.
        if known.replace(look) != Some(look) || look.uid_next.is_none() {
            self.ring(watcher, &folder.raw);
        }
        loop {
            if self.told(watcher, &mut *session).await? {
                self.ring(watcher, &folder.raw);
            }
        }
    }

    /// One IDLE, and NOOP at its renewal; whether letters came.
    async fn told(&self, watcher: &Watcher, session: &mut dyn MailSession) -> Result<bool, ImapError> {
        let began = Instant::now();
        let never = Notify::new();
        match session.idle(began + watcher.shortened(watcher.imap.idle_renew), &never).await? {
            Wake::Pushed => return Ok(true),
            _ if began.elapsed() < super::cycle::ENDED_IDLE => {
                hosts::pause(super::cycle::ENDED_IDLE, std::future::pending()).await;
            }
            _ => {}
        }
        session.noop().await
    }
}

impl Watcher {
    /// Opens a session when the host's turn has come; `down` is called while that host cannot be reached.
    pub(super) async fn connect(&self, down: impl Fn()) -> Result<Box<dyn MailSession>, ImapError> {
        let server = &self.account.provider.server;
        let turn = self.hosts.turn(&server.host, server.port, down).await;
        let connected = self.source.connect(&self.account).await;
        drop(turn);
        metrics::login(match &connected {
            Ok(_) => LoginResult::Ok,
            Err(ImapError::Login { trouble, .. }) if trouble.is_refusal() => LoginResult::Refused,
            Err(ImapError::Login { .. }) => LoginResult::Later,
            Err(_) => LoginResult::Failed,
        });
        let unreachable = connected.as_ref().is_err_and(is_unreachable);
        // Without a token nobody was asked, so nothing is known of the host.
        let no_token = [LoginTrouble::SourceDown, LoginTrouble::SourceRefused];
        if !matches!(&connected, Err(ImapError::Login { trouble, .. }) if no_token.contains(trouble)) {
            self.hosts.report(&server.host, server.port, !unreachable);
        }
        connected
    }
}
