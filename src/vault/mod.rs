//! Passwords at rest. Each password is encrypted (XChaCha20-Poly1305) with a data key of its own, and each data key is
//! wrapped by the master key. The encrypted passwords lie in the store, the wrapped keys in a file beside it, the
//! keyring; the master key in neither. So whoever gets one of the three has nothing, and a destroyed data key takes its
//! password with it out of every backup: keyrings are written anew and over the old one, stores are not.
//!
//! Promises:
//! - **V1** A password is never written anywhere unencrypted; in memory it is open for the moment of a login, and wiped.
//! - **V2** [`Vault::destroy`] returns once the keyring on disk is without the keys; what was there was written over.
//! - **V3** The keyring on disk is whole at every moment: a crash leaves the old one or the new one.
//! - **V4** A password opens only for the account that it was sealed for.

mod key;
mod ring;

pub use key::MasterKey;

use crate::model::{AccountId, Lang, Secret, hex, unhex};
use key::Key;
use ring::Ring;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why the vault cannot do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The text is no master key.
    #[error("{}", self.text(Lang::En))]
    NoKey,
    /// The keyring was made with another master key.
    #[error("{}", self.text(Lang::En))]
    WrongKey {
        /// Which file.
        file: PathBuf,
        /// The id of the key that it was made with.
        made_with: String,
        /// The id of the key that was given.
        given: String,
    },
    /// A file cannot be read or written, or is no keyring.
    #[error("{}", self.text(Lang::En))]
    File {
        /// Which file.
        what: PathBuf,
        /// Why, in the system's words.
        why: String,
    },
    /// The keyring has no key for this password, or not the one that it was sealed with.
    #[error("{}", self.text(Lang::En))]
    Lost(AccountId),
}

impl VaultError {
    /// What happened and what to do next.
    pub fn text(&self, lang: Lang) -> String {
        match (self, lang) {
            (Self::NoKey, Lang::ZhCn) => {
                "这不是主密钥：应为 32 字节，写成 base64（44 个字符）或十六进制（64 个字符）；用 mailbell vault new-key 文件 生成一个".to_owned()
            }
            (Self::NoKey, Lang::En) => {
                "this is no master key: it must be 32 bytes, in base64 (44 characters) or hexadecimal (64); make one with: mailbell vault new-key FILE".to_owned()
            }
            (Self::WrongKey { file, made_with, given }, Lang::ZhCn) => format!(
                "{}：密钥环是用另一个主密钥（{made_with}）写成的，现在给出的是 {given}；请在 [vault] master_key 给出原来的主密钥；要更换主密钥，把原来的写进 old_master_key",
                file.display()
            ),
            (Self::WrongKey { file, made_with, given }, Lang::En) => format!(
                "{}: this keyring was made with another master key ({made_with}), the given one is {given}; give the former one as [vault] master_key; to change keys, name the former one in old_master_key",
                file.display()
            ),
            (Self::File { what, why }, Lang::ZhCn) => format!("{}：{why}", what.display()),
            (Self::File { what, why }, Lang::En) => format!("{}: {why}", what.display()),
            (Self::Lost(account), Lang::ZhCn) => format!(
                "密钥环中没有 {account} 的密钥，保存的密码已无法打开；请用 mailbell account set-password {account} 重新设置"
            ),
            (Self::Lost(account), Lang::En) => format!(
                "the keyring has no key for {account}, so its stored password cannot be opened; set it anew: mailbell account set-password {account}"
            ),
        }
    }
}

/// The name of a data key: 16 random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

impl KeyId {
    fn text(self) -> String {
        hex(&self.0)
    }

    fn parse(text: &str) -> Option<Self> {
        Some(Self(unhex(text)?.try_into().ok()?))
    }
}

/// A password as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Its data key's id, in hexadecimal digits.
    key: String,
    /// Nonce and ciphertext.
    sealed: Vec<u8>,
}

impl Sealed {
    /// What differs between any two passwords that were sealed.
    pub fn mark(&self) -> &str {
        &self.key
    }

    /// The data key that opens it.
    pub fn key(&self) -> Option<KeyId> {
        KeyId::parse(&self.key)
    }
}

/// What a keyring is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// How many data keys it has.
    pub keys: usize,
    /// The id of the master key that wraps them.
    pub master: String,
    /// Whether that is the one before the config's.
    pub is_old: bool,
}

/// See the module's text.
pub struct Vault {
    file: PathBuf,
    inner: Mutex<(MasterKey, Ring)>,
}

impl Vault {
    /// Opens the keyring in a file, and makes it if it is not there. One that was made with `old` is wrapped anew.
    /// Answers also whether that was done.
    ///
    /// # Errors
    /// It was made with a third key, or cannot be read or written.
    pub fn open(file: &Path, master: MasterKey, old: Option<&MasterKey>) -> Result<(Self, bool), VaultError> {
        let Some(ring) = Ring::read(file)? else {
            let ring = Ring::new(&master);
            ring.write(file)?;
            return Ok((Self { file: file.to_owned(), inner: Mutex::new((master, ring)) }, false));
        };
        let vault = Self { file: file.to_owned(), inner: Mutex::new((master.clone(), ring)) };
        let rotated = vault.follow(master, old)?;
        Ok((vault, rotated))
    }

