"""`postrider load`: everything it says it sent has arrived, and nothing is praised that was refused."""
import json
import socket

import pytest

def load(server, *words, expect=0, to="r%n@far.test", port=None):
    """The result as an object, after the exit status was as expected."""
    done = server.command("load", "--json", "--quiet", "--to", to, *words, f"127.0.0.1:{port or server.port}")
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
