"""sendmail as the next host: it has DSN, DELIVERBY, SIZE and 8BITMIME, and no BDAT. What it
understood stands in its queue."""
import pytest

import peers
from client import Client, stuffed
from ports import wait_until

TEXT = b"Subject: over to sendmail\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" \
       b"Content-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n.dot\r\n"


@pytest.fixture
def sendmail(make_peer):
    if not peers.ROOT:
        pytest.skip("sendmail must be started by root")
    return make_peer(peers.Sendmail, "hop.test")


def pass_on(make_server, sendmail, mail="", rcpt="", text=TEXT):
    """One message through us; what sendmail made of it: (envelope, body)."""
    server = make_server(f'route "hop.test" {{ via = "127.0.0.1:{sendmail.port}" }}').start()
    client = Client(server.port)
    client.hello()
    assert client.command(f"MAIL FROM:<s@client.test>{mail}")[0] == 250
    assert client.command(f"RCPT TO:<root@hop.test>{rcpt}")[0] == 250
    assert client.command("DATA")[0] == 354
    client.send(stuffed(text))
    assert client.reply()[0] == 250
    client.quit()
    (taken,) = wait_until(sendmail.queue, 15, f"a message in sendmail's queue\n{server.log_text()[-2000:]}")
    server.wait_empty()
    server.stop()
    return taken


def lines(envelope, letter):
    return [line[1:] for line in envelope.splitlines() if line.startswith(letter)]


def test_sendmail_gets_the_text_octet_for_octet(make_server, sendmail):
    envelope, body = pass_on(make_server, sendmail, " BODY=8BITMIME")
    assert lines(envelope, "B") == ["8BITMIME"]
    assert body.replace(b"\r\n", b"\n") == TEXT.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n")


def test_sendmail_gets_what_was_asked_about_reports(make_server, sendmail):
    envelope, _ = pass_on(make_server, sendmail, " RET=HDRS ENVID=QQ+2B314",
                          " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;root+2Bx@hop.test")
    assert lines(envelope, "Z") == ["QQ+2B314"]
    assert lines(envelope, "Q") == ["rfc822;root+2Bx@hop.test"]
    (flags, _, address) = lines(envelope, "R")[0].partition(":")
    assert address == "<root@hop.test>" and set(flags) & set("SFD") == {"S", "F"}
    assert "n" in lines(envelope, "F")[0]           # return the header only


def test_sendmail_gets_the_time_that_is_left(make_server, sendmail):
    envelope, _ = pass_on(make_server, sendmail, " BY=3600;N")
    (left,) = lines(envelope, "!")                  # its flags, and seconds
    assert 3500 < int(left.split()[1]) <= 3600
