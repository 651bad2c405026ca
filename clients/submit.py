"""``glite-wms-job-submit``: register a job, send its input files, start it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
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
    from clients.sandbox import LocalFile
    from jdl.tree import ClassAd

COMMAND: Final = "glite-wms-job-submit"
SHORT_PROXY: Final = 20
"""Minutes; a proxy that ends sooner is worth a warning."""

_LATER: Final = "this client submits one simple job at a time; compound jobs are not served yet"

SYNTAX: Final = Syntax(
    COMMAND,
    "Submits the job that a JDL file describes; prints its identifier.",
    (
        "[options] (--autm-delegation | --delegationid <id>) <jdl file>",
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
                valued("nodes-resource", "<ce id>", "send all nodes to this computing element", refused=_LATER),
            ),
        ),
        (
            "The job",
            (
                valued("valid", "<hh:mm>", "give up matching after this time from now", "v"),
                valued("to", "<[MM:DD:]hh:mm[:[CC]YY]>", "give up matching at this time"),
                valued("default-jdl", "<file>", "take attributes that the job lacks from this file too"),
                valued("collection", "<directory>", "submit the JDL files in it as one collection", refused=_LATER),
                valued("dag", "<directory>", "submit the JDL files in it as one DAG", refused=_LATER),
                valued(
                    "jsdl",
                    "<file>",
                    "submit a JSDL document",
                    refused="JSDL documents are not served yet; describe the job in JDL",
                ),
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
                switch(
                    "nolisten",
                    "do not listen to an interactive job",
                    refused="interactive jobs are not served; leave the option out",
                ),
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
    notes=("(*) To be used only with --register-only", "(**) Not for compound jobs"),
)


def check(line: CommandLine) -> None:
    """The operand, and options that need others."""
    if line.has("start"):
        if line.operands:
            raise UsageError(f"--start takes no JDL file: {line.operands[0]}")
        return
    if line.has("transfer-files") and not line.has("register-only"):
        raise ClientError("--transfer-files is to be used with --register-only", title="Input Option Error")
    if line.has("lrms") and not (line.has("resource") or line.has("input")):
        raise ClientError("--lrms is to be used with --resource or --input", title="Input Option Error")
    if not line.operands:
        raise UsageError("the JDL file is missing")
    if len(line.operands) > 1:
        raise UsageError(f"more than one JDL file: {', '.join(line.operands)}")


@dataclass(slots=True)
class Submission:
    """A job on its way.

    :ivar jobid: its identifier.
    :ivar server: the server that holds it.
    :ivar files: the local files of its input sandbox.
    :ivar directory: the https URI where they belong; None when there are none.
    :ivar started: jobStart (or jobSubmit) has succeeded.
    """

    jobid: str
    server: endpoint.Endpoint
    files: Sequence[LocalFile] = ()
    directory: str | None = None
    started: bool = False


def work(session: Session) -> int:
    """Submit, register or start one job."""
    outputfile.check_writable(session)
    session.check_proxy()
    _warn_of_the_end(session)
    if session.line.has("start"):
        return _start(session)
    from clients import jobdescription

    append = outputfile.may_hold_ids(session) if session.line.has("output") else False
    ad, files = jobdescription.finish(session, jobdescription.load(session, Path(session.line.operands[0])))
    identifier = delegation.chosen(session)
    job = endpoint.attempt(session, lambda server: _register(server, identifier, ad, files))
    session.messages.debug("The JobId is:", f" {job.jobid}")
    _bring(session, job, append)
    if session.line.has("output"):
        outputfile.add_id(_ids_file(session), job.jobid, append=append)
    _report(session, job)
    return 0


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
    ad: ClassAd,
    files: Sequence[LocalFile],
) -> Submission:
    """What is repeated on the next server when this one fails."""
    from clients import sandbox
    from wsdl.transport import ServiceUnreachable

    if identifier.automatic:
        delegation.delegate(server, identifier.text)
    sandbox.check_protocol(server.session, server)
    if files:
        sandbox.check_room(server, files)
    at_once = not files and not server.session.line.has("register-only")
    operation = "jobSubmit" if at_once else "jobRegister"
    try:
        answer = server.call(operation, jdl=ad.text(), delegationId=identifier.text)
    except ServiceUnreachable as error:
        if not error.timed_out:
            raise
        raise ClientError(
            f"{error.description}\nthe job may have been taken all the same, so no other server is asked; look for it "
            "with `glite-wms-job-status --all' before you submit it again"
        ) from error
    return Submission(_job_id(answer), server, files, started=at_once)


def _job_id(answer: Any) -> str:
    text = answer.get("id") if isinstance(answer, dict) else getattr(answer, "id", None)
    return str(JobId.parse(str(text)))


def _bring(session: Session, job: Submission, append: bool) -> None:
    """Files and start of a registered job; from here on no other server can take it."""
    if job.started:
        return
    from clients import sandbox

    line = session.line
    try:
        if job.files:
            job.directory = sandbox.destination(job.server, job.jobid)
            if not line.has("register-only") or line.has("transfer-files"):
                sandbox.upload(session, job.directory, job.files)
        if not line.has("register-only"):
            job.server.call("jobStart", jobId=job.jobid)
            job.started = True
    except (GridError, OSError, KeyboardInterrupt) as error:
        _left_behind(session, job, append)
        raise _not_started(job, error) from error


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
    if job.files and job.directory:
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
        for line in (f"InputSandbox file : {file.path}", f"Destination : {target(job.directory or '', file)}", "")
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
        values = {"result": "success", "jobid": job.jobid, "endpoint": job.server.url}
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
