"""Terminals: people who are logged in, for SEND, SOML and SAML."""
import grp
import os
import pwd
import select
import struct

import pytest

from .server import Trouble, until

UTMP = struct.Struct("hxxi32s4s32s256shhiii4i20x")       # utmp(5) of x86-64


class Terminal:
    """A pty that belongs to `user` and takes messages; he is the one who is logged in."""

    def __init__(self, directory, user):
        try:
            self.master, self.slave = os.openpty()
            path = os.ttyname(self.slave)
            os.chown(path, pwd.getpwnam(user).pw_uid, grp.getgrnam("tty").gr_gid)
        except (OSError, KeyError):
            pytest.skip("no terminal for another user here")
        os.chmod(path, 0o620)
        self.file, self.shown = directory / "utmp", b""
        self.record(path.removeprefix("/dev/"), user)

    def record(self, line, user):
        new = self.file.with_suffix(".new")
        new.write_bytes(UTMP.pack(7, os.getpid(), line.encode(), b"", user.encode(), b"",
                                  0, 0, 0, 0, 0, 0, 0, 0, 0) if line else b"")
        new.chmod(0o644)
        new.rename(self.file)

    def read(self):
        while select.select([self.master], [], [], 0.05)[0]:
            self.shown += os.read(self.master, 65536)
        return self.shown

    def has(self, octets):
        until(lambda: octets in self.read(), f"{octets!r} on the terminal")

    def lacks(self, octets):
        if octets in self.read():
            raise Trouble(f"the terminal shows {self.shown!r}")

    def close(self):
        self.record("", "")
        os.close(self.slave)
        os.close(self.master)
