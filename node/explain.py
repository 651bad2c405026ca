"""``wms explain``: where a job of the broker's queue stands, and why it has not matched."""

from __future__ import annotations

import json
from pathlib import Path

from broker import control
from clients.explanationtable import story
from grid.jobid import JobId
from node.layout import Layout
from wsdl.explanation import JobStory
from wsdl.records import as_json, from_json

_DEADLINE = 30.0
"""Seconds that the broker may take."""


def explained(directory: Path, job: str, *, as_document: bool) -> list[str]:
    """What there is to say of a job, as lines.

    :param as_document: give one line of JSON instead (docs/matchmaking.md).
    :raises NodeMissing: there is no node in the directory.
    :raises GridError: the text is no job identifier, the broker does not answer, or knows no such job.
    """
    layout = Layout(directory)
    layout.check()
    told = from_json(JobStory, control.story(layout.run / "broker.sock", str(JobId.parse(job)), _DEADLINE))
    return [json.dumps(as_json(told), ensure_ascii=False)] if as_document else story(told)
