//! The processes of the private Dovecot: starting them in a group of their own, a guard that outlives us just long
//! enough to clear up, and killing every one of them.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The user that Dovecot runs under.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub user: String,
    pub group: String,
    pub uid: u32,
    pub gid: u32,
    /// We are root and become that user for Dovecot.
    pub switch: bool,
}

impl Account {
    /// The current user; for root, who may own no mail in Dovecot, an unprivileged one that exists.
    pub fn choose() -> io::Result<Account> {
        if !rustix::process::geteuid().is_root() {
            return Account::look_up(None);
        }
        // Debian's dovecot-core creates the first; the second is everywhere
        ["dovecot", "nobody"].into_iter().map(|name| Account::look_up(Some(name))).find(Result::is_ok).unwrap_or_else(
            || Err(io::Error::new(io::ErrorKind::NotFound, "there is neither a user \"dovecot\" nor \"nobody\"")),
        )
    }

    fn look_up(name: Option<&str>) -> io::Result<Account> {
        let id = |flag: &str| -> io::Result<String> {
            let out = Command::new("id").arg(flag).args(name).stdin(Stdio::null()).output()?;
            let text = String::from_utf8_lossy(&out.stdout).trim().to_owned();
            if !out.status.success() || text.is_empty() {
                let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
                return Err(io::Error::other(format!("`id {flag}` failed: {said}")));
            }
            Ok(text)
        };
        let number = |text: String| text.parse().map_err(io::Error::other);
        Ok(Account {
            user: id("-un")?,
            group: id("-gn")?,
            uid: number(id("-u")?)?,
            gid: number(id("-g")?)?,
            switch: name.is_some(),
        })
    }

    /// Lets the command run under this user.
    pub fn apply(&self, command: &mut Command) {
        if self.switch {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Gives a file or directory to this user.
    pub fn give(&self, path: &Path) -> io::Result<()> {
        if self.switch { std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)) } else { Ok(()) }
    }
}

/// A running Dovecot master with all its children, and its guard.
#[derive(Debug)]
pub(super) struct Group {
    master: Child,
    guard: Child,
}

/// Waits for the end of our pipe, which comes also when we die by kill -9; then ends the group and removes its files.
const GUARD: &str = r#"trap "" INT TERM HUP
read -r _
kill -s KILL -- "-$1"
shift
for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$@" && exit; sleep 0.2; done"#;

impl Group {
    /// Starts Dovecot in the foreground, as the leader of a new process group. `remove` is what the guard removes when
    /// we die without a word.
    pub fn start(program: &Path, conf: &Path, account: &Account, remove: &[PathBuf]) -> io::Result<Group> {
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"ulimit -c 0; ulimit -n "$(ulimit -H -n)" 2>/dev/null; exec "$0" -F -c "$1""#])
            .args([program, conf])
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        account.apply(&mut command);
        let mut master = command.spawn()?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "mailbell-demo-guard"])
            .arg(master.id().to_string())
            .args(remove)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        match guard {
            Ok(guard) => Ok(Group { master, guard }),
            Err(error) => {
                let _ = master.kill();
                let _ = master.wait();
                Err(error)
            }
        }
    }

    /// The process id of the master, which is the id of the group too.
    pub fn id(&self) -> u32 {
        self.master.id()
    }

    /// How the master ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.master.try_wait().ok().flatten()
    }

    /// Asks the master to end (SIGTERM), which makes it refuse new connections.
    pub fn ask_master_to_end(&mut self) {
        if self.ended().is_none()
            && let Some(pid) = pid(self.id())
        {
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// Asks the processes that serve clients to end: by themselves they would first wait until their clients have been
    /// silent for 10 s, and the master for them. To be called once the master has been asked.
    pub fn ask_children_to_end(&self) {
        for id in members(self.id()) {
            let name = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            let serves = [&b"/imap\0"[..], b"/imap-hibernate\0", b"/lmtp\0"].iter().any(|end| name.ends_with(end));
            if let Some(pid) = pid(id).filter(|_| serves) {
                let _ = kill_process(pid, Signal::TERM);
            }
        }
    }

    /// Whether the master and all its children have ended.
    pub fn is_gone(&mut self) -> bool {
        self.ended().is_some() && members(self.id()).is_empty()
    }

    /// Kills what is left (SIGKILL) and waits until nothing is, for 5 s at most: a killed process is gone within
    /// milliseconds unless the disk hangs.
    pub fn end(mut self) {
        if let Some(pid) = pid(self.id()) {
            // the id cannot be another group's: the master is not waited for, or members are still alive
            if self.ended().is_none() || !members(self.id()).is_empty() {
                let _ = kill_process_group(pid, Signal::KILL);
            }
        }
        let _ = self.master.wait();
        let until = Instant::now() + Duration::from_secs(5);
        while !members(self.id()).is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.guard.kill();
        let _ = self.guard.wait();
    }
}

fn pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}

/// The processes of a group that still run (the dead who wait to be collected do not count).
pub(super) fn members(group: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // "pid (name, which may hold anything) state ppid pgrp ..."
        let Some((_, rest)) = stat.rsplit_once(") ") else {
            continue;
        };
        let mut fields = rest.split(' ');
        let (state, _parent, of) = (fields.next(), fields.next(), fields.next());
        if of.and_then(|of| of.parse().ok()) == Some(group) && !matches!(state, Some("Z" | "X")) {
            found.push(id);
        }
    }
    found
}
