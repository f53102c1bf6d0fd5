"""sink.py - a next hop that records what it is given and misbehaves on demand.

A Sink listens on loopback and speaks SMTP (or LMTP) with each client on a
thread of its own. What it answers is a script, by stage:

    Sink(rcpt={"bad@x.test": "550 5.1.1 no such user"})
    Sink(greeting="421 4.3.2 closing")      # a reply; 421 and 221 also close
    Sink(dot=DROP)                          # an action instead of a reply
    Sink(mail=lambda session, line: ...)    # or a function giving either
    Sink(ehlo=["500 what?", None])          # or a list: one for each time, then as usual

Stages: greeting, ehlo, helo, lhlo, mail, rcpt, data, dot, rset, quit, noop. A
value of None means: as usual. `rcpt` (and with LMTP `dot`) may be a dictionary
by recipient. What was accepted is in `messages`; `deliveries()` gives
(recipient, sha256) pairs for comparing with a ledger.
"""
import hashlib
import re
import socket
import struct
import threading
import time


class Action:
    def __init__(self, name, **values):
        self.name = name
        self.__dict__.update(values)


DROP = Action("drop")                   # close without a word
RESET = Action("reset")                 # RST
HANG = Action("hang", seconds=3600)     # say nothing more


def hang(seconds):
    """Answer as usual, so many seconds late."""
    return Action("delay", seconds=seconds)


def raw(data, close=False):
    """Send these bytes as they are."""
    return Action("raw", data=data, close=close)


class Message:
    def __init__(self, session, sender, params, rcpts, body):
        self.session = session          # number of the connection, from 1
        self.sender = sender
        self.params = params            # of MAIL, as sent
        self.rcpts = rcpts
        self.body = body                # dots removed, CRLF kept
        self.sha256 = hashlib.sha256(body).hexdigest()


class Closed(Exception):
    pass


