//! The contacts: who is told of whom, by which secret, from which address.

use mailbell::sandbox::{Department, Group, Member, Options, TagName};
use serde_json::{Value, json};

use super::{TOKEN, Wecom, assert_errcode, start, text, with};

const CONTACTS: &str = "/cgi-bin/gettoken?corpid=ww0123456789abcdef&corpsecret=sandbox-contacts-secret";

/// 1 公司, below it 12 研发部 with 121 测试组, and 13 财务部. The app sees 12 and whoever carries tag 3; `boss` by name.
fn options() -> Options {
    let department = |id, name: &str, parent| Department { id, name: name.to_owned(), parent };
    let member = |userid: &str, departments: &[i64]| Member {
        departments: departments.to_vec(),
        email: Some(format!("{userid}@corp.example")),
        ..Member::new(userid, userid.to_uppercase())
    };
    Options {
        members: vec![
            member("boss", &[1]),
            member("Dev", &[12, 121]),
            member("tester", &[121]),
            member("teller", &[13]),
            member("oncall", &[13]),
        ],
        departments: vec![
            department(1, "公司", 0),
            department(12, "研发部", 1),
            department(121, "测试组", 12),
            department(13, "财务部", 1),
        ],
        parties: vec![12],
        tags: vec![3],
        tag_names: vec![TagName { id: 3, name: "值班".to_owned() }],
        tag_members: vec![Group { id: 3, members: vec!["oncall".to_owned()] }],
        visible_members: Some(vec!["boss".to_owned()]),
        ..Options::default()
    }
}

async fn token(wecom: &Wecom, path: &str) -> String {
    wecom.get(path).await["access_token"].as_str().unwrap().to_owned()
}

async fn get(wecom: &Wecom, token: &str, call: &str, query: &str) -> Value {
    wecom.get(&format!("/cgi-bin/{call}?access_token={token}&{query}")).await
}

async fn post(wecom: &Wecom, token: &str, call: &str, body: Value) -> Value {
    wecom.post(&format!("/cgi-bin/{call}?access_token={token}"), body.to_string()).await
}

#[tokio::test]
async fn members_are_told_of_as_far_as_the_app_may_see() {
    let wecom = start(options()).await;
    let app = wecom.token().await;
    for (userid, errcode) in
        [("boss", 0), ("DEV", 0), ("tester", 0), ("oncall", 0), ("teller", 60011), ("nobody", 60111), ("", 41009)]
    {
        assert_errcode(userid, &get(&wecom, &app, "user/get", &format!("userid={userid}")).await, errcode);
    }
    let dev = get(&wecom, &app, "user/get", "userid=Dev").await;
    assert_eq!((&dev["userid"], &dev["name"], &dev["status"]), (&json!("dev"), &json!("DEV"), &json!(1)));
    assert_eq!(dev["department"], json!([12, 121]));
    for kept in ["email", "biz_mail", "mobile", "avatar", "gender", "qr_code", "address", "enable"] {
        assert!(dev.get(kept).is_none(), "{kept} is not for an app made after 2022-06-20");
    }
    wecom.order(json!({"set_status": {"userid": "dev", "status": 2}, "hide_member": "tester"})).await;
    assert_eq!(get(&wecom, &app, "user/get", "userid=dev").await["status"], 2);
    assert_errcode("hidden", &get(&wecom, &app, "user/get", "userid=tester").await, 60011);
    wecom.order(json!({"remove_member": "dev", "show_member": "tester"})).await;
    assert_errcode("gone", &get(&wecom, &app, "user/get", "userid=dev").await, 60111);
    assert_errcode("shown", &get(&wecom, &app, "user/get", "userid=tester").await, 0);
    assert_eq!(wecom.count("user_get").await, 12);

    let private = start(Options { tells_enable: true, hidden_is_unknown: true, ..options() }).await;
    let app = private.token().await;
    assert_errcode("hidden", &get(&private, &app, "user/get", "userid=teller").await, 60111);
    assert_eq!(get(&private, &app, "user/get", "userid=boss").await["enable"], 1);
    private.order(json!({"set_status": {"userid": "boss", "status": 2}})).await;
    assert_eq!(get(&private, &app, "user/get", "userid=boss").await["enable"], 0);
}

