//! `mailbell why`: letters through a real Dovecot, and what the command says of each.

use super::world::{Setup, World, address, password, said};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

const SUBSCRIPTIONS: &str = "[[account.subscription]]\nfolders = [\"INBOX\"]\n\
                             [[account.subscription]]\nfolders = [\"通知\"]\nurgency = \"silent\"\n\
                             [[account.subscription]]\nfolders = [\"项目/*\", \"!项目/归档\"]\n";

/// One account with folders of all kinds, not yet running.
async fn world(subscriptions: &str) -> World {
    let account = subscriptions.to_owned();
    let world = World::new(Setup { users: vec!["zhangsan"], account, ..Setup::default() }).await;
    for folder in ["通知", "项目/甲", "项目/归档", "客户"] {
        world.dovecot.doveadm(&["mailbox", "create", "-u", &address("zhangsan"), folder]).unwrap();
    }
    world
}

fn save(world: &World, folder: &str, subject: &str) {
    let mail = format!(
        "From: =?utf-8?B?5p2O5Zub?= <lisi@partner.example>\r\nMessage-ID: <{subject}@x>\r\nSubject: {subject}\r\n\r\nx\r\n"
    );
    world.dovecot.doveadm_with(&["save", "-u", &address("zhangsan"), "-m", folder], mail.as_bytes()).unwrap();
}

