//! The config: the example and the smallest file load; what bad files say stands in `bad`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod advice;
mod bad;
mod example;
mod folders;
mod login;
mod oauth;
mod random;

use mailbell::config::{self, Auth, Config, Credential, LogFormat, MinTls, Mode, Problems, Subscription, Tls};
use mailbell::model::{BusyMinutes, Lang, Owner, Recipient, Secret};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What stands wherever a test file holds a secret.
const SECRET: &str = "hunter2";

/// A service account's key file as Google hands it out.
const SERVICE_ACCOUNT: &str = r#"{
  "type": "service_account",
  "project_id": "corp",
  "private_key_id": "0a1b2c",
  "private_key": "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n",
  "client_email": "mailbell@corp.iam.example",
  "client_id": "1234567890",
  "token_uri": "https://oauth2.googleapis.com/token",
  "universe_domain": "googleapis.com"
}"#;

const SMALLEST: &str = r#"
[wecom]
corp_id  = "ww0123456789abcdef"
agent_id = 1000002
secret   = { env = "MAILBELL_WECOM_SECRET" }

[[account]]
user     = "zhangsan"
email    = "zhangsan@corp.example"
provider = "exmail"
password = { file = "zhangsan.password" }
"#;

fn env(name: &str) -> Option<String> {
    match name {
        "MAILBELL_WECOM_SECRET" => Some(SECRET.to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

/// A folder with the files that the example names.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "zhangsan.password",
        "sales.password",
        "master.password",
        "client.secret",
        "refresh.token",
        "master.key",
        "old.key",
    ] {
        write_private(&folder.path().join(name), "hunter2\n");
    }
    write_private(&folder.path().join("contacts.secret"), "not the app's\n");
    write_private(&folder.path().join("service-account.json"), SERVICE_ACCOUNT);
    write_private(&folder.path().join("admin.token"), "hunter2hunter2hunter2\n");
    write_private(&folder.path().join("web.crt"), "-----BEGIN CERTIFICATE-----\n");
    write_private(&folder.path().join("web.key"), "-----BEGIN PRIVATE KEY-----\n");
    write_private(&folder.path().join("corp-ca.pem"), "-----BEGIN CERTIFICATE-----\n");
    folder
}

fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn load(text: &str) -> Result<Config, Problems> {
    let folder = folder();
    config::load_text(&folder.path().join("mailbell.toml"), text, &env)
}

/// The smallest file with something added to one of its sections, or at its end.
fn smallest_with(header: &str, more: &str) -> String {
    SMALLEST.replacen(header, &format!("{header}\n{more}\n"), 1)
}

fn good(text: &str) -> Config {
    load(text).unwrap_or_else(|problems| panic!("{}", problems.text(Lang::En)))
}

fn sentences(text: &str) -> Vec<String> {
    match load(text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.list.iter().map(|p| format!("{}: {}: {}", p.line, p.key, p.en)).collect(),
    }
}

fn example() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/example.toml")).unwrap()
}

