//! The key file of a service account: Google's JSON, or a private key in PEM form.

use super::reader::Reader;
use super::reading::{Said, quoted, say};
use super::secret;
use crate::model::Secret;
use serde::Deserialize;

/// What a key file tells.
pub(super) struct KeyFile {
    /// `client_email`.
    pub issuer: Option<String>,
    /// `private_key_id`.
    pub key_id: Option<String>,
    /// `private_key`, in PEM form.
    pub private_key: Secret,
    /// `token_uri`.
    pub token_uri: Option<String>,
}

/// The JSON that Google's console hands out.
#[derive(Deserialize)]
struct Json {
    #[serde(rename = "type")]
    kind: Option<String>,
    client_email: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<String>,
    token_uri: Option<String>,
}

/// Reads what `key_file` names; `None` if there is none, or if something is wrong, which is told.
pub(super) fn read(r: &Reader<'_>) -> Option<KeyFile> {
    let path = r.path("key_file")?;
    let shown = path.display();
    let bytes = match secret::read_file(r, "key_file", &path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let (en, zh) = secret::io_words(&error);
            r.wrong(
                "key_file",
                say(
                    format!("cannot read the file {shown}: {en}; put the service account's key file there, or correct the path"),
                    format!("无法读取文件 {shown}：{zh}；请把服务账号的密钥文件放到那里，或改正路径"),
                ),
            );
            return None;
        }
    };
    match key(&bytes) {
        Ok(key) => Some(key),
        Err(said) => {
            r.wrong("key_file", say(format!("the file {shown} {}", said.en), format!("文件 {shown} {}", said.zh)));
            None
        }
    }
}

/// The key out of a file's bytes. What is told holds no text of the file but its `type`.
fn key(bytes: &[u8]) -> Result<KeyFile, Said> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(say(
            "is no text; it must be the JSON file of a service account",
            "不是文本；应为服务账号的 JSON 文件",
        ));
    };
    if text.trim_start().starts_with("-----BEGIN") {
        let private_key = pem(text.trim_start())?;
        return Ok(KeyFile { issuer: None, key_id: None, private_key, token_uri: None });
    }
    let json: Json = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        say(
            format!("is no key file in JSON form (line {line}, column {column}); download it anew from the Google Cloud console: IAM & Admin, Service Accounts, Keys"),
            format!("不是 JSON 格式的密钥文件（第 {line} 行第 {column} 列）；请在 Google Cloud 控制台重新下载：IAM 和管理 → 服务账号 → 密钥"),
        )
    })?;
    // Wrapped first, so that it is wiped whatever comes.
    let private_key = json.private_key.map(Secret::new);
    if let Some(kind) = json.kind.filter(|kind| kind != "service_account") {
        let shown = quoted(&kind);
        return Err(say(
            format!("is of type {shown}; a service account's key file is needed (type \"service_account\")"),
            format!("的类型是 {shown}；需要的是服务账号的密钥文件（类型 \"service_account\"）"),
        ));
    }
    let Some(private_key) = private_key else {
        return Err(say(
            "holds no private_key; a service account's key file is needed, not that of an OAuth client",
            "中没有 private_key；需要的是服务账号的密钥文件，不是 OAuth 客户端的文件",
        ));
    };
    Ok(KeyFile {
        issuer: json.client_email,
        key_id: json.private_key_id,
        private_key: pem(private_key.expose())?,
        token_uri: json.token_uri,
    })
}

fn pem(text: &str) -> Result<Secret, Said> {
    if text.starts_with("-----BEGIN PRIVATE KEY-----") || text.starts_with("-----BEGIN RSA PRIVATE KEY-----") {
        return Ok(Secret::new(text));
    }
    if text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        return Err(say(
            "holds an encrypted private key; write it without a passphrase: openssl pkcs8 -in OLD -out NEW",
            "中的私钥带有口令；请去掉口令：openssl pkcs8 -in 旧文件 -out 新文件",
        ));
    }
    Err(say(
        "holds no private key in PEM form (\"-----BEGIN PRIVATE KEY-----\")",
        "中没有 PEM 格式的私钥（\"-----BEGIN PRIVATE KEY-----\"）",
    ))
}
