"""Perusal: which files of a running job may be looked at, where their new bytes go, and how often (gLite WMS)."""

from __future__ import annotations

from typing import Final

from jdl.classad import ClassAd
from jdl.errors import NotAccepted, TypeMismatch, WrongValue
from jdl.sandbox import below, scheme

__all__ = ["LIST_FILE", "MOST_SECONDS", "PEEK_DIRECTORY", "check_perusal", "complete_perusal", "wants_perusal"]

PEEK_DIRECTORY: Final = "peek"
LIST_FILE: Final = "files2peek"
"""In the peek directory: the files to look at, one name on each line."""

MOST_SECONDS: Final = 86_400
"""The longest interval between two looks."""


def wants_perusal(ad: ClassAd) -> bool:
    """Whether the description allows its files to be looked at while the job runs."""
    return ad.boolean("PerusalFileEnable") is True


def check_perusal(ad: ClassAd) -> None:
    """PerusalFilesDestURI, when given, is a place that the job can write to.

    :raises TypeMismatch: 1503, it is no URI.  :raises NotAccepted: 1220, its protocol is not served.
    :raises WrongValue: 1506, PerusalTimeInterval is longer than a day.
    """
    name, where = ad.spelling("PerusalFilesDestURI"), ad.where("PerusalFilesDestURI")
    uri = ad.string(name)
    if uri is not None:
        kind = scheme(uri)
        if kind is None or not uri.partition("://")[2].strip("/"):
            raise TypeMismatch.wrong_format(name, "<protocol>://<address>", where)
        if kind != "https":
            raise NotAccepted(name, f"chunks are sent by https only, not by {kind}", where)
    seconds = ad.integer("PerusalTimeInterval")
    if seconds is not None and seconds > MOST_SECONDS:
        name, where = ad.spelling("PerusalTimeInterval"), ad.where("PerusalTimeInterval")
        raise WrongValue.because(name, f"value cannot be greater than {MOST_SECONDS}", where)


def complete_perusal(ad: ClassAd, sandbox_uri: str, least_seconds: int) -> ClassAd:
    """The description with what the job wrapper must know; the ad itself when it wants no perusal.

    :param sandbox_uri: the URI of the job's directory.
    :param least_seconds: the shortest interval that the server allows, and the one for jobs that name none.
    """
    if not wants_perusal(ad):
        return ad
    own = ad.copy()
    peek = below(sandbox_uri, PEEK_DIRECTORY)
    own.set("PerusalListFileURI", below(peek, LIST_FILE))
    if not own.string("PerusalFilesDestURI"):
        own.set("PerusalFilesDestURI", peek)
    own.set("PerusalTimeInterval", max(1, least_seconds, own.integer("PerusalTimeInterval") or 0))
    return own
