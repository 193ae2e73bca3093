//! Exports: nothing of the store is missing in them, damage is noticed before anything is changed, and a store made of
//! one goes on where it was.

use super::{ALL, T0, account, after, arrive, at, claim, counts, inbox, item, mark, open_dir, scan, texts, user};
use mailbell::model::{Fingerprint, Owner, RawName, Timestamp};
use mailbell::rules::budget::Allowance;
use mailbell::rules::retry::Next;
use mailbell::state::{
    Committed, ExportError, Ledger, Met, Scan, State, StateError, Store, Why, exports, import, put_in_place,
    restore_damaged,
};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A store with some of everything: letters that wait, on their way, sent, dead, known; a folder whose name is no text.
async fn fill(store: &Store) {
    arrive(store, T0, &[("zhangsan", 1, "会议"), ("lisi", 1, "会议"), ("wangwu", 2, "b")]).await;
    let claims = claim(store, T0).await;
    store.settle(claims[0].id, Next::Done.into(), at(T0)).await.unwrap();
    store.settle(claims[1].id, Next::Dead("81013 gone".to_owned()).into(), at(T0)).await.unwrap();
    store.settle(claims[2].id, Next::Done.into(), at(T0)).await.unwrap();
    arrive(store, after(1), &[("zhaoliu", 3, "c")]).await;
    assert_eq!(claim(store, after(1)).await.len(), 1, "it stays on its way");
    arrive(store, after(2), &[("zhaoliu", 4, "d"), ("party:7", 4, "d")]).await;
    let odd = RawName::new(&[0xff, b'x', 0, 7]);
    let met = Met {
        owner: Some(Owner::User("zhangsan".into())),
        senders: vec![Fingerprint([7; 16])],
        colleagues: vec![Fingerprint([8; 16])],
    };
    store.commit_scan(Scan { folder: odd.clone(), met, ..scan(None, 9, Vec::new()) }, at(T0)).await.unwrap();
    store.remember(&account(), &odd, vec![item(9, "x").letter.id], T0).await.unwrap();
    let once = Allowance { syncs: 50, free: 25, settle: Duration::ZERO };
    store.admit_sync(&Owner::User("zhangsan".into()), once, T0).await.unwrap();
    store.beat(after(3)).await.unwrap();
}

async fn exported(store: &Store, dir: &Path, name: &str, whole: bool) -> PathBuf {
    let file = dir.join(name);
    store.export(file.clone(), whole, after(5)).await.unwrap();
    file
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn what_is_exported_and_imported_is_exported_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_dir(&dir.path().join("first"));
    fill(&store).await;
    let first = exported(&store, dir.path(), "first.jsonl", true).await;
    drop(store);
    let second = dir.path().join("second");
    let summary = import(&first, &second).unwrap();
    assert!(summary.lines > 20, "{summary:?}");
    let again = exported(&open_dir(&second), dir.path(), "again.jsonl", true).await;
    assert_eq!(lines(&first), lines(&again));
    let text = lines(&first).join("\n");
    assert!(text.contains("会议") && text.contains("\"kind\":\"mark\"") && text.contains("hex:ff780007"), "{text}");
    for kind in ["sender", "colleague", "met_since"] {
        assert!(text.contains(&format!("\"kind\":\"{kind}\"")), "{kind} is missing: {text}");
    }
    assert!(text.contains("\"body\":\"zhaoliu: c\""), "bodies are text: {text}");
}

#[tokio::test]
async fn a_store_made_of_an_export_goes_on_where_it_was() {
    for whole in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let store = open_dir(&dir.path().join("first"));
        fill(&store).await;
        let file = exported(&store, dir.path(), "export.jsonl", whole).await;
        let before = store.outbox().await.unwrap();
        drop(store);
        let path = dir.path().join("second");
        import(&file, &path).unwrap();
        let store = open_dir(&path);
        assert_eq!(store.outbox().await.unwrap(), before);
        assert_eq!(store.last_beat().await.unwrap(), Some(after(3)), "what came since is of an outage");
        let known = scan(None, 5, vec![(user("zhangsan"), item(1, "会议"))]);
        assert_eq!(store.commit_scan(known, at(after(6))).await.unwrap(), Committed::Stored(0), "told before");
        let claims = store.claim(at(after(60)), ALL, super::together()).await.unwrap();
        assert_eq!(texts(&claims), ["party:7: d", "zhaoliu: c", "zhaoliu: d"].map(str::to_owned).to_vec());
        assert!(claims.iter().any(|claim| claim.tries == 2), "the same again");
        let why = Why { account: Some(account()), since: None, from: None, subject: None, most: 99 };
        let stories = store.why(why).await.unwrap().len();
        assert_eq!(stories > 5, whole, "the ledger is in a whole one: {stories}");
    }
}

