//! The fleet: mailbell as it is run, between an IMAP server and a WeCom that are processes of their own, for so many
//! accounts that share nothing but them. `benches/README.md` tells what is measured and how to read it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "fleet/figures.rs"]
mod figures;
#[path = "fleet/place.rs"]
mod place;
#[path = "fleet/scenes.rs"]
mod scenes;
#[path = "fleet/stub_imap.rs"]
mod stub_imap;
#[path = "fleet/stub_letters.rs"]
mod stub_letters;
#[path = "fleet/stub_wecom.rs"]
mod stub_wecom;
#[path = "fleet/ticks.rs"]
mod ticks;

use clap::Parser;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Measures mailbell with many accounts: `cargo bench --bench fleet -- --accounts 10000`.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// How many accounts; several numbers make several runs, and the slope of memory between them.
    #[arg(long, value_delimiter = ',', default_value = "100,1000,10000")]
    accounts: Vec<usize>,
    /// Which scenes: idle, quiet, rate, flood, batch, burst, drop, wecom, kill.
    #[arg(long, value_delimiter = ',', default_value = "idle,quiet,burst,rate,flood,batch,drop,kill")]
    only: Vec<String>,
    /// `limits.logins_per_second_per_host`.
    #[arg(long, default_value_t = 200)]
    logins: u32,
    /// For so many seconds processor time is counted while nothing happens; one `imap.idle_renew` is 240.
    #[arg(long, default_value_t = 60)]
    idle_seconds: u64,
    /// Letters one at a time, in the scene `quiet`.
    #[arg(long, default_value_t = 100)]
    letters: usize,
    /// Letters a second in the scene `rate`, and for how long.
    #[arg(long, default_value_t = 200)]
    rate: usize,
    #[arg(long, default_value_t = 60)]
    rate_seconds: usize,
    /// Letters a second in the scenes `flood` (one a push) and `batch` (ten a push), and for how long.
    #[arg(long, default_value_t = 4000)]
    flood: usize,
    #[arg(long, default_value_t = 10)]
    flood_seconds: usize,
    /// How long WeCom is down in the scene `wecom`, in seconds.
    #[arg(long, default_value_t = 300)]
    wecom_seconds: u64,
    /// The results go here as well, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// mailbell's log goes here.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Another mailbell than the one that was just built.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_mailbell"))]
    mailbell: PathBuf,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    raise_descriptors();
    let words: Vec<String> = std::env::args().collect();
    if words.get(1).is_some_and(|word| word == "stub") {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        return runtime.block_on(stub(&words[2..]));
    }
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(all(options));
}

/// Descriptors up to what the system allows; root may have more.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let most = Rlimit { current: Some(200_000), maximum: Some(200_000) };
    if setrlimit(Resource::Nofile, most).is_err() {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
    }
}

async fn stub(words: &[String]) {
    let any = || TcpListener::bind("127.0.0.1:0");
    if words[0] == "wecom" {
        let listener = any().await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        return stub_wecom::serve(listener).await.unwrap();
    }
    let folder = PathBuf::from(&words[1]);
    let chain: Vec<_> = CertificateDer::pem_file_iter(folder.join("chain.pem")).unwrap().map(|c| c.unwrap()).collect();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let mut tls = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    tls.ticketer = tokio_rustls::rustls::crypto::ring::Ticketer::new().unwrap();
    let mut listeners = Vec::new();
    let mut port = 0;
    for host in words[2].split(',') {
        let listener = stub_imap::listen(format!("{host}:{port}").parse().unwrap()).unwrap();
        port = listener.local_addr().unwrap().port();
        listeners.push(listener);
    }
    let lead = any().await.unwrap();
    println!("{port} {}", lead.local_addr().unwrap().port());
    stub_imap::serve(Arc::new(tls), listeners, lead, 25).await.unwrap();
}

async fn all(options: Options) {
    let mut runs = Vec::new();
    for accounts in options.accounts.clone() {
        println!("\n| {accounts} accounts | |\n| --- | --- |");
        runs.push((accounts, scenes::run(&options, accounts).await));
    }
    let slopes: Vec<_> = runs
        .windows(2)
        .filter_map(|two| {
            let resident = |run: &serde_json::Value| run["resident when idle"].as_f64();
            let (few, many) = (&two[0], &two[1]);
            let slope = (resident(&many.1)? - resident(&few.1)?) / (many.0 as f64 - few.0 as f64) / 1024.0;
            println!("\nfrom {} to {} accounts: {slope:.1} KiB of resident memory for each", few.0, many.0);
            Some(json!({ "from": few.0, "to": many.0, "kib_per_account": slope }))
        })
        .collect();
    if let Some(file) = &options.json {
        let runs: Vec<_> = runs.into_iter().map(|(n, found)| json!({ "accounts": n, "found": found })).collect();
        let all = json!({ "runs": runs, "slopes": slopes, "options": format!("{options:?}") });
        std::fs::write(file, serde_json::to_vec_pretty(&all).unwrap()).unwrap();
    }
}
