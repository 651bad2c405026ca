"""Names in slash form."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from gsi import dn

_plain = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x24F, exclude_characters="/=\x7f"),
    min_size=1,
    max_size=30,
)


def name(*pairs: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs])


def test_slash_uses_openssls_short_names() -> None:
    made = name(
        (NameOID.DOMAIN_COMPONENT, "org"),
        (NameOID.USER_ID, "u1"),
        (NameOID.EMAIL_ADDRESS, "a@b.c"),
        (NameOID.COMMON_NAME, "A B"),
    )
    assert dn.slash(made) == "/DC=org/UID=u1/emailAddress=a@b.c/CN=A B"


def test_slash_shows_an_unknown_type_by_its_number() -> None:
    assert dn.slash(name((x509.ObjectIdentifier("1.2.3.4"), "x"))) == "/1.2.3.4=x"


def test_slash_joins_a_multi_valued_rdn_with_plus() -> None:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, "a"), x509.NameAttribute(NameOID.USER_ID, "b")]
    shown = dn.slash(x509.Name([x509.RelativeDistinguishedName(attributes)]))
    assert shown in ("/CN=a+UID=b", "/UID=b+CN=a")


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(["O", "OU", "CN", "DC"]), _plain), min_size=1, max_size=5))
def test_parse_inverts_slash(parts: list[tuple[str, str]]) -> None:
    text = "".join(f"/{kind}={value}" for kind, value in parts)
    assert dn.slash(dn.parse(text)) == text


def test_parse_keeps_a_slash_inside_a_value() -> None:
    parsed = dn.parse("/O=Grid/CN=host/node.example.org")
    assert [a.value for a in parsed] == ["Grid", "host/node.example.org"]


@pytest.mark.parametrize("text", ["", "alice", "/", "/Nothing=x", "/CN=", "CN=alice,O=Grid"])
def test_parse_refuses_other_texts(text: str) -> None:
    with pytest.raises(ValueError):
        dn.parse(text)


@pytest.mark.parametrize("value", ["host/node.example.org", "Robot: a=b", "a/b c", "Ünal"])
def test_ordinary_names_are_not_ambiguous(value: str) -> None:
    assert dn.ambiguity(name((NameOID.ORGANIZATION_NAME, "Grid"), (NameOID.COMMON_NAME, value))) is None


@pytest.mark.parametrize(
    "value", ["x/CN=victim", "/O=Grid", "a\nb", "a\x00b", "x/1.2.3=y", "proxy", "limited proxy"]
)
def test_names_that_could_be_taken_for_another_are_ambiguous(value: str) -> None:
    assert dn.ambiguity(name((NameOID.ORGANIZATION_NAME, "Grid"), (NameOID.COMMON_NAME, value)))


def test_a_multi_valued_or_empty_name_is_ambiguous() -> None:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, "a"), x509.NameAttribute(NameOID.USER_ID, "b")]
    assert dn.ambiguity(x509.Name([x509.RelativeDistinguishedName(attributes)]))
    assert dn.ambiguity(x509.Name([]))
