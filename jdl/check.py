"""Whether the server takes a job description, decided before anything is done for it.

The order of the checks is that of gLite WMS, and the first error wins.  A description here is that of one job; DAGs,
collections and parametric jobs are made of such descriptions by :mod:`jdl.compound`, which has each of them checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from jdl.alike import Alike
from jdl.attributes import ATTRIBUTES, PRIVATE, Attribute, Kind
from jdl.calls import check_calls
from jdl.classad import ClassAd
from jdl.cpus import check_cpus
from jdl.data import check_cost_rank, check_data
from jdl.errors import AttributeFault, JdlSyntaxError, MandatoryMissing, NotAccepted, TypeMismatch, WrongValue
from jdl.jobtype import check_job_type, check_listener
from jdl.nodes import ListExpr, Literal
from jdl.parser import SUBMITTED
from jdl.perusal import check_perusal
from jdl.sandbox import check_input, check_input_names, check_output, check_path, check_zipped, leaf

__all__ = [
    "CheckedJob",
    "Checker",
    "check",
    "check_expression",
    "check_value",
    "check_vo",
    "without_private",
]

MAX_USER_TAGS: Final = 100
"""Each tag is an event, and each event rewrites the job's status with all tags so far: the work is their square."""

_PRIVATE: Final = frozenset(name.lower() for name in PRIVATE)
SANDBOX: Final = ("inputsandbox", "inputsandboxdestfilename")
_VARIABLE: Final = re.compile(r"[^=\s\x00-\x1f]+=[^\x00]*", re.DOTALL)
_CE_ID: Final = re.compile(r"[^:/\s]+:[0-9]+/[^\-\s]+-[^\-\s]+-[^\s]+")
_CONTACT: Final = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True)
class CheckedJob:
    """A description that passed.

    ``ad`` is a copy of what was submitted, without the attributes that only the server sets, with Type and JobType
    in lower case; ``warnings`` are sentences for the user.
    """

    ad: ClassAd
    warnings: tuple[str, ...]


def check(ad: ClassAd, *, vo: str | None) -> CheckedJob:
    """Check a submitted description of one job.

    :param vo: the virtual organisation of the caller's proxy; empty when the proxy has none; None on the client's
        side, where it is not known yet and VirtualOrganisation is not looked at.
    :raises JdlSyntaxError: 1507, an empty ad, or one nested deeper than a submitted one may be.
    :raises NotAccepted: 1219, 1220, another kind of request, another VO than the proxy's.
    :raises AttributeFault: 15xx, an attribute is wrong; it knows the attribute and the position.
    """
    return _check(ad, vo, None)


class Checker:
    """Checks many descriptions of jobs that are alike: what they have in common is looked at once."""

    def __init__(self, vo: str | None) -> None:
        self._vo = vo
        self._alike = Alike()

    def share(self, ad: ClassAd) -> int:
        """Make the ad's expressions those of the ads given before, where they are equal.

        :returns: the characters of the ad's text, nearly.
        """
        return self._alike.share(ad)

    def check(self, ad: ClassAd) -> CheckedJob:
        """As :func:`check`; the ad is not to be changed afterwards."""
        checked = _check(ad, self._vo, self._alike.changed(ad))
        self._alike.learn(ad)
        return checked


def _check(ad: ClassAd, vo: str | None, changed: set[str] | None) -> CheckedJob:
    """Check what is ``changed`` since another description passed (names in lower case; None: everything)."""
    if not len(ad):
        raise JdlSyntaxError("Not a valid ClassAd")
    if ad.depth > SUBMITTED.depth:
        raise JdlSyntaxError(f"nested deeper than {SUBMITTED.depth} levels")
    own, warnings = without_private(ad)
    check_job_type(own)
    if vo is not None:
        check_vo(own, vo)
    for step in _STEPS:
        if changed is None or not changed.isdisjoint(step.reads):
            step.run(own)
    if vo is not None and not own.string("VirtualOrganisation") and not vo:
        raise MandatoryMissing.attribute_missing("VirtualOrganisation")
    for key in own.folded() if changed is None else own.folded() & changed:
        row = ATTRIBUTES.get(key)
        if row is not None:
            check_calls(own, key)
            check_value(own, row)
        elif changed is None:
            warnings.extend(_misused(own, key))
    if "NodeNumber" in own:
        warnings.append("NodeNumber: the attribute is deprecated, use CpuNumber")
    return CheckedJob(own, tuple(warnings))


