"""Programs that people have speak the rare commands with us: curl, msmtp, fetchmail, Perl's
Net::SMTP, swaks, nodemailer, Exim."""
import os
import subprocess
import textwrap

import pytest

import debs
import messages
import peers
from maildir import assert_carried, mailbox
from ports import free_port, wait_until
from process import done, needs
from postrider import Server

SENDER, RECIPIENT = "sender@client.test", "alice@example.org"
PASSWORD = "correct horse battery"


LISTENERS = """
    listen "127.0.0.1:$port" { role = mx  auth = offer  auth_clear = true }
    listen "127.0.0.1:$odmr" { role = odmr  auth = offer  auth_clear = true }
"""

TEXT = """
    accounts = "file:$place/accounts"
    domain "example.org" {
        recipients = "file:$place/recipients"
        aliases = "file:$place/aliases"
        deliver = "maildir:$mail/%d/%u"
    }
    peer "customer" { accounts = {"cust"}  domains = {"cust.example"}  grant = {etrn, atrn, turn} }
    peer "near" { networks = {"127.0.0.0/8"}  domains = {"cust.example"}  grant = {etrn, vrfy, expn, send, soml, saml} }
    route "cust.example" { via = $via }
"""


def account(path, name, password=PASSWORD):
    """As `postrider account add --clear` makes it: CRAM-MD5 needs the password itself."""
    path.touch(mode=0o600)
    done([debs.BUILD / "postrider", "account", "add", "--file", path, "--clear", name], input=password.encode() + b"\n")


@pytest.fixture
def provider(make_server, place):
    """A server that holds mail for cust.example until it is asked for."""
    def make(via="hold", text=TEXT, **more):
        odmr = free_port()
        server = make_server(text, listeners=LISTENERS, odmr=odmr, via=via, **more)
        server.odmr = odmr
        account(server.place / "accounts", "cust")
        (server.place / "recipients").write_text("alice\nbob\n")
        (server.place / "aliases").write_text("staff: alice, bob\nremote: someone@elsewhere.example\n")
        return server.start()
    return make


# --------------------------------------------------------------------- curl --

def curl(server, *words):
    needs("curl")
    return done(["curl", "--silent", "--show-error", f"smtp://127.0.0.1:{server.port}/client.test", *words])


def test_curl_verifies_a_user(provider):
    assert "<alice@example.org>" in curl(provider(), "--mail-rcpt", "alice@example.org")


def test_curl_expands_a_list(provider):
    said = curl(provider(), "--mail-rcpt", "staff@example.org", "--request", "EXPN")
    assert "<alice@example.org>" in said and "<bob@example.org>" in said


def test_curl_asks_for_help(provider):
    said = curl(provider(), "--request", "HELP")
    for verb in ("MAIL", "RCPT", "DATA", "BDAT", "ETRN", "VRFY", "EXPN"):
        assert verb in said


def test_curl_starts_a_queue(provider):
    assert curl(provider(), "--request", "ETRN cust.example").startswith("25")


# -------------------------------------------------------------------- msmtp --

@pytest.mark.parametrize("form", ["cust.example", "@cust.example"])
def test_msmtp_starts_a_queue(provider, form):
    needs("msmtp")
    server = provider()
    done(["msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={server.port}", "--tls=off", "--auth=off",
          f"--rmqs={form}"])


# ---------------------------------------------------------------- Net::SMTP --

def perl(server, script):
    needs("perl")
    head = f"""
        use strict; use warnings; use Net::SMTP;
        my $s = Net::SMTP->new('127.0.0.1', Port => {server.port}, Hello => 'client.test', Timeout => 20)
            or die "no connection: $@";
        sub must {{ my ($ok, $what) = @_; $ok or die "$what: " . $s->code . ' ' . $s->message; }}
    """
    return done(["perl", "-e", textwrap.dedent(head + script)])


