//! Who wrote before: a stranger's letter is told as one, and a name that is borrowed from a colleague is noticed.

use super::End;
use super::cycle::Cycle;
use crate::model::{Fingerprint, Letter, Sighting};
use crate::rules::acquaintance::{colleague, of_address, stranger, unmet_days};
use crate::state::Met;
use std::collections::HashSet;

fn sender(letter: &Letter) -> Option<Fingerprint> {
    letter.from.address.as_deref().map(of_address)
}

impl Cycle<'_> {
    /// Notes in letters, which stand in the order of their coming, whose senders are strangers.
    pub(super) async fn acquaint(&mut self, letters: &mut [Letter]) -> Result<(), End> {
        let (watcher, account) = (self.watcher, self.rules.clone());
        let senders: Vec<_> = letters.iter().filter_map(sender).collect();
        let names: Vec<_> = letters.iter().filter_map(|letter| stranger(letter, &account.own_domains)).collect();
        if senders.is_empty() {
            return Ok(());
        }
        let now = watcher.clock.steady();
        let known = watcher.state.known(&account.owner, senders, names, now).await?;
        let memory = unmet_days(known.since.map(|since| now.since(since)).unwrap_or_default());
        let mut met: HashSet<Fingerprint> = known.senders;
        for letter in letters {
            letter.unmet_days = sender(letter).filter(|sender| met.insert(*sender)).map(|_| memory);
            let name = stranger(letter, &account.own_domains);
            letter.borrowed_name = name.is_some_and(|name| known.colleagues.contains(&name));
        }
        Ok(())
    }

    /// Who is met by letters that are to be stored.
    pub(super) fn met(&self, letters: &[Sighting]) -> Met {
        let account = &self.rules;
        let letters = || letters.iter().map(|sighting| &sighting.item.letter);
        Met {
            owner: Some(account.owner.clone()),
            senders: letters().filter_map(sender).collect(),
            colleagues: letters().filter_map(|letter| colleague(letter, &account.own_domains)).collect(),
        }
    }
}
