//! The list of accounts: searched, filtered, a page at a time. Accounts of the registry are paged in the store; those of
//! the file stand among them in the order of addresses.

use super::console::Console;
use super::reply::{self, Frame, page};
use super::rows::{account_link, encoded, tone_of};
use super::visit::Visit;
use crate::config::Account;
use crate::control::words::{STATES, span, state_word};
use crate::control::{AccountStatus, Selection};
use crate::model::{AccountId, Lang, Standing};
use crate::office::{Listed, OfficeError};
use crate::state::Wanted;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Accounts on one page.
pub(super) const ROWS: usize = 50;

/// Filters by what the registry says, beside the states of those that are watched.
const STANDINGS: [(&str, &str, &str); 2] =
    [("leaving", "待解绑（成员已离开）", "leaving"), ("wrong", "登记有误", "wrong")];

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    frame: Frame,
    text: String,
    provider: String,
    states: Vec<(&'static str, &'static str, bool)>,
    rows: Vec<Row>,
    next: Option<String>,
    first: Option<String>,
    said: Option<&'static str>,
    may_act: bool,
}

/// One account.
pub(super) struct Row {
    pub(super) address: String,
    pub(super) link: String,
    pub(super) whose: String,
    pub(super) provider: String,
    pub(super) state: String,
    pub(super) tone: &'static str,
    pub(super) proof: String,
    pub(super) remark: String,
}

/// What is asked for.
pub(super) struct Asked {
    pub(super) text: String,
    pub(super) state: String,
    pub(super) provider: String,
    pub(super) after: Option<AccountId>,
    pub(super) most: usize,
}

impl Asked {
    pub(super) fn of(visit: &Visit) -> Self {
        let after = visit.query.text("after");
        Self {
            text: visit.query.text("q").to_lowercase(),
            state: visit.query.text("state").to_owned(),
            provider: visit.query.text("provider").to_owned(),
            after: (!after.is_empty()).then(|| AccountId::new(after)),
            most: visit.query.text("most").parse().unwrap_or(ROWS).clamp(1, 1000),
        }
    }

    /// The page's address, with another place to begin at.
    fn link(&self, after: Option<&str>) -> String {
        let mut link = format!(
            "/admin/accounts?q={}&state={}&provider={}",
            encoded(&self.text),
            encoded(&self.state),
            encoded(&self.provider)
        );
        if let Some(after) = after {
            link += &format!("&after={}", encoded(after));
        }
        link
    }
}

/// An account as it is known here: how it is watched, and what the registry has of it.
pub(super) struct Known {
    pub(super) id: AccountId,
    pub(super) status: Option<AccountStatus>,
    pub(super) listed: Option<Listed>,
    /// As the config file has it.
    pub(super) of_file: Option<Arc<Account>>,
}

/// A page of accounts, and the last one's address if there are more.
pub(super) async fn gather(console: &Console, asked: &Asked) -> Result<(Vec<Known>, Option<AccountId>), OfficeError> {
    let by_state = asked.state == "trouble" || STATES.contains(&asked.state.as_str());
    if by_state { watched(console, asked).await } else { registered(console, asked).await }
}

/// By how they are watched: what the service knows.
async fn watched(console: &Console, asked: &Asked) -> Result<(Vec<Known>, Option<AccountId>), OfficeError> {
    let in_trouble = asked.state == "trouble";
    let wanted = Selection {
        state: (!in_trouble).then_some(asked.state.as_str()),
        in_trouble,
        text: (!asked.text.is_empty()).then_some(asked.text.as_str()),
        provider: (!asked.provider.is_empty()).then_some(asked.provider.as_str()),
        after: asked.after.as_ref().map(|after| &*after.0),
        most: Some(asked.most + 1),
        ..Selection::default()
    };
    let mut statuses = console.parts.service.status(&wanted).await?.accounts;
    let more = statuses.len() > asked.most;
    statuses.truncate(asked.most);
    let mut found = Vec::with_capacity(statuses.len());
    for status in statuses {
        let id = AccountId::new(&status.account);
        let of_file = console.settings().of_file(&id);
        let listed = if of_file.is_some() { None } else { console.parts.office.show(&id).await? };
        found.push(Known { id, status: Some(status), listed, of_file });
    }
    let next = if more { found.last().map(|known| known.id.clone()) } else { None };
    Ok((found, next))
}

