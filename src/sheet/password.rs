//! The password of a line: taken as it stands, blanks and all; nothing that is said of it shows it.

use super::cell::{half_width, is_blank, is_invisible, unguarded};
use super::damage::Damage;
use super::split::Cell;
use super::told::{Said, say};
use crate::model::Secret;
use std::borrow::Cow;

/// What a cell holds, and what there is to say of it.
#[derive(Debug, Default)]
pub(super) struct Password {
    /// The password, if there is one.
    pub secret: Option<Secret>,
    /// Why it cannot be one.
    pub wrong: Option<Said>,
    /// What is doubtful about it.
    pub doubts: Vec<Said>,
}

/// Reads a cell that is not too long. Every copy that is made is wiped.
pub(super) fn read(cell: &Cell<'_>) -> Password {
    let whole = match cell.text() {
        Cow::Borrowed(text) => Secret::new(text),
        Cow::Owned(text) => Secret::new(text),
    };
    let text = unguarded(whole.expose());
    let mut found = Password::default();
    if text.is_empty() {
        return found;
    }
    if text.chars().all(is_blank) {
        found.doubts.push(say("holds only blanks and was taken as empty", "只有空格，按空白处理"));
        return found;
    }
    if text.len() < whole.expose().len() {
        found.doubts.push(say(
            "begins with ' before a sign that would make it a formula; the ' was not taken as part of the password. If it is, write it twice",
            "以 ' 开头，其后是公式符号；该 ' 不算作密码的一部分。如确是密码的一部分，请写两个",
        ));
    }
    found.wrong = wrong(text);
    if found.wrong.is_none() {
        found.doubts.extend(doubts(text));
        found.secret = Some(if text.len() < whole.expose().len() { Secret::new(text) } else { whole });
    }
    found
}

fn wrong(text: &str) -> Option<Said> {
    if text.contains(char::is_control) {
        return Some(say(
            "holds a line end or another control character, which no password has; enter it again",
            "含有换行或其他控制字符，密码中不会有；请重新填写",
        ));
    }
    (Damage::of(text) == Some(Damage::Error)).then(|| {
        say(
            "is an error of the spreadsheet; format the column as text and enter the password again",
            "是表格软件的错误值；请把该列设为“文本”格式后重新填写密码",
        )
    })
}

fn doubts(text: &str) -> Vec<Said> {
    let mut found = Vec::new();
    if text.starts_with(is_blank) || text.ends_with(is_blank) {
        found.push(say(
            "begins or ends with a blank, which was kept as part of the password; remove it if it is none",
            "开头或末尾有空格，已作为密码的一部分保留；如不属于密码，请去掉",
        ));
    }
    if text.starts_with("=\"") && text.ends_with('"') {
        found.push(say(
            "looks like a formula (=\"...\"), and was kept whole; if that is not the password, write it without = and quotes",
            "像是公式（=\"...\"），已整体作为密码保留；如不是密码的一部分，请去掉等号和引号",
        ));
    }
    let odd = |c: char| c != ' ' && (half_width(c) != c || is_blank(c) || is_invisible(c));
    if text.trim_matches(is_blank).contains(odd) {
        found.push(say(
            "holds full-width or invisible characters, which were kept; passwords hardly ever have them, so check it",
            "含有全角或不可见字符，已原样保留；密码中很少有这样的字符，请核对",
        ));
    }
    if Damage::of(text) == Some(Damage::Scientific) {
        found.push(say(
            "looks like a number that the spreadsheet has shortened, and was kept; if so, format the column as text and enter it again",
            "像是被表格软件改成科学计数法的数字，已原样保留；如是，请把该列设为“文本”格式后重新填写",
        ));
    }
    found
}
