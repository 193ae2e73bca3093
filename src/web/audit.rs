//! The audit: looked through, checked, written out.

use super::console::Console;
use super::reply::{self, Frame, declined, fault, file, page};
use super::rows::encoded;
use super::visit::Visit;
use crate::audit::{self, Asked, Record};
use crate::control::words::{local, plain};
use crate::model::{Deed, Lang, Timestamp, What};
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::civil;
use jiff::tz::TimeZone;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

/// Records on one page.
const ROWS: usize = 100;
/// Records that are written out at one time.
const MOST: usize = 1_000_000;

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    from: String,
    to: String,
    text: String,
    /// Its word in a query, as people read it, and whether it is chosen.
    whats: Vec<(&'static str, &'static str, bool)>,
    rows: Vec<AuditRow>,
    next: Option<String>,
    export: String,
    said: Option<(&'static str, String)>,
}

struct AuditRow {
    no: u64,
    at: String,
    who: String,
    from: String,
    what: &'static str,
    /// The same for who reads Chinese.
    word: Option<&'static str>,
    whom: String,
    refused: Option<String>,
    detail: String,
}

/// Which records a query asks for.
///
/// # Errors
/// In both languages: a day is none.
fn asked(visit: &Visit) -> Result<Asked, (String, String)> {
    let day = |name: &str| -> Result<Option<Timestamp>, (String, String)> {
        let text = visit.query.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        time(text, &visit.settings.zone).map(Some).ok_or_else(|| {
            (
                format!("{text} 不是日期；请写，例如 2026-11-01"),
                format!("{text} is no day; write for example 2026-11-01"),
            )
        })
    };
    let what = What::ALL.iter().copied().find(|what| what.word() == visit.query.text("what"));
    let before = visit.query.text("before").parse().ok();
    Ok(Asked { from: day("from")?, to: day("to")?, text: visit.query.text("q").to_owned(), what, before })
}

/// The beginning of a day, or a time of it, where the reader is.
fn time(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let at: Option<civil::DateTime> = text.parse().ok();
    let at = at.or_else(|| text.parse::<civil::Date>().ok().map(|day| day.at(0, 0, 0, 0)))?;
    Some(Timestamp(at.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond()))
}

/// Reads records beside the loop; the newest first.
async fn read(console: &Console, asked: Asked, most: usize) -> Result<Vec<Record>, String> {
    let folder = folder(console);
    let read = tokio::task::spawn_blocking(move || audit::read(&folder, &asked, most)).await;
    read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

fn folder(console: &Console) -> PathBuf {
    console.parts.office.audit().folder().to_owned()
}

fn row(record: &Record, lang: Lang, zone: &TimeZone) -> AuditRow {
    let detail: Vec<_> = record.detail.iter().map(|(name, value)| format!("{name}={value}")).collect();
    AuditRow {
        no: record.no,
        at: local(record.at(), zone),
        who: record.who(),
        from: plain(&record.by.from),
        what: record.what.word(),
        word: (lang == Lang::ZhCn).then(|| chinese(record.what)),
        whom: plain(&record.whom),
        refused: record.refusal().map(plain),
        detail: plain(&detail.join(" ")),
    }
}

/// What was done, in Chinese.
fn chinese(what: What) -> &'static str {
    match what {
        What::AccountAdd => "添加邮箱",
        What::AccountChange => "修改邮箱",
        What::AccountPassword => "更换密码",
        What::AccountDisable => "停用邮箱",
        What::AccountEnable => "启用邮箱",
        What::AccountRemove => "解绑邮箱",
        What::AccountTest => "测试登录",
        What::AccountSync => "立即查看",
        What::AccountImport => "批量导入",
        What::AccountExport => "导出邮箱",
        What::Reconcile => "核对成员",
        What::Leaver => "成员已离开",
        What::Return => "成员已返回",
        What::AlertRetry => "重发提醒",
        What::AlertDrop => "放弃提醒",
        What::Mute => "设置静音",
        What::Unmute => "取消静音",
        What::SignIn => "登录后台",
        What::SignOut => "退出后台",
        What::VaultRotate => "更换主密钥",
        What::Backup => "导出存储",
        What::Restore => "导入存储",
        What::AuditExport => "导出审计",
        What::AuditGap => "审计缺失",
        What::AuditRotate => "清理旧审计",
        What::Start => "服务启动",
        What::Stop => "服务停止",
        What::Reload => "重读配置",
    }
}

/// The query without its place, for links.
fn link(visit: &Visit, path: &str) -> String {
    let text = |name: &str| format!("{name}={}", encoded(visit.query.text(name)));
    format!("{path}?{}", ["from", "to", "q", "what"].map(text).join("&"))
}

fn wrong_day(visit: &Visit, (zh, en): &(String, String)) -> Response {
    fault(visit, StatusCode::BAD_REQUEST, zh, en)
}

pub(super) async fn list(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    shown(&console, &visit, None).await
}

