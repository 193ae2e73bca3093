//! A private Cyrus IMAP: the second real server of the tests, unpacked by `.ci/fetch-cyrus` into the target directory.
//!
//! It runs as an ordinary user (as root: as Dovecot's or as nobody, for its services refuse to run as root), with a
//! directory, ports and a certificate authority of its own. Every password is right. Folders have the classic names:
//! below `INBOX.`, with dots.

use super::proxy::free_port;
use mailbell::demo::ca::{self, CertFiles, CertKind};
use mailbell::demo::lmtp;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Runs the master in a session of its own until our pipe ends, which comes also when we are killed; then kills all of
/// it and removes its files.
const GUARD: &str = r#"trap "" INT TERM HUP
dir=$1; shift
setsid "$@" </dev/null >>"$dir/out" 2>&1 &
read -r _
kill -s KILL -- "-$!"
wait
rm -rf -- "$dir"/*"#;

/// See the module's text. Dropping it ends it and removes all it had.
pub struct Cyrus {
    guard: Child,
    files: CertFiles,
    imap: u16,
    imaps: u16,
    lmtp: u16,
    home: TempDir,
}

/// Who Cyrus runs as.
struct Runner {
    name: String,
    /// For root, who becomes that user.
    ids: Option<(u32, u32)>,
}

impl Runner {
    fn choose() -> Self {
        let ask = |args: &[&str]| {
            let out = Command::new("id").args(args).output().unwrap();
            out.status.success().then(|| String::from_utf8(out.stdout).unwrap().trim().to_owned())
        };
        if ask(&["-u"]).unwrap() != "0" {
            return Self { name: ask(&["-un"]).unwrap(), ids: None };
        }
        let name = if ask(&["dovecot"]).is_some() { "dovecot" } else { "nobody" };
        let id = |flag| ask(&[flag, name]).unwrap().parse().unwrap();
        Self { name: name.to_owned(), ids: Some((id("-u"), id("-g"))) }
    }

    fn give(&self, path: &Path) {
        if let Some((uid, gid)) = self.ids {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }
}

/// Where the programs are; tells where the output of tests cannot be missed when they are not there.
fn programs() -> Option<PathBuf> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-servers/cyrus");
    if place.join("usr/lib/cyrus/bin/master").exists() {
        return Some(place);
    }
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let text = format!("NOT RUN: {name}: there is no Cyrus here; `make tools` fetches it\n");
    // not by a macro: that would be kept back as the output of a test that passes
    std::io::stderr().write_all(text.as_bytes()).unwrap();
    None
}

/// Whether everybody may reach what lies in this directory.
fn others_may_pass(dir: &Path) -> bool {
    let dir = dir.canonicalize().unwrap();
    dir.ancestors().all(|part| part.metadata().is_ok_and(|known| known.permissions().mode() & 0o001 != 0))
}

impl Cyrus {
    /// Sets a Cyrus up and starts it; comes back when it answers. `None` where there is no Cyrus.
    pub async fn start() -> Option<Self> {
        let mut root = programs()?;
        let runner = Runner::choose();
        let home = tempfile::Builder::new().prefix("mailbell-cyrus-").tempdir().unwrap();
        runner.give(home.path());
        if runner.ids.is_some() && !others_may_pass(&root) {
            let place = home.path().join("programs");
            std::fs::create_dir_all(place.join("usr/lib")).unwrap();
            for (from, to) in [("libs", "."), ("usr/lib/cyrus", "usr/lib")] {
                let copied = Command::new("cp").arg("-r").args([root.join(from), place.join(to)]).status().unwrap();
                assert!(copied.success());
            }
            root = place;
        }
        for part in ["conf", "conf/socket", "conf/log", "spool"] {
            std::fs::create_dir(home.path().join(part)).unwrap();
            runner.give(&home.path().join(part));
        }
        let files = ca::write(home.path(), CertKind::Good).unwrap();
        runner.give(&files.key);
        let [(imap, a), (imaps, b), (lmtp, c)] = [free_port(), free_port(), free_port()];
        drop((a, b, c));
        let conf = write_conf(home.path(), &root, &runner, &files, [imap, imaps, lmtp]);
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "mailbell-test-guard"]).arg(home.path());
        command.arg(root.join("usr/lib/cyrus/bin/master")).args(["-D", "-C"]).arg(conf).arg("-M");
        command.arg(home.path().join("cyrus.conf")).arg("-p").arg(home.path().join("conf/master.pid"));
        let libs = root.join("libs");
        // what is installed already was not fetched
        let sasl = format!("{0}/sasl2:/usr/lib/{1}-linux-gnu/sasl2", libs.display(), std::env::consts::ARCH);
        command.env("LD_LIBRARY_PATH", &libs).env("SASL_PATH", sasl).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        if let Some((uid, gid)) = runner.ids {
            command.uid(uid).gid(gid);
        }
        let cyrus = Self { guard: command.spawn().unwrap(), files, imap, imaps, lmtp, home };
        let began = Instant::now();
        while !(greets(imap, "* OK").await && greets(lmtp, "220 ").await) {
            let out = std::fs::read_to_string(cyrus.home.path().join("out")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(30), "Cyrus does not answer: {out}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(cyrus)
    }

    /// The lines of `[provider.test]`, by a port of TLS: its own, or a proxy's.
    pub fn provider(&self, port: u16) -> String {
        format!("port = {port}\nca_file = '{}'\n", self.files.ca.display())
    }

    pub fn imaps_port(&self) -> u16 {
        self.imaps
    }

    /// Delivers a mail by LMTP; the mailbox comes to be with its first login.
    pub async fn deliver(&self, rcpt: &str, mail: &[u8]) {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, self.lmtp));
        lmtp::deliver(at, "lisi@partner.example", rcpt, mail).await.unwrap();
    }

    /// The processes of this program of it, such as `imapd`.
    pub fn processes(&self, program: &str) -> Vec<u32> {
        let conf = self.home.path().join("imapd.conf");
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words: Vec<_> = words.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
            if words[0].ends_with(&format!("/{program}")) && words.iter().any(|word| Path::new(&**word) == conf) {
                found.push(id);
            }
        }
        found
    }

    /// A conversation of this user, without TLS.
    pub async fn talk(&self, login: &str) -> Talk {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.imap)).await.unwrap();
        let mut talk = Talk { stream: BufReader::new(stream), tag: 0 };
        talk.line().await;
        talk.ask(&format!("LOGIN {login} any")).await;
        talk
    }
}

impl Drop for Cyrus {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Writes both configuration files; the path of `imapd.conf`.
///
/// `event_exclude_specialuse` is `\Junk` where nothing is said: 3.10.2 then never tells of letters in that folder by NOTIFY
/// (seen on 2026-11-22), and only the sweep finds them.
fn write_conf(home: &Path, root: &Path, runner: &Runner, files: &CertFiles, ports: [u16; 3]) -> PathBuf {
    let (dir, user, bin) = (home.display(), &runner.name, root.join("usr/lib/cyrus/bin"));
    let (bin, cert, key) = (bin.display(), files.cert.display(), files.key.display());
    let [imap, imaps, lmtp] = ports;
    let imapd = format!(
        "configdirectory: {dir}/conf\ndefaultpartition: default\npartition-default: {dir}/spool\n\
         servername: localhost\ncyrus_user: {user}\nadmins: cyrus\naltnamespace: no\nunixhierarchysep: no\n\
         virtdomains: userid\ndefaultdomain: corp.example\nallowplaintext: yes\nsasl_pwcheck_method: alwaystrue\n\
         sasl_mech_list: PLAIN LOGIN\nidlesocket: {dir}/conf/socket/idle\nlmtpsocket: {dir}/conf/socket/lmtp\n\
         notifysocket: {dir}/conf/socket/notify\ntls_server_cert: {cert}\ntls_server_key: {key}\n\
         delete_mode: immediate\nduplicatesuppression: no\nspecialusealways: yes\nautocreate_quota: 0\n\
         event_exclude_specialuse: \\Trash\n"
    );
    let conf = home.join("imapd.conf");
    std::fs::write(&conf, imapd).unwrap();
    let c = format!("-C {dir}/imapd.conf");
    let services = format!(
        "START {{\n  recover cmd=\"{bin}/ctl_cyrusdb {c} -r\"\n  idled cmd=\"{bin}/idled {c}\"\n}}\nSERVICES {{\n  \
         imap cmd=\"{bin}/imapd {c} -U 30\" listen=\"127.0.0.1:{imap}\" prefork=1\n  \
         imaps cmd=\"{bin}/imapd {c} -s -U 30\" listen=\"127.0.0.1:{imaps}\" prefork=1\n  \
         lmtp cmd=\"{bin}/lmtpd {c} -a\" listen=\"127.0.0.1:{lmtp}\" prefork=1\n}}\nEVENTS {{\n}}\n"
    );
    std::fs::write(home.join("cyrus.conf"), services).unwrap();
    conf
}

async fn greets(port: u16, words: &str) -> bool {
    let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return false };
    let mut line = String::new();
    let read = BufReader::new(stream).read_line(&mut line).await;
    read.is_ok() && line.starts_with(words)
}

/// A conversation in IMAP.
pub struct Talk {
    stream: BufReader<TcpStream>,
    tag: u32,
}

impl Talk {
    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = tokio::time::timeout(Duration::from_secs(30), self.stream.read_line(&mut line));
        assert!(read.await.expect("an answer").unwrap() > 0, "the server has closed");
        line
    }

    /// Sends a command, which must be taken, and gives the whole answer.
    pub async fn ask(&mut self, command: &str) -> String {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        self.stream.get_mut().write_all(format!("{tag} {command}\r\n").as_bytes()).await.unwrap();
        let mut all = String::new();
        loop {
            let line = self.line().await;
            all.push_str(&line);
            if let Some(answer) = line.strip_prefix(&format!("{tag} ")) {
                assert!(answer.starts_with("OK"), "{command}: {all}");
                return all;
            }
        }
    }

    /// Puts a mail into a folder, whose name is given as it goes over the wire.
    pub async fn append(&mut self, folder: &str, mail: &[u8]) {
        let mail = String::from_utf8(mail.to_vec()).unwrap();
        self.ask(&format!("APPEND \"{folder}\" {{{}+}}\r\n{mail}", mail.len())).await;
    }
}
