//! What people read of an account in trouble. Pure.

use super::cut::cut;
use crate::config::{Account, Part};
use crate::model::{AccountId, Lang, Timestamp, Trouble};
use crate::parse::clean;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// A server's words in a message.
const REASON_BYTES: usize = 300;
/// So many accounts are named to the administrators.
const NAMED: usize = 20;

/// One trouble, from when to when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    /// Since when it lasts (wall clock).
    pub(super) since: Timestamp,
    /// When it was over; `None`: it lasts.
    pub(super) until: Option<Timestamp>,
    /// Why, in the words of the last error.
    pub(super) reason: Option<String>,
}

/// For the user or the recipients of an account.
pub(super) fn for_user(account: &Account, trouble: &Trouble, case: &Case, lang: Lang, zone: &TimeZone) -> String {
    let name = safe(&account.id.0);
    let since = local(case.since, zone);
    if let Some(until) = case.until {
        let until = local(until, zone);
        let what = match (trouble, lang) {
            (Trouble::Folder(folder), Lang::ZhCn) => format!("{name} 的文件夹“{}”", safe(folder)),
            (Trouble::Folder(folder), Lang::En) => format!("folder \"{}\" of {name}", safe(folder)),
            (_, Lang::ZhCn) => format!("邮箱 {name}"),
            (_, Lang::En) => format!("mailbox {name}"),
        };
        if let Trouble::Recipient(recipient) = trouble {
            return match lang {
                Lang::ZhCn => {
                    format!("【邮铃】接收人 {recipient} 又能收到邮箱 {name} 的提醒了（中断：{since} 至 {until}）。")
                }
                Lang::En => format!(
                    "[mailbell] {recipient} is reached again with alerts of {name} (interrupted from {since} to {until})."
                ),
            };
        }
        return match lang {
            Lang::ZhCn => {
                format!("【邮铃】{what} 已恢复监视。\n中断时间：{since} 至 {until}\n期间收到的新邮件会照常提醒。")
            }
            Lang::En => format!(
                "[mailbell] The {what} is watched again.\nInterrupted from {since} to {until}.\nNew mail of that time is announced as usual."
            ),
        };
    }
    let head = match (trouble, lang) {
        (Trouble::Blind, Lang::ZhCn) => format!(
            "【邮铃】邮箱 {name} 自 {since} 起没有任何应答，新邮件暂时无法提醒。\n邮铃会不断重试，恢复后补上期间的邮件。"
        ),
        (Trouble::Blind, Lang::En) => format!(
            "[mailbell] The mailbox {name} has given no sign of life since {since}: new mail cannot be announced for now.\nmailbell keeps trying, and announces what came meanwhile once it is back."
        ),
        (Trouble::LoginRefused, Lang::ZhCn) => format!(
            "【邮铃】邮箱 {name} 的登录被服务器拒绝（{since}），新邮件暂时无法提醒。\n请检查密码或授权码（客户端专用密码）是否已更改或失效，并告知管理员更新；为避免账号被锁，邮铃只会偶尔重试。"
        ),
        (Trouble::LoginRefused, Lang::En) => format!(
            "[mailbell] The mail server refuses the login of {name} ({since}): new mail cannot be announced for now.\nCheck whether the password or authorization code was changed or has expired, and have the administrator enter the new one. To keep the account from being locked, mailbell tries again only now and then."
        ),
        (Trouble::Folder(folder), Lang::ZhCn) => format!(
            "【邮铃】邮箱 {name} 的文件夹“{}”自 {since} 起无法读取，其中的新邮件暂时无法提醒；其他文件夹不受影响。\n若该文件夹已删除或改名，请管理员修改订阅。",
            safe(folder)
        ),
        (Trouble::Folder(folder), Lang::En) => format!(
            "[mailbell] The folder \"{}\" of {name} cannot be read since {since}: new mail in it cannot be announced for now; the other folders are not affected.\nIf it was deleted or renamed, have the administrator change the subscription.",
            safe(folder)
        ),
        (Trouble::Recipient(recipient), Lang::ZhCn) => format!(
            "【邮铃】邮箱 {name} 的提醒发不到接收人 {recipient}（{since}）：企业微信拒绝发送。\n请确认其未离职、userid 无误、在应用的可见范围内，或请管理员从订阅中移除；没有送到的提醒保留在 mailbell alerts list 中。"
        ),
        (Trouble::Recipient(recipient), Lang::En) => format!(
            "[mailbell] Alerts of {name} do not reach {recipient} ({since}): WeCom refuses to send them.\nCheck that they have not left, that the userid is right and within the app's visible range, or have the administrator take them out of the subscription. What was not delivered is kept: see mailbell alerts list."
        ),
    };
    let mut text = head;
    if let Some(reason) = &case.reason {
        text += &format!("\n{}{}", lang.pick("原因：", "Reason: "), reason_text(reason));
    }
    if *trouble == Trouble::LoginRefused {
        for (at, step) in login_steps(account, case.reason.as_deref().unwrap_or_default(), lang).iter().enumerate() {
            text += &format!("\n{}. {}", at + 1, safe(step));
        }
    }
    text
}

