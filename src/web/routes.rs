//! Every route of the console in one table, each with its guard: the router is made of it, so there is no other.

use super::console::Console;
use super::guard::{self, Guarded};
use super::{account, accounts, add, alerts, api, audit, deeds, import, overview, sign_in};
use crate::model::Role;
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, get, post};
use axum::{Router, middleware};
use std::sync::Arc;

/// The longest form or question.
const BODY: usize = 64 * 1024;
/// The longest file that is uploaded.
const UPLOAD: usize = 32 * 1024 * 1024;

/// By which method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// GET, and HEAD with it: changes nothing.
    Get,
    /// POST.
    Post,
}

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Everybody: sign-in, and what pages look like.
    Open,
    /// Whoever signed in.
    Reader,
    /// Auditors and administrators.
    Auditor,
    /// Administrators.
    Administrator,
}

impl Guard {
    /// Whether somebody in this role may.
    pub fn allows(self, role: Role) -> bool {
        match self {
            Self::Open | Self::Reader => true,
            Self::Auditor => role != Role::Reader,
            Self::Administrator => role == Role::Administrator,
        }
    }
}

/// One route.
pub struct Route {
    /// Its method.
    pub verb: Verb,
    /// Its path, `{name}` for a part that varies.
    pub path: &'static str,
    /// Who may.
    pub guard: Guard,
    /// What it does, for the API's description; empty for pages.
    pub says: &'static str,
    /// Whether a file is sent.
    upload: bool,
    make: fn() -> MethodRouter<Arc<Console>>,
}

impl Route {
    /// Whether it is for programs.
    pub fn is_api(&self) -> bool {
        self.path.starts_with("/admin/api/")
    }

    /// Whether a path is one of its.
    pub(super) fn is_at(&self, path: &str) -> bool {
        let (mut mine, mut parts) = (self.path.split('/'), path.split('/'));
        let fits = mine.by_ref().zip(parts.by_ref()).all(|(mine, part)| mine == part || mine.starts_with('{'));
        fits && self.path.matches('/').count() == path.matches('/').count()
    }

    /// The longest body that is read.
    pub(super) fn limit(&self) -> usize {
        if self.upload { UPLOAD } else { BODY }
    }

    /// Whether a file is sent.
    pub(super) fn takes_file(&self) -> bool {
        self.upload
    }
}

macro_rules! see {
    ($path:literal, $guard:ident, $make:path $(, $says:literal)?) => {
        Route {
            verb: Verb::Get,
            path: $path,
            guard: Guard::$guard,
            says: concat!($($says)?),
            upload: false,
            make: || get($make),
        }
    };
}

macro_rules! act {
    ($path:literal, $guard:ident, $make:path $(, $says:literal)?) => {
        Route {
            verb: Verb::Post,
            path: $path,
            guard: Guard::$guard,
            says: concat!($($says)?),
            upload: false,
            make: || post($make),
        }
    };
}

macro_rules! send {
    ($path:literal, $guard:ident, $make:path $(, $says:literal)?) => {
        Route { upload: true, ..act!($path, $guard, $make $(, $says)?) }
    };
}

