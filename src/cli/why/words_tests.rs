//! Each fate that a letter can have, in both languages.

use super::*;
use crate::model::{AccountId, AlertId, Item, LetterId, LetterNo, Sender};
use crate::state::Telling;
use std::sync::Arc;

/// 2026-11-22 10:00:00 in Shanghai.
const TEN: i64 = 1_795_312_800_000;
const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;

fn at(after: i64) -> Timestamp {
    Timestamp(TEN + after)
}

fn user(name: &str) -> Recipient {
    Recipient::parse(name).unwrap()
}

/// A letter that came at ten, was found two seconds later and is to be told to these, who got this.
fn story(tellings: &[(&str, WasTold)]) -> Story {
    let letter = Letter {
        id: LetterId([1; 16]),
        from: Sender { name: Some("李四".to_owned()), address: Some("lisi@partner.example".to_owned()) },
        subject: Some("报\x1b价单".to_owned()),
        time: at(0),
        size: 1,
        attachment: false,
        seen: false,
        readable: true,
        ..Letter::default()
    };
    let folder = Arc::from("项目/甲");
    let account = AccountId::new("sales@corp.example");
    let item = Item { account, folder, letter, told_at: Timestamp(0), away: None, card: None };
    let recipients = tellings.iter().map(|(name, _)| user(name)).collect();
    let sighting = Sighting {
        item,
        uid: 7,
        subscription: 2,
        urgency: Urgency::Normal,
        fate: Fate::Announce(recipients),
        apart: Vec::new(),
    };
    let tellings = tellings.iter().map(|(name, what)| Telling { recipient: user(name), what: what.clone() }).collect();
    Story { no: LetterNo(1), sighting, seen_at: at(2 * SECOND), took_ms: 100, deferred_ms: 0, tellings }
}

/// A letter announced alone at once.
fn alert() -> WasTold {
    WasTold::Alert {
        id: AlertId(17),
        state: AlertState::Sent,
        kind: AlertKind::Letter,
        letters: 1,
        made_at: at(2 * SECOND),
        first_try: Some(at(2 * SECOND)),
        ended_at: Some(at(3 * SECOND)),
        tries: 1,
        answer: "errcode 0 ok".to_owned(),
        maybe_twice: false,
    }
}

/// The same with something else.
fn changed(change: impl FnOnce(&mut AlertState, &mut Times)) -> WasTold {
    let WasTold::Alert { id, mut state, kind, letters, made_at, answer, .. } = alert() else { panic!() };
    let mut times =
        Times { made_at, first_try: made_at, ended_at: Some(at(3 * SECOND)), tries: 1, answer, twice: false };
    change(&mut state, &mut times);
    let Times { made_at, first_try, ended_at, tries, answer, twice: maybe_twice } = times;
    WasTold::Alert {
        id,
        state,
        kind,
        letters,
        made_at,
        first_try: Some(first_try),
        ended_at,
        tries,
        answer,
        maybe_twice,
    }
}

struct Times {
    made_at: Timestamp,
    first_try: Timestamp,
    ended_at: Option<Timestamp>,
    tries: u32,
    answer: String,
    twice: bool,
}

/// The lines in both languages.
fn told(story: &Story) -> [String; 2] {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let subscriptions = [Subscription::to(&["INBOX"]), Subscription::to(&["项目/*", "!项目/归档"])];
    [Lang::En, Lang::ZhCn].map(|lang| {
        let account = "sales@corp.example";
        let voice = Voice { lang, zone: &zone, account, subscriptions: &subscriptions, syncs_per_hour: 50 };
        voice.story(story).join("\n")
    })
}

/// Each language says its words of a letter that one recipient got.
fn says(story: &Story, english: &[&str], chinese: &[&str]) {
    let [en, zh] = told(story);
    for (text, words) in [(en, english), (zh, chinese)] {
        for word in words {
            assert!(text.contains(word), "{word} is missing in:\n{text}");
        }
        assert!(!text.contains('\x1b'), "{text}");
    }
}

