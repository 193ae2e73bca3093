//! Which subscriptions pass a letter by, each with the first thing that does not fit: for people and for programs.

use crate::config::Subscription;
use crate::model::{Lang, Letter};
use crate::rules::pattern;
use crate::watch::{Passed, passed};
use serde_json::{Value, json};

/// The subscriptions before the one that takes a letter from a folder (by its name for people), or all where none does.
pub(super) fn before(subscriptions: &[Subscription], folder: &str, letter: &Letter) -> Vec<(usize, Passed)> {
    passed(subscriptions, |subscription| pattern::takes(&subscription.folders, &[folder], &[]), letter).0
}

/// In one line; `None` where there is nothing to tell.
pub(super) fn line(passed: &[(usize, Passed)], lang: Lang) -> Option<String> {
    let one = |(place, why): &(usize, Passed)| match (why, lang) {
        (Passed::Folder, Lang::ZhCn) => format!("订阅 {} 不含该文件夹", place + 1),
        (Passed::Folder, Lang::En) => format!("subscription {} does not take the folder", place + 1),
        (Passed::Condition(key), Lang::ZhCn) => format!("订阅 {} 的条件 {key} 不符", place + 1),
        (Passed::Condition(key), Lang::En) => format!("{key} of subscription {} does not fit", place + 1),
    };
    let said: Vec<_> = passed.iter().map(one).collect();
    (!said.is_empty()).then(|| said.join(lang.pick("；", "; ")))
}

/// As JSON.
pub(super) fn json(passed: &[(usize, Passed)]) -> Vec<Value> {
    let one = |(place, why): &(usize, Passed)| {
        let why = match why {
            Passed::Folder => "folders",
            Passed::Condition(key) => key,
        };
        json!({ "subscription": place + 1, "failed": why })
    };
    passed.iter().map(one).collect()
}
