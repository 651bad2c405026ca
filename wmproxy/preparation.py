"""The description as it goes to the broker: where the files come from and go to."""

from __future__ import annotations

from urllib.parse import unquote

from grid.jobid import JobId
from jdl.complete import complete_for_start
from jdl.perusal import complete_perusal
from jdl.sandbox import input_files
from jdl.tree import ClassAd
from wmproxy.errors import WrongPhase
from wmproxy.sandboxes import Sandboxes


def prepare(ad: ClassAd, job: JobId, sandboxes: Sandboxes, perusal_seconds: int) -> ClassAd:
    """Complete a registered description for its start.

    :param perusal_seconds: the shortest interval of perusal.
    :raises WrongPhase: when a file that the client should have uploaded is not there: the job could only fail.
    """
    directory = sandboxes.of(job).input
    missing = [
        file.name
        for file in input_files(ad, sandboxes.url(job))
        if file.uploaded and not (directory / unquote(file.uri.rpartition("/")[2])).is_file()
    ]
    if missing:
        raise WrongPhase(
            str(job),
            f"the input sandbox is not complete, {', '.join(missing[:5])} has not been uploaded to "
            f"{sandboxes.url(job, 'input')}",
        )
    return complete_perusal(complete_for_start(ad), sandboxes.url(job), perusal_seconds)
