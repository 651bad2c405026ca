"""Every limit that more than one room must agree on.  A limit that only one room knows lives in its settings."""

from __future__ import annotations

from typing import Final

MAX_JOB_ID: Final = 1024
"""Characters of a job identifier."""

MAX_JDL_BYTES: Final = 1 << 20
"""Bytes of one job description (UTF-8)."""

MAX_NODES: Final = 10_000
"""Nodes of one compound request (DAG, collection, parametric job)."""

MAX_DEPENDENCIES: Final = 100_000
"""Dependencies of one DAG, each from one node to one node."""

MAX_COMPOUND_CHARACTERS: Final = 32 << 20
"""Characters of the descriptions of all nodes of one compound request, each written out in full."""

MAX_XML_BYTES: Final = 8 << 20
"""Bytes of one XML document from outside."""

MAX_XML_ELEMENTS: Final = 200_000
"""Elements of one XML document from outside."""

MAX_REQUEST_ELEMENTS: Final = 50_000
"""Elements of one SOAP request; answers may have more."""

MAX_XML_NAMESPACES: Final = 20_000
"""Namespace declarations of one XML document from outside."""

MAX_XML_EQUALS: Final = 400_000
"""Equals signs of one XML document from outside: each attribute has one, and texts have some."""

MAX_XML_DEPTH: Final = 100
"""Depth of one XML document from outside."""

MAX_XML_ATTRIBUTES: Final = 1_000
"""Attributes and namespace declarations of one element."""

MAX_CERTIFICATE_CHAIN: Final = 20
"""Certificates of one presented chain."""

MAX_PEM_BYTES: Final = 256 << 10
"""Bytes of one PEM document (a delegated chain, a proxy file)."""

MAX_EVENT_LINE: Final = 4 << 20
"""Bytes of one L&B event line."""

MAX_DELEGATION_ID: Final = 255
"""Characters of a delegation id."""

MAX_FILE_NAME: Final = 255
"""Bytes of one file name."""

BROKER_INFO: Final = ".BrokerInfo"
"""The file in a job's input sandbox that the broker writes, and that goes to the job."""

MAX_BROKER_INFO: Final = 4 << 20
"""Its bytes."""
