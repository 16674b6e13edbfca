"""A day in the life of Python's imaplib: HOST PORT TLSPORT USER PASSWORD."""
import imaplib
import ssl
import sys
import time

host, port, tls_port, user, password = sys.argv[1:]
MESSAGE = (b"From: Anna <anna@elsewhere.example>\r\nSubject: from imaplib\r\n"
           b"Message-ID: <imaplib.1@elsewhere.example>\r\n\r\nBody of it.\r\n")


def ok(answer):
    kind, data = answer
    assert kind == "OK", answer
    return data


context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE

c = imaplib.IMAP4(host, int(port))
ok(c.starttls(context))
ok(c.login(user, password))
ok(c.enable("UTF8=ACCEPT") if "UTF8=ACCEPT" in c.capabilities else c.noop())
ok(c.create("Python"))
ok(c.subscribe("Python"))
assert any(b"Python" in line for line in ok(c.list()))
assert any(b"Python" in line for line in ok(c.lsub()))
stamp = imaplib.Time2Internaldate(time.time())
for _ in range(3):
    ok(c.append("Python", r"(\Seen)", stamp, MESSAGE))
assert ok(c.select("Python")) == [b"3"]
assert c.response("UIDVALIDITY")[1][0].isdigit()
assert ok(c.search(None, "SUBJECT", '"imaplib"')) == [b"1 2 3"]
assert ok(c.search(None, "UNSEEN")) == [b""]
fetched = ok(c.fetch("1", "(UID RFC822.SIZE BODY.PEEK[])"))
assert fetched[0][1] == MESSAGE, fetched
assert b"RFC822.SIZE %d" % len(MESSAGE) in fetched[0][0], fetched
data = ok(c.store("2", "+FLAGS", r"(\Flagged \Deleted)"))
assert b"\\Flagged" in data[0], data
ok(c.uid("STORE", "3", "+FLAGS", "(Important)"))
assert ok(c.uid("SEARCH", "KEYWORD", "Important")) == [b"3"]
ok(c.copy("1", "INBOX"))
assert ok(c.expunge()) == [b"2"]
assert ok(c.sort("REVERSE DATE", "UTF-8", "ALL"))
assert ok(c.thread("REFERENCES", "UTF-8", "ALL"))
ok(c.status("INBOX", "(MESSAGES UNSEEN)"))
ok(c.close())
ok(c.rename("Python", "Snake"))
ok(c.unsubscribe("Python"))
ok(c.delete("Snake"))
ok(c.noop())
kind, _ = c.logout()
assert kind == "BYE", kind

if int(tls_port):
    c = imaplib.IMAP4_SSL(host, int(tls_port), ssl_context=context)
    ok(c.authenticate("PLAIN", lambda _: b"\0%s\0%s" % (user.encode(), password.encode())))
    assert ok(c.select("INBOX", readonly=True)) == [b"1"]
    c.shutdown()
print("done")
