"""Slow and idle clients: whatever one user's connections do, another user's request is answered within a second."""

import contextlib
import itertools
import resource
import ssl
import statistics
import threading
import time

import pytest
from faults_attacked import GET_VERSION, Kept, read_reply

CONNECTIONS = 500
SLOW = 60


class Dripping:
    """Sends one byte a second into each of some connections."""

    def __init__(self) -> None:
        self._sockets = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def add(self, sock, data: bytes) -> None:
        self._sockets.append((sock, itertools.cycle(data)))

    def _run(self) -> None:
        while not self._end.wait(1.0):
            for sock, data in self._sockets:
                with contextlib.suppress(OSError):  # the server may have given it up
                    sock.sendall(bytes([next(data)]))

    def __enter__(self) -> "Dripping":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(10)


@pytest.fixture(scope="module", autouse=True)
def descriptors():
    """The test itself holds a thousand sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def crowd(attacked):
    """Opens connections of alice's, and closes them all at the end; the server is back to its level then."""
    attacked.healthy("alice")
    before = attacked.cost()
    with contextlib.ExitStack() as stack:
        yield lambda user="alice": stack.enter_context(attacked.tls(user))
    after = attacked.settled(before)
    assert after.threads <= before.threads + 4  # threads of the services' own that start when they are first needed
    assert after.descriptors <= before.descriptors + 4  # connections to other services that are kept
    assert after.memory < before.memory + (200 << 20)
    attacked.healthy()


def others_are_served(attacked, rounds: int = 8) -> list[float]:
    """Another user's requests, on a kept and on new connections; the seconds of each, all of them below one."""
    kept = Kept(attacked, "bob")
    times = []
    for _ in range(rounds):
        times += [kept.get_version(), attacked.healthy("bob")]
        time.sleep(0.1)
    kept.close()
    print(f"median {statistics.median(times):.3f} s, longest {max(times):.3f} s")
    assert max(times) < 1.0
    return times


def unanswered(sockets) -> int:
    """How many of the slow ones the server still waits for: an attack that it refuses at once proves nothing."""
    silent = 0
    for sock in sockets:
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            try:
                sock.recv(1)
            except ssl.SSLWantReadError:
                silent += 1
    return silent


def upload(attacked, sock, directory: str, number: int) -> None:
    sock.sendall(attacked.head(1_000_000, method="PUT", path=f"{directory}/f{number}"))


def test_five_hundred_connections_and_slow_uploads_of_one_user_starve_nobody_else(attacked, crowd):
    directory = attacked.registered("alice")
    slow = []
    with Dripping() as dripping:
        for number in range(CONNECTIONS):
            sock = crowd()
            if number < SLOW:
                upload(attacked, sock, directory, number)
                dripping.add(sock, b"x")
                slow.append(sock)
            elif number < 3 * SLOW:  # heads and small bodies, a byte a second
                sock.sendall(attacked.head(None, "X-Slow: ")[:-4] if number % 2 else attacked.head(500))
                dripping.add(sock, b"y")
            elif number < 4 * SLOW:  # requests that are answered, and then silence
                sock.sendall(attacked.head(len(GET_VERSION)) + GET_VERSION)
        others_are_served(attacked)
        assert unanswered(slow) == SLOW


def test_slow_bodies_of_calls_starve_nobody_else(attacked, crowd):
    slow = []
    with Dripping() as dripping:
        for number in range(SLOW):
            sock = crowd()
            slow.append(sock)
            sock.sendall(attacked.head(None, "Transfer-Encoding: chunked") if number % 2 else attacked.head(5_000_000))
            dripping.add(sock, b"0" if number % 2 else b" ")
        others_are_served(attacked)
        assert unanswered(slow) == SLOW


def test_slow_readers_of_answers_starve_nobody_else(attacked, crowd):
    directory = attacked.registered("alice")
    size = 20_000_000
    with attacked.tls("alice", timeout=60) as sock:
        begin = time.monotonic()
        sock.sendall(attacked.head(size, "Connection: close", method="PUT", path=f"{directory}/f") + bytes(size))
        assert read_reply(sock, begin, 60).status == 201
    for _ in range(SLOW):
        sock = crowd()
        sock.sendall(attacked.head(None, method="GET", path=f"{directory}/f"))
    others_are_served(attacked)


def test_a_flood_of_one_user_starves_nobody_else(attacked, crowd):
    """Far more requests of alice's than threads, all the time."""
    end = threading.Event()
    counts = []

    def flood(sock) -> None:
        request, answered = attacked.head(len(GET_VERSION)) + GET_VERSION, 0
        sock.sendall(request * 20)
        while not end.is_set():
            assert read_reply(sock, time.monotonic()).status == 200
            sock.sendall(request)
            answered += 1
        counts.append(answered)

    threads = [threading.Thread(target=flood, args=(crowd(),)) for _ in range(40)]
    for thread in threads:
        thread.start()
    try:
        others_are_served(attacked)
    finally:
        end.set()
        for thread in threads:
            thread.join(30)
    assert min(counts) > 0, "every connection of the flood is served as well"


def test_heads_that_never_end_do_not_shut_the_door(attacked, crowd):
    """More begun requests than the server keeps connections: the greedy one loses some, nobody else waits."""
    for _ in range(2200):
        crowd(None).sendall(b"POST / HTTP/1.1\r\nHost: ")
    others_are_served(attacked, 5)
