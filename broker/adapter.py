"""From the job's JDL to the JDL that the computing element gets (gLite JobAdapter and ICE, CREAM)."""

from __future__ import annotations

import re

from broker.errors import CeRefused
from jdl.tree import ClassAd

_FORWARDED = (
    "Executable",
    "Arguments",
    "StdInput",
    "StdOutput",
    "StdError",
    "Environment",
    "InputSandbox",
    "InputSandboxDestFileName",
    "OutputSandbox",
    "OutputSandboxDestURI",
    "OutputSandboxBaseDestURI",
    "Prologue",
    "PrologueArguments",
    "Epilogue",
    "EpilogueArguments",
    "CpuNumber",
    "NodeNumber",
    "WholeNodes",
    "SMPGranularity",
    "HostNumber",
    "VirtualOrganisation",
    "CertificateSubject",
    "MyProxyServer",
    "PerusalFileEnable",
    "PerusalTimeInterval",
    "PerusalListFileURI",
    "PerusalFilesDestURI",
    "edg_jobid",
)
_CE_ID = re.compile(r"(?P<host>[^:/]+):(?P<port>\d+)/(?P<service>[^-]+)-(?P<lrms>[^-]+)-(?P<queue>.+)")


def adapt(ad: ClassAd, ce_id: str, sequence_code: str, ce_requirements: str = "") -> ClassAd:
    """Make the CE's job description.

    Requirements, Rank and the retry counts stay here: they are the broker's business.

    :param sequence_code: from which the job wrapper counts on.
    :param ce_requirements: what is left of the Requirements for the batch system (:mod:`broker.forwarding`).
    :raises CeRefused: when the CE's identifier names no batch system and queue.
    """
    found = _CE_ID.fullmatch(ce_id)
    if not found:
        raise CeRefused(ce_id, "its identifier is not of the form host:port/service-lrms-queue")
    out = ClassAd()
    for name in _FORWARDED:
        value = ad.get(name)
        if value is not None:
            out.set(name, value)
    out.set("BatchSystem", found["lrms"])
    out.set("QueueName", found["queue"])
    if ce_requirements:
        out.set("CeRequirements", ce_requirements)
    out.set("LB_sequence_code", sequence_code)
    return out
