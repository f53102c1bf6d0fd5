"""What could hold the mail (bench/stores): every store takes its turns and holds what it took."""
import json
import os
import subprocess
import sys

import pytest

import debs

STORES = debs.REPOSITORY / "bench" / "stores"

pytestmark = pytest.mark.skipif(not (debs.BUILD / "bench" / "store").exists(), reason="built without bench")


def stores(*words):
    return subprocess.run([sys.executable, str(STORES), "--build", str(debs.BUILD), *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=300,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})     # the libraries keep things


QUICK = ["--rounds", "2", "--seconds", "0.05", "--warm", "0.2", "--groups", "1,30"]


def test_each_takes_its_turns_and_is_counted():
    done = stores(*QUICK, "--json", "-")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    names = ["journal", "files", "sqlite", "lmdb", "rocksdb"]
    assert [(row["group"], row["round"], row["store"]) for row in rows] == [
        (group, number, name) for group in (1, 30) for number in (0, 1) for name in names]
    assert all(row["messages"] >= row["group"] and row["messages"] % row["group"] == 0 for row in rows)
    assert all(row["written"] >= row["messages"] * row["size"] for row in rows)


def test_the_table_has_a_row_for_each():
    done = stores(*QUICK, "--stores", "journal,files")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| Postrider's journal ") == 2
    assert done.stdout.count("| one file a message, 8 threads ") == 2
    assert "1.00 (1.00-1.00)" in done.stdout


def test_a_store_that_is_not_there_is_refused():
    assert stores("--stores", "paper").returncode == 64
