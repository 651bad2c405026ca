"""The table of event types: names, codes, fields (source: L&B's event definitions, all six groups).

Each line below defines one type: its name, then its fields in the order of the SOAP interface.  ``?`` marks an
optional field; after a colon stands what its text must be: ``int``, ``float``, ``job`` (a job identifier),
``source`` (a component's name), ``time`` (a ULM date), ``tags``, or the words that are allowed.  A field
without a kind is free text.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

JOB_TYPES: Final = (
    "SIMPLE",
    "DAG",
    "PARTITIONABLE",
    "PARTITIONED",
    "COLLECTION",
    "PBS",
    "CONDOR",
    "CREAM",
    "FILE_TRANSFER_COLLECTION",
    "FILE_TRANSFER",
    "VIRTUAL_MACHINE",
)

_TRANSFER_RESULT = "START|OK|REFUSED|FAIL"
_STATUS_CODE = "REQ|REFUSE|DONE|ABORT"
_CREAM_COMMAND = "CMDSTART|CMDCANCEL|CMDPURGE|CMDSUSPEND|CMDRESUME"
_CREAM_STATUS = "descr? exit_code? failure_reason? worker_node? LRMS_jobid?"
_JOB_TYPE = "|".join(JOB_TYPES)

_GROUPS: Final = {
    "gLite": f"""
        Transfer destination:source dest_host dest_instance? job result:{_TRANSFER_RESULT} reason? dest_jobid?
        Accepted from:source from_host from_instance? local_jobid?
        Refused from:source from_host from_instance? reason?
        EnQueued queue job? result:{_TRANSFER_RESULT} reason?
        DeQueued queue local_jobid?
        HelperCall helper_name helper_params? src_role:CALLING|CALLED
        HelperReturn helper_name retval? src_role:CALLING|CALLED
        Running node
        Resubmission result:WILLRESUB|WONTRESUB|SHALLOW reason? tag?
        Done status_code:OK|FAILED|CANCELLED|KILLED reason? exit_code:int
        Cancel status_code:{_STATUS_CODE} reason?
        Abort reason
        Clear reason:USER|TIMEOUT|NOOUTPUT
        Purge
        Match dest_id
        Pending reason
        RegJob jdl? ns parent?:job jobtype:{_JOB_TYPE} nsubjobs?:int seed? wms_dn?
        Chkpt tag classad
        Listener svc_name svc_host svc_port:int
        CurDescr descr
        UserTag name value
        ChangeACL user_id user_id_type:DN|GROUP|FQAN permission:READ|TAG permission_type:ALLOW|DENY operation:ADD|REMOVE
        Notification notifId owner dest_host dest_port:int expires:int jobstat dest_url
        ResourceUsage resource quantity:float unit
        ReallyRunning wn_seq?
        Suspend reason?
        Resume reason?
        CollectionState state done_code?:int histogram child:job child_event
        GrantPayloadOwnership payload_owner
        TakePayloadOwnership
        ConnectJob dest_jobid:job jobtype:{_JOB_TYPE}
        DisconnectJob dest_jobid:job
    """,
    "PBS": f"""
        PBSInternalStateChange oldstate:int oldsubstate:int newstate:int newsubstate:int
        PBSTransfer destination:source dest_instance? result:{_TRANSFER_RESULT} reason? dest_jobid?
        PBSAccepted from:source from_instance? local_jobid?
        PBSRefused from:source from_instance? reason?
        PBSQueued queue name owner
        PBSDequeued
        PBSMatch dest_host
        PBSPending reason
        PBSWaiting
        PBSRun scheduler? dest_host? pid?:int
        PBSRerun
        PBSAbort
        PBSDone exit_status?:int
        PBSResourceUsage usage:REQUESTED|USED resources:tags
        PBSError error_desc
    """,
    "Condor": """
        CondorMatch owner dest_host preempting?
        CondorReject owner status_code:NOMATCH|OTHER
        CondorShadowStarted shadow_host shadow_port:int shadow_pid:int shadow_status?
        CondorShadowExited shadow_pid:int shadow_exit_status:int
        CondorStarterStarted starter_pid?:int universe?
        CondorStarterExited starter_pid?:int starter_exit_status?:int job_pid?:int job_exit_status?:int
        CondorResourceUsage usage:REQUESTED|USED name quantity?:float unit
        CondorError error_desc
    """,
    "CREAM": f"""
        CREAMStart
        CREAMPurge
        CREAMAccepted local_jobid?
        CREAMStore command:{_CREAM_COMMAND} cmdid? result:START|OK|FAILED reason?
        CREAMCall command:{_CREAM_COMMAND} callee:source cmdid? destid? result:START|OK|FAILED reason?
        CREAMRunning node?
        CREAMReallyRunning
        CREAMDone status_code:OK|FAILED|CANCELLED|KILLED reason? exit_code?
        CREAMCancel status_code:{_STATUS_CODE} reason?
        CREAMAbort reason
        CREAMStatus old_state? new_state orig_timestamp?:time result:ARRIVED|DONE {_CREAM_STATUS}
        CREAMSuspend status_code:{_STATUS_CODE} reason?
        CREAMResume status_code:{_STATUS_CODE} reason?
    """,
    "Transfer": """
        FileTransferRegister src dest
        FileTransfer result:START|OK|FAIL reason?
        Sandbox sandbox_type:INPUT|OUTPUT transfer_job? compute_job?
    """,
    "VirtualMachine": """
        VMCreate require id name owner hostname manager image?
        VMHost hostname
        VMImage image
        VMRunning
        VMShutdown usage?
        VMStop
        VMResume
        VMDone status_code:OK|DELETE|FAILURE usage?
    """,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event type.

    :ivar name: L&B's name with underscores, e.g. ``dest_host``.
    :ivar kind: ``text``, ``int``, ``float``, ``job``, ``source``, ``time``, ``tags`` or ``word``.
    :ivar words: the allowed words when the kind is ``word``.
    """

    name: str
    kind: str = "text"
    optional: bool = False
    words: tuple[str, ...] = ()

    @property
    def wire(self) -> str:
        """The name in the SOAP interface: underscores folded to camel case."""
        return camel(self.name)

    @property
    def ulm(self) -> str:
        """The last part of the name in a ULM line."""
        return self.name.upper()


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type.

    :ivar code: number by the order of definition; each group after gLite starts at a new hundred.
    :ivar group: ``gLite``, ``PBS``, ``Condor``, ``CREAM``, ``Transfer`` or ``VirtualMachine``.
    """

    name: str
    code: int
    group: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field | None:
        """The field called ``name``, or None."""
        return next((field for field in self.fields if field.name == name), None)


def camel(name: str) -> str:
    """``dest_host`` → ``destHost``; only letters after an underscore change."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def _field(text: str) -> Field:
    name, _, kind = text.partition(":")
    optional = name.endswith("?")
    words = tuple(kind.split("|")) if "|" in kind else ()
    return Field(name.rstrip("?"), "word" if words else kind or "text", optional, words)


def _types() -> dict[str, EventType]:
    table: dict[str, EventType] = {}
    for hundred, (group, text) in enumerate(_GROUPS.items()):
        for number, line in enumerate(text.strip().splitlines(), start=1):
            name, *fields = line.split()
            table[name] = EventType(name, 100 * hundred + number, group, tuple(map(_field, fields)))
    return table


EVENT_TYPES: Final = MappingProxyType(_types())
"""All event types by name, in the order of L&B's definition."""

BY_UPPER_NAME: Final = MappingProxyType({name.upper(): kind for name, kind in EVENT_TYPES.items()})
"""The same by upper-case name: ULM prefixes are upper case, and clients ask in any case."""
