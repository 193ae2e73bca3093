//! From a fresh connection to a logged-in one: greeting, STARTTLS, the login, ID, capabilities.

use super::dial::Dial;
use super::error::ImapError;
use super::login_trouble::LoginTrouble;
use super::sasl::{AccessToken, Bearer, Exchange, TokenTrouble, authenticate};
use super::wire::{Event, Wire, Word, argument};
use crate::config::{Account, Auth, Credential, Imap, Tls};
use crate::model::Secret;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// What a server calls itself able to do, in upper case.
pub(super) type Capabilities = Vec<String>;

/// RFC 2971: quoted pairs in one list, at most 30 of them. NetEase and Coremail refuse every mailbox before it
/// ("Unsafe Login", imap-servers A.3).
const ID: &str = concat!(
    "(\"name\" \"mailbell\" \"version\" \"",
    env!("CARGO_PKG_VERSION"),
    "\" \"vendor\" \"mailbell\" \"support-email\" \"postmaster@localhost\")"
);

/// Time-outs of a command within which a login is done, all its commands together: its place is another account's, too.
const LOGIN_TIMEOUTS: u32 = 2;

/// A logged-in connection.
pub(super) struct Opened {
    pub(super) wire: Wire,
    /// Those after login.
    pub(super) capabilities: Capabilities,
    /// When the access token ends that it was opened with, where that is known.
    pub(super) expires_at: Option<Instant>,
}

/// Connects and logs in. A refused access token is replaced once, over a new connection: some servers close theirs
/// after a failed AUTHENTICATE (imap-servers F.1).
///
/// # Errors
/// See [`ImapError`].
pub(super) async fn open(
    dial: &dyn Dial,
    account: &Account,
    imap: &Imap,
    bearer: Option<&dyn Bearer>,
) -> Result<Opened, ImapError> {
    secrets_are_safe(account)?;
    let opened;
    let account = match &account.credential {
        Credential::Kept(kept) => {
            let password = kept.open().map_err(|why| refused(LoginTrouble::Sealed, &why))?;
            opened = Account { credential: Credential::Password(password), ..account.clone() };
            &opened
        }
        _ => account,
    };
    if !matches!(account.credential, Credential::Oauth(_)) {
        return attempt(dial, account, imap, None).await;
    }
    let bearer = bearer.ok_or_else(|| refused(LoginTrouble::SourceRefused, "there is no source of access tokens"))?;
    // Before the connection: a server gives little time to log in, and has nothing to do with a source that is down.
    let token = bearer.token(account).await.map_err(no_token)?;
    let first = attempt(dial, account, imap, Some(&token)).await;
    if !matches!(&first, Err(ImapError::Login { trouble: LoginTrouble::TokenRefused, .. })) {
        return first;
    }
    match bearer.instead_of(account, &token).await.map_err(no_token)? {
        Some(fresh) => attempt(dial, account, imap, Some(&fresh)).await,
        None => first,
    }
}

fn no_token(trouble: TokenTrouble) -> ImapError {
    match trouble {
        TokenTrouble::Refused(text) => ImapError::Login { trouble: LoginTrouble::SourceRefused, text },
        TokenTrouble::Down(text) => ImapError::Login { trouble: LoginTrouble::SourceDown, text },
    }
}

fn refused(trouble: LoginTrouble, text: &str) -> ImapError {
    ImapError::Login { trouble, text: text.to_owned() }
}

/// The second guard behind the config's: no secret goes over a connection without TLS but on the machine itself.
fn secrets_are_safe(account: &Account) -> Result<(), ImapError> {
    let server = &account.provider.server;
    let loopback = server.host.eq_ignore_ascii_case("localhost")
        || server.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if server.tls != Tls::None || loopback {
        return Ok(());
    }
    Err(refused(LoginTrouble::Disabled, "tls = \"none\" is for this machine alone: no secret is sent without TLS"))
}

/// One try, from the connection to the capabilities behind the login.
async fn attempt(
    dial: &dyn Dial,
    account: &Account,
    imap: &Imap,
    token: Option<&AccessToken>,
) -> Result<Opened, ImapError> {
    let proof = proof(account, token)?;
    let expires_at = token.and_then(|t| t.lives_for).and_then(|life| Instant::now().checked_add(life));
    let limit = imap.connect_timeout;
    let connected = timeout(limit, greet(dial, account, imap)).await;
    let greeted = connected.map_err(|_| ImapError::Timeout { step: "connecting", limit })??;
    let limit = imap.command_timeout * LOGIN_TIMEOUTS;
    let logged_in = timeout(limit, log_in(greeted, account, &proof)).await;
    let (wire, capabilities) = logged_in.map_err(|_| ImapError::Timeout { step: "the login", limit })??;
    Ok(Opened { wire, capabilities, expires_at })
}

