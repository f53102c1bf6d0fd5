"""The server under test: one for each configuration, started and stopped here."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from .hop import Hop

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("POSTRIDER_BUILD", ROOT / "build"))
PATIENCE = float(os.environ.get("POSTRIDER_PATIENCE", "10"))    # seconds

# A dialogue replaces any of these by a `config` line that begins with its name.
BASE = {
    "hostname": 'hostname = "mx.ours.example"',
    "spool": 'spool = "{dir}/spool"',
    "control": 'control = "{dir}/control"',
    "domain": 'domain "ours.example" {{\n'
              '    recipients = "file:{dir}/recipients"\n'
              '    aliases = "file:{dir}/aliases"\n'
              '    deliver = "maildir:{dir}/mail/%u"\n'
              '}}',
    "trust": "trust {{ networks = {{}} }}",
    "route": 'route "*" {{ via = hold }}',
    "dns": 'dns {{ servers = {{"127.0.0.1:1"}} }}',
    "processes": "processes {{ smtpd = 2 relay = 1 }}",
}
RECIPIENTS = "alice\nbob\ncarol\npostmaster\nyoung 2026-06-01\n"
ALIASES = "friends: alice, bob\ngone: someone@far.example\n"
# Who may log in where a dialogue has `config accounts ...`: name, password, kept in clear?
ACCOUNTS = (("alice", "wonder land", True), ("robert", "builder", False),
            ("branch1", "twigs", True), ("hub2", "spokes", True))
SANITIZERS = re.compile(rb"AddressSanitizer|LeakSanitizer|runtime error:|ThreadSanitizer")
PORT = re.compile(r"\{port:(\w+)\}")
QUEUED = re.compile(rb" queued id=(\w+)")
REMOVED = re.compile(rb" removed id=(\w+)")
CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]")


class Trouble(AssertionError):
    """A promise of the server that was not kept."""


def free_port(family, address):
    with socket.socket(family) as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def have_ipv6():
    try:
        free_port(socket.AF_INET6, "::1")
        return True
    except OSError:
        return False


def until(condition, what, patience=PATIENCE, pause=0.02):
    """Wait for condition() to be true, or say what was waited for."""
    deadline = time.monotonic() + patience
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Trouble(f"waited {patience:g} s for {what}")
        time.sleep(pause)


def descendants(pid):
    """The processes below pid, all of them."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child] + descendants(child)
    return found


