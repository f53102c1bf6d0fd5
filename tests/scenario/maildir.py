"""Reading what was delivered, and saying whether it is what was sent."""
import email
import email.policy
import pathlib
import re

# What servers on the way may put before a message.
TRACE_FIELDS = {"return-path", "received", "delivered-to", "envelope-to", "delivery-date", "x-original-to"}


def unix(data):
    """With LF, as a Maildir has it."""
    return data.replace(b"\r\n", b"\n")


class Delivered:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.data = unix(self.path.read_bytes())
        self.time = self.path.stat().st_mtime

    @property
    def parsed(self):
        return email.message_from_bytes(self.data, policy=email.policy.default)

    def header(self, name):
        return self.parsed.get(name)

    def __repr__(self):
        return f"<{self.path}, {len(self.data)} bytes>"


def mailbox(path):
    """The messages of a Maildir, oldest first; those still in tmp/ are none."""
    new = pathlib.Path(path) / "new"
    files = [p for p in new.iterdir() if p.is_file()] if new.is_dir() else []
    return [Delivered(p) for p in sorted(files, key=lambda p: p.stat().st_mtime_ns)]


def split_trace(data):
    """(trace fields put before it, the rest)"""
    at = 0
    while True:
        field = re.compile(rb"([!-9;-~]+):[^\n]*\n(?:[ \t][^\n]*\n)*").match(data, at)
        if field is None or field[1].decode().lower() not in TRACE_FIELDS:
            return data[:at], data[at:]
        at = field.end()


def assert_carried(delivered, sent):
    """Octet for octet what was sent, with nothing but trace fields before it."""
    trace, rest = split_trace(delivered.data)
    assert rest == unix(sent), f"{delivered} is not what was sent: {rest[:300]!r} instead of {unix(sent)[:300]!r}"
    assert trace.lower().count(b"return-path:") == 1, f"one Return-Path wanted: {trace!r}"
    assert b"received:" in trace.lower(), f"no Received field: {trace!r}"
