//! Alerts as people see them.

use super::engine::Engine;
use super::record::{AlertRecord, from_bytes};
use super::{StateError, keys};
use crate::model::{AlertId, AlertKind, Recipient, Sender, Timestamp, Urgency};
use serde::{Deserialize, Serialize};

/// Letters named in a view of an alert.
const NAMED: usize = 60;
/// So many numbers are looked through at first for settled alerts, and at most at one time.
const FIRST_WINDOW: u64 = 1024;
const WIDEST_WINDOW: u64 = 32_768;

/// What an alert has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// Not tried yet.
    Ready,
    /// Just on its way.
    Sending,
    /// To be tried again.
    Again,
    /// Refused for good; kept until a person decides.
    Dead,
    /// Taken by WeCom.
    Sent,
    /// Dropped by a person.
    Dropped,
}

/// An alert as people see it. Times by the wall clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertView {
    /// Its number.
    pub id: AlertId,
    /// What it has come to.
    pub state: AlertState,
    /// Its form.
    pub kind: AlertKind,
    /// How loud it is.
    pub urgency: Urgency,
    /// Whom it is for.
    pub recipients: Vec<Recipient>,
    /// How many letters it is about.
    pub letters: usize,
    /// The letters that are still kept, some of them.
    pub named: Vec<Named>,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it was first tried.
    pub first_try: Option<Timestamp>,
    /// How often it was tried.
    pub tries: u32,
    /// When it was settled.
    pub ended_at: Option<Timestamp>,
    /// WeCom's last answer, or why it is dead.
    pub answer: String,
    /// WeCom may have shown it twice: an answer was lost, and its duplicate check had forgotten.
    pub maybe_twice: bool,
    /// Whether it was made plain because WeCom refused its form.
    pub plain: bool,
    /// The request body, for one that is not settled.
    pub body: Option<String>,
}

/// A letter named in a view of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Whose mailbox.
    pub account: String,
    /// The folder's name for people.
    pub folder: String,
    /// Who it says it is from.
    pub from: Sender,
    /// Its subject.
    pub subject: Option<String>,
    /// INTERNALDATE (wall clock).
    pub time: Timestamp,
}

impl Engine {
    pub(super) fn alerts(&self, state: Option<AlertState>, most: usize) -> Result<Vec<AlertView>, StateError> {
        let mut ids = match state {
            Some(AlertState::Dead) => self.index.dead.iter().copied().collect(),
            Some(AlertState::Sent | AlertState::Dropped) => return self.settled(state, most),
            _ => self.index.open_all().chain(self.index.dead.iter().copied()).collect::<Vec<_>>(),
        };
        ids.sort_by(|a, b| b.cmp(a));
        let mut found = Vec::new();
        for id in ids {
            if found.len() >= most {
                break;
            }
            let Some(view) = self.view(id)? else { continue };
            if state.is_none_or(|wanted| wanted == view.state) {
                found.push(view);
            }
        }
        Ok(found)
    }

    /// The newest first. What was settled long ago need not be read for it.
    fn settled(&self, state: Option<AlertState>, most: usize) -> Result<Vec<AlertView>, StateError> {
        let mut found = Vec::new();
        let (mut end, mut width) = (self.next_number(), FIRST_WINDOW);
        while end > 0 && found.len() < most {
            let begin = end.saturating_sub(width);
            let before = begin.checked_sub(1).map(|number| keys::settled(AlertId(number)));
            let at_most = usize::try_from(end - begin).unwrap_or(usize::MAX);
            let pairs = self.kv.scan(keys::SETTLED, before.as_deref(), at_most)?;
            for (key, value) in pairs.iter().rev() {
                let Some(id) = keys::number_of(key).filter(|id| *id < end).map(AlertId) else { continue };
                let Ok(record) = from_bytes::<AlertRecord>(value) else { continue };
                if found.len() < most && state.is_none_or(|wanted| wanted == self.state_of(id, &record)) {
                    found.push(self.view_of(id, record)?);
                }
            }
            (end, width) = (begin, (width * 2).min(WIDEST_WINDOW));
        }
        Ok(found)
    }

    pub(super) fn view(&self, id: AlertId) -> Result<Option<AlertView>, StateError> {
        let bytes = match self.kv.get(&keys::alert(id))? {
            Some(bytes) => bytes,
            None => match self.kv.get(&keys::settled(id))? {
                Some(bytes) => bytes,
                None => return Ok(None),
            },
        };
        self.view_of(id, from_bytes(&bytes)?).map(Some)
    }

    fn view_of(&self, id: AlertId, record: AlertRecord) -> Result<AlertView, StateError> {
        let mut named = Vec::new();
        for no in record.letters.iter().take(NAMED) {
            if let Some(letter) = self.letter(*no)? {
                let item = letter.sighting.item;
                named.push(Named {
                    account: item.account.to_string(),
                    folder: item.folder.to_string(),
                    from: item.letter.from,
                    subject: item.letter.subject,
                    time: item.letter.time,
                });
            }
        }
        let state = self.state_of(id, &record);
        Ok(AlertView {
            id,
            state,
            kind: record.kind,
            urgency: record.urgency,
            letters: record.letters.len(),
            named,
            made_at: record.made_at.wall,
            first_try: record.first_try.map(|at| at.wall),
            tries: record.tries,
            ended_at: record.end.map(|end| end.at.wall),
            answer: record.answer,
            maybe_twice: record.maybe_twice,
            plain: record.plain,
            body: (record.end.is_none() && !record.body.is_empty())
                .then(|| String::from_utf8_lossy(&record.body).into_owned()),
            recipients: record.recipients,
        })
    }

    pub(super) fn state_of(&self, id: AlertId, record: &AlertRecord) -> AlertState {
        match (&record.end, &record.dead) {
            (Some(end), _) if end.dropped => AlertState::Dropped,
            (Some(_), _) => AlertState::Sent,
            (None, Some(_)) => AlertState::Dead,
            (None, None) if self.index.is_claimed(id) => AlertState::Sending,
            (None, None) if record.tries > 0 => AlertState::Again,
            (None, None) => AlertState::Ready,
        }
    }
}