#[test]
fn the_smallest_file_loads_with_the_defaults() {
    let config = good(SMALLEST);
    assert_eq!(config.wecom.api_base.as_str(), "https://qyapi.weixin.qq.com/");
    assert_eq!(config.wecom.secret.expose(), SECRET);
    assert_eq!((config.wecom.agent_id, config.wecom.card), (1_000_002, mailbell::model::Card::Textcard));
    assert_eq!(config.wecom.login_base.as_str(), "https://login.work.weixin.qq.com/");
    assert_eq!(config.wecom.oauth_base.as_str(), "https://open.weixin.qq.com/");
    assert!(config.wecom.contacts_secret.is_none());
    assert!(config.wecom.proxy.is_none() && config.wecom.link.is_none() && config.web.is_none());
    assert_eq!(config.alerts.lang, Lang::ZhCn);
    assert_eq!(config.alerts.time_zone.iana_name(), Some("Asia/Shanghai"));
    assert!(config.state.path.is_absolute() && config.state.path.ends_with("state"));
    assert_eq!((config.limits.syncs_per_hour, config.limits.free_syncs), (50, 25));
    assert_eq!(config.limits.logins_per_second_per_host, 5);
    assert_eq!((config.limits.busy_minutes, config.wecom.account_cap), (BusyMinutes::Digests, None));
    assert_eq!(config.alerts.digest_every, Duration::from_secs(3600));
    assert_eq!((config.state.export_every, config.state.exports_kept), (Some(Duration::from_secs(3600)), 24));
    assert_eq!(config.imap.connect_timeout, Duration::from_secs(20));
    assert_eq!(config.imap.command_timeout, Duration::from_secs(60));
    assert_eq!(config.imap.idle_renew, Duration::from_secs(240));
    assert_eq!(config.imap.poll_interval, Duration::from_secs(300));
    assert_eq!(config.imap.blind_after, Duration::from_secs(900));
    assert_eq!((config.limits.connections_per_account, config.admin.recipients.len()), (2, 0));
    assert_eq!(config.accounts[0].auth, Auth::Login);
    assert_eq!(config.imap.settle, Duration::from_secs(1));
    assert!(!config.imap.alert_seen && !config.log.personal);
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(config.warnings, []);
    let account = &config.accounts[0];
    assert_eq!(&*account.id.0, "zhangsan@corp.example");
    assert_eq!(account.login, "zhangsan@corp.example");
    assert_eq!(account.credential, Credential::Password(Secret::new(SECRET)));
    assert_eq!(account.owner, Owner::User("zhangsan".into()));
    assert_eq!(account.recipients, [Recipient::User("zhangsan".into())]);
    assert_eq!(
        (account.subscriptions.as_slice(), account.mode),
        ([Subscription::to(&["INBOX"])].as_slice(), Mode::Auto)
    );
    let provider = &account.provider;
    assert_eq!(provider.name.as_deref(), Some("exmail"));
    assert_eq!((provider.server.host.as_str(), provider.server.port), ("imap.exmail.qq.com", 993));
    assert_eq!((provider.server.tls, provider.server.min_tls), (Tls::Implicit, MinTls::V12));
}

#[test]
fn the_example_loads_and_says_the_defaults() {
    let example = good(&example());
    let smallest = good(SMALLEST);
    assert_eq!(example.warnings, []);
    let shown = |config: &Config| {
        let exports = (config.state.export_every, config.state.exports_kept);
        let rest = (&config.alerts, config.limits, config.imap, config.log, &config.web);
        format!("{exports:?} {rest:?}")
    };
    assert_eq!(shown(&example), shown(&smallest));
    assert_eq!(example.accounts[0].subscriptions, smallest.accounts[0].subscriptions);
    assert_eq!(example.accounts[0].mode, smallest.accounts[0].mode);
}

#[test]
fn servers_of_accounts() {
    let server = |email: &str, lines: &str| {
        let text = SMALLEST.replace("provider = \"exmail\"", lines).replace("zhangsan@corp.example", email);
        good(&text).accounts[0].provider.clone()
    };
    let host = |email: &str, lines: &str| server(email, lines).server.host;
    assert_eq!(host("a@163.com", ""), "imap.163.com");
    assert_eq!(host("a@126.COM", ""), "imap.126.com");
    assert_eq!(host("a@yeah.net", "provider = \"netease\""), "imap.yeah.net");
    assert_eq!(host("a@corp.example", "provider = \"netease\""), "imap.163.com");
    assert_eq!(host("a@foxmail.com", ""), "imap.qq.com");
    assert_eq!(host("a@aliyun.com", ""), "imap.aliyun.com");
    assert_eq!(host("a@corp.example", "provider = \"aliyun\""), "imap.qiye.aliyun.com");
    assert_eq!(host("a@gmail.com", ""), "imap.gmail.com");
    assert_eq!(host("a@corp.example", "provider = \"coremail\"\nhost = \"Mail.Corp.example\""), "mail.corp.example");
    assert_eq!(host("a@corp.example", "host = \"[::1]\"\ntls = \"none\""), "::1");
    assert_eq!(server("a@126.com", "").server.webmail.unwrap().as_str(), "https://mail.126.com/");
    let port = |lines: &str| server("a@corp.example", lines).server.port;
    assert_eq!(port("host = \"h\""), 993);
    assert_eq!(port("host = \"h\"\ntls = \"starttls\""), 143);
    assert_eq!(port("host = \"localhost\"\ntls = \"none\""), 143);
    assert_eq!(port("host = \"127.0.0.1\"\ntls = \"none\"\nport = 10143"), 10143);
    assert_eq!(port("provider = \"dovecot\"\nhost = \"h\"\ntls = \"starttls\""), 143);
    assert_eq!(server("a@corp.example", "host = \"h\"").name, None);
}

