//! What to do about an error of a server, in the user's language.

use crate::config::{self, Account, Known, Meaning, MinTls, Note, Part, Server, Tls};
use crate::imap::{ImapError, LoginTrouble, TlsTrouble};
use crate::model::Lang;

/// Advice for a person who can edit the config, but is no developer: what to try, in this order, one step per line.
pub fn for_imap(error: &ImapError, account: &Account, lang: Lang) -> String {
    let server = &account.provider.server;
    match error {
        ImapError::Resolve { host, .. } => for_resolve(host, lang),
        ImapError::Connect { reason, .. } => for_connect(reason, server, lang),
        ImapError::Timeout { .. } => for_silence(server, lang),
        ImapError::Tls { trouble, .. } => for_tls_at(trouble, server, lang),
        ImapError::Login { trouble, text } => for_words(text, account, lang).unwrap_or_else(|| {
            let passing = matches!(
                trouble,
                LoginTrouble::Temporary | LoginTrouble::TooMany | LoginTrouble::Disabled | LoginTrouble::SourceDown
            );
            let parts = if passing { Vec::new() } else { vec![account.proof(), Part::Admin] };
            let mut lines = vec![for_login(*trouble, account, lang)];
            lines.extend(parts_of(account, &parts, lang));
            if !passing {
                lines.extend(notes(account, Note::is_of_login, lang));
            }
            lines.join("\n")
        }),
        ImapError::No { command: "EXAMINE" | "STATUS", text } => for_words(text, account, lang).unwrap_or_else(|| {
            lang.pick("服务器拒绝打开该文件夹：{}", "the server refuses to open the folder: {}").replace("{}", text)
        }),
        ImapError::No { text, .. } | ImapError::Bad { text, .. } | ImapError::Bye(text) => {
            for_words(text, account, lang).unwrap_or_else(|| unexpected(lang))
        }
        ImapError::Protocol(_) if server.tls == Tls::Starttls => for_no_starttls(server, lang),
        ImapError::Lost(_) | ImapError::Protocol(_) => for_break(server, lang),
    }
}

/// What is known of a provider that may surprise the people who watch mail there.
pub fn notes<'a>(account: &'a Account, which: fn(&Note) -> bool, lang: Lang) -> impl Iterator<Item = String> + 'a {
    let all = account.provider.known().map(Known::notes).unwrap_or_default();
    all.iter().filter(move |note| which(note)).map(move |note| note.text(lang).to_owned())
}

fn unexpected(lang: Lang) -> String {
    lang.pick(
        "服务器的应答不符合预期；稍后再试，若仍如此请联系邮件管理员",
        "the server did not behave as expected; try again later, then ask the mail administrator",
    )
    .to_owned()
}

/// What the server's own words mean, where they are known.
fn for_words(words: &str, account: &Account, lang: Lang) -> Option<String> {
    let Meaning { steps, then } = account.answer_to(words, lang)?;
    let (meaning, rest) = steps.split_first()?;
    let mut lines = vec![meaning.clone()];
    lines.extend(numbered(rest));
    lines.extend(parts_of(account, &then, lang));
    Some(lines.join("\n"))
}

/// The steps of the provider for these people, each list under its heading.
fn parts_of(account: &Account, parts: &[Part], lang: Lang) -> Vec<String> {
    let title = account.provider.known().map(|known| known.title(lang)).unwrap_or_default();
    let mut lines = Vec::new();
    for part in parts {
        let steps = account.provider.steps(*part, lang);
        if steps.is_empty() {
            continue;
        }
        let heading = match part {
            Part::Member => lang.pick("成员在 {} 中：", "The member, at {}:"),
            Part::Admin => lang.pick("{} 的邮件管理员：", "The mail administrator of {}:"),
            Part::Oauth => lang.pick("让 {} 接受令牌，管理员要做：", "The administrator, so that {} takes tokens:"),
            Part::Master => {
                lang.pick("让 {} 接受主用户，管理员要做：", "The administrator, so that {} takes a master user:")
            }
        };
        lines.push(heading.replace("{}", title));
        lines.extend(numbered(&steps));
    }
    lines
}

/// Steps as lines; a single one needs no number.
fn numbered(steps: &[String]) -> Vec<String> {
    match steps {
        [only] => vec![only.clone()],
        steps => steps.iter().enumerate().map(|(at, step)| format!("{}. {step}", at + 1)).collect(),
    }
}

/// A line that says what is the matter, and steps below it.
fn with_steps(head: String, steps: &[&str]) -> String {
    let steps: Vec<_> = steps.iter().map(|step| (*step).to_owned()).collect();
    std::iter::once(head).chain(numbered(&steps)).collect::<Vec<_>>().join("\n")
}

