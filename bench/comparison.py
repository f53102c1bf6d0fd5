"""A comparison: all rounds of a work, every server in turn, and what they come to."""
import json
import shutil
import time

import debs
import figures
import growth
import servers
from rounds import Round
from standing import IdleRound, WaitingRound


# The kinds of rounds that are not several rounds themselves.
DRIVES = {"plain": Round, "idle": IdleRound, "waiting": WaitingRound}


class Session:
    """What all works of one run share."""

    def __init__(self, place, args, peers, say):
        self.place, self.args, self.peers, self.say = place, args, peers, say
        self.amounts = {}       # (work, server): messages of one round
        self.titles = {name: kind.title for name, kind in servers.ALL.items()}

    def do(self, work, machine):
        """One result for each peer (or one without any)."""
        self.prepare(work)
        peers = self.peers if work.drive in ("plain", "idle") else []
        kinds = [servers.Postrider, *([servers.Floor] if work.floor else []), *peers]
        rounds = [self.one_round(work, kinds, number) for number in range(min(self.args.rounds, work.rounds))]
        calls = self.count_calls(work, kinds)
        return [self.result(work, machine, rounds, calls, peer) for peer in [kind.name for kind in peers] or ["none"]]

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
        for kind in kinds:
            with DRIVES[work.drive](work, kind, self.place / "round", self.amounts, self.args.seconds) as one:
                found[kind.name] = one.measured()
            self.say(f"{work.name} {number + 1}/{min(self.args.rounds, work.rounds)}: {kind.name:10} {progress(found[kind.name])}")
        return found

    def count_calls(self, work, kinds):
        found = {}
        for kind in kinds if work.traced and not self.args.no_trace else []:
            with Round(work, kind, self.place / "round", self.amounts, self.args.seconds) as one:
                found[kind.name] = one.traced()
            self.say(f"{work.name} strace: {kind.name:10} {found[kind.name]['calls']:.1f} calls, "
                     f"{found[kind.name]['syncs']:.3f} syncs each")
        return found

    def result(self, work, machine, rounds, calls, peer):
        kept = {"postrider", "floor", peer}
        rounds = [{name: found for name, found in one.items() if name in kept} for one in rounds]
        lines = growth.medians(rounds, work.points) if work.points else {}
        judged = growth.judged(lines) if lines else rounds
        goals = [found for goal in work.goals if (found := goal.judge(judged, peer))]
        grown = {"points": work.points, "lines": lines} if lines else {}
        return {"work": work.name, "title": work.title, "peer": peer, "machine": machine,
                "when": time.strftime("%Y-%m-%d %H:%M:%S %z"), "versions": versions(kept),
                "summary": figures.summary(rounds), "goals": goals,
                "calls": {name: found for name, found in calls.items() if name in kept}, **grown, "rounds": rounds}


def versions(names):
    return {name: servers.ALL[name].version() for name in sorted(names) if name in servers.ALL}


def progress(found):
    for measure in ("handshakes", "rate"):
        if measure in found and "cpu_us" in found:
            return f"{figures.number(found[measure])}/s, {found['cpu_us']:.0f} µs of CPU each"
    return ", ".join(f"{name} {value:.4g}" for name, value in found.items() if isinstance(value, (int, float)))


def as_text(result):
    return json.dumps(result, indent=1, ensure_ascii=False) + "\n"
