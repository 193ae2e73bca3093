//! The keys of the store: one letter for the kind of record, then what it is about.

use crate::model::{AccountId, AlertId, Fingerprint, LetterId, LetterNo, MuteId, Owner, RawName, Recipient};
use sha2::{Digest, Sha256};

/// The format's version.
pub(super) const VERSION: &[u8] = b"v";
/// The next free number of letters and alerts.
pub(super) const NUMBER: &[u8] = b"n";
/// The steady clock's anchor.
pub(super) const ANCHOR: &[u8] = b"c";
/// When the service last lived.
pub(super) const BEAT: &[u8] = b"B";
/// The channel to WeCom: how long it rests.
pub(super) const LINE: &[u8] = b"y";
/// The persons told per hour, for the day's quota.
pub(super) const QUOTA: &[u8] = b"q";
/// All letters of the ledger.
pub(super) const LETTERS: &[u8] = b"l";
/// The letters of each account.
pub(super) const BY_ACCOUNT: &[u8] = b"i";
/// The alerts of each letter.
pub(super) const LINKS: &[u8] = b"o";
/// All alerts that are not settled, dead ones among them.
pub(super) const ALERTS: &[u8] = b"A";
/// All settled alerts.
pub(super) const SETTLED: &[u8] = b"H";
/// All that waits.
pub(super) const WAITING: &[u8] = b"W";
/// What each recipient was sent.
pub(super) const GATES: &[u8] = b"G";
/// All digests of sent bodies.
pub(super) const BODIES: &[u8] = b"b";
/// Records that could not be read, under their old keys.
pub(super) const ASIDE: &[u8] = b"x";
/// All letters that were there when their folder was bound.
pub(super) const BOUND: &[u8] = b"k";
/// All remembered letters.
pub(super) const REMEMBERED: &[u8] = b"s";
/// All budgets.
pub(super) const BUDGETS: &[u8] = b"u";
/// All marks.
pub(super) const MARKS: &[u8] = b"m";
/// All troubles that people were told of.
pub(super) const TROUBLES: &[u8] = b"r";

/// All senders that owners have met.
pub(super) const SENDERS: &[u8] = b"f";
/// The names of colleagues.
pub(super) const COLLEAGUES: &[u8] = b"C";
/// Since when owners' senders are remembered.
pub(super) const MET_SINCE: &[u8] = b"F";

/// All mutes.
pub(super) const MUTES: &[u8] = b"M";

/// All accounts of the registry.
pub(super) const REGISTRY: &[u8] = b"a";

pub(super) fn registered(account: &AccountId) -> Vec<u8> {
    [REGISTRY, account.0.as_bytes()].concat()
}

/// All letters that were in folders of an account when these were bound.
pub(super) fn bound_of(account: &AccountId) -> Vec<u8> {
    [BOUND, account.0.as_bytes(), &[0]].concat()
}

/// All sessions of the administrator's console; no export holds them.
pub(super) const SESSIONS: &[u8] = b"S";

/// A session, by the digest of its token.
pub(super) fn session(token: &[u8; 32]) -> Vec<u8> {
    [SESSIONS, token].concat()
}

pub(super) fn mute(id: MuteId) -> Vec<u8> {
    [MUTES, &id.0.to_be_bytes()].concat()
}

/// A sender whom an owner has met.
pub(super) fn sender(owner: &str, sender: Fingerprint) -> Vec<u8> {
    [SENDERS, owner.as_bytes(), &[0], &sender.0].concat()
}

/// The name of a colleague.
pub(super) fn colleague(name: Fingerprint) -> Vec<u8> {
    [COLLEAGUES, &name.0].concat()
}

/// Since when an owner's senders are remembered.
pub(super) fn met_since(owner: &str) -> Vec<u8> {
    [MET_SINCE, owner.as_bytes()].concat()
}

/// Owner and sender of a sender's key.
pub(super) fn sender_parts(key: &[u8]) -> Option<(String, Fingerprint)> {
    let (owner, sender) = text_and_rest(key)?;
    Some((owner.to_owned(), Fingerprint(sender.try_into().ok()?)))
}

/// One trouble of an account, by a digest of both.
pub(super) fn trouble(account: &AccountId, what: &[u8]) -> Vec<u8> {
    let digest = Sha256::digest([account.0.as_bytes(), &[0], what].concat());
    TROUBLES.iter().chain(digest.iter().take(16)).copied().collect()
}

/// All marks of an account. NUL cannot stand in an address.
pub(super) fn marks(account: &AccountId) -> Vec<u8> {
    [MARKS, account.0.as_bytes(), &[0]].concat()
}

pub(super) fn mark(account: &AccountId, folder: &RawName) -> Vec<u8> {
    [&marks(account)[..], &folder.0].concat()
}

pub(super) fn budget(owner: &Owner) -> Vec<u8> {
    [BUDGETS, owner.key().as_bytes()].concat()
}

/// A recipient's part of a key: it cannot be the beginning of another recipient's.
fn recipient(recipient: &Recipient) -> Vec<u8> {
    let text = match recipient {
        Recipient::User(user) => format!("user:{user}"),
        other => other.to_string(),
    };
    [text.as_bytes(), &[0]].concat()
}

