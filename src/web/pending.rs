//! Sign-ins that were begun at WeCom and have not come back: each once, in the browser that began it, within minutes.

use crate::model::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// A member may take so long to scan and confirm; WeCom's codes last 5 minutes after that (p91023).
pub(super) const PATIENCE: Duration = Duration::from_secs(600);
/// Of so many at one time.
const MOST: usize = 10_000;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Pending(HashMap<String, Begun>);

/// One sign-in that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    /// Digest of the browser's cookie.
    pub(super) browser: [u8; 32],
    /// When (steady clock).
    pub(super) at: Timestamp,
    /// Which page was wanted.
    pub(super) next: String,
}

impl Pending {
    /// Begins one.
    pub(super) fn begin(&mut self, state: String, begun: Begun) {
        let now = begun.at;
        self.0.retain(|_, begun| now.since(begun.at) <= PATIENCE);
        if self.0.len() >= MOST
            && let Some(oldest) = self.0.iter().min_by_key(|(_, begun)| begun.at).map(|(state, _)| state.clone())
        {
            self.0.remove(&oldest);
        }
        self.0.insert(state, begun);
    }

    /// Ends the one of this state, if it is this browser's and not too old: the page that was wanted. It is gone either
    /// way.
    pub(super) fn end(&mut self, state: &str, browser: [u8; 32], now: Timestamp) -> Option<String> {
        let begun = self.0.remove(state)?;
        (begun.browser == browser && now.since(begun.at) <= PATIENCE).then_some(begun.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp(1_760_000_000_000);

    fn begun(browser: u8, at: Timestamp) -> Begun {
        Begun { browser: [browser; 32], at, next: "/admin".to_owned() }
    }

    #[test]
    fn a_state_is_good_once_in_its_browser_and_for_minutes() {
        let mut pending = Pending::default();
        pending.begin("one".to_owned(), begun(1, T0));
        assert_eq!(pending.end("one", [1; 32], T0), Some("/admin".to_owned()));
        assert_eq!(pending.end("one", [1; 32], T0), None, "once");
        pending.begin("two".to_owned(), begun(1, T0));
        assert_eq!(pending.end("two", [2; 32], T0), None, "another browser");
        assert_eq!(pending.end("two", [1; 32], T0), None, "gone by that");
        pending.begin("three".to_owned(), begun(1, T0));
        assert_eq!(pending.end("three", [1; 32], T0.plus(PATIENCE + Duration::from_secs(1))), None, "too late");
        assert_eq!(pending.end("four", [1; 32], T0), None);
    }

    #[test]
    fn memory_is_bounded_and_the_newest_stay() {
        let mut pending = Pending::default();
        for n in 0..12_000_u64 {
            pending.begin(n.to_string(), begun(1, T0.plus(Duration::from_millis(n))));
        }
        assert_eq!(pending.0.len(), MOST);
        assert!(pending.end("11999", [1; 32], T0).is_some() && pending.end("0", [1; 32], T0).is_none());
    }
}
