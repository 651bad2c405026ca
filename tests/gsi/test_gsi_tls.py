"""TLS on real sockets: what a server sees of its client, deadlines, closing, and what a failure means."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import io
import select
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from grid.errors import ConfigurationError, ProxyError
from gsi import proxy
from gsi.ca import TestCA
from gsi.credential import Credential
from gsi.errors import ChainError, WeakKey
from gsi.tls import GsiSocket, HandshakeFailed, ServerContext, client_context, explain
from gsi.trust import TrustStore

HOUR = datetime.timedelta(hours=1)


def call(port: int, context: ssl.SSLContext, data: bytes = b"hello\n", name: str = "localhost") -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=name) as tls:
            tls.sendall(data)
            answer = b""
            while more := tls.recv(65536):
                answer += more
            return answer


def with_credential(grid, tmp_path: Path, credential: Credential) -> ssl.SSLContext:
    credential.save(tmp_path / "credential.pem")
    return client_context(grid.cert_dir, tmp_path / "credential.pem")


@pytest.fixture
def whoami(trust: TrustStore):
    """Answers with the identity of the client, or with the error."""

    def answer(sock: GsiSocket, _: bytes) -> bytes:
        try:
            identity = trust.verify(sock.chain)
        except ChainError as error:
            return f"{type(error).__name__}: {error.description}".encode()
        return f"{identity.dn} {','.join(identity.kinds)} {len(sock.chain)}".encode()

    return answer


@pytest.mark.parametrize("kind", [None, "rfc", "gt2", "gt3"])
def test_every_kind_of_credential_passes_the_handshake_with_its_chain(
    grid, tls_server, whoami, tmp_path, kind
) -> None:
    credential = grid.alice
    if kind:
        credential = proxy.create(proxy.create(grid.alice, lifetime=HOUR, legacy=kind), lifetime=HOUR)
    answer = call(tls_server(whoami).port, with_credential(grid, tmp_path, credential))
    # OpenSSL's client adds the CA's certificate to a plain one, having it at hand
    expected = {f"{kind},{kind} 3"} if kind else {" 1", " 2"}
    assert answer.decode().removeprefix("/O=Grid/OU=test/CN=alice ") in expected


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_tls_keep_the_chain_and_resume_nothing(grid, tls_server, whoami, version) -> None:
    server = tls_server(whoami)
    context = client_context(grid.cert_dir, grid.home / "alice.pem")
    context.minimum_version = context.maximum_version = version
    session = None
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
            with context.wrap_socket(plain, server_hostname="localhost", session=session) as tls:
                tls.sendall(b"x\n")
                assert tls.recv(1000).startswith(b"/O=Grid/OU=test/CN=alice")
                assert tls.version() == version.name.replace("_", ".").replace("TLSv1.", "TLSv1.")
                assert not tls.session_reused
                session = tls.session


def test_a_bad_credential_gets_a_typed_answer_and_no_alert(
    grid, tls_server, whoami, tmp_path, mint, spare_keys
) -> None:
    key = spare_keys[0]
    forged = Credential(key, (mint("/O=Grid/OU=test/CN=alice", "/O=Grid/OU=test/CN=alice", key, key),))
    answer = call(tls_server(whoami).port, with_credential(grid, tmp_path, forged))
    assert answer.startswith(b"Untrusted: The certificate /O=Grid/OU=test/CN=alice")


def test_a_short_key_gets_a_typed_answer_too(grid, tls_server, whoami, tmp_path, mint) -> None:
    key = rsa.generate_private_key(65537, 1024)
    weak = Credential(key, (mint("/O=Grid/OU=test/CN=weak", grid.ca.name, key, grid.ca.credential.key),))
    weak.save(tmp_path / "weak.pem")
    context = client_context(grid.cert_dir)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.load_cert_chain(str(tmp_path / "weak.pem"))
    assert call(tls_server(whoami).port, context).startswith(WeakKey.__name__.encode())


def test_no_certificate_is_an_empty_chain(grid, tls_server, whoami) -> None:
    assert call(tls_server(whoami).port, client_context(grid.cert_dir)).startswith(b"NoCertificate:")


def test_much_data_goes_both_ways(grid, tls_server) -> None:
    size = 3 << 20
    server = tls_server(lambda sock, data: bytes(size) + data)
    assert len(call(server.port, client_context(grid.cert_dir))) == size + len(b"hello\n")
    assert not server.failures


def test_an_idle_peer_loses_its_handshake_after_the_deadline(tls_server, whoami) -> None:
    server = tls_server(whoami, handshake_timeout=0.5)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
        start = time.monotonic()
        assert plain.recv(10) == b""
        assert 0.3 < time.monotonic() - start < 3
    assert "not complete after 0.5 s" in str(server.failures[0])


def test_a_slow_peer_cannot_stretch_the_deadline(tls_server, whoami) -> None:
    server = tls_server(whoami, handshake_timeout=0.6)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
        start = time.monotonic()
        for byte in b"\x16\x03\x01\x02\x00" + bytes(100):
            try:
                plain.sendall(bytes([byte]))
            except OSError:
                break
            if select.select([plain], [], [], 0.1)[0]:
                break
        assert time.monotonic() - start < 3


def test_a_peer_that_speaks_http_is_told_off_in_the_log(tls_server, whoami, caplog) -> None:
    server = tls_server(whoami)
    with caplog.at_level("INFO", "wms.gsi"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                while plain.recv(1000):
                    pass
    assert isinstance(server.failures[0], ConnectionResetError)
    assert "TLS handshake with" in caplog.text


def test_a_handshake_can_go_on_piece_by_piece_without_waiting(grid) -> None:
    context = ServerContext(grid.home / "hostcert.pem", grid.home / "hostkey.pem")
    near, far = socket.socketpair()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(grid.cert_dir, grid.home / "alice.pem").wrap_bio(
        incoming, outgoing, server_hostname="localhost"
    )
    with far, context.wrap_socket(near) as server:
        far.setblocking(False)
        assert server.try_handshake() == select.POLLIN and server.chain == ()
        for _ in range(10):
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
            if data := outgoing.read():
                far.sendall(data)
            waits = server.try_handshake()
            with contextlib.suppress(BlockingIOError):
                incoming.write(far.recv(65536))
            if not waits:
                break
        assert waits == 0
        assert server.chain[0] == grid.alice.certificate


def test_a_handshake_that_failed_stays_failed(grid) -> None:
    context = ServerContext(grid.home / "hostcert.pem", grid.home / "hostkey.pem")
    near, far = socket.socketpair()
    with far, context.wrap_socket(near) as server:
        far.sendall(b"GET / HTTP/1.0\r\n\r\n")
        for attempt in (
            server.try_handshake,
            server.try_handshake,
            server.do_handshake,
            lambda: server.recv(1),
        ):
            with pytest.raises(HandshakeFailed, match="http request"):
                attempt()


def test_receiving_has_a_deadline(grid, tls_server) -> None:
    def answer(sock: GsiSocket, _: bytes) -> bytes:
        sock.settimeout(0.2)
        try:
            sock.recv(10)
        except TimeoutError:
            return b"timed out"
        return b"?"

    assert call(tls_server(answer).port, client_context(grid.cert_dir)) == b"timed out"


def test_no_timeout_means_the_default_and_never_for_ever(grid, tls_server) -> None:
    def answer(sock: GsiSocket, _: bytes) -> bytes:
        seen = []
        for setting in (None, 0, 3):
            sock.settimeout(setting)
            seen.append(sock.gettimeout())
        sock.setblocking(False)
        return f"{seen} {sock.timeout}".encode()

    server = tls_server(answer, io_timeout=7.0)
    assert call(server.port, client_context(grid.cert_dir)) == b"[7.0, 7.0, 3] 7.0"


def test_decrypted_bytes_that_wait_are_pending(grid, tls_server) -> None:
    def answer(sock: GsiSocket, data: bytes) -> bytes:
        first = sock.recv(3)
        return f"{first!r} {sock.pending()}".encode()

    server = tls_server(answer)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
        with client_context(grid.cert_dir).wrap_socket(plain, server_hostname="localhost") as tls:
            tls.sendall(b"x\n")
            time.sleep(0.1)
            tls.sendall(b"abcdef")
            assert tls.recv(100) == b"b'abc' 3"


def test_a_file_is_sent_encrypted(grid, tls_server) -> None:
    def answer(sock: GsiSocket, _: bytes) -> bytes:
        return str(sock.sendfile(io.BytesIO(b"0123456789"), 2, 5)).encode()

    assert call(tls_server(answer).port, client_context(grid.cert_dir)) == b"234565"


def test_the_standard_librarys_http_server_runs_on_it(grid, trust) -> None:
    context = ServerContext(grid.home / "hostcert.pem", grid.home / "hostkey.pem")

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = trust.verify(self.connection.chain).dn.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = False

        def finish_request(self, request, client_address) -> None:
            with context.wrap_socket(request) as wrapped:
                self.RequestHandlerClass(wrapped, client_address, self)

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            data = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            answer = call(
                server.server_address[1], client_context(grid.cert_dir, grid.home / "alice.pem"), data
            )
        finally:
            server.shutdown()
            thread.join(10)
    assert answer.endswith(b"\r\n\r\n/O=Grid/OU=test/CN=alice")


def test_a_closed_connection_ends_cleanly_for_the_client(grid, tls_server) -> None:
    context = client_context(grid.cert_dir)
    with socket.create_connection(("127.0.0.1", tls_server(lambda *_: b"bye").port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as tls:
            tls.sendall(b"x\n")
            assert tls.recv(10) == b"bye"
            assert tls.recv(10) == b""  # close_notify came: a ragged end would raise


def test_a_host_credential_that_does_not_fit_is_a_configuration_error(grid, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="belongs to the private key"):
        ServerContext(grid.home / "hostcert.pem", grid.home / "userkey.pem")
    with pytest.raises(ConfigurationError, match="There is no file"):
        ServerContext(tmp_path / "no.pem", grid.home / "hostkey.pem")


def test_a_server_context_makes_no_clients(grid) -> None:
    context = ServerContext(grid.home / "hostcert.pem", grid.home / "hostkey.pem")
    with pytest.raises(ValueError), socket.socket() as plain:
        context.wrap_socket(plain, server_side=False)


def test_a_client_names_a_credential_it_cannot_use(grid, tmp_path: Path) -> None:
    with pytest.raises(ProxyError, match="There is no file"):
        client_context(grid.cert_dir, tmp_path / "nothing")
    with pytest.raises(ConfigurationError, match="does not exist"):
        client_context(tmp_path / "nothing")


def failure(port: int, context: ssl.SSLContext, name: str = "localhost") -> str:
    try:
        call(port, context, name=name)
    except OSError as error:
        try:
            raise RuntimeError("wrapped") from error
        except RuntimeError as wrapped:
            return explain(wrapped, "127.0.0.1" if name == "localhost" else name, port)
    pytest.fail("the call succeeded")


@pytest.fixture
def odd_server(grid, tmp_path: Path, tls_server):
    """A server with a certificate of our choice."""

    def start(credential: Credential) -> int:
        credential.save_pair(tmp_path / "odd.pem", tmp_path / "odd.key")
        server = tls_server(lambda *_: b"")
        server.context = ServerContext(tmp_path / "odd.pem", tmp_path / "odd.key")
        return server.port

    return start


def test_explain_names_an_expired_server_certificate_with_its_dates(
    grid, mint, spare_keys, odd_server
) -> None:
    names = (x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
    key = spare_keys[0]
    old = mint(
        "/O=Grid/OU=test/CN=old", grid.ca.name, key, grid.ca.credential.key, names, begin=-3 * HOUR, end=-HOUR
    )
    sentence = failure(odd_server(Credential(key, (old,))), client_context(grid.cert_dir))
    assert "/O=Grid/OU=test/CN=old, has expired (valid from 20" in sentence and "of the server" in sentence


def test_explain_names_the_names_of_the_wrong_host(grid, mint, spare_keys, odd_server) -> None:
    names = (x509.SubjectAlternativeName([x509.DNSName("other.example.org")]), False)
    other = mint("/O=Grid/OU=test/CN=o", grid.ca.name, spare_keys[0], grid.ca.credential.key, names)
    sentence = failure(odd_server(Credential(spare_keys[0], (other,))), client_context(grid.cert_dir))
    assert "is for another host name (it names other.example.org)" in sentence


def test_explain_names_the_unknown_ca(grid, mint, spare_keys, odd_server) -> None:
    names = (x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
    rogue = mint("/O=Rogue/CN=h", "/O=Rogue/CN=CA", spare_keys[0], spare_keys[1], names)
    sentence = failure(odd_server(Credential(spare_keys[0], (rogue,))), client_context(grid.cert_dir))
    assert "is of a CA that is not in the trust directory (CA /O=Rogue/CN=CA)" in sentence


def test_explain_names_a_missing_and_an_outdated_list(grid, trust_copy: Path, tls_server, write_list) -> None:
    port = tls_server(lambda *_: b"").port
    write_list(grid.ca, trust_copy, -2 * HOUR, -HOUR)
    assert "is out of date" in failure(port, client_context(trust_copy))
    for path in trust_copy.glob("*.r0"):
        path.unlink()
    assert "no revocation list" in failure(port, client_context(trust_copy))
    assert call(port, client_context(trust_copy, check_crls=False)) == b""


def test_explain_names_a_revoked_server(grid, tmp_path: Path, odd_server) -> None:
    ca = TestCA.create(tmp_path / "ca", "/O=Grid/OU=test/CN=Third CA")
    host = ca.issue_host(["h.example.org"])
    ca.revoke(host.certificate)
    ca.write_crl()
    ca.install(tmp_path / "trust")
    sentence = failure(odd_server(host), client_context(tmp_path / "trust"))
    assert "h.example.org, has been revoked by its CA" in sentence


def test_explain_says_when_the_own_certificate_was_refused(grid) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(grid.home / "hostcert.pem", grid.home / "hostkey.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(capath=str(grid.cert_dir))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            sock, _ = listener.accept()
            with pytest.raises(OSError), sock:
                server.wrap_socket(sock, server_side=True)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            with client_context(grid.cert_dir).wrap_socket(plain, server_hostname="localhost") as tls:
                with pytest.raises(ssl.SSLError) as caught:
                    tls.recv(1)  # TLS 1.3: the refusal comes after the client's side of the handshake
        thread.join(10)
    assert "refused your certificate: none was sent" in explain(caught.value, "127.0.0.1", port)


def test_explain_says_when_a_port_does_not_speak_tls(grid) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                sock.recv(10000)

        thread = threading.Thread(target=serve)
        thread.start()
        sentence = failure(listener.getsockname()[1], client_context(grid.cert_dir))
        thread.join(10)
    assert "does not speak TLS" in sentence


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "host name h.org cannot be resolved"),
        (TimeoutError("timed out"), "did not answer in time"),
        (ConnectionRefusedError(111, "refused"), "Nothing listens on h.org:7443"),
        (ConnectionResetError(104, "reset"), "closed the connection"),
        (OSError(113, "No route to host"), "No route to host"),
        (ValueError("odd"), "could not be reached: odd"),
    ],
)
def test_explain_knows_the_failures_of_the_network(error: Exception, words: str) -> None:
    assert words in explain(error, "h.org", 7443)


def test_explain_looks_into_urllib3s_wrappers() -> None:
    class MaxRetryError(Exception):
        reason = ConnectionRefusedError(111, "refused")

    assert "Nothing listens on [::1]:1" in explain(MaxRetryError("x"), "::1", 1)
