//! The sections that stand once: what they may say, their limits and their defaults.

use super::duration;
use super::net;
use super::reader::Reader;
use super::reading::{quoted, say};
use super::used::{Admin, Alerts, Imap, Limits, Log, LogFormat, State, Times, Wecom};
use super::words::nearest;
use super::{secret, times};
use crate::model::{BusyMinutes, Card, Lang, Secret};
use std::time::Duration;
use url::Url;

/// The promise of the product: never more syncs per user in any 60 minutes.
const MOST_SYNCS: i64 = 50;
/// No corp has more; a larger number is a slip of the hand.
const MOST_ACCOUNTS: i64 = 100_000_000;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// `[wecom]`
pub(super) fn wecom(r: &Reader<'_>) -> Option<Wecom> {
    let required = [
        (
            "corp_id",
            "; it stands in the WeCom console under My Company",
            "（企业微信管理后台“我的企业”页底部的企业ID）",
        ),
        (
            "agent_id",
            "; it stands on the app's page in the WeCom console",
            "（企业微信管理后台该应用页面上的 AgentId）",
        ),
        ("secret", "; it stands on the app's page in the WeCom console", "（企业微信管理后台该应用页面上的 Secret）"),
    ];
    for (key, en, zh) in required {
        if !r.has(key) {
            r.missing(key, Some(say(en, zh)));
        }
    }
    let corp_id = r.text("corp_id").and_then(|text| {
        let blank = text.contains(char::is_whitespace);
        if blank {
            r.wrong("corp_id", say("must hold no blanks; remove them", "不能含空格；请删去"));
        }
        (!blank).then(|| text.to_owned())
    });
    let agent_id = r.number_in("agent_id", 1..=i64::from(i32::MAX));
    let secret = secret::read(r, "secret");
    let contacts_secret = contacts_secret(r, secret.as_ref());
    let api_base = match r.has("api_base") {
        true => net::api_base(r, "api_base"),
        false => Url::parse("https://qyapi.weixin.qq.com").ok(),
    };
    let page_base = |key: &str, usual: &str| match r.has(key) {
        true => net::page_base(r, key),
        false => Url::parse(usual).ok(),
    };
    let login_base = page_base("login_base", "https://login.work.weixin.qq.com");
    let oauth_base = page_base("oauth_base", "https://open.weixin.qq.com");
    let proxy = net::proxy(r, "proxy");
    let card = r.choice("card", &times::CARDS).unwrap_or(Card::Textcard);
    let link = net::page(r, "link");
    Some(Wecom {
        corp_id: corp_id?,
        agent_id: agent_id?,
        contacts_secret: contacts_secret?,
        secret: secret?,
        api_base: api_base?,
        login_base: login_base?,
        oauth_base: oauth_base?,
        proxy,
        account_cap: r.number_in("account_cap", 1..=MOST_ACCOUNTS).and_then(|n| u32::try_from(n).ok()),
        card,
        link,
    })
}

/// `contacts_secret`, which is not the app's; `None` where it is wrong.
fn contacts_secret(r: &Reader<'_>, of_app: Option<&Secret>) -> Option<Option<Secret>> {
    if !r.has("contacts_secret") {
        return Some(None);
    }
    let secret = secret::read(r, "contacts_secret")?;
    if Some(&secret) == of_app {
        r.wrong(
            "contacts_secret",
            say(
                "is the same as secret; write the secret that stands in the WeCom console under Management Tools, Contacts Sync, or leave it out",
                "与 secret 相同；请填写管理后台“管理工具 > 通讯录同步”页面上的 Secret，或删去此项",
            ),
        );
        return None;
    }
    Some(Some(secret))
}

/// `[alerts]`
pub(super) fn alerts(r: &Reader<'_>) -> Option<Alerts> {
    let lang = r.choice("lang", &times::LANGS).unwrap_or(Lang::ZhCn);
    let name = if r.has("time_zone") { r.text("time_zone") } else { Some("Asia/Shanghai") };
    let digest_every = r.span("digest_every", secs(600)..=secs(86_400)).unwrap_or(secs(3600));
    let (own_domains, trusted_authserv) = (domains(r, "own_domains")?.into(), domains(r, "trusted_authserv")?.into());
    let first_time_after = r.span("first_time_after", Duration::ZERO..=secs(30 * 86_400)).unwrap_or(secs(7 * 86_400));
    let (time_zone, times, workdays) = (time_zone(r, name?), times::times(r), times::workdays(r));
    let Times { quiet_hours, work_hours, digest_at } = times?;
    Some(Alerts {
        lang,
        time_zone: time_zone?,
        quiet_hours: quiet_hours.unwrap_or_default(),
        work_hours: work_hours.unwrap_or_default(),
        digest_at: digest_at.unwrap_or_default(),
        workdays: workdays?,
        digest_every,
        own_domains,
        trusted_authserv,
        first_time_after,
    })
}

