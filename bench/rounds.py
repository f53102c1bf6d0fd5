"""One round: start a server, warm it up, load it, see that it did the work, stop it.

A round whose count is wrong raises Wrong: it is an error, never a number.
"""
import contextlib
import json
import os
import pathlib
import resource
import shutil
import subprocess
import time

import debs
import measure
import servers
from ports import wait_until

WARM, FEWEST, CALIBRATED = 100, 8, 0.25     # messages; of a session; a load so long shows the speed
REST = 2.5                          # seconds after the warm-up: what a server does afterwards is done
DRAIN = 60                          # seconds that what was accepted may take to arrive
LOAD_TIME, LOAD_MOST = "60s", 1000      # of one load; seconds after which it hangs


class Wrong(Exception):
    """A server did not do what it was asked."""


def many_files():
    """For the command that holds thousands of sessions: all that it may have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, servers.FILES), hard))


def load_words(to, options):
    options = {name.replace("_", "-"): value for name, value in options.items()}
    words = [str(debs.BUILD / "postrider"), "load", "--json", "--quiet"]
    for name, value in options.items():
        words += [f"--{name}"] if value is True else [f"--{name}", str(value)] if value is not False else []
    return [*words, to]


def load(port, **options):
    """What `postrider load` reports; all must have been accepted, and in LOAD_TIME."""
    options = {"time": LOAD_TIME, **options}
    words = load_words(f"127.0.0.1:{port}", options)
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, preexec_fn=many_files, timeout=LOAD_MOST)
    if done.returncode != 0:
        raise Wrong(f"{' '.join(words[1:])}: {(done.stdout + done.stderr).strip()[-500:]}")
    return json.loads(done.stdout)


class Round:
    """A server at work on one Work."""
    sink_address = "127.0.0.1"

    def __init__(self, work, kind, place, amounts, seconds):
        self.work, self.kind = work, kind
        self.place = pathlib.Path(place)
        self.amounts, self.seconds = amounts, seconds
        self.sent = 0

    def __enter__(self):
        self.place.mkdir(parents=True)
        os.chmod(self.place, 0o755)
        self.sink = self.server = None
        try:
            self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def begin(self):
        if self.work.does == "relay":
            self.sink = servers.Sink(self.place / "sink", servers.Job(address=self.sink_address)).start()
        job = self.job()
        job.sink = self.sink.port if self.sink else 0
        self.server = self.kind(self.place / "server", job)
        self.server.start()

    def job(self):
        return self.work.job()

    def __exit__(self, *_):
        for one in (self.server, self.sink):
            if one is not None:
                one.stop()
        shutil.rmtree(self.place, ignore_errors=True)

    # --- loads

    def run(self, n):
        """Send n and see that they arrived where this work ends: (seconds, report)"""
        begun = time.time()
        options = self.options(n)
        report = load(self.server.port, **options)
        if report["accepted"] != n:
            raise Wrong(f"{report['accepted']} of {n} were accepted")
        if not self.work.handshakes:
            self.sent += n + options.get("warmup", 0)
        ended = {"relay": self.relayed, "maildir": self.in_mailboxes}.get(self.work.does, lambda: None)()
        return (ended - begun if ended else report["seconds"]), report

    def options(self, n):
        found = self.work.options(n)
        return {**found, "sessions": min(found["sessions"], self.kind.sessions)}

    def relayed(self):
        return self.at_sink(self.sent)

    def at_sink(self, wanted):
        """When so many were there."""
        return wait_until(lambda: self.sink.taken() >= wanted and time.time(), DRAIN,
                          f"{wanted} messages are at the sink", every=0.01)

    def in_mailboxes(self):
        wait_until(lambda: self.server.delivered() >= self.sent, DRAIN, f"{self.sent} messages are in mailboxes", every=0.1)
        return self.server.delivered_at()

    def warm_up(self):
        key = (self.work.name, self.kind.name)
        if key in self.amounts:
            self.run(max(WARM, self.amounts[key] // 10))
            return self.amounts[key]
        n, cap = min(WARM, self.work.most), self.work.most
        took, _ = self.run(n)
        while took < CALIBRATED and n < cap:
            n = min(cap, n * 4)
            took, _ = self.run(n)
        self.amounts[key] = min(cap, max(self.work.fewest or FEWEST * self.work.sessions, round(n / took * self.seconds)))
        return self.amounts[key]

    # --- what is measured

    def measured(self):
        n = self.warm_up()
        time.sleep(REST)
        before, sent = self.server.group.cpu(), self.sent
        took, report = self.run(n)
        cpu = (self.server.group.cpu() - before) * n / ((self.sent - sent) or n)
        self.check()
        return self.figures(n, took, cpu, report)

    def figures(self, n, took, cpu, report):
        found = {"n": n, "seconds": took, "cpu_us": cpu / n * 1e6, "per_cpu_second": n / max(cpu, 1e-6),
                 "load_cpu_us": report["cpu_seconds"] / n * 1e6}
        found["handshakes" if self.work.handshakes else "rate"] = n / took
        if self.work.size >= 1 << 20:
            found["mb_per_second"] = n * self.work.size / took / 1e6
        latency = report.get("connect_latency_ms") or report.get("latency_ms")
        if self.work.latency:
            found.update(latency_median=latency["median"], latency_p99=latency["p99"])
        return found

    def check(self):
        """The work was really done: what is counted on the disk is what was sent."""
        if self.work.does == "hold":
            self.expect(self.server.queued(), self.sent, "in the queue")
            return
        found = self.sink.taken() if self.sink else self.server.delivered()
        self.expect(found, self.sent, "at the sink" if self.sink else "in mailboxes")
        wait_until(lambda: self.server.queued() == 0, 10, "the queue is empty", every=0.2)

    def expect(self, found, wanted, where):
        if found != wanted:
            raise Wrong(f"{self.kind.title}: {found} messages {where}, {wanted} were sent")

    def traced(self):
        """System calls and syncs of one message; a few, since tracing is slow."""
        self.warm_up()
        trace = measure.Trace(self.server.group, self.place)
        sent = self.sent
        try:
            self.run(self.work.traced)
        finally:
            calls = trace.stop()
        n = self.sent - sent
        return {"n": n, "calls": sum(calls.values()) / n,
                "syncs": sum(calls.get(name, 0) for name in measure.SYNCS) / n,
                "most": {name: round(count / n, 2) for name, count in
                         sorted(calls.items(), key=lambda item: -item[1])[:8]}}
