//! What a sandbox is started with: the corp, the app, its members, and how hard the limits are.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

pub use super::corp::{Department, Group, Member, TagName};

/// Everything that can be chosen when a sandbox starts. `Default` is usable as it is.
///
/// In a TOML file every key is optional and durations are strings ("90s", "2h"):
///
/// ```toml
/// agent_id = 1000005
/// token_lifetime = "10m"
/// members = [{ userid = "ann", name = "安" }, { userid = "bob", name = "Bob" }]
/// parties = [1, 12]
/// party_members = [{ id = 12, members = ["bob"] }]
/// ```
///
/// A corp that is larger than what the app may see, and browsers that sign in:
///
/// ```toml
/// departments = [{ id = 1, name = "公司", parent = 0 }, { id = 12, name = "研发部" }, { id = 13, name = "财务部" }]
/// members = [{ userid = "ann", name = "安", departments = [12], email = "ann@corp.example" },
///            { userid = "bob", name = "Bob", departments = [13], status = 2 }]
/// parties = [12]
/// visible_members = []
/// contacts_secret = "another-secret"
/// trusted_ips = ["127.0.0.1"]
/// redirect_domain = "mail.corp.example:8443"
/// ```
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The corp id (企业ID).
    pub corp_id: String,
    /// The app's secret.
    pub secret: String,
    /// The app's id.
    pub agent_id: i64,
    /// The app's name, the heading of each chat.
    pub app_name: String,
    /// The secret of contacts sync (通讯录同步); empty: that is switched off.
    pub contacts_secret: String,
    /// The members of the corp.
    pub members: Vec<Member>,
    /// Who is in the app's visible range (可见范围) by themselves, beside those of `parties` and `tag_members`; where it
    /// is not given, every member is.
    pub visible_members: Option<Vec<String>>,
    /// The departments of the corp; where none are given, the root and one for each of `parties`.
    pub departments: Vec<Department>,
    /// The parties in the app's visible range.
    pub parties: Vec<i64>,
    /// The tags the app may use.
    pub tags: Vec<i64>,
    /// What the tags are called.
    pub tag_names: Vec<TagName>,
    /// Who is in a party, beside the members who name it; one that is not named here holds every member, unless members
    /// name departments.
    pub party_members: Vec<Group>,
    /// Who carries a tag; one that is not named here is carried by every member.
    pub tag_members: Vec<Group>,
    /// How long a token lives (7200 s, p91039).
    #[serde(deserialize_with = "duration")]
    pub token_lifetime: Duration,
    /// This many wrong secrets from one address inside an hour ban it from `gettoken`.
    pub max_wrong_secrets: usize,
    /// How long such a ban lasts (one hour, p90313).
    #[serde(deserialize_with = "duration")]
    pub ban: Duration,
    /// Messages one member sees in any 60 s (30, p90236); the surplus is dropped silently.
    pub member_per_minute: usize,
    /// Messages one member sees in any 3600 s (1000, p90236).
    pub member_per_hour: usize,
    /// 账号上限数: 200 persons may be told per day for each (p90454), then 45009; no limit where it is not given.
    pub account_cap: Option<u64>,
    /// The addresses that may call (企业可信IP, wecom-api.md section 8.4); others get 60020. Not given: all may.
    pub trusted_ips: Option<Vec<IpAddr>>,
    /// Whether `gettoken` is refused to others as well, which the documentation does not say.
    pub gettoken_checks_ip: bool,
    /// Whether `user/get` answers 60111 for members outside the visible range, as for nobody, rather than 60011.
    pub hidden_is_unknown: bool,
    /// Whether `user/get` tells `enable` beside `status`, as private editions do.
    pub tells_enable: bool,
    /// The host, with a port where it is not the usual one, that browsers may be sent back to with a code
    /// (授权回调域, 可信域名); empty: none.
    pub redirect_domain: String,
    /// The app's home page (应用主页).
    pub home_url: String,
    /// Refuse too long text and markdown with 45002; `false` truncates them at 2048 bytes.
    pub strict: bool,
    /// How many shown messages, and how many events, are kept for looking back.
    pub keep: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            corp_id: "ww0123456789abcdef".to_owned(),
            secret: "sandbox-secret".to_owned(),
            agent_id: 1_000_002,
            app_name: "邮铃".to_owned(),
            contacts_secret: "sandbox-contacts-secret".to_owned(),
            members: vec![Member::new("zhangsan", "张三"), Member::new("lisi", "李四"), Member::new("wangwu", "王五")],
            visible_members: None,
            departments: Vec::new(),
            parties: vec![1, 12],
            tags: vec![3],
            tag_names: Vec::new(),
            party_members: Vec::new(),
            tag_members: Vec::new(),
            token_lifetime: Duration::from_secs(7200),
            max_wrong_secrets: 5,
            ban: Duration::from_secs(3600),
            member_per_minute: 30,
            member_per_hour: 1000,
            account_cap: None,
            trusted_ips: None,
            gettoken_checks_ip: false,
            hidden_is_unknown: false,
            tells_enable: false,
            redirect_domain: String::new(),
            home_url: String::new(),
            strict: true,
            keep: 200_000,
        }
    }
}

