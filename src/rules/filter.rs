//! Conditions on a letter, as subscriptions write them: which letters are meant. Compiled once, asked for each letter;
//! pure, and in time linear in the letter whatever is written.

mod pattern;
mod view;

pub use pattern::{AddressPatterns, PatternError, TextPatterns};
pub use view::View;

use crate::model::{Kind, Priority, Verdict};

/// Conditions that all have to hold. Without any it takes every letter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// As they were given.
    conditions: Vec<Condition>,
    /// Their places in the order in which they are asked: the cheap ones first.
    order: Vec<usize>,
}

/// One condition, by the key that it was written with.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// `from`, `subject`, ...
    pub key: &'static str,
    /// What has to be so.
    pub test: Test,
}

/// What has to be so.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// The sender.
    From(AddressPatterns),
    /// One of those whom it is written to.
    To(AddressPatterns),
    /// One of those who get a copy.
    Cc(AddressPatterns),
    /// The subject; one that is missing is empty.
    Subject(TextPatterns),
    /// The mailing list.
    ListId(TextPatterns),
    /// The name of one of its attachments.
    Attachment(TextPatterns),
    /// Whether it has attachments, as far as the server and the header tell.
    HasAttachment(bool),
    /// More bytes than these; a letter whose size is not known is none.
    LargerThan(u64),
    /// One of these priorities.
    Priority(Vec<Priority>),
    /// It is one of the first and none of the second.
    Kind(Vec<Kind>, Vec<Kind>),
    /// Whether it was read elsewhere.
    Seen(bool),
    /// Whether its sender is a stranger (30 days without a letter).
    FirstTime(bool),
    /// What is known of its sender's authenticity is one of these; `None`: nothing.
    Authentication(Vec<Option<Verdict>>),
    /// Each of these.
    All(Vec<Filter>),
    /// At least one of these.
    Any(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
}

impl Test {
    /// What it costs, roughly: what costs less is asked first.
    fn cost(&self) -> u8 {
        match self {
            Self::HasAttachment(_)
            | Self::LargerThan(_)
            | Self::Priority(_)
            | Self::Kind(..)
            | Self::Seen(_)
            | Self::FirstTime(_)
            | Self::Authentication(_) => 0,
            Self::From(_) => 1,
            Self::ListId(_) | Self::Subject(_) => 2,
            Self::To(_) | Self::Cc(_) | Self::Attachment(_) => 3,
            Self::All(_) | Self::Any(_) | Self::Not(_) => 4,
        }
    }

    fn holds(&self, view: &View<'_>) -> bool {
        let letter = view.letter;
        match self {
            Self::From(patterns) => patterns.take(std::slice::from_ref(&view.from)),
            Self::To(patterns) => patterns.take(&view.to),
            Self::Cc(patterns) => patterns.take(&view.cc),
            Self::Subject(patterns) => patterns.take(std::slice::from_ref(&view.subject)),
            Self::ListId(patterns) => patterns.take(view.list_id.as_slice()),
            Self::Attachment(patterns) => patterns.take(&view.attachments),
            Self::HasAttachment(wanted) => letter.attachment == *wanted,
            Self::LargerThan(bytes) => letter.size > *bytes,
            Self::Priority(wanted) => wanted.contains(&letter.priority),
            Self::Kind(any, none) => {
                let is = |kind: &Kind| letter.kinds.contains(kind);
                (any.is_empty() || any.iter().any(is)) && !none.iter().any(is)
            }
            Self::Seen(wanted) => letter.seen == *wanted,
            Self::FirstTime(wanted) => letter.unmet_days.is_some() == *wanted,
            Self::Authentication(wanted) => wanted.contains(&letter.verdict),
            Self::All(filters) => filters.iter().all(|filter| filter.takes(view)),
            Self::Any(filters) => filters.iter().any(|filter| filter.takes(view)),
            Self::Not(filter) => !filter.takes(view),
        }
    }
}

