"""From the job's JDL to the JDL that the computing element gets (gLite JobAdapter and ICE, CREAM)."""

from __future__ import annotations

import posixpath
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


def adapt(
    ad: ClassAd, ce_id: str, sequence_code: str, ce_requirements: str = "", broker_info: str | None = None
) -> ClassAd:
    """Make the CE's job description.

    Requirements, Rank and the retry counts stay here: they are the broker's business.

    :param sequence_code: from which the job wrapper counts on.
    :param ce_requirements: what is left of the Requirements for the batch system (:mod:`broker.forwarding`).
    :param broker_info: URI of the file that tells the job where its data is; it joins the InputSandbox.
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
    if broker_info is not None:
        _add_input(out, broker_info)
    return out


def _add_input(out: ClassAd, uri: str) -> None:
    """Add a file to the InputSandbox; it takes the place of one of the user's with its name."""
    name = posixpath.basename(uri)
    uris = list(out.strings("InputSandbox"))
    names = list(out.strings("InputSandboxDestFileName")) or [posixpath.basename(each) for each in uris]
    kept = [(each, leaf) for each, leaf in zip(uris, names, strict=False) if leaf != name]
    out.set("InputSandbox", [*(each for each, _ in kept), uri])
    if "InputSandboxDestFileName" in out:
        out.set("InputSandboxDestFileName", [*(leaf for _, leaf in kept), name])
