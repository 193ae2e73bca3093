//! Letters that nobody is told of, because they are old or already read: for the ledger, after those that somebody is
//! told of.

use super::End;
use super::cycle::{Cycle, Moment};
use super::read;
use super::scan::is_about_all;
use crate::imap::RawLetter;
use crate::model::{Look, Mark, Sighting, Silence};
use tracing::info;

/// So many of one look are noted; of more, those received last. An import of thousands of letters is no reason to fetch
/// thousands of headers, nor to keep them.
const MOST: usize = read::BATCH;

/// The silent letters of one look at a folder.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    kept: Vec<(RawLetter, Silence)>,
    old: usize,
    seen: usize,
}

impl Quiet {
    /// One more.
    pub(super) fn add(&mut self, letter: RawLetter, why: Silence) {
        match why {
            Silence::Old => self.old += 1,
            _ => self.seen += 1,
        }
        self.kept.push((letter, why));
        if self.kept.len() >= 2 * MOST {
            self.trim();
        }
    }

    fn trim(&mut self) {
        self.kept.sort_by_key(|(letter, _)| std::cmp::Reverse((letter.internal_date, letter.uid)));
        self.kept.truncate(MOST);
    }

    /// Only those that the mark has passed.
    fn below(mut self, mark: &Mark) -> Self {
        self.kept.retain(|(letter, _)| letter.uid.is_some_and(|uid| uid < mark.next));
        self
    }
}

impl Cycle<'_> {
    /// What the ledger is to know of silent letters. Their headers are asked for with one command, once: whatever becomes of
    /// it, the letters are to be stored; an end of the session is told beside them.
    pub(super) async fn silent(
        &mut self,
        at: usize,
        look: &Look,
        mut quiet: Quiet,
        mark: &Mark,
        moment: Moment,
    ) -> (Vec<Sighting>, Result<(), End>) {
        quiet.trim();
        self.tell_quiet(&quiet);
        let (mut letters, whys): (Vec<_>, Vec<_>) = quiet.kept.into_iter().unzip();
        let ended = match read::add_headers(&mut *self.session, &mut letters).await {
            Err(error) if error.is_answer() && !is_about_all(&error) => Ok(()),
            asked => asked.map_err(End::from),
        };
        (self.silent_as_known(at, look, letters.iter().zip(whys), mark, moment), ended)
    }

    /// The same without asking for a header, for those that the mark has passed: the look broke off.
    pub(super) fn silent_below(
        &self,
        at: usize,
        look: &Look,
        quiet: Quiet,
        mark: &Mark,
        moment: Moment,
    ) -> Vec<Sighting> {
        let mut quiet = quiet.below(mark);
        quiet.trim();
        let kept = quiet.kept.iter().map(|(letter, why)| (letter, *why));
        self.silent_as_known(at, look, kept, mark, moment)
    }

    fn silent_as_known<'l>(
        &self,
        at: usize,
        look: &Look,
        letters: impl Iterator<Item = (&'l RawLetter, Silence)>,
        mark: &Mark,
        moment: Moment,
    ) -> Vec<Sighting> {
        // In the order in which they came.
        let mut letters: Vec<_> = letters.collect();
        letters.sort_by_key(|(letter, _)| (letter.uid, letter.internal_date));
        let read = |raw| (raw, self.read(look, raw, (mark, moment)));
        letters.into_iter().map(|(raw, why)| self.sighting(at, look, read(raw), Some(why), moment)).collect()
    }

    fn tell_quiet(&self, quiet: &Quiet) {
        let (old, seen) = (quiet.old, quiet.seen);
        if old > 0 {
            let unnoted = (old + seen).saturating_sub(quiet.kept.len());
            info!(
                account = %self.watcher.log_name(), old, seen, unnoted,
                "letters were received before the last look; not announced"
            );
        }
    }
}