/// From the greeting to the capabilities behind the login.
async fn log_in(
    (mut wire, preauth, greeting): (Wire, bool, Option<Capabilities>),
    account: &Account,
    proof: &Proof,
) -> Result<(Wire, Capabilities), ImapError> {
    let before = match greeting {
        Some(capabilities) => capabilities,
        None => capabilities(&mut wire).await?,
    };
    if !preauth {
        if has(&before, "LOGINDISABLED") && !proof.is_offered(&before, account.provider.server.tls) {
            return Err(refused(
                LoginTrouble::Disabled,
                "the server announces LOGINDISABLED: it takes no password on this connection",
            ));
        }
        proof.give(&mut wire, &before).await?;
    }
    let mut after = capabilities(&mut wire).await?;
    if has(&before, "ID") || has(&after, "ID") {
        // A server may answer NO or BAD to ID and be well otherwise (imap-servers G.11).
        match wire.run("ID", ID.as_bytes(), &mut |_| {}).await {
            Err(error) if !error.is_answer() => return Err(error),
            _ => {}
        }
    }
    if after.is_empty() {
        after = before;
    }
    Ok((wire, after))
}

/// Connects, reads the greeting and protects the connection.
async fn greet(
    dial: &dyn Dial,
    account: &Account,
    imap: &Imap,
) -> Result<(Wire, bool, Option<Capabilities>), ImapError> {
    let server = &account.provider.server;
    let stream = dial.dial(server).await?;
    let mut wire = Wire::new(stream, imap.command_timeout);
    let (mut preauth, mut offered) = (false, None);
    match wire.next_in_time("the greeting").await? {
        Event::Status(Word::PreAuth) => preauth = true,
        Event::Status(Word::Ok) => {}
        Event::Capabilities(list) => offered = Some(list),
        Event::Bye(text) => return Err(greeting_bye(text)),
        _ => return Err(ImapError::Protocol("the server's greeting is no IMAP greeting".to_owned())),
    }
    if server.tls == Tls::Starttls {
        if preauth {
            return Err(ImapError::Protocol("the server greets with PREAUTH, so TLS cannot be started".to_owned()));
        }
        // Sent whatever the capabilities say: a man in the middle can take STARTTLS out of the list, and then the
        // refusal must end the connection.
        wire.run("STARTTLS", b"", &mut |_| {}).await.map_err(|error| match error {
            ImapError::No { text, .. } | ImapError::Bad { text, .. } => {
                ImapError::Protocol(format!("the server refuses STARTTLS: {text}"))
            }
            other => other,
        })?;
        let plain = wire.into_stream()?;
        let protected = dial.protect(plain, server).await?;
        wire = Wire::new(protected, imap.command_timeout);
        offered = None;
    }
    Ok((wire, preauth, offered))
}

/// A BYE in place of a greeting: mostly a limit on connections.
fn greeting_bye(text: String) -> ImapError {
    match LoginTrouble::of(&text) {
        LoginTrouble::Refused => ImapError::Bye(text),
        trouble => ImapError::Login { trouble, text },
    }
}

/// What is said to log in.
enum Proof {
    /// LOGIN (RFC 3501 6.2.3): works on every server seen, also where AUTHENTICATE PLAIN does not (imap-servers F.1).
    Login { name: String, password: Secret },
    /// AUTHENTICATE.
    Sasl(Exchange),
}

/// What this account says.
///
/// # Errors
/// What cannot be said; nothing was sent then.
fn proof(account: &Account, token: Option<&AccessToken>) -> Result<Proof, ImapError> {
    let (login, server) = (account.login.as_str(), &account.provider.server);
    let proof = match (account.auth, &account.credential, token) {
        (Auth::Login, Credential::Password(password), _) => {
            Proof::Login { name: login.to_owned(), password: password.clone() }
        }
        // Dovecot's master users (imap-servers F.6); the separator is the one of its documentation.
        (Auth::Login, Credential::Master { user, password }, _) => {
            Proof::Login { name: format!("{login}*{user}"), password: password.clone() }
        }
        (Auth::Plain, Credential::Password(password), _) => Proof::Sasl(Exchange::plain("", login, password)),
        (Auth::Plain, Credential::Master { user, password }, _) => Proof::Sasl(Exchange::plain(login, user, password)),
        (Auth::Xoauth2, Credential::Oauth(_), Some(token)) => Proof::Sasl(Exchange::xoauth2(login, &token.token)),
        (Auth::Oauthbearer, Credential::Oauth(_), Some(token)) => {
            Proof::Sasl(Exchange::oauthbearer(login, &server.host, server.port, &token.token))
        }
        // Opened before the connection.
        (Auth::Login | Auth::Plain, Credential::Kept(_), _) => {
            return Err(refused(LoginTrouble::Sealed, "the password was not opened"));
        }
        (Auth::Login | Auth::Plain, Credential::Oauth(_), _) => {
            return Err(refused(LoginTrouble::Disabled, "auth = \"login\" and \"plain\" need a password, not oauth"));
        }
        (Auth::Xoauth2 | Auth::Oauthbearer, ..) => {
            return Err(refused(LoginTrouble::Disabled, "auth = \"xoauth2\" and \"oauthbearer\" need oauth"));
        }
    };
    let bad = |text: &str| text.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0));
    // The messages of OAuth have 0x01 between their parts.
    let bad_token = token.is_some() && (login.contains('\x01') || token.is_some_and(|t| !is_bearer(t.token.expose())));
    let (user, password) = match &account.credential {
        Credential::Password(password) => ("", password.expose()),
        Credential::Master { user, password } => (user.as_str(), password.expose()),
        Credential::Oauth(_) | Credential::Kept(_) => ("", ""),
    };
    if bad_token || [login, user, password].into_iter().any(bad) {
        let trouble = if token.is_some() { LoginTrouble::SourceRefused } else { LoginTrouble::WrongPassword };
        return Err(refused(
            trouble,
            "the login name or the secret holds a line break, NUL or what else cannot be sent",
        ));
    }
    Ok(proof)
}

