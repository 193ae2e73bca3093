//! Who is in the corp and what the app may see of it (wecom-api 8, 9, 10): read, never written.

use super::ask::{Asker, BY_EMAIL, Question};
use super::client::Agent;
use super::code::{is_spent_code, presence_of, verdict};
use super::http::Answer;
use crate::clock::Clock;
use crate::model::Timestamp;
use crate::rules::lookups::{Lookups, most_wrong};
use crate::rules::retry::Outcome;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows asked for at once: half of what p96067 allows, so that a page of the longest userids is no strange answer.
const ROWS: u32 = 5000;
/// No corp has more pages; a cursor that never ends is a broken relay.
const MOST_PAGES: usize = 10_000;
/// A code of signing in is no longer (p91022).
const LONGEST_CODE: usize = 512;
const DISABLED: i64 = 2;

/// What WeCom says of a userid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whether the member is there.
    pub presence: Presence,
    /// The name; empty where it is not told.
    pub name: String,
    /// The ids of the departments.
    pub departments: Vec<u64>,
}

/// Whether a member is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// In the corp and in the app's visible range (可见范围), and may use WeCom.
    Active,
    /// In the corp, disabled by an administrator.
    Disabled,
    /// In the corp, never signed in so far.
    NotActivated,
    /// Has left the corp, and WeCom says so.
    Left,
    /// No such member: never was, was removed, or (by some answers of WeCom) is not visible. [`Directory::members`] tells
    /// which.
    Unknown,
    /// In the corp, but outside the app's visible range.
    NotVisible,
}

/// A department or a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its id.
    pub id: u64,
    /// Its name; empty where it is not told.
    pub name: String,
    /// The department it is part of; 0 for the root and for tags.
    pub parent: u64,
}

/// Who has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mailbox {
    /// This member, by userid in lower case.
    Of(Arc<str>),
    /// Nobody whom the app may see.
    Nobody,
    /// Not asked: one more wrong answer today might have WeCom block the look-up for a day.
    NotAsked,
}

/// Who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedIn {
    /// A member of the corp, by userid in lower case; perhaps outside the app's visible range.
    Member(Arc<str>),
    /// Somebody else.
    Outsider,
    /// The code is wrong, used, or older than five minutes: signing in begins anew.
    SpentCode,
}

/// The corp as far as mailbell needs to know it.
///
/// Errors are those of a try: `Channel` is about the secret, the app or this machine's address, so that asking for
/// anybody else is of no use; `Quota` and `Busy` pass.
pub trait Directory: Send + Sync {
    /// What WeCom says of a userid (`user/get`).
    fn member<'a>(&'a self, userid: &'a str) -> BoxFuture<'a, Result<Found, Outcome>>;
    /// All userids of the corp in lower case, visible to the app or not (`user/list_id`); `None` without
    /// `wecom.contacts_secret`.
    fn members(&self) -> BoxFuture<'_, Result<Option<BTreeSet<Arc<str>>>, Outcome>>;
    /// Who has this corporate or personal address (`user/get_userid_by_email`). `told` is how many wrong answers a day may
    /// be had, in place of 5 % of `wecom.account_cap`.
    fn userid_by_email<'a>(&'a self, email: &'a str, told: Option<u32>) -> BoxFuture<'a, Result<Mailbox, Outcome>>;
    /// The departments that the app may see, with all below them.
    fn departments(&self) -> BoxFuture<'_, Result<Vec<Named>, Outcome>>;
    /// The tags that the app may see.
    fn tags(&self) -> BoxFuture<'_, Result<Vec<Named>, Outcome>>;
    /// Whose code it is (`auth/getuserinfo`); a code is good for one question.
    fn who_signed_in<'a>(&'a self, code: &'a str) -> BoxFuture<'a, Result<SignedIn, Outcome>>;
    /// The app (`agent/get`).
    fn app(&self) -> BoxFuture<'_, Result<Agent, Outcome>>;
}

/// The directory over the API. Made by [`super::Client::contacts`], whose token it shares.
pub struct Contacts {
    pub(super) app: Arc<Asker>,
    pub(super) agent_id: i64,
    /// With the secret of contacts sync.
    pub(super) sync: Option<Asker>,
    pub(super) account_cap: Option<u32>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lookups: Mutex<Lookups>,
}

