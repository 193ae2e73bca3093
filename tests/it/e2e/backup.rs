//! `mailbell backup` and `mailbell restore`: beside a service that works, into directories that are used, empty, foreign or
//! full; and what people see afterwards.

use super::world::{World, password, said};
use crate::support::tmpfs::Tmpfs;
use mailbell::state::verify;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

const BACKUPS: usize = 4;
/// A user that owns nothing here.
const NOBODY: u32 = 65534;

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn exports(world: &World) -> PathBuf {
    world.dir.path().join("state.exports")
}

fn stores_beside(world: &World, what: &str) -> usize {
    names(world.dir.path()).iter().filter(|name| name.starts_with(&format!("state.{what}-"))).count()
}

/// The service does not write its own exports into the directory meanwhile.
async fn quiet() -> World {
    let world = World::one().await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, format!("{text}[state]\nexport_every = \"0s\"\n")).unwrap();
    world
}

fn backed_up(world: &World, name: &str) -> PathBuf {
    let file = world.dir.path().join(name);
    let (code, text) = said(world, &["backup", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    file
}

fn restored(world: &World, file: &Path) -> String {
    let (code, text) = said(world, &["restore", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_arrive_while_backups_are_written_are_lost_from_none() {
    let mut world = World::one().await;
    world.run().await;
    let directory = world.dir.path().join("backups");
    let mut told = Vec::new();
    let mut all = Vec::new();
    for backup in 0..BACKUPS {
        told.clone_from(&all);
        let mut command = world.command(&["backup", "--keep", "2", "--to", directory.to_str().unwrap()]);
        let mut written = tokio::task::spawn_blocking(move || command.output().unwrap());
        let mut arriving = Vec::new();
        let output = loop {
            let subject = format!("备份{backup}之中{:03}。", arriving.len());
            world.mail("zhangsan", &subject, &subject).await;
            arriving.push(subject);
            if let Ok(done) = tokio::time::timeout(std::time::Duration::from_millis(30), &mut written).await {
                break done.unwrap();
            }
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let words: Vec<_> = arriving.iter().map(String::as_str).collect();
        world.sees("zhangsan", &words).await;
        all.extend(arriving);
    }
    let kept = names(&directory);
    assert_eq!(kept.len(), 2, "{kept:?}");
    world.kill();
    world.mail("zhangsan", "停机之中", "down").await;
    let text = restored(&world, &directory.join(&kept[1]));
    assert!(text.contains("the store that was there is now"), "{text}");
    assert_eq!(stores_beside(&world, "replaced"), 1, "what was there is kept");
    world.run().await;
    world.mail("zhangsan", "恢复之后", "up").await;
    world.sees("zhangsan", &["停机之中", "恢复之后"]).await;
    let text = world.chat_text("zhangsan").await;
    for subject in &all {
        let most = if told.contains(subject) { 1 } else { 2 };
        let seen = text.matches(subject.as_str()).count();
        assert!((1..=most).contains(&seen), "{subject} is seen {seen} times:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_begins_a_new_machine_where_the_old_one_ended() {
    let mut world = quiet().await;
    world.run().await;
    world.mail("zhangsan", "旧机器", "old").await;
    world.sees("zhangsan", &["旧机器"]).await;
    world.until("it is settled", async || world.all_status()["outbox"]["open"] == 0).await;
    let file = backed_up(&world, "backup.jsonl");
    world.stop().await;
    world.mail("zhangsan", "搬家途中", "way").await;
    std::fs::remove_dir_all(world.dir.path().join("state")).unwrap();
    std::fs::remove_dir_all(exports(&world)).unwrap();
    restored(&world, &file);
    assert_eq!(stores_beside(&world, "replaced"), 0);
    // An empty directory is as good as none.
    std::fs::remove_dir_all(world.dir.path().join("state")).unwrap();
    std::fs::create_dir(world.dir.path().join("state")).unwrap();
    restored(&world, &file);
    world.run().await;
    world.mail("zhangsan", "新机器", "new").await;
    world.sees("zhangsan", &["旧机器", "搬家途中", "新机器"]).await;
    let (code, text) = said(&world, &["why", "zhangsan@corp.example", "--subject", "旧机器"]);
    assert!(code == 0 && text.contains("旧机器"), "the ledger came along: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_says_what_it_holds_and_holds_no_secret() {
    let mut world = quiet().await;
    world.run().await;
    world.mail("zhangsan", "一封", "one").await;
    world.sees("zhangsan", &["一封"]).await;
    let file = world.dir.path().join("backup.jsonl");
    let shown = file.to_str().unwrap();
    let (code, text) = said(&world, &["backup", shown]);
    assert!(code == 0 && text.contains(shown) && text.contains("Not in it: the config"), "{text}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(verify(&file).unwrap().head.whole);
    let bytes = std::fs::read_to_string(&file).unwrap();
    assert!(bytes.contains("一封") && !bytes.contains(&password("zhangsan")) && !bytes.contains("sandbox-secret"));
    assert_eq!(names(&exports(&world)), Vec::<String>::new(), "nothing is left where it was written first");
    for (lang, words) in [("en", "is there already"), ("zh-CN", "已经存在")] {
        let (code, text) = said(&world, &["backup", shown, "--lang", lang]);
        assert!(code == 1 && text.contains(words), "{text}");
    }
    for wrong in
        [&["backup", "--keep", "2"][..], &["backup", "--to", "x", "--keep", "0"], &["backup", "x", "--to", "y"]]
    {
        assert_eq!(said(&world, wrong).0, 2, "{wrong:?}");
    }
    let (_, text) = said(&world, &["backup", "--to", world.dir.path().to_str().unwrap(), "--lang", "zh-CN"]);
    assert!(text.contains("其中没有：配置文件"), "{text}");
    world.stop().await;
    let without = backed_up(&world, "stopped.jsonl");
    assert!(std::fs::read_to_string(without).unwrap().contains("一封"), "without a service, too");
    restored(&world, &file);
    let audit = names(&world.dir.path().join("audit")).into_iter().filter(|name| name.ends_with(".jsonl"));
    let noted: String =
        audit.map(|n| std::fs::read_to_string(world.dir.path().join("audit").join(n)).unwrap()).collect();
    for (deed, times) in [("state.export", 3), ("state.import", 1)] {
        assert_eq!(noted.matches(&format!("\"{deed}\"")).count(), times, "{deed}: {noted}");
    }
    assert!(noted.contains(shown), "{noted}");
    let (code, text) = said(&world, &["audit", "verify"]);
    assert_eq!(code, 0, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_refused_changes_nothing() {
    let mut world = quiet().await;
    world.run().await;
    let file = backed_up(&world, "backup.jsonl");
    let refused = |file: &Path, words: [&str; 2]| {
        for (lang, words) in ["en", "zh-CN"].into_iter().zip(words) {
            let (code, text) = said(&world, &["restore", file.to_str().unwrap(), "--lang", lang]);
            assert!(code == 1 && text.contains(words), "{text}");
        }
        assert_eq!(stores_beside(&world, "replaced"), 0);
    };
    refused(&file, ["another mailbell is running", "正由运行中的 mailbell 使用"]);
    world.signal("TERM");
    let control = world.dir.path().join("state/control.sock");
    world.until("it has stopped", async || !control.exists()).await;
    let mut bytes = std::fs::read(&file).unwrap();
    let flipped = bytes.len() / 2;
    bytes[flipped] ^= 1;
    let broken = world.dir.path().join("broken.jsonl");
    std::fs::write(&broken, bytes).unwrap();
    world.until("the store is free", async || !said(&world, &["restore", "/nowhere"]).1.contains("running")).await;
    refused(&broken, ["no whole export", "不是完整的 mailbell 导出"]);
    refused(Path::new("/nowhere/at/all"), ["No such file", "检查路径"]);
    // Whoever ran the service could not read what root restores.
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("NOT RUN: a directory of another user. This part wants root");
        return;
    }
    chown(world.dir.path().join("state"), Some(NOBODY), Some(NOBODY)).unwrap();
    refused(&file, ["sudo -u '#65534' mailbell", "属于另一个用户（uid 65534）"]);
}

/// The service's own exports go there, too.
#[tokio::test(flavor = "multi_thread")]
async fn what_root_makes_for_a_backup_is_the_services() {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("NOT RUN: a backup by root. This test wants root");
        return;
    }
    let mut world = quiet().await;
    world.run().await;
    chown(world.dir.path().join("state"), Some(NOBODY), Some(NOBODY)).unwrap();
    assert!(!exports(&world).exists());
    backed_up(&world, "backup.jsonl");
    assert_eq!(std::fs::metadata(exports(&world)).unwrap().uid(), NOBODY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_gives_no_backup_and_no_half_of_one() {
    let Some(disk) = Tmpfs::mount(1024 * 1024) else { return };
    let mut world = quiet().await;
    world.run().await;
    disk.fill();
    let (code, text) = said(&world, &["backup", "--to", disk.path().to_str().unwrap()]);
    assert!(code == 1 && text.contains("there is no backup") && text.contains("No space left"), "{text}");
    assert_eq!(names(disk.path()), ["filler"]);
    assert_eq!(names(&exports(&world)), Vec::<String>::new());
    world.mail("zhangsan", "照常", "n").await;
    world.sees("zhangsan", &["照常"]).await;
}
