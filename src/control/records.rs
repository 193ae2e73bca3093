//! The outbox and the ledger as commands ask for them: of the running service, or of a store that no service holds.

use super::server::answered;
use super::{OutboxStatus, Refusal, Request};
use crate::clock::Clock;
use crate::model::{AccountId, AlertId, By, Deed, Mark, RawName, What, Who};
use crate::office::Office;
use crate::people::People;
use crate::state::{AlertState, AlertView, Ledger, Outbox, State, StateError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// See the module's text.
pub struct Records {
    state: Arc<dyn State>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    people: Option<Arc<People>>,
    office: Option<Arc<Office>>,
}

/// Alerts, and how much there is of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertList {
    /// Those that were asked for, the newest first.
    pub alerts: Vec<AlertView>,
    /// The whole outbox.
    pub outbox: OutboxStatus,
}

/// How far a folder has been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderMark {
    /// Its name on the wire.
    pub folder: RawName,
    /// Its mark.
    pub mark: Mark,
}

/// Who asks, by what they say and by what is known of them.
fn operator(said: By, known: &By) -> By {
    let who = match (said.who, &known.who) {
        (Who::Operator(name), Who::Operator(uid)) if name != *uid && known.from == "socket" => {
            Who::Operator(format!("{name} ({uid})"))
        }
        (Who::Operator(name), _) => Who::Operator(name),
        _ => known.who.clone(),
    };
    By { who, from: known.from.clone() }
}

/// What a request does that the audit must know; what the office does, it notes itself.
fn deed_of(request: &Request) -> Option<Deed> {
    let ids = |ids: &Option<Vec<AlertId>>| match ids {
        Some(ids) => ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        None => "all".to_owned(),
    };
    match request {
        Request::Retry { ids: which } => Some(Deed::done(What::AlertRetry, ids(which))),
        Request::Drop { ids: which } => Some(Deed::done(What::AlertDrop, ids(which))),
        Request::Export { to, .. } => Some(Deed::done(What::Backup, to.display().to_string())),
        Request::Mute { mute } => Some(Deed::done(What::Mute, mute.user.to_string())),
        Request::Unmute { user, .. } => Some(Deed::done(What::Unmute, user.to_string())),
        _ => None,
    }
}

impl Records {
    /// The records of a store, by its two faces.
    pub fn new(state: Arc<dyn State>, ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Self {
        Self { state, ledger, clock, people: None, office: None }
    }

    /// The same, of a service that has workers who are to know of mutes.
    #[must_use]
    pub fn with_people(self, people: Arc<People>) -> Self {
        Self { people: Some(people), ..self }
    }

    /// The same, with the registry.
    #[must_use]
    pub fn with_office(self, office: Arc<Office>) -> Self {
        Self { office: Some(office), ..self }
    }

    /// Answers a question about the records: the line to send.
    pub(super) async fn answer(&self, request: Request, by: &By) -> Result<Vec<u8>, Refusal> {
        let deed = deed_of(&request);
        if let (Some(office), Some(deed)) = (&self.office, deed) {
            office.note(by, &[deed]).await.map_err(|error| Refusal::Failed(error.to_string()))?;
        }
        match request {
            Request::Alerts { state, most } => answered(self.alerts(state, most).await),
            Request::Alert { id } => answered(self.ledger.alert(id).await),
            Request::Retry { ids } => answered(self.ledger.retry(ids, self.clock.now()).await),
            Request::Drop { ids } => answered(self.ledger.discard(ids, self.clock.now()).await),
            Request::Why { letters } => answered(self.ledger.why(letters).await),
            Request::Export { to, whole } => answered(self.ledger.export(to, whole, self.clock.wall()).await),
            Request::Marks { account } => answered(self.marks(&account).await),
            Request::Mutes => answered(self.ledger.mutes(self.clock.wall()).await),
            Request::Mute { mute } => answered(self.told(self.ledger.mute(mute).await).await),
            Request::Unmute { user, ids } => {
                answered(self.told(self.ledger.unmute(&user, ids, self.clock.wall()).await).await)
            }
            Request::Office { by: said, ask } => match &self.office {
                // A name may be said; where from, and that it is no member of WeCom, is known here.
                Some(office) => ask.answer(office, &operator(said, by)).await,
                None => Err(Refusal::Failed("the registry is not open here".to_owned())),
            },
            Request::Status { .. } => Err(Refusal::Failed("no service is running".to_owned())),
        }
    }

    /// Tells the workers of mutes that have changed.
    async fn told<T>(&self, changed: Result<T, StateError>) -> Result<T, StateError> {
        if let (Ok(_), Some(people)) = (&changed, &self.people) {
            people.set_mutes(self.ledger.mutes(self.clock.wall()).await?);
        }
        changed
    }

    async fn alerts(&self, state: Option<AlertState>, most: usize) -> Result<AlertList, StateError> {
        let alerts = self.ledger.alerts(state, most).await?;
        let Outbox { waiting, open, dead } = self.state.outbox().await?;
        Ok(AlertList { alerts, outbox: OutboxStatus { waiting, open, dead } })
    }

    async fn marks(&self, account: &AccountId) -> Result<Vec<FolderMark>, StateError> {
        let marks = self.state.marks(account).await?;
        let mut marks: Vec<_> = marks.into_iter().map(|(folder, mark)| FolderMark { folder, mark }).collect();
        marks.sort_by(|a, b| a.folder.cmp(&b.folder));
        Ok(marks)
    }
}
