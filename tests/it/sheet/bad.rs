//! One file per mistake, each with its sentences beside it, and that no sentence holds a password.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use super::SECRET;
use mailbell::model::Lang;
use mailbell::sheet::{self, Sheet, Trouble};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/sheets");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "csv")).collect();
    files.sort();
    assert!(files.len() >= 80, "only {} sheets found", files.len());
    files
}

fn name(file: &Path) -> &str {
    file.file_stem().unwrap().to_str().unwrap()
}

/// What is told of a file: its encoding, the lines that are used, and all sentences, first in English, then in Chinese.
fn told(sheet: &Sheet) -> String {
    let used: Vec<_> = sheet.rows.iter().map(|row| format!("{} {}", row.line, row.entry.email)).collect();
    let mut text = format!("{}; used: {}\n", sheet.encoding.name(), used.join(", "));
    for lang in [Lang::En, Lang::ZhCn] {
        for (kind, list) in [("wrong", &sheet.problems), ("warned", &sheet.warnings)] {
            text.extend(list.iter().map(|trouble| format!("{kind}: {}\n", trouble.text(lang))));
        }
    }
    text
}

/// `MAILBELL_UPDATE_SENTENCES=1` writes the sentences anew; then each is to be read by a person.
#[test]
fn each_bad_sheet_has_its_sentences() {
    let update = std::env::var_os("MAILBELL_UPDATE_SENTENCES").is_some();
    let mut differ = Vec::new();
    for file in files() {
        let sheet = sheet::read(&fs::read(&file).unwrap());
        assert!(!(sheet.problems.is_empty() && sheet.warnings.is_empty()), "{}: taken for good", file.display());
        let told = told(&sheet);
        let sentences = file.with_extension("txt");
        if update {
            fs::write(&sentences, &told).unwrap();
        }
        let wanted = fs::read_to_string(&sentences).unwrap_or_default();
        if wanted != told {
            differ.push(format!("{}\n--- wanted\n{wanted}--- told\n{told}", file.display()));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn a_mistake_is_told_once_and_its_line_is_not_used() {
    for file in files() {
        let sheet = sheet::read(&fs::read(&file).unwrap());
        let all: Vec<&Trouble> = sheet.problems.iter().chain(&sheet.warnings).collect();
        let places: HashSet<_> = all.iter().map(|told| (told.line, &told.column, &told.en)).collect();
        assert_eq!(places.len(), all.len(), "{}", file.display());
        if !["many", "column-unknown", "full-width", "blanks-around"].contains(&name(&file)) {
            assert!(sheet.problems.len() <= 2 && sheet.warnings.len() <= 2, "{}: {}", file.display(), told(&sheet));
        }
        assert!(sheet.problems.is_sorted_by_key(|told| told.line), "{}", file.display());
        assert!(sheet.warnings.is_sorted_by_key(|told| told.line), "{}", file.display());
        let wrong: HashSet<_> = sheet.problems.iter().map(|told| told.line).collect();
        assert!(sheet.rows.iter().all(|row| !wrong.contains(&row.line)), "{}", file.display());
    }
}

#[test]
fn no_password_stands_in_a_sentence() {
    for file in files() {
        let sheet = sheet::read(&fs::read(&file).unwrap());
        let all = format!("{sheet:?} {}", told(&sheet));
        assert!(!all.contains(SECRET), "{}: {all}", file.display());
    }
}

/// A member called "mail" makes no header of a line, and what is no header is not shown.
#[test]
fn no_password_stands_in_a_sentence_where_the_header_is_missing() {
    for text in [
        "mail,mail@corp.example,exmail,hunter2\n",
        "user,mail@corp.example,hunter2,notify\nmail,a@corp.example,hunter2,host\n",
        "mail,exmail,hunter2\n",
        "mail;mail,hunter2\n",
        "mail hunter2 user\n",
        "hunter2\n",
        "# mail,user,hunter2\n",
    ] {
        let sheet = sheet::read(text.as_bytes());
        assert!(!sheet.problems.is_empty() && !told(&sheet).contains(SECRET), "{text}: {}", told(&sheet));
    }
}

/// The sentences of each file, where the password is moved through all columns by delimiters that are missing or too many.
#[test]
fn no_password_stands_in_a_sentence_where_cells_are_shifted() {
    let line = [
        "zhangsan",
        "zhangsan@corp.example",
        "exmail",
        "s3cret pass",
        "INBOX",
        "",
        "",
        "993",
        "ssl",
        "",
        "",
        "",
        "note",
        "on",
    ];
    let header = "userid,email,provider,password,folders,recipients,host,port,tls,login,oauth,mode,note,state\n";
    for left_out in 0..line.len() - 1 {
        for joined in ["", " ", ",,", ",\","] {
            let text: String = (line.iter().enumerate())
                .map(|(at, cell)| {
                    format!(
                        "{cell}{}",
                        if at == left_out {
                            joined
                        } else if at + 1 == line.len() {
                            "\n"
                        } else {
                            ","
                        }
                    )
                })
                .collect();
            let sheet = sheet::read(format!("{header}{text}").as_bytes());
            assert!(!told(&sheet).contains("s3cret"), "{text}: {}", told(&sheet));
        }
    }
}
