"""Python's smtplib and email: HOST PORT USER PASSWORD RECIPIENT."""
import smtplib
import ssl
import sys
from email.message import EmailMessage

host, port, user, password, recipient = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE

m = EmailMessage()
m["From"] = user
m["To"] = recipient
m["Subject"] = "Grüße from smtplib"
m.set_content("Ein Text mit Umlauten: äöü.\n.\n..\n")
m.add_attachment(bytes(range(256)) * 100, maintype="application",
                 subtype="octet-stream", filename="alle.bin")
with smtplib.SMTP(host, int(port)) as c:
    c.starttls(context=context)
    c.login(user, password)
    refused = c.send_message(m)
    assert not refused, refused
    try:
        c.sendmail(user, ["nobody-here@" + user.split("@")[1]], m.as_bytes())
    except smtplib.SMTPRecipientsRefused as e:
        assert list(e.recipients.values())[0][0] == 550, e.recipients
    else:
        raise AssertionError("an unknown recipient was taken")
print("done")
