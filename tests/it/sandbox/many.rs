//! One send for many: users, parties and tags together, some of them nobody, some at a limit; the day's quota.

use mailbell::sandbox::{Group, Member, Options};
use serde_json::{Value, json};

use super::{Wecom, assert_errcode, start, text, with};

/// Ten members `m0` to `m9`; party 12 is m2 to m4, tag 3 is m4 and m5.
fn options() -> Options {
    let member = |n| Member::new(format!("m{n}"), format!("{n}号"));
    let names = |list: &[u8]| list.iter().map(|n| format!("m{n}")).collect();
    Options {
        members: (0..10).map(member).collect(),
        party_members: vec![Group { id: 12, members: names(&[2, 3, 4]) }],
        tag_members: vec![Group { id: 3, members: names(&[4, 5]) }],
        ..Options::default()
    }
}

/// `content` to users, parties and tags.
fn to(touser: &str, toparty: &str, totag: &str, content: &str) -> Value {
    with(&text(touser, content), json!({"toparty": toparty, "totag": totag}))
}

/// Who sees messages above this number.
async fn seen_since(wecom: &Wecom, newest: u64) -> Vec<String> {
    let messages = wecom.messages(&format!("?since={newest}")).await;
    messages.iter().map(|message| message["member"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_of_many_sees_it_once_and_the_others_are_named() {
    let wecom = start(options()).await;
    let answer = wecom.send(&to("M0|nobody|m2|m0", "12|99", "3|98", "大家好")).await;
    assert_errcode("partly", &answer, 0);
    assert_eq!([&answer["invaliduser"], &answer["invalidparty"], &answer["invalidtag"]], ["nobody", "99", "98"]);
    let seen = ["m0", "m2", "m3", "m4", "m5"];
    assert_eq!(seen_since(&wecom, 0).await, seen);
    for member in seen {
        let chat = wecom.messages(&format!("?member={member}")).await;
        assert_eq!(chat.len(), 1, "{member}");
        assert_eq!((&chat[0]["content"], &chat[0]["msgid"]), (&json!("大家好"), &answer["msgid"]));
        assert_eq!((&chat[0]["toparty"], &chat[0]["totag"]), (&json!("12|99"), &json!("3|98")));
        assert!(wecom.page(&format!("/chat/{member}")).await.1.contains("大家好"), "{member}");
    }
    let send = &wecom.events("send").await[0];
    assert_eq!((&send["members"], &send["invaliduser"]), (&json!(seen), &json!("nobody")));
    assert_eq!((wecom.count("persons").await, wecom.count("accepted").await), (5, 1));
}

#[tokio::test]
async fn a_limit_keeps_a_message_from_its_member_alone() {
    let wecom = start(options()).await;
    for n in 0..30 {
        assert_errcode("alone", &wecom.send(&text("m4", &n.to_string())).await, 0);
    }
    let answer = wecom.send(&to("m0|m9", "12", "3", "大家好")).await;
    assert_errcode("silent", &answer, 0);
    assert!(answer.get("invaliduser").is_none(), "{answer}");
    assert_eq!(seen_since(&wecom, 30).await, ["m0", "m2", "m3", "m5", "m9"]);
    let dropped = wecom.events("dropped").await;
    assert_eq!(dropped.len(), 1);
    assert_eq!((&dropped[0]["member"], &dropped[0]["reason"]), (&json!("m4"), &json!("minute")));
    wecom.advance(60);
    assert_errcode("a minute later", &wecom.send(&to("", "", "3", "再来")).await, 0);
    assert_eq!(seen_since(&wecom, 35).await, ["m4", "m5"]);
}

#[tokio::test]
async fn members_without_a_licence_are_named_and_not_reached() {
    let wecom = start(options()).await;
    wecom.order(json!({"unlicense_member": "M2"})).await;
    let answer = wecom.send(&to("m1|m2|x", "12", "", "大家好")).await;
    assert_errcode("partly", &answer, 0);
    assert_eq!((&answer["unlicenseduser"], &answer["invaliduser"]), (&json!("m2"), &json!("x")));
    assert_eq!(seen_since(&wecom, 0).await, ["m1", "m3", "m4"]);
    let answer = wecom.send(&text("m2", "x")).await;
    assert_errcode("alone", &answer, 81013);
    assert_eq!(answer["unlicenseduser"], "m2");
    wecom.order(json!({"license_member": "m2"})).await;
    assert_errcode("again", &wecom.send(&text("m2", "x")).await, 0);
    let order = json!({"unlicense_member": "nobody"}).to_string();
    assert_eq!(wecom.try_post("/sandbox/control", order).await.unwrap().0, 400);
}

#[tokio::test]
async fn the_day_s_quota_counts_persons_until_midnight_in_china() {
    let wecom = start(Options { account_cap: Some(1), member_per_minute: 1000, ..options() }).await;
    // 2025-10-09 16:53:20 in China; midnight is 25,600 s later.
    let checked = json!({"enable_duplicate_check": 1});
    let all = with(&text("@all", "大家好"), checked);
    for _ in 0..18 {
        assert_errcode("ten persons each, duplicates too", &wecom.send(&all).await, 0);
    }
    assert_eq!((wecom.count("shown").await, wecom.count("persons").await), (10, 180));
    assert_errcode("those that are nobody do not count", &wecom.send(&to("m0|x|y", "12", "3", "a")).await, 0);
    for n in 0..14 {
        assert_errcode("one person each", &wecom.send(&text("m1", &n.to_string())).await, 0);
    }
    assert_errcode("one too many of two", &wecom.send(&text("m1|m2", "b")).await, 45009);
    assert_errcode("a refused call takes nothing", &wecom.send(&text("m1", "c")).await, 0);
    assert_errcode("200 of 200", &wecom.send(&text("m2", "d")).await, 45009);
    assert_errcode("nobody at all is told first", &wecom.send(&text("x", "d")).await, 81013);
    wecom.advance(25_599);
    assert_errcode("a second before midnight", &wecom.send(&text("m2", "d")).await, 45009);
    wecom.advance(1);
    assert_errcode("midnight", &wecom.send(&text("m2", "d")).await, 0);
    assert_eq!(wecom.count("persons").await, 201);
}
