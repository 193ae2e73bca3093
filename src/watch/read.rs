//! Reading the letters of a range of UIDs, in bounded batches, so that one letter that cannot be read costs only its
//! own header.

use super::End;
use crate::imap::{Detail, ImapError, MOST_LETTERS, MailSession, RawLetter, UidSet};
use crate::model::Uid;
use crate::parse;
use std::collections::HashMap;
use std::time::Duration;

/// Headers fetched with one command: at some 2 KiB each a small answer, at the limit of a literal still a bounded one.
pub(super) const BATCH: usize = 100;
/// UIDs listed at one time at first; where UIDs are sparse the window grows (NetEase, imap-servers A.3).
const WINDOW: u32 = 5_000;
/// A window that finds fewer letters than this is made wider.
const FEW: usize = 1_000;
/// Of so many letters of a batch the attachments are named; nobody reads more.
const STRUCTURES: usize = 20;
/// Of so many letters of a batch invitations are read, and so much of each.
const INVITATIONS: usize = 5;
const INVITATION_BYTES: u32 = 16 * 1024;
/// How long letters wait for the names of their attachments.
const STRUCTURE_LIMIT: Duration = Duration::from_secs(5);
/// So often a letter may end the session before its header is not asked for any more.
const TRIES: u32 = 2;

/// What went wrong before in this folder: kept over sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Fragile {
    /// Up to this UID letters are fetched one by one, because a batch there ended a session.
    until: Uid,
    /// How often asking for a single letter did.
    ended: HashMap<Uid, u32>,
    /// Asking for the parts of letters ended a session.
    no_structure: bool,
}

impl Fragile {
    /// The next batch of `uids`.
    pub(super) fn batch<'a>(&self, uids: &'a [Uid]) -> &'a [Uid] {
        let most = match uids.first() {
            Some(first) if *first <= self.until => 1,
            _ => BATCH,
        };
        uids.get(..most.min(uids.len())).unwrap_or_default()
    }

    /// Letters below `next` are done with.
    pub(super) fn forget_below(&mut self, next: Uid) {
        self.ended.retain(|uid, _| *uid >= next);
    }

    /// Whether a letter's header is better not asked for.
    fn is_poison(&self, uid: Uid) -> bool {
        self.ended.get(&uid).is_some_and(|times| *times >= TRIES)
    }

    /// Asking for these ended the session.
    fn note(&mut self, uids: &[Uid]) {
        match uids {
            [only] => *self.ended.entry(*only).or_default() += 1,
            _ => self.until = uids.last().copied().unwrap_or(0),
        }
    }

    /// One command about one letter. Refused, or better not asked: `None`.
    async fn ask_one(
        &mut self,
        session: &mut dyn MailSession,
        uid: Uid,
        detail: Detail,
    ) -> Result<Option<RawLetter>, End> {
        if self.is_poison(uid) {
            return Ok(None);
        }
        match session.fetch(&UidSet::These(vec![uid]), detail).await {
            Ok(found) => Ok(found.into_iter().find(|l| l.uid == Some(uid))),
            Err(error) if error.is_answer() => Ok(None),
            Err(error) => {
                self.note(&[uid]);
                Err(error.into())
            }
        }
    }
}

/// The UIDs in a range that have a letter, ascending; at most some thousand. The second value is the last UID looked
/// at: the next call goes on behind it; `None` when the range is done.
pub(super) async fn list(
    session: &mut dyn MailSession,
    from: Uid,
    to: Uid,
) -> Result<(Vec<RawLetter>, Option<Uid>), End> {
    let (mut start, mut width) = (from, WINDOW);
    let mut found = Vec::new();
    loop {
        let end = start.saturating_add(width - 1).min(to);
        let letters = session.fetch(&UidSet::Range(start, end), Detail::Brief).await?;
        // More than one fetch brings: on behind the last of them.
        let end = letters.last().filter(|_| letters.len() >= MOST_LETTERS).and_then(|last| last.uid).unwrap_or(end);
        found.extend(letters);
        if end >= to {
            return Ok((found, None));
        }
        if found.len() >= FEW {
            return Ok((found, Some(end)));
        }
        start = end + 1;
        width = width.saturating_mul(8);
    }
}

