"""What the WMS itself demands of a computing element, beside its access rules (gLite ``WmsRequirements``)."""

from __future__ import annotations

from typing import Final

from grid.errors import ConfigurationError, JdlError
from jdl.parser import parse_expression
from jdl.tree import Expr

_CPUS: Final = "(isUndefined(CpuNumber) ? NodeNumber : CpuNumber)"

TERMS: Final = (
    # short-deadline queues for such jobs only
    '(ShortDeadlineJob =?= true ? RegExp(".*sdj$", other.GlueCEUniqueID) : !RegExp(".*sdj$", other.GlueCEUniqueID))',
    # a queue that is not full; 444444 jobs are nobody knows how many, and no limit is none
    "((other.GlueCEPolicyMaxTotalJobs == 0 || other.GlueCEStateTotalJobs == 444444"
    " || other.GlueCEStateTotalJobs < other.GlueCEPolicyMaxTotalJobs) =!= false)",
    # as many slots as one job gets there
    f"(({_CPUS} <= other.GlueCEPolicyMaxSlotsPerJob || other.GlueCEPolicyMaxSlotsPerJob == 0) =!= false)",
    # so many hosts as a whole
    "((WholeNodes =?= true ? HostNumber * other.GlueHostArchitectureSMPSize <= other.GlueCEInfoTotalCPUs"
    " : true) =!= false)",
    # CREAM when the user wants the computing element's feedback
    '(EnableWmsFeedback =?= true ? RegExp("cream", other.GlueCEImplementationName, "i") : true)',
    # the wanted storage element close by
    "(isUndefined(OutputSE) || member(OutputSE, other.GlueCESEBindGroupSEUniqueID))",
)
"""The terms of the default, in the order in which they are looked at."""

WMS_REQUIREMENTS: Final = parse_expression(" && ".join(TERMS))
"""What holds when the operator configures nothing else."""


def read_wms_requirements(text: str) -> Expr:
    """The operator's expression; an empty one means :data:`WMS_REQUIREMENTS`, ``true`` that nothing is demanded.

    :raises ConfigurationError: with line, column and excerpt of what cannot be read.
    """
    if not text.strip():
        return WMS_REQUIREMENTS
    try:
        return parse_expression(text)
    except JdlError as error:
        raise ConfigurationError(f"the expression cannot be read: {error.description}") from error
