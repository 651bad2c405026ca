"""What a JSDL document runs: jsdl:Application with a jsdl-posix:POSIXApplication (GFD.56, sections 6.3 and 8.1).

Limits that the system's own ``ulimit`` can set are set by the shell that then becomes the program.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final

from jdl.classad import ClassAd
from jdl.jsdl_values import Part
from jdl.nodes import Expr, Literal, Operation, Reference

__all__ = ["POSIX", "Application", "Filesystems", "application"]

POSIX: Final = "http://schemas.ggf.org/jsdl/2005/11/jsdl-posix"

MEGABYTE: Final = 1 << 20

Filesystems = Callable[[Part, str], str]
"""The directory that an element's attribute filesystemName stands for, with a slash at its end; empty without one."""

_BLOCK, _KILOBYTE = 512, 1024
_ULIMITS: Final = {
    "FileSizeLimit": ("f", _BLOCK),
    "CoreDumpLimit": ("c", _BLOCK),
    "DataSegmentLimit": ("d", _KILOBYTE),
    "LockedMemoryLimit": ("l", _KILOBYTE),
    "OpenDescriptorsLimit": ("n", 1),
    "StackSizeLimit": ("s", _KILOBYTE),
    "CPUTimeLimit": ("t", 1),
    "VirtualMemoryLimit": ("v", _KILOBYTE),
}
"""Limits, the letter by which a POSIX shell knows them, and its unit."""

_LEAST: Final = {
    "WallTimeLimit": ("GlueCEPolicyMaxWallClockTime", 60),
    "CPUTimeLimit": ("GlueCEPolicyMaxCPUTime", 60),
    "MemoryLimit": ("GlueHostMainMemoryRAMSize", MEGABYTE),
    "VirtualMemoryLimit": ("GlueHostMainMemoryVirtualSize", MEGABYTE),
}
"""Limits that a computing element must grant: what it publishes, and the unit of that."""

_REFUSED: Final = {
    "WorkingDirectory": "a job runs in a directory of its own; leave it out, and stage files in and out by name",
    "PipeSizeLimit": "the size of pipes cannot be limited; leave it out",
    "UserName": "the account is the computing element's choice; leave it out",
    "GroupName": "the account is the computing element's choice; leave it out",
}


@dataclass(frozen=True)
class Application:
    """What is run: its attributes, what they require of a computing element, and tags that name it."""

    ad: ClassAd
    requirements: tuple[Expr, ...]
    tags: dict[str, str]


def application(part: Part | None, parent: Part, filesystems: Filesystems, staged: Collection[str]) -> Application:
    """What a document runs.

    :param parent: the JobDescription, for the error when there is no application.
    :param staged: names of the files that are staged in.
    :raises NotExpressible: 1225, naming the element.
    """
    if part is None:
        raise parent.refused("Application", "it is missing; give one with a POSIXApplication")
    posix: Part | None = None
    for item in part.foreign():
        known = item.name == "POSIXApplication" and item.namespace == POSIX and isinstance(item.value, Mapping)
        if not known or posix is not None:
            unknown = f"this element of the namespace {item.namespace} is not known here; use one POSIXApplication"
            raise part.refused(item.name, "it is given twice" if known else unknown)
        if isinstance(item.value, Mapping):
            posix = Part(item.value, f"{part.path}/{item.name}")
    if posix is None or not posix.text("Executable"):
        raise part.refused("POSIXApplication/Executable", "it is missing; nothing else says what to run")
    tags = {
        "ApplicationName": part.text("ApplicationName"),
        "ApplicationVersion": part.text("ApplicationVersion"),
        "ApplicationDescription": part.text("Description"),
        "POSIXApplicationName": posix.text("name"),
    }
    program = (_path(posix, "Executable", filesystems) or "").removeprefix("./")
    if not program.startswith("/") and program not in staged:
        raise posix.refused("Executable", f"'{program[:100]}' is no absolute path, and no DataStaging brings it")
    ad, requirements = _posix(posix, filesystems, program)
    return Application(ad, tuple(requirements), {name: text for name, text in tags.items() if text})


def _posix(posix: Part, filesystems: Filesystems, program: str) -> tuple[ClassAd, list[Expr]]:
    for name, reason in _REFUSED.items():
        text = posix.text(name)
        if text is not None and not (name == "WorkingDirectory" and text in ("", ".", "./")):
            raise posix.refused(name, reason)
    ad = ClassAd()
    _set_command(ad, posix, filesystems, program)
    for name, attribute in (("Input", "StdInput"), ("Output", "StdOutput"), ("Error", "StdError")):
        path = _path(posix, name, filesystems)
        if path:
            ad.set(attribute, path)
    variables = [
        f"{item.text('name')}={filesystems(item, 'filesystemName')}{item.text('value') or ''}"
        for item in posix.parts("Environment")
    ]
    if variables:
        ad.set("Environment", variables)
    requirements: list[Expr] = []
    for name, (published, unit) in _LEAST.items():
        limit = posix.number(name)
        if limit is not None:
            least = Literal(ceil(Fraction(limit, unit)))
            requirements.append(Operation((">=",), (Reference(published, "other"), least)))
    return ad, requirements


def _path(posix: Part, name: str, filesystems: Filesystems) -> str | None:
    found = posix.part(name)
    if found is None:
        return posix.text(name)
    return filesystems(found, "filesystemName") + (found.text("value") or "")


def _set_command(ad: ClassAd, posix: Part, filesystems: Filesystems, program: str) -> None:
    words = [filesystems(item, "filesystemName") + (item.text("value") or "") for item in posix.parts("Argument")]
    limits = _limits(posix)
    if limits:
        script = [*limits, 'if [ ! -x "$0" ]; then chmod u+x "$0"; fi', 'exec "$0" "$@"']
        words = ["-c", " && ".join(script), program if program.startswith("/") else f"./{program}", *words]
        program = "/bin/sh"
    ad.set("Executable", program)
    if words:
        ad.set("Arguments", " ".join(map(shlex.quote, words)))


def _limits(posix: Part) -> list[str]:
    """Commands of a POSIX shell that set the limits; a limit that cannot be set ends the job, and the shell says so."""
    commands: list[str] = []
    for name, (letter, unit) in _ULIMITS.items():
        limit = posix.number(name)
        if limit is not None:
            commands.append(f"ulimit -S -{letter} {ceil(Fraction(limit, unit))}")
    # the system counts threads where it says processes; shells call the limit -u or -p
    counts = [limit for name in ("ProcessCountLimit", "ThreadCountLimit") if (limit := posix.number(name)) is not None]
    if counts:
        least = min(counts)
        commands.append(f"{{ ulimit -S -u {least} 2>/dev/null || ulimit -S -p {least}; }}")
    return commands
