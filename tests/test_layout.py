"""The order of the folders is kept: docs/ARCHITECTURE.md says it, src/meson.build spells it."""
import pathlib
import re

SRC = pathlib.Path(__file__).resolve().parent.parent / "src"
PROGRAMS = {"smtpd", "queue", "relay", "local", "lookup", "vault", "console", "master", "cli"}
SOURCES = sorted([*SRC.glob("*/*.c"), *SRC.glob("*/*.h")])


def folders():
    """From top to bottom."""
    return re.findall(r"^subdir\('(\w+)'\)", (SRC / "meson.build").read_text(encoding="utf-8"), re.MULTILINE)


def includes(path):
    return re.findall(r'^#include "(\w+)/', path.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_folder_has_its_place():
    assert {path.parent.name for path in SOURCES} == set(folders())


def test_a_folder_includes_only_folders_above_it():
    place = {name: number for number, name in enumerate(folders())}
    wrong = [f"{path.relative_to(SRC)} includes {name}/" for path in SOURCES for name in includes(path)
             if place[name] > place[path.parent.name]]
    assert not wrong


def test_a_program_never_includes_another_program():
    wrong = [f"{path.relative_to(SRC)} includes {name}/" for path in SOURCES for name in includes(path)
             if name in PROGRAMS and name != path.parent.name]
    assert not wrong


def test_every_file_says_in_its_first_line_what_it_is():
    wrong = [str(path.relative_to(SRC)) for path in SOURCES
             if not re.match(rf"/\* {re.escape(path.name)} - .", path.read_text(encoding="utf-8"))]
    assert not wrong
