//! What has to be done from time to time: noting that the service lives, forgetting old records, writing exports.

use crate::clock::Clock;
use crate::config::{self, Leavers};
use crate::model::{By, Timestamp};
use crate::office::Office;
use crate::people::People;
use crate::state::{Ledger, State, exports};
use crate::supervise::Supervisor;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often a slice of old records is forgotten, while there is more to look at, and how often all of them are.
const PRUNE_NEXT: Duration = Duration::from_secs(5);
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// The first export after a start: not while all accounts log in.
const FIRST_EXPORT: Duration = Duration::from_secs(300);
/// The first comparison with WeCom's members after a start, and the next one after one that failed.
const FIRST_COMPARISON: Duration = Duration::from_secs(600);
const AFTER_FAILURE: Duration = Duration::from_secs(3600);
const NO_EXPORT: Duration = Duration::from_secs(2);
/// How often it is looked whether the working calendar knows the year.
const CALENDAR_EVERY: Duration = Duration::from_secs(86_400);
/// How often it is noted that the service lives.
const BEAT_EVERY: Duration = Duration::from_secs(30);

/// Notes that the service lives, forgets old records, and says when the working calendar ends.
pub(crate) fn spawn(
    supervisor: &Supervisor,
    (state, people): (&Arc<dyn State>, &Arc<People>),
    clock: &Arc<dyn Clock>,
    stop: &CancellationToken,
) {
    let (state, people, clock, stop_token) = (state.clone(), people.clone(), clock.clone(), stop.clone());
    supervisor
        .run("upkeep", stop.clone(), move || upkeep(state.clone(), people.clone(), clock.clone(), stop_token.clone()));
}

async fn upkeep(state: Arc<dyn State>, people: Arc<People>, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let mut calendar_at = clock.steady();
    let mut prune_at = clock.steady().plus(PRUNE_NEXT);
    let mut beat_at = clock.steady();
    while !stop.is_cancelled() {
        let now = clock.now();
        if now.steady >= beat_at {
            if let Err(reason) = state.beat(now.wall).await {
                warn!(%reason, "that the service lives cannot be noted");
            }
            beat_at = now.steady.plus(BEAT_EVERY);
        }
        if now.steady >= calendar_at {
            if let Some(year) = people.missing_year(now.wall) {
                warn!(
                    year,
                    "the working calendar does not know this year: Monday to Friday count as workdays; put the year into alerts.workdays_file"
                );
            }
            calendar_at = now.steady.plus(CALENDAR_EVERY);
        }
        if now.steady >= prune_at {
            let more = state.prune(now.steady).await.unwrap_or_else(|reason| {
                warn!(%reason, "old records cannot be forgotten");
                false
            });
            prune_at = now.steady.plus(if more { PRUNE_NEXT } else { PRUNE_EVERY });
        }
        let pause = beat_at.min(prune_at).since(clock.steady());
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Compares the registry with WeCom's members, as often as the config says, and removes old files of the audit.
pub(crate) fn spawn_office(supervisor: &Supervisor, office: &Arc<Office>, stop: &CancellationToken) {
    let (office, stop_token) = (office.clone(), stop.clone());
    supervisor.run("office", stop.clone(), move || {
        let (office, stop) = (office.clone(), stop_token.clone());
        async move {
            let mut pause = FIRST_COMPARISON;
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                let (keep, directory) = office.policy();
                pause = directory.every;
                if let Err(reason) = office.rotate_audit(keep).await {
                    warn!(%reason, "old files of the audit are not removed");
                }
                if directory.leavers == Leavers::Off || !office.has_accounts() {
                    continue;
                }
                if let Err(reason) = office.reconcile(false, &By::service()).await {
                    warn!(%reason, "accounts are not compared with WeCom's members; tried again later");
                    pause = AFTER_FAILURE.min(directory.every);
                }
            }
        }
    });
}

/// Writes exports, as often as the config says.
pub(crate) fn spawn_exports(
    supervisor: &Supervisor,
    config: &config::State,
    (ledger, clock): (&Arc<dyn Ledger>, &Arc<dyn Clock>),
    stop: &CancellationToken,
) {
    let Some(every) = config.export_every else { return };
    let (ledger, clock, stop_token) = (ledger.clone(), clock.clone(), stop.clone());
    let (store, kept) = (config.path.clone(), config.exports_kept);
    supervisor.run("export", stop.clone(), move || {
        let (ledger, clock, stop, store) = (ledger.clone(), clock.clone(), stop_token.clone(), store.clone());
        async move {
            // A store that has none gets its first one soon.
            let mut pause = if exports::list(&store).is_empty() { NO_EXPORT } else { FIRST_EXPORT }.min(every);
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = every;
                if let Err(reason) = export_once(&*ledger, &store, clock.wall(), kept).await {
                    warn!(reason, "no export could be written; the store itself is not touched by that");
                }
            }
        }
    });
}

async fn export_once(ledger: &dyn Ledger, store: &Path, wall: Timestamp, kept: usize) -> Result<(), String> {
    let file = exports::file(store, wall, false).map_err(|error| error.to_string())?;
    let summary = ledger.export(file, false, wall).await.map_err(|error| error.to_string())?;
    info!(lines = summary.lines, "an export was written");
    exports::rotate(store, kept).map_err(|error| error.to_string())
}
