//! Everything a sandbox remembers, behind one lock: members, tokens, messages shown, events, faults to play.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::Rng;
use rand::distr::Alphanumeric;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Clock;
use super::call::Call;
use super::contacts::Lookups;
use super::control::Faults;
use super::limits::Limits;
use super::options::{Member, Options};
use super::sign_in::Codes;
use super::token::Tokens;

/// Two messages further apart than this have a time between them on the phone.
const TIME_GAP_MS: u64 = 180_000;

/// What all handlers share.
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) clock: Clock,
    /// Differs from start to start, so that a page can tell a restart.
    pub(super) run: String,
    /// Cancelled when the server stops.
    pub(super) closing: CancellationToken,
    /// The newest message's number, for those who wait.
    pub(super) newest: watch::Sender<u64>,
    state: Mutex<State>,
}

impl Shared {
    pub(super) fn new(options: Options, clock: Clock) -> Self {
        let members = options.members.iter().map(|m| Person { hidden: !options.in_range(m), ..Person::new(m) });
        let counts = Counts { calls: Call::ALL.map(|call| (call.name(), 0)).into(), ..Counts::default() };
        let state = State {
            members: members.collect(),
            counts,
            keep: options.keep.max(1),
            trusted_ips: options.trusted_ips.clone(),
            redirect_domain: options.redirect_domain.clone(),
            home_url: options.home_url.clone(),
            contacts_secret: options.contacts_secret.clone(),
            ..State::default()
        };
        Self {
            run: random_text(16),
            closing: CancellationToken::new(),
            newest: watch::Sender::new(0),
            state: Mutex::new(state),
            options,
            clock,
        }
    }

    /// Milliseconds since 1970 by the sandbox's clock.
    pub(super) fn now(&self) -> u64 {
        (self.clock)()
    }

    /// The state; never held over an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A member with what became of them.
pub(super) struct Person {
    pub(super) member: Member,
    /// Gone from the corp; the chat stays readable.
    pub(super) removed: bool,
    /// In the corp, but outside the app's visible range.
    pub(super) hidden: bool,
    /// In the visible range, but without an interface licence (基础接口许可).
    pub(super) unlicensed: bool,
    /// The newest message, kept even when the chat forgets it.
    pub(super) last: Option<Message>,
}

impl Person {
    pub(super) fn new(member: &Member) -> Self {
        let member = Member { userid: member.userid.to_ascii_lowercase(), ..member.clone() };
        Self { member, removed: false, hidden: false, unlicensed: false, last: None }
    }

    /// In the app's visible range.
    pub(super) fn in_range(&self) -> bool {
        !self.removed && !self.hidden
    }

    /// In the visible range, and neither disabled nor gone. Documented is only that who is disabled is unsubscribed
    /// (p90240); by the stricter reading they get nothing.
    pub(super) fn reachable(&self) -> bool {
        self.in_range() && matches!(self.member.status, 1 | 4)
    }
}

/// One accepted call, shared by the entries of all its members.
pub(super) struct Sent {
    pub(super) msgid: String,
    pub(super) touser: String,
    pub(super) toparty: String,
    pub(super) totag: String,
    pub(super) msgtype: String,
    /// The object named by the msgtype, as sent.
    pub(super) sent: Value,
    /// The same as a phone shows it: truncated where WeCom truncates.
    pub(super) shown: Value,
}

/// One message in one member's chat.
#[derive(Clone)]
pub(super) struct Message {
    pub(super) seq: u64,
    pub(super) time_ms: u64,
    pub(super) member: String,
    /// The phone writes the time above it.
    pub(super) time_above: bool,
    pub(super) sent: Arc<Sent>,
}

impl Message {
    /// As `GET /sandbox/messages` tells it.
    pub(super) fn to_json(&self) -> Value {
        let sent = &self.sent;
        let mut entry = json!({
            "seq": self.seq,
            "time_ms": self.time_ms,
            "msgid": sent.msgid,
            "member": self.member,
            "touser": sent.touser,
            "msgtype": sent.msgtype,
            "shown": sent.shown,
        });
        if let Some(entry) = entry.as_object_mut() {
            for (key, value) in [("toparty", &sent.toparty), ("totag", &sent.totag)] {
                if !value.is_empty() {
                    entry.insert(key.to_owned(), json!(value));
                }
            }
            for key in ["title", "description", "content", "url"] {
                if let Some(value) = sent.sent.get(key) {
                    entry.insert(key.to_owned(), value.clone());
                }
            }
            // Of a template card, what stands for the same.
            for (key, path) in [("title", "/main_title/title"), ("url", "/card_action/url")] {
                if let Some(value) = sent.sent.pointer(path) {
                    entry.insert(key.to_owned(), value.clone());
                }
            }
            entry.insert(sent.msgtype.clone(), sent.sent.clone());
        }
        entry
    }
}

/// Something that happened.
pub(super) struct Event {
    pub(super) seq: u64,
    pub(super) time_ms: u64,
    pub(super) kind: &'static str,
    pub(super) detail: Map<String, Value>,
}

/// How often what happened since the start.
#[derive(Default, Clone, serde::Serialize)]
pub(super) struct Counts {
    /// Calls by their name, whatever came of them.
    #[serde(flatten)]
    pub(super) calls: BTreeMap<&'static str, u64>,
    /// Sends answered with errcode 0, duplicates included.
    pub(super) accepted: u64,
    /// The persons of those sends, which is what the day's quota counts.
    pub(super) persons: u64,
    /// Messages shown, one per member.
    pub(super) shown: u64,
    /// Sends accepted but not shown again.
    pub(super) duplicates: u64,
    /// Messages a member's limit kept away.
    pub(super) dropped: u64,
    /// Answers with an errcode other than 0.
    pub(super) errors: u64,
    /// Rules broken without a refusal.
    pub(super) violations: u64,
    /// Messages and events no longer kept.
    pub(super) forgotten: u64,
}

/// All that changes.
#[derive(Default)]
pub(super) struct State {
    pub(super) members: Vec<Person>,
    pub(super) tokens: Tokens,
    pub(super) limits: Limits,
    pub(super) faults: Faults,
    pub(super) lookups: Lookups,
    pub(super) codes: Codes,
    pub(super) app_closed: bool,
    pub(super) trusted_ips: Option<Vec<IpAddr>>,
    pub(super) redirect_domain: String,
    pub(super) home_url: String,
    pub(super) contacts_secret: String,
    pub(super) task_ids: HashSet<String>,
    pub(super) counts: Counts,
    /// Bodies sent with the duplicate check, by digest, with the time they were shown.
    pub(super) bodies: HashMap<[u8; 32], u64>,
    messages: VecDeque<Message>,
    events: VecDeque<Event>,
    message_seq: u64,
    event_seq: u64,
    msgid_seq: u64,
    keep: usize,
}

impl State {
    /// A member who may be sent to, by lower-case userid.
    pub(super) fn reachable(&self, userid: &str) -> bool {
        self.members.iter().any(|person| person.reachable() && person.member.userid == userid)
    }

