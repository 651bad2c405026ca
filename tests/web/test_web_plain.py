"""Plain requests over real sockets: the server answers odd requests alike whether it reads them itself or gunicorn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

ONLY_GUNICORN = "from web import head; head.plain = lambda data: None\n"
LAST = b"GET /environ?last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def both(grid: Any, running: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """A server, and one that leaves every request to gunicorn."""
    source = REPORT
    with (
        running(grid, tmp_path_factory.mktemp("ours"), source, threads=4, max_body=100_000) as ours,
        running(grid, tmp_path_factory.mktemp("theirs"), ONLY_GUNICORN + source, threads=4, max_body=100_000) as theirs,
    ):
        yield ours, theirs


REPORT = """
class App:
    def close(self): pass
    def wsgi(self, environ, start):
        path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
        said = [(k, v) for k, v in sorted(environ.items()) if isinstance(v, str) and not k.endswith("_PORT")]
        body = repr(said).encode()
        if path != "/unread": body += b"|" + environ["wsgi.input"].read() + b"|"
        if path == "/fail": raise ValueError
        length = [("Content-Length", str(len(body)))]
        if path == "/stream": start("200 OK", []); return iter([body, b"", b"more"])
        if path == "/empty": start("204 No Content", []); return []
        if path == "/close": start("200 OK", [*length, ("Connection", "close")]); return [body]
        if path == "/break": start("200 OK", length); return broken(body)
        if path == "/long": start("200 OK", length); return [body, b"what is too much"]
        if path == "/big": start("200 OK", [("Content-Length", "3000000")]); return [b"x" * 3000000]
        start("200 OK", length)
        return [body]
def broken(body):
    yield body[:5]
    raise ValueError
