"""TLS with the clients that people use, and with Postfix and Exim at the other side."""
import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import threading

import pytest

import maildir
import messages
import peers
from certificates import Authority
from maildir import assert_carried, unix
from ports import free_port, wait_until
from process import children

NAME, SENDER, RECIPIENT = "mx.example.org", "sender@client.test", "alice@example.org"
EXAMPLE = 'domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n'
LISTENERS = ('listen "127.0.0.1:$port" { role = mx }\n'
             'listen "127.0.0.1:$implicit" { role = mx  tls = implicit }')
CERTIFICATE = 'tls "mx.example.org" { certificate = "$pem"  key = "$key" }\n'


@pytest.fixture(scope="module")
def authority():
    """In a folder that other users may enter."""
    folder = tempfile.mkdtemp(prefix="postrider-authority-")
    yield Authority(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["ec", "rsa"])
def server(request, make_server, authority):
    started = secret_server(make_server, authority, request.param).start()
    yield started
    if started.process is not None:
        started.stop()


def secret_server(make_server, authority, kind="ec", text=EXAMPLE, **more):
    pem, key = authority.sign(NAME, kind)
    port = free_port()
    made = make_server(text + CERTIFICATE, listeners=LISTENERS, pem=pem, key=key, implicit=port, **more)
    made.implicit = port
    return made


def text():
    return messages.plain(SENDER, RECIPIENT, body=messages.awkward_body())


def done(command, **more):
    assert shutil.which(command[0]), f"{command[0]} is not installed: see tests/packages.txt"
    finished = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, **more)
    said = finished.stdout.decode(errors="replace")
    assert finished.returncode == 0, f"{command}: {finished.returncode}\n{said}"
    return said


def secret_message(server, sent=None):
    """The one message in the mailbox, and its first Received field says TLS."""
    (delivered,) = server.wait_mail(RECIPIENT, seconds=30)
    received = delivered.data[:2000].decode(errors="replace")
    assert re.search(r"with ESMTPS\b", received), received
    assert "TLSv1." in received
    if sent is not None:
        assert_carried(delivered, sent)
    return delivered


# --- clients ------------------------------------------------------------------


@pytest.mark.parametrize("how", ["--tls", "--tls-on-connect"])
def test_swaks(server, place, authority, how):
    sent = messages.plain(SENDER, RECIPIENT, body=messages.awkward_body() + "The end.\r\n")
    (place / "message").write_bytes(unix(sent).removesuffix(b"\n"))
    port = server.port if how == "--tls" else server.implicit
    said = done(["swaks", how, "--tls-verify", "--tls-ca-path", authority.pem, "--tls-sni", NAME,
                 "--server", "127.0.0.1", "--port", port, "--from", SENDER, "--to", RECIPIENT,
                 "--data", f"@{place}/message", "--suppress-data"])
    assert "TLS started with cipher" in said
    secret_message(server, sent)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_curl(server, place, authority, scheme):
    sent = text()
    (place / "message").write_bytes(sent)
    port = server.port if scheme == "smtp" else server.implicit
    done(["curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", authority.pem,
          "--resolve", f"{NAME}:{port}:127.0.0.1", f"{scheme}://{NAME}:{port}/client.test",
          "--mail-from", SENDER, "--mail-rcpt", RECIPIENT, "--upload-file", place / "message"])
    secret_message(server, sent)


@pytest.mark.parametrize("starttls", ["on", "off"])
def test_msmtp(server, authority, starttls):
    sent = text()
    port = server.port if starttls == "on" else server.implicit
    done(["msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={port}", "--tls=on", f"--tls-starttls={starttls}",
          f"--tls-trust-file={authority.pem}", f"--tls-host-override={NAME}", "--auth=off", f"--from={SENDER}",
          "--domain=client.test", RECIPIENT], input=unix(sent))
    secret_message(server, sent)


def context(authority):
    return ssl.create_default_context(cafile=authority.pem)


class Smtp(smtplib.SMTP):
    """Connects to an address and verifies a name."""

    def __init__(self, *words, **more):
        super().__init__(*words, **more)
        self._host = NAME


def test_large_messages_go_through_octet_for_octet(server, authority):
    sent = messages.plain(SENDER, RECIPIENT, body=messages.awkward_body() * 1 + ("x" * 70 + "\r\n") * 60000)
    with Smtp("127.0.0.1", server.port, local_hostname="client.test") as client:
        client.starttls(context=context(authority))
        client.sendmail(SENDER, [RECIPIENT], sent)
    secret_message(server, sent)