    /// Any member ever known, by userid in any case.
    pub(super) fn person(&self, userid: &str) -> Option<&Person> {
        self.members.iter().find(|person| person.member.userid.eq_ignore_ascii_case(userid))
    }

    /// A msgid that no other message has.
    pub(super) fn next_msgid(&mut self) -> String {
        self.msgid_seq += 1;
        format!("{}-{}", random_text(40), self.msgid_seq)
    }

    /// Puts a message into a member's chat.
    pub(super) fn show(&mut self, member: &str, sent: &Arc<Sent>, now: u64) {
        self.message_seq += 1;
        self.counts.shown += 1;
        let person = self.members.iter_mut().find(|person| person.member.userid == member);
        let last = person.as_ref().and_then(|person| person.last.as_ref());
        let message = Message {
            seq: self.message_seq,
            time_ms: now,
            member: member.to_owned(),
            time_above: last.is_none_or(|last| now.saturating_sub(last.time_ms) > TIME_GAP_MS),
            sent: Arc::clone(sent),
        };
        if let Some(person) = person {
            person.last = Some(message.clone());
        }
        self.messages.push_back(message);
        if self.messages.len() > self.keep {
            self.messages.pop_front();
            self.counts.forgotten += 1;
        }
    }

    /// Writes down what happened. `detail` should be an object.
    pub(super) fn note(&mut self, kind: &'static str, now: u64, detail: Value) {
        let detail = match detail {
            Value::Object(detail) => detail,
            other => Map::from_iter([("detail".to_owned(), other)]),
        };
        match kind {
            "duplicate" => self.counts.duplicates += 1,
            "dropped" => self.counts.dropped += 1,
            "error" => self.counts.errors += 1,
            "violation" => self.counts.violations += 1,
            _ => {}
        }
        self.event_seq += 1;
        self.events.push_back(Event { seq: self.event_seq, time_ms: now, kind, detail });
        if self.events.len() > self.keep {
            self.events.pop_front();
            self.counts.forgotten += 1;
        }
    }

    /// Messages numbered above `since`, oldest first, of one member or of all.
    pub(super) fn messages_since<'a>(
        &'a self,
        since: u64,
        member: Option<&'a str>,
    ) -> impl DoubleEndedIterator<Item = &'a Message> {
        let start = self.messages.partition_point(|message| message.seq <= since);
        self.messages
            .range(start..)
            .filter(move |message| member.is_none_or(|member| message.member.eq_ignore_ascii_case(member)))
    }

    /// Events numbered above `since`, oldest first.
    pub(super) fn events_since(&self, since: u64) -> impl Iterator<Item = &Event> {
        let start = self.events.partition_point(|event| event.seq <= since);
        self.events.range(start..)
    }

    /// The number of the newest message, and of the newest event.
    pub(super) fn newest(&self) -> (u64, u64) {
        (self.message_seq, self.event_seq)
    }
}

pub(super) fn random_text(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}
