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
    traced: int = 300               # of the round under strace; 0: no such round
    latency: bool = False
    handshakes: bool = False
    key: str = ""                   # TLS: "ec" or "rsa"
    slow_ms: int = 0
    floor: bool = True              # is there a floor for it?
    goals: tuple = ()
    certificate: tuple = ()         # filled in when the comparison begins

    def job(self):
        return servers.Job(does=self.does, sessions=self.sessions, tls=self.certificate, slow_ms=self.slow_ms)

    def options(self, n):
        """Of `postrider load`, for n messages."""
        found = {"sessions": min(self.sessions, n), "messages": n, "size": self.size, "from": f"sender@{servers.DOMAIN}",
                 "to": f"user@{servers.DOMAIN}", **self.load}
        if self.does == "maildir":
            found.update(to=f"user%n@{servers.DOMAIN}", spread=servers.MAILBOXES)
        return found


def against(measure, peer, floor):
    """Goals beside the peer and beside the floor."""
    goals = [Goal(measure, "peer", at_least=peer)] if peer else []
    return tuple(goals + ([Goal(measure, "floor", at_least=floor)] if floor else []))


WORKS = [
    Work("accept-kept", "accept to disk, many messages a connection",
         goals=against("rate", 14, 0.70) + against("per_cpu_second", 25, 0.50)),
    Work("accept-once", "accept to disk, one message a connection", load={"per_connection": 1},
         goals=against("rate", 7, 0.65)),
    Work("relay", "accept and relay to a sink over kept connections", does="relay", floor=False,
         goals=against("rate", 8, None)),
    Work("maildir", "accept and deliver to 100 Maildirs", does="maildir", floor=False,
         goals=against("rate", 4, None)),
]
BY_NAME = {work.name: work for work in WORKS}
