"""Where entries of GLUE 2.0 stand in a top-level tree."""

from __future__ import annotations

from typing import Final

from infosys import names
from infosys.errors import NameSyntaxError

BASE: Final = "o=glue"
_GROUP: Final = "glue2groupid"
_DOMAIN: Final = "glue2domainid"


def rerooted2(dn: str, site: str) -> str:
    """A GLUE 2.0 name's place in the top-level tree.

    ``…,GLUE2GroupID=resource,o=glue`` goes below ``GLUE2DomainID=<site>,GLUE2GroupID=grid``, and
    ``…,GLUE2DomainID=X,o=glue`` below the grid's group; what is there already stays.

    :raises NameSyntaxError: when the name does not end in ``o=glue``.
    """
    components = names.parse(dn)
    key = names.key(dn)
    if not key or key[-1] != BASE:
        raise NameSyntaxError(dn)
    body = components[:-1]
    if body and key[-2] == f"{_GROUP}=grid":
        body = body[:-1]
    own = any(part.partition("=")[0] == _DOMAIN for part in key)
    above = [] if own else [names.rdn("GLUE2DomainID", site)]
    return names.join(names.render(body), *above, "GLUE2GroupID=grid", BASE)


def is_level2(dn: str) -> bool:
    """Whether the name is only a level of the tree, which every server makes itself."""
    return all(part.partition("=")[0] in (_GROUP, "o") for part in names.key(dn))
