//! `mailbell backup` and `mailbell restore`: everything that is stored, as a file that was read again after it was written;
//! and back.

use super::records::Source;
use super::state::{done, fetched, is_there, replace_store};
use super::table::local;
use super::{FAILED, fail, load};
use crate::app;
use crate::config::Config;
use crate::model::{Lang, Timestamp};
use crate::state::{Summary, verify};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How the names of backups in a directory begin, and how they end; between them stands the time.
const BEGIN: &str = "mailbell-backup-";
const END: &str = ".jsonl";
/// How often progress is shown anew.
const TICK: Duration = Duration::from_millis(120);

/// What was typed after `backup`.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The file, which must not be there yet; default: a new one, named by the time, in the current directory
    #[arg(conflicts_with = "to")]
    file: Option<PathBuf>,
    /// Into this directory, under a name by the time; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Removes the oldest backups in DIR but so many, once the new one is verified
    #[arg(long, value_name = "N", requires = "to", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
}

/// What was typed after `restore`.
#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The backup, or any other export
    file: PathBuf,
}

/// `mailbell backup`.
pub(super) async fn backup(config: &Path, lang: Lang, args: BackupArgs) -> ExitCode {
    let config = match load(config, lang) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let wanted = match wanted(&args, app::wall()) {
        Ok(wanted) => wanted,
        Err((path, error)) => return fail(FAILED, &format!("{}: {error}", path.display())),
    };
    if wanted.exists() {
        return fail(FAILED, &format!("{}: {}", wanted.display(), is_there(lang)));
    }
    let progress = spinner(lang.pick("正在写备份", "writing the backup"));
    let written = write(&config, &wanted, &progress, lang).await;
    progress.finish_and_clear();
    match written {
        Ok(summary) => told(&summary, &wanted, lang),
        Err(code) => return code,
    }
    let (Some(directory), Some(keep)) = (&args.to, args.keep) else { return ExitCode::SUCCESS };
    match rotate(directory, usize::try_from(keep).unwrap_or(usize::MAX)) {
        Ok(removed) if removed > 0 => {
            println!(
                "{}",
                match lang {
                    Lang::ZhCn => format!("已删除 {removed} 个较旧的备份，保留最新的 {keep} 个"),
                    Lang::En => format!("{removed} older backup(s) removed, the newest {keep} kept"),
                }
            );
            ExitCode::SUCCESS
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            let said = lang
                .pick("备份已写好，但较旧的备份无法删除", "the backup is written, but older ones cannot be removed");
            fail(FAILED, &format!("{}: {said}: {error}", directory.display()))
        }
    }
}

/// Where the backup is wanted; a directory that is not there is made.
fn wanted(args: &BackupArgs, wall: Timestamp) -> Result<PathBuf, (PathBuf, Error)> {
    if let Some(file) = &args.file {
        return Ok(file.clone());
    }
    let at = jiff::Timestamp::from_millisecond(wall.0).unwrap_or_default().strftime("%Y%m%dT%H%M%S%.3fZ");
    let name = format!("{BEGIN}{at}{END}");
    match &args.to {
        None => Ok(PathBuf::from(name)),
        Some(directory) => match DirBuilder::new().recursive(true).mode(0o700).create(directory) {
            Ok(()) => Ok(directory.join(name)),
            Err(error) => Err((directory.clone(), error)),
        },
    }
}

/// Has the export written, brings it where it is wanted, and reads it again there: what was read back is what was written.
async fn write(config: &Config, wanted: &Path, progress: &ProgressBar, lang: Lang) -> Result<Summary, ExitCode> {
    let source = Source::find(config, lang).await?;
    let (written, from) = fetched(config, &source, lang).await?;
    progress.set_message(lang.pick("正在核对备份", "verifying the backup"));
    let placed = place(&from, wanted, |copy| match verify(copy) {
        Ok(read) if read == written => Ok(()),
        Ok(_) => Err(Error::other(lang.pick("读回的与写入的不同", "what was read back is not what was written"))),
        Err(error) => Err(Error::other(error.text(lang))),
    });
    // It has its place; or there is none, and the disk is to be as before.
    let _ = std::fs::remove_file(&from);
    placed.map_err(|error| {
        let said = lang.pick("没有备份", "there is no backup");
        let advice = lang.pick("检查目录、权限和磁盘空间", "check the directory, its rights and the space on its disk");
        fail(FAILED, &format!("{}: {said}: {error}{}{advice}", wanted.display(), lang.pick("；", "; ")))
    })?;
    Ok(written)
}

/// Brings a copy of a file to where it is wanted: durable, `checked`, for its owner alone, or not at all. Never over another.
fn place(from: &Path, wanted: &Path, checked: impl FnOnce(&Path) -> std::io::Result<()>) -> std::io::Result<()> {
    let mut unfinished = wanted.file_name().ok_or_else(|| Error::from(ErrorKind::InvalidInput))?.to_owned();
    unfinished.push(".unfinished");
    let unfinished = wanted.with_file_name(unfinished);
    let copied = || -> std::io::Result<()> {
        // Of a process that died.
        let _ = std::fs::remove_file(&unfinished);
        let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        std::io::copy(&mut File::open(from)?, &mut copy)?;
        copy.sync_all()?;
        checked(&unfinished)?;
        // Unlike a renaming this takes no name that somebody else has.
        match std::fs::hard_link(&unfinished, wanted) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
            // Not every file system has links.
            Err(_) => std::fs::rename(&unfinished, wanted)?,
            Ok(()) => {}
        }
        let parent = wanted.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    };
    let outcome = copied();
    let _ = std::fs::remove_file(&unfinished);
    outcome
}