impl Contacts {
    /// The wrong look-ups by address so far, to be stored: after a restart they still count.
    pub fn lookups(&self) -> Lookups {
        self.count(|lookups| lookups.clone())
    }

    /// Goes on from stored ones.
    pub fn remember(&self, stored: Lookups) {
        self.count(|lookups| *lookups = stored);
    }

    fn count<T>(&self, work: impl FnOnce(&mut Lookups) -> T) -> T {
        work(&mut self.lookups.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn user_get(&self, userid: &str) -> Result<Found, Outcome> {
        let (call, proof, query) = ("user/get", "userid", [("userid", userid)]);
        let answer = self.app.ask(&Question { call, query: &query, body: None, proof }).await?;
        if let Some(presence) = answer.errcode.and_then(presence_of) {
            return Ok(Found { presence, name: String::new(), departments: Vec::new() });
        }
        let body = good(call, answer)?;
        // `enable` is told by private editions only (wecom-api 12).
        let disabled = body.get("enable").and_then(Value::as_i64) == Some(0);
        let presence = match body.get("status").and_then(Value::as_i64) {
            Some(5) => Presence::Left,
            Some(DISABLED) => Presence::Disabled,
            _ if disabled => Presence::Disabled,
            Some(4) => Presence::NotActivated,
            _ => Presence::Active,
        };
        let departments = body.get("department").and_then(Value::as_array);
        let departments = departments.map(|list| list.iter().filter_map(Value::as_u64).collect());
        Ok(Found { presence, name: text(&body, "name"), departments: departments.unwrap_or_default() })
    }

    async fn list_id(&self, sync: &Asker) -> Result<BTreeSet<Arc<str>>, Outcome> {
        let (call, proof) = ("user/list_id", "dept_user");
        let (mut found, mut cursor) = (BTreeSet::new(), String::new());
        for _ in 0..MOST_PAGES {
            let body = json!({ "cursor": cursor, "limit": ROWS });
            let page = good(call, sync.ask(&Question { call, query: &[], body: Some(body), proof }).await?)?;
            let rows = page.get(proof).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let userids = rows.iter().map(|row| Some(userid(row.get("userid")?.as_str().filter(|id| !id.is_empty())?)));
            // A list with holes would make leavers of members; and no corp is without one.
            match userids.collect::<Option<Vec<_>>>() {
                Some(userids) if !userids.is_empty() => found.extend(userids),
                _ => return Err(Outcome::Unknown(format!("{call}: no list of userids in the answer"))),
            }
            let next = text(&page, "next_cursor");
            if next.is_empty() {
                return Ok(found);
            }
            if next == cursor {
                break;
            }
            cursor = next;
        }
        Err(Outcome::Unknown(format!("{call}: the list does not end")))
    }

    async fn by_email(&self, email: &str, told: Option<u32>) -> Result<Mailbox, Outcome> {
        let most = most_wrong(self.account_cap, told);
        for email_type in [1, 2] {
            let now = self.clock.steady();
            if !self.count(|lookups| lookups.admit(most, now)) {
                return Ok(Mailbox::NotAsked);
            }
            if let Some(userid) = self.try_email(email, email_type, now).await? {
                return Ok(Mailbox::Of(userid));
            }
        }
        Ok(Mailbox::Nobody)
    }

    /// One question, which counts as a wrong one since `now` unless it is answered otherwise.
    async fn try_email(&self, email: &str, email_type: i64, now: Timestamp) -> Result<Option<Arc<str>>, Outcome> {
        let body = json!({ "email": email, "email_type": email_type });
        let question = Question { call: BY_EMAIL, query: &[], body: Some(body), proof: "userid" };
        let answer = match self.app.ask(&question).await {
            // It may have been counted.
            Err(lost @ Outcome::Unknown(_)) => return Err(lost),
            Err(refused) => {
                self.count(|lookups| lookups.was_right(now));
                return Err(refused);
            }
            Ok(answer) => answer,
        };
        if answer.errcode.and_then(presence_of).is_some() {
            return Ok(None);
        }
        self.count(|lookups| lookups.was_right(now));
        match text(&good(BY_EMAIL, answer)?, "userid") {
            none if none.is_empty() => Err(Outcome::Unknown(format!("{BY_EMAIL}: no userid in the answer"))),
            found => Ok(Some(userid(&found))),
        }
    }

    async fn list(&self, call: &'static str, proof: &'static str, keys: [&str; 3]) -> Result<Vec<Named>, Outcome> {
        let body = good(call, self.app.ask(&Question { call, query: &[], body: None, proof }).await?)?;
        let named = |one: &Value| {
            let [id, name, parent] = keys.map(|key| one.get(key));
            Some(Named {
                id: id.and_then(Value::as_u64)?,
                name: name.and_then(Value::as_str).unwrap_or_default().to_owned(),
                parent: parent.and_then(Value::as_u64).unwrap_or_default(),
            })
        };
        let list = body.get(proof).and_then(Value::as_array);
        Ok(list.map(|list| list.iter().filter_map(named).collect()).unwrap_or_default())
    }

    async fn all_departments(&self) -> Result<Vec<Named>, Outcome> {
        let keys = ["id", "name", "parentid"];
        match self.list("department/list", "department", keys).await {
            // Too large an answer (45029), or one that this app may not have: then without names (p90208).
            Err(Outcome::Strange(_) | Outcome::Channel(_) | Outcome::Payload(_) | Outcome::Unknown(_)) => {
                self.list("department/simplelist", "department_id", keys).await
            }
            listed => listed,
        }
    }

    async fn redeem(&self, code: &str) -> Result<SignedIn, Outcome> {
        if code.is_empty() || code.len() > LONGEST_CODE || !code.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(SignedIn::SpentCode);
        }
        let (call, proof, query) = ("auth/getuserinfo", "userid", [("code", code)]);
        let answer = self.app.ask(&Question { call, query: &query, body: None, proof }).await?;
        if answer.errcode.is_some_and(is_spent_code) {
            return Ok(SignedIn::SpentCode);
        }
        let body = good(call, answer)?;
        // The older path wrote it in capitals (wecom-api 8.1).
        let found = [text(&body, "userid"), text(&body, "UserId")].into_iter().find(|found| !found.is_empty());
        Ok(found.map_or(SignedIn::Outsider, |found| SignedIn::Member(userid(&found))))
    }
}

impl Directory for Contacts {
    fn member<'a>(&'a self, userid: &'a str) -> BoxFuture<'a, Result<Found, Outcome>> {
        Box::pin(self.user_get(userid))
    }

