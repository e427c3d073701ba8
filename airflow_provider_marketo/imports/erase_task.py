"""The task of an erasure: find the leads, delete them, check at once, and check again after ``verify_after``."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.conversions import checked_values
from airflow_provider_marketo.hooks.link import push_place
from airflow_provider_marketo.hooks.work import Wait, Work
from airflow_provider_marketo.imports.erasure import Erasure, Evidence, MarketoLeadsReappearedError
from airflow_provider_marketo.imports.inputs import WAYS, open_rows
from airflow_provider_marketo.imports.people import place_of
from airflow_provider_marketo.imports.targets import LEAD_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_marketo.hooks.marketo import MarketoHook

log = printable_logger(__name__)


class EraseWork(Work):
    """
    One try of an erasure.

    A process that resumes after a deferral reads in the evidence whether the deletion was checked. If it was, the
    process only checks whether a lead exists again.

    :param context: the running task's context.
    :param hook: the connection.
    :param arguments: the operator's arguments, rendered and converted.
    :param erase_tables: erases leads from the author's warehouse and returns what it touched.
    :param resumed: whether this is the same try after a deferral.
    :raises MarketoInvalidRequestError: the arguments do not go together; nothing was deleted.
    """

    def __init__(
        self,
        context: Mapping[str, Any],
        hook: MarketoHook,
        arguments: Mapping[str, Any],
        erase_tables: Callable[[Sequence[int]], Mapping[str, Any]],
        *,
        resumed: bool,
    ) -> None:
        self._context = context
        self._hook = hook
        self._arguments = arguments
        self._erase_tables = erase_tables
        self._touched: Mapping[str, Any] = {}
        self._result: dict[str, Any] = {}
        if not arguments["confirm"] and not arguments["dry_run"]:
            raise MarketoInvalidRequestError(
                "this try deletes nothing: a deleted lead cannot be restored, and confirm is not True",
                parameter="confirm",
                remedy="Try it with dry_run=True, then set confirm=True.",
            )
        given = _values_of(arguments)
        self._given = len(given)
        self._field = "id" if arguments["lookup_field"] in (None, LEAD_ID) else arguments["lookup_field"]
        self._input = next(way for way in WAYS if arguments[way] is not None)
        self._values = checked_values(given, self._input)
        self._erasure = Erasure(hook.client, self._field, self._values, hook.settings.hash_secret)
        self._evidence = None if arguments["dry_run"] else _evidence_of(context, hook, arguments["evidence"])
        if self._evidence is not None and not resumed:
            self._evidence.restart()

    def advance(self, found: Mapping[str, Any] | None) -> Wait | None:
        """
        Delete the leads and check that they are gone, or after the wait check that none exists again.

        :param found: ignored, because an erasure only waits for a time.
        :return: the time of the later check, or None when all is done.
        """
        if self._evidence is None:
            self._result = self._count()
            return None
        if self._evidence.verified:
            self._result = self._look_again(self._evidence)
            return None
        self._result = self._erase(self._evidence)
        verify_after = self._arguments["verify_after"]
        return Wait(datetime.now(timezone.utc) + verify_after) if verify_after is not None else None

    def finish(self) -> dict[str, Any]:
        """Return the counts and the path of the evidence."""
        if self._evidence is not None:
            self._evidence.close()
        return {**self._result, **self._touched}

    def _count(self) -> dict[str, Any]:
        found = self._find()
        push_place(self._context, self._hook, lead_id=found[0] if len(found) == 1 else None)
        log.info(
            "Would call leads.delete for %s, found by %s",
            counted(len(found), "lead"),
            counted(len(self._values), "value"),
        )
        return {"requested": len(self._values), "found": len(found), "erased": 0, "evidence": None}

    def _find(self) -> list[int]:
        found, most = self._erasure.find(), self._arguments["max_leads"]
        if not found:
            self._check_none_found()
        if len(found) > most:
            raise MarketoInvalidRequestError(
                f"the values find {counted(len(found), 'lead')}, and max_leads is {most}",
                parameter=self._input,
                remedy="Raise max_leads if you want to erase all of them.",
            )
        return found

    def _check_none_found(self) -> None:
        """Refuse values that find no lead, unless the author allows it or an earlier try has erased the leads."""
        erased_earlier = self._evidence is not None and self._evidence.record.found > 0
        if self._given == 0 or erased_earlier or self._arguments["allow_none_found"]:
            return
        error = MarketoInvalidRequestError(
            f"{counted(self._given, 'given value')} of {self._field} found no lead: no lead was erased",
            parameter=self._input,
            remedy="Check the values, lookup_field and the API user's partitions. If it is not a mistake, set"
            " allow_none_found=True.",
        )
        if not self._arguments["dry_run"]:
            raise error
        log.warning("%s", error)

    def _erase(self, evidence: Evidence) -> dict[str, Any]:
        erasure, found = self._erasure, self._find()
        evidence.begin(
            len(self._values),
            len(found),
            without_lead=erasure.without_lead(),
            requested=erasure.digests(self._values),
            leads=erasure.digests(found),
        )
        if evidence.record.without_lead:
            log.warning(
                "%s of %d found no lead; the evidence lists their positions: %s",
                counted(evidence.record.without_lead, "value"),
                len(self._values),
                evidence.path,
            )
        # First the tables: after the deletion Marketo no longer says which ids the values had.
        self._touched = self._erase_tables(found)
        refused = erasure.delete(found, evidence.note_deleted)
        remaining = len(erasure.find())
        evidence.finish(remaining, refused)
        log.info(
            "Erased %s for %s; still in Marketo: %d",
            counted(evidence.record.erased or 0, "lead"),
            counted(len(self._values), "value"),
            remaining,
        )
        if remaining:
            reasons = ", ".join(f"{code} for {counted(count, 'lead')}" for code, count in refused.items())
            reasons = reasons or "it gave no reason"
            raise MarketoInvalidRequestError(
                f"{counted(remaining, 'lead is', 'leads are')} still there: Marketo refused ({reasons});"
                f" see {evidence.path}",
                parameter=self._input,
                remedy="Find out in Marketo what keeps the deletion from working: a CRM, or a partition that the API"
                " user may not write to.",
            )
        return _summary(evidence)

    def _look_again(self, evidence: Evidence) -> dict[str, Any]:
        found = self._erasure.find()
        push_place(self._context, self._hook, lead_id=found[0] if found else None)
        evidence.recheck(len(found))
        if found:
            raise MarketoLeadsReappearedError(
                f"{counted(len(found), 'erased lead is', 'erased leads are')} there again; see {evidence.path}"
            )
        return _summary(evidence)


def _values_of(arguments: Mapping[str, Any]) -> list[Any]:
    """Return the values to look for, unchecked: those of one column of the input."""
    wanted = arguments["lookup_field"] or LEAD_ID
    named = arguments["columns"] or {}
    column = next((name for name, field in named.items() if field == wanted), wanted)
    rows = open_rows({**arguments, "columns": {column: column}})
    if not rows.columns:
        return []
    place = place_of(rows, column, wanted)
    return [value for batch in rows.batches for value in batch[place]]


def _evidence_of(context: Mapping[str, Any], hook: MarketoHook, url: str) -> Evidence:
    ti = context["ti"]
    task = {name: getattr(ti, name) for name in ("dag_id", "task_id", "run_id", "map_index")}
    return Evidence(url, {"instance": hook.client.instance, **task})


def _summary(evidence: Evidence) -> dict[str, Any]:
    record = evidence.record
    return {
        "requested": record.requested,
        "found": record.found,
        "without_lead": record.without_lead,
        "erased": record.erased,
        "remaining": record.remaining,
        "reappeared": record.reappeared,
        "evidence": evidence.path,
    }