def test_net_smtp_sends_binary_by_bdat(provider):
    server = provider()
    perl(server, r"""
        must($s->mail('sender@client.test', Bits => 'binary'), 'MAIL');
        must($s->to('alice@example.org'), 'RCPT');
        must($s->bdat("Subject: binary\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
                      . "Content-Transfer-Encoding: binary\r\n\r\n\0\1\r\xff\n."), 'BDAT');
        must($s->bdatlast("end\r\n"), 'BDAT LAST');
        $s->quit;
    """)
    (delivered,) = server.wait_mail(RECIPIENT)
    assert delivered.parsed.get_payload(decode=True) == b"\0\1\r\xff\n.end\r\n"


def test_net_smtp_asks_for_a_success_report(provider):
    server = provider()
    perl(server, r"""
        must($s->mail('bob@example.org', Return => 'HDRS', Envelope => 'id42'), 'MAIL');
        must($s->to('alice@example.org', { Notify => ['SUCCESS'], ORcpt => 'rfc822;alice@example.org' }), 'RCPT');
        must($s->data("Subject: report me\r\n\r\nText\r\n"), 'DATA');
        $s->quit;
    """)
    server.wait_mail(RECIPIENT)
    (report,) = server.wait_mail("bob@example.org")
    assert b"Action: delivered" in report.data and b"Original-Envelope-Id: id42" in report.data
    assert b"Subject: report me" in report.data and b"\nText\n" not in report.data


@pytest.mark.parametrize("verb", ["send", "send_or_mail", "send_and_mail"])
def test_net_smtp_sends_to_a_terminal_or_mailbox(provider, verb):
    """Nobody is logged in: SEND is refused for now, the other two go to the mailbox."""
    server = provider()
    said = perl(server, f"""
        must($s->{verb}('sender@client.test'), '{verb}');
        my $ok = $s->to('alice@example.org');
        if (!$ok) {{ print $s->code; exit 0; }}
        must($s->data("Subject: hello\\r\\n\\r\\nText\\r\\n"), 'DATA');
        print 'mailed';
        $s->quit;
    """)
    assert said == ("450" if verb == "send" else "mailed")
    if verb != "send":
        server.wait_mail(RECIPIENT)


def test_net_smtp_starts_a_queue_verifies_and_expands(provider):
    said = perl(provider(), r"""
        must($s->etrn('cust.example'), 'ETRN');
        must($s->verify('alice@example.org'), 'VRFY');
        my @members = $s->expand('staff@example.org');
        print "@members";
    """)
    assert "alice@example.org" in said and "bob@example.org" in said


# -------------------------------------------------------------------- swaks --

def swaks(server, *words):
    needs("swaks")
    return done(["swaks", "--server", "127.0.0.1", "--port", server.port, "--from", SENDER, "--to", RECIPIENT,
                 "--helo", "client.test", *words])


def test_swaks_pipelines(provider):
    server = provider()
    said = swaks(server, "--pipeline")
    assert said.index("-> RCPT TO") < said.index("<-  250 2.1.0")
    server.wait_mail(RECIPIENT)


def test_swaks_says_for_whom_it_speaks_by_xclient(provider):
    server = provider(text=TEXT + """
        peer "proxy" { networks = {"127.0.0.1"}  grant = {xclient} }
    """)
    swaks(server, "--xclient-addr", "192.0.2.77", "--xclient-helo", "far.example")
    (delivered,) = server.wait_mail(RECIPIENT)
    assert "[192.0.2.77]" in delivered.header("Received")


def test_swaks_may_not_say_so_when_nobody_listed_it(provider):
    finished = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(provider().port), "--from", SENDER,
                               "--to", RECIPIENT, "--xclient-addr", "192.0.2.77"], stdout=subprocess.PIPE, timeout=60)
    assert finished.returncode != 0


# ------------------------------------------------------- nodemailer and Exim --

def test_nodemailer_carries_a_message(provider, place):
    server = provider()
    root = debs.unpacked("nodemailer")
    script = place / "send.js"
    script.write_text(textwrap.dedent(f"""
        const mailer = require("{root}/usr/share/nodejs/nodemailer");
        const transport = mailer.createTransport({{ host: "127.0.0.1", port: {server.port}, ignoreTLS: true,
            name: "client.test", auth: {{ user: "cust", pass: "{PASSWORD}" }} }});
        transport.sendMail({{ from: "{SENDER}", to: "{RECIPIENT}", subject: "Grüße", text: "Über alles\\n.\\n",
            dsn: {{ id: "n1", return: "headers", notify: ["success"], recipient: "{SENDER}" }} }})
            .then(info => console.log(info.response), trouble => {{ console.error(trouble); process.exit(1); }});
        """))
    needs("node")
    assert "queued as" in done(["node", script])
    (delivered,) = server.wait_mail(RECIPIENT)
    assert delivered.header("Subject") == "Grüße"


