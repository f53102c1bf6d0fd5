"""What the kernel knows about a server: CPU, memory, system calls; and this machine."""
import contextlib
import os
import pathlib
import re
import signal
import statistics
import subprocess
import time

SYNCS = {"fsync", "fdatasync", "sync_file_range", "sync", "syncfs", "msync"}
TICK = os.sysconf("SC_CLK_TCK")


def cgroup_mount():
    """Where control groups of version 2 are, if we may make one there."""
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        words = line.split()
        if words[2] == "cgroup2" and os.access(words[1], os.W_OK):
            return pathlib.Path(words[1])
    return None


class Group:
    """All processes of one server, also those that leave their session.

    A control group counts the CPU of every process that was ever in it. Without
    one, /proc says what its living processes used and those that they waited
    for; daemons whose parent is another process are missed.
    """

    def __init__(self, name):
        mount = cgroup_mount()
        self.folder = mount / f"postrider-bench-{os.getpid()}-{name}" if mount else None
        self.home = mount / own_group() if mount else None
        self.root = None
        if self.folder:
            try:
                self.folder.mkdir()
                (self.folder / "cpu.stat").read_text()
            except OSError:
                self.folder = None

    @property
    def source(self):
        return "cgroup" if self.folder else "proc"

    @contextlib.contextmanager
    def entered(self):
        """What is started in here belongs to the group."""
        if not self.folder:
            yield
            return
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))
        try:
            yield
        finally:
            (self.home / "cgroup.procs").write_text(str(os.getpid()))

    def pids(self):
        if self.folder:
            return [int(n) for n in (self.folder / "cgroup.procs").read_text().split()]
        return descendants(self.root) if self.root else []

    def cpu(self):
        """Seconds, user and system."""
        if self.folder:
            return int(re.search(r"usage_usec (\d+)", (self.folder / "cpu.stat").read_text())[1]) / 1e6
        return sum(cpu_of(pid) for pid in self.pids())

    def memory(self):
        """Bytes, each page shared out among those that share it."""
        return sum(proportional(pid) for pid in self.pids())

    def close(self):
        """Whatever is left is ended. The kernel removes a group a moment after its last process."""
        end = time.monotonic() + 10
        while self.folder and self.folder.exists() and time.monotonic() < end:
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                self.folder.rmdir()
                return
            time.sleep(0.02)


def own_group():
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return line[3:].lstrip("/")
    return ""


def stat_fields(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def descendants(root):
    parents = {int(name): int(fields[1]) for name in os.listdir("/proc")
               if name.isdigit() and len(fields := stat_fields(name)) > 1}
    found = [root] if root in parents else []
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def cpu_of(pid):
    fields = stat_fields(pid)
    return sum(int(n) for n in fields[11:15]) / TICK if fields else 0


def proportional(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


class Trace:
    """strace on all processes of a group, and their children, from now on."""

    def __init__(self, group, place):
        self.output = pathlib.Path(place) / "strace"
        pids = group.pids()
        words = ["strace", "-f", "-q", "-c", "-o", str(self.output)]
        for pid in pids:
            words += ["-p", str(pid)]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while not all(traced(pid) for pid in pids) and time.monotonic() < end:
            time.sleep(0.02)

    def stop(self):
        """{name: calls}"""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        return calls_in(self.output.read_text())


def traced(pid):
    try:
        return "TracerPid:\t0\n" not in pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True     # it has ended


def calls_in(text):
    """The table of strace -c: {name: calls}"""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) in (5, 6) and re.fullmatch(r"[\d.]+", words[0]) and words[-1] != "total":
            found[words[-1]] = int(words[3])
    return found


# --- the machine

def machine(place):
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {"cores": os.cpu_count(), "processor": model[1] if model else os.uname().machine,
            "kernel": os.uname().release, "file_system": file_system(place),
            "sync_ms": round(sync_latency(place), 3), "cpu": cpu_source(), "when": time.strftime("%Y-%m-%d %H:%M:%S %z")}


def cpu_source():
    """How the CPU of a server is counted here: by "cgroup" or by "proc"."""
    group = Group("probe")
    try:
        return group.source
    finally:
        group.close()


class Stolen:
    """What part of the processors' time the host of a virtual machine gave to others, since this was made."""

    def __init__(self):
        self.before = self.ticks()

    @staticmethod
    def ticks():
        """(stolen, all)"""
        fields = [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return fields[7], sum(fields)

    def share(self):
        stolen, every = (now - before for now, before in zip(self.ticks(), self.before))
        return round(stolen / every, 3) if every else 0.0


def file_system(place):
    done = subprocess.run(["stat", "-f", "-c", "%T", str(place)], stdout=subprocess.PIPE, text=True)
    return done.stdout.strip() or "unknown"


def sync_latency(place, times=100):
    """ms of one fdatasync after a write of 4 KiB into a file that is all there"""
    name = os.path.join(place, "sync")
    fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.write(fd, bytes(4096 * times))
        os.fsync(fd)
        found = []
        for number in range(times):
            os.pwrite(fd, b"x" * 4096, 4096 * number)
            start = time.monotonic()
            os.fdatasync(fd)
            found.append(time.monotonic() - start)
        return statistics.median(found) * 1000
    finally:
        os.close(fd)
        os.unlink(name)
