//! How likely a reading of 8-bit text is: by how common its characters are in the script that it would be.

use super::guess;

/// The characters of a reading in pairs of octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pairs {
    all: usize,
    /// Those that a text in this charset seldom has.
    strange: usize,
    /// Those whose second octet is below 0x80, as in no charset of the EUC kind.
    low: usize,
}

/// As GB18030: usual are level 1 of GB 2312, and its punctuation and lines.
fn as_gb18030(bytes: &[u8]) -> Pairs {
    let (mut found, mut rest) = (Pairs::default(), bytes);
    while let Some((lead, more)) = rest.split_first() {
        rest = match (lead, more) {
            (0x81..=0xfe, [0x30..=0x39, _, _, after @ ..]) => {
                found.all += 1;
                found.strange += 1;
                after
            }
            (0x81..=0xfe, [trail, after @ ..]) => {
                let is_usual = matches!(lead, 0xa1..=0xa3 | 0xa9 | 0xb0..=0xd7) && *trail >= 0xa1;
                found.all += 1;
                found.strange += usize::from(!is_usual);
                found.low += usize::from(*trail < 0x80);
                after
            }
            _ => more,
        };
    }
    found
}

/// As Big5: usual are its punctuation and the 5,401 characters of its first level. `None` where it cannot be that.
fn as_big5(bytes: &[u8]) -> Option<Pairs> {
    let (mut found, mut rest) = (Pairs::default(), bytes);
    while let Some((lead, more)) = rest.split_first() {
        rest = match (lead, more) {
            (0x81..=0xfe, [trail @ (0x40..=0x7e | 0xa1..=0xfe), after @ ..]) => {
                let is_usual = matches!((lead, trail), (0xa1..=0xc5, _) | (0xc6, ..=0x7e));
                found.all += 1;
                found.strange += usize::from(!is_usual);
                found.low += usize::from(*trail < 0x80);
                after
            }
            (0x80..=0xff, _) => return None,
            _ => more,
        };
    }
    Some(found)
}

/// Whether bytes that could be GB18030 or Big5 are plainly Big5: common characters there, strange ones here.
pub(super) fn is_plain_big5(bytes: &[u8]) -> bool {
    let gb = as_gb18030(bytes);
    let is_better = |big5: Pairs| gb.strange > 2 * big5.strange && big5.low > 0;
    gb.strange >= 2 && gb.strange * 3 >= gb.all && as_big5(bytes).is_some_and(is_better)
}

/// Whether bytes that could be Big5 or GB18030 are plainly the latter.
pub(super) fn is_plain_gb18030(bytes: &[u8]) -> bool {
    let gb = as_gb18030(bytes);
    let is_better = |big5: Pairs| big5.strange > 2 * gb.strange && big5.strange >= 2;
    as_big5(bytes).is_none_or(is_better)
}

/// Whether bytes are a text in Latin letters, some of them with accents, rather than Chinese: accents stand alone or in
/// twos between plain letters, Chinese characters beside each other.
pub(super) fn is_latin(bytes: &[u8]) -> bool {
    let (mut latin, mut chinese, mut at) = (0_usize, 0_usize, 0);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let run = rest.iter().take_while(|b| !b.is_ascii()).count();
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let after = bytes.get(at + run);
        match rest.get(..run) {
            None | Some([]) => {}
            Some([_] | [_, _, _]) => latin += 1,
            Some([one, other]) => match is_pair_of_latin(*one, *other, before, after) {
                true => latin += 1,
                false => chinese += 1,
            },
            Some(_) => return false,
        }
        at += run.max(1);
    }
    latin > chinese
}

/// Whether two letters with accents stand in a Latin word: inside it, or both small at its end.
fn is_pair_of_latin(one: u8, other: u8, before: Option<&u8>, after: Option<&u8>) -> bool {
    let is_letter = |b: u8| b >= 0xc0 && !matches!(b, 0xd7 | 0xf7);
    let is_inside = before.is_some_and(u8::is_ascii_alphabetic) && after.is_some_and(u8::is_ascii_alphabetic);
    let ends_small = before.is_some_and(u8::is_ascii_lowercase) && one >= 0xdf && other >= 0xdf;
    let is_hanzi = guess::is_usual_hanzi(&(one, other)) && other >= 0xa1;
    !is_hanzi || is_letter(one) && is_letter(other) && (is_inside || ends_small)
}

/// Whether a decoded text is one of words: letters in an order of cases that words have, and the punctuation of prints.
pub(super) fn is_words(text: &str) -> bool {
    let mut small_before = false;
    text.chars().all(|c| {
        let is_fine = c.is_ascii() || c.is_alphanumeric() || is_mark(c) || "\u{a0}«»–—‘’‚“”„…№°§€฿".contains(c);
        let breaks = small_before && c.is_uppercase();
        small_before = c.is_lowercase();
        is_fine && !breaks
    })
}

/// The signs over and under the letters of Hebrew, Arabic and Thai.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{591}'..='\u{5c7}' | '\u{64b}'..='\u{65f}' | '\u{e2f}'..='\u{e4e}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{BIG5, EUC_JP, Encoding, GB18030, WINDOWS_1252};

    fn bytes(encoding: &'static Encoding, text: &str) -> Vec<u8> {
        encoding.encode(text).0.into_owned()
    }

    #[test]
    fn common_characters_tell_big5_from_gb18030() {
        for text in ["會議通知", "您的訂單已經出貨請於三天內取件", "Re: 第三季業績檢討 (v2)", "年度健康檢查"]
        {
            let raw = bytes(BIG5, text);
            assert!(is_plain_big5(&raw) && !is_plain_gb18030(&raw), "{text}");
        }
        for text in ["会议通知", "关于付款", "李祎", "朱镕基讲话", "────────通知", "会议の通知", "服務部張", "誠邀参加"]
        {
            assert!(!is_plain_big5(&bytes(GB18030, text)), "{text}");
        }
        assert!(!is_plain_big5(&bytes(EUC_JP, "お知らせ")));
        assert!(is_plain_gb18030(&bytes(GB18030, "关于付款的通知")));
    }

    #[test]
    fn accents_between_letters_are_latin() {
        for text in ["Réunion annulée", "PROMOÇÃO: SOLICITAÇÃO", "SÄÄSTÖÄ PÄÄTTYY", "grüßt", "Liebe Grüße, müß", "25°C"]
        {
            assert!(is_latin(&bytes(WINDOWS_1252, text)), "{text}");
        }
        for text in ["会议通知", "A组 report", "中", "Q群 K歌", "第1季 Q3", "plain"] {
            assert!(!is_latin(&bytes(GB18030, text)), "{text}");
        }
        assert!(is_words("Счет на оплату «СМЕТА» 2025") && !is_words("сЧЕТ"));
        assert!(is_words("ประชุม") && !is_words("°±²"));
    }
}
