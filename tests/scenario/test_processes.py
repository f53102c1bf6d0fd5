"""The house: its processes, their deaths, stopping and reloading."""
import ctypes
import errno
import itertools
import os
import signal
import smtplib
import socket
import subprocess
import time

import pytest

import messages
import postrider
from client import Client, Sender
from ledger import Arrivals, Ledger, Verdict
from ports import banner, free_port, wait_until
from process import children, kill_quietly, wait_gone
from sink import Sink

ROLES = ["smtpd", "queue", "relay", "local", "lookup", "console"]
DOMAINS = ('domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n'
           'route "far.test" { via = "127.0.0.1:$sink" }\n')
USERS = ("alice", "bob", "carol")


def light_load(name="m"):
    for n in itertools.count():
        yield messages.Marked(f"{name}{n}", "sender@example.org", [f"{USERS[n % 3]}@example.org", "x@far.test"],
                              f"Message {n}\r\n".encode() * (1 + n % 50))


def arrivals(server, sink):
    found = Arrivals()
    for user in USERS:
        for mail in server.mailbox(f"{user}@example.org"):
            found.copy(f"{user}@example.org", mail.data)
    for mail in server.mailbox("sender@example.org"):
        found.report(mail.data)
    for message in sink.messages:
        for recipient in message.rcpts:
            found.copy(recipient, message.body)
    return found


def test_ps_shows_every_process_by_its_role(server):
    shown = subprocess.run(["ps", "-o", "pid=,comm=,args=", "--ppid", str(server.process.pid)],
                           stdout=subprocess.PIPE, text=True, check=True).stdout
    counts = {role: sum(f"postriderd {role}" in line for line in shown.splitlines()) for role in ROLES}
    assert counts == {"smtpd": 2, "queue": 1, "relay": 2, "local": 1, "lookup": 1, "console": 1}, shown
    master = subprocess.run(["ps", "-o", "args=", "-p", str(server.process.pid)], stdout=subprocess.PIPE, text=True)
    assert "postriderd" in master.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give processes to other users")
def test_no_process_but_the_master_and_the_last_mile_runs_as_root(server):
    owners = {role: {os.stat(f"/proc/{pid}").st_uid for pid in pids} for role, pids in server.roles().items()}
    assert {role for role, uids in owners.items() if 0 in uids} <= {"local"}, owners
    assert owners["queue"] != owners["smtpd"], "the queue and those who read strangers' bytes share a user"


@pytest.mark.parametrize("role", ROLES)
def test_a_killed_process_is_started_again_and_nothing_is_lost(make_server, place, role):
    with Sink() as sink:
        server = make_server(DOMAINS, sink=sink.port).start()
        ledger = Ledger(place / "ledger")
        sender = Sender(server.port, light_load(), ledger, per_connection=5, pause=0.01)
        sender.start()
        wait_until(lambda: len(ledger.acks) > 20, what="twenty messages accepted")
        before = server.roles()
        kill_quietly(before[role][0])
        def replaced():
            now = server.roles().get(role, [])
            return len(now) == len(before[role]) and before[role][0] not in now
        wait_until(replaced, what=f"another {role}")
        had = len(ledger.acks)
        wait_until(lambda: len(ledger.acks) > had + 20, what="twenty more messages accepted afterwards")
        sender.enough.set()
        sender.finish(30)
        server.wait_event("child_died", role=role)
        server.wait_empty()
        verdict = Verdict(ledger, arrivals(server, sink))
        print(verdict.line())
        verdict.assert_kept()
        server.stop()


def test_sigterm_stops_everything_in_order(server):
    everyone = [server.process.pid, *children(server.process.pid)]
    start = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    assert wait_gone(everyone, 2) is not None
    assert time.monotonic() - start < 10
    left = [event["role"] for event in server.events("child_left")]
    assert left and left.index("queue") > max(i for i, role in enumerate(left) if role == "smtpd"), left
    server.process = None


def test_sigterm_lets_a_message_under_way_finish_or_tells_its_client(server):
    client = Client(server.port)
    client.hello()
    assert client.command("MAIL FROM:<a@example.org>")[0] == 250
    server.signal(signal.SIGTERM)
    try:
        code = client.command("NOOP")[0]
        assert code in (250, 421)
    except Exception:
        pytest.fail("the connection was cut without a word")
    finally:
        client.close()
    assert server.process.wait(30) == 0
    server.process = None


