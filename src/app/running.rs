//! The service once it works: what follows the accounts of the file and of the registry.

use super::descriptors::Descriptors;
use super::{LIFE_EVERY, all_accounts, note};
use crate::config::Config;
use crate::control::Service;
use crate::deliver::{Accounts, Looks};
use crate::model::{Deed, What};
use crate::office::{Errand, Office};
use crate::people::People;
use crate::state::StateError;
use crate::supervise::Supervisor;
use crate::systemd::{Knock, Manager};
use crate::web;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::error;

/// What follows the accounts.
pub(super) struct Running {
    pub(super) supervisor: Supervisor,
    pub(super) office: Arc<Office>,
    pub(super) service: Arc<Service>,
    pub(super) console: Arc<web::Console>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) people: Arc<People>,
    pub(super) looks: Arc<Looks>,
    pub(super) config: Arc<Config>,
    pub(super) manager: Arc<Manager>,
    pub(super) descriptors: Descriptors,
}

impl Running {
    /// Until the stop, or (with its reason) until the store is stuck.
    pub(super) async fn serve(
        &mut self,
        (mut reload, mut errands, mut knocks): (
            mpsc::Receiver<Arc<Config>>,
            mpsc::Receiver<Errand>,
            mpsc::Receiver<Knock>,
        ),
        stop: &CancellationToken,
        mut stuck: BoxFuture<'static, StateError>,
    ) -> Option<StateError> {
        let mut life = tokio::time::interval(LIFE_EVERY);
        life.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                why = &mut stuck => return Some(why),
                Some(fresh) = reload.recv() => {
                    self.follow(fresh).await;
                    self.manager.ready().await;
                }
                Some(answer) = knocks.recv() => drop(answer.send(())),
                Some(errand) = errands.recv() => match errand {
                    Errand::Accounts => self.apply(),
                    Errand::Look(account) => self.supervisor.look_now(&account),
                },
                _ = life.tick() => self.supervisor.check_life(),
            }
        }
    }

    /// Brings all in line with the accounts of the file and of the registry as they are now.
    pub(super) fn apply(&mut self) {
        let (watched, disabled) = (all_accounts(&self.config, &self.office), self.office.disabled());
        self.descriptors.check(watched.len(), self.config.limits.connections_per_account);
        self.accounts.update(&watched);
        self.supervisor.apply(&watched);
        self.supervisor.disable(&disabled);
        self.service.update(&[watched, disabled].concat());
    }

    /// Goes by a config that was read anew.
    async fn follow(&mut self, fresh: Arc<Config>) {
        self.people.update(&fresh);
        self.looks.follow(&fresh);
        self.console.follow(&fresh);
        let followed = self.office.follow(&fresh).await;
        let deed = match &followed {
            Ok(()) => Deed::done(What::Reload, ""),
            Err(reason) => Deed::refused(What::Reload, "", reason.to_string()),
        };
        if let Err(reason) = followed {
            error!(%reason, "not all of the config could be applied to the registry");
        }
        note(&self.office, deed).await;
        self.config = fresh;
        self.apply();
    }
}
