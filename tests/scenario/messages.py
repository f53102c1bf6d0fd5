"""Messages to send: made from a seed, and known again where they arrive."""
import hashlib
import random
import re
import string

HEADER = re.compile(rb"^X-Ledger: ([^ \r\n]+) ([0-9a-f]{64})\r?$", re.M)


def plain(sender, recipient, subject="a test", body="Hello.\r\n", **fields):
    """A complete message, so that nobody on the way feels a need to add a field."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    number = random.getrandbits(60)
    return (f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: {subject}\r\n"
            f"Date: Sun, 22 Nov 2026 01:02:03 +0000\r\nMessage-ID: <{number:x}@client.test>\r\n{more}\r\n"
            f"{body}").encode()


def awkward_body():
    """Dots, trailing blanks, empty lines, octets above 127, a line of 998."""
    return ("First line\r\n.\r\n..\r\n.dot first\r\n\r\n\r\ntrailing blanks  \t \r\nFrom the start\r\n"
            + "x" * 998 + "\r\n\tGr\u00fc\u00dfe aus K\u00f6ln, \u65e5\u672c\u8a9e\r\n\r\n.\r\n")


_ALPHABET = (string.ascii_letters + string.digits + " .,;-").encode()
_TABLE = bytes(_ALPHABET[n % len(_ALPHABET)] for n in range(256))


def body_of(rng, size):
    """`size` octets of lines, CRLF at the end unless there is no room for it."""
    if size < 3:
        return b"\r\n" if size == 2 else b""
    raw = rng.randbytes(size).translate(_TABLE)
    lines, at = [], 0
    while at < size:
        n = min(size - at, 72 if size > 2000 else rng.randint(3, 80))
        if size - at - n in (1, 2):     # no room for a last line with its CRLF
            n = min(size - at, n + 2) if n < 900 else n - 2
        lines.append(raw[at:at + n - 2] if n > 2 else b"")
        at += max(n, 2)
    return b"\r\n".join(lines) + b"\r\n"


class Marked:
    """A message that carries its name and the hash of its body in its header."""

    def __init__(self, name, sender, recipients, body):
        self.name, self.sender, self.recipients = name, sender, recipients
        self.sha256 = digest(body)
        self.data = (f"From: <{sender}>\r\nSubject: {name}\r\nDate: Sun, 22 Nov 2026 01:02:03 +0000\r\n"
                     f"Message-ID: <{name}@ledger.test>\r\nX-Ledger: {name} {self.sha256}\r\n\r\n").encode() + body


def digest(body):
    return hashlib.sha256(body.replace(b"\r\n", b"\n")).hexdigest()


def recognise(data):
    """(name, intact) of a marked message as it arrived; None if it is not one."""
    found = HEADER.search(data[:20000])
    if found is None:
        return None
    ending = b"\r\n\r\n" if b"\r\n\r\n" in data[:20000] else b"\n\n"
    body = data[data.index(ending) + len(ending):]
    return found[1].decode(), digest(body) == found[2].decode()
