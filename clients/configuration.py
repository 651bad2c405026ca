"""The clients' configuration: ClassAd files of the user and the site (gLite WMS user interface).

The user's file is the one named by ``--config``, else by the environment, else the one in the home directory; what it
does not say is taken from the site's.  Attribute names ignore case; a ``WmsClient = [ … ]`` section around them is
optional.  Unknown names are ignored, as they always were.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clients.errors import ClientError
from grid.errors import GridError
from grid.files import read_bounded

if TYPE_CHECKING:
    from jdl.tree import ClassAd

ENVIRONMENT: Final = ("GLITE_WMS_CLIENT_CONFIG", "GLITE_WMSUI_COMMANDS_CONFIG", "GLITE_WMS_COMMANDS_CONFIG")
"""Variables that name the user's file; the two L&B commands look at the last but one last."""

MAX_BYTES: Final = 1 << 20
"""Bytes of one configuration file."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the files say; the defaults are those of the original.

    :ivar endpoints: WMProxy URLs.
    :ivar jdl_defaults: attributes for job descriptions that lack them; None when there are none.
    :ivar virtual_organisation: the VO, or None.
    :ivar error_storage: directory of log files.
    :ivar output_storage: directory under which output directories are made; variables expanded.
    :ivar proxy_validity: minutes that the proxy must still last.
    :ivar status_level: verbosity of status without ``-v``.
    :ivar logging_level: verbosity of logging-info without ``-v``.
    :ivar lb_addresses: ``host:port`` of the bookkeeping servers that are asked when no job is named.
    :ivar soap_timeouts: seconds by lower-case ``<operation>timeout`` or ``globaltimeout``; 0 means the default.
    :ivar transfer_timeout: seconds without progress after which a file transfer fails; 0 means the default.
    :ivar delegation_id: used when neither ``-a`` nor ``-d`` is given.
    :ivar authenticate_server: False asks not to verify servers, which this client refuses.
    :ivar service_discovery: servers that are not named are looked for in the information system.
    :ivar wmproxy_type: the type of service under which WMProxy servers are looked for; ``lb_type`` likewise for L&B.
    :ivar information_systems: ``host:port`` or LDAP URLs of the BDIIs that are asked.
    :ivar sources: the files that were read, the user's first.
    """

    endpoints: tuple[str, ...] = ()
    jdl_defaults: ClassAd | None = None
    virtual_organisation: str | None = None
    error_storage: str = "/var/tmp"
    output_storage: str = "/tmp"
    proxy_validity: int = 0
    status_level: int = 1
    logging_level: int = 1
    lb_addresses: tuple[str, ...] = ()
    soap_timeouts: Mapping[str, int] = field(default_factory=dict)
    transfer_timeout: int = 0
    delegation_id: str | None = None
    authenticate_server: bool = True
    service_discovery: bool = False
    wmproxy_type: str = "org.glite.wms.WMProxy"
    lb_type: str = "org.glite.lb.Server"
    information_systems: tuple[str, ...] = ()
    sources: tuple[Path, ...] = ()


def user_file(
    explicit: str | None, environ: Mapping[str, str], vo: str | None, *, script: bool
) -> Path | None:
    """The user's file, or None when there is none.

    :param script: True for the two L&B commands, whose own variable comes before that of the others.
    :raises ClientError: a file that is named does not exist.
    """
    order = (ENVIRONMENT[0], ENVIRONMENT[2], ENVIRONMENT[1]) if script else ENVIRONMENT
    named = [(f"--config {explicit}", explicit)] if explicit else []
    named += [(f"the environment variable {name}", environ[name]) for name in order if environ.get(name)]
    if named:
        who, text = named[0]
        path = Path(text).expanduser()
        if not path.is_file():
            raise ClientError(f"Unable to find file: {path}\nnamed by {who}", title="Configuration Error")
        return path
    if vo and environ.get("HOME"):
        home = Path(environ["HOME"]) / ".glite" / vo.lower()
        for name in ("glite_wmsui.conf", "glite_wms.conf"):
            if (home / name).is_file():
                return home / name
    return None


def site_files(environ: Mapping[str, str], vo: str | None) -> Iterator[Path]:
    """The site's files that exist, the most specific first."""
    prefixes = [Path(environ["EMI_UI_CONF"])] if environ.get("EMI_UI_CONF") else []
    prefixes += [Path("/"), Path("/usr/local")]
    for prefix in prefixes:
        places = []
        if vo:
            places += [prefix / "etc" / "glite-wms" / vo.lower(), prefix / "etc" / vo.lower()]
        names = [place / name for place in places for name in ("glite_wmsui.conf", "glite_wms.conf")]
        names.append(prefix / "etc" / "glite_wmsui_cmd_var.conf")
        yield from (path for path in names if path.is_file())


