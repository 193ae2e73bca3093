//! Any text, in any charset, cut anywhere, reads back to itself; and no bytes bring the reader down.

use super::alphabet::{CHARSETS, Charset, text};
use super::encoder::{Part, Place, Style, cased, written};
use super::{cleaned, read};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::ISO_2022_JP;
use mailbell::model::Letter;
use mailbell::parse::clean;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Nobody sees more of a text.
const MOST_CHARACTERS: usize = 500;

const BLANKS: &[&str] = &[" ", "\r\n ", "\n\t", "\r\n\t", "\n ", "  ", "\t"];

/// What mails are made of.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "=?", "?=", "?B?", "?Q?", "?b?", "?q?", "?", "=", "_", "gb2312", "GBK", "gb18030", "utf-8", "big5",
    "hz-gb-2312", "iso-2022-jp", "iso-2022-cn", "utf-7", "utf-16", "x-unknown", "*zh", "\r\n ", "\n\t", "\r\n",
    "\n", "\r", " ", "\"", "\\", "<", ">", "(", ")", "@", ",", ";", ":", "From: ", "Subject: ", "Sender: ", "5byg",
    "1cXI", "/Q==", "=D5=C5", "=E5=BC", "=1B$B", "\u{1b}$B", "\u{1b}(B", "\u{1b}$)A", "\u{e}", "\u{f}", "~{", "~}",
    "+AGE-", "\u{0}", "\u{202e}", "\u{200d}", "张三", "a.b", "x",
];

fn style() -> impl Strategy<Value = Style> {
    (1_usize..46, any::<bool>(), any::<u64>()).prop_map(|(size, base64, capitals)| Style { size, base64, capitals })
}

/// One of the first so many charsets; those of many bytes a letter come first.
fn charset(of: usize) -> impl Strategy<Value = &'static Charset> {
    (0..of).prop_map(|at| &CHARSETS[at])
}

fn encoded() -> impl Strategy<Value = Part> {
    prop_oneof![charset(8), charset(CHARSETS.len())].prop_flat_map(|charset| {
        (select(charset.labels), text(charset, 40), vec(style(), 1..5))
            .prop_map(move |(label, text, styles)| Part::Encoded { charset, label, text, styles })
    })
}

fn parts(place: Place) -> impl Strategy<Value = Vec<Part>> {
    let plain = match place {
        Place::Subject => "[A-Za-z0-9]{1,8}|Re:|\\[list\\]|a_b|100%|a=b|=\\?|\\?=|\\(x\\)|a,|<b>|\"c\"",
        Place::Name => "[A-Za-z0-9]{1,8}|x-y|it's",
        Place::Quoted => "[A-Za-z0-9]{1,8}|a,|\\(x\\)|;|:|\\\\\"c\\\\\"|<b>",
    };
    vec(prop_oneof![3 => encoded(), 1 => plain.prop_map(Part::Plain)], 1..5)
}

fn blanks() -> impl Strategy<Value = Vec<&'static str>> {
    vec(select(BLANKS), 1..6)
}

/// All texts of a letter are clean, short and not empty.
fn sound(letter: &Letter) -> Result<(), TestCaseError> {
    for text in [&letter.subject, &letter.from.name, &letter.from.address].into_iter().flatten() {
        prop_assert!(!text.is_empty());
        prop_assert!(text.chars().count() <= MOST_CHARACTERS);
        prop_assert_eq!(&clean(text), text);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_subject_reads_back(
        parts in parts(Place::Subject),
        blanks in blanks(),
        first in select(&["", " ", "\r\n ", "\n\t"][..])
    ) {
        let field = written(&parts, &blanks, Place::Subject);
        let header = format!("From: a@x.example\r\nSubject:{first}{}\r\n", field.raw);
        prop_assert_eq!(read(header.as_bytes()).subject, cleaned(Some(&field.says)), "{:?}", header);
    }

    #[test]
    fn a_name_of_bare_words_reads_back(parts in parts(Place::Name), blanks in blanks()) {
        let field = written(&parts, &blanks, Place::Name);
        named(&format!("From: {} <li.lei@mail.example>\r\nSubject: x\r\n", field.raw), &field.says)?;
    }

    #[test]
    fn a_name_in_quotes_reads_back(parts in parts(Place::Quoted), blanks in blanks()) {
        let field = written(&parts, &blanks, Place::Quoted);
        named(&format!("From: \"{}\" <li.lei@mail.example>\nSubject: x\n", field.raw), &field.says)?;
    }

    /// Some senders cut what is base64 already, and pad the last word only.
    #[test]
    fn base64_cut_anywhere_reads_back(
        (charset, label, text) in a_text(),
        sizes in vec(1_usize..40, 1..6),
        capitals in any::<u64>()
    ) {
        let content = STANDARD.encode(charset.encoding.encode(&text).0);
        let (mut words, mut rest, mut sizes) = (Vec::new(), content.as_str(), sizes.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            words.push(format!("=?{}?B?{piece}?=", cased(label, capitals)));
            rest = after;
        }
        let header = format!("Subject: {}\r\n", words.join("\r\n "));
        prop_assert_eq!(read(header.as_bytes()).subject, cleaned(Some(&text)), "{:?}", header);
    }

    #[test]
    fn any_bytes_are_read(header in vec(any::<u8>(), 0..1_500)) {
        sound(&read(&header))?;
        let fields = [b"Subject: ", &header[..], b"\r\nFrom: ", &header[..]].concat();
        sound(&read(&fields))?;
    }

    #[test]
    fn bytes_of_mail_are_read(pieces in vec(flavoured(), 0..200)) {
        let bytes = pieces.concat();
        sound(&read(&bytes))?;
        sound(&read(&[b"Subject: ", &bytes[..]].concat()))?;
        sound(&read(&[b"From: ", &bytes[..]].concat()))?;
        let words = [b"From: =?gb2312?B?", &bytes[..], b"?= <a@b.example>\r\nSubject: =?utf-8?Q?", &bytes[..]];
        sound(&read(&words.concat()))?;
    }
}

fn named(header: &str, says: &str) -> Result<(), TestCaseError> {
    let from = read(header.as_bytes()).from;
    prop_assert_eq!(from.name, cleaned(Some(says)), "{:?}", header);
    prop_assert_eq!(from.address.as_deref(), Some("li.lei@mail.example"), "{:?}", header);
    Ok(())
}

/// A text in a charset without states that is no UTF-8 under another name.
fn a_text() -> impl Strategy<Value = (&'static Charset, &'static str, String)> {
    charset(CHARSETS.len())
        .prop_filter("states", |charset| charset.encoding != ISO_2022_JP)
        .prop_flat_map(|charset| (Just(charset), select(charset.labels), text(charset, 60)))
        .prop_filter("UTF-8", |(charset, _, text)| {
            let bytes = charset.encoding.encode(text).0;
            text.is_ascii() || charset.encoding == encoding_rs::UTF_8 || std::str::from_utf8(&bytes).is_err()
        })
}

/// What mails are made of, and bytes that break it.
fn flavoured() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(0x80_u8..=0xff, 1..5),
        1 => vec(any::<u8>(), 1..3),
        1 => "[A-Za-z0-9+/=]{1,12}".prop_map(String::into_bytes),
    ]
}
