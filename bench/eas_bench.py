#!/usr/bin/env python3
"""Measures ActiveSync: what phones ask of the server, from the first sync to 5,000 that wait.

    bench/eas_bench.py --kontor target/release/kontor [--only WORD ...] [--small] [--json FILE]

Each row is printed with its goal. The client sends requests that are made beforehand and looks
at answers only as far as it must, so that its own time does not count; the CPU is the
server's, read from /proc. Items in the answers are counted: who answers wrongly is not fast.
"""

import argparse
import base64
import json
import os
import random
import re
import resource
import select
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bench
from bench import DOMAIN, PASSWORD, Imap, Smtp, free_port, timed

DAY = 86_400

# Code pages and tokens of what is sent here (MS-ASWBXML 2.1.2.1).
TOKENS = {
    "Sync": (0, 0x05), "Add": (0, 0x07), "Change": (0, 0x08), "SyncKey": (0, 0x0B),
    "ClientId": (0, 0x0C), "ServerId": (0, 0x0D), "Collection": (0, 0x0F),
    "CollectionId": (0, 0x12), "GetChanges": (0, 0x13), "WindowSize": (0, 0x15),
    "Commands": (0, 0x16), "Options": (0, 0x17), "FilterType": (0, 0x18),
    "Collections": (0, 0x1C), "ApplicationData": (0, 0x1D), "MIMESupport": (0, 0x22),
    "Read": (2, 0x15),
    "FileAs": (1, 0x1E), "FirstName": (1, 0x1F), "LastName": (1, 0x29),
    "Email1Address": (1, 0x1B), "MobilePhoneNumber": (1, 0x2B), "JobTitle": (1, 0x28),
    "CompanyName": (1, 0x19),
    "TimeZone": (4, 0x05), "AllDayEvent": (4, 0x06), "BusyStatus": (4, 0x0D),
    "DtStamp": (4, 0x11), "EndTime": (4, 0x12), "Location": (4, 0x17),
    "Recurrence": (4, 0x1B), "RecurrenceType": (4, 0x1C), "Occurrences": (4, 0x1E),
    "Interval": (4, 0x1F), "DayOfWeek": (4, 0x20), "Sensitivity": (4, 0x25),
    "Subject": (4, 0x26), "StartTime": (4, 0x27), "UID": (4, 0x28), "MeetingStatus": (4, 0x18),
    "FolderSync": (7, 0x16), "FolderSyncKey": (7, 0x12),
    "Ping": (13, 0x05), "HeartbeatInterval": (13, 0x08), "PingFolders": (13, 0x09),
    "PingFolder": (13, 0x0A), "PingId": (13, 0x0B), "PingClass": (13, 0x0C),
    "BodyPreference": (17, 0x05), "Type": (17, 0x06), "TruncationSize": (17, 0x07),
    "Provision": (14, 0x05), "Policies": (14, 0x06), "Policy": (14, 0x07),
    "PolicyType": (14, 0x08),
    "Settings": (18, 0x05), "DeviceInformation": (18, 0x16), "Model": (18, 0x17),
    "Set": (18, 0x08),
    "SendMail": (21, 0x05), "SaveInSentItems": (21, 0x08), "Mime": (21, 0x10),
    "SendClientId": (21, 0x11),
}


def wbxml(tree):
    """A tree of (name, text or bytes or list of trees, ...) as a document."""
    out, page = bytearray(b"\x03\x01\x6a\x00"), 0

    def put(node):
        nonlocal page
        name, content = node[0], node[1] if len(node) > 1 else None
        number, token = TOKENS[name]
        if number != page:
            page = number
            out.extend((0, page))
        if content in (None, "", []):
            out.append(token)
            return
        out.append(token | 0x40)
        if isinstance(content, bytes):
            size, digits = len(content), []
            while True:
                digits.append(size & 0x7F | (0x80 if digits else 0))
                size >>= 7
                if not size:
                    break
            out.append(0xC3)
            out.extend(reversed(digits))
            out.extend(content)
        elif isinstance(content, list):
            for child in content:
                if child is not None:
                    put(child)
        else:
            out.extend(b"\x03" + str(content).encode() + b"\0")
        out.append(1)

    put(tree)
    return bytes(out)


