"""A scripted client: it says what it is told, and takes replies apart strictly."""
import re
import socket
import ssl
import struct
import time
import warnings

from .server import PATIENCE, Trouble

REPLY_LINE = re.compile(rb"([2-5][0-9][0-9])([ -])([ -~]*)\r\n")


class Reply:
    """One reply: its code, and its lines of text without codes."""

    def __init__(self, code, lines):
        self.code, self.lines = code, lines

    def __str__(self):
        return "\n".join(f"{self.code} {line}" for line in self.lines)


class Client:
    def __init__(self, where, source=None):
        self.sock = socket.create_connection(where, timeout=PATIENCE,
                                             source_address=(source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.last = None

    def send(self, data):
        """All of data in one go; a server that has closed is found out by reading."""
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass

    def send_slowly(self, data):
        for i in range(len(data)):
            self.send(data[i:i + 1])
            time.sleep(0.0005)

    def more(self, patience):
        """Read on; False at the end of the connection."""
        self.sock.settimeout(max(patience, 0.001))
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, ssl.SSLError) as error:
            if isinstance(error, ssl.SSLWantReadError):
                raise socket.timeout() from None
            return False
        self.pending += data
        return data != b""

    def line(self, deadline):
        while b"\n" not in self.pending:
            try:
                if not self.more(deadline - time.monotonic()):
                    return None
            except socket.timeout:
                raise Trouble(f"no reply; so far: {self.pending!r}") from None
        line, _, self.pending = self.pending.partition(b"\n")
        return line + b"\n"

    def reply(self, patience=PATIENCE):
        """The next reply, or None when the server has closed. Every line is held
        against RFC 5321 section 4.2: one code, CRLF, printable, at most 512."""
        deadline = time.monotonic() + patience
        code, lines = None, []
        while True:
            line = self.line(deadline)
            if line is None and code is None and not self.pending:
                self.last = None
                return None
            match = REPLY_LINE.fullmatch(line or b"")
            if not match or len(line) > 512 or code not in (None, match[1]):
                raise Trouble(f"not a reply: {line!r} after {lines}")
            code = match[1]
            lines.append(match[3].decode())
            if match[2] == b" ":
                self.last = Reply(code.decode(), lines)
                return self.last

    def command(self):
        """A line that the server says as a client, when roles are reversed; "": it has gone."""
        line = self.line(time.monotonic() + PATIENCE)
        if line is not None and not line.endswith(b"\r\n"):
            raise Trouble(f"not a command: {line!r}")
        return (line or b"").decode("latin-1").rstrip("\r\n")

    def text(self):
        """A message that the server sends as a client, without the end."""
        octets, deadline = b"", time.monotonic() + PATIENCE
        while octets != b".\r\n" and not octets.endswith(b"\r\n.\r\n"):
            line = self.line(deadline)
            if line is None:
                raise Trouble(f"the server has gone after {octets!r}")
            octets += line
        return octets[:-3]

    def silent(self, seconds):
        """Nothing comes for so long?"""
        if self.pending:
            return False
        try:
            self.more(seconds)
        except socket.timeout:
            return True
        return False

    def begin_tls(self, authority, name=None, versions=()):
        """A handshake; with a name, the certificate must be trusted and made for it.
        Plain text that came behind the last reply is a fault of the server (A101)."""
        if self.pending:
            raise Trouble(f"plain text before TLS: {self.pending!r}")
        context = ssl.create_default_context(cafile=authority)
        if name is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        for version in versions:
            with warnings.catch_warnings():     # that old versions are old
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
            context.set_ciphers("ALL:@SECLEVEL=0")
        self.sock.settimeout(PATIENCE)
        try:
            self.sock = context.wrap_socket(self.sock, server_hostname=name)
        except (OSError, ssl.SSLError) as error:
            raise Trouble(f"no TLS: {error}") from None

    def end_tls(self):
        """Say that no more comes over TLS, and go on in the clear."""
        try:
            self.sock = self.sock.unwrap()
        except (OSError, ssl.SSLError) as error:
            raise Trouble(f"no farewell: {error}") from None

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def urgent(self, data):
        self.sock.send(data, socket.MSG_OOB)

    def reset(self):
        """Close with a RST instead of a FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()
