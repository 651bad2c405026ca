"""Plain requests: read to what gunicorn's parser reads, answered with what its writer writes."""

from __future__ import annotations

import time
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.errors import InvalidResponseHeader, InvalidResponseHeaderName
from gunicorn.http.parser import RequestParser
from hypothesis import given, settings
from hypothesis import strategies as st

from web import head
from web.answer import Answer

PEER, SERVER = ("127.0.0.1", 40000), ("127.0.0.1", 7443)


class Wire:
    """A socket that gives ``data`` and keeps what is written."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = data
        self.written = b""

    def recv(self, size: int) -> bytes:
        piece, self.data = self.data[:size], self.data[size:]
        return piece

    def sendall(self, data: bytes) -> None:
        self.written += data


@pytest.fixture(scope="module")
def config() -> Config:
    made = Config()
    for name, value in {
        "certfile": "x", "keyfile": "x", "http_parser": "python", "secure_scheme_headers": {}, "forwarder_headers": "",
        "header_map": "drop",
    }.items():  # fmt: skip
        made.set(name, value)
    return made


def gunicorns(data: bytes, config: Config) -> tuple[Any, dict[str, Any]]:
    wire = Wire(data)
    request = next(RequestParser(config, wire, PEER))
    _, environ = wsgi.create(request, wire, PEER, SERVER, config)
    return request, environ


def soap(*fields: str, line: str = "POST /x HTTP/1.1") -> bytes:
    return "\r\n".join([line, "Host: h:1", *fields, "", ""]).encode("latin-1")


NAMES = st.sampled_from(
    [
        *("Content-Type", "content-length", "SOAPAction", "Accept", "User-Agent", "X-A", "Connection", "Script-Name"),
        *("Host", "Expect", "Transfer-Encoding", "X_A", "TE", "A b", ""),
    ]
)
VALUES = st.one_of(
    st.sampled_from(["text/xml; charset=utf-8", '""', "0", "12", "close", "keep-alive", "chunked", "100-continue"]),
    st.text(st.characters(max_codepoint=255), max_size=8),
)
TARGETS = st.one_of(
    st.sampled_from(["/", "/a%2Fb?wsdl", "/?", "/a?b?c", "//x", "/a#f", "*", "http://h/x", "/a;b", "/a:b@c", "/%"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8).map(lambda text: f"/{text}"),
)


@settings(deadline=None)
@given(
    st.sampled_from(["POST", "GET", "HEAD", "PUT", "get"]),
    TARGETS,
    st.sampled_from(["1.1", "1.0", "2.0"]),
    st.lists(st.tuples(NAMES, VALUES), max_size=6),
)
def test_what_is_plain_is_read_as_gunicorn_reads_it(
    config: Config, method: str, target: str, version: str, fields: list[tuple[str, str]]
) -> None:
    data = soap(*(f"{name}: {value}" for name, value in fields), line=f"{method} {target} HTTP/{version}")
    found = head.plain(data) if b"\r\n\r\n" not in data[:-4] else None
    if found is None:
        return
    request, environ = gunicorns(data + b"x" * found.length, config)  # what is plain is never refused by gunicorn
    length = getattr(request.body.reader, "length", None)
    assert (found.method, found.version, found.length) == (request.method, request.version, length)
    assert found.should_close() == request.should_close()
    ours = dict(found.environ)
    assert {key: environ[key] for key in ours} == ours
    assert {key for key in environ if key.startswith(("HTTP_", "CONTENT_"))} <= ours.keys()


@pytest.mark.parametrize(
    "data",
    [
        soap("Content-Type: text/xml", "SOAPAction: \"\"", "Content-Length: 400"),
        soap("content-length:0", "Accept: */*", "Connection: Keep-Alive"),
        soap(line="GET /SandboxDir/a/b?x=1 HTTP/1.1"),
    ],
)  # fmt: skip
def test_usual_requests_are_plain(data: bytes) -> None:
    assert head.plain(data) is not None


@pytest.mark.parametrize(
    "data",
    [
        soap("Content-Length: 1", "Content-Length: 1"),
        soap("Content-Length: 1", "content-length: 2"),
        soap("Content-Length: +1"),
        soap("Content-Length: 1, 1"),
        soap("Content-Length: 1", "Transfer-Encoding: chunked"),
        soap("Expect: 100-continue"),
        soap("Host: other"),
        soap("X: a", " folded"),
        soap("X : a"),
        soap("X: a\nY: b"),
        soap("X: \x00"),
        soap("X_Y: a"),
        soap("Connection: upgrade"),
        soap("X: " + "a" * 3000),
        soap(line="POST http://h/x HTTP/1.1"),
        soap(line="POST /x HTTP/1.0"),
        soap(line="POST /x  HTTP/1.1"),
        soap(line="DELETE /x HTTP/1.1"),
        b"POST /x HTTP/1.1\r\nContent-Length: 1\r\n\r\n",
    ],
)
def test_what_is_unusual_is_left_to_gunicorn(data: bytes) -> None:
    assert head.plain(data) is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("status", ["200 OK", "500 Internal Server Error", "204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("fields", [[("Content-Length", "3"), ("X-A", " b ")], [("Connection", "close")], []])
@pytest.mark.parametrize("connection", ["", "Connection: close"])
def test_the_answer_is_gunicorns_byte_for_byte(
    config: Config, method: str, status: str, fields: list[tuple[str, str]], connection: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr("gunicorn.util.http_date", lambda: "Thu, 01 Jan 1970 00:00:00 GMT")
    monkeypatch.setattr("time.time", lambda: 0.0)
    data = soap(*([connection] if connection else []), line=f"{method} / HTTP/1.1")
    plain = head.plain(data)
    request, _ = gunicorns(data, config)
    written = []
    for kind, asked in ((Answer, plain), (wsgi.Response, request)):
        wire = Wire()
        response = kind(asked, wire, config)
        response.start_response(status, fields)
        response.write(b"abc")
        response.close()
        written.append((wire.written, response.should_close()))
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("field", "error"),
    [
        (("A\r\nB", "c"), InvalidResponseHeaderName),
        (("A", "b\r\nC: d"), InvalidResponseHeader),
        (("A", 1), TypeError),
        ((1, "a"), TypeError),
    ],
)
def test_fields_that_would_split_an_answer_are_refused_each_time(config: Config, field: Any, error: Any) -> None:
    for _ in range(2):
        response = Answer(head.plain(soap()), Wire(), config)
        with pytest.raises(error):
            response.start_response("200 OK", [field])
        assert response.headers == []


def test_what_is_unusual_costs_no_more_than_its_bytes() -> None:
    blank = b"POST /x HTTP/1.1\r\nHost: h\r\nX:" + b" \t" * 950 + b"\x80\r\n\r\n"
    begin = time.process_time()
    for number in range(50):
        assert head.plain(blank.replace(b"/x", b"/%d" % number)) is None
    assert time.process_time() - begin < 0.5
