"""Expressions asked of all computing elements at once."""

from __future__ import annotations

from collections.abc import Callable

from broker.supermarket import Snapshot
from broker.table import Truth
from grid.fqan import Fqan
from infosys.access import User
from infosys.ce_ads import CeRecord
from jdl.parser import parse, parse_expression

Records = Callable[..., tuple[CeRecord, ...]]


def test_an_expression_is_told_for_each_row_in_the_order_of_the_records(element: Records) -> None:
    snapshot = Snapshot((*element("a", free_job_slots=1), *element("b"), *element("c", free_job_slots=9)))
    ad = parse("[Wanted = 5]")
    slots = "other.GlueCEStateFreeJobSlots"

    def truth(text: str) -> list[int]:
        return snapshot.table.truth(ad, parse_expression(text)).tolist()

    assert truth(f"{slots} > Wanted") == [Truth.FALSE, Truth.FALSE, Truth.TRUE]
    assert truth(f"other.Nothing > {slots}") == [Truth.UNDEFINED] * 3
    assert truth(f'{slots} > "x"') == [Truth.ERROR] * 3
    assert truth(slots) == [Truth.OTHER] * 3
    assert snapshot.table.where(ad, parse_expression(f"{slots} > Wanted")).tolist() == [False, False, True]
    numbers, ok = snapshot.table.numbers(ad, parse_expression(f"{slots} == 0 ? undefined : {slots} * 1.5"))
    assert ok.tolist() == [True, False, True]
    assert numbers[ok].tolist() == [1.5, 13.5]


def test_the_table_knows_whom_the_rows_admit_and_which_take_jobs(element: Records) -> None:
    snapshot = Snapshot((*element("a"), *element("b", rules=("VO:other",)), *element("c", status="Draining")))
    assert snapshot.table.admitted(User("/CN=Ada", (Fqan.parse("/vo"),))).tolist() == [True, False, True]
    assert snapshot.table.takes_jobs().tolist() == [True, True, False]
