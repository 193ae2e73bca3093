//! One record of the store as a line of an export: what it is in words, and back.

use super::kv::Batch;
use super::record::{
    AlertRecord, Gate, LetterRecord, Remembered, WaitingRecord, from_bytes, mark_from_bytes, mark_to_bytes, to_bytes,
};
use super::registry::Kept;
use super::{StateError, keys};
use crate::clock::Anchor;
use crate::model::{
    AccountId, AlertId, Fingerprint, LetterId, LetterNo, Mark, Mute, MuteId, RawName, Recipient, Timestamp, Told,
    Trouble,
};
use crate::model::{hex, unhex};
use crate::rules::budget::Spent;
use crate::rules::line::Line as Channel;
use crate::rules::quota::Used;
use serde::{Deserialize, Serialize};

/// See the module's text. What can be made of other lines (the lists of an account's letters, the links from letters to
/// alerts) has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Line {
    NextNumber { number: u64 },
    SteadyClock(Anchor),
    Beat { wall: Timestamp },
    Channel(Channel),
    Quota { used: Used },
    Letter { no: LetterNo, letter: Box<LetterRecord> },
    Waiting { recipient: Recipient, class: u8, no: LetterNo, waiting: WaitingRecord },
    Alert { id: AlertId, body: String, alert: AlertRecord },
    Settled { id: AlertId, alert: AlertRecord },
    Gate { recipient: Recipient, gate: Gate },
    Body { digest: String, sent_at: Timestamp },
    Bound { account: AccountId, folder: RawName, letter: LetterId, since: Timestamp },
    Remembered { recipient: Recipient, letter: LetterId, remembered: Remembered },
    Budget { owner: String, spent: Spent },
    Mark { account: AccountId, folder: RawName, mark: Mark },
    Trouble { account: AccountId, trouble: Trouble, told: Told },
    Sender { owner: String, sender: Fingerprint, met_at: Timestamp },
    Colleague { name: Fingerprint, met_at: Timestamp },
    MetSince { owner: String, since: Timestamp },
    Mute { id: MuteId, mute: Mute },
    Registered { account: Kept },
    Aside { key: String, value: String },
}

impl Line {
    /// The line of a record. `None`: it can be made of others, or it is the store's version. One that cannot be read is
    /// told as bytes.
    pub(super) fn of(key: &[u8], value: &[u8]) -> Option<Self> {
        match key.get(..1) {
            Some(keys::VERSION | keys::BY_ACCOUNT | keys::LINKS) | None => None,
            Some(prefix) => {
                let aside = || Self::Aside { key: hex(key), value: hex(value) };
                Some(Self::read(prefix, key, value).ok().flatten().unwrap_or_else(aside))
            }
        }
    }

    fn read(prefix: &[u8], key: &[u8], value: &[u8]) -> Result<Option<Self>, StateError> {
        let number = keys::number_of(key).unwrap_or_default();
        let alert = |settled: bool| -> Result<Self, StateError> {
            let mut alert: AlertRecord = from_bytes(value)?;
            let body = String::from_utf8(std::mem::take(&mut alert.body));
            let body = body.map_err(|_| StateError::Record("an alert's body".to_owned()))?;
            let id = AlertId(number);
            Ok(if settled { Self::Settled { id, alert } } else { Self::Alert { id, body, alert } })
        };
        Ok(Some(match prefix {
            keys::NUMBER => Self::NextNumber { number: from_bytes(value)? },
            keys::ANCHOR => Self::SteadyClock(from_bytes(value)?),
            keys::BEAT => Self::Beat { wall: from_bytes(value)? },
            keys::LINE => Self::Channel(from_bytes(value)?),
            keys::QUOTA => Self::Quota { used: from_bytes(value)? },
            keys::LETTERS => Self::Letter { no: LetterNo(number), letter: Box::new(from_bytes(value)?) },
            keys::WAITING => {
                let Some((recipient, class, no)) = keys::waiting_parts(key) else { return Ok(None) };
                Self::Waiting { recipient, class, no, waiting: from_bytes(value)? }
            }
            keys::ALERTS => alert(false)?,
            keys::SETTLED => alert(true)?,
            keys::GATES => {
                let Some(recipient) = keys::recipient_of(key) else { return Ok(None) };
                Self::Gate { recipient, gate: from_bytes(value)? }
            }
            keys::BODIES => Self::Body { digest: hex(key.get(1..).unwrap_or_default()), sent_at: from_bytes(value)? },
            keys::BOUND => {
                let Some((account, folder, letter)) = keys::bound_parts(key) else { return Ok(None) };
                Self::Bound { account, folder, letter, since: from_bytes(value)? }
            }
            keys::REMEMBERED => {
                let Some((recipient, letter)) = keys::remembered_parts(key) else { return Ok(None) };
                Self::Remembered { recipient, letter, remembered: from_bytes(value)? }
            }
            keys::BUDGETS => {
                let owner = String::from_utf8_lossy(key.get(1..).unwrap_or_default()).into_owned();
                Self::Budget { owner, spent: from_bytes(value)? }
            }
            keys::MARKS => {
                let Some((account, folder)) = keys::mark_parts(key) else { return Ok(None) };
                Self::Mark { account, folder, mark: mark_from_bytes(value)? }
            }
            keys::TROUBLES => {
                let (account, trouble, told) = from_bytes(value)?;
                Self::Trouble { account, trouble, told }
            }
            keys::SENDERS => {
                let Some((owner, sender)) = keys::sender_parts(key) else { return Ok(None) };
                Self::Sender { owner, sender, met_at: from_bytes(value)? }
            }
            keys::COLLEAGUES => {
                let Some(name) = key.get(1..).and_then(|name| name.try_into().ok()) else { return Ok(None) };
                Self::Colleague { name: Fingerprint(name), met_at: from_bytes(value)? }
            }
            keys::MET_SINCE => {
                let owner = String::from_utf8_lossy(key.get(1..).unwrap_or_default()).into_owned();
                Self::MetSince { owner, since: from_bytes(value)? }
            }
            keys::MUTES => Self::Mute { id: MuteId(number), mute: from_bytes(value)? },
            keys::REGISTRY => Self::Registered { account: from_bytes(value)? },
            _ => return Ok(None),
        }))
    }

