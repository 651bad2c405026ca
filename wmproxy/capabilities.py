"""What a description may ask for that this release does not do: refused by name, since doing half of it is worse."""

from __future__ import annotations

from jdl.errors import NotAccepted
from jdl.tree import ClassAd

_LISTS = ("OutputData",)


def check_served(ad: ClassAd) -> None:
    """Refuse attributes that no part of this release acts on.

    :raises NotAccepted: 1220, naming the first such attribute and where it stands.
    """
    for name in (name for name in _LISTS if name in ad):
        raise NotAccepted(
            ad.spelling(name), "this attribute is not served by this server yet; remove it", ad.where(name)
        )