def _misused(ad: ClassAd, key: str) -> list[str]:
    """What is wrong with calls in an attribute that the system gives no meaning."""
    try:
        check_calls(ad, key)
    except AttributeFault as error:
        return [error.sentence]
    return []


def without_private(ad: ClassAd) -> tuple[ClassAd, list[str]]:
    """A copy without the attributes that only the server sets, and what the user should know about it."""
    own = ad.copy()
    warnings = [f"{name}: the attribute is given more than once, the last value counts" for name in ad.duplicates]
    for name in _PRIVATE & own.folded():
        warnings.append(f"{own.spelling(name)}: only the server sets this attribute, the value is ignored")
        own.remove(name)
    return own, warnings


def check_vo(ad: ClassAd, vo: str) -> None:
    """The VirtualOrganisation, when given, is that of the caller's proxy.

    :raises NotAccepted: 1220.
    """
    given = ad.string("VirtualOrganisation")
    if given and vo and given.lower() != vo.lower():
        raise NotAccepted(
            ad.spelling("VirtualOrganisation"),
            f"Jdl VirtualOrganisation attribute ({given}) is different from "
            f"delegated Proxy Virtual Organisation ({vo})",
            ad.where("VirtualOrganisation"),
        )


# -- the steps, in order


def _check_expressions(ad: ClassAd) -> None:
    for name in ("rank", "requirements"):
        if name not in ad:
            raise MandatoryMissing.attribute_missing(name)
        check_expression(ad, name)


def check_expression(ad: ClassAd, name: str) -> None:
    """Rank or Requirements, when given, is an expression that may be a number, or true or false.

    :raises WrongValue: 1506, a list.  :raises TypeMismatch: 1503.
    """
    expr = ad.get(name)
    if isinstance(expr, ListExpr):
        raise WrongValue.is_list(ad.spelling(name), ad.where(name))
    constant = expr.value if isinstance(expr, Literal) else None
    if isinstance(expr, ClassAd) or isinstance(constant, str):
        raise _mismatch(ad, name, "an expression is wanted")
    if name == "requirements" and isinstance(constant, (int, float)) and not isinstance(constant, bool):
        raise _mismatch(ad, name, "an expression that is true or false is wanted")
    if name == "rank" and isinstance(constant, bool):
        raise _mismatch(ad, name, "an expression that is a number is wanted")


def _check_hlr(ad: ClassAd) -> None:
    ad.string("HLRLocation")
    for item in ad.strings("Environment"):
        if not _VARIABLE.fullmatch(item):
            where = ad.where("Environment")
            raise TypeMismatch.wrong_format(ad.spelling("Environment"), "<variable>=<value>", where)


def _check_executable(ad: ClassAd) -> None:
    if ad.string("Executable") is None:
        raise MandatoryMissing.attribute_missing("Executable")
    check_path(ad, "Executable")


def _check_logue(name: str) -> Callable[[ClassAd], None]:
    def step(ad: ClassAd) -> None:
        arguments = f"{name}Arguments"
        if arguments in ad and name not in ad:
            raise MandatoryMissing.group_incomplete(f"{name}, {arguments}", ad.where(arguments))
        check_path(ad, name)

    return step


def _check_streams(ad: ClassAd) -> None:
    output, error = ad.string("StdOutput"), ad.string("StdError")
    for name, path in (("StdOutput", output), ("StdError", error)):
        if path is not None and (".." in path.split("/") or leaf(path) in ("", ".") or "\n" in path):
            text = "wrong type caught for attribute (it must be a file in the job's working directory)"
            raise TypeMismatch(ad.spelling(name), text, ad.where(name))
    if output and error and leaf(output) == leaf(error) and output != error:
        raise MandatoryMissing.group_incomplete("StdOutput, StdError", ad.where("StdError"))


