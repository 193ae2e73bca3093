//! kill -9 at random moments with mail flowing: nothing lost, nothing seen twice.

use super::world::{Setup, World};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::time::Duration;

const KILLS: usize = 50;
const MAILS_EACH: usize = 6;
const USERS: [&str; 20] = [
    "u01", "u02", "u03", "u04", "u05", "u06", "u07", "u08", "u09", "u10", "u11", "u12", "u13", "u14", "u15", "u16",
    "u17", "u18", "u19", "u20",
];

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_lose_and_repeat_nothing() {
    fifty_kills().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn five_times_fifty_kills_lose_and_repeat_nothing() {
    for _ in 0..5 {
        fifty_kills().await;
    }
}

async fn fifty_kills() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let mut world = World::new(Setup { users: USERS.to_vec(), ..Setup::default() }).await;
    world.run().await;
    let mut mails: Vec<(usize, usize)> = (0..MAILS_EACH).flat_map(|n| (0..USERS.len()).map(move |u| (u, n))).collect();
    let per_kill = mails.len().div_ceil(KILLS);
    for _ in 0..KILLS {
        for _ in 0..per_kill {
            if mails.is_empty() {
                break;
            }
            let (user, n) = mails.swap_remove(dice.random_range(0..mails.len()));
            world.mail(USERS[user], &subject(user, n), &format!("{user}-{n}")).await;
        }
        // The moment of the kill is what this test varies.
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..700))).await;
        world.kill();
        world.start();
    }
    world.ready().await;
    for (u, user) in USERS.iter().enumerate() {
        let subjects: Vec<_> = (0..MAILS_EACH).map(|n| subject(u, n)).collect();
        let words: Vec<_> = subjects.iter().map(String::as_str).collect();
        world.sees(user, &words).await;
    }
    let counts = world.counts().await;
    assert_eq!((&counts["dropped"], &counts["errors"], &counts["violations"]), (&0.into(), &0.into(), &0.into()));
}

fn subject(user: usize, n: usize) -> String {
    format!("第{n}封致{user}号")
}
