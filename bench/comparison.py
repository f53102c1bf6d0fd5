"""A comparison: all rounds of a work, every server in turn, and what they come to."""
import contextlib
import json
import os
import shutil
import subprocess
import time
import traceback

import contestants
import debs
import figures
import growth
import measure
import servers
from rounds import Round, Wrong
from standing import IdleRound, WaitingRound


# The kinds of rounds that are not several rounds themselves.
DRIVES = {"plain": Round, "idle": IdleRound, "waiting": WaitingRound}


class Session:
    """What all works of one run share."""

    def __init__(self, place, args, peers, say):
        self.place, self.args, self.peers, self.say = place, args, peers, say
        self.amounts = {}       # (work, server): messages of one round
        self.errors = {}        # (work, server): what went wrong; it is left out from then on

    def do(self, work, machine):
        """One result for each peer (or one without any)."""
        self.prepare(work)
        peers = [kind for kind in self.peers if work.name not in kind.lacks and work.drive in ("plain", "idle")]
        kinds = [servers.Postrider, *([servers.Floor] if work.floor else []), *peers]
        stolen = measure.Stolen()
        rounds = [self.one_round(work, kinds, number) for number in range(min(self.args.rounds, work.rounds))]
        machine = {**machine, "stolen": stolen.share()}
        calls = self.count_calls(work, kinds)
        return [self.result(work, machine, rounds, calls, peer) for peer in [kind.name for kind in peers] or ["none"]]

    @contextlib.contextmanager
    def excused(self, work, kind):
        """One server that fails does not end the comparison of the others."""
        try:
            yield
        except (Wrong, AssertionError, OSError, subprocess.SubprocessError, RuntimeError) as wrong:
            if os.environ.get("COMPARE_TRACEBACK"):
                traceback.print_exc()
            self.errors[work.name, kind.name] = f"{type(wrong).__name__}: {wrong}"[-1000:]
            self.say(f"{work.name}: {kind.name} FAILED: {self.errors[work.name, kind.name]}")

    def able(self, work, kinds):
        """Those of these servers that did not fail at it yet."""
        return [kind for kind in kinds if (work.name, kind.name) not in self.errors]

    def prepare(self, work):
        if self.args.messages:
            work.most = self.args.messages
        if work.key and not work.certificate:
            import certificates
            authority = certificates.Authority(self.place / f"keys-{work.key}")
            work.certificate = authority.sign(servers.DOMAIN, kind=work.key)
        if work.slow_ms:
            work.shim = str(shutil.copy(debs.BUILD / "bench/slowdisk.so", self.place))

    def one_round(self, work, kinds, number):
        if work.drive in growth.WAYS:
            return growth.one_round(self, work, kinds, number)
        found = {}
        for kind in self.able(work, kinds):
            with self.excused(work, kind), \
                    DRIVES[work.drive](work, kind, self.place / "round", self.amounts, self.args.seconds) as one:
                found[kind.name] = one.measured()
            if kind.name not in found:
                continue
            self.say(f"{work.name} {number + 1}/{min(self.args.rounds, work.rounds)}: {kind.name:10} {progress(found[kind.name])}")
        return found

    def count_calls(self, work, kinds):
        found = {}
        for kind in self.able(work, kinds) if work.traced and not self.args.no_trace else []:
            with self.excused(work, kind), Round(work, kind, self.place / "round", self.amounts, self.args.seconds) as one:
                found[kind.name] = one.traced()
            if kind.name not in found:
                continue
            self.say(f"{work.name} strace: {kind.name:10} {found[kind.name]['calls']:.1f} calls, "
                     f"{found[kind.name]['syncs']:.3f} syncs each")
        return found

    def result(self, work, machine, rounds, calls, peer):
        kept = {"postrider", "floor", peer}
        rounds = [{name: found for name, found in one.items() if name in kept} for one in rounds]
        lines = growth.medians(rounds, work.points) if work.points else {}
        judged = growth.judged(lines) if lines else rounds
        goals = [found for goal in work.goals if (found := goal.judge(judged))]
        grown = {"points": work.points, "lines": lines} if lines else {}
        return {"work": work.name, "title": work.title, "peer": peer, "machine": machine,
                "when": time.strftime("%Y-%m-%d %H:%M:%S %z"), "versions": versions(kept),
                "summary": figures.summary(rounds), "goals": goals, "ratio": figures.main_ratio(rounds, peer),
                "calls": {name: found for name, found in calls.items() if name in kept}, **grown,
                "errors": {kind: text for (name, kind), text in self.errors.items() if name == work.name and kind in kept},
                "rounds": rounds}


def versions(names):
    return {name: contestants.ALL[name].version() for name in sorted(names) if name in contestants.ALL}


def progress(found):
    for measure in ("handshakes", "rate"):
        if measure in found and "cpu_us" in found:
            return f"{figures.number(found[measure])}/s, {found['cpu_us']:.0f} µs of CPU each"
    return ", ".join(f"{name} {value:.4g}" for name, value in found.items() if isinstance(value, (int, float)))


def as_text(result):
    return json.dumps(result, indent=1, ensure_ascii=False) + "\n"
