//! The binary logs in by access token and by master user, from the config file to the alert.

use super::world::{Setup, World, said};
use crate::dovecot_auth::tokens::{judge, jwt};
use crate::dovecot_auth::{master_user, open_dir};
use crate::oauth::server::{TokenServer, error, token};
use mailbell::demo::dovecot::{Dovecot, Options as DovecotOptions};

const SECRET: &str = "cl1ent/secret";

/// A world whose accounts log in by tokens of this server.
async fn by_token(dir: &tempfile::TempDir, server: &TokenServer) -> World {
    let dovecot = DovecotOptions { extra: judge(dir.path()), ..DovecotOptions::default() };
    let world = World::new(Setup { users: vec!["zhangsan"], dovecot, ..Setup::default() }).await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    let text = text.replace("password = \"secret of zhangsan\"", "oauth = \"corp\"\nauth = \"oauthbearer\"");
    let oauth = format!(
        "[oauth.corp]\nflow = \"client_credentials\"\ntoken_url = \"{}\"\nclient_id = \"app\"\nclient_secret = \"{SECRET}\"\nscope = \"mail\"\n",
        server.url
    );
    std::fs::write(&world.file, text + &oauth).unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_announced_over_sessions_that_end_with_their_token() {
    let dir = open_dir();
    // Each lives for 8 s, so the session is left and begun anew within the test.
    let server = TokenServer::start(|_, _| token(&jwt("zhangsan@corp.example", 8), 8)).await;
    let mut world = by_token(&dir, &server).await;
    let (code, text) = said(&world, &["check"]);
    assert!(code == 0 && text.contains("logged in"), "{text}");
    world.run().await;
    world.mail("zhangsan", "凭令牌一", "t1").await;
    world.sees("zhangsan", &["凭令牌一"]).await;
    world.until("the session is begun anew", async || world.dovecot.logins("zhangsan@corp.example") >= 4).await;
    world.mail("zhangsan", "凭令牌二", "t2").await;
    world.sees("zhangsan", &["凭令牌二"]).await;
    let log = world.log();
    assert!(!log.contains("WARN the account") && !log.contains("eyJ") && !log.contains(SECRET), "quietly: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_refuses_is_told_with_what_to_do() {
    let dir = open_dir();
    let server = TokenServer::start(|_, asked| {
        error(401, "invalid_client", &format!("the secret {} is wrong", asked.get("client_secret")))
    })
    .await;
    let world = by_token(&dir, &server).await;
    for (lang, words) in [("en", "client_secret"), ("zh-CN", "令牌")] {
        let (code, text) = said(&world, &["check", "--lang", lang]);
        assert_eq!(code, 1, "{text}");
        for word in [words, "invalid_client", "[oauth.corp]"] {
            assert!(text.contains(word), "{word} is missing in:\n{text}");
        }
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_user_of_the_provider_watches_for_all() {
    fn provider(dovecot: &Dovecot) -> String {
        format!(
            "port = {}\nca_file = '{}'\nmaster_user = \"mailbell\"\nmaster_password = \"ma*ster\"\n",
            dovecot.imaps_port(),
            dovecot.ca_file().display()
        )
    }
    for auth in ["", "auth = \"login\"\n"] {
        let dovecot = DovecotOptions { extra: master_user(), ..DovecotOptions::default() };
        let setup = Setup {
            users: vec!["zhangsan", "lisi"],
            dovecot,
            provider: Some(provider),
            account: auth.to_owned(),
            ..Setup::default()
        };
        let mut world = World::new(setup).await;
        let text = std::fs::read_to_string(&world.file).unwrap();
        let own: String =
            text.lines().filter(|line| !line.starts_with("password = ")).map(|l| format!("{l}\n")).collect();
        std::fs::write(&world.file, own).unwrap();
        world.run().await;
        for user in ["zhangsan", "lisi"] {
            world.mail(user, &format!("给{user}的信"), user).await;
            world.sees(user, &[&format!("给{user}的信")]).await;
        }
        assert!(world.stop().await.0.success(), "{}", world.log());
    }
}
