//! Windows as people write them.

use super::super::{Digests, Hours};
use super::*;
use jiff::tz::TimeZone;
use proptest::prelude::*;

fn canonical(text: &str) -> String {
    Hours::parse(&[text]).map_or_else(|error| panic!("{error}"), |hours| hours.to_string())
}

#[test]
fn windows_are_read() {
    for (text, canon) in [
        ("mon", "mon"),
        ("MON-Fri 09:00-18:00", "mon,tue,wed,thu,fri 09:00-18:00"),
        ("fri-mon", "mon,fri,sat,sun"),
        ("sun-mon", "mon,sun"),
        ("mon-sun", "daily"),
        ("wed-tue", "daily"),
        ("mon-mon 1:05-2:00", "mon 01:05-02:00"),
        ("sat,sun,sat", "sat,sun"),
        ("thursday , Tuesday-wed", "tue,wed,thu"),
        ("09:00-18:00", "daily 09:00-18:00"),
        ("22:00-08:00", "daily 22:00-08:00"),
        ("22:00-24:00", "daily 22:00-24:00"),
        ("22:00-00:00", "daily 22:00-24:00"),
        ("daily", "daily"),
        ("daily 00:00-24:00", "daily"),
        ("daily,mon", "daily"),
        ("00:00-23:59", "daily 00:00-23:59"),
        ("23:59-23:58", "daily 23:59-23:58"),
        ("workday", "workday"),
        ("Workday,restday 12:00-13:00", "workday,restday 12:00-13:00"),
        ("workday,sat", "sat,workday"),
        ("  fri   22:00 - 08:00 ", "fri 22:00-08:00"),
        ("周一", "mon"),
        ("周一-周五 09:00-18:00", "mon,tue,wed,thu,fri 09:00-18:00"),
        ("周五至周一", "mon,fri,sat,sun"),
        ("周六、周日，星期三", "wed,sat,sun"),
        ("周天", "sun"),
        ("星期天 9：00－18：00", "sun 09:00-18:00"),
        ("工作日　22:00至08:00", "workday 22:00-08:00"),
        ("休息日", "restday"),
        ("每天9:00-18:00", "daily 09:00-18:00"),
    ] {
        assert_eq!(canonical(text), canon, "{text}");
        assert_eq!(canonical(canon), canon, "{text}");
    }
    let hours = Hours::parse(&["mon", "tue 09:00-10:00"]).unwrap();
    assert_eq!(hours.to_string(), "mon; tue 09:00-10:00");
    assert!(!hours.is_empty() && Hours::parse::<&str>(&[]).unwrap().is_empty());
}

#[test]
fn hours_that_ask_the_calendar_say_so() {
    for (text, asks) in
        [("workday", true), ("mon,restday 09:00-10:00", true), ("daily", false), ("mon-fri 09:00-10:00", false)]
    {
        assert_eq!(Hours::parse(&["sun", text]).unwrap().use_workdays(), asks, "{text}");
    }
}

