"""The builtin functions that take values.

Functions that look at their arguments' expressions are in :mod:`jdl.special`.  Unless said otherwise an ERROR among
the arguments makes ERROR and else an UNDEFINED one UNDEFINED; a wrong number or type of arguments makes ERROR.
"""

from __future__ import annotations

from typing import Any, Final

from jdl.fqan_member import fqan_member
from jdl.function import Function
from jdl.functions_list import LISTS
from jdl.functions_number import NUMBERS
from jdl.functions_text import TEXTS
from jdl.functions_time import TIMES
from jdl.scope import Run
from jdl.values import ERROR, UNDEFINED, Value

__all__ = ["FUNCTIONS", "Function"]


def _success_fraction(run: Run, element: Any, bookkeeping: Any = "") -> Value:
    """Which part of the jobs that lately came to a computing element ended well there; 1.0 when nobody knows.

    A second argument named a bookkeeping server; who evaluates has one source.
    """
    if type(element) is not str or type(bookkeeping) is not str:
        return ERROR
    return 1.0 if run.success is None else float(run.success(element))


def _fqan_member(run: Run, fqan: Any, rules: Any) -> Value:
    """False, never undefined, when there is nothing that could match."""
    if fqan is UNDEFINED or rules is UNDEFINED:
        return ERROR if fqan is ERROR or rules is ERROR else False
    if type(fqan) is not str or type(rules) is not tuple:
        return ERROR
    return any(type(rule) is str and fqan_member(fqan, rule) for rule in rules)


FUNCTIONS: Final[dict[str, Function]] = {
    **TEXTS,
    **LISTS,
    **NUMBERS,
    **TIMES,
    "successfraction": Function(_success_fraction, 1, 2, pure=False),
    "fqanmember": Function(_fqan_member, 2, 2, strict=False),
}
"""The functions by their names in lower case."""
