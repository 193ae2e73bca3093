//! Mail in, message out.

use super::world::{Setup, World, address};
use mailbell::demo::dovecot::Options as DovecotOptions;

#[tokio::test(flavor = "multi_thread")]
async fn one_mail_is_one_card_with_sender_decoded_subject_and_time() {
    let mut world = World::one().await;
    world.run().await;
    let gbk = "=?gbk?B?u+HS6c2o1qo=?=";
    let mail = format!(
        "From: =?gb2312?B?1cXI/Q==?= <zs@partner.example>\r\nTo: x@y\r\nSubject: {gbk}\r\nMessage-ID: <1@x>\r\n\
         Date: Mon, 1 Jan 2024 00:00:00 +0800\r\n\r\nx\r\n"
    );
    let before = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::get("Asia/Shanghai").unwrap());
    world.deliver("zhangsan", mail.as_bytes()).await;
    world.sees("zhangsan", &["会议通知"]).await;
    let chat = world.chat("zhangsan").await;
    assert_eq!(chat.len(), 1);
    assert_eq!(chat[0]["msgtype"], "textcard");
    assert_eq!(chat[0]["title"], "会议通知");
    assert_eq!(chat[0]["url"], "https://mail.corp.example/");
    let description = chat[0]["description"].as_str().unwrap();
    assert!(description.contains("张三 (zs@partner.example)"), "{description}");
    assert!(description.contains(&address("zhangsan")));
    let (_, time) = description.split_once("gray\">").unwrap();
    let received = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", &time[..19]).unwrap();
    let late = received.to_zoned(before.time_zone().clone()).unwrap().duration_since(&before).as_secs();
    assert!((-1..60).contains(&late), "INTERNALDATE is shown: {description}");
    assert_eq!(world.counts().await["violations"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_mails_in_one_second_are_at_most_two_messages() {
    let mut world = World::one().await;
    world.run().await;
    for n in 1..=3 {
        world.mail("zhangsan", &format!("主题{n}号"), &format!("m{n}")).await;
    }
    world.sees("zhangsan", &["主题1号", "主题2号", "主题3号"]).await;
    assert!(world.chat("zhangsan").await.len() <= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_binding_stays_silent() {
    let mut world = World::one().await;
    world.mail("zhangsan", "旧邮件", "old").await;
    world.run().await;
    world.mail("zhangsan", "新邮件一", "new").await;
    world.sees("zhangsan", &["新邮件一"]).await;
    assert!(!world.chat_text("zhangsan").await.contains("旧邮件"));
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_with_chinese_names_are_watched() {
    let account = "folders = [\"INBOX\", \"项目/*\", \"!项目/归档\"]".to_owned();
    let mut world = World::new(Setup { users: vec!["zhangsan"], account, ..Setup::default() }).await;
    let user = address("zhangsan");
    for folder in ["项目/甲", "项目/归档"] {
        world.dovecot.doveadm(&["mailbox", "create", "-u", &user, folder]).unwrap();
    }
    world.run().await;
    for (folder, subject) in [("项目/甲", "in-a"), ("项目/归档", "in-archive")] {
        let mail = format!("From: a@b.example\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n\r\nx\r\n");
        world.dovecot.doveadm_with(&["save", "-u", &user, "-m", folder], mail.as_bytes()).unwrap();
    }
    // A push in the INBOX starts a sync, and a sync looks at all folders.
    world.mail("zhangsan", "in-inbox", "i").await;
    world.sees("zhangsan", &["in-inbox", "in-a"]).await;
    let text = world.chat_text("zhangsan").await;
    assert!(text.contains("项目/甲") && !text.contains("in-archive"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_a_chinese_name_alone_is_watched_by_idle() {
    let account = "folders = [\"客户 & 伙伴\"]".to_owned();
    let mut world = World::new(Setup { users: vec!["zhangsan"], account, ..Setup::default() }).await;
    let user = address("zhangsan");
    world.dovecot.doveadm(&["mailbox", "create", "-u", &user, "客户 & 伙伴"]).unwrap();
    world.run().await;
    let mail = b"From: a@b.example\r\nSubject: in-folder\r\nMessage-ID: <f@x>\r\n\r\nx\r\n";
    world.dovecot.doveadm_with(&["save", "-u", &user, "-m", "客户 & 伙伴"], mail).unwrap();
    world.mail("zhangsan", "in-inbox", "i").await;
    world.sees("zhangsan", &["in-folder"]).await;
    assert!(!world.chat_text("zhangsan").await.contains("in-inbox"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_idle_the_renewal_finds_new_mail() {
    let dovecot = DovecotOptions { idle: false, ..DovecotOptions::default() };
    let imap = "idle_renew = \"10s\"".to_owned();
    let mut world = World::new(Setup { users: vec!["zhangsan"], dovecot, imap, ..Setup::default() }).await;
    world.run().await;
    world.mail("zhangsan", "没有推送", "p").await;
    world.sees("zhangsan", &["没有推送"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_mail_in_two_folders_is_announced_once() {
    let account = "folders = [\"*\"]".to_owned();
    let mut world = World::new(Setup { users: vec!["zhangsan"], account, ..Setup::default() }).await;
    let user = address("zhangsan");
    world.dovecot.doveadm(&["mailbox", "create", "-u", &user, "copy"]).unwrap();
    world.run().await;
    world.mail("zhangsan", "两处都有", "twice").await;
    world.sees("zhangsan", &["两处都有"]).await;
    world.dovecot.doveadm(&["copy", "-u", &user, "copy", "mailbox", "INBOX", "all"]).unwrap();
    world.mail("zhangsan", "另一封", "other").await;
    world.sees("zhangsan", &["另一封", "两处都有"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls_with_a_ca_of_ones_own() {
    fn provider(dovecot: &mailbell::demo::dovecot::Dovecot) -> String {
        let (port, ca) = (dovecot.imap_port(), dovecot.ca_file().display());
        format!("port = {port}\ntls = \"starttls\"\nca_file = '{ca}'\n")
    }
    let mut world = World::new(Setup { users: vec!["zhangsan"], provider: Some(provider), ..Setup::default() }).await;
    world.run().await;
    world.mail("zhangsan", "经 STARTTLS", "s").await;
    world.sees("zhangsan", &["经 STARTTLS"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_mail_and_an_old_one_are_not_news_and_nothing_is_marked() {
    let mut world = World::one().await;
    world.run().await;
    let user = address("zhangsan");
    let old = b"From: a@b.example\r\nSubject: imported\r\nMessage-ID: <o@x>\r\n\r\nx\r\n";
    world.dovecot.doveadm_with(&["save", "-u", &user, "-r", "2020-01-01 00:00:00", "-m", "INBOX"], old).ok();
    world.mail("zhangsan", "要提醒的", "n").await;
    world.sees("zhangsan", &["要提醒的"]).await;
    let flags = world.dovecot.doveadm(&["fetch", "-u", &user, "flags", "mailbox", "INBOX", "all"]).unwrap();
    assert!(!flags.contains("\\Seen"), "no flag changes: {flags}");
}
