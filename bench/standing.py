"""What stands there costs memory: idle sessions, and messages that wait."""
import contextlib
import dataclasses
import subprocess
import time

import servers
from ports import wait_until
from rounds import Round, Wrong, load, load_words, many_files

IDLE, IDLE_OF_PEERS = 20_000, 200       # sessions; a peer has a process for each
TURNS = 6                               # of new sessions, with idle ones and without
QUIET = 30                              # seconds after which a server must have nothing to do
WAITING, WAITING_SIZE = 1_000_000, 512  # messages, bytes
FILLED = "15m"


@contextlib.contextmanager
def idle_sessions(server, count, tls):
    """Hold so many, greeted and perhaps under TLS, while in here."""
    addresses = server.job.addresses or ("127.0.0.1",)
    holders = [hold(f"{address}:{server.port}", count // len(addresses), tls) for address in addresses]
    try:
        said = [holder.stdout.readline() for holder in holders]     # "open N" when it has them all
        if not all(line.startswith("open ") for line in said):
            raise Wrong(f"{count} idle sessions with {server.title}: {' '.join(said)[-300:]}")
        wait_quiet(server)
        yield
    finally:
        for holder in holders:
            holder.communicate(timeout=60)
    if any(holder.returncode != 0 for holder in holders):
        raise Wrong(f"{server.title} did not keep {count} idle sessions")


def hold(to, sessions, tls):
    words = load_words(to, {"idle": True, "sessions": sessions, "tls": bool(tls)})
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            preexec_fn=many_files)


def wait_quiet(server):
    """Until it has nothing to do: all handshakes and greetings are over."""
    def quiet():
        before = server.group.cpu()
        time.sleep(0.5)
        return server.group.cpu() - before < 0.02
    wait_until(quiet, QUIET, f"{server.title} has nothing to do", every=0)


class IdleRound(Round):
    """Memory of idle sessions, and new sessions beside them. The idle ones have addresses of
    their own: where most ports are taken, the kernel takes long to find one."""

    def job(self):
        job = self.work.job()
        if self.kind in servers.OURS:
            return dataclasses.replace(job, addresses=tuple(f"127.0.0.{n}" for n in range(2, 6)))
        return dataclasses.replace(job, sessions=IDLE_OF_PEERS)

    def measured(self):
        ours = self.kind in servers.OURS
        count = IDLE if ours else IDLE_OF_PEERS
        n = self.warm_up()
        before = self.server.group.memory()
        with idle_sessions(self.server, count, self.work.key):
            memory = self.server.group.memory() - before
            beside, without = self.in_turns(n) if ours else (self.run(n)[0], None)
        self.check()
        found = {"n": n, "sessions": count, "bytes_each": memory / count / 1024, "beside_rate": n / beside}
        return {**found, "served": without / beside} if ours else found

    def in_turns(self, n):
        """Seconds for n here, and for n at a server without idle sessions: a few at a time, because the
        machine's speed changes within seconds."""
        with Round(self.work, self.kind, self.place / "bare", self.amounts, self.seconds) as bare:
            bare.warm_up()
            took = [(self.run(n // TURNS)[0], bare.run(n // TURNS)[0]) for _ in range(TURNS)]
            bare.check()
        return [sum(seconds) for seconds in zip(*took)]


class WaitingRound(Round):
    """A million messages wait for a route: memory; then restart with the route open."""

    def begin(self):
        super().begin()
        self.sink = servers.Sink(self.place / "sink", servers.Job()).start()

    def measured(self):
        before = self.server.group.memory()
        fill(self.server, servers.DOMAIN, WAITING)
        self.sent = WAITING
        self.check()
        memory = self.server.group.memory() - before
        return {"n": WAITING, "memory": memory / (1 << 20), "restart": self.restart()}

    def restart(self):
        """Seconds from the start of the server to the first message at the sink."""
        server = self.server.server
        server.stop(120)
        server.configure(f'route "{servers.DOMAIN}" {{ via = "127.0.0.1:{self.sink.port}" }}', **servers.Postrider.SECTIONS)
        with self.server.group.entered():
            begun = time.monotonic()
            server.launch()
            wait_until(lambda: self.sink.taken() > 0, 120, "the first message is delivered", every=0.01)
        return time.monotonic() - begun


def fill(server, domain, count):
    """Small messages, as fast as it takes them."""
    load(server.port, sessions=50, messages=count, size=WAITING_SIZE, to=f"user@{domain}", pipelining=True, bdat=True,
         time=FILLED, **{"from": f"sender@{domain}"})
