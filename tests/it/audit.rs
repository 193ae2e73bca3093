//! The audit from outside: what was written is found again, and what was changed is found out.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use mailbell::audit::{Asked, Audit, Copies, Syslog, read, verify};
use mailbell::model::{By, Deed, Role, Timestamp, What, Who};
use proptest::prelude::*;
use std::fs;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::time::Duration;

const DAY: u64 = 86_400;

/// A moment some days after 2026-01-10.
fn day(days: u64) -> Timestamp {
    let start: jiff::Timestamp = "2026-01-10T08:00:00Z".parse().unwrap();
    Timestamp(start.as_millisecond()).plus(Duration::from_secs(days * DAY))
}

fn open(folder: &Path) -> Audit {
    Audit::open(folder, Copies::default(), day(0)).unwrap()
}

fn wangwu() -> By {
    By { who: Who::Member("wangwu".to_owned(), Role::Administrator), from: "192.0.2.7".to_owned() }
}

fn deed(whom: &str) -> Deed {
    Deed::done(What::AccountAdd, whom).with("user", "张三")
}

/// An audit of three records in two months.
fn filled(folder: &Path) {
    let audit = open(folder);
    audit.note(&wangwu(), &[deed("a@corp.example"), deed("b@corp.example")], day(0)).unwrap();
    let refused = Deed::refused(What::SignIn, "", "wrong token");
    audit.note(&By { who: Who::Stranger, from: "198.51.100.1".to_owned() }, &[refused], day(40)).unwrap();
}

#[test]
fn records_are_found_again_over_months_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    open(dir.path()).note(&By::service(), &[Deed::done(What::Start, "")], day(41)).unwrap();
    let verified = verify(dir.path()).unwrap();
    assert_eq!((verified.records, verified.first), (4, 1));
    let all = read(dir.path(), &Asked::default(), 10).unwrap();
    assert_eq!(all.iter().map(|record| record.no).collect::<Vec<_>>(), [4, 3, 2, 1]);
    assert_eq!(all[3].detail["user"], "张三");
    assert_eq!((all[1].refusal(), all[1].who()), (Some("wrong token"), "stranger".to_owned()));
    let asked = |change: &dyn Fn(&mut Asked)| {
        let mut asked = Asked::default();
        change(&mut asked);
        read(dir.path(), &asked, 10).unwrap().iter().map(|record| record.no).collect::<Vec<_>>()
    };
    assert_eq!(asked(&|a| a.text = "WangWu".to_owned()), [2, 1]);
    assert_eq!(asked(&|a| a.text = "b@corp".to_owned()), [2]);
    assert_eq!(asked(&|a| a.what = Some(What::SignIn)), [3]);
    assert_eq!(asked(&|a| a.from = Some(day(1))), [4, 3]);
    assert_eq!(asked(&|a| (a.from, a.to) = (Some(day(1)), Some(day(41)))), [3]);
    assert_eq!(asked(&|a| a.before = Some(3)), [2, 1]);
    assert_eq!(read(dir.path(), &Asked::default(), 1).unwrap().len(), 1);
}

#[test]
fn any_byte_that_was_flipped_is_found() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let mut months: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    months.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
    assert_eq!(months.len(), 2);
    for month in months {
        let whole = fs::read(&month).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&month, &changed).unwrap();
            assert!(verify(dir.path()).is_err(), "byte {at} of {}", month.display());
        }
        fs::write(&month, &whole).unwrap();
    }
    verify(dir.path()).unwrap();
}

#[test]
fn records_that_were_taken_out_moved_or_cut_off_are_found() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let first = dir.path().join("2026-01.jsonl");
    let (text, second) = (fs::read_to_string(&first).unwrap(), dir.path().join("2026-02.jsonl"));
    let lines: Vec<_> = text.lines().collect();
    let other = fs::read_to_string(&second).unwrap();
    // The second of three; the order; the last file; the last line of all.
    fs::write(&first, format!("{}\n", lines[0])).unwrap();
    assert!(verify(dir.path()).unwrap_err().to_string().contains("2026-02.jsonl:1"));
    fs::write(&first, format!("{}\n{}\n", lines[1], lines[0])).unwrap();
    assert!(verify(dir.path()).unwrap_err().to_string().contains("2026-01.jsonl:2"));
    fs::write(&first, &text).unwrap();
    fs::remove_file(&second).unwrap();
    assert!(verify(dir.path()).unwrap_err().to_string().contains("records 3 to 3 are missing"));
    // Whoever goes on after that says so, and the gap stays visible.
    let audit = open(dir.path());
    audit.note(&wangwu(), &[deed("c@corp.example")], day(42)).unwrap();
    let gap = read(dir.path(), &Asked { what: Some(What::AuditGap), ..Asked::default() }, 1).unwrap();
    assert!(gap[0].refusal().unwrap().contains("records 3 to 3 are missing"), "{gap:?}");
    assert!(verify(dir.path()).is_err());
    drop(other);
}

