//! The gauges of a scrape: what accounts, connections and outbox are at this moment.

use super::{STORE_LIMIT, Sources};
use crate::health::{AccountHealth, AccountState};
use crate::metrics::{Gauges, Persons};
use crate::model::Timestamp;
use crate::state::StateError;

/// Reads all gauges.
pub(super) async fn now(sources: &Sources) -> Gauges {
    let now = sources.clock.steady();
    let gauges = sources.health.read(|accounts| of_accounts(accounts.values(), now));
    // A scrape goes without what the store does not count in time.
    let counted =
        async { Ok::<_, StateError>((sources.state.outbox().await?, sources.state.usage(sources.clock.now()).await?)) };
    let Ok(Ok((outbox, usage))) = tokio::time::timeout(STORE_LIMIT, counted).await else { return gauges };
    let outbox = Some(vec![("waiting", outbox.waiting), ("open", outbox.open), ("dead", outbox.dead)]);
    let persons = Some(Persons { today: usage.today, forecast: usage.forecast, quota: usage.quota });
    Gauges { outbox, persons, ..gauges }
}

fn of_accounts<'a>(accounts: impl Iterator<Item = &'a AccountHealth>, now: Timestamp) -> Gauges {
    let mut gauges = Gauges::default();
    let mut counts = AccountState::ALL.map(|state| (state, 0));
    for account in accounts {
        for (state, count) in &mut counts {
            *count += usize::from(*state == account.state_told());
        }
        gauges.connections += usize::try_from(account.connections).unwrap_or_default();
        // Nobody waits for one that is not to be watched.
        if account.state != AccountState::Disabled {
            gauges.silent_for = gauges.silent_for.max(account.silent_for(now));
        }
        gauges.blind += usize::from(account.blind_since.is_some());
    }
    gauges.accounts = counts.map(|(state, count)| (state.word(), count)).to_vec();
    gauges
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_worst_account_counts() {
        let now = Timestamp(1_000_000);
        let mut fresh = AccountHealth::new(Timestamp(0));
        fresh.state = AccountState::Watching;
        fresh.connections = 2;
        fresh.pulse.beat(Timestamp(999_000));
        let mut silent = AccountHealth::new(Timestamp(0));
        silent.state = AccountState::Connecting;
        silent.blind_since = Some(Timestamp(100_000));
        silent.pulse.beat(Timestamp(100_000));
        let gauges = of_accounts([&fresh, &silent].into_iter(), now);
        assert_eq!((gauges.connections, gauges.blind), (2, 1));
        assert_eq!(gauges.silent_for, Duration::from_secs(900));
        assert_eq!(gauges.accounts.iter().map(|(_, count)| count).sum::<usize>(), 2);
        assert!(gauges.accounts.contains(&("blind", 1)) && gauges.accounts.contains(&("disabled", 0)));
        let disabled = AccountHealth { state: AccountState::Disabled, ..AccountHealth::new(Timestamp(0)) };
        assert_eq!(of_accounts([&disabled].into_iter(), now).silent_for, Duration::ZERO);
        let never = AccountHealth::new(Timestamp(400_000));
        assert_eq!(of_accounts([&never].into_iter(), now).silent_for, Duration::from_secs(600), "since it is watched");
        assert_eq!(of_accounts([].into_iter(), now).silent_for, Duration::ZERO);
    }
}
