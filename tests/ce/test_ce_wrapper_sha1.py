"""A job whose proxy has a SHA-1 signature in its chain (GridSite): the wrapper sends it, and believes nobody for it."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ce.wrapper import Transfers
from gsi import proxy
from gsi.ca import TestCA
from gsi.credential import Credential

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> TestCA:
    home = tmp_path_factory.mktemp("sha1")
    made = TestCA.create(home / "ca", "/O=Grid/CN=Test CA")
    made.install(home / "certificates")
    return made


@pytest.fixture
def transfers(ca: TestCA, with_sha1, tmp_path: Path) -> Iterator[Transfers]:
    """Those of a job with such a proxy."""
    alice = ca.issue_user("alice")
    made = proxy.create(alice, lifetime=datetime.timedelta(hours=1))
    weak = Credential(made.key, (with_sha1(made.certificate, alice.key), *made.chain[1:]))
    weak.save(tmp_path / "proxy")
    job = {"certificates": str(ca.directory.parent / "certificates"), "proxy": str(tmp_path / "proxy")}
    job |= {"transfer_tries": 1, "transfer_timeout": 10.0}
    used = Transfers(job)
    yield used
    used.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Credential, Path], str]]:
    """Start a server with this credential; returns its address.  It answers every request alike."""
    with contextlib.ExitStack() as running:

        def start(credential: Credential, file: Path) -> str:
            credential.save(file)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.load_cert_chain(file)
            listener = running.enter_context(socket.create_server(("127.0.0.1", 0)))
            thread = threading.Thread(target=_accept, args=(listener, context))
            thread.start()
            running.callback(thread.join, 10)
            running.callback(listener.shutdown, socket.SHUT_RDWR)
            return f"https://localhost:{listener.getsockname()[1]}/file"

        yield start


def _accept(listener: socket.socket, context: ssl.SSLContext) -> None:
    threads = []
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            break
        threads.append(threading.Thread(target=_answer, args=(sock, context)))
        threads[-1].start()
    for thread in threads:
        thread.join(10)


def _answer(sock: socket.socket, context: ssl.SSLContext) -> None:
    sock.settimeout(10)
    with contextlib.suppress(OSError):
        with sock, context.wrap_socket(sock, server_side=True) as tls:
            if tls.recv(4096):
                tls.sendall(ANSWER)


def test_a_file_is_fetched_with_it(ca: TestCA, transfers: Transfers, serve, tmp_path: Path) -> None:
    url = serve(ca.issue_host(["localhost"]), tmp_path / "host.pem")
    transfers.get(urlsplit(url), str(tmp_path / "got"))
    assert (tmp_path / "got").read_bytes() == b"ok"


def test_a_server_with_a_sha1_certificate_is_refused(
    ca: TestCA, transfers: Transfers, serve, with_sha1, tmp_path: Path
) -> None:
    host = ca.issue_host(["localhost"])
    weak = Credential(host.key, (with_sha1(host.certificate, ca.credential.key), *host.chain[1:]))
    url = serve(weak, tmp_path / "host.pem")
    with pytest.raises(ssl.SSLCertVerificationError, match="digest algorithm too weak"):
        transfers.get(urlsplit(url), str(tmp_path / "got"))
    # OpenSSL alone would believe it at the level that the proxy needs
    context = transfers._tls()
    with socket.create_connection(("localhost", urlsplit(url).port), timeout=10) as plain:
        with ssl.SSLContext.wrap_socket(context, plain, server_hostname="localhost") as tls:
            tls.sendall(b"GET / HTTP/1.1\r\n\r\n")
            answer = http.client.HTTPResponse(tls)
            answer.begin()
            assert answer.status == 200


def test_a_server_that_changes_its_certificate_in_between_is_refused(
    ca: TestCA, transfers: Transfers, serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve(ca.issue_host(["localhost"]), tmp_path / "one.pem")
    other = serve(ca.issue_host(["localhost"]), tmp_path / "two.pem")
    connect = socket.create_connection
    monkeypatch.setattr(
        socket, "create_connection", lambda address, *a, **k: connect((address[0], next(ports)), *a, **k)
    )
    ports = iter([urlsplit(url).port, urlsplit(other).port])
    with pytest.raises(OSError, match="two different certificates"):
        transfers.get(urlsplit(url), str(tmp_path / "got"))
