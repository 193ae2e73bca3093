//! The configuration of the private Dovecot, in the two syntaxes there are: up to 2.3, and from 2.4 on.
//!
//! Everything runs under one ordinary user (Dovecot's "rootless" way), so that no root is needed and nothing depends on
//! the users of the machine's own Dovecot.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the configuration depends on. Paths are absolute and hold no blanks or quotes.
pub(super) struct Layout<'a> {
    /// Home of sockets and of what Dovecot keeps while it runs; short.
    pub base: &'a Path,
    /// Home of mail, index files and certificates.
    pub home: &'a Path,
    pub log: PathBuf,
    pub passwd: PathBuf,
    pub cert: &'a Path,
    pub key: &'a Path,
    /// Name of the user and the group that everything runs under.
    pub user: &'a str,
    pub group: &'a str,
    pub uid: u32,
    pub gid: u32,
    pub imap: u16,
    pub imaps: u16,
    pub lmtp: u16,
    pub idle: bool,
    pub hibernate: Option<Duration>,
    pub extra: &'a str,
}

/// What 2.3 offers after login, without IDLE: there one capability can only be left out by naming all others.
const WITHOUT_IDLE: &str = "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE SORT SORT=DISPLAY THREAD=REFERENCES \
     THREAD=REFS THREAD=ORDEREDSUBJECT MULTIAPPEND URL-PARTIAL CATENATE UNSELECT CHILDREN NAMESPACE UIDPLUS \
     LIST-EXTENDED I18NLEVEL=1 CONDSTORE QRESYNC ESEARCH ESORT SEARCHRES WITHIN CONTEXT=SEARCH LIST-STATUS BINARY \
     MOVE SNIPPET=FUZZY PREVIEW=FUZZY PREVIEW STATUS=SIZE SAVEDATE NOTIFY LITERAL+";

/// The whole configuration file, in the syntax from 2.4 on or in that of 2.3.
pub(super) fn render(layout: &Layout<'_>, from_2_4: bool) -> String {
    let mut conf = String::new();
    if from_2_4 {
        // must be the first two settings
        conf.push_str("dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n");
    }
    conf.push_str(&common(layout));
    conf.push_str(&if from_2_4 { settings_2_4(layout) } else { settings_2_3(layout) });
    conf.push_str(&services(layout, from_2_4));
    conf.push_str(layout.extra);
    conf.push('\n');
    conf
}

/// What is written alike in both syntaxes.
fn common(layout: &Layout<'_>) -> String {
    let Layout { base, home, log, user, group, .. } = layout;
    let (base, home, log) = (base.display(), home.display(), log.display());
    let mut text = format!(
        "base_dir = {base}
state_dir = {home}/state
log_path = {log}
instance_name = mailbell-demo
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
first_valid_gid = 1
default_vsz_limit = 1G
default_client_limit = 4000
default_process_limit = 100
shutdown_clients = yes
log_debug = event=imap_command_finished
ssl = yes
hostname = localhost
postmaster_address = postmaster@localhost
auth_mechanisms = plain login
auth_failure_delay = 0
auth_verbose = yes
mail_max_userip_connections = 10000
mail_fsync = never
mailbox_idle_check_interval = 2 secs
namespace inbox {{
  inbox = yes
  separator = /
}}
"
    );
    if let Some(after) = layout.hibernate {
        let _ = writeln!(text, "imap_hibernate_timeout = {} secs", after.as_secs().max(1));
    }
    text
}

fn settings_2_3(layout: &Layout<'_>) -> String {
    let Layout { home, passwd, cert, key, uid, gid, .. } = layout;
    let (home, passwd, cert, key) = (home.display(), passwd.display(), cert.display(), key.display());
    let mut text = format!(
        "protocols = imap lmtp
disable_plaintext_auth = no
ssl_cert = <{cert}
ssl_key = <{key}
mail_location = sdbox:~/mail
passdb {{
  driver = passwd-file
  args = {passwd}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/users/%u
}}
"
    );
    if !layout.idle {
        let _ = writeln!(text, "imap_capability = {WITHOUT_IDLE}");
    }
    text
}

fn settings_2_4(layout: &Layout<'_>) -> String {
    let Layout { home, passwd, cert, key, uid, gid, .. } = layout;
    let (home, passwd, cert, key) = (home.display(), passwd.display(), cert.display(), key.display());
    let mut text = format!(
        "protocols {{
  imap = yes
  lmtp = yes
}}
auth_allow_cleartext = yes
ssl_server_cert_file = {cert}
ssl_server_key_file = {key}
mail_driver = sdbox
mail_path = ~/mail
passdb passwd-file {{
  passwd_file_path = {passwd}
}}
userdb static {{
  fields {{
    uid = {uid}
    gid = {gid}
    home = {home}/users/%{{user}}
  }}
}}
"
    );
    if !layout.idle {
        text.push_str("imap_capability {\n  IDLE = no\n}\n");
    }
    text
}

/// The processes: without chroot (that would need root), ready beforehand, reused, and with room for thousands of
/// connections.
fn services(layout: &Layout<'_>, from_2_4: bool) -> String {
    let Layout { imap, imaps, lmtp, .. } = layout;
    let reuse = if from_2_4 { "restart_request_count = unlimited" } else { "service_count = 0" };
    format!(
        "service imap-login {{
  chroot =
  {reuse}
  process_min_avail = 2
  process_limit = 4
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service imap {{
  {reuse}
  # the system lets a user have 128 processes that watch files; the others would only look now and then
  client_limit = 50
  process_min_avail = 2
  process_limit = 400
}}
service lmtp {{
  {reuse}
  process_min_avail = 2
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service auth {{
  client_limit = 20000
}}
service anvil {{
  client_limit = 20000
  chroot =
  # a refused login must not slow down the next one from this address
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"
    )
}
