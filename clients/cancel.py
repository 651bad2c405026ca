"""``glite-wms-job-cancel``: ask for jobs to be cancelled."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from clients import endpoint, inputfile, options, outputfile, result
from clients.bookkeeping import Bookkeeping, Status
from clients.command import run, text_of
from clients.errors import FAILURE, Bye, ClientError, UsageError
from clients.messages import bar, title_bar
from clients.options import CommandLine, Syntax, excludes
from clients.session import Session
from grid.errors import GridError, ProxyError
from grid.jobid import JobId
from grid.states import JobState

COMMAND: Final = "glite-wms-job-cancel"
WIDTH: Final = 88

SYNTAX: Final = Syntax(
    COMMAND,
    "Asks the servers that hold the jobs to cancel them.",
    ("[options] <job id> [<job id> ...]", "[options] --input <file of job ids>"),
    (
        (
            "Jobs and configuration",
            (
                options.valued("input", "<file>", "choose the jobs from this file", "i"),
                options.CONFIG,
                options.VO,
            ),
        ),
        (
            "Output",
            (
                options.valued("output", "<file>", "save the result to this file", "o"),
                options.JSON,
                options.PRETTY,
            ),
        ),
        ("Other", (options.NOINT, options.DEBUG, options.LOGFILE, options.HELP, options.VERSION)),
    ),
    exclusive=(excludes("config", "vo"), excludes("json", "debug", "output")),
)

_CANCELLABLE: Final = (
    JobState.Submitted,
    JobState.Waiting,
    JobState.Ready,
    JobState.Scheduled,
    JobState.Running,
    JobState.Unknown,
)


def allowed(status: Status) -> bool:
    """True when a job in this state can be cancelled."""
    return status.state in _CANCELLABLE or (status.state is JobState.Done and status.done_code == "FAILED")


def check(line: CommandLine) -> None:
    """Jobs are named."""
    if not line.operands and not line.has("input"):
        raise UsageError("no job id is given")


def work(session: Session) -> int:
    """Cancel the jobs that can be; fails when none can."""
    session.check_proxy()
    outputfile.check_writable(session)
    line = session.line
    jobs = inputfile.job_ids(line.operands, line.text("input"), session.messages, session.questions)
    if not session.questions.yes(
        "Are you sure you want to remove specified job(s)", default=True, unasked=True
    ):
        raise Bye(FAILURE)
    cancelled: dict[str, str] = {}
    problems: list[GridError] = []
    for job in jobs:
        try:
            cancelled[str(job)] = _cancel(session, job)
        except ProxyError:
            raise
        except GridError as error:
            problems.append(error)
            if len(jobs) > 1:
                session.messages.warning(f"Not allowed to cancel the job: {job}", text_of(error))
    if not cancelled:
        raise problems[0] if len(jobs) == 1 else ClientError("Unable to cancel any job")
    _report(session, cancelled)
    return 0


def _cancel(session: Session, job: JobId) -> str:
    """Ask the job's server and return its URL."""
    status = Bookkeeping(session).status(job, nodes=False)
    if not allowed(status):
        raise ClientError(f"Current Job Status is {status.shown}", title="Cancel not allowed")
    server = endpoint.of_job(session, status.text("networkServer"), str(job))
    server.call("jobCancel", jobId=str(job))
    return server.url


def _report(session: Session, cancelled: dict[str, str]) -> None:
    if result.machine_readable(session):
        jobs = {job: {"endpoint": url, "status": "cancel requested"} for job, url in cancelled.items()}
        result.print_json(session, {"result": "success", "jobs": jobs})
        return
    lines = ["", title_bar(f"{COMMAND} Success", WIDTH), ""]
    lines += ["The cancellation request has been successfully submitted for the following job(s):", ""]
    lines += [f"- {job}" for job in cancelled]
    text = "\n".join([*lines, "", bar(WIDTH), ""])
    if session.line.has("output"):
        path = outputfile.save(session, text)
        text = f"\nCancellation results for the specified job(s) are stored in the file:\n{path}\n"
    session.messages.result(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return run(SYNTAX, work, argv, check=check)


if __name__ == "__main__":
    sys.exit(main())
