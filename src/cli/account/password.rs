//! A password as it reaches a command: never as an argument, which every user of the machine can see.

use crate::cli::{FAILED, WRONG_USAGE, fail};
use crate::model::{Lang, Secret};
use clap::Args;
use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use zeroize::Zeroizing;

/// No password is longer, in bytes.
const LONGEST: u64 = 4096;

/// Where a password comes from.
#[derive(Debug, Args)]
pub(in crate::cli) struct PasswordArgs {
    /// Reads the password from the standard input (从标准输入读取密码)
    #[arg(long)]
    password_stdin: bool,
    /// Reads the password from a file (从文件读取密码)
    #[arg(long, value_name = "FILE", conflicts_with = "password_stdin")]
    password_file: Option<PathBuf>,
}

impl PasswordArgs {
    /// The password; `wanted`: it is asked for at a terminal if nothing was said of it.
    pub(super) fn read(&self, wanted: bool, lang: Lang) -> Result<Option<Secret>, ExitCode> {
        let text = if let Some(path) = &self.password_file {
            let failed = |error: std::io::Error| fail(FAILED, &format!("{}: {error}", path.display()));
            limited(std::fs::File::open(path).map_err(failed)?).map_err(failed)?
        } else if self.password_stdin {
            limited(std::io::stdin()).map_err(|error| fail(FAILED, &format!("stdin: {error}")))?
        } else if wanted && std::io::stdin().is_terminal() {
            asked(lang).map_err(|error| fail(FAILED, &error.to_string()))?
        } else {
            return Ok(None);
        };
        let text = text.strip_suffix('\n').map_or(text.as_str(), |cut| cut.strip_suffix('\r').unwrap_or(cut));
        if text.is_empty() || text.chars().any(char::is_control) {
            let said = lang.pick(
                "密码应为一行，不能为空，不能含控制字符",
                "a password is one line, not empty, without control characters",
            );
            return Err(fail(WRONG_USAGE, said));
        }
        Ok(Some(Secret::new(text)))
    }
}

fn limited(from: impl Read) -> std::io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(256));
    from.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// Asks at the terminal, which shows nothing of what is typed.
fn asked(lang: Lang) -> std::io::Result<Zeroizing<String>> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    eprint!("{}", lang.pick("密码：", "password: "));
    tcsetattr(&stdin, OptionalActions::Now, &silent)?;
    let mut text = Zeroizing::new(String::with_capacity(256));
    let read = stdin.read_line(&mut text);
    tcsetattr(&stdin, OptionalActions::Now, &before)?;
    eprintln!();
    read.map(|_| text)
}