# --- servers at the other side ------------------------------------------------


class SecretExim(peers.Exim):
    """With a certificate of its own, and a client that speaks TLS only."""

    def __init__(self, place, certificate, authority, **more):
        super().__init__(place, **more)
        self.certificate, self.authority = certificate, authority

    def configuration(self):
        return (super().configuration()
                .replace("tls_advertise_hosts =\n", f"tls_advertise_hosts = *\ntls_certificate = {self.certificate}\n")
                .replace("  hosts_avoid_tls = *\n",
                         "  hosts_require_tls = *\n"
                         f"  tls_verify_certificates = {self.authority.pem}\n  tls_sni = {NAME}\n"
                         f"  tls_verify_cert_hostnames =\n"))


def make_secret(make_peer, authority, kind, port=None):
    """A peer that speaks TLS as server (peer.test) and as client (example.org at our port)."""
    if kind is peers.Exim:
        certificate = authority.both("peer.test", owner=peers.Exim.uid, kind="rsa")
        routes = {"example.org": port} if port else {}
        return make_peer(SecretExim, certificate, authority, routes=routes, mailboxes=["peer.test"])
    return make_peer(peers.Postfix, {"example.org": f"smtp:[127.0.0.1]:{port}"} if port else {},
                     mailboxes=["peer.test"], settings={
                         "smtpd_tls_chain_files": authority.both("peer.test"), "smtpd_tls_security_level": "may",
                         "smtpd_tls_received_header": "yes", "smtp_tls_security_level": "secure",
                         "smtp_tls_secure_cert_match": NAME, "smtp_tls_servername": NAME,
                         "smtp_tls_CAfile": authority.pem, "smtp_tls_loglevel": 1})


@pytest.mark.parametrize("kind", [peers.Postfix, peers.Exim])
def test_mail_comes_to_us_over_tls_from(make_server, make_peer, authority, kind):
    server = secret_server(make_server, authority).start()
    peer = make_secret(make_peer, authority, kind, server.port)
    sent = messages.plain(SENDER, RECIPIENT, body=messages.awkward_body())
    with smtplib.SMTP("127.0.0.1", peer.port, local_hostname="client.test") as client:
        client.sendmail(SENDER, [RECIPIENT], sent)
    try:
        secret_message(server, sent)
    except AssertionError:
        print(peer.log()[-3000:])
        raise
    server.stop()


@pytest.mark.parametrize("how", ["offer", "require"])
@pytest.mark.parametrize("kind", [peers.Postfix, peers.Exim])
def test_mail_goes_from_us_over_tls_to(make_server, make_peer, authority, kind, how):
    peer = make_secret(make_peer, authority, kind)
    server = make_server(EXAMPLE + 'route "peer.test" { via = "localhost:$peer"  tls = $how }', peer=peer.port,
                         how=how, relay=f'idle = 1s  connect_timeout = 3s  ca = "{authority.pem}"').start()
    sent = messages.plain("sender@example.org", "alice@peer.test", body=messages.awkward_body())
    with smtplib.SMTP("127.0.0.1", server.port, local_hostname="client.test") as client:
        client.sendmail("sender@example.org", ["alice@peer.test"], sent)
    if how == "require":        # its certificate is for peer.test, and we ask for localhost
        server.wait_event("deferred", to="alice@peer.test")
        assert maildir.mailbox(peer.path("mail/alice@peer.test")) == []
    else:
        (delivered,) = wait_until(lambda: maildir.mailbox(peer.path("mail/alice@peer.test")), 30,
                                  f"mail\n{peer.log()[-3000:]}")
        assert re.search(r"TLS ?v?1\.3", delivered.data[:2000].decode(errors="replace"))
        assert_carried(delivered, sent)
        server.wait_empty()
    server.stop()


# --- roles reversed -----------------------------------------------------------

BRANCH = (EXAMPLE + 'accounts = "file:$place/accounts"\n'
          'peer "branch" { accounts = {"branch"}  domains = {"branch.test"}  grant = {turn} }\n'
          'route "branch.test" { via = hold }\n')


