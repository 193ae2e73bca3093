//! `mailbell state export/import`: the store as plain JSON lines, and back.

use super::records::Source;
use super::table::local;
use super::{FAILED, fail, load, status};
use crate::app;
use crate::config::Config;
use crate::control::Request;
use crate::model::Lang;
use crate::state::{Summary, exports, put_in_place};
use clap::Subcommand;
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
        StateCommand::Import { file, replace } => take(&config, &file, replace, lang),
    }
}

/// The service writes where it may write anyway; from there it is moved to where it is wanted.
async fn export(config: &Config, wanted: Option<PathBuf>, lang: Lang) -> ExitCode {
    if let Some(wanted) = wanted.as_ref().filter(|wanted| wanted.exists()) {
        let said = lang.pick(
            "已经存在，不会覆盖；请换一个文件名",
            "is there already and is not written over; choose another name",
        );
        return fail(FAILED, &format!("{}: {said}", wanted.display()));
    }
    let source = match Source::find(config, lang).await {
        Ok(source) => source,
        Err(code) => return code,
    };
    let to = match exports::file(&config.state.path, app::wall(), true) {
        Ok(to) => std::path::absolute(&to).unwrap_or(to),
        Err(error) => return fail(FAILED, &format!("{}: {error}", exports::directory(&config.state.path).display())),
    };
    let summary: Summary = match source.ask(Request::Export { to: to.clone(), whole: true }).await {
        Ok(summary) => summary,
        Err(error) => return status::refused(&error, config, None, lang),
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

fn moved(from: &Path, to: &Path) -> std::io::Result<()> {
    if std::fs::rename(from, to).is_ok() {
        return Ok(());
    }
    // Another file system.
    std::fs::copy(from, to)?;
    std::fs::File::open(to)?.sync_all()?;
    std::fs::remove_file(from)
}

fn take(config: &Config, file: &Path, replace: bool, lang: Lang) -> ExitCode {
    // Nothing else goes on in this process that it could hold up.
    match replace_store(file, &config.state.path, replace, lang) {
        Ok((summary, aside)) => {
            let (lines, at) = (summary.lines, local(summary.head.written_at, &config.alerts.time_zone));
            println!(
                "{}",
                match lang {
                    Lang::ZhCn =>
                        format!("已导入 {lines} 条记录（导出于 {at}）。下次启动后，此后到达的邮件会合并成摘要提醒。"),
                    Lang::En => format!(
                        "{lines} records imported (exported at {at}). What came since then is announced together after the next start."
                    ),
                }
            );
            if let Some(aside) = aside {
                let said = lang.pick("原来的数据移到了", "the store that was there is now");
                println!("{said} {}", aside.display());
            }
            ExitCode::SUCCESS
        }
        Err(text) => fail(FAILED, &text),
    }
}

/// Imports (a bad export changes nothing), and moves aside what is there if that is allowed.
fn replace_store(file: &Path, store: &Path, replace: bool, lang: Lang) -> Result<(Summary, Option<PathBuf>), String> {
    let holds = store.join("db").exists();
    if holds && app::store_in_use(store).map_err(|error| error.text(lang))? {
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
    put_in_place(file, store, "replaced", app::wall())
        .map_err(|error| format!("{}: {}", file.display(), error.text(lang)))
}
