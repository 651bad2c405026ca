"""An operation that never asked the authorization point fails."""

from __future__ import annotations

import threading

import pytest

from grid.errors import AuthorizationDenied
from web.errors import UnaskedAuthorization
from web.guard import asked, guarded


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
