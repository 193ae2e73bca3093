//! The service, wired in one straight function; the only file that names concrete backends. What is made is torn
//! down in the opposite order, under a deadline.

mod descriptors;
mod running;
mod surface;

use crate::audit::Audit;
use crate::clock::{Clock, SystemClock};
use crate::config::{Account, Config, Imap};
use crate::control::{self, Service};
use crate::deliver::{self, Accounts, Delivery, Looks, Reporter};
use crate::health::Health;
use crate::imap::{ImapSource, TcpDial};
use crate::model::{By, Deed, Lang, Timestamp, What};
use crate::oauth::Tokens;
use crate::office::{self, Errand, Mail, Office, OfficeError, Worlds};
use crate::people::People;
use crate::state::{Ledger, Limits, Registry, Restored, Sessions, State, StateError, Store, exports, restore_damaged};
use crate::supervise::{Shared, Supervisor};
use crate::systemd::{self, Manager, Signs};
use crate::upkeep;
use crate::watch::Hosts;
use crate::web;
use crate::wecom::{Client, advice_for};
use descriptors::Descriptors;
use futures_util::future::BoxFuture;
use running::Running;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// The whole stop must end within 10 s (design: "Commands"); the rest is for the store.
const STOP_LIMIT: Duration = Duration::from_secs(8);
/// For the last sync of the store.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// How long tasks may take to end once the store is stuck: they can store nothing any more.
const STUCK_LIMIT: Duration = Duration::from_secs(2);
/// How often proofs of life are looked at.
const LIFE_EVERY: Duration = Duration::from_secs(2);
/// Before the first token is asked for again.
const TOKEN_AGAIN: Duration = Duration::from_secs(30);

/// Why the service could not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    State(#[from] StateError),
    /// The registry, its vault or its audit.
    #[error(transparent)]
    Office(#[from] OfficeError),
    /// The WeCom client.
    #[error("{}", self.text(Lang::En))]
    Wecom(String),
    /// The web surface.
    #[error("{}", self.text(Lang::En))]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The system's words.
        reason: String,
    },
    /// The web surface's certificate.
    #[error("{}", self.text(Lang::En))]
    Certificate(String),
}

impl StartError {
    /// What happened and what to do next.
    pub fn text(&self, lang: Lang) -> String {
        match (self, lang) {
            (Self::State(error), lang) => error.text(lang),
            (Self::Office(error), lang) => error.words().text(lang).to_owned(),
            (Self::Wecom(reason), Lang::ZhCn) => {
                format!("无法建立企业微信客户端：{reason}；检查 wecom.api_base 和 wecom.proxy")
            }
            (Self::Wecom(reason), Lang::En) => {
                format!("the WeCom client cannot be made: {reason}; check wecom.api_base and wecom.proxy")
            }
            (Self::Listen { address, reason }, Lang::ZhCn) => {
                format!("[web] listen = \"{address}\"：{reason}；换一个端口，或停止占用它的程序（ss -ltnp 可查）")
            }
            (Self::Listen { address, reason }, Lang::En) => format!(
                "[web] listen = \"{address}\": {reason}; choose another port, or stop the program that has it (ss -ltnp names it)"
            ),
            (Self::Certificate(reason), Lang::ZhCn) => {
                format!("[web] cert 和 key 无法使用：{reason}；两者应为 PEM 文件且彼此匹配")
            }
            (Self::Certificate(reason), Lang::En) => {
                format!("[web] cert and key cannot be used: {reason}; both must be PEM files and fit together")
            }
        }
    }
}

