//! AUTHENTICATE (RFC 3501 6.2.2) with PLAIN, XOAUTH2 and OAUTHBEARER, and the face of whoever gives access tokens.
//!
//! The first message always waits for the server's `+`: an initial response (RFC 4959) is never needed, and NetEase and
//! Coremail break on it although they announce it (imap-servers A.3).

use super::error::ImapError;
use super::wire::{Event, Wire, Word};
use crate::config::Account;
use crate::model::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use std::time::Duration;
use zeroize::Zeroizing;

/// An access token and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The token.
    pub token: Secret,
    /// How long it lives from now on, where its source tells.
    pub lives_for: Option<Duration>,
    /// Two tokens of one source with the same number are the same token.
    pub generation: u64,
}

/// Why there is no access token. The words hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenTrouble {
    /// The source says no: asking again soon is in vain.
    #[error("{0}")]
    Refused(String),
    /// The source cannot be reached, or is out of order.
    #[error("{0}")]
    Down(String),
}

/// Gives access tokens for accounts that log in with them.
pub trait Bearer: Send + Sync {
    /// A token for this account.
    ///
    /// # Errors
    /// See [`TokenTrouble`].
    fn token<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Result<AccessToken, TokenTrouble>>;

    /// The mail server has refused this token: another one, or `None` where the source would only give the same, or was
    /// asked too lately for the token to be at fault.
    ///
    /// # Errors
    /// See [`TokenTrouble`].
    fn instead_of<'a>(
        &'a self,
        account: &'a Account,
        refused: &'a AccessToken,
    ) -> BoxFuture<'a, Result<Option<AccessToken>, TokenTrouble>>;
}

/// One mechanism with its one message.
pub(super) struct Exchange {
    /// Its name, as `AUTH=` announces it.
    pub(super) mechanism: &'static str,
    message: Zeroizing<Vec<u8>>,
    /// What is said to a second `+`, in base64 already: these mechanisms have one message, so that is an error.
    to_challenge: &'static str,
}

impl Exchange {
    /// What a server must not say back to anybody else: the message as it was said, and the secret in it.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let last = self.message.rsplit(|byte| *byte == 0 || *byte == 1).find(|part| !part.is_empty());
        let last = last.map(|part| String::from_utf8_lossy(part).trim_start_matches("auth=Bearer ").to_owned());
        [Some(STANDARD.encode(self.message.as_slice())), last].into_iter().flatten().map(Secret::new).collect()
    }

    /// RFC 4616: `authzid NUL authcid NUL password`; an empty `authzid` means the user who proves to be one.
    pub(super) fn plain(authzid: &str, authcid: &str, password: &Secret) -> Self {
        let parts = [authzid, "\0", authcid, "\0", password.expose()];
        // `*` cancels (RFC 3501 6.2.2).
        Self::new("PLAIN", &parts, "*")
    }

    /// Google's and Microsoft's own (imap-servers F.2); an error comes as a challenge and is answered by an empty line.
    pub(super) fn xoauth2(user: &str, token: &Secret) -> Self {
        Self::new("XOAUTH2", &["user=", user, "\x01auth=Bearer ", token.expose(), "\x01\x01"], "")
    }

    /// RFC 7628 3.1, with the host and port that the connection really went to; an error comes as a challenge and is
    /// answered by a single 0x01 (3.2.3).
    pub(super) fn oauthbearer(user: &str, host: &str, port: u16, token: &Secret) -> Self {
        // saslname (RFC 5801 4)
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let port = port.to_string();
        let parts =
            ["n,a=", &user, ",\x01host=", host, "\x01port=", &port, "\x01auth=Bearer ", token.expose(), "\x01\x01"];
        Self::new("OAUTHBEARER", &parts, "AQ==")
    }

    fn new(mechanism: &'static str, parts: &[&str], to_challenge: &'static str) -> Self {
        Self { mechanism, message: Zeroizing::new(parts.concat().into_bytes()), to_challenge }
    }
}

