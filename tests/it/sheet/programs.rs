//! Sheets byte by byte as spreadsheets, editors and people really write them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use super::clean;
use encoding_rs::GB18030;
use mailbell::model::{Entry, Lang};
use mailbell::sheet::{self, Encoding, Sheet};

fn utf16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn emails(sheet: &Sheet) -> Vec<(usize, &str)> {
    sheet.rows.iter().map(|row| (row.line, &*row.entry.email)).collect()
}

fn two_accounts(sheet: &Sheet) {
    assert_eq!(emails(sheet), [(2, "zhangsan@corp.example"), (3, "lisi@corp.example")]);
    assert_eq!(sheet.rows[0].entry.note, "财务部，三楼");
    assert_eq!(sheet.rows[0].password.as_ref().unwrap().expose(), "p w");
    assert_eq!(sheet.rows[1].password, None);
    assert_eq!((sheet.rows[0].disabled, sheet.rows[1].disabled), (Some(false), Some(true)));
}

const TEXT: &str = "成员账号,邮箱,密码,状态,备注\r\n\
                    zhangsan,zhangsan@corp.example,p w,启用,财务部，三楼\r\n\
                    lisi,lisi@corp.example,,停用,\r\n";

#[test]
fn excel_in_china_writes_gbk() {
    let sheet = clean(&GB18030.encode(TEXT).0);
    assert_eq!(sheet.encoding, Encoding::Gb18030);
    two_accounts(&sheet);
}

#[test]
fn excel_writes_csv_utf8_with_a_mark() {
    two_accounts(&clean(format!("\u{feff}{TEXT}").as_bytes()));
}

#[test]
fn excel_writes_unicode_text_with_tabs() {
    let sheet = clean(&utf16(&TEXT.replace(',', "\t")));
    assert_eq!(sheet.encoding, Encoding::Utf16Le);
    two_accounts(&sheet);
}

#[test]
fn excel_in_europe_separates_by_semicolons() {
    two_accounts(&clean(TEXT.replace(',', ";").as_bytes()));
    let sheet = clean(format!("sep=;\r\n{}", TEXT.replace(',', ";")).as_bytes());
    assert_eq!(emails(&sheet)[0], (3, "zhangsan@corp.example"));
}

#[test]
fn excel_for_the_old_macintosh_ends_lines_with_cr() {
    two_accounts(&clean(TEXT.replace("\r\n", "\r").as_bytes()));
}

#[test]
fn libreoffice_may_quote_every_text() {
    let cells = |line: &str| line.split(',').map(|cell| format!("\"{cell}\"")).collect::<Vec<_>>().join(",");
    let text: String = TEXT.lines().map(|line| format!("{}\n", cells(line))).collect();
    two_accounts(&clean(text.as_bytes()));
}

#[test]
fn a_file_may_end_without_a_line_end_and_with_empty_lines() {
    two_accounts(&clean(TEXT.trim_end().as_bytes()));
    two_accounts(&clean(format!("{TEXT},,,,\r\n\r\n,,,,").as_bytes()));
}

/// Excel puts empty columns behind a sheet whose cells were once used.
#[test]
fn empty_columns_behind_are_nothing() {
    let text: String = TEXT.lines().map(|line| format!("{line},,\r\n")).collect();
    two_accounts(&clean(text.as_bytes()));
}

#[test]
fn cells_hold_line_ends_and_quotes() {
    let text = "userid,email,note\r\n\
                zhangsan,zhangsan@corp.example,\"two\nlines, a comma and \"\"quotes\"\"\"\r\n\
                lisi,lisi@corp.example,\"\"\"all\"\"\"\r\n";
    let sheet = clean(text.as_bytes());
    assert_eq!(emails(&sheet), [(2, "zhangsan@corp.example"), (4, "lisi@corp.example")]);
    assert_eq!(sheet.rows[0].entry.note, "two\nlines, a comma and \"quotes\"");
    assert_eq!(sheet.rows[1].entry.note, "\"all\"");
}

/// WPS keeps a header of several lines in one cell, and marks what must be filled in.
#[test]
fn headers_are_known_as_they_stand_in_forms() {
    let text = "\"*成员账号\n（必填）\",邮箱地址*,\"授权码\n(密码)\",接收人,ＩＭＡＰ服务器,端口号\r\n\
                zhangsan,zhangsan@corp.example,a b,,imap.corp.example,993\r\n\
                ,sales@corp.example,,lisi、party:12，tag:3,,\r\n";
    let sheet = clean(&GB18030.encode(text).0);
    assert_eq!(emails(&sheet), [(4, "zhangsan@corp.example"), (5, "sales@corp.example")]);
    assert_eq!(sheet.rows[0].entry.host, "imap.corp.example");
    assert_eq!(sheet.rows[0].entry.port, Some(993));
    assert_eq!(sheet.rows[1].entry.recipients, ["lisi", "party:12", "tag:3"]);
}

/// `cat a.csv b.csv`
#[test]
fn a_header_may_stand_in_the_middle() {
    let text = format!("{TEXT}\u{feff}{}", TEXT.replace("zhangsan", "wangwu").replace("lisi", "zhaoliu"));
    let sheet = sheet::read(text.as_bytes());
    assert_eq!((sheet.rows.len(), sheet.problems.len(), sheet.warnings.len()), (4, 0, 1));
    assert_eq!(sheet.warnings[0].line, 4);
}

