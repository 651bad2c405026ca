"""Which names a CA may sign: ``.signing_policy`` (Globus EACL) and ``.namespaces`` (EUGridPMA) files.

``.namespaces`` takes precedence where both exist.  Names are compared with ``emailAddress`` spelled one way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from grid.dn import normalise

_ACCESS: Final = re.compile(r"""access_id_CA\s+X509\s+(?:'([^']*)'|"([^"]*)"|(\S+))""", re.IGNORECASE)
_RIGHTS: Final = re.compile(r"(pos|neg)_rights\s+globus\s+CA:sign", re.IGNORECASE)
_CONDITION: Final = re.compile(r"""cond_subjects\s+globus\s+(?:'([^']*)'|("[^"]*")|(\S+))""", re.IGNORECASE)
_RELATION: Final = re.compile(
    r"""TO\s+Issuer\s+(?:"(?P<issuer>[^"]*)"|(?P<self>SELF))\s+(?P<verb>PERMIT|DENY)\s+Subject\s+"(?P<subject>[^"]*)"""
    '"',
    re.IGNORECASE,
)


class PolicyFileError(ValueError):
    """A policy file that says nothing this module can read."""


@dataclass(frozen=True, slots=True)
class SigningPolicy:
    """The names that one CA may give.

    :ivar source: the file it was read from, for error texts.
    """

    source: str
    permitted: tuple[re.Pattern[str], ...]
    denied: tuple[re.Pattern[str], ...] = ()

    def permits(self, subject: str) -> bool:
        """Whether the CA may sign a certificate for the slash DN ``subject``."""
        name = _one_spelling(subject)
        return any(p.fullmatch(name) for p in self.permitted) and not any(
            p.fullmatch(name) for p in self.denied
        )


def parse_signing_policy(text: str, ca: str, source: str) -> SigningPolicy:
    """Read the entries of ``ca`` (slash DN) in a Globus ``.signing_policy`` file.

    :raises PolicyFileError: when the file has no entry for this CA that lets it sign.
    """
    permitted: list[re.Pattern[str]] = []
    current = signing = False
    for line in _lines(text):
        if access := _ACCESS.match(line):
            current = _one_spelling(_chosen(access)) == _one_spelling(ca)
            signing = False
        elif rights := _RIGHTS.match(line):
            signing = rights[1].lower() == "pos"
        elif current and signing and (condition := _CONDITION.match(line)):
            chosen = _chosen(condition)
            permitted += [_glob(p) for p in re.findall(r'"([^"]+)"', chosen) or chosen.split()]
    if not permitted:
        raise PolicyFileError(f"{source} has no entry that lets {ca} sign anything")
    return SigningPolicy(source, tuple(permitted))


def parse_namespaces(text: str, ca: str, source: str) -> SigningPolicy:
    """Read the relations of ``ca`` (slash DN) in an EUGridPMA ``.namespaces`` file; subjects are expressions.

    :raises PolicyFileError: when no relation permits this CA anything, or an expression is none.
    """
    permitted: list[re.Pattern[str]] = []
    denied: list[re.Pattern[str]] = []
    for found in _RELATION.finditer(" ".join(_lines(text.replace("\\\n", " ")))):
        if not found["self"] and _one_spelling(found["issuer"]) != _one_spelling(ca):
            continue
        try:
            pattern = re.compile(_one_spelling(found["subject"]))
        except re.error as error:
            raise PolicyFileError(
                f"{source}: {found['subject']!r} is not a regular expression: {error}"
            ) from error
        (permitted if found["verb"].upper() == "PERMIT" else denied).append(pattern)
    if not permitted:
        raise PolicyFileError(f"{source} has no relation that permits {ca} anything")
    return SigningPolicy(source, tuple(permitted), tuple(denied))


def _lines(text: str) -> list[str]:
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def _chosen(found: re.Match[str]) -> str:
    return next(group for group in found.groups() if group is not None)


def _glob(pattern: str) -> re.Pattern[str]:
    """``*`` is any text, ``?`` any character, nothing else is special (Globus)."""
    escaped = re.escape(_one_spelling(pattern)).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.DOTALL)


def _one_spelling(dn: str) -> str:
    return normalise(dn)
