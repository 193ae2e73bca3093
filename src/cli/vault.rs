//! `mailbell vault`: the master key and what it locks.

use super::{FAILED, fail, load};
use crate::model::Lang;
use crate::vault::{MasterKey, Vault, VaultError};
use clap::Subcommand;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What was typed after `vault`.
#[derive(Debug, Subcommand)]
pub(super) enum VaultCommand {
    /// Makes a master key in a file that is not there yet (生成主密钥)
    NewKey {
        /// The file
        file: PathBuf,
    },
    /// Says whether the keyring opens with the config's master key, and wraps it anew where that changed (检查、更换主密钥)
    Status,
}

/// Does what was typed.
pub(super) fn vault(file: &Path, lang: Lang, command: &VaultCommand) -> ExitCode {
    match command {
        VaultCommand::NewKey { file } => new_key(file, lang),
        VaultCommand::Status => status(file, lang),
    }
}

fn new_key(file: &Path, lang: Lang) -> ExitCode {
    let key = match MasterKey::generate() {
        Ok(key) => key,
        Err(error) => return fail(FAILED, &error.text(lang)),
    };
    let written =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).and_then(|mut out| {
            out.write_all(key.expose().as_bytes())?;
            out.write_all(b"\n")?;
            out.sync_all()
        });
    if let Err(error) = written {
        return fail(FAILED, &format!("{}: {error}", file.display()));
    }
    let shown = file.display();
    println!(
        "{}",
        match lang {
            Lang::ZhCn => format!(
                "主密钥已写入 {shown}（仅所有者可读）。\n在配置中写：\n\n  [vault]\n  master_key = {{ file = \"{shown}\" }}\n\n请另存一份在别处：丢失后已保存的密码无法恢复，只能重新设置。不要与存储的备份放在一起。"
            ),
            Lang::En => format!(
                "the master key is in {shown}, for its owner alone. Write into the config:\n\n  [vault]\n  master_key = {{ file = \"{shown}\" }}\n\nKeep a copy elsewhere: without it stored passwords are lost and must be set anew. Never keep it with backups of the store."
            ),
        }
    );
    ExitCode::SUCCESS
}

fn status(file: &Path, lang: Lang) -> ExitCode {
    let config = match load(file, lang) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let Some(vault) = &config.vault else {
        let said = lang.pick(
            "没有 [vault]：不保存密码。先执行 mailbell vault new-key 文件",
            "there is no [vault]: no passwords are stored. Begin with mailbell vault new-key FILE",
        );
        return fail(FAILED, said);
    };
    let looked = MasterKey::parse(&vault.master_key).and_then(|master| {
        let old = vault.old_master_key.as_ref().map(MasterKey::parse).transpose()?;
        Vault::look(&vault.keyring, &master, old.as_ref())
    });
    match looked {
        Ok(looked) => {
            let shown = vault.keyring.display();
            let said = match (lang, looked.is_old) {
                (Lang::ZhCn, false) => format!("{shown}：{} 个密钥，主密钥 {}", looked.keys, looked.master),
                (Lang::En, false) => format!("{shown}: {} key(s), master key {}", looked.keys, looked.master),
                (Lang::ZhCn, true) => format!(
                    "{shown}：{} 个密钥仍由原来的主密钥 {} 保护；向服务发 SIGHUP（或启动它）即会换用新的",
                    looked.keys, looked.master
                ),
                (Lang::En, true) => format!(
                    "{shown}: {} key(s) still under the former master key {}; SIGHUP to the service (or its start) wraps them anew",
                    looked.keys, looked.master
                ),
            };
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(
            error @ (VaultError::NoKey | VaultError::WrongKey { .. } | VaultError::File { .. } | VaultError::Lost(_)),
        ) => fail(FAILED, &error.text(lang)),
    }
}
