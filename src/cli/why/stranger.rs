//! Letters that are in the account and not in the ledger: why mailbell tells nothing of them. Pure.

use super::look::Found;
use super::words::Voice;
use crate::cli::table::{local_beside, plain, span};
use crate::config::{Subscription, show_duration};
use crate::control::words::state_word;
use crate::control::{AccountStatus, FolderMark};
use crate::imap::Listed;
use crate::model::{Lang, Mark, Timestamp};
use crate::watch::folders;
use std::time::Duration;

/// The ledger forgets then.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// Why a letter is not in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// No subscription takes its folder; this pattern leaves it out, where one does.
    NotSubscribed(Option<String>),
    /// Its folder is subscribed and was not looked at yet.
    NotBound,
    /// It was there when watching the folder began, then.
    BeforeBinding(Timestamp),
    /// It came after the folder's last look, then.
    NotLookedAt(Timestamp),
    /// It is older than the ledger remembers.
    Forgotten,
    /// Watching went past it: it was old or read already, or something is wrong.
    PassedBy,
}

impl Cause {
    /// The word for programs.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::NotSubscribed(_) => "not_subscribed",
            Self::NotBound => "not_bound",
            Self::BeforeBinding(_) => "before_binding",
            Self::NotLookedAt(_) => "not_looked_at",
            Self::Forgotten => "forgotten",
            Self::PassedBy => "passed_by",
        }
    }

    /// Why this one is not in the ledger.
    pub(super) fn of(
        found: &Found,
        subscriptions: &[Subscription],
        listed: &[Listed],
        marks: &[FolderMark],
        now: Timestamp,
    ) -> Self {
        if found.subscription.is_none() {
            return Self::NotSubscribed(leaves_out(found, subscriptions, listed));
        }
        let Some(mark) = marks.iter().find(|m| m.folder == found.folder).map(|m| m.mark) else {
            return Self::NotBound;
        };
        // By its UID first: INTERNALDATE has whole seconds, and who moves mail keeps it.
        if is_behind(found, &mark) {
            Self::NotLookedAt(mark.looked_at)
        } else if was_there(found, &mark) {
            Self::BeforeBinding(mark.bound_at)
        } else if now.since(found.letter.time) >= KEPT {
            Self::Forgotten
        } else {
            Self::PassedBy
        }
    }
}

/// Whether it was there when watching the folder began. In the second in which that was, INTERNALDATE does not tell, and
/// a letter that is read was rather passed by because of that.
fn was_there(found: &Found, mark: &Mark) -> bool {
    let time = found.letter.time;
    time.plus(Duration::from_secs(1)) <= mark.bound_at || (time < mark.bound_at && !found.letter.seen)
}

/// Whether watching has not come so far yet.
fn is_behind(found: &Found, mark: &Mark) -> bool {
    match found.uid_validity {
        Some(validity) if validity == mark.uid_validity => found.uid >= mark.next,
        _ => found.letter.time > mark.looked_at,
    }
}

/// The pattern that leaves a folder out which another pattern takes.
fn leaves_out(found: &Found, subscriptions: &[Subscription], listed: &[Listed]) -> Option<String> {
    let takes = |patterns: &[&str]| {
        let alone = [Subscription::to(patterns)];
        folders::choose(&alone, listed).iter().any(|chosen| chosen.folder.raw == found.folder)
    };
    let mut patterns = Vec::new();
    for subscription in subscriptions {
        let (out, taken): (Vec<&str>, Vec<&str>) =
            subscription.folders.iter().map(String::as_str).partition(|p| p.starts_with('!'));
        if takes(&taken) {
            patterns.extend(out);
        }
    }
    patterns.into_iter().find(|p| p.strip_prefix('!').is_some_and(|p| takes(&[p]))).map(str::to_owned)
}

/// What is known of how the account is watched now.
pub(super) struct Watching<'a> {
    /// Whether a service answers.
    pub(super) running: bool,
    /// What it says of the account.
    pub(super) status: Option<&'a AccountStatus>,
    /// Between two looks at all folders.
    pub(super) every: Duration,
}

impl Watching<'_> {
    /// When the next look is, or why there is none.
    fn next_look(&self, lang: Lang) -> String {
        let every = show_duration(self.every);
        match (self.status, lang) {
            _ if !self.running => lang
                .pick(
                    "mailbell 没有运行：启动 mailbell run 后补上",
                    "mailbell is not running: it is found once mailbell run starts",
                )
                .to_owned(),
            (None, _) => lang
                .pick(
                    "运行中的服务还不知道该邮箱：重新加载配置（SIGHUP）",
                    "the running service does not know the account yet: have it read the config anew (SIGHUP)",
                )
                .to_owned(),
            (Some(status), Lang::ZhCn) if is_watched(status) => {
                let spent =
                    if status.budget_left == 0 { "；同步次数已用完，最多再等两分半钟" } else { "" };
                format!("{every} 之内会查看{spent}")
            }
            (Some(status), Lang::En) if is_watched(status) => {
                let spent = if status.budget_left == 0 {
                    "; the sync budget is spent, which costs two and a half minutes at most"
                } else {
                    ""
                };
                format!("the next look comes within {every}{spent}")
            }
            (Some(status), lang) => {
                let error = plain(status.last_error.as_deref().unwrap_or_default());
                let next = span(status.next_try_seconds);
                match lang {
                    Lang::ZhCn => format!(
                        "该邮箱现在没有被监视（{}：{error}），{next} 后重试；详见 mailbell status",
                        state_word(&status.state, lang)
                    ),
                    Lang::En => format!(
                        "the account is not watched now ({}: {error}), tried again in {next}; mailbell status says more",
                        status.state
                    ),
                }
            }
        }
    }
}