fn for_resolve(host: &str, lang: Lang) -> String {
    let head = lang.pick("主机名 {} 无法解析：", "nobody knows the host name {}:").replace("{}", host);
    let near =
        config::nearest_host(host).map(|near| lang.pick("是否想写 {}？", "Did you mean {}?").replace("{}", near));
    let spelling = lang.pick(
        "检查 host 的拼写：只写主机名，不带 http://、@ 和空格。",
        "Check the spelling of host: the name alone, without http://, @ and blanks.",
    );
    let dns = lang.pick(
        "在本机执行 nslookup 主机名：查不到时请网络管理员检查 DNS；内网的主机名只有接入内网才能解析。",
        "On this machine run: nslookup HOST. If that fails too, ask the network administrator about DNS; names of an internal network are known there only.",
    );
    let steps: Vec<_> = near.as_deref().into_iter().chain([spelling, dns]).collect();
    with_steps(head, &steps)
}

/// What `port` and `tls` are, and what they would have to be.
fn port_and_tls(server: &Server, lang: Lang) -> String {
    let tls = match server.tls {
        Tls::Implicit => "implicit",
        Tls::Starttls => "starttls",
        Tls::None => "none",
    };
    lang.pick(
        "核对 port 和 tls：993 配 tls = \"implicit\"，143 配 tls = \"starttls\"。现在是 port = {port}、tls = \"{tls}\"。",
        "Check that port and tls fit: 993 goes with tls = \"implicit\", 143 with tls = \"starttls\". Now port = {port} and tls = \"{tls}\".",
    )
    .replace("{port}", &server.port.to_string())
    .replace("{tls}", tls)
}

fn for_connect(reason: &str, server: &Server, lang: Lang) -> String {
    let place = format!("{}:{}", server.host, server.port);
    let fit = port_and_tls(server, lang);
    let host = lang.pick(
        "核对 host：应是收信的 IMAP 主机，不是网页邮箱或 SMTP 的主机。",
        "Check host: it must be the IMAP host, not that of the webmail or of SMTP.",
    );
    if reason.to_lowercase().contains("refused") {
        let head = lang
            .pick("无法连接 {}：连接被拒绝，即那台机器在，但该端口上没有服务。依次尝试：", "nothing answers at {}: the connection was refused, so the machine is there, but no service at this port. Try in this order:")
            .replace("{}", &place);
        let service = lang.pick(
            "请邮件管理员确认 IMAP 服务已启动并在该端口监听（Exchange 默认不启动）。",
            "Ask the mail administrator whether the IMAP service runs and listens at this port (Exchange does not start it by itself).",
        );
        let firewall = lang.pick(
            "若其他电脑能连上，请网络管理员检查本机到该端口的防火墙。",
            "If other computers get through, ask the network administrator about a firewall between this machine and that port.",
        );
        return with_steps(head, &[&fit, host, service, firewall]);
    }
    let head = lang
        .pick("无法连接 {}：没有应答。依次尝试：", "nothing answers at {}: no reply at all. Try in this order:")
        .replace("{}", &place);
    let network = lang.pick(
        "确认本机能上网；云服务器还要在安全组中放行到该端口的出站连接。",
        "See that this machine reaches the Internet; in a cloud, its security group must let connections out to this port.",
    );
    let firewall = lang.pick(
        "请网络管理员检查防火墙：需要放行本机到该主机和端口的连接。",
        "Ask the network administrator about firewalls: this machine must reach that host and port.",
    );
    with_steps(head, &[host, &fit, network, firewall])
}

fn for_silence(server: &Server, lang: Lang) -> String {
    let head = lang
        .pick("{} 没有及时应答。依次尝试：", "{} did not answer in time. Try in this order:")
        .replace("{}", &format!("{}:{}", server.host, server.port));
    let load = lang.pick(
        "稍后再试：服务器可能繁忙，或因登录过于频繁而拖延。",
        "Try again later: the server may be busy, or slow on purpose after too many logins.",
    );
    let slow = lang.pick(
        "网络很慢时，调大 [imap] connect_timeout 和 command_timeout。",
        "On a slow network raise connect_timeout and command_timeout in [imap].",
    );
    with_steps(head, &[&port_and_tls(server, lang), load, slow])
}

