"""A plain SMTP client that knows exactly what it was promised."""
import contextlib
import socket
import threading
import time


class Lost(Exception):
    """The connection ended before the answer came."""


class Client:
    def __init__(self, port, address="127.0.0.1", timeout=60):
        self.socket = socket.create_connection((address, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lines = self.socket.makefile("rb")

    def reply(self):
        """One reply, complete: (code, its text)."""
        text = b""
        while True:
            try:
                line = self.lines.readline()
            except OSError as trouble:
                raise Lost(str(trouble))
            if not line.endswith(b"\r\n"):
                raise Lost("end of connection")
            text += line[4:]
            if line[3:4] != b"-":
                return int(line[:3]), text.rstrip()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as trouble:
            raise Lost(str(trouble))

    def command(self, line):
        self.send(line.encode() + b"\r\n")
        return self.reply()

    def hello(self):
        code, _ = self.reply()
        if code != 220:
            raise Lost(f"greeted with {code}")
        return self.command("EHLO client.test")

    def transaction(self, sender, recipients, data, before_text=lambda accepted: None):
        """Send one message, pipelined: (recipients that were accepted, the reply to the
        text or None). before_text is told who was accepted, just before the text goes."""
        group = [f"MAIL FROM:<{sender}>", *[f"RCPT TO:<{r}>" for r in recipients], "DATA"]
        self.send("".join(line + "\r\n" for line in group).encode())
        mail = self.reply()
        answers = [self.reply() for _ in recipients]
        go = self.reply()
        accepted = [r for r, (code, _) in zip(recipients, answers) if code == 250]
        if go[0] != 354:
            if mail[0] == 250:
                self.command("RSET")
            return [], None
        before_text(accepted)
        self.send(stuffed(data))
        return accepted, self.reply()

    def quit(self):
        try:
            self.command("QUIT")
        except Lost:
            pass
        self.close()

    def close(self):
        self.lines.close()
        self.socket.close()


def stuffed(data):
    """With dots doubled, and the end of the text."""
    data = data.replace(b"\r\n.", b"\r\n..")
    if data.startswith(b"."):
        data = b"." + data
    if data and not data.endswith(b"\r\n"):
        data += b"\r\n"
    return data + b".\r\n"


class Sender(threading.Thread):
    """Sends messages from an iterator until it ends or `enough` is set, over many
    connections, and writes the ledger. A message whose connection broke is left as
    it is: not acknowledged. One that was put off is tried again when `stubborn`."""

    def __init__(self, port, source, ledger, per_connection=20, pause=0.0, stubborn=False):
        super().__init__(daemon=True)
        self.port, self.source, self.ledger = port, source, ledger
        self.per_connection, self.pause, self.stubborn = per_connection, pause, stubborn
        self.enough = threading.Event()
        self.broken = self.put_off = self.refused_connections = 0
        self.trouble = None

    def run(self):
        try:
            self.work()
        except Exception as trouble:        # told by the test that waits for us
            self.trouble = trouble

    def work(self):
        client, sent = None, 0
        for message in self.source:
            while not self.enough.is_set():
                try:
                    if client is None:
                        client, sent = Client(self.port), 0
                        client.hello()
                    done = self.one(client, message)
                    sent += 1
                    if sent >= self.per_connection:
                        client.quit()
                        client = None
                except (Lost, OSError) as trouble:
                    if isinstance(trouble, ConnectionRefusedError):
                        self.refused_connections += 1
                    if client is not None:
                        client.close()
                    client, done = None, False
                    self.broken += 1
                    time.sleep(0.02)
                if done or not self.stubborn:
                    break
                self.put_off += 1
                time.sleep(0.05)
            if self.enough.is_set():
                break
            if self.pause:
                time.sleep(self.pause)
        if client is not None:
            client.quit()

    def one(self, client, message):
        accepted, answer = client.transaction(
            message.sender, message.recipients, message.data,
            before_text=lambda recipients: self.ledger.intent(message, recipients))
        if answer is None or answer[0] != 250:
            return False
        self.ledger.acked(message, accepted)
        return True

    def finish(self, seconds=60):
        """Wait for its end, which is one without trouble of its own."""
        self.join(seconds)
        assert self.trouble is None, self.trouble
        assert not self.is_alive(), "a sender did not finish"


@contextlib.contextmanager
def sending(senders):
    """They send meanwhile, and no longer."""
    for sender in senders:
        sender.start()
    try:
        yield
    finally:
        for sender in senders:
            sender.enough.set()
    for sender in senders:
        sender.finish()
