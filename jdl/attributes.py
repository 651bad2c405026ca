"""The attributes of a job description that the system knows (gLite WMS JDL).

Users may write other attributes as well; the system keeps them and gives them no meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["ATTRIBUTES", "PRIVATE", "Attribute", "Kind", "attribute"]


class Kind(Enum):
    """What an attribute's value may be."""

    STRING = "a string"
    STRINGS = "a string or a list of strings"
    INTEGER = "an integer"
    REAL = "a number"
    BOOLEAN = "true or false"
    EXPRESSION = "an expression"
    RECORD = "a classad"
    STRUCTURE = "a classad or a list"
    VALUES = "an integer or a list"


@dataclass(frozen=True)
class Attribute:
    """One attribute.

    ``where``: letters of the types of request that may have it: J job or node, P parametric, D DAG, C collection.
    ``mandatory``: a job without it is refused (the server fills some).  ``default``: as the system behaves without
    it.  ``private``: only the server sets it; what a user writes there is removed.  ``least``: the smallest integer
    allowed, and ``least_text`` how the refusal says so.
    """

    name: str
    kind: Kind
    where: str = "J"
    mandatory: bool = False
    default: str | int | float | bool | None = None
    private: bool = False
    least: int | None = None
    least_text: str = "value cannot be less than 0"

    @property
    def key(self) -> str:
        """The name in lower case."""
        return self.name.lower()


_S, _L, _I, _B = Kind.STRING, Kind.STRINGS, Kind.INTEGER, Kind.BOOLEAN
_POSITIVE: Final = "value must be greater than 0"
_RETRY: Final = "value must be greater than 0 (-1 to unset)"

_USER: Final = (
    Attribute("Type", _S, "JPDC", default="job"),
    Attribute("JobType", _L, "JP", default="normal"),
    Attribute("Executable", _S, mandatory=True),
    Attribute("Arguments", _S),
    Attribute("StdInput", _S),
    Attribute("StdOutput", _S),
    Attribute("StdError", _S),
    Attribute("InputSandbox", _L, "JPDC"),
    Attribute("InputSandboxBaseURI", _S, "JDC"),
    Attribute("InputSandboxDestFileName", _L),
    Attribute("OutputSandbox", _L, "JDC"),
    Attribute("OutputSandboxDestURI", _L, "JD"),
    Attribute("OutputSandboxBaseDestURI", _S, "JDC"),
    Attribute("AllowZippedISB", _B, "JPDC", default=False),
    Attribute("ZippedISB", _L, "JD"),
    Attribute("Prologue", _S),
    Attribute("PrologueArguments", _S),
    Attribute("Epilogue", _S),
    Attribute("EpilogueArguments", _S),
    Attribute("Environment", _L),
    Attribute("VirtualOrganisation", _S, "JPDC", mandatory=True),
    Attribute("requirements", Kind.EXPRESSION, "JPDC", mandatory=True),
    Attribute("rank", Kind.EXPRESSION, "JPDC", mandatory=True),
    Attribute("FuzzyRank", _B, "JD", default=False),
    Attribute("fuzzy_factor", Kind.REAL, "JD", default=1.0),
    Attribute("RetryCount", _I, "JD", default=0, least=0),
    Attribute("ShallowRetryCount", _I, "JD", default=0, least=-1, least_text=_RETRY),
    Attribute("DefaultNodeRetryCount", _I, "DC", least=0),
    Attribute("DefaultNodeShallowRetryCount", _I, "DC", least=-1, least_text=_RETRY),
    Attribute("ExpiryTime", _I, "JD", least=0),
    Attribute("MyProxyServer", _S, "JPDC"),
    Attribute("HLRLocation", _S, "JPDC"),
    Attribute("JobProvenance", _S, "JPDC"),
    Attribute("LBAddress", _S, "JPDC"),
    Attribute("UserTags", Kind.RECORD, "JPDC"),
    Attribute("ShortDeadlineJob", _B, "JD", default=False),
    Attribute("EnableWmsFeedback", _B, default=False),
    Attribute("PerusalFileEnable", _B, "JDC", default=False),
    Attribute("PerusalTimeInterval", _I, "JDC", least=0),
    Attribute("PerusalFilesDestURI", _S, "JDC"),
    Attribute("CpuNumber", _I, least=1, least_text=_POSITIVE),
    Attribute("NodeNumber", _I, least=1, least_text=_POSITIVE),
    Attribute("SMPGranularity", _I, least=1, least_text=_POSITIVE),
    Attribute("HostNumber", _I, least=1, least_text=_POSITIVE),
    Attribute("WholeNodes", _B, default=False),
    Attribute("ListenerPort", _I, least=0),
    Attribute("ListenerHost", _S),
    Attribute("ListenerPipeName", _S),
    Attribute("InputData", _L),
    Attribute("DataRequirements", Kind.STRUCTURE),
    Attribute("DataAccessProtocol", _L),
    Attribute("DataCatalog", _S),
    Attribute("StorageIndex", _S),
    Attribute("ReplicaCatalog", _S),
    Attribute("OutputData", Kind.STRUCTURE),
    Attribute("OutputSE", _S),
    Attribute("SubmitTo", _S, "JD"),
    Attribute("SignificantAttributes", _L, "JDC"),
    Attribute("NodesCollocation", _B, "DP"),
    Attribute("Nodes", Kind.STRUCTURE, "DC"),
    Attribute("Dependencies", Kind.STRUCTURE, "DC"),
    Attribute("NodeName", _S, "J"),
    Attribute("File", _S, "J"),
    Attribute("Parameters", Kind.VALUES, "P"),
    Attribute("ParameterStart", _I, "P", default=0, least=0),
    Attribute("ParameterStep", _I, "P", default=1, least=0),
    Attribute("MwVersion", _S),
    Attribute("FullListMatchResult", _B, default=False),
    Attribute("UserContact", _S),
)

_PRIVATE: Final = (
    ("edg_jobid", _S),
    ("edg_dagid", _S),
    ("LB_sequence_code", _S),
    ("CertificateSubject", _S),
    ("X509UserProxy", _S),
    ("VOMS_FQAN", _S),
    ("InputSandboxPath", _S),
    ("OutputSandboxPath", _S),
    ("WMPInputSandboxBaseURI", _S),
    ("PerusalListFileURI", _S),
    ("ce_id", _S),
    ("CEInfoHostName", _S),
    ("GlobusResourceContactString", _S),
    ("QueueName", _S),
    ("BatchSystem", _S),
    ("lrms_type", _S),
    ("CeRequirements", _S),
    ("CeApplicationDir", _S),
    ("ReallyRunningToken", _S),
    ("ReplansCount", _I),
    ("edg_previous_matches", _L),
    ("edg_previous_matches_ex", Kind.STRUCTURE),
    ("DefaultRank", Kind.EXPRESSION),
)

ATTRIBUTES: Final[dict[str, Attribute]] = {
    row.key: row for row in (*_USER, *(Attribute(name, kind, "JPDC", private=True) for name, kind in _PRIVATE))
}
"""All attributes by their names in lower case."""

PRIVATE: Final = tuple(name for name, _ in _PRIVATE)
"""Names that only the server sets."""


def attribute(name: str) -> Attribute | None:
    """The attribute of that name (in any case), None when the system gives it no meaning."""
    return ATTRIBUTES.get(name.lower())