class Session:
    def __init__(self, sink, sock, number):
        self.sink, self.sock, self.number = sink, sock, number
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = b""
        self.commands = []
        self.clear()

    def clear(self):
        self.sender, self.params, self.rcpts = None, "", []

    # --- bytes

    def line(self):
        while b"\r\n" not in self.input:
            self.more()
        line, self.input = self.input.split(b"\r\n", 1)
        return line

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise Closed
        self.input += data

    def send(self, text):
        self.sock.sendall(text if isinstance(text, bytes) else text.encode() + b"\r\n")

    # --- replies

    def scripted(self, stage, key, line):
        """What the script says here, or None: as usual."""
        value = self.sink.script.get(stage)
        if isinstance(value, dict):
            value = value.get(key)
        if isinstance(value, list):
            with self.sink.lock:
                value = value.pop(0) if value else None
        if callable(value):
            value = value(self, line)
        return value

    def answer(self, stage, usual, key=None, line=b""):
        """Answer; true when the answer was positive."""
        value = self.scripted(stage, key, line)
        if isinstance(value, Action):
            value = self.act(value)
        if value is None:
            value = usual
        if value == "":
            return False
        self.send(value)
        last = value.split("\n")[-1].strip() if isinstance(value, str) else ""
        if last[:3] in ("421", "221", "521") or stage == "greeting" and last[:1] in "45":
            raise Closed
        return isinstance(value, str) and last[:1] in "23"

    def act(self, action):
        if action.name == "drop":
            raise Closed
        if action.name == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Closed
        if action.name == "hang":
            self.sink.stopped.wait(action.seconds)
            raise Closed
        if action.name == "delay":
            self.sink.stopped.wait(action.seconds)
            return None
        self.send(action.data)
        if action.close:
            raise Closed
        return ""

    # --- the conversation

    def run(self):
        self.answer("greeting", "220 %s ESMTP" % self.sink.name)
        while True:
            line = self.line()
            self.commands.append(line.decode("latin-1"))
            verb = line.split(b" ", 1)[0].upper().decode("latin-1")
            command = getattr(self, "on_" + verb.lower(), None)
            if command is None:
                self.send("500 5.5.2 what?")
            else:
                command(line)

    def hello(self, stage, line):
        self.clear()
        offers = [self.sink.name] + list(self.sink.offers)
        text = "\r\n".join("250%s%s" % ("-" if i < len(offers) - 1 else " ", o)
                           for i, o in enumerate(offers))
        self.answer(stage, text, line=line)

    def on_ehlo(self, line):
        if self.sink.lmtp:
            self.send("500 5.5.1 this is LMTP")
        else:
            self.hello("ehlo", line)

    def on_lhlo(self, line):
        self.hello("lhlo", line)

    def on_helo(self, line):
        self.clear()
        self.answer("helo", "250 " + self.sink.name, line=line)

    def on_mail(self, line):
        m = re.match(rb"MAIL FROM:<([^>]*)>\s*(.*)$", line, re.I)
        if m is None:
            return self.send("501 5.5.4 syntax")
        if self.sender is not None:
            return self.send("503 5.5.1 nested MAIL")
        if self.answer("mail", "250 2.1.0 sender ok", m[1].decode("latin-1"), line):
            self.sender, self.params = m[1].decode("latin-1"), m[2].decode("latin-1")

    def on_rcpt(self, line):
        m = re.match(rb"RCPT TO:<([^>]*)>\s*(.*)$", line, re.I)
        if m is None:
            return self.send("501 5.5.4 syntax")
        if self.sender is None:
            return self.send("503 5.5.1 need MAIL")
        rcpt = m[1].decode("latin-1")
        if self.answer("rcpt", "250 2.1.5 rcpt ok", rcpt, line):
            self.rcpts.append(rcpt)

    def on_data(self, line):
        if not self.rcpts and "data" not in self.sink.script:
            return self.send("554 5.5.1 no valid recipients")
        if self.answer("data", "354 go ahead", line=line):
            self.text()

    def text(self):
        """Everything up to CRLF.CRLF, strictly."""
        self.input = b"\r\n" + self.input
        start = 0
        while True:
            at = self.input.find(b"\r\n.\r\n", start)
            if at >= 0:
                break
            start = max(0, len(self.input) - 4)
            if self.sink.read_delay:
                time.sleep(self.sink.read_delay)
            self.more()
        body, self.input = self.input[2:at + 2], self.input[at + 5:]
        if body.replace(b"\r\n", b"").translate(None, b"\r\n\0") != body.replace(b"\r\n", b""):
            self.sink.faults.append("bare CR, LF or NUL in the text")
        body = re.sub(rb"(?m)^\.", b"", body)
        self.end(body)

    def end(self, body):
        message = Message(self.number, self.sender, self.params, list(self.rcpts), body)
        self.clear()
        if not self.sink.lmtp:
            value = self.scripted("dot", None, body)
            if isinstance(value, Action) and value.name == "keep-and-drop":
                self.sink.keep(message)
                raise Closed
            if isinstance(value, Action):
                value = self.act(value)
            value = value or "250 2.0.0 ok kept"
            # Nobody sees it before it is answered: a test that ends the sink when a
            # message is there would cut the line before its 250.
            with self.sink.lock:
                if value.startswith("2"):
                    self.sink.keep(message)
                self.send(value)
            if value.startswith("421"):
                raise Closed
            return
        rcpts, message.rcpts = message.rcpts, []
        self.sink.keep(message)
        for rcpt in rcpts:
            if self.answer("dot", "250 2.0.0 kept for " + rcpt, rcpt, body):
                message.rcpts.append(rcpt)

    def on_rset(self, line):
        self.clear()
        self.answer("rset", "250 2.0.0 ok", line=line)

    def on_noop(self, line):
        self.answer("noop", "250 2.0.0 ok", line=line)

    def on_quit(self, line):
        self.answer("quit", "221 2.0.0 bye", line=line)
        raise Closed


# After the dot: the message is kept, but the client never hears of it.
KEEP_AND_DROP = Action("keep-and-drop")


class Sink:
    session_class = Session

    def __init__(self, host="127.0.0.1", port=0, lmtp=False, path=None, name="sink.test",
                 offers=("PIPELINING", "SIZE 52428800", "8BITMIME", "ENHANCEDSTATUSCODES"),
                 read_delay=0, **script):
        self.lmtp, self.name, self.offers, self.script = lmtp, name, offers, script
        self.read_delay = read_delay
        self.lock = threading.RLock()
        self.stopped = threading.Event()
        self.messages, self.sessions, self.faults = [], [], []
        if path is not None:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self.listener = socket.socket(family)
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind((host, port))
            self.host, self.port = self.listener.getsockname()[:2]
        self.listener.listen(512)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                session = self.session_class(self, sock, len(self.sessions) + 1)
                self.sessions.append(session)
            threading.Thread(target=self.serve, args=(session,), daemon=True).start()

    def serve(self, session):
        try:
            session.run()
        except (Closed, OSError):
            pass
        finally:
            session.sock.close()

    def keep(self, message):
        with self.lock:
            self.messages.append(message)

    def count(self):
        with self.lock:
            return len(self.messages)

    # --- for tests

    def deliveries(self):
        with self.lock:
            return [(rcpt, m.sha256) for m in self.messages for rcpt in m.rcpts]

    def commands(self):
        return [c for s in self.sessions for c in s.commands]

    def wait(self, count, seconds=10):
        """Until so many messages are there; false when time is up."""
        end = time.monotonic() + seconds
        while self.count() < count:
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def close(self):
        self.stopped.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for session in list(self.sessions):
            try:
                session.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