def make_app(place, trust): return App()
"""


def head(line: str, *fields: str, host: str = "Host: h") -> bytes:
    return "\r\n".join([line, *([host] if host else []), *fields, "", ""]).encode("latin-1")


def post(*fields: str, path: str = "/", body: bytes = b"") -> bytes:
    return head(f"POST {path} HTTP/1.1", *fields) + body


ODD: dict[str, bytes] = {
    # where a body ends
    "length doubled": post("Content-Length: 3", "Content-Length: 3", body=b"abc"),
    "lengths differ": post("Content-Length: 3", "Content-Length: 30", body=b"abc"),
    "length list": post("Content-Length: 3, 3", body=b"abc"),
    "length signed": post("Content-Length: +3", body=b"abc"),
    "length hexadecimal": post("Content-Length: 0x3", body=b"abc"),
    "length underscored": post("Content-Length: 1_0", body=b"0123456789"),
    "length padded": post("Content-Length:  \t 3 \t ", body=b"abc"),
    "length zeros": post("Content-Length: 0000003", body=b"abc"),
    "length many zeros": post("Content-Length: 0000000000003", body=b"abc"),
    "length empty": post("Content-Length:", body=b""),
    "length of other digits": post("Content-Length: \xb2", body=b"ab"),
    "length of a GET": head("GET / HTTP/1.1", "Content-Length: 3") + b"abc",
    "length unread": post("Content-Length: 3", path="/unread", body=b"abc"),
    "length and chunks": post("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunks and length": post("Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"),
    "chunks": post("Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n"),
    "chunks of no name": post("Transfer-Encoding: xchunked", body=b"3\r\nabc\r\n0\r\n\r\n"),
    "chunks folded": post("Transfer-Encoding:", " chunked", body=b"3\r\nabc\r\n0\r\n\r\n"),
    "chunks with a space": post("Transfer-Encoding : chunked", body=b"3\r\nabc\r\n0\r\n\r\n"),
    "chunks with a control": post("Transfer-Encoding: \x0bchunked", body=b"3\r\nabc\r\n0\r\n\r\n"),
    "chunks underscored": post("Transfer_Encoding: chunked", "Content-Length: 3", body=b"abc"),
    "chunks twice": post("Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=b"3\r\nabc\r\n0\r\n\r\n"),
    "expects": post("Content-Length: 3", "Expect: 100-continue", body=b"abc"),
    "expects more": post("Content-Length: 3", "Expect: 200-ok", body=b"abc"),
    "too large": post("Content-Length: 100001", body=b"x" * 100),
    "hidden request": post("Content-Length: 40", body=b"GET /smuggled HTTP/1.1\r\nHost: hidden\r\n\r\n"),
    # lines
    "bare LF": b"GET / HTTP/1.1\nHost: h\n\n",
    "bare LF in a field": post("A: b\nContent-Length: 3", body=b"abc"),
    "bare CR in a field": post("A: b\rContent-Length: 3", body=b"abc"),
    "NUL in a field": post("A: b\x00"),
    "NUL in the path": head("GET /\x00 HTTP/1.1"),
    "folded": post("A: b", "\tc"),
    "folded first": head("GET / HTTP/1.1", host=" Host: h"),
    "no colon": post("nonsense"),
    "no name": post(": a"),
    "a space before the colon": post("A : b"),
    "obs-text": post("A: \xe9"),
    "DEL": post("A: \x7f"),
    "names of all kinds": post("A.b!#$: c", "a-b: d", "9: e"),
    "empty line first": b"\r\n" + head("GET / HTTP/1.1"),
    "empty lines first": b"\r\n\r\n\r\n" + head("GET / HTTP/1.1"),
    "spaces first": b"  " + head("GET / HTTP/1.1"),
    "many fields": post(*(f"A{number}: b" for number in range(60))),
    "too many fields": post(*(f"A{number}: b" for number in range(130))),
    "a long field": post("A: " + "b" * 5000),
    "a too long field": post("A: " + "b" * 9000),
    "white space only": post("A: " + " " * 900),
    # who and where
    "no host": head("GET / HTTP/1.1", host=""),
    "two hosts": head("GET / HTTP/1.1", "Host: g"),
    "host empty": head("GET / HTTP/1.1", host="Host:"),
    "types doubled": post("Content-Type: a", "Content-Type: b"),
    "accepts doubled": post("Accept: a", "Accept: b"),
    "a name told": post("SSL-Client-S-DN: /CN=root", "SSL_CLIENT_S_DN: /CN=root", "X-Forwarded-Proto: http"),
    "a script told": post("Script-Name: /x", "SCRIPT_NAME: /x", "Path-Info: /y"),
    "a proxy told": post("Proxy: http://h", "Forwarded: for=1.2.3.4", "X-Forwarded-For: 1.2.3.4"),
    "dash and underscore": post("A-B: c", "A_B: d"),
    "absolute": head("GET http://other/x?y HTTP/1.1"),
    "asterisk": head("OPTIONS * HTTP/1.1"),
    "authority": head("CONNECT h:1 HTTP/1.1"),
    "double slash": head("GET //h/x HTTP/1.1"),
    "fragment": head("GET /a#b?c HTTP/1.1"),
    "percent": head("GET /%2e%2e/%00%zz%E9?%41 HTTP/1.1"),
    "question marks": head("GET /a?b?c=;d HTTP/1.1"),
    "backslash": head("GET /a\\..\\b|^`{} HTTP/1.1"),
    "two spaces": head("GET  / HTTP/1.1"),
    "a tab": head("GET\t/ HTTP/1.1"),
    "lower case": head("get / HTTP/1.1"),
    "unknown method": head("BREW / HTTP/1.1"),
    "HEAD": head("HEAD / HTTP/1.1"),
    "HEAD of a stream": head("HEAD /stream HTTP/1.1"),
    # versions and the end of the connection
    "HTTP/1.0": head("GET / HTTP/1.0"),
    "HTTP/1.0 kept": head("GET / HTTP/1.0", "Connection: keep-alive"),
    "HTTP/1.2": head("GET / HTTP/1.2"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "close": post("Connection: close"),
    "close in capitals": post("Connection: CLOSE"),
    "close and more": post("Connection: close, te"),
    "connections doubled": post("Connection: keep-alive", "Connection: close"),
    "upgrade": post("Connection: upgrade", "Upgrade: h2c"),
    "connection empty": post("Connection:"),
    # answers
    "stream": head("GET /stream HTTP/1.1"),
    "empty": head("GET /empty HTTP/1.1"),
    "the server closes": head("GET /close HTTP/1.1"),
    "fails": head("GET /fail HTTP/1.1"),
    "breaks": head("GET /break HTTP/1.1"),
    "says too much": head("GET /long HTTP/1.1"),
    "big": head("GET /big HTTP/1.1"),
}


def told(server: Any, data: bytes, *, cut: int | None = None) -> bytes:
    """All that the server answers to these bytes, by itself with dates left out."""
    with server.tls() as sock:
        sock.settimeout(1.0)
        for piece in (data,) if cut is None else (data[:cut], data[cut:]):
            sock.sendall(piece)
        answer = bytearray()
        try:
            while block := sock.recv(1 << 16):
                answer += block
        except (TimeoutError, OSError) as end:
            answer += f"<{type(end).__name__}>".encode()
    return re.sub(rb"Date: [^\r]*", b"Date: -", bytes(answer))


@pytest.mark.parametrize("name", ODD)
def test_odd_requests_are_answered_alike(both: tuple[Any, Any], name: str) -> None:
    plain = post("Content-Length: 3", "Content-Type: text/xml", body=b"abc")
    for data in (ODD[name] + LAST, plain + ODD[name] + plain + LAST):
        ours, theirs = (told(server, data) for server in both)
        assert ours == theirs


@pytest.mark.parametrize("cut", [1, 20, 40, -1])
def test_it_does_not_matter_in_which_pieces_requests_come(both: tuple[Any, Any], cut: int) -> None:
    data = post("Content-Length: 3", "Connection: keep-alive", body=b"abc") + post("A_B: c") + LAST
    whole = told(both[1], data)
    assert whole.count(b"HTTP/1.1 200 OK") == 3
    for server in both:
        assert told(server, data, cut=cut) == whole
