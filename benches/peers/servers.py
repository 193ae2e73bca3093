# The mail servers of the comparison: private ones on loopback, with TLS, and LMTP to bring letters.

import os
import pathlib
import platform
import pwd
import shutil
import socket
import subprocess
import time

from process import Program

REPO = pathlib.Path(__file__).resolve().parent.parent.parent
DOMAIN = "corp.example"
PASSWORD = "bench-password"
# of the mailboxes; far from those of people and services
FIRST_UID = 200000


class NotToBeHad(Exception):
    """Something cannot be installed or started here; its rows say so and the others go on."""


def free_port():
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return made.getsockname()[1]


def unprivileged():
    """Name, uid and gid that servers run under: ours, or for root Dovecot's user or nobody."""
    if os.geteuid() != 0:
        entry = pwd.getpwuid(os.geteuid())
        return entry.pw_name, entry.pw_uid, entry.pw_gid
    for name in ("dovecot", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return name, entry.pw_uid, entry.pw_gid
    raise NotToBeHad('there is neither a user "dovecot" nor "nobody"')


def group_name(gid):
    import grp

    return grp.getgrgid(gid).gr_name


def certificate(home):
    """An authority and a server's certificate for 127.0.0.1 and localhost, in PEM files: (ca, certificate, key)."""
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
    ca, ca_key, cert, key = (home / name for name in ("ca.pem", "ca.key", "server.pem", "server.key"))
    root = ["-subj", "/CN=comparison", "-addext", "basicConstraints=critical,CA:TRUE"]
    leaf = ["-subj", "/CN=localhost", "-CA", ca, "-CAkey", ca_key, "-addext", "basicConstraints=critical,CA:FALSE"]
    leaf += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "extendedKeyUsage=serverAuth"]
    subprocess.run([*new, *root, "-keyout", ca_key, "-out", ca], check=True, capture_output=True)
    subprocess.run([*new, *leaf, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return ca, cert, key


class Server:
    """A running server: `imaps` and `lmtp` are its ports, `ca` signs its certificate."""

    # whether it stays root when root starts it
    as_root = False
    # mailboxes up to which all programs may run at one time
    most_together = 10_000

    def __init__(self, home, place, users, connections):
        """`home` is for all that it writes, `place` for programs that have to be unpacked; so many connections at most."""
        self.home, self.place, self.connections = home, place, connections
        home.mkdir()
        self.runner, self.uid, self.gid = unprivileged()
        self.ca, self.cert, self.key = certificate(home)
        for path in (home, self.key):
            os.chown(path, self.uid, self.gid)
        home.chmod(0o755)
        self.imaps, self.lmtp = free_port(), free_port()
        user = (self.uid, self.gid) if os.geteuid() == 0 and not self.as_root else None
        argv, env = self.prepare(users)
        self.program = Program(argv, home / "said", user, env)
        self.wait_for_greeting()

    def wait_for_greeting(self):
        end = time.monotonic() + 30
        while True:
            try:
                Courier(self.lmtp).close()
                with socket.create_connection(("127.0.0.1", self.imaps), 1):
                    break
            except OSError:
                self.program.check()
                if time.monotonic() > end:
                    raise NotToBeHad(f"{self.name} does not answer: {self.program.text()[-300:]}") from None
                time.sleep(0.05)
        # what it starts beforehand takes no time from the programs
        before, used = -1, self.program.cpu_seconds()
        while abs(used - before) > 0.05 and time.monotonic() < end + 180:
            time.sleep(0.5)
            before, used = used, self.program.cpu_seconds()

    def make(self, *names):
        for name in names:
            (self.home / name).mkdir()
            os.chown(self.home / name, self.uid, self.gid)

    def complaints(self):
        """What the server has logged as gone wrong: (how often, an example)."""
        return 0, ""

    def stop(self):
        self.program.stop()
        shutil.rmtree(self.home, ignore_errors=True)


class Dovecot(Server):
    """Debian's; connections in IDLE hibernate after a second.

    The kernel lets a user have 128 things that watch files (fs.inotify.max_user_instances), and each connection that
    hibernates is one. So for root every mailbox has a user of its own. Otherwise all runs under one ordinary user, and
    connections above that number stay awake, which makes Dovecot tell of letters half a second later.
    """

    name = "dovecot"
    as_root = os.geteuid() == 0
    # seconds a mailbox rests after a letter: 2.3 does not announce what comes in the last half second before a connection
    # hibernates, and mailbell sends one person at most 27 messages in 63 s
    quiet_seconds = 2.5

    def prepare(self, users):
        program = shutil.which("dovecot", path=os.environ["PATH"] + ":/usr/sbin")
        if not program:
            raise NotToBeHad("Dovecot is not installed: `make dovecot` does that")
        self.version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.split()[0]
        self.make("run", "state", "users")
        # whoever makes a home owns it
        (self.home / "users").chmod(0o1777)
        lines = (
            f"{user}:{{PLAIN}}{PASSWORD}:{FIRST_UID + at if self.as_root else self.uid}:{self.gid}::{self.home}/users/{user}\n"
            for at, user in enumerate(users)
        )
        (self.home / "passwd").write_text("".join(lines))
        new = tuple(int(part) for part in self.version.split(".")[:2]) >= (2, 4)
        conf = self.home / "dovecot.conf"
        conf.write_text(self.common(new) + (self.from_2_4() if new else self.up_to_2_3()) + self.services(new))
        return [program, "-F", "-c", conf], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

    def complaints(self):
        lines = (self.home / "dovecot.log").read_text(errors="replace").splitlines()
        wrong = [line for line in lines if any(f": {word}: " in line for word in ("Warning", "Error", "Fatal", "Panic"))]
        return len(wrong), wrong[0] if wrong else ""

    def common(self, new):
        first = "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n" if new else ""
        return f"""{first}base_dir = {self.home}/run
state_dir = {self.home}/state
log_path = {self.home}/dovecot.log
instance_name = mailbell-peers
listen = 127.0.0.1
default_internal_user = {self.runner}
default_internal_group = {group_name(self.gid)}
default_login_user = {self.runner}
first_valid_uid = 1
first_valid_gid = 1
default_vsz_limit = 2G
default_client_limit = 20000
default_process_limit = 1000
ssl = yes
hostname = localhost
postmaster_address = postmaster@localhost
auth_mechanisms = plain login
auth_failure_delay = 0
mail_max_userip_connections = 20000
mail_fsync = never
imap_hibernate_timeout = 1 secs
namespace inbox {{
  inbox = yes
  separator = /
}}
"""

    def up_to_2_3(self):
        return f"""protocols = imap lmtp
ssl_cert = <{self.cert}
ssl_key = <{self.key}
mail_location = sdbox:~/mail
passdb {{
  driver = passwd-file
  args = {self.home}/passwd
}}
userdb {{
  driver = passwd-file
  args = {self.home}/passwd
}}
"""

    def from_2_4(self):
        return f"""protocols {{
  imap = yes
  lmtp = yes
}}
ssl_server_cert_file = {self.cert}
ssl_server_key_file = {self.key}
mail_driver = sdbox
mail_path = ~/mail
passdb passwd-file {{
  passwd_file_path = {self.home}/passwd
}}
userdb passwd-file {{
  passwd_file_path = {self.home}/passwd
}}
"""

    def imap_processes(self, new):
        once = "restart_request_count = 1" if new else "service_count = 1"
        again = "restart_request_count = unlimited" if new else "service_count = 0"
        if self.as_root:
            return f"{once}\n  client_limit = 1\n  process_min_avail = 8\n  process_limit = 20000"
        return f"{again}\n  client_limit = 50\n  process_min_avail = 2\n  process_limit = 400"

    def services(self, new):
        reuse = "restart_request_count = unlimited" if new else "service_count = 0"
        return f"""service imap-login {{
  chroot =
  {reuse}
  process_min_avail = 2
  process_limit = 4
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {self.imaps}
    ssl = yes
  }}
}}
service imap {{
  {self.imap_processes(new)}
  unix_listener imap-master {{
    mode = 0666
  }}
}}
service lmtp {{
  {reuse}
  process_min_avail = 2
  inet_listener lmtp {{
    port = {self.lmtp}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""


class Cyrus(Server):
    """Debian's, unpacked by .ci/fetch-cyrus; every password is right, `idled` tells of letters.

    It has a process for each connection.
    """

    most_together = 100
    name = "cyrus"
    # as at Dovecot, for mailbell's sake alone
    quiet_seconds = 2.5

    def prepare(self, users):
        subprocess.run([REPO / ".ci/fetch-cyrus"], capture_output=True)
        root = REPO / "target/test-servers/cyrus"
        if not (root / "usr/lib/cyrus/bin/master").exists():
            raise NotToBeHad("Cyrus cannot be fetched here: `make tools` says why")
        self.version = root.resolve().name.removeprefix("cyrus-")
        # for the user it runs under, who may be kept out of our directories
        place = self.place / "cyrus-programs"
        if not place.exists():
            shutil.copytree(root / "usr/lib/cyrus", place / "usr/lib/cyrus")
            shutil.copytree(root / "libs", place / "libs")
        self.make("conf", "conf/socket", "conf/log", "spool")
        (self.home / "imapd.conf").write_text(self.settings())
        (self.home / "cyrus.conf").write_text(self.services(place / "usr/lib/cyrus/bin"))
        sasl = f"{place}/libs/sasl2:/usr/lib/{platform.machine()}-linux-gnu/sasl2"
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH": f"{place}/libs", "SASL_PATH": sasl}
        files = ["-C", self.home / "imapd.conf", "-M", self.home / "cyrus.conf", "-p", self.home / "conf/master.pid"]
        return [place / "usr/lib/cyrus/bin/master", "-D", *files], env

    def settings(self):
        home = self.home
        return f"""configdirectory: {home}/conf
defaultpartition: default
partition-default: {home}/spool
servername: localhost
cyrus_user: {self.runner}
admins: cyrus
virtdomains: userid
defaultdomain: {DOMAIN}
sasl_pwcheck_method: alwaystrue
sasl_mech_list: PLAIN LOGIN
idlesocket: {home}/conf/socket/idle
lmtpsocket: {home}/conf/socket/lmtp
notifysocket: {home}/conf/socket/notify
tls_server_cert: {self.cert}
tls_server_key: {self.key}
autocreate_quota: 0
duplicatesuppression: no
"""

    def services(self, programs):
        conf = f"-C {self.home}/imapd.conf"
        # what starts before idled has its socket never uses it
        wait = self.home / "wait-for-idled"
        wait.write_text(f"while [ ! -S {self.home}/conf/socket/idle ]; do sleep 0.05; done\n")
        # a process takes some 50 ms to start, so they are there beforehand and stay
        most = self.connections + 20
        return f"""START {{
  recover cmd="{programs}/ctl_cyrusdb {conf} -r"
  idled cmd="{programs}/idled {conf}"
  wait cmd="/bin/sh {wait}"
}}
SERVICES {{
  imaps cmd="{programs}/imapd {conf} -s -U 30 -T 3600" listen="127.0.0.1:{self.imaps}" prefork={most} maxchild={most}
  lmtp cmd="{programs}/lmtpd {conf} -a" listen="127.0.0.1:{self.lmtp}" prefork=1 maxchild=1
}}
EVENTS {{
}}
"""


class Courier:
    """An LMTP connection that brings letters and says when."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.answer("2")
        self.say("LHLO bench.example", "2")

    def answer(self, good):
        while True:
            line = self.file.readline().decode(errors="replace")
            if not line.startswith(good):
                raise OSError(f"LMTP was answered by {line.strip()!r}")
            if line[3:4] != "-":
                return

    def say(self, line, good):
        self.socket.sendall(line.encode() + b"\r\n")
        self.answer(good)

    def deliver(self, to, letter):
        """When the last byte of the letter was sent, and when the server had taken it; monotonic seconds."""
        self.say("MAIL FROM:<wang@partner.example>", "2")
        self.say(f"RCPT TO:<{to}>", "2")
        self.say("DATA", "3")
        sent = time.monotonic()
        self.socket.sendall(letter + b"\r\n.\r\n")
        self.answer("2")
        return sent, time.monotonic()

    def close(self):
        self.say("QUIT", "2")
        self.file.close()
        self.socket.close()


SERVERS = {"dovecot": Dovecot, "cyrus": Cyrus}
