"""The server under test: `postriderd` in the foreground, and the command `postrider`."""
import json
import os
import pathlib
import pwd
import re
import signal
import string
import subprocess

import debs
import maildir
from ports import banner, free_port, wait_until
from process import Process, children, kill_quietly, wait_gone

PROGRAM = debs.BUILD / "postriderd"
COMMAND = debs.BUILD / "postrider"
ROOT = os.geteuid() == 0
USER, QUEUE_USER, VAULT_USER = "nobody", "uucp", "proxy"     # what every Debian has

SECTIONS = {
    "trust": 'networks = {"127.0.0.0/8", "::1/128"}',
    "queue": "retry = {1s, 2s}  jitter = 0",
    "limits": "connections_per_client = 1000",
    "log": "json = true  per_second = 0",
    "relay": "idle = 1s  connect_timeout = 3s",
    "processes": "smtpd = 2  relay = 2",
    "dns": "",
}


class Server:
    """A server in a folder of its own.

        server = Server(place, 'domain "a.test" { recipients = any  deliver = "maildir:$mail/%d/%u" }')

    In the text, $mail, $place, $port and every keyword that is not the name of
    a section are filled in; a section's keyword replaces our default settings
    of it: queue='lifetime = 2s'. `listeners` replaces the one of role mx.
    """

    def __init__(self, place, text="", listeners=None, hostname="mx.example.org", **more):
        self.place = pathlib.Path(place)
        self.place.mkdir(parents=True, exist_ok=True)
        os.chmod(self.place, 0o755)
        self.port = free_port()
        self.mail = self.place / "mail"
        self.spool = self.place / "spool"
        self.file = self.place / "postrider.conf"
        self.stderr = self.place / "stderr"
        self.hostname = hostname
        self.listeners = listeners or 'listen "127.0.0.1:$port" { role = mx }'
        self.process = None
        self.make_folders()
        self.configure(text, **more)

    # --- configuration

    def make_folders(self):
        for path, user in ((self.mail, USER), (self.spool, QUEUE_USER), (self.place / "run", USER)):
            path.mkdir(exist_ok=True)
            if ROOT:
                who = pwd.getpwnam(user)
                os.chown(path, who.pw_uid, who.pw_gid)

    def configure(self, text=None, **more):
        """Write the file; what is left out stays as it was."""
        if text is not None:
            self.text, self.sections, self.values = text, dict(SECTIONS), {}
        for name, value in more.items():
            (self.sections if name in SECTIONS else self.values)[name] = value
        self.file.write_text(self.configuration())

    def configuration(self):
        users = (f'user = "{USER}"\nqueue_user = "{QUEUE_USER}"\nvault_user = "{VAULT_USER}"\n'
                 if ROOT else "")
        sections = "".join(f"{name} {{ {body} }}\n" for name, body in self.sections.items() if body)
        whole = (f'hostname = "{self.hostname}"\nspool = "$spool"\ncontrol = "$place/run/control"\n{users}'
                 f"{self.listeners}\n{sections}{self.text}\n")
        return string.Template(whole).substitute(
            place=self.place, mail=self.mail, spool=self.spool, port=self.port, **self.values)

    # --- life

    def environment(self):
        reports = f"log_path={self.place}/sanitizer"
        return {"ASAN_OPTIONS": f"{reports}:exitcode=99", "UBSAN_OPTIONS": f"{reports}:halt_on_error=1:print_stacktrace=1",
                "LSAN_OPTIONS": f"exitcode=99"}

    def launch(self):
        """Start and do not wait."""
        self.log_from = self.stderr.stat().st_size if self.stderr.exists() else 0
        self.process = Process([PROGRAM, "-c", self.file], self.stderr, env=self.environment())
        return self

    def start(self, seconds=20):
        self.launch()
        wait_until(lambda: self.ready() or not self.process.alive(), seconds,
                   f"the server is ready on port {self.port}")
        assert self.process.alive(), f"the server ended with {self.process.wait()}:\n{self.log_text()[-3000:]}"
        return self

    def ready(self):
        """It says so, or (when it logs elsewhere) its port and its control socket are there."""
        log = self.sections["log"]
        if "file:" in log or "warning" in log:
            return (self.place / "run/control").exists() and self.answers()
        with open(self.stderr, "rb") as f:
            f.seek(self.log_from)
            return re.search(rb'("event":"ready"|\] ready )', f.read()) is not None

    def answers(self):
        return banner(self.port).startswith(b"220 ")

    def stop(self, seconds=30):
        """SIGTERM; the exit status must be 0 and no sanitizer may complain."""
        if self.process is None:
            return
        mine = children(self.process.pid)
        status = self.process.stop(seconds)
        self.process = None
        self.assert_clean()
        assert status == 0, f"stopped with {status}:\n{self.log_text()[-3000:]}"
        assert wait_gone(mine, 5) is not None, "children outlive the master"

    def kill(self):
        """As if the power were cut for these processes: master and children at once."""
        everyone = [self.process.pid, *children(self.process.pid)]
        for pid in everyone:
            kill_quietly(pid)
        self.process.wait(10)
        assert wait_gone(everyone, 10) is not None

    def cleanup(self):
        """After a test, whatever became of it."""
        if self.process is not None:
            self.process.signal(signal.SIGTERM)
            if self.process.wait(5) is None:
                self.process.kill_session()
            self.process.kill_session()
            self.process = None

    def assert_clean(self):
        reports = [p for p in self.place.glob("sanitizer*")]
        assert not reports, reports[0].read_text(errors="replace")[:5000]

    def signal(self, number):
        self.process.signal(number)

    def roles(self):
        """{"smtpd": [pids], ...} of the living children of the master"""
        found = {}
        for pid in children(self.process.pid):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    words = f.read().split(b"\0")
            except OSError:
                continue
            if len(words) > 1:
                found.setdefault(words[1].decode(), []).append(pid)
        return found

    # --- log

    def log_text(self):
        return self.stderr.read_text(errors="replace") if self.stderr.exists() else ""

    def events(self, name=None):
        """The JSON lines of the log, as dictionaries."""
        found = []
        for line in self.log_text().splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and (name is None or event.get("event") == name):
                found.append(event)
        return found

    def wait_event(self, name, count=1, seconds=15, **fields):
        def found():
            events = [e for e in self.events(name) if all(str(e.get(k)) == str(v) for k, v in fields.items())]
            return events if len(events) >= count else None
        return wait_until(found, seconds, f"{count} event(s) {name} {fields} in {self.stderr}")

    # --- mail

    def mailbox(self, address):
        user, domain = address.rsplit("@", 1)
        return maildir.mailbox(self.mail / domain / user)

    def wait_mail(self, address, count=1, seconds=15):
        return wait_until(lambda: (m := self.mailbox(address)) if len(self.mailbox(address)) >= count else None,
                          seconds, f"{count} message(s) for {address}; the log ends:\n{self.log_text()[-1500:]}")

    # --- the command

    def command(self, *words, input=None, timeout=60):
        """`postrider -c FILE words...`: the finished process, its output as text."""
        return subprocess.run([str(COMMAND), "-c", str(self.file), *[str(w) for w in words]], input=input,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=not isinstance(input, bytes),
                              timeout=timeout)

    def told(self, *words, **more):
        """The command must succeed; what it printed."""
        done = self.command(*words, **more)
        assert done.returncode == 0, f"postrider {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def rows(self, *words, **more):
        """The rows that `--json` prints: an array, or one object a line."""
        text = self.told(*words, "--json", **more)
        try:
            value = json.loads(text) if text.strip() else []
            return value if isinstance(value, list) else [value]
        except ValueError:
            return [json.loads(line) for line in text.splitlines() if line.strip()]

    def queue_count(self):
        """Messages in the queue; None if it does not answer at this moment."""
        done = self.command("queue", "count", "--json")
        if done.returncode != 0:
            return None
        rows = [json.loads(line) for line in done.stdout.splitlines() if line.strip().startswith("{")]
        return rows[0]["messages"] if rows else json.loads(done.stdout)[0]["messages"]

    def wait_empty(self, seconds=60):
        wait_until(lambda: self.queue_count() == 0, seconds, "the queue is empty", every=0.2)


def config_check(file):
    """What `postrider config check` says of a file, and its exit status."""
    return subprocess.run([COMMAND, "config", "check", file], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30)


def queued_id(reply):
    """The message's id in the reply after the text: b"2.0.0 Ok: queued as ID"."""
    text = reply.decode() if isinstance(reply, bytes) else reply
    found = re.search(r"queued as ([0-9A-Z]{13})", text)
    assert found, f"no id in the reply {text!r}"
    return found[1]
