//! The vault from outside: what lies on disk, what opens what, and what a crash or another key does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use mailbell::model::{AccountId, Secret};
use mailbell::vault::{MasterKey, Vault, VaultError};
use proptest::prelude::*;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

fn key() -> MasterKey {
    MasterKey::parse(&MasterKey::generate().unwrap()).unwrap()
}

fn account(name: &str) -> AccountId {
    AccountId::new(&format!("{name}@corp.example"))
}

fn place(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("keyring")
}

fn open(file: &Path, master: &MasterKey) -> Vault {
    Vault::open(file, master.clone(), None).unwrap().0
}

#[test]
fn a_password_comes_back_after_a_restart_and_is_nowhere_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (file, master) = (place(&dir), key());
    let secret = Secret::new("correct horse 电池");
    let sealed = open(&file, &master).seal(&[(account("a"), secret.clone())]).unwrap().remove(0);
    let stored = serde_json::to_vec(&sealed).unwrap();
    let ring = fs::read(&file).unwrap();
    for bytes in [&stored, &ring] {
        assert!(!bytes.windows(7).any(|window| window == b"correct"));
    }
    assert_eq!(open(&file, &master).open_password(&account("a"), &sealed).unwrap(), secret);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_password_opens_for_its_account_alone() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(&place(&dir), &key());
    let sealed = vault.seal(&[(account("a"), Secret::new("x")), (account("b"), Secret::new("y"))]).unwrap();
    let lost = vault.open_password(&account("b"), &sealed[0]).unwrap_err();
    assert_eq!(lost, VaultError::Lost(account("b")));
    assert_eq!(vault.open_password(&account("b"), &sealed[1]).unwrap().expose(), "y");
}

#[test]
fn another_master_key_opens_nothing_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (file, master, other) = (place(&dir), key(), key());
    let sealed = open(&file, &master).seal(&[(account("a"), Secret::new("x"))]).unwrap();
    let before = fs::read(&file).unwrap();
    let wrong = Vault::open(&file, other.clone(), None).unwrap_err();
    assert!(
        matches!(&wrong, VaultError::WrongKey { made_with, given, .. } if *made_with == master.id() && *given == other.id())
    );
    assert!(wrong.to_string().contains("old_master_key"), "{wrong}");
    assert_eq!(fs::read(&file).unwrap(), before);
    assert_eq!(open(&file, &master).open_password(&account("a"), &sealed[0]).unwrap().expose(), "x");
}

#[test]
fn an_empty_keyring_remembers_its_master_key_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = place(&dir);
    drop(open(&file, &key()));
    assert!(matches!(Vault::open(&file, key(), None), Err(VaultError::WrongKey { .. })));
}

#[test]
fn keys_are_changed_and_a_crash_in_between_leaves_one_of_the_two() {
    let dir = tempfile::tempdir().unwrap();
    let (file, old, new) = (place(&dir), key(), key());
    let sealed = open(&file, &old).seal(&[(account("a"), Secret::new("x"))]).unwrap();
    // A crash while the new keyring was being written: a part of it lies beside the old one.
    let whole = fs::read(&file).unwrap();
    fs::write(file.with_file_name("keyring.new"), &whole[..whole.len() / 2]).unwrap();
    let (vault, changed) = Vault::open(&file, new.clone(), Some(&old)).unwrap();
    assert!(changed);
    assert_eq!(vault.open_password(&account("a"), &sealed[0]).unwrap().expose(), "x");
    // A crash after it: the config still names both.
    let (vault, changed) = Vault::open(&file, new.clone(), Some(&old)).unwrap();
    assert!(!changed);
    assert_eq!(vault.open_password(&account("a"), &sealed[0]).unwrap().expose(), "x");
    assert!(matches!(Vault::open(&file, old, None), Err(VaultError::WrongKey { .. })));
}

