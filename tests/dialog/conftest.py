"""Each *.dialog file is a test; one server is shared by those of one configuration."""
import pytest

from .dialogue import Dialogue, Run
from .server import Servers, Trouble

servers = Servers()


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".dialog":
        return DialogueFile.from_parent(parent, path=file_path)
    return None


class DialogueFile(pytest.File):
    def collect(self):
        yield DialogueItem.from_parent(self, name=self.path.stem, dialogue=Dialogue(self.path))


class DialogueItem(pytest.Item):
    def __init__(self, *, dialogue, **kwargs):
        super().__init__(**kwargs)
        self.dialogue = dialogue

    def runtest(self):
        try:
            Run(self.dialogue, servers.get(*self.dialogue.key)).hold()
        except BaseException:
            servers.discard()   # what went wrong here must not be held against the next
            raise

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, Trouble):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, 0, self.dialogue.title or self.name


class LastServerStops(pytest.Item):
    """Stopping is a promise too: a test of its own, the last one."""

    def runtest(self):
        servers.stop()

    def repr_failure(self, excinfo, style=None):
        return str(excinfo.value)

    def reportinfo(self):
        return self.path, 0, self.name


def pytest_collection_modifyitems(session, items):
    mine = [item for item in items if isinstance(item, DialogueItem)]
    if not mine:
        return
    order = sorted(mine, key=lambda item: (item.dialogue.key != ((), ""), item.dialogue.key, item.name))
    others = [item for item in items if not isinstance(item, DialogueItem)]
    last = LastServerStops.from_parent(mine[-1].parent, name="the_server_stops_in_order")
    items[:] = others + order + [last]


def pytest_sessionfinish(session):
    try:
        servers.stop()
    except Trouble:
        session.exitstatus = 1
