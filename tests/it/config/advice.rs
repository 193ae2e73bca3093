//! What is known of providers and of their servers' answers, as an account gets it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use super::good;
use mailbell::config::{Account, Part, built_in_providers, known_answers};
use mailbell::model::Lang;
use std::sync::Arc;

const HEAD: &str = "[wecom]\ncorp_id = \"ww0123456789abcdef\"\nagent_id = 1000002\nsecret = \"x\"\n";

/// An account at this provider, with these sections in the file.
fn account(name: &str, sections: &str) -> Arc<Account> {
    let own_host = built_in_providers().get(name).is_some_and(|known| known.regions().is_empty() && needs_host(name));
    let host = if own_host { "host = \"imap.corp.example\"\n" } else { "" };
    let proof = match name {
        "exchange-online" => "oauth = \"corp\"\n",
        _ => "password = \"x\"\n",
    };
    let oauth = "[oauth.corp]\nflow = \"refresh_token\"\ntoken_url = \"https://login.corp.example/token\"\n\
                 client_id = \"x\"\nrefresh_token = \"x\"\n";
    let account = format!(
        "[[account]]\nuser = \"zhangsan\"\nemail = \"zhangsan@corp.example\"\nprovider = \"{name}\"\n{host}{proof}"
    );
    good(&format!("{HEAD}{oauth}{sections}{account}")).accounts[0].clone()
}

fn needs_host(name: &str) -> bool {
    ["coremail", "exchange", "dovecot", "cyrus"].contains(&name)
}

#[test]
fn all_twelve_have_steps_in_both_languages_with_nothing_left_to_fill_in() {
    assert_eq!(built_in_providers().len(), 12);
    for name in built_in_providers().keys() {
        let account = account(name, "");
        for lang in [Lang::En, Lang::ZhCn] {
            for part in [Part::Member, Part::Admin, Part::Oauth, Part::Master] {
                for step in account.provider.steps(part, lang) {
                    assert!(!step.contains(['{', '}']) && !step.contains("  "), "{name}: {step}");
                }
            }
            assert!(!account.provider.steps(Part::Member, lang).is_empty(), "{name}");
            assert!(!account.provider.steps(Part::Admin, lang).is_empty(), "{name}");
        }
    }
}

#[test]
fn all_known_answers_resolve_whatever_stands_around_them() {
    for answer in known_answers() {
        let names: Vec<&str> = match answer.providers() {
            [] => built_in_providers().keys().map(String::as_str).collect(),
            own => own.iter().map(String::as_str).collect(),
        };
        for name in names {
            let account = account(name, "");
            for text in answer.texts() {
                let words = format!("LOGIN {} (Failure)", text.to_lowercase());
                for lang in [Lang::En, Lang::ZhCn] {
                    let meaning = account.answer_to(&words, lang).unwrap_or_else(|| panic!("{name}: {words}"));
                    assert!(!meaning.steps.is_empty(), "{name}: {text}");
                    let left = meaning.steps.iter().find(|step| step.contains(['{', '}']));
                    assert_eq!(left, None, "{name}: {text}");
                }
            }
        }
    }
    assert_eq!(account("qq", "").answer_to("Something else.", Lang::En), None);
}

fn first(name: &str, sections: &str, words: &str) -> (String, Vec<Part>) {
    let meaning = account(name, sections).answer_to(words, Lang::En).unwrap();
    (meaning.steps.join("\n"), meaning.then)
}

#[test]
fn an_answer_means_what_it_means_at_that_provider() {
    let region = first("netease-qiye", "", "LOGIN ERR.LOGIN.DOMAINNOTEXIST");
    for word in ["imaphz.qiye.163.com (eastern China)", "hwhzimap.qiye.163.com", "[provider.netease-qiye]"] {
        assert!(region.0.contains(word), "{word}: {region:?}");
    }
    // Already in a region: the other ones are named.
    let other = "[provider.netease-qiye]\nhost = \"imaphz.qiye.163.com\"\n";
    let (text, _) = first("netease-qiye", other, "ERR.LOGIN.DOMAINNOTEXIST");
    assert!(text.contains("another region: imap.qiye.163.com, hwhzimap.qiye.163.com"), "{text}");
    assert!(first("coremail", "", "ERR.LOGIN.DOMAINNOTEXIST").0.contains("the right host"));
    let sentence = "Login fail. Account is abnormal, service is not open, password is incorrect, login frequency limited, or system is busy.";
    assert!(first("qq", "", sentence).0.starts_with("QQ answers so"));
    assert_eq!(first("qq", "", sentence).1, [Part::Member]);
    assert_eq!(first("exmail", "", sentence).1, [Part::Admin, Part::Member]);
    assert_eq!(first("exchange-online", "", "AUTHENTICATE failed.").1, [Part::Oauth, Part::Admin]);
    assert!(account("dovecot", "").answer_to("AUTHENTICATE failed.", Lang::En).is_none());
    assert_eq!(first("exchange-online", "", "[AUTHORIZATIONFAILED] no").1, [Part::Oauth]);
    assert_eq!(
        first("gmail", "", "[ALERT] Application-specific password required: https://support.google.com").1,
        [Part::Member]
    );
}

#[test]
fn a_provider_is_known_by_its_section_and_by_its_host_too() {
    let known = |text: &str| good(&format!("{HEAD}{text}")).accounts[0].provider.known().map(|known| known.name());
    let account = "[[account]]\nuser = \"z\"\nemail = \"z@corp.example\"\npassword = \"x\"\n";
    assert_eq!(known(&format!("{account}host = \"imap.exmail.qq.com\"\n")), Some("exmail"));
    assert_eq!(known(&format!("{account}host = \"hwimap.exmail.qq.com\"\n")), Some("exmail"));
    assert_eq!(known(&format!("{account}host = \"imap.vip.163.com\"\n")), Some("netease"));
    assert_eq!(known(&format!("{account}host = \"imap.corp.example\"\n")), None);
    let own = "[provider.exmail]\nhost = \"imap.univ.example\"\n";
    assert_eq!(known(&format!("{own}{account}provider = \"exmail\"\n")), Some("exmail"));
    let corp = "[provider.corp]\nhost = \"imap.gmail.com\"\n";
    assert_eq!(known(&format!("{corp}{account}provider = \"corp\"\n")), Some("gmail"));
}

#[test]
fn the_webmail_of_a_step_is_that_of_the_account() {
    let text = format!("{HEAD}[[account]]\nuser = \"z\"\nemail = \"z@126.com\"\npassword = \"x\"\n");
    let steps = good(&text).accounts[0].provider.steps(Part::Member, Lang::ZhCn);
    assert!(steps[0].contains("打开网页邮箱 https://mail.126.com，"), "{steps:?}");
    let steps = account("263", "").provider.steps(Part::Member, Lang::En);
    assert!(steps[0].starts_with("Log in to the webmail and"), "{steps:?}");
}

#[test]
fn well_known_domains_have_their_servers() {
    let host = |email: &str| {
        let text = format!("{HEAD}[[account]]\nuser = \"z\"\nemail = \"{email}\"\npassword = \"x\"\n");
        good(&text).accounts[0].provider.server.host.clone()
    };
    for (email, wanted) in [
        ("z@vip.163.com", "imap.vip.163.com"),
        ("z@vip.126.com", "imap.vip.126.com"),
        ("z@188.com", "imap.188.com"),
        ("z@vip.188.com", "imap.vip.188.com"),
        ("z@vip.qq.com", "imap.qq.com"),
    ] {
        assert_eq!(host(email), wanted);
    }
}
