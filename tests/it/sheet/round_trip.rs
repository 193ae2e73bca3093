//! What is written is read again, exactly; whatever is read, nothing panics.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use super::clean;
use mailbell::model::{Entry, Lang, Registered, Standing, Timestamp};
use mailbell::sheet;
use proptest::prelude::*;

/// Pieces that mean something to spreadsheets, to mailbell, or to nobody.
fn nasty() -> impl Strategy<Value = String> {
    let pieces = [
        "\"",
        "\"\"",
        ",",
        ";",
        "\t",
        "\n",
        "\r\n",
        "\r",
        "=",
        "+",
        "-",
        "@",
        "'",
        "''",
        "#",
        "#REF!",
        "=1+1",
        "、",
        "|",
        "\\",
        "\\\\",
        " ",
        "\u{3000}",
        "\u{feff}",
        "\u{200b}",
        "＝",
        "a",
        "Z",
        "0",
        "财务部",
        "𠮷",
        "é",
        "1.38E+10",
        "<",
        "，",
    ];
    let piece = prop::sample::select(pieces.to_vec());
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// A note that says something.
fn note() -> impl Strategy<Value = String> {
    nasty().prop_map(|text| {
        if text.trim_matches(['\u{feff}', '\u{200b}']).trim().is_empty() { String::new() } else { format!("{text}.") }
    })
}

/// Folders, one of which is taken.
fn folders() -> impl Strategy<Value = Vec<String>> {
    let folder = nasty().prop_filter("says something", |text| !text.is_empty());
    prop::collection::vec(folder.prop_map(|text| format!("项{text}目")), 0..4)
}

fn entry() -> impl Strategy<Value = Entry> {
    let owner = prop_oneof![
        "[a-zA-Z0-9][a-z0-9_@.-]{0,10}x".prop_map(|user| (user, Vec::new())),
        prop::collection::vec("[a-z]{1,8}|party:[0-9]{1,5}|tag:[0-9]{1,5}", 1..4).prop_map(|to| (String::new(), to)),
    ];
    let server = ("[a-z]{0,6}", "(imap[.]corp[.]example)?", prop::option::of(1_u16..), "(implicit|starttls|none)?");
    let rest = ("([A-Z]{2,4}\\\\[a-z+=@-]{1,9})?", "[a-z]{0,4}", "(auto|notify|idle|poll)?");
    ("[=+a-zA-Z0-9_-][a-zA-Z0-9._+=-]{0,12}", owner, server, rest, folders(), note()).prop_map(
        |(name, (user, recipients), (provider, host, port, tls), (login, oauth, mode), folders, note)| Entry {
            email: format!("{name}@corp.example"),
            user,
            recipients,
            provider,
            host,
            port,
            tls,
            login,
            oauth,
            folders,
            mode,
            note,
        },
    )
}

fn standing() -> impl Strategy<Value = Standing> {
    let since = (0_i64..4_000_000_000_000).prop_map(Timestamp);
    prop_oneof![
        Just(Standing::Enabled),
        (since.clone(), nasty()).prop_map(|(since, why)| Standing::Disabled { since, why }),
        since.prop_map(|since| Standing::Leaving { since }),
    ]
}

fn registered() -> impl Strategy<Value = Registered> {
    (entry(), any::<bool>(), standing(), 0_i64..4_000_000_000_000).prop_map(|(entry, has_password, standing, added)| {
        Registered { entry, has_password, standing, added: Timestamp(added), changed: Timestamp(added) }
    })
}

/// No two accounts of one address.
fn distinct(mut rows: Vec<Registered>) -> Vec<Registered> {
    let mut seen = std::collections::HashSet::new();
    rows.retain(|row| seen.insert(row.entry.account()));
    rows
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(rows in prop::collection::vec(registered(), 1..6), zh in any::<bool>()) {
        let rows = distinct(rows);
        let written = sheet::write(rows.iter(), if zh { Lang::ZhCn } else { Lang::En });
        let sheet = sheet::read(&written);
        prop_assert!(sheet.problems.is_empty(), "{:?}\n{}", sheet.problems, String::from_utf8_lossy(&written));
        let entries: Vec<_> = sheet.rows.iter().map(|row| &row.entry).collect();
        prop_assert_eq!(entries, rows.iter().map(|row| &row.entry).collect::<Vec<_>>());
        prop_assert!(sheet.rows.iter().all(|row| row.password.is_none() && row.disabled.is_none()));
        // And a spreadsheet runs none of it.
        let mut cells = csv::ReaderBuilder::new();
        for record in cells.flexible(true).from_reader(&*written).records() {
            for cell in &record.unwrap() {
                prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{}", cell);
            }
        }
    }

    #[test]
    fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        sheet::read(&bytes);
    }

    #[test]
    fn no_damage_is_too_odd(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        encoding in 0..4,
        cut in any::<prop::sample::Index>(),
    ) {
        let text = String::from_utf8(sheet::template(Lang::ZhCn)).unwrap().replace("\n#", "\n");
        let mut bytes = match encoding {
            0 => text.into_bytes(),
            1 => encoding_rs::GB18030.encode(text.trim_start_matches('\u{feff}')).0.into_owned(),
            2 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            _ => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        };
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let sheet = sheet::read(&bytes);
        prop_assert!(sheet.rows.len() <= 2 && sheet.rows.len() + sheet.problems.len() > 0);
    }

    #[test]
    fn no_text_is_too_odd(header in "(userid|邮箱|email|密码|note|#|\"|,|;|\t|\n){0,12}", lines in prop::collection::vec(nasty(), 0..12)) {
        let text = format!("{header}\nuserid,email,port,password,folders\n{}", lines.join(","));
        let sheet = sheet::read(text.as_bytes());
        let count = text.replace("\r\n", "\n").split(['\n', '\r']).count();
        for told in sheet.problems.iter().chain(&sheet.warnings) {
            prop_assert!((1..=count).contains(&told.line), "{:?}", told);
            prop_assert!(!told.en.is_empty() && !told.zh.is_empty());
            prop_assert!(!told.text(Lang::En).contains(['\n', '\r']), "{:?}", told);
        }
    }

    /// A line is where an editor shows it, whatever stands before it.
    #[test]
    fn lines_are_counted_as_an_editor_does(notes in prop::collection::vec(note(), 1..8)) {
        let mut text = "userid,email,note\r\n".to_owned();
        let mut wanted = Vec::new();
        for (number, note) in notes.iter().enumerate() {
            wanted.push(text.replace("\r\n", "\n").replace('\r', "\n").matches('\n').count() + 1);
            text += &format!("u,{number}@corp.example,\"{}\"\r\n", note.replace('"', "\"\""));
        }
        let sheet = sheet::read(text.as_bytes());
        prop_assert_eq!(sheet.rows.iter().map(|row| row.line).collect::<Vec<_>>(), wanted);
    }
}

