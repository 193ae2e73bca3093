//! Host names, URLs and addresses as they are written in the config.

use super::reader::Reader;
use super::reading::{Said, quoted, say};
use super::used::Proxy;
use std::net::{IpAddr, SocketAddr};
use url::{Host, Url};

/// A host name or an IP address, without scheme, port or brackets.
pub(super) fn host(r: &Reader<'_>, key: &str) -> Option<String> {
    let text = r.text(key)?;
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Some(ip.to_string());
    }
    let name = if text.is_ascii() { text.to_ascii_lowercase() } else { ascii_name(text).unwrap_or_default() };
    if is_host_name(&name) {
        return Some(name);
    }
    let said = if text.contains("://") || text.contains('/') {
        say("write the host name alone, without imaps:// and /", "只写主机名，不要带 imaps:// 和 /")
    } else if text.contains(':') {
        say("write the host name alone; the port goes into port = ...", "只写主机名；端口请写在 port = ... 中")
    } else {
        let (example, shown) = (r.example(key), quoted(text));
        say(
            format!("{shown} is no host name; write for example: {example}"),
            format!("{shown} 不是主机名；请写，例如：{example}"),
        )
    };
    r.wrong(key, said);
    None
}

fn ascii_name(text: &str) -> Option<String> {
    match Host::parse(text).ok()? {
        Host::Domain(name) => Some(name),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

/// RFC 1123 2.1, and underscores, which some sites use.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(fits) && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Whether this host is the machine itself: 127.0.0.0/8, ::1, localhost.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

pub(super) fn is_loopback_url(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_loopback(name),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// A URL with one of these schemes and a host. Its text is not repeated in messages: it may hold a password.
fn url(r: &Reader<'_>, key: &str, schemes: &[&str]) -> Option<Url> {
    let text = r.text(key)?;
    let read = Url::parse(text).ok().filter(|url| schemes.contains(&url.scheme()) && url.has_host());
    // `Url::parse` mends what it can; a text with blanks in it was hardly meant so.
    if read.is_none() || text.contains(char::is_whitespace) {
        let example = r.example(key);
        let starts: Vec<_> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
        r.wrong(
            key,
            say(
                format!("must be an address that begins with {}; write for example: {example}", starts.join(" or ")),
                format!("应为以 {} 开头的地址；请写，例如：{example}", starts.join(" 或 ")),
            ),
        );
        return None;
    }
    read
}

fn has_login(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// An `http` or `https` address for people to open.
pub(super) fn page(r: &Reader<'_>, key: &str) -> Option<Url> {
    let url = url(r, key, &["https", "http"])?;
    if has_login(&url) {
        r.wrong(
            key,
            say(
                "must hold no user name or password: it is shown in alerts; remove the part before @",
                "不能含用户名或密码：它会出现在提醒里；请删去 @ 及其前面的部分",
            ),
        );
        return None;
    }
    Some(url)
}

/// Where pages of WeCom's are: no query, no login, no slash at the end (a URL without a path keeps its one).
pub(super) fn page_base(r: &Reader<'_>, key: &str) -> Option<Url> {
    let mut url = base(r, key)?;
    if url.path().contains("/wwlogin/") || url.path().contains("/connect/oauth2") {
        r.wrong(key, say("leave out the page: it is added", "请去掉具体页面的路径：使用时会自动加上"));
        return None;
    }
    url.set_path(url.path().trim_end_matches('/').to_owned().as_str());
    Some(url)
}

/// An http or https address that more is added to.
fn base(r: &Reader<'_>, key: &str) -> Option<Url> {
    let url = url(r, key, &["https", "http"])?;
    if has_login(&url) || url.query().is_some() || url.fragment().is_some() {
        r.wrong(
            key,
            say(
                "must hold no user name, ? or #; write only https://HOST, and a path if there is one",
                "不能含用户名、? 或 #；只写 https://主机名，如有路径再加路径",
            ),
        );
        return None;
    }
    Some(url)
}

/// Where the WeCom API answers: no query, no login, no slash at the end (a URL without a path keeps its one).
pub(super) fn api_base(r: &Reader<'_>, key: &str) -> Option<Url> {
    let mut url = base(r, key)?;
    let path = url.path().trim_end_matches('/').to_owned();
    if path.ends_with("/cgi-bin") {
        r.wrong(key, say("leave out /cgi-bin: it is added to every call", "请去掉 /cgi-bin：调用时会自动加上"));
        return None;
    }
    url.set_path(&path);
    if url.scheme() == "http" && !is_loopback_url(&url) {
        r.warn(
            key,
            say(
                "the app's secret travels unprotected over http; use https",
                "通过 http 传输时应用 Secret 没有加密；请改用 https",
            ),
        );
    }
    Some(url)
}

/// Why an address cannot be one where tokens are asked for: only https, or http on the machine itself; no login, no `#`
/// (RFC 6749 3.2).
pub(super) fn unfit_token_url(url: &Url) -> Option<Said> {
    if has_login(url) || url.fragment().is_some() {
        return Some(say(
            "must hold no user name, password or #; write only https://HOST/PATH",
            "不能含用户名、密码或 #；只写 https://主机名/路径",
        ));
    }
    (!url.has_host() || url.scheme() != "https" && !(url.scheme() == "http" && is_loopback_url(url))).then(|| {
        say(
            "would send a secret unprotected; write an address that begins with https:// (http:// only for 127.0.0.1, ::1 and localhost)",
            "会把密钥不加密地发出；请写以 https:// 开头的地址（http:// 只限 127.0.0.1、::1 和 localhost）",
        )
    })
}

/// Where tokens are asked for.
pub(super) fn token_url(r: &Reader<'_>, key: &str) -> Option<Url> {
    let url = url(r, key, &["https", "http"])?;
    match unfit_token_url(&url) {
        Some(said) => {
            r.wrong(key, said);
            None
        }
        None => Some(url),
    }
}

/// A forward proxy: `http://`, a host, a port, and perhaps a login.
pub(super) fn proxy(r: &Reader<'_>, key: &str) -> Option<Proxy> {
    let url = url(r, key, &["http"])?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        r.wrong(key, say("must end after the port: http://HOST:PORT", "端口之后不能再有内容：http://主机:端口"));
        return None;
    }
    if url.password().is_some() && r.cx.literal_secret.get().is_none() {
        r.cx.literal_secret.set(Some(r.place(key)));
    }
    Some(Proxy(url))
}

/// An IP address and a port to listen on.
pub(super) fn listen(r: &Reader<'_>, key: &str) -> Option<SocketAddr> {
    let text = r.text(key)?;
    let read = text.parse().ok();
    if read.is_none() {
        let (example, shown) = (r.example(key), quoted(text));
        r.wrong(
            key,
            say(
                format!("{shown} is no IP address with a port; write for example: {example}"),
                format!("{shown} 不是“IP 地址:端口”；请写，例如：{example}"),
            ),
        );
    }
    read
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn loopback_hosts() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.corp.example", "128.0.0.1", "127.1", "::2", "0.0.0.0", "127.0.0.1.nip.example"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn host_names() {
        for name in ["imap.corp.example", "a", "mail_1.corp", "xn--fiq228c"] {
            assert!(is_host_name(name), "{name}");
        }
        for name in ["", ".", "a..b", "a.", "-a", "a b", "a/b", "a:993", &"a".repeat(64)] {
            assert!(!is_host_name(name), "{name}");
        }
    }
}