/// A port that speaks no TLS, or another kind, shows as TLS trouble: then `port` and `tls` are what to try first.
fn for_tls_at(trouble: &TlsTrouble, server: &Server, lang: Lang) -> String {
    let text = match trouble {
        TlsTrouble::NoCommonVersion(_) if server.min_tls == MinTls::V13 => {
            let head = lang.pick(
                "双方没有共同的 TLS 版本；配置要求 min_tls = \"1.3\"。依次尝试：",
                "no TLS version in common, and the config demands min_tls = \"1.3\". Try in this order:",
            );
            let lower =
                lang.pick("若允许 TLS 1.2，写 min_tls = \"1.2\"。", "If TLS 1.2 will do, write min_tls = \"1.2\".");
            let raise = lang.pick(
                "否则请邮件管理员在服务器上开启 TLS 1.3。",
                "Else the mail administrator must switch TLS 1.3 on at the server.",
            );
            return with_steps(head.to_owned(), &[lower, raise]);
        }
        TlsTrouble::Other(_) => for_tls(trouble, &server.host, lang),
        TlsTrouble::NoTls => lang
            .pick(
                "该端口上不是 TLS，因此密码没有发出。依次尝试：",
                "this port does not speak TLS, so no password was sent. Try in this order:",
            )
            .to_owned(),
        _ => return for_tls(trouble, &server.host, lang),
    };
    let other = lang.pick(
        "仍不行时，请邮件管理员确认该端口提供的是 IMAP，而不是 POP3（995）、SMTP（465）或网页（443）。",
        "If it stays, ask the mail administrator whether this port is IMAP, not POP3 (995), SMTP (465) or a web server (443).",
    );
    with_steps(text, &[&port_and_tls(server, lang), other])
}

fn for_no_starttls(server: &Server, lang: Lang) -> String {
    let head = lang.pick(
        "服务器在该端口上不提供 STARTTLS，因此密码没有发出。依次尝试：",
        "the server does not offer STARTTLS at this port, so no password was sent. Try in this order:",
    );
    let implicit = lang.pick(
        "改写 port = 993 和 tls = \"implicit\"，多数服务器都支持。",
        "Write port = 993 and tls = \"implicit\": most servers have it.",
    );
    let ask = lang.pick(
        "仍不行时，请邮件管理员开启 STARTTLS，或告知加密的端口。",
        "If it stays, ask the mail administrator to switch STARTTLS on, or for a port with TLS.",
    );
    with_steps(head.to_owned(), &[implicit, &port_and_tls(server, lang), ask])
}

fn for_break(server: &Server, lang: Lang) -> String {
    let head = lang.pick(
        "连接中途断开，或对方说的不是 IMAP。依次尝试：",
        "the connection broke, or the other side does not speak IMAP. Try in this order:",
    );
    let many = lang.pick(
        "稍后再试一次：连接过多或登录过于频繁时，服务器会直接断开。",
        "Try once more later: servers hang up on too many connections or logins.",
    );
    let firewall = lang.pick(
        "请邮件管理员和网络管理员检查 IP 限制和防火墙。",
        "Ask the mail and network administrators about limits on addresses and about firewalls.",
    );
    with_steps(head.to_owned(), &[&port_and_tls(server, lang), many, firewall])
}

