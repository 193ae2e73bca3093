//! Random texts and changed examples: nothing panics, and no secret leaks.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use super::{SMALLEST, env, example, load};
use mailbell::config;
use mailbell::model::Lang;
use proptest::prelude::*;
use std::path::Path;

/// What may be put into the example: pieces that mean something to the reader, and noise.
fn piece() -> impl Strategy<Value = String> {
    let words: Vec<String> = [
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "\"",
        "'",
        "\"\"\"",
        "=",
        " = ",
        ",",
        ".",
        "\n",
        "\\",
        "#",
        "\u{feff}",
        "“",
        "[wecom]\n",
        "[[account]]\n",
        "[account.x]\n",
        "[provider.x]\n",
        "[provider]\n",
        "wecom = 1\n",
        "-1",
        "0",
        "99999999999999999999999",
        "1.5",
        "true",
        "1979-05-27",
        "\"0s\"",
        "\"999999999999h\"",
        "[]",
        "{}",
        "{ env = 1 }",
        "{ file = \"\\u0000\" }",
        "{ env = \"\" }",
        "\"\\u0000\"",
        "host",
        "tls = \"none\"\n",
        "folders = [\"!\"]\n",
    ]
    .map(str::to_owned)
    .to_vec();
    prop_oneof![proptest::sample::select(words), "\\PC{0,8}", "[\\x00-\\x7f]{0,8}"]
}

/// Every value of the example behind a key, replaced by something else now and then.
fn mutated() -> impl Strategy<Value = String> {
    let change = (any::<proptest::sample::Index>(), 0usize..40, piece());
    proptest::collection::vec(change, 1..8).prop_map(|changes| {
        let mut text: Vec<char> = example().chars().collect();
        for (index, cut, piece) in changes {
            let at = index.index(text.len() + 1);
            let end = (at + cut).min(text.len());
            text.splice(at..end, piece.chars());
        }
        text.into_iter().collect()
    })
}

fn never_panics(text: &str) -> Result<(), TestCaseError> {
    let file = Path::new("/nonexistent/mailbell.toml");
    if let Err(problems) = config::load_text(file, text, &env) {
        prop_assert!(!problems.list.is_empty());
        let last = text.lines().count() + 1;
        for problem in &problems.list {
            prop_assert!(problem.line <= last && !problem.en.is_empty() && !problem.zh.is_empty());
            prop_assert!(!problem.line_for(file, Lang::En).contains('\n'));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn random_text_never_panics(text in "\\PC{0,200}|([\\[\\]{}=\"'a-c.#,\\n 0-9\\\\-]{0,200})") {
        never_panics(&text)?;
    }

    #[test]
    fn a_changed_example_never_panics(text in mutated()) {
        never_panics(&text)?;
    }

    #[test]
    fn a_secret_never_leaks_however_it_is_mistyped(
        secret in "[a-zA-Z]{12}[a-zA-Z0-9\"'\\\\=#\\[\\]{}, ]{0,10}[a-zA-Z]{4}",
        open in "[\"'{\\[(“]{0,2}",
        close in "[\"'}\\])”]{0,2}",
    ) {
        let text = SMALLEST.replace("{ env = \"MAILBELL_WECOM_SECRET\" }", &format!("{open}{secret}{close}"));
        if let Err(problems) = load(&text) {
            let all = format!("{problems:?}");
            prop_assert!(!all.contains(&secret[..12]), "{}", all);
        }
    }
}
