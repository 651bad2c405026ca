"""``glite-wms-job-output``: fetch the output files of finished jobs; purge the jobs when every file is safe."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clients import endpoint, inputfile, options, outputfile, result
from clients.bookkeeping import Bookkeeping, Status
from clients.command import run, text_of
from clients.errors import Bye, ClientError, UsageError
from clients.messages import bar
from clients.options import CommandLine, Syntax, excludes, switch, valued
from clients.session import Session
from grid.dn import normalise
from grid.errors import GridError, JdlError, ProxyError
from grid.jobid import JobId
from grid.states import JobState

if TYPE_CHECKING:
    from clients.retrieval import RemoteFile

COMMAND: Final = "glite-wms-job-output"
WIDTH: Final = 80

SYNTAX: Final = Syntax(
    COMMAND,
    "Fetches the output files of finished jobs and then purges the jobs from the server.",
    ("[options] <job id> [<job id> ...]", "[options] --input <file of job ids>"),
    (
        (
            "Jobs",
            (
                valued("input", "<file>", "choose the jobs from this file", "i"),
                switch("list-only", "list the files with their sizes; fetch and purge nothing"),
                switch("nopurge", "leave the job on the server after fetching", "n"),
                valued("proto", "<protocol>", "file transfer protocol (https)"),
            ),
        ),
        (
            "Where the files go",
            (
                valued("dir", "<directory>", "below this directory instead of OutputStorage"),
                switch("nosubdir", "into that directory itself, not into <LOGNAME>_<job> below it"),
            ),
        ),
        ("Configuration", (options.CONFIG, options.VO)),
        ("Output", (options.JSON, options.PRETTY)),
        ("Other", (options.NOINT, options.DEBUG, options.LOGFILE, options.HELP, options.VERSION)),
    ),
    exclusive=(
        excludes("list-only", "dir", "nosubdir", "nopurge"),
        excludes("config", "vo"),
        excludes("json", "debug"),
    ),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job.

    :ivar server: URL of its WMProxy server.
    :ivar files: its output files.
    :ivar directory: where they are now; None when they were only listed.
    :ivar nodes: of a compound job, what became of each node, by its identifier.
    """

    server: str
    files: Sequence[RemoteFile]
    directory: Path | None
    nodes: Mapping[str, Outcome] | None = None

    @property
    def available(self) -> bool:
        """Whether there is any file."""
        return bool(self.files) or any(node.files for node in (self.nodes or {}).values())


def check(line: CommandLine) -> None:
    """Jobs are named."""
    if not line.operands and not line.has("input"):
        raise UsageError("no job id is given")


def work(session: Session) -> int:
    """Fetch the output of each job; fails when none could be fetched."""
    session.check_proxy()
    line = session.line
    jobs = inputfile.job_ids(line.operands, line.text("input"), session.messages, session.questions)
    if len(jobs) > 1 and line.has("nosubdir"):
        session.messages.warning("--nosubdir", "the files of all jobs go into one directory")
    done: dict[str, Outcome] = {}
    problems: list[GridError] = []
    for job in jobs:
        try:
            done[str(job)] = _output(session, job)
        except ProxyError:
            raise
        except GridError as error:
            problems.append(error)
            if len(jobs) > 1:
                session.messages.warning(f"Unable to retrieve the output of the job: {job}", text_of(error))
    if not done:
        raise problems[0] if len(jobs) == 1 else ClientError("Unable to retrieve the output of any job")
    _report(session, done)
    return 0


def _output(session: Session, job: JobId) -> Outcome:
    from clients import retrieval, sandbox

    status = Bookkeeping(session).status(job)
    _check_state(session, status)
    mine = _is_mine(session, status)
    server = endpoint.of_job(session, status.text("networkServer"), str(job))
    sandbox.check_protocol(session, server)
    listing_only = session.line.has("list-only")
    directory = None if listing_only else retrieval.make_directory(session, job.unique)
    if status.fields.get("childrenNum"):
        outcome = _nodes_output(session, server, status, job, directory)
    else:
        outcome = Outcome(server.url, _fetched(session, server, job, directory), directory)
    if mine and not listing_only and not session.line.has("nopurge"):
        _purge(session, server, job)
    return outcome


def _fetched(
    session: Session, server: endpoint.Endpoint, job: JobId, directory: Path | None
) -> Sequence[RemoteFile]:
    """The output files of a simple job or a node, which are in ``directory`` when one is given."""
    from clients import retrieval

    files = retrieval.listing(server, str(job))
    if directory is not None:
        retrieval.fetch(session, files, directory)
    return files


def _nodes_output(
    session: Session, server: endpoint.Endpoint, status: Status, job: JobId, directory: Path | None
) -> Outcome:
    """The output of each node in a directory of its name; nodes without output are told, and skipped.

    :raises GridError: a transfer failed; the job is not purged then.
    """
    from clients import nodes, retrieval

    names = nodes.names(server, str(job), status.children)
    lines = [f"Dag JobId: {job}"]
    used: set[str] = set()
    found: dict[str, Outcome] = {}
    for child in status.children:
        node = JobId.parse(child.text("jobId") or "")
        name = names[str(node)]
        try:
            _check_state(session, child, f"node {name}")
        except ClientError as error:
            session.messages.warning(f"No output of the node {name}", error.description)
            continue
        place = directory / nodes.directory(name, used) if directory is not None else None
        if place is not None:
            retrieval.make(place)
        found[str(node)] = Outcome(server.url, _fetched(session, server, node, place), place)
        lines += ["", f"Node Name: {name}", f"JobId: {node}", f"Dir: {place}"]
    if directory is not None:
        outputfile.write(directory / "ids_nodes.map", "\n".join([*lines, ""]), append=False)
    return Outcome(server.url, (), directory, found)


