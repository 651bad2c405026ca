"""The services of a node: what each is called and how it runs.

Each service is imported only when it runs: a process carries what it needs.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from grid.doorbell import ring
from grid.errors import ConfigurationError
from node.configuration import Configuration, ConfigurationFileError
from node.layout import Layout
from node.settings import Settings

NAMES = ("lb", "interlogger", "ce", "bdii", "catalogue", "broker", "wmproxy")


class UnknownService(ConfigurationError):
    """No service of that name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no service {name!r}; the services are {', '.join(NAMES)}")


def prepare(layout: Layout, configuration: Configuration) -> None:
    """Make the databases that are missing and bring the others up to date; no service may run."""
    import broker.service
    import ce.service
    import infosys.catalogue_service
    import lb.service
    import wmproxy.service

    settings = Settings(layout, configuration)
    lb.service.create_schema(settings.lb)
    ce.service.create_schema(settings.ce)
    infosys.catalogue_service.create_schema(settings.catalogue)
    broker.service.create_schema(settings.broker)
    wmproxy.service.create_schema(settings.wmproxy)


def check(layout: Layout, configuration: Configuration) -> None:
    """Make the settings of every service, so that a wrong value is told before anything is started.

    :raises ConfigurationError: what is wrong; for load limits with the operations that there are.
    """
    settings = Settings(layout, configuration)
    for name in NAMES:
        getattr(settings, name)
    named = [limit.operation for limit in configuration.wmproxy.limit]
    for operation in named:
        if named.count(operation) > 1:
            raise ConfigurationFileError(
                configuration.path, f"there are two [[wmproxy.limit]] tables for {operation}; make them one"
            )
    if named:
        from wmproxy.load import check_operations
        from wmproxy.operations import keys

        check_operations(named, keys())


def end_payloads(layout: Layout, configuration: Configuration) -> None:
    """End running payloads; the CE reports them lost at its next start, and the broker sends them again."""
    from ce import operator

    operator.end_payloads(Settings(layout, configuration).ce, grace=3.0)


def run(root: Path, name: str) -> int:
    """Run one service in the foreground until SIGTERM; returns its exit code.

    :raises UnknownService: for a name that is none.
    """
    if name not in NAMES:
        raise UnknownService(name)
    layout = Layout(root)
    layout.check()
    os.umask(0o077)
    settings = Settings(layout, Configuration.read(layout.configuration))
    bell = layout.run / f"{name}.bell"
    return _RUNNERS[name](settings, bell)


def _run_wmproxy(settings: Settings, _bell: Path) -> int:
    from wmproxy import service

    return service.run(settings.wmproxy)


def _run_ce(settings: Settings, _bell: Path) -> int:
    from ce import service
    from web.server import serve

    values = settings.ce
    return serve(lambda: service.make_app(values), service.server_settings(values))


def _run_lb(settings: Settings, _bell: Path) -> int:
    from lb import service
    from web.server import serve

    values = settings.lb
    return serve(lambda: service.make_app(values), service.server_settings(values))


def _run_interlogger(settings: Settings, bell: Path) -> int:
    from lb import interlogger

    return _until_stopped(lambda stop: interlogger.run(settings.interlogger, stop), bell)


def _run_bdii(settings: Settings, bell: Path) -> int:
    from grid.collector import settle
    from infosys import bdii

    settle()
    return _until_stopped(lambda stop: bdii.run(settings.bdii, stop), bell)


def _run_catalogue(settings: Settings, _bell: Path) -> int:
    from infosys import catalogue_service
    from web.server import serve

    values = settings.catalogue
    return serve(lambda: catalogue_service.CatalogueServer(values), catalogue_service.server_settings(values))


def _run_broker(settings: Settings, bell: Path) -> int:
    from broker import service

    return _until_stopped(lambda stop: service.run(settings.broker, stop), bell)


_RUNNERS: dict[str, Callable[[Settings, Path], int]] = {
    "wmproxy": _run_wmproxy,
    "ce": _run_ce,
    "lb": _run_lb,
    "interlogger": _run_interlogger,
    "bdii": _run_bdii,
    "catalogue": _run_catalogue,
    "broker": _run_broker,
}


def _until_stopped(loop: Callable[[threading.Event], None], bell: Path) -> int:
    stop = threading.Event()

    def on_stop(*_: object) -> None:
        stop.set()
        ring(bell)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_stop)
    loop(stop)
    return 0
