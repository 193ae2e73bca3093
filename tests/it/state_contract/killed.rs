//! S1, S4, S8 under kill -9: a child process works on a store and tells what was acknowledged; whenever it dies,
//! nothing of that is missing.

use super::{ALL, account, after, at, each, inbox, item, mark, open_dir, scan, user};
use mailbell::model::Now;
use mailbell::rules::retry::Next;
use mailbell::state::{Claim, Committed, State, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The child's order: where to work.
const STORE: &str = "MAILBELL_TEST_KILLED_STORE";
/// And when: each round is later than what the one before put off.
const ROUND: &str = "MAILBELL_TEST_KILLED_ROUND";
const KILLS: u32 = 20;
/// A child that nobody kills ends by itself.
const MOST_LETTERS: u32 = 20_000;

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Without a listener there is nobody to work for.
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Not a test of its own: what the killed child does. Letter N goes to a recipient of its own, so no gate closes.
#[tokio::test]
async fn child_works_until_killed() {
    let Some(path) = std::env::var_os(STORE) else { return };
    let store = open_dir(Path::new(&path));
    let now = moment(std::env::var(ROUND).unwrap().parse().unwrap());
    let mut next = next_of(&store).await;
    say("\nopen");
    while next < MOST_LETTERS {
        let letters = vec![(user(&format!("u{next}")), item(u64::from(next), "会议"))];
        let from = (next > 1).then_some(next);
        assert_eq!(store.commit_scan(scan(from, next + 1, letters), now).await.unwrap(), Committed::Stored(1));
        say(&format!("committed {next}"));
        next += 1;
        if next % 3 == 0 {
            for (place, claim) in store.claim(now, 3, each()).await.unwrap().iter().enumerate() {
                say(&format!("claimed {} {} {}", claim.recipients[0], claim.tries, hex(&claim.body)));
                match place {
                    0 => {
                        store.settle(claim.id, Next::Done.into(), now).await.unwrap();
                        say(&format!("settled {}", claim.recipients[0].clone()));
                    }
                    1 => store.settle(claim.id, Next::Again(now.steady).into(), now).await.unwrap(),
                    _ => {} // stays claimed until the kill
                }
            }
        }
    }
}

async fn next_of(store: &Store) -> u32 {
    let marks = store.marks(&account()).await.unwrap();
    let next = marks.get(&inbox()).map_or(1, |mark| mark.next);
    assert!(next == 1 || marks[&inbox()] == mark(next));
    next
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the children were told is safe.
#[derive(Default)]
struct Known {
    committed: u32,
    settled: BTreeSet<String>,
    /// Tries and body.
    claimed: BTreeMap<String, (u32, String)>,
}

impl Known {
    fn learn(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["committed", number] => self.committed = self.committed.max(number.parse().unwrap()),
            ["settled", to] => drop(self.settled.insert(to.to_owned())),
            ["claimed", to, tries, body] => {
                let tries = tries.parse().unwrap();
                if let Some((before, known)) = self.claimed.insert(to.to_owned(), (tries, body.to_owned())) {
                    assert_eq!(body, known, "the body of a try is fixed");
                    assert!(tries > before, "{to}: try {tries} after try {before}");
                }
            }
            // The test runner's own lines, and a line cut by the kill.
            _ => {}
        }
    }

    async fn check(&self, store: &Store, now: Now) {
        let next = next_of(store).await;
        assert!(next > self.committed, "letter {} was acknowledged, the mark is {next}", self.committed);
        let claims = store.claim(now, ALL, each()).await.unwrap();
        let found: BTreeMap<String, &Claim> = claims.iter().map(|c| (c.recipients[0].to_string(), c)).collect();
        assert_eq!(found.len(), claims.len(), "one alert per letter");
        for number in 1..next {
            let to = format!("u{number}");
            match (found.get(&to), self.claimed.get(&to)) {
                (None, None) => panic!("letter {number} is below the mark {next} and missing"),
                // It was claimed and may have been settled without a word.
                (None, Some(_)) => {}
                (Some(_), _) if self.settled.contains(&to) => panic!("letter {number} was settled and is there"),
                (Some(claim), Some((tries, body))) => {
                    assert_eq!(&hex(&claim.body), body);
                    assert!(claim.tries > *tries);
                }
                (Some(_), None) => {}
            }
        }
        assert!(found.len() < next as usize, "letters above the mark");
    }
}

/// Long after whatever the round before waited for.
fn moment(round: u32) -> Now {
    at(after(u64::from(round) * 1000))
}

fn spawn(path: &Path, round: u32) -> Child {
    let name = concat!(module_path!(), "::child_works_until_killed");
    let name = name.split_once("::").unwrap().1;
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(STORE, path)
        .env(ROUND, round.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn nothing_acknowledged_is_missing_after_kills() {
    let dir = tempfile::tempdir().unwrap();
    let mut known = Known::default();
    for round in 0..KILLS {
        let mut child = spawn(dir.path(), 2 * round);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left = 3 + round * 37 % 53;
        while left > 0 {
            known.learn(&lines.next().expect("the child ended by itself").unwrap());
            left -= 1;
        }
        child.kill().unwrap();
        // What it said before it died counts as well.
        for line in lines.map_while(Result::ok) {
            known.learn(&line);
        }
        assert!(!child.wait().unwrap().success());
        let store = open_dir(dir.path());
        known.check(&store, moment(2 * round + 1)).await;
    }
    assert!(known.committed > 100 && known.settled.len() > 20, "the children did work: {}", known.committed);
}
