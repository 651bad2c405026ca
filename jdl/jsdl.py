"""From JSDL (GFD.56) to a job description.  docs/jsdl.md is the table of what becomes what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from jdl.classad import ClassAd
from jdl.complete import DEFAULT_RANK
from jdl.jsdl_application import application
from jdl.jsdl_resources import filesystems, resources
from jdl.jsdl_staging import staged
from jdl.jsdl_values import Part
from jdl.nodes import Literal, Operation, Reference
from jdl.tree import conjunction

__all__ = ["to_jdl"]

IN_PRODUCTION: Final = Operation(("==",), (Reference("GlueCEStateStatus", "other"), Literal("Production")))
"""What the commands' installation asks for when a job description does not say."""


def to_jdl(job: Mapping[str, object]) -> str:
    """The job description of a JSDL document, on one line.

    :param job: the document as the contract's codec reads a JobDefinition.
    :raises NotExpressible: 1225, an element that cannot be said in a job description; knows its path.
    """
    definition = Part(job, "")
    definition.refuse_foreign()
    description = definition.part("JobDescription")
    if description is None:
        raise definition.refused("JobDescription", "it is missing")
    description.refuse_foreign()
    resource_part = description.part("Resources")
    known = filesystems(resource_part)

    def directory(part: Part, attribute: str) -> str:
        name = part.text(attribute)
        if name is None:
            return ""
        if name not in known:
            raise part.refused(attribute, f"no FileSystem among the Resources has the name '{name[:100]}'")
        return known[name]

    files = staged(description.parts("DataStaging"))
    names = [name for _, name in files.sources]
    run = application(description.part("Application"), description, directory, names)
    where, more = resources(resource_part)
    streams = (run.ad.string("StdOutput"), run.ad.string("StdError"))
    files = files.keeping([path for path in streams if path and not path.startswith("/")])
    ad = ClassAd([("Type", Literal("job")), ("JobType", Literal("normal"))])
    for part in (run.ad, files.ad(), where):
        for name, expr in part.items():
            ad.set(name, expr)
    tags = _identification(description.part("JobIdentification")) | run.tags
    if tags:
        ad.set("UserTags", tags)
    ad.set("requirements", conjunction(IN_PRODUCTION, *run.requirements, *more))
    ad.set("rank", DEFAULT_RANK)
    return ad.text()


def _identification(part: Part | None) -> dict[str, str]:
    """What the document says about itself, as tags by which the user finds the job."""
    if part is None:
        return {}
    part.refuse_foreign()
    tags: dict[str, str] = {}
    for member, name in (("JobName", "JobName"), ("Description", "JobDescription")):
        text = part.text(member)
        if text:
            tags[name] = text
    for name in ("JobAnnotation", "JobProject"):
        for index, text in enumerate(part.texts(name), 1):
            tags[name if index == 1 else f"{name}{index}"] = text
    return tags

