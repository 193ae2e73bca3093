//! Subscriptions as a company writes them (the example of the README), against a real Dovecot: the right people, loud,
//! quiet or not at all; new rules without a new connection; mutes.

use super::world::{Setup, World, address, password, said};
use mailbell::demo::lmtp;
use serde_json::Value;
use std::path::Path;

/// The example of the README, on this world's server and sandbox, with `loud` in place of its quiet hours.
fn config(world: &World, hours: &str) -> String {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let example = readme.split("```toml\n").find(|block| block.contains("[recipients.oncall]")).unwrap();
    let example = example.split("```").next().unwrap();
    let mut text = std::fs::read_to_string(&world.file).unwrap();
    text.truncate(text.find("[[account]]").unwrap_or(text.len()));
    if let Some(old) = text.find("[alerts]") {
        text.truncate(old);
    }
    for line in example.lines() {
        let bare = line.split('#').next().unwrap().trim_end();
        let line = match bare {
            "provider = \"exmail\"" => "provider = \"test\"".to_owned(),
            bare if bare.starts_with("quiet_hours = [\"22:00") => format!("quiet_hours = {hours}"),
            bare if bare.starts_with("password = ") => {
                let user = bare.split('"').nth(1).unwrap().split('.').next().unwrap();
                format!("password = \"{}\"", password(user))
            }
            bare => bare.to_owned(),
        };
        text += &format!("{line}\n");
    }
    text
}

async fn world() -> World {
    let users = vec!["zhangsan", "lisi", "wangwu", "support"];
    let mut world = World::new(Setup { users, ..Setup::default() }).await;
    for folder in ["项目/甲", "项目/乙", "项目/归档", "财务/报销", "财务/发票"] {
        world.dovecot.doveadm(&["mailbox", "create", "-u", &address("zhangsan"), folder]).unwrap();
    }
    std::fs::write(&world.file, config(&world, "[]")).unwrap();
    world.run().await;
    world
}

fn mail(from: &str, subject: &str, more: &str) -> Vec<u8> {
    format!("From: {from}\r\nTo: x@corp.example\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n{more}\r\n")
        .into_bytes()
}

async fn deliver(world: &World, to: &str, mail: &[u8]) {
    lmtp::deliver(world.dovecot.lmtp_addr(), "a@partner.example", &address(to), mail).await.unwrap();
}

fn put(world: &World, folder: &str, mail: &[u8]) {
    world.dovecot.doveadm_with(&["save", "-u", &address("zhangsan"), "-m", folder], mail).unwrap();
}

/// What `why` says of a letter of zhangsan's by its subject, once it is known.
async fn why(world: &World, subject: &str) -> Value {
    let mut found = Value::Null;
    world
        .until(&format!("{subject} is in the ledger"), async || {
            let (_, text) = said(world, &["why", &address("zhangsan"), "--subject", subject, "--json"]);
            let told: Value = serde_json::from_str(&text).unwrap_or_default();
            found = told["letters"][0].clone();
            found.is_object()
        })
        .await;
    found
}

