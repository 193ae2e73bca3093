//! What a run of the fleet stands on: a directory with certificates, config and accounts, the two stubs as processes,
//! and mailbell itself.

use crate::ticks::now_ns;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// So many accounts at most on one address: a client has some 28,000 ports towards each.
const ACCOUNTS_PER_HOST: usize = 20_000;

/// How the fleet is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    pub accounts: usize,
    pub logins_per_second: u32,
    pub mailbell: PathBuf,
    pub log: Option<PathBuf>,
}

/// See the module's text. Everything ends with it.
pub struct Place {
    pub setup: Setup,
    folder: tempfile::TempDir,
    stubs: Vec<Child>,
    service: Option<Child>,
    lead: BufReader<TcpStream>,
    wecom: String,
    http: reqwest::Client,
}

impl Drop for Place {
    fn drop(&mut self) {
        for child in self.stubs.iter_mut().chain(&mut self.service) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The addresses that so many accounts are spread over.
pub fn hosts(accounts: usize) -> Vec<Ipv4Addr> {
    (0..accounts.div_ceil(ACCOUNTS_PER_HOST).max(1)).map(|n| Ipv4Addr::new(127, 0, 0, 1 + n as u8)).collect()
}

/// The login name of an account, without its domain.
pub fn name(account: usize) -> String {
    format!("u{account}")
}

impl Place {
    /// Starts both stubs, writes the config and registers the accounts. mailbell does not run yet.
    pub async fn make(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certificates(folder.path(), &hosts(setup.accounts));
        let hosts_told = hosts(setup.accounts).iter().map(|h| h.to_string()).collect::<Vec<_>>().join(",");
        let (imap, told) = stub(&["imap", folder.path().to_str().unwrap(), &hosts_told]).await;
        let (wecom, wecom_told) = stub(&["wecom"]).await;
        let ports: Vec<&str> = told.split(' ').collect();
        let lead = TcpStream::connect(format!("127.0.0.1:{}", ports[1])).await.unwrap();
        lead.set_nodelay(true).unwrap();
        let place = Self {
            wecom: format!("http://{wecom_told}"),
            setup,
            folder,
            stubs: vec![imap, wecom],
            service: None,
            lead: BufReader::new(lead),
            http: reqwest::Client::new(),
        };
        place.configure(ports[0]);
        place
    }

    fn configure(&self, port: &str) {
        let folder = self.folder.path();
        let mut config = format!(
            "[wecom]\ncorp_id = \"ww0123456789abcdef\"\nagent_id = 1000002\nsecret = \"fleet\"\napi_base = \"{}\"\n\
             account_cap = 1000000\nlink = \"https://mail.corp.example/\"\n[vault]\nmaster_key = {{ file = \"key\" }}\n\
             [limits]\nlogins_per_second_per_host = {}\n",
            self.wecom, self.setup.logins_per_second
        );
        for (n, host) in hosts(self.setup.accounts).iter().enumerate() {
            config += &format!(
                "[provider.corp{n}]\nhost = \"{host}\"\nport = {port}\ntls = \"implicit\"\nca_file = \"ca.pem\"\n"
            );
        }
        fs::write(folder.join("mailbell.toml"), config).unwrap();
        let mut sheet = "userid,email,provider,password\n".to_owned();
        for account in 0..self.setup.accounts {
            let (name, host) = (name(account), account / ACCOUNTS_PER_HOST);
            sheet += &format!("{name},{name}@corp.example,corp{host},password-of-{name}\n");
        }
        fs::write(folder.join("accounts.csv"), sheet).unwrap();
        self.command(&["vault", "new-key", "key"]);
        self.command(&["account", "import", "accounts.csv"]);
    }

    fn command(&self, words: &[&str]) {
        let mut run = Command::new(&self.setup.mailbell);
        run.args(words).args(["--config", "mailbell.toml"]).current_dir(self.folder.path());
        let run = run.output().unwrap();
        assert!(run.status.success(), "mailbell {words:?}: {}", String::from_utf8_lossy(&run.stderr));
    }

    /// Starts mailbell; answers when (monotonic).
    pub fn start(&mut self) -> u64 {
        let at = self.setup.log.clone().unwrap_or_else(|| self.folder.path().join("log"));
        let log = File::options().create(true).append(true).open(at).unwrap();
        let began = now_ns();
        let mut run = Command::new(&self.setup.mailbell);
        run.args(["run", "--config", "mailbell.toml"]).current_dir(self.folder.path());
        self.service = Some(run.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        began
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut service) = self.service.take() {
            service.kill().unwrap();
            service.wait().unwrap();
        }
    }

    /// mailbell's process.
    pub fn process(&self) -> u32 {
        self.service.as_ref().map_or(0, Child::id)
    }

    /// The size of the store on the disk, in bytes.
    pub fn store_bytes(&self) -> u64 {
        let files = fs::read_dir(self.folder.path().join("state")).into_iter().flatten().flatten();
        files.filter_map(|entry| entry.metadata().ok()).map(|known| known.len()).sum()
    }

    /// Tells the IMAP stub something that has no answer.
    pub async fn tell(&mut self, line: &str) {
        self.lead.get_mut().write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Asks the IMAP stub.
    pub async fn ask(&mut self, what: &str) -> Value {
        self.tell(what).await;
        let mut line = String::new();
        self.lead.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// How many mailboxes have somebody in IDLE.
    pub async fn idle(&mut self) -> usize {
        self.ask("stats").await["idle"].as_u64().unwrap() as usize
    }

    /// Waits until all accounts are in IDLE; answers when that was seen (monotonic).
    pub async fn all_watching(&mut self, limit: Duration) -> Option<u64> {
        let until = now_ns() + limit.as_nanos() as u64;
        while now_ns() < until {
            if self.idle().await == self.setup.accounts {
                return Some(now_ns());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }

    /// When each letter was told of by the IMAP stub, since the last call.
    pub async fn told(&mut self) -> HashMap<String, u64> {
        serde_json::from_value::<Vec<(String, u64)>>(self.ask("told").await).unwrap().into_iter().collect()
    }

    /// When each login was, since the last call, ascending.
    pub async fn logins(&mut self) -> Vec<u64> {
        let mut all: Vec<u64> = serde_json::from_value(self.ask("logins").await).unwrap();
        all.sort_unstable();
        all
    }

    /// Which letters WeCom was told of and when, since the last call.
    pub async fn posts(&self) -> Vec<(String, u64)> {
        let answer = self.http.get(format!("{}/fleet/posts", self.wecom)).send().await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        serde_json::from_value(answer["letters"].clone()).unwrap()
    }

    /// WeCom fails each request for so long.
    pub async fn wecom_down(&self, seconds: u64) {
        self.http.get(format!("{}/fleet/down/{seconds}", self.wecom)).send().await.unwrap();
    }
}

/// This program again, as a stub; with the line that it says when it is ready.
async fn stub(words: &[&str]) -> (Child, String) {
    let run = Command::new(std::env::current_exe().unwrap()).arg("stub").args(words).stdout(Stdio::piped()).spawn();
    let mut child = run.unwrap();
    let out = child.stdout.take().unwrap();
    let line = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
        line.trim_end().to_owned()
    });
    (child, line.await.unwrap())
}

/// An authority in `ca.pem`, and in `chain.pem` and `key.pem` a server below an authority between, as most are.
fn certificates(folder: &Path, hosts: &[Ipv4Addr]) {
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let (root_key, between_key, key) =
        (KeyPair::generate().unwrap(), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let (root, between) = (authority("Fleet root"), authority("Fleet authority"));
    let root_certificate = root.self_signed(&root_key).unwrap();
    let root = Issuer::new(root, root_key);
    let between_certificate = between.signed_by(&between_key, &root).unwrap();
    let between = Issuer::new(between, between_key);
    let mut server = CertificateParams::default();
    server.subject_alt_names = hosts.iter().map(|host| SanType::IpAddress(IpAddr::V4(*host))).collect();
    let server = server.signed_by(&key, &between).unwrap();
    fs::write(folder.join("ca.pem"), root_certificate.pem()).unwrap();
    fs::write(folder.join("chain.pem"), server.pem() + &between_certificate.pem()).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}
