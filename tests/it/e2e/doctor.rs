//! `check` as a first-time administrator meets it: each setting of the WeCom console that is not right, told with the
//! place where it is put right.

use super::world::{World, said};
use serde_json::{Value, json};

/// Runs `check` in both languages: it ends so, and says these things in this order.
fn told(world: &World, code: i32, english: &[&str], chinese: &[&str]) {
    for (lang, words) in [("en", english), ("zh-CN", chinese)] {
        let (ended, text) = said(world, &["check", "--lang", lang]);
        assert_eq!(ended, code, "{text}");
        let mut rest = text.as_str();
        for word in words {
            let Some((_, after)) = rest.split_once(word) else { panic!("{word} is missing, or too late, in:\n{text}") };
            rest = after;
        }
        assert!(!text.contains("sandbox-secret") && !text.contains("contacts-secret"), "{text}");
    }
}

/// Adds lines to `[wecom]`.
fn with_wecom(world: &World, lines: &str) {
    let text = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, text.replacen("[wecom]\n", &format!("[wecom]\n{lines}\n"), 1)).unwrap();
}

/// Adds sections.
fn with_sections(world: &World, text: &str) {
    let mut whole = std::fs::read_to_string(&world.file).unwrap();
    whole.push_str(text);
    std::fs::write(&world.file, whole).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_is_well_nothing_is_to_be_done() {
    let world = World::one().await;
    with_wecom(&world, "account_cap = 500\ncontacts_secret = \"sandbox-contacts-secret\"");
    let (code, text) = said(&world, &["check"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("wecom members: 1 in order"), "{text}");
    assert!(text.contains("contacts sync works: the corp has 1 member(s)"), "{text}");
    assert!(!text.contains("What to do first") && !text.contains("[warning] wecom"), "{text}");
    assert_eq!(world.counts().await["send"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strange_address_is_named_with_where_to_enter_it() {
    let world = World::one().await;
    world.control(json!({"trusted_ips": ["10.0.0.5"]})).await;
    told(
        &world,
        1,
        &[
            "60020",
            "1. Open the WeCom console",
            "trusted domain",
            "企业可信IP > 配置: enter 127.0.0.1;",
            "first:\n1. enter 127.0.0.1",
        ],
        &[
            "60020",
            "1. 打开管理后台",
            "可信域名",
            "“配置”，填入 127.0.0.1；",
            "先做这些：\n1. 把 127.0.0.1 加入企业可信IP",
        ],
    );
    let (_, text) = said(&world, &["check", "--json"]);
    let told: Value = serde_json::from_str(&text).unwrap();
    assert!(told["first"][0].as_str().unwrap().contains("127.0.0.1"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_and_a_stopped_app_are_told_first_of_all() {
    let world = World::one().await;
    world.control(json!({"close_app": true})).await;
    told(
        &world,
        1,
        &["wecom token: gettoken: 40001", "first:\n1. compare wecom.corp_id", "app is enabled"],
        &["gettoken: 40001", "先做这些：\n1. 核对 wecom.corp_id", "已启用"],
    );
    world.control(json!({"close_app": false})).await;
    world.control(json!({"fail_next": {"call": "agent_get", "errcode": 50003, "times": 2}})).await;
    told(&world, 1, &["50003", "1. enable the app: 应用管理"], &["50003", "1. 启用该应用：“应用管理”"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wecom_that_is_not_there_is_the_network_s() {
    let world = World::one().await;
    world.control(json!({"down": true})).await;
    told(&world, 1, &["wecom token", "1. let this machine reach WeCom"], &["1. 让本机连得上企业微信"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_page_is_warned_of() {
    let world = World::one().await;
    with_wecom(&world, "account_cap = 500");
    world.control(json!({"home_url": "https://mail.corp.example/"})).await;
    told(
        &world,
        0,
        &["[warning] wecom agent: the app has a home page", "在微工作台中始终进入主页", "20 bytes"],
        &["[注意] wecom agent: 应用设置了主页", "在微工作台中始终进入主页", "20 字节"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_outside_the_trusted_domain_is_warned_of_and_its_people_are_looked_up() {
    let world = World::one().await;
    world.control(json!({"add_member": {"userid": "hidden", "name": "x"}})).await;
    world.control(json!({"hide_member": "hidden"})).await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    let web = "[web]\npublic_url = \"https://mail.corp.example:8443\"\nadministrators = [\"hidden\"]\n";
    std::fs::write(&world.file, text.replacen("[web]\n", web, 1)).unwrap();
    let english = "for signing in to the console with WeCom: 应用管理 > the app > 企业微信授权登录 > 设置授权回调域";
    told(
        &world,
        0,
        &["the app has no trusted domain, but the console is at mail.corp.example:8443", english, "2 in order"],
        &["应用没有可信域名，而控制台在 mail.corp.example:8443", "设置授权回调域", "都填 mail.corp.example:8443"],
    );
    world.control(json!({"redirect_domain": "mail.corp.example"})).await;
    told(&world, 0, &["has the trusted domain mail.corp.example,"], &["的可信域名是 mail.corp.example，"]);
    world.control(json!({"redirect_domain": "mail.corp.example:8443", "remove_member": "hidden"})).await;
    told(
        &world,
        1,
        &[
            "[ok]      wecom sign-in: mail.corp.example:8443",
            "unknown to WeCom, or not visible to the app: hidden ([web])",
        ],
        &["[正常] wecom sign-in: mail.corp.example:8443"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_cap_that_is_not_set_is_warned_of() {
    let world = World::one().await;
    told(
        &world,
        0,
        &["[warning] wecom quota: wecom.account_cap", "write the corp's account cap (账号上限数"],
        &["[注意] wecom quota: 没有填写 wecom.account_cap", "填写企业的账号上限数：管理后台"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn members_who_cannot_be_told_are_named_with_the_place_that_names_them() {
    let world = World::one().await;
    for userid in ["hidden", "disabled", "dormant", "quit"] {
        world.control(json!({"add_member": {"userid": userid, "name": userid}})).await;
    }
    world.control(json!({"hide_member": "hidden", "set_status": {"userid": "disabled", "status": 2}})).await;
    world.control(json!({"set_status": {"userid": "dormant", "status": 4}})).await;
    world.control(json!({"set_status": {"userid": "quit", "status": 5}})).await;
    with_sections(
        &world,
        "[admin]\nrecipients = [\"hidden\", \"disabled\", \"dormant\", \"quit\"]\n[user.Nobody]\nlang = \"en\"\n",
    );
    told(
        &world,
        1,
        &[
            "members: 1 in order",
            "disabled, so not to be told: disabled ([admin])",
            "[warning] wecom members: never signed in to WeCom: dormant ([admin])",
            "not in the corp (any more): quit ([admin])",
            "unknown to WeCom, or not visible to the app: nobody ([user.nobody])",
            "outside the app's visible range: hidden ([admin])",
            "first:\n1. put them into the app's visible range: 应用管理",
        ],
        &[
            "已被禁用",
            "尚未激活",
            "已不在企业中",
            "企业微信中没有",
            "不在应用的可见范围内",
            "先做这些：\n1. 加入应用的可见范围",
        ],
    );
    assert_eq!(world.counts().await["user_get"], 12, "each member once for each check");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_contacts_sync_tells_who_left_from_who_is_not_visible() {
    let world = World::one().await;
    world.control(json!({"add_member": {"userid": "hidden", "name": "x"}})).await;
    world.control(json!({"fail_next": {"call": "user_get", "errcode": 60111, "times": 9}})).await;
    with_wecom(&world, "contacts_secret = \"sandbox-contacts-secret\"");
    with_sections(&world, "[admin]\nrecipients = [\"hidden\", \"gone\"]\n");
    let (_, text) = said(&world, &["check"]);
    assert!(text.contains("not in the corp (any more): gone ([admin])"), "{text}");
    assert!(text.contains("visible range: zhangsan (zhangsan@corp.example), hidden ([admin])"), "{text}");
    assert_eq!(world.counts().await["user_get"], 2, "who is not on the list need not be asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn departments_and_tags_are_named_or_missed() {
    let world = World::one().await;
    with_sections(&world, "[admin]\nrecipients = [\"party:12\", \"party:99\", \"tag:3\", \"tag:98\"]\n");
    told(
        &world,
        1,
        &[
            "[ok]      wecom departments: party:12 部门12",
            "[failed]  wecom departments: unknown, or outside the app's visible range: party:99",
            "[ok]      wecom tags: tag:3 标签3",
            "[failed]  wecom tags: unknown, or outside the app's visible range: tag:98",
        ],
        &["party:12 部门12", "不存在，或不在应用的可见范围内：party:99", "tag:3 标签3", "不在应用的可见范围内：tag:98"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_of_contacts_sync_is_told_apart_from_the_app_s() {
    let world = World::one().await;
    with_wecom(&world, "contacts_secret = \"not that contacts-secre\"");
    told(
        &world,
        1,
        &[
            "wecom token: held",
            "wecom contacts: gettoken: 40001",
            "wecom.contacts_secret is the Secret on the page",
            "1 in order",
        ],
        &["wecom contacts: gettoken: 40001", "wecom.contacts_secret 要填“管理工具”"],
    );
    world.control(json!({"contacts_secret": "not that contacts-secre"})).await;
    world.control(json!({"fail_next": {"call": "user_list_id", "errcode": 60020, "times": 2}})).await;
    told(
        &world,
        1,
        &["wecom contacts: user/list_id: 60020", "trusted addresses of its own"],
        &["60020", "自己的企业可信IP"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_that_wecom_does_not_answer_are_only_warned_of() {
    let world = World::one().await;
    with_sections(&world, "[admin]\nrecipients = [\"lisi\", \"party:12\"]\n");
    // A relay that passes only what is needed for sending.
    world.control(json!({"http_status_next": {"call": "user_get", "status": 404, "times": 2}})).await;
    told(
        &world,
        0,
        &["[warning] wecom members: cannot be looked up: user/get: HTTP 404", "let it pass user/*"],
        &["[注意] wecom members: 无法核对：user/get: HTTP 404", "请放行 user/*"],
    );
    assert_eq!(world.counts().await["user_get"], 2, "and nobody else is asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_does_not_pass_the_list_of_members_is_only_warned_of() {
    let world = World::one().await;
    with_wecom(&world, "contacts_secret = \"sandbox-contacts-secret\"");
    world.control(json!({"http_status_next": {"call": "user_list_id", "status": 404, "times": 2}})).await;
    told(
        &world,
        0,
        &["[warning] wecom contacts: cannot be looked up: user/list_id: HTTP 404", "let it pass user/*"],
        &["[注意] wecom contacts: 无法核对：user/list_id: HTTP 404", "请放行 user/*"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_very_many_members_the_first_are_looked_up() {
    let world = World::one().await;
    let names: Vec<_> = (0..230).map(|n| format!("\"m{n}\"")).collect();
    with_sections(&world, &format!("[admin]\nrecipients = [{}]\n", names.join(", ")));
    for n in 0..3 {
        world.control(json!({"add_member": {"userid": format!("m{n}"), "name": "x"}})).await;
    }
    let (code, text) = said(&world, &["check"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("only the first 200 of 231 members were looked up"), "{text}");
    assert!(text.contains("m22 ([admin]) ... 196 in all"), "{text}");
    assert_eq!(world.counts().await["user_get"], 200);
}
