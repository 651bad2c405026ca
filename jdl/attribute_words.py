"""The attributes of a job description in words, for docs/jdl.md: what each means, and what is checked of it.

That a value is of its type is checked of every attribute: 1503, and 1506 for a list where one value is wanted.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["GROUPS", "WORDS", "Words"]


class Words(NamedTuple):
    """One attribute: what it means; its checks with their error codes."""

    name: str
    meaning: str
    checks: str = ""


_KIND: Final = (
    Words("Type", "what the request is: `job`, `dag` or `collection`", "1506: another word"),
    Words(
        "JobType",
        "kind of job: `normal`, `mpich`, `interactive`, `parametric`",
        "1503: another word; 1220: a list of kinds that do not go together; 1219: `partitionable`, `checkpointable`; "
        "1508: `parametric` with them",
    ),
    Words(
        "Executable",
        "the program: a path, `$VARIABLE/path`, or the name of a file of InputSandbox",
        "1505: missing, or no such file",
    ),
    Words("Arguments", "the arguments of the program, in one string"),
    Words("Environment", "variables of the job", "1503: not `<variable>=<value>`"),
    Words("StdInput", "the file that the program reads from its standard input", "1505: no such file"),
    Words(
        "StdOutput", "the file that gets its standard output", "1505: the name of StdError elsewhere; 1503: `..` in it"
    ),
    Words("StdError", "the file that gets its standard error", "1505, 1503: as StdOutput"),
    Words("Prologue", "a program that runs before", "1505: no such file"),
    Words("PrologueArguments", "its arguments", "1505: without Prologue"),
    Words("Epilogue", "a program that runs behind", "1505: no such file"),
    Words("EpilogueArguments", "its arguments", "1505: without Epilogue"),
    Words(
        "VirtualOrganisation",
        "the VO: that of the proxy",
        "1220: another one than the proxy's; 1505: the proxy has none",
    ),
    Words(
        "UserTags",
        "names and strings that the job can be found by",
        "1506: more than 100; 1503: a tag that is no string",
    ),
    Words("UserContact", "kept, and used by nothing", "1503: not `user@host`"),
    Words("MwVersion", "kept, and used by nothing"),
    Words("HLRLocation", "the accounting server: goes into the job's environment as HLR_LOCATION"),
    Words("JobProvenance", "kept, and used by nothing"),
    Words("LBAddress", "the L&B server `host[:port]` of the job; else the server's own"),
    Words("MyProxyServer", "the host whose MyProxy server renews the job's proxy"),
)

_SANDBOX: Final = (
    Words(
        "InputSandbox",
        "files that go with the job: names at the submitter's, or `gsiftp://` and `https://` URIs",
        "1509: two end in one name; 1503: a pattern that is left",
    ),
    Words("InputSandboxBaseURI", "where names without a URI are", "1503: not `<protocol>://<address>`"),
    Words("InputSandboxDestFileName", "names of these files at the job", "1508: another number of them"),
    Words("OutputSandbox", "files that come back; patterns with `*` and `?`", "1509: two end in one name"),
    Words(
        "OutputSandboxDestURI",
        "where each of them goes instead",
        "1508: another number of them, or a pattern among them",
    ),
    Words("OutputSandboxBaseDestURI", "where all of them go instead", "1503: not `<protocol>://<address>`"),
    Words("AllowZippedISB", "the command may send the input files as archives"),
    Words("ZippedISB", "the archives; the command sets it", "1506: no plain names; 1509: one twice"),
    Words("PerusalFileEnable", "files can be looked at while the job runs"),
    Words(
        "PerusalTimeInterval",
        "seconds between two looks; less than the server's least is that",
        "1506: below 0, or longer than a day",
    ),
    Words("PerusalFilesDestURI", "where the pieces go instead", "1503: no URI; 1220: not by https"),
)

_MATCHING: Final = (
    Words(
        "requirements",
        "what must be true of a computing element (`other`)",
        "1505: missing; 1503: a number or a string; 1504, 1506: a wrong call",
    ),
    Words(
        "rank",
        "which computing element is better: the higher number",
        "1505: missing; 1503: no number; 1504, 1506: a wrong call",
    ),
    Words("FuzzyRank", "choose by chance among the best, the better the likelier"),
    Words("fuzzy_factor", "how much the rank weighs then: the larger, the more even"),
    Words(
        "SubmitTo",
        "the one computing element that it must be",
        "1503: not `<full-hostname>:<port-number>/jobmanager-<service>-<queuename>`",
    ),
    Words("ShortDeadlineJob", "runs on queues for short deadlines only; other jobs never do"),
    Words("CpuNumber", "how many processors", "1506: below 1"),
    Words("NodeNumber", "as CpuNumber; deprecated", "1506: below 1"),
    Words(
        "SMPGranularity", "how many processors of one host", "1506: below 1; 1508: with HostNumber, without WholeNodes"
    ),
    Words("HostNumber", "how many hosts", "1506: below 1; 1508: with SMPGranularity, without WholeNodes"),
    Words("WholeNodes", "hosts are wanted whole"),
    Words(
        "SignificantAttributes",
        "kept, and not needed: what is alike is matched once by itself",
    ),
    Words("EnableWmsFeedback", "runs on CREAM elements only, as far as the WMS's own requirements say so"),
    Words("RetryCount", "how often the job may be sent again after it began", "1506: below 0"),
    Words("ShallowRetryCount", "how often it may be sent again before it began; -1 for never", "1506: below -1"),
    Words("ExpiryTime", "seconds since 1970 at which the job is given up when nothing matched", "1506: below 0"),
)

_DATA: Final = (
    Words(
        "InputData",
        "files that the job reads: `lfn:`, `guid:`, `si-lfn:`, `si-guid:`",
        "1503: another prefix; 1505: no DataAccessProtocol; 1508: with DataRequirements",
    ),
    Words(
        "DataRequirements",
        "`[ InputData; DataCatalogType; DataCatalog ]`, one for each catalogue",
        "1503: no ads; 1506: incomplete; 1505: no DataAccessProtocol",
    ),
    Words("DataAccessProtocol", "how the job can read files: `file`, `gsiftp`, `https` …"),
    Words("DataCatalog", "the catalogue that knows where InputData is"),
    Words("StorageIndex", "kept, and used by nothing"),
    Words("ReplicaCatalog", "kept, and used by nothing", "1503: not `<protocol>://<address>:<port>/<DN>`"),
    Words(
        "OutputData",
        "`[ OutputFile; LogicalFileName; StorageElement ]`, one for each file to be stored",
        "1505: no OutputFile; 1503: no ads, or a name that is not `lfn:<value>`",
    ),
    Words("OutputSE", "the storage element that must be close"),
    Words("FullListMatchResult", "elements that reach only a part of the data match as well"),
)

_COMPOUND: Final = (
    Words(
        "Nodes",
        "the nodes of a DAG or a collection",
        "1502: missing; 1503: no ads; 1507; 1513: what is wrong with nodes",
    ),
    Words("Dependencies", "pairs of nodes of a DAG: the second waits for the first", "1507: a cycle, no such node"),
    Words("NodeName", "the name of a collection's node", "1501: twice; 1506: too long, not printable"),
    Words(
        "File",
        "a file that describes the node; the command puts it in place",
        "1220: at the server; 1510: other attributes beside it and NodeName",
    ),
    Words(
        "Parameters",
        "how many nodes, or a list of values for `_PARAM_`",
        "1502: missing, or no node comes of it; 1506: below 0, or too many nodes; 1501: two values that make one name",
    ),
    Words("ParameterStart", "the first value", "1506: below 0"),
    Words("ParameterStep", "what is added from node to node", "1507: 0; 1506: below 0"),
    Words("NodesCollocation", "kept; without effect on the match, as in gLite", "1505: without rank and requirements"),
    Words("DefaultNodeRetryCount", "RetryCount of nodes that have none", "1506: below 0"),
    Words("DefaultNodeShallowRetryCount", "ShallowRetryCount of nodes that have none", "1506: below -1"),
)

_INTERACTIVE: Final = (
    Words(
        "ListenerPort",
        "where an interactive job's streams go",
        "1219: an interactive job without it; 1505: another job with it; 1506: no number of a port",
    ),
    Words("ListenerHost", "the host", "as ListenerPort"),
    Words("ListenerPipeName", "the pipe there", "as ListenerPort"),
)

GROUPS: Final[tuple[tuple[str, tuple[Words, ...]], ...]] = (
    ("The job", _KIND),
    ("Files", _SANDBOX),
    ("Where it runs", _MATCHING),
    ("Data", _DATA),
    ("Compound requests", _COMPOUND),
    ("Interactive jobs", _INTERACTIVE),
)
"""All attributes that a user may set, by what they are about."""

WORDS: Final = {words.name.lower(): words for _, group in GROUPS for words in group}
"""The same by their names in lower case."""
