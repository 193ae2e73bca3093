//! Cookies: of the session, of a browser that has not signed in yet, and of the language.
//!
//! Where browsers come through TLS their names begin with `__Host-` (RFC 6265bis 4.1.3.2): no other host and no plain
//! connection can set them. They are SameSite=Lax: with Strict a browser that comes back from WeCom's sign-in would not
//! send the one it began with; what changes something is guarded by a token and by its origin besides.

use super::console::Settings;
use axum::http::{HeaderMap, HeaderValue, header::COOKIE};

/// Which cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    /// The session.
    Session,
    /// A browser that has not signed in yet.
    Browser,
    /// The language that was chosen.
    Lang,
}

impl Cookie {
    fn name(self, settings: &Settings) -> &'static str {
        match (self, settings.is_secure) {
            (Self::Session, true) => "__Host-mailbell",
            (Self::Session, false) => "mailbell",
            (Self::Browser, true) => "__Host-mailbell-browser",
            (Self::Browser, false) => "mailbell-browser",
            (Self::Lang, true) => "__Host-mailbell-lang",
            (Self::Lang, false) => "mailbell-lang",
        }
    }

    /// Its value in a request; the first, should there be several.
    pub(super) fn read(self, headers: &HeaderMap, settings: &Settings) -> Option<String> {
        let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let found = pairs.find(|(name, _)| *name == self.name(settings));
        found.map(|(_, value)| value.to_owned()).filter(|value| !value.is_empty() && value.len() <= 256)
    }

    /// The header that sets it, for so many seconds or until the browser is closed.
    pub(super) fn set(self, value: &str, seconds: Option<u64>, settings: &Settings) -> Option<HeaderValue> {
        let name = self.name(settings);
        let secure = if settings.is_secure { "; Secure" } else { "" };
        let age = seconds.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
        HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}")).ok()
    }

    /// The header that takes it away.
    pub(super) fn clear(self, settings: &Settings) -> Option<HeaderValue> {
        self.set("", Some(0), settings)
    }
}
