"""Distinguished names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infosys import names
from infosys.errors import NameSyntaxError

VALUES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40)


@settings(max_examples=100, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=5))
def test_any_value_survives_a_name(values: list[str]) -> None:
    text = names.join(*(names.rdn("cn", value) for value in values))
    assert names.parse(text) == tuple((("cn", value),) for value in values)
    assert names.parse(names.render(names.parse(text))) == names.parse(text)


def test_names_are_compared_without_case_and_spaces_between_components() -> None:
    assert names.key("GlueCEUniqueID=H:8443/cream-fork-x , Mds-Vo-name=Resource,O=Grid") == names.key(
        "glueceuniqueid=h:8443/cream-fork-x,mds-vo-name=resource,o=grid"
    )
    assert names.key("cn=a  b") == names.key("CN=A b")
    assert names.key("cn=a\\,b,o=grid") == ("cn=a,b", "o=grid")
    assert names.key("cn=a+ou=b") == names.key("OU=B+CN=A")
    assert names.key("") == ()


def test_the_escapes_of_rfc_4514_are_undone() -> None:
    assert names.parse(r"cn=Lu\C4\8Di\C4\87,o=a\\b\ ") == ((("cn", "Lučić"),), (("o", "a\\b "),))


@pytest.mark.parametrize("text", ["grid", "=x", "a b=c", "cn=", "cn=\\zz", "cn=\\ff", "a=b,", "a=" + "x" * 5000])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(NameSyntaxError):
        names.parse(text)


@given(st.text(alphabet='ab9=,+; \\"#.-\n\0é', max_size=30))
def test_the_short_way_through_plain_names_gives_what_the_long_one_gives(text: str) -> None:
    def told(parse: Callable[[str], object]) -> object:
        try:
            return parse(text)
        except NameSyntaxError:
            return "refused"

    names.parse.cache_clear()
    assert told(names.parse) == (told(names._parse) if text.strip() else ())
