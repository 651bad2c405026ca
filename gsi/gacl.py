"""GACL, GridSite's access control lists: parsed, asked and written.

::

    <gacl version="0.0.1">
      <entry>
        <person><dn>/DC=org/DC=example/CN=Alice</dn></person>
        <allow><read/><list/><write/></allow>
      </entry>
    </gacl>

An entry names one credential or more, all of which a caller must have, and what that allows and denies.  A caller
may do what some entry allows and none denies, wherever either stands (GridSite, ``gacl``).  Names stand in the
document percent-encoded, as GridSite writes them.

What is unknown here is refused with the document, never passed over: an entry of which a part was not understood
would allow or deny something else than it says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Flag
from typing import Final
from urllib.parse import quote, unquote

from lxml import etree

from grid.dn import normalise
from grid.errors import AuthorizationDenied
from grid.fqan import Fqan, FqanError
from grid.xmldoor import XmlRefused
from grid.xmldoor import parse as parse_xml

MAX_ENTRIES: Final = 1000
"""Entries of one document."""

MAX_BYTES: Final = 1 << 20
"""Bytes of one document."""

MAX_NAME: Final = 1024
"""Characters of one name."""

_MAX_CREDENTIALS: Final = 10
_SAFE: Final = "/=@:,.+ ()'!*"
_NAMES: Final = {
    "person": ("dn",),
    "voms": ("fqan",),
    "dn-list": ("url",),
    "dns": ("hostname",),
    "any-user": (),
    "auth-user": (),
}


class GaclError(AuthorizationDenied):
    """A document is no GACL, or one that is not understood wholly.

    :ivar reason: what is wrong with it.
    """

    default_code = 1209

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"gacl syntax error: {reason}", causes=[f"GaclError: {reason}"])


class Permission(Flag):
    """What an entry allows or denies; the values are GridSite's."""

    NONE = 0
    READ = 1
    EXEC = 2
    LIST = 4
    WRITE = 8
    ADMIN = 16


_PERMISSIONS: Final = {str(permission.name).lower(): permission for permission in Permission}


@dataclass(frozen=True, slots=True)
class Credential:
    """What a caller must have.

    :ivar kind: ``person``, ``voms``, ``dn-list``, ``dns``, ``any-user`` or ``auth-user``.
    :ivar name: a DN, an FQAN (or a pattern of FQANs), the URL of a list, a host name; empty for the last two.
    """

    kind: str
    name: str = ""

    @classmethod
    def person(cls, dn: str) -> Credential:
        """The user of a DN."""
        return cls("person", normalise(dn))

    @classmethod
    def voms(cls, fqan: str) -> Credential:
        """Whoever has an FQAN.  ``Role=NULL`` and ``Capability=NULL`` say nothing and are left out."""
        with_wildcard = "*" in fqan
        return cls("voms", fqan if with_wildcard else str(Fqan.parse(fqan)))


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: who, and what they may and may not do."""

    credentials: tuple[Credential, ...]
    allow: Permission
    deny: Permission = Permission.NONE


def _nobody_knows(url: str) -> bool | None:
    return None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    :ivar dn: slash DN, normalised; None for a caller without a certificate.
    :ivar fqans: the verified attributes.
    :ivar host: the caller's verified host name; None when it is not known.
    :ivar listed: tells whether the list at a URL names the caller; None when it cannot be known.
    """

    dn: str | None
    fqans: Sequence[Fqan] = ()
    host: str | None = None
    listed: Callable[[str], bool | None] = _nobody_knows

    def has(self, credential: Credential) -> bool | None:
        """Whether the caller has what ``credential`` names; None when nobody can tell."""
        if credential.kind == "any-user":
            return True
        if credential.kind == "auth-user":
            return self.dn is not None
        if credential.kind == "person":
            return self.dn == credential.name
        if credential.kind == "voms":
            return any(_fqan_matches(credential.name, fqan) for fqan in self.fqans)
        if credential.kind == "dns":
            return None if self.host is None else _host_matches(credential.name, self.host)
        return self.listed(credential.name)


@dataclass(frozen=True, slots=True)
class Gacl:
    """A whole list."""

    entries: tuple[Entry, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Gacl:
        """Read a document.

        :raises GaclError: 1209; malformed, too large, something unknown in it, an operation both allowed and
            denied by one entry.
        """
        try:
            # An entry has some ten elements at most; a document that has more of them is refused by its count.
            root = parse_xml(data, max_bytes=MAX_BYTES, max_elements=MAX_ENTRIES * 16, max_depth=8)
        except XmlRefused as error:
            raise GaclError(error.reason) from error
        if _local(root) != "gacl":
            raise GaclError(f"the document is a <{_local(root)[:40]}>, not a <gacl>")
        if len(root) > MAX_ENTRIES:
            raise GaclError(f"it has {len(root)} entries, and at most {MAX_ENTRIES} are taken")
        _no_text(root)
        return cls(tuple(_entry(element) for element in root))

    def permissions(self, caller: Caller) -> Permission:
        """All that ``caller`` may do.

        A credential of which nobody can tell whether the caller has it (a list that cannot be read, an unknown
        host name) allows nothing, and denies.
        """
        allowed = denied = Permission.NONE
        for entry in self.entries:
            answers = [caller.has(credential) for credential in entry.credentials]
            if all(answers):
                allowed |= entry.allow
            if False not in answers:
                denied |= entry.deny
        return allowed & ~denied

    def find(self, credential: Credential) -> Entry | None:
        """The first entry that names ``credential`` and nothing else."""
        return next((entry for entry in self.entries if entry.credentials == (credential,)), None)

    def with_entry(self, entry: Entry) -> Gacl:
        """The list with one more entry, at its end.

        :raises GaclError: when it is full.
        """
        if len(self.entries) >= MAX_ENTRIES:
            raise GaclError(f"it has {MAX_ENTRIES} entries and takes no more; remove some")
        return Gacl((*self.entries, entry))

    def without(self, credential: Credential) -> Gacl:
        """The list without the entries that name ``credential`` and nothing else."""
        return Gacl(tuple(entry for entry in self.entries if entry.credentials != (credential,)))

    def to_bytes(self) -> bytes:
        """The document, UTF-8."""
        root = etree.Element("gacl", version="0.0.1")
        for entry in self.entries:
            element = etree.SubElement(root, "entry")
            for credential in entry.credentials:
                named = etree.SubElement(element, credential.kind)
                for member in _NAMES[credential.kind]:
                    etree.SubElement(named, member).text = quote(credential.name, safe=_SAFE)
            for name, permissions in (("allow", entry.allow), ("deny", entry.deny)):
                if permissions:
                    listed = etree.SubElement(element, name)
                    for permission in permissions:
                        etree.SubElement(listed, str(permission.name).lower())
        return bytes(etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True))