    fn members(&self) -> BoxFuture<'_, Result<Option<BTreeSet<Arc<str>>>, Outcome>> {
        Box::pin(async move {
            match &self.sync {
                Some(sync) => self.list_id(sync).await.map(Some),
                None => Ok(None),
            }
        })
    }

    fn userid_by_email<'a>(&'a self, email: &'a str, told: Option<u32>) -> BoxFuture<'a, Result<Mailbox, Outcome>> {
        Box::pin(self.by_email(email, told))
    }

    fn departments(&self) -> BoxFuture<'_, Result<Vec<Named>, Outcome>> {
        Box::pin(self.all_departments())
    }

    fn tags(&self) -> BoxFuture<'_, Result<Vec<Named>, Outcome>> {
        Box::pin(self.list("tag/list", "taglist", ["tagid", "tagname", ""]))
    }

    fn who_signed_in<'a>(&'a self, code: &'a str) -> BoxFuture<'a, Result<SignedIn, Outcome>> {
        Box::pin(self.redeem(code))
    }

    fn app(&self) -> BoxFuture<'_, Result<Agent, Outcome>> {
        Box::pin(Agent::ask(&self.app, self.agent_id))
    }
}

/// The body of a success.
fn good(call: &str, answer: Answer) -> Result<Value, Outcome> {
    match verdict(call, &answer) {
        Outcome::Sent => Ok(answer.body),
        refused => Err(refused),
    }
}

fn text(body: &Value, key: &str) -> String {
    body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// userids are told in lower case, but not by everybody (p90236).
fn userid(text: &str) -> Arc<str> {
    text.to_ascii_lowercase().into()
}
