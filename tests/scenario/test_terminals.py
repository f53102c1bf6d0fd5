"""SEND, SOML and SAML: messages on the terminals of people who are logged in."""
import grp
import os
import pwd
import select
import struct
import termios
import time

import pytest

import postrider
from client import Client, stuffed
from ports import wait_until

SENDER = "eak@mc.test"
USER = "daemon" if postrider.ROOT else pwd.getpwuid(os.getuid()).pw_name
ALICE = f"{USER}@sys.test"
WORLD = ('utmp = "$place/utmp"\n'
         'domain "sys.test" { deliver = "maildir:$mail/%d/%u" }\n'
         'offer "mx" { trusted = {"default", "SEND", "SOML", "SAML"} }\n')
UTMP = struct.Struct("hxxi32s4s32s256shhiii4i20x")       # utmp(5) of x86-64


class Terminal:
    """A pty that belongs to the recipient and takes messages."""

    def __init__(self, mode=0o620, owner=USER):
        self.master, self.slave = os.openpty()
        self.path = os.ttyname(self.slave)
        if postrider.ROOT:
            os.chown(self.path, pwd.getpwnam(owner).pw_uid, grp.getgrnam("tty").gr_gid)
        os.chmod(self.path, mode)
        self.text = b""

    @property
    def line(self):
        return self.path.removeprefix("/dev/")

    def read(self, seconds=0.0):
        while select.select([self.master], [], [], seconds)[0]:
            self.text += os.read(self.master, 65536)
            seconds = 0.1
        return self.text

    def wait(self, word, seconds=15):
        wait_until(lambda: word in self.read(), seconds, f"{word} on the terminal, which shows {self.text}")
        return self.text

    def close(self):
        os.close(self.slave)
        os.close(self.master)


def log_in(server, *lines, user=USER):
    """Who is logged in now: one record of utmp for each line."""
    with open(server.place / "utmp.new", "wb") as f:
        for line in lines:
            line = line.line if isinstance(line, Terminal) else line
            f.write(UTMP.pack(7, os.getpid(), line.encode(), b"", user.encode(), b"", 0, 0, 0, 0, 0, 0, 0, 0, 0))
    os.chmod(server.place / "utmp.new", 0o644)
    os.rename(server.place / "utmp.new", server.place / "utmp")


@pytest.fixture
def terminal():
    try:
        made = Terminal()
    except OSError:
        pytest.skip("no pty here")
    yield made
    made.close()


@pytest.fixture
def world(make_server):
    assert UTMP.size == 384
    server = make_server(WORLD)
    log_in(server)
    server.start()
    yield server
    if server.process is not None:
        server.stop()


def converse(server, verb, text=b"Subject: hello\r\n\r\nit rings\r\n", recipient=ALICE, sender=SENDER,
             before_text=lambda: None):
    """The codes of RCPT and of the text, and the words to RCPT."""
    client = Client(server.port)
    assert client.hello()[0] == 250
    assert client.command(f"{verb} FROM:<{sender}>")[0] == 250
    code, words = client.command(f"RCPT TO:<{recipient}>")
    if code != 250:
        client.quit()
        return code, None, words
    before_text()
    assert client.command("DATA")[0] == 354
    client.send(stuffed(text))
    answer = client.reply()[0]
    client.quit()
    return code, answer, words


def mails(server):
    return server.mailbox(ALICE)


def test_send_reaches_the_terminal_and_no_mailbox(world, terminal):
    log_in(world, terminal)
    assert converse(world, "SEND")[:2] == (250, 250)
    text = terminal.wait(b"(end of message)")
    assert b"Message from <eak@mc.test>" in text and b"[127.0.0.1]" in text
    assert b"| Subject: hello" in text and b"| it rings" in text
    world.wait_empty()
    assert mails(world) == []


def test_send_to_who_is_away_is_refused_for_now(world):
    code, _, words = converse(world, "SEND")
    assert code == 450 and words.startswith(b"4.2.1")
    assert mails(world) == [] and world.queue_count() == 0


def test_soml_reaches_the_terminal_or_else_the_mailbox(world, terminal):
    code, answer, words = converse(world, "SOML")
    assert (code, answer) == (250, 250) and b"will do mail" in words
    world.wait_mail(ALICE, 1)
    log_in(world, terminal)
    assert converse(world, "SOML")[:2] == (250, 250)
    terminal.wait(b"it rings")
    world.wait_empty()
    assert len(mails(world)) == 1


def test_saml_reaches_the_mailbox_and_the_terminal_too(world, terminal):
    assert converse(world, "SAML")[:2] == (250, 250)
    world.wait_mail(ALICE, 1)
    log_in(world, terminal)
    assert converse(world, "SAML")[:2] == (250, 250)
    terminal.wait(b"it rings")
    world.wait_mail(ALICE, 2)
    world.wait_empty()


