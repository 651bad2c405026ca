"""Finishing what a crash of WMProxy cut off: registrations without a row, removals that did not end."""

from __future__ import annotations

import logging

from grid.errors import GridError
from grid.jobid import JobId
from grid.states import Source
from jdl.parser import parse
from lb.producer import JobLog
from web import upload
from wmproxy import jobs
from wmproxy.jobs import Phase
from wmproxy.ledger import Ledger
from wmproxy.sandboxes import Sandboxes
from wmproxy.settings import WmproxySettings

log = logging.getLogger("wms.wmproxy")


def recover(settings: WmproxySettings, ledger: Ledger, sandboxes: Sandboxes) -> int:
    """Remove directories whose registration was cut off; called before the service takes requests.

    The job may be known to L&B; there it is aborted, since nobody will ever start it.

    :returns: how many were removed.
    """
    count = sandboxes.sweep()
    for job in list(sandboxes.jobs()):
        with ledger.engine.connect() as connection:
            record = jobs.get(connection, job)
        if record is None:
            _tell_cut_off(settings, ledger, sandboxes, job)
        if record is None or record.phase is Phase.PURGED:
            sandboxes.remove(job)
            count += 1
            continue
        for directory in (sandboxes.of(job).input, sandboxes.of(job).output):
            upload.sweep(directory, 0.0)  # no upload is under way before the service starts
    return count


def _tell_cut_off(settings: WmproxySettings, ledger: Ledger, sandboxes: Sandboxes, job: JobId) -> None:
    try:
        ad = parse(sandboxes.of(job).jdl_to_start.read_text("utf-8"))
        owner = ad.string("CertificateSubject") or ""
        log_ = JobLog(job, owner, Source.NetworkServer, ad.string("LB_sequence_code"), settings.host)
        event = log_.event("Abort", reason="the registration was cut off; submit the job again")
    except (OSError, UnicodeDecodeError, GridError) as error:
        log.warning("the sandbox of %s, whose registration was cut off, cannot be read: %s", job, error)
        return
    ledger.commit(lambda connection: None, [event])
