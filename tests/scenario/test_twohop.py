"""Two hops: a client gives Postrider a message with a parameter, and the next host gets it
as that host can take it. One row for each extension: what the client says, what goes on to
a host that offers it, and what becomes of it at a host that does not.

The next host is scripted where parameters are compared, and Postfix or Exim where they must
understand us.
"""
import email
import os
import pathlib
import re
import shutil
import ssl
import tempfile

import pytest

import maildir
import messages
import peers
from certificates import Authority
from client import Client
from maildir import assert_carried
from ports import free_port, wait_until
from sink import Session, Sink

SENDER, RCPT = "sender@example.org", "user@far.test"
WORLD = ('domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n'
         'route "*" { via = "127.0.0.1:$far" }\n'
         'peer "client" { networks = {"127.0.0.1"}  grant = {xforward, xexch50} }\n'
         'tls "mx.example.org" { certificate = "$pem"  key = "$key" }\n')
AUTH = 'listen "127.0.0.1:$port" { role = mx  auth = offer }\naccounts = "file:$place/accounts"\n'


# --- the next host ------------------------------------------------------------


class HostSession(Session):
    """A session of the sink that knows the extensions as well."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.chunks, self.blobs, self.secure = b"", [], False

    def octets(self, count):
        while len(self.input) < count:
            self.more()
        taken, self.input = self.input[:count], self.input[count:]
        return taken

    def on_bdat(self, line):
        size, last = re.fullmatch(rb"BDAT (\d+)( LAST)?", line).groups()
        self.chunks += self.octets(int(size))
        if not self.rcpts:
            self.chunks = b""
            return self.send("503 5.5.1 no recipients")
        if not last:
            return self.send("250 2.0.0 chunk")
        body, self.chunks = self.chunks, b""
        self.end(body)

    def on_starttls(self, line):
        self.send("220 2.0.0 go")
        self.sock = self.sink.tls.wrap_socket(self.sock, server_side=True)
        self.secure = True
        self.clear()

    def hello(self, stage, line):
        kept = self.sink.offers
        if self.secure:
            self.sink.offers = [o for o in kept if o != "STARTTLS"]
        super().hello(stage, line)
        self.sink.offers = kept

    def on_xforward(self, line):
        self.send("250 2.0.0 ok")

    def on_xexch50(self, line):
        self.send("354 Send binary data")
        self.blobs.append(self.octets(int(line.split()[1])))
        self.send("250 XEXCH50 OK")


class Host(Sink):
    session_class = HostSession
    tls = None

    def serve(self, session):
        try:
            super().serve(session)
        except (ssl.SSLError, ValueError):
            session.sock.close()

    def said(self, verb):
        """The lines of that verb, without it."""
        return [c[len(verb):].strip() for c in self.commands() if c.upper().startswith(verb)]


# --- servers --------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority():
    folder = tempfile.mkdtemp(prefix="postrider-authority-")
    made = Authority(folder)
    made.pair = made.sign("mx.example.org")
    yield made
    shutil.rmtree(folder, ignore_errors=True)


def certificate_for_address(authority):
    """For the next host, which the configuration names by its address."""
    place = authority.place
    extensions = place / "hop.ext"
    extensions.write_text("subjectAltName=IP:127.0.0.1\n")
    authority.openssl("req", "-new", *authority.new_key("ec", place / "hop.key"), "-subj", "/CN=hop", "-out", place / "hop.csr")
    authority.openssl("x509", "-req", "-in", place / "hop.csr", "-CA", authority.pem, "-CAkey", authority.key,
                      "-CAcreateserial", "-days", "30", "-extfile", extensions, "-out", place / "hop.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "hop.pem", place / "hop.key")
    return context


@pytest.fixture(scope="module")
def home(authority):
    """One server for all rows; its next host changes with each."""
    import postrider
    place = tempfile.mkdtemp(prefix="postrider-")
    os.chmod(place, 0o755)
    pem, key = authority.pair
    host = Host(offers=[])
    host.tls = certificate_for_address(authority)
    accounts = pathlib.Path(place, "accounts")
    accounts.touch(mode=0o600)
    server = postrider.Server(place, WORLD, listeners=AUTH, far=host.port, pem=pem, key=key,
                              relay=f'idle = 0s  connect_timeout = 3s  ca = "{authority.pem}"',
                              queue="retry = {1s}  jitter = 0  warn = 0s")
    server.host = host
    server.start()
    yield server
    server.stop()
    server.cleanup()
    host.close()
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def hop(home):
    """The scripted next host, new for each test, behind the one port."""
    def prepare(offers, **script):
        host = home.host
        home.wait_empty()
        with host.lock:
            host.offers, host.script = list(offers), script
            host.messages.clear()
            host.sessions.clear()
        shutil.rmtree(home.mail / "example.org", ignore_errors=True)
        return host
    return prepare


# --- the client -----------------------------------------------------------------


def greeted(server, secure=False):
    client = Client(server.port)
    client.hello()
    if secure:
        assert client.command("STARTTLS")[0] == 220
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client.socket = context.wrap_socket(client.socket)
        client.lines = client.socket.makefile("rb")
        assert client.command("EHLO client.test")[0] == 250
    return client


def give(server, mail="", rcpt="", data=None, sender=SENDER, to=RCPT, secure=False, bdat=False, before=None):
    client = greeted(server, secure)
    for line in before or []:
        answer = client.command(line)
        assert answer[0] // 100 == 2, (line, answer)
    data = messages.plain(sender or "x@example.org", to if isinstance(to, str) else to[0]) if data is None else data
    lines = [f"MAIL FROM:<{sender}> {mail}".strip(), *[f"RCPT TO:<{r}> {rcpt}".strip() for r in ([to] if isinstance(to, str) else to)]]
    for line in lines:
        answer = client.command(line)
        assert answer[0] == 250, (line, answer)
    if bdat:
        client.send(b"BDAT %d LAST\r\n" % len(data) + data)
    else:
        assert client.command("DATA")[0] == 354
        client.send(re.sub(rb"(?m)^\.", b"..", data) + b".\r\n")
    answer = client.reply()
    assert answer[0] == 250, answer
    client.socket.close()
    return data


def carried(message, data):
    """The text is ours with one field before it."""
    assert message.body.endswith(data), (message.body[-300:], data[-300:])


def words(text):
    return sorted(text.split())


# --- parameters, one row each ------------------------------------------------------

BOUNCE = "bounce "
TEXT8 = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n.\r\n"

# name: (client's MAIL, client's RCPT, offers, MAIL with it, RCPT with it, MAIL without or a bounce, RCPT without)
PARAMETERS = {
    "8BITMIME": ("BODY=8BITMIME", "", ["8BITMIME"], "", "", "", ""),
    "DSN-RET": ("RET=HDRS", "", ["DSN"], "RET=HDRS", "", "", ""),
    "DSN-ENVID": ("ENVID=Q+2BQ1", "", ["DSN"], "ENVID=Q+2BQ1", "", "", ""),
    "DSN-NOTIFY": ("", "NOTIFY=FAILURE,DELAY", ["DSN"], "", "NOTIFY=FAILURE,DELAY", "", ""),
    "DSN-NEVER": ("", "NOTIFY=NEVER", ["DSN"], "", "NOTIFY=NEVER", "", ""),
    "DSN-ORCPT": ("", "ORCPT=Rfc822;Some+2BBody@Far.Test", ["DSN"], "", "ORCPT=Rfc822;Some+2BBody@Far.Test", "", ""),
    "DELIVERBY-R": ("BY=900;R", "", ["DELIVERBY"], r"BY=(900|89\d);R", "", BOUNCE + "5.3.3", ""),
    "DELIVERBY-N": ("BY=900;N", "", ["DELIVERBY"], r"BY=(900|89\d);N", "", "", ""),
    "DELIVERBY-min": ("BY=900;R", "", ["DELIVERBY 1000"], BOUNCE + "5.3.3", "", BOUNCE + "5.3.3", ""),
    "MT-PRIORITY": ("MT-PRIORITY=3", "", ["MT-PRIORITY"], "MT-PRIORITY=3", "", "", ""),
    "RRVS": ("", "RRVS=2014-04-03T23:01:00Z", ["RRVS"], "", "RRVS=2014-04-03T23:01:00Z;R", BOUNCE + "5.7.19", ""),
    "RRVS-C": ("", "RRVS=2014-04-03T23:01:00Z;C", ["RRVS"], "", "RRVS=2014-04-03T23:01:00Z;C", "", ""),
    "NO-SOLICITING": ("SOLICIT=org.example:ADV", "", ["NO-SOLICITING"], "SOLICIT=org.example:ADV", "", "", ""),
    "SMTPUTF8": ("SMTPUTF8", "", ["SMTPUTF8", "8BITMIME"], "SMTPUTF8", "", "", ""),
    "FUTURERELEASE": ("HOLDFOR=1", "", ["FUTURERELEASE 9000 2035-01-01T00:00:00Z"], "", "", "", ""),
}


def assert_went(host, mail, rcpt):
    assert host.wait(1), host.commands()
    (message,) = host.messages
    got = " ".join(w for w in message.params.split() if not w.startswith("SIZE="))
    assert re.fullmatch(mail if "(" in mail else re.escape(mail), got), got
    (line,) = host.said("RCPT")
    assert line == f"TO:<{RCPT}> {rcpt}".strip()
    return message


def assert_bounced(server, host, status):
    (bounce,) = server.wait_mail(SENDER)
    text = bounce.data.decode(errors="replace")
    assert f"Status: {status}" in text, text
    assert "Action: failed" in text
    assert not host.messages
    return text


@pytest.mark.parametrize("offered", ["offered", "lacking"])
@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_goes_on_where_it_is_understood(home, hop, name, offered):
    mail, rcpt, offers, with_mail, with_rcpt, without_mail, without_rcpt = PARAMETERS[name]
    has = offered == "offered"
    host = hop(["PIPELINING", *(offers if has else [])])
    expected, expected_rcpt = (with_mail, with_rcpt) if has else (without_mail, without_rcpt)
    data = give(home, mail, rcpt)
    if expected.startswith(BOUNCE):
        assert_bounced(home, host, expected.removeprefix(BOUNCE))
    else:
        carried(assert_went(host, expected, expected_rcpt), data)


# --- reports (RFC 3461 §5.2) ----------------------------------------------------------


def test_a_host_without_dsn_makes_us_say_relayed(home, hop):
    host = hop(["PIPELINING"])
    give(home, "ENVID=QQ1", "NOTIFY=SUCCESS ORCPT=rfc822;user@far.test")
    assert host.wait(1)
    (report,) = home.wait_mail(SENDER)
    text = report.data.decode()
    assert "Action: relayed" in text and "Original-Envelope-Id: QQ1" in text
    assert re.search(r"Original-Recipient: rfc822; ?user@far.test", text)


def test_a_host_with_dsn_reports_itself(home, hop):
    host = hop(["PIPELINING", "DSN"])
    give(home, "", "NOTIFY=SUCCESS")
    assert host.wait(1)
    home.wait_empty()
    assert not home.mailbox(SENDER)


# --- texts ------------------------------------------------------------------------------


BINARY = (b"MIME-Version: 1.0\r\nSubject: b\r\nContent-Type: application/octet-stream\r\n"
          b"Content-Transfer-Encoding: binary\r\n\r\n" + bytes(range(256)) * 3 + b"\n.\r\n\r\n.\n" + b"x" * 3000)


def test_chunking_carries_every_octet_and_no_dot_is_doubled(home, hop):
    host = hop(["PIPELINING", "CHUNKING", "8BITMIME"])
    data = give(home, "BODY=8BITMIME", data=TEXT8)
    assert host.wait(1)
    carried(host.messages[0], data)
    assert host.said("BDAT") and not host.said("DATA")


def test_without_chunking_the_text_goes_by_data(home, hop):
    host = hop(["PIPELINING", "8BITMIME"])
    data = give(home, "BODY=8BITMIME", data=TEXT8)
    assert host.wait(1)
    carried(host.messages[0], data)
    assert "BODY=8BITMIME" in host.messages[0].params


def test_binary_goes_on_as_binary(home, hop):
    host = hop(["CHUNKING", "BINARYMIME"])
    data = give(home, "BODY=BINARYMIME", data=BINARY, bdat=True)
    assert host.wait(1)
    assert "BODY=BINARYMIME" in host.messages[0].params
    carried(host.messages[0], data)


@pytest.mark.parametrize("offers", [["8BITMIME"], ["CHUNKING", "8BITMIME"], ["PIPELINING"]])
def test_binary_is_re_encoded_losslessly_where_it_must_be(home, hop, offers):
    host = hop(offers)
    give(home, "BODY=BINARYMIME", data=BINARY, bdat=True)
    assert host.wait(1)
    (message,) = host.messages
    assert "BINARYMIME" not in message.params and not host.faults
    assert max(len(line) for line in message.body.split(b"\r\n")) <= 998
    parsed = email.message_from_bytes(message.body)
    assert parsed["Content-Transfer-Encoding"] == "base64"
    assert parsed.get_payload(decode=True) == BINARY.split(b"\r\n\r\n", 1)[1]


def test_eight_bits_become_seven(home, hop):
    host = hop(["PIPELINING"])
    give(home, "BODY=8BITMIME", data=TEXT8)
    assert host.wait(1)
    parsed = email.message_from_bytes(host.messages[0].body)
    assert max(host.messages[0].body) < 128
    assert parsed.get_payload(decode=True) == TEXT8.split(b"\r\n\r\n", 1)[1]


def test_what_is_signed_is_not_re_encoded_but_bounces(home, hop):
    host = hop(["PIPELINING"])
    data = (b"MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b; protocol=\"application/x\"\r\n\r\n"
            b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"
            b"--b\r\nContent-Type: application/x\r\n\r\nxx\r\n--b--\r\n")
    give(home, "BODY=8BITMIME", data=data)
    assert "signed" in assert_bounced(home, host, "5.6.3")


def test_a_large_message_goes_in_chunks(home, hop):
    host = hop(["PIPELINING", "CHUNKING"])
    data = messages.plain(SENDER, RCPT, body=("." + "x" * 70 + "\r\n") * 40000)
    give(home, data=data, bdat=True)
    assert host.wait(1, 20)
    carried(host.messages[0], data)
    assert len(host.said("BDAT")) == 3


# --- SIZE ---------------------------------------------------------------------------------


def test_the_size_is_told_and_is_the_size(home, hop):
    host = hop(["SIZE 100000"])
    give(home)
    assert host.wait(1)
    assert f"SIZE={len(host.messages[0].body)}" in host.messages[0].params.split()


def test_what_is_too_large_for_ever_is_not_tried(home, hop):
    host = hop(["SIZE 100"])
    give(home)
    assert_bounced(home, host, "5.3.4")
    assert not host.said("MAIL")


@pytest.mark.parametrize("stage", ["mail", "rcpt"])
def test_452_waits_and_552_bounces(home, hop, stage):
    host = hop(["SIZE"], **{stage: ["452 4.3.1 no room now", None]})
    give(home)
    assert host.wait(1)
    assert not home.mailbox(SENDER)
    host = hop(["SIZE"], **{stage: "552 5.3.4 too large"})
    give(home)
    assert_bounced(home, host, "5.3.4")


# --- LIMITS -----------------------------------------------------------------------------------


@pytest.mark.parametrize("limits, transactions, sessions", [
    ("RCPTMAX=2", 3, 1), ("MAILMAX=1 RCPTMAX=3", 2, 2), ("RCPTDOMAINMAX=1", None, None), ("OTHER=1", 1, 1)])
def test_limits_are_kept(home, hop, limits, transactions, sessions):
    host = hop(["PIPELINING", f"LIMITS {limits}"])
    rcpts = [f"u{n}@far.test" for n in range(5)]
    give(home, to=rcpts)
    assert host.wait(transactions or 1)
    home.wait_empty()
    assert sorted(r for m in host.messages for r in m.rcpts) == rcpts
    if transactions:
        assert (len(host.messages), len(host.sessions)) == (transactions, sessions)


# --- SMTPUTF8 -----------------------------------------------------------------------------------

UTF8_HEADER = "Subject: Gr\u00fc\u00dfe\r\n\r\nx\r\n".encode()


def give_utf8(server, sender, rcpt, data):
    client = greeted(server)
    client.send(f"MAIL FROM:<{sender}> SMTPUTF8\r\n".encode())
    assert client.reply()[0] == 250
    client.send(f"RCPT TO:<{rcpt}>\r\n".encode())
    assert client.reply()[0] == 250
    assert client.command("DATA")[0] == 354
    client.send(data + b".\r\n")
    assert client.reply()[0] == 250


def test_utf8_goes_to_a_host_that_offers_it(home, hop):
    host = hop(["SMTPUTF8", "8BITMIME", "PIPELINING"])
    give_utf8(home, SENDER, "j\u00f6rg@b\u00fccher.test", UTF8_HEADER)
    assert host.wait(1)
    assert "SMTPUTF8" in host.messages[0].params
    carried(host.messages[0], UTF8_HEADER)
    (rcpt,) = host.said("RCPT")
    assert rcpt.encode("latin-1").decode() in ("TO:<j\u00f6rg@b\u00fccher.test>", "TO:<j\u00f6rg@xn--bcher-kva.test>")


def test_a_domain_goes_as_a_labels_where_that_is_all_it_needs(home, hop):
    host = hop(["PIPELINING"])
    give_utf8(home, SENDER, "joerg@b\u00fccher.test", b"Subject: x\r\n\r\nx\r\n")
    assert host.wait(1)
    assert host.said("RCPT") == ["TO:<joerg@xn--bcher-kva.test>"]
    assert "SMTPUTF8" not in host.messages[0].params


@pytest.mark.parametrize("rcpt, data", [("j\u00f6rg@far.test", b"Subject: x\r\n\r\nx\r\n"), ("joerg@far.test", UTF8_HEADER)])
def test_what_needs_utf8_bounces_elsewhere(home, hop, rcpt, data):
    host = hop(["PIPELINING", "8BITMIME"])
    give_utf8(home, SENDER, rcpt, data)
    assert_bounced(home, host, "5.6.7")


# --- TLS ------------------------------------------------------------------------------------------


def test_tls_is_used_where_it_is_offered(home, hop):
    host = hop(["STARTTLS", "PIPELINING"])
    data = give(home)
    assert host.wait(1)
    carried(host.messages[0], data)
    assert [s.secure for s in host.sessions] == [True]


@pytest.mark.parametrize("offers, status", [
    (["STARTTLS", "REQUIRETLS"], None), (["STARTTLS"], "5.7.30"), (["REQUIRETLS"], "5.7.10"), ([], "5.7.10")])
def test_requiretls_goes_only_where_it_is_promised(home, hop, offers, status):
    host = hop(["PIPELINING", *offers])
    give(home, "REQUIRETLS", secure=True)
    if status:
        assert_bounced(home, host, status)
    else:
        assert host.wait(1)
        assert "REQUIRETLS" in host.messages[0].params and host.sessions[0].secure


# --- XFORWARD, XEXCH50 ---------------------------------------------------------------------------------


def test_a_peer_hears_where_the_message_came_from(home, hop):
    host = hop(["PIPELINING", "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"])
    give(home)
    assert host.wait(1)
    lines = " ".join(host.said("XFORWARD"))
    assert "ADDR=127.0.0.1" in lines and "HELO=client.test" in lines and "PROTO=ESMTP" in lines


def test_what_we_were_told_by_xforward_goes_on(home, hop):
    host = hop(["PIPELINING", "XFORWARD NAME ADDR HELO"])
    give(home, before=["XFORWARD NAME=first.test ADDR=192.0.2.77 HELO=first.helo"])
    assert host.wait(1)
    assert " ".join(host.said("XFORWARD")) == "NAME=first.test ADDR=192.0.2.77 HELO=first.helo"


def give_with_blob(server, blob):
    client = greeted(server)
    for line in (f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RCPT}>"):
        assert client.command(line)[0] == 250
    assert client.command(f"XEXCH50 {len(blob)} 2")[0] == 354
    client.send(blob)
    assert client.reply()[0] == 250
    assert client.command("DATA")[0] == 354
    client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
    code, text = client.reply()
    assert code == 250
    return re.search(rb"queued as ([0-9A-Z]+)", text)[1].decode()


def test_a_blob_goes_on_octet_by_octet_to_a_peer(home, hop):
    blob = bytes(range(256)) + b"\r\n.\r\nQUIT\r\n"
    host = hop(["PIPELINING", "XEXCH50"])
    give_with_blob(home, blob)
    assert host.wait(1)
    assert host.said("XEXCH50") == [f"{len(blob)} 2"]
    assert [b for s in host.sessions for b in s.blobs] == [blob]


def test_a_blob_is_dropped_where_nobody_wants_it_and_the_trace_says_so(home, hop):
    host = hop(["PIPELINING"])
    number = give_with_blob(home, b"blob")
    assert host.wait(1)
    home.wait_empty()
    assert "XEXCH50 dropped" in home.told("trace", number)


@pytest.mark.parametrize("offers, expected", [(["AUTH PLAIN"], "AUTH=e+3Dmc2@example.org"), ([], None)])
def test_who_submitted_a_message_is_told_to_hosts_with_auth(home, hop, offers, expected):
    host = hop(["PIPELINING", *offers])
    give(home, "AUTH=e+3Dmc2@example.org")
    assert host.wait(1)
    told = [w for w in host.messages[0].params.split() if w.startswith("AUTH=")]
    assert told == ([expected] if expected else [])


def test_a_host_that_does_not_offer_xforward_hears_none(home, hop):
    host = hop(["PIPELINING"])
    give(home)
    assert host.wait(1)
    assert not host.said("XFORWARD")


# --- another host of the domain ---------------------------------------------------------------------------

ZONE = "both MX 10 one\nboth MX 20 two\none A 127.0.0.11\ntwo A 127.0.0.12\n"


@pytest.fixture
def two_hosts(make_server, make_peer, authority):
    """A domain with two hosts: with_offers(first, second) gives both and the server."""
    nsd = make_peer(peers.Nsd, {"zone.example": ZONE})
    port = free_port("127.0.0.11", "127.0.0.12")
    hosts = [Host(host=address, port=port, offers=[]) for address in ("127.0.0.11", "127.0.0.12")]
    server = make_server(
        'domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }\nroute "*" { via = mx }\n',
        dns=f'servers = {{"127.0.0.1:{nsd.port}"}}  timeout = 3s', queue="retry = {1s}  jitter = 0  warn = 0s",
        relay=f"port = {port}  loopback = true  idle = 1s  connect_timeout = 2s  ipv6 = false").start()

    def with_offers(*offers):
        for host, each in zip(hosts, offers):
            host.offers = list(each)
        return server, hosts

    yield with_offers
    server.stop()
    for host in hosts:
        host.close()


RRVS = "RRVS=2014-04-03T23:01:00Z;R"


def test_what_the_first_host_lacks_the_second_may_have(two_hosts):
    server, (one, two) = two_hosts(["PIPELINING"], ["RRVS"])
    data = give(server, "", RRVS, to="user@both.zone.example")
    assert two.wait(1)
    carried(two.messages[0], data)
    assert not one.said("MAIL") and one.sessions


def test_what_no_host_has_bounces(two_hosts):
    server, (one, two) = two_hosts(["PIPELINING"], ["PIPELINING"])
    give(server, "", RRVS, to="user@both.zone.example")
    (bounce,) = server.wait_mail(SENDER)
    assert "Status: 5.7.19" in bounce.data.decode()
    assert one.sessions and two.sessions


def test_what_a_host_that_is_away_may_have_waits(two_hosts):
    server, (one, two) = two_hosts(["RRVS"], ["PIPELINING"])
    one.script["greeting"] = ["421 4.3.2 away", "421 4.3.2 away", None]
    give(server, "", RRVS, to="user@both.zone.example")
    assert one.wait(1, 20)
    assert not server.mailbox(SENDER)


# --- Postfix and Exim ------------------------------------------------------------------------------------

def arrived(peer):
    """What is in alice's mailbox there; the peer has taken it, and delivers when it likes."""
    return wait_until(lambda: maildir.mailbox(peer.path("mail/alice@hop.test")), 30, "a message at the peer")


