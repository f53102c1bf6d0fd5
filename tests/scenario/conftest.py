"""Fixtures of the scenario tests: real processes on loopback, stopped by their pid."""
import os
import shutil
import tempfile
import pathlib

import pytest

import peers
import postrider


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call":
        item.failed_in_call = report.failed


@pytest.fixture
def place(request):
    """A folder that other users may enter; kept when the test fails."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="postrider-"))
    os.chmod(path, 0o755)
    yield path
    if getattr(request.node, "failed_in_call", True):
        print(f"\nkept: {path}")
    else:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make_server(place):
    """make_server(text, ...) gives a server that is not started yet."""
    made = []

    def make(text="", name=None, **more):
        server = postrider.Server(place / (name or f"server{len(made) + 1}"), text, **more)
        made.append(server)
        return server

    yield make
    for server in made:
        server.cleanup()
        server.assert_clean()


EXAMPLE = 'domain "example.org" { recipients = any  deliver = "maildir:$mail/%d/%u" }'


@pytest.fixture
def server(make_server):
    """A started server with Maildirs for everyone at example.org; stopped in order afterwards."""
    started = make_server(EXAMPLE).start()
    yield started
    if started.process is not None:
        started.stop()


@pytest.fixture
def make_peer(place):
    """make_peer(peers.Postfix, ...) gives a started peer."""
    made = []

    def make(kind, *words, **more):
        if kind is peers.Postfix and not peers.may_sudo() and not os.environ.get("CI"):
            pytest.skip("Postfix's master must be started by root, and sudo asks for a password")
        peer = kind(place / f"{kind.__name__.lower()}{len(made) + 1}", *words, **more)
        made.append(peer)
        return peer.start()

    yield make
    for peer in made:
        peer.stop()
