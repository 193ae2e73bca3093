//! What several rooms of tests share: a scripted IMAP server, a mailbox in memory, a folder of a million letters that needs none, a TCP proxy with faults, a private Cyrus, a disk that is full, a clock on tokio's paused time, a
//! state that keeps a record, another WeCom, and an account under watch.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

pub mod chromium;
pub mod clock;
pub mod cyrus;
pub mod desk;
pub mod huge;
pub mod mailbox;
pub mod proxy;
pub mod recorder;
pub mod rival;
pub mod server;
pub mod tmpfs;
pub mod wired;

use mailbell::config::{Account, Auth, Credential, Imap, MinTls, Mode, Provider, Server, Subscription, Tls};
use mailbell::model::{AccountId, Owner, Recipient, Secret};
use std::time::Duration;

/// A password with the two characters that LOGIN must escape.
pub const PASSWORD: &str = "se\"cr\\et";

/// An account of one user at an implicit-TLS server, watching the INBOX.
pub fn account() -> Account {
    let server = Server {
        host: "imap.corp.example".to_owned(),
        port: 993,
        tls: Tls::Implicit,
        min_tls: MinTls::V12,
        ca_file: None,
        webmail: None,
    };
    Account {
        id: AccountId::new("zhangsan@corp.example"),
        login: "zhangsan@corp.example".to_owned(),
        auth: Auth::Login,
        credential: Credential::Password(Secret::new(PASSWORD)),
        owner: Owner::User("zhangsan".into()),
        recipients: vec![Recipient::User("zhangsan".into())],
        subscriptions: vec![Subscription::to(&["INBOX"])],
        mode: Mode::Auto,
        locale: mailbell::model::Locale::default(),
        trusted_authserv: Vec::new().into(),
        own_domains: Vec::new().into(),
        provider: Provider { name: None, server, renew: None },
    }
}

/// `[imap]` with its defaults.
pub fn imap() -> Imap {
    Imap {
        connect_timeout: Duration::from_secs(20),
        command_timeout: Duration::from_secs(60),
        idle_renew: Duration::from_secs(240),
        poll_interval: Duration::from_secs(300),
        settle: Duration::from_secs(1),
        alert_seen: false,
        blind_after: Duration::from_secs(900),
    }
}

/// So many seconds.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
