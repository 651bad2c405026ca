"""A checked description as plain values: what WMProxy, the broker and the computing element read of a job."""

from __future__ import annotations

from dataclasses import dataclass

from jdl.classad import ClassAd
from jdl.nodes import Expr
from jdl.sandbox import leaf
from jdl.values import Record

__all__ = ["JobDescription", "user_tags"]


@dataclass(frozen=True)
class JobDescription:
    """A job; made by :meth:`of`.

    Strings are None when the attribute is missing, tuples are empty.  ``environment`` holds pairs of name and value,
    ``input_sandbox`` pairs of URI (before registration: entry) and name in the job's directory, ``user_tags`` pairs
    of name and value.  ``retry_count`` is the number of deep, ``shallow_retry_count`` of shallow resubmissions (-1:
    none).  ``expiry_time`` is in seconds since 1970.
    """

    ad: ClassAd
    job_id: str | None
    type: str
    job_type: str
    virtual_organisation: str | None
    executable: str | None
    arguments: str | None
    std_input: str | None
    std_output: str | None
    std_error: str | None
    prologue: str | None
    prologue_arguments: str | None
    epilogue: str | None
    epilogue_arguments: str | None
    environment: tuple[tuple[str, str], ...]
    input_sandbox: tuple[tuple[str, str], ...]
    output_sandbox: tuple[str, ...]
    output_sandbox_dest_uri: tuple[str, ...]
    output_sandbox_base_dest_uri: str | None
    requirements: Expr | None
    rank: Expr | None
    fuzzy_rank: bool
    retry_count: int
    shallow_retry_count: int
    expiry_time: int | None
    cpu_number: int
    whole_nodes: bool
    submit_to: str | None
    my_proxy_server: str | None
    lb_address: str | None
    certificate_subject: str | None
    sequence_code: str | None
    user_tags: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, ad: ClassAd) -> JobDescription:
        """Read an ad.

        :raises AttributeFault: 1503 or 1506, an attribute has another type.
        """
        entries = ad.strings("InputSandbox")
        names = ad.strings("InputSandboxDestFileName")
        if len(names) != len(entries):
            names = tuple(map(leaf, entries))
        return cls(
            ad=ad,
            job_id=ad.string("edg_jobid"),
            type=(ad.string("Type") or "job").lower(),
            job_type=(*ad.strings("JobType"), "normal")[0].lower(),
            virtual_organisation=ad.string("VirtualOrganisation"),
            executable=ad.string("Executable"),
            arguments=ad.string("Arguments"),
            std_input=ad.string("StdInput"),
            std_output=ad.string("StdOutput"),
            std_error=ad.string("StdError"),
            prologue=ad.string("Prologue"),
            prologue_arguments=ad.string("PrologueArguments"),
            epilogue=ad.string("Epilogue"),
            epilogue_arguments=ad.string("EpilogueArguments"),
            environment=tuple(_variable(item) for item in ad.strings("Environment")),
            input_sandbox=tuple(zip(entries, names, strict=True)),
            output_sandbox=ad.strings("OutputSandbox"),
            output_sandbox_dest_uri=ad.strings("OutputSandboxDestURI"),
            output_sandbox_base_dest_uri=ad.string("OutputSandboxBaseDestURI"),
            requirements=ad.get("requirements"),
            rank=ad.get("rank"),
            fuzzy_rank=ad.boolean("FuzzyRank") or False,
            retry_count=ad.integer("RetryCount") or 0,
            shallow_retry_count=ad.integer("ShallowRetryCount") or 0,
            expiry_time=ad.integer("ExpiryTime"),
            cpu_number=ad.integer("CpuNumber") or ad.integer("NodeNumber") or 1,
            whole_nodes=ad.boolean("WholeNodes") or False,
            submit_to=ad.string("SubmitTo"),
            my_proxy_server=ad.string("MyProxyServer"),
            lb_address=ad.string("LBAddress"),
            certificate_subject=ad.string("CertificateSubject"),
            sequence_code=ad.string("LB_sequence_code"),
            user_tags=user_tags(ad),
        )


def _variable(item: str) -> tuple[str, str]:
    name, _, value = item.partition("=")
    return name, value


def user_tags(ad: ClassAd) -> tuple[tuple[str, str], ...]:
    """Names and values of a description's UserTags that are texts."""
    value = ad.value("UserTags") if "UserTags" in ad else None
    if not isinstance(value, Record):
        return ()
    texts = ((name, value.ad.string(name)) for name in value.ad)
    return tuple((name, text) for name, text in texts if text is not None)
