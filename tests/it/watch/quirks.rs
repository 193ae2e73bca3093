//! What real servers get wrong, from the wire to the announced letter: nothing lost, nothing twice, no loop.

use crate::support::desk::Watch;
use crate::support::secs;
use crate::support::server::PipeDial;
use crate::support::wired::{Odd, Ways, Wired};
use mailbell::imap::ImapSource;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Longer than any sweep takes to come.
const SWEEP: Duration = secs(301);

/// Watches the server while `story` goes on; answers how often it was dialled.
async fn during(watch: &Watch, wired: &Wired, story: impl Future<Output = ()>) -> usize {
    let dial = PipeDial::default();
    let source = ImapSource::new(Arc::new(dial.clone()), watch.imap);
    tokio::select! {
        () = watch.during(source, story) => {}
        () = wired.serve(&dial) => unreachable!(),
    }
    dial.dials().len()
}

fn ways(capabilities: &str) -> Ways {
    Ways { capabilities: capabilities.to_owned(), ..Ways::default() }
}

/// NetEase (imap-servers A.3): nothing can be opened before ID, EXAMINE gives no UIDNEXT, STATUS nothing, no IDLE; UIDs
/// are large and have gaps, UIDVALIDITY is 1.
#[tokio::test(start_paused = true)]
async fn netease_altogether() {
    for id_answer in [None, Some("{tag} BAD Parse command error\r\n".to_owned())] {
        let watch = Watch::of(&["*"]);
        let wired = Wired::new(&["INBOX", "a"], Ways { wants_id: true, id_answer, no_uid_next: true, ..ways("ID") });
        let now = || watch.clock.now();
        for (at, uid) in [1_392_611_444, 1_392_611_460, 1_400_000_000].into_iter().enumerate() {
            wired.change("INBOX", |folder| folder.uid_validity = Some(1));
            wired.arrive("INBOX", uid, &format!("old {at}"), now());
        }
        let story = async {
            sleep(SWEEP).await;
            assert!(watch.subjects().await.is_empty());
            wired.arrive("INBOX", 1_400_123_456, "one", now());
            wired.arrive("a", 4_000_000_000, "two", now());
            sleep(SWEEP * 2).await;
            let mut subjects = watch.subjects().await;
            subjects.sort();
            assert_eq!(subjects, ["one", "two"]);
            sleep(SWEEP * 3).await;
            assert!(watch.subjects().await.is_empty());
        };
        assert_eq!(during(&watch, &wired, story).await, 1);
        assert_eq!(wired.count("ID "), 1);
    }
}

/// The folder was numbered anew while nobody could look: with the same letters, and with one more.
#[tokio::test(start_paused = true)]
async fn uidvalidity_changes_inside_a_gap() {
    let watch = Watch::new();
    let wired = Wired::new(&["INBOX"], ways("IDLE"));
    let now = || watch.clock.now();
    let story = async {
        sleep(secs(5)).await;
        wired.arrive("INBOX", 1, "one", now());
        wired.arrive("INBOX", 2, "two", now());
        sleep(SWEEP * 2).await;
        assert_eq!(watch.subjects().await, ["one", "two"]);
        // The same Message-IDs under other numbers, and a letter that nobody saw.
        wired.arrive("INBOX", 3, "in the gap", now());
        wired.change("INBOX", |folder| {
            folder.uid_validity = Some(8);
            folder.letters.iter_mut().for_each(|letter| letter.uid += 40);
            folder.uid_next = 50;
        });
        wired.cut();
        sleep(SWEEP * 2).await;
        assert_eq!(watch.subjects().await, ["in the gap"]);
        // Other letters altogether: all that came since the last look.
        wired.change("INBOX", |folder| {
            folder.letters.clear();
            (folder.uid_validity, folder.uid_next) = (Some(9), 1);
        });
        wired.arrive("INBOX", 1, "other", now());
        wired.cut();
        sleep(SWEEP * 2).await;
        assert_eq!(watch.subjects().await, ["other"]);
    };
    assert!(during(&watch, &wired, story).await <= 4);
}