def _check_formats(ad: ClassAd) -> None:
    destination = ad.string("SubmitTo")
    if destination is not None and not _CE_ID.fullmatch(destination):
        right = "<full-hostname>:<port-number>/jobmanager-<service>-<queuename>"
        raise TypeMismatch.wrong_format(ad.spelling("SubmitTo"), right, ad.where("SubmitTo"))
    contact = ad.string("UserContact")
    if contact is not None and not _CONTACT.fullmatch(contact):
        raise TypeMismatch.wrong_format(ad.spelling("UserContact"), "user@host", ad.where("UserContact"))
    tags = ad.record("UserTags")
    if tags is not None:
        if len(tags) > MAX_USER_TAGS:
            reason = f"a job has at most {MAX_USER_TAGS} tags, and these are {len(tags)}"
            raise WrongValue.because(ad.spelling("UserTags"), reason, ad.where("UserTags"))
        for name in tags:
            tags.string(name)


@dataclass(frozen=True)
class _Step:
    """One check, and the attributes that decide what it says, in lower case."""

    run: Callable[[ClassAd], None]
    reads: tuple[str, ...]


_STEPS: Final = (
    _Step(_check_expressions, ("rank", "requirements")),
    _Step(check_input, ("inputsandbox", "inputsandboxbaseuri")),
    _Step(check_input_names, ("inputsandbox", "inputsandboxdestfilename")),
    _Step(check_zipped, ("zippedisb",)),
    _Step(_check_hlr, ("hlrlocation", "environment")),
    _Step(_check_executable, ("executable", *SANDBOX)),
    _Step(lambda ad: check_path(ad, "StdInput"), ("stdinput", *SANDBOX)),
    _Step(_check_logue("Prologue"), ("prologue", "prologuearguments", *SANDBOX)),
    _Step(_check_logue("Epilogue"), ("epilogue", "epiloguearguments", *SANDBOX)),
    _Step(check_data, ("inputdata", "datarequirements", "dataaccessprotocol", "replicacatalog", "outputdata")),
    _Step(_check_streams, ("stdoutput", "stderror")),
    _Step(check_output, ("outputsandbox", "outputsandboxdesturi", "outputsandboxbasedesturi")),
    _Step(check_cpus, ("cpunumber", "nodenumber", "smpgranularity", "hostnumber", "wholenodes")),
    _Step(check_cost_rank, ("rank", "inputdata", "datarequirements", "dataaccessprotocol")),
    _Step(_check_formats, ("submitto", "usercontact", "usertags")),
    _Step(check_listener, ("jobtype", "listenerport", "listenerhost", "listenerpipename")),
    _Step(check_perusal, ("perusalfilesdesturi", "perusaltimeinterval")),
)


# -- every attribute by the table


def _mismatch(ad: ClassAd, name: str, wanted: str) -> TypeMismatch:
    return TypeMismatch.wrong_type(ad.spelling(name), wanted, ad.where(name))


def check_value(ad: ClassAd, row: Attribute) -> None:
    """The attribute's value is of its kind and in its range.

    :raises TypeMismatch: 1503.  :raises WrongValue: 1506.
    """
    if row.kind is Kind.INTEGER:
        number = ad.integer(row.name)
        if number is not None and row.least is not None and number < row.least:
            raise WrongValue.because(ad.spelling(row.name), row.least_text, ad.where(row.name))
    else:
        getter = _GETTERS.get(row.kind)
        if getter is not None:
            getter(ad, row.name)


_GETTERS: Final[dict[Kind, Callable[[ClassAd, str], object]]] = {
    Kind.STRING: ClassAd.string,
    Kind.STRINGS: ClassAd.strings,
    Kind.REAL: ClassAd.real,
    Kind.BOOLEAN: ClassAd.boolean,
    Kind.RECORD: ClassAd.record,
}
