//! Readers of markdown and template cards for the tests, which know nothing of how these are made: what could be taken for
//! markup, and whether all of it is ours.

use crate::wecom::Notice;
use proptest::prelude::*;

/// Its texts, each within its length (wecom-api 3.6, 3.7).
pub(super) fn sound_notice(notice: &Notice) -> Result<Vec<&str>, TestCaseError> {
    let (big, what) = notice.emphasis.as_ref().map_or(("", ""), |(title, desc)| (title, desc));
    let mut texts = vec![
        (notice.source.as_str(), 20),
        (&notice.title, 36),
        (&notice.desc, 44),
        (big, 14),
        (what, 22),
        (&notice.sub_title, 160),
    ];
    for (name, value) in &notice.rows {
        prop_assert!(!name.is_empty() && !value.is_empty());
        texts.extend([(name.as_str(), 5), (value.as_str(), 30)]);
    }
    prop_assert!(notice.rows.len() <= 6 && notice.url == "https://mail.corp.example");
    prop_assert!(!notice.title.trim().is_empty() && !notice.source.is_empty());
    for (text, most) in &texts {
        prop_assert!(text.chars().count() <= *most && !text.contains('\n'), "{text:?}");
    }
    Ok(texts.into_iter().map(|(text, _)| text).filter(|text| !text.is_empty()).collect())
}

/// What any reader of markdown could take for markup, however lenient it is.
#[derive(Debug, PartialEq, Eq)]
enum Mark<'a> {
    Quote,
    Bold(&'a str),
    Font(&'a str, &'a str),
    Link(&'a str, &'a str),
    /// The beginning of a line that is no plain text.
    Line(&'a str),
    /// A sign with a meaning that stands for no more than itself here.
    Sign(&'a str),
    /// What becomes a link by itself.
    Address(&'a str),
}

fn marks(content: &str) -> Vec<Mark<'_>> {
    let mut found = Vec::new();
    for line in content.split('\n') {
        let mut rest = line;
        while let Some(quoted) = rest.strip_prefix('>') {
            found.push(Mark::Quote);
            rest = quoted.trim_start();
        }
        let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let bullet = ["#", "- ", "+ ", "* ", "---", "===", "***", "    ", "\t", ":", "```"];
        if bullet.iter().any(|sign| rest.starts_with(sign))
            || (digits.len() < rest.len() && digits.starts_with(['.', ')']))
        {
            found.push(Mark::Line(rest));
        }
        inline(rest, &mut found);
    }
    found
}

fn inline<'a>(text: &'a str, found: &mut Vec<Mark<'a>>) {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let bold = || rest.strip_prefix("**")?.split_once("**");
        let font = || {
            let (colour, rest) = rest.strip_prefix("<font color=\"")?.split_once("\">")?;
            let (inner, rest) = rest.split_once("</font>")?;
            Some((colour, inner, rest))
        };
        let link = || {
            let (label, rest) = rest.strip_prefix('[')?.split_once("](")?;
            let (url, rest) = rest.split_once(')')?;
            Some((label, url, rest))
        };
        let sign = rest.get(..c.len_utf8()).unwrap();
        let mut next = rest.get(c.len_utf8()..).unwrap();
        if let Some((inner, after)) = bold() {
            found.push(Mark::Bold(inner));
            inline(inner, found);
            next = after;
        } else if let Some((colour, inner, after)) = font() {
            found.push(Mark::Font(colour, inner));
            inline(inner, found);
            next = after;
        } else if let Some((label, url, after)) = link() {
            found.push(Mark::Link(label, url));
            inline(label, found);
            next = after;
        } else if "*_`~[]<>\\|".contains(c) || (c == '&' && rest.starts_with("&#")) {
            found.push(Mark::Sign(sign));
        } else if rest.starts_with("://") || rest.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www.")) {
            found.push(Mark::Address(rest));
        }
        rest = next;
    }
}

