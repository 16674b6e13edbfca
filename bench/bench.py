#!/usr/bin/env python3
"""Measures Kontor, beside Dovecot in the same run where that is installed.

    bench/bench.py --kontor target/release/kontor [--messages 4000] [--rounds 2] [--json FILE]
    bench/bench.py --kontor target/release/kontor --small

Every workload runs on one server after the other, never at once, in alternating order; the
medians over the rounds are printed with their ratio (above 1: Kontor is faster). Counts in the
answers are checked, so a server that answers wrongly is not called fast. The peer needs root,
dovecot-imapd and dovecot-lmtpd; without them only Kontor's figures are printed.
"""

import argparse
import json
import os
import random
import re
import resource
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOMAIN = "bench.test"
USERS = 200
PASSWORD = "pw"
WORDS = [
    "facade", "meeting", "invoice", "timber", "drawing", "window", "contract", "delivery",
    "scaffold", "garden", "library", "railway", "budget", "summer", "proposal", "render",
]
NEEDLE = "zwischenraum"
THUNDERBIRD = (
    "(UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID "
    "Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])"
)


def message(number, size, rng):
    """A message of about `size` octets; every 500th holds the word that is searched for."""
    words = []
    length = 0
    while length < size:
        line = " ".join(rng.choice(WORDS) + str(rng.randrange(500)) for _ in range(8))
        words.append(line)
        length += len(line) + 2
    if number % 500 == 7:
        words.insert(len(words) // 2, f"here {NEEDLE} stands")
    body = "\r\n".join(words)
    answers = f"In-Reply-To: <{number - 1}@{DOMAIN}>\r\n" if number % 4 else ""
    return (
        f"From: Sender {number % 97} <s{number % 97}@{DOMAIN}>\r\nTo: u0@{DOMAIN}\r\n"
        f"Subject: {rng.choice(WORDS)} number {number}\r\n"
        f"Date: Mon, {1 + number % 28:02} Jan 2024 10:{number % 60:02}:00 +0000\r\n"
        f"Message-ID: <{number}@{DOMAIN}>\r\n{answers}MIME-Version: 1.0\r\n"
        f"Content-Type: text/plain; charset=us-ascii\r\n\r\n{body}\r\n"
    ).encode()


class Imap:
    """As little client as possible: what is measured is the server."""

    count = 0

    def __init__(self, target, user=0, login=True):
        host, port = target["imap"].rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)), timeout=120)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        self.line()
        if login:
            self.cmd(f"LOGIN u{user}@{DOMAIN} {PASSWORD}")

    def line(self):
        while b"\n" not in self.rest:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError("the server closed the connection")
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return line

    def tag(self):
        Imap.count += 1
        return f"bq7x{Imap.count:06d}"

    def finish(self, tag):
        """Everything up to the tagged answer, which must be OK."""
        end, parts, tail = tag.encode() + b" ", [self.rest], self.rest
        self.rest = b""
        while True:
            at = tail.find(end)
            if at >= 0 and b"\n" in tail[at:]:
                break
            data = self.sock.recv(1 << 18)
            if not data:
                raise EOFError("the server closed the connection")
            parts.append(data)
            tail = tail[-1024:] + data
        answer = b"".join(parts)
        at = answer.rfind(end)
        if not answer[at:].startswith(end + b"OK"):
            raise RuntimeError(answer[at:].decode(errors="replace"))
        return answer[:at]

    def cmd(self, text):
        tag = self.tag()
        self.sock.sendall(f"{tag} {text}\r\n".encode())
        return self.finish(tag)

    def append(self, messages):
        """One APPEND (RFC 3502 for several), without waiting for continuations."""
        tag = self.tag()
        data = [f"{tag} APPEND INBOX".encode()]
        for each in messages:
            data.append(b" {%d+}\r\n" % len(each) + each)
        self.sock.sendall(b"".join(data) + b"\r\n")
        return self.finish(tag)

    def append_each(self, messages):
        """One APPEND for each, all sent before the first is answered."""
        tags, data = [self.tag() for _ in messages], []
        for tag, each in zip(tags, messages):
            data.append(f"{tag} APPEND INBOX ".encode() + b"{%d+}\r\n" % len(each) + each + b"\r\n")
        self.sock.sendall(b"".join(data))
        for tag in tags:
            while not (line := self.line()).startswith(tag.encode()):
                pass
            expect(True, line.startswith(f"{tag} OK".encode()), "APPEND is answered OK")

    def idle(self):
        self.cmd("SELECT INBOX")
        self.sock.sendall(f"{self.tag()} IDLE\r\n".encode())
        while not self.line().startswith(b"+"):
            pass

    def answered(self):
        """Reads once; whether the answer to `asked` is complete."""
        data = self.sock.recv(1 << 18)
        if not data:
            raise EOFError("the server closed the connection")
        self.rest = self.rest[-1024:] + data
        at = self.rest.find(self.asked.encode() + b" ")
        if at < 0 or b"\n" not in self.rest[at:]:
            return False
        if not self.rest[at:].startswith(f"{self.asked} OK".encode()):
            raise RuntimeError(self.rest[at:].decode(errors="replace"))
        return True

    def close(self):
        self.sock.close()


