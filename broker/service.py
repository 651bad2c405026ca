"""The broker's process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler

from broker import queue
from broker.catalogue_address import Doorkeeper
from broker.catalogues import Catalogues
from broker.ce_client import ComputingElements
from broker.circumstances import Circumstances
from broker.control import ControlServer
from broker.discovery import Discovery
from broker.dispatcher import Dispatcher
from broker.engine import Engine
from broker.explainer import Explainer
from broker.explanation import explain, lines, prepare
from broker.ledger import Ledger
from broker.matchmaker import Job, match
from broker.planner import Planner
from broker.rouser import Rouser
from broker.settings import BrokerSettings
from broker.stocktaking import Stocktaking
from broker.supermarket import Supermarket
from broker.wms_requirements import read_wms_requirements
from grid.collector import settle
from grid.doorbell import Doorbell, ring
from grid.fqan import Fqan
from infosys.access import User
from infosys.client import LdapSource
from jdl.parser import parse
from jdl.scope import Success
from jdl.tree import Expr
from storage import schema
from storage.engine import open_engine

log = logging.getLogger("wms.broker")

_PURGE_PERIOD = 20.0


def create_schema(settings: BrokerSettings) -> None:
    """Make the broker's tables; called before any service that uses them starts."""
    engine = open_engine(settings.database_url)
    try:
        schema.create(engine, queue.metadata, queue.SCHEMA_VERSION, queue.MIGRATIONS)
    finally:
        engine.dispose()


def run(settings: BrokerSettings, stop: threading.Event) -> None:
    """Serve until ``stop`` is set; :func:`wake` ends the wait."""
    settle()
    journal = settings.journal_directory / "broker.0.log"
    ledger = Ledger(settings.database_url, journal, settings.interlogger_doorbell, settings.standing_rules)
    scheduler = BackgroundScheduler(daemon=True, timezone=UTC)
    scheduler.start()
    supermarket = Supermarket(
        settings.information_sources,
        refresh=settings.refresh_period,
        whole_refresh=settings.full_refresh_period,
        lifetime=settings.entry_lifetime,
        blacklist=settings.blacklist,
        pictures=settings.picture_directory,
        memory=settings.purchase_memory,
        scheduler=scheduler,
    )
    elements = ComputingElements(settings)
    catalogues = Catalogues(
        settings.certificate_directory,
        settings.catalogues,
        Discovery([LdapSource(each.url, each.base, timeout=5.0) for each in settings.information_sources]),
        timeout=settings.catalogue_timeout,
        of_jobs=settings.catalogues_of_jobs,
        doorkeeper=Doorkeeper(settings.catalogue_hosts),
        host_credential=settings.host_credential,
    )
    planner = Planner(settings, ledger, supermarket, elements, catalogues)
    demands = read_wms_requirements(settings.wms_requirements)
    rouser = Rouser(ledger, planner.waiting, lambda: wake(settings), demands).start()
    ledger.standings.subscribe(rouser.lifted)
    supermarket.subscribe(rouser)
    supermarket.subscribe(prepare)
    supermarket.start()
    seen_at = supermarket.snapshot().taken_at.timestamp() - settings.information_delay
    log.info("%d jobs are on their way to computing elements since they were last looked at", ledger.recall(seen_at))
    stocktaking = Stocktaking(supermarket, settings.control_socket.parent)
    control = ControlServer(
        settings.control_socket,
        {
            "match": _Matcher(supermarket, catalogues, demands, ledger.standings.success),
            "explain": Explainer(supermarket, ledger, demands, catalogues),
            "ism": stocktaking,
            "health": lambda _: _health(stocktaking, ledger),
        },
    )
    try:
        with Doorbell.listen(settings.doorbell) as bell:
            engine = Engine(settings, ledger, supermarket)
            dispatcher = Dispatcher(settings, ledger, planner, engine, elements, bell)
            scheduler.add_job(dispatcher.purge, "interval", seconds=_PURGE_PERIOD, max_instances=1, coalesce=True)
            log.info("the broker knows %d computing elements", len(supermarket.snapshot().records))
            dispatcher.run(stop)
    finally:
        control.close()
        supermarket.close()
        scheduler.shutdown(wait=False)
        rouser.close()
        ledger.close()


def wake(settings: BrokerSettings) -> None:
    """Make the main loop look again."""
    ring(settings.doorbell)


class _Matcher:
    """Answers jobListMatch."""

    def __init__(
        self, supermarket: Supermarket, catalogues: Catalogues, wms_requirements: Expr, success: Success
    ) -> None:
        self._supermarket = supermarket
        self._catalogues = catalogues
        self._wms_requirements = wms_requirements
        self._circumstances = Circumstances(success=success)

    def __call__(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        job = Job(parse(str(request["ad"])))
        user = User(str(request["owner"]), tuple(Fqan.parse(text) for text in request["fqans"]))
        snapshot = self._supermarket.snapshot()
        proxy = Path(str(request["proxy"])) if request.get("proxy") else None
        data = self._catalogues.plan(job, snapshot, user.dn, proxy)
        demands, circumstances = self._wms_requirements, self._circumstances
        found = match(job, snapshot, user, wms_requirements=demands, circumstances=circumstances, data=data)
        why = []
        if not found.candidates:
            why = lines(
                explain(job, snapshot, user, wms_requirements=demands, circumstances=circumstances, data=data)
            )
        return {"candidates": found.listed(), "explanation": why}


def _health(stocktaking: Stocktaking, ledger: Ledger) -> Mapping[str, Any]:
    with ledger.engine.connect() as connection:
        waiting = queue.waiting_count(connection)
    standings = ledger.standings
    aside = [standings.sentence(each) for each in standings.set_aside()]
    return {**stocktaking.summary(), "requests": waiting, "set_aside": aside}
