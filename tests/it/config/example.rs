//! The example: it holds every key, and all that is commented out loads too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use super::{example, good};
use mailbell::config::{self, Auth, Credential, MinTls, Subscription, Tls};
use mailbell::model::{Card, Lang, Owner, Recipient, Urgency};
use mailbell::rules::hours::Hours;

/// A line of the example that is a key or a header, also when it is commented out.
struct ExampleLine<'t> {
    text: &'t str,
    header: String,
    key: Option<&'t str>,
}

fn example_lines(text: &str) -> Vec<ExampleLine<'_>> {
    let mut header = String::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        let text = line.strip_prefix("# ").unwrap_or(line);
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
        lines.push(ExampleLine { text, header: header.clone(), key });
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
        assert!(found.is_some(), "{} {} is not in the example", key.section, key.name);
    }
    for line in &lines {
        let Some(name) = line.key else { continue };
        assert!(known.iter().any(|k| k.section == line.header && k.name == name), "{} is no key", line.text);
    }
}

#[test]
fn the_example_loads_with_all_that_is_commented_out() {
    let text = example();
    let mut whole = String::new();
    // The calendar would have to lie beside it.
    let elsewhere = Some("workdays_file");
    for line in example_lines(&text).iter().filter(|line| line.key != elsewhere) {
        whole.push_str(line.text);
        whole.push('\n');
    }
    let config = good(&whole);
    assert_eq!(config.accounts.len(), 3);
    assert!(config.web.is_some() && config.wecom.proxy.is_some() && config.wecom.link.is_some());
    let web = config.web.as_ref().unwrap();
    assert_eq!(web.console.roles.len(), 3);
    assert!(web.console.token.is_some() && web.tls.is_some() && web.public_url.is_some());
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
