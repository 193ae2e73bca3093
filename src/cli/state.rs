//! `mailbell state export/import`: the store as plain JSON lines, and back.

use super::records::Source;
use super::table::local;
use super::{FAILED, fail, load, operator, status};
use crate::app;
use crate::audit::Audit;
use crate::config::Config;
use crate::control::{self, AlertList, AskError, Request};
use crate::model::{Deed, Lang, What};
use crate::office;
use crate::state::{StateError, Summary, exports, put_in_place};
use clap::Subcommand;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What was typed after `state`.
#[derive(Debug, Subcommand)]
pub(super) enum StateCommand {
    /// Writes everything that is stored as JSON lines, also beside the running service (导出数据)
    Export {
        /// The file; default: a new one beside the store
        file: Option<PathBuf>,
    },
    /// Makes the store of an export; the service must be stopped (导入数据)
    Import {
        /// The export
        file: PathBuf,
        /// Moves a store aside that is there already
        #[arg(long)]
        replace: bool,
    },
}

/// Does what was typed.
pub(super) async fn state(file: &Path, lang: Lang, command: StateCommand) -> ExitCode {
    let config = match load(file, lang) {
        Ok(config) => config,
        Err(code) => return code,
    };
    match command {
        StateCommand::Export { file } => export(&config, file, lang).await,
        StateCommand::Import { file, replace } => take(&config, &file, replace, lang).await,
    }
}

/// The service writes where it may write anyway; from there it is moved to where it is wanted.
async fn export(config: &Config, wanted: Option<PathBuf>, lang: Lang) -> ExitCode {
    if let Some(wanted) = wanted.as_ref().filter(|wanted| wanted.exists()) {
        return fail(FAILED, &format!("{}: {}", wanted.display(), is_there(lang)));
    }
    let source = match Source::find(config, lang).await {
        Ok(source) => source,
        Err(code) => return code,
    };
    let (summary, to) = match fetched(config, &source, lang).await {
        Ok(fetched) => fetched,
        Err(code) => return code,
    };
    let to = match wanted {
        None => to,
        Some(wanted) => match moved(&to, &wanted) {
            Ok(()) => wanted,
            Err(error) => {
                let said = lang.pick("导出已写好，但不能移到", "the export is written but cannot be moved to");
                return fail(FAILED, &format!("{}: {said} {}: {error}", to.display(), wanted.display()));
            }
        },
    };
    let said = match lang {
        Lang::ZhCn => format!("已导出 {} 条记录到 {}", summary.lines, to.display()),
        Lang::En => format!("{} records exported to {}", summary.lines, to.display()),
    };
    println!("{said}");
    ExitCode::SUCCESS
}

/// That a file has its name already.
pub(super) fn is_there(lang: Lang) -> &'static str {
    lang.pick("已经存在，不会覆盖；请换一个文件名", "is there already and is not written over; choose another name")
}

/// Has everything exported, where the service may write anyway; where that is. Else says why not.
pub(super) async fn fetched(config: &Config, source: &Source, lang: Lang) -> Result<(Summary, PathBuf), ExitCode> {
    let to = exports::file(&config.state.path, app::wall(), true)
        .and_then(|to| give_to_owner(&config.state.path, &to).map(|()| std::path::absolute(&to).unwrap_or(to)))
        .map_err(|error| fail(FAILED, &format!("{}: {error}", exports::directory(&config.state.path).display())))?;
    match source.ask(Request::Export { to: to.clone(), whole: true }).await {
        Ok(summary) => Ok((summary, to)),
        Err(error) => Err(status::refused(&error, config, None, lang)),
    }
}

/// It was done all the same.
fn not_in_audit(why: Option<String>, lang: Lang) {
    if let Some(why) = why {
        eprintln!("{}{why}", lang.pick("未能记入审计：", "this is not in the audit: "));
    }
}

/// A directory that root has just made for exports must be writable for the service.
fn give_to_owner(store: &Path, export: &Path) -> std::io::Result<()> {
    let (Some(directory), Ok(store)) = (export.parent(), std::fs::metadata(store)) else { return Ok(()) };
    let is_roots = rustix::process::geteuid().is_root() && std::fs::metadata(directory)?.uid() == 0;
    match is_roots && store.uid() != 0 {
        true => std::os::unix::fs::chown(directory, Some(store.uid()), Some(store.gid())),
        false => Ok(()),
    }
}

fn moved(from: &Path, to: &Path) -> std::io::Result<()> {
    if std::fs::rename(from, to).is_ok() {
        return Ok(());
    }
    // Another file system.
    std::fs::copy(from, to)?;
    std::fs::File::open(to)?.sync_all()?;
    std::fs::remove_file(from)
}

