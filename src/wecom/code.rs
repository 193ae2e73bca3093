//! WeCom's error codes, in one table: code -> what it asks of us (wecom-api 6, from p90313).

use super::directory::Presence;
use super::http::Answer;
use crate::rules::retry::Outcome;

/// What a code asks of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 0.
    Ok,
    /// Try again, the same body.
    Retry,
    /// Drop the token, fetch one, repeat once.
    Token,
    /// This recipient cannot be told.
    Recipient,
    /// This message is not taken as it is.
    Payload,
    /// The app must be mended by its administrator; all sends stop.
    Admin,
    /// A limit: wait for its window.
    Quota,
    /// A code that the table does not know.
    Unknown,
}

/// The class of an errcode.
pub fn class_of(errcode: i64) -> Class {
    match errcode {
        0 => Class::Ok,
        -1 | 6000 | 45033 => Class::Retry,
        // 40001 after `gettoken` is the secret, see `token.rs`; after another call the token may just be stale.
        40001 | 40014 | 42001 => Class::Token,
        40003 | 40031 | 40066 | 40068 | 40070 | 46004 | 50002 | 60003 | 60011 | 60021 | 60111 | 60123 | 81013 => {
            Class::Recipient
        }
        45009 => Class::Quota,
        40013
        | 40054..=40057
        | 43009
        | 43012
        | 45031
        | 48001
        | 48002
        | 48004..=48006
        | 48009
        | 50001
        | 50003
        | 60020
        | 60031
        | 80001
        | 85004
        | 85005
        | 93000
        | 93004
        | 93006
        | 93008
        | 301_002
        | 301_007
        | 301_042 => Class::Admin,
        40008
        | 40016..=40027
        | 40032
        | 40033
        | 40035
        | 40039
        | 40058
        | 40063
        | 40094
        | 41001
        | 41002
        | 41004
        | 41009
        | 41011
        | 41016
        | 41033
        | 42014..=42020
        | 42027..=42051
        | 44004
        | 45002
        | 45008
        | 45034
        | 40007
        | 82001..=82004
        | 85002
        | 86001..=86224 => Class::Payload,
        _ => Class::Unknown,
    }
}

/// What a refusal says of the member who was asked for: 60111 is said of who left, was never there, or is not visible
/// (p90313), and 46004 of who is not found by an address.
pub(super) fn presence_of(errcode: i64) -> Option<Presence> {
    match errcode {
        40003 | 46004 | 60111 => Some(Presence::Unknown),
        50002 | 60011 | 60021 => Some(Presence::NotVisible),
        _ => None,
    }
}

/// Whether a refusal says that a code of signing in is wrong, used or too old.
pub(super) fn is_spent_code(errcode: i64) -> bool {
    matches!(errcode, 40029 | 42003 | 42022)
}

/// What an answer asks of us.
pub(super) fn verdict(call: &str, answer: &Answer) -> Outcome {
    let Some(errcode) = answer.errcode else {
        return Outcome::Unknown(format!("{call}: HTTP {}, no errcode", answer.status));
    };
    let told = format!("{call}: {errcode} {}", answer.errmsg());
    match class_of(errcode) {
        Class::Ok => Outcome::Sent,
        Class::Retry => Outcome::Busy(told),
        Class::Quota => Outcome::Quota(told),
        Class::Recipient => Outcome::Recipient(told),
        Class::Payload => Outcome::Payload(told),
        // A token that is refused right after it was fetched: something about the app is wrong.
        Class::Token | Class::Admin => Outcome::Channel(told),
        Class::Unknown => Outcome::Strange(told),
    }
}

/// Why WeCom cannot be asked, told by where it is put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No answer: the network, the proxy, the address of the API.
    NoAnswer,
    /// corp_id, agent_id or secret; of a secret that is right: the app is stopped.
    Credentials,
    /// The secret is right, but of another kind than this call needs.
    KindOfSecret,
    /// This machine's address is not among 企业可信IP.
    TrustedIp,
    /// The app is stopped.
    Stopped,
    /// Another refusal.
    Other,
}

