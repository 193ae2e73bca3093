//! What the rival answers to a call, and which rules the call breaks. Nothing here waits or reads a clock: the time is
//! an argument, counted from the opening.

use super::book::{Accepted, Book, Shown};
use super::corp::Corp;
use super::form;
use super::limits::{Limits, MINUTE};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

pub const GETTOKEN: &str = "/cgi-bin/gettoken";
pub const SEND: &str = "/cgi-bin/message/send";
pub const AGENT: &str = "/cgi-bin/agent/get";

/// What was on its way when a refusal was told is not held against the client.
pub const GRACE: Duration = Duration::from_secs(1);
/// A call with a token that is refused meanwhile is judged so late at most: the slowest of `faults::brief`.
const SLOWEST: Duration = Duration::from_millis(1600);
/// A block lasts as long as its window (wecom-api 4).
pub const BLOCK: Duration = Duration::from_secs(60);
/// Clocks that count whole milliseconds.
const HAIR: Duration = Duration::from_millis(50);
/// A good token that ends sooner may be asked for again.
const RENEWAL: Duration = Duration::from_secs(300);
/// More calls of `gettoken` in a minute are hammering, whatever they were answered.
const TOKENS_A_MINUTE: usize = 20;
/// While the caller's address is refused, more sends in a minute are no slow probing (wecom-api 6).
const PROBES: (usize, Duration) = (10, Duration::from_secs(60));

/// The same content more often in five seconds: no growing pauses.
const RETRIES: (usize, Duration) = (5, Duration::from_secs(5));

/// One request.
#[derive(Clone, Debug, Default)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    /// Whether there is an `Authorization` header.
    pub authorized: bool,
    pub body: Vec<u8>,
}

impl Call {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub kind: &'static str,
    pub body: String,
    /// The errcode, where it is an answer of the API.
    pub code: Option<i64>,
}

impl Answer {
    pub fn page(status: u16) -> Self {
        let body = format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n");
        Self { status, kind: "text/html", body, code: None }
    }

    pub fn json(code: i64, text: &str, mut fields: Value) -> Self {
        let tail = format!(
            ", hint: [1764000000123456789012345], from ip: 127.0.0.1, more info at \
             https://open.work.weixin.qq.com/devtool/query?e={code}"
        );
        fields["errcode"] = code.into();
        fields["errmsg"] = if code == 0 { "ok".to_owned() } else { text.to_owned() + &tail }.into();
        Self { status: 200, kind: "application/json; charset=UTF-8", body: fields.to_string(), code: Some(code) }
    }

    fn refusal(code: i64, text: &str) -> Self {
        Self::json(code, text, json!({}))
    }
}

#[derive(Clone, Debug)]
struct Token {
    text: String,
    until: Duration,
    withdrawn: bool,
    /// Whether the client has it.
    given: bool,
    /// When the client was told that it is not good any more.
    refused: Option<Duration>,
}

/// See the module's text.
#[derive(Debug)]
pub struct Office {
    pub corp: Corp,
    pub book: Book,
    limits: Limits,
    tokens: Vec<Token>,
    /// Calls that came and were not answered yet, by path.
    open: BTreeMap<String, usize>,
    /// Until when sends are blocked, and when that was told first.
    blocked: Option<Duration>,
    block_told: Option<Duration>,
    /// Until when the caller's address is not trusted, and when that was told first.
    untrusted: Option<Duration>,
    untrusted_told: Option<Duration>,
    /// When a wrong corp or secret was told.
    secret_told: Option<Duration>,
    /// When each content came, the last times.
    contents: HashMap<Vec<u8>, Vec<Duration>>,
}

impl Office {
    pub fn new(corp: Corp) -> Self {
        Self {
            corp,
            book: Book::default(),
            limits: Limits::default(),
            tokens: Vec::new(),
            open: BTreeMap::new(),
            blocked: None,
            block_told: None,
            untrusted: None,
            untrusted_told: None,
            secret_told: None,
            contents: HashMap::new(),
        }
    }

    /// A process of the client begins anew and has forgotten its token.
    pub fn expect_start(&mut self) {
        self.tokens.iter_mut().for_each(|token| token.given = false);
    }

    /// All tokens stop being good.
    pub fn withdraw(&mut self) {
        self.tokens.iter_mut().for_each(|token| token.withdrawn = true);
    }

    /// Sends are answered 45009 for a minute.
    pub fn block(&mut self, now: Duration) {
        self.blocked.get_or_insert(now + BLOCK);
    }

    /// Everything with a token is answered 60020 until then.
    pub fn distrust(&mut self, until: Duration) {
        self.untrusted = Some(until);
    }

    /// A call has come; what its mere coming breaks.
    pub fn arrive(&mut self, call: &Call, now: Duration) {
        *self.open.entry(call.path.clone()).or_default() += 1;
        self.book.calls.entry(call.path.clone()).or_default().push(now);
        if self.blocked.is_some_and(|until| now >= until) {
            self.blocked = None;
        }
        match call.path.as_str() {
            GETTOKEN => self.arrive_for_token(now),
            SEND => self.arrive_to_send(call, now),
            _ => {}
        }
    }

