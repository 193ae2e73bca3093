//! `mailbell account reconcile`.

use super::Desk;
use crate::control::Ask;
use crate::office::Reconciled;
use std::process::ExitCode;

/// Names that are printed of each kind.
const NAMED: usize = 50;

impl Desk<'_> {
    pub(super) async fn reconcile(&self, dry_run: bool, json: bool) -> Result<(), ExitCode> {
        if !json {
            // Ten members a second, to be a guest that WeCom does not mind.
            println!("{}", self.lang.pick("正在核对，每秒约 10 个成员……", "comparing, about 10 users a second ..."));
        }
        let done: Reconciled = self.ask(Ask::Reconcile { dry_run }).await?;
        if json {
            println!("{}", serde_json::to_string_pretty(&done).unwrap_or_default());
            return Ok(());
        }
        let ids = |accounts: &[crate::model::AccountId]| accounts.iter().map(ToString::to_string).collect::<Vec<_>>();
        self.say("核对了 {} 个成员", "{} user(s) compared", done.users);
        self.names("已不在企业微信，宽限期后解绑", "gone, to be unbound after the grace time", &ids(&done.leaving));
        self.names("已解绑", "unbound", &ids(&done.unbound));
        self.names("已不在企业微信，未作处理", "gone, nothing was done", &ids(&done.reported));
        self.names("已恢复", "back", &ids(&done.back));
        self.names(
            "查无此人：已离开，或不在可见范围内（需 [wecom] contacts_secret 才能区分，不会解绑）",
            "not found: gone, or not in the visible range; only [wecom] contacts_secret tells which, and nobody is unbound for that",
            &done.not_found,
        );
        self.names("不在应用可见范围内", "not in the app's visible range", &done.not_visible);
        match &done.joiners {
            Some(joiners) => self.names("还没有登记邮箱的成员", "members without an account", joiners),
            None => println!(
                "{}",
                self.lang.pick(
                    "没有 [wecom] contacts_secret，不能列出还没有登记的成员",
                    "without [wecom] contacts_secret, members without an account cannot be listed",
                )
            ),
        }
        if let Some(count) = done.held {
            self.say(
                "同时有 {} 个成员找不到，视为异常，未作处理：检查应用的可见范围；若确已离职，调大 [directory] most_leavers",
                "{} users are missing at once, which is taken for a mistake, and nothing was done: look at the app's visible range (可见范围); if they have really left, raise [directory] most_leavers",
                count,
            );
        }
        if dry_run {
            println!("{}", self.lang.pick("只作检查，未作任何更改", "checked only, nothing was changed"));
        }
        Ok(())
    }

    fn names(&self, zh: &str, en: &str, names: &[String]) {
        if names.is_empty() {
            return;
        }
        println!("{} ({}):", self.lang.pick(zh, en), names.len());
        names.iter().take(NAMED).for_each(|name| println!("  {}", crate::cli::table::plain(name)));
        if names.len() > NAMED {
            println!("  …");
        }
    }
}
