"""The handlers behind the door: what keeps the contract at random, and the WMProxy port itself.

The port is the real one with the real registration, authorization, access lists and perusal; only what is behind them
(disk, database, bookkeeping, broker) answers from memory, alike every time.
"""

from __future__ import annotations

import contextlib
import datetime
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from delegation.port import DelegationPort
from delegation.store import Delegation
from grid import clock
from grid.errors import DelegationError, GridError
from grid.fqan import Fqan
from grid.jobid import JobId
from grid.states import JobState
from gsi.gacl import Gacl, Permission
from gsi.identity import Identity
from jdl.parser import parse
from jdl.tree import ClassAd
from web import guard
from web.guard import Rule, asked
from wmproxy import acl
from wmproxy.acl import AccessLists
from wmproxy.authorization import AuthorizationPoint
from wmproxy.descriptions import Descriptions
from wmproxy.errors import JobNotFound, PermissionMissing
from wmproxy.jobs import Job, Kind, Phase
from wmproxy.operations import DELEGATION_1, DELEGATION_2, PORT
from wmproxy.perusal import Perusal
from wmproxy.port import WMProxyPort
from wmproxy.protocols import Protocols
from wmproxy.registration import Registered, Registration
from wmproxy.sandboxes import Sandboxes
from wmproxy.settings import WmproxySettings
from wsdl.contract import Contract
from wsdl.operation import terms_of
from wsdl.schema import ComplexType, Member
from wsdl.service import Call

CONTRACT = Contract.load("WMProxy.wsdl").answering_gridsite()
OWN = "https://localhost:9000/aaaaaaaaaaaaaaaaaaaaaa"
COMPOUND = "https://localhost:9000/bbbbbbbbbbbbbbbbbbbbbb"
OTHERS = "https://localhost:9000/cccccccccccccccccccccc"
SOMEBODY = "/DC=org/CN=somebody"
_PERUSED = '[ Executable = "a"; PerusalFileEnable = true; PerusalTimeInterval = 60; Type = "job"; ]'


class Handler:
    """Answers every operation with what its contract says, or with an error that its terms declare."""

    def __init__(self, kind: type, port: str, dice: random.Random) -> None:
        self._kind, self._port, self._dice = kind, port, dice

    def __getattr__(self, name: str) -> Callable[..., object]:
        operation = CONTRACT.ports[self._port].operations.get(name)
        method = getattr(self._kind, name, None)
        terms = terms_of(method)
        if operation is None or terms is None:
            raise AttributeError(name)

        def answer(call: Call, **parts: object) -> object:
            for rule in {*terms.rules, Rule.KNOWN}:
                asked(name, "granted", rule)
            if self._dice.random() < 0.3:
                raise GridError(f"refused: {parts}"[:3000], code=self._dice.choice(sorted(terms.codes)))
            values = tuple(plain(part) for part in operation.response.parts)
            return values if len(values) > 1 else values[0] if values else None

        answer.__wms_terms__ = terms  # type: ignore[attr-defined]
        return answer


def plain(member: Member) -> object:
    """A value of a member's type."""
    kind = CONTRACT.schemas.type(member.type)
    if isinstance(kind, ComplexType):
        if len(kind.members) == 1 and kind.members[0].repeated:
            return [plain(kind.members[0])]
        return {inner.name: [] if inner.repeated else plain(inner) for inner in kind.members}
    name = member.type.rpartition("}")[2]
    if name in ("int", "long", "integer"):
        return 7
    if name == "dateTime":
        return clock.now()
    return next(iter(getattr(kind, "enumeration", ())), "text")


CALLER = Identity(
    dn="/DC=org/CN=alice",
    issuer="/DC=org/CN=authority",
    chain=(),
    kinds=("rfc",),
    limited=False,
    fqans=(Fqan.parse("/testvo"),),
    vo="testvo",
    vo_attributes=(),
    not_after=datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC),
)


class Authorization(AuthorizationPoint):
    """The authorization point, for one caller and a few jobs."""

    def __init__(self) -> None:
        self._admitted = ("testvo",)
        own = Job(JobId.parse(OWN), CALLER.dn, "testvo", ("/testvo",), Phase.STARTED, "")
        self._jobs = {
            own.job: own,
            JobId.parse(COMPOUND): Job(
                JobId.parse(COMPOUND), CALLER.dn, "testvo", (), Phase.REGISTERED, "", kind=Kind.COLLECTION
            ),
            JobId.parse(OTHERS): Job(JobId.parse(OTHERS), SOMEBODY, "testvo", (), Phase.STARTED, ""),
        }

    def known(self, environ: Mapping[str, Any], action: str) -> Identity:
        guard.asked(action, "known", Rule.KNOWN)
        return CALLER

    def permitted(self, identity: Identity, job: JobId, rule: Rule, action: str) -> Job:
        record = self._jobs.get(job)
        if record is None:
            raise JobNotFound(str(job))
        if record.owner != identity.dn and rule is not Rule.READER:
            raise PermissionMissing(identity.dn, str(job), action, rule.value)
        return record


