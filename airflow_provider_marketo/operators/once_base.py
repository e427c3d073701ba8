"""The base of the operators whose requests must not run twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import Check, choice, flag, text
from airflow_provider_marketo.choices import OnAmbiguous
from airflow_provider_marketo.operators.base import MarketoOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class MarketoOnceOperator(MarketoOperator):
    """
    Base of the operators that write requests into a ledger, so that no retry sends them twice.

    :param ledger: folder for the ledger's entries, which every worker must reach. Default: Airflow's Variables.
    :param on_ambiguous: what to do about a request of an earlier try that may or may not have run: ``stop``;
        ``resend``, once after each clear of the task; or ``assume_sent``.
    :param force: send again what the ledger has as sent, once after each clear of the task.
    :param dry_run: make the checks and log the calls that the task would make. Only reads are made.
    :param max_calls: most calls that a try may make.
    :param marketo_conn_id: id of the connection.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoOperator.argument_checks,
        "ledger": text(),
        "on_ambiguous": choice(OnAmbiguous),
        "force": flag(),
        "dry_run": flag(),
    }
    template_fields: Sequence[str] = (*MarketoOperator.template_fields, "ledger", "on_ambiguous")

    def __init__(
        self,
        *,
        ledger: str | None = None,
        on_ambiguous: OnAmbiguous = "stop",
        force: bool = False,
        dry_run: bool = False,
        max_calls: int | None = None,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(max_calls=max_calls, marketo_conn_id=marketo_conn_id, **kwargs)
        self.ledger = ledger
        self.on_ambiguous = on_ambiguous
        self.force = force
        self._preview = dry_run
        self.check_arguments()
