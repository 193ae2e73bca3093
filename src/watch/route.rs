//! Who is told of a letter, and how loud: by the first subscription that takes its folder and the letter.

use crate::config::{Account, Subscription};
use crate::model::{Letter, Recipient, Urgency};
use crate::rules::filter::View;

/// See the module's text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Route<'a> {
    /// The place of the subscription, from 0.
    pub place: usize,
    /// Who is told.
    pub recipients: &'a [Recipient],
    /// How loud.
    pub urgency: Urgency,
}

/// The way of a letter from a folder that the subscriptions at `places` (from 0, ascending) take; `None`: none of them
/// takes the letter.
pub fn route<'a>(account: &'a Account, places: &[usize], letter: &Letter) -> Option<Route<'a>> {
    let view = View::of(letter);
    let taking = |place: &usize| {
        let subscription = account.subscriptions.get(*place)?;
        subscription.filter.takes(&view).then_some((*place, subscription))
    };
    let (place, subscription) = places.iter().find_map(taking)?;
    let recipients = subscription.recipients.as_ref().unwrap_or(&account.recipients);
    Some(Route { place, recipients, urgency: subscription.urgency })
}

/// Why a subscription before the one that takes a letter does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// It does not take the folder.
    Folder,
    /// The first of its conditions that does not hold, by its key.
    Condition(&'static str),
}

/// The subscriptions that pass a letter by, each with why, up to the one that takes it. `takes` says whether one takes the
/// folder.
pub fn passed(
    subscriptions: &[Subscription],
    takes: impl Fn(&Subscription) -> bool,
    letter: &Letter,
) -> (Vec<(usize, Passed)>, Option<usize>) {
    let view = View::of(letter);
    let mut passed = Vec::new();
    for (place, subscription) in subscriptions.iter().enumerate() {
        let why = match subscription.filter.failed(&view) {
            _ if !takes(subscription) => Passed::Folder,
            Some(key) => Passed::Condition(key),
            None => return (passed, Some(place)),
        };
        passed.push((place, why));
    }
    (passed, None)
}
