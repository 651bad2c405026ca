"""WMProxy of a running node as an attacker sees it: raw bytes over TLS, and what it costs the server."""

import contextlib
import http.client
import os
import re
import select
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from lxml import etree

from gsi import proxy
from gsi.credential import Credential
from gsi.tls import client_context

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
WMP = "http://glite.org/wms/wmproxy"
DELEGATION = "http://www.gridsite.org/namespaces/delegation-2"
JDL = """[ Executable = "/bin/true"; StdOutput = "out"; OutputSandbox = { "out" }; InputSandbox = { "f" };
  Requirements = true; Rank = 1; ]"""
GET_VERSION = (
    f'<s:Envelope xmlns:s="{SOAP}"><s:Body><w:getVersion xmlns:w="{WMP}"/></s:Body></s:Envelope>'
).encode()
FAULT = f"{{{SOAP}}}Body/{{{SOAP}}}Fault"


@dataclass(frozen=True)
class Reply:
    """One HTTP answer, taken apart, and when it came."""

    status: int
    head: bytes
    body: bytes
    seconds: float
    closed: bool

    def fault(self) -> tuple[str, str]:
        """``(faultcode, faultstring)``; the envelope is parsed strictly."""
        found = etree.fromstring(self.body).find(FAULT)
        assert found is not None, self.body[:500]
        return found.findtext("faultcode"), found.findtext("faultstring")


@dataclass(frozen=True)
class Cost:
    """What the worker processes hold: threads, file descriptors, and resident memory in bytes.

    Descriptors of the database are not among them: it keeps a pool of connections that is filled when needed.
    """

    threads: int
    descriptors: int
    memory: int


