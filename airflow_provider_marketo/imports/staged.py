"""A staged import during one try: its chunks, their states, and the tables of rejects and warnings."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import stored_errors
from airflow_provider_marketo.client.bulk.imports import import_object
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoDataError, MarketoError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.tabular.keys import NumberSet
from airflow_provider_marketo.imports import given, rejects, state
from airflow_provider_marketo.imports import plan as plans
from airflow_provider_marketo.imports.errors import MarketoRowsRejectedError, MarketoRowsUnknownError
from airflow_provider_marketo.imports.plan import Chunk, ImportPlan
from airflow_provider_marketo.imports.rejects import RejectRow
from airflow_provider_marketo.imports.request import RESEND, ImportRequest
from airflow_provider_marketo.imports.result import RESULT_VERSION, ImportDetails, ImportResult
from airflow_provider_marketo.imports.state import Account, ChunkState, ImportProgress
from airflow_provider_marketo.imports.targets import BULK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airflow_provider_marketo.output.folder import OutputFolder
    from airflow_provider_marketo.output.progress import ProgressKeeper

log = printable_logger(__name__)

LEFT_OUT = "left-out.bits"
_TABLES = ("rejects", "warnings")


_LINES = 1_000


def plan_name(sha256: str) -> str:
    """Return the name of a plan's file. A plan's file never changes: a changed plan gets another name."""
    return f"plan-{sha256[:16]}.json"


@dataclass(frozen=True)
class ImportOutcome:
    """
    The end of an import.

    :param result: what the task returns.
    :param error: the error that ends the task although everything was sent; None if the task succeeds.
    """

    result: ImportResult
    error: MarketoError | None

    @property
    def final(self) -> bool:
        """Whether no later try needs the staged files."""
        return not isinstance(self.error, MarketoRowsUnknownError)


class StagedImport:
    """
    Keeps the states of the chunks, and settles their rows.

    :param plan: the plan of the import.
    :param keeper: keeps the import's progress.
    :param staging: the folder with the chunks of this task instance.
    :param rejects_folder: where tables of rejects go.
    :param table: the tables' name: the same for every try of a task instance.
    """

    def __init__(
        self,
        plan: ImportPlan,
        keeper: ProgressKeeper[ImportProgress],
        staging: OutputFolder,
        rejects_folder: OutputFolder,
        table: str,
    ) -> None:
        self.plan = plan
        self.request = ImportRequest.from_dict(plan.request)
        self.keeper = keeper
        self._progress = keeper.progress
        self._staging = staging
        self._rejects_folder = rejects_folder
        self._table = table
        self._together = self._is_behind = False
        self._left_out = NumberSet(staging.read(LEFT_OUT) or b"") if plan.chunks else NumberSet()

    @property
    def place(self) -> str:
        """The URL of the folder with the chunks."""
        return self._staging.url

    @property
    def chunks(self) -> Sequence[Chunk]:
        """The chunks, in the order of the input."""
        return self.plan.chunks

    def state(self, chunk: Chunk) -> ChunkState:
        """Return the progress of a chunk."""
        return self._progress.chunk(chunk.name)

    def count_calls(self, calls: int) -> None:
        """Count calls; the count is saved with the next state."""
        self._progress.calls += calls

    def put(self, chunk: Chunk, state: ChunkState) -> None:
        """
        Save a chunk's state.

        :raises MarketoStoppedError: this process must not continue.
        """
        self._progress.put(chunk.name, state)
        if self._together:
            self._is_behind = True
        else:
            self.keeper.save()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Save the states put inside this block in one write at its end: each write is an exchange with Airflow."""
        self._together, self._is_behind = True, False
        try:
            yield
        finally:
            self._together = False
            if self._is_behind:
                self.keeper.save()

    def data(self, chunk: Chunk) -> bytes:
        """
        Return a chunk's bytes, as they were staged.

        :raises MarketoDataError: they are gone, or have changed.
        """
        return plans.verified(chunk, self._staging.read(chunk.name))

    def rows(self, chunk: Chunk) -> list[list[Any]]:
        """Return a chunk's rows."""
        return plans.decode_rows(self.plan.form, self.data(chunk))

    def numbers(self, chunk: Chunk) -> list[int]:
        """Return the number of the input row for each of a chunk's rows."""
        found = list(plans.numbers(chunk, self._left_out))
        if len(found) != chunk.rows:
            raise MarketoDataError(
                f"chunk {chunk.name} has {chunk.rows} rows, and {self._staging.path(LEFT_OUT)} says {len(found)}",
                remedy=plans.START_OVER,
            )
        return found

    def settle(self, chunk: Chunk, end: str, account: Account, lines: Iterable[RejectRow] = ()) -> None:
        """
        Save what became of a chunk's rows.

        :param end: ``done``, or ``lost``.
        :param account: account of all its rows.
        :param lines: rows for the tables.
        """
        account.check(chunk.rows)
        by_table: dict[str, list[RejectRow]] = {name: [] for name in _TABLES}
        for line in self._as_given(chunk, list(lines)):
            by_table["warnings" if line.outcome == "warned" else "rejects"].append(line)
        for table, found in by_table.items():
            if found:
                self._staging.write(_part(table, chunk), rejects.encode_lines(self.plan, found))
            elif self.state(chunk).resent:
                self._staging.delete(_part(table, chunk))  # the chunk may have been settled before
        changed = self.state(chunk)
        changed.state, changed.account = end, account
        self.put(chunk, changed)

    def _as_given(self, chunk: Chunk, lines: list[RejectRow]) -> list[RejectRow]:
        """
        Return lines with the values of the input instead of those that were sent.

        If the file of these values is missing or damaged, lines keep the values that were sent: a task whose rows are
        in Marketo already must still be able to finish.
        """
        if not lines or not chunk.given:
            return lines
        name = given.file_name(chunk.name)
        data = self._staging.read(name)
        if data is None or plans.digest(data) != chunk.given:
            log.warning(
                "%s is %s: the tables of rejects and warnings show %s as sent to Marketo, not as in the input",
                self._staging.path(name),
                "gone" if data is None else "damaged",
                counted(len(lines), "row"),
            )
            return lines
        return given.restored(lines, data.splitlines())

    def lose(self, chunk: Chunk, why: str) -> None:
        """Give up a chunk whose answer was lost: all its rows are unknown."""
        lines = [
            RejectRow("unknown", "unknown", why, number, row)
            for number, row in zip(self.numbers(chunk), self.rows(chunk), strict=True)
        ]
        self.settle(chunk, state.LOST, Account(unknown=chunk.rows), lines)

    def reopen(self, chunk: Chunk) -> None:
        """Let this try ask Marketo again what became of a chunk's rows."""
        for table in _TABLES:
            self._staging.delete(_part(table, chunk))
        before = self.state(chunk)
        self.put(chunk, ChunkState(state.QUEUED, before.batch_id, resent=before.resent, reopened=True))

    def answer(self, *, sent: bool) -> None:
        """
        Accept a person's decision about the chunks whose answers were lost.

        :param sent: whether their rows are in Marketo. If not, they are sent again.
        """
        for chunk in self.chunks:
            found = self.state(chunk)
            if found.state != state.LOST:
                continue
            for table in _TABLES:
                self._staging.delete(_part(table, chunk))
            if sent:
                self.settle(chunk, state.DONE, Account(accepted=chunk.rows))
            else:
                self.put(chunk, ChunkState(losses=found.losses))

    @property
    def _operation(self) -> str:
        """The operation that sends the rows."""
        if self.request.transport == BULK:
            return import_object(self.request.object_type).operation("import")
        return self.request.target.stages[0].operation

    def split(self, chunk: Chunk) -> None:
        """Replace a chunk that is too large for Marketo with two chunks."""
        numbers, rows = self.numbers(chunk), self.rows(chunk)
        given_values = self._staging.read(given.file_name(chunk.name))
        parts = []
        stem, _, extension = chunk.name.rpartition(".")
        half = len(rows) // 2
        for letter, cut in (("a", slice(None, half)), ("b", slice(half, None))):
            data = plans.encode_header(self.plan.form, self.plan.header)
            data += plans.encode_rows(self.plan.form, list(zip(*rows[cut], strict=True)))
            name = f"{stem}{letter}.{extension}"
            self._staging.write(name, data)
            if given_values is not None:
                self._staging.write(given.file_name(name), given_values)
            first, last = numbers[cut][0], numbers[cut][-1]
            parts.append(Chunk(name, plans.digest(data), len(data), len(rows[cut]), first, last, chunk.given))
        self.plan = self.plan.with_split(chunk, parts)
        data = self.plan.to_bytes()
        sha256 = plans.digest(data)
        self._staging.write(plan_name(sha256), data)
        self._progress.chunks.pop(chunk.name, None)
        self._progress.plan = sha256
        self.keeper.save()

    def finish(self, details: ImportDetails) -> ImportOutcome:
        """
        Publish the tables and check the account.

        If no row is unknown, the result is saved: after a kill during the cleanup, the next try then sends nothing.

        :param details: parts of the result that only some imports have.
        """
        self.keeper.check()
        account = state.total(self.state(chunk).account for chunk in self.chunks)
        account += Account(rejected=self.plan.rejected, superseded=self.plan.superseded)
        account.check(self.plan.rows)
        addresses = {table: self._publish(table) for table in _TABLES}
        result: ImportResult = {**self._result(account, addresses), **details}
        log.info(
            "Imported %s: %s",
            self.request.describe(),
            ", ".join(f"{name} {getattr(account, name)}" for name in ("rows", *_COUNTED)),
        )
        error = self._verdict(account, addresses["rejects"])
        if not account.unknown:
            self._progress.result, self._progress.error = dict(result), stored_errors.to_dict(error) if error else {}
            self.keeper.save()
        return ImportOutcome(result, error)

    def _publish(self, table: str) -> str | None:
        names = [rejects.LOCAL] if table == "rejects" else []
        names += [_part(table, chunk) for chunk in self.chunks]
        parts = (block for name in names for block in self._blocks(name))
        return rejects.publish_table(
            self._rejects_folder,
            f"{table}-{self._table}",
            self.request.rejects_format,
            parts,
            list(self.plan.sources.values()),
        )

    def _blocks(self, name: str) -> Iterator[bytes]:
        """Yield whole lines of a file that may be as large as the input; nothing if there is no such file."""
        with suppress(FileNotFoundError), self._staging.reading(name) as file:
            while lines := list(islice(file, _LINES)):
                yield b"".join(lines)

    def _result(self, account: Account, addresses: Mapping[str, str | None]) -> ImportResult:
        batches = [self.state(chunk).batch_id for chunk in self.chunks]
        return ImportResult(
            version=RESULT_VERSION,
            object_type=self.request.object_type,
            custom_object=self.request.custom_object,
            transport=self.plan.transport,
            rows=self.plan.rows,
            accepted=account.accepted,
            warned=account.warned,
            rejected=account.rejected,
            superseded=account.superseded,
            unknown=account.unknown,
            submitted=account.submitted,
            created=account.created,
            updated=account.updated,
            long_values=dict(self.plan.long),
            chunks=len(self.chunks),
            calls=self._progress.calls,
            batch_ids=[batch for batch in batches if batch is not None],
            rejects=addresses["rejects"],
            warnings=addresses["warnings"],
        )

    def _verdict(self, account: Account, address: str | None) -> MarketoError | None:
        if account.unknown:
            untold = any(self.state(chunk).state == state.UNTOLD for chunk in self.chunks)
            lost = [chunk for chunk in self.chunks if self.state(chunk).state == state.LOST]
            all_lost = sum(chunk.rows for chunk in lost) == account.unknown
            where = f", listed in {address}" if address else ""
            return MarketoRowsUnknownError(
                f"{account.unknown} of {counted(self.plan.rows, 'row')} may or may not be in Marketo{where}",
                lost=f"{counted(account.unknown, 'row')} of {self.request.describe()}" if all_lost else "",
                instance=self.keeper.progress.fingerprint.rpartition(":")[0],
                operation=self._operation,
                remedy=f"{self._way_out(untold=untold)} The outcome of all other rows is known.",
            )
        rejected = account.rejected
        allowed = self.request.max_reject_ratio
        if rejected and rejected > allowed * self.plan.rows:
            return MarketoRowsRejectedError(
                f"{rejected} of {counted(self.plan.rows, 'row')} {'was' if rejected == 1 else 'were'} rejected,"
                f" more than max_reject_ratio={allowed:g} allows",
                parameter="max_reject_ratio",
                remedy=f"{address} has the rejected rows, each with its reason and the next step. Correct that file and"
                " send it. No other row is left to send.",
            )
        return None

    def _way_out(self, *, untold: bool) -> str:
        """
        Return what to do about rows whose outcome is unknown.

        :param untold: whether Marketo may still say what became of some of them.
        """
        states = map(self.state, self.chunks)
        if any(each.state == state.DONE and each.account.unknown for each in states):
            # Only a whole call is sent again, and a part of this one ran.
            return (
                "Check in Marketo whether they exist, and send those that are missing as a new input: a cleared task"
                " does not send all of them again."
            )
        resends = self.request.on_lost_upload == RESEND or (self.request.resends and not untold)
        allow = "" if resends else "set on_lost_upload='resend' and "
        return (
            f"{'Clear the task: it asks Marketo for the reports again. ' if untold else ''}Check in Marketo whether"
            f" they exist. To send them once more, {allow}clear the task; the staged rows are kept."
        )


_COUNTED = ("accepted", "warned", "rejected", "superseded", "unknown", "submitted")


def _part(table: str, chunk: Chunk) -> str:
    return f"{table}-{chunk.name}.jsonl"
