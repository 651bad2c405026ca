"""``wms record``: what is on the wire of a service, written into a folder, so that it can be judged by others.

The service does the writing (:mod:`web.tape`); here its switch is turned on and off again, and the exchanges are told
as they come.  Afterwards the folder can be written out in the log format of the WS-I monitor, which the WS-I analyzer
reads.
"""

from __future__ import annotations

import json
import platform
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from lxml import etree

from grid import clock
from grid.errors import ConfigurationError, OperationNotAllowed
from grid.files import make_directory, write_private
from node.layout import Layout
from web.tape import INDEX, MAX_EXCHANGES, Switch

SERVICES: Final = ("wmproxy", "ce", "lb")
WSI_LOG: Final = "log.xml"
_LOG: Final = "http://www.ws-i.org/testing/2003/03/log/"
_COMMON: Final = "http://www.ws-i.org/testing/2003/03/common/"
_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_LOOK_SECONDS: Final = 0.2


def record(
    root: Path,
    folder: Path,
    *,
    service: str,
    seconds: float | None,
    exchanges: int,
    message_bytes: int,
    say: Callable[[str], None],
) -> int:
    """Record the exchanges of a service until the time or the number is reached, or an interrupt.

    :param folder: a new or an empty one.
    :param say: is told of each exchange, in a line.
    :returns: how many there were.
    :raises ConfigurationError: for a folder with something in it, or limits that make no sense.
    :raises OperationNotAllowed: when that service is being recorded already.
    """
    layout = Layout(root)
    layout.check()
    if not 1 <= exchanges <= MAX_EXCHANGES or message_bytes < 1:
        raise ConfigurationError(f"between 1 and {MAX_EXCHANGES} exchanges can be recorded, of a byte at least")
    path = Switch.path(layout.run, service)
    if path.exists():
        raise OperationNotAllowed(f"{service} is being recorded already; if not, remove {path}")
    make_directory(folder)
    if any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty; give the name of a new folder")
    folder.chmod(0o700)
    deadline = None if seconds is None else time.monotonic() + seconds
    count = 0
    try:
        Switch(str(folder), exchanges, message_bytes).turn_on(path)
        say(f"recording {service} into {folder}; interrupt to end")
        for entry in _entries(folder, exchanges, deadline):
            count += 1
            say(_line(folder, entry))
    except KeyboardInterrupt:
        say("")
    finally:
        path.unlink(missing_ok=True)
    return count


def write_wsi_log(folder: Path) -> Path:
    """Write a recorded folder out as a WS-I monitor log (WS-I Test Tools 1.1); returns the file.

    :raises ConfigurationError: for a folder that holds no recording.
    """
    if not (folder / INDEX).exists():
        raise ConfigurationError(f"{folder} holds no recorded exchanges")
    root = etree.Element(f"{{{_LOG}}}log", nsmap={"wsi-log": _LOG, "wsi-common": _COMMON, "xsi": _XSI})
    root.set("timestamp", clock.iso_z(clock.now()))
    _monitor(root)
    number = 0
    for entry in _recorded(folder):
        for side, sender, receiver in (("request", "client", "server"), ("response", "server", "client")):
            if entry[side] is None:
                continue
            number += 1
            message = etree.SubElement(root, f"{{{_LOG}}}messageEntry")
            message.set(f"{{{_XSI}}}type", "wsi-log:httpMessageEntry")
            message.set("ID", str(number))
            message.set("conversationID", str(entry["number"]))
            message.set("type", side)
            message.set("timestamp", str((side == "response" and entry["answered"]) or entry["requested"]))
            head, body = _halves((folder / entry[side]).read_bytes())
            for name, text in (
                ("messageContent", body),
                ("senderHostAndPort", entry[sender]),
                ("receiverHostAndPort", entry[receiver]),
                ("httpHeaders", head),
            ):
                etree.SubElement(message, f"{{{_LOG}}}{name}").text = text
    path = folder / WSI_LOG
    write_private(path, etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True))
    return path


def _monitor(root: etree._Element) -> None:
    monitor = etree.SubElement(root, f"{{{_LOG}}}monitor", version="1.1", releaseDate=f"{clock.now():%Y-%m-%d}")
    etree.SubElement(monitor, f"{{{_COMMON}}}implementer", name="wms record", location="wmproxy")
    environment = etree.SubElement(monitor, f"{{{_COMMON}}}environment")
    version = platform.python_version()
    etree.SubElement(environment, f"{{{_COMMON}}}runtime", name="Python", version=version)
    system = {"name": platform.system(), "version": platform.release()}
    etree.SubElement(environment, f"{{{_COMMON}}}operatingSystem", attrib=system)
    etree.SubElement(environment, f"{{{_COMMON}}}xmlParser", name="libxml2", version=etree.__version__)


def _recorded(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / INDEX).read_text().splitlines()
    return sorted((json.loads(line) for line in lines), key=lambda entry: int(entry["number"]))


def _entries(folder: Path, most: int, deadline: float | None) -> Iterator[dict[str, Any]]:
    """The lines of the index as they are written."""
    seen, rest = 0, b""
    with (folder / INDEX).open("a+b") as index:
        (folder / INDEX).chmod(0o600)
        index.seek(0)
        while seen < most:
            *lines, rest = (rest + index.read()).split(b"\n")
            for line in lines:
                seen += 1
                yield json.loads(line)
            if deadline is not None and time.monotonic() >= deadline:
                return
            if not lines:
                time.sleep(_LOOK_SECONDS)


def _line(folder: Path, entry: dict[str, Any]) -> str:
    if entry["request"] is None:
        return f"{entry['number']:6}  left out, it is too large"
    asked, answered = ((folder / entry[side]).read_bytes().partition(b"\r\n")[0] for side in ("request", "response"))
    return f"{entry['number']:6}  {entry['client']}  {_text(asked[:60])}  {_text(answered[:40])}"


def _halves(data: bytes) -> tuple[str, str]:
    """Head and body of a message; an interim answer before it, and the framing of chunks, are not of the message."""
    head, _, body = data.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 1"):
        return _halves(body)
    if b"\r\ntransfer-encoding: chunked" in head.lower():
        body = b"".join(_chunks(body))
    return _text(head), _text(body)


def _chunks(data: bytes) -> Iterator[bytes]:
    """What is in the chunks; from the first one that makes no sense on, the bytes as they are."""
    while data:
        line, _, rest = data.partition(b"\r\n")
        size = line.partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size):
            yield data
            return
        if not int(size, 16):
            return
        yield rest[: int(size, 16)]
        data = rest[int(size, 16) + 2 :]


def _text(data: bytes) -> str:
    """As text that XML can hold."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    text = data.decode(encoding, "replace")
    return "".join(c if c in "\t\n" or " " <= c < "\ud800" or "\ue000" <= c <= "\ufffd" or c > "\uffff" else
                   "" if c == "\r" else "\ufffd" for c in text)  # fmt: skip
