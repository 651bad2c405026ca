"""What a client needs to know of a node, as shell exports and as the classic client configuration."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from node.configuration import Configuration
from node.credentials import Credentials
from node.layout import Layout


def variables(root: Path, user: str) -> dict[str, str]:
    """The environment for the commands of one test user.

    :raises UnknownUser: when there is no such user.
    :raises NotANode: when the directory is no node.
    """
    layout = Layout(root)
    layout.check()
    configuration = Configuration.read(layout.configuration)
    return {
        "X509_USER_PROXY": str(Credentials(layout).user(user).proxy),
        "X509_CERT_DIR": str(layout.certificates),
        "X509_VOMS_DIR": str(layout.vomsdir),
        "GLITE_WMS_WMPROXY_ENDPOINT": configuration.wmproxy_endpoint,
        "GLITE_WMSUI_COMMANDS_CONFIG": str(layout.client),
        "GLITE_WMS_COMMANDS_CONFIG": str(layout.client),
        "LCG_GFAL_INFOSYS": configuration.information_system.removeprefix("ldap://"),
        "PATH": f"{commands_directory()}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }


def exports(root: Path, user: str) -> list[str]:
    """Lines for ``eval``."""
    lines = []
    for name, value in variables(root, user).items():
        if name == "PATH":
            lines.append(f'export PATH={shlex.quote(str(commands_directory()))}:"$PATH"')
        else:
            lines.append(f"export {name}={shlex.quote(value)}")
    return lines


def commands_directory() -> Path:
    """Where this installation's commands stand: beside the interpreter."""
    return Path(sys.executable).parent


def client_configuration(configuration: Configuration) -> str:
    """The classic ClassAd file of the commands."""
    return f"""\
[
  WmProxyEndPoints = {{ "{configuration.wmproxy_endpoint}" }};
  LBAddresses = {{ "{configuration.lb_host}:{configuration.lb_port}" }};
  VirtualOrganisation = "{configuration.node.vo}";
  OutputStorage = "/tmp";
  ErrorStorage = "/tmp";
  JdlDefaultAttributes = [
    VirtualOrganisation = "{configuration.node.vo}";
    Requirements = other.GlueCEStateStatus == "Production";
    Rank = -other.GlueCEStateEstimatedResponseTime;
    RetryCount = 3;
    ShallowRetryCount = 3;
    AllowZippedISB = false;
    PerusalFileEnable = false;
  ];
]
"""
