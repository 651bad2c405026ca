"""The job description on its way to the server: read, filled with defaults and options, checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from clients.errors import ClientError, OptionError
from clients.timevalue import expiry, valid_until
from grid.errors import GridError
from grid.files import read_bounded
from grid.limits import MAX_JDL_BYTES

if TYPE_CHECKING:
    from clients.sandbox import LocalFile
    from clients.session import Session
    from jdl.tree import ClassAd

REQUIREMENTS: Final = 'other.GlueCEStateStatus == "Production"'
RANK: Final = "-other.GlueCEStateEstimatedResponseTime"
"""What the original's installation gave to jobs that say nothing."""


def load(session: Session, path: Path) -> ClassAd:
    """Read a JDL file and give it what it lacks: the configuration's defaults, those of ``--default-jdl``, options.

    :raises grid.errors.JdlError: it is no ClassAd; says where.
    :raises ClientError: it cannot be read, or no VO is known.
    """
    from jdl.client import fill_defaults
    from jdl.parser import parse_expression

    ad = read(path)
    extra = session.line.text("default-jdl")
    layers = (session.configuration.jdl_defaults, read(Path(extra)) if extra else None)
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


def finish(session: Session, ad: ClassAd) -> tuple[ClassAd, list[LocalFile]]:
    """Resolve the input sandbox and check the whole as the server will.

    :returns: the ad to send and the local files to upload.
    :raises grid.errors.JdlError: something is wrong with it; knows attribute and position.
    """
    from clients.sandbox import absorb
    from jdl.check import check

    if ad.boolean("AllowZippedISB"):
        session.messages.debug("AllowZippedISB:", "input files are sent one by one, not as an archive")
        ad.set("AllowZippedISB", False)
    rewritten, files = absorb(ad, Path.cwd(), session.environ)
    _warn(session, check(rewritten, vo=None).warnings)
    return rewritten, files


def read(path: Path) -> ClassAd:
    """The ad in a JDL file.

    :raises grid.errors.JdlError: it is no ClassAd; says where.
    :raises ClientError: it cannot be read.
    """
    from jdl.client import read as read_text

    try:
        text = read_bounded(path.resolve(), MAX_JDL_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError, GridError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        reason = error.description if isinstance(error, GridError) else reason
        raise ClientError(f"Unable to read the JDL file {path}: {reason}", title="File i/o Error") from error
    return read_text(text)


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
    resource = line.text("resource") or _picked_resource(session)
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
