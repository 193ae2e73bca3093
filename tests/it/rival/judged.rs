//! Tokens, recipients and forms.

use super::{AGENT_ID, CORP, Counter, KEY, card, corp, fields, get, secs, send, text};
use crate::support::rival::office::{AGENT, Call, GETTOKEN, SEND};
use serde_json::{Value, json};

#[test]
fn a_good_text_and_a_good_card_are_shown_and_break_nothing() {
    let mut counter = Counter::open(corp());
    let answer =
        counter.send_bytes(text("zhangsan", "第一行\n<a href=\"https://x.example/\">二</a>").to_string().as_bytes());
    assert_eq!(fields(&answer)["errcode"], 0);
    assert_eq!(fields(&answer)["invaliduser"], "");
    assert!(fields(&answer)["msgid"].is_string());
    assert_eq!(counter.send(&card("zhangsan", "标题", "<div class=\"gray\">x</div>")), 0);
    assert_eq!(counter.broken(), Vec::<String>::new());
    let chat = counter.office.book.chat("zhangsan");
    assert_eq!(chat.iter().map(|shown| shown.kind.as_str()).collect::<Vec<_>>(), ["text", "textcard"]);
    assert_eq!((counter.office.book.told("zhangsan", "第一行"), counter.office.book.told("zhangsan", "标题")), (1, 1));
}

#[test]
fn a_token_stands_in_the_query_alone() {
    let mut counter = Counter::open(corp());
    let body = text("lisi", "x").to_string().into_bytes();
    let naked = Call { query: Vec::new(), ..send("", &body) };
    assert_eq!(counter.call(&naked).code, Some(41001));
    let in_header = Call { authorized: true, ..naked };
    assert_eq!(counter.call(&in_header).code, Some(41001));
    let twice = Call { authorized: true, ..send(&counter.token, &body) };
    assert_eq!(counter.call(&twice).code, Some(0));
    let mut debug = send(&counter.token, text("lisi", "y").to_string().as_bytes());
    debug.query.push(("debug".to_owned(), "1".to_owned()));
    assert_eq!(counter.call(&debug).code, Some(0));
    let broken = counter.broken();
    assert!(broken.len() == 4 && broken[1].contains("in a header"), "{broken:?}");
    assert_eq!(counter.call(&send("made up", &body)).code, Some(40014));
    assert_eq!(counter.broken(), ["a token that was never given"]);
}

#[test]
fn tokens_expire_and_are_withdrawn_and_a_refused_one_is_not_used_again() {
    let mut counter = Counter::open(corp());
    counter.office.withdraw();
    assert_eq!(counter.send(&text("lisi", "a")), 40014);
    // What was on its way.
    counter.now += secs(1);
    assert_eq!(counter.send(&text("lisi", "b")), 40014);
    assert_eq!(counter.broken(), Vec::<String>::new());
    counter.now += secs(1);
    counter.bites(&text("lisi", "c"), 40014, "refused before");
    let old = counter.token.clone();
    counter.fetch();
    assert_ne!(counter.token, old);
    assert_eq!(counter.send(&text("lisi", "d")), 0);
    counter.now += secs(7199);
    assert_eq!(counter.send(&text("lisi", "e")), 0);
    counter.now += secs(1);
    assert_eq!(counter.send(&text("lisi", "f")), 42001);
    counter.fetch();
    assert_eq!(counter.send(&text("lisi", "g")), 0);
    assert_eq!(counter.broken(), Vec::<String>::new());
}

