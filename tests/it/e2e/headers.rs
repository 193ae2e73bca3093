//! What a header and the parts of a mail tell, through a real Dovecot and into the cards; and `mailbell explain`.

use super::world::{Setup, World, address, said};
use serde_json::{Value, json};

/// A mail with attachments whose names are written in several ways, from somebody who pretends.
const MAIL: &[u8] = b"From: =?gb2312?B?1cXI/Q==?= <zhangsan@partner.example>\r\n\
Reply-To: <boss@other.example>\r\n\
Authentication-Results: mx.corp.example; dmarc=fail header.from=partner.example\r\n\
Subject: =?utf-8?B?5ZCI5ZCM5Y+K6ZmE?= =?utf-8?B?5Lu2?=\r\n\
Message-ID: <parts@partner.example>\r\n\
MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n\
--b\r\nContent-Type: application/pdf; name=\"=?gbk?B?us/NrC5wZGY=?=\"\r\nContent-Transfer-Encoding: base64\r\n\
Content-Disposition: attachment; filename=\"=?gbk?B?us/NrC5wZGY=?=\"\r\n\r\nQUJDREVGR0hJSktM\r\n\
--b\r\nContent-Type: application/zip\r\n\
Content-Disposition: attachment; filename*0*=utf-8''%E9%99%84%E4%BB; filename*1*=%B6.zip\r\n\r\nzip\r\n\
--b\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n--b--\r\n";

async fn world() -> World {
    let world = World::new(Setup { users: vec!["zhangsan"], ..Setup::default() }).await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    let alerts = "[alerts]\nown_domains = [\"corp.example\"]\ntrusted_authserv = [\"mx.corp.example\"]\n";
    std::fs::write(&world.file, text.replace("[web]", &format!("{alerts}[web]"))).unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_names_attachments_and_tells_what_is_known_of_the_sender() {
    let mut world = world().await;
    world.run().await;
    world.deliver("zhangsan", MAIL).await;
    world
        .sees(
            "zhangsan",
            &[
                "合同及附件",
                "张三 (zhangsan@partner.example)",
                "⚠ 发件人身份验证未通过",
                "外部发件人",
                "回复将发往 boss@other.example",
                "会议邀请",
                "附件：合同.pdf (12 B)、附件.zip",
            ],
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_tells_of_a_file_what_the_service_would() {
    let world = world().await;
    let file = world.dir.path().join("mail.eml");
    std::fs::write(&file, MAIL).unwrap();
    let (account, name) = (address("zhangsan"), file.to_str().unwrap());
    let (code, text) = said(&world, &["explain", &account, name, "--json"]);
    assert_eq!(code, 0, "{text}");
    let told: Value = serde_json::from_str(&text).unwrap();
    let letter = &told["letter"];
    assert_eq!(letter["from_name"], "张三");
    assert_eq!(letter["from_address"], "zhangsan@partner.example");
    assert_eq!(letter["subject"], "合同及附件");
    assert_eq!(letter["time"], Value::Null);
    assert_eq!(letter["attachments"][0], json!({"name": "合同.pdf", "size": 12}));
    assert_eq!(letter["attachments"][1]["name"], "附件.zip");
    assert_eq!((&letter["kinds"], &letter["verdict"]), (&json!(["calendar"]), &json!("fail")));
    assert_eq!(letter["invitation"], json!({"method": "request", "start": null, "place": null}));
    assert_eq!(told["subscription"]["recipients"], json!(["zhangsan"]));
    assert_eq!((&told["alert"]["msgtype"], &told["alert"]["touser"]), (&json!("textcard"), &json!("zhangsan")));
    assert_eq!(told["alert"]["textcard"]["title"], "合同及附件");
    let (code, text) = said(&world, &["explain", &account, name, "--lang", "zh-CN"]);
    assert_eq!(code, 0, "{text}");
    for words in
        ["发件人：张三", "主题：合同及附件", "附件：合同.pdf (12 B)", "订阅 1（\"INBOX\"）：normal，发给 zhangsan"]
    {
        assert!(text.contains(words), "{words} is missing in:\n{text}");
    }
    let (code, text) = said(&world, &["explain", &account, name, "--folder", "Lists", "--lang", "en"]);
    assert!(code == 0 && text.contains("No subscription takes this folder"), "{text}");
    let (code, text) = said(&world, &["explain", "lisi@corp.example", name, "--lang", "en"]);
    assert!(code != 0 && text.contains("lisi@corp.example"), "{text}");
    let (code, text) = said(&world, &["explain", &account, "/nowhere/x.eml", "--lang", "zh-CN"]);
    assert!(code == 1 && text.contains("无法读取这封邮件"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_reading_ends_a_command_quietly() {
    let world = world().await;
    let file = world.dir.path().join("mail.eml");
    std::fs::write(&file, MAIL).unwrap();
    let (account, name) = (address("zhangsan"), file.to_str().unwrap());
    for args in [&["explain", &account, name][..], &["explain", &account, name, "--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let out = world.command(args).stdout(writer).output().unwrap();
        assert_eq!((out.status.code(), String::from_utf8_lossy(&out.stderr).as_ref()), (Some(0), ""), "{args:?}");
    }
}

/// An invitation as Exchange sends it: one of several forms of the text, in base64, its zone by the name that Windows has.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_says_what_an_invitation_wants_and_when_and_where() {
    let mut world = world().await;
    world.run().await;
    let mail =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/mail/kinds/invitation-windows-zone.eml"));
    world.deliver("zhangsan", &mail.unwrap()).await;
    world.sees("zhangsan", &["季度总结会", "会议邀请 · 2024 1月8日 周一 14:30 · 三号楼 201"]).await;
}

/// Strangers are told as such, but not twice; a name that a colleague has is not shown for anybody else.
#[tokio::test(flavor = "multi_thread")]
async fn the_card_tells_strangers_and_who_borrows_a_name() {
    let mut world = world().await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, text.replace("[alerts]\n", "[alerts]\nfirst_time_after = \"0s\"\n")).unwrap();
    world.run().await;
    let mail = |from: &str, subject: &str| {
        format!("From: {from}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x.example>\r\n\r\n").into_bytes()
    };
    let li = "=?utf-8?B?5p2O5Zub?= <lisi@corp.example>";
    world.deliver("zhangsan", &mail(li, "one")).await;
    world.sees("zhangsan", &["one", "李四 (lisi@corp.example)", "首次来信"]).await;
    world.deliver("zhangsan", &mail(li, "two")).await;
    world.sees("zhangsan", &["two"]).await;
    world.deliver("zhangsan", &mail("=?utf-8?B?5p2OIOWbmw==?= <li@other.example>", "three")).await;
    world.sees("zhangsan", &["three", "li@other.example", "⚠ 与同事同名"]).await;
    let text = world.chat_text("zhangsan").await;
    assert_eq!(text.matches("首次来信").count(), 2, "{text}");
    assert!(!text.contains("李 四"), "{text}");
}

/// A mail that is no mail at all still says when it came and where.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_header_is_announced_all_the_same() {
    let mut world = World::one().await;
    world.run().await;
    world.dovecot.doveadm_with(&["save", "-u", &address("zhangsan"), "-m", "INBOX"], b"\r\n\r\nno header\r\n").unwrap();
    world.sees("zhangsan", &["收件箱 · zhangsan@corp.example"]).await;
    let text = world.chat_text("zhangsan").await;
    assert!(text.contains("邮件头无法读取") || text.contains("（无主题）"), "{text}");
}
