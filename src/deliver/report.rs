//! Tells people of accounts in trouble, and when it is over: each once, its user (or its recipients) at once, the
//! administrators soon after, together for all accounts that the same trouble met.

use super::Accounts;
use super::cut::cut;
use super::report_text::{self as text, Case};
use crate::clock::Clock;
use crate::config::Config;
use crate::health::{AccountState, Health, Reached};
use crate::model::{AccountId, Lang, Recipient, Timestamp, Told, Trouble};
use crate::rules::life::Deadlines;
use crate::state::{Report, State, StateError, Troubles};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often accounts are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Administrators are told of all that came within so long in one message.
const GATHER: Duration = Duration::from_secs(30);
/// `text` (p90236).
const TEXT_BYTES: usize = 2048;

/// See the module's text.
#[derive(Clone)]
pub struct Reporter {
    /// What was told.
    pub state: Arc<dyn State>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is wrong.
    pub health: Arc<Health>,
    /// Who is told.
    pub accounts: Arc<Accounts>,
    /// Who else is told.
    pub admins: Vec<Recipient>,
    /// The language of the messages.
    pub lang: Lang,
    /// The zone of the times in them.
    pub time_zone: TimeZone,
    /// When a folder counts as blind.
    pub deadlines: Deadlines,
}

impl Reporter {
    /// A reporter under a config.
    pub fn new(
        config: &Config,
        deadlines: Deadlines,
        state: Arc<dyn State>,
        clock: Arc<dyn Clock>,
        health: Arc<Health>,
        accounts: Arc<Accounts>,
    ) -> Self {
        Self {
            state,
            clock,
            health,
            accounts,
            admins: config.admin.recipients.clone(),
            lang: config.alerts.lang,
            time_zone: config.alerts.time_zone.clone(),
            deadlines,
        }
    }

