"""``.BrokerInfo``: what a running job can know of where it is and where its data is (gLite WMS, brokerinfo).

A ClassAd::

    [
      ComputingElement = [ name = "<CE id>"; CloseStorageElements = { [ name; mount; freespace; … ], … } ];
      StorageElements = { [ name; protocols = { [ name; port ], … } ], … };
      InputFNs = { [ name = "<lfn>"; SFNs = { "<url>", … } ], … };
      DataAccessProtocol = { … };
      VirtualOrganisation = "<vo>";
    ]

It stands in the job's input sandbox and goes to the job with it.  A power cut may lose the file; then the job does not
find its input, and is matched, and the file written, anew.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from pathlib import Path
from typing import Final

from broker.closeness import binds
from broker.data import DataPlan
from broker.errors import BrokerInfoFailed
from broker.job import Job
from broker.supermarket import Snapshot
from grid.files import make_directory, write_new
from grid.limits import BROKER_INFO, MAX_BROKER_INFO
from infosys import names
from infosys.ce_ads import CeRecord
from infosys.se_ads import SeRecord, storage_area
from jdl.tree import ClassAd
from jdl.values import Record

MAX_SFNS: Final = 100
"""Replicas of one file that are named."""

_PREFIXES: Final = ("gluese", "gluesa", "glueinformationserviceurl", "gluecesebind")


def broker_info(job: Job, record: CeRecord, snapshot: Snapshot, plan: DataPlan | None) -> ClassAd:
    """The ad for a job that goes to ``record``."""
    vo = job.ad.string("VirtualOrganisation") or ""
    close = [_close(name, mount, record, snapshot.storage.get(names.fold(name)), vo) for name, mount in binds(record)]
    element = ClassAd()
    element.set("name", record.ce_id)
    element.set("CloseStorageElements", close)
    ad = ClassAd()
    ad.set("ComputingElement", element)
    ad.set("StorageElements", [_element(each) for each in plan.storage()] if plan else [])
    files = []
    for each in plan.replicas if plan else ():
        file = ClassAd()
        file.set("name", each.file.name)
        file.set("SFNs", list(each.urls[:MAX_SFNS]))
        files.append(file)
    ad.set("InputFNs", files)
    for name in ("DataAccessProtocol", "VirtualOrganisation"):
        value = job.ad.get(name)
        if value is not None:
            ad.set(name, value)
    return ad


def write(job: Job, record: CeRecord, snapshot: Snapshot, plan: DataPlan | None) -> None:
    """Put the file into the job's input sandbox, in the place of an earlier one.

    :raises BrokerInfoFailed: it is too large, or the file system refuses.
    """
    place = input_sandbox(job)
    if place is None:
        return
    path = place / BROKER_INFO
    urls = sum(len(url) for each in (plan.replicas if plan else ()) for url in each.urls[:MAX_SFNS])
    if urls > MAX_BROKER_INFO:
        raise BrokerInfoFailed(path, f"the replicas alone have {urls} characters, more than {MAX_BROKER_INFO}")
    data = broker_info(job, record, snapshot, plan).text().encode() + b"\n"
    if len(data) > MAX_BROKER_INFO:
        raise BrokerInfoFailed(path, f"it would have {len(data)} bytes, more than {MAX_BROKER_INFO}")
    fresh = place / f"{BROKER_INFO}.{secrets.token_hex(6)}.tmp"
    try:
        if not place.is_dir():
            _make_sandbox(place.parent)
        write_new(fresh, data, sync=False)
        os.rename(fresh, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise BrokerInfoFailed(path, error.strerror or str(error)) from error


def _make_sandbox(directory: Path) -> None:
    """Make the directory of a node, which has none until its first file comes: whole, or not at all."""
    temporary = make_directory(directory.parent, 0o700) / f".making-{secrets.token_hex(8)}"
    os.mkdir(temporary, 0o700)
    try:
        for name in ("input", "output", "peek"):
            os.mkdir(temporary / name, 0o700)
        os.rename(temporary, directory)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # the first file has come meanwhile
            raise


def input_sandbox(job: Job) -> Path | None:
    """The directory of the job's input sandbox; None for a job without one, or whose element the user has chosen."""
    path = job.ad.string("InputSandboxPath")
    return Path(path) if path and job.submit_to is None and job.ad.string("WMPInputSandboxBaseURI") else None


def uri(job: Job) -> str | None:
    """Where the file is fetched from; None for a job that gets none."""
    return f"{job.ad.string('WMPInputSandboxBaseURI')}/input/{BROKER_INFO}" if input_sandbox(job) is not None else None


def _close(name: str, mount: str, record: CeRecord, storage: SeRecord | None, vo: str) -> ClassAd:
    made = ClassAd()
    made.set("name", name)
    made.set("mount", mount)
    area = storage_area(storage, vo) if storage is not None else None
    space = area.get("GlueSAStateAvailableSpace") if area is not None else None
    if space is not None:
        made.set("freespace", space)
    for source in (_bind(record, name), storage.ad if storage is not None else None, area):
        for attribute, value in source.items() if source is not None else ():
            if attribute.lower().startswith(_PREFIXES) and not _holds_ads(source, attribute):
                made.set(attribute, value)
    return made


def _bind(record: CeRecord, name: str) -> ClassAd | None:
    close = record.ad.value("CloseStorageElements")
    records = (each.ad for each in (close if isinstance(close, tuple) else ()) if isinstance(each, Record))
    return next((ad for ad in records if ad.value("name") == name), None)


def _holds_ads(ad: ClassAd | None, attribute: str) -> bool:
    value = ad.value(attribute) if ad is not None else None
    return attribute.lower() in ("gluesa", "glueseaccessprotocol", "gluesecontrolprotocol") or (
        isinstance(value, tuple) and any(isinstance(each, Record) for each in value)
    )


def _element(storage: SeRecord) -> ClassAd:
    protocols = []
    published = storage.ad.value("GlueSEAccessProtocol")
    for each in published if isinstance(published, tuple) else ():
        if isinstance(each, Record):
            kind, port = each.ad.value("GlueSEAccessProtocolType"), each.ad.value("GlueSEAccessProtocolPort")
            protocol = ClassAd()
            protocol.set("name", kind if isinstance(kind, str) else "")
            protocol.set("port", port if isinstance(port, int) and not isinstance(port, bool) else 0)
            protocols.append(protocol)
    made = ClassAd()
    made.set("name", storage.se_id)
    made.set("protocols", protocols)
    return made
