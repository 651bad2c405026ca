"""Distinguished names in the slash form that grid software compares: ``/DC=org/DC=example/CN=Name``."""

from __future__ import annotations

import hashlib
import re

_PROXY_TAIL = re.compile(r"/CN=(?:proxy|limited proxy)$")
_EMAIL = re.compile(r"/(?:Email|E|emailAddress)=", re.IGNORECASE)


def normalise(dn: str) -> str:
    """Return ``dn`` with ``emailAddress`` spelled one way and legacy proxy components removed.

    Numeric CNs of RFC 3820 proxies are not removed: a person's CN may be a number too; the identity of a
    chain is found from its certificates, never from a text.
    """
    dn = _EMAIL.sub("/emailAddress=", dn.strip())
    while True:
        shorter = _PROXY_TAIL.sub("", dn)
        if shorter == dn:
            return dn
        dn = shorter


def is_dn(text: str) -> bool:
    """Tell whether ``text`` looks like a slash-form name."""
    return bool(re.match(r"/[A-Za-z0-9.]+=[^\x00-\x1f]", text))


def file_name(dn: str) -> str:
    """A file name that stands for ``dn``: the SHA-256 of its normalised form, hexadecimal."""
    return hashlib.sha256(normalise(dn).encode("utf-8")).hexdigest()
