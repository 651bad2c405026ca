"""Files of job ids or computing elements (``--input``) and the ids given on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clients.errors import FAILURE, Bye, ClientError, OptionError
from clients.questions import Menu
from grid.jobid import JobId, JobIdError

if TYPE_CHECKING:
    from clients.messages import Messages
    from clients.options import CommandLine
    from clients.questions import Questions

MAX_BYTES: Final = 16 << 20
"""Bytes of one input file."""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of an input file and the ``#*`` remarks that stand before it."""

    text: str
    remarks: tuple[str, ...] = ()


def read_items(path: str) -> list[Item]:
    """The items of a file: one on each line, ``#`` and ``//`` begin a comment line, ``#*`` a remark on the next item.

    :raises ClientError: the file is missing, unreadable, too large or holds no item.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ClientError(
            f"invalid input file : {path}\n{error.strerror or error}", title="File i/o Error"
        ) from error
    if len(data) > MAX_BYTES:
        raise ClientError(f"invalid input file : {path}\nlarger than {MAX_BYTES} bytes", title="File i/o Error")
    items: dict[str, Item] = {}
    remarks: list[str] = []
    for line in data.decode("utf-8", errors="replace").splitlines():
        text = line.strip()
        if text.startswith("#*"):
            remarks.append(text[2:].strip())
        elif text and not text.startswith(("#", "//")):
            items.setdefault(text, Item(text, tuple(remarks)))
            remarks = []
    if not items:
        raise ClientError(f"invalid input file : {path}\nit holds no item", title="File i/o Error")
    return list(items.values())


def job_ids(
    operands: Sequence[str],
    path: str | None,
    messages: Messages,
    questions: Questions,
    *,
    single: bool = False,
) -> list[JobId]:
    """The jobs that a command works on: its operands, or what the user picks from the file.

    :param single: the user picks one (the first when nobody can be asked).
    :raises OptionError: both or none are given.
    :raises ClientError: no id is right, or the file cannot be read.
    """
    if path is not None and operands:
        raise OptionError("a job id cannot be given together with --input")
    if path is None:
        return _distinct(_parsed(operands, messages, questions))
    items = read_items(path)
    parsed = _parsed([item.text for item in items], messages, questions)
    right = {str(job): job for job in parsed}
    remarks = {str(_job(item.text)): item.remarks for item in items if _job(item.text)}
    picked = questions.choose(Menu("jobId", single=single), list(right), [remarks.get(text, ()) for text in right])
    return [right[text] for text in picked]


def job_id(line: CommandLine, messages: Messages, questions: Questions) -> JobId:
    """The one job that a command works on: its operand, or the one that the user picks from the file of ``--input``.

    :raises OptionError: both, none or several are given.
    :raises ClientError: no id is right, or the file cannot be read.
    """
    if len(line.operands) > 1:
        raise OptionError(f"one job id is wanted, not {len(line.operands)}: {', '.join(line.operands)}")
    return job_ids(line.operands, line.text("input"), messages, questions, single=True)[0]


def resource_ids(path: str) -> list[str]:
    """The computing elements of a file; each holds a ``/``.

    :raises ClientError: the file cannot be read or holds something else.
    """
    texts = [item.text for item in read_items(path)]
    wrong = [text for text in texts if "/" not in text]
    if wrong:
        raise ClientError(
            f"{path}: not a computing element id (<host>:<port>/<queue>): {wrong[0]}", title="File i/o Error"
        )
    return texts


def _parsed(texts: Sequence[str], messages: Messages, questions: Questions) -> list[JobId]:
    wrong: list[str] = []
    right: list[JobId] = []
    for text in texts:
        job = _job(text)
        if job is None:
            wrong.append(text)
        else:
            right.append(job)
    if not wrong:
        return right
    reasons = "\n".join(JobIdError(text).description for text in wrong)
    if not right:
        raise ClientError(f"all parsed jobids in bad format\n{reasons}", title="Wrong JobId(s)")
    messages.warning("Wrong JobId(s)", reasons)
    if not questions.yes("Do you wish to continue ?", default=True, unasked=True):
        raise Bye(FAILURE)
    return right


def _job(text: str) -> JobId | None:
    try:
        return JobId.parse(text)
    except JobIdError:
        return None


def _distinct(jobs: Sequence[JobId]) -> list[JobId]:
    return list(dict.fromkeys(jobs))
