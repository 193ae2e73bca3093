//! Who is told of a letter, and how loud: by the subscription that takes it.

use crate::config::Account;
use crate::model::{Letter, Recipient, Urgency};

/// See the module's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// Who is told.
    pub recipients: &'a [Recipient],
    /// How loud.
    pub urgency: Urgency,
}

/// The way of a letter from a folder that the subscription at `place` (from 0) takes. Subscriptions tell folders apart,
/// not letters, so far.
pub fn route<'a>(account: &'a Account, place: usize, _letter: &Letter) -> Route<'a> {
    let subscription = account.subscriptions.get(place);
    let recipients = subscription.and_then(|s| s.recipients.as_ref()).unwrap_or(&account.recipients);
    Route { recipients, urgency: subscription.map(|s| s.urgency).unwrap_or_default() }
}
