"""Next hops of every temper: nothing is lost, nothing bounces without proof, nothing doubles but after the dot."""
import email
import smtplib

import pytest

import messages
from ports import wait_until
from sink import DROP, HANG, KEEP_AND_DROP, RESET, Sink, raw

SENDER = "sender@example.org"
RCPT = "user@far.test"
WORLD = ('domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n'
         'route "*" { via = "127.0.0.1:$far" }\n')
RELAY = "idle = 1s  connect_timeout = 2s  timeout_scale = 1"     # 1 %: a reply may take 3 seconds


@pytest.fixture
def serve(make_server):
    """serve(sink) gives a running server whose mail goes to the sink."""
    started = []

    def start(sink, relay=RELAY, **more):
        server = make_server(WORLD, far=sink.port, relay=relay, **more).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


def send(server, *recipients, data=None):
    with smtplib.SMTP("127.0.0.1", server.port, local_hostname="client.test") as client:
        client.sendmail(SENDER, list(recipients), data or messages.plain(SENDER, recipients[0]),
                        ["BODY=8BITMIME"])


STAGES = ["greeting", "ehlo", "mail", "rcpt", "data", "dot"]
LATER = {
    **{f"{stage}-421": {stage: ["421 4.3.2 closing"]} for stage in STAGES},
    **{f"{stage}-451": {stage: ["451 4.3.0 not now"]} for stage in STAGES},
    **{f"{stage}-drop": {stage: [DROP]} for stage in STAGES},
    **{f"{stage}-reset": {stage: [RESET]} for stage in STAGES},
    **{f"{stage}-hang": {stage: [HANG]} for stage in STAGES},
    "greeting-554": {"greeting": ["554 5.3.2 no service"]},
    "greeting-junk": {"greeting": [raw(b"HTTP/1.1 400 Bad Request\r\n\r\n", close=True)]},
    "rcpt-552": {"rcpt": ["552 5.5.3 too many"]},
    "mail-503": {"mail": ["503 5.5.1 hello first"]},
    "code-change": {"mail": [raw(b"250-ok\r\n550 5.7.1 no\r\n")]},
    "no-code": {"rcpt": [raw(b"ok\r\n")]},
    "long-code": {"rcpt": [raw(b"2500 ok\r\n")]},
    "nul": {"rcpt": [raw(b"250 o\0k\r\n")]},
    "endless": {"mail": [raw(b"250-more\r\n" * 5000 + b"250 ok\r\n")]},
    "long-line": {"mail": [raw(b"250 " + b"x" * 100000 + b"\r\n")]},
    "250-to-data": {"data": [raw(b"250 ok\r\n")]},
    "answers-before-the-text": {"data": [raw(b"354 go\r\n250 2.0.0 kept, believe me\r\n")]},
    "greets-twice": {"greeting": [raw(b"220 a\r\n250 b\r\n")]},
}


def test_trouble_that_passes_delays_mail_and_no_more(make_server):
    """Each case has its own host and domain; one server serves them all at once."""
    sinks = {name: Sink(**{stage: list(values) for stage, values in script.items()})
             for name, script in LATER.items()}
    routes = "".join(f'route "{name}.test" {{ via = "127.0.0.1:{sink.port}" }}\n' for name, sink in sinks.items())
    server = make_server('domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n' + routes,
                         relay=RELAY).start()
    for name in sinks:
        send(server, f"user@{name}.test")
    wait_until(lambda: all(sink.messages for sink in sinks.values()), 60,
               "a message at each of: " + " ".join(sinks))
    server.wait_empty(20)
    for name, sink in sinks.items():
        assert [m.rcpts for m in sink.messages] == [[f"user@{name}.test"]], name
        assert sink.faults == [], name
        sink.close()
    assert server.mailbox(SENDER) == [], "a bounce without proof"
    server.stop()


NEVER = {
    "mail": ({"mail": "550 5.7.1 not from you"}, "5.7.1"),
    "rcpt": ({"rcpt": "550 5.1.1 no such user"}, "5.1.1"),
    "data": ({"data": "554 5.5.0 no"}, "5.5.0"),
    "dot": ({"dot": "554 5.6.0 spam"}, "5.6.0"),
    "no-status": ({"rcpt": "553 no"}, "5."),
}


@pytest.mark.parametrize("script, status", NEVER.values(), ids=NEVER.keys())
def test_a_5xx_in_its_place_is_a_bounce_at_once(serve, script, status):
    with Sink(**script) as sink:
        server = serve(sink)
        send(server, RCPT)
        (bounce,) = server.wait_mail(SENDER)
        assert f"Status: {status}" in bounce.data.decode()
        server.wait_empty()
        assert sink.messages == []


