"""Two hops: what a next host does not take is re-encoded or comes back, with a reason."""
import email
import random
import re

import pytest

import maildir
import peers
from client import Client
from ports import wait_until
from sink import Sink

SENDER = "sender@example.org"
EXAMPLE = ('domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n'
           'route "*" { via = "127.0.0.1:$peer" }\n')
OCTETS = random.Random(1).randbytes(100000) + b"\0\r\n.\r\n\n\r--b--\n"
TEXT = "Grüße\r\n.\r\n-- \r\n".encode()
LEAVES = [("image/x", OCTETS), ("text/plain", TEXT), ("text/plain", b"inner " + TEXT)]

BINARY = (b"From: <sender@example.org>\r\nSubject: parts\r\nMIME-Version: 1.0\r\n"
          b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n"
          b"--b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\n" + OCTETS +
          b"\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + TEXT +
          b"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner " + TEXT + b"\r\n--b--\r\n")
SIGNED = (b"From: <sender@example.org>\r\nSubject: signed\r\nMIME-Version: 1.0\r\n"
          b"Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\n" + TEXT + b"\r\n--s--\r\n")


def leaves_of(octets):
    message = email.message_from_bytes(octets)
    assert not [part for part in message.walk() if part.defects]
    return [(part.get_content_type(), part.get_payload(decode=True))
            for part in message.walk() if not part.is_multipart()]


def send(port, recipient, octets, mail="", rcpt=""):
    """By BDAT."""
    client = Client(port)
    client.hello()
    for command in (f"MAIL FROM:<{SENDER}> {mail}", f"RCPT TO:<{recipient}> {rcpt}"):
        code, text = client.command(command.strip())
        assert code == 250, (command, code, text)
    client.send(b"BDAT %d LAST\r\n" % len(octets) + octets)
    code, text = client.reply()
    assert code == 250, text
    client.quit()


def report(server):
    """The one report that came back: (its fields for the recipient, all of it)"""
    (bounce,) = server.wait_mail(SENDER, seconds=30)
    group = re.search(rb"\n\n((?:Original|Final)-Recipient:.*?\n)\n", bounce.data, re.S)
    return email.message_from_bytes(group[1]), bounce


@pytest.mark.parametrize("offer", ["8BITMIME", None])
def test_a_binary_message_arrives_at_a_host_that_takes_text_only(make_server, offer):
    with Sink(offers=["PIPELINING"] + [offer] * (offer is not None)) as sink:
        server = make_server(EXAMPLE, peer=sink.port).start()
        send(server.port, "u@far.test", BINARY, "BODY=BINARYMIME")
        sink.wait(1, seconds=30)
        (message,) = sink.messages
        assert leaves_of(message.body) == LEAVES
        assert not sink.faults
        assert message.params == ("BODY=8BITMIME" if offer else "")
        assert offer or all(octet < 128 for octet in message.body)
        assert max(len(line) for line in message.body.split(b"\r\n")) <= 998
        server.wait_empty()
        server.stop()


@pytest.mark.parametrize("kind", [peers.Postfix, peers.Exim])
def test_a_binary_message_arrives_in_a_mailbox_of(make_server, make_peer, kind):
    peer = make_peer(kind, mailboxes=["peer.test"])
    server = make_server(EXAMPLE, peer=peer.port).start()
    send(server.port, "alice@peer.test", BINARY, "BODY=BINARYMIME")
    (delivered,) = wait_until(lambda: maildir.mailbox(peer.path("mail/alice@peer.test")), 30,
                              "mail at the peer\n" + peer.log()[-3000:])
    assert [(kind, octets if kind == "image/x" else maildir.unix(octets)) for kind, octets in leaves_of(delivered.data)] \
        == [(kind, octets if kind == "image/x" else maildir.unix(octets)) for kind, octets in LEAVES]
    server.wait_empty()
    server.stop()


def test_a_binary_message_comes_into_our_own_mailbox(make_server):
    server = make_server(EXAMPLE, peer=1).start()
    send(server.port, "alice@example.org", BINARY, "BODY=BINARYMIME")
    (delivered,) = server.wait_mail("alice@example.org", seconds=30)
    assert leaves_of(delivered.data)[0] == LEAVES[0]
    server.stop()


def test_a_signed_message_comes_back_rather_than_broken(make_server):
    with Sink(offers=["PIPELINING"]) as sink:
        server = make_server(EXAMPLE, peer=sink.port).start()
        send(server.port, "u@far.test", SIGNED, "BODY=8BITMIME ENVID=a+20b", "ORCPT=rfc822;orig@far.test")
        fields, bounce = report(server)
        assert (fields["Action"], fields["Status"]) == ("failed", "5.6.3")
        assert "signed" in fields["Diagnostic-Code"]
        assert fields["Original-Recipient"] == "rfc822; orig@far.test"
        assert b"\nOriginal-Envelope-Id: a b\n" in bounce.data
        assert maildir.unix(SIGNED) in bounce.data
        assert not sink.messages
        server.stop()


def test_an_8bit_header_and_smtputf8_come_back_and_a_unicode_domain_does_not(make_server):
    with Sink(offers=["PIPELINING", "8BITMIME"]) as sink:
        server = make_server(EXAMPLE, peer=sink.port).start()
        send(server.port, "u@bücher.test", b"Subject: x\r\n\r\nx\r\n", "SMTPUTF8")
        sink.wait(1, seconds=30)
        assert sink.messages[0].rcpts == ["u@xn--bcher-kva.test"]
        send(server.port, "ü@far.test", b"Subject: x\r\n\r\nx\r\n", "SMTPUTF8")
        fields, bounce = report(server)
        assert (fields["Action"], fields["Status"]) == ("failed", "5.6.7")
        assert "\nFinal-Recipient: utf-8; ü@far.test\n".encode() in bounce.data
        assert len(sink.messages) == 1
        server.stop()
