//! Every key of the config file as data: its section, and how its value is written.
//! The contract behind it is section 3 of the design.

/// How a section is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `[name]`
    One,
    /// `[name.NAME]`, any number of them.
    Named,
    /// `[[name]]`, any number of them.
    List,
}

/// One section of the file.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name without brackets.
    pub name: &'static str,
    /// How it is written.
    pub form: Form,
    /// Its keys.
    pub keys: &'static [Key],
}

/// One key of a section.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name.
    pub name: &'static str,
    /// A value as it would be written, for messages.
    pub value: &'static str,
}

impl Section {
    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The header line, with `NAME` where a name is to be chosen.
    pub fn header(&self) -> String {
        match self.form {
            Form::One => format!("[{}]", self.name),
            Form::Named => format!("[{}.NAME]", self.name),
            Form::List => format!("[[{}]]", self.name),
        }
    }
}

const fn now(name: &'static str, value: &'static str) -> Key {
    Key { name, value }
}

const fn section(name: &'static str, form: Form, keys: &'static [Key]) -> Section {
    Section { name, form, keys }
}

pub(super) static WECOM: Section = section(
    "wecom",
    Form::One,
    &[
        now("corp_id", r#""ww0123456789abcdef""#),
        now("agent_id", "1000002"),
        now("secret", r#"{ env = "MAILBELL_WECOM_SECRET" }"#),
        now("contacts_secret", r#"{ file = "contacts.secret" }"#),
        now("api_base", r#""https://qyapi.weixin.qq.com""#),
        now("login_base", r#""https://login.work.weixin.qq.com""#),
        now("oauth_base", r#""https://open.weixin.qq.com""#),
        now("proxy", r#""http://10.0.0.5:3128""#),
        now("account_cap", "500"),
        now("card", r#""textcard""#),
        now("link", r#""https://mail.corp.example""#),
    ],
);

pub(super) static ALERTS: Section = section(
    "alerts",
    Form::One,
    &[
        now("lang", r#""zh-CN""#),
        now("time_zone", r#""Asia/Shanghai""#),
        now("digest_every", r#""1h""#),
        now("quiet_hours", r#"["22:00-08:00"]"#),
        now("work_hours", r#"["workday 09:00-18:30"]"#),
        now("digest_at", r#"["09:00", "14:00", "17:30"]"#),
        now("workdays_file", r#""workdays-cn.toml""#),
        now("own_domains", r#"["corp.example"]"#),
        now("trusted_authserv", r#"["mx.corp.example"]"#),
        now("first_time_after", r#""7d""#),
    ],
);

pub(super) static USER: Section = section(
    "user",
    Form::Named,
    &[
        now("lang", r#""en""#),
        now("time_zone", r#""Europe/Berlin""#),
        now("card", r#""text""#),
        now("quiet_hours", r#"["22:00-08:00"]"#),
        now("work_hours", r#"["workday 09:00-18:30"]"#),
        now("digest_at", r#"["09:00", "14:00", "17:30"]"#),
    ],
);

pub(super) static RECIPIENTS: Section =
    section("recipients", Form::Named, &[now("members", r#"["zhangsan", "party:12"]"#)]);

pub(super) static ADMIN: Section = section("admin", Form::One, &[now("recipients", r#"["wangwu"]"#)]);

pub(super) static STATE: Section = section(
    "state",
    Form::One,
    &[
        now("backend", r#""sled""#),
        now("path", r#""state""#),
        now("export_every", r#""1h""#),
        now("exports_kept", "24"),
    ],
);

pub(super) static VAULT: Section = section(
    "vault",
    Form::One,
    &[
        now("master_key", r#"{ file = "master.key" }"#),
        now("old_master_key", r#"{ file = "old.key" }"#),
        now("keyring", r#""keyring""#),
    ],
);

pub(super) static AUDIT: Section = section(
    "audit",
    Form::One,
    &[
        now("path", r#""audit""#),
        now("keep", r#""365d""#),
        now("copy_to", r#""/var/log/mailbell/audit.jsonl""#),
        now("syslog", r#""udp://10.0.0.9:514""#),
    ],
);

pub(super) static DIRECTORY: Section = section(
    "directory",
    Form::One,
    &[now("leavers", r#""unbind""#), now("grace", r#""24h""#), now("every", r#""24h""#), now("most_leavers", "20")],
);

pub(super) static LIMITS: Section = section(
    "limits",
    Form::One,
    &[
        now("syncs_per_hour", "50"),
        now("free_syncs", "25"),
        now("logins_per_second_per_host", "5"),
        now("connections_per_account", "2"),
        now("busy_minutes", r#""digests""#),
    ],
);

pub(super) static IMAP: Section = section(
    "imap",
    Form::One,
    &[
        now("connect_timeout", r#""20s""#),
        now("command_timeout", r#""60s""#),
        now("idle_renew", r#""4m""#),
        now("poll_interval", r#""5m""#),
        now("settle", r#""1s""#),
        now("alert_seen", "false"),
        now("blind_after", r#""15m""#),
    ],
);

pub(super) static WEB: Section = section(
    "web",
    Form::One,
    &[
        now("listen", r#""127.0.0.1:8025""#),
        now("public_url", r#""https://mail.corp.example""#),
        now("admin_token", r#"{ file = "admin.token" }"#),
        now("administrators", r#"["wangwu"]"#),
        now("readers", r#"["lisi"]"#),
        now("auditors", r#"["zhaoliu"]"#),
        now("cert", r#""web.crt""#),
        now("key", r#""web.key""#),
        now("trusted_proxies", r#"["127.0.0.1", "10.0.0.0/24"]"#),
    ],
);

pub(super) static LOG: Section = section("log", Form::One, &[now("format", r#""text""#), now("personal", "false")]);

pub(super) static PROVIDER: Section = section(
    "provider",
    Form::Named,
    &[
        now("host", r#""imap.corp.example""#),
        now("port", "993"),
        now("tls", r#""implicit""#),
        now("min_tls", r#""1.2""#),
        now("ca_file", r#""corp-ca.pem""#),
        now("auth", r#""login""#),
        now("webmail", r#""https://webmail.corp.example""#),
        now("master_user", r#""mailbell""#),
        now("master_password", r#"{ file = "master.password" }"#),
    ],
);

pub(super) static OAUTH: Section = section(
    "oauth",
    Form::Named,
    &[
        now("flow", r#""client_credentials""#),
        now("token_url", r#""https://login.corp.example/token""#),
        now("client_id", r#""0a1b2c3d""#),
        now("client_secret", r#"{ file = "client.secret" }"#),
        now("scope", r#""https://outlook.office365.com/.default""#),
        now("key_file", r#""service-account.json""#),
        now("refresh_token", r#"{ file = "refresh.token" }"#),
    ],
);

pub(super) static ACCOUNT: Section = section(
    "account",
    Form::List,
    &[
        now("user", r#""zhangsan""#),
        now("email", r#""zhangsan@corp.example""#),
        now("provider", r#""exmail""#),
        now("host", r#""imap.corp.example""#),
        now("port", "993"),
        now("tls", r#""implicit""#),
        now("min_tls", r#""1.2""#),
        now("ca_file", r#""corp-ca.pem""#),
        now("auth", r#""login""#),
        now("webmail", r#""https://webmail.corp.example""#),
        now("login", r#"'CORP\zhangsan'"#),
        now("password", r#"{ file = "zhangsan.password" }"#),
        now("oauth", r#""NAME""#),
        now("shared", "true"),
        now("recipients", r#"["lisi", "party:12"]"#),
        now("folders", r#"["INBOX", "项目/*"]"#),
        now("mode", r#""auto""#),
        now("subscription", ""),
    ],
);

/// The keys of conditions, between others.
macro_rules! with_conditions {
    ($($before:expr),* $(; $($after:expr),* $(,)?)?) => {
        &[
            $($before,)*
            now("from", r#"["boss@corp.example", "*@partner.example"]"#),
            now("to", r#"["sales@corp.example"]"#),
            now("cc", r#"["team@corp.example"]"#),
            now("subject", r#"["合同", "/^\\[紧急\\]/"]"#),
            now("list_id", r#"["dev.lists.example"]"#),
            now("has_attachment", "true"),
            now("attachment", r#"["*.pdf"]"#),
            now("larger_than", r#""5MB""#),
            now("priority", r#""high""#),
            now("kind", r#"["bulk", "auto"]"#),
            now("seen", "false"),
            now("first_time", "true"),
            now("authentication", r#"["fail", "none"]"#),
            now("all", r#"[{ from = "@corp.example" }, { subject = "合同" }]"#),
            now("any", r#"[{ subject = "合同" }, { subject = "发票" }]"#),
            now("not", r#"{ kind = "bulk" }"#),
            $($($after,)*)?
        ]
    };
}

pub(super) static SUBSCRIPTION: Section = section(
    "account.subscription",
    Form::List,
    with_conditions![
        now("folders", r#"["INBOX"]"#);
        now("recipients", r#"["zhangsan"]"#),
        now("urgency", r#""normal""#),
        now("realtime", "true"),
        now("quiet_hours", r#"["22:00-08:00"]"#),
        now("work_hours", r#"["workday 09:00-18:30"]"#),
        now("digest_at", r#"["09:00", "14:00", "17:30"]"#),
        now("card", r#""template_card""#),
    ],
);

/// Conditions inside conditions: those of a subscription.
pub(super) static CONDITION: Section = section("account.subscription.any", Form::List, with_conditions![]);

/// All sections, in the order of the contract.
pub(super) static ALL: [&Section; 17] = [
    &WECOM,
    &ALERTS,
    &USER,
    &RECIPIENTS,
    &ADMIN,
    &STATE,
    &VAULT,
    &AUDIT,
    &DIRECTORY,
    &LIMITS,
    &IMAP,
    &WEB,
    &LOG,
    &PROVIDER,
    &OAUTH,
    &ACCOUNT,
    &SUBSCRIPTION,
];

/// The section of this name.
pub(super) fn named(name: &str) -> Option<&'static Section> {
    ALL.into_iter().find(|section| section.name == name)
}

/// A key that the config file may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKey {
    /// Its section's header: `[wecom]`, `[provider.NAME]`, `[[account]]`.
    pub section: String,
    /// Its name.
    pub name: &'static str,
}

/// Every key that the config file may hold, in the order of the contract.
pub fn known_keys() -> Vec<KnownKey> {
    let of = |section: &'static Section| {
        section
            .keys
            .iter()
            .filter(|key| !key.value.is_empty())
            .map(move |key| KnownKey { section: section.header(), name: key.name })
    };
    ALL.into_iter().flat_map(of).collect()
}
