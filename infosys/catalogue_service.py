"""The catalogue's service: the DataLocationInterface over HTTPS, from the catalogue's database.

Whoever has a valid certificate may look; changes are made by the operator (``wms catalogue``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import storage
from gsi.errors import ChainError
from gsi.trust import TrustPolicy, TrustStore
from infosys import catalogue_tables
from infosys.catalogue import Catalogue
from infosys.errors import FileUnknown
from web.guard import asked
from web.identity import Authenticator
from web.server import ServerSettings
from wsdl.datalocation import MAX_REQUEST, DataLocationServer

SERVICE_TYPE: Final = "data-location-interface"
"""GlueServiceType under which catalogues are published and found."""

_PREFIXES: Final = {"lfn": "lfn:", "guid": "guid:"}


@dataclass(frozen=True, kw_only=True)
class CatalogueSettings:
    """Settings of the catalogue.

    :param endpoint: the URL at which others reach it.
    :param bind: ``host:port`` that it listens on.
    """

    endpoint: str
    bind: str
    database_url: str
    certificate: Path
    key: Path
    trust_directory: Path
    voms_directory: Path
    run_directory: Path
    policy: TrustPolicy
    threads: int = 4


def create_schema(settings: CatalogueSettings) -> None:
    """Make the tables, or bring them up to date, before the service starts."""
    engine = storage.open_engine(settings.database_url)
    try:
        storage.create(engine, catalogue_tables.metadata, catalogue_tables.VERSION)
    finally:
        engine.dispose()


def server_settings(settings: CatalogueSettings) -> ServerSettings:
    """How :func:`web.server.serve` is to run this service."""
    return ServerSettings(
        name="catalogue",
        binds=(settings.bind,),
        certificate=settings.certificate,
        key=settings.key,
        run_dir=settings.run_directory,
        threads=settings.threads,
        max_body=MAX_REQUEST,
    )


class CatalogueServer:
    """What a worker serves.

    :ivar wsgi: POST is ``listReplicas``, ``?wsdl`` the contract.
    :raises ConfigurationError: when the database cannot be used.
    """

    def __init__(self, settings: CatalogueSettings) -> None:
        authenticator = Authenticator(TrustStore(settings.trust_directory, settings.voms_directory, settings.policy))
        self._identify = authenticator.identify
        self.owner = authenticator.owner
        self._engine = storage.open_engine(settings.database_url)
        storage.check(self._engine, catalogue_tables.metadata, catalogue_tables.VERSION)
        self._catalogue = Catalogue(self._engine)
        self._server = DataLocationServer(self._lookup, settings.endpoint, self._identify)

    @property
    def wsgi(self) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
        """The WSGI callable."""
        return self._server

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _lookup(self, environ: Mapping[str, Any], kind: str, name: str) -> tuple[str, ...]:
        try:
            self._identify(environ)
        except ChainError:
            asked("listReplicas", "refused")
            raise
        asked("listReplicas", "granted")
        if kind not in _PREFIXES:
            raise FileUnknown(f"{kind}:{name}", f"this catalogue knows {' and '.join(_PREFIXES)} alone")
        return self._catalogue.entry(_PREFIXES[kind] + name).replicas
