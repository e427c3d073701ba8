"""A campaign for the people in rows: looked up, grouped by their tokens, and requested at most once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.at_most_once.campaigns import (
    as_tokens,
    campaign_request,
    requestable,
    trigger,
)
from airflow_provider_marketo.at_most_once.sent_before import SentBefore, digest
from airflow_provider_marketo.at_most_once.task import OnceTask
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.names import key_part
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.suggest import with_nearest
from airflow_provider_marketo.imports import state
from airflow_provider_marketo.imports.request import ImportRequest
from airflow_provider_marketo.imports.state import Account
from airflow_provider_marketo.imports.targets import LEAD_ID, LEADS_PER_REQUEST, SYNC
from airflow_provider_marketo.imports.task import ImportWork
from airflow_provider_marketo.output import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_provider_marketo.at_most_once.campaigns import TriggerResult
    from airflow_provider_marketo.at_most_once.task import OnceCall
    from airflow_provider_marketo.hooks.marketo import MarketoHook
    from airflow_provider_marketo.imports.result import ImportDetails, ImportResult
    from airflow_provider_marketo.imports.rows import Rows
    from airflow_provider_marketo.imports.staged import StagedImport

log = printable_logger(__name__)

PEOPLE_PER_GROUP = 20
"""A run with fewer people in a call, on average, logs a warning: tokens that differ for each person cost many calls."""

_SENT = "_marketo_sent"

Record = dict[str, Any]

_Person = tuple[str, Record, "str | None"]
"""A staged row: its chunk, its record, and the digest of its values of ``once_by``."""


def trigger_for_leads_or_rows(
    context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any], *, parallel: int
) -> TriggerResult | ImportResult | dict[str, Any]:
    """
    Send leads, or the people of an input, through a trigger campaign.

    :param context: the running task's context.
    :param hook: the connection.
    :param arguments: the operator's arguments, rendered and converted.
    :param parallel: calls at once.
    """
    if all(arguments[way] is None for way in ("source", "sql", "records")):
        return trigger(context, hook, arguments)
    work = AudienceWork(context, hook, arguments, parallel=parallel, resumed=False)
    work.advance(None)
    return work.finish()


class AudienceWork(ImportWork):
    """
    One try of a task that requests a campaign for rows.

    The rows are staged like those of an import, so that every try has the same audience. The ledger records which
    calls were made, as for any request that must not run twice.
    """

    def request(self) -> ImportRequest:
        """Return the request. Its columns identify the leads, or belong to tokens and ``once_by``."""
        given = self.arguments
        tokens, once_by = given["tokens"] or {}, tuple(given["once_by"] or ())
        as_tokens(tokens)  # checks the names before a row is read
        carried = tuple(dict.fromkeys(map(str, (*tokens.values(), *once_by))))
        constants = given["constants"] or {}
        who = given["lookup_field"] or LEAD_ID
        renamed = given["columns"] or {}
        known = {*constants, *renamed.values()}
        columns = {name: name for name in (who, *carried) if name not in known} | dict(renamed)
        return ImportRequest.from_arguments(
            given,
            transport=SYNC,
            object_type="campaign_requests",
            columns=columns,
            carries=carried,
            once_by=once_by,
        )

    def choose(self, rows: Rows) -> tuple[ImportRequest, Rows]:
        """Check that the input has the columns that tokens and ``once_by`` name."""
        sources = {name: column for column, name in self._request.mapping(rows.columns).items()}
        named = {"tokens": (self.arguments["tokens"] or {}).values(), "once_by": self.arguments["once_by"] or ()}
        for parameter, names in named.items() if rows.columns else ():
            for name in names:
                if name not in self._request.constants and sources.get(name) not in rows.columns:
                    raise MarketoInvalidRequestError(
                        f"the input has no column {with_nearest(str(name), rows.columns)}",
                        parameter=parameter,
                        remedy=f"Its columns are {', '.join(rows.columns)}. For one value in all rows, use constants.",
                    )
        return super().choose(rows)

    def send(self, staged: StagedImport) -> ImportDetails:
        """Request the campaign for every group that no try has requested."""
        once = OnceTask(self._context, self._hook, self.arguments)
        campaign: dict[str, Any] = {}

        def check() -> None:
            if not campaign:
                campaign.update(requestable(once, self.arguments["campaign_id"]))

        people = self._people(staged)
        if self._once_by and not self._sent_before.is_reserved:
            # If a check failed after the digests are saved, they would count as sent.
            planned, _ = self._split(people, self._known)
            self._check_size(planned)
            if planned:
                check()
        sending, left_out = self._split(people, self._reserved)
        if left_out:
            log.info("%s sent by an earlier run", counted(sum(left_out.values()), "row was", "rows were"))
        self._check_size(sending)
        for chunk in staged.chunks:
            if staged.state(chunk).state == state.STAGED:
                staged.put(chunk, state.ChunkState(state.SENDING))  # from now on the input is not read again
        sent, earlier = once.send_all(self._calls(once, sending), check)
        staged.count_calls(sent + earlier)  # a try that stops before this line counts no calls
        for chunk in staged.chunks:
            left = left_out.get(chunk.name, 0)
            staged.settle(chunk, state.DONE, Account(accepted=chunk.rows - left, superseded=left))
        return {
            "campaign_id": self.arguments["campaign_id"],
            "campaign": campaign.get("name"),
            "leads": len({record[LEAD_ID] for record in sending}),
            "groups_sent": sent,
            "groups_sent_earlier": earlier,
            "sent_before": sum(left_out.values()),
        }

    def preview(self, staged: StagedImport) -> dict[str, Any]:
        """Return the numbers of people, groups and calls. The ledger and the digests stay unchanged."""
        sending, left_out = self._split(self._people(staged), self._known)
        self._check_size(sending)
        groups = list(self._groups(sending))
        return {
            "campaign_id": self.arguments["campaign_id"],
            "leads": len({record[LEAD_ID] for record in sending}),
            "groups": len(groups),
            "calls": len(groups),
            "sent_before": sum(left_out.values()),
        }

    def _people(self, staged: StagedImport) -> list[_Person]:
        """Read the staged rows."""
        header, once_by = staged.plan.header, self._once_by
        secret = self._hook.settings.hash_key(once_by, parameter="once_by")
        found: list[_Person] = []
        for chunk in staged.chunks:
            for row in staged.rows(chunk):
                record = dict(zip(header, row, strict=True))
                known_by = digest([record[name] for name in once_by], secret) if once_by and secret else None
                found.append((chunk.name, record, known_by))
        return found

    def _split(
        self, people: Sequence[_Person], may_send: Callable[[set[str]], set[str]]
    ) -> tuple[list[Record], dict[str, int]]:
        """Return the records to send, and for each chunk the number of rows that an earlier run has sent."""
        if not self._once_by:
            return [record for _, record, _ in people], {}
        allowed = may_send({one for _, _, one in people if one is not None})
        left_out: dict[str, int] = {}
        sending = []
        for chunk, record, one in people:
            if one in allowed:
                sending.append(record)
            else:
                left_out[chunk] = left_out.get(chunk, 0) + 1
        return sending, left_out

    def _reserved(self, digests: set[str]) -> set[str]:
        return self._sent_before.reserve(digests)

    def _known(self, digests: set[str]) -> set[str]:
        return digests - self._sent_before.known()

    @property
    def _once_by(self) -> list[str]:
        """The columns of ``once_by``, sorted, because the author's order does not matter."""
        return sorted(set(self.arguments["once_by"] or ()))

    @property
    def _sent_before(self) -> SentBefore:
        names = "-".join(map(str, (self.arguments["campaign_id"], *self._once_by)))
        place = f"{_SENT}/{key_part(self._client.instance)}/{key_part(names)}"
        return SentBefore(
            self._beginning.staging, place, layout.task_folder(self._context["ti"]), self.arguments["once_for"]
        )

    def _check_size(self, records: Sequence[Record]) -> None:
        most, people = self.arguments["max_audience"], len({record[LEAD_ID] for record in records})
        if most is not None and people > most:
            raise MarketoInvalidRequestError(
                f"the audience has {counted(people, 'lead')}, and max_audience is {most}",
                parameter="max_audience",
                remedy="This try sent nothing. If the audience is right, raise max_audience and clear the task. If the"
                " input is wrong, correct it and start a new DAG run: a cleared task keeps the rows that it has"
                " staged.",
            )

    def _calls(self, once: OnceTask, records: Sequence[Record]) -> list[OnceCall]:
        groups = list(self._groups(records))
        people = sum(len(leads) for leads, _ in groups)
        if len(groups) > 1 and people < PEOPLE_PER_GROUP * len(groups):
            log.warning(
                "%s for %s: a call takes only rows with equal tokens, and each lead once. Fewer distinct tokens"
                " need fewer calls",
                counted(len(groups), "call"),
                counted(people, "person", "people"),
            )
        return [
            campaign_request(once, self.arguments["campaign_id"], leads, as_tokens(tokens)) for leads, tokens in groups
        ]

    def _groups(self, records: Sequence[Record]) -> Iterator[tuple[list[int], dict[str, Any]]]:
        """Yield the leads and tokens of each call: at most 100 different leads with equal tokens."""
        tokens = self.arguments["tokens"] or {}
        open_groups: dict[tuple[Any, ...], list[list[int]]] = {}
        for record in records:
            key = tuple("" if record.get(column) is None else record[column] for column in tokens.values())
            lead_id = int(record[LEAD_ID])
            groups = open_groups.setdefault(key, [[]])
            fitting = next((one for one in groups if len(one) < LEADS_PER_REQUEST and lead_id not in one), None)
            if fitting is None:
                groups.append(fitting := [])
            fitting.append(lead_id)
        for key, groups in open_groups.items():
            for leads in groups:
                yield leads, dict(zip(tokens, key, strict=True))
