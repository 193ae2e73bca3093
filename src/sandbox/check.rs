//! The envelope of `message/send`: body, field types, agent, recipients (wecom-api.md sections 1, 3.1, 3.2).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::options::{Options, well_formed};
use super::state::{Person, State};

const MAX_USERS: usize = 1000;
const MAX_PARTIES: usize = 100;
const MAX_TAGS: usize = 100;
const MAX_DUPLICATE_INTERVAL_S: i64 = 14_400;
const DEFAULT_DUPLICATE_INTERVAL_S: i64 = 1800;

/// Remarks on a call that is not refused for them: `(kind, text)`, the kind `violation` or `advice`.
#[derive(Default)]
pub(super) struct Remarks(pub(super) Vec<(&'static str, String)>);

impl Remarks {
    /// A rule was broken that WeCom does not answer with an error.
    pub(super) fn violation(&mut self, text: impl Into<String>) {
        self.0.push(("violation", text.into()));
    }

    /// A length the documentation only suggests was passed.
    pub(super) fn advice(&mut self, text: impl Into<String>) {
        self.0.push(("advice", text.into()));
    }
}

/// An object whose fields must have the right types (40058 otherwise).
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    path: &'a str,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(path: &'a str, value: &'a Value) -> Result<Self, Refusal> {
        match value {
            Value::Object(map) => Ok(Self { path, map }),
            _ => Err(Refusal::illegal(format!("{path} must be an object"))),
        }
    }

    /// The field's full name.
    pub(super) fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A string; missing is `""`.
    pub(super) fn text(&self, key: &str) -> Result<&'a str, Refusal> {
        match self.map.get(key) {
            None => Ok(""),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(Refusal::illegal(format!("{} must be a string", self.name(key)))),
        }
    }

    /// An integer, if there is one.
    pub(super) fn int(&self, key: &str) -> Result<Option<i64>, Refusal> {
        match self.map.get(key) {
            None => Ok(None),
            Some(value) => value
                .as_i64()
                .map(Some)
                .ok_or_else(|| Refusal::illegal(format!("{} must be an integer", self.name(key)))),
        }
    }

    /// 0 or 1; missing is 0.
    pub(super) fn flag(&self, key: &str) -> Result<bool, Refusal> {
        match self.int(key)? {
            None | Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(_) => Err(Refusal::illegal(format!("{} must be 0 or 1", self.name(key)))),
        }
    }

    /// Any value, if there is one.
    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key)
    }

    /// An array; missing is empty.
    pub(super) fn list(&self, key: &str) -> Result<&'a [Value], Refusal> {
        match self.map.get(key) {
            None => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(Refusal::illegal(format!("{} must be an array", self.name(key)))),
        }
    }

    /// Remarks on fields that no page lists.
    pub(super) fn known(&self, keys: &[&str], remarks: &mut Remarks) {
        for key in self.map.keys().filter(|key| !keys.contains(&key.as_str())) {
            remarks.violation(format!("unknown field {}", self.name(key)));
        }
    }
}

/// The body as JSON: 40058 when broken, 40033 when it holds `\uXXXX` escapes (p90313).
pub(super) fn parse(raw: &[u8]) -> Result<Value, Refusal> {
    let body: Value = serde_json::from_slice(raw)
        .map_err(|_| Refusal::because(40058, "Warning: wrong json format. invalid request parameter"))?;
    if has_unicode_escape(raw) {
        return Err(Refusal::new(40033));
    }
    Ok(body)
}

/// In JSON that parses, a backslash stands in strings only, and takes the next byte with it.
fn has_unicode_escape(raw: &[u8]) -> bool {
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'\\' && bytes.next() == Some(&b'u') {
            return true;
        }
    }
    false
}

/// The checked envelope.
pub(super) struct Envelope<'a> {
    pub(super) touser: &'a str,
    pub(super) toparty: &'a str,
    pub(super) totag: &'a str,
    pub(super) msgtype: &'a str,
    /// The duplicate check's interval in milliseconds, when it is on.
    pub(super) duplicate_ms: Option<u64>,
    pub(super) fields: Fields<'a>,
}

