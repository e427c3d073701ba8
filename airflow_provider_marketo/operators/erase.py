"""Leads erased on request, as the law has it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.hooks.link import push_place
from airflow_provider_marketo.links.marketo import MarketoLink
from airflow_provider_marketo.operators.base import MarketoOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.hooks.marketo import MarketoHook
    from airflow_provider_marketo.imports.erasure import Erasure, Evidence


class MarketoEraseLeadsOperator(MarketoOperator):
    """
    Delete all leads that a request for erasure is about, and write down evidence without personal data.

    Looks in all partitions that the API user sees, finds duplicates too, deletes, and looks again. What cannot be
    undone needs ``confirm=True``. What has been deleted may come back through a form, a CRM or a list import:
    ``verify_after`` looks once more, without a worker in between, and fails the task if it did.

    Adobe's operations: ``leads.get_by_filter_type``, ``leads.delete``.

    :param evidence: folder for the evidence, a JSON file per run of the task: counts, times, and a digest (keyed with
        the connection's ``hash_salt``) in the place of each value and id.
    :param filter_type: field to look in, such as ``email`` or ``id``; one of the searchable fields of describe.
    :param filter_values: values to look for. Airflow shows them as a rendered field: give addresses by ``source`` or
        ``sql`` instead.
    :param source: files with the values, in the column ``column``; or
    :param source_format: of the files, where their names do not tell.
    :param sql: a query with such a column, on ``sql_conn_id``.
    :param sql_conn_id: connection of a database.
    :param column: of ``source`` or ``sql``. Default: ``filter_type``.
    :param confirm: has to be True, or to render to it.
    :param max_leads: refuse to delete more, which is usually a mistake upstream.
    :param verify_after: when to look again; None for never. Needs a triggerer.
    :param dry_run: count what would be deleted.
    :param marketo_conn_id: id of the connection.
    :return: ``{"requested", "found", "erased", "remaining", "reappeared", "evidence"}``: counts, and where the evidence
        lies.
    """

    template_fields: Sequence[str] = (
        "evidence",
        "filter_type",
        "filter_values",
        "source",
        "sql",
        "column",
        "confirm",
        "marketo_conn_id",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"sql": "sql"}  # noqa: RUF012 - Airflow's own idiom
    operator_extra_links = (MarketoLink(),)
    ui_color = "#e9e3f5"

    def __init__(
        self,
        *,
        evidence: str,
        filter_type: str = "email",
        filter_values: Sequence[Any] | str | None = None,
        source: Any = None,
        source_format: str | None = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        column: str | None = None,
        confirm: bool | str = False,
        max_leads: int = 1_000,
        verify_after: timedelta | None = None,
        dry_run: bool = False,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.evidence = evidence
        self.filter_type = filter_type
        self.filter_values = filter_values
        self.source = source
        self.source_format = source_format
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.column = column
        self.confirm = confirm
        self.max_leads = max_leads
        self.verify_after = verify_after
        self.rehearse = dry_run  # BaseOperator.dry_run is a method
        self.marketo_conn_id = marketo_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_marketo.operators.failures import no_retry_on_permanent_errors

        with no_retry_on_permanent_errors():
            values = self._values()
            self._check()
            erasure, hook = self._erasure(values)
            found = erasure.find()
            self._refuse_too_many(len(found))
            if self.rehearse:
                push_place(context, hook, lead_id=found[0] if len(found) == 1 else None)
                self.log.info("Would call leads.delete for %d leads, found by %d values", len(found), len(values))
                return {"requested": len(values), "found": len(found), "erased": 0, "evidence": None}
            evidence = self._evidence(context, hook.get_conn())
            facts = self._erase(erasure, evidence, values, found)
        if self.verify_after is not None:
            self._wait(self.verify_after)
        return self._summary(evidence, facts)

    def recheck(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Looks again, when the time has come."""
        from airflow.providers.common.compat.sdk import AirflowFailException

        from airflow_provider_marketo.imports.erasure import MarketoLeadsReappearedError
        from airflow_provider_marketo.operators.failures import no_retry_on_permanent_errors

        with no_retry_on_permanent_errors():
            erasure, hook = self._erasure(self._values())
            found = erasure.find()
            push_place(context, hook, lead_id=found[0] if found else None)
            evidence = self._evidence(context, hook.get_conn())
            facts = evidence.recheck(len(found))
        if found:
            error = MarketoLeadsReappearedError(f"{len(found)} erased leads are there again; see {evidence.path}")
            raise AirflowFailException(str(error)) from error
        return self._summary(evidence, facts)

    def _check(self) -> None:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

        if str(self.confirm).lower() != "true" and not self.rehearse:
            raise MarketoInvalidRequestError(
                "leads are deleted for good, and confirm is not True",
                parameter="confirm",
                remedy="Try it with dry_run=True, then set confirm=True.",
            )

    def _values(self) -> list[str]:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
        from airflow_provider_marketo.imports.inputs import open_rows
        from airflow_provider_marketo.legacy_arguments import as_list, checked_values

        if self.filter_values is not None and self.source is None and self.sql is None:
            return checked_values(as_list(self.filter_values) or ())
        rows = open_rows(
            records=None if self.filter_values is None else [],
            source=self.source,
            source_format=self.source_format,
            sql=self.sql,
            sql_conn_id=self.sql_conn_id,
        )
        column = self.column or self.filter_type
        if column not in rows.columns:
            raise MarketoInvalidRequestError(
                f"there is no column {column!r}", parameter="column", remedy=f"There are {', '.join(rows.columns)}."
            )
        place = list(rows.columns).index(column)
        return checked_values(value for batch in rows.batches for value in batch[place])

    def _erasure(self, values: Sequence[str]) -> tuple[Erasure, MarketoHook]:
        from airflow_provider_marketo.hooks.marketo import MarketoHook
        from airflow_provider_marketo.imports.erasure import Erasure

        hook = MarketoHook(self.marketo_conn_id)
        return Erasure(hook.get_conn(), self.filter_type, values, hook.settings.hash_salt), hook

    def _refuse_too_many(self, found: int) -> None:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

        if found > self.max_leads:
            raise MarketoInvalidRequestError(
                f"the values find {found} leads, and max_leads is {self.max_leads}",
                parameter="filter_values",
                remedy="Raise max_leads if that is meant.",
            )

    def _evidence(self, context: Context, client: MarketoClient) -> Evidence:
        from airflow_provider_marketo.imports.erasure import Evidence
        from airflow_provider_marketo.output.folder import OutputFolder

        ti = context["ti"]
        task = {name: getattr(ti, name) for name in ("dag_id", "task_id", "run_id", "map_index")}
        folder = OutputFolder(self.evidence, parameter="evidence")
        folder.check_writable()
        return Evidence(folder, {"instance": client.instance, **task})

    def _erase(
        self, erasure: Erasure, evidence: Evidence, values: Sequence[str], found: Sequence[int]
    ) -> dict[str, Any]:
        from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

        evidence.begin(erasure.digests(values), erasure.digests(found))
        refused = erasure.delete(found)
        remaining = len(erasure.find())
        facts = evidence.finish(remaining, refused)
        self.log.info("Erased %d leads for %d values; %d remain", facts["erased"], len(values), remaining)
        if remaining:
            reasons = ", ".join(f"{count} times {code}" for code, count in refused.items()) or "it gave no reason"
            raise MarketoInvalidRequestError(
                f"{remaining} leads are still there: Marketo refused ({reasons}); see {evidence.path}",
                parameter="filter_values",
                remedy="Look in Marketo what keeps them: a CRM, a partition that the API user may not write to.",
            )
        return facts

    def _wait(self, wait: timedelta) -> None:
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        self.defer(trigger=DateTimeTrigger(moment=datetime.now(timezone.utc) + wait), method_name="recheck")

    def _summary(self, evidence: Evidence, facts: dict[str, Any]) -> dict[str, Any]:
        return {
            "requested": len(facts["requested"]),
            "found": len(facts["leads"]),
            "erased": facts["erased"],
            "remaining": facts["remaining"],
            "reappeared": facts.get("reappeared"),
            "evidence": evidence.path,
        }
