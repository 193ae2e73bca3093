//! The service as a process: restarts, outages, signals, refusals.

use super::world::{Setup, World, address};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_between_two_mails_repeats_and_misses_nothing() {
    let mut world = World::one().await;
    world.run().await;
    world.mail("zhangsan", "停机之前", "before").await;
    world.sees("zhangsan", &["停机之前"]).await;
    let (status, took) = world.stop().await;
    assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}");
    world.mail("zhangsan", "停机之中", "while").await;
    world.run().await;
    world.sees("zhangsan", &["停机之中"]).await;
    world.mail("zhangsan", "停机之后", "after").await;
    world.sees("zhangsan", &["停机之前", "停机之中", "停机之后"]).await;
    assert_eq!(world.counts().await["duplicates"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigint_stops_too_also_while_wecom_hangs() {
    let mut world = World::one().await;
    world.run().await;
    world.control(json!({"delay_ms": 60_000})).await;
    world.mail("zhangsan", "悬着", "h").await;
    world.until("a send", async || world.counts().await["send"] == 1).await;
    world.signal("INT");
    let (status, took) = world.stop().await;
    assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}");
    world.control(json!({"delay_ms": 0})).await;
    world.run().await;
    world.sees("zhangsan", &["悬着"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_wecom_missed_is_announced_afterwards() {
    let mut world = World::one().await;
    world.run().await;
    world.control(json!({"down": true})).await;
    for n in 1..=4 {
        world.mail("zhangsan", &format!("断网{n}号"), &format!("d{n}")).await;
    }
    world.until("the outage is noticed", async || world.log().contains("does not take messages")).await;
    world.control(json!({"down": false})).await;
    world.sees("zhangsan", &["断网1号", "断网2号", "断网3号", "断网4号"]).await;
    assert_eq!(world.log().matches("does not take messages").count(), 1, "told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_are_not_seen_twice() {
    let mut world = World::one().await;
    world.run().await;
    world.control(json!({"lose_answers": 2})).await;
    world.mail("zhangsan", "回执丢失", "l").await;
    world.until("a repeat", async || world.counts().await["duplicates"].as_u64() >= Some(1)).await;
    world.sees("zhangsan", &["回执丢失"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_early_is_fetched_once_more() {
    let mut world = World::one().await;
    world.run().await;
    world.mail("zhangsan", "令牌一", "t1").await;
    world.sees("zhangsan", &["令牌一"]).await;
    assert_eq!(world.counts().await["gettoken"], 1);
    world.control(json!({"invalidate_tokens": true})).await;
    world.mail("zhangsan", "令牌二", "t2").await;
    world.sees("zhangsan", &["令牌二"]).await;
    assert_eq!(world.counts().await["gettoken"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_not_tried_again_soon_and_stops_nobody_else() {
    let mut world = World::new(Setup { users: vec!["zhangsan", "lisi"], ..Setup::default() }).await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, text.replace("secret of lisi", "hunter2")).unwrap();
    world.run().await;
    world.mail("zhangsan", "照常", "n").await;
    world.sees("zhangsan", &["照常"]).await;
    world.until("the refusal is told", async || world.log().contains("login: wrong name or password")).await;
    for n in 1..=3 {
        world.mail("zhangsan", &format!("又一封{n}号"), &format!("m{n}")).await;
        world.sees("zhangsan", &[&format!("又一封{n}号")]).await;
    }
    assert_eq!(world.dovecot.refused_logins(&address("lisi")), 1);
    assert!(!world.log().contains("hunter2") && !world.log().contains("corp.example"), "{}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_store_the_second_says_so() {
    let mut world = World::one().await;
    world.run().await;
    let second = world.command(&["run"]).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("another mailbell is running on this store"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let world = World::one().await;
    let _taken = std::net::TcpListener::bind(world.web).unwrap();
    let out = world.command(&["run"]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1));
    assert!(said.contains(&world.web.to_string()) && said.contains("in use"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_takes_in_a_new_account_and_a_bad_file_changes_nothing() {
    let mut world = World::new(Setup { users: vec!["zhangsan", "lisi"], ..Setup::default() }).await;
    let both = std::fs::read_to_string(&world.file).unwrap();
    let cut = both.find("[[account]]\nuser = \"lisi\"").unwrap();
    std::fs::write(&world.file, &both[..cut]).unwrap();
    world.run().await;
    let logins = world.dovecot.logins(&address("zhangsan"));
    std::fs::write(&world.file, "[wecom]\nnonsense = 1\n").unwrap();
    world.signal("HUP");
    world.until("the bad file is told", async || world.log().contains("the config was not applied")).await;
    world.mail("zhangsan", "还在运行", "a").await;
    world.sees("zhangsan", &["还在运行"]).await;
    std::fs::write(&world.file, format!("# a line more\n{both}")).unwrap();
    world.signal("HUP");
    world.until("lisi logs in", async || world.dovecot.logins(&address("lisi")) == 1).await;
    world.ready().await;
    world.mail("lisi", "新来的", "b").await;
    world.sees("lisi", &["新来的"]).await;
    assert_eq!(world.dovecot.logins(&address("zhangsan")), logins, "the others keep their connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_costs_nothing() {
    let mut world = World::one().await;
    world.run().await;
    world.dovecot.stop().await;
    world.dovecot.restart().await.unwrap();
    world.mail("zhangsan", "重启之后", "r").await;
    let began = Instant::now();
    world.sees("zhangsan", &["重启之后"]).await;
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_listed_pages_answer() {
    let mut world = World::one().await;
    world.run().await;
    let get = async |path: &str| {
        let answer = reqwest::get(format!("http://{}{path}", world.web)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get("/readyz").await.0, 200);
    for path in ["/", "/admin", "/wecom/callback", "/m/1", "/sandbox/messages"] {
        assert_eq!(get(path).await.0, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_told_once_and_not_asked_about_again_and_again() {
    let mut world = World::one().await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, text.replace("sandbox-secret", "hunter2")).unwrap();
    world.start();
    world.until("the refusal is told", async || world.log().contains("40001")).await;
    world.bound().await;
    for n in 1..=3 {
        world.mail("zhangsan", &format!("攒着{n}号"), &format!("k{n}")).await;
    }
    world.until("the channel is told", async || world.log().contains("does not take messages")).await;
    assert_eq!(world.counts().await["gettoken"], 1);
    assert!(!world.log().contains("hunter2"));
    world.stop().await;
    std::fs::write(&world.file, text).unwrap();
    world.run().await;
    world.sees("zhangsan", &["攒着1号", "攒着2号", "攒着3号"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_under_a_wrong_agent_id_is_sent_under_the_right_one() {
    let mut world = World::one().await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, text.replace("agent_id = 1000002", "agent_id = 7")).unwrap();
    world.run().await;
    world.mail("zhangsan", "应用填错了", "w").await;
    world.until("the refusal is told", async || world.log().contains("301002")).await;
    world.stop().await;
    std::fs::write(&world.file, text).unwrap();
    world.run().await;
    world.sees("zhangsan", &["应用填错了"]).await;
    world.mail("zhangsan", "之后的信", "n").await;
    world.sees("zhangsan", &["之后的信"]).await;
}

/// An API that takes connections and says nothing, and somebody who holds half a request to the web surface open.
#[tokio::test(flavor = "multi_thread")]
async fn silence_on_all_sides_does_not_hold_up_the_stop() {
    let mut world = World::one().await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = std::fs::read_to_string(&world.file).unwrap();
    let silent_base = format!("http://{}", silent.local_addr().unwrap());
    std::fs::write(&world.file, text.replace(&format!("http://{}", world.sandbox), &silent_base)).unwrap();
    world.start();
    world.until("the account is watched", async || world.dovecot.logins(&address("zhangsan")) == 1).await;
    let mut half = std::net::TcpStream::connect(world.web).unwrap();
    std::io::Write::write_all(&mut half, b"GET /healthz HTTP/1.1\r\nHost:").unwrap();
    let (status, took) = world.stop().await;
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_stops_nothing() {
    let mut world = World::one().await;
    world.start_logging_to(std::path::Path::new("/dev/full"));
    world.ready().await;
    world.mail("zhangsan", "日志盘满了", "f").await;
    world.sees("zhangsan", &["日志盘满了"]).await;
    let (status, _) = world.stop().await;
    assert!(status.success(), "{status}");
}

/// As logrotate does with `copytruncate`.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_cut_goes_on_from_its_beginning() {
    let mut world = World::one().await;
    world.run().await;
    let file = world.dir.path().join("mailbell.log");
    std::fs::OpenOptions::new().write(true).truncate(true).open(&file).unwrap();
    world.signal("HUP");
    world.until("a line more", async || world.log().contains("the config was read anew")).await;
    assert!(!world.log().contains('\0') && world.log().lines().count() == 1, "{:?}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn open_files_are_raised_to_what_is_allowed_and_too_few_are_told_with_the_number_to_set() {
    let mut world = World::one().await;
    world.start_with_files(100, 1000);
    world.ready().await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", world.process())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_ascii_whitespace().nth(3), Some("1000"), "{files}");
    assert!(!world.log().contains("LimitNOFILE"), "{}", world.log());
    world.stop().await;
    world.start_with_files(150, 150);
    world.ready().await;
    assert!(world.log().contains("LimitNOFILE=202"), "{}", world.log());
    world.stop().await;
}
