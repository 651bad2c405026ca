"""GLUE 2.0: computing services.  Units: times in seconds, memory in MB, clock speed in MHz, working areas in GB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from infosys.glue2 import Endpoint, Entity, Manager, Service, Share, glue2


@dataclass(frozen=True, kw_only=True)
class ComputingService(Service):
    """A service that runs jobs."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2ComputingService"

    total_jobs: int | None = glue2("ComputingServiceTotalJobs", default=None)
    running_jobs: int | None = glue2("ComputingServiceRunningJobs", default=None)
    waiting_jobs: int | None = glue2("ComputingServiceWaitingJobs", default=None)
    staging_jobs: int | None = glue2("ComputingServiceStagingJobs", default=None)
    suspended_jobs: int | None = glue2("ComputingServiceSuspendedJobs", default=None)
    pre_lrms_waiting_jobs: int | None = glue2("ComputingServicePreLRMSWaitingJobs", default=None)


@dataclass(frozen=True, kw_only=True)
class ComputingEndpoint(Endpoint):
    """An address that takes jobs."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2ComputingEndpoint"

    service_id: str = glue2("EndpointServiceForeignKey", "ComputingEndpointComputingServiceForeignKey")
    staging: str = glue2("ComputingEndpointStaging", default="")
    """``none``, ``stagingin``, ``stagingout`` or ``staginginout``."""
    job_description: tuple[str, ...] = glue2("ComputingEndpointJobDescription", default=())
    total_jobs: int | None = glue2("ComputingEndpointTotalJobs", default=None)
    running_jobs: int | None = glue2("ComputingEndpointRunningJobs", default=None)
    waiting_jobs: int | None = glue2("ComputingEndpointWaitingJobs", default=None)
    staging_jobs: int | None = glue2("ComputingEndpointStagingJobs", default=None)
    suspended_jobs: int | None = glue2("ComputingEndpointSuspendedJobs", default=None)
    pre_lrms_waiting_jobs: int | None = glue2("ComputingEndpointPreLRMSWaitingJobs", default=None)


@dataclass(frozen=True, kw_only=True)
class ComputingShare(Share):
    """A queue, or what one VO has of it."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2ComputingShare"

    service_id: str = glue2("ShareServiceForeignKey", "ComputingShareComputingServiceForeignKey")
    endpoint_ids: tuple[str, ...] = glue2(
        "ShareEndpointForeignKey", "ComputingShareComputingEndpointForeignKey", default=()
    )
    resource_ids: tuple[str, ...] = glue2(
        "ShareResourceForeignKey", "ComputingShareExecutionEnvironmentForeignKey", default=()
    )
    serving_state: str = glue2("ComputingShareServingState", default="production")
    mapping_queue: str = glue2("ComputingShareMappingQueue", default="")
    max_wall_time: int | None = glue2("ComputingShareMaxWallTime", default=None)
    max_multi_slot_wall_time: int | None = glue2("ComputingShareMaxMultiSlotWallTime", default=None)
    min_wall_time: int | None = glue2("ComputingShareMinWallTime", default=None)
    default_wall_time: int | None = glue2("ComputingShareDefaultWallTime", default=None)
    max_cpu_time: int | None = glue2("ComputingShareMaxCPUTime", default=None)
    max_total_cpu_time: int | None = glue2("ComputingShareMaxTotalCPUTime", default=None)
    min_cpu_time: int | None = glue2("ComputingShareMinCPUTime", default=None)
    default_cpu_time: int | None = glue2("ComputingShareDefaultCPUTime", default=None)
    max_total_jobs: int | None = glue2("ComputingShareMaxTotalJobs", default=None)
    max_running_jobs: int | None = glue2("ComputingShareMaxRunningJobs", default=None)
    max_waiting_jobs: int | None = glue2("ComputingShareMaxWaitingJobs", default=None)
    max_pre_lrms_waiting_jobs: int | None = glue2("ComputingShareMaxPreLRMSWaitingJobs", default=None)
    max_user_running_jobs: int | None = glue2("ComputingShareMaxUserRunningJobs", default=None)
    max_slots_per_job: int | None = glue2("ComputingShareMaxSlotsPerJob", default=None)
    scheduling_policy: str = glue2("ComputingShareSchedulingPolicy", default="")
    max_main_memory: int | None = glue2("ComputingShareMaxMainMemory", default=None)
    guaranteed_main_memory: int | None = glue2("ComputingShareGuaranteedMainMemory", default=None)
    max_virtual_memory: int | None = glue2("ComputingShareMaxVirtualMemory", default=None)
    guaranteed_virtual_memory: int | None = glue2("ComputingShareGuaranteedVirtualMemory", default=None)
    max_disk_space: int | None = glue2("ComputingShareMaxDiskSpace", default=None)
    default_storage_service: str = glue2("ComputingShareDefaultStorageService", default="")
    preemption: bool | None = glue2("ComputingSharePreemption", default=None)
    total_jobs: int | None = glue2("ComputingShareTotalJobs", default=None)
    running_jobs: int | None = glue2("ComputingShareRunningJobs", default=None)
    local_running_jobs: int | None = glue2("ComputingShareLocalRunningJobs", default=None)
    waiting_jobs: int | None = glue2("ComputingShareWaitingJobs", default=None)
    local_waiting_jobs: int | None = glue2("ComputingShareLocalWaitingJobs", default=None)
    suspended_jobs: int | None = glue2("ComputingShareSuspendedJobs", default=None)
    staging_jobs: int | None = glue2("ComputingShareStagingJobs", default=None)
    pre_lrms_waiting_jobs: int | None = glue2("ComputingSharePreLRMSWaitingJobs", default=None)
    estimated_average_waiting_time: int | None = glue2("ComputingShareEstimatedAverageWaitingTime", default=None)
    estimated_worst_waiting_time: int | None = glue2("ComputingShareEstimatedWorstWaitingTime", default=None)
    free_slots: int | None = glue2("ComputingShareFreeSlots", default=None)
    free_slots_with_duration: str = glue2("ComputingShareFreeSlotsWithDuration", default="")
    used_slots: int | None = glue2("ComputingShareUsedSlots", default=None)
    requested_slots: int | None = glue2("ComputingShareRequestedSlots", default=None)
    reservation_policy: str = glue2("ComputingShareReservationPolicy", default="")
    tag: tuple[str, ...] = glue2("ComputingShareTag", default=())


