//! One file per mistake, each with its sentences beside it, and that no sentence holds a secret.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use super::{SECRET, env, good, smallest_with};
use mailbell::config::{self, Problem, Problems};
use mailbell::model::Lang;
use std::fs;
use std::path::{Path, PathBuf};

fn bad_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/config/bad")
}

fn bad_files() -> Vec<PathBuf> {
    let entries = fs::read_dir(bad_folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    assert!(files.len() >= 45, "only {} bad configs found", files.len());
    files
}

/// The mistakes of a bad file as its sentences are written: `LINE: KEY: SENTENCE`, first all in English, then all in
/// Chinese, with FOLDER in place of the folder's path.
fn told(problems: &Problems) -> String {
    let folder = bad_folder().display().to_string();
    let line = |problem: &Problem, said: &str| {
        let key = if problem.key.is_empty() { String::new() } else { format!("{}: ", problem.key) };
        format!("{}: {key}{said}\n", problem.line).replace(&folder, "FOLDER")
    };
    let en = problems.list.iter().map(|problem| line(problem, &problem.en));
    let zh = problems.list.iter().map(|problem| line(problem, &problem.zh));
    en.chain(zh).collect()
}

fn bad(file: &Path) -> Problems {
    let text = fs::read_to_string(file).unwrap();
    match config::load_text(file, &text, &env) {
        Ok(_) => panic!("{} was taken for good", file.display()),
        Err(problems) => problems,
    }
}

/// `MAILBELL_UPDATE_SENTENCES=1` writes the sentences anew; then each is to be read by a person.
#[test]
fn each_bad_file_fails_with_its_sentences() {
    let update = std::env::var_os("MAILBELL_UPDATE_SENTENCES").is_some();
    let mut differ = Vec::new();
    for file in bad_files() {
        let told = told(&bad(&file));
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
fn a_mistake_in_one_place_is_told_once() {
    let many = ["many.toml", "many-syntax.toml", "account-subscription-conditions.toml", "people-and-times.toml"];
    for file in bad_files() {
        let problems = bad(&file);
        let places: std::collections::HashSet<_> =
            problems.list.iter().map(|problem| (problem.line, &problem.key, &problem.en)).collect();
        assert_eq!(places.len(), problems.list.len(), "{}", file.display());
        if !many.contains(&file.file_name().unwrap().to_str().unwrap()) {
            assert!(problems.list.len() <= 2, "{}: {}", file.display(), problems.text(Lang::En));
        }
        let lines: Vec<_> = problems.list.iter().map(|problem| problem.line).collect();
        assert!(lines.is_sorted(), "{}", file.display());
    }
}

#[test]
fn no_secret_stands_in_a_message() {
    for file in bad_files() {
        let problems = bad(&file);
        let all = format!("{problems:?} {} {}", problems.text(Lang::En), problems.text(Lang::ZhCn));
        assert!(!all.contains(SECRET), "{all}");
    }
    let text = smallest_with("[wecom]", "proxy = \"http://me:hunter2@10.0.0.5:3128\"");
    assert!(!format!("{:?}", good(&text)).contains(SECRET));
}
