//! What the running service says at its control socket, read from health and state that a test has filled.

use crate::support::clock::PausedClock;
use crate::support::{account, secs};
use mailbell::clock::Clock;
use mailbell::config::Account;
use mailbell::control::{AskError, Refusal, Request, SOCKET, Service, Status, ask, bind, serve};
use mailbell::health::{AccountState, Channel, FolderHealth, Health, WatchMode};
use mailbell::model::{AccountId, Owner, Recipient};
use mailbell::rules::budget::Allowance;
use mailbell::state::{Disk, MemoryKv, State, Store};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

const ALLOWANCE: Allowance = Allowance { syncs: 50, free: 25, settle: Duration::ZERO };

/// A served socket.
struct Bench {
    dir: TempDir,
    state: Arc<Store>,
    health: Arc<Health>,
    clock: Arc<PausedClock>,
    stop: CancellationToken,
    service: Arc<Service>,
}

fn shared() -> Account {
    let id = AccountId::new("sales@corp.example");
    let recipients = vec![Recipient::Party(12), Recipient::Tag(3)];
    Account { owner: Owner::Shared(id.clone()), id, recipients, ..account() }
}

impl Bench {
    /// An account of a user and a shared one.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = Arc::new(Store::in_place(MemoryKv::open(&Disk::default())).unwrap());
        let (health, clock) = (Arc::new(Health::default()), Arc::new(PausedClock::new()));
        let service = Arc::new(Service::new(
            (state.clone(), state.clone()),
            clock.clone(),
            (health.clone(), Arc::default()),
            ALLOWANCE,
        ));
        let accounts = [Arc::new(account()), Arc::new(shared())];
        service.update(&accounts);
        for account in &accounts {
            health.add(&account.id, clock.steady());
        }
        let stop = CancellationToken::new();
        let bound = Arc::new(bind(dir.path()).unwrap());
        tokio::spawn(serve(bound, service.clone(), stop.clone()));
        Self { dir, state, health, clock, stop, service }
    }

    async fn status(&self, account: Option<&str>, state: Option<&str>) -> Status {
        let request = Request::Status { account: account.map(str::to_owned), state: state.map(str::to_owned) };
        ask(self.dir.path(), &request).await.unwrap()
    }

    async fn raw(&self) -> UnixStream {
        UnixStream::connect(self.dir.path().join(SOCKET)).await.unwrap()
    }
}

#[tokio::test]
async fn an_account_of_which_nothing_is_known_yet_has_nulls() {
    let bench = Bench::new();
    let status = serde_json::to_value(bench.status(Some("ZhangSan@Corp.example"), None).await).unwrap();
    let wanted = json!({
        "account": "zhangsan@corp.example", "user": "zhangsan", "recipients": ["zhangsan"], "state": "connecting",
        "mode": null, "why": null, "proof_of_life_seconds": null, "blind_seconds": null, "last_sync_seconds": null, "budget_left": 50,
        "connections": 0, "last_error": null, "last_error_seconds": null, "next_try_seconds": null,
        "server_alert": null, "folders": [],
    });
    assert_eq!(status["accounts"], json!([wanted]));
    assert_eq!(status["states"]["connecting"], 2, "all accounts are counted");
    assert_eq!(status["outbox"], json!({"waiting": 0, "open": 0, "dead": 0}));
    assert_eq!(status["channel"], json!({"state": "unknown", "reason": null, "token_held": false}));
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["uptime_seconds"], 0);
}

#[tokio::test(start_paused = true)]
async fn all_that_is_known_is_told_in_seconds() {
    let bench = Bench::new();
    let began = bench.clock.steady();
    let id = shared().id;
    bench.state.admit_sync(&shared().owner, ALLOWANCE, began).await.unwrap();
    bench.health.pulse(&id).beat(began.plus(secs(10)));
    bench.health.note(&id, |a| {
        a.state = AccountState::LoginRefused;
        a.mode = Some(WatchMode::Notify);
        a.why = Some(mailbell::health::Reason::HasNotify);
        a.synced_at = Some(began.plus(secs(20)));
        a.connections = 2;
        a.last_error = Some("login: refused: 密码错误".to_owned());
        a.error_at = Some(began.plus(secs(30)));
        a.next_try = Some(began.plus(Duration::from_millis(100_001)));
        a.server_alert = Some("quota".to_owned());
        let folder = |shown: &str| FolderHealth {
            shown: shown.into(),
            since: began,
            fresh_at: None,
            pushed: false,
            refused: None,
        };
        let refused = FolderHealth { refused: Some("NO permission".to_owned()), pushed: true, ..folder("项目/甲") };
        a.folders = vec![FolderHealth { fresh_at: Some(began), pushed: true, ..folder("INBOX") }, refused];
    });
    bench.health.channel(Channel::Resting("message/send: 45009".to_owned()));
    bench.health.token_held();
    tokio::time::advance(Duration::from_millis(60_500)).await;
    let status = serde_json::to_value(bench.status(None, Some("login_refused")).await).unwrap();
    let wanted = json!({
        "account": "sales@corp.example", "user": null, "recipients": ["party:12", "tag:3"], "state": "login_refused",
        "mode": "notify", "why": "the server has NOTIFY", "proof_of_life_seconds": 50, "blind_seconds": null, "last_sync_seconds": 40,
        "budget_left": 49, "connections": 2, "last_error": "login: refused: 密码错误", "last_error_seconds": 30,
        "next_try_seconds": 40, "server_alert": "quota",
        "folders": [
            {"folder": "INBOX", "fresh_seconds": 60, "pushed": true, "refused": null},
            {"folder": "项目/甲", "fresh_seconds": null, "pushed": false, "refused": "NO permission"},
        ],
    });
    assert_eq!(status["accounts"], json!([wanted]));
    assert_eq!((&status["states"]["connecting"], &status["states"]["login_refused"]), (&json!(1), &json!(1)));
    assert_eq!(status["channel"], json!({"state": "resting", "reason": "message/send: 45009", "token_held": true}));
    assert_eq!(status["uptime_seconds"], 60);
    // Without a session nobody tells of anything at once.
    bench.health.note(&id, |a| a.mode = None);
    let status = serde_json::to_value(bench.status(None, Some("login_refused")).await).unwrap();
    assert_eq!(status["accounts"][0]["folders"][0]["pushed"], false);
}

