//! `[web]`: where it listens, how it is reached from outside, and who may open the administrator's console.

use super::net::{self, is_loopback_url};
use super::reader::Reader;
use super::reading::{quoted, say};
use super::secret;
use crate::model::{Lang, Network, Recipient, Role, Secret};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use url::Url;

/// The web surface.
#[derive(Clone, Debug)]
pub struct Web {
    /// Where it listens.
    pub listen: SocketAddr,
    /// How people reach it: scheme, host and port, nothing else.
    pub public_url: Option<Url>,
    /// The certificate of its own, where no proxy has one.
    pub tls: Option<WebTls>,
    /// Who may open the administrator's console.
    pub console: Console,
    /// Whose X-Forwarded-For is believed.
    pub trusted_proxies: Arc<[Network]>,
}

/// The files of a certificate, in PEM form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebTls {
    /// The chain, the server's own first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Who may open the administrator's console.
#[derive(Clone, Debug, Default)]
pub struct Console {
    /// The bootstrap token: opens everything.
    pub token: Option<Secret>,
    /// The members of WeCom who may sign in, by userid in lower case, and what they may do.
    pub roles: Arc<BTreeMap<Arc<str>, Role>>,
}

impl Console {
    /// Whether anybody may; otherwise there is none.
    pub fn is_open(&self) -> bool {
        self.token.is_some() || !self.roles.is_empty()
    }
}

/// A shorter token could be guessed, for all the pauses between tries.
const SHORTEST_TOKEN: usize = 20;

/// The lists of userids, and what their members may do.
const LISTS: [(&str, Role); 3] =
    [("administrators", Role::Administrator), ("readers", Role::Reader), ("auditors", Role::Auditor)];

/// `[web]`
pub(super) fn web(r: &Reader<'_>) -> Option<Web> {
    if !r.has("listen") {
        r.missing("listen", Some(say("; or remove [web]", "；或删去 [web]")));
    }
    let listen = net::listen(r, "listen");
    let public_url = public_url(r);
    let tls = tls(r);
    let token = token(r);
    let roles = roles(r);
    let trusted_proxies = proxies(r);
    if !roles.is_empty() && !r.has("public_url") {
        r.missing(
            "public_url",
            Some(say("; WeCom sends people back to it after they signed in", "；成员用企业微信登录后要回到这个地址")),
        );
    }
    let web = Web {
        listen: listen?,
        public_url,
        tls,
        console: Console { token, roles: Arc::new(roles) },
        trusted_proxies: trusted_proxies.into(),
    };
    let guarded = web.tls.is_some() || web.public_url.as_ref().is_some_and(|url| url.scheme() == "https");
    if web.console.is_open() && !guarded && !web.listen.ip().is_loopback() {
        r.warn(
            "listen",
            say(
                "the console's token and passwords travel unprotected over http; set cert and key, or listen on 127.0.0.1 behind a proxy with TLS and set public_url = \"https://...\"",
                "管理后台的令牌和密码会以 http 明文传输；请设置 cert 和 key，或只监听 127.0.0.1 并由带 TLS 的反向代理转发，再写上 public_url = \"https://...\"",
            ),
        );
    }
    Some(web)
}

/// How the web surface is reached from outside: a scheme, a host and perhaps a port.
fn public_url(r: &Reader<'_>) -> Option<Url> {
    let url = net::page(r, "public_url")?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        r.wrong("public_url", say("must end after the host: https://HOST", "主机名之后不能再有内容：https://主机名"));
        return None;
    }
    if url.scheme() == "http" && !is_loopback_url(&url) {
        r.warn(
            "public_url",
            say("people sign in unprotected over http; use https", "通过 http 登录时令牌和会话没有加密；请改用 https"),
        );
    }
    Some(url)
}

/// `cert` and `key`, both or neither.
fn tls(r: &Reader<'_>) -> Option<WebTls> {
    for (one, other) in [("cert", "key"), ("key", "cert")] {
        if r.has(one) && !r.has(other) {
            let (en, zh) = (format!("; {one} needs it"), format!("；{one} 需要与它一同设置"));
            r.missing(other, Some(say(en, zh)));
        }
    }
    let (cert, key) = (file(r, "cert"), file(r, "key"));
    if let Some(path) = &key {
        // Whether it is a key is said where it is used; that others may read it is said here.
        let _ = secret::read_file(r, "key", path);
    }
    Some(WebTls { cert: cert?, key: key? })
}

/// A file that can be read.
fn file(r: &Reader<'_>, key: &str) -> Option<PathBuf> {
    if !r.has(key) {
        return None;
    }
    let path = r.path(key)?;
    match std::fs::File::open(&path) {
        Ok(_) => Some(path),
        Err(error) => {
            let ((en, zh), shown) = (secret::io_words(&error), path.display());
            r.wrong(
                key,
                say(
                    format!("cannot read the file {shown}: {en}; correct the path, or its rights"),
                    format!("无法读取文件 {shown}：{zh}；请改正路径或文件权限"),
                ),
            );
            None
        }
    }
}

fn token(r: &Reader<'_>) -> Option<Secret> {
    let token = secret::read(r, "admin_token")?;
    if token.expose().len() < SHORTEST_TOKEN {
        r.wrong(
            "admin_token",
            say(
                format!("must have {SHORTEST_TOKEN} characters or more; make one with: openssl rand -hex 32"),
                format!("至少要有 {SHORTEST_TOKEN} 个字符；可这样生成：openssl rand -hex 32"),
            ),
        );
        return None;
    }
    Some(token)
}

/// Who may sign in, and as what.
fn roles(r: &Reader<'_>) -> BTreeMap<Arc<str>, Role> {
    let mut roles = BTreeMap::new();
    for (key, role) in LISTS {
        for (at, text) in if r.has(key) { r.texts(key).unwrap_or_default() } else { Vec::new() } {
            let user = match Recipient::parse(text) {
                Ok(Recipient::User(user)) => user,
                Ok(_) => {
                    let shown = quoted(text);
                    r.wrong_item(
                        key,
                        at,
                        say(
                            format!("{shown} is no member; write the userids of those who may sign in, one by one"),
                            format!("{shown} 不是成员；请逐个写出可登录成员的 userid"),
                        ),
                    );
                    continue;
                }
                Err(error) => {
                    r.wrong_item(key, at, say(error.text(Lang::En), error.text(Lang::ZhCn)));
                    continue;
                }
            };
            if roles.insert(user, role).is_some_and(|other| other != role) {
                let shown = quoted(text);
                r.wrong_item(
                    key,
                    at,
                    say(
                        format!("{shown} stands in another list too; leave it in one of administrators, readers and auditors"),
                        format!("{shown} 也在另一个名单里；administrators、readers、auditors 中只保留一处"),
                    ),
                );
            }
        }
    }
    roles
}

fn proxies(r: &Reader<'_>) -> Vec<Network> {
    let key = "trusted_proxies";
    let mut networks = Vec::new();
    for (at, text) in if r.has(key) { r.texts(key).unwrap_or_default() } else { Vec::new() } {
        match Network::parse(text) {
            Some(network) => networks.push(network),
            None => {
                let (shown, example) = (quoted(text), r.example(key));
                r.wrong_item(
                    key,
                    at,
                    say(
                        format!("{shown} is no IP address or network; write for example: {example}"),
                        format!("{shown} 不是 IP 地址或网段；请写，例如：{example}"),
                    ),
                );
            }
        }
    }
    networks
}
