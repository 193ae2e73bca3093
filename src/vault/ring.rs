//! The keyring: the wrapped data keys, as a file of JSON lines that is written whole.

use super::key::{Key, MasterKey, random};
use super::{KeyId, VaultError};
use crate::model::AccountId;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The version of the file's form.
const FORM: u32 = 1;

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    mailbell_keyring: u32,
    /// The id of the master key.
    master: String,
    /// The master key's seal over nothing but this file's form: it tells a wrong key where there is no data key.
    proof: String,
}

/// One more line: a data key.
#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    account: String,
    wrapped: String,
}

/// See the module's text.
#[derive(Clone, Default)]
pub(super) struct Ring {
    /// The id of the master key that wraps them.
    pub(super) master: String,
    proof: Vec<u8>,
    keys: HashMap<KeyId, (AccountId, Vec<u8>)>,
}

/// What a data key is wrapped about.
pub(super) fn about(account: &AccountId, id: KeyId) -> Vec<u8> {
    [b"mailbell data key\0".as_slice(), account.0.as_bytes(), &[0], &id.0].concat()
}

const PROOF: &[u8] = b"mailbell keyring";

impl Ring {
    /// Without keys.
    pub(super) fn new(master: &MasterKey) -> Self {
        let proof = master.key().seal(&[], PROOF).unwrap_or_default();
        Self { master: master.id(), proof, keys: HashMap::new() }
    }

    /// What lies in a file; `None`: nothing does.
    pub(super) fn read(file: &Path) -> Result<Option<Self>, VaultError> {
        let failed = |why: String| VaultError::File { what: file.to_owned(), why };
        let mut text = String::new();
        match File::open(file) {
            Ok(mut open) => open.read_to_string(&mut text).map_err(|error| failed(error.to_string()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error.to_string())),
        };
        let broken = |line: usize| {
            failed(format!(
                "line {line} is no line of a keyring; restore the file from its own backup, or move it away and set the passwords anew"
            ))
        };
        let mut lines = text.lines();
        let head: Head = lines.next().and_then(|line| serde_json::from_str(line).ok()).ok_or_else(|| broken(1))?;
        if head.mailbell_keyring != FORM {
            return Err(failed("written by a newer mailbell; use that one".to_owned()));
        }
        let proof = STANDARD.decode(&head.proof).map_err(|_| broken(1))?;
        let mut ring = Self { master: head.master, proof, keys: HashMap::new() };
        for (at, line) in lines.enumerate() {
            let (id, key) = read_line(line).ok_or_else(|| broken(at + 2))?;
            ring.keys.insert(id, key);
        }
        Ok(Some(ring))
    }

    /// Whether this master key really is the one that it was made with.
    pub(super) fn verify(&self, file: &Path, master: &MasterKey) -> Result<(), VaultError> {
        let why = || {
            VaultError::File {
            what: file.to_owned(),
            why: "the first line was changed: it does not open with the master key that it names; restore the file from its own backup".to_owned(),
        }
        };
        master.key().open(&self.proof, PROOF).map(drop).ok_or_else(why)
    }

    /// Writes it in the place of the one that is there, which is written over with zeros.
    pub(super) fn write(&self, file: &Path) -> Result<(), VaultError> {
        self.replace(file).map_err(|error| VaultError::File { what: file.to_owned(), why: error.to_string() })
    }

    fn replace(&self, file: &Path) -> std::io::Result<()> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let growing = file.with_file_name(format!("{name}.new"));
        let out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&growing)?;
        let mut out = BufWriter::new(out);
        let head = Head { mailbell_keyring: FORM, master: self.master.clone(), proof: STANDARD.encode(&self.proof) };
        serde_json::to_writer(&mut out, &head)?;
        out.write_all(b"\n")?;
        let mut keys: Vec<_> = self.keys.iter().collect();
        keys.sort_by(|a, b| (&a.1.0, a.0).cmp(&(&b.1.0, b.0)));
        for (id, (account, wrapped)) in keys {
            let line = Line { key: id.text(), account: account.to_string(), wrapped: STANDARD.encode(wrapped) };
            serde_json::to_writer(&mut out, &line)?;
            out.write_all(b"\n")?;
        }
        out.into_inner().map_err(|error| error.into_error())?.sync_all()?;
        let former = OpenOptions::new().write(true).open(file).ok();
        std::fs::rename(&growing, file)?;
        File::open(folder)?.sync_all()?;
        // The new one is in force. That the old one stays readable on the disk is of no use to anybody, and no reason to fail.
        if let Some(former) = former {
            let _ = wipe(former);
        }
        Ok(())
    }

    /// One more data key.
    pub(super) fn add(&mut self, account: &AccountId, master: &MasterKey) -> Result<(KeyId, Key), VaultError> {
        let mut id = [0; 16];
        random(&mut id)?;
        let (id, data) = (KeyId(id), Key::random()?);
        let wrapped = master.key().seal(data.bytes(), &about(account, id))?;
        self.keys.insert(id, (account.clone(), wrapped));
        Ok((id, data))
    }

    pub(super) fn remove(&mut self, ids: &[KeyId]) -> usize {
        ids.iter().filter(|id| self.keys.remove(id).is_some()).count()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys.keys().copied()
    }

    /// The wrapped key of this id, if it is this account's.
    pub(super) fn wrapped(&self, account: &AccountId, id: KeyId) -> Option<&[u8]> {
        self.keys.get(&id).filter(|(whose, _)| whose == account).map(|(_, wrapped)| wrapped.as_slice())
    }

    /// The same keys, wrapped by another master key.
    pub(super) fn wrapped_by(&self, file: &Path, former: &MasterKey, master: &MasterKey) -> Result<Self, VaultError> {
        self.verify(file, former)?;
        let mut fresh = Self::new(master);
        for (id, (account, wrapped)) in &self.keys {
            let about = about(account, *id);
            // One that does not open is lost already, and no reason to keep the others under a key that is to go.
            let Some(data) = former.key().open(wrapped, &about).and_then(|bytes| Key::of(&bytes)) else { continue };
            fresh.keys.insert(*id, (account.clone(), master.key().seal(data.bytes(), &about)?));
        }
        Ok(fresh)
    }
}

fn read_line(line: &str) -> Option<(KeyId, (AccountId, Vec<u8>))> {
    let line: Line = serde_json::from_str(line).ok()?;
    Some((KeyId::parse(&line.key)?, (AccountId(line.account.into()), STANDARD.decode(&line.wrapped).ok()?)))
}

/// Writes zeros over a file whose name is gone.
fn wipe(mut file: File) -> std::io::Result<()> {
    let mut left = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    let zeros = [0; 8192];
    while left > 0 {
        let now = usize::try_from(left).unwrap_or(zeros.len()).min(zeros.len());
        file.write_all(zeros.get(..now).unwrap_or_default())?;
        left -= now as u64;
    }
    file.sync_all()
}