    /// Puts the records of a line into a batch.
    pub(super) fn write(self, batch: &mut Batch) -> Result<(), StateError> {
        match self {
            Self::NextNumber { number } => batch.put(keys::NUMBER.to_vec(), to_bytes(&number)?),
            Self::SteadyClock(anchor) => batch.put(keys::ANCHOR.to_vec(), to_bytes(&anchor)?),
            Self::Beat { wall } => batch.put(keys::BEAT.to_vec(), to_bytes(&wall)?),
            Self::Channel(line) => batch.put(keys::LINE.to_vec(), to_bytes(&line)?),
            Self::Quota { used } => batch.put(keys::QUOTA.to_vec(), to_bytes(&used)?),
            Self::Letter { no, letter } => {
                batch.put(keys::letter_of(&letter.sighting.item.account, no), Vec::new());
                batch.put(keys::letter(no), to_bytes(&*letter)?);
            }
            Self::Waiting { recipient, class, no, waiting } => {
                batch.put(keys::waiting(&recipient, class, no), to_bytes(&waiting)?);
            }
            Self::Alert { id, body, alert } => {
                alert.link(id, batch);
                batch.put(keys::alert(id), to_bytes(&AlertRecord { body: body.into_bytes(), ..alert })?);
            }
            Self::Settled { id, alert } => {
                alert.link(id, batch);
                batch.put(keys::settled(id), to_bytes(&alert)?);
            }
            Self::Gate { recipient, gate } => batch.put(keys::gate(&recipient), to_bytes(&gate)?),
            Self::Body { digest, sent_at } => {
                batch.put([keys::BODIES, &bytes_of(&digest)?].concat(), to_bytes(&sent_at)?);
            }
            Self::Bound { account, folder, letter, since } => {
                batch.put(keys::bound(&account, &folder, letter), to_bytes(&since)?);
            }
            Self::Remembered { recipient, letter, remembered } => {
                batch.put(keys::remembered(&recipient, letter), to_bytes(&remembered)?);
            }
            Self::Budget { owner, spent } => batch.put([keys::BUDGETS, owner.as_bytes()].concat(), to_bytes(&spent)?),
            Self::Mark { account, folder, mark } => batch.put(keys::mark(&account, &folder), mark_to_bytes(&mark)?),
            Self::Trouble { account, trouble, told } => {
                let key = keys::trouble(&account, &to_bytes(&trouble)?);
                batch.put(key, to_bytes(&(account, trouble, told))?);
            }
            Self::Sender { owner, sender, met_at } => batch.put(keys::sender(&owner, sender), to_bytes(&met_at)?),
            Self::Colleague { name, met_at } => batch.put(keys::colleague(name), to_bytes(&met_at)?),
            Self::MetSince { owner, since } => batch.put(keys::met_since(&owner), to_bytes(&since)?),
            Self::Mute { id, mute } => batch.put(keys::mute(id), to_bytes(&mute)?),
            Self::Registered { account } => {
                batch.put(keys::registered(&account.registered.entry.account()), to_bytes(&account)?);
            }
            Self::Aside { key, value } => batch.put(bytes_of(&key)?, bytes_of(&value)?),
        }
        Ok(())
    }
}

fn bytes_of(digits: &str) -> Result<Vec<u8>, StateError> {
    unhex(digits).ok_or_else(|| StateError::Record("hexadecimal digits".to_owned()))
}
