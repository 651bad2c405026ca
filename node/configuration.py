"""The node's configuration file ``wms.toml``: read once, checked, turned into frozen values.

Every service has an address that it listens on (``bind`` and a port) and an address that others are told
(``endpoint``): they differ where a relay or NAT stands between.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from broker.blacklist import read_blacklist
from broker.catalogue_host import check_hosts
from broker.forwarding import read_propagations
from broker.shares import read_shares
from broker.wms_requirements import read_wms_requirements
from grid.errors import ConfigurationError
from node.sections import (
    BdiiSection,
    BrokerSection,
    CatalogueSection,
    CeSection,
    LbSection,
    LimitSection,
    NodeSection,
    QueueSection,
    ServiceSection,
    SiteSection,
    SourceSection,
    TrustSection,
    WmproxySection,
)

T = TypeVar("T")

_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[^/:\s]+)"
_PORT = r":(?P<port>[0-9]{1,5})"
_ENDPOINTS = {
    "wmproxy": (re.compile(f"https://{_HOST}(?:{_PORT})?/\\S+"), "https://host:port/glite_wms_wmproxy_server"),
    "lb": (re.compile(f"{_HOST}{_PORT}"), "host:port"),
    "bdii": (re.compile(f"ldap://{_HOST}(?:{_PORT})?/?"), "ldap://host:port"),
    "ce": (re.compile(f"https://{_HOST}(?:{_PORT})?/ce-cream/services"), "https://host:port/ce-cream/services"),
    "catalogue": (re.compile(f"https://{_HOST}(?:{_PORT})?/\\S*"), "https://host:port/"),
}

_COUNTS = frozenset(("workers", "threads", "worker_threads", "slots", "hold_after_failures"))
"""Settings of which no service can work with none."""
_POSITIVE = frozenset(("success_window",))
"""Times that are more than nothing."""

_CHOICES = {
    ("ce.queue", "status"): ("Production", "Queueing", "Draining", "Closed"),
    ("bdii", "level"): ("site", "top"),
}
"""Texts that a setting may have (a queue's: GlueCEStateStatus, GLUE 1.3)."""


class ConfigurationFileError(ConfigurationError):
    """``wms.toml`` is wrong.

    :ivar path: the file.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        super().__init__(f"{path}: {what}")


_TABLES: dict[str, type] = {
    "tuple[QueueSection, ...]": QueueSection,
    "tuple[LimitSection, ...]": LimitSection,
    "tuple[SourceSection, ...]": SourceSection,
    "tuple[ServiceSection, ...]": ServiceSection,
}
"""The types of settings that are tables of their own, several of a kind."""


_READERS: dict[tuple[str, str], Callable[[Any], object]] = {
    ("broker", "wms_requirements"): read_wms_requirements,
    ("broker", "blacklist"): read_blacklist,
    ("broker", "catalogue_hosts"): check_hosts,
    ("broker", "propagate_to_lrms"): read_propagations,
    ("broker", "vo_shares"): read_shares,
}
"""Values with a language of their own, and who reads it."""


@dataclass(frozen=True)
class Configuration:
    """The whole file.

    :raises ConfigurationFileError: from :meth:`read`, naming section, key and what is expected.
    """

    path: Path
    node: NodeSection = field(default_factory=NodeSection)
    site: SiteSection = field(default_factory=SiteSection)
    trust: TrustSection = field(default_factory=TrustSection)
    wmproxy: WmproxySection = field(default_factory=WmproxySection)
    lb: LbSection = field(default_factory=LbSection)
    bdii: BdiiSection = field(default_factory=BdiiSection)
    catalogue: CatalogueSection = field(default_factory=CatalogueSection)
    broker: BrokerSection = field(default_factory=BrokerSection)
    ce: CeSection = field(default_factory=CeSection)

    @classmethod
    def read(cls, path: Path) -> Configuration:
        """Read and check the file."""
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigurationFileError(path, f"there is no such file; run `wms init {path.parent}`") from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigurationFileError(path, f"it cannot be read: {error}") from error
        sections = {
            "node": NodeSection,
            "site": SiteSection,
            "trust": TrustSection,
            "wmproxy": WmproxySection,
            "lb": LbSection,
            "bdii": BdiiSection,
            "catalogue": CatalogueSection,
            "broker": BrokerSection,
            "ce": CeSection,
        }
        unknown = sorted(set(data) - set(sections))
        if unknown:
            raise ConfigurationFileError(path, f"section [{unknown[0]}] is unknown; there are {', '.join(sections)}")
        made = cls(path, **{name: _section(path, name, kind, data.get(name, {})) for name, kind in sections.items()})
        for name, (form, example) in _ENDPOINTS.items():
            given = getattr(made, name).endpoint
            found = form.fullmatch(given)
            if given and not (found and 0 < int(found["port"] or 443) < 65536):
                raise ConfigurationFileError(path, f"[{name}] endpoint must have the form {example}, not {given!r}")
        return made

    @property
    def admitted_vos(self) -> tuple[str, ...]:
        return self.wmproxy.admitted_vos or (self.node.vo,)

    @property
    def wmproxy_endpoint(self) -> str:
        return self.wmproxy.endpoint or f"https://{self.node.host}:{self.wmproxy.port}/glite_wms_wmproxy_server"

    @property
    def lb_host(self) -> str:
        """Host of the L&B as it stands in job ids."""
        return self.lb.endpoint.rpartition(":")[0] or self.node.host

    @property
    def lb_port(self) -> int:
        """Query port of the L&B as it stands in job ids."""
        return int(self.lb.endpoint.rpartition(":")[2] or self.lb.port)

    @property
    def ce_endpoint(self) -> str:
        """Root of the CE's services, without ``/CREAM2``."""
        return self.ce.endpoint or f"https://{self.node.host}:{self.ce.port}/ce-cream/services"

    @property
    def ce_address(self) -> tuple[str, int]:
        """Host and port of the CE as others reach it; they stand in CE ids and addresses."""
        parts = urlsplit(self.ce_endpoint)
        return parts.hostname or self.node.host, parts.port or 443

    @property
    def catalogue_endpoint(self) -> str:
        """Where the node's catalogue answers (DataLocationInterface)."""
        return self.catalogue.endpoint or f"https://{self.node.host}:{self.catalogue.port}/"

    @property
    def catalogues(self) -> tuple[str, ...]:
        """The catalogues that the broker asks after those that the information system names."""
        return self.broker.catalogues or (self.catalogue_endpoint,)

    @property
    def information_system(self) -> str:
        """LDAP URL that the broker asks."""
        return self.broker.information_system or self.bdii.endpoint or f"ldap://{self.node.bind}:{self.bdii.port}"

    @property
    def information_sources(self) -> tuple[SourceSection, ...]:
        """What the broker buys from, the source that counts most first."""
        return self.broker.source or (SourceSection(url=self.information_system),)

    @property
    def bdii_sources(self) -> tuple[str, ...]:
        return self.bdii.sources or (f"ldap://{self.node.bind}:{self.ce.ldap_port}",)

    def ports(self) -> dict[str, int]:
        """All ports that the node listens on."""
        return {
            "wmproxy": self.wmproxy.port,
            "lb": self.lb.port,
            "lb events": self.lb.store_port,
            "lb soap": self.lb.soap_port,
            "bdii": self.bdii.port,
            "catalogue": self.catalogue.port,
            "ce": self.ce.port,
            "ce ldap": self.ce.ldap_port,
        }


def _section(path: Path, name: str, kind: type[T], data: Any) -> T:
    if not isinstance(data, Mapping):
        raise ConfigurationFileError(path, f"[{name}] must be a table")
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in known:
            raise ConfigurationFileError(path, f"[{name}] {key} is unknown; there are {', '.join(known)}")
        values[key] = _value(path, name, key, str(known[key].type), value)
        if (name, key) in _READERS:
            try:
                _READERS[name, key](values[key])
            except ConfigurationError as error:
                raise ConfigurationFileError(path, f"[{name}] {key}: {error.description}") from error
    return kind(**values)


def _value(path: Path, section: str, key: str, kind: str, value: Any) -> Any:
    where = f"[{section}] {key}"
    if kind in _TABLES:
        if not isinstance(value, list) or not value:
            raise ConfigurationFileError(path, f"{where} must be one or more [[{section}.{key}]] tables")
        return tuple(_section(path, f"{section}.{key}", _TABLES[kind], item) for item in value)
    if kind == "tuple[str, ...]":
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigurationFileError(path, f'{where} must be a list of strings, such as ["a", "b"]')
        return tuple(value)
    kind = kind.removesuffix(" | None")
    expected: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
    if (isinstance(value, bool) and kind != "bool") or not isinstance(value, expected[kind]):
        raise ConfigurationFileError(path, f"{where} must be of type {kind}, not {value!r}")
    if key in _COUNTS and isinstance(value, int) and value < 1:
        raise ConfigurationFileError(path, f"{where} must be 1 or more, not {value}")
    if key in _POSITIVE and isinstance(value, (int, float)) and value <= 0:
        raise ConfigurationFileError(path, f"{where} must be more than 0, not {value}")
    choices = _CHOICES.get((section, key))
    if choices is not None and value not in choices:
        raise ConfigurationFileError(path, f"{where} must be one of {', '.join(choices)}, not {value!r}")
    if key.endswith("port") and isinstance(value, int) and not 0 < value < 65536:
        raise ConfigurationFileError(path, f"{where} must be a port, 1 to 65535, not {value}")
    return value
