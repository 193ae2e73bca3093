//! The example: it holds every key, and each as available as it says.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use super::{SMALLEST, example, good, sentences, smallest_with};
use mailbell::config::{self, Auth, Credential, MinTls, Subscription, Tls};
use mailbell::model::{Card, Lang, Owner, Recipient, Urgency};
use mailbell::rules::hours::Hours;

/// A line of the example that is a key or a header, also when it is commented out.
struct ExampleLine<'t> {
    text: &'t str,
    header: String,
    key: Option<&'t str>,
    commented: bool,
    later: bool,
}

fn example_lines(text: &str) -> Vec<ExampleLine<'_>> {
    let mut header = String::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        let (commented, text) = line.strip_prefix("# ").map_or((false, line), |text| (true, text));
        let later = text.contains("not available yet") && text.contains('#') || text.contains("; not available yet");
        let key = text
            .split_once(" = ")
            .map(|(key, _)| key)
            .filter(|key| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        let bare = text.split('#').next().unwrap().trim();
        if bare.starts_with('[') && bare.ends_with(']') {
            header = match bare.split_once('.') {
                Some((kind @ ("[provider" | "[oauth" | "[user" | "[recipients"), _)) => format!("{kind}.NAME]"),
                _ => bare.to_owned(),
            };
        } else if key.is_none() {
            continue;
        }
        lines.push(ExampleLine { text, header: header.clone(), key, commented, later });
    }
    lines
}

#[test]
fn every_key_stands_in_the_example() {
    let text = example();
    let lines = example_lines(&text);
    let known = config::known_keys();
    assert!(known.len() > 60);
    for key in &known {
        let found = lines.iter().find(|line| line.header == key.section && line.key == Some(key.name));
        let line = found.unwrap_or_else(|| panic!("{} {} is not in the example", key.section, key.name));
        assert_eq!(line.later, key.later, "{}", line.text);
        assert!(line.commented || !line.later, "{}", line.text);
    }
    for line in &lines {
        let Some(name) = line.key else { continue };
        assert!(known.iter().any(|k| k.section == line.header && k.name == name), "{} is no key", line.text);
    }
}

#[test]
fn the_example_loads_with_all_that_is_commented_out_and_available() {
    let text = example();
    let mut whole = String::new();
    // The calendar would have to lie beside it.
    let elsewhere = Some("workdays_file");
    for line in example_lines(&text).iter().filter(|line| !line.later && line.key != elsewhere) {
        whole.push_str(line.text);
        whole.push('\n');
    }
    let config = good(&whole);
    assert_eq!(config.accounts.len(), 3);
    assert!(config.web.is_some() && config.wecom.proxy.is_some() && config.wecom.link.is_some());
    assert_eq!(config.accounts[0].login, "CORP\\zhangsan");
    let shared = &config.accounts[1];
    assert_eq!(shared.owner, Owner::Shared(shared.id.clone()));
    assert_eq!(shared.recipients, [Recipient::User("lisi".into()), Recipient::Party(12)]);
    assert_eq!((shared.provider.server.port, shared.provider.server.tls), (143, Tls::Starttls));
    assert_eq!(shared.provider.server.min_tls, MinTls::V13);
    assert!(shared.provider.server.ca_file.as_ref().unwrap().ends_with("corp-ca.pem"));
    assert_eq!(config.admin.recipients, [Recipient::User("wangwu".into())]);
    let online = &config.accounts[2];
    assert_eq!(online.auth, Auth::Xoauth2);
    assert!(matches!(&online.credential, Credential::Oauth(source) if source.name == "corp"));
    assert_eq!(config.wecom.account_cap, Some(500));
    let projects = Subscription {
        folders: vec!["项目/*".to_owned()],
        recipients: Some(vec![Recipient::User("zhangsan".into()), Recipient::Party(12), Recipient::Tag(3)]),
        urgency: Urgency::Normal,
        realtime: Some(true),
        ..online.subscriptions[0].clone()
    };
    assert_eq!(online.subscriptions, [projects]);
    let [subscription] = online.subscriptions.as_slice() else { panic!("one subscription") };
    assert!(!subscription.filter.is_empty() && subscription.card == Some(Card::Text));
    assert!(subscription.times.quiet_hours.as_ref().is_some_and(Hours::is_empty), "never quiet");
    let lisi = &config.users[&Recipient::User("lisi".into())];
    assert_eq!((lisi.lang, lisi.card), (Some(Lang::En), Some(Card::Text)));
    assert!(!config.alerts.quiet_hours.is_empty() && !config.alerts.work_hours.is_empty());
}

#[test]
fn every_later_key_of_the_example_is_refused() {
    let text = example();
    let lines = example_lines(&text);
    for later in lines.iter().filter(|line| line.later && line.key.is_some()) {
        let more = format!("{}\n", later.text);
        let text = match later.header.as_str() {
            "[[account.subscription]]" => {
                format!("{SMALLEST}\n[[account.subscription]]\nfolders = [\"INBOX\"]\n{more}")
            }
            "[[account]]" => format!("{SMALLEST}\n{more}"),
            "[wecom]" => smallest_with("[wecom]", &more),
            "[provider.NAME]" => {
                format!("{SMALLEST}\n[provider.x]\nhost = \"imap.corp.example\"\n{more}")
            }
            "[web]" => format!("{SMALLEST}\n[web]\nlisten = \"127.0.0.1:8025\"\n{more}"),
            header => format!("{SMALLEST}\n{header}\n{more}"),
        };
        let said = sentences(&text);
        assert_eq!(said.len(), 1, "{}: {said:?}", later.text);
        assert!(said[0].contains("not available yet"), "{said:?}");
    }
}
