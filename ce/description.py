"""What a computing element reads from a job description (CREAM's JDL): parsed once, at registration."""

from __future__ import annotations

import posixpath
import re
import shlex
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ce.errors import BadDescription
from grid.jobid import JobId
from grid.limits import MAX_FILE_NAME, MAX_JDL_BYTES
from grid.seqcode import SequenceCode
from jdl.classad import ClassAd
from jdl.parser import parse
from jdl.perusal import MOST_SECONDS, wants_perusal

MAX_FILES = 1000
"""Items of one sandbox list."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WILDCARD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class SandboxFile:
    """One file of a sandbox: its name in the working directory and where it comes from or goes to."""

    name: str
    uri: str


@dataclass(frozen=True, slots=True)
class Perusal:
    """What of the job may be looked at while it runs: where the list of files is, where new bytes go, how often."""

    list_uri: str
    destination: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the user that runs before or after the job's own."""

    executable: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobDescription:
    """A job as the wrapper needs it.

    ``arguments`` are the words of ``Arguments`` split as a POSIX shell splits them: quotes and backslashes
    group, and nothing else has a meaning (no variables, no globbing, no redirection).  ``output_patterns``
    are names with wildcards; what they match goes below ``output_base``.  ``slots`` is CpuNumber.
    """

    executable: str
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    stdin: str | None
    stdout: str | None
    stderr: str | None
    input: tuple[SandboxFile, ...]
    output: tuple[SandboxFile, ...]
    output_patterns: tuple[str, ...]
    output_base: str | None
    perusal: Perusal | None
    slots: int
    prologue: Program | None
    epilogue: Program | None
    queue: str
    batch_system: str | None
    vo: str | None
    grid_id: JobId | None
    sequence_code: SequenceCode | None


def read_description(text: str) -> JobDescription:
    """Parse and check the JDL of one job.

    :raises JdlError: the text is not a ClassAd, or an attribute has the wrong type (15xx).
    :raises BadDescription: a value cannot be used here; ``attribute`` names it.
    """
    if len(text.encode("utf-8")) > MAX_JDL_BYTES:
        raise BadDescription("JDL", f"larger than {MAX_JDL_BYTES} bytes")
    ad = parse(text)
    output, patterns, base = _output(ad)
    grid_id = ad.string("edg_jobid")
    code = ad.string("LB_sequence_code")
    return JobDescription(
        executable=_executable(ad, "Executable"),
        arguments=_arguments(ad, "Arguments"),
        environment=_environment(ad.strings("Environment")),
        stdin=_path(ad, "StdInput"),
        stdout=_path(ad, "StdOutput"),
        stderr=_path(ad, "StdError"),
        input=_input(ad),
        output=output,
        output_patterns=patterns,
        output_base=base,
        perusal=_perusal(ad),
        slots=max(1, ad.integer("CpuNumber") or ad.integer("NodeNumber") or 1),
        prologue=_program(ad, "Prologue"),
        epilogue=_program(ad, "Epilogue"),
        queue=_needed(ad, "QueueName"),
        batch_system=ad.string("BatchSystem"),
        vo=ad.string("VirtualOrganisation"),
        grid_id=JobId.parse(grid_id) if grid_id else None,
        sequence_code=SequenceCode.parse(code) if code else None,
    )


def _needed(ad: ClassAd, name: str) -> str:
    value = ad.string(name)
    if not value:
        raise BadDescription(name, "this attribute is mandatory")
    return value


def _path(ad: ClassAd, name: str) -> str | None:
    value = ad.string(name)
    if not value:
        return None
    return _clean(name, value)


def _clean(attribute: str, value: str) -> str:
    if _CONTROL.search(value):
        raise BadDescription(attribute, "control characters are not allowed in a file name")
    if len(value.encode("utf-8")) > 4000:
        raise BadDescription(attribute, "longer than 4000 bytes")
    return value