/// Runs the service until `stop`. New accounts come through `reload`. Answers whether all ended in time. The manager is
/// told when the service works, and after each reload.
///
/// # Errors
/// The service could not begin.
pub async fn run(
    config: Config,
    reload: mpsc::Receiver<Arc<Config>>,
    manager: Arc<Manager>,
    stop: CancellationToken,
) -> Result<bool, StartError> {
    restore(&config.state.path).await?;
    let Opened { state, ledger, registry, sessions, clock, stuck } = open_store(&config.state.path).await?;
    let listener = surface::listener(&config).await?;
    let client = Arc::new(Client::new(&config.wecom, clock.clone()).map_err(StartError::Wecom)?);
    recall(&state, &client).await?;
    state.govern(limits(&config), clock.now()).await?;
    let health = Arc::new(Health::default());
    let people = people(&config, &ledger, &clock).await?;
    let shared = shared(&config, &state, &clock, (&health, &people)).await?;
    let mail = Mail { source: shared.source.clone(), hosts: shared.hosts.clone() };
    let worlds = Worlds { mail, directory: Arc::new(client.contacts(&config.wecom)), state: state.clone() };
    let (office, errands) = open_office(&config, registry, &clock, worlds).await?;
    let office = Arc::new(office);
    note(&office, Deed::done(What::Start, "").with("version", env!("CARGO_PKG_VERSION"))).await;
    let faces = (state.clone(), ledger.clone());
    let service = Service::new(faces, clock.clone(), (health.clone(), people.clone()), shared.allowance);
    let service = Arc::new(service.with_office(office.clone()));
    let faces = (&service, &state, &ledger, &sessions);
    let console = surface::console((&config, &client), faces, (&office, &clock))?;
    let supervisor = Supervisor::new(shared, stop.clone());
    let accounts_now = Arc::new(Accounts::of(&all_accounts(&config, &office)));
    let looks = Arc::new(Looks::of_config(&config));
    let delivery = delivery(&config, (&state, &clock, &health), &client, (&accounts_now, &looks));
    spawn_delivery(&supervisor, delivery, client.clone(), &stop);
    spawn_reporter(&supervisor, &config, (&state, &clock, &health), accounts_now.clone(), &stop);
    upkeep::spawn(&supervisor, (&state, &people), &clock, &stop);
    upkeep::spawn_exports(&supervisor, &config.state, (&ledger, &clock), &stop);
    upkeep::spawn_office(&supervisor, &office, &stop);
    let directory = config.state.path.clone();
    let accounts = accounts_now;
    let signs = Signs { state: state.clone(), health: health.clone() };
    let config = Arc::new(config);
    let descriptors = Descriptors::raised();
    let mut running =
        Running { supervisor, office, service, console, accounts, people, looks, config, manager, descriptors };
    running.apply();
    let supervisor = &running.supervisor;
    // It counts the accounts at once, and then only now and then.
    let knocks = systemd::spawn(supervisor, &running.manager, &signs, &stop);
    spawn_control(supervisor, &directory, running.service.clone(), &stop);
    // Last, so that it never answers "ready" for accounts it does not know yet.
    if let Some(listener) = listener {
        let console = running.console.clone();
        let sources = web::Sources { health, state: state.clone(), clock: clock.clone(), console };
        surface::spawn_web(supervisor, listener, sources, &stop);
    }
    info!(
        accounts = running.config.accounts.len() + running.office.watched().len(),
        "mailbell {} is running",
        env!("CARGO_PKG_VERSION")
    );
    running.manager.ready().await;
    if let Some(why) = running.serve((reload, errands, knocks), &stop, stuck).await {
        running.supervisor.stop(STUCK_LIMIT).await;
        return Err(why.into());
    }
    note(&running.office, Deed::done(What::Stop, "")).await;
    Ok(end(running.supervisor, &state).await)
}

/// What sends alerts.
fn delivery(
    config: &Config,
    (state, clock, health): (&Arc<dyn State>, &Arc<dyn Clock>, &Arc<Health>),
    client: &Arc<Client>,
    (accounts, looks): (&Arc<Accounts>, &Arc<Looks>),
) -> Delivery {
    Delivery {
        state: state.clone(),
        push: client.clone(),
        clock: clock.clone(),
        health: health.clone(),
        compose: deliver::composer(config, client.clone(), accounts.clone(), looks.clone()),
        lang: config.alerts.lang,
        time_zone: config.alerts.time_zone.clone(),
        admins: config.admin.recipients.clone(),
    }
}

/// Notes in the audit what the service does by itself; it goes on in any case.
async fn note(office: &Office, deed: Deed) {
    if let Err(reason) = office.note(&By::service(), &[deed]).await {
        error!(%reason, "something is not in the audit");
    }
}

/// The accounts that are to be watched: those of the file, and those of the registry.
fn all_accounts(config: &Config, office: &Office) -> Vec<Arc<Account>> {
    config.accounts.iter().cloned().chain(office.watched()).collect()
}

/// Opens the registry with its audit and its vault.
///
/// # Errors
/// One of them cannot be opened.
pub async fn open_office(
    config: &Config,
    registry: Arc<dyn Registry>,
    clock: &Arc<dyn Clock>,
    worlds: Worlds,
) -> Result<(Office, mpsc::Receiver<Errand>), OfficeError> {
    let (folder, copies, at) = (config.audit.path.clone(), office::copies(config), clock.wall());
    let opened = tokio::task::spawn_blocking(move || Audit::open(&folder, copies, at)).await;
    let audit = opened.map_err(|error| OfficeError::Failed(error.to_string()))?;
    let audit = audit.map_err(|error| OfficeError::Audit(format!("{}: {error}", config.audit.path.display())))?;
    Office::open(config, registry, Arc::new(audit), clock.clone(), worlds).await
}

