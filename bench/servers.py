"""The servers that are compared: each does one job, and says what it did.

A Job says what is asked of all of them alike; each class configures its server
for speed as its own documentation says, with everything durable before the 250
and its log on. Mail is for DOMAIN. What can be asked of each:

    hold     take the mail and keep it: nothing but accepting is measured
    relay    pass it on to a sink on loopback, over connections that are kept
    maildir  deliver it to MAILBOXES Maildirs user0 ... user99
"""
import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess

import debs
import measure
import peers
import postrider
from ports import wait_until
from process import Process

DOMAIN, MAILBOXES = "bench.test", 100
FILES = 120_000         # open files of a server that must hold many sessions


@dataclasses.dataclass
class Job:
    does: str = "hold"
    sink: int = 0               # its port
    sessions: int = 50
    tls: tuple = ()             # paths: certificate, key
    slow_ms: int = 0            # every sync takes so much longer,
    shim: str = ""              # by this library
    address: str = "127.0.0.1"  # of a sink
    addresses: tuple = ()       # of Postrider, beside 127.0.0.1
    routes: dict = dataclasses.field(default_factory=dict)      # domain: "host:port" or "hold", beside DOMAIN

    def environment(self):
        if not self.slow_ms:
            return {}
        return {"LD_PRELOAD": self.shim, "SLOWDISK_MS": str(self.slow_ms)}


def files_below(*folders, pattern="*"):
    return sum(1 for folder in folders for path in pathlib.Path(folder).rglob(pattern) if path.is_file())


class Contestant:
    """One server in a folder of its own, for one round."""
    name = ""
    title = ""
    lacks = ()          # works that it cannot do
    sessions = 1 << 20  # at most so many, where it loses clients if more come at once

    def __init__(self, place, job):
        self.place = pathlib.Path(place)
        self.place.mkdir(parents=True)
        os.chmod(self.place, 0o755)
        self.job = job
        self.mail = self.place / "mail"
        self.group = measure.Group(self.name)

    def start(self):
        with self.group.entered():
            self.launch()
        self.group.root = self.root_pid()
        return self

    def stop(self):
        try:
            self.halt()
        finally:
            self.group.close()

    def delivered(self):
        return sum(len(os.listdir(box / "new")) for box in self.boxes() if (box / "new").is_dir())

    def delivered_at(self):
        """When the last message came: the time of the mailboxes' folders."""
        return max(((box / "new").stat().st_mtime for box in self.boxes() if (box / "new").is_dir()), default=0)

    def boxes(self):
        return [entry for entry in self.mail.iterdir() if entry.is_dir()] if self.mail.is_dir() else []

    # what each of them has: launch(), halt(), root_pid(), port, queued(), version()


class Postrider(Contestant):
    name, title = "postrider", "Postrider"

    SECTIONS = dict(log="per_second = 0", queue="", relay="", processes="", dns="",
                    limits="connections = 30000  connections_per_client = 30000  messages = 10000000")

    def __init__(self, place, job):
        super().__init__(place, job)
        self.server = SlowServer(self.place / "home", self.text(job), self.listeners(job), slow=job.environment(), **self.SECTIONS)
        self.port = self.server.port
        self.mail = self.server.mail / DOMAIN

    @staticmethod
    def listeners(job):
        return "\n".join(f'listen "{address}:$port" {{ role = mx }}' for address in ("127.0.0.1", *job.addresses))

    @staticmethod
    def text(job):
        where = {"hold": f'route "{DOMAIN}" {{ via = hold }}',
                 "relay": f'route "{DOMAIN}" {{ via = "127.0.0.1:{job.sink}" }}',
                 "maildir": f'domain "{DOMAIN}" {{ recipients = any  deliver = "maildir:$mail/%d/%u" }}'}[job.does]
        lines = [where, *[f'route "{domain}" {{ via = "{via}" }}' for domain, via in job.routes.items()]]
        if job.tls:
            lines.append(f'tls "{DOMAIN}" {{ certificate = "{job.tls[0]}"  key = "{job.tls[1]}" }}')
        return "\n".join(lines)

    def launch(self):
        self.server.start()

    def halt(self):
        try:
            self.server.stop()
        finally:
            self.server.cleanup()

    def root_pid(self):
        return self.server.process.pid

    def queued(self):
        return self.server.queue_count()

    @staticmethod
    def version():
        return first_line([postrider.PROGRAM, "--version"])


class SlowServer(postrider.Server):
    """With a disk of our choice."""

    def __init__(self, *words, slow=None, **more):
        self.slow = slow or {}
        super().__init__(*words, **more)

    def environment(self):
        return {**super().environment(), **self.slow}