#[tokio::test]
async fn who_is_hidden_or_disabled_gets_no_message() {
    let wecom = start(options()).await;
    let answer = wecom.send(&text("boss|teller|tester", "x")).await;
    assert_eq!((&answer["errcode"], &answer["invaliduser"]), (&json!(0), &json!("teller")));
    wecom.order(json!({"set_status": {"userid": "boss", "status": 2}})).await;
    assert_errcode("disabled", &wecom.send(&text("boss", "y")).await, 81013);
    wecom.order(json!({"set_status": {"userid": "boss", "status": 4}})).await;
    assert_errcode("not activated", &wecom.send(&text("boss", "y")).await, 0);
    let party = with(&text("", "z"), json!({"toparty": "12|13|99"}));
    let answer = wecom.send(&party).await;
    assert_eq!((&answer["errcode"], &answer["invalidparty"]), (&json!(0), &json!("13|99")));
    let seen: Vec<_> = wecom.messages("").await.iter().map(|m| m["member"].as_str().unwrap().to_owned()).collect();
    assert_eq!(seen, ["boss", "tester", "boss", "dev", "tester"]);
    let tag = with(&text("", "t"), json!({"totag": "3"}));
    assert_errcode("tag", &wecom.send(&tag).await, 0);
    assert_eq!(wecom.messages("?member=oncall").await.len(), 1);
}

#[tokio::test]
async fn each_secret_may_do_its_own() {
    let wecom = start(options()).await;
    let (app, contacts) = (wecom.token().await, token(&wecom, CONTACTS).await);
    assert_ne!(app, contacts);
    for (call, query, of_app, of_contacts) in [
        ("user/get", "userid=boss", 0, 48009),
        ("user/simplelist", "department_id=12", 0, 48009),
        ("department/list", "", 0, 48009),
        ("department/simplelist", "", 0, 0),
        ("tag/list", "", 0, 0),
        ("tag/get", "tagid=3", 0, 0),
        ("agent/get", "agentid=1000002", 0, 48002),
        ("auth/getuserinfo", "code=x", 40029, 50001),
    ] {
        assert_errcode(call, &get(&wecom, &app, call, query).await, of_app);
        assert_errcode(call, &get(&wecom, &contacts, call, query).await, of_contacts);
    }
    let email = json!({"email": "boss@corp.example"});
    assert_errcode("email", &post(&wecom, &app, "user/get_userid_by_email", email.clone()).await, 0);
    assert_errcode("email", &post(&wecom, &contacts, "user/get_userid_by_email", email).await, 48002);
    assert_errcode("list_id", &post(&wecom, &app, "user/list_id", json!({})).await, 48002);
    assert_errcode("list_id", &post(&wecom, &contacts, "user/list_id", json!({})).await, 0);
    assert_errcode("send", &post(&wecom, &contacts, "message/send", text("boss", "x")).await, 48002);
    assert_errcode("GET for POST", &get(&wecom, &contacts, "user/list_id", "").await, 40058);
    wecom.order(json!({"close_app": true})).await;
    assert_errcode("the app is stopped", &wecom.get(TOKEN).await, 40001);
    assert_errcode("contacts sync is not", &wecom.get(CONTACTS).await, 0);
    wecom.order(json!({"contacts_secret": "anew"})).await;
    assert_errcode("reset", &wecom.get(CONTACTS).await, 40001);
    assert!(!wecom.get("/sandbox/events").await.to_string().contains("anew"));
}

