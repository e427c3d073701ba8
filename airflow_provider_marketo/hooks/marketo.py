"""The hook: from an Airflow connection to a client of Marketo's API."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from airflow_provider_marketo import __version__
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import (
    MarketoAuthError,
    MarketoConnectionError,
    MarketoError,
    MarketoPermissionError,
)
from airflow_provider_marketo.client.transport import Reply
from airflow_provider_marketo.hooks import form
from airflow_provider_marketo.hooks.coordination import governor_of
from airflow_provider_marketo.hooks.settings import ConnectionSettings

_PROBES = (
    ("leads.describe", {}, "Read-Only Lead"),
    ("activities.get_types", {}, "Read-Only Activity"),
    ("program_members.describe", {}, "Read-Only Lead"),
    ("folders.get", {"maxReturn": 1, "maxDepth": 0}, "Read-Only Assets"),
)
"""What test_connection tries, cheapest questions of the big families first."""


class MarketoHook(BaseHook):
    """
    Talks to an Adobe Marketo Engage instance.

    Works in a task, in a trigger's thread and outside of Airflow's processes alike; limits, tokens and resending are
    taken care of below it.

    :param marketo_conn_id: id of a connection of type ``marketo``.
    :param parallel: calls that may be in flight at once; a task takes its ``pool_slots``.
    :param settings: the connection, if it has been read already (a trigger reads it asynchronously).
    """

    conn_name_attr = "marketo_conn_id"
    default_conn_name = "marketo_default"
    conn_type = "marketo"
    hook_name = "Adobe Marketo Engage"
    get_ui_field_behaviour = staticmethod(form.ui_field_behaviour)
    get_connection_form_widgets = staticmethod(form.connection_form_widgets)

    def __init__(
        self,
        marketo_conn_id: str = default_conn_name,
        *,
        parallel: int = 1,
        settings: ConnectionSettings | None = None,
    ) -> None:
        super().__init__()
        self.marketo_conn_id = marketo_conn_id
        self._parallel = parallel
        self._settings = settings

    @cached_property
    def settings(self) -> ConnectionSettings:
        """
        The connection, checked.

        :raises MarketoInvalidRequestError: a field is missing or out of range.
        """
        return self._settings or ConnectionSettings.from_connection(self.get_connection(self.marketo_conn_id))

    @cached_property
    def _client(self) -> MarketoClient:
        settings = self.settings
        for secret in filter(None, (settings.client_secret, settings.hash_salt)):
            mask_secret(secret)
        return MarketoClient(
            settings.host,
            settings.client_id,
            settings.client_secret,
            identity_url=settings.identity_url,
            partner_id=settings.partner_id,
            governor=governor_of(settings, self._parallel),
            on_secret=mask_secret,
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            proxy=settings.proxy,
            ca_bundle=settings.ca_bundle,
            user_agent=f"airflow-provider-marketo/{__version__}",
        )

    def get_conn(self) -> MarketoClient:
        """The client; made once per hook, safe to share between threads."""
        return self._client

    def call(self, operation: str, /, **parameters: Any) -> Reply:
        """
        Call any operation of Marketo's API by name.

        Within this process, what must not run twice does not. Nothing here outlives the process: for campaigns and
        the like use the operators, whose ledger does.

        :param operation: name in the catalogue, such as ``leads.get_by_filter_type``, or Adobe's operationId.
        :param parameters: in Adobe's spelling.
        :raises MarketoError: by consequence; see :mod:`airflow_provider_marketo.client.errors`.
        """
        return self._client.call(operation, **parameters)

    def paginate(self, operation: str, /, **parameters: Any) -> Iterator[Any]:
        """
        The records of a query, of all its pages.

        :param operation: name in the catalogue, or Adobe's operationId.
        :param parameters: of the first page, in Adobe's spelling.
        """
        return self._client.paginate(operation, **parameters)

    def test_connection(self) -> tuple[bool, str]:
        """Whether the connection works, and in one sentence what is wrong if it does not."""
        try:
            client = self.get_conn()
            client.call("usage.get_daily_usage")
            denied = _denied(client)
        except MarketoConnectionError as error:
            return False, f"Cannot reach {self.settings.host}: {error.message}; check host, proxy and network."
        except MarketoAuthError as error:
            return False, f"Marketo at {self.settings.host} refuses the credentials: {error.message}. {error.remedy}"
        except MarketoPermissionError as error:
            return False, f"The credentials are right, but Marketo denies access: {error.message}. {error.remedy}"
        except MarketoError as error:
            return False, str(error)
        if not denied:
            return True, f"Connected to {client.instance}."
        lacking = ", ".join(dict.fromkeys(denied))
        everything = len(denied) == len(_PROBES)
        return not everything, f"Connected to {client.instance}, but the API user's role lacks: {lacking}."


def _denied(client: MarketoClient) -> list[str]:
    denied = []
    for operation, parameters, permission in _PROBES:
        try:
            client.call(operation, **parameters)
        except MarketoPermissionError:
            denied.append(permission)
    return denied