/// Removes the oldest backups of a directory but `keep`; how many those were.
fn rotate(directory: &Path, keep: usize) -> std::io::Result<usize> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let shown = name.to_string_lossy();
        let time = shown.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        if time.is_some_and(|time| time.ends_with('Z') && time.bytes().all(|b| b"0123456789TZ.".contains(&b))) {
            found.push(directory.join(name));
        }
    }
    found.sort();
    let old = found.len().saturating_sub(keep);
    for file in found.iter().take(old) {
        std::fs::remove_file(file)?;
    }
    Ok(old)
}

fn told(summary: &Summary, file: &Path, lang: Lang) {
    let (lines, size) = (summary.lines, std::fs::metadata(file).map_or(0, |data| data.len().div_ceil(1024)));
    let file = file.display();
    match lang {
        Lang::ZhCn => println!(
            "已备份并核对：{file}（{lines} 条记录，{size} KiB）\n\
             其中有：阅读进度、待发和发送失败的提醒、30 天的邮件记录（含主题和地址）、静音、登记的邮箱（密码是加密的）。\n\
             其中没有：配置文件、密码和密钥文件、密码库的密钥环（keyring）和主密钥、审计、日志。请另行备份，与本备份分开存放。"
        ),
        Lang::En => println!(
            "Backed up and verified: {file} ({lines} records, {size} KiB)\n\
             In it: how far folders are read, the outbox and dead alerts, 30 days of letters (subjects and addresses), mutes,\n\
             the registry of accounts (passwords encrypted).\n\
             Not in it: the config, files with passwords and keys, the vault's keyring and master key, the audit, logs.\n\
             Back these up as well, elsewhere."
        ),
    }
}

/// `mailbell restore`.
pub(super) async fn restore(config: &Path, lang: Lang, args: RestoreArgs) -> ExitCode {
    let config = match load(config, lang) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let progress = spinner(lang.pick("正在核对并恢复", "verifying and restoring"));
    let replaced = replace_store(&args.file, &config, true, lang).await;
    progress.finish_and_clear();
    let (summary, aside) = match replaced {
        Ok(done) => done,
        Err(text) => return fail(FAILED, &text),
    };
    let (lines, at) = (summary.lines, local(summary.head.written_at, &config.alerts.time_zone));
    let store = config.state.path.display();
    done(
        &match lang {
            Lang::ZhCn => format!("已恢复 {lines} 条记录到 {store}（备份于 {at}）。"),
            Lang::En => format!("{lines} records restored to {store} (backed up at {at})."),
        },
        aside.as_deref(),
        lang,
    );
    if !summary.head.whole {
        println!(
            "{}",
            lang.pick(
                "这是服务自动写的导出，不含邮件记录：mailbell why 查不到此前的邮件。",
                "This is an export that the service wrote by itself, without the ledger: mailbell why knows no letters from before."
            )
        );
    }
    println!(
        "{}",
        lang.pick(
            "配置、密码和密钥文件、密钥环（keyring）不在备份中，请确认它们在原处，然后启动服务。备份之后到达的邮件会合并提醒，其中可能有已提醒过的。",
            "The config, the files with passwords and keys and the keyring are not part of it: see that they are in place, then start the service. What came since the backup is announced together, letters that had been announced among them."
        )
    );
    ExitCode::SUCCESS
}

/// Shown on a terminal only.
fn spinner(text: &str) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{spinner} {msg} {elapsed}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let progress = ProgressBar::new_spinner().with_style(style).with_message(text.to_owned());
    progress.enable_steady_tick(TICK);
    progress
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn rotation_removes_the_oldest_backups_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let args = BackupArgs { file: None, to: Some(dir.path().join("made/here")), keep: None };
        let there = dir.path().join("made/here");
        for second in 0..5 {
            std::fs::write(wanted(&args, Timestamp(second * 1000)).unwrap(), "x").unwrap();
        }
        assert_eq!(std::fs::metadata(&there).unwrap().permissions().mode() & 0o777, 0o700);
        let others = ["mailbell-backup-of-mine.jsonl", "mailbell-backup-19700101T000000.000Z.jsonl.gz", "notes.txt"];
        for other in others {
            std::fs::write(there.join(other), "x").unwrap();
        }
        assert_eq!(rotate(&there, 2).unwrap(), 3);
        assert_eq!(rotate(&there, 2).unwrap(), 0);
        let left = names(&there);
        assert_eq!(left.len(), 5);
        assert!(left.contains(&"mailbell-backup-19700101T000004.000Z.jsonl".to_owned()), "{left:?}");
        assert!(others.iter().all(|other| left.iter().any(|name| name == other)), "{left:?}");
    }

    #[test]
    fn a_backup_takes_nobodys_place_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to.jsonl"));
        std::fs::write(&from, "records").unwrap();
        std::fs::write(&to, "mine").unwrap();
        assert_eq!(place(&from, &to, |_| Ok(())).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&to).unwrap(), b"mine");
        std::fs::remove_file(&to).unwrap();
        // What a process that died has left, for all to read.
        std::fs::write(dir.path().join("to.jsonl.unfinished"), "half").unwrap();
        let refused = place(&from, &to, |_| Err(Error::other("changed"))).unwrap_err();
        assert_eq!(refused.to_string(), "changed");
        assert_eq!(names(dir.path()), ["from"], "what is not what was written is nowhere");
        place(&from, &to, |_| Ok(())).unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), b"records");
        assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(dir.path()), ["from", "to.jsonl"]);
    }
}
