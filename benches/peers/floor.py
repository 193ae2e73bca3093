# The floor of the comparison: sockets, epoll and not one step more than IDLE, FETCH and POST need. One thread.
# It recovers from nothing and remembers nothing: nobody should run it.

import concurrent.futures
import email.header
import email.parser
import json
import re
import selectors
import socket
import ssl
import sys
import urllib.parse

job = json.load(open(sys.argv[1], encoding="utf-8"))
context = ssl.create_default_context(cafile=job["ca"])
context.check_hostname = True


class Mailbox:
    """A connection that waits in IDLE in the INBOX."""

    __slots__ = ("user", "socket", "next_uid", "rest")

    def __init__(self, user):
        self.user = user
        plain = socket.create_connection((job["host"], job["port"]), 60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain, server_hostname=job["host"])
        self.rest = b""
        self.until(b"* OK")
        self.send(f'a LOGIN "{user}" "{job["password"]}"')
        self.until(b"a OK")
        self.send("b EXAMINE INBOX")
        self.next_uid = int(re.search(rb"UIDNEXT (\d+)", self.until(b"b OK")).group(1))
        self.send("c IDLE")
        self.until(b"+")

    def send(self, line):
        self.socket.sendall(line.encode() + b"\r\n")

    def until(self, start):
        """Everything up to the end of the line that begins so."""
        got = self.rest
        while not (found := re.search(rb"(?:\A|\r\n)" + re.escape(start) + rb"[^\r]*\r\n", got)):
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError(f"{self.user}: the server has closed")
            got += more
        self.rest = got[found.end() :]
        return got[: found.end()]

    def read(self):
        """The server has said something; the headers of new letters."""
        got = self.socket.recv(65536)
        if not got:
            raise ConnectionError(f"{self.user}: the server has closed")
        if b" EXISTS" not in got:
            return []
        # not both at once: Cyrus then holds the second answer back until the first is acknowledged, which takes 40 ms
        self.send("DONE")
        self.until(b"c OK")
        self.send(f"d UID FETCH {self.next_uid}:* (UID BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)])")
        headers = []
        for uid, header in literals(self.until(b"d OK")):
            if uid >= self.next_uid:
                self.next_uid = uid + 1
                headers.append(header)
        return headers

    def idle(self):
        self.send("c IDLE")
        self.until(b"+")


def literals(answer):
    """UID and header of each letter in the answer to a FETCH."""
    for found in re.finditer(rb"UID (\d+)[^\r]*\{(\d+)\}\r\n", answer):
        yield int(found[1]), answer[found.end() : found.end() + int(found[2])]


class Post:
    """One HTTP connection that stays."""

    def __init__(self, url):
        self.url = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((self.url.hostname, self.url.port), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, user, text):
        body = json.dumps({"touser": user, "msgtype": "text", "agentid": 1, "text": {"content": text}}).encode()
        head = f"POST {self.url.path}?{self.url.query} HTTP/1.1\r\nHost: {self.url.netloc}\r\n"
        self.socket.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        got = b""
        while not got.endswith(b"}"):
            got += self.socket.recv(65536)


def decoded(header):
    parsed = email.parser.BytesHeaderParser().parsebytes(header)
    return " ".join(str(email.header.make_header(email.header.decode_header(parsed[n] or ""))) for n in ("From", "Subject"))


def main():
    post = Post(job["post"])
    with concurrent.futures.ThreadPoolExecutor(job["opening"]) as pool:
        mailboxes = list(pool.map(Mailbox, job["users"]))
    waiting = selectors.DefaultSelector()
    for mailbox in mailboxes:
        waiting.register(mailbox.socket, selectors.EVENT_READ, mailbox)
    print(f"watching {len(mailboxes)}", flush=True)
    while True:
        for key, _ in waiting.select():
            mailbox = key.data
            if headers := mailbox.read():
                for header in headers:
                    post.send(mailbox.user, decoded(header))
                mailbox.idle()


main()
