# The programs that are compared: how each is installed, configured and started, and when it watches all its mailboxes.

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.request

from process import Program
from servers import PASSWORD, NotToBeHad, free_port

HERE = pathlib.Path(__file__).resolve().parent
# so many connections each of the small programs opens at one time
OPENING = 16
# the newest state of goimapnotify, tag 2.5.3 and a commit after it; its tags are no versions for Go's modules
GOIMAPNOTIFY = "gitlab.com/shackra/goimapnotify@v0.0.0-20250718143221-73b9a0cdfc87"


def run(argv, what, **more):
    """Runs a step of an installation; says in one line why it cannot be had when it fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, **more)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotToBeHad(f"{what}: {error}") from None
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip() or "no word why").splitlines()
        raise NotToBeHad(f"{what} failed: {lines[-1][:160]}")
    return done.stdout


class Peer:
    """A program of the comparison. `letters` bounds how many letters it gets in a step; None: as many as all."""

    letters = None
    # whether what it posts tells the letter; else it tells the mailbox only
    tells_letter = True

    def __init__(self, place, options):
        self.place = place
        self.options = options
        place.mkdir(exist_ok=True)
        self.version = self.install()

    def users(self, count):
        return [f"{self.name}-{at:04}@corp.example" for at in range(count)]

    def start(self, job, home):
        """Starts it for the job, with a directory of its own."""
        file = home / "job.json"
        file.write_text(json.dumps(job))
        return Program(self.argv(file), home / "said", env=self.environment(job), cwd=home)

    def environment(self, job):
        return {**os.environ}

    def is_quiet(self, program, job):
        """Whether it has done what it does once after its start."""
        return True

    def watches_all(self, program, job):
        return f"watching {len(job['users'])}\n" in program.text()


class Floor(Peer):
    name = "floor"
    says = "bare socket (Python, epoll)"

    def install(self):
        return f"Python {sys.version.split()[0]}"

    def argv(self, file):
        return [sys.executable, "-B", HERE / "floor.py", file]


class Imapclient(Peer):
    name = "imapclient"
    says = "imapclient (Python, threads)"

    def install(self):
        self.python = self.place / "venv/bin/python"
        if not self.python.exists():
            run([sys.executable, "-m", "venv", self.place / "venv"], "a venv")
        pip = [self.python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", HERE / "requirements.txt"]
        run(pip, "pip install")
        asked = "import importlib.metadata as m; print(m.version('imapclient'))"
        version = run([self.python, "-c", asked], "imapclient").strip()
        return f"imapclient {version}, Python {sys.version.split()[0]}"

    def argv(self, file):
        return [self.python, "-B", HERE / "imapclient_threads.py", file]


class Imapflow(Peer):
    name = "imapflow"
    says = "imapflow (Node)"

    def install(self):
        for name in ("package.json", "imapflow_watch.mjs"):
            shutil.copy(HERE / name, self.place)
        node = run(["node", "--version"], "node").strip()
        npm = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
        run(npm, "npm install", cwd=self.place)
        installed = json.loads((self.place / "node_modules/imapflow/package.json").read_text())
        return f"imapflow {installed['version']}, Node {node}"

    def argv(self, file):
        return ["node", self.place / "imapflow_watch.mjs", file]


class Goimapnotify(Peer):
    """Runs a command for each mailbox that changed, a second after; here curl, which posts without looking at the letter."""

    name = "goimapnotify"
    says = "goimapnotify, curl"
    # its second of waiting is most of what is measured
    letters = 10
    tells_letter = False

    def install(self):
        self.program = shutil.which("goimapnotify")
        if not shutil.which("curl"):
            raise NotToBeHad("curl is not installed")
        if self.program:
            return "goimapnotify of this machine"
        if self.from_debian():
            return "goimapnotify of Debian"
        if not shutil.which("go"):
            raise NotToBeHad("neither goimapnotify nor go is installed, and this Debian has no package of it")
        self.program = self.place / "bin/goimapnotify"
        env = {**os.environ, "GOBIN": str(self.place / "bin"), "GOPATH": str(self.place / "go"), "GOFLAGS": "-modcacherw"}
        run(["go", "install", GOIMAPNOTIFY], "go install", env=env)
        return GOIMAPNOTIFY.rpartition("@")[2]

    def from_debian(self):
        try:
            run(["apt-get", "-q", "download", "goimapnotify"], "apt-get download", cwd=self.place)
            for package in self.place.glob("*.deb"):
                run(["dpkg", "-x", package, self.place], "dpkg -x")
        except NotToBeHad:
            return False
        self.program = self.place / "usr/bin/goimapnotify"
        return self.program.exists()

    def argv(self, file):
        job = json.loads(file.read_text())
        conf = file.with_name("goimapnotify.json")
        conf.write_text(json.dumps({"configurations": [self.account(job, user) for user in job["users"]]}))
        return [self.program, "-conf", conf]

    def account(self, job, user):
        text = json.dumps({"touser": user, "msgtype": "text", "agentid": 1, "text": {"content": f"new mail: {user}"}})
        command = f"curl -sS -o /dev/null -H 'Content-Type: application/json' -d '{text}' '{job['post']}'"
        # the command is a template; no brace pair may stand in it
        command = command.replace("{{", "{ {").replace("}}", "} }")
        return {
            "host": job["host"],
            "port": job["port"],
            "tls": True,
            "tlsOptions": {"rejectUnauthorized": True, "starttls": False},
            "username": user,
            "password": job["password"],
            "boxes": [{"mailbox": "INBOX", "onNewMail": command, "onNewMailPost": "SKIP"}],
        }

    def environment(self, job):
        return {**os.environ, "SSL_CERT_FILE": job["ca"]}

    def watches_all(self, program, job):
        return program.text().count("Watching mailbox") >= len(job["users"])

    def is_quiet(self, program, job):
        # it runs every command once at the start, one after the other
        return program.text().count("stdout: ") >= len(job["users"])


class Mailbell(Peer):
    name = "mailbell"
    says = "mailbell"

    def install(self):
        built = pathlib.Path(self.options.mailbell)
        if not built.exists():
            raise NotToBeHad(f"there is no {built}: `cargo build --release --locked` makes it")
        # a build in the meantime must not change what is measured
        self.program = self.place / "mailbell"
        self.program.unlink(missing_ok=True)
        shutil.copy(built, self.program)
        return run([self.program, "--version"], "mailbell").strip()

    def argv(self, file):
        job = json.loads(file.read_text())
        self.web = free_port()
        conf = file.with_name("mailbell.toml")
        conf.write_text(self.settings(job) + "".join(self.account(job, user) for user in job["users"]))
        conf.chmod(0o600)
        return [self.program, "--config", conf, "run"]

    def settings(self, job):
        return f"""[wecom]
