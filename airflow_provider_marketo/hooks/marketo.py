"""The hook: it makes a client of Marketo's API from an Airflow connection."""

from __future__ import annotations

import math
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from airflow_provider_marketo import __version__
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.errors import (
    MarketoAuthError,
    MarketoConnectionError,
    MarketoError,
    MarketoInvalidRequestError,
    MarketoPermissionError,
    MarketoQuotaExhaustedError,
)
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.hooks import form, variables
from airflow_provider_marketo.hooks.coordination import governor_of
from airflow_provider_marketo.hooks.failure import without_frames
from airflow_provider_marketo.hooks.finding import finding
from airflow_provider_marketo.hooks.quota import QuotaReader, require
from airflow_provider_marketo.hooks.runtime import runtime
from airflow_provider_marketo.hooks.settings import CONN_TYPE, ConnectionSettings
from airflow_provider_marketo.hooks.usage import send_metrics, send_quota_left, tally_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow.sdk import Connection

    from airflow_provider_marketo.client.transport import Reply

log = printable_logger(__name__)

_QUOTA_CHECK_INTERVAL = 10.0
"""Seconds after which a hook checks the age of the quota Variable again."""

PROBES: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("leads.describe", {}, "Read-Only Lead"),
    ("activities.get_types", {}, "Read-Only Activity"),
    ("program_members.describe", {}, "Read-Only Lead"),
    ("folders.get", {"maxReturn": 1, "maxDepth": 0}, "Read-Only Assets"),
)
"""What ``test_connection`` calls to find out which permissions the API user lacks: operation, arguments, permission."""