impl Filter {
    /// All of these have to hold.
    pub fn new(conditions: Vec<Condition>) -> Self {
        let cost = |at: &usize| conditions.get(*at).map(|condition| condition.test.cost());
        let mut order: Vec<usize> = (0..conditions.len()).collect();
        order.sort_by_key(cost);
        Self { conditions, order }
    }

    /// Whether it takes every letter.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether it takes this one.
    pub fn takes(&self, view: &View<'_>) -> bool {
        let mut asked = self.order.iter().filter_map(|at| self.conditions.get(*at));
        asked.all(|condition| condition.test.holds(view))
    }

    /// The key of the first condition that does not hold.
    pub fn failed(&self, view: &View<'_>) -> Option<&'static str> {
        self.conditions.iter().find(|condition| !condition.test.holds(view)).map(|condition| condition.key)
    }

    /// Whether it asks for the names of those whom a letter is written to.
    pub fn asks_names(&self) -> bool {
        self.conditions.iter().any(|condition| match &condition.test {
            Test::To(patterns) | Test::Cc(patterns) => patterns.ask_names(),
            Test::All(filters) | Test::Any(filters) => filters.iter().any(Self::asks_names),
            Test::Not(filter) => filter.asks_names(),
            _ => false,
        })
    }

    /// Whether no letter at all fits it, as far as its conditions show that without a letter.
    pub fn is_impossible(&self) -> bool {
        let only = |test: &Test| match test {
            Test::From(patterns) | Test::To(patterns) | Test::Cc(patterns) => patterns.is_impossible(),
            Test::Subject(patterns) | Test::ListId(patterns) | Test::Attachment(patterns) => patterns.is_impossible(),
            Test::Kind(any, none) => !any.is_empty() && any.iter().all(|kind| none.contains(kind)),
            Test::All(filters) => filters.iter().any(Self::is_impossible),
            Test::Any(filters) => filters.iter().all(Self::is_impossible),
            Test::Not(filter) => filter.is_empty(),
            _ => false,
        };
        let conditions = &self.conditions;
        let no_attachment = conditions.iter().any(|c| c.test == Test::HasAttachment(false));
        let named = conditions.iter().any(|c| matches!(&c.test, Test::Attachment(p) if p.wants_one()));
        let denied = |c: &Condition| {
            let denies =
                |other: &Condition| matches!(&other.test, Test::Not(f) if f.conditions == std::slice::from_ref(c));
            conditions.iter().any(denies)
        };
        no_attachment && named || conditions.iter().any(|c| only(&c.test) || denied(c))
    }

    /// Whether each letter that `other` takes is taken by this one, as far as their conditions show that: each of its
    /// conditions is one of `other`'s, or wider.
    pub fn covers(&self, other: &Self) -> bool {
        self.conditions.iter().all(|own| other.conditions.iter().any(|theirs| own.is_wider_than(theirs)))
    }
}

impl Condition {
    fn is_wider_than(&self, other: &Self) -> bool {
        match (&self.test, &other.test) {
            (one, two) if one == two => true,
            (Test::From(one), Test::From(two)) | (Test::To(one), Test::To(two)) | (Test::Cc(one), Test::Cc(two)) => {
                one.covers(two)
            }
            (Test::Subject(one), Test::Subject(two))
            | (Test::ListId(one), Test::ListId(two))
            | (Test::Attachment(one), Test::Attachment(two)) => one.covers(two),
            (Test::LargerThan(one), Test::LargerThan(two)) => one <= two,
            (Test::Priority(one), Test::Priority(two)) => two.iter().all(|priority| one.contains(priority)),
            (Test::Authentication(one), Test::Authentication(two)) => two.iter().all(|verdict| one.contains(verdict)),
            (Test::Kind(one, not_one), Test::Kind(two, not_two)) => {
                let narrower = one.is_empty() || !two.is_empty() && two.iter().all(|kind| one.contains(kind));
                narrower && not_one.iter().all(|kind| not_two.contains(kind))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
#[path = "filter/tests.rs"]
mod tests;
