"""``glite-wms-job-submit``: register a job, send its input files, start it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clients import delegation, endpoint, options, outputfile, result
from clients.command import run, text_of
from clients.errors import ClientError, UsageError
from clients.messages import bar, title_bar
from clients.options import CommandLine, Syntax, excludes, switch, valued
from clients.session import Session
from grid.errors import GridError
from grid.jobid import JobId

if TYPE_CHECKING:
    from clients.jobdescription import Description
    from clients.sandbox import LocalFile
    from clients.zippedsandbox import Archive

COMMAND: Final = "glite-wms-job-submit"
SHORT_PROXY: Final = 20
"""Minutes; a proxy that ends sooner is worth a warning."""

_OPTION_ERROR: Final = "Input Option Error"

_OPERATIONS: Final = {  # document, at once
    ("jdl", True): "jobSubmit",
    ("jdl", False): "jobRegister",
    ("jsdl", True): "jobSubmitJSDL",
    ("jsdl", False): "jobRegisterJSDL",
}
_SOURCES: Final = ("collection", "dag", "jsdl")
_NOT_IN_JSDL: Final = ("resource", "nodes-resource", "input", "lrms", "valid", "to", "default-jdl")

SYNTAX: Final = Syntax(
    COMMAND,
    "Submits the job that a JDL file describes; prints its identifier.",
    (
        "[options] (--autm-delegation | --delegationid <id>) <jdl file>",
        "[options] (--collection | --dag) <directory>",
        "[options] --jsdl <file>",
        "--start <job id>",
    ),
    (
        ("Delegation", (options.AUTO, options.DELEGATION)),
        (
            "Where the job goes",
            (
                options.ENDPOINT,
                valued("resource", "<ce id>", "send the job to this computing element (**)", "r"),
                valued("input", "<file>", "choose one of the computing elements in this file (**)", "i"),
                valued("lrms", "<type>", "local batch system of the element; needs -r or -i"),
                valued("nodes-resource", "<ce id>", "send all nodes to this computing element (***)"),
            ),
        ),
        (
            "The job",
            (
                valued("valid", "<hh:mm>", "give up matching after this time from now", "v"),
                valued("to", "<[MM:DD:]hh:mm[:[CC]YY]>", "give up matching at this time"),
                valued("default-jdl", "<file>", "take attributes that the job lacks from this file too"),
                valued("collection", "<directory>", "submit the JDL files in it as one collection"),
                valued("dag", "<directory>", "submit the JDL files in it as one DAG without dependencies"),
                valued("jsdl", "<file>", "submit a JSDL document"),
            ),
        ),
        (
            "Steps",
            (
                switch("register-only", "register the job and say how to go on; do not start it"),
                switch("transfer-files", "send the input files of a job that is only registered (*)"),
                valued("start", "<job id>", "start a job that was registered before"),
                valued("proto", "<protocol>", "file transfer protocol (https)"),
            ),
        ),
        ("Configuration", (options.CONFIG, options.VO)),
        (
            "Output",
            (
                valued("output", "<file>", "add the job identifier to this file", "o"),
                switch("nomsg", "print the job identifier and nothing else"),
                options.JSON,
                options.PRETTY,
                switch("nolisten", "do not listen to an interactive job; this client never does"),
            ),
        ),
        ("Other", (options.NOINT, options.DEBUG, options.LOGFILE, options.HELP, options.VERSION)),
    ),
    exclusive=(
        excludes(
            "start",
            "register-only",
            "input",
            "resource",
            "nodes-resource",
            "to",
            "valid",
            "collection",
            "jsdl",
            "dag",
            "default-jdl",
            "delegationid",
            "autm-delegation",
        ),
        excludes("json", "nomsg", "debug", "output"),
        excludes("collection", "dag", "jsdl"),
        excludes("dag", "jsdl"),
        excludes("autm-delegation", "delegationid"),
        excludes("config", "vo"),
        excludes("input", "resource", "nodes-resource"),
        excludes("resource", "nodes-resource"),
        excludes("valid", "to"),
    ),
    notes=("(*) To be used only with --register-only", "(**) Not for compound jobs", "(***) For compound jobs only"),
)


def check(line: CommandLine) -> None:
    """The operand, and options that need others."""
    if line.has("start"):
        if line.operands:
            raise UsageError(f"--start takes no JDL file: {line.operands[0]}")
        return
    if line.has("transfer-files") and not line.has("register-only"):
        raise ClientError("--transfer-files is to be used with --register-only", title=_OPTION_ERROR)
    if line.has("lrms") and not (line.has("resource") or line.has("input")):
        raise ClientError("--lrms is to be used with --resource or --input", title=_OPTION_ERROR)
    source = next((name for name in _SOURCES if line.has(name)), None)
    if source is not None and line.operands:
        raise UsageError(f"--{source} takes no JDL file: {line.operands[0]}")
    if source == "jsdl":
        for name in _NOT_IN_JSDL:
            if line.has(name):
                raise ClientError(f"--{name} does not go with --jsdl: say it in the document", title=_OPTION_ERROR)
    if not line.operands and source is None:
        raise UsageError("the JDL file is missing")
    if len(line.operands) > 1:
        raise UsageError(f"more than one JDL file: {', '.join(line.operands)}")


@dataclass(slots=True)
class Submission:
    """A job on its way.

    :ivar jobid: its identifier.
    :ivar server: the server that holds it.
    :ivar files: the local files of its input sandbox and those of its nodes.
    :ivar nodes: names and identifiers of its nodes, in their order; empty for a simple job.
    :ivar places: the https URIs where the files belong: the job's own (None), each node's by name.
    :ivar archives: what the files go in, if not one by one.
    :ivar started: jobStart (or jobSubmit) has succeeded.
    """

    jobid: str
    server: endpoint.Endpoint
    files: Sequence[LocalFile] = ()
    nodes: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str | None, str] = field(default_factory=dict)
    archives: Sequence[Archive] = ()
    started: bool = False


def work(session: Session) -> int:
    """Submit, register or start one job."""
    outputfile.check_writable(session)
    session.check_proxy()
    _warn_of_the_end(session)
    if session.line.has("start"):
        return _start(session)
    append = outputfile.may_hold_ids(session) if session.line.has("output") else False
    description = _described(session)
    identifier = delegation.chosen(session)
    job = endpoint.attempt(session, lambda server: _register(server, identifier, description))
    session.messages.debug("The JobId is:", f" {job.jobid}")
    _bring(session, job, append)
    if session.line.has("output"):
        outputfile.add_id(_ids_file(session), job.jobid, append=append)
    _report(session, job)
    return 0


def _described(session: Session) -> Description:
    """What the command line names, ready to be sent."""
    from clients import jobdescription

    line = session.line
    zipped = _transfers_files(session)  # who transfers the files himself transfers them as they are
    document = line.text("jsdl")
    if document is not None:
        return jobdescription.of_jsdl(session, Path(document))
    for kind in ("collection", "dag"):
        directory = line.text(kind)
        if directory is not None:
            ad = jobdescription.of_directory(Path(directory), kind)
            return jobdescription.finish(session, jobdescription.fill(session, ad), zipped=zipped)
    return jobdescription.finish(session, jobdescription.load(session, Path(line.operands[0])), zipped=zipped)


def _transfers_files(session: Session) -> bool:
    return not session.line.has("register-only") or session.line.has("transfer-files")


def _warn_of_the_end(session: Session) -> None:
    left = session.proxy.minutes_left(session.now)
    if left < SHORT_PROXY:
        session.messages.warning(
            f"Your proxy credential ends in {left} minutes",
            "a job that is still waiting or running then may fail; make a longer one before you submit",
        )


def _register(
    server: endpoint.Endpoint,
    identifier: delegation.DelegationId,
    description: Description,
) -> Submission:
    """What is repeated on the next server when this one fails."""
    from clients import sandbox
    from grid import xmldoor
    from wsdl.transport import ServiceUnreachable

    if identifier.automatic:
        delegation.delegate(server, identifier.text)
    sandbox.check_protocol(server.session, server)
    files = description.files
    if files:
        sandbox.check_room(server, files)
    at_once = not files and not server.session.line.has("register-only")
    kind = "jdl" if description.jsdl is None else "jsdl"
    document = description.ad.text() if description.jsdl is None else xmldoor.parse(description.jsdl)
    try:
        answer = server.call(
            _OPERATIONS[kind, at_once], **{kind: document, "delegationId": identifier.text}
        )
    except ServiceUnreachable as error:
        if not error.timed_out:
            raise
        raise ClientError(
            f"{error.description}\nthe job may have been taken all the same, so no other server is asked; look for it "
            "with `glite-wms-job-status --all' before you submit it again"
        ) from error
    nodes = _nodes(answer, description.nodes)
    return Submission(_job_id(answer), server, files, nodes, archives=description.archives, started=at_once)


def _job_id(answer: Any) -> str:
    return str(JobId.parse(str(_member(answer, "id"))))


def _nodes(answer: Any, names: Sequence[str]) -> dict[str, str]:
    """Names and identifiers of the nodes; what the server leaves unnamed has the name of its place.

    :raises ClientError: the server made other nodes than the description has.
    """
    children = _member(answer, "childrenJob") or ()
    if len(children) != len(names):
        raise ClientError(
            f"the description has {len(names)} nodes, and the server made {len(children)}; "
            f"cancel the job: {_member(answer, 'id')}"
        )
    made = {
        str(_member(child, "name") or name): _job_id(child) for name, child in zip(names, children, strict=True)
    }
    missing = [name for name in names if name not in made]
    if missing:
        raise ClientError(f"the server knows no node {missing[0]!r}; cancel the job: {_member(answer, 'id')}")
    return made


def _member(structure: Any, name: str) -> Any:
    return structure.get(name) if isinstance(structure, dict) else getattr(structure, name, None)


def _bring(session: Session, job: Submission, append: bool) -> None:
    """Files and start of a registered job; from here on no other server can take it."""
    if job.started:
        return
    from clients import sandbox

    line = session.line
    try:
        if job.files:
            job.places = sandbox.destinations(job.server, job.jobid, job.nodes)
            if _transfers_files(session):
                _upload(session, job)
        if not line.has("register-only"):
            job.server.call("jobStart", jobId=job.jobid)
            job.started = True
    except (GridError, OSError, KeyboardInterrupt) as error:
        _left_behind(session, job, append)
        raise _not_started(job, error) from error


def _upload(session: Session, job: Submission) -> None:
    """Send the files, or the archives that they go in."""
    from clients import sandbox, zippedsandbox

    if not job.archives:
        sandbox.upload(session, job.places, job.files)
        return
    limit = sandbox.largest(job.server)
    with zippedsandbox.staging() as made:
        # What has to be transferred from here on, should it fail, are the archives.
        job.files = [zippedsandbox.make(archive, made, job.places, limit) for archive in job.archives]
        sandbox.upload(session, job.places, job.files)


def _left_behind(session: Session, job: Submission, append: bool) -> None:
    if session.line.has("output"):
        remark = "Following Job Registered but Submission failed (try use --start option)"
        outputfile.add_id(_ids_file(session), job.jobid, append=append, remark=remark)


def _not_started(job: Submission, error: BaseException) -> ClientError:
    """The job exists and is not started: says how to go on."""
    title = (
        f"The job has been successfully registered (the JobId is: {job.jobid}), "
        "but an error occurred while transferring files:"
    )
    said = text_of(error) if isinstance(error, GridError) else str(error) or "interrupted"
    lines = [said, ""]
    if job.files and job.places:
        lines += ["To complete the operation, the following file(s) must be transferred:", *_transfers(job), "then"]
    else:
        lines.append("To complete the operation")
    lines += ["start the job by issuing a submission with the option:", f" --start {job.jobid}"]
    return ClientError("\n".join(lines), title=title)


def _transfers(job: Submission) -> list[str]:
    from clients.sandbox import target

    return [
        line
        for file in job.files
        for line in (f"InputSandbox file : {file.path}", f"Destination : {target(job.places, file)}", "")
    ]


def _start(session: Session) -> int:
    """``--start``: the job's own server starts it."""
    from clients.bookkeeping import Bookkeeping

    job = JobId.parse(session.line.text("start") or "")
    status = Bookkeeping(session).status(job, nodes=False)
    server = endpoint.of_job(session, status.text("networkServer"), str(job))
    server.call("jobStart", jobId=str(job))
    done = Submission(str(job), server, started=True)
    if session.line.has("output"):
        outputfile.add_id(_ids_file(session), done.jobid, append=outputfile.may_hold_ids(session))
    _report(session, done)
    return 0


