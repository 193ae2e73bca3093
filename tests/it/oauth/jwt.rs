//! A judge of JWTs that shares no code with the one who makes them, and a maker for Dovecot's tests.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mailbell::tls::Rs256;
use serde_json::Value;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::alg_id;

/// A key of these tests alone, in PKCS #8 and in PKCS #1 form, and its public half.
pub const KEY: &str = include_str!("key.pem");
pub const KEY_PKCS1: &str = include_str!("key_pkcs1.pem");
pub const PUBLIC: &str = include_str!("public.pem");
const PUBLIC_PKCS1: &str = include_str!("public_pkcs1.pem");

/// Header and claims, if the signature is right.
pub fn verified(token: &str) -> (Value, Value) {
    let parts: Vec<_> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "{token}");
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url without padding (RFC 7515 2)");
    let key: String = PUBLIC_PKCS1.lines().filter(|line| !line.starts_with('-')).collect();
    let key = STANDARD.decode(key).unwrap();
    let signed = format!("{}.{}", parts[0], parts[1]);
    let algorithms = default_provider().signature_verification_algorithms.all;
    let algorithm = algorithms
        .iter()
        .find(|a| a.signature_alg_id() == alg_id::RSA_PKCS1_SHA256)
        .expect("RSA with PKCS #1 v1.5 and SHA-256");
    algorithm.verify_signature(&key, signed.as_bytes(), &bytes(parts[2])).expect("a signature by the key");
    let json = |part: &str| serde_json::from_slice(&bytes(part)).unwrap();
    (json(parts[0]), json(parts[1]))
}

/// An access token as an identity provider would sign it.
pub fn signed(claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&serde_json::json!({"alg": "RS256", "typ": "JWT"})), encode(claims));
    let signature = Rs256::from_pem(KEY).unwrap().sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
