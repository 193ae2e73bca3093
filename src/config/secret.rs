//! Secrets as they are written in the config: a literal, a variable of the environment, or a file. Their text never
//! stands in a message.

use super::reader::{Reader, entries};
use super::reading::{Said, quoted, say};
use super::words::bad_path;
use crate::model::Secret;
use std::fs::File;
use std::io::{self, Read};
use toml::de::DeValue;
use zeroize::Zeroizing;

/// No secret is longer, in bytes; it also keeps a wrong path (a device, a log) from being read whole.
const LONGEST: u64 = 64 * 1024;

/// Reads a secret. `None` if the key is missing, or if something is wrong, which is told.
pub(super) fn read(r: &Reader<'_>, key: &str) -> Option<Secret> {
    let outcome = match r.value(key)? {
        DeValue::String(text) => {
            if r.cx.literal_secret.get().is_none() {
                r.cx.literal_secret.set(Some(r.place(key)));
            }
            usable(text, ("the text", "文字"))
        }
        DeValue::Table(table) => {
            let mut parts = entries(table).map(|entry| (entry.name, entry.value));
            match (parts.next(), parts.next()) {
                (Some(("env", DeValue::String(name))), None) => from_env(r, name),
                (Some(("file", DeValue::String(path))), None) => from_file(r, key, path),
                (Some(("credential", DeValue::String(name))), None) => from_credential(r, key, name),
                _ => Err(forms(key)),
            }
        }
        _ => Err(forms(key)),
    };
    outcome.map_err(|said| r.wrong(key, said)).ok()
}

/// How a secret is written.
fn forms(key: &str) -> Said {
    let (file, env) = ("{ file = \"PATH\" }", "{ env = \"NAME\" }");
    say(
        format!("a secret has one of these forms: {key} = {file}, {key} = {env}, {key} = \"...\""),
        format!("密钥的写法是以下之一：{key} = {file}、{key} = {env}、{key} = \"...\""),
    )
}

fn from_env(r: &Reader<'_>, name: &str) -> Result<Secret, Said> {
    let shown = quoted(name);
    let Some(value) = r.cx.env(name).map(Zeroizing::new) else {
        return Err(say(
            format!("the environment variable {shown} is not set; set it where mailbell is started"),
            format!("没有设置环境变量 {shown}；请在启动 mailbell 的地方设置"),
        ));
    };
    usable(&value, (&format!("the environment variable {shown}"), &format!("环境变量 {shown} ")))
}

/// One of those that systemd hands to a service (LoadCredential=, LoadCredentialEncrypted=).
fn from_credential(r: &Reader<'_>, key: &str, name: &str) -> Result<Secret, Said> {
    const PLACE: &str = "CREDENTIALS_DIRECTORY";
    let shown = quoted(name);
    if name.is_empty() || name.contains(['/', '\0']) {
        return Err(say(
            format!("{shown} is no name of a credential; write the name that stands in LoadCredential="),
            format!("{shown} 不是凭据名；请写 LoadCredential= 中的名称"),
        ));
    }
    let Some(folder) = r.cx.env(PLACE) else {
        return Err(say(
            format!(
                "systemd hands no credentials to this process; add LoadCredential={name}:PATH to its unit, or write {{ file = \"PATH\" }}"
            ),
            format!(
                "systemd 没有给本进程凭据；请在服务单元中加 LoadCredential={name}:路径，或改写 {{ file = \"PATH\" }}"
            ),
        ));
    };
    from_file(r, key, &format!("{folder}/{name}"))
}

fn from_file(r: &Reader<'_>, key: &str, text: &str) -> Result<Secret, Said> {
    if let Some(said) = bad_path(text) {
        return Err(said);
    }
    let path = r.cx.path(text);
    let shown = path.display();
    let bytes = read_file(r, key, &path).map_err(|error| {
        let (en, zh) = io_words(&error);
        say(
            format!("cannot read the file {shown}: {en}; write the secret into it, or correct the path"),
            format!("无法读取文件 {shown}：{zh}；请把密钥写入该文件，或改正路径"),
        )
    })?;
    let name = (format!("the file {shown}"), format!("文件 {shown} "));
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Err(say(format!("{} is not UTF-8 text", name.0), format!("{}不是 UTF-8 文本", name.1)));
    };
    let text = text.strip_suffix('\n').map_or(text, |cut| cut.strip_suffix('\r').unwrap_or(cut));
    usable(text, (&name.0, &name.1))
}

/// The bytes of a file with a secret; that others may read it is warned about.
pub(super) fn read_file(r: &Reader<'_>, key: &str, path: &std::path::Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    if others_may_read(&file) {
        r.warn(key, readable_by_others(path));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    Ok(bytes)
}

/// Whether the file's mode lets anybody read it. A group may be the service's own: systemd hands out credentials with
/// mode 0440.
pub(super) fn others_may_read(file: &File) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o004 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        false
    }
}

/// The warning for a file with a secret that others may read.
pub(super) fn readable_by_others(path: &std::path::Path) -> Said {
    let shown = path.display();
    say(
        format!("others may read the file {shown}; run: chmod 600 {shown}"),
        format!("文件 {shown} 可被其他用户读取；请执行：chmod 600 {shown}"),
    )
}

/// A secret out of this text, if it can be one.
fn usable(text: &str, name: (&str, &str)) -> Result<Secret, Said> {
    if text.is_empty() {
        return Err(say(format!("{} is empty; write the secret there", name.0), format!("{}为空；请写入密钥", name.1)));
    }
    if text.chars().any(char::is_control) {
        return Err(say(
            format!("{} holds more than one line, or a control character; leave only the secret", name.0),
            format!("{}不止一行，或含有控制字符；请只保留密钥本身", name.1),
        ));
    }
    Ok(Secret::new(text))
}

/// An error of the system in both languages.
pub(super) fn io_words(error: &io::Error) -> (String, String) {
    let (en, zh) = match error.kind() {
        io::ErrorKind::NotFound => ("it does not exist", "文件不存在"),
        io::ErrorKind::PermissionDenied => ("no permission", "没有读取权限"),
        io::ErrorKind::IsADirectory => ("it is a directory", "这是一个目录"),
        io::ErrorKind::FileTooLarge => ("it is too large", "文件过大"),
        _ => return (error.to_string(), error.to_string()),
    };
    (en.to_owned(), zh.to_owned())
}
