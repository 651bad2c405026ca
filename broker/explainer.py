"""Answers the control socket's question why: of a job description, or of a job in the queue."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from broker.catalogues import Catalogues
from broker.circumstances import Circumstances
from broker.explanation import explain
from broker.job import Job
from broker.ledger import Ledger
from broker.story import Story
from broker.supermarket import Supermarket
from grid.fqan import Fqan
from grid.jobid import JobId
from infosys.access import User
from jdl.parser import parse
from jdl.tree import Expr
from wsdl.explanation import Explanation
from wsdl.records import as_json


class Explainer:
    """Handles the operation ``explain``.

    ``ad``, ``owner`` and ``fqans`` ask about a description; ``job`` asks about a job of the queue.
    """

    def __init__(
        self, supermarket: Supermarket, ledger: Ledger, wms_requirements: Expr | None, catalogues: Catalogues
    ) -> None:
        self._supermarket = supermarket
        self._catalogues = catalogues
        self._ledger = ledger
        self._wms_requirements = wms_requirements

    def __call__(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to one request.

        :raises JobNotQueued: the queue has no such job.
        :raises JobIdError: the text is no job identifier.
        """
        if "job" in request:
            with self._ledger.engine.connect() as connection:
                story = Story(connection, self._explained)
                return {"story": as_json(story.of(JobId.parse(str(request["job"]))))}
        found = self._explained(str(request["ad"]), str(request["owner"]), tuple(request["fqans"]))
        return {"explanation": as_json(found)}

    def _explained(self, ad: str, owner: str, fqans: tuple[str, ...], proxy: str = "") -> Explanation:
        user = User(owner, tuple(Fqan.parse(str(text)) for text in fqans))
        standings = self._ledger.standings
        now = time.time()
        job, snapshot = Job(parse(ad)), self._supermarket.snapshot()
        return explain(
            job,
            snapshot,
            user,
            wms_requirements=self._wms_requirements,
            set_aside={
                each.ce_id: standings.sentence(each).removeprefix(f"{each.ce_id} ")
                for each in standings.set_aside()
                if each.held(now)
            },
            circumstances=Circumstances(success=standings.success),
            data=self._catalogues.plan(job, snapshot, owner, Path(proxy) if proxy else None),
        )
