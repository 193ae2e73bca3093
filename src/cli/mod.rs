//! The command line: what was typed, and which command does it. Exit status: 0 done, 1 failed, 2 wrong usage or
//! config.

/// Prints a line as the usual macro does, for all modules below; but who has stopped reading (`| head`) is no fault.
macro_rules! println {
    ($($text:tt)*) => { $crate::cli::print_line(format_args!($($text)*)) };
}

mod account;
mod alerts;
mod audit;
mod backtest;
mod backup;
mod check;
mod check_wecom;
mod everyone;
mod explain;
mod finding;
mod folders;
mod mute;
mod operator;
mod passed;
mod records;
mod run;
mod state;
mod status;
mod table;
mod test_alert;
mod vault;
mod why;

use crate::config::{self, Config};
use crate::model::Lang;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Something failed.
const FAILED: u8 = 1;
/// The command line or the config is wrong.
const WRONG_USAGE: u8 = 2;

/// mailbell (邮铃): rings people in WeCom when mail arrives in the folders they care about.
#[derive(Debug, Parser)]
#[command(name = "mailbell", version, disable_help_subcommand = true)]
struct Args {
    /// The config file (配置文件)
    #[arg(long, global = true, value_name = "FILE", default_value = "config/mailbell.toml")]
    config: PathBuf,
    /// The language of what is printed (输出语言); default: by the locale
    #[arg(long, global = true, value_name = "LANG")]
    lang: Option<LangArg>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LangArg {
    #[value(name = "zh-CN", alias = "zh")]
    ZhCn,
    #[value(name = "en")]
    En,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The service (运行服务)
    Run,
    /// Tries everything that `run` needs, sends and changes nothing (检查配置和连接)
    Check {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// The folders of an account, and which subscription takes each (列出文件夹)
    Folders {
        /// The account, by its address (邮箱地址)
        account: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// A mail as it would be read, what takes it, and the alert as it would be sent (解释一封邮件)
    Explain(explain::ExplainArgs),
    /// The accounts of the running service (运行状态)
    Status(status::StatusArgs),
    /// What became of an account's letters, and why (为什么收到或没收到)
    Why(why::WhyArgs),
    /// The outbox and the dead alerts (待发和发送失败的提醒)
    #[command(subcommand)]
    Alerts(alerts::AlertsCommand),
    /// The accounts beside the config file (账号登记)
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// The master key of stored passwords (密码库)
    #[command(subcommand)]
    Vault(vault::VaultCommand),
    /// Who did what (操作审计)
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// The store as JSON lines, and back (导出、导入数据)
    #[command(subcommand)]
    State(state::StateCommand),
    /// Everything that is stored as one file, also beside the running service; read again before it counts (备份)
    Backup(backup::BackupArgs),
    /// Makes the store of a backup; the service must be stopped, what is there is moved aside (恢复备份)
    Restore(backup::RestoreArgs),
    /// The last days' letters under the rules of a new --config: who would be told, and what differs (用新规则重演)
    Backtest(backtest::BacktestArgs),
    /// Mutes a sender, a thread, a list, a folder or all for a while (静音、休假)
    Mute(mute::MuteArgs),
    /// What is muted, and until when (列出静音)
    Mutes {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Ends mutes before their time (取消静音)
    Unmute(mute::UnmuteArgs),
    /// Sends one test alert (发送一条测试提醒)
    TestAlert {
        /// Whom: a userid, party:ID or tag:ID
        user: String,
    },
    /// A local WeCom with a page that shows each member's chat (本地模拟企业微信)
    Sandbox {
        /// Where it listens
        #[arg(long, default_value = "127.0.0.1:8030")]
        listen: std::net::SocketAddr,
        /// Members, ids and limits as a TOML file
        #[arg(long, value_name = "FILE")]
        options: Option<PathBuf>,
        /// 企业ID
        #[arg(long)]
        corp_id: Option<String>,
        /// The app's secret
        #[arg(long)]
        secret: Option<String>,
        /// The app's AgentId
        #[arg(long)]
        agent_id: Option<i64>,
        /// 账号上限数: 200 persons a day may be told for each, then 45009; no limit when not given
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        account_cap: Option<u64>,
        /// A member: userid or userid=name; may be given several times and then replaces the usual ones
        #[arg(long = "member", value_name = "USERID[=NAME]")]
        members: Vec<String>,
    },
    /// Writes the manual pages into a directory
    #[command(hide = true)]
    Manual {
        /// The directory
        directory: PathBuf,
    },
    /// The sandbox, a private Dovecot and `run` between them, with a form to send oneself mail (演示)
    Demo {
        /// The port of the page with the form
        #[arg(long, default_value_t = 8025)]
        port: u16,
        /// The port of the sandbox
        #[arg(long, default_value_t = 8030)]
        sandbox_port: u16,
    },
}

/// Runs what was typed.
pub fn main() -> ExitCode {
    let args = Args::parse();
    let lang = match args.lang {
        Some(LangArg::ZhCn) => Lang::ZhCn,
        Some(LangArg::En) => Lang::En,
        None => locale_lang(&|name| std::env::var(name).ok()),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(FAILED, &format!("the runtime cannot be started: {error}")),
    };
    let code = runtime.block_on(dispatch(args.command, &args.config, lang));
    // What still blocks (a name lookup) must not hold the end up.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    code
}

async fn dispatch(command: Command, file: &Path, lang: Lang) -> ExitCode {
    match command {
        Command::Run => run::run(file, lang).await,
        Command::Check { json } => check::check(file, lang, json).await,
        Command::Folders { account, json } => folders::folders(file, lang, &account, json).await,
        Command::Explain(args) => explain::explain(file, lang, &args).await,
        Command::Status(args) => status::status(file, lang, args).await,
        Command::Why(args) => why::why(file, lang, args).await,
        Command::Alerts(command) => alerts::alerts(file, lang, command).await,
        Command::Account(command) => account::account(file, lang, command).await,
        Command::Vault(command) => vault::vault(file, lang, &command),
        Command::Audit(command) => audit::audit(file, lang, command).await,
        Command::State(command) => state::state(file, lang, command).await,
        Command::Backup(args) => backup::backup(file, lang, args).await,
        Command::Restore(args) => backup::restore(file, lang, args).await,
        Command::Backtest(args) => backtest::backtest(file, lang, args).await,
        Command::Mute(args) => mute::mute(file, lang, args).await,
        Command::Mutes { json } => mute::mutes(file, lang, json).await,
        Command::Unmute(args) => mute::unmute(file, lang, args).await,
        Command::TestAlert { user } => test_alert::test_alert(file, lang, &user).await,
        Command::Sandbox { listen, options, corp_id, secret, agent_id, account_cap, members } => {
            let typed = run::SandboxArgs { options, corp_id, secret, agent_id, account_cap, members };
            run::sandbox(listen, typed, lang).await
        }
        Command::Manual { directory } => manual(&directory),
        Command::Demo { port, sandbox_port } => {
            match crate::demo::run::demo(port, sandbox_port, lang, run::stop_signal()).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(text) => fail(FAILED, &text),
            }
        }
    }
}

/// Writes a manual page for the program and one for each command.
fn manual(directory: &Path) -> ExitCode {
    let written =
        std::fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(Args::command(), directory));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILED, &format!("{}: {error}", directory.display())),
    }
}

