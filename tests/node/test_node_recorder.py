"""The log that the WS-I analyzer reads is made of whatever was recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import etree

from grid.errors import ConfigurationError
from node.recorder import write_wsi_log
from web.tape import INDEX

LOG = "{http://www.ws-i.org/testing/2003/03/log/}"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


def log_of(folder: Path, request: bytes, response: bytes) -> list[tuple[str, str]]:
    """Head and body of the two messages, as the log has them."""
    (folder / "000001.request.http").write_bytes(request)
    (folder / "000001.response.http").write_bytes(response)
    line = {
        "number": 1, "client": "c:1", "server": "s:2", "requested": "t1", "answered": "t2",
        "request": "000001.request.http", "response": "000001.response.http",
    }  # fmt: skip
    left_out = {**line, "number": 2, "request": None, "response": None}
    (folder / INDEX).write_text(f"{json.dumps(left_out)}\n{json.dumps(line)}\n")
    log = etree.parse(str(write_wsi_log(folder))).getroot()
    return [
        (entry.findtext(f"{LOG}httpHeaders", ""), entry.findtext(f"{LOG}messageContent", ""))
        for entry in log.findall(f"{LOG}messageEntry")
    ]


@pytest.mark.parametrize(
    ("request_bytes", "body"),
    [
        (b"POST / HTTP/1.1\r\n\r\n<a/>", "<a/>"),
        (CHUNKED + b"2;x=y\r\n<a\r\n2\r\n/>\r\n0\r\n\r\n", "<a/>"),
        (CHUNKED + b"zz\r\n<a/>", "zz\n<a/>"),
        (CHUNKED + b"2\r\n<a\r\n-1\r\n/>", "<a-1\n/>"),
        (b"POST / HTTP/1.1\r\n\r\n" + "<ä/>".encode("utf-16"), "<ä/>"),
        (b"POST / HTTP/1.1\r\n\r\n\x00\xff", "\ufffd\ufffd"),
        (b"NOT HTTP", ""),
    ],
    ids=["plain", "chunked", "no chunks", "half of the chunks", "UTF-16", "no text", "no HTTP"],
)
def test_every_message_can_be_written_out(tmp_path: Path, request_bytes: bytes, body: str) -> None:
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n<b/>"
    (_, content), answered = log_of(tmp_path, request_bytes, answer)
    assert content == body
    assert answered == ("HTTP/1.1 200 OK\nA: b", "<b/>")


def test_a_folder_without_a_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no recorded exchanges"):
        write_wsi_log(tmp_path)