fn only(what: WasTold) -> Story {
    story(&[("zhangsan", what)])
}

#[test]
fn announced_alone_at_once() {
    let [en, zh] = told(&only(alert()));
    assert_eq!(
        en,
        "2026-11-22 10:00:00  李四 <lisi@partner.example>  \"报 价单\"\n    \
         found in \"项目/甲\" at 10:00:02, taken by subscription 2 (项目/*, !项目/归档)\n    \
         zhangsan: announced alone at 10:00:03 (3s after it came, alert 17)"
    );
    assert_eq!(
        zh,
        "2026-11-22 10:00:00  李四 <lisi@partner.example>  “报 价单”\n    \
         10:00:02 在文件夹“项目/甲”中发现，属于第 2 个订阅（项目/*、!项目/归档）\n    \
         zhangsan：10:00:03 单独提醒（到达后 3s，提醒 17）"
    );
}

#[test]
fn recipients_with_one_fate_are_one_line() {
    let names: Vec<String> = (0..49).map(|n| format!("user{n}")).collect();
    let mut tellings: Vec<(&str, WasTold)> = names.iter().map(|name| (name.as_str(), alert())).collect();
    tellings.push(("party:12", WasTold::Waits { until: None, parked: false }));
    let story = story(&tellings);
    assert_eq!(told(&story).map(|text| text.lines().count()), [4, 4]);
    says(
        &story,
        &["user0 and 48 others: announced alone", "party:12: not announced yet: it is due"],
        &["user0 等 49 个接收人：10:00:03 单独提醒", "party:12：尚未提醒：即将发送"],
    );
    // Each refused for itself: not a screen full of them.
    let refused = |name: &String| {
        changed(|state, times| {
            *state = AlertState::Dead;
            times.answer = format!("message/send: {name} is refused");
        })
    };
    let tellings: Vec<_> = names.iter().map(|name| (name.as_str(), refused(name))).collect();
    says(&super::tests::story(&tellings), &["... and 29 more recipients"], &["……还有 29 个接收人"]);
}

#[test]
fn late_because_mailbell_was_away_or_the_server_told_late() {
    let mut story = only(alert());
    story.sighting.item.away = Some((at(-470 * MINUTE), at(-440 * MINUTE)));
    says(
        &story,
        &["late: mailbell did not watch the account from 02:10:00 to 02:40:00"],
        &["晚到：02:10:00 至 02:40:00 期间邮铃没有监视该邮箱"],
    );
    let mut story = only(alert());
    story.seen_at = at(4 * MINUTE);
    story.took_ms = 1000;
    says(&story, &["late: the server told of it only at 10:03:59"], &["晚到：服务器 10:03:59 才告知"]);
}

#[test]
fn late_because_the_budget_was_spent() {
    let mut story = only(alert());
    (story.took_ms, story.deferred_ms) = (65_100, 65_000);
    story.seen_at = at(66 * SECOND);
    says(
        &story,
        &["late: the sync budget was spent (50 an hour at most), it waited 1m5s"],
        &["晚到：同步次数已用完（每小时最多 50 次），等待了 1m5s"],
    );
    assert!(!told(&story)[0].contains("the server told"), "the wait is ours");
}

