"""Names that stand for others: in the domain, elsewhere, lists, and loops."""
import pytest

import messages
from client import Client, stuffed
from maildir import assert_carried
from sink import Sink

ALIASES = """
# a comment
info:        alice
office:      alice, bob
Sales:       info, carol@example.org
elsewhere:   friend@far.test
both:        alice, friend@far.test
team:        alice, bob@far.test,
             carol
owner-team:  bob
forward:     \\forward, friend@far.test
postmaster:  alice
ring1:       ring2
ring2:       ring3
ring3:       ring1
twice:       alice, info, ALICE@example.org
broken:      nobody-at-all
"""
RECIPIENTS = "alice\nbob\ncarol@example.org\nforward\n"
WORLD = ('domain "example.org" { recipients = "file:$place/recipients"  aliases = "file:$place/aliases"\n'
         '  deliver = "maildir:$mail/%d/%u" }\n'
         'domain "other.test" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n'
         'route "*" { via = "127.0.0.1:$sink" }\n')
SENDER = "sender@other.test"


@pytest.fixture
def sink():
    with Sink() as sink:
        yield sink


@pytest.fixture
def server(make_server, sink):
    server = make_server(WORLD, sink=sink.port)
    (server.place / "recipients").write_text(RECIPIENTS)
    (server.place / "aliases").write_text(ALIASES)
    yield server.start()
    if server.process is not None:
        server.stop()


def send(server, *recipients, sender=SENDER):
    """(recipients accepted, replies to RCPT, the message)"""
    data = messages.plain(sender, recipients[0])
    client = Client(server.port)
    client.hello()
    assert client.command(f"MAIL FROM:<{sender}>")[0] == 250
    replies = [client.command(f"RCPT TO:<{r}>") for r in recipients]
    if any(code == 250 for code, _ in replies):
        assert client.command("DATA")[0] == 354
        client.send(stuffed(data))
        assert client.reply()[0] == 250
    client.quit()
    return replies, data


@pytest.mark.parametrize("alias, users", [
    ("info", ["alice"]), ("office", ["alice", "bob"]), ("sales", ["alice", "carol"]), ("INFO", ["alice"]),
    ("twice", ["alice"]),
])
def test_an_alias_leads_to_local_users_once_each(server, alias, users):
    replies, data = send(server, f"{alias}@example.org")
    assert replies[0][0] == 250, replies
    for user in users:
        (delivered,) = server.wait_mail(f"{user}@example.org")
        assert_carried(delivered, data)
    server.wait_empty()
    for user in ("alice", "bob", "carol"):
        assert len(server.mailbox(f"{user}@example.org")) == (1 if user in users else 0)


def test_an_alias_leads_elsewhere_for_strangers_too(server, sink):
    replies, _ = send(server, "elsewhere@example.org", sender="stranger@wherever.test")
    assert replies[0][0] == 250
    assert sink.wait(1)
    assert sink.messages[0].rcpts == ["friend@far.test"]
    assert sink.messages[0].sender == "stranger@wherever.test"


def test_an_alias_that_names_itself_keeps_a_copy(server, sink):
    send(server, "forward@example.org")
    server.wait_mail("forward@example.org")
    assert sink.wait(1)


def test_a_list_with_an_owner_has_its_owner_as_the_return_path(server, sink):
    send(server, "team@example.org")
    assert sink.wait(1)
    assert sink.messages[0].sender == "owner-team@example.org"
    (delivered,) = server.wait_mail("alice@example.org")
    assert delivered.header("Return-Path") == "<owner-team@example.org>"
    server.wait_mail("carol@example.org")


def test_what_fails_in_a_list_is_told_to_its_owner_and_not_to_the_author(make_server):
    with Sink(rcpt=lambda session, line: "550 5.1.1 gone") as sink:
        server = make_server(WORLD, sink=sink.port)
        (server.place / "recipients").write_text(RECIPIENTS)
        (server.place / "aliases").write_text(ALIASES)
        server.start()
        send(server, "team@example.org")
        (report,) = server.wait_mail("bob@example.org")
        assert report.header("Return-Path") == "<>" and "bob@far.test" in report.data.decode()
        server.wait_empty()
        assert server.mailbox(SENDER) == []
        server.stop()


@pytest.mark.parametrize("address", ["postmaster", "Postmaster", "postmaster@example.org", "PostMaster@mx.example.org"])
def test_postmaster_is_reached_as(server, address):
    replies, _ = send(server, address)
    assert replies[0][0] == 250, replies
    server.wait_mail("alice@example.org")


def test_postmaster_exists_even_if_nobody_said_so(make_server):
    server = make_server('domain "example.org" { recipients = "file:$place/recipients" deliver = "maildir:$mail/%d/%u" }')
    (server.place / "recipients").write_text("alice\n")
    server.start()
    replies, _ = send(server, "postmaster@example.org")
    assert replies[0][0] == 250
    server.wait_mail("postmaster@example.org")
    server.stop()


def test_unknown_users_are_refused_and_nothing_is_relayed_for_strangers(make_server, sink):
    server = make_server(WORLD, sink=sink.port, trust="")
    (server.place / "recipients").write_text(RECIPIENTS)
    (server.place / "aliases").write_text(ALIASES)
    server.start()
    replies, _ = send(server, "nobody@example.org", "x@far.test", "alice@example.org")
    assert [code for code, _ in replies] == [550, 550, 250]
    assert replies[0][1].startswith(b"5.1.1") and replies[1][1].startswith(b"5.7.1")
    server.stop()


@pytest.mark.parametrize("name", ["ring1", "ring2", "ring3"])
def test_a_loop_of_aliases_is_seen_and_accepted_from_nobody(server, name):
    replies, _ = send(server, f"{name}@example.org")
    assert replies[0][0] in (451, 550, 554), replies
    assert server.answers()


def test_an_alias_that_leads_to_nobody_is_refused(server):
    replies, _ = send(server, "broken@example.org")
    assert replies[0][0] in (451, 550), replies


def test_mail_that_circles_between_two_servers_comes_to_an_end(make_server):
    one = make_server("", name="one", hostname="one.test")
    two = make_server("", name="two", hostname="two.test")
    one.configure('domain "home.test" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n'
                  'route "*" { via = "127.0.0.1:$other" }', other=two.port,
                  limits="hops = 10  connections_per_client = 1000")
    two.configure('route "*" { via = "127.0.0.1:$other" }', other=one.port,
                  limits="hops = 10  connections_per_client = 1000")
    one.start()
    two.start()
    send(one, "x@circle.test", sender="author@home.test")
    (report,) = one.wait_mail("author@home.test", seconds=30)
    assert "x@circle.test" in report.data.decode()
    one.wait_empty()
    two.wait_empty()
    one.stop()
    two.stop()


def test_a_changed_alias_file_is_in_force_after_reload(server):
    import signal
    (server.place / "aliases").write_text("info: bob\n")
    server.signal(signal.SIGHUP)
    server.wait_event("reload")
    send(server, "info@example.org")
    server.wait_mail("bob@example.org")
    assert server.mailbox("alice@example.org") == []
