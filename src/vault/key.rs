//! Keys: the master key, and how something is sealed with one.

use super::VaultError;
use crate::model::{Secret, hex};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// XChaCha20's nonce: long enough to be drawn by chance for each message.
const NONCE: usize = 24;

/// The key that the data keys are wrapped with: 32 bytes, wiped when dropped.
#[derive(Clone)]
pub struct MasterKey(Key);

/// 32 bytes that encrypt.
#[derive(Clone)]
pub(super) struct Key(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKey({})", self.id())
    }
}

impl MasterKey {
    /// Reads a master key from its text: 32 bytes in base64 or in hexadecimal digits, with blanks and line ends around.
    ///
    /// # Errors
    /// The text is no such key.
    pub fn parse(text: &Secret) -> Result<Self, VaultError> {
        let text = text.expose().trim();
        let bytes = match text.len() {
            64 => crate::model::unhex(text),
            _ => STANDARD.decode(text).ok(),
        };
        let bytes = Zeroizing::new(bytes.ok_or(VaultError::NoKey)?);
        let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| VaultError::NoKey)?;
        if key.iter().all(|byte| *byte == 0) {
            return Err(VaultError::NoKey);
        }
        Ok(Self(Key(Zeroizing::new(key))))
    }

    /// A new one, as text for a file.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> Result<Secret, VaultError> {
        let key = Key::random()?;
        Ok(Secret::new(STANDARD.encode(key.0.as_slice())))
    }

    /// What names it without telling anything of it.
    pub fn id(&self) -> String {
        let digest = Sha256::digest([b"mailbell master key\0".as_slice(), self.0.0.as_slice()].concat());
        hex(digest.get(..8).unwrap_or_default())
    }

    pub(super) fn key(&self) -> &Key {
        &self.0
    }
}

impl Key {
    pub(super) fn random() -> Result<Self, VaultError> {
        let mut bytes = Zeroizing::new([0; 32]);
        random(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// The key that was wrapped.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Encrypts for this key; `about` is not stored, and must be the same to open it.
    pub(super) fn seal(&self, plain: &[u8], about: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0; NONCE];
        random(&mut nonce)?;
        let cipher = XChaCha20Poly1305::new(self.0.as_slice().try_into().map_err(|_| VaultError::NoKey)?);
        let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: about });
        Ok([nonce.as_slice(), &sealed.map_err(|_| VaultError::NoKey)?].concat())
    }

    /// What was encrypted for this key about the same; `None`: by another key, about something else, or changed since.
    pub(super) fn open(&self, sealed: &[u8], about: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        let cipher = XChaCha20Poly1305::new(self.0.as_slice().try_into().ok()?);
        let plain = cipher.decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: about }).ok()?;
        Some(Zeroizing::new(plain))
    }
}

pub(super) fn random(bytes: &mut [u8]) -> Result<(), VaultError> {
    OsRng
        .try_fill_bytes(bytes)
        .map_err(|error| VaultError::File { what: "/dev/urandom".into(), why: error.to_string() })
}
