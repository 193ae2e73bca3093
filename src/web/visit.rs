//! One request to the console: who asks, from where, in which language, and what was sent along.

use super::console::Settings;
use crate::model::{By, Lang, Role, Who};
use crate::state::SessionKey;
use axum::body::Bytes;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use zeroize::Zeroizing;

/// See the module's text.
pub(super) struct Visit {
    pub(super) settings: Arc<Settings>,
    pub(super) lang: Lang,
    /// From which address, as far as it can be known.
    pub(super) from: IpAddr,
    /// Who signed in; `None`: nobody.
    pub(super) user: Option<User>,
    /// What a form must send along; of the session, or of the browser where nobody signed in.
    pub(super) csrf: String,
    /// Digest of the cookie of a browser that has not signed in.
    pub(super) browser: Option<[u8; 32]>,
    /// Path and query.
    pub(super) path: String,
    /// What stands behind `?`.
    pub(super) query: Fields,
    /// What a form sent.
    pub(super) form: Fields,
    /// The body of a request to the API.
    pub(super) body: Bytes,
    /// Whether it comes from WeCom's own browser.
    pub(super) inside: bool,
}

/// Somebody who signed in.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) who: Who,
    pub(super) role: Role,
    /// The session; `None`: the token came along with the request.
    pub(super) session: Option<SessionKey>,
}

impl User {
    /// How pages call them.
    pub(super) fn name(&self, lang: Lang) -> String {
        match &self.who {
            Who::Member(user, _) => user.clone(),
            _ => lang.pick("初始令牌", "bootstrap token").to_owned(),
        }
    }
}

impl Visit {
    /// One of two texts.
    pub(super) fn pick<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        self.lang.pick(zh, en)
    }

    /// Who does something by this request.
    pub(super) fn by(&self) -> By {
        let who = self.user.as_ref().map_or(Who::Stranger, |user| user.who.clone());
        By { who, from: self.from.to_string() }
    }

    /// Whether this person may do everything.
    pub(super) fn may_act(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.role == Role::Administrator)
    }
}

/// What a form must send along, made of the cookie's value: who does not have the cookie cannot make it.
pub(super) fn csrf_of(cookie: &str) -> String {
    crate::model::hex(&Sha256::digest([b"csrf:".as_slice(), cookie.as_bytes()].concat()))
}

/// What a form or a query says, in its order. Wiped when dropped: there may be a password among it.
#[derive(Default)]
pub(super) struct Fields(Vec<(String, Zeroizing<Vec<u8>>)>);

impl Fields {
    /// Reads `a=b&c=d`.
    pub(super) fn of(text: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(text);
        Self(pairs.map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned().into_bytes()))).collect())
    }

    pub(super) fn push(&mut self, name: String, value: Vec<u8>) {
        self.0.push((name, Zeroizing::new(value)));
    }

    /// The first of this name.
    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_slice())
    }

    /// The first of this name as a text without blanks around it; empty: not there.
    pub(super) fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The same with its blanks.
    pub(super) fn raw(&self, name: &str) -> &str {
        self.bytes(name).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// All of this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(n, _)| n == name);
        named.filter_map(|(_, value)| std::str::from_utf8(value).ok())
    }
}
