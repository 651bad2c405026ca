"""The version of L&B whose interface is spoken."""

from __future__ import annotations

from typing import Final

VERSION: Final = "4.1.0"
"""Old clients look at it."""