fn for_tls(trouble: &TlsTrouble, host: &str, lang: Lang) -> String {
    let since = |date: &str| if date.is_empty() { String::new() } else { format!(" ({date})") };
    match trouble {
        TlsTrouble::UnknownCa { issuer, fingerprint } => lang
            .pick(
                "证书由本机不认识的机构签发{issuer}：向邮件管理员索取该机构的 CA 证书（PEM 文件），填入该服务器的 ca_file；并请管理员核对服务器证书的 SHA-256 指纹 {fingerprint}",
                "the certificate is signed by an authority that is not known here{issuer}: ask the mail administrator for that authority's certificate (a PEM file) and name it in ca_file; let them compare the SHA-256 fingerprint of the server's certificate, {fingerprint}",
            )
            .replace("{issuer}", &since(issuer))
            .replace("{fingerprint}", fingerprint),
        TlsTrouble::CaAsServer => lang
            .pick(
                "服务器把 CA 证书（CA:TRUE）直接当作服务器证书使用，无法接受：请邮件管理员另签一张服务器证书（CA:FALSE，含主机名），并把签发它的 CA 证书填入 ca_file",
                "the server uses an authority's certificate (CA:TRUE) as its own, which is not accepted: the mail administrator must make a server certificate (CA:FALSE, with the host name), and ca_file must name the authority that signed it",
            )
            .to_owned(),
        TlsTrouble::Expired(date) => lang
            .pick(
                "服务器证书已过期{}：请邮件管理员更换证书（也请检查本机时间）",
                "the server's certificate has expired{}: the mail administrator must renew it (check this machine's clock too)",
            )
            .replace("{}", &since(date)),
        TlsTrouble::NotYetValid(date) => lang
            .pick(
                "服务器证书尚未生效{}：检查本机时间",
                "the server's certificate is not valid yet{}: check this machine's clock",
            )
            .replace("{}", &since(date)),
        TlsTrouble::WrongName(names) => lang
            .pick(
                "证书不是发给 {host} 的，而是：{names}。请把 host 改为证书上的名字",
                "the certificate is not for {host} but for: {names}. Set host to a name that the certificate has",
            )
            .replace("{host}", host)
            .replace("{names}", &if names.is_empty() { "-".to_owned() } else { names.join(", ") }),
        TlsTrouble::NoCommonVersion(what) => lang
            .pick(
                "双方没有共同的 TLS 版本或算法（{}）：检查 min_tls；只支持 TLS 1.0、RSA 密钥交换或 CBC 的旧服务器无法连接",
                "no TLS version or cipher in common ({}): check min_tls; old servers with TLS 1.0, RSA key exchange or CBC only cannot be reached",
            )
            .replace("{}", what),
        TlsTrouble::NoTls => lang
            .pick(
                "该端口上不是 TLS：检查 port 与 tls 是否匹配（993 用 implicit，143 用 starttls）",
                "this port does not speak TLS: check that port and tls fit (993: implicit, 143: starttls)",
            )
            .to_owned(),
        TlsTrouble::Other(what) => lang
            .pick(
                "TLS 失败：{}。检查端口与 tls 是否匹配（993 用 implicit，143 用 starttls）",
                "TLS failed: {}. Check that port and tls fit (993: implicit, 143: starttls)",
            )
            .replace("{}", what),
    }
}

/// A master user was refused: by what it is, or for whom.
fn for_refused_master(lang: Lang) -> String {
    let head =
        lang.pick("主用户的登录被拒绝。依次核对：", "the login of the master user was refused. Check in this order:");
    let secret = lang.pick(
        "[provider.NAME] 中的 master_user 和 master_password 没有写错。",
        "master_user and master_password in [provider.NAME] are spelt right.",
    );
    let account = lang.pick(
        "服务器上有这个邮箱；服务器要用别的登录名时，在该账号中写 login = \"登录名\"。",
        "The server has this mailbox; if it knows it by another name than the address, write login = \"NAME\" in the account.",
    );
    let allowed = lang.pick(
        "邮件管理员已允许这个主用户代所有邮箱登录（Dovecot：passdb 中写 master = yes；Cyrus：proxyservers）。",
        "The mail administrator has allowed this master user to log in for all (Dovecot: a passdb with master = yes; Cyrus: proxyservers).",
    );
    with_steps(head.to_owned(), &[secret, account, allowed])
}

/// A password was refused by a server of which nothing is known.
fn for_refused_password(lang: Lang) -> String {
    let head = lang.pick("登录被拒绝。依次尝试：", "the login was refused. Try in this order:");
    let spelling = lang.pick(
        "逐字核对 email 和 password；用它们登录一次网页邮箱，确认没有错。",
        "Check email and password letter by letter; log in to the webmail with them once to see that they are right.",
    );
    let client = lang.pick(
        "很多邮箱要用“客户端专用密码”或“授权码”，并先开启 IMAP：在网页邮箱的设置中查看。",
        "Many providers want a client password or authorization code (客户端专用密码 / 授权码), and IMAP switched on first: see the settings of the webmail.",
    );
    let name = lang.pick(
        "服务器要用别的登录名（例如不带 @ 的短名）时，在该账号中写 login = \"登录名\"。",
        "If the server wants another login name than the address, such as a short one without @, write login = \"NAME\" in the account.",
    );
    let ask = lang.pick(
        "仍不行时，请邮件管理员查看服务器日志：是否未开通 IMAP，或限制了登录的 IP。",
        "If it stays, ask the mail administrator what the server's log says: IMAP may be closed for the account, or logins limited to certain addresses.",
    );
    with_steps(head.to_owned(), &[spelling, client, name, ask])
}

