"""Postfix and Exim log in at us, and we log in at them: the password right and
wrong, each mechanism that they have, over TLS and in clear."""
import base64
import re
import shutil
import smtplib
import subprocess
import tempfile

import pytest

import debs
import maildir
import messages
import peers
from certificates import Authority
from maildir import assert_carried
from ports import free_port, wait_until
from postrider import COMMAND

US, USER, PASSWORD = "mx.example.org", "alice@example.org", "wonder land"
SENDER, RECIPIENT = USER, "bob@example.org"
THERE = "alice@peer.test"           # the mailbox at a peer
CLEAR_SAFE = {"CRAM-MD5", "SCRAM-SHA-256"}     # do not show the password


@pytest.fixture(scope="module")
def authority():
    """In a folder that other users may enter."""
    folder = tempfile.mkdtemp(prefix="postrider-authority-")
    yield Authority(folder)
    shutil.rmtree(folder, ignore_errors=True)


def sent_to(port, sender, recipient):
    text = messages.plain(sender, recipient, body=messages.awkward_body())
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test") as client:
        client.sendmail(sender, [recipient], text)
    return text


def assert_silent(log):
    """Right or wrong, no password is in our log."""
    for password in (PASSWORD, "mirror"):
        for secret in (password, f"\0{USER}\0{password}"):
            assert secret not in log and base64.b64encode(secret.encode()).decode() not in log


# --- they log in at us --------------------------------------------------------

TEXT = """tls "mx.example.org" { certificate = "$pem"  key = "$key" }
accounts = "file:$accounts"
domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }
"""
LISTENERS = """listen "127.0.0.1:$port" { role = submission  tls = offer }
listen "127.0.0.1:$clear" { role = submission  tls = none  auth_clear = true }
"""


@pytest.fixture
def server(make_server, place, authority):
    """Nobody gives it mail without a login. `port` speaks TLS, `clear` does not."""
    pem, key = authority.sign(US)
    accounts, clear = place / "accounts", free_port()
    subprocess.run([COMMAND, "account", "add", "--file", accounts, "--clear", USER], input=PASSWORD + "\n", text=True,
                   check=True, stdout=subprocess.DEVNULL)
    made = make_server(TEXT, listeners=LISTENERS, hostname=US, pem=pem, key=key, accounts=accounts, clear=clear,
                       log="json = true  per_second = 0  level = debug")
    made.clear = clear
    yield made.start()
    assert_silent(made.log_text())
    made.stop()


class LoginExim(peers.Exim):
    """Its mail goes to `port` of ours, after a login by this mechanism or not at all."""

    def __init__(self, place, authority, port, tls, mechanism, password=PASSWORD):
        super().__init__(place, routes={"example.org": port})
        self.authority, self.tls, self.mechanism, self.password = authority, tls, mechanism, password

    def authenticator(self):
        plaintext = "driver = plaintext\n  public_name"
        return {
            "PLAIN": f"{plaintext} = PLAIN\n  client_send = ^{USER}^{self.password}\n",
            "LOGIN": f"{plaintext} = LOGIN\n  client_send = : {USER} : {self.password}\n",
            "CRAM-MD5": f"driver = cram_md5\n  public_name = CRAM-MD5\n  client_name = {USER}\n"
                        f"  client_secret = {self.password}\n",
        }[self.mechanism]

    def configuration(self):
        secure = (f"  hosts_require_tls = *\n  tls_verify_certificates = {self.authority.pem}\n  tls_sni = {US}\n"
                  "  tls_verify_cert_hostnames =\n") if self.tls else "  hosts_avoid_tls = *\n"
        plain = super().configuration()
        assert plain.count("  hosts_avoid_tls = *\n") == 1
        return (plain.replace("  hosts_avoid_tls = *\n", f"{secure}  hosts_require_auth = *\n")
                + f"begin authenticators\nour_login:\n  {self.authenticator()}")


