//! What can go wrong with the store, told so that a person can mend it.

use crate::model::Lang;
use std::path::PathBuf;

/// Why the store did not do what it was asked. One line each, in English; [`StateError::text`] has both languages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Another process has it open.
    #[error("{}", self.text(Lang::En))]
    InUse(PathBuf),
    /// The directory cannot be made, read or written.
    #[error("{}", self.text(Lang::En))]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// What is stored cannot be read.
    #[error("{}", self.text(Lang::En))]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Written by a newer mailbell.
    #[error("{}", self.text(Lang::En))]
    Newer {
        /// Its format.
        found: u8,
        /// The newest format known.
        known: u8,
    },
    /// A write failed; nothing of it is to be relied on.
    #[error("{}", self.text(Lang::En))]
    Write(String),
    /// A stored record cannot be understood.
    #[error("{}", self.text(Lang::En))]
    Record(String),
    /// A page cannot be read, or reading it does not end. The store is marked, so that the next start does not open it.
    #[error("{}", self.text(Lang::En))]
    Stuck {
        /// The directory.
        path: PathBuf,
        /// What was found; `None`: reading does not end.
        reason: Option<String>,
    },
    /// A call to the disk does not end.
    #[error("{}", self.text(Lang::En))]
    Silent(PathBuf),
    /// The store was closed.
    #[error("{}", self.text(Lang::En))]
    Closed,
}

impl StateError {
    /// What happened, where, and what to do next.
    pub fn text(&self, lang: Lang) -> String {
        let (chinese, english) = match self {
            Self::InUse(path) => (
                format!("{}：另一个 mailbell 正在使用这个存储；先停止它，或为这一个另设 [state] path", path.display()),
                format!(
                    "{}: another mailbell is running on this store; stop it first, or give this one another [state] path",
                    path.display()
                ),
            ),
            Self::Directory { path, reason } => (
                format!("{}：{reason}；检查这个目录及其属主和权限", path.display()),
                format!("{}: {reason}; check this directory, its owner and its rights", path.display()),
            ),
            Self::Damaged { path, reason } => (
                format!(
                    "{0}：存储已损坏（{reason}）；用最近一次导出恢复：mailbell state import --replace 文件（导出在 {0}.exports），或将该目录移走重新开始：届时已在邮箱里的邮件不再提醒",
                    path.display()
                ),
                format!(
                    "{0}: the store is damaged ({reason}); restore its last export: mailbell state import --replace FILE (they are in {0}.exports), or move the directory away to begin anew: mail that is there by then is not announced",
                    path.display()
                ),
            ),
            Self::Newer { found, known } => (
                format!("存储的格式是 {found}，这个 mailbell 只认识到 {known}：请使用写入它的较新的 mailbell"),
                format!(
                    "the store has format {found}, this mailbell knows {known}: use the newer mailbell that wrote it"
                ),
            ),
            Self::Write(reason) => (
                format!("存储无法写入：{reason}；请腾出磁盘空间，或查看磁盘出了什么问题"),
                format!(
                    "the store cannot be written: {reason}; free some space on its disk, or see what is wrong with it"
                ),
            ),
            Self::Record(reason) => (
                format!("存储中有一条无法读取的记录：{reason}"),
                format!("the store holds a record that cannot be read: {reason}"),
            ),
            Self::Stuck { path, reason } => {
                let why = |endless| reason.as_deref().unwrap_or(endless);
                (
                    format!(
                        "{}：存储中有一页已损坏（{}）；mailbell 退出。请重新启动（systemd 会自动重启）：届时该目录会被移到一旁，不会删除",
                        path.display(),
                        why("读取不会结束")
                    ),
                    format!(
                        "{}: a page of the store is damaged ({}); mailbell stops. Start it again (systemd does): this directory is then moved aside, not deleted",
                        path.display(),
                        why("reading it does not end")
                    ),
                )
            }
            Self::Silent(path) => (
                format!("{}：磁盘没有响应；mailbell 退出。请查看系统日志（dmesg），然后重新启动", path.display()),
                format!(
                    "{}: the disk does not answer; mailbell stops. Look into the system's log (dmesg), then start it again",
                    path.display()
                ),
            ),
            Self::Closed => ("存储已关闭".to_owned(), "the store is closed".to_owned()),
        };
        match lang {
            Lang::ZhCn => chinese,
            Lang::En => english,
        }
    }
}
