//! Which charsets there are, by which names mails call them, and letters that they carry.

use encoding_rs as e;
use encoding_rs::Encoding;
use proptest::char::range;
use proptest::prelude::*;
use proptest::sample::select;

/// A charset of the Encoding Standard that has an encoder.
#[derive(Debug)]
pub(super) struct Charset {
    pub(super) encoding: &'static Encoding,
    /// Names of it (Encoding Standard, section 4.2).
    pub(super) labels: &'static [&'static str],
    letters: Letters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letters {
    All,
    Han,
    Japanese,
    Korean,
    Cyrillic,
    Greek,
    Arabic,
    Hebrew,
    Thai,
    /// Western and middle European, Turkish, Baltic, Vietnamese. Two of them never stand together, as in words, where
    /// bytes of 0x80 and above that come in pairs could as well be Chinese under a wrong label.
    Latin,
}

const fn charset(encoding: &'static Encoding, letters: Letters, labels: &'static [&'static str]) -> Charset {
    Charset { encoding, labels, letters }
}

pub(super) static CHARSETS: &[Charset] = &[
    charset(e::UTF_8, Letters::All, &["utf-8", "utf8", "unicode-1-1-utf-8"]),
    charset(e::GBK, Letters::Han, &["gbk", "gb2312", "x-gbk", "chinese", "csgb2312", "gb_2312", "gb_2312-80"]),
    charset(e::GB18030, Letters::All, &["gb18030"]),
    charset(e::BIG5, Letters::Han, &["big5", "big5-hkscs", "cn-big5", "csbig5", "x-x-big5"]),
    charset(e::EUC_JP, Letters::Japanese, &["euc-jp", "x-euc-jp", "cseucpkdfmtjapanese"]),
    charset(e::ISO_2022_JP, Letters::Japanese, &["iso-2022-jp", "csiso2022jp"]),
    charset(e::SHIFT_JIS, Letters::Japanese, &["shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j", "ms_kanji"]),
    charset(e::EUC_KR, Letters::Korean, &["euc-kr", "ks_c_5601-1987", "ks_c_5601-1989", "ksc5601", "windows-949"]),
    charset(e::IBM866, Letters::Cyrillic, &["ibm866", "cp866", "866"]),
    charset(e::KOI8_R, Letters::Cyrillic, &["koi8-r", "koi8", "koi", "koi8_r"]),
    charset(e::KOI8_U, Letters::Cyrillic, &["koi8-u", "koi8-ru"]),
    charset(e::WINDOWS_1251, Letters::Cyrillic, &["windows-1251", "cp1251", "x-cp1251"]),
    charset(e::ISO_8859_5, Letters::Cyrillic, &["iso-8859-5", "cyrillic", "iso8859-5"]),
    charset(e::X_MAC_CYRILLIC, Letters::Cyrillic, &["x-mac-cyrillic", "x-mac-ukrainian"]),
    charset(e::WINDOWS_1253, Letters::Greek, &["windows-1253", "cp1253"]),
    charset(e::ISO_8859_7, Letters::Greek, &["iso-8859-7", "greek", "elot_928"]),
    charset(e::WINDOWS_1256, Letters::Arabic, &["windows-1256", "cp1256"]),
    charset(e::ISO_8859_6, Letters::Arabic, &["iso-8859-6", "arabic", "asmo-708"]),
    charset(e::WINDOWS_1255, Letters::Hebrew, &["windows-1255", "cp1255"]),
    charset(e::ISO_8859_8, Letters::Hebrew, &["iso-8859-8", "hebrew", "visual"]),
    charset(e::ISO_8859_8_I, Letters::Hebrew, &["iso-8859-8-i", "logical"]),
    charset(e::WINDOWS_874, Letters::Thai, &["windows-874", "tis-620", "iso-8859-11"]),
    charset(e::WINDOWS_1250, Letters::Latin, &["windows-1250", "cp1250"]),
    charset(e::WINDOWS_1252, Letters::Latin, &["windows-1252", "iso-8859-1", "latin1", "cp1252", "l1"]),
    charset(e::WINDOWS_1254, Letters::Latin, &["windows-1254", "iso-8859-9", "latin5"]),
    charset(e::WINDOWS_1257, Letters::Latin, &["windows-1257", "cp1257"]),
    charset(e::WINDOWS_1258, Letters::Latin, &["windows-1258", "cp1258"]),
    charset(e::ISO_8859_2, Letters::Latin, &["iso-8859-2", "latin2", "l2"]),
    charset(e::ISO_8859_3, Letters::Latin, &["iso-8859-3", "latin3"]),
    charset(e::ISO_8859_4, Letters::Latin, &["iso-8859-4", "latin4"]),
    charset(e::ISO_8859_10, Letters::Latin, &["iso-8859-10", "latin6"]),
    charset(e::ISO_8859_13, Letters::Latin, &["iso-8859-13"]),
    charset(e::ISO_8859_14, Letters::Latin, &["iso-8859-14"]),
    charset(e::ISO_8859_15, Letters::Latin, &["iso-8859-15", "iso_8859-15", "l9"]),
    charset(e::ISO_8859_16, Letters::Latin, &["iso-8859-16"]),
    charset(e::MACINTOSH, Letters::Latin, &["macintosh", "mac", "x-mac-roman"]),
];

const WESTERN: &str = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿ";
const OTHER_LATIN: &str = "ĄąĆćČčĎďĐđĒēĘęĚěĞğĢģİıĶķŁłĻļŃńŅņŇňŐőŒœŘřŚśŞşŠšŤťŪūŮůŰűŹźŻżŽžƠơƯưȘșȚțŴŵŶŷĈĉĦħ€";
const SIGNS: &str = ",;:.()<>[]\"'\\=?_-+*/!#$%&|~{}^`  ";

fn letters(of: Letters) -> BoxedStrategy<char> {
    let one_of = |text: &str| select(text.chars().collect::<Vec<_>>());
    let han = || range('\u{4e00}', '\u{9fa5}');
    let kana = || prop_oneof![range('ぁ', 'ん'), range('ァ', 'ヶ')];
    match of {
        Letters::Han => {
            prop_oneof![6 => han(), 1 => one_of("，。：；！？（）《》、　"), 1 => range('а', 'я'), 1 => kana()].boxed()
        }
        Letters::Japanese => prop_oneof![3 => kana(), 3 => han(), 1 => one_of("、。・「」ー々")].boxed(),
        Letters::Korean => prop_oneof![6 => range('가', '힣'), 1 => han()].boxed(),
        Letters::Cyrillic => prop_oneof![6 => range('А', 'я'), 1 => one_of("ЁёЄєІіЇїҐґЎў№")].boxed(),
        Letters::Greek => prop_oneof![range('Α', 'Ρ'), range('Σ', 'Ϋ'), range('ά', 'ώ')].boxed(),
        Letters::Arabic => prop_oneof![range('ء', 'غ'), range('ف', 'ْ'), one_of("،؛؟")].boxed(),
        Letters::Hebrew => range('א', 'ת').boxed(),
        Letters::Thai => prop_oneof![range('ก', 'ฺ'), range('เ', '๛')].boxed(),
        Letters::Latin => prop_oneof![one_of(WESTERN), one_of(OTHER_LATIN)].boxed(),
        Letters::All => prop_oneof![
            4 => han(),
            1 => range('\u{3400}', '\u{4db5}'),
            1 => range('\u{20000}', '\u{2a6d6}'),
            1 => range('\u{1f300}', '\u{1f64f}'),
            1 => range('가', '힣'),
            1 => kana(),
            1 => range('А', 'я'),
            1 => range('ก', 'ฺ'),
            1 => one_of(WESTERN),
        ]
        .boxed(),
    }
}

/// Whether the charset's encoder and decoder agree on this letter.
fn carries(encoding: &'static Encoding, letter: char) -> bool {
    let text = String::from(letter);
    let (bytes, _, unmappable) = encoding.encode(&text);
    !unmappable && encoding.decode_without_bom_handling(&bytes).0 == text
}

/// A text that this charset carries.
pub(super) fn text(charset: &'static Charset, most: usize) -> impl Strategy<Value = String> {
    let signs = select(SIGNS.chars().collect::<Vec<_>>());
    let letter = prop_oneof![6 => letters(charset.letters), 2 => range('a', 'z'), 1 => range('0', '9'), 1 => signs];
    proptest::collection::vec(letter, 1..most).prop_map(|letters| {
        let mut text = String::new();
        for letter in letters.into_iter().filter(|c| carries(charset.encoding, *c)) {
            let beside = !letter.is_ascii() && text.ends_with(|c: char| !c.is_ascii());
            if beside && charset.letters == Letters::Latin {
                text.push('n');
            }
            text.push(letter);
        }
        text
    })
}

#[test]
fn labels_are_the_standard_s() {
    for charset in CHARSETS {
        for label in charset.labels {
            assert_eq!(Encoding::for_label(label.as_bytes()), Some(charset.encoding), "{label}");
        }
    }
}
