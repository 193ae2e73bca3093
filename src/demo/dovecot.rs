//! A private Dovecot: the IMAP server of the demo and of the tests. It runs as an ordinary user, on ports of its own, with
//! a certificate authority of its own, and leaves nothing behind. Several may run side by side.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;

pub use super::ca::CertKind;
use super::ca::{self, CertFiles};
use super::dovecot_conf::{self, Layout};
pub use super::dovecot_find::{DovecotError, Version, find};
use super::dovecot_find::{find_program, system};
use super::dovecot_place::{Ports, check_login, directories};
use super::dovecot_process::{Account, Group, members};

/// How the private Dovecot is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Login (`zhangsan@corp.example`) and password of each user. Each has an INBOX.
    pub users: Vec<(String, String)>,
    /// `false` takes IDLE out of the capabilities.
    pub idle: bool,
    /// Idle connections are handed to one small process after this time (whole seconds, at least one).
    pub hibernate: Option<Duration>,
    /// Configuration lines for the end of the file, in the syntax of the Dovecot found; see [`find`].
    pub extra: String,
    /// The certificate it shows.
    pub cert: CertKind,
}

impl Default for Options {
    fn default() -> Self {
        Options { users: Vec::new(), idle: true, hibernate: None, extra: String::new(), cert: CertKind::Good }
    }
}

impl Options {
    /// These users, everything else by default.
    pub fn of<L: Into<String>, P: Into<String>>(users: impl IntoIterator<Item = (L, P)>) -> Self {
        let users = users.into_iter().map(|(login, password)| (login.into(), password.into())).collect();
        Options { users, ..Options::default() }
    }
}

/// A running (or stopped, and ready to be restarted) private Dovecot. Dropping it kills it and removes all it had; so
/// does the death of this process, by whatever cause.
#[derive(Debug)]
pub struct Dovecot {
    program: PathBuf,
    doveadm: PathBuf,
    version: Version,
    account: Account,
    options: Options,
    ports: Ports,
    files: CertFiles,
    group: Option<Group>,
    /// The sockets, which need a short path. Before `home`: dropped first.
    base: TempDir,
    home: TempDir,
}

impl Dovecot {
    /// Sets a Dovecot up in a new directory and starts it; comes back when IMAP and LMTP answer.
    ///
    /// The new directory lies in `dir`; in the system's temporary directory where `dir` cannot be reached by the
    /// unprivileged user that Dovecot runs under when we are root.
    ///
    /// # Errors
    /// See [`DovecotError`]; nothing is left behind.
    pub async fn start(dir: &Path, options: &Options) -> Result<Dovecot, DovecotError> {
        let (program, version) = find()?;
        let doveadm = find_program("doveadm")?;
        for (login, _) in &options.users {
            check_login(login)?;
        }
        let account = Account::choose().map_err(system("cannot choose a user for the private Dovecot"))?;
        let (home, base) = directories(dir, &account)?;
        let files = ca::write(home.path(), options.cert)?;
        let ports = Ports::choose()?;
        let options = options.clone();
        let mut dovecot =
            Dovecot { program, doveadm, version, account, options, ports, files, group: None, base, home };
        dovecot.write_passwords(None)?;
        for path in [&dovecot.files.ca, &dovecot.files.cert, &dovecot.files.key] {
            dovecot.give(path)?;
        }
        let mut attempts = 0;
        loop {
            attempts += 1;
            match dovecot.launch().await {
                // someone else took a port in the meantime
                Err(DovecotError::NotReady { log, .. }) if attempts < 5 && log.contains("Address already in use") => {
                    dovecot.ports = Ports::choose()?;
                    let _ = std::fs::remove_file(dovecot.log_file());
                }
                other => return other.map(|()| dovecot),
            }
        }
    }

    /// The port of IMAP: cleartext with STARTTLS offered; a login is allowed without it, as this is loopback.
    pub fn imap_port(&self) -> u16 {
        self.ports.imap
    }

    /// The port of IMAP over TLS.
    pub fn imaps_port(&self) -> u16 {
        self.ports.imaps
    }

    /// The port of LMTP.
    pub fn lmtp_port(&self) -> u16 {
        self.ports.lmtp
    }

