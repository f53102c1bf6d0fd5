"""bench/instructions: a message costs no more than was recorded in bench/instructions.json."""
import importlib.machinery
import importlib.util
import pathlib
import subprocess
import sys

import pytest

PROGRAM = pathlib.Path(__file__).resolve().parent.parent / "bench" / "instructions"
UNAVAILABLE = 69


@pytest.fixture(scope="module")
def program():
    loader = importlib.machinery.SourceFileLoader("instructions", str(PROGRAM))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("instructions", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


def test_a_message_costs_no_more_than_recorded():
    done = subprocess.run([sys.executable, PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    if done.returncode == UNAVAILABLE:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, f"{done.stdout}\nbench/instructions --record, if that is worth it; the commit says why"


def counts(n):
    return {"accept": {"smtpd": n, "relay": 10}}


@pytest.mark.parametrize("n,recorded,grown", [
    (100_000, 100_000, False), (114_900, 100_000, False), (115_100, 100_000, True), (50_000, 100_000, False),
    (990, 100, False),              # a process that has no part in it
])
def test_more_is_noticed(program, n, recorded, grown):
    assert program.grown(counts(n), counts(recorded)) == grown


def test_the_least_of_two_counts_is_the_truth(program):
    assert program.least(counts(5), counts(7)) == counts(5) == program.least(counts(7), counts(5))