def test_nothing_of_a_message_controls_the_terminal(world, terminal):
    log_in(world, terminal)
    evil = b"\x1b]0;x\x07\x1b[2J\x9b31m\xc2\x9b31m\x08\x7f\rfake\r\n"
    text = (b"Subject: \x1b[31mred\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Content-Transfer-Encoding: 8bit\r\n\r\nline\r\n" + evil.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n"
            + "\u202egnp.exe \u00fc\r\n".encode())
    assert converse(world, "SEND", text, sender='"a\\"b"@mc.test')[:2] == (250, 250)
    shown = terminal.wait(b"(end of message)")
    assert shown.count(b"\x07") == 1 and b"\x1b" not in shown and b"\x7f" not in shown and b"\x08" not in shown
    assert "\u202e" not in shown.decode() and "| gnp.exe \u00fc" in shown.decode()
    assert b"\xc2\x9b" not in shown


def test_a_binary_or_encoded_text_is_decoded_for_the_terminal(world, terminal):
    log_in(world, terminal)
    text = (b"Subject: two\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
            b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            b"plain =C3=BC=1B[2J\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>html</p>\r\n--b--\r\n")
    assert converse(world, "SEND", text)[:2] == (250, 250)
    shown = terminal.wait(b"(end of message)")
    assert "| plain \u00fc[2J" in shown.decode() and b"html" not in shown


def test_a_long_text_is_cut(world, terminal):
    log_in(world, terminal)
    assert converse(world, "SEND", b"\r\n" + b"y" * 900 + b"\r\n" + b"line\r\n" * 5000)[:2] == (250, 250)
    shown = terminal.wait(b"(end of message)")
    lines = shown.replace(b"\r", b"").split(b"\n")
    assert max(map(len, lines)) <= 200 and len(lines) < 1000 and b"| ..." in lines


@pytest.mark.parametrize("verb,code", [("SEND", 450), ("SOML", 250)])
def test_who_takes_no_messages_is_not_disturbed(world, verb, code):
    terminal = Terminal(mode=0o600)                 # mesg n
    log_in(world, terminal)
    assert converse(world, verb)[0] == code
    if verb == "SOML":
        world.wait_mail(ALICE, 1)
    assert terminal.read(0.3) == b""
    terminal.close()


@pytest.mark.skipif(not postrider.ROOT, reason="only root can make a terminal of somebody else's")
def test_a_terminal_of_somebody_else_is_never_written_to(world):
    terminal = Terminal(owner="games")
    log_in(world, terminal)
    assert converse(world, "SEND")[0] == 450
    assert terminal.read(0.3) == b""
    terminal.close()


def test_lines_of_utmp_that_are_no_terminals_are_passed_over(world, tmp_path):
    target = tmp_path / "target"
    target.write_text("")
    target.chmod(0o666)
    log_in(world, f"../..{target}", "null", "../dev/null", ":0", "pts/../../tmp/x", "pts/4000000", "")
    assert converse(world, "SEND")[0] == 450
    assert target.read_text() == ""


def test_the_terminal_used_last_is_the_one(world, terminal):
    other = Terminal()
    log_in(world, terminal, other)
    os.utime(terminal.path, (2_000_000_000, 2_000_000_000))
    assert converse(world, "SEND")[:2] == (250, 250)
    terminal.wait(b"it rings")
    assert other.read(0.3) == b""
    other.close()


def test_a_stopped_terminal_holds_up_nobody(world, terminal):
    log_in(world, terminal)
    termios.tcflow(terminal.slave, termios.TCOOFF)      # XOFF
    began = time.monotonic()
    assert converse(world, "SOML")[:2] == (250, 250)
    world.wait_mail(ALICE, 1)
    assert time.monotonic() - began < 10
    termios.tcflow(terminal.slave, termios.TCOON)
    assert b"it rings" not in terminal.read(0.3)


def test_who_leaves_before_the_text_gets_it_when_he_is_back(world, terminal):
    log_in(world, terminal)
    assert converse(world, "SEND", before_text=lambda: log_in(world))[:2] == (250, 250)
    world.wait_event("deferred")
    log_in(world, terminal)
    terminal.wait(b"it rings", 20)
    world.wait_empty()
    assert mails(world) == []


def test_who_has_not_been_granted_them_has_none(make_server):
    server = make_server(WORLD.replace('offer "mx" { trusted = {"default", "SEND", "SOML", "SAML"} }', ""))
    log_in(server)
    server.start()
    client = Client(server.port)
    offered = client.hello()[1]
    assert not {b"SEND", b"SOML", b"SAML"} & set(offered.split())
    for verb in ("SEND", "SOML", "SAML"):
        assert client.command(f"{verb} FROM:<{SENDER}>")[0] == 502
    client.quit()
    server.stop()
