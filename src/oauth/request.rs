//! One request for a token, and what its answer means. Client credentials go into the form (RFC 6749 2.3.1), as Microsoft's
//! and Google's documentation show it.

use super::http::{Answer, Http};
use super::jwt::{Claims, assertion};
use crate::config::{Oauth, OauthFlow};
use crate::imap::TokenTrouble;
use crate::model::{Secret, Timestamp};
use crate::tls::Rs256;
use std::time::Duration;
use zeroize::Zeroizing;

/// RFC 7523 2.1.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Words of a source are cut here.
const MOST_CHARS: usize = 300;

/// A token as it came.
pub(super) struct Fresh {
    pub(super) token: Secret,
    /// `expires_in`, where it is told.
    pub(super) life: Option<Duration>,
    /// A refresh token in place of the one that was used.
    pub(super) refresh_token: Option<Secret>,
}

/// A request that gave no token.
pub(super) struct Failure {
    pub(super) trouble: TokenTrouble,
    /// Whether every account of the source would get the same answer.
    pub(super) of_source: bool,
    /// The source wants to be left alone for so long.
    pub(super) retry_after: Option<Duration>,
}

/// Asks for a token for `subject`, with this refresh token where the flow has one.
pub(super) async fn fetch(
    http: &Http,
    oauth: &Oauth,
    subject: &str,
    refresh_token: &Secret,
    wall: Timestamp,
) -> Result<Fresh, Failure> {
    let text = |reason: &str| format!("[oauth.{}] {}: {reason}", oauth.name, oauth.token_url.host_str().unwrap_or(""));
    let assertion = Zeroizing::new(match &oauth.flow {
        OauthFlow::ServiceAccount { issuer, key_id, private_key } => {
            let claims =
                Claims { iss: issuer, sub: subject, scope: oauth.scope.as_deref(), aud: oauth.token_url.as_str() };
            Rs256::from_pem(private_key.expose())
                .and_then(|key| assertion(&key, key_id.as_deref(), &claims, wall))
                .map_err(|reason| Failure::refused(text(&format!("key_file: {reason}")), true))?
        }
        _ => String::new(),
    });
    let form = form(oauth, &assertion, refresh_token);
    match http.post(&oauth.token_url, &form).await {
        Ok(answer) => read(&answer, oauth).map_err(|failure| failure.told(&text, &form)),
        Err(reason) => Err(Failure::down(reason, None).told(&text, &form)),
    }
}

/// RFC 6749 4.4.2, RFC 7523 2.1, RFC 6749 6.
fn form<'a>(oauth: &'a Oauth, assertion: &'a str, refresh_token: &'a Secret) -> Vec<(&'static str, &'a str)> {
    let mut form = Vec::new();
    match &oauth.flow {
        OauthFlow::ClientCredentials { client_id, client_secret } => {
            form.push(("grant_type", "client_credentials"));
            form.push(("client_id", client_id.as_str()));
            form.push(("client_secret", client_secret.expose()));
        }
        // Its scope stands in the assertion.
        OauthFlow::ServiceAccount { .. } => {
            return vec![("grant_type", JWT_BEARER), ("assertion", assertion)];
        }
        OauthFlow::RefreshToken { client_id, client_secret, .. } => {
            form.push(("grant_type", "refresh_token"));
            form.push(("refresh_token", refresh_token.expose()));
            form.push(("client_id", client_id.as_str()));
            form.extend(client_secret.as_ref().map(|secret| ("client_secret", secret.expose())));
        }
    }
    form.extend(oauth.scope.as_deref().map(|scope| ("scope", scope)));
    form
}

