"""kill -9 of every process at random moments, under load: nothing accepted is lost.

The ledger (ledger.py) decides. POSTRIDER_KILLS says how many kills (default 500),
POSTRIDER_SEED repeats a run: the same messages, the same victims in the same order.
"""
import os
import random
import subprocess
import time

import messages
from ledger import Arrivals, Ledger, Verdict
from client import Sender, sending
from process import kill_quietly
from sink import Sink

KILLS = int(os.environ.get("POSTRIDER_KILLS", "500"))
SEED = int(os.environ.get("POSTRIDER_SEED", "2"))
SENDERS = 3
CONCURRENCY = 4             # attempts at the same time to one destination
RECIPIENTS = 5              # of a message, at most
VICTIMS = {"queue": 30, "local": 20, "relay": 20, "smtpd": 15, "lookup": 3, "console": 2, "everything": 10}
BETWEEN = (0.05, 0.35)      # seconds between two kills
SPOOL_MAX = int(os.environ.get("POSTRIDER_SPOOL_MAX", 2 << 30))     # bytes of disk
PATIENCE = 3                # seconds to wait for mail to be accepted again before the next kill
USERS = [f"user{n}" for n in range(8)]


def load(seed, number):
    """Endless messages of one sender: most small, some larger than smtpd keeps in memory."""
    rng = random.Random(f"{seed} {number}")
    n = 0
    while True:
        n += 1
        size = rng.choice([0, 10, 500, 2000, 4000, 4000, 20_000]) if rng.random() < 0.95 else rng.randint(66_000, 300_000)
        pool = ([f"{user}@example.org" for user in USERS] + [f"{user}@far.test" for user in USERS]
                + [f"{user}@refuse.test" for user in USERS[:2]])
        yield messages.Marked(f"s{number}-{n}", f"sender{number}@example.org",
                              rng.sample(pool, rng.randint(1, RECIPIENTS)), messages.body_of(rng, size))


class StampedSink(Sink):
    """Knows when each message came."""

    def keep(self, message):
        message.time = time.time()
        super().keep(message)


def collect(server, sink):
    found = Arrivals()
    found.take(server, "example.org", USERS, [f"sender{number}" for number in range(SENDERS)])
    for message in sink.messages:
        for recipient in message.rcpts:
            found.copy(recipient, message.body, message.time)
    return found


class Killer:
    def __init__(self, server, rng, ledger):
        self.server, self.rng, self.ledger = server, rng, ledger
        self.kills = []             # (time, who)
        self.slowest = self.largest = 0

    def one(self):
        who = self.rng.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        if who == "everything":
            self.server.kill()
            self.kills.append((time.time(), who))
            self.restart()
        elif self.strike(who):
            self.kills.append((time.time(), who))

    def restart(self):
        start = time.monotonic()
        self.server.start(seconds=30)
        self.slowest = max(self.slowest, time.monotonic() - start)

    def strike(self, role):
        pids = self.server.roles().get(role, [])
        return bool(pids) and kill_quietly(self.rng.choice(sorted(pids)))

    def measure(self):
        """Disk that the spool takes."""
        used = subprocess.run(["du", "-sk", self.server.spool], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.largest = max(self.largest, int(used.stdout.split()[0]) << 10)

    def wait_for_load(self, had):
        """A kill without mail under way since the last one would tell little."""
        end = time.monotonic() + PATIENCE
        while len(self.ledger.acks) == had and time.monotonic() < end:
            time.sleep(0.01)

    def run(self, count):
        while len(self.kills) < count:
            had = len(self.ledger.acks)
            time.sleep(self.rng.uniform(*BETWEEN))
            self.wait_for_load(had)
            if not self.server.process.alive():
                raise AssertionError(f"the master is gone: {self.server.log_text()[-2000:]}")
            self.one()
            if len(self.kills) % 25 == 0:
                self.measure()


def unexplained(times, kills):
    """Copies with no kill between one and the next (file times are coarse, and an
    attempt may be under way for a while before it is repeated)."""
    return [(a, b) for a, b in zip(sorted(times), sorted(times)[1:])
            if not any(a - 1 <= moment <= b + 1 for moment, _ in kills)]


def test_nothing_accepted_is_lost_by_kill_9_at_random_moments_under_load(make_server, place):
    """F01, with random times"""
    refused = {f"{user}@refuse.test": "550 5.1.1 no such user" for user in USERS}
    with StampedSink(rcpt=refused) as sink:
        server = make_server(
            'domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n'
            'route "*" { via = "127.0.0.1:$sink" }', sink=sink.port, hostname="mx.example.org",
            queue=f"retry = {{200ms, 500ms, 1s}}  jitter = 10  destination_concurrency = {CONCURRENCY}").start()
        ledger = Ledger(place / "ledger")
        senders = [Sender(server.port, load(SEED, n), ledger, per_connection=10, pause=0.03) for n in range(SENDERS)]
        killer = Killer(server, random.Random(SEED), ledger)
        with sending(senders):
            start = time.monotonic()
            killer.run(KILLS)
            took = time.monotonic() - start
        server.wait_empty(120)
        server.stop()
        verdict = Verdict(ledger, collect(server, sink))
        print(f"\n{len(killer.kills)} kills in {took:.0f} s, seed {SEED}: {len(ledger.acks)} messages; {verdict.line()}; "
              f"slowest restart {killer.slowest:.1f} s; largest spool {killer.largest >> 20} MiB")
        verdict.assert_kept()
        assert len(ledger.acks) >= len(killer.kills) / 2, "there was hardly any load"
        quarantined = list((server.spool / "quarantine").glob("*")) if (server.spool / "quarantine").is_dir() else []
        assert not quarantined, f"recovery could not read something: {quarantined}"
        assert killer.largest < SPOOL_MAX, f"the spool took {killer.largest >> 20} MiB for a few messages"
        # a kill may repeat what was in flight at that moment, and nothing else
        bound = len(killer.kills) * CONCURRENCY * RECIPIENTS * 3
        assert verdict.copies_too_many <= bound
        strange = {key: unexplained(times, killer.kills) for key, times in verdict.duplicates.items()
                   if unexplained(times, killer.kills)}
        assert not strange, f"delivered twice without a kill in between: {list(strange.items())[:5]}"
