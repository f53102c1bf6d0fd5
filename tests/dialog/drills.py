"""Drills: what a script cannot say, because it says it a thousand times."""
import itertools
import re

from .client import Client
from .server import Trouble, until

MAIL = b"MAIL FROM:<s@there.example>\r\n"
RCPT = b"RCPT TO:<alice@ours.example>\r\n"


def commands(server, *lines):
    """A session that has come so far; every reply must be positive."""
    client = Client(server.where["mx"])
    for line in (None,) + lines:
        if line is not None:
            client.send(line)
        reply = client.reply()
        if reply is None or reply.code[0] not in "23":
            raise Trouble(f"{line!r} was answered {reply}")
    return client


def at_data(server):
    return commands(server, b"EHLO c.example\r\n", MAIL, RCPT, b"DATA\r\n")


def clean(text):
    """Is text, up to its true end, free of bare CR, bare LF and NUL?"""
    end = re.search(rb"(?:\A|\r\n)\.\r\n", text)
    text = text[:end.end()] if end else text
    return not re.search(rb"\0|\r(?!\n)|(?<!\r)\n", text)


def every_string(server, argument):
    """Every string of up to N of six octets inside a message (A016). The reply to
    the text is 250 or 550, and never more than one message comes of it."""
    accepted = 0
    for length in range(int(argument) + 1):
        for octets in itertools.product(b"\r\n.\0 x", repeat=length):
            text = b"line\r\n" + bytes(octets) + b"\r\nend\r\n.\r\n"
            client = at_data(server)
            client.send(text)
            reply = client.reply()
            wanted = "250" if clean(text) else "550"
            if reply is None or reply.code != wanted:
                raise Trouble(f"{text!r} was answered {reply}, not {wanted}")
            if wanted == "550" and client.reply() is not None:
                raise Trouble(f"{text!r}: refused, but not closed")
            accepted += wanted == "250"
            client.close()
    until(lambda: len(server.mail("alice")) == accepted, f"{accepted} messages")


def every_cut(server, text):
    """One message, cut in two segments at every octet (A017): always the same."""
    client = commands(server, b"EHLO c.example\r\n")
    for cut in range(len(text) + 1):
        for line in (MAIL, RCPT, b"DATA\r\n"):
            client.send(line)
            if client.reply().code[0] not in "23":
                raise Trouble(f"{line!r} was answered {client.last}")
        client.send(text[:cut])
        client.silent(0.003)
        client.send(text[cut:])
        reply = client.reply()
        if reply is None or reply.code != "250":
            raise Trouble(f"cut at {cut}: {reply}")
    until(lambda: len(server.mail("alice")) == len(text) + 1, f"{len(text) + 1} messages")
    bodies = {message.partition(b"\n\n")[2] for message in server.mail("alice")}
    if len(bodies) != 1:
        raise Trouble(f"bodies differ: {bodies}")


def every_reset(server, text):
    """The dialogue broken off by RST after every octet (A040)."""
    for cut in range(len(text)):
        client = Client(server.where["mx"])
        client.send(text[:cut])
        client.reset()


def normal(replies):
    """Replies without what must differ: ids and times."""
    return [re.sub(r"as [0-9A-Z]{13}", "as ID", str(reply)) for reply in replies]


def groups_said(server, groups, slowly):
    client = Client(server.where["mx"])
    replies = [client.reply()]
    for group in groups:
        (client.send_slowly if slowly else client.send)(group)
        while True:
            replies.append(client.reply())
            if replies[-1] is None or client.silent(0.2):
                break
    client.close()
    return normal(replies)


def both_ways(server, text):
    """Groups, parted by |: each in one segment, and octet by octet (A039)."""
    groups = text.split(b"|")
    at_once, slowly = groups_said(server, groups, False), groups_said(server, groups, True)
    if at_once != slowly:
        raise Trouble(f"at once: {at_once}\nslowly:  {slowly}")


def link_states_without_end(server, octets):
    """Chunks of so many octets, until the transfer is refused: then all that follows is."""
    octets = int(octets)
    client = commands(server, b"EHLO hub2.example\r\n")
    chunk = b"CHUNK={%08x} %s\r\n" % (octets, b"x" * octets)
    codes = []
    for n in range(1100):
        client.send(b"X-LINK2STATE " + (b"NEXT " if n else b"FIRST ") + chunk)
        codes.append(client.reply().code)
        if codes[-1] != "200":
            break
    client.send(b"X-LINK2STATE NEXT " + chunk)
    codes.append(client.reply().code)
    taken = min(1024, 262144 // octets)
    if codes != ["200"] * taken + ["552", "503"]:
        raise Trouble(f"{len(codes)} chunks were answered {codes[-3:]}")
    client.close()


def asked_again(server, line):
    """A command a thousand times, from a trusted client: in the end it is not carried out any more."""
    client = Client(server.where["mx"], "127.0.0.2")
    client.reply()
    client.send(b"EHLO c.example\r\n")
    client.reply()
    codes = []
    while len(codes) < 1000 and (not codes or codes[-1] != "421"):
        client.send(line + b"\r\n")
        codes.append(client.reply().code)
    if codes[-1] not in ("421", "458") or len(set(codes)) > 3:
        raise Trouble(f"after {len(codes)}: {set(codes)}, the last one {codes[-1]}")
    client.close()


DRILLS = {"every-string": every_string, "every-cut": every_cut, "every-reset": every_reset,
          "both-ways": both_ways, "link-states-without-end": link_states_without_end,
          "asked-again": asked_again}
