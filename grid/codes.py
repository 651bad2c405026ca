"""The WMProxy error codes: number, historical name and the typed fault that carries it.

Source: gLite WMS, ``wmpexception_codes`` (1200 + n) and the JDL library (1500 + n).  The JDL codes are
InvalidArgument here, which is their documented meaning; the historical server let them fall to
GenericFault because its switch knew only 12xx codes.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class ErrorCode(NamedTuple):
    """One row of the table.  ``fault`` is the WSDL element's name without the suffix ``Fault``."""

    number: int
    name: str
    fault: str


_ROWS: Final = (
    ErrorCode(900, "WMS_COMMON", "Generic"),
    ErrorCode(1201, "WMS_FATAL", "Generic"),
    ErrorCode(1202, "WMS_IS_FAILURE", "Generic"),
    ErrorCode(1203, "WMS_FILE_SYSTEM_ERROR", "Generic"),
    ErrorCode(1204, "WMS_ENVIRONMENT_ERROR", "Generic"),
    ErrorCode(1205, "WMS_CONFIGURATION_ERROR", "Generic"),
    ErrorCode(1206, "WMS_AUTHENTICATION_ERROR", "Authentication"),
    ErrorCode(1207, "WMS_AUTHORIZATION_ERROR", "Authorization"),
    ErrorCode(1208, "WMS_USERMAP_ERROR", "Authorization"),
    ErrorCode(1209, "WMS_GACL_ERROR", "Authorization"),
    ErrorCode(1210, "WMS_GACL_FILE", "Authorization"),
    ErrorCode(1211, "WMS_GACL_ITEM_NOT_FOUND", "Authorization"),
    ErrorCode(1212, "WMS_PROXY_ERROR", "Authorization"),
    ErrorCode(1213, "WMS_PROXY_EXPIRED", "Authorization"),
    ErrorCode(1214, "WMS_NOT_A_VOMS_PROXY", "Authorization"),
    ErrorCode(1215, "WMS_DELEGATION_ERROR", "Authorization"),
    ErrorCode(1216, "WMS_PROXY_RENEWAL_FAILURE", "Authorization"),
    ErrorCode(1217, "WMS_JOB_NOT_DONE", "OperationNotAllowed"),
    ErrorCode(1218, "WMS_JOB_NOT_FOUND", "JobUnknown"),
    ErrorCode(1219, "WMS_JDL_PARSING", "InvalidArgument"),
    ErrorCode(1220, "WMS_INVALID_JDL_ATTRIBUTE", "InvalidArgument"),
    ErrorCode(1221, "WMS_MATCHMAKING", "NoSuitableResources"),
    ErrorCode(1222, "WMS_NO_SUITABLE_RESOURCE", "NoSuitableResources"),
    ErrorCode(1223, "WMS_NOT_ENOUGH_SPACE", "GetQuotaManagement"),
    ErrorCode(1224, "WMS_NOT_ENOUGH_QUOTA", "GetQuotaManagement"),
    ErrorCode(1225, "WMS_INVALID_ARGUMENT", "InvalidArgument"),
    ErrorCode(1226, "WMS_OPERATION_NOT_ALLOWED", "OperationNotAllowed"),
    ErrorCode(1227, "WMS_LOGGING_ERROR", "Generic"),
    ErrorCode(1228, "WMS_SERVER_OVERLOADED", "ServerOverloaded"),
    ErrorCode(1229, "WMS_OPERATION_TIMEDOUT", "Generic"),
    ErrorCode(1230, "WMS_NO_ERROR", "Generic"),
    ErrorCode(1501, "WMS_JDLFULL", "InvalidArgument"),
    ErrorCode(1502, "WMS_JDLEMPTY", "InvalidArgument"),
    ErrorCode(1503, "WMS_JDLMISMATCH", "InvalidArgument"),
    ErrorCode(1504, "WMS_JDL_MEMBER", "InvalidArgument"),
    ErrorCode(1505, "WMS_JDLMANDATORY", "InvalidArgument"),
    ErrorCode(1506, "WMS_JDLSYN", "InvalidArgument"),
    ErrorCode(1507, "WMS_JDLPARSE", "InvalidArgument"),
    ErrorCode(1508, "WMS_JDLGROUP", "InvalidArgument"),
    ErrorCode(1509, "WMS_JDLDUPLICATE", "InvalidArgument"),
    ErrorCode(1510, "WMS_JDLTOOMANY", "InvalidArgument"),
    ErrorCode(1511, "WMS_JOBADSCHEMA", "InvalidArgument"),
    ErrorCode(1512, "WMS_JOBADSCHEMA_GET", "InvalidArgument"),
    ErrorCode(1513, "WMS_DAG_CHECK", "InvalidArgument"),
)

TABLE: Final[dict[int, ErrorCode]] = {row.number: row for row in _ROWS}


def fault_of(code: int) -> str:
    """Return the fault kind (``"Generic"``, ``"JobUnknown"`` …) that carries ``code``; unknown codes are Generic."""
    row = TABLE.get(code)
    return row.fault if row else "Generic"


def name_of(code: int) -> str:
    """Return the historical name of ``code``, or ``"UNKNOWN"``."""
    row = TABLE.get(code)
    return row.name if row else "UNKNOWN"
