"""``glite-wms-job-status``: what Logging and Bookkeeping knows about jobs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

from clients import inputfile, options, outputfile, result, statustext
from clients.bookkeeping import Bookkeeping, LoggedEvent, Status
from clients.command import run
from clients.configuration import address
from clients.errors import FAILURE, Bye, ClientError, JobNotFound, OptionError, UsageError
from clients.messages import visible
from clients.options import CommandLine, Syntax, excludes, switch, valued
from clients.selection import Selection, state_named, tag_named
from clients.session import Session
from grid.errors import GridError, ProxyError
from grid.jobid import JobId, JobIdError
from grid.states import JobState

COMMAND: Final = "glite-wms-job-status"
SOME_FAILED: Final = 255
SERVER: Final = "GLITE_WMS_QUERY_SERVER"
_QUERY: Final = ("all", "status", "exclude", "user-tag", "from", "to")
_EVENTFUL: Final = (JobState.Done, JobState.Aborted, JobState.Cancelled)

LEVEL: Final = valued("verbosity", "<0|1|2|3>", "how much is shown: 0 the state, 3 everything", "v")

SYNTAX: Final = Syntax(
    COMMAND,
    "Shows the state of jobs: of those named, of those in a file, or of all that a query selects.",
    (
        "[options] <job id> [<job id> ...]",
        "[options] --input <file of job ids>",
        "[options] --all [--status <state>] [--from <time>] ...",
        "--follow <job id>",
    ),
    (
        (
            "Jobs",
            (
                valued("input", "<file>", "choose the jobs from this file", "i"),
                switch("all", "all your jobs on the configured bookkeeping servers"),
                valued("status", "<state>", "query: jobs in this state (repeatable)", "s", many=True),
                valued("exclude", "<state>", "query: jobs not in this state (repeatable)", "e", many=True),
                valued("user-tag", "<name=value>", "query: jobs with this tag (repeatable)", many=True),
                valued("from", "<[MM:DD:]hh:mm[:[CC]YY]>", "query: submitted not before"),
                valued("to", "<[MM:DD:]hh:mm[:[CC]YY]>", "query: submitted not after"),
                switch("nonodes", "leave out the nodes of compound jobs"),
            ),
        ),
        (
            "Output",
            (
                switch("follow", "print each new state as it comes, until the job has ended", "f"),
                LEVEL,
                valued("output", "<file>", "write the result to this file instead of the screen", "o"),
                options.JSON,
            ),
        ),
        ("Configuration", (options.CONFIG, options.VO)),
        ("Other", (options.NOINT, options.DEBUG, options.LOGFILE, options.HELP, options.VERSION)),
    ),
    exclusive=(
        excludes("status", "exclude"),
        excludes("input", *_QUERY),
        excludes("config", "vo"),
        excludes("follow", "input", "output", *_QUERY),
        excludes("json", "output", "debug"),
    ),
    notes=(
        "States: " + ", ".join(f"{state} {state.code}" for state in JobState),
        "Options come before the job ids; long options may be written with one dash.",
    ),
    single_dash_words=True,
    usage_code=FAILURE,
    banner="Job Submission User Interface version",
    script=True,
)


def level_of(line: CommandLine, default: int) -> int:
    """The verbosity 0 to 3.

    :raises OptionError: another value.
    """
    text = line.text("verbosity")
    if text is None:
        return default
    if text not in ("0", "1", "2", "3"):
        raise OptionError(f"wrong verbosity: {text} (0, 1, 2 or 3)", title="Wrong Argument Option")
    return int(text)


def check(line: CommandLine) -> None:
    """Jobs are named or a query is given, and the values are right, before anything is asked."""
    level_of(line, 1)
    queried = any(line.has(name) for name in _QUERY)
    if queried and line.operands:
        raise OptionError("job ids cannot be given together with a query")
    if not queried and not line.operands and not line.has("input"):
        raise UsageError("no job id is given")
    if line.has("follow") and len(line.operands) != 1:
        raise UsageError("--follow takes exactly one job id")
    for text in (*line.texts("status"), *line.texts("exclude")):
        state_named(text)
    for text in line.texts("user-tag"):
        tag_named(text)


def work(session: Session) -> int:
    """Show the states."""
    line = session.line
    bookkeeping = Bookkeeping(session)
    if not line.has("noint") and not line.has("json"):
        session.messages.result("")
    if line.has("follow"):
        from clients.following import follow

        follow(session, bookkeeping, JobId.parse(line.operands[0]))
        return 0
    if any(line.has(name) for name in _QUERY):
        return _show_query(session, bookkeeping)
    wrong = [text for text in line.operands if not _is_id(text)] if line.has("json") else []
    right = [text for text in line.operands if text not in wrong]
    jobs: list[JobId] = []
    if right or not wrong:
        jobs = inputfile.job_ids(right, line.text("input"), session.messages, session.questions)
    return _show_jobs(session, bookkeeping, jobs, wrong)


def _is_id(text: str) -> bool:
    try:
        JobId.parse(text)
    except JobIdError:
        return False
    return True


def _show_jobs(
    session: Session, bookkeeping: Bookkeeping, jobs: Sequence[JobId], wrong: Sequence[str] = ()
) -> int:
    found: dict[str, tuple[Status, Sequence[LoggedEvent]]] = {}
    failed: dict[str, GridError] = {text: JobIdError(text) for text in wrong}
    level = level_of(session.line, session.configuration.status_level)
    for job in jobs:
        try:
            status = bookkeeping.status(job, nodes=not session.line.has("nonodes"))
            found[str(job)] = (status, _events(bookkeeping, job, status, level))
        except ProxyError:
            raise
        except GridError as error:
            failed[str(job)] = error
    _report(session, found, failed, level)
    if failed:
        return SOME_FAILED if found else FAILURE
    return 0


def _events(bookkeeping: Bookkeeping, job: JobId, status: Status, level: int) -> list[LoggedEvent]:
    """The events that hold logged reasons, when they are printed; without them the state is still worth showing."""
    if level < 1 or status.state not in _EVENTFUL:
        return []
    try:
        return bookkeeping.events(job)
    except GridError as error:
        bookkeeping.session.messages.debug(f"no logged reasons of {job}:", error.description)
        return []


def _show_query(session: Session, bookkeeping: Bookkeeping) -> int:
    selection = Selection.of(session.line, session.now)
    found: dict[str, tuple[Status, Sequence[LoggedEvent]]] = {}
    for server in servers(session):
        if not result.machine_readable(session):
            host, _, port = server.rpartition(":")
            session.messages.result(
                f"*** LB APPROACH\nRetrieving Information from LB server {host}:{port}\n"
                "Please wait: this operation could take some seconds."
            )
        for jobid, status in bookkeeping.user_jobs(server):
            if selection.holds(status):
                found[jobid] = (status, ())
    if not found and not result.machine_readable(session):
        raise ClientError("no job fulfils the query", title="UI_NO_JOB_FOUND")
    _report(session, found, {}, level_of(session.line, session.configuration.status_level))
    return 0 if found else FAILURE


def servers(session: Session) -> list[str]:
    """``host:port`` of the bookkeeping servers that a query asks.

    :raises ClientError: none is known.
    """
    named = session.environ.get(SERVER)
    known = [address(named)] if named else list(session.configuration.lb_addresses)
    if not known and session.configuration.service_discovery:
        from clients.discovery import discovered

        known = [host_of(url) for url in discovered(session, session.configuration.lb_type)]
    if not known:
        raise ClientError(
            f"no bookkeeping server is known; name them in LBAddresses of the configuration or in {SERVER}",
            title="LB_API_OPEN_ALL",
        )
    return known


def host_of(url: str) -> str:
    """``host:port`` of a discovered bookkeeping server's URL."""
    return address(url.removeprefix("https://").partition("/")[0])


