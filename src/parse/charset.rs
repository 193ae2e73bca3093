//! Bytes under a label: the names that charsets go by, and what to do where a label is not true.

use super::escape;
use super::guess::{self, Hint};
use super::plausible;
use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_2022_JP, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_10,
    ISO_8859_13, ISO_8859_14, ISO_8859_15, ISO_8859_16, MACINTOSH, SHIFT_JIS, UTF_8, WINDOWS_1250, WINDOWS_1252,
    WINDOWS_1254, WINDOWS_1257, WINDOWS_1258,
};

/// The charsets of Latin letters.
const LATIN: [&Encoding; 14] = [
    WINDOWS_1252,
    WINDOWS_1250,
    WINDOWS_1254,
    WINDOWS_1257,
    WINDOWS_1258,
    ISO_8859_2,
    ISO_8859_3,
    ISO_8859_4,
    ISO_8859_10,
    ISO_8859_13,
    ISO_8859_14,
    ISO_8859_15,
    ISO_8859_16,
    MACINTOSH,
];

/// The upper half of IBM code page 850, which Lotus Notes writes.
const IBM850: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";

/// What a label names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    /// One that encoding_rs knows.
    Known(&'static Encoding),
    /// US-ASCII: whatever has more than seven bits is something else.
    Ascii,
    /// HZ-GB-2312.
    Hz,
    /// ISO-2022-CN, ISO-2022-KR.
    Iso2022,
    /// UTF-7.
    Utf7,
    /// IBM code page 850.
    Ibm850,
    /// Nothing that anybody knows: unknown-8bit, default, an empty label.
    Unknown,
}

impl Charset {
    /// What a label names: in any case, with blanks or quotes around it, with a language behind it (RFC 2231 5), and with
    /// whatever between its letters and digits.
    pub(super) fn of(label: &[u8]) -> Self {
        // Nine of ten are one of these.
        for (usual, encoding) in [("utf-8", UTF_8), ("gb2312", GB18030), ("gbk", GB18030), ("gb18030", GB18030)] {
            if label.eq_ignore_ascii_case(usual.as_bytes()) {
                return Self::Known(encoding);
            }
        }
        let label = label.split(|b| *b == b'*').next().unwrap_or_default();
        let plain: String =
            label.iter().filter(|b| b.is_ascii_alphanumeric()).map(|b| char::from(b.to_ascii_lowercase())).collect();
        match plain.as_str() {
            "utf8" | "utf8mb4" | "unicode11utf8" | "xunicode20utf8" | "cp65001" => Self::Known(UTF_8),
            "gb2312" | "gb231280" | "gb18030" | "gb180302005" | "gb180302000" | "gbk" | "xgbk" | "cp936" | "ms936"
            | "windows936" | "euccn" | "xeuccn" | "chinese" | "csgb2312" | "csiso58gb231280" | "isoir58" | "gb" => {
                Self::Known(GB18030)
            }
            "big5" | "big5hkscs" | "cnbig5" | "xxbig5" | "csbig5" | "cp950" | "ms950" | "windows950" | "big5eten"
            | "xbig5" | "big5tw" => Self::Known(BIG5),
            "iso2022jp" | "csiso2022jp" | "iso2022jpms" | "iso2022jp1" | "iso2022jp3" | "cp50220" | "cp50221" => {
                Self::Known(ISO_2022_JP)
            }
            "shiftjis" | "sjis" | "xsjis" | "cp932" | "ms932" | "windows31j" | "mskanji" | "shiftjisx0213" => {
                Self::Known(SHIFT_JIS)
            }
            "eucjp" | "xeucjp" | "eucjpms" | "ujis" => Self::Known(EUC_JP),
            "euckr" | "ksc5601" | "ksc56011987" | "cp949" | "ms949" | "uhc" | "windows949" | "xwindows949"
            | "kscs5601" | "korean" => Self::Known(EUC_KR),
            "xuserdefined" | "userdefined" => Self::Unknown,
            "usascii" | "ascii" | "ansix341968" | "iso646us" | "us" => Self::Ascii,
            "hzgb2312" | "hz" => Self::Hz,
            "iso2022cn" | "iso2022cnext" | "iso2022kr" | "csiso2022kr" => Self::Iso2022,
            "ibm850" | "cp850" | "cspc850multilingual" => Self::Ibm850,
            "utf7" | "unicode11utf7" | "csunicode11utf7" => Self::Utf7,
            _ => Encoding::for_label_no_replacement(label.trim_ascii()).map_or(Self::Unknown, Self::Known),
        }
    }

