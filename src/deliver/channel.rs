//! Tells the administrators, once it goes on, that the channel to WeCom was stopped: while it is, nobody can be told
//! through it.

use super::Delivery;
use super::cut::cut;
use crate::model::{Lang, Now, Timestamp};
use crate::rules::line::Line;
use crate::rules::retry::Outcome;
use crate::state::Report;
use crate::wecom::advice_for;
use std::time::Duration;
use tracing::warn;

/// A stop that was over sooner is not worth a message.
const WORTH_TELLING: Duration = Duration::from_secs(60);
/// `text` (p90236).
const TEXT_BYTES: usize = 2048;

/// Puts the message into the outbox.
pub(super) async fn tell_admins(delivery: &Delivery, stopped: &Line, now: Now) {
    let (Some(since), Some(reason)) = (stopped.stopped_at, &stopped.reason) else { return };
    if delivery.admins.is_empty() || now.wall.since(since) < WORTH_TELLING {
        return;
    }
    let time = |at: Timestamp| {
        let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
        at.to_zoned(delivery.time_zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    };
    let advice = advice_for(&Outcome::Channel(reason.clone()), delivery.lang).unwrap_or_default();
    let (from, to) = (time(since), time(now.wall));
    let text = match delivery.lang {
        Lang::ZhCn => format!(
            "邮铃：企业微信一度不接收消息\n{from} 至 {to}\n原因：{reason}\n{advice}\n期间的提醒都已保留，现在开始发送。"
        ),
        Lang::En => format!(
            "mailbell: WeCom did not take messages\n{from} to {to}\nReason: {reason}\n{advice}\nNothing was lost: the alerts of that time are being sent now."
        ),
    };
    let text = cut(&text.replace("\n\n", "\n"), TEXT_BYTES);
    let report = Report { troubles: Vec::new(), alerts: vec![(delivery.admins.clone(), text)] };
    if let Err(reason) = delivery.state.report(report, now).await {
        warn!(%reason, "administrators are not told that the channel was stopped");
    }
}
