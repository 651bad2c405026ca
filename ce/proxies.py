"""The delegated proxy that travels with a job: always limited, always the job owner's."""

from __future__ import annotations

from ce.database import Job
from ce.jobproxy import JobProxy
from delegation.store import DelegationStore
from grid.clock import now
from grid.dn import normalise
from grid.errors import DelegationError, ProxyExpired
from gsi import proxy


class Proxies:
    """Finds proxies in the store of the delegation port."""

    def __init__(self, store: DelegationStore) -> None:
        self._store = store

    def of(self, job: Job) -> JobProxy:
        """The proxy for ``job``.  A full proxy is not handed on: a limited one is made from it.

        :raises DelegationError: the delegation is not known or somebody else's.
        :raises ProxyExpired: it has ended.
        """
        delegation = self._store.get(job.dn, job.delegation_id)
        if normalise(delegation.identity.dn) != normalise(job.dn):
            raise DelegationError(f"delegation {job.delegation_id!r} is not of {job.dn}")
        credential = delegation.credential()
        if credential.not_after <= now():
            raise ProxyExpired(f"the delegated proxy of {job.dn} ended at {credential.not_after:%Y-%m-%d %H:%M:%S} UTC")
        if not credential.is_limited:
            credential = proxy.create(credential, lifetime=credential.not_after - now(), limited=True)
        return JobProxy(credential.to_pem(), credential.not_after)