def percentile(spans, share):
    ordered = sorted(spans)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def timed(work, times):
    spans = []
    for number in range(times):
        start = time.perf_counter()
        work(number)
        spans.append(time.perf_counter() - start)
    return spans


def expect(wanted, got, what):
    if wanted != got:
        raise RuntimeError(f"{what}: {got} instead of {wanted}")


class Suite:
    """The workloads; each yields (name, units, seconds, spans, seconds of the server's CPU),
    without seconds where only the spans say something."""

    def __init__(self, server, count, seed, small=False):
        rng = random.Random(seed)
        self.server, self.target, self.count, self.small = server, server.target, count, small
        sizes = [min(int(rng.lognormvariate(9.0, 1.0)), 400_000) for _ in range(count)]
        self.messages = [message(n, size, rng) for n, size in enumerate(sizes)]

    def run(self):
        yield from self.filling()
        yield from self.reading()
        yield from self.searching()
        yield from self.resuming()
        yield from self.changing()
        yield from self.delivering()
        yield from self.noticing()
        yield from self.mixing()

    def row(self, name, work, times, each=1):
        """`work` again and again, with so many units `each` time."""
        before = self.server.cpu()
        spans = timed(work, times)
        return name, times * each, sum(spans), spans, self.server.cpu() - before

    def filling(self):
        imap, single = Imap(self.target), min(200, self.count // 4)
        yield self.row("APPEND one by one", lambda n: imap.append([self.messages[n]]), single)

        def pipelined(number):
            imap.append_each(self.messages[single + 16 * number : single + 16 * (number + 1)])

        groups = min(single, 400) // 16
        yield self.row("APPEND pipelined x16", pipelined, groups, 16)
        at = single + 16 * groups
        times = (self.count - at + 49) // 50
        name, _, seconds, spans, cpu = self.row(
            "MULTIAPPEND x50",
            lambda n: imap.append(self.messages[at + 50 * n : at + 50 * (n + 1)]), times)
        yield name, self.count - at, seconds, spans, cpu
        imap.cmd("SELECT INBOX")
        got = imap.cmd("STATUS INBOX (MESSAGES)")
        expect(True, b"MESSAGES %d" % self.count in got, "messages in the mailbox")
        imap.close()

    def reading(self):
        # Its own user: the password is checked for the first time outside of the clock.
        Imap(self.target).close()

        def session(_):
            one = Imap(self.target)
            one.cmd("SELECT INBOX")
            one.close()

        yield self.row("LOGIN + SELECT", session, 100)
        imap = Imap(self.target)
        yield self.row("SELECT", lambda _: imap.cmd("SELECT INBOX"), 200)
        for name, items, times in [
            ("FLAGS", "(UID FLAGS)", 5),
            ("ENVELOPE", "(UID ENVELOPE)", 3),
            ("BODYSTRUCTURE", "(UID BODYSTRUCTURE)", 3),
            ("Thunderbird's list", THUNDERBIRD, 3),
        ]:
            answers = []
            fetch = lambda _, items=items: answers.append(imap.cmd(f"FETCH 1:* {items}"))
            yield self.row(f"FETCH {name}, first", fetch, 1, self.count)
            yield self.row(f"FETCH {name}", fetch, times, self.count)
            for answer in answers:
                expect(self.count, answer.count(b" FETCH ("), name)
        bulk = min(1000, self.count)
        yield self.row("FETCH bodies in bulk",
                       lambda _: imap.cmd(f"FETCH 1:{bulk} BODY.PEEK[]"), 2, bulk)
        yield self.row("FETCH bodies one by one",
                       lambda n: imap.cmd(f"FETCH {n + 1} BODY.PEEK[]"), min(500, self.count))
        imap.close()

    def searching(self):
        imap = Imap(self.target)
        imap.cmd("SELECT INBOX")
        wanted = len(range(7, self.count, 500))
        # The index follows what arrived within a second or two; until then searches read bodies.
        time.sleep(0.1 if self.small else 3)
        imap.cmd(f"SEARCH BODY {NEEDLE}")
        for name, command, hits, times in [
            ("SEARCH BODY", f"SEARCH BODY {NEEDLE[3:-2]}", wanted, 5),
            ("SEARCH TEXT", f"SEARCH TEXT {NEEDLE[3:-2]}", wanted, 5),
            ("SEARCH SUBJECT", f'SEARCH SUBJECT "number {self.count - 1}"', 1, 5),
            ("SEARCH Message-ID", f"SEARCH HEADER Message-ID <7@{DOMAIN}>", 1, 5),
            ("SEARCH UNSEEN", "SEARCH UNSEEN", self.count, 5),
            ("SORT DATE", "SORT (DATE) UTF-8 ALL", self.count, 5),
            ("SORT SUBJECT", "SORT (SUBJECT) UTF-8 ALL", self.count, 5),
            ("THREAD REFERENCES", "THREAD REFERENCES UTF-8 ALL", None, 5),
        ]:
            got = imap.cmd(command)
            if hits is not None:
                line = next(l for l in got.split(b"\r\n") if l.startswith((b"* SEARCH", b"* SORT")))
                expect(hits, len(line.split()) - 2, command)
            yield self.row(name, lambda _, command=command: imap.cmd(command), times)
        imap.close()

    def resuming(self):
        """What a program asks that has the mailbox already, when ten messages have changed."""
        other = Imap(self.target, user=2)
        for number in range(100):
            other.cmd(f"CREATE folder{number}")
        yield self.row("STATUS, 100 mailboxes in turn", lambda n: other.cmd(
            f"STATUS folder{n % 100} (MESSAGES UIDNEXT UNSEEN)"), 400)
        answers = []
        yield self.row("LIST-STATUS of 100", lambda _: answers.append(
            other.cmd('LIST "" "folder*" RETURN (STATUS (MESSAGES UNSEEN))')), 20)
        for answer in answers:
            expect(100, answer.count(b"* STATUS"), "LIST-STATUS")
        other.close()
        imap = Imap(self.target)
        imap.cmd("ENABLE QRESYNC")
        state = imap.cmd("SELECT INBOX (CONDSTORE)")
        validity = int(re.search(rb"UIDVALIDITY (\d+)", state).group(1))
        modseq = int(re.search(rb"HIGHESTMODSEQ (\d+)", state).group(1))
        imap.cmd("STORE 1:10 +FLAGS.SILENT ($Bench)")
        answers = []
        yield self.row("FETCH CHANGEDSINCE", lambda _: answers.append(
            imap.cmd(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq})")), 50)
        imap.cmd("UNSELECT")
        yield self.row("SELECT with QRESYNC", lambda _: answers.append(
            imap.cmd(f"SELECT INBOX (QRESYNC ({validity} {modseq}))")), 50)
        for answer in answers:
            expect(10, answer.count(b" FETCH ("), "messages that changed")
        imap.close()

    def changing(self):
        imap, part = Imap(self.target), min(1000, self.count // 2)
        imap.cmd("CREATE Copies")
        imap.cmd("CREATE Moved")
        imap.cmd("SELECT INBOX")
        sign = ["+", "-"]
        yield self.row("STORE 1:* FLAGS", lambda n: imap.cmd(
            f"STORE 1:* {sign[n % 2]}FLAGS.SILENT (\\Flagged)"), 4, self.count)
        yield self.row("STORE one by one",
                       lambda n: imap.cmd(f"STORE {n + 1} +FLAGS (\\Seen)"), 200)
        yield self.row("COPY", lambda _: imap.cmd(f"COPY 1:{part} Copies"), 1, part)
        yield self.row("MOVE", lambda _: imap.cmd(f"MOVE 1:{part} Moved"), 1, part)
        imap.cmd("SELECT Copies")
        imap.cmd("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        yield self.row("EXPUNGE", lambda _: imap.cmd("EXPUNGE"), 1, part)
        imap.close()

    def delivering(self):
        body = message(1, 2000, random.Random(1))
        for sessions, each in [(1, 200), (10, 60), (50, 20)]:
            spans, lock = [], threading.Lock()

            def deliver(number, each=each, spans=spans, lock=lock):
                smtp = Smtp(self.target)
                own = timed(lambda _: smtp.deliver(f"u{1 + number % 49}", body), each)
                smtp.close()
                with lock:
                    spans.extend(own)

            threads = [threading.Thread(target=deliver, args=(n,)) for n in range(sessions)]
            before, start = self.server.cpu(), time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            span = time.perf_counter() - start
            expect(sessions * each, len(spans), "deliveries")
            name = f"deliver, {sessions} session{'s' if sessions > 1 else ''}"
            yield name, sessions * each, span, spans, self.server.cpu() - before

    def noticing(self):
        """From the delivery's acknowledgement to `EXISTS` at somebody who is in IDLE."""
        body = message(1, 2000, random.Random(1))
        imap, smtp = Imap(self.target, user=1), Smtp(self.target)
        imap.idle()

        def notice(_):
            smtp.deliver("u1", body)
            start = time.perf_counter()
            while b" EXISTS" not in imap.line():
                pass
            spans.append(time.perf_counter() - start)

        spans = []
        _, units, _, _, cpu = self.row("", notice, 30)
        yield "IDLE notice after delivery", units, None, spans, cpu
        imap.close()
        smtp.close()

    def mixing(self):
        """200 people at once, each of whom asks, waits for the answer, and asks again."""
        people, seconds, rng = USERS, 3 if self.small else 15, random.Random(7)
        some = [each for each in self.messages if len(each) < 60_000][:40]
        sessions, poll = {}, select.poll()
        for user in range(people):
            # Only whoever has no mail of the workloads before.
            imap = Imap(self.target, user=user)
            if user:
                imap.append(some)
            imap.cmd("CREATE Copied")
            imap.cmd("SELECT INBOX")
            sessions[imap.sock.fileno()] = imap
            poll.register(imap.sock, select.POLLIN)
        kinds = [
            (25, lambda n: f"FETCH {n} BODY.PEEK[]"),
            (20, lambda n: f"FETCH {max(1, n - 20)}:{n} (UID FLAGS ENVELOPE RFC822.SIZE)"),
            (15, lambda n: f"STORE {n} {rng.choice('+-')}FLAGS (\\Seen)"),
            (10, lambda _: "NOOP"),
            (8, lambda _: "SEARCH UNSEEN"),
            (8, lambda _: "STATUS Copied (MESSAGES UNSEEN)"),
            (6, lambda _: "SELECT INBOX"),
            (8, None),
        ]
        weights = [weight for weight, _ in kinds]

        def ask(imap):
            make = rng.choices(kinds, weights)[0][1]
            imap.asked = imap.tag()
            if make:
                data = make(rng.randint(1, len(some))).encode()
            else:
                body = rng.choice(some)
                data = b"APPEND Copied {%d+}\r\n" % len(body) + body
            imap.since, imap.rest = time.perf_counter(), b""
            imap.sock.sendall(imap.asked.encode() + b" " + data + b"\r\n")

        before, start, spans = self.server.cpu(), time.perf_counter(), []
        for imap in sessions.values():
            ask(imap)
        waiting = people
        while waiting:
            for descriptor, _ in poll.poll(1000):
                imap = sessions[descriptor]
                if not imap.answered():
                    continue
                now = time.perf_counter()
                spans.append(now - imap.since)
                if now - start < seconds:
                    ask(imap)
                else:
                    waiting -= 1
        span = time.perf_counter() - start
        yield "mixed, 200 clients", len(spans), span, spans, self.server.cpu() - before
        for imap in sessions.values():
            imap.close()


class Smtp:
    """SMTP, or LMTP where that is what the target has."""

    def __init__(self, target):
        self.lmtp = "lmtp" in target
        host, port = (target.get("lmtp") or target["smtp"]).rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)), timeout=120)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")
        self.answer()
        self.cmd("LHLO bench" if self.lmtp else "EHLO bench")

    def answer(self):
        while True:
            line = self.file.readline()
            if line[3:4] != b"-":
                break
        if line[:1] not in (b"2", b"3"):
            raise RuntimeError(line.decode(errors="replace"))

    def cmd(self, text):
        self.sock.sendall(text.encode() + b"\r\n")
        self.answer()

    def deliver(self, user, body):
        self.sock.sendall(
            f"MAIL FROM:<s@elsewhere.test>\r\nRCPT TO:<{user}@{DOMAIN}>\r\nDATA\r\n".encode()
        )
        for _ in range(3):
            self.answer()
        self.sock.sendall(body + b".\r\n")
        self.answer()

    def close(self):
        self.sock.close()


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Kontor:
    name = "kontor"

    def __init__(self, program, directory):
        self.target = {key: f"127.0.0.1:{free_port()}" for key in ("imap", "smtp")}
        data = [program, "--data", str(directory / "data")]
        off = ("submission", "submissions", "imaps", "http", "https")
        env = dict(
            os.environ,
            KONTOR_LISTEN_IMAP=self.target["imap"],
            KONTOR_LISTEN_SMTP=self.target["smtp"],
            KONTOR_LOG_FILTER="error",
            **{f"KONTOR_LISTEN_{name.upper()}": "off" for name in off},
        )

        def command(*words):
            subprocess.run(
                [*data, *words, "--password-stdin"],
                input=PASSWORD if "user" in words else "bench-administrator", text=True,
                check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env,
            )

        command("init", "--domain", DOMAIN, "--hostname", f"mail.{DOMAIN}",
                "--admin", f"admin@{DOMAIN}")
        self.process = subprocess.Popen([*data, "serve"], stdout=subprocess.PIPE, text=True, env=env)
        for line in self.process.stdout:
            if line.strip() == "ready":
                break
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda n: command("user", "add", f"u{n}@{DOMAIN}", "--name", f"User {n}"),
                          range(USERS)))

    def cpu(self):
        """Seconds of CPU so far: the process's own clock (clock_getcpuclockid(3))."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


class Dovecot:
    name = "dovecot"

    def __init__(self, directory):
        script = [str(HERE / "peer.sh")]
        self.stopping = [*script, "stop", str(directory / "peer")]
        line = subprocess.run(
            [*script, "start", str(directory / "peer"), str(free_port()), str(free_port())],
            check=True, stdout=subprocess.PIPE, text=True,
        ).stdout
        self.target = dict(pair.split("=", 1) for pair in line.strip().split(","))

    def cpu(self):
        """It is many processes that come and go."""
        return 0.0

    def stop(self):
        subprocess.run(self.stopping, check=False)


def peer_is_here():
    script = (HERE / "peer.sh").exists()
    return script and os.geteuid() == 0 and shutil.which("dovecot") is not None


def shown(value):
    return "-" if value is None else f"{value:,.0f}"


def run_once(start, count, seed, small):
    """One server from empty to the end of the suite: {workload: figures}."""
    figures = {}
    with tempfile.TemporaryDirectory(prefix="kontor-bench-") as name:
        # The peer's own user must get through.
        os.chmod(name, 0o755)
        server = start(Path(name))
        try:
            for row in Suite(server, count, seed, small).run():
                workload, units, seconds, spans, cpu = row
                figures[workload] = {
                    "per_second": units / seconds if seconds else None,
                    "p50_ms": statistics.median(spans) * 1000,
                    "p99_ms": percentile(spans, 0.99) * 1000,
                    "cpu_us": cpu / units * 1e6,
                }
                print(f"  {server.name:8} {workload:30} {shown(units / seconds if seconds else None):>12} /s", flush=True)
        finally:
            server.stop()
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kontor", required=True, help="the program")
    parser.add_argument("--messages", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--small", action="store_true", help="600 messages, one round")
    parser.add_argument("--json", help="write the figures there")
    args = parser.parse_args()
    if args.small:
        args.messages, args.rounds = 600, 1
    if args.messages < 600:
        parser.error("--messages must be at least 600")

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    program = str(Path(args.kontor).resolve())
    starts = {"kontor": lambda directory: Kontor(program, directory)}
    if peer_is_here():
        starts["dovecot"] = Dovecot
    else:
        print("no peer: bench/peer.sh needs root, dovecot-imapd and dovecot-lmtpd")
    rounds = {name: [] for name in starts}
    for number in range(args.rounds):
        order = list(starts) if number % 2 == 0 else list(reversed(starts))
        for name in order:
            print(f"round {number + 1} of {args.rounds}, {name}, {args.messages:,} messages")
            rounds[name].append(run_once(starts[name], args.messages, 1, args.small))

    def middle(name, workload, figure):
        values = [figures[workload][figure] for figures in rounds[name]]
        return None if None in values else statistics.median(values)

    print(f"\n{'':30} {'kontor /s':>12} {'p50 ms':>8} {'p99 ms':>8} {'CPU us':>8}", end="")
    print(f" {'dovecot /s':>12} {'p50 ms':>8} {'p99 ms':>8} {'ratio':>7}"
          if "dovecot" in rounds else "")
    result = {}
    for workload in rounds["kontor"][0]:
        names = rounds["kontor"][0][workload]
        ours = {figure: middle("kontor", workload, figure) for figure in names}
        result[workload] = {"kontor": ours}
        print(f"{workload:30} {shown(ours['per_second']):>12} {ours['p50_ms']:8.2f}"
              f" {ours['p99_ms']:8.2f} {ours['cpu_us']:8,.0f}", end="")
        if "dovecot" in rounds:
            theirs = {figure: middle("dovecot", workload, figure) for figure in names}
            theirs["cpu_us"] = None
            ratio = (ours["per_second"] / theirs["per_second"] if ours["per_second"]
                     else theirs["p50_ms"] / ours["p50_ms"])
            result[workload]["dovecot"], result[workload]["ratio"] = theirs, ratio
            print(f" {shown(theirs['per_second']):>12} {theirs['p50_ms']:8.2f}"
                  f" {theirs['p99_ms']:8.2f} {ratio:7.2f}", end="")
        print()
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    sys.exit(main())
