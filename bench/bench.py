#!/usr/bin/env python3
"""Measures Kontor, beside Dovecot in the same run where that is installed.

    bench/bench.py --kontor target/release/kontor [--messages 4000] [--rounds 2] [--json FILE]

Every workload runs on one server after the other, never at once, in alternating order; the
medians over the rounds are printed with their ratio (above 1: Kontor is faster). Counts in the
answers are checked, so a server that answers wrongly is not called fast. The peer needs root,
dovecot-imapd and dovecot-lmtpd; without them only Kontor's figures are printed.
"""

import argparse
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOMAIN = "bench.test"
USERS = 50
PASSWORD = "pw"
WORDS = [
    "facade", "meeting", "invoice", "timber", "drawing", "window", "contract", "delivery",
    "scaffold", "garden", "library", "railway", "budget", "summer", "proposal", "render",
]
NEEDLE = "zwischenraum"


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

    def close(self):
        self.sock.close()


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
    """The workloads; each yields (name, units, seconds, spans)."""

    def __init__(self, target, count, seed):
        rng = random.Random(seed)
        self.target, self.count = target, count
        sizes = [min(int(rng.lognormvariate(9.0, 1.0)), 400_000) for _ in range(count)]
        self.messages = [message(n, size, rng) for n, size in enumerate(sizes)]

    def run(self):
        yield from self.filling()
        yield from self.reading()
        yield from self.searching()
        yield from self.changing()
        yield from self.delivering()
        yield from self.noticing()

    def filling(self):
        imap, single = Imap(self.target), min(200, self.count // 4)
        spans = timed(lambda n: imap.append([self.messages[n]]), single)
        yield "APPEND one by one", single, sum(spans), spans
        start = time.perf_counter()
        for at in range(single, self.count, 50):
            imap.append(self.messages[at : at + 50])
        yield "MULTIAPPEND x50", self.count - single, time.perf_counter() - start, []
        imap.cmd("SELECT INBOX")
        got = imap.cmd("STATUS INBOX (MESSAGES)")
        expect(True, b"MESSAGES %d" % self.count in got, "messages in the mailbox")
        imap.close()

    def reading(self):
        def session(_):
            one = Imap(self.target)
            one.cmd("SELECT INBOX")
            one.close()

        spans = timed(session, 100)
        yield "LOGIN + SELECT", len(spans), sum(spans), spans
        imap = Imap(self.target)
        imap.cmd("SELECT INBOX")
        for name, items, times in [
            ("FETCH 1:* FLAGS", "(UID FLAGS)", 5),
            ("FETCH 1:* ENVELOPE", "(UID ENVELOPE)", 3),
            ("FETCH 1:* BODYSTRUCTURE", "(UID BODYSTRUCTURE)", 3),
        ]:
            got = imap.cmd(f"FETCH 1:* {items}")
            expect(self.count, got.count(b" FETCH ("), name)
            spans = timed(lambda _, items=items: imap.cmd(f"FETCH 1:* {items}"), times)
            yield name, self.count * times, sum(spans), spans
        bulk = min(1000, self.count)
        spans = timed(lambda _: imap.cmd(f"FETCH 1:{bulk} BODY.PEEK[]"), 2)
        yield "FETCH bodies in bulk", bulk * 2, sum(spans), spans
        spans = timed(lambda n: imap.cmd(f"FETCH {n + 1} BODY.PEEK[]"), min(500, self.count))
        yield "FETCH bodies one by one", len(spans), sum(spans), spans
        imap.close()

    def searching(self):
        imap = Imap(self.target)
        imap.cmd("SELECT INBOX")
        wanted = len(range(7, self.count, 500))
        # The index follows what arrived; the first search may still look for itself.
        imap.cmd(f"SEARCH BODY {NEEDLE}")
        for name, command, hits, times in [
            ("SEARCH BODY", f"SEARCH BODY {NEEDLE[3:-2]}", wanted, 5),
            ("SEARCH SUBJECT", f'SEARCH SUBJECT "number {self.count - 1}"', 1, 5),
            ("SEARCH Message-ID", f"SEARCH HEADER Message-ID <7@{DOMAIN}>", 1, 5),
            ("SORT DATE", "SORT (DATE) UTF-8 ALL", self.count, 5),
            ("THREAD REFERENCES", "THREAD REFERENCES UTF-8 ALL", None, 5),
        ]:
            got = imap.cmd(command)
            if hits is not None:
                line = next(l for l in got.split(b"\r\n") if l.startswith((b"* SEARCH", b"* SORT")))
                expect(hits, len(line.split()) - 2, command)
            spans = timed(lambda _, command=command: imap.cmd(command), times)
            yield name, times, sum(spans), spans
        imap.close()

    def changing(self):
        imap, part = Imap(self.target), min(1000, self.count // 2)
        imap.cmd("CREATE Copies")
        imap.cmd("CREATE Moved")
        imap.cmd("SELECT INBOX")
        sign = ["+", "-"]
        spans = timed(lambda n: imap.cmd(f"STORE 1:* {sign[n % 2]}FLAGS.SILENT (\\Flagged)"), 4)
        yield "STORE 1:* FLAGS", self.count * 4, sum(spans), spans
        spans = timed(lambda n: imap.cmd(f"STORE {n + 1} +FLAGS (\\Seen)"), 200)
        yield "STORE one by one", 200, sum(spans), spans
        spans = timed(lambda _: imap.cmd(f"COPY 1:{part} Copies"), 1)
        yield "COPY", part, sum(spans), spans
        spans = timed(lambda _: imap.cmd(f"MOVE 1:{part} Moved"), 1)
        yield "MOVE", part, sum(spans), spans
        imap.cmd("SELECT Copies")
        imap.cmd("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        spans = timed(lambda _: imap.cmd("EXPUNGE"), 1)
        yield "EXPUNGE", part, sum(spans), spans
        imap.close()

    def delivering(self):
        body = message(1, 2000, random.Random(1))
        for sessions, each in [(1, 200), (10, 60), (50, 20)]:
            spans, lock = [], threading.Lock()

            def deliver(number, each=each, spans=spans, lock=lock):
                smtp = Smtp(self.target)
                own = timed(lambda _: smtp.deliver(f"u{1 + number % (USERS - 1)}", body), each)
                smtp.close()
                with lock:
                    spans.extend(own)

            threads = [threading.Thread(target=deliver, args=(n,)) for n in range(sessions)]
            start = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            span = time.perf_counter() - start
            expect(sessions * each, len(spans), "deliveries")
            yield f"deliver, {sessions} sessions", sessions * each, span, spans

    def noticing(self):
        """From the delivery's acknowledgement to `EXISTS` at somebody who is in IDLE."""
        body = message(1, 2000, random.Random(1))
        imap, smtp = Imap(self.target, user=1), Smtp(self.target)
        imap.cmd("SELECT INBOX")
        tag = imap.tag()
        imap.sock.sendall(f"{tag} IDLE\r\n".encode())
        while not imap.line().startswith(b"+"):
            pass
        spans = []
        for _ in range(30):
            start = time.perf_counter()
            smtp.deliver("u1", body)
            while b" EXISTS" not in imap.line():
                pass
            spans.append(time.perf_counter() - start)
        yield "delivery to IDLE notice", len(spans), sum(spans), spans
        imap.close()
        smtp.close()


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
            KONTOR_LOG_FILTER="warn",
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
        for number in range(USERS):
            command("user", "add", f"u{number}@{DOMAIN}", "--name", f"User {number}")

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

    def stop(self):
        subprocess.run(self.stopping, check=False)


def peer_is_here():
    script = (HERE / "peer.sh").exists()
    return script and os.geteuid() == 0 and shutil.which("dovecot") is not None


def run_once(start, count, seed):
    """One server from empty to the end of the suite: {workload: (per second, p50 ms)}."""
    figures = {}
    with tempfile.TemporaryDirectory(prefix="kontor-bench-") as name:
        # The peer's own user must get through.
        os.chmod(name, 0o755)
        server = start(Path(name))
        try:
            for workload, units, seconds, spans in Suite(server.target, count, seed).run():
                middle = statistics.median(spans) * 1000 if spans else 0.0
                figures[workload] = (units / seconds, middle)
                print(f"  {server.name:8} {workload:26} {units / seconds:12,.0f} /s", flush=True)
        finally:
            server.stop()
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kontor", required=True, help="the program")
    parser.add_argument("--messages", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", help="write the figures there")
    args = parser.parse_args()
    if args.messages < 600:
        parser.error("--messages must be at least 600")

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
            print(f"round {number + 1}, {name}")
            rounds[name].append(run_once(starts[name], args.messages, seed=1))

    def middle(name, workload, at):
        return statistics.median(figures[workload][at] for figures in rounds[name])

    print(f"\n{'workload':26} {'kontor /s':>12} {'p50 ms':>8}", end="")
    print(f" {'dovecot /s':>12} {'p50 ms':>8} {'ratio':>7}" if "dovecot" in rounds else "")
    result = {}
    for workload in rounds["kontor"][0]:
        ours = (middle("kontor", workload, 0), middle("kontor", workload, 1))
        result[workload] = {"kontor": ours}
        print(f"{workload:26} {ours[0]:12,.0f} {ours[1]:8.2f}", end="")
        if "dovecot" in rounds:
            theirs = (middle("dovecot", workload, 0), middle("dovecot", workload, 1))
            result[workload]["dovecot"] = theirs
            print(f" {theirs[0]:12,.0f} {theirs[1]:8.2f} {ours[0] / theirs[0]:7.2f}", end="")
        print()
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    sys.exit(main())
