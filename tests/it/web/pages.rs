//! What pages and their twins say.

use super::bench::Bench;
use crate::support::account;
use mailbell::clock::Clock;
use mailbell::health::{AccountState, FolderHealth};
use reqwest::StatusCode;
use serde_json::Value;

fn refuse(bench: &Bench) {
    let since = bench.clock.steady();
    let folder = FolderHealth { shown: "项目/甲".into(), since, fresh_at: None, pushed: false, refused: None };
    bench.health.note(&account().id, |health| {
        health.state = AccountState::LoginRefused;
        health.last_error = Some("login: refused: Login fail. Account is abnormal".to_owned());
        health.folders = vec![folder];
    });
}

#[tokio::test]
async fn the_overview_names_who_needs_somebody() {
    let bench = Bench::new().await;
    let mut browser = bench.signed_in("lisi").await;
    let text = browser.get("/admin").await.text;
    assert!(text.contains("需要处理的邮箱") && text.contains("没有。"), "{text}");
    refuse(&bench);
    let text = browser.get("/admin").await.text;
    for word in ["zhangsan@corp.example", "登录被拒", "Account is abnormal", "未知（未设 wecom.account_cap）"]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
    let told: Value = serde_json::from_str(&browser.get("/admin/api/status").await.text).unwrap();
    assert_eq!(told["accounts"][0]["account"], "zhangsan@corp.example");
    assert_eq!((&told["states"]["login_refused"], &told["states"]["blind"]), (&Value::from(1), &Value::from(0)));
}

#[tokio::test]
async fn one_account_is_told_with_folders_and_advice() {
    let bench = Bench::new().await;
    refuse(&bench);
    let mut browser = bench.signed_in("lisi").await;
    let answer = browser.get("/admin/accounts/ZhangSan%40corp.example").await;
    assert_eq!(answer.status, StatusCode::OK);
    for word in ["项目/甲", "Account is abnormal", "imap.corp.example:993", "[log] personal = true"] {
        assert!(answer.text.contains(word), "{word}: {}", answer.text);
    }
    assert_eq!(browser.get("/admin/accounts/nobody%40corp.example").await.status, StatusCode::NOT_FOUND);
    let told = browser.get("/admin/api/accounts/zhangsan%40corp.example").await;
    let told: Value = serde_json::from_str(&told.text).unwrap();
    assert_eq!(
        (&told["watched"]["state"], &told["watched"]["folders"][0]["folder"]),
        (&Value::from("login_refused"), &Value::from("项目/甲"))
    );
}
