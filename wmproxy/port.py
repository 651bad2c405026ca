"""The WMProxy port: each operation of the WSDL, translated into calls on the rooms behind it.

Nothing is decided here.  Every method declares its terms (:mod:`wsdl.operation`), takes the call (for its
connection) and the parts as the WSDL names them, asks the authorization point, and returns plain values.
"""

from __future__ import annotations

from collections.abc import Mapping

from broker import control
from delegation.store import DelegationStore
from gsi.identity import Identity
from jdl import templates
from jdl.jsdl import to_jdl
from web.guard import Rule
from wmproxy import proxyinfo
from wmproxy.acl import AccessLists
from wmproxy.authorization import AuthorizationPoint
from wmproxy.control import Controller
from wmproxy.descriptions import Descriptions
from wmproxy.errors import IdEmpty, NothingMatches
from wmproxy.jobs import Job
from wmproxy.perusal import Perusal
from wmproxy.protocols import Protocols
from wmproxy.quota import Quota
from wmproxy.registration import Registered, Registration
from wmproxy.sandboxes import Sandboxes
from wmproxy.settings import WmproxySettings
from wmproxy.start import Starter
from wsdl.operation import JDL, PROXY, operation
from wsdl.service import Call
from wsdl.types import DestURIStruct, JobIdStruct, JobStatusStruct, ProxyInfoStruct, StringAndLong

_NEW_JOB = (*JDL, *PROXY, 1224, 1226, 1227)
"""Error codes of what makes a job."""


