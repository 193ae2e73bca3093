//! The sandbox over real HTTP: every rule it enforces, by a clock that the tests move.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mailbell::sandbox::{self, Clock, Options};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

mod chats;
mod checks;
mod contacts;
mod faults;
mod many;
mod pages;
mod sign_in;
mod token;

const TOKEN: &str = "/cgi-bin/gettoken?corpid=ww0123456789abcdef&corpsecret=sandbox-secret";

/// A running sandbox with its own clock; it stops with the test.
struct Wecom {
    base: String,
    now: Arc<AtomicU64>,
    client: reqwest::Client,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

async fn start(options: Options) -> Wecom {
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let now = Arc::new(AtomicU64::new(1_760_000_000_000));
    let clock: Clock = {
        let now = Arc::clone(&now);
        Arc::new(move || now.load(Ordering::SeqCst))
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(sandbox::serve_with_clock(listener, options, clock, async {
        let _ = stopped.await;
    }));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    Wecom { base, now, client, stop, served }
}

impl Wecom {
    fn advance(&self, seconds: u64) {
        self.now.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    async fn page(&self, path: &str) -> (u16, String) {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, text) = self.page(path).await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn try_post(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::Result<(u16, String)> {
        let answer = self.client.post(format!("{}{path}", self.base)).body(body).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Value {
        let (status, text) = self.try_post(path, body).await.unwrap();
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn token(&self) -> String {
        self.get(TOKEN).await["access_token"].as_str().unwrap().to_owned()
    }

    async fn send_path(&self) -> String {
        format!("/cgi-bin/message/send?access_token={}", self.token().await)
    }

    async fn send(&self, body: &Value) -> Value {
        self.post(&self.send_path().await, body.to_string()).await
    }

    async fn order(&self, order: Value) {
        assert_eq!(self.post("/sandbox/control", order.to_string()).await, json!({"ok": true}));
    }

    async fn messages(&self, query: &str) -> Vec<Value> {
        let told = self.get(&format!("/sandbox/messages{query}")).await;
        told["messages"].as_array().unwrap().clone()
    }

    async fn events(&self, kind: &str) -> Vec<Value> {
        let mut events = self.get("/sandbox/events").await["events"].as_array().unwrap().clone();
        events.retain(|event| event["kind"] == kind);
        events
    }

    async fn count(&self, what: &str) -> u64 {
        self.get("/sandbox/events").await["counts"][what].as_u64().unwrap()
    }
}

/// The answer has this errcode and, for a refusal, the errmsg of the documented shape.
fn assert_errcode(what: &str, answer: &Value, errcode: i64) {
    assert_eq!(answer["errcode"], errcode, "{what}: {answer}");
    let errmsg = answer["errmsg"].as_str().unwrap();
    if errcode == 0 {
        assert_eq!(errmsg, "ok", "{what}");
        return;
    }
    let hint = errmsg.split_once(", hint: [").unwrap().1.split_once(']').unwrap().0;
    assert!(hint.chars().all(|c| c.is_ascii_digit()), "{what}: {errmsg}");
    let tail = format!("from ip: 127.0.0.1, more info at https://open.work.weixin.qq.com/devtool/query?e={errcode}");
    assert!(errmsg.ends_with(&tail), "{what}: {errmsg}");
}

/// `base` with some fields replaced; null takes a field away.
fn with(base: &Value, changes: Value) -> Value {
    let mut body = base.clone();
    for (key, value) in changes.as_object().unwrap() {
        if value.is_null() {
            body.as_object_mut().unwrap().remove(key);
        } else {
            body[key] = value.clone();
        }
    }
    body
}

fn text(touser: &str, content: &str) -> Value {
    json!({"touser": touser, "agentid": 1_000_002, "msgtype": "text", "text": {"content": content}})
}

fn textcard(changes: Value) -> Value {
    let card = json!({"title": "标题", "description": "说明", "url": "https://mail.corp.example/1"});
    json!({"touser": "zhangsan", "agentid": 1_000_002, "msgtype": "textcard", "textcard": with(&card, changes)})
}

fn notice(changes: Value) -> Value {
    let card = json!({
        "card_type": "text_notice",
        "main_title": {"title": "标题"},
        "card_action": {"type": 1, "url": "https://mail.corp.example/1"},
    });
    json!({"touser": "zhangsan", "agentid": 1_000_002, "msgtype": "template_card", "template_card": with(&card, changes)})
}

fn news(changes: Value) -> Value {
    let image = json!({"card_type": "news_notice", "card_image": {"url": "https://mail.corp.example/i.png"}});
    let image = with(&image, changes);
    notice(image)
}
