"""The attribute types and object classes of GLUE 1.3 as tables: name=oid below 1.3.6.1.4.1.8005.100.

Read by :mod:`infosys.schema`.  Left out: host load, file systems, files and directories, which no grid publishes.
"""

from __future__ import annotations

from typing import Final

ROOT_OID: Final = "1.3.6.1.4.1.8005.100"

STRINGS: Final = """
GlueInformationServiceURL=1.2.5.1 GlueServiceUniqueID=1.6.2.1 GlueServiceName=1.6.2.2
GlueServiceType=1.6.2.3 GlueServiceVersion=1.6.2.4 GlueServiceEndpoint=1.6.2.5 GlueServiceStatus=1.6.2.6
GlueServiceStatusInfo=1.6.2.7 GlueServiceWSDL=1.6.2.8 GlueServiceSemantics=1.6.2.9
GlueServiceStartTime=1.6.2.10 GlueServiceURI=1.6.2.12 GlueServiceAccessPointURL=1.6.2.13
GlueServicePrimaryOwnerName=1.6.2.14 GlueServicePrimaryOwnerContact=1.6.2.15
GlueServiceHostingOrganization=1.6.2.16 GlueServiceMajorVersion=1.6.2.17 GlueServiceMinorVersion=1.6.2.18
GlueServicePatchVersion=1.6.2.19 GlueServiceInformationServiceURL=1.6.2.21 GlueServiceDataKey=1.7.2.1
GlueServiceDataValue=1.7.2.2 GlueSiteUniqueID=1.8.2.1 GlueSiteName=1.8.2.2 GlueSiteDescription=1.8.2.3
GlueSiteUserSupportContact=1.8.2.4 GlueSiteSysAdminContact=1.8.2.5 GlueSiteSecurityContact=1.8.2.6
GlueSiteLocation=1.8.2.7 GlueSiteLatitude=1.8.2.8 GlueSiteLongitude=1.8.2.9 GlueSiteWeb=1.8.2.10
GlueSiteEmailContact=1.8.2.13 GlueCEUniqueID=2.2.1.1 GlueCEName=2.2.1.2 GlueCEHostingCluster=2.2.1.3
GlueCEImplementationName=2.2.1.4 GlueCEImplementationVersion=2.2.1.5 GlueCEInfoLRMSType=2.2.2.1
GlueCEInfoLRMSVersion=2.2.2.2 GlueCEInfoGRAMVersion=2.2.2.3 GlueCEInfoHostName=2.2.2.4
GlueCEInfoGatekeeperPort=2.2.2.5 GlueCEInfoJobManager=2.2.2.8 GlueCEInfoApplicationDir=2.2.2.9
GlueCEInfoDataDir=2.2.2.10 GlueCEInfoDefaultSE=2.2.2.11 GlueCEStateStatus=2.2.3.1
GlueCEJobLocalOwner=2.2.6.1 GlueCEJobGlobalOwner=2.2.6.2 GlueCEJobLocalID=2.2.6.3 GlueCEJobGlobalID=2.2.6.4
GlueCEJobStatus=2.2.6.5 GlueCEJobSchedulerSpecific=2.2.6.6 GlueClusterName=3.2.1.1
GlueClusterUniqueID=3.2.1.2 GlueClusterTmpDir=3.2.1.4 GlueClusterWNTmpDir=3.2.1.5 GlueSubClusterName=3.2.2.1
GlueSubClusterUniqueID=3.2.2.2 GlueSubClusterTmpDir=3.2.2.3 GlueSubClusterWNTmpDir=3.2.2.4
GlueHostName=3.2.3.1 GlueHostUniqueID=3.2.3.2 GlueHostArchitecturePlatformType=3.2.4.1
GlueHostProcessorVendor=3.2.5.1 GlueHostProcessorModel=3.2.5.2 GlueHostProcessorVersion=3.2.5.3
GlueHostProcessorInstructionSet=3.2.5.5 GlueHostProcessorOtherDescription=3.2.5.6
GlueHostNetworkAdapterName=3.2.9.1 GlueHostNetworkAdapterIPAddress=3.2.9.2
GlueHostOperatingSystemName=3.2.12.1 GlueHostOperatingSystemRelease=3.2.12.2
GlueHostOperatingSystemVersion=3.2.12.3 GlueLocationLocalID=3.2.17.1 GlueLocationName=3.2.17.2
GlueLocationPath=3.2.17.3 GlueLocationVersion=3.2.17.4 GlueVOViewLocalID=2.2.7.1
GlueSoftwareLocalID=3.2.18.1 GlueSoftwareName=3.2.18.2 GlueSoftwareVersion=3.2.18.3
GlueSoftwareInstalledRoot=3.2.18.4 GlueSoftwareEnvironmentSetup=3.2.18.5 GlueSoftwareModuleName=3.2.18.6
GlueSoftwareDataKey=3.2.19.1 GlueSoftwareDataValue=3.2.19.2 GlueCESEBindGroupCEUniqueID=1.2.2.1
GlueCESEBindCEUniqueID=1.2.3.1 GlueCESEBindCEAccesspoint=1.2.3.2 GlueCESEBindSEUniqueID=1.2.3.3
GlueSEUniqueID=4.2.1.1 GlueSEName=4.2.1.2 GlueSEArchitecture=4.2.1.7 GlueSEType=4.2.1.8
GlueSEImplementationName=4.2.1.9 GlueSEImplementationVersion=4.2.1.10 GlueSEStatus=4.2.1.11
GlueSETotalOnlineSize=4.2.1.12 GlueSEUsedOnlineSize=4.2.1.13 GlueSETotalNearlineSize=4.2.1.14
GlueSEUsedNearlineSize=4.2.1.15 GlueSEAccessProtocolType=4.2.3.1 GlueSEAccessProtocolVersion=4.2.3.3
GlueSEAccessProtocolLocalID=4.2.3.6 GlueSEAccessProtocolEndpoint=4.2.3.7 GlueSEControlProtocolType=4.2.4.1
GlueSEControlProtocolVersion=4.2.4.2 GlueSEControlProtocolLocalID=4.2.4.3
GlueSEControlProtocolEndpoint=4.2.4.4 GlueSLUniqueID=5.2.1.1 GlueSLName=5.2.1.2
GlueSLArchitectureType=5.2.6.1 GlueSARoot=6.2.1.1 GlueSALocalID=6.2.1.2 GlueSAPath=6.2.1.3
GlueSAType=6.2.1.4 GlueSAUniqueID=6.2.1.5 GlueSAName=6.2.1.6 GlueSARetentionPolicy=6.2.1.15
GlueSAAccessLatency=6.2.1.16 GlueSAExpirationMode=6.2.1.17 GlueSAPolicyFileLifeTime=6.2.2.7
GlueVOInfoLocalID=6.2.5.1 GlueVOInfoName=6.2.5.2 GlueVOInfoPath=6.2.5.3 GlueVOInfoTag=6.2.5.4
"""

