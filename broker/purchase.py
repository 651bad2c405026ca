"""One purchase from one information source: ask, assemble the ads, hand them on in parcels.

This runs in a process of its own (:mod:`broker.purchaser`); what it hands on is read by :mod:`broker.errand`.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, TypeAlias

from broker.parcels import PARCEL, parcels
from broker.picture import PictureReader, PictureWriter
from broker.source import InformationSource
from broker.states import STATE, STATE2, Values, mark, state_of, state_of_entries
from grid import memory
from grid.errors import InternalFailure
from infosys import names
from infosys.ad_writer import AdWriter
from infosys.ce_ads import Assembly, assemble, local_id, site_level, view_keys
from infosys.client import MAX_ENTRIES, LdapSource
from infosys.entry import Entry
from infosys.errors import NameSyntaxError, ProtocolError, SourceFailure
from infosys.filters import And, Filter, Present
from infosys.glue2_ads import GLUE2_BASE, assemble2, merge
from infosys.messages import BASE, SUBTREE
from infosys.schema import Schema, glue, glue2, learn
from infosys.stream import Answer, Question, by_class
from jdl.tree import ClassAd

log = logging.getLogger("wms.broker")

WHOLE: Final = "whole"
STATES: Final = "states"
STORED: Final = "stored"

_GLUE1: Final = by_class(
    *("GlueCE", "GlueVOView", "GlueCluster", "GlueSubCluster", "GlueCESEBind"),
    *("GlueSE", "GlueSA", "GlueSEAccessProtocol", "GlueSEControlProtocol"),
)
_GLUE2: Final = by_class("GLUE2Service", "GLUE2Entity")
_CHANGING: Final = by_class("GlueCE", "GlueVOView")
_CHANGING2: Final = And((by_class("GLUE2ComputingShare", "GLUE2ComputingEndpoint"), _GLUE2))
_COUNTED: Final = ("glueceuniqueid=", "gluevoviewlocalid=")
_COUNTED2: Final = ("glue2shareid=", "glue2endpointid=")
_LONGEST: Final = max(map(len, (*_COUNTED, *_COUNTED2)))
_NO_SUCH: Final = "noSuchObject"

Parcel: TypeAlias = tuple[str, Any]


@dataclass(frozen=True)
class Order:
    """What to buy.

    :ivar kind: :data:`WHOLE`, :data:`STATES` (of sources of one schema), or :data:`STORED`, the picture on disk.
    :ivar picture: where the answers of a whole purchase are kept; None for nowhere.
    :ivar memory: bytes that the purchaser may take.
    :ivar holders: :attr:`infosys.ce_ads.Assembly.holders` of the last whole purchase.
    :ivar schema: which schema's states are wanted, ``1.3`` or ``2.0``.
    :ivar origins: :attr:`Receipt.origins` of the last whole purchase.
    """

    source: InformationSource
    kind: str = WHOLE
    picture: Path | None = None
    memory: int = 2 << 30
    holders: Mapping[str, names.Key] = field(default_factory=dict)
    schema: str = "1.3"
    origins: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return {
            "source": asdict(self.source),
            "kind": self.kind,
            "picture": str(self.picture) if self.picture else None,
            "memory": self.memory,
            "holders": dict(self.holders),
            "schema": self.schema,
            "origins": dict(self.origins),
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Order:
        """Invert :meth:`plain`."""
        return cls(
            source=InformationSource(**plain["source"]),
            kind=str(plain["kind"]),
            picture=Path(plain["picture"]) if plain["picture"] else None,
            memory=int(plain["memory"]),
            holders={name: tuple(level) for name, level in plain["holders"].items()},
            schema=str(plain["schema"]),
            origins={key: (share, endpoint) for key, (share, endpoint) in plain["origins"].items()},
        )


@dataclass(frozen=True)
class Receipt:
    """What a purchase was like.

    :ivar schema: which schema the records came in: ``1.3``, ``2.0`` or ``both``.
    :ivar census: a digest of the names of all elements and views that were met; another one means that some came or
        went.
    :ivar origins: by key of a record of GLUE 2.0 the marks of its share and its endpoint (:func:`broker.states.mark`).
    :ivar taken_at: seconds since 1970 when the source was asked.
    :ivar read_seconds: from the question to the end of the answer.  :ivar made_seconds: for the ads.
    :ivar peak_memory: bytes that the purchaser had in use at most.
    """

    schema: str = ""
    census: str = ""
    problems: tuple[str, ...] = ()
    holders: Mapping[str, names.Key] = field(default_factory=dict)
    origins: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    taken_at: float = 0.0
    entries: int = 0
    bytes: int = 0
    read_seconds: float = 0.0
    made_seconds: float = 0.0
    peak_memory: int = 0

    def plain(self) -> dict[str, Any]:
        """As a parcel carries it."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


