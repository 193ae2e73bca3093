//! Every route of the console in one table, each with its guard: the router is made of it, so there is no other.

use super::console::Console;
use super::guard::{self, Guarded};
use super::{account, alerts, api, overview, sign_in};
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

/// All of them.
pub static ROUTES: &[Route] = &[
    see!("/admin/style.css", Open, sign_in::style),
    see!("/admin/sign-in", Open, sign_in::show),
    act!("/admin/sign-in", Open, sign_in::by_token),
    see!("/admin/sign-in/wecom", Open, sign_in::to_wecom),
    see!("/admin/sign-in/wecom/done", Open, sign_in::from_wecom),
    act!("/admin/sign-out", Reader, sign_in::out),
    see!("/admin", Reader, overview::show),
    see!("/admin/accounts/{address}", Reader, account::show),
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
    see!("/admin/api/accounts/{address}", Reader, api::account, "One account as it is watched, with its folders"),
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
