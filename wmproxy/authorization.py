"""The authorization point of WMProxy: the one place that decides who may do what.

=============  =============================================================================
rule           who
=============  =============================================================================
known          anyone whose certificate chain is valid (getVersion, transfer protocols, sizes, looking after one's
               own delegations)
member         a full proxy of RFC 3820, or the certificate itself, of a member of an admitted VO
               (register, submit, start, delegate, list-match)
owner          the user who registered the job, by certificate: whichever proxy, whatever VO
               (start, change of the access list)
reader         the owner, or who may read by the job's access list: state, description, output, what is looked at
               while it runs, proxy information
writer         the owner, or who may write by it: cancel, purge, input files, choice of files to look at
=============  =============================================================================

Who has no permission at all by the access list is told what everybody is told of a job that does not exist.

Identity comes from the verified chain of the connection and from nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from grid.jobid import JobId
from gsi.gacl import Permission
from gsi.identity import Identity
from web import guard
from web.guard import Rule
from web.identity import Authenticator
from wmproxy import jobs
from wmproxy.acl import AccessLists
from wmproxy.errors import FullProxyRequired, JobNotFound, LegacyProxyRefused, PermissionMissing, VoNotAdmitted
from wsdl.service import Call

_NEEDED = {Rule.OWNER: Permission.NONE, Rule.READER: Permission.READ, Rule.WRITER: Permission.WRITE}


class AuthorizationPoint:
    """Decides for one server.

    :param admitted_vos: the virtual organisations whose members may create work here.
    """

    def __init__(
        self, authenticator: Authenticator, engine: sa.Engine, acl: AccessLists, admitted_vos: tuple[str, ...]
    ) -> None:
        self._authenticator = authenticator
        self._engine = engine
        self._acl = acl
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

        :raises JobNotFound: for whoever has no permission on the job, and when there is no such job.
        :raises PermissionMissing: for others on its access list.
        :raises JobIdError: when the text is no job identifier.
        """
        return self._on_job(environ, action, job_id, Rule.OWNER)

    def reader(self, environ: Mapping[str, Any], action: str, job_id: str) -> jobs.Job:
        """Admit the owner, and who may read by the job's access list.

        :raises GridError: as :meth:`owner`.
        """
        return self._on_job(environ, action, job_id, Rule.READER)

    def writer(self, environ: Mapping[str, Any], action: str, job_id: str) -> jobs.Job:
        """Admit the owner, and who may write by the job's access list.

        :raises GridError: as :meth:`owner`.
        """
        return self._on_job(environ, action, job_id, Rule.WRITER)

    def delegator(self, call: Call, action: str) -> Identity:
        """Admit to an operation of the delegation ports by the rule that it declares.

        :raises GridError: as :meth:`known` or :meth:`member`.
        """
        if call.terms is not None and Rule.MEMBER not in call.terms.rules:
            return self.known(call.environ, action)
        return self.member(call.environ, action)

    def permitted(self, identity: Identity, job: JobId, rule: Rule, action: str) -> jobs.Job:
        """The job, if ``rule`` (OWNER, READER or WRITER) lets ``identity`` do something with it.

        :raises JobNotFound: no such job, it was purged, or its access list gives the caller nothing.
        :raises PermissionMissing: the list gives him something else.
        """
        with self._engine.connect() as connection:
            record = jobs.get(connection, job)
        if record is None or record.phase is jobs.Phase.PURGED:
            raise JobNotFound(str(job))
        if record.owner == identity.dn:
            return record
        given = self._acl.permissions(record, identity)
        if not given:
            raise JobNotFound(str(job))
        if not given & _NEEDED[rule]:
            raise PermissionMissing(identity.dn, str(job), action, rule.value)
        return record

    def _on_job(self, environ: Mapping[str, Any], action: str, job_id: str, rule: Rule) -> jobs.Job:
        identity = self.known(environ, action)
        record = self.permitted(identity, JobId.parse(job_id), rule, action)
        guard.asked(action, rule.name.lower(), rule)
        return record