def login_postfix(authority, port, tls, mechanism, password=PASSWORD):
    """Cyrus SASL finds its mechanisms where SASL_PATH says."""
    (plugins,) = debs.unpacked("sasl").glob("usr/lib/*/sasl2")
    settings = {
        "import_environment": f"MAIL_CONFIG LD_LIBRARY_PATH PATH SASL_PATH={plugins}",
        "smtp_sasl_auth_enable": "yes", "smtp_sasl_mechanism_filter": mechanism.lower(),
        "smtp_sasl_password_maps": f"inline:{{ {{ [127.0.0.1]:{port} = {USER}:{password} }} }}",
        "smtp_sasl_security_options": "noanonymous", "smtp_sasl_tls_security_options": "noanonymous",
    }
    if tls:
        settings.update({"smtp_tls_security_level": "secure", "smtp_tls_secure_cert_match": US,
                         "smtp_tls_servername": US, "smtp_tls_CAfile": authority.pem})
    return {"example.org": f"smtp:[127.0.0.1]:{port}"}, settings


def make_client(make_peer, server, authority, kind, tls, mechanism, **more):
    port = server.port if tls else server.clear
    if kind is peers.Exim:
        return make_peer(LoginExim, authority, port, tls, mechanism, **more)
    transports, settings = login_postfix(authority, port, tls, mechanism, **more)
    return make_peer(peers.Postfix, transports, settings=settings)


BY_EXIM = [(peers.Exim, mechanism) for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5")]
BY_POSTFIX = [(peers.Postfix, mechanism) for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")]


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "clear"])
@pytest.mark.parametrize("kind, mechanism", BY_EXIM + BY_POSTFIX)
def test_who_logs_in_at_us_gets_mail_through(server, make_peer, authority, kind, mechanism, tls):
    peer = make_client(make_peer, server, authority, kind, tls, mechanism)
    sent = sent_to(peer.port, SENDER, RECIPIENT)
    try:
        (delivered,) = server.wait_mail(RECIPIENT, seconds=30)
    except AssertionError:
        print(peer.log()[-3000:])
        raise
    event = server.wait_event("auth")[-1]
    assert (event["result"], event["mechanism"], event["user"]) == ("done", mechanism, USER)
    assert_carried(delivered, sent)
    received = delivered.data[:2000].decode(errors="replace")
    assert re.search(r"with ESMTPSA\b" if tls else r"with ESMTPA\b", received), received


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "clear"])
@pytest.mark.parametrize("kind, mechanism", BY_EXIM + BY_POSTFIX)
def test_a_wrong_password_keeps_the_mail_there(server, make_peer, authority, kind, mechanism, tls):
    peer = make_client(make_peer, server, authority, kind, tls, mechanism, password="mirror")
    sent_to(peer.port, SENDER, RECIPIENT)
    wait_until(lambda: [e for e in server.events("auth") if e["result"] != "done"], 30, "a login that fails")
    wait_until(lambda: deferred(peer), 30, "the mail is deferred")
    assert server.mailbox(RECIPIENT) == []
    assert all(event["result"] != "done" for event in server.events("auth"))
    assert server.events("queued") == []


def deferred(peer):
    pattern = r"== bob@example\.org" if isinstance(peer, peers.Exim) else r"to=<bob@example\.org>.*status=deferred"
    found = re.search(pattern + r".*", peer.log())
    assert "status=bounced" not in peer.log() and " ** bob@" not in peer.log(), peer.log()[-3000:]
    return found


def test_postfix_that_may_choose_takes_the_strongest(server, make_peer, authority):
    """Cyrus SASL knows much that we do not: DIGEST-MD5, NTLM, ANONYMOUS."""
    peer = make_client(make_peer, server, authority, peers.Postfix, True, "")
    sent_to(peer.port, SENDER, RECIPIENT)
    server.wait_mail(RECIPIENT, seconds=30)
    assert server.wait_event("auth")[-1]["mechanism"] == "SCRAM-SHA-256"


@pytest.mark.parametrize("kind", [peers.Exim, peers.Postfix])
def test_a_password_that_may_not_be_shown_is_not_asked_for(server, make_peer, authority, kind):
    """Without TLS, our port that offers TLS has no mechanism for a peer that knows PLAIN alone."""
    server.clear = server.port
    peer = make_client(make_peer, server, authority, kind, False, "PLAIN")
    sent_to(peer.port, SENDER, RECIPIENT)
    wait_until(lambda: deferred(peer), 30, "the mail is deferred")
    assert server.events("auth") == [] and server.mailbox(RECIPIENT) == []


