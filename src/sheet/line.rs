//! From the cells of a line to an account.

use super::cell::{is_blank, repaired, unguarded};
use super::column::Column;
use super::damage::Damage;
use super::header::Header;
use super::split::{Cell, Record};
use super::told::{Said, Told, quoted, say};
use super::{MOST_CELL, Row, address, list, member, password, words};
use crate::model::{Entry, Secret};

/// The columns whose cells sentences show. In any other one, line and column tell which cell is meant, and somebody may
/// have put a password there.
const SHOWN: [Column; 3] = [Column::Email, Column::User, Column::Recipients];

/// One line while it is read.
pub(super) struct Line<'l> {
    header: &'l Header,
    record: &'l Record<'l>,
    told: &'l mut Told,
    /// Whether sentences may show its cells: a password may have slipped into another column where a delimiter is missing.
    show: bool,
    good: bool,
}

impl<'l> Line<'l> {
    pub fn new(header: &'l Header, record: &'l Record<'l>, told: &'l mut Told) -> Self {
        let short = record.count < header.names.len();
        let show = !short || header.place(Column::Password).is_none();
        Self { header, record, told, show, good: true }
    }

    /// Whether no mistake was found.
    pub fn is_good(&self) -> bool {
        self.good
    }

    /// Reads all cells; what is wrong is told, and left empty.
    pub fn row(&mut self) -> Row {
        let (email, user) = self.owner();
        let recipients = self.recipients();
        let nobody = user.is_empty() && recipients.is_empty();
        if nobody && self.is_blank(Column::User) && self.is_blank(Column::Recipients) && self.header.userid_needed {
            self.wrong(
                Column::User,
                say(
                    "is missing: the member's 账号 in WeCom; only a shared mailbox has none, and recipients in its place",
                    "没有填写：应为该成员在企业微信通讯录中的账号；公共邮箱可不填，但须填写“接收人”",
                ),
            );
        } else if !self.is_blank(Column::User) && !self.is_blank(Column::Recipients) {
            self.wrong(
                Column::Recipients,
                say(
                    "only a shared mailbox has recipients, and it has no userid; leave one of the two empty",
                    "只有公共邮箱才填接收人，且不填成员账号；两者请留空其一",
                ),
            );
        }
        let password = self.password();
        let oauth = self.plain(Column::Oauth);
        if password.is_some() && !oauth.is_empty() {
            let said = say("stands beside a password; leave one of the two empty", "与密码不能同时填写；请留空其一");
            self.wrong(Column::Oauth, said);
        }
        let entry = Entry {
            email,
            user,
            recipients,
            provider: self.plain(Column::Provider),
            host: self.host(),
            port: self.port(),
            tls: self.choice(Column::Tls, &words::TLS).unwrap_or_default().to_owned(),
            login: self.plain(Column::Login),
            oauth,
            folders: self.folders(),
            mode: self.choice(Column::Mode, &words::MODES).unwrap_or_default().to_owned(),
            note: self.note(),
        };
        let disabled = self.choice(Column::State, &words::STATES).map(|state| state == words::DISABLED);
        Row { line: self.record.line, entry, password, disabled }
    }

    /// The address and the userid; each empty where it is missing or wrong.
    fn owner(&mut self) -> (String, String) {
        let (email, user) = (self.plain(Column::Email), self.plain(Column::User));
        if !email.is_empty() && !email.contains('@') && user.contains('@') && address::check(&user).is_ok() {
            let said = say(
                format!("{} is no mail address, but the userid is one; exchange the two", quoted(&email)),
                format!("{} 不是邮箱地址，而成员账号一栏是邮箱地址；请对调", quoted(&email)),
            );
            self.wrong(Column::Email, said);
            return Default::default();
        }
        if email.is_empty() && self.is_blank(Column::Email) {
            let said = say("is missing; write the address of the mailbox", "没有填写；请填写邮箱地址");
            self.wrong(Column::Email, said);
        }
        let email = self.checked(Column::Email, email, address::check, address::doubt);
        (email, self.checked(Column::User, user, member::userid, member::doubt))
    }