#[tokio::test]
async fn all_userids_come_by_pages() {
    let wecom = start(options()).await;
    let contacts = token(&wecom, CONTACTS).await;
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    for page in [2, 2, 2] {
        let answer = post(&wecom, &contacts, "user/list_id", json!({"cursor": cursor, "limit": 2})).await;
        let list = answer["dept_user"].as_array().unwrap().clone();
        assert_eq!(list.len(), page);
        rows.extend(list);
        cursor = answer["next_cursor"].as_str().unwrap().to_owned();
    }
    assert_eq!(cursor, "");
    let told: Vec<_> =
        rows.iter().map(|row| (row["userid"].as_str().unwrap(), row["department"].as_i64().unwrap())).collect();
    assert_eq!(told, [("boss", 1), ("dev", 12), ("dev", 121), ("tester", 121), ("teller", 13), ("oncall", 13)]);
    wecom.order(json!({"remove_member": "dev"})).await;
    let answer = post(&wecom, &contacts, "user/list_id", json!({})).await;
    assert_eq!(answer["dept_user"].as_array().unwrap().len(), 4);
    for (body, errcode) in [
        (json!({"limit": 0}), 40058),
        (json!({"limit": 10_001}), 40058),
        (json!({"limit": "1"}), 40058),
        (json!({"cursor": 1}), 40058),
        (json!({"cursor": "x"}), 50100),
    ] {
        assert_errcode(&body.to_string(), &post(&wecom, &contacts, "user/list_id", body.clone()).await, errcode);
    }
}

#[tokio::test]
async fn departments_and_tags_are_listed_as_far_as_they_are_visible() {
    let wecom = start(options()).await;
    let (app, contacts) = (wecom.token().await, token(&wecom, CONTACTS).await);
    let ids = |answer: &Value, list: &str, id: &str| -> Vec<i64> {
        answer[list].as_array().unwrap().iter().map(|one| one[id].as_i64().unwrap()).collect()
    };
    let all = get(&wecom, &app, "department/list", "").await;
    assert_eq!(ids(&all, "department", "id"), [12, 121]);
    assert_eq!((&all["department"][1]["name"], &all["department"][1]["parentid"]), (&json!("测试组"), &json!(12)));
    let simple = get(&wecom, &contacts, "department/simplelist", "").await;
    assert_eq!(ids(&simple, "department_id", "id"), [1, 12, 121, 13]);
    let below = get(&wecom, &contacts, "department/simplelist", "id=12").await;
    assert_eq!(ids(&below, "department_id", "id"), [12, 121]);
    for (id, errcode) in [("13", 60011), ("99", 60123), ("x", 60123)] {
        assert_errcode(id, &get(&wecom, &app, "department/simplelist", &format!("id={id}")).await, errcode);
    }
    let list = get(&wecom, &app, "user/simplelist", "department_id=121").await;
    let list: Vec<_> = list["userlist"].as_array().unwrap().iter().map(|one| one["userid"].as_str().unwrap()).collect();
    assert_eq!(list, ["dev", "tester"]);
    let tags = get(&wecom, &app, "tag/list", "").await;
    assert_eq!(tags["taglist"], json!([{"tagid": 3, "tagname": "值班"}]));
    let tag = get(&wecom, &app, "tag/get", "tagid=3").await;
    assert_eq!((&tag["tagname"], &tag["userlist"][0]["userid"]), (&json!("值班"), &json!("oncall")));
    for (query, errcode) in [("", 41017), ("tagid=4", 40068), ("tagid=x", 40068)] {
        assert_errcode(query, &get(&wecom, &app, "tag/get", query).await, errcode);
    }
    let agent = get(&wecom, &app, "agent/get", "agentid=1000002").await;
    assert_eq!(agent["allow_userinfos"]["user"], json!([{"userid": "boss"}]), "not those visible by party or tag");
    assert_eq!((&agent["allow_partys"]["partyid"], &agent["allow_tags"]["tagid"]), (&json!([12]), &json!([3])));
    wecom.order(json!({"home_url": "https://mail.corp.example/", "redirect_domain": "mail.corp.example"})).await;
    let agent = get(&wecom, &app, "agent/get", "agentid=1000002").await;
    assert_eq!(agent["home_url"], "https://mail.corp.example/");
    assert_eq!(agent["redirect_domain"], "mail.corp.example");
}