fn is_watched(status: &AccountStatus) -> bool {
    matches!(status.state.as_str(), "watching" | "polling")
}

impl Voice<'_> {
    /// A letter that the ledger does not know.
    pub(super) fn stranger(&self, found: &Found, cause: &Cause, watching: &Watching<'_>) -> Vec<String> {
        let folder = plain(&found.shown);
        let place = match self.lang {
            Lang::ZhCn => format!("在文件夹“{folder}”中，邮铃没有它的记录"),
            Lang::En => format!("is in \"{folder}\"; the ledger does not know it"),
        };
        let said = self.cause(found, cause, watching);
        let indent = |line: String| format!("    {}", line.replace('\n', "\n      "));
        vec![self.head(&found.letter), indent(place), indent(said)]
    }

    fn cause(&self, found: &Found, cause: &Cause, watching: &Watching<'_>) -> String {
        let at = |time| local_beside(time, found.letter.time, self.zone);
        match (cause, self.lang) {
            (Cause::NotSubscribed(out), lang) => self.not_subscribed(found, out.as_deref(), lang),
            (Cause::NotBound, Lang::ZhCn) => format!(
                "不提醒：该文件夹还没有开始监视，开始时已在其中的邮件不提醒（{}）",
                watching.next_look(self.lang)
            ),
            (Cause::NotBound, Lang::En) => format!(
                "not announced: watching the folder has not begun yet, and what is there by then is no news ({})",
                watching.next_look(self.lang)
            ),
            (Cause::BeforeBinding(since), Lang::ZhCn) => format!("不提醒：{} 开始监视该文件夹时它已在其中", at(*since)),
            (Cause::BeforeBinding(since), Lang::En) => {
                format!("not announced: it was there before watching the folder began, at {}", at(*since))
            }
            (Cause::NotLookedAt(last), Lang::ZhCn) => {
                format!("尚未发现：该文件夹上次查看于 {}；{}", at(*last), watching.next_look(self.lang))
            }
            (Cause::NotLookedAt(last), Lang::En) => {
                format!("not found yet: the folder was last looked at at {}; {}", at(*last), watching.next_look(self.lang))
            }
            (Cause::Forgotten, lang) => {
                lang.pick("早于 30 天，记录已过期", "older than the 30 days that the ledger remembers").to_owned()
            }
            (Cause::PassedBy, lang) => lang
                .pick(
                    "已查看过而没有记录：当时已读，或是一次导入、移入的大量旧邮件之一（只记录其中最新的 100 封），或此后用自动导出恢复过存储（其中没有记录）",
                    "it was passed by without a record: it was read already, or one of many old letters that were imported or moved at once (of these the newest 100 are recorded), or the store was restored since from an export that the service wrote (without the ledger)",
                )
                .to_owned(),
        }
    }

    /// What to write so that a folder is watched.
    fn not_subscribed(&self, found: &Found, out: Option<&str>, lang: Lang) -> String {
        // A TOML string is written like one of JSON where these two need no other escapes.
        let quoted = |text: &str| serde_json::to_string(&plain(text)).unwrap_or_default();
        let (folder, long) = (quoted(&found.shown), is_long(self.subscriptions));
        match (out, lang) {
            (Some(out), Lang::ZhCn) => {
                format!(
                    "不提醒：没有订阅包含该文件夹，{} 将其排除\n→ 从 folders 中去掉 {}，再重新加载配置（SIGHUP）",
                    quoted(out),
                    quoted(out)
                )
            }
            (Some(out), Lang::En) => format!(
                "not announced: no subscription takes this folder, {} leaves it out\n→ take {} out of `folders` and have the config read anew (SIGHUP)",
                quoted(out),
                quoted(out)
            ),
            (None, Lang::ZhCn) if long => format!(
                "不提醒：没有订阅包含该文件夹\n→ 在该邮箱下添加 [[account.subscription]]，写 folders = [{folder}]，再重新加载配置（SIGHUP）"
            ),
            (None, Lang::En) if long => format!(
                "not announced: no subscription takes this folder\n→ add an [[account.subscription]] with folders = [{folder}] to the account and have the config read anew (SIGHUP)"
            ),
            (None, _) => {
                let mut patterns: Vec<_> =
                    self.subscriptions.iter().flat_map(|s| &s.folders).map(|p| quoted(p)).collect();
                patterns.push(folder);
                let written = format!("folders = [{}]", patterns.join(", "));
                match lang {
                    Lang::ZhCn => {
                        format!("不提醒：没有订阅包含该文件夹\n→ 在该邮箱下写 {written}，再重新加载配置（SIGHUP）")
                    }
                    Lang::En => format!(
                        "not announced: no subscription takes this folder\n→ write {written} for the account and have the config read anew (SIGHUP)"
                    ),
                }
            }
        }
    }
}

/// Whether the subscriptions are written in their long form.
fn is_long(subscriptions: &[Subscription]) -> bool {
    match subscriptions {
        [only] => *only != Subscription::to(&only.folders),
        _ => true,
    }
}

#[cfg(test)]
#[path = "stranger_tests.rs"]
mod tests;
