"""The hook: from an Airflow connection to a client of Marketo's API."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from airflow.providers.common.compat.sdk import Stats
from airflow.sdk import BaseHook, Variable
from airflow.sdk.log import mask_secret

from airflow_provider_marketo import __version__
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import (
    MarketoAuthError,
    MarketoConnectionError,
    MarketoError,
    MarketoInvalidRequestError,
    MarketoPermissionError,
    MarketoQuotaExhaustedError,
)
from airflow_provider_marketo.client.transport import Reply
from airflow_provider_marketo.hooks import form
from airflow_provider_marketo.hooks.coordination import governor_of
from airflow_provider_marketo.hooks.quota import QUOTA_DESCRIPTION, QuotaReader, require
from airflow_provider_marketo.hooks.runtime import runtime
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.hooks.usage import send_metrics, tally_of

log = logging.getLogger(__name__)

_LOOK_AT_QUOTA_EVERY = 10.0

_PROBES: tuple[tuple[str, dict[str, Any], str], ...] = (
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
    :param parallel: calls that may be in flight at once. A task in the connection's pool takes its ``pool_slots``,
        anything else one.
    :param max_calls: calls that the task may make in all. Default: the operator's ``max_calls`` if it has any.
    :param max_export_mb: megabytes that the task may export in bulk. Default: likewise.
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
        parallel: int | None = None,
        max_calls: int | None = None,
        max_export_mb: float | None = None,
        settings: ConnectionSettings | None = None,
    ) -> None:
        super().__init__()
        self.marketo_conn_id = marketo_conn_id
        self._parallel = parallel
        self._max_calls = max_calls
        self._max_export_mb = max_export_mb
        self._settings = settings
        self._looked_at_quota = -math.inf

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
        for secret in settings.secrets:
            mask_secret(secret)
        tally = tally_of(settings.conn_id, self._observe)
        if self._max_calls is not None:
            tally.max_calls = self._max_calls
        if self._max_export_mb is not None:
            tally.max_export_mb = self._max_export_mb
        return MarketoClient(
            settings.host,
            settings.client_id,
            settings.client_secret,
            identity_url=settings.identity_url,
            partner_id=settings.partner_id,
            governor=governor_of(settings, self._parallel),
            tally=tally,
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

    @cached_property
    def quota(self) -> QuotaReader:
        """The day's budgets of the instance, and the Variable that shows them."""
        return QuotaReader(self._client, self.settings, read=_read_variable, write=_write_variable)

    def check_budget(self, *, calls: int, custom_objects: Iterable[str] = ()) -> None:
        """
        Before expensive work of a task: whether what it needs is left of the day, above the reserve.

        :param calls: that it is likely to need.
        :param custom_objects: custom object types that it exports, to be looked at when exported bytes are counted.
        :raises MarketoQuotaExhaustedError: it is not; the error says until when.
        :raises MarketoInvalidRequestError: no day will ever have that much.
        """
        if runtime().task is None:
            return
        try:
            left = self.quota.current(custom_objects=custom_objects)
        except MarketoQuotaExhaustedError:
            raise
        except MarketoError as error:
            log.warning("Could not find out what is left of the day's calls: %s", error)
            return
        if calls > left.quota - left.reserve:
            raise MarketoInvalidRequestError(
                f"about {calls} calls are needed, and no day has more than {left.quota - left.reserve} for extracts",
                parameter="window",
                remedy="Use a longer window or a shorter span, or correct the connection's daily_quota and reserve.",
            )
        require(left, calls=calls)

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

    def _observe(self, operation: str, waited: float, error: MarketoError | None) -> None:
        """Every call ends here: metrics, and the Variable if it has grown old."""
        send_metrics(self.marketo_conn_id, operation, waited, error)
        now = time.monotonic()
        if error is None and now - self._looked_at_quota >= _LOOK_AT_QUOTA_EVERY and runtime().task is not None:
            self._looked_at_quota = now
            measured = self.quota.keep_fresh()
            if measured is not None:
                Stats.gauge("marketo.quota_left", measured.calls_left, tags={"connection": self.marketo_conn_id})

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


def _read_variable(name: str) -> str | None:
    text = Variable.get(name, default=None)
    return None if text is None else str(text)


def _write_variable(name: str, text: str) -> None:
    """A snapshot that is lost is taken again: that is no reason to fail a task."""
    try:
        Variable.set(name, text, description=QUOTA_DESCRIPTION)
    except Exception as error:  # noqa: BLE001 - whatever Airflow raises on its way to its database
        log.warning("The Variable %s could not be written: %s", name, error)


def _denied(client: MarketoClient) -> list[str]:
    denied = []
    for operation, parameters, permission in _PROBES:
        try:
            client.call(operation, **parameters)
        except MarketoPermissionError:
            denied.append(permission)
    return denied