#[test]
fn records_that_were_cut_off_at_the_beginning_are_found() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let first = dir.path().join("2026-01.jsonl");
    let text = fs::read_to_string(&first).unwrap();
    fs::write(&first, text.split_once('\n').unwrap().1).unwrap();
    assert!(verify(dir.path()).unwrap_err().to_string().contains("records 1 to 1 are missing at the beginning"));
    fs::remove_file(&first).unwrap();
    assert!(verify(dir.path()).unwrap_err().to_string().contains("records 1 to 2"));
    // And a head that names another record.
    fs::write(&first, &text).unwrap();
    let head = dir.path().join("head");
    let whole = fs::read_to_string(&head).unwrap();
    fs::write(&head, whole.replace("\"hash\":\"", "\"hash\":\"0")).unwrap();
    assert!(verify(dir.path()).is_err());
    fs::write(&head, "nonsense").unwrap();
    assert!(verify(dir.path()).is_err());
}

#[test]
fn a_line_that_the_power_cut_short_is_taken_away_and_told() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let last = dir.path().join("2026-02.jsonl");
    let whole = fs::read_to_string(&last).unwrap();
    fs::write(&last, format!("{whole}{}", &whole[..whole.len() / 2])).unwrap();
    assert!(verify(dir.path()).is_err());
    let audit = open(dir.path());
    audit.note(&wangwu(), &[deed("c@corp.example")], day(42)).unwrap();
    assert_eq!(verify(dir.path()).unwrap().records, 5);
    let told = read(dir.path(), &Asked { what: Some(What::AuditGap), ..Asked::default() }, 1).unwrap();
    assert!(told[0].refusal().unwrap().contains("not written to its end"));
}

#[test]
fn old_months_go_whole_and_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let audit = open(dir.path());
    audit.rotate(Duration::from_secs(180 * DAY), day(180)).unwrap();
    assert!(dir.path().join("2026-01.jsonl").exists(), "the month is not over for 180 days");
    audit.rotate(Duration::from_secs(180 * DAY), day(205)).unwrap();
    assert!(!dir.path().join("2026-01.jsonl").exists());
    let verified = verify(dir.path()).unwrap();
    assert_eq!((verified.first, verified.records), (3, 2));
    let told = read(dir.path(), &Asked { what: Some(What::AuditRotate), ..Asked::default() }, 9).unwrap();
    assert_eq!(told[0].whom, "2026-01.jsonl");
}

#[test]
fn second_places_get_each_line() {
    let dir = tempfile::tempdir().unwrap();
    let (udp, tcp) = (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let file = dir.path().join("copy.jsonl");
    let folder = dir.path().join("audit");
    let copies = Copies { file: Some(file.clone()), syslog: Some(Syslog::Udp(udp.local_addr().unwrap())) };
    let audit = Audit::open(&folder, copies, day(0)).unwrap();
    audit.note(&wangwu(), &[deed("a@corp.example"), deed("b@corp.example")], day(0)).unwrap();
    let own = fs::read_to_string(folder.join("2026-01.jsonl")).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), own);
    udp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for line in own.lines() {
        let mut bytes = [0; 4096];
        let got = udp.recv(&mut bytes).unwrap();
        assert_eq!(std::str::from_utf8(&bytes[..got]).unwrap(), format!("<109>1 - - mailbell - audit - {line}"));
    }
    audit.copy_to(Copies { file: None, syslog: Some(Syslog::Tcp(tcp.local_addr().unwrap())) });
    audit.note(&wangwu(), &[deed("c@corp.example")], day(0)).unwrap();
    let mut got = String::new();
    tcp.accept().unwrap().0.read_to_string(&mut got).unwrap();
    let (length, message) = got.split_once(' ').unwrap();
    assert_eq!(length.parse::<usize>().unwrap(), message.len());
    assert!(message.starts_with("<109>1 - - mailbell - audit - {\"no\":3"), "{message}");
    // A second place that is gone holds nothing up.
    drop(tcp);
    audit.note(&wangwu(), &[deed("d@corp.example")], day(0)).unwrap();
    assert_eq!(verify(&folder).unwrap().records, 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_noted_stays_whole(texts in proptest::collection::vec(("\\PC{0,30}", "(?s).{0,30}"), 1..10)) {
        let dir = tempfile::tempdir().unwrap();
        let audit = open(dir.path());
        let deeds: Vec<_> = texts.iter().map(|(whom, why)| Deed::refused(What::Mute, whom, why).with("x", why)).collect();
        audit.note(&wangwu(), &deeds, day(3)).unwrap();
        prop_assert_eq!(verify(dir.path()).unwrap().records, deeds.len() as u64);
        let mut back = read(dir.path(), &Asked::default(), 100).unwrap();
        back.reverse();
        for (record, (whom, why)) in back.iter().zip(&texts) {
            prop_assert_eq!(&record.whom, whom);
            prop_assert_eq!(record.refusal(), Some(why.as_str()));
        }
    }
}