/// What waits for a recipient in one class.
pub(super) fn waiting_of(to: &Recipient, class: u8) -> Vec<u8> {
    [WAITING, &recipient(to), &[class]].concat()
}

pub(super) fn waiting(to: &Recipient, class: u8, letter: LetterNo) -> Vec<u8> {
    [&waiting_of(to, class)[..], &letter.0.to_be_bytes()].concat()
}

pub(super) fn remembered(to: &Recipient, letter: LetterId) -> Vec<u8> {
    [REMEMBERED, &recipient(to), &letter.0].concat()
}

pub(super) fn gate(to: &Recipient) -> Vec<u8> {
    [GATES, &recipient(to)].concat()
}

pub(super) fn letter(no: LetterNo) -> Vec<u8> {
    [LETTERS, &no.0.to_be_bytes()].concat()
}

/// The letters of an account, in the order of their numbers.
pub(super) fn letters_of(account: &AccountId) -> Vec<u8> {
    [BY_ACCOUNT, account.0.as_bytes(), &[0]].concat()
}

pub(super) fn letter_of(account: &AccountId, no: LetterNo) -> Vec<u8> {
    [&letters_of(account)[..], &no.0.to_be_bytes()].concat()
}

/// The alerts that a letter is in.
pub(super) fn links_of(no: LetterNo) -> Vec<u8> {
    [LINKS, &no.0.to_be_bytes()].concat()
}

pub(super) fn link(no: LetterNo, alert: AlertId) -> Vec<u8> {
    [&links_of(no)[..], &alert.0.to_be_bytes()].concat()
}

pub(super) fn alert(id: AlertId) -> Vec<u8> {
    [ALERTS, &id.0.to_be_bytes()].concat()
}

pub(super) fn settled(id: AlertId) -> Vec<u8> {
    [SETTLED, &id.0.to_be_bytes()].concat()
}

/// A sent body, by half of its SHA-256.
pub(super) fn body(body: &[u8]) -> Vec<u8> {
    let digest = Sha256::digest(body);
    BODIES.iter().chain(digest.iter().take(16)).copied().collect()
}

/// The number that a key ends with.
pub(super) fn number_of(key: &[u8]) -> Option<u64> {
    let at = key.len().checked_sub(8)?;
    key.get(at..)?.try_into().ok().map(u64::from_be_bytes)
}

/// The recipient that a `waiting` or `gate` key is about.
pub(super) fn recipient_of(key: &[u8]) -> Option<Recipient> {
    let rest = key.get(1..)?;
    let end = rest.iter().position(|b| *b == 0)?;
    let text = std::str::from_utf8(rest.get(..end)?).ok()?;
    match text.strip_prefix("user:") {
        Some(user) => Some(Recipient::User(user.into())),
        None => Recipient::parse(text).ok(),
    }
}

/// Recipient, class and letter of a `waiting` key.
pub(super) fn waiting_parts(key: &[u8]) -> Option<(Recipient, u8, LetterNo)> {
    let class = key.len().checked_sub(9).and_then(|at| key.get(at))?;
    Some((recipient_of(key)?, *class, LetterNo(number_of(key)?)))
}

/// A letter that was in a folder when it was bound. The name's length keeps folders apart whatever bytes they have.
pub(super) fn bound(account: &AccountId, folder: &RawName, letter: LetterId) -> Vec<u8> {
    let length = u32::try_from(folder.0.len()).unwrap_or(u32::MAX).to_be_bytes();
    [BOUND, account.0.as_bytes(), &[0], &length, &folder.0, &letter.0].concat()
}

/// The text up to the first NUL behind the kind, and what stands behind it.
fn text_and_rest(key: &[u8]) -> Option<(&str, &[u8])> {
    let rest = key.get(1..)?;
    let end = rest.iter().position(|b| *b == 0)?;
    Some((std::str::from_utf8(rest.get(..end)?).ok()?, rest.get(end + 1..)?))
}

/// Account and folder of a mark's key.
pub(super) fn mark_parts(key: &[u8]) -> Option<(AccountId, RawName)> {
    let (account, folder) = text_and_rest(key)?;
    Some((AccountId(account.into()), RawName::new(folder)))
}

/// Recipient and letter of a remembered letter's key.
pub(super) fn remembered_parts(key: &[u8]) -> Option<(Recipient, LetterId)> {
    let (_, letter) = text_and_rest(key)?;
    Some((recipient_of(key)?, LetterId(letter.try_into().ok()?)))
}

/// Account, folder and letter of the key of one that was there at the binding.
pub(super) fn bound_parts(key: &[u8]) -> Option<(AccountId, RawName, LetterId)> {
    let (account, rest) = text_and_rest(key)?;
    let (length, rest) = rest.split_at_checked(4)?;
    let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
    let (folder, letter) = rest.split_at_checked(length)?;
    Some((AccountId(account.into()), RawName::new(folder), LetterId(letter.try_into().ok()?)))
}