fn account(number: usize) -> Registered {
    let entry = Entry {
        email: format!("user{number}@corp.example"),
        user: format!("user{number}"),
        provider: "exmail".into(),
        folders: vec!["INBOX".into(), "项目/*".into()],
        note: format!("第 {number} 号，\"财务部\""),
        ..Entry::default()
    };
    let time = Timestamp(1_700_000_000_000);
    Registered { entry, has_password: true, standing: Standing::Enabled, added: time, changed: time }
}

#[test]
fn an_export_says_what_it_knows_and_no_password() {
    let disabled = Standing::Disabled { since: Timestamp(1_700_000_000_000), why: "=离职".into() };
    let rows = [Registered { standing: disabled, ..account(1) }];
    let written = String::from_utf8(sheet::write(rows.iter(), Lang::ZhCn)).unwrap();
    let expected = "\u{feff}成员账号,邮箱,服务商,文件夹,接收人,服务器,端口,加密,登录名,OAuth,模式,备注,#密码,#状态,#状态自,#停用原因,#添加时间,#更改时间\r\n\
        user1,user1@corp.example,exmail,INBOX;项目/*,,,,,,,,\"第 1 号，\"\"财务部\"\"\",有,停用,2023-11-14T22:13:20Z,'=离职,2023-11-14T22:13:20Z,2023-11-14T22:13:20Z\r\n";
    assert_eq!(written, expected);
    assert_eq!(clean(written.as_bytes()).rows[0].entry, rows[0].entry);
}

#[test]
fn an_export_of_ten_thousand_is_read_again() {
    let rows: Vec<_> = (0..10_000).map(account).collect();
    let sheet = clean(&sheet::write(rows.iter(), Lang::ZhCn));
    assert_eq!(sheet.rows.len(), rows.len());
    assert!(sheet.rows.iter().zip(&rows).all(|(read, written)| read.entry == written.entry));
}