#[test]
fn late_because_of_wecoms_limits() {
    let held = changed(|_, times| {
        times.made_at = at(40 * SECOND);
        times.first_try = at(42 * SECOND);
        times.ended_at = Some(at(43 * SECOND));
    });
    says(
        &only(held.clone()),
        &["late: held for 40s before the first try by WeCom's limits"],
        &["发送前等待了 40s：企业微信对每个成员的限额"],
    );
    let WasTold::Alert { id, state, letters, made_at, first_try, ended_at, tries, answer, maybe_twice, .. } = held
    else {
        panic!()
    };
    let kind = AlertKind::Digest;
    let digest = WasTold::Alert { id, state, kind, letters, made_at, first_try, ended_at, tries, answer, maybe_twice };
    says(
        &only(digest),
        &["first try to be put together with others, or by WeCom"],
        &["40s：与同来的邮件合并，或企业微信"],
    );
    let waits = WasTold::Waits { until: Some(at(50 * SECOND)), parked: false };
    says(&only(waits), &["not before 10:00:50", "limits per member"], &["不早于 10:00:50", "当日额度"]);
    let parked = WasTold::Waits { until: Some(at(30 * MINUTE)), parked: true };
    says(
        &only(parked),
        &["WeCom refused this recipient before", "not before 10:30:00"],
        &["企业微信曾拒绝该接收人", "不早于 10:30:00"],
    );
}

#[test]
fn gathered_for_the_digests_time() {
    let gathered = changed(|_, times| {
        times.made_at = at(5 * MINUTE);
        times.first_try = at(5 * MINUTE);
        times.ended_at = Some(at(5 * MINUTE + SECOND));
    });
    let mut story = only(gathered);
    story.sighting.urgency = Urgency::Digest;
    says(&story, &["gathered for 4m58s until the digest's time"], &["为定时汇总等待了 4m58s"]);
    assert!(!told(&story)[0].contains("limits per member"));
    let mut story = only(WasTold::Waits { until: Some(at(5 * MINUTE)), parked: false });
    story.sighting.urgency = Urgency::Digest;
    says(&story, &["gathered for the digest at 10:05:00"], &["等待 10:05:00 的定时汇总"]);
}

#[test]
fn late_because_wecom_did_not_answer_and_maybe_twice() {
    let outage = changed(|_, times| {
        times.tries = 9;
        times.ended_at = Some(at(2 * SECOND + 5 * 60 * MINUTE));
        times.twice = true;
    });
    says(
        &only(outage),
        &["announced alone at 15:00:02", "9 tries in 5h0m", "maybe shown twice: "],
        &["15:00:02 单独提醒", "5h0m 内共尝试 9 次", "可能显示了两次"],
    );
    let slow = changed(|_, times| times.ended_at = Some(at(12 * SECOND)));
    says(&only(slow), &["late: WeCom took 10s to answer"], &["企业微信 10s 后才应答"]);
    let again = changed(|state, times| {
        *state = AlertState::Again;
        (times.tries, times.ended_at) = (3, None);
        times.answer = "message/send: 60020 not allow to access from your ip".to_owned();
    });
    says(
        &only(again),
        &[
            "alert 17 was tried 3 time(s) since 10:00:02 and is tried again: message/send: 60020",
            "→ this machine's public address",
        ],
        &["自 10:00:02 起尝试了 3 次，会继续重试", "→ 本机的出口 IP"],
    );
}

#[test]
fn in_digests_and_catch_ups() {
    let of = |kind, letters| {
        let WasTold::Alert { id, state, made_at, first_try, ended_at, tries, answer, maybe_twice, .. } = alert() else {
            panic!()
        };
        only(WasTold::Alert { id, state, kind, letters, made_at, first_try, ended_at, tries, answer, maybe_twice })
    };
    says(&of(AlertKind::Digest, 14), &["announced in a digest of 14 at 10:00:03"], &["10:00:03 在 14 封的汇总中提醒"]);
    says(
        &of(AlertKind::CatchUp, 300),
        &["in a catch-up of 300 (which names the newest 20)"],
        &["在 300 封的补报中提醒"],
    );
}

