"""``glite-wms-job-info``: the description of a job, its proxy, or a delegated proxy."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from clients import endpoint, inputfile, options, outputfile, result
from clients.bookkeeping import Bookkeeping
from clients.command import run
from clients.configuration import check_endpoint
from clients.errors import JobNotFound, OptionError, UsageError
from clients.messages import MONTHS, bar, title_bar
from clients.options import CommandLine, Syntax, excludes, switch, valued
from clients.session import Session
from grid.jobid import JobId

COMMAND: Final = "glite-wms-job-info"
_ACTIONS: Final = ("jdl", "jdl-original", "proxy", "delegationid")
_LABEL: Final = 12

SYNTAX: Final = Syntax(
    COMMAND,
    "Shows the description of a job, the proxy that it runs with, or a proxy that was delegated.",
    (
        "(--jdl | --jdl-original | --proxy) [options] <job id>",
        "--delegationid <id> [options]",
    ),
    (
        (
            "What to show",
            (
                switch("jdl", "the description as the server completed it"),
                switch("jdl-original", "the description as it was submitted", "j"),
                switch("proxy", "the proxy of the job", "p"),
                valued("delegationid", "<id>", "the proxy delegated with this identifier", "d"),
            ),
        ),
        (
            "Job and configuration",
            (
                valued("input", "<file>", "choose the job from this file", "i"),
                options.ENDPOINT,
                options.CONFIG,
                options.VO,
            ),
        ),
        (
            "Output",
            (valued("output", "<file>", "save the result to this file", "o"), options.JSON, options.PRETTY),
        ),
        ("Other", (options.NOINT, options.DEBUG, options.LOGFILE, options.HELP, options.VERSION)),
    ),
    exclusive=(
        excludes("jdl", "jdl-original", "proxy", "delegationid"),
        excludes("jdl-original", "proxy", "delegationid"),
        excludes("proxy", "delegationid"),
        excludes("delegationid", "input"),
        excludes("config", "vo"),
        excludes("json", "debug", "output"),
    ),
)


def check(line: CommandLine) -> None:
    """One thing to show, and the job that it needs."""
    if not any(line.has(name) for name in _ACTIONS):
        raise UsageError("one of --jdl, --jdl-original, --proxy and --delegationid is needed")
    if line.has("delegationid") and line.operands:
        raise OptionError(f"--delegationid takes no job id: {line.operands[0]}")
    if not line.has("delegationid") and not line.operands and not line.has("input"):
        raise UsageError("no job id is given")


def work(session: Session) -> int:
    """Ask the server and show the answer."""
    session.check_proxy()
    outputfile.check_writable(session)
    line = session.line
    identifier = line.text("delegationid")
    if identifier is not None:
        server, info = endpoint.attempt(
            session, lambda server: (server, server.call("getDelegatedProxyInfo", delegationID=identifier))
        )
        head = [f"Your proxy delegated to the endpoint {server.url}", f"with delegationID {identifier}: "]
        return _report_proxy(session, head, info, {"delegationid": identifier, "endpoint": server.url})
    job = inputfile.job_id(line, session.messages, session.questions)
    server = _server(session, job)
    if line.has("proxy"):
        info = server.call("getJobProxyInfo", jobId=str(job))
        head = [f"Your proxy delegated to the endpoint {server.url}", f"for the job {job}: "]
        return _report_proxy(session, head, info, {"jobid": str(job), "endpoint": server.url})
    return _report_jdl(session, server, job)


def _server(session: Session, job: JobId) -> endpoint.Endpoint:
    """The server that holds the job.

    L&B answers the owner only.  Whom the job's access list lets read it names the server by ``--endpoint``.
    """
    try:
        status = Bookkeeping(session).status(job, nodes=False)
    except JobNotFound:
        given = session.line.text("endpoint")
        if given is None:
            raise
        check_endpoint(given, "--endpoint")
        return endpoint.Endpoint.connect(session, given)
    return endpoint.of_job(session, status.text("networkServer"), str(job))


def _report_jdl(session: Session, server: endpoint.Endpoint, job: JobId) -> int:
    from jdl.parser import parse

    kind = "ORIGINAL" if session.line.has("jdl-original") else "REGISTERED"
    text = str(server.call("getJDL", jobId=str(job), type=kind))
    if result.machine_readable(session):
        result.print_json(
            session, {"result": "success", "jobid": str(job), "endpoint": server.url, "type": kind, "jdl": text}
        )
        return 0
    ad = parse(text)
    requirements = ad.get("requirements")
    if requirements is not None:
        ad.remove("requirements")  # scripts look for it in this spelling, whatever the user's is
        ad.set("requirements", requirements)
    _print(session, ad.pretty())
    return 0


def _report_proxy(session: Session, head: Sequence[str], info: Any, names: Mapping[str, str]) -> int:
    if result.machine_readable(session):
        result.print_json(session, {"result": "success", **names, "proxy": _as_json(info)})
        return 0
    lines = [*head, *_proxy(info, session.now)]
    for vo in info.get("VOsInfo") or ():
        lines += ["", *_vo(vo, session.now)]
    _print(session, "\n".join(["", title_bar(f"{COMMAND} Success"), "", *lines, "", bar(), ""]))
    return 0


def _print(session: Session, text: str) -> None:
    if not session.line.has("output"):
        session.messages.result(text)
        return
    path = outputfile.save(session, text)
    lines = ["", title_bar(f"{COMMAND} Success"), "", "The result has been saved in the following file:", str(path)]
    session.messages.result("\n".join([*lines, "", bar(), ""]))


def _proxy(info: Mapping[str, Any], now: datetime.datetime) -> list[str]:
    rows = [(name, info.get(name)) for name in ("Subject", "Issuer", "Identity", "Type", "Strength")]
    return _rows([*rows, ("StartDate", _date(info.get("StartTime")))]) + _end(info, now)


def _vo(vo: Mapping[str, Any], now: datetime.datetime) -> list[str]:
    rows = [
        ("VO", vo.get("VOName")),
        ("Subject", vo.get("User")),
        ("Issuer", vo.get("Server")),
        ("URI", vo.get("URI")),
        *(("Attribute", attribute) for attribute in vo.get("Attribute") or ()),
        ("StartTime", _date(vo.get("StartTime"))),
    ]
    return [f"=== VO {vo.get('VOName')} extension information ===", *_rows(rows), *_end(vo, now)]


def _rows(rows: Sequence[tuple[str, Any]]) -> list[str]:
    """``label       : value``; empty values are left out."""
    return [f"{label:<{_LABEL}}: {value}" for label, value in rows if value]


def _end(info: Mapping[str, Any], now: datetime.datetime) -> list[str]:
    end = _moment(info.get("EndTime"))
    left = time_left((end - now).total_seconds()) if end is not None else ""
    return _rows([("Expiration", _date(info.get("EndTime"))), ("Timeleft", left)])


def time_left(seconds: float) -> str:
    """``<d> days HH hours MM min SS sec ``: units that are zero are left out; empty when nothing is left."""
    left = int(seconds)
    if left <= 0:
        return ""
    days, rest = divmod(left, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [f"{days} days "] if days else []
    parts += [f"{number:02d} {unit} " for number, unit in ((hours, "hours"), (minutes, "min"), (rest, "sec")) if number]
    return "".join(parts)


def _moment(text: Any) -> datetime.datetime | None:
    """A time as servers send it: seconds of the epoch in decimal."""
    try:
        return datetime.datetime.fromtimestamp(int(text), datetime.UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _date(text: Any) -> str:
    """``DD Mon YYYY - HH:MM:SS`` in local time; a time that cannot be read is shown as it came."""
    moment = _moment(text)
    if moment is None:
        return str(text or "")
    local = moment.astimezone()
    return f"{local.day:02d} {MONTHS[local.month - 1]} {local.year} - {local:%H:%M:%S}"


def _as_json(value: Any) -> Any:
    """The structure by the contract's names."""
    if isinstance(value, Mapping):
        return {str(name): _as_json(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return run(SYNTAX, work, argv, check=check)


if __name__ == "__main__":
    sys.exit(main())