    fn arrive_for_token(&mut self, now: Duration) {
        if self.open.get(GETTOKEN).is_some_and(|open| *open > 1) {
            self.book.breaks(now, "gettoken while another gettoken is under way");
        }
        let has_one =
            self.tokens.iter().any(|t| t.given && !t.withdrawn && t.refused.is_none() && t.until > now + RENEWAL);
        if has_one {
            self.book.breaks(now, "gettoken in spite of a good token");
        }
        if self.secret_told.is_some_and(|told| now < told + BLOCK - HAIR) {
            self.book.breaks(now, "gettoken within a minute after a wrong corp or secret");
        }
        if self.calls_since(GETTOKEN, now.saturating_sub(MINUTE.0)) > TOKENS_A_MINUTE {
            self.book.breaks(now, "gettoken more than 20 times a minute");
        }
    }

    fn arrive_to_send(&mut self, call: &Call, now: Duration) {
        let times = self.contents.entry(call.body.clone()).or_default();
        times.retain(|at| now - *at < RETRIES.1);
        times.push(now);
        if times.len() > RETRIES.0 {
            self.book.breaks(now, "the same content more than 5 times in 5 s");
        }
        if self.block_told.is_some_and(|told| now > told + GRACE && now < told + BLOCK - HAIR) {
            self.book.breaks(now, "a send within 60 s after 45009");
        }
        let refused = self.untrusted.is_some_and(|until| now < until);
        if let Some(told) = self.untrusted_told.filter(|told| refused && now > *told + GRACE) {
            let since = (told + GRACE).max(now.saturating_sub(PROBES.1));
            if self.calls_since(SEND, since) > PROBES.0 {
                self.book.breaks(now, "more than 10 sends in a minute after 60020");
            }
        }
    }

    fn calls_since(&self, path: &str, since: Duration) -> usize {
        self.book.calls.get(path).map_or(0, |times| times.iter().filter(|at| **at > since).count())
    }

    /// A call is over, answered or not.
    pub fn leave(&mut self, call: &Call) {
        if let Some(open) = self.open.get_mut(&call.path) {
            *open -= 1;
        }
    }

    /// An answer goes out whole: from now on the client knows.
    pub fn told(&mut self, call: &Call, answer: &Answer, now: Duration) {
        let first = |told: &mut Option<Duration>| *told = told.or(Some(now));
        let is_send = call.path == SEND;
        match answer.code {
            Some(0) if call.path == GETTOKEN => {
                if let Some(token) = self.tokens.iter_mut().find(|token| answer.body.contains(&token.text)) {
                    token.given = true;
                }
                self.secret_told = None;
            }
            Some(0) if is_send => self.untrusted_told = None,
            Some(40001 | 40013) if call.path == GETTOKEN => self.secret_told = Some(now),
            Some(40001 | 40014 | 42001) => {
                let named = call.get("access_token").unwrap_or_default();
                if let Some(token) = self.tokens.iter_mut().find(|token| token.text == named) {
                    first(&mut token.refused);
                }
            }
            // What was on its way does not begin the minute anew.
            Some(45009) if is_send && self.block_told.is_none_or(|told| now >= told + BLOCK - HAIR) => {
                self.block_told = Some(now);
            }
            Some(60020) if is_send => first(&mut self.untrusted_told),
            _ => {}
        }
    }

    /// What the call is answered; a message that is taken is taken here.
    pub fn judge(&mut self, call: &Call, now: Duration) -> Answer {
        let answer = match (call.method.as_str(), call.path.as_str()) {
            ("GET", GETTOKEN) => self.give_token(call, now),
            ("POST", SEND) => self.with_token(call, now, Self::take),
            ("GET", AGENT) => self.with_token(call, now, Self::tell_agent),
            (method, GETTOKEN | SEND | AGENT) => {
                self.book.breaks(now, format!("{method} {}", call.path));
                Answer::refusal(40058, "invalid Request Parameter, wrong method")
            }
            _ => {
                self.book.breaks(now, format!("there is no {}", call.path));
                Answer::page(404)
            }
        };
        self.count(&answer);
        answer
    }

    /// Notes an answer's code.
    pub fn count(&mut self, answer: &Answer) {
        if let Some(code) = answer.code {
            *self.book.codes.entry(code).or_default() += 1;
        }
    }

    fn give_token(&mut self, call: &Call, now: Duration) -> Answer {
        let (code, text) = match (call.get("corpid"), call.get("corpsecret")) {
            (None, None) | (Some(_), None) => (41004, "corpsecret missing"),
            (None, Some(_)) => (41002, "corpid missing"),
            (Some(corp), _) if corp != self.corp.corp_id => (40013, "invalid corpid"),
            (_, Some(secret)) if secret != self.corp.secret => (40001, "invalid credential"),
            _ => (0, "ok"),
        };
        if code != 0 {
            if matches!(code, 41002 | 41004) {
                self.book.breaks(now, text);
            }
            return Answer::refusal(code, text);
        }
        // A fetch inside the lifetime returns the same token (wecom-api 2, older text).
        let good = self.tokens.iter().find(|token| !token.withdrawn && token.until > now).cloned();
        let token = good.unwrap_or_else(|| {
            let text = format!("{}-{:064}", self.corp.corp_id, self.tokens.len() + 1);
            let until = now + self.corp.token_life;
            let token = Token { text, until, withdrawn: false, given: false, refused: None };
            self.tokens.push(token.clone());
            token
        });
        let left = (token.until - now).as_secs();
        Answer::json(0, "ok", json!({"access_token": token.text, "expires_in": left}))
    }

