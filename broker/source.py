"""An information source of the supermarket, as the operator names it."""

from __future__ import annotations

from dataclasses import dataclass

from grid.errors import ConfigurationError
from infosys.client import LdapSource

SCHEMAS = ("auto", "1.3", "2.0", "both")


@dataclass(frozen=True)
class InformationSource:
    """An LDAP server that publishes computing elements.

    :ivar url: ``ldap://host:port``, with or without a base.
    :ivar base: where the entries of GLUE 1.3 stand; empty for the URL's.  Those of GLUE 2.0 stand below ``o=glue``.
    :ivar schema: ``1.3``, ``2.0``, ``both`` (records of 1.3 completed by those of 2.0) or ``auto``: 1.3 when it
        publishes computing elements so, else 2.0.
    :ivar timeout: seconds for each answer.
    """

    url: str
    base: str = ""
    schema: str = "auto"
    timeout: float = 30.0

    def __post_init__(self) -> None:
        LdapSource(self.url, self.base or None)  # says what is wrong with an address
        if self.schema not in SCHEMAS:
            raise ConfigurationError(f"the schema of {self.url} must be one of {', '.join(SCHEMAS)}")
        if not 0 < self.timeout <= 3600:
            raise ConfigurationError(f"the timeout of {self.url} must be more than 0 s and at most 3600 s")
