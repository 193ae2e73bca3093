//! A served console, and somebody with a browser.

use crate::support::account;
use futures_util::future::BoxFuture;
use mailbell::audit::{Asked, Audit, Copies, Record};
use mailbell::clock::Clock;
use mailbell::config::{self, Account, Config};
use mailbell::control::Service;
use mailbell::health::{AccountState, Health};
use mailbell::imap::{ImapError, LoginTrouble, MailSession, MailSource};
use mailbell::model::{Lang, Timestamp};
use mailbell::office::{Errand, Mail, Office, Worlds};
use mailbell::rules::budget::Allowance;
use mailbell::state::{Disk, MemoryKv, Store};
use mailbell::vault::MasterKey;
use mailbell::watch::Hosts;
use mailbell::web::{self, Console, Parts, SignIn, Sources};
use mailbell::wecom::Client;
use reqwest::header::{HeaderMap, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

pub const TOKEN: &str = "the-bootstrap-token-of-this-test";
pub const HOST: &str = "mail.corp.example";

/// A console for everybody, reached through TLS at a proxy.
pub const WEB: &str = r#"
public_url = "https://mail.corp.example"
admin_token = "the-bootstrap-token-of-this-test"
administrators = ["wangwu"]
readers = ["lisi"]
auditors = ["zhaoliu"]
trusted_proxies = ["127.0.0.1"]
"#;

/// Both clocks, set by hand.
pub struct SetClock(AtomicI64);

impl SetClock {
    pub fn pass(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn wall(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn steady(&self) -> Timestamp {
        self.wall()
    }
}

/// A WeCom that knows a member by any code that is their userid; `outsider` is nobody, `error` fails.
struct PlayedWecom;

impl SignIn for PlayedWecom {
    fn login_url(&self, back: &Url, state: &str, inside: bool, lang: Lang) -> Url {
        let mut url = Url::parse("https://login.wecom.example/").unwrap();
        let inside = if inside { "inside" } else { "browser" };
        let pairs = [("back", back.as_str()), ("state", state), ("from", inside), ("lang", lang.pick("zh", "en"))];
        url.query_pairs_mut().extend_pairs(pairs);
        url
    }

    fn who<'a>(&'a self, code: &'a str) -> BoxFuture<'a, Result<Option<String>, String>> {
        let who = match code {
            "error" => Err("WeCom answers 40029".to_owned()),
            "outsider" => Ok(None),
            code => Ok(Some(code.to_owned())),
        };
        Box::pin(async { who })
    }
}

/// See the module's text.
pub struct Bench {
    pub address: SocketAddr,
    pub clock: Arc<SetClock>,
    pub health: Arc<Health>,
    pub console: Arc<Console>,
    pub client: reqwest::Client,
    pub service: Arc<Service>,
    pub office: Arc<Office>,
    pub dir: TempDir,
    scheme: &'static str,
    _stop: DropGuard,
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn location(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |to| to.to_str().unwrap())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn cookies(&self) -> Vec<String> {
        self.headers.get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap().to_owned()).collect()
    }

    /// The token that the page's forms send along.
    pub fn csrf(&self) -> String {
        let after =
            self.text.split_once("name=\"csrf\" value=\"").unwrap_or_else(|| panic!("no form: {}", self.text)).1;
        after.split('"').next().unwrap().to_owned()
    }
}

/// No server lets anybody in.
struct Closed;

impl MailSource for Closed {
    fn connect<'a>(&'a self, _account: &'a Account) -> BoxFuture<'a, Result<Box<dyn MailSession>, ImapError>> {
        let text = "Login fail. Please using weixin token".to_owned();
        Box::pin(async { Err(ImapError::Login { trouble: LoginTrouble::of(&text), text }) })
    }
}

/// Where the master key of a bench lies.
fn key_file(dir: &Path) -> PathBuf {
    dir.join("master.key")
}

fn config(dir: &Path, web: &str) -> Config {
    let text = format!(
        "[wecom]\ncorp_id = \"ww1\"\nagent_id = 1\nsecret = \"hunter2\"\n[web]\nlisten = \"127.0.0.1:8025\"\n{web}\n\
         [[account]]\nuser = \"zhangsan\"\nemail = \"zhangsan@corp.example\"\nprovider = \"exmail\"\npassword = \"hunter2\"\n\
         [vault]\nmaster_key = {{ file = \"master.key\" }}\n"
    );
    config::load_text(&dir.join("mailbell.toml"), &text, &|_| None).unwrap_or_else(|p| panic!("{}", p.text(Lang::En)))
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(WEB).await
    }

    pub async fn with(web: &str) -> Self {
        let client = reqwest::Client::builder();
        Self::over("http", web, client).await
    }

    pub async fn over(scheme: &'static str, web: &str, client: reqwest::ClientBuilder) -> Self {
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let clock = Arc::new(SetClock(AtomicI64::new(1_770_000_000_000)));
        let store = Arc::new(Store::in_place(MemoryKv::open(&Disk::default())).unwrap());
        let health = Arc::new(Health::default());
        let allowance = Allowance { syncs: 50, free: 25, settle: Duration::ZERO };
        let faces = (health.clone(), Arc::default());
        let service = Arc::new(Service::new((store.clone(), store.clone()), clock.clone(), faces, allowance));
        service.update(&[Arc::new(account())]);
        health.add(&account().id, clock.steady());
        let dir = tempfile::tempdir().unwrap();
        write_private(&key_file(dir.path()), MasterKey::generate().unwrap().expose());
        let config = config(dir.path(), web);
        let audit = Arc::new(Audit::open(&config.audit.path, Copies::default(), clock.wall()).unwrap());
        let mail = Mail { source: Arc::new(Closed), hosts: Arc::new(Hosts::new(100)) };
        let wecom = Client::new(&config.wecom, clock.clone()).unwrap();
        let worlds = Worlds { mail, directory: Arc::new(wecom.contacts(&config.wecom)), state: store.clone() };
        let (office, errands) = Office::open(&config, store.clone(), audit, clock.clone(), worlds).await.unwrap();
        let office = Arc::new(office);
        tokio::spawn(run_errands(errands, (office.clone(), service.clone(), health.clone()), clock.clone()));
        let parts = Parts {
            office: office.clone(),
            service: service.clone(),
            state: store.clone(),
            ledger: store.clone(),
            sessions: store.clone(),
            sign_in: Arc::new(PlayedWecom),
            clock: clock.clone(),
        };
        let console = Arc::new(Console::new(&config, parts).unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sources =
            Sources { health: health.clone(), state: store.clone(), clock: clock.clone(), console: console.clone() };
        let stop = CancellationToken::new();
        tokio::spawn(web::serve(listener, sources, stop.clone()));
        let client = client.no_proxy().redirect(Policy::none()).build().unwrap();
        Self { address, clock, health, console, client, service, office, dir, scheme, _stop: stop.drop_guard() }
    }

    /// A config that differs in `[web]`.
    pub fn config(&self, web: &str) -> Config {
        config(self.dir.path(), web)
    }

    /// All of the audit, the oldest first: who, what, whom, and why it was refused.
    pub fn audit(&self) -> Vec<(String, String, String, Option<String>)> {
        let mut records = mailbell::audit::read(self.office.audit().folder(), &Asked::default(), 100_000).unwrap();
        records.reverse();
        let told = |r: &Record| (r.who(), r.what.word().to_owned(), r.whom.clone(), r.refusal().map(str::to_owned));
        records.iter().map(told).collect()
    }

    pub fn browser(&self) -> Browser<'_> {
        Browser { bench: self, cookies: BTreeMap::new(), from: next_address(), headers: HeaderMap::new() }
    }

    /// A browser in which this member signed in.
    pub async fn signed_in(&self, user: &str) -> Browser<'_> {
        let mut browser = self.browser();
        let answer = browser.sign_in(user).await;
        assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/admin"), "{}", answer.text);
        browser
    }
}

fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// What the service would do: watch what is to be watched.
async fn run_errands(
    mut errands: mpsc::Receiver<Errand>,
    (office, service, health): (Arc<Office>, Arc<Service>, Arc<Health>),
    clock: Arc<SetClock>,
) {
    while let Some(errand) = errands.recv().await {
        if errand == Errand::Accounts {
            let mut all = vec![Arc::new(account())];
            all.extend(office.watched());
            for disabled in office.disabled() {
                health.add(&disabled.id, clock.steady());
                health.note(&disabled.id, |health| health.state = AccountState::Disabled);
                all.push(disabled);
            }
            service.update(&all);
        }
    }
}

/// An address that nobody had before, so that no pause of another test's is met.
fn next_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::SeqCst);
    format!("198.18.{}.{}", n / 250 % 250, n % 250 + 1)
}

/// Somebody with cookies, at an address.
pub struct Browser<'b> {
    bench: &'b Bench,
    pub cookies: BTreeMap<String, String>,
    pub from: String,
    pub headers: HeaderMap,
}

impl Browser<'_> {
    pub fn header(&mut self, name: &'static str, value: &str) {
        self.headers.insert(name, value.parse().unwrap());
    }

    pub async fn send_bytes(&mut self, path: &str, body: Vec<u8>, kind: &str) -> Answer {
        self.ask(Method::POST, path, body, kind).await
    }

    pub async fn send(&mut self, method: Method, path: &str, body: String, kind: &str) -> Answer {
        self.ask(method, path, body.into_bytes(), kind).await
    }

    async fn ask(&mut self, method: Method, path: &str, body: Vec<u8>, kind: &str) -> Answer {
        let url = format!("{}://{}{path}", self.bench.scheme, self.bench.address);
        let mut request =
            self.bench.client.request(method, url).header("host", HOST).header("x-forwarded-for", &self.from);
        if !self.cookies.is_empty() {
            let mut line = String::new();
            for (name, value) in &self.cookies {
                write!(line, "{name}={value}; ").unwrap();
            }
            request = request.header("cookie", line.trim_end_matches("; "));
        }
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let answer = request.headers(self.headers.clone()).body(body).send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let answer = Answer { status, headers, text: answer.text().await.unwrap() };
        for line in answer.cookies() {
            let (pair, _) = line.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, String::new(), "").await
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(Method::POST, path, body, "application/x-www-form-urlencoded").await
    }

    /// What the forms of this browser's pages send along.
    pub async fn csrf(&mut self) -> String {
        self.get("/admin").await.csrf()
    }

    /// Signs in as a member of WeCom, to the end.
    pub async fn sign_in(&mut self, user: &str) -> Answer {
        let away = self.get("/admin/sign-in/wecom").await;
        assert_eq!(away.status, StatusCode::FOUND, "{}", away.text);
        let state = asked(&away, "state");
        self.get(&format!("/admin/sign-in/wecom/done?code={user}&state={state}")).await
    }

    /// Signs in by the bootstrap token.
    pub async fn sign_in_by_token(&mut self, token: &str) -> Answer {
        let csrf = self.get("/admin/sign-in").await.csrf();
        self.post("/admin/sign-in", &[("csrf", &csrf), ("token", token)]).await
    }
}

/// What an address that a browser is sent to asks for.
pub fn asked(answer: &Answer, name: &str) -> String {
    let url = Url::parse(answer.location()).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap()
}