impl fmt::Debug for Options {
    /// Without the secrets: they may be real ones.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("corp_id", &self.corp_id)
            .field("agent_id", &self.agent_id)
            .field("members", &self.members)
            .field("token_lifetime", &self.token_lifetime)
            .field("strict", &self.strict)
            .finish_non_exhaustive()
    }
}

/// Why options could not be used.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// The file could not be read.
    #[error("cannot read the sandbox options {}: {source}; check the path and its rights", path.display())]
    Read {
        /// The file asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is no TOML, or holds an unknown key or a wrong type.
    #[error("sandbox options, line {line}: {message}")]
    Toml {
        /// The line, from 1.
        line: usize,
        /// What is wrong, without the text of the file.
        message: String,
    },
    /// A value that no WeCom would have.
    #[error("sandbox options: {0}")]
    Value(String),
}

impl Options {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// The file cannot be read, or [`Options::from_toml`] refuses it.
    pub fn load(path: &Path) -> Result<Self, OptionsError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| OptionsError::Read { path: path.to_owned(), source })?;
        Self::from_toml(&text)
    }

    /// Reads TOML text; keys that are missing keep their defaults.
    ///
    /// # Errors
    /// Broken TOML, unknown keys, wrong types, and what [`Options::check`] finds.
    pub fn from_toml(text: &str) -> Result<Self, OptionsError> {
        let options: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or(text);
            OptionsError::Toml { line: before.matches('\n').count() + 1, message: error.message().to_owned() }
        })?;
        options.check()?;
        Ok(options)
    }

    /// Whether a WeCom could be set up like this.
    ///
    /// # Errors
    /// An empty corp id or secret, one secret for both, a malformed or repeated userid, a group of unknown members or of
    /// an unknown id, departments that are no tree, a zero lifetime or account cap.
    pub fn check(&self) -> Result<(), OptionsError> {
        let refuse = |text: String| Err(OptionsError::Value(text));
        if self.corp_id.is_empty() || self.secret.is_empty() {
            return refuse("corp_id and secret must not be empty; leave them out for the defaults".to_owned());
        }
        if self.contacts_secret == self.secret {
            return refuse("contacts_secret and secret must differ".to_owned());
        }
        if self.token_lifetime.as_secs() == 0 {
            return refuse("token_lifetime must be at least \"1s\"".to_owned());
        }
        if self.account_cap == Some(0) {
            return refuse("account_cap must be at least 1; leave it out for no limit".to_owned());
        }
        let mut known = BTreeSet::new();
        for Member { userid, .. } in &self.members {
            if !well_formed(userid) {
                return refuse(format!(
                    "the userid {userid:?} is not 1 to 64 digits, letters or _ - @ . with a digit or letter first"
                ));
            }
            if !known.insert(userid.to_ascii_lowercase()) {
                return refuse(format!("the userid {userid:?} is there twice (case does not matter)"));
            }
        }
        for (groups, ids, key) in
            [(&self.party_members, &self.parties, "parties"), (&self.tag_members, &self.tags, "tags")]
        {
            for group in groups {
                if !ids.contains(&group.id) {
                    return refuse(format!("members are given for {}, which is not in {key}; add it there", group.id));
                }
                if let Some(userid) = group.members.iter().find(|userid| !known.contains(&userid.to_ascii_lowercase()))
                {
                    return refuse(format!("{userid:?} belongs to {} of {key} but is not among the members", group.id));
                }
            }
        }
        self.check_corp().or_else(refuse)
    }
}

/// The form of a userid: 1 to 64 bytes, digits, letters, `_ - @ .`, a digit or letter first (p90195).
pub(super) fn well_formed(userid: &str) -> bool {
    userid.len() <= 64
        && userid.starts_with(|c: char| c.is_ascii_alphanumeric())
        && userid.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '@' | '.'))
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok()).ok_or_else(|| {
        serde::de::Error::custom(format!("{text:?} is not a duration; write for example \"90s\" or \"2h\""))
    })
}
