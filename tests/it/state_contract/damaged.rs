//! Bytes of the store that are not those written, at every part of its log: told in one line, or of no consequence.
//! Never a call that does not come back, never a letter missing below a mark. (Damage behind the last snapshot looks like
//! a write that the power cut short: sled goes back to before it, marks and letters together.)

use super::{ALL, T0, account, at, each, inbox, item, open_dir, scan, user};
use mailbell::state::{Committed, State, StateError, Store, restore_damaged};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const LETTERS: u32 = 1500;
const PLACES: u64 = 24;
/// What is asked for in a damaged store takes at most so long: nothing there reads for ever.
const SOON: Duration = Duration::from_secs(20);

async fn fill(path: &Path) {
    let store = open_dir(path);
    for number in (1..LETTERS).step_by(10) {
        let letters = (number..number + 10).map(|n| (user(&format!("u{n}")), item(u64::from(n), "会议"))).collect();
        let from = (number > 1).then_some(number);
        let committed = store.commit_scan(scan(from, number + 10, letters), at(T0)).await.unwrap();
        assert_eq!(committed, Committed::Stored(10));
    }
    drop(store);
    // A snapshot is written when a changed store is opened.
    drop(open_dir(path));
}

pub fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}

/// Reads all there is; how many letters are missing below the mark.
async fn missing(store: &Store) -> Result<usize, StateError> {
    let marks = store.marks(&account()).await?;
    let next = marks.get(&inbox()).map_or(1, |mark| mark.next);
    let claims = store.claim(at(T0), ALL, each()).await?;
    let mut found: Vec<_> = claims.iter().map(|claim| claim.recipients[0].to_string()).collect();
    found.sort();
    found.dedup();
    Ok(next as usize - 1 - found.len())
}

#[tokio::test]
async fn damage_is_told_or_of_no_consequence_wherever_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    fill(&whole).await;
    let length = std::fs::metadata(whole.join("db")).unwrap().len();
    let (mut refused, mut stuck, mut well) = (0, 0, 0);
    for place in 1..=PLACES {
        let path = dir.path().join(format!("state{place}"));
        copy(&whole, &path);
        let db = std::fs::OpenOptions::new().write(true).open(path.join("db")).unwrap();
        // The last is hit so often that it cannot be of no consequence.
        let every = if place == PLACES { 4096 } else { length };
        for at in (length * (place % PLACES) / PLACES + 500..length - 8).step_by(usize::try_from(every).unwrap()) {
            db.write_all_at(b"damaged!", at).unwrap();
        }
        let began = Instant::now();
        match Store::open(&path) {
            Err(error) => {
                assert!(matches!(error, StateError::Damaged { .. }), "{place}: {error:?}");
                assert!(!error.to_string().contains('\n') && error.to_string().contains(path.to_str().unwrap()));
                refused += 1;
            }
            Ok(store) => match missing(&store).await {
                Ok(missing) => {
                    assert_eq!(missing, 0, "{place}: letters are missing without a word");
                    well += 1;
                }
                Err(error) => {
                    assert!(matches!(error, StateError::Damaged { .. } | StateError::Stuck { .. }), "{error:?}");
                    let told = store.stuck().await;
                    assert!(matches!(told, StateError::Stuck { .. }), "{told:?}");
                    drop(store);
                    while Store::in_use(&path).unwrap() && began.elapsed() < SOON {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    let again = Store::open(&path).err().expect("it is marked");
                    assert!(matches!(again, StateError::Damaged { .. }), "{again:?}");
                    let kept = restore_damaged(&path, T0).unwrap().unwrap().kept;
                    assert!(kept.join("db").exists() && !path.exists());
                    stuck += 1;
                }
            },
        }
        assert!(began.elapsed() < SOON, "{place}: {:?}", began.elapsed());
    }
    println!("refused at opening {refused}, found while reading {stuck}, of no consequence {well}");
    assert!(refused + stuck > 0, "no place of {PLACES} mattered");
}