#[tokio::test(start_paused = true)]
async fn uidnext_and_uidvalidity_of_zero() {
    for (validity, next) in [(Some(0), None), (Some(0), Some(0)), (Some(7), Some(0)), (None, None)] {
        let watch = Watch::new();
        let wired = Wired::new(&["INBOX"], Ways { uid_next_is: next, ..ways("IDLE") });
        wired.change("INBOX", |folder| folder.uid_validity = validity);
        let story = async {
            sleep(secs(5)).await;
            for id in ["one", "two"] {
                wired.arrive("INBOX", 1, id, watch.clock.now());
                sleep(SWEEP * 2).await;
                assert_eq!(watch.subjects().await, [id], "{validity:?} {next:?}");
            }
        };
        assert_eq!(during(&watch, &wired, story).await, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn uidnext_goes_down() {
    let watch = Watch::new();
    let wired = Wired::new(&["INBOX"], ways("IDLE"));
    let now = || watch.clock.now();
    let story = async {
        sleep(secs(5)).await;
        wired.arrive("INBOX", 900, "one", now());
        sleep(SWEEP * 2).await;
        assert_eq!(watch.subjects().await, ["one"]);
        wired.change("INBOX", |folder| {
            folder.letters[0].uid = 1;
            folder.uid_next = 2;
        });
        wired.arrive("INBOX", 2, "two", now());
        sleep(SWEEP * 2).await;
        assert_eq!(watch.subjects().await, ["two"]);
        wired.arrive("INBOX", 3, "three", now());
        sleep(SWEEP * 2).await;
        assert_eq!(watch.subjects().await, ["three"]);
    };
    assert_eq!(during(&watch, &wired, story).await, 1);
}

/// UIDVALIDITY, UID and date are those of another letter in another folder: only the folder tells them apart.
#[tokio::test(start_paused = true)]
async fn equal_numbers_in_two_folders() {
    let watch = Watch::of(&["*"]);
    let wired = Wired::new(&["INBOX", "a"], ways("IDLE"));
    let story = async {
        sleep(SWEEP).await;
        let now = watch.clock.now();
        wired.arrive("INBOX", 5, "one", now);
        wired.arrive("a", 5, "two", now);
        sleep(SWEEP * 2).await;
        let mut subjects = watch.subjects().await;
        subjects.sort();
        assert_eq!(subjects, ["one", "two"]);
    };
    assert_eq!(during(&watch, &wired, story).await, 1);
}

/// UIDs over the whole of their range: found without asking for each number in between.
#[tokio::test(start_paused = true)]
async fn sparse_uids_cost_few_commands() {
    let watch = Watch::new();
    let wired = Wired::new(&["INBOX"], ways("IDLE"));
    let story = async {
        sleep(secs(5)).await;
        let before = wired.count("UID FETCH");
        for (at, uid) in [3, 70_000, 1_392_611_444, 4_294_967_290].into_iter().enumerate() {
            wired.arrive("INBOX", uid, &at.to_string(), watch.clock.now());
        }
        sleep(SWEEP * 2).await;
        assert_eq!(watch.subjects().await, ["0", "1", "2", "3"]);
        let asked = wired.count("UID FETCH") - before;
        assert!(asked < 30, "{asked} commands");
    };
    assert_eq!(during(&watch, &wired, story).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_letter_is_counted_before_it_can_be_fetched() {
    let watch = Watch::new();
    let wired = Wired::new(&["INBOX"], ways("IDLE"));
    let story = async {
        sleep(secs(5)).await;
        wired.arrive_odd("INBOX", 1, "late", watch.clock.now(), Odd::Hidden);
        sleep(SWEEP * 2).await;
        assert!(watch.subjects().await.is_empty());
        let asked = wired.count("UID FETCH");
        assert!(asked < 10, "no loop: {asked} commands");
        wired.change("INBOX", |folder| folder.letters[0].odd = Odd::Nothing);
        sleep(SWEEP * 2).await;
        assert_eq!(watch.subjects().await, ["late"]);
    };
    assert_eq!(during(&watch, &wired, story).await, 1);
}

/// News of other things at every answer, `+` included.
#[tokio::test(start_paused = true)]
async fn noise_everywhere() {
    let noises = [
        "* 1 FETCH (FLAGS (\\Seen))\r\n* 9 FETCH (UID 999 FLAGS (\\Seen))\r\n",
        "* VANISHED (EARLIER) 1:3\r\n* VANISHED 9\r\n",
        "* OK [ALERT]邮箱空间不足\r\n* NO x\r\n* BAD y\r\n* 0 RECENT\r\n",
        "* XODD (1 2\r\n* ESEARCH (TAG \"x\") UID ALL 1:3\r\n* ID ()\r\n\r\n[COPYUID 1 2 3]\r\n",
        "* STATUS INBOX (UIDNEXT 99)\r\n* ENABLED X\r\n* 7 FETCH (UID 7 INTERNALDATE NIL)\r\n",
    ];
    for noise in noises {
        let watch = Watch::of(&["*"]);
        let wired = Wired::new(&["INBOX", "a"], Ways { noise: noise.to_owned(), ..ways("IDLE ID") });
        let story = async {
            sleep(SWEEP).await;
            for n in 0..3 {
                wired.arrive("INBOX", 1, &format!("{n}"), watch.clock.now());
                wired.arrive("a", 1, &format!("{n} a"), watch.clock.now());
                sleep(SWEEP * 2).await;
                let mut subjects = watch.subjects().await;
                subjects.sort();
                assert_eq!(subjects, [format!("{n}"), format!("{n} a")], "{noise}");
            }
            let commands = wired.said.lock().unwrap().len();
            assert!(commands < 200, "{noise}: {commands} commands in half an hour");
        };
        assert!(during(&watch, &wired, story).await <= 1, "{noise}");
    }
}

/// A header that would take the memory, or ends nowhere: dropped, told, and passed over; the others come.
#[tokio::test(start_paused = true)]
async fn letters_that_would_take_the_memory() {
    let poisons = [
        b"* 3 FETCH (UID 3 BODY[HEADER] {2147483648}\r\n".to_vec(),
        b"* 3 FETCH (UID 3 BODY[HEADER] {99999999999999999999}\r\n".to_vec(),
        [b"* 3 FETCH (UID 3 X-", &[b'x'; 1_100_000][..]].concat(),
    ];
    for poison in poisons {
        let watch = Watch::new();
        let wired = Wired::new(&["INBOX"], ways("IDLE"));
        let story = async {
            sleep(secs(5)).await;
            for n in 1..=5 {
                let odd = if n == 3 { Odd::Poison(poison.clone()) } else { Odd::Nothing };
                wired.arrive_odd("INBOX", n, &n.to_string(), watch.clock.now(), odd);
            }
            sleep(secs(1200)).await;
            let told: Vec<_> = watch.subjects().await;
            assert_eq!(told, ["1", "2", "?", "4", "5"]);
            wired.arrive("INBOX", 6, "after", watch.clock.now());
            sleep(SWEEP * 2).await;
            assert_eq!(watch.subjects().await, ["after"]);
        };
        let dials = during(&watch, &wired, story).await;
        assert!((2..=6).contains(&dials), "{dials} connections");
        let accounts = watch.health.accounts();
        assert_eq!(accounts[&watch.account.id].last_error, None, "well again");
    }
}

/// A line that cannot be read in every answer there is: no session ends for it.
#[tokio::test(start_paused = true)]
async fn lines_that_kill_the_parser_never_make_a_loop() {
    let deep = format!("* 1 FETCH (UID 1 BODYSTRUCTURE {})\r\n", "(".repeat(100_000));
    for noise in [deep, "* 1 FETCH (UID 1 INTERNALDATE NIL)\r\n".to_owned(), "* 1 EXISTS 好 {9\r\n".to_owned()] {
        let watch = Watch::new();
        let wired = Wired::new(&["INBOX"], Ways { noise, ..ways("IDLE") });
        let story = async {
            sleep(secs(5)).await;
            wired.arrive("INBOX", 1, "one", watch.clock.now());
            sleep(SWEEP * 4).await;
            assert_eq!(watch.subjects().await, ["one"]);
            let commands = wired.said.lock().unwrap().len();
            assert!(commands < 100, "{commands} commands in twenty minutes");
        };
        assert_eq!(during(&watch, &wired, story).await, 1);
    }
}