/// Names of domains or hosts, in lower case.
fn domains(r: &Reader<'_>, key: &'static str) -> Option<Vec<String>> {
    if !r.has(key) {
        return Some(Vec::new());
    }
    let mut found = Vec::new();
    for (at, text) in r.texts(key)? {
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
        if text.is_empty() || !text.chars().all(is_name) || text.split('.').any(str::is_empty) {
            let (shown, example) = (quoted(text), r.example(key));
            r.wrong_item(
                key,
                at,
                say(
                    format!("{shown} is no domain; write for example: {example}"),
                    format!("{shown} 不是域名；请写，例如：{example}"),
                ),
            );
            return None;
        }
        found.push(text.to_lowercase());
    }
    Some(found)
}

pub(super) fn time_zone(r: &Reader<'_>, name: &str) -> Option<jiff::tz::TimeZone> {
    if let Ok(zone) = jiff::tz::TimeZone::get(name)
        && !zone.is_unknown()
    {
        return Some(zone);
    }
    let known: Vec<_> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
    let near = nearest(name, known.iter().map(String::as_str)).unwrap_or("Asia/Shanghai");
    let shown = quoted(name);
    r.wrong(
        "time_zone",
        say(
            format!("{shown} is no IANA time zone; write for example: time_zone = \"{near}\""),
            format!("{shown} 不是 IANA 时区名；请写，例如：time_zone = \"{near}\""),
        ),
    );
    None
}

/// `[admin]`
pub(super) fn admin(r: &Reader<'_>) -> Option<Admin> {
    let recipients = if r.has("recipients") { super::people::recipients(r)? } else { Vec::new() };
    Some(Admin { recipients })
}

/// `[state]`
pub(super) fn state(r: &Reader<'_>) -> Option<State> {
    r.choice("backend", &[("sled", Some(())), ("nats", None)]);
    let path = if r.has("path") { r.path("path") } else { Some(r.cx.path("state")) };
    let kept = r.number_in("exports_kept", 1..=1000).and_then(|n| usize::try_from(n).ok());
    let export_every = export_every(r);
    path.map(|path| State { path, export_every, exports_kept: kept.unwrap_or(24) })
}

/// `export_every`; "0s" is never.
fn export_every(r: &Reader<'_>) -> Option<Duration> {
    let every = r.span("export_every", Duration::ZERO..=Duration::MAX).unwrap_or(secs(3600));
    if !every.is_zero() && !(secs(600)..=secs(7 * 86_400)).contains(&every) {
        let shown = duration::show(every);
        r.wrong(
            "export_every",
            say(
                format!("\"{shown}\" is out of range; write \"10m\" to \"7d\", or \"0s\" for never"),
                format!("\"{shown}\" 超出范围；请写 \"10m\" 到 \"7d\"，不导出则写 \"0s\""),
            ),
        );
    }
    (!every.is_zero()).then_some(every)
}

