"""Each of the clients that people use carries a message into a Maildir."""
import random
import smtplib

import pytest

import maildir
import messages
import peers
from maildir import assert_carried, unix
from ports import free_port, wait_until
from process import done, needs

SENDER, RECIPIENT = "sender@client.test", "alice@example.org"


def text(**more):
    return messages.plain(SENDER, RECIPIENT, body=messages.awkward_body(), **more)


def only_message(server):
    (delivered,) = server.wait_mail(RECIPIENT)
    assert delivered.header("Return-Path") == f"<{SENDER}>"
    return delivered


def test_swaks_carries_a_message(server, place):
    needs("swaks")
    # swaks wants LF, takes a dot at the end for the end, and ends the last line itself
    sent = messages.plain(SENDER, RECIPIENT, body=messages.awkward_body() + "The end.\r\n")
    (place / "message").write_bytes(unix(sent).removesuffix(b"\n"))
    said = done(["swaks", "--server", "127.0.0.1", "--port", server.port, "--from", SENDER, "--to", RECIPIENT,
                 "--data", f"@{place}/message", "--suppress-data"])
    assert "250 2.0.0 Ok: queued as" in said
    assert_carried(only_message(server), sent)


def test_curl_carries_a_message(server, place):
    needs("curl")
    sent = text()
    (place / "message").write_bytes(sent)
    done(["curl", "--silent", "--show-error", f"smtp://127.0.0.1:{server.port}/client.test", "--mail-from", SENDER,
          "--mail-rcpt", RECIPIENT, "--upload-file", place / "message"])
    assert_carried(only_message(server), sent)


def test_msmtp_carries_a_message(server, place):
    needs("msmtp")
    sent = text()
    done(["msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={server.port}", "--tls=off", "--auth=off",
          f"--from={SENDER}", "--domain=client.test", RECIPIENT], input=unix(sent))
    assert_carried(only_message(server), sent)


def test_smtplib_carries_a_message(server):
    sent = text()
    with smtplib.SMTP("127.0.0.1", server.port, local_hostname="client.test") as client:
        refused = client.sendmail(SENDER, [RECIPIENT], sent, mail_options=["BODY=8BITMIME"])
    assert refused == {}
    assert_carried(only_message(server), sent)


def test_smtplib_is_told_the_extensions(server):
    with smtplib.SMTP("127.0.0.1", server.port, local_hostname="client.test") as client:
        client.ehlo()
        offered = set(client.esmtp_features)
    assert {"size", "8bitmime", "pipelining", "enhancedstatuscodes"} <= offered


def test_postfix_smtp_source_carries_its_messages(server):
    done([*peers.postfix_tool("smtp-source"), "-s", "5", "-m", "50", "-l", "4096", "-f", SENDER, "-t", RECIPIENT,
          f"inet:127.0.0.1:{server.port}"])
    delivered = server.wait_mail(RECIPIENT, 50)
    assert len(delivered) == 50
    bodies = {message.data.partition(b"\n\n")[2] for message in delivered}
    assert len(bodies) == 1 and len(bodies.pop()) > 3000


def test_postrider_send_carries_a_message_and_shows_the_conversation(server, place):
    sent = text()
    (place / "message").write_bytes(sent)
    said = server.told("send", "--server", f"127.0.0.1:{server.port}", "--from", SENDER, "--to", RECIPIENT,
                       place / "message")
    assert_carried(only_message(server), sent)
    for part in ("[Contacting", "[Connected", "220 mx.example.org", "EHLO", "MAIL FROM:<", "RCPT TO:<", "DATA",
                 "250 2.0.0 Ok: queued as", "[Connection closed"):
        assert part in said, f"{part!r} is missing in:\n{said}"


def test_postrider_send_reads_standard_input(server):
    sent = text()
    finished = server.command("send", "--server", f"127.0.0.1:{server.port}", "--from", SENDER, "--to", RECIPIENT,
                              "-", input=sent)
    assert finished.returncode == 0, finished
    assert_carried(only_message(server), sent)


@pytest.mark.parametrize("size", [0, 1_000, 70_000, 1_000_000])
def test_messages_of_every_size_arrive_octet_for_octet(server, size):
    sent = messages.plain(SENDER, RECIPIENT, body="") + messages.body_of(random.Random(size), size)
    with smtplib.SMTP("127.0.0.1", server.port, local_hostname="client.test") as client:
        client.sendmail(SENDER, [RECIPIENT], sent)
    assert_carried(only_message(server), sent)


def test_a_message_without_any_header_is_kept_as_it_is(server):
    with smtplib.SMTP("127.0.0.1", server.port, local_hostname="client.test") as client:
        client.sendmail(SENDER, [RECIPIENT], b"\r\njust a body\r\n")
    assert only_message(server).data.endswith(b"\n\njust a body\n")


def test_a_sink_listener_takes_every_recipient(make_server):
    port = free_port()
    server = make_server("", listeners='listen "127.0.0.1:$port" { role = mx }\n'
                         'listen "127.0.0.1:$sink" { role = sink  deliver = "maildir:$mail/sink" }', sink=port).start()
    sent = text()
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test") as client:
        client.sendmail(SENDER, ["whoever@anywhere.test", "another@else.test"], sent)
    wait_until(lambda: len(maildir.mailbox(server.mail / "sink")) == 2, what="two copies in the sink")
    for copy in maildir.mailbox(server.mail / "sink"):
        assert_carried(copy, sent)
    server.stop()
