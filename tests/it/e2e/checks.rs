//! `check`, `test-alert` and wrong usage: what a person reads when something is wrong.

use super::world::{Setup, World, said};
use mailbell::demo::dovecot::{CertKind, Dovecot, Options as DovecotOptions};
use serde_json::json;

/// Runs `check` in both languages: it fails, and says these things.
fn fails(world: &World, english: &[&str], chinese: &[&str]) {
    for (lang, words) in [("en", english), ("zh-CN", chinese)] {
        let (code, text) = said(world, &["check", "--lang", lang]);
        assert_eq!(code, 1, "{text}");
        for word in words {
            assert!(text.contains(word), "{word} is missing in:\n{text}");
        }
    }
}

async fn with_cert(cert: CertKind) -> World {
    let dovecot = DovecotOptions { cert, ..DovecotOptions::default() };
    World::new(Setup { users: vec!["zhangsan"], dovecot, ..Setup::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_beside_a_running_service_too() {
    let mut world = World::one().await;
    let (code, text) = said(&world, &["check"]);
    assert_eq!(code, 0, "{text}");
    for word in
        ["wecom token", "wecom agent", "zhangsan@corp.example", "logged in", "watched by IDLE", "folders: INBOX"]
    {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
    assert!(!world.dir.path().join("state").exists(), "a check makes nothing");
    world.run().await;
    let (code, text) = said(&world, &["check", "--json"]);
    assert_eq!(code, 0, "{text}");
    let findings: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(findings["findings"].as_array().unwrap().iter().any(|f| f["subject"] == "store" && f["level"] == "ok"));
    assert_eq!(world.counts().await["send"], 0, "a check sends nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_told_with_what_to_do() {
    let world = World::one().await;
    let _taken = std::net::TcpListener::bind(world.web).unwrap();
    fails(&world, &["web: [web] listen", "choose another port"], &["web: [web] listen", "换一个端口"]);
    for (lang, advice) in [("en", "choose another port"), ("zh-CN", "换一个端口")] {
        let (code, text) = said(&world, &["run", "--lang", lang]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(advice), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_told_in_words() {
    fn no_ca(dovecot: &Dovecot) -> String {
        format!("port = {}\n", dovecot.imaps_port())
    }
    let unknown = World::new(Setup { users: vec!["zhangsan"], provider: Some(no_ca), ..Setup::default() }).await;
    fails(&unknown, &["not known here", "ca_file"], &["不认识的机构", "ca_file"]);
    fails(&with_cert(CertKind::Expired).await, &["has expired"], &["已过期"]);
    fails(&with_cert(CertKind::OtherHost).await, &["is not for localhost"], &["不是发给 localhost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_logins_and_missing_folders_are_told_in_words() {
    let account = "folders = [\"INBOX\", \"项目\"]".to_owned();
    let world = World::new(Setup { users: vec!["zhangsan"], account, ..Setup::default() }).await;
    fails(&world, &["no such folder: \"项目\"", "folders that exist: INBOX"], &["文件夹不存在", "已有的文件夹：INBOX"]);
    let text = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, text.replace("secret of zhangsan", "hunter2")).unwrap();
    fails(&world, &["login was refused", "授权码"], &["登录被拒绝", "客户端专用密码"]);
    assert!(!said(&world, &["check"]).1.contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_not_there_are_told_in_words() {
    let world = World::one().await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    let port = format!("port = {}", world.dovecot.imaps_port());
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    std::fs::write(&world.file, text.replace(&port, &format!("port = {closed}"))).unwrap();
    let first = format!(
        "1. Check that port and tls fit: 993 goes with tls = \"implicit\", 143 with tls = \"starttls\". Now port = {closed}"
    );
    fails(
        &world,
        &["nothing answers at localhost", "was refused", &first, "2. Check host", "3. ", "4. "],
        &["无法连接 localhost", "连接被拒绝", "1. 核对 port 和 tls", "2. 核对 host", "3. ", "4. "],
    );
    std::fs::write(&world.file, text.replace("host = \"localhost\"", "host = \"no-such-host.invalid\"")).unwrap();
    fails(&world, &["spelling of host", "nslookup"], &["无法解析", "nslookup"]);
    let plain = format!("port = {}", world.dovecot.imap_port());
    std::fs::write(&world.file, text.replace(&port, &plain)).unwrap();
    fails(&world, &["1. Check that port and tls fit", "starttls"], &["1. 核对 port 和 tls", "starttls"]);
}

/// How `check` says that the account would be watched.
fn watched(world: &World, lang: &str) -> String {
    let (code, text) = said(world, &["check", "--lang", lang]);
    assert_eq!(code, 0, "{text}");
    let line = text.lines().find(|line| line.contains("watched by") || line.contains("监视方式"));
    line.unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn how_an_account_would_be_watched_is_told_with_the_reason() {
    let account = "folders = [\"*\"]".to_owned();
    let world = World::new(Setup { users: vec!["zhangsan"], account, ..Setup::default() }).await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    let with = |lines: &str| std::fs::write(&world.file, text.replace("folders = [\"*\"]", lines)).unwrap();
    let one = "folders = [\"INBOX\"]";
    for (lines, english, chinese) in [
        (one.to_owned(), "watched by IDLE (", "监视方式：IDLE（"),
        (format!("{one}\nmode = \"poll\""), "watched by polling, every 300 s (mode = \"poll\")", "轮询，每 300 秒"),
        (format!("{one}\nmode = \"idle\""), "watched by IDLE (mode = \"idle\")", "IDLE（mode = \"idle\"）"),
    ] {
        with(&lines);
        assert!(watched(&world, "en").contains(english), "{}", watched(&world, "en"));
        assert!(watched(&world, "zh-CN").contains(chinese), "{}", watched(&world, "zh-CN"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_wecom_are_told_in_words() {
    let cases = [
        ("gettoken", 40001, "Secret", "Secret"),
        ("gettoken", 40013, "corp_id", "企业ID"),
        ("agent_get", 60020, "企业可信IP", "企业可信IP"),
        ("agent_get", 301_002, "not of the same app", "不属于同一个应用"),
    ];
    let world = World::one().await;
    for (call, errcode, english, chinese) in cases {
        world.control(json!({"fail_next": {"call": call, "errcode": errcode, "times": 2}})).await;
        fails(&world, &[&errcode.to_string(), english], &[chinese]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_alert_arrives_or_says_why_not() {
    let world = World::one().await;
    let (code, text) = said(&world, &["test-alert", "ZhangSan"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(world.chat("zhangsan").await.len(), 1);
    let (code, text) = said(&world, &["test-alert", "nobody"]);
    assert_eq!(code, 1);
    assert!(text.contains("81013") && text.contains("visible range"), "{text}");
    for (lang, word) in [("en", "write a userid"), ("zh-CN", "请写成员的 userid")] {
        let (code, text) = said(&world, &["test-alert", "no body", "--lang", lang]);
        assert_eq!(code, 2);
        assert!(text.contains(word), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_and_wrong_configs_end_with_two() {
    let world = World::one().await;
    assert_eq!(said(&world, &["frobnicate"]).0, 2);
    std::fs::write(&world.file, "[wecom]\ncorp_id = 1\n[limits]\nsyncs_per_hour = 60\n").unwrap();
    let (code, text) = said(&world, &["run"]);
    assert_eq!(code, 2);
    for word in ["mailbell.toml:2: wecom.corp_id", "mailbell.toml:4: limits.syncs_per_hour", "wecom.secret"] {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
}