/// What the office of a command looks at that holds the store itself.
///
/// # Errors
/// The WeCom client cannot be made.
pub fn own_worlds(config: &Config, clock: &Arc<dyn Clock>, state: &Arc<dyn State>) -> Result<Worlds, StartError> {
    let hosts = Arc::new(Hosts::new(config.limits.logins_per_second_per_host));
    let client = Client::new(&config.wecom, clock.clone()).map_err(StartError::Wecom)?;
    Ok(Worlds {
        mail: Mail { source: mail_source(config.imap, clock), hosts },
        directory: Arc::new(client.contacts(&config.wecom)),
        state: state.clone(),
    })
}

/// What was made for another app is made anew.
async fn recall(state: &Arc<dyn State>, client: &Arc<Client>) -> Result<(), StateError> {
    let other_app = client.clone();
    let recalled = state.recall(Arc::new(move |body: &[u8]| other_app.is_for_another_app(body))).await?;
    if recalled > 0 {
        info!(alerts = recalled, "alerts of another agent_id are composed anew");
    }
    Ok(())
}

/// How people want to be told: by the config, and by what they have muted.
async fn people(config: &Config, ledger: &Arc<dyn Ledger>, clock: &Arc<dyn Clock>) -> Result<Arc<People>, StartError> {
    let people = Arc::new(People::new(config));
    people.set_mutes(ledger.mutes(clock.wall()).await?);
    Ok(people)
}

/// What the outbox keeps to.
fn limits(config: &Config) -> Limits {
    Limits {
        account_cap: config.wecom.account_cap,
        busy_minutes: config.limits.busy_minutes,
        digest_every: config.alerts.digest_every,
    }
}

/// Stops the tasks, then the store; whether all ended in time.
async fn end(supervisor: Supervisor, state: &Arc<dyn State>) -> bool {
    let in_time = supervisor.stop(STOP_LIMIT).await;
    if !in_time {
        warn!("some tasks did not end within {} s and were dropped; nothing stored is lost", STOP_LIMIT.as_secs());
    }
    match tokio::time::timeout(CLOSE_LIMIT, state.close()).await {
        Ok(Err(reason)) => warn!(%reason, "closing the store"),
        Ok(Ok(())) => {}
        Err(_) => warn!("the store did not close in time; nothing acknowledged is lost"),
    }
    info!("stopped");
    in_time
}

/// What the workers of all accounts share.
async fn shared(
    config: &Config,
    state: &Arc<dyn State>,
    clock: &Arc<dyn Clock>,
    (health, people): (&Arc<Health>, &Arc<People>),
) -> Result<Shared, StartError> {
    Ok(Shared {
        imap: config.imap,
        personal: config.log.personal,
        allowance: Shared::allowance(config),
        source: mail_source(config.imap, clock),
        state: state.clone(),
        clock: clock.clone(),
        health: health.clone(),
        people: people.clone(),
        hosts: Arc::new(Hosts::new(config.limits.logins_per_second_per_host)),
        connections: config.limits.connections_per_account,
        last_beat: state.last_beat().await?,
    })
}

fn spawn_reporter(
    supervisor: &Supervisor,
    config: &Config,
    (state, clock, health): (&Arc<dyn State>, &Arc<dyn Clock>, &Arc<Health>),
    accounts: Arc<Accounts>,
    stop: &CancellationToken,
) {
    let deadlines = Shared::deadlines(&config.imap);
    let reporter = Reporter::new(config, deadlines, state.clone(), clock.clone(), health.clone(), accounts);
    let reporter_stop = stop.clone();
    supervisor.run("report", stop.clone(), move || reporter.clone().run(reporter_stop.clone()));
}

/// The socket for commands; a service can do without it.
fn spawn_control(supervisor: &Supervisor, directory: &Path, service: Arc<Service>, stop: &CancellationToken) {
    let bound = match control::bind(directory) {
        Ok(bound) => Arc::new(bound),
        Err(reason) => {
            warn!(%reason, "no control socket, so `mailbell status` and others cannot ask this service");
            return;
        }
    };
    let stop_control = stop.clone();
    supervisor
        .run("control", stop.clone(), move || control::serve(bound.clone(), service.clone(), stop_control.clone()));
}

