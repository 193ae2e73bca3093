//! `message/send` from body to chats: checks, duplicate check, limits (wecom-api.md sections 3 and 4).

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::answer::Refusal;
use super::check::{self, Envelope, Recipients, Remarks};
use super::content;
use super::options::Options;
use super::state::{Sent, State};

/// No interval is longer, so no body need be remembered longer.
const LONGEST_INTERVAL_MS: u64 = 14_400_000;

/// Takes a send whose token is good. The fields of the answer beside errcode and errmsg come back.
///
/// What is remarked on is written down also when the send is refused.
pub(super) fn send(state: &mut State, options: &Options, raw: &[u8], now: u64) -> Result<Map<String, Value>, Refusal> {
    let mut remarks = Remarks::default();
    let body = check::parse(raw);
    let done = body.as_ref().map_err(Refusal::clone).and_then(|body| {
        let checked = checked(state, options, body, &mut remarks)?;
        state.limits.admit_call(options, checked.recipients.members.len(), now)?;
        Ok(deliver(state, options, checked, raw, now, &mut remarks))
    });
    let touser = body.as_ref().ok().and_then(|body| body.get("touser")).cloned();
    for (kind, text) in remarks.0 {
        state.note(kind, now, json!({ "call": "send", "touser": touser, "text": text }));
    }
    done
}

struct Checked<'a> {
    envelope: Envelope<'a>,
    recipients: Recipients,
    sent: Value,
    shown: Value,
}

fn checked<'a>(
    state: &State,
    options: &Options,
    body: &'a Value,
    remarks: &mut Remarks,
) -> Result<Checked<'a>, Refusal> {
    let envelope = check::envelope(body, options, remarks)?;
    if state.app_closed {
        return Err(Refusal::new(50003));
    }
    let recipients = check::recipients(&envelope, options, state, remarks)?;
    let shown = content::content(&envelope, options.strict, remarks)?;
    let sent = envelope.fields.value(envelope.msgtype).cloned().unwrap_or_default();
    Ok(Checked { envelope, recipients, sent, shown })
}

/// Shows the message to each recipient unless a limit or the duplicate check keeps it away.
fn deliver(
    state: &mut State,
    options: &Options,
    checked: Checked<'_>,
    raw: &[u8],
    now: u64,
    remarks: &mut Remarks,
) -> Map<String, Value> {
    let Checked { envelope, recipients, sent, shown } = checked;
    state.counts.accepted += 1;
    state.counts.persons += u64::try_from(recipients.members.len()).unwrap_or(u64::MAX);
    let msgid = state.next_msgid();
    let mut answer = recipients.invalid_fields();
    answer.insert("msgid".to_owned(), json!(msgid));
    let mut told = json!({ "msgid": msgid, "msgtype": envelope.msgtype, "touser": envelope.touser });
    if envelope.duplicate_ms.is_some_and(|interval| is_duplicate(state, raw, interval, now)) {
        state.note("duplicate", now, told);
        return answer;
    }
    if let Some(task_id) = sent.get("task_id").and_then(Value::as_str)
        && !task_id.is_empty()
        && !state.task_ids.insert(task_id.to_owned())
    {
        remarks.violation("template_card.task_id was used before");
    }
    let sent = Arc::new(Sent {
        msgid,
        touser: envelope.touser.to_owned(),
        toparty: envelope.toparty.to_owned(),
        totag: envelope.totag.to_owned(),
        msgtype: envelope.msgtype.to_owned(),
        sent,
        shown,
    });
    let mut members = Vec::new();
    for member in recipients.members {
        match state.limits.admit(options, &member, now) {
            Ok(()) => {
                state.show(&member, &sent, now);
                members.push(member);
            }
            Err(reason) => {
                let detail =
                    json!({ "msgid": sent.msgid, "member": member, "reason": reason, "msgtype": sent.msgtype });
                state.note("dropped", now, detail);
            }
        }
    }
    if let Some(told) = told.as_object_mut() {
        told.insert("members".to_owned(), json!(members));
        told.extend(recipients_invalid(&answer));
    }
    state.note("send", now, told);
    answer
}

fn recipients_invalid(answer: &Map<String, Value>) -> impl Iterator<Item = (String, Value)> {
    let fields = answer.iter().filter(|(key, _)| key.as_str() != "msgid");
    fields.map(|(key, value)| (key.clone(), value.clone()))
}

/// Whether this very body was shown less than the interval ago; if not, it counts as shown now.
fn is_duplicate(state: &mut State, raw: &[u8], interval_ms: u64, now: u64) -> bool {
    let digest: [u8; 32] = Sha256::digest(raw).into();
    if let Some(shown) = state.bodies.get(&digest)
        && now < shown + interval_ms
    {
        return true;
    }
    if state.bodies.len().is_power_of_two() {
        state.bodies.retain(|_, shown| now < *shown + LONGEST_INTERVAL_MS);
    }
    state.bodies.insert(digest, now);
    false
}