/// What the member can do about a refused login: what the server's words mean, and where the password is made.
fn login_steps(account: &Account, reason: &str, lang: Lang) -> Vec<String> {
    let member = || account.provider.steps(Part::Member, lang);
    let own_password = account.proof() == Part::Member;
    match account.answer_to(reason, lang) {
        Some(meaning) => {
            let more = if meaning.then.contains(&Part::Member) { member() } else { Vec::new() };
            meaning.steps.into_iter().chain(more).collect()
        }
        None if own_password => member(),
        None => Vec::new(),
    }
}

/// For the administrators: one message for what began, one for what is over.
pub(super) fn for_admins(
    cases: &BTreeMap<(AccountId, Trouble), Case>,
    lang: Lang,
    zone: &TimeZone,
    at: Timestamp,
) -> Vec<String> {
    let at = local(at, zone);
    let (begun, over): (Vec<_>, Vec<_>) = cases.iter().partition(|(_, case)| case.until.is_none());
    let mut texts = Vec::new();
    for (list, is_over) in [(begun, false), (over, true)] {
        if list.is_empty() {
            continue;
        }
        let n = list.len();
        let head = match (lang, is_over) {
            (Lang::ZhCn, false) => format!("【邮铃】{n} 个邮箱出现问题（{at}）"),
            (Lang::ZhCn, true) => format!("【邮铃】{n} 个邮箱已恢复（{at}）"),
            (Lang::En, false) => format!("[mailbell] {n} in trouble ({at})"),
            (Lang::En, true) => format!("[mailbell] {n} well again ({at})"),
        };
        let mut lines = vec![head];
        let room = (1700 / list.len().clamp(1, NAMED)).clamp(60, 400);
        for ((account, trouble), case) in list.iter().take(NAMED) {
            lines.push(cut(&line(account, trouble, case, lang, zone), room));
        }
        if n > NAMED {
            let more = n - NAMED;
            lines.push(match lang {
                Lang::ZhCn => format!("还有 {more} 个，见 mailbell status"),
                Lang::En => format!("and {more} more: see mailbell status"),
            });
        }
        texts.push(lines.join("\n"));
    }
    texts
}