def _check_state(session: Session, status: Status, what: str = "job") -> None:
    """Refuse jobs that have no output (any more); an aborted one, and nodes of a failed one, may have some.

    :param what: what a warning calls it.
    """
    if status.state is JobState.Done and (status.done_code != "FAILED" or status.fields.get("childrenNum")):
        if status.done_code == "CANCELLED":
            raise ClientError("The Job has been cancelled", title="Output not available")
        return
    if status.state is JobState.Aborted:
        reason = status.text("reason") or "no reason is given"
        session.messages.warning(f"The {what} was aborted", f"{reason}\nthere may be no output files")
        return
    sentences = {
        JobState.Cleared: "Output files already retrieved",
        JobState.Purged: "Output files already retrieved",
        JobState.Cancelled: "The Job has been cancelled",
    }
    raise ClientError(
        sentences.get(status.state, f"Output not yet ready\nCurrent Job Status is: {status.shown}"),
        title="Output not available",
    )


def _is_mine(session: Session, status: Status) -> bool:
    """True when VO and owner are those of the proxy; else the user is asked, and nothing will be purged.

    :raises Bye: the user does not want to go on (exit code 0, as ever).
    """
    vo, owner = _written(status)
    proxy = session.proxy
    differing = []
    if vo and proxy.vo and vo.lower() != proxy.vo.lower():
        differing.append(f"the job belongs to the VO {vo}, the proxy to {proxy.vo}")
    if owner and normalise(owner) != normalise(proxy.dn):
        differing.append(f"the job belongs to {owner}, the proxy to {proxy.dn}")
    if not differing:
        return True
    session.messages.warning("The job is not of this proxy", "\n".join([*differing, "it will not be purged"]))
    if not session.questions.yes("Do you want to continue ?", default=True, unasked=True):
        raise Bye(0)
    return False


def _written(status: Status) -> tuple[str | None, str | None]:
    """VO and owner as the registered job description has them; L&B's owner when it lacks them."""
    from jdl.parser import parse

    text = status.text("jdl")
    vo = owner = None
    if text:
        try:
            ad = parse(text)
            vo, owner = ad.string("VirtualOrganisation"), ad.string("CertificateSubject")
        except JdlError:
            vo = owner = None
    return vo, owner or status.text("owner")


def _purge(session: Session, server: endpoint.Endpoint, job: JobId) -> None:
    """The files are here: a purge that fails is only a warning."""
    try:
        server.call("jobPurge", jobId=str(job))
    except GridError as error:
        session.messages.warning("JobPurging not allowed", text_of(error))


def _report(session: Session, done: dict[str, Outcome]) -> None:
    if result.machine_readable(session):
        jobs: dict[str, Any] = {job: _as_json(outcome) for job, outcome in done.items()}
        result.print_json(session, {"result": "success", "jobs": jobs})
        return
    if session.line.has("list-only"):
        session.messages.result("\n".join(line for job, outcome in done.items() for line in _listed(job, outcome)))
        return
    lines = ["", bar(WIDTH), "", "\t\t\tJOB GET OUTPUT OUTCOME", ""]
    for job, outcome in done.items():
        if not outcome.available:
            lines += ["No output files to be retrieved for the job:", job, ""]
            continue
        kind = "job" if outcome.nodes is None else "DAG/Collection "
        lines += [f"Output sandbox files for the {kind}:", job]
        # scripts take the line behind this one for the directory
        lines += ["have been successfully retrieved and stored in the directory:", str(outcome.directory), ""]
    session.messages.result("\n".join([*lines, bar(WIDTH), ""]))


def _as_json(outcome: Outcome) -> dict[str, Any]:
    entry: dict[str, Any] = {"endpoint": outcome.server, "output_available": int(outcome.available)}
    if outcome.directory is not None:
        entry["location"] = str(outcome.directory)
    entry["files"] = [{"uri": file.uri, "name": file.name, "size": file.size} for file in outcome.files]
    if outcome.nodes is not None:
        entry["children"] = {node: _as_json(of_node) for node, of_node in outcome.nodes.items()}
    return entry


def _listed(job: str, outcome: Outcome) -> list[str]:
    lines = ["", f"JobId: {job}"]
    if outcome.nodes is not None:
        for node, of_node in outcome.nodes.items():
            lines += ["", f">> child: {node}", *_listed(node, of_node)[2:]]
        return lines
    for file in outcome.files:
        lines += [f" - file: {file.uri}", f"   size (bytes): {file.size}"]
    return lines if outcome.files else [*lines, "   no output files"]


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return run(SYNTAX, work, argv, check=check)


if __name__ == "__main__":
    sys.exit(main())
