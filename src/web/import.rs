//! Importing a sheet of accounts: first what would come of it, line by line, then the yes; exporting; the template.

use super::console::Console;
use super::reply::{self, Frame, declined, fault, page};
use super::sign_in::digits;
use super::uploads::Upload;
use super::visit::Visit;
use crate::model::{AccountId, Deed, Lang, Registered, What};
use crate::office::{How, OfficeError, Outcome, Row, Turned};
use crate::sheet::{self, Sheet, Trouble};
use crate::state::Wanted;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use std::sync::{Arc, PoisonError};

/// Rows that go to the office at one time: between them others have their turn.
const BATCH: usize = 500;
/// Accounts read from the registry at one time.
const SLICE: usize = 1000;
/// Lines of one kind that a page shows.
const SHOWN: usize = 200;
const CSV: &str = "text/csv; charset=utf-8";

/// What an import comes to.
#[derive(Default)]
struct Report {
    wrong: Vec<Trouble>,
    warnings: Vec<Trouble>,
    added: Vec<AccountId>,
    changed: Vec<(AccountId, Vec<String>)>,
    unchanged: usize,
    /// Accounts of the registry that the sheet does not name.
    elsewhere: usize,
}

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage {
    frame: Frame,
    seen: Option<Seen>,
    done: Option<String>,
}

/// A report as a page shows it.
struct Seen {
    name: String,
    encoding: &'static str,
    id: String,
    counts: [(&'static str, usize, &'static str); 4],
    wrong: Vec<String>,
    warnings: Vec<String>,
    added: Vec<String>,
    changed: Vec<String>,
    /// How many more of each there are.
    more_wrong: Option<usize>,
    more_warnings: Option<usize>,
    more_added: Option<usize>,
    more_changed: Option<usize>,
    /// How many rows would be taken.
    good: Option<usize>,
    elsewhere: Option<usize>,
}

pub(super) async fn show(Extension(visit): Extension<Arc<Visit>>) -> Response {
    page(&ImportPage { frame: Frame::of(&visit), seen: None, done: None })
}

/// Asks the office what would come of rows, in batches. The rows that are well are answered.
async fn look(console: &Console, visit: &Visit, bytes: &[u8]) -> Result<(Report, Vec<Row>, &'static str), OfficeError> {
    let Sheet { rows, problems, warnings, encoding } = sheet::read(bytes);
    let mut report = Report { wrong: problems, warnings, ..Report::default() };
    let mut good = Vec::new();
    let rows: Vec<_> = rows
        .into_iter()
        .map(|row| (row.line, Row { entry: row.entry, password: row.password, disabled: row.disabled }))
        .collect();
    let how = How { dry_run: true, ..How::default() };
    for some in rows.chunks(BATCH) {
        let told = some.iter().map(|(_, row)| row.clone()).collect();
        let outcomes = console.parts.office.tell(told, how, &visit.by()).await?;
        for ((line, row), Outcome { account, turned }) in some.iter().zip(outcomes) {
            match turned {
                Turned::Added => report.added.push(account),
                Turned::Changed(keys) => report.changed.push((account, keys)),
                Turned::Unchanged => report.unchanged += 1,
                Turned::Wrong(words) => {
                    let (column, en, zh) = (account.to_string(), words.en, words.zh);
                    report.wrong.push(Trouble { line: *line, column, en, zh });
                    continue;
                }
            }
            good.push(row.clone());
        }
    }
    report.wrong.sort_by_key(|trouble| trouble.line);
    let named = good.len() - report.added.len();
    report.elsewhere = registered(console).await?.len().saturating_sub(named);
    Ok((report, good, encoding.name()))
}

/// All accounts of the registry.
async fn registered(console: &Console) -> Result<Vec<Registered>, OfficeError> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let wanted = Wanted { after: after.take(), most: SLICE, ..Wanted::default() };
        let listing = console.parts.office.list(wanted).await?;
        all.extend(listing.accounts.into_iter().map(|listed| listed.account));
        match listing.next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}

/// Looks a sheet through; changes nothing.
pub(super) async fn upload(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    let Some(bytes) = visit.form.bytes("sheet").filter(|bytes| !bytes.is_empty()) else {
        return fault(
            &visit,
            StatusCode::BAD_REQUEST,
            "没有选择文件，或文件是空的。",
            "No file was chosen, or it is empty.",
        );
    };
    let (report, rows, encoding) = match look(&console, &visit, bytes).await {
        Ok(looked) => looked,
        Err(reason) => return declined(&visit, &reason),
    };
    let name: String = visit.form.text("sheet-name").chars().filter(|c| !c.is_control()).take(100).collect();
    let (id, good) = (digits(), rows.len());
    let session = visit.user.as_ref().and_then(|user| user.session);
    let at = console.parts.clock.steady();
    let upload = Upload { session, at, name: name.clone(), rows, wrong: report.wrong.len() };
    console.uploads.lock().unwrap_or_else(PoisonError::into_inner).keep(id.clone(), upload);
    let seen = Some(seen(&report, (name, encoding, id, good), visit.lang));
    page(&ImportPage { frame: Frame::of(&visit), seen, done: None })
}

/// Nothing where there is none.
fn some(count: usize) -> Option<usize> {
    (count > 0).then_some(count)
}