    /// One of the charsets that bytes without a label may well be in, where this one is named beside them.
    pub(super) fn east_asian(self) -> Option<&'static Encoding> {
        match self {
            Self::Known(e) if [GB18030, GBK, BIG5, SHIFT_JIS, EUC_JP, EUC_KR].contains(&e) => Some(e),
            Self::Hz => Some(GB18030),
            _ => None,
        }
    }

    /// One of letters that are an octet each, and whether they are Latin.
    pub(super) fn of_letters(self) -> Option<(&'static Encoding, bool)> {
        match self {
            Self::Known(e) if e.is_single_byte() => Some((e, LATIN.contains(&e))),
            _ => None,
        }
    }

    /// The text of bytes under this label.
    pub(super) fn text(self, bytes: &[u8], hint: Hint<'_>) -> String {
        match self {
            Self::Known(encoding) if encoding == ISO_2022_JP => known(encoding, &escape::without_idle(bytes), hint),
            Self::Known(encoding) => known(encoding, bytes, hint),
            Self::Hz => escape::hz(bytes),
            Self::Iso2022 => escape::iso2022(bytes),
            Self::Ibm850 => bytes.iter().map(|b| ibm850(*b)).collect(),
            Self::Utf7 if bytes.is_ascii() => escape::utf7(bytes),
            Self::Ascii | Self::Utf7 | Self::Unknown => guess::text(bytes, hint),
        }
    }
}

fn ibm850(octet: u8) -> char {
    match octet.checked_sub(0x80) {
        Some(high) => IBM850.chars().nth(usize::from(high)).unwrap_or('\u{fffd}'),
        None => char::from(octet),
    }
}

fn known(encoding: &'static Encoding, bytes: &[u8], hint: Hint<'_>) -> String {
    if bytes.is_ascii() && encoding != ISO_2022_JP {
        return escape::text(bytes).unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned());
    }
    let utf8 = std::str::from_utf8(bytes).ok();
    let is_latin = encoding == WINDOWS_1252 || encoding == WINDOWS_1254;
    // UTF-8 under another label: nothing else looks like its long forms. In Latin, its short ones neither.
    if let Some(text) = utf8.filter(|text| text.chars().any(|c| c >= '\u{800}') || is_latin || encoding == UTF_8) {
        return text.to_owned();
    }
    let is_chinese = || !plausible::is_latin(bytes);
    if is_latin
        && guess::pairs(bytes).is_some_and(|pairs| pairs.len() > 1 && pairs.iter().all(guess::is_usual_hanzi))
        && is_chinese()
    {
        return GB18030.decode_without_bom_handling(bytes).0.into_owned();
    }
    if let Some(text) = guess::strictly(encoding, bytes) {
        return text;
    }
    // It is not what the label says, or something of it was lost.
    let may_be_else = encoding == UTF_8 && !guess::mostly_utf8(bytes) || encoding == GB18030 || encoding == BIG5;
    let other = may_be_else.then(|| guess::text(bytes, hint)).filter(|text| !text.contains('\u{fffd}'));
    other.unwrap_or_else(|| match guess::mostly_utf8(bytes) && encoding != UTF_8 {
        true => String::from_utf8_lossy(bytes).into_owned(),
        false => encoding.decode_without_bom_handling(bytes).0.into_owned(),
    })
}