/// WeCom's own list of members has instructions above, with examples of addresses, and calls userids 账号.
#[test]
fn the_contacts_of_wecom_are_known() {
    let text = "\"填写须知：\n1、邮箱如 zhangsan@corp.example，不能重复\n2、红色必填\",,,\r\n\
                姓名,账号,手机,企业邮箱\r\n\
                张三,ZhangSan,+86-13800138000,zhangsan@corp.example\r\n";
    let sheet = sheet::read(&GB18030.encode(text).0);
    assert_eq!(sheet.problems, []);
    assert_eq!(emails(&sheet), [(5, "zhangsan@corp.example")]);
    assert_eq!(sheet.rows[0].entry.user, "ZhangSan");
}

/// As old programs end files.
#[test]
fn a_sign_behind_the_last_line_is_nothing() {
    two_accounts(&clean(format!("{TEXT}\u{1a}").as_bytes()));
}

#[test]
fn one_member_may_have_several_accounts() {
    let sheet = clean(b"userid,email\nzhangsan,a@corp.example\nzhangsan,b@corp.example\n");
    assert_eq!(sheet.rows.len(), 2);
}

#[test]
fn every_column_is_read() {
    let text = "userid,email,provider,host,port,tls,login,password,oauth,folders,recipients,mode,note,state\n\
                zhangsan,Zhang@Corp.Example,corp,imap.corp.example,143,STARTTLS,CORP\\zhangsan,\"p\"\"w,\",,INBOX;项目/*|!项目/归档,,Poll,第三个,no\n";
    let sheet = clean(text.as_bytes());
    let row = &sheet.rows[0];
    let expected = Entry {
        email: "Zhang@Corp.Example".into(),
        user: "zhangsan".into(),
        provider: "corp".into(),
        host: "imap.corp.example".into(),
        port: Some(143),
        tls: "starttls".into(),
        login: "CORP\\zhangsan".into(),
        folders: ["INBOX", "项目/*", "!项目/归档"].map(str::to_owned).into(),
        mode: "poll".into(),
        note: "第三个".into(),
        ..Entry::default()
    };
    assert_eq!((&row.entry, row.disabled), (&expected, Some(true)));
    assert_eq!(row.password.as_ref().unwrap().expose(), "p\"w,");
}

#[test]
fn a_password_is_taken_as_it_stands() {
    for (cell, password) in [
        ("a b", "a b"),
        ("'x", "'x"),
        ("\"''=x\"", "'=x"),
        ("ab\"c", "ab\"c"),
        ("\"a,b;c\"\"\"", "a,b;c\""),
        ("=a+b", "=a+b"),
        ("密码", "密码"),
    ] {
        let sheet = sheet::read(format!("userid,email,password\nzhangsan,a@corp.example,{cell}\n").as_bytes());
        assert_eq!(sheet.problems, [], "{cell}");
        assert_eq!(sheet.rows[0].password.as_ref().unwrap().expose(), password, "{cell}");
    }
}

#[test]
fn the_template_is_empty_until_its_examples_are_uncommented() {
    for lang in [Lang::ZhCn, Lang::En] {
        let template = sheet::template(lang);
        let sheet = sheet::read(&template);
        assert_eq!((sheet.rows.len(), sheet.problems.len(), sheet.warnings.len()), (0, 1, 0), "{:?}", sheet.problems);
        let text = String::from_utf8(template).unwrap();
        let sheet = clean(text.replace("\n#", "\n").as_bytes());
        assert_eq!(sheet.rows[0].entry.user, "zhangsan");
        assert!(sheet.rows[1].entry.is_shared() && sheet.rows[1].entry.recipients.len() == 3);
        // As it comes back from Excel in China.
        let gbk = GB18030.encode(text.trim_start_matches('\u{feff}')).0.into_owned();
        assert_eq!(sheet::read(&gbk).problems.len(), 1);
    }
}

#[test]
fn broken_quotes_cost_their_lines_only() {
    let lines: String =
        (0..2000).map(|n| format!("user{n},user{n}@corp.example,{}\n", if n % 2 == 0 { "\"x" } else { "x" })).collect();
    let sheet = sheet::read(format!("userid,email,note\n{lines}").as_bytes());
    assert_eq!((sheet.rows.len(), sheet.problems.len()), (1000, 1000));
}

#[test]
fn more_mistakes_than_anybody_reads_end_the_reading() {
    let lines = "x,\"y\n".repeat(30_000);
    let sheet = sheet::read(format!("userid,email\n{lines}").as_bytes());
    assert_eq!((sheet.rows.len(), sheet.problems.len()), (0, 10_000));
    assert!(sheet.problems.last().unwrap().en.contains("too many"));
}

#[test]
fn more_accounts_than_fit_are_not_read() {
    let lines: String = (0..=100_000).map(|n| format!("u,{n}@c.cn\n")).collect();
    let sheet = sheet::read(format!("userid,email\n{lines}").as_bytes());
    assert_eq!((sheet.rows.len(), sheet.problems.len()), (100_000, 1));
}

#[test]
fn a_file_too_large_is_not_read() {
    let sheet = sheet::read(&vec![b'a'; 100_000_001]);
    assert!(sheet.problems[0].en.contains("100 MB") && sheet.problems.len() == 1);
}
