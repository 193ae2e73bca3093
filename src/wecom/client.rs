//! `message/send` and `agent/get`. errcode decides, never the HTTP status (wecom-api 1).

use super::ask::{Asker, Pace, Question};
use super::code::{Cause, Class, advice, cause_by, class_of, verdict};
use super::directory::Contacts;
use super::http::{Answer, Carrier, Connections, Http};
use super::token::Tokens;
use super::{Message, Push, Sent, encode};
use crate::clock::Clock;
use crate::config::Wecom;
use crate::model::{Lang, Recipient};
use crate::rules::retry::Outcome;
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// All users, parties and tags are invalid or not permitted (p90313).
const ALL_INVALID: i64 = 81013;
/// What is said of one whom a success names as invalid.
const NOT_VISIBLE: &str = "does not exist or is not in the app's visible range (可见范围)";
/// What is said of one whom a success names as unlicensed.
const NOT_LICENSED: &str = "has no licence (基础接口许可), unlicenseduser";

/// A client of one app.
pub struct Client {
    http: Http,
    tokens: Arc<Tokens>,
    asker: Arc<Asker>,
    pace: Arc<Pace>,
    clock: Arc<dyn Clock>,
    agent_id: i64,
}

/// What `agent/get` says of the app (p90227).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// Whether it is stopped.
    pub closed: bool,
    /// The members in its visible range by themselves, in lower case: not those by a party or a tag.
    pub users: Vec<String>,
    /// The departments in its visible range, without those below them.
    pub parties: Vec<u64>,
    /// The tags in its visible range.
    pub tags: Vec<u64>,
    /// Its home page (应用主页), if it has one.
    pub home_url: String,
    /// Its trusted domain (可信域名), if it has one; with the port where there is one.
    pub redirect_domain: String,
}

impl Agent {
    /// Asks for the app of this id.
    pub(super) async fn ask(asker: &Asker, agent_id: i64) -> Result<Self, Outcome> {
        let id = agent_id.to_string();
        let (call, proof, query) = ("agent/get", "name", [("agentid", id.as_str())]);
        let answer = asker.ask(&Question { call, query: &query, body: None, proof }).await?;
        match verdict(call, &answer) {
            Outcome::Sent => Ok(Self::read(&answer.body)),
            refused => Err(refused),
        }
    }

    fn read(body: &Value) -> Self {
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let list = |path: &str| body.pointer(path).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let ids = |path: &str| list(path).iter().filter_map(Value::as_u64).collect();
        let user = |one: &Value| Some(one.get("userid")?.as_str()?.to_ascii_lowercase());
        Self {
            name: text("name"),
            closed: body.get("close").and_then(Value::as_i64) == Some(1),
            users: list("/allow_userinfos/user").iter().filter_map(user).collect(),
            parties: ids("/allow_partys/partyid"),
            tags: ids("/allow_tags/tagid"),
            home_url: text("home_url"),
            redirect_domain: text("redirect_domain"),
        }
    }
}

impl Client {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// The HTTP client cannot be made, in words.
    pub fn new(wecom: &Wecom, clock: Arc<dyn Clock>) -> Result<Self, String> {
        Ok(Self::over(Arc::new(Connections::new(wecom)?), wecom, clock))
    }

    /// The same over another carrier than HTTP.
    pub fn over(carrier: Arc<dyn Carrier>, wecom: &Wecom, clock: Arc<dyn Clock>) -> Self {
        let http = Http::over(carrier);
        let tokens = Arc::new(Tokens::new(http.clone(), wecom, &wecom.secret, Arc::clone(&clock)));
        let pace = Arc::new(Pace::default());
        let asker = Asker::new(http.clone(), Arc::clone(&tokens), Arc::clone(&clock), Arc::clone(&pace));
        Self { http, tokens, asker: Arc::new(asker), pace, clock, agent_id: wecom.agent_id }
    }