/// The cause of a refusal.
pub(super) fn cause_by(errcode: i64) -> Cause {
    match errcode {
        // 40091 is what private editions say of a wrong secret (wecom-api 12).
        40001 | 40013 | 40056 | 40091 | 301_002 => Cause::Credentials,
        48002 => Cause::KindOfSecret,
        50003 => Cause::Stopped,
        60020 => Cause::TrustedIp,
        _ => Cause::Other,
    }
}

/// What to do about a code, for people: in Chinese and English.
pub(super) fn advice(errcode: i64) -> Option<(&'static str, &'static str)> {
    Some(match errcode {
        40001 => (
            "secret 不对、已被重置，或应用已停用：在企业微信管理后台“应用管理”中打开该应用，复制 Secret 填入 wecom.secret",
            "the secret is wrong or was reset, or the app is disabled: copy the app's Secret from the WeCom admin console (应用管理) into wecom.secret",
        ),
        40013 => (
            "企业 ID 不对：在管理后台“我的企业”页底部复制“企业ID”填入 wecom.corp_id",
            "the corp id is wrong: copy 企业ID from 我的企业 in the WeCom admin console into wecom.corp_id",
        ),
        60020 => (
            "本机的出口 IP 不在该应用的“企业可信IP”中：把它加进去，约 1 分钟后生效（须先为应用设置可信域名或接收消息的回调 URL，才能编辑该名单）",
            "this machine's public address is not among the app's 企业可信IP: add it there; it acts after about a minute (the list can be edited once the app has a trusted domain or a verified callback URL)",
        ),
        301_002 | 40056 => (
            "AgentId 与 Secret 不属于同一个应用：两者都从同一个应用的页面复制",
            "agent_id and secret are not of the same app: copy both from the same app's page",
        ),
        50003 => ("该应用已停用：在管理后台启用它", "the app is disabled: enable it in the WeCom admin console"),
        48002 => (
            "这个 Secret 不能发应用消息（例如它是通讯录同步的 Secret）：请用自建应用的 Secret",
            "this secret may not send app messages (it may be that of contacts sync): use a self-built app's secret",
        ),
        45009 => ("调用过于频繁，需等待限制解除", "too many calls: wait until the limit is over"),
        81013 | 60111 | 40003 | 60021 | 46004 => (
            "该成员不存在或不在应用的可见范围内：检查 userid，并在管理后台把他加入应用的“可见范围”",
            "this member does not exist or is outside the app's visible range (可见范围): check the userid and add them there",
        ),
        _ => return by_class(class_of(errcode)),
    })
}

/// The same for codes that only their class is known of.
fn by_class(class: Class) -> Option<(&'static str, &'static str)> {
    Some(match class {
        Class::Recipient => (
            "企业微信无法向该接收人发送：检查 userid、部门或标签是否存在、是否在应用的可见范围内",
            "WeCom cannot tell this recipient: check that the userid, department or tag exists and is in the app's visible range (可见范围)",
        ),
        Class::Payload => (
            "企业微信不接受这条消息（简短文本也不接受）：请直接到邮箱中查看；用 mailbell alerts show 编号 可看请求正文",
            "WeCom does not take this message, not even as a short text: look into the mailbox itself; mailbell alerts show ID shows the request's body",
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_the_reference() {
        let cases = [
            (0, Class::Ok),
            (-1, Class::Retry),
            (6000, Class::Retry),
            (45033, Class::Retry),
            (40014, Class::Token),
            (42001, Class::Token),
            (40001, Class::Token),
            (40003, Class::Recipient),
            (60111, Class::Recipient),
            (81013, Class::Recipient),
            (40058, Class::Payload),
            (45002, Class::Payload),
            (82004, Class::Payload),
            (42030, Class::Payload),
            (45009, Class::Quota),
            (60020, Class::Admin),
            (301_002, Class::Admin),
            (40056, Class::Admin),
            (48002, Class::Admin),
            (99_999, Class::Unknown),
        ];
        for (code, class) in cases {
            assert_eq!(class_of(code), class, "{code}");
        }
    }
}