/// The server takes no login of this kind here: without TLS most take none, and with TLS it is about `auth`.
fn for_disabled(server: &Server, lang: Lang) -> String {
    if server.tls == Tls::None {
        let head = lang.pick(
            "服务器在不加密的连接上不接受登录，因此密码没有发出。依次尝试：",
            "the server takes no login without TLS, so no password was sent. Try in this order:",
        );
        let implicit = lang.pick(
            "改写 port = 993 和 tls = \"implicit\"，多数服务器都支持。",
            "Write port = 993 and tls = \"implicit\": most servers have it.",
        );
        let starttls =
            lang.pick("或者写 port = 143 和 tls = \"starttls\"。", "Or write port = 143 and tls = \"starttls\".");
        return with_steps(head.to_owned(), &[implicit, starttls]);
    }
    let head = lang.pick(
        "服务器不接受这种登录方式。依次尝试：",
        "the server does not take this kind of login. Try in this order:",
    );
    let auth = lang.pick(
        "如果写了 auth，删去它试一次：不写时，有 oauth 用 xoauth2，有主用户用 plain，否则用 login。",
        "If there is a line auth, remove it and try: without it oauth goes by xoauth2, a master user by plain, all else by login.",
    );
    let other = lang.pick(
        "仍不行时，把上面服务器的原话告诉邮件管理员，问清可用的方式：login、plain、xoauth2 或 oauthbearer，填入 auth。",
        "If it stays, show the mail administrator the words above, ask which way is open (login, plain, xoauth2 or oauthbearer) and write it as auth.",
    );
    with_steps(head.to_owned(), &[auth, other])
}

fn for_login(trouble: LoginTrouble, account: &Account, lang: Lang) -> String {
    let text = match trouble {
        LoginTrouble::WrongPassword | LoginTrouble::Refused if account.proof() == Part::Master => {
            return for_refused_master(lang);
        }
        LoginTrouble::WrongPassword | LoginTrouble::Refused if account.provider.known().is_none() => {
            return for_refused_password(lang);
        }
        LoginTrouble::WrongPassword | LoginTrouble::Refused => {
            let general = lang.pick(
                "登录被拒绝：检查邮箱地址和密码；多数国内邮箱要用“客户端专用密码”或“授权码”，并先在网页邮箱中开启 IMAP",
                "the login was refused: check address and password; most Chinese providers want a client password or authorization code (客户端专用密码 / 授权码), and IMAP switched on in the webmail first",
            );
            return match &account.provider.server.webmail {
                Some(url) => format!("{general} ({url})"),
                None => general.to_owned(),
            };
        }
        LoginTrouble::NotAllowed => lang.pick(
            "该邮箱未获准使用 IMAP：请在网页邮箱中开启 IMAP，并请邮件管理员检查客户端与 IP 限制",
            "the account may not use IMAP: switch IMAP on in the webmail, and ask the mail administrator about limits on clients and addresses",
        ),
        LoginTrouble::Expired => lang.pick(
            "密码或授权码已过期：在网页邮箱中重新生成，并填入 password",
            "the password or authorization code has expired: make a new one in the webmail and set password",
        ),
        LoginTrouble::Delegation => lang.pick(
            "master_user 无权代该邮箱登录：请邮件管理员授权",
            "master_user may not log in for this account: the mail administrator must allow it",
        ),
        LoginTrouble::TokenRefused => lang.pick(
            "邮件服务器拒绝了访问令牌：检查 [oauth] 的 scope，以及该邮箱是否已授权给此应用（Exchange Online：Add-MailboxPermission；Google：全网域授权）",
            "the mail server refuses the access token: check scope in [oauth], and that the account is open to this app (Exchange Online: Add-MailboxPermission; Google: domain-wide delegation)",
        ),
        LoginTrouble::SourceRefused => lang.pick(
            "令牌服务拒绝发放令牌：检查 [oauth] 的 client_id、client_secret、key_file、refresh_token 是否正确或已过期，以及管理员是否已同意授权",
            "the token source refuses: check client_id, client_secret, key_file and refresh_token in [oauth] (they may have expired), and that the administrator has consented",
        ),
        LoginTrouble::Sealed => lang.pick(
            "保存的密码打不开：检查 [vault] 的主密钥和密钥环文件，或用 mailbell account set-password 重新设置",
            "the stored password cannot be opened: check the master key and the keyring of [vault], or set it anew with mailbell account set-password",
        ),
        LoginTrouble::SourceDown => lang.pick(
            "令牌服务没有应答：检查 [oauth] 的 token_url 和网络，稍后再试",
            "the token source does not answer: check token_url in [oauth] and the network, then try again",
        ),
        LoginTrouble::Temporary => {
            lang.pick("服务器暂时无法登录，稍后再试", "the server cannot log in anybody just now; try again later")
        }
        LoginTrouble::TooMany => lang.pick(
            "该邮箱的连接数已满：关闭一些邮件客户端，或请管理员提高每用户连接数",
            "the account has too many connections: close some mail clients, or ask the administrator to allow more",
        ),
        LoginTrouble::Disabled => return for_disabled(&account.provider.server, lang),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests;
