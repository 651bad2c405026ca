"""Files that a command writes for the user (``--output``)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clients.errors import ClientError

if TYPE_CHECKING:
    from clients.session import Session

IDS_HEADER: Final = "###Submitted Job Ids###"


def save(session: Session, text: str) -> Path:
    """Save a result to the file of ``--output``; asks what to do with an existing one, overwrites it unasked.

    :raises Bye: the user does not want to save.
    :raises ClientError: the file cannot be written.
    """
    path = Path(session.line.text("output") or "").absolute()
    append = path.exists() and session.questions.append_or_overwrite(str(path)) == "a"
    write(path, text if text.endswith("\n") else text + "\n", append=append)
    return path


def write(path: Path, text: str, *, append: bool) -> None:
    """Write or append, durably.

    :raises ClientError: the file cannot be written.
    """
    kind = os.O_APPEND if append else os.O_TRUNC
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | kind, 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ClientError(f"unable to write {path}: {error.strerror}", title="File i/o Error") from error


def check_writable(session: Session) -> None:
    """Find out before the work whether the file of ``--output`` can be written, so that no result is lost.

    :raises ClientError: it cannot.
    """
    given = session.line.text("output")
    if given is None:
        return
    path = Path(given).absolute()
    writable = os.access(path, os.W_OK) if path.exists() else os.access(path.parent, os.W_OK)
    if path.is_dir() or not writable:
        reason = "it is a directory" if path.is_dir() else "no permission, or no such directory"
        raise ClientError(f"unable to write {path}: {reason}", title="File i/o Error")


def may_hold_ids(session: Session) -> bool:
    """Ask before a file that holds something else becomes a list of job ids.

    :returns: True when the ids are appended, False when the file begins anew.
    :raises ClientError: the user wants neither.
    """
    path = Path(session.line.text("output") or "").absolute()
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("r", encoding="utf-8", errors="replace") as file:
        if file.readline().strip() == IDS_HEADER:
            return True
    question = f"The file {path} is not a list of job ids. Do you want to overwrite it ?"
    if session.questions.yes(question, default=True, unasked=True):
        return False
    raise ClientError(f"{path} is kept as it is; name another file with --output", title="File i/o Error")


def add_id(path: Path, jobid: str, *, append: bool, remark: str | None = None) -> None:
    """Add a job id; the header stands once, at the top.

    :param remark: a line for a menu, saved before the id.
    """
    head = "" if append else f"{IDS_HEADER}\n"
    note = f"#*{remark}\n" if remark else ""
    write(path, f"{head}{note}{jobid}\n", append=append)
