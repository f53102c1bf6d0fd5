"""The preloaded shim that makes every sync slow (bench/slowdisk)."""
import os
import smtplib
import subprocess
import sys
import time

import pytest

import debs
from test_floor import Floor

SHIM = debs.BUILD / "bench" / "slowdisk.so"

pytestmark = pytest.mark.skipif(not SHIM.exists(), reason="built without bench")

SYNC = """
import ctypes, os, sys, time
def timed(call):
    start = time.monotonic()
    call()
    return time.monotonic() - start
libc = ctypes.CDLL(None)
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
print(*[timed(call) for call in (lambda: os.fsync(fd), lambda: os.fdatasync(fd),
                                 lambda: libc.sync_file_range(fd, 0, 0, 7), lambda: os.close(fd))])
try:
    os.fsync(fd)
except OSError as trouble:
    print(trouble.errno)
"""


def slow(milliseconds):
    return {**os.environ, "LD_PRELOAD": str(SHIM), "SLOWDISK_MS": milliseconds}


def test_every_sync_takes_that_much_longer_and_nothing_else(place):
    told = subprocess.run([sys.executable, "-c", SYNC, str(place / "file")], env=slow("40.5"), check=True,
                          stdout=subprocess.PIPE, text=True).stdout.split()
    *syncs, close, number = map(float, told)
    assert all(seconds >= 0.0405 for seconds in syncs)
    assert close < 0.0405
    assert number == 9      # EBADF comes through


def test_a_server_answers_that_much_later(place, monkeypatch):
    monkeypatch.setenv("LD_PRELOAD", str(SHIM))
    monkeypatch.setenv("SLOWDISK_MS", "50")
    floor = Floor(place)
    try:
        with smtplib.SMTP("127.0.0.1", floor.port) as client:
            start = time.monotonic()
            client.sendmail("a@a.test", "b@b.test", b"text\r\n")
            assert time.monotonic() - start >= 0.05
        assert floor.result()["messages"] == 1
    finally:
        floor.popen.kill()


def test_without_a_number_nothing_is_delayed(place):
    environment = {name: value for name, value in slow("0").items() if name != "SLOWDISK_MS"}
    told = subprocess.run([sys.executable, "-c", SYNC, str(place / "file")], env=environment, check=True,
                          stdout=subprocess.PIPE, text=True)
    assert told.stdout.split()[-1] == "9"