async fn logins(world: &World) -> f64 {
    let (_, text) = world.web_text("/metrics").await;
    let lines = text.lines().filter(|line| line.starts_with("mailbell_logins_total"));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

const FILE: &str = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_companys_example_does_what_its_comments_say() {
    let world = world().await;
    deliver(&world, "zhangsan", &mail("boss@corp.example", "at-once", "")).await;
    deliver(&world, "zhangsan", &mail("news@partner.example", "letter-of-news", "List-Id: <n.x>\r\n")).await;
    let body = "\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\nx\r\n--b--\r\n";
    put(&world, "财务/报销", &mail("a@partner.example", "=?utf-8?B?5Y+R56Wo?= 1", &format!("{FILE}{body}")));
    put(&world, "财务/报销", &mail("a@partner.example", "no-invoice", ""));
    put(&world, "财务/发票", &mail("a@partner.example", "=?utf-8?B?5oql6ZSA?= 2", &format!("{FILE}{body}")));
    put(&world, "项目/甲", &mail("a@partner.example", "project", ""));
    put(&world, "项目/乙", &mail("a@partner.example", "pro-2", ""));
    put(&world, "项目/归档", &mail("a@partner.example", "filed", ""));
    deliver(&world, "zhangsan", &mail("a@partner.example", "the-rest", "")).await;
    deliver(&world, "support", &mail("a@partner.example", "help", "")).await;
    world.sees("zhangsan", &["at-once", "发票 1", "报销 2", "the-rest"]).await;
    // The sandbox has everybody in department 12.
    world.sees("wangwu", &["发票 1", "报销 2", "help"]).await;
    world.sees("lisi", &["help", "external sender"]).await;
    assert_eq!(why(&world, "letter-of-news").await["silence"], "silent");
    let unmatched = why(&world, "no-invoice").await;
    assert_eq!((&unmatched["silence"], &unmatched["subscription"]), (&"unmatched".into(), &0.into()));
    let project = why(&world, "project").await;
    assert_eq!((&project["subscription"], &project["recipients"][0]["outcome"]), (&4.into(), &"held".into()));
    let (_, text) = said(&world, &["why", &address("zhangsan"), "--subject", "no-invoice", "--lang", "zh-CN"]);
    assert!(text.contains("没有订阅的条件与它相符") && text.contains("订阅 3 的条件 subject 不符"), "{text}");
    let text = world.chat_text("zhangsan").await;
    for word in ["letter-of-news", "no-invoice", "project", "filed", "help"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_hours_and_rules_need_no_new_connection() {
    let world = world().await;
    deliver(&world, "zhangsan", &mail("a@partner.example", "loud", "")).await;
    world.sees("zhangsan", &["loud"]).await;
    let before = logins(&world).await;
    std::fs::write(&world.file, config(&world, "[\"daily\"]")).unwrap();
    world.signal("HUP");
    world.until("the config was read", async || world.log().contains("the config was read anew")).await;
    deliver(&world, "zhangsan", &mail("a@partner.example", "quiet", "")).await;
    deliver(&world, "zhangsan", &mail("boss@corp.example", "boss-in-the-night", "")).await;
    world.sees("zhangsan", &["boss-in-the-night"]).await;
    assert_eq!(why(&world, "quiet").await["recipients"][0]["outcome"], "held");
    // Others are told now, of another subject.
    let text = config(&world, "[]").replace("subject = [\"发票\", \"报销\"]", "subject = [\"付款\"]");
    std::fs::write(&world.file, text).unwrap();
    world.signal("HUP");
    world.until("it was read again", async || world.log().matches("the config was read anew").count() == 2).await;
    let body = "\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\nx\r\n--b--\r\n";
    deliver(&world, "zhangsan", &mail("a@partner.example", "=?utf-8?B?5LuY5qy+?= 2", &format!("{FILE}{body}"))).await;
    world.sees("wangwu", &["付款 2"]).await;
    world.sees("zhangsan", &["付款 2"]).await;
    assert_eq!(logins(&world).await, before, "the connections went on");
    assert!(!world.chat_text("zhangsan").await.contains("quiet\n"), "it waits for its time");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_muted_is_not_told_until_it_is_unmuted() {
    let world = world().await;
    let done = |args: &[&str]| {
        let (code, text) = said(&world, args);
        assert_eq!(code, 0, "{text}");
        text
    };
    done(&["mute", "zhangsan", "--sender", "@spam.example", "--for", "2h"]);
    done(&["mute", "zhangsan", "--thread", "<root@x>", "--for", "2h"]);
    let list: Value = serde_json::from_str(&done(&["mutes", "--json"])).unwrap();
    assert_eq!(list["mutes"].as_array().unwrap().len(), 2, "{list}");
    assert_eq!((&list["mutes"][0]["what"], &list["mutes"][0]["value"]), (&"sender".into(), &"@spam.example".into()));
    deliver(&world, "zhangsan", &mail("a@spam.example", "spam-one", "")).await;
    deliver(&world, "zhangsan", &mail("a@partner.example", "re-root", "References: <root@x> <other@x>\r\n")).await;
    deliver(&world, "zhangsan", &mail("a@partner.example", "free", "")).await;
    world.sees("zhangsan", &["free"]).await;
    assert_eq!(why(&world, "spam-one").await["recipients"][0]["outcome"], "muted");
    assert_eq!(why(&world, "re-root").await["recipients"][0]["outcome"], "muted");
    done(&["unmute", "zhangsan", "--all"]);
    deliver(&world, "zhangsan", &mail("a@spam.example", "spam-two", "")).await;
    world.sees("zhangsan", &["spam-two"]).await;
    // A vacation: only what is urgent rings.
    done(&["mute", "zhangsan", "--all", "--for", "3d"]);
    deliver(&world, "zhangsan", &mail("a@partner.example", "while-away", "")).await;
    deliver(&world, "zhangsan", &mail("boss@corp.example", "boss-again", "")).await;
    world.sees("zhangsan", &["boss-again"]).await;
    assert_eq!(why(&world, "while-away").await["recipients"][0]["outcome"], "held");
    let text = world.chat_text("zhangsan").await;
    assert!(!text.contains("spam-one") && !text.contains("re-root") && !text.contains("while-away"), "{text}");
    let (code, text) = said(&world, &["mute", "zhangsan", "--for", "soon"]);
    assert!(code == 2 && text.contains("--for 2h"), "{text}");
    let (code, text) = said(&world, &["mute", "zhangsna", "--for", "2h"]);
    assert!(code == 0 && text.contains("the mute changes nothing"), "{text}");
    let (code, text) = said(&world, &["unmute", "zhangsan", "77"]);
    assert!(code == 1 && text.contains("mailbell mutes"), "{text}");
}

/// New rules are tried on what came: with a config beside the service's own, while it runs.
#[tokio::test(flavor = "multi_thread")]
async fn rules_are_tried_on_what_came() {
    let world = world().await;
    for subject in ["one", "two", "three"] {
        deliver(&world, "zhangsan", &mail("a@partner.example", subject, "")).await;
    }
    deliver(&world, "zhangsan", &mail("boss@corp.example", "from-the-boss", "")).await;
    world.sees("zhangsan", &["one", "two", "three", "from-the-boss"]).await;
    let new = world.dir.path().join("new.toml");
    let rules =
        config(&world, "[]").replace("subject = [\"发票\", \"报销\"]\nhas_attachment = true", "subject = \"t\"");
    std::fs::write(&new, rules.replace("from = [\"boss@corp.example\"]", "from = \"nobody@corp.example\"")).unwrap();
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mailbell"));
        let out =
            command.args(args).arg("--config").arg(&new).env_remove("LANG").env_remove("LC_ALL").output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let account = address("zhangsan");
    let told: Value = serde_json::from_str(&run(&["backtest", &account, "--days", "3", "--json"])).unwrap();
    assert_eq!((&told["letters"], told["differ"].as_array().unwrap().len()), (&4.into(), 3), "{told}");
    let line =
        |who: &str| told["recipients"].as_array().unwrap().iter().find(|l| l["recipient"] == who).unwrap().clone();
    assert_eq!(line("party:12")["after"]["normal"], 3, "the two with a t, and the boss");
    assert_eq!((&line("zhangsan")["before"]["urgent"], &line("zhangsan")["after"]["urgent"]), (&1.into(), &0.into()));
    let text = run(&["backtest", &account, "--lang", "zh-CN"]);
    for words in ["接收人", "按新规则", "不同的有 3 封", "from-the-boss", "urgent zhangsan (1)"] {
        assert!(text.contains(words), "{words} is missing in\n{text}");
    }
}

/// Whom WeCom refuses to reach is told to the account's people and the administrator, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_who_is_gone_is_reported() {
    let users = vec!["zhangsan", "wangwu"];
    let mut world = World::new(Setup { users, ..Setup::default() }).await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    let rules = "[[account.subscription]]\nfolders = [\"INBOX\"]\nrecipients = [\"zhangsan\", \"ghost\"]\n[[account]]\nuser = \"wangwu\"";
    let text = text.replacen("[[account]]\nuser = \"wangwu\"", rules, 1);
    std::fs::write(&world.file, text.replace("[web]", "[admin]\nrecipients = [\"wangwu\"]\n[web]")).unwrap();
    world.run().await;
    deliver(&world, "zhangsan", &mail("a@partner.example", "first", "")).await;
    world.sees("zhangsan", &["first", "发不到接收人 ghost"]).await;
    world.sees("wangwu", &["接收人收不到提醒：ghost"]).await;
    deliver(&world, "zhangsan", &mail("a@partner.example", "second", "")).await;
    world.sees("zhangsan", &["second", "发不到接收人 ghost"]).await;
}

/// Rules that change while letters stream in lose none and repeat none.
#[tokio::test(flavor = "multi_thread")]
async fn rules_change_under_load() {
    let world = world().await;
    let before = logins(&world).await;
    let mut subjects = Vec::new();
    for round in 0..6 {
        let text = match round % 2 {
            0 => config(&world, "[]"),
            _ => config(&world, "[]").replace("subject = [\"发票\", \"报销\"]", "subject = [\"付款\"]"),
        };
        std::fs::write(&world.file, text).unwrap();
        world.signal("HUP");
        for n in 0..5 {
            let subject = format!("r{round}n{n}x");
            deliver(&world, "zhangsan", &mail("a@partner.example", &subject, "")).await;
            subjects.push(subject);
        }
    }
    world.sees("zhangsan", &subjects.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(logins(&world).await, before);
}

/// Other folders by SIGHUP: where NOTIFY tells of them they ring after a new session; by IDLE they are there without one.
#[tokio::test(flavor = "multi_thread")]
async fn other_folders_are_watched_after_a_hangup() {
    for mode in ["notify", "idle"] {
        let account = format!("mode = \"{mode}\"\nfolders = [\"INBOX\", \"a*\"]");
        let mut world = World::new(Setup { users: vec!["zhangsan"], account, ..Setup::default() }).await;
        for folder in ["a", "b"] {
            world.dovecot.doveadm(&["mailbox", "create", "-u", &address("zhangsan"), folder]).unwrap();
        }
        world.run().await;
        world.mail("zhangsan", "before", "before").await;
        world.sees("zhangsan", &["before"]).await;
        let logged_in = logins(&world).await;
        let text = std::fs::read_to_string(&world.file).unwrap();
        // It was there before anybody asked for its folder.
        put(&world, "b", &mail("a@partner.example", "there-before", ""));
        std::fs::write(&world.file, text.replace("[\"INBOX\", \"a*\"]", "[\"INBOX\", \"b*\"]")).unwrap();
        world.signal("HUP");
        let names = |world: &World| {
            let status = world.status("zhangsan");
            status["folders"]
                .as_array()
                .unwrap()
                .iter()
                .map(|f| f["folder"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        world.until("b is watched", async || names(&world) == ["INBOX", "b"]).await;
        if mode == "idle" {
            assert_eq!(logins(&world).await, logged_in);
        } else {
            // Bound in the sync that follows; what comes then rings.
            world.until("it is looked at", async || world.status("zhangsan")["mode"] == "notify").await;
            let mut subjects = Vec::new();
            world
                .until("a letter in b rings", async || {
                    let subject = format!("in-b-{}", subjects.len());
                    put(&world, "b", &mail("a@partner.example", &subject, ""));
                    subjects.push(subject);
                    world.chat_text("zhangsan").await.contains("in-b-")
                })
                .await;
        }
        world.mail("zhangsan", "after", "after").await;
        world.sees("zhangsan", &["after"]).await;
        put(&world, "a", &mail("a@partner.example", "in-a", ""));
        world.mail("zhangsan", "last", "last").await;
        world.sees("zhangsan", &["last"]).await;
        let text = world.chat_text("zhangsan").await;
        assert!(!text.contains("in-a") && !text.contains("there-before"), "{mode}: {text}");
    }
}
