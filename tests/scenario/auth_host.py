"""auth_host.py - a next hop that wants a login: every mechanism, written anew.

    AuthHost(user, password, mechanisms=["PLAIN"], certificate=(pem, key))

`logins` has (verb, mechanism, user) of each login that was right; a message is taken
only after one. `lie`: "early" answers 235 before it has proved itself (SCRAM), "proof"
proves with a wrong key, "garbage" sends a challenge that is no base64.
"""
import base64
import hashlib
import hmac
import os
import ssl

from sink import Closed, Session, Sink


def b64(data):
    return base64.b64encode(data).decode()


def digest(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


class Refused(Exception):
    pass


class AuthSession(Session):
    user = None
    secure = False

    def hello(self, stage, line):
        offers = list(self.sink.usual)
        if self.sink.context and not self.secure:
            offers.append("STARTTLS")
        if not self.sink.context or self.secure or self.sink.clear:
            offers += [f"{verb} {' '.join(self.sink.mechanisms)}" for verb in self.sink.verbs]
        self.sink.offers = offers
        super().hello(stage, line)

    def on_starttls(self, line):
        self.send("220 2.0.0 go ahead")
        self.sock = self.sink.context.wrap_socket(self.sock, server_side=True)
        self.secure, self.input, self.user = True, b"", None

    def on_mail(self, line):
        if self.user is None:
            return self.send("530 5.7.0 authentication required")
        super().on_mail(line)

    # --- the exchange

    def ask(self, data):
        self.send("334 " + (data if isinstance(data, str) else b64(data)))
        line = self.line().decode("latin-1")
        if line == "*":
            self.sink.cancelled += 1
            raise Refused("501 5.7.0 cancelled")
        return base64.b64decode(line, validate=True)

    def login(self, verb, line):
        words = line.decode("latin-1").split(" ")
        exchange = getattr(self, "by_" + words[1].lower().replace("-", "_"), None)
        if words[1] not in self.sink.mechanisms or exchange is None:
            return self.send("504 5.5.4 no such mechanism")
        first = None if len(words) < 3 else b"" if words[2] == "=" else base64.b64decode(words[2], validate=True)
        try:
            right = self.sink.verdict or exchange(first)
            if right is not True:
                raise Refused(right or "535 5.7.8 no")
            self.user = self.sink.user
            self.sink.logins.append((verb, words[1], self.user))
            self.send("235 2.7.0 welcome")
        except Refused as refused:
            self.send(str(refused))

    def on_auth(self, line):
        self.login("AUTH", line)

    def by_plain(self, first):
        data = first if first is not None else self.ask(b"")
        return data == b"\0" + self.sink.user.encode() + b"\0" + self.sink.password.encode()

    def by_login(self, first):
        user = first if first is not None else self.ask(b"Username:")
        return (user, self.ask(b"Password:")) == (self.sink.user.encode(), self.sink.password.encode())

    def by_cram_md5(self, first):
        challenge = b"<%s@auth.test>" % os.urandom(8).hex().encode()
        if self.sink.lie == "garbage":
            challenge = "this is not base64!"
        answer = self.ask(challenge)
        right = hmac.new(self.sink.password.encode(), challenge, "md5").hexdigest()
        return answer == f"{self.sink.user} {right}".encode()

    def by_scram_sha_256(self, first):
        bare = (first if first is not None else self.ask(b"")).decode()[3:]
        fields = dict(part.split("=", 1) for part in bare.split(","))
        salt, rounds, nonce = os.urandom(16), 4096, fields["r"] + b64(os.urandom(12))
        server_first = f"r={nonce},s={b64(salt)},i={rounds}"
        final = self.ask(server_first.encode()).decode()
        without_proof, proof = final.rsplit(",p=", 1)
        salted = hashlib.pbkdf2_hmac("sha256", self.sink.password.encode(), salt, rounds)
        key = digest(salted, b"Client Key")
        message = f"{bare},{server_first},{without_proof}".encode()
        signature = digest(hashlib.sha256(key).digest(), message)
        if bytes(a ^ b for a, b in zip(key, signature)) != base64.b64decode(proof):
            return False
        if self.sink.lie == "early":
            return True
        server_key = digest(salted if self.sink.lie != "proof" else b"no", b"Server Key")
        self.ask(b"v=" + b64(digest(server_key, message)).encode())
        return fields["n"] == self.sink.user


setattr(AuthSession, "on_x-exps", lambda self, line: self.login("X-EXPS", line))


class AuthHost(Sink):
    session_class = AuthSession

    def __init__(self, user="alice", password="wonder land", mechanisms=("PLAIN",), certificate=None, clear=False,
                 verbs=("AUTH",), lie=None, verdict=None, **more):
        self.user, self.password, self.mechanisms, self.clear = user, password, list(mechanisms), clear
        self.verbs, self.lie, self.verdict = verbs, lie, verdict
        self.logins, self.cancelled = [], 0
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.usual = ("PIPELINING", "SIZE 52428800", "8BITMIME", "ENHANCEDSTATUSCODES")
        super().__init__(**more)

    def serve(self, session):
        try:
            super().serve(session)
        except (Closed, ssl.SSLError, ValueError):
            pass