corp_id = "ww0123456789abcdef"
agent_id = 1000002
secret = "bench"
api_base = "{job['wecom']}"
card = "text"

[limits]
# one mailbox gets all the letters of a step within two minutes
free_syncs = 49
# about what the others reach; 5 where nothing is said
logins_per_second_per_host = 200

[web]
listen = "127.0.0.1:{self.web}"

[provider.bench]
host = "{job['host']}"
port = {job['port']}
ca_file = "{job['ca']}"
"""

    def account(self, job, user):
        member = user.split("@")[0]
        lines = ["", "[[account]]", f'user = "{member}"', f'email = "{user}"', 'provider = "bench"']
        return "\n".join([*lines, f'password = "{job["password"]}"', 'mode = "idle"', ""])

    def watches_all(self, program, job):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return False
        return f'mailbell_accounts{{state="watching"}} {len(job["users"])}\n' in text


PEERS = {peer.name: peer for peer in (Floor, Imapclient, Imapflow, Goimapnotify, Mailbell)}


def job_for(peer, server, wecom, count):
    """What a program has to do, as it is told."""
    return {
        "host": "127.0.0.1",
        "port": server.imaps,
        "ca": str(server.ca),
        "users": peer.users(count),
        "password": PASSWORD,
        "post": f"{wecom.base}/cgi-bin/message/send?access_token=bench",
        "wecom": wecom.base,
        "opening": OPENING,
    }


def wait_for(condition, program, seconds, what):
    """Seconds until it was so."""
    began = time.monotonic()
    while not condition():
        program.check()
        if time.monotonic() - began > seconds:
            raise RuntimeError(f"{what} within {seconds:.0f} s: {program.text()[-300:]}")
        time.sleep(0.02)
    return time.monotonic() - began


def wait_until_watching(peer, program, job, seconds):
    """Seconds from the start to the last mailbox being watched; comes back when the program is quiet."""
    took = wait_for(lambda: peer.watches_all(program, job), program, seconds, "did not watch all mailboxes")
    wait_for(lambda: peer.is_quiet(program, job), program, seconds, "was not quiet")
    return took