/// RFC 6749 5.1 and 5.2.
fn read(answer: &Answer, oauth: &Oauth) -> Result<Fresh, Failure> {
    let status = answer.status;
    let word = |key: &str| answer.body.as_ref().and_then(|body| body.get(key)).and_then(|value| value.as_str());
    if let Some(error) = word("error") {
        return Err(refusal(answer, error, word("error_description").unwrap_or_default(), &oauth.flow));
    }
    if status == 429 || status >= 500 {
        return Err(Failure::down(format!("HTTP {status}"), answer.retry_after));
    }
    if !(200..300).contains(&status) {
        let reason = format!("HTTP {status}, which is no answer of a token source; is token_url right?");
        return Err(Failure::refused(reason, true));
    }
    let Some(token) = word("access_token") else {
        return Err(Failure::down(format!("HTTP {status} without an access token; is token_url right?"), None));
    };
    // Anything else could not be said in IMAP.
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Failure::down("the access token holds what no token may hold".to_owned(), None));
    }
    if let Some(kind) = word("token_type").filter(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(Failure::refused(format!("the token is of the type {kind}, which IMAP does not know"), true));
    }
    let life = answer.body.as_ref().and_then(|body| body.get("expires_in")).and_then(|life| match life {
        // Some sources write it as text.
        serde_json::Value::String(text) => text.trim().parse().ok(),
        number => number.as_u64().or_else(|| number.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64)),
    });
    Ok(Fresh {
        token: Secret::new(token),
        life: life.map(Duration::from_secs),
        refresh_token: word("refresh_token").filter(|token| !token.is_empty()).map(Secret::new),
    })
}

/// An error in RFC 6749's form.
fn refusal(answer: &Answer, error: &str, description: &str, flow: &OauthFlow) -> Failure {
    let transient = ["temporarily_unavailable", "server_error", "slow_down"].contains(&error);
    if transient || answer.status == 429 || answer.status >= 500 {
        return Failure::down(format!("{error} {description}"), answer.retry_after);
    }
    let hint = match (error, flow) {
        ("invalid_client", _) => "client_id or client_secret is wrong, or the secret has expired",
        ("invalid_grant", OauthFlow::RefreshToken { .. }) => "the refresh token has expired or was revoked",
        ("invalid_grant", OauthFlow::ServiceAccount { .. }) => {
            "the key, the account or this machine's clock is not accepted"
        }
        ("unauthorized_client", _) => "the administrator has not allowed this app to do so",
        ("invalid_scope", _) => "scope is wrong",
        _ => "",
    };
    let mut reason = error.to_owned();
    for (before, part, after) in [(" (", hint, ")"), (": ", description, "")] {
        if !part.is_empty() {
            reason = format!("{reason}{before}{part}{after}");
        }
    }
    // What is wrong with one account's grant says nothing about the others.
    let of_account =
        matches!(flow, OauthFlow::ServiceAccount { .. }) && ["invalid_grant", "access_denied"].contains(&error);
    Failure::refused(reason, !of_account)
}

impl Failure {
    fn refused(reason: String, of_source: bool) -> Self {
        Self { trouble: TokenTrouble::Refused(reason), of_source, retry_after: None }
    }

    fn down(reason: String, retry_after: Option<Duration>) -> Self {
        Self { trouble: TokenTrouble::Down(reason), of_source: true, retry_after }
    }

    /// Told by its source's name, short, on one line, and without anything of the form that is secret: sources repeat
    /// what they were asked.
    fn told(self, text: &dyn Fn(&str) -> String, form: &[(&str, &str)]) -> Self {
        let plain = |reason: &str| {
            let mut reason: String = reason.to_owned();
            for (key, value) in form {
                if ["client_secret", "assertion", "refresh_token"].contains(key) && !value.is_empty() {
                    let coded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
                    reason = reason.replace(value, "<secret>").replace(&coded, "<secret>");
                }
            }
            text(reason.chars().filter(|c| !c.is_control()).take(MOST_CHARS).collect::<String>().trim())
        };
        let trouble = match &self.trouble {
            TokenTrouble::Refused(reason) => TokenTrouble::Refused(plain(reason)),
            TokenTrouble::Down(reason) => TokenTrouble::Down(plain(reason)),
        };
        Self { trouble, ..self }
    }
}