/// Visible ASCII (RFC 6750 2.1 allows still less).
fn is_bearer(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic())
}

impl Proof {
    /// Whether the server takes it in spite of LOGINDISABLED: a mechanism that it names, over TLS.
    fn is_offered(&self, capabilities: &[String], tls: Tls) -> bool {
        match self {
            Self::Login { .. } => false,
            Self::Sasl(exchange) => tls != Tls::None && has(capabilities, &format!("AUTH={}", exchange.mechanism)),
        }
    }

    /// Says it.
    async fn give(&self, wire: &mut Wire, offered: &[String]) -> Result<(), ImapError> {
        let answer = match self {
            Self::Login { name, password } => {
                let mut parts = Vec::new();
                argument(&mut parts, name.as_bytes());
                argument(&mut parts, password.expose().as_bytes());
                wire.run_parts("LOGIN", &parts, &mut |_| {}).await.map(drop)
            }
            Self::Sasl(exchange) => authenticate(wire, exchange).await,
        };
        // Some servers and proxies say back what they were told.
        let answer = answer.map_err(|error| match error {
            ImapError::No { command, text } => ImapError::No { command, text: self.without_secret(text) },
            ImapError::Bad { command, text } => ImapError::Bad { command, text: self.without_secret(text) },
            ImapError::Bye(text) => ImapError::Bye(self.without_secret(text)),
            other => other,
        });
        match answer {
            Err(ImapError::No { text, .. } | ImapError::Bad { text, .. }) => {
                Err(ImapError::Login { trouble: self.trouble(&text), text: self.with_offer(text, offered) })
            }
            // Some servers close the connection instead of an answer (imap-servers F.1).
            Err(ImapError::Bye(text)) => Err(match LoginTrouble::of(&text) {
                LoginTrouble::Refused => ImapError::Bye(text),
                _ => ImapError::Login { trouble: self.trouble(&text), text },
            }),
            other => other,
        }
    }

    /// The server's words without what only we may know.
    fn without_secret(&self, text: String) -> String {
        let secrets = match self {
            Self::Login { password, .. } => vec![password.clone()],
            Self::Sasl(exchange) => exchange.secrets(),
        };
        // A very short one would take words apart, and tells nothing that is not guessed at once.
        let long = secrets.iter().filter(|secret| secret.expose().len() >= 4);
        long.fold(text, |text, secret| text.replace(secret.expose(), "<secret>"))
    }

    fn trouble(&self, text: &str) -> LoginTrouble {
        match self {
            Self::Sasl(exchange) if exchange.mechanism != "PLAIN" => LoginTrouble::of_token(text),
            _ => LoginTrouble::of(text),
        }
    }

    /// The server's words and, where it did not announce the mechanism, those that it announced.
    fn with_offer(&self, text: String, offered: &[String]) -> String {
        let Self::Sasl(exchange) = self else { return text };
        let offered: Vec<_> = offered.iter().filter_map(|c| c.strip_prefix("AUTH=")).collect();
        if offered.is_empty() || offered.contains(&exchange.mechanism) {
            return text;
        }
        format!("{text} ({} is not among what the server offers: {})", exchange.mechanism, offered.join(", "))
    }
}

async fn capabilities(wire: &mut Wire) -> Result<Capabilities, ImapError> {
    let mut list = Vec::new();
    let asked = wire
        .run("CAPABILITY", b"", &mut |event| {
            if let Event::Capabilities(found) = event {
                list = found;
            }
        })
        .await;
    match asked {
        Err(error) if !error.is_answer() => Err(error),
        _ => Ok(list),
    }
}

/// Whether a capability is in the list.
pub(super) fn has(capabilities: &[String], name: &str) -> bool {
    capabilities.iter().any(|c| c == name)
}

/// How long LOGOUT may take before the connection is just dropped.
pub(super) const LOGOUT_TIMEOUT: Duration = Duration::from_secs(1);