async fn shown(console: &Console, visit: &Visit, said: Option<(&'static str, String)>) -> Response {
    let asked = match asked(visit) {
        Ok(asked) => asked,
        Err(said) => return wrong_day(visit, &said),
    };
    let mut records = match read(console, asked, ROWS + 1).await {
        Ok(records) => records,
        Err(reason) => return reply::broken(visit, &reason),
    };
    let more = records.len() > ROWS;
    records.truncate(ROWS);
    let last = records.last().map(|record| record.no).filter(|_| more);
    let chosen = visit.query.text("what");
    page(&AuditPage {
        frame: Frame::of(visit),
        from: visit.query.text("from").to_owned(),
        to: visit.query.text("to").to_owned(),
        text: visit.query.text("q").to_owned(),
        whats: What::ALL
            .iter()
            .map(|what| (what.word(), visit.pick(chinese(*what), what.word()), what.word() == chosen))
            .collect(),
        rows: records.iter().map(|record| row(record, visit.lang, &visit.settings.zone)).collect(),
        next: last.map(|no| format!("{}&before={no}", link(visit, "/admin/audit"))),
        export: link(visit, "/admin/audit/export"),
        said,
    })
}

/// Whether the chain is whole: in words, and as JSON.
async fn checked(console: &Console, lang: Lang) -> Result<(bool, String, serde_json::Value), String> {
    let folder = folder(console);
    let checked = tokio::task::spawn_blocking(move || audit::verify(&folder)).await.map_err(|e| e.to_string())?;
    Ok(match checked {
        Ok(whole) => {
            let (from, to) = whole.span.unwrap_or_default();
            let text = match lang {
                Lang::ZhCn => format!("审计记录完整：{} 条，{from} 至 {to}，末条哈希 {}", whole.records, whole.hash),
                Lang::En => {
                    format!("The audit is whole: {} record(s), {from} to {to}, last hash {}", whole.records, whole.hash)
                }
            };
            let told = json!({
                "whole": true, "records": whole.records, "first": whole.first, "from": from, "to": to, "hash": whole.hash,
            });
            (true, text, told)
        }
        Err(broken) => {
            let place = format!("{}:{}", broken.file.file_name().unwrap_or_default().to_string_lossy(), broken.line);
            let text = format!("{}{place}: {}", lang.pick("审计记录不完整：", "The audit is not whole: "), broken.why);
            (false, text, json!({ "whole": false, "place": place, "why": broken.why }))
        }
    })
}

pub(super) async fn verify(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    match checked(&console, visit.lang).await {
        Ok((whole, text, _)) => shown(&console, &visit, Some((if whole { "" } else { "bad" }, text))).await,
        Err(reason) => reply::broken(&visit, &reason),
    }
}

pub(super) async fn api_verify(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
) -> Response {
    match checked(&console, Lang::En).await {
        Ok((_, _, told)) => reply::json_of(&told),
        Err(reason) => reply::broken(&visit, &reason),
    }
}

pub(super) async fn api(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    let asked = match asked(&visit) {
        Ok(asked) => asked,
        Err(said) => return wrong_day(&visit, &said),
    };
    let most = visit.query.text("most").parse().unwrap_or(ROWS).clamp(1, 10_000);
    match read(&console, asked, most).await {
        Ok(records) => reply::json_of(&json!({ "records": records })),
        Err(reason) => reply::broken(&visit, &reason),
    }
}

/// Writes records out, the oldest first: as JSON lines, as they are chained, or as a sheet.
pub(super) async fn export(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    let asked = match asked(&visit) {
        Ok(asked) => asked,
        Err(said) => return wrong_day(&visit, &said),
    };
    let as_sheet = visit.query.text("form") == "csv";
    let mut deed = Deed::done(What::AuditExport, "").with("form", if as_sheet { "csv" } else { "json" });
    for name in ["from", "to", "q", "what"] {
        let value = visit.query.text(name);
        if !value.is_empty() {
            deed = deed.with(name, value.chars().take(200).collect::<String>());
        }
    }
    if let Err(reason) = console.note(&visit.by(), deed).await {
        return declined(&visit, &reason);
    }
    let mut records = match read(&console, asked, MOST).await {
        Ok(records) => records,
        Err(reason) => return reply::broken(&visit, &reason),
    };
    records.reverse();
    if as_sheet {
        return file("text/csv; charset=utf-8", "mailbell-audit.csv", sheet(&records, visit.lang));
    }
    let mut text = String::new();
    for record in &records {
        text += &serde_json::to_string(record).unwrap_or_default();
        text.push('\n');
    }
    file("application/x-ndjson", "mailbell-audit.jsonl", text.into_bytes())
}

/// Records as a sheet that spreadsheets in China read: UTF-8 with its mark.
fn sheet(records: &[Record], lang: Lang) -> Vec<u8> {
    let head = match lang {
        Lang::ZhCn => ["编号", "时间（UTC）", "谁", "来自", "操作", "对象", "结果", "详情", "哈希"],
        Lang::En => ["number", "time (UTC)", "who", "from", "what", "whom", "result", "detail", "hash"],
    };
    let mut text = String::from("\u{feff}");
    let mut push = |cells: [&str; 9]| {
        text += &cells.map(cell).join(",");
        text += "\r\n";
    };
    push(head);
    for record in records {
        let detail: Vec<_> = record.detail.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (no, who, detail) = (record.no.to_string(), record.who(), detail.join(" "));
        let result = record.refusal().unwrap_or("ok");
        let (at, from, whom, hash) = (&record.at, &record.by.from, &record.whom, &record.hash);
        push([&no, at, &who, from, record.what.word(), whom, result, &detail, hash]);
    }
    text.into_bytes()
}

/// A cell in quotes; one that a spreadsheet would compute is shown as it is.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_where_the_reader_is() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        assert_eq!(time("1970-01-01", &zone), Some(Timestamp(-8 * 3_600_000)));
        assert_eq!(time("1970-01-01T09:30", &zone), Some(Timestamp(90 * 60_000)));
        for wrong in ["", "yesterday", "2026-13-01", "2026-02-30"] {
            assert_eq!(time(wrong, &zone), None, "{wrong}");
        }
    }

    #[test]
    fn cells_are_only_text() {
        assert_eq!(cell("=1+1"), "\"'=1+1\"");
        assert_eq!(cell("he said \"no\", twice"), "\"he said \"\"no\"\", twice\"");
    }
}
