"""The arithmetic of the comparison: medians, spreads, ratios, goals.

A machine's speed drifts by a factor of two within minutes. So a ratio is never
that of two medians: it is the median of the ratios of the single rounds, in
which both servers ran within seconds of each other.
"""
import statistics

# What a round measures: how it is called, its unit, whether more is better.
MEASURES = {
    "rate": ("messages", "/s", True),
    "mb_per_second": ("text", "MB/s", True),
    "handshakes": ("handshakes", "/s", True),
    "per_cpu_second": ("per CPU second of the server", "/s", True),
    "cpu_us": ("CPU of the server for one", "µs", False),
    "latency_median": ("latency, median", "ms", False),
    "latency_p99": ("latency, 99th percentile", "ms", False),
    "bytes_each": ("memory of one session", "KiB", False),
    "served": ("a new session served beside idle ones, of its speed without them", "", True),
    "memory": ("memory of the waiting queue", "MiB", False),
    "restart": ("restart to the first delivery", "s", False),
    "flatness": ("least of the best throughput", "", True),
}


def median(values):
    return statistics.median(values)


def spread(values):
    """Of what the rounds found."""
    return {"median": statistics.median(values), "least": min(values), "greatest": max(values)}


def values_of(rounds, server, measure):
    """What this server measured, one for each round that has it."""
    return [one[server][measure] for one in rounds if measure in one.get(server, {})]


def ratios(rounds, above, below, measure):
    """above / below for each round in which both have this measure"""
    return [one[above][measure] / one[below][measure] for one in rounds
            if one.get(above, {}).get(measure) and one.get(below, {}).get(measure)]


def summary(rounds):
    """{server: {measure: {"median", "least", "greatest"}}}"""
    found = {}
    for server in sorted({name for one in rounds for name in one}):
        for measure in MEASURES:
            values = values_of(rounds, server, measure)
            if values:
                found.setdefault(server, {})[measure] = spread(values)
    return found


def main_ratio(rounds, peer):
    """How many times as fast as this peer, whether there is a goal or not; None if it was not there"""
    for measure in ("mb_per_second", "handshakes", "rate"):
        found = ratios(rounds, "postrider", peer, measure)
        if found:
            return spread(found)
    return None


class Goal:
    """`measure` of Postrider, `at_least` or `at_most` so much; against another server
    of the same rounds if `against` names one."""

    def __init__(self, measure, against=None, at_least=None, at_most=None):
        self.measure, self.against = measure, against
        self.at_least, self.at_most = at_least, at_most

    def wanted(self):
        sign, limit = ("≥", self.at_least) if self.at_least is not None else ("≤", self.at_most)
        unit = "×" if self.against else (" " + MEASURES[self.measure][1]).rstrip()
        return f"{sign} {limit:g}{unit}"

    def judge(self, rounds):
        """None if these rounds say nothing about it."""
        against = self.against
        found = (ratios(rounds, "postrider", against, self.measure) if against
                 else values_of(rounds, "postrider", self.measure))
        if not found:
            return None
        middle = median(found)
        met = middle >= self.at_least if self.at_least is not None else middle <= self.at_most
        return {"measure": self.measure, "against": against, "wanted": self.wanted(), **spread(found), "met": met}


def number(value):
    """Short, and no more digits than mean something."""
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
