//! One process of mailbell in a run: wired as `app.rs` does it, over the world in memory.

use super::face::{Eyes, Face};
use super::office::Servers;
use super::time::Time;
use mailbell::clock::Clock;
use mailbell::config::Config;
use mailbell::deliver::render::Style;
use mailbell::deliver::{self, Accounts, Delivery, Look, Looks, Reporter};
use mailbell::health::Health;
use mailbell::model::{Card, Lang, Now, Recipient};
use mailbell::state::{Limits, State, Store};
use mailbell::supervise::{Shared, Supervisor};
use mailbell::watch::Hosts;
use mailbell::wecom::Client;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a process notes that it lives, and each how manieth time it forgets a slice of what is old.
const UPKEEP: Duration = Duration::from_secs(30);
const FORGETS: u32 = 20;
/// How often proofs of life are looked at; in life every two seconds.
const LIFE: Duration = Duration::from_secs(20);

/// See the module's text.
pub struct Service {
    pub face: Arc<Face>,
    supervisor: Supervisor,
    stop: CancellationToken,
}

impl Service {
    /// Begins on a store that was opened.
    pub async fn start(config: &Config, store: Store, eyes: &Arc<Eyes>, time: &Arc<Time>) -> Self {
        let face = Arc::new(Face { store: Arc::new(store), eyes: eyes.clone() });
        let state: Arc<dyn State> = face.clone();
        let clock: Arc<dyn Clock> = time.clone();
        let client = Arc::new(Client::over(eyes.wecom.clone(), &config.wecom, clock.clone()));
        let other_app = client.clone();
        state.recall(Arc::new(move |body: &[u8]| other_app.is_for_another_app(body))).await.unwrap();
        let limits = Limits {
            account_cap: config.wecom.account_cap,
            busy_minutes: config.limits.busy_minutes,
            digest_every: config.alerts.digest_every,
        };
        state.govern(limits, clock.now()).await.unwrap();
        let health = Arc::new(Health::default());
        let shared = Shared {
            people: Arc::default(),
            imap: config.imap,
            personal: false,
            allowance: Shared::allowance(config),
            source: Arc::new(Servers(eyes.office.clone())),
            state: state.clone(),
            clock: clock.clone(),
            health: health.clone(),
            hosts: Arc::new(Hosts::new(config.limits.logins_per_second_per_host)),
            connections: config.limits.connections_per_account,
            last_beat: state.last_beat().await.unwrap(),
        };
        let stop = CancellationToken::new();
        let mut supervisor = Supervisor::new(shared, stop.clone());
        let accounts = Arc::new(Accounts::default());
        accounts.update(&config.accounts);
        let looks = Arc::new(looks(config, eyes.wecom.open().process));
        let delivery = Delivery {
            state: state.clone(),
            push: client.clone(),
            clock: clock.clone(),
            health: health.clone(),
            compose: deliver::composer(config, client, accounts.clone(), looks),
            lang: config.alerts.lang,
            time_zone: config.alerts.time_zone.clone(),
            admins: config.admin.recipients.clone(),
        };
        let token = stop.clone();
        supervisor.run("deliver", stop.clone(), move || deliver::run(delivery.clone(), token.clone()));
        if !config.admin.recipients.is_empty() {
            let deadlines = Shared::deadlines(&config.imap);
            let reporter = Reporter::new(config, deadlines, state.clone(), clock.clone(), health, accounts);
            let token = stop.clone();
            supervisor.run("report", stop.clone(), move || reporter.clone().run(token.clone()));
        }
        supervisor.run("upkeep", stop.clone(), move || upkeep(state.clone(), clock.clone()));
        supervisor.apply(&config.accounts);
        Self { face, supervisor, stop }
    }

    /// Looks at proofs of life, for ever.
    pub async fn watch_life(&mut self) {
        loop {
            tokio::time::sleep(LIFE).await;
            self.supervisor.check_life();
        }
    }

    /// Stops as SIGTERM does.
    pub async fn stop(self) {
        self.stop.cancel();
        self.supervisor.stop(Duration::from_secs(8)).await;
        let _ = self.face.close().await;
    }
}

async fn upkeep(state: Arc<dyn State>, clock: Arc<dyn Clock>) {
    for round in 1_u32.. {
        tokio::time::sleep(UPKEEP).await;
        let Now { steady, wall } = clock.now();
        let _ = state.beat(wall).await;
        if round.is_multiple_of(FORGETS) {
            let _ = state.prune(steady).await;
        }
    }
}

/// Every member has a look of their own, another one in each process, as after a change of the config.
fn looks(config: &Config, process: u64) -> Looks {
    let own = (0..400).map(|n: u64| {
        let lang = [None, Some(Lang::En), Some(Lang::ZhCn)][usize::try_from((n + process) % 3).unwrap()];
        let card = [None, Some(Card::TemplateCard), Some(Card::Markdown), Some(Card::Text)];
        let card = card[usize::try_from((n / 2 + process) % 4).unwrap()];
        (Recipient::User(format!("user{n}").into()), Look { lang, time_zone: None, card })
    });
    Looks::new(Style::general(config), own.collect())
}
