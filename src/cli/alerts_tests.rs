//! What people read of alerts.

use super::*;
use crate::control::OutboxStatus;
use crate::model::{Recipient, Sender, Timestamp, Urgency};

fn view(id: u64, state: AlertState, to: &[&str], answer: &str) -> AlertView {
    let from = Sender { name: Some("李\x1b[2J四".to_owned()), address: None };
    let named = Named {
        account: "a@corp.example".to_owned(),
        folder: "INBOX".to_owned(),
        from,
        subject: None,
        time: Timestamp(0),
    };
    AlertView {
        id: AlertId(id),
        state,
        kind: AlertKind::Letter,
        urgency: Urgency::Normal,
        recipients: to.iter().map(|name| Recipient::parse(name).unwrap()).collect(),
        letters: 1,
        named: vec![named],
        made_at: Timestamp(0),
        first_try: None,
        tries: 1,
        ended_at: None,
        answer: answer.to_owned(),
        maybe_twice: false,
        plain: false,
        body: None,
    }
}

fn list(alerts: Vec<AlertView>, lang: Lang) -> Vec<String> {
    let outbox = OutboxStatus { waiting: 7, open: 1, dead: 2 };
    list_text(&AlertList { alerts, outbox }, false, &TimeZone::UTC, lang)
}

#[test]
fn each_reason_stands_once_with_what_to_do() {
    let refused = "message/send: 81013 all invalid";
    let alerts = || {
        vec![
            view(9, AlertState::Ready, &["a", "b", "c", "d"], ""),
            view(8, AlertState::Dead, &["a"], refused),
            view(7, AlertState::Again, &["b"], "message/send: 99999 what is this"),
            view(6, AlertState::Dead, &["party:3"], refused),
        ]
    };
    let lines = list(alerts(), Lang::En);
    assert_eq!(lines.len(), 10, "{lines:#?}");
    assert!(
        lines[1].starts_with("9   ready  a and 3 others") && lines[1].ends_with("李 [2J四: (no subject)"),
        "{}",
        lines[1]
    );
    assert_eq!(lines[5], format!("8, 6: {refused}"));
    assert!(lines[6].starts_with("  → this member does not exist"), "{}", lines[6]);
    assert_eq!(lines[7], "7: message/send: 99999 what is this");
    assert!(lines[8].contains("mailbell alerts retry ID"), "{}", lines[8]);
    assert_eq!(lines[9], "letters waiting to become alerts 7, alerts open 1, dead 2");
    let lines = list(alerts(), Lang::ZhCn);
    assert!(lines[1].contains("a 等 4 个接收人") && lines[6].starts_with("  → 该成员不存在"), "{lines:#?}");
}

#[test]
fn an_empty_outbox_is_one_line() {
    assert_eq!(list(Vec::new(), Lang::ZhCn), ["待发邮件 7（尚未组成提醒），待发提醒 1，发送失败的提醒 2"]);
}

#[test]
fn a_digest_names_its_first_letter_and_shows_all_that_are_kept() {
    let mut digest = view(3, AlertState::Sent, &["a"], "errcode 0 ok");
    (digest.kind, digest.letters, digest.maybe_twice) = (AlertKind::Digest, 90, true);
    assert_eq!(about(&digest, Lang::En), "李 [2J四: (no subject) and 89 more");
    let shown = show_text(&digest, &TimeZone::UTC, Lang::En).join("\n");
    for words in ["state: sent", "maybe shown twice", "letters: 90", "a@corp.example/INBOX", "... and 89 more"] {
        assert!(shown.contains(words), "{words} is missing in:\n{shown}");
    }
    assert!(!shown.contains('\x1b') && !shown.contains("→"), "{shown}");
    digest.named.clear();
    assert_eq!(about(&digest, Lang::ZhCn), "（邮件的记录已过期）");
    assert_eq!(about(&AlertView { kind: AlertKind::Report, ..digest }, Lang::ZhCn), "邮箱状况报告");
}