    /// Opens a keyring to read passwords alone: the file is not written, whichever of the two keys it was made with.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn reader(file: &Path, master: MasterKey, old: Option<MasterKey>) -> Result<Self, VaultError> {
        let ring = Ring::read(file)?.unwrap_or_else(|| Ring::new(&master));
        let (made_with, given) = (ring.master.clone(), master.id());
        let wrong = || VaultError::WrongKey { file: file.to_owned(), made_with: made_with.clone(), given };
        let key = [Some(master), old].into_iter().flatten().find(|key| key.id() == made_with).ok_or_else(wrong)?;
        ring.verify(file, &key)?;
        Ok(Self { file: file.to_owned(), inner: Mutex::new((key, ring)) })
    }

    /// What a keyring is, without a change to it.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn look(file: &Path, master: &MasterKey, old: Option<&MasterKey>) -> Result<Looked, VaultError> {
        let ring = Ring::read(file)?.unwrap_or_else(|| Ring::new(master));
        let of = [Some(master), old].into_iter().flatten().find(|key| key.id() == ring.master);
        let Some(of) = of else {
            let (made_with, given) = (ring.master.clone(), master.id());
            return Err(VaultError::WrongKey { file: file.to_owned(), made_with, given });
        };
        ring.verify(file, of)?;
        Ok(Looked { keys: ring.ids().count(), is_old: of.id() != master.id(), master: ring.master })
    }

    /// Goes on with this master key; a keyring that was made with `old` is wrapped anew. Whether that was done.
    ///
    /// # Errors
    /// As [`Vault::open`]; then all stays as it was.
    pub fn follow(&self, master: MasterKey, old: Option<&MasterKey>) -> Result<bool, VaultError> {
        let mut inner = self.lock();
        if inner.1.master == master.id() {
            inner.1.verify(&self.file, &master)?;
            inner.0 = master;
            return Ok(false);
        }
        let former = old.filter(|old| old.id() == inner.1.master);
        let Some(former) = former else {
            return Err(VaultError::WrongKey {
                file: self.file.clone(),
                made_with: inner.1.master.clone(),
                given: master.id(),
            });
        };
        let ring = inner.1.wrapped_by(&self.file, former, &master)?;
        ring.write(&self.file)?;
        *inner = (master, ring);
        Ok(true)
    }

    /// Seals passwords, each with a new data key; the keys are durable when this returns.
    ///
    /// # Errors
    /// The keyring cannot be written.
    pub fn seal(&self, passwords: &[(AccountId, Secret)]) -> Result<Vec<Sealed>, VaultError> {
        let mut inner = self.lock();
        let (master, ring) = &mut *inner;
        let mut fresh = ring.clone();
        let mut all = Vec::with_capacity(passwords.len());
        for (account, password) in passwords {
            let (id, data) = fresh.add(account, master)?;
            let sealed = data.seal(password.expose().as_bytes(), &about(account, id))?;
            all.push(Sealed { key: id.text(), sealed });
        }
        fresh.write(&self.file)?;
        *ring = fresh;
        Ok(all)
    }

    /// Opens a password. It is wiped when the answer is dropped.
    ///
    /// # Errors
    /// [`VaultError::Lost`].
    pub fn open_password(&self, account: &AccountId, sealed: &Sealed) -> Result<Secret, VaultError> {
        let lost = || VaultError::Lost(account.clone());
        let inner = self.lock();
        let id = sealed.key().ok_or_else(lost)?;
        let data = inner.1.key(account, id, &inner.0).ok_or_else(lost)?;
        let plain = data.open(&sealed.sealed, &about(account, id)).ok_or_else(lost)?;
        Ok(Secret::new(std::str::from_utf8(&plain).map_err(|_| lost())?))
    }

    /// Destroys data keys: what was sealed with them cannot be opened any more, here or from a backup (V2). Answers how
    /// many there were.
    ///
    /// # Errors
    /// The keyring cannot be written; then the keys are still there.
    pub fn destroy(&self, keys: &[KeyId]) -> Result<usize, VaultError> {
        let mut inner = self.lock();
        let mut fresh = inner.1.clone();
        let gone = fresh.remove(keys);
        if gone > 0 {
            fresh.write(&self.file)?;
            inner.1 = fresh;
        }
        Ok(gone)
    }

    /// Destroys all keys that none of these passwords needs: left by a crash between keyring and store.
    ///
    /// # Errors
    /// As [`Vault::destroy`].
    pub fn keep_only(&self, needed: &std::collections::HashSet<KeyId>) -> Result<usize, VaultError> {
        let spare: Vec<_> = self.lock().1.ids().filter(|id| !needed.contains(id)).collect();
        self.destroy(&spare)
    }

    /// The file of the keyring.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The id of the master key.
    pub fn master_id(&self) -> String {
        self.lock().0.id()
    }

    fn lock(&self) -> MutexGuard<'_, (MasterKey, Ring)> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vault({})", self.file.display())
    }
}

/// What a password is sealed about: it opens for this account and with this key alone.
fn about(account: &AccountId, id: KeyId) -> Vec<u8> {
    [b"mailbell password\0".as_slice(), account.0.as_bytes(), &[0], &id.0].concat()
}

impl Ring {
    /// The data key of this id, if it is this account's.
    fn key(&self, account: &AccountId, id: KeyId, master: &MasterKey) -> Option<Key> {
        let wrapped = self.wrapped(account, id)?;
        Key::of(&master.key().open(wrapped, &ring::about(account, id))?)
    }
}
