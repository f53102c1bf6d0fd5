"""Reports to senders: RFC 3464, and when none is written."""
import time

import pytest

import messages
from client import Client
from ports import free_port, wait_until
from sink import Sink

SENDER = "sender@example.org"
WORLD = ('domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n'
         'route "*" { via = "127.0.0.1:$far" }\n')
NO_SUCH_USER = "550 5.1.1 <%s> has left\r\n550-5.1.1 the company"


def submit(server, *recipients, sender=SENDER, data=None):
    client = Client(server.port)
    client.hello()
    accepted, reply = client.transaction(sender, recipients, data or messages.plain(sender, recipients[0]))
    client.quit()
    assert reply[0] == 250
    return data


def refusing(line="550 5.1.1 has left the company"):
    return Sink(rcpt=lambda session, command: line if b"bad" in command else None, name="far.test")


@pytest.fixture
def server(make_server):
    """A server whose mail for far.test is refused where the name is bad."""
    with refusing() as sink:
        server = make_server(WORLD, far=sink.port).start()
        yield server
        server.stop()


def parts(report):
    """(text, per-message fields, [per-recipient fields], returned message or headers)"""
    whole = report.parsed
    assert whole.get_content_type() == "multipart/report"
    assert whole.get_param("report-type") == "delivery-status"
    human, status, original = whole.get_payload()
    assert human.get_content_type() == "text/plain"
    assert status.get_content_type() == "message/delivery-status"
    assert original.get_content_type() in ("message/rfc822", "text/rfc822-headers")
    blocks = [block for block in status.get_payload() if len(block)]
    return human.get_content(), blocks[0], blocks[1:], original


def test_a_bounce_is_a_delivery_status_report(make_server):
    with refusing() as sink:
        server = make_server(WORLD, far=sink.port).start()
        sent = messages.plain(SENDER, "bad@far.test", subject="an unusual subject")
        submit(server, "bad@far.test", "good@far.test", data=sent)
        (report,) = server.wait_mail(SENDER)
        server.wait_empty()
        server.stop()
    whole = report.parsed
    assert report.header("Return-Path") == "<>"
    assert SENDER in whole["To"] and whole["From"] and whole["Subject"] and whole["Date"] and whole["Message-ID"]
    assert whole["MIME-Version"] == "1.0"
    assert whole["Auto-Submitted"] == "auto-replied"
    human, message, recipients, original = parts(report)
    assert "bad@far.test" in human and "has left the company" in human
    assert message["Reporting-MTA"].replace(" ", "") == "dns;mx.example.org"
    assert message["Arrival-Date"]
    (failed,) = recipients
    assert failed["Final-Recipient"].replace(" ", "") == "rfc822;bad@far.test"
    assert failed["Action"] == "failed" and failed["Status"] == "5.1.1"
    assert failed["Diagnostic-Code"].startswith("smtp;") and "has left the company" in failed["Diagnostic-Code"]
    assert failed["Remote-MTA"].startswith("dns;")
    returned = original.get_payload(0) if original.is_multipart() else original
    assert returned["Subject"] == "an unusual subject"
    assert [m.rcpts for m in sink.messages] == [["good@far.test"]]


def test_several_failures_of_a_message_share_a_report(server):
    submit(server, "bad1@far.test", "bad2@far.test", "bad3@far.test")
    (report,) = server.wait_mail(SENDER)
    server.wait_empty()
    assert len(server.mailbox(SENDER)) == 1
    assert len(parts(report)[2]) == 3


def test_a_large_message_comes_back_with_its_header_only(server):
    submit(server, "bad@far.test", data=messages.plain(SENDER, "bad@far.test", body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 20000))
    (report,) = server.wait_mail(SENDER)
    assert len(report.data) < 100_000
    assert parts(report)[3].get_content_type() == "text/rfc822-headers"


def test_8_bit_text_comes_back_as_it_was(server):
    submit(server, "bad@far.test", data=messages.plain(SENDER, "bad@far.test", body="Gr\u00fc\u00dfe\r\n"))
    (report,) = server.wait_mail(SENDER)
    assert "Gr\u00fc\u00dfe".encode() in report.data


