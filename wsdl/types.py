"""The structures of the WMProxy contract as Python values, for what a service answers.

Field names are the contract's.  ``StringList`` and ``JobTypeList`` are plain lists of texts, ``StringAndLongList``
is a list of :class:`StringAndLong`, ``DestURIsStructType`` a list of :class:`DestURIStruct`.  What a request
carries arrives as dicts with the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobIdStruct:
    """``JobIdStructType``: a job and its nodes.

    :ivar path: the input sandbox directory as the server names it, None when there is none.
    """

    id: str
    name: str | None = None
    path: str | None = None
    childrenJob: Sequence[JobIdStruct] = ()


@dataclass(frozen=True, slots=True)
class JobStatusStruct:
    """``JobStatusStructType``: a job, its state and its nodes."""

    jobid: str
    status: str
    childrenJob: Sequence[JobStatusStruct] = ()


@dataclass(frozen=True, slots=True)
class StringAndLong:
    """``StringAndLongType``: a file's URI and its size in bytes, or a computing element's id and its rank."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class DestURIStruct:
    """``DestURIStructType``: a job id and where its input files go, one URI or more."""

    id: str
    Item: Sequence[str]


@dataclass(frozen=True, slots=True)
class VOProxyInfoStruct:
    """``VOProxyInfoStructType``: one VOMS attribute certificate of a proxy; all texts."""

    User: str
    UserCA: str
    Server: str
    ServerCA: str
    VOName: str
    URI: str
    StartTime: str
    EndTime: str
    Attribute: Sequence[str]


@dataclass(frozen=True, slots=True)
class ProxyInfoStruct:
    """``ProxyInfoStructType``: a proxy certificate and its VOMS attribute certificates; all texts."""

    Subject: str
    Issuer: str
    Identity: str
    Type: str
    Strength: str
    StartTime: str
    EndTime: str
    VOsInfo: Sequence[VOProxyInfoStruct] = ()


@dataclass(frozen=True, slots=True)
class NewProxyReq:
    """``NewProxyReq`` of delegation-2: a PEM certificate request and the delegation id the server chose."""

    proxyRequest: str | None
    delegationID: str | None
