"""Where a request goes now: what matches, which of it is chosen, and what the computing element is told."""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from broker import brokerinfo
from broker.adapter import adapt
from broker.bulk import Key, Matches, match_key, own_names
from broker.candidates import Candidate, MatchResult
from broker.catalogues import Catalogues
from broker.choice import Chooser
from broker.circumstances import Circumstances
from broker.data import DataPlan, Resolution
from broker.errors import BrokerInfoFailed
from broker.explanation import explain, reason
from broker.forwarding import forwarding_of
from broker.job import Job
from broker.ledger import Ledger
from broker.matched import kept
from broker.matchmaker import User, admits, match
from broker.proof import objection
from broker.request import Request
from broker.settings import BrokerSettings
from broker.supermarket import Snapshot, Supermarket
from broker.traffic import Sent
from broker.trail import Trail
from broker.waiting import Kind
from broker.wms_requirements import read_wms_requirements
from grid.fqan import Fqan
from infosys.ce_ads import CeRecord
from jdl.parser import parse

log = logging.getLogger("wms.broker")


@dataclass(frozen=True)
class Placement:
    """The element for a request, or why there is none now.

    :ivar jdl: the description that the element gets.
    :ivar matched: the match as the queue keeps it (:mod:`broker.matched`).
    :ivar reason: why the request waits; it begins with a sentence of gLite's.
    :ivar until: when there may be one, seconds since 1970; None when nobody knows.
    :ivar kind: by what a request that waits is matched; None: it is looked at by its own period alone.
    :ivar sent: that the job is on its way to the element.
    :ivar wait: after which the request is looked at again anyhow, in seconds.
    """

    candidate: Candidate | None = None
    jdl: str = ""
    matched: str = ""
    reason: str = ""
    until: float | None = None
    kind: Kind | None = None
    wait: float = 0.0
    sent: Sent | None = None


class Placements:
    """Used by several threads at once."""

    def __init__(
        self, settings: BrokerSettings, ledger: Ledger, supermarket: Supermarket, catalogues: Catalogues
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._supermarket = supermarket
        self._catalogues = catalogues
        self._wms_requirements = read_wms_requirements(settings.wms_requirements)
        self._wms_names = own_names(self._wms_requirements)
        self._forwarding = forwarding_of(settings)
        self._rng = random.Random()
        self._matches = Matches()
        self._choosing = threading.Lock()
        self._chooser = Chooser(ledger.standings, ledger.traffic, self._wms_requirements, self._rng)

    def place(self, request: Request, known: Resolution | None = None) -> Placement:
        """Find an element; from then on the job counts as on its way there, until a step ends it elsewhere.

        :param known: where the job's files were when it was looked at before; the catalogues are asked once in each
            period of waiting.
        :raises GridError: when the description cannot be read (any more).
        """
        job, user, snapshot = Job(parse(request.ad)), user_of(request), self._supermarket.snapshot()
        key = match_key(job, self._wms_names)
        period = self._settings.match_retry_period
        files = self._catalogues.resolve(job, request.owner, Path(request.proxy), known, period)
        data = None if files is None else files.plan(snapshot)
        kind = Kind((key or str(request.job), user), job, user, data=files)
        wait = period if files is None else self._catalogues.left(files, period)
        result = self._result(key, job, user, snapshot, request.tried_hosts, data)
        if not result.candidates:
            why = self._reason(key, job, user, snapshot, result.headline, data)
            return Placement(reason=why, kind=kind, wait=wait)
        seen_at = snapshot.taken_at.timestamp() - self._settings.information_delay
        memo = self._matches.memo(key, user, snapshot)
        sent: Sent | None = None
        with self._choosing:  # who chooses next sees this job on its way: an element on trial gets one at a time
            choice = self._chooser.choose(job, result, seen_at, memo)
            if choice.candidate is not None:
                sent = self._ledger.traffic.sent(choice.candidate.ce_id, str(request.job), job.slots)
        if choice.candidate is None:
            filled = any(each.until is None for each in choice.aside)
            aside = choice.until is not None
            kind = replace(kind, key=(kind.key, filled, aside), filled=filled, aside=aside, matched=True)
            why = f"{result.headline}; {choice.sentence()}"
            return Placement(reason=why, until=choice.until, kind=kind, wait=wait)
        chosen = choice.candidate
        if chosen.record is not None:
            try:
                brokerinfo.write(job, chosen.record, snapshot, data)
            except BrokerInfoFailed as error:
                return Placement(reason=f"BrokerHelper: {error.description}", wait=period)
        told = self._for_the_lrms(job, chosen.record)
        jdl = adapt(job.ad, chosen.ce_id, request.sequence_code, told, brokerinfo.uri(job)).text()
        return Placement(chosen, jdl, kept(result, chosen, time.time()), sent=sent)

    def _result(
        self,
        key: Key | None,
        job: Job,
        user: User,
        snapshot: Snapshot,
        tried_hosts: tuple[str, ...],
        data: DataPlan | None,
    ) -> MatchResult:
        """What matches; of jobs that are alike, found once for each picture."""

        demands = self._wms_requirements
        circumstances = Circumstances(rng=self._rng.random, success=self._ledger.standings.success)
        find = partial(
            match,
            job,
            snapshot,
            user,
            tried_hosts=tried_hosts,
            wms_requirements=demands,
            circumstances=circumstances,
            data=data,
        )

        def make() -> MatchResult:
            found = find()
            wrong = objection(job, found.best()[0], user, demands, circumstances) if found.candidates else ""
            if wrong:
                log.error("the table and the evaluator disagree, so the evaluator is asked alone: %s", wrong)
                snapshot.table.distrust()
                found = find()
            return found

        return self._matches.result(key, user, tried_hosts, snapshot, make)

    def _reason(
        self, key: Key | None, job: Job, user: User, snapshot: Snapshot, headline: str, data: DataPlan | None
    ) -> str:
        """Why nothing matches."""

        def make() -> str:
            circumstances = Circumstances(success=self._ledger.standings.success)
            demands = self._wms_requirements
            why = explain(job, snapshot, user, wms_requirements=demands, circumstances=circumstances, data=data)
            return reason(why, headline)

        return self._matches.reason(key, user, snapshot, headline, make)

    def adapted(self, request: Request) -> str:
        """The description for the element that was chosen; Requirements are forwarded if it is (still) known."""
        job, ce_id = Job(parse(request.ad)), str(request.ce_id)
        known = (record for record in self._supermarket.snapshot().records if record.ce_id == ce_id)
        record = next((each for each in known if admits(each, user_of(request)).allowed), None)
        code = Trail(request, self._settings.host).wrapper_code(str(request.ce_endpoint))
        return adapt(job.ad, ce_id, code, self._for_the_lrms(job, record), brokerinfo.uri(job)).text()

    def _for_the_lrms(self, job: Job, record: CeRecord | None) -> str:
        if record is None or job.submit_to is not None:
            return ""
        return self._forwarding.ce_requirements(job, record.ad, clock=time.time, rng=self._rng.random)


def user_of(request: Request) -> User:
    """Whose request it is, as access rules see them."""
    return User(request.owner, tuple(Fqan.parse(text) for text in request.fqans))

