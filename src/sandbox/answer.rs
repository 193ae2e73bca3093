//! Answers in WeCom's shape: `errcode` and `errmsg` with HTTP 200 (wecom-api.md section 1).

use std::net::IpAddr;

use rand::Rng;
use serde_json::{Map, Value, json};

/// A call that WeCom refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) errcode: i64,
    pub(super) text: String,
    /// Fields beside errcode and errmsg.
    pub(super) fields: Map<String, Value>,
}

impl Refusal {
    /// A refusal with the code's usual text.
    pub(super) fn new(errcode: i64) -> Self {
        Self::because(errcode, text_of(errcode))
    }

    /// A refusal with a text of its own.
    pub(super) fn because(errcode: i64, text: impl Into<String>) -> Self {
        Self { errcode, text: text.into(), fields: Map::new() }
    }

    /// 40058 that names the field.
    pub(super) fn illegal(text: impl AsRef<str>) -> Self {
        Self::because(40058, format!("invalid request parameter: {}", text.as_ref()))
    }

    /// The JSON answer, with a hint, the caller's address and where to look the code up.
    pub(super) fn answer(&self, ip: IpAddr) -> Value {
        let mut fields = self.fields.clone();
        fields.insert("errcode".to_owned(), json!(self.errcode));
        fields.insert("errmsg".to_owned(), json!(self.errmsg(ip)));
        Value::Object(fields)
    }

    fn errmsg(&self, ip: IpAddr) -> String {
        let Self { errcode, text, .. } = self;
        let mut random = rand::rng();
        let hint: String = (0..24).map(|_| char::from(random.random_range(b'0'..=b'9'))).collect();
        format!(
            "{text}, hint: [{hint}], from ip: {ip}, \
             more info at https://open.work.weixin.qq.com/devtool/query?e={errcode}"
        )
    }
}

/// A short text for a code; sections 2, 3 and 6 of wecom-api.md say when each comes.
fn text_of(errcode: i64) -> &'static str {
    match errcode {
        -1 => "system busy",
        40001 => "invalid credential",
        40003 => "invalid userid",
        40008 => "invalid message type",
        40013 => "invalid corpid",
        40014 => "invalid access_token",
        40029 => "invalid oauth code",
        40032 => "userid list too long",
        40033 => "request contains \\uXXXX escapes",
        40039 => "url too long",
        40056 => "invalid agentid",
        40058 => "invalid request parameter",
        40063 => "some parameters are empty",
        40068 => "invalid tagid",
        40094 => "invalid url",
        41001 => "access_token missing",
        41002 => "corpid missing",
        41004 => "corpsecret missing",
        41008 => "missing code",
        41009 => "missing userid",
        41011 => "agentid missing",
        41016 => "title missing",
        41017 => "missing tagid",
        41033 => "description missing",
        42001 => "access_token expired",
        42014 => "invalid task_id",
        42027 => "horizontal_content_list keyname missing",
        42028 => "horizontal_content_list url missing",
        42029 => "horizontal_content_list media_id missing",
        42035 => "horizontal_content_list too long",
        42042 => "jump_list too long",
        42045 => "card_action missing",
        42050 => "horizontal_content_list userid missing",
        43012 => "the app has no callback url",
        44004 => "empty content",
        45002 => "content size out of limit",
        45009 => "api freq out of limit",
        45033 => "too many concurrent calls",
        45034 => "url must start with http:// or https://",
        46004 => "user not exist",
        48002 => "api forbidden",
        48009 => "api forbidden: contacts may not be read from a new ip",
        50001 => "redirect_url domain not authorized",
        50003 => "app disabled",
        50100 => "invalid cursor",
        60011 => "no privilege to access/modify contact/party/agent",
        60020 => "not allow to access from your ip",
        60111 => "userid not found",
        60123 => "invalid department",
        81013 => "user & party & tag all invalid",
        82001 => "no recipient given",
        82002 => "too many parties",
        82003 => "too many tags",
        301_002 => "no right on this agentid",
        _ => "refused",
    }
}
