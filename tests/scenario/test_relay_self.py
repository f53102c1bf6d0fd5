"""Mail whose way leads back to us, or to addresses that take no mail: told at once, never sent."""
import smtplib

import pytest

import messages
import peers
from ports import free_port, wait_until
from sink import Sink

SENDER = "sender@example.org"
ZONE = """
byname    MX 10 us
byaddress MX 10 other
backup    MX 10 better
backup    MX 20 us
backup    MX 30 worse
address   A 127.0.0.1
us        A 127.0.0.9
other     A 127.0.0.1
better    A 127.0.0.21
worse     A 127.0.0.22
private   MX 10 nowhere
nowhere   A 0.0.0.0
literal   MX 10 192.0.2.1.
"""
CONF = ('domain "example.org" {{ recipients = any  deliver = "maildir:$mail/%d/%u" }}\nroute "*" {{ via = mx }}\n'
        'dns {{ servers = {{"127.0.0.1:{dns}"}}  timeout = 3s }}')


def send(server, recipient):
    with smtplib.SMTP("127.0.0.1", server.port, local_hostname="client.test") as client:
        client.sendmail(SENDER, [recipient], messages.plain(SENDER, recipient))


@pytest.fixture
def nsd(make_peer):
    return make_peer(peers.Nsd, {"zone.example": ZONE})


@pytest.fixture
def serve(make_server, nsd):
    """serve(**relay) gives a running server called us.zone.example"""
    started = []

    def start(port=None, **relay):
        server = make_server(CONF.format(dns=nsd.port), hostname="us.zone.example", dns="")
        settings = {"loopback": "true", "port": port or server.port, "connect_timeout": "1s", "ipv6": "false", **relay}
        server.configure(relay="  ".join(f"{name} = {value}" for name, value in settings.items()))
        started.append(server.start())
        return server

    yield start
    for server in started:
        server.stop()


def bounce_text(server):
    (bounce,) = server.wait_mail(SENDER)
    return bounce.data.decode()


@pytest.mark.parametrize("domain", ["byname", "byaddress", "address"])
def test_a_domain_that_leads_to_us_bounces_as_a_loop(serve, domain):
    server = serve()
    send(server, f"user@{domain}.zone.example")
    assert "Status: 5.4.6" in bounce_text(server)


def test_a_backup_sends_to_better_hosts_only(serve):
    port = free_port("127.0.0.21", "127.0.0.22")
    with Sink(host="127.0.0.22", port=port) as worse:
        server = serve(port=port)
        send(server, "user@backup.zone.example")
        server.wait_event("deferred")
        with Sink(host="127.0.0.21", port=port) as better:
            assert better.wait(1, 20)
        server.wait_empty()
        assert worse.sessions == []


def test_a_greeting_with_our_own_name_is_a_loop(serve):
    port = free_port("127.0.0.1")
    with Sink(port=port, name="us.zone.example") as sink:
        server = serve(port=port)
        send(server, "user@byaddress.zone.example")
        assert "Status: 5.4.6" in bounce_text(server)
        assert not [c for c in sink.commands() if c.startswith("EHLO")]


@pytest.mark.parametrize("domain", ["byaddress", "address", "private", "literal"])
def test_addresses_that_take_no_mail_are_not_connected_to(serve, domain):
    port = free_port("127.0.0.1")
    with Sink(port=port) as sink:
        server = serve(port=port, loopback="false")
        send(server, f"user@{domain}.zone.example")
        assert "Status: 5.4.4" in bounce_text(server)
        assert sink.sessions == []


def test_an_address_literal_is_connected_to_without_asking(serve):
    port = free_port("127.0.0.1")
    with Sink(port=port) as sink:
        server = serve(port=port)
        send(server, "user@[127.0.0.1]")
        wait_until(lambda: sink.messages or server.mailbox(SENDER), 10, "the message or a bounce")
        assert [m.rcpts for m in sink.messages] == [["user@[127.0.0.1]"]]
