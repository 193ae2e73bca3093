//! The other WeCom of the tests (`support/rival.rs`): each of its rules bites, each of its faults happens.

mod judged;
mod limited;
mod wired;

use crate::support::rival::corp::Corp;
use crate::support::rival::office::{Answer, Call, GETTOKEN, Office, SEND};
use serde_json::{Value, json};
use std::time::Duration;

const CORP: &str = "wwrival";
const KEY: &str = "the key of the app";
const AGENT_ID: i64 = 1_000_007;

fn corp() -> Corp {
    let members: Vec<String> = ["ZhangSan", "lisi", "wangwu", "zhaoliu"].map(str::to_owned).to_vec();
    Corp::new(CORP, KEY, AGENT_ID, &members)
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A rival without a wire, and one client.
struct Counter {
    office: Office,
    now: Duration,
    token: String,
}

impl Counter {
    /// With a token in hand.
    fn open(corp: Corp) -> Self {
        let mut counter = Self { office: Office::new(corp), now: secs(1), token: String::new() };
        counter.fetch();
        counter
    }

    /// One call that is answered whole.
    fn call(&mut self, call: &Call) -> Answer {
        self.office.arrive(call, self.now);
        let answer = self.office.judge(call, self.now);
        self.office.told(call, &answer, self.now);
        self.office.leave(call);
        answer
    }

    fn ask_token(&mut self, corp: &str, secret: &str) -> Answer {
        self.call(&get(GETTOKEN, &[("corpid", corp), ("corpsecret", secret)]))
    }

    fn fetch(&mut self) {
        let answer = self.ask_token(CORP, KEY);
        self.token = fields(&answer)["access_token"].as_str().unwrap().to_owned();
    }

    fn send_bytes(&mut self, body: &[u8]) -> Answer {
        let call = send(&self.token, body);
        self.call(&call)
    }

    fn send(&mut self, body: &Value) -> i64 {
        self.send_bytes(body.to_string().as_bytes()).code.unwrap()
    }

    /// The rules that were broken since the last question.
    fn broken(&mut self) -> Vec<String> {
        self.office.book.broken.drain(..).map(|(_, rule)| rule).collect()
    }

    /// This body is answered with this code and breaks a rule whose text holds these words.
    #[track_caller]
    fn bites(&mut self, body: &Value, code: i64, words: &str) {
        assert_eq!(self.send(body), code, "{body}");
        let broken = self.broken();
        assert!(broken.len() == 1 && broken[0].contains(words), "{broken:?}");
    }
}

fn fields(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap()
}

fn get(path: &str, query: &[(&str, &str)]) -> Call {
    let query = query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Call { method: "GET".to_owned(), path: path.to_owned(), query, ..Call::default() }
}

fn send(token: &str, body: &[u8]) -> Call {
    Call { method: "POST".to_owned(), body: body.to_owned(), ..get(SEND, &[("access_token", token)]) }
}

fn text(to: &str, content: &str) -> Value {
    json!({
        "touser": to, "msgtype": "text", "agentid": AGENT_ID, "text": {"content": content},
        "enable_duplicate_check": 1, "duplicate_check_interval": 14_400,
    })
}

fn card(to: &str, title: &str, description: &str) -> Value {
    let card = json!({"title": title, "description": description, "url": "https://x.example/"});
    json!({"touser": to, "msgtype": "textcard", "agentid": AGENT_ID, "textcard": card})
}
