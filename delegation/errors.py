"""What can go wrong with a delegation.

::

    DelegationError              1215 (grid.errors)
    ├── BadDelegationId          the id cannot be one
    ├── UnknownDelegation        nothing was delegated under this id by this owner
    └── DelegationRefused        the chain that was put is not acceptable
"""

from __future__ import annotations

from collections.abc import Sequence

from grid.errors import DelegationError


class BadDelegationId(DelegationError):
    """A text that cannot be a delegation id."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"invalid delegation id: {reason}")


class UnknownDelegation(DelegationError):
    """Nothing was delegated under this id by this owner; whether somebody else did is not told."""

    def __init__(self, delegation_id: str) -> None:
        self.delegation_id = delegation_id
        super().__init__(
            f"Unable to get delegated Proxy: you have delegated none under the id {delegation_id!r}; delegate one first"
        )


class DelegationRefused(DelegationError):
    """The chain that was put cannot be accepted."""

    def __init__(self, delegation_id: str, reason: str, *, causes: Sequence[str] = ()) -> None:
        self.delegation_id = delegation_id
        self.reason = reason
        super().__init__(f"the proxy for the delegation id {delegation_id!r} is refused: {reason}", causes=causes)
