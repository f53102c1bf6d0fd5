"""`postrider load`: everything it says it sent has arrived, and nothing is praised that was refused."""
import json
import signal
import socket
import subprocess
import threading
import time

import pytest

from certificates import Authority
from ports import free_port
from postrider import COMMAND

def load(server, *words, expect=0, to="r%n@far.test", port=None):
    """The result as an object, after the exit status was as expected."""
    done = server.command("load", "--json", "--quiet", "--time", "20s", "--to", to, *words, f"127.0.0.1:{port or server.port}")
    assert done.returncode == expect, f"{done.returncode}\n{done.stdout}{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def world(make_server):
    return make_server('route "far.test" { via = hold }\n').start()


@pytest.mark.parametrize("words", [
    (), ("--per-connection", "1"), ("--per-connection", "7"), ("--pipelining", "--spread", "10"),
    ("--pipelining",), ("--bdat",), ("--pipelining", "--bdat"),
    ("--pipelining", "--bdat", "--spread", "10", "--recipients", "3", "--window", "3"),
    ("--size", "300000", "--bdat", "--pipelining"), ("--recipients", "20"), ("--warmup", "30"),
], ids=" ".join)
def test_all_that_is_counted_was_queued(world, words):
    result = load(world, *words, "--sessions", "5", "--messages", "60")
    assert (result["accepted"], result["refused"], result["failed"]) == (60, 0, 0)
    assert world.queue_count() == 60 + (30 if "--warmup" in words else 0)
    latency = result["latency_ms"]
    assert 0 < latency["min"] <= latency["median"] <= latency["p99"] <= latency["max"]
    assert result["seconds"] < 8            # what came behind a message does not wait for a tick
    assert result["connections"] == {"1": 60, "7": 10}.get(words[1] if "--per-connection" in words else "", 5)


def test_time_ends_what_no_number_ends(world):
    result = load(world, "--time", "1", "--sessions", "3")
    assert result["accepted"] == world.queue_count() > 10
    assert 0.5 < result["seconds"] < 5


def test_people_are_told_in_words(world):
    text = world.told("load", "--to", "a@far.test", "--messages", "10", f"127.0.0.1:{world.port}")
    assert "accepted 10, refused 0, failed 0" in text and "MAIL to last reply" in text


@pytest.mark.parametrize("words", [(), ("--pipelining",), ("--bdat",), ("--pipelining", "--bdat")], ids=" ".join)
def test_what_is_refused_is_said(make_server, words):
    world = make_server('domain "ours.test" { recipients = any  deliver = discard }', trust="networks = {}").start()
    result = load(world, *words, "--messages", "20", "--sessions", "2", to="a@nowhere.invalid", expect=75)
    assert result["accepted"] == 0 and result["refused"] + result["failed"] == 20
    assert result["refused"] >= 10          # the server hangs up on who makes too many mistakes
    assert "RCPT: 5" in result["trouble"] and world.queue_count() == 0


def test_nobody_listens(world):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    result = load(world, "--messages", "5", port=port, expect=75)
    assert result["failed"] == 5 and "refused" in result["trouble"]


def test_idle_sessions_stay_while_others_work(world):
    result = load(world, "--idle", "--sessions", "40", "--messages", "20", "--per-connection", "1")
    assert (result["open"], result["lost"], result["accepted"], result["connections"]) == (40, 0, 20, 60)
    assert len(world.wait_event("disconnect", 60)) >= 60


def test_idle_ends_with_standard_input(world):
    done = world.command("load", "--idle", "--sessions", "4", f"127.0.0.1:{world.port}", input="")
    assert done.returncode == 0 and done.stdout.startswith("open 4\n")


