//! `check` against servers that say no: what a person reads who has to mend it. A server of a few lines plays the
//! provider; the sentences come out of the binary, in both languages.

use super::world::{Setup, World};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the server answers, by the name of the command; all else is OK.
type Script = &'static [(&'static str, &'static str)];

async fn serve(stream: TcpStream, script: Script) {
    let mut stream = BufReader::new(stream);
    let greeting = script.iter().find(|(name, _)| *name == "greeting").map_or("* OK ready", |(_, text)| text);
    let mut out = format!("{greeting}\r\n");
    let mut line = String::new();
    while stream.get_mut().write_all(out.as_bytes()).await.is_ok() {
        line.clear();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let mut words = line.split_whitespace();
        let (Some(tag), Some(name)) = (words.next(), words.next()) else { return };
        let scripted = script.iter().find(|(command, _)| *command == name);
        out = match (scripted, name) {
            (Some((_, "hang up")), _) => return,
            (Some((_, answer)), _) => format!("{tag} {answer}\r\n"),
            (None, "CAPABILITY") => format!("* CAPABILITY IMAP4rev1 ID AUTH=PLAIN AUTH=XOAUTH2\r\n{tag} OK done\r\n"),
            (None, "LIST") => format!("* LIST () \"/\" INBOX\r\n{tag} OK done\r\n"),
            (None, "EXAMINE") => {
                format!("* 0 EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\n* OK [UIDNEXT 1] ok\r\n{tag} OK done\r\n")
            }
            (None, "AUTHENTICATE") => "+ \r\n".to_owned(),
            (None, _) => format!("{tag} OK done\r\n"),
        };
    }
}

/// Starts a server with this script; its port.
async fn server(script: Script) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, script));
        }
    });
    port
}

/// Starts a token source that always answers so; its port.
async fn token_source(status: &'static str, body: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let (mut line, mut length) = (String::new(), 0);
                while stream.read_line(&mut line).await.is_ok_and(|n| n > 2) {
                    if let Some(said) = line.to_lowercase().strip_prefix("content-length:") {
                        length = said.trim().parse().unwrap();
                    }
                    line.clear();
                }
                stream.read_exact(&mut vec![0; length]).await.unwrap();
                stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
            });
        }
    });
    port
}

/// A section that asks this port for tokens.
fn oauth(port: u16) -> String {
    format!(
        "[oauth.corp]\nflow = \"client_credentials\"\ntoken_url = \"http://127.0.0.1:{port}/token\"\n\
         client_id = \"x\"\nclient_secret = \"hunter2\"\n"
    )
}

/// What `check` says of one account at `provider`, whose server is played by the script. `{port}` is filled in.
async fn told(world: &World, provider: &str, script: Script, more: &str) -> [String; 2] {
    let port = server(script).await;
    let wecom = std::fs::read_to_string(&world.file).unwrap();
    let wecom = wecom.split("[provider.test]").next().unwrap();
    let section = format!("[provider.{provider}]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n");
    let account = "[[account]]\nuser = \"zhangsan\"\nemail = \"zhangsan@corp.example\"\n";
    let text = format!("{wecom}{section}{more}{account}provider = \"{provider}\"\n");
    let text = match more {
        more if more.contains("master_user") => text,
        more if more.contains("[oauth.corp]") => text + "oauth = \"corp\"\n",
        _ => text + "password = \"hunter2\"\n",
    };
    let file = world.dir.path().join(format!("{provider}-{port}.toml"));
    std::fs::write(&file, text).unwrap();
    ["en", "zh-CN"].map(|lang| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mailbell"));
        let out = command.args(["check", "--lang", lang, "--config"]).arg(&file).output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        assert_eq!(out.status.code(), Some(1), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
        text
    })
}

/// All the words stand in the text, in this order.
fn holds(text: &str, words: &[&str]) {
    let mut rest = text;
    for word in words {
        let Some((_, after)) = rest.split_once(word) else { panic!("{word} is missing, or out of order, in:\n{text}") };
        rest = after;
    }
}

