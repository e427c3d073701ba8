"""The activity types of a simulated instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

VISIT_PAGE, FILL_OUT_FORM, SEND_EMAIL, NEW_LEAD, CHANGE_DATA, CHANGE_SCORE = 1, 2, 6, 12, 13, 22
ADD_TO_LIST, REMOVE_FROM_LIST, MERGE_LEADS, DELETE_LEAD, CHANGE_STATUS = 24, 25, 32, 37, 104
CHANGE_MEMBER_DATA, PUSH_LEAD = 123, 145
FIRST_CUSTOM = 100_001


@dataclass(frozen=True)
class ActivityType:
    """
    An activity type.

    :param id: Marketo's id of the type.
    :param name: the display name that marketers see.
    :param primary: name and data type of the primary attribute; None for a type without one.
    :param attributes: names and data types of the other attributes.
    :param api_name: the API name of a custom type; None for a standard type.
    :param trigger_name: name of the trigger of a custom type; None for the name of the type.
    :param filter_name: name of the filter of a custom type; None for the name of the type.
    :param description: free text; None for the name of the type.
    """

    id: int
    name: str
    primary: tuple[str, str] | None
    attributes: tuple[tuple[str, str], ...]
    api_name: str | None = None
    trigger_name: str | None = None
    filter_name: str | None = None
    description: str | None = None

    @property
    def custom(self) -> bool:
        """Whether it is a custom activity type."""
        return self.api_name is not None


def _types(table: str) -> dict[int, ActivityType]:
    """
    Parse a table with one block per type.

    The first line of a block has the id, the name, the primary attribute and the API name. Each further line has an
    attribute. The data type of an attribute follows a colon; the default is ``string``.
    """
    found = {}
    for block in table.strip().split("\n\n"):
        head, *rest = (line.strip() for line in block.splitlines())
        number, name, primary, api_name = (part.strip() for part in head.split("|"))
        found[int(number)] = ActivityType(
            int(number), name, _typed(primary) if primary else None, tuple(map(_typed, rest)), api_name or None
        )
    return found


def _typed(text: str) -> tuple[str, str]:
    name, _, kind = text.partition(":")
    return name.strip(), kind.strip() or "string"


ACTIVITY_TYPES: Mapping[int, ActivityType] = _types("""
    1 | Visit Webpage | Webpage ID: integer |
        Client IP Address
        Query Parameters
        Referrer URL
        User Agent
        Webpage URL

    2 | Fill Out Form | Webform ID: integer |
        Client IP Address
        Form Fields: text
        Query Parameters
        Referrer URL
        User Agent
        Webpage ID: integer

    3 | Click Link | Link ID: integer |
        Client IP Address
        Query Parameters
        Referrer URL
        User Agent
        Webpage ID: integer

    6 | Send Email | Mailing ID: integer |
        Campaign Run ID: integer
        Choice Number: integer
        Step ID: integer
        Test Variant: integer

    7 | Email Delivered | Mailing ID: integer |
        Campaign Run ID: integer
        Choice Number: integer
        Has Predictive: boolean
        Step ID: integer

    8 | Email Bounced | Mailing ID: integer |
        Campaign Run ID: integer
        Category: integer
        Details: text
        Email
        Subcategory: integer

    9 | Unsubscribe Email | Mailing ID: integer |
        Campaign Run ID: integer
        Client IP Address
        User Agent
        Webform ID: integer
        Webpage ID: integer

    10 | Open Email | Mailing ID: integer |
        Bot Activity Pattern
        Campaign Run ID: integer
        Device
        Is Bot Activity: boolean
        Is Mobile Device: boolean
        Platform
        User Agent

    11 | Click Email | Mailing ID: integer |
        Campaign Run ID: integer
        Device
        Is Mobile Device: boolean
        Link
        Link ID
        Platform
        User Agent

    12 | New Lead |  |
        Created Date: date
        Form Name
        List Name
        SFDC Type
        Source Type

    13 | Change Data Value | Attribute Name |
        New Value
        Old Value
        Reason
        Source
        API Method Name

    22 | Change Score | Score Name |
        Change Value
        New Value: integer
        Old Value: integer
        Priority: integer
        Reason
        Relative Score: integer
        Urgency: float

    24 | Add to List | List ID: integer |
        Source

    25 | Remove from List | List ID: integer |
        Source

    32 | Merge Leads | Lead ID: integer |
        Master Updated: boolean
        Merge Fields
        Merge IDs
        Merge Source
        Merged in Sales: boolean

    37 | Delete Lead | Lead ID: integer |
        Campaign
        Reason
        Remove From CRM: boolean

    41 | Interesting Moment | Type |
        Date: datetime
        Description: text
        Source

    104 | Change Status in Progression | Program ID: integer |
        Acquired By: boolean
        New Status
        New Status ID: integer
        Old Status
        Old Status ID: integer
        Program Member ID: integer
        Reason
        Success: boolean

    123 | Change Program Member Data | Program ID: integer |
        Attribute Name
        New Value
        Old Value
        Reason
        Source

    145 | Push Lead to Marketo | Program ID: integer |
        Source
        Reason

    100001 | Attended Event | Event Name | attendedEvent_c
        Duration Minutes: integer
        Rating: float
        Would Recommend: boolean
""")
"""Activity types by id."""
