"""What a client does to a description before it is sent (gLite user interface).

The file system stays outside: who calls passes what expands wildcards and says whether a file exists.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from jdl.classad import ClassAd
from jdl.errors import FileConflict, MandatoryMissing
from jdl.jobtype import PARAMETRIC
from jdl.nodes import Expr, ListExpr, Literal
from jdl.parser import parse
from jdl.sandbox import leaf, scheme
from jdl.substitution import MARK
from jdl.tree import conjunction

__all__ = ["LocalFile", "fill_defaults", "local_files", "read", "rewrite_input_sandbox"]

_COMMENT: Final = re.compile(r"[ \t]*(?:#|//)")
_VARIABLE: Final = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_WILDCARD: Final = re.compile(r"[*?\[]")

_SWITCHES: Final = frozenset({"allowzippedisb", "perusalfileenable"})
_RETRIES: Final = {
    "retrycount": "DefaultNodeRetryCount",
    "shallowretrycount": "DefaultNodeShallowRetryCount",
}
_COMPOUND: Final = frozenset({"dag", "collection"})


@dataclass(frozen=True)
class LocalFile:
    """A file that the client uploads: its ``file://`` entry, its absolute path, its name in the sandbox."""

    uri: str
    path: str
    name: str


def read(text: str) -> ClassAd:
    """The ad in a JDL file.

    Comment lines and tabs are dropped and a string may go on over the end of a line, which becomes a blank.

    :raises JdlSyntaxError: with line and column of the file (a tab counts nothing).
    """
    lines = ["" if _COMMENT.match(line) else line.replace("\t", "") for line in text.split("\n")]
    return parse("\n".join(lines).replace("\r", ""), join_lines=True)


def fill_defaults(ad: ClassAd, vo: str, *layers: ClassAd | None) -> tuple[ClassAd, tuple[str, ...]]:
    """A copy of the ad with what it lacks.

    :param vo: the virtual organisation chosen for the submission; it always replaces the ad's.
    :param layers: default attributes, the first one's win over the later ones': the configuration's
        JdlDefaultAttributes, then the file of ``--default-jdl``.  The first Requirements found there are added to
        the ad's own.
    :returns: the ad, and warnings for the user.
    """
    own = ad.copy()
    warnings: list[str] = []
    given = own.string("VirtualOrganisation")
    if vo:
        if given and given.lower() != vo.lower():
            warnings.append(f"The VirtualOrganisation '{given}' of the job description is replaced by '{vo}'")
        own.set("VirtualOrganisation", vo)
    compound = (own.string("Type") or "job").lower() in _COMPOUND
    wanted = [layer.get("requirements") for layer in layers if layer is not None]
    for layer in layers:
        for name, value in layer.items() if layer is not None else ():
            _fill(own, name, value, compound)
    requirements = next((expr for expr in wanted if expr is not None), None)
    if requirements is not None and own.get("requirements") != requirements:
        own.set("requirements", conjunction(own.get("requirements"), requirements))
    if "AllowZippedISB" not in own:
        own.set("AllowZippedISB", False)
    return own, tuple(warnings)


def _fill(ad: ClassAd, name: str, value: Expr, compound: bool) -> None:
    key = name.lower()
    if key == "virtualorganisation":
        return
    if key in _SWITCHES and ClassAd([(name, value)]).boolean(name) is not True:
        return
    if key in _RETRIES and compound:
        name = _RETRIES[key]
    if name not in ad:
        ad.set(name, value)


def rewrite_input_sandbox(
    ad: ClassAd,
    cwd: str,
    environment: Mapping[str, str],
    expand: Callable[[str], Sequence[str]],
    exists: Callable[[str], bool],
    *,
    based: bool = False,
) -> tuple[ClassAd, tuple[LocalFile, ...]]:
    """A copy of the ad whose local input files are absolute ``file://`` URIs, and these files.

    Remote entries stay; so do relative ones when InputSandboxBaseURI is set, which they belong to, and references to
    files of other parts of a compound request.  An entry of a parametric job that holds the parameter stands for a
    file for each value: it is made absolute, and not looked for.

    :param expand: paths that a pattern (absolute, with wildcards) stands for, in order.
    :param exists: whether there is a regular file of that absolute path.
    :param based: InputSandboxBaseURI is inherited.
    :raises MandatoryMissing: 1505, a local file is not there.  :raises FileConflict: 1509, two have one name.
    """
    own = ad.copy()
    name, where = own.spelling("InputSandbox"), own.where("InputSandbox")
    based = based or own.string("InputSandboxBaseURI") is not None
    marked = any(kind.lower() == PARAMETRIC for kind in own.strings("JobType"))
    entries: list[str | Expr] = []
    files: list[LocalFile] = []
    for entry in _items(own.get("InputSandbox")):
        if not isinstance(entry, str):
            entries.append(entry)
            continue
        kind = scheme(entry)
        path = entry[len("file://") :] if kind == "file" else _variables(entry, environment)
        if (kind is not None and kind != "file") or (based and kind is None and not path.startswith("/")):
            entries.append(entry)
            continue
        path = posixpath.normpath(posixpath.join(cwd, path))
        if marked and MARK in path:
            entries.append(f"file://{path}")
            continue
        for found in _expanded(path, expand, exists):
            if not exists(found):
                raise MandatoryMissing.path_missing(name, found, where)
            uri = f"file://{found}"
            entries.append(uri)
            files.append(LocalFile(uri, found, posixpath.basename(found)))
    seen: set[str] = set()
    for entry in entries:
        if not isinstance(entry, str):
            continue
        item = leaf(entry)
        if item in seen:
            raise FileConflict(name, item, where)
        seen.add(item)
    if any(isinstance(entry, str) for entry in entries):
        own.set("InputSandbox", ListExpr(Literal(entry) if isinstance(entry, str) else entry for entry in entries))
    return own, tuple(files)


def _items(expr: Expr | None) -> list[str | Expr]:
    """The entries of an InputSandbox: strings, and what is to be evaluated later."""
    items = expr.items if isinstance(expr, ListExpr) else () if expr is None else (expr,)
    return [item.value if isinstance(item, Literal) and isinstance(item.value, str) else item for item in items]


def local_files(ad: ClassAd) -> tuple[LocalFile, ...]:
    """The files that a rewritten ad wants uploaded."""
    paths = [entry[len("file://") :] for entry in ad.strings("InputSandbox") if scheme(entry) == "file"]
    return tuple(LocalFile(f"file://{path}", path, posixpath.basename(path)) for path in paths)


def _expanded(path: str, expand: Callable[[str], Sequence[str]], exists: Callable[[str], bool]) -> Sequence[str]:
    if not _WILDCARD.search(path) or exists(path):
        return (path,)
    return tuple(expand(path)) or (path,)


def _variables(entry: str, environment: Mapping[str, str]) -> str:
    """A leading ``$NAME`` or ``${NAME}`` replaced; an unknown variable stays and is then a missing file."""
    match = _VARIABLE.match(entry)
    if match is None:
        return entry
    value = environment.get(match[1] or match[2])
    return entry if value is None else value + entry[match.end() :]
