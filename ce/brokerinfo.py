#!/usr/bin/env python3
"""``glite-brokerinfo``: what a running job can know of where it is and where its data is (gLite WMS).

The broker writes the file ``.BrokerInfo``, a ClassAd, when it matches a job, and it goes to the job with the input
sandbox.  This file runs on worker nodes, where nothing is installed: it needs Python 3.9 and its standard library.  It
is also installed as a command.

Exit codes: 0 the value was printed; 1 the file cannot be read, or does not have what was asked for; 255 wrong usage.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

MAX_BYTES = 16 << 20
MAX_DEPTH = 20
VARIABLES = ("GLITE_WMS_RB_BROKERINFO", "EDG_WL_RB_BROKERINFO")
FUNCTIONS = {
    "getCE": "",
    "getDataAccessProtocol": "",
    "getInputData": "",
    "getSEs": "",
    "getCloseSEs": "",
    "getSEMountPoint": "<SE>",
    "getSEFreeSpace": "<SE>",
    "getLFN2SFN": "<LFN>",
    "getSEProtocols": "<SE>",
    "getSEPort": "<SE> <Protocol>",
    "getVirtualOrganization": "",
}
USAGE = """\
Usage: glite-brokerinfo [-v] [--json] [-f <filename>] <function> [<parameter> [<parameter>]]

  -v             tell what is done, and how it went
  -f <filename>  the file to read; without it $GLITE_WMS_RB_BROKERINFO, $EDG_WL_RB_BROKERINFO or ./.BrokerInfo
  --json         print the value as JSON
  --help         print this text

Functions:
"""
TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"""
    r"""|(?P<name>'(?:[^'\\]|\\.)*'|[A-Za-z_]\w*)|(?P<mark>[\[\]{}=;,]))""",
    re.DOTALL,
)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


class BrokerInfoError(Exception):
    """The file cannot be read, or does not have what was asked for."""


class UsageError(Exception):
    """The command was called in a wrong way."""


class Reader:
    """Reads a ClassAd of literals, lists and ads; names of attributes become lower case."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._kind, self._token = "", ""
        self._advance()

    def ad(self) -> dict[str, Any]:
        """The whole text as one ad."""
        value = self._value(0)
        if not isinstance(value, dict) or self._kind != "end":
            raise self._error()
        return value

    def _advance(self) -> None:
        found = TOKEN.match(self._text, self._at)
        if found is None:
            if self._text[self._at :].strip():
                raise self._error()
            self._kind, self._token = "end", ""
            return
        self._at = found.end()
        self._kind, self._token = str(found.lastgroup), found.group(str(found.lastgroup))

    def _error(self) -> BrokerInfoError:
        line = self._text.count("\n", 0, self._at) + 1
        return BrokerInfoError(f"it is no ClassAd (line {line}: {self._text[max(0, self._at - 10) :][:30]!r})")

    def _value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise BrokerInfoError(f"its values are nested deeper than {MAX_DEPTH}")
        kind, token = self._kind, self._token
        self._advance()
        if kind == "string":
            return re.sub(r"\\(.)", lambda m: ESCAPES.get(m.group(1), m.group(1)), token[1:-1], flags=re.DOTALL)
        if kind == "number":
            return float(token) if re.search(r"[.eE]", token) else int(token)
        if kind == "name":
            return {"true": True, "false": False}.get(token.lower())
        if token == "{":
            return self._list(depth)
        if token == "[":
            return self._members(depth)
        raise self._error()

    def _list(self, depth: int) -> list[Any]:
        items: list[Any] = []
        while self._token != "}" or self._kind != "mark":
            items.append(self._value(depth + 1))
            if self._token == ",":
                self._advance()
            elif self._token != "}":
                raise self._error()
        self._advance()
        return items

    def _members(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._token != "]" or self._kind != "mark":
            name = self._token.strip("'").lower()
            if self._kind != "name":
                raise self._error()
            self._advance()
            if self._token != "=":
                raise self._error()
            self._advance()
            found[name] = self._value(depth + 1)
            if self._token == ";":
                self._advance()
            elif self._token != "]":
                raise self._error()
        self._advance()
        return found


class BrokerInfo:
    """What the file says.  Each function gives a text, a number or a list of texts, or raises BrokerInfoError."""

    def __init__(self, ad: dict[str, Any]) -> None:
        self._ad = ad

    def getCE(self) -> Any:
        """The identifier of the computing element."""
        return _needed(self._element().get("name"), "the computing element's name")

    def getDataAccessProtocol(self) -> Any:
        """The protocols that the job speaks."""
        return _texts(self._ad.get("dataaccessprotocol"), "DataAccessProtocol")

    def getInputData(self) -> Any:
        """The names of the job's input files."""
        return _names(self._ad.get("inputfns"), "InputFNs")

    def getSEs(self) -> Any:
        """The storage elements that have input files."""
        return _names(self._ad.get("storageelements"), "StorageElements")

    def getCloseSEs(self) -> Any:
        """The storage elements that are close to the computing element."""
        return _names(self._element().get("closestorageelements"), "CloseStorageElements")

    def getSEMountPoint(self, name: str) -> Any:
        """Where a close storage element is mounted."""
        return _needed(self._close(name).get("mount") or None, f"a mount point of {name}")

    def getSEFreeSpace(self, name: str) -> Any:
        """The space that the job's VO has left on a close storage element, kilobytes as it publishes it."""
        return _needed(self._close(name).get("freespace"), f"the free space of {name}")

    def getLFN2SFN(self, name: str) -> Any:
        """The replicas of an input file."""
        files = self._ad.get("inputfns")
        found = _named(files, name) or _named(files, f"lfn:{name}")
        return _texts(_needed(found, f"the input file {name}").get("sfns"), f"replicas of {name}")

    def getSEProtocols(self, name: str) -> Any:
        """The protocols of a storage element that has input files."""
        return _names(self._storage(name).get("protocols"), f"protocols of {name}")

    def getSEPort(self, name: str, protocol: str) -> Any:
        """The port of one of them."""
        found = _named(self._storage(name).get("protocols"), protocol)
        return _needed(_needed(found, f"the protocol {protocol} of {name}").get("port"), f"its port for {protocol}")

    def getVirtualOrganization(self) -> Any:
        """The job's VO."""
        return _needed(self._ad.get("virtualorganisation"), "VirtualOrganisation")

    def _element(self) -> dict[str, Any]:
        found: dict[str, Any] = _needed(self._ad.get("computingelement"), "ComputingElement")
        if not isinstance(found, dict):
            raise BrokerInfoError("ComputingElement is no ad")
        return found

    def _close(self, name: str) -> dict[str, Any]:
        found = _named(self._element().get("closestorageelements"), name)
        return dict(_needed(found, f"the close storage element {name}"))

    def _storage(self, name: str) -> dict[str, Any]:
        return dict(_needed(_named(self._ad.get("storageelements"), name), f"the storage element {name}"))


