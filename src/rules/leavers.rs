//! Who has left: what becomes of accounts whose user is not found in WeCom any more. Pure.

use crate::model::{AccountId, Timestamp};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// What WeCom says of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A member who may use WeCom, or will.
    There,
    /// No member any more, or disabled.
    Gone,
    /// It cannot be told: nothing is changed.
    Unsure,
}

/// An account of the registry, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The account.
    pub account: AccountId,
    /// Whose.
    pub user: Arc<str>,
    /// Since when its user has been missing, or it has been disabled (wall clock); `None`: neither.
    pub leaving: Option<Timestamp>,
    /// Whether it is marked as a leaver's.
    pub marked: bool,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Users who are missing for the first time: their accounts are marked.
    pub leave: Vec<AccountId>,
    /// Accounts whose user is back.
    pub back: Vec<AccountId>,
    /// Accounts whose user has been missing for the grace time.
    pub unbind: Vec<AccountId>,
    /// So many users are missing at once that it is taken for a mistake: nothing of theirs is changed.
    pub held: Option<usize>,
}

/// Decides. `most`: more users than these newly missing, or more than half of five or more, are taken for a mistake, such
/// as a wrong secret.
pub fn judge(
    accounts: &[Bound],
    presence: impl Fn(&str) -> Presence,
    (grace, most): (Duration, usize),
    now: Timestamp,
) -> Verdict {
    let gone: Vec<&Bound> = accounts.iter().filter(|bound| presence(&bound.user) == Presence::Gone).collect();
    let fresh: HashSet<&str> = gone.iter().filter(|bound| !bound.marked).map(|bound| &*bound.user).collect();
    let missing: HashSet<&str> = gone.iter().map(|bound| &*bound.user).collect();
    let users: HashSet<&str> = accounts.iter().map(|bound| &*bound.user).collect();
    let back = accounts.iter().filter(|bound| bound.marked && presence(&bound.user) == Presence::There);
    let mut verdict = Verdict { back: back.map(|bound| bound.account.clone()).collect(), ..Verdict::default() };
    let nearly_all = users.len() >= 5 && missing.len() * 2 > users.len();
    if fresh.len() > most || nearly_all {
        verdict.held = Some(missing.len());
        return verdict;
    }
    for bound in gone {
        match bound.leaving {
            Some(since) if now.since(since) >= grace => verdict.unbind.push(bound.account.clone()),
            None if grace.is_zero() => verdict.unbind.push(bound.account.clone()),
            None => verdict.leave.push(bound.account.clone()),
            Some(_) => {}
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn bound(name: &str, leaving: Option<i64>) -> Bound {
        let marked = leaving.is_some();
        Bound { account: AccountId::new(name), user: name.into(), leaving: leaving.map(Timestamp), marked }
    }

    fn ids(names: &[&str]) -> Vec<AccountId> {
        names.iter().map(|name| AccountId::new(name)).collect()
    }

    /// Users whose names begin with g are gone, with u unsure.
    fn by_name(user: &str) -> Presence {
        match user.chars().next() {
            Some('g') => Presence::Gone,
            Some('u') => Presence::Unsure,
            _ => Presence::There,
        }
    }

    #[test]
    fn who_is_missing_is_marked_then_unbound_and_who_is_back_is_kept() {
        let now = Timestamp(100 * 3_600_000);
        let accounts = [
            bound("a", None),
            bound("g1", None),
            bound("g2", Some(99 * 3_600_000)),
            bound("g3", Some(76 * 3_600_000)),
            bound("b", Some(0)),
            bound("u1", None),
            bound("u2", Some(0)),
        ];
        let verdict = judge(&accounts, by_name, (24 * HOUR, 20), now);
        assert_eq!(verdict.leave, ids(&["g1"]));
        assert_eq!(verdict.unbind, ids(&["g3"]));
        assert_eq!(verdict.back, ids(&["b"]));
        assert_eq!(verdict.held, None);
        let at_once = judge(&accounts, by_name, (Duration::ZERO, 20), now);
        assert_eq!(at_once.unbind, ids(&["g1", "g2", "g3"]));
    }

    #[test]
    fn too_many_at_once_are_a_mistake() {
        let accounts = [bound("g1", None), bound("g2", Some(0)), bound("g3", None), bound("b", Some(0))];
        let verdict = judge(&accounts, by_name, (HOUR, 1), Timestamp(i64::MAX));
        assert_eq!((verdict.held, verdict.leave.len(), verdict.unbind.len()), (Some(3), 0, 0));
        assert_eq!(verdict.back, ids(&["b"]));
        assert_eq!(judge(&accounts, by_name, (HOUR, 2), Timestamp(i64::MAX)).held, None, "g2 was counted before");
        let half = [bound("g1", None), bound("g2", None), bound("g3", None), bound("a", None), bound("b", None)];
        assert_eq!(judge(&half, by_name, (HOUR, 20), Timestamp(0)).held, Some(3), "more than half of five");
    }

    proptest! {
        #[test]
        fn only_who_is_gone_is_touched(
            names in proptest::collection::vec(("[gub][a-z]{1,3}", proptest::option::of(0_i64..1_000_000)), 0..20),
            grace in 0_u64..2_000, most in 0_usize..20, now in 0_i64..2_000_000,
        ) {
            let accounts: Vec<_> = names.iter().map(|(name, leaving)| bound(name, *leaving)).collect();
            let verdict = judge(&accounts, by_name, (Duration::from_secs(grace), most), Timestamp(now));
            for account in verdict.leave.iter().chain(&verdict.unbind) {
                prop_assert!(account.0.starts_with('g'));
            }
            for account in &verdict.back {
                prop_assert!(account.0.starts_with('b'));
            }
            if verdict.held.is_some() {
                prop_assert!(verdict.leave.is_empty() && verdict.unbind.is_empty());
            }
        }
    }
}