# --- we log in at them --------------------------------------------------------


class AskingExim(peers.Exim):
    """Takes mail only after a login by one of `mechanisms`."""

    def __init__(self, place, mechanisms, certificate=None):
        super().__init__(place, mailboxes=["peer.test"])
        self.mechanisms, self.certificate = mechanisms, certificate

    AUTHENTICATORS = {
        "PLAIN": "plain:\n  driver = plaintext\n  public_name = PLAIN\n  server_prompts = :\n"
                 f"  server_condition = ${{if and{{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}\n"
                 "  server_set_id = $auth2\n",
        "LOGIN": "login:\n  driver = plaintext\n  public_name = LOGIN\n  server_prompts = Username:: : Password::\n"
                 f"  server_condition = ${{if and{{{{eq{{$auth1}}{{{USER}}}}}{{eq{{$auth2}}{{{PASSWORD}}}}}}}}}\n"
                 "  server_set_id = $auth1\n",
        "CRAM-MD5": "cram:\n  driver = cram_md5\n  public_name = CRAM-MD5\n"
                    f"  server_secret = ${{if eq{{$auth1}}{{{USER}}}{{{PASSWORD}}}fail}}\n"
                    "  server_set_id = $auth1\n",
    }

    def configuration(self):
        text = super().configuration().replace("rcpt:\n", "rcpt:\n  deny message = log in first\n"
                                               "    !authenticated = *\n", 1)
        if self.certificate:
            text = text.replace("tls_advertise_hosts =\n",
                                f"tls_advertise_hosts = *\ntls_certificate = {self.certificate}\n")
        return text + "begin authenticators\n" + "".join(self.AUTHENTICATORS[name] for name in self.mechanisms)


class LoginDovecot(peers.Dovecot):
    """Judges logins for Postfix, on the socket `judge`."""

    def __init__(self, place, mechanisms):
        super().__init__(place)
        self.mechanisms, self.judge = mechanisms, self.path("judge")

    def configuration(self):
        self.path("logins").write_text(f"{USER}:{{plain}}{PASSWORD}\n")
        plain = super().configuration()
        old = "  driver = static\n  args = nopassword=y\n"
        assert old in plain
        return (plain.replace(old, f"  driver = passwd-file\n  args = username_format=%u {self.path('logins')}\n")
                .replace("auth_username_format = %Ln", "auth_username_format = %Lu")
                + f"auth_mechanisms = {' '.join(self.mechanisms).lower()}\n"
                f"service auth {{\n  unix_listener {self.judge} {{\n    mode = 0666\n  }}\n}}\n")


def asking_postfix(make_peer, mechanisms, certificate):
    dovecot = make_peer(LoginDovecot, mechanisms)
    settings = {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": dovecot.judge,
                "smtpd_sasl_security_options": "noanonymous", "smtpd_sasl_authenticated_header": "yes",
                "smtpd_relay_restrictions": "permit_sasl_authenticated,reject"}
    if certificate:
        settings.update({"smtpd_tls_chain_files": certificate, "smtpd_tls_security_level": "may"})
    peer = make_peer(peers.Postfix, mailboxes=["peer.test"], settings=settings)
    peer.dovecot = dovecot
    return peer


def make_host(make_peer, authority, kind, tls, mechanisms):
    if kind is peers.Postfix:
        return asking_postfix(make_peer, mechanisms, authority.both("localhost") if tls else None)
    certificate = authority.both("localhost", owner=peers.Exim.uid, kind="rsa") if tls else None
    return make_peer(AskingExim, mechanisms, certificate)


def make_us(make_server, place, authority, peer, tls, password=PASSWORD):
    credentials = place / "credentials"
    credentials.write_text(f"hub {USER} {password}\n")
    credentials.chmod(0o600)
    return make_server(
        f'credentials = "file:{credentials}"\n'
        f'route "peer.test" {{ via = "localhost:{peer.port}"  account = hub  tls = {"require" if tls else "offer"} }}\n',
        relay=f'idle = 1s  connect_timeout = 3s  ca = "{authority.pem}"',
        log="json = true  per_second = 0  level = debug").start()


