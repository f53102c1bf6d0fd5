"""Dialogues: read from files, and held with a server. README is the manual."""
import re
import signal
import time

from . import drills, logins
from .client import Client
from .server import PATIENCE, Trouble, until
from .terminals import Terminal

GENERATOR = re.compile(r"\{([^{]+?)\*(\d+)\}", re.S)
ESCAPE = re.compile(r"\\(r|n|t|0|\\|x[0-9a-fA-F]{2})")
BASE64 = re.compile(r"\{base64 ([^{}]*)\}")
PLAIN = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
STEP = re.compile(r"(?P<verb>[A-Za-z][A-Za-z-]*[+-]?)(?: (?P<who>[a-z0-9]+))?(?::(?: (?P<text>.*))?)?")


def generated(text):
    """{x*100} is x a hundred times."""
    return GENERATOR.sub(lambda m: m[1] * int(m[2]), text)


def unescaped(text):
    return ESCAPE.sub(lambda m: PLAIN.get(m[1]) or chr(int(m[1][1:], 16)), text)


def encoded(text):
    """{base64 TEXT} is TEXT, escapes and all, in base64."""
    return BASE64.sub(lambda m: logins.b64(raw(m[1])), text)


def plain(text):
    """What a `C:` line says: typed characters as UTF-8, then CRLF."""
    return generated(encoded(text)).encode() + b"\r\n"


def raw(text):
    """What a `C-raw:` line says: octets, escapes and all."""
    octets = encoded(text).encode().decode("latin-1")   # so that \xNN stays one octet
    return generated(unescaped(octets)).encode("latin-1")


class Syntax(Exception):
    pass


class Dialogue:
    """One file: what it wants configured, and its steps."""

    def __init__(self, path):
        self.path, self.title = path, ""
        self.config, self.listener, self.steps = [], "", []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            self.read(number, line)
        self.key = (tuple(self.config), self.listener)

    def read(self, number, line):
        if line.startswith("#"):
            self.title = self.title or line.lstrip("# ")
        elif line.startswith((" ", "\t", "}")) and line.strip():
            self.config[-1] += "\n" + line
        elif line.startswith("config from "):
            self.include(self.path.with_name(line[12:] + ".conf"))
        elif line.startswith("config "):
            self.config.append(line[7:])
        elif line.startswith("listener "):
            self.listener = line[9:]
        elif line.strip():
            match = STEP.fullmatch(line)
            if not match or match["verb"] not in STEPS:
                raise Syntax(f"{self.path}:{number}: not understood: {line}")
            self.steps.append((number, line, match))

    def include(self, path):
        """A configuration that several dialogues have: as if each line began with `config`."""
        for line in path.read_text().splitlines():
            if line.startswith((" ", "}")):
                self.config[-1] += "\n" + line
            elif line and not line.startswith("#"):
                self.config.append(line)