class Delegations:
    """A delegation under every id that is not too strange."""

    def request(self, caller: Identity, name: str) -> str:
        return f"-----BEGIN CERTIFICATE REQUEST-----\n{self._checked(name)}"

    renew_request = request

    def put(self, caller: Identity, name: str, proxy: str) -> None:
        if "BEGIN" not in proxy:
            raise DelegationError(f"no proxy came for {self._checked(name)}: {proxy[:100]}")

    def get(self, caller: Identity, name: str) -> Delegation:
        return Delegation(self._checked(name), Path("proxy"), CALLER, b"")

    def stored(self, caller: Identity, name: str) -> bytes:
        raise DelegationError(f"nothing was delegated under {name[:100]}")

    def termination_time(self, caller: Identity, name: str) -> datetime.datetime:
        return CALLER.not_after

    def destroy(self, caller: Identity, name: str) -> None:
        self._checked(name)

    def _checked(self, name: str) -> str:
        if len(name) > 200:
            raise DelegationError("the id of the delegation is too long")
        return name


class Registrations(Registration):
    """Checks and makes jobs as WMProxy does, and puts them nowhere."""

    def register(self, caller: Identity, text: str, delegation_id: str) -> Registered:
        return self._new(caller, text, delegation_id).registered

    def submit(self, caller: Identity, text: str, delegation_id: str, client: str) -> Registered:
        new = self._new(caller, text, delegation_id)
        if new.request.compound is None:
            self._handover(new, client)
        else:
            list(self._descriptions.registered_nodes(new.request.compound, new.registered.record, new.registered.nodes))
        return new.registered


class Lists(AccessLists):
    """Access lists that are as they were made, every time."""

    def _read(self, record: Job) -> Gacl:
        return Gacl.parse(acl.first(record.owner))

    def _write(self, record: Job, listed: Gacl) -> None:
        if Gacl.parse(listed.to_bytes()) != listed:
            raise ValueError(f"an access list reads otherwise than it was written: {listed}")

    @contextlib.contextmanager
    def _locked(self, record: Job) -> Iterator[None]:
        yield

    def permissions(self, record: Job, identity: Identity) -> Permission:
        return Permission.READ


class Described(Descriptions):
    """One description for all jobs."""

    def current(self, record: Job) -> ClassAd:
        return parse(_PERUSED)

    def answer(self, record: Job, kind: str) -> str:
        return self.current(record).pretty()


class Perused(Perusal):
    """Files of which there is always one piece."""

    def _peek(self, record: Job) -> Any:
        def merge(name: str) -> list[str]:
            return [f"{name}-1-2"]

        def enlist(names: Sequence[str]) -> None:
            "\n".join(names).encode()

        return SimpleNamespace(merge=merge, merged=lambda name: [SimpleNamespace(name=f"{name}-0-1")], enlist=enlist)

    def _check_destination(self, record: Job, uri: str) -> None:
        return


class Control:
    """The state of things that never change."""

    def cancel(self, record: Job) -> None:
        return

    def purge(self, record: Job) -> None:
        return

    def nodes(self, record: Job) -> list[Job]:
        return [record.node(f"n{index}", index) for index in range(2)] if record.compound else []

    def node_states(self, record: Job) -> dict[JobId, JobState]:
        return {node.job: JobState.Waiting for node in self.nodes(record)}

    def status(self, record: Job) -> JobState:
        return JobState.Running

    def output_files(self, record: Job) -> list[tuple[str, int]]:
        return [("a b", 5)]


def handlers(scratch: Path) -> dict[str, object]:
    """The handlers of the three ports, the real ones; a few directories are made below ``scratch``."""
    files = SimpleNamespace(certificate=scratch / "certificate", key=scratch / "key", journal=scratch / "journal")
    settings: WmproxySettings = WmproxySettings(
        (), "https://localhost:7443/glite_wms_wmproxy_server", files.certificate, files.key, files.key, scratch,
        scratch, "sqlite://", scratch, scratch, files.journal, scratch / "bell", scratch / "bell",
        scratch / "control", scratch, ("testvo",), "localhost", 9000,
    )  # fmt: skip
    anything: Any = SimpleNamespace()
    sandboxes = Sandboxes(scratch, settings.sandbox_directory, settings.base_url)
    authorization, delegations = Authorization(), Delegations()
    described = Described(sandboxes, anything)
    registration = Registrations(
        settings, anything, sandboxes, delegations, authorization, anything, anything, described,
        SimpleNamespace(simple=lambda record, ad, client: ad.text(), compound=None), anything,
    )  # type: ignore[arg-type]  # fmt: skip
    port = WMProxyPort(
        settings,
        authorization,
        registration,
        SimpleNamespace(start=lambda record, client: None),  # type: ignore[arg-type]
        Control(),  # type: ignore[arg-type]
        sandboxes,
        Perused(sandboxes, described, settings.max_perusal_files),
        delegations,  # type: ignore[arg-type]
        Lists(sandboxes),
        SimpleNamespace(total=lambda: (-1, -1), free=lambda dn: (5, 6)),  # type: ignore[arg-type]
        described,
        Protocols(sandboxes, scratch, "localhost", 2811),
    )
    delegation = DelegationPort(delegations, authorization.delegator)  # type: ignore[arg-type]
    return {PORT: port, DELEGATION_1: delegation, DELEGATION_2: delegation}