async fn take(config: &Config, file: &Path, replace: bool, lang: Lang) -> ExitCode {
    match replace_store(file, config, replace, lang).await {
        Ok((summary, aside)) => {
            let (lines, at) = (summary.lines, local(summary.head.written_at, &config.alerts.time_zone));
            let said = match lang {
                Lang::ZhCn => {
                    format!("已导入 {lines} 条记录（导出于 {at}）。下次启动后，此后到达的邮件会合并成摘要提醒。")
                }
                Lang::En => format!(
                    "{lines} records imported (exported at {at}). What came since then is announced together after the next start."
                ),
            };
            done(&said, aside.as_deref(), lang);
            ExitCode::SUCCESS
        }
        Err(text) => fail(FAILED, &text),
    }
}

/// What was done, and where the store is that was there.
pub(super) fn done(said: &str, aside: Option<&Path>, lang: Lang) {
    println!("{said}");
    if let Some(aside) = aside {
        println!("{} {}", lang.pick("原来的数据移到了", "the store that was there is now"), aside.display());
    }
}

/// Imports (a bad export changes nothing), and moves aside what is there if that is allowed.
pub(super) async fn replace_store(
    file: &Path,
    config: &Config,
    replace: bool,
    lang: Lang,
) -> Result<(Summary, Option<PathBuf>), String> {
    let store = &config.state.path;
    let holds = store.join("db").exists();
    if is_running(store, holds).await.map_err(|error| error.text(lang))? {
        return Err(match lang {
            Lang::ZhCn => format!("{} 正由运行中的 mailbell 使用：先停止它", store.display()),
            Lang::En => format!("{}: another mailbell is running on this store; stop it first", store.display()),
        });
    }
    if holds && !replace {
        return Err(match lang {
            Lang::ZhCn => format!("{} 中已有数据，未作任何更改：用 --replace 把它移到一旁后再导入", store.display()),
            Lang::En => format!(
                "{}: a store is there already, nothing was changed; --replace moves it aside first",
                store.display()
            ),
        });
    }
    if let Some(owner) = foreign_owner(store) {
        return Err(for_owner(file, store, owner, lang));
    }
    // Nothing else goes on in this process that it could hold up.
    let (summary, aside) = put_in_place(file, store, "replaced", app::wall())
        .map_err(|error| format!("{}: {}", file.display(), error.text(lang)))?;
    let wall = app::wall();
    let from = std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).display().to_string();
    let deed = Deed::done(What::Restore, from).with("records", summary.lines.to_string());
    let noted = Audit::open(&config.audit.path, office::copies(config), wall)
        .and_then(|audit| audit.note(&operator::by(), &[deed], wall));
    not_in_audit(noted.err().map(|error| format!("{}: {error}", config.audit.path.display())), lang);
    Ok((summary, aside))
}

/// Whether a service has this store. One whose disk is full has let go of its files, and takes them again.
async fn is_running(store: &Path, holds: bool) -> Result<bool, StateError> {
    let asked = control::ask::<AlertList>(store, &Request::Alerts { state: None, most: 0 }).await;
    if !matches!(asked, Err(AskError::Absent | AskError::Dead)) {
        return Ok(true);
    }
    if holds { app::store_in_use(store) } else { Ok(false) }
}

/// Whose the store is or would be, if this is root and it is not root's: what root writes there, its owner cannot read.
fn foreign_owner(store: &Path) -> Option<u32> {
    let place = std::path::absolute(store).ok()?;
    let owner = place.ancestors().find_map(|place| std::fs::metadata(place).ok())?.uid();
    (rustix::process::geteuid().is_root() && owner != 0).then_some(owner)
}

fn for_owner(file: &Path, store: &Path, owner: u32, lang: Lang) -> String {
    let (file, store) = (file.display(), store.display());
    match lang {
        Lang::ZhCn => format!(
            "{store} 属于另一个用户（uid {owner}），未作任何更改：请用该用户执行，文件也要让它能读，例如\n  \
             sudo install -o {owner} -m 600 {file} {store}.backup\n  sudo -u '#{owner}' mailbell ... {store}.backup"
        ),
        Lang::En => format!(
            "{store} belongs to another user (uid {owner}), nothing was changed: run the command as that user, who must be \
             able to read the file, for example\n  sudo install -o {owner} -m 600 {file} {store}.backup\n  \
             sudo -u '#{owner}' mailbell ... {store}.backup"
        ),
    }
}
