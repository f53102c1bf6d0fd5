"""Many messages of mixed sizes to three domains, of which one refuses and one is down.

POSTRIDER_MESSAGES says how many (default 10,000); POSTRIDER_SEED repeats a run.
"""
import os
import random
import time

import messages
from client import Sender
from ledger import Arrivals, Ledger, Verdict
from ports import free_port, wait_until
from sink import Sink

MESSAGES = int(os.environ.get("POSTRIDER_MESSAGES", "10000"))
SEED = int(os.environ.get("POSTRIDER_SEED", "2"))
SENDERS = 4
USERS = [f"user{n}" for n in range(50)]
DOMAINS = ["local.test", "refuse.test", "down.test"]
SIZES = [       # share, least, most: bytes of the body
    (0.0005, 5_000_000, 5_242_880),
    (0.0030, 200_000, 1_000_000),
    (0.0200, 20_000, 150_000),
    (0.4000, 2_000, 8_000),
    (0.5000, 3, 2_000),
    (0.0765, 0, 0),
]


def size_of(rng):
    at = rng.random()
    for share, least, most in SIZES:
        at -= share
        if at < 0:
            return rng.randint(least, most)
    return 0


def count_of(rng, size):
    """1 to 50 recipients, most have few; large messages have few, so that the disk copes."""
    if size > 100_000:
        return rng.randint(1, 3)
    return rng.randint(2, 5) if rng.random() < 0.2 else rng.randint(6, 50) if rng.random() < 0.03 else 1


def load(number, count):
    rng = random.Random(f"{SEED} {number}")
    for n in range(count):
        # the ends of the ranges come at any rate
        size = {0: 0, 1: 5 * 1024 * 1024, 2: 3}.get(n) if n < 3 else size_of(rng)
        size = size if number == 0 or n >= 3 else size_of(rng)
        recipients = 50 if n == 3 else count_of(rng, size)
        pool = rng.sample([f"{user}@{domain}" for user in USERS for domain in DOMAINS], recipients)
        yield messages.Marked(f"v{number}-{n}", f"sender{number}@local.test", pool, messages.body_of(rng, size))


class HashingSink(Sink):
    """Checks each message as it comes and keeps only what was found, not the bytes."""

    def __init__(self, found, **more):
        super().__init__(**more)
        self.found = found

    def keep(self, message):
        with self.lock:
            for recipient in message.rcpts:
                self.found.copy(recipient, message.body, time.time())


def test_every_recipient_of_many_messages_ends_in_exactly_one_state(make_server, place):
    found = Arrivals()
    down_port = free_port()
    refused = {f"{user}@refuse.test": "550 5.7.1 we refuse" for user in USERS}
    with Sink(rcpt=refused, name="refuse.test") as refusing:
        server = make_server(
            'domain "local.test" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n'
            'route "refuse.test" { via = "127.0.0.1:$refuse" }\nroute "down.test" { via = "127.0.0.1:$down" }',
            refuse=refusing.port, down=down_port, queue="retry = {1s, 2s, 4s}").start()
        ledger = Ledger(place / "ledger")
        senders = [Sender(server.port, load(n, MESSAGES // SENDERS), ledger, per_connection=200, stubborn=True)
                   for n in range(SENDERS)]
        start = time.monotonic()
        for sender in senders:
            sender.start()
        wait_until(lambda: len(ledger.acks) >= MESSAGES * 6 // 10 or not any(s.is_alive() for s in senders), 300,
                   "more than half is accepted")
        with HashingSink(found, port=down_port, name="down.test") as down:
            for sender in senders:
                sender.finish(300)
            accepted_after = time.monotonic() - start
            server.wait_empty(300)
            all_after = time.monotonic() - start
            server.stop()
        found.take(server, "local.test", USERS, [f"sender{number}" for number in range(SENDERS)])
    verdict = Verdict(ledger, found)
    print(f"\n{len(ledger.acks)} messages, seed {SEED}: {verdict.line()}; accepted in {accepted_after:.0f} s "
          f"({len(ledger.acks) / accepted_after:.0f}/s), all done in {all_after:.0f} s")
    verdict.assert_kept()
    assert len(ledger.acks) == MESSAGES // SENDERS * SENDERS
    assert sum(s.broken for s in senders) == 0
    assert not verdict.duplicates and not verdict.reports_too_many
    assert {address.rpartition("@")[2] for _, address in verdict.bounced} == {"refuse.test"}
    assert {address.rpartition("@")[2] for _, address in verdict.delivered} == {"local.test", "down.test"}
    assert not verdict.unacknowledged