    /// What holds for every call with a token.
    fn with_token(&mut self, call: &Call, now: Duration, then: fn(&mut Self, &Call, Duration) -> Answer) -> Answer {
        let Some(named) = call.get("access_token") else {
            let elsewhere = if call.authorized { ", but in a header" } else { "" };
            self.book.breaks(now, format!("no token in the query{elsewhere}"));
            return Answer::refusal(41001, "access_token missing");
        };
        if call.authorized || call.get("debug").is_some() {
            self.book.breaks(now, "a token in a header, or debug in the query");
        }
        let Some(token) = self.tokens.iter().find(|token| token.text == named) else {
            self.book.breaks(now, "a token that was never given");
            return Answer::refusal(40014, "invalid access_token");
        };
        let (withdrawn, until) = (token.withdrawn, token.until);
        if token.refused.is_some_and(|told| now > told + SLOWEST) {
            self.book.breaks(now, "a token that was refused before");
        }
        if withdrawn {
            return Answer::refusal(40014, "invalid access_token");
        }
        if until <= now {
            return Answer::refusal(42001, "access_token expired");
        }
        if self.open.values().sum::<usize>() > self.corp.most_calls {
            return Answer::refusal(45033, "api concurrent out of limit");
        }
        if self.untrusted.is_some_and(|until| now < until) {
            return Answer::refusal(60020, "not allow to access from your ip");
        }
        then(self, call, now)
    }

    fn tell_agent(&mut self, call: &Call, now: Duration) -> Answer {
        match call.get("agentid").map(str::parse::<i64>) {
            None => {
                self.book.breaks(now, "agent/get without agentid");
                Answer::refusal(41011, "missing agentid")
            }
            Some(Ok(id)) if id == self.corp.agent_id => {
                let users: Vec<Value> = self.corp.members.iter().map(|id| json!({"userid": id})).collect();
                Answer::json(
                    0,
                    "ok",
                    json!({
                        "agentid": id, "name": "邮铃", "square_logo_url": "", "description": "", "close": 0,
                        "allow_userinfos": {"user": users}, "allow_partys": {"partyid": []},
                        "allow_tags": {"tagid": []}, "redirect_domain": "", "report_location_flag": 0,
                        "isreportenter": 0, "home_url": "",
                    }),
                )
            }
            Some(_) => Answer::refusal(301_002, "not allow to access the agent"),
        }
    }

    fn take(&mut self, call: &Call, now: Duration) -> Answer {
        let form = match form::read(&call.body, self.corp.agent_id) {
            Ok(form) => form,
            Err(refusal) => {
                // A wrong agent is a mistake of whoever wrote the config.
                if refusal.code != 301_002 {
                    self.book.breaks(now, format!("{}: {}", refusal.code, refusal.text));
                }
                return Answer::refusal(refusal.code, &refusal.text);
            }
        };
        if self.blocked.is_some() {
            return Answer::refusal(45009, "api freq out of limit");
        }
        for sloppy in &form.sloppy {
            self.book.breaks(now, sloppy);
        }
        let reach = self.corp.reach(&form);
        let lists = json!({
            "invaliduser": reach.invalid_users.join("|"), "invalidparty": reach.invalid_parties.join("|"),
            "invalidtag": reach.invalid_tags.join("|"), "unlicenseduser": reach.unlicensed.join("|"),
        });
        if reach.members.is_empty() {
            return Answer::json(81013, "user & party & tag all invalid", lists);
        }
        let duplicate = self.limits.is_repeated(&call.body, form.check, now);
        if !duplicate && !self.limits.spend(self.corp.account_cap, self.corp.day(now), reach.members.len()) {
            self.limits.forget(&call.body);
            self.book.breaks(now, "more persons a day than 200 times the account cap");
            return Answer::refusal(45009, "api freq out of limit");
        }
        for member in &reach.members {
            let over = self.limits.count(member, now);
            if let Some(rule) = over {
                self.book.breaks(now, rule);
                self.book.dropped.push((now, member.clone()));
            }
            if over.is_none() && !duplicate {
                let shown = Shown { at: now, kind: form.kind.clone(), text: form.shown.join("\n") };
                self.book.chats.entry(member.clone()).or_default().push(shown);
            }
        }
        let members = reach.members.into_iter().collect();
        self.book.accepted.push(Accepted { at: now, members, duplicate });
        let mut fields = lists;
        fields["msgid"] = format!("msg-{:08}", self.book.accepted.len()).into();
        Answer::json(0, "ok", fields)
    }
}