class WMProxyPort:
    """Handlers of the 33 operations; those that are not here yet are answered by the SOAP layer."""

    def __init__(
        self,
        settings: WmproxySettings,
        authorization: AuthorizationPoint,
        registration: Registration,
        starter: Starter,
        controller: Controller,
        sandboxes: Sandboxes,
        perusal: Perusal,
        delegations: DelegationStore,
        acl: AccessLists,
        quota: Quota,
        descriptions: Descriptions,
        protocols: Protocols,
    ) -> None:
        self._settings = settings
        self._authorization = authorization
        self._registration = registration
        self._starter = starter
        self._controller = controller
        self._sandboxes = sandboxes
        self._perusal = perusal
        self._delegations = delegations
        self._acl = acl
        self._quota = quota
        self._descriptions = descriptions
        self._protocols = protocols

    # -- information -------------------------------------------------------------------------------------

    @operation("The version of the service.", Rule.KNOWN)
    def getVersion(self, call: Call) -> str:
        self._authorization.known(call.environ, call.operation)
        return self._settings.version

    @operation("The bytes that the input sandbox of a job may have.", Rule.KNOWN)
    def getMaxInputSandboxSize(self, call: Call) -> int:
        self._authorization.known(call.environ, call.operation)
        return self._settings.max_input_sandbox

    @operation("The protocols by which sandbox files are transferred.", Rule.KNOWN)
    def getTransferProtocols(self, call: Call) -> list[str]:
        self._authorization.known(call.environ, call.operation)
        return list(self._protocols.served)

    @operation("The bytes that the caller's sandboxes may have; -1 for any number.", Rule.KNOWN, key="getQuota")
    def getTotalQuota(self, call: Call) -> tuple[int, int]:
        self._authorization.known(call.environ, call.operation)
        return self._quota.total()

    @operation("The bytes that are left of the quota; -1 for any number.", Rule.KNOWN, codes=(1224,))
    def getFreeQuota(self, call: Call) -> tuple[int, int]:
        return self._quota.free(self._authorization.known(call.environ, call.operation).dn)

    # -- delegation --------------------------------------------------------------------------------------

    @operation("A certificate request, for delegating a proxy under an id.", Rule.MEMBER, codes=(1215,))
    def getProxyReq(self, call: Call, delegationID: str) -> str:
        return self._delegations.request(self._member(call), delegationID)

    @operation("Takes the delegated proxy that answers a request.", Rule.MEMBER, codes=PROXY)
    def putProxy(self, call: Call, delegationID: str, proxy: str) -> None:
        self._delegations.put(self._member(call), delegationID, proxy)

    # -- registration and start --------------------------------------------------------------------------

    @operation(
        "Registers a job; its input sandbox is open until it is started.", Rule.MEMBER, codes=_NEW_JOB, new_work=True
    )
    def jobRegister(self, call: Call, jdl: str, delegationId: str) -> JobIdStruct:
        return self._tree(self._registration.register(self._member(call), jdl, delegationId))

    @operation("Registers a job and starts it.", Rule.MEMBER, codes=_NEW_JOB, new_work=True)
    def jobSubmit(self, call: Call, jdl: str, delegationId: str) -> JobIdStruct:
        return self._tree(self._registration.submit(self._member(call), jdl, delegationId, _client(call)))

    @operation(
        "Starts a registered job.",
        Rule.MEMBER,
        Rule.OWNER,
        codes=(*JDL, 1224, 1226, 1227),
        limited=False,
        new_work=True,
    )
    def jobStart(self, call: Call, jobId: str) -> None:
        self._member(call)
        self._starter.start(self._owned(call, jobId), _client(call))

    @operation(
        "The computing elements that fit a job, best first.",
        Rule.MEMBER,
        codes=(*JDL, *PROXY, 1222, 1226),
        new_work=True,
    )
    def jobListMatch(self, call: Call, jdl: str, delegationId: str) -> list[StringAndLong]:
        return self._matches(self._member(call), jdl, delegationId)

    # -- JSDL --------------------------------------------------------------------------------------------

    @operation(
        "Registers a job that is described in JSDL; its input sandbox is open until it is started.",
        Rule.MEMBER,
        codes=_NEW_JOB,
        new_work=True,
        key="jobRegister",
    )
    def jobRegisterJSDL(self, call: Call, jsdl: Mapping[str, object], delegationId: str) -> JobIdStruct:
        identity = self._member(call)
        return self._tree(self._registration.register(identity, to_jdl(jsdl), delegationId))

    @operation(
        "Registers a job that is described in JSDL and starts it.",
        Rule.MEMBER,
        codes=_NEW_JOB,
        new_work=True,
        key="jobSubmit",
    )
    def jobSubmitJSDL(self, call: Call, delegationId: str, jsdl: Mapping[str, object]) -> JobIdStruct:
        identity = self._member(call)
        return self._tree(self._registration.submit(identity, to_jdl(jsdl), delegationId, _client(call)))

    @operation(
        "The computing elements that fit a job that is described in JSDL, best first.",
        Rule.MEMBER,
        codes=(*JDL, *PROXY, 1222, 1226),
        new_work=True,
        key="jobListMatch",
    )
    def jobListMatchJSDL(self, call: Call, jsdl: Mapping[str, object], delegationId: str) -> list[StringAndLong]:
        identity = self._member(call)
        return self._matches(identity, to_jdl(jsdl), delegationId)

    # -- templates ---------------------------------------------------------------------------------------

    @operation("The description of a job, to be filled in.", Rule.KNOWN, codes=JDL)
    def getJobTemplate(
        self, call: Call, jobType: list[str], executable: str, arguments: str, requirements: str, rank: str
    ) -> str:
        self._authorization.known(call.environ, call.operation)
        return templates.job_template(jobType, executable, arguments, requirements, rank)

    @operation("The description of a DAG, to be filled in.", Rule.KNOWN, codes=JDL)
    def getDAGTemplate(self, call: Call, dependencies: Mapping[str, object], requirements: str, rank: str) -> str:
        self._authorization.known(call.environ, call.operation)
        return templates.dag_template(dependencies, requirements, rank)

    @operation("The description of a collection, to be filled in.", Rule.KNOWN, codes=JDL)
    def getCollectionTemplate(self, call: Call, jobNumber: int, requirements: str, rank: str) -> str:
        self._authorization.known(call.environ, call.operation)
        return templates.collection_template(jobNumber, requirements, rank)

    @operation("The description of a job over numbers, to be filled in.", Rule.KNOWN, codes=JDL)
    def getIntParametricJobTemplate(
        self,
        call: Call,
        attributes: list[str],
        param: int,
        parameterStart: int,
        parameterStep: int,
        requirements: str,
        rank: str,
    ) -> str:
        self._authorization.known(call.environ, call.operation)
        return templates.int_parametric_template(attributes, param, parameterStart, parameterStep, requirements, rank)

    @operation("The description of a job over strings, to be filled in.", Rule.KNOWN, codes=JDL)
    def getStringParametricJobTemplate(
        self, call: Call, attributes: list[str], param: list[str], requirements: str, rank: str
    ) -> str:
        self._authorization.known(call.environ, call.operation)
        return templates.string_parametric_template(attributes, param, requirements, rank)

    # -- control -----------------------------------------------------------------------------------------

    @operation("Cancels a job.", Rule.WRITER, codes=(1226,))
    def jobCancel(self, call: Call, jobId: str) -> None:
        self._controller.cancel(self._written(call, jobId))

    @operation("Removes a job that has ended, with its files.", Rule.WRITER, codes=(1226,))
    def jobPurge(self, call: Call, jobId: str) -> None:
        self._controller.purge(self._written(call, jobId))

    @operation("The description of a job, as it was sent or as it is registered.", Rule.READER, codes=(1226,))
    def getJDL(self, call: Call, jobId: str, type: str) -> str:
        return self._descriptions.answer(self._read(call, jobId), type)

    @operation("The state of a job.", Rule.READER, codes=(1227,))
    def getJobStatus(self, call: Call, jobId: str) -> JobStatusStruct:
        record = self._read(call, jobId)
        nodes = self._controller.node_states(record).items()
        state = self._controller.status(record)
        children = [JobStatusStruct(str(node), state.value) for node, state in nodes]
        return JobStatusStruct(str(record.job), state.value, children)

    @operation("The output files of a job, with their sizes.", Rule.READER, codes=(1226,))
    def getOutputFileList(self, call: Call, jobId: str, protocol: str) -> list[StringAndLong]:
        record = self._read(call, jobId)
        wanted = protocol or "default"
        self._protocols.chosen(wanted)
        return [
            StringAndLong(uri, size)
            for name, size in self._controller.output_files(record)
            for uri in self._protocols.uris(record.job, "output", name, wanted=wanted)
        ]

    @operation("Where the input files of a job go.", Rule.WRITER)
    def getSandboxDestURI(self, call: Call, jobId: str, protocol: str) -> list[str]:
        return self._input_uris(self._written(call, jobId), protocol)

    @operation("Where the input files of a job and of its nodes go.", Rule.WRITER)
    def getSandboxBulkDestURI(self, call: Call, jobId: str, protocol: str) -> list[DestURIStruct]:
        record = self._written(call, jobId)
        every = [record, *self._controller.nodes(record)]
        return [DestURIStruct(str(one.job), self._input_uris(one, protocol)) for one in every]

    # -- access ------------------------------------------------------------------------------------------

    @operation("The people and groups on the access list of a job.", Rule.READER, codes=(1209,))
    def getACLItems(self, call: Call, jobId: str) -> list[str]:
        return self._acl.items(self._read(call, jobId))

    @operation("Lets people and groups read a job: all of them or none.", Rule.OWNER, codes=(1209,))
    def addACLItems(self, call: Call, jobId: str, items: list[str]) -> None:
        self._acl.add(self._owned(call, jobId), items)

    @operation("Takes one item off the access list of a job.", Rule.OWNER, codes=(1209, 1226))
    def removeACLItem(self, call: Call, jobId: str, item: str) -> None:
        self._acl.remove(self._owned(call, jobId), item)

    # -- proxies -----------------------------------------------------------------------------------------

    @operation("A proxy that the caller delegated, in words.", Rule.KNOWN, codes=PROXY, key="getProxyInfo")
    def getDelegatedProxyInfo(self, call: Call, delegationID: str) -> ProxyInfoStruct:
        caller = self._authorization.known(call.environ, call.operation)
        if not delegationID:
            raise IdEmpty("Delegation")
        return proxyinfo.describe(self._delegations.stored(caller, delegationID))

    @operation("The proxy of a job, in words.", Rule.READER, codes=(1212, 1226), key="getProxyInfo")
    def getJobProxyInfo(self, call: Call, jobId: str) -> ProxyInfoStruct:
        if not jobId:
            self._authorization.known(call.environ, call.operation)
            raise IdEmpty("Job")
        record = self._read(call, jobId)
        return proxyinfo.describe(proxyinfo.of_job(self._sandboxes.of(record.sandbox_owner)))

    # -- perusal -----------------------------------------------------------------------------------------

    @operation("Says which files of a job may be looked at while it runs.", Rule.WRITER, codes=(1226,))
    def enableFilePerusal(self, call: Call, jobId: str, fileList: list[str]) -> None:
        self._perusal.enable(self._written(call, jobId), fileList)

    @operation("What has come of a file of a running job since the last call.", Rule.READER, codes=(1226,))
    def getPerusalFiles(self, call: Call, jobId: str, file: str, allChunks: bool, protocol: str) -> list[str]:
        record = self._read(call, jobId)
        wanted = protocol or "default"
        self._protocols.chosen(wanted)  # before chunks are merged, which makes them old
        names = self._perusal.files(record, file, all_chunks=allChunks)
        return [uri for name in names for uri in self._protocols.uris(record.job, "peek", name, wanted=wanted)]

    # -- shared ------------------------------------------------------------------------------------------

    def _member(self, call: Call) -> Identity:
        return self._authorization.member(call.environ, call.operation)

    def _owned(self, call: Call, job_id: str) -> Job:
        return self._authorization.owner(call.environ, call.operation, job_id)

    def _read(self, call: Call, job_id: str) -> Job:
        return self._authorization.reader(call.environ, call.operation, job_id)

    def _written(self, call: Call, job_id: str) -> Job:
        return self._authorization.writer(call.environ, call.operation, job_id)

    def _matches(self, identity: Identity, jdl: str, delegation_id: str) -> list[StringAndLong]:
        ad, proxy = self._registration.check_for_match(identity, jdl, delegation_id)
        answer = control.match(
            self._settings.broker_control,
            ad.text(),
            identity.dn,
            tuple(str(fqan) for fqan in identity.fqans),
            self._settings.match_deadline,
            proxy,
        )
        if not answer.candidates:
            raise NothingMatches(answer.explanation)
        return [StringAndLong(ce_id, rank) for ce_id, rank in answer.candidates]

    def _input_uris(self, record: Job, protocol: str) -> list[str]:
        return self._protocols.inputs(record.job, wanted=protocol or "all")

    def _tree(self, made: Registered) -> JobIdStruct:
        """What was registered, as clients of gLite know it: a simple job has an empty name, a compound one none."""
        record = made.record
        nodes = [JobIdStruct(str(node.job), node.name, self._input_path(node)) for node in made.nodes]
        return JobIdStruct(str(record.job), None if record.compound else "", self._input_path(record), nodes)

    def _input_path(self, record: Job) -> str:
        return f"{self._sandboxes.relative(record.job)}/input"


def _client(call: Call) -> str:
    return str(call.environ.get("REMOTE_ADDR") or "unknown")