def test_ctrl_c_tells_what_was_measured(world):
    command = subprocess.Popen([COMMAND, "load", "--json", "--to", "a@far.test", "--time", "50s", f"127.0.0.1:{world.port}"],
                               stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    command.send_signal(signal.SIGINT)
    result = json.loads(command.communicate(timeout=10)[0])
    assert command.returncode == 75 and result["interrupted"]
    assert 0 < result["accepted"] <= world.queue_count() and result["failed"] == 0


# --- TLS and logins ---------------------------------------------------------------

NAME, USER, PASSWORD = "mx.example.org", "alice@example.org", "wonder land"
SECRET = """route "far.test" { via = hold }
tls "mx.example.org" { certificate = "$pem"  key = "$key" }
accounts = "file:$accounts"
"""
LISTENERS = """listen "127.0.0.1:$port" { role = mx  tls = offer }
listen "127.0.0.1:$implicit" { role = submission  tls = implicit }
listen "127.0.0.1:$submission" { role = submission  tls = offer }
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secret(make_server, place, authority):
    """A server with TLS at once, STARTTLS, and an account."""
    pem, key = authority.sign(NAME)
    (place / "password").write_text(PASSWORD + "\n")
    subprocess.run([COMMAND, "account", "add", "--file", place / "accounts", "--clear", USER], input=PASSWORD + "\n",
                   text=True, check=True, stdout=subprocess.DEVNULL)
    implicit, submission = free_port(), free_port()
    made = make_server(SECRET, listeners=LISTENERS, hostname=NAME, pem=pem, key=key, accounts=place / "accounts",
                       implicit=implicit, submission=submission)
    made.implicit, made.submission, made.password = implicit, submission, place / "password"
    return made.start()


@pytest.mark.parametrize("words", [
    (), ("--per-connection", "1"), ("--pipelining", "--bdat"), ("--resume", "--per-connection", "5"),
    ("--size", "200000", "--sessions", "2"), ("--brisk", "--per-connection", "3"),
    ("--brisk", "--size", "200000", "--sessions", "2"), ("--brisk", "--pipelining", "--bdat"),
], ids=" ".join)
def test_messages_over_tls(secret, words):
    result = load(secret, "--tls", "--sessions", "5", "--messages", "40", *words)
    assert (result["accepted"], result["refused"], result["failed"]) == (40, 0, 0)
    assert secret.queue_count() == 40


@pytest.mark.parametrize("mechanism", [None, "PLAIN", "LOGIN", "SCRAM-SHA-256", "CRAM-MD5"])
def test_logins(secret, mechanism):
    words = ["--tls-on-connect", "--auth", USER, "--password-file", secret.password, "--from", USER]
    result = load(secret, *words, *(["--mechanism", mechanism] if mechanism else []),
                  "--sessions", "3", "--messages", "9", "--per-connection", "2", port=secret.implicit)
    assert result["accepted"] == 9 == secret.queue_count() and result["connections"] >= 5


def test_a_wrong_password_is_refused(secret, place):
    (place / "wrong").write_text("wrong\n")
    result = load(secret, "--tls", "--auth", USER, "--password-file", place / "wrong", "--sessions", "1",
                  "--messages", "3", port=secret.submission, expect=75)
    assert result["accepted"] == 0 and result["trouble"].startswith("AUTH: 535")


@pytest.mark.parametrize("words", [(), ("--tls",), ("--tls", "--resume"), ("--tls", "--brisk")], ids=" ".join)
def test_handshakes(secret, words):
    result = load(secret, "--handshakes", "--sessions", "4", "--messages", "50", *words)
    assert (result["accepted"], result["failed"], result["connections"]) == (50, 0, 50)
    assert result["latency_ms"]["min"] > 0 and secret.queue_count() == 0
    assert result.get("resumed", 1) > 0     # a ticket is good for the process that gave it


def test_idle_sessions_over_tls(secret):
    result = load(secret, "--idle", "--tls", "--sessions", "30", "--messages", "10")
    assert (result["open"], result["lost"], result["accepted"]) == (30, 0, 10)


# --- servers of another kind ---------------------------------------------------------

class Scripted:
    """Answers each line of every connection with what `answers` says of its first word."""

    def __init__(self, greeting=b"220 x\r\n", piece=None, **answers):
        self.answers = {"EHLO": b"250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n", "MAIL": b"250 ok\r\n", "RCPT": b"250 ok\r\n",
                        "DATA": b"354 go\r\n", ".": b"250 ok\r\n", "QUIT": b"221 bye\r\n", "RSET": b"250 ok\r\n"}
        self.answers.update({word.replace("dot", "."): answer for word, answer in answers.items()})
        self.greeting, self.piece, self.said = greeting, piece, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def send(self, connection, text):
        step = self.piece or max(len(text), 1)
        for at in range(0, len(text), step):
            connection.sendall(text[at:at + step])
            if self.piece:
                time.sleep(0.001)

    def serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send(connection, self.greeting)
        in_text = False
        for line in connection.makefile("rb"):
            word = line.split()[0].decode() if line.split() else ""
            if in_text and word != ".":
                continue
            answer = self.answers.get(word, b"500 what?\r\n")
            in_text = word == "DATA" and answer.startswith(b"354")
            self.said.append(word)
            if answer == b"":
                break
            self.send(connection, answer)
        connection.close()


def scripted_load(server, *words, expect=0):
    done = subprocess.run([COMMAND, "load", "--json", "--sessions", "1", "--messages", "4", "--to", "a@far.test", *words,
                           f"127.0.0.1:{server.port}"], stdout=subprocess.PIPE, timeout=30, text=True)
    assert done.returncode == expect, done.stdout
    return json.loads(done.stdout)


def counts(result):
    return result["accepted"], result["refused"], result["failed"]


def test_replies_in_pieces_and_of_many_lines():
    server = Scripted(piece=1, dot=b"250-one\r\n250-two\r\n250 three\r\n", greeting=b"220-a\r\n220 b\r\n")
    assert counts(scripted_load(server)) == (4, 0, 0)
    assert counts(scripted_load(server, "--pipelining")) == (4, 0, 0)


@pytest.mark.parametrize("word,answer,says", [
    ("MAIL", b"451 no\r\n", "MAIL: 451 no"), ("RCPT", b"550 no\r\n", "RCPT: 550 no"), ("DATA", b"554 no\r\n", "DATA: 554 no"),
    ("dot", b"452 no\r\n", "text: 452 no"),
])
@pytest.mark.parametrize("words", [(), ("--pipelining",)], ids=" ".join)
def test_a_refusal_leaves_the_connection_usable(word, answer, says, words):
    server = Scripted(**{word: answer})
    result = scripted_load(server, *words, expect=75)
    assert counts(result) == (0, 4, 0) and result["trouble"] == says and result["connections"] == 1
    assert server.said[-1] == "QUIT" and server.said.count("MAIL") == 4


def test_a_text_that_nobody_wanted_is_empty():
    server = Scripted(RCPT=b"550 no\r\n")
    assert counts(scripted_load(server, "--pipelining", expect=75)) == (0, 4, 0)
    assert server.said.count("DATA") == server.said.count(".") == 4


@pytest.mark.parametrize("more,says", [
    ({"dot": b"garbage\r\n"}, "text: that was not SMTP"), ({"dot": b"250-a\r\n251 b\r\n"}, "text: that was not SMTP"),
    ({"RCPT": b""}, "RCPT: the server closed the connection"), ({"dot": b"250-" + b"x" * 40000}, "text: a reply is too long"),
])
def test_what_makes_no_sense_has_failed(more, says):
    result = scripted_load(Scripted(**more), expect=75)
    assert counts(result) == (0, 0, 4) and result["trouble"] == says and result["connections"] == 4


def test_a_server_without_what_was_asked_for():
    server = Scripted(EHLO=b"250 x\r\n")
    for option, name in (("--pipelining", "PIPELINING"), ("--bdat", "CHUNKING"), ("--tls", "STARTTLS")):
        result = scripted_load(server, option, expect=75)
        assert result["accepted"] == 0 and f"offers no {name}" in result["trouble"]


def test_no_password_without_tls(tmp_path):
    (tmp_path / "password").write_text("secret\n")
    server = Scripted(EHLO=b"250-x\r\n250 AUTH PLAIN\r\n")
    result = scripted_load(server, "--auth", "me", "--password-file", tmp_path / "password", expect=75)
    assert "only over TLS" in result["trouble"] and "AUTH" not in server.said


def test_a_full_server_is_not_asked_for_ever():
    result = scripted_load(Scripted(greeting=b"421 full\r\n"), "--messages", "100000", expect=75)
    assert result["refused"] == 200 and result["trouble"] == "greeting: 421 full"