def test_a_connection_lost_after_the_dot_may_double_a_message_but_never_loses_it(serve):
    with Sink(dot=[KEEP_AND_DROP]) as sink:
        server = serve(sink)
        send(server, RCPT)
        assert sink.wait(2, 20)
        server.wait_empty()
        assert len({m.sha256 for m in sink.messages}) == 1
        assert len(sink.messages) == 2


def test_each_recipient_has_its_own_fate(serve):
    with Sink(rcpt={"bad@far.test": "550 5.1.1 no", "busy@far.test": ["450 4.2.1 busy"]}) as sink:
        server = serve(sink)
        send(server, "one@far.test", "bad@far.test", "busy@far.test", "two@far.test")
        (bounce,) = server.wait_mail(SENDER)
        assert sink.wait(2, 20)
        server.wait_empty()
        assert sorted(rcpt for rcpt, _ in sink.deliveries()) == ["busy@far.test", "one@far.test", "two@far.test"]
        text = bounce.data.decode()
        assert "bad@far.test" in text and "Final-Recipient: rfc822;busy@far.test" not in text


@pytest.mark.parametrize("ehlo", ["500 5.5.1 what?", DROP], ids=["500", "closes"])
def test_a_host_without_ehlo_gets_helo(serve, ehlo):
    with Sink(ehlo=ehlo) as sink:
        server = serve(sink)
        send(server, RCPT)
        assert sink.wait(1)
        assert any(c.startswith("HELO ") for c in sink.commands())
        assert sink.messages[0].params == ""


def test_without_pipelining_each_command_waits_for_its_reply(serve):
    with Sink(offers=["8BITMIME"], rcpt={"bad@far.test": "550 5.1.1 no"}) as sink:
        server = serve(sink)
        send(server, "bad@far.test", RCPT)
        assert sink.wait(1)
        assert sink.messages[0].rcpts == [RCPT]


def test_what_a_host_does_not_offer_is_not_used(serve):
    with Sink(offers=[]) as sink:
        server = serve(sink)
        send(server, RCPT)
        assert sink.wait(1)
        assert sink.messages[0].params == ""


def test_eight_bit_text_goes_only_where_it_is_welcome(serve):
    data = messages.plain(SENDER, RCPT, body="Gr\u00fc\u00dfe\r\n")
    with Sink(offers=["8BITMIME"]) as sink:
        server = serve(sink)
        send(server, RCPT, data=data)
        assert sink.wait(1)
        assert "BODY=8BITMIME" in sink.messages[0].params
    with Sink(offers=["PIPELINING"]) as sink:
        server = serve(sink)
        send(server, RCPT, data=data)
        assert sink.wait(1)
        (message,) = sink.messages
        assert "BODY" not in message.params
        assert max(message.body) < 128
        text = email.message_from_bytes(message.body)
        assert text.get_payload(decode=True) == "Gr\u00fc\u00dfe\r\n".encode()


def test_a_message_over_the_hosts_size_is_not_even_tried(serve):
    with Sink(offers=["SIZE 1000", "PIPELINING"]) as sink:
        server = serve(sink)
        send(server, RCPT, data=messages.plain(SENDER, RCPT, body="x" * 70 + "\r\n" + "y\r\n" * 1000))
        (bounce,) = server.wait_mail(SENDER)
        assert "Status: 5.3.4" in bounce.data.decode()
        assert not [c for c in sink.commands() if c.startswith("MAIL")]


@pytest.mark.parametrize("connections", [1, 5])
def test_one_connection_carries_many_messages(serve, connections):
    """However slowly they come: no connection ends for being idle, and no more than these may be made."""
    with Sink() as sink:
        server = serve(sink, relay=f"connections = {connections}  idle = 5m", processes="smtpd = 1  relay = 1")
        for n in range(20):
            send(server, f"user{n}@far.test")
        assert sink.wait(20)
        assert len(sink.sessions) <= connections
        server.wait_empty()


def test_every_octet_of_a_large_message_arrives(serve):
    body = ("." + "x" * 70 + "\r\n..\r\n\r\n") * 20000
    data = messages.plain(SENDER, RCPT, body=body)
    with Sink() as sink:
        server = serve(sink)
        send(server, RCPT, data=data)
        assert sink.wait(1, 20)
        assert sink.messages[0].body.endswith(body.encode())
        assert sink.faults == []


def test_a_route_back_to_ourselves_is_refused_before_any_mail_takes_it(make_server):
    server = make_server(WORLD.replace("$far", "$port"), relay=RELAY)
    done = server.command("config", "check", server.file)
    assert done.returncode == 78 and "itself" in done.stdout + done.stderr or "this server" in done.stdout + done.stderr