/// The headers of one batch. A letter whose header cannot be had comes without one, as far as `brief` knows it.
pub(super) async fn headers(
    session: &mut dyn MailSession,
    brief: &[RawLetter],
    fragile: &mut Fragile,
) -> Result<Vec<RawLetter>, End> {
    let uids: Vec<Uid> = brief.iter().filter_map(|l| l.uid).collect();
    let mut letters = match uids.as_slice() {
        [only] => fragile.ask_one(session, *only, Detail::Header).await?.into_iter().collect(),
        _ => many(session, &uids, fragile).await?,
    };
    for known in brief {
        let Some(uid) = known.uid else { continue };
        let place = letters.iter().position(|l| l.uid == known.uid);
        match place.and_then(|at| letters.get_mut(at)) {
            Some(letter) if letter.header.as_ref().is_some_and(|h| !h.trim_ascii().is_empty()) => {}
            // From servers that answer nothing to a list of fields (DBMail, imap-servers D.1).
            found => {
                let whole = fragile.ask_one(session, uid, Detail::WholeHeader).await?;
                let header = whole.and_then(|l| l.header);
                match found {
                    Some(letter) => letter.header = header,
                    None if header.is_none() && is_gone(session, known).await? => {}
                    None => letters.push(RawLetter { header, ..known.clone() }),
                }
            }
        }
    }
    letters.sort_by_key(|l| l.uid);
    Ok(letters)
}

/// Adds what the server says of the parts of those letters that may have attachments. Whatever comes of it, the letters
/// are told: if asking ends the session, it is not asked in this folder again.
pub(super) async fn structures(
    session: &mut dyn MailSession,
    letters: &mut [RawLetter],
    fragile: &mut Fragile,
) -> Result<(), End> {
    let has_parts = |letter: &&RawLetter| letter.header.as_deref().is_some_and(parse::has_parts);
    let uids: Vec<Uid> = letters.iter().filter(has_parts).filter_map(|letter| letter.uid).take(STRUCTURES).collect();
    if uids.is_empty() || fragile.no_structure {
        return Ok(());
    }
    let limit = STRUCTURE_LIMIT;
    let asked = tokio::time::timeout(limit, described(session, letters, uids)).await;
    match asked.unwrap_or(Err(ImapError::Timeout { step: "UID FETCH BODYSTRUCTURE", limit })) {
        Ok(()) => Ok(()),
        Err(error) if error.is_answer() => Ok(()),
        Err(error) => {
            fragile.no_structure = true;
            Err(error.into())
        }
    }
}

/// The parts of these letters, and what is in their invitations.
async fn described(session: &mut dyn MailSession, letters: &mut [RawLetter], uids: Vec<Uid>) -> Result<(), ImapError> {
    for described in session.fetch(&UidSet::These(uids), Detail::Structure).await? {
        if let Some(letter) = letters.iter_mut().find(|letter| letter.uid == described.uid) {
            letter.parts = described.parts;
        }
    }
    let invitation = |letter: &mut RawLetter| {
        let part = letter.parts.iter().position(|part| parse::is_invitation(&part.mime));
        Some((letter.uid?, part?))
    };
    let mut asked = 0;
    for letter in letters {
        let Some((uid, at)) = invitation(letter) else { continue };
        if let Some(part) = letter.parts.get_mut(at) {
            part.content = session.part(uid, &part.section, INVITATION_BYTES).await?;
        }
        asked += 1;
        if asked == INVITATIONS {
            break;
        }
    }
    Ok(())
}

/// Adds the headers that one command brings to letters which need none: nothing more is tried.
pub(super) async fn add_headers(session: &mut dyn MailSession, letters: &mut [RawLetter]) -> Result<(), ImapError> {
    let mut uids: Vec<Uid> = letters.iter().filter_map(|letter| letter.uid).collect();
    if uids.is_empty() {
        return Ok(());
    }
    uids.sort_unstable();
    for found in session.fetch(&UidSet::These(uids), Detail::Header).await? {
        if let Some(letter) = letters.iter_mut().find(|letter| letter.uid == found.uid) {
            letter.header = found.header.filter(|header| !header.trim_ascii().is_empty());
        }
    }
    Ok(())
}

/// The headers of several letters: with one command or, where that is refused and what could be had is lost, one by one
/// (imap-servers A.3 Exchange, D.2).
async fn many(session: &mut dyn MailSession, uids: &[Uid], fragile: &mut Fragile) -> Result<Vec<RawLetter>, End> {
    match session.fetch(&UidSet::These(uids.to_vec()), Detail::Header).await {
        Ok(letters) => return Ok(letters),
        Err(error) if error.is_answer() => {}
        Err(error) => {
            fragile.note(uids);
            return Err(error.into());
        }
    }
    let mut letters = Vec::new();
    for uid in uids {
        letters.extend(fragile.ask_one(session, *uid, Detail::Header).await?);
    }
    Ok(letters)
}

/// Whether a letter is not in the folder any more: deleted or moved since it was listed.
async fn is_gone(session: &mut dyn MailSession, letter: &RawLetter) -> Result<bool, End> {
    let Some(uid) = letter.uid else { return Ok(true) };
    let found = session.fetch(&UidSet::These(vec![uid]), Detail::Brief).await?;
    Ok(!found.iter().any(|l| l.uid == Some(uid)))
}