class MarketoHook(BaseHook):
    """
    Calls the API of an Adobe Marketo Engage instance.

    It works in a task, in a trigger's thread, in a command and in a script. It keeps Marketo's limits, renews the
    access token and sends a failed call again where that is safe; no call waits longer than a minute for its turn.

    :param marketo_conn_id: id of a connection of type ``marketo``.
    :param parallel: calls that may be in flight at once. Default: the task's ``pool_slots`` if it is in the
        connection's pool, else 1.
    :param max_calls: calls that the running task may make, over all its hooks. Default: the operator's ``max_calls``.
    :param settings: the connection, if the caller has read it already (a trigger reads it asynchronously).
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
        settings: ConnectionSettings | None = None,
    ) -> None:
        super().__init__()
        self.marketo_conn_id = marketo_conn_id
        self._parallel = parallel
        self._max_calls = max_calls
        self._settings = settings
        self._looked_at_quota = -math.inf
        self._stopped = False

    @property
    def parallel(self) -> int:
        """How many calls at once the hook was made for. The governor allows fewer outside the connection's pool."""
        return self._parallel or 1

    @cached_property
    def settings(self) -> ConnectionSettings:
        """
        The connection's fields, checked.

        :raises AirflowNotFoundException: the connection does not exist.
        :raises MarketoInvalidRequestError: a field is missing or out of range.
        """
        return self._settings or ConnectionSettings.from_connection(self._connection())

    def _connection(self) -> Connection:
        with finding(self.marketo_conn_id, conn_type=CONN_TYPE):
            return self.get_connection(self.marketo_conn_id)

    @cached_property
    def client(self) -> MarketoClient:
        """
        The client of the instance; safe to share between threads. Reads the connection and makes no call.

        :raises AirflowNotFoundException: the connection does not exist.
        :raises MarketoInvalidRequestError: a field of the connection is missing or out of range.
        """
        settings = self.settings
        settings.mask(mask_secret)
        tally = tally_of(settings.conn_id, self._observe)
        if self._max_calls is not None:
            tally.max_calls = self._max_calls
        client = MarketoClient(
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
        if self._stopped:  # stopped while the client was being made
            client.stop()
        return client

    def stop(self) -> None:
        """Make no further call: see :meth:`MarketoClient.stop`. A signal handler may call this."""
        self._stopped = True
        if "client" in vars(self):
            self.client.stop()

    def get_conn(self) -> MarketoClient:
        """Return :attr:`client`, under the name that Airflow gives it in every hook."""
        return self.client

    @cached_property
    def quota(self) -> QuotaReader:
        """Reads what is left of the day's quotas, and keeps the Variable ``marketo_quota_<conn_id>``."""
        return QuotaReader(self.client, self.settings, read=variables.find, write=variables.try_to_write)

    def check_budget(self, *, calls: int, custom_objects: Iterable[str] = ()) -> None:
        """
        Stop before expensive work if the rest of the day's quota, without the reserve, does not cover it.

        Outside a task it does nothing. If Marketo cannot be asked, it logs a warning and lets the work begin.

        :param calls: calls that the work is likely to need.
        :param custom_objects: custom object types that the work exports, so that their job lists are counted too.
        :raises MarketoQuotaExhaustedError: today's quota does not cover the work; its ``until`` says when to try again.
        :raises MarketoInvalidRequestError: not even the quota of a whole day covers the work.
        """
        if runtime().task is None:
            return
        try:
            left = self.quota.current(custom_objects=custom_objects)
        except MarketoQuotaExhaustedError:
            raise
        except MarketoError as error:
            log.warning("Marketo did not say what is left of the day's quota; the work begins anyway: %s", error)
            return
        if calls > left.quota - left.reserve:
            raise MarketoInvalidRequestError(
                f"about {calls} calls are needed, and extracts have {left.quota - left.reserve} calls a day",
                parameter="window",
                remedy="Use a longer window, extract a shorter span of time, or correct the connection's daily_quota"
                " and reserve.",
            )
        require(left, calls=calls)

    def call(self, operation: str, /, **parameters: Any) -> Reply:
        """
        Call an operation of Marketo's API and return Marketo's answer.

        An operation that must not run twice is sent once by this process. A retry of the task would send it again: for
        campaigns and the like use the operators, which keep a record of what was sent.

        :param operation: name in the catalogue, such as ``leads.get_by_filter_type``, or Adobe's operationId.
            ``airflow marketo operations`` lists them, ``airflow marketo describe`` shows their parameters.
        :param parameters: the operation's parameters in Adobe's spelling, such as ``filterType="email"``. Where Adobe
            wants a list, give a list.
        :return: the answer; ``records`` has the result as a list of dicts, ``body`` the whole JSON body.
        :raises MarketoInvalidRequestError: a parameter is missing, unknown or out of range; nothing was sent.
        :raises MarketoQuotaExhaustedError: the day's quota is spent; its ``until`` says when to try again.
        :raises MarketoBudgetError: the task has made its ``max_calls``; nothing was sent.
        :raises MarketoAmbiguousOutcomeError: Marketo may have run an operation that must not run twice.
        :raises MarketoError: any other failure; see :mod:`airflow_provider_marketo.client.errors`.
        """
        try:
            return self.client.call(operation, **parameters)
        except MarketoError as error:
            raise without_frames(error) from None

    def paginate(self, operation: str, /, **parameters: Any) -> Iterator[Any]:
        """
        Call a query and yield the records of all its pages. Each page is one call, made when its records are needed.

        :param operation: name in the catalogue, or Adobe's operationId, of an operation that returns pages.
        :param parameters: the parameters of the first page, in Adobe's spelling; the following pages use the same ones.
        :return: the records as Marketo sends them, a dict for most operations.
        :raises MarketoError: as :meth:`call`, when the page is called.
        """
        try:
            yield from self.client.paginate(operation, **parameters)
        except MarketoError as error:
            raise without_frames(error) from None

    def _observe(self, operation: str, waited: float, error: MarketoError | None) -> None:
        """Send the metrics of a call that has ended, and refresh the quota Variable if it is old."""
        send_metrics(self.marketo_conn_id, operation, waited, error)
        now = time.monotonic()
        if error is None and now - self._looked_at_quota >= _QUOTA_CHECK_INTERVAL and runtime().task is not None:
            self._looked_at_quota = now
            measured = self.quota.keep_fresh()
            if measured is not None:
                send_quota_left(self.marketo_conn_id, measured.calls_left)

    @property
    def _instance(self) -> str:
        return Endpoint.parse(self.settings.host).instance

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the connection works, and one sentence that says what is wrong if it does not."""
        try:
            client = self.get_conn()
            client.call("usage.get_daily_usage")
            denied = _denied(client)
        except MarketoConnectionError as error:
            return False, f"Cannot reach {self._instance}: {error.message}. {error.remedy}"
        except MarketoAuthError as error:
            return False, f"Marketo at {self._instance} refuses the credentials: {error.message}. {error.remedy}"
        except MarketoPermissionError as error:
            return False, f"The credentials are right, but Marketo denies access: {error.message}. {error.remedy}"
        except MarketoError as error:
            return False, str(error)
        if not denied:
            return True, f"Connected to {client.instance}."
        lacking = ", ".join(dict.fromkeys(denied))
        everything = len(denied) == len(PROBES)
        return not everything, f"Connected to {client.instance}, but the API user's role lacks: {lacking}."


def _denied(client: MarketoClient) -> list[str]:
    denied = []
    for operation, parameters, permission in PROBES:
        try:
            client.call(operation, **parameters)
        except MarketoPermissionError:
            denied.append(permission)
    return denied
