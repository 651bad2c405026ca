"""Type and JobType: what kind of request a description is, and what the kinds need (gLite WMS JDL)."""

from __future__ import annotations

from typing import Final

from jdl.classad import ClassAd
from jdl.errors import MandatoryMissing, NotAccepted, TypeMismatch, WrongCombination, WrongValue

__all__ = [
    "INTERACTIVE",
    "MPICH",
    "NORMAL",
    "PARAMETRIC",
    "check_job_type",
    "check_listener",
    "job_types",
    "request_type",
]

NORMAL: Final = "normal"
INTERACTIVE: Final = "interactive"
MPICH: Final = "mpich"
PARAMETRIC: Final = "parametric"

MAX_PORT: Final = 65535

_TYPES: Final = ("job", "dag", "collection")
_DEPRECATED: Final = {
    "partitionable": "Partitionable Jobs are Deprecated",
    "checkpointable": "Checkpointable Jobs are Deprecated",
}
_LISTENER: Final = ("ListenerHost", "ListenerPort", "ListenerPipeName")


def request_type(ad: ClassAd) -> str:
    """``job``, ``dag`` or ``collection``; ``job`` when the description does not say.

    :raises TypeMismatch: 1503, no string.  :raises WrongValue: 1506, another word.
    """
    value = ad.string("Type")
    kind = "job" if value is None else value.lower()
    if kind not in _TYPES:
        raise WrongValue.because("Type", f"'{value}' is none of {', '.join(_TYPES)}", ad.where("Type"))
    return kind


def job_types(ad: ClassAd) -> tuple[str, ...]:
    """The JobType in lower case; ``("normal",)`` when the description does not say.

    More than one only as ``parametric`` with the type of its jobs.

    :raises TypeMismatch: 1503, no such type.  :raises NotAccepted: 1219, a type of old; 1220, several types.
    :raises WrongCombination: 1508, parametric with partitionable.
    """
    name, where = ad.spelling("JobType"), ad.where("JobType")
    values = tuple(dict.fromkeys(value.lower() for value in ad.strings("JobType"))) or (NORMAL,)
    if PARAMETRIC in values and "partitionable" in values:
        raise WrongCombination("Parametric, Partitionable", where)
    for value in values:
        if value in _DEPRECATED:
            raise NotAccepted(name, _DEPRECATED[value], where, code=1219)
        if value not in (NORMAL, INTERACTIVE, MPICH, PARAMETRIC):
            raise TypeMismatch.wrong_format(name, "MpiCh | Normal | Parametric | Interactive", where)
    if len([value for value in values if value != PARAMETRIC]) > 1:
        raise NotAccepted(name, "Composite Job Type not yet supported", where)
    return values


def check_job_type(ad: ClassAd) -> None:
    """The description is of one job; its Type and JobType are written in lower case.

    :raises NotAccepted: 1220, a DAG, a collection or a parametric job, which stands for many jobs; 1219 for an
        interactive one without its listener; and all that :func:`request_type` and :func:`job_types` raise.
    """
    kind = request_type(ad)
    if kind != "job":
        text = f'a description of type "{kind}" stands for many jobs, and one job is wanted here'
        raise NotAccepted("Type", text, ad.where("Type"))
    ad.set("Type", kind)
    types = job_types(ad)
    if PARAMETRIC in types:
        text = 'a description of JobType "parametric" stands for many jobs, and one job is wanted here'
        raise NotAccepted(ad.spelling("JobType"), text, ad.where("JobType"))
    ad.set("JobType", types[0])
    if types[0] == INTERACTIVE:
        for name in _LISTENER:
            if name not in ad or ad.value(name) == "":
                raise NotAccepted(name, f"Mandatory attribute {name} not set", ad.where(name), code=1219)


def check_listener(ad: ClassAd) -> None:
    """The listener is an address, and only an interactive job has one.

    :raises MandatoryMissing: 1505, JobType is missing beside it.  :raises WrongValue: 1506.
    :raises TypeMismatch: 1503.
    """
    interactive = ad.string("JobType") == INTERACTIVE
    for name in reversed(_LISTENER):
        if name in ad and not interactive:
            raise MandatoryMissing.group_incomplete(f"{name}, JobType", ad.where(name))
    port = ad.integer("ListenerPort")
    if port is not None and not 0 <= port <= MAX_PORT:
        detail = f"it is the number of a port, 0 to {MAX_PORT}"
        raise WrongValue.because(ad.spelling("ListenerPort"), detail, ad.where("ListenerPort"))
    for name in ("ListenerHost", "ListenerPipeName"):
        text = ad.string(name)
        if text is not None and any(not char.isprintable() for char in text):
            raise WrongValue.because(ad.spelling(name), "it holds a control character", ad.where(name))
