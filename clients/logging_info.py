"""``glite-wms-job-logging-info``: the events that components logged for jobs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

from clients import inputfile, options, result
from clients.bookkeeping import Bookkeeping, LoggedEvent, asctime, aware
from clients.command import run
from clients.errors import FAILURE, OptionError, UsageError
from clients.messages import WIDTH, bar, visible
from clients.options import CommandLine, Syntax, excludes, valued
from clients.session import Session
from clients.status import LEVEL, SOME_FAILED, json_error, level_of, print_or_save
from clients.statustext import plain
from clients.timevalue import moment
from grid.errors import GridError, ProxyError

COMMAND: Final = "glite-wms-job-logging-info"
BANNER: Final = "===================== glite-wms-job-logging-info Success ====================="
_NAME: Final = 27
_AD_NAME: Final = 15

SYNTAX: Final = Syntax(
    COMMAND,
    "Shows what happened to jobs, event by event, oldest first.",
    ("[options] <job id> [<job id> ...]", "[options] --input <file of job ids>"),
    (
        (
            "Jobs and events",
            (
                valued("input", "<file>", "choose the jobs from this file", "i"),
                valued("event", "<type>", "only events of this type (repeatable)", many=True),
                valued("exclude", "<type>", "no events of this type (repeatable)", many=True),
                valued("from", "<[MM:DD:]hh:mm[:[CC]YY]>", "only events logged not before"),
                valued("to", "<[MM:DD:]hh:mm[:[CC]YY]>", "only events logged not after"),
                valued("user-tag", "<name=value>", "only jobs with this tag (repeatable)", many=True),
            ),
        ),
        (
            "Output",
            (
                LEVEL,
                valued("output", "<file>", "write the result to this file instead of the screen", "o"),
                options.JSON,
            ),
        ),
        ("Configuration", (options.CONFIG,)),
        ("Other", (options.NOINT, options.DEBUG, options.LOGFILE, options.HELP, options.VERSION)),
    ),
    exclusive=(excludes("event", "exclude"), excludes("json", "output", "debug")),
    notes=("Options come before the job ids; long options may be written with one dash.",),
    single_dash_words=True,
    usage_code=FAILURE,
    banner="Job Submission User Interface version",
    script=True,
)

_MAIN: Final = (
    "source",
    "destination",
    "result",
    "destId",
    "statusCode",
    "exitCode",
    "node",
    "name",
    "value",
    "queue",
    "helperName",
    "resource",
    "quantity",
    "unit",
    "reason",
    "timestamp",
)
"""What level 1 shows."""

_ADS: Final = ("jdl", "job", "classad")
_LAST: Final = ("level", "seqcode", "priority", *_ADS)
"""What only level 3 shows."""

_NEVER: Final = ("jobId", "type")


def check(line: CommandLine) -> None:
    """Jobs are named and the values are right."""
    level_of(line, 1)
    if not line.operands and not line.has("input"):
        raise UsageError("no job id is given")
    for text in line.texts("user-tag"):
        if "=" not in text:
            raise OptionError(f"wrong user tag: {text} (the form is name=value)", title="Wrong Argument Option")


def work(session: Session) -> int:
    """Show the events of each job."""
    line = session.line
    if not line.has("noint") and not line.has("json"):
        session.messages.result("")
    bookkeeping = Bookkeeping(session)
    jobs = inputfile.job_ids(line.operands, line.text("input"), session.messages, session.questions)
    wanted = _Filter(session)
    found: dict[str, list[LoggedEvent]] = {}
    failed: dict[str, GridError] = {}
    for job in jobs:
        try:
            events = bookkeeping.events(job)
        except ProxyError:
            raise
        except GridError as error:
            failed[str(job)] = error
            continue
        if wanted.tagged(events):
            found[str(job)] = [event for event in events if wanted.holds(event)]
    _report(session, found, failed)
    if failed or not found:
        return SOME_FAILED if found else FAILURE
    return 0


class _Filter:
    """The conditions of the options on events."""

    def __init__(self, session: Session) -> None:
        line = session.line
        self._only = {_type_key(text) for text in line.texts("event")}
        self._not = {_type_key(text) for text in line.texts("exclude")}
        since, until = line.text("from"), line.text("to")
        self._since = moment(since, session.now) if since else None
        self._until = moment(until, session.now) if until else None
        self._tags = [text.partition("=")[::2] for text in line.texts("user-tag")]

    def holds(self, event: LoggedEvent) -> bool:
        """True when the event is shown."""
        key, when = event.name.lower(), event.timestamp
        if (self._only and key not in self._only) or key in self._not:
            return False
        if self._since and (when is None or when < self._since):
            return False
        return not (self._until and (when is None or when > self._until))

    def tagged(self, events: Sequence[LoggedEvent]) -> bool:
        """True when the job carries all wanted tags."""
        have = {
            (str(event.fields.get("name", "")).lower(), str(event.fields.get("value", "")))
            for event in events
            if event.name == "UserTag"
        }
        return all((name.lower(), value) in have for name, value in self._tags)


def _type_key(text: str) -> str:
    """An event type by its name in any case, or by its number in L&B's order from 1."""
    if not text.isdigit():
        return text.lower()
    if not 0 < int(text) <= len(_TYPES):
        raise OptionError(f"no such event type: {text}", title="Wrong Argument Option")
    return _TYPES[int(text) - 1].lower()


