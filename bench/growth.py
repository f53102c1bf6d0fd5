"""How cost grows: the same work at points along sessions, waiting messages, destinations."""
import contextlib
import dataclasses
import socket

import figures
import servers
from ports import free_port, wait_until
from rounds import Round
from standing import fill, wait_quiet

HELD = "held.test"


def flatness(points):
    """The least throughput of those beyond the best, as a part of it. Before the best there
    was too little to do at once; behind it nothing may be lost."""
    best = max(range(len(points)), key=lambda number: points[number])
    return min(points[best:]) / points[best]


class Sessions:
    """A server for each point."""

    def measure(self, session, work, kind):
        return [self.one(session, work, kind, count) for count in work.points]

    def one(self, session, work, kind, count):
        most = min(work.most, count * 4000)
        at_point = dataclasses.replace(work, name=f"{work.name} {count}", sessions=count, most=most)
        with Round(at_point, kind, session.place / "round", session.amounts, session.args.seconds) as one:
            return one.measured()["rate"]


class Waiting:
    """One server, whose queue becomes fuller from point to point."""

    def measure(self, session, work, kind):
        with WaitingRound(work, kind, session.place / "round", session.amounts, session.args.seconds) as one:
            return [one.at(count) for count in work.points]


class WaitingRound(Round):
    waiting = 0

    def job(self):
        return dataclasses.replace(self.work.job(), routes={HELD: "hold"})

    def at(self, count):
        if self.waiting == 0:
            self.warm_up()
        fill(self.server, HELD, count - self.waiting)
        self.waiting = count
        wait_quiet(self.server)
        n = self.amounts[(self.work.name, self.kind.name)]
        took, _ = self.run(n)
        wait_until(lambda: self.server.queued() == self.waiting, 20, f"nothing but {count} messages waits", every=0.2)
        return n / took


class Destinations(Sessions):
    """The first destination of several is dead: it takes the connection and says nothing."""

    def one(self, session, work, kind, count):
        at_point = dataclasses.replace(work, name=f"{work.name} {count}",
                                       load={"to": "user@d%n.test", "spread": count})
        with DestinationsRound(at_point, kind, session.place / "round", session.amounts, session.args.seconds) as one:
            rate = one.measured()["rate"]
            return rate * (1 - 1 / count) if count > 1 else rate      # what was relayed


class DestinationsRound(Round):
    sink_address = "0.0.0.0"        # all of 127.0.0.0/8

    def job(self):
        """Each destination has an address of its own, so that none shares another's window."""
        count = self.work.load["spread"]
        self.silent = socket.create_server(("127.0.0.1", free_port()), backlog=1024)
        dead = {"d0.test": f"127.0.0.1:{self.silent.getsockname()[1]}"} if count > 1 else {}
        routes = {f"d{n}.test": f"127.{1 + n // 250}.0.{1 + n % 250}:{self.sink.port}" for n in range(count)}
        return dataclasses.replace(self.work.job(), routes={**routes, **dead})

    def __exit__(self, *why):
        with contextlib.suppress(AttributeError):
            self.silent.close()
        super().__exit__(*why)

    def run(self, n):
        self.dead = getattr(self, "dead", 0) + (-(-n // self.work.load["spread"]) if self.work.load["spread"] > 1 else 0)
        return super().run(n)

    def relayed(self):
        """All but those for the dead one."""
        return self.at_sink(self.sent - self.dead)

    def check(self):
        self.expect(self.sink.taken(), self.sent - self.dead, "at the sink")
        wait_until(lambda: self.server.queued() == self.dead, 10, f"{self.dead} messages for the dead one wait", every=0.2)


WAYS = {"growth-sessions": Sessions, "growth-waiting": Waiting, "growth-destinations": Destinations}


def one_round(session, work, kinds, number):
    """{server: {"points": [a second at each], "flatness"}}"""
    found = {}
    for kind in session.able(work, kinds):
        points = None
        with session.excused(work, kind):
            points = WAYS[work.drive]().measure(session, work, kind)
        if points is None:
            continue
        found[kind.name] = {"points": points, "flatness": flatness(points)}
        session.say(f"{work.name} {number + 1}: {kind.name:10} "
                    + ", ".join(f"{figures.number(at)}: {figures.number(rate)}/s" for at, rate in zip(work.points, points)))
    return found


def medians(rounds, points):
    """{server: [median a second at each point]}"""
    lines = {}
    for server in sorted({name for one in rounds for name in one}):
        found = [one[server]["points"] for one in rounds if server in one]
        lines[server] = [figures.median([values[i] for values in found]) for i in range(len(points))]
    return lines


def judged(lines):
    """The flatness of the medians, as if one round had found them: that of single rounds
    would be what the machine's drift makes of it."""
    return [{server: {"flatness": flatness(line)} for server, line in lines.items()}]
