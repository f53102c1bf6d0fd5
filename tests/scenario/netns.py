"""Network namespaces joined by cables: each is a world of its own, held by a sleeping process.

Needs the right to make namespaces: root, or a user namespace (see enter_or_skip).
"""
import os
import shutil
import subprocess
import sys

import pytest

INSIDE = "POSTRIDER_INSIDE_NAMESPACE"
ENTER = ["unshare", "--user", "--map-current-user", "--keep-caps", "--net"]


def works(command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def enter_or_skip(request):
    """True: go on, we may make namespaces. False: this test ran in a user namespace of its own, and passed."""
    if not all(shutil.which(tool) for tool in ("ip", "unshare", "nsenter")):
        pytest.skip("iproute2 or util-linux is not installed")
    if os.environ.get(INSIDE) or (os.geteuid() == 0 and works(["unshare", "--net", "true"])):
        return True
    if not works([*ENTER, "unshare", "--net", "ip", "link", "set", "lo", "up"]):
        pytest.skip("neither root nor user namespaces may make network namespaces here")
    done = subprocess.run([*ENTER, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                           f"{request.path}::{request.node.name}"],
                          env={**os.environ, INSIDE: "1"}, cwd=request.path.parent, check=False)
    assert done.returncode == 0, "the test failed in its user namespace"
    return False


class Namespace:
    def __init__(self, name):
        self.name = name
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL)
        # unshare becomes sleep; before that, its namespace is still ours
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            assert self.holder.poll() is None, "no namespace"
        self.ip("link", "set", "lo", "up")

    def inside(self, *command):
        """A command that runs in it: nsenter becomes that command, with the same pid."""
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *map(str, command)]

    def ip(self, *words):
        subprocess.run(self.inside("ip", *words), check=True)

    def end(self):
        self.holder.kill()
        self.holder.wait()


class Cable:
    """Between two namespaces, with an address at each end: 10.N.0.1 and 10.N.0.2."""

    def __init__(self, number, one, other):
        self.one, self.other = one, other
        self.ends = (f"to-{other.name}", f"to-{one.name}")
        one.ip("link", "add", self.ends[0], "type", "veth", "peer", "name", self.ends[1],
               "netns", other.holder.pid)
        for space, end, last in ((one, self.ends[0], 1), (other, self.ends[1], 2)):
            space.ip("address", "add", f"10.{number}.0.{last}/30", "dev", end)
            space.ip("link", "set", end, "up")

    def cut(self):
        self.one.ip("link", "set", self.ends[0], "down")

    def mend(self):
        self.one.ip("link", "set", self.ends[0], "up")
