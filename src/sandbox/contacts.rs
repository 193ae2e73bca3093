//! The calls that read the contacts (通讯录): who may make which, and what they answer (wecom-api.md section 9).

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::call::Call;
use super::corp::Department;
use super::options::Options;
use super::state::{Person, State};
use super::token::Holder;

/// Wrong look-ups are counted over a day, and a ban lasts as long (p95895).
const DAY_MS: u64 = 24 * 3_600_000;
/// Rows of one page of `user/list_id` at most, and where no limit is said (p96067).
const MOST_ROWS: i64 = 10_000;

/// What a call of this room needs to know.
pub(super) struct Question<'a> {
    pub(super) call: Call,
    pub(super) holder: Holder,
    pub(super) options: &'a Options,
    pub(super) now: u64,
    /// A parameter of the URL; empty when it is missing.
    pub(super) param: &'a dyn Fn(&str) -> &'a str,
    /// The JSON object of a POST; null otherwise.
    pub(super) body: Value,
}

type Fields = Result<Map<String, Value>, Refusal>;

/// Answers a call, if its token may make it. Where it is not documented what a token may do, it may not.
pub(super) fn answer(state: &mut State, question: &Question<'_>) -> Fields {
    match (question.call, question.holder) {
        // The contacts-sync assistant reads no details from an address that is new (p96079); every one is.
        (Call::UserGet | Call::UserSimplelist | Call::DepartmentList, Holder::Contacts) => Err(Refusal::new(48009)),
        (Call::UserListId, Holder::App) | (Call::UserByEmail, Holder::Contacts) => Err(Refusal::new(48002)),
        (Call::UserGet, _) => user_get(state, question),
        (Call::UserListId, _) => user_list_id(state, question),
        (Call::UserSimplelist, _) => user_simplelist(state, question),
        (Call::UserByEmail, _) => user_by_email(state, question),
        (Call::DepartmentList, _) => departments(question, "department", |department| {
            json!({
                "id": department.id, "name": department.name, "name_en": "", "department_leader": [],
                "parentid": department.parent, "order": 0
            })
        }),
        (Call::DepartmentSimplelist, _) => departments(
            question,
            "department_id",
            |department| json!({ "id": department.id, "parentid": department.parent, "order": 0 }),
        ),
        (Call::TagList, _) => {
            let tags = question.options.tags.iter();
            let list: Vec<_> =
                tags.map(|id| json!({ "tagid": id, "tagname": question.options.tag_name(*id) })).collect();
            Ok(fields(json!({ "taglist": list })))
        }
        (Call::TagGet, _) => tag_get(state, question),
        _ => Err(Refusal::new(48002)),
    }
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// p90196: 41009 without a userid, 60111 for nobody, 60011 outside the visible range.
fn user_get(state: &State, question: &Question<'_>) -> Fields {
    let userid = (question.param)("userid");
    if userid.is_empty() {
        return Err(Refusal::new(41009));
    }
    let options = question.options;
    let person = state.person(userid).filter(|person| !person.removed).ok_or_else(|| Refusal::new(60111))?;
    if !person.in_range() {
        return Err(Refusal::new(if options.hidden_is_unknown { 60111 } else { 60011 }));
    }
    let member = &person.member;
    let departments = options.departments_of(member);
    // An app made after 2022-06-20 gets neither avatar, gender, mobile, email, biz_mail, qr_code nor address.
    let mut told = fields(json!({
        "userid": member.userid,
        "name": member.name,
        "department": departments,
        "order": vec![0; departments.len()],
        "position": "",
        "is_leader_in_dept": vec![0; departments.len()],
        "direct_leader": [],
        "telephone": "",
        "alias": "",
        "status": member.status,
        "main_department": departments.first(),
        "extattr": { "attrs": [] },
    }));
    if options.tells_enable {
        told.insert("enable".to_owned(), json!(i64::from(member.status != 2)));
    }
    Ok(told)
}

/// p96067: one row for each department of each member, by pages. 50100 for a cursor that was not given out.
fn user_list_id(state: &State, question: &Question<'_>) -> Fields {
    let text = |key: &str| match question.body.get(key) {
        None => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(Refusal::illegal(format!("{key} must be a string"))),
    };
    let limit = match question.body.get("limit") {
        None => MOST_ROWS,
        Some(limit) => limit
            .as_i64()
            .filter(|limit| (1..=MOST_ROWS).contains(limit))
            .ok_or_else(|| Refusal::illegal("limit must be 1 to 10000"))?,
    };
    let start = match text("cursor")? {
        "" => 0,
        cursor => {
            let start = cursor.strip_prefix("page-").and_then(|start| start.parse::<usize>().ok());
            start.ok_or_else(|| Refusal::new(50100))?
        }
    };
    let rows = state.members.iter().filter(|person| !person.removed).flat_map(|person| {
        let userid = &person.member.userid;
        let departments = question.options.departments_of(&person.member);
        departments.into_iter().map(move |id| json!({ "userid": userid, "department": id }))
    });
    let limit = usize::try_from(limit).unwrap_or(1);
    let mut page: Vec<Value> = rows.skip(start).take(limit + 1).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let next = if more { format!("page-{}", start + limit) } else { String::new() };
    Ok(fields(json!({ "dept_user": page, "next_cursor": next })))
}

/// p90200: the members of one department that the app may see.
fn user_simplelist(state: &State, question: &Question<'_>) -> Fields {
    let id = department(question, (question.param)("department_id"))?;
    let inside = |person: &&Person| question.options.departments_of(&person.member).contains(&id);
    let shown = |person: &Person| {
        let departments = question.options.departments_of(&person.member);
        json!({ "userid": person.member.userid, "name": person.member.name, "department": departments })
    };
    let list: Vec<Value> = state.members.iter().filter(|person| person.in_range()).filter(inside).map(shown).collect();
    Ok(fields(json!({ "userlist": list })))
}

fn brief(person: &Person) -> Value {
    json!({ "userid": person.member.userid, "name": person.member.name })
}

/// A department that the token may see: 60123 for none, 60011 for one outside the visible range.
fn department(question: &Question<'_>, id: &str) -> Result<i64, Refusal> {
    let id: i64 = id.parse().map_err(|_| Refusal::new(60123))?;
    if question.options.below(id).is_empty() {
        return Err(Refusal::new(60123));
    }
    if question.holder == Holder::App && !question.options.visible_departments().contains(&id) {
        return Err(Refusal::new(60011));
    }
    Ok(id)
}

/// p90208, p95350: the departments below one, or all; of an app those in its visible range.
fn departments(question: &Question<'_>, key: &str, shown: fn(&Department) -> Value) -> Fields {
    let options = question.options;
    let below = match (question.param)("id") {
        "" => None,
        id => Some(options.below(department(question, id)?)),
    };
    let visible = options.visible_departments();
    let listed = |department: &Department| {
        (question.holder == Holder::Contacts || visible.contains(&department.id))
            && below.as_ref().is_none_or(|below| below.contains(&department.id))
    };
    let list: Vec<Value> = options.all_departments().iter().filter(|d| listed(d)).map(shown).collect();
    Ok(Map::from_iter([(key.to_owned(), json!(list))]))
}

/// p90213: the members of a tag that the app may see. 41017 without an id, 40068 for a tag that it may not use.
fn tag_get(state: &State, question: &Question<'_>) -> Fields {
    let id = match (question.param)("tagid") {
        "" => return Err(Refusal::new(41017)),
        id => id.parse::<i64>().ok().filter(|id| question.options.tags.contains(id)),
    };
    let id = id.ok_or_else(|| Refusal::new(40068))?;
    let carries = |person: &&Person| question.options.carries(id, &person.member.userid);
    let list: Vec<Value> = state.members.iter().filter(|person| person.in_range()).filter(carries).map(brief).collect();
    Ok(fields(json!({ "tagname": question.options.tag_name(id), "userlist": list, "partylist": [] })))
}

/// Wrong look-ups of the last day, and until when none is answered.
#[derive(Default)]
pub(super) struct Lookups {
    wrong: VecDeque<u64>,
    banned_until: u64,
}

impl Lookups {
    /// Counts a wrong one; above 20 % of the cap none is answered for a day.
    fn count_wrong(&mut self, cap: u64, now: u64) {
        while self.wrong.front().is_some_and(|at| at + DAY_MS <= now) {
            self.wrong.pop_front();
        }
        self.wrong.push_back(now);
        if u64::try_from(self.wrong.len()).unwrap_or(u64::MAX) * 5 > cap {
            self.wrong.clear();
            self.banned_until = now + DAY_MS;
        }
    }
}

/// p95895: 46004 for nobody in the visible range; and 45009 once too many were wrong (p90313, 45009, on the sister call).
fn user_by_email(state: &mut State, question: &Question<'_>) -> Fields {
    let email = match question.body.get("email") {
        Some(Value::String(email)) if !email.is_empty() => email.to_lowercase(),
        _ => return Err(Refusal::because(40063, "email is empty")),
    };
    let personal = match question.body.get("email_type").map(Value::as_i64) {
        None | Some(Some(1)) => false,
        Some(Some(2)) => true,
        Some(_) => return Err(Refusal::illegal("email_type must be 1 or 2")),
    };
    if question.now < state.lookups.banned_until {
        return Err(Refusal::because(45009, "api freq out of limit: too many wrong emails"));
    }
    let of = |person: &Person| {
        let address = if personal { &person.member.personal_email } else { &person.member.email };
        address.as_ref().is_some_and(|address| address.to_lowercase() == email)
    };
    if let Some(person) = state.members.iter().find(|person| person.in_range() && of(person)) {
        return Ok(fields(json!({ "userid": person.member.userid })));
    }
    let size = u64::try_from(state.members.len()).unwrap_or(u64::MAX);
    state.lookups.count_wrong(question.options.account_cap.unwrap_or(size), question.now);
    Err(Refusal::new(46004))
}
