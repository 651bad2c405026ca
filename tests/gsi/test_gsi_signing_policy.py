"""Signing policies of CAs."""

from __future__ import annotations

import pytest

from gsi.signing_policy import PolicyFileError, parse_namespaces, parse_signing_policy

CA = "/C=CH/O=Example/CN=Example CA"

EACL = """
# comment
access_id_CA      X509         '/C=CH/O=Other/CN=Other CA'
pos_rights        globus        CA:sign
cond_subjects     globus     '"/C=CH/O=Other/*"'

access_id_CA      X509         '/C=CH/O=Example/CN=Example CA'
pos_rights        globus        CA:sign
cond_subjects     globus     '"/C=CH/O=Example/*" "/DC=org/DC=ex?mple/*"'
"""

NAMESPACES = """
# EUGridPMA form
TO Issuer "/C=CH/O=Example/CN=Example CA" \\
  PERMIT Subject "/C=CH/O=Example/.*"
TO Issuer SELF DENY Subject "/C=CH/O=Example/OU=closed/.*"
TO Issuer "/C=CH/O=Other/CN=Other CA" PERMIT Subject ".*"
"""


@pytest.mark.parametrize(
    ("subject", "allowed"),
    [
        ("/C=CH/O=Example/CN=alice", True),
        ("/DC=org/DC=example/CN=alice", True),
        ("/DC=org/DC=exaample/CN=alice", False),
        ("/C=CH/O=Other/CN=alice", False),
        ("/C=CH/O=ExampleX/CN=alice", False),
        ("/X=1/C=CH/O=Example/CN=alice", False),
    ],
)
def test_globus_policy_permits_by_pattern_for_its_own_ca_only(subject: str, allowed: bool) -> None:
    assert parse_signing_policy(EACL, CA, "x").permits(subject) is allowed


@pytest.mark.parametrize(
    ("subject", "allowed"),
    [
        ("/C=CH/O=Example/CN=alice", True),
        ("/C=CH/O=Example/OU=closed/CN=alice", False),
        ("/C=CH/O=Other/CN=alice", False),
    ],
)
def test_namespaces_permit_and_deny_by_expression(subject: str, allowed: bool) -> None:
    assert parse_namespaces(NAMESPACES, CA, "x").permits(subject) is allowed


def test_email_is_compared_in_one_spelling() -> None:
    text = "access_id_CA X509 '/O=Grid/Email=ca@x.org'\npos_rights globus CA:sign\n"
    text += "cond_subjects globus '\"/O=Grid/Email=*\"'\n"
    policy = parse_signing_policy(text, "/O=Grid/emailAddress=ca@x.org", "x")
    assert policy.permits("/O=Grid/emailAddress=a@x.org")


def test_brackets_in_a_globus_pattern_are_plain_text() -> None:
    text = f"access_id_CA X509 '{CA}'\npos_rights globus CA:sign\ncond_subjects globus '\"/O=[ab]/*\"'\n"
    policy = parse_signing_policy(text, CA, "x")
    assert policy.permits("/O=[ab]/CN=x") and not policy.permits("/O=a/CN=x")


@pytest.mark.parametrize(
    "text", ["", "nonsense", EACL.replace("pos_rights", "neg_rights"), EACL.replace("Example CA", "Else")]
)
def test_a_policy_that_lets_the_ca_sign_nothing_is_an_error(text: str) -> None:
    with pytest.raises(PolicyFileError):
        parse_signing_policy(text, CA, "x")


@pytest.mark.parametrize("text", ["", 'TO Issuer SELF PERMIT Subject "("'])
def test_namespaces_without_a_usable_relation_are_an_error(text: str) -> None:
    with pytest.raises(PolicyFileError):
        parse_namespaces(text, CA, "x")
