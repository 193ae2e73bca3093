//! Letters that were received since a moment, a piece at a time: a folder that was restored has the day of its restoring in
//! each of a million letters.

use super::End;
use super::read;
use crate::imap::{Detail, MailSession, RawLetter, UidSet};
use crate::model::{Timestamp, Uid};

/// UIDs of a search in one command: sparse ones have ten digits, and Exchange takes some 10 kB.
const SEARCHED_AT_ONCE: usize = 500;

/// What is still to be read of them. Only their UIDs are in memory.
#[derive(Debug)]
pub(super) enum Since {
    /// The server has found these.
    Found(std::vec::IntoIter<Uid>),
    /// It refuses to search: all from the first UID to the second.
    Range(Uid, Uid),
    /// The same where nobody knows the last UID.
    From(Uid),
}

impl Since {
    /// Asks for the letters received since a moment (and up to two days before it); from a server that refuses to search,
    /// for all from the UID `else_from` on. `uid_next` is what it said of the folder.
    pub(super) async fn ask(
        session: &mut dyn MailSession,
        since: Timestamp,
        else_from: Uid,
        uid_next: Option<Uid>,
    ) -> Result<Self, End> {
        match (session.search_since(since).await, uid_next) {
            (Ok(uids), _) => Ok(Self::Found(uids.into_iter())),
            (Err(error), Some(next)) if error.is_answer() => Ok(Self::Range(else_from, next.saturating_sub(1))),
            (Err(error), None) if error.is_answer() => Ok(Self::From(else_from)),
            (Err(error), _) => Err(error.into()),
        }
    }

    /// The next of them, ascending, as far as a list tells of them; `None`: that was all.
    pub(super) async fn next(&mut self, session: &mut dyn MailSession) -> Result<Option<Vec<RawLetter>>, End> {
        match self {
            Self::Found(uids) => {
                let some: Vec<Uid> = uids.take(SEARCHED_AT_ONCE).collect();
                if some.is_empty() {
                    return Ok(None);
                }
                Ok(Some(session.fetch(&UidSet::These(some), Detail::Brief).await?))
            }
            Self::Range(from, to) => {
                if from > to {
                    return Ok(None);
                }
                let (found, more) = read::list(session, *from, *to).await?;
                *from = more.map_or(Uid::MAX, |last| last.saturating_add(1));
                *to = if more.is_some() { *to } else { 0 };
                Ok(Some(found))
            }
            Self::From(from) => {
                let all = UidSet::From(*from);
                *self = Self::Range(1, 0);
                Ok(Some(session.fetch(&all, Detail::Brief).await?))
            }
        }
    }
}
