"""Whether the server takes a job description, decided before anything is done for it.

The order of the checks is that of gLite WMS, and the first error wins.  This release takes jobs (``Type = "job"``)
of the JobType ``normal``; DAGs, collections, parametric, interactive and MPICH jobs are refused with code 1220 and a
sentence that names the type.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from jdl.attributes import ATTRIBUTES, PRIVATE, Attribute, Kind
from jdl.classad import ClassAd
from jdl.cpus import check_cpus
from jdl.data import check_cost_rank, check_data
from jdl.errors import JdlSyntaxError, MandatoryMissing, NotAccepted, TypeMismatch, WrongValue
from jdl.nodes import ListExpr, Literal
from jdl.parser import SUBMITTED
from jdl.sandbox import check_input, check_input_names, check_output, check_path, leaf

__all__ = ["CheckedJob", "check"]

MAX_USER_TAGS: Final = 100
"""Each tag is an event, and each event rewrites the job's status with all tags so far: the work is their square."""

_TYPES: Final = ("job", "dag", "collection")
_LATER: Final = frozenset({"parametric", "interactive", "mpich"})
_DEPRECATED: Final = {
    "partitionable": "Partitionable Jobs are Deprecated",
    "checkpointable": "Checkpointable Jobs are Deprecated",
}
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
    """Check a submitted description.

    :param vo: the virtual organisation of the caller's proxy; empty when the proxy has none; None on the client's
        side, where it is not known yet and VirtualOrganisation is not looked at.
    :raises JdlSyntaxError: 1507, an empty ad, or one nested deeper than a submitted one may be.
    :raises NotAccepted: 1219, 1220, a type of job that is not served, another VO than the proxy's.
    :raises AttributeFault: 15xx, an attribute is wrong; it knows the attribute and the position.
    """
    if not len(ad):
        raise JdlSyntaxError("Not a valid ClassAd")
    if ad.depth > SUBMITTED.depth:
        raise JdlSyntaxError(f"nested deeper than {SUBMITTED.depth} levels")
    own = ad.copy()
    warnings = [f"{name}: the attribute is given more than once, the last value counts" for name in ad.duplicates]
    for name in PRIVATE:
        if name in own:
            warnings.append(f"{own.spelling(name)}: only the server sets this attribute, the value is ignored")
            own.remove(name)
    _check_type(own)
    if vo is not None:
        _check_vo(own, vo)
    _check_job_type(own)
    for step in _STEPS:
        step(own)
    if vo is not None and not own.string("VirtualOrganisation") and not vo:
        raise MandatoryMissing.attribute_missing("VirtualOrganisation")
    for name in own:
        row = ATTRIBUTES.get(name.lower())
        if row is not None:
            _check_value(own, row)
    if "NodeNumber" in own:
        warnings.append("NodeNumber: the attribute is deprecated, use CpuNumber")
    return CheckedJob(own, tuple(warnings))


# -- what kind of job


def _check_type(ad: ClassAd) -> None:
    value = ad.string("Type")
    kind = "job" if value is None else value.lower()
    where = ad.where("Type")
    if kind not in _TYPES:
        raise WrongValue.because("Type", f"'{value}' is none of {', '.join(_TYPES)}", where)
    if kind != "job":
        raise NotAccepted("Type", f'jobs of type "{kind}" are not accepted by this server yet', where)
    ad.set("Type", kind)


def _check_vo(ad: ClassAd, vo: str) -> None:
    given = ad.string("VirtualOrganisation")
    if given and vo and given.lower() != vo.lower():
        raise NotAccepted(
            ad.spelling("VirtualOrganisation"),
            f"Jdl VirtualOrganisation attribute ({given}) is different from "
            f"delegated Proxy Virtual Organisation ({vo})",
            ad.where("VirtualOrganisation"),
        )


def _check_job_type(ad: ClassAd) -> None:
    name, where = ad.spelling("JobType"), ad.where("JobType")
    values = [value.lower() for value in ad.strings("JobType")] or ["normal"]
    for value in values:
        if value in _DEPRECATED:
            raise NotAccepted(name, _DEPRECATED[value], where, code=1219)
        if value != "normal" and value not in _LATER:
            raise TypeMismatch.wrong_format(name, "MpiCh | Normal | Parametric | Interactive", where)
    if len(values) > 1:
        raise NotAccepted(name, "Composite Job Type not yet supported", where)
    if values[0] in _LATER:
        raise NotAccepted(name, f'jobs of type "{values[0]}" are not accepted by this server yet', where)
    ad.set("JobType", values[0])


# -- the steps, in order


def _check_expressions(ad: ClassAd) -> None:
    for name in ("rank", "requirements"):
        expr = ad.get(name)
        if expr is None:
            raise MandatoryMissing.attribute_missing(name)
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
    for name in ("ListenerPort", "ListenerHost", "ListenerPipeName"):
        if name in ad:
            raise MandatoryMissing.group_incomplete(f"{name}, JobType", ad.where(name))


_STEPS: Final[tuple[Callable[[ClassAd], None], ...]] = (
    _check_expressions,
    check_input,
    check_input_names,
    _check_hlr,
    _check_executable,
    lambda ad: check_path(ad, "StdInput"),
    _check_logue("Prologue"),
    _check_logue("Epilogue"),
    check_data,
    _check_streams,
    check_output,
    check_cpus,
    check_cost_rank,
    _check_formats,
)


# -- every attribute by the table


def _mismatch(ad: ClassAd, name: str, wanted: str) -> TypeMismatch:
    return TypeMismatch.wrong_type(ad.spelling(name), wanted, ad.where(name))


def _check_value(ad: ClassAd, row: Attribute) -> None:
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
