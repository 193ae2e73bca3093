//! Tables of conditions and letters, and what holds for all of them.

#![allow(clippy::unwrap_used, missing_docs)]
use super::*;
use crate::model::{Attachment, Letter, Sender};
use proptest::prelude::*;

fn person(name: &str, address: &str) -> Sender {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Sender { name: some(name), address: some(address) }
}

fn letter() -> Letter {
    Letter {
        from: person("李四（采购部）", "LiSi@Partner.example"),
        to: vec![person("张三", "zhangsan@corp.example"), person("", "team@corp.example")],
        cc: vec![person("Boss", "boss@corp.example")],
        subject: Some("Re: 【紧急】采购合同 v2 ＡＢＣ".to_owned()),
        list_id: Some("dev.lists.example".to_owned()),
        attachments: vec![Attachment { name: Some("合同.PDF".to_owned()), size: 9 }],
        attachment: true,
        size: 6_000_000,
        kinds: vec![Kind::Signed, Kind::Bulk],
        unmet_days: Some(30),
        ..Letter::default()
    }
}

fn people(patterns: &[&str]) -> AddressPatterns {
    let mut found = AddressPatterns::default();
    patterns.iter().for_each(|pattern| found.add(pattern).unwrap());
    found
}

fn texts(patterns: &[&str]) -> TextPatterns {
    let mut found = TextPatterns::default();
    patterns.iter().for_each(|pattern| found.add(pattern).unwrap());
    found
}

fn only(test: Test) -> Filter {
    Filter::new(vec![Condition { key: "x", test }])
}

fn takes(test: Test) -> bool {
    only(test).takes(&View::of(&letter()))
}

#[test]
fn senders_are_meant_by_address_domain_or_name() {
    let cases = [
        (&["lisi@partner.example"][..], true),
        (&["LISI@PARTNER.EXAMPLE"], true),
        (&["*@partner.example"], true),
        (&["@partner.example"], true),
        (&["@example"], false),
        (&["*@*.example"], true),
        (&["l?si@partner.example"], true),
        (&["isi@partner.example"], false),
        (&["李四"], true),
        (&["李四*"], true),
        (&["*四"], false),
        (&["王五", "李四"], true),
        (&["!@partner.example"], false),
        (&["!@other.example"], true),
        (&["李四", "!*@partner.example"], false),
        (&["/^lisi@/"], false),
        (&["/(?i)^lisi@/"], true),
        (&["/采购部/"], true),
    ];
    for (patterns, expected) in cases {
        assert_eq!(takes(Test::From(people(patterns))), expected, "{patterns:?}");
    }
    assert!(takes(Test::To(people(&["team@corp.example"]))) && takes(Test::To(people(&["张三"]))));
    assert!(!takes(Test::To(people(&["boss@corp.example"]))) && takes(Test::Cc(people(&["boss"]))));
}

#[test]
fn subjects_are_meant_by_a_part_the_whole_or_an_expression() {
    let cases = [
        (&["合同"][..], true),
        (&["abc"], true),
        (&["V2"], true),
        (&["合同*"], false),
        (&["*合同*"], true),
        (&["Re:*"], true),
        (&["*abc"], true),
        (&["*采购?同*"], true),
        (&["re: 【*】*"], true),
        (&["发票", "合同"], true),
        (&["合同", "!紧急"], false),
        (&["!发票"], true),
        (&["/v\\d/"], true),
        (&["/^合同/"], false),
        (&["a.c"], false),
    ];
    for (patterns, expected) in cases {
        assert_eq!(takes(Test::Subject(texts(patterns))), expected, "{patterns:?}");
    }
    assert!(takes(Test::ListId(texts(&["lists.example"]))) && takes(Test::Attachment(texts(&["*.pdf"]))));
    let bare = Letter::default();
    let view = View::of(&bare);
    assert!(!only(Test::ListId(texts(&["x"]))).takes(&view) && only(Test::ListId(texts(&["!x"]))).takes(&view));
    assert!(only(Test::Subject(texts(&["!x"]))).takes(&view) && !only(Test::Attachment(texts(&["*"]))).takes(&view));
}

