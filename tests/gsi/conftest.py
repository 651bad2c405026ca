"""One CA, a few people and hosts for the whole session; certificates that break rules are minted per test."""

from __future__ import annotations

import datetime
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gsi import ca as gsi_ca
from gsi import dn, proxy
from gsi.ca import TestCA
from gsi.credential import Credential
from gsi.tls import ServerContext
from gsi.trust import TrustStore

HOUR = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Grid:
    """A CA, its people, and the directories that trust it."""

    home: Path
    ca: TestCA
    cert_dir: Path
    voms_dir: Path
    alice: Credential
    bob: Credential
    host: Credential
    voms: Credential


@pytest.fixture(scope="session")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    home = tmp_path_factory.mktemp("grid")
    ca = TestCA.create(home / "ca", "/O=Grid/OU=test/CN=Test CA")
    ca.install(home / "certificates")
    voms = ca.issue_host(["voms.example.org"])
    gsi_ca.write_lsc(home / "vomsdir", "tvo", "voms.example.org", voms.certificate, ca.certificate)
    made = Grid(
        home,
        ca,
        home / "certificates",
        home / "vomsdir",
        ca.issue_user("alice"),
        ca.issue_user("bob"),
        ca.issue_host(["node.example.org"]),
        voms,
    )
    made.host.save_pair(home / "hostcert.pem", home / "hostkey.pem")
    made.alice.save_pair(home / "usercert.pem", home / "userkey.pem")
    made.voms.save_pair(home / "vomscert.pem", home / "vomskey.pem")
    made.alice.save(home / "alice.pem")
    return made


@pytest.fixture(scope="session")
def trust(grid: Grid) -> TrustStore:
    return TrustStore(grid.cert_dir, grid.voms_dir)


@pytest.fixture(scope="session")
def alice_proxy(grid: Grid) -> Credential:
    return proxy.create(grid.alice, lifetime=12 * HOUR)


@pytest.fixture(scope="session")
def spare_keys() -> list[rsa.RSAPrivateKey]:
    return [rsa.generate_private_key(65537, 2048) for _ in range(3)]


@pytest.fixture
def trust_copy(grid: Grid, tmp_path: Path) -> Path:
    """A trust directory that the test may change."""
    target = tmp_path / "certificates"
    shutil.copytree(grid.cert_dir, target)
    return target


@pytest.fixture(scope="session")
def openssl() -> str:
    found = shutil.which("openssl")
    if not found:
        pytest.skip("openssl is not installed")
    return found


Mint = Callable[..., x509.Certificate]


@pytest.fixture(scope="session")
def mint() -> Mint:
    """Make any certificate, however wrong."""

    def make(
        subject: str | x509.Name,
        issuer: str | x509.Name,
        key: object,
        signer: object,
        *extensions: tuple[x509.ExtensionType, bool],
        begin: datetime.timedelta = -HOUR,
        end: datetime.timedelta = 12 * HOUR,
        serial: int | None = None,
    ) -> x509.Certificate:
        moment = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject if isinstance(subject, x509.Name) else dn.parse(subject))
            .issuer_name(issuer if isinstance(issuer, x509.Name) else dn.parse(issuer))
            .public_key(key.public_key())
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(moment + begin)
            .not_valid_after(moment + end)
        )
        for value, critical in extensions:
            builder = builder.add_extension(value, critical=critical)
        return builder.sign(signer, hashes.SHA256())

    return make


@pytest.fixture(scope="session")
def write_list() -> Callable[..., None]:
    """Replace the revocation lists of a trust directory by an empty one of the CA, however wrong."""

    def write(
        ca: TestCA, directory: Path, begin: datetime.timedelta, end: datetime.timedelta, *more, key=None
    ) -> None:
        moment = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        builder = x509.CertificateRevocationListBuilder().issuer_name(ca.certificate.subject)
        builder = builder.last_update(moment + begin).next_update(moment + end)
        for value, critical in more:
            builder = builder.add_extension(value, critical=critical)
        pem = builder.sign(key or ca.credential.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        for path in directory.glob("*.r0"):
            path.write_bytes(pem)

    return write


class TlsServer:
    """A plain threaded server: sends to each client, after one line from it, what ``answer`` says."""

    def __init__(self, context: ServerContext, answer: Callable[[object, bytes], bytes]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.1)
        self.port = self.listener.getsockname()[1]
        self.context = context
        self.answer = answer
        self.failures: list[BaseException] = []
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.run)]
        self.threads[0].start()

    def run(self) -> None:
        while not self.ended.is_set():
            try:
                sock, _ = self.listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self.serve, args=(sock,))
            self.threads.append(thread)
            thread.start()

    def serve(self, sock: socket.socket) -> None:
        sock.settimeout(10)
        with self.context.wrap_socket(sock) as tls:
            try:
                data = b""
                while b"\n" not in data:
                    more = tls.recv(4096)
                    if not more:
                        return
                    data += more
                tls.sendall(self.answer(tls, data))
            except OSError as error:
                self.failures.append(error)

    def close(self) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join(timeout=15)
        self.listener.close()
        assert not any(thread.is_alive() for thread in self.threads)


@pytest.fixture
def tls_server(grid: Grid) -> Iterator[Callable[..., TlsServer]]:
    running: list[TlsServer] = []

    def start(answer: Callable[[object, bytes], bytes], **settings: float) -> TlsServer:
        context = ServerContext(grid.home / "hostcert.pem", grid.home / "hostkey.pem", **settings)
        running.append(TlsServer(context, answer))
        return running[-1]

    yield start
    for server in running:
        server.close()
