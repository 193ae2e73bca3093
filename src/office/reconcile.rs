//! The registry beside WeCom's directory: who is gone is unbound after the grace time, and people are told.

use super::{Office, OfficeError, Words};
use crate::config::Leavers;
use crate::model::{AccountId, By, Deed, Lang, Recipient, Registered, Standing, What};
use crate::rules::leavers::{Bound, Presence, Verdict, judge};
use crate::rules::retry::Outcome;
use crate::state::{Report, Wanted};
use crate::wecom::{self, Directory, Mailbox, advice_for};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tracing::{info, warn};

/// Names that are listed in a report; the audit has each account.
const NAMED: usize = 20;

/// What a comparison came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// How many users were looked for.
    pub users: usize,
    /// Accounts whose user is missing from now on.
    pub leaving: Vec<AccountId>,
    /// Accounts whose user is back.
    pub back: Vec<AccountId>,
    /// Accounts that were unbound.
    pub unbound: Vec<AccountId>,
    /// Accounts whose user is missing, where the config has them only reported, or that stand in the config file.
    pub reported: Vec<AccountId>,
    /// So many users are missing that it is taken for a mistake.
    pub held: Option<usize>,
    /// Users whom the app does not see, so that no alert reaches them.
    pub not_visible: Vec<String>,
    /// Users whom WeCom does not find: gone, or not visible; without `wecom.contacts_secret` nobody can tell, and nobody is
    /// unbound for that.
    pub not_found: Vec<String>,
    /// Members who have no account here; `None`: without `wecom.contacts_secret` nobody knows.
    pub joiners: Option<Vec<String>>,
}

/// Who is where.
struct Seen {
    presence: BTreeMap<Arc<str>, Presence>,
    not_visible: Vec<String>,
    not_found: Vec<String>,
    members: Option<BTreeSet<Arc<str>>>,
}

impl Office {
    /// Compares the registry and the file with WeCom's members, and does what `[directory]` says; `dry_run`: only says
    /// what would be done.
    ///
    /// # Errors
    /// WeCom cannot be asked, or gives answers that nothing can be concluded from: nothing was changed.
    pub async fn reconcile(&self, dry_run: bool, by: &By) -> Result<Reconciled, OfficeError> {
        let (bound, of_file) = (self.bound().await?, self.bound_in_file());
        let users: BTreeSet<Arc<str>> = bound.iter().chain(&of_file).map(|bound| bound.user.clone()).collect();
        let seen = match look(&*self.worlds.directory, &users).await {
            Ok(seen) => seen,
            Err(outcome) => {
                let deed = Deed::refused(What::Reconcile, "", outcome.reason());
                self.note(by, &[deed]).await?;
                return Err(OfficeError::Wrong(words_of(&outcome)));
            }
        };
        let policy = self.read().directory;
        let presence = |user: &str| seen.presence.get(user).copied().unwrap_or(Presence::Unsure);
        let verdict = judge(&bound, presence, (policy.grace, policy.most_leavers), self.clock.wall());
        let joiners = seen
            .members
            .as_ref()
            .map(|members| members.iter().filter(|member| !users.contains(*member)).map(ToString::to_string).collect());
        let of_file = of_file.iter().filter(|bound| presence(&bound.user) == Presence::Gone);
        let mut done = Reconciled {
            users: users.len(),
            held: verdict.held,
            reported: of_file.map(|bound| bound.account.clone()).collect(),
            not_visible: seen.not_visible,
            not_found: seen.not_found,
            joiners,
            ..Reconciled::default()
        };
        let does = policy.leavers == Leavers::Unbind;
        sort_out(&mut done, verdict, does);
        if !dry_run {
            let (office, by) = (self.clone(), by.clone());
            done = super::whole(async move {
                let done = office.carry_through(done, &bound, &by).await?;
                office.tell_admins(&done).await?;
                Ok(done)
            })
            .await?;
        }
        Ok(done)
    }

    /// The userid of each address, where WeCom knows it and may be asked.
    ///
    /// # Errors
    /// WeCom cannot be asked.
    pub async fn userids(&self, emails: &[String], wrong: Option<u32>) -> Result<Vec<Option<String>>, OfficeError> {
        let mut found = Vec::with_capacity(emails.len());
        for email in emails {
            let asked = self.worlds.directory.userid_by_email(email, wrong).await;
            found.push(match asked.map_err(|outcome| OfficeError::Wrong(words_of(&outcome)))? {
                Mailbox::Of(userid) => Some(userid.to_string()),
                Mailbox::Nobody => None,
                Mailbox::NotAsked => return Err(OfficeError::Wrong(not_asked())),
            });
        }
        Ok(found)
    }

