//! What the office says when it does not do something.

use crate::config::Problem;
use crate::model::{AccountId, Lang};
use crate::state::StateError;
use crate::vault::VaultError;
use serde::{Deserialize, Serialize};

/// A sentence in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

impl Words {
    /// The same in both.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }

    /// In this language.
    pub fn text(&self, lang: Lang) -> &str {
        lang.pick(&self.zh, &self.en)
    }

    /// All these, each with its key.
    pub(super) fn of(problems: &[Problem]) -> Self {
        // The file's words for a missing password name ways that the registry does not have.
        let problems: Vec<_> = problems.iter().map(in_the_registry).collect();
        let with_key = |problem: &Problem, text: &str| match problem.key.as_str() {
            "" => text.to_owned(),
            key => format!("{key}: {text}"),
        };
        let zh: Vec<_> = problems.iter().map(|problem| with_key(problem, &problem.zh)).collect();
        let en: Vec<_> = problems.iter().map(|problem| with_key(problem, &problem.en)).collect();
        Self { zh: zh.join("；"), en: en.join("; ") }
    }

    /// Why no password can be stored or opened.
    pub(super) fn no_vault() -> Self {
        Self::new(
            "没有主密钥，不能保存密码：先执行 mailbell vault new-key /etc/mailbell/master.key，再在配置中写 [vault] master_key = { file = \"/etc/mailbell/master.key\" }",
            "no master key, so no password can be stored: run mailbell vault new-key /etc/mailbell/master.key, then write [vault] master_key = { file = \"/etc/mailbell/master.key\" } into the config",
        )
    }
}

fn in_the_registry(problem: &Problem) -> Problem {
    if problem.key != "password" {
        return problem.clone();
    }
    let en = "missing; give a password (--password-stdin, or the sheet's column), or oauth with an [oauth.NAME] of the config, or a provider with master_user";
    let zh = "缺少密码；请给出密码（--password-stdin 或表格的密码列），或填写 oauth（配置中的 [oauth.名称]），或使用带 master_user 的服务商";
    Problem { en: en.to_owned(), zh: zh.to_owned(), ..problem.clone() }
}

/// Why the office did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfficeError {
    /// The store.
    #[error(transparent)]
    State(#[from] StateError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The audit cannot be written, so nothing was done.
    #[error("the audit cannot be written, so nothing was changed: {0}")]
    Audit(String),
    /// The registry has no such account.
    #[error("{}", self.words().en)]
    Unknown(AccountId),
    /// The account is the file's.
    #[error("{}", self.words().en)]
    OfFile(AccountId),
    /// No service runs that could do it.
    #[error("{}", self.words().en)]
    NotRunning,
    /// No password can be stored.
    #[error("{}", self.words().en)]
    NoVault,
    /// What was asked makes no sense.
    #[error("{}", .0.en)]
    Wrong(Words),
    /// A fault of mailbell's.
    #[error("{0}")]
    Failed(String),
}

impl OfficeError {
    /// What happened and what to do next.
    pub fn words(&self) -> Words {
        match self {
            Self::State(error) => Words::new(error.text(Lang::ZhCn), error.text(Lang::En)),
            Self::Vault(error) => Words::new(error.text(Lang::ZhCn), error.text(Lang::En)),
            Self::Audit(why) => Words::new(
                format!("无法写入审计记录，未作任何更改：{why}；检查 [audit] path 所在磁盘的空间和权限"),
                format!(
                    "the audit cannot be written, so nothing was changed: {why}; look at space and rights where [audit] path is"
                ),
            ),
            Self::Unknown(account) => Words::new(
                format!("登记的账号中没有 {account}；mailbell account list 可列出全部"),
                format!("the registry has no account {account}; mailbell account list shows all"),
            ),
            Self::OfFile(account) => Words::new(
                format!("{account} 写在配置文件中：请在那里修改，再发 SIGHUP"),
                format!("{account} stands in the config file: change it there, then send SIGHUP"),
            ),
            Self::NotRunning => Words::new("没有运行中的服务可以执行", "no service is running that could do this"),
            Self::NoVault => Words::no_vault(),
            Self::Wrong(words) => words.clone(),
            Self::Failed(why) => Words::new(
                format!("mailbell 内部错误，请报告：{why}"),
                format!("a fault of mailbell's, please report it: {why}"),
            ),
        }
    }
}
