"""The hook that reads a journal of Adobe I/O Events through an Airflow connection (experimental)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from airflow_provider_marketo import __version__
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.endpoint import is_munchkin_id
from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError
from airflow_provider_marketo.client.journal.address import JournalAddress
from airflow_provider_marketo.client.journal.client import JournalClient
from airflow_provider_marketo.client.journal.events import unwrap
from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.hooks import form
from airflow_provider_marketo.hooks.coordination import governor_folder
from airflow_provider_marketo.hooks.finding import finding
from airflow_provider_marketo.hooks.settings import DEFAULT_CONNECT_TIMEOUT, FieldReader, mask_proxy
from airflow_provider_marketo.hooks.token_file import TokenFile

if TYPE_CHECKING:
    from collections.abc import Callable

CONN_TYPE = "adobe_events"
DEFAULT_SCOPES = (
    "AdobeID",
    "openid",
    "read_organizations",
    "additional_info.projectedProductContext",
    "additional_info.roles",
    "adobeio_api",
)
_EXTRAS = ("ims_org", "scopes", "munchkin_ids", "ims_url", "connect_timeout", "read_timeout", "proxy", "ca_bundle")
_ORG = re.compile(r"[^@\s]+@AdobeOrg", re.IGNORECASE)
_CONSOLE = "Copy it from the project's OAuth Server-to-Server credential in Adobe's Developer Console."


@dataclass(frozen=True)
class JournalSettings:
    """
    The fields of a connection to a journal. ``repr`` shows no text that an admin typed except the id.

    :param conn_id: id of the Airflow connection, for messages.
    :param address: addresses of the journal and of IMS.
    :param client_id: the connection's login.
    :param client_secret: the connection's password.
    :param ims_org: id of the organization.
    :param scopes: scopes of the token.
    :param munchkin_ids: instances whose events the journal has; empty if the connection does not say.
    :param connect_timeout: seconds to establish a connection.
    :param read_timeout: seconds for a whole answer; None for the default.
    :param proxy: URL of an HTTP proxy.
    :param ca_bundle: path of a file with certificates to trust.
    """

    conn_id: str
    address: JournalAddress = field(repr=False)
    client_id: str = field(repr=False)
    client_secret: Secret
    ims_org: str = field(repr=False)
    scopes: tuple[str, ...] = field(default=DEFAULT_SCOPES, repr=False)
    munchkin_ids: tuple[str, ...] = ()
    connect_timeout: float = DEFAULT_CONNECT_TIMEOUT
    read_timeout: float | None = None
    proxy: Secret | None = None
    ca_bundle: str | None = field(default=None, repr=False)

    @classmethod
    def from_connection(cls, connection: Any) -> JournalSettings:
        """
        Read an Airflow connection.

        :param connection: an Airflow connection.
        :raises MarketoInvalidRequestError: a field is missing or wrong; the message names it.
        """
        reader = FieldReader(connection.conn_id, connection.extra_dejson or {})
        conn_type, host, login = connection.conn_type, connection.host, connection.login
        password = Secret.optional(connection.password)
        del connection  # a traceback that is recorded with variables would show its password
        reader.refuse_other_extra('{"ims_org": "...@AdobeOrg"}')
        reader.refuse_other_type(conn_type, CONN_TYPE, "Adobe I/O Events", " in adobe_conn_id")
        login, password = reader.credentials(login, password, _CONSOLE)
        reader.warn_of_misspelt(_EXTRAS)
        return cls(
            conn_id=reader.conn_id,
            address=JournalAddress.parse(host, reader.text("ims_url")),
            client_id=login,
            client_secret=password,
            ims_org=reader.matching(
                "ims_org",
                _ORG,
                "does not end in @AdobeOrg, as ids of organizations do",
                "Copy the Organization ID from the credential in Adobe's Developer Console.",
            ),
            scopes=reader.words("scopes") or DEFAULT_SCOPES,
            munchkin_ids=_munchkin_ids(reader),
            connect_timeout=reader.number("connect_timeout", float, DEFAULT_CONNECT_TIMEOUT, 0.1, 300),
            read_timeout=reader.number("read_timeout", float, 0.0, 1, 600) or None,
            proxy=reader.secret("proxy"),
            ca_bundle=reader.text("ca_bundle"),
        )

    def mask(self, mask: Callable[[str], Any]) -> None:
        """
        Mask everything that a log must not show.

        :param mask: Airflow's ``mask_secret``.
        """
        mask(self.client_secret.reveal())
        mask_proxy(self.proxy, mask)

    def instance_of(self, instance: str) -> str:
        """
        Return the Munchkin ID whose events a task wants.

        :param instance: instance of the Marketo connection: a Munchkin ID, or a host without one.
        :raises MarketoInvalidRequestError: this journal has no events of the instance.
        """
        wanted = instance.upper()
        if is_munchkin_id(wanted):
            if self.munchkin_ids and wanted not in self.munchkin_ids:
                raise MarketoInvalidRequestError(
                    f"connection {self.conn_id} reads the journal of {', '.join(self.munchkin_ids)}, and the Marketo"
                    f" connection leads to {wanted}",
                    parameter="adobe_conn_id",
                    remedy=f"Set adobe_conn_id to the journal of {wanted}, or correct the extra munchkin_ids of"
                    f" {self.conn_id}.",
                )
            return wanted
        if len(self.munchkin_ids) != 1:
            raise MarketoInvalidRequestError(
                f"the host of the Marketo connection, {instance}, does not contain the Munchkin ID, so the task"
                " cannot tell which events belong to this instance",
                parameter="adobe_conn_id",
                remedy=f"Set the extra munchkin_ids of connection {self.conn_id} to one Munchkin ID: that of this"
                " instance.",
            )
        return self.munchkin_ids[0]


class AdobeEventsHook(BaseHook):
    """
    Reads a journal of Adobe I/O Events (*experimental*): Marketo's activities and user audits without REST calls.

    The token is valid for a day and shared by the processes of a host.

    :param adobe_conn_id: id of a connection of type ``adobe_events``.
    :param settings: the connection, if the caller has read it already (a trigger reads it asynchronously).
    """

    conn_name_attr = "adobe_conn_id"
    default_conn_name = "adobe_events_default"
    conn_type = CONN_TYPE
    hook_name = "Adobe I/O Events (journal)"

    def __init__(self, adobe_conn_id: str = default_conn_name, *, settings: JournalSettings | None = None) -> None:
        super().__init__()
        self.adobe_conn_id = adobe_conn_id
        self._settings = settings

    @staticmethod
    def get_ui_field_behaviour() -> dict[str, Any]:
        """Return the labels of the connection form (Airflow 3.1)."""
        return form.ui_field_behaviour(CONN_TYPE)

    @staticmethod
    def get_connection_form_widgets() -> dict[str, Any]:
        """Return the fields of the connection form (Airflow 3.1)."""
        return form.connection_form_widgets(CONN_TYPE)

    @cached_property
    def settings(self) -> JournalSettings:
        """
        The connection's fields, checked.

        :raises AirflowNotFoundException: the connection does not exist.
        :raises MarketoInvalidRequestError: a field is missing or wrong.
        """
        return self._settings or JournalSettings.from_connection(self._connection())

    def _connection(self) -> Any:
        with finding(self.adobe_conn_id, conn_type=CONN_TYPE):
            return self.get_connection(self.adobe_conn_id)

    @cached_property
    def client(self) -> JournalClient:
        """The client of the journal; safe to share between threads. Reads the connection and makes no call."""
        settings = self.settings
        settings.mask(mask_secret)
        parts = (settings.address.ims, settings.client_id, *settings.scopes)
        return JournalClient(
            settings.address,
            settings.client_id,
            settings.client_secret,
            ims_org=settings.ims_org,
            scopes=settings.scopes,
            store=TokenFile(governor_folder(), parts, settings.client_secret),
            on_secret=mask_secret,
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            proxy=settings.proxy,
            ca_bundle=settings.ca_bundle,
            user_agent=f"airflow-provider-marketo/{__version__}",
        )

    def get_conn(self) -> JournalClient:
        """Return :attr:`client`, under the name that Airflow gives it in every hook."""
        return self.client

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the journal can be read, and one sentence about its events or the error."""
        try:
            page = self.client.page(self.settings.address.oldest())
        except MarketoError as error:
            return False, str(error)
        found = sorted(filter(is_munchkin_id, {event.instance for event in map(unwrap, page.entries)}))
        lacking = sorted(set(found) - set(self.settings.munchkin_ids)) if self.settings.munchkin_ids else []
        what = f"{counted(len(page.entries), 'event')} of {', '.join(found)}" if found else "no event of Marketo yet"
        more = f"; munchkin_ids does not name {', '.join(lacking)}, whose events are left out" if lacking else ""
        return True, f"The journal can be read; its oldest page has {what}{more}."


def _munchkin_ids(reader: FieldReader) -> tuple[str, ...]:
    words = reader.words("munchkin_ids")
    wrong = [number for number, word in enumerate(words, 1) if not is_munchkin_id(word)]
    if wrong:
        del words
        raise reader.refused("munchkin_ids", f"has a word ({wrong[0]}) that is not a Munchkin ID such as 123-ABC-456")
    return tuple(word.upper() for word in words)