#[test]
fn gettoken_knows_its_corp_and_is_not_to_be_hammered() {
    let mut counter = Counter::open(corp());
    counter.fetch();
    assert_eq!(counter.broken(), ["gettoken in spite of a good token"]);
    // A new process has none; it asks again where its first answer is lost.
    counter.office.expect_start();
    let call = get(GETTOKEN, &[("corpid", CORP), ("corpsecret", KEY)]);
    counter.office.arrive(&call, counter.now);
    counter.office.judge(&call, counter.now);
    counter.office.leave(&call);
    counter.fetch();
    assert_eq!(counter.broken(), Vec::<String>::new());
    // The last five minutes: the same token, with less time.
    counter.now += secs(7000);
    let answer = counter.ask_token(CORP, KEY);
    assert_eq!(
        (&fields(&answer)["access_token"], &fields(&answer)["expires_in"]),
        (&json!(counter.token), &json!(200))
    );
    counter.office.withdraw();
    assert_eq!(counter.ask_token("wwother", KEY).code, Some(40013));
    counter.now += secs(60);
    assert_eq!(counter.ask_token(CORP, "wrong").code, Some(40001));
    assert_eq!(counter.broken(), Vec::<String>::new());
    counter.now += secs(59);
    assert_eq!(counter.ask_token(CORP, "wrong").code, Some(40001));
    assert_eq!(counter.broken(), ["gettoken within a minute after a wrong corp or secret"]);
    counter.now += secs(60);
    assert_eq!(counter.call(&get(GETTOKEN, &[])).code, Some(41004));
    counter.now += secs(60);
    assert_eq!(counter.call(&get(GETTOKEN, &[("corpsecret", KEY)])).code, Some(41002));
    assert_eq!(counter.broken().len(), 2);
    for _ in 0..21 {
        counter.office.withdraw();
        counter.fetch();
    }
    let broken = counter.broken();
    assert!(broken.iter().all(|rule| rule.contains("20 times a minute")) && !broken.is_empty(), "{broken:?}");
}

#[test]
fn two_gettokens_at_once_are_one_too_many() {
    let mut counter = Counter::open(corp());
    counter.office.withdraw();
    let call = get(GETTOKEN, &[("corpid", CORP), ("corpsecret", KEY)]);
    counter.office.arrive(&call, counter.now);
    counter.office.arrive(&call, counter.now);
    assert!(counter.broken().iter().any(|rule| rule.contains("another gettoken")));
}

#[test]
fn agent_get_needs_the_apps_own_id_and_other_paths_are_not_there() {
    let mut counter = Counter::open(corp());
    let token = counter.token.clone();
    let mut ask = |path: &str, id: &str| counter.call(&get(path, &[("access_token", &token), ("agentid", id)]));
    let good = ask(AGENT, &AGENT_ID.to_string());
    assert_eq!((good.code, &fields(&good)["close"]), (Some(0), &json!(0)));
    assert_eq!(ask(AGENT, "1").code, Some(301_002));
    let missing = ask("/cgi-bin/user/get", "1");
    assert_eq!((missing.status, missing.code), (404, None));
    assert_eq!(counter.broken(), ["there is no /cgi-bin/user/get"]);
    let get_for_post = get(SEND, &[("access_token", &token)]);
    assert_eq!(counter.call(&get_for_post).code, Some(40058));
    assert_eq!(counter.broken().len(), 1);
}

#[test]
fn what_is_no_json_and_what_is_escaped_is_refused() {
    let mut counter = Counter::open(corp());
    for bytes in [&b"{\"touser\": \"lisi\""[..], b"[]", b"", b"\xff{}"] {
        assert_eq!(counter.send_bytes(bytes).code, Some(40058));
    }
    assert_eq!(counter.broken().len(), 4);
    let escaped = text("lisi", "zhang").to_string().replace("zhang", "\\u4f60");
    assert_eq!(counter.send_bytes(escaped.as_bytes()).code, Some(40033));
    // An escaped backslash before a `u` is no such thing.
    assert_eq!(counter.send(&text("lisi", "C:\\users\\u4f60")), 0);
    assert_eq!(counter.broken().len(), 1);
}