def _needed(value: Any, what: str) -> Any:
    if value is None:
        raise BrokerInfoError(f"it does not have {what}")
    return value


def _ads(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _names(value: Any, what: str) -> list[str]:
    return [str(each.get("name")) for each in _ads(_needed(value, what))]


def _named(value: Any, name: str) -> dict[str, Any] | None:
    return next((each for each in _ads(value) if str(each.get("name")).lower() == name.lower()), None)


def _texts(value: Any, what: str) -> list[str]:
    found = _needed(value, what)
    return [str(each) for each in found] if isinstance(found, list) else [str(found)]


def file_name(given: str | None, environment: dict[str, str], directory: str) -> str:
    """The file to read.

    :raises BrokerInfoError: there is none.
    """
    if given is not None:
        return given
    for variable in VARIABLES:
        if environment.get(variable):
            return environment[variable]
    if os.path.isfile(os.path.join(directory, ".BrokerInfo")):
        return os.path.join(directory, ".BrokerInfo")
    raise BrokerInfoError(f"neither {' nor '.join(VARIABLES)} is set, and there is no .BrokerInfo in this directory")


def read(path: str) -> BrokerInfo:
    """Read a file.

    :raises BrokerInfoError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise BrokerInfoError(f"it has more than {MAX_BYTES} bytes")
        return BrokerInfo(Reader(data.decode("utf-8")).ad())
    except (OSError, UnicodeDecodeError, BrokerInfoError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise BrokerInfoError(f"the file {path} cannot be used: {reason}") from error


def parse(arguments: list[str]) -> tuple[bool, bool, str | None, list[str]]:
    """Verbose, JSON, file name, words.

    :raises UsageError: for what is no option.
    """
    verbose = as_json = False
    name: str | None = None
    words = list(arguments)
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("-v", "--verbose"):
            verbose = True
        elif option == "--json":
            as_json = True
        elif option in ("-f", "--file") and words:
            name = words.pop(0)
        else:
            raise UsageError(f"{option} is not a valid option, or its value is missing!")
    if not words:
        raise UsageError("a function is missing!")
    wanted = FUNCTIONS.get(words[0])
    if wanted is None:
        raise UsageError(f"{words[0]} is not a valid command!")
    if len(words) - 1 != len(wanted.split()):
        raise UsageError(f" ... error parsing arguments!\nUse:  {words[0]} {wanted}".rstrip())
    return verbose, as_json, name, words


def run(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    if any(word in ("--help", "-h", "-help") for word in arguments[:1]):
        print(USAGE + "\n".join(f"  {name} {parameters}".rstrip() for name, parameters in FUNCTIONS.items()))
        return 0
    try:
        verbose, as_json, given, words = parse(arguments)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 255
    call = f"BrokerInfo::{words[0]}({', '.join(words[1:])}): "
    try:
        path = file_name(given, dict(os.environ), os.getcwd())
        if verbose:
            print(f"BrokerInfo::getBIFileName(): {path}\n{call}")
        value = getattr(read(path), words[0])(*words[1:])
    except BrokerInfoError as error:
        if verbose:
            print(" ... not found!\n -> BI_ERROR")
        print(f"Error: {error}", file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps(value))
    else:
        for line in value if isinstance(value, list) else [value]:
            print(f" -> {line}" if verbose else line)
    if verbose:
        print(" -> BI_SUCCESS")
    return 0


def main() -> int:
    """The installed command."""
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
