"""Role reversal under stress: a customer fetches its mail by ATRN while its line is cut at
every step in turn. Nothing is lost; a message comes twice only when the cut fell between its
final dot and our reply to that."""
import base64
import collections
import hmac
import os
import re
import socket
import time

from client import Client
from ports import free_port
from test_real_clients import PASSWORD, TEXT, LISTENERS, account

MESSAGES = int(os.environ.get("POSTRIDER_MESSAGES", "1000"))
DOMAIN = "cust.example"


class Cut(Exception):
    """The line is cut now, on purpose."""


class Customer:
    """Logs in, says ATRN, and is a server on the same connection until `cut` says stop.

    `cut` is (step, n): at the n-th time of that step the line is cut."""

    def __init__(self, port, cut):
        self.cut, self.times = cut, collections.Counter()
        self.taken, self.unsure = [], []
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.lines = self.socket.makefile("rb")

    def at(self, step):
        self.times[step] += 1
        if self.cut == (step, self.times[step]):
            raise Cut(step)

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")

    def reply(self):
        while True:
            line = self.lines.readline()
            if not line:
                raise ConnectionError("the provider has gone")
            if line[3:4] == b" ":
                return int(line[:3]), line[4:].strip()

    def command(self, line):
        self.say(line)
        return self.reply()

    def log_in(self):
        assert self.reply()[0] == 220
        assert self.command("EHLO cust.example")[0] == 250
        code, challenge = self.command("AUTH CRAM-MD5")
        assert code == 334
        digest = hmac.new(PASSWORD.encode(), base64.b64decode(challenge), "md5").hexdigest()
        assert self.command(base64.b64encode(f"cust {digest}".encode()).decode())[0] == 235

    def fetch(self):
        """What the provider's reply to ATRN was; 250: all that could be fetched was."""
        try:
            self.log_in()
            self.at("login")
            code, _ = self.command(f"ATRN {DOMAIN}")
            if code == 250:
                self.at("atrn")
                self.serve()
            return code
        finally:
            self.socket.close()
            self.lines.close()

    def serve(self):
        self.say("220 cust.example ESMTP")
        self.at("greeting")
        while True:
            line = self.lines.readline()
            if not line:
                return
            verb = line[:4].upper()
            if verb == b"DATA":
                self.at("data")
                self.say("354 go on")
                self.take()
                continue
            self.at({b"EHLO": "ehlo", b"MAIL": "mail", b"RCPT": "rcpt", b"QUIT": "quit"}.get(verb, "other"))
            self.say("250 fine" if verb != b"QUIT" else "221 bye")
            if verb == b"QUIT":
                return

    def take(self):
        text = b""
        while not text.endswith(b"\r\n.\r\n"):
            piece = self.lines.readline()
            if not piece:
                raise ConnectionError("the provider has gone")
            text += piece
            if b"\r\n\r\n" in text and text.count(b"\r\n") > 4:
                self.at("text")
        number = int(re.search(rb"Subject: number (\d+)", text)[1])
        self.unsure.append(number)
        self.at("dot")
        self.say("250 taken")
        self.unsure.pop()
        self.taken.append(number)
        self.at("taken")


def put_in(server, count):
    client = Client(server.port)
    client.hello()
    for n in range(count):
        text = f"Subject: number {n}\r\n\r\nLine 1\r\nLine 2\r\n".encode()
        accepted, reply = client.transaction("s@client.test", [f"user{n}@{DOMAIN}", "alice@example.org"][:1 + n % 2], text)
        assert reply[0] == 250 and accepted
    client.quit()


STEPS = ["login", "atrn", "greeting", "ehlo", "mail", "rcpt", "data", "text", "dot", "taken", "quit"]


def test_a_line_that_is_cut_at_every_step_loses_nothing(make_server):
    odmr = free_port()
    server = make_server(TEXT, listeners=LISTENERS, odmr=odmr, via="hold",
                         limits="connections_per_client = 1000  auth_failures = 100")
    account(server.place / "accounts", "cust")
    (server.place / "recipients").write_text("alice\n")
    (server.place / "aliases").write_text("staff: alice\n")
    server.start()
    put_in(server, MESSAGES)
    count, unsure, turn, cuts = collections.Counter(), collections.Counter(), 0, 0
    for _ in range(2000):
        step = STEPS[turn % len(STEPS)] if turn < 4 * len(STEPS) else None
        customer = Customer(odmr, (step, 1 + turn // len(STEPS) * 7) if step else None)
        code = None
        try:
            code = customer.fetch()
        except (Cut, ConnectionError):
            cuts += 1
            turn += 1
        count.update(customer.taken)
        unsure.update(customer.unsure)
        if code == 453:
            break
        if code == 450:                     # the fetch before this one is not over yet
            time.sleep(0.1)
        elif code is not None:              # that step did not come so often: the next one
            turn += 1
    missing = [n for n in range(MESSAGES) if not count[n]]
    twice = [n for n, times in count.items() if times > 1]
    assert not missing, f"{len(missing)} lost: {missing[:10]}"
    assert all(unsure[n] for n in twice), [n for n in twice if not unsure[n]][:10]
    assert cuts >= len(STEPS), cuts
    server.wait_empty()
    assert len(server.mailbox("alice@example.org")) == MESSAGES // 2
    server.stop()
