"""The job description on its way to the server: read, filled with defaults and options, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clients.errors import ClientError, OptionError
from clients.timevalue import expiry, valid_until
from grid.errors import GridError, InvalidArgument, JdlError
from grid.files import read_bounded
from grid.limits import MAX_JDL_BYTES
from jdl.draft import check_distinct, sanitised

if TYPE_CHECKING:
    from clients.sandbox import LocalFile
    from clients.session import Session
    from clients.zippedsandbox import Archive
    from jdl.tree import ClassAd

REQUIREMENTS: Final = 'other.GlueCEStateStatus == "Production"'
RANK: Final = "-other.GlueCEStateEstimatedResponseTime"
"""What the original's installation gave to jobs that say nothing."""

_FILE_ERROR: Final = "File i/o Error"


@dataclass(frozen=True, slots=True)
class Description:
    """A description that is ready to be sent.

    :ivar ad: with absolute local files.
    :ivar files: these files.
    :ivar nodes: the names of its nodes, in order; empty for a simple job.
    :ivar jsdl: the JSDL document that is sent instead; None for JDL.
    :ivar archives: what the files go in, if not one by one; the ad names them.
    """

    ad: ClassAd
    files: Sequence[LocalFile]
    nodes: tuple[str, ...] = ()
    jsdl: bytes | None = None
    archives: tuple[Archive, ...] = ()


def load(session: Session, path: Path) -> ClassAd:
    """Read a JDL file and give it what it lacks: the configuration's defaults, those of ``--default-jdl``, options.

    :raises grid.errors.JdlError: it is no ClassAd; says where.
    :raises ClientError: it cannot be read, or no VO is known.
    """
    return fill(session, read(path))


