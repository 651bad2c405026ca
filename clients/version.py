"""The version of the commands: that of the installed distribution."""

from __future__ import annotations

from typing import Final

DISTRIBUTION: Final = "wmproxy"


def version() -> str:
    """The version text; ``0`` when the commands run from a checkout that is not installed."""
    from importlib import metadata  # 15 ms that only the usage text and --version need

    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0"
