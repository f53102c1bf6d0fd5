"""The command `postrider`: what a person asks and orders."""
import json
import re
import socket
import subprocess
import threading

import pytest

import certificates
import messages
import peers
import postrider
from client import Client
from ports import free_port, wait_until
from postrider import queued_id
from sink import Sink

SENDER = "sender@example.org"
WORLD = ('domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n'
         'route "held.test" { via = hold }\n'
         'route "far.test" { via = "127.0.0.1:$far" }\n')
ID = re.compile(r"^[0-9A-HJKMNP-TV-Z]{13}$")


def submit(server, *recipients, sender=SENDER):
    """The id of a new message."""
    client = Client(server.port)
    client.hello()
    _, reply = client.transaction(sender, recipients, messages.plain(sender, recipients[0]))
    client.quit()
    assert reply[0] == 250, reply
    return queued_id(reply[1])


@pytest.fixture
def world(make_server):
    """A server with a port for far.test where nobody listens."""
    port = free_port()
    server = make_server(WORLD, far=port, queue="retry = {10m}").start()
    server.far = port
    yield server
    if server.process is not None:
        server.stop()


def settled(server, count):
    """Until so many messages have been tried once."""
    server.wait_event("deferred", count)


# --- the queue

def test_queue_list_shows_who_to_whom_and_why_it_waits(world):
    one, two = submit(world, "a@far.test"), submit(world, "b@held.test", sender="boss@example.org")
    settled(world, 1)
    rows = {row["id"]: row for row in world.rows("queue", "list")}
    assert set(rows) == {one, two} and all(ID.match(name) for name in rows)
    assert rows[one]["sender"] == SENDER and rows[one]["recipients"] == ["a@far.test"]
    assert rows[one]["state"] == "deferred" and rows[one]["reason"] and rows[one]["next"]
    assert rows[two]["state"] == "held"
    table = world.told("queue", "list")
    assert one in table and "a@far.test" in table and "boss@example.org" in table


def test_queue_list_is_filtered_by_sender_recipient_destination_state_and_age(world):
    one, two = submit(world, "a@far.test"), submit(world, "b@held.test", sender="boss@example.org")
    settled(world, 1)

    def ids(*filters):
        return [row["id"] for row in world.rows("queue", "list", *filters)]
    assert ids("--sender", "boss@*") == [two]
    assert ids("--recipient", "*@far.test") == [one]
    assert ids("--state", "held") == [two]
    assert ids("--destination", f"host:127.0.0.1:{world.far}") == [one]
    assert ids("--older", "1h") == [] and len(ids("--newer", "1h")) == 2
    assert ids("--sender", "boss@*", "--state", "deferred") == []


def test_queue_count_counts_messages_and_recipients(world):
    submit(world, "a@far.test", "b@far.test")
    submit(world, "c@held.test")
    settled(world, 1)
    (row,) = world.rows("queue", "count")
    assert (row["messages"], row["recipients"], row["deferred"], row["held"]) == (2, 3, 2, 1)


def test_queue_show_tells_how_it_came_and_what_each_recipient_was_told(world):
    one = submit(world, "a@far.test")
    settled(world, 1)
    # the log may be a moment ahead of the journal
    wait_until(lambda: "text" in world.told("queue", "show", one), what="the attempt is in the journal")
    (row,) = world.rows("queue", "show", one)
    assert row["client"] == "127.0.0.1" and row["helo"] == "client.test" and row["protocol"] == "ESMTP"
    (part,) = row["parts"]
    assert part["attempts"] == 1 and part["recipients"][0]["address"] == "a@far.test"
    assert part["recipients"][0]["text"]
    assert "a@far.test" in world.told("queue", "show", one)


def test_what_a_route_holds_goes_by_mx_once_a_person_lets_it_go(make_server, make_peer):
    nsd = make_peer(peers.Nsd, {"held.test": "@ MX 10 mx\nmx A 127.0.0.11"})
    port = free_port("127.0.0.11")
    with Sink(host="127.0.0.11", port=port) as sink:
        server = make_server(WORLD, far=free_port(), dns=f'servers = {{"127.0.0.1:{nsd.port}"}}',
                             relay=f"port = {port}  loopback = true  ipv6 = false").start()
        one = submit(server, "a@held.test")
        (row,) = server.rows("queue", "list")
        assert row["state"] == "held" and "held" in row["reason"]
        server.told("queue", "release", one)
        assert sink.wait(1)
        server.wait_empty()
        server.stop()