def of_directory(directory: Path, kind: str) -> ClassAd:
    """The JDL files in a directory as one ``collection`` or ``dag``; each node has the name of its file.

    :raises ClientError: the directory or one of the files cannot be read, one is no ClassAd, or there is none.
    """
    from jdl.tree import ClassAd, from_python

    try:
        paths = sorted(path for path in directory.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise ClientError(f"Unable to read the directory {directory}: {error.strerror}", title=_FILE_ERROR) from error
    if not paths:
        raise ClientError(f"there is no JDL file in the directory {directory}", title=_FILE_ERROR)
    ad = ClassAd()
    ad.set("Type", kind)
    nodes = [(sanitised(path.name), _read_named(path)) for path in paths]
    check_distinct((name, None) for name, _ in nodes)
    if kind == "dag":
        ad.set("Nodes", ClassAd([(name, ClassAd([("description", node)])) for name, node in nodes]))
        ad.set("Dependencies", from_python([]))
        return ad
    for name, node in nodes:
        if "NodeName" not in node:
            node.set("NodeName", name)
    ad.set("Nodes", from_python([node for _, node in nodes]))
    return ad


def of_jsdl(session: Session, path: Path) -> Description:
    """A JSDL document: sent as it is, and translated here as the server will, for its files and its mistakes.

    :raises ClientError: it cannot be read, is no JSDL, or cannot be expressed as a job description.
    :raises JdlError: the job description that it makes is wrong.
    """
    from grid import xmldoor
    from jdl.jsdl import to_jdl
    from jdl.parser import parse
    from wsdl.jsdl import decoded

    data = _bytes(path)
    try:
        text = to_jdl(decoded(xmldoor.parse(data)))
    except InvalidArgument as error:
        found = f"The following error has been found in {path}:\n{error.description}"
        raise ClientError(found, title="JSDL Error", causes=error.causes) from error
    ad = parse(text)
    description = finish(session, ad)
    return replace(description, jsdl=data)


def fill(session: Session, ad: ClassAd) -> ClassAd:
    """Give a description what it lacks: the configuration's defaults, those of ``--default-jdl``, options.

    :raises ClientError: no VO is known, or an option does not go with this kind of job.
    """
    from jdl.client import fill_defaults
    from jdl.clientnodes import with_files
    from jdl.parser import parse_expression

    ad = with_files(ad, lambda name: _read_named(Path(name)))
    extra = session.line.text("default-jdl")
    layers = (session.configuration.jdl_defaults, _read_named(Path(extra)) if extra else None)
    vo = session.vo or ad.string("VirtualOrganisation")
    if not vo:
        raise ClientError(
            "Unable to find any VirtualOrganisation\nthe proxy carries no VOMS attributes, and neither --vo nor the "
            "configuration nor the job description names one",
            title="Vo Error",
        )
    filled, warnings = fill_defaults(ad, vo, *layers)
    for name, text in (("requirements", REQUIREMENTS), ("rank", RANK)):
        if name not in filled:
            filled.set(name, parse_expression(text))
    _add_options(session, filled)
    _warn(session, warnings)
    return filled


def finish(session: Session, ad: ClassAd, *, zipped: bool = False) -> Description:
    """Resolve the input sandboxes and check the whole as the server will.

    :param zipped: the files go in archives when the description allows it.
    :raises grid.errors.JdlError: something is wrong with it; knows attribute and position.
    :raises ClientError: a local file cannot be sent.
    """
    from clients import sandbox
    from clients.zippedsandbox import plan
    from jdl.check import check
    from jdl.compound import expand

    absorbed = sandbox.absorb(ad, Path.cwd(), session.environ)
    compound = expand(absorbed, vo=None)
    _check_options(session, compound is not None)
    _warn(session, check(absorbed, vo=None).warnings if compound is None else compound.warnings)
    names = tuple(node.name for node in compound.nodes) if compound is not None else ()
    files = sandbox.files(absorbed, compound)
    archives: tuple[Archive, ...] = ()
    if zipped and files and absorbed.boolean("AllowZippedISB"):
        archives = plan(files)
        absorbed.set("ZippedISB", [archive.name for archive in archives])
    return Description(absorbed, files, names, archives=archives)


def read(path: Path) -> ClassAd:
    """The ad in a JDL file.

    :raises grid.errors.JdlError: it is no ClassAd; says where.
    :raises ClientError: it cannot be read.
    """
    from jdl.client import read as read_text

    try:
        text = _bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ClientError(f"Unable to read the JDL file {path}: it is not UTF-8 text", title=_FILE_ERROR) from error
    return read_text(text)


def _read_named(path: Path) -> ClassAd:
    """The ad in one of several JDL files, so that an error must say in which of them it is.

    :raises ClientError: it is no ClassAd, or cannot be read.
    """
    try:
        return read(path)
    except JdlError as error:
        raise ClientError(f"In the file {path}:\n{error.description}", title="JDL Error") from error


def _bytes(path: Path) -> bytes:
    try:
        return read_bounded(path.resolve(), MAX_JDL_BYTES)
    except (OSError, GridError) as error:
        reason = error.description if isinstance(error, GridError) else error.strerror
        raise ClientError(f"Unable to read the file {path}: {reason}", title=_FILE_ERROR) from error


def _check_options(session: Session, compound: bool) -> None:
    """Options that go with the other kind of job only."""
    line = session.line
    wrong = ("resource", "input", "lrms") if compound else ("nodes-resource",)
    kind = "a DAG, a collection or a parametric job" if compound else "a simple job"
    for name in wrong:
        if line.has(name):
            raise OptionError(f"Incompatible Argument: --{name} does not go with {kind}")


def _warn(session: Session, warnings: tuple[str, ...]) -> None:
    if warnings:
        session.messages.warning("Following Warning(s) found while parsing JDL:", "\n".join(warnings))


def _add_options(session: Session, ad: ClassAd) -> None:
    line = session.line
    end = line.text("to")
    span = line.text("valid")
    if end or span:
        moment = expiry(end, session.now) if end else valid_until(span or "", session.now)
        ad.set("ExpiryTime", int(moment.timestamp()))
    resource = line.text("resource") or line.text("nodes-resource") or _picked_resource(session)
    if resource:
        if "/" not in resource:
            raise OptionError(f"--resource {resource}: not a computing element id (<host>:<port>/<queue>)")
        ad.set("SubmitTo", resource)
    lrms = line.text("lrms")
    if lrms:
        ad.set("lrms_type", lrms)


def _picked_resource(session: Session) -> str | None:
    """One computing element of the file of ``--input``; the first when nobody can be asked."""
    path = session.line.text("input")
    if path is None:
        return None
    from clients.inputfile import resource_ids
    from clients.questions import Menu

    return session.questions.choose(Menu("resource", single=True), resource_ids(path))[0]