#[test]
fn envelopes_are_read_strictly() {
    let mut counter = Counter::open(corp());
    let with = |name: &str, value: Value| {
        let mut body = text("lisi", "x");
        body[name] = value;
        body
    };
    assert_eq!(counter.send(&with("agentid", json!(1))), 301_002);
    assert_eq!(counter.broken(), Vec::<String>::new());
    counter.bites(&with("agentid", json!("1000007")), 40056, "agentid");
    counter.bites(&with("agentid", Value::Null), 40056, "agentid");
    counter.bites(&with("msgtype", json!("voice")), 40008, "voice");
    counter.bites(&with("touser", json!(["lisi"])), 40058, "touser");
    counter.bites(&with("duplicate_check_interval", json!(14_401)), 40058, "interval");
    counter.bites(&with("enable_duplicate_check", json!(2)), 40058, "enable_duplicate_check");
    counter.bites(&with("idempotency_key", json!("k")), 0, "idempotency_key");
    let mut body = card("lisi", "t", "d");
    body["safe"] = json!(0);
    counter.bites(&body, 0, "safe");
}

#[test]
fn texts_and_cards_have_their_limits() {
    let mut counter = Counter::open(corp());
    assert_eq!(counter.send(&text("lisi", &"字".repeat(682))), 0);
    assert_eq!(counter.broken(), Vec::<String>::new());
    counter.bites(&text("lisi", &"字".repeat(683)), 45002, "2049 bytes");
    counter.bites(&text("lisi", " \n"), 44004, "empty");
    counter.bites(&text("lisi", "bell\ttab"), 0, "control");
    assert_eq!(counter.send(&card("lisi", &"字".repeat(42), &"字".repeat(170))), 0);
    assert_eq!(counter.broken(), Vec::<String>::new());
    counter.bites(&card("lisi", &"字".repeat(43), "d"), 0, "title of 129 bytes");
    counter.bites(&card("lisi", "t", &"字".repeat(171)), 0, "description of 513 bytes");
    counter.bites(&card("lisi", "", "d"), 41016, "title");
    counter.bites(&card("lisi", "t", ""), 41033, "description");
    let with = |name: &str, value: &str| {
        let mut body = card("lisi", "t", "d");
        body["textcard"][name] = json!(value);
        body
    };
    counter.bites(&with("url", "mail.corp.example"), 45034, "scheme");
    counter.bites(&with("url", &format!("https://{}", "x".repeat(2041))), 40039, "2049 bytes");
    counter.bites(&with("btntxt", "五个字不行"), 0, "btntxt");
    counter.bites(&with("picurl", "https://x.example/"), 0, "picurl");
}

#[test]
fn template_cards_are_read_strictly() {
    let mut counter = Counter::open(corp());
    let with = |path: &str, value: Value| {
        let row = json!([{"keyname": "时间", "value": "14:03"}]);
        let mut body = json!({"touser": "lisi", "msgtype": "template_card", "agentid": AGENT_ID, "template_card": {
            "card_type": "text_notice", "source": {"desc": "紧急邮件", "desc_color": 2}, "main_title": {"title": "t"},
            "horizontal_content_list": row, "card_action": {"type": 1, "url": "https://x.example/"},
        }});
        body["template_card"][path] = value;
        body
    };
    assert_eq!(counter.send(&with("sub_title_text", json!("字".repeat(160)))), 0);
    assert_eq!(counter.broken(), Vec::<String>::new());
    let rows = |count: usize, name: &str, value: &str| json!(vec![json!({"keyname": name, "value": value}); count]);
    counter.bites(&with("sub_title_text", json!("字".repeat(161))), 0, "161 characters");
    counter.bites(&with("main_title", json!({"title": "字".repeat(37)})), 0, "main_title.title of 37");
    counter.bites(&with("main_title", json!({})), 40058, "neither a title");
    counter.bites(&with("main_title", json!({"title": "t", "colour": "x"})), 0, "colour");
    counter.bites(&with("emphasis_content", json!({"title": "字".repeat(15)})), 0, "emphasis_content.title of 15");
    counter.bites(&with("horizontal_content_list", rows(7, "a", "b")), 42035, "6 rows");
    counter.bites(&with("horizontal_content_list", rows(1, "", "b")), 42027, "keyname");
    counter.bites(&with("horizontal_content_list", rows(1, "六个字的名字", "b")), 0, "a keyname of 6");
    counter.bites(&with("horizontal_content_list", rows(1, "a", &"字".repeat(31))), 0, "a value of 31");
    counter.bites(&with("card_action", json!({})), 42045, "opens nothing");
    counter.bites(&with("card_type", json!("news_notice")), 40058, "card_type");
    counter.bites(&with("task_id", json!("x")), 0, "task_id");
}

