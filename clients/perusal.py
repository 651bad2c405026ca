"""``glite-wms-job-perusal``: look at the files of a job while it runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from clients import endpoint, inputfile, options, outputfile, result, retrieval
from clients.bookkeeping import Bookkeeping, Status
from clients.command import run, text_of
from clients.errors import ClientError, OptionError, UsageError
from clients.messages import bar, title_bar
from clients.options import CommandLine, Syntax, excludes, switch, valued
from clients.retrieval import RemoteFile
from clients.session import Session
from grid.errors import GridError
from grid.jobid import JobId
from grid.states import JobState

COMMAND: Final = "glite-wms-job-perusal"
_ACTIONS: Final = ("set", "get", "unset")
_TITLE: Final = "Perusal not allowed"

SYNTAX: Final = Syntax(
    COMMAND,
    "Says which files of a job can be looked at while it runs, and fetches what is new in them.",
    (
        "--set (--filename <file> ... | --input-file <file of names>) [options] <job id>",
        "--get --filename <file> [options] <job id>",
        "--unset [options] <job id>",
    ),
    (
        (
            "What to do",
            (
                switch("set", "look at these files from now on, and at no others"),
                switch("get", "fetch what has been written since the last time"),
                switch("unset", "look at no file any more"),
                valued("filename", "<file>", "a file in the job's directory (--set: repeatable)", "f", many=True),
                valued("input-file", "<file>", "a file with one such name on each line (--set)"),
                switch("all", "with --get: everything from the beginning"),
            ),
        ),
        (
            "Job and configuration",
            (valued("input", "<file>", "choose the job from this file", "i"), options.CONFIG, options.VO),
        ),
        (
            "Where the files go",
            (
                valued("dir", "<directory>", "to this directory, not to <LOGNAME>_<job> below OutputStorage"),
                valued("proto", "<protocol>", "file transfer protocol (https)"),
                switch("nodisplay", "do not show the files"),
            ),
        ),
        (
            "Output",
            (valued("output", "<file>", "save the result to this file", "o"), options.JSON, options.PRETTY),
        ),
        ("Other", (options.DEBUG, options.LOGFILE, options.HELP, options.VERSION)),
    ),
    exclusive=(
        excludes("set", "get", "unset", "all", "dir", "nodisplay", "proto"),
        excludes("get", "unset", "input-file"),
        excludes("unset", "filename", "input-file", "all", "dir", "nodisplay", "proto"),
        excludes("config", "vo"),
        excludes("json", "debug", "output"),
    ),
)


def check(line: CommandLine) -> None:
    """One action, with the names that it needs, and a job."""
    action = next((name for name in _ACTIONS if line.has(name)), None)
    if action is None:
        raise UsageError("one of --set, --get and --unset is needed")
    if action == "set" and not (line.has("filename") or line.has("input-file")):
        raise OptionError("--set needs the files to look at: --filename (repeatable) or --input-file")
    if action == "get" and len(line.texts("filename")) != 1:
        raise OptionError("--get needs one --filename")
    if not line.operands and not line.has("input"):
        raise UsageError("no job id is given")


def work(session: Session) -> int:
    """Do what is asked for one job."""
    session.check_proxy()
    outputfile.check_writable(session)
    line = session.line
    names = _names(line)
    job = inputfile.job_id(line, session.messages, session.questions)
    status = Bookkeeping(session).status(job, nodes=False)
    _check_state(line, status, job)
    server = endpoint.of_job(session, status.text("networkServer"), str(job))
    if line.has("get"):
        _get(session, server, job, names[0])
        return 0
    server.call("enableFilePerusal", jobId=str(job), fileList=names)
    _report_set(session, server, job, names)
    return 0


def _names(line: CommandLine) -> list[str]:
    names = list(line.texts("filename"))
    listed = line.text("input-file")
    if listed is not None:
        names += [item.text for item in inputfile.read_items(listed)]
    return list(dict.fromkeys(names))


def _check_state(line: CommandLine, status: Status, job: JobId) -> None:
    if status.fields.get("childrenNum"):
        raise ClientError(f"{job} is a DAG or a collection; name one of its nodes", title=_TITLE)
    over = status.state in (JobState.Cleared, JobState.Purged)
    if not line.has("get"):
        failed = status.state is JobState.Done and status.done_code in ("FAILED", "CANCELLED")
        over = over or failed or status.state in (JobState.Aborted, JobState.Cancelled)
    if over:
        raise ClientError(f"Current Job Status is {status.shown}", title=_TITLE)


def _report_set(session: Session, server: endpoint.Endpoint, job: JobId, names: Sequence[str]) -> None:
    if result.machine_readable(session):
        values = {"result": "success", "jobid": str(job), "endpoint": server.url, "files": list(names)}
        result.print_json(session, values)
        return
    done = "enabled" if names else "disabled"
    lines = ["", title_bar(f"{COMMAND} Success"), ""]
    lines += [f"File(s) perusal has been successfully {done} for the job:", str(job), ""]
    if session.line.has("output"):
        path = outputfile.save(session, "\n".join([f"###File perusal {done} for the job {job}###", *names]))
        lines += ["The list of files has been saved in the following file:", str(path), ""]
    session.messages.result("\n".join([*lines, bar(), ""]))


def _get(session: Session, server: endpoint.Endpoint, job: JobId, name: str) -> None:
    from clients import sandbox

    sandbox.check_protocol(session, server)
    directory = _directory(session, job)  # before the call: what it answers it answers once
    uris = server.call(
        "getPerusalFiles", jobId=str(job), file=name, allChunks=session.line.has("all"), protocol=sandbox.PROTOCOL
    )
    files = [RemoteFile(str(uri)) for uri in uris or ()]
    try:
        for file in files:
            retrieval.check_uri(file.uri)
        if files:
            retrieval.make(directory)
            retrieval.fetch(session, files, directory)
    except (GridError, OSError) as error:
        said = text_of(error) if isinstance(error, GridError) else str(error)
        raise ClientError(f"{said}\nnothing is lost: --get --all fetches everything again") from error
    paths = [directory / file.name for file in files]
    _report_get(session, server, job, directory, paths)


def _directory(session: Session, job: JobId) -> Path:
    """Where the files go.

    :raises ClientError: it cannot be made.
    """
    given = session.line.text("dir")
    if given is not None:
        directory = Path(given).absolute()
    else:
        directory = Path(session.configuration.output_storage).absolute() / retrieval.own_name(session, job.unique)
    place = directory if directory.exists() else directory.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        reason = "is not a directory" if place.exists() and not place.is_dir() else "is missing or cannot be written"
        raise ClientError(f"Unable to store files in {directory}: {place} {reason}", title="File i/o Error")
    return directory


def _report_get(
    session: Session, server: endpoint.Endpoint, job: JobId, directory: Path, paths: Sequence[Path]
) -> None:
    if result.machine_readable(session):
        values = {"result": "success", "jobid": str(job), "endpoint": server.url}
        result.print_json(session, {**values, "location": str(directory), "files": [str(path) for path in paths]})
        return
    lines = ["", title_bar(f"{COMMAND} Success"), ""]
    if paths:
        lines += ["The retrieved files have been successfully stored in:", str(directory), ""]
    else:
        lines += ["No files to be retrieved for the job:", str(job), ""]
    if session.line.has("output"):
        head = f"###Perusal: file(s) retrieved for the job {job}###"
        saved = outputfile.save(session, "\n".join([head, *map(str, paths)]))
        lines += ["The list of files has been saved in the following file:", str(saved), ""]
    session.messages.result("\n".join([*lines, bar(), ""]))
    if paths and not session.line.has("nodisplay"):
        _display(session, paths)


def _display(session: Session, paths: Sequence[Path]) -> None:
    """Show the files: page by page on a terminal, else as they are."""
    pager = shutil.which("more", path="/usr/bin:/bin")
    out = session.messages.stdout
    if pager is not None and out.isatty():
        subprocess.run([pager, "--", *map(str, paths)], check=False)
        return
    for path in paths:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            shutil.copyfileobj(file, out)
    out.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return run(SYNTAX, work, argv, check=check)


if __name__ == "__main__":
    sys.exit(main())
