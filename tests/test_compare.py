"""bench/compare: its arithmetic, and one tiny run of Postrider and the floor."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("POSTRIDER_BUILD", REPOSITORY / "build")).resolve()
sys.path.insert(0, str(REPOSITORY / "bench"))

import figures      # noqa: E402: it is in bench/
import measure      # noqa: E402
import tables       # noqa: E402


def round_of(postrider, peer, floor=None):
    found = {"postrider": {"rate": postrider}, "postfix": {"rate": peer}}
    return {**found, "floor": {"rate": floor}} if floor else found


# The machine is half as fast in the second round, which changes no ratio.
ROUNDS = [round_of(1000, 100, 2000), round_of(520, 50, 1000), round_of(900, 100, 1500)]


def test_a_ratio_is_the_median_of_the_rounds():
    assert figures.ratios(ROUNDS, "postrider", "postfix", "rate") == [10, 10.4, 9]
    found = figures.Goal("rate", "peer", at_least=10).judge(ROUNDS, "postfix")
    assert (found["median"], found["least"], found["greatest"], found["met"]) == (10, 9, 10.4, True)
    assert not figures.Goal("rate", "floor", at_least=0.7).judge(ROUNDS, "postfix")["met"]


def test_a_goal_about_what_was_not_measured_says_nothing():
    assert figures.Goal("rate", "peer", at_least=10).judge(ROUNDS, "exim") is None
    assert figures.Goal("memory", at_most=160).judge(ROUNDS, "postfix") is None


def test_less_is_better_where_a_goal_says_so():
    rounds = [{"postrider": {"latency_p99": 2.0}, "postfix": {"latency_p99": 5.0}}]
    found = figures.Goal("latency_p99", "peer", at_most=0.5).judge(rounds, "postfix")
    assert found["met"] and found["median"] == pytest.approx(0.4) and found["wanted"] == "≤ 0.5×"


def test_the_summary_has_median_and_spread():
    assert figures.summary(ROUNDS)["postrider"]["rate"] == {"median": 900, "least": 520, "greatest": 1000}


def test_numbers_have_no_more_digits_than_mean_something():
    assert [figures.number(n) for n in (12345.6, 123.4, 12.34, 1.234)] == ["12,346", "123", "12.3", "1.23"]


def test_the_table_of_strace_is_read():
    text = ("% time     seconds  usecs/call     calls    errors syscall\n"
            "------ ----------- ----------- --------- --------- ----------------\n"
            " 60.00    0.001200           4       300         2 read\n"
            " 40.00    0.000800           8       100           fdatasync\n"
            "------ ----------- ----------- --------- --------- ----------------\n"
            "100.00    0.002000           5       400         2 total\n")
    assert measure.calls_in(text) == {"read": 300, "fdatasync": 100}


def test_the_table_has_ours_first():
    result = {"summary": figures.summary(ROUNDS), "calls": {"floor": {"calls": 10.0, "syncs": 0.02}}}
    lines = tables.table_of(result, {"postrider": "Postrider", "floor": "the floor", "postfix": "Postfix"})
    assert [line.split("  ")[0].strip() for line in lines[1:]] == ["Postrider", "the floor", "Postfix"]
    assert lines[1].split()[1:] == ["900", "(520–1,000)", "–", "–"]


def compare(*words):
    return subprocess.run([str(REPOSITORY / "bench/compare"), *words, "--build", str(BUILD)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60)


@pytest.mark.skipif(not (BUILD / "bench/floor").exists(), reason="built without bench")
def test_a_tiny_comparison(tmp_path):
    done = compare("none", "accept-kept", "--rounds", "1", "--messages", "200", "--no-trace", "--results", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "accept-kept-none.json").read_text())
    assert result["rounds"][0]["postrider"]["n"] == result["rounds"][0]["floor"]["n"] == 200
    assert [goal["against"] for goal in result["goals"]] == ["floor", "floor"]
    assert "Postrider" in done.stdout and "the floor" in done.stdout


def test_what_is_unknown_is_refused():
    for words in (("none", "nothing"), ("nobody", "relay"), ("none",)):
        assert compare(*words).returncode == 64
