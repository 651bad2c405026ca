"""The descriptions that are served conform to the WS-I Basic Profile 1.1."""

from collections.abc import Callable

import pytest
import wsi_bindings  # noqa: F401 - declares assertions
import wsi_documents  # noqa: F401 - declares assertions
from wsi_assertion import DESCRIPTION
from wsi_description import Description

from wsdl import library
from wsdl.documents import Documents

ADDRESS = "https://wms.example.org:7443/glite_wms_wmproxy_server"
MAIN = (
    "WMProxy.wsdl",
    "WMProxy-gridsite-delegation-1.0.0.wsdl",
    "WMProxy-gridsite-delegation-2.0.0.wsdl",
    "WMProxy-alone.wsdl",
    "CREAM2.wsdl",
    "LB.wsdl",
)
# The three ports of WMProxy have one address: clients know it, and it is the contract's.
ACCEPTED = {("WMProxy.wsdl", "R2711")}


def served(main: str) -> Callable[[str], bytes]:
    """Reads documents as a service gives them out."""
    documents = Documents([main.replace("-alone", "")], {"Port": ADDRESS})

    def read(name: str) -> bytes:
        status, _, body = documents.answer({"QUERY_STRING": f"wsdl={name}"}) or ("none", [], b"")
        assert status == "200 OK", name
        return body

    return read


@pytest.fixture(scope="module", params=MAIN)
def description(request: pytest.FixtureRequest) -> tuple[str, Description]:
    return request.param, Description.load(request.param, served(request.param))


@pytest.mark.parametrize("number", sorted(DESCRIPTION.by_number))
def test_the_served_description_meets(description: tuple[str, Description], number: str) -> None:
    name, subject = description
    found = DESCRIPTION.by_number[number].check(subject)
    if (name, number) in ACCEPTED:
        assert found, f"{number} is met by {name} now; take it off the list"
    else:
        assert not found


def test_every_requirement_has_something_to_judge() -> None:
    applied = set()
    for name in MAIN:
        applied |= DESCRIPTION.judge(Description.load(name, served(name)))[1]
    assert applied == set(DESCRIPTION.by_number)


def test_all_documents_are_judged() -> None:
    names = {name for main in MAIN for name in Description.load(main, served(main)).documents}
    encoded = {"data-location-interface.wsdl"}  # rpc/encoded, as catalogues speak: R2706 cannot be met
    assert names == (library.names() - encoded) | {"WMProxy-alone.wsdl"}
