"""The authorization point of WMProxy: the one place that decides who may do what.

=============  =============================================================================
rule           who
=============  =============================================================================
known          anyone whose certificate chain is valid (getVersion, transfer protocols, sizes, looking after one's
               own delegations)
member         a full proxy of RFC 3820, or the certificate itself, of a member of an admitted VO
               (register, submit, start, delegate, list-match)
owner          the user who registered the job, by certificate: whichever proxy, whatever VO
=============  =============================================================================

Identity comes from the verified chain of the connection and from nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from grid.jobid import JobId
from gsi.identity import Identity
from web import guard
from web.guard import Rule
from web.identity import Authenticator
from wmproxy import jobs
from wmproxy.errors import FullProxyRequired, JobNotFound, LegacyProxyRefused, VoNotAdmitted
from wsdl.service import Call


class AuthorizationPoint:
    """Decides for one server.

    :param admitted_vos: the virtual organisations whose members may create work here.
    """

    def __init__(self, authenticator: Authenticator, engine: sa.Engine, admitted_vos: tuple[str, ...]) -> None:
        self._authenticator = authenticator
        self._engine = engine
        self._admitted = admitted_vos

    def known(self, environ: Mapping[str, Any], action: str) -> Identity:
        """Admit anyone with a valid chain.

        :raises gsi.errors.ChainError: naming the certificate and the reason.
        """
        try:
            identity = self._authenticator.identify(environ)
        except BaseException:
            guard.asked(action, "refused")
            raise
        guard.asked(action, "known", Rule.KNOWN)
        return identity

    def member(self, environ: Mapping[str, Any], action: str) -> Identity:
        """Admit a member of an admitted VO with a full proxy.

        :raises FullProxyRequired: for a limited proxy.
        :raises LegacyProxyRefused: for a proxy older than RFC 3820.
        :raises VoNotAdmitted: naming the admitted ones.
        """
        identity = self.known(environ, action)
        if identity.limited:
            raise FullProxyRequired(identity.dn, action)
        if identity.legacy:
            raise LegacyProxyRefused(identity.dn, action)
        if identity.vo not in self._admitted:
            raise VoNotAdmitted(identity.dn, identity.vo, self._admitted)
        guard.asked(action, "member", Rule.MEMBER)
        return identity

    def admit(self, identity: Identity) -> None:
        """Apply the VO rule to a delegated chain.

        :raises VoNotAdmitted: naming the admitted ones.
        """
        if identity.vo not in self._admitted:
            raise VoNotAdmitted(identity.dn, identity.vo, self._admitted)

    def owner(self, environ: Mapping[str, Any], action: str, job_id: str) -> jobs.Job:
        """Admit the owner of a job that has not been purged.

        :raises JobNotFound: for everybody else, and when there is no such job.
        :raises JobIdError: when the text is no job identifier.
        """
        identity = self.known(environ, action)
        record = self.owned(identity, JobId.parse(job_id))
        guard.asked(action, "owner", Rule.OWNER)
        return record

    def delegator(self, call: Call, action: str) -> Identity:
        """Admit to an operation of the delegation ports by the rule that it declares.

        :raises GridError: as :meth:`known` or :meth:`member`.
        """
        if call.terms is not None and Rule.MEMBER not in call.terms.rules:
            return self.known(call.environ, action)
        return self.member(call.environ, action)

    def owned(self, identity: Identity, job: JobId) -> jobs.Job:
        """The job, if it is ``identity``'s.

        :raises JobNotFound: otherwise.
        """
        with self._engine.connect() as connection:
            record = jobs.get(connection, job)
        if record is None or record.owner != identity.dn or record.phase is jobs.Phase.PURGED:
            raise JobNotFound(str(job))
        return record
