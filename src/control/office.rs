//! What commands ask of the registry.

use super::Refusal;
use super::server::answered;
use crate::model::{AccountId, By, Secret};
use crate::office::{How, Office, OfficeError, Row, Words, exposed};
use crate::state::Wanted;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

/// One question or order; what is answered stands beside each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// A [`crate::office::Listing`].
    List {
        /// Which.
        wanted: Wanted,
    },
    /// Accounts with their sealed passwords: a [`crate::state::Page`].
    Sealed {
        /// Which.
        wanted: Wanted,
    },
    /// A [`crate::office::Listed`], or null.
    Show {
        /// Which.
        account: AccountId,
    },
    /// An [`crate::office::Outcome`] for each row.
    Tell {
        /// What is told.
        rows: Vec<Row>,
        /// How it is taken.
        how: How,
    },
    /// Nothing.
    SetPassword {
        /// Whose.
        account: AccountId,
        /// The new one.
        #[serde(with = "exposed")]
        password: Option<Secret>,
    },
    /// For how many it changed something.
    Disable {
        /// Which.
        accounts: Vec<AccountId>,
        /// Why; `None`: they are enabled.
        why: Option<String>,
    },
    /// Those that were there.
    Remove {
        /// Which.
        accounts: Vec<AccountId>,
        /// Why.
        why: String,
    },
    /// A [`crate::office::Tested`].
    Test {
        /// Which.
        account: AccountId,
    },
    /// Nothing.
    Look {
        /// Which.
        account: AccountId,
    },
    /// A [`crate::office::Reconciled`].
    Reconcile {
        /// Only says what would be done.
        dry_run: bool,
    },
    /// The userid of each address (`user/get_userid_by_email`): an `Option<String>` for each.
    Userids {
        /// The addresses.
        emails: Vec<String>,
        /// So many wrong answers may be had a day; `None`: by `wecom.account_cap`.
        wrong: Option<u32>,
    },
    /// Notes in the audit what a command does itself. Nothing.
    Note {
        /// What.
        deeds: Vec<crate::model::Deed>,
    },
}

impl Ask {
    /// The line that answers it.
    pub(super) async fn answer(self, office: &Office, by: &By) -> Result<Vec<u8>, Refusal> {
        match self {
            Self::List { wanted } => said(office.list(wanted).await),
            Self::Sealed { wanted } => said(office.sealed(wanted).await),
            Self::Show { account } => said(office.show(&account).await),
            Self::Tell { rows, how } => said(office.tell(rows, how, by).await),
            Self::SetPassword { account, password } => match password {
                Some(password) => said(office.set_password(&account, password, by).await),
                None => Err(Refusal::Failed("no password was given".to_owned())),
            },
            Self::Disable { accounts, why } => said(office.disable(&accounts, why, by).await),
            Self::Remove { accounts, why } => said(office.remove(&accounts, &why, by).await),
            Self::Test { account } => said(office.test(&account, by).await),
            Self::Look { account } => said(office.look_now(&account, by).await),
            Self::Reconcile { dry_run } => said(office.reconcile(dry_run, by).await),
            Self::Userids { emails, wrong } => said(office.userids(&emails, wrong).await),
            Self::Note { deeds } => said(office.note(by, &deeds).await),
        }
    }
}

fn said<T: Serialize>(answer: Result<T, OfficeError>) -> Result<Vec<u8>, Refusal> {
    let answer: Result<T, Words> = answer.map_err(|error| error.words());
    answered::<_, Infallible>(Ok(answer))
}
