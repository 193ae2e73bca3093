//! One POST to a token source. No proxy of the environment is used, no redirect is followed: secrets go where the config
//! says and nowhere else.

use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use serde_json::Value;
use std::time::Duration;
use url::Url;
use url::form_urlencoded::Serializer;

/// The whole exchange: connecting, sending, reading.
const TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Answers are some KiB.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// No source makes us wait longer.
const MOST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The JSON object, if it is one.
    pub(super) body: Option<Value>,
    /// `Retry-After` in seconds (RFC 9110 10.2.3).
    pub(super) retry_after: Option<Duration>,
}

/// The client.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: reqwest::Client,
}

impl Http {
    pub(super) fn new() -> Result<Self, String> {
        let tls = crate::tls::client_config().map_err(|e| e.to_string())?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .user_agent(concat!("mailbell/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| e.without_url().to_string())?;
        Ok(Self { client })
    }

    /// Sends a form (RFC 6749 appendix B).
    ///
    /// # Errors
    /// In words, when nothing came back.
    pub(super) async fn post(&self, url: &Url, form: &[(&str, &str)]) -> Result<Answer, String> {
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self
            .client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(body);
        let mut response = request.send().await.map_err(words)?;
        let status = response.status().as_u16();
        let seconds = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
        let retry_after = seconds.map(|s| Duration::from_secs(s).min(MOST_RETRY_AFTER));
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(words)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_ANSWER_BYTES {
                return Err(format!("the answer is longer than {} KiB", MAX_ANSWER_BYTES / 1024));
            }
        }
        let body = serde_json::from_slice::<Value>(&bytes).ok().filter(Value::is_object);
        Ok(Answer { status, body, retry_after })
    }
}

/// The innermost cause, without the URL.
fn words(error: reqwest::Error) -> String {
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