def load(
    explicit: str | None, environ: Mapping[str, str], vo: str | None, *, script: bool = False
) -> Configuration:
    """Read and merge the files.

    :param explicit: the argument of ``--config``.
    :param vo: selects the files in the home directory and of the site.
    :raises ClientError: a file that cannot be read or is no ClassAd, or an attribute of the wrong type; names the file.
    """
    user = user_file(explicit, environ, vo, script=script)
    paths = [user] if user else []
    paths += [path for path in site_files(environ, vo) if path not in paths]
    merged: ClassAd | None = None
    for path in paths:
        ad = read(path)
        if merged is None:
            merged = ad
            continue
        for name, value in ad.items():
            if name not in merged:
                merged.set(name, value)
    if merged is None:
        return Configuration()
    try:
        return _configuration(merged, tuple(paths), environ)
    except GridError as error:
        raise ClientError(
            f"{', '.join(map(str, paths))}: {error.description}", title="Configuration Error"
        ) from error


def read(path: Path) -> ClassAd:
    """One file as an ad, without the optional ``WmsClient`` section.

    :raises ClientError: it cannot be read or is no ClassAd.
    """
    from jdl.parser import parse

    try:
        text = read_bounded(path.resolve(), MAX_BYTES).decode("utf-8")
        ad = parse(text)
        return ad.record("WmsClient") or ad
    except (OSError, UnicodeDecodeError) as error:
        raise ClientError(
            f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}", title="Configuration Error"
        ) from error
    except GridError as error:
        raise ClientError(f"{path}: {error.description}", title="Configuration Error") from error


def _configuration(ad: ClassAd, sources: tuple[Path, ...], environ: Mapping[str, str]) -> Configuration:
    default = Configuration()
    endpoints = ad.strings("WmProxyEndPoints")
    for endpoint in endpoints:
        check_endpoint(endpoint, "WmProxyEndPoints")
    authenticate = ad.boolean("AuthenticateServer")
    return Configuration(
        endpoints=endpoints,
        jdl_defaults=ad.record("JdlDefaultAttributes"),
        virtual_organisation=ad.string("VirtualOrganisation"),
        error_storage=expand(ad.string("ErrorStorage") or default.error_storage, environ),
        output_storage=expand(ad.string("OutputStorage") or default.output_storage, environ),
        proxy_validity=_integer(ad, "DefaultProxyValidity", 0),
        status_level=_level(ad, "DefaultStatusLevel"),
        logging_level=_level(ad, "DefaultLoggingLevel", "DefaultLogInfoLevel"),
        lb_addresses=tuple(address(text) for text in ad.strings("LBAddresses")),
        soap_timeouts=_timeouts(ad.record("SoapTimeouts")),
        transfer_timeout=_integer(ad, "SystemCallTimeout", 0),
        delegation_id=ad.string("DelegationId"),
        authenticate_server=True if authenticate is None else authenticate,
        service_discovery=ad.boolean("EnableServiceDiscovery") or False,
        wmproxy_type=ad.string("WMProxyServiceDiscoveryType") or default.wmproxy_type,
        lb_type=ad.string("LBServiceDiscoveryType") or default.lb_type,
        information_systems=ad.strings("InformationSystem"),
        sources=sources,
    )


def check_endpoint(url: str, where: str) -> None:
    """Refuse what cannot be a WMProxy URL.

    :raises ClientError: names ``where`` it stands.
    """
    host = url.removeprefix("https://").partition("/")[0]
    if not url.startswith("https://") or not host or "/" not in url.removeprefix("https://"):
        raise ClientError(
            f"{where}: {url!r} is not the URL of a WMProxy server, "
            "for example https://wms.example.org:7443/glite_wms_wmproxy_server",
            title="Configuration Error",
        )


def address(text: str) -> str:
    """``host:port`` of a bookkeeping server; the port is 9000 when it is not given, a scheme is dropped."""
    bare = text.strip().removeprefix("https://").rstrip("/")
    has_port = bare.rpartition(":")[2].isdigit() and not bare.endswith("]")
    return bare if has_port else f"{bare}:9000"


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Expand ``$NAME``, ``${NAME}`` and ``~`` from ``environ``; unknown names stay."""
    import string

    expanded = string.Template(text).safe_substitute(environ)
    return os.path.expanduser(expanded)


def _integer(ad: ClassAd, name: str, default: int) -> int:
    value = ad.integer(name)
    return default if value is None or value < 0 else value


def _level(ad: ClassAd, *names: str) -> int:
    for name in names:
        value = ad.integer(name)
        if value is not None:
            return min(max(value, 0), 3)
    return 1


def _timeouts(ad: ClassAd | None) -> dict[str, int]:
    return {} if ad is None else {name.lower(): _integer(ad, name, 0) for name, _ in ad.items()}
