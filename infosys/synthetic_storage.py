"""The storage elements of a made-up grid (:mod:`infosys.synthetic`)."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

from infosys import names
from infosys import synthetic_pool as pool
from infosys.entry import Entry


def storage_entries(
    host: str, site: str, suffix: str, vos: Sequence[str], dice: random.Random, moment: int
) -> Iterator[Entry]:
    """A storage element with its protocols and an area for each VO of its site.

    :param suffix: the name that its own stands below.
    :param moment: the spaces are others at another moment.
    """
    system, version = dice.choice(pool.STORAGE_SYSTEMS)
    total = dice.choice((50, 200, 1000, 4000)) * 1000  # GB
    own = names.join(names.rdn("GlueSEUniqueID", host), suffix)
    used = 0
    areas = []
    for vo in vos:
        size = total // len(vos)
        full = dice.uniform(0.2, 0.98)
        taken = min(size, round(size * (full + 0.02 * math.sin(moment / 30 + size))))
        used += taken
        areas.append(_area(own, vo, size, taken))
    yield Entry.of(
        own,
        {
            "objectClass": ["GlueTop", "GlueSETop", "GlueSE", "GlueInformationService", "GlueKey", "GlueSchemaVersion"],
            "GlueSEUniqueID": host,
            "GlueSEName": f"{site}:srm_v2",
            "GlueSEArchitecture": "multidisk",
            "GlueSEImplementationName": system,
            "GlueSEImplementationVersion": version,
            "GlueSEStatus": "Production" if dice.random() < 0.95 else "Draining",
            "GlueSEPort": 8446,
            "GlueSESizeTotal": total,
            "GlueSESizeFree": total - used,
            "GlueSETotalOnlineSize": total,
            "GlueSEUsedOnlineSize": used,
            "GlueForeignKey": names.rdn("GlueSiteUniqueID", site),
            "GlueSchemaVersionMajor": 1,
            "GlueSchemaVersionMinor": 3,
        },
    )
    protocols = [("gsiftp", 2811), *dice.sample([("rfio", 5001), ("file", 0), ("https", 443), ("root", 1094)], k=2)]
    for protocol, port in protocols:
        endpoint = f"{protocol}://{host}:{port}" if port else f"{protocol}:///storage"
        yield _part(own, "GlueSEAccessProtocol", protocol, endpoint, {"Port": port or None})
    yield _part(own, "GlueSEControlProtocol", "SRM", f"httpg://{host}:8446/srm/managerv2", {})
    yield from areas


def _part(above: str, kind: str, protocol: str, endpoint: str, more: dict[str, int | None]) -> Entry:
    return Entry.of(
        names.join(names.rdn(f"{kind}LocalID", protocol), above),
        {
            "objectClass": ["GlueTop", "GlueSETop", kind, "GlueKey", "GlueSchemaVersion"],
            f"{kind}LocalID": protocol,
            f"{kind}Type": protocol,
            f"{kind}Version": "2.2" if protocol == "SRM" else "1.0",
            f"{kind}Endpoint": endpoint,
            **{f"{kind}{name}": value for name, value in more.items()},
            "GlueChunkKey": above.partition(",")[0],
            "GlueSchemaVersionMajor": 1,
            "GlueSchemaVersionMinor": 3,
        },
    )


def _area(above: str, vo: str, size: int, used: int) -> Entry:
    """:param size: GB, as ``used``; the state's spaces are in KB (GLUE 1.3)."""
    return Entry.of(
        names.join(names.rdn("GlueSALocalID", vo), above),
        {
            "objectClass": [
                *("GlueTop", "GlueSATop", "GlueSA", "GlueSAPolicy", "GlueSAState", "GlueSAAccessControlBase"),
                *("GlueKey", "GlueSchemaVersion"),
            ],
            "GlueSALocalID": vo,
            "GlueSAName": f"Space of {vo}",
            "GlueSAPath": f"/grid/{vo}",
            "GlueSAType": "permanent",
            "GlueSARetentionPolicy": "replica",
            "GlueSAAccessLatency": "online",
            "GlueSAExpirationMode": "neverExpire",
            "GlueSATotalOnlineSize": size,
            "GlueSAUsedOnlineSize": used,
            "GlueSAFreeOnlineSize": size - used,
            "GlueSAReservedOnlineSize": 0,
            "GlueSAStateAvailableSpace": (size - used) * 1_000_000,
            "GlueSAStateUsedSpace": used * 1_000_000,
            "GlueSAAccessControlBaseRule": [vo],
            "GlueChunkKey": above.partition(",")[0],
            "GlueSchemaVersionMajor": 1,
            "GlueSchemaVersionMinor": 3,
        },
    )
