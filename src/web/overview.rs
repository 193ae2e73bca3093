//! The first page: what needs somebody, how much was alerted, how WeCom's limits are used.

use super::console::Console;
use super::reply::{self, Frame, page};
use super::rows::{AccountRow, tone_of};
use super::visit::Visit;
use crate::control::words::{STATES, TROUBLES, span, state_word};
use crate::control::{Selection, Status};
use crate::model::{Lang, Timestamp};
use crate::wecom::advice_on;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use jiff::tz::TimeZone;
use std::sync::Arc;

/// Accounts in trouble that are shown.
pub(super) const TROUBLED: usize = 12;
/// Of the chart: its highest bar, and from bar to bar.
const HIGHEST: u64 = 88;
const STEP: usize = 20;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    tiles: Vec<Tile>,
    troubled: Vec<AccountRow>,
    more_troubled: usize,
    bars: Vec<Bar>,
    bars_label: String,
    hours: Vec<(usize, String)>,
    channel: String,
    advice: Option<String>,
    today: u64,
    forecast: u64,
    over: bool,
    quota: String,
    held: usize,
    parked: usize,
    waiting: usize,
    open: usize,
    dead: usize,
    version: String,
    uptime: String,
}

/// How many accounts are in one state.
struct Tile {
    state: &'static str,
    word: &'static str,
    count: usize,
    tone: &'static str,
}

/// One hour.
struct Bar {
    x: usize,
    y: u64,
    height: u64,
    title: String,
}

/// What the page and its twin are asked for.
pub(super) const WANTED: Selection<'static> = Selection {
    account: None,
    state: None,
    in_trouble: true,
    text: None,
    provider: None,
    among: None,
    after: None,
    most: Some(TROUBLED),
    worst_first: true,
};

pub(super) async fn show(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    let now = console.parts.clock.now();
    let status = match console.parts.service.status(&WANTED).await {
        Ok(status) => status,
        Err(reason) => return reply::broken(&visit, &reason),
    };
    let usage = match console.parts.state.usage(now).await {
        Ok(usage) => usage,
        Err(reason) => return reply::broken(&visit, &reason),
    };
    page(&made(&visit, &status, &usage.by_hour, now.wall))
}

fn made(visit: &Visit, status: &Status, by_hour: &[u32; 24], wall: Timestamp) -> OverviewPage {
    let lang = visit.lang;
    let count = |state: &str| status.states.get(state).copied().unwrap_or_default();
    let tile = |state: &'static str| Tile {
        state,
        word: state_word(state, lang),
        count: count(state),
        tone: if count(state) > 0 { tone_of(state) } else { "" },
    };
    let in_trouble: usize = STATES.iter().take(TROUBLES).map(|state| count(state)).sum();
    let (wecom, outbox) = (&status.wecom, &status.outbox);
    let (bars, hours) = chart(by_hour, wall, &visit.settings.zone);
    let told: u64 = by_hour.iter().map(|n| u64::from(*n)).sum();
    OverviewPage {
        frame: Frame::of(visit),
        tiles: STATES.iter().map(|state| tile(state)).collect(),
        troubled: status.accounts.iter().map(|account| AccountRow::of(account, lang)).collect(),
        more_troubled: in_trouble.saturating_sub(status.accounts.len()),
        bars,
        bars_label: match lang {
            Lang::ZhCn => format!("共 {told} 人次，每根柱为一小时"),
            Lang::En => format!("{told} in all, one bar an hour"),
        },
        hours,
        channel: channel(status, lang),
        advice: status.channel.reason.as_deref().and_then(|reason| advice_on(reason, lang)).map(|a| a.to_string()),
        today: wecom.today,
        forecast: wecom.forecast,
        over: wecom.quota.is_some_and(|quota| wecom.forecast > quota),
        quota: wecom.quota.map_or_else(
            || lang.pick("未知（未设 wecom.account_cap）", "not known (wecom.account_cap is not set)").to_owned(),
            |quota| quota.to_string(),
        ),
        held: wecom.held_recipients,
        parked: wecom.parked_recipients,
        waiting: outbox.waiting,
        open: outbox.open,
        dead: outbox.dead,
        version: status.version.clone(),
        uptime: span(Some(status.uptime_seconds)),
    }
}

/// How the channel to WeCom is, in words.
fn channel(status: &Status, lang: Lang) -> String {
    match (status.channel.state.as_str(), status.channel.token_held) {
        ("resting", _) => {
            let reason = status.channel.reason.as_deref().unwrap_or_default();
            format!("{}{reason}", lang.pick("暂停发送：", "resting: "))
        }
        ("open", _) => lang.pick("正常", "open").to_owned(),
        (_, true) => lang.pick("尚未发送过", "nothing sent yet").to_owned(),
        _ => lang.pick("尚无 access_token", "no token yet").to_owned(),
    }
}

/// One bar an hour, and the hours below some of them.
fn chart(by_hour: &[u32; 24], wall: Timestamp, zone: &TimeZone) -> (Vec<Bar>, Vec<(usize, String)>) {
    let highest = u64::from(by_hour.iter().copied().max().unwrap_or_default()).max(1);
    let (mut bars, mut hours) = (Vec::new(), Vec::new());
    for (at, count) in by_hour.iter().enumerate() {
        let back = i64::try_from(23 - at).unwrap_or_default() * 3_600_000;
        let time = jiff::Timestamp::from_millisecond(wall.0 - back).unwrap_or_default().to_zoned(zone.clone());
        let hour = time.strftime("%H:00").to_string();
        let height = (u64::from(*count) * HIGHEST).div_ceil(highest);
        bars.push(Bar { x: at * STEP + 2, y: 96 - height, height, title: format!("{hour} {count}") });
        if at % 6 == 5 {
            hours.push((at * STEP + 10 - if at == 23 { 6 } else { 0 }, hour));
        }
    }
    (bars, hours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_fit_their_frame_and_their_hours() {
        let mut by_hour = [0; 24];
        by_hour[23] = 4;
        by_hour[22] = 1;
        // 2026-01-01T00:30:00Z
        let (bars, hours) = chart(&by_hour, Timestamp(1_767_227_400_000), &TimeZone::UTC);
        assert_eq!((bars[23].height, bars[22].height, bars[0].height), (HIGHEST, HIGHEST / 4, 0));
        assert!(bars.iter().all(|bar| bar.y + bar.height == 96 && bar.x + 16 <= 480));
        assert_eq!((bars[23].title.as_str(), bars[22].title.as_str()), ("00:00 4", "23:00 1"));
        assert_eq!(hours.last().map(|(_, text)| text.as_str()), Some("00:00"));
        let (bars, _) = chart(&[0; 24], Timestamp(0), &TimeZone::UTC);
        assert!(bars.iter().all(|bar| bar.height == 0));
    }
}