    /// Does what was decided.
    async fn carry_through(&self, mut done: Reconciled, bound: &[Bound], by: &By) -> Result<Reconciled, OfficeError> {
        let deed = Deed::done(What::Reconcile, "")
            .with("users", done.users.to_string())
            .with("leaving", done.leaving.len().to_string())
            .with("back", done.back.len().to_string())
            .with("unbound", done.unbound.len().to_string())
            .with("reported", done.reported.len().to_string());
        let deed = match done.held {
            Some(count) => deed.with("held", count.to_string()),
            None => deed,
        };
        self.note(by, &[deed]).await?;
        self.leave(&done.leaving, true, by).await?;
        self.leave(&done.back, false, by).await?;
        if !done.unbound.is_empty() {
            // Looking took its time: who belongs to somebody else by now stays.
            let user_of: BTreeMap<_, _> =
                bound.iter().map(|bound| (bound.account.clone(), bound.user.clone())).collect();
            let still = |now: &Registered| {
                user_of.get(&now.entry.account()).is_some_and(|user| now.entry.user.eq_ignore_ascii_case(user))
            };
            done.unbound = self.remove_those(&done.unbound, still, "left WeCom", by).await?;
        }
        info!(
            users = done.users,
            leaving = done.leaving.len(),
            unbound = done.unbound.len(),
            back = done.back.len(),
            "compared with the members of WeCom"
        );
        if let Some(count) = done.held {
            warn!(
                users = count,
                "so many users are missing in WeCom that it is taken for a mistake: nobody is unbound. Is the app's visible range right? If they have really left, raise [directory] most_leavers"
            );
        }
        Ok(done)
    }

    /// The accounts of the registry that belong to a member.
    async fn bound(&self) -> Result<Vec<Bound>, OfficeError> {
        let all = self.registry.accounts(Wanted::default()).await?.accounts.into_iter().map(|kept| kept.registered);
        let of_users = all.filter(|registered| !registered.entry.is_shared());
        let bound = of_users.map(|registered| Bound {
            account: registered.entry.account(),
            user: registered.entry.user.to_ascii_lowercase().into(),
            marked: matches!(registered.standing, Standing::Leaving { .. }),
            leaving: match registered.standing {
                Standing::Leaving { since } | Standing::Disabled { since, .. } => Some(since),
                Standing::Enabled => None,
            },
        });
        Ok(bound.collect())
    }

    /// The same of the file, which nobody but its writer changes.
    fn bound_in_file(&self) -> Vec<Bound> {
        let rules = self.read();
        let bound = |(account, user): (&AccountId, &Option<Arc<str>>)| {
            Some(Bound { account: account.clone(), user: user.clone()?, leaving: None, marked: false })
        };
        rules.of_file.iter().filter_map(bound).collect()
    }

    /// Tells the administrators what changed; nothing where nothing did.
    async fn tell_admins(&self, done: &Reconciled) -> Result<(), OfficeError> {
        let (admins, lang, told) = {
            let rules = self.read();
            (rules.admins.clone(), rules.lang, rules.told_reported.clone())
        };
        let fresh: BTreeSet<_> = done.reported.iter().cloned().collect();
        let fresh = fresh.into_iter().chain(done.not_found.iter().map(|user| AccountId::new(user)));
        let fresh: BTreeSet<_> = fresh.collect();
        let news = !done.leaving.is_empty() || !done.unbound.is_empty() || !done.back.is_empty() || done.held.is_some();
        // Who is only reported is missing every day: told once, while the service runs.
        let more = fresh.difference(&told).next().is_some();
        self.write(|rules| rules.told_reported = fresh);
        if admins.is_empty() || !(news || more) {
            return Ok(());
        }
        self.send(admins, text(done, lang)).await
    }

    async fn send(&self, admins: Vec<Recipient>, text: String) -> Result<(), OfficeError> {
        let report = Report { troubles: Vec::new(), alerts: vec![(admins, text)] };
        Ok(self.worlds.state.report(report, self.clock.now()).await?)
    }
}

/// What is done of a verdict, and what only told.
fn sort_out(done: &mut Reconciled, verdict: Verdict, does: bool) {
    done.back = verdict.back;
    if does {
        (done.leaving, done.unbound) = (verdict.leave, verdict.unbind);
    } else {
        done.reported.extend(verdict.leave.into_iter().chain(verdict.unbind));
    }
}

