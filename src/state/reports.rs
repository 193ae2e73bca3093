//! What people were told of troubles, so that they are told once, and the messages that tell it.

use super::engine::Engine;
use super::index::{Open, readable};
use super::kv::{Batch, all};
use super::record::{AlertRecord, from_bytes, to_bytes};
use super::{Report, StateError, Troubles, keys};
use crate::model::{AccountId, AlertId, AlertKind, Now, Told, Trouble, Urgency};

impl Engine {
    pub(super) fn troubles(&mut self) -> Result<Troubles, StateError> {
        let mut found = Troubles::new();
        let mut aside = Batch::default();
        all(&*self.kv, keys::TROUBLES, |pairs| {
            for (key, value) in pairs {
                let read = from_bytes::<(AccountId, Trouble, Told)>(&value);
                if let Some((account, trouble, told)) = readable(read, &mut aside, &key, &value)? {
                    found.insert((account, trouble), told);
                }
            }
            Ok(())
        })?;
        self.apply(aside)?;
        Ok(found)
    }

    pub(super) fn report(&mut self, report: Report, now: Now) -> Result<(), StateError> {
        let mut batch = Batch::default();
        for (account, trouble, told) in report.troubles {
            let key = keys::trouble(&account, &to_bytes(&trouble)?);
            match told {
                Some(told) => batch.put(key, to_bytes(&(account, trouble, told))?),
                None => batch.delete(key),
            }
        }
        let mut open = Vec::new();
        for (recipients, text) in report.alerts.into_iter().filter(|(recipients, _)| !recipients.is_empty()) {
            let id = AlertId(self.number()?);
            let record = AlertRecord {
                kind: AlertKind::Report,
                text: Some(text),
                ..AlertRecord::new(recipients, Urgency::Normal, Vec::new(), now)
            };
            batch.put(keys::alert(id), to_bytes(&record)?);
            open.push((id, Open::of(&record)));
        }
        self.apply(batch)?;
        for (id, alert) in open {
            self.index.put(id, alert);
        }
        Ok(())
    }
}
