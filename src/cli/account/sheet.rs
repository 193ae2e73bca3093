//! `mailbell account import/export/template`: the registry as a CSV file.

use super::Desk;
use crate::cli::{FAILED, WRONG_USAGE, fail};
use crate::control::Ask;
use crate::model::{AccountId, Lang, Registered};
use crate::office::{How, Outcome, Row, Tested, Turned};
use crate::sheet::{self, Sheet, Trouble};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use zeroize::Zeroizing;

/// Rows that go to the office at one time.
const BATCH: usize = 500;
/// Lines of a report that are printed; `--json` has all.
const SHOWN: usize = 200;

/// What was typed after `account import`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ImportArgs {
    /// The file: CSV in UTF-8 or GBK, with a header; `account template` writes one (CSV 文件)
    file: PathBuf,
    /// Only says what would be done (只检查，不改动)
    #[arg(long)]
    dry_run: bool,
    /// Does what is right where something is wrong (有错误的行跳过，其余照做)
    #[arg(long)]
    partial: bool,
    /// Unbinds accounts that the file does not have (解绑文件中没有的账号)
    #[arg(long)]
    remove_missing: bool,
    /// With `--remove-missing`: more than 20 accounts, or a fifth of all, are unbound only if they are not more than this
    /// (最多解绑多少个)
    #[arg(long, value_name = "N", requires = "remove_missing")]
    most_removed: Option<usize>,
    /// Where a line has no userid: what stands before the @, the whole address, or whom WeCom knows by the address
    /// (没有成员账号的行：用 @ 之前的部分、整个邮箱，或按邮箱向企业微信查询)
    #[arg(long, value_enum)]
    userid: Option<UseridArg>,
    /// With `--userid wecom`: so many addresses may be unknown to WeCom a day; it blocks the look-up at 20 % of 账号上限数
    /// (一天最多查错多少个)
    #[arg(long, value_name = "N", requires = "userid")]
    most_unknown: Option<u32>,
    /// Tries to log in to what is new or changed (导入后测试登录)
    #[arg(long)]
    test: bool,
    /// Does not ask before anything is unbound (不再确认)
    #[arg(long)]
    yes: bool,
    /// The report as JSON
    #[arg(long)]
    json: bool,
}

/// `--userid`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum UseridArg {
    /// What stands before the @.
    Localpart,
    /// The whole address.
    Email,
    /// `user/get_userid_by_email`
    Wecom,
}

/// What an import comes to.
#[derive(Default)]
struct Report {
    wrong: Vec<Trouble>,
    warnings: Vec<Trouble>,
    added: Vec<AccountId>,
    changed: Vec<(AccountId, Vec<String>)>,
    unchanged: usize,
    removed: Vec<AccountId>,
}

/// Writes a template.
pub(super) fn template(file: Option<&Path>, lang: Lang) -> ExitCode {
    match put(file, &sheet::template(lang), lang) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

/// Writes to a file that is not there yet, or to the terminal.
fn put(file: Option<&Path>, bytes: &[u8], lang: Lang) -> Result<(), ExitCode> {
    let Some(file) = file else {
        return std::io::stdout().write_all(bytes).map_err(|error| fail(FAILED, &error.to_string()));
    };
    let written = crate::cli::private_file(file).and_then(|mut out| out.write_all(bytes));
    written.map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::AlreadyExists => lang
                .pick(
                    "已经存在，不会覆盖；请换一个文件名",
                    "is there already and is not written over; choose another name",
                )
                .to_owned(),
            _ => error.to_string(),
        };
        fail(FAILED, &format!("{}: {why}", file.display()))
    })
}