#[tokio::test]
async fn an_export_that_is_not_whole_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_dir(&dir.path().join("first"));
    fill(&store).await;
    let file = exported(&store, dir.path(), "export.jsonl", true).await;
    let good = lines(&file);
    let damaged: Vec<(&str, Vec<String>)> = vec![
        ("empty", Vec::new()),
        ("cut", good[..good.len() - 1].to_vec()),
        ("a line less", good.iter().enumerate().filter(|(n, _)| *n != 5).map(|(_, line)| line.clone()).collect()),
        ("a letter changed", good.iter().map(|line| line.replacen("会议", "会仪", 1)).collect()),
        ("another file", vec!["{\"a\":1}".to_owned(), "{}".to_owned()]),
    ];
    for (what, lines) in damaged {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let bad = dir.path().join("bad.jsonl");
        std::fs::write(&bad, text).unwrap();
        let path = dir.path().join("second");
        let error = import(&bad, &path).unwrap_err();
        assert!(matches!(error, ExportError::Broken(_)), "{what}: {error}");
        assert!(!error.to_string().contains('\n') && !path.exists(), "{what}: {error}");
    }
    let newer = good[0].replace("\"mailbell_export\":1", "\"mailbell_export\":2");
    std::fs::write(dir.path().join("newer.jsonl"), newer + "\n" + &good[1..].join("\n")).unwrap();
    let error = import(&dir.path().join("newer.jsonl"), &dir.path().join("second")).unwrap_err();
    assert!(matches!(error, ExportError::Newer(_)), "{error}");
}

#[tokio::test]
async fn a_damaged_store_gives_way_to_its_newest_whole_export() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    assert_eq!(restore_damaged(&path, T0), Ok(None), "there is no store at all");
    let store = open_dir(&path);
    fill(&store).await;
    let file = |second: i64| exports::file(&path, Timestamp(second * 1000), false).unwrap();
    store.export(file(1), false, after(5)).await.unwrap();
    std::fs::write(file(2), "torn").unwrap();
    assert_eq!(restore_damaged(&path, T0), Ok(None), "all is well");
    std::fs::write(path.join("damaged-page"), "").unwrap();
    assert_eq!(restore_damaged(&path, T0), Err(StateError::InUse(path.clone())));
    drop(store);
    let restored = restore_damaged(&path, T0).unwrap().unwrap();
    assert_eq!(restored.from.unwrap().0, file(1));
    assert_eq!(restored.kept.file_name().unwrap(), "state.damaged-20251009T085320Z");
    assert!(restored.kept.join("db").exists());
    let store = open_dir(&path);
    assert_eq!(store.outbox().await.unwrap(), counts(2, 1, 1));
    assert_eq!(store.marks(&account()).await.unwrap().get(&inbox()), None);
    assert_eq!(store.marks(&account()).await.unwrap()[&RawName::new(&[0xff, b'x', 0, 7])], mark(9));
}

/// The process died after it had moved the old store away, or before.
#[tokio::test]
async fn a_restoring_that_was_cut_short_is_brought_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let store = open_dir(&path);
    fill(&store).await;
    let file = exports::file(&path, Timestamp(1000), true).unwrap();
    store.export(file.clone(), true, after(5)).await.unwrap();
    let before = store.outbox().await.unwrap();
    drop(store);
    std::fs::rename(&path, dir.path().join("state.restored")).unwrap();
    assert_eq!(restore_damaged(&path, T0), Ok(None));
    assert_eq!(open_dir(&path).outbox().await.unwrap(), before);
    std::fs::create_dir(dir.path().join("state.restored")).unwrap();
    let (_, kept) = put_in_place(&file, &path, "replaced", T0).unwrap();
    assert_eq!(kept.unwrap().file_name().unwrap(), "state.replaced-20251009T085320Z");
    assert_eq!(open_dir(&path).outbox().await.unwrap(), before);
}

/// What is written while letters come in lacks none of them below its marks, but for those that were sent.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_beside_a_busy_store_lacks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_dir(&dir.path().join("first"));
    store.commit_scan(scan(None, 1, Vec::new()), at(T0)).await.unwrap();
    let busy = async {
        let mut settled = BTreeSet::new();
        for next in 1..400 {
            let letters = vec![(user(&format!("u{next}")), item(next, &next.to_string()))];
            let next = u32::try_from(next).unwrap();
            store.commit_scan(scan(Some(next), next + 1, letters), at(T0)).await.unwrap();
            if next % 3 == 0 {
                for claim in store.claim(at(T0), 2, super::each()).await.unwrap() {
                    store.settle(claim.id, Next::Done.into(), at(T0)).await.unwrap();
                    settled.insert(claim.recipients[0].clone());
                }
            }
        }
        settled
    };
    let exports = async {
        let mut files = Vec::new();
        for number in 0..6 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            files.push(exported(&store, dir.path(), &format!("{number}.jsonl"), true).await);
        }
        files
    };
    let (settled, files) = tokio::join!(busy, exports);
    for (number, file) in files.iter().enumerate() {
        let path = dir.path().join(format!("store{number}"));
        import(file, &path).unwrap();
        let copy = open_dir(&path);
        let next = copy.marks(&account()).await.unwrap()[&inbox()].next;
        let waits = copy.claim(at(after(60)), ALL, super::each()).await.unwrap();
        for number in 1..u64::from(next) {
            let name = user(&format!("u{number}"));
            let waited = waits.iter().any(|claim| claim.recipients == [name.clone()]);
            assert!(waited || settled.contains(&name), "{name} is below the mark {next} and was never told");
        }
        assert!(waits.len() < usize::try_from(next).unwrap(), "letters above the mark");
    }
}
