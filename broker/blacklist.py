"""Computing elements that the operator wants left out (gLite ``IsmBlackList``)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from grid.errors import ConfigurationError


def read_blacklist(expressions: Iterable[str]) -> list[re.Pattern[str]]:
    """The operator's regular expressions; one that matches a record's key whole keeps it out.

    :raises ConfigurationError: naming the expression that cannot be read.
    """
    return [_compiled(each) for each in expressions]


def _compiled(expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression)
    except re.error as error:
        raise ConfigurationError(f"the blacklist expression {expression!r} cannot be read: {error}") from error
