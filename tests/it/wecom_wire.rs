//! The real WeCom client over real sockets in real time: against the project's sandbox, the rival, and a raw server
//! that answers what no WeCom should.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod directory;
mod odd;
mod pool;
mod raw;
mod rivalled;
mod sandboxed;
mod secrets;

use mailbell::clock::Clock;
use mailbell::config::{Proxy, Wecom};
use mailbell::model::{Recipient, Secret, Timestamp};
use mailbell::wecom::{Client, Message, Push};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use url::Url;

/// With what a URL would write otherwise.
const SECRET: &str = "corp+secret/0Zx9=&q";

/// A clock that the tests move; the sandbox may go by it too.
#[derive(Clone)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_760_000_000_000)))
    }

    fn move_on(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn wall(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn steady(&self) -> Timestamp {
        self.wall()
    }
}

fn config(base: &str) -> Wecom {
    Wecom {
        corp_id: "ww0123456789abcdef".to_owned(),
        agent_id: 1_000_002,
        secret: Secret::new(SECRET),
        contacts_secret: None,
        api_base: Url::parse(base).unwrap(),
        login_base: Url::parse(base).unwrap(),
        oauth_base: Url::parse(base).unwrap(),
        proxy: None,
        account_cap: None,
        card: mailbell::model::Card::Textcard,
        link: None,
    }
}

fn through(proxy: &str, base: &str) -> Wecom {
    Wecom { proxy: Some(Proxy(Url::parse(proxy).unwrap())), ..config(base) }
}

fn client(config: &Wecom) -> Client {
    Client::new(config, Arc::new(Hand::new())).unwrap()
}

fn user(name: &str) -> Recipient {
    Recipient::parse(name).unwrap()
}

fn text(client: &Client, to: &Recipient, content: &str) -> Vec<u8> {
    client.encode(std::slice::from_ref(to), &Message::Text { content: content.to_owned() })
}
