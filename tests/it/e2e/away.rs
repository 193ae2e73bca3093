//! What a subscription's recipients see, and what people see after the service did not run for a while.

use super::world::{Setup, World, address};
use mailbell::model::Timestamp;
use mailbell::state::{State, Store};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn two_subscriptions_ring_different_people() {
    let account = "[[account.subscription]]\nfolders = [\"合同\"]\nrecipients = [\"lisi\", \"wangwu\"]\n\
                   [[account.subscription]]\nfolders = [\"INBOX\"]\n"
        .to_owned();
    let users = vec!["zhangsan", "lisi", "wangwu"];
    let mut world = World::new(Setup { users, account, ..Setup::default() }).await;
    world.dovecot.doveadm(&["mailbox", "create", "-u", &address("zhangsan"), "合同"]).unwrap();
    world.run().await;
    world.mail("zhangsan", "给本人的", "m1").await;
    let save = ["save", "-u", &address("zhangsan"), "-m", "合同"];
    let mail = "From: a@partner.example\r\nSubject: =?utf-8?B?57uZ5Yir5Lq655qE?=\r\nMessage-ID: <m2@x>\r\n\r\nx\r\n";
    let file = world.dir.path().join("mail.eml");
    std::fs::write(&file, mail).unwrap();
    world.dovecot.doveadm(&[&save[..], &[file.to_str().unwrap()]].concat()).unwrap();
    world.sees("zhangsan", &["给本人的"]).await;
    for user in ["lisi", "wangwu"] {
        world.sees(user, &["给别人的"]).await;
        assert_eq!(world.chat(user).await.len(), 1);
    }
    assert_eq!(world.chat("zhangsan").await.len(), 1);
}

/// The heartbeat is set back, as if the service had stopped three hours ago; or as a restored export leaves it.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_stop_the_letters_of_it_come_in_one_digest() {
    let mut world = World::one().await;
    world.run().await;
    world.stop().await;
    let stopped = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(3);
    let path = world.dir.path().join("state");
    let store = tokio::task::spawn_blocking(move || Store::open(&path).unwrap()).await.unwrap();
    store.beat(Timestamp(stopped.as_millisecond())).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let subjects: Vec<String> = (1..=5).map(|n| format!("停机期间第{n}封")).collect();
    for (n, subject) in subjects.iter().enumerate() {
        world.mail("zhangsan", subject, &format!("away{n}")).await;
    }
    world.start();
    world.sees("zhangsan", &subjects.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let chat = world.chat("zhangsan").await;
    assert_eq!((chat.len(), &chat[0]["msgtype"]), (1, &"text".into()), "{chat:?}");
    let content = chat[0]["content"].as_str().unwrap();
    assert!(content.starts_with("邮铃离线期间（") && content.contains("：5 封新邮件"), "{content}");
    // What comes then comes at once, and alone.
    let began = std::time::Instant::now();
    world.mail("zhangsan", "之后的一封", "after").await;
    world.sees("zhangsan", &["之后的一封"]).await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(world.chat("zhangsan").await.len(), 2);
}
