//! Who was met before: by what addresses and names are known again.

use crate::model::{Fingerprint, Letter, Verdict};
use std::time::Duration;
use unicode_normalization::UnicodeNormalization;

/// So long a sender is remembered after the last letter.
pub const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

/// An address, whatever its case.
pub fn of_address(address: &str) -> Fingerprint {
    Fingerprint::of("address", address.trim().to_lowercase().as_bytes())
}

/// A name as people see it: whatever its case, width, blanks, the order of its words or what stands in brackets behind
/// it, and with the letters that it seems to be made of (UTS 39). `None`: there is nothing in it.
pub fn of_name(name: &str) -> Option<Fingerprint> {
    let name: String = name.nfkc().collect::<String>().to_lowercase();
    let outside = name.split(['(', '[', '<', '【', '「']).find(|part| !part.trim().is_empty()).unwrap_or_default();
    let seen: String = unicode_security::skeleton(outside).collect();
    let mut words: Vec<_> = seen.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    // A Chinese name has its order, and no blanks that mean anything.
    if words.iter().all(|word| word.is_ascii()) {
        words.sort_unstable();
    }
    // One letter or two in Latin are nobody's name.
    let counts = |c: char| if c.is_ascii() { 1 } else { 2 };
    let is_name = words.iter().flat_map(|word| word.chars()).map(counts).sum::<usize>() > 2;
    is_name.then(|| Fingerprint::of("name", words.concat().as_bytes()))
}

/// Whether an address is of one of these domains, or of one below them.
pub fn is_own(address: &str, domains: &[String]) -> bool {
    let Some((_, domain)) = address.rsplit_once('@') else { return false };
    let domain = domain.trim_end_matches('.').to_lowercase();
    let below =
        |own: &String| domain.strip_suffix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    domains.iter().any(below)
}

/// The name that a colleague is known by: one's own company's address, and nobody found it false.
pub fn colleague(letter: &Letter, domains: &[String]) -> Option<Fingerprint> {
    let address = letter.from.address.as_deref()?;
    let is_ours = is_own(address, domains) && letter.verdict != Some(Verdict::Fail);
    letter.from.name.as_deref().filter(|_| is_ours).and_then(of_name)
}

/// The name that may be borrowed from a colleague: the address is not of one's own company.
pub fn stranger(letter: &Letter, domains: &[String]) -> Option<Fingerprint> {
    let address = letter.from.address.as_deref()?;
    let is_theirs = !domains.is_empty() && !is_own(address, domains);
    letter.from.name.as_deref().filter(|_| is_theirs).and_then(of_name)
}

/// How many days of memory do not know a sender.
pub fn unmet_days(remembered_for: Duration) -> u8 {
    u8::try_from(remembered_for.min(REMEMBERED).as_secs() / 86_400).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sender;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_known_again_however_it_is_dressed() {
        let same = |names: &[&str]| {
            names.iter().map(|name| of_name(name)).collect::<std::collections::HashSet<_>>().len() == 1
        };
        assert!(same(&["张三", "张 三", "张三（财务部）", "张三 [外部]", " 张三"]));
        assert!(same(&["Zhang San", "zhang san", "San Zhang", "ＺＨＡＮＧ ＳＡＮ", "San, Zhang", "Zhаng Sаn"]));
        assert!(!same(&["张三", "张三丰"]));
        for nothing in ["", " ", "()", "a", "X.Y"] {
            assert_eq!(of_name(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn own_domains_reach_down_not_sideways() {
        let own = ["corp.example".to_owned()];
        for ours in ["a@corp.example", "a@CORP.example", "a@hr.corp.example", "a@corp.example."] {
            assert!(is_own(ours, &own), "{ours}");
        }
        for theirs in ["a@evilcorp.example", "a@corp.example.cn", "corp.example", "a@", ""] {
            assert!(!is_own(theirs, &own), "{theirs}");
        }
    }

    #[test]
    fn a_forged_colleague_teaches_no_name() {
        let own = ["corp.example".to_owned()];
        let from = Sender { name: Some("张三".to_owned()), address: Some("zhangsan@corp.example".to_owned()) };
        let letter = Letter { from, ..Letter::default() };
        assert_eq!(colleague(&letter, &own), of_name("张三"));
        assert_eq!(stranger(&letter, &own), None);
        assert_eq!(colleague(&Letter { verdict: Some(Verdict::Fail), ..letter }, &own), None);
    }

    proptest! {
        #[test]
        fn no_name_is_too_odd(name in any::<String>(), other in any::<String>()) {
            let _ = of_name(&name);
            prop_assert_ne!(of_address(&format!("a{name}@x.example")), of_address(&format!("b{other}@x.example")));
        }
    }
}
