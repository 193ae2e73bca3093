//! The directory: what the client makes of WeCom's contacts, against the sandbox and against answers no WeCom should give.

use super::raw::{Asked, Raw, Reply, json as answers};
use super::{Hand, SECRET, config};
use mailbell::clock::Clock;
use mailbell::config::Wecom;
use mailbell::model::{Lang, Secret};
use mailbell::rules::lookups::Lookups;
use mailbell::rules::retry::Outcome;
use mailbell::sandbox::{self, Department, Group, Member, Options, TagName};
use mailbell::wecom::{
    Agent, Client, Contacts, Directory, Mailbox, Presence, SignedIn, browser_login, domain_of, egress_in, inside_login,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use url::Url;

const OF_CONTACTS: &str = "contacts+secret/1";

/// A sandbox, and the client of it.
struct Corp {
    wecom: Wecom,
    hand: Hand,
    contacts: Contacts,
    http: reqwest::Client,
}

fn options() -> Options {
    let department = |id, name: &str, parent| Department { id, name: name.to_owned(), parent };
    let member = |userid: &str, department| Member {
        departments: vec![department],
        email: Some(format!("{userid}@corp.example")),
        ..Member::new(userid, format!("{userid}的名字"))
    };
    Options {
        secret: SECRET.to_owned(),
        contacts_secret: OF_CONTACTS.to_owned(),
        members: vec![member("boss", 1), member("Dev", 12), member("teller", 13)],
        departments: vec![department(1, "公司", 0), department(12, "研发部", 1), department(13, "财务部", 1)],
        parties: vec![12],
        tags: vec![3],
        tag_names: vec![TagName { id: 3, name: "值班".to_owned() }],
        tag_members: vec![Group { id: 3, members: Vec::new() }],
        visible_members: Some(vec!["boss".to_owned()]),
        ..Options::default()
    }
}

impl Corp {
    async fn start(options: Options) -> Self {
        Self::with(options, |wecom| wecom).await
    }

    async fn with(options: Options, change: impl FnOnce(Wecom) -> Wecom) -> Self {
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let hand = Hand::new();
        let clock = hand.clone();
        let clock: sandbox::Clock = Arc::new(move || clock.steady().0.unsigned_abs());
        tokio::spawn(sandbox::serve_with_clock(listener, options, clock, std::future::pending()));
        let wecom = Wecom { contacts_secret: Some(Secret::new(OF_CONTACTS)), account_cap: Some(100), ..config(&base) };
        let wecom = change(wecom);
        let contacts = Client::new(&wecom, Arc::new(hand.clone())).unwrap().contacts(&wecom);
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { wecom, hand, contacts, http }
    }

    async fn order(&self, order: Value) {
        let asked = self.http.post(self.wecom.api_base.join("/sandbox/control").unwrap()).body(order.to_string());
        assert!(asked.send().await.unwrap().status().is_success());
    }

    async fn count(&self, what: &str) -> u64 {
        let answer = self.http.get(self.wecom.api_base.join("/sandbox/events").unwrap()).send().await.unwrap();
        let told: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        told["counts"][what].as_u64().unwrap()
    }

    async fn presence(&self, userid: &str) -> Presence {
        self.contacts.member(userid).await.unwrap().presence
    }
}

#[tokio::test]
async fn every_presence_is_told() {
    let corp = Corp::start(options()).await;
    let dev = corp.contacts.member("DEV").await.unwrap();
    assert_eq!((dev.presence, dev.name.as_str(), dev.departments), (Presence::Active, "Dev的名字", vec![12]));
    assert_eq!(corp.presence("teller").await, Presence::NotVisible);
    assert_eq!(corp.presence("nobody").await, Presence::Unknown);
    for (status, presence) in [(2, Presence::Disabled), (4, Presence::NotActivated), (5, Presence::Left)] {
        corp.order(json!({"set_status": {"userid": "dev", "status": status}})).await;
        assert_eq!(corp.presence("dev").await, presence);
    }
    corp.order(json!({"remove_member": "dev", "hide_member": "boss"})).await;
    assert_eq!((corp.presence("dev").await, corp.presence("boss").await), (Presence::Unknown, Presence::NotVisible));
    assert_eq!(corp.count("gettoken").await, 1);
}

#[tokio::test]
async fn private_editions_and_the_other_reading_of_not_visible() {
    let corp = Corp::start(Options { tells_enable: true, hidden_is_unknown: true, ..options() }).await;
    assert_eq!((corp.presence("dev").await, corp.presence("teller").await), (Presence::Active, Presence::Unknown));
    corp.order(json!({"set_status": {"userid": "dev", "status": 2}})).await;
    assert_eq!(corp.presence("dev").await, Presence::Disabled);
    assert!(corp.contacts.members().await.unwrap().unwrap().contains("teller"), "which tells the two apart");
    for (told, presence) in [("\"status\": 1, \"enable\": 0", "Disabled"), ("\"enable\": 1", "Active")] {
        let text = format!("{{\"errcode\": 0, \"userid\": \"dev\", {told}}}");
        let raw = Raw::wecom(move |_| answers(&text)).await;
        assert_eq!(format!("{:?}", odd(&raw).member("dev").await.unwrap().presence), presence);
    }
}

#[tokio::test]
async fn all_members_come_with_the_secret_of_contacts_sync() {
    let many = (0..7000).map(|n| Member { departments: vec![12, 13], ..Member::new(format!("m{n}"), "x") });
    let corp = Corp::start(Options { members: many.collect(), visible_members: None, ..options() }).await;
    let all = corp.contacts.members().await.unwrap().unwrap();
    assert_eq!((all.len(), corp.count("user_list_id").await), (7000, 3));
    assert_eq!(corp.count("gettoken").await, 1, "the app's is not needed");
    let without = Corp::with(options(), |wecom| Wecom { contacts_secret: None, ..wecom }).await;
    assert_eq!(without.contacts.members().await, Ok(None));
    assert_eq!(without.count("gettoken").await, 0);
    let wrong = Corp::with(options(), |wecom| Wecom { contacts_secret: Some(Secret::new("x")), ..wecom }).await;
    let refused = wrong.contacts.members().await.unwrap_err();
    assert!(matches!(&refused, Outcome::Channel(text) if text.starts_with("gettoken: 40001")), "{refused:?}");
    assert_eq!(wrong.presence("dev").await, Presence::Active, "the app goes on");
}

fn odd(raw: &Raw) -> Contacts {
    let wecom = Wecom { contacts_secret: Some(Secret::new(OF_CONTACTS)), account_cap: Some(100), ..config(&raw.base) };
    Client::new(&wecom, Arc::new(Hand::new())).unwrap().contacts(&wecom)
}

#[tokio::test]
async fn a_list_that_is_not_whole_is_none() {
    for page in [
        "{\"errcode\": 0, \"errmsg\": \"ok\"}",
        "{\"errcode\": 0, \"dept_user\": [], \"next_cursor\": \"\"}",
        "{\"errcode\": 0, \"dept_user\": [{\"userid\": \"a\"}, {\"department\": 1}], \"next_cursor\": \"\"}",
        "{\"errcode\": 0, \"dept_user\": [{\"userid\": \"a\"}], \"next_cursor\": \"again\"}",
        "{\"errcode\": 0, \"dept_user\": {\"userid\": \"a\"}}",
        "[]",
    ] {
        let raw = Raw::wecom(move |_| answers(page)).await;
        let told = odd(&raw).members().await;
        assert!(matches!(&told, Err(Outcome::Unknown(text)) if text.starts_with("user/list_id: ")), "{page}: {told:?}");
    }
    let cut = |asked: &Asked| match asked.body.contains("\"cursor\":\"\"") {
        true => answers("{\"errcode\": 0, \"dept_user\": [{\"userid\": \"a\"}], \"next_cursor\": \"2\"}"),
        false => Reply::Cut,
    };
    assert!(matches!(odd(&Raw::wecom(cut).await).members().await, Err(Outcome::Unknown(_))));
}

#[tokio::test]
async fn departments_and_tags_have_their_names() {
    let corp = Corp::start(options()).await;
    let departments = corp.contacts.departments().await.unwrap();
    assert_eq!(departments.len(), 1);
    assert_eq!((departments[0].id, departments[0].name.as_str(), departments[0].parent), (12, "研发部", 1));
    let tags = corp.contacts.tags().await.unwrap();
    assert_eq!((tags.len(), tags[0].id, tags[0].name.as_str()), (1, 3, "值班"));
    corp.order(json!({"fail_next": {"call": "department_list", "errcode": 45029}})).await;
    let unnamed = corp.contacts.departments().await.unwrap();
    assert_eq!((unnamed[0].id, unnamed[0].name.as_str()), (12, ""), "too many for one answer: without their names");
}

#[tokio::test]
async fn the_app_is_told_in_full() {
    let corp = Corp::start(options()).await;
    corp.order(json!({"home_url": "https://mail.corp.example/", "redirect_domain": "mail.corp.example:8443"})).await;
    let app = corp.contacts.app().await.unwrap();
    let wanted = Agent {
        name: "邮铃".to_owned(),
        closed: false,
        users: vec!["boss".to_owned()],
        parties: vec![12],
        tags: vec![3],
        home_url: "https://mail.corp.example/".to_owned(),
        redirect_domain: "mail.corp.example:8443".to_owned(),
    };
    assert_eq!(app, wanted);
    corp.order(json!({"close_app": true})).await;
    assert!(corp.contacts.app().await.unwrap().closed);
}

#[tokio::test]
async fn addresses_are_looked_up_far_below_the_ban() {
    let corp = Corp::start(Options { account_cap: Some(100), ..options() }).await;
    let of = |name: &str| Ok(Mailbox::Of(name.into()));
    for _ in 0..10 {
        assert_eq!(corp.contacts.userid_by_email("Dev@corp.example", None).await, of("dev"));
    }
    // Two questions each: as a corporate address, and as a personal one.
    for (nobody, told) in [(1, Mailbox::Nobody), (2, Mailbox::Nobody), (3, Mailbox::NotAsked), (4, Mailbox::NotAsked)] {
        assert_eq!(corp.contacts.userid_by_email(&format!("{nobody}@x.example"), None).await, Ok(told));
    }
    assert_eq!(corp.count("user_by_email").await, 15, "5 wrong ones: 5 % of 100");
    assert_eq!(corp.contacts.userid_by_email("dev@corp.example", None).await, Ok(Mailbox::NotAsked));
    let stored = corp.contacts.lookups();
    let again = Client::new(&corp.wecom, Arc::new(corp.hand.clone())).unwrap().contacts(&corp.wecom);
    again.remember(stored.clone());
    assert_eq!(again.userid_by_email("dev@corp.example", None).await, Ok(Mailbox::NotAsked), "after a restart too");
    assert_eq!(again.userid_by_email("dev@corp.example", Some(10)).await, of("dev"), "told so");
    let text = serde_json::to_string(&stored).unwrap();
    assert_eq!(serde_json::from_str::<Lookups>(&text).unwrap(), stored);
    corp.hand.move_on(Duration::from_secs(24 * 3600));
    assert_eq!(corp.contacts.userid_by_email("dev@corp.example", None).await, of("dev"));

    let uncapped = Corp::with(options(), |wecom| Wecom { account_cap: None, ..wecom }).await;
    assert_eq!(uncapped.contacts.userid_by_email("dev@corp.example", None).await, Ok(Mailbox::NotAsked));
    assert_eq!(uncapped.contacts.userid_by_email("dev@corp.example", Some(1)).await, of("dev"));
    assert_eq!(uncapped.count("user_by_email").await, 1);
}

#[tokio::test]
async fn a_look_up_that_is_blocked_is_left_alone_for_a_day_and_a_lost_one_counts() {
    let corp = Corp::start(options()).await;
    corp.order(json!({"fail_next": {"call": "user_by_email", "errcode": 45009}})).await;
    let ask = async || corp.contacts.userid_by_email("dev@corp.example", None).await;
    assert!(matches!(ask().await, Err(Outcome::Quota(_))));
    corp.hand.move_on(Duration::from_secs(24 * 3600 - 1));
    assert!(matches!(ask().await, Err(Outcome::Quota(_))));
    assert_eq!(corp.count("user_by_email").await, 1);
    assert_eq!(corp.presence("dev").await, Presence::Active, "other calls go on");
    corp.hand.move_on(Duration::from_secs(1));
    assert_eq!(ask().await, Ok(Mailbox::Of("dev".into())));

    let raw = Raw::wecom(|_| Reply::Cut).await;
    let contacts = odd(&raw);
    for _ in 0..5 {
        assert!(matches!(contacts.userid_by_email("dev@corp.example", None).await, Err(Outcome::Unknown(_))));
    }
    assert_eq!(contacts.userid_by_email("dev@corp.example", None).await, Ok(Mailbox::NotAsked));
}

#[tokio::test]
async fn calls_are_paced_repeated_and_left_alone() {
    let corp = Corp::start(options()).await;
    let began = Instant::now();
    futures_util::future::join_all((0..6).map(|_| corp.contacts.member("dev"))).await;
    assert!(began.elapsed() >= Duration::from_millis(500), "ten a second: {:?}", began.elapsed());

    corp.order(json!({"invalidate_tokens": true})).await;
    assert_eq!(corp.presence("dev").await, Presence::Active);
    assert_eq!(corp.count("gettoken").await, 2);
    corp.order(json!({"fail_next": {"call": "user_get", "errcode": 42001, "times": 9}})).await;
    let before = corp.count("user_get").await;
    assert!(matches!(corp.contacts.member("dev").await, Err(Outcome::Channel(_))));
    assert_eq!(corp.count("user_get").await, before + 2, "no loop");

    corp.order(json!({"fail_next": {"call": "user_get", "errcode": 42001, "times": 0}})).await;
    corp.order(json!({"fail_next": {"call": "user_get", "errcode": -1, "times": 2}})).await;
    assert_eq!(corp.presence("dev").await, Presence::Active, "the third try");
    corp.order(json!({"fail_next": {"call": "user_get", "errcode": -1, "times": 3}})).await;
    assert!(matches!(corp.contacts.member("dev").await, Err(Outcome::Busy(_))));

    corp.order(json!({"fail_next": {"call": "user_get", "errcode": 45009}})).await;
    let before = corp.count("user_get").await;
    for _ in 0..5 {
        assert!(matches!(corp.contacts.member("dev").await, Err(Outcome::Quota(_))));
    }
    assert_eq!(corp.count("user_get").await, before + 1);
    corp.hand.move_on(Duration::from_secs(120));
    assert_eq!(corp.presence("dev").await, Presence::Active);

    corp.order(json!({"trusted_ips": ["10.0.0.5"]})).await;
    let refused = corp.contacts.member("dev").await.unwrap_err();
    assert!(matches!(refused, Outcome::Channel(_)));
    assert_eq!(egress_in(refused.reason()), Some("127.0.0.1".parse().unwrap()));
}

#[tokio::test]
async fn a_browser_signs_in_by_both_ways() {
    let corp = Corp::start(Options { redirect_domain: "mail.corp.example".to_owned(), ..options() }).await;
    let back = Url::parse("https://mail.corp.example/admin/done?x=1&y=二").unwrap();
    let browser = browser_login(&corp.wecom, &back, "s1", Lang::En);
    for (login, who) in [
        (&browser, "teller"),
        (&browser_login(&corp.wecom, &back, "s1", Lang::ZhCn), "boss"),
        (&inside_login(&corp.wecom, &back, "s1"), "Dev"),
    ] {
        let page = corp.http.get(login.clone()).send().await.unwrap();
        assert_eq!(page.status(), 200, "{login}");
        let scan = format!("/sandbox/scan?redirect_uri={}&state=s1&userid={who}", encoded(back.as_str()));
        let answer = corp.http.get(corp.wecom.api_base.join(&scan).unwrap()).send().await.unwrap();
        let location = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        let code = location.query_pairs().find(|(key, _)| key == "code").unwrap().1.into_owned();
        let member = SignedIn::Member(who.to_ascii_lowercase().into());
        assert_eq!(corp.contacts.who_signed_in(&code).await, Ok(member));
        assert_eq!(corp.contacts.who_signed_in(&code).await, Ok(SignedIn::SpentCode));
    }
    let asked = corp.count("getuserinfo").await;
    for never in ["", "a b", "码", &"x".repeat(513)] {
        assert_eq!(corp.contacts.who_signed_in(never).await, Ok(SignedIn::SpentCode));
    }
    assert_eq!(corp.count("getuserinfo").await, asked);
    let told =
        |text: &'static str| async move { odd(&Raw::wecom(move |_| answers(text)).await).who_signed_in("c").await };
    assert_eq!(told("{\"errcode\": 0, \"openid\": \"o\"}").await, Ok(SignedIn::Outsider));
    assert_eq!(told("{\"errcode\": 0, \"UserId\": \"Dev\"}").await, Ok(SignedIn::Member("dev".into())));
    assert_eq!(told("{\"errcode\": 42003}").await, Ok(SignedIn::SpentCode));
    assert!(matches!(told("{\"errcode\": 50001}").await, Err(Outcome::Channel(_))));
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[test]
fn login_addresses_are_as_documented() {
    let mut wecom = config("http://127.0.0.1:1");
    wecom.login_base = Url::parse("https://login.work.weixin.qq.com").unwrap();
    wecom.oauth_base = Url::parse("https://wecom.corp.example/relay/").unwrap();
    let back = Url::parse("https://mail.corp.example:8443/done").unwrap();
    assert_eq!(domain_of(&back), "mail.corp.example:8443");
    assert_eq!(domain_of(&Url::parse("https://mail.corp.example:443/").unwrap()), "mail.corp.example");
    assert_eq!(
        browser_login(&wecom, &back, "s1", Lang::ZhCn).as_str(),
        "https://login.work.weixin.qq.com/wwlogin/sso/login?login_type=CorpApp&appid=ww0123456789abcdef\
         &agentid=1000002&redirect_uri=https%3A%2F%2Fmail.corp.example%3A8443%2Fdone&state=s1&lang=zh"
    );
    assert_eq!(
        inside_login(&wecom, &back, "s1").as_str(),
        "https://wecom.corp.example/relay/connect/oauth2/authorize?appid=ww0123456789abcdef\
         &redirect_uri=https%3A%2F%2Fmail.corp.example%3A8443%2Fdone&response_type=code&scope=snsapi_base&state=s1\
         &agentid=1000002#wechat_redirect"
    );
    assert_eq!(egress_in("gettoken: 60020 x, hint: [1], from ip: 2001:db8::7, more"), "2001:db8::7".parse().ok());
    assert_eq!(egress_in("gettoken: 60020 x, hint: [], from ip: , more"), None);
}