LISTS: Final = """
GlueChunkKey=1.4.2.1 GlueForeignKey=1.4.2.2 GlueServiceOwner=1.6.2.11 GlueServiceAccessControlRule=1.6.2.20
GlueServiceAccessControlBaseRule=1.6.2.22 GlueSiteSponsor=1.8.2.11 GlueSiteOtherInfo=1.8.2.12
GlueCECapability=2.2.1.6 GlueCEInfoContactString=2.2.2.7 GlueCEAccessControlBaseRule=2.2.5.1
GlueClusterService=3.2.1.3 GlueHostApplicationSoftwareRunTimeEnvironment=3.2.6.1
GlueCESEBindGroupSEUniqueID=1.2.2.3 GlueCESEBindMountInfo=1.2.3.4 GlueCESEBindWeight=1.2.3.5
GlueSEHostingSL=4.2.1.4 GlueSEAccessProtocolSupportedSecurity=4.2.3.4 GlueSEAccessProtocolCapability=4.2.3.8
GlueSEControlProtocolCapability=4.2.4.5 GlueSLService=5.2.1.3 GlueSACapability=6.2.1.18
GlueSAAccessControlBaseRule=6.2.4.1 GlueVOInfoAccessControlBaseRule=6.2.5.5
"""

INTEGERS: Final = """
GlueSchemaVersionMajor=1.2.1.1 GlueSchemaVersionMinor=1.2.1.2 GlueCEInfoTotalCPUs=2.2.2.6
GlueCEStateTotalJobs=2.2.3.2 GlueCEStateRunningJobs=2.2.3.3 GlueCEStateWaitingJobs=2.2.3.4
GlueCEStateWorstResponseTime=2.2.3.5 GlueCEStateEstimatedResponseTime=2.2.3.6 GlueCEStateFreeCPUs=2.2.3.7
GlueCEStateFreeJobSlots=2.2.3.8 GlueCEPolicyMaxWallClockTime=2.2.4.1 GlueCEPolicyMaxCPUTime=2.2.4.2
GlueCEPolicyMaxTotalJobs=2.2.4.3 GlueCEPolicyMaxRunningJobs=2.2.4.4 GlueCEPolicyPriority=2.2.4.5
GlueCEPolicyAssignedJobSlots=2.2.4.6 GlueCEPolicyMaxObtainableWallClockTime=2.2.4.7
GlueCEPolicyMaxObtainableCPUTime=2.2.4.8 GlueCEPolicyMaxWaitingJobs=2.2.4.9
GlueCEPolicyMaxSlotsPerJob=2.2.4.10 GlueCEPolicyPreemption=2.2.4.11 GlueSubClusterPhysicalCPUs=3.2.2.5
GlueSubClusterLogicalCPUs=3.2.2.6 GlueHostArchitectureSMPSize=3.2.4.2 GlueHostProcessorClockSpeed=3.2.5.4
GlueHostProcessorCacheL1=3.2.5.7 GlueHostProcessorCacheL1I=3.2.5.8 GlueHostProcessorCacheL1D=3.2.5.9
GlueHostProcessorCacheL2=3.2.5.10 GlueHostMainMemoryRAMSize=3.2.7.1 GlueHostMainMemoryRAMAvailable=3.2.7.2
GlueHostMainMemoryVirtualSize=3.2.7.3 GlueHostMainMemoryVirtualAvailable=3.2.7.4
GlueHostBenchmarkSI00=3.2.8.1 GlueHostBenchmarkSF00=3.2.8.2 GlueHostNetworkAdapterMTU=3.2.9.3
GlueSEPort=4.2.1.3 GlueSESizeTotal=4.2.1.5 GlueSESizeFree=4.2.1.6 GlueSEStateCurrentIOLoad=4.2.2.1
GlueSEAccessProtocolPort=4.2.3.2 GlueSEAccessProtocolAccessTime=4.2.3.5
GlueSEAccessProtocolMaxStreams=4.2.3.9 GlueSLPerformanceMaxIOCapacity=5.2.7.1 GlueSATotalOnlineSize=6.2.1.7
GlueSAUsedOnlineSize=6.2.1.8 GlueSAFreeOnlineSize=6.2.1.9 GlueSAReservedOnlineSize=6.2.1.10
GlueSATotalNearlineSize=6.2.1.11 GlueSAUsedNearlineSize=6.2.1.12 GlueSAFreeNearlineSize=6.2.1.13
GlueSAReservedNearlineSize=6.2.1.14 GlueSAPolicyMaxFileSize=6.2.2.1 GlueSAPolicyMinFileSize=6.2.2.2
GlueSAPolicyMaxData=6.2.2.3 GlueSAPolicyMaxNumFiles=6.2.2.4 GlueSAPolicyMaxPinDuration=6.2.2.5
GlueSAPolicyQuota=6.2.2.6 GlueSAStateAvailableSpace=6.2.3.1 GlueSAStateUsedSpace=6.2.3.2
"""

