"""What changes by the minute: which attributes that is in each schema, and their values in a record's ad."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from infosys import names
from infosys.ce_ads import CeRecord
from infosys.glue2_alias import state_aliases
from jdl.tree import ClassAd
from jdl.values import Record, Undefined

STATE: Final = (
    "GlueCEStateStatus",
    "GlueCEStateRunningJobs",
    "GlueCEStateWaitingJobs",
    "GlueCEStateTotalJobs",
    "GlueCEStateFreeJobSlots",
    "GlueCEStateFreeCPUs",
    "GlueCEStateEstimatedResponseTime",
    "GlueCEStateWorstResponseTime",
)
"""The attributes of an ad that a refresh brings, and those of GLUE 1.3 that it asks for."""

SHARE: Final = (
    *("ServingState", "RunningJobs", "WaitingJobs", "TotalJobs", "FreeSlots", "UsedSlots", "RequestedSlots"),
    *("EstimatedAverageWaitingTime", "EstimatedWorstWaitingTime", "FreeSlotsWithDuration"),
    *("LocalRunningJobs", "LocalWaitingJobs", "SuspendedJobs", "LocalSuspendedJobs", "StagingJobs"),
    "PreLRMSWaitingJobs",
)
"""The attributes of a GLUE2ComputingShare that a refresh brings, without the name of the class."""
ENDPOINT: Final = ("ServingState", "HealthState", "HealthStateInfo")
"""Likewise of the GLUE2Endpoint part of a GLUE2ComputingEndpoint."""
STATE2: Final = (
    *(f"GLUE2ComputingShare{name}" for name in SHARE),
    *(f"GLUE2Endpoint{name}" for name in ENDPOINT),
)
"""What a refresh asks of GLUE 2.0."""

Values: TypeAlias = tuple[str | int | bool | None, ...]
"""The values of :data:`STATE`; of a record of GLUE 2.0 those of :data:`SHARE` and :data:`ENDPOINT` follow.  None for an
attribute that has none."""


def mark(key: names.Key) -> str:
    """What stands for the name of an entry: a digest that nobody can find another name for."""
    return hashlib.blake2b("\n".join(key).encode("utf-8", "replace"), digest_size=16).hexdigest()


def is_glue2(ad: ClassAd) -> bool:
    """Whether an ad comes from GLUE 2.0 alone."""
    return isinstance(ad.get("GLUE2"), ClassAd) and "GlueCEHostingCluster" not in ad


def state_of(ad: ClassAd) -> Values:
    """The values of what changes by the minute in a record's ad."""
    own = _values(ad, STATE)
    if not is_glue2(ad):
        return own
    computing = _part(_part(ad, "GLUE2"), "Computing")
    return (*own, *_values(_part(computing, "Share"), SHARE), *_values(_part(computing, "Endpoint"), ENDPOINT))


def state_of_entries(share: ClassAd, endpoint: ClassAd) -> Values:
    """The same from what a refresh brought.

    :param share: the ad of the entry, with the names that it has there.  :param endpoint: likewise.
    """
    one, two = _short(share, "GLUE2ComputingShare", SHARE), _short(endpoint, "GLUE2Endpoint", ENDPOINT)
    return (*_values(state_aliases(one, two), STATE), *_values(one, SHARE), *_values(two, ENDPOINT))


def with_state(record: CeRecord, before: Values, values: Values) -> CeRecord:
    """The record with another state; what did not change is shared with the old one."""
    ad = record.ad.copy()
    end = len(STATE)
    _change(ad, STATE, before[:end], values[:end])
    if len(values) > end:
        nested = _part(ad, "GLUE2").copy()
        computing = _part(nested, "Computing").copy()
        for name, attributes in (("Share", SHARE), ("Endpoint", ENDPOINT)):
            start, end = end, end + len(attributes)
            if before[start:end] != values[start:end]:
                part = _part(computing, name).copy()
                _change(part, attributes, before[start:end], values[start:end])
                computing.set(name, part)
        nested.set("Computing", computing)
        ad.set("GLUE2", nested)
    return replace(record, ad=ad)


def _change(ad: ClassAd, attributes: Iterable[str], before: Values, values: Values) -> None:
    for name, old, value in zip(attributes, before, values, strict=True):
        if value is None:
            ad.remove(name)
        elif old != value or type(old) is not type(value):
            ad.set(name, value)


def _values(ad: ClassAd, attributes: Sequence[str]) -> Values:
    found: Iterable[Any] = (ad.value(name) for name in attributes)
    return tuple([None if isinstance(value, (Undefined, tuple, Record)) else value for value in found])


def _part(ad: ClassAd, name: str) -> ClassAd:
    """A nested ad; an empty one where there is none."""
    found = ad.get(name)
    return found if isinstance(found, ClassAd) else ClassAd()


def _short(ad: ClassAd, prefix: str, attributes: Iterable[str]) -> ClassAd:
    made = ClassAd()
    for name in attributes:
        value = ad.get(prefix + name)
        if value is not None:
            made.set(name, value)
    return made
