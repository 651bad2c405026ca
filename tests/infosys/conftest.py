"""A small grid, and servers that answer as badly as the real world does."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from infosys.ce_id import CeId
from infosys.entry import Entry
from infosys.glue1 import (
    CEInfo,
    CEState,
    Cluster,
    ComputingElement,
    Site,
    SubCluster,
    VOView,
    entries_of,
)
from infosys.server import LdapServer


@pytest.fixture
def grid() -> list[Entry]:
    """Two queues of one host, the second with a VO view."""
    host = "ce.example.org"
    first, second = CeId.cream(host, 8443, "fork", "short"), CeId.cream(host, 8443, "slurm", "long-queue")
    info = CEInfo(host_name=host, lrms_type="fork", contact=(f"https://{host}:8443/ce-cream/services",))
    view = VOView(
        local_id="/vo/Role=production",
        access=("VOMS:/vo/Role=production",),
        state=CEState(free_job_slots=7, estimated_response_time=5),
    )
    return entries_of(
        [
            Site(unique_id="TEST-SITE", name="TEST-SITE"),
            Cluster(unique_id=host, site_id="TEST-SITE", ce_ids=(str(first), str(second))),
            SubCluster(unique_id=host, cluster_id=host, ram_size=2048, software=("GLITE-3_2_0", "VO-vo-tool")),
            ComputingElement(
                unique_id=str(first),
                cluster_id=host,
                info=info,
                access=("VO:vo",),
                state=CEState(free_job_slots=3, estimated_response_time=60),
            ),
            ComputingElement(
                unique_id=str(second),
                cluster_id=host,
                info=info,
                access=("VO:other", "VOMS:/vo/Role=production"),
                views=(view,),
            ),
        ]
    )


@pytest.fixture
def server(grid: list[Entry]) -> Iterator[LdapServer]:
    """An LDAP server that publishes the small grid."""
    with LdapServer("127.0.0.1:0") as running:
        running.publish(grid)
        yield running


@pytest.fixture
def badly() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Give a function that talks to one client; get the URL where it does so."""
    with contextlib.ExitStack() as stack:

        def listen(talk: Callable[[socket.socket], None]) -> str:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def run() -> None:
                with contextlib.suppress(OSError):
                    client, _ = listener.accept()
                    with client:
                        client.settimeout(10)
                        talk(client)

            thread = threading.Thread(target=run)
            thread.start()
            stack.callback(thread.join, 10)
            stack.callback(lambda: contextlib.suppress(OSError) and listener.shutdown(socket.SHUT_RDWR))
            return f"ldap://127.0.0.1:{listener.getsockname()[1]}"

        yield listen
