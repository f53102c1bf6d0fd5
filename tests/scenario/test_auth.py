"""AUTH and X-EXPS with the clients that people use."""
import base64
import os
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import threading
import time

import pytest

import debs
import messages
from certificates import Authority
from client import Client
from kdc import Kdc
from ports import free_port
from postrider import COMMAND

NAME, USER, PASSWORD = "mx.example.org", "alice@example.org", "wonder land"
SENDER, RECIPIENT = USER, "bob@example.org"
TEXT = """tls "mx.example.org" { certificate = "$pem"  key = "$key" }
accounts = "file:$accounts"
keytab = "$keytab"
realm = "PR.TEST"
domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }
"""
LISTENERS = """listen "127.0.0.1:$port" { role = submission  tls = offer }
listen "127.0.0.1:$clear" { role = submission  tls = none  auth_clear = true }
listen "127.0.0.1:$implicit" { role = submission  tls = implicit }
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def kdc(tmp_path_factory):
    with Kdc(tmp_path_factory.mktemp("kdc")) as kdc:
        kdc.service = kdc.keytab(f"smtp/{NAME}")
        kdc.alice = kdc.ticket("alice@PR.TEST", "wonderland")
        os.environ["KRB5_CONFIG"] = kdc.env["KRB5_CONFIG"]      # for the server's vault too
        yield kdc
        del os.environ["KRB5_CONFIG"]


@pytest.fixture
def server(make_server, place, authority, kdc):
    pem, key = authority.sign(NAME)
    accounts = place / "accounts"
    for name, password, more in ((USER, PASSWORD, ["--clear"]), ("hashed", "builder", [])):
        subprocess.run([COMMAND, "account", "add", "--file", accounts, *more, name], input=password + "\n", text=True,
                       check=True, stdout=subprocess.DEVNULL)
    clear, implicit = free_port(), free_port()
    made = make_server(TEXT, listeners=LISTENERS, hostname=NAME, pem=pem, key=key, accounts=accounts,
                       keytab=kdc.service, clear=clear, implicit=implicit,
                       log="json = true  per_second = 0  level = debug")
    made.clear, made.implicit, made.authority = clear, implicit, authority
    yield made.start()
    assert_silent(made.log_text())


def assert_silent(log):
    """Whatever happened: no secret is in the log, not even at its most talkative."""
    plain = b"\0" + USER.encode() + b"\0" + PASSWORD.encode()
    for secret in (PASSWORD, b64(PASSWORD.encode()), b64(plain), b64(plain)[:-4]):
        assert secret not in log


def run(*command, env=None, **more):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, env={**os.environ, **(env or {})}, **more)
    return done.returncode, done.stdout.decode(errors="replace")


def text():
    return messages.plain(SENDER, RECIPIENT)


def assert_logged_in(server, mechanism, user=USER):
    event = server.wait_event("auth")[-1]
    assert (event["result"], event["mechanism"], event["user"]) == ("done", mechanism, user)


def assert_carried(server, mechanism, user=USER):
    server.wait_mail(RECIPIENT)
    assert_logged_in(server, mechanism, user)


# --- swaks, curl, msmtp, gsasl, smtplib: each mechanism

@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_swaks(server, mechanism):
    status, said = run("swaks", "--server", "127.0.0.1", "--port", server.clear, "--auth", mechanism, "--auth-user", USER,
                       "--auth-password", PASSWORD, "--from", SENDER, "--to", RECIPIENT)
    assert status == 0, said
    assert_carried(server, mechanism)


def curl(server, mechanism, user, *more, port=None, scheme="smtp", env=None):
    letter = server.place / "letter"
    letter.write_bytes(text())
    port = port or server.port
    return run("curl", "--silent", "--show-error", "--verbose", "--ssl-reqd", "--cacert", server.authority.pem, "--resolve",
               f"{NAME}:{port}:127.0.0.1", f"{scheme}://{NAME}:{port}", "--login-options", f"AUTH={mechanism}", "-u", user,
               "--mail-from", SENDER, "--mail-rcpt", RECIPIENT, "-T", letter, *more, env=env)


@pytest.mark.parametrize("more", [[], ["--sasl-ir"]])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_curl(server, mechanism, more):
    status, said = curl(server, mechanism, f"{USER}:{PASSWORD}", *more)
    assert status == 0, said
    assert_carried(server, mechanism)


def test_curl_over_implicit_tls(server):
    status, said = curl(server, "PLAIN", f"{USER}:{PASSWORD}", port=server.implicit, scheme="smtps")
    assert status == 0, said
    assert_carried(server, "PLAIN")


def test_curl_with_a_ticket(server, kdc):
    status, said = curl(server, "GSSAPI", "alice@PR.TEST:", env=kdc.alice)
    assert status == 0, said
    assert_carried(server, "GSSAPI", "alice")


def msmtp(server, mechanism, user, password, env=None):
    file = server.place / "msmtprc"
    file.write_text(f"account default\nhost {NAME}\nport {server.port}\nfrom {SENDER}\nauth {mechanism}\nuser {user}\n"
                    f'passwordeval "echo {password}"\ntls on\ntls_starttls on\ntls_trust_file {server.authority.pem}\n')
    hosts = server.place / "socket"         # msmtp resolves the name itself: it is told the address another way
    file.write_text(file.read_text().replace(f"host {NAME}", "host 127.0.0.1") + f"tls_host_override {NAME}\n")
    file.chmod(0o600)
    return run("msmtp", "-C", file, RECIPIENT, input=text(), env=env)


@pytest.mark.parametrize("mechanism", ["plain", "login", "cram-md5", "scram-sha-256"])
def test_msmtp(server, mechanism):
    status, said = msmtp(server, mechanism, USER, PASSWORD)
    assert status == 0, said
    assert_carried(server, mechanism.upper())


def gsasl(server, mechanism, *more, port=None, env=None):
    root = debs.unpacked("krb5")
    return run(root / "usr/bin/gsasl", "--smtp", "--no-starttls", f"--connect=127.0.0.1:{port or server.clear}",
               f"--hostname={NAME}", "-m", mechanism, *more,
               env={"LD_LIBRARY_PATH": debs.library_path(root), **(env or {})}, input=b"")


@pytest.mark.parametrize("user, password", [(USER, PASSWORD), ("hashed", "builder")])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_gsasl(server, mechanism, user, password):
    status, said = gsasl(server, mechanism, "-a", user, "-p", password)
    assert status == 0, said
    assert_logged_in(server, mechanism, user)


def test_gsasl_with_a_ticket(server, kdc):
    status, said = gsasl(server, "GSSAPI", "-a", "alice", "-z", "", env=kdc.alice)
    assert status == 0, said
    assert_logged_in(server, "GSSAPI", "alice")


def test_gsasl_with_a_ticket_cannot_be_somebody_else(server, kdc):
    status, said = gsasl(server, "GSSAPI", "-a", "alice", "-z", "hashed", env=kdc.alice)
    assert status != 0 or "535" in said, said
    assert [event for event in server.events("auth") if event["result"] == "done"] == []


def test_smtplib_over_tls(server):
    context = ssl.create_default_context(cafile=str(server.authority.pem))
    context.check_hostname = False
    for mechanism in ("CRAM-MD5", "PLAIN", "LOGIN"):
        with smtplib.SMTP("127.0.0.1", server.port) as client:
            client.starttls(context=context)
            client.ehlo()
            client.user, client.password = USER, PASSWORD
            client.auth(mechanism, getattr(client, "auth_" + mechanism.lower().replace("-", "_")))
            client.sendmail(SENDER, [RECIPIENT], text())
    assert [e["mechanism"] for e in server.wait_event("auth", 3)] == ["CRAM-MD5", "PLAIN", "LOGIN"]


# --- X-EXPS: nobody speaks it, so a proxy makes it out of AUTH

class Rewriter:
    """Between a client that says AUTH and a server that hears X-EXPS."""

    def __init__(self, port):
        self.port, self.listener = port, socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()[1]
        self.said = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            for source, to, change in ((client, server, self.command), (server, client, self.reply)):
                threading.Thread(target=self.copy, args=(source, to, change), daemon=True).start()

    @staticmethod
    def copy(source, to, change):
        with source.makefile("rb") as lines:
            try:
                for line in lines:
                    to.sendall(change(line))
                to.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def command(self, line):
        if line.upper().startswith(b"AUTH "):
            line = b"X-EXPS" + line[4:]
            self.said.append(line.split()[1].decode())
        return line

    @staticmethod
    def reply(line):
        line = re.sub(rb"^(250[ -])AUTH[ =]", rb"\1HIDDEN ", line)
        return re.sub(rb"^(250[ -])X-EXPS ", rb"\1AUTH ", line)

    def close(self):
        self.listener.close()


@pytest.fixture
def rewriter(server):
    between = Rewriter(server.clear)
    yield between
    between.close()


@pytest.mark.parametrize("mechanism", ["LOGIN", "GSSAPI"])
def test_x_exps_by_gsasl(server, rewriter, kdc, mechanism):
    who = ["-a", USER, "-p", PASSWORD] if mechanism == "LOGIN" else ["-a", "alice", "-z", ""]
    status, said = gsasl(server, mechanism, *who, port=rewriter.address, env=kdc.alice)
    assert status == 0, said
    assert rewriter.said == [mechanism]
    assert_logged_in(server, mechanism, USER if mechanism == "LOGIN" else "alice")


# --- what must not go through

def hello(port):
    client = Client(port)
    client.reply()
    code, said = client.command("EHLO client.test")
    assert code == 250
    return client, said.decode()


def b64(data):
    return base64.b64encode(data).decode()


def test_clear_passwords_are_offered_only_where_they_may(server):
    client, said = hello(server.port)
    assert "PLAIN" not in said and "LOGIN" not in said
    assert client.command(f"AUTH PLAIN {b64(b'_alice_x')}")[0] in (538, 504, 530, 503)
    client, said = hello(server.clear)
    assert re.search(r"AUTH .*\bPLAIN\b", said) and re.search(r"AUTH .*\bGSSAPI\b", said)


@pytest.mark.parametrize("line, code", [
    ("AUTH PLAIN =", 501), ("AUTH PLAIN !!!!", 501), ("AUTH PLAIN AGE", 501), ("AUTH PLAIN AGEAYg", 501),
    ("AUTH PLAIN AGE=AGI=", 501), (f"AUTH PLAIN {b64(b'a')}", 501), (f"AUTH PLAIN {b64(b'a' + bytes(3))}", 501),
    (f"AUTH PLAIN {b64(b'')}=", 501), ("AUTH CRAM-MD5 YQ==", 501), ("AUTH NTLM", 504), ("AUTH XOAUTH2 YQ==", 504),
    ("AUTH SPA", 504), ("AUTH", 501), (f"AUTH PLAIN {b64(bytes(1) + b'nobody' + bytes(1) + b'x')}", 535),
])
def test_attacks_on_auth_get_their_answer_and_the_session_lives(server, line, code):
    client, _ = hello(server.clear)
    assert client.command(line)[0] == code, line
    assert client.command("NOOP")[0] == 250
    right = b64(b"\0" + USER.encode() + b"\0" + PASSWORD.encode())
    assert client.command(f"AUTH PLAIN {right}")[0] == 235


def test_a_line_of_12289_octets_is_too_long_and_one_of_12288_is_not(server):
    client, _ = hello(server.clear)
    assert client.command("AUTH LOGIN")[0] == 334
    assert client.command("A" * 12284)[0] in (501, 535)
    client, _ = hello(server.clear)
    assert client.command("AUTH LOGIN")[0] == 334
    assert client.command("A" * 13000)[0] in (500, 501)


def test_a_cancelled_login_leaves_nothing_behind(server):
    client, _ = hello(server.clear)
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "GSSAPI"):
        assert client.command(f"AUTH {mechanism}")[0] == 334
        assert client.command("*")[0] == 501
    assert client.command("MAIL FROM:<a@b.test>")[0] == 530
    right = b64(b"\0" + USER.encode() + b"\0" + PASSWORD.encode())
    assert client.command("AUTH PLAIN")[0] == 334
    assert client.command(right)[0] == 235
    assert client.command("AUTH PLAIN " + right)[0] == 503
    assert client.command("X-EXPS PLAIN " + right)[0] == 503


def test_wrong_passwords_are_slowed_down_and_end_the_session(server):
    client, _ = hello(server.clear)
    wrong = b64(b"\0" + USER.encode() + b"\0wrong")
    began = time.monotonic()
    assert client.command("AUTH PLAIN " + wrong)[0] == 535
    assert time.monotonic() - began > 0.4
    codes = [client.command("AUTH PLAIN " + wrong)[0] for _ in range(2)]
    assert codes[0] == 535 and codes[1] in (535, 421)
    assert PASSWORD not in server.log_text() and "wrong\"" not in server.log_text().replace("wrong name", "")
    client, _ = hello(server.clear)
    right = b64(b"\0" + USER.encode() + b"\0" + PASSWORD.encode())
    assert client.command("AUTH PLAIN " + right)[0] == 235


def test_a_new_account_may_log_in_while_the_server_runs(server):
    subprocess.run([COMMAND, "-c", server.file, "account", "add", "carol"], input="late\n", text=True, check=True,
                   stdout=subprocess.DEVNULL)
    server.wait_event("reload", seconds=15)
    right = b64(b"\0carol\0late")
    end = time.monotonic() + 15
    while True:
        client, _ = hello(server.clear)
        if client.command("AUTH PLAIN " + right)[0] == 235:
            break
        assert time.monotonic() < end
        time.sleep(1)


def right_login():
    return "AUTH PLAIN " + b64(b"\0" + USER.encode() + b"\0" + PASSWORD.encode())


def test_while_the_vault_is_dead_logins_are_told_later_and_then_go_on(server):
    client, _ = hello(server.clear)
    assert client.command("AUTH LOGIN")[0] == 334
    for pid in server.roles()["vault"]:
        os.kill(pid, signal.SIGKILL)
    assert client.command(b64(USER.encode()))[0] == 454
    assert client.command("NOOP")[0] == 250
    end = time.monotonic() + 15
    while True:
        client, said = hello(server.clear)
        assert "AUTH" in said
        code = client.command(right_login())[0]
        if code == 235:
            break
        assert code == 454 and time.monotonic() < end
        time.sleep(0.2)


def test_a_broken_file_of_accounts_changes_nothing(server, place):
    with open(place / "accounts", "a") as file:
        file.write("mallory:{plain}x\n")
    refused = server.wait_event("reload_refused", seconds=15)[-1]
    assert "unknown scheme" in str(refused)
    client, _ = hello(server.clear)
    assert client.command(right_login())[0] == 235
