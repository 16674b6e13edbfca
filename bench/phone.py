"""A phone that asks as little as possible of the machine: what is measured is the server.

Requests are made beforehand, and answers are looked at only as far as needed.
"""

import base64
import re
import socket
import ssl
import time
import zlib

from bench import DOMAIN, PASSWORD

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
