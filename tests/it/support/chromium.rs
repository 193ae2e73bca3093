//! A headless Chromium, driven over WebDriver (W3C, "WebDriver") through its chromedriver.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
/// The key under which WebDriver names an element (W3C WebDriver 12.2).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window.
pub struct Chromium {
    driver: Child,
    base: String,
    client: reqwest::Client,
    _profile: TempDir,
}

impl Chromium {
    /// Starts one; `None`, with a line that says so, where it is not installed.
    pub async fn start(lang: &str) -> Option<Self> {
        let profile = tempfile::tempdir().unwrap();
        let driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut driver) = driver else {
            eprintln!("NOT RUN: chromedriver is not installed (make tools installs it)");
            return None;
        };
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let port = line.split_once("started successfully on port ")?.1;
            Some(port.trim_end_matches('.').to_owned())
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut browser =
            Self { driver, base: format!("http://127.0.0.1:{}", port.unwrap()), client, _profile: profile };
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--no-proxy-server",
            "--hide-scrollbars",
        ];
        let mut args: Vec<String> = args.map(str::to_owned).to_vec();
        args.push(format!("--user-data-dir={}", browser._profile.path().display()));
        args.push(format!("--accept-lang={lang}"));
        let options = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": { "args": args } } } });
        let session = browser.ask("/session", &options).await;
        browser.base = format!("{}/session/{}", browser.base, session["sessionId"].as_str().unwrap());
        Some(browser)
    }

    async fn try_ask(&self, path: &str, body: &Value) -> Result<Value, String> {
        let request = self.client.post(format!("{}{path}", self.base)).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        let fits = answer.status().is_success();
        let mut told: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        if fits { Ok(told["value"].take()) } else { Err(told["value"]["message"].to_string()) }
    }

    async fn ask(&self, path: &str, body: &Value) -> Value {
        self.try_ask(path, body).await.unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await.unwrap();
        let mut told: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        told["value"].take()
    }

    /// Opens an address.
    pub async fn open(&self, url: &str) {
        self.ask("/url", &json!({ "url": url })).await;
    }

    /// The address that is shown.
    pub async fn url(&self) -> String {
        self.get("/url").await.as_str().unwrap().to_owned()
    }

    /// What a person reads; nothing while another page is on its way.
    pub async fn text(&self) -> String {
        let body = self.find("body").await;
        self.get(&format!("/element/{body}/text")).await.as_str().unwrap_or_default().to_owned()
    }

    async fn find(&self, css: &str) -> String {
        let began = Instant::now();
        loop {
            match self.try_ask("/element", &json!({ "using": "css selector", "value": css })).await {
                Ok(found) => return found[ELEMENT].as_str().unwrap().to_owned(),
                Err(error) => assert!(began.elapsed() < PATIENCE, "{css}: {error} at {}", self.url().await),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Does something with the first that fits, once it is there; one of a page that was just being left is none.
    async fn with(&self, css: &str, what: &str, body: &Value) {
        let began = Instant::now();
        loop {
            let element = self.find(css).await;
            match self.try_ask(&format!("/element/{element}/{what}"), body).await {
                Ok(_) => return,
                Err(error) if error.contains("stale element") => assert!(began.elapsed() < PATIENCE, "{css}: {error}"),
                Err(error) => panic!("{css} {what}: {error}"),
            }
        }
    }

    /// Clicks on the first that fits, once it is there.
    pub async fn click(&self, css: &str) {
        self.with(css, "click", &json!({})).await;
    }

    /// Waits until the address that is shown has this in it.
    pub async fn comes_to(&self, part: &str) {
        let began = Instant::now();
        while !self.url().await.contains(part) {
            assert!(began.elapsed() < PATIENCE, "{} has no {part}", self.url().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Types into a field in place of what stands in it.
    pub async fn write(&self, css: &str, text: &str) {
        self.with(css, "clear", &json!({})).await;
        self.with(css, "value", &json!({ "text": text })).await;
    }

    /// Names a file in a field for files.
    pub async fn choose(&self, css: &str, file: &std::path::Path) {
        let element = self.find(css).await;
        self.ask(&format!("/element/{element}/value"), &json!({ "text": file.to_str().unwrap() })).await;
    }

    /// Waits until these words are read.
    pub async fn reads(&self, words: &str) {
        let began = Instant::now();
        loop {
            let text = self.text().await;
            if text.contains(words) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{words} is not read at {}:\n{text}", self.url().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// How wide the page is beyond its window, in pixels.
    pub async fn overflow(&self) -> i64 {
        let script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        self.ask("/execute/sync", &json!({ "script": script, "args": [] })).await.as_i64().unwrap()
    }

    /// The size of the window.
    pub async fn resize(&self, width: u32, height: u32) {
        // Windows cannot be as narrow as a phone; what is shown in them can.
        let body = json!({ "cmd": "Emulation.setDeviceMetricsOverride",
            "params": { "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 } });
        self.ask("/goog/cdp/execute", &body).await;
    }

    /// Takes a picture of the whole page, where `MAILBELL_PICTURES` names a folder for it.
    pub async fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("MAILBELL_PICTURES") else { return };
        let body = json!({ "cmd": "Page.captureScreenshot", "params": { "captureBeyondViewport": true } });
        let shot = self.ask("/goog/cdp/execute", &body).await;
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, shot["data"].as_str().unwrap());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), bytes.unwrap()).unwrap();
    }

    /// What the browser complained about: scripts, policies, files that did not load.
    pub async fn complaints(&self) -> Vec<String> {
        let told = self.ask("/se/log", &json!({ "type": "browser" })).await;
        told.as_array().unwrap().iter().map(|line| line["message"].to_string()).collect()
    }
}

impl Drop for Chromium {
    /// Has the driver end its browser, which would outlive it, and then ends the driver.
    fn drop(&mut self) {
        let _ = self.end_session();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Chromium {
    fn end_session(&self) -> std::io::Result<()> {
        let (host, path) = self.base.trim_start_matches("http://").split_once('/').unwrap_or_default();
        let mut driver = std::net::TcpStream::connect(host)?;
        driver.set_read_timeout(Some(PATIENCE))?;
        write!(driver, "DELETE /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
        // It answers once the browser is gone.
        driver.read(&mut [0; 64]).map(drop)
    }
}
