"""A disk that fails under the queue, call by call (F08): strace makes the n-th call of the
queue process fail. Whatever was acknowledged is kept, and when the disk is well again mail flows.
"""
import shutil
import subprocess
import time

import pytest

from client import Sender, sending
from ledger import Ledger, Verdict
from ports import wait_until
from test_kill import SENDERS, StampedSink, collect, load

CALLS = {"pwrite64": "EIO ENOSPC", "fdatasync": "EIO ENOSPC", "fsync": "EIO", "syncfs": "EIO",
         "renameat,renameat2,rename": "EIO ENOSPC", "openat": "EIO EMFILE", "unlinkat,unlink": "EIO", "pread64": "EIO"}
WHEN = ["1", "3+3", "1+"]          # the first; every third; all of them
LASTS = 0.5                         # seconds of each

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


def fail(pid, calls, error, when):
    """Calls of the process fail for a moment. False: strace may not."""
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(pid), "-e", f"trace={calls}",
                               "-e", f"inject={calls}:error={error}:when={when}"], stderr=subprocess.PIPE)
    time.sleep(LASTS)
    traced = tracer.poll() is None
    tracer.terminate()
    tracer.communicate(timeout=10)
    return traced


def wait_accepting(ledger, server):
    had = len(ledger.acks)
    wait_until(lambda: len(ledger.acks) > had + 5, 20, "mail is accepted again: " + server.log_text()[-1500:])


def test_whatever_call_fails_nothing_acknowledged_is_lost(make_server, place):
    """F08"""
    refused = {"user0@refuse.test": "550 5.1.1 no such user"}
    with StampedSink(rcpt=refused) as sink:
        server = make_server(
            'domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }\n'
            'route "*" { via = "127.0.0.1:$sink" }', sink=sink.port, hostname="mx.example.org",
            queue="retry = {200ms, 500ms, 1s}  jitter = 10").start()
        ledger = Ledger(place / "ledger")
        senders = [Sender(server.port, load(5, n), ledger, per_connection=10, pause=0.03, stubborn=True)
                   for n in range(SENDERS)]
        with sending(senders):
            wait_accepting(ledger, server)
            for calls, errors in CALLS.items():
                for error in errors.split():
                    for when in WHEN:
                        queue, = server.roles()["queue"]
                        if not fail(queue, calls, error, when):
                            assert queue not in server.roles().get("queue", []), "strace may not trace here"
                        wait_accepting(ledger, server)
        server.wait_empty(90)
        server.stop()
        verdict = Verdict(ledger, collect(server, sink))
        print("\n" + verdict.line())
        verdict.assert_kept()
        assert not verdict.reports_too_many, verdict.line()
        assert '"event":"spool"' in server.log_text(), "no error was noticed: nothing was tested"
