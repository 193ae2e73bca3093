//! From bytes to characters: which encoding it is, and files that are no CSV at all.

use super::told::{Said, say};
use super::{Encoding, MOST_BYTES};
use encoding_rs::{DecoderResult, GB18030, UTF_16BE, UTF_16LE};
use std::ops::Deref;
use zeroize::Zeroizing;

/// The characters of a file: as they stand in its bytes, or decoded and wiped afterwards.
pub(super) enum Text<'b> {
    /// They were UTF-8.
    AsRead(&'b str),
    /// They were something else.
    Decoded(Zeroizing<String>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::AsRead(text) => text,
            Self::Decoded(text) => text,
        }
    }
}

/// Why a file has no characters that could be read.
#[derive(Debug)]
pub(super) struct Undecodable {
    pub encoding: Encoding,
    pub line: usize,
    pub said: Said,
}

/// The characters, without the byte order mark; never empty, and none of them NUL.
pub(super) fn decode(bytes: &[u8]) -> Result<(Text<'_>, Encoding), Undecodable> {
    let wrong = |said| Undecodable { encoding: Encoding::Utf8, line: 1, said };
    if bytes.len() > MOST_BYTES {
        return Err(wrong(say(
            "the file is larger than 100 MB, which no list of accounts is; check which file it is",
            "文件超过 100 MB，账号表不会这么大；请检查是否选错了文件",
        )));
    }
    if let Some(said) = foreign(bytes) {
        return Err(wrong(said));
    }
    let (text, encoding) = characters(bytes)?;
    if let Some(at) = text.find('\0') {
        return Err(Undecodable { encoding, line: line_at(&text, at), said: nul() });
    }
    if text.trim_start().starts_with('<') {
        return Err(wrong(no_csv(
            "a web page or XML (some systems name such a file .xls or .csv)",
            "网页或 XML（有些系统会把它命名为 .xls 或 .csv）",
        )));
    }
    if text.chars().all(|c| c.is_whitespace() || c == ',' || c == ';') {
        return Err(wrong(say(
            "the file is empty; write a header line such as userid,email,provider,password and one line for each account below",
            "文件是空的；请写表头，例如 成员账号,邮箱,服务商,密码，其下每个账号一行",
        )));
    }
    Ok((text, encoding))
}

/// Files that are known by their first bytes.
fn foreign(bytes: &[u8]) -> Option<Said> {
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    if begins(b"PK\x03\x04") || begins(b"PK\x05\x06") {
        Some(no_csv("an .xlsx workbook (or another ZIP file)", " .xlsx 工作簿（或其他 ZIP 文件）"))
    } else if begins(b"\xd0\xcf\x11\xe0") {
        Some(no_csv("an old .xls workbook", "旧版 .xls 工作簿"))
    } else if begins(b"%PDF") {
        Some(no_csv("a PDF", " PDF 文件"))
    } else if begins(b"\x1f\x8b") || begins(b"7z\xbc\xaf") || begins(b"Rar!") {
        Some(say(
            "this is a compressed file, no CSV; unpack it and give the CSV in it",
            "这是压缩文件，不是 CSV；请先解压，再使用其中的 CSV",
        ))
    } else {
        None
    }
}

fn no_csv(en: &str, zh: &str) -> Said {
    say(
        format!("this is {en}, no CSV; open it in the spreadsheet and save it as \"CSV UTF-8 (comma delimited)\""),
        format!("这是{zh}，不是 CSV；请用表格软件打开，另存为“CSV UTF-8（逗号分隔）”"),
    )
}

fn nul() -> Said {
    say(
        "the file holds NUL bytes: it is no text, or UTF-16 without its mark; save it as \"CSV UTF-8 (comma delimited)\"",
        "文件含有 NUL 字节：不是文本，或是没有标记的 UTF-16；请另存为“CSV UTF-8（逗号分隔）”",
    )
}

fn characters(bytes: &[u8]) -> Result<(Text<'_>, Encoding), Undecodable> {
    if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        return utf8(rest).map(|text| (text, Encoding::Utf8));
    }
    for (mark, encoding) in [
        (b"\xff\xfe".as_slice(), Encoding::Utf16Le),
        (b"\xfe\xff", Encoding::Utf16Be),
        (b"\x84\x31\x95\x33", Encoding::Gb18030),
    ] {
        if let Some(rest) = bytes.strip_prefix(mark) {
            return other(rest, encoding).map(|text| (text, encoding));
        }
    }
    if std::str::from_utf8(bytes).is_ok() || mostly_utf8(bytes) {
        return utf8(bytes).map(|text| (text, Encoding::Utf8));
    }
    if bytes.contains(&0) {
        let before = bytes.iter().take_while(|b| **b != 0).filter(|b| **b == b'\n').count();
        return Err(Undecodable { encoding: Encoding::Utf8, line: before + 1, said: nul() });
    }
    other(bytes, Encoding::Gb18030).map(|text| (text, Encoding::Gb18030))
}

