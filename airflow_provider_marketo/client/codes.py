"""
Marketo's error codes by name.

The same code may stand for a whole reply or for one record. What a code means for a caller is the table in
:mod:`.errors`; what a person can do about it is the table in :mod:`.remedies`. A reply without a code has
``HTTP <status>`` in its place.
"""

from __future__ import annotations

INTERNAL_ERROR = "500"
BAD_GATEWAY = "502"
TOKEN_MISSING = "600"
TOKEN_INVALID = "601"
TOKEN_EXPIRED = "602"
ACCESS_DENIED = "603"
TIMED_OUT = "604"
METHOD_UNSUPPORTED = "605"
RATE_LIMIT = "606"
DAILY_QUOTA = "607"
TEMPORARILY_UNAVAILABLE = "608"
NOT_JSON = "609"
NO_SUCH_ADDRESS = "610"
SYSTEM_ERROR = "611"
WRONG_CONTENT_TYPE = "612"
BAD_MULTIPART = "613"
SUBSCRIPTION_UNREACHABLE = "614"
CONCURRENCY_LIMIT = "615"
WRONG_SUBSCRIPTION_TYPE = "616"
BLANK = "701"
NOTHING_FOUND = "702"
FEATURE_OFF = "703"
INVALID_DATE = "704"
BUSINESS_RULE = "709"
FOLDER_NOT_FOUND = "710"
WRONG_FOLDER_TYPE = "711"
PERSON_ACCOUNTS = "712"
RESOURCE_UNAVAILABLE = "713"
RECORD_TYPE_NOT_FOUND = "714"
SALES_PERSON_NOT_FOUND = "718"
LOCK_TIMEOUT = "719"
WRONG_TYPE = "1001"
PARAMETER_MISSING = "1002"
INVALID_DATA = "1003"
LEAD_NOT_FOUND = "1004"
LEAD_EXISTS = "1005"
UNKNOWN_FIELD = "1006"
SEVERAL_LEADS_MATCH = "1007"
PARTITION_DENIED = "1008"
PARTITION_REQUIRED = "1009"
OTHER_PARTITION = "1010"
FIELD_NOT_SEARCHABLE = "1011"
BAD_COOKIE = "1012"
OBJECT_NOT_FOUND = "1013"
NOT_CREATED = "1014"
NOT_IN_LIST = "1015"
TOO_MANY_IMPORTS = "1016"
OBJECT_EXISTS = "1017"
CRM_OWNS_RECORDS = "1018"
LIST_BUSY = "1019"
CLONE_ALLOWANCE = "1020"
COMPANY_FIELD_OF_LEAD = "1021"
IN_USE = "1022"
UNKNOWN_STATUS = "1025"
CUSTOM_OBJECTS_OFF = "1026"
MOST_ACTIVITY_TYPES = "1027"
MOST_ATTRIBUTES = "1028"
EXPORT_REFUSED = "1029"
"""Too many export jobs, the daily export quota, or a job that is queued already: only the message tells which."""
FILTER_UNSUPPORTED = "1035"
SAME_REFERENCE = "1036"
STATUS_UNCHANGED = "1037"
TOO_FAR_AHEAD = "1042"
NOTHING_TO_DISCARD = "1048"
ACTIVITY_TOO_LARGE = "1049"
CRM_DUPLICATE = "1076"
CRM_FIELD_TOO_LONG = "1077"
CRM_MERGE_FAILED = "1078"
PERSONAL_URL_CONFLICT = "1079"
MERGE_TOO_MANY = "1080"

INGESTION_TOKEN_INVALID = "401013"
INGESTION_DAILY_QUOTA = "4290801"


def http(status: int) -> str:
    """Write what stands in the place of a code where Marketo gave none, such as ``HTTP 404``."""
    return f"HTTP {status}"


HTTP_UNAUTHORIZED = http(401)
HTTP_NOT_FOUND = http(404)
HTTP_TOO_LARGE = http(413)
HTTP_URI_TOO_LONG = http(414)
HTTP_RANGE_UNSATISFIABLE = http(416)

TOKEN_REFUSED = frozenset({TOKEN_INVALID, TOKEN_EXPIRED, INGESTION_TOKEN_INVALID, HTTP_UNAUTHORIZED})
"""Codes after which a new token may help."""

_NOT_FOUND = frozenset(
    {NOTHING_FOUND, FOLDER_NOT_FOUND, SALES_PERSON_NOT_FOUND, LEAD_NOT_FOUND, OBJECT_NOT_FOUND, HTTP_NOT_FOUND}
)


def is_not_found(code: str | None) -> bool:
    """
    Whether a code says that the record, asset or file which the request names does not exist.

    610 does not say that: it means that no operation has this address, which a wrong host causes, too.
    """
    return code in _NOT_FOUND


def is_http(code: str | None) -> bool:
    """Whether a code is an HTTP status, because the reply had no code of Marketo's."""
    return code is not None and code.startswith("HTTP ")
