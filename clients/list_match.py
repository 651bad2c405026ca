"""``glite-wms-job-list-match``: the computing elements that a job could go to, best first."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clients import delegation, endpoint, explanation, options, outputfile, result
from clients.command import run
from clients.errors import ClientError, UsageError
from clients.messages import WIDTH, bar, title_bar
from clients.options import CommandLine, Syntax, excludes
from clients.session import Session

if TYPE_CHECKING:
    from jdl.tree import ClassAd
    from wsdl.explanation import Explanation

COMMAND: Final = "glite-wms-job-list-match"
NOTHING: Final = "No Computing Element matching your job requirements has been found!"
_SAVED_WIDTH: Final = 84
_NOT_SERVED: Final = (
    "this server does not serve explanations (it answers no POST to /explain);\n"
    "what follows is all that its jobListMatch says"
)
_NOTHING_TEXT: Final = "\n".join(["", title_bar(f"{COMMAND} failure"), NOTHING, bar(), ""])

SYNTAX: Final = Syntax(
    COMMAND,
    "Lists the computing elements that match a JDL file, best first; submits nothing.",
    ("[options] (--autm-delegation | --delegationid <id>) <jdl file>",),
    (
        ("Delegation", (options.AUTO, options.DELEGATION)),
        ("Server and configuration", (options.ENDPOINT, options.CONFIG, options.VO)),
        (
            "Output",
            (
                options.switch("rank", "show the rank of each computing element"),
                options.switch("explain", "show why the job fits where it does, and what would help"),
                options.valued("output", "<file>", "save the list to this file", "o"),
                options.JSON,
                options.PRETTY,
            ),
        ),
        ("Other", (options.NOINT, options.DEBUG, options.LOGFILE, options.HELP, options.VERSION)),
    ),
    exclusive=(
        excludes("autm-delegation", "delegationid"),
        excludes("config", "vo"),
        excludes("json", "debug", "output"),
        excludes("explain", "output"),
    ),
)


class Match(NamedTuple):
    """One computing element and its rank."""

    ce_id: str
    rank: int


def check(line: CommandLine) -> None:
    """Exactly one operand."""
    if not line.operands:
        raise UsageError("the JDL file is missing")
    if len(line.operands) > 1:
        raise UsageError(f"more than one JDL file: {', '.join(line.operands)}")


def work(session: Session) -> int:
    """List the matches; none is a success, and says why."""
    from clients import jobdescription
    from wsdl.client import RemoteFault

    session.check_proxy()
    outputfile.check_writable(session)
    ad = jobdescription.load(session, Path(session.line.operands[0]))
    _refuse(ad)
    ad = jobdescription.finish(session, ad).ad
    identifier = delegation.chosen(session)
    if session.line.has("explain"):
        found = endpoint.attempt(session, lambda server: explanation.ask(server, ad))
        if found is not None:
            return _explain(session, found)
        session.messages.warning("--explain", _NOT_SERVED)
    try:
        matches = endpoint.attempt(session, lambda server: _matches(server, identifier, ad))
    except RemoteFault as fault:
        if not fault.kind.startswith("NoSuitableResources"):
            raise
        return _report(session, [], fault.causes)
    return _report(session, matches, ())


def _refuse(ad: ClassAd) -> None:
    if "SubmitTo" in ad:
        raise ClientError("Forcing CEId for job-list-match does not make sense", title="Jdl Error")
    kind = (ad.string("Type") or "job").lower()
    if kind == "collection":
        raise ClientError("Collection type is not supported for list match", title="Jdl Error")
    if kind == "dag":
        raise ClientError("DAG type is not supported for list match", title="Jdl Error")


def _matches(server: endpoint.Endpoint, identifier: delegation.DelegationId, ad: ClassAd) -> list[Match]:
    if identifier.automatic:
        delegation.delegate(server, identifier.text)
    answer = server.call("jobListMatch", jdl=ad.text(), delegationId=identifier.text)
    return [_match(item) for item in answer]


def _match(item: Any) -> Match:
    if isinstance(item, dict):
        return Match(str(item["name"]), int(item["size"]))
    return Match(str(item.name), int(item.size))


def _explain(session: Session, found: Explanation) -> int:
    """Show an explanation."""
    from clients.explanationtable import table
    from wsdl.records import as_json

    if result.machine_readable(session):
        result.print_json(session, {"result": "success", "explanation": as_json(found)})
        return 0
    title = title_bar(f"{COMMAND} Explanation", WIDTH)
    session.messages.result("\n".join(["", title, "", *table(found), "", bar(), ""]))
    return 0


def _report(session: Session, matches: Sequence[Match], why: Sequence[str]) -> int:
    if result.machine_readable(session):
        values: dict[str, Any] = {"result": "success", "ceid": [match.ce_id for match in matches]}
        if session.line.has("rank"):
            values["rank"] = [match.rank for match in matches]
        if not matches:
            values["reasons"] = list(why)
        result.print_json(session, values)
        return 0
    text = listing(matches, ranks=session.line.has("rank")) if matches else _NOTHING_TEXT
    path = outputfile.save(session, text) if session.line.has("output") else None
    if path is None or not matches:
        session.messages.result(text)
        # the reasons name computing elements, and scripts take every such name on stdout for a match
        session.messages.note(why)
        return 0
    lines = ["", title_bar(f"{COMMAND} Success", _SAVED_WIDTH), ""]
    lines += ["Computing Element(s) matching your job requirements have been stored in the file:", str(path), ""]
    session.messages.result("\n".join([*lines, bar(_SAVED_WIDTH), ""]))
    return 0


def listing(matches: Sequence[Match], *, ranks: bool) -> str:
    lines = ["", bar(), "", "\t\t     COMPUTING ELEMENT IDs LIST "]
    lines += [" The following CE(s) matching your job requirements have been found:", ""]
    lines.append("\t*CEId*" + (" " * 51 + "*Rank*" if ranks else ""))
    for match in matches:
        # a name is what a site publishes: it must neither write to the terminal nor look like two
        name = "".join(each if each.isprintable() else "?" for each in match.ce_id)
        rank = " " * max(5, 65 - len(name)) + str(match.rank) if ranks else ""
        lines.append(f" - {name}{rank}")
    return "\n".join([*lines, "", bar(), ""])


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return run(SYNTAX, work, argv, check=check)


if __name__ == "__main__":
    sys.exit(main())
