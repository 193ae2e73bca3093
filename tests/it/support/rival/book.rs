//! What the rival writes down: messages, chats, faults, and each rule that was broken.

use std::collections::BTreeMap;
use std::time::Duration;

/// A message that was accepted.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub at: Duration,
    pub members: Vec<String>,
    /// The same content came before, inside its interval: not shown again.
    pub duplicate: bool,
}

/// A message in a member's chat.
#[derive(Clone, Debug)]
pub struct Shown {
    pub at: Duration,
    pub kind: String,
    pub text: String,
}

/// Times are since the rival was opened.
#[derive(Clone, Debug, Default)]
pub struct Book {
    pub accepted: Vec<Accepted>,
    /// By member, oldest first.
    pub chats: BTreeMap<String, Vec<Shown>>,
    /// What a member did not get, for more came than a minute or an hour allows.
    pub dropped: Vec<(Duration, String)>,
    /// What a client that keeps the rules never does.
    pub broken: Vec<(Duration, String)>,
    /// How often each fault was played.
    pub faults: BTreeMap<&'static str, usize>,
    /// How often each code was answered, whether or not the answer arrived.
    pub codes: BTreeMap<i64, usize>,
    /// When calls came, by path.
    pub calls: BTreeMap<String, Vec<Duration>>,
}

impl Book {
    /// A rule was broken.
    pub fn breaks(&mut self, at: Duration, rule: impl Into<String>) {
        self.broken.push((at, rule.into()));
    }

    /// What a member sees.
    pub fn chat(&self, member: &str) -> &[Shown] {
        self.chats.get(member).map_or(&[], Vec::as_slice)
    }

    /// How often a member's chat says this.
    pub fn told(&self, member: &str, words: &str) -> usize {
        self.chat(member).iter().map(|shown| shown.text.matches(words).count()).sum()
    }

    /// The most messages that reached a member (shown, dropped or swallowed as duplicates) in any stretch of this length.
    pub fn most_in(&self, member: &str, length: Duration) -> usize {
        let of_member = self.accepted.iter().filter(|message| message.members.iter().any(|one| one == member));
        let times: Vec<Duration> = of_member.map(|message| message.at).collect();
        let until = |end: &Duration| times.iter().filter(|at| **at <= *end && *end - **at < length).count();
        times.iter().map(until).max().unwrap_or(0)
    }
}