SYNC_KEY = re.compile(rb"\x4b\x03(\d+)\0\x01")
MORE = re.compile(rb"\x4e\x031\0\x01\x14")
ADD = b"\x47\x4d\x03"
FOLDER = re.compile(rb"\x48\x03([^\0]+)\0\x01\x49\x03[^\0]*\0\x01\x47\x03[^\0]*\0\x01\x4a\x03(\d+)\0")


class Phone:
    """A phone on one kept connection, 14.1."""

    def __init__(self, server, user, device, gzip=False, tls=False):
        self.server, self.user, self.device, self.gzip, self.tls = server, user, device, gzip, tls
        self.sock = None
        self.keys, self.folders, self.policy = {}, {}, 0

    def connect(self):
        port = self.server.https if self.tls else self.server.http
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.sock = context.wrap_socket(self.sock)

    def close(self):
        if self.sock:
            self.sock.close()
        self.sock = None

    def request(self, command, body, method="POST"):
        login = base64.b64encode(f"{self.user}@{DOMAIN}:{PASSWORD}".encode()).decode()
        more = "Accept-Encoding: gzip\r\n" if self.gzip else ""
        head = (
            f"{method} /Microsoft-Server-ActiveSync?User={self.user}%40{DOMAIN}"
            f"&DeviceId={self.device}&DeviceType=WP8&Cmd={command} HTTP/1.1\r\nHost: bench\r\n"
            f"Authorization: Basic {login}\r\nMS-ASProtocolVersion: 14.1\r\n"
            f"X-MS-PolicyKey: {self.policy}\r\nUser-Agent: MSFT-WP/8.10.14219\r\n{more}"
            f"Content-Type: application/vnd.ms-sync.wbxml\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def send(self, data):
        if self.sock is None:
            self.connect()
        self.sock.sendall(data)

    def answer(self):
        data = b""
        while (at := data.find(b"\r\n\r\n")) < 0:
            part = self.sock.recv(1 << 18)
            if not part:
                raise EOFError("the server closed the connection")
            data += part
        head, parts, have = data[:at].lower(), [data[at + 4:]], len(data) - at - 4
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(data[:600].decode(errors="replace"))
        size = int(re.search(rb"content-length: (\d+)", head).group(1))
        while have < size:
            part = self.sock.recv(1 << 18)
            if not part:
                raise EOFError("the server closed the connection")
            parts.append(part)
            have += len(part)
        body = b"".join(parts)
        if b"content-encoding: gzip" in head:
            body = zlib.decompress(body, 31)
        return body

    def call(self, command, tree=None, method="POST"):
        self.send(self.request(command, wbxml(tree) if tree else b"", method))
        return self.answer()

    def set_up(self):
        """All that comes before the first Sync."""
        self.call("Options", method="OPTIONS")
        info = ("DeviceInformation", [("Set", [("Model", "Lumia 930")])])
        self.call("Settings", ("Settings", [info]))
        policy = ("Policy", [("PolicyType", "MS-EAS-Provisioning-WBXML")])
        self.call("Provision", ("Provision", [("Policies", [policy])]))
        self.folder_sync()

    def folder_sync(self):
        body = self.call("FolderSync", ("FolderSync", [("FolderSyncKey", "0")]))
        for server_id, kind in FOLDER.findall(body):
            self.folders[int(kind)] = server_id.decode()

    def sync_tree(self, folder, window=100, options=None, commands=None):
        key = self.keys.get(folder, "0")
        parts = [("SyncKey", key), ("CollectionId", folder)]
        if key != "0":
            parts += [("GetChanges", "1"), ("WindowSize", window)]
            parts += [("Options", options)] if options else []
        parts += [("Commands", commands)] if commands else []
        return ("Sync", [("Collections", [("Collection", parts)])])

    def take(self, folder, body):
        """The items that came, and whether there are more."""
        if not body:
            return 0, False
        found = SYNC_KEY.search(body)
        if not found or b"\x4e\x031\0\x01" not in body:
            raise RuntimeError(body[:200])
        self.keys[folder] = found.group(1).decode()
        return body.count(ADD), MORE.search(body) is not None

    def sync(self, folder, **how):
        return self.take(folder, self.call("Sync", self.sync_tree(folder, **how)))

    def pull(self, folder, window=100, options=None):
        """The first sync; (items, the span of each page)."""
        self.sync(folder)
        total, spans, more = 0, [], True
        while more:
            data = self.request("Sync", wbxml(self.sync_tree(folder, window, options)))
            start = time.perf_counter()
            self.send(data)
            body = self.answer()
            spans.append(time.perf_counter() - start)
            count, more = self.take(folder, body)
            total += count
        return total, spans

    def ping_request(self, folder, seconds=3000):
        each = ("PingFolder", [("PingId", folder), ("PingClass", "Email")])
        tree = ("Ping", [("HeartbeatInterval", seconds), ("PingFolders", [each])])
        return self.request("Ping", wbxml(tree))


def text_500(filter_type=0):
    return [("FilterType", filter_type),
            ("BodyPreference", [("Type", 1), ("TruncationSize", 500)]), ("MIMESupport", 0)]


WHOLE_HTML = [("FilterType", 0), ("BodyPreference", [("Type", 2)]), ("MIMESupport", 0)]
NO_BODY = [("FilterType", 0), ("BodyPreference", [("Type", 1), ("TruncationSize", 0)])]


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
            KONTOR_LOG_FILTER="warn",
            **{f"KONTOR_LISTEN_{name.upper()}": "off" for name in off},
        )
        self.command("init", "--domain", DOMAIN, "--hostname", f"mail.{DOMAIN}",
                     "--admin", f"admin@{DOMAIN}", "--password-stdin")
        self.process = subprocess.Popen(
            [*self.base, "serve"], stdout=subprocess.PIPE, text=True, env=self.env)
        for line in self.process.stdout:
            if line.strip() == "ready":
                break
        self.users = 0

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

    def memory(self):
        """Proportional resident memory, in bytes."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1)) * 1024

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


def percentile(spans, share):
    ordered = sorted(spans)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def ms(span):
    return f"{span * 1000:.2f} ms"


class Suite:
    def __init__(self, server, small, report):
        self.server, self.small, self.report = server, small, report
        self.rng = random.Random(1)

    def scaled(self, count):
        return max(count // 20, 20) if self.small else count

    def row(self, name, figure, goal):
        self.report.append((name, figure, goal))
        print(f"{name:58} {figure:52} goal {goal}", flush=True)

    def phone(self, user, device="BENCH1", **how):
        phone = Phone(self.server, user, device, **how)
        phone.set_up()
        return phone

    # --- rows

    def set_up(self):
        names, spans = self.server.accounts(self.scaled(100)), []
        # The log-in's first check of a password is on purpose slow.
        for name in names:
            Phone(self.server, name, "WARM").folder_sync()
        before = self.server.cpu()
        for name in names:
            start = time.perf_counter()
            phone = self.phone(name)
            spans.append(time.perf_counter() - start)
            phone.close()
        cpu = (self.server.cpu() - before) / len(names)
        self.row("set-up (OPTIONS, Settings, Provision, FolderSync)",
                 f"p50 {ms(statistics.median(spans))}, CPU {ms(cpu)}", "p50 25 ms, CPU 2 ms")

    def first_sync(self):
        count = self.scaled(5000)
        user = self.server.account()
        sizes = [min(int(self.rng.lognormvariate(9.0, 1.0)), 400_000) for _ in range(count)]
        fill(self.server, user, [mail(n, self.rng, size, html=n % 2 == 0)
                                 for n, size in enumerate(sizes)])
        for name, options, gzip, goal in [
            ("text cut at 500", text_500(), False, "5,000/s, page p50 20 ms"),
            ("text cut at 500, a second phone", text_500(), False, "5,000/s, page p50 20 ms"),
            ("text cut at 500, gzip", text_500(), True, "5,000/s"),
            ("whole HTML", WHOLE_HTML, False, "1,500/s"),
        ]:
            phone = self.phone(user, "F" + str(abs(hash(name)) % 10**6), gzip=gzip)
            before = self.server.cpu()
            total, spans = phone.pull(phone.folders[2], 100, options)
            cpu = (self.server.cpu() - before) / max(total, 1)
            bench.expect(count, total, "messages")
            self.row(f"first sync of {count:,}, {name}",
                     f"{total / sum(spans):,.0f}/s, page p50 {ms(statistics.median(spans))}, "
                     f"CPU {cpu * 1e6:.0f} us each", goal)
            phone.close()

    def one_month(self):
        count, recent, now = self.scaled(50_000), 200, time.time()
        user = self.server.account()
        old = [mail(n, self.rng, 1000) for n in range(500)]
        fill(self.server, user, [old[n % 500] for n in range(count - recent)], now - 400 * DAY)
        fill(self.server, user, [mail(n, self.rng) for n in range(recent)], now - 3 * DAY)
        phone = self.phone(user)
        total, spans = phone.pull(phone.folders[2], 100, text_500(5))
        bench.expect(recent, total, "messages")
        self.row(f"first sync, one month ({recent}) of {count:,}",
                 f"{total / sum(spans):,.0f}/s, page p50 {ms(statistics.median(spans))}",
                 "5,000/s")
        self.polls(phone, f"a month of {count:,}", text_500(5))
        phone.close()

    def polls(self, phone, what, options):
        """A Sync that finds nothing, and one that finds a change."""
        inbox, times = phone.folders[2], self.scaled(1000)
        phone.sync(inbox, options=options)
        data = phone.request("Sync", wbxml(phone.sync_tree(inbox, options=options)))

        def poll(_):
            phone.send(data)
            bench.expect(b"", phone.answer(), "an empty answer")

        timed(poll, 20)
        before = self.server.cpu()
        spans = timed(poll, times)
        cpu = (self.server.cpu() - before) / times
        self.row(f"Sync that finds nothing, {what}",
                 f"p50 {ms(statistics.median(spans))}, p99 {ms(percentile(spans, 0.99))}, "
                 f"CPU {ms(cpu)}", "p50 1 ms, CPU 0.3 ms")

    def sizes(self):
        for count in [200, self.scaled(5000), self.scaled(100_000)]:
            user = self.server.account()
            body = [mail(n, self.rng, 600) for n in range(min(count, 500))]
            fill(self.server, user, [body[n % len(body)] for n in range(count)])
            phone = self.phone(user)
            total, _ = phone.pull(phone.folders[2], 512, NO_BODY)
            bench.expect(count, total, "messages")
            self.polls(phone, f"folder of {count:,}", None)
            self.one_change(phone, user, f"folder of {count:,}")
            phone.close()

    def one_change(self, phone, user, what):
        imap, inbox, times = self.server.imap(user), phone.folders[2], self.scaled(200)
        imap.cmd("SELECT INBOX")
        sign = ["+", "-"]
        uid = int(re.search(rb"UIDNEXT (\d+)", imap.cmd("STATUS INBOX (UIDNEXT)")).group(1)) - 1

        def measured(change, wanted):
            spans, cpu = [], 0.0
            for number in range(times):
                change(number)
                time.sleep(0.004)
                data = phone.request("Sync", wbxml(phone.sync_tree(inbox)))
                before, start = self.server.cpu(), time.perf_counter()
                phone.send(data)
                body = phone.answer()
                spans.append(time.perf_counter() - start)
                cpu += self.server.cpu() - before
                bench.expect(wanted, phone.take(inbox, body)[0], "additions")
                bench.expect(True, bool(body), "an answer")
            return f"p50 {ms(statistics.median(spans))}, CPU {ms(cpu / times)}"

        new = mail(1, self.rng)
        self.row(f"Sync with one new message, {what}",
                 measured(lambda _: imap.append([new]), 1), "p50 3 ms, CPU 1 ms")
        self.row(f"Sync with one flag change, {what}", measured(
            lambda n: imap.cmd(f"UID STORE {uid} {sign[n % 2]}FLAGS.SILENT (\\Seen)"), 0),
            "p50 2 ms")
        spans = []
        for number in range(times):
            data = ("ApplicationData", [("Read", number % 2)])
            change = ("Change", [("ServerId", f"{inbox}:{uid}"), data])
            request = phone.request("Sync", wbxml(phone.sync_tree(inbox, commands=[change])))
            start = time.perf_counter()
            phone.send(request)
            body = phone.answer()
            spans.append(time.perf_counter() - start)
            phone.take(inbox, body)
        self.row(f"phone marks one read, {what}", f"p50 {ms(statistics.median(spans))}", "p50 6 ms")
        imap.close()

    def items(self):
        count = self.scaled(1000)
        zone = base64.b64encode(bytes(172)).decode()

        def contact(n):
            return [("Email1Address", f"p{n}@elsewhere.test"), ("CompanyName", "Office"),
                    ("JobTitle", "Architect"), ("FileAs", f"Person {n}"), ("FirstName", f"P{n}"),
                    ("LastName", "Example"), ("MobilePhoneNumber", f"+49 170 {n}")]

        def event(n):
            day = f"2026{1 + n % 12:02}{1 + n % 28:02}"
            series = ("Recurrence", [("RecurrenceType", 1), ("Interval", 1), ("DayOfWeek", 2),
                                     ("Occurrences", 10)]) if n % 10 == 0 else None
            return [("TimeZone", zone), ("AllDayEvent", 0), ("BusyStatus", 2),
                    ("DtStamp", "20260101T000000Z"), ("EndTime", f"{day}T110000Z"),
                    ("Location", "Office"), ("Sensitivity", 0), ("Subject", f"Event {n}"),
                    ("StartTime", f"{day}T100000Z"), ("UID", f"event-{n}"),
                    ("MeetingStatus", 0), series]

        user = self.server.account()
        for name, kind, make, goals in [("contacts", 9, contact, ("4,000/s", "10,000/s")),
                                        ("events", 8, event, ("3,000/s", "8,000/s"))]:
            phone = self.phone(user)
            folder = phone.folders[kind]
            phone.sync(folder)
            spans, before = [], self.server.cpu()
            for at in range(0, count, 100):
                adds = [("Add", [("ClientId", str(n)), ("ApplicationData", make(n))])
                        for n in range(at, min(at + 100, count))]
                data = phone.request("Sync", wbxml(phone.sync_tree(folder, commands=adds)))
                start = time.perf_counter()
                phone.send(data)
                body = phone.answer()
                spans.append(time.perf_counter() - start)
                phone.take(folder, body)
            cpu = (self.server.cpu() - before) / count
            self.row(f"{count:,} {name} up, 100 a Sync",
                     f"{count / sum(spans):,.0f}/s, CPU {cpu * 1e6:.0f} us each", goals[0])
            phone.close()
            other = self.phone(user, "OTHER")
            options = [("BodyPreference", [("Type", 1)])]
            if kind == 8:
                options.insert(0, ("FilterType", 0))
            before = self.server.cpu()
            total, spans = other.pull(folder, 100, options)
            cpu = (self.server.cpu() - before) / max(total, 1)
            bench.expect(count, total, name)
            self.row(f"{count:,} {name} down, 100 a Sync",
                     f"{total / sum(spans):,.0f}/s, CPU {cpu * 1e6:.0f} us each", goals[1])
            other.close()

    def send_mail(self):
        target = self.server.account()
        for phones, each, goal in [(1, 300, "150/s, p50 8 ms"), (8, 200, "800/s")]:
            each = self.scaled(each)
            names, spans, lock = self.server.accounts(phones), [], threading.Lock()
            ready = [self.phone(name) for name in names]

            def run(phone):
                mime = (f"From: {phone.user}@{DOMAIN}\r\nTo: {target}@{DOMAIN}\r\nSubject: x\r\n"
                        f"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
                        + "line of text\r\n" * 120).encode()
                requests = [phone.request("SendMail", wbxml(("SendMail", [
                    ("SendClientId", f"{phone.user}-{n}"), ("SaveInSentItems",), ("Mime", mime)])))
                    for n in range(each)]

                def send(n):
                    phone.send(requests[n])
                    bench.expect(b"", phone.answer(), "an empty answer")

                own = timed(send, each)
                with lock:
                    spans.extend(own)

            threads = [threading.Thread(target=run, args=(phone,)) for phone in ready]
            start = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            span = time.perf_counter() - start
            bench.expect(phones * each, len(spans), "mails")
            self.row(f"SendMail, {phones} phone{'s' if phones > 1 else ''}",
                     f"{len(spans) / span:,.0f}/s, p50 {ms(statistics.median(spans))}", goal)

    def waiters(self, count, per_user=1, tls=False):
        """Phones that have everything, not yet waiting."""
        names = self.server.accounts((count + per_user - 1) // per_user)
        phones = [Phone(self.server, names[n // per_user], f"W{n % per_user}", tls=tls)
                  for n in range(count)]

        def ready(phone):
            # Set up without TLS: the handshakes are not what is measured.
            plain = Phone(self.server, phone.user, phone.device)
            plain.folder_sync()
            plain.pull(plain.folders[2], 100, text_500())
            plain.close()
            phone.keys, phone.folders = plain.keys, plain.folders

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ready, phones))
        return phones

    def wake_up(self):
        some = self.waiters(self.scaled(200))
        body = mail(1, self.rng)
        crowd = []
        for waiting in [1, len(some), self.scaled(5000)]:
            if waiting > len(some):
                crowd = self.waiters(waiting - len(some), per_user=25)
            phones = some[:waiting]
            for phone in phones + crowd:
                phone.send(phone.ping_request(phone.folders[2]))
            time.sleep(2 if crowd else 0.5)
            smtp, pings, with_sync = Smtp(self.server.target), [], []
            for number in range(self.scaled(200)):
                phone = phones[number * 7 % len(phones)]
                smtp.deliver(phone.user, body)
                start = time.perf_counter()
                answer = phone.answer()
                pings.append(time.perf_counter() - start)
                # Ping's Status 2.
                bench.expect(True, b"\x47\x032\0" in answer, "a change")
                phone.sync(phone.folders[2])
                with_sync.append(time.perf_counter() - start)
                phone.send(phone.ping_request(phone.folders[2]))
                time.sleep(0.005)
            smtp.close()
            time.sleep(0.3)
            poll = select.poll()
            for phone in phones + crowd:
                poll.register(phone.sock, select.POLLIN)
            bench.expect(0, len(poll.poll(0)), "false wake-ups")
            self.row(f"Ping wake-up, {waiting:,} waiting",
                     f"p50 {ms(statistics.median(pings))}, p99 {ms(percentile(pings, 0.99))}; with "
                     f"its Sync {ms(statistics.median(with_sync))}, "
                     f"{ms(percentile(with_sync, 0.99))}", "p50 5, p99 20 ms; with Sync 10, 40")
            if waiting == len(some):
                before, start = self.server.cpu(), time.perf_counter()
                time.sleep(2 if self.small else 10)
                cpu = (self.server.cpu() - before) / (time.perf_counter() - start)
                self.row(f"{waiting} waiting, nothing happens: CPU in a second",
                         ms(cpu), "1 ms")
            for phone in phones + crowd:
                phone.close()
            time.sleep(0.3)

    def memory(self):
        for name, tls, count, goal in [("HTTP", False, 2000, 20), ("TLS", True, 1000, 40)]:
            count = self.scaled(count)
            phones = self.waiters(count, per_user=20, tls=tls)
            time.sleep(1)
            before = self.server.memory()
            for phone in phones:
                phone.send(phone.ping_request(phone.folders[2]))
            time.sleep(2)
            each = (self.server.memory() - before) / count / 1024
            self.row(f"memory of a waiting phone, {name} ({count:,})",
                     f"{each:.1f} KiB; {self.server.memory() / 2**20:.0f} MiB in all",
                     f"{goal} KiB; 150 MB in all")
            for phone in phones:
                phone.close()
            time.sleep(1)

    def mixed(self):
        seconds, rate = (5 if self.small else 30), 10
        phones = self.waiters(self.scaled(200))
        by_socket, state, sent, lags = {}, {}, {}, []
        poll = select.poll()
        for phone in phones:
            phone.send(phone.ping_request(phone.folders[2]))
            by_socket[phone.sock.fileno()], state[phone.user] = phone, "ping"
            sent[phone.user] = []
            poll.register(phone.sock, select.POLLIN)
        time.sleep(0.5)
        stop, body, lock = threading.Event(), mail(1, self.rng), threading.Lock()

        def office():
            smtp, next_at = Smtp(self.server.target), time.perf_counter()
            for number in range(seconds * rate):
                user = phones[number * 37 % len(phones)].user
                smtp.deliver(user, body)
                with lock:
                    sent[user].append(time.perf_counter())
                next_at += 1 / rate
                time.sleep(max(0, next_at - time.perf_counter()))
            time.sleep(1)
            stop.set()

        before, thread, empty = self.server.cpu(), threading.Thread(target=office), 0
        thread.start()
        while not stop.is_set():
            for descriptor, _ in poll.poll(100):
                phone = by_socket[descriptor]
                answer = phone.answer()
                if state[phone.user] == "ping":
                    state[phone.user] = "sync"
                    phone.send(phone.request("Sync", wbxml(phone.sync_tree(phone.folders[2]))))
                    continue
                now = time.perf_counter()
                count, _ = phone.take(phone.folders[2], answer)
                empty += count == 0
                # The phone may be faster than the deliverer is with its clock.
                for _ in range(count):
                    while True:
                        with lock:
                            if sent[phone.user]:
                                lags.append(max(0.0, now - sent[phone.user].pop(0)))
                                break
                        time.sleep(0.0001)
                state[phone.user] = "ping"
                phone.send(phone.ping_request(phone.folders[2]))
        thread.join()
        cpu = (self.server.cpu() - before) / len(lags)
        bench.expect(seconds * rate, len(lags), "changes that arrived")
        bench.expect(0, empty, "false wake-ups")
        self.row(f"{len(phones)} phones, {rate} changes a second: from 250 to the item",
                 f"p50 {ms(statistics.median(lags))}, p99 {ms(percentile(lags, 0.99))}, "
                 f"CPU {ms(cpu)} a change", "p50 15, p99 60 ms, CPU 5 ms")
        for phone in phones:
            phone.close()


PARTS = ["set_up", "first_sync", "one_month", "sizes", "items", "send_mail", "wake_up", "memory",
         "mixed"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kontor", required=True, help="the program")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--small", action="store_true", help="a twentieth of everything")
    parser.add_argument("--json", help="write the rows there")
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    report = []
    with tempfile.TemporaryDirectory(prefix="kontor-eas-bench-") as name:
        server = Server(str(Path(args.kontor).resolve()), Path(name))
        try:
            suite = Suite(server, args.small, report)
            for part in args.only:
                getattr(suite, part)()
        finally:
            server.stop()
    if args.json:
        rows = [dict(zip(("row", "figure", "goal"), row)) for row in report]
        Path(args.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    sys.exit(main())
