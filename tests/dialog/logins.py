"""Logins: what a client says in each mechanism, computed from the server's challenges."""
import base64
import hashlib
import hmac
import os

from .server import Trouble


def b64(octets):
    return base64.b64encode(octets).decode()


def unb64(text):
    return base64.b64decode(text, validate=True)


class Login:
    """One attempt: `first` is said with the command (None: nothing), `answer` to each 334."""

    first = None

    def __init__(self, user, password):
        self.user, self.password = user.encode(), password.encode()

    def done(self):
        """What the server owes us before its 235."""


class Plain(Login):
    @property
    def first(self):
        return b"\0" + self.user + b"\0" + self.password


class PlainLate(Plain):
    """PLAIN without an initial response: it comes after an empty challenge."""

    first = None

    def answer(self, challenge):
        if challenge:
            raise Trouble(f"PLAIN was challenged: {challenge!r}")
        return Plain.first.fget(self)


class LoginLogin(Login):
    def answer(self, challenge):
        words = {b"Username:": self.user, b"Password:": self.password}
        if challenge not in words:
            raise Trouble(f"LOGIN was challenged: {challenge!r}")
        return words[challenge]


class LoginFirst(LoginLogin):
    """LOGIN with the name on the command line."""

    @property
    def first(self):
        return self.user


class CramMd5(Login):
    def answer(self, challenge):
        if not challenge.startswith(b"<") or not challenge.endswith(b">"):
            raise Trouble(f"not a challenge: {challenge!r}")
        return self.user + b" " + hmac.new(self.password, challenge, "md5").hexdigest().encode()


class ScramSha256(Login):
    """RFC 5802, 7677, without channel binding; the server's signature is verified."""

    def __init__(self, user, password):
        super().__init__(user, password)
        self.nonce, self.signature = b64(os.urandom(18)).encode(), None
        self.bare = b"n=" + self.user + b",r=" + self.nonce

    @property
    def first(self):
        return b"n,," + self.bare

    def answer(self, challenge):
        if self.signature is not None:
            return self.verified(challenge)
        fields = dict(part.split(b"=", 1) for part in challenge.split(b","))
        if not fields[b"r"].startswith(self.nonce) or int(fields[b"i"]) < 4096:
            raise Trouble(f"not a challenge: {challenge!r}")
        salted = hashlib.pbkdf2_hmac("sha256", self.password, unb64(fields[b"s"]), int(fields[b"i"]))
        last = b"c=biws,r=" + fields[b"r"]
        said = self.bare + b"," + challenge + b"," + last
        client = hmac.digest(salted, b"Client Key", "sha256")
        stored = hashlib.sha256(client).digest()
        proof = bytes(a ^ b for a, b in zip(client, hmac.digest(stored, said, "sha256")))
        self.signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), said, "sha256")
        return last + b",p=" + b64(proof).encode()

    def verified(self, challenge):
        if challenge != b"v=" + b64(self.signature).encode():
            raise Trouble(f"that server does not know the account: {challenge!r}")
        return b""


MECHANISMS = {"PLAIN": Plain, "PLAIN-LATE": PlainLate, "LOGIN": LoginLogin, "LOGIN-FIRST": LoginFirst,
              "CRAM-MD5": CramMd5, "SCRAM-SHA-256": ScramSha256}


def log_in(client, words, told):
    """[X-EXPS] MECHANISM USER PASSWORD...: the last reply. told(line) writes the story down."""
    verb = words.pop(0) if words[0] == "X-EXPS" else "AUTH"
    mechanism, user, password = words[0], words[1], " ".join(words[2:])
    login = MECHANISMS[mechanism](user, password)
    line = f"{verb} {mechanism.removesuffix('-LATE').removesuffix('-FIRST')}"
    if login.first is not None:
        line += " " + (b64(login.first) or "=")
    while True:
        told(f"        C: {line}")
        client.send(line.encode() + b"\r\n")
        reply = client.reply()
        told(f"        -> {reply or 'closed'}")
        if reply is None or reply.code != "334":
            return reply
        line = b64(login.answer(unb64(reply.lines[0])))
