//! `mailbell account list/show`.

use super::Desk;
use crate::cli::table::{self, local};
use crate::cli::{FAILED, fail};
use crate::config::Account;
use crate::control::Ask;
use crate::model::{AccountId, Owner, Standing};
use crate::office::{Listed, Listing};
use crate::state::Wanted;
use clap::Args;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Rows that are printed unless something else was asked for.
const ROWS: usize = 200;
/// A cell is cut beyond this.
const WIDEST: usize = 48;
/// Accounts that are asked for at one time.
pub(super) const SLICE: usize = 1000;

/// What was typed after `account list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    /// This text is in address, userid, provider, host or note (查找)
    text: Option<String>,
    /// enabled, disabled, leaving, or wrong: cannot be watched under the config (状态)
    #[arg(long, value_parser = ["enabled", "disabled", "leaving", "wrong"])]
    standing: Option<String>,
    /// Only this member's (成员账号)
    #[arg(long)]
    user: Option<String>,
    /// Only of this provider (服务商)
    #[arg(long)]
    provider: Option<String>,
    /// All of them (全部)
    #[arg(long)]
    all: bool,
    /// As JSON, all of them
    #[arg(long)]
    json: bool,
}

impl Desk<'_> {
    pub(super) async fn list(&self, args: ListArgs) -> Result<(), ExitCode> {
        let narrowed = args.standing.is_some() || args.provider.is_some();
        let wanted = Wanted {
            text: args.text.clone().unwrap_or_default(),
            standing: args.standing.unwrap_or_default(),
            user: args.user.clone().unwrap_or_default(),
            provider: args.provider.unwrap_or_default(),
            after: None,
            most: if args.all || args.json { 0 } else { ROWS },
        };
        let (accounts, more) = self.registered(wanted).await?;
        let fits =
            |account: &&std::sync::Arc<Account>| of_file_fits(account, args.text.as_deref(), args.user.as_deref());
        let of_file: Vec<_> = self.config.accounts.iter().filter(|_| !narrowed).filter(fits).collect();
        if args.json {
            let file = of_file.iter().map(|account| of_file_json(account));
            let all: Vec<_> = file.chain(accounts.iter().map(listed_json)).collect();
            println!("{}", serde_json::to_string_pretty(&json!({ "accounts": all })).unwrap_or_default());
            return Ok(());
        }
        let lang = self.lang;
        let head = [
            lang.pick("邮箱", "account"),
            lang.pick("成员", "user"),
            lang.pick("服务商", "provider"),
            lang.pick("状态", "state"),
            lang.pick("备注", "note"),
        ];
        let mut rows: Vec<_> = of_file.iter().map(|account| self.of_file_row(account)).collect();
        rows.extend(accounts.iter().map(|listed| self.row(listed)));
        if rows.is_empty() {
            println!("{}", lang.pick("没有账号", "no accounts"));
            return Ok(());
        }
        table::lines(&head, &rows, WIDEST).iter().for_each(|line| println!("{line}"));
        if more {
            println!(
                "{}",
                lang.pick(
                    "还有更多：加 --all 列出全部，或缩小范围",
                    "there are more: --all shows them, or narrow it down"
                )
            );
        }
        Ok(())
    }

    /// Accounts of the registry, asked for in slices; whether there are more than were wanted.
    async fn registered(&self, mut wanted: Wanted) -> Result<(Vec<Listed>, bool), ExitCode> {
        let (mut all, most) = (Vec::new(), wanted.most);
        loop {
            wanted.most = if most == 0 { SLICE } else { most };
            let Listing { accounts, next } = self.ask(Ask::List { wanted: wanted.clone() }).await?;
            all.extend(accounts);
            if most > 0 || next.is_none() {
                return Ok((all, next.is_some()));
            }
            wanted.after = next;
        }
    }

    /// All accounts of the registry.
    pub(super) async fn all(&self) -> Result<Vec<Listed>, ExitCode> {
        Ok(self.registered(Wanted::default()).await?.0)
    }

    /// Those that are watched.
    pub(super) async fn enabled(&self) -> Result<Vec<AccountId>, ExitCode> {
        let all = self.all().await?;
        let watched = all.iter().filter(|listed| !matches!(listed.account.standing, Standing::Disabled { .. }));
        Ok(watched.map(|listed| listed.account.entry.account()).collect())
    }

    fn row(&self, listed: &Listed) -> Vec<String> {
        let entry = &listed.account.entry;
        let whose = if entry.is_shared() { entry.recipients.join(" ") } else { entry.user.clone() };
        let server = if entry.provider.is_empty() { entry.host.clone() } else { entry.provider.clone() };
        vec![entry.email.clone(), whose, server, self.state(listed), entry.note.clone()]
    }

    fn state(&self, listed: &Listed) -> String {
        let word = match (&listed.account.standing, listed.shadowed, &listed.trouble) {
            (_, true, _) => self.lang.pick("由配置文件取代", "replaced by the file"),
            (_, _, Some(words)) => return format!("{}: {}", self.lang.pick("有误", "wrong"), words.text(self.lang)),
            (Standing::Enabled, ..) => self.lang.pick("启用", "enabled"),
            (Standing::Disabled { .. }, ..) => self.lang.pick("停用", "disabled"),
            (Standing::Leaving { .. }, ..) => self.lang.pick("待解绑", "leaving"),
        };
        word.to_owned()
    }

    fn of_file_row(&self, account: &Account) -> Vec<String> {
        let provider = account.provider.name.clone().unwrap_or_else(|| account.provider.server.host.clone());
        let of_file = self.lang.pick("配置文件", "config file").to_owned();
        vec![account.id.to_string(), whose(account), provider, of_file, String::new()]
    }

    pub(super) async fn show(&self, account: &str, as_json: bool) -> Result<(), ExitCode> {
        let id = AccountId::new(account);
        let listed: Option<Listed> = self.ask(Ask::Show { account: id.clone() }).await?;
        let of_file = self.config.accounts.iter().find(|account| account.id == id);
        if listed.is_none() && of_file.is_none() {
            let error = crate::office::OfficeError::Unknown(id);
            return Err(fail(FAILED, error.words().text(self.lang)));
        }
        if as_json {
            let shown = listed.as_ref().map(listed_json).or_else(|| of_file.map(|account| of_file_json(account)));
            println!("{}", serde_json::to_string_pretty(&shown).unwrap_or_default());
            return Ok(());
        }
        match listed {
            Some(listed) => self.print(&listed),
            None => {
                if let Some(account) = of_file {
                    println!("{}", self.of_file_row(account).join("  "));
                }
            }
        }
        Ok(())
    }

    fn print(&self, listed: &Listed) {
        let (entry, zone) = (&listed.account.entry, &self.config.alerts.time_zone);
        let password = match listed.account.has_password {
            true => self.lang.pick("已保存", "stored"),
            false => self.lang.pick("无", "none"),
        };
        let lines = [
            ("邮箱", "account", entry.email.clone()),
            ("成员", "user", entry.user.clone()),
            ("接收人", "recipients", entry.recipients.join(" ")),
            ("服务商", "provider", entry.provider.clone()),
            ("服务器", "host", entry.host.clone()),
            ("登录名", "login", entry.login.clone()),
            ("OAuth", "oauth", entry.oauth.clone()),
            ("文件夹", "folders", entry.folders.join(", ")),
            ("模式", "mode", entry.mode.clone()),
            ("密码", "password", password.to_owned()),
            ("状态", "state", self.state(listed)),
            ("备注", "note", entry.note.clone()),
            ("登记于", "added", local(listed.account.added, zone)),
            ("修改于", "changed", local(listed.account.changed, zone)),
        ];
        for (zh, en, value) in lines {
            if !value.is_empty() {
                println!("{}: {}", self.lang.pick(zh, en), table::plain(&value));
            }
        }
    }
}