@pytest.mark.parametrize("discard, action", [("", "delivered"), ("dsn", "relayed"), ("chunking, dsn", "relayed"), ("starttls", "delivered")])
def test_postfix_takes_what_we_say(place, make_server, authority, discard, action):
    server = make_server(WORLD.replace('"*"', '"hop.test"'), far=0, pem=authority.pair[0], key=authority.pair[1])
    both = authority.both("postfix.test", peers.Postfix.owner)
    with peers.Postfix(place / "postfix", mailboxes=["hop.test"], transports={"example.org": f"smtp:[127.0.0.1]:{server.port}"},
                       settings={"smtpd_discard_ehlo_keywords": discard, "smtpd_tls_security_level": "may",
                                 "smtpd_tls_chain_files": both}) as postfix:
        server.configure(far=postfix.port)
        server.start()
        data = give(server, "BODY=8BITMIME RET=HDRS ENVID=QQ7", "NOTIFY=SUCCESS ORCPT=rfc822;alice@hop.test", to="alice@hop.test",
                    data=messages.plain(SENDER, "alice@hop.test", body=messages.awkward_body()))
        (report,) = server.wait_mail(SENDER, seconds=30)
        text = report.data.decode(errors="replace")
        assert f"Action: {action}" in text and "QQ7" in text
        (message,) = arrived(postfix)
        assert_carried(message, data)
        server.stop()


def test_exim_takes_what_we_say_by_bdat(place, make_server, authority):
    server = make_server(WORLD.replace('"*"', '"hop.test"'), far=0, pem=authority.pair[0], key=authority.pair[1])
    with peers.Exim(place / "exim", mailboxes=["hop.test"]) as exim:
        server.configure(far=exim.port)
        server.start()
        data = give(server, "BODY=8BITMIME", to="alice@hop.test",
                    data=messages.plain(SENDER, "alice@hop.test", body=messages.awkward_body()))
        server.wait_empty()
        (message,) = arrived(exim)
        assert_carried(message, data)
        assert " K " in exim.log()          # it was chunks
        server.stop()
