"""The works that servers are compared by: one row each."""
import dataclasses

import servers
from figures import Goal

KiB, MiB = 1 << 10, 1 << 20


@dataclasses.dataclass
class Work:
    name: str
    title: str
    does: str = "hold"              # see servers.Job
    sessions: int = 50
    size: int = 4 * KiB
    load: dict = dataclasses.field(default_factory=dict)        # more options of `postrider load`
    most: int = 200_000             # messages of one round
    fewest: int = 0                 # 0: some for each session
    settled: int = 0                # messages of each session before time runs: connecting is not what is measured
    traced: int = 300               # of the round under strace; 0: no such round
    latency: bool = False
    handshakes: bool = False
    key: str = ""                   # TLS: "ec" or "rsa"
    slow_ms: int = 0
    floor: bool = True              # is there a floor for it?
    goals: tuple = ()
    rounds: int = 100               # at most
    drive: str = "plain"            # see comparison.py
    points: tuple = ()              # along which cost grows
    certificate: tuple = ()         # filled in when the comparison begins
    shim: str = ""                  # the same

    def job(self):
        return servers.Job(does=self.does, sessions=self.sessions, tls=self.certificate, slow_ms=self.slow_ms,
                           shim=self.shim)

    def options(self, n):
        """Of `postrider load`, for n messages."""
        found = {"sessions": min(self.sessions, n), "messages": n, "size": self.size, "from": f"sender@{servers.DOMAIN}",
                 "to": f"user@{servers.DOMAIN}", **self.load}
        if self.settled:
            found["warmup"] = self.settled * found["sessions"]
        if self.does == "maildir":
            found.update(to=f"user%n@{servers.DOMAIN}", spread=servers.MAILBOXES)
        return found


def against(measure, peer, floor):
    """Goals beside Postfix and beside the floor."""
    goals = [Goal(measure, "postfix", at_least=peer)] if peer else []
    return tuple(goals + ([Goal(measure, "floor", at_least=floor)] if floor else []))


ONCE = {"per_connection": 1}
HANDSHAKES = dict(load={"tls": True, "brisk": True, "handshakes": True}, handshakes=True, traced=0, most=20_000,
                  goals=against("handshakes", 1.6, 0.60) + (Goal("per_cpu_second", "postfix", at_least=3),))
IDLE = dict(drive="idle", load=ONCE, most=3000, rounds=3, traced=0, floor=False)
SERVED = Goal("served", at_least=0.9)
FLAT = (Goal("flatness", at_least=0.9),)

WORKS = [
    Work("accept-kept", "accept to disk, many messages a connection",
         goals=against("rate", 14, 0.70) + against("per_cpu_second", 25, 0.50)),
    Work("accept-once", "accept to disk, one message a connection", load=ONCE, goals=against("rate", 7, 0.65)),
    Work("relay", "accept and relay to a sink over kept connections", does="relay", floor=False,
         goals=against("rate", 8, None)),
    Work("maildir", "accept and deliver to 100 Maildirs", does="maildir", floor=False, goals=against("rate", 4, None)),
    Work("accept-1m", "accept messages of 1 MiB, 10 sessions", sessions=10, size=MiB, most=700, traced=40,
         goals=against("mb_per_second", 1.7, 0.80)),
    Work("accept-tls", "accept over TLS, kept connections", key="ec", load={"tls": True, "brisk": True}, settled=2,
         goals=against("rate", 8, None)),
    Work("bdat", "accept by pipelined BDAT, kept connections", load={"pipelining": True, "bdat": True}, traced=2000,
         goals=against("rate", 25, 0.60)),
    Work("latency", "one session, one message a connection, connect to 250", sessions=1, load=ONCE, latency=True,
         most=5000, fewest=100, traced=0, goals=(Goal("latency_median", "postfix", at_most=0.5), Goal("latency_p99", "postfix", at_most=0.5))),
    Work("handshake-p256", "STARTTLS handshakes, P-256, 50 sessions", key="ec", **HANDSHAKES),
    Work("handshake-rsa", "STARTTLS handshakes, RSA-2048, 50 sessions", key="rsa", **HANDSHAKES),
    Work("idle", "20,000 idle sessions", goals=(Goal("bytes_each", at_most=4), SERVED), **IDLE),
    Work("idle-tls", "20,000 idle sessions with TLS", key="ec", goals=(Goal("bytes_each", at_most=24), SERVED), **IDLE),
    Work("waiting", "1,000,000 messages waiting", drive="waiting", rounds=1, traced=0, floor=False,
         goals=(Goal("memory", at_most=160), Goal("restart", at_most=5))),
    Work("slow-disk-50", "every sync takes 2 ms longer, 50 sessions", slow_ms=2, traced=0, goals=against("rate", 5, None)),
    Work("slow-disk-200", "every sync takes 2 ms longer, 200 sessions", slow_ms=2, sessions=200, traced=0,
         goals=against("rate", 10, None)),
    Work("growth-sessions", "accept to disk, by sessions", drive="growth-sessions", rounds=2, traced=0, settled=2, goals=FLAT,
         points=(1, 10, 50, 200, 1000, 5000)),
    Work("growth-waiting", "accept and relay, by messages that wait for another host", drive="growth-waiting", does="relay",
         rounds=2, traced=0, floor=False, goals=FLAT, points=(1000, 10_000, 100_000, 1_000_000)),
    Work("growth-destinations", "accept and relay, by destinations of which one is dead", drive="growth-destinations",
         does="relay", rounds=3, traced=0, floor=False, goals=FLAT, points=(1, 10, 100, 1000)),
]
BY_NAME = {work.name: work for work in WORKS}