/// Puts a mail of three days ago into the INBOX, as an import does: INTERNALDATE comes with it.
fn append_old(world: &World, subject: &str) {
    let then = jiff::Zoned::now() - jiff::ToSpan::hours(72);
    let mail = format!("From: lisi@partner.example\r\nMessage-ID: <{subject}@x>\r\nSubject: {subject}\r\n\r\nx\r\n");
    let (login, password) = (address("zhangsan"), password("zhangsan"));
    let date = then.strftime("%d-%b-%Y %H:%M:%S %z");
    let said = format!(
        "a LOGIN {login} \"{password}\"\r\nb APPEND INBOX \"{date}\" {{{}+}}\r\n{mail}\r\nc LOGOUT\r\n",
        mail.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", world.dovecot.imap_port())).unwrap();
    stream.write_all(said.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("b OK"), "{answer}");
}

fn why(world: &World, args: &[&str]) -> Value {
    let account = address("zhangsan");
    let (code, text) = said(world, &[&["why", &account, "--json"], args].concat());
    assert_eq!(code, 0, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn why_text(world: &World, lang: &str, args: &[&str]) -> String {
    let account = address("zhangsan");
    let (code, text) = said(world, &[&["why", &account, "--lang", lang], args].concat());
    assert_eq!(code, 0, "{text}");
    text
}

/// Waits until the ledger says this of the only letter with this subject.
async fn comes_to(world: &World, subject: &str, outcome: &str) -> Value {
    let mut letter = Value::Null;
    world
        .until(&format!("{subject} is {outcome}"), async || {
            letter = why(world, &["--subject", subject])["letters"][0].clone();
            letter["recipients"][0]["outcome"] == outcome
        })
        .await;
    letter
}

fn holds(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_announced_alone_and_its_copy_elsewhere() {
    let mut world = world(SUBSCRIPTIONS).await;
    world.run().await;
    save(&world, "INBOX", "quotation-1");
    world.sees("zhangsan", &["quotation-1"]).await;
    let letter = comes_to(&world, "Quotation-1", "alone").await;
    assert_eq!((&letter["folder"], &letter["subscription"]), (&json!("INBOX"), &json!(1)));
    assert_eq!(letter["letter"]["from_address"], "lisi@partner.example");
    assert_eq!((&letter["late"], &letter["silence"]), (&json!([]), &Value::Null));
    let told = &letter["recipients"][0];
    assert_eq!((&told["recipient"], &told["tries"], &told["state"]), (&json!("zhangsan"), &json!(1), &json!("sent")));
    holds(
        &why_text(&world, "en", &["--from", "李四"]),
        &[
            "李四 <lisi@partner.example>",
            "\"quotation-1\"",
            "found in \"INBOX\"",
            "taken by subscription 1 (INBOX)",
            "zhangsan: announced alone at ",
        ],
    );
    holds(
        &why_text(&world, "zh-CN", &[]),
        &["“quotation-1”", "在文件夹“INBOX”中发现，属于第 1 个订阅（INBOX）", "zhangsan：", "单独提醒（到达后 "],
    );
    // The same mail, filed by a rule: it is one letter, and is announced once.
    save(&world, "项目/甲", "quotation-1");
    world.until("both are in the ledger", async || why(&world, &[])["letters"].as_array().unwrap().len() == 2).await;
    let copy = why(&world, &["--limit", "1"]);
    assert_eq!(copy["more"], true);
    let told = &copy["letters"][0]["recipients"][0];
    assert_eq!((&told["outcome"], &told["folder"]), (&json!("known"), &json!("INBOX")), "{copy}");
    holds(&why_text(&world, "en", &[]), &["not announced again: the same letter as the one found in \"INBOX\" at "]);
    holds(&why_text(&world, "zh-CN", &[]), &["不再提醒：与 ", "在文件夹“INBOX”中发现的是同一封"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_nobody_is_told_of_have_their_reason() {
    let mut world = world(SUBSCRIPTIONS).await;
    save(&world, "INBOX", "there-before");
    world.run().await;
    save(&world, "通知", "newsletter");
    let mut letter = Value::Null;
    world
        .until("the newsletter is found", async || {
            letter = why(&world, &["--subject", "newsletter"])["letters"][0].clone();
            !letter.is_null()
        })
        .await;
    assert_eq!((&letter["silence"], &letter["recipients"]), (&json!("silent"), &json!([])));
    holds(&why_text(&world, "en", &[]), &["not announced: subscription 2 says urgency = \"silent\""]);
    holds(&why_text(&world, "zh-CN", &[]), &["不提醒：第 2 个订阅设了 urgency = \"silent\""]);
    // In folders that no subscription takes, or that one leaves out.
    save(&world, "客户", "not-taken");
    save(&world, "项目/归档", "left-out");
    let unknown = why(&world, &["--subject", "not-taken"]);
    assert_eq!(unknown["letters"], json!([]));
    let of = |report: &Value| (report["unknown"][0]["cause"].clone(), report["unknown"][0]["folder"].clone());
    assert_eq!(of(&unknown), (json!("not_subscribed"), json!("客户")), "{unknown}");
    let left_out = why(&world, &["--subject", "left-out"]);
    assert_eq!(of(&left_out), (json!("not_subscribed"), json!("项目/归档")));
    assert_eq!(left_out["unknown"][0]["left_out_by"], "!项目/归档");
    holds(
        &why_text(&world, "en", &["--subject", "not-taken"]),
        &["is in \"客户\"; the ledger does not know it", "no subscription takes this folder", "folders = [\"客户\"]"],
    );
    holds(
        &why_text(&world, "zh-CN", &["--subject", "left-out"]),
        &["没有订阅包含该文件夹", "从 folders 中去掉 \"!项目/归档\""],
    );
    let before = why(&world, &["--from", "lisi@", "--subject", "there-before"]);
    assert_eq!(of(&before), (json!("before_binding"), json!("INBOX")), "{before}");
    holds(&why_text(&world, "en", &["--subject", "there-before"]), &["it was there before watching the folder began"]);
    // Asked for everything, the account is looked at only if that is wanted.
    assert_eq!(why(&world, &[])["looked"], Value::Null);
    let all = why(&world, &["--look"]);
    let mut causes: Vec<_> = all["unknown"].as_array().unwrap().iter().map(|u| u["cause"].as_str().unwrap()).collect();
    causes.sort_unstable();
    assert_eq!(causes, ["before_binding", "not_subscribed", "not_subscribed"]);
    assert_eq!(all["looked"]["folders"], 5, "{all}");
    let flags = world.dovecot.doveadm(&["fetch", "-u", &address("zhangsan"), "flags", "all"]).unwrap();
    assert!(!flags.contains("Seen"), "{flags}");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_of_a_stop_come_in_a_digest_and_old_or_read_ones_not_at_all() {
    let mut world = world("folders = [\"INBOX\"]").await;
    world.run().await;
    world.stop().await;
    for n in 1..=3 {
        save(&world, "INBOX", &format!("pause-{n}."));
    }
    save(&world, "INBOX", "read-elsewhere");
    let of = ["HEADER", "Subject", "read-elsewhere"];
    let seen = ["flags", "add", "-u", &address("zhangsan"), "\\Seen", "mailbox", "INBOX"];
    world.dovecot.doveadm(&[&seen[..], &of].concat()).unwrap();
    // Without a service the store itself is asked, and the account says that they are there.
    let waiting = why(&world, &["--subject", "pause-2."]);
    assert_eq!(waiting["unknown"][0]["cause"], "not_looked_at", "{waiting}");
    holds(&why_text(&world, "en", &["--subject", "pause-2."]), &["not found yet", "once mailbell run starts"]);
    world.run().await;
    let letter = comes_to(&world, "pause-2.", "digest").await;
    assert_eq!(letter["recipients"][0]["letters"], 3, "{letter}");
    holds(&why_text(&world, "en", &["--subject", "pause-2."]), &["announced in a digest of 3 at "]);
    holds(&why_text(&world, "zh-CN", &["--subject", "pause-2."]), &["在 3 封的汇总中提醒"]);
    let read = why(&world, &["--subject", "read-elsewhere"]);
    assert_eq!(read["letters"][0]["silence"], "seen", "{read}");
    holds(&why_text(&world, "zh-CN", &["--subject", "read-elsewhere"]), &["不提醒：发现时已在别处读过"]);
    append_old(&world, "from-the-archive");
    let mut old = Value::Null;
    world
        .until("the old letter is found", async || {
            old = why(&world, &["--subject", "from-the-archive"])["letters"][0].clone();
            !old.is_null()
        })
        .await;
    assert_eq!((&old["silence"], &old["recipients"]), (&json!("old"), &json!([])));
    holds(
        &why_text(&world, "en", &["--subject", "archive"]),
        &["not announced: received more than an hour before the folder's last look"],
    );
    let all = why_text(&world, "en", &[]);
    assert_eq!(all.matches("\n    zhangsan: announced in a digest of 3 at ").count(), 3, "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_found_and_wrong_words_are_told() {
    let world = world("").await;
    let account = address("zhangsan");
    let (code, text) = said(&world, &["why", &account, "--lang", "en"]);
    assert!(code == 1 && text.contains("there is no store in") && text.lines().count() == 1, "{text}");
    assert!(!world.dir.path().join("state").exists(), "asking makes no store");
    let (code, text) = said(&world, &["why", "zhangsna@corp.example", "--lang", "zh-CN"]);
    assert_eq!((code, text.trim()), (2, "没有邮箱 zhangsna@corp.example；是否想写 zhangsan@corp.example？"));
    for wrong in [&["--since", "yesterday"][..], &["--since", "0s"], &["--limit", "0"]] {
        assert_eq!(said(&world, &[&["why", &account], wrong].concat()).0, 2, "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_cannot_be_looked_at_is_told_with_what_to_do() {
    let mut world = world("").await;
    world.run().await;
    let nothing = why(&world, &["--subject", "nowhere"]);
    assert_eq!((&nothing["letters"], &nothing["unknown"]), (&json!([]), &json!([])));
    holds(&why_text(&world, "en", &["--subject", "nowhere"]), &["has no letter that fits", "looked into 5 folder(s)"]);
    holds(&why_text(&world, "zh-CN", &[]), &["没有符合的邮件记录", "--look"]);
    let text = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, text.replace("secret of zhangsan", "hunter2")).unwrap();
    let (code, text) = said(&world, &["why", &address("zhangsan"), "--subject", "x", "--lang", "zh-CN"]);
    assert!(code == 1 && text.contains("无法查看邮箱") && text.contains("登录被拒绝"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}