    /// The corp as the same app sees it, with the same token; and, with `wecom.contacts_secret`, as contacts sync does.
    pub fn contacts(&self, wecom: &Wecom) -> Contacts {
        let sync = wecom.contacts_secret.as_ref().map(|secret| {
            let tokens = Arc::new(Tokens::new(self.http.clone(), wecom, secret, Arc::clone(&self.clock)));
            Asker::new(self.http.clone(), tokens, Arc::clone(&self.clock), Arc::clone(&self.pace))
        });
        Contacts {
            app: Arc::clone(&self.asker),
            agent_id: self.agent_id,
            sync,
            account_cap: wecom.account_cap,
            clock: Arc::clone(&self.clock),
            lookups: Mutex::default(),
        }
    }

    /// Fetches a token if none is held.
    ///
    /// # Errors
    /// What the failed fetch asks of us.
    pub async fn ready(&self) -> Result<(), Outcome> {
        self.tokens.get().await.map(drop)
    }

    /// Asks for the app: whether secret, agent id and this machine's address fit together.
    ///
    /// # Errors
    /// What the refusal asks of us.
    pub async fn agent(&self) -> Result<Agent, Outcome> {
        Agent::ask(&self.asker, self.agent_id).await
    }

    /// Whether a stored body is for another app than this one: WeCom would refuse it for ever (301002).
    pub fn is_for_another_app(&self, body: &[u8]) -> bool {
        let parsed: Result<Value, _> = serde_json::from_slice(body);
        parsed.is_ok_and(|value| value.get("agentid").and_then(Value::as_i64) != Some(self.agent_id))
    }

    async fn try_send(&self, body: &[u8]) -> Result<(Answer, u64), Outcome> {
        let (token, generation) = self.tokens.get().await?;
        let query = [("access_token", token.expose())];
        match self.http.post("message/send", &query, body.to_vec(), "msgid").await {
            Ok(answer) => Ok((answer, generation)),
            Err(error) => Err(Outcome::Unknown(format!("message/send: {error}"))),
        }
    }

    async fn send_body(&self, to: &[Recipient], body: &[u8]) -> Sent {
        let mut refreshed = false;
        loop {
            let (answer, generation) = match self.try_send(body).await {
                Ok(got) => got,
                Err(outcome) => return outcome.into(),
            };
            let stale = answer.errcode.is_some_and(|code| class_of(code) == Class::Token);
            if stale {
                self.tokens.drop_refused(generation).await;
                if !refreshed {
                    refreshed = true;
                    continue;
                }
            }
            let msgid = answer.body.get("msgid").and_then(Value::as_str).unwrap_or_default();
            let told = format!("errcode {} {} {msgid}", answer.errcode.unwrap_or_default(), answer.errmsg());
            return match verdict("message/send", &answer) {
                Outcome::Sent => Sent { outcome: reached(&answer, to), answer: told.trim_end().to_owned() },
                // Of all of them it is said that they cannot be reached.
                Outcome::Recipient(reason) if answer.errcode == Some(ALL_INVALID) && to.len() > 1 => {
                    Outcome::Partly(to.iter().map(|recipient| (recipient.clone(), reason.clone())).collect()).into()
                }
                outcome => outcome.into(),
            };
        }
    }
}

impl Push for Client {
    fn encode(&self, to: &[Recipient], message: &Message) -> Vec<u8> {
        encode::body(self.agent_id, to, message)
    }

    fn send<'a>(&'a self, to: &'a [Recipient], body: &'a [u8]) -> BoxFuture<'a, Sent> {
        Box::pin(self.send_body(to, body))
    }
}

/// What a success says of those it was for.
fn reached(answer: &Answer, to: &[Recipient]) -> Outcome {
    let refused = |recipient: &Recipient| {
        let why = match lists(answer, recipient)? {
            "unlicenseduser" => NOT_LICENSED,
            _ => NOT_VISIBLE,
        };
        // Its errmsg is that of a success.
        let more = Some(answer.errmsg()).filter(|errmsg| !matches!(errmsg.as_str(), "" | "ok"));
        let more = more.map_or_else(String::new, |errmsg| format!(": {errmsg}"));
        Some((recipient.clone(), format!("message/send: {recipient} {why}{more}")))
    };
    let refused: Vec<_> = to.iter().filter_map(refused).collect();
    match refused.as_slice() {
        [] => Outcome::Sent,
        [(_, reason)] if to.len() == 1 => Outcome::Recipient(reason.clone()),
        _ => Outcome::Partly(refused),
    }
}