def _entry(element: etree._Element) -> Entry:
    if _local(element) != "entry":
        raise GaclError(f"<{_local(element)[:40]}> is no entry (line {element.sourceline})")
    _no_text(element)
    credentials: list[Credential] = []
    allow = deny = Permission.NONE
    for child in element:
        name = _local(child)
        if name == "allow":
            allow |= _permissions(child)
        elif name == "deny":
            deny |= _permissions(child)
        else:
            credentials.append(_credential(child))
    if not credentials or len(credentials) > _MAX_CREDENTIALS:
        raise GaclError(
            f"an entry names {len(credentials)} credentials, not 1 to {_MAX_CREDENTIALS} (line {element.sourceline})"
        )
    if allow & deny:
        raise GaclError(f"operation both allowed and denied (line {element.sourceline})")
    return Entry(tuple(credentials), allow, deny)


def _permissions(element: etree._Element) -> Permission:
    found = Permission.NONE
    _no_text(element)
    for child in element:
        name = _local(child)
        _no_text(child, empty=True)
        if name not in _PERMISSIONS or name == "none":
            raise GaclError(f"<{name[:40]}> is no permission (line {child.sourceline})")
        found |= _PERMISSIONS[name]
    return found


def _credential(element: etree._Element) -> Credential:
    kind = _local(element)
    _no_text(element)
    for child in element:
        if len(child):
            raise GaclError(f"<{_local(child)[:40]}> holds an element where nothing belongs (line {child.sourceline})")
    if kind == "voms-cred":  # the older notation: <vo> and <group>
        return _older_voms(element)
    if kind not in _NAMES:
        raise GaclError(f"<{kind[:40]}> is no credential (line {element.sourceline})")
    members = {_local(child): (child.text or "").strip() for child in element}
    if len(members) != len(element) or tuple(members) != _NAMES[kind]:
        expected = "".join(f"<{name}>" for name in _NAMES[kind]) or "nothing"
        raise GaclError(f"<{kind}> must hold {expected} (line {element.sourceline})")
    if not members:
        return Credential(kind)
    name = unquote(next(iter(members.values())))
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise GaclError(f"<{kind}> holds no name (line {element.sourceline})")
    try:
        return _made(kind, name)
    except FqanError as error:
        raise GaclError(f"{error.description} (line {element.sourceline})") from error


def _no_text(element: etree._Element, *, empty: bool = False) -> None:
    """Refuse text between elements, which would be lost.

    :param empty: refuse elements too.
    """
    texts = (element.text, *(child.tail for child in element))
    if any(text and not text.isspace() for text in texts) or (empty and len(element)):
        raise GaclError(f"<{_local(element)[:40]}> holds something where nothing belongs (line {element.sourceline})")


def _older_voms(element: etree._Element) -> Credential:
    members = {_local(child): (child.text or "").strip() for child in element}
    vo, group = members.get("vo", ""), members.get("group", "")
    if set(members) - {"vo", "group"} or len(members) != len(element) or not vo:
        raise GaclError(f"<voms-cred> must hold <vo> and perhaps <group> (line {element.sourceline})")
    path = "/".join(part for part in (vo, *group.split("/")) if part)
    try:
        return Credential.voms(f"/{path}")
    except FqanError as error:
        raise GaclError(f"{error.description} (line {element.sourceline})") from error


def _made(kind: str, name: str) -> Credential:
    if kind == "person":
        return Credential.person(name)
    return Credential.voms(name) if kind == "voms" else Credential(kind, name)


def _fqan_matches(pattern: str, fqan: Fqan) -> bool:
    """Equal, or alike where the pattern has a ``*``; every other character stands for itself."""
    if "*" not in pattern:
        return pattern == str(fqan)
    return any(_alike(pattern.split("*"), text) for text in (str(fqan), fqan.full))


def _alike(parts: Sequence[str], text: str) -> bool:
    """Whether ``text`` is the first part, then anything between the others, then the last; in linear time."""
    first, *middle, last = parts
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _host_matches(pattern: str, host: str) -> bool:
    if pattern.startswith("*."):
        return host.lower().endswith(pattern[1:].lower())
    return pattern.lower() == host.lower()


def _local(element: etree._Element) -> str:
    return str(etree.QName(element).localname)
