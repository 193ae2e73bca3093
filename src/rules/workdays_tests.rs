//! The working calendar: what the data file says, and what a company's own file does to it.

use super::*;
use jiff::civil::date;
use proptest::prelude::*;

const FILE: &str = include_str!("../../config/workdays-cn.toml");

fn years() -> BTreeMap<i16, Year> {
    let file: BTreeMap<String, Year> = toml::from_str(FILE).unwrap();
    file.into_iter().map(|(name, year)| (name.parse().unwrap(), year)).collect()
}

fn days(year: i16, texts: &[String]) -> Vec<Date> {
    let spans = texts.iter().map(|text| span(year, text).unwrap());
    spans.flat_map(|(a, b)| a.series(jiff::Span::new().days(1)).take_while(move |day| *day <= b)).collect()
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

#[test]
fn the_file_is_what_is_built_in() {
    assert_eq!(Workdays::parse(FILE).unwrap(), Workdays::built_in());
    assert_eq!(toml::from_str::<Workdays>(FILE).unwrap(), Workdays::built_in());
    for year in years().into_keys() {
        assert!(Workdays::built_in().knows(year));
    }
    assert!(!Workdays::built_in().knows(2023));
}

/// For each notice: the lengths of the holidays that it says (共N天), in the order of the year.
#[test]
fn holidays_are_as_long_as_the_notices_say() {
    let said: [(i16, &[usize]); 3] =
        [(2024, &[1, 8, 3, 5, 1, 3, 7]), (2025, &[1, 8, 3, 5, 3, 8]), (2026, &[3, 9, 3, 5, 3, 3, 7])];
    let years = years();
    for (year, lengths) in said {
        let holidays = &years[&year].holidays;
        let found: Vec<_> = holidays.iter().map(|text| days(year, std::slice::from_ref(text)).len()).collect();
        assert_eq!(found, lengths, "{year}");
    }
}

#[test]
fn each_year_has_its_own_days_in_order_and_makes_up_on_weekends() {
    for (year, said) in years() {
        for texts in [&said.holidays, &said.workdays] {
            let days = days(year, texts);
            assert!(days.iter().all(|day| day.year() == year), "{year}");
            assert!(days.windows(2).all(|two| two[0] < two[1]), "{year}: in order, none twice");
        }
        let made_up = days(year, &said.workdays);
        assert!(made_up.iter().all(|day| is_weekend(*day)), "{year}: {made_up:?}");
        assert!(said.source.starts_with("国办发明电〔") && said.source.contains("https://www.gov.cn/"), "{year}");
    }
}

/// The State Council's holidays give so many days (全国年节及纪念日放假办法: 11 until 2024, 13 from 2025 on); all others
/// that are free from Monday to Friday are made up on a weekend, or are the rest that a holiday on a weekend is moved to.
#[test]
fn what_is_free_beyond_the_holidays_by_law_is_made_up() {
    for (year, by_law) in [(2024, 11), (2025, 13), (2026, 13)] {
        let said = &years()[&year];
        let free = days(year, &said.holidays).into_iter().filter(|day| !is_weekend(*day)).count();
        assert_eq!(free - said.workdays.len(), by_law, "{year}");
    }
}

#[test]
fn days_of_which_people_know() {
    let calendar = Workdays::built_in();
    for (day, worked) in [
        (date(2026, 2, 13), true),  // Friday
        (date(2026, 2, 14), true),  // a working Saturday
        (date(2026, 2, 15), false), // the Spring Festival begins on a Sunday
        (date(2026, 2, 17), false), // the first day of the lunar year, a Tuesday
        (date(2026, 2, 23), false),
        (date(2026, 2, 24), true),
        (date(2026, 2, 28), true),
        (date(2026, 3, 1), false),
        (date(2026, 10, 7), false),
        (date(2026, 10, 8), true),
        (date(2026, 10, 10), true),
        (date(2026, 10, 11), false),
        (date(2025, 1, 26), true),
        (date(2024, 2, 9), true), // 除夕 of 2024: recommended, not free
    ] {
        assert_eq!(calendar.is_workday(day), worked, "{day}");
        assert!(calendar.knows(day.year()));
    }
}

#[test]
fn a_year_that_is_missing_is_worked_from_monday_to_friday() {
    let calendar = Workdays::built_in();
    assert!(!calendar.knows(2023) && !calendar.knows(9999));
    assert!(calendar.is_workday(date(2023, 10, 2)), "a holiday on a Monday that nobody told of");
    assert!(!calendar.is_workday(date(2023, 10, 7)), "a make-up Saturday that nobody told of");
    let plain = Workdays::plain();
    assert!(plain.knows(2026) && plain.knows(-9999));
    assert!(!plain.is_workday(date(2026, 2, 14)) && plain.is_workday(date(2026, 2, 17)));
    assert!(plain.is_workday(Date::MIN) && plain.is_workday(Date::MAX), "a Monday and a Friday");
}

#[test]
fn a_file_of_ones_own_adds_and_replaces_whole_years() {
    let own = "[2026]\nholidays = [\"2026-12-25\"]\n[2031]\nworkdays = [\"2031-01-04\"]\n";
    let mut calendar = Workdays::built_in();
    calendar.merge(Workdays::parse(own).unwrap());
    assert!(!calendar.is_workday(date(2026, 12, 25)));
    assert!(calendar.is_workday(date(2026, 2, 17)), "2026 is the file's alone");
    assert!(!calendar.is_workday(date(2025, 10, 1)), "2025 is as it was");
    assert!(calendar.knows(2031) && calendar.is_workday(date(2031, 1, 4)));
    let mut plain = Workdays::plain();
    plain.merge(Workdays::plain());
    assert_eq!(plain, Workdays::plain());
    plain.merge(Workdays::parse(own).unwrap());
    assert!(plain.knows(2031) && !plain.knows(2025));
    let mut calendar = Workdays::built_in();
    calendar.merge(Workdays::plain());
    assert_eq!(calendar, Workdays::built_in());
}

#[test]
fn mistakes_are_named_in_both_languages() {
    let table: [(&str, &str, &str); 12] = [
        ("[26]", "[26] is no year", "[26] 不是年份"),
        ("[20260]", "[20260] is no year", "[20260] 不是年份"),
        ("[2026]\nholidays = [\"2026-02-30\"]", "[2026] \"2026-02-30\" is no day", "[2026] \"2026-02-30\" 不是日期"),
        ("[2026]\nholidays = [\"20260101\"]", "\"20260101\" is no day", "不是日期"),
        ("[2026]\nholidays = [\"2026-01-01T10:00\"]", "is no day", "不是日期"),
        ("[2026]\nholidays = [\"2026-01-01/\"]", "\"2026-01-01/\" is no day", "不是日期"),
        ("[2026]\nworkdays = [\"2026-01-02/2026-01-01\"]", "ends before it begins", "末日早于首日"),
        ("[2026]\nworkdays = [\"2027-01-01\"]", "own year", "自己年份"),
        ("[2026]\nholidays = [\"2025-12-31/2026-01-03\"]", "own year", "自己年份"),
        (
            "[2026]\nholidays = [\"2026-01-01/2026-01-03\"]\nworkdays = [\"2026-01-02\"]",
            "[2026] 2026-01-02 is said to be free and to be worked",
            "2026-01-02 既写为放假又写为上班",
        ),
        ("[2026]\nholiday = []", "no working calendar", "不是工作日历"),
        ("2026 = 3", "no working calendar", "不是工作日历"),
    ];
    for (text, en, zh) in table {
        let error = Workdays::parse(text).unwrap_err();
        assert!(error.text(Lang::En).contains(en), "{text}: {error}");
        assert!(error.text(Lang::ZhCn).contains(zh), "{text}: {}", error.text(Lang::ZhCn));
        assert!(toml::from_str::<Workdays>(text).is_err(), "{text}");
    }
    assert_eq!(Workdays::parse("").unwrap(), Workdays::from_years(BTreeMap::new()).unwrap());
}

proptest! {
    #[test]
    fn any_text_is_a_calendar_or_a_mistake(text in "\\PC{0,40}|\\[20[0-9]{2}\\]\nholidays = \\[\"[-0-9/]{0,22}\"\\]") {
        if let Err(error) = Workdays::parse(&text) {
            prop_assert!(!error.text(Lang::En).is_empty() && !error.text(Lang::ZhCn).is_empty());
        }
    }
}
