//! The corp that the rival plays: its app, its members, and what each may see.

use super::form::Form;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is set up before the first call. Members are kept in lower case, as answers give them.
#[derive(Clone, Debug)]
pub struct Corp {
    pub corp_id: String,
    pub secret: String,
    pub agent_id: i64,
    pub members: BTreeSet<String>,
    /// Members outside the app's visible range.
    pub hidden: BTreeSet<String>,
    /// Members without an interface licence.
    pub unlicensed: BTreeSet<String>,
    pub parties: BTreeMap<String, Vec<String>>,
    pub tags: BTreeMap<String, Vec<String>>,
    /// The day's quota is 200 times this; `None`: without end.
    pub account_cap: Option<u64>,
    /// More calls at one time are answered 45033.
    pub most_calls: usize,
    pub token_life: Duration,
    /// The wall clock when the rival was opened, in seconds since 1970.
    pub opened_at: u64,
}

/// Whom a message reaches, and whom not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    pub members: BTreeSet<String>,
    pub invalid_users: Vec<String>,
    pub invalid_parties: Vec<String>,
    pub invalid_tags: Vec<String>,
    pub unlicensed: Vec<String>,
}

impl Corp {
    /// An app with these members.
    pub fn new(corp_id: &str, secret: &str, agent_id: i64, members: &[String]) -> Self {
        Self {
            corp_id: corp_id.to_owned(),
            secret: secret.to_owned(),
            agent_id,
            members: members.iter().map(|member| member.to_lowercase()).collect(),
            hidden: BTreeSet::new(),
            unlicensed: BTreeSet::new(),
            parties: BTreeMap::new(),
            tags: BTreeMap::new(),
            account_cap: None,
            most_calls: 60,
            token_life: Duration::from_secs(7200),
            opened_at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs(),
        }
    }

    /// The natural day in China, counted from 1970.
    pub fn day(&self, now: Duration) -> u64 {
        (self.opened_at + now.as_secs() + 8 * 3600) / 86_400
    }

    fn sees(&self, member: &str) -> bool {
        self.members.contains(member) && !self.hidden.contains(member)
    }

    /// Each member once, whatever names him how often.
    pub fn reach(&self, form: &Form) -> Reach {
        let mut reach = Reach::default();
        let mut found: Vec<String> = Vec::new();
        for user in &form.users {
            let user = user.to_lowercase();
            if self.sees(&user) { found.push(user) } else { reach.invalid_users.push(user) }
        }
        let lists = [
            (&form.parties, &self.parties, &mut reach.invalid_parties),
            (&form.tags, &self.tags, &mut reach.invalid_tags),
        ];
        for (asked, known, invalid) in lists {
            for id in asked {
                match known.get(id) {
                    Some(members) => found.extend(members.iter().filter(|member| self.sees(member)).cloned()),
                    None => invalid.push(id.clone()),
                }
            }
        }
        if form.everyone {
            found.extend(self.members.iter().filter(|member| self.sees(member)).cloned());
        }
        for member in found {
            if !self.unlicensed.contains(&member) {
                reach.members.insert(member);
            } else if !reach.unlicensed.contains(&member) {
                reach.unlicensed.push(member);
            }
        }
        reach
    }
}
