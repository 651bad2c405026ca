"""The resource level of the information system: the element's entries with the live state of its queues.

What they say is in :mod:`ce.glue1_records` and :mod:`ce.glue2_records`.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

from cryptography import x509
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ce import glue1_records, occupation, software_tags
from ce.glue2_records import Glue2Records, State
from ce.settings import CeSettings
from ce.vital import VitalThread
from grid import clock
from gsi.dn import slash
from infosys.entry import Entry
from infosys.server import LdapServer

_log = logging.getLogger("wms.ce")
_REST: Final = 1.0
_REPEAT: Final = 60.0


class Publisher:
    """The resource level of the information system, in the element's own process.

    The entries are exchanged after a change, once a second at most, and once a minute in any case.
    """

    def __init__(self, settings: CeSettings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        self.server = LdapServer(settings.resource_bind)
        self._started = clock.now()
        certificate = x509.load_pem_x509_certificate(settings.host_certificate.read_bytes())
        self._issuer = slash(certificate.issuer)
        self._changed = threading.Event()
        self._closing = threading.Event()
        self._thread = VitalThread("ce-publisher", self._run)

    def start(self) -> None:
        """Take the address, publish, and go on.

        :raises BindFailure: the address cannot be had.
        """
        self.server.start()
        self.server.publish(self.entries())
        self._thread.start()

    def changed(self) -> None:
        """Jobs changed: publish soon."""
        self._changed.set()

    def close(self) -> None:
        """Stop; the address is free again."""
        self._closing.set()
        self._changed.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=10.0)
        self.server.close()

    def entries(self) -> list[Entry]:
        """The entries as things stand, GLUE 1.3 first."""
        settings = self._settings
        with self._engine.connect() as db:
            states = {queue.name: State(*occupation.observe(db, queue)) for queue in settings.queues}
        tags = software_tags.read_tags(settings.software_tags) if settings.software_tags is not None else ()
        found = glue1_records.service_entries(settings, self._started.strftime("%Y-%m-%dT%H:%M:%SZ"))
        for queue in settings.queues:
            seen = states[queue.name]
            found += glue1_records.queue_entries(settings, queue, seen.now, seen.own, tags)
        now = clock.now()
        records = Glue2Records(settings, states, tags, now, started=self._started, issuer=self._issuer)
        return found + records.entries()

    def _run(self) -> None:
        while not self._closing.wait(_REST):
            self._changed.wait(_REPEAT)
            self._changed.clear()
            if self._closing.is_set():
                return
            try:
                self.server.publish(self.entries())
            except SQLAlchemyError as error:
                _log.error("the state of the queues cannot be read; the last one stays published: %s", error)