    /// Looks and tells until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut desk: Option<Desk> = None;
        while !stop.is_cancelled() {
            if let Err(reason) = self.look(&mut desk).await {
                warn!(%reason, "troubles cannot be told just now");
                // What was to be told is found again.
                desk = None;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        if let Some(desk) = desk.as_mut().filter(|desk| desk.gathering_since.is_some()) {
            let mut report = Report::default();
            self.tell_admins(&mut report, desk);
            if let Err(reason) = self.state.report(report, self.clock.now()).await {
                warn!(%reason, "administrators are not told what was gathered");
            }
        }
    }

    async fn look(&self, desk: &mut Option<Desk>) -> Result<(), StateError> {
        let desk = match desk {
            Some(desk) => desk,
            None => desk.insert(self.desk(self.state.troubles().await?)),
        };
        let seen = self.seen(&desk.told);
        let now = self.clock.steady();
        let mut report = Report::default();
        for (key, case) in seen.begun {
            self.tell(&mut report, &key, &case);
            let told = Told { since: case.since, admin: false };
            report.troubles.push((key.0.clone(), key.1.clone(), Some(told)));
            desk.told.insert(key.clone(), told);
            desk.for_admins.insert(key, case);
            desk.gathering_since.get_or_insert(now);
        }
        for (key, case) in seen.over {
            self.tell(&mut report, &key, &case);
            report.troubles.push((key.0.clone(), key.1.clone(), None));
            let admin_knows = desk.told.remove(&key).is_some_and(|told| told.admin);
            desk.for_admins.remove(&key);
            if admin_knows {
                desk.for_admins.insert(key, case);
                desk.gathering_since.get_or_insert(now);
            }
        }
        for key in seen.gone {
            desk.told.remove(&key);
            desk.for_admins.remove(&key);
            report.troubles.push((key.0, key.1, None));
        }
        if desk.gathering_since.is_some_and(|since| now.since(since) >= GATHER) {
            self.tell_admins(&mut report, desk);
        }
        if report != Report::default() {
            self.state.report(report, self.clock.now()).await?;
        }
        Ok(())
    }

    /// What an earlier run told; what it did not come to tell the administrators is told now.
    fn desk(&self, told: Troubles) -> Desk {
        let untold = told.iter().filter(|(_, told)| !told.admin);
        let case = |told: &Told| Case { since: told.since, until: None, reason: None };
        let for_admins: BTreeMap<_, _> = untold.map(|(key, told)| (key.clone(), case(told))).collect();
        let gathering_since = (!for_admins.is_empty()).then(|| self.clock.steady());
        Desk { told, for_admins, gathering_since }
    }

    /// What has changed since people were told.
    fn seen(&self, told: &Troubles) -> Seen {
        let (mut seen, now, wall) = (Seen::default(), self.clock.steady(), self.clock.wall());
        let mut troubles: BTreeMap<(AccountId, Trouble), Case> = BTreeMap::new();
        let (mut well, mut watched) = (HashMap::<_, Vec<Arc<str>>>::new(), HashSet::new());
        // Nothing is noted of the many that nobody was told of: all workers wait for the end of this.
        let told_of: HashSet<&AccountId> = told.keys().map(|(id, _)| id).collect();
        self.health.each(|id, account| {
            let since = |at: Timestamp| wall.minus(now.since(at));
            let reason = account.last_error.clone();
            if account.state == AccountState::LoginRefused && account.refusal_is_sure {
                let since = account.refused_since.map_or(wall, since);
                troubles.insert((id.clone(), Trouble::LoginRefused), Case { since, until: None, reason });
            } else if let Some(blind_since) = account.blind_since {
                let case = Case { since: since(blind_since), until: None, reason };
                troubles.insert((id.clone(), Trouble::Blind), case);
            } else if matches!(account.state, AccountState::Watching | AccountState::Polling) {
                let (mut fresh, is_told_of) = (Vec::new(), told_of.contains(id));
                for folder in &account.folders {
                    let trouble = || (id.clone(), Trouble::Folder(folder.shown.clone()));
                    if is_told_of && told.contains_key(&trouble()) {
                        watched.insert(trouble());
                    }
                    let last = folder.fresh_at.unwrap_or(folder.since);
                    if self.deadlines.is_folder_blind(now.since(last)) {
                        let reason = folder.refused.clone();
                        troubles.insert(trouble(), Case { since: since(last), until: None, reason });
                    } else if folder.fresh_at.is_some() && is_told_of {
                        fresh.push(folder.shown.clone());
                    }
                }
                if is_told_of {
                    well.insert(id.clone(), fresh);
                }
            }
        });
        troubles.extend(self.unreached());
        for (key, told) in told {
            let Some(account) = self.accounts.get(&key.0) else {
                seen.gone.push(key.clone());
                continue;
            };
            let is_over = match (&key.1, well.get(&account.id)) {
                (Trouble::Recipient(recipient), _) if !account.tells(recipient) => {
                    seen.gone.push(key.clone());
                    continue;
                }
                (Trouble::Recipient(recipient), _) => self.health.is_reached(recipient) == Some(Reached::Yes),
                (_, None) => false,
                (Trouble::Folder(shown), Some(fresh)) => fresh.contains(shown),
                (Trouble::Blind | Trouble::LoginRefused, Some(_)) => true,
            };
            // A folder that only a pattern took, and that is gone from the server, is nobody's trouble any more.
            if let Trouble::Folder(shown) = &key.1
                && well.contains_key(&account.id)
                && !watched.contains(key)
                && !account.subscriptions.iter().flat_map(|s| &s.folders).any(|name| **name == **shown)
            {
                seen.gone.push(key.clone());
            } else if is_over {
                seen.over.push((key.clone(), Case { since: told.since, until: Some(wall), reason: None }));
            }
        }
        // Why an account is silent was told already, if its login was refused before.
        let known = |(id, trouble): &(AccountId, Trouble)| {
            *trouble == Trouble::Blind && told.contains_key(&(id.clone(), Trouble::LoginRefused))
        };
        seen.begun = troubles.into_iter().filter(|(key, _)| !told.contains_key(key) && !known(key)).collect();
        seen
    }

    /// Recipients whom WeCom does not reach, for each account whose letters they are told of.
    fn unreached(&self) -> Vec<((AccountId, Trouble), Case)> {
        let (now, wall, mut found) = (self.clock.steady(), self.clock.wall(), Vec::new());
        let unreached = self.health.unreached();
        if unreached.is_empty() {
            return found;
        }
        for account in self.accounts.all() {
            for (recipient, at, reason) in unreached.iter().filter(|(recipient, ..)| account.tells(recipient)) {
                let case = Case { since: wall.minus(now.since(*at)), until: None, reason: Some(reason.clone()) };
                found.push(((account.id.clone(), Trouble::Recipient(recipient.clone())), case));
            }
        }
        found
    }

    /// The message for the account's own people.
    fn tell(&self, report: &mut Report, (id, trouble): &(AccountId, Trouble), case: &Case) {
        let Some(account) = self.accounts.get(id) else { return };
        info!(
            over = case.until.is_some(),
            recipients = account.recipients.len(),
            "people are told of an account's trouble"
        );
        let content = text::for_user(&account, trouble, case, self.lang, &self.time_zone);
        // Who is not reached cannot be told so.
        let is_the_one = |recipient: &&Recipient| *trouble == Trouble::Recipient((*recipient).clone());
        let to: Vec<_> = account.recipients.iter().filter(|recipient| !is_the_one(recipient)).cloned().collect();
        if !to.is_empty() {
            self.put(report, &to, &content);
        }
    }

    /// One message for all that was gathered, and in the store that it was told.
    fn tell_admins(&self, report: &mut Report, desk: &mut Desk) {
        desk.gathering_since = None;
        let gathered = std::mem::take(&mut desk.for_admins);
        for key in gathered.keys() {
            if let Some(told) = desk.told.get_mut(key) {
                told.admin = true;
                report.troubles.push((key.0.clone(), key.1.clone(), Some(*told)));
            }
        }
        let at = self.clock.wall();
        for content in text::for_admins(&gathered, self.lang, &self.time_zone, at) {
            self.put(report, &self.admins, &content);
        }
    }

    fn put(&self, report: &mut Report, recipients: &[Recipient], content: &str) {
        report.alerts.push((recipients.to_vec(), cut(content, TEXT_BYTES)));
    }
}

/// What was told, and what the administrators are still to be told.
#[derive(Default)]
struct Desk {
    told: Troubles,
    for_admins: BTreeMap<(AccountId, Trouble), Case>,
    gathering_since: Option<Timestamp>,
}

/// What has changed.
#[derive(Default)]
struct Seen {
    begun: Vec<((AccountId, Trouble), Case)>,
    over: Vec<((AccountId, Trouble), Case)>,
    /// Of accounts that are not in the config any more, and folders that are not on the server.
    gone: Vec<(AccountId, Trouble)>,
}
