//! The assertion of a service account: a JWT (RFC 7519) signed with RS256 (RFC 7518 3.3), with the claims that RFC 7523 3
//! and Google's documentation of server-to-server applications ask for.

use crate::model::Timestamp;
use crate::tls::Rs256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

/// How long an assertion may be used; Google takes at most an hour.
const LIFE_S: i64 = 3600;
/// Issued so long ago: a clock that is a little ahead of the source's must not make it an assertion of the future.
const AGO_S: i64 = 30;

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

/// What an assertion says.
#[derive(Serialize)]
pub(super) struct Claims<'a> {
    /// Who signs.
    pub(super) iss: &'a str,
    /// For whom a token is asked.
    pub(super) sub: &'a str,
    /// What for; Google takes it from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scope: Option<&'a str>,
    /// Who shall take it: the token endpoint.
    pub(super) aud: &'a str,
}

#[derive(Serialize)]
struct Dated<'a> {
    #[serde(flatten)]
    claims: &'a Claims<'a>,
    iat: i64,
    exp: i64,
}

/// The signed assertion, made `now` (time of day).
///
/// # Errors
/// In words, when it cannot be signed.
pub(super) fn assertion(key: &Rs256, kid: Option<&str>, claims: &Claims<'_>, now: Timestamp) -> Result<String, String> {
    let iat = now.0 / 1000 - AGO_S;
    let encode =
        |json: serde_json::Result<Vec<u8>>| json.map(|bytes| URL_SAFE_NO_PAD.encode(bytes)).map_err(|e| e.to_string());
    let header = encode(serde_json::to_vec(&Header { alg: "RS256", typ: "JWT", kid }))?;
    let body = encode(serde_json::to_vec(&Dated { claims, iat, exp: iat + LIFE_S }))?;
    let signed = format!("{header}.{body}");
    let signature = key.sign(signed.as_bytes())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
