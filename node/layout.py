"""Where things stand in a node's directory."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from grid.errors import ConfigurationError
from grid.files import make_directory


class NotANode(ConfigurationError):
    """A directory is not a node, or only half of one.

    :ivar directory: the directory.
    """

    def __init__(self, directory: Path, missing: str) -> None:
        self.directory = directory
        super().__init__(f"{directory} is not a complete node: {missing} is missing; run `wms init {directory}`")


@dataclass(frozen=True)
class Layout:
    """The places of one node.  Everything secret is below a directory of mode 0700."""

    root: Path

    @property
    def configuration(self) -> Path:
        return self.root / "wms.toml"

    @property
    def trust(self) -> Path:
        return self.root / "trust"

    @property
    def certificates(self) -> Path:
        """Trusted CAs (X509_CERT_DIR)."""
        return self.trust / "certificates"

    @property
    def vomsdir(self) -> Path:
        """LSC files (X509_VOMS_DIR)."""
        return self.trust / "vomsdir"

    @property
    def credentials(self) -> Path:
        return self.root / "credentials"

    @property
    def ca(self) -> Path:
        return self.credentials / "ca"

    @property
    def host_certificate(self) -> Path:
        return self.credentials / "hostcert.pem"

    @property
    def host_key(self) -> Path:
        return self.credentials / "hostkey.pem"

    @property
    def host_credential(self) -> Path:
        """Certificate and key in one file: what the services show when they are clients."""
        return self.credentials / "hostcredential.pem"

    @property
    def voms_credential(self) -> Path:
        return self.credentials / "vomscredential.pem"

    @property
    def users(self) -> Path:
        return self.credentials / "users"

    @property
    def databases(self) -> Path:
        return self.root / "db"

    @property
    def pictures(self) -> Path:
        """What the information sources answered last (:mod:`broker.picture`)."""
        return self.databases / "ism"

    @property
    def sandbox(self) -> Path:
        return self.root / "sandbox"

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    @property
    def journals(self) -> Path:
        return self.spool / "lb"

    @property
    def delegations(self) -> Path:
        return self.spool / "delegation"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def client(self) -> Path:
        """The classic client configuration."""
        return self.root / "glite_wmsui.conf"

    def make(self) -> None:
        """Make the directories that are missing."""
        make_directory(self.root, 0o755)
        make_directory(self.trust, 0o755)
        make_directory(self.certificates, 0o755)
        make_directory(self.vomsdir, 0o755)
        for private in (self.credentials, self.databases, self.sandbox, self.spool, self.logs, self.run):
            make_directory(private, 0o700)
        for private in (self.users, self.journals, self.delegations, self.spool / "ce-delegation"):
            make_directory(private, 0o700)

    def check(self) -> None:
        """:raises NotANode: naming the first thing that is missing."""
        for path in (
            self.configuration,
            self.certificates,
            self.host_certificate,
            self.host_key,
            self.host_credential,
            self.databases,
            self.sandbox,
            self.journals,
            self.run,
        ):
            if not path.exists():
                raise NotANode(self.root, path.relative_to(self.root).as_posix())

    def ce_work_directory(self) -> Path:
        """Where jobs run: inside the node if other accounts can get there, else below the system's /var/tmp."""
        if os.geteuid() != 0 or reachable_by_all(self.root):
            return self.root / "ce"
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        base = Path("/var/tmp") if Path("/var/tmp").is_dir() else Path(tempfile.gettempdir())
        return base / f"wms-ce-{digest}"


def reachable_by_all(path: Path) -> bool:
    """Tell whether every account may pass through all directories down to ``path`` (and into it)."""
    try:
        real = path.resolve(strict=True)
        return all(os.stat(part).st_mode & stat.S_IXOTH for part in (real, *real.parents))
    except OSError:
        return False
