"""The Python that runs the wrapper: one that the jobs' accounts can run, 3.9 or later."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path

from ce.errors import BadSettings
from ce.lrms import LocalAccount

_log = logging.getLogger("wms.ce")
_OTHERS = (Path("/usr/bin/python3"), Path("/usr/local/bin/python3"))
_PROBE = "import ssl, json, http.client, sys; sys.exit(0 if sys.version_info >= (3, 9) else 9)"


def choose(wanted: Path, account: LocalAccount) -> Path:
    """``wanted`` if a job's account can run it, else one of the system's own.

    A Python below root's home directory, for example, cannot be run by anybody else.

    :raises BadSettings: no candidate can be run.
    """
    for candidate in (wanted, *_OTHERS):
        if _runs(candidate, account):
            if candidate != wanted:
                _log.warning("job accounts cannot run %s; the wrapper uses %s", wanted, candidate)
            return candidate
    raise BadSettings(
        f"job accounts (uid {account.uid}) can run none of {', '.join(map(str, (wanted, *_OTHERS)))}",
        "configure an interpreter of Python 3.9 or later outside of private directories",
    )


def _runs(candidate: Path, account: LocalAccount) -> bool:
    options = {"user": account.uid, "group": account.gid, "extra_groups": []} if account.switch else {}
    try:
        ended = subprocess.run(
            [str(candidate), "-I", "-S", "-B", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            timeout=20.0,
            check=False,
            **options,  # type: ignore[call-overload]
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return bool(ended.returncode == 0)
