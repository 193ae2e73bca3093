//! A text that must never be seen: it prints as `<secret>` and is wiped when dropped.

use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A password, a corp secret or a token.
///
/// `Debug` and `Display` print `<secret>`; the text is reached only by [`Secret::expose`], and its
/// memory is overwritten on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// Opens a secret that is kept sealed.
pub trait Opens: Send + Sync {
    /// The secret, or why it cannot be opened, in English.
    ///
    /// # Errors
    /// In words that tell what to do.
    fn open(&self) -> Result<Secret, String>;
}

/// A secret that is kept sealed and opened for each use.
#[derive(Clone)]
pub struct KeptSecret {
    /// What changes when the secret does.
    mark: Arc<str>,
    source: Arc<dyn Opens>,
}

impl KeptSecret {
    /// A secret that `source` opens; two with equal marks are the same secret.
    pub fn new(mark: impl Into<Arc<str>>, source: Arc<dyn Opens>) -> Self {
        Self { mark: mark.into(), source }
    }

    /// Opens it; what is returned is wiped when it is dropped.
    ///
    /// # Errors
    /// Why it cannot be opened, in English.
    pub fn open(&self) -> Result<Secret, String> {
        self.source.open()
    }
}

impl PartialEq for KeptSecret {
    fn eq(&self, other: &Self) -> bool {
        self.mark == other.mark
    }
}

impl Eq for KeptSecret {}

impl fmt::Debug for KeptSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<kept secret>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_prints_itself() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {secret}"), "<secret> <secret>");
        assert_eq!(secret.expose(), "hunter2");
    }
}
