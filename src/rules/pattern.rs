//! Which folders a list of patterns takes (design: "Config", folder patterns).

/// Whether the patterns take a folder. `names` are the forms in which it may be written (without and with the
/// personal namespace's prefix), `/` between levels. `*` is any text, `/` included; `?` one character; `!` excludes;
/// INBOX in any case; `\Junk` the folder of that special use (RFC 6154), which `uses` names in lower case. Excluding
/// wins, wherever it stands.
pub fn takes(patterns: &[String], names: &[&str], uses: &[String]) -> bool {
    let any = |pattern: &str| match pattern.starts_with('\\') {
        true => uses.iter().any(|used| used.eq_ignore_ascii_case(pattern)),
        false => names.iter().any(|name| matches(pattern, name)),
    };
    let included = patterns.iter().filter(|p| !p.starts_with('!')).any(|p| any(p));
    included && !patterns.iter().filter_map(|p| p.strip_prefix('!')).any(any)
}

/// Whether a pattern holds a wildcard or a special use: only then can folders that do not exist yet match it.
pub fn is_wild(pattern: &str) -> bool {
    pattern.contains(['*', '?']) || pattern.trim_start_matches('!').starts_with('\\')
}

/// Whether each folder that `other` takes is taken by `patterns`, as far as their words show that.
pub fn covers(patterns: &[String], other: &[String]) -> bool {
    let out = |list: &[String]| list.iter().filter_map(|p| p.strip_prefix('!').map(str::to_owned)).collect::<Vec<_>>();
    let wider = |own: &str, theirs: &str| {
        own == theirs || own == "*" || !own.starts_with('\\') && !is_wild(theirs) && matches(own, theirs)
    };
    let (out_here, out_there) = (out(patterns), out(other));
    let mut theirs = other.iter().filter(|p| !p.starts_with('!'));
    let taken = |theirs: &String| patterns.iter().filter(|p| !p.starts_with('!')).any(|own| wider(own, theirs));
    theirs.all(taken) && out_here.iter().all(|own| out_there.iter().any(|theirs| wider(theirs, own)))
}

fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (fold_inbox(pattern), fold_inbox(name));
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    glob(&pattern, &name)
}

/// INBOX in one case, alone or as the first level.
fn fold_inbox(text: &str) -> String {
    match text.split_at_checked(5) {
        Some((start, rest)) if start.eq_ignore_ascii_case("INBOX") && (rest.is_empty() || rest.starts_with('/')) => {
            format!("INBOX{rest}")
        }
        _ => text.to_owned(),
    }
}

/// Wildcards in time O(pattern × name) at worst: on a mismatch only the last `*` is tried again.
fn glob(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || name.get(n) == Some(c) => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((star_p, star_n)) => {
                    star = Some((star_p, star_n + 1));
                    p = star_p + 1;
                    n = star_n + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_in_the_design() {
        let patterns: Vec<String> = ["INBOX", "项目/*", "!项目/归档"].map(str::to_owned).to_vec();
        let cases = [
            (&["inbox"][..], true),
            (&["INBOX/x"], false),
            (&["项目/甲"], true),
            (&["项目/甲/乙"], true),
            (&["项目/归档"], false),
            (&["项目"], false),
            (&["归档", "INBOX/归档"], false),
        ];
        for (names, expected) in cases {
            assert_eq!(takes(&patterns, names, &[]), expected, "{names:?}");
        }
        assert!(takes(&["Inbox/归档".to_owned()], &["归档", "INBOX/归档"], &[]));
        assert!(takes(&["?目*".to_owned()], &["项目/甲"], &[]));
        assert!(!takes(&["!x".to_owned()], &["y"], &[]));
    }

    #[test]
    fn one_list_may_take_all_that_another_does() {
        let covers = |one: &[&str], other: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
            super::covers(&owned(one), &owned(other))
        };
        assert!(covers(&["*"], &["INBOX", "项目/*", "\\Junk"]) && covers(&["INBOX"], &["inbox"]));
        assert!(covers(&["项目/*"], &["项目/甲", "项目/*"]) && covers(&["*", "!a"], &["b", "!a"]));
        assert!(!covers(&["*", "!a"], &["*"]) && !covers(&["INBOX"], &["*"]) && !covers(&["项目/甲"], &["项目/*"]));
    }

    proptest! {
        #[test]
        fn a_name_matches_itself_and_with_parts_starred(name in "[a-z/项目]{1,20}", cut in 0_usize..20) {
            prop_assert!(matches(&name, &name));
            let chars: Vec<char> = name.chars().collect();
            let cut = cut.min(chars.len());
            let start: String = chars[..cut].iter().collect();
            let starred = format!("{start}*");
            prop_assert!(matches(&starred, &name));
        }

        #[test]
        fn nothing_is_slow(stars in 1_usize..40, len in 1_usize..300) {
            let pattern = "*a".repeat(stars) + "b";
            prop_assert!(!matches(&pattern, &"a".repeat(len)));
        }
    }
}
