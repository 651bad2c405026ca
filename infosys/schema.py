"""What is known of attributes and object classes, and its LDAP form (RFC 4512 §4.1).

A reader of a directory learns from it which attributes are lists and which are numbers; our own server publishes it
under ``cn=Subschema``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from infosys import glue1_schema, glue2_schema

IA5_STRING: Final = "1.3.6.1.4.1.1466.115.121.1.26"
DIRECTORY_STRING: Final = "1.3.6.1.4.1.1466.115.121.1.15"
INTEGER: Final = "1.3.6.1.4.1.1466.115.121.1.27"
BOOLEAN: Final = "1.3.6.1.4.1.1466.115.121.1.7"
OID: Final = "1.3.6.1.4.1.1466.115.121.1.38"
DN: Final = "1.3.6.1.4.1.1466.115.121.1.12"
TIME: Final = "1.3.6.1.4.1.1466.115.121.1.24"
DESCRIPTION: Final = "1.3.6.1.4.1.1466.115.121.1.3"

_EQUALITY: Final = {
    IA5_STRING: "EQUALITY caseIgnoreIA5Match SUBSTR caseIgnoreIA5SubstringsMatch",
    DIRECTORY_STRING: "EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch",
    INTEGER: "EQUALITY integerMatch ORDERING integerOrderingMatch",
    BOOLEAN: "EQUALITY booleanMatch",
    OID: "EQUALITY objectIdentifierMatch",
    DN: "EQUALITY distinguishedNameMatch",
    TIME: "EQUALITY generalizedTimeMatch ORDERING generalizedTimeOrderingMatch",
    DESCRIPTION: "EQUALITY objectIdentifierFirstComponentMatch",
}
SYNTAXES: Final = {
    IA5_STRING: "IA5 String",
    DIRECTORY_STRING: "Directory String",
    INTEGER: "Integer",
    BOOLEAN: "Boolean",
    OID: "OID",
    DN: "DN",
    TIME: "Generalized Time",
    DESCRIPTION: "Attribute Type Description",
}
_NAMES: Final = re.compile(r"\bNAME\s+(?:'([^']*)'|\(([^)]*)\))")
_QUOTED: Final = re.compile(r"'[^']*'")
_EXACT: Final = "EQUALITY caseExactMatch SUBSTR caseExactSubstringsMatch"
_WORD_AFTER: Final = r"\b{}\s+'?([A-Za-z0-9.-]+)"

_STANDARD: Final = (
    ("objectClass", "2.5.4.0", OID, False),
    ("o", "2.5.4.10", DIRECTORY_STRING, False),
    ("cn", "2.5.4.3", DIRECTORY_STRING, False),
    ("description", "2.5.4.13", DIRECTORY_STRING, False),
    ("Mds-Vo-name", "1.3.6.1.4.1.3536.2.6.1.4.0.1", IA5_STRING, True),
    ("entryDN", "1.3.6.1.1.20", DN, True),
    ("structuralObjectClass", "2.5.21.9", OID, True),
    ("createTimestamp", "2.5.18.1", TIME, True),
    ("modifyTimestamp", "2.5.18.2", TIME, True),
    ("subschemaSubentry", "2.5.18.10", DN, True),
    ("namingContexts", "1.3.6.1.4.1.1466.101.120.5", DN, False),
    ("supportedControl", "1.3.6.1.4.1.1466.101.120.13", OID, False),
    ("supportedExtension", "1.3.6.1.4.1.1466.101.120.7", OID, False),
    ("supportedLDAPVersion", "1.3.6.1.4.1.1466.101.120.15", INTEGER, False),
    ("vendorName", "1.3.6.1.1.4", DIRECTORY_STRING, True),
    ("attributeTypes", "2.5.21.5", DESCRIPTION, False),
    ("objectClasses", "2.5.21.6", DESCRIPTION, False),
    ("ldapSyntaxes", "1.3.6.1.4.1.1466.101.120.16", DESCRIPTION, False),
    ("matchingRules", "2.5.21.4", DESCRIPTION, False),
    ("matchingRuleUse", "2.5.21.8", DESCRIPTION, False),
    ("dITStructureRules", "2.5.21.1", DESCRIPTION, False),
    ("dITContentRules", "2.5.21.2", DESCRIPTION, False),
    ("nameForms", "2.5.21.7", DESCRIPTION, False),
)
"""Names that entries, the root DSE and the subschema use; readers that learn the schema ask for nothing else."""


@dataclass(frozen=True, slots=True)
class AttributeType:
    """One attribute type."""

    name: str
    oid: str
    syntax: str
    single: bool
    exact: bool = False
    """Whether case counts when values are compared, as GLUE 2.0 has it."""

    @property
    def integer(self) -> bool:
        """Whether values are integers."""
        return self.syntax == INTEGER

    def definition(self) -> str:
        """``( oid NAME 'name' EQUALITY … SYNTAX … [SINGLE-VALUE] )``."""
        single = " SINGLE-VALUE" if self.single else ""
        matching = _EXACT if self.exact else _EQUALITY[self.syntax]
        return f"( {self.oid} NAME '{self.name}' {matching} SYNTAX {self.syntax}{single} )"


@dataclass(frozen=True, slots=True)
class ObjectClass:
    """One object class."""

    name: str
    oid: str
    superior: str
    kind: str
    must: tuple[str, ...]
    may: tuple[str, ...]

    def definition(self) -> str:
        """``( oid NAME 'name' SUP superior KIND [MUST ( … )] [MAY ( … )] )``."""
        must = f" MUST ( {' $ '.join(self.must)} )" if self.must else ""
        may = f" MAY ( {' $ '.join(self.may)} )" if self.may else ""
        superior = f" SUP {self.superior}" if self.superior else ""
        return f"( {self.oid} NAME '{self.name}'{superior} {self.kind}{must}{may} )"


_MAX_KEPT: Final = 1_000
"""Lists of object classes whose superiors are kept."""


class Schema:
    """Attribute types and object classes by name, in any spelling."""

    def __init__(self, attributes: Iterable[AttributeType], classes: Iterable[ObjectClass] = ()) -> None:
        self.attributes: Mapping[str, AttributeType] = {each.name.lower(): each for each in attributes}
        self.classes: Mapping[str, ObjectClass] = {each.name.lower(): each for each in classes}
        self._superiors: dict[tuple[str, ...], tuple[str, ...]] = {}

    def superiors(self, classes: tuple[str, ...]) -> tuple[str, ...]:
        """The classes that an entry belongs to besides those it names (lower case): what they are kinds of."""
        found = self._superiors.get(classes)
        if found is None:
            known = list(classes)
            for name in known:  # grows while it is read
                superior = self.classes[name].superior.lower() if name in self.classes else ""
                if superior and superior not in known:
                    known.append(superior)
            found = tuple(known[len(classes) :])
            if len(self._superiors) < _MAX_KEPT:
                self._superiors[classes] = found
        return found

    def attribute(self, name: str) -> AttributeType | None:
        """The type of that name, or None."""
        return self.attributes.get(name.lower())

    def lineage(self, object_class: str) -> tuple[str, ...]:
        """The class and its superiors up to ``top``, in the schema's spelling."""
        found: list[str] = []
        while object_class and len(found) < 20:
            known = self.classes.get(object_class.lower())
            found.append(known.name if known else object_class)
            object_class = known.superior if known else ""
        return tuple(found)

    def mandatory(self, object_class: str) -> tuple[str, ...]:
        """The attributes that an entry of the class must have, those of its superiors included."""
        return tuple(
            name
            for each in self.lineage(object_class)
            if (known := self.classes.get(each.lower()))
            for name in known.must
        )