#[test]
fn a_running_vault_follows_a_new_master_key() {
    let dir = tempfile::tempdir().unwrap();
    let (file, old, new) = (place(&dir), key(), key());
    let vault = open(&file, &old);
    let sealed = vault.seal(&[(account("a"), Secret::new("x"))]).unwrap();
    assert!(matches!(vault.follow(new.clone(), None), Err(VaultError::WrongKey { .. })));
    assert_eq!(vault.open_password(&account("a"), &sealed[0]).unwrap().expose(), "x", "it goes on as before");
    assert!(vault.follow(new.clone(), Some(&old)).unwrap());
    assert!(!vault.follow(new.clone(), Some(&old)).unwrap());
    assert_eq!(vault.open_password(&account("a"), &sealed[0]).unwrap().expose(), "x");
    assert_eq!(open(&file, &new).open_password(&account("a"), &sealed[0]).unwrap().expose(), "x");
}

#[test]
fn a_destroyed_key_takes_the_password_out_of_every_copy_of_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let (file, master) = (place(&dir), key());
    let vault = open(&file, &master);
    let sealed = vault.seal(&[(account("a"), Secret::new("x")), (account("b"), Secret::new("y"))]).unwrap();
    // Somebody holds the old keyring open: what they read from now on is written over.
    let mut held = fs::File::open(&file).unwrap();
    assert_eq!(vault.destroy(&[sealed[0].key().unwrap()]).unwrap(), 1);
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut held, &mut bytes).unwrap();
    assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 0));
    for vault in [vault, open(&file, &master)] {
        assert_eq!(vault.open_password(&account("a"), &sealed[0]).unwrap_err(), VaultError::Lost(account("a")));
        assert_eq!(vault.open_password(&account("b"), &sealed[1]).unwrap().expose(), "y");
    }
}

#[test]
fn keys_that_no_account_needs_are_destroyed() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(&place(&dir), &key());
    let sealed = vault.seal(&[(account("a"), Secret::new("x")), (account("b"), Secret::new("y"))]).unwrap();
    let needed = HashSet::from([sealed[1].key().unwrap()]);
    assert_eq!(vault.keep_only(&needed).unwrap(), 1);
    assert!(vault.open_password(&account("a"), &sealed[0]).is_err());
    assert!(vault.open_password(&account("b"), &sealed[1]).is_ok());
}

#[test]
fn a_keyring_that_was_changed_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (file, master) = (place(&dir), key());
    let sealed = open(&file, &master).seal(&[(account("a"), Secret::new("x"))]).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    for (cut, said) in [
        (text.replace("\"proof\":\"", "\"proof\":\"AAAA"), "was changed"),
        (format!("{text}nonsense\n"), "line 3"),
        (String::new(), "line 1"),
        (text.replace("\"mailbell_keyring\":1", "\"mailbell_keyring\":9"), "newer"),
    ] {
        fs::write(&file, cut).unwrap();
        let error = Vault::open(&file, master.clone(), None).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("keyring"), "{error}");
    }
    // A data key under another account's name opens nothing.
    fs::write(&file, text.replace("a@corp", "b@corp")).unwrap();
    let vault = open(&file, &master);
    assert!(vault.open_password(&account("a"), &sealed[0]).is_err());
    assert!(vault.open_password(&account("b"), &sealed[0]).is_err());
}

#[test]
fn only_keys_are_taken_for_keys() {
    for text in ["", "hunter2", &"0".repeat(64), &"A".repeat(44), "c2hvcnQ="] {
        assert_eq!(MasterKey::parse(&Secret::new(text)).unwrap_err(), VaultError::NoKey, "{text}");
    }
    let digits = "0123456789abcdef".repeat(4);
    assert!(MasterKey::parse(&Secret::new(format!(" {digits}\n"))).is_ok());
    assert!(!format!("{:?}", MasterKey::parse(&Secret::new(&*digits)).unwrap()).contains("0123456789abcdef"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_sealed_comes_back(passwords in proptest::collection::vec("\\PC{1,40}", 1..8)) {
        let dir = tempfile::tempdir().unwrap();
        let (file, master) = (place(&dir), key());
        let rows: Vec<_> =
            passwords.iter().enumerate().map(|(at, text)| (account(&format!("u{at}")), Secret::new(text))).collect();
        let sealed = open(&file, &master).seal(&rows).unwrap();
        let again = open(&file, &master);
        for ((account, secret), sealed) in rows.iter().zip(&sealed) {
            prop_assert_eq!(&again.open_password(account, sealed).unwrap(), secret);
        }
    }
}