fn seen(report: &Report, (name, encoding, id, good): (String, &'static str, String, usize), lang: Lang) -> Seen {
    let troubles = |list: &[Trouble]| list.iter().take(SHOWN).map(|trouble| trouble.text(lang)).collect();
    let over = |count: usize| some(count.saturating_sub(SHOWN));
    let count = |word, count, tone| (word, count, if count > 0 { tone } else { "" });
    Seen {
        name,
        encoding,
        id,
        counts: [
            count(lang.pick("新增", "added"), report.added.len(), "good"),
            count(lang.pick("修改", "changed"), report.changed.len(), "warn"),
            count(lang.pick("不变", "unchanged"), report.unchanged, ""),
            count(lang.pick("有误", "wrong"), report.wrong.len(), "bad"),
        ],
        wrong: troubles(&report.wrong),
        warnings: troubles(&report.warnings),
        added: report.added.iter().take(SHOWN).map(ToString::to_string).collect(),
        changed: report
            .changed
            .iter()
            .take(SHOWN)
            .map(|(account, keys)| format!("{account}{}{}", lang.pick("：", ": "), keys.join(", ")))
            .collect(),
        more_wrong: over(report.wrong.len()),
        more_warnings: over(report.warnings.len()),
        more_added: over(report.added.len()),
        more_changed: over(report.changed.len()),
        good: some(good - report.unchanged),
        elsewhere: some(report.elsewhere),
    }
}

/// Takes rows over, in batches: how many were added and changed. Into the audit, each and as a whole.
async fn take(console: &Console, visit: &Visit, name: &str, rows: &[Row]) -> Result<(usize, usize), OfficeError> {
    let (mut added, mut changed, mut wrong) = (0_usize, 0_usize, 0_usize);
    for some in rows.chunks(BATCH) {
        let how = How { partial: true, ..How::default() };
        for outcome in console.parts.office.tell(some.to_vec(), how, &visit.by()).await? {
            match outcome.turned {
                Turned::Added => added += 1,
                Turned::Changed(_) => changed += 1,
                Turned::Unchanged => {}
                Turned::Wrong(_) => wrong += 1,
            }
        }
    }
    let deed = Deed::done(What::AccountImport, name)
        .with("added", added.to_string())
        .with("changed", changed.to_string())
        .with("wrong", wrong.to_string());
    console.note(&visit.by(), deed).await?;
    Ok((added, changed))
}

/// Takes over a sheet that was looked through.
pub(super) async fn apply(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    let session = visit.user.as_ref().and_then(|user| user.session);
    let now = console.parts.clock.steady();
    let upload = {
        let mut uploads = console.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        uploads.take(visit.form.text("id"), session, now)
    };
    let Some(upload) = upload else {
        return fault(
            &visit,
            StatusCode::CONFLICT,
            "检查结果已过期，或已经导入过。请重新上传文件。",
            "This report is too old, or was applied already. Upload the file again.",
        );
    };
    if upload.wrong > 0 && visit.form.text("partial") != "yes" {
        return fault(
            &visit,
            StatusCode::BAD_REQUEST,
            "文件中有错误，未作任何更改。请改正后重新上传，或选择跳过有误的行。",
            "The file has mistakes; nothing was changed. Correct them and upload it again, or choose to skip those lines.",
        );
    }
    match take(&console, &visit, &upload.name, &upload.rows).await {
        Ok((added, changed)) => {
            let done = match visit.lang {
                Lang::ZhCn => format!("导入完成：新增 {added}，修改 {changed}。"),
                Lang::En => format!("Imported: {added} added, {changed} changed."),
            };
            page(&ImportPage { frame: Frame::of(&visit), seen: None, done: Some(done) })
        }
        Err(reason) => declined(&visit, &reason),
    }
}

/// The empty form.
pub(super) async fn template(Extension(visit): Extension<Arc<Visit>>) -> Response {
    reply::file(CSV, "mailbell-template.csv", sheet::template(visit.lang))
}

/// The registry as a sheet.
pub(super) async fn export(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    let all = match registered(&console).await {
        Ok(all) => all,
        Err(reason) => return declined(&visit, &reason),
    };
    let deed = Deed::done(What::AccountExport, "").with("accounts", all.len().to_string());
    if let Err(reason) = console.note(&visit.by(), deed).await {
        return declined(&visit, &reason);
    }
    reply::file(CSV, "mailbell-accounts.csv", sheet::write(all.iter(), visit.lang))
}

/// The same for programs: `?dry_run=true` only looks, `?partial=true` skips lines that are wrong.
pub(super) async fn api(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    let (report, rows, encoding) = match look(&console, &visit, &visit.body).await {
        Ok(looked) => looked,
        Err(reason) => return declined(&visit, &reason),
    };
    let asked = |name: &str| visit.query.text(name) == "true";
    let goes = !asked("dry_run") && (report.wrong.is_empty() || asked("partial"));
    if goes && let Err(reason) = take(&console, &visit, "api", &rows).await {
        return declined(&visit, &reason);
    }
    let troubles = |list: &[Trouble]| {
        let one = |t: &Trouble| json!({ "line": t.line, "column": t.column, "en": t.en, "zh": t.zh });
        list.iter().map(one).collect::<Vec<_>>()
    };
    let changed = report.changed.iter().map(|(account, keys)| json!({ "account": account, "keys": keys }));
    reply::json_of(&json!({
        "applied": goes,
        "encoding": encoding,
        "added": report.added,
        "changed": changed.collect::<Vec<_>>(),
        "unchanged": report.unchanged,
        "not_named": report.elsewhere,
        "wrong": troubles(&report.wrong),
        "warnings": troubles(&report.warnings),
    }))
}
