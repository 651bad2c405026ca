"""TLS contexts: for servers, which must take every kind of proxy, and for clients.

A server lets any client certificate through the handshake, which proves that the client has the key; whose it is
and whether it is good is judged afterwards (:class:`gsi.trust.TrustStore`), so that the client gets a typed answer
instead of an alert, and so that kinds of proxies work that OpenSSL does not know.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any, Final, TypeVar

from OpenSSL import SSL, crypto

from grid.errors import ConfigurationError, ProxyError
from grid.limits import MAX_CERTIFICATE_CHAIN
from gsi.credential import Credential
from gsi.gsisocket import GsiSocket, HandshakeFailed
from gsi.sha1client import Sha1ClientContext
from gsi.signature import uses_sha1
from gsi.tls_failure import explain

__all__ = ["GsiSocket", "HandshakeFailed", "ServerContext", "client_context", "explain"]

_IO_TIMEOUT: Final = 60.0
ContextT = TypeVar("ContextT", bound=ssl.SSLContext)


class ServerContext:
    """The TLS side of a listening service.  Safe for many threads, and made once, since loading keys takes time.

    No session is ever resumed: a ticket would keep the client's leaf and lose its chain, and a resumed session
    would outlive a revocation.
    """

    def __init__(
        self, cert: Path, key: Path, *, handshake_timeout: float = 10.0, io_timeout: float = _IO_TIMEOUT
    ) -> None:
        """Load the host's certificate (with its chain, if any) and key.

        :param handshake_timeout: seconds for a whole handshake.
        :param io_timeout: seconds that one receive or send may wait when the server sets no time-out.
        :raises ConfigurationError: when the pair cannot be used.
        """
        self.handshake_timeout: Final = handshake_timeout
        self.io_timeout: Final = io_timeout
        try:
            Credential.load_pair(cert, key)  # its errors say what is wrong; OpenSSL's do not
            context = SSL.Context(SSL.TLS_SERVER_METHOD)
            context.set_min_proto_version(SSL.TLS1_2_VERSION)
            context.use_certificate_chain_file(str(cert))
            context.use_privatekey_file(str(key))
        except ProxyError as error:
            raise ConfigurationError(f"The host credential cannot be used: {error.description}") from error
        except SSL.Error as error:
            raise ConfigurationError(
                f"The host credential {cert} with {key} is refused by OpenSSL: {error}"
            ) from error
        context.set_verify(SSL.VERIFY_PEER, _accept)
        context.set_verify_depth(MAX_CERTIFICATE_CHAIN)
        context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        self._context: Final = context

    def wrap_socket(self, sock: socket.socket, server_side: bool = True, **_: Any) -> GsiSocket:
        """Put TLS on an accepted socket; the handshake waits for the first use.

        Takes the keywords of :meth:`ssl.SSLContext.wrap_socket`, so that gunicorn's ``ssl_context`` hook may return
        this object.

        :raises ValueError: for ``server_side=False``.
        """
        if not server_side:
            raise ValueError("this context is a server's")
        return GsiSocket(
            self._context, sock, handshake_timeout=self.handshake_timeout, io_timeout=self.io_timeout
        )


def client_context(
    cert_dir: Path, credential: Path | None = None, *, check_crls: bool = True
) -> ssl.SSLContext:
    """The TLS side of a client: servers are verified by name, CA directory and revocation lists.

    :param cert_dir: trust directory with hash names.
    :param credential: PEM file with certificate, key and chain (a proxy file); ``None`` sends none.
    :param check_crls: false accepts servers of CAs without revocation lists.
    :raises ConfigurationError: when there is no such directory.
    :raises ProxyError: when the credential cannot be used.
    """
    if not Path(cert_dir).is_dir():
        raise ConfigurationError(f"The directory {cert_dir} with the certificates of the CAs does not exist")
    context = _verifying(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), cert_dir, check_crls)
    if credential is not None:
        found = Credential.load(Path(credential))  # says what is wrong with it; OpenSSL would only say "PEM lib"
        if any(map(uses_sha1, found.chain)):
            context = _for_sha1(context, cert_dir, check_crls)
        context.load_cert_chain(str(credential), password=_no_password)
    return context


def _verifying(context: ContextT, cert_dir: Path, check_crls: bool) -> ContextT:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(capath=str(cert_dir))
    if check_crls:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    return context


def _for_sha1(usual: ssl.SSLContext, cert_dir: Path, check_crls: bool) -> ssl.SSLContext:
    made = _verifying(Sha1ClientContext(ssl.PROTOCOL_TLS_CLIENT), cert_dir, check_crls)
    made.begin(usual)
    return made


def _accept(_c: SSL.Connection, _x: crypto.X509, _error: int, _depth: int, _ok: int) -> bool:
    """Let every certificate through the handshake; it is judged after it."""
    return True


def _no_password() -> str:
    raise ProxyError("The private key is encrypted; make a proxy certificate from it and use that")
