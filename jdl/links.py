"""How the input sandboxes of a compound request's nodes hang together: with the request's own and with one another.

A file of another node is there only when that node has ended, so who takes one must come behind it in the DAG.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote, urlsplit

from jdl.classad import ClassAd
from jdl.dag import order
from jdl.errors import AttributeFault, WrongValue
from jdl.nodes import ListExpr, Literal
from jdl.references import Entry, NodeOutput, RootInput, entries, has_references, is_plain
from jdl.sandbox import InputFile, OutputPlan, below, has_wildcard, input_file, input_files, leaf, output_plan

__all__ = ["Links"]

_PLACEHOLDER: Final = "node:///"


class Links:
    """The request's files and its nodes, by name.

    :param root: the request's own attributes.
    :param nodes: pairs of name and description, filled with what they inherit.
    :param parents: for each node those that it waits for.
    """

    def __init__(self, root: ClassAd, nodes: Sequence[tuple[str, ClassAd]], parents: Sequence[tuple[int, ...]]) -> None:
        self._root = root
        self._nodes = nodes
        self._parents = parents
        self._index_of = {name.lower(): index for index, (name, _) in enumerate(nodes)}
        self._root_names = [file.name for file in input_files(root, _PLACEHOLDER)]
        self._before: list[int] | None = None
        self._names: dict[int, ListExpr] = {}
        self._plans: dict[tuple[int, str], OutputPlan] = {}

    def names(self, index: int) -> ListExpr | None:
        """URIs that stand for the files which the node's InputSandbox refers to; None when it refers to none.

        They have the right names and no meaning; the description with them in place can be checked.

        :raises AttributeFault: 1503, 1506, a reference to what is not there; 1505, one without a dependency.
        """
        ad = self._nodes[index][1]
        if not has_references(ad):
            return None
        sandbox = ad.get("InputSandbox")
        known = self._names.get(id(sandbox))
        if known is not None:
            return known
        names: list[str] = []
        shared = True
        for entry in entries(ad):
            if isinstance(entry, str):
                names.append(entry)
            elif isinstance(entry, RootInput):
                names.extend(self._stand_in(self._root_names[at]) for at in self._root_indices(entry, ad))
            else:
                producer, chosen = self._producer(entry, index)
                files = self._plan(producer).files
                names.extend(self._stand_in(leaf(files[at])) for at in chosen)
                shared = False
        found = ListExpr(map(Literal, names))
        if shared and is_plain(sandbox):
            self._names[id(sandbox)] = found
        return found

    @staticmethod
    def _stand_in(name: str) -> str:
        return _PLACEHOLDER + quote(name, safe="")

    def _root_indices(self, entry: RootInput, ad: ClassAd) -> range:
        count = len(self._root_names)
        if entry.index is None:
            return range(count)
        if not 0 <= entry.index < count:
            detail = f"root.InputSandbox[{entry.index}] is none of the {count} files of the request's InputSandbox"
            raise WrongValue.because(ad.spelling("InputSandbox"), detail, ad.where("InputSandbox"))
        return range(entry.index, entry.index + 1)

    # -- files of other nodes

    def _producer(self, entry: NodeOutput, index: int) -> tuple[int, range]:
        """Who leaves the files, and which of its OutputSandbox they are."""
        ad = self._nodes[index][1]
        name, where = ad.spelling("InputSandbox"), ad.where("InputSandbox")
        producer = self._index_of.get(entry.node.lower())
        if producer is None:
            raise WrongValue.because(name, f"{entry}: there is no node '{entry.node}'", where)
        if not self._comes_before(producer, index):
            text = (
                f"failed dependency with {entry.node}: {entry} is there when that node has ended; "
                f"add {{{entry.node}, {self._nodes[index][0]}}} to the dependencies"
            )
            raise AttributeFault(name, text, where, code=1505)
        plan = self._plan(producer)
        files = plan.files
        chosen = range(len(files)) if entry.index is None else range(entry.index, entry.index + 1)
        if not (0 <= chosen.start < len(files) and chosen.stop <= len(files)):
            text = f"unable to find '{entry}' in {entry.node} sandbox output files"
            raise AttributeFault(name, text, where, code=1505)
        for at in chosen:
            uri = _uri(plan, at)
            if has_wildcard(files[at]):
                raise WrongValue.because(name, f"{entry} is a pattern and not the name of a file", where)
            if uri.startswith("gsiftp:") and urlsplit(uri).hostname == "localhost":
                raise WrongValue.because(name, f"{entry} stays on the computing element ({uri})", where)
        return producer, chosen

    def _comes_before(self, first: int, second: int) -> bool:
        if first in self._parents[second]:
            return True
        if not any(self._parents):
            return False
        if self._before is None:  # bit n of a node's number: it comes behind node n
            self._before = [0] * len(self._parents)
            for index in order(self._parents):
                for parent in self._parents[index]:
                    self._before[index] |= self._before[parent] | 1 << parent
        return bool(self._before[second] >> first & 1)

    def _plan(self, producer: int, uri: str = _PLACEHOLDER) -> OutputPlan:
        """Where the output of a node goes whose sandbox directory has that URI."""
        key = (producer, uri)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = output_plan(self._nodes[producer][1], uri)
        return plan

    # -- absolute URIs

    def files(self, index: int, root_files: Sequence[InputFile], uri_of: Callable[[int], str]) -> list[InputFile]:
        """The input sandbox of a node that passed, as absolute URIs.

        :param root_files: the request's own, in order.  :param uri_of: URI of a node's sandbox directory.
        """
        ad = self._nodes[index][1]
        base = ad.string("InputSandboxBaseURI")
        found: list[InputFile] = []
        for entry in entries(ad):
            found.extend(self._resolved(entry, index, root_files, uri_of, base))
        names = ad.strings("InputSandboxDestFileName")
        if names:
            found = [InputFile(file.uri, name, file.uploaded) for file, name in zip(found, names, strict=True)]
        return found

    def _resolved(
        self, entry: Entry, index: int, root_files: Sequence[InputFile], uri_of: Callable[[int], str], base: str | None
    ) -> list[InputFile]:
        if isinstance(entry, str):
            return [input_file(entry, leaf(entry), base, uri_of(index))]
        if isinstance(entry, RootInput):
            chosen = self._root_indices(entry, self._nodes[index][1])
            return [InputFile(root_files[at].uri, root_files[at].name, False) for at in chosen]
        producer, outputs = self._producer(entry, index)
        plan = self._plan(producer, uri_of(producer))
        return [InputFile(_uri(plan, at), leaf(plan.files[at]), False) for at in outputs]


def _uri(plan: OutputPlan, at: int) -> str:
    return plan.uris[at] if plan.base_uri is None else below(plan.base_uri, leaf(plan.files[at]))


