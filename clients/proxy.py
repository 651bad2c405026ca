"""The user's proxy: found, read and checked before anything goes over the wire."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clients.messages import stamp
from grid.errors import GridError, ProxyError, ProxyExpired

if TYPE_CHECKING:
    from gsi.credential import Credential

CERTIFICATES: Final = "/etc/grid-security/certificates"
_RENEW: Final = "make a new one with `voms-proxy-init --voms <vo>' (on a test node: `wms proxy DIR')"


class ProxyMissing(ProxyError):
    """There is no proxy file, or it cannot be used.

    :ivar path: where it was looked for.
    """

    def __init__(self, path: Path, reason: str, named_by: str) -> None:
        self.path = path
        super().__init__(
            f"No path to valid proxy file has been found\n{path} ({named_by}): {reason}; {_RENEW}"
        )


class ProxyOver(ProxyExpired):
    """The proxy, or a certificate above it, is past its end.

    :ivar path: the file.
    :ivar dn: whose it is.
    :ivar since: when it ended.
    """

    def __init__(self, path: Path, dn: str, since: datetime.datetime) -> None:
        self.path, self.dn, self.since = path, dn, since
        super().__init__(
            "Your proxy credential has expired\n"
            f"{path} of {dn} ended on {stamp(since)}; {_RENEW}"
        )


class ProxyTooShort(ProxyError):
    """The proxy ends sooner than the configuration allows.

    :ivar minutes: what it must still last.
    """

    def __init__(self, path: Path, dn: str, minutes: int, end: datetime.datetime) -> None:
        self.path, self.dn, self.minutes = path, dn, minutes
        super().__init__(
            f"Your proxy credential will expire in less than{minutes}minutes\n"
            f"{path} of {dn} ends on {stamp(end)} (DefaultProxyValidity = {minutes}); {_RENEW}"
        )


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that was good when it was read.

    :ivar path: its file.
    :ivar credential: certificate chain and key.
    :ivar dn: the user's name, without the proxies' components.
    :ivar vo: the VO of its attributes, or None.
    :ivar not_after: when the first of its certificates and attributes ends.
    """

    path: Path
    credential: Credential
    dn: str
    vo: str | None
    not_after: datetime.datetime

    def minutes_left(self, now: datetime.datetime) -> int:
        """Whole minutes until the end."""
        return int((self.not_after - now).total_seconds() // 60)


def path_of(environ: Mapping[str, str]) -> tuple[Path, str]:
    """Where the proxy is, and who says so."""
    named = environ.get("X509_USER_PROXY")
    if named:
        return Path(named), "named by X509_USER_PROXY"
    return Path(f"/tmp/x509up_u{os.getuid()}"), "the default place; X509_USER_PROXY is not set"


def certificates(environ: Mapping[str, str]) -> Path:
    """The directory of the authorities that the user trusts.

    :raises ProxyError: it does not exist, so that no server could be verified.
    """
    path = Path(environ.get("X509_CERT_DIR") or CERTIFICATES)
    if not path.is_dir():
        raise ProxyError(
            f"Unable to find the directory of trusted authorities: {path}\n"
            "set X509_CERT_DIR (on a test node: `eval \"$(wms env DIR)\"')"
        )
    return path


def load(environ: Mapping[str, str], now: datetime.datetime, *, minutes: int = 0) -> Proxy:
    """Read the user's proxy and check that it lasts.

    :param minutes: what it must still last (``DefaultProxyValidity``).
    :raises ProxyMissing: no file, not readable, not a proxy.
    :raises ProxyOver: it has ended.
    :raises ProxyTooShort: it ends within ``minutes``.
    """
    from gsi.credential import Credential

    path, named_by = path_of(environ)
    if not path.is_file():
        raise ProxyMissing(path, "there is no such file", named_by)
    try:
        credential = Credential.load(path)
    except OSError as error:
        raise ProxyMissing(path, error.strerror or str(error), named_by) from error
    except (GridError, ValueError) as error:
        reason = error.description if isinstance(error, GridError) else "it holds no certificate and key"
        raise ProxyMissing(path, reason, named_by) from error
    dn = credential.identity
    vo, attributes_end = _attributes(credential)
    end = min(credential.not_after, attributes_end or credential.not_after)
    if credential.not_after <= now:
        raise ProxyOver(path, dn, credential.not_after)
    if end <= now:
        raise ProxyOver(path, f"{dn} (its VOMS attributes)", end)
    if end - now < datetime.timedelta(minutes=minutes):
        raise ProxyTooShort(path, dn, minutes, end)
    return Proxy(path, credential, dn, vo, end)


def _attributes(credential: Credential) -> tuple[str | None, datetime.datetime | None]:
    """The VO and the end of the VOMS attributes; the server verifies them, here they are only read."""
    from gsi.voms import read_attributes

    attributes = read_attributes(credential.chain)
    if not attributes:
        return None, None
    return attributes[0].vo, min(one.not_after for one in attributes)
