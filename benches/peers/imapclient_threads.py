# imapclient as people use it: a thread per mailbox that waits in IDLE, fetches the envelope and posts.

import email.header
import json
import ssl
import sys
import threading
import urllib.request

from imapclient import IMAPClient

job = json.load(open(sys.argv[1], encoding="utf-8"))
opening = threading.Semaphore(job["opening"])
context = ssl.create_default_context(cafile=job["ca"])
watching = threading.Semaphore(0)
RENEW_SECONDS = 240


def decoded(raw):
    return str(email.header.make_header(email.header.decode_header((raw or b"").decode("utf-8", "replace"))))


def post(user, text):
    body = json.dumps({"touser": user, "msgtype": "text", "agentid": 1, "text": {"content": text}}).encode()
    request = urllib.request.Request(job["post"], body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


def watch(user):
    with opening:
        client = IMAPClient(job["host"], job["port"], ssl_context=context, timeout=60)
        client.login(user, job["password"])
        next_uid = client.select_folder("INBOX", readonly=True)[b"UIDNEXT"]
        client.idle()
    watching.release()
    while True:
        said = client.idle_check(timeout=RENEW_SECONDS)
        client.idle_done()
        if any(len(line) > 1 and line[1] == b"EXISTS" for line in said):
            # its fetch takes numbers and no open range, so the server is asked for them first
            new = [uid for uid in client.search(["UID", f"{next_uid}:*"]) if uid >= next_uid]
            for uid, letter in sorted(client.fetch(new, ["ENVELOPE"]).items()):
                next_uid = uid + 1
                envelope = letter[b"ENVELOPE"]
                sender = envelope.from_[0]
                address = f"{decoded(sender.name)} <{sender.mailbox.decode()}@{sender.host.decode()}>"
                post(user, f"{address} {decoded(envelope.subject)}")
        client.idle()


for user in job["users"]:
    threading.Thread(target=watch, args=(user,), daemon=True).start()
for _ in job["users"]:
    watching.acquire()
print(f"watching {len(job['users'])}", flush=True)
threading.Event().wait()