/// The only markup is ours: colours around our words, a subject that is bold from its first to its last character, lines
/// that are quoted, a link at the end.
pub(super) fn ours_alone(content: &str) -> Result<(), TestCaseError> {
    let words = [
        "紧急邮件",
        "Urgent mail",
        "发件人：",
        "From: ",
        "时间：",
        "At: ",
        "文件夹：",
        "In: ",
        "⚠ ",
        "发件人已验证",
        "sender verified",
        "外部发件人",
        "external sender",
        "首次来信",
        "first mail from them",
        "邮件自称写于 ",
        "says it was written ",
        "邮铃离线期间（",
        "Came while mailbell was away, ",
        "会议邀请",
        "invitation",
        "加密邮件",
        "encrypted",
        "带数字签名",
        "signed",
        "群发邮件",
        "bulk mail",
        "自动发送",
        "sent by a program",
        "退信",
        "not delivered",
    ];
    let is_size = |text: &str| {
        let size = [" B", " KB", " MB"].iter().find_map(|unit| text.strip_suffix(unit));
        size.is_some_and(|size| size.chars().all(|c| c.is_ascii_digit() || c == '.'))
    };
    let days = |text: &str| text.trim_start_matches(|c: char| c.is_ascii_digit()) == " 天来首次来信";
    let is_ours = |text: &str| words.iter().any(|ours| text.starts_with(ours)) || is_size(text) || days(text);
    let (mut quotes, mut bold, mut links) = (0, Vec::new(), 0);
    for mark in marks(content) {
        match mark {
            Mark::Quote => quotes += 1,
            Mark::Bold(text) => bold.push(text),
            Mark::Font(colour, text) => {
                prop_assert!(["info", "comment", "warning"].contains(&colour) && is_ours(text), "{colour} {text:?}");
            }
            Mark::Link("打开邮箱" | "Open mailbox", "https://mail.corp.example") => links += 1,
            other => prop_assert!(false, "{other:?} in {content:?}"),
        }
    }
    prop_assert!(bold.len() == 1 && links <= 1 && content.contains("\n\n[") == (links == 1), "{content:?}");
    prop_assert!(!bold[0].is_empty() && bold[0].trim() == bold[0], "{content:?}");
    let mut lines = content.split('\n').filter(|line| !line.starts_with('>'));
    let first = lines.find(|line| !line.starts_with("<font")).unwrap_or_default();
    prop_assert_eq!(first, format!("**{}**", bold[0]));
    prop_assert_eq!(quotes, content.split('\n').filter(|line| line.starts_with('>')).count());
    Ok(())
}

#[test]
fn the_reader_finds_whatever_could_be_markup() {
    let found = |text| marks(text).into_iter().map(|mark| format!("{mark:?}")).collect::<Vec<_>>().join(" ");
    assert_eq!(found("a b，（c）(d) 1.2 - e"), "");
    assert_eq!(found(">**a*b**\n> # c"), "Quote Bold(\"a*b\") Sign(\"*\") Quote Line(\"# c\")");
    assert_eq!(found("[a](b) <font color=\"info\">c</font>"), "Link(\"a\", \"b\") Font(\"info\", \"c\")");
    assert_eq!(
        found("1. a\n- b\n`c` ~ \\ | ["),
        "Line(\"1. a\") Line(\"- b\") Sign(\"`\") Sign(\"`\") Sign(\"~\") Sign(\"\\\\\") Sign(\"|\") Sign(\"[\")"
    );
    assert_eq!(
        found("x http://a WWW.b <@all>"),
        "Address(\"://a WWW.b <@all>\") Address(\"WWW.b <@all>\") Sign(\"<\") Sign(\">\")"
    );
    for theirs in [
        "**a**\n>x[b](c)",
        "**a**\n>_b_",
        "**a**\n>**b**",
        "**a**\n>www.b",
        "<font color=\"info\">theirs</font>\n**a**",
        "**a** b",
    ] {
        assert!(ours_alone(theirs).is_err(), "{theirs}");
    }
}
