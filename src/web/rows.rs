//! What pages say of accounts, letters and alerts, row by row.

use crate::control::AccountStatus;
use crate::control::words::{local, people, plain, rank, span, state_word};
use crate::health::Reason;
use crate::model::{Fate, Lang, Silence};
use crate::state::{AlertState, Story, WasTold};
use jiff::tz::TimeZone;

/// How loud a state of an account is shown.
pub(super) fn tone_of(state: &str) -> &'static str {
    match state {
        "login_refused" | "blind" => "bad",
        "waiting" => "warn",
        "watching" | "polling" => "good",
        _ => "",
    }
}

/// How loud a state of an alert is shown.
pub(super) fn alert_tone(state: AlertState) -> &'static str {
    match state {
        AlertState::Dead => "bad",
        AlertState::Again => "warn",
        AlertState::Sent => "good",
        AlertState::Ready | AlertState::Sending | AlertState::Dropped => "",
    }
}

/// The page of an account.
pub(super) fn account_link(address: &str) -> String {
    format!("/admin/accounts/{}", encoded(address))
}

/// A text as a part of a path or a value of a query.
pub(super) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// One account in a list.
pub(super) struct AccountRow {
    pub(super) address: String,
    pub(super) link: String,
    pub(super) state: String,
    pub(super) tone: &'static str,
    pub(super) proof: String,
    pub(super) why: String,
}

impl AccountRow {
    pub(super) fn of(account: &AccountStatus, lang: Lang) -> Self {
        let in_trouble = rank(&account.state) < crate::control::words::TROUBLES;
        let mode = account.why.as_deref().map(|why| Reason::of(why).text(lang).to_owned());
        let why = if in_trouble { account.last_error.as_deref().map(plain) } else { mode };
        Self {
            link: account_link(&account.account),
            address: account.account.clone(),
            state: state_word(&account.state, lang).to_owned(),
            tone: tone_of(&account.state),
            proof: span(account.proof_of_life_seconds),
            why: why.unwrap_or_default(),
        }
    }
}

/// One letter of the ledger. Who wrote it and what about only where the log may say so, too.
pub(super) struct LetterRow {
    pub(super) seen_at: String,
    pub(super) folder: String,
    pub(super) size: String,
    /// Sender and subject.
    pub(super) about: Option<String>,
    pub(super) outcomes: Vec<Outcome>,
}

/// What became of a letter for some recipients.
pub(super) struct Outcome {
    pub(super) who: String,
    pub(super) text: String,
    pub(super) tone: &'static str,
    /// The alert that it is in.
    pub(super) alert: Option<u64>,
}

impl LetterRow {
    pub(super) fn of(story: &Story, personal: bool, lang: Lang, zone: &TimeZone) -> Self {
        let item = &story.sighting.item;
        let about = personal.then(|| {
            let from = item.letter.from.name.as_deref().or(item.letter.from.address.as_deref());
            let subject = item.letter.subject.as_deref().unwrap_or(lang.pick("（无主题）", "(no subject)"));
            plain(&format!("{}{}{subject}", from.unwrap_or_default(), lang.pick("：", ": ")))
        });
        let outcomes = match &story.sighting.fate {
            Fate::Silent(silence) => {
                vec![Outcome { who: String::new(), text: silent(*silence, lang).to_owned(), tone: "", alert: None }]
            }
            Fate::Announce(_) => story
                .tellings
                .iter()
                .map(|telling| Outcome {
                    who: people(std::slice::from_ref(&telling.recipient), lang),
                    ..told(&telling.what, lang, zone)
                })
                .collect(),
        };
        Self {
            seen_at: local(story.seen_at, zone),
            folder: plain(&item.folder),
            size: bytes(item.letter.size),
            about,
            outcomes,
        }
    }
}

fn silent(silence: Silence, lang: Lang) -> &'static str {
    match silence {
        Silence::Old => lang.pick("旧邮件，不提醒", "old mail, not announced"),
        Silence::Seen => lang.pick("已在别处读过，不提醒", "read elsewhere, not announced"),
        Silence::Bound => lang.pick("绑定前已有，不提醒", "there before binding, not announced"),
        Silence::Unmatched => lang.pick("不合订阅条件，不提醒", "no subscription takes it"),
        Silence::Asked => lang.pick("订阅设为静默", "its subscription is silent"),
    }
}

fn told(what: &WasTold, lang: Lang, zone: &TimeZone) -> Outcome {
    let outcome = |text: String, tone: &'static str| Outcome { who: String::new(), text, tone, alert: None };
    let until = |zh: &str, en: &str, at| lang.pick(zh, en).replace("{}", &local(at, zone));
    match what {
        WasTold::Waits { parked: true, .. } => outcome(
            lang.pick("企业微信无法送达，稍后再试", "WeCom does not reach them; tried later").to_owned(),
            "warn",
        ),
        WasTold::Waits { until: Some(at), .. } => outcome(until("因限额等到 {}", "waits until {} (limits)", *at), ""),
        WasTold::Waits { until: None, .. } => outcome(lang.pick("待发送", "waits").to_owned(), ""),
        WasTold::Held { until: at } => outcome(until("安静时间，等到 {}", "quiet hours, until {}", *at), ""),
        WasTold::Muted { until: at } => outcome(until("已静音，到 {}", "muted until {}", *at), ""),
        WasTold::Known { .. } => outcome(lang.pick("此前已提醒过", "announced before").to_owned(), ""),
        WasTold::Unknown => outcome(lang.pick("记录已过期", "no record any more").to_owned(), ""),
        WasTold::Alert { id, state, ended_at, .. } => {
            let word = crate::control::words::alert_word(*state, lang);
            let text = ended_at.map_or_else(|| word.to_owned(), |at| format!("{word} {}", local(at, zone)));
            Outcome { alert: Some(id.0), ..outcome(text, alert_tone(*state)) }
        }
    }
}

/// A size as people say it.
fn bytes(size: u64) -> String {
    match size {
        0..1024 => format!("{size} B"),
        1024..1_048_576 => format!("{} KB", size.div_ceil(1024)),
        _ => format!("{}.{} MB", size / 1_048_576, size % 1_048_576 * 10 / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_links() {
        assert_eq!([0, 1023, 1024, 1025, 1_572_864].map(bytes), ["0 B", "1023 B", "1 KB", "2 KB", "1.5 MB"]);
        assert_eq!(account_link("a+b/c@corp.example"), "/admin/accounts/a%2Bb%2Fc%40corp.example");
        assert_eq!(encoded("项 目"), "%E9%A1%B9%20%E7%9B%AE");
    }
}
