"""Ports of our own: below the range from which the kernel takes outgoing ones."""
import os
import random
import re
import socket
import time

FIRST, LAST = (int(n) for n in os.environ.get("POSTRIDER_TEST_PORTS", "22000-29999").split("-"))
_given = set()

# Tests that run side by side have ports of their own.
_side = re.search(r"\d+$", os.environ.get("PYTEST_XDIST_WORKER", ""))
if _side:
    _width = (LAST - FIRST + 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    FIRST += int(_side[0]) * _width
    LAST = FIRST + _width - 1


def is_free(port, addresses):
    for address in addresses:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((address, port))
            except OSError:
                return False
    return True


def free_port(*addresses):
    """A port that is free on these addresses and was not given before by us."""
    for _ in range(2000):
        port = random.randint(FIRST, LAST)
        if port not in _given and is_free(port, addresses or ("127.0.0.1", "0.0.0.0")):
            _given.add(port)
            return port
    raise RuntimeError(f"no free port between {FIRST} and {LAST}")


def connects(address, port):
    try:
        socket.create_connection((address, port), timeout=2).close()
        return True
    except OSError:
        return False


def wait_until(condition, seconds=15, what="the condition", every=0.05):
    """Wait for something to become true; its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds} s still not true: {what}")
        time.sleep(every)


def banner(port, address="127.0.0.1", timeout=2):
    """The server's first line, or b"" if it does not answer."""
    try:
        with socket.create_connection((address, port), timeout=timeout) as client:
            with client.makefile("rb") as lines:
                return lines.readline()
    except OSError:
        return b""
