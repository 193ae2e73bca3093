//! The store at its worst, seen from outside the binary: a full disk, and directories that cannot be used.

use super::world::{Setup, World, said};
use crate::support::tmpfs::Tmpfs;
use mailbell::state::Store;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::PathBuf;

const DISK_BYTES: u64 = 8 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn service_goes_on_without_a_restart_when_a_full_disk_has_space_again() {
    let Some(disk) = Tmpfs::mount(DISK_BYTES) else { return };
    let mut world = World::new(Setup { users: vec!["zhangsan", "lisi"], ..Setup::default() }).await;
    std::fs::create_dir(disk.path().join("state")).unwrap();
    symlink(disk.path().join("state"), world.dir.path().join("state")).unwrap();
    world.run().await;
    world.mail("zhangsan", "之前的一封", "before").await;
    world.sees("zhangsan", &["之前的一封"]).await;
    disk.fill();
    let mut subjects = Vec::new();
    while !world.log().contains("the store is closed") {
        let subject = format!("第{}封", subjects.len());
        world.mail("zhangsan", &subject, &format!("z{subject}")).await;
        world.mail("lisi", &subject, &format!("l{subject}")).await;
        subjects.push(subject);
        assert!(subjects.len() < 200, "the disk was never full:\n{}", world.log());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(world.log().contains("No space left on device"), "{}", world.log());
    world.until("not ready", async || world.web_text("/readyz").await.1.contains("the store is closed")).await;
    assert!(world.web_text("/metrics").await.1.contains("mailbell_store_open 0\n"));
    // It has let go of its files, and will take them again.
    let export = world.dir.path().join("none.jsonl");
    let (code, text) = said(&world, &["restore", export.to_str().unwrap()]);
    assert!(code == 1 && text.contains("another mailbell is running"), "{text}");
    disk.free();
    world.ready().await;
    for user in ["zhangsan", "lisi"] {
        let words: Vec<_> = subjects.iter().map(String::as_str).collect();
        world.sees(user, &words).await;
    }
    world.mail("lisi", "之后的一封", "after").await;
    world.sees("lisi", &["之后的一封"]).await;
    assert_eq!(world.log().matches("is running").count(), 1, "it was not started again");
    let (status, _) = world.stop().await;
    assert!(status.success());
}

/// Both commands fail with these words, in one line each, in both languages; each time.
fn refuse(world: &World, english: &str, chinese: &str) {
    for (lang, word) in [("en", english), ("zh-CN", chinese)] {
        let (code, text) = said(world, &["run", "--lang", lang]);
        assert_eq!(code, 1, "{text}");
        let lines: Vec<_> = text.lines().filter(|line| line.contains(word)).collect();
        assert_eq!(lines.len(), 1, "{word}, once, in:\n{text}");
        let (code, text) = said(world, &["check", "--lang", lang]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
}

fn state(world: &World) -> PathBuf {
    world.dir.path().join("state")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_told_in_one_line() {
    let world = World::one().await;
    drop(Store::open(&state(&world)).unwrap());
    let db = std::fs::OpenOptions::new().write(true).open(state(&world).join("db")).unwrap();
    let length = db.metadata().unwrap().len();
    db.write_all_at(&vec![0xA5; usize::try_from(length).unwrap()], 0).unwrap();
    drop(db);
    for _ in 0..2 {
        refuse(&world, "the store is damaged", "存储已损坏");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_a_newer_version_is_told_in_one_line() {
    let world = World::one().await;
    drop(Store::open(&state(&world)).unwrap());
    {
        let db = sled::open(state(&world)).unwrap();
        db.insert(b"v", &[99]).unwrap();
        db.flush().unwrap();
    }
    // Until sled's threads have let go of it.
    std::fs::File::open(state(&world).join("db")).unwrap().lock().unwrap();
    refuse(&world, "the store has format 99", "存储的格式是 99");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_written_is_told_in_one_line() {
    let world = World::one().await;
    // Rights do not bind root; there, nobody can make a file in this one.
    let path = match rustix::process::geteuid().is_root() {
        true => PathBuf::from("/proc/self/net"),
        false => {
            std::fs::create_dir(state(&world)).unwrap();
            std::fs::set_permissions(state(&world), std::fs::Permissions::from_mode(0o500)).unwrap();
            state(&world)
        }
    };
    let text = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, format!("[state]\npath = '{}'\n{text}", path.display())).unwrap();
    let shown = path.display().to_string();
    refuse(&world, &shown, &shown);
}