/// IMAP over TCP, with access tokens for the accounts that need them.
fn mail_source(imap: Imap, clock: &Arc<dyn Clock>) -> Arc<ImapSource> {
    let tokens = Arc::new(Tokens::new(clock.clone()));
    Arc::new(ImapSource::new(Arc::new(TcpDial::default()), imap).with_bearer(tokens))
}

/// A store that was opened, by its faces, and the clocks that go on where it left them.
pub struct Opened {
    /// What the service does with it.
    pub state: Arc<dyn State>,
    /// What people ask of it.
    pub ledger: Arc<dyn Ledger>,
    /// The accounts that are not in the config.
    pub registry: Arc<dyn Registry>,
    /// Who signed in to the console.
    pub sessions: Arc<dyn Sessions>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Resolves when the store does not answer any more and only another process can help.
    pub stuck: BoxFuture<'static, StateError>,
}

/// Puts the last export in the place of a store that an earlier process found damaged.
async fn restore(store: &Path) -> Result<(), StateError> {
    let path = store.to_owned();
    let done = tokio::task::spawn_blocking(move || restore_damaged(&path, wall())).await;
    let Some(Restored { kept, from }) = done.map_err(|e| StateError::Write(e.to_string()))?? else {
        tell_of_exports(store);
        return Ok(());
    };
    let kept = kept.display();
    match from {
        Some((from, summary)) => {
            let (from, written_at) = (from.display(), summary.head.written_at.to_string());
            error!(%kept, %from, written_at, "the store was damaged; it is restored from its last export, and what came since is announced together");
        }
        None => {
            error!(%kept, "the store was damaged, there is no export that can be used, and it is begun anew: mail that is there by now is not announced");
        }
    }
    Ok(())
}

/// Says so where a store is about to be begun anew though one was here before.
fn tell_of_exports(store: &Path) {
    if store.join("db").exists() {
        return;
    }
    if let Some(last) = exports::list(store).pop() {
        let last = last.display();
        warn!(%last, "there is no store here and it is begun anew, though there are exports of an earlier one: mail that is there by now is not announced. To go on from the last one, stop and run `mailbell state import --replace FILE`");
    }
}

/// Opens the store in a directory, and makes it if it is not there.
///
/// # Errors
/// See [`StateError`]: in use, not allowed, damaged, newer.
pub async fn open_store(path: &Path) -> Result<Opened, StateError> {
    let path = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || Store::open(&path)).await;
    let store = Arc::new(opened.map_err(|e| StateError::Write(e.to_string()))??);
    let (anchor, latest) = store.anchor().await?;
    let clock = SystemClock::new(anchor.as_ref(), latest);
    if anchor.as_ref() != Some(clock.anchor()) {
        store.set_anchor(clock.anchor()).await?;
    }
    let stuck = store.stuck();
    let (state, ledger, registry) = (store.clone(), store.clone(), store.clone());
    Ok(Opened { stuck, state, ledger, registry, sessions: store, clock: Arc::new(clock) })
}

/// The time of day, for names of files.
pub fn wall() -> Timestamp {
    SystemClock::new(None, Timestamp(0)).wall()
}

/// Whether a running mailbell has the store in a directory open.
///
/// # Errors
/// The store cannot be read.
pub fn store_in_use(path: &Path) -> Result<bool, StateError> {
    Store::in_use(path)
}

fn spawn_delivery(supervisor: &Supervisor, delivery: Delivery, client: Arc<Client>, stop: &CancellationToken) {
    let (health, lang, token_stop) = (delivery.health.clone(), delivery.lang, stop.clone());
    let delivery_stop = stop.clone();
    supervisor.run("deliver", stop.clone(), move || deliver::run(delivery.clone(), delivery_stop.clone()));
    supervisor
        .run("token", stop.clone(), move || first_token(client.clone(), health.clone(), lang, token_stop.clone()));
}

/// Fetches the first token when the service starts. A refusal is told once; how often WeCom is really asked is decided
/// where the token is kept.
async fn first_token(client: Arc<Client>, health: Arc<Health>, lang: Lang, stop: CancellationToken) {
    let mut told = false;
    loop {
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            ready = client.ready() => match ready {
                Ok(()) => break,
                Err(outcome) => outcome,
            },
        };
        if !told {
            let advice = advice_for(&outcome, lang).unwrap_or_default();
            warn!(reason = outcome.reason(), advice, "no WeCom token yet; alerts are kept");
            told = true;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TOKEN_AGAIN) => {}
        }
    }
    health.token_held();
}
