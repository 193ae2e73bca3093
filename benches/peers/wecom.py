# A WeCom for the comparison: answers every call at once, and notes when each message was read to its end.

import json
import queue
import socketserver
import threading
import time

ANSWERS = {
    "/cgi-bin/gettoken": {"access_token": "bench", "expires_in": 7200},
    "/cgi-bin/agent/get": {"agentid": 1000002, "name": "bench", "close": 0},
    "/cgi-bin/message/send": {"msgid": "bench"},
}


class Conversation(socketserver.StreamRequestHandler):
    """One connection, with as many requests as the other side sends over it."""

    disable_nagle_algorithm = True

    def handle(self):
        try:
            while self.request_and_answer():
                pass
        except (ConnectionError, ValueError):
            pass  # a peer was ended in the middle of a request

    def request_and_answer(self):
        words = self.rfile.readline().split()
        if len(words) < 2:
            return False
        length, keep = 0, True
        while (line := self.rfile.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            elif line == b"connection: close":
                keep = False
        body = self.rfile.read(length)
        read_at = time.monotonic()
        path = words[1].decode().split("?")[0]
        if path == "/cgi-bin/message/send":
            self.server.messages.put((read_at, json.dumps(json.loads(body), ensure_ascii=False)))
        answer = json.dumps({"errcode": 0, "errmsg": "ok", **ANSWERS.get(path, {})}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
        self.wfile.write(head.encode() + answer)
        return keep


class WeCom(socketserver.ThreadingTCPServer):
    """Listens on loopback from the moment it is made. `messages` holds (monotonic seconds, text of the body)."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Conversation)
        self.messages = queue.Queue()
        self.base = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # a peer was ended in the middle of a request

    def forget(self):
        """Drops what has come so far; how many messages that were."""
        dropped = 0
        while True:
            try:
                self.messages.get_nowait()
            except queue.Empty:
                return dropped
            dropped += 1

    def wait_for(self, words, seconds):
        """When the first message with all these words was read; None if none comes in time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                read_at, text = self.messages.get(timeout=left)
            except queue.Empty:
                return None
            if all(word in text for word in words):
                return read_at
        return None