class Run:
    """A dialogue being held."""

    def __init__(self, dialogue, server):
        self.dialogue, self.server, self.clients = dialogue, server, {}
        self.terminal, self.stopped = None, []
        self.transcript = []

    def client(self, who):
        if who not in self.clients:
            self.clients[who] = Client(self.server.where["mx"])
        return self.clients[who]

    def hold(self):
        self.server.forget_mail()
        log_from = len(self.server.log())
        bystander = self.bystander()
        try:
            for number, line, match in self.dialogue.steps:
                self.step(number, line, match)
            self.hang_up()
            self.log_out()
            self.go_on()
            self.dismiss(bystander)
            self.server.check(log_from)
        except Trouble as trouble:
            raise Trouble(f"{trouble}\n{self.server.tail()}") from None
        finally:
            self.hang_up()
            self.log_out()
            self.go_on()

    def bystander(self):
        """A session that must not notice anything (where no limit is set that it would meet)."""
        if self.dialogue.config:
            return None
        client = Client(self.server.where["mx"])
        client.reply()
        return client

    @staticmethod
    def dismiss(client):
        for line, code in ((b"NOOP\r\n", "250"), (b"QUIT\r\n", "221")) if client else ():
            client.send(line)
            reply = client.reply()
            if reply is None or reply.code != code:
                raise Trouble(f"a session that was open meanwhile: {line!r} was answered {reply}")
        if client:
            client.close()

    def step(self, number, line, match):
        self.transcript.append(line[:200])
        try:
            STEPS[match["verb"]](self, match["who"] or "", match["text"] or "")
        except Trouble as trouble:
            said = "\n    ".join(self.transcript[-15:])
            raise Trouble(f"{self.dialogue.path.name}:{number}: {line[:200]}\n{trouble}\n"
                          f"so far:\n    {said}") from None

    def hang_up(self):
        for client in self.clients.values():
            client.close()
        self.clients = {}

    # -- the client ----------------------------------------------------------

    def say(self, who, text):
        self.client(who).send(plain(text))

    def say_raw(self, who, text):
        self.client(who).send(raw(text))

    def say_split(self, who, text):
        self.client(who).send_slowly(plain(text))

    def connect(self, who, text):
        """WHERE [from ADDRESS]"""
        text, _, source = text.partition(" from ") if " from " in text else (text, "", None)
        if text == "ipv6" and "ipv6" not in self.server.where:
            import pytest
            pytest.skip("no IPv6 here")
        if who in self.clients:
            self.clients[who].close()
        self.clients[who] = Client(self.server.where[text or "mx"], source)

    def close(self, who, text):
        self.clients.pop(who).close()

    def reset(self, who, text):
        self.clients.pop(who).reset()

    def half_close(self, who, text):
        self.client(who).half_close()

    def urgent(self, who, text):
        self.client(who).urgent(raw(text))

    # -- TLS -----------------------------------------------------------------

    def tls(self, who, text):
        """tls: [NAME] [TLSv1_2]: the handshake must succeed, and then be as it is said."""
        words = text.split()
        versions = [word for word in words if word.startswith("TLSv")]
        names = [word for word in words if word not in versions]
        client = self.client(who)
        client.begin_tls(self.server.dir / "mx.pem", names[0] if names else None, versions)
        self.transcript.append(f"        -> {client.sock.version()} {client.sock.cipher()[0]}")

    def tls_fails(self, who, text):
        try:
            self.tls(who, text)
        except Trouble:
            return
        raise Trouble("the handshake succeeded")

    def tls_end(self, who, text):
        self.client(who).end_tls()

    # -- logins --------------------------------------------------------------

    def logged_in(self, who, text):
        self.login_answered(who, "235 " + text)

    def login_answered(self, who, text):
        """CODES [X-EXPS] MECHANISM USER PASSWORD: what comes of it in the end."""
        codes, _, words = text.partition(" ")
        reply = logins.log_in(self.client(who), words.split(" "), self.transcript.append)
        if reply is None:
            raise Trouble("the server has closed the connection")
        self.compare(reply, codes)

    # -- terminals -----------------------------------------------------------

    def open_terminal(self, who, text):
        self.log_out()
        self.terminal = Terminal(self.server.dir, text)

    def log_out(self, who="", text=""):
        if self.terminal is not None:
            self.terminal.close()
        self.terminal = None

    def screen(self, who, text):
        self.terminal.has(raw(text))

    def screen_lacks(self, who, text):
        self.terminal.lacks(raw(text))

    def wait(self, who, text):
        time.sleep(float(text))

    # -- the server ----------------------------------------------------------

    def expect(self, who, text):
        client = self.client(who)
        if text.startswith("silence"):
            seconds = float(text.split()[1]) if " " in text else 0.3
            if not client.silent(seconds):
                raise Trouble(f"came all the same: {client.pending!r}")
            return
        reply = client.reply()
        self.transcript.append(f"        -> {reply or 'closed'}")
        if text == "closed":
            if reply is not None:
                raise Trouble(f"came instead: {reply}")
        elif reply is None:
            raise Trouble("the server has closed the connection")
        else:
            self.compare(reply, text)

    def compare(self, reply, text):
        codes, _, words = text.partition(" ")
        if not any(reply.code.startswith(c.rstrip("x")) for c in codes.split("|")):
            raise Trouble(f"came instead: {reply}")
        if words and not self.has(reply, words):
            raise Trouble(f"came without {words!r}: {reply}")

    @staticmethod
    def has(reply, words):
        if len(words) > 1 and words[0] == words[-1] == "/":
            return any(re.search(words[1:-1], line) for line in reply.lines)
        return any(line.startswith(words) for line in reply.lines)

    def expect_also(self, who, text):
        if not self.has(self.client(who).last, text):
            raise Trouble(f"it is not in: {self.client(who).last}")

    def expect_without(self, who, text):
        if self.has(self.client(who).last, text):
            raise Trouble(f"it is in: {self.client(who).last}")

    def expect_until(self, who, text):
        """Replies are passed over until one has this code."""
        deadline = time.monotonic() + PATIENCE * 3
        while time.monotonic() < deadline:
            reply = self.client(who).reply()
            if reply is None:
                raise Trouble("the server has closed the connection before")
            if reply.code == text:
                return
        raise Trouble(f"no {text} in {PATIENCE * 3:g} s")

    def expect_command(self, who, text):
        """Roles are reversed: the server says a line that begins so."""
        line = self.client(who).command()
        self.transcript.append(f"        -> {line}")
        if text == "closed" and line == "":
            return
        if not line.startswith(text):
            raise Trouble(f"came instead: {line!r}")

    def expect_text(self, who, text):
        """Roles are reversed: the server sends a message, with this in it."""
        octets = self.client(who).text()
        if raw(text) not in octets:
            raise Trouble(f"came instead: {octets!r}")

    # -- our own processes ---------------------------------------------------

    def stop(self, who, text):
        self.stopped.append(text)
        self.server.signal(text, signal.SIGSTOP)

    def go_on(self, who="", text=""):
        while self.stopped:
            self.server.signal(self.stopped.pop(), signal.SIGCONT)

    # -- the queue -----------------------------------------------------------

    def waiting(self, who, text):
        """N: so many messages are in the queue."""
        until(lambda: self.in_queue() == int(text), f"{text} messages in the queue", pause=0.2)

    def in_queue(self):
        return len([line for line in self.server.command("queue", "list", "--json").splitlines()
                    if '"id"' in line])

    def forget_queue(self, who, text):
        self.server.command("queue", "remove", "--all")

    # -- the mail ------------------------------------------------------------

    def delivered(self, who, text):
        wanted = int(text)
        until(lambda: len(self.server.mail(who or None)) >= wanted, f"{wanted} messages")
        time.sleep(0.15)        # one too many would come now
        there = len(self.server.mail(who or None))
        if there != wanted:
            raise Trouble(f"{there} messages came")

    def deleted(self, who, text):
        """What is delivered is read and done with, in all mailboxes or one."""
        self.server.delete_mail(who or None)

    def all_mail(self):
        return self.server.mail() + self.server.mail("sink")

    def message_has(self, who, text):
        wanted = raw(text).replace(b"\r\n", b"\n")
        for message in self.all_mail():
            if wanted not in message:
                raise Trouble(f"it is not in: {message!r}")

    def message_lacks(self, who, text):
        for message in self.all_mail():
            if raw(text) in message:
                raise Trouble(f"it is in: {message!r}")

    def body(self, who, text):
        """All mail has this body; mailboxes have LF line ends."""
        wanted = raw(text).replace(b"\r\n", b"\n")
        for message in self.all_mail():
            body = message.partition(b"\n\n")[2]
            if body != wanted:
                raise Trouble(f"a body is: {body[:500]!r}")

    def relayed(self, who, text):
        """So many came to the next host, each with one end and nothing bare (A023)."""
        wanted, there = int(text), self.server.hop.messages
        until(lambda: len(there) >= wanted, f"{wanted} messages at the next host")
        time.sleep(0.15)
        if len(there) != wanted:
            raise Trouble(f"{len(there)} messages came to the next host")
        for octets in there:
            if not drills.clean(octets) or octets.find(b"\r\n.\r\n") != len(octets) - 5:
                raise Trouble(f"it came as: {octets!r}")

    def wire(self, who, text):
        """The octets after the header as they came to the next host, dots and all."""
        for octets in self.server.hop.messages:
            if octets.partition(b"\r\n\r\n")[2] != raw(text):
                raise Trouble(f"it came as: {octets!r}")

    def log_has(self, who, text):
        until(lambda: raw(text) in self.server.log(), f"{text!r} in the log")

    def drill(self, who, text):
        name, _, argument = text.partition(" ")
        drills.DRILLS[name](self.server, raw(argument))


STEPS = {
    "C": Run.say, "C-raw": Run.say_raw, "C-split": Run.say_split,
    "connect": Run.connect, "close": Run.close, "reset": Run.reset,
    "half-close": Run.half_close, "urgent": Run.urgent, "wait": Run.wait,
    "tls": Run.tls, "tls-fails": Run.tls_fails, "tls-end": Run.tls_end,
    "S": Run.expect, "S+": Run.expect_also, "S-": Run.expect_without, "S-until": Run.expect_until,
    "S-command": Run.expect_command, "S-until-dot": Run.expect_text,
    "login": Run.logged_in, "login-answered": Run.login_answered,
    "terminal": Run.open_terminal, "terminal-closed": Run.log_out,
    "screen": Run.screen, "screen-lacks": Run.screen_lacks,
    "stop": Run.stop, "continue": Run.go_on,
    "waiting": Run.waiting, "queue-emptied": Run.forget_queue,
    "delivered": Run.delivered, "deleted": Run.deleted, "body": Run.body, "log-has": Run.log_has,
    "relayed": Run.relayed, "wire": Run.wire,
    "message-has": Run.message_has, "message-lacks": Run.message_lacks,
    "drill": Run.drill,
}
