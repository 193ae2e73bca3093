//! `mailbell test-alert USER`: one message, so that a person sees that everything up to their phone works.

use super::{FAILED, WRONG_USAGE, fail, load};
use crate::clock::{Clock, SystemClock};
use crate::model::{Lang, Recipient, Timestamp};
use crate::rules::retry::Outcome;
use crate::wecom::{Client, Message, Push, advice_for};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Sends it and says what came of it.
pub(super) async fn test_alert(file: &Path, lang: Lang, user: &str) -> ExitCode {
    let to = match Recipient::parse(user) {
        Ok(to) => to,
        Err(error) => return fail(WRONG_USAGE, &error.text(lang)),
    };
    let config = match load(file, lang) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let clock = Arc::new(SystemClock::new(None, Timestamp(0)));
    let client = match Client::new(&config.wecom, clock.clone()) {
        Ok(client) => client,
        Err(error) => return fail(FAILED, &error),
    };
    let now = jiff::Timestamp::from_millisecond(clock.wall().0).unwrap_or_default();
    let now = now.to_zoned(config.alerts.time_zone.clone()).strftime("%Y-%m-%d %H:%M:%S");
    let content = match config.alerts.lang {
        Lang::ZhCn => format!("邮铃测试提醒\n能看到这条消息，说明提醒可以送达。\n{now}"),
        Lang::En => format!("A test alert of mailbell\nIf you see this, alerts can reach you.\n{now}"),
    };
    let to = [to];
    let body = client.encode(&to, &Message::Text { content });
    match client.send(&to, &body).await.outcome {
        Outcome::Sent => {
            println!("{}", lang.pick("企业微信已接收测试提醒。", "WeCom has taken the test alert."));
            ExitCode::SUCCESS
        }
        outcome => {
            let advice = advice_for(&outcome, lang).unwrap_or_default();
            fail(FAILED, format!("{}\n{advice}", outcome.reason()).trim_end())
        }
    }
}