def test_sighup_reloads_without_one_refused_or_broken_connection(make_server, place):
    server = make_server('domain "example.org" { recipients = any  deliver = discard }').start()
    ledger = Ledger(place / "ledger")
    source = lambda name: (m for m in light_load(name))
    senders = [Sender(server.port, only_local(source(f"c{n}-")), ledger, per_connection=3) for n in range(2)]
    for sender in senders:
        sender.start()
    for generation in range(2, 8):
        had = len(ledger.acks)
        server.signal(signal.SIGHUP)
        server.wait_event("reload", count=generation - 1, seconds=20)
        wait_until(lambda: len(ledger.acks) > had + 10, what="mail goes on")
    for sender in senders:
        sender.enough.set()
    for sender in senders:
        sender.finish(30)
        assert (sender.broken, sender.refused_connections) == (0, 0), \
            f"{sender.broken} connections broke, of which {sender.refused_connections} were refused"
    server.stop()


def only_local(source):
    for message in source:
        message.recipients = message.recipients[:1]
        yield message


def test_sighup_puts_a_new_configuration_in_force_and_old_sessions_finish(make_server):
    server = make_server('domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }').start()
    old = Client(server.port)
    old.hello()
    server.configure('domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n'
                     'domain "other.test" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n',
                     limits="message_size = 12345  connections_per_client = 1000")
    server.signal(signal.SIGHUP)
    server.wait_event("reload")
    # the session from before goes on under its own rules
    accepted, reply = old.transaction("a@example.org", ["alice@example.org"], messages.plain("a@example.org", "b"))
    assert reply[0] == 250
    old.quit()
    new = Client(server.port)
    assert b"SIZE 12345" in new.hello()[1]
    assert new.transaction("x@client.test", ["bob@other.test"], messages.plain("a", "b"))[1][0] == 250
    new.quit()
    assert len(server.wait_mail("alice@example.org")) == len(server.wait_mail("bob@other.test")) == 1
    server.stop()


@pytest.mark.parametrize("wrong", ["nonsense = 1", 'queue { lifetime = "soon" }', 'listen "127.0.0.1:$port" {'])
def test_a_wrong_configuration_is_refused_and_the_old_one_stays(make_server, wrong):
    server = make_server('domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }').start()
    good = server.file.read_text()
    server.file.write_text(good + wrong.replace("$port", str(server.port)) + "\n")
    server.signal(signal.SIGHUP)
    server.wait_event("reload_refused")
    with smtplib.SMTP("127.0.0.1", server.port) as client:
        client.sendmail("a@example.org", ["alice@example.org"], messages.plain("a@example.org", "alice@example.org"))
    server.wait_mail("alice@example.org")
    server.file.write_text(good)
    server.signal(signal.SIGHUP)
    server.wait_event("reload")
    server.stop()


def test_sighup_opens_and_closes_ports(make_server):
    extra = free_port()
    server = make_server('domain "example.org" { recipients = any  deliver = discard }').start()
    server.listeners = f'listen "127.0.0.1:$port" {{ role = mx }}\nlisten "127.0.0.1:{extra}" {{ role = sink }}'
    server.configure()
    server.signal(signal.SIGHUP)
    wait_until(lambda: banner(extra).startswith(b"220"), what="the new port answers")
    server.listeners = 'listen "127.0.0.1:$port" { role = mx }'
    server.configure()
    server.signal(signal.SIGHUP)
    wait_until(lambda: banner(extra) == b"", what="the port is closed again")
    assert server.answers()
    server.stop()


def test_a_second_server_on_the_same_spool_says_so_and_stops(make_server):
    first = make_server('domain "example.org" { recipients = any  deliver = discard }').start()
    second = make_server('domain "example.org" { recipients = any  deliver = discard }')
    second.spool = first.spool
    second.configure()
    second.launch()
    status = second.process.wait(20)
    said = second.log_text()
    second.process = None
    assert status not in (None, 0), f"{status}: {said}"
    pids = [first.process.pid, *children(first.process.pid)]
    assert any(str(pid) in said for pid in pids), f"none of {pids} in: {said}"
    assert str(first.spool) in said
    assert first.answers()
    first.stop()


