"""The fields of leads and program members in a simulated instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LENGTHS = {"string": 255, "text": 30_000, "email": 255, "phone": 255, "url": 255, "reference": 255}


@dataclass(frozen=True)
class Field:
    """
    A field of an object.

    :param name: the field's name in the REST API.
    :param label: the display name that marketers see.
    :param type: Marketo's data type.
    :param updateable: whether the API may write the field.
    :param custom: whether it is a custom field.
    :param sensitive: whether field management marks it as sensitive.
    :param hidden: whether it is hidden; describe and exports leave hidden fields out.
    :param created_by_api: whether it was created through the API.
    :param exportable: whether a bulk export accepts it; False for formula fields, which Marketo computes for display.
    :param description: free text.
    :param html_encoded: whether e-mails encode the value as HTML.
    """

    name: str
    label: str
    type: str = "string"
    updateable: bool = True
    custom: bool = False
    sensitive: bool = False
    hidden: bool = False
    created_by_api: bool = False
    exportable: bool = True
    description: str = ""
    html_encoded: bool = True

    @property
    def length(self) -> int | None:
        """The maximum length of a text in characters; None for other types."""
        return LENGTHS.get(self.type)


def _fields(table: str, *, custom: bool = False) -> tuple[Field, ...]:
    """Parse a table with one field per line: name, label, type and flags, separated by ``|``."""
    found = []
    for line in table.strip().splitlines():
        name, label, kind, *flags = (part.strip() for part in line.split("|"))
        found.append(
            Field(
                name,
                label,
                kind,
                updateable="read only" not in flags,
                custom=custom,
                sensitive="sensitive" in flags,
                hidden="hidden" in flags,
                exportable="not exportable" not in flags,
            )
        )
    return tuple(found)


LEAD_FIELDS = (
    *_fields("""
        id | Id | integer | read only
        email | Email Address | email | sensitive
        firstName | First Name | string
        lastName | Last Name | string
        company | Company Name | string
        title | Job Title | string
        phone | Phone Number | phone | sensitive
        mobilePhone | Mobile Phone Number | phone | sensitive
        address | Address | text
        city | City | string
        state | State | string
        postalCode | Postal Code | string
        country | Country | string
        industry | Industry | string
        annualRevenue | Annual Revenue | currency
        numberOfEmployees | Num Employees | integer
        leadSource | Lead Source | string
        leadStatus | Lead Status | string
        leadScore | Lead Score | score
        leadRole | Role | string
        rating | Lead Rating | string
        salutation | Salutation | string
        middleName | Middle Name | string
        department | Department | string
        dateOfBirth | Date of Birth | date | sensitive
        doNotCall | Do Not Call | boolean
        doNotCallReason | Do Not Call Reason | text
        unsubscribed | Unsubscribed | boolean
        unsubscribedReason | Unsubscribed Reason | text
        emailInvalid | Email Invalid | boolean
        emailInvalidCause | Email Invalid Cause | string
        fax | Fax Number | phone
        mainPhone | Main Phone | phone
        website | Website | url
        site | Site | string
        sicCode | SIC Code | string
        billingStreet | Billing Address | text
        billingCity | Billing City | string
        billingState | Billing State | string
        billingPostalCode | Billing Postal Code | string
        billingCountry | Billing Country | string
        anonymousIP | Anonymous IP | string | read only
        inferredCity | Inferred City | string | read only
        inferredCompany | Inferred Company | string | read only
        inferredCountry | Inferred Country | string | read only
        inferredMetropolitanArea | Inferred Metropolitan Area | string | read only
        inferredPhoneAreaCode | Inferred Phone Area Code | string | read only
        inferredPostalCode | Inferred Postal Code | string | read only
        inferredStateRegion | Inferred State Region | string | read only
        isAnonymous | Is Anonymous | boolean | read only
        jigsawContactId | Marketo Data.com ID | string
        jigsawContactStatus | Marketo Data.com Status | string
        priority | Priority | integer | read only
        relativeScore | Relative Score | integer | read only
        urgency | Urgency | float | read only
        leadPartitionId | Lead Partition Id | integer | read only
        externalCompanyId | External Company Id | string
        externalSalesPersonId | External Sales Person Id | string
        cookies | Cookies | string
        sfdcId | SFDC Id | string | read only
        facebookId | Facebook Id | string
        linkedInId | LinkedIn Id | string
        twitterId | Twitter Id | string
        createdAt | Created At | datetime | read only
        updatedAt | Updated At | datetime | read only
    """),
    *_fields(
        """
        customerNumber | Customer Number | string
        loyaltyPoints | Loyalty Points | integer
        lifetimeValue | Lifetime Value | currency
        conversionRate | Conversion Rate | percent
        engagementIndex | Engagement Index | float
        behaviorScore | Behavior Score | score
        newsletterOptIn | Newsletter Opt-In | boolean
        contractStart | Contract Start | date
        lastPurchaseAt | Last Purchase At | datetime
        preferredLanguage | Preferred Language | string
        productInterest | Product Interest | string
        comments | Comments | text
        portalUrl | Portal URL | url
        secondaryEmail | Secondary Email | email | sensitive
        legacyCode | Legacy Code | string | hidden
        fullAddress | Full Address | formula | read only | not exportable
    """,
        custom=True,
    ),
)

SEARCHABLE = (
    "cookies",
    "email",
    "facebookId",
    "id",
    "leadPartitionId",
    "linkedInId",
    "sfdcId",
    "twitterId",
)
"""Standard fields by which leads can be looked up; custom fields of ``SEARCHABLE_TYPES`` are also searchable."""

SEARCHABLE_TYPES = ("string", "email", "integer")

DEFAULT_LEAD_FIELDS = ("id", "email", "firstName", "lastName", "createdAt", "updatedAt")

MEMBER_FIELDS = (
    *_fields("""
        leadId | Lead Id | integer | read only
        programId | Program Id | integer | read only
        program | Program | string | read only
        statusName | Status | string | read only
        statusReason | Status Reason | string | read only
        membershipDate | Membership Date | datetime | read only
        acquiredBy | Acquired By | boolean | read only
        reachedSuccess | Reached Success | boolean | read only
        reachedSuccessDate | Reached Success Date | datetime | read only
        isExhausted | Is Exhausted | boolean | read only
        nurtureCadence | Nurture Cadence | string | read only
        trackName | Track Name | string | read only
        waitlistPriority | Waitlist Priority | integer | read only
        registrationCode | Registration Code | string
        webinarUrl | Webinar URL | url
        attendanceLikelihood | Attendance Likelihood | string | read only
        registrationLikelihood | Registration Likelihood | string | read only
        createdAt | Created At | datetime | read only
        updatedAt | Updated At | datetime | read only
    """),
    *_fields(
        """
        dietaryNeeds | Dietary Needs | string | sensitive
        seatNumber | Seat Number | integer
    """,
        custom=True,
    ),
)


def by_name(fields: Iterable[Field]) -> Mapping[str, Field]:
    """Return fields by their API names."""
    return {field.name: field for field in fields}
