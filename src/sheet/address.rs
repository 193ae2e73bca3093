//! Mail addresses as people put them into cells, and what to write in place of those that are none.

use super::told::{Said, quoted, say};

/// The longest address (RFC 5321 4.5.3.1.3, without the angle brackets).
const LONGEST: usize = 254;

/// Signs of Chinese writing that stand where one of an address belongs.
const SIGNS: [(char, char); 5] = [('。', '.'), ('．', '.'), ('｡', '.'), ('＠', '@'), ('﹫', '@')];

/// Checks one address.
pub(super) fn check(text: &str) -> Result<(), Said> {
    let shown = quoted(text);
    if let Some(said) = several(text).or_else(|| wrapped(text)) {
        return Err(said);
    }
    let meant: String =
        text.chars().map(|c| SIGNS.iter().find(|(sign, _)| *sign == c).map_or(c, |(_, plain)| *plain)).collect();
    if meant != text {
        let meant = quoted(&meant);
        return Err(say(
            format!("{shown} has Chinese punctuation in it; write {meant}"),
            format!("{shown} 含有中文标点；请写 {meant}"),
        ));
    }
    if text.contains(char::is_whitespace) {
        let meant: String = text.split_whitespace().collect();
        return Err(match is_whole(&meant) {
            true => say(
                format!("{shown} has a blank in it; write {}", quoted(&meant)),
                format!("{shown} 中间有空格；请写 {}", quoted(&meant)),
            ),
            false => no_address(&shown),
        });
    }
    if text.len() > LONGEST {
        return Err(say(
            format!(
                "{shown} is longer than {LONGEST} characters, the most that an address can have; write one address"
            ),
            format!("{shown} 超过 {LONGEST} 个字符，邮箱地址没有这么长；请写一个邮箱地址"),
        ));
    }
    if is_whole(text) {
        return Ok(());
    }
    let meant = text.trim_matches(|c: char| "'\"<>()[],;:、，；：".contains(c) || is_chinese_sign(c));
    Err(match is_whole(meant) {
        true => say(
            format!("{shown} has signs around the address; write only {}", quoted(meant)),
            format!("{shown} 的首尾有多余的符号；请只写 {}", quoted(meant)),
        ),
        false => no_address(&shown),
    })
}

fn no_address(shown: &str) -> Said {
    say(
        format!("{shown} is no mail address; write for example: zhangsan@corp.example"),
        format!("{shown} 不是邮箱地址；请写，例如：zhangsan@corp.example"),
    )
}

/// What is doubtful about an address that is in form.
pub(super) fn doubt(text: &str) -> Option<Said> {
    let (name, domain) = text.rsplit_once('@')?;
    let shown = quoted(text);
    if !domain.contains('.') {
        return Some(say(
            format!("{shown} has no dot behind the @; is the domain whole?"),
            format!("{shown} 的 @ 之后没有点；域名是否完整？"),
        ));
    }
    (!name.is_ascii()).then(|| {
        say(
            format!("{shown} has letters before the @ that few servers take; is it the address, or the name?"),
            format!("{shown} 的 @ 之前有一般服务器不支持的字符；是否把姓名当成了地址？"),
        )
    })
}

/// More than one address in a cell.
fn several(text: &str) -> Option<Said> {
    let parts = text.split([';', ',', '，', '；', '、', '|', '/', ' ', '\n', '\r', '\t']);
    let mut found = parts.map(|part| part.trim_matches(['<', '>'])).filter(|part| part.contains('@'));
    let (first, second) = (found.next()?, found.next()?);
    let (first, second) = (quoted(first), quoted(second));
    Some(say(
        format!("holds more than one address ({first}, {second}); write one line for each"),
        format!("含有多个邮箱地址（{first}、{second}）；请每个地址写一行"),
    ))
}

/// `Name <a@b>`, `mailto:a@b`
fn wrapped(text: &str) -> Option<Said> {
    let inner = match text.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => text,
    };
    let is_link = inner.get(..7).is_some_and(|begin| begin.eq_ignore_ascii_case("mailto:"));
    let inner = if is_link { inner.get(7..).unwrap_or_default() } else { inner };
    let inner = inner.split('?').next().unwrap_or(inner).trim();
    if inner == text || !inner.contains('@') {
        return None;
    }
    let (shown, meant) = (quoted(text), quoted(inner));
    Some(say(
        format!("{shown} is more than the address; write only {meant}"),
        format!("{shown} 不只是地址；请只写 {meant}"),
    ))
}

/// Whether it has the form of an address: a name, one `@`, and labels of letters, digits and hyphens.
fn is_whole(text: &str) -> bool {
    let Some((name, domain)) = text.split_once('@') else { return false };
    let odd = |c: char| c.is_control() || c.is_whitespace() || "<>()[],;:\"\\".contains(c) || is_chinese_sign(c);
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    !name.is_empty() && !name.contains(odd) && domain.split('.').all(label)
}

/// Punctuation of CJK and general punctuation, quotes and dashes among it.
fn is_chinese_sign(c: char) -> bool {
    matches!(c, '\u{2010}'..='\u{2027}' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ff65}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_known() {
        for text in [
            "zhangsan@corp.example",
            "a.b+c_d-e@x-y.cn",
            "li@localhost",
            "sales@邮箱.中国",
            "Zhang@Corp.Example",
            "张三@corp.cn",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        assert!(doubt("li@localhost").is_some() && doubt("张三@corp.cn").is_some() && doubt("li@corp.cn").is_none());
    }

    #[test]
    fn what_to_write_is_told() {
        for (text, meant) in [
            ("mailto:a@b.cn", "\"a@b.cn\""),
            ("张三 <a@b.cn>", "\"a@b.cn\""),
            ("<a@b.cn>", "\"a@b.cn\""),
            ("Mailto:a@b.cn?subject=x", "\"a@b.cn\""),
            ("a@b。cn", "\"a@b.cn\""),
            ("a@ b.cn", "\"a@b.cn\""),
            ("a\u{a0}@b.cn", "\"a@b.cn\""),
            ("a@b.cn;c@d.cn", "\"a@b.cn\", \"c@d.cn\""),
            ("a@b.cn c@d.cn", "one line for each"),
            ("“a@b.cn”", "only \"a@b.cn\""),
            ("a@b.cn;", "only \"a@b.cn\""),
            ("A <a@b.cn>、C <c@d.cn>", "one line for each"),
        ] {
            let said = check(text).unwrap_err();
            assert!(said.en.contains(meant), "{text}: {}", said.en);
        }
        for text in [
            "",
            "a",
            "@",
            "a@",
            "@b",
            "a@b..cn",
            "a@b.cn.",
            "a@-b.cn",
            "a@b@c",
            "“a”@b.cn",
            "a@b:c",
            "a b",
            "\u{1}@b.cn",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