/// Runs AUTHENTICATE to its completion.
///
/// # Errors
/// `No` and `Bad` as the server's verdict, with what its error challenge said; all others end the session.
pub(super) async fn authenticate(wire: &mut Wire, exchange: &Exchange) -> Result<(), ImapError> {
    const NAME: &str = "AUTHENTICATE";
    let tag = wire.start(NAME, exchange.mechanism.as_bytes()).await?;
    let (mut asked, mut challenge) = (0, None);
    loop {
        match wire.next_in_time(NAME).await? {
            Event::Continue => {
                asked += 1;
                match asked {
                    // Whatever stands behind the first `+`, a bare one included (imap-servers A.3).
                    1 => {
                        let line = Zeroizing::new(STANDARD.encode(&*exchange.message));
                        wire.write_line(NAME, line.as_bytes()).await?;
                    }
                    2 => {
                        challenge = told(&wire.continuation);
                        wire.write_line(NAME, exchange.to_challenge.as_bytes()).await?;
                    }
                    _ => return Err(ImapError::Protocol("the server asks on and on in AUTHENTICATE".to_owned())),
                }
            }
            Event::Done { tag: done, status, text } if done == tag => {
                let text = match challenge {
                    Some(told) if text.is_empty() => told,
                    Some(told) => format!("{text} ({told})"),
                    None => text,
                };
                return match status {
                    // An OK before the message is no answer to it.
                    Word::Ok if asked > 0 => Ok(()),
                    Word::No => Err(ImapError::No { command: NAME, text }),
                    _ => Err(ImapError::Bad { command: NAME, text }),
                };
            }
            _ => {}
        }
    }
}

/// What an error challenge says: JSON with `status`, and perhaps `scope` (RFC 7628 3.2.2; imap-servers F.2).
fn told(challenge: &str) -> Option<String> {
    let bytes = STANDARD.decode(challenge.trim()).ok()?;
    let json: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let words = |key: &str| {
        let text = match json.get(key)? {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let text: String = text.chars().filter(|c| !c.is_control()).take(100).collect();
        (!text.is_empty()).then_some(text)
    };
    let parts: Vec<_> =
        ["status", "scope"].into_iter().filter_map(|key| words(key).map(|w| format!("{key} {w}"))).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(exchange: &Exchange) -> String {
        String::from_utf8(exchange.message.to_vec()).unwrap_or_default()
    }

    #[test]
    fn messages_are_as_their_documents_show_them() {
        let secret = |s: &str| Secret::new(s);
        // RFC 4616 4
        assert_eq!(text(&Exchange::plain("", "tim", &secret("tanstaaftanstaaf"))), "\0tim\0tanstaaftanstaaf");
        assert_eq!(text(&Exchange::plain("Ursel", "Kurt", &secret("xipj3plmq"))), "Ursel\0Kurt\0xipj3plmq");
        // RFC 7628 4.1
        assert_eq!(
            text(&Exchange::oauthbearer(
                "user@example.com",
                "server.example.com",
                143,
                &secret("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==")
            )),
            "n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
        );
        assert!(text(&Exchange::oauthbearer("a,b=c", "h", 993, &secret("t"))).starts_with("n,a=a=2Cb=3Dc,\x01"));
        // Microsoft, "Authenticate an IMAP, POP or SMTP connection using OAuth"
        assert_eq!(
            text(&Exchange::xoauth2(
                "test@contoso.onmicrosoft.com",
                &secret("EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA")
            )),
            "user=test@contoso.onmicrosoft.com\x01auth=Bearer EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA\x01\x01"
        );
    }

    #[test]
    fn challenges_are_told_and_garbage_is_not() {
        let of = |json: &str| told(&STANDARD.encode(json));
        assert_eq!(
            of(r#"{"status":"invalid_token","schemes":"bearer","scope":"https://mail.google.com/"}"#).as_deref(),
            Some("status invalid_token, scope https://mail.google.com/")
        );
        assert_eq!(of(r#"{"status":400}"#).as_deref(), Some("status 400"));
        assert_eq!(of("{\"status\":\"a\\r\\nb\"}").as_deref(), Some("status ab"));
        assert_eq!(of(&format!(r#"{{"status":"{}"}}"#, "x".repeat(9000))).map(|t| t.len()), Some(107));
        for nothing in
            ["", "*", "go ahead", &STANDARD.encode([0xff, 0xfe]), &STANDARD.encode("[]"), &STANDARD.encode("{}")]
        {
            assert_eq!(told(nothing), None, "{nothing}");
        }
    }
}