#[test]
fn refused_and_given_up() {
    let refused = |state, answer: &str| {
        only(changed(|was, times| {
            (*was, times.tries, times.answer) = (state, 1, answer.to_owned());
        }))
    };
    let dead = refused(AlertState::Dead, "message/send: 81013 user & party & tag all invalid");
    says(
        &dead,
        &[
            "WeCom refused alert 17 (tries: 1): message/send: 81013",
            "→ this member does not exist",
            "mailbell alerts retry 17",
        ],
        &["企业微信拒绝了提醒 17", "→ 该成员不存在或不在应用的可见范围内", "mailbell alerts retry 17"],
    );
    // Beside others that it reached, WeCom gives no code.
    let answer = "message/send: zhangsan does not exist or is not in the app's visible range (可见范围): ok";
    says(&refused(AlertState::Dead, answer), &["→ this member does not exist"], &["→ 该成员不存在"]);
    let beside = only(changed(|was, times| {
        (*was, times.tries, times.answer) = (AlertState::Dead, 0, answer.to_owned());
        times.made_at = at(2 * MINUTE);
    }));
    says(
        &beside,
        &["a message to several did not reach this one (kept as alert 17): message/send: zhangsan does not exist"],
        &["发给多人的消息没有送达该接收人（留作提醒 17）：message/send: zhangsan"],
    );
    let dropped = refused(AlertState::Dropped, "message/send: 81013 all invalid");
    says(
        &dropped,
        &["alert 17 was dropped by a person at 10:00:03; before that: message/send: 81013"],
        &["提醒 17 于 10:00:03 被人放弃"],
    );
    assert!(!told(&dropped)[0].contains("retry"));
    // How long it took until a person decided is nobody's limit.
    let late = only(changed(|was, times| {
        (*was, times.answer) = (AlertState::Dropped, "message/send: 81013 all invalid".to_owned());
        (times.first_try, times.ended_at) = (at(2 * MINUTE), Some(at(2 * MINUTE)));
    }));
    assert!(!told(&late)[0].contains("held"), "{}", told(&late)[0]);
    says(&refused(AlertState::Sending, ""), &["just being sent (alert 17, try 1)"], &["正在发送"]);
    says(&refused(AlertState::Ready, ""), &["alert 17 is ready"], &["提醒 17 已备好"]);
}

#[test]
fn told_to_nobody() {
    let reasons = [
        (Silence::Old, "more than an hour before", "早于该文件夹上次查看之前一小时"),
        (Silence::Seen, "alert_seen = true", "已在别处读过"),
        (Silence::Bound, "numbered it anew", "开始监视该文件夹时它已在其中"),
        (Silence::Asked, "subscription 2 says urgency = \"silent\"", "第 2 个订阅设了 urgency"),
    ];
    for (silence, english, chinese) in reasons {
        let mut story = story(&[]);
        story.sighting.fate = Fate::Silent(silence);
        // An imported letter is older than its arrival here, which is no delay.
        story.seen_at = at(72 * 60 * MINUTE);
        says(&story, &["not announced: ", english], &["不提醒：", chinese]);
        assert!(!told(&story)[0].contains("late:"), "{}", told(&story)[0]);
    }
}

#[test]
fn known_as_another_letter() {
    let known = |account: Option<&str>, folder: Option<&str>| {
        let seen_at = folder.map(|_| at(-MINUTE));
        let account = account.map(AccountId::new);
        only(WasTold::Known { letter: None, account, folder: folder.map(str::to_owned), seen_at })
    };
    says(
        &known(Some("sales@corp.example"), Some("INBOX")),
        &["the same letter as the one found in \"INBOX\" at 09:59:00"],
        &["与 09:59:00 在文件夹“INBOX”中发现的是同一封"],
    );
    says(
        &known(Some("lisi@corp.example"), Some("INBOX")),
        &["found in \"INBOX\" of lisi@corp.example at 09:59:00"],
        &["在邮箱 lisi@corp.example 的文件夹“INBOX”中发现"],
    );
    says(&known(None, None), &["the same as a letter announced before"], &["已为同一封邮件提醒过"]);
    says(&only(WasTold::Unknown), &["no record tells any more"], &["没有更多记录"]);
}