    /// The text if it is in form, else nothing.
    fn checked(
        &mut self,
        column: Column,
        text: String,
        check: fn(&str) -> Result<(), Said>,
        doubt: fn(&str) -> Option<Said>,
    ) -> String {
        if text.is_empty() {
            return text;
        }
        if let Err(said) = check(&text) {
            self.wrong(column, said);
            return String::new();
        }
        if let Some(said) = doubt(&text) {
            self.warn(column, said);
        }
        text
    }

    fn recipients(&mut self) -> Vec<String> {
        let text = self.text(Column::Recipients);
        let several = unguarded(&text).replace([',', '，'], ";");
        let mut found = Vec::new();
        for text in list::split(&several) {
            let recipient = repaired(&text);
            self.repair(Column::Recipients, &text, &recipient);
            match member::recipient(&recipient) {
                Ok(()) => found.push(recipient),
                Err(said) => self.wrong(Column::Recipients, said),
            }
        }
        found
    }

    fn folders(&mut self) -> Vec<String> {
        let text = self.text(Column::Folders);
        let folders = list::split(unguarded(&text));
        if folders.iter().any(|folder| folder == "!") {
            let said =
                say("\"!\" must be followed by a folder: \"!项目/归档\"", "\"!\" 后面要写文件夹：\"!项目/归档\"");
            self.wrong(Column::Folders, said);
        } else if !folders.is_empty() && folders.iter().all(|folder| folder.starts_with('!')) {
            let said = say(
                "only leaves folders out and takes none; add one without \"!\", for example \"*\"",
                "只排除了文件夹，没有选中任何一个；请加一个不带 \"!\" 的，例如 \"*\"",
            );
            self.wrong(Column::Folders, said);
        } else if let [folder] = folders.as_slice()
            && let Some(damage) = Damage::of(folder)
        {
            let said = damage.said("");
            if damage == Damage::Error { self.wrong(Column::Folders, said) } else { self.warn(Column::Folders, said) }
        }
        folders
    }

    fn host(&mut self) -> String {
        let host = self.plain(Column::Host);
        if host.contains(|c: char| c.is_whitespace() || "/@,;，。、".contains(c)) {
            let said = say(
                "this is no name of a server; write only the name, for example: imap.corp.example",
                "该值不是服务器名；请只写名称，例如：imap.corp.example",
            );
            self.wrong(Column::Host, said);
        }
        host
    }

    fn port(&mut self) -> Option<u16> {
        let text = self.plain(Column::Port);
        if text.is_empty() {
            return None;
        }
        // A column of numbers with decimal places.
        let whole =
            text.split_once('.').filter(|(_, part)| part.bytes().all(|b| b == b'0')).map_or(&*text, |(whole, _)| whole);
        let port = whole.parse().ok().filter(|port| *port > 0 && whole.bytes().all(|b| b.is_ascii_digit()));
        match port {
            Some(_) if whole.len() < text.len() => {
                let (text, whole) = (quoted(&text), quoted(whole));
                self.warn(
                    Column::Port,
                    say(format!("{text} was taken as {whole}"), format!("{text} 已按 {whole} 处理")),
                );
            }
            Some(_) => {}
            None => self.wrong(
                Column::Port,
                say(
                    "this is no port; write a number from 1 to 65535, usually 993, or leave it empty",
                    "该值不是端口；请写 1 到 65535 之间的数，一般为 993，或留空",
                ),
            ),
        }
        port
    }

