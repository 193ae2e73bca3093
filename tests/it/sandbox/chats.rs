//! Who sees what: recipients, the duplicate check, the limits of a member.

use std::collections::HashSet;

use mailbell::sandbox::{Group, Member, Options};
use serde_json::{Value, json};

use super::{assert_errcode, notice, start, text, textcard, with};

fn members(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["member"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn recipients_are_found_and_the_others_named() {
    let options = Options {
        parties: vec![1, 12],
        party_members: vec![Group { id: 12, members: vec!["LiSi".to_owned()] }],
        ..Options::default()
    };
    let wecom = start(options).await;
    let all = vec!["zhangsan", "lisi", "wangwu"];
    let long = "x".repeat(65);
    let both_cases = "zhangsan|ZHANGSAN|zhangsan";
    for (touser, toparty, totag, errcode, seen, invalid) in [
        ("ZhangSan", "", "", 0, vec!["zhangsan"], ["", "", ""]),
        (both_cases, "", "", 0, vec!["zhangsan"], ["", "", ""]),
        ("wangwu|zhangsan", "", "", 0, vec!["zhangsan", "wangwu"], ["", "", ""]),
        ("lisi|Nobody|X.Y", "", "", 0, vec!["lisi"], ["nobody|x.y", "", ""]),
        ("@all", "7", "8", 0, all.clone(), ["", "", ""]),
        ("lisi|@all", "", "", 0, vec!["lisi"], ["@all", "", ""]),
        ("", "12", "", 0, vec!["lisi"], ["", "", ""]),
        ("", "1", "", 0, all.clone(), ["", "", ""]),
        ("", "12|7|x", "", 0, vec!["lisi"], ["", "7|x", ""]),
        ("", "", "3|4", 0, all.clone(), ["", "", "4"]),
        ("nobody", "12", "9", 0, vec!["lisi"], ["nobody", "", "9"]),
        ("Nobody", "", "", 81013, vec![], ["nobody", "", ""]),
        (&long, "", "", 81013, vec![], [&long, "", ""]),
        ("nobody", "7", "8", 81013, vec![], ["nobody", "7", "8"]),
    ] {
        let what = format!("{touser} {toparty} {totag}");
        let newest = wecom.get("/sandbox/messages").await["newest_seq"].clone();
        let mut body = text(touser, "大家好");
        body["toparty"] = json!(toparty);
        body["totag"] = json!(totag);
        let answer = wecom.send(&body).await;
        assert_errcode(&what, &answer, errcode);
        for (key, invalid) in ["invaliduser", "invalidparty", "invalidtag"].into_iter().zip(invalid) {
            let answered = answer.get(key).map_or("", |ids| ids.as_str().unwrap());
            assert_eq!(answered, invalid, "{what}: {key}");
        }
        assert_eq!(answer.get("msgid").is_some(), errcode == 0, "{what}");
        let messages = wecom.messages(&format!("?since={newest}")).await;
        assert_eq!(members(&messages), seen, "{what}");
    }
}

#[tokio::test]
async fn a_removed_member_gets_nothing_until_back() {
    let wecom = start(Options::default()).await;
    wecom.order(json!({"remove_member": "LiSi"})).await;
    let answer = wecom.send(&text("lisi|wangwu", "x")).await;
    assert_errcode("partly", &answer, 0);
    assert_eq!(answer["invaliduser"], "lisi");
    assert_errcode("alone", &wecom.send(&text("lisi", "x")).await, 81013);
    assert_errcode("all", &wecom.send(&text("@all", "y")).await, 0);
    assert_eq!(members(&wecom.messages("").await), ["wangwu", "zhangsan", "wangwu"]);

    wecom.order(json!({"add_member": {"userid": "lisi", "name": "李四"}})).await;
    wecom.order(json!({"add_member": {"userid": "ZhaoLiu", "name": "赵六"}})).await;
    assert_errcode("back", &wecom.send(&text("lisi|zhaoliu", "z")).await, 0);
    assert_eq!(members(&wecom.messages("?since=3").await), ["lisi", "zhaoliu"]);
}

#[tokio::test]
async fn messages_are_told_as_sent() {
    let wecom = start(Options::default()).await;
    let card = textcard(json!({"btntxt": "打开"}));
    let answer = wecom.send(&with(&card, json!({"touser": "LISI|zhangsan", "totag": "3"}))).await;
    wecom.advance(5);
    wecom.send(&text("wangwu", "第二条")).await;
    let messages = wecom.messages("?member=LiSi").await;
    let fields = &card["textcard"];
    let expected = json!({
        "seq": 2,
        "time_ms": 1_760_000_000_000_u64,
        "msgid": answer["msgid"],
        "member": "lisi",
        "touser": "LISI|zhangsan",
        "totag": "3",
        "msgtype": "textcard",
        "textcard": fields,
        "shown": fields,
        "title": "标题",
        "description": "说明",
        "url": "https://mail.corp.example/1",
    });
    assert_eq!(messages, [expected]);
    let last = wecom.messages("?since=3").await;
    assert_eq!((&last[0]["content"], &last[0]["text"]["content"]), (&json!("第二条"), &json!("第二条")));
    assert_eq!(last[0]["time_ms"], 1_760_000_005_000_u64);
    assert!(wecom.messages("?since=4").await.is_empty());
    wecom.send(&notice(json!({}))).await;
    let notice = &wecom.messages("?since=4").await[0];
    assert_eq!((&notice["title"], &notice["url"]), (&json!("标题"), &json!("https://mail.corp.example/1")));
    assert_eq!(wecom.messages("?limit=1").await[0]["seq"], 1);
    assert_eq!(wecom.page("/sandbox/messages?since=x").await.0, 400);

    let sends = wecom.events("send").await;
    assert_eq!(sends[0]["members"], json!(["zhangsan", "lisi", "wangwu"]), "the tag holds all");
    assert_eq!(wecom.count("shown").await, 5);
}

#[tokio::test]
async fn old_messages_are_forgotten() {
    let wecom = start(Options { keep: 3, ..Options::default() }).await;
    for n in 0..5 {
        wecom.send(&text("lisi", &n.to_string())).await;
    }
    let told = wecom.get("/sandbox/messages?since=1").await;
    let kept: Vec<&Value> = told["messages"].as_array().unwrap().iter().map(|m| &m["content"]).collect();
    assert_eq!(kept, ["2", "3", "4"]);
    assert!(told["forgotten"].as_u64().unwrap() >= 2);
}

#[tokio::test]
async fn the_same_body_is_shown_once_inside_the_interval() {
    let wecom = start(Options::default()).await;
    let checked = |content: &str, interval: Value| {
        let changes = json!({"enable_duplicate_check": 1, "duplicate_check_interval": interval});
        with(&text("lisi", content), changes).to_string()
    };
    let long = checked("甲", json!(14400));
    let default = checked("乙", Value::Null);
    let mut msgids = HashSet::new();
    for (what, seconds, body, shown) in [
        ("first", 0, long.clone(), 1),
        ("again", 0, long.clone(), 0),
        ("other interval, so another body", 0, checked("甲", json!(14399)), 1),
        ("another space, so another body", 0, format!("{long} "), 1),
        ("unchecked", 0, text("lisi", "甲").to_string(), 1),
        ("unchecked again", 0, text("lisi", "甲").to_string(), 1),
        ("default interval", 0, default.clone(), 1),
        ("default interval, inside", 1799, default.clone(), 0),
        ("default interval, over", 1, default.clone(), 1),
        ("long interval, inside", 12599, long.clone(), 0),
        ("long interval, over: a suppressed one did not prolong it", 1, long.clone(), 1),
        ("and counts anew", 14399, long, 0),
    ] {
        wecom.advance(seconds);
        let before = wecom.count("shown").await;
        let path = wecom.send_path().await;
        let answer = wecom.post(&path, body).await;
        assert_errcode(what, &answer, 0);
        assert!(msgids.insert(answer["msgid"].to_string()), "{what}: a msgid came twice");
        assert_eq!(wecom.count("shown").await - before, shown, "{what}");
    }
    assert_eq!(wecom.count("duplicates").await, 4);
    assert_eq!(wecom.events("duplicate").await.len(), 4);
}

#[tokio::test]
async fn a_refused_body_is_no_first_one() {
    let wecom = start(Options::default()).await;
    let body = with(&text("zhaoliu", "x"), json!({"enable_duplicate_check": 1}));
    assert_errcode("nobody", &wecom.send(&body).await, 81013);
    wecom.order(json!({"fail_next": {"call": "send", "errcode": -1}})).await;
    wecom.order(json!({"add_member": {"userid": "zhaoliu", "name": "赵六"}})).await;
    assert_errcode("busy", &wecom.send(&body).await, -1);
    assert_errcode("taken", &wecom.send(&body).await, 0);
    assert_eq!(wecom.messages("").await.len(), 1);
}

#[tokio::test]
async fn a_member_sees_thirty_in_any_minute() {
    let wecom = start(Options::default()).await;
    let send = async |touser: &str| {
        let before = wecom.count("shown").await;
        assert_errcode("silent", &wecom.send(&text(touser, "x")).await, 0);
        wecom.count("shown").await - before
    };
    for n in 0..30 {
        assert_eq!(send("lisi").await, 1, "{n}");
        wecom.advance(1);
    }
    assert_eq!(send("lisi").await, 0, "30 seconds in");
    assert_eq!(send("lisi|wangwu").await, 1, "the other one sees it");
    wecom.advance(29);
    assert_eq!(send("lisi").await, 0, "59 seconds in");
    wecom.advance(1);
    assert_eq!(send("lisi").await, 1, "the first is a minute old");
    assert_eq!(send("lisi").await, 0, "the second is not");
    let dropped = wecom.events("dropped").await;
    assert_eq!(dropped.len(), 4);
    assert_eq!((&dropped[1]["member"], &dropped[1]["reason"]), (&json!("lisi"), &json!("minute")));
    assert_eq!(wecom.count("dropped").await, 4);
    assert_eq!(wecom.count("errors").await, 0);
}

#[tokio::test]
async fn a_member_sees_a_thousand_in_any_hour() {
    let wecom = start(Options::default()).await;
    for minute in 0..34 {
        for _ in 0..30 {
            assert_errcode("silent", &wecom.send(&text("lisi", "x")).await, 0);
        }
        let expected = (30 * (minute + 1)).min(1000);
        assert_eq!(wecom.count("shown").await, expected);
        wecom.advance(60);
    }
    let dropped = wecom.events("dropped").await;
    assert_eq!(dropped.len(), 20);
    assert!(dropped.iter().all(|event| event["reason"] == "hour"));
    wecom.advance(26 * 60);
    assert_errcode("an hour later", &wecom.send(&text("lisi", "x")).await, 0);
    assert_eq!(wecom.count("shown").await, 1001);
}

#[test]
fn options_are_read_from_toml() {
    let text = r#"
        corp_id = "ww1"
        token_lifetime = "90s"
        parties = [5]
        [[members]]
        userid = "ann"
        name = "Ann"
        [[party_members]]
        id = 5
        members = ["Ann"]
    "#;
    let options = Options::from_toml(text).unwrap();
    assert_eq!(options.corp_id, "ww1");
    assert_eq!(options.secret, Options::default().secret);
    assert_eq!(options.token_lifetime.as_secs(), 90);
    let ann = Member::new("ann", "Ann");
    assert_eq!(options.members, [ann]);
    assert!(!format!("{options:?}").contains(&options.secret));

    for (text, expected) in [
        ("corp_id = \"ww1\"\ncolour = 1", "line 2: unknown field `colour`"),
        ("secret = 5", "line 1: invalid type"),
        ("\n\ntoken_lifetime = \"soon\"", "line 3: \"soon\" is not a duration"),
        ("token_lifetime = \"0s\"", "token_lifetime must be"),
        ("secret = \"\"", "must not be empty"),
        ("secret = \"geheim", "line 1"),
        ("account_cap = 0", "account_cap must be at least 1"),
        ("members = [{userid = \"-a\", name = \"\"}]", "\"-a\" is not 1 to 64"),
        ("members = [{userid = \"a\", name = \"\"}, {userid = \"A\", name = \"\"}]", "there twice"),
        ("party_members = [{id = 7, members = []}]", "not in parties"),
        ("tag_members = [{id = 3, members = [\"x\"]}]", "not among the members"),
    ] {
        let error = Options::from_toml(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains("geheim"), "{error}");
    }
    let error = Options::load("no/such/file.toml".as_ref()).unwrap_err().to_string();
    assert!(error.contains("no/such/file.toml"), "{error}");
}
