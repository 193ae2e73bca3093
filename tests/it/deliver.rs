//! The delivery loop against a WeCom that plays a script, in paused time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use crate::support_deliver::{Bench, now, seconds, sent};
use mailbell::health::Channel;
use mailbell::rules::retry::Outcome;
use mailbell::state::Outbox;
use std::time::Duration;

const EMPTY: Outbox = Outbox { waiting: 0, open: 0, dead: 0 };

fn words() -> String {
    "message/send: what WeCom said".to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_letter_is_sent_once_and_at_once() {
    let mut bench = Bench::start(|_| sent());
    bench.pass(seconds(100)).await;
    bench.letter("zhangsan", "会议").await;
    bench.letter("lisi", "会议").await;
    bench.pass(seconds(3600)).await;
    let messages = bench.sent();
    let bodies: Vec<_> = messages.iter().map(|m| (m.to.as_str(), m.body.as_str())).collect();
    assert_eq!(bodies, [("lisi", "lisi: 会议"), ("zhangsan", "zhangsan: 会议")]);
    assert!(messages.iter().all(|m| m.at < Duration::from_millis(100_005)), "{messages:?}");
    assert_eq!(bench.outbox().await, EMPTY);
}

#[tokio::test(start_paused = true)]
async fn busy_and_lost_answers_repeat_the_same_body_within_half_a_minute() {
    for outcome in [Outcome::Busy(words()), Outcome::Unknown(words())] {
        let mut tries = 0;
        let mut bench = Bench::start(move |_| {
            tries += 1;
            now(if tries <= 12 { outcome.clone() } else { Outcome::Sent })
        });
        bench.letter("zhangsan", "a").await;
        bench.pass(seconds(900)).await;
        let tries = &bench.tries()["zhangsan: a"];
        assert_eq!(tries.len(), 13);
        let gaps: Vec<_> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| *gap >= Duration::from_millis(500) && *gap < seconds(31)), "{gaps:?}");
        assert!(gaps.iter().any(|gap| *gap >= seconds(10)), "it grows: {gaps:?}");
        assert_eq!(bench.tries().len(), 1, "no other bodies: {:?}", bench.tries());
        assert_eq!(bench.outbox().await, EMPTY);
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_must_be_mended_pauses_all_and_resumes() {
    let mended = seconds(400);
    let mut bench = Bench::start(move |m| now(if m.at < mended { Outcome::Channel(words()) } else { Outcome::Sent }));
    bench.letter("zhangsan", "0").await;
    for number in 1..300 {
        bench.pass(seconds(1)).await;
        bench.letter(&format!("user{}", number % 7), &number.to_string()).await;
    }
    assert!(bench.sent().len() <= 16, "a few probes only: {}", bench.sent().len());
    assert_eq!(bench.health.not_ready(), ["no WeCom token yet"]);
    bench.pass(seconds(1000)).await;
    assert_eq!(bench.outbox().await, EMPTY);
    let times: Vec<_> = bench.sent().iter().map(|m| m.at).collect();
    let resumed = times.iter().find(|at| **at >= mended).unwrap();
    assert!(*resumed < mended + seconds(500), "{resumed:?}");
    assert!(times.last().unwrap().saturating_sub(*resumed) < seconds(5), "then all go at once");
}

#[tokio::test(start_paused = true)]
async fn a_quota_rests_a_minute_at_least_and_longer_each_time() {
    let over = seconds(3000);
    let mut bench = Bench::start(move |m| now(if m.at < over { Outcome::Quota(words()) } else { Outcome::Sent }));
    for number in 0..100 {
        bench.letter(&format!("user{number}"), "x").await;
    }
    bench.pass(seconds(9000)).await;
    // The tries of one moment are one knock.
    let mut knocks = vec![bench.sent()[0].at];
    knocks.extend(bench.sent().windows(2).filter(|w| w[1].at - w[0].at > seconds(1)).map(|w| w[1].at));
    let rests: Vec<_> = knocks.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(rests.iter().all(|rest| *rest >= seconds(60)), "{rests:?}");
    assert!(rests.windows(2).any(|pair| pair[1] > pair[0].mul_f64(1.2)), "{rests:?}");
    assert!(rests[2] >= seconds(240), "the third is 4 to 8 minutes: {rests:?}");
    assert_eq!(bench.outbox().await, EMPTY);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_dead_and_the_others_go_on() {
    let mut bench = Bench::start(|m| {
        now(match m.to.as_str() {
            "gone" => Outcome::Recipient(words()),
            "odd" => Outcome::Payload(words()),
            _ => Outcome::Sent,
        })
    });
    for number in 0..5 {
        for to in ["gone", "zhangsan", "odd", "lisi"] {
            bench.letter(to, &number.to_string()).await;
        }
        bench.pass(seconds(10)).await;
    }
    let of = |to: &str| bench.sent().iter().filter(|m| m.to == to).cloned().collect::<Vec<_>>();
    assert!(bench.sent().iter().all(|m| m.at.as_secs() % 10 == 0 && m.at.subsec_millis() < 500), "no delay");
    assert_eq!((of("zhangsan").len(), of("lisi").len()), (5, 5));
    let odd = of("odd");
    assert_eq!(odd.len(), 10, "each once more, without anything special: {odd:?}");
    assert!(odd.chunks(2).all(|pair| pair[1].body == pair[0].body.clone() + " plain"), "{odd:?}");
    // Who cannot be reached is left alone for a minute; what comes meanwhile waits.
    assert_eq!(of("gone").len(), 1);
    assert_eq!(bench.outbox().await, Outbox { dead: 6, waiting: 4, ..EMPTY });
    bench.pass(seconds(15)).await;
    assert_eq!(of("gone")[1].body, "gone: 1 + 2 + 3 + 4");
    assert_eq!(bench.outbox().await, Outbox { dead: 7, ..EMPTY });
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_alert_does_not_hold_up_the_others() {
    for delay in [Duration::from_millis(10), seconds(20)] {
        let mut bench = Bench::start(move |m| match m.to.as_str() {
            "poisoned" => (delay, Outcome::Unknown(words())),
            _ => sent(),
        });
        bench.letter("poisoned", "x").await;
        bench.letter("poisoned2", "x").await;
        let mut expected = Vec::new();
        for number in 0..60 {
            bench.pass(seconds(7)).await;
            bench.letter("zhangsan", &number.to_string()).await;
            expected.push(seconds(7 * (number + 1)));
        }
        bench.pass(seconds(61)).await;
        // A digest may name several.
        let messages = bench.sent();
        for (number, came) in expected.iter().enumerate() {
            let names =
                |body: &str| body.trim_start_matches("zhangsan: ").split(" + ").any(|s| s == number.to_string());
            let at = messages.iter().find(|m| m.to == "zhangsan" && names(&m.body)).unwrap().at;
            assert!(at - *came < seconds(60), "letter {number} of {came:?} went at {at:?}");
        }
        let poisoned = &bench.tries()["poisoned: x"];
        assert!(poisoned.len() > 8, "{poisoned:?}");
        assert_eq!(bench.outbox().await, Outbox { open: 1, ..EMPTY });
    }
}

#[tokio::test(start_paused = true)]
async fn many_poisoned_alerts_do_not_either() {
    let mut bench = Bench::start(|m| match m.to.starts_with("poisoned") {
        true => (seconds(20), Outcome::Unknown(words())),
        false => sent(),
    });
    for number in 0..3 {
        bench.letter(&format!("poisoned{number}"), "x").await;
    }
    for number in 0..30 {
        bench.pass(seconds(10)).await;
        bench.letter(&format!("user{number}"), "x").await;
    }
    bench.pass(seconds(60)).await;
    for message in bench.sent().iter().filter(|m| m.to.starts_with("user")) {
        let number: u64 = message.to.trim_start_matches("user").parse().unwrap();
        assert!(message.at - seconds(10 * (number + 1)) < seconds(60), "{message:?}");
    }
    assert_eq!(bench.outbox().await, Outbox { open: 3, ..EMPTY });
}

#[tokio::test(start_paused = true)]
async fn a_code_nobody_knows_is_tried_eight_times() {
    let mut bench = Bench::start(|m| now(if m.to == "odd" { Outcome::Strange(words()) } else { Outcome::Sent }));
    bench.letter("odd", "x").await;
    bench.letter("zhangsan", "x").await;
    bench.pass(seconds(3600)).await;
    let tries = bench.tries();
    assert_eq!((tries["odd: x"].len(), tries["zhangsan: x"].len()), (8, 1));
    assert_eq!(bench.outbox().await, Outbox { dead: 1, ..EMPTY });
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_send_and_settle_repeats_the_same_body() {
    let mut tries = 0;
    let mut bench = Bench::start(move |_| {
        tries += 1;
        // The first three answers never come in.
        (if tries <= 3 { seconds(1000) } else { Duration::ZERO }, Outcome::Sent)
    });
    bench.letter("zhangsan", "a").await;
    for number in 0..3 {
        bench.pass(seconds(1)).await;
        // It does not get into the message that is on its way.
        bench.letter("lisi", &number.to_string()).await;
        bench.crash().await;
    }
    bench.pass(seconds(100)).await;
    let tries = bench.tries();
    assert!(tries["zhangsan: a"].len() >= 3, "{tries:?}");
    assert!(tries.keys().all(|body| body == "zhangsan: a" || body.starts_with("lisi: ")), "{tries:?}");
    assert_eq!(bench.outbox().await, EMPTY);
}

#[tokio::test(start_paused = true)]
async fn letters_that_come_while_the_channel_rests_become_one_digest() {
    let mut bench = Bench::start(|m| now(if m.at < seconds(1) { Outcome::Channel(words()) } else { Outcome::Sent }));
    bench.letter("zhangsan", "first").await;
    for number in 0..20 {
        bench.pass(seconds(1)).await;
        bench.letter("zhangsan", &number.to_string()).await;
    }
    bench.pass(seconds(300)).await;
    let subjects: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    let of_letters = bench.sent().into_iter().filter(|m| m.to != "admin").map(|m| m.body);
    let mut bodies: Vec<_> = of_letters.collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies, [format!("zhangsan: {}", subjects.join(" + ")), "zhangsan: first".to_owned()]);
    assert_eq!(bench.outbox().await, EMPTY);
}

#[tokio::test(start_paused = true)]
async fn a_member_gets_at_most_thirty_messages_a_minute() {
    let mut bench = Bench::start(|_| sent());
    for number in 0..120 {
        bench.letter("zhangsan", &number.to_string()).await;
        bench.letter("lisi", &number.to_string()).await;
        bench.pass(Duration::from_millis(1500)).await;
    }
    bench.pass(seconds(70)).await;
    for member in ["zhangsan", "lisi"] {
        let times: Vec<_> = bench.sent().iter().filter(|m| m.to == member).map(|m| m.at).collect();
        for end in &times {
            let minute = times.iter().filter(|at| *at <= end && *end - **at < seconds(60)).count();
            assert!(minute <= 30, "{minute} in the minute before {end:?}");
        }
        assert!(times.len() > 60, "and not much fewer: {}", times.len());
    }
    assert_eq!(bench.outbox().await, EMPTY);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_five_seconds_for_what_is_on_its_way() {
    let mut bench = Bench::start(|m| (if m.to == "slow" { seconds(100) } else { seconds(3) }, Outcome::Sent));
    assert!(bench.stop().await < Duration::from_millis(1), "nothing is on its way");

    bench.restart(|_| (seconds(3), Outcome::Sent));
    bench.letter("zhangsan", "x").await;
    bench.pass(seconds(1)).await;
    let took = bench.stop().await;
    assert!(took >= seconds(2) && took < Duration::from_millis(2100), "{took:?}");
    assert_eq!(bench.outbox().await, EMPTY);

    bench.restart(|_| (seconds(100), Outcome::Sent));
    bench.letter("slow", "x").await;
    bench.pass(seconds(1)).await;
    bench.letter("slow", "while stopping").await;
    let took = bench.stop().await;
    assert!(took >= seconds(5) && took < Duration::from_millis(5100), "{took:?}");

    bench.restart(|_| sent());
    bench.pass(seconds(1)).await;
    assert_eq!(bench.tries()["slow: x"].len(), 2, "the same body at the next start");
    assert_eq!(bench.outbox().await, EMPTY);
}

#[tokio::test(start_paused = true)]
async fn a_rest_is_not_ended_by_what_was_sent_before_it() {
    for refusal in [Outcome::Quota(words()), Outcome::Channel(words())] {
        let mut bench = Bench::start(move |m| match m.to.as_str() {
            "first" if m.at < seconds(10) => (seconds(1), refusal.clone()),
            "second" => (seconds(2), Outcome::Sent),
            "third" => (seconds(3), Outcome::Recipient(words())),
            _ => sent(),
        });
        for to in ["first", "second", "third"] {
            bench.letter(to, "x").await;
        }
        bench.pass(seconds(5)).await;
        bench.letter("later", "x").await;
        bench.pass(seconds(600)).await;
        let rested = bench.tries();
        assert!(rested["later: x"][0] >= seconds(61), "{rested:?}");
        assert!(rested["first: x"][1] >= seconds(61), "{rested:?}");
        assert_eq!(bench.outbox().await, Outbox { dead: 1, ..EMPTY });
    }
}

#[tokio::test(start_paused = true)]
async fn a_longer_rest_takes_the_place_of_a_shorter_one() {
    let mut bench = Bench::start(|m| match m.to.as_str() {
        "lost" if m.at < seconds(10) => (Duration::from_millis(1000), Outcome::Unknown(words())),
        "limited" if m.at < seconds(10) => (Duration::from_millis(1200), Outcome::Quota(words())),
        _ => sent(),
    });
    bench.letter("lost", "x").await;
    bench.letter("limited", "x").await;
    bench.pass(seconds(300)).await;
    let tries = bench.tries();
    assert!(tries["limited: x"][1] >= seconds(61) && tries["lost: x"][1] >= seconds(61), "{tries:?}");
    assert_eq!(bench.outbox().await, EMPTY);
}

/// How often answers were lost says nothing of how long a limit lasts.
#[tokio::test(start_paused = true)]
async fn failures_count_with_their_own_kind() {
    let back = seconds(600);
    let mut refused = 0;
    let mut bench = Bench::start(move |m| {
        now(match m.at < back {
            true => Outcome::Unknown(words()),
            false if refused == 0 => {
                refused = 1;
                Outcome::Quota(words())
            }
            false => Outcome::Sent,
        })
    });
    bench.letter("zhangsan", "x").await;
    bench.pass(back + seconds(40 + 121)).await;
    assert_eq!(bench.outbox().await, EMPTY, "the first rest is at most two minutes: {:?}", bench.tries());
}

#[tokio::test(start_paused = true)]
async fn health_follows_the_channel() {
    let mut bench = Bench::start(|m| now(if m.at < seconds(5) { Outcome::Channel(words()) } else { Outcome::Sent }));
    bench.letter("zhangsan", "x").await;
    bench.pass(seconds(1)).await;
    assert!(format!("{:?}", bench.health).contains(&format!("{:?}", Channel::Resting(words()))));
    bench.pass(seconds(130)).await;
    assert!(format!("{:?}", bench.health).contains("Open"), "{:?}", bench.health);
    assert!(bench.health.not_ready().is_empty());
}

/// After 45009 all sends rest 60 s at least, whoever sends (design: "Promises", 9).
#[tokio::test(start_paused = true)]
async fn the_rest_after_a_limit_outlives_the_process() {
    let mut bench = Bench::start(|_| now(Outcome::Quota(words())));
    bench.letter("zhangsan", "a").await;
    bench.pass(seconds(1)).await;
    for _ in 0..5 {
        bench.crash().await;
        bench.letter("lisi", "b").await;
        bench.pass(seconds(10)).await;
    }
    let tries: Vec<_> = bench.sent().iter().map(|m| m.at).collect();
    assert_eq!(tries.len(), 1, "{tries:?}");
}

/// A refusal is another matter: what was wrong may have been put right for just this start.
#[tokio::test(start_paused = true)]
async fn the_rest_after_a_refusal_ends_with_the_process() {
    let mut bench = Bench::start(|_| now(Outcome::Channel(words())));
    bench.letter("zhangsan", "a").await;
    bench.pass(seconds(1)).await;
    bench.stop().await;
    bench.restart(|_| sent());
    bench.pass(seconds(5)).await;
    assert_eq!(bench.outbox().await, EMPTY);
}

#[tokio::test(start_paused = true)]
async fn administrators_are_told_of_a_stop_once_it_is_over() {
    let mended = seconds(600);
    let mut bench = Bench::start(move |m| now(if m.at < mended { Outcome::Channel(words()) } else { Outcome::Sent }));
    bench.letter("zhangsan", "a").await;
    bench.pass(seconds(3600)).await;
    let told: Vec<_> = bench.sent().into_iter().filter(|m| m.to == "admin").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].body.contains(&words()) && told[0].body.contains("WeCom did not take messages"), "{told:?}");
    // One that is over at once is nobody's trouble.
    let mut bench = Bench::start(move |m| now(if m.at < seconds(30) { Outcome::Busy(words()) } else { Outcome::Sent }));
    bench.letter("zhangsan", "a").await;
    bench.pass(seconds(3600)).await;
    assert!(bench.sent().iter().all(|m| m.to == "zhangsan"));
}

/// One who cannot be reached is found among many, and the others get their message once.
#[tokio::test(start_paused = true)]
async fn the_one_who_is_refused_is_found_among_many() {
    let names: Vec<_> = (0..50).map(|n| format!("user{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let has_gone = |to: &str| to.split('|').any(|name| name == "user17");
    let mut bench =
        Bench::start(move |m| now(if has_gone(&m.to) { Outcome::Recipient(words()) } else { Outcome::Sent }));
    bench.letter_for(&names, "x").await;
    bench.pass(seconds(300)).await;
    assert_eq!(bench.outbox().await, Outbox { dead: 1, ..EMPTY });
    let taken: Vec<_> = bench.sent().into_iter().filter(|m| !has_gone(&m.to)).collect();
    let mut reached: Vec<_> = taken.iter().flat_map(|m| m.to.split('|')).collect();
    reached.sort_unstable();
    let mut others: Vec<_> = names.iter().copied().filter(|name| *name != "user17").collect();
    others.sort_unstable();
    assert_eq!(reached, others, "each once");
    assert!(bench.sent().len() < 16, "by halves: {}", bench.sent().len());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_taken_for_some_is_dead_for_the_others_alone() {
    let gone = mailbell::model::Recipient::parse("lisi").unwrap();
    let mut bench = Bench::start(move |_| now(Outcome::Partly(vec![(gone.clone(), words())])));
    bench.letter_for(&["zhangsan", "lisi", "wangwu"], "x").await;
    bench.pass(seconds(300)).await;
    assert_eq!(bench.sent().len(), 1);
    assert_eq!(bench.outbox().await, Outbox { dead: 1, ..EMPTY });
}

/// A loop that panicked is begun anew on the same store.
#[tokio::test(start_paused = true)]
async fn what_was_on_its_way_when_the_loop_died_is_sent_again() {
    let mut bench = Bench::start(|_| (seconds(20), Outcome::Sent));
    bench.letter("zhangsan", "a").await;
    bench.pass(seconds(1)).await;
    bench.begin_anew().await;
    bench.pass(seconds(600)).await;
    assert_eq!(bench.tries()["zhangsan: a"].len(), 2);
    assert_eq!(bench.outbox().await, EMPTY);
}

/// The members of a group get one message for each letter of a digest that WeCom does not take.
#[tokio::test(start_paused = true)]
async fn a_digest_that_is_refused_is_parted_for_all_of_a_group_together() {
    let mut bench = Bench::start(|m| {
        now(match m.body.contains(" + ") {
            _ if m.at < seconds(10) => Outcome::Quota(words()),
            true => Outcome::Payload(words()),
            false => Outcome::Sent,
        })
    });
    let names: Vec<_> = (10..40).map(|n| format!("user{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    bench.letter("zhangsan", "x").await;
    bench.pass(seconds(20)).await;
    for letter in 0..8 {
        bench.letter_for(&names, &letter.to_string()).await;
    }
    bench.pass(seconds(600)).await;
    let of_group: Vec<_> = bench.sent().into_iter().filter(|m| m.to != "zhangsan" && m.to != "admin").collect();
    assert!(of_group.iter().all(|m| m.to == names.join("|")), "{of_group:?}");
    assert_eq!(of_group.len(), 7 + 8, "refused ones, and one for each letter");
    assert_eq!(bench.outbox().await, EMPTY);
}