/// The config, or its mistakes on stderr and the exit status.
fn load(file: &Path, lang: Lang) -> Result<Config, ExitCode> {
    config::load(file).map_err(|problems| fail(WRONG_USAGE, &problems.text(lang)))
}

/// A new file for the eyes of its owner alone.
fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Prints a line.
fn print_line(text: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    if let Some(error) = written.err().filter(|error| error.kind() != std::io::ErrorKind::BrokenPipe) {
        let _ = writeln!(std::io::stderr(), "stdout: {error}");
    }
}

/// Prints what went wrong.
fn fail(status: u8, text: &str) -> ExitCode {
    // Nobody may be there to read it any more.
    let _ = writeln!(std::io::stderr(), "{text}");
    ExitCode::from(status)
}

/// The language of a locale: Chinese for `zh…`, else English.
fn locale_lang(env: &dyn Fn(&str) -> Option<String>) -> Lang {
    let set = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().filter_map(|name| env(name)).find(|value| !value.is_empty());
    match set {
        Some(locale) if locale.starts_with("zh") => Lang::ZhCn,
        _ => Lang::En,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_decides_unless_it_is_c_or_unset() {
        let lang = |vars: &[(&str, &str)]| {
            locale_lang(&|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
        };
        assert_eq!(lang(&[("LANG", "zh_CN.UTF-8")]), Lang::ZhCn);
        assert_eq!(lang(&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C")]), Lang::En);
        assert_eq!(lang(&[]), Lang::En);
        assert_eq!(lang(&[("LC_ALL", ""), ("LANG", "zh_TW")]), Lang::ZhCn);
    }

    #[test]
    fn the_config_stands_before_or_after_the_command() {
        for typed in [&["mailbell", "--config", "x", "run"][..], &["mailbell", "run", "--config", "x"]] {
            assert_eq!(Args::try_parse_from(typed).unwrap().config, PathBuf::from("x"));
        }
    }
}
