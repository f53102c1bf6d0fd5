"""`postrider account`: who may log in."""
import json
import os
import pty
import re
import subprocess
import time

import pytest

from postrider import COMMAND, config_check


class Accounts:
    def __init__(self, file):
        self.file = file

    def run(self, *words, input=""):
        verb, *rest = words
        return subprocess.run([COMMAND, "account", verb, "--file", self.file, *rest], input=input,
                              capture_output=True, text=True, timeout=60)

    def done(self, *words, **more):
        result = self.run(*words, **more)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def lines(self):
        return self.file.read_text().splitlines()


@pytest.fixture
def accounts(tmp_path):
    return Accounts(tmp_path / "accounts")


def test_what_was_added_is_checked_listed_and_removed(accounts):
    assert accounts.done("add", "alice", input="wonder land\n") == "alice: added\n"
    assert accounts.done("add", "--clear", "bob@x.test", input="builder\n") == "bob@x.test: added\n"
    assert re.fullmatch(r"alice:\{crypt\}\$y\$.+\{SCRAM-SHA-256\}\d+:[^:$]+\$[^:]+:.+", accounts.lines()[0])
    assert accounts.lines()[1].endswith("{clear}builder")
    assert accounts.done("check", "alice", input="wonder land\n") == "right\n"
    assert accounts.run("check", "alice", input="wonder lane\n").returncode == 77
    assert accounts.run("check", "nobody", input="x\n").returncode == 67
    assert "right (2 accounts)" in accounts.done("check")
    rows = [json.loads(line) for line in accounts.done("list", "--json").splitlines()]
    assert rows == [{"name": "alice", "crypt": True, "scram": True, "clear": False},
                    {"name": "bob@x.test", "crypt": True, "scram": True, "clear": True}]
    assert accounts.done("remove", "alice") == "alice: removed\n"
    assert len(accounts.lines()) == 1
    assert accounts.run("remove", "alice").returncode == 67


def test_a_new_password_takes_the_old_ones_place_and_the_rest_stays(accounts):
    accounts.file.write_text("# ours\nalice:{clear}old\n\nbob:{clear}builder")
    accounts.file.chmod(0o640)
    held, before = accounts.file.open(), accounts.file.stat()
    assert accounts.done("add", "alice", input="new\n") == "alice: password changed\n"
    assert [accounts.lines()[0], *accounts.lines()[2:]] == ["# ours", "", "bob:{clear}builder"]
    assert "{clear}" not in accounts.lines()[1]
    accounts.done("add", "carol", input="x\n")
    assert accounts.lines()[4].startswith("carol:")
    accounts.done("check", "alice", input="new\n")
    after = accounts.file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert os.fstat(held.fileno()).st_nlink == 0        # replaced, never written into
    assert [path.name for path in accounts.file.parent.iterdir()] == ["accounts"]


def test_a_new_file_is_for_its_owner_alone(accounts):
    os.umask(0)
    try:
        accounts.done("add", "alice", input="x\n")
    finally:
        os.umask(0o022)
    assert accounts.file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text, mode, said", [
    ("alice:{clear}x\nbob\n", 0o600, "accounts:2: expected NAME"),
    ("alice:{clear}x\n", 0o604, "can be read by everybody"),
])
def test_a_wrong_file_is_told_and_never_changed(accounts, text, mode, said):
    accounts.file.write_text(text)
    accounts.file.chmod(mode)
    for words in (("add", "carol"), ("remove", "alice"), ("check",), ("list",)):
        result = accounts.run(*words, input="x\n")
        assert result.returncode == 78
        assert said in result.stderr
    assert accounts.file.read_text() == text


@pytest.mark.parametrize("name, password, status", [
    ("a b", "x\n", 65), ("a:b", "x\n", 65), ("#a", "x\n", 65), ("a|b", "x\n", 65), ("a\nb", "x\n", 65),
    ("", "x\n", 65), ("a" * 256, "x\n", 65), ("o\u0308", "x\n", 65),
    ("alice", "", 65), ("alice", "\n", 65), ("alice", "x" * 512 + "\n", 65), ("alice", "a\x07b\n", 65),
])
def test_names_and_passwords_that_cannot_be_are_refused(accounts, name, password, status):
    assert accounts.run("add", name, input=password).returncode == status
    assert not accounts.file.exists()


