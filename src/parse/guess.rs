//! The charset of bytes that carry no label, or a wrong one.

use super::charset::Charset;
use super::{escape, plausible, words};
use crate::model::{Locale, Part};
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{BIG5, EUC_KR, Encoding, GB18030, ISO_2022_JP, UTF_8};
use memchr::memmem;

/// The country whose charsets are likely, as the detector wants it.
fn country(locale: Locale) -> Option<&'static [u8]> {
    match locale {
        Locale::Mainland => Some(b"cn"),
        Locale::Traditional => Some(b"tw"),
        Locale::Japanese => Some(b"jp"),
        Locale::Korean => Some(b"kr"),
        Locale::Other => None,
    }
}

/// More types of a header need not be looked at.
const MOST_NAMED: usize = 8;

/// What is known of bytes without a label.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hint<'a> {
    /// The header around them: what else in it names a charset tells something.
    pub(super) block: &'a [u8],
    /// Its parts, whose types name charsets, too.
    pub(super) parts: &'a [Part],
    /// Where the account is at home.
    pub(super) locale: Locale,
}

impl<'a> Hint<'a> {
    /// The charsets that the types of the mail and of its parts name.
    fn of_types(&self) -> impl Iterator<Item = Charset> + use<'a> {
        let block = self.block;
        let types = memmem::find_iter(block, b"harset=").filter_map(move |at| block.get(at + 7..)).map(|rest| {
            let end = rest.iter().position(|b| matches!(b, b';' | b'\r' | b'\n')).unwrap_or(rest.len());
            rest.get(..end).unwrap_or_default()
        });
        let of_parts = self.parts.iter().flat_map(|part| &part.parameters).filter(|(name, _)| name == "charset");
        types.chain(of_parts.map(|(_, label)| label.as_slice())).take(MOST_NAMED).map(Charset::of)
    }

    /// The East Asian charsets that encoded words and types name: the account's own first, then in their order.
    fn named(&self) -> Vec<&'static Encoding> {
        let mut named = words::named(self.block);
        named.extend(self.of_types().filter_map(Charset::east_asian));
        let own = match self.locale {
            Locale::Mainland => Some(GB18030),
            Locale::Traditional => Some(BIG5),
            Locale::Korean => Some(EUC_KR),
            Locale::Japanese | Locale::Other => None,
        };
        named.sort_by_key(|encoding| Some(*encoding) != own);
        named
    }

    /// What bytes are by the first charset of letters of one octet that a type names, if they look like words in it. Many
    /// that write Chinese name a Latin one all the same.
    fn by_letters(&self, bytes: &[u8]) -> Option<String> {
        let (encoding, is_latin) = self.of_types().find_map(Charset::of_letters)?;
        let text = strictly(encoding, bytes)?;
        let fits = if is_latin { plausible::is_latin(bytes) } else { plausible::is_words(&text) };
        fits.then_some(text)
    }
}

