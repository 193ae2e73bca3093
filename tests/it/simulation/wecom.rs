//! A WeCom in memory, as strict as its pages: it counts what each member gets, forgets bodies after four hours, drops
//! what is too much without a word, and loses answers. What no sender may do is a broken promise.

use super::dice::Dice;
use super::office::{Harm, Letter, Office};
use super::time::{HOUR, MINUTE, SECOND};
use super::witness::Witness;
use futures_util::future::BoxFuture;
use mailbell::model::Recipient;
use mailbell::wecom::{Carrier, Raw};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::sleep;

/// The app.
pub const AGENT: i64 = 1_000_002;
/// How long the client waits for an answer.
const NO_ANSWER: i64 = 20 * SECOND;
/// How long WeCom remembers a body (p90236).
const DUPLICATES: i64 = 14_400 * SECOND;
/// No body meets a code that nobody knows more often.
const MOST_STRANGE: u32 = 4;

/// What happens to requests, each so often in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Climate {
    pub lost_before: u32,
    pub lost_after: u32,
    pub busy: u32,
    pub strange: u32,
    pub garbage: u32,
    pub slow: u32,
}

/// A message that a recipient was shown.
#[derive(Clone, Debug)]
pub struct Shown {
    pub at: i64,
    pub body: usize,
}

/// One request body.
pub struct Body {
    pub to: Vec<Recipient>,
    /// The letters whose tokens it shows.
    pub letters: Vec<usize>,
    pub text: String,
    plain: bool,
    /// When it was last shown, to whom.
    taken: BTreeMap<Recipient, i64>,
    strange: u32,
    /// A try of it may have been taken, for all that the sender can know; and whether that was so before the last one.
    pub open: bool,
    was_open: bool,
}

#[derive(Default)]
pub struct Inner {
    token: u64,
    pub climate: Climate,
    /// 45009 until then, 60020 until then.
    pub limited_until: i64,
    pub closed_until: i64,
    pub invisible: BTreeSet<Recipient>,
    /// Who was invisible ever.
    pub refused_ever: BTreeSet<Recipient>,
    pub bodies: Vec<Body>,
    numbers: HashMap<Vec<u8>, usize>,
    counts: BTreeMap<Recipient, VecDeque<i64>>,
    quota: BTreeMap<i64, u64>,
    pub shown: BTreeMap<Recipient, Vec<Shown>>,
    /// The body that last named a letter to somebody.
    named: HashMap<(Recipient, usize), usize>,
    /// The last answer 45009: when it was given, to which process, and whether that process stored it.
    told_off: Option<(i64, u64, bool)>,
    /// The tokens that a process was told are invalid, and when.
    refused_tokens: HashMap<(u64, String), i64>,
    pub process: u64,
    pub requests: u64,
}

/// See the module's text.
pub struct WeCom {
    witness: Arc<Witness>,
    office: Arc<Office>,
    /// 账号上限数, if there is one.
    pub cap: Option<u32>,
    inner: Mutex<Inner>,
    dice: Mutex<Dice>,
}

/// What is to become of one request.
struct Fate {
    lost_before: bool,
    lost_after: bool,
    busy: bool,
    strange: bool,
    garbage: bool,
    out: i64,
    back: i64,
}

impl Inner {
    /// The number of a body that was tried.
    pub fn number_of(&self, bytes: &[u8]) -> Option<usize> {
        self.numbers.get(bytes).copied()
    }
}

impl WeCom {
    pub fn new(witness: Arc<Witness>, office: Arc<Office>, cap: Option<u32>, dice: Dice) -> Self {
        let inner = Mutex::new(Inner { token: 1, ..Inner::default() });
        Self { witness, office, cap, inner, dice: Mutex::new(dice) }
    }