    fn choice(&mut self, column: Column, words: &'static words::Words) -> Option<&'static str> {
        let text = self.plain(column);
        if text.is_empty() {
            return None;
        }
        let found = words.find(&text);
        if found.is_none() {
            self.wrong(column, words.said());
        }
        found
    }

    fn note(&mut self) -> String {
        let text = self.text(Column::Note);
        if text.chars().all(is_blank) {
            return String::new();
        }
        if Damage::of(&text) == Some(Damage::Error) {
            self.warn(Column::Note, Damage::Error.said(""));
        }
        unguarded(&text).to_owned()
    }

    fn password(&mut self) -> Option<Secret> {
        let cell = self.cell(Column::Password)?;
        if cell.is_too_long() {
            self.wrong(Column::Password, too_long());
            return None;
        }
        let found = password::read(&cell);
        found.wrong.into_iter().for_each(|said| self.wrong(Column::Password, said));
        found.doubts.into_iter().for_each(|said| self.warn(Column::Password, said));
        found.secret
    }

    /// A cell whose blanks, width and invisible characters mean nothing; those are repaired, which is told.
    fn plain(&mut self, column: Column) -> String {
        let text = self.text(column);
        let text = unguarded(&text);
        let plain = repaired(text);
        self.repair(column, text, &plain);
        let is_own = matches!(column, Column::Email | Column::User);
        if plain.chars().any(char::is_control) && column != Column::Email {
            let said = say(
                "holds a line end or another control character; write one value without it",
                "含有换行或其他控制字符；请只写一个值",
            );
            self.wrong(column, said);
            return String::new();
        }
        match Damage::of(&plain) {
            Some(damage) if damage == Damage::Error || (damage == Damage::Scientific && !is_own) => {
                self.wrong(column, damage.said(""));
                String::new()
            }
            _ => plain,
        }
    }

    /// Tells that a text was not taken as it is.
    fn repair(&mut self, column: Column, text: &str, plain: &str) {
        if text == plain || plain.is_empty() {
            return;
        }
        let said = if text.trim() == plain {
            say("blanks around the value were removed", "已去掉首尾的空格")
        } else if !SHOWN.contains(&column) {
            say(
                "blanks, full-width or invisible characters, or a ' before it, were put right",
                "其中的空格、全角或不可见字符，或前面的 ' 已更正",
            )
        } else {
            let (text, plain) = (quoted(text), quoted(plain));
            say(format!("{text} was taken as {plain}"), format!("{text} 已按 {plain} 处理"))
        };
        self.warn(column, said);
    }

    /// What a cell holds; nothing where it is too long, which is told.
    fn text(&mut self, column: Column) -> String {
        match self.cell(column) {
            Some(cell) if cell.is_too_long() => {
                self.wrong(column, too_long());
                String::new()
            }
            Some(cell) => cell.text().into_owned(),
            None => String::new(),
        }
    }

    fn cell(&self, column: Column) -> Option<Cell<'l>> {
        self.header.place(column).and_then(|place| self.record.cells.get(place)).copied()
    }

    fn is_blank(&self, column: Column) -> bool {
        self.cell(column).is_none_or(|cell| cell.is_blank())
    }

    /// Tells of a mistake.
    pub fn wrong(&mut self, column: Column, said: Said) {
        self.good = false;
        let said = self.shown(said);
        self.told.wrong(self.record.line, self.header.name(column), said);
    }

    fn warn(&mut self, column: Column, said: Said) {
        let said = self.shown(said);
        self.told.warn(self.record.line, self.header.name(column), said);
    }

    /// The sentence; another one where it shows a cell (always in quotes) that may be a password.
    fn shown(&self, said: Said) -> Said {
        match self.show || !said.en.contains('"') {
            true => said,
            false => say(
                "the value does not fit here, and the line has fewer cells than the header: is a delimiter missing?",
                "此处的值不合适，且这一行的单元格比表头少：是否漏了分隔符？",
            ),
        }
    }
}

fn too_long() -> Said {
    say(
        format!("holds more than {MOST_CELL} bytes; is a double quote missing? Write a shorter value"),
        format!("超过 {MOST_CELL} 字节；是否缺少双引号？请写短一些"),
    )
}