#[tokio::test(start_paused = true)]
async fn who_is_blind_is_called_so_unless_the_login_is_refused() {
    let bench = Bench::new();
    let began = bench.clock.steady();
    for id in [account().id, shared().id] {
        bench.health.note(&id, |a| {
            a.state = AccountState::Waiting;
            a.blind_since = Some(began);
        });
    }
    bench.health.note(&shared().id, |a| a.state = AccountState::LoginRefused);
    tokio::time::advance(secs(90)).await;
    let status = bench.status(None, Some("blind")).await;
    assert_eq!(status.accounts.len(), 1);
    assert_eq!((&*status.accounts[0].state, status.accounts[0].blind_seconds), ("blind", Some(90)));
    assert_eq!((status.states["blind"], status.states["login_refused"], status.states["waiting"]), (1, 1, 0));
}

#[tokio::test]
async fn an_unknown_account_is_answered_with_the_nearest() {
    let bench = Bench::new();
    let request = Request::Status { account: Some("sale@corp.example".to_owned()), state: None };
    let refused = ask::<Status>(bench.dir.path(), &request).await.unwrap_err();
    let AskError::Refused(Refusal::UnknownAccount { nearest }) = refused else { panic!("{refused:?}") };
    assert_eq!(nearest[0], "sales@corp.example");
}

#[tokio::test]
async fn questions_of_another_version_and_nonsense_are_refused_and_harm_nothing() {
    let bench = Bench::new();
    for asked in ["{\"command\":\"dance\"}\n", "GET / HTTP/1.1\r\n\r\n", "\n", "\u{0}\n"] {
        let mut stream = bench.raw().await;
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert!(said.contains("unknown_request") && said.contains(env!("CARGO_PKG_VERSION")), "{asked:?}: {said}");
    }
    // Who sends without an end is left, at the latest when it has sent too much.
    let mut endless = bench.raw().await;
    let block = vec![b'x'; 8 * 1024 * 1024];
    assert!(endless.write_all(&block).await.is_err(), "nobody reads that much");
    assert_eq!(bench.status(None, None).await.accounts.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_connects_and_says_nothing_is_left_in_time() {
    let bench = Bench::new();
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(bench.raw().await);
    }
    // More than are answered at one time; they are left, and the question is answered.
    assert_eq!(bench.status(None, None).await.accounts.len(), 2);
}

#[tokio::test]
async fn ten_thousand_accounts_come_in_one_answer() {
    let bench = Bench::new();
    let of = |n: usize| {
        let user = format!("user{n}");
        let id = AccountId::new(&format!("{user}@corp.example"));
        let owner = Owner::User(user.into());
        Arc::new(Account { id, owner, ..account() })
    };
    let accounts: Vec<_> = (0..10_000).map(of).collect();
    for account in &accounts {
        bench.health.add(&account.id, bench.clock.steady());
        let folder = FolderHealth {
            shown: "项目/甲".into(),
            since: bench.clock.steady(),
            fresh_at: None,
            pushed: true,
            refused: None,
        };
        bench.health.note(&account.id, |a| a.folders = vec![folder; 5]);
    }
    bench.service.update(&accounts);
    let status = bench.status(None, None).await;
    assert_eq!((status.accounts.len(), status.states["connecting"]), (10_000, 10_000));
    assert!(status.accounts.iter().all(|a| a.budget_left == 50 && a.folders.len() == 5));
    assert!(status.accounts.is_sorted_by_key(|a| a.account.clone()));
    assert_eq!(bench.status(Some("user77@corp.example"), None).await.accounts.len(), 1);
}

#[tokio::test]
async fn nobody_there_and_somebody_dead_are_told_apart() {
    let request = Request::Status { account: None, state: None };
    assert_eq!(ask::<Status>(Path::new("/nowhere"), &request).await.unwrap_err(), AskError::Absent);
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(ask::<Status>(dir.path(), &request).await.unwrap_err(), AskError::Absent);
    drop(std::os::unix::net::UnixListener::bind(dir.path().join(SOCKET)).unwrap());
    assert_eq!(ask::<Status>(dir.path(), &request).await.unwrap_err(), AskError::Dead);
    let bench = Bench::new();
    bench.stop.cancel();
    let path = bench.dir.path().join(SOCKET);
    while path.exists() {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask::<Status>(bench.dir.path(), &request).await.unwrap_err(), AskError::Absent);
}