def _report(
    session: Session,
    found: dict[str, tuple[Status, Sequence[LoggedEvent]]],
    failed: dict[str, GridError],
    level: int,
) -> None:
    if result.machine_readable(session):
        answer: dict[str, Any] = {"result": "success" if found or not failed else "failed"}
        for job, (status, events) in found.items():
            answer[job] = statustext.as_json(status, events, level)
        for job, error in failed.items():
            answer[job] = json_error(error)
        result.print_json(session, answer)
        return
    for job, error in failed.items():
        session.messages.stdout.flush()
        print(
            visible(f"\n*** Warning: Unable to retrieve the status for: {job}\n{error.description}\n"),
            file=session.messages.stderr,
            flush=True,
        )
    if not found:
        return
    blocks = [statustext.tree(status, events, level) for status, events in found.values()]
    print_or_save(session, statustext.document(blocks, level))


def json_error(error: GridError) -> str:
    """What stands for a job that could not be shown; scripts know the first words."""
    if isinstance(error, JobNotFound):
        return "JOB NOT FOUND"
    if isinstance(error, JobIdError):
        return "JOBID CONTAINS WRONG FORMAT: SHOULD BE https://<host>:<tcpport>/<ID>"
    reason = getattr(error, "reason", None)  # wsdl.transport.ServiceUnreachable has one
    if not isinstance(reason, str):
        return error.description
    kind = " (CONNECTION TIMEOUT)" if getattr(error, "timed_out", False) else ""
    kind = " (CONNECTION REFUSED)" if _was_refused(error) else kind
    return f"JOBID CONTAINS WRONG ENDPOINT OR ENDPOINT CANNOT BE CONTACTED{kind}: {reason}"


def _was_refused(error: BaseException | None) -> bool:
    """True when a refused connection is among the causes, which HTTP libraries wrap several times."""
    for _ in range(10):
        if error is None or isinstance(error, ConnectionRefusedError):
            break
        error = error.__cause__ or error.__context__
    return isinstance(error, ConnectionRefusedError)


def print_or_save(session: Session, text: str) -> None:
    """The result on the screen, or only in the file of ``--output``."""
    from pathlib import Path

    given = session.line.text("output")
    if given is None:
        session.messages.result(text)
        return
    path = Path(given).absolute()
    if path.exists() and not session.questions.yes(
        f"The file {path} already exists. Do you wish to overwrite it ?", default=False, unasked=True
    ):
        raise Bye(FAILURE)
    outputfile.write(path, text + "\n", append=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return run(SYNTAX, work, argv, check=check)


if __name__ == "__main__":
    sys.exit(main())