fn line(account: &AccountId, trouble: &Trouble, case: &Case, lang: Lang, zone: &TimeZone) -> String {
    let what = match trouble {
        Trouble::Blind => lang.pick("无应答", "blind").to_owned(),
        Trouble::LoginRefused => lang.pick("登录被拒绝", "login refused").to_owned(),
        Trouble::Recipient(recipient) => {
            format!("{}{recipient}", lang.pick("接收人收不到提醒：", "recipient not reached: "))
        }
        Trouble::Folder(folder) => {
            format!("{}{}", lang.pick("文件夹无法读取：", "folder not readable: "), safe(folder))
        }
    };
    let since = local(case.since, zone);
    let reason = case.reason.as_ref().map(|reason| format!(" · {}", reason_text(reason))).unwrap_or_default();
    match case.until {
        None => format!("· {} {what} ({since}){reason}", safe(&account.0)),
        Some(until) => format!("· {} {what} ({since} – {})", safe(&account.0), local(until, zone)),
    }
}

fn reason_text(reason: &str) -> String {
    cut(&safe(reason), REASON_BYTES)
}

/// No markup, no control characters.
fn safe(text: &str) -> String {
    clean(text).replace('<', "＜").replace('>', "＞")
}

fn local(time: Timestamp, zone: &TimeZone) -> String {
    let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or_default();
    time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;

    fn account(provider: &str) -> std::sync::Arc<Account> {
        let text = format!(
            "[wecom]\ncorp_id = \"ww0123456789abcdef\"\nagent_id = 1\nsecret = \"s\"\n[[account]]\nuser = \"lisi\"\n\
             email = \"lisi@corp.example\"\nprovider = \"{provider}\"\npassword = \"p\"\n"
        );
        load_text(std::path::Path::new("x.toml"), &text, &|_| None).unwrap().accounts.remove(0)
    }

    #[test]
    fn every_message_fits_and_holds_no_markup() {
        let reason = format!("login: refused: ERR.LOGIN.REQCODE <a href=\"x\">\u{202e}{}", "长".repeat(900));
        for provider in ["exmail", "qq", "netease-qiye", "aliyun", "gmail"] {
            for lang in [Lang::ZhCn, Lang::En] {
                for trouble in [
                    Trouble::Blind,
                    Trouble::LoginRefused,
                    Trouble::Folder("项目/<b>".into()),
                    Trouble::Recipient(crate::model::Recipient::Party(7)),
                ] {
                    let case = Case { since: Timestamp(0), until: None, reason: Some(reason.clone()) };
                    let text = for_user(&account(provider), &trouble, &case, lang, &TimeZone::UTC);
                    assert!(text.len() <= 2048, "{} bytes: {text}", text.len());
                    assert!(!text.contains(['<', '>', '\u{202e}']) && text.contains("lisi@corp.example"), "{text}");
                    let over = Case { until: Some(Timestamp(1000)), ..case };
                    assert!(for_user(&account(provider), &trouble, &over, lang, &TimeZone::UTC).len() < 600);
                }
            }
        }
    }

    #[test]
    fn a_refused_login_says_where_the_password_is_made() {
        let case = Case { since: Timestamp(0), until: None, reason: Some("login: refused: whatever".to_owned()) };
        let text = for_user(&account("netease-qiye"), &Trouble::LoginRefused, &case, Lang::ZhCn, &TimeZone::UTC);
        assert!(text.contains("授权码") && text.contains("\n1. "), "{text}");
        let blind = for_user(&account("netease-qiye"), &Trouble::Blind, &case, Lang::ZhCn, &TimeZone::UTC);
        assert!(!blind.contains("\n1. "), "{blind}");
    }

    #[test]
    fn administrators_read_a_list() {
        let case = |reason: &str| Case { since: Timestamp(0), until: None, reason: Some(reason.repeat(50)) };
        let cases: BTreeMap<_, _> = (0..50)
            .map(|n| ((AccountId::new(&format!("user{n}@corp.example")), Trouble::Blind), case("no answer ")))
            .collect();
        let texts = for_admins(&cases, Lang::En, &TimeZone::UTC, Timestamp(0));
        assert_eq!(texts.len(), 1);
        assert!(texts[0].len() <= 2048 && texts[0].contains("and 30 more"), "{}", texts[0]);
    }
}
