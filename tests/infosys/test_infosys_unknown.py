"""Values that say nothing."""

from __future__ import annotations

import pytest

from infosys.unknown import is_unknown, known


@pytest.mark.parametrize("value", [444_444, 999_999_999, 2_146_660_842, "UNDEFINEDVALUE", "unset", " n.a. "])
def test_what_sites_publish_when_they_do_not_know_is_known_as_such(value: object) -> None:
    assert is_unknown(value)


@pytest.mark.parametrize("value", [0, 444_443, -1, True, False, 1.0, "444444x", "Production", None, ()])
def test_what_is_known_is_known(value: object) -> None:
    assert not is_unknown(value)


def test_an_unknown_number_is_none() -> None:
    assert known(444_444) is None
    assert known(0) == 0
