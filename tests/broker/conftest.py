"""Computing elements as the information supermarket knows them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from broker.supermarket import Snapshot
from infosys.ce_ads import CeRecord, assemble
from infosys.ce_id import CeId
from infosys.glue1 import CEInfo, CEState, Cluster, ComputingElement, Site, SubCluster, VOView, entries_of

Records = Callable[..., tuple[CeRecord, ...]]


@pytest.fixture
def element() -> Records:
    """Make the records of one queue: ``element("host", "queue", rules, ram=…, status=…, …)``."""

    def make(
        host: str,
        queue: str = "short",
        rules: tuple[str, ...] = ("VO:vo",),
        *,
        ram: int = 2048,
        software: tuple[str, ...] = (),
        views: tuple[VOView, ...] = (),
        **state: object,
    ) -> tuple[CeRecord, ...]:
        ce_id = str(CeId.cream(host, 8443, "fork", queue))
        records = (
            Site(unique_id="S"),
            Cluster(unique_id=ce_id, site_id="S", ce_ids=(ce_id,)),
            SubCluster(unique_id=ce_id, cluster_id=ce_id, ram_size=ram, software=software),
            ComputingElement(
                unique_id=ce_id,
                cluster_id=ce_id,
                info=CEInfo(host_name=host, lrms_type="fork"),
                access=rules,
                state=CEState(**({"estimated_response_time": 10} | state)),  # type: ignore[arg-type]
                views=views,
            ),
        )
        return assemble(entries_of(records)).records

    return make


@pytest.fixture
def three(element: Records) -> Snapshot:
    """One element that fits, one that refuses the VO ``vo``, one with little memory."""
    return Snapshot(
        (
            *element("good.example.org", ram=4096),
            *element("other.example.org", rules=("VO:other",), ram=4096),
            *element("small.example.org", ram=512),
        )
    )
