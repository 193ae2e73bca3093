//! From a fresh connection to a logged-in one: greeting, STARTTLS, LOGIN, ID, capabilities.

use super::dial::Dial;
use super::error::{ImapError, LoginTrouble};
use super::wire::{Event, Wire, Word, argument};
use crate::config::{Account, Credential, Imap, Tls};
use std::time::Duration;
use tokio::time::timeout;

/// What a server calls itself able to do, in upper case.
pub(super) type Capabilities = Vec<String>;

/// RFC 2971: quoted pairs in one list, at most 30 of them. NetEase and Coremail refuse every mailbox before it
/// ("Unsafe Login", imap-servers A.3).
const ID: &str = concat!(
    "(\"name\" \"mailbell\" \"version\" \"",
    env!("CARGO_PKG_VERSION"),
    "\" \"vendor\" \"mailbell\" \"support-email\" \"postmaster@localhost\")"
);

/// Connects and logs in; the capabilities are those after login.
///
/// # Errors
/// See [`ImapError`].
pub(super) async fn open(dial: &dyn Dial, account: &Account, imap: &Imap) -> Result<(Wire, Capabilities), ImapError> {
    let limit = imap.connect_timeout;
    let connected = timeout(limit, greet(dial, account, imap)).await;
    let (mut wire, preauth, greeting) = connected.map_err(|_| ImapError::Timeout { step: "connecting", limit })??;
    let before = match greeting {
        Some(capabilities) => capabilities,
        None => capabilities(&mut wire).await?,
    };
    if !preauth {
        if has(&before, "LOGINDISABLED") {
            return Err(ImapError::Login {
                trouble: LoginTrouble::Disabled,
                text: "the server announces LOGINDISABLED: it takes no password on this connection".to_owned(),
            });
        }
        login(&mut wire, account).await?;
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

/// LOGIN (RFC 3501 6.2.3): works on every server seen, also where AUTHENTICATE PLAIN does not (imap-servers F.1).
async fn login(wire: &mut Wire, account: &Account) -> Result<(), ImapError> {
    let password = match &account.credential {
        Credential::Password(password) | Credential::Master { password, .. } => password.expose().as_bytes(),
        Credential::Oauth(_) => &[],
    };
    let name = account.login.as_bytes();
    if [name, password].iter().any(|text| text.iter().any(|b| matches!(b, b'\r' | b'\n' | 0))) {
        return Err(ImapError::Login {
            trouble: LoginTrouble::Refused,
            text: "the login name or the password holds a line break or NUL, which IMAP cannot send".to_owned(),
        });
    }
    let mut parts = Vec::new();
    argument(&mut parts, name);
    argument(&mut parts, password);
    match wire.run_parts("LOGIN", &parts, &mut |_| {}).await {
        Ok(_) => Ok(()),
        Err(ImapError::No { text, .. } | ImapError::Bad { text, .. }) => {
            let (trouble, text) = (LoginTrouble::of(&text), text);
            Err(ImapError::Login { trouble, text })
        }
        // Some servers close the connection instead of an answer (imap-servers F.1).
        Err(ImapError::Bye(text)) => Err(greeting_bye(text)),
        Err(other) => Err(other),
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
