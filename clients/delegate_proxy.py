"""``glite-wms-job-delegate-proxy``: hand a proxy to WMProxy servers for later requests."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from typing import Final

from clients import delegation, endpoint, options, outputfile, result
from clients.command import run, text_of
from clients.errors import ClientError, UsageError
from clients.messages import bar, stamp, title_bar
from clients.options import CommandLine, Syntax, excludes
from clients.session import Session
from grid.errors import GridError, ProxyError

COMMAND: Final = "glite-wms-job-delegate-proxy"

SYNTAX: Final = Syntax(
    COMMAND,
    "Delegates your proxy to a WMProxy server, so that later requests can name it (-d <id>).",
    ("[options] --delegationid <id>", "[options] --autm-delegation"),
    (
        ("Delegation", (options.DELEGATION, options.AUTO)),
        (
            "Server and configuration",
            (
                options.ENDPOINT,
                options.switch("all", "delegate to every configured server"),
                options.CONFIG,
                options.VO,
            ),
        ),
        (
            "Output",
            (
                options.valued("output", "<file>", "save the result to this file too", "o"),
                options.JSON,
                options.PRETTY,
            ),
        ),
        ("Other", (options.NOINT, options.DEBUG, options.LOGFILE, options.HELP, options.VERSION)),
    ),
    exclusive=(
        excludes("autm-delegation", "delegationid"),
        excludes("all", "endpoint"),
        excludes("config", "vo"),
        excludes("json", "debug", "output"),
    ),
)


def check(line: CommandLine) -> None:
    """Neither operand nor a missing identifier."""
    if line.operands:
        raise UsageError(f"unexpected argument: {line.operands[0]}")
    if not line.has("autm-delegation") and not line.has("delegationid"):
        raise ClientError(
            "No delegationId found, please use one of the following methods:\n"
            f"{options.AUTO.line}\n{options.DELEGATION.line}",
            title="Missing Information",
        )


def work(session: Session) -> int:
    """Delegate to one server, or with ``--all`` to each; fails when no server took the proxy."""
    session.check_proxy()
    outputfile.check_writable(session)
    identifier = delegation.chosen(session).text
    urls = _to_all(session, identifier) if session.line.has("all") else [_to_one(session, identifier)]
    if result.machine_readable(session):
        result.print_json(session, {"result": "success", "delegationid": identifier, "endpoints": urls})
        return 0
    lines = ["", title_bar(f"{COMMAND} Success"), ""]
    lines += ["Your proxy has been successfully delegated to the WMProxy(s):", "", *urls]
    # scripts take the last word of the one line that holds "delegation"
    lines += [f"with the delegation identifier: {identifier}", ""]
    if session.line.has("output"):
        text = _saved(identifier, urls, session.now)
        path = outputfile.save(session, text)
        lines += ["The DelegateProxy result  has been saved in the following file:", str(path), ""]
    session.messages.result("\n".join([*lines, bar(), ""]))
    return 0


def _to_one(session: Session, identifier: str) -> str:
    def step(server: endpoint.Endpoint) -> str:
        delegation.delegate(server, identifier)
        return server.url

    return endpoint.attempt(session, step)


def _to_all(session: Session, identifier: str) -> list[str]:
    done: list[str] = []
    for url in endpoint.every(session):
        try:
            delegation.delegate(endpoint.Endpoint.connect(session, url), identifier)
        except ProxyError:
            raise
        except GridError as error:
            session.messages.warning(f"Unable to delegate the credential to the endpoint: {url}", text_of(error))
        else:
            done.append(url)
    if not done:
        raise endpoint.NoEndpoint("Unable to find any endpoint where to perform service request")
    return done


def _saved(identifier: str, urls: Sequence[str], now: datetime.datetime) -> str:
    lines = [f"{COMMAND} ({stamp(now)} )", bar(73)]
    for url in urls:
        lines += [f"WMProxy: {url}", f"delegation ID: {identifier}", ""]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return run(SYNTAX, work, argv, check=check)


if __name__ == "__main__":
    sys.exit(main())
