"""Which attributes of an entry a search wants to see (RFC 4511 §4.5.1.8)."""

from __future__ import annotations

from collections.abc import Sequence

from infosys import ber
from infosys.filters import base_name
from infosys.node import MADE, Layout, Node


class Selection:
    """The attributes that one search selects: worked out once for all entries that have the same attributes.

    An empty list and ``*`` mean the user attributes, ``+`` the operational ones, ``1.1`` none.

    :param types_only: names without values are wanted.
    """

    def __init__(self, attributes: Sequence[str], types_only: bool = False) -> None:
        wanted = {each.strip().lower() for each in attributes}
        self._all = not wanted or "*" in wanted
        self._bare = types_only
        self._every_operational = "+" in wanted
        self._wanted = wanted - {"*", "+", "1.1"}
        self._wants_made = not self._wanted.isdisjoint(MADE)
        self._plans: dict[Layout, tuple[int, ...]] = {}

    def of(self, node: Node) -> bytes:
        """The selected attributes, encoded one after the other."""
        if self._all and not self._bare:
            parts = [node.whole]
        else:
            plan = self._plans.get(node.layout)
            if plan is None:
                plan = self._plans[node.layout] = self._plan(node.layout)
            parts = [node.part(place) for place in plan]
        if self._every_operational or self._wants_made or node.operational:
            parts += [
                part for name, part in node.made().items() if self._every_operational or name in self._wanted
            ]
        if self._bare:
            parts = [_type_only(part) for part in parts]
        return b"".join(parts)

    def _plan(self, layout: Layout) -> tuple[int, ...]:
        return tuple(
            place
            for name, place in layout.places.items()
            if self._all or name in self._wanted or base_name(name) in self._wanted
        )


def _type_only(encoded: bytes) -> bytes:
    name = ber.Reader(encoded).enter().octets()
    return ber.sequence(ber.octets(name), ber.tlv(ber.SET, b""))
