"""Three servers in network namespaces, joined by connectors of different cost.

    a.test ---- cost 10 ---- b.test
       \\                     /
     cost 20            cost 20
         \\               /
              c.test

The cheap cable is cut: mail takes the other way, and comes back when it is mended.
POSTRIDER_LINK_MESSAGES says how many messages (default 900; 10,000 in full).
"""
import os
import re
import subprocess
import sys
import threading
import time

import pytest

import netns
import postrider
from ports import wait_until
from process import Process

MESSAGES = int(os.environ.get("POSTRIDER_LINK_MESSAGES", "900"))
PORT = 2525
CABLES = [("a", "b", 10), ("a", "c", 20), ("c", "b", 20)]

SENDER = r"""
import smtplib, sys
first, count, to, port = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
n = first
while n < first + count:
    s = smtplib.SMTP("127.0.0.1", port, timeout=60)
    for n in range(n, min(n + 100, first + count)):
        s.sendmail("sender@a.test", [to], f"Subject: {n}\r\nX-Number: {n}\r\n\r\nHello {n}\r\n")
    n += 1
    s.quit()
"""


class Node(postrider.Server):
    """A server in a namespace of its own."""

    def __init__(self, place, space, text, **more):
        self.space = space
        super().__init__(place, text, listeners='listen "0.0.0.0:$port" { role = mx }',
                         hostname=f"{space.name}.test", **more)
        self.port = PORT
        self.configure()

    def launch(self):
        self.log_from = self.stderr.stat().st_size if self.stderr.exists() else 0
        self.process = Process(self.space.inside(postrider.PROGRAM, "-c", self.file), self.stderr,
                               env=self.environment())
        return self

    def send(self, first, count, to):
        subprocess.run(self.space.inside(sys.executable, "-c", SENDER, first, count, to, PORT), check=True,
                       timeout=600)

    def connectors(self):
        """{(from, to): (cost, state)} as it believes."""
        return {(row["node"], row["to"]): (row["cost"], row["state"])
                for row in self.rows("routes") if row["kind"] == "connector"}

    def ways(self):
        """{node: (connector, cost)}"""
        return {row["node"]: (row.get("via"), row.get("cost")) for row in self.rows("routes") if row["kind"] == "node"}


class Network:
    def __init__(self, place):
        self.place = place
        self.spaces = {name: netns.Namespace(name) for name in "abc"}
        self.cables = {(one, other): netns.Cable(n + 1, self.spaces[one], self.spaces[other])
                       for n, (one, other, _) in enumerate(CABLES)}
        self.nodes = {name: Node(place / name, self.spaces[name], self.text(name),
                                 queue="retry = {2s, 3s}  jitter = 0", log="json = true  per_second = 0  level = debug",
                                 relay="idle = 1s  connect_timeout = 2s  timeout_scale = 1",
                                 trust='networks = {"127.0.0.0/8", "10.0.0.0/8"}')
                      for name in "abc"}

    def text(self, name):
        connectors = []
        for n, (one, other, cost) in enumerate(CABLES):
            if name in (one, other):
                to, last = (other, 2) if name == one else (one, 1)
                connectors.append(f'connector "{to}.test" {{ via = "10.{n + 1}.0.{last}:{PORT}"  cost = {cost} }}')
        return "\n".join([
            f'domain "{name}.test" {{ recipients = any  deliver = "maildir:$mail/%d/%u" }}',
            'peer "nodes" { networks = {"10.0.0.0/8"}  grant = {link2state} }',
            "links { damping = 2s  retry = 1s  refresh = 5s  age = 60s }", *connectors])

    def start(self):
        for node in self.nodes.values():
            node.start()
        return self

    def end(self):
        for node in self.nodes.values():
            node.cleanup()
        for space in self.spaces.values():
            space.end()


@pytest.fixture
def network(place, request):
    if not netns.enter_or_skip(request):
        yield None
        return
    made = Network(place)
    try:
        yield made.start()
        for node in made.nodes.values():
            node.stop()
    finally:
        made.end()


def header_of(path):
    return path.read_bytes().split(b"\n\n", 1)[0].split(b"\r\n\r\n", 1)[0].decode("ascii", "replace")


