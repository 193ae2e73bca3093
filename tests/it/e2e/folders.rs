//! `mailbell folders ACCOUNT` against a real Dovecot.

use super::world::{Setup, World, address, said};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

/// A world with folders of many kinds; `项目` only holds others.
async fn world(patterns: &str) -> World {
    let account = format!("folders = {patterns}");
    let world = World::new(Setup { users: vec!["zhangsan", "lisi"], account, ..Setup::default() }).await;
    for folder in ["项目/甲", "项目/归档", "客户 & 伙伴", "Junk"] {
        world.dovecot.doveadm(&["mailbox", "create", "-u", &address("zhangsan"), folder]).unwrap();
    }
    for folder in ["项目/甲", "客户 & 伙伴", "客户 & 伙伴"] {
        let mail = b"From: a@b.example\r\nSubject: x\r\n\r\nx\r\n";
        world.dovecot.doveadm_with(&["save", "-u", &address("zhangsan"), "-m", folder], mail).unwrap();
    }
    world
}

fn report(world: &World, account: &str) -> Value {
    let (code, text) = said(world, &["folders", account, "--json"]);
    assert_eq!(code, 0, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn folder(report: &Value, name: &str) -> Value {
    let all = report["folders"].as_array().unwrap();
    all.iter().find(|f| f["folder"] == name).unwrap_or_else(|| panic!("{name}: {report}")).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_folder_is_told_with_its_count_and_what_takes_it() {
    let world = world(r#"["INBOX", "项目/*", "!项目/归档", "发票*", "没有", "客户 & 伙伴"]"#).await;
    world.mail("zhangsan", "一封", "one").await;
    let report = report(&world, "ZhangSan@corp.example");
    assert_eq!(report["account"], address("zhangsan"));
    assert_eq!(report["missing"], json!(["发票*", "没有"]));
    assert_eq!(report["folders"][0]["folder"], "INBOX", "the INBOX stands first");
    let told = |name: &str| {
        let f = folder(&report, name);
        (f["messages"].clone(), f["subscription"].clone(), f["realtime"].clone(), f["can_open"].clone())
    };
    assert_eq!(told("INBOX"), (json!(1), json!("folders"), json!(true), json!(true)));
    assert_eq!(told("项目/甲"), (json!(1), json!("folders"), json!(false), json!(true)));
    assert_eq!(told("项目/归档"), (json!(0), json!(null), json!(null), json!(true)));
    assert_eq!(told("客户 & 伙伴"), (json!(2), json!("folders"), json!(false), json!(true)));
    assert_eq!(told("项目"), (json!(null), json!(null), json!(null), json!(false)));
    for key in ["special_use", "refused"] {
        assert!(folder(&report, "Junk").get(key).is_some(), "{key}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_subscriptions_are_told_by_their_number() {
    let world = world(r#"["INBOX"]"#).await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    let long = "[[account.subscription]]\nfolders = [\"项目/归档\", \"没有\"]\nrealtime = true\n\
                [[account.subscription]]\nfolders = [\"*\"]\n";
    std::fs::write(&world.file, text.replacen("folders = [\"INBOX\"]\n", long, 1)).unwrap();
    let report = report(&world, &address("zhangsan"));
    let told = |name: &str| (folder(&report, name)["subscription"].clone(), folder(&report, name)["realtime"].clone());
    assert_eq!(told("项目/归档"), (json!(1), json!(true)));
    assert_eq!(told("项目/甲"), (json!(2), json!(false)));
    assert_eq!(told("INBOX"), (json!(2), json!(true)));
    assert_eq!(told("项目"), (json!(null), json!(null)));
    assert_eq!(report["missing"], json!(["没有"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_read_a_table_in_their_language() {
    let world = world(r#"["INBOX", "项目/*", "发票*"]"#).await;
    let (code, text) = said(&world, &["folders", &address("zhangsan"), "--lang", "zh-CN"]);
    assert_eq!(code, 0, "{text}");
    for word in ["文件夹", "客户 & 伙伴", "不能打开，只含下级", "没有文件夹匹配 \"发票*\"", "共 6 个文件夹，监视 3 个"]
    {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
    let (_, text) = said(&world, &["folders", &address("zhangsan"), "--lang", "en"]);
    for word in ["taken by", "cannot be opened", "no folder matches \"发票*\"", "6 folder(s), 3 watched"] {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_the_server_refuses_does_not_hide_the_others() {
    let world = world(r#"["*"]"#).await;
    let path = ["mailbox", "path", "-u", &address("zhangsan"), "项目/甲"];
    let path = world.dovecot.doveadm(&path).unwrap();
    std::fs::set_permissions(path.trim(), std::fs::Permissions::from_mode(0o000)).unwrap();
    let report = report(&world, &address("zhangsan"));
    let refused = folder(&report, "项目/甲");
    assert!(refused["messages"].is_null() && refused["refused"].is_string(), "{refused}");
    assert_eq!(folder(&report, "客户 & 伙伴")["messages"], 2);
    let (code, text) = said(&world, &["folders", &address("zhangsan"), "--lang", "en"]);
    assert!(code == 0 && text.contains("the server refuses: "), "{text}");
    std::fs::set_permissions(path.trim(), std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_accounts_and_refused_logins_are_told_in_words() {
    let world = World::new(Setup { users: vec!["zhangsan", "lisi"], ..Setup::default() }).await;
    let (code, text) = said(&world, &["folders", "zhangsna@corp.example"]);
    assert_eq!((code, text.trim()), (2, "no account zhangsna@corp.example; did you mean zhangsan@corp.example?"));
    let (code, text) = said(&world, &["folders", "lisi", "--lang", "zh-CN"]);
    assert_eq!((code, text.trim()), (2, "没有邮箱 lisi；是否想写 lisi@corp.example？"));
    let text = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, text.replace("secret of lisi", "hunter2")).unwrap();
    for (lang, word) in [("en", "login was refused"), ("zh-CN", "登录被拒绝")] {
        let (code, text) = said(&world, &["folders", &address("lisi"), "--lang", lang]);
        assert!(code == 1 && text.contains(word) && !text.contains("hunter2"), "{text}");
    }
}