#[test]
fn a_provider_section_replaces_the_built_in_one() {
    let overseas = good(&format!("{SMALLEST}\n[provider.exmail]\nhost = \"hwimap.exmail.qq.com\"\n"));
    let server = &overseas.accounts[0].provider.server;
    assert_eq!(server.host, "hwimap.exmail.qq.com");
    assert_eq!(server.webmail.as_ref().unwrap().as_str(), "https://exmail.qq.com/", "another entry, the same webmail");
    let front = good(&format!("{SMALLEST}\n[provider.exmail]\nhost = \"imap.univ.example\"\n"));
    assert_eq!(front.accounts[0].provider.server.webmail, None);
    let webmail = good(&format!("{SMALLEST}\n[provider.exmail]\nwebmail = \"https://mail.corp.example\"\n"));
    let server = &webmail.accounts[0].provider.server;
    assert_eq!((server.host.as_str(), server.port), ("imap.exmail.qq.com", 993));
    assert_eq!(server.webmail.as_ref().unwrap().as_str(), "https://mail.corp.example/");
    let text =
        SMALLEST.replace("exmail", "corp") + "[provider.corp]\nhost = \"imap.corp.example\"\ntls = \"starttls\"\n";
    let own = good(&text);
    assert_eq!((own.accounts[0].provider.server.port, own.accounts[0].provider.name.as_deref()), (143, Some("corp")));
}

#[test]
fn values_that_depend_on_others() {
    let limits = |lines: &str| {
        let config = good(&format!("{SMALLEST}\n[limits]\n{lines}\n"));
        (config.limits.free_syncs, config.imap.poll_interval.as_secs())
    };
    assert_eq!(limits("syncs_per_hour = 1"), (0, 3600));
    assert_eq!(limits("syncs_per_hour = 7"), (3, 515));
    assert_eq!(limits("syncs_per_hour = 12"), (6, 300));
    assert_eq!(limits("free_syncs = 0"), (0, 300));
    let imap = |lines: &str| {
        let config = good(&format!("{SMALLEST}\n[imap]\n{lines}\n"));
        assert_eq!(config.warnings, []);
        config.imap.blind_after.as_secs()
    };
    assert_eq!(imap("blind_after = \"241s\"\npoll_interval = \"2m\""), 241);
    assert_eq!(imap("idle_renew = \"20m\""), 2400);
    assert_eq!(imap("poll_interval = \"1h\""), 900);
    assert_eq!(imap("idle_renew = \"10s\""), 900);
    let most = good(&format!("{SMALLEST}\n[limits]\nconnections_per_account = 10\n"));
    assert_eq!(most.limits.connections_per_account, 10);
    let admin = good(&format!("{SMALLEST}\n[admin]\nrecipients = [\"wangwu\", \"party:2\", \"wangwu\"]\n"));
    assert_eq!(admin.admin.recipients, [Recipient::User("wangwu".into()), Recipient::Party(2)]);
    let poll = good(&format!("{SMALLEST}\n[imap]\npoll_interval = \"72s\"\nsettle = \"0s\"\n"));
    assert_eq!(poll.imap.poll_interval, Duration::from_secs(72));
    assert_eq!(poll.imap.settle, Duration::ZERO);
    let base = good(&smallest_with("[wecom]", "api_base = \"https://wx.corp.example/api//\""));
    assert_eq!(base.wecom.api_base.as_str(), "https://wx.corp.example/api");
    let upper = good(&SMALLEST.replace("zhangsan@corp", "ZhangSan@corp"));
    assert_eq!(upper.accounts[0].id.to_string(), "zhangsan@corp.example");
    assert_eq!(upper.accounts[0].login, "ZhangSan@corp.example");
}

#[test]
fn the_bounds_of_values_are_values() {
    let config = |header: &str, line: &str| good(&format!("{SMALLEST}\n[{header}]\n{line}\n"));
    let digest_every = |text: &str| config("alerts", &format!("digest_every = \"{text}\"")).alerts.digest_every;
    assert_eq!((digest_every("10m").as_secs(), digest_every("24h").as_secs()), (600, 86_400));
    let export_every = |text: &str| config("state", &format!("export_every = \"{text}\"")).state.export_every;
    let secs = |n| Some(Duration::from_secs(n));
    assert_eq!((export_every("10m"), export_every("7d"), export_every("0s")), (secs(600), secs(604_800), None));
    assert_eq!(config("state", "exports_kept = 1").state.exports_kept, 1);
    let busy = |word: &str| config("limits", &format!("busy_minutes = \"{word}\"")).limits.busy_minutes;
    for mode in BusyMinutes::ALL {
        assert_eq!(busy(mode.word()), mode);
    }
    let cap = |n: u32| good(&smallest_with("[wecom]", &format!("account_cap = {n}"))).wecom.account_cap;
    assert_eq!((cap(1), cap(100_000_000)), (Some(1), Some(100_000_000)));
}

