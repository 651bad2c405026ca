"""A node's test CA, host and user credentials, and the proxies of test users."""

from __future__ import annotations

import datetime
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grid.errors import ConfigurationError, InvalidArgument
from grid.files import make_directory, write_private
from grid.fqan import Fqan
from gsi import proxy, voms
from gsi.ca import TestCA, pkcs12, write_lsc
from gsi.credential import Credential
from node.layout import Layout

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
DEFAULT_USERS = ("alice", "bob")
BASE_DN = "/DC=org/DC=wms-test"
CRL_AGE = 86_400.0
"""Seconds after which a node that runs publishes a new CRL of its test CA."""


class UnknownUser(ConfigurationError):
    """No test user of that name."""

    def __init__(self, name: str, known: Sequence[str], root: Path) -> None:
        self.name = name
        super().__init__(
            f"{root} has no test user {name!r}; there are {', '.join(known)} "
            f"(make another with `wms init {root} --user NAME`)"
        )


@dataclass(frozen=True)
class UserFiles:
    """The files of one test user."""

    directory: Path

    @property
    def credential(self) -> Path:
        """Certificate and key, PEM."""
        return self.directory / "usercredential.pem"

    @property
    def pkcs12(self) -> Path:
        """For a browser; the password stands beside it."""
        return self.directory / "user.p12"

    @property
    def password(self) -> Path:
        return self.directory / "user.p12.password"

    @property
    def proxy(self) -> Path:
        return self.directory / "proxy.pem"


class Credentials:
    """Makes what is missing and leaves what is there."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def setup(self, host: str, vo: str, users: Sequence[str]) -> None:
        """Make CA, host, VOMS server and users; trust directory and LSC file with them."""
        layout = self._layout
        ca = self._ca(create=True)
        ca.install(layout.certificates)
        files = (layout.host_certificate, layout.host_key, layout.host_credential)
        if not all(path.exists() for path in files):
            credential = ca.issue_host([host])
            credential.save_pair(layout.host_certificate, layout.host_key)
            credential.save(layout.host_credential)
        if not layout.voms_credential.exists():
            ca.issue_host([f"voms.{vo}"]).save(layout.voms_credential)
        server = Credential.load(layout.voms_credential)
        write_lsc(layout.vomsdir, vo, host, server.chain[0], ca.certificate)
        for name in users:
            self.make_user(name)

    def refresh(self) -> None:
        """Publish a new CRL when the test CA's present one is a day old; a node without a test CA is left alone.

        A CRL ends after 30 days, and an outdated one refuses everybody.
        """
        crl = self._layout.ca / "crl.pem"
        if not crl.exists() or time.time() - crl.stat().st_mtime < CRL_AGE:
            return
        ca = self._ca()
        ca.write_crl()
        ca.install_crl(self._layout.certificates)

    def make_user(self, name: str) -> UserFiles:
        """Make a test user, unless there is one of that name.

        :raises InvalidArgument: for a name that is no plain word.
        """
        if not _NAME.fullmatch(name):
            raise InvalidArgument(f"{name!r} is not a user name here; use lower-case letters, digits, - and _")
        files = UserFiles(self._layout.users / name)
        if files.pkcs12.exists():
            return files
        make_directory(files.directory, 0o700)
        if not files.credential.exists():
            self._ca().issue_user(name.capitalize()).save(files.credential)
        if not files.password.exists():
            write_private(files.password, secrets.token_urlsafe(12).encode() + b"\n")
        credential = Credential.load(files.credential)
        write_private(files.pkcs12, pkcs12(credential, files.password.read_bytes().strip()))
        return files

    def users(self) -> list[str]:
        """The names of the test users."""
        return sorted(path.parent.name for path in self._layout.users.glob("*/usercredential.pem"))

    def user(self, name: str) -> UserFiles:
        """:raises UnknownUser: when there is none of that name."""
        if name not in self.users():
            raise UnknownUser(name, self.users(), self._layout.root)
        return UserFiles(self._layout.users / name)

    def make_proxy(
        self,
        name: str,
        vo: str,
        *,
        fqans: Sequence[str] = (),
        hours: float = 12.0,
        attributes: bool = True,
        limited: bool = False,
        out: Path | None = None,
        uri: str = "localhost:15000",
    ) -> Path:
        """Make an RFC 3820 proxy with a VOMS attribute certificate for a test user.

        :param fqans: attributes, the primary one first; ``/<vo>`` when none are given.
        :param out: the file; the user's ``proxy.pem`` when None.
        :raises FqanError: when an FQAN is none.
        :raises InvalidArgument: when the FQANs belong to more than one VO, or hours are out of range.
        """
        if not 0 < hours <= 24 * 365:
            raise InvalidArgument(f"{hours} hours is no life time for a proxy; give more than 0 and at most 8760")
        files = self.user(name)
        parsed = [Fqan.parse(text) for text in fqans] or [Fqan.parse(f"/{vo}")]
        vos = sorted({fqan.vo for fqan in parsed})
        if len(vos) > 1:
            raise InvalidArgument(f"the FQANs belong to different virtual organisations: {', '.join(vos)}")
        credential = Credential.load(files.credential)
        lifetime = datetime.timedelta(hours=hours)
        extensions = []
        if attributes:
            server = Credential.load(self._layout.voms_credential)
            names = [str(fqan) for fqan in parsed]
            certificate = voms.issue(server, credential.chain[0], vos[0], names, uri=uri, lifetime=lifetime)
            extensions.append(voms.proxy_extension([certificate]))
        path = out or files.proxy
        proxy.create(credential, lifetime=lifetime, limited=limited, extensions=extensions).save(path)
        return path

    def revoke(self, name: str) -> str:
        """Revoke a user's certificate and publish a new CRL; returns the DN."""
        credential = Credential.load(self.user(name).credential)
        ca = self._ca()
        ca.revoke(credential.chain[-1])
        ca.write_crl()
        ca.install_crl(self._layout.certificates)
        return credential.subject

    def _ca(self, create: bool = False) -> TestCA:
        if not self._layout.ca.exists() and create:
            return TestCA.create(self._layout.ca, f"{BASE_DN}/CN=Test CA {secrets.token_hex(4)}")
        return TestCA.open(self._layout.ca)