def test_a_person_holds_and_releases_mail(world):
    one = submit(world, "a@far.test")
    settled(world, 1)
    world.told("queue", "hold", one)
    assert world.rows("queue", "list")[0]["state"] == "held"
    with Sink(port=world.far) as sink:
        world.told("queue", "retry", "--sender", "nobody@else.test")
        assert sink.messages == []
        world.told("queue", "release", one)
        world.told("queue", "retry", one)
        assert sink.wait(1)
    world.wait_empty()
    assert world.events("held") and world.events("released")


def test_a_hold_outlives_a_restart(world):
    one = submit(world, "a@far.test")
    settled(world, 1)
    world.told("queue", "hold", one)
    world.stop()
    world.start()
    assert [(row["id"], row["state"]) for row in world.rows("queue", "list")] == [(one, "held")]


def test_retry_tries_at_once(world):
    submit(world, "a@far.test")
    settled(world, 1)
    with Sink(port=world.far) as sink:
        world.told("queue", "retry", "--recipient", "a@far.test")
        assert sink.wait(1)
    world.wait_empty()


def test_remove_takes_a_message_out_without_a_bounce(world):
    one = submit(world, "a@far.test")
    two = submit(world, "b@far.test")
    settled(world, 1)
    world.told("queue", "remove", one)
    wait_until(lambda: [row["id"] for row in world.rows("queue", "list")] == [two], what="the other one is alone")
    assert world.mailbox(SENDER) == []
    world.wait_event("removed", id=one)


def test_an_order_without_a_filter_is_refused(world):
    submit(world, "a@held.test")
    done = world.command("queue", "remove")
    assert done.returncode != 0 and world.queue_count() == 1


def test_an_unknown_id_is_told(world):
    done = world.command("queue", "remove", "0000000000000")
    assert done.returncode != 0
    assert done.stderr.strip()


# --- trace and status

def test_trace_tells_the_whole_story_of_a_message(make_server):
    with Sink(rcpt={"bad@far.test": "550 5.1.1 no such user here"}) as sink:
        server = make_server(WORLD, far=sink.port).start()
        one = submit(server, "good@far.test", "bad@far.test")
        server.wait_empty()
        wait_until(lambda: len(server.rows("trace", one)) >= 4, what="the story is complete")
        story = server.rows("trace", one)
        events = [row["event"] for row in story]
        assert events[0] == "received" and events[-1] == "removed"
        assert "delivered" in events and "failed" in events and "bounced" in events
        failed = story[events.index("failed")]
        assert failed["recipient"] == "bad@far.test" and failed["code"] == 550
        assert "no such user here" in failed["text"]
        assert "no such user here" in server.told("trace", one)
        by_address = server.rows("trace", "good@far.test")
        assert {row["id"] for row in by_address} == {one}
        server.stop()


def test_trace_of_a_waiting_message_says_what_comes_next(world):
    one = submit(world, "a@far.test")
    settled(world, 1)
    last = world.rows("trace", one)[-1]
    assert last["event"] == "waiting" and last["next"]


def test_trace_remembers_over_a_restart(world):
    one = submit(world, "alice@example.org")
    world.wait_mail("alice@example.org")
    world.wait_empty()
    world.stop()
    world.start()
    assert "delivered" in [row["event"] for row in world.rows("trace", one)]


def test_status_shows_processes_sessions_and_destinations(world):
    submit(world, "a@far.test")
    settled(world, 1)
    text = world.told("status")
    for role in ("smtpd", "queue", "relay", "local", "lookup"):
        assert role in text
    assert f"127.0.0.1:{world.far}" in text
    told = json.dumps(world.rows("status"))
    for pid in (pid for pids in world.roles().values() for pid in pids):
        assert str(pid) in told


def test_reload_and_stop_by_command(world):
    world.told("reload")
    world.wait_event("reload")
    world.told("stop")
    assert world.process.wait(30) == 0
    world.process = None
    done = world.command("status")
    assert done.returncode == 69 and done.stderr.strip()


