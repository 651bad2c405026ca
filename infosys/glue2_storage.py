"""GLUE 2.0: storage services.  Sizes in GB, life times in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from infosys.glue2 import Endpoint, Entity, Manager, Service, Share, glue2


@dataclass(frozen=True, kw_only=True)
class StorageService(Service):
    """A service that keeps files."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2StorageService"


@dataclass(frozen=True, kw_only=True)
class StorageEndpoint(Endpoint):
    """An address that takes and gives files."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2StorageEndpoint"

    service_id: str = glue2("EndpointServiceForeignKey", "StorageEndpointStorageServiceForeignKey")


@dataclass(frozen=True, kw_only=True)
class StorageManager(Manager):
    """The software that keeps the files."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2StorageManager"

    service_id: str = glue2("ManagerServiceForeignKey", "StorageManagerStorageServiceForeignKey")


@dataclass(frozen=True, kw_only=True)
class StorageShare(Share):
    """What a VO has of a storage service."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2StorageShare"

    service_id: str = glue2("ShareServiceForeignKey", "StorageShareStorageServiceForeignKey")
    endpoint_ids: tuple[str, ...] = glue2(
        "ShareEndpointForeignKey", "StorageShareStorageEndpointForeignKey", default=()
    )
    resource_ids: tuple[str, ...] = glue2("ShareResourceForeignKey", "StorageShareDataStoreForeignKey", default=())
    serving_state: str = glue2("StorageShareServingState", default="production")
    sharing_id: str = glue2("StorageShareSharingID", default="dedicated")
    access_latency: str = glue2("StorageShareAccessLatency", default="online")
    path: str = glue2("StorageSharePath", default="")
    access_mode: tuple[str, ...] = glue2("StorageShareAccessMode", default=())
    retention_policy: tuple[str, ...] = glue2("StorageShareRetentionPolicy", default=())
    expiration_mode: str = glue2("StorageShareExpirationMode", default="")
    default_life_time: int | None = glue2("StorageShareDefaultLifeTime", default=None)
    maximum_life_time: int | None = glue2("StorageShareMaximumLifeTime", default=None)
    tag: str = glue2("StorageShareTag", default="")


@dataclass(frozen=True, kw_only=True)
class StorageShareCapacity(Entity):
    """How much room a share has."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2StorageShareCapacity"
    NAMING: ClassVar[str] = "GLUE2StorageShareCapacityID"

    id: str = glue2("StorageShareCapacityID")
    type: str = glue2("StorageShareCapacityType", default="online")
    share_ids: tuple[str, ...] = glue2("StorageShareCapacityStorageShareForeignKey")
    total_size: int | None = glue2("StorageShareCapacityTotalSize", default=None)
    free_size: int | None = glue2("StorageShareCapacityFreeSize", default=None)
    used_size: int | None = glue2("StorageShareCapacityUsedSize", default=None)
    reserved_size: int | None = glue2("StorageShareCapacityReservedSize", default=None)


@dataclass(frozen=True, kw_only=True)
class StorageServiceCapacity(Entity):
    """How much room a storage service has."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2StorageServiceCapacity"
    NAMING: ClassVar[str] = "GLUE2StorageServiceCapacityID"

    id: str = glue2("StorageServiceCapacityID")
    type: str = glue2("StorageServiceCapacityType", default="online")
    service_id: str = glue2("StorageServiceCapacityStorageServiceForeignKey")
    total_size: int | None = glue2("StorageServiceCapacityTotalSize", default=None)
    free_size: int | None = glue2("StorageServiceCapacityFreeSize", default=None)
    used_size: int | None = glue2("StorageServiceCapacityUsedSize", default=None)
    reserved_size: int | None = glue2("StorageServiceCapacityReservedSize", default=None)


@dataclass(frozen=True, kw_only=True)
class StorageAccessProtocol(Entity):
    """How files are read and written."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2StorageAccessProtocol"
    NAMING: ClassVar[str] = "GLUE2StorageAccessProtocolID"

    id: str = glue2("StorageAccessProtocolID")
    type: str = glue2("StorageAccessProtocolType")
    version: str = glue2("StorageAccessProtocolVersion")
    service_id: str = glue2("StorageAccessProtocolStorageServiceForeignKey")
    max_streams: int | None = glue2("StorageAccessProtocolMaxStreams", default=None)


@dataclass(frozen=True, kw_only=True)
class DataStore(Entity):
    """Disks or tapes."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2DataStore"
    NAMING: ClassVar[str] = "GLUE2ResourceID"

    id: str = glue2("ResourceID")
    manager_id: str = glue2("ResourceManagerForeignKey", "DataStoreStorageManagerForeignKey")
    type: str = glue2("DataStoreType", default="disk")
    latency: str = glue2("DataStoreLatency", default="online")
    total_size: int | None = glue2("DataStoreTotalSize", default=None)
    free_size: int | None = glue2("DataStoreFreeSize", default=None)
    used_size: int | None = glue2("DataStoreUsedSize", default=None)