def test_usage_is_told(accounts):
    assert accounts.run("add").returncode == 64
    assert accounts.run("add", "a", "b", input="x\n").returncode == 64
    assert accounts.run("list", "a", "b").returncode == 64


def test_the_file_is_found_by_the_configuration(tmp_path):
    file, conf = tmp_path / "accounts", tmp_path / "postrider.conf"
    file.write_text("alice:{clear}x\n")
    file.chmod(0o600)
    conf.write_text(f'accounts = "file:{file}"\n')
    said = subprocess.run([COMMAND, "-c", conf, "account", "list"], capture_output=True, text=True)
    assert "alice" in said.stdout
    file.unlink()                   # the first account makes the file
    said = subprocess.run([COMMAND, "-c", conf, "account", "add", "bob"], capture_output=True, text=True, input="x\n")
    assert said.returncode == 0 and file.read_text().startswith("bob:"), said
    conf.write_text("")
    said = subprocess.run([COMMAND, "-c", conf, "account", "list"], capture_output=True, text=True)
    assert said.returncode == 78 and "names no file of accounts" in said.stderr


def type_into(words, lines):
    """Run at a terminal, answering each prompt with a line; status and screen."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(COMMAND, [str(COMMAND), *words])
    screen = b""
    for line in lines:
        while not screen.rstrip().endswith(b":"):
            screen += os.read(terminal, 1000)
        time.sleep(0.1)
        os.write(terminal, line.encode() + b"\n")
        screen += b" "
    try:
        while True:
            screen += os.read(terminal, 1000)
    except OSError:
        pass
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), screen.decode()


def test_at_a_terminal_it_is_asked_twice_and_not_shown(accounts):
    words = ["account", "add", "--file", str(accounts.file), "alice"]
    status, screen = type_into(words, ["wonder land", "wonder land"])
    assert status == 0 and "Password:" in screen and "Again:" in screen and "wonder" not in screen
    accounts.done("check", "alice", input="wonder land\n")
    status, screen = type_into(words, ["one", "two"])
    assert status == 65 and "two different" in screen
    accounts.done("check", "alice", input="wonder land\n")


def test_many_at_once_lose_nobody(accounts):
    running = [subprocess.Popen([COMMAND, "account", "add", "--file", accounts.file, f"user{n}"],
                                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) for n in range(12)]
    for n, process in enumerate(running):
        process.stdin.write(b"secret\n")
        process.stdin.close()
    assert all(process.wait(60) == 0 for process in running)
    assert sorted(line.split(":")[0] for line in accounts.lines()) == sorted(f"user{n}" for n in range(12))


def checked(accounts):
    """What the server would say of a configuration with these accounts."""
    conf = accounts.file.with_name("postrider.conf")
    conf.write_text(f'hostname = "mx.test"\nspool = "{conf.parent}/spool"\ncontrol = "{conf.parent}/control"\n'
                    f'accounts = "file:{accounts.file}"\nlisten "127.0.0.1:2525" {{ role = mx }}\n')
    return config_check(conf)


def test_the_server_takes_files_as_long_as_the_command_does(accounts):
    remark = "#" + " wide and empty" * 100 + "\n"
    accounts.file.write_text(remark * ((17 << 20) // len(remark)))
    accounts.file.chmod(0o600)
    accounts.done("add", "alice", input="wonder land\n")
    assert checked(accounts).returncode == 0
    with accounts.file.open("a") as file:
        file.write(remark * ((48 << 20) // len(remark)))
    assert accounts.run("add", "bob", input="builder\n").returncode != 0
    done = checked(accounts)
    assert done.returncode == 78 and "64 MiB" in done.stderr