class Attacked:
    """WMProxy of ``node``, which is up."""

    def __init__(self, node) -> None:
        self.node = node
        configuration = node.configuration()
        self.port = configuration.wmproxy.port
        self.path = "/" + configuration.wmproxy_endpoint.split("/", 3)[3]
        users = node.root / "credentials" / "users"
        self.proxies = {name: users / name / "proxy.pem" for name in ("alice", "bob")}
        self._master = node.status()["services"]["wmproxy"]["pid"]
        self._contexts: dict[str | None, ssl.SSLContext] = {}

    # -- bytes ---------------------------------------------------------------------------------------------

    def tls(self, user: str | None = "alice", timeout: float = 30.0) -> ssl.SSLSocket:
        """A TLS connection; with ``None`` without a certificate."""
        if user not in self._contexts:
            certificates = self.node.root / "trust" / "certificates"
            self._contexts[user] = client_context(certificates, None if user is None else self.proxies[user])
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            return self._contexts[user].wrap_socket(raw, server_hostname="localhost")
        except BaseException:
            raw.close()
            raise

    def head(self, length: int | None, *fields: str, method: str = "POST", path: str | None = None) -> bytes:
        """The head of a request with a body of ``length`` bytes; None says nothing about the body."""
        lines = [f"{method} {path or self.path} HTTP/1.1", "Host: localhost", *fields]
        if method == "POST" and not any(field.lower().startswith("content-type") for field in fields):
            lines.append("Content-Type: text/xml; charset=utf-8")
        if length is not None:
            lines.append(f"Content-Length: {length}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def send(self, data: bytes, user: str | None = "alice", deadline: float = 20.0) -> Reply:
        """Send raw bytes and read one answer, sending on while the server reads."""
        begin = time.monotonic()
        with self.tls(user) as sock:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
                sock.sendall(data)
            return read_reply(sock, begin, deadline)

    def post(self, body: bytes, *fields: str, user: str | None = "alice") -> Reply:
        """One POST to the service."""
        return self.send(self.head(len(body), *fields, "Connection: close") + body, user)

    def healthy(self, user: str = "bob") -> float:
        """A normal request on a new connection; the seconds it took."""
        reply = self.post(GET_VERSION, user=user)
        assert reply.status == 200, reply.body
        assert re.search(rb"<version>[0-9.]+</version>", reply.body)
        return reply.seconds

    # -- a job ---------------------------------------------------------------------------------------------

    def call(self, inner: str, user: str, space: str = WMP) -> etree._Element:
        """A normal call; the answer's tree."""
        envelope = f'<s:Envelope xmlns:s="{SOAP}" xmlns:w="{space}"><s:Body>{inner}</s:Body></s:Envelope>'
        reply = self.post(envelope.encode(), user=user)
        assert reply.status == 200, reply.body
        return etree.fromstring(reply.body)

    def registered(self, user: str) -> str:
        """A registered job of the user's; the URL path of its input directory."""
        answer = self.call("<w:getProxyReq><delegationID>attack</delegationID></w:getProxyReq>", user, DELEGATION)
        signed = proxy.sign_request(answer.findtext(".//getProxyReqReturn"), Credential.load(self.proxies[user]))
        parts = f"<delegationID>attack</delegationID><proxy>{signed}</proxy>"
        self.call(f"<w:putProxy>{parts}</w:putProxy>", user, DELEGATION)
        parts = f"<jdl>{escape(JDL)}</jdl><delegationId>attack</delegationId>"
        answer = self.call(f"<w:jobRegister>{parts}</w:jobRegister>", user)
        return "/" + answer.findtext(".//path")

    def warm(self) -> None:
        """Let every worker start what it starts when it is first needed."""
        for _ in range(6):
            self.registered("alice")
            self.healthy("bob")

    # -- what it costs -------------------------------------------------------------------------------------

    def workers(self) -> list[int]:
        """The processes that answer requests."""
        tasks = Path(f"/proc/{self._master}/task").glob("*/children")
        found = [int(child) for task in tasks for child in task.read_text().split()]
        assert found, "WMProxy has been started again: it did not survive an attack"
        return found

    def cost(self) -> Cost:
        """What all workers hold now."""
        threads = descriptors = memory = 0
        for pid in self.workers():
            process = Path(f"/proc/{pid}")
            threads += len(list((process / "task").iterdir()))
            descriptors += sum(".sqlite" not in _target(entry) for entry in (process / "fd").iterdir())
            memory += int(re.search(r"VmRSS:\s+(\d+) kB", (process / "status").read_text())[1]) << 10
        return Cost(threads, descriptors, memory)

    def settled(self, before: Cost, seconds: float = 20.0) -> Cost:
        """The cost once threads and descriptors are back where they were, or at the end of the time."""
        deadline = time.monotonic() + seconds
        while True:
            now = self.cost()
            if now.threads <= before.threads and now.descriptors <= before.descriptors + 4:
                return now
            if time.monotonic() > deadline:
                return now
            time.sleep(0.2)


def read_reply(sock: ssl.SSLSocket, begin: float, deadline: float = 20.0) -> Reply:
    """Read one answer: by its length, or until the end of the connection."""
    data = bytearray()
    end = begin + deadline
    closed = False
    while not _whole(data):
        left = end - time.monotonic()
        if left <= 0 or not (sock.pending() or _readable(sock, left)):
            break
        try:
            block = sock.recv(65536)
        except (ConnectionResetError, ssl.SSLError):
            block = b""
        if not block:
            closed = True
            break
        data += block
    seconds = time.monotonic() - begin
    head, _, body = bytes(data).partition(b"\r\n\r\n")
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", head)
    return Reply(int(found[1]) if found else 0, head, body, seconds, closed)


def _target(descriptor: Path) -> str:
    try:
        return os.readlink(descriptor)
    except FileNotFoundError:  # closed meanwhile
        return ".sqlite"


def _readable(sock: ssl.SSLSocket, seconds: float) -> bool:
    waiter = select.poll()  # select() knows 1024 descriptors
    waiter.register(sock, select.POLLIN)
    return bool(waiter.poll(seconds * 1000))


def _whole(data: bytearray) -> bool:
    head, blank, _ = bytes(data[: 64 << 10]).partition(b"\r\n\r\n")
    if not blank or head.startswith(b"HTTP/1.1 100"):
        return False
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return length is not None and len(data) >= len(head) + 4 + int(length[1])


class Kept:
    """A kept connection of one user."""

    def __init__(self, attacked: Attacked, user: str) -> None:
        context = client_context(attacked.node.root / "trust" / "certificates", attacked.proxies[user])
        self._connection = http.client.HTTPSConnection("localhost", attacked.port, context=context, timeout=30)
        self._path = attacked.path

    def get_version(self) -> float:
        """A normal request; the seconds it took."""
        begin = time.monotonic()
        self._connection.request("POST", self._path, GET_VERSION, {"Content-Type": "text/xml; charset=utf-8"})
        answer = self._connection.getresponse()
        assert b"<version>" in answer.read()
        assert answer.status == 200
        return time.monotonic() - begin

    def close(self) -> None:
        self._connection.close()
