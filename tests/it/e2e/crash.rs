//! kill -9 at random moments, with mail flowing and WeCom slow, deaf and refusing: nothing is lost, nothing is seen
//! twice, and no limit is passed, over all lives of the process.
//!
//! The plan comes from a seed, which is printed; `MAILBELL_CRASH_SEED` takes it again. What the kills meet depends on the
//! machine too.

mod office;

use office::Office;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// What one run does.
#[derive(Clone, Copy)]
struct Plan {
    kills: usize,
    /// Lines of `[limits]`.
    limits: &'static str,
    /// Orders to WeCom beside the usual ones.
    orders: &'static [Order],
    /// How often of a hundred a letter is for the first user: a storm.
    storm: u32,
    /// From the last start until everybody has seen everything: backoff, the rest of the channel, and what a limit may
    /// make wait.
    patience: Duration,
}

/// A fault of WeCom's.
#[derive(Clone, Copy)]
enum Order {
    Slow(u64),
    LoseAnswer,
    DropBefore,
    Refuse(i64),
    NoToken,
    Status(u16),
    ForgetTokens,
    /// No answer to anything until the next order.
    Down,
}

/// What a kill waits for.
enum Moment {
    /// The process, its store and its sessions are just being opened.
    Start(Duration),
    /// Anything.
    Any(Duration),
    /// A message has reached WeCom, which has not answered yet.
    Sent(Duration),
}

/// Busy, lost, late: each order may come at any time, and is repeated by nobody for long. No code here says that a
/// message is bad: WeCom would have to say that of it at each try.
const USUAL: [Order; 11] = [
    Order::Slow(0),
    Order::Slow(30),
    Order::Slow(250),
    Order::LoseAnswer,
    Order::LoseAnswer,
    Order::DropBefore,
    Order::Refuse(-1),
    Order::Refuse(99_999),
    Order::NoToken,
    Order::Status(502),
    Order::ForgetTokens,
];

/// Many free syncs: a start and a letter cost one each, and nobody is to wait here.
const QUICK: Plan = Plan {
    kills: 25,
    limits: "logins_per_second_per_host = 1000\nfree_syncs = 49",
    orders: &[],
    storm: 0,
    // Some seconds as a rule, but who was sent too many in vain waits until WeCom's minute is over.
    patience: Duration::from_secs(100),
};

/// The budget is spent and the channel closed for a minute or two on the way.
const LONG: Plan = Plan {
    kills: 50,
    limits: "logins_per_second_per_host = 1000",
    orders: &[Order::Refuse(45009), Order::Refuse(60020), Order::Down],
    storm: 40,
    patience: Duration::from_secs(420),
};

#[tokio::test(flavor = "multi_thread")]
async fn twenty_five_kills_lose_and_repeat_nothing() {
    run(QUICK).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn two_hundred_kills_lose_and_repeat_nothing() {
    for plan in [QUICK, QUICK, QUICK, QUICK, QUICK, QUICK, LONG] {
        run(plan).await;
    }
}

async fn run(plan: Plan) {
    let seed = std::env::var("MAILBELL_CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let mut office = Office::open(plan.limits, plan.storm).await;
    let begun = Instant::now();
    for _ in 0..plan.kills {
        let moment = match dice.random_range(0..10) {
            0..3 => Moment::Start(Duration::from_millis(dice.random_range(0..150))),
            3..6 => Moment::Any(Duration::from_millis(dice.random_range(0..2000))),
            _ => Moment::Sent(Duration::from_millis(dice.random_range(0..20))),
        };
        live(&mut office, &plan, moment, &mut dice).await;
        office.kill().await;
        office.world.start();
    }
    let killed = begun.elapsed();
    heal(&office).await;
    office.all_is_told(plan.patience).await;
    println!("{} kills in {killed:?}, all told after {:?}", plan.kills, begun.elapsed());
    faults_were_met(&office, plan.kills).await;
    office.nothing_is_seen_twice().await;
    office.limits_are_kept().await;
    office.refused_alerts_are_kept(plan.patience).await;
}

/// One life of the process, until its moment has come.
async fn live(office: &mut Office, plan: &Plan, moment: Moment, dice: &mut StdRng) {
    let (length, after) = match moment {
        Moment::Start(length) | Moment::Any(length) => (length, None),
        Moment::Sent(after) => (Duration::from_secs(3), Some(after)),
    };
    if after.is_some() {
        order(office, Order::Slow(400)).await;
        office.post(dice).await;
    }
    let sends = office.sends().await;
    let begun = Instant::now();
    let mut next = Duration::from_millis(dice.random_range(0..400));
    loop {
        let left = length.saturating_sub(begun.elapsed());
        if let Some(after) = after {
            if office.sends().await > sends {
                return sleep(after).await;
            }
            sleep(left.min(Duration::from_millis(3))).await;
        } else {
            sleep(left.min(next.saturating_sub(begun.elapsed()))).await;
        }
        if begun.elapsed() >= length {
            return;
        }
        if begun.elapsed() >= next {
            next = begun.elapsed() + Duration::from_millis(dice.random_range(50..350));
            if dice.random_bool(0.35) {
                let many = USUAL.len() + plan.orders.len();
                let one = USUAL.iter().chain(plan.orders).nth(dice.random_range(0..many));
                order(office, *one.unwrap()).await;
            } else {
                office.post(dice).await;
            }
        }
    }
}

async fn order(office: &Office, order: Order) {
    let fail = |call: &str, errcode: i64| json!({"fail_next": {"call": call, "errcode": errcode}});
    let told = match order {
        Order::Slow(ms) => json!({"delay_ms": ms, "down": false}),
        Order::LoseAnswer => json!({"lose_answers": 1, "down": false}),
        Order::DropBefore => json!({"drop_before": 1, "down": false}),
        Order::Refuse(errcode) => fail("send", errcode),
        Order::NoToken => fail("gettoken", -1),
        Order::Status(status) => json!({"http_status_next": {"status": status, "call": "send"}}),
        Order::ForgetTokens => json!({"invalidate_tokens": true}),
        Order::Down => json!({"down": true}),
    };
    office.world.control(told).await;
}

/// WeCom works again.
async fn heal(office: &Office) {
    let end = |call: &str| json!({"call": call, "errcode": -1, "times": 0});
    let orders = json!({"lose_answers": 0, "drop_before": 0, "delay_ms": 0, "down": false,
        "http_status_next": {"status": 502, "times": 0}, "fail_next": end("send")});
    office.world.control(orders).await;
    office.world.control(json!({"fail_next": end("gettoken")})).await;
}

/// Kills and orders did what they are there for.
async fn faults_were_met(office: &Office, kills: usize) {
    let counts = office.world.counts().await;
    println!("WeCom: {counts}");
    let log = office.world.log();
    // Some lives ended before, while the store was being opened.
    let opened = log.matches("is running").count();
    println!("{opened} of {} lives came so far that they worked", kills + 1);
    assert!(opened > kills / 4, "{opened} of {} lives came so far that they worked", kills + 1);
    let count = |what: &str| counts[what].as_u64().unwrap();
    // Taken, and not known as such: the same bytes went out again, and WeCom swallowed them.
    assert!(count("duplicates") > 0 && count("errors") > 0, "{counts}");
    let events = office.world.sandbox_json("/sandbox/events").await;
    let cut = events["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "cut").count();
    assert!(cut > 0, "no answer was lost");
}
