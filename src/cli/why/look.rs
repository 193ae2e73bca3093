//! A look at the account itself for letters that the ledger does not know: a short session of its own that changes
//! nothing (EXAMINE and PEEK), and reads no more than is said here.

use crate::cli::folders::progress;
use crate::config::Account;
use crate::imap::{Detail, ImapError, Listed, MailSession, MailSource, RawLetter, UidSet};
use crate::model::{Lang, Letter, Look, RawName, Timestamp, Uid, UidValidity};
use crate::parse::{self, Source};
use crate::state::Why;
use crate::watch::folders::{self, Chosen};
use std::collections::{HashMap, HashSet};

/// Folders looked at, those that are watched first.
const FOLDERS: usize = 40;
/// Letters looked at in each, the newest.
const LETTERS: usize = 200;
/// Headers fetched with one command.
const BATCH: usize = 50;

/// A letter that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) folder: RawName,
    /// The folder's name for people.
    pub(super) shown: String,
    /// Which subscription takes it, from 0.
    pub(super) subscription: Option<usize>,
    pub(super) uid: Uid,
    pub(super) uid_validity: Option<UidValidity>,
    pub(super) letter: Letter,
}

/// What a look came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Looked {
    /// The letters that fit, the newest first; a letter in several folders once, in one that is watched if there is one.
    pub(super) found: Vec<Found>,
    /// Folders that were looked at.
    pub(super) folders: usize,
    /// Folders beyond the limit.
    pub(super) left_out: usize,
    /// Folders that the server refuses, and its words.
    pub(super) refused: Vec<(String, String)>,
    /// All folders.
    pub(super) listed: Vec<Listed>,
}

/// Looks for letters that fit, received since `why.since`.
///
/// # Errors
/// No session, or it broke.
pub(super) async fn look(
    source: &dyn MailSource,
    account: &Account,
    why: &Why,
    lang: Lang,
) -> Result<Looked, ImapError> {
    let mut session = source.connect(account).await?;
    let listed = session.folders().await?;
    let shown = folders::shown(&listed);
    let chosen = folders::choose(&account.subscriptions, &listed);
    let places = order(&listed, &chosen);
    let mut looked = Looked { left_out: places.len().saturating_sub(FOLDERS), ..Looked::default() };
    for (count, at) in places.iter().take(FOLDERS).enumerate() {
        let (Some(mailbox), Some(shown)) = (listed.get(*at), shown.get(*at)) else { continue };
        progress(&format!(
            "{} {}/{}",
            lang.pick("正在查看文件夹", "looking at folders"),
            count + 1,
            places.len().min(FOLDERS)
        ));
        let answer = look_at(&mut *session, account, &mailbox.raw, why.since.unwrap_or_default()).await;
        let (look, letters) = match answer {
            Ok(answer) => answer,
            Err(ImapError::No { text, .. } | ImapError::Bad { text, .. }) => {
                looked.refused.push((shown.clone(), text));
                continue;
            }
            Err(error) => {
                progress("");
                return Err(error);
            }
        };
        looked.folders += 1;
        let subscription =
            chosen.iter().find(|c| c.folder.raw == mailbox.raw).and_then(|c| c.subscriptions.first().copied());
        let fits = letters.into_iter().filter(|(_, letter)| why.fits(letter));
        looked.found.extend(fits.map(|(uid, letter)| Found {
            folder: mailbox.raw.clone(),
            shown: shown.clone(),
            subscription,
            uid,
            uid_validity: look.uid_validity,
            letter,
        }));
    }
    progress("");
    session.logout().await;
    let mut known = HashSet::new();
    looked.found.retain(|found| known.insert(found.letter.id));
    looked.found.sort_by_key(|found| std::cmp::Reverse(found.letter.time));
    looked.listed = listed;
    Ok(looked)
}

/// Which of the listed folders to look at, in which order: those that are watched, then those where mail goes astray.
fn order(listed: &[Listed], chosen: &[Chosen]) -> Vec<usize> {
    let places: HashMap<&RawName, usize> = listed.iter().enumerate().map(|(at, m)| (&m.raw, at)).collect();
    let mut order: Vec<usize> = chosen.iter().filter_map(|c| places.get(&c.folder.raw).copied()).collect();
    let has = |mailbox: &Listed, uses: &[&str]| mailbox.uses.iter().any(|used| uses.contains(&used.as_str()));
    let rank = |mailbox: &Listed| {
        if has(mailbox, &["\\junk", "\\inbox"]) {
            0
        } else if has(mailbox, &["\\sent", "\\drafts"]) {
            3
        } else if has(mailbox, &["\\all"]) {
            2
        } else {
            1
        }
    };
    let taken: HashSet<usize> = order.iter().copied().collect();
    let mut others: Vec<_> = listed.iter().enumerate().filter(|(at, m)| m.can_open && !taken.contains(at)).collect();
    others.sort_by_key(|(_, mailbox)| rank(mailbox));
    order.extend(others.into_iter().map(|(at, _)| at));
    order
}

/// The newest letters of one folder received since then.
async fn look_at(
    session: &mut dyn MailSession,
    account: &Account,
    folder: &RawName,
    since: Timestamp,
) -> Result<(Look, Vec<(Uid, Letter)>), ImapError> {
    let look = session.examine(folder).await?;
    if look.exists == Some(0) {
        return Ok((look, Vec::new()));
    }
    let mut brief = match session.search_since(since).await {
        Ok(mut uids) => {
            uids.sort_unstable();
            let newest = uids.split_off(uids.len().saturating_sub(LETTERS));
            if newest.is_empty() { Vec::new() } else { session.fetch(&UidSet::These(newest), Detail::Brief).await? }
        }
        // A server that refuses to search: the last UIDs, where it tells them.
        Err(error @ (ImapError::No { .. } | ImapError::Bad { .. })) => {
            let Some(next) = look.uid_next else { return Err(error) };
            let from = next.saturating_sub(u32::try_from(LETTERS).unwrap_or(u32::MAX)).max(1);
            session.fetch(&UidSet::From(from), Detail::Brief).await?
        }
        Err(error) => return Err(error),
    };
    brief.retain(|l| l.internal_date.is_none_or(|date| date >= since));
    let mut letters = Vec::new();
    for batch in brief.chunks(BATCH) {
        let uids: Vec<Uid> = batch.iter().filter_map(|l| l.uid).collect();
        for raw in session.fetch(&UidSet::These(uids), Detail::Header).await? {
            letters.extend(letter(account, &look, &raw));
        }
    }
    Ok((look, letters))
}

/// The letter as watching would make it, so that it is known again.
fn letter(account: &Account, look: &Look, raw: &RawLetter) -> Option<(Uid, Letter)> {
    let uid = raw.uid?;
    let letter = parse::letter(&Source {
        account: &account.id,
        uid_validity: look.uid_next.and(look.uid_validity).unwrap_or(0),
        uid: look.uid_next.map_or(0, |_| uid),
        time: raw.internal_date.unwrap_or_default(),
        size: raw.size.unwrap_or(0),
        seen: raw.seen == Some(true),
        locale: account.locale,
        trusted: &account.trusted_authserv,
        names: account.asks_names(),
        parts: &[],
        header: raw.header.as_deref(),
    });
    Some((uid, letter))
}
