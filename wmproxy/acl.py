"""The access list of a job: the file ``.gacl`` in its directory (GACL), and the items that the owner puts there.

It is made with the job and lets its owner read, list and write.  The owner may do everything whatever it says.  An
item is a person's DN or an FQAN, and gives read, which is what an item of gLite's gave; lists that a site's
administrator writes may hold whatever GACL has.  The nodes of a compound job follow their parent's list.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from grid.dn import is_dn
from grid.errors import InternalFailure
from grid.faultpoints import point
from grid.filelock import lock
from grid.files import read_bounded, write_private
from grid.fqan import Fqan, FqanError
from gsi.gacl import MAX_BYTES, MAX_NAME, Caller, Credential, Entry, Gacl, GaclError, Permission
from gsi.identity import Identity
from wmproxy.errors import AclItemExists, AclItemMissing, AclItemUnfit, JobNotFound, OwnersAclItem, TooManyAclItems
from wmproxy.jobs import Job
from wmproxy.sandboxes import Sandboxes

log = logging.getLogger("wms.wmproxy")

MAX_ITEMS = 200
"""Items of one job, the owner's included."""

_OWNER = Permission.READ | Permission.LIST | Permission.WRITE


def first(owner: str) -> bytes:
    """The list of a new job."""
    return _of_owner(owner).to_bytes()


class AccessLists:
    """The lists of all jobs of one server."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes

    def permissions(self, record: Job, identity: Identity) -> Permission:
        """What the list of a job gives to somebody who is not its owner; nothing when it cannot be read."""
        try:
            listed = self._read(record)
        except (GaclError, OSError) as error:
            log.error("the access list of %s gives nothing to anybody: %s", record.job, error)
            return Permission.NONE
        return listed.permissions(Caller(identity.dn, identity.fqans))

    def items(self, record: Job) -> list[str]:
        """The DNs and FQANs on the list, the owner's first as it was made.

        :raises GaclError: 1209, when the file is damaged.
        """
        entries = self._read(record).entries
        return [entry.credentials[0].name for entry in entries if _is_item(entry)]

    def add(self, record: Job, items: Sequence[str]) -> None:
        """Let further people or groups read: all of them or, when one cannot be added, none.

        :raises AclItemUnfit: 1225, neither a DN nor an FQAN.
        :raises AclItemExists: 1209.  :raises TooManyAclItems: 1225.
        :raises GaclError: 1209, when the file is damaged.
        """
        wanted = [_credential(item) for item in items]
        with self._locked(record):
            listed = self._read(record)
            if len(listed.entries) + len(wanted) > MAX_ITEMS:
                raise TooManyAclItems(len(listed.entries), len(wanted), MAX_ITEMS)
            for credential in wanted:
                if listed.find(credential):
                    raise AclItemExists(self._name(record), credential.kind, credential.name)
                listed = listed.with_entry(Entry((credential,), Permission.READ))
            self._write(record, listed)

    def remove(self, record: Job, item: str) -> None:
        """Take one item off the list.

        :raises OwnersAclItem: 1226, the owner's own item.  :raises AclItemMissing: 1207.
        :raises AclItemUnfit: 1225, neither a DN nor an FQAN.  :raises GaclError: 1209, when the file is damaged.
        """
        credential = _credential(item)
        if credential == Credential.person(record.owner):
            raise OwnersAclItem(str(record.job))
        with self._locked(record):
            listed = self._read(record)
            if not listed.find(credential):
                raise AclItemMissing(self._name(record), credential.kind, credential.name)
            self._write(record, listed.without(credential))

    # -- the file ----------------------------------------------------------------------------------------

    def _directory(self, record: Job) -> Path:
        return self._sandboxes.of(record.sandbox_owner).path

    def _name(self, record: Job) -> str:
        """The file as a message names it, without the server's own directories."""
        return f"{self._sandboxes.relative(record.sandbox_owner)}/.gacl"

    def _read(self, record: Job) -> Gacl:
        """The list; the owner's alone when nothing is there.

        The first list of a job is not waited for on its way to the disk (:mod:`wmproxy.sandboxes`): a power cut may
        leave it empty, and what it says is known.
        """
        try:
            data = read_bounded(self._directory(record) / ".gacl", MAX_BYTES)
        except FileNotFoundError:
            data = b""
        return Gacl.parse(data) if data else _of_owner(record.owner)

    def _write(self, record: Job, listed: Gacl) -> None:
        write_private(self._directory(record) / ".gacl", listed.to_bytes())
        point("wmproxy.acl.written")

    @contextlib.contextmanager
    def _locked(self, record: Job) -> Iterator[None]:
        """Hold the job's directory while its list changes.

        :raises JobNotFound: when it is gone.
        :raises TimedOut: when somebody else holds it for too long.
        """
        try:
            descriptor = os.open(self._directory(record), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise JobNotFound(str(record.job)) from None
        try:
            lock(descriptor)
            yield
        except FileNotFoundError:  # it was purged under us
            raise JobNotFound(str(record.job)) from None
        except OSError as error:
            raise InternalFailure(f"the access list of {record.job} cannot be used: {error.strerror}") from error
        finally:
            os.close(descriptor)


def _of_owner(owner: str) -> Gacl:
    return Gacl((Entry((Credential.person(owner),), _OWNER),))


def _is_item(entry: Entry) -> bool:
    """Whether an entry is one that can be an item: it names one person or one FQAN, and lets read."""
    return (
        len(entry.credentials) == 1
        and entry.credentials[0].kind in ("person", "voms")
        and Permission.READ in entry.allow
    )


def _credential(item: str) -> Credential:
    """An item as a credential; percent escapes are decoded."""
    text = unquote(item).strip()
    if len(text) > MAX_NAME or not text.isprintable():
        raise AclItemUnfit(item)
    if is_dn(text):
        return Credential.person(text)
    try:
        return Credential("voms", str(Fqan.parse(text)))
    except FqanError as error:
        raise AclItemUnfit(item) from error
