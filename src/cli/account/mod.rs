//! `mailbell account`: the registry of accounts beside the config file, through the running service or without one.

mod list;
mod password;
mod reconcile;
mod sheet;

use super::records::Source;
use super::{FAILED, WRONG_USAGE, fail, load, operator, status};
use crate::config::Config;
use crate::control::{Ask, AskError, Request};
use crate::model::{AccountId, Entry, Lang};
use crate::office::{How, Outcome, Row, Tested, Turned, Words};
use clap::{Args, Subcommand};
use password::PasswordArgs;
use serde::de::DeserializeOwned;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

/// What was typed after `account`.
#[derive(Debug, Subcommand)]
pub(super) enum AccountCommand {
    /// Registers an account (登记一个邮箱)
    Add(AddArgs),
    /// The accounts, of the file and of the registry (列出账号)
    List(list::ListArgs),
    /// One account (查看一个账号)
    Show {
        /// Its address (邮箱地址)
        account: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Stores another password; the former one is destroyed (设置密码)
    SetPassword {
        /// Whose, by its address (邮箱地址)
        account: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Tries to log in (测试登录)
    Test {
        /// Which, by their addresses (邮箱地址)
        #[arg(required_unless_present = "all")]
        accounts: Vec<String>,
        /// All that are enabled (全部)
        #[arg(long, conflicts_with = "accounts")]
        all: bool,
    },
    /// Stops watching accounts; all else stays (停用)
    Disable {
        /// Which, by their addresses (邮箱地址)
        #[arg(required = true)]
        accounts: Vec<String>,
        /// Why, for the audit (原因)
        #[arg(long, default_value = "")]
        why: String,
    },
    /// Watches them again (启用)
    Enable {
        /// Which, by their addresses (邮箱地址)
        #[arg(required = true)]
        accounts: Vec<String>,
    },
    /// Unbinds accounts: not watched any more, their passwords destroyed, also for backups (解绑)
    Remove {
        /// Which, by their addresses (邮箱地址)
        #[arg(required = true)]
        accounts: Vec<String>,
        /// Why, for the audit (原因)
        #[arg(long, default_value = "")]
        why: String,
        /// Does not ask (不再确认)
        #[arg(long)]
        yes: bool,
    },
    /// Registers the accounts of a CSV file; nothing is done unless all is well (批量导入)
    Import(sheet::ImportArgs),
    /// Writes the registry as a CSV file, without passwords (导出)
    Export {
        /// The file; default: to the terminal
        file: Option<std::path::PathBuf>,
    },
    /// Compares the accounts with WeCom's members: who is gone, who has none (与企业微信成员核对)
    Reconcile {
        /// Only says what would be done (只检查，不改动)
        #[arg(long)]
        dry_run: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Writes a CSV file to fill in (导入模板)
    Template {
        /// The file; default: to the terminal
        file: Option<std::path::PathBuf>,
    },
}

/// What was typed after `account add`.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// Its address (邮箱地址)
    email: String,
    /// The userid of the member whose it is (成员账号)
    #[arg(long, conflicts_with = "recipients", required_unless_present = "recipients")]
    user: Option<String>,
    /// Of a shared account: who is told, userids, party:ID, tag:ID (公共邮箱的接收人)
    #[arg(long, value_delimiter = ',')]
    recipients: Vec<String>,
    /// A built-in provider or one of the config; by the address's domain where it is known (服务商)
    #[arg(long)]
    provider: Option<String>,
    /// The mail server, where the provider has none (服务器)
    #[arg(long)]
    host: Option<String>,
    /// Its port (端口)
    #[arg(long)]
    port: Option<u16>,
    /// implicit, starttls or none (加密)
    #[arg(long)]
    tls: Option<String>,
    /// The login name, where it is not the address (登录名)
    #[arg(long)]
    login: Option<String>,
    /// An [oauth.NAME] of the config (OAuth)
    #[arg(long)]
    oauth: Option<String>,
    /// Which folders, as in the config; default INBOX (文件夹)
    #[arg(long, value_delimiter = ',')]
    folders: Vec<String>,
    /// auto, notify, idle or poll
    #[arg(long)]
    mode: Option<String>,
    /// Whose it is, for people (备注)
    #[arg(long)]
    note: Option<String>,
    /// Changes the account if it is there already (已登记则修改)
    #[arg(long)]
    change: bool,
    /// Tries to log in afterwards (登记后测试登录)
    #[arg(long)]
    test: bool,
    #[command(flatten)]
    password: PasswordArgs,
}

/// Does what was typed.
pub(super) async fn account(file: &Path, lang: Lang, command: AccountCommand) -> ExitCode {
    if let AccountCommand::Template { file } = &command {
        return sheet::template(file.as_deref(), lang);
    }
    let config = match load(file, lang) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let source = match Source::find_or_make(&config, lang).await {
        Ok(source) => source,
        Err(code) => return code,
    };
    let desk = Desk { config: &config, source, lang };
    let done = match command {
        AccountCommand::Add(args) => desk.add(args).await,
        AccountCommand::List(args) => desk.list(args).await,
        AccountCommand::Show { account, json } => desk.show(&account, json).await,
        AccountCommand::SetPassword { account, password } => desk.set_password(&account, &password).await,
        AccountCommand::Test { accounts, all } => desk.test(accounts, all).await,
        AccountCommand::Disable { accounts, why } => desk.disable(&accounts, Some(why)).await,
        AccountCommand::Enable { accounts } => desk.disable(&accounts, None).await,
        AccountCommand::Remove { accounts, why, yes } => desk.remove(&accounts, why, yes).await,
        AccountCommand::Import(args) => desk.import(args).await,
        AccountCommand::Export { file } => desk.export(file.as_deref()).await,
        AccountCommand::Reconcile { dry_run, json } => desk.reconcile(dry_run, json).await,
        AccountCommand::Template { .. } => Ok(()),
    };
    done.map_or_else(|code| code, |()| ExitCode::SUCCESS)
}

/// What a command works with.
struct Desk<'a> {
    config: &'a Config,
    source: Source,
    lang: Lang,
}

impl Desk<'_> {
    /// Asks the office; what it does not do is said.
    async fn ask<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, ExitCode> {
        let asked: Result<Result<T, Words>, AskError> =
            self.source.ask(Request::Office { by: operator::by(), ask }).await;
        match asked {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(words)) => Err(self.fail(&words)),
            Err(error) => Err(status::refused(&error, self.config, None, self.lang)),
        }
    }

    fn fail(&self, words: &Words) -> ExitCode {
        fail(FAILED, words.text(self.lang))
    }

    fn say(&self, zh: &str, en: &str, about: impl ToString) {
        println!("{}", self.lang.pick(zh, en).replace("{}", &about.to_string()));
    }

    /// A password that is neither in the vault nor anywhere else is asked for where the provider wants one.
    async fn add(&self, args: AddArgs) -> Result<(), ExitCode> {
        let entry = Entry {
            email: args.email,
            user: args.user.unwrap_or_default(),
            recipients: args.recipients,
            provider: args.provider.unwrap_or_default(),
            host: args.host.unwrap_or_default(),
            port: args.port,
            tls: args.tls.unwrap_or_default(),
            login: args.login.unwrap_or_default(),
            oauth: args.oauth.unwrap_or_default(),
            folders: args.folders,
            mode: args.mode.unwrap_or_default(),
            note: args.note.unwrap_or_default(),
        };
        let account = entry.account();
        let needs = self.config.desk.account(&entry, None).is_err() && entry.oauth.is_empty();
        let password = args.password.read(needs && !args.change, self.lang)?;
        let how = How { only_new: !args.change, ..How::default() };
        let told: Vec<Outcome> =
            self.ask(Ask::Tell { rows: vec![Row { entry, password, disabled: None }], how }).await?;
        match told.into_iter().next().map(|outcome| outcome.turned) {
            Some(Turned::Wrong(words)) => {
                return Err(fail(WRONG_USAGE, &format!("{account}: {}", words.text(self.lang))));
            }
            Some(Turned::Added) => self.say("已登记 {}", "registered {}", &account),
            Some(Turned::Changed(keys)) => {
                self.say("已修改 {}", "changed {}", format!("{account}: {}", keys.join(", ")));
            }
            _ => self.say("{} 没有变化", "nothing changed for {}", &account),
        }
        if args.test {
            return self.test(vec![account.to_string()], false).await;
        }
        Ok(())
    }

    async fn set_password(&self, account: &str, password: &PasswordArgs) -> Result<(), ExitCode> {
        let password = password.read(true, self.lang)?;
        let account = AccountId::new(account);
        self.ask::<()>(Ask::SetPassword { account: account.clone(), password }).await?;
        self.say("已为 {} 保存新密码", "the new password of {} is stored", account);
        Ok(())
    }

    async fn test(&self, accounts: Vec<String>, all: bool) -> Result<(), ExitCode> {
        let accounts = if all { self.enabled().await? } else { accounts.iter().map(|a| AccountId::new(a)).collect() };
        let mut failed = false;
        for account in accounts {
            let Tested { folders, error, advice } = self.ask(Ask::Test { account: account.clone() }).await?;
            match error {
                None => self.say(
                    "[正常] {}",
                    "[ok]     {}",
                    match self.lang {
                        Lang::ZhCn => format!("{account}：登录成功，{folders} 个文件夹"),
                        Lang::En => format!("{account}: logged in, {folders} folder(s)"),
                    },
                ),
                Some(error) => {
                    failed = true;
                    self.say("[失败] {}", "[failed] {}", format!("{account}: {}", super::table::plain(&error)));
                    let lines: Vec<_> = advice.text(self.lang).lines().map(super::table::plain).collect();
                    println!("         → {}", lines.join("\n           "));
                }
            }
        }
        if failed { Err(ExitCode::from(FAILED)) } else { Ok(()) }
    }

    async fn disable(&self, accounts: &[String], why: Option<String>) -> Result<(), ExitCode> {
        let enable = why.is_none();
        let accounts = accounts.iter().map(|account| AccountId::new(account)).collect();
        let changed: usize = self.ask(Ask::Disable { accounts, why }).await?;
        match enable {
            true => self.say("已启用 {} 个账号", "{} account(s) enabled", changed),
            false => self.say("已停用 {} 个账号", "{} account(s) disabled", changed),
        }
        Ok(())
    }

    async fn remove(&self, accounts: &[String], why: String, yes: bool) -> Result<(), ExitCode> {
        if !yes && !self.agreed(accounts.len()) {
            return Err(ExitCode::from(FAILED));
        }
        let wanted: Vec<_> = accounts.iter().map(|account| AccountId::new(account)).collect();
        let gone: Vec<AccountId> = self.ask(Ask::Remove { accounts: wanted.clone(), why }).await?;
        for account in &gone {
            self.say("已解绑 {}，其密码已销毁", "unbound {}, its password is destroyed", account);
        }
        let missing: Vec<_> = wanted.iter().filter(|account| !gone.contains(account)).collect();
        for account in &missing {
            let of_file = self.config.accounts.iter().any(|of_file| of_file.id == **account);
            let said = match of_file {
                true => crate::office::OfficeError::OfFile((*account).clone()),
                false => crate::office::OfficeError::Unknown((*account).clone()),
            };
            eprintln!("{}", said.words().text(self.lang));
        }
        if missing.is_empty() { Ok(()) } else { Err(ExitCode::from(FAILED)) }
    }

    /// Whether the person says yes; where nobody is there to ask, `--yes` is wanted.
    fn agreed(&self, count: usize) -> bool {
        if !std::io::stdin().is_terminal() {
            eprintln!(
                "{}",
                self.lang.pick("解绑会销毁密码：请加 --yes 确认", "this destroys passwords: confirm with --yes")
            );
            return false;
        }
        let question = self.lang.pick(
            "解绑 {} 个账号并销毁其密码？输入 yes 确认：",
            "unbind {} account(s) and destroy their passwords? Type yes: ",
        );
        eprint!("{}", question.replace("{}", &count.to_string()));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).is_ok() && answer.trim() == "yes"
    }
}