def arrived(peer):
    return maildir.mailbox(peer.path(f"mail/{THERE}"))


def refused_without_login(peer):
    with smtplib.SMTP("127.0.0.1", peer.port, local_hostname="client.test") as client:
        client.ehlo()
        client.mail(SENDER)
        return client.rcpt(THERE)[0] >= 400


AT_EXIM = [(peers.Exim, ["PLAIN"]), (peers.Exim, ["LOGIN"]), (peers.Exim, ["CRAM-MD5"]),
           (peers.Exim, ["PLAIN", "LOGIN", "CRAM-MD5"])]
AT_POSTFIX = [(peers.Postfix, ["PLAIN"]), (peers.Postfix, ["LOGIN"]), (peers.Postfix, ["CRAM-MD5"]),
              (peers.Postfix, ["SCRAM-SHA-256"]), (peers.Postfix, ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])]
AT = [pytest.param(kind, names, id=f"{kind.__name__}-{'+'.join(names)}") for kind, names in AT_EXIM + AT_POSTFIX]
AT_SAFE = [row for row in AT if CLEAR_SAFE & set(row.values[1])]
AT_BARE = [row for row in AT if not CLEAR_SAFE & set(row.values[1])]


def assert_sent(make_server, make_peer, place, authority, kind, mechanisms, tls):
    peer = make_host(make_peer, authority, kind, tls, mechanisms)
    assert refused_without_login(peer)
    server = make_us(make_server, place, authority, peer, tls)
    sent = sent_to(server.port, "sender@example.org", THERE)
    (delivered,) = wait_until(lambda: arrived(peer), 30, f"mail\n{peer.log()[-3000:]}\n{server.log_text()[-3000:]}")
    assert_carried(delivered, sent)
    received = delivered.data[:2000].decode(errors="replace")
    assert re.search(r"with e?smtpsa\b" if tls else r"with e?smtpa\b", received, re.IGNORECASE), received
    assert server_saw(peer, mechanisms[-1]), peer.log()[-3000:]
    server.wait_empty()
    assert_silent(server.log_text())
    server.stop()


def server_saw(peer, mechanism):
    """The last of the mechanisms is the strongest: the peer's log says that it was taken."""
    if isinstance(peer, peers.Exim):
        return re.search(rf"A={mechanism.split('-')[0].lower()}:{USER}", peer.log())
    return re.search(rf"sasl_method={mechanism}, sasl_username={USER}", peer.log())


@pytest.mark.parametrize("kind, mechanisms", AT)
def test_we_log_in_over_tls_at(make_server, make_peer, place, authority, kind, mechanisms):
    assert_sent(make_server, make_peer, place, authority, kind, mechanisms, tls=True)


@pytest.mark.parametrize("kind, mechanisms", AT_SAFE)
def test_we_log_in_in_clear_at(make_server, make_peer, place, authority, kind, mechanisms):
    assert_sent(make_server, make_peer, place, authority, kind, mechanisms, tls=False)


@pytest.mark.parametrize("kind, mechanisms", AT_BARE)
def test_we_show_no_password_in_clear_to(make_server, make_peer, place, authority, kind, mechanisms):
    peer = make_host(make_peer, authority, kind, False, mechanisms)
    server = make_us(make_server, place, authority, peer, tls=False)
    sent_to(server.port, "sender@example.org", THERE)
    assert "TLS" in str(server.wait_event("deferred", to=THERE))
    assert server.queue_count() == 1 and arrived(peer) == []
    assert not re.search(r"535|authenticator failed|authentication failed", peer.log())
    server.stop()


@pytest.mark.parametrize("kind, mechanisms", AT)
def test_with_a_wrong_password_we_keep_the_mail_for(make_server, make_peer, place, authority, kind, mechanisms):
    peer = make_host(make_peer, authority, kind, True, mechanisms)
    server = make_us(make_server, place, authority, peer, True, password="mirror")
    sent_to(server.port, "sender@example.org", THERE)
    (event, *_) = server.wait_event("deferred", seconds=30, to=THERE)
    assert event["code"] == 535, event
    assert server.queue_count() == 1 and arrived(peer) == []
    assert_silent(server.log_text())
    server.stop()