@dataclass(frozen=True, kw_only=True)
class ComputingManager(Manager):
    """A batch system."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2ComputingManager"

    service_id: str = glue2("ManagerServiceForeignKey", "ComputingManagerComputingServiceForeignKey")
    reservation: bool | None = glue2("ComputingManagerReservation", default=None)
    bulk_submission: bool | None = glue2("ComputingManagerBulkSubmission", default=None)
    total_physical_cpus: int | None = glue2("ComputingManagerTotalPhysicalCPUs", default=None)
    total_logical_cpus: int | None = glue2("ComputingManagerTotalLogicalCPUs", default=None)
    total_slots: int | None = glue2("ComputingManagerTotalSlots", default=None)
    slots_used_by_local_jobs: int | None = glue2("ComputingManagerSlotsUsedByLocalJobs", default=None)
    slots_used_by_grid_jobs: int | None = glue2("ComputingManagerSlotsUsedByGridJobs", default=None)
    homogeneous: bool | None = glue2("ComputingManagerHomogeneous", default=None)
    network_info: tuple[str, ...] = glue2("ComputingManagerNetworkInfo", default=())
    working_area_shared: bool | None = glue2("ComputingManagerWorkingAreaShared", default=None)
    working_area_total: int | None = glue2("ComputingManagerWorkingAreaTotal", default=None)
    working_area_free: int | None = glue2("ComputingManagerWorkingAreaFree", default=None)
    tmp_dir: str = glue2("ComputingManagerTmpDir", default="")
    scratch_dir: str = glue2("ComputingManagerScratchDir", default="")
    application_dir: str = glue2("ComputingManagerApplicationDir", default="")


@dataclass(frozen=True, kw_only=True)
class ExecutionEnvironment(Entity):
    """One kind of worker node; CPUs and memory are those of one instance."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2ExecutionEnvironment"
    NAMING: ClassVar[str] = "GLUE2ResourceID"

    id: str = glue2("ResourceID")
    manager_id: str = glue2("ResourceManagerForeignKey", "ExecutionEnvironmentComputingManagerForeignKey")
    platform: str = glue2("ExecutionEnvironmentPlatform")
    """``x86_64``, ``amd64``, ``i386`` …"""
    main_memory: int = glue2("ExecutionEnvironmentMainMemorySize")
    virtual_memory: int | None = glue2("ExecutionEnvironmentVirtualMemorySize", default=None)
    os_family: str = glue2("ExecutionEnvironmentOSFamily", default="linux")
    os_name: str = glue2("ExecutionEnvironmentOSName", default="")
    os_version: str = glue2("ExecutionEnvironmentOSVersion", default="")
    connectivity_in: bool = glue2("ExecutionEnvironmentConnectivityIn", default=False)
    connectivity_out: bool = glue2("ExecutionEnvironmentConnectivityOut", default=True)
    virtual_machine: bool | None = glue2("ExecutionEnvironmentVirtualMachine", default=None)
    total_instances: int | None = glue2("ExecutionEnvironmentTotalInstances", default=None)
    used_instances: int | None = glue2("ExecutionEnvironmentUsedInstances", default=None)
    unavailable_instances: int | None = glue2("ExecutionEnvironmentUnavailableInstances", default=None)
    physical_cpus: int | None = glue2("ExecutionEnvironmentPhysicalCPUs", default=None)
    logical_cpus: int | None = glue2("ExecutionEnvironmentLogicalCPUs", default=None)
    cpu_multiplicity: str = glue2("ExecutionEnvironmentCPUMultiplicity", default="")
    cpu_vendor: str = glue2("ExecutionEnvironmentCPUVendor", default="")
    cpu_model: str = glue2("ExecutionEnvironmentCPUModel", default="")
    cpu_version: str = glue2("ExecutionEnvironmentCPUVersion", default="")
    cpu_clock_speed: int | None = glue2("ExecutionEnvironmentCPUClockSpeed", default=None)
    cpu_time_scaling: float | None = glue2("ExecutionEnvironmentCPUTimeScalingFactor", default=None)
    wall_time_scaling: float | None = glue2("ExecutionEnvironmentWallTimeScalingFactor", default=None)
    network_info: tuple[str, ...] = glue2("ExecutionEnvironmentNetworkInfo", default=())


