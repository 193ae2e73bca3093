//! What `check` found: a line of its table, and what of all that is to be done first.

use super::table::plain;
use crate::model::Lang;
use serde::Serialize;
use serde_json::json;

/// So many steps are told; who has done them asks again.
const STEPS_TOLD: usize = 5;
/// So many subjects are named in one line.
const SUBJECTS_NAMED: usize = 5;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// All is well.
    Ok,
    /// It works, but somebody should know.
    Warning,
    /// It does not work.
    Failed,
}

/// What is to be done in the WeCom console, in the order in which it has to be done: without the first nothing of the
/// later ones can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Nothing answers.
    Network,
    /// corp_id, agent_id, secret.
    Credentials,
    /// 企业可信IP.
    TrustedIp,
    /// The app is stopped.
    EnableApp,
    /// 可见范围.
    VisibleRange,
    /// Members who have left or are disabled.
    Members,
    /// The secret of contacts sync.
    ContactsSecret,
    /// 可信域名, for signing in to the console.
    TrustedDomain,
    /// 应用主页.
    HomePage,
    /// 账号上限数.
    AccountCap,
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// What was tried: `config`, `store`, `wecom token`, an address.
    pub(super) subject: String,
    pub(super) text: String,
    /// What to do; empty when all is well.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) advice: String,
    /// The same as a step among others, in one line with its click path.
    #[serde(skip)]
    pub(super) first: Option<(Step, String)>,
}

impl Finding {
    pub(super) fn ok(subject: &str, text: impl Into<String>) -> Self {
        let (subject, text) = (subject.to_owned(), text.into());
        Self { level: Level::Ok, subject, text, advice: String::new(), first: None }
    }

    pub(super) fn failed(subject: &str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Failed, advice: advice.into(), ..Self::ok(subject, text) }
    }

    pub(super) fn warning(subject: &str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Warning, ..Self::failed(subject, text, advice) }
    }

    /// The same, with what is to be done as a step.
    pub(super) fn first(self, step: Step, text: impl Into<String>) -> Self {
        Self { first: Some((step, text.into())), ..self }
    }
}

/// What to do first: the steps of what fails; then what else fails, by its subject; then the steps of what is warned of.
/// Nothing where no step fails: then each line says it well enough alone.
fn first_steps(findings: &[Finding], lang: Lang) -> Vec<String> {
    let mut told = steps(findings, Level::Failed);
    if told.is_empty() {
        return told;
    }
    let mut others: Vec<&str> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.level == Level::Failed && finding.first.is_none()) {
        if !others.contains(&finding.subject.as_str()) {
            others.push(&finding.subject);
        }
    }
    if !others.is_empty() {
        let named = others.iter().take(SUBJECTS_NAMED).copied().collect::<Vec<_>>().join(", ");
        let dots = if others.len() > SUBJECTS_NAMED { " ..." } else { "" };
        told.push(match lang {
            Lang::ZhCn => format!("再按各行的提示处理其余 {} 项：{named}{dots}", others.len()),
            Lang::En => format!("then the other {}, each by what its line says: {named}{dots}", others.len()),
        });
    }
    told.extend(steps(findings, Level::Warning));
    told.truncate(STEPS_TOLD);
    told
}

/// The steps of one level, each once, in their order.
fn steps(findings: &[Finding], level: Level) -> Vec<String> {
    let of_level = findings.iter().filter(|finding| finding.level == level);
    let mut steps: Vec<_> = of_level.filter_map(|finding| finding.first.clone()).collect();
    steps.sort();
    steps.dedup();
    steps.into_iter().map(|(_, text)| text).collect()
}

/// Prints them: a table, or JSON.
pub(super) fn print(findings: &[Finding], json: bool, lang: Lang) {
    let first = first_steps(findings, lang);
    if json {
        let all = json!({ "findings": findings, "first": first });
        println!("{}", serde_json::to_string_pretty(&all).unwrap_or_default());
        return;
    }
    for finding in findings {
        let sign = match finding.level {
            Level::Ok => lang.pick("[正常]", "[ok]     "),
            Level::Warning => lang.pick("[注意]", "[warning]"),
            Level::Failed => lang.pick("[失败]", "[failed] "),
        };
        println!("{sign} {}: {}", finding.subject, plain(&finding.text));
        if !finding.advice.is_empty() {
            let lines: Vec<_> = finding.advice.lines().map(plain).collect();
            println!("         → {}", lines.join("\n           "));
        }
    }
    if !first.is_empty() {
        println!("\n{}", lang.pick("先做这些：", "What to do first:"));
        for (at, step) in first.iter().enumerate() {
            println!("{}. {}", at + 1, plain(step));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn what_blocks_the_rest_comes_first_and_each_step_once() {
        let findings = [
            Finding::warning("a", "", "").first(Step::AccountCap, "cap"),
            Finding::failed("b", "", "").first(Step::VisibleRange, "range"),
            Finding::failed("b", "", "").first(Step::VisibleRange, "range"),
            Finding::ok("c", "").first(Step::Network, "never"),
            Finding::failed("d", "", "").first(Step::TrustedIp, "ip"),
            Finding::failed("z@corp.example", "", ""),
            Finding::failed("z@corp.example", "", ""),
        ];
        let told = first_steps(&findings, Lang::En);
        assert_eq!(told, ["ip", "range", "then the other 1, each by what its line says: z@corp.example", "cap"]);
        assert!(first_steps(&findings[5..], Lang::En).is_empty() && first_steps(&findings[..1], Lang::En).is_empty());
    }
}
