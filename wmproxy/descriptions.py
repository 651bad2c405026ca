"""The descriptions of registered jobs: what the server adds to them, what is on disk, what getJDL answers.

On disk are the text as it was sent (``JDLOriginal``) and, for a simple job, the registered and later the started
description.  For a compound job these two hold its own attributes only: the nodes follow from the original text,
in the same order whenever it is expanded, so registering costs nothing for each node here.  A node that was started
has its description in the broker's queue.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from broker import queue
from grid.errors import InternalFailure, InvalidArgument
from grid.jobid import JobId
from grid.limits import MAX_XML_BYTES
from jdl.complete import ServerAttributes, complete
from jdl.compound import Compound, Node, as_dag, expand, resolve
from jdl.parser import SUBMITTED, parse
from jdl.tree import ClassAd
from wmproxy import jobs
from wmproxy.errors import DescriptionTooLong
from wmproxy.jobs import Job, Phase
from wmproxy.sandboxes import Sandboxes

_MAX_ANSWER = MAX_XML_BYTES // 2
"""Bytes of a description that is answered; what is escaped in XML grows."""


class Descriptions:
    """Makes and reads the descriptions of one server's jobs."""

    def __init__(self, sandboxes: Sandboxes, engine: sa.Engine) -> None:
        self._sandboxes = sandboxes
        self._engine = engine

    # -- what the server adds ----------------------------------------------------------------------------

    def registered(self, ad: ClassAd, record: Job) -> ClassAd:
        """The registered description from the checked one; of a compound job its own attributes, without nodes."""
        return complete(ad, self._server_attributes(record))

    def registered_nodes(self, compound: Compound, record: Job, nodes: Sequence[Job]) -> Iterator[ClassAd]:
        """The registered descriptions of the nodes, in which all of the input sandbox has absolute URIs."""
        root = self._sandboxes.url(record.job)
        resolved = resolve(compound, root, [self._sandboxes.url(node.job) for node in nodes])
        for node, described in zip(nodes, resolved, strict=True):
            yield self.registered(described.ad, node)

    def _server_attributes(self, record: Job) -> ServerAttributes:
        directory = self._sandboxes.of(record.job)
        return ServerAttributes(
            virtual_organisation=record.vo,
            job_id=str(record.job),
            sandbox_uri=self._sandboxes.url(record.job),
            input_path=str(directory.input),
            output_path=str(directory.output),
            subject=record.owner,
            proxy_path=str(self._sandboxes.of(record.sandbox_owner).proxy),
            fqan=record.fqans[0] if record.fqans else "",
        )

    # -- what is on disk ---------------------------------------------------------------------------------

    def to_start(self, record: Job) -> ClassAd:
        """The registered description of a simple or compound job that was not started.

        :raises FileNotFoundError: when its directory is gone.
        """
        return parse(self._sandboxes.of(record.job).jdl_to_start.read_text("utf-8"))

    def cut_off(self, job: JobId) -> ClassAd:
        """The description of a job whose registration did not end, or whose submission did not.

        :raises FileNotFoundError: when it has none.
        """
        directory = self._sandboxes.of(job)
        try:
            return parse(directory.jdl_to_start.read_text("utf-8"))
        except FileNotFoundError:
            return parse(directory.started_jdl.read_text("utf-8"))  # jobSubmit writes this one only

    def current(self, record: Job) -> ClassAd:
        """The description as it stands now, registered or started; of a compound job without its nodes.

        :raises FileNotFoundError: when its directory is gone.
        """
        if record.parent is not None:
            return self._node(record, record.parent)
        if record.phase is not Phase.STARTED:
            return self.to_start(record)
        return parse(self._sandboxes.of(record.job).started_jdl.read_text("utf-8"))

    def compound(self, record: Job) -> Compound:
        """A registered compound job, expanded anew.

        :raises FileNotFoundError: when its directory is gone.
        :raises JdlError: when a check that it passed at its registration fails now.
        """
        text = self._sandboxes.of(record.job).original_jdl.read_text("utf-8")
        found = expand(parse(text, limits=SUBMITTED), vo=record.vo)
        if found is None:
            raise InternalFailure(f"the description of {record.job} is not that of a compound job any more")
        return found

    # -- what getJDL answers -----------------------------------------------------------------------------

    def answer(self, record: Job, kind: str) -> str:
        """The description as it was sent (``ORIGINAL``) or as it stands now (``REGISTERED``), one ClassAd text.

        A node's original is what the request says of it, with what it inherits.  What is registered of a compound job
        is a DAG of its nodes, whatever it was sent as (gLite WMS).

        :raises InvalidArgument: for another kind.
        :raises DescriptionTooLong: when the text of all nodes is more than an answer holds.
        """
        if kind == "REGISTERED":
            ad = self.current(record)
            return self._whole(record, ad) if record.compound else ad.pretty()
        if kind != "ORIGINAL":
            raise InvalidArgument(f"the type of a JDL is ORIGINAL or REGISTERED, not {kind[:40]!r}")
        if record.parent is not None:
            parent, _ = self._family(record.parent)
            return self.compound(parent).nodes[record.index].ad.pretty()
        return parse(self._sandboxes.of(record.job).original_jdl.read_text("utf-8")).pretty()

    def _node(self, record: Job, head: JobId) -> ClassAd:
        with self._engine.connect() as connection:
            request = queue.get(connection, record.job)
        if request is not None:
            return parse(request.ad)
        parent, nodes = self._family(head)
        uris = [self._sandboxes.url(node.job) for node in nodes]
        node = resolve(self.compound(parent), self._sandboxes.url(parent.job), uris)[record.index]
        return self.registered(node.ad, record)

    def _family(self, head: JobId) -> tuple[Job, list[Job]]:
        """A compound job and its nodes."""
        with self._engine.connect() as connection:
            parent = jobs.get(connection, head)
            if parent is None:
                raise InternalFailure(f"the compound job {head} is not known, and a node of it is")
            return parent, jobs.nodes(connection, parent)

    def _whole(self, record: Job, root: ClassAd) -> str:
        with self._engine.connect() as connection:
            nodes = jobs.nodes(connection, record)
        compound = self.compound(record)
        described: list[Node] = []
        size = 0
        for node, ad in zip(compound.nodes, self.registered_nodes(compound, record, nodes), strict=True):
            size += len(ad.text())
            if size > _MAX_ANSWER:
                raise DescriptionTooLong(str(record.job), len(nodes))
            described.append(Node(node.name, ad, node.parents))
        return as_dag(root, described).pretty()
