"""The next host: takes everything, keeps the octets as they came over the wire."""
import re
import socketserver
import threading


class Session(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        self.say("220 hop.example ESMTP")
        for line in self.rfile:
            if not self.command(line):
                return

    def command(self, line):
        verb = line[:4].upper()
        if verb == b"EHLO":
            self.say("250-hop.example\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 PIPELINING")
        elif verb == b"MAIL":
            self.rcpts = 0
            self.say("250 2.1.0 Ok")
        elif verb == b"RCPT":
            self.say(self.judge(line))
        elif verb == b"DATA" and self.rcpts == 0:
            self.say("554 5.5.1 No valid recipients")
        elif verb == b"DATA":
            self.text()
        elif verb == b"QUIT":
            self.say("221 2.0.0 Bye")
            return False
        else:
            self.say("250 2.0.0 Ok")
        return True

    def judge(self, line):
        """A recipient `code-550-5.7.2` is answered `550 5.7.2` and not a word more."""
        asked = re.search(rb"<code-(\d{3})-([\d.]+)@", line)
        if asked:
            return f"{asked[1].decode()} {asked[2].decode()}"
        self.rcpts += 1
        return "250 2.1.5 Ok"

    def text(self):
        self.say("354 Go on")
        octets = b""
        while not re.search(rb"(?:\A|\r\n)\.\r\n\Z", octets):
            line = self.rfile.readline()
            if not line:
                return
            octets += line
        self.server.messages.append(octets)
        self.say("250 2.0.0 Ok")


class Hop(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Session)
        self.messages = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

    def stop(self):
        self.shutdown()
        self.server_close()
