//! What to do about an error of a server, in the user's language.

use crate::config::Account;
use crate::imap::{ImapError, LoginTrouble, TlsTrouble};
use crate::model::Lang;

/// Advice for a person who can edit the config, but is no developer.
pub(super) fn for_imap(error: &ImapError, account: &Account, lang: Lang) -> String {
    let server = &account.provider.server;
    let place = format!("{}:{}", server.host, server.port);
    match error {
        ImapError::Resolve { host, .. } => lang
            .pick("主机名 {} 无法解析：检查 host 的拼写，以及本机的 DNS", "check the spelling of host ({}) and this machine's DNS")
            .replace("{}", host),
        ImapError::Connect { .. } => lang
            .pick(
                "无法连接 {}：检查 host、port，以及防火墙是否放行",
                "nothing answers at {}: check host and port, and whether a firewall lets the connection through",
            )
            .replace("{}", &place),
        ImapError::Timeout { .. } => lang
            .pick(
                "{} 没有及时应答：检查端口与 tls 是否匹配（993 用 implicit，143 用 starttls），或网络是否通畅",
                "{} did not answer in time: check that port and tls fit (993: implicit, 143: starttls), and the network",
            )
            .replace("{}", &place),
        ImapError::Tls { trouble, .. } => for_tls(trouble, &server.host, lang),
        ImapError::Login { trouble, .. } => for_login(*trouble, account, lang),
        ImapError::No { command: "EXAMINE", text } | ImapError::No { command: "STATUS", text } => lang
            .pick("服务器拒绝打开该文件夹：{}", "the server refuses to open the folder: {}")
            .replace("{}", text),
        _ => lang
            .pick("服务器的应答不符合预期；稍后再试，若仍如此请联系邮件管理员", "the server did not behave as expected; try again later, then ask the mail administrator")
            .to_owned(),
    }
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

fn for_login(trouble: LoginTrouble, account: &Account, lang: Lang) -> String {
    let text = match trouble {
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
        LoginTrouble::Disabled => lang.pick(
            "服务器在此连接上不接受这种登录方式：把 tls 改为 implicit 或 starttls，或把 auth 改为服务器提供的方式",
            "the server does not take this kind of login on this connection: set tls to implicit or starttls, or auth to what the server offers",
        ),
    };
    text.to_owned()
}
