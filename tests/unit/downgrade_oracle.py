"""Does Python's email module find in a re-encoded message what was put into it?

usage: downgrade_oracle.py DOWNGRADE_FILTER

Messages are made up from parts whose octets are known; the filter makes them fit,
and the email package, which shares no line with us, takes them apart again.
"""
import email
import random
import subprocess
import sys

FITS, DONE = 0, 1
PIECES = [b"a line\r\n", b"\r\n", b"trailing \t\r\n", b"-- \r\n", b"--x\r\n", b".\r\n", b"From me\r\n",
          b"a=3D=\r\n", b"word " * 30 + b"\r\n", b"-" * 200 + b"\r\n"]
HIGH = ["ü".encode(), b"\xff\xfe", "Grüße aus Köln\r\n".encode(), "日本語\r\n".encode()]
RAW = [b"\0", b"\n", b"\r", b"\n\r\n", b"x" * 1500]


def body(rng, pool):
    return b"".join(rng.choice(pool) for _ in range(rng.randrange(10)))


def leaf(rng, binary):
    """-> (the part's octets, [(type, content)])"""
    kind = rng.choice(["text/plain", "text/html", "application/x-y", "image/png"])
    pool, name = rng.choice([(PIECES, "7bit"), (PIECES + HIGH, "8bit")] +
                            ([(PIECES + HIGH + RAW, "binary")] if binary else []))
    content = body(rng, pool)
    head = f"Content-Type: {kind}; name=\"n;m\"\r\nContent-Transfer-Encoding: {name}\r\n"
    return head.encode() + b"\r\n" + content, [(kind, content)]


def entity(rng, binary, depth=0, top=False):
    pick = rng.randrange(4) if depth < 5 else 0
    version = b"MIME-Version: 1.0\r\n" if top else b""
    if pick < 2:
        octets, leaves = leaf(rng, binary)
        return version + octets, leaves
    if pick == 2 and not top:
        octets, leaves = entity(rng, binary, depth + 1, top=True)
        return version + b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n" + octets, leaves
    boundary = b"=_%08x" % rng.randrange(1 << 32)
    octets, leaves = version + b"Content-Type: multipart/mixed; boundary=\"" + boundary + b"\"\r\n", []
    if rng.randrange(2):
        octets += b"Content-Transfer-Encoding: 8bit\r\n"
    octets += b"\r\n"
    for _ in range(rng.randrange(1, 4)):
        part, found = entity(rng, binary, depth + 1)
        octets += b"--" + boundary + b"\r\n" + part + b"\r\n"
        leaves += found
    return octets + b"--" + boundary + b"--\r\n", leaves


def found_in(octets):
    message = email.message_from_bytes(octets)
    leaves = [part for part in message.walk() if not part.is_multipart()]
    for part in message.walk():
        assert not part.defects, part.defects
    return [(part.get_content_type(), part.get_payload(decode=True)) for part in leaves]


def check(rng, binary, filter_path):
    target = "8bit" if binary and rng.randrange(2) else "7bit"
    octets, leaves = entity(rng, binary, top=True)
    octets = b"Subject: outer\r\n" + octets
    if not octets.endswith(b"\r\n"):
        octets += b"\r\n"
        leaves[-1] = (leaves[-1][0], leaves[-1][1] + b"\r\n")
    run = subprocess.run([filter_path, target], input=octets, stdout=subprocess.PIPE)
    assert run.returncode in (FITS, DONE), run.returncode
    out = run.stdout
    assert b"\0" not in out and b"\n" not in out.replace(b"\r\n", b"") and b"\r" not in out.replace(b"\r\n", b"")
    assert max(len(line) for line in out.split(b"\r\n")) <= 998
    assert target == "8bit" or all(octet < 128 for octet in out)
    assert found_in(out) == leaves, (octets, out)
    return run.returncode


def main(filter_path):
    done = [check(random.Random(seed), seed % 2 == 0, filter_path) for seed in range(600)]
    assert done.count(DONE) > 300 and done.count(FITS) > 30, done
    print(f"{done.count(DONE)} re-encoded, {done.count(FITS)} left as they were")


if __name__ == "__main__":
    main(sys.argv[1])
