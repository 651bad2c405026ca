"""The rules of the input and the output sandbox: names, checks, URIs (gLite WMS JDL).  No file is touched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from grid.limits import MAX_FILE_NAME
from jdl.classad import ClassAd
from jdl.errors import FileConflict, MandatoryMissing, Position, TypeMismatch, WrongCombination, WrongValue

__all__ = [
    "InputFile",
    "OutputPlan",
    "check_input",
    "check_input_names",
    "check_output",
    "check_path",
    "check_zipped",
    "has_wildcard",
    "input_file",
    "input_files",
    "leaf",
    "output_plan",
]

INPUT_DIRECTORY: Final = "input"
OUTPUT_DIRECTORY: Final = "output"

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://")
_INPUT_WILDCARDS: Final = re.compile(r"[*\[\]{}?$]")
_OUTPUT_WILDCARDS: Final = re.compile(r"[*?\[\]]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_URI_SAFE: Final = "!$&'()*+,;=:@"


@dataclass(frozen=True)
class InputFile:
    """One entry of the input sandbox: where it is fetched from, and its name in the job's working directory.

    ``uploaded``: the client brings it, so it is in the job's own sandbox.
    """

    uri: str
    name: str
    uploaded: bool


@dataclass(frozen=True)
class OutputPlan:
    """Where the output goes: a URI for each file, or, when names have wildcards, one URI below which all go."""

    files: tuple[str, ...]
    uris: tuple[str, ...]
    base_uri: str | None


def scheme(entry: str) -> str | None:
    """The scheme of a URI in lower case, None for a path."""
    match = _SCHEME.match(entry)
    return match[1].lower() if match else None


def leaf(entry: str) -> str:
    """The file's own name: what stands behind the last slash.

    Escapes of a URI are decoded, except behind ``file://``: clients write paths there as they are.
    """
    name = entry.rpartition("/")[2]
    return name if scheme(entry) in (None, "file") else unquote(name)


def has_wildcard(entry: str) -> bool:
    """Whether an output sandbox entry is a pattern of names."""
    return _OUTPUT_WILDCARDS.search(entry) is not None


def below(base: str, *names: str) -> str:
    """The URI of a file below another URI."""
    return "/".join([base.rstrip("/"), *(quote(name, safe=_URI_SAFE) for name in names)])


# -- input


def check_input(ad: ClassAd) -> None:
    """The entries of InputSandbox are names that can be files, and no two end in the same one.

    :raises TypeMismatch: 1503, no list of strings, a wildcard, a base that is no URI.
    :raises WrongValue: 1506, an entry that names no file.  :raises FileConflict: 1509.
    """
    name, where = ad.spelling("InputSandbox"), ad.where("InputSandbox")
    base = ad.string("InputSandboxBaseURI")
    if base is not None and scheme(base) is None:
        raise TypeMismatch.wrong_format(
            ad.spelling("InputSandboxBaseURI"), "<protocol>://<address>", ad.where("InputSandboxBaseURI")
        )
    entries = ad.strings("InputSandbox")
    for entry in entries:
        if _INPUT_WILDCARDS.search(entry):
            text = f"wrong type caught for attribute (filename not allowed, it has a wildcard: '{entry}')"
            raise TypeMismatch(name, text, where)
        _check_leaf(name, entry, where)
    _check_distinct(name, [leaf(entry) for entry in entries], where)


def check_input_names(ad: ClassAd) -> None:
    """InputSandboxDestFileName, when given, has one plain name for each entry.

    :raises WrongCombination: 1508.  :raises WrongValue: 1506.  :raises FileConflict: 1509.
    """
    name, where = ad.spelling("InputSandboxDestFileName"), ad.where("InputSandboxDestFileName")
    if name not in ad:
        return
    names = ad.strings(name)
    if len(names) != len(ad.strings("InputSandbox")):
        raise WrongCombination("InputSandbox and InputSandboxDestFileName cardinalities are different", where)
    for item in names:
        if "/" in item:
            raise WrongValue.because(name, f"'{item}' is not a plain file name", where)
        _check_leaf(name, item, where)
    _check_distinct(name, names, where)


def check_zipped(ad: ClassAd) -> None:
    """The entries of ZippedISB are distinct plain names: archives in the job's own input directory.

    :raises WrongValue: 1506.  :raises FileConflict: 1509.
    """
    name, where = ad.spelling("ZippedISB"), ad.where("ZippedISB")
    archives = ad.strings("ZippedISB")
    for archive in archives:
        if "/" in archive:
            raise WrongValue.because(name, f"'{archive[:100]}' is not a plain file name", where)
        _check_leaf(name, archive, where)
    _check_distinct(name, archives, where)


def check_path(ad: ClassAd, name: str) -> None:
    """Executable, StdInput, Prologue or Epilogue, when given: an absolute path, ``$VARIABLE/…``, or a sandbox file.

    :raises MandatoryMissing: 1505, no sandbox entry brings the file.  :raises WrongValue: 1506, a wildcard.
    """
    path = ad.string(name)
    if path is None:
        return
    spelt, where = ad.spelling(name), ad.where(name)
    if not path or _CONTROL.search(path):
        raise WrongValue.because(spelt, "it must be the path of a file", where)
    if path.startswith("$"):
        return
    if _INPUT_WILDCARDS.search(path):
        raise MandatoryMissing.path_missing(spelt, path, where)
    if path.startswith("/"):
        return
    if "/" in path:
        raise MandatoryMissing.path_missing(spelt, path, where)
    names = {leaf(entry) for entry in ad.strings("InputSandbox")} | set(ad.strings("InputSandboxDestFileName"))
    if path not in names:
        raise MandatoryMissing.path_missing(f"{spelt} (inside InputSandbox)", path, where)


def input_files(ad: ClassAd, sandbox_uri: str) -> tuple[InputFile, ...]:
    """The input sandbox of a checked ad as absolute URIs.

    An entry that is already below ``sandbox_uri`` stays as it is, so an ad may be rewritten more than once.

    :param sandbox_uri: WMPInputSandboxBaseURI, the URI of the job's directory.
    """
    base = ad.string("InputSandboxBaseURI")
    entries = ad.strings("InputSandbox")
    names = ad.strings("InputSandboxDestFileName") or tuple(map(leaf, entries))
    return tuple(input_file(entry, name, base, sandbox_uri) for entry, name in zip(entries, names, strict=True))


def input_file(entry: str, name: str, base: str | None, sandbox_uri: str) -> InputFile:
    """One entry of an input sandbox.

    :param name: its name in the job's working directory.  :param base: InputSandboxBaseURI.
    """
    kind = scheme(entry)
    if kind is not None and kind != "file":
        return InputFile(entry, name, entry.startswith(below(sandbox_uri, INPUT_DIRECTORY) + "/"))
    if kind is None and base is not None and not entry.startswith("/"):
        return InputFile(f"{base.rstrip('/')}/{entry}", name, False)
    return InputFile(below(sandbox_uri, INPUT_DIRECTORY, leaf(entry)), name, True)


# -- output


def check_output(ad: ClassAd) -> None:
    """The entries of OutputSandbox are distinct files, and what says where they go fits them.

    :raises FileConflict: 1509.  :raises WrongCombination: 1508.  :raises WrongValue: 1506.
    """
    name, where = ad.spelling("OutputSandbox"), ad.where("OutputSandbox")
    entries = ad.strings("OutputSandbox")
    for entry in entries:
        _check_leaf(name, entry, where)
    _check_distinct(name, [leaf(entry) for entry in entries], where)
    base = ad.string("OutputSandboxBaseDestURI")
    if base is not None and scheme(base) is None:
        raise TypeMismatch.wrong_format(
            ad.spelling("OutputSandboxBaseDestURI"),
            "<protocol>://<address>",
            ad.where("OutputSandboxBaseDestURI"),
        )
    if "OutputSandboxDestURI" not in ad:
        return
    there = ad.where("OutputSandboxDestURI")
    uris = ad.strings("OutputSandboxDestURI")
    if any(map(has_wildcard, entries)):
        raise WrongCombination("OutputSandbox (with WildCards), OutputSandboxDestURI", there)
    if len(uris) != len(entries):
        raise WrongCombination("OutputSandbox and OutputSandboxDestURI cardinalities are different", there)
    for uri in uris:
        _check_leaf(ad.spelling("OutputSandboxDestURI"), uri, there)
        if scheme(uri) is None and ".." in uri.split("/"):
            detail = f"'{uri}' leads out of the job's output directory"
            raise WrongValue.because(ad.spelling("OutputSandboxDestURI"), detail, there)


def output_plan(ad: ClassAd, sandbox_uri: str) -> OutputPlan:
    """Where the output sandbox of a checked ad goes.

    OutputSandboxDestURI wins over OutputSandboxBaseDestURI; with neither the files go to the job's own ``output``.

    :param sandbox_uri: the URI of the job's directory.
    """
    entries = ad.strings("OutputSandbox")
    base = ad.string("OutputSandboxBaseDestURI")
    own = below(sandbox_uri, OUTPUT_DIRECTORY)
    if any(map(has_wildcard, entries)):
        return OutputPlan(entries, (), base or own)
    given = ad.strings("OutputSandboxDestURI")
    if given:
        uris = tuple(uri if scheme(uri) else below(own, *uri.strip("/").split("/")) for uri in given)
    else:
        uris = tuple(below(base or own, leaf(entry)) for entry in entries)
    return OutputPlan(entries, uris, None)


# -- names


def _check_leaf(attribute: str, entry: str, where: Position | None) -> None:
    name = leaf(entry)
    bad = name in ("", ".", "..") or "/" in name or _CONTROL.search(entry) or _CONTROL.search(name)
    if bad or len(name.encode("utf-8", "surrogatepass")) > MAX_FILE_NAME:
        shown = _CONTROL.sub("?", entry[:100])
        raise WrongValue.because(attribute, f"'{shown}' does not name a file", where)


def _check_distinct(attribute: str, names: Sequence[str], where: Position | None) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise FileConflict(attribute, name, where)
        seen.add(name)
