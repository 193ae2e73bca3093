//! A server that ends all its sessions at once: all come back, each once, at the pace of logins.

use super::hosts::{Hosting, Way, most_within};
use super::{LOGINS, Town, at_host};
use crate::support::secs;
use mailbell::config::Account;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Accounts of the host in the storm: four minutes of logins.
const MANY: usize = 1200;

fn ends_all(hosting: &Hosting, town: &Town, host: &str) {
    let of_host = |account: &&Arc<Account>| account.provider.server.host == host;
    for account in town.accounts.iter().filter(of_host) {
        hosting.mailbox(account).cut();
    }
}

/// What came to a host since the last look, checked for its pace: how many times each account connected.
fn connects(hosting: &Hosting, host: &str) -> HashMap<String, usize> {
    let all = std::mem::take(&mut *hosting.connects.lock().unwrap());
    let mut times = Vec::new();
    let mut each = HashMap::new();
    for (at, to, account) in all {
        if to == host {
            times.push(at);
            *each.entry(account).or_insert(0) += 1;
        } else {
            hosting.connects.lock().unwrap().push((at, to, account));
        }
    }
    let logins = usize::try_from(LOGINS).unwrap();
    assert!(most_within(&times, secs(1)) <= logins, "{} in a second", most_within(&times, secs(1)));
    assert!(most_within(&times, Duration::from_millis(190)) <= 1, "two at one time");
    each
}

#[tokio::test(start_paused = true)]
async fn all_come_back_once_and_at_the_pace_of_logins() {
    let mut accounts: Vec<_> = (0..MANY).map(|n| at_host("storm.example", n)).collect();
    accounts.extend((0..50).map(|n| at_host("calm.example", n)));
    let (town, hosting) = (Town::of(accounts), Arc::new(Hosting::default()));
    let within = Duration::from_secs_f64(MANY as f64 / f64::from(LOGINS));
    town.during(hosting.clone(), async {
        sleep(within + secs(2)).await;
        assert_eq!((town.watched("storm.example"), town.watched("calm.example")), (MANY, 50));
        connects(&hosting, "calm.example");
        assert_eq!(connects(&hosting, "storm.example").len(), MANY);

        // Everybody has a letter in the minute in which the server goes down and comes back.
        ends_all(&hosting, &town, "storm.example");
        for (n, account) in town.accounts.iter().enumerate() {
            hosting.mailbox(account).arrive("INBOX", &format!("letter{n}"), town.clock.now());
        }
        sleep(within + secs(3)).await;
        assert_eq!((town.watched("storm.example"), town.watched("calm.example")), (MANY, 50));
        let each = connects(&hosting, "storm.example");
        assert!(each.len() == MANY && each.values().all(|times| *times == 1), "{:?}", each.values().max());
        assert!(connects(&hosting, "calm.example").is_empty(), "nobody else is disturbed");

        // The same while it refuses connections for two minutes, with resets in between.
        ends_all(&hosting, &town, "storm.example");
        hosting.set("storm.example", Way::Refuses);
        sleep(secs(120)).await;
        let tried: usize = connects(&hosting, "storm.example").values().sum();
        assert!(tried <= 40, "{tried} tries of a host that is down");
        hosting.set("storm.example", Way::Up);
        let back = Instant::now();
        sleep(secs(10) + within + secs(3)).await;
        assert_eq!(town.watched("storm.example"), MANY, "{:?} after it came back", back.elapsed());
        let each = connects(&hosting, "storm.example");
        assert!(each.len() >= MANY - 1 && each.values().all(|times| *times == 1), "{:?}", each.values().max());
        assert!(connects(&hosting, "calm.example").is_empty());
    })
    .await;
    let stored = town.state.stored.lock().unwrap();
    let mut subjects: Vec<_> = stored.iter().map(|(_, item)| item.letter.subject.clone().unwrap()).collect();
    subjects.sort();
    subjects.dedup();
    assert_eq!((stored.len(), subjects.len()), (MANY + 50, MANY + 50), "each letter once");
}
