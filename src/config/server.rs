//! What was said of a server, in an account or in a `[provider.NAME]` section, and the server that comes of it.

use super::known::Known;
use super::net;
use super::reader::{Choice, Reader};
use super::reading::{quoted, say};
use super::used::{Auth, MinTls, Server, Tls};
use std::path::PathBuf;
use url::Url;

/// The keys that tell of a server. `auth` is none of them: it tells of the login.
pub(super) const SERVER_KEYS: [&str; 6] = ["host", "port", "tls", "min_tls", "ca_file", "webmail"];

/// What was said of a server and its logins; `None` = not said.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub host: Option<String>,
    port: Option<u16>,
    tls: Option<Tls>,
    min_tls: Option<MinTls>,
    ca_file: Option<PathBuf>,
    pub webmail: Option<Url>,
    pub auth: Option<Auth>,
}

impl Told {
    /// Reads the keys of this section.
    pub fn read(r: &Reader<'_>) -> Self {
        let tls: [Choice<Tls>; 3] =
            [("implicit", Some(Tls::Implicit)), ("starttls", Some(Tls::Starttls)), ("none", Some(Tls::None))];
        let min_tls: [Choice<MinTls>; 2] = [("1.2", Some(MinTls::V12)), ("1.3", Some(MinTls::V13))];
        let auth: [Choice<Auth>; 4] = [
            ("login", Some(Auth::Login)),
            ("plain", Some(Auth::Plain)),
            ("xoauth2", Some(Auth::Xoauth2)),
            ("oauthbearer", Some(Auth::Oauthbearer)),
        ];
        Self {
            host: net::host(r, "host"),
            port: r.number_in("port", 1..=65535).and_then(|n| u16::try_from(n).ok()),
            tls: r.choice("tls", &tls),
            min_tls: r.choice("min_tls", &min_tls),
            ca_file: ca_file(r),
            webmail: net::page(r, "webmail"),
            auth: r.choice("auth", &auth),
        }
    }

    /// What a built-in provider says.
    pub fn built_in(known: &Known) -> Self {
        Self {
            host: known.host.clone(),
            port: Some(known.port),
            tls: Some(known.tls()),
            webmail: known.webmail(),
            auth: known.auth(),
            ..Self::default()
        }
    }

    /// Whether keys that decide whether a password may be sent were said, but wrongly, which was told.
    pub fn is_doubtful(&self, r: &Reader<'_>) -> bool {
        r.has("host") && self.host.is_none() || r.has("tls") && self.tls.is_none() || self.is_auth_doubtful(r)
    }

    /// Whether `auth` was said, but wrongly, which was told.
    pub fn is_auth_doubtful(&self, r: &Reader<'_>) -> bool {
        r.has("auth") && self.auth.is_none()
    }

    /// What is said here, and `base` for what is not. Another `tls` brings its own port.
    pub fn over(self, base: Self) -> Self {
        let port = if self.tls.is_some() { self.port } else { self.port.or(base.port) };
        Self {
            host: self.host.or(base.host),
            port,
            tls: self.tls.or(base.tls),
            min_tls: self.min_tls.or(base.min_tls),
            ca_file: self.ca_file.or(base.ca_file),
            webmail: self.webmail.or(base.webmail),
            auth: self.auth.or(base.auth),
        }
    }

    /// The server, with the defaults. `tls = "none"` is refused outside of the machine itself.
    pub fn server(self, r: &Reader<'_>) -> Option<Server> {
        let host = self.host?;
        let tls = self.tls.unwrap_or(Tls::Implicit);
        if tls == Tls::None && !net::is_loopback(&host) {
            let key = if r.has("tls") { "tls" } else { "host" };
            let shown = quoted(&host);
            r.wrong(
                key,
                say(
                    format!("\"none\" would send the password unprotected to {shown}; only 127.0.0.1, ::1 and localhost may go without; write tls = \"implicit\" or \"starttls\""),
                    format!("\"none\" 会把密码不加密地发往 {shown}；只有 127.0.0.1、::1 和 localhost 可以不加密；请写 tls = \"implicit\" 或 \"starttls\""),
                ),
            );
            return None;
        }
        let usual = match tls {
            Tls::Implicit => 993,
            Tls::Starttls | Tls::None => 143,
        };
        Some(Server {
            host,
            port: self.port.unwrap_or(usual),
            tls,
            min_tls: self.min_tls.unwrap_or(MinTls::V12),
            ca_file: self.ca_file,
            webmail: self.webmail,
        })
    }
}

/// A file of certificate authorities; that it can be read and holds a certificate is looked at.
fn ca_file(r: &Reader<'_>) -> Option<PathBuf> {
    let path = r.path("ca_file")?;
    let shown = path.display();
    let said = match std::fs::read(&path) {
        Ok(bytes) if bytes.windows(PEM.len()).any(|window| window == PEM) => return Some(path),
        Ok(_) => say(
            format!("the file {shown} holds no certificate in PEM form (\"-----BEGIN CERTIFICATE-----\")"),
            format!("文件 {shown} 中没有 PEM 格式的证书（\"-----BEGIN CERTIFICATE-----\"）"),
        ),
        Err(error) => {
            let (en, zh) = super::secret::io_words(&error);
            say(
                format!("cannot read the file {shown}: {en}; correct the path"),
                format!("无法读取文件 {shown}：{zh}；请改正路径"),
            )
        }
    };
    r.wrong("ca_file", said);
    None
}

const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----";
