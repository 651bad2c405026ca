"""Whose matter a refusal of a computing element is, by the faults that it sends."""

from __future__ import annotations

import pytest

from broker.ce_client import _about_job, _translated
from broker.errors import CeRefused, CeUnreachable
from grid.errors import GridError, InvalidArgument
from wsdl.client import RemoteFault


@pytest.mark.parametrize(
    ("result", "about_job"),
    [
        ({"GenericFault": {"ErrorCode": "1225", "Description": "the job description cannot be used"}}, True),
        ({"GenericFault": {"ErrorCode": "1503"}, "JobUnknownFault": None}, True),
        ({"DelegationProxyFault": {"ErrorCode": "1215"}}, True),
        ({"GenericFault": {"ErrorCode": "1228", "Description": "the queue is full"}}, False),
        ({"GenericFault": {"ErrorCode": "0"}}, False),  # other elements give no code
        ({"GenericFault": {"ErrorCode": None}}, False),
        ({"GenericFault": {"ErrorCode": "9" * 5000}}, False),
        ({"jobId": {"id": "1207"}}, False),
        ({}, False),
    ],
)
def test_a_fault_for_one_job_tells_by_its_code(result, about_job) -> None:
    assert _about_job(result) is about_job


@pytest.mark.parametrize(
    ("error", "about_job"),
    [
        (RemoteFault("AuthorizationFault", "not you"), True),
        (RemoteFault("GenericFault", "your VO is not admitted", code=1207), True),
        (RemoteFault("GenericFault", "something broke", code=1202), False),
        (RemoteFault("Fault", "something broke"), False),
        (InvalidArgument("this cannot be written as a call"), True),
    ],
)
def test_a_fault_of_a_whole_call_tells_by_its_kind_or_code(error, about_job) -> None:
    with pytest.raises(CeRefused) as refused, _translated("https://ce"):
        raise error
    assert refused.value.about_job is about_job


def test_silence_is_nobodys_matter_but_the_elements() -> None:
    with pytest.raises(CeUnreachable), _translated("https://ce"):
        raise OSError("no route")
    with pytest.raises(CeUnreachable), _translated("https://ce"):
        raise GridError("it hung up")