fn utf8(bytes: &[u8]) -> Result<Text<'_>, Undecodable> {
    std::str::from_utf8(bytes).map(Text::AsRead).map_err(|error| {
        let whole = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let whole = std::str::from_utf8(whole).unwrap_or_default();
        undecodable(Encoding::Utf8, line_at(whole, whole.len()))
    })
}

/// Decodes without leaving copies that nobody wipes: into one text that never grows.
fn other(bytes: &[u8], encoding: Encoding) -> Result<Text<'_>, Undecodable> {
    let table = match encoding {
        Encoding::Utf16Le => UTF_16LE,
        Encoding::Utf16Be => UTF_16BE,
        Encoding::Gb18030 | Encoding::Utf8 => GB18030,
    };
    let mut decoder = table.new_decoder_without_bom_handling();
    let most = decoder.max_utf8_buffer_length_without_replacement(bytes.len());
    let mut text = Zeroizing::new(String::with_capacity(most.unwrap_or_default()));
    match decoder.decode_to_string_without_replacement(bytes, &mut text, true) {
        (DecoderResult::InputEmpty, _) => Ok(Text::Decoded(text)),
        _ => Err(undecodable(encoding, line_at(&text, text.len()))),
    }
}

fn undecodable(encoding: Encoding, line: usize) -> Undecodable {
    let name = if encoding == Encoding::Gb18030 { "UTF-8 or GBK" } else { encoding.name() };
    let zh = if encoding == Encoding::Gb18030 { "UTF-8 或 GBK" } else { encoding.name() };
    let said = say(
        format!(
            "here stands something that is no character of {name}; save the file again as \"CSV UTF-8 (comma delimited)\""
        ),
        format!("这一行有不属于 {zh} 的字节；请重新另存为“CSV UTF-8（逗号分隔）”"),
    );
    Undecodable { encoding, line, said }
}

/// Whether bytes that are not UTF-8 are so only because a little of them is damaged: GBK hardly ever looks like the
/// three bytes of a Chinese character in UTF-8, and never often.
fn mostly_utf8(bytes: &[u8]) -> bool {
    let (mut long, mut broken) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        long += chunk.valid().chars().filter(|c| *c >= '\u{800}').count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    long >= 2 * broken && long > 0
}

/// The line, from 1, of what stands at this byte.
pub(super) fn line_at(text: &str, at: usize) -> usize {
    line_ends(text.get(..at).unwrap_or(text)) + 1
}

/// How many lines end in a text: CRLF, LF or CR, each once.
pub(super) fn line_ends(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_end = |at: &usize| match bytes.get(*at) {
        Some(b'\n') => true,
        Some(b'\r') => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    memchr::memchr2_iter(b'\n', b'\r', bytes).filter(is_end).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> (String, Encoding) {
        let (text, encoding) = decode(bytes).ok().unwrap();
        (text.to_string(), encoding)
    }

    #[test]
    fn each_encoding_is_told_from_the_others() {
        let text = "成员账号,邮箱\r\n";
        assert_eq!(decoded(text.as_bytes()), (text.into(), Encoding::Utf8));
        assert_eq!(decoded(&[b"\xef\xbb\xbf", text.as_bytes()].concat()), (text.into(), Encoding::Utf8));
        assert_eq!(decoded(&GB18030.encode(text).0), (text.into(), Encoding::Gb18030));
        let little: Vec<u8> = "\u{feff}成员账号,邮箱\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decoded(&little), (text.into(), Encoding::Utf16Le));
        let big: Vec<u8> = "\u{feff}成员账号,邮箱\r\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decoded(&big), (text.into(), Encoding::Utf16Be));
        let rare = "邮箱,𠮷\u{9fff}";
        assert_eq!(
            decoded(&[b"\x84\x31\x95\x33", &*GB18030.encode(rare).0].concat()),
            (rare.into(), Encoding::Gb18030)
        );
    }

    #[test]
    fn damaged_text_is_not_taken_for_another_encoding() {
        let mut bytes = "邮箱,备注\n张三,李四\n王五,赵六\n".as_bytes().to_vec();
        bytes[16] = 0xff;
        let wrong = decode(&bytes).err().unwrap();
        assert_eq!((wrong.encoding, wrong.line), (Encoding::Utf8, 2));
        let odd = b"\xff\xfea\0,\0b";
        assert_eq!(decode(odd).err().unwrap().encoding, Encoding::Utf16Le);
        let lone = b"\xff\xfea\0\n\0\x00\xd8b\0";
        assert_eq!(decode(lone).err().unwrap().line, 2);
    }

    #[test]
    fn lines_are_counted_as_editors_count_them() {
        assert_eq!(line_ends(""), 0);
        assert_eq!(line_ends("a\r\nb\nc\rd"), 3);
        assert_eq!(line_ends("\r\r\n\n"), 3);
        assert_eq!(line_at("a\nb", 2), 2);
    }
}