/// Types (40058), then agentid (41011, 301002).
pub(super) fn envelope<'a>(body: &'a Value, options: &Options, remarks: &mut Remarks) -> Result<Envelope<'a>, Refusal> {
    let fields = Fields::new("", body).map_err(|_| Refusal::illegal("the body must be an object"))?;
    let msgtype = fields.text("msgtype")?;
    let keys = [
        "touser",
        "toparty",
        "totag",
        "msgtype",
        "agentid",
        "safe",
        "enable_id_trans",
        "enable_duplicate_check",
        "duplicate_check_interval",
        msgtype,
    ];
    fields.known(&keys, remarks);
    fields.flag("safe")?;
    fields.flag("enable_id_trans")?;
    let check = fields.flag("enable_duplicate_check")?;
    let interval = fields.int("duplicate_check_interval")?;
    let seconds = interval.unwrap_or(DEFAULT_DUPLICATE_INTERVAL_S);
    if !(0..=MAX_DUPLICATE_INTERVAL_S).contains(&seconds) {
        return Err(Refusal::illegal("duplicate_check_interval must be 0 to 14400 seconds"));
    }
    if interval.is_some() && !check {
        remarks.violation("duplicate_check_interval without enable_duplicate_check does nothing");
    }
    if fields.value("safe").is_some() && msgtype != "text" {
        remarks.violation(format!("safe is not a field of {msgtype} messages"));
    }
    let envelope = Envelope {
        touser: fields.text("touser")?,
        toparty: fields.text("toparty")?,
        totag: fields.text("totag")?,
        msgtype,
        duplicate_ms: check.then(|| seconds.unsigned_abs() * 1000),
        fields,
    };
    match fields.int("agentid")? {
        None => Err(Refusal::new(41011)),
        Some(id) if id == options.agent_id => Ok(envelope),
        Some(_) => Err(Refusal::new(301_002)),
    }
}

/// Who gets the message, and which recipients are nobody.
#[derive(Default)]
pub(super) struct Recipients {
    /// Userids in lower case, each once, in the members' order.
    pub(super) members: Vec<String>,
    invalid_users: Vec<String>,
    invalid_parties: Vec<String>,
    invalid_tags: Vec<String>,
    /// In the visible range, but without an interface licence.
    unlicensed: Vec<String>,
}

impl Recipients {
    /// `invaliduser`, `invalidparty`, `invalidtag`, `unlicenseduser` as `|`-joined strings; absent when it is nobody.
    pub(super) fn invalid_fields(&self) -> Map<String, Value> {
        let lists = [
            ("invaliduser", &self.invalid_users),
            ("invalidparty", &self.invalid_parties),
            ("invalidtag", &self.invalid_tags),
            ("unlicenseduser", &self.unlicensed),
        ];
        lists
            .into_iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(key, list)| (key.to_owned(), json!(list.join("|"))))
            .collect()
    }
}

/// Finds the recipients: 82001 none, 40032 / 82002 / 82003 too many, 81013 none of them valid.
pub(super) fn recipients(
    envelope: &Envelope<'_>,
    options: &Options,
    state: &State,
    remarks: &mut Remarks,
) -> Result<Recipients, Refusal> {
    let mut recipients = Recipients::default();
    let found: Option<BTreeSet<String>> = if envelope.touser == "@all" {
        Some(everyone(state).collect())
    } else {
        named(envelope, options, state, remarks, &mut recipients)?
    };
    let any_valid = found.is_some();
    for userid in everyone(state).filter(|userid| found.as_ref().is_some_and(|found| found.contains(userid))) {
        let unlicensed = state.person(&userid).is_some_and(|person| person.unlicensed);
        let list = if unlicensed { &mut recipients.unlicensed } else { &mut recipients.members };
        list.push(userid);
    }
    if !any_valid || (recipients.members.is_empty() && !recipients.unlicensed.is_empty()) {
        let mut refusal = Refusal::new(81013);
        refusal.fields = recipients.invalid_fields();
        return Err(refusal);
    }
    Ok(recipients)
}

