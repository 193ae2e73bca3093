//! One account with very many new letters, or with a server that hardly answers: the others' alerts are not later for it.

use super::{Town, at_host};
use crate::support::huge::{HostDial, Huge};
use crate::support::secs;
use crate::support::server::PipeDial;
use futures_util::future::{BoxFuture, join_all};
use mailbell::config::Account;
use mailbell::deliver::{self, Delivery};
use mailbell::imap::ImapSource;
use mailbell::model::{AlertKind, Lang, Recipient};
use mailbell::rules::retry::Outcome;
use mailbell::state::{Content, Draft, Shape};
use mailbell::wecom::{Message, Push, Sent};
use std::sync::{Arc, Mutex};
use tokio::task::yield_now;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Whom each message was for, in the order of the POSTs.
#[derive(Default)]
struct Posts(Mutex<Vec<String>>);

impl Push for Posts {
    fn encode(&self, _to: &[Recipient], _message: &Message) -> Vec<u8> {
        unreachable!("composed below")
    }

    fn send<'a>(&'a self, to: &'a [Recipient], _body: &'a [u8]) -> BoxFuture<'a, Sent> {
        self.0.lock().unwrap().extend(to.iter().map(ToString::to_string));
        Box::pin(std::future::ready(Outcome::Sent.into()))
    }
}

/// The delivery loop of a town.
fn delivery(town: &Town, posts: &Arc<Posts>) -> Delivery {
    let compose = |to: &[Recipient], content: Content<'_>, Shape { number, .. }: Shape| {
        let Content::Letters(items) = content else { return Vec::new() };
        let body = format!("{number} {:?} {:?}", to, items.iter().map(|item| item.letter.id).collect::<Vec<_>>());
        let items = (0..items.len()).collect();
        vec![Draft { to: to.to_vec(), kind: AlertKind::Digest, body: body.into_bytes(), items }]
    };
    Delivery {
        state: town.state.clone(),
        push: posts.clone(),
        clock: town.clock.clone(),
        health: town.health.clone(),
        compose: Arc::new(compose),
        lang: Lang::En,
        time_zone: jiff::tz::TimeZone::UTC,
        admins: Vec::new(),
    }
}

/// Waits for a condition, step by step: while somebody is busy, paused time stands still.
async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        yield_now().await;
    }
}

/// Letters of an account that are stored so far.
fn stored(town: &Town, account: &Account) -> usize {
    town.state.stored.lock().unwrap().iter().filter(|(_, item)| item.account == account.id).count()
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_letters_delay_nobody() {
    // The others are at a host of their own, and at the same one.
    let mut accounts = vec![at_host("busy.example", 0)];
    accounts.extend((1..=10).map(|n| at_host("calm.example", n)));
    let town = Town::of(accounts);
    let dial = HostDial::default();
    let now = town.clock.now();
    let (busy, calm) = (Huge::of(0, now), Huge::of(0, now));
    let posts = Arc::new(Posts::default());
    let stop = CancellationToken::new();
    let delivering = deliver::run(delivery(&town, &posts), stop.clone());
    let big = town.accounts[0].clone();
    let story = async {
        sleep(secs(10)).await;
        assert_eq!((town.watched("busy.example"), town.watched("calm.example")), (1, 10));
        busy.arrive(100_000, town.clock.now());
        until(|| stored(&town, &big) >= 1000).await;
        let before = stored(&town, &big);
        calm.arrive(1, town.clock.now());
        until(|| posts.0.lock().unwrap().len() >= 10).await;
        let meanwhile = stored(&town, &big) - before;
        // Ten others had a sync, a commit and a message each; he had a few batches of a hundred.
        assert!(meanwhile <= 1500, "{meanwhile} letters of one account came before the others' alerts");
        let posts = posts.0.lock().unwrap().clone();
        assert!(posts.iter().all(|to| to.contains("calm.example")), "{posts:?}");
        assert!(town.state.commits.lock().unwrap().iter().all(|letters| *letters <= 200));
    };
    let source = Arc::new(ImapSource::new(Arc::new(dial.clone()), crate::support::imap()));
    let (busy_dial, calm_dial) = (dial.host("busy.example"), dial.host("calm.example"));
    tokio::select! {
        _ = town.during(source, story) => {}
        () = busy.serve(&busy_dial) => unreachable!(),
        () = calm.serve(&calm_dial) => unreachable!(),
        () = delivering => unreachable!(),
    }
}

/// A server that says one byte a second, to each of its sessions, for ever.
async fn drip(dial: &PipeDial, greets: bool) {
    let mut peers = Vec::new();
    loop {
        tokio::select! {
            peer = dial.accept() => peers.push(peer),
            () = sleep(secs(1)) => {
                for peer in &mut peers {
                    let byte = if greets { "* OK hello hello hello\r\n" } else { "x" };
                    peer.send(byte).await;
                }
            }
        }
    }
}

/// Servers that drip, beside one that works: its accounts are told at once, nobody waits for the others, and the stop neither.
#[tokio::test(start_paused = true)]
async fn a_server_of_one_byte_a_second_delays_nobody() {
    let hosts = ["drips.example", "chatters.example"];
    let mut accounts: Vec<_> = hosts.iter().flat_map(|host| (0..50).map(|n| at_host(host, n))).collect();
    accounts.extend((0..10).map(|n| at_host("calm.example", n)));
    let town = Town::of(accounts);
    let dial = HostDial::default();
    let calm = Huge::of(0, town.clock.now());
    let story = async {
        sleep(secs(10)).await;
        assert_eq!(town.watched("calm.example"), 10);
        for _ in 0..3 {
            town.state.stored.lock().unwrap().clear();
            calm.arrive(1, town.clock.now());
            sleep(secs(1)).await;
            assert_eq!(town.state.stored.lock().unwrap().len(), 10);
            sleep(secs(200)).await;
        }
        // An hour of it: few connections, and each of them came to its end.
        sleep(secs(3600)).await;
        let dials: Vec<_> = hosts.iter().map(|host| dial.host(host).dials().len()).collect();
        assert!(dials.iter().all(|dials| *dials < 1500), "{dials:?}");
        let open: Vec<_> = hosts.iter().map(|host| town.watched(host)).collect();
        assert_eq!(open, [0, 0]);
    };
    let source = Arc::new(ImapSource::new(Arc::new(dial.clone()), crate::support::imap()));
    let dials: Vec<_> = hosts.iter().map(|host| dial.host(host)).collect();
    let servers = join_all(dials.iter().enumerate().map(|(at, dial)| drip(dial, at == 1)));
    let calm_dial = dial.host("calm.example");
    tokio::select! {
        took = town.during(source, story) => assert!(took < secs(1), "{took:?} to stop"),
        () = calm.serve(&calm_dial) => unreachable!(),
        _ = servers => unreachable!(),
    }
}
