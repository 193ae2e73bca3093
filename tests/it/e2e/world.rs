//! One world per test: a Dovecot, a sandbox, a config, and the binary as a child process.

use mailbell::demo::compose::Mail;
use mailbell::demo::dovecot::{Dovecot, Options as DovecotOptions};
use mailbell::demo::lmtp;
use mailbell::sandbox::{self, Member, Options as SandboxOptions};
use serde_json::Value;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Nothing here takes so long, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// See the module's text.
pub struct World {
    pub dovecot: Dovecot,
    pub users: Vec<String>,
    pub sandbox: SocketAddr,
    pub web: SocketAddr,
    pub file: PathBuf,
    child: Option<Child>,
    client: reqwest::Client,
    _stop: oneshot::Sender<()>,
    pub dir: TempDir,
    /// More of the environment of the binary.
    pub env: Vec<(&'static str, String)>,
}

/// How a world differs from the usual one.
#[derive(Default)]
pub struct Setup {
    pub users: Vec<&'static str>,
    pub dovecot: DovecotOptions,
    /// Lines for the end of `[imap]`.
    pub imap: String,
    /// Lines for every `[[account]]`.
    pub account: String,
    /// In place of the usual `[provider.test]` lines.
    pub provider: Option<fn(&Dovecot) -> String>,
    /// As `provider`, for lines that are known before the Dovecot is; it goes first.
    pub server: Option<String>,
    /// IMAP over TLS goes to this port, a proxy's, instead of Dovecot's own.
    pub through: Option<u16>,
    /// Lines of `[limits]` instead of a login limit that is out of the way.
    pub limits: Option<String>,
}

pub fn address(user: &str) -> String {
    format!("{user}@corp.example")
}

pub fn password(user: &str) -> String {
    format!("secret of {user}")
}

/// Runs a command; its exit status and all that it printed.
pub fn said(world: &World, args: &[&str]) -> (i32, String) {
    let out = world.command(args).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    (out.status.code().unwrap(), text)
}

impl World {
    pub async fn one() -> Self {
        Self::new(Setup { users: vec!["zhangsan"], ..Setup::default() }).await
    }

    pub async fn new(setup: Setup) -> Self {
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let users: Vec<String> = setup.users.iter().map(|u| (*u).to_owned()).collect();
        let logins = users.iter().map(|u| (address(u), password(u))).collect();
        let dovecot = Dovecot::start(dir.path(), &DovecotOptions { users: logins, ..setup.dovecot }).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = listener.local_addr().unwrap();
        let members = users.iter().map(|u| Member::new(u, u)).collect();
        let options = SandboxOptions { members, ..SandboxOptions::default() };
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(sandbox::serve(listener, options, async {
            let _ = stopped.await;
        }));
        let web = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let file = dir.path().join("mailbell.toml");
        let world = Self { dovecot, users, sandbox, web, file, child: None, client, _stop: stop, dir, env: Vec::new() };
        let usual = |dovecot: &Dovecot| {
            let port = setup.through.unwrap_or(dovecot.imaps_port());
            format!("port = {port}\nca_file = '{}'\n", dovecot.ca_file().display())
        };
        let lines = setup.provider.map(|lines| lines(&world.dovecot));
        let provider = setup.server.or(lines).unwrap_or_else(|| usual(&world.dovecot));
        let limits = setup.limits.unwrap_or("logins_per_second_per_host = 1000".to_owned());
        let text = world.config(&provider, &limits, &setup.imap, &setup.account);
        std::fs::write(&world.file, text).unwrap();
        world
    }

    pub fn config(&self, provider: &str, limits: &str, imap: &str, account: &str) -> String {
        let wecom = SandboxOptions::default();
        let mut text = format!(
            "[wecom]\ncorp_id = \"{}\"\nagent_id = {}\nsecret = \"{}\"\napi_base = \"http://{}\"\n\
             link = \"https://mail.corp.example/\"\n[web]\nlisten = \"{}\"\n[limits]\n{limits}\n\
             [imap]\n{imap}\n[provider.test]\nhost = \"localhost\"\n{provider}\n",
            wecom.corp_id, wecom.agent_id, wecom.secret, self.sandbox, self.web
        );
        for user in &self.users {
            let (address, password) = (address(user), password(user));
            write!(
                text,
                "[[account]]\nuser = \"{user}\"\nemail = \"{address}\"\nprovider = \"test\"\npassword = \"{password}\"\n\
                 {account}\n"
            )
            .unwrap();
        }
        text
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailbell"));
        command.args(args).arg("--config").arg(&self.file).env_remove("LANG").env_remove("LC_ALL");
        command.envs(self.env.iter().map(|(name, value)| (*name, value)));
        command
    }

    /// Starts the service; its log goes to a file.
    pub fn start(&mut self) {
        let log = self.log_file();
        self.start_logging_to(&log);
    }

