#!/usr/bin/env python3
"""Measures what Kontor's mail costs by itself: start, growth, idle programs, memory, disk.

    bench/mail_bench.py --kontor target/release/kontor [--only WORD ...] [--small] [--json FILE]

Each row is printed with its goal, as in eas_bench.py; bench.py has the comparisons.
"""

import argparse
import base64
import json
import random
import resource
import select
import signal
import socket
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bench
from bench import Imap, Smtp, percentile, timed
from server import Server, fill, mail, ms


def octets_on_disk(path):
    found = (each.stat().st_blocks * 512 for each in path.rglob("*") if each.is_file())
    return sum(found)


def with_file(message, rng):
    """The same message with an attachment."""
    head, text = message.split(b"\r\n\r\n", 1)
    lines = base64.encodebytes(rng.randbytes(rng.randrange(150_000, 1_500_000)))
    head, _, kind = head.rpartition(b"Content-Type: ")
    return (
        head + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: " + kind
        + b"\r\n\r\n" + text + b"\r\n--b\r\nContent-Type: application/pdf; name=plan.pdf\r\n"
        b"Content-Disposition: attachment; filename=plan.pdf\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + lines.replace(b"\n", b"\r\n")
        + b"\r\n--b--\r\n"
    )


class Suite:
    def __init__(self, server, directory, small, report):
        self.server, self.data, self.small, self.report = server, directory / "data", small, report
        self.rng = random.Random(1)

    def scaled(self, count):
        return max(count // 20, 50) if self.small else count

    def row(self, name, figure, goal):
        self.report.append((name, figure, goal))
        print(f"{name:58} {figure:52} goal {goal}", flush=True)

    def pour(self, user, count, size=600):
        """So many small messages into a mailbox; how many octets they have."""
        some = [mail(number, self.rng, size) for number in range(500)]
        all_of_them = [some[number % 500] for number in range(count)]
        fill(self.server, user, all_of_them)
        return sum(map(len, all_of_them))

    def wait_for_index(self):
        """Until what arrived is in the index: the disk is quiet and so is the processor."""
        last, quiet = self.server.cpu(), 0
        while quiet < 4:
            time.sleep(0.5)
            now = self.server.cpu()
            quiet, last = (quiet + 1 if now - last < 0.01 else 0), now

    # --- rows

    def growth(self):
        """A poll, a delivery and a flag in a mailbox, and in the same one twice as large."""
        user, half = self.server.account(), self.scaled(50_000)
        figures, body = [], mail(1, self.rng)
        for _ in range(2):
            self.pour(user, half)
            self.wait_for_index()
            imap, smtp, sign = self.server.imap(user), Smtp(self.server.target), ["+", "-"]
            imap.cmd("SELECT INBOX")
            works = [lambda _: imap.cmd("NOOP"), lambda _: smtp.deliver(user, body),
                     lambda n: imap.cmd(f"STORE {half // 2 + n} {sign[n % 2]}FLAGS (\\Seen)")]
            own = []
            for work in works:
                timed(work, 20)
                before, spans = self.server.cpu(), timed(work, 300)
                self.wait_for_index()
                own.append((statistics.median(spans), (self.server.cpu() - before) / 300))
            figures.append(own)
            imap.close()
            smtp.close()
        for name, first, second in zip(["poll", "delivery", "flag"], *figures):
            self.row(f"{name} in a mailbox of {half:,}, then {2 * half:,}",
                     f"p50 {ms(first[0])}, then {ms(second[0])}; CPU {first[1] * 1e6:.0f} us, then "
                     f"{second[1] * 1e6:.0f} us", "the same within 20 %")

    def starts(self):
        """To the first greeting with everything there that the rows before have left."""
        count = self.scaled(100_000)
        self.pour(self.server.account(), count)
        self.wait_for_index()
        for name, number in [("SIGTERM", signal.SIGTERM), ("kill -9", signal.SIGKILL)]:
            self.server.process.send_signal(number)
            self.server.process.wait(30)
            start = time.perf_counter()
            self.server.launch()
            while True:
                try:
                    Imap(self.server.target, login=False).close()
                    break
                except (OSError, EOFError):
                    time.sleep(0.001)
            self.row(f"start to the first greeting after {name}, {count:,} and more",
                     ms(time.perf_counter() - start), "500 ms")
            self.server.wait_until_ready()
        self.row("memory after that, idle",
                 f"{self.server.settled_memory() / 2**20:.0f} MiB", "60 MB")

    def disk(self):
        """What messages as people have them take."""
        count = self.scaled(10_000)
        user, before = self.server.account(), self.settled_disk()
        sizes = [min(int(self.rng.lognormvariate(9.0, 1.0)), 400_000) for _ in range(500)]
        some = [mail(number, self.rng, size) for number, size in enumerate(sizes)]
        # One in twenty has a file of 200 KB to 2 MB with it.
        for number in range(0, 500, 20):
            some[number] = with_file(some[number], self.rng)
        fill(self.server, user, [some[number % 500] for number in range(count)])
        total = sum(len(some[number % 500]) for number in range(count))
        after = self.settled_disk()
        without, index = after[0] - before[0], after[1] - before[1]
        self.row(f"disk for {count:,} messages, {total / 1e6:,.0f} MB",
                 f"{without / total:.2f} times that, and the index {index / total:.2f} times",
                 "1.1 times, and the index")

    def settled_disk(self):
        """Octets without the index, and of the index, once nothing is written any more."""
        self.wait_for_index()
        self.server.stop()
        index = sum(octets_on_disk(path) for path in self.data.glob("index*"))
        whole = octets_on_disk(self.data)
        self.server.start()
        return whole - index, index

    def written(self):
        """What the kernel counts as written, for messages that come one by one and in tens."""
        user, body = self.server.account(), mail(1, self.rng, 7700)
        for sessions in [1, 10]:
            each = self.scaled(1000) // sessions
            before = self.server.octets_written()
            with ThreadPoolExecutor(sessions) as pool:
                def deliver(_):
                    smtp = Smtp(self.server.target)
                    timed(lambda _: smtp.deliver(user, body), each)
                    smtp.close()
                list(pool.map(deliver, range(sessions)))
            acknowledged = self.server.octets_written() - before
            self.wait_for_index()
            later = self.server.octets_written() - before - acknowledged
            octets = len(body) * each * sessions
            self.row(f"written for messages of {len(body):,} octets, "
                     f"{sessions} session{'s' if sessions > 1 else ''}",
                     f"{acknowledged / octets:.1f} times that, later {later / octets:.1f} times",
                     "2 times, and the index")

    def idle(self):
        """Programs that wait in IDLE: what one takes, and how soon it hears of new mail."""
        count, body = self.scaled(5000), mail(1, self.rng)
        names = self.server.accounts((count + 24) // 25)
        for name in names:
            self.server.imap(name).close()
        before = self.server.settled_memory()
        programs, poll = {}, select.poll()
        for number in range(count):
            imap = self.server.imap(names[number // 25])
            imap.idle()
            programs[imap.sock.fileno()] = (number // 25, imap)
            poll.register(imap.sock, select.POLLIN)
        each = (self.server.settled_memory() - before) / count / 1024
        self.row(f"memory of a program in IDLE ({count:,})",
                 f"{each:.1f} KiB; {self.server.memory() / 2**20:.0f} MiB in all", "20 KiB; 150 MB in all")
        smtp, spans = Smtp(self.server.target), []
        for number in range(self.scaled(200)):
            who = number * 7 % len(names)
            waiting = {descriptor for descriptor, (name, _) in programs.items() if name == who}
            smtp.deliver(names[who], body)
            start = time.perf_counter()
            while waiting:
                for descriptor, _ in poll.poll(10_000):
                    _, imap = programs[descriptor]
                    if b" EXISTS" in imap.sock.recv(4096):
                        spans.append(time.perf_counter() - start)
                        waiting.discard(descriptor)
                bench.expect(True, time.perf_counter() - start < 10, "notices within 10 s")
            time.sleep(0.005)
        self.row(f"IDLE notice after delivery, 25 of {count:,} hear of it",
                 f"p50 {ms(statistics.median(spans))}, p99 {ms(percentile(spans, 0.99))}",
                 "p50 5, p99 20 ms")
        before, start = self.server.cpu(), time.perf_counter()
        time.sleep(2 if self.small else 10)
        cpu = (self.server.cpu() - before) / (time.perf_counter() - start)
        self.row(f"{count:,} in IDLE, nothing happens: CPU in a second", ms(cpu), "1 ms")
        for _, imap in programs.values():
            imap.close()
        smtp.close()

    def silent(self):
        """Strangers who connect and say nothing hold nobody up."""
        count, user = self.scaled(800), self.server.account()
        self.server.imap(user).close()
        held = []
        for number in range(count):
            port = self.server.imap_port if number % 2 else self.server.smtp_port
            held.append(socket.create_connection(("127.0.0.1", port)))

        def session(_):
            imap = self.server.imap(user)
            imap.cmd("SELECT INBOX")
            imap.close()

        spans = timed(session, 50)
        self.row(f"LOGIN + SELECT beside {count:,} silent connections",
                 f"p50 {ms(statistics.median(spans))}, slowest {ms(max(spans))}", "2 s")
        for sock in held:
            sock.close()


PARTS = ["growth", "starts", "disk", "written", "idle", "silent"]


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
    with tempfile.TemporaryDirectory(prefix="kontor-mail-bench-") as name:
        server = Server(str(Path(args.kontor).resolve()), Path(name))
        try:
            suite = Suite(server, Path(name), args.small, report)
            for part in args.only:
                getattr(suite, part)()
        finally:
            server.stop()
    if args.json:
        rows = [dict(zip(("row", "figure", "goal"), row)) for row in report]
        Path(args.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    sys.exit(main())
