"""A client's TLS context for a credential with a SHA-1 signature in its chain, as GridSite's clients delegate it.

OpenSSL sends such a chain at security level 0 only, and one level holds for both directions: at 0 it would also believe
a server whose certificate a CA signed with SHA-1.  So a connection is made twice.  The first, without the credential
and at the usual level, says which certificate the server has; the second, with the credential, must show the very same
one, whose key it proves to have.  The second speaks TLS 1.3 alone, in which the level weakens nothing else: its
ciphers, groups and handshake signatures are strong at any level.
"""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Any

LEVEL = "DEFAULT:@SECLEVEL=0"


class Sha1ClientContext(ssl.SSLContext):
    """Takes the place of :class:`ssl.SSLContext` for the user of a connection.

    :ivar usual: the context that judges the server: the same trust, no credential.
    """

    usual: ssl.SSLContext

    def begin(self, usual: ssl.SSLContext) -> None:
        """Lower the level for what this context sends, and let ``usual`` judge servers.  Before any credential."""
        self.usual = usual
        self.minimum_version = ssl.TLSVersion.TLSv1_3
        self.set_ciphers(LEVEL)

    def wrap_socket(self, sock: socket.socket, *args: Any, **keywords: Any) -> ssl.SSLSocket:
        """As the original, for a client's connected socket with the handshake at once.

        :raises ssl.SSLCertVerificationError: the server's certificate is refused.
        :raises OSError: the connection failed, or the server showed two different certificates.
        """
        name = keywords.get("server_hostname")
        address = sock.getpeername()[:2]
        with socket.create_connection(address, timeout=sock.gettimeout()) as plain:
            with self.usual.wrap_socket(plain, server_hostname=name) as look:
                known = look.getpeercert(binary_form=True)
        wrapped = super().wrap_socket(sock, *args, **keywords)
        if not known or wrapped.getpeercert(binary_form=True) != known:
            wrapped.close()
            raise OSError(errno.EPROTO, "the server showed two different certificates within a moment; try again")
        return wrapped
