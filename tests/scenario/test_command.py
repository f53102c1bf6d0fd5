"""The command `postrider`: what a person asks and orders."""
import json
import re
import subprocess

import pytest

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
    return file, subprocess.run([postrider.COMMAND, "config", "check", file], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, timeout=30)


def test_config_check_accepts_what_the_server_runs_with(make_server):
    server = make_server(WORLD, far=2600)
    done = subprocess.run([postrider.COMMAND, "config", "check", server.file], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30)
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


@pytest.mark.parametrize("words", [["nonsense"], ["queue", "nonsense"], ["queue", "list", "--nonsense"], []])
def test_wrong_usage_ends_with_64_and_says_where_help_is(words):
    done = subprocess.run([postrider.COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 64 and done.stderr.strip()


def test_help_names_every_command():
    done = subprocess.run([postrider.COMMAND, "help"], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0
    for verb in ("send", "queue list", "queue count", "queue show", "queue retry", "queue hold", "queue release",
                 "queue remove", "status", "trace", "reload", "stop", "config check", "config show"):
        assert verb in done.stdout, verb
