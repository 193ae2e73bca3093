//! Faults of the network and of the server, between the binary and a real Dovecot: what is found out, told, healed,
//! and announced once.

use super::world::{Setup, World, address};
use crate::support::proxy::{Ending, Proxy, Way};
use mailbell::demo::dovecot::Options as DovecotOptions;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

/// Time-outs that find a silent server within seconds.
const QUICK: &str = "idle_renew = \"10s\"\ncommand_timeout = \"3s\"\nconnect_timeout = \"3s\"\nblind_after = \"15s\"";

/// One account behind a proxy.
async fn behind(imap: &str) -> (World, Proxy) {
    let proxy = Proxy::new();
    let setup =
        Setup { users: vec!["zhangsan"], imap: imap.to_owned(), through: Some(proxy.port()), ..Setup::default() };
    let mut world = World::new(setup).await;
    proxy.lead_to(world.dovecot.imaps_port());
    world.run().await;
    (world, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_line_and_single_bytes_cost_nothing_but_time() {
    let (world, proxy) = behind("").await;
    proxy.set_latency(SECOND * 3 / 10, SECOND * 3 / 10);
    proxy.set_one_by_one(true);
    world.mail("zhangsan", "慢线路一", "s1").await;
    world.sees("zhangsan", &["慢线路一"]).await;
    // The login, too, goes over the slow line.
    proxy.close_all();
    world.mail("zhangsan", "慢线路二", "s2").await;
    world.sees("zhangsan", &["慢线路一", "慢线路二"]).await;
    assert_eq!(proxy.came().len(), 2);
}

/// The end of the bytes of TLS: of the greeting, in the handshake, in the login, in the session.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_end_in_the_middle_lose_and_repeat_nothing() {
    let (world, proxy) = behind("").await;
    let mut subjects = Vec::new();
    for (n, (after, ending)) in [(700, Ending::Rst), (2100, Ending::Fin), (2600, Ending::Rst)].into_iter().enumerate() {
        proxy.set_cut(Some((after, ending)));
        proxy.close_all();
        let before = proxy.came().len();
        world.until("a connection", async || proxy.came().len() > before).await;
        proxy.set_cut(None);
        let subject = format!("断线第{n}次。");
        world.mail("zhangsan", &subject, &format!("c{n}")).await;
        subjects.push(subject);
        let words: Vec<_> = subjects.iter().map(String::as_str).collect();
        world.sees("zhangsan", &words).await;
        let visit = proxy.came()[before];
        assert!(visit.ended_at.is_some() && visit.from_server == after, "the cut came: {visit:?}");
    }
}

/// The network is a black hole for so long; how long it took until all was announced again.
async fn black_hole(way: Way, length: Duration, imap: &str, blind_after: Duration) -> Duration {
    let (world, proxy) = behind(imap).await;
    world.mail("zhangsan", "黑洞之前", "before").await;
    world.sees("zhangsan", &["黑洞之前"]).await;
    proxy.set_way(way);
    let begun = Instant::now();
    world.mail("zhangsan", "黑洞之一", "one").await;
    while world.status("zhangsan")["state"] != "blind" {
        assert!(begun.elapsed() < blind_after + 5 * SECOND, "not blind: {}", world.status("zhangsan"));
        sleep(SECOND / 10).await;
    }
    let silent = world.status("zhangsan")["proof_of_life_seconds"].as_u64().unwrap();
    assert!(silent >= blind_after.as_secs(), "blind after {silent} s");
    world.until("the user is told", async || world.chat_text("zhangsan").await.contains("没有任何应答")).await;
    world.mail("zhangsan", "黑洞之二", "two").await;
    sleep(length.saturating_sub(begun.elapsed())).await;
    assert_eq!(world.status("zhangsan")["state"], "blind");
    world.mail("zhangsan", "黑洞之三", "three").await;
    proxy.set_way(Way::Forward);
    let back = Instant::now();
    world.sees("zhangsan", &["黑洞之一", "黑洞之二", "黑洞之三"]).await;
    let took = back.elapsed();
    world.is_in_state("zhangsan", "watching").await;
    world.mail("zhangsan", "黑洞之后", "after").await;
    world.sees("zhangsan", &["黑洞之前", "黑洞之一", "黑洞之二", "黑洞之三", "黑洞之后"]).await;
    world.until("the end is told", async || world.chat_text("zhangsan").await.contains("已恢复监视")).await;
    let text = world.chat_text("zhangsan").await;
    assert_eq!((text.matches("没有任何应答").count(), text.matches("已恢复监视").count()), (1, 1), "{text}");
    took
}

/// Where nobody answers a SYN, and where a gateway takes new connections into the hole, too.
#[tokio::test(flavor = "multi_thread")]
async fn black_holes_are_told_of_and_healed() {
    let hole = |way| black_hole(way, SECOND * 25, QUICK, SECOND * 15);
    let (deaf, silent) = tokio::join!(hole(Way::Deaf), hole(Way::Hole));
    assert!(deaf < SECOND * 30 && silent < SECOND * 30, "{deaf:?}, {silent:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn ten_minutes_of_black_hole() {
    let minute = SECOND * 60;
    // The defaults but for the report, which is to come within the ten minutes.
    let hole = |way| black_hole(way, minute * 10, "blind_after = \"5m\"", minute * 5);
    let (deaf, silent) = tokio::join!(hole(Way::Deaf), hole(Way::Hole));
    println!("all announced {deaf:?} after SYNs were answered again, {silent:?} after what was connected spoke again");
    assert!(deaf < SECOND * 30 && silent < SECOND * 30, "{deaf:?}, {silent:?}");
}

/// A front that takes connections while nothing is behind it.
#[tokio::test(flavor = "multi_thread")]
async fn a_front_that_drops_connections_is_probed_as_a_host_that_is_down() {
    let (world, proxy) = behind("").await;
    let logins = world.dovecot.logins(&address("zhangsan"));
    proxy.set_way(Way::Drop);
    proxy.close_all();
    let before = proxy.came().len();
    sleep(SECOND * 16).await;
    let tries = proxy.came().len() - before;
    // As a host that is down: one probe each 10 s, whatever number of accounts it has.
    assert!((1..=3).contains(&tries), "{tries} tries in 16 s");
    assert_eq!(world.dovecot.logins(&address("zhangsan")), logins);
    world.mail("zhangsan", "门面之后", "f").await;
    proxy.set_way(Way::Forward);
    let back = Instant::now();
    world.sees("zhangsan", &["门面之后"]).await;
    assert!(back.elapsed() < SECOND * 14, "{:?}", back.elapsed());
}

const MANY: usize = 200;
const PER_SECOND: usize = 25;

fn many() -> Vec<&'static str> {
    (0..MANY).map(|n| &*format!("user{n:03}").leak()).collect()
}

/// Logins by the second in which Dovecot wrote them.
fn logins_by_second(log: &str) -> BTreeMap<String, usize> {
    let mut seconds = BTreeMap::new();
    for line in log.lines().filter(|line| line.contains("Login: user=<") || line.contains("Logged in: user=<")) {
        *seconds.entry(line.chars().take(15).collect()).or_default() += 1;
    }
    seconds
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_accounts_come_back_within_the_limit_after_a_restart() {
    let limits = Some(format!("logins_per_second_per_host = {PER_SECOND}"));
    let mut world = World::new(Setup { users: many(), limits, ..Setup::default() }).await;
    world.run().await;
    for (n, user) in world.users.clone().iter().enumerate().filter(|(n, _)| n % 10 == 0) {
        world.mail(user, &format!("重启前{n:03}"), &format!("before{n}")).await;
    }
    world.dovecot.stop().await;
    world.dovecot.restart().await.unwrap();
    let up = Instant::now();
    for (n, user) in world.users.clone().iter().enumerate() {
        world.mail(user, &format!("重启后{n:03}"), &format!("after{n}")).await;
    }
    let all = async || {
        let watching = world.all_status()["states"]["watching"] == MANY;
        watching && world.users.iter().all(|user| world.dovecot.logins(&address(user)) >= 2)
    };
    world.until("all are watched again", all).await;
    // The probe, and the arithmetic of the limit.
    let arithmetic = SECOND * 10 + SECOND * u32::try_from(MANY / PER_SECOND).unwrap();
    assert!(up.elapsed() < arithmetic + SECOND * 15, "{:?}", up.elapsed());
    for (n, user) in world.users.iter().enumerate() {
        world.sees(user, &[&format!("重启后{n:03}")]).await;
        if n % 10 == 0 {
            world.sees(user, &[&format!("重启前{n:03}")]).await;
        }
        let logins = world.dovecot.logins(&address(user));
        assert!(logins <= 3, "{logins} logins of {user}");
    }
    assert_eq!(world.counts().await["duplicates"], json!(0));
    let by_second = logins_by_second(&world.dovecot.log());
    // Lines of the log come a moment after the logins, some of one second in the next.
    let most = by_second.values().max().unwrap();
    assert!(*most <= PER_SECOND + PER_SECOND / 5, "{by_second:?}");
}

/// Dovecot 2.3 does not announce mail that comes in the last half second before it hibernates a connection
/// (imap-servers B.1). Each user's mail comes a little later after its IDLE than the former's.
#[tokio::test(flavor = "multi_thread")]
async fn mail_just_before_hibernation_is_found_by_the_renewal() {
    let users: Vec<&'static str> = (0..12).map(|n| &*format!("sleeper{n:02}").leak()).collect();
    let dovecot = DovecotOptions { hibernate: Some(SECOND), ..DovecotOptions::default() };
    let imap = "idle_renew = \"10s\"".to_owned();
    let mut world = World::new(Setup { users: users.clone(), dovecot, imap, ..Setup::default() }).await;
    world.run().await;
    let ready = Instant::now();
    for (n, user) in users.iter().enumerate() {
        sleep((SECOND * u32::try_from(n + 1).unwrap() / 10).saturating_sub(ready.elapsed())).await;
        world.mail(user, "入睡之前", &format!("h{n}")).await;
    }
    for user in &users {
        world.sees(user, &["入睡之前"]).await;
    }
    assert!(ready.elapsed() < SECOND * 14, "{:?}", ready.elapsed());
    let name = |id: &u32| std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
    assert!(world.dovecot.processes().iter().any(|id| name(id).contains("imap-hibernate")));
    // And once more, wherever in their sleep they are.
    let begun = Instant::now();
    for user in &users {
        world.mail(user, "入睡之后", "z").await;
    }
    for user in &users {
        world.sees(user, &["入睡之前", "入睡之后"]).await;
    }
    assert!(begun.elapsed() < SECOND * 14, "{:?}", begun.elapsed());
    assert_eq!(world.counts().await["duplicates"], json!(0));
}
