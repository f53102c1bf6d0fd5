"""bench/compare: its arithmetic, and one tiny run of Postrider and the floor."""
import json
import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("POSTRIDER_BUILD", REPOSITORY / "build")).resolve()
sys.path += [str(REPOSITORY / "bench"), str(REPOSITORY / "tests/scenario")]

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
    found = figures.Goal("rate", "postfix", at_least=10).judge(ROUNDS)
    assert (found["median"], found["least"], found["greatest"], found["met"]) == (10, 9, 10.4, True)
    assert not figures.Goal("rate", "floor", at_least=0.7).judge(ROUNDS)["met"]


def test_a_goal_about_what_was_not_measured_says_nothing():
    assert figures.Goal("rate", "postfix", at_least=10).judge([{"postrider": {"rate": 1}}]) is None
    assert figures.Goal("memory", at_most=160).judge(ROUNDS) is None


def test_less_is_better_where_a_goal_says_so():
    rounds = [{"postrider": {"latency_p99": 2.0}, "postfix": {"latency_p99": 5.0}}]
    found = figures.Goal("latency_p99", "postfix", at_most=0.5).judge(rounds)
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


def report(results, docs, *more):
    return subprocess.run([str(REPOSITORY / "bench/report"), "--results", str(results), "--docs", str(docs), *more],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)


def result_of(work, **more):
    return {"work": work, "title": "a title", "peer": "postfix", "when": "2026-01-01 10:00:00 +0000", "versions": {"postfix": "3.7"},
            "machine": {"cores": 2, "processor": "P", "kernel": "6", "file_system": "ext4", "sync_ms": 0.1, "cpu": "cgroup", "stolen": 0.125},
            "summary": figures.summary(ROUNDS), "ratio": figures.main_ratio(ROUNDS, "postfix"), "calls": {}, "errors": {},
            "goals": [figures.Goal("rate", "postfix", at_least=10).judge(ROUNDS)], "rounds": ROUNDS, **more}


def test_the_report_is_made_from_results(tmp_path):
    results, docs = tmp_path / "results", tmp_path / "docs"
    results.mkdir()
    assert report(results, docs).returncode == 66
    grown = {"points": [1, 10, 100], "lines": {"postrider": [100.0, 1000.0, 950.0]}, "peer": "none", "ratio": None, "goals": []}
    for one in (result_of("accept-kept"), result_of("growth-sessions", **grown)):
        (results / f"{one['work']}-{one['peer']}.json").write_text(json.dumps(one))
    done = report(results, docs)
    assert done.returncode == 0, done.stderr
    text = (docs / "PERFORMANCE.md").read_text()
    assert "| accept-kept | messages, beside Postfix | ≥ 10× | 10.0 (9.00–10.4)× | met |" in text
    assert "whose host gave up to 12% of" in text
    assert "processes of the server (by control group)" in text
    assert "| Postrider | 900 (520–1,000) |" in text and "| Postrider | 100 | 1,000 | 950 |" in text
    for name in ("accept-kept", "growth-sessions"):
        assert xml.etree.ElementTree.parse(docs / f"performance/{name}.svg").getroot().tag.endswith("svg")
    assert report(results, docs, "--check").returncode == 0
    (docs / "PERFORMANCE.md").write_text("else")
    assert report(results, docs, "--check").returncode == 1


def test_the_page_says_what_was_measured():
    assert report(REPOSITORY / "bench/results", REPOSITORY / "docs", "--check").returncode == 0


def test_cost_that_grows_is_seen_behind_the_best():
    import growth
    assert growth.flatness([10, 100, 95]) == pytest.approx(0.95)
    assert growth.flatness([100, 50]) == pytest.approx(0.5)
    assert growth.flatness([10, 20, 30]) == 1


def test_a_machine_that_drifts_is_no_growth():
    import growth
    rates = iter([100, 100, 120, 120, 50, 50])
    assert growth.in_turns(lambda: next(rates), lambda: next(rates)) == (100, 1)
    assert growth.level([(100, 2), (50, 2), (40, 1.6)]) == [50, 50, 40]