def _ids_file(session: Session) -> Path:
    return Path(session.line.text("output") or "").absolute()


def _report(session: Session, job: Submission) -> None:
    line = session.line
    if line.has("nomsg"):
        session.messages.result(job.jobid)
        return
    if result.machine_readable(session):
        named = "parent" if job.nodes else "jobid"
        values: dict[str, Any] = {"result": "success", named: job.jobid, "endpoint": job.server.url}
        if job.nodes:
            values["children"] = dict(job.nodes)
        result.print_json(session, values)
        return
    done = "started" if line.has("start") else "submitted" if job.started else "registered"
    lines = ["", title_bar(f"{COMMAND} Success"), ""]
    lines += [f"The job has been successfully {done} to the WMProxy", "Your job identifier is:", "", job.jobid, ""]
    if not job.started:
        lines += [*_how_to_go_on(session, job), ""]
    if line.has("output"):
        lines += ["The job identifier has been saved in the following file:", str(_ids_file(session)), ""]
    session.messages.result("\n".join([*lines, bar(), ""]))


def _how_to_go_on(session: Session, job: Submission) -> list[str]:
    start = ["start the job by issuing a submission with the option:", f" --start {job.jobid}"]
    if not job.files:
        return ["To complete the operation " + start[0], start[1]]
    if session.line.has("transfer-files"):
        return ["The input sandbox file(s) have been transferred. To complete the operation", *start]
    head = "To complete the operation, the following file(s) containing the InputSandbox of the job need to be"
    return [f"{head} transferred:", *_transfers(job), "then " + start[0], start[1]]


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return run(SYNTAX, work, argv, check=check)


if __name__ == "__main__":
    sys.exit(main())