/// `[limits]`
pub(super) fn limits(r: &Reader<'_>) -> Limits {
    let syncs = r.number("syncs_per_hour").and_then(|n| {
        if (1..=MOST_SYNCS).contains(&n) {
            return u32::try_from(n).ok();
        }
        let said = if n > MOST_SYNCS {
            say(
                format!("{n} is more than the promised limit of 50 syncs per user in 60 minutes; write 1 to 50"),
                format!("{n} 超过了承诺的上限：每个成员 60 分钟内最多 50 次同步；请写 1 到 50"),
            )
        } else {
            say(
                format!("{n} is out of range; write a number from 1 to 50"),
                format!("{n} 超出范围；请写 1 到 50 之间的数字"),
            )
        };
        r.wrong("syncs_per_hour", said);
        None
    });
    let doubtful = r.has("syncs_per_hour") && syncs.is_none();
    let syncs_per_hour = syncs.unwrap_or(50);
    let most_free = i64::from(syncs_per_hour) - 1;
    let free = r.number("free_syncs").and_then(|n| {
        if (0..=most_free).contains(&n) || (doubtful && (0..MOST_SYNCS).contains(&n)) {
            return u32::try_from(n).ok();
        }
        r.wrong(
            "free_syncs",
            say(
                format!("{n} is out of range; write 0 to {most_free}, less than syncs_per_hour"),
                format!("{n} 超出范围；请写 0 到 {most_free}，须小于 syncs_per_hour"),
            ),
        );
        None
    });
    let logins = r.number_in("logins_per_second_per_host", 1..=1000);
    // Dovecot's default is 10 per user and address, Gmail's 15 (imap-servers A.4); people's own clients need some too.
    let connections = r.number_in("connections_per_account", 1..=10);
    let busy_minutes = r.choice("busy_minutes", &BusyMinutes::ALL.map(|mode| (mode.word(), Some(mode))));
    Limits {
        syncs_per_hour,
        free_syncs: free.unwrap_or(syncs_per_hour / 2),
        logins_per_second_per_host: logins.and_then(|n| u32::try_from(n).ok()).unwrap_or(5),
        connections_per_account: connections.and_then(|n| u32::try_from(n).ok()).unwrap_or(2),
        busy_minutes: busy_minutes.unwrap_or_default(),
    }
}

/// `[imap]`. Where `poll_interval` is not given and 5 minutes are too short for the budget, it is as short as the
/// budget lets it be.
pub(super) fn imap(r: &Reader<'_>, limits: Limits) -> Imap {
    let least_poll = secs(3600_u64.div_ceil(u64::from(limits.syncs_per_hour.max(1))));
    let poll = r.span("poll_interval", Duration::ZERO..=Duration::MAX).filter(|poll| {
        let long = poll.as_millis() * u128::from(limits.syncs_per_hour) >= 3_600_000;
        let fits = long && *poll <= secs(86_400);
        if !fits {
            let (s, least) = (limits.syncs_per_hour, least_poll.as_secs());
            r.wrong(
                "poll_interval",
                say(
                    format!("out of range: with limits.syncs_per_hour = {s} write \"{least}s\" to \"24h\""),
                    format!("超出范围：limits.syncs_per_hour = {s} 时，请写 \"{least}s\" 到 \"24h\""),
                ),
            );
        }
        fits
    });
    // RFC 2177: at least every 29 minutes.
    let idle_renew = r.span("idle_renew", secs(10)..=secs(29 * 60)).unwrap_or(secs(240));
    let poll_interval = poll.unwrap_or(least_poll.max(secs(300)));
    Imap {
        connect_timeout: r.span("connect_timeout", secs(1)..=secs(300)).unwrap_or(secs(20)),
        command_timeout: r.span("command_timeout", secs(1)..=secs(1800)).unwrap_or(secs(60)),
        idle_renew,
        poll_interval,
        settle: r.span("settle", Duration::ZERO..=secs(120)).unwrap_or(secs(1)),
        alert_seen: r.flag("alert_seen").unwrap_or(false),
        blind_after: blind_after(r, idle_renew),
    }
}

/// `blind_after`: more than `idle_renew`. Where it is not given, it is 15 minutes, or twice `idle_renew` where
/// that is more.
fn blind_after(r: &Reader<'_>, idle_renew: Duration) -> Duration {
    let usual = secs(900).max(idle_renew * 2);
    let Some(said) = r.span("blind_after", secs(10)..=secs(86_400)) else { return usual };
    if said <= idle_renew {
        let (shown, renew) = (duration::show(said), duration::show(idle_renew));
        let example = duration::show(usual);
        r.wrong(
            "blind_after",
            say(
                format!("\"{shown}\" is not more than imap.idle_renew (\"{renew}\"), so healthy accounts would be reported; write for example: blind_after = \"{example}\""),
                format!("\"{shown}\" 没有超过 imap.idle_renew（\"{renew}\"），正常的账号也会被报告；请写，例如：blind_after = \"{example}\""),
            ),
        );
    }
    said
}

/// `[log]`
pub(super) fn log(r: &Reader<'_>) -> Log {
    let formats = [("text", Some(LogFormat::Text)), ("json", Some(LogFormat::Json))];
    Log {
        format: r.choice("format", &formats).unwrap_or(LogFormat::Text),
        personal: r.flag("personal").unwrap_or(false),
    }
}
