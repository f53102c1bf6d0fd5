"""How cost grows: the same work at points along sessions, waiting messages, destinations.

The machine drifts by a factor of two within minutes, so points that are minutes apart
cannot be compared. At each of them its load takes turns with another one, which is the
same at every point (REFERENCE): what they are is how many times as fast they are as that.
"""
import contextlib
import dataclasses
import socket

import figures
import servers
from ports import free_port, wait_until
from rounds import FEWEST, Round
from standing import fill, wait_quiet

HELD, ALIVE = "held.test", "alive.test"
REFERENCE = 50          # sessions; nothing waits; one destination, which is alive
TURNS = 3               # of each, a point


def flatness(points):
    """The least throughput of those beyond the best, as a part of it. Before the best there
    was too little to do at once; behind it nothing may be lost."""
    best = max(range(len(points)), key=lambda number: points[number])
    return min(points[best:]) / points[best]


def level(found):
    """[(a second, how many times the reference)] -> a second, had the machine been as fast at all points"""
    usual = figures.median([rate / times for rate, times in found])
    return [times * usual for _, times in found]


def load_of(one, work):
    """A function that loads this server in this way, and says how much it did a second."""
    one.work = work
    n = max(one.warm_up() // TURNS, min(work.most, FEWEST * work.sessions))

    def rate():
        one.work = work
        return n / one.run(n)[0]
    return rate


def in_turns(rate, reference):
    found = [(rate(), reference()) for _ in range(TURNS)]
    return figures.median([this for this, _ in found]), figures.median([this / that for this, that in found])


def compared(one, work, easy):
    """This work beside an easy one, on the same server."""
    reference = load_of(one, easy)
    found = in_turns(load_of(one, work), reference)
    one.check()
    return found


class Sessions:
    """A server for each point."""

    def measure(self, session, work, kind):
        return [self.one(session, work, kind, count) for count in work.points]

    def one(self, session, work, kind, count):
        at_point = dataclasses.replace(work, name=f"{work.name} {count}", sessions=count, most=min(work.most, count * 4000))
        easy = dataclasses.replace(work, sessions=REFERENCE)
        with Round(at_point, kind, session.place / "round", session.amounts, session.args.seconds) as one:
            return compared(one, at_point, easy)


class Waiting:
    """One server, whose queue becomes fuller from point to point, and beside it one that
    has nothing else to do."""

    def measure(self, session, work, kind):
        words = work, kind
        more = session.amounts, session.args.seconds
        with Round(*words, session.place / "beside", *more) as easy, \
                WaitingRound(*words, session.place / "round", *more) as one:
            reference = load_of(easy, work)
            rate = load_of(one, work)
            in_turns(rate, reference)       # a new journal is slower: its files are still to be made
            return [one.at(count, rate, reference) for count in work.points]


class WaitingRound(Round):
    waiting = 0

    def job(self):
        return dataclasses.replace(self.work.job(), routes={HELD: "hold"})

    def at(self, count, rate, reference):
        fill(self.server, HELD, count - self.waiting)
        self.waiting = count
        wait_quiet(self.server)
        found = in_turns(rate, reference)
        wait_until(lambda: self.server.queued() == self.waiting, 20, f"nothing but {count} messages waits", every=0.2)
        return found


class Destinations:
    """A server for each point. The first destination of several is dead: it takes the
    connection and says nothing. A message for it is done when it waits in the queue, any
    other when it is relayed: the rate is that of all of them."""

    def measure(self, session, work, kind):
        return [self.one(session, work, kind, count) for count in work.points]

    def one(self, session, work, kind, count):
        at_point = dataclasses.replace(work, name=f"{work.name} {count}",
                                       load={"to": "user@d%n.test", "spread": count})
        easy = dataclasses.replace(work, load={"to": f"user@{ALIVE}", "spread": 1})
        with DestinationsRound(at_point, kind, session.place / "round", session.amounts, session.args.seconds) as one:
            return compared(one, at_point, easy)


class DestinationsRound(Round):
    sink_address = "0.0.0.0"        # all of 127.0.0.0/8
    dead = 0                        # messages for the one that is

    def job(self):
        """Each destination has an address of its own, so that none shares another's window."""
        count = self.work.load["spread"]
        self.silent = socket.create_server(("127.0.0.1", free_port()), backlog=1024)
        dead = {"d0.test": f"127.0.0.1:{self.silent.getsockname()[1]}"} if count > 1 else {}
        routes = {f"d{n}.test": f"127.{1 + n // 250}.0.{1 + n % 250}:{self.sink.port}" for n in range(count)}
        alive = {ALIVE: f"127.99.0.1:{self.sink.port}"}
        return dataclasses.replace(self.work.job(), routes={**routes, **alive, **dead})

    def __exit__(self, *why):
        with contextlib.suppress(AttributeError):
            self.silent.close()
        super().__exit__(*why)

    def run(self, n):
        spread = self.work.load["spread"]
        self.dead += -(-n // spread) if spread > 1 else 0
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
            points = level(WAYS[work.drive]().measure(session, work, kind))
        if points is None:
            continue
        found[kind.name] = {"points": points, "flatness": flatness(points)}
        session.say(f"{work.name} {number + 1}: {kind.name:10} "
                    + ", ".join(f"{at:,}: {figures.number(rate)}/s" for at, rate in zip(work.points, points)))
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