async fn world() -> Arc<World> {
    Arc::new(World::new(Setup { users: vec!["zhangsan"], ..Setup::default() }).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_netease_lead_to_their_steps() {
    let world = world().await;
    let [en, zh] = told(&world, "netease-qiye", &[("LOGIN", "NO LOGIN ERR.ILLEGAL.EMAIL")], "").await;
    holds(
        &en,
        &[
            "not opened for this account",
            "administrator of NetEase",
            "1. ",
            "2. ",
            "The member",
            "1. ",
            "客户端授权码",
            "3. ",
        ],
    );
    holds(
        &zh,
        &["没有开通 IMAP", "邮件管理员", "1. ", "2. ", "成员在 网易企业邮箱", "1. ", "开启 IMAP/SMTP 服务", "3. "],
    );
    let [en, zh] = told(&world, "netease-qiye", &[("LOGIN", "NO LOGIN ERR.LOGIN.DOMAINNOTEXIST")], "").await;
    holds(&en, &["another region: imap.qiye.163.com, imaphz.qiye.163.com", "1. ", "host = \"imaphz.qiye.163.com\""]);
    holds(&zh, &["另一个区域：imap.qiye.163.com、imaphz.qiye.163.com（华东）", "1. ", "[provider.netease-qiye]"]);
    let [en, zh] = told(&world, "netease-qiye", &[("LOGIN", "NO LOGIN ERR.LOGINRULE.IPDENY")], "").await;
    holds(&en, &["certain addresses only", "1. Find the public address", "2. Ask the mail administrator"]);
    holds(&zh, &["限制了登录 IP", "1. 查出本机的出口 IP", "2. 请邮件管理员"]);
    assert!(!en.contains("The member, at"), "{en}");
    let unsafe_login = [("EXAMINE", "NO EXAMINE Unsafe Login. Please contact kefu@188.com for help")];
    let unsafe_login: Script = Box::leak(Box::new(unsafe_login));
    let [en, zh] = told(&world, "netease", unsafe_login, "").await;
    holds(&en, &["logged in", "does not trust it", "1. ", "2. Make a new authorization code", "3. "]);
    holds(&zh, &["登录成功", "认为不安全", "1. ", "2. 在那里重新生成授权码", "3. "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_sentence_of_tencent_is_taken_apart() {
    let world = world().await;
    const SENTENCE: Script = &[(
        "LOGIN",
        "NO Login fail. Account is abnormal, service is not open, password is incorrect, login frequency limited, or system is busy.",
    )];
    let [en, zh] = told(&world, "qq", SENTENCE, "").await;
    holds(&en, &["five different reasons", "wait for ten minutes", "The member", "1. ", "授权码", "4. "]);
    holds(&zh, &["五种原因", "停十分钟", "成员在 QQ 邮箱", "1. ", "16 位授权码", "4. "]);
    let [en, zh] = told(&world, "exmail", SENTENCE, "").await;
    holds(
        &en,
        &["five different reasons", "mail administrator of Exmail", "客户端访问限制", "The member", "客户端专用密码"],
    );
    holds(&zh, &["五种原因", "邮件管理员", "客户端访问限制", "成员在 腾讯企业邮", "客户端专用密码"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_words_of_a_known_provider_lead_to_its_steps() {
    let world = world().await;
    let [en, zh] = told(&world, "aliyun", &[("LOGIN", "NO 登录失败")], "").await;
    holds(
        &en,
        &[
            "登录失败",
            "login was refused",
            "The member",
            "三方客户端安全密码",
            "5. ",
            "hour",
            "administrator",
            "third-party",
        ],
    );
    holds(
        &zh,
        &[
            "登录失败",
            "登录被拒绝",
            "成员在 阿里企业邮箱",
            "三方客户端安全密码",
            "锁定 1 小时",
            "邮件管理员",
            "三方客户端",
        ],
    );
    let [en, zh] = told(&world, "gmail", &[("LOGIN", "NO [ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)")], "").await;
    holds(&en, &["wants an app password", "1. Open myaccount.google.com/security", "2. "]);
    holds(&zh, &["要求应用专用密码", "1. 打开 myaccount.google.com/security", "2. "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_user_that_may_not_is_told_what_is_missing() {
    let world = world().await;
    let more = "master_user = \"mailbell\"\nmaster_password = \"hunter2\"\n";
    const REFUSED: Script = &[("AUTHENTICATE", "NO [AUTHORIZATIONFAILED] not yours")];
    let [en, zh] = told(&world, "dovecot", REFUSED, &format!("{more}auth = \"plain\"\n")).await;
    holds(
        &en,
        &[
            "may not open this mailbox",
            "so that Dovecot takes a master user",
            "1. Add a passdb with master = yes",
            "3. ",
        ],
    );
    holds(&zh, &["无权打开这个邮箱", "接受主用户", "1. 添加一个 master = yes", "3. "]);
    let [en, zh] = told(&world, "cyrus", REFUSED, more).await;
    holds(&en, &["may not open this mailbox", "proxyservers"]);
    holds(&zh, &["无权打开这个邮箱", "proxyservers"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_not_given_or_not_taken_are_told_apart() {
    let world = world().await;
    let expired = r#"{"error": "invalid_client", "error_description": "AADSTS7000222: The provided client secret keys for app 'x' are expired."}"#;
    let more = oauth(token_source("401 Unauthorized", expired).await);
    let [en, zh] = told(&world, "exchange-online", &[], &more).await;
    holds(&en, &["client secret has ended", "Certificates & secrets", "client_secret"]);
    holds(&zh, &["客户端密码已过期", "client_secret"]);
    let more = oauth(token_source("401 Unauthorized", r#"{"error": "unauthorized_client"}"#).await);
    let [en, zh] = told(&world, "gmail", &[], &more).await;
    holds(
        &en,
        &[
            "has not allowed this app",
            "so that Gmail / Google Workspace takes tokens",
            "1. ",
            "Manage Domain Wide Delegation",
        ],
    );
    holds(&zh, &["没有授权这个应用", "接受令牌", "1. ", "管理全网域授权"]);
    let token = r#"{"access_token": "hunter2-token", "token_type": "Bearer", "expires_in": 3600}"#;
    let more = oauth(token_source("200 OK", token).await);
    let [en, zh] = told(&world, "exchange-online", &[("AUTHENTICATE", "NO AUTHENTICATE failed.")], &more).await;
    holds(
        &en,
        &[
            "does not take the token",
            "1. ",
            "IMAP.AccessAsApp",
            "New-ServicePrincipal",
            "6. For each mailbox: Add-MailboxPermission",
            "IMAP is on",
        ],
    );
    holds(
        &zh,
        &[
            "不接受用此令牌",
            "1. ",
            "IMAP.AccessAsApp",
            "New-ServicePrincipal",
            "6. 对每个邮箱执行 Add-MailboxPermission",
            "开启了 IMAP",
        ],
    );
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let [en, zh] = told(&world, "exchange-online", &[], &oauth(closed)).await;
    holds(&en, &["token source does not answer"]);
    holds(&zh, &["令牌服务没有应答"]);
    assert!(!en.contains("1. ") && !zh.contains("1. "), "{en}{zh}");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_faults_of_servers_are_told_from_wrong_passwords() {
    let world = world().await;
    const LIMIT: Script =
        &[("LOGIN", "NO [LIMIT] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)")];
    let [en, zh] = told(&world, "dovecot", LIMIT, "").await;
    holds(&en, &["as many connections as the server allows", "1. Lower [limits] connections_per_account"]);
    holds(&zh, &["连接数已到服务器的上限", "1. 把 [limits] connections_per_account"]);
    const CONNECTED: Script = &[("LOGIN", "BAD User is authenticated but not connected.")];
    let [en, zh] = told(&world, "exchange", CONNECTED, "").await;
    holds(&en, &["password or token is right", "1. Mostly the mailbox has too many connections", "2. "]);
    holds(&zh, &["密码或令牌没有错", "1. 多半是该邮箱连接过多", "2. "]);
    const BUSY: Script = &[("LOGIN", "NO [UNAVAILABLE] Temporary authentication failure.")];
    let [en, zh] = told(&world, "dovecot", BUSY, "").await;
    holds(&en, &["a fault of its own"]);
    holds(&zh, &["服务器自身出了故障"]);
    assert!(!en.contains("1. ") && !zh.contains("1. "), "{en}{zh}");
    let [en, zh] = told(&world, "corp", &[("LOGIN", "hang up")], "").await;
    holds(&en, &["connection broke", "1. Check that port and tls fit", "2. ", "3. "]);
    holds(&zh, &["连接中途断开", "1. 核对 port 和 tls", "2. ", "3. "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_without_starttls_is_told_before_any_password() {
    let world = world().await;
    let port = server(&[("STARTTLS", "BAD unknown command"), ("LOGIN", "OK you fell for it")]).await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    let (wecom, accounts) = text.split_once("[provider.test]").unwrap();
    let accounts = accounts.split_once("[[account]]").unwrap().1;
    let section = format!("[provider.test]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"starttls\"\n");
    std::fs::write(&world.file, format!("{wecom}{section}[[account]]{accounts}")).unwrap();
    for (lang, words) in [
        ("en", ["does not offer STARTTLS", "1. Write port = 993", "2. Check that port and tls fit"]),
        ("zh-CN", ["不提供 STARTTLS", "1. 改写 port = 993", "2. 核对 port 和 tls"]),
    ] {
        let out = world.command(&["check", "--lang", lang]).output().unwrap();
        assert_eq!(out.status.code(), Some(1));
        holds(&String::from_utf8(out.stdout).unwrap(), &words);
    }
}
