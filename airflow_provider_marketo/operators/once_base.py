"""What operators have in common whose requests must not run twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.operators.base import MarketoOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.at_most_once.ledger import Ledger, Sending
    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.hooks.marketo import MarketoHook


class MarketoOnceOperator(MarketoOperator):
    """
    An operator with a ledger.

    :param ledger: folder for the ledger's entries, where every worker reaches it. Default: Airflow's Variables.
    :param on_ambiguous: about a request of an earlier try of which nobody knows whether it ran: ``stop``; ``resend``,
        once after each clear of the task; or ``assume_sent``.
    :param force: send again, once after each clear of the task, what the ledger knows as sent.
    :param dry_run: make the checks and log the calls that would be made; only reads are spent.
    :param marketo_conn_id: id of the connection.
    """

    template_fields: Sequence[str] = ("ledger", "on_ambiguous", "marketo_conn_id")
    ui_color = "#e9e3f5"

    def __init__(
        self,
        *,
        ledger: str | None = None,
        on_ambiguous: str = "stop",
        force: bool = False,
        dry_run: bool = False,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.ledger = ledger
        self.on_ambiguous = on_ambiguous
        self.force = force
        self.rehearse = dry_run  # BaseOperator.dry_run is a method
        self.marketo_conn_id = marketo_conn_id

    def _hook(self) -> MarketoHook:
        from airflow_provider_marketo.hooks.marketo import MarketoHook

        return MarketoHook(self.marketo_conn_id)

    def _client(self) -> MarketoClient:
        return self._hook().get_conn()

    def _open_ledger(self) -> Ledger:
        from airflow_provider_marketo.at_most_once.ledger import Ledger
        from airflow_provider_marketo.at_most_once.stores import store_of

        return Ledger(store_of(self.ledger), on_ambiguous=self.on_ambiguous, force=self.force)

    def _sending(self, context: Context, client: MarketoClient, operation: str, content: Any, what: str) -> Sending:
        from airflow_provider_marketo.at_most_once.how_to_check import how_to_check
        from airflow_provider_marketo.at_most_once.ledger import sending_of

        return sending_of(
            context,
            instance=client.instance,
            operation=operation,
            content=content,
            what=what,
            how_to_check=how_to_check(operation),
        )
