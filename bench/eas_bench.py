#!/usr/bin/env python3
"""Measures ActiveSync: what phones ask of the server, from the first sync to 5,000 that wait.

    bench/eas_bench.py --kontor target/release/kontor [--only WORD ...] [--small] [--json FILE]

Each row is printed with its goal. The client sends requests that are made beforehand and looks
at answers only as far as it must, so that its own time does not count; the CPU is the
server's own clock of it. Items in the answers are counted: who answers wrongly is not fast.
"""

import argparse
import base64
import json
import random
import re
import resource
import select
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bench
from bench import DOMAIN, Smtp, percentile, timed
from phone import NO_BODY, WHOLE_HTML, Phone, text_500, wbxml
from server import Server, fill, mail, ms

DAY = 86_400


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
        for name in names:
            fill(self.server, name, [mail(n, self.rng) for n in range(20)])
        queue = list(names)

        def whole(_):
            while queue:
                try:
                    phone = self.phone(queue.pop(), "MONDAY")
                except IndexError:
                    return
                total, _ = phone.pull(phone.folders[2], 100, text_500())
                bench.expect(20, total, "messages")
                phone.close()

        start = time.perf_counter()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(whole, range(8)))
        self.row("set-up and Inbox (20 messages), 8 phones at a time",
                 f"{len(names) / (time.perf_counter() - start):,.0f} phones/s", "150/s")

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

    def polls(self, phone, what, options, kind=2):
        """A Sync that finds nothing."""
        folder, times = phone.folders[kind], self.scaled(1000)
        phone.sync(folder, options=options)
        data = phone.request("Sync", wbxml(phone.sync_tree(folder, options=options)))

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

        def delete(number):
            # Those that came for the row before.
            imap.cmd(f"UID STORE {uid + 1 + number} +FLAGS.SILENT (\\Deleted)")
            imap.cmd(f"UID EXPUNGE {uid + 1 + number}")

        self.row(f"Sync with one delete, {what}", measured(delete, 0), "p50 2 ms")
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
            self.polls(other, f"{count:,} {name}", options, kind)
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
            open_before, start = self.server.gauge("kontor_connections"), time.perf_counter()
            for phone in phones + crowd:
                phone.close()
            gone = open_before - len(phones) - len(crowd)
            while self.server.gauge("kontor_connections") > gone and time.perf_counter() < start + 10:
                time.sleep(0.001)
            self.row(f"{waiting:,} that waited have hung up: noticed",
                     f"all after {ms(time.perf_counter() - start)}", "at once")

    def memory(self):
        for name, tls, count, goal in [("HTTP", False, 2000, 20), ("TLS", True, 1000, 40)]:
            # Few phones would be lost in what the work before leaves behind, and so would
            # many: a new process holds only what it is asked for.
            count = max(self.scaled(count), 500)
            phones = self.waiters(count, per_user=20, tls=tls)
            self.server.stop()
            self.server.start()
            for phone in phones:
                plain = Phone(self.server, phone.user, phone.device)
                plain.keys, plain.folders = phone.keys, phone.folders
                plain.sync(phone.folders[2])
                plain.close()
            before = self.server.settled_memory()
            for phone in phones:
                phone.send(phone.ping_request(phone.folders[2]))
            each = (self.server.settled_memory() - before) / count / 1024
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
