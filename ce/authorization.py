"""Who calls, and what they may do: the one authorization point of the computing element.

Starting jobs and delegating need a full proxy of somebody whom a queue admits, so that a payload, which holds a
limited one, can start nothing.  Everything else is decided by the ownership of the job.
"""

from __future__ import annotations

from collections.abc import Callable

from ce.errors import LimitedProxy, NotAdmitted
from ce.jobs import Caller
from ce.settings import CeSettings, Queue
from grid.dn import normalise
from gsi.identity import Identity
from infosys.access import User, judge
from web.guard import Rule, asked
from web.identity import Authenticator
from wsdl.service import Call


class Authorization:
    """Asks the verified chain of the connection, and nothing else."""

    def __init__(self, settings: CeSettings, authenticator: Authenticator) -> None:
        self._settings = settings
        self._authenticator = authenticator
        self._administrators = frozenset(map(normalise, settings.administrators))

    def caller(self, call: Call, action: str) -> Caller:
        """Anybody with a valid certificate; what they see is decided by ownership.

        :raises ChainError: the chain is not valid.
        """
        identity = self._identify(call, action)
        asked(action, "by ownership")
        return self._caller(identity)

    def submitter(self, call: Call, action: str) -> tuple[Caller, Callable[[Queue], None]]:
        """A caller with a full proxy, and the check whether a queue admits them.

        :raises LimitedProxy: the proxy is limited.
        """
        identity = self._identify(call, action)
        if not identity.full_proxy:
            asked(action, "refused: limited proxy")
            raise LimitedProxy(identity.dn, action)
        asked(action, "full proxy")
        return self._caller(identity), lambda queue: admit(queue, identity)

    def delegator(self, call: Call, action: str) -> Identity:
        """For the delegation port: a full proxy of somebody whom some queue admits, where the operation declares it.

        :raises LimitedProxy: the proxy is limited.
        :raises NotAdmitted: no queue admits the caller.
        """
        identity = self._identify(call, action)
        if call.terms is not None and Rule.MEMBER not in call.terms.rules:
            asked(action, "own delegations only")
            return identity
        if not identity.full_proxy:
            asked(action, "refused: limited proxy")
            raise LimitedProxy(identity.dn, action)
        verdicts = [judge(queue.access_rules, _user(identity)) for queue in self._settings.queues]
        if not any(verdict.allowed for verdict in verdicts):
            asked(action, "refused: no queue admits")
            rules = sorted({rule for queue in self._settings.queues for rule in _admitting(queue)})
            raise NotAdmitted(identity.dn, "*", rules, any(verdict.rule for verdict in verdicts))
        asked(action, "admitted", Rule.MEMBER)
        return identity

    def _identify(self, call: Call, action: str) -> Identity:
        asked(action, "identity", Rule.KNOWN)
        return self._authenticator.identify(call.environ)

    def _caller(self, identity: Identity) -> Caller:
        dn = normalise(identity.dn)
        fqan = identity.fqans[0].full if identity.fqans else None
        return Caller(dn, fqan, identity.vo, dn in self._administrators)


def admit(queue: Queue, identity: Identity) -> None:
    """Check the access rules of a queue.

    :raises NotAdmitted: naming what the queue admits.
    """
    verdict = judge(queue.access_rules, _user(identity))
    if not verdict.allowed:
        raise NotAdmitted(identity.dn, queue.name, _admitting(queue), verdict.rule is not None)


def _admitting(queue: Queue) -> list[str]:
    return [rule for rule in queue.access_rules if not rule.upper().startswith("DENY:")]


def _user(identity: Identity) -> User:
    return User(identity.dn, tuple(identity.fqans), identity.vo)
