"""The server: HTTP as it should be, bounded, and unimpressed by slow clients."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grid.errors import ConfigurationError
from web.server import ServerSettings, serve


def get(path: str, *fields: str, version: str = "1.1") -> bytes:
    lines = [f"GET {path} HTTP/{version}", "Host: localhost", *fields, "", ""]
    return "\r\n".join(lines).encode()


def connection(server: Any, credential: Path | None = None) -> http.client.HTTPSConnection:
    return http.client.HTTPSConnection("localhost", server.port, timeout=10, context=server.grid.context(credential))


def ask(kept: http.client.HTTPSConnection, path: str, method: str = "GET", **more: Any) -> tuple[int, bytes]:
    kept.request(method, path, **more)
    response = kept.getresponse()
    return response.status, response.read()


def once(server: Any, path: str) -> tuple[int, bytes]:
    kept = connection(server)
    try:
        return ask(kept, path)
    finally:
        kept.close()


def test_one_connection_serves_many_requests(echo: Any, grid: Any) -> None:
    kept = connection(echo, grid.alice)
    kept.connect()
    sock = kept.sock
    for _ in range(20):
        assert ask(kept, "/") == (200, b"hello")
    assert kept.sock is sock
    assert ask(kept, "/read", "POST", body=b"x" * 50_000) == (200, b"50000")
    assert ask(kept, "/", "POST", body=b"unread") == (200, b"hello"), "a small body that nobody read is no obstacle"
    assert ask(kept, "/stream") == (200, b"abc")
    assert kept.sock is sock
    kept.close()


def test_requests_in_one_packet_are_answered_in_order(echo: Any) -> None:
    answer = echo.ask(get("/") + get("/stream") + get("/", "Connection: close"))
    assert [found.start() for found in re.finditer(rb"HTTP/1\.1 200", answer)] == sorted(
        found.start() for found in re.finditer(rb"HTTP/1\.1 200", answer)
    )
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.count(b"hello") == 2


def test_http_1_0_is_served_and_closed(echo: Any) -> None:
    answer = echo.ask(get("/", version="1.0"))
    assert answer.startswith((b"HTTP/1.0 200", b"HTTP/1.1 200"))
    assert b"Connection: close" in answer
    assert answer.endswith(b"hello")


def test_plain_http_is_not_served(echo: Any, everything: Callable[[socket.socket], bytes]) -> None:
    with echo.tcp() as sock:
        sock.sendall(get("/"))
        assert b"200" not in everything(sock)


def test_no_session_is_ever_resumed(echo: Any, grid: Any) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = grid.context(grid.alice)
        context.minimum_version = context.maximum_version = version
        with context.wrap_socket(echo.tcp(), server_hostname="localhost") as first:
            first.sendall(get("/"))
            first.recv(4096)
            session = first.session
        with context.wrap_socket(echo.tcp(), server_hostname="localhost", session=session) as second:
            second.sendall(get("/"))
            second.recv(4096)
            assert not second.session_reused


def test_a_body_over_the_limit_is_refused_before_it_is_sent(echo: Any) -> None:
    head = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\nExpect: 100-continue\r\n\r\n"
    answer = echo.ask(head)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100000 bytes" in answer
    assert b"100 Continue" not in answer


@pytest.mark.parametrize("path", ["/read", "/swallow"])
def test_a_chunked_body_over_the_limit_is_refused_while_it_arrives(echo: Any, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    answer = echo.ask(head + (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 7)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_refusal_reaches_a_client_that_does_not_stop_sending(echo: Any) -> None:
    head = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n"
    with echo.tls() as sock:
        sock.sendall(head)
        for _ in range(100):
            sock.sendall(b"x" * 100_000)
        assert sock.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_waits_is_told_to_go_on_when_the_application_reads(echo: Any) -> None:
    head = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with echo.tls() as sock:
        sock.sendall(head.format("/read").encode())
        assert sock.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"12345" + get("/", "Connection: close"))
        answer = b"".join(iter(lambda: sock.recv(4096), b""))
    assert b"\r\n\r\n5HTTP/1.1 200 OK" in answer
    answer = echo.ask(head.format("/").encode())
    assert b"100 Continue" not in answer
    assert b"Connection: close" in answer, "nobody knows whether the body will come, so the connection ends"


def test_a_body_cut_short_is_no_request(echo: Any) -> None:
    with echo.tls() as sock:
        sock.sendall(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n123")
        sock.unwrap()
    assert once(echo, "/")[0] == 200


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"a" * 200_000, 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: the worst\r\n\r\n", 417),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x, chunked\r\n\r\n", 501),
        (b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01 nonsense\r\n\r\n", 400),
    ],
)  # fmt: skip
def test_a_bad_request_is_refused_with_one_sentence(echo: Any, request_: bytes, status: int) -> None:
    answer = echo.ask(request_)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in head
    assert body.endswith(b"\n") and body.count(b"\n") == 1
    assert b"<" not in body


def test_a_failing_application_is_a_500_that_tells_nothing(echo: Any) -> None:
    answer = echo.ask(get("/fail"))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"secret" not in answer
    assert echo.ask(get("/late")).endswith(b"12345"), "an answer that breaks off is cut, not completed"


def test_headers_cannot_say_who_the_client_is(echo: Any) -> None:
    answer = echo.ask(
        get("/environ", "Script_Name: /x", "SSL_CLIENT_S_DN: /CN=root", "X-Forwarded-Proto: http", "Connection: close")
    )
    assert b"/CN=root" not in answer
    assert b"('SCRIPT_NAME', '')" in answer
    assert b"('wsgi.url_scheme', 'https')" in answer


def test_files_of_a_service_are_private(echo: Any) -> None:
    assert once(echo, "/umask") == (200, b"0o77")


def test_idle_and_half_open_connections_stall_nobody(echo: Any) -> None:
    # Four threads; ten times as many clients that connect and then do nothing, or as good as nothing.
    idle = [echo.tcp() for _ in range(20)]
    hello = [echo.tcp() for _ in range(20)]
    for sock in hello:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a ClientHello
    heads = [echo.tls() for _ in range(20)]
    for sock in heads:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: ")  # the beginning of a request
    start = time.monotonic()
    for _ in range(5):
        assert echo.ask(get("/", "Connection: close")).endswith(b"hello")
    assert time.monotonic() - start < 2.0
    for sock in heads:
        sock.sendall(b"x\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
    for sock in [*idle, *hello, *heads]:
        sock.close()


def test_bodies_that_do_not_come_stall_nobody(echo: Any) -> None:
    slow = [echo.tls() for _ in range(20)]
    for sock in slow:
        sock.sendall(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12")
    start = time.monotonic()
    for _ in range(5):
        assert echo.ask(get("/", "Connection: close")).endswith(b"hello")
    assert time.monotonic() - start < 2.0
    for sock in slow:
        sock.sendall(b"345" + get("/", "Connection: close"))
        answers = b""
        while block := sock.recv(4096):
            answers += block
        assert answers.count(b"HTTP/1.1 200 OK") == 2 and answers.endswith(b"hello")
        sock.close()


def test_a_client_that_does_not_close_stalls_nobody(echo: Any) -> None:
    lingering = [echo.tls() for _ in range(12)]
    for sock in lingering:
        sock.sendall(get("/", "Connection: close"))
    start = time.monotonic()
    assert echo.ask(get("/", "Connection: close")).endswith(b"hello")
    assert time.monotonic() - start < 1.0
    for sock in lingering:
        sock.close()


def test_more_connections_than_the_server_keeps_push_out_the_idle(start: Any, echo_source: str) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))\n"
    server = start(limit + echo_source, threads=2)
    idle = [server.tcp() for _ in range(120)]
    for _ in range(3):
        assert once(server, "/") == (200, b"hello")
    for sock in idle:
        sock.close()


def test_a_connection_that_does_not_begin_is_closed_in_time(start: Any, echo_source: str) -> None:
    hurry = "import web.connection as c; c.HANDSHAKE_SECONDS = c.HEAD_SECONDS = 0.3\n"
    server = start(hurry + echo_source, keepalive=1)
    silent, slow, kept = server.tcp(), server.tls(), server.tls()
    begin = time.monotonic()
    kept.sendall(get("/"))
    assert kept.recv(4096).endswith(b"hello"), "head and body come in one piece"
    slow.sendall(b"GET / HTTP/1.1\r\n")
    for sock in (silent, slow, kept):
        assert sock.recv(4096) == b""
        sock.close()
    assert time.monotonic() - begin < 4.0


def test_a_client_slower_than_the_patience_is_given_up(start: Any, echo_source: str) -> None:
    server = start(echo_source, threads=1, request_timeout=0.5)
    with server.tls() as sock:
        sock.sendall(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n")
        begin = time.monotonic()
        assert sock.recv(4096).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - begin < 2.0
    assert once(server, "/") == (200, b"hello")


def test_sigterm_finishes_requests_and_closes_the_application(
    start: Any, echo_source: str, is_listening: Callable[[int], bool]
) -> None:
    server = start(echo_source, workers=2)
    kept = connection(server)
    assert ask(kept, "/")[0] == 200
    half_open = server.tcp()
    answers: list[tuple[int, bytes]] = []
    thread = threading.Thread(target=lambda: answers.append(once(server, "/slow?0.7")))
    thread.start()
    time.sleep(0.3)
    assert server.stop() < 5.0
    thread.join(5)
    assert answers == [(200, b"slow")]
    assert server.process.returncode == 0
    assert not is_listening(server.port)
    assert len(list(server.place.glob("closed-*"))) == 2
    assert server.stderr() == ""
    kept.close()
    half_open.close()


def test_sigterm_does_not_wait_for_a_request_that_takes_too_long(start: Any, echo_source: str) -> None:
    server = start(echo_source)
    sock = server.tls()
    sock.sendall(get("/slow?60"))
    time.sleep(0.2)
    assert server.stop() < 5.0
    assert len(list(server.place.glob("closed-*"))) == 1
    sock.close()


def test_sigint_stops_as_sigterm_does(start: Any, echo_source: str) -> None:
    server = start(echo_source)
    assert server.stop(signal.SIGINT) < 5.0
    assert server.process.returncode == 0
    assert len(list(server.place.glob("closed-*"))) == 1


def test_kill_9_of_the_server_frees_the_port(
    start: Any,
    echo_source: str,
    is_listening: Callable[[int], bool],
    is_alive: Callable[[int], bool],
    workers_of: Callable[[Any], list[int]],
) -> None:
    server = start(echo_source, workers=2)
    deadline = time.monotonic() + 5
    while len(workers := workers_of(server)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(workers) == 2
    busy, kept = server.tls(), server.tls()
    busy.sendall(get("/slow?30"))
    kept.sendall(get("/"))
    kept.recv(4096)
    begin = time.monotonic()
    server.process.kill()
    server.process.wait(5)
    while is_listening(server.port):
        assert time.monotonic() - begin < 2.0
        time.sleep(0.02)
    while any(is_alive(worker) for worker in workers):
        assert time.monotonic() - begin < 6.0
        time.sleep(0.05)
    busy.close()
    kept.close()


def test_a_worker_that_dies_is_replaced(start: Any, echo_source: str) -> None:
    server = start(echo_source)
    _, first = once(server, "/pid")
    os.kill(int(first), signal.SIGKILL)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            status, second = once(server, "/pid")
            break
        except OSError:
            time.sleep(0.05)
    assert (status, second != first) == (200, True)


def test_a_server_that_cannot_start_says_so_and_ends(start: Any) -> None:
    with pytest.raises(RuntimeError, match="no database"):
        start("def make_app(place, trust): raise ValueError('no database')")


def test_settings_that_cannot_work_are_refused(grid: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="host credential"):
        serve(
            lambda: pytest.fail("made"),
            ServerSettings("x", ("127.0.0.1:1",), tmp_path / "no", grid.host_key, tmp_path),
        )


def test_a_client_that_sends_many_requests_at_once_lets_others_in_between(start: Any, echo_source: str) -> None:
    server = start(echo_source, threads=1)
    with server.tls() as greedy:
        greedy.sendall(get("/slow?0.03") * 100)
        assert greedy.recv(4096).startswith(b"HTTP/1.1 200")
        begin = time.monotonic()
        assert once(server, "/") == (200, b"hello")
        assert time.monotonic() - begin < 1.0, "he waits for one of the others' requests, not for all"
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 99:
            answers += greedy.recv(65536)


def test_empty_lines_without_end_hold_no_thread_and_no_connection(
    start: Any, echo_source: str, everything: Callable[[socket.socket], bytes]
) -> None:
    server = start(echo_source, threads=1)
    with server.tls() as endless:
        endless.sendall(b"\r\n" * 4000)
        assert everything(endless).startswith(b"HTTP/1.1 400 ")


PARSER = """
from grid import xmldoor
xmldoor.WORN_BYTES = 1 << 20
def memory(): return int(open("/proc/self/statm").read().split()[1]) * 4096
class App:
    def close(self): pass
    def wsgi(self, environ, start):
        xmldoor.parse(environ["wsgi.input"].read())
        body = str(memory()).encode()
        start("200 OK", [("Content-Length", str(len(body)))])
        return [body]
def make_app(place, trust): return App()
"""


def test_documents_of_ever_new_names_do_not_fill_the_memory(start: Any) -> None:
    server = start(PARSER, threads=1)
    kept = connection(server)
    taken = []
    for number in range(500):
        names = "".join(f"<{'n' * 600}-{number}-{other}/>" for other in range(90))
        status, body = ask(kept, "/", "POST", body=f"<r>{names}</r>".encode())
        assert status == 200
        taken.append(int(body))
    kept.close()
    assert max(taken) - taken[50] < 12 << 20, "of 27 million bytes"