/// Text of bytes that carry no label: UTF-8 if they are that, else what else in the mail is named, else what the account's locale and the detector make of them. What fits nothing becomes U+FFFD.
pub(super) fn text(bytes: &[u8], hint: Hint<'_>) -> String {
    if let Some(text) = escape::text(bytes) {
        return text;
    }
    if bytes.contains(&0x1b)
        && let Some(text) = strictly(ISO_2022_JP, &escape::without_idle(bytes))
    {
        return text;
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && !(hint.locale == Locale::Mainland && is_rather_gbk(bytes, text))
    {
        return text.to_owned();
    }
    if mostly_utf8(bytes) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let named = hint.named().into_iter().find(|named| strictly(named, bytes).is_some());
    if named.is_none()
        && let Some(text) = hint.by_letters(bytes)
    {
        return text;
    }
    let encoding = named.unwrap_or_else(|| likely(bytes, hint));
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

fn likely(bytes: &[u8], hint: Hint<'_>) -> &'static Encoding {
    let all_pairs = |leads: std::ops::RangeInclusive<u8>| {
        pairs(bytes).is_some_and(|p| p.iter().all(|(lead, _)| leads.contains(lead)))
    };
    let is_chinese = !matches!(hint.locale, Locale::Japanese | Locale::Korean);
    if is_chinese && plausible::is_plain_big5(bytes) && strictly(BIG5, bytes).is_some() {
        return BIG5;
    }
    match hint.locale {
        Locale::Mainland if all_pairs(0xa1..=0xf7) => return GB18030,
        Locale::Traditional if strictly(BIG5, bytes).is_some() => {
            return if plausible::is_plain_gb18030(bytes) { GB18030 } else { BIG5 };
        }
        // The syllables, and symbols before them.
        Locale::Korean if all_pairs(0xa1..=0xc8) => return EUC_KR,
        _ => {}
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let guess = detector.guess(country(hint.locale), Utf8Detection::Deny);
    match strictly(guess, bytes) {
        None if strictly(GB18030, bytes).is_some() => GB18030,
        _ => guess,
    }
}

/// Whether bytes that are UTF-8 by chance are two-byte characters of GB 2312: usual ones all, while as UTF-8 they are no
/// word of any script (通知, 停水, 谢谢 are such bytes).
pub(super) fn is_rather_gbk(bytes: &[u8], utf8: &str) -> bool {
    let scripts = || {
        let mut of: Vec<u32> =
            utf8.chars().filter(|c| !c.is_ascii()).map(|c| if c.is_alphabetic() { block(c) } else { 0 }).collect();
        of.dedup();
        of
    };
    !bytes.is_ascii()
        && pairs(bytes).is_some_and(|pairs| pairs.iter().all(is_usual_hanzi))
        && scripts() != [block_of(utf8)]
}

/// A rough number for the script of a letter of two bytes in UTF-8.
fn block(c: char) -> u32 {
    match c {
        '\u{80}'..='\u{24f}' => 1,
        '\u{370}'..='\u{3ff}' => 2,
        '\u{400}'..='\u{52f}' => 3,
        '\u{530}'..='\u{58f}' => 4,
        '\u{590}'..='\u{5ff}' => 5,
        '\u{600}'..='\u{77f}' => 6,
        _ => 0,
    }
}

/// The script of the first letter that is not ASCII; one that no text can be in, if there is none.
fn block_of(text: &str) -> u32 {
    text.chars().find(|c| !c.is_ascii()).map(block).filter(|block| *block > 0).unwrap_or(u32::MAX)
}

/// Whether bytes that are not UTF-8 are so only because a little was lost of them.
pub(super) fn mostly_utf8(bytes: &[u8]) -> bool {
    let (mut long, mut broken) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        long += chunk.valid().chars().filter(|c| *c >= '\u{800}').count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    long >= 2 * broken && long > 0
}

/// The text, if every byte fits.
pub(super) fn strictly(encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
    if encoding == UTF_8 {
        return std::str::from_utf8(bytes).ok().map(str::to_owned);
    }
    encoding.decode_without_bom_handling_and_without_replacement(bytes).map(|text| text.into_owned())
}

/// The 8-bit characters as pairs of two bytes from 0xA1 on, as in GB 2312 and its like; `None` if some byte has no such
/// partner, or there is no pair.
pub(super) fn pairs(bytes: &[u8]) -> Option<Vec<(u8, u8)>> {
    let (mut found, mut rest) = (Vec::new(), bytes);
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if first.is_ascii() {
            continue;
        }
        let (second, more) = rest.split_first()?;
        if *first < 0xa1 || *second < 0xa1 || *first == 0xff || *second == 0xff {
            return None;
        }
        found.push((*first, *second));
        rest = more;
    }
    (!found.is_empty()).then_some(found)
}

/// Level 1 of GB 2312: the 3,755 usual characters.
pub(super) fn is_usual_hanzi((lead, _): &(u8, u8)) -> bool {
    (0xb0..=0xd7).contains(lead)
}
