"""Names of files in the data grid: logical file names, GUIDs and storage URLs (LCG File Catalogue, EDG).

``lfn:/grid/vo/file`` or ``lfn:file``; ``guid:<uuid>``; a replica is ``srm://host[:port]/path`` (SURL),
``sfn://host/path`` (SFN) or a storage element's host alone.
"""

from __future__ import annotations

import re
import uuid
from typing import Final

from infosys.errors import LogicalNameError

MAX_NAME: Final = 1024
"""Characters of a logical file name or of a replica's URL."""

_HOST: Final = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,252}[A-Za-z0-9])?)"
_URL: Final = re.compile(rf"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]{{0,30}})://{_HOST}(?::[0-9]{{1,5}})?(?:/.*)?", re.DOTALL)
_BARE: Final = re.compile(_HOST)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def storage_host(replica: str) -> str | None:
    """The storage element's host that a replica names; None when it names none."""
    found = _URL.fullmatch(replica) or _BARE.fullmatch(replica)
    return found["host"].lower() if found else None


def check_lfn(text: str) -> str:
    """A logical file name without its prefix.

    :raises LogicalNameError: it is empty, too long or has control characters.
    """
    name = text.removeprefix("lfn:")
    if not name.strip() or name != name.strip():
        raise LogicalNameError(text, "a logical file name is lfn:/grid/<vo>/… or lfn:<name>")
    return _checked(text, name)


def check_guid(text: str) -> str:
    """A GUID without its prefix, in the form of a UUID in lower case.

    :raises LogicalNameError: it is none.
    """
    try:
        return str(uuid.UUID(text.removeprefix("guid:")))
    except ValueError:
        raise LogicalNameError(text, "a GUID is guid:xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") from None


def check_replica(text: str) -> str:
    """A replica as it is.

    :raises LogicalNameError: it names no storage element.
    """
    if storage_host(text) is None:
        raise LogicalNameError(text, "a replica is srm://host/path, sfn://host/path or the name of a host")
    return _checked(text, text)


def _checked(text: str, name: str) -> str:
    if len(name) > MAX_NAME:
        raise LogicalNameError(text[:60] + "…", f"it has more than {MAX_NAME} characters")
    if _CONTROL.search(name):
        raise LogicalNameError(text, "it has control characters or bytes that are not UTF-8")
    return name