/// Looks for each user.
async fn look(directory: &dyn Directory, users: &BTreeSet<Arc<str>>) -> Result<Seen, Outcome> {
    // An app that is stopped, or a secret that is wrong, must not look like everybody's leaving.
    let app = directory.app().await?;
    if app.closed {
        return Err(Outcome::Channel("agent/get: the app is stopped".to_owned()));
    }
    let members = directory.members().await?;
    let (mut presence, mut not_visible, mut not_found) = (BTreeMap::new(), Vec::new(), Vec::new());
    for user in users {
        let found = directory.member(user).await?.presence;
        let listed = members.as_ref().map(|members| members.contains(user));
        if found == wecom::Presence::Unknown && members.is_none() {
            not_found.push(user.to_string());
        }
        if found == wecom::Presence::NotVisible || (found == wecom::Presence::Unknown && listed == Some(true)) {
            not_visible.push(user.to_string());
        }
        let seen = match (found, listed) {
            (wecom::Presence::Active | wecom::Presence::NotActivated, _) => Presence::There,
            (wecom::Presence::Disabled | wecom::Presence::Left, _) | (_, Some(false)) => Presence::Gone,
            // In the corp, and not for this app's eyes.
            (wecom::Presence::Unknown | wecom::Presence::NotVisible, Some(true)) => Presence::There,
            // 60111 is said of who left and of who is not visible (p90313): only the list of all members tells which.
            (wecom::Presence::Unknown | wecom::Presence::NotVisible, None) => Presence::Unsure,
        };
        presence.insert(user.clone(), seen);
    }
    Ok(Seen { presence, not_visible, not_found, members })
}

fn words_of(outcome: &Outcome) -> Words {
    let advice = |lang| advice_for(outcome, lang).unwrap_or_default();
    let reason = outcome.reason();
    Words::new(
        format!("无法与企业微信核对成员：{reason}。{}", advice(Lang::ZhCn)),
        format!("the members of WeCom cannot be compared: {reason}. {}", advice(Lang::En)),
    )
}

fn not_asked() -> Words {
    Words::new(
        "为避免被企业微信封禁一天，今天不再按邮箱查找成员（查错数超过账号上限的 20% 会被封）：请填写 [wecom] account_cap，或在表格中填写成员账号",
        "to keep WeCom from blocking the look-up for a day, no more addresses are looked up today (it does so after wrong ones for 20 % of 账号上限数): set [wecom] account_cap, or write the userids into the sheet",
    )
}

/// The report to administrators.
fn text(done: &Reconciled, lang: Lang) -> String {
    let mut lines = vec![lang.pick("成员核对", "Comparison with the members of WeCom").to_owned()];
    let mut say = |zh: &str, en: &str, accounts: &[AccountId]| {
        if accounts.is_empty() {
            return;
        }
        let mut names: Vec<_> = accounts.iter().take(NAMED).map(ToString::to_string).collect();
        if accounts.len() > NAMED {
            names.push("…".to_owned());
        }
        lines.push(format!("{} {}: {}", lang.pick(zh, en), accounts.len(), names.join(", ")));
    };
    say("已解绑并销毁密码", "Unbound, passwords destroyed:", &done.unbound);
    say("成员已不在企业微信，宽限期后解绑", "User gone, to be unbound after the grace time:", &done.leaving);
    say("成员已不在企业微信，请处理", "User gone, please see to it:", &done.reported);
    say("成员已恢复", "User is back:", &done.back);
    let lost: Vec<_> = done.not_found.iter().map(|user| AccountId::new(user)).collect();
    say(
        "企业微信查无此人：已离开，或不在可见范围内；配置 [wecom] contacts_secret 后才能区分",
        "Not found in WeCom, gone or not in the visible range (可见范围); only with [wecom] contacts_secret can that be told apart:",
        &lost,
    );
    if let Some(count) = done.held {
        lines.push(match lang {
            Lang::ZhCn => format!("同时有 {count} 个成员找不到，视为异常，未作处理：请检查应用的可见范围；若确已离职，调大 [directory] most_leavers"),
            Lang::En => format!("{count} users are missing at once, which is taken for a mistake, and nothing was done: look at the app's visible range (可见范围); if they have really left, raise [directory] most_leavers"),
        });
    }
    lines.join("\n")
}
