//! Stories of the ledger in words of people. Pure.

use super::late::{self, Late};
use crate::cli::alerts::maybe_twice;
use crate::cli::passed;
use crate::cli::table::{local, local_beside, people, plain, span};
use crate::config::Subscription;
use crate::model::{AlertKind, Fate, Lang, Letter, Recipient, Sighting, Silence, Timestamp, Urgency};
use crate::state::{AlertState, Story, Telling, WasTold};
use crate::watch::Passed;
use crate::wecom::advice_on;
use jiff::tz::TimeZone;
use std::time::Duration;

/// Different fates of one letter that are printed.
const FATES: usize = 20;

/// In which language and zone is spoken, and of which account.
pub(super) struct Voice<'a> {
    pub(super) lang: Lang,
    pub(super) zone: &'a TimeZone,
    pub(super) account: &'a str,
    pub(super) subscriptions: &'a [Subscription],
    /// S of the budget.
    pub(super) syncs_per_hour: u32,
}

impl Voice<'_> {
    /// A letter's first line: when it came, from whom, what it is about.
    pub(super) fn head(&self, letter: &Letter) -> String {
        let from = match (&letter.from.name, &letter.from.address) {
            (Some(name), Some(address)) => format!("{name} <{address}>"),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => self.lang.pick("（无发件人）", "(no sender)").to_owned(),
        };
        let subject = match (&letter.subject, self.lang) {
            (Some(subject), Lang::ZhCn) => format!("“{subject}”"),
            (Some(subject), Lang::En) => format!("\"{subject}\""),
            (None, _) if !letter.readable => {
                self.lang.pick("（邮件头无法读取）", "(its header could not be read)").to_owned()
            }
            (None, _) => self.lang.pick("（无主题）", "(no subject)").to_owned(),
        };
        format!("{}  {}  {}", local(letter.time, self.zone), plain(&from), plain(&subject))
    }

    /// All that is known of a letter and what became of it.
    pub(super) fn story(&self, story: &Story) -> Vec<String> {
        let time = story.sighting.item.letter.time;
        let mut lines = vec![self.head(&story.sighting.item.letter), self.place(story)];
        let item = &story.sighting.item;
        let passed = passed::before(self.subscriptions, &item.folder, &item.letter);
        if passed.iter().any(|(_, why)| *why != Passed::Folder) {
            lines.extend(passed::line(&passed, self.lang));
        }
        lines.extend(late::of_letter(story).into_iter().map(|late| self.late(late, time)));
        if let Fate::Silent(silence) = story.sighting.fate {
            lines.push(self.silence(silence, &story.sighting));
        }
        let mut fates: Vec<(String, Vec<Recipient>)> = Vec::new();
        for telling in &story.tellings {
            let text = self.telling(story, telling);
            match fates.iter_mut().find(|(known, _)| *known == text) {
                Some((_, same)) => same.push(telling.recipient.clone()),
                None => fates.push((text, vec![telling.recipient.clone()])),
            }
        }
        let colon = self.lang.pick("：", ": ");
        let said = fates.iter().take(FATES).map(|(text, who)| format!("{}{colon}{text}", people(who, self.lang)));
        lines.extend(said);
        if let Some(rest) = fates.get(FATES..).filter(|rest| !rest.is_empty()) {
            let count: usize = rest.iter().map(|(_, who)| who.len()).sum();
            let said = self.lang.pick("……还有 {} 个接收人：用 --json", "... and {} more recipients: ask with --json");
            lines.push(said.replace("{}", &count.to_string()));
        }
        let indent = |(at, line): (usize, String)| {
            if at == 0 { line } else { format!("    {}", line.replace('\n', "\n      ")) }
        };
        lines.into_iter().enumerate().map(indent).collect()
    }

    fn at(&self, time: Timestamp, beside: Timestamp) -> String {
        local_beside(time, beside, self.zone)
    }

    /// Where and when it was found, and which subscription takes it.
    fn place(&self, story: &Story) -> String {
        let Sighting { item, subscription, .. } = &story.sighting;
        let (at, folder) = (self.at(story.seen_at, item.letter.time), plain(&item.folder));
        let place = usize::from(*subscription);
        if place == 0 {
            return match self.lang {
                Lang::ZhCn => format!("{at} 在文件夹“{folder}”中发现"),
                Lang::En => format!("found in \"{folder}\" at {at}"),
            };
        }
        let patterns = place.checked_sub(1).and_then(|at| self.subscriptions.get(at));
        let patterns = patterns.map_or_else(String::new, |s| plain(&s.folders.join(self.lang.pick("、", ", "))));
        match self.lang {
            Lang::ZhCn => format!("{at} 在文件夹“{folder}”中发现，属于第 {place} 个订阅（{patterns}）"),
            Lang::En => format!("found in \"{folder}\" at {at}, taken by subscription {place} ({patterns})"),
        }
    }

    fn silence(&self, silence: Silence, sighting: &Sighting) -> String {
        let said = match silence {
            Silence::Old => self.lang.pick(
                "不提醒：收件时间早于该文件夹上次查看之前一小时（导入、移入或恢复的旧邮件不算新邮件）",
                "not announced: received more than an hour before the folder's last look (old mail that is imported, moved or restored is no news)",
            ),
            Silence::Seen => self.lang.pick(
                "不提醒：发现时已在别处读过（[imap] alert_seen = true 则也提醒）",
                "not announced: already read elsewhere when it was found ([imap] alert_seen = true announces these, too)",
            ),
            Silence::Bound => self.lang.pick(
                "不提醒：开始监视该文件夹时它已在其中（服务器重新编号，所以再次出现）",
                "not announced: it was in the folder when watching it began (the server has numbered it anew)",
            ),
            Silence::Unmatched => self.lang.pick(
                "不提醒：没有订阅的条件与它相符",
                "not announced: there is no subscription whose conditions it meets",
            ),
            Silence::Asked => {
                let said = self.lang.pick(
                    "不提醒：第 {} 个订阅设了 urgency = \"silent\"",
                    "not announced: subscription {} says urgency = \"silent\"",
                );
                return said.replace("{}", &sighting.subscription.to_string());
            }
        };
        said.to_owned()
    }

    /// One reason of being late.
    fn late(&self, late: Late, time: Timestamp) -> String {
        let for_so_long = |d: Duration| span(Some(d.as_secs()));
        let zh = self.lang == Lang::ZhCn;
        match late {
            Late::Away(from, to) => {
                let (from, to) = (self.at(from, time), self.at(to, time));
                if zh {
                    format!("晚到：{from} 至 {to} 期间邮铃没有监视该邮箱")
                } else {
                    format!("late: mailbell did not watch the account from {from} to {to}")
                }
            }
            Late::Unpushed(at) => {
                let at = self.at(at, time);
                if zh {
                    format!("晚到：服务器 {at} 才告知（该文件夹不推送，或邮件是那时移入的）")
                } else {
                    format!(
                        "late: the server told of it only at {at} (it does not push this folder, or the mail was moved there then)"
                    )
                }
            }
            Late::Budget(d) if zh => {
                format!("晚到：同步次数已用完（每小时最多 {} 次），等待了 {}", self.syncs_per_hour, for_so_long(d))
            }
            Late::Budget(d) => {
                format!(
                    "late: the sync budget was spent ({} an hour at most), it waited {}",
                    self.syncs_per_hour,
                    for_so_long(d)
                )
            }
            Late::Quiet(d) if zh => format!("安静时间、休假或定时的汇总使它等待了 {}", for_so_long(d)),
            Late::Quiet(d) => format!("quiet hours, a vacation or a digest's time held it for {}", for_so_long(d)),
            Late::DigestTime(d) if zh => format!("为定时汇总等待了 {}（urgency = \"digest\"）", for_so_long(d)),
            Late::DigestTime(d) => {
                format!("gathered for {} until the digest's time (urgency = \"digest\")", for_so_long(d))
            }
            Late::Held(d, together) => {
                let (d, others) = (
                    for_so_long(d),
                    if together {
                        self.lang.pick("与同来的邮件合并，或", "to be put together with others, or ")
                    } else {
                        ""
                    },
                );
                if zh {
                    format!("发送前等待了 {d}：{others}企业微信对每个成员的限额、当日额度、暂停发送期间")
                } else {
                    format!(
                        "late: held for {d} before the first try {others}by WeCom's limits per member, the day's quota, or a rest of all sends"
                    )
                }
            }
            Late::Tries(n, d) if zh => {
                format!("晚到：企业微信先前没有应答或没有接收，{} 内共尝试 {n} 次", for_so_long(d))
            }
            Late::Tries(n, d) => {
                format!("late: WeCom did not answer or did not take it at first, {n} tries in {}", for_so_long(d))
            }
            Late::Slow(d) if zh => format!("晚到：企业微信 {} 后才应答", for_so_long(d)),
            Late::Slow(d) => format!("late: WeCom took {} to answer", for_so_long(d)),
        }
    }

    /// What one recipient got.
    fn telling(&self, story: &Story, telling: &Telling) -> String {
        let (time, what) = (story.sighting.item.letter.time, &telling.what);
        match what {
            WasTold::Held { until } => {
                let said = self.lang.pick(
                    "尚未提醒：等到 {}（安静时间、休假，或定时的汇总），届时与其他邮件一起提醒",
                    "not announced yet: held until {} (quiet hours, a vacation, or the time of a digest), then told with others",
                );
                said.replace("{}", &self.at(*until, time))
            }
            WasTold::Muted { until } => {
                let said = self.lang.pick(
                    "不提醒：已静音至 {}（`mailbell mutes` 查看，`mailbell unmute` 取消）",
                    "not announced: muted until {} (see `mailbell mutes`; `mailbell unmute` ends it)",
                );
                said.replace("{}", &self.at(*until, time))
            }
            WasTold::Waits { until, parked } => self.waits(story, *until, *parked),
            WasTold::Known { folder, account, seen_at, .. } => {
                self.known(folder.as_deref(), account.as_ref().map(|a| &*a.0), *seen_at, time)
            }
            WasTold::Unknown => self
                .lang
                .pick("没有更多记录（记录只保留 30 天，用自动导出恢复后也没有）", "no record tells any more (records are kept for 30 days, and are not in the exports that the service writes)")
                .to_owned(),
            WasTold::Alert { .. } => {
                let mut said = self.alert(what, time);
                let joint = self.lang.pick("；", "; ");
                for late in late::of_telling(story, telling) {
                    said = format!("{said}{joint}{}", self.late(late, time));
                }
                if matches!(what, WasTold::Alert { maybe_twice: true, .. }) {
                    said = format!("{said}{joint}{}", maybe_twice(self.lang));
                }
                said + &self.remedy(what)
            }
        }
    }

    fn waits(&self, story: &Story, until: Option<Timestamp>, parked: bool) -> String {
        let time = story.sighting.item.letter.time;
        let until = until.map(|until| self.at(until, time));
        match (until, parked) {
            (until, true) => {
                let said = self.lang.pick(
                    "尚未提醒：企业微信曾拒绝该接收人，稍后再试",
                    "not announced yet: WeCom refused this recipient before and is tried again later",
                );
                match (until, self.lang) {
                    (Some(at), Lang::ZhCn) => format!("{said}（不早于 {at}）"),
                    (Some(at), Lang::En) => format!("{said} (not before {at})"),
                    (None, _) => said.to_owned(),
                }
            }
            (Some(at), false) if story.sighting.urgency == Urgency::Digest => match self.lang {
                Lang::ZhCn => format!("尚未提醒：等待 {at} 的定时汇总（urgency = \"digest\"）"),
                Lang::En => format!("not announced yet: gathered for the digest at {at} (urgency = \"digest\")"),
            },
            (Some(at), false) => match self.lang {
                Lang::ZhCn => {
                    format!("尚未提醒：不早于 {at}（与同来的邮件合并，或受企业微信对每个成员的限额、当日额度所限）")
                }
                Lang::En => format!(
                    "not announced yet: not before {at} (it is put together with what comes with it, or WeCom's limits per member or the day's quota hold it)"
                ),
            },
            (None, false) => self.lang.pick("尚未提醒：即将发送", "not announced yet: it is due").to_owned(),
        }
    }

    fn known(
        &self,
        folder: Option<&str>,
        account: Option<&str>,
        seen_at: Option<Timestamp>,
        time: Timestamp,
    ) -> String {
        let at = seen_at.map(|at| self.at(at, time)).unwrap_or_default();
        let other = account.filter(|other| *other != self.account);
        let folder = folder.map(plain);
        match (folder, other, self.lang) {
            (None, _, Lang::ZhCn) => "不再提醒：已为同一封邮件提醒过".to_owned(),
            (None, _, Lang::En) => "not announced again: it is the same as a letter announced before".to_owned(),
            (Some(folder), None, Lang::ZhCn) => format!("不再提醒：与 {at} 在文件夹“{folder}”中发现的是同一封"),
            (Some(folder), None, Lang::En) => {
                format!("not announced again: the same letter as the one found in \"{folder}\" at {at}")
            }
            (Some(folder), Some(other), Lang::ZhCn) => {
                format!("不再提醒：与 {at} 在邮箱 {other} 的文件夹“{folder}”中发现的是同一封")
            }
            (Some(folder), Some(other), Lang::En) => {
                format!("not announced again: the same letter as the one found in \"{folder}\" of {other} at {at}")
            }
        }
    }

    fn alert(&self, what: &WasTold, time: Timestamp) -> String {
        let WasTold::Alert { id, state, kind, letters, made_at, first_try, ended_at, tries, answer, .. } = what else {
            return String::new();
        };
        let zh = self.lang == Lang::ZhCn;
        let ended = self.at(ended_at.unwrap_or(*made_at), time);
        let words = plain(answer);
        match state {
            AlertState::Sent => {
                let form = self.form(*kind, *letters);
                let took = span(Some(ended_at.unwrap_or(*made_at).since(time).as_secs()));
                if zh {
                    format!("{ended} {form}（到达后 {took}，提醒 {id}）")
                } else {
                    format!("announced {form} at {ended} ({took} after it came, alert {id})")
                }
            }
            AlertState::Ready if zh => format!("尚未提醒：提醒 {id} 已备好，等待发送"),
            AlertState::Ready => format!("not announced yet: alert {id} is ready to be sent"),
            AlertState::Sending if zh => format!("正在发送（提醒 {id}，第 {tries} 次尝试）"),
            AlertState::Sending => format!("just being sent (alert {id}, try {tries})"),
            AlertState::Again => {
                let since = self.at(first_try.unwrap_or(*made_at), time);
                if zh {
                    format!("尚未提醒：提醒 {id} 自 {since} 起尝试了 {tries} 次，会继续重试：{words}")
                } else {
                    format!(
                        "not announced yet: alert {id} was tried {tries} time(s) since {since} and is tried again: {words}"
                    )
                }
            }
            // It was not tried by itself: a message to several did not reach this one.
            AlertState::Dead if *tries == 0 && zh => {
                format!("没有提醒：发给多人的消息没有送达该接收人（留作提醒 {id}）：{words}")
            }
            AlertState::Dead if *tries == 0 => {
                format!("not announced: a message to several did not reach this one (kept as alert {id}): {words}")
            }
            AlertState::Dead if zh => format!("没有提醒：企业微信拒绝了提醒 {id}（尝试 {tries} 次）：{words}"),
            AlertState::Dead => format!("not announced: WeCom refused alert {id} (tries: {tries}): {words}"),
            AlertState::Dropped if zh => format!("没有提醒：提醒 {id} 于 {ended} 被人放弃；此前：{words}"),
            AlertState::Dropped => {
                format!("not announced: alert {id} was dropped by a person at {ended}; before that: {words}")
            }
        }
    }

    fn form(&self, kind: AlertKind, letters: usize) -> String {
        match (kind, self.lang) {
            (AlertKind::Digest, Lang::ZhCn) => format!("在 {letters} 封的汇总中提醒"),
            (AlertKind::Digest, Lang::En) => format!("in a digest of {letters}"),
            (AlertKind::CatchUp, Lang::ZhCn) => format!("在 {letters} 封的补报中提醒（补报只写最新 20 封的主题）"),
            (AlertKind::CatchUp, Lang::En) => format!("in a catch-up of {letters} (which names the newest 20)"),
            (AlertKind::Letter | AlertKind::Report, lang) => lang.pick("单独提醒", "alone").to_owned(),
        }
    }

    /// What to do about an alert that WeCom did not take, on lines of its own.
    fn remedy(&self, what: &WasTold) -> String {
        let WasTold::Alert { id, state, answer, .. } = what else { return String::new() };
        if !matches!(state, AlertState::Dead | AlertState::Again) {
            return String::new();
        }
        let mut said = advice_on(answer, self.lang).map_or_else(String::new, |advice| format!("\n→ {advice}"));
        if *state == AlertState::Dead {
            said += &match self.lang {
                Lang::ZhCn => format!("\n→ 解决后重新发送：mailbell alerts retry {id}"),
                Lang::En => format!("\n→ once it is mended: mailbell alerts retry {id}"),
            };
        }
        said
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
