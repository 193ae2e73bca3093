//! Sheets as mailbell writes them: what is registered, and the empty form to fill in.

use super::cell::guarded;
use super::column::Column;
use super::list;
use crate::model::{Entry, Lang, Registered, Standing, Timestamp};
use csv::{Terminator, WriterBuilder};

/// A spreadsheet in China takes a file without this mark for GBK.
const MARK: &str = "\u{feff}";

/// Further columns of an export; reading leaves them out.
const FURTHER: [(&str, &str); 6] = [
    ("#password", "#密码"),
    ("#state", "#状态"),
    ("#since", "#状态自"),
    ("#why", "#停用原因"),
    ("#added", "#添加时间"),
    ("#changed", "#更改时间"),
];

/// A sheet of these accounts: UTF-8 with its mark, CRLF, the header in `lang`, never a password. [`super::read`] gives
/// the same entries back, provided that they were in form. What only tells about an account (whether there is a password,
/// its standing, times) stands in columns whose names begin with `#`, and means nothing to [`super::read`].
pub fn write<'r>(rows: impl Iterator<Item = &'r Registered>, lang: Lang) -> Vec<u8> {
    let written = || Column::ALL.into_iter().filter(|column| !matches!(column, Column::Password | Column::State));
    let mut lines = Lines::new();
    let further = FURTHER.map(|(en, zh)| lang.pick(zh, en).to_owned());
    lines.push(written().map(|column| column.name(lang).to_owned()).chain(further));
    for row in rows {
        let told = written().map(|column| guarded(cell(&row.entry, column)));
        lines.push(told.chain(further_cells(row, lang).map(guarded)));
    }
    lines.finish()
}

/// The form to fill in: the header, and two examples behind `#`.
pub fn template(lang: Lang) -> Vec<u8> {
    let mut lines = Lines::new();
    lines.push(Column::ALL.into_iter().map(|column| column.name(lang).to_owned()));
    let examples: [&[(Column, &str, &str)]; 2] = [
        &[
            (Column::User, "#zhangsan", "#zhangsan"),
            (Column::Email, "zhangsan@corp.example", "zhangsan@corp.example"),
            (Column::Provider, "exmail", "exmail"),
            (Column::Folders, "INBOX;项目/*;!项目/归档", "INBOX;Projects/*;!Projects/Archive"),
            (
                Column::Note,
                "张三，财务部（去掉行首的 # 才生效；密码列填写授权码）",
                "Zhang San, finance (a line counts without its #)",
            ),
            (Column::State, "启用", "enabled"),
        ],
        &[
            (Column::User, "#", "#"),
            (Column::Email, "sales@corp.example", "sales@corp.example"),
            (Column::Recipients, "lisi;party:12;tag:3", "lisi;party:12;tag:3"),
            (Column::Host, "imap.corp.example", "imap.corp.example"),
            (Column::Port, "993", "993"),
            (Column::Tls, "implicit", "implicit"),
            (Column::Note, "公共邮箱：成员账号留空，填写接收人", "a shared mailbox: recipients in place of a userid"),
            (Column::State, "启用", "enabled"),
        ],
    ];
    for example in examples {
        lines.push(Column::ALL.into_iter().map(|column| {
            let found = example.iter().find(|(of, ..)| *of == column);
            found.map_or_else(String::new, |(_, zh, en)| lang.pick(zh, en).to_owned())
        }));
    }
    lines.finish()
}

/// What a cell says of an entry.
fn cell(entry: &Entry, column: Column) -> String {
    match column {
        Column::User => entry.user.clone(),
        Column::Email => entry.email.clone(),
        Column::Provider => entry.provider.clone(),
        Column::Host => entry.host.clone(),
        Column::Port => entry.port.map_or_else(String::new, |port| port.to_string()),
        Column::Tls => entry.tls.clone(),
        Column::Login => entry.login.clone(),
        Column::Oauth => entry.oauth.clone(),
        Column::Folders => list::join(&entry.folders),
        Column::Recipients => list::join(&entry.recipients),
        Column::Mode => entry.mode.clone(),
        Column::Note => entry.note.clone(),
        Column::Password | Column::State => String::new(),
    }
}

fn further_cells(row: &Registered, lang: Lang) -> [String; 6] {
    let time = |at: Timestamp| at.to_string();
    let (since, why) = match &row.standing {
        Standing::Enabled => (String::new(), String::new()),
        Standing::Disabled { since, why } => (time(*since), why.clone()),
        Standing::Leaving { since } => (time(*since), String::new()),
    };
    let state = match &row.standing {
        Standing::Enabled => lang.pick("启用", "enabled"),
        Standing::Disabled { .. } => lang.pick("停用", "disabled"),
        Standing::Leaving { .. } => lang.pick("离职中", "leaving"),
    };
    let password = if row.has_password { lang.pick("有", "yes") } else { lang.pick("无", "no") };
    [password.to_owned(), state.to_owned(), since, why, time(row.added), time(row.changed)]
}

/// A file in memory, line by line.
struct Lines(csv::Writer<Vec<u8>>);

impl Lines {
    fn new() -> Self {
        let mut builder = WriterBuilder::new();
        builder.terminator(Terminator::CRLF).flexible(true);
        Self(builder.from_writer(MARK.as_bytes().to_vec()))
    }

    fn push(&mut self, cells: impl Iterator<Item = String>) {
        // Memory takes every write, and lines may differ in length.
        let _ = self.0.write_record(cells);
    }

    fn finish(self) -> Vec<u8> {
        self.0.into_inner().unwrap_or_default()
    }
}
