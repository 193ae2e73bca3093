//! `mailbell run` and `mailbell sandbox`: signals around the app.

use super::{FAILED, WRONG_USAGE, fail, load};
use crate::config::{self, Config};
use crate::model::Lang;
use crate::sandbox::{self, Member, Options};
use crate::systemd::Manager;
use crate::{app, telemetry};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// A stop takes at most 10 s (design: "Commands").
const STOP_LIMIT: Duration = Duration::from_millis(9500);

/// `mailbell run`.
pub(super) async fn run(file: &Path, lang: Lang) -> ExitCode {
    let config = match load(file, lang) {
        Ok(config) => config,
        Err(code) => return code,
    };
    telemetry::init(&config.log);
    for warning in &config.warnings {
        warn!("{}", warning.line_for(&config.file, lang));
    }
    let stop = CancellationToken::new();
    let (to_app, reload) = mpsc::channel(1);
    let (Ok(terminate), Ok(interrupt), Ok(hangup)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()))
    else {
        return fail(FAILED, "signals cannot be handled");
    };
    let started_with = config.clone();
    let manager = Arc::new(Manager::from_env());
    let service = app::run(config, reload, manager.clone(), stop.clone());
    tokio::pin!(service);
    let signals = watch_signals(terminate, interrupt, hangup, (&started_with, lang), (to_app, &manager));
    let ended = tokio::select! {
        ended = &mut service => ended,
        () = signals => {
            manager.stopping().await;
            stop.cancel();
            match tokio::time::timeout(STOP_LIMIT, service).await {
                Ok(ended) => ended,
                // Opening a large store after a crash cannot be cut short.
                Err(_) => Ok(false),
            }
        }
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(reason) => fail(FAILED, &reason.text(lang)),
    }
}

/// Returns when the service is to stop; reads the config anew on SIGHUP.
async fn watch_signals(
    mut terminate: Signal,
    mut interrupt: Signal,
    mut hangup: Signal,
    (started_with, lang): (&Config, Lang),
    (to_app, manager): (mpsc::Sender<Arc<Config>>, &Manager),
) {
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                manager.reloading().await;
                match config::load(&started_with.file) {
                Ok(fresh) => {
                    if !same_outside_accounts(started_with, &fresh) {
                        warn!("changes of accounts, providers, users, lists, hours and the look of alerts are applied now; others at the next start");
                    }
                    info!("the config was read anew");
                    if to_app.try_send(Arc::new(fresh)).is_err() {
                        warn!("the service is still busy with an earlier change; send SIGHUP again");
                        manager.ready().await;
                    }
                }
                Err(problems) => {
                    error!("the config was not applied:\n{}", problems.text(lang));
                    manager.ready().await;
                }
                }
            }
        }
    }
    info!("stopping");
}

/// Whether only what can be applied at once differs. Secrets print alike, so those of WeCom are compared by themselves.
fn same_outside_accounts(before: &Config, now: &Config) -> bool {
    let rest = |c: &Config| {
        let a = &c.alerts;
        // The times of `[alerts]` are applied.
        let alerts = format!("{:?} {:?} {:?} {:?}", a.lang, a.time_zone, a.digest_every, a.first_time_after);
        format!(
            "{:?} {alerts} {:?} {:?} {:?} {:?} {:?}",
            c.wecom,
            c.state,
            c.limits,
            c.imap,
            c.web.as_ref().map(|web| web.listen),
            c.log
        )
    };
    let secrets = |c: &Config| (c.wecom.secret.clone(), c.wecom.contacts_secret.clone());
    rest(before) == rest(now) && secrets(before) == secrets(now)
}

/// What was typed after `sandbox`.
pub(super) struct SandboxArgs {
    pub(super) options: Option<PathBuf>,
    pub(super) corp_id: Option<String>,
    pub(super) secret: Option<String>,
    pub(super) agent_id: Option<i64>,
    pub(super) account_cap: Option<u64>,
    pub(super) members: Vec<String>,
}

/// `mailbell sandbox`.
pub(super) async fn sandbox(listen: SocketAddr, typed: SandboxArgs, lang: Lang) -> ExitCode {
    let mut options = match &typed.options {
        None => Options::default(),
        Some(file) => match Options::load(file) {
            Ok(options) => options,
            Err(error) => return fail(WRONG_USAGE, &error.to_string()),
        },
    };
    options.corp_id = typed.corp_id.unwrap_or(options.corp_id);
    options.secret = typed.secret.unwrap_or(options.secret);
    options.agent_id = typed.agent_id.unwrap_or(options.agent_id);
    options.account_cap = typed.account_cap.or(options.account_cap);
    if !typed.members.is_empty() {
        options.members = typed.members.iter().map(|text| member(text)).collect();
    }
    let listener = match TcpListener::bind(listen).await {
        Ok(listener) => listener,
        Err(error) => {
            let advice = lang.pick("用 --listen 换一个地址或端口", "choose another address or port with --listen");
            return fail(FAILED, &format!("{listen}: {error}{}{advice}", lang.pick("；", "; ")));
        }
    };
    let address = listener.local_addr().unwrap_or(listen);
    println!("{}http://{address}/", lang.pick("沙箱页面：", "The sandbox's page: "));
    println!(
        "[wecom]\ncorp_id = \"{}\"\nagent_id = {}\nsecret = \"{}\"\napi_base = \"http://{address}\"",
        options.corp_id, options.agent_id, options.secret
    );
    println!("login_base = \"http://{address}\"\noauth_base = \"http://{address}\"");
    if !options.contacts_secret.is_empty() {
        println!("contacts_secret = \"{}\"", options.contacts_secret);
    }
    match sandbox::serve(listener, options, stop_signal()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILED, &error.to_string()),
    }
}

fn member(text: &str) -> Member {
    let (userid, name) = text.split_once('=').unwrap_or((text, text));
    Member::new(userid, name)
}

/// Resolves at SIGTERM, SIGINT, or when the terminal is closed.
pub(super) async fn stop_signal() {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup())) {
        (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {}
            }
        }
        _ => std::future::pending().await,
    }
}
