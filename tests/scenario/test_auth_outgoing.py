"""Logging in at other hosts: which mechanism, what is proved, what is never said in clear."""
import base64

import pytest

import messages
from auth_host import AuthHost
from certificates import Authority
from client import Client

ALL = ["LOGIN", "PLAIN", "CRAM-MD5", "SCRAM-SHA-256", "NTLM", "XOAUTH2"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.sign("localhost")


@pytest.fixture
def smarthost(make_server, place, authority):
    """A server whose mail for partner.test goes to this host, as entry `hub`; it trusts the
    authority that has signed the host's certificate, unless told otherwise."""
    def make(host, entry="hub alice wonder land", route="", trusts=True):
        ca = place / "authority.pem"
        ca.write_bytes((authority if trusts else Authority(place / "another")).pem.read_bytes())
        ca.chmod(0o644)
        credentials = place / "credentials"
        credentials.write_text(entry + "\n")
        credentials.chmod(0o600)
        return make_server(f'credentials = "file:{credentials}"\n'
                           f'route "partner.test" {{ via = "localhost:{host.port}"  account = hub  {route} }}\n',
                           relay=f'idle = 1s  connect_timeout = 3s  ipv6 = false  ca = "{ca}"',
                           log="json = true  per_second = 0  level = debug").start()
    return make


def send(server):
    client = Client(server.port)
    client.reply()
    text = messages.plain("sender@client.test", "bob@partner.test")
    for line in ("EHLO client.test", "MAIL FROM:<sender@client.test>", "RCPT TO:<bob@partner.test>", "DATA"):
        code, said = client.command(line)
        assert code in (250, 354), said
    client.send(text.replace(b"\n", b"\r\n") if b"\r\n" not in text else text)
    client.send(b"\r\n.\r\n")
    assert client.reply()[0] == 250


@pytest.mark.parametrize("offered, used", [(["PLAIN", "LOGIN"], []), (ALL, [("AUTH", "SCRAM-SHA-256", "alice")])])
def test_a_host_that_cannot_prove_its_name_is_not_told_the_password(smarthost, certificate, offered, used):
    """TLS with whomever it may be keeps a secret from all but him."""
    with AuthHost(mechanisms=offered, certificate=certificate) as host:
        server = smarthost(host, trusts=False)
        send(server)
        if not used:
            server.wait_event("deferred")
        else:
            assert host.wait(1), server.log_text()[-2000:]
        assert host.logins == used


@pytest.mark.parametrize("offered, chosen", [
    (ALL, "SCRAM-SHA-256"), (["LOGIN", "PLAIN", "CRAM-MD5"], "CRAM-MD5"), (["LOGIN", "PLAIN"], "PLAIN"),
    (["LOGIN"], "LOGIN"),
])
def test_the_strongest_mechanism_offered_is_taken(smarthost, certificate, offered, chosen):
    with AuthHost(mechanisms=offered, certificate=certificate) as host:
        server = smarthost(host)
        send(server)
        assert host.wait(1), server.log_text()
        assert host.logins == [("AUTH", chosen, "alice")]
        for secret in (b"wonder land", b"\0alice\0wonder land"):
            assert secret.decode() not in server.log_text()
            assert base64.b64encode(secret).decode() not in server.log_text()


@pytest.mark.parametrize("offered, used", [(["SCRAM-SHA-256", "PLAIN"], "SCRAM-SHA-256"), (["CRAM-MD5"], "CRAM-MD5")])
def test_without_tls_only_what_does_not_show_the_password_is_used(smarthost, offered, used):
    with AuthHost(mechanisms=offered) as host:
        server = smarthost(host)
        send(server)
        assert host.wait(1), server.log_text()
        assert host.logins == [("AUTH", used, "alice")]


def test_without_tls_a_password_is_never_sent_in_clear(smarthost):
    with AuthHost(mechanisms=["PLAIN", "LOGIN"]) as host:
        server = smarthost(host)
        send(server)
        event = server.wait_event("deferred")
        assert "TLS" in str(event)
        assert host.logins == [] and host.messages == []
        assert not any(line.startswith("AUTH") for line in host.commands())


def test_a_host_that_has_only_x_exps_is_logged_in_by_it(smarthost, certificate):
    with AuthHost(mechanisms=["LOGIN"], verbs=["X-EXPS"], certificate=certificate) as host:
        server = smarthost(host)
        send(server)
        assert host.wait(1), server.log_text()
        assert host.logins == [("X-EXPS", "LOGIN", "alice")]


@pytest.mark.parametrize("lie, mechanism", [("early", "SCRAM-SHA-256"), ("proof", "SCRAM-SHA-256"), ("garbage", "CRAM-MD5")])
def test_a_host_that_lies_gets_no_mail(smarthost, certificate, lie, mechanism):
    with AuthHost(mechanisms=[mechanism], lie=lie, certificate=certificate) as host:
        server = smarthost(host)
        send(server)
        server.wait_event("deferred")
        assert host.messages == []
        assert server.queue_count() == 1


@pytest.mark.parametrize("verdict", ["535 5.7.8 no", "454 4.7.0 later", "534 5.7.9 too weak", "504 5.5.4 no"])
def test_a_refused_login_defers_and_tells_why(smarthost, certificate, verdict):
    with AuthHost(verdict=verdict, certificate=certificate) as host:
        server = smarthost(host)
        send(server)
        event = server.wait_event("deferred")[0]
        assert (event["code"], event["text"]) == (int(verdict[:3]), verdict[10:])
        assert server.queue_count() == 1


def test_a_wrong_password_defers(smarthost, certificate):
    with AuthHost(certificate=certificate) as host:
        server = smarthost(host, "hub alice wrong")
        send(server)
        server.wait_event("deferred")
        assert host.messages == [] and server.queue_count() == 1


def test_a_route_without_its_entry_is_told_before_the_server_starts(make_server, place):
    credentials = place / "credentials"
    credentials.write_text("elsewhere alice x\n")
    credentials.chmod(0o600)
    server = make_server(f'credentials = "file:{credentials}"\nroute "partner.test" {{ account = hub }}\n')
    said = server.command("config", "check", server.file)
    assert said.returncode == 78 and '"hub" has no entry' in said.stdout + said.stderr


def test_new_credentials_are_taken_while_the_server_runs(smarthost, certificate, place):
    with AuthHost(certificate=certificate) as host:
        server = smarthost(host, "hub alice wrong")
        send(server)
        server.wait_event("deferred")
        (place / "credentials").write_text("hub alice wonder land\n")
        assert host.wait(1, 30), server.log_text()