    pub fn open(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// The token is taken back before its time.
    pub fn withdraw_token(&self) {
        self.open().token += 1;
    }

    /// The process has stored that the channel rests.
    pub fn rest_was_stored(&self) {
        let mut inner = self.open();
        let process = inner.process;
        if let Some((_, by, stored)) = inner.told_off.as_mut() {
            *stored |= *by == process;
        }
    }

    fn fate(&self) -> Fate {
        let climate = self.open().climate;
        let mut dice = self.dice.lock().unwrap();
        let slow = dice.often(climate.slow);
        Fate {
            lost_before: dice.often(climate.lost_before),
            lost_after: dice.often(climate.lost_after),
            busy: dice.often(climate.busy),
            strange: dice.often(climate.strange),
            garbage: dice.often(climate.garbage),
            out: if slow { dice.between(0, 1500) } else { dice.between(0, 30) },
            back: if slow { dice.between(100, 15 * SECOND) } else { dice.between(5, 120) },
        }
    }

    async fn exchange(&self, path: &str, query: &[(&str, &str)], body: Option<Vec<u8>>) -> Result<Raw, String> {
        self.witness.point("carry", false).await;
        let begun = self.witness.time.now();
        let fate = self.fate();
        pause(fate.out).await;
        if fate.lost_before {
            self.witness.note(|| format!("wecom {path}: lost before"));
            pause(if fate.out % 2 == 0 { NO_ANSWER } else { 10 }).await;
            return Err("connection reset".to_owned());
        }
        let number = body.as_deref().map(|body| self.read(body));
        let mut answer = match (path, number) {
            ("gettoken", None) => self.token(query, &fate),
            ("message/send", Some(number)) => self.message(query, number, begun, &fate),
            _ => json!({"errcode": 40058, "errmsg": "no such call"}),
        };
        self.witness.note(|| format!("wecom {path} {number:?} -> {answer}"));
        self.witness.point("taken", true).await;
        if fate.lost_after {
            pause(NO_ANSWER).await;
            return Err("no answer within 20s".to_owned());
        }
        pause(fate.back).await;
        if fate.garbage {
            return Ok((502, b"<html>Bad Gateway</html>".to_vec()));
        }
        let code = answer["errcode"].as_i64().unwrap_or_default();
        if let Some(number) = number {
            self.answered(number, code, token_of(query));
        }
        answer["errmsg"] = json!(if code == 0 { "ok" } else { "no" });
        self.witness.point("answered", true).await;
        Ok((200, answer.to_string().into_bytes()))
    }

    /// The sender knows now what came of a body.
    fn answered(&self, number: usize, code: i64, token: &str) {
        let now = self.witness.time.now();
        let mut inner = self.open();
        if code == 40014 {
            let process = inner.process;
            inner.refused_tokens.entry((process, token.to_owned())).or_insert(now);
        }
        if code == 45009 {
            inner.told_off = Some((now, inner.process, false));
        }
        let body = &mut inner.bodies[number];
        match code {
            -1 | 99_999 => {}
            45009 | 60020 | 40014 => body.open = body.was_open,
            _ => body.open = false,
        }
    }

    fn token(&self, query: &[(&str, &str)], fate: &Fate) -> Value {
        if query.iter().any(|(key, value)| *key == "corpsecret" && *value != "secret") {
            self.witness.broken("a wrong secret was said");
        }
        if fate.busy {
            return json!({"errcode": -1});
        }
        json!({"errcode": 0, "access_token": format!("token-{}", self.open().token), "expires_in": 7200})
    }

    fn message(&self, query: &[(&str, &str)], number: usize, begun: i64, fate: &Fate) -> Value {
        let now = self.witness.time.now();
        let mut inner = self.open();
        inner.requests += 1;
        self.check_rest(&inner, begun);
        let token = token_of(query);
        if inner.refused_tokens.get(&(inner.process, token.to_owned())).is_some_and(|told_at| begun > *told_at) {
            self.witness.broken(format!("{token} is used again after WeCom refused it"));
        }
        self.check_unity(&mut inner, number);
        if token != format!("token-{}", inner.token) {
            return json!({"errcode": 40014});
        }
        if now < inner.limited_until {
            return json!({"errcode": 45009});
        }
        if now < inner.closed_until {
            return json!({"errcode": 60020});
        }
        if fate.strange && inner.bodies[number].strange < MOST_STRANGE {
            inner.bodies[number].strange += 1;
            return json!({"errcode": 99_999});
        }
        if fate.busy && fate.out % 5 > 0 {
            return json!({"errcode": -1});
        }
        if let Some(code) = self.refuses(&inner.bodies[number]) {
            return json!({"errcode": code});
        }
        let (gone, there): (Vec<_>, Vec<_>) =
            inner.bodies[number].to.iter().cloned().partition(|to| inner.invisible.contains(to));
        if there.is_empty() {
            return json!({"errcode": 81013});
        }
        self.count_quota(&mut inner, there.len());
        for to in there {
            // It is not shown again (p90236): to those who were not there the first time, it is shown.
            let taken = inner.bodies[number].taken.get(&to);
            let duplicate = taken.is_some_and(|at| now - at < DUPLICATES);
            if !duplicate {
                inner.bodies[number].taken.insert(to.clone(), now);
            }
            self.show(&mut inner, to, number, duplicate);
        }
        if fate.busy {
            return json!({"errcode": -1});
        }
        let list = |of: fn(&Recipient) -> Option<String>| gone.iter().filter_map(of).collect::<Vec<_>>().join("|");
        json!({
            "errcode": 0, "msgid": number.to_string(),
            "invaliduser": list(|r| if let Recipient::User(user) = r { Some(user.to_string()) } else { None }),
            "invalidparty": list(|r| if let Recipient::Party(id) = r { Some(id.to_string()) } else { None }),
            "invalidtag": list(|r| if let Recipient::Tag(id) = r { Some(id.to_string()) } else { None }),
        })
    }

    /// After 45009 nothing is to be sent for a minute, by a process that knows.
    fn check_rest(&self, inner: &Inner, begun: i64) {
        if let Some((told_at, process, stored)) = inner.told_off
            && begun > told_at
            && begun - told_at < MINUTE
            && (process == inner.process || stored)
        {
            self.witness.broken(format!("sent {} ms after 45009", begun - told_at));
        }
    }

    /// What was said in one body is not said in another while nobody knows whether the first was taken.
    fn check_unity(&self, inner: &mut Inner, number: usize) {
        let body = &mut inner.bodies[number];
        body.was_open = std::mem::replace(&mut body.open, true);
        let (to, mut letters) = (inner.bodies[number].to.clone(), inner.bodies[number].letters.clone());
        let office = self.office.open();
        letters.retain(|no| !office.letters[*no].alike);
        drop(office);
        for to in to {
            for letter in &letters {
                let before = inner.named.insert((to.clone(), *letter), number);
                if let Some(before) = before.filter(|before| *before != number && inner.bodies[*before].open) {
                    self.witness
                        .broken(format!("letter {letter} goes to {to} in body {number} while {before} is unknown"));
                }
            }
        }
    }

    fn refuses(&self, body: &Body) -> Option<i64> {
        let office = self.office.open();
        let harm = body.letters.iter().map(|no| office.letters[*no].harm);
        let mut harm = harm.filter(|harm| *harm != Harm::None && body.letters.len() < 20);
        harm.find_map(|harm| match harm {
            Harm::Always => Some(40058),
            _ => (!body.plain).then_some(45002),
        })
    }

    fn count_quota(&self, inner: &mut Inner, persons: usize) {
        let day = (self.witness.time.right(self.witness.time.now()).0 + 8 * HOUR).div_euclid(24 * HOUR);
        let used = inner.quota.entry(day).or_default();
        *used += persons as u64;
        if self.cap.is_some_and(|cap| *used > u64::from(cap) * 200) {
            self.witness.broken(format!("{used} person-sends in a day"));
        }
    }

    fn show(&self, inner: &mut Inner, to: Recipient, body: usize, duplicate: bool) {
        let now = self.witness.time.now();
        let counts = inner.counts.entry(to.clone()).or_default();
        while counts.front().is_some_and(|at| now - at >= HOUR) {
            counts.pop_front();
        }
        counts.push_back(now);
        let minute = counts.iter().rev().take_while(|at| now - **at < MINUTE).count();
        if minute > 30 || counts.len() > 1000 {
            let hour = counts.len();
            self.witness.broken(format!("dropped without a word for {to}: {minute} in a minute, {hour} in an hour"));
            return;
        }
        if !duplicate {
            inner.shown.entry(to).or_default().push(Shown { at: now, body });
        }
    }

    /// Reads a body, the first time.
    fn read(&self, bytes: &[u8]) -> usize {
        if let Some(number) = self.open().numbers.get(bytes) {
            return *number;
        }
        let wrong = |what: &str| self.witness.broken(format!("{what}: {}", String::from_utf8_lossy(bytes)));
        let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
        if !value.is_object() || bytes.windows(2).any(|two| two == b"\\u") {
            wrong("not a body");
        }
        if value["enable_duplicate_check"] != 1
            || value["duplicate_check_interval"] != 14_400
            || value["agentid"] != AGENT
        {
            wrong("the envelope");
        }
        let mut to = Vec::new();
        for (key, most) in [("touser", 1000), ("toparty", 100), ("totag", 100)] {
            let ids: Vec<_> = value[key].as_str().unwrap_or_default().split('|').filter(|id| !id.is_empty()).collect();
            if ids.len() > most {
                wrong("too many recipients");
            }
            to.extend(ids.iter().map(|id| match key {
                "touser" => Recipient::User((*id).into()),
                "toparty" => Recipient::Party(id.parse().unwrap()),
                _ => Recipient::Tag(id.parse().unwrap()),
            }));
        }
        if to.is_empty() || to.iter().collect::<BTreeSet<_>>().len() < to.len() {
            wrong("recipients");
        }
        let plain = value["msgtype"] == "text";
        let text = shown(&value).unwrap_or_else(|what| {
            wrong(what);
            String::new()
        });
        if text.is_empty() || text.len() > 2048 {
            wrong("the text");
        }
        let letters = tokens(&text, &self.office.open().letters);
        // What is plain holds no mark of any kind.
        let plain = plain && !text.contains(['<', '>', '&', '＜', '＞']);
        let mut inner = self.open();
        let number = inner.bodies.len();
        inner.numbers.insert(bytes.to_vec(), number);
        let line = text.replace('\n', " / ");
        self.witness.note(|| format!("body {number} to {to:?}: {line}"));
        inner.bodies.push(Body {
            to,
            letters,
            text,
            plain,
            taken: BTreeMap::new(),
            strange: 0,
            open: false,
            was_open: false,
        });
        number
    }
}

fn token_of<'a>(query: &'a [(&str, &str)]) -> &'a str {
    query.iter().find(|(key, _)| *key == "access_token").map_or("", |(_, token)| token)
}