def test_there_is_no_bounce_for_a_message_from_nobody(server):
    submit(server, "bad@far.test", sender="")
    server.wait_event("failed")
    server.wait_empty()
    assert not server.events("bounced")


def test_there_is_no_bounce_for_a_bounce(server):
    submit(server, "bad@far.test", sender="bad-author@far.test")
    server.wait_event("double_bounce")
    server.wait_empty()
    assert len(server.events("bounced")) == 1


def test_a_message_that_cannot_be_delivered_in_its_lifetime_comes_back(make_server):
    server = make_server(WORLD, far=free_port(), queue="lifetime = 3s  warn = 0  retry = {500ms}  jitter = 0").start()
    start = time.monotonic()
    submit(server, "x@far.test")
    (report,) = server.wait_mail(SENDER, seconds=20)
    assert time.monotonic() - start >= 2.5
    _, _, (failed,), _ = parts(report)
    assert failed["Action"] == "failed" and failed["Status"].startswith(("4.", "5."))
    server.wait_event("expired")
    server.wait_empty()
    server.stop()


def test_a_sender_is_warned_once_when_mail_is_late_and_it_still_arrives(make_server):
    port = free_port()
    server = make_server(WORLD, far=port, queue="lifetime = 1h  warn = 2s  retry = {500ms}  jitter = 0").start()
    submit(server, "x@far.test")
    (warning,) = server.wait_mail(SENDER, seconds=20)
    human, _, (late,), original = parts(warning)
    assert late["Action"] == "delayed" and late["Status"].startswith("4.") and late["Will-Retry-Until"]
    assert original.get_content_type() == "text/rfc822-headers"
    assert warning.header("Return-Path") == "<>"
    time.sleep(3)
    assert len(server.mailbox(SENDER)) == 1, "warned twice"
    with Sink(port=port) as sink:
        assert sink.wait(1, 20)
        server.wait_empty()
        server.stop()


def test_nobody_is_warned_about_a_late_report(make_server):
    server = make_server(WORLD, far=free_port(), queue="lifetime = 4s  warn = 1s  retry = {500ms}  jitter = 0").start()
    submit(server, "x@far.test", sender="")
    server.wait_event("expired", seconds=20)
    server.wait_empty()
    assert not server.events("warned") and not server.events("bounced")
    server.stop()


def test_words_of_a_hostile_host_cannot_end_a_field_or_a_part(make_server):
    evil = "550-5.1.1 first\r\n550-5.1.1 --boundary--\r\n550-5.1.1 Final-Recipient: rfc822; victim@x.test\r\n550 5.1.1 \x1b[2J\x00end"
    with refusing(evil) as sink:
        server = make_server(WORLD, far=sink.port).start()
        submit(server, "bad@far.test")
        wait_until(lambda: server.mailbox(SENDER) or server.events("deferred"), what="an outcome")
        if server.mailbox(SENDER):
            _, _, recipients, _ = parts(server.mailbox(SENDER)[0])
            assert [r["Final-Recipient"].split(";")[1].strip() for r in recipients] == ["bad@far.test"]
            assert b"\x1b" not in server.mailbox(SENDER)[0].data
        server.stop()


@pytest.mark.parametrize("stage, line, status", [
    ("mail", "550 5.7.1 we do not like you", "5.7.1"), ("data", "554 5.6.0 no", "5.6.0"),
    ("dot", "552 5.3.4 too big", "5.3.4"), ("rcpt", "553 no enhanced status", "5."),
])
def test_a_refusal_at_any_stage_is_reported_with_its_words(make_server, stage, line, status):
    with Sink(**{stage: lambda session, command: line}) as sink:
        server = make_server(WORLD, far=sink.port).start()
        submit(server, "x@far.test")
        (report,) = server.wait_mail(SENDER)
        _, _, (failed,), _ = parts(report)
        assert failed["Status"].startswith(status)
        assert line.split(None, 1)[1].split(None, 1)[-1].split()[-1] in failed["Diagnostic-Code"]
        server.wait_empty()
        server.stop()
