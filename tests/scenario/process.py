"""A process that a test started, and stops by its pid."""
import os
import shutil
import signal
import subprocess
import time


class Process:
    """Runs in a session of its own; what it prints goes to a file."""

    def __init__(self, command, log, env=None, cwd=None, sudo=False, **more):
        if sudo and os.geteuid() != 0:
            pairs = [f"{k}={v}" for k, v in (env or {}).items()]
            command = ["sudo", "-n", "env", *pairs, *command]
        self.log_path = log
        self.sudo = sudo and os.geteuid() != 0
        self.command = [str(word) for word in command]
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                          env={**os.environ, **(env or {})}, cwd=cwd,
                                          start_new_session=True, **more)

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def signal(self, number):
        if not self.alive():
            return
        if self.sudo:
            subprocess.run(["sudo", "-n", "kill", f"-{int(number)}", str(self.pid)], check=False)
        else:
            os.kill(self.pid, number)

    def wait(self, seconds=15):
        """The exit status; None if it still runs."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, seconds=15):
        """SIGTERM, and SIGKILL to its whole session if that does not help; the exit status."""
        self.signal(signal.SIGTERM)
        if self.wait(seconds) is None:
            self.kill_session()
        return self.wait(5)

    def kill_session(self):
        for pid in session_members(self.pid):
            if self.sudo:
                subprocess.run(["sudo", "-n", "kill", "-9", str(pid)], check=False)
            else:
                kill_quietly(pid)

    def log(self):
        with open(self.log_path, "rb") as f:
            return f.read().decode("utf-8", "replace")


def kill_quietly(pid, number=signal.SIGKILL):
    """True if the process was there."""
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def stat_fields(pid):
    """Fields of /proc/PID/stat from the state on; [] if the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            return f.read().rpartition(b")")[2].split()
    except OSError:
        return []


def is_running(pid):
    """An ended process still runs while one of its threads does: it may sit in a
    sync and hold files and locks."""
    fields = stat_fields(pid)
    if not fields or fields[0] not in (b"Z", b"X"):
        return bool(fields)
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def children(pid):
    """Pids of the direct children, ended ones left out."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(n) for n in f.read().split() if is_running(int(n))]
    except OSError:
        return []


def session_members(session):
    everyone = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in everyone
            if len(fields := stat_fields(pid)) > 3 and int(fields[3]) == session]


def wait_gone(pids, seconds):
    """How long until none of these runs any more; None if some still do."""
    start = time.monotonic()
    while any(is_running(pid) for pid in pids):
        if time.monotonic() - start > seconds:
            return None
        time.sleep(0.01)
    return time.monotonic() - start


def done(command, **more):
    """What this command printed, which must end well."""
    finished = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, **more)
    assert finished.returncode == 0, f"{command}: {finished.returncode}\n{finished.stdout.decode(errors='replace')}"
    return finished.stdout.decode(errors="replace")


def needs(program):
    assert shutil.which(program), f"{program} is not installed: see tests/packages.txt"
