"""What the log tells, and that nothing from outside can forge or break it."""
import json
import re

import messages
from client import Client
from ports import wait_until
from postrider import queued_id
from sink import Sink

EXAMPLE = ('domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n'
           'route "far.test" { via = "127.0.0.1:$sink" }\n')
TEXT_LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [a-z]+\[\d+\] [a-z_]+( [a-z_]+=(\"([^\"\\]|\\.)*\"|[^\" ]*))*$")
FIELD = re.compile(r" ([a-z_]+)=(\"(?:[^\"\\]|\\.)*\"|[^\" ]*)")
# Names with which a client tries to end a line, to move the cursor, to fake a field
EVIL = ["a\x1b[2Jb", "c\x07d", "e\x7ff", "quote\" id=FAKE", "back\\slash", "\u202eturned", "new\u2028line", "\x9bcsi", "tab\there"]


def submit(server, recipient, sender="sender@example.org"):
    client = Client(server.port)
    client.hello()
    _, reply = client.transaction(sender, [recipient], messages.plain(sender, recipient))
    client.quit()
    return queued_id(reply[1])


def test_the_text_log_has_one_line_for_each_event(make_server):
    with Sink() as sink:
        server = make_server(EXAMPLE, sink=sink.port, log='to = stderr').start()
        one = submit(server, "alice@example.org")
        server.wait_mail("alice@example.org")
        server.wait_empty()
        server.stop()
    lines = server.log_text().splitlines()
    strange = [line for line in lines if not TEXT_LINE.match(line)]
    assert not strange, strange[:3]
    events = {line.split()[2] for line in lines}
    assert {"start", "ready", "connect", "accept", "delivered", "disconnect", "stop"} <= events, events
    assert any(one in line and " accept " in line for line in lines)


def test_the_json_log_has_one_object_for_each_event(make_server):
    with Sink() as sink:
        server = make_server(EXAMPLE, sink=sink.port).start()
        submit(server, "x@far.test")
        sink.wait(1)
        server.wait_empty()
        server.stop()
    for line in server.log_text().splitlines():
        event = json.loads(line)
        assert {"time", "process", "pid", "event"} <= set(event)


def test_ids_follow_a_message_from_its_session_to_its_end(make_server):
    with Sink() as sink:
        server = make_server(EXAMPLE, sink=sink.port).start()
        one = submit(server, "x@far.test")
        sink.wait(1)
        server.wait_empty()
        server.wait_event("disconnect")
        server.wait_event("removed", id=one)
        mine = [event for event in server.events() if event.get("id") == one]
        order = [event["event"] for event in mine]
        for name in ("accept", "delivered", "removed"):
            assert name in order, order
        session = next(event["session"] for event in mine if event["event"] == "accept")
        of_session = [event["event"] for event in server.events() if event.get("session") == session]
        assert "connect" in of_session and "disconnect" in of_session, of_session
        server.stop()


def test_no_control_byte_from_outside_reaches_the_log(make_server):
    evil_reply = "550 5.1.1 \x1b]0;title\x07 no\x9b such \u202euser\x08"
    for form in ("json = true", "json = false"):
        with Sink(rcpt=lambda session, line: evil_reply) as sink:
            server = make_server(EXAMPLE, sink=sink.port, log=f"{form}  level = debug").start()
            for name in EVIL:
                client = Client(server.port)
                client.reply()
                client.send(b"EHLO " + name.encode() + b"\r\n")
                client.reply()
                client.send(b"EHLO client.test\r\n")
                client.reply()
                for line in (f"MAIL FROM:<{name}@example.org>", f"VRFY {name}", name, "MAIL FROM:<a@example.org>",
                             f"RCPT TO:<{name}@example.org>", f"RCPT TO:<\"{name}\"@elsewhere.test>"):
                    client.send(line.encode() + b"\r\n")
                    client.reply()
                client.close()
            submit(server, "x@far.test")
            server.wait_mail("sender@example.org")
            server.stop()
        raw = server.stderr.read_bytes()
        bad = [line for line in raw.split(b"\n") if re.search(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]", line)]
        assert not bad, bad[:3]
        for line in raw.decode().splitlines():
            found = json.loads(line) if "true" in form else dict(FIELD.findall(line))
            assert "FAKE" not in found.get("id", ""), line


def test_a_log_file_is_opened_again_after_sighup(make_server):
    import signal
    with Sink() as sink:
        server = make_server(EXAMPLE, sink=sink.port, log='to = "file:$place/run/log"  json = true').start()
        log = server.place / "run/log"
        submit(server, "alice@example.org")
        wait_until(lambda: "delivered" in log.read_text(), what="a delivery in the file")
        log.rename(server.place / "run/log.1")
        server.signal(signal.SIGHUP)
        wait_until(lambda: log.exists() and '"reload"' in log.read_text() + (server.place / "run/log.1").read_text(),
                   what="a new file")
        submit(server, "bob@example.org")
        wait_until(lambda: "bob@example.org" in log.read_text(), what="the delivery in the new file")
        server.stop()
