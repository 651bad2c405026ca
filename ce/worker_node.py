"""What is published of the machines on which jobs run: of this one, which is the worker node of the fork back end."""

from __future__ import annotations

import functools
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CPUINFO: Final = Path("/proc/cpuinfo")
_NAMES: Final = {
    "almalinux": "AlmaLinux",
    "centos": "CentOS",
    "debian": "Debian",
    "fedora": "Fedoracore",
    "gentoo": "Gentoo",
    "opensuse-leap": "SUSE LINUX",
    "rhel": "RedhatEnterpriseAS",
    "rocky": "Rocky",
    "scientific": "ScientificSL",
    "sles": "SUSE LINUX",
    "ubuntu": "Ubuntu",
}
"""``ID`` of os-release, and how grids spell it (GLUE 2.0, OSName_t as EGI's profile has it)."""
_FAMILIES: Final = {"Linux": "linux", "Darwin": "macosx", "SunOS": "solaris", "Windows": "windows"}


@dataclass(frozen=True)
class WorkerNode:
    """Texts are empty and numbers None when this machine does not tell.

    :ivar platform: as ``uname -m`` says.
    :ivar os_family: ``linux``, ``macosx``, ``solaris`` or ``windows``.
    :ivar os_name: the distribution.
    :ivar os_release: its version, ``12``; ``os_version`` its code name or the kernel's release.
    :ivar clock_speed: MHz.
    """

    platform: str
    os_family: str
    os_name: str
    os_release: str
    os_version: str
    cpu_vendor: str = ""
    cpu_model: str = ""
    cpu_version: str = ""
    clock_speed: int | None = None
    virtual: bool | None = None


@functools.cache
def local() -> WorkerNode:
    """This machine."""
    host = os.uname()
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    named = release.get("ID", "")
    processor = read_processor(_CPUINFO.read_text("utf-8", "replace") if _CPUINFO.exists() else "")
    clock = re.fullmatch(r"([0-9]{1,6})(\.[0-9]*)?", processor.get("cpu mhz", ""))
    version = [processor[name] for name in ("cpu family", "model", "stepping") if processor.get(name)]
    return WorkerNode(
        platform=host.machine,
        os_family=_FAMILIES.get(host.sysname, host.sysname.lower()),
        os_name=_NAMES.get(named, release.get("NAME", "") or host.sysname),
        os_release=release.get("VERSION_ID", host.release),
        os_version=release.get("VERSION_CODENAME", host.release),
        cpu_vendor=processor.get("vendor_id", ""),
        cpu_model=processor.get("model name", ""),
        cpu_version=".".join(version),
        clock_speed=int(clock[1]) or None if clock else None,
        virtual="hypervisor" in processor["flags"].split() if processor.get("flags") else None,
    )


def read_processor(text: str) -> dict[str, str]:
    """The first processor of ``/proc/cpuinfo``: values by name in lower case."""
    found: dict[str, str] = {}
    for line in text.partition("\n\n")[0].splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip().lower(), value.strip())
    return found