def learn(definitions: Iterable[str]) -> Schema:
    """Read the ``attributeTypes`` values of a server's subschema; what cannot be read is left out.

    A type with EQUALITY integerMatch is a number, whatever its syntax says, as gLite WMS decided.
    """
    attributes: list[AttributeType] = []
    for text in definitions:
        found = _NAMES.search(text)
        if not found:
            continue
        spelled = [found[1]] if found[1] is not None else [each[1:-1] for each in _QUOTED.findall(found[2])]
        bare = _QUOTED.sub("''", text[: found.start()]) + _QUOTED.sub("''", text[found.end() :])
        equality = re.search(_WORD_AFTER.format("EQUALITY"), bare)
        syntax = re.search(_WORD_AFTER.format("SYNTAX"), text[found.end() :])
        oid = text.strip("( \t").partition(" ")[0]
        kind = syntax[1] if syntax and syntax[1] in SYNTAXES else DIRECTORY_STRING
        if equality and equality[1].lower() == "integermatch":
            kind = INTEGER
        single = re.search(r"\bSINGLE-VALUE\b", bare) is not None
        exact = equality is not None and equality[1].lower() == "caseexactmatch"
        attributes.extend(AttributeType(name, oid, kind, single, exact) for name in spelled if name)
    return Schema(attributes)