@dataclass(frozen=True, kw_only=True)
class Benchmark(Entity):
    """How fast an execution environment is."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2Benchmark"
    NAMING: ClassVar[str] = "GLUE2BenchmarkID"

    id: str = glue2("BenchmarkID")
    type: str = glue2("BenchmarkType")
    """``specint2000``, ``specfp2000``, ``hep-spec06`` …"""
    value: float = glue2("BenchmarkValue")
    environment_id: str = glue2("BenchmarkExecutionEnvironmentForeignKey", default="")
    manager_id: str = glue2("BenchmarkComputingManagerForeignKey", default="")


@dataclass(frozen=True, kw_only=True)
class ApplicationEnvironment(Entity):
    """A piece of software that jobs may use: in grids, a software tag."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2ApplicationEnvironment"
    NAMING: ClassVar[str] = "GLUE2ApplicationEnvironmentID"

    id: str = glue2("ApplicationEnvironmentID")
    app_name: str = glue2("ApplicationEnvironmentAppName")
    manager_id: str = glue2("ApplicationEnvironmentComputingManagerForeignKey")
    app_version: str = glue2("ApplicationEnvironmentAppVersion", default="")
    state: str = glue2("ApplicationEnvironmentState", default="")
    license: str = glue2("ApplicationEnvironmentLicense", default="")
    description: str = glue2("ApplicationEnvironmentDescription", default="")
    parallel_support: str = glue2("ApplicationEnvironmentParallelSupport", default="")
    max_slots: int | None = glue2("ApplicationEnvironmentMaxSlots", default=None)
    max_jobs: int | None = glue2("ApplicationEnvironmentMaxJobs", default=None)
    free_slots: int | None = glue2("ApplicationEnvironmentFreeSlots", default=None)
    environment_ids: tuple[str, ...] = glue2("ApplicationEnvironmentExecutionEnvironmentForeignKey", default=())


@dataclass(frozen=True, kw_only=True)
class ToStorageService(Entity):
    """A storage service that is close to a computing service, and how its files are seen there."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2ToStorageService"
    NAMING: ClassVar[str] = "GLUE2ToStorageServiceID"

    id: str = glue2("ToStorageServiceID")
    local_path: str = glue2("ToStorageServiceLocalPath")
    remote_path: str = glue2("ToStorageServiceRemotePath")
    computing_service_id: str = glue2("ToStorageServiceComputingServiceForeignKey")
    storage_service_id: str = glue2("ToStorageServiceStorageServiceForeignKey")
