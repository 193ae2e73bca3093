//! The columns that a sheet can have, and the names under which people know them.

use super::cell::is_blank;
use crate::model::Lang;
use unicode_normalization::UnicodeNormalization;

/// The longest cell that may be a name, in bytes.
const LONGEST: usize = 200;

/// What a column means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    User,
    Email,
    Provider,
    Host,
    Port,
    Tls,
    Login,
    Password,
    Oauth,
    Folders,
    Recipients,
    Mode,
    Note,
    State,
}

/// English name, Chinese name, and other spellings as [`folded`] leaves them, with blanks between them.
type Names = (&'static str, &'static str, &'static str);

/// What columns are called.
static NAMES: &[(Column, Names)] = &[
    (
        Column::User,
        (
            "userid",
            "成员账号",
            "user wecomid wecomuserid memberid 成员帐号 成員帳號 帳號 账号 帐号 成员 成员id 用户id \
                 企业微信账号 企业微信帐号 企业微信id 企微账号 企微id",
        ),
    ),
    (
        Column::Email,
        (
            "email",
            "邮箱",
            "mail emailaddress mailaddress mailbox address 邮箱地址 电子邮箱 电子邮件 电子邮件地址 \
                 邮件地址 邮箱账号 邮箱帐号 企业邮箱 郵箱 電子郵件 郵件地址 邮件",
        ),
    ),
    (Column::Provider, ("provider", "服务商", "mailprovider 邮箱服务商 邮件服务商 邮箱类型")),
    (
        Column::Host,
        (
            "host",
            "服务器",
            "server imaphost imapserver hostname imap服务器 收件服务器 服务器地址 imap服务器地址 \
                 收信服务器 主机 伺服器",
        ),
    ),
    (Column::Port, ("port", "端口", "imapport 端口号 連接埠 imap端口 服务器端口")),
    (Column::Tls, ("tls", "加密", "ssl ssltls tlsssl encryption security 加密方式 安全连接")),
    (Column::Login, ("login", "登录名", "loginname 登陆名 登录账号 登录帐号 登录用户名 imap登录名 imap用户名")),
    (
        Column::Password,
        (
            "password",
            "密码",
            "pass passwd pwd authcode apppassword 密碼 口令 授权码 授权密码 邮箱密码 登录密码 专用密码 \
                 客户端密码 客户端专用密码 应用专用密码 密码授权码",
        ),
    ),
    (Column::Oauth, ("oauth", "OAuth", "oauth2 oauth来源 oauth名称")),
    (Column::Folders, ("folders", "文件夹", "folder watchedfolders 监控文件夹 关注文件夹 邮箱文件夹 邮件夹")),
    (Column::Recipients, ("recipients", "接收人", "recipient notify 接收者 接收成员 提醒接收人 通知人")),
    (Column::Mode, ("mode", "模式", "watchmode 监听模式 监控模式 连接方式")),
    (Column::Note, ("note", "备注", "notes remark remarks comment 说明 备注说明 註記")),
    (Column::State, ("state", "状态", "status enabled enable active 启用 是否启用 启用状态 账号状态 帐号状态")),
];

impl Column {
    /// All, in the order in which they are written.
    pub const ALL: [Self; 14] = [
        Self::User,
        Self::Email,
        Self::Provider,
        Self::Password,
        Self::Folders,
        Self::Recipients,
        Self::Host,
        Self::Port,
        Self::Tls,
        Self::Login,
        Self::Oauth,
        Self::Mode,
        Self::Note,
        Self::State,
    ];

    fn names(self) -> Names {
        NAMES.iter().find(|(column, _)| *column == self).map_or(("", "", ""), |(_, names)| *names)
    }

    /// Its name in the header that mailbell writes.
    pub fn name(self, lang: Lang) -> &'static str {
        let (en, zh, _) = self.names();
        lang.pick(zh, en)
    }

    /// What a cell of the header means: a name of [`Self::ALL`] in any case, width and spelling, alone, or in two languages.
    pub fn of(header: &str) -> Option<Self> {
        // The lines of accounts are looked at too where the header is searched, and passwords stand in them.
        if header.len() > LONGEST {
            return None;
        }
        // An address is none, but may be an example behind a name.
        let header = match header.split_once(['(', '（', '[', '【']) {
            Some((name, example)) if example.contains('@') => name,
            _ => header,
        };
        if header.contains('@') {
            return None;
        }
        let header: String = header.nfkc().collect();
        if let Some(column) = Self::known(&header) {
            return Some(column);
        }
        let mut parts =
            header.split(['/', '|', '(', ')', '[', ']', '【', '】', '\n', ' ']).filter(|part| !folded(part).is_empty());
        let first = parts.next().and_then(Self::known)?;
        // "email 邮箱" and "email (required)", but not "email sent".
        let bracketed = header.contains(['(', '[', '【']);
        let mut rest = parts.map(Self::known);
        rest.all(|other| other == Some(first) || (other.is_none() && bracketed)).then_some(first)
    }

    fn known(text: &str) -> Option<Self> {
        let text = folded(text);
        let is_one = |name: &str| name.eq_ignore_ascii_case(&text);
        Self::ALL.into_iter().find(|column| {
            let (en, zh, others) = column.names();
            is_one(en) || is_one(zh) || others.split_whitespace().any(|other| other == text)
        })
    }

    /// The name that a misspelt one most resembles, if any does.
    pub fn near(header: &str) -> Option<&'static str> {
        let text = folded(&header.nfkc().take(40).collect::<String>());
        let names = Self::ALL.into_iter().flat_map(|column| [column.names().0, column.names().1]);
        let scored = names.map(|name| (strsim::jaro_winkler(&text, &name.to_lowercase()), name));
        scored.filter(|(score, _)| *score >= 0.88).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
    }
}

