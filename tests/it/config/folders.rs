//! Which folders: patterns with special uses, the long form, and what goes with them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use super::{SMALLEST, good};
use mailbell::config::{Mode, Subscription};
use mailbell::model::{Recipient, Urgency};

fn subscriptions(lines: &str) -> Vec<Subscription> {
    good(&format!("{SMALLEST}{lines}\n")).accounts[0].subscriptions.clone()
}

fn sub(folders: &[&str], realtime: Option<bool>) -> Subscription {
    Subscription { realtime, ..Subscription::to(folders) }
}

#[test]
fn the_short_form_is_one_subscription() {
    assert_eq!(subscriptions(""), [sub(&["INBOX"], None)]);
    assert_eq!(subscriptions("folders = [\"*\", \"!归档\"]"), [sub(&["*", "!归档"], None)]);
}

#[test]
fn special_uses_are_taken_in_any_case() {
    let uses = ["\\Inbox", "\\JUNK", "\\sent", "\\Drafts", "\\Trash", "\\Archive", "\\flagged", "\\All", "\\Important"];
    for name in uses {
        assert_eq!(subscriptions(&format!("folders = ['{name}']")), [sub(&[name], None)]);
    }
    assert_eq!(subscriptions("folders = ['*', '!\\Junk']"), [sub(&["*", "!\\Junk"], None)]);
    assert_eq!(subscriptions("folders = [\"\\\\Junk\"]"), [sub(&["\\Junk"], None)]);
}

#[test]
fn the_long_form_keeps_its_order() {
    let two = "[[account.subscription]]\nfolders = [\"项目/*\", \"!项目/归档\"]\nrealtime = true\n\
               [[account.subscription]]\nfolders = [\"INBOX\"]\nrealtime = false\n\
               [[account.subscription]]\nfolders = ['\\Junk']\n";
    let wanted = [sub(&["项目/*", "!项目/归档"], Some(true)), sub(&["INBOX"], Some(false)), sub(&["\\Junk"], None)];
    assert_eq!(subscriptions(two), wanted);
}

#[test]
fn each_subscription_may_say_to_whom_and_how_loud() {
    let more = "[[account.subscription]]\nfolders = [\"合同\"]\nrecipients = [\"Lisi\", \"party:12\", \"tag:3\", \"lisi\"]\n\
                urgency = \"urgent\"\n\
                [[account.subscription]]\nfolders = [\"周报\"]\nurgency = \"digest\"\n\
                [[account.subscription]]\nfolders = [\"归档\"]\nrecipients = [\"wangwu\"]\nurgency = \"silent\"\n\
                [[account.subscription]]\nfolders = [\"*\"]\n";
    let user = |name: &str| Recipient::User(name.into());
    let wanted = [
        Subscription {
            recipients: Some(vec![user("lisi"), Recipient::Party(12), Recipient::Tag(3)]),
            urgency: Urgency::Urgent,
            ..sub(&["合同"], None)
        },
        Subscription { urgency: Urgency::Digest, ..sub(&["周报"], None) },
        Subscription { recipients: Some(vec![user("wangwu")]), urgency: Urgency::Silent, ..sub(&["归档"], None) },
        Subscription { recipients: None, urgency: Urgency::Normal, ..sub(&["*"], None) },
    ];
    assert_eq!(subscriptions(more), wanted);
    let shared = SMALLEST.replace("user     = \"zhangsan\"", "shared = true\nrecipients = [\"lisi\"]");
    let account = good(&format!("{shared}{more}")).accounts[0].clone();
    assert_eq!(
        (account.recipients.as_slice(), account.subscriptions.as_slice()),
        ([user("lisi")].as_slice(), &wanted[..])
    );
}

#[test]
fn the_long_form_belongs_to_its_account() {
    let text = format!(
        "{SMALLEST}[[account.subscription]]\nfolders = [\"a\"]\n\
         [[account]]\nuser = \"lisi\"\nemail = \"lisi@corp.example\"\nprovider = \"exmail\"\npassword = \"x\"\n\
         [[account.subscription]]\nfolders = [\"b\"]\n"
    );
    let config = good(&text);
    let of = |n: usize| config.accounts[n].subscriptions.clone();
    assert_eq!((of(0), of(1)), (vec![sub(&["a"], None)], vec![sub(&["b"], None)]));
}

#[test]
fn every_mode_can_be_asked_for() {
    for (word, mode) in [("auto", Mode::Auto), ("notify", Mode::Notify), ("idle", Mode::Idle), ("poll", Mode::Poll)] {
        assert_eq!(good(&format!("{SMALLEST}mode = \"{word}\"\n")).accounts[0].mode, mode);
    }
}