impl Desk<'_> {
    pub(super) async fn export(&self, file: Option<&Path>) -> Result<(), ExitCode> {
        let all: Vec<Registered> = self.all().await?.into_iter().map(|listed| listed.account).collect();
        put(file, &sheet::write(all.iter(), self.lang), self.lang)?;
        let deed =
            crate::model::Deed::done(crate::model::What::AccountExport, "").with("accounts", all.len().to_string());
        self.ask::<()>(Ask::Note { deeds: vec![deed] }).await?;
        if let Some(file) = file {
            let said = self.lang.pick("已导出 {} 个账号到 ", "exported {} account(s) to ");
            println!("{}{}", said.replace("{}", &all.len().to_string()), file.display());
        }
        Ok(())
    }

    pub(super) async fn import(&self, args: ImportArgs) -> Result<(), ExitCode> {
        let bytes = std::fs::read(&args.file).map(Zeroizing::new);
        let bytes = bytes.map_err(|error| fail(FAILED, &format!("{}: {error}", args.file.display())))?;
        let read = if args.userid.is_some() { sheet::read_without_owners(&bytes) } else { sheet::read(&bytes) };
        let Sheet { rows, problems, warnings, .. } = read;
        let mut report = Report { wrong: problems, warnings, ..Report::default() };
        let mut rows: Vec<(usize, Row)> = rows.into_iter().map(|row| (row.line, told(row))).collect();
        if let Some(by) = args.userid {
            self.name_owners(&mut rows, by, args.most_unknown).await?;
        }
        let dry = How { dry_run: true, ..How::default() };
        let checked = self.give(&rows, dry, self.lang.pick("检查", "checking"), &mut report).await?;
        if args.remove_missing {
            report.removed = self.missing(&rows).await?;
        }
        let goes = !args.dry_run && (report.wrong.is_empty() || args.partial);
        // A line that is wrong says nothing of its account: with such lines nobody is missing.
        let unbinds = goes && !report.removed.is_empty() && report.wrong.is_empty();
        if !unbinds && goes {
            report.removed.clear();
        }
        if unbinds && report.removed.len() > args.most_removed.unwrap_or_else(|| (rows.len() / 4).max(20)) {
            let said = self.lang.pick(
                "文件中缺少已登记的 {} 个账号，像是不完整的文件，未作任何更改；若确要解绑，加 --most-removed {}",
                "the file lacks {} registered accounts, as a file that was cut off would; nothing was changed. If they are to be unbound: --most-removed {}",
            );
            return Err(fail(FAILED, &said.replace("{}", &report.removed.len().to_string())));
        }
        if unbinds && !args.yes && !self.agreed(report.removed.len()) {
            return Err(ExitCode::from(FAILED));
        }
        self.report(&report, &args, goes);
        if !goes {
            return if report.wrong.is_empty() { Ok(()) } else { Err(ExitCode::from(WRONG_USAGE)) };
        }
        let good: Vec<_> = rows.into_iter().zip(checked).filter(|(_, good)| *good).map(|(row, _)| row).collect();
        let how = How::default();
        self.give(&good, how, self.lang.pick("导入", "importing"), &mut Report::default()).await?;
        if unbinds {
            for some in report.removed.chunks(BATCH) {
                let why = "not in the imported file".to_owned();
                self.ask::<Vec<AccountId>>(Ask::Remove { accounts: some.to_vec(), why }).await?;
            }
        }
        self.note_import(&args, &report).await?;
        if args.test {
            self.test_all(&report).await?;
        }
        if report.wrong.is_empty() { Ok(()) } else { Err(ExitCode::from(FAILED)) }
    }

    /// Fills in whose the accounts are that say nothing of it.
    async fn name_owners(&self, rows: &mut [(usize, Row)], by: UseridArg, wrong: Option<u32>) -> Result<(), ExitCode> {
        let mut nameless: Vec<&mut Row> = rows.iter_mut().map(|(_, row)| row).collect();
        nameless.retain(|row| row.entry.user.is_empty() && row.entry.recipients.is_empty());
        if by != UseridArg::Wecom {
            for row in nameless {
                let email = row.entry.email.clone();
                let local = email.split('@').next().unwrap_or_default();
                row.entry.user = if by == UseridArg::Email { email } else { local.to_owned() };
            }
            return Ok(());
        }
        let bar = bar(nameless.len(), self.lang.pick("查询成员", "asking WeCom"));
        for some in nameless.chunks_mut(BATCH / 10) {
            let emails = some.iter().map(|row| row.entry.email.clone()).collect();
            let found: Vec<Option<String>> = self.ask(Ask::Userids { emails, wrong }).await?;
            for (row, userid) in some.iter_mut().zip(found) {
                row.entry.user = userid.unwrap_or_default();
            }
            bar.inc(some.len() as u64);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Gives rows to the office in batches; which of them are well.
    async fn give(
        &self,
        rows: &[(usize, Row)],
        how: How,
        word: &str,
        report: &mut Report,
    ) -> Result<Vec<bool>, ExitCode> {
        let bar = bar(rows.len(), word);
        let mut well = Vec::with_capacity(rows.len());
        for some in rows.chunks(BATCH) {
            let told = some.iter().map(|(_, row)| row.clone()).collect();
            let outcomes: Vec<Outcome> = self.ask(Ask::Tell { rows: told, how }).await?;
            for ((line, _), Outcome { account, turned }) in some.iter().zip(outcomes) {
                well.push(!matches!(turned, Turned::Wrong(_)));
                match turned {
                    Turned::Added => report.added.push(account),
                    Turned::Changed(keys) => report.changed.push((account, keys)),
                    Turned::Unchanged => report.unchanged += 1,
                    Turned::Wrong(words) => report.wrong.push(Trouble {
                        line: *line,
                        column: account.to_string(),
                        en: words.en,
                        zh: words.zh,
                    }),
                }
            }
            bar.inc(some.len() as u64);
        }
        bar.finish_and_clear();
        report.wrong.sort_by_key(|trouble| trouble.line);
        Ok(well)
    }

    /// The accounts of the registry that the file does not have.
    async fn missing(&self, rows: &[(usize, Row)]) -> Result<Vec<AccountId>, ExitCode> {
        let there: HashSet<AccountId> = rows.iter().map(|(_, row)| row.entry.account()).collect();
        let all = self.all().await?.into_iter().map(|listed| listed.account.entry.account());
        Ok(all.filter(|account| !there.contains(account)).collect())
    }

    async fn note_import(&self, args: &ImportArgs, report: &Report) -> Result<(), ExitCode> {
        let name = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let deed = crate::model::Deed::done(crate::model::What::AccountImport, name)
            .with("added", report.added.len().to_string())
            .with("changed", report.changed.len().to_string())
            .with("removed", report.removed.len().to_string())
            .with("wrong", report.wrong.len().to_string());
        self.ask::<()>(Ask::Note { deeds: vec![deed] }).await
    }

    /// Tries what is new or changed, each in its host's turn.
    async fn test_all(&self, report: &Report) -> Result<(), ExitCode> {
        let changed = report.changed.iter().map(|(account, _)| account);
        let accounts: Vec<_> = report.added.iter().chain(changed).cloned().collect();
        let bar = bar(accounts.len(), self.lang.pick("测试登录", "logging in"));
        let mut failed = 0;
        for account in accounts {
            let tested: Tested = self.ask(Ask::Test { account: account.clone() }).await?;
            if let Some(error) = tested.error {
                failed += 1;
                bar.suspend(|| println!("{account}: {}", crate::cli::table::plain(&error)));
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        self.say("登录失败 {} 个", "{} login(s) failed", failed);
        if failed == 0 { Ok(()) } else { Err(ExitCode::from(FAILED)) }
    }

    fn report(&self, report: &Report, args: &ImportArgs, goes: bool) {
        if args.json {
            println!("{}", serde_json::to_string_pretty(&json(report, goes)).unwrap_or_default());
            return;
        }
        let lang = self.lang;
        let some = |troubles: &[Trouble]| {
            troubles.iter().take(SHOWN).for_each(|trouble| println!("{}", trouble.text(lang)));
            if troubles.len() > SHOWN {
                self.say("……另有 {} 条", "… and {} more", troubles.len() - SHOWN);
            }
        };
        some(&report.wrong);
        if !report.warnings.is_empty() {
            self.say("注意（{} 处）：", "note ({}):", report.warnings.len());
            some(&report.warnings);
        }
        if args.dry_run {
            let list = |zh: &str, en: &str, accounts: &mut dyn Iterator<Item = String>| {
                accounts.take(SHOWN).for_each(|account| println!("{} {account}", lang.pick(zh, en)));
            };
            list("新增", "added   ", &mut report.added.iter().map(ToString::to_string));
            let changed = report.changed.iter().map(|(account, keys)| format!("{account} ({})", keys.join(", ")));
            list("修改", "changed ", &mut { changed });
            list("解绑", "removed ", &mut report.removed.iter().map(ToString::to_string));
        }
        let (added, changed, unchanged, removed, wrong) =
            (report.added.len(), report.changed.len(), report.unchanged, report.removed.len(), report.wrong.len());
        match lang {
            Lang::ZhCn => println!("新增 {added}，修改 {changed}，不变 {unchanged}，解绑 {removed}，有误 {wrong}"),
            Lang::En => {
                println!("added {added}, changed {changed}, unchanged {unchanged}, removed {removed}, wrong {wrong}")
            }
        }
        if args.dry_run {
            println!("{}", lang.pick("只作检查，未作任何更改", "checked only, nothing was changed"));
        } else if !goes {
            let said = lang.pick(
                "有错误，未作任何更改：改正后重新导入，或加 --partial 跳过有误的行",
                "nothing was changed: correct the lines and import again, or skip them with --partial",
            );
            println!("{said}");
        }
    }
}

fn told(row: sheet::Row) -> Row {
    Row { entry: row.entry, password: row.password, disabled: row.disabled }
}

/// Shown on a terminal only.
fn bar(length: usize, word: &str) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(word.to_owned());
    bar
}

fn json(report: &Report, goes: bool) -> serde_json::Value {
    let troubles = |troubles: &[Trouble]| {
        let one = |t: &Trouble| serde_json::json!({ "line": t.line, "column": t.column, "en": t.en, "zh": t.zh });
        troubles.iter().map(one).collect::<Vec<_>>()
    };
    let changed = report.changed.iter().map(|(account, keys)| serde_json::json!({ "account": account, "keys": keys }));
    serde_json::json!({
        "applied": goes,
        "added": report.added,
        "changed": changed.collect::<Vec<_>>(),
        "unchanged": report.unchanged,
        "removed": report.removed,
        "wrong": troubles(&report.wrong),
        "warnings": troubles(&report.warnings),
    })
}
