//! Sheets that were uploaded and looked through, and wait for a yes: in memory alone, for minutes, each for the session
//! that uploaded it.

use crate::model::Timestamp;
use crate::office::Row;
use crate::state::SessionKey;
use std::collections::HashMap;
use std::time::Duration;

/// So long a sheet waits.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// Sheets that wait at one time: the oldest gives way.
const MOST: usize = 4;

/// See the module's text.
#[derive(Default)]
pub(super) struct Uploads(HashMap<String, Upload>);

/// One sheet.
pub(super) struct Upload {
    /// Whose.
    pub(super) session: Option<SessionKey>,
    /// When (steady clock).
    pub(super) at: Timestamp,
    /// The file's name.
    pub(super) name: String,
    /// The rows that are well, of those that were well-formed.
    pub(super) rows: Vec<Row>,
    /// How many lines are wrong.
    pub(super) wrong: usize,
}

impl Uploads {
    pub(super) fn keep(&mut self, id: String, upload: Upload) {
        let now = upload.at;
        self.0.retain(|_, upload| now.since(upload.at) <= PATIENCE);
        while self.0.len() >= MOST {
            let oldest = self.0.iter().min_by_key(|(_, upload)| upload.at).map(|(id, _)| id.clone());
            let Some(oldest) = oldest else { break };
            self.0.remove(&oldest);
        }
        self.0.insert(id, upload);
    }

    /// Takes one out, if it is this session's and not too old.
    pub(super) fn take(&mut self, id: &str, session: Option<SessionKey>, now: Timestamp) -> Option<Upload> {
        let fits = self.0.get(id).is_some_and(|upload| upload.session == session && now.since(upload.at) <= PATIENCE);
        if fits { self.0.remove(id) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp(1_760_000_000_000);

    fn upload(session: &[u8], at: Timestamp) -> Upload {
        Upload { session: Some(SessionKey::of(session)), at, name: String::new(), rows: Vec::new(), wrong: 0 }
    }

    #[test]
    fn a_sheet_waits_for_its_session_and_not_for_long() {
        let mut uploads = Uploads::default();
        uploads.keep("one".to_owned(), upload(b"a", T0));
        assert!(uploads.take("one", Some(SessionKey::of(b"b")), T0).is_none());
        assert!(uploads.take("one", Some(SessionKey::of(b"a")), T0.plus(PATIENCE * 2)).is_none());
        assert!(uploads.take("one", Some(SessionKey::of(b"a")), T0).is_some());
        assert!(uploads.take("one", Some(SessionKey::of(b"a")), T0).is_none(), "once");
        for n in 0..9_u64 {
            uploads.keep(n.to_string(), upload(b"a", T0.plus(Duration::from_secs(n))));
        }
        assert_eq!(uploads.0.len(), MOST);
        assert!(uploads.take("8", Some(SessionKey::of(b"a")), T0).is_some());
    }
}
