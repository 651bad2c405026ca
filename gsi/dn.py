"""X.509 names in the slash form of grid software, and the names that this form cannot carry safely."""

from __future__ import annotations

import re
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

SHORT_NAMES: Final = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.17": "postalCode",
    "2.5.4.42": "GN",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.2.840.113549.1.9.2": "unstructuredName",
}
"""OpenSSL's short names of the attribute types that certificates of grid CAs carry."""

_OIDS: Final = {short.upper(): x509.ObjectIdentifier(dotted) for dotted, short in SHORT_NAMES.items()} | {
    "EMAIL": NameOID.EMAIL_ADDRESS,
    "E": NameOID.EMAIL_ADDRESS,
}
_INNER_COMPONENT: Final = re.compile(r"/[A-Za-z][A-Za-z0-9.]*=|/[0-9]+(?:\.[0-9]+)+=")
_COMPONENT: Final = re.compile(r"/(?=[A-Za-z][A-Za-z0-9]*=)")


def slash(name: x509.Name) -> str:
    """``/DC=org/DC=example/CN=Name``: OpenSSL's one-line form with UTF-8 left as it is.

    The attributes of a multi-valued RDN are joined by ``+``.  Never fails: a bit string is shown in hexadecimal.
    """
    return "".join("/" + "+".join(_attribute(attribute) for attribute in rdn) for rdn in name.rdns)


def parse(text: str) -> x509.Name:
    """Build a name from its slash form; a ``/`` inside a value stays (``/CN=host/example.org``).

    :raises ValueError: for an unknown attribute type or an empty value.
    """
    if not text.startswith("/"):
        raise ValueError(f"{text[:200]!r} is not a name of the form /O=…/CN=…")
    attributes = []
    for component in _COMPONENT.split(text)[1:]:
        short, _, value = component.partition("=")
        oid = _OIDS.get(short.upper())
        if oid is None or not value:
            raise ValueError(
                f"{component[:200]!r} in the name {text[:200]!r} has an unknown type or no value"
            )
        attributes.append(x509.NameAttribute(oid, value))
    if not attributes:
        raise ValueError(f"{text[:200]!r} is not a name of the form /O=…/CN=…")
    return x509.Name(attributes)


def ambiguity(name: x509.Name) -> str | None:
    """Say why the slash form of ``name`` could be mistaken for the one of another name; ``None``: it cannot.

    Two certificates must not share one slash form, for that form is what the grid compares.  Refused are
    multi-valued RDNs, values with control characters or with ``/type=`` inside, and a last ``CN=proxy``,
    which every reader would take away as the mark of a legacy proxy.
    """
    if not name.rdns:
        return "its name is empty"
    for rdn in name.rdns:
        attributes = list(rdn)
        if len(attributes) != 1:
            return "its name has a component of several attributes"
        value = attributes[0].value
        if not isinstance(value, str) or any(ord(char) < 0x20 or ord(char) == 0x7F for char in value):
            return "its name has a component that is not plain text"
        if _INNER_COMPONENT.search(value):
            return f"the component {value[:80]!r} of its name looks like several components"
    last = next(iter(name.rdns[-1]))
    if last.oid == NameOID.COMMON_NAME and last.value in ("proxy", "limited proxy"):
        return "its name ends like the name of a legacy proxy, but it is not signed by that user"
    return None


def _attribute(attribute: x509.NameAttribute[str | bytes]) -> str:
    dotted = attribute.oid.dotted_string
    value = attribute.value
    shown = value if isinstance(value, str) else "#" + value.hex()
    return f"{SHORT_NAMES.get(dotted, dotted)}={shown}"
