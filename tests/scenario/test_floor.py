"""The least program that could do the work (bench/floor) is honest: what it counts is what it took."""
import json
import os
import random
import re
import smtplib
import socket
import ssl
import struct
import subprocess
import threading

import pytest

import debs
from certificates import Authority

FLOOR = debs.BUILD / "bench" / "floor"
PAGE = 4096
# It leaves what sessions have to the kernel when it ends; and slowdisk may come before a sanitizer.
SANITIZER = {"ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0"}

pytestmark = pytest.mark.skipif(not FLOOR.exists(), reason="built without bench")


class Floor:
    """A floor that runs; result() stops it and gives what it counted."""

    def __init__(self, place, *words):
        self.place = place
        self.popen = subprocess.Popen([str(FLOOR), "--spool", str(place), "--log-size", "64", *map(str, words)],
                                      stdout=subprocess.PIPE, text=True, env={**os.environ, **SANITIZER})
        self.port = int(self.popen.stdout.readline().removeprefix("port "))

    def result(self):
        self.popen.terminate()
        out, _ = self.popen.communicate(timeout=20)
        assert self.popen.returncode == 0
        return json.loads(out)

    def sessions(self):
        """What each session said, from the log: {number: octets}."""
        log, at, said = (self.place / "log").read_bytes(), 0, {}
        while log[at:at + 4] == b"FLOR":
            octets = struct.unpack_from("<I", log, at + 4)[0]
            for session, text in reads(log[at + 16:at + 16 + octets]):
                said[session] = said.get(session, b"") + text
            at += -(-(16 + octets) // PAGE) * PAGE
        return said


def reads(batch):
    at = 0
    while at < len(batch):
        session, n = struct.unpack_from("<II", batch, at)
        yield session, batch[at + 8:at + 8 + n]
        at += 8 + n


def replay(said):
    """The messages in what one session said, as an SMTP server reads it."""
    messages, body = [], b""
    while b"\n" in said:
        line, said = said.split(b"\n", 1)
        if line[:4].upper() == b"DATA":
            end = 0 if said.startswith(b".\r\n") else said.index(b"\r\n.\r\n") + 2
            messages.append(re.sub(rb"(?m)^\.", b"", said[:end]))
            said = said[end + 3:]
        elif line[:4].upper() == b"BDAT":
            n = int(line.split()[1])
            body, said = body + said[:n], said[n:]
            if b"LAST" in line.upper():
                messages.append(body)
                body = b""
    return messages


@pytest.fixture
def start(place):
    made = []

    def begin(*words):
        made.append(Floor(place, *words))
        return made[-1]
    yield begin
    for floor in made:
        floor.popen.kill()
        floor.popen.wait()


TEXTS = [b"a\r\n", b".\r\n", b"..\r\n.\r\n", b"\r\n", b"\r\n.x\r\n\r\n", b"x" * 70 + b"\r\n",
         b"first\r\n" + b"y" * 5000 + b"\r\n.\r\nlast.\r\n", b"A line.\r\n" * 40000]


def send_all(port, rounds):
    with smtplib.SMTP("127.0.0.1", port) as client:
        for number in range(rounds):
            text = TEXTS[number % len(TEXTS)]
            client.sendmail("a@a.test", ["b@b.test"] * (1 + number % 3), text)


def stuffed(text):
    return len(re.sub(rb"(?m)^\.", b"..", text))


@pytest.mark.parametrize("words", [[], ["--page-cache"], ["--sink"]])
def test_it_takes_what_smtplib_sends_and_counts_it(start, words):
    floor = start(*words)
    threads = [threading.Thread(target=send_all, args=(floor.port, 24)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result = floor.result()
    syncs = result.pop("syncs")
    assert result == {"sessions": 5, "messages": 120, "recipients": 240,
                      "bytes": 15 * sum(stuffed(text) for text in TEXTS)}
    if words == ["--sink"]:
        assert syncs == 0
    else:
        assert 24 <= syncs <= 120
        assert [replay(said) for _, said in sorted(floor.sessions().items())] == [TEXTS * 3] * 5


class Talk:
    """A client that sends what it is told, cut where chance says."""

    def __init__(self, port, chance):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.chance = chance

    def send(self, octets):
        while octets:
            n = self.chance.choice([1, 2, 3, 5, 100, 5000])
            self.socket.sendall(octets[:n])
            octets = octets[n:]

    def replies(self, n):
        """The codes of so many replies."""
        codes = []
        while len(codes) < n:
            line = self.file.readline()
            assert line, f"the connection ended after {codes}"
            if line[3:4] == b" ":
                codes.append(int(line[:3]))
        return codes


def test_the_end_is_found_wherever_reads_are_cut(start):
    floor = start()
    talk = Talk(floor.port, random.Random(4))
    text = b"one\r\n..two\r\n.\rno\r\n\r.\r\n\r\r\n..\r\n.x.\r\n"
    assert talk.replies(1) == [220]
    for _ in range(100):
        talk.send(b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n")
        assert talk.replies(3) == [250, 250, 354]
        talk.send(text + b".\r\n")
        assert talk.replies(1) == [250]
    talk.send(b"QUIT\r\n")
    assert talk.replies(1) == [221]
    assert floor.result()["bytes"] == 100 * len(text)
    assert replay(floor.sessions()[1]) == [text.replace(b"\r\n.", b"\r\n")] * 100


def test_many_messages_are_in_flight_and_answered_in_order(start):
    floor = start()
    talk = Talk(floor.port, random.Random(5))
    one = b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nBDAT 4\r\nabc\nBDAT 0\r\nBDAT 5 LAST\r\n.\r\nxy"
    two = b"MAIL FROM:<>\r\nRCPT TO:<b@b.test>\r\nRCPT TO:<c@b.test>\r\nBDAT 0 LAST\r\nNOOP\r\n"
    for _ in range(100):
        talk.send(one + two)
    talk.send(b"QUIT\r\n")
    assert talk.replies(1002) == [220] + [250] * 1000 + [221]
    result = floor.result()
    assert {**result, "syncs": 0} == {"sessions": 1, "messages": 200, "recipients": 300, "bytes": 900, "syncs": 0}
    assert replay(floor.sessions()[1]) == [b"abc\n.\r\nxy", b""] * 100


def test_what_is_out_of_order_is_refused(start):
    floor = start()
    talk = Talk(floor.port, random.Random(6))
    talk.send(b"RCPT TO:<b@b.test>\r\nDATA\r\nBDAT 3 LAST\r\nxyzMAIL FROM:<a@a.test>\r\nMAIL FROM:<a@a.test>\r\n"
              b"DATA\r\nRSET\r\nWHAT\r\nMAIL\r\nSTARTTLS\r\nBDAT\r\n")
    assert talk.replies(12) == [220, 503, 503, 503, 250, 503, 503, 250, 500, 501, 503, 501]
    assert talk.file.read() == b""
    assert floor.result()["messages"] == 0


def test_it_speaks_tls(start, place):
    authority = Authority(place / "ca")
    floor = start("--tls", *authority.sign("floor.test"))
    context = ssl.create_default_context(cafile=authority.pem)
    context.check_hostname = False
    with smtplib.SMTP("127.0.0.1", floor.port) as client:
        client.starttls(context=context)
        for text in TEXTS:
            client.sendmail("a@a.test", "b@b.test", text)
    result = floor.result()
    assert (result["messages"], result["bytes"]) == (len(TEXTS), sum(map(stuffed, TEXTS)))
    assert replay(floor.sessions()[1]) == TEXTS


def test_nothing_sent_in_the_clear_gets_behind_tls(start, place):
    floor = start("--tls", *Authority(place / "ca").sign("floor.test"))
    with socket.create_connection(("127.0.0.1", floor.port)) as client:
        client.sendall(b"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<a@a.test>\r\n")
        client.settimeout(5)
        assert b"220 go on" not in client.makefile("rb").read()


def test_clients_that_go_away_while_it_syncs_harm_nobody(start):
    floor = start()
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", floor.port)) as client:
            client.sendall(b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nBDAT 3 LAST\r\nxyz")
    send_all(floor.port, 8)
    assert 8 <= floor.result()["messages"] <= 58