#[tokio::test]
async fn too_many_wrong_emails_end_the_look_up_for_a_day() {
    let wecom = start(Options { account_cap: Some(10), ..options() }).await;
    let ask = async |email: &str| {
        let body = json!({"email": email, "email_type": 1});
        post(&wecom, &wecom.token().await, "user/get_userid_by_email", body).await
    };
    assert_eq!(ask("Boss@corp.example").await["userid"], "boss");
    assert_errcode("outside the range", &ask("teller@corp.example").await, 46004);
    assert_errcode("nobody", &ask("nobody@corp.example").await, 46004);
    assert_eq!(ask("dev@corp.example").await["userid"], "dev", "20 % are not more than 20 %");
    assert_errcode("nobody", &ask("nobody@corp.example").await, 46004);
    assert_errcode("banned", &ask("boss@corp.example").await, 45009);
    wecom.advance(86_399);
    assert_errcode("still", &ask("boss@corp.example").await, 45009);
    wecom.advance(1);
    assert_errcode("over", &ask("boss@corp.example").await, 0);
    let app = wecom.token().await;
    for (body, errcode) in [
        (json!({}), 40063),
        (json!({"email": "boss@corp.example", "email_type": 3}), 40058),
        (json!({"email": "boss@corp.example", "email_type": 2}), 46004),
    ] {
        let answer = post(&wecom, &app, "user/get_userid_by_email", body.clone()).await;
        assert_errcode(&body.to_string(), &answer, errcode);
    }
}

#[tokio::test]
async fn strange_addresses_are_named_and_refused() {
    let wecom = start(Options { trusted_ips: Some(vec!["10.0.0.5".parse().unwrap()]), ..options() }).await;
    let app = wecom.token().await;
    let refused = get(&wecom, &app, "user/get", "userid=boss").await;
    assert_errcode("not trusted", &refused, 60020);
    assert!(refused["errmsg"].as_str().unwrap().contains("from ip: 127.0.0.1,"), "{refused}");
    assert_errcode("nor to send", &wecom.send(&text("boss", "x")).await, 60020);
    wecom.order(json!({"trusted_ips": ["10.0.0.5", "127.0.0.1"]})).await;
    assert_errcode("trusted", &get(&wecom, &app, "user/get", "userid=boss").await, 0);
    wecom.order(json!({"trusted_ips": []})).await;
    assert_errcode("nobody is", &get(&wecom, &app, "user/get", "userid=boss").await, 60020);
    wecom.order(json!({"trusted_ips": null})).await;
    assert_errcode("all are", &get(&wecom, &app, "user/get", "userid=boss").await, 0);

    let strict = Options { trusted_ips: Some(Vec::new()), gettoken_checks_ip: true, ..options() };
    assert_errcode("gettoken too", &start(strict).await.get(TOKEN).await, 60020);
}

#[tokio::test]
async fn a_corp_that_cannot_be_is_refused() {
    for (text, word) in [
        ("departments = [{ id = 12, name = \"x\" }]", "the root"),
        ("departments = [{ id = 1, name = \"x\", parent = 0 }, { id = 1, name = \"y\" }]", "twice"),
        ("departments = [{ id = 1, name = \"x\", parent = 0 }]", "party 12"),
        ("members = [{ userid = \"a\", name = \"a\", departments = [7] }]", "department 7"),
        ("members = [{ userid = \"a\", name = \"a\", status = 3 }]", "status"),
        ("tag_names = [{ id = 9, name = \"x\" }]", "tag 9"),
        ("visible_members = [\"nobody\"]", "visible_members"),
        ("contacts_secret = \"sandbox-secret\"", "differ"),
        ("trusted_ips = [\"x\"]", "line 1"),
    ] {
        let said = Options::from_toml(text).unwrap_err().to_string();
        assert!(said.contains(word), "{text}: {said}");
    }
    let good = "departments = [{ id = 1, name = \"公司\", parent = 0 }, { id = 12, name = \"研发部\" }]\nparties = [12]\n\
                members = [{ userid = \"a\", name = \"安\", departments = [12], email = \"a@corp.example\" }]\n\
                visible_members = []\ntrusted_ips = [\"127.0.0.1\"]\nredirect_domain = \"localhost:8025\"\n";
    let read = Options::from_toml(good).unwrap();
    assert_eq!(read.members[0].departments, [12]);
}
