//! Calls that are no sends: each with a token, not too many in a second, once more with a new token where the old one is
//! refused, and not at all while WeCom wants to be left alone.

use super::code::{self, Class, class_of};
use super::http::{Answer, Http};
use super::token::Tokens;
use crate::clock::Clock;
use crate::model::Timestamp;
use crate::rules::lookups::DAY;
use crate::rules::retry::{BUSY, Outcome, QUOTA};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Ten calls a second at most. WeCom's own limits are far above (wecom-api 4), but they are the whole corp's.
const PACE: Duration = Duration::from_millis(100);
/// -1 and its like: at most three tries (p90313).
const TRIES: u32 = 3;

/// The look-up by address: its 45009 lasts a day (p95895).
pub(super) const BY_EMAIL: &str = "user/get_userid_by_email";

/// A call.
pub(super) struct Question<'a> {
    /// Its path below `/cgi-bin/`.
    pub(super) call: &'static str,
    /// Its parameters, without the token.
    pub(super) query: &'a [(&'a str, &'a str)],
    /// The JSON body of a POST.
    pub(super) body: Option<Value>,
    /// A key that only a success holds.
    pub(super) proof: &'static str,
}

/// A call that is left alone for a while.
struct Rest {
    until: Timestamp,
    /// Refusals in a row.
    count: u32,
    why: Outcome,
}

/// Lets calls pass one by one. Shared by all who ask in the name of one corp.
#[derive(Default)]
pub(super) struct Pace(Mutex<Option<Interval>>);

impl Pace {
    async fn pass(&self) {
        let mut ticks = self.0.lock().await;
        let ticks = ticks.get_or_insert_with(|| {
            let mut ticks = interval(PACE);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        ticks.tick().await;
    }
}

/// Asks with the tokens of one secret.
pub(super) struct Asker {
    http: Http,
    tokens: Arc<Tokens>,
    clock: Arc<dyn Clock>,
    pace: Arc<Pace>,
    rests: Mutex<BTreeMap<&'static str, Rest>>,
}

impl Asker {
    pub(super) fn new(http: Http, tokens: Arc<Tokens>, clock: Arc<dyn Clock>, pace: Arc<Pace>) -> Self {
        Self { http, tokens, clock, pace, rests: Mutex::default() }
    }

    /// Asks. What is about whom or what was asked (and every success) comes back to be read; everything else is an error.
    ///
    /// # Errors
    /// Unknown: no usable answer. Busy: three tries. Quota: 45009, or it still rests from one. Channel: the secret, the
    /// app or this machine's address is not allowed to ask this; nobody else need be asked for then.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Answer, Outcome> {
        let call = question.call;
        if let Some(rest) = self.rests.lock().await.get(call)
            && self.clock.steady() < rest.until
        {
            return Err(rest.why.clone());
        }
        let mut refreshed = false;
        let mut tries = 1;
        loop {
            let (token, generation) = self.tokens.get().await?;
            self.pace.pass().await;
            let mut query = vec![("access_token", token.expose())];
            query.extend(question.query);
            let answer = match &question.body {
                None => self.http.get(call, &query, question.proof).await,
                Some(body) => self.http.post(call, &query, body.to_string().into_bytes(), question.proof).await,
            };
            let answer = answer.map_err(|error| Outcome::Unknown(format!("{call}: {error}")))?;
            match answer.errcode.map(class_of) {
                Some(Class::Token) if !refreshed => {
                    self.tokens.drop_refused(generation).await;
                    refreshed = true;
                }
                Some(Class::Retry) if tries < TRIES => {
                    tokio::time::sleep(BUSY.delay(tries, self.clock.jitter())).await;
                    tries += 1;
                }
                Some(Class::Quota) => return Err(self.rest(call, code::verdict(call, &answer)).await),
                Some(Class::Ok | Class::Recipient | Class::Payload | Class::Unknown) => {
                    self.rests.lock().await.remove(call);
                    return Ok(answer);
                }
                Some(Class::Token) => {
                    self.tokens.drop_refused(generation).await;
                    return Err(code::verdict(call, &answer));
                }
                Some(Class::Retry | Class::Admin) | None => return Err(code::verdict(call, &answer)),
            }
        }
    }

    /// Notes that a call is to be left alone.
    async fn rest(&self, call: &'static str, why: Outcome) -> Outcome {
        let mut rests = self.rests.lock().await;
        let count = rests.get(call).map_or(0, |rest| rest.count) + 1;
        let long = if call == BY_EMAIL { DAY } else { QUOTA.delay(count, 1.0) };
        let until = self.clock.steady().plus(long);
        rests.insert(call, Rest { until, count, why: why.clone() });
        why
    }
}
