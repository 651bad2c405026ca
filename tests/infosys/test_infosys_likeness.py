"""Our LDAP server and a real slapd with the same entries give the same answers to the same questions.

Deliberate differences, which the questions leave out:

* names are found in any case: those of GLUE 2.0 are case-exact in slapd, and nobody remembers which;
* ``~=`` means ``=``: in slapd it compares sounds;
* an integer with leading zeros is a number: slapd takes no notice of such a term;
* every class is a kind of ``top`` (RFC 4512 section 2.4.2): in the real schema GLUE2Entity is none;
* a piece of nothing but spaces must be found in a substring match: in slapd it is found everywhere;
* ``entryDN`` has the spelling of the published name;
* an impossible scope ends the connection, as any message does that is no LDAP.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ldap3.operation.search import compile_filter, parse_filter
from ldap3.utils.asn1 import encode

from infosys import ber, filters, messages, synthetic
from infosys.directory import Directory
from infosys.entry import Entry, to_ldif
from infosys.filters import And, Compare, Filter, Not, Or, Present, Substrings
from infosys.messages import Search
from infosys.server import LdapServer
from infosys.synthetic2 import entries2

ROOT = Path(os.environ.get("WMS_TEST_SLAPD_ROOT", "/"))
SLAPD = ROOT / "usr/sbin/slapd"
SCHEMA = ROOT / "etc/ldap/schema"
NEEDED = ("core", "cosine", "Glue-MDS", "Glue-CORE", "Glue-CE", "Glue-SE", "Glue-CESEBind", "GLUE20")

pytestmark = pytest.mark.skipif(
    not SLAPD.exists() or not all((SCHEMA / f"{name}.schema").exists() for name in NEEDED),
    reason="slapd and the GLUE schema (Debian: slapd, glue-schema) are not installed",
)

SUFFIXES = ("o=grid", "o=glue")
PLAIN = Present("objectClass")


@dataclass(frozen=True)
class Answer:
    """Result code, and the attributes of each entry by its name as it is compared."""

    code: int
    entries: dict[tuple[str, ...], dict[str, frozenset[bytes]]]


def ask(port: int, search: Search, control: bytes = b"") -> Answer:
    request = ber.sequence(
        ber.octets(search.base),
        ber.integer(search.scope, ber.ENUMERATED),
        ber.integer(0, ber.ENUMERATED),
        ber.integer(search.size_limit),
        ber.integer(search.time_limit),
        ber.boolean(search.types_only),
        filters.encode(search.filter),
        ber.sequence(*map(ber.octets, search.attributes)),
        tag=0x63,
    )
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client, client.makefile("rb") as stream:
        client.sendall(ber.sequence(ber.integer(1), request, control))
        entries: dict[tuple[str, ...], dict[str, frozenset[bytes]]] = {}
        while True:
            reader = ber.Reader(_message(stream)).enter()
            reader.integer()
            if reader.peek() != messages.SEARCH_ENTRY:
                return Answer(reader.enter(messages.SEARCH_DONE).integer(ber.ENUMERATED), entries)
            entry = Entry(*_entry(reader.enter(messages.SEARCH_ENTRY), found := {}))
            assert entry.key not in entries
            entries[entry.key] = found


def _message(stream: object) -> bytes:
    start = stream.read(2)  # type: ignore[attr-defined]
    while (found := ber.header(start)) is None:
        start += stream.read(1)  # type: ignore[attr-defined]
    return bytes(start) + bytes(stream.read(found[2]))  # type: ignore[attr-defined]


def _entry(reader: ber.Reader, found: dict[str, frozenset[bytes]]) -> tuple[str, dict[str, tuple[str, ...]]]:
    name = reader.text()
    attributes = reader.enter()
    while attributes.more:
        pair = attributes.enter()
        attribute, values = pair.text().lower(), pair.enter(ber.SET)
        texts = []
        while values.more:
            texts.append(values.octets())
        found[attribute] = frozenset(texts)
    return name, {}


@dataclass(frozen=True)
class Pair:
    """Both servers, and what is in them."""

    ours: int
    theirs: int
    entries: list[Entry]


def _made_up() -> tuple[list[Entry], list[Entry]]:
    return list(synthetic.entries(2)), list(entries2(2))


def _with_levels(suffix: str, entries: list[Entry]) -> list[Entry]:
    tree = Directory(entries)
    top = tree.find(suffix)
    assert top is not None
    return [node.entry for node in tree.below(top, messages.SUBTREE)]


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A slapd and a server of ours that hold two made-up sites in both trees."""
    folder = tmp_path_factory.mktemp("likeness")
    configuration = folder / "slapd.conf"
    text = "".join(f"include {SCHEMA / name}.schema\n" for name in NEEDED)
    text += f"modulepath {ROOT / 'usr/lib/ldap'}\nmoduleload back_mdb\nsizelimit unlimited\n"
    for suffix in SUFFIXES:
        (folder / suffix).mkdir()
        text += f'database mdb\nmaxsize 104857600\nsuffix "{suffix}"\ndirectory {folder / suffix}\n'
    configuration.write_text(text)
    trees = [_with_levels(suffix, entries) for suffix, entries in zip(SUFFIXES, _made_up(), strict=True)]
    for suffix, tree in zip(SUFFIXES, trees, strict=True):
        ldif = folder / "entries.ldif"
        ldif.write_text(to_ldif(tree))
        command = ["slapadd", "-f", configuration, "-b", suffix, "-l", ldif]
        subprocess.run(command, executable=SLAPD, capture_output=True, timeout=30, check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [SLAPD, "-f", configuration, "-h", f"ldap://127.0.0.1:{port}", "-d", "0"], stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        with LdapServer("127.0.0.1:0") as ours:
            ours.publish([entry for tree in trees for entry in tree])
            yield Pair(ours.port, port, [entry for tree in trees for entry in tree])
    finally:
        server.terminate()
        server.wait(10)


class Questions:
    """Random questions that some entry might answer."""

    def __init__(self, entries: list[Entry], seed: int) -> None:
        self.random = random.Random(seed)
        self.entries = entries

    def search(self, suffix: str) -> Search:
        below = [entry.dn for entry in self.entries if entry.key[-1] == suffix]
        base = self.random.choice([suffix, suffix, suffix, self.random.choice(below)])
        base = self._odd(base) if suffix == "o=grid" else base
        scope = self.random.choice((messages.SUBTREE,) * 3 + (messages.ONE_LEVEL, messages.BASE))
        return Search(base, scope, 0, 0, False, self.filter(3), ("1.1",))

    def filter(self, depth: int) -> Filter:
        kind = self.random.random()
        if depth and kind < 0.45:
            if kind < 0.12:
                return Not(self.filter(depth - 1))
            terms = tuple(self.filter(depth - 1) for _ in range(self.random.randint(0, 3)))
            return And(terms) if kind < 0.3 else Or(terms)
        attribute, value = self._pair()
        if kind < 0.55:
            return Present(attribute)
        if kind < 0.75 and len(value) > 2:
            return self._substrings(attribute, value)
        return Compare(self.random.choice(("=", "=", "=", ">=", "<=")), attribute, self._odd(value))

    def _pair(self) -> tuple[str, str]:
        entry = self.random.choice(self.entries)
        attribute = self.random.choice(list(entry.attributes))
        value = self.random.choice([each for each in entry.values(attribute) if each != "top"] or ["GlueCE"])
        odd = self.random.random()
        if odd < 0.06:
            attribute = "noSuchAttribute"
        if odd > 0.94:
            value = self.random.choice(("x", "*", "0", "-1", "\u00e4 \u00df", "a\\b", "()", "1.5"))
        return self._case(attribute), value

    def _substrings(self, attribute: str, value: str) -> Substrings:
        first, second = sorted(self.random.sample(range(len(value) + 1), 2))
        pieces = [value[:first], value[first:second], value[second:]]
        chosen = [self._case(piece) if self.random.random() < 0.7 else "" for piece in pieces]
        if not any(chosen):
            chosen[1] = value[first:second]
        return Substrings(attribute, chosen[0], (chosen[1],) if chosen[1] else (), chosen[2])

    def _odd(self, text: str) -> str:
        text = self._case(text)
        if self.random.random() < 0.1:
            text = text.replace(" ", "  ")
        return text

    def _case(self, text: str) -> str:
        return self.random.choice((text, text, text.upper(), text.lower()))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_random_searches_find_the_same_entries(pair: Pair, suffix: str, seed: int) -> None:
    questions = Questions(pair.entries, seed)
    found = 0
    for _ in range(100):
        search = questions.search(suffix)
        ours, theirs = ask(pair.ours, search), ask(pair.theirs, search)
        question = f"{filters.text(search.filter)} below {search.base}, scope {search.scope}"
        assert (ours.code, ours.entries.keys()) == (theirs.code, theirs.entries.keys()), question
        found += bool(ours.entries)
    assert found > 10


@pytest.mark.parametrize(
    "text",
    [
        *("(objectClass=GLUE2Domain)", "(objectClass=GlueCETop)", "(objectClass=noSuchClass)"),
        *("(!(objectClass=GlueCE))", "(objectClass=Glue*)", "(objectClass>=a)", "(!(noSuchAttribute=x))"),
        "(objectClass=*)",
        *("(GlueCEStateFreeJobSlots=7)", "(GlueCEStateFreeJobSlots>=1)", "(GlueCEStateFreeJobSlots<=-1)"),
        *("(!(GlueCEStateFreeJobSlots=x))", "(GlueCEStateFreeJobSlots=1*)", "(GlueCEStateFreeJobSlots>= 5)"),
        *("(GLUE2EntityName=*)", "(GLUE2ServiceType=ORG*)", "(GLUE2ServiceType=org*)"),
        *("(GlueCEName:=LONG)", "(GlueCEUniqueID:noSuchRule:=x)", "(!(GlueCEUniqueID:integerMatch:=1))"),
        *("(GlueCEInfoLRMSType:caseIgnoreIA5Match:=SLURM)", "(GlueCEInfoLRMSType:caseExactIA5Match:=SLURM)"),
        *("(GlueCEInfoLRMSType:1.3.6.1.4.1.1466.109.114.1:=slurm)", "(GLUE2ServiceType:caseIgnoreMatch:=ORG.GLITE.*)"),
        "(GLUE2ServiceType:caseIgnoreMatch:=ORG.GLITE.CE.cream)",
        *("(GLUE2ServiceType:caseExactMatch:=ORG.GLITE.CE.cream)", "(GlueCEStateFreeJobSlots:integerMatch:=0)"),
        *("(!(GlueCEInfoLRMSType:caseExactIA5Match:=slurm))", "(GlueCEInfoLRMSType:caseExactMatch:=slurm)"),
        *("(GlueCEStateFreeJobSlots:integerMatch:=x)", "(noSuchAttribute:caseExactMatch:=x)"),
        *("(GlueHostNetworkAdapterInboundIP:booleanMatch:=TRUE)", "(&(GlueCEUniqueID=*)(!(GlueForeignKey=*)))"),
        *("(GlueSiteDescription=\\41\\20*)", "(GlueCEUniqueID=*:*/*-*-*)"),
    ],
)
def test_chosen_filters_find_the_same_entries(pair: Pair, text: str) -> None:
    wanted = through_ldap3(text)
    for suffix in SUFFIXES:
        search = Search(suffix, messages.SUBTREE, 0, 0, False, wanted, ("1.1",))
        ours, theirs = ask(pair.ours, search), ask(pair.theirs, search)
        assert (ours.code, ours.entries.keys()) == (theirs.code, theirs.entries.keys()), suffix


def published(port: int, attribute: str) -> dict[str, str]:
    """The definitions of the subschema by their names."""
    search = Search("cn=Subschema", messages.BASE, 0, 0, False, PLAIN, (attribute,))
    (entry,) = ask(port, search).entries.values()
    return {text.split("'")[1]: text for text in (each.decode() for each in entry[attribute.lower()])}


def test_matching_rules_are_published_as_slapd_publishes_them(pair: Pair) -> None:
    ours, theirs = (published(port, "matchingRules") for port in (pair.ours, pair.theirs))
    assert ours.items() <= theirs.items()
    syntaxes = {text.split("SYNTAX ")[1].split(" ")[0] for text in published(pair.ours, "attributeTypes").values()}
    missing = {name for name, text in theirs.items() if text.split("SYNTAX ")[1].split(" ")[0] in syntaxes} - set(ours)
    assert missing == {"integerBitAndMatch", "integerBitOrMatch"}  # Microsoft's


def test_the_rules_apply_to_the_attributes_of_glue_as_in_slapd(pair: Pair) -> None:
    def applies(port: int) -> dict[str, set[str]]:
        found = {}
        for name, text in published(port, "matchingRuleUse").items():
            listed = text.split("APPLIES ")[1].strip("() ").split(" $ ")
            found[name] = {each for each in listed if each.lower().startswith("glue")}
        return found

    ours, theirs = applies(pair.ours), applies(pair.theirs)
    # by its second names slapd lists no attribute
    known = published(pair.ours, "attributeTypes").keys() & published(pair.theirs, "attributeTypes").keys()
    for name, attributes in ours.items():
        assert attributes & known == theirs[name] & known, name
    assert set.union(*ours.values()) >= {name for name in known if name.lower().startswith("glue")}


def through_ldap3(text: str) -> Filter:
    """A filter as a client library encodes it."""
    compiled = compile_filter(parse_filter(text, None, True, True, None, False).elements[0])
    return filters.decode(ber.Reader(encode(compiled)))


@pytest.mark.parametrize("types_only", [False, True])
@pytest.mark.parametrize(
    "selection",
    [
        *((), ("*",), ("1.1",), ("1.1", "objectClass"), ("GLUESITENAME", "gluesitename"), ("noSuchAttribute",)),
        *(("*", "GlueSiteName"), ("structuralObjectClass", "subschemaSubentry"), ("objectClass",)),
        *(("GlueSiteName;lang-de",), ("GLUE2EntityID", "GLUE2DomainID", "GLUE2EntityCreationTime"), ("",)),
    ],
)
def test_selections_bring_the_same_attributes(pair: Pair, selection: tuple[str, ...], types_only: bool) -> None:
    for suffix in SUFFIXES:
        search = Search(suffix, messages.SUBTREE, 0, 0, types_only, PLAIN, selection)
        assert ask(pair.ours, search) == ask(pair.theirs, search), suffix


@pytest.mark.parametrize(
    ("base", "scope", "limit"),
    [
        *(("o=grid", messages.SUBTREE, 1), ("o=grid", messages.SUBTREE, 1_000_000), ("o=grid", messages.ONE_LEVEL, 1)),
        *(("o=nowhere", messages.SUBTREE, 0), ("cn=no,o=grid", messages.BASE, 0), ("no name", messages.BASE, 0)),
        *(("O = Grid", messages.SUBTREE, 0), ("", messages.SUBTREE, 0), ("", messages.ONE_LEVEL, 0)),
        *(("o=grid", 3, 0), ("mds-vo-name=local,o=grid", 3, 0), ("o=glue", 3, 7)),
    ],
)
def test_scopes_bases_and_limits_are_answered_alike(pair: Pair, base: str, scope: int, limit: int) -> None:
    search = Search(base, scope, limit, 0, False, PLAIN, ("1.1",))
    ours, theirs = ask(pair.ours, search), ask(pair.theirs, search)
    assert (ours.code, len(ours.entries)) == (theirs.code, len(theirs.entries))
    if not limit:
        assert ours.entries.keys() == theirs.entries.keys()



@pytest.mark.parametrize(("critical", "size"), [(False, 1_000_000), (True, 7), (True, 1)])
def test_the_first_page_is_as_long(pair: Pair, critical: bool, size: int) -> None:
    value = ber.octets(ber.sequence(ber.integer(size), ber.octets("")))
    paged = ber.sequence(ber.octets(messages.PAGED_RESULTS), ber.boolean(critical), value)
    search = Search("o=grid", messages.SUBTREE, 0, 0, False, PLAIN, ("1.1",))
    ours, theirs = (ask(port, search, ber.tlv(0xA0, paged)) for port in (pair.ours, pair.theirs))
    assert (ours.code, len(ours.entries)) == (theirs.code, len(theirs.entries))


@pytest.mark.parametrize("critical", [False, True])
def test_an_unknown_control_is_answered_alike(pair: Pair, critical: bool) -> None:
    control = ber.tlv(0xA0, ber.sequence(ber.octets("1.2.3.4"), ber.boolean(critical)))
    search = Search("o=grid", messages.BASE, 0, 0, False, PLAIN, ("1.1",))
    assert ask(pair.ours, search, control) == ask(pair.theirs, search, control)
