"""An operation that never asked the authorization point fails."""

from __future__ import annotations

import threading

import pytest

from grid.errors import AuthorizationDenied
from web.errors import OtherAuthorization, UnaskedAuthorization
from web.guard import Rule, asked, guarded


def test_an_operation_that_never_asked_fails() -> None:
    with pytest.raises(UnaskedAuthorization, match="jobPurge"), guarded("jobPurge"):
        pass


def test_an_operation_that_asked_passes() -> None:
    with guarded("jobStart"):
        asked("start", "owner")


def test_a_refusal_passes_through_untouched() -> None:
    with pytest.raises(AuthorizationDenied), guarded("jobStart"):
        raise AuthorizationDenied("no")


def test_asking_in_one_operation_does_not_count_for_another() -> None:
    with pytest.raises(UnaskedAuthorization, match="outer"), guarded("outer"):
        with guarded("inner"):
            asked("inner", "owner")
    asked("nowhere", "nobody")


def test_threads_do_not_answer_for_each_other() -> None:
    with pytest.raises(UnaskedAuthorization), guarded("here"):
        thread = threading.Thread(target=asked, args=("there", "owner"))
        thread.start()
        thread.join()


@pytest.mark.parametrize(
    ("declared", "asked_for"),
    [
        ({Rule.KNOWN}, {Rule.KNOWN}),
        ({Rule.MEMBER}, {Rule.KNOWN, Rule.MEMBER}),
        ({Rule.MEMBER, Rule.OWNER}, {Rule.KNOWN, Rule.MEMBER, Rule.OWNER}),
    ],
)
def test_an_operation_that_asked_for_the_declared_rules_passes(declared: set[Rule], asked_for: set[Rule]) -> None:
    with guarded("jobStart", frozenset(declared)):
        for rule in asked_for:
            asked("jobStart", "granted", rule)


@pytest.mark.parametrize(
    ("declared", "asked_for"),
    [
        ({Rule.OWNER}, {Rule.KNOWN}),
        ({Rule.MEMBER, Rule.OWNER}, {Rule.KNOWN, Rule.OWNER}),
        ({Rule.KNOWN}, {Rule.KNOWN, Rule.MEMBER}),
        ({Rule.KNOWN}, {Rule.ANYONE}),
        ({Rule.KNOWN}, {None}),
    ],
)
def test_an_operation_that_asked_for_other_rules_fails(declared: set[Rule], asked_for: set[Rule | None]) -> None:
    with pytest.raises(OtherAuthorization, match="jobPurge"), guarded("jobPurge", frozenset(declared)):
        for rule in asked_for:
            asked("jobPurge", "granted", rule)
