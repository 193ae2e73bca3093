//! `mailbell status` beside a running service, and beside none.

use super::world::{Setup, World, address, said};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

const STATES: [&str; 7] = ["connecting", "watching", "polling", "waiting", "blind", "login_refused", "disabled"];

fn socket(world: &World) -> PathBuf {
    world.dir.path().join("state").join("control.sock")
}

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn json(world: &World, args: &[&str]) -> Value {
    let (code, text) = said(world, &[&["status", "--json"], args].concat());
    assert_eq!(code, 0, "{text}");
    let status = serde_json::from_str(&text).unwrap();
    holds_the_contract(&status);
    status
}

/// What section 4 of the design promises to programs: these keys, of these types.
fn holds_the_contract(status: &Value) {
    let null_or = |value: &Value, fits: fn(&Value) -> bool| value.is_null() || fits(value);
    for account in status["accounts"].as_array().unwrap() {
        let of = |key: &str| account.get(key).unwrap_or_else(|| panic!("{key} is missing: {account}"));
        assert!(of("account").as_str().unwrap().contains('@'));
        assert!(STATES.contains(&of("state").as_str().unwrap()), "{account}");
        assert!(null_or(of("mode"), |m| ["notify", "idle", "poll"].contains(&m.as_str().unwrap())), "{account}");
        assert!(of("budget_left").as_u64().unwrap() <= 50 && of("connections").is_u64(), "{account}");
        assert!(of("recipients").as_array().unwrap().iter().all(Value::is_string), "{account}");
        for key in ["user", "why", "last_error", "server_alert"] {
            assert!(null_or(of(key), Value::is_string), "{key}: {account}");
        }
        for key in
            ["proof_of_life_seconds", "blind_seconds", "last_sync_seconds", "last_error_seconds", "next_try_seconds"]
        {
            assert!(null_or(of(key), Value::is_u64), "{key}: {account}");
        }
        for folder in of("folders").as_array().unwrap() {
            assert!(folder["folder"].is_string() && folder["pushed"].is_boolean(), "{folder}");
            assert!(null_or(&folder["fresh_seconds"], Value::is_u64), "{folder}");
            assert!(null_or(&folder["refused"], Value::is_string), "{folder}");
        }
    }
    let mut states: Vec<_> = status["states"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut wanted = STATES.to_vec();
    states.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(states, wanted);
    assert!(["waiting", "open", "dead"].iter().all(|key| status["outbox"][key].is_u64()));
    let wecom = &status["wecom"];
    assert!(
        ["today", "forecast", "held_recipients", "parked_recipients"].iter().all(|key| wecom[key].is_u64()),
        "{wecom}"
    );
    assert!(wecom.get("quota").is_some_and(|quota| null_or(quota, Value::is_u64)), "{wecom}");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert!(status["uptime_seconds"].is_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_told_while_they_are_watched() {
    let mut world = World::new(Setup { users: vec!["zhangsan", "lisi"], ..Setup::default() }).await;
    world.run().await;
    let status = json(&world, &["ZhangSan@Corp.Example"]);
    let accounts = status["accounts"].as_array().unwrap();
    assert_eq!(accounts.len(), 1);
    let account = &accounts[0];
    assert_eq!((&account["account"], &account["user"]), (&Value::from(address("zhangsan")), &Value::from("zhangsan")));
    assert_eq!((&account["state"], &account["last_error"]), (&Value::from("watching"), &Value::Null));
    assert!(account["mode"].is_string() && !account["why"].as_str().unwrap().is_empty(), "{account}");
    for key in ["proof_of_life_seconds", "last_sync_seconds"] {
        assert!(account[key].as_u64().unwrap() < 60, "{key}: {account}");
    }
    assert_eq!(account["connections"], 1);
    let folders = account["folders"].as_array().unwrap();
    assert_eq!((folders.len(), &folders[0]["folder"]), (1, &Value::from("INBOX")));
    assert_eq!((&folders[0]["pushed"], &folders[0]["refused"]), (&Value::from(true), &Value::Null));
    assert!(folders[0]["fresh_seconds"].as_u64().unwrap() < 60, "{account}");
    assert_eq!(status["states"]["watching"], 2);
    assert_eq!(status["channel"]["token_held"], true);
    let before = account["budget_left"].as_u64().unwrap();
    world.mail("zhangsan", "一封", "one").await;
    world.sees("zhangsan", &["一封"]).await;
    let after = json(&world, &[&address("zhangsan")])["accounts"][0]["budget_left"].as_u64().unwrap();
    assert!(after < before && before <= 50, "{before}, then {after}");
    world.until("the outbox is empty", async || json(&world, &[])["outbox"]["open"] == 0).await;
    assert_eq!(json(&world, &[])["channel"]["state"], "open");
    assert_eq!(json(&world, &["--state", "blind"])["accounts"], serde_json::json!([]));
    assert_eq!(json(&world, &["--state", "watching"])["accounts"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_read_a_table_in_their_language() {
    let mut world = World::new(Setup { users: vec!["zhangsan", "lisi"], ..Setup::default() }).await;
    world.run().await;
    let (code, text) = said(&world, &["status", "--lang", "en"]);
    assert_eq!(code, 0, "{text}");
    for word in ["zhangsan@corp.example", "watching", "2 account(s): watching 2", "WeCom: nothing sent yet", "up "] {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
    let (_, text) = said(&world, &["status", "--lang", "zh-CN", &address("lisi")]);
    for word in ["邮箱", "监视中", "接收人：lisi", "共 2 个邮箱：监视中 2", "已运行"] {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
    assert!(!text.contains("zhangsan@"), "{text}");
    let (code, text) = said(&world, &["status", "lissi@corp.example"]);
    assert_eq!((code, text.trim()), (2, "no account lissi@corp.example; did you mean lisi@corp.example?"));
    assert_eq!(said(&world, &["status", "--state", "dancing"]).0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_with_its_reason_and_first() {
    let mut world = World::new(Setup { users: vec!["lisi", "zhangsan"], ..Setup::default() }).await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, text.replace("secret of zhangsan", "hunter2")).unwrap();
    world.run().await;
    let account = json(&world, &[&address("zhangsan")])["accounts"][0].clone();
    assert_eq!(account["state"], "login_refused");
    assert!(account["last_error"].as_str().unwrap().starts_with("login: "), "{account}");
    assert!(account["next_try_seconds"].as_u64().unwrap() > 0, "{account}");
    let (_, text) = said(&world, &["status", "--lang", "en"]);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[1].starts_with("zhangsan@") && lines[1].contains("login: "), "{text}");
    assert!(lines[2].starts_with("lisi@") && lines[2].contains("watching"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    let (_, text) = said(&world, &["status", "--lang", "zh-CN"]);
    assert!(text.contains("登录被拒") && text.contains("共 2 个邮箱：登录被拒 1，监视中 1"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_changes_what_is_told() {
    let mut world = World::new(Setup { users: vec!["zhangsan", "lisi"], ..Setup::default() }).await;
    let both = std::fs::read_to_string(&world.file).unwrap();
    let cut = both.find("[[account]]\nuser = \"lisi\"").unwrap();
    std::fs::write(&world.file, &both[..cut]).unwrap();
    world.run().await;
    assert_eq!(json(&world, &[])["accounts"].as_array().unwrap().len(), 1);
    std::fs::write(&world.file, &both).unwrap();
    world.signal("HUP");
    world.until("two are watched", async || json(&world, &[])["states"]["watching"] == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_service_one_line_says_what_to_do() {
    let mut world = World::one().await;
    let one_line = |world: &World, english: &str, chinese: &str| {
        for (lang, word) in [("en", english), ("zh-CN", chinese)] {
            let (code, text) = said(world, &["status", "--lang", lang]);
            assert_eq!((code, text.trim_end().lines().count()), (1, 1), "{text}");
            assert!(text.contains(word) && text.contains("control.sock"), "{text}");
        }
    };
    one_line(&world, "no service is running here", "没有运行中的服务");
    world.run().await;
    json(&world, &[]);
    let (ended, _) = world.stop().await;
    assert!(ended.success());
    assert!(!socket(&world).exists(), "a clean stop leaves no socket");
    one_line(&world, "no service is running here", "没有运行中的服务");
    // Killed: the socket is left over, and the next start replaces it.
    world.run().await;
    world.kill();
    assert!(socket(&world).exists());
    one_line(&world, "not running any more", "服务已不在运行");
    world.run().await;
    assert_eq!(json(&world, &[])["states"]["watching"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_its_owners_alone() {
    let mut world = World::one().await;
    let state = world.dir.path().join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o750)).unwrap();
    world.run().await;
    assert_eq!((mode(&socket(&world)), mode(&state)), (0o600, 0o750));
    // Somebody else may not connect. Root may, so it is asked without that right.
    std::fs::set_permissions(socket(&world), std::fs::Permissions::from_mode(0o000)).unwrap();
    let file = world.file.to_str().unwrap().to_owned();
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-dac_override,-dac_read_search", env!("CARGO_BIN_EXE_mailbell")]);
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if !is_root {
        command = Command::new(env!("CARGO_BIN_EXE_mailbell"));
    }
    let out = command.args(["status", "--lang", "en", "--config", &file]).output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{text}");
    assert!(text.contains("not for this user") && text.contains("sudo -u"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_service_on_the_store_takes_no_socket_away() {
    let mut world = World::one().await;
    world.run().await;
    let second = world.command(&["run"]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert_eq!(json(&world, &[])["states"]["watching"], 1);
    // Two stores, two services, two sockets.
    let mut other = World::new(Setup { users: vec!["lisi"], ..Setup::default() }).await;
    other.run().await;
    assert_eq!(json(&other, &[])["accounts"][0]["account"], address("lisi"));
    assert_eq!(json(&world, &[])["accounts"][0]["account"], address("zhangsan"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_a_socket_goes_on() {
    let mut world = World::one().await;
    let state = world.dir.path().join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("control.sock"), "mine").unwrap();
    world.run().await;
    assert!(world.log().contains("no control socket") && world.log().contains("remove it"), "{}", world.log());
    world.mail("zhangsan", "照常", "n").await;
    world.sees("zhangsan", &["照常"]).await;
    assert_eq!(std::fs::read(state.join("control.sock")).unwrap(), b"mine");
}
