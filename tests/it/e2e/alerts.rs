//! `mailbell alerts`: what the service or the store says of the outbox, and what a person decides.

use super::world::{Setup, World, address, said};
use serde_json::{Value, json};

fn list(world: &World, args: &[&str]) -> Value {
    let (code, text) = said(world, &[&["alerts", "list", "--json"], args].concat());
    assert_eq!(code, 0, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn ids(list: &Value) -> Vec<String> {
    list["alerts"].as_array().unwrap().iter().map(|alert| alert["id"].to_string()).collect()
}

fn holds(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
}

/// A member whom WeCom does not show; a letter for them, and the alert that is dead because of it.
async fn dead(world: &World, subject: &str) -> String {
    world.control(json!({ "remove_member": "zhangsan" })).await;
    world.mail("zhangsan", subject, subject).await;
    let mut found = None;
    world
        .until("the alert is dead", async || {
            let list = list(world, &["--state", "dead"]);
            let alerts = list["alerts"].as_array().unwrap();
            found = alerts.iter().find(|a| a["named"][0]["subject"] == subject).map(|a| a["id"].to_string());
            found.is_some()
        })
        .await;
    found.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_alert_is_told_sent_again_and_told_as_sent() {
    let mut world = World::one().await;
    world.run().await;
    assert_eq!(list(&world, &[])["alerts"], json!([]));
    let id = dead(&world, "拒收的一封").await;
    let (_, text) = said(&world, &["alerts", "list", "--lang", "en"]);
    holds(
        &text,
        &[
            "dead",
            "zhangsan",
            "李四: 拒收的一封",
            "81013",
            "visible range",
            &format!("{id}: "),
            "mailbell alerts retry ID",
            "dead 1",
        ],
    );
    let (_, text) = said(&world, &["alerts", "list", "--lang", "zh-CN"]);
    holds(&text, &["发送失败", "81013", "可见范围", "mailbell alerts drop 编号", "发送失败的提醒 1"]);
    let (code, text) = said(&world, &["alerts", "show", &id, "--lang", "en"]);
    assert_eq!(code, 0, "{text}");
    holds(
        &text,
        &[
            "state: dead",
            "to: zhangsan",
            "tries: 1",
            "WeCom's answer: ",
            "zhangsan@corp.example/INBOX",
            "拒收的一封",
            "request body: {",
        ],
    );
    let (_, text) = said(&world, &["status", "--lang", "en"]);
    holds(&text, &["dead 1", "mailbell alerts list", "recipients whom WeCom does not reach 1"]);
    assert_eq!(world.all_status()["wecom"]["parked_recipients"], 1);
    assert!(world.web_text("/metrics").await.1.contains("mailbell_outbox_alerts{state=\"dead\"} 1"));
    let account = address("zhangsan");
    let (_, text) = said(&world, &["why", &account, "--lang", "zh-CN"]);
    holds(&text, &["没有提醒：企业微信拒绝了提醒", "81013", "→ 解决后重新发送：mailbell alerts retry"]);

    world.control(json!({ "add_member": { "userid": "zhangsan", "name": "张三" } })).await;
    let (code, text) = said(&world, &["alerts", "retry", &id, "--lang", "en"]);
    assert_eq!(code, 0, "{text}");
    holds(
        &text,
        &[&format!("alert {id} is sent again (to zhangsan; 李四: 拒收的一封)"), "1 alert(s): they go out at once"],
    );
    world.sees("zhangsan", &["拒收的一封"]).await;
    world.until("it is settled", async || list(&world, &[])["alerts"] == json!([])).await;
    assert_eq!(ids(&list(&world, &["--state", "sent"])), [id.as_str()]);
    assert_eq!(
        world.all_status()["wecom"],
        json!({"today": 1, "forecast": world.all_status()["wecom"]["forecast"], "quota": null, "held_recipients": 0, "parked_recipients": 0})
    );
    let (code, text) = said(&world, &["alerts", "retry", &id, "--lang", "en"]);
    assert!(code == 1 && text.contains(&format!("alert {id} was sent at ")), "{text}");
    let (_, text) = said(&world, &["why", &account, "--lang", "en"]);
    holds(&text, &["zhangsan: announced alone at ", "2 tries in "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_alert_is_not_sent_and_the_ledger_remembers() {
    let mut world = World::one().await;
    world.run().await;
    let id = dead(&world, "不要了").await;
    let (code, text) = said(&world, &["alerts", "drop", "--all", "--lang", "zh-CN"]);
    assert_eq!(code, 0, "{text}");
    holds(&text, &[&format!("提醒 {id} 已放弃（接收人 zhangsan；李四：不要了）"), "共放弃 1 条；记录保留 30 天"]);
    assert_eq!(list(&world, &[])["alerts"], json!([]));
    assert_eq!(ids(&list(&world, &["--state", "dropped"])), [id.as_str()]);
    let (code, text) = said(&world, &["alerts", "retry", &id, "999999", "--lang", "en"]);
    assert_eq!(code, 1, "{text}");
    holds(&text, &["nothing to send again", &format!("alert {id} was dropped at "), "no alert 999999"]);
    let (_, text) = said(&world, &["why", &address("zhangsan"), "--lang", "en"]);
    holds(&text, &["not announced: alert", "was dropped by a person at ", "81013"]);
    let (code, text) = said(&world, &["alerts", "drop", "--all", "--lang", "en"]);
    assert_eq!((code, text.trim()), (0, "nothing to drop"));
    for wrong in [&["alerts", "retry"][..], &["alerts", "drop", "7", "--all"], &["alerts", "list", "--state", "gone"]] {
        assert_eq!(said(&world, wrong).0, 2, "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_service_the_store_itself_is_asked() {
    let mut world = World::new(Setup { users: vec!["zhangsan"], ..Setup::default() }).await;
    let (code, text) = said(&world, &["alerts", "list", "--lang", "en"]);
    assert!(code == 1 && text.contains("there is no store in"), "{text}");
    world.run().await;
    let id = dead(&world, "停机时").await;
    world.stop().await;
    assert_eq!(ids(&list(&world, &[])), [id.as_str()]);
    world.control(json!({ "add_member": { "userid": "zhangsan", "name": "张三" } })).await;
    let (code, text) = said(&world, &["alerts", "retry", "--all", "--lang", "en"]);
    assert_eq!(code, 0, "{text}");
    holds(&text, &["1 alert(s): they go out as soon as mailbell run starts"]);
    assert_eq!(list(&world, &["--state", "dead"])["alerts"], json!([]));
    world.run().await;
    world.sees("zhangsan", &["停机时"]).await;
    // A service that holds the store and has no socket is left alone.
    std::fs::remove_file(world.dir.path().join("state").join("control.sock")).unwrap();
    for (lang, words) in [("en", "nobody answers at its control socket"), ("zh-CN", "控制套接字无人应答")] {
        let (code, text) = said(&world, &["alerts", "list", "--lang", lang]);
        assert!(code == 1 && text.contains(words) && text.lines().count() == 1, "{text}");
    }
}