    pub fn start_logging_to(&mut self, file: &std::path::Path) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        let child = self.command(&["run"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.child = Some(child);
    }

    /// Starts the service with so many open files allowed: at first, and if it asks for more.
    pub fn start_with_files(&mut self, soft: u32, hard: u32) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        let run = self.command(&["run"]);
        let mut prlimit = Command::new("prlimit");
        prlimit.arg(format!("--nofile={soft}:{hard}")).arg(run.get_program()).args(run.get_args());
        self.child = Some(prlimit.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    /// Starts the service under strace, which writes these calls, with their data, into a file.
    pub fn start_traced(&mut self, file: &std::path::Path, calls: &str) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        let run = self.command(&["run"]);
        let mut strace = Command::new("strace");
        // -D: the service stays the child, so signals reach it.
        strace.args(["-D", "-f", "-y", "-s", "2000000", "-e", calls, "-o"]).arg(file).arg(run.get_program());
        strace.args(run.get_args()).env_remove("LANG").env_remove("LC_ALL");
        self.child = Some(strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("mailbell.log")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Starts the service and waits until every account is bound.
    pub async fn run(&mut self) {
        self.start();
        self.ready().await;
    }

    pub async fn ready(&self) {
        self.until("ready", async || {
            let answer = self.client.get(format!("http://{}/readyz", self.web)).send().await;
            answer.is_ok_and(|a| a.status() == 200)
        })
        .await;
    }

    /// What the service answers at a path of its web surface.
    pub async fn web_text(&self, path: &str) -> (Option<String>, String) {
        let answer = self.client.get(format!("http://{}{path}", self.web)).send().await.unwrap();
        let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        (kind, answer.text().await.unwrap())
    }

    /// The same, if it answers.
    pub async fn try_web_text(&self, path: &str) -> Option<String> {
        self.client.get(format!("http://{}{path}", self.web)).send().await.ok()?.text().await.ok()
    }

    /// The id of the service's process.
    pub fn process(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// VmRSS of the service.
    pub fn resident_kib(&self) -> u64 {
        let id = self.process();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// What `mailbell status --json` prints.
    pub fn all_status(&self) -> Value {
        let out = self.command(&["status", "--json"]).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap()
    }

    /// What it prints of this user's account.
    pub fn status(&self, user: &str) -> Value {
        let all = self.all_status();
        all["accounts"].as_array().unwrap().iter().find(|a| a["account"] == address(user)).unwrap().clone()
    }

    /// Waits until the account of this user is in this state.
    pub async fn is_in_state(&self, user: &str, state: &str) {
        self.until(&format!("{user} is {state}"), async || self.status(user)["state"] == state).await;
    }

    /// Waits until every account is bound, also where WeCom gives no token.
    pub async fn bound(&self) {
        self.until("bound", async || {
            let Ok(answer) = self.client.get(format!("http://{}/readyz", self.web)).send().await else { return false };
            answer.text().await.is_ok_and(|missing| !missing.contains("first login"))
        })
        .await;
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let id = self.process().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// SIGTERM, and how it ended.
    pub async fn stop(&mut self) -> (ExitStatus, Duration) {
        self.signal("TERM");
        let began = Instant::now();
        let mut child = self.child.take().unwrap();
        let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        (status, began.elapsed())
    }

    /// Waits for a condition; says what was waited for, and the log, if it does not come.
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let began = Instant::now();
        while !holds().await {
            assert!(began.elapsed() < PATIENCE, "waited in vain for: {what}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn mail(&self, user: &str, subject: &str, id: &str) {
        let date = jiff::Zoned::now();
        let (from, to) = ("lisi@partner.example", address(user));
        let mail = Mail { from_name: "李四", from, to: &to, subject, body: "正文", id, date: &date };
        self.deliver(user, &mail.to_bytes()).await;
    }

    pub async fn deliver(&self, user: &str, mail: &[u8]) {
        lmtp::deliver(self.dovecot.lmtp_addr(), "lisi@partner.example", &address(user), mail).await.unwrap();
    }

    pub async fn sandbox_json(&self, path: &str) -> Value {
        let answer = self.client.get(format!("http://{}{path}", self.sandbox)).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    pub async fn control(&self, orders: Value) {
        let request = self.client.post(format!("http://{}/sandbox/control", self.sandbox));
        let answer = request.header("content-type", "application/json").body(orders.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    pub async fn counts(&self) -> Value {
        self.sandbox_json("/sandbox/events?limit=1").await["counts"].clone()
    }

    /// What a member sees, oldest first.
    pub async fn chat(&self, user: &str) -> Vec<Value> {
        let all = self.sandbox_json(&format!("/sandbox/messages?member={user}")).await;
        all["messages"].as_array().unwrap().clone()
    }

    /// All that a member sees as one text.
    pub async fn chat_text(&self, user: &str) -> String {
        let mut text = String::new();
        for message in self.chat(user).await {
            for part in ["title", "description", "content"] {
                text += message[part].as_str().unwrap_or_default();
                text.push('\n');
            }
        }
        text
    }

    /// Waits until a member sees each of these words, and checks that none is seen twice.
    pub async fn sees(&self, user: &str, words: &[&str]) {
        let began = Instant::now();
        loop {
            let text = self.chat_text(user).await;
            if words.iter().all(|w| text.contains(w)) {
                break;
            }
            let log = self.log();
            assert!(began.elapsed() < PATIENCE, "{user} waits in vain for {words:?} and sees:\n{text}\n{log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let text = self.chat_text(user).await;
        for word in words {
            assert_eq!(text.matches(word).count(), 1, "{word} is seen twice:\n{text}");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill();
    }
}
