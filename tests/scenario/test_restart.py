"""Stopping and reloading in order, under load: nothing is lost and nothing comes twice.

A kill may repeat what was in flight (test_kill.py); an order to stop may not.
"""
import random
import time

from client import Sender
from ledger import Ledger, Verdict
from sink import hang
from test_kill import SENDERS, StampedSink, collect, load

SECONDS = 4             # of load before the order
TURNS = 2


def serve(make_server, sink):
    return make_server(
        'domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n'
        'route "*" { via = "127.0.0.1:$sink" }', sink=sink.port, hostname="mx.example.org",
        queue="retry = {200ms, 500ms, 1s}  jitter = 10").start()


def senders_of(server, ledger, turn):
    senders = [Sender(server.port, load(turn * 100, f"{turn}-{n}"), ledger, per_connection=10, pause=0.005)
               for n in range(SENDERS)]
    for sender in senders:
        sender.start()
    return senders


def end(senders):
    for sender in senders:
        sender.enough.set()
    for sender in senders:
        sender.finish()


def judge(server, sink, ledger):
    server.wait_empty(60)
    server.stop()
    found = collect(server, sink)
    for turn in range(TURNS):
        for n in range(SENDERS):
            for mail in server.mailbox(f"sender{turn}-{n}@example.org"):
                found.report(mail.data)
    verdict = Verdict(ledger, found)
    print("\n" + verdict.line())
    verdict.assert_kept()
    assert not verdict.copies_too_many, verdict.line()
    assert not verdict.reports_too_many, verdict.line()


def test_a_stop_in_order_under_load_loses_nothing_and_repeats_nothing(make_server, place):
    """F24"""
    refused = {"user0@refuse.test": "550 5.1.1 no such user"}
    with StampedSink(rcpt=refused, dot=lambda session, line: hang(random.uniform(0, 0.3))) as sink:
        server = serve(make_server, sink)
        ledger = Ledger(place / "ledger")
        for turn in range(TURNS):
            senders = senders_of(server, ledger, turn)
            time.sleep(SECONDS)
            server.stop(30)
            end(senders)
            server.start()
        judge(server, sink, ledger)


def test_a_reload_under_load_loses_nothing_and_repeats_nothing(make_server, place):
    """F24"""
    refused = {"user0@refuse.test": "550 5.1.1 no such user"}
    with StampedSink(rcpt=refused, dot=lambda session, line: hang(random.uniform(0, 0.3))) as sink:
        server = serve(make_server, sink)
        ledger = Ledger(place / "ledger")
        senders = senders_of(server, ledger, 0)
        for turn in range(TURNS):
            time.sleep(SECONDS / 2)
            server.signal(1)
        time.sleep(SECONDS / 2)
        old = server.roles().get("relay", [])
        end(senders)
        assert len(old) <= 2, f"a relay of an old generation stays while there is mail: {old}"
        judge(server, sink, ledger)