#[test]
fn recipients_are_counted_formed_and_found() {
    let mut counter = Counter::open(corp());
    let body = |users: &str, parties: &str, tags: &str| {
        let mut body = text(users, "x");
        (body["toparty"], body["totag"]) = (json!(parties), json!(tags));
        body
    };
    let many = |n: usize| vec!["1"; n].join("|");
    counter.bites(&body("", "", ""), 82001, "none given");
    counter.bites(&body(&many(1001), "", ""), 40032, "1001 names");
    counter.bites(&body("", &many(101), ""), 82002, "101 names");
    counter.bites(&body("", "", &many(101)), 82003, "101 names");
    counter.bites(&body("lisi||wangwu", "", ""), 40003, "touser");
    counter.bites(&body("李四", "", ""), 40003, "touser");
    counter.bites(&body("-x", "", ""), 40003, "touser");
    counter.bites(&body(&"x".repeat(65), "", ""), 40003, "touser");
    counter.bites(&body("lisi|@all", "", ""), 40003, "@all");
    counter.bites(&body("", "x", ""), 40066, "toparty");
    counter.bites(&body("", "", "x"), 40068, "totag");
    // Nobody of these is there; that is no fault of the form.
    assert_eq!(counter.send(&body(&many(1000), &many(100), &many(100))), 81013);
    assert_eq!(counter.broken(), Vec::<String>::new());
}

#[test]
fn the_unknown_and_the_hidden_are_named_and_the_others_get_theirs() {
    let mut corp = corp();
    corp.hidden.insert("wangwu".to_owned());
    corp.unlicensed.insert("zhaoliu".to_owned());
    corp.parties.insert("7".to_owned(), vec!["zhangsan".to_owned(), "lisi".to_owned(), "wangwu".to_owned()]);
    let mut counter = Counter::open(corp);
    let mut body = text("ZhangSan|WangWu|Nobody|ZhaoLiu", "to some");
    (body["toparty"], body["totag"]) = (json!("7|8"), json!("9"));
    let answer = fields(&counter.send_bytes(body.to_string().as_bytes()));
    assert_eq!(answer["errcode"], 0);
    assert_eq!(answer["invaliduser"], "wangwu|nobody");
    assert_eq!((&answer["invalidparty"], &answer["invalidtag"]), (&json!("8"), &json!("9")));
    assert_eq!(answer["unlicenseduser"], "zhaoliu");
    let told = |member: &str| counter.office.book.told(member, "to some");
    assert_eq!((told("zhangsan"), told("lisi"), told("wangwu"), told("zhaoliu")), (1, 1, 0, 0));
    for nobody in ["WangWu", "nobody", "zhaoliu"] {
        assert_eq!(counter.send(&text(nobody, "alone")), 81013);
    }
    assert_eq!(counter.send(&text("@all", "to all")), 0);
    let told = |member: &str| counter.office.book.told(member, "to all");
    assert_eq!((told("zhangsan"), told("lisi"), told("wangwu"), told("zhaoliu")), (1, 1, 0, 0));
    counter.office.corp.hidden.clear();
    assert_eq!(counter.send(&text("wangwu", "seen again")), 0);
    assert_eq!(counter.broken(), Vec::<String>::new());
}
