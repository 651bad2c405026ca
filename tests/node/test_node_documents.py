"""The documents against the code: settings, commands and options, decisions, links."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from clients import cancel, delegate_proxy, job_info, list_match, logging_info, output, perusal, status, submit
from node import configuration
from node.command import make_parser

ROOT = Path(__file__).parents[2]
OPERATION = (ROOT / "docs/operation.md").read_text(encoding="utf-8")
SECTIONS = {
    "[node]": configuration.NodeSection,
    "[site]": configuration.SiteSection,
    "[[bdii.service]]": configuration.ServiceSection,
    "[trust]": configuration.TrustSection,
    "[wmproxy]": configuration.WmproxySection,
    "[[wmproxy.limit]]": configuration.LimitSection,
    "[lb]": configuration.LbSection,
    "[bdii]": configuration.BdiiSection,
    "[catalogue]": configuration.CatalogueSection,
    "[broker]": configuration.BrokerSection,
    "[[broker.source]]": configuration.SourceSection,
    "[ce]": configuration.CeSection,
    "[[ce.queue]]": configuration.QueueSection,
}
TABLES = ("limit", "service", "source")
"""Settings that are tables of their own and may be missing."""
CLIENTS = (cancel, delegate_proxy, job_info, list_match, logging_info, output, perusal, status, submit)
DOCUMENTS = sorted(
    [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")), *(ROOT / "docs").rglob("*.md")]
)


def table(section: str) -> dict[str, tuple[str, str]]:
    """Key to default and meaning, as the section's table in docs/operation.md says them."""
    text = OPERATION.partition(f"### `{section}`\n")[2].partition("\n#")[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
    return {
        key: (default.strip(), meaning.strip())
        for keys, default, meaning in rows
        for key in re.findall(r"`([^`]+)`", keys)
    }


def toml(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{json.dumps(value)}`" if isinstance(value, tuple) else f"`{value}`"


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_in_the_operators_document_with_its_default(section):
    kind = SECTIONS[section]
    own = {f.name: toml(f.default) for f in fields(kind) if f.default is not MISSING and f.name not in TABLES}
    assert {key: default for key, (default, _) in table(section).items()} == own
    empty = [key for key, (_, meaning) in table(section).items() if not meaning]
    assert not empty, "settings without a meaning"


def test_the_sections_are_all_there_are():
    named = set(re.findall(r"^### `(\[.*\])`$", OPERATION, re.MULTILINE))
    assert named == set(SECTIONS)
    assert set(SECTIONS.values()) == {v for n, v in vars(configuration).items() if n.endswith("Section")}


def parsers() -> dict[str, argparse.ArgumentParser]:
    top = make_parser()
    inner = next(action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    return {"wms": top, **{f"wms {name}": parser for name, parser in inner.choices.items()}}


@pytest.mark.parametrize("command", parsers())
def test_the_operators_document_has_each_command_with_all_its_options(command):
    text = OPERATION.partition(f"### `{command}`\n")[2].partition("\n### ")[0]
    assert text, "the command has no section"
    shown = "\n".join(line for line in text.splitlines() if line.startswith("    "))
    parser = parsers()[command]
    options = {name for action in parser._actions for name in action.option_strings}
    assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", shown)) >= options
    for action in parser._actions:
        if action.help and not isinstance(action, argparse._SubParsersAction):
            assert re.sub(r"\s+", " ", action.help % vars(action)) in re.sub(r"\s+", " ", shown)
    assert set(re.findall(r"^      (?:\S+, )?(--[a-z-]+)", shown, re.MULTILINE)) <= options


def test_commands_in_the_documents_exist_with_the_options_that_are_shown():
    known = {module.SYNTAX.command: {f"--{o.long}" for o in module.SYNTAX.options} for module in CLIENTS}
    known |= {
        name: {option for action in parser._actions for option in action.option_strings}
        for name, parser in parsers().items()
    }
    wrong = []
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        for name in set(re.findall(r"glite-wms-job-[a-z-]*[a-z]", text)) - set(known):
            wrong.append(f"{path.name}: {name}")
        for command, rest in re.findall(r"(?:^|[`\s/])(glite-wms-job-[a-z-]*[a-z]|wms [a-z]+)\b([^`\n#&;|)]*)", text):
            if command not in known and " -" in rest:
                wrong.append(f"{path.name}: {command}{rest}")
            for option in re.findall(r"(?<=\s)--[a-z-]+", rest):
                if command in known and option not in known[command] and option not in known["wms"]:
                    wrong.append(f"{path.name}: {command} {option}")
    assert not wrong


def test_the_decisions_are_numbered_without_gaps_and_all_are_listed():
    folder = ROOT / "docs/decisions"
    files = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [name[:4] for name in files] == [f"{n:04d}" for n in range(1, len(files) + 1)]
    rows = re.findall(r"^\| (\d{4}) \| \[(.*)\]\((.*)\) \|$", (folder / "README.md").read_text(), re.MULTILINE)
    assert [(number, file) for number, _, file in rows] == [(name[:4], name) for name in files]
    for _, title, file in rows:
        assert title in (folder / file).read_text(encoding="utf-8").splitlines()[0]


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_the_documents_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target