def arrived(node, user):
    """{number: [the nodes that each copy passed, last first]}"""
    found = {}
    box = node.mail / node.hostname / user / "new"
    for path in box.iterdir() if box.exists() else []:
        header = header_of(path)
        number = int(re.search(r"^X-Number: (\d+)", header, re.MULTILINE)[1])
        found.setdefault(number, []).append(re.findall(r"\bby ([abc])\.test\b", header))
    return found


def wait_arrived(node, user, numbers, seconds):
    wanted = set(numbers)
    return wait_until(lambda: (found := arrived(node, user)) if wanted <= set(arrived(node, user)) else None, seconds,
                      f"{len(wanted)} messages at {node.hostname}", every=0.5)


def assert_no_loops(found):
    for number, copies in found.items():
        for path in copies:
            assert len(path) == len(set(path)), f"message {number} went round: {path}"


def wait_way(node, to, connector, cost, seconds):
    wait_until(lambda: node.ways().get(to) == (connector, cost), seconds,
               f"{node.hostname} sends for {to} by {connector} at {cost}: {node.ways()} {node.connectors()}")


def test_tables_become_equal_and_show_every_node_and_connector(network):
    if network is None:
        return
    expected = {(f"{x}.test", f"{y}.test"): (cost, "up")
                for one, other, cost in CABLES for x, y in ((one, other), (other, one))}
    for node in network.nodes.values():
        wait_until(lambda node=node: node.connectors() == expected, 15,
                   f"{node.hostname} knows all: {node.connectors()}")
    wait_way(network.nodes["a"], "b.test", "b.test", 10, 5)
    text = network.nodes["a"].told("routes")
    assert "b.test" in text and "NODE" in text and "STATE" in text


def test_mail_goes_round_a_cut_and_comes_back(network):
    if network is None:
        return
    a, b, c = (network.nodes[name] for name in "abc")
    share = MESSAGES // 3
    wait_way(a, "b.test", "b.test", 10, 15)

    a.send(0, share, "user@b.test")
    found = wait_arrived(b, "user", range(share), 60 + share / 20)
    assert all(copies == [["b", "a"]] for copies in found.values()), "not all went the cheap way"

    cable = network.cables["a", "b"]
    cutter = threading.Timer(0.3, cable.cut)    # in the middle of it
    cutter.start()
    before = time.time()
    a.send(share, share, "user@b.test")
    cutter.join()
    wait_way(a, "b.test", "c.test", 40, 20)
    print(f"{3 * share} messages; the other way is taken {time.time() - before:.1f} s after the first of the second third")
    a.send(2 * share, share // 2, "user@b.test")
    found = wait_arrived(b, "user", range(2 * share + share // 2), 120 + share / 20)
    later = [found[n] for n in range(2 * share, 2 * share + share // 2)]
    assert all(copies == [["b", "c", "a"]] for copies in later), "not all went the other way"
    assert ("a.test", "b.test") in c.connectors() and c.connectors()["a.test", "b.test"] == (10, "down")

    cable.mend()
    wait_way(a, "b.test", "b.test", 10, 20)
    a.send(2 * share + share // 2, share - share // 2, "user@b.test")
    found = wait_arrived(b, "user", range(3 * share), 60 + share / 20)
    last = [found[n] for n in range(2 * share + share // 2, 3 * share)]
    assert all(copies == [["b", "a"]] for copies in last), "not all came back to the cheap way"

    assert_no_loops(found)
    twice = sum(len(copies) - 1 for copies in found.values())
    assert twice <= 20, f"{twice} copies too many: only what was on its way at the cut may come twice"
    for node in (a, c):
        node.wait_empty(30)
    assert not list((a.mail).rglob("new/*")), "something was returned to its sender"


def test_an_alias_may_lead_back_the_way_the_mail_came(network):
    if network is None:
        return
    a, b = network.nodes["a"], network.nodes["b"]
    wait_way(b, "a.test", "a.test", 10, 15)
    aliases = b.place / "aliases"
    aliases.write_text("list: back@a.test\n")
    b.configure(b.text.replace('recipients = any', 'recipients = any  aliases = "file:$place/aliases"'))
    b.command("reload")
    wait_until(lambda: b.events("reload") or b.events("reload_refused"), 10, "the reload")
    a.send(1, 1, "list@b.test")
    found = wait_arrived(a, "back", [1], 30)
    assert found[1] == [["a", "b", "a"]]
