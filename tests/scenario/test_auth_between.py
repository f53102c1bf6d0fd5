"""Two of our own servers: one logs in at the other, in each mechanism."""
import os
import subprocess

import pytest

import messages
from certificates import Authority
from client import Client
from kdc import Kdc
from postrider import COMMAND

HUB = "localhost"


@pytest.fixture(scope="module")
def kdc(tmp_path_factory):
    with Kdc(tmp_path_factory.mktemp("kdc")) as kdc:
        kdc.service = kdc.keytab(f"smtp/{HUB}")
        ticket = kdc.ticket("branch", "twigs")["KRB5CCNAME"]
        kdc.cache = kdc.open / "ticket"
        kdc.cache.write_bytes(open(ticket, "rb").read())
        kdc.cache.chmod(0o644)          # the vault runs as another user
        yield kdc


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority")).sign(HUB)


@pytest.fixture
def hub(make_server, place, kdc, certificate, monkeypatch):
    monkeypatch.setenv("KRB5_CONFIG", kdc.env["KRB5_CONFIG"])
    monkeypatch.setenv("KRB5CCNAME", str(kdc.cache))
    accounts = place / "accounts"
    subprocess.run([COMMAND, "account", "add", "--clear", "--file", accounts, "branch"], input="two twigs\n", text=True,
                   check=True, stdout=subprocess.DEVNULL)
    pem, key = certificate
    return make_server(
        f'accounts = "file:{accounts}"\nkeytab = "{kdc.service}"\nrealm = "{kdc.realm}"\n'
        f'tls "{HUB}" {{ certificate = "{pem}"  key = "{key}" }}\n'
        'domain "partner.test" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n', name="hub", hostname=HUB,
        listeners='listen "127.0.0.1:$port" { role = submission  tls = offer }').start()


@pytest.mark.parametrize("entry, mechanism, tls", [
    ("hub branch two twigs", "SCRAM-SHA-256", "offer"), ("hub @", "GSSAPI", "offer"), ("hub branch two twigs", "SCRAM-SHA-256", "none"),
    ("hub @", "GSSAPI", "none"),
])
def test_mail_goes_by_way_of_a_hub_that_wants_a_login(make_server, place, hub, entry, mechanism, tls):
    credentials = place / "credentials"
    credentials.write_text(entry + "\n")
    credentials.chmod(0o600)
    branch = make_server(f'credentials = "file:{credentials}"\n'
                         f'route "*" {{ via = "{HUB}:{hub.port}"  account = hub  tls = {tls} }}\n', name="branch").start()
    client = Client(branch.port)
    client.reply()
    for line in ("EHLO client.test", "MAIL FROM:<sender@client.test>", "RCPT TO:<bob@partner.test>", "DATA"):
        assert client.command(line)[0] in (250, 354)
    client.send(messages.plain("sender@client.test", "bob@partner.test").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    client.send(b"\r\n.\r\n")
    assert client.reply()[0] == 250
    hub.wait_mail("bob@partner.test")
    event = hub.wait_event("auth")[-1]
    assert (event["result"], event["mechanism"], event["user"]) == ("done", mechanism, "branch")
    assert "twigs" not in branch.log_text() + hub.log_text()
