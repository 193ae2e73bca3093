//! Who is told: recipients as they are written, and lists of them by name.

use super::reader::Reader;
use super::reading::{Lists, quoted, say};
use super::words::nearest;
use crate::model::{Lang, Recipient};

/// What may stand before a list's name.
const LIST: &str = "list:";

/// The lists of `[recipients.NAME]`. One that is wrong, which is told, is empty.
pub(super) fn lists(sections: &[(&str, Reader<'_>)]) -> Lists {
    let mut lists = Lists::new();
    for (name, r) in sections {
        if !r.has("members") {
            r.missing("members", None);
        }
        // A list holds no lists: none is known yet.
        let members = of(r, "members").unwrap_or_default();
        lists.insert((*name).to_owned(), members);
    }
    lists
}

/// The member, department or tag that a section is named after.
pub(super) fn one_user(r: &Reader<'_>, name: &str) -> Option<Recipient> {
    let found = Recipient::parse(name);
    if let Err(error) = &found {
        r.cx.mistake(
            r.at,
            format!("user.{}", super::reading::key_part(name)),
            say(error.text(Lang::En), error.text(Lang::ZhCn)),
        );
    }
    found.ok()
}

/// `recipients`, without repetitions; `None` if something is wrong, which is told.
pub(super) fn recipients(r: &Reader<'_>) -> Option<Vec<Recipient>> {
    of(r, "recipients")
}

fn of(r: &Reader<'_>, key: &str) -> Option<Vec<Recipient>> {
    let mut list = Vec::new();
    for (at, text) in r.texts(key)? {
        for recipient in one(r, key, at, text)? {
            if !list.contains(&recipient) {
                list.push(recipient);
            }
        }
    }
    Some(list)
}

/// A recipient, or the members of a list: `list:NAME`, or its bare name.
fn one(r: &Reader<'_>, key: &str, at: usize, text: &str) -> Option<Vec<Recipient>> {
    let lists = r.cx.lists.borrow();
    if let Some(members) = lists.get(text.strip_prefix(LIST).unwrap_or(text)) {
        return Some(members.clone());
    }
    if let Ok(recipient) = Recipient::parse(text) {
        return Some(vec![recipient]);
    }
    let shown = quoted(text);
    let said = match text.strip_prefix(LIST) {
        Some(name) => {
            let near = nearest(name, lists.keys().map(String::as_str));
            let (en, zh) = match near {
                Some(near) => (format!("did you mean \"{LIST}{near}\"?"), format!("是否想写 \"{LIST}{near}\"？")),
                None => (format!("write [recipients.{name}]"), format!("请写上 [recipients.{name}] 一节")),
            };
            say(format!("there is no list {shown}; {en}"), format!("没有名单 {shown}；{zh}"))
        }
        None => say(
            format!(
                "{shown} is no recipient; write a userid, \"party:NUMBER\", \"tag:NUMBER\" or the name of a [recipients.NAME]"
            ),
            format!(
                "{shown} 不是接收人；请写成员的 userid、\"party:部门编号\"、\"tag:标签编号\" 或某个 [recipients.NAME] 的名称"
            ),
        ),
    };
    r.wrong_item(key, at, said);
    None
}
