//! `mailbell audit`: what was done, by whom, and whether that is still as it was written.

use super::records::Source;
use super::table::{self, local, plain};
use super::{FAILED, WRONG_USAGE, fail, load, operator};
use crate::audit::{self, Asked, Record};
use crate::config::Config;
use crate::control::{Ask, AskError, Request};
use crate::model::{Deed, Lang, Timestamp, What};
use crate::office::Words;
use clap::{Args, Subcommand};
use jiff::civil;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Records that are printed unless another number was asked for.
const ROWS: usize = 100;
/// A cell is cut beyond this.
const WIDEST: usize = 48;

/// What was typed after `audit`.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// The last records (最近的记录)
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many (条数)
        #[arg(long, default_value_t = ROWS)]
        most: usize,
        /// As JSON lines
        #[arg(long)]
        json: bool,
    },
    /// Whether any record was changed, taken out or cut off (校验)
    Verify,
    /// Records as JSON lines, the oldest first (导出)
    Export {
        #[command(flatten)]
        which: Which,
        /// The file; default: to the terminal
        #[arg(long)]
        to_file: Option<PathBuf>,
    },
}

/// Which records.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// From this day or time on: 2026-11-01, 2026-11-01T08:00 (起)
    #[arg(long)]
    from: Option<String>,
    /// Before this day or time (止)
    #[arg(long)]
    to: Option<String>,
    /// Who did it or whom it concerns: this text is in one of them (成员或邮箱)
    #[arg(long)]
    user: Option<String>,
    /// Only this, as `account.remove` (操作)
    #[arg(long)]
    what: Option<String>,
}

/// Does what was typed.
pub(super) async fn audit(file: &Path, lang: Lang, command: AuditCommand) -> ExitCode {
    let config = match load(file, lang) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let done = match command {
        AuditCommand::List { which, most, json } => list(&config, &which, most, json, lang),
        AuditCommand::Verify => verify(&config, lang),
        AuditCommand::Export { which, to_file } => export(&config, &which, to_file.as_deref(), lang).await,
    };
    done.map_or_else(|code| code, |()| ExitCode::SUCCESS)
}

fn verify(config: &Config, lang: Lang) -> Result<(), ExitCode> {
    let verified = audit::verify(&config.audit.path).map_err(|broken| {
        let said = lang.pick("审计记录不完整：", "the audit is not whole: ");
        fail(FAILED, &format!("{said}{broken}"))
    })?;
    let (from, to) = verified.span.unwrap_or_default();
    println!(
        "{}",
        match lang {
            Lang::ZhCn => format!(
                "审计记录完整：{} 条（第 {} 条起，{from} 至 {to}），末条哈希 {}",
                verified.records, verified.first, verified.hash
            ),
            Lang::En => format!(
                "the audit is whole: {} record(s) from number {} ({from} to {to}), last hash {}",
                verified.records, verified.first, verified.hash
            ),
        }
    );
    Ok(())
}

fn list(config: &Config, which: &Which, most: usize, json: bool, lang: Lang) -> Result<(), ExitCode> {
    let records = read(config, which, most, lang)?;
    if json {
        records.iter().for_each(|record| println!("{}", serde_json::to_string(record).unwrap_or_default()));
        return Ok(());
    }
    let head = [
        lang.pick("时间", "time"),
        lang.pick("谁", "who"),
        lang.pick("操作", "what"),
        lang.pick("对象", "whom"),
        lang.pick("结果", "result"),
    ];
    let row = |record: &Record| {
        let result = record.refusal().map_or_else(|| lang.pick("完成", "done").to_owned(), str::to_owned);
        let detail: Vec<_> = record.detail.iter().map(|(name, value)| format!("{name}={value}")).collect();
        vec![
            local(record.at(), &config.alerts.time_zone),
            record.who(),
            record.what.word().to_owned(),
            record.whom.clone(),
            plain(format!("{result} {}", detail.join(" ")).trim()),
        ]
    };
    let rows: Vec<_> = records.iter().map(row).collect();
    if rows.is_empty() {
        println!("{}", lang.pick("没有记录", "no records"));
    } else {
        table::lines(&head, &rows, WIDEST).iter().for_each(|line| println!("{line}"));
    }
    Ok(())
}

async fn export(config: &Config, which: &Which, to: Option<&Path>, lang: Lang) -> Result<(), ExitCode> {
    let mut records = read(config, which, usize::MAX, lang)?;
    records.reverse();
    note(config, records.len()).await;
    let mut text = String::new();
    for record in &records {
        text.push_str(&serde_json::to_string(record).unwrap_or_default());
        text.push('\n');
    }
    let Some(to) = to else {
        text.lines().for_each(|line| println!("{line}"));
        return Ok(());
    };
    let written = super::private_file(to).and_then(|mut out| std::io::Write::write_all(&mut out, text.as_bytes()));
    written.map_err(|error| fail(FAILED, &format!("{}: {error}", to.display())))?;
    println!("{}", lang.pick("已导出 {} 条记录", "{} record(s) exported").replace("{}", &records.len().to_string()));
    Ok(())
}

/// That somebody took a copy stands in the audit too, where somebody is there to write it.
async fn note(config: &Config, count: usize) {
    let Some(source) = Source::quietly(config, true).await else { return };
    let deed = Deed::done(What::AuditExport, "").with("records", count.to_string());
    let ask = Ask::Note { deeds: vec![deed] };
    let noted: Result<Result<(), Words>, AskError> = source.ask(Request::Office { by: operator::by(), ask }).await;
    if let Err(error) = noted {
        eprintln!("{error:?}");
    }
}

fn read(config: &Config, which: &Which, most: usize, lang: Lang) -> Result<Vec<Record>, ExitCode> {
    let asked = Asked {
        from: which.from.as_deref().map(|text| moment(text, config, lang)).transpose()?,
        to: which.to.as_deref().map(|text| moment(text, config, lang)).transpose()?,
        text: which.user.clone().unwrap_or_default(),
        what: which.what.as_deref().map(|word| what(word, lang)).transpose()?,
        before: None,
    };
    let folder = &config.audit.path;
    audit::read(folder, &asked, most).map_err(|error| fail(FAILED, &format!("{}: {error}", folder.display())))
}

fn what(word: &str, lang: Lang) -> Result<What, ExitCode> {
    What::ALL.iter().copied().find(|what| what.word() == word).ok_or_else(|| {
        let words: Vec<_> = What::ALL.iter().map(|what| what.word()).collect();
        let said = lang.pick("没有这种操作，可用：", "there is no such word; there are: ");
        fail(WRONG_USAGE, &format!("--what {}: {said}{}", plain(word), words.join(", ")))
    })
}

/// A day or a time in the config's zone.
fn moment(text: &str, config: &Config, lang: Lang) -> Result<Timestamp, ExitCode> {
    let civil = text.parse::<civil::DateTime>().or_else(|_| text.parse::<civil::Date>().map(civil::DateTime::from));
    let zoned = civil.ok().and_then(|civil| civil.to_zoned(config.alerts.time_zone.clone()).ok());
    let exact = text.parse::<jiff::Timestamp>().ok().or_else(|| zoned.map(|zoned| zoned.timestamp()));
    exact.map(|at| Timestamp(at.as_millisecond())).ok_or_else(|| {
        let said = lang.pick(
            "不是日期或时间，写法如 2026-11-01 或 2026-11-01T08:00",
            "is no day or time; write 2026-11-01 or 2026-11-01T08:00",
        );
        fail(WRONG_USAGE, &format!("{}: {said}", plain(text)))
    })
}