def test_reload_by_command_tells_what_is_wrong(world):
    with open(world.file, "a") as f:
        f.write("nonsense = 1\n")
    done = subprocess.run([postrider.COMMAND, "--control", world.place / "run/control", "reload"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode != 0
    assert "nonsense" in done.stdout + done.stderr + world.log_text()


# --- the configuration

def check(tmp, text):
    file = tmp / "checked.conf"
    file.write_text(text)
    return file, postrider.config_check(file)


def test_config_check_accepts_what_the_server_runs_with(make_server):
    server = make_server(WORLD, far=2600)
    done = postrider.config_check(server.file)
    assert done.returncode == 0, done


@pytest.mark.parametrize("line, word", [
    ('hostnam = "x"', "hostname"),
    ('queue { lifetime = "soon" }', "lifetime"),
    ('queue { lifetim = 5d }', "lifetime"),
    ('listen "127.0.0.1:99999" { role = mx }', "99999"),
    ('listen "127.0.0.1:2525" { role = server }', "server"),
    ('domain "a.test" { recipients = "file:/does/not/exist" }', "/does/not/exist"),
    ('limits { message_size = 1X }', "message_size"),
    ('trust { networks = {"10.0.0.0/33"} }', "10.0.0.0/33"),
    ('route "a.test" { via = "host:port:port" }', "host:port:port"),
    ('queue {', ""),
])
def test_a_wrong_line_is_named_with_file_and_line_and_status_78(place, line, word):
    file, done = check(place, f'hostname = "a.test"\nspool = "{place}/spool"\n\n{line}\n')
    said = done.stdout + done.stderr
    assert done.returncode == 78, (done.returncode, said)
    assert re.search(rf"^{re.escape(str(file))}:[45]: ", said, re.M), said
    assert word in said, said
    done = subprocess.run([postrider.PROGRAM, "-c", file], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=30)
    assert done.returncode == 78, done
    assert f"{file}:" in done.stdout


def test_config_show_is_a_configuration_with_the_same_meaning(make_server, place):
    server = make_server(WORLD, far=2600, queue="lifetime = 3d  retry = {1s, 2s}")
    shown = server.told("config", "show")
    assert "lifetime" in shown and "3d" in shown and "#" in shown
    (place / "again.conf").write_text(shown)
    again = subprocess.run([postrider.COMMAND, "-c", place / "again.conf", "config", "show"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
    assert again.returncode == 0, again

    def meaning(text):
        return [line.partition("#")[0].split() for line in text.splitlines() if line.partition("#")[0].strip()]
    assert meaning(again.stdout) == meaning(shown)


# --- sending

def send(server, *words, port=None, recipient="alice@example.org", data=b"Subject: x\r\n\r\nx\r\n"):
    return server.command("send", "--server", f"127.0.0.1:{port or server.port}", "--from", SENDER,
                          "--to", recipient, *words, "-", input=data)


def test_send_tells_by_its_exit_status_how_far_it_came(world):
    assert send(world).returncode == 0
    with Sink(rcpt={"alice@example.org": "550 5.1.1 no"}) as sink:
        refused = send(world, port=sink.port).returncode
    with Sink(rcpt={"alice@example.org": "451 4.3.0 later"}) as sink:
        later = send(world, port=sink.port).returncode
    with Sink(greeting="554 5.3.2 no service") as sink:
        no_service = send(world, port=sink.port).returncode
    nobody = send(world, port=free_port()).returncode
    usage = world.command("send", "--server").returncode
    statuses = {"refused": refused, "later": later, "no service": no_service, "nobody": nobody, "usage": usage}
    assert all(status != 0 for status in statuses.values()), statuses
    assert usage == 64 and later == 75, statuses
    assert refused != nobody and refused != later, statuses


def test_send_with_several_recipients(world):
    done = world.command("send", "--server", f"127.0.0.1:{world.port}", "--from", SENDER, "--to", "alice@example.org",
                         "--to", "bob@example.org", "-", input=b"Subject: x\r\n\r\nx\r\n")
    assert done.returncode == 0
    world.wait_mail("alice@example.org")
    world.wait_mail("bob@example.org")


# --- other servers, and what waits there

class Host:
    """A server that answers what a test tells it: {"ETRN a.test": "250 ok"}, by the
    beginning of a line; 250 else. `said` is what it heard."""

    def __init__(self, answers=(), offers=(), reverse=()):
        self.answers, self.offers, self.reverse, self.said = dict(answers), offers, reverse, []
        self.received = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        sock, _ = self.listener.accept()
        with sock, sock.makefile("rb") as lines:
            sock.sendall(b"220 host.test ESMTP\r\n")
            for line in lines:
                text = line.decode("utf-8", "replace").rstrip("\r\n")
                self.said.append(text)
                answer = self.answer(text)
                if text.upper().startswith("BDAT "):
                    self.said.append(lines.read(int(text.split()[1])))
                sock.sendall(answer.replace("\n", "\r\n").encode() + b"\r\n")
                if text.upper().startswith("QUIT"):
                    return
                if text.split(" ")[0] in ("ATRN", "TURN") and answer.startswith("250"):
                    return self.reversed(sock, lines)

    def answer(self, text):
        for start, answer in self.answers.items():
            if text.startswith(start):
                return answer
        if text.startswith("EHLO"):
            lines = ["host.test", *self.offers]
            return "\n".join(f"250{'-' if i + 1 < len(lines) else ' '}{line}" for i, line in enumerate(lines))
        return "250 2.0.0 ok"

    def reversed(self, sock, lines):
        """We are the client now: each step is what to send, after the reply to the one before."""
        for step in self.reverse:
            self.received.append(lines.readline().decode())
            while self.received[-1][3:4] == "-":
                self.received.append(lines.readline().decode())
            sock.sendall(step.encode())
        self.received.append(lines.readline().decode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.thread.join(5)


def asked(host, *words):
    done = subprocess.run([postrider.COMMAND, *words[:1], *words[1:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


PEOPLE = ('domain "sys.test" { aliases = "file:$place/aliases"  deliver = "maildir:$mail/%u" }\n'
          'domain "any.test" { recipients = any  deliver = "discard" }\n')


def test_verify_and_expand_ask_the_server_on_this_machine(make_server, place):
    server = make_server(PEOPLE)
    (server.place / "aliases").write_text("team: root, daemon, far@else.test\naway: far@else.test\n")
    server.start()

    def told(*words):
        done = server.command(*words)
        return done.returncode, done.stdout
    assert told("verify", "root@sys.test") == (0, "root <root@sys.test>\n")
    assert told("verify", "daemon") == (0, "daemon <daemon@sys.test>\n")
    assert told("verify", "away") == (0, "goes on to <far@else.test>\n")
    assert told("verify", "no-such-user@sys.test") == (67, "nobody\n")
    assert told("verify", "whoever@any.test")[0] == 75
    assert told("verify", "x@else.test")[0] == 68
    assert told("expand", "team") == (0, "root <root@sys.test>\ndaemon <daemon@sys.test>\n<far@else.test>\n")
    assert [row["address"] for row in server.rows("expand", "team")] == ["root@sys.test", "daemon@sys.test", "far@else.test"]
    assert server.command("verify").returncode == 64
    assert server.command("verify", "a\nb").returncode == 64


@pytest.mark.parametrize("answer,status,said", [
    ("250 2.1.5 Fred <fred@x.test>", 0, "Fred <fred@x.test>\n"),
    ("250-2.1.5 <a@x.test>\n250 2.1.5 <b@x.test>", 0, "<a@x.test>\n<b@x.test>\n"),
    ("251 User not local; will forward to <a@y.test>", 0, "User not local; will forward to <a@y.test>\n"),
    ("252 2.5.2 try RCPT", 75, "try RCPT\n"), ("550 5.1.1 nobody", 67, "nobody\n"),
    ("551 5.7.1 try <a@y.test>", 68, "try <a@y.test>\n"), ("553 ambiguous", 67, "ambiguous\n"),
    ("502 5.5.1 no", 69, "no\n"), ("451 4.3.0 later", 75, "later\n"), ("250 \x1b[2J", 0, "\\x1b[2J\n"),
])
def test_verify_asks_another_server(answer, status, said):
    with Host({"VRFY fred": answer}) as host:
        assert asked(host, "verify", "--host", f"127.0.0.1:{host.port}", "fred")[:2] == (status, said)


def test_a_list_of_a_thousand_from_another_server_is_printed_whole():
    lines = [f"250{'-' if i < 999 else ' '}2.1.5 <u{i}@x.test>" for i in range(1000)]
    with Host({"EXPN all": "\n".join(lines)}) as host:
        status, said, _ = asked(host, "expand", "--host", f"127.0.0.1:{host.port}", "all")
    assert status == 0 and said.split() == [f"<u{i}@x.test>" for i in range(1000)]


@pytest.mark.parametrize("answers,status,words", [
    ({"ETRN": "250 2.0.0 ok"}, 0, ["a.test: started", "b.test: started"]),
    ({"ETRN a": "251 2.0.0 none", "ETRN b": "253 2.0.0 3 pending"}, 0, ["a.test: nothing waits", "b.test: started, mail waits"]),
    ({"ETRN a": "459 4.7.1 no"}, 77, ["a.test: not allowed", "b.test: started"]),
    ({"ETRN b": "458 4.3.0 busy"}, 75, ["a.test: started", "b.test: cannot be started now"]),
    ({"ETRN": "502 5.5.1 no"}, 69, ["a.test: refused"]),       # and no more is asked
])
def test_etrn_tells_what_each_domain_heard(answers, status, words):
    with Host(answers) as host:
        code, said, _ = asked(host, "etrn", f"127.0.0.1:{host.port}", "a.test", "b.test")
    assert code == status
    assert [line.split(" (")[0] for line in said.splitlines()] == words


def test_etrn_knows_all_forms_of_a_name():
    with Host() as host:
        assert asked(host, "etrn", f"127.0.0.1:{host.port}", "@a.test", "#queue")[0] == 0
    assert host.said[1:3] == ["ETRN @a.test", "ETRN #queue"]
    assert asked(None, "etrn", "127.0.0.1:1", "a b")[0] == 64
    assert asked(None, "etrn", "127.0.0.1:1")[0] == 64


REVERSED = ["EHLO host.test\r\n", "MAIL FROM:<s@host.test>\r\n", "RCPT TO:<alice@example.org>\r\n", "DATA\r\n",
            "Subject: fetched\r\n\r\nx\r\n.\r\n", "QUIT\r\n"]


@pytest.fixture
def receiver(make_server):
    """A server that lets the command introduce whom it speaks for."""
    server = make_server("""
        domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }
        peer "fetch" { networks = {"127.0.0.1"}  grant = {xclient} }
    """).start()
    yield server
    server.stop()


def test_fetch_gives_nobody_the_rights_of_this_machine(world):
    """The server at --to relays for us: whoever sends us mail must not use it for that."""
    with Host({"ATRN": "250 2.0.0 reversing"}, reverse=REVERSED) as host:
        status, said, errors = asked(host, "fetch", f"127.0.0.1:{host.port}", "--all", "--to", f"127.0.0.1:{world.port}")
    assert status == 77 and "relays for this machine" in errors and "ATRN" not in host.said


def test_fetch_introduces_who_sends_as_nobody(receiver):
    """It may leave mail for us, and not relay through us."""
    relay = [line.replace("alice@example.org", "victim@far.test") for line in REVERSED]
    with Host({"ATRN": "250 2.0.0 reversing"}, reverse=relay) as host:
        asked(host, "fetch", f"127.0.0.1:{host.port}", "--all", "--to", f"127.0.0.1:{receiver.port}")
    assert any(line.startswith("550 5.7.1") for line in host.received), host.received


@pytest.mark.parametrize("words,command", [(["--atrn", "a.test,b.test"], "ATRN a.test,b.test"), (["--all"], "ATRN"),
                                           (["--turn"], "TURN")])
def test_fetch_is_the_pipe_between_a_server_and_ours(receiver, words, command):
    world = receiver
    with Host({command: "250 2.0.0 reversing"}, reverse=REVERSED) as host:
        status, said, errors = asked(host, "fetch", f"127.0.0.1:{host.port}", *words, "--to", f"127.0.0.1:{world.port}")
    assert (status, said) == (0, "fetched\n"), errors
    assert host.said[-1] == command
    assert [line[:3] for line in host.received if line[3:4] == " "] == ["220", "250", "250", "250", "354", "250", "221"]
    world.wait_mail("alice@example.org")


def test_fetch_tells_when_the_connection_is_cut(receiver):
    world = receiver
    with Host({"ATRN": "250 2.0.0 reversing"}, reverse=REVERSED[:3]) as host:
        status, said, _ = asked(host, "fetch", f"127.0.0.1:{host.port}", "--all", "--to", f"127.0.0.1:{world.port}")
    assert (status, said) == (75, "broken off\n")


@pytest.mark.parametrize("answer,status,said", [
    ("453 4.0.0 You have no mail", 0, "no mail"), ("450 4.7.1 refused", 75, "refused"), ("451 4.3.0 later", 75, "cannot"),
    ("502 5.5.1 no", 69, "the server does not"), ("530 5.7.0 log in", 77, "a login"), ("500 what", 77, "refused"),
])
def test_fetch_tells_why_there_is_nothing(receiver, answer, status, said):
    with Host({"ATRN": answer}) as host:
        code, words, _ = asked(host, "fetch", f"127.0.0.1:{host.port}", "--all", "--to", f"127.0.0.1:{receiver.port}")
    assert code == status and words.startswith(said)


def test_fetch_needs_to_know_how():
    assert asked(None, "fetch", "127.0.0.1:1")[0] == 64
    assert asked(None, "fetch", "127.0.0.1:1", "--all", "--turn")[0] == 64
    assert asked(None, "fetch", "127.0.0.1:1", "--atrn", "a b")[0] == 64


def test_send_says_every_parameter_that_it_is_told(world):
    with Host(offers=("SIZE 1000", "CHUNKING", "BINARYMIME", "DSN")) as host:
        done = send(world, "--envid", "x y", "--notify", "SUCCESS", "--orcpt", "rfc822;a@b", "--by", "120;R", "--hold", "1h",
                    "--priority", "2", "--rrvs", "2024-01-31", "--smtputf8", "--mail-param", "X=1", "--rcpt-param", "Y=2",
                    "--binary", "--chunk", "4", "--xforward", "ADDR=192.0.2.1", "--verb", "saml", port=host.port,
                    data=b"A: b\r\n\r\n\0\n")
    assert done.returncode == 0, done
    assert host.said[1:] == [
        "XFORWARD ADDR=192.0.2.1",
        f"SAML FROM:<{SENDER}> SIZE=10 BODY=BINARYMIME ENVID=x+20y BY=120;R HOLDFOR=3600 MT-PRIORITY=2 SMTPUTF8 X=1",
        "RCPT TO:<alice@example.org> NOTIFY=SUCCESS ORCPT=rfc822;a@b RRVS=2024-01-31T00:00:00Z Y=2",
        "BDAT 4", b"A: b", "BDAT 4", b"\r\n\r\n", "BDAT 2 LAST", b"\0\n", "QUIT"]


def test_send_says_for_whom_it_speaks_by_xclient(world):
    with Host({"XCLIENT": "220 host.test ESMTP"}, offers=("CHUNKING",)) as host:
        done = send(world, "--xclient", "ADDR=192.0.2.7 NAME=seven.test", "--bdat", port=host.port)
    assert done.returncode == 0, done
    said = [line for line in host.said if isinstance(line, str)]
    assert said[1] == "XCLIENT ADDR=192.0.2.7 NAME=seven.test"
    assert said[2].startswith("EHLO ") and said[3].startswith("MAIL FROM:")
    with Host({"XCLIENT": "550 5.7.0 not you"}) as host:
        done = send(world, "--xclient", "ADDR=192.0.2.7", port=host.port)
    assert done.returncode == 77 and not [line for line in host.said if line[:4] == "MAIL"]


def test_send_tells_scripts_the_whole_conversation(world):
    done = send(world, "--json")
    (row,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert row["exit"] == 0 and row["port"] == str(world.port)
    assert [step["code"] for step in row["conversation"]] == [220, 250, 250, 250, 354, 250, 221]
    assert row["conversation"][2]["say"].startswith(f"MAIL FROM:<{SENDER}>")


def test_a_password_is_not_sent_where_everybody_could_read_it(world, place):
    (place / "password").write_text("secret\n")
    with Host(offers=("AUTH PLAIN LOGIN",)) as host:
        done = send(world, "--user", "bob", "--password-file", place / "password", port=host.port)
    assert done.returncode == 69 and not [line for line in host.said if line.startswith("AUTH")]
    with Host({"AUTH PLAIN": "235 2.7.0 ok"}, offers=("AUTH PLAIN LOGIN",)) as host:
        done = send(world, "--user", "bob", "--password-file", place / "password", "--tls", "off", "--bdat", port=host.port)
    assert done.returncode == 0 and "AUTH PLAIN AGJvYgBzZWNyZXQ=" in host.said
    assert b"AGJvYgBzZWNyZXQ" not in done.stdout        # and nobody reads it on the screen
    with Host({"X-EXPS": "535 5.7.8 no"}, offers=("X-EXPS LOGIN PLAIN",)) as host:
        done = send(world, "--user", "bob", "--password-file", place / "password", "--tls", "off", "--bdat", port=host.port)
    assert done.returncode == 77 and [line for line in host.said if line.startswith("X-EXPS PLAIN ")]


def test_probe_explains_what_is_offered(world):
    done = world.command("probe", f"127.0.0.1:{world.port}")
    assert done.returncode == 0 and re.search(r"^  PIPELINING +commands in groups", done.stdout, re.M)
    (row,) = world.rows("probe", f"127.0.0.1:{world.port}")
    assert {"line": "8BITMIME", "meaning": "octets above 127 (RFC 6152)"} in row["offers"]
    assert [step.get("say") for step in row["conversation"]][-4:] == ["HELP", "NOOP", "RSET", "QUIT"]


def test_tls_is_required_or_it_is_not_used_at_all(world):
    with Host() as host:
        assert asked(host, "probe", "--tls", "require", f"127.0.0.1:{host.port}")[0] == 69
    with Host({"STARTTLS": "454 4.7.0 not now"}, offers=("STARTTLS",)) as host:
        assert asked(host, "probe", "--tls", "require", f"127.0.0.1:{host.port}")[0] == 75
    with Host(offers=("STARTTLS",)) as host:
        assert asked(host, "probe", "--tls", "off", f"127.0.0.1:{host.port}")[0] == 0
    assert "STARTTLS" not in host.said
    assert asked(None, "probe", "--tls", "perhaps", "127.0.0.1:1")[0] == 64


@pytest.mark.parametrize("words", [["nonsense"], ["queue", "nonsense"], ["queue", "list", "--nonsense"], []])
def test_wrong_usage_ends_with_64_and_says_where_help_is(words):
    done = subprocess.run([postrider.COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 64 and done.stderr.strip()


def test_help_names_every_command():
    done = subprocess.run([postrider.COMMAND, "help"], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0
    for verb in ("send", "queue list", "queue count", "queue show", "queue retry", "queue hold", "queue release",
                 "queue remove", "status", "trace", "reload", "stop", "config check", "config show", "verify", "expand", "etrn", "fetch", "probe"):
        assert verb in done.stdout, verb


# --- over TLS, with a login

def identity(place):
    """Who signs for localhost, and the files of a server by that name: a certificate, and accounts.
    bob's password waits beside them."""
    authority = certificates.Authority(place / "authority")
    pem, key = authority.sign("localhost")
    accounts = place / "accounts"
    accounts.write_text("")
    accounts.chmod(0o600)
    (place / "password").write_text("secret\n")
    return authority, {"pem": pem, "key": key, "accounts": accounts}


@pytest.fixture
def secure(make_server, place):
    """A server with a certificate for localhost, an account, and what to say to trust it."""
    authority, files = identity(place)
    server = make_server(WORLD + 'tls "localhost" { certificate = "$pem"  key = "$key" }\n'
                         'accounts = "file:$accounts"\n',
                         listeners='listen "127.0.0.1:$port" { role = submission }\n'
                                   'listen "127.0.0.1:$implicit" { role = submission  tls = implicit }',
                         far=free_port(), implicit=free_port(), **files)
    done = server.command("account", "add", "--clear", "bob", input="secret\n")
    assert done.returncode == 0, done
    (place / "wrong").write_text("wrong\n")
    server.authority = authority
    server.login = ["--user", "bob", "--password-file", place / "password"]
    server.start()
    yield server
    server.stop()


def submit_by_command(server, *words, port=None, data=b"Subject: x\r\n\r\nx\r\n"):
    return server.command("send", "--server", f"localhost:{port or server.port}", "-4", "--from", SENDER,
                          "--to", "alice@example.org", *words, "-", input=data)


def test_send_over_tls_wants_a_certificate_that_is_trusted(secure, place):
    trust = ["--tls", "require", "--ca", secure.authority.pem]
    assert submit_by_command(secure, *trust, *secure.login).returncode == 0
    other = certificates.Authority(place / "other")
    done = submit_by_command(secure, "--tls", "require", "--ca", other.pem, *secure.login)
    assert done.returncode == 76 and b"> MAIL" not in done.stdout
    implicit = secure.values["implicit"]
    assert submit_by_command(secure, "--tls", "implicit", "--ca", secure.authority.pem, *secure.login,
                             port=implicit).returncode == 0
    secure.wait_mail("alice@example.org", 2)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", None])
def test_send_logs_in_by_every_mechanism(secure, mechanism):
    words = ["--auth", mechanism] if mechanism else []
    done = submit_by_command(secure, *secure.login, *words)
    assert done.returncode == 0, done
    assert f"> AUTH {mechanism or 'SCRAM-SHA-256'}".encode() in done.stdout and b"secret" not in done.stdout
    secure.wait_mail("alice@example.org")


def test_a_wrong_password_ends_with_77_and_no_login_with_77_too(secure, place):
    assert submit_by_command(secure, "--user", "bob", "--password-file", place / "wrong").returncode == 77
    assert submit_by_command(secure).returncode == 77           # 530: submission wants a login
    assert submit_by_command(secure, *secure.login, "--auth", "NONSENSE").returncode == 64
    assert submit_by_command(secure, "--user", "bob", "--password-file", place / "absent").returncode == 66


def test_probe_shows_the_certificate(secure):
    (row,) = secure.rows("probe", f"localhost:{secure.port}", "-4", "--ca", secure.authority.pem)
    assert row["tls"]["version"] == "TLSv1.3" and row["tls"]["trusted"] is True
    assert row["certificates"][0]["names"] == "localhost" and row["certificates"][0]["ends"] > "2026"
    text = secure.told("probe", f"localhost:{secure.port}", "-4")
    assert "NOT trusted" in text and "good for  localhost" in text


def test_fetch_works_over_tls_too(make_server, place):
    authority, files = identity(place)
    theirs = make_server('tls "localhost" { certificate = "$pem"  key = "$key" }\n'
                         'accounts = "file:$accounts"\nroute "branch.test" { via = hold }\n'
                         'peer "branch" { accounts = {"bob"}  domains = {"branch.test"}  grant = {"atrn"} }\n',
                         listeners='listen "127.0.0.1:$port" { role = mx }\n'
                                   'listen "127.0.0.1:$odmr" { role = odmr }',
                         odmr=free_port(), **files)
    assert theirs.command("account", "add", "--clear", "bob", input="secret\n").returncode == 0
    theirs.start()
    ours = make_server('domain "branch.test" { recipients = any  deliver = "maildir:$mail/%d/%u" }', trust="").start()
    for i in range(20):
        submit(theirs, f"u{i % 5}@branch.test")

    def fetch():
        return theirs.command("fetch", f"localhost:{theirs.values['odmr']}", "-4", "--atrn", "branch.test", "--tls",
                              "require", "--ca", authority.pem, "--user", "bob", "--password-file", place / "password",
                              "--to", f"127.0.0.1:{ours.port}")
    done = fetch()
    assert (done.returncode, done.stdout) == (0, "fetched\n"), done
    for i in range(5):
        assert len(ours.wait_mail(f"u{i}@branch.test", 4)) == 4
    theirs.wait_empty()
    done = fetch()
    assert (done.returncode, done.stdout) == (0, "no mail\n"), done
    theirs.stop()
    ours.stop()