/// All of them.
pub static ROUTES: &[Route] = &[
    see!("/admin/style.css", Open, sign_in::style),
    see!("/admin/icon.svg", Open, sign_in::icon),
    see!("/admin/sign-in", Open, sign_in::show),
    act!("/admin/sign-in", Open, sign_in::by_token),
    see!("/admin/sign-in/wecom", Open, sign_in::to_wecom),
    see!("/admin/sign-in/wecom/done", Open, sign_in::from_wecom),
    act!("/admin/sign-out", Reader, sign_in::out),
    see!("/admin", Reader, overview::show),
    see!("/admin/accounts", Reader, accounts::list),
    see!("/admin/accounts/{address}", Reader, account::show),
    act!("/admin/accounts/{address}/test", Administrator, deeds::test),
    act!("/admin/accounts/{address}/sync", Administrator, deeds::sync),
    act!("/admin/accounts/{address}/disable", Administrator, deeds::disable),
    act!("/admin/accounts/{address}/enable", Administrator, deeds::enable),
    act!("/admin/accounts/{address}/password", Administrator, deeds::password),
    see!("/admin/accounts/{address}/unbind", Administrator, deeds::ask_unbind),
    act!("/admin/accounts/{address}/unbind", Administrator, deeds::unbind),
    see!("/admin/add", Administrator, add::show),
    act!("/admin/add", Administrator, add::add),
    see!("/admin/import", Administrator, import::show),
    send!("/admin/import", Administrator, import::upload),
    act!("/admin/import/apply", Administrator, import::apply),
    see!("/admin/import/template.csv", Administrator, import::template),
    see!("/admin/export.csv", Administrator, import::export),
    see!("/admin/audit", Auditor, audit::list),
    see!("/admin/audit/verify", Auditor, audit::verify),
    see!("/admin/audit/export", Auditor, audit::export),
    see!("/admin/alerts", Reader, alerts::list),
    see!("/admin/alerts/{number}", Reader, alerts::show),
    act!("/admin/alerts/retry", Administrator, alerts::retry),
    act!("/admin/alerts/drop", Administrator, alerts::discard),
    see!("/admin/api/openapi.json", Reader, api::description, "This description"),
    see!(
        "/admin/api/status",
        Reader,
        api::status,
        "Accounts by state, those in trouble first, the outbox and WeCom's limits"
    ),
    see!("/admin/api/accounts", Reader, api::accounts, "Accounts: ?q= ?state= ?provider= ?most=, behind ?after="),
    act!("/admin/api/accounts", Administrator, api::add, "Binds an account: the keys of [[account]]"),
    see!(
        "/admin/api/accounts/{address}",
        Reader,
        api::account,
        "One account: as it is watched, and as it is registered"
    ),
    act!("/admin/api/accounts/{address}/test", Administrator, deeds::api_test, "Tries its login"),
    act!("/admin/api/accounts/{address}/sync", Administrator, deeds::sync, "Looks into it now"),
    act!("/admin/api/accounts/{address}/disable", Administrator, deeds::disable, "Watches it no more: {\"why\"}"),
    act!("/admin/api/accounts/{address}/enable", Administrator, deeds::enable, "Watches it again"),
    act!("/admin/api/accounts/{address}/password", Administrator, deeds::api_password, "Sets {\"password\"}"),
    act!("/admin/api/accounts/{address}/unbind", Administrator, deeds::api_unbind, "Unbinds it for good: {\"why\"}"),
    send!("/admin/api/import", Administrator, import::api, "Imports a CSV file: ?dry_run=true, ?partial=true"),
    see!("/admin/api/audit", Auditor, audit::api, "Records of the audit: ?from= ?to= ?q= ?what= ?before= ?most="),
    see!("/admin/api/audit/verify", Auditor, audit::api_verify, "Whether the audit is whole"),
    see!("/admin/api/alerts", Reader, api::alerts, "Alerts that are not settled, or those in ?state="),
    see!("/admin/api/alerts/{number}", Reader, api::alert, "One alert"),
    act!("/admin/api/alerts/retry", Administrator, api::retry, "Sends dead alerts again"),
    act!("/admin/api/alerts/drop", Administrator, api::discard, "Gives alerts up; the ledger remembers them"),
];

/// The console's router.
pub(super) fn router(console: &Arc<Console>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let guarded = Guarded { console: console.clone(), route };
        let method = (route.make)()
            .route_layer(middleware::from_fn_with_state(guarded, guard::guard))
            .route_layer(DefaultBodyLimit::max(route.limit()));
        router = router.route(route.path, method);
    }
    let router = router.fallback(guard::nowhere).with_state(console.clone());
    router.layer(middleware::from_fn_with_state(console.clone(), guard::front))
}
