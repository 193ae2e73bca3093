//! Userids and recipients: what is no member of WeCom, and what is usually meant by it.

use super::damage::Damage;
use super::told::{Said, quoted, say};
use crate::model::{Lang, Recipient};

/// Checks a userid.
pub(super) fn userid(text: &str) -> Result<(), Said> {
    match Recipient::parse(text) {
        Ok(Recipient::User(_)) => Ok(()),
        Ok(_) => Err(say(
            format!(
                "{} is a department or a tag; put it into the column recipients and leave the userid empty: then the mailbox is a shared one",
                quoted(text)
            ),
            format!("{} 是部门或标签；请填入“接收人”列，成员账号留空：即为公共邮箱", quoted(text)),
        )),
        Err(_) => Err(no_userid(text)),
    }
}

/// What is said of a text that is no userid.
fn no_userid(text: &str) -> Said {
    let shown = quoted(text);
    if phone(text).is_some() {
        return say(
            format!(
                "{shown} is a mobile number; write the member's 账号 (userid) as the contacts page of the WeCom console shows it"
            ),
            format!("{shown} 是手机号；请填写企业微信管理后台通讯录中该成员的“账号”"),
        );
    }
    if let Some(damage) = Damage::of(text) {
        return damage.said(&shown);
    }
    let several: Vec<&str> =
        text.split([';', '、', '|', ',', '，', '；', ' ']).filter(|part| !part.is_empty()).collect();
    if several.len() > 1 && several.iter().all(|part| Recipient::parse(part).is_ok()) {
        return say(
            format!(
                "{shown} names several; an account belongs to one member. For a shared mailbox put them into the column recipients and leave the userid empty"
            ),
            format!("{shown} 写了多个；一个账号只属于一个成员。如是公共邮箱，请填入“接收人”列，成员账号留空"),
        );
    }
    if text.chars().any(|c| ('\u{3400}'..='\u{9fff}').contains(&c)) {
        return say(
            format!(
                "{shown} is no userid; write the member's 账号 (userid) as the contacts page of the WeCom console shows it, not the name"
            ),
            format!("{shown} 不是成员账号；请填写企业微信管理后台通讯录中该成员的“账号”，而不是姓名"),
        );
    }
    say(
        format!(
            "{shown} is no userid (1 to 64 of a-z 0-9 _ - @ . with a letter or digit first); write for example: zhangsan"
        ),
        format!("{shown} 不是成员账号（1 到 64 个字母、数字或 _ - @ .，以字母或数字开头）；请写，例如：zhangsan"),
    )
}

/// What is doubtful about a userid that is in form.
pub(super) fn doubt(text: &str) -> Option<Said> {
    let shown = quoted(text);
    if phone(text).is_some() {
        return Some(say(
            format!(
                "{shown} looks like a mobile number; what is meant is the member's 账号 (userid) on the contacts page of the WeCom console"
            ),
            format!("{shown} 看起来是手机号；这里应为企业微信管理后台通讯录中该成员的“账号”，请核对"),
        ));
    }
    Damage::of(text).map(|damage| damage.said(&shown))
}

/// The digits of a Chinese mobile number, as people write it: 11 of them from 13 to 19 on, with or without +86.
fn phone(text: &str) -> Option<String> {
    let between = |c: char| matches!(c, ' ' | '-' | '+' | '(' | ')' | '.');
    let digits: String = text.chars().filter(|c| !between(*c)).collect();
    let local = ["0086", "86"].iter().find_map(|code| digits.strip_prefix(code).filter(|rest| rest.len() == 11));
    let local = local.unwrap_or(&digits);
    let mobile = local.len() == 11
        && local.bytes().all(|b| b.is_ascii_digit())
        && local.starts_with('1')
        && !local.starts_with("10")
        && !local.starts_with("11")
        && !local.starts_with("12");
    let abroad = text.starts_with('+') && digits.len() >= 7 && digits.bytes().all(|b| b.is_ascii_digit());
    (mobile || abroad).then_some(digits)
}

/// Checks one recipient.
pub(super) fn recipient(text: &str) -> Result<(), Said> {
    let Err(wrong) = Recipient::parse(text) else { return Ok(()) };
    let shown = quoted(text);
    for (words, kind, zh) in [(["部门", "department"], "party", "部门"), (["标签", "label"], "tag", "标签")] {
        let named = words.iter().find_map(|word| text.to_lowercase().strip_prefix(word).map(str::to_owned));
        if let Some(rest) = named {
            let number = rest.trim_start_matches([':', ' ']);
            let number = if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) { number } else { "12" };
            return Err(say(
                format!("{shown} is written {kind}:{number}, with the number that the WeCom console shows"),
                format!("{shown} 请写成 {kind}:{number}，即 {kind}: 加企业微信管理后台中的{zh} ID"),
            ));
        }
    }
    if phone(text).is_some() {
        return Err(no_userid(text));
    }
    if let Some(damage) = Damage::of(text) {
        return Err(damage.said(&shown));
    }
    Err(say(wrong.text(Lang::En), wrong.text(Lang::ZhCn)).shortened(text))
}

impl Said {
    /// The same with `text` as sentences show it.
    fn shortened(self, text: &str) -> Self {
        let whole = format!("\"{text}\"");
        Self { en: self.en.replace(&whole, &quoted(text)), zh: self.zh.replace(&whole, &quoted(text)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mobile_numbers_are_known() {
        for text in [
            "13800138000",
            "+86 138 0013 8000",
            "+86-13800138000",
            "86-138-0013-8000",
            "008613800138000",
            "+852 6123 4567",
        ] {
            assert!(phone(text).is_some(), "{text}");
        }
        for text in ["zhangsan", "1380013800", "10000000000", "138001380001", "a13800138000", "2013-05"] {
            assert!(phone(text).is_none(), "{text}");
        }
    }

    #[test]
    fn each_wrong_userid_gets_its_sentence() {
        for (text, word) in [
            ("+86 138 0013 8000", "mobile"),
            ("张三", "not the name"),
            ("lisi;wangwu", "several"),
            ("party:3", "department"),
            ("2024/1/5", "date"),
            ("1.38E+10", "shortened"),
            ("@all", "1 to 64"),
            ("", "1 to 64"),
        ] {
            assert!(userid(text).unwrap_err().en.contains(word), "{text}");
        }
        assert!(userid("ZhangSan").is_ok());
        assert!(doubt("13800138000").unwrap().en.contains("mobile"));
        assert!(doubt("5-Jan").unwrap().en.contains("date"));
        assert_eq!(doubt("zhangsan"), None);
    }

    #[test]
    fn departments_and_tags_are_told_how_they_are_written() {
        assert!(recipient("部门:7").unwrap_err().zh.contains("party:7"));
        assert!(recipient("标签 销售").unwrap_err().en.contains("tag:12"));
        assert!(recipient(&"x".repeat(300)).unwrap_err().en.len() < 300);
        assert!(recipient("tag:3").is_ok());
    }
}