def test_exim_sends_in_chunks(provider, make_peer):
    server = provider()
    exim = make_peer(peers.Exim, routes={"example.org": server.port})
    sent = messages.plain(SENDER, RECIPIENT, body=messages.awkward_body())
    done(["curl", "--silent", "--show-error", f"smtp://127.0.0.1:{exim.port}/client.test", "--mail-from", SENDER,
          "--mail-rcpt", RECIPIENT, "--upload-file", "-"], input=sent)
    (delivered,) = server.wait_mail(RECIPIENT)
    assert_carried(delivered, sent)
    assert " K " in exim.log()              # Exim's mark of a message that went in chunks


# ---------------------------------------------------------------- fetchmail --

def fetchmail(place, text):
    root = debs.unpacked("fetchmail")
    rc = place / "fetchmailrc"
    rc.write_text(textwrap.dedent(text))
    rc.chmod(0o600)
    home = place / "home"
    home.mkdir(exist_ok=True)
    env = {**os.environ, "HOME": str(home), "LD_LIBRARY_PATH": debs.library_path(root)}
    finished = subprocess.run([str(root / "usr/bin/fetchmail"), "-f", str(rc), "--nodetach", "-v", "--pidfile",
                               str(place / "fetchmail.pid")], env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60)
    return finished.returncode, finished.stdout.decode(errors="replace")


def put_in(server, count):
    bodies = []
    for n in range(count):
        sent = messages.plain(SENDER, "user@cust.example", body=f"Message {n}\r\n.dot\r\n")
        done(["curl", "--silent", "--show-error", f"smtp://127.0.0.1:{server.port}/client.test", "--mail-from",
              SENDER, "--mail-rcpt", "user@cust.example", "--upload-file", "-"], input=sent)
        bodies.append(sent)
    return bodies


def test_fetchmail_gets_its_mail_by_odmr(provider, make_server, place):
    server = provider()
    customer = make_server('domain "cust.example" { recipients = any  deliver = "maildir:$mail/%d/%u" }',
                           name="customer", hostname="cust.example").start()
    sent = put_in(server, 3)
    status, said = fetchmail(place, f"""
        poll 127.0.0.1 protocol ODMR service {server.odmr} auth cram-md5
          user "cust" password "{PASSWORD}"
          fetchdomains cust.example
          smtphost 127.0.0.1/{customer.port}
        """)
    assert status == 0, said
    assert len(customer.wait_mail("user@cust.example", len(sent))) == len(sent)
    server.wait_empty()
    customer.stop()


def test_fetchmail_hears_that_there_is_no_mail(provider, place):
    server = provider()
    status, said = fetchmail(place, f"""
        poll 127.0.0.1 protocol ODMR service {server.odmr} auth cram-md5
          user "cust" password "{PASSWORD}"
          fetchdomains cust.example
          smtphost 127.0.0.1/{server.port}
        """)
    assert "453" in said, said


def test_fetchmail_starts_its_queue_by_etrn(provider, place, make_server):
    customer = make_server('domain "cust.example" { recipients = any  deliver = "maildir:$mail/%d/%u" }',
                           name="customer", hostname="cust.example")
    server = provider(via=f'"127.0.0.1:{customer.port}"', queue="retry = {1h}")
    put_in(server, 2)
    server.wait_event("deferred")
    customer.start()
    status, said = fetchmail(place, f"""
        poll 127.0.0.1 protocol ETRN service {server.port}
          fetchdomains cust.example
          smtphost 127.0.0.1
        """)
    assert "25" in said, said
    assert len(customer.wait_mail("user@cust.example", 2)) == 2
    customer.stop()
