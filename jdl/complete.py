"""What the server writes into a description: at registration, and again at the start (gLite WMS)."""

from __future__ import annotations

from dataclasses import dataclass

from jdl.attributes import PRIVATE
from jdl.classad import ClassAd
from jdl.cpus import cpu_requirements
from jdl.jobtype import INTERACTIVE, NORMAL
from jdl.nodes import Expr, Operation, Reference
from jdl.sandbox import input_files, output_plan
from jdl.tree import conjunction

__all__ = [
    "DEFAULT_RANK",
    "ServerAttributes",
    "added_requirements",
    "complete",
    "complete_for_match",
    "complete_for_start",
]

DEFAULT_RANK = Operation(("-",), (Reference("GlueCEStateEstimatedResponseTime", "other"),))
"""The rank of whom nothing better is known: the shortest estimated response time."""

OUTBOUND = Reference("GlueHostNetworkAdapterOutboundIP", "other")
"""What an interactive job wants of a computing element: its worker nodes reach the user's listener."""


@dataclass(frozen=True)
class ServerAttributes:
    """What the server knows about a job and its owner.

    :ivar virtual_organisation: of the owner's proxy.
    :ivar job_id: the job identifier.
    :ivar sandbox_uri: URI of the job's directory (WMPInputSandboxBaseURI); ``input`` and ``output`` are below it.
    :ivar input_path: absolute path of the ``input`` directory.
    :ivar output_path: absolute path of the ``output`` directory.
    :ivar subject: the owner's DN from the TLS chain.
    :ivar proxy_path: absolute path of the delegated proxy.
    :ivar fqan: the first FQAN of the delegated proxy; empty when it has none.
    :ivar sequence_code: L&B sequence code after RegJob.
    """

    virtual_organisation: str
    job_id: str
    sandbox_uri: str
    input_path: str
    output_path: str
    subject: str
    proxy_path: str
    fqan: str = ""
    sequence_code: str = ""


def complete(ad: ClassAd, server: ServerAttributes) -> ClassAd:
    """The registered description: a copy of a checked ad with the server's attributes.

    The ad is that of a job, of a node with its files resolved, or of a compound request itself, which gets what is not
    a job's alone.

    Call it once; what it adds to the requirements would be added again.  Values that a user gave to attributes that
    only the server sets are replaced.  UserTags are taken out: they are events, to be
    logged before.  VirtualOrganisation stays as the user spelt it when it is there: the check has seen that it is
    the proxy's.
    """
    own = ad.copy()
    for name in PRIVATE:
        own.remove(name)
    own.remove("UserTags")
    for name in ("MyProxyServer", "JobProvenance"):
        if own.string(name) == "":
            own.remove(name)
    if not own.string("VirtualOrganisation"):
        own.set("VirtualOrganisation", server.virtual_organisation)
    _set_missing(own, "Type", "job")
    if own.string("Type") == "job":
        _complete_job(own)
    own.set("edg_jobid", server.job_id)
    own.set("WMPInputSandboxBaseURI", server.sandbox_uri)
    own.set("InputSandboxPath", server.input_path)
    own.set("OutputSandboxPath", server.output_path)
    own.set("CertificateSubject", server.subject)
    own.set("X509UserProxy", server.proxy_path)
    if server.fqan:
        own.set("VOMS_FQAN", server.fqan)
    if server.sequence_code:
        own.set("LB_sequence_code", server.sequence_code)
    _complete_input(own, server.sandbox_uri)
    return own


def _complete_job(own: ClassAd) -> None:
    _set_missing(own, "JobType", NORMAL)
    _complete_environment(own)
    if own.string("JobType") == INTERACTIVE:
        _complete_console(own)
    _require(own, *(term for _, term in added_requirements(own)))
    own.set("DefaultRank", DEFAULT_RANK)


def added_requirements(ad: ClassAd) -> list[tuple[str, Expr]]:
    """The terms that registration adds to the Requirements of a checked ad, each with the attribute it comes from."""
    terms = cpu_requirements(ad)
    if ad.string("JobType") == INTERACTIVE:
        terms.append(("JobType", OUTBOUND))
    return terms


def complete_for_match(ad: ClassAd) -> ClassAd:
    """The description as it is matched without being registered: a copy of a checked ad that requires what
    :func:`complete` makes a job require.  Call it once.
    """
    own = ad.copy()
    _require(own, *(term for _, term in added_requirements(own)))
    return own


def complete_for_start(
    ad: ClassAd,
    *,
    wms_requirements: Expr | None = None,
    sequence_code: str = "",
) -> ClassAd:
    """The description as it goes to the broker: a copy of a registered ad that says where its files come from and go.

    :param wms_requirements: what the server wants of a computing element on top of what the user does.
    """
    own = ad.copy()
    sandbox_uri = own.string("WMPInputSandboxBaseURI") or ""
    _complete_input(own, sandbox_uri)
    plan = output_plan(own, sandbox_uri)
    if plan.files:
        own.set("OutputSandbox", plan.files)
    if plan.base_uri is not None:
        own.remove("OutputSandboxDestURI")
        own.set("OutputSandboxBaseDestURI", plan.base_uri)
    elif plan.uris:
        own.set("OutputSandboxDestURI", plan.uris)
    _require(own, wms_requirements)
    if sequence_code:
        own.set("LB_sequence_code", sequence_code)
    return own


def _require(ad: ClassAd, *terms: Expr | None) -> None:
    requirements = conjunction(ad.get("requirements"), *terms)
    if requirements is not None:
        ad.set("requirements", requirements)


def _set_missing(ad: ClassAd, name: str, value: str) -> None:
    if name not in ad:
        ad.set(name, value)


def _complete_environment(ad: ClassAd) -> None:
    variables = ad.strings("Environment")
    location = ad.string("HLRLocation")
    if location is not None and not any(item.startswith("HLR_LOCATION=") for item in variables):
        variables += (f"HLR_LOCATION={location}",)
    if variables:
        ad.set("Environment", variables)


def _complete_console(ad: ClassAd) -> None:
    """Tell the job where its user listens; what a user says in these variables' stead counts for nothing."""
    pipe = ad.string("ListenerPipeName") or ""
    console = {
        "BYPASS_SHADOW_HOST": ad.string("ListenerHost") or "",
        "BYPASS_SHADOW_PORT": str(ad.integer("ListenerPort") or 0),
        "GRID_CONSOLE_STDIN": f"{pipe}.in",
        "GRID_CONSOLE_STDOUT": f"{pipe}.out",
    }
    kept = [item for item in ad.strings("Environment") if item.partition("=")[0] not in console]
    ad.set("Environment", [*kept, *(f"{name}={value}" for name, value in console.items())])


def _complete_input(ad: ClassAd, sandbox_uri: str) -> None:
    files = input_files(ad, sandbox_uri)
    if files:
        ad.set("InputSandbox", [file.uri for file in files])
        ad.set("InputSandboxDestFileName", [file.name for file in files])
