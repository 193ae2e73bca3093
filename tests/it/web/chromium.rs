//! The pages in a real browser, in both languages and as wide as a desk's and a phone's screen.

use super::bench::{Bench, TOKEN};
use crate::support::account;
use crate::support::chromium::Chromium;
use mailbell::clock::Clock;
use mailbell::config::Account;
use mailbell::health::{AccountState, FolderHealth, WatchMode};
use mailbell::model::AccountId;
use std::sync::Arc;
use std::time::Duration;

/// Accounts in all states.
fn fill(bench: &Bench) {
    let now = bench.clock.steady();
    let mut accounts = Vec::new();
    for (at, state) in AccountState::ALL.into_iter().cycle().take(40).enumerate() {
        let id = AccountId::new(&format!("member{at:02}@corp.example"));
        bench.health.add(&id, now);
        bench.health.note(&id, |health| {
            health.state = state;
            health.mode = Some(WatchMode::Idle);
            health.pulse.beat(now.minus(Duration::from_secs(60 * at as u64)));
            health.last_error = Some("login: refused: Login fail. Account is abnormal, service is not open, password is incorrect, login frequency limited, or system is busy.".to_owned());
            let folder = |name: &str| FolderHealth {
                shown: name.into(), since: now, fresh_at: Some(now.minus(Duration::from_secs(7))), pushed: true, refused: None,
            };
            health.folders = vec![folder("INBOX"), folder("项目/甲方合同"), folder("项目/归档/二〇二五年")];
        });
        accounts.push(Arc::new(Account { id, ..account() }));
    }
    bench.service.update(&accounts);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_fit_every_screen_and_the_browser_has_no_complaints() {
    let web = format!("admin_token = \"{TOKEN}\"");
    let bench = Bench::with(&web).await;
    fill(&bench);
    for (lang, word) in [("zh-CN", "概况"), ("en", "Overview")] {
        let Some(browser) = Chromium::start(lang).await else { return };
        let at = |path: &str| format!("http://{}{path}", bench.address);
        for (width, height) in [(1280, 800), (390, 844)] {
            browser.resize(width, height).await;
            let pages = [
                ("accounts/member08@corp.example", "account"),
                ("accounts/member12@corp.example", "refused"),
                ("accounts", "accounts"),
                ("add", "add"),
                ("import", "import"),
                ("alerts", "alerts"),
                ("audit", "audit"),
                ("audit/verify", "audit-verified"),
                ("nowhere", "fault"),
                ("", "overview"),
            ];
            browser.open(&at("/admin")).await;
            browser.picture(&format!("sign-in-{lang}-{width}")).await;
            browser.write("#token", TOKEN).await;
            browser.click("form button").await;
            browser.reads(word).await;
            for (path, name) in pages {
                browser.open(&at(format!("/admin/{path}").trim_end_matches('/'))).await;
                browser.picture(&format!("{name}-{lang}-{width}")).await;
                assert!(browser.overflow().await <= 0, "{name} is wider than {width}");
            }
            browser.click(".who button").await;
            browser.reads(lang_word(lang)).await;
        }
        let complaints: Vec<_> = browser.complaints().await.into_iter().filter(|line| !line.contains("404")).collect();
        assert_eq!(complaints, Vec::<String>::new());
    }
}

fn lang_word(lang: &str) -> &'static str {
    if lang == "en" { "Sign in to the console" } else { "登录管理后台" }
}