    /// The address of LMTP, as [`deliver`](super::lmtp::deliver) takes it.
    pub fn lmtp_addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.lmtp))
    }

    /// The PEM file of the authority that signed its certificate.
    pub fn ca_file(&self) -> &Path {
        &self.files.ca
    }

    /// The version that runs.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The ids of its processes; none when stopped.
    pub fn processes(&self) -> Vec<u32> {
        self.group.as_ref().map(|group| members(group.id())).unwrap_or_default()
    }

    /// Ends it as an administrator would (SIGTERM: clients are told BYE), by force after 10 s. The mail stays.
    pub async fn stop(&mut self) {
        let Some(mut group) = self.group.take() else {
            return;
        };
        group.ask_master_to_end();
        let begun = Instant::now();
        let mut asked_children = false;
        while !group.is_gone() && begun.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if !asked_children && begun.elapsed() > Duration::from_millis(50) {
                asked_children = true;
                group.ask_children_to_end();
            }
        }
        end(group).await;
    }

    /// Kills all its processes at once (SIGKILL). The mail stays.
    pub async fn kill(&mut self) {
        if let Some(group) = self.group.take() {
            end(group).await;
        }
    }

    /// Stops it if it runs, and starts it: the same ports, the same certificate, the same mail.
    ///
    /// # Errors
    /// When it does not come up; it is stopped then.
    pub async fn restart(&mut self) -> Result<(), DovecotError> {
        self.stop().await;
        self.launch().await
    }

    /// Changes a user's password, or adds a user; at once, without a restart.
    ///
    /// # Errors
    /// When the password file cannot be written.
    pub fn set_password(&mut self, login: &str, password: &str) -> Result<(), DovecotError> {
        check_login(login)?;
        self.options.users.retain(|(known, _)| known != login);
        self.options.users.push((login.to_owned(), password.to_owned()));
        let before = std::fs::metadata(self.passwd_file()).and_then(|known| known.modified()).ok();
        self.write_passwords(before)
    }

    /// Runs one doveadm command, such as `["mailbox", "create", "-u", "zhangsan@corp.example", "项目"]`, and gives its
    /// output. Works only while Dovecot runs.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn doveadm(&self, args: &[&str]) -> Result<String, DovecotError> {
        self.doveadm_with(args, &[])
    }

    /// As [`Dovecot::doveadm`], with something on its standard input: `["save", "-u", login, "-m", folder]` stores the
    /// message given so.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn doveadm_with(&self, args: &[&str], input: &[u8]) -> Result<String, DovecotError> {
        let mut command = Command::new(&self.doveadm);
        command.arg("-c").arg(self.conf_file()).args(args).current_dir("/");
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LANG", "C.UTF-8");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.account.apply(&mut command);
        let output = run(&mut command, input).map_err(system(format!("cannot run {}", self.doveadm.display())))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(DovecotError::Doveadm {
            command: args.join(" "),
            status: output.status.to_string(),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// Its log so far: a line `imap-login: ... user=<...>` for each login, `Password mismatch` for each refused one,
    /// `saved mail to` for each delivery, and `Command finished: ` with the command for each IMAP command after the login.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    /// How many logins of this user were let in so far. Lines reach the log a moment later than the client its answer.
    pub fn logins(&self, login: &str) -> usize {
        // the first as 2.3 writes it, the second as 2.4 does
        let lines = [format!("Login: user=<{login}>"), format!("Logged in: user=<{login}>")];
        self.log().lines().filter(|line| lines.iter().any(|known| line.contains(known))).count()
    }

    /// How many logins of this user were refused for a wrong password so far.
    pub fn refused_logins(&self, login: &str) -> usize {
        let user = format!("({login},");
        self.log().lines().filter(|line| line.contains("assword mismatch") && line.contains(&user)).count()
    }

    fn log_file(&self) -> PathBuf {
        self.home.path().join("dovecot.log")
    }

    fn conf_file(&self) -> PathBuf {
        self.home.path().join("dovecot.conf")
    }

    fn passwd_file(&self) -> PathBuf {
        self.home.path().join("passwd")
    }

    fn give(&self, path: &Path) -> Result<(), DovecotError> {
        self.account.give(path).map_err(system(format!("cannot change the owner of {}", path.display())))
    }

    /// The password file. `before` is the time stamp of the former one, from which Dovecot must see a difference.
    fn write_passwords(&self, before: Option<std::time::SystemTime>) -> Result<(), DovecotError> {
        let mut text = String::new();
        for (login, password) in &self.options.users {
            let secret = base64::engine::general_purpose::STANDARD.encode(password);
            text.push_str(&format!("{login}:{{PLAIN.b64}}{secret}\n"));
        }
        let path = self.passwd_file();
        let failed = || system(format!("cannot write {}", path.display()));
        let mut file = tempfile::NamedTempFile::new_in(self.home.path()).map_err(failed())?;
        file.write_all(text.as_bytes()).map_err(failed())?;
        if let Some(before) = before {
            // it compares whole seconds and the size
            let now = std::time::SystemTime::now().max(before + Duration::from_secs(2));
            file.as_file().set_modified(now).map_err(failed())?;
        }
        self.give(file.path())?;
        file.persist(&path).map_err(|error| failed()(error.error))?;
        Ok(())
    }

    fn write_conf(&self) -> Result<(), DovecotError> {
        let layout = Layout {
            base: self.base.path(),
            home: self.home.path(),
            log: self.log_file(),
            passwd: self.passwd_file(),
            cert: &self.files.cert,
            key: &self.files.key,
            user: &self.account.user,
            group: &self.account.group,
            uid: self.account.uid,
            gid: self.account.gid,
            imap: self.ports.imap,
            imaps: self.ports.imaps,
            lmtp: self.ports.lmtp,
            idle: self.options.idle,
            hibernate: self.options.hibernate,
            extra: &self.options.extra,
        };
        let text = dovecot_conf::render(&layout, self.version.is_from_2_4());
        let path = self.conf_file();
        std::fs::write(&path, text).map_err(system(format!("cannot write {}", path.display())))?;
        self.give(&path)
    }

    /// Starts the processes and waits until they answer.
    async fn launch(&mut self) -> Result<(), DovecotError> {
        self.write_conf()?;
        // after a kill -9 this names a process that may by now be someone else's
        let _ = std::fs::remove_file(self.base.path().join("master.pid"));
        let remove = [self.base.path().to_owned(), self.home.path().to_owned()];
        let group = Group::start(&self.program, &self.conf_file(), &self.account, &remove)
            .map_err(system(format!("cannot run {}", self.program.display())))?;
        let group = self.group.insert(group);
        let until = Instant::now() + Duration::from_secs(30);
        let failure = loop {
            if let Some(status) = group.ended() {
                break format!("did not start ({status})");
            }
            if greets(self.ports.imap, "* OK").await && greets(self.ports.lmtp, "220 ").await {
                return Ok(());
            }
            if Instant::now() > until {
                break "did not answer within 30 s".to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        self.kill().await;
        Err(DovecotError::NotReady { what: failure, log: self.why() })
    }

    /// The end of the log; if there is none, what a check of the configuration says.
    fn why(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        if let Some(tail) = lines.get(lines.len().saturating_sub(20)..).filter(|tail| !tail.is_empty()) {
            return tail.join("\n");
        }
        let mut command = Command::new(&self.program);
        command.arg("-n").arg("-c").arg(self.conf_file()).current_dir("/").stdin(Stdio::null());
        self.account.apply(&mut command);
        command.output().map(|output| String::from_utf8_lossy(&output.stderr).trim().to_owned()).unwrap_or_default()
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        if let Some(group) = self.group.take() {
            group.end();
        }
    }
}

/// Ends the group without holding up the other tasks of this thread.
async fn end(group: Group) {
    let _ = tokio::task::spawn_blocking(move || group.end()).await;
}

/// Whether the server on this port begins with these words.
async fn greets(port: u16, words: &str) -> bool {
    let greeting = async {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
        let mut line = Vec::new();
        BufReader::new(stream).read_until(b'\n', &mut line).await.ok()?;
        Some(line.starts_with(words.as_bytes()))
    };
    tokio::time::timeout(Duration::from_secs(5), greeting).await.ok().flatten().unwrap_or(false)
}

/// Runs a command to its end, with this on its standard input.
fn run(command: &mut Command, input: &[u8]) -> std::io::Result<Output> {
    let mut child = command.spawn()?;
    let pipe = child.stdin.take();
    std::thread::scope(|scope| {
        // a command that does not read its input closes the pipe: no fault
        scope.spawn(move || pipe.map(|mut pipe| pipe.write_all(input)));
        child.wait_with_output()
    })
}