/// The userids that may be sent to.
fn everyone(state: &State) -> impl Iterator<Item = String> {
    let reachable = state.members.iter().filter(|person| person.reachable());
    reachable.map(|person| person.member.userid.clone())
}

type MembersOf = fn(i64, &Options, &State) -> Vec<String>;

/// Whom the ids name, `None` when not one is valid; the others go into the lists of `recipients`.
fn named(
    envelope: &Envelope<'_>,
    options: &Options,
    state: &State,
    remarks: &mut Remarks,
    recipients: &mut Recipients,
) -> Result<Option<BTreeSet<String>>, Refusal> {
    let users = pieces("touser", envelope.touser, remarks);
    let parties = pieces("toparty", envelope.toparty, remarks);
    let tags = pieces("totag", envelope.totag, remarks);
    if users.is_empty() && parties.is_empty() && tags.is_empty() {
        return Err(Refusal::new(82001));
    }
    for (list, max, errcode) in [(&users, MAX_USERS, 40032), (&parties, MAX_PARTIES, 82002), (&tags, MAX_TAGS, 82003)] {
        if list.len() > max {
            return Err(Refusal::new(errcode));
        }
    }
    let mut found = BTreeSet::new();
    let mut any_valid = false;
    for user in users {
        let userid = user.to_lowercase();
        if !well_formed(user) {
            remarks.violation(format!("touser holds {user:?}, which is no userid"));
        }
        if state.reachable(&userid) {
            any_valid = true;
            found.insert(userid);
        } else {
            recipients.invalid_users.push(userid);
        }
    }
    // A department below one in the visible range is in it.
    let visible: Vec<i64> = options.visible_departments().into_iter().chain(options.parties.clone()).collect();
    let parties = (parties, &visible, members_of_party as MembersOf, &mut recipients.invalid_parties);
    let tags = (tags, &options.tags, members_of_tag as MembersOf, &mut recipients.invalid_tags);
    for (ids, valid, members_of, invalid) in [parties, tags] {
        for id in ids {
            if let Some(id) = id.parse().ok().filter(|id| valid.contains(id)) {
                any_valid = true;
                found.extend(members_of(id, options, state));
            } else {
                invalid.push(id.to_owned());
            }
        }
    }
    Ok(any_valid.then_some(found))
}

/// The `|`-joined ids, empty ones left out.
fn pieces<'a>(key: &str, joined: &'a str, remarks: &mut Remarks) -> Vec<&'a str> {
    if joined.is_empty() {
        return Vec::new();
    }
    if joined.split('|').any(str::is_empty) {
        remarks.violation(format!("{key} holds an empty id"));
    }
    joined.split('|').filter(|piece| !piece.is_empty()).collect()
}

/// Who is in a party: the members given with it, and those who name it or a department below it. Where neither is told
/// of any, everybody.
fn members_of_party(id: i64, options: &Options, state: &State) -> Vec<String> {
    let group = options.party_members.iter().find(|group| group.id == id);
    if group.is_none() && state.members.iter().all(|person| person.member.departments.is_empty()) {
        return everyone(state).collect();
    }
    let below = options.below(id);
    let inside = |person: &&Person| person.member.departments.iter().any(|id| below.contains(id));
    let by_department = state.members.iter().filter(inside).map(|person| person.member.userid.clone());
    let given = group.into_iter().flat_map(|group| &group.members).map(|userid| userid.to_ascii_lowercase());
    given.chain(by_department).collect()
}

/// Who carries a tag; where it is not told, everybody.
fn members_of_tag(id: i64, options: &Options, state: &State) -> Vec<String> {
    match options.tag_members.iter().find(|group| group.id == id) {
        Some(group) => group.members.iter().map(|userid| userid.to_ascii_lowercase()).collect(),
        None => everyone(state).collect(),
    }
}
