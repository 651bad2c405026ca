"""Job descriptions as a target: read, checked, expanded, evaluated, printed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from fuzz_engine import Failure
from fuzz_mutation import mutate_bytes, mutate_words

import jdl
from grid.errors import GridError, JdlError
from jdl.attributes import ATTRIBUTES
from jdl.check import check
from jdl.complete import ServerAttributes, complete, complete_for_start
from jdl.compound import Compound, as_dag, expand, resolve
from jdl.functions import FUNCTIONS
from jdl.parser import SUBMITTED, parse
from wsdl.operation import JDL

MAX_NODES = 100
SERVER = ServerAttributes("testvo", "https://l:9000/x", "https://w/x", "/i", "/o", "/CN=u", "/p")
FILES = sorted(Path(jdl.__file__).parent.glob("*.py"))
DESCRIPTIONS = [
    '[ Executable = "/bin/ls"; StdOutput = "o"; OutputSandbox = { "o" }; Requirements = true; Rank = 1; ]',
    '[ Type = "Collection"; Nodes = { [ Executable = "a"; ], [ File = "b.jdl"; ] }; a = b.c[1] + f(2.5e3, "x\\n"); ]',
    "[ a = other.GlueCEStateFreeCPUs >= 2 && !RegExp(\"^x\", other.b) ? 1 : undefined; b = { 1, 0x10, 017, 1.5 }; ]",
    '[ Type = "Collection"; InputSandbox = { "a" }; Requirements = true; Rank = 0; Nodes = { [ Executable = "/bin/a"; '
    'InputSandbox = { root.InputSandbox[0] }; ], [ NodeName = "n"; Executable = "/bin/b"; ] }; ]',
    '[ Type = "dag"; Nodes = [ a = [ Description = [ Executable = "/bin/x"; OutputSandbox = { "o" }; ]; ]; b = [ '
    'Description = [ Executable = "/bin/y"; InputSandbox = { root.nodes.a.description.OutputSandbox[0] }; ]; ]; ]; '
    "Dependencies = { { a, b } }; Requirements = true; Rank = 0; ]",
    '[ JobType = "Parametric"; Executable = "/bin/x_PARAM_"; Parameters = 3; ParameterStart = 1; ParameterStep = 1; '
    'Arguments = "_PARAM_"; InputSandbox = { "f_PARAM_" }; Requirements = true; Rank = _PARAM_; ]',
    '[ JobType = "Parametric"; Executable = "/bin/x"; Parameters = { "a", "b" }; Arguments = "_PARAM_"; Rank = 0; '
    "Requirements = true; ]",
    '[ Executable = "/bin/a"; JobType = "mpich"; CpuNumber = 2; Environment = { "A=1" }; UserTags = [ a = "b" ]; '
    'DataRequirements = { [ InputData = { "lfn:a" }; DataCatalogType = "DLI"; DataCatalog = "http://h:1/"; ] }; '
    'DataAccessProtocol = { "gsiftp" }; PerusalFileEnable = true; ExpiryTime = 1900000000; Requirements = '
    'Member("x", other.GlueHostApplicationSoftwareRunTimeEnvironment); Rank = -other.GlueCEStateFreeCPUs; ]',
    '[ a = strcat("a", string(int(2.5)), toUpper("x")); b = Member("x", { "x", a }) && RegExp("a.*", a, "i"); '
    "c = size({ 1, 2 }) + real(\"1.5\") * floor(2.5) % 2; d = isUndefined(other.x) || isError(1 / 0); e = [ x = c ].x; "
    "f = sum({ 1, 2.5 }) << 1; g = substr(a, 1) =?= undefined; h = self.e ? time() : b; ]",
]
WORDS = [
    *(name.encode() for name in ATTRIBUTES), *(name.encode() for name in FUNCTIONS),
    b"[", b"]", b"{", b"}", b"(", b")", b"=", b";", b",", b"?", b":", b"&&", b"||", b"==", b"=?=", b"isnt", b"!", b"-",
    b"_PARAM_", b"root", b"self", b"parent", b"other", b"nodes", b"description", b"undefined", b"error", b"true",
    b"{ { a, b }, c }", b"nodes.a.description.OutputSandbox[0]", b"root.InputSandbox",
    b'"dag"', b'"collection"', b'"parametric"', b'"gsiftp://h/x"', b'"../x"', b'"*"', b'"\\x41"', b"/*", b"//", b"#",
]  # fmt: skip
CALLS = [
    f"{name}({arguments})".encode()
    for name in FUNCTIONS
    for arguments in ("", "a", '"a b"', '"a", "B"', "1.5", "{ 1, 2.5 }", '"<", { 1, 2 }, 1', '"a", { "a", a }', "[ ]")
]
SETTINGS = [
    f"; {name} = {value} ;".encode()
    for name in ATTRIBUTES
    for value in ("1", "true", '"a"', '{ "a", "b" }', '"gsiftp://h/x"', '"_PARAM_"', "[ a = 1 ]", "a")
]


class Descriptions:
    """The target."""

    name = "jdl"
    share = 3

    def seeds(self, dice: random.Random) -> Sequence[bytes]:
        """Descriptions of every kind."""
        return [text.encode() for text in DESCRIPTIONS]

    def mutate(self, data: bytes, other: bytes, dice: random.Random) -> bytes:
        """By words mostly."""
        if dice.random() < 0.7:
            return mutate_words(data, other, dice, dice.choice((WORDS, CALLS, SETTINGS)))
        return mutate_bytes(data, other, dice, WORDS)

    def run(self, data: bytes) -> bool:
        """A description is read, or refused with a declared error; what was read prints and reads again.

        Returns whether it was accepted.
        """
        text = data.decode("utf-8", "replace")
        try:
            ad = parse(text, limits=SUBMITTED)
        except JdlError as error:
            refused(error)
            return False
        if parse(ad.text()).text() != ad.text() or parse(ad.pretty()).text() != ad.text():
            raise Failure(f"what was printed reads differently: {text[:1000]!r}")
        for name in list(ad)[:50]:
            ad.value(name)
        try:
            compound = expand(ad, vo="testvo", max_nodes=MAX_NODES)
            if compound is None:
                complete(check(ad, vo="testvo").ad, SERVER)
        except GridError as error:
            refused(error)
            return False
        if compound is not None:
            expanded(compound)
        return True


def refused(error: GridError) -> None:
    """What holds of a refusal.

    :raises Failure: when its code is not one that operations with descriptions declare.
    """
    if error.code not in JDL:
        raise Failure(f"a description is refused with the error code {error.code}: {error}") from error


def expanded(compound: Compound) -> None:
    """What holds of a compound request that was taken.

    :raises Failure: when it does not.
    """
    uris = [f"https://h/{index}" for index in range(len(compound.nodes))]
    for node in resolve(compound, "https://h/root", uris):
        if any("://" not in uri for uri in node.ad.strings("InputSandbox")):
            raise Failure(f"an input file of {node.name} has no absolute URI: {node.ad.text()[:1000]}")
        final = complete_for_start(complete(node.ad, SERVER))
        if parse(final.text()) != final:
            raise Failure(f"what was printed of {node.name} reads differently: {final.text()[:1000]}")
    complete(compound.ad, SERVER)
    printed = as_dag(compound.ad, compound.nodes).text()
    try:
        again = expand(parse(printed), vo="testvo", max_nodes=MAX_NODES)
    except GridError as error:
        raise Failure(f"the DAG of an accepted request is refused: {error}: {printed[:1000]}") from error
    if again is None or places(again) != places(compound):
        raise Failure(f"the DAG of an accepted request has other nodes: {printed[:1000]}")


def places(compound: Compound) -> list[tuple[str, tuple[int, ...]]]:
    """Names and dependencies of the nodes."""
    return [(node.name, node.parents) for node in compound.nodes]
