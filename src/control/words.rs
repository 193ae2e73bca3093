//! Words and forms that the commands and the console share: states, time spans, times, names of recipients.

use crate::model::{AlertKind, Lang, Recipient, Timestamp};
use crate::state::AlertState;
use jiff::tz::TimeZone;

/// A text as it may reach a terminal: on one line, without control characters (a server's words may hold any) and without
/// those that turn the direction of writing.
pub fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| !turns(*c)).collect()
}

/// A time span as people say it, in its two largest units.
pub fn span(seconds: Option<u64>) -> String {
    let Some(seconds) = seconds else { return "-".to_owned() };
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{}s", seconds % 60),
        (0, _, _) => format!("{hours}h{minutes}m"),
        _ => format!("{days}d{hours}h"),
    }
}

/// A time of the wall clock as people in this zone read it, to the second.
pub fn local(time: Timestamp, zone: &TimeZone) -> String {
    written(time, zone, "%Y-%m-%d %H:%M:%S")
}

/// The same without its day where that is the day of `beside`.
pub fn local_beside(time: Timestamp, beside: Timestamp, zone: &TimeZone) -> String {
    let day = |time| written(time, zone, "%Y-%m-%d");
    if day(time) == day(beside) { written(time, zone, "%H:%M:%S") } else { local(time, zone) }
}

fn written(time: Timestamp, zone: &TimeZone, form: &str) -> String {
    let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or_default();
    time.to_zoned(zone.clone()).strftime(form).to_string()
}

/// A time of the wall clock for programs: RFC 3339, UTC.
pub fn rfc3339(time: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(time.0).unwrap_or_default().to_string()
}

/// Recipients in a few words: three by name, of more the first and how many others.
pub fn people(recipients: &[Recipient], lang: Lang) -> String {
    match recipients {
        [first, others @ ..] if others.len() > 2 => match lang {
            Lang::ZhCn => format!("{first} 等 {} 个接收人", recipients.len()),
            Lang::En => format!("{first} and {} others", others.len()),
        },
        few => few.iter().map(ToString::to_string).collect::<Vec<_>>().join(lang.pick("、", ", ")),
    }
}

/// The states of accounts by their words; what needs a person comes first.
pub const STATES: [&str; 7] = ["login_refused", "blind", "waiting", "connecting", "polling", "watching", "disabled"];
/// So many of them need a person.
pub const TROUBLES: usize = 3;

/// The place of an account's state in that order.
pub fn rank(state: &str) -> usize {
    STATES.iter().position(|word| *word == state).unwrap_or_default()
}

/// The word of a state for people.
pub fn state_word(state: &str, lang: Lang) -> &str {
    let chinese = match state {
        "connecting" => "连接中",
        "watching" => "监视中",
        "polling" => "轮询中",
        "waiting" => "等待重连",
        "blind" => "无应答",
        "login_refused" => "登录被拒",
        "disabled" => "已停用",
        other => other,
    };
    lang.pick(chinese, state)
}

/// The word of an alert's state for people.
pub fn alert_word(state: AlertState, lang: Lang) -> &'static str {
    match state {
        AlertState::Ready => lang.pick("待发送", "ready"),
        AlertState::Sending => lang.pick("发送中", "sending"),
        AlertState::Again => lang.pick("待重试", "again"),
        AlertState::Dead => lang.pick("发送失败", "dead"),
        AlertState::Sent => lang.pick("已发送", "sent"),
        AlertState::Dropped => lang.pick("已放弃", "dropped"),
    }
}

/// The word of an alert's form for people.
pub fn kind_word(kind: AlertKind, lang: Lang) -> &'static str {
    match kind {
        AlertKind::Letter => lang.pick("单封", "letter"),
        AlertKind::Digest => lang.pick("汇总", "digest"),
        AlertKind::CatchUp => lang.pick("补报", "catch-up"),
        AlertKind::Report => lang.pick("报告", "report"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_steered() {
        assert_eq!(plain("a\x1b[2Jb\r\nc\u{202e}d\u{9b}"), "a [2Jb  cd ");
    }

    #[test]
    fn a_time_stands_in_its_zone_and_without_its_day_where_that_is_known() {
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let (late, soon) = (Timestamp(1_795_191_000_000), Timestamp(1_795_191_005_000));
        assert_eq!(local(late, &zone), "2026-11-21 00:10:00");
        assert_eq!(local_beside(soon, late, &zone), "00:10:05");
        assert_eq!(local_beside(Timestamp(late.0 - 1_200_000), late, &zone), "2026-11-20 23:50:00");
        assert_eq!(rfc3339(late), "2026-11-20T16:10:00Z");
    }

    #[test]
    fn many_recipients_are_one_and_a_number() {
        let all: Vec<_> = ["a", "b", "c", "party:4"].map(|name| Recipient::parse(name).unwrap()).into();
        assert_eq!(people(&all[..1], Lang::En), "a");
        assert_eq!(people(&all[..3], Lang::ZhCn), "a、b、c");
        assert_eq!(
            (people(&all, Lang::En), people(&all, Lang::ZhCn)),
            ("a and 3 others".into(), "a 等 4 个接收人".into())
        );
    }

    #[test]
    fn spans_are_short() {
        let cases = [(0, "0s"), (59, "59s"), (61, "1m1s"), (3_700, "1h1m"), (90_000, "1d1h")];
        for (seconds, shown) in cases {
            assert_eq!(span(Some(seconds)), shown);
        }
        assert_eq!(span(None), "-");
    }
}
