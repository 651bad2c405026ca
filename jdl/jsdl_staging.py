"""Files of a JSDL document: jsdl:DataStaging (GFD.56, section 6.5) as input and output sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jdl.classad import ClassAd
from jdl.jsdl_values import Part
from jdl.sandbox import leaf, scheme

__all__ = ["Staged", "staged"]


@dataclass(frozen=True)
class Staged:
    """Files by their names in the job's directory: ``sources`` with where they come from, ``targets`` with where
    they go, None for the job's own sandbox."""

    sources: tuple[tuple[str, str], ...]
    targets: tuple[tuple[str, str | None], ...]

    def keeping(self, names: Sequence[str]) -> Staged:
        """The same with further files for the user, unless they are staged out already."""
        out = {name for name, _ in self.targets}
        more = [(name, None) for name in dict.fromkeys(names) if name not in out]
        return replace(self, targets=(*self.targets, *more))

    def ad(self) -> ClassAd:
        """InputSandbox and OutputSandbox with their names and destinations."""
        ad = ClassAd()
        if self.sources:
            ad.set("InputSandbox", [uri for uri, _ in self.sources])
            ad.set("InputSandboxDestFileName", [name for _, name in self.sources])
        if self.targets:
            ad.set("OutputSandbox", [name for name, _ in self.targets])
        if any(uri for _, uri in self.targets):
            ad.set("OutputSandboxDestURI", [uri or leaf(name) for name, uri in self.targets])
        return ad


def staged(parts: Sequence[Part]) -> Staged:
    """What is staged in and out.

    A source or target without a URI is the job's own sandbox: the client uploads it, or fetches it.

    :raises NotExpressible: 1225, naming the element.
    """
    sources: list[tuple[str, str]] = []
    targets: list[tuple[str, str | None]] = []
    for part in parts:
        part.refuse_foreign()
        name = _file_name(part)
        if part.has("FilesystemName"):
            raise part.refused("FilesystemName", "files go into and out of the job's own directory; leave it out")
        if part.flag("DeleteOnTermination") is False:
            raise part.refused("DeleteOnTermination", "the job's directory does not outlive the job; use a Target")
        source, target = part.part("Source"), part.part("Target")
        if source is not None:
            source.refuse_foreign()
            if "/" in name:
                raise part.refused("FileName", f"'{name[:100]}': files are staged in to the job's directory itself")
            sources.append((source.text("URI") or name, name))
        if target is not None:
            target.refuse_foreign()
            if part.text("CreationFlag") in ("append", "dontOverwrite"):
                raise part.refused("CreationFlag", "a file that is staged out replaces the one before; use overwrite")
            targets.append((name, _uri(target)))
    return Staged(tuple(sources), tuple(targets))


def _file_name(part: Part) -> str:
    name = part.text("FileName") or ""
    if not name or name.startswith("/") or ".." in name.split("/"):
        raise part.refused("FileName", f"'{name[:100]}': the name of a file in the job's own directory is wanted")
    return name.removeprefix("./")


def _uri(target: Part) -> str | None:
    uri = target.text("URI")
    if uri and scheme(uri) is None:
        raise target.refused("URI", f"'{uri[:100]}' has no scheme; leave it out to fetch the file from the sandbox")
    return uri or None

