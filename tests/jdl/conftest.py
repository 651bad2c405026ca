"""What several tests of the room need."""

from __future__ import annotations

from typing import Any

import pytest

from grid import xmldoor
from jdl.check import check
from jdl.classad import ClassAd
from jdl.errors import NotExpressible
from jdl.jsdl import to_jdl
from jdl.parser import parse
from wsdl.codec import Codec
from wsdl.contract import Contract

JSDL = "http://schemas.ggf.org/jsdl/2005/11/jsdl"
POSIX = "http://schemas.ggf.org/jsdl/2005/11/jsdl-posix"


class Documents:
    """JSDL documents as the service reads them; a body is the content of a JobDescription (prefixes j and p)."""

    def __init__(self) -> None:
        self._read = Codec(Contract.load("WMProxy.wsdl").schemas).reader(f"{{{JSDL}}}JobDefinition_Type")

    def decoded(self, body: str, *, qualified: bool = True) -> Any:
        """What the codec makes of it."""
        text = f'<d xmlns:j="{JSDL}" xmlns:p="{POSIX}"><j:JobDescription>{body}</j:JobDescription></d>'
        if not qualified:
            text = text.replace("<j:", "<").replace("</j:", "</").replace("<p:", "<").replace("</p:", "</")
        return self._read(xmldoor.parse(text.encode("utf-8")))

    def translated(self, body: str, *, qualified: bool = True) -> ClassAd:
        """The job description, which is accepted."""
        text = to_jdl(self.decoded(body, qualified=qualified))
        assert "\n" not in text
        ad = parse(text)
        check(ad, vo="testvo")
        return ad

    def refused(self, body: str) -> NotExpressible:
        """Why it is not translated."""
        with pytest.raises(NotExpressible) as caught:
            to_jdl(self.decoded(body))
        assert caught.value.code == 1225
        assert caught.value.description == f"JSDL {caught.value.element}: {caught.value.reason}"
        return caught.value


@pytest.fixture(scope="session")
def documents() -> Documents:
    """Reads and translates JSDL."""
    return Documents()