/// In lower case, without blanks and the signs that people put into and around names.
fn folded(text: &str) -> String {
    let sign = |c: char| is_blank(c) || matches!(c, '_' | '-' | '*' | ':' | '.' | '"' | '\'' | '/' | '·');
    text.chars().filter(|c| !sign(*c)).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_means_one_column() {
        for column in Column::ALL {
            let (en, zh, others) = column.names();
            for name in [en, zh].into_iter().chain(others.split_whitespace()) {
                assert_eq!(Column::of(name), Some(column), "{name}");
                assert_eq!(Column::of(&name.to_uppercase()), Some(column), "{name}");
                assert_eq!(Column::of(&format!(" {name}* ")), Some(column), "{name}");
            }
            assert!(others.split_whitespace().all(|name| folded(name) == name), "{others:?}");
        }
    }

    #[test]
    fn names_are_known_in_the_forms_that_people_write() {
        for (header, column) in [
            ("User ID", Column::User),
            ("E-Mail", Column::Email),
            ("ＥＭＡＩＬ", Column::Email),
            ("邮箱（必填）", Column::Email),
            ("email/邮箱", Column::Email),
            ("邮箱 Email", Column::Email),
            ("成员账号(userid)", Column::User),
            ("密码\n（授权码）", Column::Password),
            ("IMAP 服务器", Column::Host),
            ("SSL/TLS", Column::Tls),
            ("端口：", Column::Port),
            ("邮箱（如 zhangsan@corp.example）", Column::Email),
        ] {
            assert_eq!(Column::of(header), Some(column), "{header}");
        }
        for header in [
            "",
            "姓名",
            "email sent",
            "密码更新时间",
            "userid/email",
            "username",
            "#状态",
            "13800138000",
            "mail@corp.example",
            "a@b(mail)",
        ] {
            assert_eq!(Column::of(header), None, "{header}");
        }
    }

    #[test]
    fn misspelt_names_are_guessed() {
        assert_eq!(Column::near("emial"), Some("email"));
        assert_eq!(Column::near("recipents"), Some("recipients"));
        assert_eq!(Column::near("姓名"), None);
    }
}