#[test]
fn mistakes_are_named_in_both_languages() {
    for (text, en, zh) in [
        ("", "neither a day nor a time", "没有日子，也没有时间"),
        (" \t\u{3000}", "neither a day nor a time", "没有日子，也没有时间"),
        ("mo", "'mo' is no day", "“mo”不是星期几"),
        ("周八", "'周八' is no day", "“周八”不是星期几"),
        ("一", "'一' is no day", "“一”不是星期几"),
        ("holiday 09:00-10:00", "'holiday' is no day", "“holiday”不是星期几"),
        ("mon;tue", "'mon;tue' is no day", "“mon;tue”不是星期几"),
        (",mon", "',' is no day", "“,”不是星期几"),
        ("mon,,tue", "',' is no day", "“,”不是星期几"),
        ("mon,", "a day is missing after the last comma", "最后的逗号之后缺少日子"),
        ("mon-workday", "'workday' is none", "“workday”不能作为范围的一端"),
        ("daily-fri", "'daily' is none", "“daily”不能作为范围的一端"),
        ("mon-09:00", "'09:00' is no day", "“09:00”不是星期几"),
        ("mon-", "'-' is too much", "“-”是多余的"),
        ("mon tue", "'tue' is too much", "“tue”是多余的"),
        ("mon-tue-wed", "'-' is too much", "“-”是多余的"),
        ("mon 09:00", "no end to what begins at 09:00", "09:00 之后缺少结束时间"),
        ("09:00-", "no end to what begins at 09:00", "09:00 之后缺少结束时间"),
        ("mon 9-18", "'9' is no time", "“9”不是时间"),
        ("mon 9", "'9' is no time", "“9”不是时间"),
        ("09:00-18", "'18' is no time", "“18”不是时间"),
        ("09:00-24:01", "'24:01' is no time", "“24:01”不是时间"),
        ("09:60-10:00", "'09:60' is no time", "“09:60”不是时间"),
        ("009:00-10:00", "'009:00' is no time", "“009:00”不是时间"),
        ("09:0-10:00", "'09:0' is no time", "“09:0”不是时间"),
        ("9:+1-10:00", "'9:+1' is no time", "“9:+1”不是时间"),
        ("24:00-08:00", "24:00 can only be an end", "24:00 只能作为结束时间"),
        ("24:00-24:00", "24:00 can only be an end", "24:00 只能作为结束时间"),
        ("fri 09:00-9:00", "begins and ends at 09:00", "开始和结束都是 09:00"),
        ("09:00-10:00 mon", "'mon' is too much", "“mon”是多余的"),
        ("09:00-10:00, 11:00-12:00", "',' is too much", "“,”是多余的"),
        ("09:00-10:00-11:00", "'-' is too much", "“-”是多余的"),
    ] {
        let error = Hours::parse(&["mon", text]).unwrap_err();
        let (said_en, said_zh) = (error.text(Lang::En), error.text(Lang::ZhCn));
        assert_eq!(error.to_string(), said_en);
        assert!(said_en.starts_with(&format!("\"{text}\" ")) && said_en.contains(en), "{said_en}");
        assert!(said_zh.starts_with(&format!("\"{text}\" ")) && said_zh.contains(zh), "{said_zh}");
        assert!(said_en.contains("\"mon-fri 09:00-18:00\"") && said_zh.contains("\"周六,周日\""), "an example");
    }
}

#[test]
fn the_examples_in_the_errors_are_read() {
    let error = Hours::parse(&["x"]).unwrap_err();
    for lang in [Lang::En, Lang::ZhCn] {
        let text = error.text(lang);
        let examples: Vec<_> = text.split('"').skip(3).step_by(2).collect();
        assert_eq!(examples.len(), 3, "{text}");
        assert!(Hours::parse(&examples).is_ok(), "{text}");
    }
}

#[test]
fn lists_and_errors_have_a_bound() {
    let many = vec!["mon"; MOST_WINDOWS + 1];
    let error = Hours::parse(&many).unwrap_err();
    assert!(error.text(Lang::En).contains("50 are the most") && error.text(Lang::ZhCn).contains("最多 50 个"));
    assert!(Hours::parse(&many[1..]).is_ok());
    assert!(Digests::at(&vec!["09:00"; MOST_WINDOWS + 1], TimeZone::UTC).is_err());
    assert_eq!(canonical(&format!("{}mon", "sun,".repeat(300_000))), "mon,sun");
    let long = "周".repeat(1_000_000);
    let error = Hours::parse(&[&long]).unwrap_err();
    assert!(error.text(Lang::En).len() < 1000, "{error}");
}

#[test]
fn times_of_digests_are_read() {
    let digests = Digests::at(&["14:00", " 9:00 ", "09:00", "00:00", "23:59"], TimeZone::UTC).unwrap();
    let Digests::At { times, .. } = digests else { panic!("times were given") };
    let shown: Vec<_> = times.iter().map(|time| time.strftime("%H:%M").to_string()).collect();
    assert_eq!(shown, ["00:00", "09:00", "14:00", "23:59"]);
    for text in ["24:00", "9", "", "09:00-10:00", "mon 09:00"] {
        let error = Digests::at(&["08:00", text], TimeZone::UTC).unwrap_err();
        assert!(error.text(Lang::En).starts_with(&format!("\"{text}\" is no time of day")), "{error}");
        assert!(error.text(Lang::ZhCn).starts_with(&format!("\"{text}\" 不是一天中的时间")));
    }
    assert!(Digests::at::<&str>(&[], TimeZone::UTC).is_err(), "never is no time");
}

proptest! {
    #[test]
    fn any_text_is_hours_or_a_mistake(
        text in "\\PC{0,30}|[a-z一周日工作至，,-]{0,12} ?[0-9:：－ -]{0,14}|(mon|fri|周六|workday)([-,](sun|工作日|tue))? [0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}"
    ) {
        match Hours::parse(&[&text]) {
            Ok(hours) => {
                let again = Hours::parse(&[hours.to_string()]);
                prop_assert_eq!(again, Ok(hours));
            }
            Err(error) => prop_assert!(!error.text(Lang::En).is_empty() && !error.text(Lang::ZhCn).is_empty()),
        }
        let _ = Digests::at(&[&text], TimeZone::UTC);
    }
}
