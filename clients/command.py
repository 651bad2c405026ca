"""One run of a command: reads the command line, does the work, frames errors, gives the exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from clients.errors import FAILURE, Bye, ClientError, UsageError
from clients.messages import Messages
from clients.options import CommandLine, Syntax
from clients.questions import Questions
from clients.session import Session
from clients.version import version
from grid.errors import GridError, JdlError, ProxyError

_ENDS: Final = (GridError, Bye, KeyboardInterrupt, OSError)
"""What a command ends with; everything else is a defect and shows where."""

Work = Callable[[Session], int]
Check = Callable[[CommandLine], None]


def run(
    syntax: Syntax,
    work: Work,
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    check: Check | None = None,
) -> int:
    """Run a command and return its exit code; nothing is raised.

    :param work: what the command does; its return value is the exit code.
    :param argv: the tokens behind the command's name; the process's own when None.
    :param environ: environment variables; the process's own when None.
    :param check: rules on the command line beyond those of ``syntax``; may raise UsageError or ClientError.
    """
    tokens = list(sys.argv[1:] if argv is None else argv)
    messages = Messages()
    try:
        line = syntax.parse(tokens)
        if line.has("help"):
            print(syntax.usage(version()), file=messages.stderr)
            return 0
        messages.quiet = line.has("nomsg") or line.has("json")
        messages.debugging = line.has("debug")
        variables = os.environ if environ is None else environ
        with contextlib.closing(_session(syntax, line, messages, variables)) as session:
            if line.has("version"):
                return _print_version(session)
            if not tokens:
                raise UsageError("")
            if check is not None:
                check(line)
            with _log(session):
                return _guarded(lambda: work(session), messages)
    except UsageError as error:
        if str(error):
            print(f"\n{error}", file=messages.stderr)
        print(syntax.usage(version()), file=messages.stderr)
        return syntax.usage_code
    except _ENDS as error:
        return _end(error, messages)


def _session(syntax: Syntax, line: CommandLine, messages: Messages, environ: Mapping[str, str]) -> Session:
    interactive = not any(line.has(name) for name in ("noint", "json", "nomsg"))
    return Session(syntax, line, messages, Questions(interactive=interactive), environ)


def _guarded(work: Callable[[], int], messages: Messages) -> int:
    """The work with its errors framed while the log file is still open."""
    try:
        return work()
    except _ENDS as error:
        return _end(error, messages)


def _end(error: BaseException, messages: Messages) -> int:
    if isinstance(error, Bye):
        messages.result("bye")
        return error.code
    if isinstance(error, KeyboardInterrupt):
        print("\ninterrupted", file=messages.stderr)
        return 130
    if isinstance(error, BrokenPipeError):
        # the reader has gone; what is left in the buffer must not raise once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    if isinstance(error, GridError):
        messages.error(title_of(error), text_of(error))
        return FAILURE
    if isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        messages.error("File i/o Error", f"{named}{error.strerror or error}")
        return FAILURE
    raise error


def title_of(error: GridError) -> str:
    """What stands behind ``Error - `` for an error of any room."""
    if isinstance(error, ClientError):
        return error.title
    if isinstance(error, ProxyError):
        return "Proxy Error"
    if isinstance(error, JdlError):
        return "JDL Error"
    return "WMProxy Server Error" if hasattr(error, "method") else "Operation failed"


def text_of(error: GridError) -> str:
    """The description, each cause on its own line and, for the fault of a server, its method and code."""
    lines = [error.description, *(cause for cause in error.causes if cause != error.description)]
    method = getattr(error, "method", None)
    if method:
        lines += ["", f"Method: {method}", f"Error code: {error.code}"]
    return "\n".join(lines)


def _print_version(session: Session) -> int:
    session.messages.result(f"\n{session.syntax.banner} {version()}\nApache License 2.0\n")
    if not session.syntax.script:
        from clients.endpoint import print_versions

        print_versions(session)
    return 0


@contextlib.contextmanager
def _log(session: Session) -> Iterator[None]:
    """The log file, when one is wanted, around the work."""
    named = session.line.text("logfile")
    if named is None and not session.line.has("debug"):
        yield
        return
    from clients.logfile import LogFile, default_path

    syntax, messages = session.syntax, session.messages
    path = Path(named) if named else default_path(session.configuration.error_storage, syntax.command)
    append = path.exists() and session.questions.append_or_overwrite(str(path)) == "a"
    log = LogFile(path, append=append)
    log.header(version(), syntax.command, session.line.tokens, session.line.operands)
    messages.log = log
    try:
        yield
    finally:
        messages.log = None
        log.close()
        where = f"Possible Errors and Debug messages have been printed in the following file:\n{log.path}"
        if not messages.quiet:
            print(f"\n*** Log file created ***\n{where}\n", file=messages.stdout, flush=True)
