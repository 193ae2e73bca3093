//! Letters that the ledger does not know, by the folder's mark.

use super::*;
use crate::model::{Letter, LetterId, RawName, Sender};
use jiff::tz::TimeZone;

const NOW: Timestamp = Timestamp(1_795_312_800_000);
const HOUR: Duration = Duration::from_secs(3600);

fn listed(names: &[&str]) -> Vec<Listed> {
    let one = |name: &&str| Listed {
        raw: RawName::new(name.as_bytes()),
        separator: Some(b'/'),
        can_open: true,
        uses: Vec::new(),
        prefix: None,
    };
    names.iter().map(one).collect()
}

fn found(folder: &str, subscription: Option<usize>, uid: u32, time: Timestamp) -> Found {
    let letter = Letter {
        id: LetterId([0; 16]),
        from: Sender::default(),
        subject: None,
        time,
        size: 0,
        attachment: false,
        seen: false,
        readable: false,
        ..Letter::default()
    };
    let folder = (RawName::new(folder.as_bytes()), folder.to_owned());
    Found { folder: folder.0, shown: folder.1, subscription, uid, uid_validity: Some(3), letter }
}

fn mark(folder: &str) -> FolderMark {
    let mark = Mark {
        uid_validity: 3,
        next: 10,
        bound_at: NOW.minus(HOUR * 24 * 40),
        looked_at: NOW.minus(HOUR),
        mailbox_id: None,
    };
    FolderMark { folder: RawName::new(folder.as_bytes()), mark }
}

fn cause(found: &Found, subscriptions: &[Subscription]) -> Cause {
    let listed = listed(&["INBOX", "a", "b"]);
    Cause::of(found, subscriptions, &listed, &[mark("INBOX")], NOW)
}

#[test]
fn the_mark_says_why() {
    let inbox = [Subscription::to(&["INBOX", "a"])];
    let in_inbox = |uid, time| cause(&found("INBOX", Some(0), uid, time), &inbox);
    let looked_at = NOW.minus(HOUR);
    assert_eq!(in_inbox(10, NOW), Cause::NotLookedAt(looked_at));
    // By its UID, though it was received before: it was moved there since.
    assert_eq!(in_inbox(12, NOW.minus(HOUR * 24 * 50)), Cause::NotLookedAt(looked_at));
    assert_eq!(in_inbox(9, NOW.minus(HOUR * 2)), Cause::PassedBy);
    assert_eq!(in_inbox(9, NOW.minus(HOUR * 24 * 31)), Cause::Forgotten);
    assert_eq!(in_inbox(9, NOW.minus(HOUR * 24 * 41)), Cause::BeforeBinding(NOW.minus(HOUR * 24 * 40)));
    assert_eq!(cause(&found("a", Some(0), 1, NOW), &inbox), Cause::NotBound);
    // Numbered anew: the UID says nothing.
    let renumbered = Found { uid_validity: Some(4), ..found("INBOX", Some(0), 1, NOW) };
    assert_eq!(cause(&renumbered, &inbox), Cause::NotLookedAt(looked_at));
}

#[test]
fn the_pattern_that_leaves_a_folder_out_is_named() {
    let in_a = found("a", None, 1, NOW);
    assert_eq!(cause(&in_a, &[Subscription::to(&["INBOX"])]), Cause::NotSubscribed(None));
    assert_eq!(cause(&in_a, &[Subscription::to(&["*", "!b", "!a"])]), Cause::NotSubscribed(Some("!a".to_owned())));
    // It would not be taken without it either.
    assert_eq!(cause(&in_a, &[Subscription::to(&["INBOX", "!a"])]), Cause::NotSubscribed(None));
}

fn status(state: &str) -> AccountStatus {
    AccountStatus {
        account: "a@corp.example".to_owned(),
        user: None,
        recipients: Vec::new(),
        state: state.to_owned(),
        mode: None,
        why: None,
        proof_of_life_seconds: None,
        blind_seconds: None,
        last_sync_seconds: None,
        budget_left: 0,
        connections: 0,
        last_error: Some("connect: refused".to_owned()),
        last_error_seconds: None,
        next_try_seconds: Some(90),
        server_alert: None,
        folders: Vec::new(),
    }
}

/// What is said of a letter with this cause, in both languages.
fn said(subscriptions: &[Subscription], cause: &Cause, running: bool, status: Option<&AccountStatus>) -> [String; 2] {
    let zone = TimeZone::UTC;
    let watching = Watching { running, status, every: Duration::from_secs(300) };
    [Lang::En, Lang::ZhCn].map(|lang| {
        let voice = Voice { lang, zone: &zone, account: "a@corp.example", subscriptions, syncs_per_hour: 50 };
        voice.stranger(&found("b \"q\"", None, 1, NOW), cause, &watching).join("\n")
    })
}

fn holds(said: [String; 2], english: &str, chinese: &str) {
    let [en, zh] = said;
    assert!(en.contains(english), "{english} is missing in:\n{en}");
    assert!(zh.contains(chinese), "{chinese} is missing in:\n{zh}");
}

#[test]
fn what_to_write_is_written_out() {
    let short = [Subscription::to(&["INBOX", "项目/*"])];
    let cause = Cause::NotSubscribed(None);
    let line = "folders = [\"INBOX\", \"项目/*\", \"b \\\"q\\\"\"]";
    holds(said(&short, &cause, true, None), line, line);
    let long = [short[0].clone(), Subscription::to(&["c"])];
    holds(
        said(&long, &cause, true, None),
        "add an [[account.subscription]] with folders = [\"b \\\"q\\\"\"]",
        "添加 [[account.subscription]]，写 folders = [\"b \\\"q\\\"\"]",
    );
    holds(said(&short, &Cause::NotSubscribed(Some("!b*".to_owned())), true, None), "take \"!b*\" out", "去掉 \"!b*\"");
}

#[test]
fn the_next_look_is_told_as_it_is() {
    let short = [Subscription::to(&["INBOX"])];
    let late = Cause::NotLookedAt(NOW.minus(HOUR));
    holds(said(&short, &late, false, None), "once mailbell run starts", "启动 mailbell run 后补上");
    holds(said(&short, &late, true, None), "read the config anew", "重新加载配置");
    let watched = status("watching");
    holds(
        said(&short, &late, true, Some(&watched)),
        "within 5m; the sync budget is spent",
        "5m 之内会查看；同步次数已用完",
    );
    let blind = status("blind");
    holds(
        said(&short, &Cause::NotBound, true, Some(&blind)),
        "not watched now (blind: connect: refused), tried again in 1m30s",
        "现在没有被监视（无应答：connect: refused），1m30s 后重试",
    );
    for (cause, english, chinese) in [
        (Cause::BeforeBinding(NOW), "before watching the folder began", "开始监视该文件夹时"),
        (Cause::Forgotten, "older than the 30 days", "早于 30 天"),
        (Cause::PassedBy, "passed by without a record", "已查看过而没有记录"),
    ] {
        holds(said(&short, &cause, true, None), english, chinese);
    }
}
