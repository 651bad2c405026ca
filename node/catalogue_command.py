"""``wms catalogue``: what the node's catalogue of files holds, and how it is filled."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from grid.errors import InvalidArgument
from node.layout import Layout

if TYPE_CHECKING:
    from infosys.catalogue import Catalogue, CatalogueEntry

EXAMPLES = """\
examples:
  wms catalogue ~/node add lfn:/grid/testvo/raw.dat srm://se.example.org/testvo/raw.dat
  wms catalogue ~/node replica lfn:/grid/testvo/raw.dat sfn://se2.example.org/data/raw.dat
  wms catalogue ~/node alias lfn:/grid/testvo/raw.dat lfn:raw
  wms catalogue ~/node list lfn:/grid/testvo/
  wms catalogue ~/node remove lfn:/grid/testvo/raw.dat
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command its arguments, after the node's directory."""
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    sub = verbs.add_parser("add", help="register a logical name, and replicas if any are given")
    sub.add_argument("lfn", metavar="LFN", help="lfn:/grid/vo/file")
    sub.add_argument("urls", metavar="URL", nargs="*", help="srm://host/path, sfn://host/path or a host")
    sub.add_argument("--guid", metavar="GUID", help="the file's GUID (a new one)")
    sub = verbs.add_parser("replica", help="add replicas of a file that is there, all or none")
    sub.add_argument("name", metavar="NAME", help="lfn:… or guid:…")
    sub.add_argument("urls", metavar="URL", nargs="+", help="srm://host/path, sfn://host/path or a host")
    sub = verbs.add_parser("alias", help="give a file one more logical name")
    sub.add_argument("name", metavar="NAME", help="lfn:… or guid:…")
    sub.add_argument("lfn", metavar="LFN", help="the new name")
    sub = verbs.add_parser("list", help="show files: all, those whose name begins so, or the one of a GUID or replica")
    sub.add_argument("name", metavar="NAME", nargs="?", default="", help="beginning of an LFN, guid:… or a replica")
    sub.add_argument("--json", action="store_true", help="print one JSON list")
    sub = verbs.add_parser("remove", help="remove a logical name (with the last one the file goes) or replicas")
    sub.add_argument("name", metavar="NAME", help="lfn:… or guid:… (all names)")
    sub.add_argument("urls", metavar="URL", nargs="*", help="remove these replicas alone, all or none")


def run(options: argparse.Namespace) -> int:
    """Do what was asked; the node may be up or down.

    :raises GridError: in one sentence.
    """
    from node.configuration import Configuration
    from node.settings import Settings

    layout = Layout(options.directory.absolute())
    layout.check()
    settings = Settings(layout, Configuration.read(layout.configuration)).catalogue
    with _opened(settings.database_url, changing=options.verb != "list") as catalogue:
        for entry in _done(catalogue, options):
            print("\n".join(_lines(entry)))
    return 0


def _done(catalogue: Catalogue, options: argparse.Namespace) -> list[CatalogueEntry]:
    if options.verb == "list":
        found = _found(catalogue, options.name)
        if options.json:
            print(json.dumps([asdict(entry) for entry in found]))
            return []
        return found
    if options.verb == "add":
        return [catalogue.entry(f"guid:{catalogue.register(options.lfn, options.guid, options.urls)}")]
    if options.verb == "alias":
        return [catalogue.entry(f"guid:{catalogue.add_alias(options.name, options.lfn)}")]
    if options.verb == "remove" and not options.urls:
        catalogue.remove(options.name)
        print(f"removed {options.name}")
        return []
    change = catalogue.add_replicas if options.verb == "replica" else catalogue.remove_replicas
    return [catalogue.entry(f"guid:{change(options.name, options.urls)}")]


def _found(catalogue: Catalogue, name: str) -> list[CatalogueEntry]:
    if name.startswith("guid:") or ("://" in name and not name.startswith("lfn:")):
        return [catalogue.entry(name)]
    found = catalogue.listing(name)
    if name and not found:
        raise InvalidArgument(f"the catalogue has no file whose name begins with {name}")
    return found


def _lines(entry: CatalogueEntry) -> list[str]:
    names = [f"lfn:{name}" for name in entry.lfns]
    return [", ".join(names), f"    guid:{entry.guid}", *(f"    {url}" for url in entry.replicas)]


@contextmanager
def _opened(url: str, *, changing: bool) -> Iterator[Catalogue]:
    import storage
    from infosys import catalogue_tables
    from infosys.catalogue import Catalogue

    engine = storage.open_engine(url)
    writer = None
    try:
        storage.check(engine, catalogue_tables.metadata, catalogue_tables.VERSION)
        writer = storage.GroupWriter(engine) if changing else None
        yield Catalogue(engine, writer)
    finally:
        if writer is not None:
            writer.close()
        engine.dispose()