/// The field of a success that names the recipient among those it did not reach; ids come back in lower case (p90236).
fn lists(answer: &Answer, to: &Recipient) -> Option<&'static str> {
    let holds = |key: &'static str, id: &str| {
        let list = answer.body.get(key).and_then(Value::as_str)?;
        list.split('|').any(|listed| listed.trim().eq_ignore_ascii_case(id)).then_some(key)
    };
    match to {
        Recipient::User(user) => holds("invaliduser", user).or_else(|| holds("unlicenseduser", user)),
        Recipient::Party(id) => holds("invalidparty", &id.to_string()),
        Recipient::Tag(id) => holds("invalidtag", &id.to_string()),
    }
}

/// What a person should do about an outcome, if there is something: found by the errcode in its text.
pub fn advice_for(outcome: &Outcome, lang: Lang) -> Option<&'static str> {
    let words = outcome.reason();
    let network =
        || lang.pick("检查 wecom.api_base、wecom.proxy 和网络", "check wecom.api_base, wecom.proxy and the network");
    advice_on(words, lang).or_else(|| code_in(words).is_none().then(network))
}

/// The same for an outcome of which only the words were kept; nothing where WeCom gave no answer.
pub fn advice_on(words: &str, lang: Lang) -> Option<&'static str> {
    if words.contains(NOT_LICENSED) {
        return Some(lang.pick(
            "该成员没有基础接口许可或已过期：在企业微信管理后台为其分配许可",
            "this member has no interface licence (基础接口许可), or it has expired: assign one in the WeCom admin console",
        ));
    }
    // A success that did not reach this one has no errcode that says so.
    let code = if words.contains(NOT_VISIBLE) { ALL_INVALID } else { code_in(words)? };
    advice(code).map(|(zh, en)| lang.pick(zh, en))
}

/// Why WeCom could not be asked, out of an outcome that is no success.
pub fn cause_of(outcome: &Outcome) -> Cause {
    code_in(outcome.reason()).map_or(Cause::NoAnswer, cause_by)
}

/// The address that WeCom saw a refused call come from (wecom-api 1), out of the words of an outcome: what is to be
/// entered as 企业可信IP.
pub fn egress_in(words: &str) -> Option<IpAddr> {
    let (_, after) = words.split_once("from ip: ")?;
    after.split([',', ' ']).next()?.parse().ok()
}

/// The errcode in an outcome's words, which begin with the call.
fn code_in(words: &str) -> Option<i64> {
    words.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_is_said_of_codes_of_silence_and_of_members_who_are_not_reached() {
        let lost = Outcome::Unknown("message/send: connection closed before message completed".to_owned());
        let payload = Outcome::Payload("message/send: 40058 invalid request parameter".to_owned());
        let busy = Outcome::Busy("message/send: -1 system busy".to_owned());
        let alone = Outcome::Recipient(format!("message/send: lisi {NOT_LICENSED}"));
        let party = Outcome::Recipient("message/send: 40066 invalid party".to_owned());
        for (outcome, wanted) in [
            (lost, Some(["wecom.proxy", "网络"])),
            (payload, Some(["alerts show", "请求正文"])),
            (busy, None),
            (alone, Some(["interface licence", "基础接口许可"])),
            (party, Some(["department or tag", "部门或标签"])),
        ] {
            for (lang, word) in [Lang::En, Lang::ZhCn].into_iter().zip([0, 1]) {
                let said = advice_for(&outcome, lang);
                assert_eq!(
                    said.map(|said| wanted.is_some_and(|w| said.contains(w[word]))),
                    wanted.map(|_| true),
                    "{said:?}"
                );
            }
        }
        assert_eq!(advice_on("errcode 0 ok msg-1", Lang::En), None);
        assert_eq!(advice_on("", Lang::En), None);
    }
}
