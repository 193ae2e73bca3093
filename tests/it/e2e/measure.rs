//! Measurements for `make soak`: they print numbers and judge nothing but completeness.

use super::world::{Setup, World, address};
use mailbell::demo::compose::Mail;
use mailbell::demo::lmtp;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MAILS: usize = 200;
/// As many users as keep every mail within its owner's free syncs.
const USERS: [&str; 20] = [
    "u01", "u02", "u03", "u04", "u05", "u06", "u07", "u08", "u09", "u10", "u11", "u12", "u13", "u14", "u15", "u16",
    "u17", "u18", "u19", "u20",
];

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: make soak"]
async fn from_lmtp_accept_to_message_seen() {
    let mut world = World::new(Setup { users: USERS.to_vec(), ..Setup::default() }).await;
    world.run().await;
    let mut dice = StdRng::seed_from_u64(7);
    let mut accepted = Vec::new();
    for n in 0..MAILS {
        let user = USERS[n % USERS.len()];
        let (date, to, subject, id) = (jiff::Zoned::now(), address(user), format!("measured-{n:03}"), format!("m{n}"));
        let mail = Mail {
            from_name: "李四",
            from: "l@x.example",
            to: &to,
            subject: &subject,
            body: "x",
            id: &id,
            date: &date,
        };
        lmtp::deliver(world.dovecot.lmtp_addr(), "l@x.example", &to, &mail.to_bytes()).await.unwrap();
        accepted.push((subject, user, now_ms()));
        // Mails are apart, each after a quiet time of its user.
        tokio::time::sleep(Duration::from_millis(dice.random_range(100..200))).await;
    }
    let mut took = Vec::new();
    for (subject, user, at) in &accepted {
        world.sees(user, &[subject]).await;
        let chat = world.chat(user).await;
        let seen = chat.iter().find(|m| m["title"] == subject.as_str()).and_then(|m| m["time_ms"].as_i64());
        took.extend(seen.map(|seen| seen - at));
    }
    took.sort_unstable();
    let rank = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!("{} mails alone in their card; ms from LMTP accept to seen:", took.len());
    println!("median {}, p90 {}, p99 {}, most {}", rank(0.5), rank(0.9), rank(0.99), rank(1.0));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: make soak"]
async fn resident_memory() {
    let hundred: Vec<&'static str> = (0..100).map(|n| &*format!("user{n:03}").leak()).collect();
    for users in [vec!["zhangsan"], hundred] {
        let count = users.len();
        let mut world = World::new(Setup { users, ..Setup::default() }).await;
        world.run().await;
        for user in world.users.clone() {
            world.mail(&user, "一封", "one").await;
        }
        for user in world.users.clone() {
            world.sees(&user, &["一封"]).await;
        }
        println!("{count} account(s), after a mail to each: {} KiB resident", world.resident_kib());
    }
}