class _Desk:
    """Asks the source, keeps its answers for the picture, counts."""

    def __init__(self, order: Order, writer: PictureWriter | None) -> None:
        source = order.source
        self.order = order
        self.ldap = LdapSource(source.url, source.base or None, source.timeout)
        self._writer = writer
        self.taken_at = time.time()
        self.entries = 0
        self.bytes = 0
        self._counted: list[str] = []
        self._counted2: list[str] = []

    def ask(self, name: str, wanted: Filter, attributes: tuple[str, ...] = ("*",), **where: Any) -> Iterator[Entry]:
        """The answer to one question; a base that does not exist has no entries."""
        if self._writer is not None:
            self._writer.begin(name)
        try:
            for entry in self._answer(name, wanted, attributes, **where):
                self.entries += 1
                self._count(entry)
                yield entry
        except SourceFailure as error:
            if not error.reason.startswith(_NO_SUCH):
                raise

    def _answer(self, name: str, wanted: Filter, attributes: tuple[str, ...], **where: Any) -> Iterator[Entry]:
        return self.ldap.stream(wanted, attributes, keep=self._keep, **where)

    def _keep(self, data: bytes) -> None:
        self.bytes += len(data)
        if self._writer is not None:
            self._writer.keep(data)

    def _count(self, entry: Entry) -> None:
        start = entry.dn[:_LONGEST].lower()
        if start.startswith(_COUNTED):
            self._counted.append(entry.dn)
        elif start.startswith(_COUNTED2) and (
            entry.is_a("GLUE2ComputingShare") or entry.is_a("GLUE2ComputingEndpoint")
        ):
            self._counted2.append(entry.dn)

    def census(self, schema: str) -> str:
        """A digest of what was met of a schema."""
        met = self._counted2 if schema == "2.0" else self._counted
        return hashlib.sha256("\n".join(sorted(met)).encode("utf-8", "replace")).hexdigest()


class _Archive(_Desk):
    """Reads what was kept."""

    def __init__(self, order: Order, reader: PictureReader) -> None:
        super().__init__(order, None)
        self._reader = reader
        self.taken_at = reader.taken_at

    def _answer(self, name: str, wanted: Filter, attributes: tuple[str, ...], **where: Any) -> Iterator[Entry]:
        if not self._reader.begin(name):
            return
        ldap = self.ldap
        question = Question(ldap.url, ldap.host, ldap.port, "", wanted, attributes, 600.0, ldap.max_bytes, MAX_ENTRIES)
        try:
            yield from Answer(question, self._reader, time.monotonic() + question.timeout, self._keep).entries()
        except (ProtocolError, TimeoutError) as error:
            raise SourceFailure(ldap.url, f"its stored picture is damaged: {error}") from error


def buy(order: Order) -> Iterator[Parcel]:
    """Do what the order says.

    :returns: parcels: ``("head", number of records)``, ``("storage", records)``, ``("records", records)``,
        ``("states", {key: values})``, last ``("receipt", …)``.
    :raises GridError: when the source cannot be read, or the picture.
    """
    if order.kind == STATES:
        yield from _states2(order) if order.schema == "2.0" else _states(order)
    elif order.kind == STORED:
        if order.picture is None:
            raise InternalFailure("a stored picture without a file was ordered")
        reader = PictureReader(order.picture)
        try:
            yield from _whole(order, _Archive(order, reader), None)
        finally:
            reader.close()
    elif order.picture is not None:
        with PictureWriter(order.picture) as writer:
            yield from _whole(order, _Desk(order, writer), writer)
    else:
        yield from _whole(order, _Desk(order, None), None)


def _whole(order: Order, desk: _Desk, writer: PictureWriter | None) -> Iterator[Parcel]:
    wanted = order.source.schema
    began = time.monotonic()
    schema = _schema(desk)
    first = list(desk.ask("glue1", _GLUE1)) if wanted != "2.0" else []
    second: list[Entry] = []
    if wanted in ("2.0", "both") or not any(entry.is_a("GlueCE") for entry in first):
        second = list(desk.ask("glue2", _GLUE2, base=GLUE2_BASE))
    read = time.monotonic() - began
    assembly = _assembled(first, second, schema, order.holders)
    del first, second
    problems = list(assembly.problems)
    if writer is not None and assembly.records:
        writer.commit()
        if writer.too_large:
            problems.append(f"The picture of {order.source.url} is too large to be kept on disk")
    yield "head", len(assembly.records)
    for storage in parcels(assembly.storage):
        yield "storage", tuple(storage)
    for records in parcels(assembly.records):
        yield "records", tuple(records)
    if wanted == "both" or not assembly.records:
        schema_met = "both" if assembly.records else ""
    else:
        schema_met = "2.0" if assembly.origins else "1.3"
    made = time.monotonic() - began - read
    receipt = Receipt(
        schema=schema_met,
        census=desk.census(schema_met),
        problems=tuple(problems),
        holders=assembly.holders,
        origins={key: (mark(share), mark(endpoint)) for key, (share, endpoint) in assembly.origins.items()}
        if schema_met == "2.0"
        else {},
        taken_at=desk.taken_at,
        entries=desk.entries,
        bytes=desk.bytes,
        read_seconds=read,
        made_seconds=made,
        peak_memory=memory.peak(),
    )
    yield "receipt", receipt.plain()