#[test]
fn what_is_no_text_is_compared() {
    assert!(takes(Test::HasAttachment(true)) && !takes(Test::HasAttachment(false)));
    assert!(takes(Test::LargerThan(5_999_999)) && !takes(Test::LargerThan(6_000_000)));
    assert!(takes(Test::Priority(vec![Priority::Normal])) && !takes(Test::Priority(vec![Priority::High])));
    assert!(takes(Test::Kind(vec![Kind::Bulk, Kind::Auto], vec![])) && !takes(Test::Kind(vec![Kind::Auto], vec![])));
    assert!(!takes(Test::Kind(vec![Kind::Bulk], vec![Kind::Signed])) && takes(Test::Kind(vec![], vec![Kind::Bounce])));
    assert!(takes(Test::Seen(false)) && takes(Test::FirstTime(true)) && !takes(Test::FirstTime(false)));
    assert!(takes(Test::Authentication(vec![None])) && !takes(Test::Authentication(vec![Some(Verdict::Pass)])));
}

#[test]
fn conditions_go_together() {
    let yes = || only(Test::HasAttachment(true));
    let no = || only(Test::HasAttachment(false));
    assert!(takes(Test::All(vec![yes(), yes()])) && !takes(Test::All(vec![yes(), no()])));
    assert!(takes(Test::Any(vec![no(), yes()])) && !takes(Test::Any(vec![no(), no()])));
    assert!(takes(Test::Not(Box::new(no()))) && !takes(Test::Not(Box::new(yes()))));
    let both = Filter::new(vec![
        Condition { key: "subject", test: Test::Subject(texts(&["发票"])) },
        Condition { key: "from", test: Test::From(people(&["李四"])) },
    ]);
    assert_eq!(both.failed(&View::of(&letter())), Some("subject"));
    assert!(Filter::default().takes(&View::of(&letter())) && Filter::default().is_empty());
}

#[test]
fn what_can_never_be_is_seen() {
    let never = |tests: Vec<Test>| {
        Filter::new(tests.into_iter().map(|test| Condition { key: "x", test }).collect()).is_impossible()
    };
    assert!(never(vec![Test::From(people(&["a@corp.example", "!@corp.example"]))]));
    assert!(!never(vec![Test::From(people(&["@corp.example", "!a@corp.example"]))]));
    assert!(never(vec![Test::Subject(texts(&["采购合同", "!合同"]))]));
    assert!(never(vec![Test::HasAttachment(false), Test::Attachment(texts(&["*.pdf"]))]));
    assert!(never(vec![Test::Kind(vec![Kind::Bulk], vec![Kind::Bulk])]));
    assert!(never(vec![Test::Seen(true), Test::Not(Box::new(only(Test::Seen(true))))]));
    assert!(never(vec![Test::Not(Box::default())]));
    assert!(never(vec![Test::Any(vec![only(Test::Subject(texts(&["a", "!a"])))])]));
    assert!(!never(vec![Test::Seen(false), Test::FirstTime(true)]));
}

#[test]
fn what_an_earlier_one_takes_already_is_seen() {
    let wider = |one: Test, two: Test| only(one).covers(&only(two));
    assert!(Filter::default().covers(&only(Test::Seen(true))) && !only(Test::Seen(true)).covers(&Filter::default()));
    assert!(wider(Test::From(people(&["@corp.example"])), Test::From(people(&["a@corp.example"]))));
    assert!(wider(Test::From(people(&["*@corp.example", "李"])), Test::From(people(&["李四", "b@corp.example"]))));
    assert!(!wider(Test::From(people(&["a@corp.example"])), Test::From(people(&["@corp.example"]))));
    assert!(!wider(Test::From(people(&["@corp.example", "!a@corp.example"])), Test::From(people(&["@corp.example"]))));
    assert!(wider(Test::Subject(texts(&["合同"])), Test::Subject(texts(&["采购合同*"]))));
    assert!(!wider(Test::Subject(texts(&["合同"])), Test::Subject(texts(&["!发票"]))));
    assert!(wider(Test::LargerThan(1), Test::LargerThan(2)) && !wider(Test::LargerThan(2), Test::LargerThan(1)));
    assert!(wider(Test::Kind(vec![Kind::Bulk, Kind::Auto], vec![]), Test::Kind(vec![Kind::Auto], vec![Kind::Signed])));
}