BOOLEANS: Final = """
GlueHostNetworkAdapterOutboundIP=3.2.9.4 GlueHostNetworkAdapterInboundIP=3.2.9.5
"""

CLASSES: Final = """
GlueTop=- top ABSTRACT MUST MAY
GlueGeneralTop=1 GlueTop ABSTRACT MUST MAY
GlueInformationService=1.1.5 GlueGeneralTop AUXILIARY MUST MAY GlueInformationServiceURL
GlueSchemaVersion=1.1.1 GlueGeneralTop AUXILIARY MUST GlueSchemaVersionMajor GlueSchemaVersionMinor MAY
GlueKey=1.1.4 GlueGeneralTop AUXILIARY MUST MAY GlueChunkKey GlueForeignKey
GlueService=1.1.6 GlueGeneralTop STRUCTURAL MUST GlueServiceUniqueID MAY GlueServiceVersion GlueServiceName
  GlueServiceType GlueServiceEndpoint GlueServiceStatus GlueServiceStatusInfo GlueServiceWSDL
  GlueServiceSemantics GlueServiceStartTime GlueServiceOwner GlueServiceAccessPointURL
  GlueServicePrimaryOwnerName GlueServicePrimaryOwnerContact GlueServiceHostingOrganization
  GlueServiceMajorVersion GlueServiceMinorVersion GlueServicePatchVersion GlueServiceInformationServiceURL
  GlueServiceAccessControlRule GlueServiceURI GlueServiceAccessControlBaseRule GlueSchemaVersionMajor
  GlueSchemaVersionMinor GlueInformationServiceURL GlueForeignKey
GlueServiceData=1.1.7 GlueGeneralTop STRUCTURAL MUST GlueServiceDataKey MAY GlueServiceDataValue
  GlueChunkKey
GlueSite=1.1.8 GlueGeneralTop STRUCTURAL MUST GlueSiteUniqueID MAY GlueSiteDescription GlueSiteName
  GlueSiteUserSupportContact GlueSiteSysAdminContact GlueSiteSecurityContact GlueSiteLocation
  GlueSiteLatitude GlueSiteLongitude GlueSiteWeb GlueSiteSponsor GlueSiteOtherInfo GlueSiteEmailContact
  GlueSchemaVersionMajor GlueSchemaVersionMinor
GlueCETop=2 GlueTop ABSTRACT MUST MAY
GlueClusterTop=3 GlueTop ABSTRACT MUST MAY
GlueCEInfo=2.1.2 GlueCETop AUXILIARY MUST MAY GlueCEInfoTotalCPUs GlueCEInfoLRMSType GlueCEInfoLRMSVersion
  GlueCEInfoGRAMVersion GlueCEInfoHostName GlueCEInfoGatekeeperPort GlueCEInfoContactString
  GlueCEInfoJobManager GlueCEInfoApplicationDir GlueCEInfoDataDir GlueCEInfoDefaultSE
GlueCEState=2.1.3 GlueCETop AUXILIARY MUST MAY GlueCEStateRunningJobs GlueCEStateWaitingJobs
  GlueCEStateTotalJobs GlueCEStateStatus GlueCEStateWorstResponseTime GlueCEStateEstimatedResponseTime
  GlueCEStateFreeCPUs GlueCEStateFreeJobSlots
GlueCEPolicy=2.1.4 GlueCETop AUXILIARY MUST MAY GlueCEPolicyPriority GlueCEPolicyMaxRunningJobs
  GlueCEPolicyMaxTotalJobs GlueCEPolicyMaxCPUTime GlueCEPolicyMaxWallClockTime GlueCEPolicyAssignedJobSlots
  GlueCEPolicyMaxObtainableWallClockTime GlueCEPolicyMaxObtainableCPUTime GlueCEPolicyMaxWaitingJobs
  GlueCEPolicyMaxSlotsPerJob GlueCEPolicyPreemption
GlueCEAccessControlBase=2.1.5 GlueCETop AUXILIARY MUST GlueCEAccessControlBaseRule MAY
GlueCEJob=2.1.6 GlueCETop STRUCTURAL MUST GlueCEJobGlobalID MAY GlueCEJobLocalOwner GlueCEJobGlobalOwner
  GlueCEJobStatus GlueCEJobSchedulerSpecific GlueCEJobLocalID
GlueCluster=3.1.1 GlueClusterTop STRUCTURAL MUST GlueClusterUniqueID MAY GlueClusterName GlueClusterService
  GlueCEUniqueID GlueClusterTmpDir GlueClusterWNTmpDir GlueInformationServiceURL
GlueHost=3.1.3 GlueClusterTop STRUCTURAL MUST GlueHostUniqueID MAY GlueHostName
GlueHostArchitecture=3.1.4 GlueClusterTop AUXILIARY MUST MAY GlueHostArchitecturePlatformType
  GlueHostArchitectureSMPSize
GlueHostProcessor=3.1.5 GlueClusterTop AUXILIARY MUST MAY GlueHostProcessorVendor GlueHostProcessorModel
  GlueHostProcessorVersion GlueHostProcessorClockSpeed GlueHostProcessorInstructionSet
  GlueHostProcessorOtherDescription GlueHostProcessorCacheL1 GlueHostProcessorCacheL1I
  GlueHostProcessorCacheL1D GlueHostProcessorCacheL2
GlueHostApplicationSoftware=3.1.6 GlueClusterTop AUXILIARY MUST MAY
  GlueHostApplicationSoftwareRunTimeEnvironment
GlueHostMainMemory=3.1.7 GlueClusterTop AUXILIARY MUST MAY GlueHostMainMemoryRAMSize
  GlueHostMainMemoryRAMAvailable GlueHostMainMemoryVirtualSize GlueHostMainMemoryVirtualAvailable
GlueHostBenchmark=3.1.8 GlueClusterTop AUXILIARY MUST MAY GlueHostBenchmarkSI00 GlueHostBenchmarkSF00
GlueHostNetworkAdapter=3.1.9 GlueClusterTop AUXILIARY MUST MAY GlueHostNetworkAdapterOutboundIP
  GlueHostNetworkAdapterInboundIP GlueHostNetworkAdapterName GlueHostNetworkAdapterIPAddress
  GlueHostNetworkAdapterMTU
GlueHostOperatingSystem=3.1.12 GlueClusterTop AUXILIARY MUST MAY GlueHostOperatingSystemName
  GlueHostOperatingSystemRelease GlueHostOperatingSystemVersion
GlueLocation=3.1.17 GlueClusterTop STRUCTURAL MUST GlueLocationLocalID MAY GlueLocationName GlueLocationPath
  GlueLocationVersion
GlueVOView=2.1.7 GlueClusterTop STRUCTURAL MUST GlueVOViewLocalID MAY GlueCECapability
  GlueCEInfoApplicationDir GlueCEInfoDataDir GlueCEInfoDefaultSE GlueCEInfoTotalCPUs GlueCEStateRunningJobs
  GlueCEStateWaitingJobs GlueCEStateTotalJobs GlueCEStateStatus GlueCEStateWorstResponseTime
  GlueCEStateEstimatedResponseTime GlueCEStateFreeCPUs GlueCEStateFreeJobSlots GlueCEPolicyPriority
  GlueCEPolicyMaxRunningJobs GlueCEPolicyMaxTotalJobs GlueCEPolicyMaxCPUTime GlueCEPolicyMaxWallClockTime
  GlueCEPolicyAssignedJobSlots GlueCEPolicyMaxObtainableWallClockTime GlueCEPolicyMaxObtainableCPUTime
  GlueCEPolicyMaxWaitingJobs GlueCEPolicyMaxSlotsPerJob GlueCEPolicyPreemption GlueCEAccessControlBaseRule
GlueSoftware=3.1.18 GlueClusterTop STRUCTURAL MUST GlueSoftwareLocalID MAY GlueSoftwareName
  GlueSoftwareVersion GlueSoftwareInstalledRoot GlueSoftwareEnvironmentSetup GlueSoftwareModuleName
GlueSoftwareData=3.1.19 GlueClusterTop STRUCTURAL MUST GlueSoftwareDataKey MAY GlueSoftwareDataValue
GlueCE=2.1.1 GlueCETop STRUCTURAL MUST GlueCEUniqueID MAY GlueCEName GlueCEHostingCluster GlueSiteUniqueID
  GlueCEImplementationName GlueCEImplementationVersion GlueCECapability GlueCEInfoTotalCPUs
  GlueCEInfoLRMSType GlueCEInfoLRMSVersion GlueCEInfoGRAMVersion GlueCEInfoHostName GlueCEInfoGatekeeperPort
  GlueCEInfoContactString GlueCEInfoJobManager GlueCEInfoApplicationDir GlueCEInfoDataDir
  GlueCEInfoDefaultSE GlueCEStateRunningJobs GlueCEStateWaitingJobs GlueCEStateTotalJobs GlueCEStateStatus
  GlueCEStateWorstResponseTime GlueCEStateEstimatedResponseTime GlueCEStateFreeCPUs GlueCEStateFreeJobSlots
  GlueCEPolicyPriority GlueCEPolicyMaxRunningJobs GlueCEPolicyMaxTotalJobs GlueCEPolicyMaxCPUTime
  GlueCEPolicyMaxWallClockTime GlueCEPolicyAssignedJobSlots GlueCEPolicyMaxObtainableWallClockTime
  GlueCEPolicyMaxObtainableCPUTime GlueCEPolicyMaxWaitingJobs GlueCEPolicyMaxSlotsPerJob
  GlueCEPolicyPreemption GlueCEAccessControlBaseRule GlueInformationServiceURL
GlueSubCluster=3.1.2 GlueClusterTop STRUCTURAL MUST GlueSubClusterUniqueID MAY GlueSubClusterName
  GlueSubClusterWNTmpDir GlueSubClusterTmpDir GlueSubClusterPhysicalCPUs GlueSubClusterLogicalCPUs
  GlueHostOperatingSystemName GlueHostOperatingSystemRelease GlueHostOperatingSystemVersion
  GlueHostArchitecturePlatformType GlueHostArchitectureSMPSize GlueHostProcessorVendor
  GlueHostProcessorModel GlueHostProcessorVersion GlueHostProcessorClockSpeed
  GlueHostProcessorInstructionSet GlueHostProcessorOtherDescription
  GlueHostApplicationSoftwareRunTimeEnvironment GlueHostBenchmarkSI00 GlueHostBenchmarkSF00
  GlueHostNetworkAdapterOutboundIP GlueHostNetworkAdapterInboundIP GlueHostMainMemoryRAMSize
  GlueHostMainMemoryVirtualSize
GlueCESEBindGroup=1.1.2 GlueGeneralTop STRUCTURAL MUST GlueCESEBindGroupCEUniqueID MAY
  GlueCESEBindGroupSEUniqueID
GlueCESEBind=1.1.3 GlueGeneralTop STRUCTURAL MUST GlueCESEBindCEUniqueID GlueCESEBindSEUniqueID MAY
  GlueCESEBindCEAccesspoint GlueCESEBindMountInfo GlueCESEBindWeight
GlueSETop=4 GlueTop ABSTRACT MUST MAY
GlueSLTop=5 GlueTop ABSTRACT MUST MAY
GlueSATop=6 GlueTop ABSTRACT MUST MAY
GlueSEState=4.1.2 GlueSETop AUXILIARY MUST MAY GlueSEStateCurrentIOLoad
GlueSEAccessProtocol=4.1.3 GlueSETop STRUCTURAL MUST GlueSEAccessProtocolLocalID MAY
  GlueSEAccessProtocolPort GlueSEAccessProtocolVersion GlueSEAccessProtocolSupportedSecurity
  GlueSEAccessProtocolAccessTime GlueSEAccessProtocolEndpoint GlueSEAccessProtocolCapability
  GlueSEAccessProtocolType GlueSEAccessProtocolMaxStreams GlueChunkKey
GlueSEControlProtocol=4.1.4 GlueSETop STRUCTURAL MUST GlueSEControlProtocolLocalID MAY
  GlueSEControlProtocolVersion GlueSEControlProtocolEndpoint GlueSEControlProtocolCapability
  GlueSEControlProtocolType GlueChunkKey
GlueSL=5.1.1 GlueSLTop STRUCTURAL MUST GlueSLUniqueID MAY GlueSLName GlueSLService
GlueSLArchitecture=5.1.6 GlueSLTop AUXILIARY MUST MAY GlueSLArchitectureType
GlueSLPerformance=5.1.7 GlueSLTop AUXILIARY MUST MAY GlueSLPerformanceMaxIOCapacity
GlueSAPolicy=6.1.2 GlueSATop AUXILIARY MUST MAY GlueSAPolicyMaxFileSize GlueSAPolicyMinFileSize
  GlueSAPolicyMaxData GlueSAPolicyMaxNumFiles GlueSAPolicyMaxPinDuration GlueSAPolicyQuota
  GlueSAPolicyFileLifeTime
GlueSAState=6.1.3 GlueSATop AUXILIARY MUST MAY GlueSAStateAvailableSpace GlueSAStateUsedSpace
GlueSAAccessControlBase=6.1.4 GlueSATop AUXILIARY MUST MAY GlueSAAccessControlBaseRule
GlueVOInfo=6.1.5 GlueSATop STRUCTURAL MUST GlueVOInfoLocalID MAY GlueVOInfoName GlueVOInfoPath GlueVOInfoTag
  GlueVOInfoAccessControlBaseRule
GlueSA=6.1.1 GlueSATop STRUCTURAL MUST GlueSALocalID MAY GlueSARoot GlueSAPath GlueSAType GlueSAUniqueID
  GlueSAName GlueSATotalOnlineSize GlueSAFreeOnlineSize GlueSAUsedOnlineSize GlueSAReservedOnlineSize
  GlueSATotalNearlineSize GlueSAFreeNearlineSize GlueSAUsedNearlineSize GlueSAReservedNearlineSize
  GlueSARetentionPolicy GlueSAAccessLatency GlueSAExpirationMode GlueSACapability GlueSAStateAvailableSpace
  GlueSAStateUsedSpace GlueSAAccessControlBaseRule GlueChunkKey GlueSAPolicyMaxFileSize
  GlueSAPolicyMinFileSize GlueSAPolicyMaxData GlueSAPolicyMaxNumFiles GlueSAPolicyMaxPinDuration
  GlueSAPolicyQuota GlueSAPolicyFileLifeTime
GlueSE=4.1.1 GlueSETop STRUCTURAL MUST GlueSEUniqueID MAY GlueSEName GlueSEPort GlueSEHostingSL
  GlueSESizeTotal GlueSESizeFree GlueSEArchitecture GlueSEType GlueSEImplementationName
  GlueSEImplementationVersion GlueSEStatus GlueSETotalOnlineSize GlueSETotalNearlineSize
  GlueSEUsedOnlineSize GlueSEUsedNearlineSize GlueSchemaVersionMajor GlueSchemaVersionMinor
  GlueSEStateCurrentIOLoad GlueInformationServiceURL
"""
