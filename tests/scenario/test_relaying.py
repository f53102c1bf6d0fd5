"""Real servers at both sides: Postfix, Exim, and Dovecot by LMTP."""
import smtplib

import pytest

import maildir
import messages
import peers
from maildir import assert_carried
from ports import wait_until
from sink import Sink

SENDER = "sender@example.org"
EXAMPLE = 'domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n'


def send(port, sender, recipients, data):
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test") as client:
        return client.sendmail(sender, recipients, data)


def one_mail(folder, peer):
    return wait_until(lambda: maildir.mailbox(folder), 30, f"mail in {folder}\n{peer.log()[-3000:]}")


@pytest.mark.parametrize("kind", [peers.Postfix, peers.Exim])
def test_mail_goes_from_us_into_a_mailbox_of(make_server, make_peer, kind):
    peer = make_peer(kind, mailboxes=["peer.test"])
    server = make_server(EXAMPLE + 'route "peer.test" { via = "127.0.0.1:$peer" }', peer=peer.port).start()
    sent = messages.plain(SENDER, "alice@peer.test", body=messages.awkward_body())
    send(server.port, SENDER, ["alice@peer.test"], sent)
    (delivered,) = one_mail(peer.path("mail/alice@peer.test"), peer)
    assert_carried(delivered, sent)
    server.wait_empty()
    (event,) = server.wait_event("delivered")
    assert "250" in str(event), event
    server.stop()


@pytest.mark.parametrize("kind", [peers.Postfix, peers.Exim])
def test_mail_goes_through_us_and_a_relaying_server_to_a_third(make_server, make_peer, kind, place):
    with Sink(name="third.test") as third:
        if kind is peers.Postfix:
            peer = make_peer(kind, {"far.test": f"smtp:[127.0.0.1]:{third.port}"})
        else:
            peer = make_peer(kind, {"far.test": third.port})
        server = make_server(EXAMPLE + 'route "*" { via = "127.0.0.1:$peer" }', peer=peer.port).start()
        sent = messages.plain(SENDER, "x@far.test", body=messages.awkward_body())
        send(server.port, SENDER, ["x@far.test", "y@far.test"], sent)
        wait_until(lambda: len(third.deliveries()) == 2, 30, "two recipients at the third server\n" + peer.log()[-2000:])
        for message in third.messages:
            assert message.sender == SENDER
            assert maildir.split_trace(maildir.unix(message.body))[1] == maildir.unix(sent)
        server.stop()


@pytest.mark.parametrize("kind", [peers.Postfix, peers.Exim])
def test_mail_comes_to_us_from(make_server, make_peer, kind):
    server = make_server(EXAMPLE).start()
    if kind is peers.Postfix:
        peer = make_peer(kind, {"example.org": f"smtp:[127.0.0.1]:{server.port}"})
    else:
        peer = make_peer(kind, {"example.org": server.port})
    sent = messages.plain("x@far.test", "alice@example.org", body=messages.awkward_body())
    send(peer.port, "x@far.test", ["alice@example.org", "bob@example.org"], sent)
    for user in ("alice", "bob"):
        (delivered,) = server.wait_mail(f"{user}@example.org", seconds=30)
        assert_carried(delivered, sent)
    server.stop()


@pytest.mark.parametrize("kind", [peers.Postfix, peers.Exim])
def test_an_unknown_user_at_the_other_server_comes_back_as_a_bounce(make_server, make_peer, kind):
    peer = make_peer(kind, mailboxes=["peer.test"])
    server = make_server(EXAMPLE + 'route "peer.test" { via = "127.0.0.1:$peer" }', peer=peer.port).start()
    sent = messages.plain(SENDER, "nobody@peer.test")
    send(server.port, SENDER, ["nobody@peer.test", "alice@peer.test"], sent)
    (bounce,) = server.wait_mail(SENDER, seconds=30)
    assert bounce.header("Return-Path") == "<>"
    assert "nobody@peer.test" in bounce.data.decode()
    (delivered,) = one_mail(peer.path("mail/alice@peer.test"), peer)
    assert_carried(delivered, sent)
    server.wait_empty()
    server.stop()


def test_a_hundred_messages_to_postfix_share_connections(make_server, make_peer):
    peer = make_peer(peers.Postfix, {"far.test": "discard:"})
    server = make_server(EXAMPLE + 'route "*" { via = "127.0.0.1:$peer" }', peer=peer.port).start()
    with smtplib.SMTP("127.0.0.1", server.port, local_hostname="client.test") as client:
        for n in range(100):
            client.sendmail(SENDER, [f"user{n}@far.test"], messages.plain(SENDER, "x@far.test"))
    wait_until(lambda: peer.log().count("relay=none") + peer.log().count("status=sent") >= 100, 60, "100 at Postfix")
    server.wait_empty()
    connections = peer.log().count("disconnect from")
    assert connections <= 60, f"{connections} connections for 100 messages"
    server.stop()


@pytest.mark.parametrize("way", ["a UNIX socket", "TCP"])
def test_dovecot_takes_mail_by_lmtp_over(make_server, make_peer, way):
    dovecot = make_peer(peers.Dovecot)
    target = f"lmtp:{dovecot.socket}" if way == "a UNIX socket" else f"lmtp:127.0.0.1:{dovecot.port}"
    server = make_server(f'domain "box.test" {{ recipients = any  deliver = "{target}" }}\n' + EXAMPLE).start()
    sent = messages.plain(SENDER, "alice@box.test", body=messages.awkward_body())
    send(server.port, SENDER, ["alice@box.test", "bob@box.test", "nobody@box.test"], sent)
    for user in ("alice", "bob"):
        (delivered,) = one_mail(dovecot.path("mail", user), dovecot)
        assert_carried(delivered, sent)
    (bounce,) = server.wait_mail(SENDER)
    text = bounce.data.decode()
    assert "nobody@box.test" in text and "5.1.1" in text
    assert "alice@box.test" not in [r.strip() for r in failed_recipients(bounce)]
    server.wait_empty()
    server.stop()


def failed_recipients(bounce):
    blocks = [block for part in bounce.parsed.walk() if part.get_content_type() == "message/delivery-status"
              for block in part.get_payload()]
    return [b["Final-Recipient"].partition(";")[2] for b in blocks if b.get("Final-Recipient")]


def test_mail_waits_while_dovecot_is_down_and_arrives_when_it_is_back(make_server, make_peer):
    dovecot = make_peer(peers.Dovecot)
    dovecot.stop()
    server = make_server(f'domain "box.test" {{ recipients = any  deliver = "lmtp:127.0.0.1:{dovecot.port}" }}\n'
                         + EXAMPLE).start()
    sent = messages.plain(SENDER, "alice@box.test")
    send(server.port, SENDER, ["alice@box.test"], sent)
    server.wait_event("deferred")
    assert server.queue_count() == 1
    dovecot.start()
    (delivered,) = one_mail(dovecot.path("mail/alice"), dovecot)
    assert_carried(delivered, sent)
    server.wait_empty()
    server.stop()