class Server:
    def __init__(self, config, listener):
        self.dir = Path(tempfile.mkdtemp(prefix="postrider-dialog-"))
        self.dir.chmod(0o755)
        self.where = {"mx": ("127.0.0.1", free_port(socket.AF_INET, "127.0.0.1")),
                      "sink": ("127.0.0.1", free_port(socket.AF_INET, "127.0.0.1"))}
        if have_ipv6():
            self.where["ipv6"] = ("::1", free_port(socket.AF_INET6, "::1"))
        self.own_listeners = set()
        self.hop = Hop()
        self.file = self.dir / "postrider.conf"
        self.err = self.dir / "stderr"
        self.write_config(config, listener)
        self.start()

    def write_config(self, config, listener):
        own = {text.split()[0] for text in config}
        self.silent = set()     # ports where TLS comes first
        if "tls" in own:
            self.make_certificate()
        if "accounts" in own:
            self.make_accounts()
        config = [PORT.sub(lambda m: self.port(m[1], text), text) for text in config]
        parts = [text.format(dir=self.dir) for name, text in BASE.items() if name not in own]
        parts += [text.replace("{dir}", str(self.dir)).replace("{hop}", str(self.hop.port))
                  for text in config]
        for name, (address, port) in self.where.items():
            if name in self.own_listeners:
                continue
            host = f"[{address}]" if ":" in address else address
            role = "sink" if name == "sink" else "mx"
            parts.append(f'listen "{host}:{port}" {{\n    role = {role}\n    {listener}\n}}')
        if os.geteuid() == 0:       # as root: everything as root, so that no user is needed
            parts += ['user = "root"', 'queue_user = "root"', 'vault_user = "root"']
        self.file.write_text("\n".join(parts) + "\n")
        (self.dir / "recipients").write_text(RECIPIENTS)
        (self.dir / "aliases").write_text(ALIASES)
        (self.dir / "utmp").write_bytes(b"")
        (self.dir / "mail").mkdir()

    def port(self, name, text):
        """A port of its own for a `listen` that a dialogue adds."""
        if name not in self.where:
            self.where[name] = ("127.0.0.1", free_port(socket.AF_INET, "127.0.0.1"))
            self.own_listeners.add(name)
        if "implicit" in text or "proxy" in text:     # nothing is said before the client has
            self.silent.add(name)
        return str(self.where[name][1])

    def make_certificate(self):
        """For mx.ours.example, signed by itself."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-days", "30", "-subj", "/CN=mx.ours.example",
                        "-addext", "subjectAltName=DNS:mx.ours.example",
                        "-keyout", self.dir / "mx.key", "-out", self.dir / "mx.pem"],
                       check=True, capture_output=True)
        (self.dir / "mx.key").chmod(0o600)

    def make_accounts(self):
        for name, password, clear in ACCOUNTS:
            subprocess.run([BUILD / "postrider", "account", "add", "--file", self.dir / "accounts",
                            *(["--clear"] if clear else []), name], input=password + "\n", text=True,
                           check=True, capture_output=True)

    def command(self, *words):
        """What `postrider WORDS` answers."""
        done = subprocess.run([BUILD / "postrider", *words, "--config", self.file],
                              capture_output=True, text=True, timeout=PATIENCE * 3)
        if done.returncode != 0:
            raise Trouble(f"postrider {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self):
        with open(self.err, "wb") as err:
            self.process = subprocess.Popen([BUILD / "postriderd", "-c", self.file],
                                            stdin=subprocess.DEVNULL, stdout=err, stderr=err)
        try:
            for name in self.where:
                until(lambda: self.accepts(name), f"port {name} to open")
            self.pids = self.alive()
            time.sleep(0.3)     # the sessions that looked whether it is there must end
            self.sockets = self.sessions()
        except Trouble as trouble:
            self.process.kill()
            self.process.wait()
            raise Trouble(f"{trouble}\n{self.tail()}") from None

    def accepts(self, name):
        if self.process.poll() is not None:
            raise Trouble(f"postriderd ended with status {self.process.returncode}")
        try:
            with socket.create_connection(self.where[name], timeout=1) as s:
                return name in self.silent or s.recv(4) == b"220 "
        except OSError:
            return False

    def alive(self):
        return sorted(descendants(self.process.pid))

    def signal(self, role, number):
        """To every process of this role."""
        for pid in self.alive():
            if role.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, number)

    def sessions(self):
        """How many sockets the processes that talk to clients hold."""
        sockets = 0
        for pid in self.pids:
            if b"smtpd" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                continue
            for link in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    sockets += os.readlink(link).startswith("socket:")
                except OSError:
                    pass        # closed meanwhile
        return sockets

    def log(self):
        return self.err.read_bytes()

    def tail(self):
        lines = self.log().decode("latin-1").splitlines()[-40:]
        return "server's log:\n    " + "\n    ".join(lines)

    def settled(self, log_from):
        """Has every message since then left the queue?"""
        log = self.log()[log_from:]
        return set(QUEUED.findall(log)) <= set(REMOVED.findall(log))

    def check(self, log_from):
        """What must hold after every dialogue (first paragraph of the attack list)."""
        if self.process.poll() is not None:
            raise Trouble(f"the server ended with status {self.process.returncode}")
        if self.alive() != self.pids:
            raise Trouble(f"processes were {self.pids} and are {self.alive()}")
        until(lambda: self.settled(log_from), "every message to leave the queue")
        log = self.log()
        if SANITIZERS.search(log):
            raise Trouble("a sanitizer reported")
        raw = CONTROL.search(log, log_from)
        if raw:
            raise Trouble(f"raw control byte in the log: {log[max(0, raw.start() - 60):][:120]!r}")
        self.ordinary_session()
        until(lambda: self.sessions() <= self.sockets, "every session to be freed")

    def ordinary_session(self):
        """A stranger is served as ever, or put off where the disk was said to be full."""
        mail, rcpt = (b"452", b"503") if b"disk_full state=full" in self.log() else (b"250", b"250")
        with socket.create_connection(self.where["mx"], timeout=PATIENCE) as s:
            f = s.makefile("rwb")
            for line, code in ((None, b"220"), (b"HELO check.example", b"250"),
                               (b"MAIL FROM:<>", mail), (b"RCPT TO:<alice@ours.example>", rcpt),
                               (b"RSET", b"250"), (b"QUIT", b"221")):
                if line is not None:
                    f.write(line + b"\r\n")
                    f.flush()
                got = f.readline()
                if got[:3] != code:
                    raise Trouble(f"an ordinary session: {line!r} was answered {got!r}")

    # -- mail ---------------------------------------------------------------

    def boxes(self, who):
        if who == "sink":
            return [self.dir / "spool" / "sink"]
        return [self.dir / "mail" / who] if who else list((self.dir / "mail").iterdir())

    def mail(self, who=None):
        """The messages delivered to `who` (all local mailboxes: None)."""
        return [path.read_bytes() for box in self.boxes(who)
                for path in sorted((box / "new").glob("*"))]

    def delete_mail(self, who=None):
        for box in self.boxes(who):
            for path in (box / "new").glob("*"):
                path.unlink()

    def forget_mail(self):
        self.delete_mail()
        self.delete_mail("sink")
        self.hop.messages.clear()

    def stop(self):
        """SIGTERM ends it in order, with status 0 and nothing left."""
        children = self.alive()
        self.hop.stop()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Trouble(f"SIGTERM was not enough\n{self.tail()}") from None
        left = [pid for pid in children if Path(f"/proc/{pid}").exists()]
        if status != 0 or left or SANITIZERS.search(self.log()):
            raise Trouble(f"ended with status {status}, processes left: {left}\n{self.tail()}")
        shutil.rmtree(self.dir, ignore_errors=True)


class Servers:
    """At most one server at a time; the next configuration stops the one before."""

    def __init__(self):
        self.key, self.server = None, None

    def get(self, config, listener):
        if self.key != (config, listener) or self.server.process.poll() is not None:
            self.stop()
            self.server = Server(config, listener)
            self.key = (config, listener)
        return self.server

    def discard(self):
        """Stop it, whatever state it is in."""
        try:
            self.stop()
        except Trouble:
            pass

    def stop(self):
        server, self.server, self.key = self.server, None, None
        if server is not None:
            server.stop()