def _assembled(
    first: list[Entry], second: list[Entry], schema: Schema, holders: Mapping[str, names.Key]
) -> Assembly:
    one = assemble(first, schema, holders)
    if not second:
        return one
    two = assemble2(second, schema)
    known = {names.fold(each.se_id) for each in one.storage}
    return Assembly(
        merge(one.records, two.records),
        (*one.storage, *(each for each in two.storage if names.fold(each.se_id) not in known)),
        (*one.problems, *two.problems),
        one.holders,
        two.origins,
    )


def _schema(desk: _Desk) -> Schema:
    """What the source says of its attributes; without that the schemas of GLUE 1.3 and 2.0 count."""
    try:
        found = list(desk.ask("schema", Present("objectClass"), ("attributeTypes",), base="cn=Subschema", scope=BASE))
    except SourceFailure as error:
        log.info("%s; its attributes are read as GLUE has them", error.description)
        return glue()
    definitions = [text for entry in found for text in entry.values("attributeTypes")]
    return learn(definitions) if definitions else glue()


def _states(order: Order) -> Iterator[Parcel]:
    desk = _Desk(order, None)
    began = time.monotonic()
    writer = AdWriter(glue(), glue())
    elements: dict[names.Key, tuple[str, ClassAd]] = {}
    views: dict[names.Key, list[Entry]] = {}
    found: list[tuple[str, Values]] = []
    for entry in desk.ask("states", _CHANGING, STATE, scope=SUBTREE):
        key = _key(entry)
        if key[:1] and key[0].startswith("glueceuniqueid="):
            if order.holders.get(key[0].partition("=")[2]) == site_level(key):
                ce_id, ad = names.parse(entry.dn)[0][0][1], writer.ad(entry)
                elements[key] = ce_id, ad
                found.append((ce_id, state_of(ad)))
        elif len(key) > 1:
            views.setdefault(key[1:], []).append(entry)
    read = time.monotonic() - began
    for key, (ce_id, ad) in elements.items():
        keys = view_keys(ce_id, map(local_id, views.get(key, ())))
        for entry in views.get(key, ()):
            own = ad.copy()
            writer.fill(own, entry)
            found.append((keys[local_id(entry)], state_of(own)))
    yield from _handed_over(found, desk, writer, began, read)


def _states2(order: Order) -> Iterator[Parcel]:
    """What shares and endpoints are like now; of two with one name the first counts, as in a whole purchase."""
    desk = _Desk(order, None)
    began = time.monotonic()
    writer = AdWriter(glue2(), glue2())
    wanted = {each for pair in order.origins.values() for each in pair}
    ads: dict[str, ClassAd] = {}
    # object classes: the answer is counted by them, as that of a whole purchase
    for entry in desk.ask("states", _CHANGING2, ("objectClass", *STATE2), base=GLUE2_BASE):
        origin = mark(_key(entry))
        if origin in wanted and origin not in ads:
            ads[origin] = writer.ad(entry)
    read = time.monotonic() - began
    found = [
        (key, state_of_entries(ads[share], ads[endpoint]))
        for key, (share, endpoint) in order.origins.items()
        if share in ads and endpoint in ads
    ]
    yield from _handed_over(found, desk, writer, began, read)


def _handed_over(
    found: list[tuple[str, Values]], desk: _Desk, writer: AdWriter, began: float, read: float
) -> Iterator[Parcel]:
    """The states in parcels, and the receipt."""
    schema = desk.order.schema
    yield "head", len(found)
    for start in range(0, len(found), PARCEL * 10):
        yield "states", dict(found[start : start + PARCEL * 10])
    receipt = Receipt(
        schema=schema,
        census=desk.census(schema),
        problems=tuple(writer.problems),
        taken_at=desk.taken_at,
        entries=desk.entries,
        bytes=desk.bytes,
        read_seconds=read,
        made_seconds=time.monotonic() - began - read,
        peak_memory=memory.peak(),
    )
    yield "receipt", receipt.plain()


def _key(entry: Entry) -> names.Key:
    try:
        return entry.key
    except NameSyntaxError:
        return ()  # the whole purchase has told it