def test_when_the_master_is_killed_the_others_leave_and_it_can_start_again_at_once(make_server):
    """F02"""
    server = make_server('domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }').start()
    mine = children(server.process.pid)
    start = time.monotonic()
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(5)
    assert wait_gone(mine, 2) is not None, "children outlive the master"
    server.start(seconds=5)
    assert time.monotonic() - start < 2, f"{time.monotonic() - start:.1f} s until it answered again"
    server.stop()


def test_a_port_that_is_taken_is_named(make_server):
    with Sink() as other:
        server = make_server('domain "example.org" { recipients = any  deliver = discard }',
                             listeners=f'listen "127.0.0.1:{other.port}" {{ role = mx }}')
        server.launch()
        status = server.process.wait(20)
        server.process = None
    assert status not in (None, 0)
    assert f"127.0.0.1:{other.port}" in server.log_text()


def test_messages_wait_over_a_restart_and_leave_afterwards(make_server):
    with Sink() as sink:
        port = sink.port
    server = make_server(DOMAINS, sink=port).start()
    with smtplib.SMTP("127.0.0.1", server.port) as client:
        for n in range(5):
            client.sendmail("sender@example.org", ["x@far.test"], messages.plain("sender@example.org", "x@far.test"))
    assert server.queue_count() == 5
    server.stop()
    with Sink(port=port) as sink:
        server.start()
        assert sink.wait(5, 20)
        server.wait_empty()
        assert len(sink.messages) == 5
        server.stop()


def cut(pid):
    """Break every channel of a process but that to the master (its descriptor 3)."""
    getfd, libc = 438, ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            if int(name) <= 3:
                continue
            copy = libc.syscall(getfd, process, int(name), 0)
            if copy < 0 and ctypes.get_errno() == errno.EPERM:
                pytest.skip("may not take descriptors of another process here")
            if copy < 0:
                continue            # it was closed meanwhile
            try:
                with socket.socket(fileno=copy) as end:
                    if end.family == socket.AF_UNIX:
                        end.shutdown(socket.SHUT_RDWR)
            except OSError:
                os.close(copy)      # not a socket, or not a connected one
    finally:
        os.close(process)


@pytest.mark.parametrize("role", ["smtpd", "local", "lookup"])
def test_processes_that_lost_each_other_are_joined_again(make_server, role):
    server = make_server(DOMAINS, sink=1).start()
    before = server.roles()[role]
    for pid in before:
        cut(pid)
    server.wait_event("child_died", count=len(before), role=role, seconds=20)
    wait_until(lambda: len(server.roles().get(role, [])) == len(before), what=f"another {role}")
    with smtplib.SMTP("127.0.0.1", server.port, timeout=30) as client:
        client.sendmail("sender@example.org", ["alice@example.org"], "Subject: joined again\r\n\r\nx\r\n")
    server.wait_mail("alice@example.org")


def test_connections_leave_descriptors_for_the_mail_that_is_under_way(make_server, place, monkeypatch):
    script = place / "few-files"
    script.write_text(f"#!/bin/sh\nulimit -n 120\nexec {postrider.PROGRAM} \"$@\"\n")
    script.chmod(0o755)
    monkeypatch.setattr(postrider, "PROGRAM", script)
    server = make_server(DOMAINS, sink=1).start()
    smtpds = server.roles()["smtpd"]
    first = [Client(server.port) for _ in range(20)]
    crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(300)]
    server.wait_event("refuse", count=20)
    for client in first:
        client.hello()
        for line in ("MAIL FROM:<sender@example.org>", "RCPT TO:<alice@example.org>", "DATA"):
            client.command(line)
        client.send(b"Subject: large\r\n\r\n" + (b"x" * 70 + b"\r\n") * 3000)
    for client in first:
        client.send(b".\r\n")
        assert client.reply()[0] == 250
    for stranger in crowd:
        stranger.close()
    server.wait_mail("alice@example.org", count=len(first))
    assert server.roles()["smtpd"] == smtpds