/// By what is registered, and what the file has: both in the order of addresses.
async fn registered(console: &Console, asked: &Asked) -> Result<(Vec<Known>, Option<AccountId>), OfficeError> {
    let wanted = Wanted {
        text: asked.text.clone(),
        standing: asked.state.clone(),
        provider: asked.provider.clone(),
        after: asked.after.clone(),
        most: asked.most + 1,
        ..Wanted::default()
    };
    let listing = console.parts.office.list(wanted).await?;
    let mut all: BTreeMap<AccountId, Known> = BTreeMap::new();
    if asked.state.is_empty() {
        for account in console.settings().file.iter().filter(|account| fits(account, asked)) {
            let id = account.id.clone();
            let known = Known { id: id.clone(), status: None, listed: None, of_file: Some(account.clone()) };
            all.insert(id, known);
        }
    }
    for listed in listing.accounts {
        let id = listed.account.entry.account();
        let known = Known { id: id.clone(), status: None, listed: Some(listed), of_file: None };
        // The file wins.
        all.entry(id).or_insert(known);
    }
    let more = all.len() > asked.most || listing.next.is_some();
    let mut found: Vec<Known> = all.into_values().take(asked.most).collect();
    let among: BTreeSet<AccountId> = found.iter().map(|known| known.id.clone()).collect();
    let wanted = Selection { among: Some(&among), ..Selection::default() };
    let mut statuses: BTreeMap<String, AccountStatus> = BTreeMap::new();
    for status in console.parts.service.status(&wanted).await?.accounts {
        statuses.insert(status.account.clone(), status);
    }
    for known in &mut found {
        known.status = statuses.remove(&*known.id.0);
    }
    let next = if more { found.last().map(|known| known.id.clone()) } else { None };
    Ok((found, next))
}

/// Whether an account of the file fits.
fn fits(account: &Account, asked: &Asked) -> bool {
    let provider = account.provider.name.as_deref().unwrap_or(&account.provider.server.host);
    let named = |recipient: &crate::model::Recipient| recipient.to_string().contains(&asked.text);
    let text =
        account.id.0.contains(&asked.text) || account.recipients.iter().any(named) || provider.contains(&asked.text);
    let of = asked.provider.is_empty() || asked.provider == provider || asked.provider == account.provider.server.host;
    text && of && asked.after.as_ref().is_none_or(|after| account.id > *after)
}

impl Known {
    pub(super) fn row(&self, lang: Lang) -> Row {
        let address = self.id.to_string();
        let (state, tone) = self.state(lang);
        let provider = self.status_provider();
        let whose = match (&self.listed, &self.of_file) {
            (Some(listed), _) if listed.account.entry.is_shared() => listed.account.entry.recipients.join(" "),
            (Some(listed), _) => listed.account.entry.user.clone(),
            (None, Some(account)) => account.recipients.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            (None, None) => self.status.as_ref().map(|status| status.recipients.join(" ")).unwrap_or_default(),
        };
        let remark = match (&self.listed, &self.of_file) {
            (_, Some(_)) => lang.pick("配置文件", "config file").to_owned(),
            (Some(Listed { trouble: Some(words), .. }), _) => words.text(lang).to_owned(),
            (Some(listed), _) => match &listed.account.standing {
                Standing::Disabled { why, .. } if !why.is_empty() => why.clone(),
                _ => listed.account.entry.note.clone(),
            },
            (None, None) => String::new(),
        };
        Row {
            link: account_link(&address),
            address,
            whose,
            provider,
            state,
            tone,
            proof: self.status.as_ref().map_or_else(|| "-".to_owned(), |status| span(status.proof_of_life_seconds)),
            remark,
        }
    }

    fn status_provider(&self) -> String {
        match (&self.listed, &self.of_file) {
            (Some(listed), _) if listed.account.entry.provider.is_empty() => listed.account.entry.host.clone(),
            (Some(listed), _) => listed.account.entry.provider.clone(),
            (None, Some(account)) => {
                account.provider.name.clone().unwrap_or_else(|| account.provider.server.host.clone())
            }
            (None, None) => String::new(),
        }
    }

    /// Its state in a word, and how loud it is.
    pub(super) fn state(&self, lang: Lang) -> (String, &'static str) {
        match &self.listed {
            Some(Listed { trouble: Some(_), .. }) => return (lang.pick("登记有误", "wrong").to_owned(), "bad"),
            Some(Listed { account, .. }) if matches!(account.standing, Standing::Leaving { .. }) => {
                return (lang.pick("待解绑", "leaving").to_owned(), "warn");
            }
            _ => {}
        }
        match &self.status {
            Some(status) => (state_word(&status.state, lang).to_owned(), tone_of(&status.state)),
            None => ("-".to_owned(), ""),
        }
    }
}

pub(super) async fn list(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    let (asked, lang) = (Asked::of(&visit), visit.lang);
    let (found, next) = match gather(&console, &Asked { most: ROWS, ..Asked::of(&visit) }).await {
        Ok(found) => found,
        Err(reason) => return reply::declined(&visit, &reason),
    };
    let chosen = |state: &str| state == asked.state;
    let mut states = vec![
        ("", lang.pick("全部状态", "any state"), chosen("")),
        ("trouble", lang.pick("需要处理的", "in trouble"), chosen("trouble")),
    ];
    states.extend(STATES.into_iter().map(|state| (state, state_word(state, lang), chosen(state))));
    states.extend(STANDINGS.iter().map(|(state, zh, en)| (*state, lang.pick(zh, en), chosen(state))));
    page(&AccountsPage {
        frame: Frame::of(&visit),
        states,
        rows: found.iter().map(|known| known.row(lang)).collect(),
        next: next.map(|last| asked.link(Some(&last.0))),
        first: asked.after.is_some().then(|| asked.link(None)),
        said: (visit.query.text("done") == "unbound")
            .then(|| lang.pick("已解绑，密码已销毁。", "The account is unbound and its password is destroyed.")),
        may_act: visit.may_act(),
        text: asked.text,
        provider: asked.provider,
    })
}