class Floor(Contestant):
    """bench/floor, the least program that could accept mail; it counts what it took."""
    name, title = "floor", "the floor"
    more = ()

    def __init__(self, place, job):
        super().__init__(place, job)
        self.spool = self.place / "spool"
        self.spool.mkdir()
        self.count = None

    def words(self):
        tls = ["--tls", *self.job.tls] if self.job.tls else []
        return [debs.BUILD / "bench/floor", "--address", self.job.address, "--spool", self.spool, "--json", *tls, *self.more]

    def launch(self):
        self.output = self.place / "output"
        self.process = Process(self.words(), self.output, env=self.job.environment())
        wait_until(lambda: self.process.log().endswith("\n") or not self.process.alive(), 20, "the floor is ready")
        found = re.match(r"port (\d+)\n", self.process.log())
        assert found, f"the floor did not start:\n{self.process.log()}"
        self.port = int(found[1])

    def halt(self):
        if self.count is None:
            self.process.stop()
            self.count = json.loads(self.process.log().splitlines()[-1])

    def root_pid(self):
        return self.process.pid

    def queued(self):
        """It says so when it ends."""
        self.halt()
        return self.count["messages"]

    @staticmethod
    def version():
        return ""


class Sink(Floor):
    """Takes what others relay, and throws it away."""
    name, title = "sink", "the sink"
    more = ("--sink",)

    def taken(self):
        """How many messages so far."""
        self.asked = getattr(self, "asked", 0) + 1
        self.process.signal(signal.SIGUSR1)
        wait_until(lambda: self.process.log().count("\n") > self.asked, 5, "the sink answers", every=0.001)
        return json.loads(self.process.log().splitlines()[-1])["messages"]


class Unpacked(Contestant):
    """A peer of tests/scenario/peers.py."""
    package = ""

    def launch(self):
        self.peer = self.make()
        self.peer.env.update({k: join(k, self.peer.env, v) for k, v in self.job.environment().items()})
        self.peer.start()
        self.port = self.peer.port

    def halt(self):
        self.peer.stop()

    def root_pid(self):
        return self.peer.process.pid

    @classmethod
    def version(cls):
        return package_version(cls.package)


def join(name, present, value):
    """Two libraries may be preloaded."""
    return f"{value}:{present[name]}" if name == "LD_PRELOAD" and name in present else value


class Postfix(Unpacked):
    """TUNING_README: more processes, no in_flow_delay, more deliveries at once; a limit of
    connections from one client is for strangers. Held mail stays where cleanup wrote it."""
    name, title, package = "postfix", "Postfix", "postfix"

    def settings(self):
        job = self.job
        settings = {"in_flow_delay": "0s", "default_process_limit": max(100, job.sessions + 50),
                    "smtpd_client_connection_count_limit": 0, "initial_destination_concurrency": 20,
                    "default_destination_concurrency_limit": 50, "smtp_connection_cache_destinations": DOMAIN,
                    "queue_run_delay": "300s", "minimal_backoff_time": "300s", "maximal_backoff_time": "4000s"}
        if job.does == "hold":
            settings["smtpd_data_restrictions"] = "check_client_access static:HOLD"
        if job.tls:
            settings.update(smtpd_tls_security_level="may", smtpd_tls_chain_files=self.both(),
                            tls_random_source="dev:/dev/urandom")
        if job.slow_ms:
            names = "LD_LIBRARY_PATH PATH LD_PRELOAD SLOWDISK_MS"
            settings.update(import_environment=f"MAIL_CONFIG {names}", export_environment=names)
        return settings

    def both(self):
        certificate, key = self.job.tls
        whole = self.place / "key-and-certificate"
        whole.write_bytes(pathlib.Path(key).read_bytes() + pathlib.Path(certificate).read_bytes())
        whole.chmod(0o600)
        return whole

    def make(self):
        job = self.job
        routes = {}
        if job.does != "maildir":
            routes[DOMAIN] = f"smtp:[127.0.0.1]:{job.sink or 9}"
        mailboxes = [DOMAIN] if job.does == "maildir" else []
        peer = peers.Postfix(self.place / "home", routes, mailboxes, settings=self.settings())
        peer.users = [f"user{n}" for n in range(MAILBOXES)]
        self.mail = peer.path("mail")
        return peer

    def queued(self):
        return files_below(*[self.peer.path("queue", name) for name in
                             ("maildrop", "incoming", "active", "deferred", "hold", "corrupt")])


def package_version(package):
    """Of what was unpacked: Debian's, by its name and version."""
    names = debs.PACKAGES[package][:1]
    for line in first_lines(["apt-cache", "policy", *names]):
        if line.strip().startswith("Candidate:"):
            return f"{names[0]} {line.split()[1]}"
    return names[0]


def first_lines(words):
    return subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True).stdout.splitlines()


def first_line(words):
    return next(iter(first_lines(words)), "")


OURS = (Postrider, Floor)
