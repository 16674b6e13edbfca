"""A Kontor to be measured, and mail to fill it with."""

import os
import re
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bench
from bench import DOMAIN, PASSWORD, Imap, free_port


class Server:
    """Kontor with room for everybody, as shipped otherwise."""

    def __init__(self, program, directory):
        self.imap_port, self.smtp_port = free_port(), free_port()
        self.http, self.https = free_port(), free_port()
        self.target = {"imap": f"127.0.0.1:{self.imap_port}", "smtp": f"127.0.0.1:{self.smtp_port}"}
        self.base = [program, "--data", str(directory / "data")]
        off = ("submission", "submissions", "imaps")
        self.env = dict(
            os.environ,
            KONTOR_LISTEN_IMAP=self.target["imap"],
            KONTOR_LISTEN_SMTP=self.target["smtp"],
            KONTOR_LISTEN_HTTP=f"127.0.0.1:{self.http}",
            KONTOR_LISTEN_HTTPS=f"127.0.0.1:{self.https}",
            KONTOR_LIMITS_CONNECTIONS_PER_ADDRESS="16000",
            KONTOR_LIMITS_CONNECTS_PER_SECOND="100000",
            KONTOR_LOG_FILTER="error",
            **{f"KONTOR_LISTEN_{name.upper()}": "off" for name in off},
        )
        self.command("init", "--domain", DOMAIN, "--hostname", f"mail.{DOMAIN}",
                     "--admin", f"admin@{DOMAIN}", "--password-stdin")
        self.users = 0
        self.start()

    def start(self):
        self.launch()
        self.wait_until_ready()

    def launch(self):
        self.process = subprocess.Popen(
            [*self.base, "serve"], stdout=subprocess.PIPE, text=True, env=self.env)

    def wait_until_ready(self):
        for line in self.process.stdout:
            if line.strip() == "ready":
                break

    def command(self, *words):
        secret = PASSWORD if "user" in words else "bench-administrator"
        subprocess.run([*self.base, *words], input=secret, text=True, check=True, env=self.env,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def account(self):
        self.users += 1
        name = f"u{self.users}"
        self.command("user", "add", f"{name}@{DOMAIN}", "--name", name, "--password-stdin")
        return name

    def accounts(self, count):
        names = [f"u{self.users + number + 1}" for number in range(count)]
        self.users += count
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda name: self.command(
                "user", "add", f"{name}@{DOMAIN}", "--name", name, "--password-stdin"), names))
        return names

    def cpu(self):
        """Seconds of CPU so far, of threads that have ended too."""
        # The process's own clock (clock_getcpuclockid(3)), in nanoseconds: /proc/PID/stat counts
        # steps of 10 ms, more than one request takes.
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def octets_written(self):
        text = Path(f"/proc/{self.process.pid}/io").read_text()
        return int(re.search(r"^write_bytes: (\d+)", text, re.M).group(1))

    def memory(self):
        """Proportional resident memory, in bytes."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1)) * 1024

    def settled_memory(self):
        """The same, once the work before has been cleared away."""
        # Threads that checked passwords end after ten seconds, and with them goes what that
        # took: 19 MiB each.
        time.sleep(12)
        self.gauge("kontor_connections")
        last, same = self.memory(), 0
        for _ in range(60):
            time.sleep(0.5)
            now = self.memory()
            same = same + 1 if abs(now - last) < last / 500 else 0
            last = now
            if same == 6:
                break
        return last

    def gauge(self, name):
        """A figure of `/metrics`."""
        with socket.create_connection(("127.0.0.1", self.http), timeout=10) as sock:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            text = sock.makefile().read()
        return int(re.search(rf"^{name} (\d+)", text, re.M).group(1))

    def imap(self, user):
        imap = Imap(self.target, login=False)
        imap.cmd(f"LOGIN {user}@{DOMAIN} {PASSWORD}")
        return imap

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def mail(number, rng, size=2000, html=False):
    body = bench.message(number, size, rng)
    if html:
        head, text = body.split(b"\r\n\r\n", 1)
        head = head.replace(b"text/plain", b"text/html")
        text = b"<html><body><p>" + text.replace(b"\r\n", b"</p>\r\n<p>") + b"</p></body></html>\r\n"
        body = head + b"\r\n\r\n" + text
    return body


def fill(server, user, messages, date=None):
    """Appends messages, fifty at a time, with an INTERNALDATE if it is given."""
    imap, when = server.imap(user), ""
    if date:
        when = time.strftime(' "%d-%b-%Y %H:%M:%S +0000"', time.gmtime(date))
    for at in range(0, len(messages), 50):
        tag = imap.tag()
        data = [f"{tag} APPEND INBOX".encode()]
        for each in messages[at:at + 50]:
            data.append(when.encode() + b" {%d+}\r\n" % len(each) + each)
        imap.sock.sendall(b"".join(data) + b"\r\n")
        imap.finish(tag)
    imap.close()


def ms(span):
    return f"{span * 1000:.2f} ms"
