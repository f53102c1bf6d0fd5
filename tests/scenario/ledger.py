"""The ledger: what a client was promised, and what became of it.

Before a message goes out, `intent` is written; `acked` only when the complete
250 after the text was read. Both are on disk before the client goes on. After
the queue has run empty the verdict says for each accepted recipient whether it
was delivered or bounced. Lost, corrupt and partial must be nothing. A message
that was not acknowledged may arrive or not: its client would send it again.
"""
import collections
import email
import email.policy
import json
import os
import threading

import messages


class Ledger:
    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_DSYNC, 0o600)
        self.lock = threading.Lock()
        self.intents, self.acks = {}, set()

    def write(self, entry):
        os.write(self.fd, (json.dumps(entry) + "\n").encode())

    def intent(self, message, recipients):
        """To be written before sending; `recipients` may shrink to those that were accepted."""
        with self.lock:
            self.intents[message.name] = list(recipients)
            self.write(["intent", message.name, list(recipients), message.sha256])

    def acked(self, message, recipients):
        with self.lock:
            self.intents[message.name] = list(recipients)
            self.acks.add(message.name)
            self.write(["acked", message.name, list(recipients)])

    def close(self):
        os.close(self.fd)

    def accepted(self):
        """All (name, recipient) that somebody took responsibility for."""
        return {(name, recipient) for name in self.acks for recipient in self.intents[name]}


class Arrivals:
    """What was found where mail ends: copies and reports."""

    def __init__(self):
        self.copies = collections.defaultdict(list)     # (name, recipient): [time]
        self.reports = collections.Counter()            # (name, recipient)
        self.corrupt, self.strangers = [], []

    def copy(self, recipient, data, time=0):
        known = messages.recognise(data)
        if known is None:
            self.strangers.append((recipient, data[:200]))
            return
        name, intact = known
        if not intact:
            self.corrupt.append((name, recipient))
        self.copies[name, recipient].append(time)

    def report(self, data):
        """A delivery status notification: which recipients failed, of which message."""
        parsed = email.message_from_bytes(data, policy=email.policy.default)
        original = messages.HEADER.search(data)     # stands in the returned header only
        name, failed = original and original[1].decode(), []
        for part in parsed.walk():
            if part.get_content_type() == "message/delivery-status":
                failed += [block["Final-Recipient"].partition(";")[2].strip() for block in part.get_payload()
                           if block.get("Action", "").strip() == "failed"]
        for recipient in failed:
            self.reports[name, recipient] += 1

    def take(self, server, domain, users, senders):
        """What is in the mailboxes of a domain: copies for users, reports for senders."""
        for user in users:
            for mail in server.mailbox(f"{user}@{domain}"):
                self.copy(f"{user}@{domain}", mail.data, mail.time)
        for sender in senders:
            for mail in server.mailbox(f"{sender}@{domain}"):
                self.report(mail.data)


class Verdict:
    def __init__(self, ledger, arrivals):
        self.accepted = ledger.accepted()
        delivered = set(arrivals.copies)
        bounced = set(arrivals.reports)
        self.delivered = self.accepted & delivered
        self.bounced = (self.accepted & bounced) - delivered
        self.both = self.accepted & delivered & bounced
        self.lost = self.accepted - delivered - bounced
        self.duplicates = {key: times for key, times in arrivals.copies.items() if len(times) > 1}
        self.copies_too_many = sum(len(times) - 1 for times in self.duplicates.values())
        self.reports_too_many = sum(n - 1 for n in arrivals.reports.values())
        self.corrupt = arrivals.corrupt
        self.strangers = arrivals.strangers
        self.unacknowledged = delivered - self.accepted
        self.unknown = {name for name, _ in delivered if name not in ledger.intents}

    def line(self):
        return (f"accepted {len(self.accepted)} = delivered {len(self.delivered)} + bounced {len(self.bounced)}, "
                f"lost {len(self.lost)}, duplicates {self.copies_too_many}, reports twice {self.reports_too_many}, "
                f"corrupt {len(self.corrupt)}, partial {len(self.strangers)}, "
                f"delivered without a promise {len(self.unacknowledged)}")

    def assert_kept(self):
        assert not self.lost, f"lost: {sorted(self.lost)[:10]} ({self.line()})"
        assert not self.corrupt, f"corrupt: {self.corrupt[:10]} ({self.line()})"
        assert not self.strangers, f"partial or foreign: {self.strangers[:5]} ({self.line()})"
        assert not self.unknown, f"never sent: {sorted(self.unknown)[:10]}"
        assert not self.both, f"delivered and bounced: {sorted(self.both)[:10]}"
        assert len(self.accepted) == len(self.delivered) + len(self.bounced)