fn whose(account: &Account) -> String {
    match &account.owner {
        Owner::User(user) => user.to_string(),
        Owner::Shared(_) => account.recipients.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    }
}

fn of_file_fits(account: &Account, text: Option<&str>, user: Option<&str>) -> bool {
    let has = |text: &str| {
        let text = text.to_lowercase();
        account.id.0.contains(&text) || whose(account).contains(&text)
    };
    text.is_none_or(has) && user.is_none_or(|user| whose(account).eq_ignore_ascii_case(user))
}

fn of_file_json(account: &Account) -> Value {
    json!({
        "account": account.id.to_string(),
        "from": "file",
        "user": match &account.owner { Owner::User(user) => Some(user.to_string()), Owner::Shared(_) => None },
        "recipients": account.recipients.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "provider": account.provider.name,
        "host": account.provider.server.host,
        "state": "enabled",
    })
}

fn listed_json(listed: &Listed) -> Value {
    let entry = &listed.account.entry;
    json!({
        "account": entry.account().to_string(),
        "from": "registry",
        "email": entry.email,
        "user": (!entry.is_shared()).then_some(&entry.user),
        "recipients": entry.recipients,
        "provider": entry.provider,
        "host": entry.host,
        "port": entry.port,
        "tls": entry.tls,
        "login": entry.login,
        "oauth": entry.oauth,
        "folders": entry.folders,
        "mode": entry.mode,
        "note": entry.note,
        "has_password": listed.account.has_password,
        "state": listed.account.standing.word(),
        "shadowed": listed.shadowed,
        "trouble": listed.trouble.as_ref().map(|words| &words.en),
        "added": listed.account.added.to_string(),
        "changed": listed.account.changed.to_string(),
    })
}
