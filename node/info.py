"""``wms info``: what a node publishes, as the texts that a BDII of another make takes (``bdii-update`` of Debian)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from infosys import publication
from infosys.client import LdapSource
from infosys.entry import Entry
from infosys.errors import SourceFailure
from infosys.filters import Present
from infosys.levels import BASE, GLUE1, Level, site_of
from infosys.names import fold
from node.configuration import Configuration
from node.layout import Layout

KINDS: Final[dict[str, Callable[..., str]]] = {
    "ldif": publication.static,
    "provider": publication.provider,
    "plugin": publication.plugin,
}
TIMEOUT: Final = 20.0
"""Seconds that the source may take; ``bdii-update`` waits BDII_READ_TIMEOUT for the whole command."""


def information(root: Path, kind: str, level: Level, source: str = "") -> str:
    """The text.

    :param kind: ``ldif`` (whole entries, unknown numbers), ``provider`` (whole entries) or ``plugin`` (what changes).
    :param source: an LDAP URL to read instead of the node's own services.
    :raises SourceFailure: when what publishes does not answer.
    :raises SourceTimedOut: likewise.
    """
    layout = Layout(root)
    layout.check()
    configuration = Configuration.read(layout.configuration)
    site = configuration.node.site
    if not source:
        port = configuration.ce.ldap_port if level is Level.RESOURCE else configuration.bdii.port
        source = f"ldap://{configuration.node.bind}:{port}"
    entries = _read(source)
    if level is Level.SITE:
        entries = [each for each in entries if _of(each, site)]
    return KINDS[kind](entries, site, level, _say)


def _of(entry: Entry, site: str) -> bool:
    named = site_of(entry.dn)
    return named is None or fold(named) == fold(site)


def _read(url: str) -> list[Entry]:
    """The entries of both trees; a server need not have both."""
    source = LdapSource(url, timeout=TIMEOUT)
    found: list[Entry] = []
    missing: list[SourceFailure] = []
    for base in (GLUE1, BASE):
        try:
            found += source.stream(Present("objectClass"), base=base)
        except SourceFailure as error:
            if not error.reason.startswith("noSuchObject"):
                raise
            missing.append(error)
    if len(missing) == 2:
        raise missing[0]
    return found


def _say(text: str) -> None:
    print(f"wms info: {text}", file=sys.stderr)