def _executable(ad: ClassAd, name: str) -> str:
    value = _clean(name, _needed(ad, name))
    if value.startswith("/"):
        return value
    return "./" + posixpath.normpath(value)


def _program(ad: ClassAd, name: str) -> Program | None:
    if not ad.string(name):
        return None
    return Program(_executable(ad, name), _arguments(ad, f"{name}Arguments"))


def _arguments(ad: ClassAd, name: str) -> tuple[str, ...]:
    text = ad.string(name)
    if not text:
        return ()
    if "\0" in text:
        raise BadDescription(name, "a NUL character cannot be passed to a program")
    try:
        return tuple(shlex.split(text, comments=False, posix=True))
    except ValueError as error:
        raise BadDescription(name, f"{str(error).lower()}; quote it as for a shell") from error


def _environment(items: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name or "\0" in item:
            raise BadDescription("Environment", f"{item[:80]!r} is not of the form NAME=value")
        pairs.append((name, value))
    return tuple(pairs)


def _input(ad: ClassAd) -> tuple[SandboxFile, ...]:
    uris = _bounded("InputSandbox", ad.strings("InputSandbox"))
    names = ad.strings("InputSandboxDestFileName")
    if names and len(names) != len(uris):
        raise BadDescription("InputSandboxDestFileName", "needs as many items as InputSandbox")
    files = []
    for index, uri in enumerate(uris):
        _https("InputSandbox", uri)
        leaf = names[index] if names else unquote(urlsplit(uri).path.rpartition("/")[2])
        files.append(SandboxFile(_leaf("InputSandbox", leaf), uri))
    return tuple(files)


def _output(ad: ClassAd) -> tuple[tuple[SandboxFile, ...], tuple[str, ...], str | None]:
    names = [_clean("OutputSandbox", name) for name in _bounded("OutputSandbox", ad.strings("OutputSandbox"))]
    uris = ad.strings("OutputSandboxDestURI")
    base = ad.string("OutputSandboxBaseDestURI")
    if uris:
        if len(uris) != len(names):
            raise BadDescription("OutputSandboxDestURI", "needs as many items as OutputSandbox")
        for uri in uris:
            _https("OutputSandboxDestURI", uri)
        return tuple(map(SandboxFile, names, uris)), (), None
    if not names:
        return (), (), None
    if not base:
        raise BadDescription("OutputSandbox", "OutputSandboxDestURI or OutputSandboxBaseDestURI must say where to")
    _https("OutputSandboxBaseDestURI", base)
    plain = [name for name in names if not _WILDCARD.search(name)]
    files = [SandboxFile(name, f"{base.rstrip('/')}/{posixpath.basename(name)}") for name in plain]
    return tuple(files), tuple(name for name in names if _WILDCARD.search(name)), base


def _perusal(ad: ClassAd) -> Perusal | None:
    if not wants_perusal(ad):
        return None
    uris = []
    for name in ("PerusalListFileURI", "PerusalFilesDestURI"):
        uris.append(_needed(ad, name))
        _https(name, uris[-1])
    return Perusal(uris[0], uris[1], min(max(1, ad.integer("PerusalTimeInterval") or 0), MOST_SECONDS))


def _bounded(attribute: str, items: tuple[str, ...]) -> tuple[str, ...]:
    if len(items) > MAX_FILES:
        raise BadDescription(attribute, f"has {len(items)} items; at most {MAX_FILES} are allowed")
    return items


def _https(attribute: str, uri: str) -> None:
    try:
        parts = urlsplit(uri)
        good = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or _CONTROL.search(uri) or " " in uri or not uri.isascii():
        raise BadDescription(attribute, f"{uri[:200]!r} is not an absolute https URI")


def _leaf(attribute: str, name: str) -> str:
    bad = not name or name in (".", "..") or "/" in name or _CONTROL.search(name)
    if bad or len(name.encode("utf-8")) > MAX_FILE_NAME:
        raise BadDescription(attribute, f"{name[:80]!r} cannot be the name of a file in the working directory")
    return name