class Reversed:
    """A client that says TURN over TLS and then is the server; it keeps what it gets."""

    def __init__(self, port, authority):
        plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket = context(authority).wrap_socket(plain, server_hostname=NAME)
        self.stream = self.socket.makefile("rwb")
        self.messages = []
        self.reply()

    def reply(self):
        line = self.stream.readline()
        while line[3:4] == b"-":
            line = self.stream.readline()
        return line

    def say(self, line):
        self.stream.write(line + b"\r\n")
        self.stream.flush()
        return self.reply()

    def send(self, recipient, text):
        for line in (b"MAIL FROM:<a@client.test>", b"RCPT TO:<" + recipient + b">", b"DATA"):
            assert self.say(line)[:1] in b"23"
        self.stream.write(text)
        assert self.say(b".").startswith(b"250")

    def text(self):
        lines = []
        while (line := self.stream.readline()) not in (b".\r\n", b""):
            lines.append(line)
        self.messages.append(b"".join(lines))

    def serve(self):
        """Until QUIT, or the end."""
        self.stream.write(b"220 branch.test\r\n")
        self.stream.flush()
        answers = {b"EHLO": b"250 branch.test", b"DATA": b"354 go on", b"QUIT": b"221 bye"}
        while line := self.stream.readline():
            self.stream.write(answers.get(line[:4], b"250 2.0.0 ok") + b"\r\n")
            self.stream.flush()
            if line.startswith(b"DATA"):
                self.text()
                self.stream.write(b"250 2.0.0 taken\r\n")
                self.stream.flush()
            elif line.startswith(b"QUIT"):
                break
        assert self.stream.readline() == b""


def test_turn_goes_on_over_the_same_tls(make_server, authority):
    server = secret_server(make_server, authority, text=BRANCH)
    (server.place / "accounts").touch(mode=0o600)
    server.listeners = LISTENERS.replace("tls = implicit", "tls = implicit  auth = offer")
    server.configure()
    server.told("account", "add", "--clear", "branch", input="secret\n")
    server.start()
    client = Reversed(server.implicit, authority)
    client.say(b"EHLO branch.test")
    assert client.say(b"AUTH PLAIN AGJyYW5jaABzZWNyZXQ=").startswith(b"235")
    sent = b"Subject: large\r\n\r\n" + (b"x" * 70 + b"\r\n") * 5000
    for _ in range(3):
        client.send(b"x@branch.test", sent)
    assert client.say(b"TURN").startswith(b"250")
    client.serve()
    client.stream.close()
    client.socket.close()
    assert [message[-len(sent):] for message in client.messages] == [sent] * 3
    server.wait_empty()
    server.stop()


# --- life ---------------------------------------------------------------------


def secure(port, authority):
    """The certificate's serial number, after a handshake."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context(authority).wrap_socket(plain, server_hostname=NAME) as s:
            s.recv(100)
            return s.getpeercert()["serialNumber"]


def test_a_new_certificate_is_served_without_a_restart(make_server, authority):
    server = secret_server(make_server, authority).start()
    old = secure(server.implicit, authority)
    authority.sign(NAME)
    server.signal(signal.SIGHUP)
    wait_until(lambda: secure(server.implicit, authority) != old, 20, "the new certificate")
    server.stop()


def test_a_key_that_does_not_fit_is_refused_at_start(make_server, authority):
    server = secret_server(make_server, authority)
    other = Authority(authority.place / "other")
    other.sign(NAME)
    server.configure(key=other.place / f"{NAME}.key")
    server.launch()
    assert server.process.wait(20) == 78
    assert "is not that of the first certificate" in server.log_text()
    server.process = None


def test_the_vault_dies_and_comes_back(make_server, authority):
    server = secret_server(make_server, authority).start()
    secure(server.implicit, authority)
    (vault,) = server.roles()["vault"]
    os.kill(vault, signal.SIGKILL)

    def again():
        try:
            return secure(server.implicit, authority)
        except (OSError, ssl.SSLError):
            return None

    wait_until(again, 20, "a handshake after the vault died")
    assert server.roles()["vault"] != [vault]
    server.stop()


def test_a_vault_that_hangs_hangs_no_session_but_those_that_need_it(make_server, authority):
    server = secret_server(make_server, authority, limits="connections_per_client = 1000  tls_timeout = 2s").start()
    (vault,) = server.roles()["vault"]
    os.kill(vault, signal.SIGSTOP)
    try:
        with pytest.raises((OSError, ssl.SSLError)):
            secure(server.implicit, authority)
        with smtplib.SMTP("127.0.0.1", server.port, timeout=5) as client:
            assert client.ehlo()[0] == 250
    finally:
        os.kill(vault, signal.SIGCONT)
    secure(server.implicit, authority)
    server.stop()


def test_many_handshakes_at_once(make_server, authority):     # A105
    server = secret_server(make_server, authority).start()
    fine = []

    def run():
        for _ in range(10):
            fine.append(secure(server.implicit, authority))

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(fine) == 200
    server.stop()
