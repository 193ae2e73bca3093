//! Limits, blocks and the duplicate check.

use super::{Counter, corp, secs, send, text};
use crate::support::rival::office::SEND;
use std::time::Duration;

#[test]
fn equal_bytes_are_shown_once_inside_the_interval() {
    let mut counter = Counter::open(corp());
    let body = text("lisi|zhangsan", "once");
    assert_eq!(counter.send(&body), 0);
    counter.now += secs(14_399);
    counter.fetch();
    assert_eq!(counter.send(&body), 0);
    assert_eq!((counter.office.book.told("lisi", "once"), counter.office.book.told("zhangsan", "once")), (1, 1));
    assert!(counter.office.book.accepted[1].duplicate);
    // Other bytes of the same meaning are another message.
    assert_eq!(counter.send_bytes(format!("{body} ").as_bytes()).code, Some(0));
    assert_eq!(counter.office.book.told("lisi", "once"), 2);
    counter.now += secs(1);
    assert_eq!(counter.send(&body), 0);
    assert_eq!(counter.office.book.told("lisi", "once"), 3);
    // Without the check, each is shown.
    let mut body = text("lisi", "each");
    body["enable_duplicate_check"] = 0.into();
    assert_eq!((counter.send(&body), counter.send(&body)), (0, 0));
    assert_eq!(counter.office.book.told("lisi", "each"), 2);
}

#[test]
fn the_thirty_first_in_a_minute_is_dropped_in_silence() {
    let mut counter = Counter::open(corp());
    for n in 0..30 {
        assert_eq!(counter.send(&text("lisi", &format!("message {n:02}"))), 0);
    }
    assert_eq!(counter.broken(), Vec::<String>::new());
    counter.now += secs(60) - Duration::from_millis(1);
    counter.bites(&text("lisi|zhangsan", "too many"), 0, "30 messages a minute");
    assert_eq!(
        (counter.office.book.told("lisi", "too many"), counter.office.book.told("zhangsan", "too many")),
        (0, 1)
    );
    assert_eq!(counter.office.book.dropped.len(), 1);
    assert_eq!(counter.office.book.most_in("lisi", secs(60)), 31);
    counter.now += Duration::from_millis(1);
    assert_eq!(counter.send(&text("lisi", "room again")), 0);
    assert_eq!(counter.office.book.told("lisi", "room again"), 1);
    assert_eq!(counter.broken(), Vec::<String>::new());
}

#[test]
fn the_thousand_and_first_in_an_hour_is_dropped_in_silence() {
    let mut counter = Counter::open(corp());
    let begun = counter.now;
    for n in 0..1000 {
        counter.now = begun + secs(3 * n);
        assert_eq!(counter.send(&text("lisi", &format!("message {n:04}"))), 0);
    }
    assert_eq!(counter.broken(), Vec::<String>::new());
    counter.now = begun + secs(3599);
    counter.bites(&text("lisi", "too many"), 0, "1,000 messages an hour");
    counter.now = begun + secs(3600);
    assert_eq!(counter.send(&text("lisi", "room again")), 0);
    assert_eq!(counter.broken(), Vec::<String>::new());
}

#[test]
fn the_days_quota_counts_persons_until_midnight_in_china() {
    let mut corp = corp();
    corp.account_cap = Some(1);
    // 23:00 on a day in China.
    corp.opened_at = 20_000 * 86_400 + 15 * 3600;
    let mut counter = Counter::open(corp);
    for n in 0..66 {
        counter.now += secs(10);
        assert_eq!(counter.send(&text("lisi|wangwu|zhaoliu", &format!("to three, {n}"))), 0);
    }
    // Who is not there does not count, a repeated content neither.
    assert_eq!(counter.send(&text("lisi|nobody", "the 199th")), 0);
    assert_eq!(counter.send(&text("lisi|nobody", "the 199th")), 0);
    counter.bites(&text("lisi|wangwu", "201"), 45009, "account cap");
    counter.now += secs(60);
    assert_eq!(counter.send(&text("lisi", "the 200th")), 0);
    counter.bites(&text("lisi", "the 201st"), 45009, "account cap");
    counter.now = secs(3600);
    assert_eq!(counter.send(&text("lisi|wangwu", "201")), 0);
    assert_eq!(counter.office.book.told("wangwu", "201"), 1);
    assert_eq!(counter.broken(), Vec::<String>::new());
}

#[test]
fn after_45009_a_minute_of_rest_is_asked_for() {
    let mut counter = Counter::open(corp());
    counter.office.block(counter.now);
    assert_eq!(counter.send(&text("lisi", "a")), 45009);
    counter.now += secs(1);
    assert_eq!(counter.send(&text("lisi", "on its way")), 45009);
    assert_eq!(counter.broken(), Vec::<String>::new());
    counter.now += secs(58);
    counter.bites(&text("lisi", "b"), 45009, "within 60 s after 45009");
    // The early ones did not begin the minute anew.
    counter.now += secs(1);
    assert_eq!(counter.send(&text("lisi", "c")), 0);
    assert_eq!(counter.broken(), Vec::<String>::new());
}

#[test]
fn a_refused_address_may_be_probed_slowly() {
    let mut counter = Counter::open(corp());
    counter.office.distrust(counter.now + secs(120));
    for n in 0..20 {
        assert_eq!(counter.send(&text("lisi", &format!("on its way {n}"))), 60020);
    }
    for n in 0..10 {
        counter.now += secs(5);
        assert_eq!(counter.send(&text("lisi", &format!("probe {n}"))), 60020);
    }
    assert_eq!(counter.broken(), Vec::<String>::new());
    counter.bites(&text("lisi", "hammered"), 60020, "after 60020");
    counter.now = secs(121);
    assert_eq!(counter.send(&text("lisi", "trusted")), 0);
    for n in 0..20 {
        assert_eq!(counter.send(&text("lisi", &format!("as usual {n}"))), 0);
    }
    assert_eq!(counter.broken(), Vec::<String>::new());
}

#[test]
fn too_many_calls_at_once_are_refused() {
    let mut corp = corp();
    corp.most_calls = 2;
    let mut counter = Counter::open(corp);
    let calls: Vec<_> =
        ["a", "b", "c"].map(|word| send(&counter.token, text("lisi", word).to_string().as_bytes())).to_vec();
    for call in &calls[..2] {
        counter.office.arrive(call, counter.now);
    }
    assert_eq!(counter.office.judge(&calls[0], counter.now).code, Some(0));
    assert_eq!(counter.call(&calls[2]).code, Some(45033));
    counter.office.leave(&calls[0]);
    assert_eq!(counter.call(&calls[2]).code, Some(0));
    assert_eq!((counter.office.book.calls[SEND].len(), counter.broken().len()), (4, 0));
}

#[test]
fn a_content_that_comes_again_and_again_without_a_pause_is_noticed() {
    let mut counter = Counter::open(corp());
    counter.office.distrust(counter.now + secs(600));
    for _ in 0..5 {
        counter.now += secs(1);
        counter.send(&text("lisi", "again"));
    }
    counter.broken();
    counter.now += Duration::from_millis(900);
    counter.send(&text("lisi", "again"));
    assert!(counter.broken().iter().any(|rule| rule.contains("same content")));
}
