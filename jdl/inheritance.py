"""What the nodes of a compound request take over from it (gLite WMS)."""

from __future__ import annotations

from typing import Final

from jdl.classad import ClassAd
from jdl.nodes import Expr, Literal
from jdl.references import root_input

__all__ = ["Inheritance"]

_PLAIN: Final = (
    "rank",
    "requirements",
    "FuzzyRank",
    "fuzzy_factor",
    "OutputSandboxBaseDestURI",
    "PerusalFileEnable",
    "PerusalTimeInterval",
    "PerusalFilesDestURI",
    "SubmitTo",
    "InputSandboxBaseURI",
    "ShortDeadlineJob",
    "ExpiryTime",
    "SignificantAttributes",
)
"""A node that does not say otherwise takes these over."""

_FORCED: Final = ("HLRLocation", "MyProxyServer", "JobProvenance")
"""These are the request's alone, whatever a node says."""

_RETRIES: Final = (("RetryCount", "DefaultNodeRetryCount"), ("ShallowRetryCount", "DefaultNodeShallowRetryCount"))


class Inheritance:
    """Fills nodes with what they lack.

    :param root: the request's own attributes, VirtualOrganisation among them unless a client has none yet.
    :param shared: what is set for all nodes beside them (a DAG's ``nodes.RetryCount``).
    """

    def __init__(self, root: ClassAd, shared: ClassAd) -> None:
        self._given = [(name, expr) for name in _PLAIN if (expr := root.get(name)) is not None]
        significant = shared.get("SignificantAttributes")
        if significant is not None:
            self._given = [pair for pair in self._given if pair[0] != "SignificantAttributes"]
            self._given.append(("SignificantAttributes", significant))
        self._forced = [(name, root.get(name)) for name in _FORCED]
        self._vo = root.get("VirtualOrganisation")
        for name, default in _RETRIES:
            value = shared.get(name) or root.get(default) or root.get(name)
            if value is not None:
                self._given.append((name, value))
        self._input = root_input() if root.get("InputSandbox") is not None else None
        self._input_names = root.get("InputSandboxDestFileName")
        self._output = root.get("OutputSandbox")
        self._output_uris = root.get("OutputSandboxDestURI")

    def fill(self, node: ClassAd, name: str) -> None:
        """Give the node what it inherits, and its NodeName."""
        self._fill_input(node)
        self._fill_output(node)
        for attribute, expr in self._given:
            if attribute not in node:
                node.set(attribute, expr)
        for attribute, forced in self._forced:
            if forced is not None:
                node.set(attribute, forced)
            elif attribute in node:
                node.remove(attribute)
        if self._vo is not None:
            node.set("VirtualOrganisation", self._vo)
        node.set("NodeName", Literal(name))

    def _fill_input(self, node: ClassAd) -> None:
        if self._input is None or "InputSandbox" in node:
            return
        node.set("InputSandbox", self._input)
        if self._input_names is not None:
            _fill(node, "InputSandboxDestFileName", self._input_names)

    def _fill_output(self, node: ClassAd) -> None:
        """Destinations belong to their list: a node with other files does not take them over."""
        own = "OutputSandbox" in node
        if self._output is not None and not own:
            node.set("OutputSandbox", self._output)
        elsewhere = (own and self._output is not None) or "OutputSandboxBaseDestURI" in node
        if self._output_uris is not None and not elsewhere:
            _fill(node, "OutputSandboxDestURI", self._output_uris)


def _fill(ad: ClassAd, name: str, value: Expr) -> None:
    if name not in ad:
        ad.set(name, value)
