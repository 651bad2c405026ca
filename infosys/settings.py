"""Settings of the information system's services."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grid.errors import ConfigurationError
from infosys.levels import Level
from infosys.server import split_bind
from infosys.services import PublishedService
from infosys.site import SiteSettings
from infosys.synthetic import MAX_SITES


@dataclass(frozen=True, kw_only=True)
class BdiiSettings:
    """A BDII: gathers the entries of other LDAP servers and serves them as one tree.

    :param bind: ``host:port`` that it listens on.
    :param site_name: the GlueSiteUniqueID under which entries of ``mds-vo-name=resource`` are put.
    :param sources: ``ldap://host:port/base`` of each server; without a base it is ``mds-vo-name=resource,o=grid``.
    :param refresh: seconds from one harvest's begin to the next one's, at least 1.
    :param grace: seconds that the entries of a source which fails outlive its last good answer.
    :param timeout: seconds that a source may take for its whole answer.
    :param level: whose place in the information system it takes: a site's or the top's.
    :param site: what the site says of itself; a bare name when not given.
    :param services: services of the site that nobody else publishes.
    :param synthetic_sites: made-up sites (:mod:`infosys.synthetic`) that are served beside the others.
    :param synthetic_vos: the virtual organisations of those.
    :param doorbell: a socket (:mod:`grid.doorbell`) that starts a harvest at once when it is rung.
    """

    bind: str
    site_name: str
    sources: tuple[str, ...]
    refresh: float = 30.0
    grace: float = 120.0
    timeout: float = 15.0
    doorbell: Path | None = None
    level: Level = Level.TOP
    site: SiteSettings | None = None
    services: tuple[PublishedService, ...] = ()
    synthetic_sites: int = 0
    synthetic_vos: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        split_bind(self.bind)
        if not self.site_name.strip():
            raise ConfigurationError("a BDII needs the name of its site")
        if self.level is Level.RESOURCE:
            raise ConfigurationError("a BDII serves the site level or the top level; services publish themselves")
        if self.refresh < 1:
            raise ConfigurationError(f"a BDII's refresh is at least 1 s, not {self.refresh:g} s")
        if not 0 <= self.synthetic_sites <= MAX_SITES:
            raise ConfigurationError(
                f"a BDII serves 0 to {MAX_SITES} synthetic sites, not {self.synthetic_sites}"
            )
        if self.grace < 0 or self.timeout <= 0:
            raise ConfigurationError("a BDII's grace may not be negative and its timeout must be positive")
