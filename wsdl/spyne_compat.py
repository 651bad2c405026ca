"""Spyne 2.14.0, made fit for a server of today.  The only module that imports Spyne; the others take it from here.

* Python 3.12 and later: Spyne carries an old ``six`` whose import hook lacks ``find_spec``; a finder supplies it.
* Spyne logs whole requests and a traceback for every fault; payloads must not reach a log, and this package logs
  what matters itself.
* ``cgi``, gone in Python 3.13, is needed by Spyne's own SOAP protocol and WSGI transport only, which nothing here
  imports.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

_SIX: Final = "spyne.util.six"


class _SixFinder:
    """Finds the modules that Spyne's copy of ``six`` makes up (``spyne.util.six.moves`` …)."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        six = sys.modules.get(_SIX)
        if six is None or not name.startswith(f"{_SIX}."):
            return None
        importer = six._importer
        if name not in importer.known_modules:
            return None
        return ModuleSpec(name, self, is_package=importer.is_package(name))  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module: ModuleType = sys.modules[_SIX]._importer.load_module(spec.name)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: the module is complete when it is made."""


if sys.version_info >= (3, 12):
    sys.meta_path.insert(0, _SixFinder())  # type: ignore[arg-type]
logging.getLogger("spyne").setLevel(logging.CRITICAL + 1)

import spyne  # noqa: E402 - the finder must stand before
from spyne.model.complex import ComplexModelMeta  # noqa: E402
from spyne.protocol import ProtocolBase  # noqa: E402

__all__ = ["ComplexModelMeta", "ProtocolBase", "spyne"]