@functools.cache
def glue1() -> Schema:
    """GLUE 1.3 and the few standard names that its entries use."""
    tables = (
        (glue1_schema.STRINGS, IA5_STRING, True),
        (glue1_schema.LISTS, IA5_STRING, False),
        (glue1_schema.INTEGERS, INTEGER, True),
        (glue1_schema.BOOLEANS, BOOLEAN, True),
    )
    attributes = [AttributeType(*each) for each in _STANDARD]
    attributes.extend(
        AttributeType(name, oid, syntax, single)
        for table, syntax, single in tables
        for name, oid in _pairs(table, glue1_schema.ROOT_OID)
    )
    return Schema(attributes, [*_LEVELS, *_classes(glue1_schema.CLASSES, glue1_schema.ROOT_OID)])


@functools.cache
def glue2() -> Schema:
    """GLUE 2.0 and the few standard names that its entries use."""
    tables = ((glue2_schema.STRINGS, True), (glue2_schema.LISTS, False))
    attributes = [AttributeType(*each) for each in _STANDARD]
    attributes.extend(
        AttributeType(name, oid, DIRECTORY_STRING, single, exact=True)
        for table, single in tables
        for name, oid in _pairs(table, glue2_schema.ROOT_OID)
    )
    attributes.extend(
        AttributeType(name, oid, INTEGER, True) for name, oid in _pairs(glue2_schema.INTEGERS, glue2_schema.ROOT_OID)
    )
    return Schema(attributes, [*_LEVELS, *_classes(glue2_schema.CLASSES, glue2_schema.ROOT_OID)])


@functools.cache
def glue() -> Schema:
    """GLUE 1.3 and GLUE 2.0 together, with a BDII's figures of its work: what a server of all trees publishes."""
    parts = (glue1(), glue2(), _statistics())
    return Schema(
        {name: each for part in parts for name, each in part.attributes.items()}.values(),
        {name: each for part in parts for name, each in part.classes.items()}.values(),
    )


def _statistics() -> Schema:
    """The classes of ``o=infosys`` (BDII.schema, and RFC 4519 §3.3)."""
    root = "1.3.6.1.4.1.8006.100.3"
    numbers = tuple(_pairs(_UPDATE_STATS, root))
    attributes = [AttributeType("Hostname", f"{root}.1", IA5_STRING, True)]
    attributes += [AttributeType(name, oid, INTEGER, True) for name, oid in numbers]
    must = ("Hostname", *(name for name, _ in numbers))
    return Schema(
        attributes,
        [
            ObjectClass("UpdateStats", "1.2.6.1.4.1.8006.100.3", "top", "STRUCTURAL", must, ()),
            ObjectClass("applicationProcess", "2.5.6.11", "top", "STRUCTURAL", ("cn",), ("description",)),
        ],
    )


_UPDATE_STATS: Final = (
    "TotalEntries=2 UpdateTime=3 DBUpdateTime=4 NewEntries=5 QueryTime=6 ProvidersTime=7 PluginsTime=8 FailedAdds=9"
    " ModifiedEntries=10 DeletedEntries=11 FailedDeletes=12 FailedModifies=13 ReadTime=14"
)
_LEVELS: Final = (
    ObjectClass("top", "2.5.6.0", "", "ABSTRACT", ("objectClass",), ()),
    ObjectClass("organization", "2.5.6.4", "top", "STRUCTURAL", ("o",), ()),
    ObjectClass("Mds", "1.3.6.1.4.1.3536.2.6.1.4", "top", "STRUCTURAL", ("Mds-Vo-name",), ()),
)


def _pairs(table: str, root: str) -> Iterator[tuple[str, str]]:
    """The names of a table with their whole OIDs."""
    for pair in table.split():
        name, _, oid = pair.partition("=")
        yield name, f"{root}.{oid}"


def _classes(table: str, root: str) -> Iterator[ObjectClass]:
    """The object classes of a table; a line that begins with spaces goes on with the class before."""
    for line in table.replace("\n  ", " ").strip().splitlines():
        head, _, rest = line.partition(" MUST")
        must, _, may = rest.partition(" MAY")
        named, superior, kind = head.split()
        name, _, suffix = named.partition("=")
        oid = root if suffix == "-" else f"{root}.{suffix}"
        yield ObjectClass(name, oid, superior, kind, tuple(must.split()), tuple(may.split()))