/// What a message shows, or what is wrong with it.
fn shown(value: &Value) -> Result<String, &'static str> {
    let kind = value["msgtype"].as_str().unwrap_or_default();
    let field = |path: &str| value[kind].pointer(path).and_then(Value::as_str).unwrap_or_default();
    let content = value[kind]["content"].as_str();
    match kind {
        "text" | "markdown" => content.map(str::to_owned).ok_or("no content"),
        "textcard" => {
            if field("/title").len() > 128 || field("/description").len() > 512 || !field("/url").starts_with("http") {
                return Err("the card");
            }
            Ok(format!("{}\n{}", field("/title"), field("/description")))
        }
        "template_card" => {
            let short = [("/main_title/title", 36), ("/main_title/desc", 44), ("/sub_title_text", 160)];
            let rows = value[kind]["horizontal_content_list"].as_array().map_or(0, Vec::len);
            let fits = short.iter().all(|(path, most)| field(path).chars().count() <= *most) && rows <= 6;
            if !fits || field("/card_type") != "text_notice" || !field("/card_action/url").starts_with("http") {
                return Err("the template card");
            }
            Ok(short.map(|(path, _)| field(path)).join("\n"))
        }
        _ => Err("the msgtype"),
    }
}

/// The letters that a text names.
fn tokens(text: &str, letters: &[Letter]) -> Vec<usize> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('L') {
        if let Some(no) = text.get(at + 1..at + 6).and_then(|digits| digits.parse::<usize>().ok())
            && letters.get(no).is_some_and(|letter| text[at..].starts_with(&letter.token))
        {
            found.push(no);
        }
    }
    found
}

async fn pause(ms: i64) {
    if ms > 0 {
        sleep(Duration::from_millis(ms.unsigned_abs())).await;
    }
}

impl Carrier for WeCom {
    fn carry<'a>(
        &'a self,
        path: &'a str,
        query: &'a [(&'a str, &'a str)],
        body: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<Raw, String>> {
        Box::pin(self.exchange(path, query, body))
    }
}
