//! `mailbell demo`: the sandbox, a private Dovecot, and the service between them; a page to send oneself mail.

use super::dovecot::{Dovecot, DovecotError, Options as DovecotOptions};
use super::page::{self, DemoState, DemoUser};
use crate::model::Lang;
use crate::sandbox::{self, Member, Options as SandboxOptions};
use crate::{app, config, telemetry};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Who has a mailbox and a phone in the demo.
const USERS: [(&str, &str); 2] = [("zhangsan", "张三"), ("lisi", "李四")];
/// The domain of their addresses: reserved for examples (RFC 2606).
const DOMAIN: &str = "corp.example";

/// Runs until `asked_to_stop` resolves; then all of it is gone.
///
/// # Errors
/// What went wrong, in words for the person who typed the command.
pub async fn demo(
    port: u16,
    sandbox_port: u16,
    lang: Lang,
    asked_to_stop: impl Future<Output = ()>,
) -> Result<(), String> {
    let page = listen(port, "--port", lang).await?;
    let sandbox = listen(sandbox_port, "--sandbox-port", lang).await?;
    let (page_at, sandbox_at) = (address(&page)?, address(&sandbox)?);
    let dir = tempfile::Builder::new().prefix("mailbell-demo-").tempdir().map_err(|e| e.to_string())?;
    let mut dovecot = start_dovecot(dir.path()).await.map_err(|e| e.to_string())?;
    let file = write_config(dir.path(), &dovecot, sandbox_at).map_err(|e| e.to_string())?;
    let config = config::load(&file).map_err(|problems| problems.text(lang))?;
    telemetry::init(&config.log);

    let stop = CancellationToken::new();
    let wecom = SandboxOptions {
        members: USERS.map(|(userid, name)| Member::new(userid, name)).to_vec(),
        ..SandboxOptions::default()
    };
    let sandbox = sandbox::serve(sandbox, wecom, stop.clone().cancelled_owned());
    let state = DemoState { users: users(), lmtp: dovecot.lmtp_addr(), chat: format!("http://{sandbox_at}") };
    let page = axum::serve(page, page::router(state)).with_graceful_shutdown(stop.clone().cancelled_owned());
    let (_keep, reload) = mpsc::channel(1);
    let service = app::run(config, reload, Arc::default(), stop.clone());
    println!("\n  {}http://{page_at}/\n", lang.pick("在浏览器中打开：", "Open in a browser: "));
    println!("  {}\n", lang.pick("Ctrl-C 结束，并清除一切。", "Ctrl-C ends it and removes everything."));
    let signal = async {
        asked_to_stop.await;
        stop.cancel();
    };
    let (service, sandbox, page, ()) = tokio::join!(
        async {
            let ended = service.await;
            stop.cancel();
            ended
        },
        sandbox,
        page.into_future(),
        async {
            tokio::select! { () = signal => {}, () = stop.cancelled() => {} }
        }
    );
    dovecot.stop().await;
    service.map_err(|e| e.text(lang))?;
    sandbox.and(page).map_err(|e| e.to_string())
}

async fn listen(port: u16, flag: &str, lang: Lang) -> Result<TcpListener, String> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let advice = lang.pick("；用 {} 换一个端口", "; choose another port with {}").replace("{}", flag);
    TcpListener::bind(wanted).await.map_err(|e| format!("{wanted}: {e}{advice}"))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, String> {
    listener.local_addr().map_err(|e| e.to_string())
}

fn mailbox(userid: &str) -> String {
    format!("{userid}@{DOMAIN}")
}

fn users() -> Vec<DemoUser> {
    let user = |(userid, name): (&str, &str)| DemoUser {
        userid: userid.to_owned(),
        name: name.to_owned(),
        address: mailbox(userid),
    };
    USERS.into_iter().map(user).collect()
}

async fn start_dovecot(dir: &Path) -> Result<Dovecot, DovecotError> {
    let options = DovecotOptions::of(USERS.map(|(userid, _)| (mailbox(userid), password(userid))));
    Dovecot::start(dir, &options).await
}

fn password(userid: &str) -> String {
    format!("demo-{userid}")
}

/// The config that a person would write for this server, in the demo's directory.
fn write_config(dir: &Path, dovecot: &Dovecot, sandbox: SocketAddr) -> std::io::Result<PathBuf> {
    let wecom = SandboxOptions::default();
    let mut text = format!(
        "[wecom]\ncorp_id = \"{}\"\nagent_id = {}\nsecret = \"{}\"\napi_base = \"http://{sandbox}\"\n\
         link = \"http://{sandbox}/\"\n\n\
         [provider.demo]\nhost = \"localhost\"\nport = {}\nca_file = '{}'\n",
        wecom.corp_id,
        wecom.agent_id,
        wecom.secret,
        dovecot.imaps_port(),
        dovecot.ca_file().display(),
    );
    for (userid, _) in USERS {
        text += &format!(
            "\n[[account]]\nuser = \"{userid}\"\nemail = \"{}\"\nprovider = \"demo\"\npassword = \"{}\"\n",
            mailbox(userid),
            password(userid)
        );
    }
    let file = dir.join("mailbell.toml");
    // With passwords, so not for others.
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?.write_all(text.as_bytes())?;
    Ok(file)
}