_TYPES: Final = (
    "Transfer",
    "Accepted",
    "Refused",
    "EnQueued",
    "DeQueued",
    "HelperCall",
    "HelperReturn",
    "Running",
    "Resubmission",
    "Done",
    "Cancel",
    "Abort",
    "Clear",
    "Purge",
    "Match",
    "Pending",
    "RegJob",
    "Chkpt",
    "Listener",
    "CurDescr",
    "UserTag",
    "ChangeACL",
    "Notification",
    "ResourceUsage",
    "ReallyRunning",
    "Suspend",
    "Resume",
    "CollectionState",
    "GrantPayloadOwnership",
    "TakePayloadOwnership",
    "ConnectJob",
    "DisconnectJob",
)


def label(name: str) -> str:
    """``destId`` → ``Dest id``: L&B's name with blanks, capitalised."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower().capitalize()


def shown(event: LoggedEvent, level: int) -> dict[str, Any]:
    """The fields that a verbosity shows, in the order in which they are printed."""
    fields = {name: value for name, value in event.fields.items() if name not in _NEVER and value not in (None, "")}
    if level <= 1:
        return {name: fields[name] for name in _MAIN if name in fields}
    ordered = sorted(fields, key=lambda name: (name in _LAST, name.lower()))
    return {name: fields[name] for name in ordered if level > 2 or name not in _LAST}


def _lines(event: LoggedEvent, level: int) -> Iterator[str]:
    if level == 0:
        yield f" - {event.name}"
        return
    yield "\t---"
    yield f"Event: {event.name}"
    for name, value in shown(event, level).items():
        when = aware(value)
        text = asctime(when) if when else str(value)
        if name in _ADS:
            yield f"- {label(name):<{_AD_NAME}}=   {text}"
        else:
            yield f"- {label(name):<{_NAME}}=    {text}"


def document(job: str, events: Sequence[LoggedEvent], level: int) -> str:
    """The events of one job in their frame."""
    lines = ["", BANNER, "", "LOGGING INFORMATION:", "", f"Printing info for the Job : {job}", ""]
    lines += [line for event in events for line in _lines(event, level)]
    return "\n".join([*lines, bar(WIDTH), ""])


def _report(session: Session, found: dict[str, list[LoggedEvent]], failed: dict[str, GridError]) -> None:
    level = level_of(session.line, session.configuration.logging_level)
    if result.machine_readable(session):
        answer: dict[str, Any] = {"result": "success" if found else "failed"}
        for job, events in found.items():
            answer[job] = [
                {"event": event.name, **{name: plain(value) for name, value in shown(event, level).items()}}
                for event in events
            ]
        for job, error in failed.items():
            answer[job] = json_error(error)
        result.print_json(session, answer)
        return
    for job, error in failed.items():
        session.messages.stdout.flush()
        text = f"\n*** Warning: Unable to retrieve the logging info for: {job}\n{error.description}\n"
        print(visible(text), file=session.messages.stderr, flush=True)
    if found:
        print_or_save(session, "\n".join(document(job, events, level) for job, events in found.items()))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return run(SYNTAX, work, argv, check=check)


if __name__ == "__main__":
    sys.exit(main())
