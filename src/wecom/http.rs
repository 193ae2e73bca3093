//! One HTTP exchange with the API: what came back is the JSON body, whatever the status says. Tokens and secrets
//! travel in the URL (p90313), so no URL ever reaches an error text, and an answer that repeats one is purged of them.

use crate::config::Wecom;
use futures_util::future::BoxFuture;
use reqwest::redirect::Policy;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The whole exchange: connecting, sending, reading.
const TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Answers are some hundred bytes; with 1,000 invalid users some 64 KiB; with 10,000 departments some MiB.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// Idle connections kept for the next sends (as many as there are sends at one time: a new one costs more than the send
/// itself), and for how long.
const IDLE_CONNECTIONS: usize = 16;
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The parameters that nobody may see.
const SECRETS: [&str; 2] = ["access_token", "corpsecret"];

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    /// The HTTP status: for texts only, errcode decides (wecom-api 1).
    pub(super) status: u16,
    /// errcode; where it is missing, 0 if the answer holds what only a success holds.
    pub(super) errcode: Option<i64>,
    /// The JSON object.
    pub(super) body: Value,
}

impl Answer {
    fn new(status: u16, body: Value, proof: &str) -> Self {
        let errcode = match body.get("errcode") {
            Some(code) => code.as_i64(),
            None => (status == 200 && body.get(proof).is_some()).then_some(0),
        };
        Self { status, errcode, body }
    }

    /// The same, with an errmsg that does not repeat what the question kept secret (relays in front of WeCom may).
    fn without_secrets(mut self, query: &[(&str, &str)]) -> Self {
        if let Some(Value::String(errmsg)) = self.body.get_mut("errmsg") {
            for (_, secret) in query.iter().filter(|(key, value)| SECRETS.contains(key) && !value.is_empty()) {
                let in_url: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
                *errmsg = errmsg.replace(*secret, "<secret>").replace(&in_url, "<secret>");
            }
        }
        self
    }

    /// errmsg on one line, without control characters and not too long.
    pub(super) fn errmsg(&self) -> String {
        let text = self.body.get("errmsg").and_then(Value::as_str).unwrap_or_default();
        text.chars().filter(|c| !c.is_control()).take(300).collect()
    }
}

/// Why nothing usable came back: the request may or may not have been taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAnswer {
    /// No connection, or it broke, or the time was up.
    #[error("{0}")]
    Transport(String),
    /// Something that is no JSON object.
    #[error("HTTP {0}, not an answer of WeCom")]
    Strange(u16),
}

/// What came back of one exchange, unread: the HTTP status and the bytes.
pub type Raw = (u16, Vec<u8>);

/// Carries requests to the API and brings back what it answers: HTTP in life, a WeCom in memory in tests.
pub trait Carrier: Send + Sync {
    /// One exchange: a GET, or with a `body` a POST of it. It ends in time.
    ///
    /// # Errors
    /// Nothing usable came back, in words without the URL; the request may have been taken all the same.
    fn carry<'a>(
        &'a self,
        path: &'a str,
        query: &'a [(&'a str, &'a str)],
        body: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<Raw, String>>;
}

/// The API: questions as WeCom wants them, answers read, secrets kept.
#[derive(Clone)]
pub(super) struct Http(Arc<dyn Carrier>);

impl Http {
    /// Over a carrier.
    pub(super) fn over(carrier: Arc<dyn Carrier>) -> Self {
        Self(carrier)
    }

    /// GET. `proof` is a key that only a success holds.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)], proof: &str) -> Result<Answer, NoAnswer> {
        self.exchange(path, query, None, proof).await
    }

    /// POST of a JSON body. `proof` is a key that only a success holds.
    pub(super) async fn post(
        &self,
        path: &str,
        query: &[(&str, &str)],
        body: Vec<u8>,
        proof: &str,
    ) -> Result<Answer, NoAnswer> {
        self.exchange(path, query, Some(body), proof).await
    }

    /// One exchange, counted.
    async fn exchange(
        &self,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Vec<u8>>,
        proof: &str,
    ) -> Result<Answer, NoAnswer> {
        let answered =
            self.0.carry(path, query, body).await.map_err(NoAnswer::Transport).and_then(|raw| read(raw, proof));
        crate::metrics::wecom_request(answered.as_ref().ok().and_then(|answer| answer.errcode));
        Ok(answered?.without_secrets(query))
    }
}

fn read((status, bytes): Raw, proof: &str) -> Result<Answer, NoAnswer> {
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(body) if body.is_object() => Ok(Answer::new(status, body, proof)),
        _ => Err(NoAnswer::Strange(status)),
    }
}

/// A pool of connections to the API.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    client: reqwest::Client,
    base: Url,
}

impl Connections {
    /// To the API, through the proxy if there is one.
    pub(super) fn new(wecom: &Wecom) -> Result<Self, String> {
        let tls = crate::tls::client_config().map_err(|e| e.to_string())?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .user_agent(concat!("mailbell/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &wecom.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy.0.clone()).map_err(|e| e.without_url().to_string())?);
        }
        let client = builder.build().map_err(|e| e.without_url().to_string())?;
        Ok(Self { client, base: wecom.api_base.clone() })
    }

    fn url(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/cgi-bin/{path}", self.base.path().trim_end_matches('/')));
        url.query_pairs_mut().extend_pairs(query);
        url
    }

    async fn whole(&self, request: reqwest::RequestBuilder) -> Result<Raw, String> {
        let mut response = request.send().await.map_err(transport)?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_ANSWER_BYTES {
                // No answer of WeCom is so long.
                return Ok((status, Vec::new()));
            }
        }
        Ok((status, bytes))
    }
}

impl Carrier for Connections {
    fn carry<'a>(
        &'a self,
        path: &'a str,
        query: &'a [(&'a str, &'a str)],
        body: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<Raw, String>> {
        let url = self.url(path, query);
        let request = match body {
            None => self.client.get(url),
            Some(body) => self.client.post(url).header("content-type", "application/json; charset=utf-8").body(body),
        };
        Box::pin(self.whole(request))
    }
}

/// The innermost cause in words, without the URL.
fn transport(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {}s", TIMEOUT.as_secs());
    }
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}
