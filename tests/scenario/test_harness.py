"""The instruments themselves: the peers work, and the ledger sees what goes wrong."""
import random
import smtplib
import socket
import struct

import pytest

import maildir
import messages
import peers
from ledger import Arrivals, Ledger, Verdict
from ports import wait_until


@pytest.mark.parametrize("kind", [peers.Postfix, peers.Exim])
def test_the_peer_delivers_into_a_mailbox_of_its_own(make_peer, kind):
    peer = make_peer(kind, mailboxes=["peer.test"])
    sent = messages.plain("x@y.test", "alice@peer.test", body=messages.awkward_body())
    with smtplib.SMTP("127.0.0.1", peer.port) as client:
        client.sendmail("x@y.test", ["alice@peer.test"], sent)
    (delivered,) = wait_until(lambda: maildir.mailbox(peer.path("mail/alice@peer.test")), 20, peer.log())
    maildir.assert_carried(delivered, sent)


def test_dovecot_takes_known_users_and_refuses_others(make_peer):
    dovecot = make_peer(peers.Dovecot)
    sent = messages.plain("x@y.test", "alice@peer.test")
    with smtplib.LMTP(str(dovecot.socket)) as client:
        refused = client.sendmail("x@y.test", ["alice@peer.test", "nobody@peer.test"], sent)
    assert list(refused) == ["nobody@peer.test"]
    (delivered,) = maildir.mailbox(dovecot.path("mail/alice"))
    maildir.assert_carried(delivered, sent)


@pytest.mark.parametrize("name, code", [("a.test", 0), ("absent.test", 3), ("x.broken.test", 2)])
def test_nsd_answers(make_peer, name, code):
    nsd = make_peer(peers.Nsd, {"test": "a MX 10 mx.a\nmx.a A 127.0.0.2", "broken.test": None})
    question = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0)
    question += b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + struct.pack(">BHH", 0, 15, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(question, ("127.0.0.1", nsd.port))
        assert client.recv(2000)[3] & 15 == code


def test_bodies_have_the_size_asked_for_and_only_lines():
    rng = random.Random(1)
    for size in [0, *range(2, 200), 1999, 2001, 2073, 2074, 70_000]:
        body = messages.body_of(rng, size)
        assert len(body) == size
        assert all(len(line) <= 998 and b"\r" not in line and b"\n" not in line for line in body.split(b"\r\n"))


def test_the_ledger_sees_what_was_lost_twice_corrupt_or_partial(place):
    ledger, found = Ledger(place / "ledger"), Arrivals()
    sent = [messages.Marked(f"m{n}", "s@x.test", ["a@x.test"], b"body\r\n" * 20) for n in range(6)]
    for message in sent:
        ledger.intent(message, message.recipients)
    for message in sent[:5]:
        ledger.acked(message, message.recipients)
    found.copy("a@x.test", sent[0].data)
    for _ in range(2):
        found.copy("a@x.test", maildir.unix(sent[1].data))
    found.copy("a@x.test", sent[2].data[:-3])
    found.copy("a@x.test", sent[3].data[:20])
    found.copy("a@x.test", sent[5].data)
    verdict = Verdict(ledger, found)
    assert verdict.lost == {("m3", "a@x.test"), ("m4", "a@x.test")}
    assert verdict.copies_too_many == 1 and list(verdict.duplicates) == [("m1", "a@x.test")]
    assert verdict.corrupt == [("m2", "a@x.test")]
    assert len(verdict.strangers) == 1
    assert verdict.unacknowledged == {("m5", "a@x.test")}
    with pytest.raises(AssertionError):
        verdict.assert_kept()
