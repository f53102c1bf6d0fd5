"""Finding the next host with a real name server (nsd): RFC 5321 section 5.1, RFC 7505."""
import smtplib
import time

import pytest

import messages
import peers
from ports import free_port, wait_until
from sink import Sink

SENDER = "sender@example.org"
ZONE = """
first    MX 10 mx1
first    MX 20 mx2
equal    MX 10 mx1
equal    MX 10 mx2
dead     MX 10 mxdead
dead     MX 20 mx2
refuse   MX 10 mx1
null     MX 0 .
address  A 127.0.0.11
alias    CNAME first
nohost   MX 10 absent
empty    TXT "nothing to deliver to"
self     MX 10 mxself
mx1      A 127.0.0.11
mx2      A 127.0.0.12
mxdead   A 127.0.0.13
mxself   A 127.0.0.1
"""
HOSTS = ("127.0.0.11", "127.0.0.12")


@pytest.fixture
def world(make_server, make_peer):
    """A name server, two mail hosts on the same port, and a server that uses them."""
    nsd = make_peer(peers.Nsd, {"zone.example": ZONE, "broken.example": None})
    port = free_port(*HOSTS, "127.0.0.13", "127.0.0.1")
    sinks = [Sink(host=host, port=port, name=f"mx{n + 1}.zone.example") for n, host in enumerate(HOSTS)]
    server = make_server(
        'domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }\nroute "*" { via = mx }',
        dns=f'servers = {{"127.0.0.1:{nsd.port}"}}  timeout = 3s',
        relay=f"port = {port}  loopback = true  idle = 1s  connect_timeout = 2s  ipv6 = false").start()
    yield server, sinks, nsd
    server.stop()
    for sink in sinks:
        sink.close()


def send(server, *recipients):
    with smtplib.SMTP("127.0.0.1", server.port, local_hostname="client.test") as client:
        client.sendmail(SENDER, list(recipients), messages.plain(SENDER, recipients[0]))


def arrived(sink):
    return [rcpt for rcpt, _ in sink.deliveries()]


def test_the_lower_preference_is_tried_first(world):
    server, (one, two), _ = world
    for n in range(5):
        send(server, f"user{n}@first.zone.example")
    wait_until(lambda: len(arrived(one)) == 5, what="five messages at mx1")
    assert arrived(two) == []


def test_hosts_of_equal_preference_share_the_mail(world):
    server, (one, two), _ = world
    for n in range(40):
        send(server, f"user{n}@equal.zone.example")
        if n % 8 == 7:
            time.sleep(1.2)         # longer than a connection is kept for more mail
    wait_until(lambda: len(arrived(one)) + len(arrived(two)) == 40, what="forty messages at both")
    assert arrived(one) and arrived(two), "one of two equal hosts got everything"


def test_a_dead_first_host_is_passed_over(world):
    server, (one, two), _ = world
    send(server, "user@dead.zone.example")
    wait_until(lambda: arrived(two) == ["user@dead.zone.example"], what="the message at mx2")


def test_a_domain_without_mx_is_reached_at_its_address(world):
    server, (one, two), _ = world
    send(server, "user@address.zone.example")
    wait_until(lambda: arrived(one) == ["user@address.zone.example"], what="the message at the address")


def test_an_alias_of_a_domain_is_followed(world):
    server, (one, two), _ = world
    send(server, "user@alias.zone.example")
    wait_until(lambda: arrived(one) == ["user@alias.zone.example"], what="the message at mx1")


@pytest.mark.parametrize("domain, status", [
    ("null.zone.example", "5.1.10"), ("absent.zone.example", "5.1.2"), ("empty.zone.example", "5."),
])
def test_mail_bounces_at_once_to(world, domain, status):
    server, sinks, _ = world
    send(server, f"user@{domain}")
    (bounce,) = server.wait_mail(SENDER)
    assert f"user@{domain}" in bounce.data.decode()
    assert f"Status: {status}" in bounce.data.decode(), bounce.data.decode()
    server.wait_empty()


@pytest.mark.parametrize("domain", ["user.broken.example", "broken.example"])
def test_a_name_server_in_trouble_makes_mail_wait(world, domain):
    server, sinks, _ = world
    send(server, f"user@{domain}")
    server.wait_event("deferred")
    assert server.queue_count() == 1
    assert server.mailbox(SENDER) == []


def test_mail_waits_while_no_name_server_answers_and_goes_when_it_is_back(world):
    server, (one, two), nsd = world
    nsd.stop()
    send(server, "user@first.zone.example")
    server.wait_event("deferred", seconds=30)
    nsd.start()
    wait_until(lambda: arrived(one) == ["user@first.zone.example"], 60, "the message at mx1")


def test_a_host_that_refuses_for_now_leads_to_the_next(make_server, make_peer, world):
    server, (one, two), _ = world
    one.script["greeting"] = "421 4.3.2 not now"
    send(server, "user@first.zone.example")
    wait_until(lambda: arrived(two) == ["user@first.zone.example"], 30, "the message at mx2")