#[test]
fn expressions_cost_no_more_than_their_text() {
    let mut slow = texts(&["/(a*)*b/", "/(x+x+)+y/", "/(.*)(.*)(.*)(.*)(.*)[c-d]/"]);
    assert_eq!(slow.add("/(/").unwrap_err().text(crate::model::Lang::En).lines().count(), 1);
    assert!(matches!(slow.add("/a{1000}{1000}{1000}/"), Err(PatternError::Long)));
    assert!(matches!(slow.add(&"a".repeat(1001)), Err(PatternError::Long)));
    assert!(matches!(slow.add(" "), Err(PatternError::Empty)) && matches!(slow.add("!"), Err(PatternError::Empty)));
    let long = Letter { subject: Some("ax".repeat(250)), ..Letter::default() };
    // Backtracking would take ages.
    for _ in 0..100 {
        assert!(!only(Test::Subject(slow.clone())).takes(&View::of(&long)));
    }
}

/// Patterns as people and their cats write them.
fn a_pattern() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c*?!@/.]{1,8}", "!?[*]?[a-c合同@]{1,6}[*]?", "/[a-c().*+?\\[\\]{},|^$0-9]{0,12}/", any::<String>()]
}

fn a_subject() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c合同 ]{0,12}", any::<String>()]
}

proptest! {
    #[test]
    fn no_pattern_is_too_odd(pattern in a_pattern(), subject in a_subject()) {
        let letter = Letter { subject: Some(subject.clone()), from: person(&subject, &subject), ..Letter::default() };
        let view = View::of(&letter);
        let mut some = TextPatterns::default();
        if some.add(&pattern).is_ok() {
            let _ = only(Test::Subject(some)).takes(&view);
        }
        let mut some = AddressPatterns::default();
        if some.add(&pattern).is_ok() {
            let _ = only(Test::From(some)).takes(&view);
        }
    }

    #[test]
    fn what_covers_takes_what_is_covered(one in proptest::collection::vec(a_pattern(), 1..4), two in proptest::collection::vec(a_pattern(), 1..4), subject in a_subject()) {
        let letter = Letter { subject: Some(subject.clone()), from: person(&subject, &format!("{subject}@a")), ..Letter::default() };
        let view = View::of(&letter);
        let (mut first, mut second) = (TextPatterns::default(), TextPatterns::default());
        one.iter().for_each(|p| { let _ = first.add(p); });
        two.iter().for_each(|p| { let _ = second.add(p); });
        let (first, second) = (only(Test::Subject(first)), only(Test::Subject(second)));
        prop_assert!(!(first.covers(&second) && second.takes(&view)) || first.takes(&view));
        prop_assert!(!(first.is_impossible() && first.takes(&view)));
        let (mut first, mut second) = (AddressPatterns::default(), AddressPatterns::default());
        one.iter().for_each(|p| { let _ = first.add(p); });
        two.iter().for_each(|p| { let _ = second.add(p); });
        let (first, second) = (only(Test::From(first)), only(Test::From(second)));
        prop_assert!(!(first.covers(&second) && second.takes(&view)) || first.takes(&view));
        prop_assert!(!(first.is_impossible() && first.takes(&view)));
    }

    #[test]
    fn a_part_of_a_subject_finds_it(subject in "[a-z合同发票 ]{1,30}", from in 0_usize..30, length in 1_usize..30) {
        let chars: Vec<char> = subject.chars().collect();
        let part: String = chars.iter().skip(from % chars.len()).take(length).collect();
        prop_assume!(!part.trim().is_empty());
        let letter = Letter { subject: Some(subject.to_uppercase()), ..Letter::default() };
        prop_assert!(only(Test::Subject(texts(&[&part]))).takes(&View::of(&letter)));
        let whole = format!("*{part}*");
        prop_assert!(only(Test::Subject(texts(&[&whole]))).takes(&View::of(&letter)));
    }
}
