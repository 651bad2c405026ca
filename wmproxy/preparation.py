"""Descriptions as they go to the broker: where the files come from and go to, and whether they are there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from jdl.complete import complete_for_start
from jdl.perusal import complete_perusal
from jdl.sandbox import input_files
from jdl.tree import ClassAd
from wmproxy.errors import InputMissing, InputTooLarge
from wmproxy.jobs import Job
from wmproxy.sandboxes import Sandboxes

_NAMED = 5
"""Files that one refusal names."""


def prepare(ad: ClassAd, record: Job, sandboxes: Sandboxes, perusal_seconds: int) -> ClassAd:
    """Complete a simple job's registered description for its start.

    :param perusal_seconds: the shortest interval of perusal.
    :raises InputMissing: when a file that the client should have uploaded is not there: the job could only fail.
    """
    present = _files(sandboxes.of(record.job).input)
    missing = [
        file.name
        for file in input_files(ad, sandboxes.url(record.job))
        if file.uploaded and unquote(file.uri.rpartition("/")[2]) not in present
    ]
    if missing:
        raise InputMissing(str(record.job), missing[:_NAMED], sandboxes.url(record.job, "input"))
    return started(ad, record, sandboxes, perusal_seconds)


def started(ad: ClassAd, record: Job, sandboxes: Sandboxes, perusal_seconds: int) -> ClassAd:
    """The description of a simple job or a node as the broker gets it; whether its files are there is not asked."""
    return complete_perusal(complete_for_start(ad), sandboxes.url(record.job), perusal_seconds)


def check_nodes_input(
    parent: Job, nodes: Iterable[tuple[Job, ClassAd]], sandboxes: Sandboxes
) -> None:
    """Make sure that what clients upload for nodes is there: in the parent's input sandbox, or in the node's own.

    Files that other nodes will bring are not looked for.

    :raises InputMissing: naming the first files that are not there.
    """
    shared = sandboxes.url(parent.job, "input") + "/"
    there = _files(sandboxes.of(parent.job).input)
    lists: dict[int, tuple[str, ...]] = {}
    for node, ad in nodes:
        expression = ad.get("InputSandbox")
        if expression is None:
            continue
        # Nodes that inherit the whole sandbox of the request have one list among them.
        entries = lists.get(id(expression))
        if entries is None:
            entries = lists[id(expression)] = ad.strings("InputSandbox")
        absent = [uri for uri in entries if uri.startswith(shared) and unquote(uri[len(shared) :]) not in there]
        if absent:
            raise InputMissing(str(parent.job), _names(absent), shared[:-1])
        own = sandboxes.url(node.job, "input") + "/"
        mine = [uri for uri in entries if uri.startswith(own)]
        present = _files(sandboxes.of(node.job).input) if mine else frozenset()
        absent = [uri for uri in mine if unquote(uri[len(own) :]) not in present]
        if absent:
            raise InputMissing(str(node.job), _names(absent), own[:-1])


def check_size(record: Job, sandboxes: Sandboxes, limit: int) -> None:
    """Make sure that the input sandbox of a job or node is not larger than it may be.

    :raises InputTooLarge: 1226.
    """
    total = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(sandboxes.of(record.job).input) as entries:
        total = sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    if total > limit:
        raise InputTooLarge(str(record.job), total, limit)


def _names(uris: list[str]) -> list[str]:
    return [unquote(uri.rpartition("/")[2]) for uri in uris[:_NAMED]]


def _files(directory: Path) -> frozenset[str]:
    """The names of the regular files in a directory; a node's is made with the first file."""
    try:
        with os.scandir(directory) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    except FileNotFoundError:
        return frozenset()