fn warnings(config: &Config) -> Vec<(usize, &str)> {
    config.warnings.iter().map(|warning| (warning.line, warning.key.as_str())).collect()
}

#[test]
fn what_is_unwise_is_a_warning() {
    let plain = good(&smallest_with("[wecom]", "api_base = \"http://wx.corp.example\""));
    assert_eq!(warnings(&plain), [(3, "wecom.api_base")]);
    let loopback = good(&smallest_with("[wecom]", "api_base = \"http://127.0.0.1:8080\""));
    assert_eq!(warnings(&loopback), []);
    let alone = good(SMALLEST.split("[[account]]").next().unwrap());
    assert_eq!(warnings(&alone), [(0, "account")]);
}

#[test]
fn files_that_others_may_read_are_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let file = folder.path().join("mailbell.toml");
    let literal = SMALLEST.replace("{ env = \"MAILBELL_WECOM_SECRET\" }", "\"hunter2\"");
    write_private(&file, &literal);
    assert_eq!(warnings(&config::load(&file).unwrap()), []);
    // A service's own group may: so systemd hands out credentials, and so packages install such files.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(warnings(&config::load(&file).unwrap()), []);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let password = folder.path().join("zhangsan.password");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o604)).unwrap();
    let config = config::load(&file).unwrap();
    assert_eq!(warnings(&config), [(5, ""), (11, "account[1].password")]);
    assert!(config.warnings[1].en.contains(&format!("chmod 600 {}", password.display())));
    let named = SMALLEST.replace("{ env = \"MAILBELL_WECOM_SECRET\" }", "{ file = \"zhangsan.password\" }");
    fs::write(&file, named).unwrap();
    assert_eq!(warnings(&config::load(&file).unwrap()), [(5, "wecom.secret"), (11, "account[1].password")]);
}

#[test]
fn one_line_break_at_the_end_of_a_secret_file_is_cut() {
    let folder = folder();
    for (text, secret) in
        [("hunter2", "hunter2"), ("hunter2\n", "hunter2"), ("hunter2\r\n", "hunter2"), (" h 2 \n", " h 2 ")]
    {
        write_private(&folder.path().join("zhangsan.password"), text);
        let config = config::load_text(&folder.path().join("mailbell.toml"), SMALLEST, &env).unwrap();
        assert_eq!(config.accounts[0].credential, Credential::Password(Secret::new(secret)));
    }
}

#[test]
fn files_that_cannot_be_read_say_so() {
    let folder = folder();
    let file = folder.path().join("mailbell.toml");
    let missing = config::load(&file).unwrap_err();
    assert_eq!(missing.list.len(), 1);
    assert!(missing.text(Lang::En).starts_with(&file.display().to_string()));
    assert!(missing.text(Lang::En).contains("copy config/example.toml"));
    assert!(missing.text(Lang::ZhCn).contains("config/example.toml"));
    let directory = config::load(folder.path()).unwrap_err();
    assert!(directory.text(Lang::En).contains("it is a directory"));
    fs::write(&file, b"[wecom]\n# \xd6\xd0\n").unwrap();
    let gbk = config::load(&file).unwrap_err();
    assert_eq!(gbk.list[0].line, 2);
    assert!(gbk.list[0].en.contains("not UTF-8") && gbk.list[0].zh.contains("不是 UTF-8"));
}

#[test]
fn ten_thousand_accounts_load_fast_enough() {
    let head = SMALLEST.split("[[account]]").next().unwrap();
    let mut text = head.to_owned();
    for n in 0..10_000 {
        text.push_str(&format!(
            "[[account]]\nuser = \"u{n}\"\nemail = \"u{n}@corp.example\"\nprovider = \"exmail\"\npassword = \"p{n}\"\n"
        ));
    }
    let started = std::time::Instant::now();
    assert_eq!(good(&text).accounts.len(), 10_000);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}
